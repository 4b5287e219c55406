"""A small made-up county for tests of the disclosure stage: few areas, a few hundred people, some measures over years.

Reads and writes nothing: a seed gives the same counts again.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

import numpy as np
import pandas as pd
from release_sequence import AREA, World

from dagster_project.declarations import Declarations

MUNICIPALITIES, AREAS = 2, 4
POOLED = ("share_obesity", "share_language_abnormal", "share_checkups_complete")
AGES = ("population", "share_under_18", "youth_ratio_20_64", "share_65_plus")
# what each innermost group counts for: children examined, and residents by age
CHILDREN = {
    "examined": (1, 1, 1, 1, 1), "examined_obesity": (1, 0, 1, 0, 0), "examined_language_abnormal": (0, 1, 1, 0, 0),
    "examined_booklet": (1, 1, 1, 1, 0), "examined_checks_complete": (0, 1, 1, 1, 0),
}  # fmt: skip
CHILD_WEIGHTS = (0.02, 0.06, 0.02, 0.8, 0.1)
RESIDENTS = {
    "population": (1, 1, 1, 1, 1), "population_under_18": (1, 1, 0, 0, 0), "population_under_20": (1, 1, 1, 0, 0),
    "population_20_to_64": (0, 0, 0, 1, 0), "population_18_to_64": (0, 0, 1, 1, 0),
    "population_65_plus": (0, 0, 0, 0, 1), "population_under_15": (1, 0, 0, 0, 0),
    "population_15_to_64": (0, 1, 1, 1, 0),
}  # fmt: skip
RESIDENT_WEIGHTS = (0.15, 0.02, 0.02, 0.6, 0.21)


def chosen(declared: Declarations, *indicators: str) -> Declarations:
    """A region that reports on these indicators only."""
    return replace(declared, region=declared.region.model_copy(update={"indicators": tuple(indicators)}))


def areas_of(declared: Declarations) -> pd.DataFrame:
    """Two municipalities of four areas each, and the county."""
    geography, edition = declared.region.geography, declared.region.reporting_edition
    fine, middle, whole = (level.id for level in declared.geography.levels[1:])
    names = [item.id for item in declared.region.municipalities[:MUNICIPALITIES]]
    rows: list[tuple[Any, ...]] = [
        (fine, 1, f"{name[-2:]}{number:02d}", middle, name, name) for name in names for number in range(AREAS)
    ]
    rows += [(middle, 2, name, whole, "county", name) for name in names] + [(whole, 3, "county", None, None, None)]
    frame = pd.DataFrame(rows, columns=["level", "level_rank", "area", "parent_level", "parent", "municipality"])
    return frame.assign(
        geography=geography, edition=edition, is_published=True, is_unallocated=False, geometry=None
    )  # fmt: skip


def county(declared: Declarations, seed: int, years: range, per_area: float = 12.0) -> World:
    """Counts of children and of residents in every year; each child is examined once, residents hardly change."""
    random = np.random.default_rng(seed)
    areas = areas_of(declared)
    leaves = areas[areas["level_rank"] == 1]
    size = random.gamma(1.2, per_area, len(leaves))
    frames = []
    for year in years:
        children = np.array([random.multinomial(random.poisson(mean), CHILD_WEIGHTS) for mean in size])
        residents = np.array([random.multinomial(60 + int(8 * mean), RESIDENT_WEIGHTS) for mean in size])
        for groups, measures in ((children, CHILDREN), (residents, RESIDENTS)):
            for measure, weights in measures.items():
                frames.append(_with_sums(areas, groups @ np.array(weights), measure, date(year, 12, 31)))
    cells = pd.concat(frames, ignore_index=True).assign(status="reported", reason=None)
    return World(
        {
            "core_disclosure_cell": cells,
            "core_disclosure_conversion": _nothing("period", "measure", "value", "source_geography", "source_edition",
                                                   "source_level", "source_area"),
            "core_disclosure_atom": _nothing("reporting_area", "measure", "value"),
            "core_largest_contribution": _nothing("measure", "largest", "second_largest"),
        },
        areas,
    )  # fmt: skip


def _with_sums(areas: pd.DataFrame, values: np.ndarray, measure: str, day: date) -> pd.DataFrame:
    """The counts of areas, of the municipalities and of the county."""
    total = dict(zip(areas.loc[areas["level_rank"] == 1, "area"], values.tolist(), strict=True))
    for row in areas.to_dict("records"):  # finer areas stand first
        if row["parent"] is not None:
            total[row["parent"]] = total.get(row["parent"], 0) + total[row["area"]]
    return areas[AREA].assign(
        period=day.isoformat(),
        reference_date=day,
        measure=measure,
        value=[float(total[area]) for area in areas["area"]],
    )


def _nothing(*names: str) -> pd.DataFrame:
    columns = [*AREA, "reference_date", *names]
    frame = pd.DataFrame({name: pd.Series(dtype="object") for name in columns})
    numbers = {name: "float64" for name in ("value", "largest", "second_largest") if name in frame}
    return frame.astype({"reference_date": "datetime64[ns]", **numbers})
