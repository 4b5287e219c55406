"""Two editions of the same people: what the difference of their areas tells of those who live in between.

Reads and writes nothing. Knows nothing of how numbers came to be hidden.

Where the same count of the same day was printed on two editions, each area is the sum of its atoms: the overlaps of the
areas of one edition with those of the other. What everybody can compute of an atom must not prove that it is a small
number above zero, whatever its true number is. Counts that were carried over are computed from printed ones and tell
nothing more.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

import numpy as np
import numpy.typing as npt
import pandas as pd
import shapely
from scipy import sparse

from dagster_project.disclosure_audit.intervals import feasible
from dagster_project.disclosure_audit.memory import MEASURE
from dagster_project.disclosure_audit.published import AREA

Integers = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

SLIVER = 0.001  # an overlap smaller than this part of both areas is a drawing error, and nobody lives there


def strips(printed: pd.DataFrame, areas: pd.DataFrame, thresholds: dict[str, int]) -> list[str]:
    """Where the difference of two editions proves a small number. `areas` are those of all editions, with geometry."""
    found: list[str] = []
    areas = areas[areas["is_published"].to_numpy(bool)]
    printed = printed[printed["measure"].map(thresholds).fillna(0) > 0].merge(areas[AREA], on=AREA)
    for geography, own in printed.groupby("geography", sort=True):
        for older, newer in combinations(sorted(own["edition"].unique()), 2):
            both = own[own["edition"].isin([older, newer])]
            measures = both.drop_duplicates([*MEASURE, "edition"]).groupby(MEASURE, sort=True).size()
            shared = measures[measures == 2].index
            if len(shared):
                pair = _Pair(areas[areas["geography"] == geography], str(older), str(newer))
                for measure, day, years in shared:
                    here = both[(both["measure"] == measure) & (both["day"] == day) & (both["years"] == years)]
                    for text in pair.proved(here, thresholds[measure]):
                        found.append(f"{text}, {measure} am {day:%d.%m.%Y}")
    return found


class _Pair:
    """Two editions of a geography: their areas, and the atoms of the finest levels as equations."""

    def __init__(self, areas: pd.DataFrame, older: str, newer: str) -> None:
        own = areas[areas["edition"].isin([older, newer])].reset_index(drop=True)
        self.areas = own
        self.node = {key: index for index, key in enumerate(own[AREA].itertuples(index=False, name=None))}
        self.atoms = list(_overlaps(own, older, newer))
        rows, cells, signs = [], [], []
        parents: dict[int, list[int]] = {}
        for child, row in enumerate(own.itertuples()):
            above = self.node.get((row.geography, row.edition, row.parent_level, row.parent), -1)
            parents.setdefault(above, []).append(child)
        sums = {above: kids for above, kids in parents.items() if above >= 0}
        for place, pair in enumerate(self.atoms):
            for node in pair:
                sums.setdefault(node, []).append(len(own) + place)
        for number, (whole, parts) in enumerate(sorted(sums.items())):
            rows += [number] * (len(parts) + 1)
            cells += [whole, *parts]
            signs += [-1.0, *[1.0] * len(parts)]
        self.matrix = sparse.csr_array((signs, (rows, cells)), shape=(len(sums), len(own) + len(self.atoms)))

    def proved(self, printed: pd.DataFrame, threshold: int) -> Iterator[str]:
        """Atoms that must hold somebody and fewer people than the threshold."""
        number = np.full(self.matrix.shape[1], np.nan)
        for row in printed.itertuples():
            number[self.node[row.geography, row.edition, row.level, row.area]] = row.number
        wanted = np.arange(len(number)) >= len(self.areas)
        known = feasible(
            self.matrix, np.zeros(self.matrix.shape[0]), number, np.zeros(len(number)), np.full(len(number), np.inf),
            wanted, (np.zeros(len(number)), np.full(len(number), float(threshold))),
        )  # fmt: skip
        if known.impossible:  # figures were corrected in between, or people count on one edition alone
            return
        low, high = known.low[wanted], known.high[wanted]
        for place in np.flatnonzero((high > 0.5) & (high < threshold - 0.5)):
            one, other = (self.areas.loc[node] for node in self.atoms[place])
            yield (
                f"Teil von {one['level']} {one['area']} ({one['edition']}), der in {other['area']} ({other['edition']})"
                f" liegt: zwischen {low[place]:.0f} und {high[place]:.0f}"
            )


def _overlaps(areas: pd.DataFrame, older: str, newer: str) -> Iterator[tuple[int, int]]:
    """Pairs of areas of the finest levels that share more than a sliver, and areas of no address with each other."""
    finest = areas[areas["level_rank"] == areas["level_rank"].min()]
    drawn = finest[finest["geometry"].notna()]  # what no address places lies nowhere
    sides = [drawn[drawn["edition"] == edition] for edition in (older, newer)]
    shapes = [shapely.from_wkt(side["geometry"].to_numpy()) for side in sides]
    tree = shapely.STRtree(shapes[1])
    for one, other in zip(*tree.query(shapes[0], predicate="intersects"), strict=True):
        shared = shapely.area(shapely.intersection(shapes[0][one], shapes[1][other]))
        if shared > SLIVER * min(shapely.area(shapes[0][one]), shapely.area(shapes[1][other])):
            yield int(sides[0].index[one]), int(sides[1].index[other])
    unplaced = finest[finest["is_unallocated"].to_numpy(bool)]
    nowhere = [unplaced[unplaced["edition"] == edition] for edition in (older, newer)]
    for one in nowhere[0].itertuples():
        for other in nowhere[1].itertuples():
            if one.municipality == other.municipality:
                yield int(one.Index), int(other.Index)
