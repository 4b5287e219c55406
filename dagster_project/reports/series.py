"""What interrupts a series: the one rule for all that draws a line or says how a value changed.

Reads periods, days and values; writes nothing. A series is interrupted by a declared break, by a value that is hidden
or missing, and by a year that is not there at all. `dbt/models/marts/mart_trend.sql` follows the same rule.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import pairwise
from typing import Protocol

_LONGER_THAN_USUAL = 1.5  # times the usual distance: a value is missing in between


class Moment(Protocol):
    """A place in a series; the value is null where it is hidden or missing."""

    @property
    def period(self) -> str:
        """ISO 8601."""

    @property
    def day(self) -> date:
        """The day the value speaks of."""

    @property
    def value(self) -> float | None:
        """The value."""


@dataclass(frozen=True)
class Break:
    """From the periods of this year on, values cannot be compared with earlier ones."""

    year: int
    reason: str


Breaks = Mapping[str, Sequence[Break]]


def period_year(period: str) -> int:
    """The year a period lies or begins in: declared breaks count by it, not by the day of the denominator."""
    return int(period[:4])


def is_broken(before: str, after: str, breaks: Iterable[Break]) -> bool:
    """Whether a declared break lies between two periods."""
    return any(period_year(before) < item.year <= period_year(after) for item in breaks)


def parts(series: Sequence[Moment], breaks: Iterable[Break]) -> list[int | None]:
    """For each moment, in the order of their days, the number of its unbroken stretch; null where there is no value."""
    declared = list(breaks)
    longest = _usual_distance([moment.day for moment in series])
    numbers: list[int | None] = []
    number, before = 0, None
    for moment in series:
        interrupted = before is not None and (
            before.value is None
            or is_broken(before.period, moment.period, declared)
            or (longest is not None and _months(before.day, moment.day) > _LONGER_THAN_USUAL * longest)
        )
        number += interrupted
        numbers.append(None if moment.value is None else number)
        before = moment
    return numbers


def stretches(series: Sequence[Moment], breaks: Iterable[Break]) -> list[list[int]]:
    """The places of the values of each unbroken stretch."""
    found: dict[int, list[int]] = {}
    for place, number in enumerate(parts(series, breaks)):
        if number is not None:
            found.setdefault(number, []).append(place)
    return list(found.values())


def passed(periods: Iterable[str], breaks: Iterable[Break]) -> list[Break]:
    """The breaks that lie between the first and the last of these periods."""
    years = [period_year(period) for period in periods]
    return [item for item in breaks if years and min(years) < item.year <= max(years)]


def _months(before: date, after: date) -> int:
    return (after.year - before.year) * 12 + after.month - before.month


def _usual_distance(days: Sequence[date]) -> int | None:
    """The lower median of the distances in months; none with less than two of them."""
    distances = sorted(_months(before, after) for before, after in pairwise(days))
    return distances[(len(distances) - 1) // 2] if len(distances) > 1 else None
