"""Decisions about deliveries: one is withdrawn, brought back, or taken though landing held it.

Reads  and writes decisions/<source>/<delivery>.json: every decision with when and why; the last one counts.

Rows, receipts and earlier versions stay: whoever withdraws a delivery by mistake brings it back.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Literal

from dagster_project.declarations import Contract
from dagster_project.deliveries import HELD, REJECTED, Receipt, as_contracted, load_receipts
from dagster_project.settings import RegionData
from dagster_project.tables import read_json, write_json

Kind = Literal["withdrawn", "brought_back", "taken"]
SHORTEST_ID = 6


class DecisionError(Exception):
    """A decision that cannot be made; the message is German."""


@dataclass(frozen=True)
class Decision:
    """What somebody decided about a delivery, when (UTC) and why."""

    kind: Kind
    at: str
    reason: str


def load_decisions(data: RegionData, source: str) -> dict[str, Decision]:
    """The decision that counts for each delivery of a source."""
    folder = data.decisions / source
    return {path.stem: Decision(**read_json(path)[-1]) for path in sorted(folder.glob("*.json"))}


def decided(receipt: Receipt, contract: Contract, decisions: Mapping[str, Decision]) -> Receipt:
    """The receipt with what was decided about it: by a command, or by `known_bad` in the contract."""
    decision = decisions.get(receipt.delivery)
    withdrawn = decision if decision and decision.kind == "withdrawn" else None
    bad = known_bad(contract, receipt.sha256, receipt.content) if receipt.verdict != REJECTED else None
    return replace(
        receipt,
        withdrawn_at=withdrawn.at if withdrawn else "",
        withdrawn_because=withdrawn.reason if withdrawn else bad or "",
        taken_because=decision.reason if decision and decision.kind == "taken" else "",
    )


def known_bad(contract: Contract, *hashes: str) -> str | None:
    """Why a content is never taken, as the contract declares it."""
    return next((item.reason for item in contract.known_bad if item.sha256 in hashes), None)


def decide(
    data: RegionData, contracts: Mapping[str, Contract], named: str, kind: Kind, reason: str
) -> tuple[Receipt, Receipt]:
    """Record a decision about a delivery, named by its id (or how it begins) or its file; returns it before and after.

    Raises `DecisionError` where there is no such delivery, or the decision does not fit what it is.
    """
    if not reason.strip():
        raise DecisionError("Bitte mit --reason begründen: Der Grund steht in der Quittung.")
    receipts = {source: as_contracted(load_receipts(data, source), contract) for source, contract in contracts.items()}
    before = _named(named, [receipt for found in receipts.values() for receipt in found.values()])
    _refuse_unfit(before, kind, receipts[before.source].values())
    path = data.decisions / before.source / f"{before.delivery}.json"
    history = read_json(path) if path.is_file() else []
    now = datetime.now(UTC).replace(tzinfo=None).isoformat(timespec="seconds")
    write_json([*history, asdict(Decision(kind, now, reason.strip()))], path)
    after = decided(before, contracts[before.source], load_decisions(data, before.source))
    write_json(asdict(after), data.receipts / after.source / f"{after.delivery}.json")
    return before, after


def _named(named: str, receipts: list[Receipt]) -> Receipt:
    found = [
        receipt
        for receipt in receipts
        if receipt.file_name == named or (len(named) >= SHORTEST_ID and receipt.delivery.startswith(named))
    ]
    if len(found) == 1:
        return found[0]
    if not found:
        raise DecisionError(
            f"Eine Lieferung „{named}“ gibt es nicht. Genannt wird sie mit ihrer Kennung aus der Quittung (mindestens "
            f"{SHORTEST_ID} Zeichen) oder mit ihrem Dateinamen."
        )
    listed = "\n".join(
        f"  {item.delivery}  {item.source}, {item.municipality}, {item.file_name}, Version {item.version}"
        for item in sorted(found, key=lambda item: (item.source, item.about, item.version))
    )
    raise DecisionError(f"„{named}“ meint mehrere Lieferungen; bitte die Kennung angeben:\n{listed}")


def _refuse_unfit(receipt: Receipt, kind: Kind, receipts: Iterable[Receipt]) -> None:
    """Raises `DecisionError` where a decision changes nothing, or puts the same content in use twice."""
    what = f"{receipt.file_name} (Lieferung {receipt.delivery})"
    if kind == "withdrawn" and receipt.withdrawn_because:
        raise DecisionError(f"{what} ist schon zurückgezogen: {receipt.withdrawn_because}")
    if kind == "withdrawn" and receipt.verdict == REJECTED:
        raise DecisionError(f"{what} ist abgelehnt und wird nicht verwendet: Es gibt nichts zurückzuziehen.")
    if kind == "taken" and receipt.verdict != HELD:
        raise DecisionError(f"{what} wartet auf keine Entscheidung.")
    if kind == "brought_back" and not receipt.withdrawn_at:
        declared = " Sie steht im Vertrag unter „known_bad“; dort ist der Eintrag zu streichen."
        raise DecisionError(f"{what} ist nicht zurückgezogen.{declared if receipt.withdrawn_because else ''}")
    if kind == "brought_back":
        for other in receipts:
            if other.delivery != receipt.delivery and other.content == receipt.content and other.is_used:
                raise DecisionError(
                    f"Derselbe Inhalt gilt inzwischen als {other.file_name} (Lieferung {other.delivery}). Soll wieder "
                    f"{receipt.file_name} gelten, ist zuerst jene zurückzuziehen."
                )
