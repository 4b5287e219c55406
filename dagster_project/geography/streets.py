"""The street register: which house numbers of which street lie in which area of the finest level.

Reads  the file that a geography's `street_register` names.
Writes nothing.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from dagster_project.declarations import Geography
from dagster_project.geography.intake import GeographyError, find_file, listed


def street_ranges(geography: Geography, areas: pd.DataFrame, folders: list[Path]) -> pd.DataFrame:
    """The street register as declared: ags, street_key, number_from, suffix_from, number_to, suffix_to, side, area."""
    register = geography.street_register
    assert register is not None
    path = find_file(register.file, folders)
    raw = pd.read_csv(path, sep=register.delimiter, dtype=str, keep_default_na=False)
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
