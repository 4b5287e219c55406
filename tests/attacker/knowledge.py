"""What an audience knows, as a system of equations over counts of people in the finest areas.

Every printed count is a number or an interval for the sum of the finest areas, years and groups it stands for. Which
groups are parts of which says `definitions`. A municipality knows its own counts besides. Of several releases each
count has the version of the release that showed it last anew (`versions`). Reads and writes nothing.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Mapping, Set
from dataclasses import dataclass, field
from typing import NamedTuple

from attacker import definitions
from attacker.declared import Declared
from attacker.integers import System
from attacker.released import Printed, Release, Span

Area = tuple[str, str]
Truth = Mapping[tuple[Area, str, str], int]  # by finest area, day and measure
FIRST = 0  # the version of all that never changed


class Count(NamedTuple):
    """People of a measure in an area, over the years of a span, as of the release since which the number is that."""

    area: Area
    span: Span
    measure: str
    version: int = FIRST


class Band(NamedTuple):
    """Residents between two ages no two measures cut further."""

    area: Area
    day: str
    low: float
    high: float
    version: int = FIRST


class Rest(NamedTuple):
    """Who belongs to a whole and to none of its parts."""

    area: Area
    day: str
    whole: str
    parts: tuple[str, ...]
    version: int = FIRST


@dataclass
class Areas:
    """Which areas lie below which."""

    children: dict[Area, list[Area]]
    leaves: list[Area]
    municipality: dict[Area, str | None]
    unallocated: set[Area]
    _below: dict[Area, list[Area]] = field(default_factory=dict)

    @staticmethod
    def of(release: Release) -> Areas:
        frame = release.areas
        every = list(zip(frame["level"], frame["area"], strict=True))
        return Areas(
            release.children, release.leaves, dict(zip(every, frame["municipality"], strict=True)),
            {area for area, is_one in zip(every, frame["is_unallocated"], strict=True) if is_one},
        )  # fmt: skip

    def below(self, area: Area) -> list[Area]:
        """The finest areas of an area."""
        if area not in self._below:
            children = self.children.get(area, [])
            self._below[area] = [leaf for child in children for leaf in self.below(child)] or [area]
        return self._below[area]


def never_changed(area: Area, day: str, measure: str, release: int) -> int:
    """All counts are as the first release had them."""
    return FIRST


@dataclass
class Knowledge:
    """The system, while it is written."""

    declared: Declared
    areas: Areas
    versions: Callable[[Area, str, str, int], int] = never_changed
    system: System = field(default_factory=System)
    _made: set[Count] = field(default_factory=set)
    _releases: set[int] = field(default_factory=set)

    def add(self, facts: Iterable[Printed], release: int = FIRST) -> None:
        """Note counts that are printed."""
        for fact in facts:
            name = self.count(fact.area, fact.span, fact.measure, release)
            self.system.bound(name, fact.low, fact.high)

    def name(self, area: Area, span: Span, measure: str, release: int = FIRST) -> Count:
        """The name of a count as a release has it: as old as the newest of its parts."""
        newest = max(
            self.versions(leaf, single.day, measure, release)
            for leaf in self.areas.below(area)
            for single in span.single()
        )
        return Count(area, span, measure, newest)

    def count(self, area: Area, span: Span, measure: str, release: int = FIRST) -> Count:
        """The name of a count, with the rows that tie it to the counts it is made of."""
        self._releases.add(release)
        name = self.name(area, span, measure, release)
        if name in self._made:
            return name
        self._made.add(name)
        children = self.areas.children.get(area, [])
        if children:
            self.system.total(name, [self.count(child, span, measure, release) for child in children])
        elif span.years > 1:
            self.system.total(name, [self.count(area, single, measure, release) for single in span.single()])
        else:
            self.system.unknown(name)
        return name

    def relate(self) -> None:
        """Tie measures of one finest area and day to each other; called when all that is printed is noted."""
        met: dict[tuple[Area, str], set[str]] = {}
        for name in self._made:
            if name.span.years == 1 and name.area not in self.areas.children:
                met.setdefault((name.area, name.span.day), set()).add(name.measure)
        relations = self.relations({measure for measures in met.values() for measure in measures})
        done: set[tuple[Count, ...]] = set()
        for ((area, day), measures), release in itertools.product(met.items(), sorted(self._releases)):
            names = {measure: self.name(area, Span(day, 1), measure, release) for measure in sorted(measures)}
            names = {measure: name for measure, name in names.items() if name in self._made}
            if tuple(names.values()) in done:
                continue
            done.add(tuple(names.values()))
            self._ages(area, day, names)
            self._value_sums(area, day, names)
            for whole, parts in relations:
                if names.keys() >= {whole, *parts} and self.holds(area, whole, parts):
                    tied = [names[measure] for measure in (whole, *parts)]
                    rest = Rest(area, day, whole, parts, max(name.version for name in tied))
                    if rest not in self.system.names:
                        self.system.total(tied[0], [*tied[1:], rest])

    def relations(self, measures: set[str]) -> list[tuple[str, tuple[str, ...]]]:
        """Wholes with their parts among these measures: by definition, and where an indicator is a share of people."""
        found = [
            (whole, tuple(part for part in parts if part in measures))
            for whole, parts in definitions.PARTS
            if whole in measures
        ]
        for indicator in self.declared.indicators.values():
            if indicator.is_part_of_whole and indicator.denominator in measures and indicator.numerator in measures:
                pair = {indicator.numerator, indicator.denominator}
                if not pair <= definitions.AGES.keys():
                    found.append((str(indicator.denominator), (indicator.numerator,)))
        return list(dict.fromkeys((whole, parts) for whole, parts in found if parts))

    def holds(self, area: Area, whole: str, parts: tuple[str, ...]) -> bool:
        """What no address places is not the same people in two sources."""
        sources = {self.declared.source_of[measure] for measure in (whole, *parts)}
        return area not in self.areas.unallocated or len(sources) == 1

    def bands(self, measures: Set[str], day: str) -> list[tuple[float, float]]:
        """The ages between which no measure tells residents apart."""
        ends = {end for measure in measures & definitions.AGES.keys() for end in self.ages(measure, day)}
        cuts = sorted(ends)
        return list(itertools.pairwise(cuts))

    def ages(self, measure: str, day: str) -> tuple[float, float]:
        low, high = definitions.AGES[measure]
        retirement = self.declared.retirement(int(day[:4]))
        ends = [retirement if end == definitions.RETIREMENT else end for end in (low, high)]
        return float(ends[0] or 0), float(definitions.OLDEST if ends[1] is None else ends[1])

    def _ages(self, area: Area, day: str, names: Mapping[str, Count]) -> None:
        bands = self.bands(names.keys(), day)
        for measure in names.keys() & definitions.AGES.keys():
            low, high = self.ages(measure, day)
            version = names[measure].version
            inside = [Band(area, day, *band, version) for band in bands if low <= band[0] and band[1] <= high]
            self.system.total(names[measure], inside)

    def _value_sums(self, area: Area, day: str, names: Mapping[str, Count]) -> None:
        """Years of age lie between those of the youngest and the oldest of each band."""
        if not names.keys() >= {"age_sum", "population"}:
            return
        total = names["age_sum"]
        bands = [Band(area, day, *band, total.version) for band in self.bands(names.keys(), day)]
        self.system.row({total: 1.0} | {band: -float(int(band.low)) for band in bands if band.low}, 0.0, float("inf"))
        oldest = {band: -float(int(-(-band.high // 1)) - 1) for band in bands}
        self.system.row({total: 1.0} | oldest, float("-inf"), 0.0)

    def know(self, municipality: str, truths: list[Truth]) -> None:
        """A municipality's own counts, all of them and for each year; called last."""
        for name in list(self.system.names):
            if self.areas.municipality.get(name.area) != municipality or name.area in self.areas.children:
                continue
            value = counted(self, name, truths[name.version])
            if value is not None:
                self.system.bound(name, value, value)


def counted(knowledge: Knowledge, name: Count | Band | Rest, truth: Truth) -> int | None:
    """What is behind a name in the truth of its release; None where that does not tell it."""
    if isinstance(name, Count):
        singles = [
            truth.get((leaf, single.day, name.measure))
            for leaf in knowledge.areas.below(name.area)
            for single in name.span.single()
        ]
        return None if None in singles else sum(single for single in singles if single is not None)
    if isinstance(name, Rest):
        whole = truth.get((name.area, name.day, name.whole))
        parts = [truth.get((name.area, name.day, part)) for part in name.parts]
        return None if whole is None or None in parts else whole - sum(part for part in parts if part is not None)
    younger = [_younger(knowledge, name, end, truth) for end in (name.low, name.high)]
    return None if younger[0] is None or younger[1] is None else younger[1] - younger[0]


def _younger(knowledge: Knowledge, band: Band, end: float, truth: Truth) -> int | None:
    """How many residents are younger than an age, from any measure that ends or begins there."""
    if end == 0:
        return 0
    everybody = truth.get((band.area, band.day, "population"))
    for measure in definitions.AGES:
        low, high = knowledge.ages(measure, band.day)
        value = truth.get((band.area, band.day, measure))
        if value is not None and low == 0 and high == end:
            return value
        if value is not None and everybody is not None and low == end and high == definitions.OLDEST:
            return everybody - value
    return None
