"""A small release for the BI door, and recipients that may see different parts of it.

Reads  the made-up marts of the pages' tests. Writes release folders.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import report_marts

from dagster_project import declarations
from dagster_project.declarations import Declarations
from dagster_project.declarations.sharing import Sharing
from dagster_project.settings import Project
from dagster_project.tables import write_json

ROOT = Path(__file__).resolve().parents[1]
NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
RECIPIENTS = ("nord", "sued", "kreis", "alle")
ENTITLEMENTS = (
    ("nord", "values", "05", "viertel", None),
    ("nord", "comparisons", "05", "viertel", None),
    ("nord", "values", "*", "stadt", None),
    ("sued", "values", "06", "viertel", "2026-06-30"),
    ("kreis", "values", "*", "viertel", None),
    ("kreis", "comparisons", "*", "viertel", None),
    ("kreis", "values", "*", "bezirk", None),
    ("kreis", "values", "*", "stadt", None),
    ("alle", "values", "*", "bezirk", None),
)


def sharing(**changed: Any) -> Sharing:
    """The recipients; `changed` replaces parts of the declaration."""
    content = {
        "id": "recipients",
        "transmissions_kept_days": 30,
        "catalogue": {
            "publisher": "Stelle", "contact": "mailto:stelle@stadt.example", "address": "https://stadt.example",
            "licence": "http://dcat-ap.de/def/licenses/dl-zero-de/2.0", "territory": "municipalityKey/05000000",
        },
        "recipients": [{"id": name, "name": f"Stelle {name}"} for name in RECIPIENTS],
        "entitlements": [
            {"recipient": name, "product": product, "municipality": town, "level": level, "purpose": "Sozialplanung",
             "valid_from": "2026-01-01", "valid_to": end}
            for name, product, town, level, end in ENTITLEMENTS
        ],
    }  # fmt: skip
    return Sharing.model_validate({**content, **changed})


def declared(region: str, shared: Sharing | None = None) -> Declarations:
    """Declarations of a region of this name, so that each test has a schema of its own."""
    loaded = declarations.load(Project(ROOT), "musterstadt")
    own = loaded.region.model_copy(update={"id": region, "crs": "EPSG:25832"})
    return replace(loaded, region=own, sharing=shared or sharing())


def write_release(folder: Path, number: int) -> Path:
    """A release whose values, people and licence note are all `number`; quarters of the south are municipality 06."""
    (folder / "parquet").mkdir(parents=True)
    with duckdb.connect(str(report_marts.write_marts(folder / "marts.duckdb"))) as connection:
        connection.execute("alter table mart_area add column area_type text")
        for table in ("mart_area", "mart_indicator_value"):
            connection.execute(f"update {table} set municipality = '06' where area like '2%'")
        connection.execute(f"update mart_indicator_value set value = {number} where value is not null")
        connection.execute(f"update mart_area set population = {number}")
        connection.execute(f"update mart_region set licence_note = '{number}'")
        connection.execute("comment on table mart_area is 'Areas of a made-up town.'")
        connection.execute("comment on column mart_area.name is 'Name of the area: it''s \"so\".'")
        for (table,) in connection.execute("select table_name from duckdb_tables()").fetchall():
            connection.execute(f"copy {table} to '{folder / 'parquet' / table}.parquet' (format parquet)")
    write_json({"id": f"release-{number}", "created_at": NOW.isoformat()}, folder / "manifest.json")
    return folder
