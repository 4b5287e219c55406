"""Landing: good files become exact rows, bad ones a German sentence per fault, and nothing happens twice.

Reads Berlin's open data where it is at hand; writes deliveries of the made-up town into temporary folders.
"""

from __future__ import annotations

import dataclasses
import hashlib
import hmac
import re
import shutil
import stat
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import duckdb
import kleinstadt as town
import pandas as pd
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from kleinstadt import Kleinstadt

from dagster_project import decisions, declarations, deliveries, gate, geography, landing
from dagster_project.declarations import Contract, Declarations, ReferenceDate
from dagster_project.deliveries import Receipt
from dagster_project.settings import Project, RegionData
from dagster_project.tables import region_secret, write_json

YEAR = 2011  # a year of the register without any dirt
REGISTER, MONITORING = "ewr", "mss_shares"
REGISTER_NAME = f"EWR{YEAR}12E_Matrix.csv"
MONITORING_NAME = "kleinstadt-social-urban-development-2013-00-2-1.csv"
SHARES = ["s1", "s2", "s3", "s4", "d1", "d2", "d3", "d4"]


@dataclass(frozen=True)
class Desk:
    """An empty data folder of the made-up town with its areas, and a hand that lays files into the inbox."""

    declared: Declarations
    data: RegionData

    def put(self, name: str, content: bytes | str) -> Path:
        contract = REGISTER if name.startswith("EWR") else MONITORING
        path = self.data.inbox / self.declared.contracts[contract].folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode("utf-8") if isinstance(content, str) else content)
        return path

    def land(self, source: str = REGISTER, **changes: Any) -> list[Receipt]:
        contract = self.declared.contracts[source]
        if changes:
            contract = Contract.model_validate({**contract.model_dump(), **changes})
        return landing.land(self.declared.region, contract, self.data)

    def breaches(self, receipt: Receipt) -> list[tuple[Any, ...]]:
        """Row, column, value and rule of every breach; None where there is none."""
        frame = landing.load_breaches(self.data, receipt)
        assert set(frame["delivery"]) <= {receipt.delivery}
        assert set(frame["file_name"]) <= {receipt.file_name}
        assert frame["reason"].str.endswith(("„;“.", "„,“.", "?", ".")).all()
        found = frame[["row", "column_name", "value", "rule"]].astype(object)
        return list(found.where(found.notna(), None).itertuples(index=False, name=None))

    def rows(self, receipt: Receipt) -> pd.DataFrame:
        """The landed rows of one delivery."""
        return duckdb.sql(f"from read_parquet('{self.raw(receipt)}')").df()

    def raw(self, receipt: Receipt) -> Path:
        return self.data.raw / receipt.source / f"{receipt.delivery}.parquet"

    def files(self) -> dict[Path, tuple[bytes, int]]:
        """Content and time of every file that landing writes."""
        folders = (self.data.raw, self.data.quarantine, self.data.receipts)
        return {
            path: (path.read_bytes(), 0 if path.name.startswith("_") else path.stat().st_mtime_ns)
            for folder in folders
            for path in folder.rglob("*.*")
        }


@pytest.fixture(scope="session")
def town_areas(kleinstadt: Kleinstadt, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("areas")
    declared = declarations.load(kleinstadt.project, town.REGION)
    geography.build(declared.region, list(declared.geographies.values()), [kleinstadt.inbox], output)
    return output


@pytest.fixture(scope="session")
def declared(kleinstadt: Kleinstadt) -> Declarations:
    return declarations.load(kleinstadt.project, town.REGION)


@pytest.fixture
def desk(declared: Declarations, town_areas: Path, tmp_path: Path) -> Desk:
    data = RegionData(root=tmp_path / "data" / town.REGION, inbox=tmp_path / "inbox")
    shutil.copytree(town_areas, data.geography)
    return Desk(declared, data)


@pytest.fixture
def register(kleinstadt: Kleinstadt) -> str:
    """A clean file of the register: 23 areas, CRLF, semicolons."""
    return kleinstadt.register(YEAR).read_bytes().decode("utf-8")


@pytest.fixture
def monitoring(kleinstadt: Kleinstadt) -> str:
    """A clean table of the monitoring: 23 areas, of which two are left out and carry zeros."""
    return kleinstadt.monitoring(2013).read_bytes().decode("utf-8")


def lines(text: str) -> list[str]:
    return text.splitlines(keepends=True)


def with_cell(line: int, column: str, value: str) -> Callable[[str], str]:
    """Replace the cell of one line (as an editor counts) in a column (as the header names it)."""

    def edit(text: str) -> str:
        separator = ";" if ";" in text else ","
        found = lines(text)
        position = [name.strip('"\r\n').casefold() for name in found[0].split(separator)].index(column)
        cells = found[line - 1].rstrip("\r\n").split(separator)
        ending = found[line - 1][len(found[line - 1].rstrip("\r\n")) :]
        cells[position] = value
        found[line - 1] = separator.join(cells) + ending
        return "".join(found)

    return edit


def without_line(line: int) -> Callable[[str], str]:
    return lambda text: "".join(part for number, part in enumerate(lines(text), start=1) if number != line)


def with_line_again(line: int, after: int) -> Callable[[str], str]:
    return lambda text: "".join([*lines(text)[:after], lines(text)[line - 1], *lines(text)[after:]])


def chained(*edits: Callable[[str], str]) -> Callable[[str], str]:
    def edit(text: str) -> str:
        for step in edits:
            text = step(text)
        return text

    return edit


# ---------------------------------------------------------------- (a) Berlin, against an independent reading


@pytest.fixture(scope="module")
def landed_berlin(berlin: RegionData, tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Receipt]]:
    declared = declarations.load(Project(town.CHECKOUT), "berlin")
    return {
        source: landing.land(declared.region, declared.contracts[source], berlin) for source in (REGISTER, MONITORING)
    }


def test_berlin_every_file_is_accepted(landed_berlin: dict[str, list[Receipt]]) -> None:
    register, monitoring = landed_berlin[REGISTER], landed_berlin[MONITORING]
    assert [receipt.period for receipt in register] == [f"{year}-12-31" for year in range(2001, 2021)]
    assert len(monitoring) == 9
    for receipt in [*register, *monitoring]:
        assert (receipt.verdict, receipt.reasons, receipt.rows_quarantined) == ("accepted", [], 0), receipt.file_name
    assert [receipt.rows_accepted for receipt in register] == [447] * 18 + [448] * 2
    assert [receipt.period for receipt in register if receipt.rows_skipped] == ["2009-12-31"]
    expected = {"bezirk": 12, "bezirksregion": 138, "planungsraum": 447}
    assert all(receipt.rows_accepted == expected[receipt.level] for receipt in monitoring if receipt.period == "2013")
    assert {receipt.reference_date for receipt in monitoring} == {"2012-12-31", "2014-12-31", "2018-12-31"}


def test_berlin_the_register_sums_to_an_independent_reading(
    landed_berlin: dict[str, list[Receipt]], berlin: RegionData
) -> None:
    landed = duckdb.sql(
        f"""
        select year(reference_date) as year, column_name, sum(value)::bigint as value
        from read_parquet('{berlin.raw / REGISTER}/*.parquet') group by all
        """
    ).df()
    sums = landed.set_index(["year", "column_name"])["value"].sort_index()
    expected = {}
    for path in sorted((berlin.inbox / "ewr").glob("*.csv")):
        frame = pd.read_csv(path, sep=";", decimal=",", dtype={"RAUMID": str}).dropna(subset=["RAUMID"])
        for name in frame.columns[7:]:
            ours = name.lower() if name.lower().startswith("e_e") else f"e_e{name.lower()[2:]}"
            expected[int(path.name[3:7]), ours] = int(frame[name].sum())
    assert len(expected) == 20 * 44
    assert sums.to_dict() == expected


def test_berlin_the_monitoring_equals_an_independent_reading(
    landed_berlin: dict[str, list[Receipt]], berlin: RegionData
) -> None:
    for receipt in landed_berlin[MONITORING]:
        rows = duckdb.sql(f"from read_parquet('{berlin.raw / MONITORING / receipt.delivery}.parquet')").df()
        wide = rows.pivot(index="area", columns="column_name", values="value")[["inhabitants", *SHARES]].sort_index()
        frame = pd.read_csv(berlin.inbox / "mss" / receipt.file_name, dtype={"id": str}).set_index("id").sort_index()
        frame = frame.iloc[:, 1:].set_axis(["inhabitants", *SHARES], axis=1).astype(float)
        frame.loc[(frame[["s1", "s3", "s4"]] == 0).all(axis=1), SHARES] = float("nan")
        pd.testing.assert_frame_equal(wide, frame, check_names=False)
        assert (rows["value"].isna() == (rows["status"] == "missing")).all()


# ---------------------------------------------------------------- the made-up town, against its truth


def test_all_files_of_the_town_are_accepted_with_all_their_dirt(
    declared: Declarations, kleinstadt: Kleinstadt, town_areas: Path, tmp_path: Path
) -> None:
    data = RegionData(root=tmp_path / "town", inbox=kleinstadt.inbox)
    shutil.copytree(town_areas, data.geography)
    receipts = Desk(declared, data).land(REGISTER)
    assert [receipt.verdict for receipt in receipts] == ["accepted"] * len(town.YEARS)
    assert {receipt.period[:4] for receipt in receipts if receipt.rows_skipped} == {"2009"}
    landed = duckdb.sql(
        f"""
        select year(reference_date) as year, area, column_name, value::bigint as value
        from read_parquet('{data.raw / REGISTER}/*.parquet')
        """
    ).df()
    truth = kleinstadt.truth.residents.melt(["year", "area"], var_name="column_name")
    keys = ["year", "area", "column_name"]
    pd.testing.assert_frame_equal(
        landed.sort_values(keys).reset_index(drop=True),
        truth.sort_values(keys).reset_index(drop=True),
        check_dtype=False,
    )


def test_a_seed_gives_the_same_deliveries_again(kleinstadt: Kleinstadt, tmp_path: Path) -> None:
    same, other = town.build(tmp_path / "same"), town.build(tmp_path / "other", seed=2)

    def deliveries(of: Kleinstadt) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in of.inbox.glob("*/*.csv")}

    assert len(deliveries(kleinstadt)) == len(town.YEARS) + len(town.EDITIONS) * len(town.LEVELS)
    assert deliveries(same) == deliveries(kleinstadt)
    assert not set(deliveries(other).values()) & set(deliveries(kleinstadt).values())


def test_the_truth_of_the_town_adds_up(kleinstadt: Kleinstadt) -> None:
    residents = kleinstadt.truth.residents
    groups = [f"e_e{name}" for name in town.GROUPS]
    assert (residents[list(town.BANDS)].sum(axis=1) == residents["e_e"]).all()
    assert (residents[groups].sum(axis=1) == residents["e_e"]).all()
    assert (residents["e_em"] + residents["e_ew"] == residents["e_e"]).all()
    cases = kleinstadt.truth.cases
    assert all((cases[share] <= cases[denominator]).all() for share, denominator in town.DENOMINATORS.items())


def test_shares_recover_the_true_counts(desk: Desk, kleinstadt: Kleinstadt) -> None:
    for edition in town.EDITIONS:
        desk.put(kleinstadt.monitoring(edition).name, kleinstadt.monitoring(edition).read_bytes())
    for receipt in desk.land(MONITORING):
        counts = kleinstadt.truth.counts(int(receipt.reference_date[:4]), "planungsraum")
        rows = desk.rows(receipt).query("status == 'reported' and column_name in @town.SHARES")
        assert len(rows) == (len(counts) - len(town.SMALL_AREAS)) * (3 if receipt.period == "2019" else 4)
        for row in rows.itertuples():
            denominator = counts.loc[row.area, town.DENOMINATORS[row.column_name]]
            assert round(row.value * denominator / 100) == counts.loc[row.area, row.column_name]


def test_what_a_landed_row_says(desk: Desk, register: str) -> None:
    desk.put(REGISTER_NAME, register)
    [receipt] = desk.land()
    rows = desk.rows(receipt)
    assert len(rows) == 23 * 44
    [row] = rows.query("area == '01010102' and column_name == 'e_e03_05'").to_dict("records")
    assert pd.isna(row.pop("sex"))
    assert row == {
        "delivery": receipt.delivery,
        "source": REGISTER,
        "municipality": town.MUNICIPALITY,
        "geography": "lor",
        "edition": "2006",
        "level": "planungsraum",
        "period": "2011-12-31",
        "reference_date": pd.Timestamp("2011-12-31"),
        "row": 3,
        "area": "01010102",
        "column_name": "e_e03_05",
        "breakdown": "age",
        "age_from": 3,
        "age_to": 5,
        "value": float(lines(register)[2].split(";")[13]),
        "status": "reported",
    }
    empty = duckdb.sql(f"from read_parquet('{desk.data.raw / REGISTER / '_columns.parquet'}')").df()
    assert list(empty.columns) == list(rows.columns)
    assert empty.empty


# ---------------------------------------------------------------- (b) faults of the file as a whole

WHOLE_FILE: list[tuple[str, Callable[[str], str | bytes], str, list[str]]] = [
    ("empty", lambda text: "", "empty_file", ["Die Datei ist leer", "erneut liefern"]),
    ("blank", lambda text: "\ufeff\r\n\r\n  \r\n", "empty_file", ["Die Datei ist leer"]),
    ("header only", lambda text: lines(text)[0], "no_rows", ["keine Datenzeilen"]),
    (
        "xlsx",
        lambda text: b"PK\x03\x04" + text.encode(),
        "no_text_file",
        ["Excel- oder ZIP-Datei", "als CSV speichern"],
    ),
    ("xls", lambda text: b"\xd0\xcf\x11\xe0" + bytes(600), "no_text_file", ["Binärdatei"]),
    ("NUL bytes", lambda text: text.replace(";", "\x00"), "no_text_file", ["Binärdatei"]),
    ("UTF-16", lambda text: text.encode("utf-16"), "no_text_file", ["Binärdatei"]),
    (
        "cp1252",
        lambda text: with_cell(5, "stadtraum", "Größe")(text).encode("cp1252"),
        "wrong_encoding",
        ["nicht in UTF-8", "Zeile 5, Byte 0xF6"],
    ),
    (
        "ends within a letter",
        lambda text: text.encode() + "ü".encode()[:1],
        "wrong_encoding",
        ["Zeile 25, Byte 0xC3"],
    ),
    (
        "wrong separator",
        lambda text: text.replace(";", ","),
        "wrong_header",
        ["ZEIT,RAUMID", "Trennzeichen „;“"],
    ),
    ("no header", lambda text: "".join(lines(text)[1:]), "wrong_header", ["201112;01010101", "raumid, zeit"]),
    ("open quotation in the header", lambda text: '"' + text * 20, "wrong_header", ["Kopfzeile mit raumid"]),
    (
        "open quotation in a row",
        with_cell(4, "stadtraum", '"1'),
        "open_quotation",
        ["In Zeile 4", "Anführungszeichen"],
    ),
    (
        "mixed line ends",
        lambda text: text.replace("\r\n", "\n", 1).replace("\r\n", "\r", 5),
        "mixed_line_ends",
        ["Zeilenenden"],
    ),
    (
        "two rows without key",
        lambda text: text + 2 * (";" * 50 + "\r\n"),
        "too_many_skipped_rows",
        ["2 Zeilen (ab Zeile 25)", "höchstens 1"],
    ),
]


@pytest.mark.parametrize(("edit", "rule", "words"), [pytest.param(*case[1:], id=case[0]) for case in WHOLE_FILE])
def test_a_file_that_cannot_be_taken_says_why(
    desk: Desk, register: str, edit: Callable[[str], str | bytes], rule: str, words: list[str]
) -> None:
    desk.put(REGISTER_NAME, edit(register))
    [receipt] = desk.land()
    assert (receipt.verdict, receipt.rows_read, receipt.rows_accepted) == ("rejected", 0, 0)
    [reason] = receipt.reasons
    assert all(word in reason for word in words), reason
    assert [breach[3] for breach in desk.breaches(receipt)] == [rule]
    assert not desk.raw(receipt).exists()


@pytest.mark.parametrize(
    ("edit", "rule", "column", "words"),
    [
        pytest.param(
            lambda text: text.replace("E_EM", "MAENNER"),
            "missing_column",
            "e_em",
            ["Die Spalte e_em fehlt", "unbekannt: MAENNER"],
            id="renamed",
        ),
        pytest.param(
            lambda text: text.replace(";E_EW", "", 1),
            "missing_column",
            "e_ew",
            ["Die Spalte e_ew fehlt", "unbekannt: keine"],
            id="missing",
        ),
        pytest.param(
            lambda text: text.replace("E_1U6", "E_E"),
            "missing_column",
            "e_e1u6",
            ["e_e1u6 oder e_1u6 fehlt"],
            id="missing with aliases",
        ),
        pytest.param(
            lambda text: text.replace("STADTRAUM", "E_E"),
            "repeated_column",
            "e_e",
            ["Die Spalte e_e steht mehrfach"],
            id="repeated",
        ),
        pytest.param(
            lambda text: text.replace("STADTRAUM", "NOTIZ"),
            "unknown_column",
            "NOTIZ",
            ["Die 7. Spalte „NOTIZ“", "role: ignore"],
            id="unknown",
        ),
        pytest.param(
            lambda text: text.replace("\r\n", ";\r\n"),
            "unknown_column",
            "",
            ["Die 52. Spalte „“"],
            id="separator at the end of every line",
        ),
    ],
)
def test_a_wrong_header_names_the_column(
    desk: Desk, register: str, edit: Callable[[str], str], rule: str, column: str, words: list[str]
) -> None:
    desk.put(REGISTER_NAME, edit(register))
    [receipt] = desk.land()
    assert receipt.verdict == "rejected"
    assert (None, column, None, rule) in desk.breaches(receipt)
    assert any(all(word in reason for word in words) for reason in receipt.reasons), receipt.reasons


def test_unknown_columns_may_be_left_behind(desk: Desk, register: str) -> None:
    desk.put(REGISTER_NAME, register.replace("STADTRAUM", "NOTIZ"))
    [receipt] = desk.land(other_columns="ignore")
    assert receipt.verdict == "accepted"


@pytest.mark.parametrize(
    "edit",
    [
        pytest.param(lambda text: "\ufeff" + text, id="BOM"),
        pytest.param(lambda text: text.replace("\r\n", "\n"), id="LF"),
        pytest.param(lambda text: text.replace("\r\n", "\r"), id="CR"),
        pytest.param(lambda text: text.rstrip("\r\n"), id="no line end at the end"),
        pytest.param(lambda text: text.replace("ZEIT;RAUMID", " zeit ;Raumid"), id="header in other letters"),
        pytest.param(with_cell(4, "stadtraum", '"eins; zwei"'), id="separator within quotation marks"),
        pytest.param(with_cell(4, "stadtraum", 'Gro"sse'), id="quotation mark within a word"),
        pytest.param(with_cell(4, "e_e", " 180 "), id="blanks around a number"),
        pytest.param(with_cell(4, "e_e", "180,00"), id="integer with decimals"),
    ],
)
def test_harmless_differences_change_nothing(desk: Desk, register: str, edit: Callable[[str], str]) -> None:
    desk.put(REGISTER_NAME, register)
    [plain] = desk.land()
    desk.put(REGISTER_NAME, edit(register))
    other = desk.land()[-1]
    assert (other.version, other.verdict, other.reasons) == (2, "accepted", [])
    expected, found = desk.rows(plain), desk.rows(other)
    pd.testing.assert_frame_equal(found.drop(columns="delivery"), expected.drop(columns="delivery"))


# ---------------------------------------------------------------- (b) faults of single rows

NOT_A_NUMBER = "Das ist weder eine Zahl (Dezimalzeichen „,“) noch ein Zeichen des Vertrags."
NO_AREA = "Dieses Gebiet gibt es im Gebietsstand der Lieferung zum Stichtag nicht. Bitte den Schlüssel prüfen."
BROKEN = "Die Zeile hat nicht so viele Spalten wie die Kopfzeile. Ist die Datei abgeschnitten?"
TWICE = "Dieses Gebiet steht mehrfach in der Datei. Bitte nur einmal liefern."

ROWS: list[tuple[str, Callable[[str], str], list[tuple[Any, ...]], str]] = [
    ("unknown symbol", with_cell(7, "e_ew", "..."), [(7, "e_ew", "...", "not_a_number")], NOT_A_NUMBER),
    ("decimal point", with_cell(7, "e_e", "2930.00"), [(7, "e_e", "2930.00", "not_a_number")], NOT_A_NUMBER),
    (
        "thousands separator",
        with_cell(7, "e_e", "2.930"),
        [(7, "e_e", "2.930", "not_a_number")],
        NOT_A_NUMBER,
    ),
    ("thousands blank", with_cell(7, "e_e", "2 930"), [(7, "e_e", "2 930", "not_a_number")], NOT_A_NUMBER),
    ("exponent", with_cell(7, "e_e", "1e3"), [(7, "e_e", "1e3", "not_a_number")], NOT_A_NUMBER),
    ("nan", with_cell(7, "e_e", "NaN"), [(7, "e_e", "NaN", "not_a_number")], NOT_A_NUMBER),
    (
        "beyond all numbers",
        with_cell(7, "e_e", "9" * 400),
        [(7, "e_e", "9" * 400, "not_a_number")],
        NOT_A_NUMBER,
    ),
    (
        "negative",
        with_cell(7, "e_e", "-3"),
        [(7, "e_e", "-3", "out_of_range")],
        "Der Wert liegt außerhalb des erlaubten Bereichs (mindestens 0).",
    ),
    (
        "no integer",
        with_cell(7, "e_e", "2,5"),
        [(7, "e_e", "2,5", "not_an_integer")],
        "Hier wird eine ganze Zahl erwartet.",
    ),
    (
        "empty cell",
        with_cell(7, "e_ew", ""),
        [(7, "e_ew", "", "empty")],
        "Der Wert fehlt. Bitte die Zahl oder ein im Vertrag erklärtes Zeichen eintragen.",
    ),
    (
        "duplicate key",
        with_line_again(3, after=5),
        [(3, "raumid", "01010102", "duplicate_key"), (6, "raumid", "01010102", "duplicate_key")],
        TWICE,
    ),
    (
        "an area too many",
        chained(with_line_again(24, after=24), with_cell(25, "raumid", "99999999")),
        [(25, "raumid", "99999999", "unknown_area")],
        NO_AREA,
    ),
    (
        "an area that is not yet",
        chained(with_line_again(24, after=24), with_cell(25, "raumid", town.NEW_AREA)),
        [(25, "raumid", town.NEW_AREA, "unknown_area")],
        NO_AREA,
    ),
    (
        "an area of the newer edition",
        with_cell(7, "raumid", "01100101"),
        [(7, "raumid", "01100101", "unknown_area")],
        NO_AREA,
    ),
    (
        "a key with a digit too many",
        with_cell(2, "raumid", "010101011"),
        [(2, "raumid", "010101011", "unknown_area")],
        NO_AREA,
    ),
    (
        "wrong period in a row",
        with_cell(7, "zeit", "201012"),
        [(7, "zeit", "201012", "wrong_period")],
        "In der Spalte steht nicht der Zeitraum 201112, den der Dateiname nennt.",
    ),
    ("unquoted separator", with_cell(7, "stadtraum", "1;2"), [(7, None, ..., "broken_row")], BROKEN),
    ("truncated", lambda text: text[: text.index("01020202") + 30], [(12, None, ..., "broken_row")], BROKEN),
    (
        "a line of notes",
        lambda text: text + "Quelle: Melderegister\r\n",
        [(25, None, "Quelle: Melderegister", "broken_row")],
        BROKEN,
    ),
]


@pytest.mark.parametrize(("edit", "breaches", "reason"), [pytest.param(*case[1:], id=case[0]) for case in ROWS])
def test_a_faulty_row_is_named_with_line_column_and_value(
    desk: Desk, register: str, edit: Callable[[str], str], breaches: list[tuple[Any, ...]], reason: str
) -> None:
    content = edit(register)
    desk.put(REGISTER_NAME, content)
    [receipt] = desk.land()
    found = desk.breaches(receipt)
    for (row, column, value, rule), expected in zip(found, breaches, strict=True):
        in_file = lines(content)[row - 1].strip()
        text = in_file[:200] if expected[2] is ... else expected[2]
        assert (row, column, value, rule) == (*expected[:2], text, expected[3])
        assert value in in_file
    assert set(landing.load_breaches(desk.data, receipt)["reason"]) == {reason}
    read = len(lines(content)) - 1
    assert (receipt.rows_read, receipt.rows_quarantined) == (read, len(breaches))
    assert receipt.verdict == "rejected"
    assert receipt.reasons[0] == f"{len(breaches)} von {read} Zeilen verletzen den Vertrag (erlaubt: 0 %)."
    assert reason in receipt.reasons[1]
    assert f"Zeile {breaches[0][0]}" in receipt.reasons[1]
    assert not desk.raw(receipt).exists()


def test_every_row_of_another_period_is_refused(desk: Desk, register: str) -> None:
    desk.put(REGISTER_NAME, register.replace("201112;", "201012;"))
    [receipt] = desk.land()
    assert (receipt.verdict, receipt.rows_quarantined) == ("rejected", 23)
    assert "den der Dateiname nennt. (und 22 weitere)" in receipt.reasons[1]


def test_numbers_above_the_maximum_are_named_with_both_bounds(desk: Desk, monitoring: str) -> None:
    desk.put(MONITORING_NAME, with_cell(3, "s1_percentage_unemployed", "100.5")(monitoring))
    [receipt] = desk.land(MONITORING)
    assert desk.breaches(receipt) == [(3, "s1", "100.5", "out_of_range")]
    assert "außerhalb des erlaubten Bereichs (mindestens 0, höchstens 100)." in receipt.reasons[1]


def test_line_numbers_are_right_behind_broken_and_blank_lines(desk: Desk, register: str) -> None:
    found = lines(register)
    found[3] = "kaputt\r\n"
    found[7] = found[7].rstrip() + ";zu;viel\r\n"
    found.insert(9, "\r\n")
    found.insert(9, "\r\n")
    found.insert(1, "\r\n")
    content = chained(with_cell(3, "e_e", "x"), with_cell(8, "e_e", "y"), with_cell(20, "e_e", "z"))("".join(found))
    desk.put(REGISTER_NAME, content)
    [receipt] = desk.land()
    breaches = desk.breaches(receipt)
    assert [(row, rule) for row, _, _, rule in breaches] == [
        (3, "not_a_number"),
        (5, "broken_row"),
        (8, "not_a_number"),
        (9, "broken_row"),
        (20, "not_a_number"),
    ]
    broken = [(row, value) for row, _, value, rule in breaches if rule == "broken_row"]
    assert [value for _, value in broken] == [lines(content)[row - 1].strip()[:200] for row, _ in broken]
    assert (receipt.rows_read, receipt.rows_quarantined) == (23, 5)


def test_a_row_may_break_several_rules(desk: Desk, register: str) -> None:
    desk.put(REGISTER_NAME, chained(with_cell(5, "e_e", "-1,5"), with_cell(5, "raumid", "x"))(register))
    [receipt] = desk.land()
    assert {(row, column, rule) for row, column, _, rule in desk.breaches(receipt)} == {
        (5, "e_e", "not_an_integer"),
        (5, "e_e", "out_of_range"),
        (5, "raumid", "unknown_area"),
    }
    assert receipt.rows_quarantined == 1


# ---------------------------------------------------------------- (b) the same content about something else


OTHER_MONITORING = MONITORING_NAME.replace("2013", "2015")


def decide(desk: Desk, receipt: Receipt, kind: decisions.Kind, **changes: Any) -> Receipt:
    contract = Contract.model_validate({**desk.declared.contracts[receipt.source].model_dump(), **changes})
    return decisions.decide(desk.data, {receipt.source: contract}, receipt.delivery, kind, "Falsche Datei.")[1]


def test_the_same_content_under_another_period_is_held_for_a_decision(desk: Desk, monitoring: str) -> None:
    desk.put(MONITORING_NAME, monitoring)
    desk.put(OTHER_MONITORING, monitoring)
    first, second = desk.land(MONITORING)
    assert (first.verdict, second.verdict) == ("accepted", "held")
    assert desk.breaches(second) == [(None, None, None, "repeated_content")]
    assert f"Der Inhalt ist derselbe wie in {MONITORING_NAME} für den Zeitraum 2013" in second.reasons[0]
    files = desk.files()
    assert desk.land(MONITORING) == [first, second]
    assert desk.files() == files


def test_the_copy_does_not_spoil_the_original_when_both_are_landed_anew(desk: Desk, monitoring: str) -> None:
    desk.put(MONITORING_NAME, monitoring)
    desk.put(OTHER_MONITORING, monitoring)
    desk.land(MONITORING)
    assert [x.verdict for x in desk.land(MONITORING, title="Neuer Titel")] == ["accepted", "held"]


def test_when_the_wrong_delivery_is_withdrawn_the_right_one_is_taken(desk: Desk, monitoring: str) -> None:
    desk.put(MONITORING_NAME, monitoring)
    desk.put(OTHER_MONITORING, monitoring)
    wrong, held = desk.land(MONITORING)
    decide(desk, wrong, "withdrawn")
    wrong, right = desk.land(MONITORING)
    assert (wrong.withdrawn_because, wrong.is_used) == ("Falsche Datei.", False)
    assert (right.delivery, right.verdict, right.rows_accepted) == (held.delivery, "accepted", 23)
    assert [x.verdict for x in desk.land(MONITORING, title="Neuer Titel")] == ["accepted", "accepted"]
    with pytest.raises(decisions.DecisionError, match="Derselbe Inhalt gilt inzwischen als"):
        decide(desk, wrong, "brought_back")


def test_a_held_delivery_is_taken_where_somebody_decides_so_and_both_stay(desk: Desk, monitoring: str) -> None:
    desk.put(MONITORING_NAME, monitoring)
    desk.put(OTHER_MONITORING, monitoring)
    first, held = desk.land(MONITORING)
    with pytest.raises(decisions.DecisionError, match="wartet auf keine Entscheidung"):
        decide(desk, first, "taken")
    decide(desk, held, "taken")
    assert [(x.verdict, x.taken_because) for x in desk.land(MONITORING)] == [
        ("accepted", ""),
        ("accepted", "Falsche Datei."),
    ]
    assert [x.verdict for x in desk.land(MONITORING, title="Neuer Titel")] == ["accepted", "accepted"]


def test_withdrawn_content_is_refused_when_it_arrives_again_and_comes_back_on_request(
    desk: Desk, register: str
) -> None:
    path = desk.put(REGISTER_NAME, register)
    [first] = desk.land()
    desk.put(REGISTER_NAME, with_cell(7, "e_e", "7000")(register))
    _, second = desk.land()
    assert [x["in_force"] for x in gate._with_force([asdict(x) for x in (first, second)])] == [False, True]
    decide(desk, second, "withdrawn")
    assert stat.S_IMODE((desk.data.decisions / REGISTER / f"{second.delivery}.json").stat().st_mode) == 0o600
    path.unlink()
    desk.land()
    desk.put(REGISTER_NAME, with_cell(7, "e_e", "7000")(register))
    again = desk.land()[1]
    assert (again.delivery, again.withdrawn_because) == (second.delivery, "Falsche Datei.")
    decided = [{**asdict(x), "verdict": gate._final_verdict(asdict(x), {})} for x in desk.land()]
    assert [(x["verdict"], x["in_force"]) for x in gate._with_force(decided)] == [
        ("accepted", True),
        ("withdrawn", False),
    ]
    decide(desk, again, "brought_back")
    assert desk.land()[1].is_used


def test_a_file_known_to_be_bad_is_refused_with_the_reason_however_it_arrives(desk: Desk, register: str) -> None:
    path = desk.put(REGISTER_NAME, register)
    [good] = desk.land()
    bad = {"known_bad": [{"sha256": good.sha256, "reason": "Stand vor der Berichtigung."}]}
    [refused] = desk.land(**bad)
    assert (refused.verdict, desk.breaches(refused)[0][3]) == ("rejected", "known_bad")
    assert "Stand vor der Berichtigung." in refused.reasons[0]
    assert desk.land()[0].verdict == "accepted"
    path.unlink()  # forgotten: it cannot be read anew, and is not used all the same
    [gone] = desk.land(**bad)
    assert (gone.is_used, gone.withdrawn_because) == (False, "Stand vor der Berichtigung.")
    assert desk.land()[0].is_used


# ---------------------------------------------------------------- (b2) what a file is about

AGE_GROUPS = ("under_18", "18_to_64")


def by_age(**layout: Any) -> dict[str, Any]:
    """A contract with a file for each age group, and one value column."""
    return {
        "files": [
            {
                "name": rf"EWR_{group}_(?P<year>\d{{4}})(_v\d)?\.csv",
                "period": "{year}-12-31",
                "edition": town.OLDER,
                "level": "bezirk",
                "dimensions": {"age_group": group},
                **layout,
            }
            for group in AGE_GROUPS
        ],
        "columns": [{"name": "raumid", "role": "key", "type": "text"}, {"name": "persons"}],
    }


def put_by_age(desk: Desk, *counts: int, version: str = "") -> None:
    for group, count in zip(AGE_GROUPS, counts, strict=False):
        desk.put(f"EWR_{group}_2011{version}.csv", f"raumid;persons\n01;{count}\n12;{count + 1}\n")


def in_force(receipts: list[Receipt]) -> set[str]:
    return {x["file_name"] for x in gate._with_force([asdict(receipt) for receipt in receipts]) if x["in_force"]}


def test_files_of_other_dimensions_stand_beside_each_other(desk: Desk) -> None:
    put_by_age(desk, 100, 500)
    receipts = desk.land(**by_age())
    assert [(x.version, x.supersedes, x.verdict) for x in receipts] == [(1, None, "accepted")] * 2
    assert in_force(receipts) == {"EWR_under_18_2011.csv", "EWR_18_to_64_2011.csv"}
    assert {(group, value) for x in receipts for group, value in desk.rows(x)[["age_group", "value"]].values} == {
        ("under_18", 100.0), ("under_18", 101.0), ("18_to_64", 500.0), ("18_to_64", 501.0),
    }  # fmt: skip
    put_by_age(desk, 110, version="_v2")
    receipts = desk.land(**by_age())
    corrected = next(x for x in receipts if x.file_name == "EWR_under_18_2011_v2.csv")
    assert (corrected.version, corrected.dimensions) == (2, "age_group=under_18")
    assert in_force(receipts) == {"EWR_under_18_2011_v2.csv", "EWR_18_to_64_2011.csv"}


def test_receipts_of_before_are_read_and_told_apart_without_landing_anything_twice(desk: Desk) -> None:
    put_by_age(desk, 100, 500)
    by_file = {x.file_name: x for x in desk.land(**by_age())}
    first, second = by_file["EWR_18_to_64_2011.csv"], by_file["EWR_under_18_2011.csv"]
    new_fields = {"figures", "dimensions", "content_sha256", "withdrawn_at", "withdrawn_because", "taken_because"}
    for receipt, version, before in ((first, 1, None), (second, 2, first.delivery)):
        path = desk.data.receipts / REGISTER / f"{receipt.delivery}.json"
        old = {name: value for name, value in asdict(receipt).items() if name not in new_fields}
        write_json({**old, "version": version, "supersedes": before, "fingerprint": "of before"}, path)
    receipts = desk.land(**by_age())
    assert {x.delivery for x in receipts} == {first.delivery, second.delivery}
    assert {x.supersedes for x in receipts} == {None}
    assert in_force(receipts) == set(by_file)


def test_nobody_can_make_sure_of_a_guess_by_the_public_id_of_a_delivery(desk: Desk, register: str) -> None:
    """It is keyed with a secret of the data folder; without it another secret is drawn, and nothing is landed twice."""
    desk.put(REGISTER_NAME, register)
    [receipt] = desk.land()
    guessed = "|".join((receipt.source, *receipt.place, receipt.sha256))
    assert receipt.delivery != hashlib.sha256(guessed.encode()).hexdigest()[:16]
    secret = region_secret(desk.data.secret)
    assert receipt.delivery == hmac.new(secret, guessed.encode(), "sha256").hexdigest()[:16]
    assert stat.S_IMODE(desk.data.secret.stat().st_mode) == 0o600
    desk.data.secret.unlink()
    assert desk.land() == [receipt]


def test_a_contract_that_learns_dimensions_or_another_edition_lands_the_same_files_anew(desk: Desk) -> None:
    put_by_age(desk, 100, 500)
    without = desk.land(**by_age(dimensions={}))
    assert len(in_force(without)) == 1
    with_them = desk.land(**by_age())
    assert {x.delivery for x in with_them} == {x.delivery for x in without}
    assert len(in_force(with_them)) == 2
    moved = desk.land(**by_age(edition=town.NEWER))
    assert [(x.edition, x.verdict, x.supersedes) for x in moved] == [(town.NEWER, "accepted", None)] * 2


def test_the_same_content_for_two_age_groups_is_held(desk: Desk) -> None:
    put_by_age(desk, 100, 100)
    receipts = desk.land(**by_age())
    assert sorted(x.verdict for x in receipts) == ["accepted", "held"]
    assert "(age_group=" in next(x for x in receipts if x.verdict == "held").reasons[0]


def test_a_file_that_lacks_what_it_would_replace_is_held_and_one_that_has_more_replaces(desk: Desk) -> None:
    contract = by_age(dimensions={})
    contract["columns"] += [{"name": "women"}]
    contract["files"][0]["columns"] = [{"name": "women", "role": "ignore"}]
    desk.put("EWR_18_to_64_2011.csv", "raumid;persons;women\n01;100;50\n12;200;90\n")
    desk.land(**contract)
    desk.put("EWR_under_18_2011.csv", "raumid;persons\n01;110\n12;200\n")
    held = next(x for x in desk.land(**contract) if x.file_name == "EWR_under_18_2011.csv")
    assert (held.verdict, held.version) == ("held", 2)
    assert "enthält aber nicht, was dort steht: women." in held.reasons[0]
    desk.put("EWR_18_to_64_2011_v2.csv", "raumid;persons;women\n01;120;60\n12;200;90\n")
    receipts = desk.land(**contract)
    assert in_force(receipts) == {"EWR_18_to_64_2011_v2.csv"}


def test_a_file_refused_under_a_wrong_name_is_taken_under_its_right_one(desk: Desk, register: str) -> None:
    wrong = desk.put(REGISTER_NAME.replace("2011", "2010"), register)
    assert [receipt.verdict for receipt in desk.land()] == ["rejected"]
    wrong.rename(wrong.with_name(REGISTER_NAME))
    assert [receipt.verdict for receipt in desk.land()] == ["rejected", "accepted"]


# ---------------------------------------------------------------- (c) nothing happens twice


def test_landing_twice_changes_nothing(desk: Desk, register: str) -> None:
    desk.put(REGISTER_NAME, register)
    desk.put(
        REGISTER_NAME.replace("2011", "2012"),
        with_cell(7, "e_e", "x")(register.replace("201112;", "201212;")),
    )
    first, files = desk.land(), desk.files()
    assert {path.parent.parent.name for path in files} == {"raw", "quarantine", "receipts"}
    assert desk.land() == first
    assert desk.files() == files


def test_a_correction_supersedes_and_both_stay(desk: Desk, register: str) -> None:
    desk.put(REGISTER_NAME, register)
    [first] = desk.land()
    before = desk.files()
    desk.put(REGISTER_NAME, with_cell(7, "e_e", "7000")(register))
    receipts = desk.land()
    assert receipts[0] == first
    second = receipts[1]
    assert (second.version, second.supersedes, second.verdict) == (2, first.delivery, "accepted")
    assert before.items() <= desk.files().items()
    assert {desk.rows(x).query("row == 7 and column_name == 'e_e'")["value"].item() for x in receipts} == {
        float(lines(register)[6].split(";")[7]),
        7000.0,
    }


def test_a_rejected_correction_leaves_the_good_delivery(desk: Desk, register: str) -> None:
    desk.put(REGISTER_NAME, register)
    [first] = desk.land()
    desk.put(REGISTER_NAME, with_cell(7, "e_e", "x")(register))
    good, bad = desk.land()
    assert good == first
    assert desk.raw(good).exists()
    assert (bad.version, bad.verdict, bad.supersedes) == (2, "rejected", first.delivery)
    assert not desk.raw(bad).exists()


def test_a_delivery_stays_when_its_file_leaves_the_inbox(desk: Desk, register: str) -> None:
    path = desk.put(REGISTER_NAME, register)
    first = desk.land()
    path.unlink()
    assert desk.land() == first


def test_another_contract_lands_anew_under_the_same_version(desk: Desk, register: str) -> None:
    desk.put(REGISTER_NAME, with_cell(7, "e_e", "x")(register))
    [strict] = desk.land()
    assert strict.verdict == "rejected"
    [mild] = desk.land(rejected_rows_at_most=0.1)
    assert (mild.delivery, mild.version, mild.supersedes) == (strict.delivery, 1, None)
    assert (mild.verdict, mild.rows_accepted, mild.rows_quarantined) == ("partly", 22, 1)
    assert mild.fingerprint != strict.fingerprint
    assert len(desk.rows(mild)) == 22 * 44
    [strict_again] = desk.land()
    assert strict_again == strict
    assert not desk.raw(strict_again).exists()


def test_a_file_that_another_contract_cannot_read_counts_no_rows(desk: Desk, register: str) -> None:
    desk.put(REGISTER_NAME, register)
    assert desk.land()[0].rows_accepted == 23
    [receipt] = desk.land(delimiter=",")
    assert (receipt.verdict, receipt.rows_read, receipt.rows_accepted) == ("rejected", 0, 0)
    assert not desk.raw(receipt).exists()


def test_other_areas_land_anew(desk: Desk, register: str) -> None:
    desk.put(REGISTER_NAME, register)
    desk.land()
    area = desk.data.geography / "area.parquet"
    fewer = area.with_name("fewer.parquet")
    duckdb.sql(f"copy (from read_parquet('{area}') where area != '01010102') to '{fewer}' (format parquet)")
    fewer.replace(area)
    [receipt] = desk.land()
    assert (receipt.version, receipt.verdict) == (1, "rejected")
    assert desk.breaches(receipt) == [(3, "raumid", "01010102", "unknown_area")]


def test_a_run_killed_before_the_receipt_lands_again(desk: Desk, register: str) -> None:
    desk.put(REGISTER_NAME, register)
    [first] = desk.land()
    rows = desk.raw(first).read_bytes()
    (desk.data.receipts / REGISTER / f"{first.delivery}.json").unlink()
    desk.raw(first).write_bytes(rows[: len(rows) // 2])
    [again] = desk.land()
    assert dataclasses.replace(again, landed_at=first.landed_at) == first
    assert desk.raw(first).read_bytes() == rows


def test_nothing_half_written_is_left(desk: Desk, register: str) -> None:
    desk.put(REGISTER_NAME, register.encode("cp1252"))
    desk.land(encoding="cp1252")
    assert not list(desk.data.root.rglob(".*"))


# ---------------------------------------------------------------- (d) tolerance


@pytest.mark.parametrize(("faulty", "verdict"), [(0, "accepted"), (1, "partly"), (2, "partly"), (3, "rejected")])
def test_the_tolerance_of_the_contract(desk: Desk, register: str, faulty: int, verdict: str) -> None:
    content = "".join(lines(register)[:21])  # 20 rows, of which 10 % may break the contract
    for line in range(5, 5 + faulty):
        content = with_cell(line, "e_ew", "x")(content)
    desk.put(REGISTER_NAME, content)
    [receipt] = desk.land(rejected_rows_at_most=0.1)
    assert (receipt.verdict, receipt.rows_read, receipt.rows_quarantined) == (verdict, 20, faulty)
    assert len(desk.breaches(receipt)) == faulty
    assert (receipt.reasons[:1] == []) == (faulty == 0)
    assert all("(erlaubt: 10 %)" in reason for reason in receipt.reasons[:1])
    if verdict == "rejected":
        assert not desk.raw(receipt).exists()
    else:
        rows = desk.rows(receipt)
        assert set(rows["row"]) == set(range(2, 22)) - set(range(5, 5 + faulty))
        assert len(rows) == (20 - faulty) * 44


# ---------------------------------------------------------------- (e) zero and missing


def monitored(desk: Desk, cells: dict[str, str], monitoring: str) -> dict[str, tuple[float | None, str]]:
    """Value and status of every column of one area whose cells are replaced."""
    columns = lines(monitoring)[0].rstrip().split(",")
    names = {name[:2] if name[2:3] == "_" else name: name for name in columns}
    for name, value in cells.items():
        monitoring = with_cell(2, names[name], value)(monitoring)
    desk.put(MONITORING_NAME, monitoring)
    receipt = desk.land(MONITORING)[-1]
    assert receipt.verdict == "accepted", receipt.reasons
    rows = desk.rows(receipt).query("row == 2").astype(object)
    values = rows["value"].where(rows["value"].notna(), None)
    return dict(zip(rows["column_name"], zip(values, rows["status"], strict=True), strict=True))


def test_zero_in_every_share_is_missing(desk: Desk, monitoring: str) -> None:
    found = monitored(desk, {"inhabitants": "0", **dict.fromkeys(SHARES, "0")}, monitoring)
    assert found == {"inhabitants": (0.0, "reported"), **dict.fromkeys(SHARES, (None, "missing"))}


def test_a_negative_zero_is_zero(desk: Desk, monitoring: str) -> None:
    found = monitored(desk, {"s1": "1", "d1": "-0", "d3": "-0.0", "d4": "-0.00"}, monitoring)
    assert [str(found[name][0]) for name in ("d1", "d3", "d4")] == ["0.0", "0.0", "0.0"]


def test_a_single_zero_is_zero(desk: Desk, monitoring: str) -> None:
    found = monitored(desk, {**dict.fromkeys(SHARES, "0"), "s4": "12.5"}, monitoring)
    assert {name: found[name] for name in SHARES} == {
        **dict.fromkeys(SHARES, (0.0, "reported")),
        "s4": (12.5, "reported"),
    }


def test_an_empty_cell_is_missing_and_its_neighbours_stand(desk: Desk, monitoring: str) -> None:
    found = monitored(desk, {"s1": "", "s3": "0", "d1": "-0.5"}, monitoring)
    assert (found["s1"], found["s3"], found["d1"]) == (
        (None, "missing"),
        (0.0, "reported"),
        (-0.5, "reported"),
    )


def test_the_areas_left_out_have_no_values_and_the_true_zero_stands(desk: Desk, kleinstadt: Kleinstadt) -> None:
    for edition in town.EDITIONS:
        desk.put(kleinstadt.monitoring(edition).name, kleinstadt.monitoring(edition).read_bytes())
    for receipt in desk.land(MONITORING):
        rows = desk.rows(receipt)
        missing = rows[rows["status"] == "missing"]
        no_long_term = {"s2", "d2"} if receipt.period == "2019" else set()
        assert set(missing[~missing["column_name"].isin(no_long_term)]["area"]) == set(town.SMALL_AREAS)
        assert missing["value"].isna().all()
        assert not rows[rows["status"] == "reported"]["value"].isna().any()
        if int(receipt.reference_date[:4]) == town.SINGLE_ZERO[0]:
            zero = rows[(rows["area"] == town.SINGLE_ZERO[1]) & (rows["column_name"] == town.SINGLE_ZERO[2])]
            assert (zero["value"].item(), zero["status"].item()) == (0.0, "reported")


DRAWN = ["s1", "s3", "s4", "d1"]
CELLS = st.sampled_from(["0", "", "0.0", "12.5", ".5", "7.", "-3", "-", "x", " 0 ", "1e1", "0.00001", "120"])
NUMBER = re.compile(r"-?(\d+(\.\d*)?|\.\d+)")


def expected_values(cells: dict[str, str]) -> dict[str, float | None] | None:
    """What must be landed of a row, None for a missing value; None for a row that breaks the contract."""
    texts = {name: cell.strip() for name, cell in cells.items()}
    left_out = all(texts[name] == "0" for name in ("s1", "s3", "s4"))
    found: dict[str, float | None] = {}
    for name, text in texts.items():
        if text == "" or (left_out and text == "0"):
            found[name] = None
        elif NUMBER.fullmatch(text) and (-100 if name == "d1" else 0) <= float(text) <= 100:
            found[name] = float(text)
        else:
            return None
    return found


@given(st.lists(st.fixed_dictionaries(dict.fromkeys(DRAWN, CELLS)), min_size=1, max_size=12))
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_nothing_missing_becomes_zero(kleinstadt: Kleinstadt, desk: Desk, drawn: list[dict[str, str]]) -> None:
    areas = kleinstadt.truth.areas[town.OLDER]["planungsraum"]
    content = "id,inhabitants,s1,s3,s4,d1,d3,d4\n"
    for area, cells in zip(areas, drawn, strict=False):
        content += f"{area},500,{','.join(cells[name] for name in DRAWN)},1,1\n"
    shutil.rmtree(desk.data.receipts, ignore_errors=True)
    desk.put(MONITORING_NAME, content)
    [receipt] = desk.land(MONITORING, rejected_rows_at_most=1)
    expected = {line: expected_values(cells) for line, cells in enumerate(drawn, start=2)}
    landed = desk.rows(receipt).query("column_name in @DRAWN")
    assert set(landed["row"]) == {line for line, values in expected.items() if values is not None}
    for row in landed.itertuples():
        value = (expected[row.row] or {})[row.column_name]
        assert row.status == ("missing" if value is None else "reported")
        assert pd.isna(row.value) if value is None else row.value == value


# ---------------------------------------------------------------- (f) confidential files


def test_only_the_owner_reads_what_landing_writes(desk: Desk, register: str) -> None:
    desk.put(REGISTER_NAME, with_cell(7, "e_e", "x")(register))
    desk.land(rejected_rows_at_most=0.5)
    files = list(desk.files())
    assert {path.parent.parent.name for path in files} == {"raw", "quarantine", "receipts"}
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}


# ---------------------------------------------------------------- (g) what one layout says differently


def test_a_second_layout_is_declared_in_yaml_alone(
    own_kleinstadt: Kleinstadt, town_areas: Path, tmp_path: Path
) -> None:
    path = own_kleinstadt.contracts / "ewr.yml"
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    content["files"].append(
        {
            "name": r"EWR_L21_(?P<year>\d{4})(?P<month>\d\d)E_Matrix\.csv",
            "period": "{year}-{month}",
            "edition": town.NEWER,
            "level": "planungsraum",
            "delimiter": "|",
            "encoding": "cp1252",
            "decimal": ".",
            "other_columns": "ignore",
            "columns": [{"name": "raumid", "aliases": ["Größen-Nr"], "role": "key", "type": "text", "pad": 8}],
            "symbols": [{"symbol": "-9999", "means": "suppressed"}, {"symbol": "-", "means": "zero"}],
        }
    )
    path.write_text(yaml.safe_dump(content, allow_unicode=True), encoding="utf-8")
    desk = Desk(
        declarations.load(own_kleinstadt.project, town.REGION),
        RegionData(root=tmp_path / "data" / town.REGION, inbox=tmp_path / "inbox"),
    )
    shutil.copytree(town_areas, desk.data.geography)
    areas = own_kleinstadt.truth.areas[town.NEWER]["planungsraum"]
    values = [column["name"] for column in content["columns"] if column.get("role") is None]
    cells = {area: ["12.00"] * len(values) for area in areas}
    cells[areas[0]][0], cells[areas[1]][0] = "-9999", "-"
    left_behind = ["bez", "BEZ", "unknown"]  # an ignored column twice, and one the contract does not know
    header = "|".join(["Größen-Nr", "ZEIT", *left_behind, *(name.upper() for name in values)])
    body = "\n".join("|".join([area.lstrip("0"), "202206", "x", "x", "x", *row]) for area, row in cells.items())
    desk.put("EWR_L21_202206E_Matrix.csv", f"{header}\n{body}\n".encode("cp1252"))
    desk.put(REGISTER_NAME, own_kleinstadt.register(YEAR).read_bytes())
    older, newer = desk.land()
    assert (older.edition, older.period, older.verdict) == (town.OLDER, "2011-12-31", "accepted")
    assert (newer.edition, newer.period, newer.verdict) == (town.NEWER, "2022-06", "accepted")
    assert newer.reference_date == "2022-06-30"
    assert newer.rows_accepted == len(areas) == 26
    rows = desk.rows(newer).query("column_name == @values[0]").sort_values("area")
    assert list(rows["area"]) == areas
    assert list(rows["status"]) == ["suppressed"] + ["reported"] * 25
    assert pd.isna(rows["value"].iloc[0])
    assert list(rows["value"].iloc[1:]) == [0.0] + [12.0] * 24


def test_a_layout_places_its_file_on_its_own_level(desk: Desk, kleinstadt: Kleinstadt) -> None:
    for level in town.LEVELS:
        desk.put(kleinstadt.monitoring(2013, level).name, kleinstadt.monitoring(2013, level).read_bytes())
    receipts = {receipt.level: receipt for receipt in desk.land(MONITORING)}
    assert {level: receipt.rows_accepted for level, receipt in receipts.items()} == {
        "planungsraum": 23,
        "bezirksregion": 8,
        "bezirk": 2,
    }
    assert {receipt.verdict for receipt in receipts.values()} == {"accepted"}


def test_a_file_on_the_wrong_level_is_refused(desk: Desk, kleinstadt: Kleinstadt) -> None:
    desk.put(MONITORING_NAME, kleinstadt.monitoring(2013, "bezirk").read_bytes())
    [receipt] = desk.land(MONITORING)
    assert receipt.verdict == "rejected"
    assert {breach[3] for breach in desk.breaches(receipt)} == {"unknown_area"}


# ---------------------------------------------------------------- the inbox


def test_files_of_a_municipality_lie_in_its_folder_or_beside(desk: Desk, register: str) -> None:
    desk.put(REGISTER_NAME, register)
    [beside] = desk.land()
    (desk.data.inbox / town.MUNICIPALITY).mkdir()
    (desk.data.inbox / "ewr").rename(desk.data.inbox / town.MUNICIPALITY / "ewr")
    assert desk.land() == [beside]
    assert beside.municipality == town.MUNICIPALITY


def test_a_source_without_any_file_is_reported_missing(desk: Desk, register: str) -> None:
    contracts = list(desk.declared.contracts.values())

    def missing() -> list[str]:
        return [contract.id for contract in landing.missing_sources(desk.declared.region, contracts, desk.data)]

    assert missing() == [REGISTER, MONITORING]
    path = desk.put(REGISTER_NAME, register)
    assert missing() == [MONITORING]
    desk.land()
    path.unlink()
    assert missing() == [MONITORING]


def test_files_that_no_layout_names_are_left_alone(desk: Desk, register: str) -> None:
    desk.put(REGISTER_NAME + ".bak", register)
    (desk.data.inbox / "ewr" / REGISTER_NAME).mkdir()
    assert desk.land() == []


@pytest.mark.parametrize(
    "name",
    [
        "Kopie [2]-social-urban-development-2013-00-2-1.csv",
        "*-social-urban-development-2013-00-2-1.csv",
        "d'or-social-urban-development-2013-00-2-1.csv",
    ],
)
def test_signs_in_a_file_name_mean_nothing(desk: Desk, monitoring: str, name: str) -> None:
    desk.put(name, monitoring)
    [receipt] = desk.land(MONITORING)
    assert (receipt.file_name, receipt.verdict) == (name, "accepted")


def periods() -> Iterator[tuple[str, ReferenceDate | None, str]]:
    yield "2024", None, "2024-12-31"
    yield "2024-02", None, "2024-02-29"
    yield "2023-Q2", None, "2023-06-30"
    yield "2024-06-15", None, "2024-06-15"
    yield "2013", ReferenceDate(years=-1), "2012-12-31"
    yield "2013", ReferenceDate(day="06-30"), "2013-06-30"


@pytest.mark.parametrize(("period", "declared_date", "expected"), list(periods()))
def test_the_day_a_period_speaks_of(
    declared: Declarations, period: str, declared_date: ReferenceDate | None, expected: str
) -> None:
    contract = declared.contracts[REGISTER].model_copy(update={"reference_date": declared_date})
    assert deliveries.reference_date(contract, period).isoformat() == expected


@pytest.mark.parametrize("period", ["", "24", "2024-13", "2024-Q5", "2024-02-30", "Mai 2024"])
def test_what_is_no_period_is_refused(declared: Declarations, period: str) -> None:
    with pytest.raises(ValueError, match=r"ISO 8601|month"):
        deliveries.reference_date(declared.contracts[REGISTER], period)
