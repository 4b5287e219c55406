"""The attacker itself: beside brute force, and on small tables in which a leak of each kind was planted.

Reads and writes nothing.
"""

from __future__ import annotations

import ast
import itertools
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from attacker import audience, editions, guessing
from attacker.integers import Contradiction, Interval, System
from attacker.judge import Finding
from attacker.knowledge import Area, Count
from attacker.released import Span
from attacker.small_world import DAYS, GEMEINDEN, LEAVES, World
from hypothesis import given, settings
from hypothesis import strategies as st

A1, A2, A_OHNE, B1, _, B_OHNE = LEAVES
LAST = Span(DAYS[-1], 1)


def test_the_attacker_uses_no_code_of_the_project() -> None:
    """What protection and audit get wrong must not be wrong here for the same reason."""
    files = sorted((Path(__file__).parent / "attacker").glob("*.py"))
    names = {
        name
        for path in files
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        for name in (
            [node.module or ""] if isinstance(node, ast.ImportFrom)
            else [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        )
    }  # fmt: skip
    assert len(files) > 5
    assert not {name for name in names if name.startswith("dagster_project")}


# ---------------------------------------------------------------- beside brute force


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6))
def test_ends_are_those_of_all_tables_that_fit(seed: int) -> None:
    random = np.random.default_rng(seed)
    size, most = 4, 4
    truth = random.integers(0, most + 1, size)
    system = System()
    tables = np.array(list(itertools.product(range(most + 1), repeat=size)))
    for place in range(size):
        system.bound(place, 0, most)
    for _ in range(random.integers(1, 5)):
        factors = random.integers(-2, 3, size)
        slack = int(random.integers(0, 2))
        system.row({p: float(f) for p, f in enumerate(factors) if f}, truth @ factors - slack, truth @ factors + slack)
        sums = tables @ factors
        tables = tables[(sums >= truth @ factors - slack) & (sums <= truth @ factors + slack)]
    solved = system.solved()
    for place in range(size):
        column = tables[:, place]
        assert solved.interval({place: 1.0}) == Interval(column.min(), column.max())
    pair = tables[:, 0] + tables[:, 1]
    low, high = solved.interval({0: 1.0, 1: 1.0})
    assert (low, high) == (pair.min(), pair.max())


def test_what_fits_no_table_is_a_contradiction() -> None:
    system = System()
    system.bound("a", 0, 1)
    system.bound("b", 0, 1)
    system.row({"a": 2.0, "b": 2.0}, 3, 3)
    with pytest.raises(Contradiction):
        system.solved().interval({"a": 1.0})


FEW = 2  # children of the whole municipality in all years, so that every table can be written down


@settings(max_examples=12, deadline=None)
@given(st.integers(0, 10**6))
def test_single_years_behind_printed_sums_are_bounded_as_brute_force_bounds_them(seed: int) -> None:
    """Two areas and what no address places, four years, a part and its whole: every table, one by one."""
    random = np.random.default_rng(seed)
    world = World(("obesity",))
    for measure in ("examined", "examined_obesity"):
        world.fill(measure, lambda: 0)
    for day in random.permutation(DAYS)[:FEW]:
        leaf = LEAVES[random.integers(0, 3)]
        world.counts[leaf, day, "examined"] = 1
        world.counts[leaf, day, "examined_obesity"] = int(random.integers(0, 2))
    hidden = [row for row in world.rows() if row[0] in (A1, A2) and random.random() < 0.5]
    known = audience.informed(world.declared, [world.release(hidden)], [{}])
    solved = known.system.solved()
    for area in (A1, A2, A_OHNE):
        expected = brute_force(world, hidden, area)
        for measure in ("examined", "examined_obesity"):
            for day in DAYS:
                found = solved.interval({Count(area, Span(day, 1), measure): 1.0})
                assert found == expected[measure, day], (area, measure, day, hidden)


def brute_force(world: World, hidden: list[tuple[Area, Span, str]], area: Area) -> dict[tuple[str, str], Interval]:
    """The least and the most of each count of an area, over all tables of its municipality that fit."""
    pairs = [(whole, part) for whole in range(FEW + 1) for part in range(whole + 1)]
    years = np.array(list(itertools.product(pairs, repeat=len(DAYS))))  # table, year, measure
    sums = np.stack(
        [years[:, start : start + 3].sum(axis=1) for start in range(len(DAYS) - 2)], axis=1
    )  # table, window, measure
    wanted = {leaf: np.full((len(DAYS) - 2, 2), -1) for leaf in LEAVES[:3]}
    spans = [Span(day, 3) for day in DAYS[2:]]
    for leaf, window in itertools.product((A1, A2), range(len(spans))):
        if (leaf, spans[window], "obesity") not in hidden:
            wanted[leaf][window] = window_sums(world, leaf, spans[window])
    total = np.array([window_sums(world, GEMEINDEN[0], span) for span in spans])
    room = (sums <= total).all(axis=(1, 2))
    years, sums = years[room], sums[room]
    fits = {leaf: ((told < 0) | (sums == told)).all(axis=(1, 2)) for leaf, told in wanted.items()}
    first, second = (
        {tuple(s) for s in sums[fits[leaf]].reshape(-1, 2 * len(spans)).tolist()} for leaf in wanted if leaf != area
    )
    others = {tuple(np.add(one, other).tolist()) for one in first for other in second}
    left = (total - sums[fits[area]]).reshape(-1, 2 * len(spans)).tolist()
    mine = years[fits[area]][[tuple(rest) in others for rest in left]]
    return {
        (measure, day): Interval(mine[:, year, place].min(), mine[:, year, place].max())
        for year, day in enumerate(DAYS)
        for place, measure in enumerate(("examined", "examined_obesity"))
    }


def window_sums(world: World, area: Area, span: Span) -> list[int]:
    return [world.value(area, span, measure) for measure in ("examined", "examined_obesity")]


# ---------------------------------------------------------------- planted leaks: one release


def looked_at(world: World, hidden: list[tuple[Area, Span, str]], of: str | None = None, **how: bool) -> list[Finding]:
    return audience.proved(world.declared, [world.release(hidden, **how)], [world.truth], of)


def proved(found: list[Finding]) -> dict[tuple[str, str, str, str], str]:
    """What is proved of kind, area, day and measure."""
    return {
        (f.target.kind, f.target.area[1], f.target.span.day[:4], f.target.measure): f.verdict
        for f in found
        if f.verdict
    }


PLAIN = {"population": 100, "examined": 40, "examined_booklet": 40, "households": 60}


def plain_world(*indicators: str) -> World:
    """Nobody is alone in it: every count is ten, or more of a whole."""
    world = World(indicators)
    for measure in {m for i in world.declared.indicators.values() for m in i.measures}:
        world.fill(measure, lambda measure=measure: PLAIN.get(measure, 10))
    return world


def test_a_world_without_small_counts_has_nothing_to_find() -> None:
    assert looked_at(plain_world("obesity", "foreign", "population"), []) == []


def test_overlapping_years_are_taken_apart() -> None:
    """Six of 54, four of 47, none of 53: what Wohnplatz 02007 printed of Adipositas."""
    world = plain_world("obesity")
    world.set(A1, "examined_obesity", 2, 4, 0, 0, 0)
    found = proved(looked_at(world, []))
    assert found["year of a pooled value", "A1", "2020", "examined_obesity"] == "exact"


def test_a_sum_of_years_that_fell_proves_who_left_it() -> None:
    world = plain_world("obesity")
    world.set(A1, "examined_obesity", 2, 3, 3, 1)
    found = proved(looked_at(world, []))
    assert found == {("year of a pooled value", "A1", "2021", "examined_obesity"): "above zero"}


def test_what_stands_between_nested_ages_is_found() -> None:
    world = plain_world("under_18", "under_20")
    world.set(A1, "population_under_18", 20, 20, 20, 20)
    world.fill("population_under_20", lambda: 30)
    world.set(A1, "population_under_20", 30, 30, 30, 21)
    found = proved(looked_at(world, []))
    assert found["between ages", "A1", "2024", "aged 18 to 20"] == "exact"


def test_who_is_not_of_the_part_is_found() -> None:
    world = plain_world("foreign")
    world.set(A1, "population_foreign", 99)
    found = proved(looked_at(world, []))
    assert found == {("remainder", "A1", "2024", "population without population_foreign"): "exact"}


def test_pairs_of_measures_are_found() -> None:
    """Each share hides nobody; who lives alone and is not old follows from both."""
    world = plain_world("single", "single_old")
    world.counts |= {key: 20 for key in world.counts if key[2] == "households_size_1"}
    world.set(A1, "households_size_1", 12)
    found = proved(looked_at(world, []))
    assert found == {("remainder", "A1", "2024", "households_size_1 without households_single_65_plus"): "exact"}


def test_an_area_hidden_alone_is_found_beside_a_remainder_that_is_counted() -> None:
    world = plain_world("population", "foreign")
    world.set(A1, "population_foreign", 2)
    world.set(A_OHNE, "population_foreign", 0)
    world.set(A_OHNE, "population", 0)
    found = proved(looked_at(world, [(A1, LAST, "foreign")]))
    assert found["count", "A1", "2024", "population_foreign"] == "exact"


def test_what_no_address_places_is_found_as_what_is_left_of_a_municipality() -> None:
    world = plain_world("foreign")
    world.set(A_OHNE, "population_foreign", 1)
    found = proved(looked_at(world, []))
    assert found["count", "A-ohne", "2024", "population_foreign"] == "exact"


def test_a_municipality_reads_its_neighbour_off_the_county() -> None:
    """Hidden in both, so that the public knows nothing; each knows its own."""
    world = plain_world("population", "foreign")
    for area in (A_OHNE, B_OHNE):
        world.set(area, "population_foreign", 0)
        world.set(area, "population", 0)
    world.set(A1, "population_foreign", 2)
    world.set(B1, "population_foreign", 12)
    hidden = [(area, LAST, "foreign") for area in (A1, GEMEINDEN[0], B1, GEMEINDEN[1])]
    assert proved(looked_at(world, hidden)) == {}
    assert proved(looked_at(world, hidden, of="B"))["count", "A1", "2024", "population_foreign"] == "exact"
    assert proved(looked_at(world, hidden, of="A")) == {}


def test_an_interval_without_its_counts_tells_them() -> None:
    world = plain_world("population", "foreign")
    world.set(A1, "population_foreign", 1)
    found = proved(looked_at(world, [], counts_are_told=False))
    assert found["count", "A1", "2024", "population_foreign"] == "exact"


def test_a_small_count_is_proved_small_by_what_is_left() -> None:
    """Its parent leaves room for two people; nobody can say where they are."""
    world = plain_world("foreign")
    world.set(A1, "population_foreign", 1)
    world.set(A_OHNE, "population_foreign", 1)
    found = proved(looked_at(world, [(A1, LAST, "foreign")]))
    assert found["count", "A1", "2024", "population_foreign"] == "small"
    assert found["count", "A-ohne", "2024", "population_foreign"] == "small"


def test_all_that_is_hidden_well_is_kept() -> None:
    world = plain_world("population", "foreign")
    world.set(A1, "population_foreign", 1)
    assert proved(looked_at(world, [(A1, LAST, "foreign"), (A2, LAST, "foreign")])) == {}


# ---------------------------------------------------------------- planted leaks: sequences of releases


def after_correction(world: World, area: Area, measure: str, value: int) -> World:
    later = World(world.indicators, dict(world.counts))
    later.set(area, measure, value)
    return later


def proved_by_both(
    first: World, hidden: list[tuple[Area, Span, str]], second: World, hidden_then: list[tuple[Area, Span, str]]
) -> dict[tuple[str, str, str, str], str]:
    releases = [first.release(hidden), second.release(hidden_then)]
    return proved(audience.proved(first.declared, releases, [first.truth, second.truth]))


def test_what_one_release_hid_another_shows() -> None:
    """Also what a release puts back that stood for a while withdrawn: whoever read both knows both."""
    world = plain_world("population", "foreign")
    world.set(A_OHNE, "population", 0)
    world.set(A_OHNE, "population_foreign", 0)
    world.set(A1, "population_foreign", 2)
    pair = [[(area, LAST, "foreign") for area in areas] for areas in ((A1, A2), (A1, *GEMEINDEN))]
    assert all(proved(looked_at(world, hidden)) == {} for hidden in pair)
    found = proved_by_both(world, pair[0], world, pair[1])
    assert found == {("count", "A1", "2024", "population_foreign"): "exact"}
    assert proved_by_both(world, pair[0], world, []) == {("count", "A1", "2024", "population_foreign"): "exact"}


def test_a_correction_that_shows_a_count_tells_what_it_was() -> None:
    """Two are hidden beside each other. One grows, which its own residents show; its neighbour did not change."""
    first = plain_world("population", "foreign")
    first.set(A_OHNE, "population", 0)
    first.set(A_OHNE, "population_foreign", 0)
    first.set(A1, "population_foreign", 2)
    second = after_correction(first, A1, "population", 130)
    second.set(A1, "population_foreign", 32)
    hidden = [(A1, LAST, "foreign"), (A2, LAST, "foreign")]
    assert proved(looked_at(first, hidden)) == {}
    assert proved(looked_at(second, [])) == {}
    found = proved_by_both(first, hidden, second, [])
    assert found == {("count", "A1", "2024", "population_foreign"): "exact"}


def test_a_correction_all_over_tells_nothing_of_before() -> None:
    first = plain_world("population", "foreign")
    first.set(A1, "population_foreign", 2)
    second = World(first.indicators, {key: value + 5 for key, value in first.counts.items()})
    hidden = [(A1, LAST, "foreign"), (A2, LAST, "foreign")]
    assert proved_by_both(first, hidden, second, []) == {}


def test_another_year_takes_an_old_sum_apart() -> None:
    """Up to 2023 nothing follows; the sum up to 2024 is that of 2023 without 2021, and with nobody of 2024."""
    world = plain_world("obesity")
    world.set(A1, "examined_obesity", 0, 2, 3, 3, 0)
    earlier = World(world.indicators, {key: value for key, value in world.counts.items() if key[1] < LAST.day})
    assert proved(looked_at(earlier, [])) == {}
    found = proved_by_both(earlier, [], world, [])
    assert found["year of a pooled value", "A1", "2021", "examined_obesity"] == "above zero"


# ---------------------------------------------------------------- planted leaks: two editions


def recut(world: World, moved: int) -> tuple[World, list[tuple[Area, ...]], dict[tuple[Area, str, str], int]]:
    """The same people after a strip of A2 became part of A1; the strips, and their truth."""
    other = World(world.indicators, dict(world.counts))
    pairs = [(A1, A1), (A2, A1), *((leaf, leaf) for leaf in LEAVES[1:])]
    truth = {
        (editions.strip((leaf, leaf)), day, measure): value for (leaf, day, measure), value in world.counts.items()
    }
    for day, measure in {(day, measure) for _, day, measure in world.counts}:
        strip = moved if day == LAST.day else 10
        other.counts[A1, day, measure] += strip
        other.counts[A2, day, measure] -= strip
        truth[editions.strip((A2, A2)), day, measure] -= strip
        truth[editions.strip((A2, A1)), day, measure] = strip
    return other, pairs, truth


@pytest.mark.parametrize(("moved", "found"), [(2, "exact"), (9, None)])
@pytest.mark.parametrize("newest_first", [False, True])
def test_what_lies_between_two_editions_is_found_by_subtraction(
    moved: int, found: str | None, newest_first: bool
) -> None:
    world = plain_world("population", "foreign")
    world.counts |= {key: 300 if key[2] == "population" else 40 for key in world.counts}
    other, pairs, truth = recut(world, moved)
    releases = [world.release(), replace(other.release(), edition="2015")]
    if newest_first:
        releases, pairs = releases[::-1], [pair[::-1] for pair in pairs]
        truth = {((area[0], " and ".join(area[1].split(" and ")[::-1])), d, m): v for (area, d, m), v in truth.items()}
    got = proved(audience.proved_by_editions(world.declared, releases, pairs, truth))
    strip = editions.strip(pairs[1])[1]
    assert got.get(("count", strip, "2024", "population_foreign")) == found


def test_a_hidden_area_of_one_edition_follows_by_addition_from_the_other() -> None:
    """79 + 483 - 518 = 44 with the complete check-ups of 2, as 00404 was found: two areas became one."""
    world = plain_world("complete")
    world.set(A1, "examined_booklet", 44)
    world.set(A1, "examined_checks_complete", 42)
    hidden = [(A1, LAST, "complete"), (A2, LAST, "complete")]
    other = World(world.indicators, dict(world.counts))
    pairs = [(A1, A2), *((leaf, leaf) for leaf in LEAVES[1:])]
    for day, measure in itertools.product(DAYS, ("examined_booklet", "examined_checks_complete")):
        other.counts[A2, day, measure] += other.counts[A1, day, measure]
        other.counts[A1, day, measure] = 0
    strip_of = {pair[0]: editions.strip(pair) for pair in pairs}
    truth = {(strip_of[leaf], *key): value for (leaf, *key), value in world.counts.items()}
    assert proved(looked_at(world, hidden)) == {}
    releases = [world.release([hidden[0]]), replace(other.release(), edition="2015")]
    got = proved(audience.proved_by_editions(world.declared, releases, pairs, truth))
    assert got["remainder", strip_of[A1][1], "2024", "examined_booklet without examined_checks_complete"] == "exact"


def test_strips_are_cut_from_the_outlines() -> None:
    def square(left: float, right: float) -> str:
        return f"POLYGON (({left} 0, {right} 0, {right} 1000, {left} 1000, {left} 0))"

    shapes = {"2022": (1000.0, 2000.0), "2015": (1200.0, 2000.5)}
    rows = []
    for edition, (first, second) in shapes.items():
        ends = [0.0, first, second, 3000.0, 4000.0]
        places = [leaf for leaf in LEAVES if not leaf[1].endswith("ohne")]
        rows += [(edition, *area, square(*two)) for area, two in zip(places, itertools.pairwise(ends), strict=True)]
    outlines = pd.DataFrame(rows, columns=["edition", "level", "area", "geometry"])
    world = plain_world("foreign")
    pairs = editions.drawn(outlines, [world.release(), replace(world.release(), edition="2015")])
    assert set(pairs) == {(leaf, leaf) for leaf in LEAVES} | {(A2, A1)}


# ---------------------------------------------------------------- planted leaks: texts, and guesses


def test_a_text_that_says_hidden_is_never_nought_is_believed() -> None:
    """Three people in two hidden areas; whoever believes that neither has none knows that one has one."""
    world = plain_world("population", "foreign")
    world.set(A_OHNE, "population", 0)
    world.set(A_OHNE, "population_foreign", 0)
    world.set(A1, "population_foreign", 2)
    world.set(A2, "population_foreign", 1)
    hidden = [(A1, LAST, "foreign"), (A2, LAST, "foreign")]
    assert proved(looked_at(world, hidden)) == {}
    known = audience.informed(world.declared, [world.release(hidden)], [{}], fewest_hidden=1)
    assert known.system.solved().interval({Count(A1, LAST, "population_foreign"): 1.0}) == Interval(1, 2)


def test_what_a_reader_gains_who_guesses_is_counted_by_situation() -> None:
    world = plain_world("foreign")
    world.set(A1, "population_foreign", 2)
    world.set(B1, "population_foreign", 0)
    hidden = [(area, LAST, "foreign") for area in (A1, A2, B1)]
    shares = guessing.shares(guessing.hidden_numerators(world.declared, world.release(hidden), world.truth))
    assert shares.loc["one of two below a shown one"].tolist() == [0, 1, 1]
    assert shares.loc["alone below a shown one"].tolist() == [1, 0, 0]
