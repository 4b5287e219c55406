"""Static pages from a release: Markdown + named SQL + components in, plain HTML out.

Reads   the release's ``marts.duckdb`` (tables ``mart_*`` only) and the folder of pages
        (``pages/**/*.md``, ``templates/*.html.j2``, ``static/*``, ``words.yml``).
Writes  the finished site below the output folder, all of it or nothing.

A page is compiled once: its Markdown becomes a Jinja template in which the author's ``{{ … }}`` are still
unevaluated, so a value from the data meets HTML escaping only and never Markdown or Jinja.
"""

from __future__ import annotations

import hashlib
import json
import math
import posixpath
import re
import shutil
import statistics
import tempfile
import traceback
import unicodedata
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import ROUND_HALF_UP, Decimal
from functools import cached_property, lru_cache
from itertools import pairwise
from pathlib import Path
from types import CodeType
from typing import Any, Self, TypeVar

import duckdb
import jinja2
import jinja2.meta
import numpy as np
import shapely
import yaml
from babel.dates import format_date, format_datetime
from babel.numbers import format_decimal
from jinja2.sandbox import ImmutableSandboxedEnvironment
from markdown_it import MarkdownIt
from markdown_it.rules_block import StateBlock
from markdown_it.rules_inline import StateInline
from markdown_it.token import Token
from markupsafe import Markup

_T = TypeVar("_T")

LOCALE = "de"
NO_BREAK_SPACE = "\u00a0"
SHOWN_STATUSES = ("published", "estimated", "unreliable")
HIDDEN_STATUSES = ("suppressed", "missing", "not_applicable")
WORD_GROUPS = ("status", "reason", "kind", "direction", "verdict", "severity", "gate", "yes_no")

# ----------------------------------------------------------------------------------------------------------
# What callers see
# ----------------------------------------------------------------------------------------------------------


class PageError(Exception):
    """A page cannot be rendered; says where (page, line, query) and what to do about it."""

    def __init__(
        self, message: str, page: str | None = None, line: int | None = None, query: str | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.page = page
        self.line = line
        self.query = query

    def at(self, page: str, line: int | None = None, query: str | None = None) -> PageError:
        """The same error with the places filled in that it did not know itself."""
        return PageError(self.message, self.page or page, self.line or line, self.query or query)

    def __str__(self) -> str:
        places = [
            self.page or "",
            f"line {self.line}" if self.line else "",
            f'query "{self.query}"' if self.query else "",
        ]
        place = ", ".join(place for place in places if place)
        return f"{place}: {self.message}" if place else self.message


@dataclass(frozen=True)
class SiteReport:
    """What was rendered: the folder, the number of files per page source, and the size in bytes."""

    output: Path
    pages: Mapping[str, int]
    bytes_written: int


def render_site(marts: Path, pages: Path, output: Path) -> SiteReport:
    """Render every page of the folder ``pages`` from the file ``marts`` into ``output``.

    ``output`` must not exist or be an empty folder (else FileExistsError); it is put in place in one step at
    the end, so an error leaves it as it was.  Raises PageError for anything wrong in a page, in the data it
    shows or in the words file, and FileNotFoundError if ``marts`` or ``pages`` is missing.
    """
    if not marts.is_file():
        raise FileNotFoundError(f"no marts at {marts}")
    if not (pages / "pages").is_dir():
        raise FileNotFoundError(f"no folder 'pages' in {pages}")
    if output.exists() and any(output.iterdir()):
        raise FileExistsError(f"{output} is not empty")
    output.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=".site-", dir=output.parent))
    try:
        with _Marts(marts) as database:
            report = _Site(pages, database).write(scratch, output)
        scratch.chmod(0o755)
        if output.exists():
            output.rmdir()
        scratch.replace(output)
    except BaseException:
        shutil.rmtree(scratch, ignore_errors=True)
        raise
    return report


# ----------------------------------------------------------------------------------------------------------
# German text
# ----------------------------------------------------------------------------------------------------------


@lru_cache(maxsize=65536)
def format_number(value: float | Decimal, decimals: int | None = None) -> str:
    """A number as German text, rounded half up; without ``decimals`` at most three places are shown."""
    exact = Decimal(repr(value)) if isinstance(value, float) else Decimal(value)
    if not exact.is_finite():
        raise PageError(f"{value} is not a finite number")
    places = 3 if decimals is None else decimals
    rounded = exact.quantize(Decimal(1).scaleb(-places), rounding=ROUND_HALF_UP)
    pattern = "#,##0." + ("#" if decimals is None else "0") * places if places else "#,##0"
    return format_decimal(abs(rounded) if rounded.is_zero() else rounded, format=pattern, locale=LOCALE)


@lru_cache(maxsize=4096)
def format_day(value: date) -> str:
    """A day as 31.12.2018, a moment as 31.12.2018, 14:05 Uhr."""
    if isinstance(value, datetime):
        return format_datetime(value, "dd.MM.yyyy, HH:mm 'Uhr'", locale=LOCALE)
    return format_date(value, "dd.MM.yyyy", locale=LOCALE)


@lru_cache(maxsize=4096)
def format_period(period: str) -> str:
    """An ISO 8601 period in German: 2018-12-31 → 31.12.2018, 2024-Q4 → 4. Quartal 2024, a/b → a bis b."""
    if "/" in period:
        return " bis ".join(format_period(part) for part in period.split("/"))
    if quarter := re.fullmatch(r"(\d{4})-Q([1-4])", period):
        return f"{quarter[2]}. Quartal {quarter[1]}"
    if half := re.fullmatch(r"(\d{4})-H([12])", period):
        return f"{half[2]}. Halbjahr {half[1]}"
    if re.fullmatch(r"\d{4}-\d{2}", period):
        return format_date(date.fromisoformat(f"{period}-01"), "MMMM yyyy", locale=LOCALE)
    if re.fullmatch(r"\d{4}-\d{2}-\d{2}", period):
        return format_day(date.fromisoformat(period))
    return period


def format_keys(keys: str | None, shown: int = 10) -> str:
    """A JSON list of row keys as text; long lists are cut and say how many are left."""
    items = [
        ", ".join(map(str, key)) if isinstance(key, list) else str(key) for key in json.loads(keys or "[]")
    ]
    rest = len(items) - shown
    return "; ".join(items[:shown]) + (f" … und {format_number(rest)} weitere" if rest > 0 else "")


def safe_file_name(value: str) -> str:
    """A file name (without ending) for a parameter's value: it can never leave its folder or hide itself.

    A value that had to be changed gets a piece of its hash, so two values never share a name.
    """
    spelled = value.replace("ß", "ss").replace("ä", "ae").replace("ö", "oe").replace("ü", "ue")
    folded = unicodedata.normalize("NFKD", spelled)
    name = re.sub(r"[^A-Za-z0-9_]+", "-", folded.encode("ascii", "ignore").decode()).strip("-")[:80]
    if name and name == value:
        return name
    return "-".join(part for part in (name, hashlib.sha256(value.encode()).hexdigest()[:8]) if part)


# ----------------------------------------------------------------------------------------------------------
# Query results
# ----------------------------------------------------------------------------------------------------------


class Row:
    """One row of a query; ``row.column`` in a page. An unknown column is a PageError naming the known."""

    def __init__(self, values: Mapping[str, Any], query: str) -> None:
        self._values = values
        self._query = query

    def __getitem__(self, column: str) -> Any:
        try:
            return self._values[column]
        except KeyError:
            known = ", ".join(self._values)
            raise PageError(f'unknown column "{column}"; there are: {known}', query=self._query) from None

    def get(self, column: str, default: Any = None) -> Any:
        """The column's value, or ``default`` if the query has no such column."""
        return self._values.get(column, default)

    def as_dict(self) -> dict[str, Any]:
        """Column → value."""
        return dict(self._values)


class Result:
    """The rows of one query, in the query's order, with the text to show when there are none."""

    def __init__(self, name: str, columns: Sequence[str], rows: Sequence[Row], empty: str | None) -> None:
        self.name = name
        self.columns = tuple(columns)
        self.rows = tuple(rows)
        self.empty = empty

    def __iter__(self) -> Iterator[Row]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> Row:
        if not -len(self.rows) <= index < len(self.rows):
            raise PageError(f"row {index} asked for, the query has {len(self.rows)}", query=self.name)
        return self.rows[index]

    def where(self, **equal: Any) -> Result:
        """The rows whose columns equal the given values."""
        self.require(equal)
        rows = [row for row in self.rows if all(row[column] == value for column, value in equal.items())]
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


# ----------------------------------------------------------------------------------------------------------
# The database: read-only, without files or network, mart_* only
# ----------------------------------------------------------------------------------------------------------

_TABLE_FUNCTIONS = ("unnest", "range", "generate_series")


class _Marts:
    """The release's marts behind a locked in-memory connection; remembers the results of unbound queries."""

    def __init__(self, marts: Path) -> None:
        # One thread: rows that a query leaves unordered still come in the same order each time.
        self._connection = duckdb.connect(
            ":memory:",
            config={
                "threads": 1,
                "autoinstall_known_extensions": False,
                "autoload_known_extensions": False,
                "python_enable_replacements": False,
            },
        )
        quoted = str(marts).replace("'", "''")
        self._connection.execute(
            "create temp macro german_order(name) as strip_accents(lower(replace(name, 'ß', 'ss')))"
        )
        self._connection.execute(f"attach '{quoted}' as marts (read_only)")
        self._connection.execute("use marts")
        self._connection.execute("set enable_external_access = false")
        self._connection.execute("set lock_configuration = true")
        self._results: dict[str, tuple[list[str], list[tuple[Any, ...]]]] = {}
        self._kept: set[str] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def check(self, sql: str) -> frozenset[str]:
        """Refuse anything but one SELECT over mart_*; return the names of its bound parameters."""
        try:
            statements = self._connection.extract_statements(sql)
        except duckdb.Error as error:
            raise PageError(_first_line(error)) from None
        found = self._connection.execute("select json_serialize_sql(?::varchar)", [sql]).fetchone()
        tree = json.loads(found[0]) if found else {}
        if len(statements) != 1 or tree.get("error"):
            raise PageError("a query must be exactly one SELECT statement")
        _check_relations(tree["statements"][0]["node"], frozenset(self._kept))
        return frozenset(statements[0].named_parameters)

    def select(self, sql: str, bound: Mapping[str, Any]) -> tuple[list[str], list[tuple[Any, ...]]]:
        """Columns and rows; ``bound`` holds exactly the statement's parameters."""
        if not bound and sql in self._results:
            return self._results[sql]
        try:
            cursor = self._connection.execute(sql, dict(bound))
            rows = cursor.fetchall()
        except duckdb.Error as error:
            raise PageError(_first_line(error)) from None
        found = ([column[0] for column in cursor.description or []], rows)
        if not bound:
            self._results[sql] = found
        return found

    def keep(self, sql: str) -> str:
        """Store the rows of a query without parameters once; returns the SQL that reads them back."""
        name = f"kept_query_{len(self._kept)}"
        try:
            self._connection.execute(f"create temp table {name} as {sql}")
        except duckdb.Error as error:
            raise PageError(_first_line(error)) from None
        self._kept.add(name)
        return f"select * from {name}"


def _first_line(error: Exception) -> str:
    return next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)


def _check_relations(node: Any, known: frozenset[str]) -> None:
    """Walk DuckDB's own syntax tree; ``known`` are the names of the CTEs in scope."""
    if isinstance(node, list):
        for part in node:
            _check_relations(part, known)
    if not isinstance(node, dict):
        return
    ctes = node.get("cte_map", {}).get("map", []) if isinstance(node.get("cte_map"), dict) else []
    known = known | {cte["key"].lower() for cte in ctes}
    kind = node.get("type")
    if kind == "BASE_TABLE":
        _check_table(node, known)
    elif kind == "SHOW_REF" or (
        kind == "TABLE_FUNCTION" and node["function"].get("function_name") not in _TABLE_FUNCTIONS
    ):
        name = node.get("function", {}).get("function_name", "show/describe")
        raise PageError(f'a query may read mart_* only, not "{name}"')
    for part in node.values():
        _check_relations(part, known)


def _check_table(node: Mapping[str, Any], known: frozenset[str]) -> None:
    catalog, schema, table = node.get("catalog_name"), node.get("schema_name"), str(node.get("table_name"))
    own = not catalog and schema in ("", None, "main") and table.lower().startswith("mart_")
    cte = not catalog and not schema and table.lower() in known
    if not own and not cte:
        name = ".".join(part for part in (catalog, schema, table) if part)
        raise PageError(f'a query may read mart_* only, not "{name}"')


# ----------------------------------------------------------------------------------------------------------
# Reading a page
# ----------------------------------------------------------------------------------------------------------

_TEMPLATE = r"\{\{(?:(?!\}\}).)*\}\}|\{%(?:(?!%\}).)*%\}|\{#(?:(?!#\}).)*#\}"
_INLINE_TEMPLATE = re.compile(_TEMPLATE, re.DOTALL)
_BLOCK_TEMPLATE = re.compile(rf"(?:{_TEMPLATE})(?:[ \t]*(?:{_TEMPLATE}))*[ \t]*(?=\n|$)", re.DOTALL)
_MARKER = re.compile(r"\{#L(\d+)#\}")
_REFERENCE = re.compile(r"\$\{\s*([^}]*?)\s*\}")
_PARAMETER = re.compile(r"\[(\w+)\]")


@dataclass(frozen=True)
class _Query:
    name: str
    line: int
    sql: str
    bound: frozenset[str] = frozenset()
    reads: tuple[str, ...] = ()


@dataclass
class _Page:
    """One compiled ``.md`` file; ``source`` is its path below the folder of pages."""

    source: str
    title: str
    navigation: int | None
    empty: Mapping[str, str]
    queries: dict[str, _Query]
    body: str
    links: list[tuple[str, int]]
    title_code: CodeType | None = None
    body_code: CodeType | None = None
    used: tuple[str, ...] = ()
    lines: list[int] = field(default_factory=list)

    @property
    def parameters(self) -> tuple[str, ...]:
        return tuple(_PARAMETER.findall(self.source))

    @property
    def first_query(self) -> _Query:
        return next(iter(self.queries.values()))


class _UniqueKeyLoader(yaml.SafeLoader):
    """YAML in which a key given twice is an error instead of the last one winning."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        for key in keys:
            if keys.count(key) > 1:
                raise yaml.constructor.ConstructorError(
                    None, None, f'key "{key}" is given twice', node.start_mark
                )
        return super().construct_mapping(node, deep)


def _template_inline(state: StateInline, silent: bool) -> bool:
    match = _INLINE_TEMPLATE.match(state.src, state.pos)
    if not match:
        return False
    if not silent:
        token = state.push("template", "", 0)
        token.content = match[0]
    state.pos = match.end()
    return True


def _template_block(state: StateBlock, start_line: int, end_line: int, silent: bool) -> bool:
    if state.is_code_block(start_line):
        return False
    begin = state.bMarks[start_line] + state.tShift[start_line]
    match = _BLOCK_TEMPLATE.match(state.src, begin, state.eMarks[end_line - 1])
    if not match:
        return False
    if silent:
        return True
    state.line = start_line + match[0].count("\n") + 1
    token = state.push("template", "", 0)
    token.content = match[0] + "\n"
    token.map = [start_line, state.line]
    token.meta = {"line": start_line + 1}
    return True


def _render_template(_: Any, tokens: Sequence[Token], index: int, *__: Any) -> str:
    return f"{{#L{tokens[index].meta['line']}#}}{tokens[index].content}"


def _page_markdown() -> MarkdownIt:
    markdown = MarkdownIt("commonmark", {"html": False}).enable("table").disable("image")
    markdown.inline.ruler.before("escape", "template", _template_inline)
    ends = ["paragraph", "reference", "blockquote", "list"]
    markdown.block.ruler.before("fence", "template", _template_block, {"alt": ends})
    markdown.add_render_rule("template", _render_template)
    return markdown


_PAGE_MARKDOWN = _page_markdown()
_DATA_MARKDOWN = MarkdownIt("commonmark", {"html": False}).disable("image")


def render_markdown(text: str | None) -> Markup:
    """Markdown that comes from data: no HTML, no images (they would be third-party requests)."""
    return Markup(_DATA_MARKDOWN.render(text or ""))


def _read_page(path: Path, source: str) -> _Page:
    """Parse front matter, queries and Markdown; raises PageError with the line in the file."""
    text = path.read_text(encoding="utf-8").replace("\r\n", "\n")
    matter = re.match(r"---\n(.*?\n)---\n", text, re.DOTALL)
    if not matter:
        raise PageError("the page must begin with front matter between two lines '---'", source, 1)
    head = _read_front_matter(matter[1], source)
    # Blank lines in its place keep every later line number true.
    tokens = _PAGE_MARKDOWN.parse("\n" * matter[0].count("\n") + text[matter.end() :])
    queries = _read_queries(tokens, source)
    links = _prepare_tokens(tokens)
    kept = [token for token in tokens if not _is_query(token)]
    body = _PAGE_MARKDOWN.renderer.render(kept, _PAGE_MARKDOWN.options, {})
    unknown = sorted(set(head["empty"]) - set(queries))
    if unknown:
        raise PageError(f"empty: names no query of this page: {', '.join(unknown)}", source, 1)
    page = _Page(source, head["title"], head["nav"], head["empty"], queries, body, links)
    page.lines = _source_lines(body)
    if page.parameters and not queries:
        raise PageError(
            "a page with a [parameter] needs a query that lists the parameter's values", source, 1
        )
    return page


def _read_front_matter(text: str, source: str) -> dict[str, Any]:
    try:
        head = yaml.load(text, Loader=_UniqueKeyLoader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        raise PageError(
            f"front matter: {getattr(error, 'problem', error)}", source, mark.line + 2 if mark else 1
        ) from None
    allowed = {"title": str, "nav": int, "empty": dict}
    if not isinstance(head, dict) or not isinstance(head.get("title"), str):
        raise PageError("front matter needs a title", source, 1)
    for key, value in head.items():
        if key not in allowed:
            raise PageError(f'front matter: unknown key "{key}"; allowed: {", ".join(allowed)}', source, 1)
        if not isinstance(value, allowed[key]):
            raise PageError(f'front matter: "{key}" must be {allowed[key].__name__}', source, 1)
    empty = head.get("empty", {})
    if not all(isinstance(name, str) and isinstance(words, str) for name, words in empty.items()):
        raise PageError("front matter: empty: must map query names to texts", source, 1)
    return {"title": head["title"], "nav": head.get("nav"), "empty": empty}


def _is_query(token: Token) -> bool:
    return token.type == "fence" and token.info.split()[:1] == ["sql"]


def _read_queries(tokens: Iterable[Token], source: str) -> dict[str, _Query]:
    queries: dict[str, _Query] = {}
    for token in filter(_is_query, tokens):
        line = (token.map or [0])[0] + 1
        words = token.info.split()
        if len(words) != 2 or not re.fullmatch(r"[a-z][a-z0-9_]*", words[1]):
            raise PageError("a query needs one name: ```sql name (a–z, 0–9, _)", source, line)
        name = words[1]
        if name in queries:
            raise PageError("there are two queries of this name", source, line, name)
        if name in Components.names() or name in ("params", "region"):
            raise PageError("this name is taken by a component; choose another", source, line, name)
        queries[name] = _Query(name, line, token.content.strip().rstrip(";"))
    return queries


def _prepare_tokens(tokens: Iterable[Token]) -> list[tuple[str, int]]:
    """Give every template its line, turn links to ``.md`` into ``.html``; return those and their lines."""
    links = []
    for token in tokens:
        line = (token.map or [0])[0] + 1
        for child in token.children or []:
            if child.type == "template":
                child.meta = {"line": line}
            href = str(child.attrs.get("href", ""))
            if child.type == "link_open" and re.fullmatch(r"[^:#?]+\.md", href):
                links.append((href, line))
                child.attrs["href"] = href[: -len(".md")] + ".html"
            line += child.content.count("\n") + (child.type in ("softbreak", "hardbreak"))
    return links


def _source_lines(body: str) -> list[int]:
    """For each line of the compiled template, the line of the page it came from."""
    lines, current = [], 0
    for text in body.split("\n"):
        markers = _MARKER.findall(text)
        current = int(markers[-1]) if markers else current + 1
        lines.append(current)
    return lines


def _resolve_queries(page: _Page, database: _Marts) -> None:
    """Replace ``${name}`` by the named query, check every query and learn its bound parameters.

    A page with a [parameter] is rendered many times: what it chains without parameters is computed only once.
    """
    resolved: dict[str, _Query] = {}
    kept: dict[str, str] = {}

    def chained(name: str, path: tuple[str, ...]) -> str:
        query = resolve(name, path)
        if not page.parameters or query.bound:
            return query.sql
        if name not in kept:
            kept[name] = _located(page, query, lambda: database.keep(query.sql))
        return kept[name]

    def resolve(name: str, path: tuple[str, ...]) -> _Query:
        query = page.queries[name]
        if name in path:
            circle = " → ".join((*path[path.index(name) :], name))
            raise PageError(
                f"queries refer to each other in a circle: {circle}", page.source, query.line, name
            )
        if name not in resolved:
            reads = tuple(dict.fromkeys(_REFERENCE.findall(query.sql)))
            for other in reads:
                if other not in page.queries:
                    message = (
                        f"${{{other}}} names no query of this page; there are: {', '.join(page.queries)}"
                    )
                    raise PageError(message, page.source, query.line, name)
            parts = {other: chained(other, (*path, name)) for other in reads}
            sql = _REFERENCE.sub(lambda match: f"(\n{parts[match[1]]}\n)", query.sql)
            bound = _located(page, query, lambda: database.check(sql))
            resolved[name] = _Query(name, query.line, sql, bound, reads)
        return resolved[name]

    page.queries = {name: resolve(name, ()) for name in page.queries}
    if page.parameters and page.first_query.bound:
        first = page.first_query
        raise PageError(
            "the first query lists the pages and takes no $parameter", page.source, first.line, first.name
        )


def _located(page: _Page, query: _Query, action: Callable[[], _T]) -> _T:
    try:
        return action()
    except PageError as error:
        raise error.at(page.source, query.line, query.name) from None


# ----------------------------------------------------------------------------------------------------------
# Geometry → SVG paths
# ----------------------------------------------------------------------------------------------------------

MAP_UNITS = 2000
MAP_TOLERANCE = 1.5
LOCATOR_TOLERANCE = 8.0
PALETTE = ((247, 234, 186), (167, 211, 172), (74, 165, 174), (36, 106, 160), (27, 43, 105))


def palette(groups: int) -> list[str]:
    """``groups`` colours from light to dark; lightness falls evenly, for grey prints and all eyes."""
    colours = []
    for group in range(groups):
        place = (len(PALETTE) - 1) * (group / (groups - 1) if groups > 1 else 0.5)
        low = min(int(place), len(PALETTE) - 2)
        mixed = [
            round(a + (b - a) * (place - low)) for a, b in zip(PALETTE[low], PALETTE[low + 1], strict=True)
        ]
        colours.append("#" + "".join(f"{part:02x}" for part in mixed))
    return colours


def quantile_breaks(values: Sequence[float], groups: int = 5) -> list[float]:
    """Upper borders of all groups but the last; equal values share a group, so there may be fewer borders."""
    ordered = sorted(values)
    cuts = (ordered[math.ceil(len(ordered) * part / groups) - 1] for part in range(1, groups))
    return [cut for cut in dict.fromkeys(cuts) if cut < ordered[-1]]


class _Shapes:
    """The reporting edition's geometry as SVG paths, simplified once per level and without gaps."""

    def __init__(self, rows: Sequence[tuple[str, int, str, str | None]]) -> None:
        self._wkt: dict[str, dict[str, str]] = {}
        self._known = {(level, area) for level, _, area, _ in rows}
        sizes = Counter((rank, level) for level, rank, _, wkt in rows if wkt)
        for level, _, area, wkt in rows:
            if wkt:
                self._wkt.setdefault(level, {})[area] = wkt
        several = [(rank, level) for (rank, level), count in sizes.items() if count > 1]
        self.outline_level = max(several or sizes or [(0, "")])[1]
        self._paths: dict[tuple[str, float], dict[str, str]] = {}

    def knows(self, level: str, area: str) -> bool:
        """Whether the reporting edition has this area (with or without geometry)."""
        return (level, area) in self._known

    @cached_property
    def _geometry(self) -> dict[str, tuple[list[str], Any]]:
        geometry = {}
        for level, areas in self._wkt.items():
            shapes = shapely.from_wkt(list(areas.values()))
            broken = ~shapely.is_valid(shapes)
            shapes[broken] = shapely.make_valid(shapes[broken], method="structure")
            if not np.isin(shapely.get_type_id(shapes), (3, 6)).all():
                raise PageError(f'mart_area: a geometry of level "{level}" is not a polygon')
            geometry[level] = (list(areas), shapes)
        return geometry

    @cached_property
    def _frame(self) -> tuple[float, float, float, int, int]:
        """Left, top, units per metre, width and height of the view box."""
        bounds = shapely.total_bounds(np.concatenate([shapes for _, shapes in self._geometry.values()]))
        left, bottom, right, top = (float(bound) for bound in bounds)
        scale = MAP_UNITS / max(right - left, top - bottom)
        return left, top, scale, math.ceil((right - left) * scale), math.ceil((top - bottom) * scale)

    @property
    def view_box(self) -> str:
        """The SVG viewBox with a small margin."""
        return f"-10 -10 {self._frame[3] + 20} {self._frame[4] + 20}"

    def paths(self, level: str, tolerance: float = MAP_TOLERANCE) -> Mapping[str, str]:
        """Area → path data in view-box units; areas without geometry are left out."""
        if level not in self._wkt:
            return {}
        if (level, tolerance) not in self._paths:
            keys, shapes = self._geometry[level]
            left, top, scale, _, _ = self._frame
            simple = shapely.coverage_simplify(shapes, tolerance / scale)
            placed = shapely.transform(simple, lambda xy: np.rint((xy - (left, top)) * (scale, -scale)))
            self._paths[(level, tolerance)] = dict(zip(keys, map(_path_data, placed), strict=True))
        return self._paths[(level, tolerance)]

    def centre(self, level: str, area: str) -> tuple[int, int, int] | None:
        """Middle and half size of an area in view-box units, or None without geometry."""
        if area not in self._wkt.get(level, {}):
            return None
        keys, shapes = self._geometry[level]
        left, top, scale, _, _ = self._frame
        west, south, east, north = shapely.bounds(shapes[keys.index(area)])
        size = max(east - west, north - south) * scale / 2
        return (
            round(((west + east) / 2 - left) * scale),
            round((top - (south + north) / 2) * scale),
            math.ceil(size),
        )


def _path_data(shape: Any) -> str:
    parts = []
    for polygon in shapely.get_parts(shape):
        for ring in (polygon.exterior, *polygon.interiors):
            points = [(int(x), int(y)) for x, y in ring.coords]
            steps = [(bx - ax, by - ay) for (ax, ay), (bx, by) in pairwise(points)]
            drawn = [step for step in steps if step != (0, 0)][:-1]
            if len(drawn) > 1:
                moves = "".join(f"{x}{y:+d}" if x < 0 else f" {x}{y:+d}" for x, y in drawn)
                parts.append(f"M{points[0][0]} {points[0][1]}l{moves.strip()}z")
    return "".join(parts)


# ----------------------------------------------------------------------------------------------------------
# Components
# ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Measure:
    """One value of an indicator as people read it: ``text`` (or words in its place) and a ``note``."""

    value: float | None
    status: str
    group: str | None
    text: str
    note: str

    @property
    def full(self) -> str:
        """Text and note in one line, for tooltips."""
        return f"{self.text} ({self.note})" if self.note else self.text


@dataclass(frozen=True)
class Column:
    """A table's column: the query's column, its heading and how to show it."""

    name: str
    label: str
    format: str = "text"
    link: str | None = None
    decimals: int | None = None
    unit: bool = True
    prefix: str = ""


@dataclass(frozen=True)
class _Cell:
    text: str
    href: str | None = None
    note: str = ""
    words: bool = False


_NUMERIC = ("number", "measure", "interval")
_FORMATS = ("text", "number", "measure", "interval", "period", "day", "keys", "code", *WORD_GROUPS)


class Components:
    """What a page may call. One object per rendered file: links are relative to that file."""

    def __init__(self, site: _Site, root: str) -> None:
        self._site = site
        self._root = root
        self._figures = 0

    @classmethod
    def names(cls) -> tuple[str, ...]:
        """The names a page may use."""
        return tuple(name for name in vars(cls) if not name.startswith("_") and name != "names")

    # -- small things

    def column(self, name: str, label: str, format: str = "text", **options: Any) -> Column:
        """Describe a table column; options: link, decimals, unit, prefix (see Column)."""
        if format not in _FORMATS:
            raise PageError(f'column "{name}": unknown format "{format}"; allowed: {", ".join(_FORMATS)}')
        unknown = set(options) - {"link", "decimals", "unit", "prefix"}
        if unknown:
            raise PageError(f'column "{name}": unknown option {", ".join(sorted(unknown))}')
        return Column(name, label, format, **options)

    def link(self, target: str, row: Row, text: str) -> Markup:
        """A link to ``folder/[parameter].md``, parameters taken from the row; plain text if one is null."""
        href = self._href(target, row)
        return Markup('<a href="{}">{}</a>').format(href, text) if href else Markup("{}").format(text)

    def value(self, result: Result, column: str, format: str = "text", **options: Any) -> Markup | str:
        """One value of the query's only row, as text."""
        if not result:
            return result.empty or ""
        if len(result) != 1:
            raise PageError(f"value() needs exactly one row, the query has {len(result)}", query=result.name)
        result.require([column])
        cell = self._cell(self.column(column, column, format, **options), result[0], result.name)
        return Markup("{} <small>{}</small>").format(cell.text, cell.note) if cell.note else cell.text

    def figures(self, result: Result, columns: Sequence[Column]) -> Markup:
        """Key figures of the query's only row, as a list of large numbers."""
        if not result:
            return self._empty(result)
        if len(result) != 1:
            raise PageError(
                f"figures() needs exactly one row, the query has {len(result)}", query=result.name
            )
        result.require(column.name for column in columns)
        cells = [(column.label, self._cell(column, result[0], result.name)) for column in columns]
        return self._render("figures", cells=cells)

    def alert(self, text: str, kind: str = "info") -> Markup:
        """A framed note; kind: info or warning."""
        if kind not in ("info", "warning"):
            raise PageError(f'alert(): unknown kind "{kind}"; allowed: info, warning')
        return self._render("alert", text=text, kind=kind)

    def facts(self, pairs: Sequence[tuple[str, Any]]) -> Markup:
        """Labels with their texts, one below the other; pairs whose text is null or empty are left out."""
        return self._render("facts", pairs=[(label, text) for label, text in pairs if text not in (None, "")])

    def breadcrumb(self, result: Result, link: str, label: str = "name") -> Markup:
        """The way from the top to this page; the last row is the page itself and no link."""
        if not result:
            return self._empty(result)
        result.require([label])
        steps = [(row[label], self._href(link, row)) for row in result]
        return self._render("breadcrumb", steps=steps)

    # -- tables and lists

    def table(
        self, result: Result, columns: Sequence[Column], caption: str | None = None, group: str | None = None
    ) -> Markup:
        """A table of all rows; ``group`` names a column whose consecutive equal values get one heading."""
        if not result:
            return self._empty(result)
        result.require([column.name for column in columns] + ([group] if group else []))
        groups: list[tuple[str | None, list[list[_Cell]]]] = []
        for row in result:
            heading = row[group] if group else None
            if not groups or groups[-1][0] != heading:
                groups.append((heading, []))
            groups[-1][1].append([self._cell(column, row, result.name) for column in columns])
        heads = [(column.label, column.format in _NUMERIC) for column in columns]
        return self._render("table", heads=heads, groups=groups, caption=caption)

    def tree(self, result: Result, link: str) -> Markup:
        """Areas by parent. Columns: level, area, parent_level, parent, name, level_name, population."""
        if not result:
            return self._empty(result)
        result.require(["level", "area", "parent_level", "parent", "name", "level_name", "population"])
        present = {(row["level"], row["area"]) for row in result}
        children: dict[tuple[str, str] | None, list[Row]] = {}
        for row in result:
            parent = (row["parent_level"], row["parent"])
            children.setdefault(parent if parent in present else None, []).append(row)
        if None not in children:
            raise PageError("the areas' parents form a circle", query=result.name)

        def branch(row: Row) -> dict[str, Any]:
            return {
                "name": row["name"],
                "level": row["level_name"],
                "population": "" if row["population"] is None else format_number(row["population"], 0),
                "href": self._href(link, row),
                "children": [branch(child) for child in children.get((row["level"], row["area"]), [])],
            }

        return self._render("tree", roots=[branch(row) for row in children[None]])

    # -- charts

    def map(self, result: Result, title: str, link: str | None = None) -> Markup:
        """A choropleth of one level: five groups of equal size, or the classes of an index.

        Columns: level, area, name, value, status; optional reason, class, decimals, unit_label.
        Raises PageError for an area the reporting edition does not have, mixed levels or a repeated area.
        """
        if not result:
            return self._empty(result)
        result.require(["level", "area", "name", "value", "status"])
        self._check_areas(result)
        level = result[0]["level"]
        paths = self._site.shapes.paths(level)
        measures = [self._measure(row, "value", result.name) for row in result]
        groups = _map_groups(measures, result[0].get("decimals"), result[0].get("unit_label"))
        shapes = [
            {
                "path": paths[row["area"]],
                "fill": groups.fill(measure),
                "name": row["name"],
                "text": measure.full,
                "href": self._href(link, row) if link else None,
                "overlay": measure.status if measure.status in ("estimated", "unreliable") else None,
            }
            for row, measure in zip(result, measures, strict=True)
            if row["area"] in paths
        ]
        if not shapes:
            return self.alert("Zu diesen Gebieten liegen keine Grenzen vor; eine Karte ist nicht möglich.")
        legend = groups.legend(measures, self._site.words["status"])
        return self._chart(
            "map",
            result,
            title,
            link,
            description=groups.describe(measures, legend),
            shapes=shapes,
            legend=legend,
            undrawn=len(measures) - len(shapes),
            view_box=self._site.shapes.view_box,
        )

    def locator(self, result: Result, title: str) -> Markup:
        """Where the query's only area lies in the coarsest level's outlines. Columns: level, area, name."""
        if not result:
            return self._empty(result)
        result.require(["level", "area", "name"])
        self._check_areas(result)
        shapes, row = self._site.shapes, result[0]
        centre = shapes.centre(row["level"], row["area"])
        if len(result) != 1:
            raise PageError(
                f"locator() needs exactly one row, the query has {len(result)}", query=result.name
            )
        if centre is None:
            return self.alert("Zu diesem Gebiet liegen keine Grenzen vor; eine Lagekarte ist nicht möglich.")
        return self._render(
            "locator",
            title=title,
            outlines=list(shapes.paths(shapes.outline_level, LOCATOR_TOLERANCE).values()),
            area=shapes.paths(row["level"], LOCATOR_TOLERANCE)[row["area"]],
            ring=(centre[0], centre[1], centre[2] + 40) if centre[2] < MAP_UNITS / 20 else None,
            view_box=shapes.view_box,
        )

    def line_chart(self, result: Result, title: str) -> Markup:
        """A time line, broken where a value is null. Columns: period, reference_date, value, status."""
        if not result:
            return self._empty(result)
        result.require(["period", "reference_date", "value", "status"])
        rows = sorted(result, key=lambda row: (row["reference_date"], row["period"]))
        measures = [self._measure(row, "value", result.name) for row in rows]
        if all(measure.value is None for measure in measures):
            return self.alert("In keinem Zeitraum liegt ein Wert vor; eine Zeitreihe ist nicht möglich.")
        labels = [format_period(row["period"]) for row in rows]
        days = [row["reference_date"].toordinal() for row in rows]
        drawing = _line_drawing(
            days, measures, labels, [row["period"] for row in rows], rows[0].get("decimals")
        )
        return self._chart("line_chart", result, title, None, name="period", **drawing)

    def bar_chart(self, result: Result, title: str, link: str | None = None) -> Markup:
        """Horizontal bars, one a row, in the query's order. Columns: name, value, status (+ see map)."""
        if not result:
            return self._empty(result)
        result.require(["name", "value", "status"])
        measures = [self._measure(row, "value", result.name) for row in result]
        if all(measure.value is None for measure in measures):
            return self.alert("Es liegt kein Wert vor; ein Diagramm ist nicht möglich.")
        drawing = _bar_drawing([str(row["name"]) for row in result], measures)
        return self._chart("bar_chart", result, title, link, **drawing)

    # -- inside

    def _empty(self, result: Result) -> Markup:
        return Markup('<p class="empty">{}</p>\n').format(result.empty)

    def _render(self, template: str, **context: Any) -> Markup:
        return Markup(self._site.template(template).render(context))

    def _chart(
        self, kind: str, result: Result, title: str, link: str | None, name: str = "name", **drawing: Any
    ) -> Markup:
        self._figures += 1
        first = Column(name, "Zeitraum", "period") if name == "period" else Column(name, "Gebiet", link=link)
        alternative = self.table(result, [first, Column("value", "Wert", "measure")], caption=title)
        return self._render(kind, title=title, number=self._figures, alternative=alternative, **drawing)

    def _check_areas(self, result: Result) -> None:
        seen: set[tuple[str, str]] = set()
        for row in result:
            key = (row["level"], row["area"])
            if not self._site.shapes.knows(*key):
                raise PageError(f'unknown area key "{key[1]}" on level "{key[0]}"', query=result.name)
            if key in seen:
                raise PageError(f'area "{key[1]}" occurs twice in the map', query=result.name)
            if key[0] != result[0]["level"]:
                raise PageError(
                    f'a map shows one level, the query has "{result[0]["level"]}" and "{key[0]}"',
                    query=result.name,
                )
            seen.add(key)

    def _href(self, target: str, row: Row) -> str | None:
        return self._site.href(target, row, self._root)

    def _measure(self, row: Row, column: str, query: str, unit: bool = True, prefix: str = "") -> Measure:
        try:
            return _measure(row, column, self._site.words, unit, prefix)
        except PageError as error:
            raise PageError(error.message, query=error.query or query) from None

    def _cell(self, column: Column, row: Row, query: str) -> _Cell:
        value = row[column.name]
        if column.format == "measure":
            measure = self._measure(row, column.name, query, column.unit, column.prefix)
            return _Cell(
                measure.text,
                self._href(column.link, row) if column.link else None,
                measure.note,
                measure.value is None,
            )
        if column.format == "interval":
            return _Cell(_interval(row, column))
        href = self._href(column.link, row) if column.link else None
        try:
            return _Cell(self._text(column, value, row), href)
        except PageError as error:
            raise PageError(f'column "{column.name}": {error.message}', query=query) from None

    def _text(self, column: Column, value: Any, row: Row) -> str:
        if value is None:
            return "–"
        if column.format in WORD_GROUPS:
            return self._site.word(column.format, value)
        if column.format == "number":
            return format_number(
                value, row.get("decimals", 0) if column.decimals is None else column.decimals
            )
        if column.format == "code":
            return str(value)[:12]
        formats: dict[str, Callable[[Any], str]] = {
            "period": format_period,
            "day": format_day,
            "keys": format_keys,
        }
        return formats.get(column.format, _as_text)(value)


def _as_text(value: Any) -> str:
    """How a bare ``{{ value }}`` and a text column read."""
    if isinstance(value, bool):
        return "ja" if value else "nein"
    if isinstance(value, (float, Decimal)):
        return format_number(value)
    if isinstance(value, date):
        return format_day(value)
    return str(value)


def _finalize(value: Any) -> Any:
    if isinstance(value, (Markup, jinja2.Undefined)):
        return value
    return "" if value is None else _as_text(value)


def _interval(row: Row, column: Column) -> str:
    low, high = row[f"{column.prefix}ci_low"], row[f"{column.prefix}ci_high"]
    if low is None or high is None:
        return "–"
    decimals = column.decimals if column.decimals is not None else row.get("decimals")
    return f"{format_number(low, decimals)} bis {format_number(high, decimals)}"


def _measure(
    row: Row, column: str, words: Mapping[str, Mapping[str, str]], unit: bool, prefix: str
) -> Measure:
    """Read value and status together; a value that contradicts its status is refused, never shown."""
    value, status = row[column], row[f"{prefix}status"]
    if status is None and value is None:
        return Measure(None, "missing", None, "–", "")
    if status not in words["status"]:
        raise PageError(f'unknown status "{status}"')
    if (value is None) != (status in HIDDEN_STATUSES):
        raise PageError(
            f'status "{status}" contradicts the value: {"none" if value is None else "there is one"}'
        )
    reason = row.get(f"{prefix}reason")
    if reason is not None and reason not in words["reason"]:
        raise PageError(f'unknown reason "{reason}"; give it German words in words.yml')
    meaning = words["status"][status] + (f": {words['reason'][reason]}" if reason else "")
    if value is None:
        return Measure(None, status, None, meaning, "")
    text = format_number(value, row.get("decimals"))
    label = row.get("unit_label")
    if unit and label:
        text += NO_BREAK_SPACE + label
    group = row.get(f"{prefix}class")
    if group:
        text = f"{group} ({text})"
    return Measure(float(value), status, group, text, "" if status == "published" else meaning)


# -- drawings: every coordinate is an int or ready text, since a template prints floats in German


@dataclass(frozen=True)
class _MapGroups:
    labels: list[str]
    colours: list[str]
    place: Callable[[Measure], int]
    decimals: int | None
    unit: str

    def fill(self, measure: Measure) -> str:
        """The fill of an area: a colour, or the name of the hatching of its status."""
        return measure.status if measure.value is None else self.colours[self.place(measure)]

    def legend(self, measures: Sequence[Measure], status_words: Mapping[str, str]) -> list[dict[str, Any]]:
        """Entries with fill, label and number of areas; a status without areas is left out."""
        shown = Counter(self.place(measure) for measure in measures if measure.value is not None)
        entries = [
            {"fill": colour, "label": label, "count": shown[group]}
            for group, (colour, label) in enumerate(zip(self.colours, self.labels, strict=True))
        ]
        statuses = Counter(measure.status for measure in measures)
        for status in (*SHOWN_STATUSES[1:], *HIDDEN_STATUSES):
            if statuses[status]:
                entries.append({"fill": status, "label": status_words[status], "count": statuses[status]})
        return entries

    def describe(self, measures: Sequence[Measure], legend: Sequence[Mapping[str, Any]]) -> str:
        """The map in words, for those who cannot see it."""
        values = [measure.value for measure in measures if measure.value is not None]
        parts = [f"{format_number(len(values))} von {format_number(len(measures))} Gebieten haben einen Wert"]
        if values:
            low, middle, high = min(values), statistics.median(values), max(values)
            texts = [format_number(number, self.decimals) + self.unit for number in (low, middle, high)]
            parts.append(
                f"niedrigster Wert {texts[0]}, mittlerer Wert (Median) {texts[1]}, höchster Wert {texts[2]}"
            )
        hidden = [
            f"{entry['label']}: {format_number(entry['count'])}"
            for entry in legend
            if entry["fill"] in HIDDEN_STATUSES
        ]
        return "; ".join(parts + hidden) + "."


def _map_groups(measures: Sequence[Measure], decimals: int | None, unit_label: str | None) -> _MapGroups:
    shown = [measure for measure in measures if measure.value is not None]
    unit = f"{NO_BREAK_SPACE}{unit_label}" if unit_label else ""
    if shown and all(measure.group for measure in shown):
        members: dict[str, list[float]] = {}
        for measure in shown:
            members.setdefault(str(measure.group), []).append(float(measure.value or 0))
        names = sorted(members, key=lambda name: (statistics.fmean(members[name]), name))
        return _MapGroups(
            names, palette(len(names)), lambda measure: names.index(str(measure.group)), decimals, unit
        )
    values = [float(measure.value) for measure in shown if measure.value is not None]
    if not values:
        return _MapGroups([], [], lambda measure: 0, decimals, unit)
    breaks = quantile_breaks(values)
    borders = [format_number(border, decimals) for border in (min(values), *breaks, max(values))]
    labels = [
        f"{'über ' if group else ''}{low} bis {high}{unit}"
        for group, (low, high) in enumerate(pairwise(borders))
    ]
    if len(set(borders)) == 1:
        labels = [borders[0] + unit]
    return _MapGroups(
        labels, palette(len(labels)), lambda measure: bisect_left(breaks, measure.value or 0), decimals, unit
    )


CHART_WIDTH = 400
_PLOT_LEFT, _PLOT_RIGHT, _PLOT_TOP, _PLOT_BOTTOM = 64, 384, 14, 190


def nice_ticks(low: float, high: float, wanted: int = 4) -> list[float]:
    """About ``wanted`` round numbers that enclose low and high."""
    span = (high - low) or abs(high) or 1.0
    magnitude = 10.0 ** math.floor(math.log10(span / wanted))
    step = next(factor * magnitude for factor in (1, 2, 2.5, 5, 10) if span / (factor * magnitude) <= wanted)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(number * step, 10) for number in range(first, max(last, first + 1) + 1)]


def _line_drawing(
    days: Sequence[int],
    measures: Sequence[Measure],
    labels: Sequence[str],
    periods: Sequence[str],
    decimals: int | None,
) -> dict[str, Any]:
    values = [measure.value for measure in measures if measure.value is not None]
    low, high = min(values), max(values)
    from_zero = low >= 0 and low <= 0.6 * high
    ticks = nice_ticks(min(low, 0) if from_zero else low, high)
    width, height = _PLOT_RIGHT - _PLOT_LEFT, _PLOT_BOTTOM - _PLOT_TOP
    span = days[-1] - days[0]

    def x(day: int) -> int:
        return _PLOT_LEFT + round(width * ((day - days[0]) / span if span else 0.5))

    def y(number: float) -> int:
        return _PLOT_BOTTOM - round(height * (number - ticks[0]) / (ticks[-1] - ticks[0]))

    points = [
        {"x": x(day), "y": y(measure.value), "text": f"{label}: {measure.full}"}
        for day, measure, label in zip(days, measures, labels, strict=True)
        if measure.value is not None
    ]
    gaps = [label for label, measure in zip(labels, measures, strict=True) if measure.value is None]
    first = next(index for index, measure in enumerate(measures) if measure.value is not None)
    last = max(index for index, measure in enumerate(measures) if measure.value is not None)
    description = f"{labels[first]}: {measures[first].full}"
    if last != first:
        description += f"; {labels[last]}: {measures[last].full}"
    if gaps:
        description += f"; kein Wert für: {', '.join(gaps)}"
    tick_decimals = _tick_decimals(ticks)
    return {
        "description": description + ".",
        "ticks": [{"y": y(tick), "label": format_number(tick, tick_decimals)} for tick in ticks],
        "zero": y(0) if ticks[0] <= 0 <= ticks[-1] else None,
        "cut": not ticks[0] <= 0 <= ticks[-1],
        "lines": _segments(
            [
                (x(day), y(m.value) if m.value is not None else None)
                for day, m in zip(days, measures, strict=True)
            ]
        ),
        "points": points,
        "dates": _date_ticks([x(day) for day in days], periods),
        "left": _PLOT_LEFT,
        "right": _PLOT_RIGHT,
        "bottom": _PLOT_BOTTOM,
        "width": CHART_WIDTH,
        "height": _PLOT_BOTTOM + 30,
    }


def _tick_decimals(ticks: Sequence[float]) -> int:
    step = ticks[1] - ticks[0]
    return next(
        (places for places in range(6) if abs(step * 10**places - round(step * 10**places)) < 1e-6), 6
    )


def _segments(points: Sequence[tuple[int, int | None]]) -> list[str]:
    """Polylines between the gaps."""
    lines: list[list[str]] = [[]]
    for x, y in points:
        if y is None:
            lines.append([])
        else:
            lines[-1].append(f"{x},{y}")
    return [" ".join(line) for line in lines if len(line) > 1]


def _date_ticks(places: Sequence[int], periods: Sequence[str], distance: int = 52) -> list[dict[str, Any]]:
    """Labels below the axis, as many as fit, the last one always: years if they tell the periods apart."""
    years = [period[:4] for period in periods]
    texts = years if len(set(years)) == len(years) else [_short_period(period) for period in periods]
    kept: list[dict[str, Any]] = []
    for x, text in sorted(zip(places, texts, strict=True), reverse=True):
        if not kept or kept[-1]["x"] - x >= distance:
            fits = x + 4 * len(text) <= CHART_WIDTH
            kept.append({"x": x, "label": text, "anchor": "middle" if fits else "end"})
    return kept[::-1]


def _short_period(period: str) -> str:
    month = re.match(r"(\d{4})-(\d{2})", period)
    return f"{month[2]}/{month[1]}" if month else period


def _bar_drawing(names: Sequence[str], measures: Sequence[Measure]) -> dict[str, Any]:
    values = [measure.value for measure in measures if measure.value is not None]
    low, high = min(0.0, *values), max(0.0, *values)
    span = (high - low) or 1.0
    left, width, step = 4, CHART_WIDTH - 8, 38
    zero = left + round(width * -low / span)
    bars = []
    for index, (name, measure) in enumerate(zip(names, measures, strict=True)):
        end = zero if measure.value is None else left + round(width * (measure.value - low) / span)
        text = measure.full
        bars.append(
            {
                "y": index * step,
                "name": name if len(name) + len(text) <= 52 else name[: max(12, 49 - len(text))] + "…",
                "text": text if len(text) <= 44 else text[:43] + "…",
                "tooltip": f"{name}: {text}",
                "x": min(zero, end),
                "length": max(abs(end - zero), 0 if measure.value is None else 1),
            }
        )
    ordered = sorted(
        (measure for measure in measures if measure.value is not None), key=lambda m: m.value or 0.0
    )
    return {
        "description": f"{len(ordered)} von {len(names)} mit Wert: {ordered[0].text} bis {ordered[-1].text}.",
        "bars": bars,
        "zero": zero,
        "width": CHART_WIDTH,
        "height": len(bars) * step,
    }


# ----------------------------------------------------------------------------------------------------------
# The site
# ----------------------------------------------------------------------------------------------------------


class _Site:
    """All pages of one folder over one release."""

    def __init__(self, folder: Path, database: _Marts) -> None:
        self._folder = folder
        self._database = database
        self.words = _read_words(folder / "words.yml")
        options: dict[str, Any] = {
            "autoescape": True,
            "undefined": jinja2.StrictUndefined,
            "finalize": _finalize,
            "trim_blocks": True,
            "lstrip_blocks": True,
        }
        self._pages_environment = ImmutableSandboxedEnvironment(**options)
        self._environment = jinja2.Environment(
            loader=jinja2.FileSystemLoader(folder / "templates"), **options
        )
        for environment in (self._pages_environment, self._environment):
            environment.filters.update(
                number=format_number, day=format_day, period=format_period, keys=format_keys
            )
            environment.filters.update(
                markdown=render_markdown, word=lambda code, group: self.word(group, code)
            )
        self._templates: dict[str, jinja2.Template] = {}
        self._pages = self._read_pages()
        self._region = self._read_region()
        self._variants = {source: self._list_variants(page) for source, page in self._pages.items()}
        self._check_outputs()

    # -- for the components

    def template(self, name: str) -> jinja2.Template:
        """A template of the folder, parsed once."""
        if name not in self._templates:
            self._templates[name] = self._environment.get_template(f"{name}.html.j2")
        return self._templates[name]

    @cached_property
    def shapes(self) -> _Shapes:
        """Geometry of the reporting edition, read at the first map."""
        _, rows = self._database.select(
            "select a.level, a.level_rank, a.area, a.geometry from mart_area as a "
            "inner join mart_region as r on a.geography = r.geography and a.edition = r.reporting_edition "
            "order by a.level_rank, a.area",
            {},
        )
        return _Shapes(rows)

    def word(self, group: str, code: Any) -> str:
        """The German words for a code of the marts; raises PageError for a code without words."""
        key = str(code).lower() if isinstance(code, bool) else str(code)
        if key not in self.words[group]:
            raise PageError(
                f'words.yml has no words for {group} "{key}"; there are: {", ".join(self.words[group])}'
            )
        return self.words[group][key]

    def href(self, target: str, row: Row, root: str) -> str | None:
        """Relative address of the file made from ``target`` for this row; None if a parameter is null."""
        if target not in self._pages:
            raise PageError(f'link to "{target}", but there is no such page')
        values = tuple(row[name] for name in self._pages[target].parameters)
        if any(value is None for value in values):
            return None
        if values not in self._variants[target]:
            raise PageError(f'link to "{target}", but there is no page for {", ".join(map(str, values))}')
        return root + self._variants[target][values][0]

    # -- preparing

    def _read_pages(self) -> dict[str, _Page]:
        root = self._folder / "pages"
        pages = {}
        for path in sorted(root.rglob("*.md")):
            source = path.relative_to(root).as_posix()
            page = pages[source] = _read_page(path, source)
            _resolve_queries(page, self._database)
            self._compile(page)
        if not pages:
            raise PageError("there are no pages", page=str(root))
        for page in pages.values():
            for href, line in page.links:
                if posixpath.normpath(posixpath.join(posixpath.dirname(page.source), href)) not in pages:
                    raise PageError(f'link to "{href}", but there is no such page', page.source, line)
        return pages

    def _compile(self, page: _Page) -> None:
        """Compile title and body, find the queries they use, and refuse names nobody defines."""
        known = (
            set(page.queries)
            | set(Components.names())
            | {"region"}
            | ({"params"} if page.parameters else set())
        )
        used: set[str] = set()
        codes = []
        for text in (page.title, page.body):
            try:
                tree = self._pages_environment.parse(text, page.source)
                names = jinja2.meta.find_undeclared_variables(tree) - set(self._pages_environment.globals)
                for node in tree.find_all(jinja2.nodes.Name):
                    if node.name in names and node.name not in known:
                        line = page.lines[node.lineno - 1] if text is page.body else 1
                        raise PageError(
                            f'unknown name "{node.name}"; queries: {", ".join(page.queries)}',
                            page.source,
                            line,
                        )
                codes.append(self._pages_environment.compile(text, page.source, page.source))
            except jinja2.TemplateSyntaxError as error:
                line = page.lines[error.lineno - 1] if text is page.body else 1
                raise PageError(error.message or "syntax error", page.source, line) from None
            used |= names & set(page.queries)
        page.title_code, page.body_code = codes
        page.used = tuple(name for name in page.queries if name in used)
        chained = {name for query in page.queries.values() for name in query.reads}
        for query in page.queries.values():
            if query.name not in used | chained and not (page.parameters and query is page.first_query):
                raise PageError("the query is never used", page.source, query.line, query.name)

    def _read_region(self) -> Row:
        try:
            columns, rows = self._database.select("select * from mart_region", {})
        except PageError as error:
            raise PageError(f"mart_region: {error.message}") from None
        if len(rows) != 1:
            raise PageError(f"mart_region must have one row, it has {len(rows)}")
        return Row(dict(zip(columns, rows[0], strict=True)), "mart_region")

    def _list_variants(self, page: _Page) -> dict[tuple[Any, ...], tuple[str, Row | None]]:
        """Parameter values → (output path, row of the first query)."""
        if not page.parameters:
            return {(): (page.source[: -len(".md")] + ".html", None)}
        query = page.first_query
        variants: dict[tuple[Any, ...], tuple[str, Row | None]] = {}
        try:
            result = self._run(page, query, None)
            result.require(page.parameters)
            for row in result:
                values = tuple(row[name] for name in page.parameters)
                if any(value is None or value == "" for value in values):
                    raise PageError(f"a [parameter] is empty: {values}")
                if values in variants:
                    raise PageError(f"two rows for the same page: {', '.join(map(str, values))}")
                names = iter(safe_file_name(str(value)) for value in values)
                path = _PARAMETER.sub(lambda _, names=names: next(names), page.source)  # type: ignore[misc]
                variants[values] = (path[: -len(".md")] + ".html", row)
        except PageError as error:
            raise error.at(page.source, query.line, query.name) from None
        return variants

    def _check_outputs(self) -> None:
        """No two pages may fall on one file, not even on a file system that ignores case."""
        seen: dict[str, str] = {}
        for source, variants in self._variants.items():
            for path, _ in variants.values():
                if path.casefold() in seen:
                    raise PageError(
                        f'"{path}" would be written twice, also by "{seen[path.casefold()]}"', source
                    )
                seen[path.casefold()] = source

    # -- rendering

    def write(self, folder: Path, output: Path) -> SiteReport:
        """Write all pages and static files into ``folder``; the report names ``output``, their home."""
        written = 0
        for source, page in self._pages.items():
            body, title = self._load(page.body_code), self._load(page.title_code)
            for path, row in self._variants[source].values():
                text = self._render(page, body, title, path, row).encode()
                target = folder / path
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(text)
                written += len(text)
        static = self._folder / "static"
        for file in sorted(path for path in static.rglob("*") if path.is_file()):
            target = folder / "static" / file.relative_to(static)
            target.parent.mkdir(parents=True, exist_ok=True)
            written += target.write_bytes(file.read_bytes())
        return SiteReport(output, {source: len(found) for source, found in self._variants.items()}, written)

    def _load(self, code: CodeType | None) -> jinja2.Template:
        assert code is not None, "pages are compiled before they are rendered"
        return self._pages_environment.template_class.from_code(
            self._pages_environment, code, self._pages_environment.make_globals(None)
        )

    def _render(
        self, page: _Page, body: jinja2.Template, title: jinja2.Template, path: str, row: Row | None
    ) -> str:
        root = "../" * path.count("/")
        components = Components(self, root)
        context: dict[str, Any] = {name: getattr(components, name) for name in Components.names()}
        context["region"] = self._region
        if row is not None:
            context["params"] = row
        for name in page.used:
            query = page.queries[name]
            try:
                context[name] = self._run(page, query, row)
            except PageError as error:
                raise error.at(page.source, query.line, name) from None
        heading = Markup(self._fill(page, title, context, lambda _: 1))
        content = Markup(self._fill(page, body, context, lambda line: page.lines[line - 1]))
        return self.template("layout").render(
            title=heading,
            content=content,
            root=root,
            region=self._region,
            navigation=self._navigation(page, root),
        )

    def _fill(
        self,
        page: _Page,
        template: jinja2.Template,
        context: Mapping[str, Any],
        line_of: Callable[[int], int],
    ) -> str:
        try:
            return template.render(context)
        except Exception as error:
            frames = [
                frame.lineno
                for frame in traceback.extract_tb(error.__traceback__)
                if frame.filename == page.source
            ]
            line = line_of(frames[-1]) if frames and frames[-1] else None
            if isinstance(error, PageError):
                raise error.at(page.source, line) from None
            raise PageError(f"{type(error).__name__}: {error}", page.source, line) from error

    def _run(self, page: _Page, query: _Query, row: Row | None) -> Result:
        available = row.as_dict() if row is not None else {}
        unknown = sorted(query.bound - set(available))
        if unknown:
            known = ", ".join(f"${name}" for name in available) or "none on this page"
            raise PageError(f"unknown parameter ${unknown[0]}; there are: {known}")
        columns, rows = self._database.select(query.sql, {name: available[name] for name in query.bound})
        empty = page.empty.get(query.name)
        if not rows and empty is None:
            raise PageError("the query has no rows, and the page declares no text for that (empty:)")
        found = [Row(dict(zip(columns, values, strict=True)), query.name) for values in rows]
        return Result(query.name, columns, found, empty)

    def _navigation(self, current: _Page, root: str) -> list[dict[str, Any]]:
        listed = sorted(
            (page for page in self._pages.values() if page.navigation is not None and not page.parameters),
            key=lambda page: (page.navigation or 0, page.source),
        )
        return [
            {
                "href": root + self._variants[page.source][()][0],
                "title": page.title,
                "current": page is current,
            }
            for page in listed
        ]


def _read_words(path: Path) -> dict[str, dict[str, str]]:
    """German words per group and code; every group of WORD_GROUPS must be there, and nothing else."""
    try:
        words = yaml.load(path.read_text(encoding="utf-8"), Loader=_UniqueKeyLoader)
    except FileNotFoundError:
        raise PageError("the file is missing", page=path.name) from None
    except yaml.YAMLError as error:
        raise PageError(f"not readable as YAML: {_first_line(error)}", page=path.name) from None
    if not isinstance(words, dict) or set(words) != set(WORD_GROUPS):
        raise PageError(f"the groups must be exactly: {', '.join(WORD_GROUPS)}", page=path.name)
    for group, entries in words.items():
        if not isinstance(entries, dict) or not all(isinstance(text, str) for text in entries.values()):
            raise PageError(f'group "{group}" must map codes to texts', page=path.name)
    missing = [status for status in (*SHOWN_STATUSES, *HIDDEN_STATUSES) if status not in words["status"]]
    if missing:
        raise PageError(f"no words for status {', '.join(missing)}", page=path.name)
    return {group: {str(code): text for code, text in entries.items()} for group, entries in words.items()}
