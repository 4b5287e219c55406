"""What a page asks: named queries, their chaining, and a database that shows them ``mart_*`` and nothing else.

Reads the release's ``marts.duckdb`` and ``marts.yml`` (columns that an older release may lack); writes nothing.
"""

from __future__ import annotations

import itertools
import json
import re
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import duckdb
import yaml

from dagster_project import strict_yaml
from dagster_project.reports.errors import PageError, first_line
from dagster_project.settings import memory_limit

_REFERENCE = re.compile(r"\$\{\s*([^}]*?)\s*\}")
_PLACE = "place_in_query_"  # the column that keeps a stored result's order
_LARGE = 3000  # rows; more of them stay in the database, where they take a tenth of the memory
# Of the database of one process, where nothing else is set; what does not fit goes to a folder of its own. Several
# processes render beside each other, and a page needs little at a time.
_MEMORY = "192MB"
_TABLE_FUNCTIONS = ("unnest", "range", "generate_series")

# ----------------------------------------------------------------------------------------------------------
# Results
# ----------------------------------------------------------------------------------------------------------


class Row:
    """One row of a query; ``row.column`` in a page. An unknown column is a PageError naming the known."""

    __slots__ = ("_places", "_query", "_values")

    def __init__(self, values: Sequence[Any], places: Mapping[str, int], query: str) -> None:
        self._values = values
        self._places = places
        self._query = query

    def __getitem__(self, column: str) -> Any:
        place = self._places.get(column)
        if place is None:
            known = ", ".join(self._places)
            raise PageError(f'unknown column "{column}"; there are: {known}', query=self._query)
        return self._values[place]

    def get(self, column: str, default: Any = None) -> Any:
        """The column's value, or ``default`` if the query has no such column."""
        place = self._places.get(column)
        return default if place is None else self._values[place]

    def pick(self, columns: Iterable[str]) -> list[Any]:
        """The values of columns that the query is known to have."""
        return [self._values[self._places[column]] for column in columns]

    def as_dict(self) -> dict[str, Any]:
        """Column → value."""
        return dict(zip(self._places, self._values, strict=True))


class Result:
    """The rows of one query, in the query's order, with the text to show when there are none."""

    def __init__(self, name: str, columns: Sequence[str], rows: Sequence[Row], empty: str | None) -> None:
        self.name = name
        self.columns = tuple(columns)
        self.rows = tuple(rows)
        self.empty = empty
        self._indexes: dict[tuple[str, ...], dict[tuple[Any, ...], list[Row]]] = {}

    def __iter__(self) -> Iterator[Row]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> Row:
        if not -len(self.rows) <= index < len(self.rows):
            raise PageError(f"row {index} asked for, the query has {len(self.rows)}", query=self.name)
        return self.rows[index]

    def where(self, **equal: Any) -> Result:
        """The rows whose columns equal the given values; found by an index, so cheap on every page."""
        columns = tuple(sorted(equal))
        self.require(columns)
        if columns not in self._indexes:
            index: dict[tuple[Any, ...], list[Row]] = {}
            for row in self.rows:
                index.setdefault(tuple(row[column] for column in columns), []).append(row)
            self._indexes[columns] = index
        rows = self._indexes[columns].get(tuple(equal[column] for column in columns), [])
        if not rows and self.empty is None:
            raise PageError(
                "no rows left by the filter, and the page declares no text for that (empty:)", query=self.name
            )
        return Result(self.name, self.columns, rows, self.empty)

    def require(self, columns: Iterable[str]) -> None:
        """Raise PageError unless the query has all these columns."""
        for column in columns:
            if column not in self.columns:
                known = ", ".join(self.columns)
                raise PageError(f'unknown column "{column}"; there are: {known}', query=self.name)

    def only(self, asker: str) -> Row:
        """The query's only row; raises PageError naming who asks if there are none or more."""
        if len(self.rows) != 1:
            raise PageError(f"{asker} needs exactly one row, the query has {len(self.rows)}", query=self.name)
        return self.rows[0]


class StoredResult(Result):
    """A large result that stays in the database: ``where`` fetches only rows near those it is asked for."""

    def __init__(
        self, name: str, columns: Sequence[str], empty: str | None, table: str, count: int, database: Database
    ) -> None:
        super().__init__(name, columns, (), empty)
        self._table = table
        self._count = count
        self._database = database
        self._sorted: dict[tuple[str, ...], _Neighbours] = {}

    def __iter__(self) -> Iterator[Row]:
        return iter(self._all)

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: int) -> Row:
        return Result(self.name, self.columns, self._all, self.empty)[index]

    def where(self, **equal: Any) -> Result:
        """The rows whose columns equal the given values, in the query's order; cheap if asked for in sorted order."""
        columns = tuple(equal)
        self.require(columns)
        if columns not in self._sorted:
            self._sorted[columns] = _Neighbours(self._database, self._table, columns)
        rows = self._sorted[columns].pick(tuple(equal.values()), self.name)
        if not rows and self.empty is None:
            raise PageError(
                "no rows left by the filter, and the page declares no text for that (empty:)", query=self.name
            )
        return Result(self.name, self.columns, rows, self.empty)

    @cached_property
    def _all(self) -> tuple[Row, ...]:
        return self._database.read(self.name, self._table).rows


class _Neighbours:
    """A stored table in the order of some columns, read a stretch at a time: pages ask for one key after the other."""

    def __init__(self, database: Database, table: str, columns: Sequence[str]) -> None:
        self._database = database
        self._table, self._keys = database.sort(table, columns)
        self._numbers = {key: number for number, (key, _, _) in enumerate(self._keys)}
        self._held: dict[tuple[Any, ...], Sequence[Row]] = {}

    def pick(self, key: tuple[Any, ...], name: str) -> Sequence[Row]:
        """The rows of this key."""
        if key not in self._numbers:
            return ()
        if key not in self._held:
            start = self._numbers[key]
            _, first, last = self._keys[start]
            stretch = [part for part in self._keys[start : start + _LARGE] if part[2] <= max(last, first + _LARGE)]
            rows = self._database.read(name, self._table, (first, stretch[-1][2])).rows
            self._held = {held: rows[begin - first : end - first + 1] for held, begin, end in stretch}
        return self._held[key]


# ----------------------------------------------------------------------------------------------------------
# The database: read-only, without files or network, mart_* only
# ----------------------------------------------------------------------------------------------------------


class Database:
    """The release's marts behind a locked in-memory connection.

    ``expected`` (mart → column → type) names what the pages ask for; where the release was made before a mart or a
    column existed, an empty table or a column of nulls stands in for it.
    """

    def __init__(self, marts: Path, expected: Mapping[str, Mapping[str, str]] | None = None) -> None:
        self._spill = tempfile.TemporaryDirectory(prefix="sozialraum-pages-")  # for its owner alone
        # One thread: rows that a query leaves unordered still come in the same order each time.
        self._connection = duckdb.connect(
            ":memory:",
            config={
                "threads": 1,
                "memory_limit": memory_limit(_MEMORY),
                "temp_directory": self._spill.name,
                "autoinstall_known_extensions": False,
                "autoload_known_extensions": False,
                "python_enable_replacements": False,
            },
        )
        self._connection.execute("set enable_progress_bar = false")
        quoted = str(marts).replace("'", "''")
        self._numbers = itertools.count()
        self._connection.execute(
            "create temp macro german_order(name) as strip_accents(lower(replace(name, 'ß', 'ss')))"
        )
        self._connection.execute(f"attach '{quoted}' as marts (read_only)")
        self._connection.execute("use marts")
        # a file, not the memory: rows are compressed as they are written, and read a stretch at a time
        stored = f"{self._spill.name}/results.duckdb".replace("'", "''")
        self._connection.execute(f"attach '{stored}' as stored")
        for mart, columns in (expected or {}).items():
            self._stand_in(mart, columns)
        self._connection.execute("set enable_external_access = false")
        self._connection.execute("set lock_configuration = true")

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()
        self._spill.cleanup()

    def _stand_in(self, mart: str, columns: Mapping[str, str]) -> None:
        """Put an empty table, or a view with columns of nulls, in front of what the release lacks."""
        present = {
            row[0]
            for row in self._connection.execute(
                "select column_name from duckdb_columns() where database_name = 'marts' and table_name = ?", [mart]
            ).fetchall()
        }
        lacking = [f"cast(null as {kind}) as {name}" for name, kind in columns.items() if name not in present]
        if not present:
            self._connection.execute(f"create temp view {mart} as select {', '.join(lacking)} where false")
        elif lacking:
            self._connection.execute(f"create temp view {mart} as select *, {', '.join(lacking)} from marts.{mart}")

    def digest(self, mart: str) -> str:
        """A hash of all rows of a mart, whatever their order; nothing for a mart that there is not."""
        try:
            rows = self._connection.execute(f"select count(*), bit_xor(hash(t)), sum(hash(t)) from {mart} as t")
            return str(rows.fetchall())
        except duckdb.CatalogException:
            return ""

    def check(self, sql: str) -> tuple[frozenset[str], frozenset[str]]:
        """Refuse anything but one SELECT over mart_*; return the names of its bound parameters and of its marts."""
        try:
            statements = self._connection.extract_statements(sql)
        except duckdb.Error as error:
            raise PageError(first_line(error)) from None
        found = self._connection.execute("select json_serialize_sql(?::varchar)", [sql]).fetchone()
        tree = json.loads(found[0]) if found else {}
        if len(statements) != 1 or tree.get("error"):
            raise PageError("a query must be exactly one SELECT statement")
        marts: set[str] = set()
        _check_relations(tree["statements"][0]["node"], frozenset(), marts)
        return frozenset(statements[0].named_parameters), frozenset(marts)

    def parameters(self, sql: str) -> frozenset[str]:
        """The names of a statement's bound parameters."""
        return frozenset(self._connection.extract_statements(sql)[0].named_parameters)

    def store(self, name: str, sql: str, empty: str | None = None) -> Result:
        """As ``select``, for a query whose rows many pages share: a large result stays here, see StoredResult."""
        table = f"stored.result_{next(self._numbers)}"
        try:
            self._connection.execute(
                f"create table {table} as select *, row_number() over () as {_PLACE} from (\n{sql}\n)"
            )
        except duckdb.Error as error:
            raise PageError(first_line(error), query=name) from None
        cursor = self._connection.execute(f"select * exclude ({_PLACE}) from {table} limit 0")
        columns = [column[0] for column in cursor.description or []]
        counted = self._connection.execute(f"select count(*) from {table}").fetchone()
        count = counted[0] if counted else 0
        if count > _LARGE:
            self._connection.execute("checkpoint stored")
            return StoredResult(name, columns, empty, table, count, self)
        result = self.read(name, table, empty=empty)
        self._connection.execute(f"drop table {table}")
        return result

    def sort(self, table: str, columns: Sequence[str]) -> tuple[str, list[tuple[tuple[Any, ...], int, int]]]:
        """A copy of a stored table in the order of these columns; its keys with their first and last place there."""
        copy = f"stored.result_{next(self._numbers)}"
        names = ", ".join(f'"{column}"' for column in columns)
        self._connection.execute(
            f"create table {copy} as "
            f"select * replace (row_number() over (order by {names}, {_PLACE}) as {_PLACE}) from {table}"
        )
        self._connection.execute("checkpoint stored")
        found = self._connection.execute(
            f"select {names}, min({_PLACE}) as first, max({_PLACE}) from {copy} group by {names} order by first"
        )
        return copy, [(tuple(key), first, last) for *key, first, last in found.fetchall()]

    def read(self, name: str, table: str, places: tuple[int, int] | None = None, empty: str | None = None) -> Result:
        """Rows of a stored table in its order, all or those from one place to another."""
        condition = f"where {_PLACE} between {places[0]} and {places[1]}" if places else ""
        return self.select(name, f"select * exclude ({_PLACE}) from {table} {condition} order by {_PLACE}", None, empty)

    def keep(self, name: str, sql: str, bound: Mapping[str, Any]) -> None:
        """Put the rows of a query into its table (see page_table), in the place of those of another page."""
        try:
            self._connection.execute(f"create or replace temp table {page_table(name)} as (\n{sql}\n)", dict(bound))
        except duckdb.Error as error:
            raise PageError(first_line(error), query=name) from None

    def select(self, name: str, sql: str, bound: Mapping[str, Any] | None = None, empty: str | None = None) -> Result:
        """Run the query; ``bound`` holds exactly the statement's parameters."""
        try:
            cursor = self._connection.execute(sql, dict(bound or {}))
            rows = cursor.fetchall()
        except duckdb.Error as error:
            raise PageError(first_line(error), query=name) from None
        columns = [column[0] for column in cursor.description or []]
        places = {column: place for place, column in enumerate(columns)}
        return Result(name, columns, [Row(values, places, name) for values in rows], empty)


def read_expected(path: Path) -> dict[str, dict[str, str]]:
    """marts.yml: mart → column → SQL type; no file means that nothing is expected. Raises PageError."""
    if not path.is_file():
        return {}
    try:
        content = strict_yaml.load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise PageError(f"not readable as YAML: {first_line(error)}", page=path.name) from None
    for mart, columns in content.items():
        names = [mart, *columns, *(kind for kind in columns.values())]
        if not mart.startswith("mart_") or not all(re.fullmatch(r"[a-z][a-z0-9_]*(\[\])?", str(n)) for n in names):
            raise PageError(f'"{mart}" must map columns to types', page=path.name)
    return dict(content)


def _check_relations(node: Any, known: frozenset[str], marts: set[str]) -> None:
    """Walk DuckDB's own syntax tree; ``known`` are the names of the CTEs in scope, ``marts`` collects tables."""
    if isinstance(node, list):
        for part in node:
            _check_relations(part, known, marts)
    if not isinstance(node, dict):
        return
    ctes = node.get("cte_map", {}).get("map", []) if isinstance(node.get("cte_map"), dict) else []
    known = known | {cte["key"].lower() for cte in ctes}
    kind = node.get("type")
    if kind == "BASE_TABLE":
        _check_table(node, known, marts)
    elif kind == "SHOW_REF" or (
        kind == "TABLE_FUNCTION" and node["function"].get("function_name") not in _TABLE_FUNCTIONS
    ):
        name = node.get("function", {}).get("function_name", "show/describe")
        raise PageError(f'a query may read mart_* only, not "{name}"')
    for part in node.values():
        _check_relations(part, known, marts)


def _check_table(node: Mapping[str, Any], known: frozenset[str], marts: set[str]) -> None:
    catalog, schema, table = node.get("catalog_name"), node.get("schema_name"), str(node.get("table_name"))
    own = not catalog and schema in ("", None, "main") and table.lower().startswith("mart_")
    cte = not catalog and not schema and table.lower() in known
    if not own and not cte:
        name = ".".join(part for part in (catalog, schema, table) if part)
        raise PageError(f'a query may read mart_* only, not "{name}"')
    if own and not cte:
        marts.add(table.lower())


# ----------------------------------------------------------------------------------------------------------
# Chaining
# ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Query:
    """A page's named query: its line, its SQL, and once resolved its parameters, the queries and marts it reads.

    Chained queries with parameters are no part of the resolved SQL, which names their tables: ``kept`` lists them in
    the order they build on each other, ``own`` are the parameters that remain.
    """

    name: str
    line: int
    sql: str
    bound: frozenset[str] = frozenset()
    reads: tuple[str, ...] = ()
    marts: frozenset[str] = frozenset()
    kept: tuple[str, ...] = ()
    own: frozenset[str] = frozenset()


def page_table(name: str) -> str:
    """The table that holds the rows of a chained query with parameters while one page is rendered."""
    return f"page_{name}"


def resolve(queries: Mapping[str, Query], database: Database) -> dict[str, Query]:
    """Replace each ``${name}`` by the named query, check every query and learn its bound parameters.

    Raises PageError for a name that is missing, a circle, or anything the database refuses.
    """
    resolved: dict[str, Query] = {}
    whole: dict[str, str] = {}  # with every reference written out

    def visit(name: str, path: tuple[str, ...]) -> Query:
        query = queries[name]
        if name in path:
            circle = " → ".join((*path[path.index(name) :], name))
            raise PageError(f"queries refer to each other in a circle: {circle}", None, query.line, name)
        if name not in resolved:
            reads = tuple(dict.fromkeys(_REFERENCE.findall(query.sql)))
            unknown = next((other for other in reads if other not in queries), None)
            if unknown is not None:
                message = f"${{{unknown}}} names no query of this page; there are: {', '.join(queries)}"
                raise PageError(message, None, query.line, name)
            others = [visit(other, (*path, name)) for other in reads]
            kept = dict.fromkeys(step for other in others if other.bound for step in (*other.kept, other.name))
            whole[name] = _REFERENCE.sub(lambda match: f"(\n{whole[match[1]]}\n)", query.sql)
            sql = _REFERENCE.sub(
                lambda match: page_table(match[1]) if match[1] in kept else f"(\n{whole[match[1]]}\n)", query.sql
            )
            try:
                bound, marts = database.check(whole[name])
            except PageError as error:
                raise error.at(line=query.line, query=name) from None
            own = database.parameters(sql)
            resolved[name] = Query(name, query.line, sql, bound, reads, marts, tuple(kept), own)
        return resolved[name]

    return {name: visit(name, ()) for name in queries}
