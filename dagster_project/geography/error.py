"""How far a converted figure may be off: how unevenly people of one kind live, fitted where the truth is known.

Reads and writes nothing.

Of x people in a source area not each falls on its own into the target area with weight w: like lives beside like. Where
the M people they are among were counted when the weights were, the variance of a piece is
x (1 - x/M) w (1-w) (1 + (M-1) ρ), ρ being the correlation within a source area; x = M leaves no error. Where M is not
known (cells of a census, addresses, plain area) it is that of a beta-binomial, x w (1-w) (1 + (x-1) ρ).
ρ is fitted by moments on measures whose true split is known: Σ [(y - x w)² - v] / Σ [v (size - 1)], v being the
variance for ρ = 0 and size M or x; of several measures the mean is taken, each at least 0.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from dagster_project.geography.weights import PAIR, Masses, choose

# where no truth is known: people of one kind at generated addresses, and how unevenly land is inhabited
UNKNOWN = 0.0035
UNKNOWN_OF_AREA = 0.25
NO_PAIRS = pd.DataFrame({"source": [], "target": []}, dtype="int64")


def overdispersion(moments: pd.DataFrame) -> float:
    """ρ out of rows with `numerator` and `denominator`, one per measure; NaN where none of them was ever split."""
    known = moments[moments["denominator"] > 0]
    return float((known["numerator"] / known["denominator"]).clip(0, 1).mean()) if len(known) else np.nan


def moments(basis: Masses, truths: Sequence[Masses], is_universe: bool) -> pd.DataFrame:
    """Numerator and denominator of ρ for weights of one basis, one row per measure of known truth: basis, truth, …

    `is_universe`: the mass of the basis is the M of the formula.
    """
    weights = choose([basis], NO_PAIRS)[[*PAIR, "weight"]]
    whole = _inside(basis).groupby("source")["mass"].sum()
    rows = []
    for truth in truths:
        pairs = _inside(truth)
        pieces = weights.merge(pairs, on=PAIR, how="outer").fillna({"weight": 0.0, "mass": 0.0})
        pieces = pieces[pieces["source"].isin(whole.index)]
        x = pieces["source"].map(pairs.groupby("source")["mass"].sum()).fillna(0.0)
        size = pieces["source"].map(whole) if is_universe else x
        others = (1 - x / size).clip(lower=0) if is_universe else 1.0
        variance = x * others * pieces["weight"] * (1 - pieces["weight"])
        squared = (pieces["mass"] - x * pieces["weight"]) ** 2
        rows.append(
            {
                "basis": basis.basis,
                "truth": truth.basis,
                "numerator": float((squared - variance).sum()),
                "denominator": float((variance * (size - 1).clip(lower=0)).sum()),
            }
        )
    return pd.DataFrame(rows, columns=["basis", "truth", "numerator", "denominator"])


def _inside(rung: Masses) -> pd.DataFrame:
    return rung.pairs[(rung.pairs["source"] >= 0) & (rung.pairs["target"] >= 0)]
