"""The check of a delivery where it is made: the verdict of landing, without warehouse and without data folder.

Reads  one delivery, its contract's YAML file, the region's YAML files beside it, and on request a list of areas and a
       street register.
Writes nothing that stays: a transcoded copy and what does not fit into memory lie in a temporary folder.

What is not given is not checked, and the result says so: without areas the keys of a table, without street register
the addresses of records. Whether a delivery repeats the content of another one only landing can know.
"""

from __future__ import annotations

import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import duckdb

from dagster_project.area_rows import area_key
from dagster_project.declarations import Contract, DeclarationError, FileLayout, Geography, Mistake, Region
from dagster_project.declarations.territory import StreetRegister
from dagster_project.declarations.yaml_files import AnyDeclared, read_file
from dagster_project.deliveries import Arrival, claimed
from dagster_project.landing import CheckedFile, Opening, check_file
from dagster_project.line_numbers import with_records
from dagster_project.settings import Project
from dagster_project.sharing import Fault
from dagster_project.tables import composed, connect, exactly, identifier, literal, parquet_rows

STREET_COLUMNS = ("ags", "street_key", "number_from", "suffix_from", "number_to", "suffix_to", "side", "area")
# cp1252 differs from it in signs alone, which no street key has
DUCKDB_ENCODINGS = {"cp1252": "latin-1", "latin-1": "latin-1"}
HOUSE_NUMBERS = ("number_from", "number_to")


class WrongUse(Exception):
    """A check that cannot be made with what was given; the message is German."""


@dataclass(frozen=True)
class SenderCheck:
    """The verdict on a file; fields as in a receipt. `unchecked` says in German what nobody looked at.

    `rows_unallocated` is None where no street register was given; `level` is empty for records.
    """

    contract: Contract
    layout: FileLayout
    file_name: str
    source: str
    municipality: str
    period: str
    level: str
    reference_date: str
    verdict: str
    rows_read: int
    rows_accepted: int
    rows_quarantined: int
    rows_skipped: int
    rows_unallocated: int | None
    corrections: list[dict[str, Any]]
    reasons: list[str]
    faults: list[Fault]
    unchecked: list[str]

    @property
    def receipt(self) -> dict[str, Any]:
        """The fields that a receipt has too."""
        return {
            name: value
            for name, value in vars(self).items()
            if name not in ("contract", "layout", "faults", "unchecked")
        }


@dataclass(frozen=True)
class _Given:
    """All that the sender gave beside the delivery itself; `region` only for records."""

    contract: Contract
    folder: Path
    region: Region | None
    areas: Path | None
    streets: Path | None

    @property
    def unplaced(self) -> bool:
        """Whether the check leaves the addresses of records alone."""
        return self.region is not None and self.streets is None


def check_delivery(
    file: Path,
    contract_file: Path,
    *,
    region_folder: Path | None = None,
    sender: str | None = None,
    areas: Path | None = None,
    streets: Path | None = None,
) -> SenderCheck:
    """Check one delivery as landing would.

    `region_folder` holds region.yml and geographies/ (default: the folder above the contract's own). `sender` is the
    municipality that delivers, or the region's own office (default: as the file lies in an inbox, or the only
    municipality); only records need one. `areas` is a CSV or Parquet file with the column `area`; `geography`,
    `edition`, `level`, `exists_from` and `exists_to` narrow it where they are there. `streets` is the street register
    in the layout the geography declares.
    Raises `WrongUse` in German, and `DeclarationError`.
    """
    for path in (file, contract_file, areas, streets):
        if path is not None and not path.is_file():
            raise WrongUse(f"Die Datei {path} gibt es nicht.")
    contract = _declared(contract_file, Contract)
    folder = region_folder or contract_file.resolve().parents[1]
    region = _region(folder) if contract.shape == "records" else None
    municipality = _sender(file, region or _region(folder), contract, sender) if _hangs_on_sender(contract) else ""
    arrival = claimed(file, municipality, contract)
    if arrival is None:
        names = "\n".join(f"  {layout.name}" for layout in contract.files)
        raise WrongUse(
            f"Der Dateiname {file.name} passt zu keinem Namen im Vertrag {contract.id}; so benannt bliebe die Datei "
            f"ungelesen. Vereinbarte Namen (reguläre Ausdrücke):\n{names}"
        )
    given = _Given(contract, folder, region, areas, streets)
    with tempfile.TemporaryDirectory() as workspace, connect(spill=Path(workspace)) as connection:
        checked = check_file(
            connection, contract, arrival, Path(workspace), lambda: _know_places(connection, given, arrival), Opening()
        )
        faults = _faults(connection, given)
    return _result(arrival, checked, faults, given)


def deliverer(file: Path, contract_file: Path, region_folder: Path | None, chosen: str | None) -> str:
    """Who delivers a file: a municipality's key, or that of the region's own office. Raises as `check_delivery`."""
    contract = _declared(contract_file, Contract)
    return _sender(file, _region(region_folder or contract_file.resolve().parents[1]), contract, chosen)


def _faults(connection: duckdb.DuckDBPyConnection, given: _Given) -> list[Fault]:
    found = connection.execute(
        f"""
        select row, column_name, value, rule, reason, is_quarantined, record from {with_records("breach")}
        where is_quarantined or {not given.unplaced}
        order by row, column_name, rule
        """
    )
    return [Fault(*row) for row in found.fetchall()]


def _result(arrival: Arrival, checked: CheckedFile, faults: list[Fault], given: _Given) -> SenderCheck:
    unchecked = []
    if given.unplaced:
        unchecked.append(
            "Anschriften: Ohne Straßenverzeichnis (--streets) wird nicht geprüft, ob sie in einem Gebiet liegen. "
            "Am Urteil ändert das nichts."
        )
    if given.region is None and given.areas is None:
        unchecked.append(
            "Gebietsschlüssel: Ohne Liste der Gebiete (--areas) wird nicht geprüft, ob es sie im Gebietsstand gibt. "
            "Unbekannte Schlüssel können noch zur Ablehnung führen."
        )
    return SenderCheck(
        contract=given.contract,
        layout=arrival.layout,
        file_name=composed(arrival.path.name),
        source=given.contract.id,
        municipality=arrival.municipality,
        period=arrival.period,
        level=arrival.level,
        reference_date=arrival.reference_date.isoformat(),
        verdict=checked.verdict,
        rows_read=checked.counts.read,
        rows_accepted=checked.counts.read - checked.counts.quarantined,
        rows_quarantined=checked.counts.quarantined,
        rows_skipped=checked.counts.skipped,
        rows_unallocated=None if given.unplaced else checked.counts.unallocated,
        corrections=[asdict(correction) for correction in checked.counts.corrections],
        reasons=checked.reasons,
        faults=faults,
        unchecked=unchecked,
    )


# ---------------------------------------------------------------- who delivers, under which declarations


def _declared(path: Path, model: type[AnyDeclared]) -> AnyDeclared:
    mistakes: list[Mistake] = []
    identity = path.resolve().parent.name if model is Region else path.stem
    declared = read_file(path, model, Project(Path.cwd()), mistakes, identity=identity)
    if declared is None:
        raise DeclarationError(mistakes)
    return declared


def _region(folder: Path) -> Region:
    path = folder / "region.yml"
    if not path.is_file():
        raise WrongUse(
            f"Die Region fehlt: {path} gibt es nicht. Sie nennt die Gemeinden, deren Schlüssel gelten. "
            "Bitte ihren Ordner mit --region angeben."
        )
    return _declared(path, Region)


def _hangs_on_sender(contract: Contract) -> bool:
    """Whether who delivers decides what the rows speak of: records, and tables whose keys are the sender's own."""
    return contract.shape == "records" or contract.key.of_sender or contract.key.placeless is not None


def _sender(file: Path, region: Region, contract: Contract, chosen: str | None) -> str:
    """Who delivers: as told, as the file lies in an inbox, or the only one there is."""
    senders = [municipality.id for municipality in region.municipalities]
    if region.region_sender is not None:
        senders.append(region.region_sender)
    folder = file.resolve().parent
    if chosen is None and folder.name == contract.folder and folder.parent.name in senders:
        return folder.parent.name
    if chosen is None and len(senders) == 1:
        return senders[0]
    if chosen is None or chosen not in senders:
        told = "Wer liefert die Datei?" if chosen is None else f"Einen Absender {chosen} gibt es nicht."
        raise WrongUse(f"{told} Bitte mit --sender angeben: {', '.join(senders)}.")
    return chosen


# ---------------------------------------------------------------- what the file may speak of


def _know_places(connection: duckdb.DuckDBPyConnection, given: _Given, arrival: Arrival) -> None:
    """`expected_area` for a table, `municipality` and `street_range` for records, from what the sender gave."""
    if given.region is not None:
        keys = ", ".join(f"({literal(municipality.id)})" for municipality in given.region.municipalities)
        connection.execute(f"create temp table municipality as select * from (values {keys}) as known (ags)")
        _list_streets(connection, given)
    elif given.areas is not None:
        _list_areas(connection, given.contract, arrival, given.areas)
    else:
        written, padded = (
            area_key(given.contract.key.model_copy(update=update), arrival.municipality)
            for update in ({"pad": None}, {})
        )
        connection.execute(
            f"create temp table expected_area as select {written} as area from line union select {padded} from line"
        )


def _list_areas(connection: duckdb.DuckDBPyConnection, contract: Contract, arrival: Arrival, areas: Path) -> None:
    """The areas of the delivery's edition and level that exist on its reference date, in `expected_area`."""
    columns = _read(connection, areas, ["area"])
    wanted = {"geography": contract.geography, "edition": arrival.edition, "level": arrival.level}
    conditions = [f"{name}::varchar = {literal(value)}" for name, value in wanted.items() if name in columns]
    day = f"date '{arrival.reference_date}'"
    bounds = {"exists_from": ">=", "exists_to": "<="}
    conditions += [
        f"{day} {sign} coalesce(try_cast({name} as date), {day})" for name, sign in bounds.items() if name in columns
    ]
    if "municipality" in columns:
        # a municipality's own file holds its areas only; the region's offices are no municipality
        sender = literal(arrival.municipality)
        known = "select municipality from given_file where municipality is not null"
        conditions.append(f"(municipality is null or municipality = {sender} or {sender} not in ({known}))")
    if "is_unallocated" in columns:
        conditions.append("not is_unallocated::boolean")
    connection.execute(
        f"create temp table expected_area as select area from given_file where {' and '.join(conditions) or 'true'}"
    )
    if connection.execute("select count(*) from expected_area").fetchone() == (0,):
        raise WrongUse(
            f"{areas.name}: die Liste nennt kein Gebiet der Gliederung {contract.geography}, Gebietsstand "
            f"{arrival.edition}, Ebene {arrival.level}."
        )


def _list_streets(connection: duckdb.DuckDBPyConnection, given: _Given) -> None:
    """The street register under our names, as its geography declares it, in `street_range`; without one no rows."""
    if given.streets is None:
        nothing = ", ".join(f"{'0' if name in HOUSE_NUMBERS else literal('')} as {name}" for name in STREET_COLUMNS)
        connection.execute(f"create temp table street_range as select {nothing} limit 0")
        return
    path = given.folder / "geographies" / f"{given.contract.geography}.yml"
    if not path.is_file():
        raise WrongUse(f"Zum Straßenverzeichnis fehlt die Gliederung: {path} gibt es nicht.")
    register = _declared(path, Geography).street_register
    if register is None:
        raise WrongUse(f"{path.name} erklärt unter „street_register“ kein Straßenverzeichnis.")
    _read(connection, given.streets, list(register.columns.values()), register)
    if given.streets.suffix != ".parquet":
        _judge_register(given.streets, register)
    sides = " ".join(f"when {literal(written)} then {literal(side)}" for side, written in register.sides.items())
    texts: dict[str, str] = {
        name: f"trim(nfc_normalize(coalesce({identifier(column)}, '')))" for name, column in register.columns.items()
    }
    expressions = {
        **texts,
        # a cast alone would read 12.7 as 13
        **{
            name: f"case when regexp_full_match({texts[name]}, '[0-9]{{1,9}}') then cast({texts[name]} as integer) end"
            for name in HOUSE_NUMBERS
        },
        **{name: f"lower({texts[name]})" for name in ("suffix_from", "suffix_to")},
        "side": f"case {texts['side']} {sides} end",
    }
    ranges = ", ".join(f"{expressions[name]} as {name}" for name in STREET_COLUMNS)
    connection.execute(f"create temp table street_range as select {ranges} from given_file")
    wrong = connection.execute(
        "select count(*) from street_range where number_from is null or number_to is null or side is null"
    ).fetchone()
    assert wrong is not None
    if wrong[0]:
        raise WrongUse(
            f"{given.streets.name}: {wrong[0]} Zeilen ohne Hausnummer oder mit einer unbekannten Straßenseite "
            f"(bekannt: {', '.join(register.sides.values())})."
        )


def _judge_register(streets: Path, register: StreetRegister) -> None:
    """Raises `WrongUse` where a house number could lie in two areas, or a row places nobody."""
    from dagster_project.geography.faults import GeographyError
    from dagster_project.geography.streets import check_register

    try:
        check_register(streets, register)
    except GeographyError as error:
        raise WrongUse(str(error)) from error


def _read(
    connection: duckdb.DuckDBPyConnection, path: Path, wanted: list[str], register: StreetRegister | None = None
) -> list[str]:
    """A CSV (written as the register declares) or Parquet file in `given_file`, and the names of its columns.

    Raises `WrongUse` where it cannot be read or lacks a wanted column.
    """
    separator = f", delim = {literal(register.delimiter)}" if register else ""
    if register is not None and path.suffix != ".parquet":
        try:
            path.read_bytes().decode(register.encoding)
        except UnicodeDecodeError as error:
            raise WrongUse(
                f"{path.name}: das Straßenverzeichnis ist nicht in der Zeichenkodierung {register.encoding} "
                "gespeichert, die „street_register“ erklärt."
            ) from error
        if register.encoding != "utf-8":
            separator += f", encoding = {literal(DUCKDB_ENCODINGS[register.encoding])}"
    reader = (
        parquet_rows(path)
        if path.suffix == ".parquet"
        else f"read_csv({literal(exactly(path))}, header = true, all_varchar = true, hive_partitioning = false"
        f"{separator})"
    )
    try:
        connection.execute(f"create temp table given_file as from {reader}")
    except duckdb.Error as error:
        raise WrongUse(f"{path.name}: die Datei ist nicht lesbar ({error}).") from error
    found = [column[0] for column in connection.execute("from given_file limit 0").description or []]
    lacking = [name for name in wanted if name not in found]
    if lacking:
        raise WrongUse(f"{path.name}: es fehlen die Spalten {', '.join(lacking)}. Vorhanden: {', '.join(found)}.")
    return found
