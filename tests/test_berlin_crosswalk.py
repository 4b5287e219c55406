"""Berlin's older planning areas onto those of 2021, and polling districts and school catchments onto both and back.

Oracle: the population published for the areas of 2021, half a year later, which no weight has seen. Skipped without
Berlin's open data.
"""

from __future__ import annotations

from pathlib import Path

import duckdb
import geopandas as gpd
import numpy as np
import pandas as pd
import pytest

from dagster_project import declarations, geography
from dagster_project.geography import overlay, support, weights
from dagster_project.geography.weights import Masses
from dagster_project.settings import Project, RegionData
from dagster_project.tables import write_frame

ROOT = Path(__file__).resolve().parents[1]
pytestmark = pytest.mark.slow


def population(folder: Path, half_year: str) -> pd.Series:
    path = folder / "population" / f"berlin-lor-population-{half_year}-t1-planning-areas.csv"
    return pd.read_csv(path, dtype={"id": str}).set_index("id")["inhabitants"].astype(float)


@pytest.fixture(scope="module")
def onto_2021(
    berlin: RegionData, berlin_data: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, pd.DataFrame]:
    """Weights from the older areas onto those of 2021 by ladder: as declared, and by plain area."""
    declared = declarations.load(Project(ROOT), "berlin")
    folder = tmp_path_factory.mktemp("crosswalk")
    need = {"geography": ["lor"], "edition": ["2006"], "level": ["planungsraum"], "universe": ["residents"]}
    write_frame(pd.DataFrame({**need, "reference_date": ["2020-12-31"]}), folder / "need.parquet")
    mass = {"basis": "varchar", "reference_date": "date", "area": "varchar", "mass": "double"}
    write_frame(pd.DataFrame(columns=list(mass)), folder / "mass.parquet", mass)
    found = {}
    plans = (("declared", declared.region.support.ladder), ("area", []), ("area again", []))
    for name, ladder in plans:
        of_2021 = declared.region.model_copy(
            update={
                "reporting_edition": "2021",
                "support": declared.region.support.model_copy(update={"ladder": ladder}),
            }
        )
        geography.build_crosswalk(of_2021, declared.geography, [berlin_data], berlin.geography, folder, folder / name)
        found[name] = duckdb.sql(f"from '{folder}/{name}/weight.parquet'").df()
    once, again = ((folder / name / "weight.parquet").read_bytes() for name in ("area", "area again"))
    assert once == again
    return found


def misplaced(rows: pd.DataFrame, earlier: pd.Series, later: pd.Series) -> float:
    """Which share of the people stands in the wrong area, what half a year changed included."""
    rows = rows[rows["level"] == "planungsraum"]
    carried = (rows["source_area"].map(earlier) * rows["weight"]).groupby(rows["area"]).sum()
    return float((carried.reindex(later.index).fillna(0) - later).abs().sum() / 2 / later.sum())


def test_few_people_are_misplaced(onto_2021: dict[str, pd.DataFrame], berlin_data: Path) -> None:
    earlier, later = population(berlin_data, "2020-02"), population(berlin_data, "2021-01")
    assert len(earlier) == 448
    assert len(later) == 542
    assert misplaced(onto_2021["declared"], earlier, later) <= 0.017
    assert 0.05 < misplaced(onto_2021["area"], earlier, later) < 0.06


def test_nobody_is_lost_on_any_level(onto_2021: dict[str, pd.DataFrame], berlin_data: Path) -> None:
    earlier = population(berlin_data, "2020-02")
    for rows in onto_2021.values():
        carried = rows["source_area"].map(earlier) * rows["weight"]
        assert carried.groupby(rows["level"]).sum().to_numpy() == pytest.approx(earlier.sum(), rel=1e-9)
        sums = rows.groupby(["level", "source_area"])["weight"].sum()
        assert (sums - 1).abs().max() < 1e-9


@pytest.mark.parametrize(
    ("file", "key", "crs", "number"),
    [
        ("wahl/wahlbezirke_ew2014.geojson", "id", "EPSG:4326", 1709),
        ("einschulungsbereiche/RBS_OD_ESB_2019_06.geojson", None, "EPSG:25833", 346),
    ],
)
def test_foreign_boundaries_come_onto_the_planning_areas_and_back(
    berlin_data: Path, file: str, key: str | None, crs: str, number: int
) -> None:
    shapes = gpd.read_file(berlin_data / file).set_crs(crs, allow_override=True).to_crs("EPSG:25833")
    assert len(shapes) == number
    foreign = shapes.geometry.make_valid().to_numpy()
    areas = gpd.read_file(berlin_data / "geo/lor_pre2021_PLR/lor_planungsraeume.shp").to_crs("EPSG:25833")
    outlines = areas.geometry.to_numpy()
    declared = declarations.load(Project(ROOT), "berlin").region.support
    points = support.read_points(declared.points["zensus_2011"], "EPSG:25833", [berlin_data])
    x, y = points["x"].to_numpy(), points["y"].to_numpy()
    mass = (points["under_10"] + points["over_80"] + points["foreigners"]).to_numpy()
    there, here = (support.label(x, y, item, 100).area for item in (foreign, outlines))
    land = overlay.overlay(foreign, outlines)
    pairs = pd.DataFrame({"source": land.source, "target": land.target, "mass": land.square_metres})[~land.is_sliver]
    back = pairs.rename(columns={"source": "target", "target": "source"})
    for source, target, ground, lost_at_most in ((there, here, pairs, 0.85), (here, there, back, 0.85)):
        rungs = [Masses.of("cells", source, target, mass), Masses("area", ground)]
        found = weights.choose(rungs, ground)
        sums = found.groupby("source")["weight"].sum()
        assert (sums - 1).abs().max() < 1e-9
        people = pd.Series(mass).groupby(source).sum()
        reached = people[people.index >= 0].reindex(found["source"].unique()).fillna(0).sum()
        assert reached / people[people.index >= 0].sum() > 0.999
        # the way back to the finer areas cannot know who came from which of them
        assert 0 < weights.round_trip_error(rungs) < lost_at_most
    labelled = (there >= 0) & (here >= 0)
    assert np.average(labelled[(there >= 0) | (here >= 0)], weights=mass[(there >= 0) | (here >= 0)]) > 0.98
