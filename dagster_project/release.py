"""Releases: write, audit, publish. A release appears whole or not at all and never changes.

Reads  marts/*.parquet, the findings of gate 1, and what a release depends on.
Writes releases/<id>/{marts.duckdb, parquet/, csv/, site/, manifest.json} and the link `current`.

The audit runs on the very files that would go out. Whatever goes wrong before the last two renames, the release
in force stays; the next run sweeps up.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb

from dagster_project.settings import RegionData
from dagster_project.tables import connect, exactly, identifier, literal, parquet_rows, read_json, write_json

STORAGE_VERSION = "v1.0.0"  # DuckDB clients from 1.0 on can read it
DIGEST_DIGITS = 12

# mart_check is written here, not by dbt: it holds what the gates said about the other marts
CHECK_COLUMNS = {
    "gate": "1: deliveries, 2: marts",
    "suite": "File of the check in expectations/, or contract.",
    "name": "Name of the check.",
    "subject": "Source, or marts.",
    "severity": "critical or warning.",
    "responsible": "Who must act.",
    "why": "Why the check exists.",
    "success": "Whether it passed.",
    "failing": "Number of failing rows.",
    "failing_keys": "Keys of failing rows as a JSON list; never values.",
    "message": "What was found, in a sentence.",
}
CHECK_DESCRIPTION = "What the gates found; one row per check and subject."
# mart_news too: it compares the candidate with the release in force
NEWS_COLUMNS = {
    "indicator": "Indicator.",
    "period": "Period.",
    "kind": "What is new: indicator, period, or values of a period that was there already.",
    "added": "Number of values of areas that were not shown before.",
    "changed": "Number of values that differ from those shown before, or are no longer shown.",
    "withdrawn": "Deprecated, always empty: what is no longer shown counts as changed.",
}
NEWS_DESCRIPTION = (
    "What differs from the release in force before; one row per indicator and period, none in a first one."
)
CELL = "geography, edition, level, area, period, indicator, breakdown"


class ReleaseError(Exception):
    """A release that cannot be made, found or put back."""


@dataclass(frozen=True)
class Release:
    """A published release."""

    id: str
    path: Path
    created: bool

    @property
    def manifest(self) -> dict[str, Any]:
        manifest: dict[str, Any] = read_json(self.path / "manifest.json")
        return manifest


@dataclass(frozen=True)
class Description:
    """A mart's description and those of its columns."""

    text: str
    columns: dict[str, str]


def digest(parts: Any) -> str:
    """A short hash of anything that can be written as text."""
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:DIGEST_DIGITS]


def files_digest(paths: Iterable[Path], root: Path) -> str:
    """A short hash of files and their names below a root."""
    hashed = hashlib.sha256()
    for path in sorted(paths):
        hashed.update(f"{path.relative_to(root)}\0".encode() + hashlib.sha256(path.read_bytes()).digest())
    return hashed.hexdigest()[:DIGEST_DIGITS]


def publish(
    data: RegionData,
    *,
    inputs: dict[str, Any],
    descriptions: dict[str, Description],
    audit: Callable[[Path], list[dict[str, Any]]],
    render: Callable[[Path, Path], Any],
) -> Release:
    """Make the marts a release and put it in force.

    `inputs` is everything the result depends on; the same inputs are the same release, and nothing happens.
    `audit(parquet)` judges the candidate's own files, raises where they must not go out, and returns all findings
    as rows of mart_check. `render(marts.duckdb, site)` writes the pages.
    """
    _sweep(data)
    identity = digest(inputs)
    candidate = data.releases / f".candidate-{os.getpid()}"
    try:
        _copy_marts(data, candidate)
        findings = audit(candidate / "parquet")
        standing = current(data)
        if standing is not None and standing.manifest["digest"] == identity:
            return standing
        earlier = next(
            (path for path in _published(data) if read_json(path / "manifest.json")["digest"] == identity),
            None,
        )
        if earlier is not None:
            _flip(data, earlier)
            return Release(earlier.name, earlier, created=False)
        path = data.releases / f"{datetime.now(UTC):%Y-%m-%d}-{identity}"
        tables = _write_tables(candidate, descriptions, findings, standing)
        render(candidate / "marts.duckdb", candidate / "site")
        write_json(_manifest(path.name, identity, inputs, findings, tables, candidate), candidate / "manifest.json")
        _seal(candidate)
        candidate.rename(path)
        path.chmod(0o555)
        _sync(data.releases)
        _flip(data, path)
        return Release(path.name, path, created=True)
    finally:
        _remove(candidate)


def current(data: RegionData) -> Release | None:
    """The release in force."""
    if not data.current.is_symlink() or not (data.current / "manifest.json").is_file():
        return None
    path = data.current.resolve()
    return Release(path.name, path, created=False)


def releases(data: RegionData) -> list[dict[str, Any]]:
    """The manifests of all releases, oldest first, each with whether it is in force."""
    standing = current(data)
    manifests = [read_json(path / "manifest.json") for path in _published(data)]
    ordered = sorted(manifests, key=lambda manifest: manifest["created_at"])
    return [{**manifest, "in_force": standing is not None and standing.id == manifest["id"]} for manifest in ordered]


def restore(data: RegionData, release: str, show_again_because: str = "") -> Release:
    """Put an earlier release in force again.

    Raises `ReleaseError` if there is none of that id, and where it shows values that a later one withholds, unless a
    reason is given; that goes into the region's log of restored releases.
    """
    path = _find(data, release)
    withheld = _withheld_since(data, path)
    if withheld and not show_again_because:
        named = ", ".join(f"{indicator} ({number})" for indicator, number in withheld.items())
        raise ReleaseError(
            f"{release} zeigt {sum(withheld.values())} Werte, die eine spätere Veröffentlichung zurückhält: {named}. "
            "Sie stünden wieder in allen Tabellen und Seiten. Ist das zu verantworten, nennen Sie den Grund mit "
            "--show-again-because; sonst bleibt die geltende Veröffentlichung."
        )
    standing = current(data)
    log = read_json(data.restored) if data.restored.is_file() else []
    entry = {
        "restored_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "release": release,
        "instead_of": standing.id if standing else None,
        "shown_again": withheld,
        "because": show_again_because,
    }
    write_json([*log, entry], data.restored)
    _flip(data, path)
    return Release(release, path, created=False)


def _withheld_since(data: RegionData, path: Path) -> dict[str, int]:
    """How many values of a release any later one withholds, by indicator."""
    made_at = read_json(path / "manifest.json")["created_at"]
    cube = "mart_indicator_value.parquet"
    later = [
        exactly(other / "parquet" / cube)
        for other in _published(data)
        if other != path and read_json(other / "manifest.json")["created_at"] >= made_at
    ]
    if not later:
        return {}
    with connect() as connection:
        rows = connection.execute(
            f"""
            with withheld as (
                select distinct {CELL} from read_parquet($later, hive_partitioning = false) where status = 'suppressed'
            )
            select indicator, count(*)
            from {parquet_rows(path / "parquet" / cube)} as own
            semi join withheld using ({CELL})
            where own.value is not null or own.class is not null
            group by indicator
            order by indicator
            """,
            {"later": later},
        ).fetchall()
    return dict(rows)


def compare(data: RegionData, one: str, other: str) -> dict[str, Any]:
    """What differs between two releases: inputs, rows per table, and cells of the cube. Raises `ReleaseError`."""
    first, second = _find(data, one), _find(data, other)
    before, after = (read_json(path / "manifest.json") for path in (first, second))
    with connect() as connection:
        for name, path in (("one", first), ("other", second)):
            mart = parquet_rows(path / "parquet" / "mart_indicator_value.parquet")
            connection.execute(f"create temp view {name} as select * from {mart}")
        added, removed, changed = connection.execute(
            f"""
            select
                (select count(*) from other anti join one using ({CELL})),
                (select count(*) from one anti join other using ({CELL})),
                (
                    select count(*) from one inner join other using ({CELL})
                    where (one.value, one.class, one.status) is distinct from (other.value, other.class, other.status)
                )
            """
        ).fetchone() or (0, 0, 0)
    return {
        "inputs": sorted(name for name in before["inputs"] if before["inputs"][name] != after["inputs"].get(name)),
        "rows": {
            table: [before["tables"].get(table, 0), after["tables"].get(table, 0)]
            for table in sorted({*before["tables"], *after["tables"]})
            if before["tables"].get(table) != after["tables"].get(table)
        },
        "cells": {"added": added, "removed": removed, "changed": changed},
    }


# ---------------------------------------------------------------- the candidate's files


def _copy_marts(data: RegionData, candidate: Path) -> None:
    """Copy what dbt wrote, so that what is audited is what goes out."""
    (candidate / "parquet").mkdir(parents=True)
    marts = sorted(data.marts.glob("mart_*.parquet"))
    if not marts:
        raise ReleaseError("there are no marts to release: build them first")
    for path in marts:
        shutil.copyfile(path, candidate / "parquet" / path.name)


def _write_tables(
    candidate: Path, descriptions: dict[str, Description], findings: list[dict[str, Any]], standing: Release | None
) -> dict[str, int]:
    """mart_check, mart_news, the database and CSV of every mart; returns the number of rows of each."""
    (candidate / "csv").mkdir()
    described = {
        **descriptions,
        "mart_check": Description(CHECK_DESCRIPTION, CHECK_COLUMNS),
        "mart_news": Description(NEWS_DESCRIPTION, NEWS_COLUMNS),
    }
    rows: dict[str, int] = {}
    with connect() as connection:
        _write_checks(connection, findings, candidate / "parquet" / "mart_check.parquet")
        _write_news(connection, candidate / "parquet", standing)
        database = literal(candidate / "marts.duckdb")
        connection.execute(f"attach {database} as marts (storage_version {literal(STORAGE_VERSION)})")
        for path in sorted((candidate / "parquet").glob("*.parquet")):
            mart = identifier(path.stem)
            connection.execute(f"create table marts.{mart} as select * from {parquet_rows(path)}")
            _comment(connection, path.stem, described.get(path.stem))
            csv = candidate / "csv" / f"{path.stem}.csv"
            connection.execute(f"copy marts.{mart} to {literal(csv)} (header, delimiter ',')")
            counted = connection.execute(f"select count(*) from marts.{mart}").fetchone()
            assert counted is not None
            rows[path.stem] = counted[0]
        connection.execute("checkpoint marts")
        connection.execute("detach marts")
    return rows


def _write_checks(connection: duckdb.DuckDBPyConnection, findings: list[dict[str, Any]], path: Path) -> None:
    types = {
        name: "boolean" if name == "success" else "bigint" if name == "failing" else "varchar" for name in CHECK_COLUMNS
    }
    connection.execute(f"create temp table checked ({', '.join(f'{name} {kind}' for name, kind in types.items())})")
    if findings:  # DuckDB refuses an empty list
        connection.executemany(
            f"insert into checked values ({', '.join('?' * len(types))})",
            [[finding[name] for name in types] for finding in findings],
        )
    connection.execute(
        f"copy (select * from checked order by gate, subject, suite, name) to {literal(path)} (format parquet)"
    )


def _write_news(connection: duckdb.DuckDBPyConnection, parquet: Path, standing: Release | None) -> None:
    """mart_news: every value of the candidate beside the one that the release in force shows."""
    after = f"{parquet_rows(parquet / 'mart_indicator_value.parquet')}"
    before = f"(select * from {after} where false)"
    if standing is not None:
        before = f"{parquet_rows(standing.path / 'parquet' / 'mart_indicator_value.parquet')}"
    connection.execute(
        f"""
        copy (
            with cell as (
                select
                    {CELL}, o.indicator as indicator_before, o.value is not null as was_shown,
                    n.value is not null as is_shown,
                    (o.value, o.class, o.status) is distinct from (n.value, n.class, n.status) as differs
                from {before} as o
                full join {after} as n using ({CELL})
            ),
            known as (
                select indicator, period, count(indicator_before) > 0 as was_there,
                    sum(count(indicator_before)) over (partition by indicator) > 0 as indicator_was_there,
                    count(*) filter (where is_shown and not was_shown) as added,
                    count(*) filter (where was_shown and differs) as changed
                from cell
                group by indicator, period
            )
            select
                indicator, period,
                case when was_there then 'values' when indicator_was_there then 'period' else 'indicator' end as kind,
                added, changed, cast(null as bigint) as withdrawn
            from known
            where {"true" if standing else "false"} and added + changed > 0
            order by indicator, period
        ) to {literal(parquet / "mart_news.parquet")} (format parquet)
        """
    )


def _comment(connection: duckdb.DuckDBPyConnection, mart: str, description: Description | None) -> None:
    """Descriptions travel with the database. Raises `ReleaseError` for a mart or column without one."""
    named = {row[0] for row in connection.execute(f"describe marts.{identifier(mart)}").fetchall()}
    columns = description.columns if description else {}
    undescribed = sorted(named - {name for name, text in columns.items() if text})
    if description is None or undescribed:
        raise ReleaseError(f"{mart}: describe it and its columns first: {', '.join(undescribed)}")
    connection.execute(f"comment on table marts.{identifier(mart)} is {literal(description.text)}")
    for name in sorted(named):
        connection.execute(f"comment on column marts.{identifier(mart)}.{identifier(name)} is {literal(columns[name])}")


def _manifest(
    release: str,
    identity: str,
    inputs: dict[str, Any],
    findings: list[dict[str, Any]],
    tables: dict[str, int],
    candidate: Path,
) -> dict[str, Any]:
    files = sorted(path for path in candidate.rglob("*") if path.is_file())
    return {
        "id": release,
        "digest": identity,
        "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "inputs": inputs,
        "checks": [
            {name: finding[name] for name in ("gate", "suite", "name", "subject", "severity", "success", "failing")}
            for finding in findings
        ],
        "tables": tables,
        "files": {
            str(path.relative_to(candidate)): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in files
            if "site" not in path.relative_to(candidate).parts[:1]
        },
        "pages": sum(path.suffix == ".html" for path in files),
    }


# ---------------------------------------------------------------- the file system


def _published(data: RegionData) -> list[Path]:
    return sorted(path.parent for path in data.releases.glob("[!.]*/manifest.json"))


def _find(data: RegionData, release: str) -> Path:
    path = data.releases / release
    if path not in _published(data):
        known = ", ".join(item.name for item in _published(data)) or "none"
        raise ReleaseError(f"there is no release {release!r}; there are: {known}")
    return path


def _seal(candidate: Path) -> None:
    """Everything on disk and read-only before anyone can see it."""
    for path in sorted(candidate.rglob("*"), reverse=True):
        if path.is_file():
            with path.open("rb") as file:
                os.fsync(file.fileno())
            path.chmod(0o444)
        else:
            _sync(path)
            path.chmod(0o555)
    _sync(candidate)
    candidate.chmod(0o755)  # a folder must be writable to be renamed


def _flip(data: RegionData, release: Path) -> None:
    link = data.root / f".current-{os.getpid()}"
    link.unlink(missing_ok=True)
    link.symlink_to(Path(data.releases.name) / release.name)
    link.replace(data.current)
    _sync(data.root)


def _sweep(data: RegionData) -> None:
    """Remove what killed runs left behind; only one run at a time gets here."""
    data.releases.mkdir(parents=True, exist_ok=True)
    data.releases.chmod(0o755)  # releases are for readers of other accounts too
    for path in data.releases.glob(".candidate-*"):
        _remove(path)
    for path in data.root.glob(".current-*"):
        path.unlink()


def _remove(folder: Path) -> None:
    if folder.exists():
        for path in [folder, *folder.rglob("*")]:
            if path.is_dir() and not path.is_symlink():
                path.chmod(0o755)
        shutil.rmtree(folder)


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
