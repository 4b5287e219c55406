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
from scipy import optimize

Integers = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


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

    def weights(parameters: Floats) -> Floats:
        exponent = parameters[0] * moved + parameters[1] * moved**2
        raw = np.exp(exponent - exponent.max())
        share: Floats = raw / raw.sum()
        return share

    def misses(parameters: Floats) -> list[float]:
        p = weights(parameters)
        return [float(p @ moved), float(p @ moved**2) - variance]

    for start in ([0.0, -0.5 / variance], [0.0, 0.0], [0.3, 0.05], [-0.3, 0.05]):
        found = optimize.root(misses, start, method="hybr", tol=1e-13)
        if found.success and max(abs(miss) for miss in misses(found.x)) < 1e-9:
            probability: Floats = np.zeros(len(moves))
            probability[allowed] = weights(found.x)
            return probability
    raise ValueError(f"count {count}: no noise up to {moves.max()} has mean 0 and variance {variance}")


def cell_keys(record_keys: Floats, cell: Integers, cells: int) -> Floats:
    """Keys of cells: the fractional part of the sum of their records' keys; `cell` is each record's cell."""
    total = np.bincount(cell, weights=record_keys, minlength=cells)
    return np.asarray(total % 1.0, np.float64)
