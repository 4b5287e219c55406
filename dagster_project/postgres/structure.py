"""Tables, keys, policies and views, made from the declared public schema.

Reads  the catalogue of the database. Writes definitions, no rows.

Every statement may run again. A structure is changed in a transaction of its own that waits for no reader longer than
a moment: it gives up and tries again, so that no reader queues behind it.

Why a row names its readers in a column, and policies ask for nothing else: PostgreSQL evaluates conditions that it
takes for harmless (`value > 17 or (select 1 / 0 …)`) before a policy that costs more, also on rows that the reader may
not see, and tells by an error or by `explain analyze` how they came out. A test for null costs nothing to the planner,
and is evaluated first. Statistics on other columns than keys would tell the rest in estimates.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator

import psycopg

from dagster_project.declarations.public_schema import Kind, PublicMart, PublicSchema, Reference
from dagster_project.postgres.errors import PostgresMistake
from dagster_project.tables import identifier, literal

LOCK_TIMEOUT = "250ms"
TRIES = 40
PAUSE_SECONDS = 0.5
READERS = "readers"
RELEASE_COLUMNS = {
    "release": ("text", "Id of the release that this schema shows."),
    "created_at": ("timestamptz", "When the release was made."),
    "published_at": ("timestamptz", "When it came into this database."),
    "public_schema_version": ("integer", "Version of the declared tables and columns."),
    "structure": ("text", "Hash of the definitions that made these tables."),
}
TYPES: dict[Kind, str] = {
    "text": "text", "integer": "integer", "bigint": "bigint", "double": "double precision", "boolean": "boolean",
    "date": "date", "timestamp": "timestamp",
}  # fmt: skip

# each value with the names of what it is about, for tools that join no tables: columns by mart
JOINED = {
    "mart_indicator_value": (
        "geography", "edition", "level", "area", "municipality", "period", "reference_date", "indicator", "breakdown",
        "value", "class", "status", "reason", "numerator", "denominator", "ci_low", "ci_high", "conversion_class",
    ),
    "mart_area": ("level_name", "name as area_name"),
    "mart_indicator": ("name as indicator_name", "theme_name", "unit_label"),
}  # fmt: skip
VIEWS = {
    "indicator_table": JOINED,
    "indicator_map": {**JOINED, "mart_area": (*JOINED["mart_area"], "geometry")},
}
VIEW_TEXTS = {
    "indicator_table": "Every value with the names of its area and indicator.",
    "indicator_map": "Every value with the names and the outline of its area, for maps.",
}


def execute(connection: psycopg.Connection, statement: str) -> psycopg.Cursor:
    """Run a statement that was put together from declared names and quoted literals."""
    return connection.execute(statement)


def ensure(connection: psycopg.Connection, schema: str, star: PublicSchema, crs: str, roles: dict[str, str]) -> bool:
    """Make the schema as declared where it is not; returns whether anything was done.

    `crs`: of the outlines, as `EPSG:…`; `roles`: of the database, by the recipient's id, which the column `readers`
    names. Raises `PostgresMistake` where readers never let go, or where a column has another type than declared.
    """
    statements = list(_statements(schema, star, _outline(connection, crs), roles))
    structure = hashlib.sha256("\n".join(statements).encode()).hexdigest()
    if _known(connection, schema) == structure:
        return False
    statements.append(f"update {_name(schema, 'release')} set structure = {literal(structure)}")
    for attempt in range(1, TRIES + 1):
        try:
            with connection.transaction():
                execute(connection, f"set local lock_timeout = {literal(LOCK_TIMEOUT)}")
                _refuse_what_never_changes(connection, schema, star, crs)
                for statement in [*_removals(connection, schema, star), *statements]:
                    execute(connection, statement)
        except (psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected):
            if attempt == TRIES:
                raise PostgresMistake(
                    f"{schema}: its tables must change, but readers have held them for {TRIES} tries. Nothing was "
                    "changed. See pg_stat_activity for who, and run the command again"
                ) from None
            time.sleep(PAUSE_SECONDS)
        else:
            break
    return True


# ---------------------------------------------------------------- statements


def _statements(schema: str, star: PublicSchema, outline: str, roles: dict[str, str]) -> Iterator[str]:
    yield f"create schema if not exists {identifier(schema)}"
    yield from _release(schema)
    for name, mart in star.current.items():
        yield from _table(schema, name, mart, outline)
        for recipient, role in sorted(roles.items()):
            yield (
                f"create policy {identifier(recipient)} on {_name(schema, name)} for select to {identifier(role)} "
                f"using ({READERS}[{literal(recipient)}] is not null)"
            )
    for name, columns in VIEWS.items():
        yield _view(schema, name, columns)


def _release(schema: str) -> Iterator[str]:
    table = _name(schema, "release")
    yield f"create table if not exists {table} (only_row boolean primary key default true check (only_row))"
    for column, (kind, _) in RELEASE_COLUMNS.items():
        yield f"alter table {table} add column if not exists {column} {kind}"
    yield f"insert into {table} default values on conflict do nothing"
    yield f"alter table {table} enable row level security"
    yield f"drop policy if exists everyone on {table}"
    yield f"create policy everyone on {table} for select using (true)"


def _table(schema: str, name: str, mart: PublicMart, outline: str) -> Iterator[str]:
    table = _name(schema, name)
    types = {column: outline if item.type == "outline" else TYPES[item.type] for column, item in mart.columns.items()}
    known = {*mart.key, *(column for reference in mart.refers for column in reference.columns)}
    yield f"create table if not exists {table} ()"
    for column, kind in {**types, READERS: "jsonb not null default '{}'"}.items():
        yield f"alter table {table} add column if not exists {identifier(column)} {kind}"
    for column in (*types, READERS):
        target = -1 if column in known else 0
        yield f"alter table {table} alter column {identifier(column)} set statistics {target}"
    unique = "unique nulls not distinct" if mart.nullable_key else "primary key"
    yield _constraint(schema, name, f"{name}_key", f"{unique} ({_list(mart.key)})")
    for reference in mart.refers:
        related = f"foreign key ({_list(reference.columns)}) references {_name(schema, reference.mart)}"
        yield _constraint(schema, name, _relation(name, reference), related)
    yield f"alter table {table} enable row level security"


def _constraint(schema: str, table: str, name: str, definition: str) -> str:
    """A constraint where the table has none of this name: to make it anew would read all rows under a lock."""
    return f"""
        do $$ begin
            if not exists (
                select from pg_constraint
                where conname = {literal(name)} and conrelid = {literal(_name(schema, table))}::regclass
            ) then
                alter table {_name(schema, table)} add constraint {identifier(name)} {definition};
            end if;
        end $$
    """


def _relation(table: str, reference: Reference) -> str:
    return f"{table}_{'_'.join(reference.columns)}"


def _view(schema: str, name: str, columns: dict[str, tuple[str, ...]]) -> str:
    selected = ", ".join(f"{mart}.{column}" for mart, names in columns.items() for column in names)
    return f"""
        create view {_name(schema, name)} with (security_invoker = true) as
        select {selected}
        from {_name(schema, "mart_indicator_value")} as mart_indicator_value
        inner join {_name(schema, "mart_area")} as mart_area using (geography, edition, level, area)
        inner join {_name(schema, "mart_indicator")} as mart_indicator using (indicator)
    """


# ---------------------------------------------------------------- what is there


def _known(connection: psycopg.Connection, schema: str) -> str | None:
    """The hash of the definitions that made the schema; None where there is none."""
    if execute(connection, f"select to_regclass({literal(_name(schema, 'release'))})").fetchone() == (None,):
        return None
    row = execute(connection, f"select structure from {_name(schema, 'release')}").fetchone()
    return row[0] if row else None


def _removals(connection: psycopg.Connection, schema: str, star: PublicSchema) -> list[str]:
    """What is not declared any more, and what is made anew each time: views and policies."""
    views = [f"drop view if exists {_name(schema, name)}" for name in VIEWS]
    policies = execute(
        connection, f"select tablename, policyname from pg_policies where schemaname = {literal(schema)}"
    ).fetchall()
    dropped = [f"drop policy {identifier(policy)} on {_name(schema, table)}" for table, policy in policies]
    found = _columns(connection, schema)
    tables = [f"drop table {_name(schema, name)} cascade" for name in found if name not in star.current]
    wanted = {_relation(name, item) for name, mart in star.current.items() for item in mart.refers}
    relations = execute(
        connection,
        "select conrelid::regclass, conname from pg_constraint "
        f"where contype = 'f' and connamespace = to_regnamespace({literal(identifier(schema))})",
    ).fetchall()
    unrelated = [
        f"alter table {table} drop constraint {identifier(name)}" for table, name in relations if name not in wanted
    ]
    columns = [
        f"alter table {_name(schema, name)} drop column {identifier(column)}"
        for name, mart in star.current.items()
        for column in found.get(name, {})
        if column not in mart.columns and column != READERS
    ]
    return [*views, *dropped, *unrelated, *tables, *columns]


def _refuse_what_never_changes(connection: psycopg.Connection, schema: str, star: PublicSchema, crs: str) -> None:
    """Raises `PostgresMistake` where a column has another type than declared."""
    outline = f"geometry(MultiPolygon,{srid(crs)})"
    tables = _columns(connection, schema)
    for name, mart in star.current.items():
        for column, item in mart.columns.items():
            wanted = TYPES.get(item.type, outline)
            found = tables.get(name, {}).get(column, wanted)
            if found.split(".")[-1].removesuffix(" without time zone") != wanted:
                raise PostgresMistake(
                    f"{schema}.{name}.{column} is {found}, declared is {wanted}. A column never changes its type: give "
                    f"it a new name in dbt/public_schema.yml; or drop the schema and publish anew: "
                    f"drop schema {schema} cascade"
                )


def _columns(connection: psycopg.Connection, schema: str) -> dict[str, dict[str, str]]:
    """Types of the columns of all marts in the schema."""
    rows = execute(
        connection,
        f"""
        select c.relname, a.attname, format_type(a.atttypid, a.atttypmod)
        from pg_class as c
        inner join pg_attribute as a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
        where c.relnamespace = to_regnamespace({literal(identifier(schema))}) and c.relkind = 'r'
            and c.relname like 'mart\\_%'
        order by c.relname, a.attnum
        """,
    ).fetchall()
    found: dict[str, dict[str, str]] = {}
    for table, column, kind in rows:
        found.setdefault(table, {})[column] = kind
    return found


def _outline(connection: psycopg.Connection, crs: str) -> str:
    """The type of outlines. Raises `PostgresMistake` where there is no PostGIS."""
    row = execute(
        connection,
        "select n.nspname from pg_extension as e inner join pg_namespace as n on n.oid = e.extnamespace "
        "where e.extname = 'postgis'",
    ).fetchone()
    if row is None:
        raise PostgresMistake("PostGIS is missing in this database. An administrator runs: create extension postgis")
    return f"{identifier(row[0])}.geometry(MultiPolygon,{srid(crs)})"


def srid(crs: str) -> int:
    """The number of a coordinate reference system. Raises `PostgresMistake` where it has none."""
    authority, _, code = crs.partition(":")
    if authority != "EPSG" or not code.isdigit():
        raise PostgresMistake(f"region.yml: crs {crs!r} has no number in PostGIS: write it as EPSG:…")
    return int(code)


def _name(schema: str, name: str) -> str:
    return f"{identifier(schema)}.{identifier(name)}"


def _list(columns: list[str]) -> str:
    return ", ".join(map(identifier, columns))
