"""Crosswalks: who lies where, what is shared, which weights follow, and how far a figure may be off.

Oracles: geopandas' spatial join and overlay, and truths drawn at random. Reads Berlin's open data where it is at hand;
writes into pytest's temporary folders.
"""

from __future__ import annotations

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from dagster_project.geography import error, overlay, support, weights
from dagster_project.geography.weights import Masses

NOTHING = pd.DataFrame({"source": [], "target": []}, dtype="int64")


def mosaic(rng: np.random.Generator, areas: int) -> np.ndarray:
    """Areas without gaps: a Voronoi diagram cut to a square of 1,000 m."""
    seeds = shapely.MultiPoint(rng.uniform(0, 1000, (areas, 2)))
    cells = shapely.get_parts(shapely.voronoi_polygons(seeds, extend_to=shapely.box(0, 0, 1000, 1000)))
    return shapely.intersection(cells, shapely.box(0, 0, 1000, 1000))


# ---------------------------------------------------------------- labels


@pytest.mark.parametrize("areas", [1, 2, 30])
def test_every_point_lies_where_a_spatial_join_says(areas: int) -> None:
    rng = np.random.default_rng(areas)
    outlines = mosaic(rng, areas)
    x, y = rng.uniform(-100, 1100, (2, 20_000))
    found = support.label(x, y, outlines)
    points = gpd.GeoDataFrame(geometry=gpd.points_from_xy(x, y))
    joined = gpd.sjoin(points, gpd.GeoDataFrame(geometry=outlines), how="left", predicate="intersects")
    expected = joined["index_right"].groupby(level=0).min().fillna(support.OUTSIDE).to_numpy()
    assert (found.area == expected).all()
    assert ((found.how == support.NOWHERE) == (expected == support.OUTSIDE)).all()


def test_doubtful_points_are_counted_and_go_to_the_first_area() -> None:
    outlines = np.array([shapely.box(0, 0, 10, 10), shapely.box(10, 0, 20, 10), shapely.box(15, 0, 25, 10)])
    #                inside, on the border, in the overlap, on the outer border, just outside, far away
    x, y = np.array([5.0, 10.0, 17.0, 0.0, -3.0, 90.0]), np.full(6, 5.0)
    found = support.label(x, y, outlines, within_metres=5)
    assert found.area.tolist() == [0, 0, 1, 0, 0, support.OUTSIDE]
    assert found.how.tolist() == [
        support.INSIDE, support.ON_BORDER, support.IN_OVERLAP, support.INSIDE, support.MOVED_INSIDE, support.NOWHERE,
    ]  # fmt: skip


def test_points_in_chunks_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(3)
    outlines = mosaic(rng, 12)
    x, y = rng.uniform(0, 1000, (2, 5000))
    whole = support.label(x, y, outlines)
    monkeypatch.setattr(support, "POINTS_AT_ONCE", 700)
    parts = support.label(x, y, outlines)
    assert (whole.area == parts.area).all()
    assert (whole.how == parts.how).all()


# ---------------------------------------------------------------- overlay


def test_pieces_are_those_of_an_overlay() -> None:
    rng = np.random.default_rng(5)
    one, other = mosaic(rng, 15), mosaic(rng, 20)
    pieces = overlay.overlay(one, other)
    expected = gpd.overlay(
        gpd.GeoDataFrame({"source": range(len(one))}, geometry=one),
        gpd.GeoDataFrame({"target": range(len(other))}, geometry=other),
    )
    ours = pd.Series(pieces.square_metres, index=pd.MultiIndex.from_arrays([pieces.source, pieces.target]))
    theirs = expected.assign(m2=expected.area).groupby(["source", "target"])["m2"].sum()
    assert ours.reindex(theirs.index).to_numpy() == pytest.approx(theirs.to_numpy(), abs=1e-6)
    assert pieces.square_metres.sum() == pytest.approx(1_000_000)


def test_two_drawings_of_one_border_are_slivers() -> None:
    one = np.array([shapely.box(0, 0, 100, 100), shapely.box(100, 0, 200, 100)])
    other = np.array([shapely.box(0, 0, 100.4, 100), shapely.box(100.4, 0, 200, 100)])
    pieces = overlay.overlay(one, other)
    assert list(zip(pieces.source, pieces.target, pieces.is_sliver, strict=True)) == [
        (0, 0, False), (1, 0, True), (1, 1, False),
    ]  # fmt: skip


# ---------------------------------------------------------------- weights


@st.composite
def points(draw: st.DrawFn) -> pd.DataFrame:
    """Up to 60 points with a source (or none), a target (or none) and two masses."""
    size = draw(st.integers(1, 60))

    def column(values: st.SearchStrategy) -> list:
        return draw(st.lists(values, min_size=size, max_size=size))

    return pd.DataFrame(
        {
            "source": column(st.integers(-1, 6)),
            "target": column(st.integers(-1, 5)),
            "first": column(st.sampled_from([0.0, 0.0, 1.0, 3.5, 1000.0])),
            "second": column(st.floats(0, 100)),
        }
    )


def masses(frame: pd.DataFrame, name: str) -> Masses:
    return Masses.of(name, frame["source"].to_numpy(), frame["target"].to_numpy(), frame[name].to_numpy())


@given(points())
@settings(max_examples=150, deadline=None)
def test_weights_keep_all_mass_and_lie_between_0_and_1(frame: pd.DataFrame) -> None:
    found = weights.choose([masses(frame, "first"), masses(frame, "second")], NOTHING)
    assert not found.duplicated(["source", "target"]).any()
    assert found["weight"].between(0, 1).all()
    sums = found.groupby("source")["weight"].sum()
    assert (sums - 1).abs().max() <= 1e-9 if len(sums) else True
    inside = frame[(frame["source"] >= 0) & (frame["target"] >= 0)]
    placed = set(inside.loc[inside[["first", "second"]].max(axis=1) > 0, "source"])
    assert set(found["source"]) == placed
    assert found.equals(weights.choose([masses(frame, "first"), masses(frame, "second")], NOTHING))


@given(points())
@settings(max_examples=100, deadline=None)
def test_a_source_goes_one_rung_down_only_where_it_has_no_mass(frame: pd.DataFrame) -> None:
    found = weights.choose([masses(frame, "first"), masses(frame, "second")], NOTHING)
    inside = frame[(frame["source"] >= 0) & (frame["target"] >= 0)]
    on_first = set(inside.loc[inside["first"] > 0, "source"])
    assert set(found.loc[found["basis"] == "first", "source"]) == on_first
    assert not set(found.loc[found["basis"] == "second", "source"]) & on_first


@given(points(), st.lists(st.integers(0, 2), min_size=6, max_size=6))
@settings(max_examples=100, deadline=None)
def test_levels_nest(frame: pd.DataFrame, above: list[int]) -> None:
    """Onto the areas and then up is the same as onto the level above at once."""
    lift = np.array(above)
    ladder = [masses(frame, "first"), masses(frame, "second")]
    up_later = weights.coarser(weights.choose(ladder, NOTHING), lift).set_index(["source", "target"])["weight"]
    at_once = weights.choose([rung.lifted(lift) for rung in ladder], NOTHING).set_index(["source", "target"])["weight"]
    assert up_later.index.equals(at_once.index)
    assert up_later.to_numpy() == pytest.approx(at_once.to_numpy(), abs=1e-9)


@given(points())
@settings(max_examples=100, deadline=None)
def test_the_way_onto_itself_changes_nothing(frame: pd.DataFrame) -> None:
    same = Masses.of("first", frame["source"].to_numpy(), frame["source"].to_numpy(), frame["first"].to_numpy())
    found = weights.choose([same], NOTHING)
    assert (found["source"] == found["target"]).all()
    assert (found["weight"] == 1).all()
    assert found["is_whole"].all()
    assert weights.round_trip_error([same]) == pytest.approx(0, abs=1e-12)


@given(points(), st.floats(0, 1))
@settings(max_examples=100, deadline=None)
def test_a_constant_rate_stays_constant(frame: pd.DataFrame, rate: float) -> None:
    found = weights.choose([masses(frame, "first"), masses(frame, "second")], NOTHING)
    whole = pd.Series(np.arange(10.0, 80.0, 10.0))
    carried = found.assign(
        whole=found["weight"] * found["source"].map(whole), part=found["weight"] * found["source"].map(whole * rate)
    )
    sums = carried.groupby("target")[["whole", "part"]].sum()
    assert (sums["part"] - rate * sums["whole"]).abs().max() <= 1e-9 if len(sums) else True


def test_ground_without_mass_bounds_what_can_be_true() -> None:
    """A park of the source lies in another target: nobody was counted there, but the source is not wholly elsewhere."""
    touching = pd.DataFrame({"source": [0, 0, 1], "target": [0, 1, 1]})
    found = weights.choose([Masses.of("first", [0, 1], [0, 1], [5.0, 2.0])], touching)
    assert found[["source", "target", "weight", "is_whole"]].to_numpy().tolist() == [
        [0, 0, 1.0, False], [0, 1, 0.0, False], [1, 1, 1.0, True],
    ]  # fmt: skip


def test_coverage_tells_which_share_of_a_target_has_no_source() -> None:
    rung = Masses.of("first", [0, 1, -1, -1], [0, 0, 0, 1], [2.0, 1.0, 1.0, 5.0])
    shares, covered = weights.coverage([rung], 3)
    assert shares["share"].tolist() == [0.5, 0.25]
    assert covered.iloc[:2].tolist() == [0.75, 0.0]
    assert np.isnan(covered.iloc[2])


# ---------------------------------------------------------------- error


def test_the_error_model_covers_a_truth_it_was_not_fitted_on() -> None:
    """Blocks with shares of their own; ρ fitted on one measure, intervals of another against its truth."""
    rng = np.random.default_rng(11)
    blocks, sources, targets = 4000, 150, 120
    source, target = np.sort(rng.integers(0, sources, blocks)), rng.integers(0, targets, blocks)
    people = rng.integers(10, 200, blocks).astype(float)
    basis = Masses.of("people", source, target, people)

    def measure(level: float) -> Masses:
        share = np.clip(rng.beta(level * 12, (1 - level) * 12, blocks), 0, 1)
        return Masses.of("truth", source, target, rng.binomial(people.astype(int), share).astype(float))

    rho = error.overdispersion(error.moments(basis, [measure(0.2)], is_universe=True))
    assert 0 < rho < 0.05
    other = measure(0.1)
    found = weights.choose([basis], NOTHING).merge(other.pairs, on=["source", "target"], how="left").fillna({"mass": 0})
    x = found["source"].map(other.pairs.groupby("source")["mass"].sum())
    m, w = found["source_mass"], found["weight"]
    found["estimate"], found["variance"] = x * w, x * (1 - x / m) * w * (1 - w) * (1 + (m - 1) * rho)
    sums = found.groupby("target")[["estimate", "mass", "variance"]].sum()
    within = (sums["estimate"] - sums["mass"]).abs() <= 1.96 * np.sqrt(sums["variance"])
    assert within.mean() == pytest.approx(0.95, abs=0.06)


def test_counting_everybody_leaves_no_error() -> None:
    basis = Masses.of("people", [0, 0, 1], [0, 1, 1], [10.0, 30.0, 5.0])
    (row,) = error.moments(basis, [basis], is_universe=True).to_dict("records")
    assert (row["numerator"], row["denominator"]) == (0, 0)
    assert np.isnan(error.overdispersion(pd.DataFrame([row])))
