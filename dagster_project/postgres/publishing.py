"""Bring the release in force into PostgreSQL.

Reads  current/ of a region and the environment variable `SOZIALRAUM_POSTGRES`: a libpq connection string, such as
       `service=sozialraum`; passwords come from libpq's own files, or from wherever the service says.
Writes the region's schema: definitions first, where they changed, then rights and rows in one transaction.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import psycopg

from dagster_project.declarations import Declarations
from dagster_project.declarations.public_schema import PublicSchema
from dagster_project.postgres import loading, rights, structure
from dagster_project.postgres.errors import PostgresMistake
from dagster_project.postgres.structure import execute
from dagster_project.tables import identifier, literal, read_json

DSN = "SOZIALRAUM_POSTGRES"
# the publisher's own session: what is set for readers of the database does not hold for it
SESSION = {
    "default_transaction_isolation": "read committed", "default_transaction_read_only": "off",
    "statement_timeout": "0", "idle_in_transaction_session_timeout": "0", "search_path": "pg_catalog",
    "standard_conforming_strings": "on", "client_min_messages": "warning",
    "application_name": "sozialraum publish-postgres",
}  # fmt: skip


@dataclass(frozen=True)
class Published:
    """What a publication did: rows of each mart, and the seconds it took."""

    schema: str
    release: str
    structure_changed: bool
    rows: dict[str, int]
    seconds: float


def publish(declared: Declarations, star: PublicSchema, release: Path, conninfo: str, now: datetime) -> Published:
    """Make a release the one that the database shows, for those entitled to it today.

    `release` is its folder. Entitlements are applied even where the release is shown already. Raises
    `PostgresMistake`, and `psycopg.Error` where the database cannot be reached or refuses; then nothing has changed
    but, at most, empty tables and columns.
    """
    started = time.perf_counter()
    schema, roles = rights.schema_name(declared.region.id), rights.role_names(declared)
    manifest = read_json(release / "manifest.json")
    with psycopg.connect(conninfo, autocommit=True) as connection:
        _prepare(connection)
        with connection.transaction():
            rights.create_roles(connection, declared)
        changed = structure.ensure(connection, schema, star, declared.region.crs, roles)
        assert declared.sharing is not None
        held = [item for item in declared.sharing.entitlements if item.holds_on(now.date())]
        with loading.opened(release, held) as source, connection.transaction():
            # one publisher at a time; readers take no lock that this one waits for
            execute(connection, f"lock table {identifier(schema)}.release in exclusive mode")
            rights.grant_reading(connection, schema, roles.values())
            rights.prove_reading_only(connection, schema, roles.values())
            rows = loading.replace_rows(connection, source, schema, star, declared.region.crs)
            loading.write_comments(connection, schema, star, release / "marts.duckdb")
            execute(
                connection,
                f"update {identifier(schema)}.release set release = {literal(manifest['id'])}, "
                f"created_at = {literal(manifest['created_at'])}, published_at = {literal(now.isoformat())}, "
                f"public_schema_version = {star.version}",
            )
        # what readers of the old release still see stays; tables are not cut, for that would lock them out
        tables = ", ".join(f"{identifier(schema)}.{identifier(name)}" for name in star.current)
        execute(connection, f"vacuum (analyze, truncate false) {tables}")
    return Published(schema, manifest["id"], changed, rows, round(time.perf_counter() - started, 3))


def _prepare(connection: psycopg.Connection) -> None:
    """Raises `PostgresMistake` for a server that cannot keep readers apart."""
    if connection.info.server_version < 150000:
        raise PostgresMistake("PostgreSQL 15 or later is needed: earlier ones know no views with the reader's rights")
    for name, value in SESSION.items():
        execute(connection, f"set {name} = {literal(value)}")
