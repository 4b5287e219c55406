"""Times of the crosswalk beside tobler and geopandas in one run, and how often its intervals hold the truth.

Reads nothing; with Berlin's open data (first argument, or beside the checkout) also its planning areas.
Writes into temporary folders. Prints ratios: below 1 we are faster.
"""

from __future__ import annotations

import resource
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import duckdb
import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from dagster_project.geography import error, overlay, support, weights
from dagster_project.geography.weights import Masses

BERLIN = Path(__file__).resolve().parents[3] / "shared" / "data" / "berlin"
CRS = "EPSG:25833"
CITY = 30_000  # metres by side
ROUNDS = 3


def best(work: Callable[[], object], rounds: int = ROUNDS) -> float:
    """Seconds of the fastest of a few rounds."""
    times = []
    for _ in range(rounds):
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    return min(times)


def mosaic(rng: np.random.Generator, areas: int, vertices: int = 60) -> np.ndarray:
    """Areas without gaps whose borders wind like real ones: blocks of a fine mosaic, put together."""
    fine = shapely.get_parts(
        shapely.voronoi_polygons(
            shapely.MultiPoint(rng.uniform(0, CITY, (areas * vertices, 2))), extend_to=shapely.box(0, 0, CITY, CITY)
        )
    )
    fine = shapely.intersection(fine, shapely.box(0, 0, CITY, CITY))
    centres = shapely.centroid(fine)
    seeds = shapely.points(rng.uniform(0, CITY, (areas, 2)))
    nearest = shapely.STRtree(seeds).nearest(centres)
    return np.array([shapely.union_all(fine[nearest == area]) for area in np.unique(nearest)])


def layers(folder: Path, rng: np.random.Generator) -> tuple[str, np.ndarray, np.ndarray]:
    """Two editions of a city's areas: Berlin's where they are at hand, else made up."""
    older = folder / "geo" / "lor_pre2021_PLR" / "lor_planungsraeume.shp"
    newer = folder / "geo" / "lor_post2021_PLR" / "lor_planungsraeume_2021.shp"
    if older.is_file() and newer.is_file():
        one, other = (gpd.read_file(path).to_crs(CRS).geometry.to_numpy() for path in (older, newer))
        return "Berlin 448 × 542", one, other
    return "made up 448 × 542", mosaic(rng, 448), mosaic(rng, 542)


def bench_overlay(name: str, one: np.ndarray, other: np.ndarray) -> None:
    from tobler.area_weighted import area_interpolate

    source = gpd.GeoDataFrame({"people": np.arange(len(one)) + 1.0}, geometry=one, crs=CRS)
    target = gpd.GeoDataFrame(geometry=other, crs=CRS)

    def fresh() -> tuple[np.ndarray, np.ndarray]:
        return shapely.from_wkb(shapely.to_wkb(one)), shapely.from_wkb(shapely.to_wkb(other))

    inputs = [fresh() for _ in range(ROUNDS)]
    ours = best(lambda: overlay.overlay(*inputs.pop()))
    theirs = best(lambda: area_interpolate(source, target, extensive_variables=["people"]))
    pieces = overlay.overlay(one, other)
    table = pd.DataFrame({"source": pieces.source, "target": pieces.target, "mass": pieces.square_metres})
    stored = weights.choose([Masses("area", table[~pieces.is_sliver])], table)
    with duckdb.connect() as connection:
        connection.register("frame", stored[["source", "target", "weight"]])
        connection.register("counted", pd.DataFrame({"source": range(len(one)), "value": np.arange(len(one)) + 1.0}))
        connection.execute("create table weight as from frame")
        connection.execute("create table delivered as from counted")
        query = "select target, sum(weight * value) from weight inner join delivered using (source) group by target"
        applied = best(lambda: connection.execute(query).fetchall(), rounds=20)
        total = sum(row[1] for row in connection.execute(query).fetchall())
    print(f"overlay, {name}: {ours:.3f} s, tobler {theirs:.3f} s, ratio {ours / theirs:.2f} (wanted at most 1.00)")
    print(f"apply stored weights: {applied * 1000:.2f} ms, {theirs / applied:.0f} times faster (wanted at least 100)")
    print(f"total kept within {abs(total - source['people'].sum()):.1e} people")


def bench_labels(name: str, outlines: np.ndarray, rng: np.random.Generator) -> None:
    west, south, east, north = shapely.total_bounds(outlines)
    x, y = rng.uniform(west, east, 1_000_000), rng.uniform(south, north, 1_000_000)
    points = gpd.GeoDataFrame(geometry=gpd.points_from_xy(x, y), crs=CRS)
    areas = gpd.GeoDataFrame(geometry=outlines, crs=CRS)
    ours = best(lambda: support.label(x, y, outlines))
    theirs = best(lambda: gpd.sjoin(points, areas, how="left", predicate="intersects"), rounds=1)
    print(
        f"1,000,000 points in {name}: {ours:.2f} s, geopandas {theirs:.2f} s, ratio {ours / theirs:.2f} "
        "(wanted at most 0.50)"
    )
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    x, y = rng.uniform(west, east, 20_000_000), rng.uniform(south, north, 20_000_000)
    given = 2 * x.nbytes / 2**20
    started = time.perf_counter()
    support.label(x, y, outlines)
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    print(
        f"20,000,000 points: {time.perf_counter() - started:.1f} s, {grown:.0f} MiB more, of them {given:.0f} MiB the "
        "points themselves and 95 MiB the answer"
    )


def bench_coverage(rng: np.random.Generator) -> None:
    """Blocks with people of several kinds; the error is fitted on one kind and judged on the truth of the others."""
    blocks, sources, targets = 6000, 220, 80
    place = rng.uniform(0, 1, (blocks, 2))
    source = np.argmin(((place[:, None] - rng.uniform(0, 1, (sources, 2))) ** 2).sum(axis=2), axis=1)
    target = np.argmin(((place[:, None] - rng.uniform(0, 1, (targets, 2))) ** 2).sum(axis=2), axis=1)
    people = rng.gamma(2, 60, blocks).astype(int) + 1
    basis = Masses.of("people", source, target, people.astype(float))
    field = np.sin(place @ rng.normal(0, 6, (2, 5))).sum(axis=1) / 3

    def kind(level: float, unevenness: float) -> Masses:
        share = 1 / (
            1 + np.exp(-(np.log(level / (1 - level)) + unevenness * field + rng.normal(0, unevenness, blocks)))
        )
        return Masses.of(f"{level}", source, target, rng.binomial(people, share).astype(float))

    fitted = error.overdispersion(error.moments(basis, [kind(0.15, 0.35), kind(0.3, 0.35)], is_universe=True))
    whole = weights.choose([basis], error.NO_PAIRS)
    print(f"intervals of 95 % by the fitted correlation {fitted:.4f}; share that holds the truth, median error:")
    for level in (0.02, 0.05, 0.1, 0.2, 0.4):
        truth = kind(level, 0.35)
        pieces = whole.merge(truth.pairs, on=weights.PAIR, how="left").fillna({"mass": 0.0})
        x = pieces["source"].map(truth.pairs.groupby("source")["mass"].sum()).fillna(0.0)
        m, w = pieces["source_mass"], pieces["weight"]
        pieces["value"] = x * w
        pieces["variance"] = x * (1 - x / m).clip(lower=0.1) * w * (1 - w) * (1 + (m - 1) * fitted)
        pieces["lower"], pieces["upper"] = x.where(pieces["is_whole"], 0.0), x
        sums = pieces.groupby("target")[["value", "variance", "mass", "lower", "upper"]].sum()
        off = (sums["value"] - sums["mass"]).abs()
        held = (off <= 1.96 * np.sqrt(sums["variance"])).mean()
        proven = ((sums["lower"] <= sums["mass"]) & (sums["mass"] <= sums["upper"])).mean()
        median = (off / sums["mass"].clip(lower=1)).median()
        shown = f"{100 * held:5.1f} %, {100 * median:4.1f} %; proof bounds hold in {100 * proven:.0f} %"
        print(f"  {100 * level:4.0f} % of the people: {shown}")


def main() -> None:
    warnings.filterwarnings("ignore")
    rng = np.random.default_rng(20)
    name, one, other = layers(Path(sys.argv[1]) if len(sys.argv) > 1 else BERLIN, rng)
    bench_overlay(name, one, other)
    bench_labels(f"{len(other)} areas", other, rng)
    bench_coverage(rng)


if __name__ == "__main__":
    main()
