"""What is called proven, on the very models that say so: against exact tests, and where the truth is known.

Reads dbt/; fills small databases in memory. The figures of the documentation are those of tests/soak/verdicts.py.
"""

from __future__ import annotations

import duckdb
import numpy as np
import pandas as pd
import pytest
from mart_sql import macros
from scipy import stats
from soak.verdicts import (
    FIRST_YEAR,
    Habits,
    comparisons_without_difference,
    judged,
    power_in_its_own_whole,
    trends,
    wilson,
    years_of_the_same_people,
)

CORRELATIONS = (0.0, 0.2, 0.4, 0.6, 0.7, 0.8, 0.9)


def evaluated(expression: str, **columns: float) -> float | None:
    given = ", ".join(f"cast({value} as double) as {name}" for name, value in columns.items())
    found = duckdb.execute(f"select {expression} from (select {given})").fetchone()
    assert found is not None
    return found[0]  # type: ignore[no-any-return]


@pytest.mark.parametrize("score", [0.0, 0.3, 1.0, 1.96, 3.0, 5.0, 8.0])
def test_the_probability_of_a_score_is_that_of_scipy(score: float) -> None:
    found = evaluated(macros().two_sided_probability("score"), score=-score)
    assert found == pytest.approx(2 * stats.norm.sf(score), rel=1e-6)


def test_the_score_of_a_part_has_nearly_the_exact_tail() -> None:
    """Of Fisher's test, from small expectations to large ones, down to one in a million."""
    rng = np.random.default_rng(2)
    base = np.exp(rng.uniform(np.log(30), np.log(2000), 300)).astype(int)
    whole = (base / rng.uniform(0.01, 0.6, 300)).astype(int)
    whole_part = np.maximum(rng.binomial(whole, np.exp(rng.uniform(np.log(0.01), np.log(0.5), 300))), 5)
    exact = stats.hypergeom(whole, whole_part, base)
    part = exact.isf(10 ** rng.uniform(-6, -1.5, 300))
    given = pd.DataFrame({"part": part, "base": base, "whole_part": whole_part, "whole": whole}).astype(float)
    score = duckdb.sql(
        f"select {macros().score_of_part('part', 'base', 'whole_part', 'whole')} from given"
    ).fetchnumpy()
    ratios = stats.norm.sf(next(iter(score.values()))) / exact.sf(part - 1)
    assert len(given) == len(ratios)
    assert np.quantile(ratios, [0.02, 0.5, 0.98]) == pytest.approx([0.75, 0.97, 1.25], abs=0.15)


def test_the_score_of_events_has_nearly_the_exact_tail() -> None:
    for events, share, part in ((40, 0.1, 10), (400, 0.02, 20), (90, 0.4, 55)):
        score = evaluated(
            macros().score_of_events("part", "base", "events", "whole"),
            part=part, base=1000 * share, events=events, whole=1000,
        )  # fmt: skip
        assert stats.norm.sf(score) == pytest.approx(stats.binom(events, share).sf(part - 1), rel=0.2)


@pytest.mark.parametrize(("part", "base"), [(0, 0), (40, 100), (50, 40), (41, 60)])
def test_there_is_no_score_without_a_rest_or_where_numbers_contradict_each_other(part: int, base: int) -> None:
    """Nobody lives there; it is the whole; more than everybody; more than the whole has."""
    found = evaluated(
        macros().score_of_part("part", "base", "whole_part", "whole"), part=part, base=base, whole_part=40, whole=100
    )
    assert found in (None, 0)


def test_few_differences_are_proven_where_there_is_none() -> None:
    found = comparisons_without_difference(np.random.default_rng(4), 28)
    assert found["tests"] > 4000
    assert found["false_by_interval"] > 120  # what was called proven before
    assert found["false"] < 15
    assert found["families_with_false"] <= 0.1


def test_a_large_part_of_a_whole_is_found_more_often_than_beside_it() -> None:
    """Beside a whole that is more than a third itself, its own difference is watered down."""
    found = power_in_its_own_whole(np.random.default_rng(5), 0.37, 100)
    assert found["by_rest"] > found["by_interval"] + 0.08


@pytest.mark.parametrize("years", [6, 10])
@pytest.mark.parametrize("habits", [Habits(0.8, 0.8), Habits(0.97, 0.0), Habits(0.97, 0.8)])
def test_hardly_a_direction_is_given_where_nothing_moves(habits: Habits, years: int) -> None:
    found = trends(np.random.default_rng(6), years, habits, 3)
    assert found["false_by_kendall"] > 0.05  # what was called proven before
    assert found["false"] < 0.02


def test_directions_are_found_where_areas_move() -> None:
    found = trends(np.random.default_rng(7), 10, Habits(0.9, 0.5), 3, trend=0.1)
    assert found["found"] > 0.8
    assert found["false_of_directions"] < 0.05


def test_a_trend_is_its_slope_by_its_largest_variance() -> None:
    """The whole of mart_trend, written anew with numpy."""
    counts, people = years_of_the_same_people(np.random.default_rng(8), 7, Habits(0.9, 0.8), trend=0.03)
    areas, years = counts.shape
    names = np.repeat([f"a{number:03}" for number in range(areas)], years)
    values = pd.DataFrame(
        {
            "level": "area", "area": names, "year": np.tile(FIRST_YEAR + np.arange(years), areas), "indicator": "i",
            "numerator": counts.ravel(), "denominator": people.ravel(),
        }
    )  # fmt: skip
    known = values[["level", "area"]].drop_duplicates().assign(above="t0")
    ours = judged("mart_trend", values, known).sort_values("area")["direction"]

    lever = np.arange(years) - (years - 1) / 2
    low, high = wilson(counts, people)
    errors = lever * (high - low) / (2 * stats.norm.ppf(0.975))
    lags = np.abs(np.subtract.outer(np.arange(years), np.arange(years)))
    variance = np.max([np.einsum("ai,ij,aj->a", errors, rho**lags, errors) for rho in CORRELATIONS], axis=0)
    contrast = (counts / people) @ lever
    common = np.sum(contrast / variance) / np.sum(1 / variance)
    scatter = np.median((contrast - common) ** 2 / variance) / stats.chi2.ppf(0.5, 1)
    score = contrast / np.sqrt(variance * np.clip(scatter, 1, 2.5))
    proven = stats.false_discovery_control(2 * stats.norm.sf(np.abs(score))) <= 0.05
    expected = np.where(proven, np.where(score > 0, "rising", "falling"), "steady")
    assert set(expected) >= {"rising", "steady"}
    assert (ours.to_numpy() == expected).all()
