"""Generated small-area tables: a county of areas on four levels, shared denominators, rare and common numerators.

Reads and writes nothing: a seed gives the same tables again.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

INDICATORS = 28
DENOMINATORS = 10
SHAPES = {81: (8, 17), 600: (20, 120), 10_000: (120, 2000)}  # leaves: middle and lower level above them
LEVEL_WEIGHT = (1.0, 2.5, 6.0, 12.0)


@dataclass(frozen=True)
class County:
    """`parent` and `level` (0 finest) by node; counts are nodes by denominators or by indicators."""

    parent: npt.NDArray[np.int64]
    level: npt.NDArray[np.int64]
    denominator: npt.NDArray[np.int64]
    numerator: npt.NDArray[np.int64]
    shared: npt.NDArray[np.int64]  # which denominator each indicator has

    @property
    def bound(self) -> npt.NDArray[np.int64]:
        """The denominator of each numerator, nodes by indicators."""
        return self.denominator[:, self.shared]

    def cost(self) -> npt.NDArray[np.float64]:
        """What hiding a numerator costs: coarse levels and large counts are wanted most."""
        weight = np.array(LEVEL_WEIGHT)[self.level]
        return weight[:, None] * (1 + 0.02 * np.log1p(self.numerator))


def county(leaves: int, seed: int, shape: tuple[int, int] | None = None) -> County:
    """A county of `leaves` finest areas."""
    random = np.random.default_rng(seed)
    middle, lower = shape or SHAPES[leaves]
    counts = (leaves, lower, middle, 1)
    starts = np.cumsum((0, *counts))
    parent = np.full(starts[-1], -1)
    for level in range(3):
        below, above = counts[level], counts[level + 1]
        # every upper area has at least one part, the rest fall where they like
        weights = random.dirichlet(np.full(above, 3.0))
        owner = np.concatenate([np.arange(above), random.choice(above, below - above, p=weights)])
        parent[starts[level] : starts[level + 1]] = starts[level + 1] + np.sort(owner)
    level = np.repeat(np.arange(4), counts)

    people = np.exp(random.normal(7.3, 0.9, leaves)).astype(np.int64) + 20
    shares = np.array([1.0, 0.62, 0.5, 0.22, 0.17, 0.14, 0.08, 0.05, 0.03, 0.026])
    leaf_denominator = np.empty((leaves, DENOMINATORS), np.int64)
    leaf_denominator[:, 0] = people
    for column in range(1, DENOMINATORS):
        local = np.clip(shares[column] * random.lognormal(0, 0.25, leaves), 0.001, 0.95)
        leaf_denominator[:, column] = random.binomial(people, local)
    shared = np.concatenate([np.arange(DENOMINATORS), random.integers(0, DENOMINATORS, INDICATORS - DENOMINATORS)])
    rates = np.exp(random.uniform(np.log(0.004), np.log(0.45), INDICATORS))
    leaf_numerator = np.empty((leaves, INDICATORS), np.int64)
    for column, rate in enumerate(rates):
        local = np.clip(rate * random.lognormal(0, 0.5, leaves), 0.0, 0.97)
        leaf_numerator[:, column] = random.binomial(leaf_denominator[:, shared[column]], local)
    return County(parent, level, _summed(leaf_denominator, parent), _summed(leaf_numerator, parent), shared)


def _summed(leaves: npt.NDArray[np.int64], parent: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    total = np.zeros((len(parent), leaves.shape[1]), np.int64)
    total[: len(leaves)] = leaves
    for node, above in enumerate(parent):  # children stand before their parents
        if above >= 0:
            total[above] += total[node]
    return total
