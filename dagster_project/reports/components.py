"""What a page may call: texts and blocks here, and the tables, figures and profiles of the other modules.

Reads results of queries, renders ``templates/*.html.j2``; writes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from markupsafe import Markup

from dagster_project.reports import outline
from dagster_project.reports.errors import PageError
from dagster_project.reports.kit import ARROWS, Cell, Column, Kit, make_column
from dagster_project.reports.map_figures import MapComponents
from dagster_project.reports.profiles import ProfileComponents
from dagster_project.reports.queries import Result, Row
from dagster_project.reports.wording import as_text


class TextComponents(Kit):
    """Components that are words, numbers and frames around them."""

    def column(self, name: str, label: str, format: str = "text", **options: Any) -> Column:  # noqa: A002  (the word page authors write)
        """Describe a table column; options: link, decimals, unit, prefix, absent, scale, sign (see Column)."""
        return make_column(name, label, format, **options)

    def link(self, target: str, row: Row, text: str) -> Markup:
        """A link to ``folder/[parameter].md``, parameters taken from the row; plain text if one is null."""
        href = self._site.href(target, row, self._root)
        return Markup('<a href="{}">{}</a>').format(href, text) if href else Markup("{}").format(text)

    def value(self, result: Result, column: str, format: str = "text", **options: Any) -> Markup | str:  # noqa: A002  (the word page authors write)
        """One value of the query's only row, as text."""
        if not result:
            return result.empty or ""
        row = result.only("value()")
        cell = self._cell(make_column(column, column, format, **options), row, result.name)
        return Markup("{} <small>{}</small>").format(cell.text, cell.note) if cell.note else cell.text

    def figures(self, result: Result, columns: Sequence[Column]) -> Markup:
        """Key figures of the query's only row, as a list of large numbers."""
        if not result:
            return self._empty(result)
        row = result.only("figures()")
        cells = [(column.label, self._cell(column, row, result.name)) for column in columns]
        return self._site.fill("figures", {"cells": cells})

    def big_value(self, result: Result, label: str, compared: str | None = None, link: str | None = None) -> Markup:
        """A large value with what it is compared with and where it goes.

        Columns: value, status (+ see map); with ``compared`` (the name of what is compared with) also
        compared_value, compared_status; optional trend, period, reference_date.
        """
        if not result:
            return self._empty(result)
        row = result.only("big_value()")
        measure = self._cell(Column("value", label, "measure"), row, result.name)
        other: Cell | None = None
        if compared:
            result.require(["compared_value", "compared_status"])
            other = self._cell(Column("compared_value", compared, "measure", prefix="compared_"), row, result.name)
        period = self._cell(Column("period", "Zeitraum", "period"), row, result.name) if row.get("period") else None
        trend = row.get("trend")
        context = {
            "label": label, "cell": measure, "compared": compared, "other": other, "period": period,
            "href": self._site.href(link, row, self._root) if link else None,
            "arrow": ARROWS.get(trend) if trend else None,
            "trend": self._site.words.word("trend", trend) if trend else "",
        }  # fmt: skip
        return self._site.fill("big_value", context)

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

    def badge(self, text: str, kind: str = "plain") -> Markup:
        """A short label; kind: plain, good, warning or critical. The words say it, the colour only repeats it."""
        self._one_of("badge", kind, ("plain", "good", "warning", "critical"))
        return Markup('<span class="badge {}">{}</span>').format(kind, text)

    def contents(self) -> Markup:
        """The list of this page's headings."""
        return outline.CONTENTS

    # -- blocks: called as {% call alert() %} … {% endcall %}, or with a text

    def alert(self, text: str = "", kind: str = "info", caller: Callable[[], Markup] | None = None) -> Markup:
        """A framed note; kind: info or warning."""
        self._one_of("alert", kind, ("info", "warning"))
        return self._site.fill("alert", {"text": caller() if caller else text, "kind": kind})

    def details(self, summary: str, caller: Callable[[], Markup]) -> Markup:
        """A part that the reader opens by clicking on ``summary``."""
        return self._site.fill("details", {"summary": summary, "content": caller()})

    def search_results(self, caller: Callable[[], Markup]) -> Markup:
        """Where the browser puts what the search field finds; until then, and without JavaScript, the text inside."""
        return Markup('<div id="suchergebnisse">\n{}\n</div>\n').format(caller())

    def grid(self, columns: int = 2, caller: Callable[[], Markup] | None = None) -> Markup:
        """Parts beside each other where there is room for them: 2, 3 or 4."""
        self._one_of("grid", columns, (2, 3, 4))
        return Markup('<div class="grid of-{}">\n{}\n</div>\n').format(columns, caller() if caller else "")

    def part(self, title: str, kind: str = "part", caller: Callable[[], Markup] | None = None) -> Markup:
        """A part with a heading that stays together, as one cell of a grid(); kind: part or downloads."""
        self._one_of("part", kind, ("part", "downloads"))
        return Markup('<section class="{}">\n<h2>{}</h2>\n{}\n</section>\n').format(
            kind, title, caller() if caller else ""
        )

    def beside(self, picture: Markup | str, caller: Callable[[], Markup]) -> Markup:
        """A text with a small picture at its side where there is room for it; an empty picture leaves the text."""
        if not picture:
            return caller()
        return Markup('<div class="beside">\n<div>\n{}\n</div>\n{}\n</div>\n').format(caller(), picture)

    def tabs(self, caller: Callable[[], Markup]) -> Markup:
        """Parts of which a browser shows one at a time; each is a {% call tab("Title") %}."""
        return Markup('<div class="tabs">\n{}\n</div>\n').format(caller())

    def tab(self, title: str, caller: Callable[[], Markup]) -> Markup:
        """One part of tabs(); without JavaScript and in print all stand below each other."""
        return self._site.fill("tab", {"title": title, "content": caller()})

    # -- inside

    def _one_of(self, component: str, value: Any, allowed: Sequence[Any]) -> None:
        if value not in allowed:
            raise PageError(f'{component}(): unknown kind "{value}"; allowed: {", ".join(map(str, allowed))}')


class Components(TextComponents, MapComponents, ProfileComponents):
    """The components for one rendered file."""

    @classmethod
    def names(cls) -> tuple[str, ...]:
        """The names a page may use."""
        found = {
            name
            for part in cls.__mro__
            if issubclass(part, Kit)
            for name, member in vars(part).items()
            if callable(member) and not name.startswith("_")
        }
        return tuple(sorted(found))
