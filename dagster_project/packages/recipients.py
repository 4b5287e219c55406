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
from dagster_project.declarations.sharing import EVERY_MUNICIPALITY, Entitlement, Recipient
from dagster_project.packages import archive, keys, tables_for_people
from dagster_project.packages.archive import SIGNATURE, SUMS
from dagster_project.packages.delivery import PROFILE
from dagster_project.packages.spatial import write_geopackage, write_geoparquet
from dagster_project.tables import CONFIDENTIAL, connect, literal, read_json

LEDGER = "transmissions.jsonl"
FIELD_TYPES = {
    "VARCHAR": "string", "DOUBLE": "number", "INTEGER": "integer", "BIGINT": "integer", "DATE": "date",
    "BOOLEAN": "boolean",
}  # fmt: skip
GERMAN = {"value": "werte", "comparison": "vergleiche", "indicator": "indikatoren"}
CELL = ("edition", "level", "area", "period", "indicator", "breakdown")


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
        earlier = [item for item in sent if item.recipient == recipient.id]
        transmission = _package(declared, recipient, entitlements, release, parquet, folder, now, key, earlier)
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


def _package(
    declared: Declarations,
    recipient: Recipient,
    entitlements: list[Entitlement],
    release: str,
    parquet: Path,
    folder: Path,
    now: datetime,
    key: Path | None,
    earlier: list[Transmission],
) -> Transmission | None:
    own = folder / recipient.id
    own.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=own, prefix=".package") as workspace, connect() as connection:
        work = Path(workspace)
        _select(connection, parquet, entitlements)
        rows = {name: _count(connection, name) for name in ("value", "comparison", "area", "indicator")}
        _write_parquet(connection, "value", work / "werte.parquet")
        content = archive.sha256(work / "werte.parquet")
        if earlier and earlier[-1].content == content:
            return None
        changes = _changes(connection, own / "werte.parquet")
        for name in ("comparison", "indicator"):
            _write_parquet(connection, name, work / f"{GERMAN[name]}.parquet")
        described = {"Region": declared.region.name, "Empfänger": recipient.name, "Veröffentlichung": release}
        tables_for_people.write_csv(connection, "value", work / "werte.csv")
        tables_for_people.write_csv(connection, "change", work / "aenderungen.csv")
        tables_for_people.write_workbook(connection, work / "werte.xlsx", described, _notes(entitlements), now)
        write_geopackage(connection, declared.region.crs, work / "gebiete.gpkg", now)
        write_geoparquet(connection, declared.region.crs, work / "gebiete.parquet")
        (work / "LIZENZ.txt").write_text(declared.region.licence_note + "\n", encoding="utf-8")
        (work / "datapackage.json").write_text(
            json.dumps(_description(connection, declared, recipient, release, now, work), ensure_ascii=False, indent=2),
            encoding="utf-8",
        )
        files: dict[str, Path | bytes] = {path.name: path for path in sorted(work.iterdir())}
        files[SUMS] = sums = archive.sums(files)
        if key is not None:
            files[SIGNATURE] = keys.sign(sums, key, f"{recipient.id} {release}")
        package = own / f"{release}.zip"
        packed = work / ".package.zip"
        archive.write(packed, files)
        if recipient.encrypt_to:
            encrypted = work / ".package.zip.age"
            keys.encrypt(packed, encrypted, recipient.encrypt_to)
            package, packed = own / f"{release}.zip.age", encrypted
        packed.chmod(CONFIDENTIAL)
        packed.replace(package)
        known = work / "werte.parquet"
        known.chmod(CONFIDENTIAL)
        known.replace(own / "werte.parquet")  # what the next change list is made against
    return Transmission(
        at=now.astimezone(UTC).isoformat(timespec="seconds"),
        recipient=recipient.id,
        release=release,
        purposes=sorted({item.purpose for item in entitlements}),
        package=package.name,
        sha256=archive.sha256(package),
        content=content,
        rows=rows,
        **changes,
    )


def _select(connection: duckdb.DuckDBPyConnection, parquet: Path, entitlements: list[Entitlement]) -> None:
    """`value`, `comparison`, `area` and `indicator`: what the entitlements name, and nothing else."""
    for mart in ("area", "indicator", "indicator_value", "comparison"):
        path = literal(parquet / f"mart_{mart}.parquet")
        connection.execute(f"create temp view mart_{mart} as select * from read_parquet({path})")
    values = [item for item in entitlements if item.product == "values"]
    comparisons = [item for item in entitlements if item.product == "comparisons"]
    connection.execute(
        f"""
        create temp table area as
        select * from mart_area where {_entitled(entitlements)} order by edition, level_rank, area;
        create temp table value as
        select
            v.geography, v.edition, v.level, v.area, a.name as area_name, v.municipality, v.period, v.reference_date,
            v.indicator, i.name as indicator_name, i.unit_label, v.breakdown, v.value, v.class, v.status, v.reason,
            v.numerator, v.denominator, v.ci_low, v.ci_high, v.conversion_class
        from mart_indicator_value as v
        inner join (select * from mart_area where {_entitled(values)}) as a using (geography, edition, level, area)
        inner join mart_indicator as i using (indicator)
        order by {", ".join(f"v.{name}" for name in CELL)};
        create temp table comparison as
        select c.*
        from mart_comparison as c
        inner join (select * from mart_area where {_entitled(comparisons)}) as a using (geography, edition, level, area)
        order by all;
        create temp table indicator as
        select * from mart_indicator where indicator in (select indicator from value) order by sort_order, indicator
        """
    )


def _entitled(entitlements: list[Entitlement]) -> str:
    """SQL over `mart_area`: the areas of these entitlements."""
    conditions = [
        f"(level = {literal(item.level)}"
        + ("" if item.municipality == EVERY_MUNICIPALITY else f" and municipality = {literal(item.municipality)}")
        + ")"
        for item in entitlements
    ]
    return " or ".join(conditions) or "false"


def _changes(connection: duckdb.DuckDBPyConnection, before: Path) -> dict[str, int]:
    """`change`: what differs from the package before this one, value by value; returns how many of each kind."""
    old = f"read_parquet({literal(before)})" if before.is_file() else "(select * from value where false)"
    connection.execute(
        f"""
        create temp table change as
        select
            case when o.area is null then 'neu' when n.area is null then 'entfallen' else 'geändert' end as art,
            {", ".join(CELL)}, o.value as vorher, n.value as jetzt, o.status as status_vorher, n.status as status_jetzt
        from {old} as o
        full join value as n using ({", ".join(CELL)})
        where o.area is null or n.area is null
            or (o.value, o.class, o.status) is distinct from (n.value, n.class, n.status)
        order by {", ".join(CELL)}
        """
    )
    found = dict(connection.execute("select art, count(*) from change group by art").fetchall())
    return {"added": found.get("neu", 0), "changed": found.get("geändert", 0), "removed": found.get("entfallen", 0)}


def _notes(entitlements: list[Entitlement]) -> list[str]:
    purposes = ", ".join(sorted({item.purpose for item in entitlements}))
    return [
        f"Zweck der Übermittlung: {purposes}. Zu anderen Zwecken dürfen die Daten nicht verwendet werden, soweit sie "
        "nicht ohnehin veröffentlicht sind.",
        "Kleine Zahlen und solche, aus denen sie sich errechnen ließen, sind nicht ausgewiesen (Status suppressed). "
        "Ein leeres Feld ist nie eine Null.",
        "Status: published veröffentlicht; estimated geschätzt; unreliable eingeschränkt belastbar; suppressed nicht "
        "ausgewiesen; missing liegt nicht vor; not_applicable nicht anwendbar.",
    ]


def _description(
    connection: duckdb.DuckDBPyConnection,
    declared: Declarations,
    recipient: Recipient,
    release: str,
    now: datetime,
    work: Path,
) -> dict[str, Any]:
    region = declared.region
    return {
        "$schema": PROFILE,
        "name": f"{region.id}-{recipient.id}".replace("_", "-"),
        "title": f"{region.name}: Sozialraummonitoring für {recipient.name}",
        "version": release,
        "created": now.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        "licenses": [{"name": "other", "title": region.licence_note, "path": "LIZENZ.txt"}],
        "resources": [
            _resource(work / "werte.csv", "werte", _fields(connection, "value", ","), {"delimiter": ";"}),
            _resource(work / "aenderungen.csv", "aenderungen", _fields(connection, "change", ","), {"delimiter": ";"}),
            *(
                _resource(work / f"{GERMAN[name]}.parquet", f"{GERMAN[name]}-parquet", _fields(connection, name))
                for name in ("value", "comparison", "indicator")
            ),
            *(
                _resource(work / name, name.replace(".", "-"))
                for name in ("werte.xlsx", "gebiete.gpkg", "gebiete.parquet")
            ),
        ],
    }


def _resource(
    path: Path, name: str, fields: list[dict[str, str]] | None = None, dialect: dict[str, str] | None = None
) -> dict[str, Any]:
    described: dict[str, Any] = {
        "name": name,
        "path": path.name,
        "format": path.suffix[1:],
        "bytes": path.stat().st_size,
        "hash": f"sha256:{archive.sha256(path)}",
    }
    if fields is not None:
        described["schema"] = {"fields": fields, "missingValues": [""]}
    return {**described, "dialect": dialect, "encoding": "utf-8"} if dialect else described


def _fields(connection: duckdb.DuckDBPyConnection, table: str, decimal: str = ".") -> list[dict[str, str]]:
    columns = connection.execute(f"describe {table}").fetchall()
    return [
        {"name": name, "type": FIELD_TYPES[kind], **({"decimalChar": decimal} if kind == "DOUBLE" else {})}
        for name, kind, *_ in columns
    ]


def _count(connection: duckdb.DuckDBPyConnection, table: str) -> int:
    return int((connection.execute(f"select count(*) from {table}").fetchone() or (0,))[0])


def _write_parquet(connection: duckdb.DuckDBPyConnection, table: str, path: Path) -> None:
    connection.execute(f"copy {table} to {literal(path)} (format parquet, compression zstd)")


def release_in_force(current: Path) -> tuple[str, Path] | None:
    """Id and Parquet folder of the release in force."""
    if not (current / "manifest.json").is_file():
        return None
    return str(read_json(current / "manifest.json")["id"]), current / "parquet"
