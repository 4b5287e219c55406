"""Weights: which share of a source area's people live in which target area.

Reads and writes nothing. All positions are those of areas in their layers; -1 is no area.

For a source area i and a target area j, w(i,j) = m(i,j) / Σ m(i,k), m being the mass of the support points that lie in
both: NHGIS and others call it target-density weighting. Mass is preserved by construction: the weights of a source
area sum up to 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

Integers = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

PAIR = ["source", "target"]


@dataclass(frozen=True)
class Masses:
    """One rung of a ladder: how much of its mass lies in which source and which target; -1 is outside."""

    basis: str
    pairs: pd.DataFrame  # source, target, mass

    @classmethod
    def of(cls, basis: str, source: Integers, target: Integers, mass: Any) -> Masses:
        """The masses of points, given the areas each lies in."""
        points = pd.DataFrame({"source": source, "target": target, "mass": mass})
        points = points[points["mass"] > 0]
        return cls(basis, points.groupby(PAIR, sort=True)["mass"].sum().reset_index())

    def lifted(self, above: Integers) -> Masses:
        """The same with the targets on a level above; `above` holds the position of the area each is part of."""
        target = self.pairs["target"].to_numpy()
        pairs = self.pairs.assign(target=np.where(target >= 0, above[target], -1))
        return Masses(self.basis, pairs.groupby(PAIR, sort=True)["mass"].sum().reset_index())


def choose(ladder: Sequence[Masses], touching: pd.DataFrame) -> pd.DataFrame:
    """For each source area the weights on the first rung of the ladder where it has any mass.

    `touching` (source, target) are all pairs that have ground in common: they bound what can be true, so pairs without
    mass stay with weight 0. Returns source, target, weight, basis, source_mass (on that rung), is_whole (all its ground
    lies in one target).
    """
    found = []
    served: set[int] = set()
    for rung in ladder:
        inside = rung.pairs[(rung.pairs["source"] >= 0) & (rung.pairs["target"] >= 0)]
        chosen = inside[~inside["source"].isin(served)]
        served |= set(chosen["source"])
        total = chosen.groupby("source")["mass"].transform("sum")
        found.append(chosen.assign(weight=chosen["mass"] / total, basis=rung.basis, source_mass=total))
    weights = pd.concat(found, ignore_index=True)
    of_source = weights.drop_duplicates("source")[["source", "basis", "source_mass"]]
    pairs = pd.concat([weights[PAIR], touching[PAIR]]).drop_duplicates()
    pairs = pairs.merge(weights[[*PAIR, "weight"]], on=PAIR, how="left").fillna({"weight": 0.0})
    pairs = pairs.merge(of_source, on="source")
    return _with_whole(pairs).sort_values(PAIR, ignore_index=True)


def coarser(weights: pd.DataFrame, above: Integers) -> pd.DataFrame:
    """The weights on a level above: `above` holds for each target the position of the area it is part of."""
    lifted = weights.assign(target=above[weights["target"].to_numpy()])
    kept = [*PAIR, "basis", "source_mass"]
    summed = lifted.groupby(kept, sort=True)["weight"].sum().reset_index()
    summed["weight"] = summed["weight"].clip(upper=1.0)
    return _with_whole(summed)


def coverage(ladder: Sequence[Masses], targets: int) -> tuple[pd.DataFrame, pd.Series]:
    """Which share of a target area's people each source holds, and which share all of them.

    Of the first rung of the ladder on which the target has any mass; NaN where it has none on any.
    Returns source, target, share; and the share covered by position of the target.
    """
    shares, served = [], np.zeros(targets, dtype=bool)
    covered = pd.Series(np.nan, index=range(targets))
    for rung in ladder:
        pairs = rung.pairs[rung.pairs["target"] >= 0]
        pairs = pairs[~served[pairs["target"].to_numpy()]]
        if pairs.empty:
            continue
        total = pairs.groupby("target")["mass"].transform("sum")
        pairs = pairs.assign(share=pairs["mass"] / total)
        held = pairs[pairs["source"] >= 0]
        shares.append(held[[*PAIR, "share"]])
        here = pairs["target"].unique()
        covered.loc[here] = held.groupby("target")["share"].sum().reindex(here, fill_value=0.0)
        served[here] = True
    columns = [*PAIR, "share"]
    return (pd.concat(shares, ignore_index=True) if shares else pd.DataFrame(columns=columns)), covered


def round_trip_error(ladder: Sequence[Masses]) -> float:
    """Which share of the mass ends in another source area after the way there and back, by the same masses.

    Of the first rung that has any. It measures how much detail the target areas lose, not how wrong a value is.
    """
    for rung in ladder:
        pairs = rung.pairs[(rung.pairs["source"] >= 0) & (rung.pairs["target"] >= 0)]
        if len(pairs):
            at_target = pairs.groupby("target")["mass"].sum()
            back = pairs.assign(share=pairs["mass"] / pairs["target"].map(at_target))
            # what came into a target goes back by its shares: home is where a person came from
            home = (back["mass"] * back["share"]).groupby(back["source"]).sum().sum()
            return float(1 - home / pairs["mass"].sum())
    return 0.0


def _with_whole(pairs: pd.DataFrame) -> pd.DataFrame:
    return pairs.assign(is_whole=pairs.groupby("source")["target"].transform("count") == 1)
