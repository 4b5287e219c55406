"""Intervals against published values and a library, on the very macros the models use.

Reads dbt/macros; renders them without dbt, for they are plain Jinja.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import duckdb
import jinja2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from dagster_project.declarations import Indicator, load
from dagster_project.settings import Project

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


@given(whole=st.integers(1, 500), excess=st.integers(1, 20))
@settings(max_examples=40, deadline=None)
def test_more_than_everybody_is_between_what_everybody_proves_and_itself(connection, bound, whole, excess) -> None:  # type: ignore[no-untyped-def]
    low = stats.binomtest(whole, whole).proportion_ci(0.95, method="wilson").low
    ours = interval(connection, bound, "wilson", whole + excess, whole, factor=100.0)
    assert ours == pytest.approx((100 * low, 100 * (whole + excess) / whole), abs=1e-9)


def test_nobody_in_the_denominator_has_no_interval(connection, bound) -> None:  # type: ignore[no-untyped-def]
    for method in ("byar", "ratio", "none"):
        assert interval(connection, bound, method, 0, 0) == (None, None)


# ---------------------------------------------------------------- when a value is unreliable


def shares_by_nchs(numerator: int, denominator: int) -> bool:
    """NCHS, Series 2, Number 175 (2017), written from the standard: whether a proportion or its complement fails it."""
    share = numerator / denominator
    interval = stats.binomtest(numerator, denominator).proportion_ci(0.95, method="wilson")
    width = interval.high - interval.low
    if denominator < 30 or share in (0, 1) or width >= 0.3:
        return True
    return width > 0.05 and (width / share > 1.3 or width / (1 - share) > 1.3)


def unreliable(
    connection: duckdb.DuckDBPyConnection,
    bound: jinja2.environment.TemplateModule,
    declared: Indicator,
    numerator: int,
    denominator: int,
) -> bool:
    limits = ", ".join(f"cast({x or 'null'} as double) as {name}" for name, x in declared.limits_of_reliability.items())
    method = declared.interval_method
    low, high = (bound.interval_bound("interval", "numerator", "denominator", "factor", sign) for sign in ("-", "+"))
    found = connection.execute(
        f"select {bound.is_unreliable('value', 'numerator', 'denominator', 'low', 'high', 'counted')} from ("
        f"select *, factor * numerator / denominator as value, {low} as low, {high} as high from ("
        f"select '{method}' as interval, cast({declared.factor} as double) as factor, {limits}, "
        f"cast({numerator} as double) as numerator, cast({denominator} as double) as denominator)) as counted"
    ).fetchone()
    assert found is not None
    return bool(found[0])


@cache
def indicators() -> dict[str, Indicator]:
    return load(Project(MACROS.parents[2]), "musterkreis").indicators


def declared(name: str) -> Indicator:
    return indicators()[name]


@given(numerator=st.integers(0, 400), rest=st.integers(0, 400))
@settings(max_examples=80, deadline=None)
def test_a_share_is_as_reliable_as_nchs_says_of_it_and_its_complement(connection, bound, numerator, rest) -> None:  # type: ignore[no-untyped-def]
    if numerator + rest == 0:
        return
    share = declared("share_obesity")
    expected = shares_by_nchs(numerator, numerator + rest)
    assert unreliable(connection, bound, share, numerator, numerator + rest) == expected


@pytest.mark.parametrize(
    ("indicator", "numerator", "denominator", "expected"),
    [
        ("share_language_abnormal", 97, 100, True),  # the complement, 3 of 100, is too wide
        ("share_language_abnormal", 0, 2000, True),  # nobody
        ("share_language_abnormal", 2000, 2000, True),  # everybody
        ("share_language_abnormal", 29, 58, False),
        ("care_rate_3_to_5", 180, 200, False),
        ("care_rate_3_to_5", 203, 200, True),  # more than everybody: the sources disagree
        ("child_welfare_rate", 9, 3000, True),  # fewer than ten events
        ("child_welfare_rate", 12, 3000, False),
        ("old_age_ratio_20_64", 500, 400, False),
    ],
)
def test_reliability_of_single_values(connection, bound, indicator, numerator, denominator, expected) -> None:  # type: ignore[no-untyped-def]
    assert unreliable(connection, bound, declared(indicator), numerator, denominator) == expected


def test_a_care_rate_is_as_certain_as_the_share_it_is() -> None:
    """Children in day care are children of their area: events in a population would be 3.5 times as uncertain."""
    methods = {name: item.interval_method for name, item in indicators().items()}
    assert {name for name, method in methods.items() if method == "byar"} == {"child_welfare_rate"}
    assert methods["care_rate_3_to_5"] == methods["care_rate_under_3"] == "wilson"
    assert methods["mean_age"] == methods["kita_places_rate"] == "none"
