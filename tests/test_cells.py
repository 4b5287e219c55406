"""Single cells of a delivery as a clerk writes them: numbers, dates, signs, lines. By the check at the sender.

Writes contracts and deliveries into temporary folders.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml

from dagster_project.declarations import Column
from dagster_project.declarations.participation import Participation
from dagster_project.gate import _in_short
from dagster_project.partly_known import completed_date, is_partly_known, known_date
from dagster_project.sender import SenderCheck, check_delivery
from dagster_project.sharing import check_text

REGION = {
    "name": "Musterdorf", "crs": "EPSG:25832", "geography": "ort", "reporting_edition": "1",
    "municipality_level": "ort", "municipalities": [{"id": "05399004", "name": "Musterdorf"}],
    "population": "population", "licence_note": "keine",
}  # fmt: skip
WORDS = dict.fromkeys(("title", "description", "owner", "origin", "licence", "legal_basis", "purpose"), "x")
TABLE = {
    **WORDS, "cadence": "yearly", "publication": "already_public", "folder": "x", "geography": "ort",
    "files": [{"name": r"Größe_(?P<year>\d{4})\.csv", "period": "{year}-12-31", "edition": "1", "level": "ort"}],
    "columns": [
        {"name": "gebiet", "role": "key", "type": "text"},
        {"name": "anzahl"},
        {"name": "flaeche", "aliases": ["Fläche"], "type": "number"},
    ],
    "symbols": [{"symbol": "–", "means": "zero"}, {"symbol": "", "means": "missing"}],
}  # fmt: skip


@dataclass(frozen=True)
class Desk:
    folder: Path

    def check(self, content: str, name: str = "Größe_2024.csv", **changes: Any) -> SenderCheck:
        """The check of a delivery under the contract of a table, with other keys where `changes` says so."""
        contract = self.folder / "region" / "contracts" / "table.yml"
        contract.parent.mkdir(parents=True, exist_ok=True)
        (contract.parents[1] / "region.yml").write_text(yaml.safe_dump(REGION), encoding="utf-8")
        contract.write_text(yaml.safe_dump({**TABLE, **changes}, allow_unicode=True), encoding="utf-8")
        file = self.folder / name
        file.write_text(content, encoding="utf-8", newline="")
        return check_delivery(file, contract, region_folder=contract.parents[1])

    def cell(self, column: str, text: str, **changes: Any) -> list[str]:
        """The rules that one cell breaks."""
        cells = {"anzahl": "1", "flaeche": "1", column: text}
        checked = self.check(f"gebiet;anzahl;flaeche\na;{cells['anzahl']};{cells['flaeche']}\n", **changes)
        return [fault.rule for fault in checked.faults]


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


# ---------------------------------------------------------------- thousands


@pytest.mark.parametrize(
    ("column", "decimal", "text", "rules"),
    [
        ("anzahl", ",", "2,000", ["maybe_thousands"]),
        ("anzahl", ",", "-2,000", ["maybe_thousands"]),
        ("anzahl", ".", "1.234", ["maybe_thousands"]),
        ("anzahl", ",", "1.234", ["not_a_number"]),
        ("anzahl", ",", "1.234,000", ["not_a_number"]),
        ("anzahl", ",", "1,234,567", ["not_a_number"]),
        ("anzahl", ",", "2,00", []),
        ("anzahl", ",", "2,0000", []),
        ("flaeche", ",", "1,234", ["maybe_thousands"]),
        ("flaeche", ".", "1.234", ["maybe_thousands"]),
        ("flaeche", ",", "1,23", []),
        ("flaeche", ",", "1,2345", []),
    ],
)
def test_three_digits_behind_the_decimal_sign_are_never_guessed(
    desk: Desk, column: str, decimal: str, text: str, rules: list[str]
) -> None:
    assert desk.cell(column, text, decimal=decimal) == rules


def test_three_decimals_may_be_declared_and_the_message_says_how(desk: Desk) -> None:
    told = desk.check("gebiet;anzahl;flaeche\na;1;1,234\n").reasons[1]
    assert "„2,000“ kann 2 oder 2000 heißen" in told
    assert "„three_decimals: true“" in told
    declared = [*TABLE["columns"][:2], {"name": "flaeche", "type": "number", "three_decimals": True}]  # type: ignore[index]
    assert desk.cell("flaeche", "1,234", columns=declared) == []
    assert desk.cell("anzahl", "1,234", columns=declared) == ["maybe_thousands"]
    with pytest.raises(ValueError, match="type: number"):
        Column.model_validate({"name": "anzahl", "three_decimals": True})


# ---------------------------------------------------------------- signs


@pytest.mark.parametrize("key", ["GrÃ¼n", "Gr√ºn", "Gr├╝n", "GrÃƒÂ¼n", "Gr\ufffdn"])
def test_a_damaged_key_is_refused_with_row_and_cause(desk: Desk, key: str) -> None:
    checked = desk.check(f"gebiet;anzahl;flaeche\nGrün;1;1\n{key};1;1\n")
    assert [(fault.row, fault.column, fault.rule) for fault in checked.faults] == [(3, "gebiet", "damaged_text")]
    assert "Die Zeichen sind beschädigt" in checked.faults[0].reason


def test_a_damaged_header_and_a_damaged_sign_are_refused(desk: Desk) -> None:
    assert [fault.rule for fault in desk.check("gebiet;anzahl;FlÃ¤che\na;1;1\n").faults] == ["damaged_text"]
    ignoring = desk.check("gebiet;anzahl;flaeche;GrÃ¶ÃŸe\na;1;1;1\n", other_columns="ignore")
    assert [fault.rule for fault in ignoring.faults] == ["damaged_text"]
    assert desk.cell("anzahl", "â€“") == ["damaged_text"]
    assert desk.cell("anzahl", "–") == []


def test_damaged_words_of_a_participation_are_refused() -> None:
    words = {"id": "x", "title": "Werkstatt", "form": "Runde", "held_on": "2024-05-01", "organiser": "Stadt"}
    place = {"edition": "1", "level": "ort", "area": "1", "summary": "Mehr Bäume in der Straße"}
    assert Participation.model_validate({**words, **place})
    with pytest.raises(ValueError, match="damaged"):
        Participation.model_validate({**words, **place, "summary": "Mehr BÃ¤ume"})


def test_accents_written_apart_are_the_same_text(desk: Desk) -> None:
    """Header, symbol, key and file name of a Mac; the same key in both ways is one area twice."""
    apart = unicodedata.normalize("NFD", "gebiet;anzahl;Fläche\nGrün;–;1\n")
    checked = desk.check(apart, name=unicodedata.normalize("NFD", "Größe_2024.csv"))
    assert (checked.verdict, checked.file_name) == ("accepted", "Größe_2024.csv")
    both = f"gebiet;anzahl;flaeche\nGrün;1;1\n{unicodedata.normalize('NFD', 'Grün')};1;1\n"
    assert [fault.rule for fault in desk.check(both).faults] == ["duplicate_key", "duplicate_key"]


# ---------------------------------------------------------------- lines


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_a_fault_names_its_line_and_its_record_where_they_differ(desk: Desk, end: str) -> None:
    rows = ["gebiet;anzahl;flaeche", '"a', 'b";1;1', "c;x;1", "", '"d', "", '";1;1', "e;1", "f;y;1", ""]
    checked = desk.check(end.join(rows))
    found = [(fault.row, fault.record, fault.rule) for fault in checked.faults]
    assert found == [(4, 3, "not_a_number"), (9, 6, "broken_row"), (10, 7, "not_a_number")]
    assert "Zeile 4 (Datensatz 3, wie eine Tabellenkalkulation zählt), Spalte anzahl" in " ".join(checked.reasons)
    plain = desk.check("gebiet;anzahl;flaeche\n\na;x;1\n")
    assert [(fault.row, fault.record, fault.place) for fault in plain.faults] == [(3, 3, "3")]


def test_an_open_quotation_mark_is_found_behind_cells_with_line_ends(desk: Desk) -> None:
    [reason] = desk.check('gebiet;anzahl;flaeche\n"a\nb";1;1\n"c;1;1\nd;1;1\n').reasons
    assert "In Zeile 4 beginnt ein Anführungszeichen" in reason


def test_a_wrong_header_is_quoted_as_the_file_writes_it(desk: Desk) -> None:
    [reason] = desk.check('"gebiet","anzahl",flaeche\na,1,1\n').reasons
    assert '(„"gebiet","anzahl",flaeche“)' in reason


def test_a_rejected_file_is_named_by_its_fault() -> None:
    receipt = {"verdict": "rejected", "rows_read": 0, "rows_quarantined": 0, "reasons": ["Die Spalte x fehlt."]}
    assert "Spalte fehlt" in _in_short({**receipt, "file_rules": ["missing_column", "missing_column"]})
    assert "Inhalt einer anderen Lieferung" in _in_short({**receipt, "file_rules": ["repeated_content"]})


def test_rows_of_no_area_by_contract_are_counted(desk: Desk) -> None:
    columns = [{"name": "gebiet", "role": "key", "type": "text", "placeless": "9.*"}, {"name": "anzahl"}]
    rows = "".join(f"{number};1\n" for number in (1, 2, 900, 901, 902))
    checked = desk.check("gebiet;anzahl\n" + rows, columns=columns, symbols=[])
    assert checked.rows_unallocated == 3
    contract = checked.contract
    text = check_text(checked.receipt, checked.faults, checked.unchecked, contract)
    assert "keinem Gebiet zuordenbar 3" in text
    assert "Anschriften" not in text


# ---------------------------------------------------------------- dates


def read_date(text: str, date_format: str, day: str = "2024-12-31") -> str | None:
    """The day a cell counts as, under the convention of mid-month and mid-year."""
    column = Column.model_validate(
        {
            "name": "born",
            "role": "attribute",
            "type": "age",
            "format": date_format,
            "partly_known": {"day": 15, "day_of_year": "07-01"},
        }
    )
    completed = completed_date(column, date.fromisoformat(day))
    found = duckdb.execute(
        f"select cast(coalesce({known_date(column)}, {completed}) as varchar) from (select $text as born)",
        {"text": text},
    ).fetchone()
    assert found is not None
    return found[0]


@pytest.mark.parametrize(
    ("date_format", "text", "expected"),
    [
        ("%d.%m.%Y", "03.04.1985", "1985-04-03"),
        ("%d.%m.%Y", "00.03.1985", "1985-03-15"),
        ("%d.%m.%Y", " 00.00.1985 ", "1985-07-01"),
        ("%d.%m.%Y", "17.00.1985", "1985-07-01"),
        ("%d.%m.%Y", "xx.xx.1985", "1985-07-01"),
        ("%d.%m.%Y", "1985", "1985-07-01"),
        ("%d.%m.%Y", "03.1985", "1985-03-15"),
        ("%d.%m.%Y", "00.00.2024", "2024-07-01"),
        ("%d.%m.%Y", "31.02.1985", None),
        ("%d.%m.%Y", "00.13.1985", None),
        ("%d.%m.%Y", "00.00.0000", None),
        ("%Y%m%d", "19850000", "1985-07-01"),
        ("%Y%m%d", "19850300", "1985-03-15"),
        ("%Y%m%d", "198503", "1985-03-15"),
        ("%Y%m%d", "1985031", None),
        ("%Y%m%d", "1985111", None),
        ("%Y-%m-%d", "1985-00-00", "1985-07-01"),
        ("%Y-%m-%d", "1985-03", "1985-03-15"),
        ("%Y-%m-%d", "0000-00-00", None),
    ],
)
def test_a_date_partly_known_counts_as_the_declared_day(date_format: str, text: str, expected: str | None) -> None:
    assert read_date(text, date_format) == expected


def test_a_year_of_two_digits_is_no_year() -> None:
    column = Column.model_validate({"name": "begun", "role": "attribute", "type": "date", "format": "%d.%m.%Y"})
    for text, expected in (("01.03.20", None), ("01.03.2020", "2020-03-01")):
        found = duckdb.execute(
            f"select cast({known_date(column)} as varchar) from (select $text as begun)", {"text": text}
        )
        assert found.fetchone() == (expected,)


def test_nobody_who_may_have_been_born_is_lost() -> None:
    """On 1 March somebody born “in 2024” counts as born by then; in a later year nobody is."""
    assert read_date("00.00.2024", "%d.%m.%Y", "2024-03-01") == "2024-03-01"
    assert read_date("00.03.2024", "%d.%m.%Y", "2024-03-01") == "2024-03-01"
    assert read_date("00.00.2025", "%d.%m.%Y", "2024-03-01") == "2025-07-01"


def test_partly_known_belongs_to_dates_of_day_month_and_year() -> None:
    with pytest.raises(ValueError, match="partly_known"):
        Column.model_validate({"name": "n", "role": "attribute", "partly_known": {"day": 15, "day_of_year": "07-01"}})
    column = Column.model_validate({"name": "n", "role": "attribute", "type": "age", "format": "%d.%m.%Y"})
    assert duckdb.sql(f"select {is_partly_known(column, repr('00.03.1985'))}").fetchone() == (True,)
