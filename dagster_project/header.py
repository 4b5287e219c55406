"""The first line of a delivered file: which column of the contract stands where.

Reads  the first record of one text file in UTF-8.
Writes nothing.
"""

from __future__ import annotations

import csv
from pathlib import Path

from dagster_project.breaches import Breach, Unreadable
from dagster_project.damaged_text import damage
from dagster_project.declarations import Column
from dagster_project.layout import Layout


def column_names(path: Path, layout: Layout) -> list[str]:
    """Names of the file's columns as the contract calls them ('' for columns to be left behind)."""
    written, header = _first_record(path, layout)
    found = [layout.column(name) for name in header]
    if not any(found):
        raise Unreadable(_no_header(written, header, layout))
    breaches = (
        _damaged(header, found, layout)
        or _missing(header, found, layout)
        or (_unknown(header, found) if layout.other_columns == "refuse" else [])
    )
    if breaches:
        raise Unreadable(*breaches)
    return [column.name if column and column.role != "ignore" else "" for column in found]


def _first_record(path: Path, layout: Layout) -> tuple[str, list[str]]:
    """The first line as it stands, and the cells it holds."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        written = file.readline().rstrip("\r\n")
        file.seek(0)
        try:
            return written, next(csv.reader(file, delimiter=layout.delimiter))
        except csv.Error:  # an open quotation mark makes the whole file one cell
            return written, []


def _no_header(written: str, header: list[str], layout: Layout) -> Breach:
    # of records the first line may be a person's
    quoted = f" („{_start(written)}“)" if header and layout.contract.shape == "table" else ""
    return Breach(
        "wrong_header",
        f"Die erste Zeile nennt keine Spalte des Vertrags{quoted}. "
        f"Erwartet wird eine Kopfzeile mit {_start(', '.join(column.name for column in layout.read_columns))}, "
        f"Trennzeichen „{_named(layout.delimiter)}“.",
    )


def _damaged(header: list[str], found: list[Column | None], layout: Layout) -> list[Breach]:
    """Names no column can be told by, and names that a whole contract would know were they not damaged."""
    return [
        Breach(
            "damaged_text",
            f"Die {number}. Spalte „{_start(name)}“ ist unleserlich: {cause}. "
            "Bitte die Datei in der vereinbarten Zeichenkodierung neu exportieren.",
            name,
        )
        for number, (name, column) in enumerate(zip(header, found, strict=True), start=1)
        if column is None and (cause := damage(name))
    ]


def _missing(header: list[str], found: list[Column | None], layout: Layout) -> list[Breach]:
    unknown = [name for name, column in zip(header, found, strict=True) if column is None]
    present = [column.name for column in found if column is not None and column.role != "ignore"]
    missing = [
        Breach(
            "missing_column",
            f"Die Spalte {' oder '.join([column.name, *column.aliases])} fehlt. In der Kopfzeile unbekannt: "
            f"{_start(', '.join(unknown)) or 'keine'}. Erwartetes Trennzeichen: „{_named(layout.delimiter)}“.",
            column.name,
        )
        for column in layout.read_columns
        if column.required and column.name not in present
    ]
    return missing + [
        Breach("repeated_column", f"Die Spalte {name} steht mehrfach in der Kopfzeile.", name)
        for name in sorted({name for name in present if present.count(name) > 1})
    ]


def _unknown(header: list[str], found: list[Column | None]) -> list[Breach]:
    return [
        Breach(
            "unknown_column",
            f"Die {number}. Spalte „{_start(name)}“ steht nicht im Vertrag. Bitte weglassen oder "
            "im Vertrag mit „role: ignore“ erklären.",
            name,
        )
        for number, (name, column) in enumerate(zip(header, found, strict=True), start=1)
        if column is None
    ]


def _named(delimiter: str) -> str:
    return "Tabulator" if delimiter == "\t" else delimiter


def _start(text: str) -> str:
    """A text that fits into a sentence."""
    return text if len(text) <= 120 else f"{text[:120]} …"
