"""What a page may call: values, figures, tables, trees, maps, charts.

Reads results of queries, renders ``templates/*.html.j2``; writes nothing. Every text from data is escaped there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from markupsafe import Markup

from dagster_project.reports import charts, maps
from dagster_project.reports.errors import PageError
from dagster_project.reports.measures import NOTHING, Measure, interval_text, read_measure
from dagster_project.reports.queries import Result, Row
from dagster_project.reports.shapes import LOCATOR_TOLERANCE, MAP_UNITS, Shapes
from dagster_project.reports.wording import (
    WORD_GROUPS,
    Words,
    as_text,
    format_day,
    format_number,
    format_period,
    reference_note,
)

_CSS_CLASSES = {"number": "number", "measure": "number", "interval": "number", "period": "period"}
_FORMATS = ("text", "number", "measure", "interval", "period", "day", "keys", *WORD_GROUPS)
_OPTIONS = ("link", "decimals", "unit", "prefix", "absent")


class Surroundings(Protocol):
    """What components need of the site they stand on."""

    words: Words

    @property
    def shapes(self) -> Shapes:
        """Outlines of the reporting edition."""

    def fill(self, template: str, context: Mapping[str, Any]) -> Markup:
        """The template of this name, filled in."""

    def href(self, target: str, row: Row, root: str) -> str | None:
        """Address, from a file ``root`` below the site's top, of the page made of ``target`` for this row."""


@dataclass(frozen=True)
class Column:
    """A table's column: the query's column, its heading and how to show it."""

    name: str
    label: str
    format: str = "text"
    link: str | None = None
    decimals: int | None = None
    unit: bool = True
    prefix: str = ""
    absent: str = NOTHING


@dataclass(frozen=True)
class Cell:
    """What stands in a table's cell: ``words`` marks a text in the place of a number."""

    text: str
    href: str | None = None
    note: str = ""
    words: bool = False


class Components:
    """The components for one rendered file; ``root`` leads from it to the top of the site."""

    def __init__(self, site: Surroundings, root: str) -> None:
        self._site = site
        self._root = root
        self._figures = 0

    @classmethod
    def names(cls) -> tuple[str, ...]:
        """The names a page may use."""
        return tuple(name for name in vars(cls) if not name.startswith("_") and name != "names")

    # -- small things

    def column(self, name: str, label: str, format: str = "text", **options: Any) -> Column:  # noqa: A002  (the word page authors write)
        """Describe a table column; options: link, decimals, unit, prefix, absent (see Column)."""
        if format not in _FORMATS:
            raise PageError(f'column "{name}": unknown format "{format}"; allowed: {", ".join(_FORMATS)}')
        unknown = set(options) - set(_OPTIONS)
        if unknown:
            raise PageError(f'column "{name}": unknown option {", ".join(sorted(unknown))}')
        return Column(name, label, format, **options)

    def link(self, target: str, row: Row, text: str) -> Markup:
        """A link to ``folder/[parameter].md``, parameters taken from the row; plain text if one is null."""
        href = self._site.href(target, row, self._root)
        return Markup('<a href="{}">{}</a>').format(href, text) if href else Markup("{}").format(text)

    def value(self, result: Result, column: str, format: str = "text", **options: Any) -> Markup | str:  # noqa: A002  (the word page authors write)
        """One value of the query's only row, as text."""
        if not result:
            return result.empty or ""
        row = result.only("value()")
        cell = self._cell(self.column(column, column, format, **options), row, result.name)
        return Markup("{} <small>{}</small>").format(cell.text, cell.note) if cell.note else cell.text

    def figures(self, result: Result, columns: Sequence[Column]) -> Markup:
        """Key figures of the query's only row, as a list of large numbers."""
        if not result:
            return self._empty(result)
        row = result.only("figures()")
        cells = [(column.label, self._cell(column, row, result.name)) for column in columns]
        return self._site.fill("figures", {"cells": cells})

    def alert(self, text: str, kind: str = "info") -> Markup:
        """A framed note; kind: info or warning."""
        if kind not in ("info", "warning"):
            raise PageError(f'alert(): unknown kind "{kind}"; allowed: info, warning')
        return self._site.fill("alert", {"text": text, "kind": kind})

    def facts(self, pairs: Sequence[tuple[str, Any]]) -> Markup:
        """Labels with their texts, one below the other; pairs whose text is null or empty are left out."""
        said = [
            (label, text.strip() if isinstance(text, Markup) else as_text(text))
            for label, text in pairs
            if text not in (None, "")
        ]
        return self._site.fill("facts", {"pairs": said})

    def breadcrumb(self, result: Result, link: str) -> Markup:
        """The way from the top to this page; the last row is the page itself and no link. Columns: name."""
        if not result:
            return self._empty(result)
        steps = [(row["name"], self._site.href(link, row, self._root)) for row in result]
        return self._site.fill("breadcrumb", {"steps": steps})

    # -- tables and lists

    def table(
        self,
        result: Result,
        columns: Sequence[Column],
        caption: str | None = None,
        group: str | None = None,
        folded: str | None = None,
    ) -> Markup:
        """A table of all rows.

        ``group`` names a column whose consecutive equal values get one heading; ``folded`` is the text the reader
        clicks on to see a long table. A column of intervals is left out where no row has one.
        """
        if not result:
            return self._empty(result)
        columns = [column for column in columns if not _is_empty_interval(column, result)]
        result.require([column.name for column in columns] + ([group] if group else []))
        heads = [(column.label, _CSS_CLASSES.get(column.format)) for column in columns]
        groups: list[tuple[str | None, list[list[tuple[str, str | None, Cell]]]]] = []
        for row in result:
            heading = row[group] if group else None
            if not groups or groups[-1][0] != heading:
                groups.append((heading, []))
            cells = (self._cell(column, row, result.name) for column in columns)
            groups[-1][1].append([(*head, cell) for head, cell in zip(heads, cells, strict=True)])
        return self._site.fill("table", {"heads": heads, "groups": groups, "caption": caption, "folded": folded})

    def tree(self, result: Result, link: str) -> Markup:
        """Areas by parent. Columns: level, area, parent_level, parent, name, level_name, population."""
        if not result:
            return self._empty(result)
        present = {(row["level"], row["area"]) for row in result}
        children: dict[tuple[str, str] | None, list[Row]] = {}
        for row in result:
            parent = (row["parent_level"], row["parent"])
            children.setdefault(parent if parent in present else None, []).append(row)
        if None not in children:
            raise PageError("the areas' parents form a circle", query=result.name)

        def branch(row: Row) -> dict[str, Any]:
            return {
                "name": row["name"],
                "level": row["level_name"],
                "population": "" if row["population"] is None else format_number(row["population"], 0),
                "href": self._site.href(link, row, self._root),
                "children": [branch(child) for child in children.get((row["level"], row["area"]), [])],
            }

        return self._site.fill("tree", {"roots": [branch(row) for row in children[None]]})

    # -- maps and charts

    def map(self, result: Result, title: str, link: str | None = None) -> Markup:
        """A choropleth of one level: five groups of equal size, or the classes of an index.

        Columns: level, area, name, value, status; optional reason, class, decimals, unit_label. Areas of the level
        that the query leaves out are drawn white. Raises PageError for an area the reporting edition does not have,
        for mixed levels or a repeated area.
        """
        if not result:
            return self._empty(result)
        result.require(["level", "area", "name", "value", "status"])
        level = result[0]["level"]
        self._check_areas(result, level)
        names, paths = self._site.shapes.names(level), self._site.shapes.paths(level)
        asked = {row["area"] for row in result}
        measures = self._measures(result)
        colouring = maps.colour(measures, result[0].get("decimals"), result[0].get("unit_label"))
        shapes = [
            {
                "path": paths[row["area"]],
                "fill": fill,
                "text": f"{row['name']}: {measure.full}",
                "href": self._site.href(link, row, self._root) if link else None,
                "overlay": measure.status if measure.status in ("estimated", "unreliable") else None,
            }
            for row, measure, fill in zip(result, measures, colouring.fills, strict=True)
            if row["area"] in paths
        ]
        if not shapes:
            return self.alert("Zu diesen Gebieten liegen keine Grenzen vor; eine Karte ist nicht möglich.")
        drawing = {
            "description": colouring.description,
            "shapes": shapes,
            "others": [(path, names[area]) for area, path in paths.items() if area not in asked],
            "legend": colouring.legend,
            "undrawn": len(measures) - len(shapes),
            "view_box": self._site.shapes.view_box,
        }
        return self._chart("map", result, title, Column("name", "Gebiet", link=link), drawing)

    def locator(self, result: Result, title: str) -> Markup:
        """Where the query's only area lies in the coarsest level's outlines. Columns: level, area."""
        if not result:
            return self._empty(result)
        row, shapes = result.only("locator()"), self._site.shapes
        self._check_areas(result, row["level"])
        centre = shapes.centre(row["level"], row["area"])
        if centre is None:
            return self.alert("Zu diesem Gebiet liegen keine Grenzen vor; eine Lagekarte ist nicht möglich.")
        x, y, half = centre
        context = {
            "title": title,
            "outlines": list(shapes.paths(shapes.outline_level, LOCATOR_TOLERANCE).values()),
            "area": shapes.paths(row["level"], LOCATOR_TOLERANCE)[row["area"]],
            "ring": (x, y, half + 40) if half < MAP_UNITS / 20 else None,
            "view_box": shapes.view_box,
        }
        return self._site.fill("locator", context)

    def line_chart(self, result: Result, title: str) -> Markup:
        """A time line, broken where a value is null. Columns: period, reference_date, value, status."""
        if not result:
            return self._empty(result)
        result.require(["period", "reference_date", "value", "status"])
        rows = sorted(result, key=lambda row: (row["reference_date"], row["period"]))
        ordered = Result(result.name, result.columns, rows, result.empty)
        measures = self._measures(ordered)
        if all(measure.value is None for measure in measures):
            return self.alert("In keinem Zeitraum liegt ein Wert vor; eine Zeitreihe ist nicht möglich.")
        drawing = charts.line([(row["period"], row["reference_date"]) for row in rows], measures)
        newest_first = Result(result.name, result.columns, rows[::-1], result.empty)
        return self._chart("line_chart", newest_first, title, Column("period", "Zeitraum", "period"), drawing)

    def bar_chart(self, result: Result, title: str, link: str | None = None) -> Markup:
        """Horizontal bars, one a row, in the query's order. Columns: name, value, status (+ see map)."""
        if not result:
            return self._empty(result)
        result.require(["name", "value", "status"])
        measures = self._measures(result)
        if all(measure.value is None for measure in measures):
            return self.alert("Es liegt kein Wert vor; ein Diagramm ist nicht möglich.")
        drawing = charts.bars([str(row["name"]) for row in result], measures)
        return self._chart("bar_chart", result, title, Column("name", "Gebiet", link=link), drawing)

    # -- inside

    def _empty(self, result: Result) -> Markup:
        return Markup('<p class="empty">{}</p>\n').format(result.empty)

    def _chart(self, kind: str, result: Result, title: str, first: Column, drawing: Mapping[str, Any]) -> Markup:
        self._figures += 1
        columns = [first, Column("value", "Wert", "measure")]
        if {"ci_low", "ci_high"} <= set(result.columns):
            columns.append(Column("ci_low", "Unsicherheit", "interval"))
        alternative = self.table(result, columns, caption=title)
        return self._site.fill(kind, {"title": title, "number": self._figures, "alternative": alternative, **drawing})

    def _check_areas(self, result: Result, level: str) -> None:
        known, seen = self._site.shapes.names(level), set()
        for row in result:
            if row["level"] != level:
                raise PageError(
                    f'a map shows one level, the query has "{level}" and "{row["level"]}"', query=result.name
                )
            if row["area"] not in known:
                raise PageError(f'unknown area key "{row["area"]}" on level "{level}"', query=result.name)
            if row["area"] in seen:
                raise PageError(f'area "{row["area"]}" occurs twice in the map', query=result.name)
            seen.add(row["area"])

    def _measures(self, result: Result) -> list[Measure]:
        return [self._measure(Column("value", "Wert", "measure"), row, result.name) for row in result]

    def _measure(self, column: Column, row: Row, query: str) -> Measure:
        try:
            return read_measure(
                row,
                column.name,
                self._site.words,
                unit=column.unit,
                prefix=column.prefix,
                absent=column.absent,
            )
        except PageError as error:
            raise error.at(query=query) from None

    def _cell(self, column: Column, row: Row, query: str) -> Cell:
        href = self._site.href(column.link, row, self._root) if column.link else None
        if column.format == "measure":
            measure = self._measure(column, row, query)
            return Cell(measure.text, href, measure.note, measure.value is None)
        if column.format == "interval":
            return Cell(interval_text(row, column.decimals, column.prefix))
        value = row[column.name]
        if value is None:
            return Cell(column.absent, href)
        try:
            if column.format == "period":
                return Cell(format_period(value), href, reference_note(value, row.get("reference_date")))
            return Cell(self._text(column, value, row), href)
        except PageError as error:
            raise PageError(f'column "{column.name}": {error.message}', query=query) from None

    def _text(self, column: Column, value: Any, row: Row) -> str:
        if column.format in WORD_GROUPS:
            return self._site.words.word(column.format, value)
        if column.format == "number":
            decimals = row.get("decimals", 0) if column.decimals is None else column.decimals
            return format_number(value, decimals)
        formats: dict[str, Callable[[Any], str]] = {"day": format_day, "keys": self._site.words.keys}
        return formats.get(column.format, as_text)(value)


def _is_empty_interval(column: Column, result: Result) -> bool:
    if column.format != "interval":
        return False
    return all(row[f"{column.prefix}ci_low"] is None for row in result)
