"""Periods in ISO 8601: a year, a quarter, a month or a day. Reads and writes nothing."""

from __future__ import annotations

import calendar
import re
from datetime import date


def last_day(period: str) -> date:
    """The last day of an ISO 8601 period: ages are counted on it. Raises `ValueError` where it is none."""
    match = re.fullmatch(r"(\d{4})(?:-(?:Q([1-4])|(\d{2})(?:-(\d{2}))?))?", period)
    if not match:
        raise ValueError(f"{period!r} is no ISO 8601 period (2024, 2024-06, 2024-Q2, 2024-06-30)")
    year, quarter, month, day = (int(part) if part else 0 for part in match.groups())
    last_month = month or quarter * 3 or 12
    return date(year, last_month, day or calendar.monthrange(year, last_month)[1])
