"""Faulty files: what a person gets to read, and that the release in force does not change.

Reads and writes pytest's temporary folders only. Several faults, each in a file of its own, share one run.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import duckdb
import geopandas as gpd
import pytest
from kleinstadt import REGION, YEARS, Kleinstadt, write_shapefile
from runs import Place, leftovers

Fault = tuple[Callable[[Kleinstadt], Path], Callable[[bytes], bytes], list[str]]


def register(year: int) -> Callable[[Kleinstadt], Path]:
    return lambda town: town.register(year)


def monitoring(edition: int, level: str) -> Callable[[Kleinstadt], Path]:
    return lambda town: town.monitoring(edition, level)


def with_line(content: bytes, number: int, change: Callable[[bytes], bytes]) -> bytes:
    """The file with one line (from 1) changed."""
    lines = content.splitlines(keepends=True)
    lines[number - 1] = change(lines[number - 1])
    return b"".join(lines)


def without_column(content: bytes, name: bytes) -> bytes:
    rows = [line.split(b";") for line in content.splitlines()]
    place = rows[0].index(name)
    return b"".join(b";".join(row[:place] + row[place + 1 :]) + b"\r\n" for row in rows)


def workbook() -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("xl/workbook.xml", "<workbook/>")
    return content.getvalue()


FAULTS: dict[str, Fault] = {
    "truncated": (
        register(2020),
        lambda content: content[:-100],
        ["Zeile 25", "nicht so viele Spalten wie die Kopfzeile", "Ist die Datei abgeschnitten?"],
    ),
    "wrong encoding": (
        monitoring(2019, "planungsraum"),
        lambda content: content.decode("utf-8").encode("cp1252"),
        ["nicht in UTF-8 gespeichert", "Zeile 2", "Bitte als UTF-8 speichern und erneut liefern."],
    ),
    "missing column": (
        register(2019),
        lambda content: without_column(content, b"E_E25_27"),
        ["Die Spalte e_e25_27 fehlt."],
    ),
    "duplicate keys": (
        register(2018),
        lambda content: content + content.splitlines(keepends=True)[1],
        ["Dieses Gebiet steht mehrfach in der Datei. Bitte nur einmal liefern.", "01010101"],
    ),
    "an area too many": (
        register(2016),
        lambda content: content + content.splitlines(keepends=True)[1].replace(b";01010101;", b";01010199;"),
        ["01010199", "Dieses Gebiet gibt es im Gebietsstand der Lieferung zum Stichtag nicht."],
    ),
    "an area too few": (
        register(2011),
        lambda content: with_line(content, 3, lambda line: b""),
        ["Jedes Gebiet des Gebietsstands muss in der Lieferung stehen", "Betroffen: 01010102."],
    ),
    "unknown symbol": (
        register(2010),
        lambda content: with_line(content, 4, lambda line: line.rpartition(b";")[0] + b";k.A.\r\n"),
        ["Zeile 4, Spalte e_e80u110", "Das ist weder eine Zahl (Dezimalzeichen „,“) noch ein Zeichen des Vertrags."],
    ),
    "empty file": (
        monitoring(2015, "bezirksregion"),
        lambda content: b"",
        ["Die Datei ist leer. Bitte den Export wiederholen und erneut liefern."],
    ),
    "a workbook named .csv": (
        monitoring(2013, "bezirk"),
        lambda content: workbook(),
        ["Die Datei heißt wie eine CSV-Datei, ist aber eine Excel- oder ZIP-Datei. Bitte als CSV speichern."],
    ),
    "a binary file named .csv": (
        monitoring(2015, "bezirk"),
        lambda content: bytes(range(256)),
        ["Die Datei heißt wie eine CSV-Datei, ist aber eine Binärdatei. Bitte als CSV speichern."],
    ),
}


@pytest.fixture(scope="module")
def spoiled(first_run: Place, tmp_path_factory: pytest.TempPathFactory) -> tuple[Place, str, int]:
    """The town with every fault delivered after a good release: its place, what the run said, its exit code."""
    place = first_run.copy(tmp_path_factory.mktemp("faults") / "place")
    for path_of, spoil, _ in FAULTS.values():
        path = path_of(place.town)
        path.write_bytes(spoil(path.read_bytes()))
    outcome = place.run()
    return place, outcome.text, outcome.code


def sentence_about(text: str, file_name: str) -> str:
    """What the run says of one file."""
    (found,) = [line for line in text.splitlines() if f"{file_name} abgelehnt" in line]
    return found[found.index(file_name) :]


@pytest.mark.parametrize("fault", FAULTS)
def test_the_message_names_the_file_and_what_to_do(spoiled: tuple[Place, str, int], fault: str) -> None:
    place, text, _ = spoiled
    path_of, _, told = FAULTS[fault]
    file_name = path_of(place.town).name
    sentence = sentence_about(text, file_name)
    details = " ".join(line for line in text.splitlines() if f"{file_name}: " in line)
    for words in told:
        assert words in details
    assert sentence.endswith(f"Es gilt weiter {file_name} (Version 1).")


def test_only_the_faulty_files_are_refused(spoiled: tuple[Place, str, int]) -> None:
    assert spoiled[1].count(" abgelehnt: ") == len(FAULTS)


def test_faulty_files_close_the_gate_and_the_release_does_not_change(
    spoiled: tuple[Place, str, int], first_run: Place
) -> None:
    place, _, code = spoiled
    assert code == 1
    assert place.in_force() == first_run.in_force()
    assert not leftovers(place.data)


def test_with_the_good_files_put_back_the_run_is_clean(
    spoiled: tuple[Place, str, int], first_run: Place, tmp_path: Path
) -> None:
    place = spoiled[0].copy(tmp_path / "place")
    for path_of, _, _ in FAULTS.values():
        path_of(place.town).write_bytes(path_of(first_run.town).read_bytes())
    outcome = place.run()
    assert outcome.code == 0, outcome.text
    assert " abgelehnt: " not in outcome.text
    assert place.in_force() == first_run.in_force()


# ---------------------------------------------------------------- before the first release


@pytest.fixture
def empty(own_kleinstadt: Kleinstadt, tmp_path: Path) -> Place:
    """A town nothing was ever run for."""
    return Place(own_kleinstadt, tmp_path / "data")


def test_a_source_without_any_good_delivery_makes_no_release(empty: Place) -> None:
    _, spoil, told = FAULTS["truncated"]
    for year in YEARS:
        path = empty.town.register(year)
        path.write_bytes(spoil(path.read_bytes()))
    outcome = empty.run()
    assert outcome.code == 1
    sentence = sentence_about(outcome.text, path.name)
    assert told[-1] in outcome.text
    assert sentence.endswith("Eine frühere gültige Lieferung gibt es nicht, die Werte fehlen bis zur nächsten.")
    assert "Seiten: noch keine" in outcome.text
    assert not empty.data.current.exists()
    assert not empty.data.warehouse.exists()


def test_a_fault_in_the_very_first_delivery_leaves_its_values_missing(empty: Place) -> None:
    path_of, spoil, _ = FAULTS["truncated"]
    path = path_of(empty.town)
    path.write_bytes(spoil(path.read_bytes()))
    outcome = empty.run()
    assert outcome.code == 1
    values = duckdb.sql(
        f"select period, count(value) from '{empty.data.current}/parquet/mart_indicator_value.parquet' "
        "where indicator = 'population' group by period"
    ).fetchall()
    lacking = [year for year in YEARS if f"{year}-12-31" not in dict(values)]
    assert [path.name] == [empty.town.register(year).name for year in lacking]


def test_a_missing_inbox_names_every_file_and_where_it_goes(empty: Place) -> None:
    inbox = empty.town.inbox
    inbox.rename(inbox.with_name("elsewhere"))
    outcome = empty.run()
    assert outcome.code == 2
    assert f"Für die Region Kleinstadt fehlen amtliche Dateien. Bitte ablegen unter {inbox}:" in outcome.text
    for path in inbox.with_name("elsewhere").rglob("*.shp"):
        assert str(path.relative_to(inbox.with_name("elsewhere"))) in outcome.text
    for file in ("ewr/EWR<year>12E_Matrix.csv", "mss/*-social-urban-development-<year>-00-2-3.csv"):
        assert file in outcome.text
    assert not empty.data.root.exists()


def test_the_inbox_may_be_named_on_the_command_line(empty: Place, tmp_path: Path) -> None:
    outcome = empty.run("run", REGION, "--inbox", str(tmp_path / "nowhere"))
    assert outcome.code == 2
    assert f"Bitte ablegen unter {tmp_path / 'nowhere'}:" in outcome.text


# ---------------------------------------------------------------- geometry

PLANNING_AREAS = Path("geo/lor_pre2021_PLR/lor_planungsraeume.shp")


def with_overlap(areas: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    return areas.set_geometry(areas.geometry.where(areas["broker Dow"] != "01010102", areas.buffer(50)))


def with_duplicate(areas: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    return areas.assign(**{"broker Dow": areas["broker Dow"].replace("01010101", "01010102")})


def mended_by_publisher(areas: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    return areas.drop_duplicates("broker Dow")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (with_duplicate, "01010102"),
        (mended_by_publisher, "lor_planungsraeume.shp"),
        (with_overlap, "01010102"),
        (None, "lor_planungsraeume.shp: die Datei ist keine lesbare Geometriedatei"),
    ],
    ids=["duplicate key", "repair without cause", "overlap", "no geometry"],
)
def test_faulty_geometry_is_refused_and_the_release_does_not_change(
    place: Place, change: Callable[[gpd.GeoDataFrame], gpd.GeoDataFrame] | None, told: str
) -> None:
    before = place.in_force()
    path = place.town.inbox / PLANNING_AREAS
    if change:
        write_shapefile(change(gpd.read_file(path)), path)
    else:
        path.write_bytes(b"no shapefile")
    outcome = place.run()
    assert outcome.code == 2, outcome.text
    assert told in outcome.text
    assert place.in_force() == before
    assert not leftovers(place.data)
