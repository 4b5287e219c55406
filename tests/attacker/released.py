"""A release as its readers have it: the rows of its Parquet files. Reads a release's folder, writes nothing."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import duckdb
import pandas as pd

from attacker.declared import Declared, Indicator

Z = 1.959963984540054  # of the 95 percent intervals, which the methods name
PRINTED_DECIMALS = 9
EXACT_CONVERSIONS = {None, "A"}


class Span(NamedTuple):
    """The years a count is summed over, up to a day."""

    day: str
    years: int

    def single(self) -> list[Span]:
        year, rest = int(self.day[:4]), self.day[4:]
        return [Span(f"{year - back}{rest}", 1) for back in range(self.years)]


class Printed(NamedTuple):
    """One count a release prints: it lies between two whole numbers, which are mostly the same."""

    area: tuple[str, str]  # level, area
    span: Span
    measure: str
    low: int
    high: int


@dataclass(frozen=True)
class Release:
    """The marts of a release, and the edition its areas are of."""

    values: pd.DataFrame
    areas: pd.DataFrame
    deliveries: pd.DataFrame
    estimated: frozenset[tuple[str, str, str, str, str]]  # level, area, day, indicator, part: carried over, not exact
    edition: str

    @property
    def children(self) -> dict[tuple[str, str], list[tuple[str, str]]]:
        """The areas below each area, those that hold what no address places included."""
        found: dict[tuple[str, str], list[tuple[str, str]]] = {}
        for row in self.areas[self.areas["parent"].notna()].itertuples():
            found.setdefault((row.parent_level, row.parent), []).append((row.level, row.area))
        return found

    @property
    def leaves(self) -> list[tuple[str, str]]:
        above = set(self.children)
        every = zip(self.areas["level"], self.areas["area"], strict=True)
        return [area for area in every if area not in above]


def read(folder: Path, declared: Declared) -> Release:
    """The release in a folder (with `parquet/` below)."""

    def mart(name: str, where: str = "true") -> pd.DataFrame:
        return duckdb.sql(f"from '{folder}/parquet/mart_{name}.parquet' where {where}").df()

    region = mart("region").iloc[0]
    edition = str(region["reporting_edition"])
    own = f"geography = '{declared.geography}' and edition = '{edition}'"
    values = mart("indicator_value", f"{own} and breakdown = 'total'")
    values["day"] = values["reference_date"].astype(str).str[:10]
    conversion = mart("conversion", f"{own} and conversion_class != 'A'")
    days = conversion["reference_date"].astype(str).str[:10]
    estimated = zip(
        conversion["level"], conversion["area"], days, conversion["indicator"], conversion["part"], strict=True
    )
    areas = mart("area", own).drop(columns="geometry")
    areas = areas.astype(object).where(areas.notna(), None)
    return Release(values, areas, mart("delivery"), frozenset(estimated), edition)


def printed(release: Release, declared: Declared) -> Iterator[Printed]:
    """Every count the cube prints or lets anybody compute from its own row."""
    for row in release.values.itertuples():
        indicator = declared.indicators.get(row.indicator)
        if indicator is None:
            continue
        area, span = (row.level, row.area), Span(row.day, indicator.years)
        told = dict(_counts(row, indicator))
        for part, measure in (("numerator", indicator.numerator), ("denominator", indicator.denominator)):
            if (row.level, row.area, row.day, row.indicator, part) in release.estimated or part not in told:
                continue
            assert measure is not None
            low, high = told[part]
            yield Printed(area, span, measure, low, high)


def hidden(release: Release, declared: Declared) -> Iterator[tuple[tuple[str, str], Span, Indicator]]:
    """Rows that are marked as hidden."""
    for row in release.values[release.values["status"] == "suppressed"].itertuples():
        if row.indicator in declared.indicators:
            indicator = declared.indicators[row.indicator]
            yield (row.level, row.area), Span(row.day, indicator.years), indicator


def _counts(row: object, indicator: Indicator) -> Iterator[tuple[str, tuple[int, int]]]:
    numerator, denominator, value = (_number(getattr(row, name)) for name in ("numerator", "denominator", "value"))
    if value is not None and denominator is None and indicator.kind != "count":
        denominator = _denominator_of_interval(value, row, indicator)
    if value is not None and numerator is None:
        whole = 1.0 if indicator.kind == "count" else denominator
        numerator = None if whole is None else value / indicator.factor * whole
    for part, number in (("numerator", numerator), ("denominator", denominator)):
        if number is not None:
            yield part, _whole(number)


def _whole(number: float) -> tuple[int, int]:
    """A count is a whole number, whatever a fraction that was printed for it says."""
    nearest = round(number)
    if abs(number - nearest) <= 1e-6 * max(1.0, abs(number)):
        return nearest, nearest
    return math.floor(number), math.ceil(number)


def _denominator_of_interval(value: float, row: object, indicator: Indicator) -> float | None:
    """An interval is as wide as its denominator is small: read backwards it tells how many people there are."""
    low, high = _number(getattr(row, "ci_low")), _number(getattr(row, "ci_high"))  # noqa: B009 - a row of a table
    if low is None or high is None or indicator.kind != "share":
        return None
    share, width = value / indicator.factor, (high - low) / indicator.factor
    return whole_number_for(lambda n: wilson_width(share, n), width)


def wilson_width(share: float, denominator: float) -> float:
    """How wide Wilson's interval is."""
    spread = share * (1 - share) / denominator + Z * Z / (4 * denominator * denominator)
    return 2 * Z * math.sqrt(spread) / (1 + Z * Z / denominator)


def whole_number_for(falling: Callable[[float], float], wanted: float) -> float | None:
    """The whole number at which a falling function takes a printed value; nothing where none does."""
    low, high = 1, 10_000_000
    while low < high:
        middle = (low + high) // 2
        if falling(middle) > wanted + 10.0**-PRINTED_DECIMALS:
            low = middle + 1
        else:
            high = middle
    return float(low) if abs(falling(low) - wanted) < 10 * 10.0**-PRINTED_DECIMALS else None


def _number(value: object) -> float | None:
    return None if value is None or pd.isna(value) else float(value)  # type: ignore[arg-type]  # a cell of a table
