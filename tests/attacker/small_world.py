"""A made-up county small enough to write down all its tables: its release, and what nobody but the judge may read.

Reads and writes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import pandas as pd

from attacker.declared import Declared, Indicator, Thresholds
from attacker.judge import Truth
from attacker.knowledge import Area
from attacker.released import Release, Span

KREIS: Area = ("kreis", "K")
GEMEINDEN: tuple[Area, ...] = (("gemeinde", "A"), ("gemeinde", "B"))
LEAVES: tuple[Area, ...] = tuple(("ort", name) for name in ("A1", "A2", "A-ohne", "B1", "B2", "B-ohne"))
DAYS = ("2020-12-31", "2021-12-31", "2022-12-31", "2023-12-31", "2024-12-31")
INDICATORS = {
    "obesity": Indicator("obesity", "share", "examined_obesity", "examined", 100.0, 3),
    "complete": Indicator("complete", "share", "examined_checks_complete", "examined_booklet", 100.0, 1),
    "foreign": Indicator("foreign", "share", "population_foreign", "population", 100.0, 1),
    "population": Indicator("population", "count", "population", None, 1.0, 1),
    "under_18": Indicator("under_18", "share", "population_under_18", "population", 100.0, 1),
    "under_20": Indicator("under_20", "share", "population_under_20", "population", 100.0, 1),
    "single": Indicator("single", "share", "households_size_1", "households", 100.0, 1),
    "single_old": Indicator("single_old", "share", "households_single_65_plus", "households", 100.0, 1),
}
SOURCES = {"examined": "seu", "population": "ewo", "households": "hh"}


@dataclass
class World:
    """Counts of the finest areas; which rows a release hides is told when it is printed."""

    indicators: tuple[str, ...]
    counts: dict[tuple[Area, str, str], int] = field(default_factory=dict)

    def set(self, area: Area, measure: str, *values: int) -> None:
        """The counts of the last days, the newest last."""
        for day, value in zip(DAYS[-len(values) :], values, strict=True):
            self.counts[area, day, measure] = value

    def fill(self, measure: str, value: Callable[[], int], days: Iterable[str] = DAYS) -> None:
        """A count for each finest area and day that has none."""
        for area in LEAVES:
            for day in days:
                self.counts.setdefault((area, day, measure), value())

    @property
    def declared(self) -> Declared:
        chosen = {name: INDICATORS[name] for name in self.indicators}
        measures = {measure for indicator in chosen.values() for measure in indicator.measures}
        return Declared(
            indicators=chosen,
            source_of={measure: SOURCES[measure.split("_")[0]] for measure in measures},
            rules={source: Thresholds(3, 3, 3) for source in SOURCES.values()},
            public_sources=frozenset(),
            retirement_months=((0, 9999, 12 * 66),),
            minimum_population=0,
            edition="2022",
            geography="ort",
        )

    @property
    def truth(self) -> Truth:
        return dict(self.counts)

    def value(self, area: Area, span: Span, measure: str) -> int:
        leaves = below(area)
        return sum(self.counts[leaf, single.day, measure] for leaf in leaves for single in span.single())

    def rows(self) -> list[tuple[Area, Span, str]]:
        """Area, span and indicator of every row that can be printed."""
        days = sorted({day for _, day, _ in self.counts})
        found = []
        for name in self.indicators:
            indicator = INDICATORS[name]
            for area in (KREIS, *GEMEINDEN, *LEAVES):
                if area[1].endswith("ohne") and indicator.kind != "count":
                    continue
                spans = [Span(day, indicator.years) for day in days[indicator.years - 1 :]]
                found += [(area, span, name) for span in spans if self._exists(span, indicator)]
        return found

    def _exists(self, span: Span, indicator: Indicator) -> bool:
        return all((LEAVES[0], single.day, m) in self.counts for single in span.single() for m in indicator.measures)

    def release(self, hidden: Iterable[tuple[Area, Span, str]] = (), counts_are_told: bool = True) -> Release:
        """What is printed, but for the hidden rows; without counts, values and intervals stand alone."""
        kept_back = set(hidden)
        rows = []
        for area, span, name in self.rows():
            row = {"level": area[0], "area": area[1], "day": span.day, "indicator": name}
            if (area, span, name) not in kept_back:
                row |= self._printed(area, span, INDICATORS[name], counts_are_told)
            rows.append({"status": "suppressed"} | row)
        names = [
            "level",
            "area",
            "day",
            "indicator",
            "status",
            "numerator",
            "denominator",
            "value",
            "ci_low",
            "ci_high",
        ]
        return Release(pd.DataFrame(rows, columns=names), _areas(), pd.DataFrame(), frozenset(), "2022")

    def _printed(self, area: Area, span: Span, indicator: Indicator, counts_are_told: bool) -> dict[str, object]:
        part = self.value(area, span, indicator.numerator)
        if indicator.denominator is None:
            return {"status": "published", "value": part, "numerator": part}
        whole = self.value(area, span, indicator.denominator)
        found: dict[str, object] = {"status": "published"}
        if whole:
            low, high = wilson(part, whole)
            found |= {"value": round(100 * part / whole, 9), "ci_low": round(low, 9), "ci_high": round(high, 9)}
        return found | ({"numerator": part, "denominator": whole} if counts_are_told or not whole else {})


def wilson(part: int, whole: int) -> tuple[float, float]:
    """Wilson's interval in percent, written anew."""
    z, share = 1.959963984540054, part / whole
    middle = share + z * z / (2 * whole)
    spread = z * ((share * (1 - share) + z * z / (4 * whole)) / whole) ** 0.5
    below = 1 + z * z / whole
    return 100 * (middle - spread) / below, 100 * (middle + spread) / below


def below(area: Area) -> list[Area]:
    return [leaf for leaf in LEAVES if area in (KREIS, leaf) or area == ("gemeinde", leaf[1][0])]


def _areas() -> pd.DataFrame:
    rows = [("kreis", "K", None, None, None, False)]
    rows += [("gemeinde", name, "kreis", "K", name, False) for _, name in GEMEINDEN]
    rows += [("ort", name, "gemeinde", name[0], name[0], name.endswith("ohne")) for _, name in LEAVES]
    names = ["level", "area", "parent_level", "parent", "municipality", "is_unallocated"]
    return pd.DataFrame(rows, columns=names).astype(object)
