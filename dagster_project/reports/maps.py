"""Which colour an area gets on a map, and what the legend and the map's description say.

Reads measures, writes nothing.
"""

from __future__ import annotations

import math
import statistics
from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from dagster_project.reports.measures import Measure
from dagster_project.reports.wording import HIDDEN_STATUSES, NO_BREAK_SPACE, SHOWN_STATUSES, format_number

GROUPS = 5
TOLERANCE, SMALL_TOLERANCE = 1.5, 10.0  # units of the view box that outlines may differ from the true ones
PALETTE = ((247, 234, 186), (167, 211, 172), (74, 165, 174), (36, 106, 160), (27, 43, 105))


def palette(groups: int) -> list[str]:
    """``groups`` colours from light to dark; lightness falls evenly, for grey prints and all eyes."""
    colours = []
    for group in range(groups):
        place = (len(PALETTE) - 1) * (group / (groups - 1) if groups > 1 else 0.5)
        low = min(int(place), len(PALETTE) - 2)
        mixed = [round(a + (b - a) * (place - low)) for a, b in zip(PALETTE[low], PALETTE[low + 1], strict=True)]
        colours.append("#" + "".join(f"{part:02x}" for part in mixed))
    return colours


def quantile_breaks(values: Sequence[float], groups: int = GROUPS) -> list[float]:
    """Upper borders of all groups but the last; equal values share a group, so there may be fewer borders."""
    ordered = sorted(values)
    cuts = (ordered[math.ceil(len(ordered) * part / groups) - 1] for part in range(1, groups))
    return [cut for cut in dict.fromkeys(cuts) if cut < ordered[-1]]


@dataclass(frozen=True)
class Entry:
    """One line of a legend: a colour (``#…``) or the name of a hatching, its meaning, the number of areas.

    ``count`` is None where the label already says how many areas have which reason.
    """

    fill: str
    label: str
    count: int | None


@dataclass(frozen=True)
class Colouring:
    """The fill of each measure, the legend in the order of the values, and the map in words."""

    fills: Sequence[str]
    legend: Sequence[Entry]
    description: str


def colour(
    measures: Sequence[Measure],
    decimals: int | None = None,
    unit_label: str | None = None,
    breaks: Sequence[float] | None = None,
) -> Colouring:
    """Colour by the classes of an index where every value has one, else by five groups of equal size.

    Classes stand in the order of their values, which is the order of their declaration. ``breaks`` are the borders of
    groups made of more areas than these.
    """
    unit = f"{NO_BREAK_SPACE}{unit_label}" if unit_label else ""
    shown = [measure for measure in measures if measure.value is not None]
    values = [measure.value for measure in measures if measure.value is not None]
    classed = bool(shown) and all(measure.group for measure in shown)
    if classed:
        labels, places = _by_class(shown, values, decimals)
    else:
        labels, places = _by_quantile(values, decimals, unit, breaks)
    colours = palette(len(labels))
    counts = Counter(places)
    found = iter(places)
    return Colouring(
        fills=[measure.status if measure.value is None else colours[next(found)] for measure in measures],
        legend=[
            *(
                Entry(fill, label, counts[place])
                for place, (fill, label) in enumerate(zip(colours, labels, strict=True))
            ),
            *status_entries(measures),
        ],
        description=describe(measures, values, None if classed else (decimals, unit)),
    )


def _by_class(shown: Sequence[Measure], values: Sequence[float], decimals: int | None) -> tuple[list[str], list[int]]:
    members: dict[str, list[float]] = {}
    for measure, value in zip(shown, values, strict=True):
        members.setdefault(str(measure.group), []).append(value)
    names = sorted(members, key=lambda name: (statistics.fmean(members[name]), name))
    labels = [f"{name}: {_span(min(members[name]), max(members[name]), decimals)}" for name in names]
    return labels, [names.index(str(measure.group)) for measure in shown]


def _by_quantile(
    values: Sequence[float], decimals: int | None, unit: str, given: Sequence[float] | None
) -> tuple[list[str], list[int]]:
    if not values:
        return [], []
    if given:
        ends = [f"bis {format_number(given[0], decimals)}{unit}"]
        ends += [
            f"über {format_number(low, decimals)} bis {format_number(high, decimals)}{unit}"
            for low, high in pairwise(given)
        ]
        ends.append(f"über {format_number(given[-1], decimals)}{unit}")
        return ends, [bisect_left(given, value) for value in values]
    breaks = quantile_breaks(values)
    borders = [format_number(border, decimals) for border in (min(values), *breaks, max(values))]
    if len(set(borders)) == 1:
        return [borders[0] + unit], [0] * len(values)
    labels = [
        low + unit if low == high else f"{'über ' if group else ''}{low} bis {high}{unit}"
        for group, (low, high) in enumerate(pairwise(borders))
    ]
    return labels, [bisect_left(breaks, value) for value in values]


def _span(low: float, high: float, decimals: int | None) -> str:
    texts = [format_number(low, decimals), format_number(high, decimals)]
    return texts[0] if texts[0] == texts[1] else f"{texts[0]} bis {texts[1]}"


def status_entries(measures: Sequence[Measure]) -> list[Entry]:
    """One entry for each status that occurs, with its reasons; values with a caveat before hidden ones."""
    entries = []
    for status in (*SHOWN_STATUSES[1:], *HIDDEN_STATUSES):
        found = Counter(measure.meaning for measure in measures if measure.status == status)
        if len(found) == 1:
            entries.append(Entry(status, next(iter(found)), found.total()))
        elif found:
            said = next(iter(found)).partition(": ")[0]
            reasons = [f"{meaning.partition(': ')[2] or said} ({found[meaning]})" for meaning in sorted(found)]
            entries.append(Entry(status, f"{said}: {', '.join(reasons)}", None))
    return entries


def describe(measures: Sequence[Measure], values: Sequence[float], number: tuple[int | None, str] | None) -> str:
    """How many areas have a value, and the lowest, middle and highest of them."""
    verb = "hat" if len(values) == 1 else "haben"
    text = f"{format_number(len(values))} von {format_number(len(measures))} Gebieten {verb} einen Wert"
    if len(values) == 1 and number:
        text += f": {format_number(values[0], number[0])}{number[1]}"
    elif values and number:
        decimals, unit = number
        low, middle, high = (
            format_number(value, decimals) + unit for value in (min(values), statistics.median(values), max(values))
        )
        text += f"; niedrigster Wert {low}, mittlerer Wert (Median) {middle}, höchster Wert {high}"
    return text + "."
