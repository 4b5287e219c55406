"""What landing has to say about a file: why it cannot be taken, what was mended in it, how its rows were counted.

Reads and writes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Breach:
    """A breach of the contract by the file as a whole."""

    rule: str
    reason: str
    column: str | None = None


class Unreadable(Exception):
    """A file that cannot be taken row by row; the reasons are German."""

    def __init__(self, *breaches: Breach) -> None:
        self.breaches = breaches
        super().__init__("; ".join(breach.reason for breach in breaches))


@dataclass(frozen=True)
class Correction:
    """What was mended or completed in a column without asking, and in how many rows."""

    column: str
    rule: str
    rows: int


@dataclass(frozen=True)
class Counts:
    """How many rows of a file were read, broke the contract, were skipped as no data, or lie in no area that is
    known; and what was corrected in them."""

    read: int = 0
    quarantined: int = 0
    skipped: int = 0
    unallocated: int = 0
    corrections: tuple[Correction, ...] = ()
