"""What a reader gains who guesses: how often a hidden count is small, by where it stands. Reads and writes nothing."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from attacker import knowledge
from attacker.declared import Declared
from attacker.knowledge import Area, Areas, Count, Knowledge, Truth
from attacker.released import Release, Span, hidden


def hidden_numerators(declared: Declared, release: Release, told: Truth) -> pd.DataFrame:
    """Every hidden numerator with its situation and its true size."""
    rows = list(_rows(declared, release, told))
    return pd.DataFrame(rows, columns=["situation", "size"])


def shares(found: pd.DataFrame) -> pd.DataFrame:
    """By situation: how many are hidden, how many of them are nought, and one or two."""
    return found.value_counts().unstack(fill_value=0).reindex(columns=["0", "small", "large"], fill_value=0)


def _rows(declared: Declared, release: Release, told: Truth) -> Iterator[tuple[str, str]]:
    known = Knowledge(declared, Areas.of(release))
    rows = {(area, span, indicator.numerator) for area, span, indicator in hidden(release, declared)}
    parent = {area: above for above, below in known.areas.children.items() for area in below}
    for area, span, measure in sorted(rows):
        value = knowledge.counted(known, Count(area, span, measure), told)
        if value is not None:
            size = "0" if value == 0 else "small" if value < declared.rule(measure).numerator else "large"
            yield _situation(known.areas, rows, parent, area, span, measure), size


def _situation(
    areas: Areas, rows: set[tuple[Area, Span, str]], parent: dict[Area, Area], area: Area, span: Span, measure: str
) -> str:
    if area not in parent:
        return "the whole region"
    siblings = [other for other in areas.children[parent[area]] if other not in areas.unallocated]
    together = sum((other, span, measure) in rows for other in siblings)
    above = "hidden" if (parent[area], span, measure) in rows else "shown"
    return f"{'alone' if together == 1 else 'one of two' if together == 2 else 'one of more'} below a {above} one"
