"""Outlines and points in the wrong place: refused with the reading that fits, taken once that is declared.

Reads Münster's, Leipzig's and Köln's open outlines where they are at hand; writes small made-up layers.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely
from capabilities import OPEN_DATA, needed
from pyproj import Transformer

from dagster_project import geography
from dagster_project.declarations import Geography, Points, Region
from dagster_project.geography import GeographyError, support
from dagster_project.tables import read_frame

MUNICIPALITY = "05515000"
CRS = "EPSG:25832"
SQUARE = 5800.0
CORNER = (396_000.0, 5_750_000.0)
TRUE_KM2 = 9 * SQUARE**2 / 1e6


def squares(crs: str = CRS, swapped: bool = False) -> gpd.GeoDataFrame:
    """Nine squares in the west of Westphalia as a file might write them, without a word on their CRS."""
    boxes = [
        shapely.box(x, y, x + SQUARE, y + SQUARE)
        for x in (CORNER[0] + SQUARE * column for column in range(3))
        for y in (CORNER[1] + SQUARE * row for row in range(3))
    ]
    frame = gpd.GeoDataFrame({"key": [f"0{n}" for n in range(1, 10)]}, geometry=boxes, crs=CRS).to_crs(crs)
    if swapped:
        frame["geometry"] = shapely.transform(frame.geometry.to_numpy(), lambda points: points[:, ::-1])
    return frame.set_crs(None, allow_override=True)


def region(**changed: Any) -> Region:
    town = {"id": MUNICIPALITY, "name": "Domstadt", "area_km2": round(TRUE_KM2, 2)}
    declared = {
        "id": "domstadt", "name": "Domstadt", "crs": CRS, "geography": "viertel", "reporting_edition": "2020",
        "municipality_level": "stadt", "municipalities": [town], "population": "population", "licence_note": "-",
    }  # fmt: skip
    return Region.model_validate({**declared, **changed})


def division(file: str, name: str = "viertel", edition: dict[str, Any] | None = None, **layer: Any) -> Geography:
    whole = {"outline": "dissolve", "names": {MUNICIPALITY: "Domstadt"}}
    levels = [
        {"id": "viertel", "name": "Viertel", "plural": "Viertel", "key": r"\d+", "parent": {"constant": MUNICIPALITY}},
        {"id": "stadt", "name": "Stadt", "plural": "Stadt", "key": r"\d{8}"},
    ]
    layers = {"viertel": {"file": file, "key": "key", "name": "key", **layer}, "stadt": whole}
    state = {"id": "2020", "title": "2020", "valid_from": "2020-01-01", "layers": layers, **(edition or {})}
    return Geography.model_validate(
        {
            "id": name,
            "title": name,
            "publisher": "-",
            "licence": "-",
            "origin": "-",
            "levels": levels,
            "editions": [state],
        }
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "files"


def written(folder: Path, frame: gpd.GeoDataFrame, stated: str | None, name: str = "areas.gpkg") -> str:
    """Write a layer that states a CRS, whatever its numbers are in."""
    folder.mkdir(exist_ok=True)
    frame.set_crs(stated, allow_override=True).to_file(folder / name)
    return name


def build(folder: Path, declared: Region, *divisions: Geography) -> pd.DataFrame:
    geography.build(declared, list(divisions), [folder], folder / "out")
    return read_frame(folder / "out" / "area.parquet")


def refusal(folder: Path, declared: Region, *divisions: Geography) -> str:
    with pytest.raises(GeographyError) as caught:
        build(folder, declared, *divisions)
    return str(caught.value)


# what the numbers are in, whether they are exchanged, what the file states, what the message says, what mends it
WRONG: list[tuple[str, bool, str, str, dict[str, str]]] = [
    ("EPSG:4326", True, "EPSG:4326", "Es passt EPSG:4326 mit vertauschten Achsen", {"axis_order": "north_east"}),
    ("EPSG:25832", True, "EPSG:25832", "Es passt EPSG:25832 mit vertauschten Achsen", {"axis_order": "north_east"}),
    ("EPSG:4647", False, "EPSG:25832", "Es passt EPSG:4647", {"crs": "EPSG:4647", "wrong_crs": "EPSG:25832"}),
    ("EPSG:31467", False, "EPSG:25832", "Es passt EPSG:31467", {"crs": "EPSG:31467", "wrong_crs": "EPSG:25832"}),
    ("EPSG:31466", False, "EPSG:31467", "Es passt EPSG:31466", {"crs": "EPSG:31466", "wrong_crs": "EPSG:31467"}),
    ("EPSG:4326", False, "EPSG:25832", "Es passt EPSG:4326", {"crs": "EPSG:4326", "wrong_crs": "EPSG:25832"}),
    ("EPSG:25832", False, "EPSG:25833", "EPSG:25832", {"crs": "EPSG:25832", "wrong_crs": "EPSG:25833"}),
    (
        "EPSG:31467", True, "EPSG:25832", "EPSG:31467 mit vertauschten Achsen",
        {"crs": "EPSG:31467", "wrong_crs": "EPSG:25832", "axis_order": "north_east"},
    ),
]  # fmt: skip


@pytest.mark.parametrize(("crs", "swapped", "stated", "words", "mended"), WRONG)
def test_outlines_in_the_wrong_place_are_refused_with_what_fits(
    folder: Path, crs: str, swapped: bool, stated: str, words: str, mended: dict[str, str]
) -> None:
    file = written(folder, squares(crs, swapped), stated)
    message = refusal(folder, region(), division(file))
    assert message.startswith(f"{file}: die Koordinaten passen nicht zum Koordinatensystem")
    assert "lägen nicht in Nordrhein-Westfalen" in message
    assert words in message, message

    areas = build(folder, region(), division(file, **mended)).set_index("area")
    assert areas.loc[MUNICIPALITY, "area_km2"] == pytest.approx(TRUE_KM2, rel=1e-4)


def test_a_declared_crs_that_is_wrong_is_refused_with_the_one_that_fits(folder: Path) -> None:
    (folder.mkdir(), squares().set_crs(None, allow_override=True).to_file(folder / "areas.shp"))
    (folder / "areas.prj").unlink(missing_ok=True)
    message = refusal(folder, region(), division("areas.shp", crs="EPSG:25833"))
    assert "im Gliederungs-YAML unter „crs“ erklärt" in message
    assert "EPSG:25832" in message


def test_a_wrong_crs_that_the_publisher_mended_is_no_longer_overruled(folder: Path) -> None:
    file = written(folder, squares("EPSG:31467"), "EPSG:31467")
    message = refusal(folder, region(), division(file, crs="EPSG:31467", wrong_crs="EPSG:25832"))
    assert "Der Herausgeber hat die Datei vermutlich berichtigt" in message


def test_single_outlines_in_the_wrong_place_are_named(folder: Path) -> None:
    frame = squares()
    frame.loc[4, "geometry"] = shapely.box(0, 0, 100, 100)
    file = written(folder, frame, CRS)
    message = refusal(folder, region(), division(file))
    assert message.startswith(f"{file}: 1 von 9 Flächen lägen")
    assert ": 05." in message


@pytest.mark.parametrize("right", [False, True])
def test_a_municipality_has_its_official_area(folder: Path, right: bool) -> None:
    """What lies in the Land, but measures otherwise: an exclave lost, or a part that stands twice."""
    file = written(folder, squares().iloc[: None if right else 8], CRS)
    if right:
        build(folder, region(), division(file))
        return
    message = refusal(folder, region(), division(file))
    assert f"{MUNICIPALITY} (Domstadt) misst 269,2" in message
    assert "-11,1 %" in message
    assert "„area_tolerance_percent: 12“" in message
    build(folder, region(), division(file, edition={"area_tolerance_percent": 12}))


def test_an_area_is_measured_truly_whatever_the_scale_of_the_region(folder: Path) -> None:
    """Web Mercator lies at the right place, but shows 2.6 times the area."""
    file = written(folder, squares("EPSG:3857"), "EPSG:3857")
    message = refusal(folder, region(crs="EPSG:3857"), division(file))
    assert message.startswith("region.yml: im Koordinatensystem EPSG:3857 misst das Gebiet")
    assert build(folder, region(), division(file)).set_index("area").loc[MUNICIPALITY, "area_km2"] < TRUE_KM2 * 1.001


def apart(frame: gpd.GeoDataFrame, east: float, north: float = 0.0) -> gpd.GeoDataFrame:
    return frame.set_geometry(frame.translate(xoff=east, yoff=north))


@pytest.mark.parametrize(
    ("east", "words"),
    [
        (60_000.0, "liegen nicht am selben Ort: sie haben nur 0,0 % der kleineren Fläche gemeinsam"),
        (2_500.0, "nur 85,6 % der kleineren Fläche gemeinsam (verlangt sind 90,0 %)"),
        (150.0, "bei gleicher Größe um 150 m nach Osten und 0 m nach Norden"),
    ],
)
def test_editions_and_geographies_of_a_region_lie_at_one_place(folder: Path, east: float, words: str) -> None:
    file = written(folder, squares(), CRS)
    other = written(folder, apart(squares(), east), CRS, "schools.gpkg")
    message = refusal(folder, region(), division(file), division(other, "schulen"))
    assert words in message, message
    assert "schools.gpkg" in message
    allowed = {"common_ground_percent": 0}
    build(folder, region(), division(file), division(other, "schulen", edition=allowed))


def test_a_geography_in_the_zone_beside_is_found_where_no_land_is_known(folder: Path) -> None:
    """In a Land nobody knows both zones lie in Germany: the geographies of the region contradict each other."""
    elsewhere = region(municipalities=[{"id": MUNICIPALITY, "name": "Domstadt"}], extent=(5.8, 47.2, 15.1, 55.1))
    file = written(folder, squares(), CRS)
    other = written(folder, squares(), "EPSG:25833", "schools.gpkg")
    message = refusal(folder, elsewhere, division(file), division(other, "schulen"))
    assert "liegen nicht am selben Ort" in message
    assert "EPSG:25832 für schools.gpkg" in message


def test_a_part_of_the_region_is_at_the_right_place(folder: Path) -> None:
    file = written(folder, squares(), CRS)
    part = written(folder, squares().iloc[:2], CRS, "schools.gpkg")
    declared = region(municipalities=[{"id": MUNICIPALITY, "name": "Domstadt"}])
    assert len(build(folder, declared, division(file), division(part, "schulen"))) == 13


def test_levels_in_files_of_two_zones_are_refused_with_the_zone_that_fits(folder: Path) -> None:
    declared = region(municipalities=[{"id": MUNICIPALITY, "name": "Domstadt"}], extent=(5.8, 47.2, 15.1, 55.1))
    file = written(folder, squares(), "EPSG:25833")
    whole = gpd.GeoDataFrame({"key": [MUNICIPALITY]}, geometry=[squares().union_all()])
    town = written(folder, whole, CRS, "town.gpkg")
    both = division(file).model_dump()
    both["editions"][0]["layers"]["stadt"] = {"file": town, "key": "key", "name": "key"}
    message = refusal(folder, declared, Geography.model_validate(both))
    assert message.startswith("town.gpkg: von 9 Flächen der feineren Ebene (areas.gpkg) liegen 9 in keiner")
    assert "für areas.gpkg" in message


# ---------------------------------------------------------------- points


def points(folder: Path, written_in: str, swapped: bool = False, **declared: Any) -> Points:
    """A hundred points evenly over the squares, written in a CRS."""
    at = [(n + 0.5) / 10 * 3 * SQUARE for n in range(10)]
    written = Transformer.from_crs(CRS, written_in, always_xy=True).transform(
        *zip(*((CORNER[0] + x, CORNER[1] + y) for x in at for y in at), strict=True)
    )
    frame = pd.DataFrame(dict(zip("yx" if swapped else "xy", written, strict=True)))
    folder.mkdir(exist_ok=True)
    frame.to_csv(folder / "points.csv", sep=";", index=False)
    files = [{"file": "points.csv", "x": "x", "y": "y"}]
    about = {"title": "Adressen", "licence": "-", "origin": "-", "crs": CRS, "files": files}
    return Points.model_validate({**about, **declared})


def place(folder: Path, declared: Points, whole: shapely.Geometry) -> None:
    outlines = np.array([whole])
    read = support.read_points(declared, CRS, [folder])
    how = support.label(read["x"].to_numpy(), read["y"].to_numpy(), outlines).how
    support.check_place(declared, float((how != support.NOWHERE).mean()), region(), outlines, [folder])


@pytest.mark.parametrize(
    ("crs", "swapped", "words"),
    [
        ("EPSG:25833", False, "Es passt EPSG:25833"),
        ("EPSG:4647", False, "Es passt EPSG:4647"),
        ("EPSG:4326", False, "Es passt EPSG:4326"),
        (CRS, True, "Es passt EPSG:25832 mit vertauschten Achsen"),
        ("EPSG:3035", False, "Es passt EPSG:3035"),
    ],
)
def test_points_in_the_wrong_place_are_refused_with_what_fits(
    folder: Path, crs: str, swapped: bool, words: str
) -> None:
    message = ""
    try:
        place(folder, points(folder, crs, swapped), squares().union_all())
    except GeographyError as error:
        message = str(error)
    assert message.startswith("points.csv: nur 0,0 % der Punkte („Adressen“) liegen in Gebieten der Region")
    assert words in message
    if not swapped:
        place(folder, points(folder, crs, crs=crs), squares().union_all())


def test_points_of_a_wider_country_are_taken_where_declared(folder: Path) -> None:
    third = squares().iloc[:3].union_all()
    with pytest.raises(GeographyError, match=r"nur 30,0 % der Punkte .* „inside_percent: 30“"):
        place(folder, points(folder, CRS), third)
    place(folder, points(folder, CRS, inside_percent=30), third)


def test_totals_of_other_cells_than_the_points_are_refused(folder: Path) -> None:
    """Else every point would be scaled like the middle one, without a word."""
    totals = {"file": {"file": "totals.csv", "x": "x", "y": "y", "weights": {"all": "n"}}, "cell_metres": 1000}
    declared = points(folder, CRS, totals=totals)
    (folder / "totals.csv").write_text("x;y;n\n7.5;51.9;10\n", encoding="utf-8")
    with pytest.raises(GeographyError, match=r"totals.csv: für 100,0 % der Punkte steht darin kein Wert"):
        place(folder, declared, squares().union_all())


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"x;y\n1;2\n\n3;vier\n", "points.csv, Zeile 4, Spalte y: „vier“ ist keine Zahl"),
        (b"x;y\n1;2\n3;inf\n", "Zeile 3, Spalte y: „inf“ ist keine Zahl"),
        (
            b"x;y;ort\n1;2;Nord\n3;4;S\xfcd\n",
            "points.csv, Zeile 3: das Byte 0xfc gibt es in der Kodierung utf-8 so nicht",
        ),
    ],
)
def test_a_file_of_points_that_is_not_as_declared_is_named_with_its_line(
    folder: Path, content: bytes, words: str
) -> None:
    declared = points(folder, CRS)
    (folder / "points.csv").write_bytes(content)
    with pytest.raises(GeographyError) as caught:
        support.read_points(declared, CRS, [folder])
    assert words in str(caught.value)


# ---------------------------------------------------------------- official files


def test_muenster_swapped_is_refused_and_right_is_taken(folder: Path) -> None:
    """The axes of the town's file exchanged gave 893.83 km² instead of 303.13."""
    needed("open_data")
    town = [{"id": MUNICIPALITY, "name": "Münster", "area_km2": 303.28}]
    frame = gpd.read_file(OPEN_DATA / "muenster" / "Ebene_3_Stadtzellen.geojson").rename(columns={"Nr": "key"})
    frame["key"] = frame["key"].astype(str)
    tolerant = {"overlap_tolerance_m2": 2000}
    file = written(folder, frame, "EPSG:4326")
    areas = build(folder, region(municipalities=town), division(file, edition=tolerant)).set_index("area")
    assert areas.loc[MUNICIPALITY, "area_km2"] == pytest.approx(303.13, abs=0.2)
    swapped = frame.set_geometry(shapely.transform(frame.geometry.to_numpy(), lambda points: points[:, ::-1]))
    file = written(folder, swapped, "EPSG:4326", "swapped.gpkg")
    message = refusal(folder, region(municipalities=town), division(file, edition=tolerant))
    assert "Es passt EPSG:4326 mit vertauschten Achsen" in message


def test_leipzig_as_its_town_publishes_it_is_read_once_its_axes_are_declared(folder: Path) -> None:
    """The file states longitude before latitude and writes latitude first."""
    needed("open_data")
    folder.mkdir()
    frame = gpd.read_file(OPEN_DATA / "leipzig" / "leipzig-districts.json")
    file = written(folder, frame[frame["key"] != "XX"], "EPSG:4326", "leipzig.geojson")
    town = {"municipalities": [{"id": "14713000", "name": "Leipzig", "area_km2": 297.8}], "crs": "EPSG:25833"}
    tolerant = {"overlap_tolerance_m2": 60_000}
    message = refusal(folder, region(**town), _of_leipzig(division(file, edition=tolerant)))
    assert "lägen nicht in Sachsen" in message
    assert "EPSG:4326 mit vertauschten Achsen" in message
    declared = _of_leipzig(division(file, edition=tolerant, axis_order="north_east"))
    areas = build(folder, region(**town), declared).set_index("area")
    assert areas.loc["14713000", "area_km2"] == pytest.approx(297.8, rel=0.02)


def _of_leipzig(declared: Geography) -> Geography:
    return Geography.model_validate_json(declared.model_dump_json().replace(MUNICIPALITY, "14713000"))
