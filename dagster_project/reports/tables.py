"""Tables, lists of areas, and files to download.

Reads results of queries, renders templates; the files it makes are written by ``build``.
"""

from __future__ import annotations

import csv
import io
from bisect import bisect_left
from collections.abc import Sequence
from datetime import date
from typing import Any

from markupsafe import Markup

from dagster_project.reports import sparks
from dagster_project.reports.errors import PageError
from dagster_project.reports.kit import CSS_CLASSES, Cell, Column, Kit
from dagster_project.reports.maps import quantile_breaks
from dagster_project.reports.queries import Result, Row
from dagster_project.reports.wording import ascii_name, format_number

INTERACTIVE_FROM = 8
Line = list[tuple[str, str | None, Cell]]
_FORMULA_SIGNS = ("=", "+", "-", "@", "\t", "\r")


class TableComponents(Kit):
    """Components that show rows as rows."""

    def table(
        self,
        result: Result,
        columns: Sequence[Column],
        caption: str | None = None,
        group: str | None = None,
        folded: str | None = None,
        totals: Result | None = None,
    ) -> Markup:
        """A table of all rows; from eight rows on, browsers can sort and search it and save what is shown as CSV.

        ``group`` names a column whose consecutive equal values get one heading; ``folded`` is the text the reader
        clicks on to see a long table; ``totals`` is a query with the same columns whose rows stand below. A column of
        intervals is left out where no row has one.
        """
        if not result:
            return self._empty(result)
        columns = [column for column in columns if not _is_empty_interval(column, result)]
        notes = [column.note for column in columns if column.note]
        result.require([column.name for column in columns] + notes + ([group] if group else []))
        heads = [(column.label, CSS_CLASSES.get(column.format)) for column in columns]
        breaks = {column.name: self._breaks(column, result) for column in columns if column.scale}
        groups: list[tuple[str | None, list[Line]]] = []
        for row in result:
            heading = row[group] if group else None
            if not groups or groups[-1][0] != heading:
                groups.append((heading, []))
            groups[-1][1].append(self._line(heads, columns, row, result.name, breaks))
        context = {
            "heads": heads, "groups": groups, "caption": caption, "folded": folded,
            "totals": [self._line(heads, columns, row, totals.name, {}) for row in totals or ()] if totals else [],
            "interactive": len(result) >= INTERACTIVE_FROM,
            "file": ascii_name(f"{caption or 'tabelle'}").lower(),
        }  # fmt: skip
        return self._site.fill("table", context)

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

    def download(self, result: Result, text: str, name: str, columns: Sequence[Column] | None = None) -> Markup:
        """A link to all rows as a CSV file beside the page (UTF-8, semicolon, decimal comma, as Excel expects it).

        ``columns`` chooses and names the columns; without it the query's own are written.
        """
        chosen = [(column.name, column.label) for column in columns] if columns else [(n, n) for n in result.columns]
        result.require([column for column, _ in chosen])
        text_file = io.StringIO()
        writer = csv.writer(text_file, delimiter=";", lineterminator="\r\n")
        writer.writerow([label for _, label in chosen])
        columns_written = [column for column, _ in chosen]
        writer.writerows(map(csv_text, row.pick(columns_written)) for row in result)
        path = f"{self._path.removesuffix('.html')}-{ascii_name(name)}.csv"
        self.files[path] = text_file.getvalue().encode("utf-8-sig")
        address = path.rsplit("/", 1)[-1]
        size = format_number(max(1, round(len(self.files[path]) / 1000)), 0)
        return Markup('<a class="download" href="{}" download>{} <small>CSV, {} kB</small></a>').format(
            address, text, size
        )

    # -- inside

    def _line(
        self,
        heads: Sequence[tuple[str, str | None]],
        columns: Sequence[Column],
        row: Row,
        query: str,
        breaks: dict[str, list[float]],
    ) -> Line:
        cells = (self._shown(column, row, query, breaks.get(column.name)) for column in columns)
        return [(*head, cell) for head, cell in zip(heads, cells, strict=True)]

    def _shown(self, column: Column, row: Row, query: str, breaks: list[float] | None) -> Cell:
        if column.format == "spark":
            moments = sparks.read_moments(row[column.name])
            drawn = sparks.draw(moments, self._site.breaks.get(row["indicator"], ()))
            return Cell(self._site.fill("spark", drawn) if drawn else column.absent)
        cell = self._cell(column, row, query)
        value = row[column.name]
        if breaks is None or value is None:
            return cell
        return Cell(cell.text, cell.href, cell.note, cell.words, bisect_left(breaks, value) + 1)

    def _breaks(self, column: Column, result: Result) -> list[float]:
        values = [row[column.name] for row in result if row[column.name] is not None]
        return quantile_breaks(values) if values else []


def csv_text(value: Any) -> str:
    """A value as German Excel reads it; a text that would be taken for a formula gets an apostrophe before it."""
    if isinstance(value, str):
        return f"'{value}" if value.startswith(_FORMULA_SIGNS) else value
    if value is None:
        return ""
    if isinstance(value, bool):
        return "ja" if value else "nein"
    if isinstance(value, (int, float)):
        return repr(value).removesuffix(".0").replace(".", ",")
    if isinstance(value, date):
        return value.isoformat()
    return csv_text(str(value))


def _is_empty_interval(column: Column, result: Result) -> bool:
    if column.format != "interval":
        return False
    return all(row[f"{column.prefix}ci_low"] is None for row in result)
