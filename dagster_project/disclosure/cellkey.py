"""The cell-key method: counts with a small fixed noise, the same wherever the same records are counted.

Reads and writes nothing: arrays in, arrays out.

A perturbation table says for every count with which probability it moves by how much. Its rows are the distributions of
largest entropy with mean 0 and a given variance, whose outcomes are never negative and never between 1 and a smallest
positive count (Giessing 2016; Enderle, Giessing and Tent 2018). The noise of a cell is drawn by its key, the
fractional part of the sum of its records' keys. Perturbed counts do not add up; whoever needs a total asks for it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt
from scipy import optimize, special

Integers = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

POLISHED = 3  # Newton steps after the search


@dataclass(frozen=True)
class PerturbationTable:
    """`probability[i, d]` of moving a count i by `moves[d]`; counts beyond the last row move like it."""

    moves: Integers
    probability: Floats

    def perturbed(self, counts: Integers, keys: Floats) -> Integers:
        """Counts with their noise; `keys` lie in [0, 1). A count of 0 stays 0."""
        row = np.minimum(counts, len(self.probability) - 1)
        cumulated = self.probability.cumsum(axis=1)
        drawn = (keys[..., None] >= cumulated[row] - 1e-12).sum(axis=-1)
        result: Integers = counts + self.moves[np.minimum(drawn, len(self.moves) - 1)]
        return result


@cache
def perturbation_table(largest_move: int, variance: float, never_up_to: int = 0) -> PerturbationTable:
    """The table of largest entropy. Raises `ValueError` where no distribution meets mean and variance.

    Rows are counts 0 to `largest_move` + `never_up_to` + 1: from there on the noise is the same.
    """
    moves = np.arange(-largest_move, largest_move + 1)
    rows = [np.where(moves == 0, 1.0, 0.0)]
    for count in range(1, largest_move + never_up_to + 2):
        outcome = count + moves
        allowed = (outcome >= 0) & ~((outcome >= 1) & (outcome <= never_up_to))
        rows.append(_largest_entropy(count, moves, allowed, variance))
    return PerturbationTable(moves, np.array(rows))


def _largest_entropy(count: int, moves: Integers, allowed: npt.NDArray[np.bool_], variance: float) -> Floats:
    """p(v) proportional to exp(a v + b v²) over the allowed moves; a and b from mean 0 and the variance."""
    moved = moves[allowed].astype(float)
    if not (moved.min() < 0 < moved.max()) or not (moved**2).max() > variance:
        raise ValueError(f"count {count}: no noise up to {moves.max()} has mean 0 and variance {variance}")

    # the log-partition function less the wanted moments is convex, and smallest where the moments are met
    scale = np.sqrt(variance)
    traits, wanted = np.stack([moved / scale, (moved / scale) ** 2]), np.array([0.0, 1.0])

    def weights(parameters: Floats) -> Floats:
        exponent = parameters @ traits
        raw = np.exp(exponent - exponent.max())
        share: Floats = raw / raw.sum()
        return share

    def spread(parameters: Floats) -> Floats:
        share = weights(parameters)
        centred = traits - (traits @ share)[:, None]
        found: Floats = (centred * share) @ centred.T
        return found

    found = optimize.minimize(
        lambda parameters: float(special.logsumexp(parameters @ traits) - parameters @ wanted),
        x0=np.array([0.0, -0.5]),
        jac=lambda parameters: traits @ weights(parameters) - wanted,
        hess=spread,
        method="trust-exact",
        options={"gtol": 1e-12, "maxiter": 1000},
    ).x
    for _ in range(POLISHED):  # the last digits, which the trust region leaves
        found = found - np.linalg.lstsq(spread(found), traits @ weights(found) - wanted, rcond=None)[0]
    share = weights(found)
    if not np.abs(np.array([moved, moved**2]) @ share - np.array([0.0, variance])).max() < 1e-9:
        raise ValueError(f"count {count}: no noise up to {moves.max()} has mean 0 and variance {variance}")
    probability: Floats = np.zeros(len(moves))
    probability[allowed] = share
    return probability


def cell_keys(record_keys: Floats, cell: Integers, cells: int) -> Floats:
    """Keys of cells: the fractional part of the sum of their records' keys; `cell` is each record's cell."""
    total = np.bincount(cell, weights=record_keys, minlength=cells)
    return np.asarray(total % 1.0, np.float64)
