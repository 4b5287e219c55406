"""What the charts look like: Vega-Lite specifications from measures, with every number written out in German.

Reads measures, writes nothing. Sizes are pixels of a drawing that is scaled to its place.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from dagster_project.reports import series
from dagster_project.reports.measures import SIGNS, Measure
from dagster_project.reports.series import Break
from dagster_project.reports.vega import ACCENT, COMPARED, INK, SOFT
from dagster_project.reports.wording import format_period

WIDTH = 330  # so narrow that its labels can still be read on a telephone
Spec = dict[str, Any]
SERIES = {"dash": [[1, 0], [6, 4], [2, 3], [8, 3, 2, 3]], "range": [ACCENT, COMPARED, "#b3541e", "#6f5b9a"]}


@dataclass(frozen=True)
class Point:
    """A value at a time; ``series`` tells lines apart, ``low`` and ``high`` bound its uncertainty."""

    period: str
    day: date
    measure: Measure
    series: str = ""
    low: float | None = None
    high: float | None = None

    @property
    def value(self) -> float | None:
        """The measure's value, null where it is hidden or missing."""
        return self.measure.value


def days(day: date) -> int:
    """Days since 1 January 1970."""
    return day.toordinal() - date(1970, 1, 1).toordinal()


def stretches(points: Sequence[Point], breaks: Sequence[Break]) -> list[dict[str, Any]]:
    """One row per value; ``part`` counts the unbroken stretches of each line."""
    rows = []
    for name in dict.fromkeys(point.series for point in points):
        line = [point for point in points if point.series == name]
        for point, part in zip(line, series.parts(line, breaks), strict=True):
            if part is not None:
                rows.append(
                    {
                        "x": days(point.day), "y": point.value, "series": name, "part": part,
                        "low": point.low, "high": point.high,
                        "text": f"{format_period(point.period)}: {point.measure.full}",
                    }
                )  # fmt: skip
    return rows


def break_places(points: Sequence[Point], breaks: Sequence[Break]) -> list[tuple[Break, float]]:
    """Each break with its place in days: midway between the values before and after it, as it lies between them."""
    places = []
    for item in breaks:
        before = [days(point.day) for point in points if series.period_year(point.period) < item.year]
        after = [days(point.day) for point in points if series.period_year(point.period) >= item.year]
        if before and after:
            places.append((item, (max(before) + min(after)) / 2))
    return places


def _time_axis(points: Sequence[Point], most: int) -> dict[str, Any]:
    """Years below the axis, the last one always, as many as fit."""
    known = {point.day for point in points}
    step = max(1, math.ceil(len(known) / most))
    shown = [days(day) for day in sorted(known)[::-1][::step]]
    years = {day.year for day in known}
    form = "%Y" if len(years) == len(known) else "%m/%y"
    return {
        "values": shown, "labelExpr": f"utcFormat(datum.value * 86400000, '{form}')", "grid": False, "title": None,
        "labelFlush": False,
    }  # fmt: skip


def starts_at_zero(points: Sequence[Point]) -> bool:
    """Whether the upward axis of a time line starts at zero: not where its values would be a flat line far above."""
    values = [point.measure.value for point in points if point.measure.value is not None]
    return min(values) >= 0 and min(values) <= 0.6 * max(values)


def line(
    points: Sequence[Point],
    breaks: Sequence[Break] = (),
    *,
    unit: str | None = None,
) -> Spec:
    """Time lines with a band of uncertainty, open where a value is missing or the series breaks."""
    width, height = WIDTH, 160
    rows = stretches(points, breaks)
    names = list(dict.fromkeys(point.series for point in points))
    colour: dict[str, Any] = {
        "field": "series", "type": "nominal", "legend": None, "scale": {"domain": names, "range": SERIES["range"]},
    }  # fmt: skip
    dash = {"field": "series", "type": "nominal", "legend": None, "scale": {"domain": names, "range": SERIES["dash"]}}
    if len(names) > 1:
        colour["legend"] = dash["legend"] = {"orient": "top", "title": None, "symbolType": "stroke", "labelLimit": 190}
    zero = starts_at_zero(points)
    x = {"field": "x", "type": "quantitative", "axis": _time_axis(points, 8),
         "scale": {"zero": False, "nice": False, "padding": 8}}  # fmt: skip
    y = {"field": "y", "type": "quantitative", "title": unit, "axis": {"tickCount": 4},
         "scale": {"zero": zero, "nice": True}}  # fmt: skip
    layers: list[Spec] = []
    if any(row["low"] is not None for row in rows):
        layers.append(
            {
                "mark": {"type": "area", "opacity": 0.16, "clip": True},
                "transform": [{"filter": "datum.low !== null"}],
                "encoding": {"y": {"field": "low", "type": "quantitative", "title": unit}, "y2": {"field": "high"}},
            }
        )
    # the break lies before the first value that it changes, so midway between that and the value before
    rules = [{"x": place, "text": f"Bruch: {item.reason}"} for item, place in break_places(points, breaks)]
    if rules:
        layers.append(
            {
                "data": {"values": rules},
                "mark": {"type": "rule", "strokeDash": [3, 3], "stroke": SOFT, "strokeWidth": 1.2},
                "encoding": {"x": {"field": "x", "type": "quantitative"}, "y": {"value": 0}, "y2": {"value": height},
                             "color": {"value": SOFT}, "strokeDash": {"value": [3, 3]},
                             "tooltip": {"field": "text", "type": "nominal"}},
            }
        )  # fmt: skip
    layers += [
        {"mark": {"type": "line", "strokeWidth": 2.4, "strokeJoin": "round"}, "encoding": {"strokeDash": dash}},
        {
            "mark": {"type": "point", "filled": True, "size": 34, "opacity": 1},
            "encoding": {"tooltip": {"field": "text", "type": "nominal"}},
        },
    ]
    encoding = {"x": x, "y": y, "color": colour, "detail": [{"field": "part", "type": "nominal"}]}
    return {"data": {"values": rows}, "layer": layers, "encoding": encoding, "width": width, "height": height}


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


def _short(measure: Measure) -> str:
    """The number with the sign of its caveat, or the status without its reason: what fits beside a name."""
    if measure.value is None:
        return measure.text.partition(": ")[0]
    return measure.text + SIGNS.get(measure.status, "")


def bars(names: Sequence[str], measures: Sequence[Measure], emphasised: Sequence[bool] = ()) -> Spec:
    """Horizontal bars from a common zero, the name above each; no bar where there is no value."""
    step = 40
    marked = list(emphasised) or [False] * len(names)
    rows = [
        {
            "row": index, "name": _cut(name, 30), "y": measure.value,
            "text": _short(measure),
            "full": f"{name}: {measure.full}", "marked": mark, "hidden": measure.value is None,
        }
        for index, (name, measure, mark) in enumerate(zip(names, measures, marked, strict=True))
    ]  # fmt: skip
    band = {"field": "row", "type": "ordinal", "axis": None, "scale": {"paddingInner": 0, "paddingOuter": 0}}
    text = {"type": "text", "baseline": "alphabetic", "dy": -2, "fontSize": 12.5}
    return {
        "data": {"values": rows},
        "width": WIDTH,
        "height": {"step": step},
        "encoding": {"y": band},
        "layer": [
            {
                "mark": {"type": "bar", "height": 11, "yOffset": 10},
                "encoding": {
                    "x": {"field": "y", "type": "quantitative", "axis": None, "scale": {"zero": True, "nice": False}},
                    "color": {"condition": {"test": "datum.marked", "value": COMPARED}, "value": ACCENT},
                    "tooltip": {"field": "full", "type": "nominal"},
                },
            },
            {
                "mark": {**text, "align": "left"},
                "encoding": {"x": {"value": 0}, "text": {"field": "name", "type": "nominal"}, "color": {"value": INK}},
            },
            {
                "mark": {**text, "align": "right"},
                "encoding": {"x": {"value": WIDTH}, "text": {"field": "text", "type": "nominal"},
                             "color": {"condition": {"test": "datum.hidden", "value": SOFT}, "value": INK}},
            },
        ],
    }  # fmt: skip


def scatter(names: Sequence[str], across: Sequence[Measure], up: Sequence[Measure], titles: tuple[str, str]) -> Spec:
    """Two measures of the same areas; areas without one of them are left out."""
    rows = [
        {"x": x.value, "y": y.value, "text": f"{name}: {x.full}; {y.full}"}
        for name, x, y in zip(names, across, up, strict=True)
        if x.value is not None and y.value is not None
    ]
    axis = {"type": "quantitative", "scale": {"zero": False, "nice": True}}
    return {
        "data": {"values": rows}, "width": WIDTH - 30, "height": 260,
        "mark": {"type": "point", "filled": True, "size": 46, "opacity": 0.65, "color": ACCENT},
        "encoding": {"x": {"field": "x", **axis, "title": titles[0]}, "y": {"field": "y", **axis, "title": titles[1]},
                     "tooltip": {"field": "text", "type": "nominal"}},
    }  # fmt: skip


def histogram(bins: Sequence[tuple[float, float, int, str]], mark: float | None, title: str) -> Spec:
    """How many areas (count) have a value from low to high; ``mark`` is a value to compare with."""
    rows = [{"low": low, "high": high, "count": count, "text": text} for low, high, count, text in bins]
    x = {"field": "low", "type": "quantitative", "title": title, "scale": {"zero": False, "nice": False},
         "axis": {"grid": False, "values": [low for low, *_ in bins] + [bins[-1][1]]}}  # fmt: skip
    layers: list[Spec] = [
        {
            "mark": {"type": "rect", "color": ACCENT, "stroke": "white", "strokeWidth": 1},
            "encoding": {
                "x": x, "x2": {"field": "high"},
                "y": {"field": "count", "type": "quantitative", "title": "Anzahl der Gebiete",
                      "axis": {"tickMinStep": 1, "tickCount": 4, "format": "d"}, "scale": {"zero": True}},
                "y2": {"datum": 0},
                "tooltip": {"field": "text", "type": "nominal"},
            },
        }
    ]  # fmt: skip
    if mark is not None:
        layers.append(
            {
                "data": {"values": [{"x": mark}]},
                "mark": {"type": "rule", "stroke": "#b3541e", "strokeWidth": 2.5},
                "encoding": {"x": {"field": "x", "type": "quantitative"}},
            }
        )
    return {"data": {"values": rows}, "width": WIDTH - 30, "height": 160, "layer": layers}


def nice_bins(values: Sequence[float], wanted: int = 10) -> list[tuple[float, float, int]]:
    """Bins (low, high, count) with round borders that hold all values; the last one includes its upper border."""
    low, high = min(values), max(values)
    span = max(high - low, 1e-9 * max(abs(high), abs(low))) or 1.0
    span = max(span, 1e-12)  # below that a border could not be written
    magnitude = 10.0 ** math.floor(math.log10(span / wanted))
    step = next(factor * magnitude for factor in (1, 2, 5, 10, 20) if span / (factor * magnitude) <= wanted)
    first = math.floor(low / step + 1e-9)
    count = max(1, math.ceil(high / step - 1e-9) - first)
    borders = [round((first + place) * step, 10) for place in range(count + 1)]
    counts = [0] * count
    for value in values:
        counts[min(count - 1, max(0, math.floor((value - borders[0]) / step + 1e-9)))] += 1
    return [(borders[place], borders[place + 1], counts[place]) for place in range(count)]
