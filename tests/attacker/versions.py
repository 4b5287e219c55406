"""Which counts a later release shows anew, as a reader sees it: no code, no receipts, only what is printed twice.

An area of the finest level changed with a source and a year where any count of that source is printed differently.
Where a sum changed and no such area explains it, all areas below it changed that print no count of it.
Reads and writes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from attacker.declared import Declared
from attacker.knowledge import FIRST, Area, Areas, never_changed
from attacker.released import Printed, Span

Changed = dict[tuple[Area, str, str], list[int]]  # area, day, source: the releases that show it anew
Table = dict[tuple[Area, Span, str], tuple[int, int]]


def of(declared: Declared, areas: Areas, printed: Sequence[list[Printed]]) -> Callable[[Area, str, str, int], int]:
    """The version of each count as a release has it."""
    if len(printed) == 1:
        return never_changed
    tables: list[Table] = [{(p.area, p.span, p.measure): (p.low, p.high) for p in facts} for facts in printed]
    changed: Changed = {}
    for release in range(1, len(tables)):
        for area, day, source in _changed(declared, areas, tables[release - 1], tables[release]):
            changed.setdefault((area, day, source), []).append(release)

    def version(area: Area, day: str, measure: str, release: int) -> int:
        shown = changed.get((area, day, declared.source_of[measure]), [])
        return max((number for number in shown if number <= release), default=FIRST)

    return version


def _changed(declared: Declared, areas: Areas, before: Table, after: Table) -> set[tuple[Area, str, str]]:
    differing = {key for key in before.keys() & after.keys() if before[key] != after[key]}
    found = {
        (area, single.day, declared.source_of[measure])
        for area, span, measure in differing
        for single in span.single()
        if area not in areas.children
    }
    for area, span, measure in sorted(differing, key=lambda key: (len(areas.below(key[0])), key)):
        source = declared.source_of[measure]
        below = [leaf for leaf in areas.below(area) if leaf != area]
        moved = [leaf for leaf in below if any((leaf, single.day, source) in found for single in span.single())]
        if not below or _explained(before, after, area, moved, span, measure):
            continue
        silent = [leaf for leaf in below if (leaf, span, measure) not in before or (leaf, span, measure) not in after]
        found |= {(leaf, single.day, source) for leaf in silent for single in span.single()}
    return found


def _explained(before: Table, after: Table, area: Area, moved: list[Area], span: Span, measure: str) -> bool:
    """Whether the areas that changed may make up for the change of their sum."""
    if any((leaf, span, measure) not in before or (leaf, span, measure) not in after for leaf in moved):
        return True
    change = after[area, span, measure][0] - before[area, span, measure][0]
    return change == sum(after[leaf, span, measure][0] - before[leaf, span, measure][0] for leaf in moved)
