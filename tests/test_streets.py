"""The street register: every house number lies in one area, and what breaks that is named with its lines.

Writes small street registers into temporary folders.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from dagster_project.declarations import Geography
from dagster_project.geography import GeographyError
from dagster_project.geography.streets import street_ranges
from dagster_project.sender import WrongUse, _judge_register

HEADER = "ags;strasse;von;von_zusatz;bis;bis_zusatz;seite;block"
COLUMNS = ("ags", "street_key", "number_from", "suffix_from", "number_to", "suffix_to", "side", "area")


def geography(**changed: Any) -> Geography:
    register = {
        "file": "strassen.csv",
        "columns": dict(zip(COLUMNS, HEADER.split(";"), strict=True)),
        "sides": {"odd": "u", "even": "g", "both": "b"},
        **changed,
    }
    layers = {"block": {"outline": "dissolve", "names": {"B1": "B1"}}}
    return Geography.model_validate(
        {
            "id": "bloecke", "title": "-", "publisher": "-", "licence": "-", "origin": "-", "street_register": register,
            "levels": [{"id": "block", "name": "Block", "plural": "Blöcke", "key": ".*"}],
            "editions": [{"id": "2020", "title": "-", "valid_from": "2020-01-01", "layers": layers}],
        }
    )  # fmt: skip


def read(folder: Path, *rows: str, written: str = "utf-8", **changed: Any) -> pd.DataFrame:
    (folder / "strassen.csv").write_bytes("\n".join([HEADER, *rows, ""]).encode(written))
    areas = pd.DataFrame({"geography": "bloecke", "level_rank": 0, "area": ["B1", "B2", "B3"]})
    return street_ranges(geography(**changed), areas, [folder])


def refused(folder: Path, *rows: str, **changed: Any) -> str:
    with pytest.raises(GeographyError) as caught:
        read(folder, *rows, **changed)
    return str(caught.value)


OVERLAPPING = {
    "both sides": ("1;10;1;;9;;b;B1", "1;10;9;;20;;b;B2"),
    "one side of both": ("1;10;1;;9;;b;B1", "1;10;4;;20;;g;B2"),
    "the whole street and a part of it": ("1;10;1;;9999;;b;B1", "1;10;7;;9;;u;B2"),
    "the whole street twice": ("1;10;1;;9999;;b;B1", "1;10;1;;9999;;b;B2"),
    "a number with all its letters and one of them": ("1;10;1;;5;;u;B1", "1;10;5;a;9;;u;B2"),
    "letters": ("1;10;5;a;5;d;u;B1", "1;10;5;D;5;f;u;B2"),
    "space around cells": ("1;10;1;;9;;b;B1", "1; 10 ;9;;20;;b;B2"),
    "accents written apart": ("1;Mühle;1;;9;;b;B1", "1;Mu\u0308hle;9;;20;;b;B2"),
    "not beside each other in the file": ("1;10;1;;9;;b;B1", "1;10;1;;3;;b;B1", "1;10;3;;3;;b;B2"),
}  # fmt: skip
APART = {
    "sides": ("1;10;1;;9;;u;B1", "1;10;2;;20;;g;B2"),
    "the number between is of the other side": ("1;10;1;;10;;u;B1", "1;10;10;;20;;u;B2"),
    "an end of the other side": ("1;10;1;;9;;u;B1", "1;10;8;;20;;g;B2"),
    "letters": ("1;10;1;;5;c;u;B1", "1;10;5;d;9;;u;B2"),
    "streets": ("1;10;1;;9;;b;B1", "1;11;1;;9;;b;B2"),
    "municipalities": ("1;10;1;;9;;b;B1", "2;10;1;;9;;b;B2"),
    "a row that stands twice": ("1;10;1;;9;;b;B1", "1;10;1;;9;;b;B1"),
    "one area": ("1;10;1;;9;;b;B1", "1;10;5;;20;;b;B1"),
}  # fmt: skip


@pytest.mark.parametrize("rows", OVERLAPPING.values(), ids=OVERLAPPING)
def test_a_house_number_in_two_areas_is_refused_naming_both_rows(tmp_path: Path, rows: tuple[str, ...]) -> None:
    message = refused(tmp_path, *rows)
    assert message.startswith("strassen.csv: Hausnummernbereiche einer Straße überschneiden sich")
    assert f"und Zeile {len(rows) + 1} (Gemeinde 1, Straße " in message
    assert "Gebiet B1) und" in message
    assert "Gebiet B2)" in message


def test_the_message_tells_both_ranges(tmp_path: Path) -> None:
    message = refused(tmp_path, "1;10;1;;9;c;u;B1", "", "1;10;9;b;20;;u;B2")
    assert (
        "Zeile 2 (Gemeinde 1, Straße 10, 1 bis 9c, Seite u, Gebiet B1) und "
        "Zeile 4 (Gemeinde 1, Straße 10, 9b bis 20, Seite u, Gebiet B2)"
    ) in message
    assert "Bitte die Bereiche so abgrenzen" in message


def test_who_checks_a_delivery_is_told_of_an_overlap_too(tmp_path: Path) -> None:
    file, register = tmp_path / "meine.csv", geography().street_register
    assert register is not None
    file.write_text("\n".join([HEADER, *APART["sides"]]), encoding="utf-8")
    _judge_register(file, register)
    file.write_text("\n".join([HEADER, *OVERLAPPING["letters"]]), encoding="utf-8")
    with pytest.raises(WrongUse, match=r"meine\.csv: Hausnummernbereiche einer Straße überschneiden sich"):
        _judge_register(file, register)


@pytest.mark.parametrize("rows", APART.values(), ids=APART)
def test_ranges_that_place_nobody_twice_are_taken(tmp_path: Path, rows: tuple[str, ...]) -> None:
    assert len(read(tmp_path, *rows)) == len(rows)


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ("1;10;9;;1;;b;B1", "Zeile 3 (Gemeinde 1, Straße 10, 9 bis 1, Seite b, Gebiet B1)"),
        ("1;10;9;c;9;a;b;B1", "„von“ liegt hinter „bis“"),
        ("1;10;8;;8;;u;B1", "die Hausnummer liegt nicht auf der Seite"),
        ("1;10;;;;;b;B1", "in der Spalte von ist keine Hausnummer: Zeile 3 „“"),
        ("1;10;1.5;;9;;b;B1", "Zeile 3 „1.5“"),
        ("1;10;１;;9;;b;B1", "Zeile 3 „１“"),
        ("1;MÃ¼hle;1;;9;;b;B1", "in der Spalte strasse ist Text beschädigt: Zeile 3 „MÃ¼hle“"),
        ("1;10;1a;;9;;b;B1", "Zeile 3 „1a“"),
        ("1;10;1;;9;;x;B1", "unbekannte Angaben der Straßenseite: Zeile 3 „x“"),
        ("1;10;1;;9;;b;B9", "gibt es auf der Ebene block nicht: Zeile 3 „B9“"),
        ("1;;1;;9;;b;B1", "die Spalte strasse ist leer in Zeile 3"),
    ],
)
def test_a_row_that_places_nobody_is_refused_with_its_line(tmp_path: Path, row: str, words: str) -> None:
    message = refused(tmp_path, "1;11;1;;9;;b;B1", row)
    assert message.startswith("strassen.csv: ")
    assert words in message


def test_another_encoding_is_named_with_the_line_until_it_is_declared(tmp_path: Path) -> None:
    rows = ("1;Süd;1;;9;;b;B1", "1;Nord;1;;9;;b;B1")
    message = refused(tmp_path, *reversed(rows), written="cp1252")
    assert message.startswith("strassen.csv, Zeile 3: das Byte 0xfc gibt es in der Kodierung utf-8 so nicht")
    assert "„street_register: encoding: cp1252“" in message
    assert "UTF-16" in refused(tmp_path, *rows, written="utf-16")
    assert set(read(tmp_path, *rows, written="utf-8-sig")["street_key"]) == {"Süd", "Nord"}
    assert set(read(tmp_path, *rows, written="cp1252", encoding="cp1252")["street_key"]) == {"Süd", "Nord"}
