"""What one recipient gets of a release, as tables of a connection.

Reads  the Parquet files of a release, and the values of the recipient's last package.
Writes nothing but temporary tables: `value`, `comparison`, `area`, `indicator` and `change`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import duckdb

from dagster_project import entitled
from dagster_project.declarations.sharing import Catalogue, Entitlement, Recipient
from dagster_project.declarations.territory import Region
from dagster_project.tables import parquet_rows

CELL = ("edition", "level", "area", "period", "indicator", "breakdown")


@dataclass(frozen=True)
class Parcel:
    """One package to be made: which release, for whom, on which grounds, when."""

    region: Region
    catalogue: Catalogue
    recipient: Recipient
    entitlements: list[Entitlement]
    release: str
    now: datetime

    @property
    def made_at(self) -> str:
        """ISO 8601 in UTC, to the second."""
        return self.now.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")

    @property
    def purposes(self) -> list[str]:
        return sorted({item.purpose for item in self.entitlements})

    @property
    def title(self) -> str:
        return f"{self.region.name}: Sozialraummonitoring für {self.recipient.name}"

    @property
    def file_name(self) -> str:
        return f"{self.release}.zip.age" if self.recipient.encrypt_to else f"{self.release}.zip"


def select(connection: duckdb.DuckDBPyConnection, parquet: Path, entitlements: list[Entitlement]) -> None:
    """`value`, `comparison`, `area` and `indicator`: what the entitlements name, and nothing else."""
    for mart in ("area", "indicator", "indicator_value", "comparison"):
        rows = parquet_rows(parquet / f"mart_{mart}.parquet")
        connection.execute(f"create temp view mart_{mart} as select * from {rows}")
    every = entitled.areas(entitlements)
    values = entitled.areas(item for item in entitlements if item.product == "values")
    comparisons = entitled.areas(item for item in entitlements if item.product == "comparisons")
    connection.execute(
        f"create temp table area as select * from mart_area where {every.sql} order by edition, level_rank, area",
        every.parameters,
    )
    connection.execute(
        f"""
        create temp table value as
        select
            v.geography, v.edition, v.level, v.area, a.name as area_name, v.municipality, v.period, v.reference_date,
            v.indicator, i.name as indicator_name, i.unit_label, v.breakdown, v.value, v.class, v.status, v.reason,
            v.numerator, v.denominator, v.ci_low, v.ci_high, v.conversion_class
        from mart_indicator_value as v
        inner join (select * from mart_area where {values.sql}) as a using (geography, edition, level, area)
        inner join mart_indicator as i using (indicator)
        order by {", ".join(f"v.{name}" for name in CELL)}
        """,
        values.parameters,
    )
    connection.execute(
        f"""
        create temp table comparison as
        select c.*
        from mart_comparison as c
        inner join (select * from mart_area where {comparisons.sql}) as a using (geography, edition, level, area)
        order by all
        """,
        comparisons.parameters,
    )
    connection.execute(
        "create temp table indicator as select * from mart_indicator "
        "where indicator in (select indicator from value) order by sort_order, indicator"
    )


def compare(connection: duckdb.DuckDBPyConnection, before: Path) -> dict[str, int]:
    """`change`: what differs from the package before this one, value by value; returns how many of each kind."""
    old = f"{parquet_rows(before)}" if before.is_file() else "(select * from value where false)"
    connection.execute(
        f"""
        create temp table change as
        select
            case when o.area is null then 'neu' when n.area is null then 'entfallen' else 'geändert' end as art,
            {", ".join(CELL)}, o.value as vorher, n.value as jetzt, o.status as status_vorher, n.status as status_jetzt
        from {old} as o
        full join value as n using ({", ".join(CELL)})
        where o.area is null or n.area is null
            or (o.value, o.class, o.status) is distinct from (n.value, n.class, n.status)
        order by {", ".join(CELL)}
        """
    )
    found = dict(connection.execute("select art, count(*) from change group by art").fetchall())
    return {"added": found.get("neu", 0), "changed": found.get("geändert", 0), "removed": found.get("entfallen", 0)}


def count(connection: duckdb.DuckDBPyConnection, table: str) -> int:
    return int((connection.execute(f"select count(*) from {table}").fetchone() or (0,))[0])
