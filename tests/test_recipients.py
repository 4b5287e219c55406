"""Packages for recipients: each gets what it is entitled to and nothing else, in files other programs read.

Reads  a made-up release whose names attack those who open it. Writes packages into temporary folders.
Oracles: frictionless, openpyxl, GeoPandas, our own intake of GeoParquet.
"""

from __future__ import annotations

import json
import subprocess
import zipfile
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import frictionless
import geopandas as gpd
import minisign
import openpyxl
import pytest
import report_marts
from pydantic import ValidationError

from dagster_project import cli, declarations
from dagster_project.declarations import DeclarationError, Declarations
from dagster_project.declarations.sharing import Sharing
from dagster_project.geography import intake
from dagster_project.packages import archive, keys, recipients
from dagster_project.settings import Project, region_data

ROOT = Path(__file__).resolve().parents[1]
NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
SHARING: dict[str, Any] = {
    "id": "recipients",
    "transmissions_kept_days": 30,
    "catalogue": {
        "publisher": "Landkreis, Statistikstelle", "contact": "mailto:statistik@example.org",
        "contributor": "http://dcat-ap.de/def/contributors/landkreis",
        "licence": "http://dcat-ap.de/def/licenses/dl-by-de/2.0", "address": "https://example.org/pakete",
        "territory": "districtKey/05399", "themes": ["SOCI", "REGI"], "keywords": ["Sozialraum"],
    },
    "recipients": [
        {"id": "nord", "name": "Stadt Nord"}, {"id": "sued", "name": "Stadt Süd"},
        {"id": "alle", "name": "Alle", "everybody": True},
    ],
    "entitlements": [
        {"recipient": name, "product": product, "municipality": town, "level": level, "purpose": "Sozialplanung",
         "valid_from": "2026-01-01", "valid_to": end}
        for name, product, town, level, end in (
            ("nord", "values", "05", "viertel", None),
            ("nord", "comparisons", "05", "viertel", None),
            ("nord", "values", "*", "stadt", None),
            ("sued", "values", "06", "viertel", "2026-06-30"),
            ("sued", "comparisons", "05", "viertel", "2026-06-30"),
            ("alle", "values", "*", "viertel", None),
            ("alle", "values", "*", "bezirk", None),
        )
    ],
}  # fmt: skip


def write_release(folder: Path, south_key: str = "06") -> Path:
    """The marts of a release as Parquet; the second district is another municipality than the first."""
    with duckdb.connect(str(report_marts.write_marts(folder / "marts.duckdb"))) as connection:
        connection.execute("alter table mart_area add column area_type_name varchar")
        south = "area like '2%'"
        for table in ("mart_area", "mart_indicator_value"):
            connection.execute(f"update {table} set municipality = ? where {south}", [south_key])
        for (table,) in connection.execute("select table_name from duckdb_tables()").fetchall():
            connection.execute(f"copy {table} to '{folder / table}.parquet' (format parquet)")
    return folder


@pytest.fixture(scope="module")
def parquet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_release(tmp_path_factory.mktemp("release"))


@pytest.fixture(scope="module")
def declared() -> Declarations:
    return replace(declarations.load(Project(ROOT), "musterstadt"), sharing=Sharing.model_validate(SHARING))


def opened(folder: Path, recipient: str, release: str = "r1") -> Path:
    """What is in a package, unpacked."""
    target = folder / recipient / "opened"
    with zipfile.ZipFile(folder / recipient / f"{release}.zip") as source:
        source.extractall(target)
    return target


def test_a_recipient_gets_its_own_areas_and_no_others(declared: Declarations, parquet: Path, tmp_path: Path) -> None:
    made = recipients.build(declared, "r1", parquet, tmp_path, NOW)
    assert [item.recipient for item in made] == ["nord", "sued", "alle"]
    wanted = {
        "nord": {("viertel", "05"), ("stadt", "05")},
        "sued": {("viertel", "06")},
        "alle": {("viertel", "05"), ("viertel", "06"), ("bezirk", "05"), ("bezirk", "06")},
    }
    cube = duckdb.sql(f"from '{parquet}/mart_indicator_value.parquet'").df()
    for item in made:
        folder = opened(tmp_path, item.recipient)
        found = duckdb.sql(f"from '{folder}/werte.parquet'").df()
        assert set(zip(found["level"], found["municipality"], strict=True)) == wanted[item.recipient]
        own = cube[[pair in wanted[item.recipient] for pair in zip(cube["level"], cube["municipality"], strict=True)]]
        columns = ["edition", "level", "area", "period", "indicator"]
        both = found.merge(own, on=columns, suffixes=("", "_mart"))
        assert len(both) == len(own) == item.rows["value"] == item.added
        assert both["value"].equals(both["value_mart"])
        areas = set(gpd.read_file(folder / "gebiete.gpkg")["area"])
        assert set(found["area"]) <= areas
        assert {area[:1] for area in areas if area[:1] in "12"} <= ({"1"} if item.recipient == "nord" else {"1", "2"})
    for path in opened(tmp_path, "nord").iterdir():  # no trace of the neighbour in any file
        assert "Übersee".encode() not in path.read_bytes(), path.name
    assert made[0].rows["indicator"] > 0
    # comparisons and values are rights of their own
    assert [item.rows["comparison"] for item in made] == [2, 2, 0]


def test_nobody_gets_anything_before_or_after(declared: Declarations, parquet: Path, tmp_path: Path) -> None:
    def names(now: datetime) -> list[str]:
        return [item.recipient for item in recipients.build(declared, "r1", parquet, tmp_path / str(now.date()), now)]

    assert names(datetime(2025, 12, 31, tzinfo=UTC)) == []
    assert names(datetime(2026, 6, 30, tzinfo=UTC)) == ["nord", "sued", "alle"]
    assert names(datetime(2026, 7, 1, tzinfo=UTC)) == ["nord", "alle"]


def test_the_ledger_knows_what_went_out_and_nothing_goes_out_twice(
    declared: Declarations, parquet: Path, tmp_path: Path
) -> None:
    made = recipients.build(declared, "r1", parquet, tmp_path, NOW)
    line = (tmp_path / recipients.LEDGER).read_bytes()
    assert recipients.build(declared, "r1", parquet, tmp_path, NOW) == []
    changed = tmp_path / "changed"
    changed.mkdir()
    for path in parquet.glob("*.parquet"):
        (changed / path.name).write_bytes(path.read_bytes())
    with duckdb.connect() as connection:
        cube = f"{parquet}/mart_indicator_value.parquet"
        query = f"select * replace (value + if(area = '101' and value > 11, 1, 0) as value) from '{cube}'"
        query += " where not (area = '101' and period = '2016' and indicator = 'anteil')"
        connection.execute(f"copy ({query}) to '{changed}/mart_indicator_value.parquet' (format parquet)")
    again = recipients.build(declared, "r2", changed, tmp_path, NOW + timedelta(days=1))
    assert [item.recipient for item in again] == ["nord", "alle"]
    assert (again[0].added, again[0].removed) == (0, 1)
    assert again[0].changed > 0
    listed = (opened(tmp_path, "nord", "r2") / "aenderungen.csv").read_text(encoding="utf-8-sig").splitlines()
    assert len(listed) == 1 + again[0].changed + again[0].removed
    assert recipients.ledger(tmp_path) == [*made, *again]
    assert (tmp_path / recipients.LEDGER).read_bytes().startswith(line)
    for item in [*made, *again]:
        assert item.sha256 == archive.sha256(tmp_path / item.recipient / item.package)
    assert recipients.forget(tmp_path, 30, (NOW + timedelta(days=31)).date()) == 3
    assert recipients.ledger(tmp_path) == again


def test_other_programs_read_a_package(declared: Declarations, parquet: Path, tmp_path: Path) -> None:
    recipients.build(declared, "r1", parquet, tmp_path, NOW)
    folder = opened(tmp_path, "alle")
    described = json.loads((folder / "datapackage.json").read_text(encoding="utf-8"))
    tables = [item for item in described["resources"] if item["format"] == "csv"]
    with frictionless.system.use_context(trusted=True):
        report = frictionless.Package({**described, "resources": tables}, basepath=str(folder)).validate()
    assert report.valid, report.flatten(["title", "message"])
    assert len(tables) == 2
    values = duckdb.sql(f"from '{folder}/werte.parquet'").df()
    areas = gpd.read_file(folder / "gebiete.gpkg", layer="gebiete")
    assert areas.crs.to_epsg() == 25832
    parquet_areas = intake._read_geoparquet(folder / "gebiete.parquet", "raise")
    assert parquet_areas.crs.to_epsg() == 25832
    assert parquet_areas.geometry.area.sum() == pytest.approx(areas.geometry.area.sum())
    assert areas.geometry.area.sum() > 0
    book = openpyxl.load_workbook(folder / "werte.xlsx")
    assert book.sheetnames == ["Lesehilfe", "Werte", "Indikatoren"]
    assert "Alle" in [cell.value for cell in book["Lesehilfe"]["B"]]
    assert book["Werte"].max_row == 1 + len(values)
    shown = [cell.value for cell in book["Werte"]["D"][1:]]
    assert sum(value or 0 for value in shown) == pytest.approx(values["value"].sum())


def test_no_cell_becomes_a_formula(declared: Declarations, parquet: Path, tmp_path: Path) -> None:
    """One district is called =cmd()."""
    recipients.build(declared, "r1", parquet, tmp_path, NOW)
    folder = opened(tmp_path, "alle")
    cells = [cell for row in openpyxl.load_workbook(folder / "werte.xlsx")["Werte"].iter_rows() for cell in row]
    assert report_marts.FORMULA in [cell.value for cell in cells]
    assert not [cell for cell in cells if cell.data_type == "f"]
    text = (folder / "werte.csv").read_text(encoding="utf-8-sig")
    assert f"'{report_marts.FORMULA}" in text
    for line in text.splitlines():
        assert not any(cell.strip('"').startswith(("=", "@", "+", "\t")) for cell in line.split(";"))
    assert (folder / "werte.csv").read_bytes().startswith(b"\xef\xbb\xbf")
    assert ";12,345;" in text.replace("13,345", "12,345")


def test_a_package_is_signed_and_encrypted(declared: Declarations, parquet: Path, tmp_path: Path) -> None:
    keys.create(tmp_path / "keys")
    public = (tmp_path / "keys" / "age.pub").read_text().strip()
    assert declared.sharing is not None
    secret = [item.model_copy(update={"encrypt_to": [public]}) for item in declared.sharing.recipients[:1]]
    sharing = declared.sharing.model_copy(update={"recipients": [*secret, *declared.sharing.recipients[1:]]})
    made = recipients.build(
        replace(declared, sharing=sharing), "r1", parquet, tmp_path / "out", NOW, tmp_path / "keys" / "minisign.key"
    )
    assert made[0].package == "r1.zip.age"
    keys.decrypt(tmp_path / "out" / "nord" / "r1.zip.age", tmp_path / "plain.zip", tmp_path / "keys" / "age.key")
    folder = tmp_path / "members"
    with zipfile.ZipFile(tmp_path / "plain.zip") as source:
        source.extractall(folder)
    subprocess.run(["sha256sum", "--check", "--strict", archive.SUMS], cwd=folder, check=True, capture_output=True)
    listed = {line.split("  ")[1] for line in (folder / archive.SUMS).read_text(encoding="utf-8").splitlines()}
    assert listed == {path.name for path in folder.iterdir()} - {archive.SUMS, archive.SIGNATURE}
    minisign.PublicKey.from_file(tmp_path / "keys" / "minisign.pub").verify_file(folder / archive.SUMS)
    for path in (tmp_path / "out").rglob("*"):
        assert path.is_dir() or path.stat().st_mode & 0o077 == 0, path


def test_the_same_release_packs_to_the_same_bytes(declared: Declarations, parquet: Path, tmp_path: Path) -> None:
    first, second = (recipients.build(declared, "r1", parquet, tmp_path / name, NOW) for name in ("one", "two"))
    assert first == second


@pytest.mark.parametrize(
    ("entitlement", "words"),
    [
        ({"recipient": "nobody"}, "'nobody' is no recipient"),
        ({"municipality": "99"}, "'99' is not declared"),
        ({"level": "block"}, "'block' is not declared"),
        ({"valid_to": "2020-01-01"}, "valid_to lies before valid_from"),
    ],
)
def test_an_entitlement_that_leads_nowhere_is_named(tmp_path: Path, entitlement: dict[str, str], words: str) -> None:
    for name in ("dbt", "expectations", "reports"):
        (tmp_path / name).symlink_to(ROOT / name)
    (tmp_path / "sources").mkdir()
    region = tmp_path / "sources" / "musterkreis"
    region.mkdir()
    for path in (ROOT / "sources" / "musterkreis").iterdir():
        (region / path.name).symlink_to(path)
    (region / "recipients.yml").unlink()
    row = {"recipient": "kreis", "product": "values", "municipality": "*", "level": "kreis", "purpose": "x"}
    content = {
        "transmissions_kept_days": 1,
        "catalogue": SHARING["catalogue"],
        "recipients": [{"id": "kreis", "name": "Kreis"}],
        "entitlements": [{**row, "valid_from": "2025-01-01", **entitlement}],
    }
    (region / "recipients.yml").write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(DeclarationError) as raised:
        declarations.load(Project(tmp_path), "musterkreis")
    assert words in str(raised.value)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("licence", "CC BY 4.0"),
        ("licence", "http://dcat-ap.de/def/licenses/x> a b"),
        ("contact", "somebody"),
        ("address", "javascript:alert(1)"),
        ("address", "https://example.org/<script>"),
        ("territory", "05399"),
        ("contributor", "http://example.org/me"),
        ("themes", ["POVERTY"]),
    ],
)
def test_a_catalogue_that_portals_would_refuse_is_no_declaration(key: str, value: object) -> None:
    with pytest.raises(ValidationError, match=f"catalogue.{key}"):
        Sharing.model_validate({**SHARING, "catalogue": {**SHARING["catalogue"], key: value}})


def test_everybody_is_one_recipient() -> None:
    two = [{**recipient, "everybody": True} for recipient in SHARING["recipients"]]
    with pytest.raises(ValidationError, match="everybody is declared twice"):
        Sharing.model_validate({**SHARING, "recipients": two})


def test_without_a_release_there_is_nothing_to_pack(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["packages", "musterkreis"]) == cli.WRONG_INPUT
    assert "eine Veröffentlichung" in capsys.readouterr().err
    assert cli.main(["packages", "berlin"]) == cli.WRONG_INPUT
    assert not region_data("musterkreis").packages.exists()
