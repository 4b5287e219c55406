"""Which numbers are sensitive, and what must stay possible for each: pure functions of counts and declared rules.

Reads and writes nothing.

A count between zero and its threshold is sensitive. What an attacker may learn of it is an interval that still
contains the smallest value the zero policy allows and the threshold itself, clipped at what everybody knows: neither
"fewer than the threshold" nor "at least one" can be proved.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Integers = npt.NDArray[np.int64]
Booleans = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Margin:
    """Arrays of one shape: whether a cell is sensitive, and how far it must be able to rise and to fall."""

    sensitive: Booleans
    rise: Integers
    fall: Integers

    def with_(self, other: Margin) -> Margin:
        """Both margins at once."""
        return Margin(
            self.sensitive | other.sensitive, np.maximum(self.rise, other.rise), np.maximum(self.fall, other.fall)
        )


def small(value: Integers, threshold: Integers | int, floor: Integers | int = 0) -> Margin:
    """Counts above zero and below their threshold. `floor` is 1 where zeros are always printed, else 0."""
    sensitive = (value > 0) & (value < threshold)
    rise = np.where(sensitive, threshold - value, 0)
    fall = np.where(sensitive, value - floor, 0)
    return Margin(sensitive, rise.astype(np.int64), fall.astype(np.int64))


def remainder(value: Integers, whole: Integers, threshold: Integers | int) -> Margin:
    """What a small remainder (whole less value) asks of the value: the remainder rises where the value falls."""
    rest = small(whole - value, threshold)
    return Margin(rest.sensitive, rest.fall, np.minimum(rest.rise, value))


def clipped(margin: Margin, value: Integers, lower: Integers, upper: Integers) -> Margin:
    """A margin within what everybody knows of the value."""
    return Margin(margin.sensitive, np.minimum(margin.rise, upper - value), np.minimum(margin.fall, value - lower))


@dataclass(frozen=True)
class Dominance:
    """Protection of value sums against contributors who know their own share: the (n, k) rule or the p % rule.

    `contributors` largest ones may make up at most `percent` % of the total (n, k); with `prior` the total less the two
    largest must be at least `prior` % of the largest (p %). Formulas: Handbook on Statistical Disclosure Control,
    chapter on magnitude tables.
    """

    contributors: int | None = None
    percent: float | None = None
    prior: float | None = None

    def violated(self, total: Floats, largest: Floats) -> Booleans:
        """`largest` holds the contributions in descending order along its last axis (at least two)."""
        found = np.zeros(np.shape(total), bool)
        if self.contributors is not None and self.percent is not None:
            found |= largest[..., : self.contributors].sum(axis=-1) > self.percent / 100 * total
        if self.prior is not None:
            found |= total - largest[..., 0] - largest[..., 1] < self.prior / 100 * largest[..., 0]
        return found

    def rise(self, total: Floats, largest: Floats) -> Floats:
        """How far above the total it must stay possible (upper protection level), 0 where the rule holds."""
        need = np.zeros(np.shape(total))
        if self.contributors is not None and self.percent is not None:
            need = np.maximum(need, 100 / self.percent * largest[..., : self.contributors].sum(axis=-1) - total)
        if self.prior is not None:
            need = np.maximum(need, self.prior / 100 * largest[..., 0] - (total - largest[..., 0] - largest[..., 1]))
        return need
