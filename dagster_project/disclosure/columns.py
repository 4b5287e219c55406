"""Which columns of counts there are, and how they hang together: indicators, declared relations, sums over years.

Reads  counts as frames, indicators and relations as declared. Writes nothing.

A column is a measure on a day, or its sum over the last years where an indicator pools them. Of such a sum more is a
number of its own than what is printed. Windows that overlap tell of their single years, and every new window is its
new year and the last years of the window before: these tails too are columns nobody prints. As long as each of them
could be nothing, all of the next year's numbers can be hidden whatever it brings, and so can at least be protected:
a table in which the tail is nothing stays one with any next year.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from dagster_project.declarations import Declarations, Indicator

Booleans = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]

COUNTED = ("count", "share", "rate", "reported_share")


@dataclass(frozen=True)
class Column:
    """A measure on a day, summed over the years before it; `day` is its reference date."""

    measure: str
    day: date
    years: int = 1


def true_name(measure: str) -> str:
    """A measure's name; a column that holds it as an earlier release had it says so behind an @ (see `ledger`)."""
    return measure.partition("@")[0]


def years_before(day: date, years: int) -> date:
    """The same day some years before."""
    return date(day.year - years, day.month, min(day.day, 28) if day.month == 2 else day.day)


@dataclass(frozen=True)
class Use:
    """An indicator's row in a period: the columns it shows or is formed from."""

    indicator: str
    period: str
    day: date
    columns: tuple[Column, ...]
    whole: Column | None  # the denominator that the numerator is part of


# ---------------------------------------------------------------- columns and uses


class Raw:
    """Counts of one edition by column."""

    def __init__(self, counts: pd.DataFrame, carried: pd.DataFrame, number: dict[Any, int], nodes: int) -> None:
        self.nodes = nodes
        days = pd.to_datetime(carried["reference_date"]).dt.date
        self.carried = {
            (measure, day): str(period)
            for measure, day, period in sorted(set(zip(carried["measure"], days, carried["period"], strict=True)))
        }
        keyed = counts.assign(
            node=[number.get(key, -1) for key in zip(counts["level"], counts["area"], strict=True)],
            day=pd.to_datetime(counts["reference_date"]).dt.date,
        )
        self.rows: dict[Any, pd.DataFrame] = dict(iter(keyed.groupby(["measure", "day"], sort=True)))
        self.periods = {key: str(group["period"].iloc[0]) for key, group in self.rows.items()}
        self.days: dict[str, list[date]] = {}
        for measure, day in self.rows:
            self.days.setdefault(str(measure), []).append(day)

    def has(self, measure: str, day: date) -> bool:
        return (measure, day) in self.rows

    def window(self, measure: str, day: date, years: int) -> list[date]:
        """Days of a measure in the years up to a day."""
        return [other for other in self.days.get(measure, []) if years_before(day, years) < other <= day]

    def column(self, column: Column) -> tuple[Floats, Booleans, Booleans]:
        """Value (0 where there is none), whether there is one, whether there is no row at all."""
        days = self.window(column.measure, column.day, column.years) if column.years > 1 else [column.day]
        value: Floats = np.zeros(self.nodes)
        given, absent = np.ones(self.nodes, bool), np.zeros(self.nodes, bool)
        for day in days:
            single = np.full(self.nodes, np.nan)
            seen = np.zeros(self.nodes, bool)
            if self.has(column.measure, day):
                rows = self.rows[column.measure, day]
                single[rows["node"]] = rows["value"].to_numpy(float)
                seen[rows["node"]] = True
            value += np.nan_to_num(single)
            given &= ~np.isnan(single)
            absent |= ~seen
        return np.where(given, value, 0), given, absent & ~given


def uses_of(indicator: Indicator, raw: Raw) -> list[Use]:
    if indicator.kind not in COUNTED:
        return []
    numerator = indicator.reported.measure if indicator.reported else indicator.numerator
    assert numerator is not None
    first, last = indicator.periods.from_year or 1, indicator.periods.to_year or 9999
    found = [
        Use(indicator.id, period, day, (Column(indicator.denominator, day, indicator.pooled_years),), None)
        for (measure, day), period in raw.carried.items()
        if measure == numerator and indicator.denominator and raw.has(indicator.denominator, day)
    ]
    for day in raw.days.get(numerator, []):
        period = raw.periods[numerator, day]
        years = indicator.pooled_years
        if not first <= int(period[:4]) <= last or len(raw.window(numerator, day, years)) < years:
            continue
        columns = [Column(numerator, day, years)]
        whole = None
        if indicator.denominator and raw.has(indicator.denominator, day):
            denominator = Column(indicator.denominator, day, years)
            columns.append(denominator)
            if indicator.kind in ("share", "reported_share"):
                whole = denominator
        found.append(Use(indicator.id, period, day, tuple(columns), whole))
    return found


NamedRelation = tuple[Column, tuple[Column, ...], bool]


def named_relations(
    declared: Declarations, uses: list[Use], shown: dict[Column, None], raw: Raw
) -> tuple[list[NamedRelation], list[Column]]:
    """Relations of declared measures on every day, of shares, and of years that are added up, also of parts of printed
    sums; and the columns only they need."""
    found: dict[NamedRelation, None] = {}
    sums = _sums_of_years(shown, raw)
    parts = {part for years in sums.values() for part in years} | {column for column in sums if column not in shown}
    spans = {(column.day, column.years) for column in (*shown, *parts)}
    for use in uses:
        if use.whole is not None and use.whole != use.columns[0]:
            for whole, part in ((use.whole, use.columns[0]), *_pairs_of_parts(use, parts)):
                found[whole, (part,), False] = None
    for column, single in sums.items():
        found[column, single, True] = None
    for day, years in sorted(spans):
        for relation in declared.relations:
            here = [Column(name, day, years) for name in (relation.whole, *relation.parts)]
            if not any(column in shown or column in parts for column in here):
                continue
            if raw.has(relation.whole, day) or relation.whole not in declared.sources_of:
                present = tuple(
                    column
                    for name, column in zip(relation.parts, here[1:], strict=True)
                    if raw.has(name, day) or name not in declared.sources_of
                )
                found[here[0], present, relation.exact and len(present) == len(relation.parts)] = None
    relations = _useful(list(found), {*shown, *parts})
    needed = dict.fromkeys(column for whole, inner, _ in relations for column in (whole, *inner) if column not in shown)
    return relations, list(needed)


def _sums_of_years(shown: dict[Column, None], raw: Raw) -> dict[Column, tuple[Column, ...]]:
    """The single years of every printed sum of years, and of the last years that the next window will hold again."""
    windows = [column for column in shown if column.years > 1]
    newest: dict[tuple[str, int], Column] = {}
    for column in windows:
        last = newest.setdefault((column.measure, column.years), column)
        if last.day < column.day:
            newest[column.measure, column.years] = column
    tails = [Column(last.measure, last.day, years) for last in newest.values() for years in range(2, last.years)]
    return {
        column: tuple(Column(column.measure, day) for day in raw.window(column.measure, column.day, column.years))
        for column in (*windows, *tails)
    }


def _pairs_of_parts(use: Use, parts: set[Column]) -> list[tuple[Column, Column]]:
    """Whole and part of a share over fewer years than are printed."""
    assert use.whole is not None
    part = use.columns[0]
    return [
        (Column(use.whole.measure, column.day, column.years), column)
        for column in sorted(parts, key=lambda column: (column.day, column.years, column.measure))
        if column.measure == part.measure
        and column.years < part.years
        and Column(use.whole.measure, column.day, column.years) in parts
    ]


def _useful(relations: list[NamedRelation], shown: set[Column]) -> list[NamedRelation]:
    """Without parts that no other relation speaks of: they are a rest; and without relations that say nothing then."""
    kept = list(dict.fromkeys(relations))
    while True:
        uses: dict[Column, int] = {}
        for whole, parts, _ in kept:
            for column in (whole, *parts):
                uses[column] = uses.get(column, 0) + 1
        smaller = []
        for whole, parts, exact in kept:
            inner = tuple(part for part in parts if part in shown or uses[part] > 1)
            whole_matters = whole in shown or uses[whole] > 1
            if whole_matters and inner:
                smaller.append((whole, inner, exact and len(inner) == len(parts)))
        smaller = list(dict.fromkeys(smaller))
        if smaller == kept:
            return kept
        kept = smaller
