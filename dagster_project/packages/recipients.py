"""Packages for recipients: what each is entitled to of the release in force, in the forms its tools read.

Reads  the Parquet files of a release and the ledger of earlier transmissions.
Writes packages/<recipient>/<release>.zip (.zip.age where it is encrypted) and one line in
       packages/transmissions.jsonl: what went to whom, why and when; lines are added, never changed.

A package is a part of the public release, so that nobody learns more from it than the audit judged: the disclosure
control asks what each municipality can find out with its own numbers and all that is published.
"""

from __future__ import annotations

import json
import os
import tempfile
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import duckdb

from dagster_project.declarations import Declarations
from dagster_project.packages import archive, data_package, dcat, json_stat, keys, selection, tables_for_people
from dagster_project.packages.archive import SIGNATURE, SUMS
from dagster_project.packages.selection import Parcel
from dagster_project.packages.spatial import write_geopackage, write_geoparquet
from dagster_project.tables import CONFIDENTIAL, connect, literal, read_json

LEDGER = "transmissions.jsonl"
KNOWN = "werte.parquet"  # the last values sent, which the next list of changes is made against


@dataclass(frozen=True)
class Transmission:
    """One line of the ledger: what went to whom, on which grounds, when, and the hash of the package."""

    at: str
    recipient: str
    release: str
    purposes: list[str]
    package: str
    sha256: str
    content: str  # hash of the values in it: the same content goes out once
    rows: dict[str, int]
    added: int
    changed: int
    removed: int


def build(
    declared: Declarations, release: str, parquet: Path, folder: Path, now: datetime, key: Path | None = None
) -> list[Transmission]:
    """A package for each recipient that is entitled to anything and has not got this content yet.

    `release` is the id of the release in force, `parquet` its folder of marts, `folder` that of all packages. Raises
    `KeyMistake`.
    """
    assert declared.sharing is not None
    sent = ledger(folder)
    made = []
    for recipient in declared.sharing.recipients:
        entitlements = declared.sharing.of(recipient.id, now.date())
        if not entitlements:
            continue
        parcel = Parcel(declared.region, declared.sharing.catalogue, recipient, entitlements, release, now)
        last = next((item.content for item in reversed(sent) if item.recipient == recipient.id), "")
        transmission = _package(parcel, parquet, folder / recipient.id, key, last)
        if transmission is not None:
            _record(transmission, folder)
            made.append(transmission)
    return made


def ledger(folder: Path) -> list[Transmission]:
    """All transmissions, in their order."""
    path = folder / LEDGER
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    return [Transmission(**json.loads(line)) for line in lines]


def forget(folder: Path, keep_days: int, today: date) -> int:
    """Drop the lines that are older than declared; returns how many."""
    known = ledger(folder)
    kept = [item for item in known if (today - date.fromisoformat(item.at[:10])).days <= keep_days]
    dropped = len(known) - len(kept)
    if dropped:
        text = "".join(_line(item) for item in kept)
        temporary = folder / f".{LEDGER}"
        with os.fdopen(os.open(temporary, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, CONFIDENTIAL), "w") as file:
            file.write(text)
        temporary.replace(folder / LEDGER)
    return dropped


def _record(transmission: Transmission, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with os.fdopen(os.open(folder / LEDGER, os.O_CREAT | os.O_APPEND | os.O_WRONLY, CONFIDENTIAL), "a") as file:
        file.write(_line(transmission))


def _line(transmission: Transmission) -> str:
    return json.dumps(vars(transmission), ensure_ascii=False, sort_keys=True) + "\n"


# ---------------------------------------------------------------- one package


def _package(parcel: Parcel, parquet: Path, own: Path, key: Path | None, last: str) -> Transmission | None:
    """The package in the recipient's `own` folder; none where the hash of its values is `last`, the one it has got."""
    own.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=own, prefix=".package") as workspace, connect() as connection:
        work = Path(workspace)
        selection.select(connection, parquet, parcel.entitlements)
        _write_parquet(connection, "value", work / KNOWN)
        content = archive.sha256(work / KNOWN)
        if content == last:
            return None
        changes = selection.compare(connection, own / KNOWN)
        rows = {name: selection.count(connection, name) for name in ("value", "comparison", "area", "indicator")}
        _write_files(connection, parcel, work)
        package = own / parcel.file_name
        _pack(parcel, work, key).replace(package)
        (work / KNOWN).chmod(CONFIDENTIAL)
        (work / KNOWN).replace(own / KNOWN)
    return Transmission(
        at=parcel.now.astimezone(UTC).isoformat(timespec="seconds"),
        recipient=parcel.recipient.id,
        release=parcel.release,
        purposes=parcel.purposes,
        package=package.name,
        sha256=archive.sha256(package),
        content=content,
        rows=rows,
        **changes,
    )


def _write_files(connection: duckdb.DuckDBPyConnection, parcel: Parcel, work: Path) -> None:
    """Everything a package holds but its sums; the descriptions last, which hold the hashes of the others."""
    crs, now = parcel.region.crs, parcel.now
    _write_parquet(connection, "comparison", work / "vergleiche.parquet")
    _write_parquet(connection, "indicator", work / "indikatoren.parquet")
    tables_for_people.write_csv(connection, "value", work / "werte.csv")
    tables_for_people.write_csv(connection, "change", work / "aenderungen.csv")
    tables_for_people.write_workbook(connection, parcel, work / "werte.xlsx")
    tables_for_people.write_area_table(connection, parcel, work / "gebietstabelle.xlsx")
    _write_json(json_stat.describe(connection, parcel), work / "werte.jsonstat.json")
    write_geopackage(connection, crs, work / "gebiete.gpkg", now)
    write_geoparquet(connection, crs, work / "gebiete.parquet")
    (work / "LIZENZ.txt").write_text(parcel.region.licence_note + "\n", encoding="utf-8")
    described = data_package.describe(connection, parcel, work), dcat.describe(connection, parcel, work)
    _write_json(described[0], work / "datapackage.json")
    _write_json(described[1], work / "katalog.jsonld")


def _pack(parcel: Parcel, work: Path, key: Path | None) -> Path:
    """The files of the folder `work` in one archive beside them, signed and encrypted where wanted."""
    files: dict[str, Path | bytes] = {path.name: path for path in sorted(work.iterdir())}
    files[SUMS] = sums = archive.sums(files)
    if key is not None:
        files[SIGNATURE] = keys.sign(sums, key, f"{parcel.recipient.id} {parcel.release}")
    packed = work / ".package.zip"
    archive.write(packed, files)
    if parcel.recipient.encrypt_to:
        encrypted = work / ".package.zip.age"
        keys.encrypt(packed, encrypted, parcel.recipient.encrypt_to)
        packed = encrypted
    packed.chmod(CONFIDENTIAL)
    return packed


def _write_json(content: Any, path: Path) -> None:
    path.write_text(json.dumps(content, ensure_ascii=False, indent=2), encoding="utf-8")


def _write_parquet(connection: duckdb.DuckDBPyConnection, table: str, path: Path) -> None:
    connection.execute(f"copy {table} to {literal(path)} (format parquet, compression zstd)")


def release_in_force(current: Path) -> tuple[str, Path] | None:
    """Id and Parquet folder of the release in force."""
    if not (current / "manifest.json").is_file():
        return None
    return str(read_json(current / "manifest.json")["id"]), current / "parquet"
