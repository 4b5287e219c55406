"""Sparklines: a series as small as a word, interrupted like every other line.

Reads numbers, writes nothing. Coordinates are units of the view box.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from dagster_project.reports import series
from dagster_project.reports.errors import PageError
from dagster_project.reports.series import Break

WIDTH, HEIGHT, _EDGE = 66, 20, 3


@dataclass(frozen=True)
class Moment:
    """One value of a series; null where it is hidden or missing."""

    period: str
    day: date
    value: float | None


def read_moments(listed: Iterable[Mapping[str, Any]] | None) -> list[Moment]:
    """The series of a query's column: a list of structs of period, day and value in the order of their days."""
    try:
        return [Moment(item["period"], item["day"], item["value"]) for item in listed or ()]
    except (TypeError, KeyError):
        raise PageError("a series is a list of structs with period, day and value") from None


def draw(moments: Sequence[Moment], breaks: Sequence[Break]) -> dict[str, Any] | None:
    """Lines, lone points and the last value's point; None with fewer than two values."""
    known = [moment.value for moment in moments if moment.value is not None]
    if len(known) < 2:
        return None
    low, high = min(known), max(known)
    first, last = moments[0].day.toordinal(), moments[-1].day.toordinal()
    reach = (last - first) or 1

    def place(moment: Moment) -> tuple[float, float]:
        x = _EDGE + (WIDTH - 2 * _EDGE) * (moment.day.toordinal() - first) / reach
        share = 0.5 if high == low or moment.value is None else (moment.value - low) / (high - low)
        return round(x, 1), round(HEIGHT - _EDGE - (HEIGHT - 2 * _EDGE) * share, 1)

    drawn = [[place(moments[at]) for at in stretch] for stretch in series.stretches(moments, breaks)]
    return {
        "width": WIDTH,
        "height": HEIGHT,
        "lines": [" ".join(f"{x:g},{y:g}" for x, y in part) for part in drawn if len(part) > 1],
        "lone": [part[0] for part in drawn if len(part) == 1],
        "last": place(moments[-1]) if moments[-1].value is not None else None,
    }
