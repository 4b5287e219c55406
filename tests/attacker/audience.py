"""One audience at a time: what it has, what follows, and how the judge finds it. Reads a region's data folder."""

from __future__ import annotations

from pathlib import Path

from attacker import judge, knowledge, released
from attacker.declared import Declared
from attacker.integers import Solved
from attacker.judge import Finding, Judge, Truth
from attacker.knowledge import Areas, Knowledge
from attacker.released import Release

PUBLIC = None


def informed(declared: Declared, release: Release, told: Truth, municipality: str | None = PUBLIC) -> Knowledge:
    """What the public knows of one release, or a municipality that has its own numbers besides."""
    known = Knowledge(declared, Areas.of(release))
    known.add(released.printed(release, declared))
    for area, span, indicator in released.hidden(release, declared):
        for measure in indicator.measures:
            known.count(area, span, measure)
    known.relate()
    if municipality is not None:
        known.know(municipality, told)
    return known


def solved(known: Knowledge, told: Truth) -> Solved:
    """What follows. The true table is one that fits, which saves looking for one."""
    table = {name: knowledge.counted(known, name, told) for name in known.system.names}  # type: ignore[arg-type]
    return known.system.solved([{name: value for name, value in table.items() if value is not None}])


def findings(declared: Declared, data: Path, municipality: str | None = PUBLIC) -> list[Finding]:
    """All counts that must not be known in the release in force, with what the audience proves of them."""
    release = released.read(data / "current", declared)
    told = judge.truth(data, declared.geography, release.edition)
    known = informed(declared, release, told, municipality)
    return list(Judge(known, solved(known, told), told, municipality).findings())
