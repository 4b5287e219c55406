"""Deliveries beyond one file: two regions with one contract id, folders of any name, decisions on the command line.

Reads the made-up town; writes pytest's temporary folders.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pytest
import yaml
from kleinstadt import REGION, Kleinstadt
from runs import Place, command

from dagster_project import declarations, gate, sender, transform
from dagster_project.declarations import DeclarationError, Geography
from dagster_project.declarations.territory import StreetRegister
from dagster_project.deliveries import Receipt
from dagster_project.geography import streets
from dagster_project.geography.intake import GeographyError
from dagster_project.settings import FolderError, RegionData, region_data
from dagster_project.tables import connect, literal, parquet_rows, write_json

# ---------------------------------------------------------------- two regions, one contract id


@pytest.fixture
def two_regions(own_kleinstadt: Kleinstadt) -> Kleinstadt:
    """Another region whose register has the same id, a further dimension, and a column less."""
    other = own_kleinstadt.project.sources / "altstadt"
    shutil.copytree(own_kleinstadt.project.sources / REGION, other)
    return own_kleinstadt


def change_contract(town: Kleinstadt, region: str, change: Any) -> None:
    path = town.project.sources / region / "contracts" / "ewr.yml"
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    change(content)
    path.write_text(yaml.safe_dump(content, allow_unicode=True), encoding="utf-8")


def test_each_region_stages_its_own_columns(two_regions: Kleinstadt, tmp_path: Path) -> None:
    def add(content: dict[str, Any]) -> None:
        content["files"][0]["dimensions"] = {"origin": "register"}

    change_contract(two_regions, REGION, add)
    for region, expected in (("altstadt", False), (REGION, True)):
        declared = declarations.load(two_regions.project, region)
        data = RegionData(root=tmp_path / region, inbox=two_regions.inbox)
        transform.assemble(two_regions.project, data, declared.contracts)
        staging = data.dbt_project / "models_made" / "staging"
        assert {path.stem for path in staging.glob("*.sql")} == {f"stg_{name}" for name in declared.contracts}
        assert ("delivered.origin" in (staging / "stg_ewr.sql").read_text(encoding="utf-8")) is expected


def test_a_column_that_the_model_reads_and_only_the_other_region_has_is_named(two_regions: Kleinstadt) -> None:
    def drop(content: dict[str, Any]) -> None:
        for column in content["columns"]:
            if "age_to" in column.get("dimensions", {}):
                column["dimensions"]["age_until"] = column["dimensions"].pop("age_to")

    change_contract(two_regions, "altstadt", drop)
    declarations.load(two_regions.project, REGION)
    with pytest.raises(DeclarationError, match=r"altstadt/contracts/ewr.yml: columns: .*reads 'age_to'.*kleinstadt"):
        declarations.load(two_regions.project, "altstadt")


# ---------------------------------------------------------------- names of folders and files

ODD = "Süd [1] o'Neu {x} * y=b (2)"


def test_a_path_stands_for_itself_alone(tmp_path: Path) -> None:
    with connect() as connection:
        for name in ("a[1]", "a1", "y=2", "o'Neu *", "o'Neu xx"):
            (tmp_path / name).mkdir()
            rows = tmp_path / name / "x.parquet"
            connection.execute(f"copy (select {literal(name)} as folder) to {literal(rows)} (format parquet)")
        for name in ("a[1]", "y=2", "o'Neu *"):
            for found in (parquet_rows(tmp_path / name / "x.parquet"), parquet_rows(tmp_path / name, "*.parquet")):
                assert connection.execute(f"from {found}").fetchall() == [(name,)]


def test_dbt_builds_in_a_folder_of_any_name(own_kleinstadt: Kleinstadt, tmp_path: Path) -> None:
    declared = declarations.load(own_kleinstadt.project, REGION)
    data = RegionData(root=tmp_path / ODD / REGION, inbox=own_kleinstadt.inbox)
    (data.raw / "ewr").mkdir(parents=True)
    columns = ", ".join(
        f"cast(null as {kind}) as {name}" for name, kind in declared.contracts["ewr"].landed_columns.items()
    )
    data.judged.mkdir()
    with connect() as connection:
        for path, query in (
            (data.raw / "ewr" / "1.parquet", f"select {columns}"),
            (data.judged / "delivery.parquet", "select 'x' as delivery, true as in_force"),
        ):
            connection.execute(f"copy ({query}) to {literal(path)} (format parquet)")
    before = Path.cwd()
    transform.assemble(own_kleinstadt.project, data, declared.contracts)
    built = transform.run_dbt(own_kleinstadt.project, data, declared, ["build", "--quiet", "--select", "stg_ewr"])
    assert [(node.name, node.status) for node in built] == [("stg_ewr", "success")]
    assert data.warehouse.is_file()
    assert Path.cwd() == before


@pytest.mark.parametrize("name", ["wo?", "Stadt%20Neu"])
def test_a_folder_no_database_can_lie_in_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str) -> None:
    monkeypatch.setenv("SOZIALRAUM_DATA", str(tmp_path / name))
    with pytest.raises(FolderError, match="umbenennen"):
        region_data(REGION)
    assert command("status", "berlin") == 2


# ---------------------------------------------------------------- a street register in another encoding

COLUMNS = ("ags", "street_key", "number_from", "suffix_from", "number_to", "suffix_to", "side", "area")


def register(**changes: Any) -> StreetRegister:
    fields = {"file": "strassen.csv", "columns": {name: name for name in COLUMNS}} | changes
    return StreetRegister.model_validate({**fields, "sides": {"odd": "U", "even": "G", "both": "B"}})


def test_a_street_register_in_another_encoding_is_named_and_may_be_declared(tmp_path: Path) -> None:
    path = tmp_path / "strassen.csv"
    path.write_bytes(f"{';'.join(COLUMNS)}\n1;2;1;;9;;B;Süd\n".encode("cp1252"))
    with pytest.raises(GeographyError, match=r"strassen.csv, Zeile 2: .*utf-8.*encoding: cp1252"):
        streets.read_register(path, register())
    assert streets.read_register(path, register(encoding="cp1252"))["area"].tolist() == ["Süd"]
    with connect() as connection, pytest.raises(sender.WrongUse, match=r"strassen.csv.*utf-8"):
        sender._read(connection, path, ["area"], register())
    with connect() as connection:
        sender._read(connection, path, ["area"], register(encoding="cp1252"))
        assert connection.execute("select area from given_file").fetchall() == [("Süd",)]


@pytest.mark.parametrize("content", [b"", b'"a;b\n1;2', b"\x00\x01"])
def test_a_street_register_that_is_none_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "strassen.csv"
    path.write_bytes(content)
    geography = Geography.model_construct(id="g", levels=[], street_register=register())
    with pytest.raises(GeographyError, match=r"strassen.csv"):
        streets.street_ranges(geography, pd.DataFrame(), [tmp_path])


# ---------------------------------------------------------------- the commands


def receipt(**changes: Any) -> Receipt:
    fields = {
        "delivery": "0123456789abcdef", "source": "ewr", "municipality": "99000000", "period": "2011-12-31",
        "reference_date": "2011-12-31", "geography": "lor", "edition": "2006", "level": "planungsraum", "version": 1,
        "supersedes": None, "file_name": "EWR201112E_Matrix.csv", "sha256": "ab", "landed_at": "2012-01-01T00:00:00",
        "fingerprint": "f", "verdict": "accepted",
    }  # fmt: skip
    return Receipt(**{**fields, **changes})


def test_the_commands_record_a_decision_and_status_tells_it(
    own_kleinstadt: Kleinstadt, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    place = Place(own_kleinstadt, tmp_path / "data")
    for name, value in place.environment.items():
        monkeypatch.setenv(name, value)
    later = receipt(
        delivery="fedcba9876543210", period="2012-12-31", verdict="held", reasons=["Der Inhalt ist derselbe."],
        file_name="EWR201212E_Matrix.csv",
    )  # fmt: skip
    for item in (receipt(), later):
        write_json(asdict(item), place.data.receipts / "ewr" / f"{item.delivery}.json")
    assert command("withdraw", REGION, "EWR201112E_Matrix.csv", "--reason", " ") == 2
    assert command("withdraw", REGION, "nirgends.csv", "--reason", "Kopie") == 2
    assert command("accept", REGION, "012345", "--reason", "Kopie") == 2
    capsys.readouterr()
    assert command("status", REGION) == 0
    said = capsys.readouterr().out
    assert f"accept {REGION} fedcba9876543210" in said
    assert "mss_shares: noch keine Lieferung" in said
    assert command("withdraw", REGION, "012345", "--reason", "Kopie von 2012", "--json") == 0
    assert json.loads(capsys.readouterr().out)["withdrawn_because"] == "Kopie von 2012"
    page = (place.data.receipts / "ewr" / "0123456789abcdef.html").read_text(encoding="utf-8")
    assert "Die Lieferung ist zurückgezogen." in page
    assert "Kopie von 2012" in page
    assert command("status", REGION, "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert [item["delivery"] for item in found["withdrawn"]] == ["0123456789abcdef"]
    assert [item["delivery"] for item in found["held"]] == ["fedcba9876543210"]
    assert command("withdraw", REGION, "012345", "--undo", "--reason", "Irrtum") == 0
    history = json.loads((place.data.decisions / "ewr" / "0123456789abcdef.json").read_text(encoding="utf-8"))
    assert [(entry["kind"], entry["reason"]) for entry in history] == [
        ("withdrawn", "Kopie von 2012"), ("brought_back", "Irrtum"),
    ]  # fmt: skip


# ---------------------------------------------------------------- a check does what it is called


@pytest.mark.parametrize(
    ("status", "reason", "passes"),
    [
        ("suppressed", None, True), ("missing", "too_few_years", True), ("missing", "incomplete_parts", True),
        ("not_applicable", "denominator_zero", True), ("missing", "missing_in_source", False),
        ("missing", "not_delivered", False),
    ],
)  # fmt: skip
def test_most_areas_have_a_value_asks_for_what_was_to_be_delivered(
    kleinstadt: Kleinstadt, status: str, reason: str | None, passes: bool
) -> None:
    [suite] = declarations.load(kleinstadt.project, REGION).suites_for(2)
    check = next(item for item in suite.checks if item.name == "most_areas_have_a_value")
    rows = [("published", None, 1.0)] * 8 + [(status, reason, None)] * 2
    frame = pd.DataFrame(rows, columns=["status", "reason", "value"])
    frame = frame.assign(indicator="i", period="2020", level="l", edition="e")
    with duckdb.connect() as connection:
        connection.register("mart_indicator_value", frame)
        found = gate._judge(connection, suite, check, "marts")
    assert (found.success, found.blocks, found.severity) == (passes, False, "warning")
