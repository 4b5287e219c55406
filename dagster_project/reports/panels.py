"""Small multiples: time lines as small as a stamp, as numbers for an SVG template.

Reads points, writes nothing. Coordinates are units of the view box. Drawn here and not by Vega-Lite, which takes ten
milliseconds and a kilobyte for each, and pages have dozens of them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from dagster_project.reports import charts
from dagster_project.reports.series import Break
from dagster_project.reports.wording import format_number

WIDTH, HEIGHT, _TOP, _BOTTOM, _RIGHT = 240, 126, 8, 22, 12
_LETTER = 6.4  # width of a digit at the size of the labels
_INTERVALS = 3


@dataclass(frozen=True)
class Axis:
    """An upward axis from ``low`` to ``high`` with its marks, a number and its text each."""

    low: float
    high: float
    marks: Sequence[tuple[float, str]]


def axis(values: Sequence[float]) -> Axis:
    """An axis from zero, or from below where a value is negative, with two to five marks at round numbers."""
    low, high = min(0.0, *values), max(0.0, *values)
    span = max(high - low, 0.01)  # below that a mark could not be written
    magnitude = 10.0 ** math.floor(math.log10(span / _INTERVALS))
    step = next(part * magnitude for part in (1, 2, 2.5, 5, 10) if span / (part * magnitude) <= _INTERVALS + 1e-9)
    first, last = math.floor(low / step + 1e-9), max(math.ceil(high / step - 1e-9), 1)
    marks = [round(step * place, 12) for place in range(first, last + 1)]
    return Axis(marks[0], marks[-1], [(mark, format_number(mark)) for mark in marks])


def draw(points: Sequence[charts.Point], breaks: Sequence[Break], upward: Axis) -> dict[str, Any]:
    """Marks, bands, stretches, points with their texts, breaks, and the first and the last year of one series."""
    rows = charts.stretches(points, breaks)
    left = 13 + _LETTER * max(len(text) for _, text in upward.marks)
    days = [charts.days(point.day) for point in points]
    reach = (max(days) - min(days)) or 1
    across, high = WIDTH - left - _RIGHT, HEIGHT - _TOP - _BOTTOM

    def x(day: float) -> float:
        return round(left + across * ((day - min(days)) / reach if len(set(days)) > 1 else 0.5), 1)

    def y(value: float) -> float:
        place = (min(max(value, upward.low), upward.high) - upward.low) / (upward.high - upward.low)
        return round(_TOP + high * (1 - place), 1)

    lines: dict[int, list[dict[str, Any]]] = {}
    for row in rows:
        lines.setdefault(row["part"], []).append(row)
    years = sorted({point.day.year for point in points})
    return {
        "width": WIDTH, "height": HEIGHT, "left": round(left, 1), "right": WIDTH - _RIGHT, "top": _TOP,
        "bottom": HEIGHT - _BOTTOM,
        "marks": [(y(mark), text) for mark, text in upward.marks],
        "bands": [
            " ".join([f"{x(row['x']):g},{y(row['high']):g}" for row in known]
                     + [f"{x(row['x']):g},{y(row['low']):g}" for row in known[::-1]])
            for part in lines.values()
            if len(known := [row for row in part if row["low"] is not None and row["high"] is not None]) > 1
        ],
        "lines": [
            " ".join(f"{x(row['x']):g},{y(row['y']):g}" for row in part) for part in lines.values() if len(part) > 1
        ],
        "points": [(x(row["x"]), y(row["y"]), row["text"]) for row in rows],
        "breaks": [x(place) for _, place in charts.break_places(points, breaks)],
        "years": [(x(min(days)), years[0], "start"), (x(max(days)), years[-1], "end")] if len(years) > 1
                 else [(x(days[0]), years[0], "middle")],
    }  # fmt: skip
