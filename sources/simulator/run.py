"""Runs the simulator: land, people, deliveries, dirt, truth.

Reads a region specification and `layouts.yml`; writes `inbox/`, `geo/`, `truth/` (and `later/` for late
deliveries) below the output folder. Population passes through municipality by municipality and slice by
slice, so that memory does not grow with the size factor.
"""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable, Collection
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd

from sources.simulator import dirt as dirty
from sources.simulator import living
from sources.simulator.departments import EMPLOYMENT_MEASURES, Departments, secondary_residents
from sources.simulator.population import Year, first_population, place_of
from sources.simulator.spec import Layouts, Region, read_layouts, read_region
from sources.simulator.territory import Territory, build_territory
from sources.simulator.totals import deliver_registers, deliver_totals, write_shapes
from sources.simulator.truth import Truth, write_parquet
from sources.simulator.writing import Delivery, Writer

FOLDERS = ("inbox", "geo", "truth", "later")
IDS_PER_MUNICIPALITY = 10**11
IDS_PER_SLICE = 10**8


def simulate(
    specification: Path,
    output: Path,
    seed: int = 1,
    size: float = 1.0,
    dirt: Collection[str] = dirty.NAMES,
    progress: Callable[[str], None] = lambda text: None,
) -> list[Delivery]:
    """Write all deliveries of a region and the truth; the same arguments give the same bytes.

    `size` multiplies the residents (the land stays), `dirt` names the kinds of dirt that are switched on.
    Replaces what an earlier run left in the four folders. Raises `ValueError` for a wrong specification or
    name of dirt.
    """
    unknown = sorted(set(dirt) - set(dirty.NAMES))
    if unknown or size <= 0:
        raise ValueError(
            f"no such dirt: {', '.join(unknown)}; known: {', '.join(dirty.NAMES)}"
            if unknown
            else "size must be positive"
        )
    region, layouts = read_region(specification), read_layouts()
    dirty.check(region, layouts)
    for folder in FOLDERS:
        shutil.rmtree(output / folder, ignore_errors=True)
    output.mkdir(parents=True, exist_ok=True)
    territory = build_territory(region, layouts.streets, seed)
    write_shapes(region, territory, output / "geo")
    progress(f"{region.title}: {territory.block_count} blocks, {len(territory.addresses)} addresses")
    with duckdb.connect() as con:
        writer, truth = Writer(output, con), Truth(region, territory)
        departments = Departments(region, layouts, territory, writer, truth, seed)
        deliver_registers(departments)
        for municipality in range(len(region.municipalities)):
            _live(region, layouts, territory, departments, municipality, seed, size)
            progress(f"{region.municipalities[municipality].name} delivered")
        (output / "truth").mkdir()
        deliver_totals(departments, output / "truth", seed)
        writer.flush()
        truth.write(output / "truth", con, region.suppress_below, list(EMPLOYMENT_MEASURES))
        deliveries = list(writer.deliveries.values())
        deliveries = dirty.soil(region, output, deliveries, dirt, con, seed)
        _write_deliveries(con, deliveries, output / "truth" / "deliveries.parquet")
    return deliveries


def _live(
    region: Region,
    layouts: Layouts,
    territory: Territory,
    departments: Departments,
    municipality: int,
    seed: int,
    size: float,
) -> None:
    """All years of one municipality, one slice of its residents after the other."""
    declared, history = region.municipalities[municipality], region.history
    slices = max(1, math.ceil(size))
    place = place_of(
        territory.addresses,
        territory.poverty,
        territory.family,
        municipality,
        declared.residents,
        region.territory.residents_per_shelter,
        layouts.nationalities,
        history,
        np.random.default_rng([seed, 11, municipality]),
    )
    poverty = territory.poverty[territory.addresses.block]
    for part in range(slices):
        rng = np.random.default_rng([seed, 12, municipality, part])
        first_id = (municipality + 1) * IDS_PER_MUNICIPALITY + part * IDS_PER_SLICE
        before = history.first_year - 1
        population = first_population(place, declared.residents * size / slices, first_id, before, rng)
        secondary = secondary_residents(place, population.persons, first_id + IDS_PER_SLICE // 2, history.years, rng)
        living.status_of(population, poverty[population.households.address], place, before, rng)
        for year in history.years:
            rng = np.random.default_rng([seed, 13, municipality, part, year])
            events = Year(population, place, year, rng).live()
            status = living.status_of(population, poverty[population.households.address], place, year, rng)
            departments.deliver_events(municipality, events, year)
            departments.deliver_year(municipality, population, status, secondary, year, rng)


def _write_deliveries(con: duckdb.DuckDBPyConnection, deliveries: list[Delivery], path: Path) -> None:
    rows = [
        (
            item.sender,
            item.source,
            item.period,
            item.path.as_posix(),
            item.rows,
            item.layout.format.encoding,
            item.layout.format.delimiter,
        )
        for item in deliveries
    ]
    table = pd.DataFrame(rows, columns=["sender", "source", "period", "path", "rows", "encoding", "delimiter"])
    write_parquet(con, table, path, "path")
