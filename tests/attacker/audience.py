"""One audience at a time: what it has, what follows, and how the judge finds it. Reads a region's data folder."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from attacker import editions, judge, knowledge, released, versions
from attacker.declared import Declared
from attacker.integers import Solved
from attacker.judge import Finding, Judge
from attacker.knowledge import Area, Areas, Knowledge, Truth
from attacker.released import Printed, Release

PUBLIC = None


def informed(
    declared: Declared,
    releases: Sequence[Release],
    truths: list[Truth],
    municipality: str | None = PUBLIC,
    fewest_hidden: int = 0,
) -> Knowledge:
    """What the public knows of releases it kept, the oldest first, or a municipality with its own numbers besides.

    Where a text says how few a hidden number stands for at least, a reader believes it (`fewest_hidden`).
    """
    areas = Areas.of(releases[-1])
    printed = [list(released.printed(release, declared)) for release in releases]
    known = Knowledge(declared, areas, versions.of(declared, areas, printed))
    for place, release in enumerate(releases):
        _note(known, printed[place], release, place)
        for area, span, indicator in released.hidden(release, declared):
            known.system.bound(known.count(area, span, indicator.numerator, place), fewest_hidden, float("inf"))
    known.relate()
    if municipality is not None:
        known.know(municipality, truths)
    return known


def informed_of_editions(
    declared: Declared,
    releases: Sequence[Release],
    pairs: Iterable[tuple[Area, ...]],
    truth: Truth,
    municipality: str | None = PUBLIC,
) -> Knowledge:
    """The same of releases on different boundaries, whose counts did not change; the truth is that of the strips."""
    known = Knowledge(declared, editions.joint(releases, pairs))
    for release in releases:
        facts = released.printed(release, declared)
        _note(known, [fact._replace(area=editions.named(fact.area, release.edition)) for fact in facts], release)
    known.relate()
    if municipality is not None:
        known.know(municipality, [truth])
    return known


def _note(known: Knowledge, facts: list[Printed], release: Release, place: int = 0) -> None:
    known.add(facts, place)
    for area, span, indicator in released.hidden(release, known.declared):
        own = area if area in known.areas.municipality else editions.named(area, release.edition)
        for measure in indicator.measures:
            known.count(own, span, measure, place)


def solved(known: Knowledge, truths: list[Truth]) -> Solved:
    """What follows. The true table is one that fits, which saves looking for one."""
    table = {name: knowledge.counted(known, name, truths[name.version]) for name in known.system.names}
    return known.system.solved([{name: value for name, value in table.items() if value is not None}])


def proved(
    declared: Declared, releases: Sequence[Release], truths: list[Truth], municipality: str | None = PUBLIC
) -> list[Finding]:
    """All counts that must not be known, with what the audience proves of them."""
    known = informed(declared, releases, truths, municipality)
    return list(Judge(known, solved(known, truths), truths, municipality).findings())


def proved_by_editions(
    declared: Declared,
    releases: Sequence[Release],
    pairs: Iterable[tuple[Area, ...]],
    truth: Truth,
    municipality: str | None = PUBLIC,
) -> list[Finding]:
    """The same of releases on different boundaries."""
    known = informed_of_editions(declared, releases, pairs, truth, municipality)
    return list(Judge(known, solved(known, [truth]), [truth], municipality).findings())


def findings(declared: Declared, data: Path, municipality: str | None = PUBLIC) -> list[Finding]:
    """What is proved by the release in force alone."""
    release = released.read(data / "current", declared)
    told = judge.truth(data, declared.geography, release.edition)
    return proved(declared, [release], [told], municipality)
