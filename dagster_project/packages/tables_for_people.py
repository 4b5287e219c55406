"""Tables that people open: CSV as German Excel reads it, and a workbook whose first sheet can be read.

Reads  tables of the connection it is given.
Writes the files it is told. No cell can become a formula: a text that would begin one is led by an apostrophe in CSV,
       and is a text in a workbook.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import xlsxwriter

from dagster_project.tables import identifier, literal

BYTE_ORDER_MARK = "\ufeff"
# what a spreadsheet takes for the start of a formula or of a command
STARTS_A_FORMULA = "^[=+@\\t\\r\\n-]"
COLUMNS = {
    "edition": "Gebietsstand", "level": "Ebene", "area": "Gebietsschlüssel", "area_name": "Gebiet",
    "municipality": "Gemeinde", "period": "Zeitraum", "reference_date": "Stichtag", "indicator": "Kürzel",
    "indicator_name": "Indikator", "unit_label": "Einheit", "breakdown": "Merkmal", "value": "Wert", "class": "Klasse",
    "status": "Status", "reason": "Grund", "numerator": "Zähler", "denominator": "Nenner",
    "ci_low": "Untere Grenze (95 %)", "ci_high": "Obere Grenze (95 %)", "conversion_class": "Umrechnung",
    "geography": "Gliederung",
}  # fmt: skip


def write_csv(connection: duckdb.DuckDBPyConnection, table: str, path: Path) -> None:
    """UTF-8 with a byte order mark, `;`, decimal comma, a text that would begin a formula led by an apostrophe."""
    columns = connection.execute(f"describe {table}").fetchall()
    chosen = ", ".join(f"{_cell(name, kind)} as {identifier(name)}" for name, kind, *_ in columns)
    connection.execute(f"copy (select {chosen} from {table}) to {literal(path)} (format csv, header, delimiter ';')")
    path.write_bytes(BYTE_ORDER_MARK.encode() + path.read_bytes())


def _cell(name: str, kind: str) -> str:
    column = identifier(name)
    if kind == "DOUBLE":
        return f"replace(cast({column} as varchar), '.', ',')"
    if kind == "VARCHAR":
        return (
            f"case when regexp_matches({column}, {literal(STARTS_A_FORMULA)}) then '''' || {column} else {column} end"
        )
    return column


def write_workbook(
    connection: duckdb.DuckDBPyConnection, path: Path, described: dict[str, str], notes: list[str], now: datetime
) -> None:
    """A sheet to read first, the values, and what each indicator means."""
    options = {"strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False, "in_memory": True}
    with xlsxwriter.Workbook(path, options) as workbook:
        workbook.set_properties({"title": described["Region"], "created": now.replace(tzinfo=None)})
        bold, wrapped = workbook.add_format({"bold": True}), workbook.add_format({"text_wrap": True, "valign": "top"})
        sheet = workbook.add_worksheet("Lesehilfe")
        sheet.set_column(0, 0, 24)
        sheet.set_column(1, 1, 100)
        for row, (name, text) in enumerate(described.items()):
            sheet.write_string(row, 0, name, bold)
            sheet.write_string(row, 1, text)
        for row, note in enumerate(notes, start=len(described) + 1):
            sheet.write_string(row, 1, note, wrapped)
        _write_sheet(connection, workbook, "Werte", f"select {_shown()} from value")
        _write_sheet(
            connection,
            workbook,
            "Indikatoren",
            'select name as "Indikator", indicator as "Kürzel", unit_label as "Einheit", definition as "Definition", '
            'formula as "Formel", limits as "Grenzen", source_note as "Quelle" from indicator order by sort_order',
        )


def _shown() -> str:
    order = ["area_name", "indicator_name", "period", "value", "unit_label", "status"]
    columns = [*order, *(name for name in COLUMNS if name not in order)]
    return ", ".join(f"{identifier(name)} as {identifier(COLUMNS[name])}" for name in columns)


def _write_sheet(connection: duckdb.DuckDBPyConnection, workbook: Any, name: str, query: str) -> None:
    found = connection.execute(query)
    headings = [column[0] for column in found.description or []]
    rows = found.fetchall()
    sheet = workbook.add_worksheet(name)
    day, bold = workbook.add_format({"num_format": "dd.mm.yyyy"}), workbook.add_format({"bold": True})
    for column, heading in enumerate(headings):
        sheet.write_string(0, column, heading, bold)
        sheet.set_column(column, column, 16)
    for number, row in enumerate(rows, start=1):
        for column, cell in enumerate(row):
            if isinstance(cell, str):
                sheet.write_string(number, column, cell)
            elif isinstance(cell, (int, float)):
                sheet.write_number(number, column, cell)
            elif cell is not None:
                sheet.write_datetime(number, column, datetime.combine(cell, datetime.min.time()), day)
    sheet.freeze_panes(1, 0)
    sheet.autofilter(0, 0, max(len(rows), 1), max(len(headings) - 1, 0))
