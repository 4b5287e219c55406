"""Deliveries: the file that arrives, what it is about, and its receipt.

Reads  receipts/<source>/*.json of a region's data folder.
Writes nothing.

A delivery is about a municipality, a period, an edition and level, and about figures: value columns with their
dimensions. One that holds all figures of another about the same replaces it; one that shares none stands beside it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Any

from dagster_project import packages
from dagster_project.declarations import Contract, FileLayout
from dagster_project.declarations.contracts import in_words
from dagster_project.periods import last_day
from dagster_project.settings import RegionData
from dagster_project.tables import composed, read_json

About = tuple[str, ...]
# a delivery of these verdicts is not used
REJECTED, HELD, WITHDRAWN = "rejected", "held", "withdrawn"
UNUSED = (REJECTED, HELD, WITHDRAWN)


@dataclass(frozen=True)
class Arrival:
    """A file in the inbox that a contract's layout claims."""

    path: Path
    municipality: str
    layout: FileLayout
    period: str
    reference_date: date
    figures: tuple[str, ...] = ()

    @property
    def place(self) -> About:
        return (self.municipality, self.period, self.edition, self.level)

    @property
    def about(self) -> About:
        """What the file is about; a later file about the same supersedes it."""
        return (*self.place, *self.figures)

    @property
    def edition(self) -> str:
        """Edition of the areas in the file; empty for records, which are placed on no edition's areas."""
        return self.layout.edition or ""

    @property
    def level(self) -> str:
        return self.layout.level or ""


@dataclass(frozen=True)
class Receipt:
    """What became of a delivery; `reasons` are German sentences for its sender, `rules` its faults by rule,
    `corrections` what was mended without asking, by column.

    `rules` is filled in where the receipt is written out for the sender. `packed_at`: when its package was made,
    `content_sha256` the hash of the file in it. `figures`: see `Contract.figures_of`; empty for records and where a
    receipt does not know. `verdict` is that of landing; `withdrawn_because` overrides it (see `decisions`).
    """

    delivery: str
    source: str
    municipality: str
    period: str
    reference_date: str
    geography: str
    edition: str
    level: str
    version: int
    supersedes: str | None
    file_name: str
    sha256: str
    landed_at: str
    fingerprint: str
    packed_at: str = ""
    content_sha256: str = ""
    dimensions: str = ""
    figures: list[str] = field(default_factory=list)
    missing_areas_at_most: float = 0.0
    verdict: str = REJECTED
    withdrawn_at: str = ""
    withdrawn_because: str = ""
    taken_because: str = ""
    rows_read: int = 0
    rows_accepted: int = 0
    rows_quarantined: int = 0
    rows_skipped: int = 0
    rows_unallocated: int = 0
    file_rules: list[str] = field(default_factory=list)
    corrections: list[dict[str, Any]] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)
    rules: list[dict[str, Any]] = field(default_factory=list)

    @property
    def place(self) -> About:
        return (self.municipality, self.period, self.edition, self.level)

    @property
    def about(self) -> About:
        return (*self.place, *self.figures)

    @property
    def content(self) -> str:
        """Hash of the delivered file, packed or not."""
        return self.content_sha256 or self.sha256

    @property
    def is_used(self) -> bool:
        """Whether landing took its rows and nobody withdrew it."""
        return self.verdict not in UNUSED and not self.withdrawn_because

    @property
    def subject(self) -> str:
        """What it is about, in German words, for a sentence that names two deliveries."""
        level = f", Ebene {self.level}" if self.level else ""
        return f"den Zeitraum {self.period}{level}{f' ({self.dimensions})' if self.dimensions else ''}"


# ---------------------------------------------------------------- what a file is about


def share_figures(one: Sequence[str], other: Sequence[str]) -> bool:
    """Whether two deliveries about the same place and period cannot both be used; who names none holds all."""
    return not one or not other or not set(one).isdisjoint(other)


def lost_figures(earlier: Sequence[str], later: Sequence[str]) -> list[str]:
    """The figures that would be gone if the later delivery replaced the earlier."""
    return sorted(set(earlier) - set(later)) if earlier and later else []


def same_subject(one: Receipt | Arrival, other: Receipt | Arrival) -> bool:
    """Whether one of two deliveries takes the other's place."""
    return one.place == other.place and share_figures(one.figures, other.figures)


def claimed(path: Path, municipality: str, contract: Contract) -> Arrival | None:
    """The file as the contract's layout of that name reads it; None where there is none or its name tells no period."""
    for layout in contract.files:
        match = re.fullmatch(layout.name, composed(packages.inner_name(path)))
        if match:
            period = layout.period.format(**match.groupdict())
            try:
                day = reference_date(contract, period)
            except ValueError:  # a month 13 in a file name: nobody's delivery, and said so by `unclaimed`
                return None
            return Arrival(path, municipality, layout, period, day, tuple(contract.figures_of(layout)))
    return None


def reference_date(contract: Contract, period: str) -> date:
    """The day a period's numbers are compared on: its last day, unless the contract declares another.

    Raises `ValueError` where the period is not ISO 8601 (year, year-month, year-Qn or date).
    """
    last = last_day(period)
    if contract.reference_date is None:
        return last
    return date.fromisoformat(f"{last.year + contract.reference_date.years}-{contract.reference_date.day}")


# ---------------------------------------------------------------- receipts


def load_receipts(data: RegionData, source: str) -> dict[str, Receipt]:
    """All receipts of a source by delivery id."""
    found = [Receipt(**read_json(path)) for path in sorted((data.receipts / source).glob("*.json"))]
    return {receipt.delivery: receipt for receipt in found}


def as_contracted(receipts: dict[str, Receipt], contract: Contract) -> dict[str, Receipt]:
    """The receipts with the figures that the contract gives their file names today, and what they supersede by them.

    Receipts of earlier versions name no figures, and a contract may learn to tell apart what it once threw together.
    """
    found = {}
    for receipt in receipts.values():
        arrival = claimed(Path(receipt.file_name), receipt.municipality, contract)
        if arrival is not None and arrival.place == receipt.place:
            figures, words = list(arrival.figures), " ".join(in_words(arrival.layout.dimensions))
            receipt = replace(receipt, figures=figures, dimensions=words)
        found[receipt.delivery] = receipt
    return {name: _superseding(receipt, found) for name, receipt in found.items()}


def _superseding(receipt: Receipt, receipts: Mapping[str, Receipt]) -> Receipt:
    before = receipts.get(receipt.supersedes or "")
    if before is None or same_subject(before, receipt):
        return receipt
    earlier = [item for item in predecessors(receipt, receipts.values()) if item.version < receipt.version]
    latest = max(earlier, key=lambda item: item.version, default=None)
    return replace(receipt, supersedes=latest.delivery if latest else None)


def by_place(receipts: Iterable[Receipt]) -> dict[About, list[Receipt]]:
    found: dict[About, list[Receipt]] = {}
    for receipt in receipts:
        found.setdefault(receipt.place, []).append(receipt)
    return found


def predecessors(one: Receipt | Arrival, receipts: Iterable[Receipt]) -> list[Receipt]:
    """All deliveries whose place a delivery takes, or that take its place; itself is not among them."""
    own = one.delivery if isinstance(one, Receipt) else None
    return [receipt for receipt in receipts if receipt.delivery != own and same_subject(receipt, one)]
