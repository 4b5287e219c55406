"""The description of a package as a Data Package 2.0.

Reads  the tables of a selection and the files of a package; writes nothing.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb

from dagster_project.packages import archive
from dagster_project.packages.delivery import PROFILE
from dagster_project.packages.selection import Parcel

FIELD_TYPES = {
    "VARCHAR": "string", "DOUBLE": "number", "INTEGER": "integer", "BIGINT": "integer", "DATE": "date",
    "BOOLEAN": "boolean",
}  # fmt: skip
# tables whose columns are described, by file
PARQUET = {"werte": "value", "vergleiche": "comparison", "indikatoren": "indicator"}
CSV = {"werte": "value", "aenderungen": "change"}
OTHERS = ("werte.xlsx", "gebietstabelle.xlsx", "werte.jsonstat.json", "gebiete.gpkg", "gebiete.parquet")


def describe(connection: duckdb.DuckDBPyConnection, parcel: Parcel, work: Path) -> dict[str, Any]:
    """`datapackage.json` of the files in the folder `work`."""
    return {
        "$schema": PROFILE,
        "name": f"{parcel.region.id}-{parcel.recipient.id}".replace("_", "-"),
        "title": parcel.title,
        "version": parcel.release,
        "created": parcel.made_at,
        "licenses": [
            {"name": "other", "title": parcel.region.licence_note, "path": "LIZENZ.txt"},
            {"path": parcel.catalogue.licence},
        ],
        "resources": [
            *(
                _resource(work / f"{name}.csv", name, _fields(connection, table, ","), {"delimiter": ";"})
                for name, table in CSV.items()
            ),
            *(
                _resource(work / f"{name}.parquet", f"{name}-parquet", _fields(connection, table))
                for name, table in PARQUET.items()
            ),
            *(_resource(work / name, name.replace(".", "-")) for name in OTHERS),
        ],
    }


def _resource(
    path: Path, name: str, fields: list[dict[str, str]] | None = None, dialect: dict[str, str] | None = None
) -> dict[str, Any]:
    described: dict[str, Any] = {
        "name": name,
        "path": path.name,
        "format": path.suffix[1:],
        "bytes": path.stat().st_size,
        "hash": f"sha256:{archive.sha256(path)}",
    }
    if fields is not None:
        described["schema"] = {"fields": fields, "missingValues": [""]}
    return {**described, "dialect": dialect, "encoding": "utf-8"} if dialect else described


def _fields(connection: duckdb.DuckDBPyConnection, table: str, decimal: str = ".") -> list[dict[str, str]]:
    columns = connection.execute(f"describe {table}").fetchall()
    return [
        {"name": name, "type": FIELD_TYPES[kind], **({"decimalChar": decimal} if kind == "DOUBLE" else {})}
        for name, kind, *_ in columns
    ]
