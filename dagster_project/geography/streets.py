"""The street register: which house numbers of which street lie in which area of the finest level.

Reads  the file that a geography's `street_register` names.
Writes nothing.
"""

from __future__ import annotations

import io
from pathlib import Path

import pandas as pd

from dagster_project.declarations import Geography
from dagster_project.declarations.territory import StreetRegister
from dagster_project.geography.intake import GeographyError, find_file, listed


def read_register(path: Path, register: StreetRegister) -> pd.DataFrame:
    """The file as texts. Raises `GeographyError` where it cannot be read as declared."""
    try:
        text = path.read_bytes().decode(register.encoding)
        return pd.read_csv(io.StringIO(text), sep=register.delimiter, dtype=str, keep_default_na=False)
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise GeographyError(
            f"{path.name}, Zeile {line}: die Datei ist nicht in der Zeichenkodierung {register.encoding} gespeichert. "
            "Bitte so speichern oder unter „street_register“ die richtige erklären (encoding: cp1252)."
        ) from error
    except (ValueError, OSError) as error:
        raise GeographyError(f"{path.name}: das Straßenverzeichnis ist nicht lesbar ({error}).") from error


def street_ranges(geography: Geography, areas: pd.DataFrame, folders: list[Path]) -> pd.DataFrame:
    """The street register as declared: ags, street_key, number_from, suffix_from, number_to, suffix_to, side, area."""
    register = geography.street_register
    assert register is not None
    path = find_file(register.file, folders)
    raw = read_register(path, register)
    lacking = sorted(set(register.columns.values()) - set(raw.columns))
    if lacking:
        raise GeographyError(
            f"{register.file}: die Spalten {', '.join(lacking)} fehlen. Vorhanden: {listed(raw.columns)}."
        )
    ranges = raw[list(register.columns.values())].set_axis(list(register.columns), axis=1)
    sides = {written: side for side, written in register.sides.items()}
    unknown = set(ranges["side"]) - set(sides)
    if unknown:
        raise GeographyError(f"{register.file}: unbekannte Angaben der Straßenseite: {listed(sorted(unknown))}.")
    ranges["side"] = ranges["side"].map(sides)
    for name in ("number_from", "number_to"):
        ranges[name] = pd.to_numeric(ranges[name], errors="coerce").astype("Int64")
        if ranges[name].isna().any():
            row = ranges.index[ranges[name].isna()][0] + 2
            raise GeographyError(f"{register.file}, Zeile {row}: {register.columns[name]} ist keine Hausnummer.")
    for name in ("suffix_from", "suffix_to"):
        ranges[name] = ranges[name].str.lower()
    finest = set(areas.loc[(areas["geography"] == geography.id) & (areas["level_rank"] == 0), "area"])
    astray = sorted(set(ranges["area"]) - finest)
    if astray:
        raise GeographyError(
            f"{register.file}: diese Gebiete gibt es auf der Ebene {geography.levels[0].id} nicht: {listed(astray)}."
        )
    return ranges.assign(geography=geography.id)
