"""The rows of a release: read from its Parquet files, each with the recipients that may see it, and copied over.

Reads  parquet/*.parquet and the comments in marts.duckdb of a release. Writes rows and comments.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
import psycopg

from dagster_project.declarations.public_schema import AREA_KEY, PublicMart, PublicSchema
from dagster_project.declarations.sharing import EVERY_MUNICIPALITY, Entitlement
from dagster_project.postgres.errors import PostgresMistake
from dagster_project.postgres.structure import READERS, RELEASE_COLUMNS, VIEW_TEXTS, VIEWS, execute, srid
from dagster_project.tables import comments, connect, identifier, literal, parquet_rows

ROWS_AT_A_TIME = 10_000
READERS_COMMENT = "Recipients that may see this row."
# types of a release's files; smaller numbers fit into larger ones
FILE_TYPES = {
    "text": {"VARCHAR"}, "outline": {"VARCHAR"}, "integer": {"INTEGER"}, "bigint": {"BIGINT", "INTEGER"},
    "double": {"DOUBLE"}, "boolean": {"BOOLEAN"}, "date": {"DATE"}, "timestamp": {"TIMESTAMP"},
}  # fmt: skip

_NAMED = "'{' || coalesce(string_agg(distinct '\"' || recipient || '\": true', ', ') filter (where %s), '') || '}'"
_WHOLE_REGION = (
    f"product = 'values' and entitled_municipality = {literal(EVERY_MUNICIPALITY)} "
    "and entitled_level in (select finest_level from mart_region)"
)
READERS_OF = f"""
    create temp table area_reader as
    select
        {", ".join(AREA_KEY)},
        {_NAMED % "product = 'values'"} as values,
        {_NAMED % "product = 'comparisons'"} as comparisons,
        {_NAMED % "true"} as areas
    from mart_area
    inner join entitlement
        on mart_area.level = entitled_level
        and entitled_municipality in ({literal(EVERY_MUNICIPALITY)}, mart_area.municipality)
    group by {", ".join(AREA_KEY)};
    create temp table table_reader as
    select {_NAMED % "true"} as everyone, {_NAMED % _WHOLE_REGION} as whole_region
    from entitlement
"""


@contextmanager
def opened(release: Path, held: list[Entitlement]) -> Iterator[duckdb.DuckDBPyConnection]:
    """A database with the marts of a release as views, and who sees what of them.

    `area_reader` has a row for each area that anybody sees, with the recipients that see its values, its comparisons
    and itself; `table_reader` has one row, with those that see all of a table. Both as JSON objects of their ids.
    """
    with connect() as source:
        for path in sorted((release / "parquet").glob("mart_*.parquet")):
            query = f"select * from {parquet_rows(path)}"
            source.execute(f"create temp view {identifier(path.stem)} as {query}")
        rows = [(item.recipient, item.product, item.municipality, item.level) for item in held]
        source.execute(
            "create temp table entitlement (recipient text, product text, entitled_municipality text, "
            "entitled_level text)"
        )
        if rows:  # DuckDB refuses an empty list
            source.executemany("insert into entitlement values (?, ?, ?, ?)", rows)
        source.execute(READERS_OF)
        yield source


def replace_rows(
    connection: psycopg.Connection, source: duckdb.DuckDBPyConnection, schema: str, star: PublicSchema, crs: str
) -> dict[str, int]:
    """Delete all rows and copy those of the release; returns how many of each mart. Raises `PostgresMistake`."""
    marts = star.current
    for name in reversed(marts):
        execute(connection, f"delete from {identifier(schema)}.{identifier(name)}")
    rows = {}
    for name, mart in marts.items():
        columns = ", ".join(map(identifier, (*mart.columns, READERS)))
        source.execute(_query(source, name, mart, crs))
        statement = f"copy {identifier(schema)}.{identifier(name)} ({columns}) from stdin"
        with connection.cursor() as cursor:
            with cursor.copy(statement) as copy:
                while batch := source.fetchmany(ROWS_AT_A_TIME):
                    for row in batch:
                        copy.write_row(row)
            rows[name] = cursor.rowcount
    return rows


def write_comments(connection: psycopg.Connection, schema: str, star: PublicSchema, marts: Path) -> None:
    """What the release says of its tables and columns, where the database says something else."""
    texts = comments(marts)
    wanted: dict[tuple[str, str | None], str | None] = {
        (name, column): texts.get((name, column))
        for name, mart in star.current.items()
        for column in (None, *mart.columns)
    }
    wanted |= {(name, READERS): READERS_COMMENT for name in star.current}
    wanted["release", None] = "Which release this schema shows; one row."
    wanted |= {("release", column): text for column, (_, text) in RELEASE_COLUMNS.items()}
    for view, columns in VIEWS.items():
        wanted[view, None] = VIEW_TEXTS[view]
        for mart, names in columns.items():
            for name in names:
                original, _, shown = name.partition(" as ")
                wanted[view, shown or original] = texts.get((mart, original))
    known = _known_comments(connection, schema)
    for (table, column), text in wanted.items():
        if known.get((table, column)) == text:
            continue
        place = f"{identifier(schema)}.{identifier(table)}"
        where = f"column {place}.{identifier(column)}" if column else place
        kind = "" if column else "view" if table in VIEWS else "table"
        execute(connection, f"comment on {kind} {where} is {literal(text) if text else 'null'}")


def _known_comments(connection: psycopg.Connection, schema: str) -> dict[tuple[str, str | None], str]:
    rows = execute(
        connection,
        f"""
        select c.relname, a.attname, d.description
        from pg_description as d
        inner join pg_class as c on d.classoid = 'pg_class'::regclass and c.oid = d.objoid
        left join pg_attribute as a on a.attrelid = c.oid and a.attnum = d.objsubid and d.objsubid > 0
        where c.relnamespace = {literal(identifier(schema))}::regnamespace
        """,
    ).fetchall()
    return {(table, column): text for table, column, text in rows}


# ---------------------------------------------------------------- queries on the release


def _query(source: duckdb.DuckDBPyConnection, name: str, mart: PublicMart, crs: str) -> str:
    """A mart's rows in the declared columns, and `readers` as JSON.

    A release of an earlier version may lack a table or a column: it has no rows there, or nulls.
    """
    known = {name for (name,) in source.execute("select view_name from duckdb_views() where temporary").fetchall()}
    if name not in known:
        return f"select {', '.join(['null'] * (len(mart.columns) + 1))} where false"
    types = {column: kind for column, kind, *_ in source.execute(f"describe {identifier(name)}").fetchall()}
    expressions: list[str] = []
    for column, item in mart.columns.items():
        if column not in types:
            expressions.append(f"null as {identifier(column)}")
        elif types[column] not in FILE_TYPES[item.type]:
            raise PostgresMistake(
                f"{name}.{column} is {types[column]} in the release, declared is {item.type} in dbt/public_schema.yml"
            )
        elif item.type == "outline":
            expressions.append(_multipolygon(f"mart.{identifier(column)}", srid(crs)))
        else:
            expressions.append(f"mart.{identifier(column)}")
    by_area = mart.readers in ("values", "comparisons", "areas")
    joined = f"left join area_reader using ({', '.join(AREA_KEY)})" if by_area else "cross join table_reader"
    return f"select {', '.join(expressions)}, coalesce({mart.readers}, '{{}}') from {identifier(name)} as mart {joined}"


def _multipolygon(column: str, code: int) -> str:
    """WKT of a polygon or multipolygon as the EWKT of a multipolygon: a layer has one type of geometry."""
    inner = f"regexp_replace({column}, '^POLYGON (.*)$', 'MULTIPOLYGON (\\1)')"
    return f"'SRID={code};' || {inner}"
