"""Which counts must not be known, and what an audience proves of them. Reads the truth, which no attacker has.

Of a count that is smaller than its source's threshold nobody may prove that it is one at all (its interval holds
nought) nor that it is small (its interval holds the threshold, or the whole that is known, where that is smaller).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pandas as pd

from attacker import definitions, knowledge
from attacker.integers import Interval, Solved
from attacker.knowledge import Area, Band, Count, Knowledge, Rest, Truth
from attacker.released import Span

COUNT, YEAR_BEHIND, SUM_OF_YEARS = "count", "year of a pooled value", "sum of years"
REMAINDER, BETWEEN_AGES = "remainder", "between ages"
# what is protected today; of the others some are found
HELD = {
    COUNT: {"exact", "small", "above zero"},
    SUM_OF_YEARS: {"exact", "small", "above zero"},
    REMAINDER: {"exact", "small"},
}
ENDLESS = 10**9


@dataclass(frozen=True)
class Target:
    """A count that must not be known: a sum of unknown counts, and what of it has to stay possible."""

    kind: str
    area: Area
    span: Span
    measure: str
    terms: Mapping[object, float]
    truth: int
    need: int


@dataclass(frozen=True)
class Finding:
    """What an audience proves of a count that must not be known."""

    target: Target
    interval: Interval

    @property
    def verdict(self) -> str:
        """`exact`, `small`, `above zero`, or nothing."""
        if self.interval.low == self.interval.high:
            return "exact"
        if self.interval.high < self.target.need:
            return "small"
        return "above zero" if self.interval.low > 0 else ""

    def __str__(self) -> str:
        target, (low, high) = self.target, self.interval
        years = f" ({target.span.years} years)" if target.span.years > 1 else ""
        return (
            f"{target.kind}: {target.measure} in {target.area[0]} {target.area[1]}, {target.span.day}{years} is "
            f"{target.truth}, proved {low:g} to {high:g}"
        )


def truth(data: Path, geography: str, edition: str) -> Truth:
    """What the pipeline counted and what it never got to see, by finest area, day and measure."""
    counted = f"""
        select level, area, cast(reference_date as varchar) as day, measure, value
        from '{data}/core/core_disclosure_cell.parquet'
        where geography = '{geography}' and edition = '{edition}' and value is not null
    """
    simulated = f"""
        select level, area, case length(period) when 4 then period || '-12-31' else period end as day, measure, value
        from '{data}/truth/counts.parquet' where edition = '{edition}'
    """
    found: dict[tuple[Area, str, str], int] = {}
    for query in (simulated, counted):
        for level, area, day, measure, value in duckdb.sql(query).fetchall():
            found[(level, area), day, measure] = round(value)
    return found


class Judge:
    """Looks at what an audience has solved, beside the truth."""

    def __init__(self, known: Knowledge, solved: Solved, truths: list[Truth], municipality: str | None = None) -> None:
        """`truths` holds the counts behind each release, oldest first."""
        self.known, self.solved, self.truths = known, solved, truths
        self.seen: set[frozenset[object]] = set()
        self.own = {area for area, of in known.areas.municipality.items() if municipality and of == municipality}
        self.singles: dict[tuple[str, str], None] = {}
        self.pooled: dict[tuple[Span, str], None] = {}
        self.differences: dict[Area, list[Band | Rest]] = {}
        for name in solved.names:
            if isinstance(name, (Band, Rest)):
                self.differences.setdefault(name.area, []).append(name)
            elif isinstance(name, Count) and name.span.years == 1:
                self.singles[name.span.day, name.measure] = None
            elif isinstance(name, Count):
                self.pooled[name.span, name.measure] = None
        measures = {measure for _, measure in [*self.singles, *self.pooled]}
        self.wholes: dict[str, set[str]] = {}
        for whole, parts in known.relations(measures):
            for part in parts:
                self.wholes.setdefault(part, set()).add(whole)

    def findings(self) -> Iterator[Finding]:
        """What is proved of each count that must not be known."""
        every = list(self.targets())
        self.solved.explore((target.terms, Interval(0, target.need)) for target in every)
        for target in every:
            yield Finding(target, self.solved.interval(target.terms, Interval(0, target.need)))

    def targets(self) -> Iterator[Target]:
        """All sensitive counts of all areas, in each version a release was made of."""
        for release in range(len(self.truths)):
            for target in self._of_release(release):
                key = frozenset(target.terms)
                if key not in self.seen:
                    self.seen.add(key)
                    yield target

    def _of_release(self, release: int) -> Iterator[Target]:
        behind = {(single.day, measure) for span, measure in self.pooled for single in span.single()}
        for area in (*self.known.areas.leaves, *self.known.areas.children):
            if area in self.own:
                continue
            for day, measure in self.singles:
                kind = YEAR_BEHIND if (day, measure) in behind else COUNT
                yield from self._count(release, kind, area, Span(day, 1), measure)
            for span, measure in self.pooled:
                yield from self._count(release, SUM_OF_YEARS, area, span, measure)
            for name in self.differences.get(self.known.areas.below(area)[0], []):
                yield from self._difference(release, area, name)

    def _count(self, release: int, kind: str, area: Area, span: Span, measure: str) -> Iterator[Target]:
        if self.known.declared.is_public(measure) or measure in definitions.VALUE_SUMS:
            return
        value = knowledge.counted(self.known, Count(area, span, measure), self.truths[release])
        threshold = self.known.declared.rule(measure).numerator
        below = self.known.areas.below(area)
        leaves = [self.known.name(leaf, single, measure, release) for leaf in below for single in span.single()]
        if value is not None and 0 < value < threshold and all(leaf in self.solved.names for leaf in leaves):
            need = min(threshold, self._known_whole(release, area, span, measure))
            yield Target(kind, area, span, measure, dict.fromkeys(leaves, 1.0), value, need)

    def _difference(self, release: int, area: Area, name: Band | Rest) -> Iterator[Target]:
        """Who stands between two counts that are nested: ages, and a whole without its parts."""
        kind, measure, words = (
            (REMAINDER, name.parts[0], f"{name.whole} without {', '.join(name.parts)}")
            if isinstance(name, Rest)
            else (BETWEEN_AGES, "population", f"aged {name.low:.5g} to {name.high:.5g}")
        )
        if self.known.declared.is_public(measure):
            return
        below = [
            name._replace(area=leaf, version=self._version(leaf, name, release))
            for leaf in self.known.areas.below(area)
        ]
        values = [knowledge.counted(self.known, part, self.truths[release]) for part in below]
        total = sum(value for value in values if value is not None)
        threshold = self.known.declared.rule(measure).remainder
        if None not in values and 0 < total < threshold and all(part in self.solved.names for part in below):
            need = (
                min(threshold, self._most(release, area, Span(name.day, 1), name.whole))
                if kind == REMAINDER
                else threshold
            )
            yield Target(kind, area, Span(name.day, 1), words, dict.fromkeys(below, 1.0), total, need)

    def _version(self, leaf: Area, name: Band | Rest, release: int) -> int:
        measures = ("population",) if isinstance(name, Band) else (name.whole, *name.parts)
        return max(self.known.versions(leaf, name.day, measure, release) for measure in measures)

    def _known_whole(self, release: int, area: Area, span: Span, measure: str) -> int:
        """The smallest whole that is known: nobody expects its part to be more."""
        wholes = [whole for whole in self.wholes.get(measure, ()) if self.known.holds(area, whole, (measure,))]
        return min((self._most(release, area, span, whole) for whole in wholes), default=ENDLESS)

    def _most(self, release: int, area: Area, span: Span, measure: str) -> int:
        place = self.solved.names.get(self.known.name(area, span, measure, release))
        if place is None or self.solved.low[place] != self.solved.high[place]:
            return ENDLESS
        return int(self.solved.low[place])


def broken(found: list[Finding]) -> list[str]:
    """What is proved although it is protected today."""
    return [str(finding) for finding in found if finding.verdict in HELD.get(finding.target.kind, ())]


def counted(found: list[Finding]) -> pd.DataFrame:
    """How many of each kind, and of how many something is proved."""
    frame = pd.DataFrame([(f.target.kind, f.verdict or "kept") for f in found], columns=["kind", "verdict"])
    return frame.value_counts().unstack(fill_value=0) if len(frame) else frame
