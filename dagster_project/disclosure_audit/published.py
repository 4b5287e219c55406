"""What is published, as an attacker collects it: numbers by area and measure, and the public rules that bind them.

Reads  the marts of a release (a folder of Parquet files) and public declarations: what indicators are made of, how
       measures add up. Writes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import sparse

from dagster_project.declarations import Declarations
from dagster_project.disclosure_audit.equations import (
    REST,
    SHARE_REST,
    Equation,
    Measure,
    parts_of_sums,
    relations,
    sides,
)
from dagster_project.tables import connect, parquet_rows

Integers = npt.NDArray[np.int64]
Booleans = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]

AREA = ["geography", "edition", "level", "area"]
CELL = [*AREA, "period", "indicator"]


@dataclass(frozen=True)
class Remainder:
    """Places of a remainder nobody prints, of the whole and of its parts."""

    rest: int
    whole: int
    parts: tuple[int, ...]


@dataclass
class Published:
    """All areas (rows of `areas`) by all measures: `printed` holds numbers, NaN where none is shown.

    Where a source shows other numbers than the true ones, `least` and `most` say between which the true one lies, and
    `printed` holds none; elsewhere they are NaN. `withheld` says where a row of the cube is marked as suppressed.
    `matrix` @ all cells (area by measure, row by row) = 0 are the public equations; `equations` are those that hold at
    every area. `inner` are the places of parts nobody prints that follow from printed sums.
    """

    areas: pd.DataFrame
    measures: list[Measure]
    printed: Floats
    least: Floats
    most: Floats
    withheld: Booleans
    matrix: sparse.csr_array
    remainders: list[Remainder]
    equations: list[Equation] = field(default_factory=list)
    inner: list[int] = field(default_factory=list)


def collect(
    declared: Declarations, marts: Path, geography: pd.DataFrame, counts: pd.DataFrame, conversions: pd.DataFrame
) -> Published:
    """Every printed number and every public equation.

    `geography` holds all areas, those too that no mart shows but others are carried over from.
    `conversions` says which counts were carried over from other boundaries, one row per count and source area with
    weight. Such a count is no count of its own: it tells about its sources. A source is taken to be known, with its
    number in `counts`, as soon as a single count that it goes into is printed.
    """
    with connect() as connection:
        for path in sorted(marts.glob("*.parquet")):
            connection.execute(f"create view {path.stem} as select * from {parquet_rows(path)}")
        areas = connection.execute(
            "select geography, edition, level, level_rank, area, parent_level, parent, municipality, is_unallocated, "
            "population, population_reference_date from mart_area order by all"
        ).df()
        cube = connection.execute(
            "select geography, edition, level, area, period, reference_date, indicator, status, numerator, denominator "
            "from mart_indicator_value where status = 'suppressed' or coalesce(numerator, denominator) is not null"
        ).df()
    populations = _populations(declared, areas)
    areas = _all_areas(geography, areas, conversions)
    node = {key: index for index, key in enumerate(areas[AREA].itertuples(index=False, name=None))}
    shown = pd.concat([_facts(declared, cube), populations], ignore_index=True)
    facts = _with_sources(shown, counts, conversions)
    measures = list(dict.fromkeys(zip(facts["measure"], facts["day"], facts["years"], strict=True)))
    shown_measures = set(measures)
    parts, equations = parts_of_sums(measures), relations(declared, measures)
    for equation in equations:
        measures += [measure for measure in equation if measure not in measures]
    place = {measure: index for index, measure in enumerate(measures)}
    printed = np.full((len(areas), len(measures)), np.nan)
    withheld = np.zeros(printed.shape, bool)
    rows = np.array([node[key] for key in facts[AREA].itertuples(index=False, name=None)], dtype=int)
    columns = np.array(
        [place[key] for key in zip(facts["measure"], facts["day"], facts["years"], strict=True)], dtype=int
    )
    number = facts["number"].to_numpy(float)
    has = ~np.isnan(number)
    printed[rows[has], columns[has]] = number[has]
    suppressed = (facts["status"] == "suppressed").to_numpy()
    withheld[rows[suppressed], columns[suppressed]] = True
    withheld &= np.isnan(printed)
    least, most = _told_by_replacements(declared, measures, printed)
    printed[~np.isnan(least)] = np.nan
    matrix, remainders = _matrix(declared, areas, measures, place, equations)
    inner = [
        place[part]
        for part in dict.fromkeys((*parts, *(m for equation in equations for m in equation)))
        if part in place and part not in shown_measures and not part[0].startswith(REST)
    ]
    return Published(areas, measures, printed, least, most, withheld, matrix, remainders, equations, inner)


def _told_by_replacements(declared: Declarations, measures: list[Measure], printed: Floats) -> tuple[Floats, Floats]:
    """Between which true numbers lie that others are shown in place of: everybody knows how far these may stand from
    them, and that zero is always shown as zero."""
    spread = np.zeros(len(measures))
    for place, (name, _, years) in enumerate(measures):
        rule = declared.replacement_of(name)
        spread[place] = rule.spread * years if rule else np.nan
    return np.maximum(printed - spread, np.minimum(printed, 1)), printed + spread


def _all_areas(geography: pd.DataFrame, shown: pd.DataFrame, conversions: pd.DataFrame) -> pd.DataFrame:
    """The areas of the marts, and those of the levels other counts are carried over from."""
    levels = ["geography", "edition", "level"]
    sources = conversions[[f"source_{name}" for name in levels]].drop_duplicates().set_axis(levels, axis=1)
    wanted = pd.concat([shown[levels].drop_duplicates(), sources]).drop_duplicates()
    return geography.merge(wanted, on=levels).sort_values(["level_rank", *AREA]).reset_index(drop=True)


def _facts(declared: Declarations, cube: pd.DataFrame) -> pd.DataFrame:
    """One row per number a row of the cube shows or hides."""
    frames = [pd.DataFrame(columns=[*AREA, "measure", "day", "years", "number", "status"])]
    day = pd.to_datetime(cube["reference_date"]).dt.date
    for name, rows in cube.groupby("indicator", sort=True):
        for measure, side in sides(declared.indicators[str(name)]):
            frames.append(
                rows[AREA].assign(
                    measure=measure,
                    day=day[rows.index],
                    years=declared.indicators[str(name)].pooled_years,
                    number=rows[side].astype(float),
                    status=rows["status"],
                )
            )
    kept = [frame for frame in frames if len(frame)]
    return pd.concat(kept, ignore_index=True) if kept else frames[0]


def _with_sources(shown: pd.DataFrame, counts: pd.DataFrame, conversions: pd.DataFrame) -> pd.DataFrame:
    """Facts about the sources of carried-over counts in place of the facts about these."""
    if conversions.empty:
        return shown
    carried = conversions.assign(day=pd.to_datetime(conversions["reference_date"]).dt.date)
    keys = [*AREA, "measure", "day"]
    cells = carried[keys].drop_duplicates().assign(is_carried=True)
    marked = shown.merge(cells, on=keys, how="left")
    printed = marked.loc[marked["is_carried"].notna() & marked["number"].notna(), keys].drop_duplicates()
    source = {f"source_{name}": name for name in AREA}
    names = [*source, "measure", "day"]
    known = carried.merge(printed, on=keys)[names].drop_duplicates().assign(status="published")
    every = carried[names].drop_duplicates().merge(known, on=names, how="left").rename(columns=source)
    true = counts.assign(day=pd.to_datetime(counts["reference_date"]).dt.date)
    true = true.loc[true["years"] == 1, [*keys, "value", "is_given"]]
    facts = every.merge(true, on=keys, how="left")
    is_known = (facts["status"] == "published") & (facts["is_given"] == True)  # noqa: E712 (null where nobody counted)
    facts = facts.assign(
        years=1,
        number=facts["value"].astype(float).where(is_known),
        status=facts["status"].fillna("suppressed"),
    )
    own = marked.loc[marked["is_carried"].isna(), shown.columns]
    return pd.concat([own, facts[list(shown.columns)]], ignore_index=True)


def _populations(declared: Declarations, areas: pd.DataFrame) -> pd.DataFrame:
    known = areas[areas["population"].notna()]
    return known[AREA].assign(
        measure=declared.region.population,
        day=pd.to_datetime(known["population_reference_date"]).dt.date,
        years=1,
        number=known["population"].astype(float),
        status="published",
    )


def _matrix(
    declared: Declarations,
    areas: pd.DataFrame,
    measures: list[Measure],
    place: dict[Measure, int],
    equations: list[Equation],
) -> tuple[sparse.csr_array, list[Remainder]]:
    """Trees of all measures but those whose publishers' own sums may differ, and all relations at every area."""
    node = {key: index for index, key in enumerate(areas[AREA].itertuples(index=False, name=None))}
    above = [node.get((row.geography, row.edition, row.parent_level, row.parent), -1) for row in areas.itertuples()]
    width = len(measures)
    rows: list[Any] = []
    cells: list[Any] = []
    signs: list[Any] = []
    summed = [
        index for index, (name, _, _) in enumerate(measures) if not name.startswith(REST) and _sums(declared, name)
    ]
    number = {parent: index for index, parent in enumerate(sorted({parent for parent in above if parent >= 0}))}
    for child, parent in enumerate(above):
        if parent >= 0:
            rows.append(number[parent] * width + np.array(summed, dtype=int))
            cells.append(child * width + np.array(summed, dtype=int))
            signs.append(np.ones(len(summed)))
    for parent, index in number.items():
        rows.append(index * width + np.array(summed, dtype=int))
        cells.append(parent * width + np.array(summed, dtype=int))
        signs.append(-np.ones(len(summed)))
    start = len(number) * width
    every = np.arange(len(areas))
    placed = np.flatnonzero(~areas["is_unallocated"].to_numpy(bool))
    for index, equation in enumerate(equations):
        # part and whole of a share may come from two sources, which need not agree on what no address places
        where = placed if any(name.startswith(SHARE_REST) for name, _, _ in equation) else every
        for measure, sign in equation.items():
            rows.append(start + index * len(areas) + where)
            cells.append(where * width + place[measure])
            signs.append(np.full(len(where), float(sign)))
    shape = (start + len(equations) * len(areas), len(areas) * width)
    matrix = (
        sparse.csr_array((np.concatenate(signs), (np.concatenate(rows), np.concatenate(cells))), shape=shape)
        if rows
        else sparse.csr_array(shape)
    )
    remainders = [
        Remainder(
            place[rest],
            next(place[measure] for measure, sign in equation.items() if sign == -1),
            tuple(place[measure] for measure, sign in equation.items() if sign == 1 and measure != rest),
        )
        for equation in equations
        for rest in equation
        if rest[0].startswith(REST)
    ]
    return matrix, remainders


def _sums(declared: Declarations, measure: str) -> bool:
    sources = declared.sources_of.get(measure, ())
    return not sources or any(declared.contracts[name].publication != "already_public" for name in sources)
