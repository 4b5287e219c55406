"""Line and bar charts as numbers for an SVG template: every coordinate is an int or ready text.

Reads measures, writes nothing. Coordinates are units of the view box.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from datetime import date
from typing import Any

from dagster_project.reports.errors import PageError
from dagster_project.reports.measures import Measure
from dagster_project.reports.wording import format_number, format_period

WIDTH = 400
_RIGHT, _TOP, _BOTTOM = 384, 14, 190
_DIGIT_WIDTH = 7.3
_BAR_STEP = 38


def nice_ticks(low: float, high: float, wanted: int = 4) -> list[float]:
    """About ``wanted`` round numbers that enclose low and high."""
    span = (high - low) or abs(high) or 1.0
    magnitude = 10.0 ** math.floor(math.log10(span / wanted))
    step = next(factor * magnitude for factor in (1, 2, 2.5, 5, 10) if span / (factor * magnitude) <= wanted)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(number * step, 10) for number in range(first, max(last, first + 1) + 1)]


def line(periods: Sequence[tuple[str, date]], measures: Sequence[Measure]) -> dict[str, Any]:
    """A time line, broken where there is no value; ``periods`` are (period, reference date) in their order.

    Raises PageError if no measure has a value.
    """
    values = _values(measures)
    low, high = min(values), max(values)
    from_zero = low >= 0 and low <= 0.6 * high
    ticks = nice_ticks(min(low, 0) if from_zero else low, high)
    tick_labels = [format_number(tick, _tick_decimals(ticks)) for tick in ticks]
    left = 14 + math.ceil(_DIGIT_WIDTH * max(map(len, tick_labels)))
    days = [reference.toordinal() for _, reference in periods]
    span = days[-1] - days[0]
    xs = [left + round((_RIGHT - left) * ((day - days[0]) / span if span else 0.5)) for day in days]

    def y(number: float) -> int:
        return _BOTTOM - round((_BOTTOM - _TOP) * (number - ticks[0]) / (ticks[-1] - ticks[0]))

    ys = [None if measure.value is None else y(measure.value) for measure in measures]
    labels = [format_period(period, reference) for period, reference in periods]
    return {
        "description": _describe_line(labels, measures),
        "ticks": [{"y": y(tick), "label": label} for tick, label in zip(ticks, tick_labels, strict=True)],
        "zero": y(0) if ticks[0] <= 0 <= ticks[-1] else None,
        "cut": not ticks[0] <= 0 <= ticks[-1],
        "lines": _segments(xs, ys),
        "points": [
            {"x": x, "y": height, "text": f"{label}: {measure.full}"}
            for x, height, label, measure in zip(xs, ys, labels, measures, strict=True)
            if height is not None
        ],
        "dates": _date_ticks(xs, [period for period, _ in periods]),
        "left": left,
        "right": _RIGHT,
        "bottom": _BOTTOM,
        "width": WIDTH,
        "height": _BOTTOM + 30,
    }


def bars(names: Sequence[str], measures: Sequence[Measure]) -> dict[str, Any]:
    """Horizontal bars, one a name, from a common zero; raises PageError if no measure has a value."""
    values = _values(measures)
    low, high = min(0.0, *values), max(0.0, *values)
    span = (high - low) or 1.0
    left, width = 4, WIDTH - 8
    zero = left + round(width * -low / span)
    drawn = []
    for index, (name, measure) in enumerate(zip(names, measures, strict=True)):
        end = zero if measure.value is None else left + round(width * (measure.value - low) / span)
        text = measure.full
        drawn.append(
            {
                "y": index * _BAR_STEP,
                "name": name if len(name) + len(text) <= 52 else name[: max(12, 49 - len(text))] + "…",
                "text": text if len(text) <= 44 else text[:43] + "…",
                "tooltip": f"{name}: {text}",
                "x": min(zero, end),
                "length": max(abs(end - zero), 0 if measure.value is None else 1),
            }
        )
    known = [measure for measure in measures if measure.value is not None]
    least, most = min(known, key=lambda m: m.value or 0.0), max(known, key=lambda m: m.value or 0.0)
    return {
        "description": f"{len(known)} von {len(names)} mit Wert: {least.text} bis {most.text}.",
        "bars": drawn,
        "zero": zero,
        "width": WIDTH,
        "height": len(drawn) * _BAR_STEP,
    }


def _values(measures: Sequence[Measure]) -> list[float]:
    values = [measure.value for measure in measures if measure.value is not None]
    if not values:
        raise PageError("a chart needs at least one value")
    return values


def _describe_line(labels: Sequence[str], measures: Sequence[Measure]) -> str:
    known = [index for index, measure in enumerate(measures) if measure.value is not None]
    ends = dict.fromkeys((known[0], known[-1]))
    parts = [f"{labels[index]}: {measures[index].full}" for index in ends]
    gaps = [label for label, measure in zip(labels, measures, strict=True) if measure.value is None]
    if gaps:
        parts.append(f"kein Wert für: {', '.join(gaps)}")
    return "; ".join(parts) + "."


def _tick_decimals(ticks: Sequence[float]) -> int:
    step = ticks[1] - ticks[0]
    return next((places for places in range(6) if abs(step * 10**places - round(step * 10**places)) < 1e-6), 6)


def _segments(xs: Sequence[int], ys: Sequence[int | None]) -> list[str]:
    """Polylines between the gaps."""
    lines: list[list[str]] = [[]]
    for x, y in zip(xs, ys, strict=True):
        if y is None:
            lines.append([])
        else:
            lines[-1].append(f"{x},{y}")
    return [" ".join(points) for points in lines if len(points) > 1]


def _date_ticks(xs: Sequence[int], periods: Sequence[str], distance: int = 52) -> list[dict[str, Any]]:
    """Labels below the axis, as many as fit, the last one always: years if they tell the periods apart."""
    years = [period[:4] for period in periods]
    texts = years if len(set(years)) == len(years) else [_short_period(period) for period in periods]
    kept: list[dict[str, Any]] = []
    for x, text in sorted(zip(xs, texts, strict=True), reverse=True):
        if not kept or kept[-1]["x"] - x >= distance:
            fits = x + 4 * len(text) <= WIDTH
            kept.append({"x": x, "label": text, "anchor": "middle" if fits else "end"})
    return kept[::-1]


def _short_period(period: str) -> str:
    month = re.match(r"(\d{4})-(\d{2})", period)
    return f"{month[2]}/{month[1]}" if month else period
