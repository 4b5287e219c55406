"""Charts; each has a name, a description in words and its values as a table.

Reads results of queries, renders templates; writes nothing.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from markupsafe import Markup

from dagster_project.reports import charts, maps, panels, series
from dagster_project.reports.errors import PageError
from dagster_project.reports.kit import Column, Kit
from dagster_project.reports.measures import SIGNS, Measure
from dagster_project.reports.queries import Result, Row
from dagster_project.reports.search import script_json
from dagster_project.reports.series import Break
from dagster_project.reports.tables import TableComponents
from dagster_project.reports.vega import CONFIG
from dagster_project.reports.wording import ascii_name, format_number, format_period, listing


class FigureComponents(TableComponents, Kit):
    """Components that show rows as pictures."""

    def line_chart(self, result: Result, title: str) -> Markup:
        """Time lines with their intervals as bands, open where the series is interrupted (see series.py).

        Columns: indicator, period, reference_date, value, status; optional ci_low, ci_high, series (a name for each
        line). The declared breaks of the indicator are marked and told.
        """
        if not result:
            return self._empty(result)
        points, newest_first = self._points(result)
        if all(point.value is None for point in points):
            return self._note("In keinem Zeitraum liegt ein Wert vor; eine Zeitreihe ist nicht möglich.")
        marked = self._breaks_within(points, {row["indicator"] for row in result})
        units = {str(row.get("unit_label") or "") for row in result}
        spec = charts.line(points, marked, unit=units.pop() or None if len(units) == 1 else None)
        words = _describe_lines(points, marked) + _describe_breaks(marked)
        if not charts.starts_at_zero(points):
            words += " Die senkrechte Achse beginnt nicht bei null."
        columns = [Column("value", "Wert", "measure")]
        if len({point.series for point in points}) > 1:
            columns.insert(0, Column("series", "Reihe"))
        return self._vega(spec, newest_first, title, Column("period", "Zeitraum", "period"), words, columns)

    def multiples(self, result: Result, title: str, common: bool = True) -> Markup:
        """Small time lines beside each other, one for each value of the column panel; else as line_chart().

        All have one upward axis, so that heights can be compared; ``common=false`` gives each its own, for panels that
        show different things. Raises PageError for a common axis of several units.
        """
        if not result:
            return self._empty(result)
        result.require(["panel"])
        units = {str(row.get("unit_label") or "") for row in result}
        if common and len(units) > 1:
            raise PageError(f"one common axis for several units: {', '.join(sorted(units))}", query=result.name)
        lines = {}
        for name in dict.fromkeys(row["panel"] for row in result):
            own = result.where(panel=name)
            points, _ = self._points(own)
            if any(point.value is not None for point in points):
                lines[name] = points, self._breaks_within(points, {row["indicator"] for row in own})
        if not lines:
            return self._note("In keinem Zeitraum liegt ein Wert vor; eine Zeitreihe ist nicht möglich.")
        shared = panels.axis(_values(point for points, _ in lines.values() for point in points)) if common else None
        drawings = [
            (
                name,
                _describe_lines(points, marked),
                panels.draw(points, marked, shared or panels.axis(_values(points))),
            )
            for name, (points, marked) in lines.items()
        ]
        words = f"{len(drawings)} Zeitreihen, "
        words += "alle mit derselben senkrechten Achse." if common else "jede mit ihrer eigenen senkrechten Achse."
        words += _describe_breaks_of({name: marked for name, (_, marked) in lines.items()})
        columns = [Column("period", "Zeitraum", "period"), Column("value", "Wert", "measure")]
        return self._figure("multiples", result, title, Column("panel", "Reihe"), words, {"panels": drawings}, columns)

    def bar_chart(self, result: Result, title: str, link: str | None = None) -> Markup:
        """Horizontal bars, one a row, in the query's order. Columns: name, value, status (+ see map).

        A column ``is_comparison`` marks rows to compare with, as the whole region, drawn grey.
        """
        if not result:
            return self._empty(result)
        result.require(["name", "value", "status"])
        measures = self._measures(result)
        compared = [bool(row.get("is_comparison")) for row in result]
        own = [measure for measure, is_compared in zip(measures, compared, strict=True) if not is_compared]
        known = [measure for measure in own if measure.value is not None]
        if not known:
            return self._note("Es liegt kein Wert vor; ein Diagramm ist nicht möglich.")
        least, most = min(known, key=lambda m: m.value or 0.0), max(known, key=lambda m: m.value or 0.0)
        words = f"{len(known)} von {len(own)} mit Wert: {least.text} bis {most.text}."
        if any(compared):
            words += f" Zum Vergleich: {listing([str(row['name']) for row in result if row.get('is_comparison')])}."
        words += self._explained({measure.status for measure in measures})
        names = [str(row["name"]) for row in result]
        spec = charts.bars(names, measures, compared)
        return self._vega(spec, result, title, Column("name", "Gebiet", link=link), words)

    def scatter(self, result: Result, title: str, across: str, up: str) -> Markup:
        """Two values of the same areas as points; ``across`` and ``up`` are the axes' titles.

        Columns: name, value, status and, for the upward axis, y_value, y_status, y_decimals, y_unit_label.
        """
        if not result:
            return self._empty(result)
        result.require(["name", "value", "status", "y_value", "y_status"])
        first, second = self._measures(result), self._measures(result, "y_value", "y_")
        both = [a for a, b in zip(first, second, strict=True) if a.value is not None and b.value is not None]
        if not both:
            return self._note("Kein Gebiet hat beide Werte; ein Diagramm ist nicht möglich.")
        names = [str(row["name"]) for row in result]
        spec = charts.scatter(names, first, second, (across, up))
        words = f"{format_number(len(both))} von {format_number(len(result))} Gebieten haben beide Werte."
        columns = [Column("value", across, "measure"), Column("y_value", up, "measure", prefix="y_")]
        return self._vega(spec, result, title, Column("name", "Gebiet"), words, columns)

    def histogram(self, result: Result, title: str, mark: Result | None = None) -> Markup:
        """How many areas have which value; ``mark`` is a one-row query whose value is drawn as a line.

        Columns: name, value, status (+ see map); mark: name, value, status.
        """
        if not result:
            return self._empty(result)
        measures = self._measures(result)
        values = [measure.value for measure in measures if measure.value is not None]
        if not values:
            return self._note("Es liegt kein Wert vor; ein Diagramm ist nicht möglich.")
        row = result[0]
        unit, decimals = row.get("unit_label"), row.get("decimals")
        bins = [
            (low, high, count, f"{format_number(low)} bis {format_number(high)}: {count} Gebiete")
            for low, high, count in charts.nice_bins(values)
        ]
        words = f"{format_number(len(values))} Gebiete mit Wert, von {self._number(min(values), decimals, unit)}"
        words += f" bis {self._number(max(values), decimals, unit)}."
        marked = self._measures(mark)[0] if mark else None
        if mark and marked and marked.value is not None:
            words += f" Die Linie zeigt {mark[0]['name']}: {marked.full}."
        spec = charts.histogram(bins, marked.value if marked else None, unit or "")
        return self._vega(spec, result, title, Column("name", "Gebiet"), words)

    def heat_map(
        self,
        result: Result,
        title: str,
        row: str = "name",
        column: str = "column",
        among: Result | None = None,
        link: str | None = None,
    ) -> Markup:
        """Areas by indicators, each field tinted by its group in its column, ``among`` the rows of another query.

        A table with numbers, so it needs no other for those who cannot see the colours. Columns: value, status (+ see
        map), and the two named by ``row`` and ``column``; ``link`` leads from an area to its page.
        """
        if not result:
            return self._empty(result)
        result.require([row, column, "value", "status"])
        found: dict[str, list[float]] = {}
        for entry in among or result:
            if entry["value"] is not None:
                found.setdefault(str(entry[column]), []).append(entry["value"])
        breaks = {name: maps.quantile_breaks(values) for name, values in found.items()}
        columns = {str(entry[column]): str(entry.get("unit_label") or "") for entry in result}
        shown = Column("value", "Wert", "measure", unit=False)
        cells: dict[str, dict[str, tuple[str, int | None]]] = {}
        hrefs: dict[str, str | None] = {}
        seen: set[str] = set()
        for entry in result:
            measure = self._measure(shown, entry, result.name)
            sign, group = SIGNS.get(measure.status, ""), None
            seen.add(measure.status)
            if measure.value is not None:
                group = bisect_left(breaks[str(entry[column])], measure.value) + 1
                sign = format_number(measure.value, entry.get("decimals")) + sign
            cells.setdefault(str(entry[row]), {})[str(entry[column])] = sign, group
            hrefs[str(entry[row])] = self._site.href(link, entry, self._root) if link else None
        words = "Je Spalte fünf etwa gleich große Gruppen von niedrig (hell) bis hoch (dunkel). "
        words += "Dunkel bedeutet hoch, nicht ungünstig."
        words += self._explained(seen)
        context = {
            "title": title, "first": "Gebiet", "columns": columns.items(), "description": words,
            "file": ascii_name(title).lower(),
            "rows": [
                (name, hrefs[name], [own.get(column, ("", None)) for column in columns]) for name, own in cells.items()
            ],
        }  # fmt: skip
        return self._site.fill("heat", context)

    # -- inside

    def _points(self, result: Result) -> tuple[list[charts.Point], Result]:
        """The points of time lines in their order, and the rows with the newest first."""
        result.require(["indicator", "period", "reference_date", "value", "status"])
        rows = sorted(result, key=lambda row: (row["reference_date"], row["period"]))
        measures = self._measures(Result(result.name, result.columns, rows, result.empty))
        points = [self._point(row, measure) for row, measure in zip(rows, measures, strict=True)]
        return points, Result(result.name, result.columns, rows[::-1], result.empty)

    def _point(self, row: Row, measure: Measure) -> charts.Point:
        low, high = (None if row.get(name) is None else float(row[name]) for name in ("ci_low", "ci_high"))
        return charts.Point(row["period"], row["reference_date"], measure, str(row.get("series") or ""), low, high)

    def _breaks_within(self, points: Sequence[charts.Point], indicators: set[str]) -> list[Break]:
        """The declared breaks of these indicators between the first and the last of these points."""
        declared = {item for indicator in indicators for item in self._site.breaks.get(indicator, ())}
        return series.passed([point.period for point in points], sorted(declared, key=lambda item: item.year))

    def _number(self, value: float, decimals: int | None, unit: str | None) -> str:
        return format_number(value, decimals) + (f"\u00a0{unit}" if unit else "")

    def _vega(
        self,
        spec: charts.Spec,
        result: Result,
        title: str,
        first: Column,
        words: str,
        columns: Sequence[Column] | None = None,
    ) -> Markup:
        script = Markup(script_json({"config": CONFIG, **spec}))  # noqa: S704 - it has no sign that ends a script
        drawing = {"svg": self._site.charts.svg(spec, f"{title}. {words}", self._figures + 1), "spec": script}
        return self._figure("chart", result, title, first, words, drawing, columns)

    def _figure(
        self,
        kind: str,
        result: Result,
        title: str,
        first: Column,
        words: str,
        drawing: Mapping[str, Any],
        columns: Sequence[Column] | None = None,
    ) -> Markup:
        shown = [first, *(columns or [Column("value", "Wert", "measure")])]
        if {"ci_low", "ci_high"} <= set(result.columns):
            shown.append(Column("ci_low", "Unsicherheit", "interval"))
        context = {
            "title": title, "number": self._next_figure(), "description": words,
            "alternative": self.table(result, shown, caption=title), **drawing,
        }  # fmt: skip
        return self._site.fill(kind, context)

    def _explained(self, statuses: set[str]) -> str:
        """The signs of these statuses in words."""
        return "".join(
            f" {sign} {self._site.words.word('status', status)}."
            for status, sign in SIGNS.items()
            if status in statuses
        )

    def _note(self, text: str) -> Markup:
        return self._site.fill("alert", {"text": text, "kind": "info"})


def _values(points: Iterable[charts.Point]) -> list[float]:
    """The values of these points and the bounds of their uncertainty."""
    return [number for point in points for number in (point.measure.value, point.low, point.high) if number is not None]


def _describe_lines(points: Sequence[charts.Point], breaks: Sequence[Break]) -> str:
    """First and last value of each unbroken stretch of each line, and the periods without one."""
    lines: dict[str, list[charts.Point]] = {}
    for point in points:
        lines.setdefault(point.series, []).append(point)
    said = []
    for name, line in lines.items():
        told = []
        for stretch in series.stretches(line, breaks):
            ends = [line[place] for place in dict.fromkeys((stretch[0], stretch[-1]))]
            told.append("; ".join(f"{format_period(point.period, point.day)}: {point.measure.full}" for point in ends))
        text = " – unterbrochen – ".join(told)
        gaps = [format_period(point.period, point.day) for point in line if point.value is None]
        if gaps:
            text += f"; kein Wert für: {', '.join(gaps)}"
        said.append((f"{name}: " if len(lines) > 1 else "") + text)
    return ". ".join(said) + "."


def _describe_breaks(breaks: Sequence[Break]) -> str:
    return "".join(f" Bruch {item.year}: {item.reason.rstrip('.')}." for item in breaks)


def _describe_breaks_of(lines: Mapping[str, Sequence[Break]]) -> str:
    """Each break once, with the lines it interrupts where those are not all of them."""
    names: dict[Break, list[str]] = {}
    for name, breaks in lines.items():
        for item in breaks:
            names.setdefault(item, []).append(name)
    return "".join(
        f" Bruch {item.year}{'' if len(found) == len(lines) else f' ({listing(found)})'}: {item.reason.rstrip('.')}."
        for item, found in sorted(names.items(), key=lambda pair: pair[0].year)
    )
