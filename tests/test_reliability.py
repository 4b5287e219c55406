"""Intervals against published values and a library, on the very macros the models use.

Reads dbt/macros; renders them without dbt, for they are plain Jinja.
"""

from __future__ import annotations

from pathlib import Path

import duckdb
import jinja2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

MACROS = Path(__file__).parents[1] / "dbt" / "macros" / "dates_and_intervals.sql"

# expected by the tests of PHEindicatormethods (UK Health Security Agency): method, numerator, denominator, bounds
PUBLISHED = [
    ("wilson", 65, 100, 0.5525444, 0.7363575),
    ("wilson", 1045, 5000, 0.1979555, 0.2204913),
    ("byar", 65, 1, 50.163188, 82.849139),
    ("byar", 1045, 1, 982.593202, 1110.331213),
    ("byar", 1, 1, 0.013072, 5.563756),
]


@pytest.fixture(scope="module")
def bound() -> jinja2.environment.TemplateModule:
    environment = jinja2.Environment(autoescape=False)  # noqa: S701  (SQL, not HTML)
    return environment.from_string(MACROS.read_text(encoding="utf-8")).module


@pytest.fixture(scope="module")
def connection() -> duckdb.DuckDBPyConnection:
    return duckdb.connect()


def interval(
    connection: duckdb.DuckDBPyConnection,
    bound: jinja2.environment.TemplateModule,
    method: str,
    numerator: int,
    denominator: int,
    factor: float = 1.0,
) -> tuple[float, float]:
    low, high = (
        bound.interval_bound(f"'{method}'", "numerator", "denominator", str(factor), sign) for sign in ("-", "+")
    )
    counts = f"select cast({numerator} as double) as numerator, cast({denominator} as double) as denominator"
    found = connection.execute(f"select {low}, {high} from ({counts})").fetchone()
    assert found is not None
    return found


@pytest.mark.parametrize(("method", "numerator", "denominator", "low", "high"), PUBLISHED)
def test_published_intervals(connection, bound, method, numerator, denominator, low, high) -> None:  # type: ignore[no-untyped-def]
    assert interval(connection, bound, method, numerator, denominator) == pytest.approx((low, high), abs=1e-6)


@given(numerator=st.integers(0, 5000), rest=st.integers(0, 5000))
@settings(max_examples=60, deadline=None)
def test_a_share_has_the_interval_of_scipy(connection, bound, numerator, rest) -> None:  # type: ignore[no-untyped-def]
    if numerator + rest == 0:
        return
    expected = stats.binomtest(numerator, numerator + rest).proportion_ci(0.95, method="wilson")
    ours = interval(connection, bound, "wilson", numerator, numerator + rest)
    assert ours == pytest.approx((expected.low, expected.high), abs=1e-9)


@given(numerator=st.integers(10, 5000))
@settings(max_examples=60, deadline=None)
def test_a_rate_has_nearly_the_exact_interval_of_a_poisson_count(connection, bound, numerator) -> None:  # type: ignore[no-untyped-def]
    """Byar's approximation is within two per mille of the exact limits from ten events on."""
    exact = stats.chi2.ppf(0.025, 2 * numerator) / 2, stats.chi2.ppf(0.975, 2 * numerator + 2) / 2
    assert interval(connection, bound, "byar", numerator, 1) == pytest.approx(exact, rel=2e-3)


@given(part=st.integers(0, 5000), other=st.integers(1, 5000))
@settings(max_examples=60, deadline=None)
def test_the_interval_of_a_ratio_is_that_of_the_share_as_odds(connection, bound, part, other) -> None:  # type: ignore[no-untyped-def]
    share = stats.binomtest(part, part + other).proportion_ci(0.95, method="wilson")
    low, high = interval(connection, bound, "ratio", part, other, factor=100.0)
    assert low == pytest.approx(100 * share.low / (1 - share.low), rel=1e-9, abs=1e-9)
    assert high == pytest.approx(100 * share.high / (1 - share.high), rel=1e-9)
    assert low <= 100 * part / other <= high


def test_nobody_in_the_denominator_has_no_interval(connection, bound) -> None:  # type: ignore[no-untyped-def]
    for method in ("byar", "ratio", "none"):
        assert interval(connection, bound, method, 0, 0) == (None, None)
