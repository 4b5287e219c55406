"""The gates: what a finding says and blocks, which deliveries are in force, and that nothing broken ever passes.

Reads and writes pytest's temporary folders only.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pytest
from kleinstadt import REGION, YEARS, Kleinstadt
from runs import Place, doubled, edit_register

from dagster_project import declarations, deliveries, gate, geography, landing
from dagster_project.declarations import Check, Declarations, Suite
from dagster_project.gate import Finding
from dagster_project.tables import write_frame

PLANTED = 7654321  # a number that stands nowhere else
LATEST = 2020
AREA = "01010101"


@pytest.fixture(scope="module")
def landed(kleinstadt: Kleinstadt, tmp_path_factory: pytest.TempPathFactory) -> Place:
    """The made-up town with its areas built and its deliveries landed and judged."""
    place = Place(kleinstadt, tmp_path_factory.mktemp("landed"))
    declared = declarations.load(kleinstadt.project, REGION)
    folders, output = [kleinstadt.inbox], place.data.geography
    geography.build(declared.region, list(declared.geographies.values()), folders, output)
    judge(place)
    return place


@pytest.fixture
def own(landed: Place, tmp_path: Path) -> Place:
    """A copy of it that the test may change."""
    return landed.copy(tmp_path / "own")


@pytest.fixture(scope="session")
def declared(kleinstadt: Kleinstadt) -> Declarations:
    return declarations.load(kleinstadt.project, REGION)


def judge(place: Place, **changed: Any) -> list[Finding]:
    """Land what lies in the inbox and judge it by the declarations (some of them changed)."""
    declared = replace(declarations.load(place.town.project, REGION), **changed)
    receipts = {}
    for source, contract in declared.contracts.items():
        landing.land(declared.region, contract, place.data)
        found = deliveries.load_receipts(place.data, source).values()
        receipts[source] = [asdict(receipt) for receipt in found]
    return gate.judge_deliveries(declared, place.data, receipts)


def finding(findings: list[Finding], name: str, subject: str = "ewr") -> Finding:
    return next(item for item in findings if (item.name, item.subject) == (name, subject))


def versions(place: Place, year: int) -> list[tuple[Any, ...]]:
    """Version, verdict and whether it is in force of the register's deliveries of a year."""
    with duckdb.connect() as connection:
        return connection.execute(
            f"""
            select version, verdict, in_force from '{place.data.judged / "delivery.parquet"}'
            where source = 'ewr' and period = '{year}-12-31' order by version
            """
        ).fetchall()


def with_cell(frame: pd.DataFrame, column: str, change: int) -> pd.DataFrame:
    rows = frame["RAUMID"] == AREA
    frame.loc[rows, column] = str(int(frame.loc[rows, column].item()) + change)
    return frame


# ---------------------------------------------------------------- deliveries: gate 1


def test_good_deliveries_are_all_in_force(landed: Place) -> None:
    findings = judge(landed)
    assert not [item for item in findings if item.blocks]
    assert finding(findings, "verdict").message == "Alle Lieferungen sind angenommen."
    assert versions(landed, LATEST) == [(1, "accepted", True)]


@pytest.mark.parametrize(
    ("column", "name"),
    [
        ("E_EM", "men_and_women_make_all"),
        ("E_E25_27", "ages_make_all"),
        ("E_E25U55", "age_groups_make_all"),
    ],
)
def test_parts_that_do_not_make_the_whole_reject_the_delivery(own: Place, column: str, name: str) -> None:
    edit_register(own.town, LATEST, lambda frame: with_cell(frame, column, 1))
    findings = judge(own)
    failed = finding(findings, name)
    assert (failed.success, failed.failing, failed.severity) == (False, 1, "critical")
    assert [key["area"] for key in failed.failing_keys] == [AREA]
    assert AREA in failed.message
    assert [item.name for item in findings if not item.success and item.severity == "critical"] == [name]
    assert versions(own, LATEST) == [(1, "accepted", True), (2, "rejected", False)]


def test_a_rejected_delivery_leaves_the_last_good_one_in_force_and_does_not_block(own: Place) -> None:
    edit_register(own.town, LATEST, lambda frame: with_cell(frame, "E_EM", 1))
    findings = judge(own)
    verdict = finding(findings, "verdict")
    file_name = own.town.register(LATEST).name
    assert not any(item.blocks for item in findings)
    assert (verdict.success, verdict.severity) == (False, "warning")
    assert f"{file_name} abgelehnt" in verdict.message
    assert "Männer und Frauen müssen zusammen alle Einwohner ergeben." in verdict.message
    assert f"Es gilt weiter {file_name} (Version 1)." in verdict.message
    in_force = [item for item in gate.deliveries_in_force(own.data) if item["file_name"] == file_name]
    assert len(in_force) == 1


def without_landed_registers(landed: Place, folder: Path) -> Place:
    """A copy that has not landed any register yet."""
    own = landed.copy(folder)
    for stage in (own.data.receipts, own.data.raw):
        for path in (stage / "ewr").iterdir():
            path.unlink()
    return own


def test_a_rejected_delivery_without_a_good_one_before_is_missing_like_a_late_one(
    landed: Place, tmp_path: Path
) -> None:
    own = without_landed_registers(landed, tmp_path / "own")
    edit_register(own.town, LATEST, lambda frame: with_cell(frame, "E_EM", 1))
    findings = judge(own)
    verdict = finding(findings, "verdict")
    assert not any(item.blocks for item in findings)
    assert (verdict.success, verdict.severity) == (False, "warning")
    assert "Eine frühere gültige Lieferung gibt es nicht, die Werte fehlen bis zur nächsten." in verdict.message
    assert versions(own, LATEST) == [(1, "rejected", False)]


def test_a_source_without_any_good_delivery_blocks(landed: Place, tmp_path: Path) -> None:
    own = without_landed_registers(landed, tmp_path / "own")
    for year in YEARS:
        own.town.register(year).write_text("RAUMID;E_E\n", encoding="utf-8")
    findings = judge(own)
    assert finding(findings, "verdict").blocks
    with pytest.raises(gate.GateClosed, match=own.town.register(LATEST).name):
        raise gate.GateClosed(findings)


def test_the_good_file_put_back_is_in_force_and_nothing_is_left_to_complain_about(own: Place) -> None:
    good = own.town.register(LATEST).read_bytes()
    edit_register(own.town, LATEST, lambda frame: with_cell(frame, "E_EM", 1))
    assert not finding(judge(own), "verdict").success
    own.town.register(LATEST).write_bytes(good)
    assert finding(judge(own), "verdict").success


def test_an_area_that_is_not_delivered_rejects_the_delivery(own: Place) -> None:
    edit_register(own.town, LATEST, lambda frame: frame[frame["RAUMID"] != AREA])
    failed = finding(judge(own), "every_area_is_there")
    assert [key["area"] for key in failed.failing_keys] == [AREA]
    assert versions(own, LATEST) == [(1, "accepted", True), (2, "rejected", False)]


def test_an_area_that_came_into_being_later_is_not_missed_before(landed: Place) -> None:
    assert finding(judge(landed), "every_area_is_there").success


def test_a_total_far_from_the_previous_delivery_rejects(own: Place) -> None:
    edit_register(own.town, LATEST, doubled)
    failed = finding(judge(own), "total_changes_little")
    assert [key["period"] for key in failed.failing_keys] == [f"{LATEST}-12-31"]
    assert versions(own, LATEST) == [(1, "accepted", True), (2, "rejected", False)]


def test_a_rejected_delivery_is_no_measure_for_the_next_one(own: Place) -> None:
    edit_register(own.town, 2016, doubled)
    judge(own)
    assert versions(own, 2016) == [(1, "accepted", True), (2, "rejected", False)]
    assert versions(own, 2017) == [(1, "accepted", True)]


def test_a_warning_never_blocks(own: Place) -> None:
    residents = pd.read_csv(own.town.register(LATEST), sep=";", dtype=str).set_index("RAUMID")["E_E"].astype(int)
    smallest_large = residents[residents >= 1000].idxmin()
    edit_register(own.town, LATEST, lambda frame: doubled(frame, smallest_large))
    findings = judge(own)
    failed = finding(findings, "large_areas_change_little")
    assert (failed.success, failed.severity, failed.blocks) == (False, "warning", False)
    assert {key["area"] for key in failed.failing_keys} == {smallest_large}
    assert not any(item.blocks for item in findings)
    assert versions(own, LATEST) == [(1, "accepted", False), (2, "accepted", True)]


def test_an_export_without_a_single_value_is_rejected(own: Place) -> None:
    path = own.town.monitoring(2019)
    header, *rows = path.read_text(encoding="utf-8").splitlines()
    emptied = [",".join([*row.split(",")[:2], *[""] * (header.count(",") - 1)]) for row in rows]
    path.write_text("\n".join([header, *emptied]) + "\n", encoding="utf-8")
    findings = judge(own)
    assert finding(findings, "something_is_reported", "mss_shares").failing_keys[0]["period"] == "2019"
    assert not finding(findings, "verdict", "mss_shares").success


# ---------------------------------------------------------------- keys, never values


def test_a_finding_about_a_delivery_holds_no_value(own: Place) -> None:
    edit_register(own.town, LATEST, lambda frame: with_cell(frame, "E_EM", PLANTED))
    findings = judge(own)
    value = pd.read_csv(own.town.register(LATEST), sep=";", dtype=str).set_index("RAUMID").loc[AREA, "E_EM"]
    assert int(value) > PLANTED
    assert not finding(findings, "men_and_women_make_all").success
    with duckdb.connect() as connection:
        stored = [connection.execute(f"from '{path}'").fetchall() for path in sorted(own.data.judged.glob("*.parquet"))]
    receipts = [path.read_text() for path in own.data.receipts.rglob("*.json")]
    for text in (str(findings), str(stored), str(receipts)):
        assert str(value) not in text


def test_a_finding_about_the_marts_holds_no_value(declared: Declarations, marts: Path) -> None:
    found = judged_marts(declared, marts, expect={**BETWEEN, "max_value": 10})
    assert (found.success, found.failing, found.failing_keys) == (False, 1, [{"area": "b"}])
    assert str(PLANTED) not in str(found)


# ---------------------------------------------------------------- one check, on the marts: gate 2

BETWEEN = {"type": "expect_column_values_to_be_between", "column": "value"}


@pytest.fixture
def marts(tmp_path: Path) -> Path:
    """A folder with one mart of three areas."""
    frame = pd.DataFrame({"area": ["a", "b", "c"], "value": [1, PLANTED, 3]})
    write_frame(frame, tmp_path / "marts" / "mart_number.parquet")
    return tmp_path / "marts"


def judged_marts(declared: Declarations, marts: Path, **changed: Any) -> Finding:
    check = {
        "name": "small", "frame": "select area, value from mart_number", "keys": ["area"], "severity": "critical",
        "responsible": "Datenteam", "why": "Zahlen sind klein.", "expect": BETWEEN,
    }  # fmt: skip
    suite = Suite(id="publication", gate=2, checks=[Check(**{**check, **changed})])
    (found,) = gate.judge_marts(replace(declared, suites={suite.id: suite}), marts)
    return found


def test_a_finding_names_who_must_act_and_why(declared: Declarations, marts: Path) -> None:
    found = judged_marts(declared, marts, expect={**BETWEEN, "max_value": 10})
    assert (found.gate, found.suite, found.name, found.subject) == (2, "publication", "small", "marts")
    assert (found.severity, found.responsible, found.why) == ("critical", "Datenteam", "Zahlen sind klein.")
    assert found.message == "Zahlen sind klein. Betroffen: b."
    assert found.blocks


@pytest.mark.parametrize(("area_name", "keys"), [("Altstadt", []), (None, [{"participation": "treff", "area": "9"}])])
def test_a_result_of_participation_for_no_area_closes_the_gate(
    declared: Declarations, tmp_path: Path, area_name: str | None, keys: list[dict[str, str]]
) -> None:
    suite = declared.suites["publication"]
    check = next(check for check in suite.checks if check.name == "participation_speaks_of_known_areas")
    frame = pd.DataFrame({"participation": ["treff"], "level": ["block"], "area": ["9"], "area_name": [area_name]})
    types = dict.fromkeys(frame.columns, "varchar")
    write_frame(frame, tmp_path / "mart_participation.parquet", types)
    only = suite.model_copy(update={"checks": [check]})
    (found,) = gate.judge_marts(replace(declared, suites={suite.id: only}), tmp_path)
    assert [{**key, "level": "block"} for key in keys] == found.failing_keys
    assert found.blocks == bool(keys)


def test_a_warning_about_the_marts_does_not_block(declared: Declarations, marts: Path) -> None:
    found = judged_marts(declared, marts, severity="warning", expect={**BETWEEN, "max_value": 10})
    assert (found.success, found.blocks) == (False, False)


def test_few_of_many_failing_keys_are_named(declared: Declarations, marts: Path) -> None:
    frame = pd.DataFrame({"area": [f"{number:03d}" for number in range(120)], "value": 99})
    write_frame(frame, marts / "mart_number.parquet")
    found = judged_marts(declared, marts, expect={**BETWEEN, "max_value": 10})
    assert (found.failing, len(found.failing_keys)) == (120, gate.KEYS_NAMED)
    assert found.message.endswith("Betroffen: 000, 001, 002, 003, 004 und 115 weitere.")


@pytest.mark.parametrize(("may_be_empty", "success"), [(False, False), (True, True)])
def test_an_empty_frame_passes_only_where_it_may_be_empty(
    declared: Declarations, marts: Path, may_be_empty: bool, success: bool
) -> None:
    frame = "select area, value from mart_number where false"
    found = judged_marts(declared, marts, frame=frame, may_be_empty=may_be_empty)
    assert (found.success, found.blocks) == (success, not success)
    assert ("Es gibt keine Zeilen zu prüfen." in found.message) == (not success)


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"frame": "select area, value from mart_nowhere"}, "mart_nowhere"),
        ({"frame": "selec area, value from mart_number"}, "selec"),
        ({"frame": "select area, cast(area as integer) as value from mart_number"}, "Conversion"),
        ({"expect": {**BETWEEN, "column": "worth", "max_value": PLANTED}}, "worth"),
        ({"expect": {"type": "expect_column_pair_values_to_be_equal", "column_A": "value", "column_B": "no"}}, "no"),
        ({"keys": ["place"], "expect": {**BETWEEN, "max_value": 10}}, "place"),
        ({"expect": {"type": "expect_the_best", "column": "value"}}, "expect_the_best"),
        ({"expect": {"type": BETWEEN["type"], "colum": "value", "max_value": 10}}, "column"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_check_that_cannot_be_made_fails_with_a_message(
    declared: Declarations, marts: Path, changed: dict[str, Any], told: str
) -> None:
    found = judged_marts(declared, marts, **changed)
    assert (found.success, found.blocks) == (False, True)
    assert "Die Prüfung selbst ist fehlerhaft" in found.message
    assert told in found.details


def test_a_check_that_cannot_be_made_blocks_at_the_first_gate_too(own: Place, declared: Declarations) -> None:
    def with_check(change: Callable[[Check], Check]) -> dict[str, Suite]:
        suite = declared.suites["ewr"]
        return {"ewr": suite.model_copy(update={"checks": [change(suite.checks[0])]})}

    broken = with_check(lambda check: check.model_copy(update={"frame": "select nothing from landed"}))
    found = finding(judge(own, suites=broken), "men_and_women_make_all")
    assert (found.success, found.blocks) == (False, True)
    assert "Die Prüfung selbst ist fehlerhaft" in found.message


def test_a_critical_check_that_names_no_delivery_blocks(own: Place, declared: Declarations) -> None:
    suite = declared.suites["ewr"]
    frame = "select area, value from landed where column_name = 'e_e' group by area, value"
    expect = {**BETWEEN, "max_value": 1}
    check = suite.checks[0].model_copy(update={"frame": frame, "keys": ["area"], "expect": expect})
    found = finding(judge(own, suites={"ewr": suite.model_copy(update={"checks": [check]})}), check.name)
    assert (found.success, found.blocks) == (False, True)
