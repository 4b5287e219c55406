"""German text: numbers, days, periods, file names, and the words for the marts' codes.

Reads ``words.yml`` (group → code → words); writes nothing.
"""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from decimal import ROUND_HALF_UP, Decimal
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml
from babel import Locale
from babel.dates import format_date, format_datetime
from babel.numbers import NumberPattern, parse_pattern

from dagster_project import strict_yaml
from dagster_project.periods import last_day
from dagster_project.reports.errors import PageError, first_line

LOCALE = Locale("de")
NO_BREAK_SPACE = "\u00a0"
MINUS = "\u2212"  # as wide as the plus, which a hyphen is not
SHOWN_STATUSES = ("published", "estimated", "unreliable")
HIDDEN_STATUSES = ("suppressed", "missing", "not_applicable")
WORD_GROUPS = (
    "status", "reason", "kind", "direction", "verdict", "severity", "gate", "cadence", "yes_no", "outcome", "tone",
    "trend", "delivery_state", "conversion_class", "comparator", "news",
)  # fmt: skip
KEY_LABELS = "key"
_MONTHS = "Januar|Februar|März|April|Mai|Juni|Juli|August|September|Oktober|November|Dezember"
_TOGETHER = re.compile(rf"(?<=[§×]) (?=\d)|(?<=SGB) (?=[IVX])|(?<=\d) (?=%)|(?<=\d\.) (?=(?:{_MONTHS}|Kapitel)\b)")


@lru_cache(maxsize=65536)
def format_number(value: float | Decimal, decimals: int | None = None) -> str:
    """A number as German text, rounded half up; without ``decimals`` at most three places are shown."""
    exact = Decimal(repr(value)) if isinstance(value, float) else Decimal(value)
    if not exact.is_finite():
        raise PageError(f"{value} is not a finite number")
    places = 3 if decimals is None else decimals
    rounded = exact.quantize(Decimal(1).scaleb(-places), rounding=ROUND_HALF_UP)
    shown = abs(rounded) if rounded.is_zero() else rounded
    written = str(_number_pattern(places, decimals is None).apply(shown, LOCALE, decimal_quantization=False))
    return written.replace("-", MINUS)


@lru_cache
def _number_pattern(places: int, optional: bool) -> NumberPattern:
    return parse_pattern("#,##0." + ("#" if optional else "0") * places if places else "#,##0")


@lru_cache(maxsize=4096)
def format_day(value: date) -> str:
    """A day as 31.12.2018, a moment as 31.12.2018, 14:05 Uhr."""
    if isinstance(value, datetime):
        return format_datetime(value, "dd.MM.yyyy, HH:mm 'Uhr'", locale=LOCALE)
    return format_date(value, "dd.MM.yyyy", locale=LOCALE)


@lru_cache(maxsize=4096)
def format_period(period: str, reference_date: date | None = None) -> str:
    """An ISO 8601 period in German: 2018-12-31 → 31.12.2018, 2024-Q4 → 4. Quartal 2024, a/b → a bis b.

    With a reference date that the period does not already say: 2013 (Stichtag 31.12.2012).
    """
    text = _period_text(period)
    note = reference_note(period, reference_date)
    return f"{text} ({note})" if note else text


def reference_note(period: str, reference_date: date | None) -> str:
    """The day the numbers speak of, or nothing where the period is that day or ends on it.

    Where the period is another day, the cases are of the period and what they are related to is of the reference date.
    """
    if reference_date is None or reference_date == _end(period):
        return ""
    if len(period) == len("2024-12-31"):
        return f"bezogen auf den {format_day(reference_date)}"
    return f"Stichtag {format_day(reference_date)}"


def _end(period: str) -> date | None:
    try:
        return last_day(period)
    except ValueError:  # a span of two periods has no day of its own
        return None


def _period_text(period: str) -> str:
    if "/" in period:
        return " bis ".join(_period_text(part) for part in period.split("/"))
    if quarter := re.fullmatch(r"(\d{4})-Q([1-4])", period):
        return f"{quarter[2]}. Quartal {quarter[1]}"
    if half := re.fullmatch(r"(\d{4})-H([12])", period):
        return f"{half[2]}. Halbjahr {half[1]}"
    if re.fullmatch(r"\d{4}-\d{2}", period):
        return format_date(date.fromisoformat(f"{period}-01"), "MMMM yyyy", locale=LOCALE)
    if re.fullmatch(r"\d{4}-\d{2}-\d{2}", period):
        return format_day(date.fromisoformat(period))
    return period


def as_text(value: Any) -> str:
    """How a bare value reads: booleans, numbers and days in German, anything else as it is."""
    if isinstance(value, bool):
        return "ja" if value else "nein"
    if isinstance(value, (float, Decimal)):
        return format_number(value)
    if isinstance(value, date):
        return format_day(value)
    return str(value)


def keep_together(text: str) -> str:
    """Prose whose lines break nowhere between a sign or number and what belongs to it: § 28, × 100, 5 %, 1. März."""
    return _TOGETHER.sub(NO_BREAK_SPACE, text)


def listing(names: Sequence[str]) -> str:
    """Names as a German enumeration: a, b und c; or with semicolons where a name has a comma in it."""
    if any("," in name for name in names):
        return "; ".join(names)
    return " und ".join(part for part in (", ".join(names[:-1]), *names[-1:]) if part)


def safe_file_name(value: str) -> str:
    """A file name (without ending) for a parameter's value: it can never leave its folder or hide itself.

    A value that had to be changed gets a piece of its hash, so two values never share a name.
    """
    name = ascii_name(value)
    if name and name == value:
        return name
    return "-".join(part for part in (name, hashlib.sha256(value.encode()).hexdigest()[:8]) if part)


def ascii_name(value: str) -> str:
    """Up to 80 letters, digits, _ and - that read like the value; empty where it has none."""
    spelled = value.replace("ß", "ss").replace("ä", "ae").replace("ö", "oe").replace("ü", "ue")
    folded = unicodedata.normalize("NFKD", spelled)
    return re.sub(r"[^A-Za-z0-9_]+", "-", folded.encode("ascii", "ignore").decode()).strip("-")[:80]


class Words:
    """The German words for the marts' codes, by group; a code without words stops the page."""

    def __init__(self, groups: Mapping[str, Mapping[str, str]]) -> None:
        self._groups = groups

    def word(self, group: str, code: Any) -> str:
        """The words for a code; raises PageError for a group or a code that has none."""
        words = self._groups.get(group)
        if words is None or group == KEY_LABELS:
            raise PageError(f'unknown group of words "{group}"; there are: {", ".join(WORD_GROUPS)}')
        key = str(code).lower() if isinstance(code, bool) else str(code)
        if key not in words:
            raise PageError(f'words.yml has no words for {group} "{key}"; there are: {", ".join(words)}')
        return words[key]

    def keys(self, keys: str | None, names: Iterable[Any] = (), shown: int = 10) -> str:
        """A JSON list of row keys as text; long lists are cut and say how many are left.

        ``names`` are rows of kind (as indicator), code and name; keys that differ in their period alone are one.
        """
        known = {(row["kind"], row["code"]): str(row["name"]) for row in names}
        periods: dict[str, list[str]] = {}
        for key in json.loads(keys or "[]"):
            period = str(key["period"]) if isinstance(key, dict) and len(key) > 1 and "period" in key else ""
            rest_of_key = {name: key[name] for name in key if name != "period"} if period else key
            periods.setdefault(self._key(rest_of_key, known), []).append(_period_text(period) if period else "")
        items = [text + (f": {', '.join(found)}" if any(found) else "") for text, found in periods.items()]
        rest = len(items) - shown
        return ";\n".join(items[:shown]) + (f" … und {format_number(rest)} weitere" if rest > 0 else "")

    def _key(self, key: Any, names: Mapping[tuple[str, str], str]) -> str:
        if isinstance(key, dict):
            labels = self._groups[KEY_LABELS]
            said = {name: names.get((name, str(key[name]))) or _period_text(str(key[name])) for name in key}
            return ", ".join(f"{labels.get(name, name)} {text}" for name, text in said.items())
        return ", ".join(map(str, key)) if isinstance(key, list) else str(key)


def read_words(path: Path) -> Words:
    """Read words.yml: exactly the groups of WORD_GROUPS and the labels of keys; else PageError."""
    try:
        groups = strict_yaml.load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise PageError("the file is missing", page=path.name) from None
    except yaml.YAMLError as error:
        raise PageError(f"not readable as YAML: {first_line(error)}", page=path.name) from None
    expected = (*WORD_GROUPS, KEY_LABELS)
    if not isinstance(groups, dict) or set(groups) != set(expected):
        raise PageError(f"the groups must be exactly: {', '.join(expected)}", page=path.name)
    for group, entries in groups.items():
        if not isinstance(entries, dict) or not all(isinstance(text, str) for text in entries.values()):
            raise PageError(f'group "{group}" must map codes to texts', page=path.name)
    missing = [status for status in (*SHOWN_STATUSES, *HIDDEN_STATUSES) if status not in groups["status"]]
    if missing:
        raise PageError(f"no words for status {', '.join(missing)}", page=path.name)
    return Words({group: {str(code): text for code, text in entries.items()} for group, entries in groups.items()})
