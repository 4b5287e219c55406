"""What a release tells beside its cube: comparisons and trends of hidden values, and hashes that confirm a guess.

Comparisons and trends are formed of values that are shown; one that is not says something of a hidden one. A hash of a
delivery lets anybody try what it may have held. Reads a release's folder, writes nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

import duckdb

KEYS = "geography, edition, level, area"
TOLERANCE = 1e-6


def comparisons_of_hidden_values(folder: Path) -> list[tuple[str, ...]]:
    """Rows that compare a value nobody is shown, or compare with one: a difference, a whole's own value."""
    return _rows(
        folder,
        f"""
        select area, period, indicator, comparator, comparator_area from comparison
        left join value using ({KEYS}, period, indicator)
        where (value.value is null and (difference is not null or significance is not null))
            or (
                basis = 'own' and comparator_value is not null and not exists (
                    select 1 from value as own
                    where own.area = comparator_area and own.period = comparison.period
                        and own.indicator = comparison.indicator and abs(own.value - comparator_value) < {TOLERANCE}
                )
            )
        """,
    )


def trends_over_hidden_values(folder: Path) -> list[tuple[str, ...]]:
    """Trends that count more values than are shown, or whose change is not that of the first and the last one shown."""
    return _rows(
        folder,
        f"""
        with shown as (
            select {KEYS}, indicator, trend.periods, trend.change, count(value.value) as values_shown,
                arg_max(value.value, value.period) - arg_min(value.value, value.period) as shown_change
            from trend
            left join value using ({KEYS}, indicator)
            where value.value is not null and value.period between trend.period_from and trend.period_to
                and value.status != 'unreliable'
            group by all
        )
        select area, indicator from trend
        left join shown using ({KEYS}, indicator)
        where shown.periods is null or trend.periods > values_shown or abs(trend.change - shown_change) > {TOLERANCE}
        """,
    )


def hashes_of(deliveries: Iterable[Path], folder: Path) -> list[str]:
    """Deliveries whose plain hash stands in a file of the release, where a guess can be held against it."""
    plain = {hashlib.sha256(path.read_bytes()).hexdigest(): path.name for path in deliveries}
    texts = [path.read_bytes() for path in sorted(folder.rglob("*")) if path.suffix in {".json", ".csv", ".html"}]
    return sorted(name for digest, name in plain.items() if any(digest.encode() in text for text in texts))


def withdrawals_announced(folder: Path) -> list[tuple[str, ...]]:
    """News that say how many values were withdrawn: of few, which."""
    return _rows(folder, "select indicator, period from news where withdrawn > 0")


def _rows(folder: Path, query: str) -> list[tuple[str, ...]]:
    with duckdb.connect() as connection:
        marts = {"comparison": "comparison", "trend": "trend", "value": "indicator_value", "news": "news"}
        for name, mart in marts.items():
            path = folder / "parquet" / f"mart_{mart}.parquet"
            if path.is_file():
                connection.execute(f"create view {name} as from '{path}'")
        return sorted(tuple(str(cell) for cell in row) for row in connection.execute(query).fetchall())
