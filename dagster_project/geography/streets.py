"""The street register: which house numbers of which street lie in which area of the finest level.

Reads  the file that a geography's `street_register` names.
Writes nothing.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from dagster_project.damaged_text import damage
from dagster_project.declarations import Geography
from dagster_project.declarations.territory import StreetRegister
from dagster_project.geography.faults import GeographyError, listed
from dagster_project.geography.intake import find_file
from dagster_project.geography.text_file import lines_of_rows, read_text_table
from dagster_project.tables import connect

HOUSE_NUMBER = "[0-9]{1,6}"
AFTER_ALL_LETTERS = "~"  # an empty suffix_to takes all letters of its number
SHOWN = 5


def street_ranges(geography: Geography, areas: pd.DataFrame, folders: list[Path]) -> pd.DataFrame:
    """The street register as declared: ags, street_key, number_from, suffix_from, number_to, suffix_to, side, area.

    Every house number lies in one area at most. Rows that repeat each other, or overlap within one area, are harmless.
    Raises `GeographyError` in German, naming file and lines.
    """
    register = geography.street_register
    assert register is not None
    written, lines = _read(register, folders)
    ranges = _typed(written, lines, register)
    finest = set(areas.loc[(areas["geography"] == geography.id) & (areas["level_rank"] == 0), "area"])
    astray = ~ranges["area"].isin(finest)
    if astray.any():
        raise GeographyError(
            f"{register.file}: diese Gebiete gibt es auf der Ebene {geography.levels[0].id} nicht: "
            f"{_cells(written, lines, 'area', astray)}. Bitte die Zeilen berichtigen oder das Gebiet ergänzen."
        )
    _refuse_backward(ranges, written, lines, register)
    _refuse_overlaps(ranges, written, lines, register)
    return ranges.assign(geography=geography.id)


def check_register(path: Path, register: StreetRegister) -> None:
    """Judge a street register by itself, without areas. Raises `GeographyError` as `street_ranges`."""
    register = register.model_copy(update={"file": path.name})
    written, lines = _read(register, [path.parent])
    ranges = _typed(written, lines, register)
    _refuse_backward(ranges, written, lines, register)
    _refuse_overlaps(ranges, written, lines, register)


def read_register(path: Path, register: StreetRegister) -> pd.DataFrame:
    """The file as texts. Raises `GeographyError` where it cannot be read as declared."""
    return read_text_table(path, path.name, register.delimiter, register.encoding, "street_register: encoding")


def _read(register: StreetRegister, folders: list[Path]) -> tuple[pd.DataFrame, pd.Series]:
    """The declared columns as texts under our names, and the line of the file each row begins in."""
    path = find_file(register.file, folders)
    raw = read_register(path, register)
    lacking = sorted(set(register.columns.values()) - set(raw.columns))
    if lacking:
        raise GeographyError(
            f"{register.file}: die Spalten {', '.join(lacking)} fehlen. Vorhanden: {listed(raw.columns)}. Bitte im "
            "Gliederungs-YAML unter „street_register“ Spalten und „delimiter“ prüfen."
        )
    written = raw[[*_columns(register).values()]].set_axis([*_columns(register)], axis=1)
    lines = lines_of_rows(path, register.delimiter, register.encoding)
    if len(lines) != len(raw):  # a stray quotation mark: two readers differ on where rows begin
        lines = list(range(2, len(raw) + 2))
    return written.apply(lambda column: column.str.strip()), pd.Series(lines)


def _columns(register: StreetRegister) -> dict[str, str]:
    """Our names of the columns, and those of the file."""
    return {str(name): column for name, column in register.columns.items()}


def _typed(written: pd.DataFrame, lines: pd.Series, register: StreetRegister) -> pd.DataFrame:
    ranges = written.copy()
    sides = {text: side for side, text in register.sides.items()}
    unknown = ~ranges["side"].isin(list(sides))
    if unknown.any():
        raise GeographyError(
            f"{register.file}: unbekannte Angaben der Straßenseite: {_cells(written, lines, 'side', unknown)}. Unter "
            f"„sides“ erklärt sind: {listed(sides)}."
        )
    ranges["side"] = ranges["side"].map(sides)
    for name in ("number_from", "number_to"):
        wrong = ~ranges[name].str.fullmatch(HOUSE_NUMBER)
        if wrong.any():
            raise GeographyError(
                f"{register.file}: in der Spalte {_columns(register)[name]} ist keine Hausnummer: "
                f"{_cells(written, lines, name, wrong)}. Gilt die Zeile für die ganze Straße, bitte von 1 bis 9999 "
                "schreiben."
            )
        ranges[name] = ranges[name].astype("Int64")
    for name in ("ags", "street_key"):
        empty = ranges[name] == ""
        if empty.any():
            raise GeographyError(
                f"{register.file}: die Spalte {_columns(register)[name]} ist leer in {_lines(lines[empty])}."
            )
    for name in ("ags", "street_key", "suffix_from", "suffix_to"):
        cause = ranges[name].map(damage)
        wrong = cause.notna()
        if wrong.any():
            raise GeographyError(
                f"{register.file}: in der Spalte {_columns(register)[name]} ist Text beschädigt: "
                f"{_cells(written, lines, name, wrong)} ({cause[wrong].iloc[0]}). Bitte die Datei neu exportieren."
            )
    for name in ("suffix_from", "suffix_to"):
        ranges[name] = ranges[name].str.lower()
    return ranges


def _refuse_backward(ranges: pd.DataFrame, written: pd.DataFrame, lines: pd.Series, register: StreetRegister) -> None:
    """A row that no house number can fall into: from after to, or no number of its side."""
    last_letter = ranges["suffix_to"].where(ranges["suffix_to"] != "", AFTER_ALL_LETTERS)
    backward = (ranges["number_from"] > ranges["number_to"]) | (
        (ranges["number_from"] == ranges["number_to"]) & (ranges["suffix_from"] > last_letter)
    )
    parity = ranges["side"].map({"even": 0, "odd": 1, "both": -1})
    alone = (ranges["number_from"] == ranges["number_to"]) & (parity >= 0) & (ranges["number_from"] % 2 != parity)
    for wrong, why in ((backward, "„von“ liegt hinter „bis“"), (alone, "die Hausnummer liegt nicht auf der Seite")):
        if wrong.any():
            place = int(wrong.to_numpy().argmax())
            raise GeographyError(
                f"{register.file}: {why}, keine Adresse fiele hinein: {_row(written, lines, place)}. Bitte die Zeile "
                f"berichtigen oder entfernen ({int(wrong.sum())} solche)."
            )


def _refuse_overlaps(ranges: pd.DataFrame, written: pd.DataFrame, lines: pd.Series, register: StreetRegister) -> None:
    """A house number that two rows place in two areas: nobody may be placed by chance."""
    rows = ranges.assign(place=range(len(ranges)))
    with connect() as connection:
        connection.register("ranges", rows.astype({"number_from": "int64", "number_to": "int64"}))
        found = connection.execute(
            f"""
            -- each side by itself, its ends moved to the first and last number of that side
            with of_side as (
                select *, unnest(case side when 'odd' then [1] when 'even' then [0] else [0, 1] end) as parity
                from ranges
            ),
            clipped as (
                select
                    place, ags, street_key, area, parity,
                    case when number_from % 2 = parity then number_from else number_from + 1 end as number_from,
                    case when number_from % 2 = parity then suffix_from else '' end as suffix_from,
                    case when number_to % 2 = parity then number_to else number_to - 1 end as number_to,
                    case
                        when number_to % 2 = parity then coalesce(nullif(suffix_to, ''), '{AFTER_ALL_LETTERS}')
                        else '{AFTER_ALL_LETTERS}'
                    end as suffix_to
                from of_side
            ),
            pairs as (
                select distinct one.place, other.place as other
                from clipped as one
                inner join clipped as other
                    on one.ags = other.ags and one.street_key = other.street_key and one.parity = other.parity
                    and one.place < other.place and one.area != other.area
                    and (one.number_from, one.suffix_from) <= (other.number_to, other.suffix_to)
                    and (other.number_from, other.suffix_from) <= (one.number_to, one.suffix_to)
                where (one.number_from, one.suffix_from) <= (one.number_to, one.suffix_to)
                    and (other.number_from, other.suffix_from) <= (other.number_to, other.suffix_to)
            )
            select place, other, count(*) over () as pairs from pairs order by all limit {SHOWN}
            """
        ).fetchall()
    if not found:
        return
    shown = "; ".join(f"{_row(written, lines, one)} und {_row(written, lines, other)}" for one, other, _ in found)
    count = found[0][2]
    more = f" und {count - SHOWN} weitere Paare" if count > SHOWN else ""
    raise GeographyError(
        f"{register.file}: Hausnummernbereiche einer Straße überschneiden sich und führen in verschiedene Gebiete: "
        f"{shown}{more}. Bitte die Bereiche so abgrenzen, dass jede Hausnummer in einem liegt (ein leerer Zusatz bei "
        "„bis“ schließt alle Zusätze der Hausnummer ein), und abgelaufene Zeilen entfernen."
    )


def _row(written: pd.DataFrame, lines: pd.Series, place: int) -> str:
    """A row of the file for a message, with its line."""
    row = written.iloc[place]
    first, last = f"{row['number_from']}{row['suffix_from']}", f"{row['number_to']}{row['suffix_to']}"
    return (
        f"Zeile {lines.iloc[place]} (Gemeinde {row['ags']}, Straße {row['street_key']}, {first} bis {last}, "
        f"Seite {row['side']}, Gebiet {row['area']})"
    )


def _cells(written: pd.DataFrame, lines: pd.Series, name: str, wrong: Any) -> str:
    found = zip(lines[wrong], written.loc[wrong, name], strict=True)
    return listed((f"Zeile {line} „{text}“" for line, text in found), at_most=SHOWN)


def _lines(lines: pd.Series) -> str:
    return listed((f"Zeile {line}" for line in lines), at_most=SHOWN)
