"""One value of an indicator as people read it: number, unit, class, status and reason together.

Reads rows of a query, writes nothing. Columns beside the value: ``status``; optional ``reason``, ``class``,
``decimals``, ``unit_label``, ``ci_low``, ``ci_high``.
"""

from __future__ import annotations

from dataclasses import dataclass

from dagster_project.reports.errors import PageError
from dagster_project.reports.queries import Row
from dagster_project.reports.wording import HIDDEN_STATUSES, NO_BREAK_SPACE, Words, format_number

NOTHING = "–"
# what stands beside a number, or in its place, where there is no room for words
SIGNS = {"suppressed": "×", "missing": "–", "not_applicable": "·", "estimated": "°", "unreliable": "*"}


@dataclass(frozen=True)
class Measure:
    """``text`` is the number with its unit, or the words in its place; ``note`` what the number's status adds."""

    value: float | None
    status: str
    group: str | None
    text: str
    note: str

    @property
    def full(self) -> str:
        """Text and note in one line, for tooltips."""
        return f"{self.text} ({self.note})" if self.note else self.text

    @property
    def meaning(self) -> str:
        """Status and reason in words; empty for a published value."""
        return self.text if self.value is None else self.note


def read_measure(
    row: Row, column: str, words: Words, *, unit: bool = True, prefix: str = "", absent: str = NOTHING
) -> Measure:
    """Read value and status together; a value that contradicts its status is a PageError, never shown.

    ``prefix`` stands before the names of the status, reason and class columns; ``absent`` is said where there is
    neither value nor status, as after a left join.
    """
    value, status = row[column], row[f"{prefix}status"]
    if status is None and value is None:
        return Measure(None, "missing", None, absent, "")
    said = words.word("status", status)
    if (value is None) != (status in HIDDEN_STATUSES):
        raise PageError(f'status "{status}" contradicts the value: {"none" if value is None else "there is one"}')
    reason = row.get(f"{prefix}reason")
    meaning = f"{said}: {words.word('reason', reason)}" if reason else said
    if value is None:
        return Measure(None, status, None, meaning, "")
    text = format_number(value, row.get(f"{prefix}decimals", row.get("decimals")))
    group = row.get(f"{prefix}class")
    if group:
        text = f"{group} ({text})"
    elif unit and (label := row.get(f"{prefix}unit_label", row.get("unit_label"))):
        text += NO_BREAK_SPACE + label
    return Measure(float(value), status, group, text, "" if status == "published" else meaning)


def interval_text(row: Row, decimals: int | None, prefix: str = "") -> str:
    """The uncertainty of a value, from … to."""
    low, high = row[f"{prefix}ci_low"], row[f"{prefix}ci_high"]
    if low is None or high is None:
        return NOTHING
    places = row.get("decimals") if decimals is None else decimals
    return f"{format_number(low, places)} bis {format_number(high, places)}"
