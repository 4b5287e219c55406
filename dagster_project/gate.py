"""The gates: Great Expectations over frames that SQL cuts from deliveries (gate 1) and candidate marts (gate 2).

Reads  expectations/*.yml (as loaded declarations); raw/ and geography/ at gate 1; a folder of marts at gate 2.
Writes judged/delivery.parquet (every delivery, whether it is in force) and judged/finding.parquet at gate 1.

A frame names its rows by keys that hold nothing personal; a finding carries keys and counts, never values, but what a
frame of gate 2 itself words in a column `note`: of numbers that are published beside it.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd

from dagster_project.declarations import Check, Contract, Declarations, Region, Suite
from dagster_project.deliveries import HELD, REJECTED, UNUSED, WITHDRAWN, share_figures
from dagster_project.settings import RegionData
from dagster_project.sharing import ADVICE, OTHER_RULE
from dagster_project.tables import connect, literal, parquet_rows, write_frame

KEYS_NAMED = 50
BROKEN_CHECK = "Die Prüfung selbst ist fehlerhaft; Einzelheiten stehen im Protokoll des Laufs."


Receipt = dict[str, Any]


@dataclass(frozen=True)
class Finding:
    """What one check found. `subject` is a source (gate 1) or the marts (gate 2); `message` is German.

    `details` may quote what was delivered: they are for the operator's eyes and go into no file.
    `blocks` says whether nothing after the gate may go on: a rejected delivery does not block while its source has
    any good one.
    """

    gate: int
    suite: str
    name: str
    subject: str
    severity: str
    responsible: str
    why: str
    success: bool
    failing: int
    failing_keys: list[dict[str, str]]
    message: str
    blocks: bool
    details: str = ""


FINDING_TYPES = {
    "gate": "varchar", "suite": "varchar", "name": "varchar", "subject": "varchar", "severity": "varchar",
    "responsible": "varchar", "why": "varchar", "success": "boolean", "failing": "bigint",
    "failing_keys": "varchar", "message": "varchar",
}  # fmt: skip

DELIVERY_TYPES = {
    "delivery": "varchar", "source": "varchar", "municipality": "varchar", "period": "varchar",
    "reference_date": "date", "geography": "varchar", "edition": "varchar", "level": "varchar",
    "dimensions": "varchar", "version": "integer", "file_name": "varchar", "sha256": "varchar",
    "landed_at": "timestamp", "rows_read": "bigint", "rows_accepted": "bigint", "rows_quarantined": "bigint",
    "verdict": "varchar", "in_force": "boolean", "supersedes": "varchar",
}  # fmt: skip


class GateClosed(Exception):
    """Findings that block: nothing after this gate may go on. The message is German."""

    def __init__(self, findings: Iterable[Finding]) -> None:
        self.findings = [finding for finding in findings if finding.blocks]
        super().__init__(
            "\n".join(f"{item.subject}, {item.suite} {item.name}: {item.message}" for item in self.findings)
        )


def findings_frame(findings: Iterable[Finding]) -> pd.DataFrame:
    """Findings as a table: columns as in `FINDING_TYPES`, the failing keys as JSON text."""
    rows = [
        {**asdict(finding), "failing_keys": json.dumps(finding.failing_keys, ensure_ascii=False)}
        for finding in findings
    ]
    return pd.DataFrame(rows, columns=list(FINDING_TYPES))


# ---------------------------------------------------------------- gate 1


def judge_deliveries(declared: Declarations, data: RegionData, receipts: dict[str, list[Receipt]]) -> list[Finding]:
    """Gate 1: which deliveries are in force, and every finding about them.

    `receipts` holds all receipts ever by source. A delivery that breaks its contract or a critical check is
    rejected and not in force; the last good one about the same stays, and where there is none the figures are missing,
    as if it were late. The gate closes where a whole source has no delivery in force.
    """
    findings: list[Finding] = []
    deliveries: list[Receipt] = []
    for source, contract in declared.contracts.items():
        found, decided = _judge_source(declared, contract, data, receipts.get(source, []))
        findings += found
        deliveries += decided
    write_frame(
        pd.DataFrame(deliveries, columns=list(DELIVERY_TYPES)),
        data.judged / "delivery.parquet",
        DELIVERY_TYPES,
    )
    write_frame(findings_frame(findings), data.judged / "finding.parquet", FINDING_TYPES)
    return findings


def _judge_source(
    declared: Declarations, contract: Contract, data: RegionData, receipts: list[Receipt]
) -> tuple[list[Finding], list[Receipt]]:
    """Findings about one source, and its deliveries with final verdict and `in_force`.

    A rejected delivery is no yardstick for the next one: the earliest are taken out until nothing changes.
    """
    readable = [receipt for receipt in receipts if receipt["verdict"] not in UNUSED and not _withdrawn(receipt)]
    no_yardstick: set[str] = set()
    while True:
        findings = _findings_of_gate_1(declared, contract, data, readable, no_yardstick)
        faults = _faults(findings)
        misleading = [r for r in readable if r["delivery"] in faults and r["delivery"] not in no_yardstick]
        if not misleading:
            break
        earliest = min(receipt["reference_date"] for receipt in misleading)
        no_yardstick |= {r["delivery"] for r in misleading if r["reference_date"] == earliest}
    decided = [
        {
            **receipt,
            "verdict": _final_verdict(receipt, faults),
            "reasons": [*_withdrawn(receipt), *receipt["reasons"], *faults.get(receipt["delivery"], [])],
        }
        for receipt in receipts
    ]
    return [_verdict(contract, decided), *findings], _with_force(decided)


def _withdrawn(receipt: Receipt) -> list[str]:
    """Why a delivery was withdrawn; nothing where it was not."""
    return [because] if (because := receipt.get("withdrawn_because")) else []


def _final_verdict(receipt: Receipt, faults: dict[str, list[str]]) -> str:
    if _withdrawn(receipt):
        return WITHDRAWN
    return REJECTED if receipt["delivery"] in faults else str(receipt["verdict"])


def _findings_of_gate_1(
    declared: Declarations, contract: Contract, data: RegionData, readable: list[Receipt], no_yardstick: set[str]
) -> list[Finding]:
    with connect() as connection:
        _tables_of_gate_1(connection, declared.region, contract, data, readable, no_yardstick)
        return [
            _judge(connection, suite, check, contract.id)
            for suite in declared.suites_for(1, contract.id)
            for check in suite.checks
        ]


def _tables_of_gate_1(
    connection: duckdb.DuckDBPyConnection,
    region: Region,
    contract: Contract,
    data: RegionData,
    readable: list[Receipt],
    no_yardstick: set[str],
) -> None:
    """What a frame of gate 1 may read: `landed` rows, `delivery` with its predecessor, and `expected` areas.

    The predecessor is the latest version of the latest earlier reference date that has a figure in common, unless it
    is no yardstick.
    """
    columns = [*DELIVERY_TYPES, "missing_areas_at_most", "is_yardstick", "shown_figures"]
    rows = [
        {
            **receipt,
            "is_yardstick": receipt["delivery"] not in no_yardstick,
            "shown_figures": "\n".join(receipt.get("figures", [])),
        }
        for receipt in readable
    ]
    connection.register("receipt", pd.DataFrame(rows, columns=columns).astype("str"))
    connection.execute(
        f"""
        create temp view landed as
        select landed_row.* from {parquet_rows(data.raw / contract.id, "*.parquet")} as landed_row
        semi join receipt using (delivery);

        create temp table delivery as
        select
            later.delivery, later.municipality, later.period, later.reference_date::date as reference_date,
            later.geography, later.edition, later.level,
            later.missing_areas_at_most::double as missing_areas_at_most,
            arg_max(earlier.delivery, (earlier.reference_date, earlier.version::integer)) as previous_delivery
        from receipt as later
        left join receipt as earlier
            on later.municipality = earlier.municipality
            and later.geography = earlier.geography
            and later.edition = earlier.edition
            and later.level = earlier.level
            and (
                later.shown_figures = '' or earlier.shown_figures = ''
                or list_has_any(
                    string_split(later.shown_figures, chr(10)), string_split(earlier.shown_figures, chr(10))
                )
            )
            and later.reference_date > earlier.reference_date
            and earlier.is_yardstick = 'True'
        group by all;

        create temp view expected as
        select delivery.delivery, area.area
        from delivery
        inner join {parquet_rows(data.geography / "area.parquet")} as area
            on delivery.geography = area.geography
            and delivery.edition = area.edition
            and delivery.level = area.level
            and not area.is_unallocated
            and (
                coalesce(area.municipality, '') in ('', delivery.municipality)
                or delivery.municipality = {literal(region.region_sender or "")}
            )
            and delivery.reference_date >= coalesce(area.exists_from, delivery.reference_date)
            and delivery.reference_date <= coalesce(area.exists_to, delivery.reference_date);
        """
    )


def _faults(findings: list[Finding]) -> dict[str, list[str]]:
    """Why a delivery must be rejected: the critical checks its rows fail."""
    faults: dict[str, list[str]] = {}
    for finding in findings:
        if finding.severity == "critical" and not finding.success:
            for delivery in sorted({key["delivery"] for key in finding.failing_keys if "delivery" in key}):
                named = [_named(key) for key in finding.failing_keys if key.get("delivery") == delivery]
                faults.setdefault(delivery, []).append(f"{finding.why} Betroffen: {_listed(named)}.")
    return faults


def _with_force(decided: list[Receipt]) -> list[Receipt]:
    """Of all deliveries with a figure in common about the same, the latest that may be used is in force."""
    standing = _latest([receipt for receipt in decided if receipt["verdict"] not in UNUSED])
    in_force = {receipt["delivery"] for receipt in standing}
    return [{**receipt, "in_force": receipt["delivery"] in in_force} for receipt in decided]


def _latest(receipts: list[Receipt]) -> list[Receipt]:
    """From the newest backwards, every delivery that shares no figure with one that is in already."""
    found: dict[tuple[str, ...], list[Receipt]] = {}
    for receipt in sorted(receipts, key=lambda receipt: (receipt["version"], receipt["landed_at"]), reverse=True):
        latest = found.setdefault(_place(receipt), [])
        if not any(_same_subject(receipt, other) for other in latest):
            latest.append(receipt)
    return [receipt for latest in found.values() for receipt in latest]


def _place(receipt: Receipt) -> tuple[str, ...]:
    return tuple(receipt[name] for name in ("municipality", "period", "edition", "level"))


def _same_subject(one: Receipt, other: Receipt) -> bool:
    return _place(one) == _place(other) and share_figures(one.get("figures", []), other.get("figures", []))


def _verdict(contract: Contract, decided: list[Receipt]) -> Finding:
    """One finding on the verdicts: which of the newest deliveries were rejected or held, and what stays in force."""
    asked = [receipt for receipt in decided if receipt["verdict"] != WITHDRAWN]
    unused = [receipt for receipt in _latest(asked) if receipt["verdict"] in UNUSED]
    standing = [receipt for receipt in _with_force(decided) if receipt["in_force"]]
    messages, details = [], []
    for receipt in sorted(unused, key=lambda receipt: (receipt["municipality"], receipt["period"])):
        instead = next((other for other in standing if _same_subject(receipt, other)), None)
        consequence = (
            f"Es gilt weiter {instead['file_name']} (Version {instead['version']})."
            if instead
            else "Eine frühere gültige Lieferung gibt es nicht, die Werte fehlen bis zur nächsten."
        )
        became = "wartet auf eine Entscheidung" if receipt["verdict"] == HELD else "abgelehnt"
        messages.append(f"{receipt['file_name']} {became}: {_in_short(receipt)} {consequence}")
        details.append(f"{receipt['file_name']}: {' '.join(receipt['reasons'])}")
    if not standing:
        messages.append("Von dieser Quelle gilt keine Lieferung.")
    return Finding(
        gate=1,
        suite="contract",
        name="verdict",
        subject=contract.id,
        severity="warning" if standing else "critical",
        responsible=contract.owner,
        why="Eine Lieferung, die ihren Vertrag oder eine kritische Prüfung verletzt, wird nicht verwendet.",
        success=not messages,
        failing=len(unused),
        failing_keys=[{"delivery": r["delivery"], "file_name": r["file_name"]} for r in unused][:KEYS_NAMED],
        message="\n".join(messages) or "Alle Lieferungen sind angenommen.",
        blocks=not standing,
        details="\n".join(details),
    )


def _in_short(receipt: Receipt) -> str:
    """Why a delivery is not used, without a word of what stands in it."""
    if receipt["verdict"] == HELD:
        return " ".join(receipt["reasons"])
    if not receipt["rows_read"]:
        titles = dict.fromkeys(ADVICE.get(rule, OTHER_RULE).title for rule in receipt.get("file_rules", []))
        why = f": {'; '.join(titles)}" if titles else ""
        return f"Die Datei wurde als Ganzes nicht angenommen{why}."
    if receipt["rows_quarantined"]:
        return f"{receipt['rows_quarantined']} von {receipt['rows_read']} Zeilen verletzen den Vertrag."
    return " ".join(receipt["reasons"])


def load_findings(data: RegionData) -> list[dict[str, Any]]:
    """What gate 1 last found, as rows."""
    with connect() as connection:
        found = connection.execute(f"from {parquet_rows(data.judged / 'finding.parquet')}").df()
    rows: list[dict[str, Any]] = found.to_dict("records")
    return rows


def deliveries_in_force(data: RegionData) -> list[dict[str, str]]:
    """The deliveries in force: source, what they are about, and their ids, which follow from their content."""
    columns = ["source", "municipality", "period", "edition", "level", "delivery", "file_name"]
    with connect() as connection:
        rows = connection.execute(
            f"select {', '.join(columns)} from {parquet_rows(data.judged / 'delivery.parquet')} "
            "where in_force order by all"
        ).fetchall()
    return [dict(zip(columns, row, strict=True)) for row in rows]


# ---------------------------------------------------------------- gate 2


def judge_marts(declared: Declarations, marts: Path) -> list[Finding]:
    """Gate 2: every finding about the marts in a folder of Parquet files, one view each."""
    with connect() as connection:
        for path in sorted(marts.glob("mart_*.parquet")):
            connection.execute(f"create temp view {path.stem} as select * from {parquet_rows(path)}")
        return [_judge(connection, suite, check, "marts") for suite in declared.suites_for(2) for check in suite.checks]


def disclosure_finding(exposed: list[str]) -> Finding:
    """What the audit of hidden numbers found, as a finding of gate 2; which numbers are for the operator alone."""
    why = "Keine veröffentlichte Zahl darf verraten, was geheim zu halten ist."
    problem = f"Aufzudecken: {len(exposed)} Zahlen; welche, steht im Protokoll des Laufs."
    return Finding(
        gate=2,
        suite="disclosure",
        name="nothing_hidden_can_be_found_out",
        subject="marts",
        severity="critical",
        responsible="Statistikstelle",
        why=why,
        success=not exposed,
        failing=len(exposed),
        failing_keys=[],
        message=f"{why} {problem}" if exposed else "In Ordnung.",
        blocks=bool(exposed),
        details="\n".join(exposed[:KEYS_NAMED]),
    )


# ---------------------------------------------------------------- one check


def _judge(connection: duckdb.DuckDBPyConnection, suite: Suite, check: Check, subject: str) -> Finding:
    """Cut the frame and let Great Expectations judge it; what cannot be judged fails."""
    details = ""
    try:
        frame = connection.execute(check.frame).df()
        success, failing, keys, problem = _validated(frame, check)
        notes = _notes(frame, check) if suite.gate == 2 else {}
    except Exception as error:  # whatever keeps a check from being made closes the gate and must not end the run
        success, failing, keys, problem, notes = False, 0, [], BROKEN_CHECK, {}
        details = str(error)
    if success:
        tolerated = [f"{name} ({note})" for name, note in notes.items()]
        message = f"In Ordnung. Geduldet: {_listed(tolerated)}." if tolerated else "In Ordnung."
    else:
        named = [f"{name} ({notes[name]})" if name in notes else name for name in map(_named, keys)]
        message = f"{check.why} {problem or f'Betroffen: {_listed(named, failing)}.'}"
    decides_by_row = suite.gate == 1 and bool(keys) and "delivery" in check.keys
    return Finding(
        gate=suite.gate,
        suite=suite.id,
        name=check.name,
        subject=subject,
        severity=check.severity,
        responsible=check.responsible,
        why=check.why,
        success=success,
        failing=failing,
        failing_keys=keys[:KEYS_NAMED] if suite.gate == 2 else keys,
        message=message,
        details=details,
        blocks=not success and check.severity == "critical" and not decides_by_row,
    )


def _validated(frame: pd.DataFrame, check: Check) -> tuple[bool, int, list[dict[str, str]], str | None]:
    """Success, number of failing rows, their keys, and what else went wrong."""
    if frame.empty:
        return check.may_be_empty, 0, [], "Es gibt keine Zeilen zu prüfen."
    arguments = {name: value for name, value in check.expect.items() if name != "type"}
    expectation = _expectation_class(check.expect["type"])(**arguments)
    result = _batch(frame).validate(
        expectation,
        result_format={
            "result_format": "COMPLETE",
            "unexpected_index_column_names": check.keys,
            "partial_unexpected_count": 0,
        },
    )
    raised = [
        str(info["exception_message"])
        for info in (result.exception_info or {}).values()
        if isinstance(info, dict) and info.get("raised_exception")
    ]
    if raised:
        raise ValueError(raised[0])
    rows = result.result.get("unexpected_index_list") or []
    keys = sorted(({name: str(row[name]) for name in check.keys} for row in rows), key=lambda key: list(key.values()))
    return bool(result.success), result.result.get("unexpected_count", 0 if result.success else 1), keys, None


def _notes(frame: pd.DataFrame, check: Check) -> dict[str, str]:
    """What a frame says about single rows, by how the row is named."""
    if "note" not in frame:
        return {}
    rows = frame[frame["note"].notna()].to_dict("records")
    return dict(sorted((_named({name: str(row[name]) for name in check.keys}), str(row["note"])) for row in rows))


def _expectation_class(kind: str) -> Any:
    from great_expectations.expectations.registry import get_expectation_impl

    return get_expectation_impl(kind)


def _batch(frame: pd.DataFrame) -> Any:
    return _batch_definition().get_batch({"dataframe": frame})


@cache
def _batch_definition() -> Any:
    """A context that stores nothing and sends nothing, made once: importing it takes seconds."""
    import great_expectations as gx
    from great_expectations.data_context.types.base import ProgressBarsConfig

    logging.getLogger(ProgressBarsConfig.__module__).setLevel(logging.WARNING)  # it sets its own level to INFO
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    asset = context.data_sources.add_pandas("frames").add_dataframe_asset("frame")
    return asset.add_batch_definition_whole_dataframe("frame")


def _named(key: dict[str, str]) -> str:
    return " ".join(value for name, value in key.items() if name != "delivery")


def _listed(named: list[str], total: int | None = None, at_most: int = 5) -> str:
    rest = (total or len(named)) - min(at_most, len(named))
    return ", ".join(named[:at_most]) + (f" und {rest} weitere" if rest > 0 else "")
