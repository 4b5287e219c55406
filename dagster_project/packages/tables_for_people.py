"""Tables that people open: CSV as German Excel reads it, a workbook whose first sheet can be read, a table of areas.

Reads  tables of the connection it is given.
Writes the files it is told. No cell can become a formula: a text that would begin one is led by an apostrophe in CSV,
       and is a text in a workbook.
"""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import xlsxwriter

from dagster_project.packages.selection import Parcel
from dagster_project.tables import STARTS_A_FORMULA, identifier, literal

BYTE_ORDER_MARK = "\ufeff"
SHEET_NAME = 24  # characters; Excel allows 31, and some are for what is added
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


def write_workbook(connection: duckdb.DuckDBPyConnection, parcel: Parcel, path: Path) -> None:
    """A sheet to read first, the values, and what each indicator means."""
    with _workbook(parcel, path) as workbook:
        _write_guide(workbook, parcel, [*_latest_day(connection), *_notes(parcel)])
        _write_sheet(connection, workbook, "Werte", f"select {_shown()} from value")
        _write_sheet(
            connection,
            workbook,
            "Indikatoren",
            'select name as "Indikator", indicator as "Kürzel", unit_label as "Einheit", definition as "Definition", '
            'formula as "Formel", limits as "Grenzen", source_note as "Quelle" from indicator order by sort_order',
        )


def write_area_table(connection: duckdb.DuckDBPyConnection, parcel: Parcel, path: Path) -> None:
    """A row for each area and a column for each indicator and period: what atlases (KECK, Kommunalatlas) take.

    For each edition and level one sheet with numbers alone, empty where there is none, and one of the same shape with
    the statuses.
    """
    notes = [
        "Je Ebene und Gebietsstand ein Blatt mit Zahlen und eines mit dem Status an derselben Stelle. Eine Zeile ist "
        "ein Gebiet, eine Spalte ein Indikator in einem Zeitraum.",
        *_latest_day(connection),
        *_notes(parcel),
    ]
    blocks = connection.execute(
        "select v.edition, v.level, any_value(a.level_plural) from value as v "
        "inner join area as a using (geography, edition, level, area) "
        "group by v.edition, v.level order by min(a.level_rank), v.edition"
    ).fetchall()
    with _workbook(parcel, path) as workbook:
        _write_guide(workbook, parcel, notes)
        for number, (edition, level, plural) in enumerate(blocks, start=1):
            title = re.sub(r"[^\w -]", "", f"{number} {plural} {edition}")[:SHEET_NAME]  # what Excel allows
            for column, name in (("value", title), ("status", f"{title} Status")):
                _write_sheet(connection, workbook, name, _pivoted(connection, column, edition, level))


def _pivoted(connection: duckdb.DuckDBPyConnection, shown: str, edition: str, level: str) -> str:
    """A query with a row for each area of a block and a column for each indicator, part and period."""
    block = f"edition = {literal(edition)} and level = {literal(level)}"
    columns = connection.execute(
        f"""
        select v.indicator, v.breakdown, v.period, any_value(concat_ws(
            ' ', v.indicator_name, '(' || v.unit_label || ')', nullif(v.breakdown, 'total'), v.period
        ))
        from value as v inner join indicator as i using (indicator)
        where {block}
        group by v.indicator, v.breakdown, v.period, i.sort_order
        order by i.sort_order, v.indicator, v.breakdown, v.period
        """
    ).fetchall()
    cells = ", ".join(
        f"any_value({shown}) filter (where (indicator, breakdown, period) = "
        f"({literal(indicator)}, {literal(breakdown)}, {literal(period)})) as {identifier(heading)}"
        for indicator, breakdown, period, heading in columns
    )
    return (
        f'select area as "Gebietsschlüssel", any_value(area_name) as "Gebiet", any_value(municipality) as "Gemeinde", '
        f"{cells} from value where {block} group by area order by area"
    )


def _workbook(parcel: Parcel, path: Path) -> xlsxwriter.Workbook:
    """A workbook in which a text stays a text; the same content is the same bytes."""
    options = {"strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False, "in_memory": True}
    workbook = xlsxwriter.Workbook(path, options)
    workbook.set_properties({"title": parcel.title, "created": parcel.now.replace(tzinfo=None)})
    return workbook


def _write_guide(workbook: xlsxwriter.Workbook, parcel: Parcel, notes: list[str]) -> None:
    bold, wrapped = workbook.add_format({"bold": True}), workbook.add_format({"text_wrap": True, "valign": "top"})
    described = {
        "Region": parcel.region.name,
        "Empfänger": parcel.recipient.name,
        "Veröffentlichung": parcel.release,
    }
    sheet = workbook.add_worksheet("Lesehilfe")
    sheet.set_column(0, 0, 24)
    sheet.set_column(1, 1, 100)
    for row, (name, text) in enumerate(described.items()):
        sheet.write_string(row, 0, name, bold)
        sheet.write_string(row, 1, text)
    for row, note in enumerate(notes, start=len(described) + 1):
        sheet.write_string(row, 1, note, wrapped)


def _latest_day(connection: duckdb.DuckDBPyConnection) -> list[str]:
    """The newest day as the marts define it, of the indicators in this package; an older release does not know it."""
    columns = {name for name, *_ in connection.execute("describe indicator").fetchall()}
    if "latest_reference_date" not in columns:
        return []
    found = connection.execute("select max(latest_reference_date) from indicator").fetchone()
    return [f"Neuester Stichtag: {found[0]:%d.%m.%Y}."] if found and found[0] else []


def _notes(parcel: Parcel) -> list[str]:
    return [
        f"Zweck der Übermittlung: {', '.join(parcel.purposes)}. Zu anderen Zwecken dürfen die Daten nicht verwendet "
        "werden, soweit sie nicht ohnehin veröffentlicht sind.",
        "Kleine Zahlen und solche, aus denen sie sich errechnen ließen, sind nicht ausgewiesen (Status suppressed). "
        "Ein leeres Feld darf nicht als Null gelesen werden.",
        "Status: published veröffentlicht; estimated geschätzt; unreliable eingeschränkt belastbar; suppressed nicht "
        "ausgewiesen; missing liegt nicht vor; not_applicable nicht anwendbar.",
    ]


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
