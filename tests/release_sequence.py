"""Releases of a region one after another, through the disclosure stage alone: protection, audit, ledger.

Reads  core/*.parquet and geography/area.parquet of a region's data folder (a `World`), and what is declared.
Writes a data folder of its own, from which the stages read: core/, geography/, protection/, ledger/, marts/.

The cube is made here of the same counts and of what the protection says, by the definition of what is printed: the
numerator and the denominator of every indicator, added up over its years, where the row is not hidden.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

import duckdb
import pandas as pd

from dagster_project import disclosure, disclosure_audit
from dagster_project.declarations import Declarations
from dagster_project.settings import RegionData
from dagster_project.tables import write_frame

AREA = ["geography", "edition", "level", "area"]
CORE = ("core_disclosure_cell", "core_disclosure_conversion", "core_disclosure_atom", "core_largest_contribution")


@dataclass(frozen=True)
class World:
    """The counts of a region on all days: what the disclosure stage reads."""

    core: dict[str, pd.DataFrame]
    areas: pd.DataFrame

    @property
    def cells(self) -> pd.DataFrame:
        return self.core["core_disclosure_cell"]

    @property
    def years(self) -> list[int]:
        return sorted({day.year for day in pd.to_datetime(self.cells["reference_date"])})

    def until(self, year: int) -> World:
        """The world as it was delivered by the end of a year."""
        core = {
            name: table[pd.to_datetime(table["reference_date"]).dt.year <= year] for name, table in self.core.items()
        }
        return replace(self, core=core)

    def with_cells(self, cells: pd.DataFrame) -> World:
        return replace(self, core={**self.core, "core_disclosure_cell": cells})


def read_world(region: RegionData) -> World:
    """What a run of the whole job left for the disclosure stage."""
    core = {name: duckdb.sql(f"from '{region.core}/{name}.parquet'").df() for name in CORE}
    return World(core, duckdb.sql(f"from '{region.geography}/area.parquet'").df())


@dataclass(frozen=True)
class Outcome:
    """What a release hides, and what its audience could find out."""

    counts: int
    hidden: int
    sensitive: int
    exposed: list[disclosure_audit.Exposed]


def release(declared: Declarations, world: World, folder: Path, name: str) -> Outcome:
    """Protect, audit and enter one release in the ledger. Raises what the stages raise."""
    data = RegionData(root=folder, inbox=folder)
    for table, frame in world.core.items():
        _write(frame, data.core / f"{table}.parquet")
    _write(world.areas, data.geography / "area.parquet")
    found = disclosure.protect(declared, data)
    write_marts(declared, world, data)
    report = disclosure_audit.audit(declared, data.marts, data)
    if not report.exposed:
        disclosure.record(
            declared, data.protection / "count.parquet", data.marts / "mart_indicator_value.parquet",
            data.ledger / f"{name}.parquet",
        )  # fmt: skip
    sensitive = duckdb.sql(f"select count(*) from '{data.protection}/count.parquet' where is_sensitive").fetchone()
    assert sensitive is not None
    return Outcome(found.counts, found.hidden_counts, sensitive[0], report.exposed)


def write_marts(declared: Declarations, world: World, data: RegionData) -> None:
    """mart_area and mart_indicator_value of a release: what there is to count, and what the protection leaves of it."""
    shown = _shown(declared, world, data)
    hidden = duckdb.sql(f"from '{data.protection}/cell.parquet'").df().assign(is_hidden=True)
    cube = shown.merge(hidden, on=[*AREA, "period", "indicator"], how="left")
    gone = cube.pop("is_hidden").notna()
    cube["status"] = ["suppressed" if is_gone else "published" for is_gone in gone]
    cube.loc[gone, ["numerator", "denominator"]] = None
    cube["value"] = cube["numerator"]  # only whether there is one matters
    areas = world.areas[world.areas["is_published"].astype(bool)].drop(columns=["geometry", "is_published"])
    areas = areas.assign(population=None, population_reference_date=None)
    numbers = dict.fromkeys(("numerator", "denominator", "value"), "double")
    types = {**dict.fromkeys(cube.columns, "varchar"), **numbers, "reference_date": "date"}
    write_frame(cube, data.marts / "mart_indicator_value.parquet", types)
    known = {"level_rank": "bigint", "is_unallocated": "boolean", "population": "double",
             "population_reference_date": "date"}  # fmt: skip
    names = [*AREA, "level_rank", "parent_level", "parent", "municipality", "is_unallocated", "population",
             "population_reference_date"]  # fmt: skip
    write_frame(areas[names], data.marts / "mart_area.parquet", {**dict.fromkeys(names, "varchar"), **known})


def _shown(declared: Declarations, world: World, data: RegionData) -> pd.DataFrame:
    """Rows of the cube with their true numbers."""
    keys = [*AREA, "period", "reference_date", "measure", "value"]
    counted = pd.concat([world.cells[keys], world.core["core_disclosure_conversion"][keys].drop_duplicates()])
    placed = world.areas[[*AREA, "is_published", "is_unallocated"]]
    counted = counted.merge(placed[placed["is_published"].astype(bool)], on=AREA)
    frames = []
    with duckdb.connect() as connection:
        connection.register("counted", counted)
        for indicator in declared.reported_indicators.values():
            numerator = indicator.reported.measure if indicator.reported else indicator.numerator
            if indicator.kind not in ("count", "share", "rate", "reported_share") or numerator is None:
                continue
            frames.append(
                connection.execute(
                    _QUERY,
                    {
                        "numerator": numerator, "denominator": indicator.denominator or "",
                        "years": indicator.pooled_years, "indicator": indicator.id,
                        "is_count": indicator.kind == "count", "first": indicator.periods.from_year or 1,
                        "last": indicator.periods.to_year or 9999,
                    },
                ).df()
            )  # fmt: skip
    return pd.concat([frame for frame in frames if len(frame)], ignore_index=True)


_QUERY = """
    select
        latest.geography, latest.edition, latest.level, latest.area, latest.period, latest.reference_date,
        $indicator as indicator,
        case when count(part.value) = $years then sum(part.value) end as numerator,
        case when count(whole.value) = $years then sum(whole.value) end as denominator
    from counted as latest
    inner join counted as part
        on latest.measure = part.measure and latest.geography = part.geography and latest.edition = part.edition
        and latest.level = part.level and latest.area = part.area
        and part.reference_date <= latest.reference_date
        and part.reference_date > latest.reference_date - to_years($years::integer)
    left join counted as whole
        on whole.measure = $denominator and whole.geography = part.geography and whole.edition = part.edition
        and whole.level = part.level and whole.area = part.area and whole.reference_date = part.reference_date
    where latest.measure = $numerator and ($is_count or not latest.is_unallocated)
        and year(latest.reference_date) between $first and $last
    group by all
    having count(part.value) = $years
"""


def corrected(world: World, measures: list[str], day: date, area: str, more: int) -> World:
    """The world with a corrected delivery: so many more (or fewer) people in one area, and in those that hold it."""
    cells = world.cells.copy()
    parents = {
        tuple(row[name] for name in AREA): (row["geography"], row["edition"], row["parent_level"], row["parent"])
        for row in world.areas[[*AREA, "parent_level", "parent"]].to_dict("records")
    }
    here = cells["measure"].isin(measures) & (pd.to_datetime(cells["reference_date"]).dt.date == day)
    (start,) = set(cells.loc[here & (cells["area"] == area), AREA].itertuples(index=False, name=None))
    keys = pd.Series(list(cells[AREA].itertuples(index=False, name=None)), index=cells.index)
    while start in parents:
        cells.loc[here & (keys == start), "value"] += more
        start = parents[start]
    return world.with_cells(cells)


def _write(frame: pd.DataFrame, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with duckdb.connect() as connection:
        connection.register("frame", frame)
        connection.execute(f"copy frame to '{path}' (format parquet)")
