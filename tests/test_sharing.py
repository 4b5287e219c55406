"""What goes back to those who deliver: receipts, the check at the sender, retention, and the exported Table Schema.

Reads  the simulator's specification of the made-up county. Writes a small dirty county, hand-made deliveries and
contracts into temporary folders.
"""

from __future__ import annotations

import csv
import html
import json
import random
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import frictionless
import kleinstadt as town
import pytest
import yaml
from frictionless.formats import CsvControl
from frictionless.resources import TableResource

from dagster_project import (
    cli,
    contract_forms,
    declarations,
    deliveries,
    geography,
    landing,
    periods,
    retention,
    sender,
    sharing,
)
from dagster_project.contract_forms import Days
from dagster_project.declarations import Contract, Geography, Region
from dagster_project.declarations.yaml_files import read_file, read_folder
from dagster_project.deliveries import Receipt
from dagster_project.settings import Project, RegionData
from dagster_project.sharing import Fault
from sources.simulator.run import simulate

SPECIFICATION = town.CHECKOUT / "sources" / "simulator" / "musterkreis.yml"
COUNTY = town.CHECKOUT / "sources" / "musterkreis"
YEARS = {2019: 2022, 2020: 2023, 2021: 2022, 2022: 2022, 2023: 2023, 2024: 2023}
COUNTED = ("rows_read", "rows_accepted", "rows_quarantined", "rows_skipped", "rows_unallocated", "corrections")


@dataclass(frozen=True)
class Landed:
    """A small county of two years with all its dirt, landed and receipted."""

    data: RegionData
    region: Region
    contracts: dict[str, Contract]
    receipts: list[Receipt]
    streets: Path

    def page(self, receipt: Receipt) -> str:
        return (self.data.receipts / receipt.source / f"{receipt.delivery}.html").read_text(encoding="utf-8")

    def receipt(self, file_name: str, municipality: str) -> Receipt:
        return next(
            receipt
            for receipt in self.receipts
            if (receipt.file_name, receipt.municipality) == (file_name, municipality)
        )

    def unplaced(self, receipt: Receipt) -> int:
        """Rows whose address leads nowhere; rows of a table that name no area do so by contract, and are no fault."""
        return receipt.rows_unallocated if self.contracts[receipt.source].shape == "records" else 0

    def faults(self, receipt: Receipt) -> list[Fault]:
        return sharing.load_faults(self.data, vars(receipt))


def two_years(path: Path) -> None:
    """The county's specification cut down to two years, with every kind of dirt moved into them."""
    content = yaml.safe_load(SPECIFICATION.read_text(encoding="utf-8"))
    content["history"] |= {"first_year": 2022, "last_year": 2023}
    content["elections"] = [{**content["elections"][0], "date": date(2022, 9, 18)}]
    for dirt in content["dirt"]:
        dirt["periods"] = sorted({f"{YEARS[int(period[:4])]}{period[4:]}" for period in dirt["periods"]})
    path.write_text(yaml.safe_dump(content, allow_unicode=True), encoding="utf-8")


def declared_in(folder: Path) -> tuple[Region, dict[str, Contract]]:
    mistakes: list[declarations.Mistake] = []
    project = Project(folder.parents[1])
    region = read_file(folder / "region.yml", Region, project, mistakes, identity=folder.name)
    contracts = read_folder(folder / "contracts", Contract, project, mistakes)
    assert region is not None
    assert mistakes == []
    return region, contracts


@pytest.fixture(scope="module")
def county(tmp_path_factory: pytest.TempPathFactory) -> Landed:
    folder = tmp_path_factory.mktemp("county")
    two_years(folder / "specification.yml")
    simulate(folder / "specification.yml", folder / "out", seed=5, size=0.02)
    region, contracts = declared_in(COUNTY)
    data = RegionData(root=folder / "data", inbox=folder / "out" / "inbox")
    data.root.mkdir()
    mistakes: list[declarations.Mistake] = []
    divisions = read_folder(COUNTY / "geographies", Geography, Project(town.CHECKOUT), mistakes)
    geography.build(region, list(divisions.values()), [folder / "out", data.inbox], data.geography)
    register = next(item.street_register for item in divisions.values() if item.street_register)
    names = {municipality.id: municipality.name for municipality in region.municipalities}
    for source, contract in contracts.items():
        landing.land(region, contract, data)
        sharing.write_receipts(data, source, contract, names)
    receipts = [receipt for source in contracts for receipt in deliveries.load_receipts(data, source).values()]
    assert {receipt.verdict for receipt in receipts} == {"accepted", "partly", "rejected"}
    return Landed(data, region, contracts, receipts, data.inbox / register.file)


# ---------------------------------------------------------------- receipts


def sections(page: str) -> dict[tuple[str, bool], list[int]]:
    """Rule and whether it stands under "Nicht zuordenbar": the row numbers its section lists."""
    found: dict[tuple[str, bool], list[int]] = {}
    barred, _, unallocated = page.partition("<h2>Nicht zuordenbar</h2>")
    for part, is_unallocated in ((barred, False), (unallocated, True)):
        for section in re.findall(r"<section>.*?</section>", part, re.DOTALL):
            rule = re.search(r"<code>(\w+)</code>", section)
            assert rule is not None
            assert "So beheben Sie das" in section
            assert "<dt>Grund</dt><dd>" in section
            rows = [int(row) for row in re.findall(r'<th scope="row">(\d+)</th>', section)]
            found.setdefault((rule[1], is_unallocated), []).extend(rows)
    return found


def test_every_delivery_has_a_page_with_its_verdict_and_counts(county: Landed) -> None:
    for receipt in county.receipts:
        page = county.page(receipt)
        assert f"Die Lieferung ist {sharing.VERDICTS[receipt.verdict]}." in page
        read = f"{receipt.rows_read:,}".replace(",", ".")
        assert f"<dt>gelesen</dt><dd>{read}</dd>" in page
        assert f"<dt>mit Verstoß</dt><dd>{receipt.rows_quarantined}</dd>" in page
        assert f"<dt>keinem Gebiet zuordenbar</dt><dd>{receipt.rows_unallocated}</dd>" in page
        taken = 0 if receipt.verdict == "rejected" else receipt.rows_accepted
        assert f"<dt>übernommen</dt><dd>{taken:,}</dd>".replace(",", ".") in page
        assert html.escape(receipt.file_name) in page


def test_a_page_lists_every_quarantined_row_and_every_unallocated_one_apart(county: Landed) -> None:
    for receipt in county.receipts:
        found = sections(county.page(receipt))
        faults = county.faults(receipt)
        barring = {(fault.rule, fault.row) for fault in faults if fault.is_quarantined and fault.row}
        assert {(rule, row) for (rule, apart), rows in found.items() if not apart for row in rows} == barring
        unallocated = [row for (_, apart), rows in found.items() if apart for row in rows]
        if receipt.verdict != "rejected" and not receipt.level:
            assert len(set(unallocated)) == len(unallocated) == receipt.rows_unallocated
        assert not set(unallocated) & {row for _, row in barring}
    assert sum(receipt.rows_unallocated for receipt in county.receipts) > 0


def test_a_receipt_tells_what_was_mended_without_asking(county: Landed) -> None:
    """Every key whose leading zeros were restored is counted, and the sender reads it: on the page and in the check."""
    landed = landing.originals(county.region, county.contracts["einwohner"], county.data)
    path, receipt = next(item for item in landed if item[0].suffix == ".tsv")
    with path.open(encoding="utf-8-sig", newline="") as file:
        short = sum(len(row["Straßenschlüssel"]) < 5 for row in csv.DictReader(file, delimiter="\t"))
    assert receipt.corrections == [{"column": "street_key", "rule": "leading_zeros_restored", "rows": short}]
    sentence = f"In {short:,} Zeilen wurden in der Spalte strschl".replace(",", ".")
    assert sentence in county.page(receipt)
    contract = COUNTY / "contracts" / "einwohner.yml"
    check = sender.check_delivery(path, contract, streets=county.streets)
    text = sharing.check_text(check.receipt, check.faults, check.unchecked, county.contracts["einwohner"])
    assert sentence in text
    assert any(not receipt.corrections for receipt in county.receipts)


def test_days_of_birth_that_nobody_knows_lose_nobody_and_are_counted(county: Landed) -> None:
    """Every record of the file is taken, with the age its month gives; the receipt tells how many there are."""
    dirt = duckdb.sql(f"from read_parquet('{county.data.inbox.parent / 'truth' / 'dirt.parquet'}')").df()
    touched = dirt[dirt["dirt"] == "unknown_birth_days"]
    receipt = county.receipt(Path(touched["path"].iloc[0]).name, "05399028")
    assert touched["path"].nunique() == 1
    assert {"column": "age_in_months", "rule": "partly_known_date", "rows": len(touched)} in receipt.corrections
    assert (receipt.verdict, receipt.rows_quarantined) == ("accepted", 0)
    assert "der Tag oder der Monat unbekannt" in county.page(receipt)


def test_rows_that_name_no_area_by_contract_are_counted_as_such(county: Landed) -> None:
    """Postal voting districts lie nowhere: the receipt says how many they are, and that nothing is to be done."""
    votes = [receipt for receipt in county.receipts if receipt.level and receipt.rows_unallocated]
    assert votes
    for receipt in votes:
        rows = duckdb.sql(f"from '{county.data.raw / receipt.source / receipt.delivery}.parquet'").df()
        placeless = rows[rows["area"].str.endswith("-ohne")]["row"].nunique()
        assert receipt.rows_unallocated == placeless
        assert "Anschriften" not in county.page(receipt)


def test_every_row_made_dirty_is_listed(county: Landed) -> None:
    dirt = duckdb.sql(f"from read_parquet('{county.data.inbox.parent / 'truth' / 'dirt.parquet'}')").df()
    rules = {
        "impossible_birth_dates": "no_birth_date",
        "unknown_street": "unknown_street",
        "address_off_register": "unknown_house_number",
        "wrong_municipality": "wrong_municipality",
    }
    seen = set()
    for (name, path), touched in dirt[dirt["dirt"].isin(list(rules))].groupby(["dirt", "path"]):
        _, municipality, folder, file_name = path.split("/")
        if folder not in county.contracts:
            continue
        rows = {
            fault.row for fault in county.faults(county.receipt(file_name, municipality)) if fault.rule == rules[name]
        }
        assert len(rows) == touched["line"].nunique()
        seen.add(name)
    assert seen == set(rules)


def test_a_page_says_what_it_supersedes_and_what_superseded_it(county: Landed) -> None:
    corrected = next(receipt for receipt in county.receipts if receipt.supersedes)
    earlier = next(receipt for receipt in county.receipts if receipt.delivery == corrected.supersedes)
    replaced = f"<dt>Ersetzt</dt><dd>{earlier.file_name}, Version 1, Lieferung {earlier.delivery}</dd>"
    assert replaced in county.page(corrected)
    assert f"<dt>Ersetzt durch</dt><dd>{corrected.file_name}, Version 2" in county.page(earlier)
    assert "zu dieser ist nichts mehr zu tun" in county.page(earlier)
    others = [r for r in county.receipts if r.supersedes is None]
    assert all("<dd>keine frühere Lieferung</dd>" in county.page(receipt) for receipt in others)


def test_a_page_says_what_to_do_now(county: Landed) -> None:
    done = [r for r in county.receipts if r.verdict == "accepted" and not county.unplaced(r)]
    superseded = {r.supersedes for r in county.receipts}
    for receipt in county.receipts:
        page = county.page(receipt)
        if receipt.delivery in superseded:
            continue
        assert ("Es ist nichts zu tun" in page) == (receipt in done)
        assert ("vollständige Datei noch einmal" in page) == (receipt.verdict != "accepted")
        assert ("Keine Zeile dieser Datei wurde übernommen" in page) == (receipt.verdict == "rejected")
        assert ("Bitte prüfen Sie die Anschriften" in page) == bool(county.unplaced(receipt))


def test_the_record_counts_its_faults_by_rule(county: Landed) -> None:
    for receipt in county.receipts:
        content = json.loads((county.data.receipts / receipt.source / f"{receipt.delivery}.json").read_text("utf-8"))
        assert content["rules"] == sharing.summary_by_rule(county.faults(receipt))
        is_faulty = receipt.rows_quarantined or county.unplaced(receipt) or receipt.reasons
        assert bool(content["rules"]) == bool(is_faulty)


def test_writing_receipts_again_changes_nothing(county: Landed) -> None:
    source = next(receipt.source for receipt in county.receipts if receipt.verdict == "partly")
    names = {municipality.id: municipality.name for municipality in county.region.municipalities}

    def state() -> dict[Path, tuple[bytes, int]]:
        folder = county.data.receipts / source
        return {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.iterdir()}

    before = state()
    pages = sharing.write_receipts(county.data, source, county.contracts[source], names)
    assert sorted(pages) == sorted(path for path in before if path.suffix == ".html")
    assert state() == before
    landing.land(county.region, county.contracts[source], county.data)
    assert state() == before


def test_only_the_owner_reads_a_receipt(county: Landed) -> None:
    for path in county.data.receipts.rglob("*.*"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path


def text_of(path: Path) -> str:
    if path.suffix != ".parquet":
        return path.read_text(encoding="utf-8")
    with duckdb.connect() as connection:
        rows = connection.execute(f"select columns(*)::varchar from read_parquet('{path}')").fetchall()
    return " ".join(str(cell) for row in rows for cell in row)


def secrets(county: Landed) -> Iterator[tuple[str, str]]:
    """Role and text of every identifier and street name that any delivery of records carries."""
    for contract in county.contracts.values():
        if contract.shape != "records":
            continue
        for path, receipt in landing.originals(county.region, contract, county.data):
            arrival = deliveries.claimed(path, receipt.municipality, contract)
            assert arrival is not None
            layout = landing.Layout(contract, arrival.layout)
            content = path.read_bytes().decode(layout.encoding, errors="replace").lstrip("\ufeff")
            rows = csv.reader(content.splitlines(), delimiter=layout.delimiter)
            wanted = [(i, found) for i, name in enumerate(next(rows)) if (found := layout.column(name))]
            for row in rows:
                for i, column in wanted:
                    if i < len(row) and row[i] and (column.role == "identifier" or column.name == "street"):
                        yield column.role, row[i]


def test_nothing_written_names_an_identifier_or_a_street(county: Landed) -> None:
    found = list(secrets(county))
    identifiers = {text for role, text in found if role == "identifier"}
    streets = {text for role, text in found if role == "ignore"}
    assert len(identifiers) > 5000
    assert len(streets) > 500
    written = [
        path
        for folder in (county.data.raw, county.data.quarantine, county.data.receipts)
        for path in folder.rglob("*.*")
    ]
    assert len(written) > 3 * len(county.receipts)
    for path in written:
        words = set(re.findall(r"\w+", text_of(path)))
        assert not words & identifiers, path
        assert not words & streets, path
    left = [path for path in county.data.root.rglob("*") if path.is_file() and path not in written]
    left.remove(county.data.secret)
    assert {path.parent.name for path in left} <= {"geography"}


def test_what_a_sender_wrote_is_escaped(tmp_path: Path) -> None:
    folder, file = table_contract(tmp_path), tmp_path / "inbox" / "werte" / "werte_2024.csv"
    region, contracts = declared_in(folder)
    file.parent.mkdir(parents=True)
    hostile = "<script>alert(1)</script>"
    file.write_text(f"stichtag;gebiet;faelle;quote;anteil\n2024;01;{hostile};1;1\n{hostile}\n", encoding="utf-8")
    data = RegionData(root=tmp_path / "data", inbox=tmp_path / "inbox")
    (data.root / "geography").mkdir(parents=True)
    areas = "select 'ort' as geography, '1' as edition, 'teil' as level, '01' as area, null::varchar as municipality, "
    areas += "false as is_unallocated, null::date as exists_from, null::date as exists_to"
    duckdb.sql(f"copy ({areas}) to '{data.geography}/area.parquet'")
    (receipt,) = landing.land(region, contracts["werte"], data)
    assert receipt.verdict == "rejected"
    (page,) = sharing.write_receipts(data, "werte")
    text = page.read_text(encoding="utf-8")
    assert "<script" not in text
    assert text.count(html.escape(hostile)) == 2
    assert not re.search(r"(src|href)=|url\(|@import", text)


def test_every_rule_has_words_of_its_own() -> None:
    package = town.CHECKOUT / "dagster_project"
    code = "".join(
        (package / f"{name}.py").read_text("utf-8")
        for name in ("landing", "reading", "header", "damaged_text", "area_rows", "record_rows", "record_breaches")
    )
    rules = set(re.findall(r"'(\w+)' as rule|Breach\(\s*\"(\w+)\"|'([a-z_]+)',\s*'[A-ZÄÖÜ]", code))
    rules = {name for names in rules for name in names if name}
    rules |= {rule for rule, _ in landing.record_breaches.NOT_TYPED.values()}
    assert len(rules) > 20
    assert rules <= set(sharing.ADVICE)


# ---------------------------------------------------------------- the same check at the sender


def faults_in_quarantine(county: Landed, receipt: Receipt) -> list[Fault]:
    return sorted(county.faults(receipt), key=str)


def test_the_sender_gets_landings_verdict_on_every_delivery(county: Landed, tmp_path: Path) -> None:
    areas = tmp_path / "areas.csv"
    duckdb.sql(
        f"copy (select geography, edition, level, area, exists_from, exists_to, is_unallocated "
        f"from read_parquet('{county.data.geography / 'area.parquet'}')) to '{areas}'"
    )
    checked = 0
    for source, contract in county.contracts.items():
        for path, receipt in landing.originals(county.region, contract, county.data):
            given: dict[str, Any] = {"streets": county.streets} if contract.shape == "records" else {"areas": areas}
            check = sender.check_delivery(path, COUNTY / "contracts" / f"{source}.yml", **given)
            for name in ("verdict", "period", "reference_date", "reasons", *COUNTED):
                assert getattr(check, name) == getattr(receipt, name), (path, name)
            assert sorted(check.faults, key=str) == faults_in_quarantine(county, receipt)
            has_own_keys = contract.shape == "records" or contract.key.of_sender
            assert check.municipality == (receipt.municipality if has_own_keys else "")
            assert check.unchecked == []
            checked += 1
    assert checked == len(county.receipts) > 50


def test_the_street_register_is_read_as_the_geography_reads_it(county: Landed) -> None:
    contract = next(contract for contract in county.contracts.values() if contract.shape == "records")
    given = sender._Given(contract, COUNTY, county.region, None, county.streets)
    with duckdb.connect() as connection:
        sender._list_streets(connection, given)
        columns = ", ".join(sender.STREET_COLUMNS)
        built = f"select {columns} from read_parquet('{county.data.geography / 'street_range.parquet'}')"
        ours = f"select {columns} from street_range"
        assert connection.execute(f"({ours}) except all ({built})").fetchall() == []
        assert connection.execute(f"({built}) except all ({ours})").fetchall() == []


def command(*arguments: str | Path) -> int:
    return cli.main([str(argument) for argument in arguments])


def contract_file(county: Landed, receipt: Receipt) -> Path:
    return COUNTY / "contracts" / f"{receipt.source}.yml"


def file_of(county: Landed, receipt: Receipt) -> Path:
    contract = county.contracts[receipt.source]
    return next(p for p, r in landing.originals(county.region, contract, county.data) if r.delivery == receipt.delivery)


@pytest.mark.parametrize(("verdict", "code"), [("accepted", 0), ("partly", 0), ("rejected", 1)])
def test_the_exit_code_is_the_verdict(
    county: Landed, verdict: str, code: int, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    receipt = next(r for r in county.receipts if r.verdict == verdict and county.contracts[r.source].shape == "records")
    file, contract = file_of(county, receipt), contract_file(county, receipt)
    assert command("check-delivery", file, "--contract", contract) == code
    text = capsys.readouterr().out
    assert text.startswith(f"{receipt.file_name}: {sharing.VERDICTS[verdict]}\n")
    assert "Anschriften: Ohne Straßenverzeichnis" in text
    assert "zuordenbar" not in text.split("Nicht geprüft")[0]
    assert command("check-delivery", file, "--contract", contract, "--json", "--streets", county.streets) == code
    report = json.loads(capsys.readouterr().out)
    assert {name: report[name] for name in COUNTED} == {name: getattr(receipt, name) for name in COUNTED}
    assert len(report["faults"]) == len(county.faults(receipt))
    assert all(fault["fix"] for fault in report["faults"])
    assert report["unchecked"] == []
    assert not (tmp_path / "data").exists()  # the sender has no data folder and gets none


def test_a_table_is_checked_without_its_areas_and_says_so(county: Landed, capsys: pytest.CaptureFixture[str]) -> None:
    receipt = next(
        r for r in county.receipts if r.verdict == "accepted" and county.contracts[r.source].shape == "table"
    )
    arguments = ("check-delivery", file_of(county, receipt), "--contract", contract_file(county, receipt))
    assert command(*arguments) == 0
    assert "Gebietsschlüssel: Ohne Liste der Gebiete" in capsys.readouterr().out
    assert command(*arguments, "--areas", county.data.geography / "area.parquet") == 0
    assert "Nicht geprüft" not in capsys.readouterr().out


def test_an_area_that_the_list_lacks_is_found(tmp_path: Path) -> None:
    folder, file, areas = table_contract(tmp_path), tmp_path / "werte_2024.csv", tmp_path / "areas.csv"
    file.write_text("stichtag;gebiet;faelle;quote;anteil\n2024;1;1;1;1\n2024;03;1;1;1\n", encoding="utf-8")
    areas.write_text("area\n01\n02\n", encoding="utf-8")
    contract = folder / "contracts" / "werte.yml"
    assert sender.check_delivery(file, contract).verdict == "accepted"
    check = sender.check_delivery(file, contract, areas=areas)
    assert [(fault.row, fault.rule) for fault in check.faults] == [(3, "unknown_area")]


def test_wrong_use_is_told_in_german(county: Landed, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    receipt = next(
        r for r in county.receipts if county.contracts[r.source].shape == "records" and r.verdict == "accepted"
    )
    contract, original = contract_file(county, receipt), file_of(county, receipt)
    elsewhere, misnamed = tmp_path / receipt.file_name, tmp_path / "export.csv"
    elsewhere.write_bytes(original.read_bytes())
    misnamed.write_bytes(original.read_bytes())
    lonely = tmp_path / "lonely" / "contracts" / contract.name
    lonely.parent.mkdir(parents=True)
    lonely.write_bytes(contract.read_bytes())
    broken = tmp_path / "lonely" / "contracts" / "broken.yml"
    broken.write_text("title: nichts\n", encoding="utf-8")
    wrong = [
        ((tmp_path / "none.csv", "--contract", contract), "gibt es nicht"),
        ((elsewhere, "--contract", contract), "Wer liefert die Datei? Bitte mit --sender angeben"),
        ((elsewhere, "--contract", contract, "--sender", "nobody"), "Einen Absender nobody gibt es nicht"),
        ((misnamed, "--contract", contract, "--sender", receipt.municipality), "passt zu keinem Namen"),
        ((elsewhere, "--contract", lonely, "--sender", receipt.municipality), "mit --region angeben"),
        ((original, "--contract", contract, "--streets", original), "es fehlen die Spalten"),
        ((original, "--contract", broken), "this key is missing"),
    ]
    for arguments, message in wrong:
        assert command("check-delivery", *arguments) == 2
        assert message in capsys.readouterr().err
    named = ("--sender", receipt.municipality, "--region", "musterkreis")
    assert command("check-delivery", elsewhere, "--contract", lonely, *named) == 0


# ---------------------------------------------------------------- privacy of hand-made faults


SECRET, STREET = "900000000001", "Geheimweg"


def records(tmp_path: Path, header: str, *rows: str) -> sender.SenderCheck:
    folder, file = records_contract(tmp_path), tmp_path / "faelle_2023.csv"
    file.write_text("\n".join([header, *rows, ""]), encoding="utf-8")
    return sender.check_delivery(file, folder / "contracts" / "faelle.yml")


HEADER = "fallnummer;ags;strasse_nr;hausnummer;personen;betrag;art;staat;beginn;geburt;bemerkung;zusage"
GOOD = f"{SECRET};99000000;00010;5;2;3,5;a;DE;01.02.2020;29.02.2000;x;ja"


@pytest.mark.parametrize(
    "row",
    [
        GOOD.replace("99000000", "11111111"),
        GOOD.replace("01.02.2020", STREET),
        GOOD.replace("29.02.2000", STREET),
        GOOD.replace("00010", f'"{STREET}'),
        GOOD + f";{STREET}",
        GOOD.removesuffix(";x;ja"),
        GOOD.replace("00010", STREET),
    ],
)
def test_a_faulty_record_is_named_without_its_secrets(tmp_path: Path, row: str) -> None:
    check = records(tmp_path, HEADER, GOOD.replace(SECRET, "900000000002"), row)
    text = sharing.check_text(check.receipt, check.faults, check.unchecked, check.contract)
    everything = text + json.dumps(sharing.check_as_json(check.receipt, check.faults, check.unchecked))
    assert SECRET not in everything
    assert STREET not in everything


@pytest.mark.parametrize(
    ("header", "rows"),
    [
        pytest.param(GOOD, [GOOD], id="no_header"),
        pytest.param(HEADER, [GOOD.replace(";a;", f";{STREET};")], id="a_street_as_code"),
        pytest.param(HEADER, [GOOD.replace(";2;", f";{SECRET}x;")], id="an_identifier_as_number"),
    ],
)
def test_cells_in_the_wrong_place_are_not_quoted(tmp_path: Path, header: str, rows: list[str]) -> None:
    check = records(tmp_path, header, *rows)
    everything = json.dumps(sharing.check_as_json(check.receipt, check.faults, check.unchecked))
    assert SECRET not in everything
    assert STREET not in everything


# ---------------------------------------------------------------- forget


def state_of(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def desk(own_kleinstadt: town.Kleinstadt, monkeypatch: pytest.MonkeyPatch) -> tuple[town.Kleinstadt, RegionData]:
    """The made-up town with two registers in its inbox, of which one is landed; originals are kept 30 days."""
    monkeypatch.setenv("SOZIALRAUM_PROJECT", str(own_kleinstadt.project.root))
    monkeypatch.setenv("SOZIALRAUM_INBOX", str(own_kleinstadt.inbox))
    from dagster_project.settings import region_data

    data = region_data(town.REGION)
    path = own_kleinstadt.contracts / "ewr.yml"
    folder = path.parent
    text = path.read_text(encoding="utf-8")
    if folder.is_symlink() or path.is_symlink():
        path.unlink()
    path.write_text(f"{text}\nretention_days: 30\n", encoding="utf-8")
    declared = declarations.load(own_kleinstadt.project, town.REGION)
    geography.build(declared.region, list(declared.geographies.values()), [own_kleinstadt.inbox], data.geography)
    late = own_kleinstadt.register(2012)
    content = late.read_bytes()
    late.unlink()
    for contract in declared.contracts.values():
        landing.land(declared.region, contract, data)
    late.write_bytes(content)
    return own_kleinstadt, data


def test_originals_past_their_retention_go_and_are_logged(
    desk: tuple[town.Kleinstadt, RegionData], capsys: pytest.CaptureFixture[str]
) -> None:
    place, data = desk
    before = state_of(place.inbox)
    landed = deliveries.load_receipts(data, "ewr").values()
    changed = place.register(2011)
    changed.write_bytes(changed.read_bytes() + b"\n")  # no longer what was landed
    last_day = date.today().toordinal() + 30
    assert command("forget", town.REGION, "--today", date.fromordinal(last_day).isoformat()) == 0
    assert "0 von 10 Originaldateien gelöscht" in capsys.readouterr().out
    past = date.fromordinal(last_day + 2).isoformat()
    assert command("forget", town.REGION, "--today", past, "--dry-run", "--json") == 0
    planned = json.loads(capsys.readouterr().out)
    assert state_of(place.inbox) == before
    assert not (data.root / "forgotten.jsonl").exists()
    assert command("forget", town.REGION, "--today", past, "--json") == 0
    done = json.loads(capsys.readouterr().out)
    assert planned["dry_run"]
    assert not done["dry_run"]
    kept = {f"ewr/{place.register(year).name}" for year in (2011, 2012)}
    gone = {item for item in before if item.startswith("ewr/")} - kept
    assert {entry["what"] for entry in done["forgotten"]} == {entry["what"] for entry in planned["forgotten"]} == gone
    assert state_of(place.inbox) == before - gone
    log = data.root / "forgotten.jsonl"
    lines = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    assert lines == done["forgotten"]
    assert {line["sha256"] for line in lines} <= {receipt.sha256 for receipt in landed}
    assert all({"what", "when", "why", "sha256"} <= line.keys() for line in lines)
    assert stat.S_IMODE(log.stat().st_mode) == 0o600
    first = log.read_bytes()
    assert command("forget", town.REGION, "--today", past) == 0
    assert log.read_bytes() == first
    changed.write_bytes(changed.read_bytes()[:-1])
    assert command("forget", town.REGION, "--today", past) == 0
    assert log.read_bytes().startswith(first)
    assert len(log.read_text(encoding="utf-8").splitlines()) == len(lines) + 1


def test_what_was_landed_stays_when_its_original_is_forgotten(
    desk: tuple[town.Kleinstadt, RegionData], capsys: pytest.CaptureFixture[str]
) -> None:
    place, data = desk
    declared = declarations.load(place.project, town.REGION)
    receipts, rows = deliveries.load_receipts(data, "ewr"), state_of(data.raw)
    past = date.fromordinal(date.today().toordinal() + 60).isoformat()
    assert command("forget", town.REGION, "--today", past) == 0
    place.register(2012).unlink()
    landing.land(declared.region, declared.contracts["ewr"], data)
    assert deliveries.load_receipts(data, "ewr") == receipts
    assert state_of(data.raw) == rows


def test_a_file_replaced_before_its_turn_is_left_alone(tmp_path: Path) -> None:
    data = RegionData(root=tmp_path / "data", inbox=tmp_path)
    file = tmp_path / "delivery.csv"
    file.write_text("another delivery", encoding="utf-8")
    original = retention.Original(file, "source", "place", "2024", "id", "0" * 64, date(2020, 1, 1), 30)
    assert retention.forget(data, [original], date(2024, 1, 1)) == []
    assert file.exists()
    assert (data.root / "forgotten.jsonl").read_text(encoding="utf-8") == ""


def test_a_file_that_cannot_be_deleted_is_not_said_to_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = RegionData(root=tmp_path / "data", inbox=tmp_path)
    originals = []
    for name in ("first", "second"):
        path = tmp_path / name
        path.touch()
        empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        originals.append(retention.Original(path, "source", "place", "2024", name, empty, date(2020, 1, 1), 30))
    unlink = Path.unlink

    def refuse(path: Path, missing_ok: bool = False) -> None:
        if path.name == "second":
            raise PermissionError(13, "Permission denied", str(path))
        unlink(path, missing_ok)

    monkeypatch.setattr(Path, "unlink", refuse)
    with pytest.raises(PermissionError):
        retention.forget(data, originals, date(2024, 1, 1))
    lines = (data.root / "forgotten.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["what"] for line in lines] == ["first"]


# ---------------------------------------------------------------- the Table Schema, against frictionless


REGION = {
    "name": "Haupt", "crs": "EPSG:25832", "geography": "ort", "reporting_edition": "1", "municipality_level": "stadt",
    "municipalities": [{"id": "99000000", "name": "Haupt"}], "population": "people", "licence_note": "erfunden",
}  # fmt: skip
COMMON = {
    "title": "Probe", "description": "Probe", "owner": "Amt", "origin": "Amt", "licence": "keine",
    "legal_basis": "keine", "purpose": "Probe", "cadence": "yearly", "publication": "protected", "geography": "ort",
    "rejected_rows_at_most": 1,
}  # fmt: skip


def _write_contract(folder: Path, name: str, **fields: Any) -> Path:
    region = folder / "sources" / "haupt"
    (region / "contracts").mkdir(parents=True, exist_ok=True)
    (region / "region.yml").write_text(yaml.safe_dump(REGION), encoding="utf-8")
    text = yaml.safe_dump({**COMMON, "folder": name, **fields}, allow_unicode=True, sort_keys=False)
    (region / "contracts" / f"{name}.yml").write_text(text, encoding="utf-8")
    return region


def table_contract(folder: Path, **fields: Any) -> Path:
    """A table with a period, a bounded integer, a number that may be withheld, and a number with a decimal comma."""
    columns = [
        {"name": "year", "aliases": ["stichtag"], "role": "period", "type": "text", "format": "%Y"},
        {"name": "area_key", "aliases": ["gebiet"], "role": "key", "type": "text", "pad": 2},
        {"name": "cases", "aliases": ["faelle"], "minimum": 0, "maximum": 500},
        {"name": "rate", "aliases": ["quote"], "type": "number"},
        {"name": "share", "aliases": ["anteil"], "type": "number", "minimum": 0, "maximum": 100},
    ]
    symbols = [
        {"symbol": "*", "means": "suppressed", "columns": ["rate"]},
        {"symbol": "-", "means": "zero", "columns": ["rate"]},
    ]
    file = {"name": r"werte_(?P<year>\d{4})\.csv", "period": "{year}", "edition": "1", "level": "teil"}
    declared = {"shape": "table", "files": [file], "symbols": symbols, "columns": columns}
    return _write_contract(folder, "werte", **{**declared, "rejected_rows_at_most": 0, **fields})


def records_contract(folder: Path, **fields: Any) -> Path:
    """Records with every type of attribute."""
    attributes = [
        {"name": "persons", "aliases": ["personen"], "type": "integer"},
        {"name": "amount", "aliases": ["betrag"], "type": "number"},
        {"name": "kind", "aliases": ["art"], "type": "code", "codes": {"a": "one", "b": "two", "c.d": "three"}},
        {
            "name": "state", "aliases": ["staat"], "type": "code", "codes": {"DE": "german", "AT": "eu"},
            "otherwise": "other", "other_codes": "[A-Z]{2}",
        },
        {"name": "begun", "aliases": ["beginn"], "type": "date", "format": "%d.%m.%Y"},
        {"name": "age", "aliases": ["geburt"], "type": "age", "format": "%d.%m.%Y"},
        {"name": "note", "aliases": ["bemerkung"], "type": "text"},
        {
            "name": "promised", "aliases": ["zusage"], "type": "code", "codes": {"ja": "yes", "nein": "no"},
            "may_be_empty": True,
        },
    ]  # fmt: skip
    columns = [
        {"name": "case", "aliases": ["fallnummer"], "role": "identifier", "type": "text"},
        {"name": "ags", "role": "address", "type": "text", "part": "ags"},
        {"name": "street_key", "aliases": ["strasse_nr"], "role": "address", "type": "text", "part": "street_key"},
        {"name": "house_number", "aliases": ["hausnummer"], "role": "address", "type": "text", "part": "house_number"},
        *({**attribute, "role": "attribute"} for attribute in attributes),
        {"name": "worker", "aliases": ["sachbearbeitung"], "role": "ignore", "type": "text"},
    ]
    file = {"name": r"faelle_(?P<year>\d{4})\.csv", "period": "{year}"}
    return _write_contract(folder, "faelle", **{"shape": "records", "files": [file], "columns": columns, **fields})


GOOD_CELLS = {
    "ags": ["99000000"], "strasse_nr": ["", "00010"], "hausnummer": ["", "5"],
    "personen": ["0", "7", "-3", "2147483647"], "betrag": ["3,5", "4", "-1,25", ",5"], "art": ["a", "b", "c.d"],
    "staat": ["DE", "AT", "FR"], "beginn": ["01.02.2020", "29.02.2024", "1.2.2020"],
    "geburt": ["29.02.2000", "31.12.2023", "01.01.1903"], "bemerkung": ["x", "zwei Worte", "Ä"],
    "zusage": ["ja", "nein", ""],
    "sachbearbeitung": ["", "Meier"],
}  # fmt: skip
BAD_CELLS = {
    "ags": [""], "personen": ["", "x", "1,5", "1.5", "12a", "--1"],
    "betrag": ["", "x", "1.5", "1.234,5", "3,5 €", "1,2,3"],
    "art": ["", "A", "x", "cxd", "a b"], "staat": ["", "de", "DEU", "D"],
    "beginn": ["", "31.02.2020", "2020-02-01", "x"],
    "geburt": ["", "31.02.1980", "01.01.2024", "31.12.1902", "00.00.1950", "1980"],
    "bemerkung": [""], "zusage": ["vielleicht", "Ja"],
}  # fmt: skip
GOOD_VALUES = {
    "stichtag": ["2024"], "faelle": ["0", "12", "500"], "quote": ["*", "-", "3,5", "-2", "0"],
    "anteil": ["0", "99,9", "100", ",5"],
}  # fmt: skip
BAD_VALUES = {
    "stichtag": ["", "2023", "x"], "faelle": ["", "-1", "501", "1,5", "*", "x", "1.5"],
    "quote": ["", ".", "x", "1.5", "**"],
    "anteil": ["", "*", "-", "-0,1", "100,01", "1.5", "x"],
}  # fmt: skip


def faulty_rows(good: dict[str, list[str]], bad: dict[str, list[str]], seed: int = 7) -> list[dict[str, str]]:
    """Every good and every bad cell once alone, then rows with none, one or several faults."""
    chance = random.Random(seed)  # noqa: S311  (no secret hangs on it)

    def row(**cells: str) -> dict[str, str]:
        return {name: cells.get(name, chance.choice(texts)) for name, texts in good.items()}

    rows = [row(**{name: text}) for cells in (good, bad) for name, texts in cells.items() for text in texts]
    for _ in range(300):
        names = chance.sample(list(bad), chance.choice([0, 1, 1, 2, 4]))
        rows.append(row(**{name: chance.choice(bad[name]) for name in names}))
    return rows


def write_rows(path: Path, rows: list[dict[str, str]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), delimiter=";")
        writer.writeheader()
        writer.writerows(rows)


def frictionless_says(path: Path, schema: dict[str, Any]) -> tuple[set[int], list[str]]:
    """Line numbers of invalid rows, and the faults of the header."""
    control = CsvControl(delimiter=";")
    with frictionless.system.use_context(trusted=True):
        resource = TableResource(
            path=str(path), format="csv", encoding="utf-8",
            dialect=frictionless.Dialect(controls=[control]),
            schema=frictionless.Schema.from_descriptor(schema),
        )  # fmt: skip
        report = resource.validate(limit_errors=100_000)
    faults = report.flatten(["rowNumber", "type"])
    return {row for row, _ in faults if row is not None}, sorted(kind for row, kind in faults if row is None)


def compared(path: Path, region: Path, source: str) -> tuple[sender.SenderCheck, set[int], set[int], list[str]]:
    """Our check, our invalid rows, those of frictionless, and its faults of the header."""
    check = sender.check_delivery(path, region / "contracts" / f"{source}.yml")
    arrival = deliveries.claimed(path, "", check.contract)
    assert arrival is not None
    days = Days(arrival.reference_date, periods.last_day(arrival.period))
    theirs, header = frictionless_says(path, contract_forms.table_schema(check.contract, arrival.layout, days))
    return check, {fault.row for fault in check.faults if fault.row}, theirs, header


def differences(rows: list[dict[str, str]], ours: set[int], theirs: set[int]) -> list[tuple[str, dict[str, str]]]:
    return [("only ours" if n in ours else "only theirs", rows[n - 2]) for n in sorted(ours ^ theirs)]


def test_records_are_valid_where_frictionless_says_so(tmp_path: Path) -> None:
    rows = faulty_rows(GOOD_CELLS, BAD_CELLS)
    numbers = [f"F{n % 350}" if n % 9 else "" for n in range(len(rows))]  # some repeated, some empty
    rows = [{"fallnummer": number, **row} for number, row in zip(numbers, rows, strict=True)]
    region, path = records_contract(tmp_path), tmp_path / "faelle_2023.csv"
    write_rows(path, rows)
    _, ours, theirs, header = compared(path, region, "faelle")
    assert header == []
    assert differences(rows, ours, theirs) == []
    assert 100 < len(ours) < len(rows) - 50


def test_tables_are_valid_where_frictionless_says_so(tmp_path: Path) -> None:
    rows = [{"gebiet": f"{n:04d}", **row} for n, row in enumerate(faulty_rows(GOOD_VALUES, BAD_VALUES))]
    region, path = table_contract(tmp_path, rejected_rows_at_most=1), tmp_path / "werte_2024.csv"
    write_rows(path, rows)
    _, ours, theirs, header = compared(path, region, "werte")
    assert header == []
    assert differences(rows, ours, theirs) == []
    assert 100 < len(ours) < len(rows) - 50


def test_a_repeated_area_is_found_by_both(tmp_path: Path) -> None:
    row = {"stichtag": "2024", "gebiet": "01", "faelle": "1", "quote": "1", "anteil": "1"}
    region, path = table_contract(tmp_path), tmp_path / "werte_2024.csv"
    write_rows(path, [row, {**row, "gebiet": "02"}, row])
    _, ours, theirs, _ = compared(path, region, "werte")
    assert (ours, theirs) == ({2, 4}, {4})  # we refuse both: which of the two is right nobody knows


@pytest.mark.parametrize(
    ("change", "verdict"),
    [
        pytest.param(lambda row: row, "accepted", id="as_agreed"),
        pytest.param(lambda row: dict(reversed(row.items())), "accepted", id="other_order"),
        pytest.param(
            lambda row: {k: v for k, v in row.items() if k != "sachbearbeitung"}, "accepted", id="without_ignored"
        ),
        pytest.param(lambda row: {**row, "fremd": "1"}, "rejected", id="extra_column"),
        pytest.param(lambda row: {k: v for k, v in row.items() if k != "art"}, "rejected", id="missing_column"),
        pytest.param(lambda row: {k: v for k, v in row.items() if k != "ags"}, "rejected", id="missing_municipality"),
        pytest.param(lambda row: {("kunst" if k == "art" else k): v for k, v in row.items()}, "rejected", id="renamed"),
    ],
)
def test_headers_are_valid_where_frictionless_says_so(tmp_path: Path, change: Any, verdict: str) -> None:
    row = {"fallnummer": "F1", **{name: texts[0] for name, texts in GOOD_CELLS.items()}}
    region, path = records_contract(tmp_path), tmp_path / "faelle_2023.csv"
    write_rows(path, [change(row)])
    check, _, rows, header = compared(path, region, "faelle")
    assert check.verdict == verdict
    assert bool(header or rows) == (verdict == "rejected")


@pytest.mark.parametrize(
    ("column", "text"),
    [("personen", "-1"), ("personen", "nan"), ("personen", "99999999999"), ("betrag", "1.5"), ("betrag", "1e3")],
)
def test_numbers_of_records_are_read_as_strictly_as_those_of_tables(tmp_path: Path, column: str, text: str) -> None:
    row = {"fallnummer": "F1", **{name: texts[-1] for name, texts in GOOD_CELLS.items()}, column: text, "personen": "1"}
    row[column] = text
    region = records_contract(tmp_path)
    path = region / "contracts" / "faelle.yml"
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    next(item for item in content["columns"] if item["name"] == "persons")["minimum"] = 0
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    file = tmp_path / "faelle_2023.csv"
    write_rows(file, [row])
    assert sender.check_delivery(file, path).rows_quarantined == 1


def test_real_deliveries_are_valid_where_frictionless_says_so(county: Landed) -> None:
    """Of the county's own offices, whose names are the first aliases of their contracts; dirt and all."""
    seen = 0
    office = county.region.region_sender
    beyond = ("wrong_municipality", "broken_row")  # not for a Table Schema to know, or told otherwise
    for contract in county.contracts.values():
        if (contract.shape, contract.encoding) != ("records", "utf-8"):
            continue
        for path, receipt in landing.originals(county.region, contract, county.data):
            if receipt.municipality != office:
                continue
            arrival = deliveries.claimed(path, receipt.municipality, contract)
            assert arrival is not None
            days = Days(arrival.reference_date, periods.last_day(arrival.period))
            theirs, header = frictionless_says(path, contract_forms.table_schema(contract, arrival.layout, days))
            faults = [f for f in county.faults(receipt) if f.is_quarantined and f.rule not in beyond]
            assert header == [], path
            assert theirs == {fault.row for fault in faults}, path
            seen += 1
    assert seen >= 10


def test_the_schema_of_every_layout_is_well_formed() -> None:
    for folder in sorted((town.CHECKOUT / "sources").glob("*/contracts")):
        for contract in declared_in(folder.parent)[1].values():
            for layout in contract.files:
                schema = contract_forms.table_schema(contract, layout)
                assert frictionless.Schema.from_descriptor(schema).fields
                names = [field["name"] for field in schema["fields"]]
                assert len(names) == len(set(names))
                assert json.loads(json.dumps(schema)) == schema


def test_the_command_prints_the_schema(
    own_kleinstadt: town.Kleinstadt, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SOZIALRAUM_PROJECT", str(own_kleinstadt.project.root))
    contract = declarations.load(own_kleinstadt.project, town.REGION).contracts["ewr"]
    assert command("contract", "ewr", "--region", town.REGION, "--format", "table-schema") == 0
    assert json.loads(capsys.readouterr().out) == contract_forms.table_schema(contract, contract.files[0])
    name = own_kleinstadt.register(2011).name
    assert command("contract", "ewr", "--region", town.REGION, "--file", name) == 0
    assert json.loads(capsys.readouterr().out)["primaryKey"]
    assert command("contract", "ewr", "--region", town.REGION, "--file", "foreign.csv") == 2
    assert command("contract", "none", "--region", town.REGION) == 2
