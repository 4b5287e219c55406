"""Counts on a map: circles whose area is in proportion to the number, and the key of their sizes.

Reads measures and places, writes nothing. Lengths are units of the view box. Filled areas would show how large an area
is, not how many people live there.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dagster_project.reports.maps import Entry, describe, status_entries
from dagster_project.reports.measures import Measure
from dagster_project.reports.wording import format_number

COUNTED_UNITS = ("persons", "households")
GROUND = "#eef1f3"  # of an area with a number
COVERED = 0.25  # of the ground, by all circles together
LARGEST = 0.09  # of the shorter side of the map, the largest radius
KEY_WIDTH = 2000  # units of the key's own, as wide as the map
_NICE = (5.0, 2.5, 2.0, 1.0)
_GAP, _LETTER = 60, 46  # between the entries of the key; a digit of its largest type


@dataclass(frozen=True)
class Symbol:
    """A circle of this radius, or a small square for zero; ``status`` says how it is drawn."""

    x: int
    y: int
    radius: float
    status: str


def counts(kind: str | None, unit: str | None, values: Sequence[float | None]) -> bool:
    """Whether these are numbers of people or things, which belong on a map as circles."""
    is_count = kind == "count" or (kind is None and unit in COUNTED_UNITS)
    return is_count and all(value >= 0 for value in values if value is not None)


def factor(values: Sequence[float], ground: float, shorter_side: float) -> float:
    """What the root of a number is multiplied by for its radius; ``ground`` is the area of what is drawn."""
    total, most = sum(values), max(values, default=0.0)
    if not most:
        return 0.0
    return min(math.sqrt(COVERED * ground / (math.pi * total)), LARGEST * shorter_side / math.sqrt(most))


def key_values(most: float) -> list[float]:
    """Up to three round numbers for the key: one near the largest, one of a quarter and one of a twentieth of it."""
    found = [_nice_below(part) for part in (most, most / 4, most / 20) if part >= 1]
    return list(dict.fromkeys(found)) or ([most] if most else [])


def _nice_below(value: float) -> float:
    magnitude = 10.0 ** math.floor(math.log10(value))
    nice = next(step * magnitude for step in _NICE if step * magnitude <= value * (1 + 1e-9))
    return float(math.floor(nice)) if nice > 1 else nice


def key(most: float, scale: float, unit: float, decimals: int | None) -> dict[str, Any]:
    """Circles of three sizes beside each other with their numbers, in units of its own that are ``unit`` of the map."""
    entries: list[dict[str, Any]] = []
    left, highest = 10.0, 0.0
    for value in key_values(most):
        radius = scale * math.sqrt(value) / unit
        text = format_number(value, decimals)
        entries.append({"x": round(left + radius, 1), "radius": round(radius, 1), "text": text,
                        "text_x": round(left + 2 * radius + 18, 1)})  # fmt: skip
        left += 2 * radius + 18 + _LETTER * len(text) + _GAP
        highest = max(highest, 2 * radius)
    return {"entries": entries, "height": round(max(highest, 90.0) + 30, 1)}


def symbols(
    measures: Sequence[Measure], places: Sequence[tuple[int, int] | None], scale: float
) -> list[tuple[int, Symbol]]:
    """For each measure with a number and a place its row and symbol, the largest first, so that no other hides one."""
    found = [
        (row, Symbol(*place, round(scale * math.sqrt(measure.value), 1), measure.status if measure.value else "zero"))
        for row, (measure, place) in enumerate(zip(measures, places, strict=True))
        if measure.value is not None and place is not None
    ]
    return sorted(found, key=lambda pair: -pair[1].radius)


def legend(measures: Sequence[Measure], unit_label: str | None) -> list[Entry]:
    """What the marks mean: the circles, zero, values with a caveat, hidden and missing ones."""
    unit = f" ({unit_label})" if unit_label else ""
    shown = Counter("zero" if measure.value == 0 else "circle" for measure in measures if measure.value is not None)
    entries = []
    if shown["circle"]:
        entries.append(Entry("symbol-published", f"Fläche des Kreises: Anzahl{unit}", shown["circle"]))
    if shown["zero"]:
        entries.append(Entry("symbol-zero", "null", shown["zero"]))
    for entry in status_entries(measures):
        is_shown = entry.fill in ("estimated", "unreliable")
        entries.append(Entry(f"symbol-{entry.fill}" if is_shown else entry.fill, entry.label, entry.count))
    return entries


def description(measures: Sequence[Measure], decimals: int | None, unit_label: str | None) -> str:
    """The map in words."""
    values = [measure.value for measure in measures if measure.value is not None]
    text = describe(measures, values, (decimals, f"\u00a0{unit_label}" if unit_label else ""))
    return f"{text} Je größer die Fläche eines Kreises, desto größer die Zahl." if any(values) else text


def ground_fills(measures: Sequence[Measure]) -> list[str]:
    """The fill of each area: plain where there is a number, else the hatching of its status."""
    return [measure.status if measure.value is None else GROUND for measure in measures]


def view(view_box: str) -> Mapping[str, float]:
    """The numbers of a view box by name."""
    return dict(zip(("x", "y", "width", "height"), map(float, view_box.split()), strict=True))
