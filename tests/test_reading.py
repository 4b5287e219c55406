"""Reading large files: rows keep their line numbers whatever reads them side by side, within the configured memory.

Writes files into temporary folders.
"""

from __future__ import annotations

from datetime import date
from pathlib import Path

import duckdb
import pytest

from dagster_project import declarations, tables
from dagster_project.layout import Layout
from dagster_project.reading import read_lines, texts
from dagster_project.record_rows import record_facts
from dagster_project.settings import Project

ROOT = Path(__file__).resolve().parents[1]
ROWS = 120_000
HEADER = "kind_id;ags;strassenschluessel;strasse;hausnummer;zusatz;geburtsdatum;betreuungsart\n"
BLANK, BROKEN = (7, 50_000), (3, 90_000)  # lines of the file


@pytest.fixture(scope="module")
def layout() -> Layout:
    contract = declarations.load(Project(ROOT), "musterkreis").contracts["kita_kinder"]
    return Layout(contract, contract.files[0])


def deliver(folder: Path, spoiled: bool) -> Path:
    """A file larger than what one reader takes at a time; every row carries the number of its line."""
    path = folder / "kita_kinder_2024-03-01.csv"
    street = "Weg" * 100
    with path.open("w", encoding="utf-8", newline="") as file:
        file.write(HEADER)
        for line in range(2, ROWS + 2):
            if spoiled and line in BLANK:
                file.write("\n")
            elif spoiled and line in BROKEN:
                file.write("abgeschnitten;05399004\n")
            else:
                file.write(f"{line};05399004;00010;{street};2;;01.01.2020;Kita\n")
    return path


@pytest.mark.parametrize("spoiled", [False, True])
def test_every_row_has_the_number_of_its_line(layout: Layout, tmp_path: Path, spoiled: bool) -> None:
    path = deliver(tmp_path, spoiled)
    with tables.connect(spill=tmp_path / "spill", threads=4) as connection:
        read_lines(connection, path, layout, tmp_path, texts(layout))
        counted = connection.execute(
            "select count(*), count(*) filter (row = cast(child as bigint)) from line"
        ).fetchone()
        assert counted == (ROWS - 4, ROWS - 4) if spoiled else (ROWS, ROWS)
        broken = connection.execute("select row from broken order by row").fetchall()
        assert broken == ([(row,) for row in BROKEN] if spoiled else [])


@pytest.mark.parametrize(
    ("born", "kind", "expected"),
    [
        ("01.03.2021", "Kita", (3, "day_care_centre", None)),
        (" 02.03.2021  ", " Tagespflege ", (2, "child_minder", None)),
        ("29.02.2021", "Kita", (None, "day_care_centre", ["29.02.2021", "Kita"])),
        ("02.03.1903", "Kita", (120, "day_care_centre", None)),
        ("01.03.1903", "Kita", (None, "day_care_centre", ["01.03.1903", "Kita"])),
        ("02.03.2024", "Kita", (None, "day_care_centre", ["02.03.2024", "Kita"])),
        ("01.03.2021", " Hort ", (3, None, ["01.03.2021", "Hort"])),
        ("", " ", (None, None, ["", ""])),
    ],
)
def test_attributes_are_typed_with_or_without_space_around_them(
    layout: Layout, tmp_path: Path, born: str, kind: str, expected: tuple[object, ...]
) -> None:
    """Ages in completed years on 1 March 2024, up to 120; the texts of a row that cannot be typed are kept."""
    path = tmp_path / "kita_kinder_2024-03-01.csv"
    path.write_text(f"{HEADER}1;05399004;00010;Weg;2;;{born};{kind}\n", encoding="utf-8")
    with tables.connect() as connection:
        read_lines(connection, path, layout, tmp_path, record_facts(layout, date(2024, 3, 1)))
        assert connection.execute("select age, kind, untyped from line").fetchone() == expected


def test_every_database_keeps_within_the_configured_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOZIALRAUM_MEMORY", "64MiB")
    wide = "select range as number, repeat(range::varchar, 20) as text from range(2000000)"
    with tables.connect() as connection:
        assert connection.execute("select current_setting('memory_limit')").fetchone() == ("64.0 MiB",)
        with pytest.raises(duckdb.OutOfMemoryException):
            connection.execute(f"create table held as {wide}")
    spill = tmp_path / "spill"
    with tables.connect(spill=spill) as connection:
        connection.execute(f"create table held as {wide}")
        assert connection.execute("select count(*) from held").fetchone() == (2_000_000,)
        assert any(spill.iterdir())
    assert not spill.exists() or not any(spill.iterdir())
