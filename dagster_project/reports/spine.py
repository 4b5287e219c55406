"""The spine: where one area's value stands between those of all areas of its level, as numbers for an SVG template.

Reads measures, writes nothing. Coordinates are units of the view box. The layout follows the area profiles of
English public health: the value compared with stands in the middle, and the longer side reaches the edge.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from dagster_project.reports.maps import quantile_breaks

WIDTH, HEIGHT, _EDGE = 200, 22, 7
GROUPS = 5


@dataclass(frozen=True)
class Spread:
    """The values of all areas of a level: lowest, highest, the middle half, and the borders of the five groups."""

    low: float
    high: float
    lower_quartile: float
    upper_quartile: float
    median: float
    borders: tuple[float, ...]

    def group(self, value: float) -> int:
        """1 for the lowest fifth of the areas to 5 for the highest."""
        return bisect_left(self.borders, value) + 1


def read_spread(values: Sequence[float]) -> Spread:
    """The spread of at least one value; quartiles are values that occur."""
    ordered = sorted(values)

    def quantile(part: float) -> float:
        return ordered[math.ceil(len(ordered) * part) - 1]

    return Spread(
        ordered[0], ordered[-1], quantile(0.25), quantile(0.75), quantile(0.5), tuple(quantile_breaks(ordered))
    )


def tone(direction: str | None, significance: str | None) -> str:
    """How the difference to the value compared with is shown; it is never called good or bad without a direction."""
    if significance not in ("above", "below"):
        return "similar" if significance == "similar" else "plain"
    if direction not in ("burden", "favourable"):
        return "higher" if significance == "above" else "lower"
    return "unfavourable" if (direction == "burden") == (significance == "above") else "favourable"


def draw(spread: Spread, middle: float | None, value: float | None, low: float | None, high: float | None) -> Any:
    """Places of the range, the middle half, the value and its interval.

    ``middle`` is the value compared with; without one the median stands in its place and is drawn dotted.
    """
    centre = spread.median if middle is None else middle
    reach = max(abs(spread.high - centre), abs(centre - spread.low), 1e-9)

    def x(number: float) -> float:
        place = WIDTH / 2 + (number - centre) / reach * (WIDTH / 2 - _EDGE)
        return round(min(WIDTH - 2.0, max(2.0, place)), 1)

    return {
        "width": WIDTH,
        "height": HEIGHT,
        "range": (x(spread.low), round(x(spread.high) - x(spread.low), 1)),
        "half": (x(spread.lower_quartile), round(max(1.0, x(spread.upper_quartile) - x(spread.lower_quartile)), 1)),
        "centre": WIDTH / 2,
        "compared": middle is not None,
        "value": None if value is None else x(value),
        "interval": None if low is None or high is None or value is None else (x(low), x(high)),
    }
