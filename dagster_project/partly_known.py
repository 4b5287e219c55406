"""SQL that reads a date, also one of which only the year or the month and year are known.

Reads and writes nothing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date

from dagster_project.declarations import Column
from dagster_project.declarations.contracts import parts_of_date
from dagster_project.tables import identifier, literal

YEAR = "([12][0-9]{3})"
UNKNOWN = "(?:0?0|[xX?*]{1,2})"
ANY_DAY = "(?:[0-2]?[0-9]|3[01]|[xX?*]{1,2})"
MONTH = "(0?[1-9]|1[0-2])"
# where no sign parts them, each part has all its digits
WHOLE = {UNKNOWN: "(?:00|[xX?*]{2})", ANY_DAY: "(?:[0-2][0-9]|3[01]|[xX?*]{2})", MONTH: "(0[1-9]|1[0-2])"}
DIGITS = {"%d": 2, "%m": 2, "%Y": 4}


@dataclass(frozen=True)
class _Writing:
    """A way to write a date that is partly known: a regular expression, and which of its groups are year and month."""

    pattern: str
    year: int
    month: int | None


def known_date(column: Column) -> str:
    """SQL: the whole date in a cell, null where there is none; most cells have no space around them."""
    cell, text, written = identifier(column.name), f"trim({identifier(column.name)})", literal(column.format or "")
    found = f"cast(coalesce(try_strptime({cell}, {written}), try_strptime({text}, {written})) as date)"
    if column.type == "date":  # a year of two digits is no year; of ages the oldest tells
        found = f"case when {found} >= date '1000-01-01' then {found} end"
    parts = parts_of_date(column.format or "")
    if parts and all(part in DIGITS for part in parts):
        # without signs between them a digit that is lost moves the others
        return f"case when length({text}) = {sum(DIGITS[part] for part in parts)} then {found} end"
    return found


def completed_date(column: Column, day: date) -> str | None:
    """SQL: the day that a date counts as of which a part is unknown; None where the column declares none."""
    if column.partly_known is None:
        return None
    text, cases = f"trim({identifier(column.name)})", []
    for writing in _writings(column):
        year = f"regexp_extract({text}, {literal(writing.pattern)}, {writing.year})"
        begin, then = f"{year} || '-01-01'", f"{year} || {literal('-' + column.partly_known.day_of_year)}"
        if writing.month is not None:
            month = f"lpad(regexp_extract({text}, {literal(writing.pattern)}, {writing.month}), 2, '0')"
            begin, then = (f"{year} || '-' || {month} || '-{number:02d}'" for number in (1, column.partly_known.day))
        then = f"try_cast({then} as date)"
        if column.type != "date":  # somebody who may have been born by that day was
            then = (
                f"case when try_cast({begin} as date) <= date '{day}' then least({then}, date '{day}') else {then} end"
            )
        cases.append(f"when regexp_full_match({text}, {literal(writing.pattern)}) then {then}")
    return f"case {' '.join(cases)} end"


def is_partly_known(column: Column, text: str) -> str:
    """SQL: whether a text is a date of which a part is unknown, as the column's format would write it."""
    patterns = [writing.pattern for writing in _writings(column)]
    return " or ".join(f"regexp_full_match({text}, {literal(pattern)})" for pattern in patterns) or "false"


def _writings(column: Column) -> list[_Writing]:
    parts = parts_of_date(column.format or "")
    if parts is None:
        return []
    without_day = _without(parts, "%d")
    return [
        _Writing(YEAR, 1, None),
        _writing(parts, {"%d": ANY_DAY, "%m": UNKNOWN}),
        _writing(without_day, {"%m": UNKNOWN}),
        _writing(parts, {"%d": UNKNOWN, "%m": MONTH}),
        _writing(without_day, {"%m": MONTH}),
    ]


def _writing(parts: list[str], unknown: dict[str, str]) -> _Writing:
    has_signs = any(part not in DIGITS for part in parts)
    patterns = {"%Y": YEAR, **{part: pattern if has_signs else WHOLE[pattern] for part, pattern in unknown.items()}}
    groups = [part for part in parts if patterns.get(part) in (YEAR, MONTH, WHOLE[MONTH])]
    pattern = "".join(patterns.get(part) or re.escape(part) for part in parts)
    return _Writing(pattern, groups.index("%Y") + 1, groups.index("%m") + 1 if "%m" in groups else None)


def _without(parts: list[str], part: str) -> list[str]:
    """The parts without one and the sign that parted it from the others."""
    position = parts.index(part)
    rest = parts[:position] + parts[position + 1 :]
    sign = min(position, len(rest) - 1) if position == 0 else position - 1
    return rest[:sign] + rest[sign + 1 :] if not rest[sign].startswith("%") else rest
