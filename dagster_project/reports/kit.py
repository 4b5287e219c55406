"""What all components stand on: columns, cells, measures, and the site around them.

Reads rows of queries; writes nothing. Every text from data is escaped by the templates.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from markupsafe import Markup, escape

from dagster_project.reports.errors import PageError
from dagster_project.reports.measures import NOTHING, Measure, interval_text, read_measure
from dagster_project.reports.queries import Result, Row
from dagster_project.reports.series import Breaks
from dagster_project.reports.shapes import Shapes
from dagster_project.reports.vega import Charts
from dagster_project.reports.wording import (
    WORD_GROUPS,
    Words,
    as_text,
    format_day,
    format_number,
    format_period,
    reference_note,
)

CSS_CLASSES = {"number": "number", "measure": "number", "interval": "number", "period": "period", "spark": "spark"}
FORMATS = ("text", "number", "measure", "interval", "period", "day", "keys", "spark", *WORD_GROUPS)
ARROWS = {"rising": "↗", "falling": "↘", "steady": "→"}
OPTIONS = ("link", "decimals", "unit", "prefix", "absent", "scale", "sign", "note")


class Surroundings(Protocol):
    """What components need of the site they stand on."""

    words: Words
    charts: Charts

    @property
    def shapes(self) -> Shapes:
        """Outlines of the reporting edition."""

    @property
    def breaks(self) -> Breaks:
        """The declared breaks in the series of each indicator."""

    def fill(self, template: str, context: Mapping[str, Any]) -> Markup:
        """The template of this name, filled in."""

    def href(self, target: str, row: Row, root: str) -> str | None:
        """Address, from a file ``root`` below the site's top, of the page made of ``target`` for this row."""


@dataclass(frozen=True)
class Column:
    """A table's column: the query's column, its heading and how to show it.

    ``scale`` tints the cells by five groups of equal size, ``sign`` puts a sign before a word, as of a traffic light,
    ``note`` names the query's column with a text that stands small behind the value.
    """

    name: str
    label: str
    format: str = "text"
    link: str | None = None
    decimals: int | None = None
    unit: bool = True
    prefix: str = ""
    absent: str = NOTHING
    scale: bool = False
    sign: bool = False
    note: str | None = None


@dataclass(frozen=True)
class Cell:
    """What stands in a table's cell: ``words`` marks a text in the place of a number, ``tint`` its group from 1."""

    text: str | Markup
    href: str | None = None
    note: str = ""
    words: bool = False
    tint: int | None = None
    sign: str = ""


class Kit:
    """The base of all components for one rendered file.

    ``root`` leads from the file to the top of the site, ``path`` is its own address; ``files`` collects what is to be
    written beside it.
    """

    def __init__(self, site: Surroundings, root: str, path: str) -> None:
        self._site = site
        self._root = root
        self._path = path
        self._figures = 0
        self.files: dict[str, bytes] = {}

    # -- shared by the components

    def _empty(self, result: Result) -> Markup:
        return Markup('<p class="empty">{}</p>\n').format(result.empty)

    def _next_figure(self) -> int:
        self._figures += 1
        return self._figures

    def _measures(self, result: Result, column: str = "value", prefix: str = "") -> list[Measure]:
        shown = Column(column, "Wert", "measure", prefix=prefix)
        return [self._measure(shown, row, result.name) for row in result]

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
            sign = str(value).lower() if column.sign else ""
            note = str(row[column.note] or "") if column.note else ""
            return Cell(self._text(column, value, row), href, note, sign=sign)
        except PageError as error:
            raise PageError(f'column "{column.name}": {error.message}', query=query) from None

    def _text(self, column: Column, value: Any, row: Row) -> str | Markup:
        if column.format in WORD_GROUPS:
            return self._site.words.word(column.format, value)
        if column.format == "number":
            decimals = row.get("decimals", 0) if column.decimals is None else column.decimals
            return format_number(value, decimals)
        formats: dict[str, Callable[[Any], str]] = {"day": format_day, "keys": self._site.words.keys}
        return breakable(formats.get(column.format, as_text)(value))


def breakable(text: str) -> str | Markup:
    """The text with places where a line may break in names such as Rahnsdorf/Hessenwinkel or seu_2024.csv."""
    if "/" not in text and "_" not in text:
        return text
    return Markup(re.sub("([/_])", r"\1<wbr>", str(escape(text))))  # noqa: S704 - escaped before


def make_column(name: str, label: str, format: str = "text", **options: Any) -> Column:  # noqa: A002  (the word page authors write)
    """A Column; raises PageError for an unknown format or option."""
    if format not in FORMATS:
        raise PageError(f'column "{name}": unknown format "{format}"; allowed: {", ".join(FORMATS)}')
    unknown = set(options) - set(OPTIONS)
    if unknown:
        raise PageError(f'column "{name}": unknown option {", ".join(sorted(unknown))}')
    return Column(name, label, format, **options)
