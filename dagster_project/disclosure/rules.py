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

from dagster_project.declarations.disclosure import Dominance

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


def few_contributors(value: Integers, contributors: Integers, threshold: int, floor: Integers | int = 0) -> Margin:
    """Sums of values of so few that their count is sensitive: such a sum may be nothing, or twice as much."""
    sensitive = (contributors > 0) & (contributors < threshold) & (value > floor)
    rise = np.where(sensitive, value, 0)
    return Margin(sensitive, rise.astype(np.int64), np.where(sensitive, value - floor, 0).astype(np.int64))


def dominated(value: Integers, largest: Floats, rule: Dominance) -> Margin:
    """Sums of which one contributor could be read off; `largest`: their two largest contributions, the largest first.

    A sum must be able to rise by its upper protection level and to fall as far. Formulas: Handbook on Statistical
    Disclosure Control, chapter on magnitude tables, (n, k) rule and p % rule.
    """
    need = np.zeros(value.shape)
    if rule.contributors is not None and rule.percent is not None:
        need = np.maximum(need, 100 / rule.percent * largest[..., : rule.contributors].sum(axis=-1) - value)
    if rule.prior is not None:
        need = np.maximum(need, rule.prior / 100 * largest[..., 0] - (value - largest[..., 0] - largest[..., 1]))
    way = np.ceil(need - 1e-9).astype(np.int64)
    return Margin(way > 0, way, np.minimum(way, value))
