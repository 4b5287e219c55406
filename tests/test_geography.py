"""Geography: both editions become checked areas, and every fault of a file ends in one German sentence.

Reads Berlin's open data where it is at hand; writes changed copies of the made-up town's geometry.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import geopandas as gpd
import kleinstadt as town
import pandas as pd
import pytest
import shapely
import yaml
from kleinstadt import Kleinstadt
from shapely.affinity import translate

from dagster_project import declarations, geography
from dagster_project.geography import GeographyError
from dagster_project.settings import Project, RegionData
from dagster_project.tables import literal

AREAS = "geo/lor_pre2021_PLR/lor_planungsraeume.shp"
REGIONS = "geo/lor_pre2021_BZR/lor_bezirksregionen.shp"
KEY = "broker Dow"

Edit = Callable[[gpd.GeoDataFrame], gpd.GeoDataFrame]


def build(own: Kleinstadt, output: Path) -> dict[str, int]:
    declared = declarations.load(own.project, town.REGION)
    return geography.build(declared.region, list(declared.geographies.values()), [own.inbox], output)


def table(output: Path, name: str = "area") -> pd.DataFrame:
    return duckdb.sql(f"from read_parquet('{output / name}.parquet')").df()


def fault(own: Kleinstadt, output: Path) -> str:
    """The message of the one kind of error that a faulty file may end in; nothing is written."""
    with pytest.raises(GeographyError) as caught:
        build(own, output)
    assert not output.exists()
    return str(caught.value)


def edited(own: Kleinstadt, file: str, edit: Edit) -> None:
    path = own.inbox / file
    areas = edit(gpd.read_file(path))
    for part in path.parent.glob(f"{path.stem}.*"):
        part.unlink()
    town.write_shapefile(areas, path)


def declared_otherwise(own: Kleinstadt, change: Callable[[dict[str, Any]], None]) -> None:
    content = yaml.safe_load(own.geography_file.read_text(encoding="utf-8"))
    change(content)
    own.geography_file.write_text(yaml.safe_dump(content, allow_unicode=True), encoding="utf-8")


def with_outline(key: str, outline: Callable[[shapely.Polygon], shapely.Geometry | None]) -> Edit:
    """Replace the outline of one area."""

    def edit(areas: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
        areas["geometry"] = [
            outline(shape) if area == key else shape for area, shape in zip(areas[KEY], areas.geometry, strict=True)
        ]
        return areas

    return edit


def with_attribute(which: str, **values: Any) -> Edit:
    """Replace attributes of one area; `key` stands for the attribute that holds its key."""

    def edit(areas: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
        for name, value in values.items():
            areas.loc[areas[KEY] == which, KEY if name == "key" else name] = value
        return areas

    return edit


@pytest.fixture
def output(tmp_path: Path) -> Path:
    return tmp_path / "geography"


# ---------------------------------------------------------------- Berlin


def test_berlin_has_the_published_number_of_areas(berlin: RegionData) -> None:
    areas = table(berlin.geography)
    declared = declarations.load(Project(town.CHECKOUT), "berlin").geography
    levels = [level.id for level in declared.levels]
    counted = areas.groupby(["edition", "level"]).size()
    assert [counted["2006", level] for level in levels] == [448, 138, 60, 12, 1]
    assert [counted["2021", level] for level in levels] == [542, 143, 58, 12, 1]


def test_berlin_the_area_with_the_wrong_key_is_repaired(berlin: RegionData) -> None:
    areas = table(berlin.geography).query("edition == '2006'").set_index("area")
    repaired, namesake = areas.loc["04030417"], areas.loc["06010102"]
    assert repaired["name"] == namesake["name"] == "Schloßstraße"
    assert (repaired["parent"], namesake["parent"]) == ("040304", "060101")


def test_berlin_an_area_may_come_into_being_within_an_edition(berlin: RegionData) -> None:
    areas = table(berlin.geography).query("edition == '2006' and level == 'planungsraum'").set_index("area")
    assert str(areas.loc["09041403", "valid_from"])[:10] == "2019-01-01"
    assert set(areas.drop("09041403")["valid_from"].astype(str).str[:10]) == {"2001-01-01"}
    assert set(areas["valid_to"].astype(str).str[:10]) == {"2020-12-31"}


def test_berlin_every_area_nests_in_one_chain_up_to_the_city(berlin: RegionData) -> None:
    areas, ancestors = table(berlin.geography), table(berlin.geography, "area_ancestor")
    identity = ["geography", "edition", "level", "area"]
    chains = ancestors.groupby(identity)["ancestor_rank"].agg(sorted).reset_index()
    rank = chains.merge(areas, on=identity)["level_rank"]
    assert all(chain == list(range(low, 5)) for chain, low in zip(chains["ancestor_rank"], rank, strict=True))
    assert len(chains) == len(areas)
    assert set(areas["municipality"]) == {"11000000"}
    total = areas.groupby(["edition", "level"])["area_km2"].sum()
    assert total.between(890.5, 891.5).all()  # Berlin has 891 km²


# ---------------------------------------------------------------- the made-up town


def test_the_town_has_its_areas_on_every_level(kleinstadt: Kleinstadt, output: Path) -> None:
    assert build(kleinstadt, output) == {"lor 2006": 24 + 8 + 4 + 2 + 1, "lor 2021": 26 + 8 + 4 + 2 + 1}
    areas = table(output)
    for (edition, level), rows in areas.groupby(["edition", "level"]):
        assert sorted(rows["area"]) == kleinstadt.truth.areas[edition][level]
        assert rows["area_km2"].sum() == pytest.approx(24)
    assert table(output).equals(areas)


def test_the_declared_repair_is_made(kleinstadt: Kleinstadt, output: Path) -> None:
    build(kleinstadt, output)
    areas = table(output).query("edition == '2006'").set_index("area")
    assert areas.loc[town.REPAIRED_KEY, "parent"] == town.REPAIRED_KEY[:6]
    assert areas.loc[town.WRONG_KEY, "parent"] == town.WRONG_KEY[:6]


def test_outlines_are_in_the_crs_of_the_region(kleinstadt: Kleinstadt, output: Path) -> None:
    build(kleinstadt, output)
    for edition, rows in table(output).groupby("edition"):
        bounds = shapely.from_wkt(rows.set_index("level").loc["stadt", "geometry"]).bounds
        assert bounds == (390_000, 5_820_000, 396_000, 5_824_000), edition


def test_the_same_files_give_the_same_bytes(kleinstadt: Kleinstadt, output: Path, tmp_path: Path) -> None:
    build(kleinstadt, output)
    build(kleinstadt, tmp_path / "again")
    for name in ("area.parquet", "area_ancestor.parquet"):
        assert (output / name).read_bytes() == (tmp_path / "again" / name).read_bytes()


def test_three_dimensional_outlines_are_taken_flat(own_kleinstadt: Kleinstadt, output: Path) -> None:
    edited(own_kleinstadt, AREAS, lambda areas: areas.set_geometry(shapely.force_3d(areas.geometry.values, 35.0)))
    build(own_kleinstadt, output)
    assert not table(output)["geometry"].str.contains(" Z").any()


def test_an_area_of_several_parts_is_one_area(own_kleinstadt: Kleinstadt, output: Path) -> None:
    def give_the_middle_away(areas: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
        areas = areas.set_index(KEY, drop=False)
        west, south, east, north = areas.geometry["01010102"].bounds
        middle = shapely.box(west + 100, south, east - 100, north)
        areas.loc["01010102", "geometry"] = areas.geometry["01010102"].difference(middle)
        areas.loc["01010101", "geometry"] = areas.geometry["01010101"].union(middle)
        return areas.reset_index(drop=True)

    edited(own_kleinstadt, AREAS, give_the_middle_away)
    build(own_kleinstadt, output)
    areas = table(output).query("edition == '2006'").set_index("area")
    assert areas.loc["01010102", "area_km2"] == pytest.approx(0.2)


def test_a_gap_between_areas_is_refused(own_kleinstadt: Kleinstadt, output: Path) -> None:
    edited(own_kleinstadt, AREAS, lambda areas: areas[areas[KEY] != "01010102"])
    with pytest.raises(GeographyError, match=r"in 010101 bleiben .* ohne Gebiet der feineren Ebene"):
        build(own_kleinstadt, output)


# ---------------------------------------------------------------- faults of the data

BOWTIE = shapely.Polygon([(0, 0), (900, 900), (900, 0), (0, 900)])

FAULTY_AREAS: list[tuple[Edit, list[str]]] = [
    (
        with_outline("01010102", lambda shape: translate(BOWTIE, *shape.bounds[:2])),
        ["ungültige Flächen", "01010102", "Self-intersection"],
    ),
    (with_outline("01010102", lambda shape: None), ["ohne Geometrie", "01010102"]),
    (with_outline("01010102", lambda shape: shapely.Polygon()), ["ohne Geometrie", "01010102"]),
    (lambda areas: areas.set_geometry(areas.centroid), ["keine Flächen sind", "01010101", "und 19 weitere"]),
    (
        with_outline("01010102", lambda shape: translate(shape, xoff=3)),
        [
            "die Flächen",
            "01010102",
            "01010103",
            "überlappen sich",
            "3.000,0 m²",
            "1.000.000,0 m²",
            "„overlap_tolerance_m2: 3001“",
        ],
    ),
    (
        with_attribute("01010102", key="01010101"),
        ["doppelte Schlüssel", "01010101 (Große Straße 01010102)", "Reparatur"],
    ),
    (
        with_attribute("01010102", key="1010102"),
        ["passen nicht zum Muster", r"\d{8}", "planungsraum", "1010102"],
    ),
    (with_attribute("01010102", key=None), ["passen nicht zum Muster", "(ohne Schlüssel)"]),
    (lambda areas: areas.assign(**{KEY: areas[KEY].astype(int)}), ["die erklärte Reparatur"]),
    (with_attribute("01010102", PLANUNGSRA=None), ["ohne Namen", "01010102"]),
    (
        lambda areas: areas.drop(columns=KEY),
        [f"das Merkmal „{KEY}“ fehlt", "Vorhanden sind: BEZIRKSNAM, PLANUNGSRA"],
    ),
    (lambda areas: areas.drop(columns="PLANUNGSRA"), ["das Merkmal „PLANUNGSRA“ fehlt"]),
    (lambda areas: areas.drop(columns="BEZIRKSNAM"), ["die erklärte Reparatur nennt das Merkmal BEZIRKSNAM"]),
    (lambda areas: areas.iloc[:0], ["enthält keine Flächen"]),
    (
        lambda areas: areas.set_crs("EPSG:4326", allow_override=True),
        ["passen nicht zum Koordinatensystem WGS 84"],
    ),
    # the publisher mended the file: the repair would now change the wrong area or none
    (
        lambda areas: areas.assign(
            **{
                KEY: areas[KEY].where(
                    areas["BEZIRKSNAM"] == "Altstadt", areas[KEY].replace(town.WRONG_KEY, town.REPAIRED_KEY)
                )
            }
        ),
        ["die erklärte Reparatur", town.WRONG_KEY, "trifft 0 statt 1 Flächen", "entfernen"],
    ),
]


@pytest.mark.parametrize(("edit", "words"), FAULTY_AREAS)
def test_a_fault_of_an_area_is_named(own_kleinstadt: Kleinstadt, output: Path, edit: Edit, words: list[str]) -> None:
    edited(own_kleinstadt, AREAS, edit)
    message = fault(own_kleinstadt, output)
    assert message.startswith(f"{AREAS}: ")
    assert all(word in message for word in words), message


def test_types_of_areas_are_those_declared(own_kleinstadt: Kleinstadt, output: Path) -> None:
    def typed(names: dict[str, str]) -> Callable[[dict[str, Any]], None]:
        def change(content: dict[str, Any]) -> None:
            content["area_types"] = names
            content["editions"][0]["layers"]["planungsraum"]["type"] = "BEZIRKSNAM"

        return change

    declared_otherwise(own_kleinstadt, typed({"Altstadt": "Kern"}))
    message = fault(own_kleinstadt, output)
    assert message.startswith(f"{AREAS}: unbekannte Gebietstypen (Seeviertel) bei ")
    assert message.endswith("Unter „area_types“ erklärt sind: Altstadt.")

    names = {"Altstadt": "Kern", "Seeviertel": "Rand"}
    declared_otherwise(own_kleinstadt, typed(names))
    build(own_kleinstadt, output)
    areas = table(output).query("level == 'planungsraum' and edition == '2006'")
    assert dict(zip(areas["area_type"], areas["area_type_name"], strict=True)) == names


def test_an_area_that_leaves_its_parent_is_named(own_kleinstadt: Kleinstadt, output: Path) -> None:
    edited(own_kleinstadt, AREAS, with_outline("01010101", lambda shape: shape.union(translate(shape, xoff=-10))))
    message = fault(own_kleinstadt, output)
    assert message.startswith(REGIONS)
    assert f"01010101 ({AREAS}) ragt 10.000,0 m² aus seinem Elterngebiet 010101 heraus. Erlaubt: 1,0 m²." in message
    assert "„nesting_tolerance_m2: 10001“" in message


def test_the_declared_tolerances_count(own_kleinstadt: Kleinstadt, output: Path) -> None:
    edited(own_kleinstadt, AREAS, with_outline("01010102", lambda shape: translate(shape, xoff=3)))
    edited(own_kleinstadt, REGIONS, with_outline("010201", lambda shape: shape.buffer(-1, join_style="mitre")))
    declared_otherwise(
        own_kleinstadt,
        lambda content: content["editions"][0].update(overlap_tolerance_m2=3001, nesting_tolerance_m2=10_000),
    )
    build(own_kleinstadt, output)


def test_an_area_without_its_parent_is_named(own_kleinstadt: Kleinstadt, output: Path) -> None:
    edited(own_kleinstadt, REGIONS, with_attribute("010101", key="010109"))
    message = fault(own_kleinstadt, output)
    assert message.startswith(REGIONS)
    assert "das Elterngebiet fehlt auf der Ebene bezirksregion für 01010101 (Elterngebiet 010101), 01010102" in message


def test_a_parent_without_areas_is_named(own_kleinstadt: Kleinstadt, output: Path) -> None:
    def with_one_more(regions: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
        more = regions.iloc[:1].assign(**{KEY: "010109"}).set_geometry(regions.iloc[:1].translate(xoff=-50_000))
        return pd.concat([regions, more])

    edited(own_kleinstadt, REGIONS, with_one_more)
    message = fault(own_kleinstadt, output)
    assert message.startswith(REGIONS)
    assert f"kein Gebiet der feineren Ebene ({AREAS}) liegt in 010109" in message


def test_a_parent_without_areas_is_named_where_outlines_are_dissolved(own_kleinstadt: Kleinstadt, output: Path) -> None:
    def with_one_more(content: dict[str, Any]) -> None:
        for edition in content["editions"]:
            edition["layers"]["stadt"]["names"]["99000001"] = "Vorstadt"

    declared_otherwise(own_kleinstadt, with_one_more)
    message = fault(own_kleinstadt, output)
    assert "zu 99000001 gehört kein Gebiet" in message
    assert "stadt" in message


# ---------------------------------------------------------------- faults of the file


def test_a_missing_file_is_named_with_where_it_was_sought(own_kleinstadt: Kleinstadt, output: Path) -> None:
    (own_kleinstadt.inbox / AREAS).unlink()
    message = fault(own_kleinstadt, output)
    assert f"Die Datei {AREAS} fehlt" in message
    assert str(own_kleinstadt.inbox) in message


def test_missing_files_are_listed_with_their_origin(own_kleinstadt: Kleinstadt) -> None:
    (own_kleinstadt.inbox / AREAS).unlink()
    geographies = list(declarations.load(own_kleinstadt.project, town.REGION).geographies.values())
    [missing] = geography.missing_files(geographies, [own_kleinstadt.inbox])
    assert (missing.path, missing.origin) == (AREAS, "erfunden")
    assert geography.missing_files(geographies, [own_kleinstadt.inbox, own_kleinstadt.inbox]) == [missing]
    assert len(geography.missing_files(geographies, [])) == 7


def test_a_missing_crs_is_named_with_the_remedy(own_kleinstadt: Kleinstadt, output: Path) -> None:
    (own_kleinstadt.inbox / AREAS).with_suffix(".prj").unlink()
    message = fault(own_kleinstadt, output)
    assert message.startswith(AREAS)
    assert "das Koordinatensystem fehlt" in message
    assert "„crs“" in message
    assert "EPSG:25833" in message


def test_a_declared_crs_counts_where_the_file_states_none(own_kleinstadt: Kleinstadt, output: Path) -> None:
    (own_kleinstadt.inbox / AREAS).with_suffix(".prj").unlink()
    declare_crs(own_kleinstadt, "EPSG:25833")
    assert build(own_kleinstadt, output)["lor 2006"] == 39


def test_a_declared_crs_that_contradicts_the_file_is_named(own_kleinstadt: Kleinstadt, output: Path) -> None:
    declare_crs(own_kleinstadt, "EPSG:25832")
    message = fault(own_kleinstadt, output)
    assert message.startswith(AREAS)
    assert "UTM zone 33N" in message
    assert "EPSG:25832" in message


def test_an_unknown_crs_is_named(own_kleinstadt: Kleinstadt, output: Path) -> None:
    (own_kleinstadt.inbox / AREAS).with_suffix(".prj").unlink()
    declare_crs(own_kleinstadt, "EPSG:99999999")
    assert "EPSG:99999999, im Gliederungs-YAML unter „crs“ erklärt, ist unbekannt" in fault(own_kleinstadt, output)


def declare_crs(own: Kleinstadt, crs: str) -> None:
    declared_otherwise(own, lambda content: content["editions"][0]["layers"]["planungsraum"].update(crs=crs))


@pytest.mark.parametrize("crs", [None, "EPSG:25833"])
def test_geojson_without_a_crs_needs_a_declared_one(own_kleinstadt: Kleinstadt, output: Path, crs: str | None) -> None:
    shapes = gpd.read_file(own_kleinstadt.inbox / AREAS).set_crs(None, allow_override=True)
    content = json.loads(shapes.to_json())
    assert "crs" not in content
    (own_kleinstadt.inbox / "geo" / "areas.geojson").write_text(json.dumps(content), encoding="utf-8")
    declared_otherwise(
        own_kleinstadt,
        lambda content: content["editions"][0]["layers"]["planungsraum"].update(file="geo/areas.geojson", crs=crs),
    )
    if crs is None:
        assert "geo/areas.geojson: die Koordinaten passen nicht" in fault(own_kleinstadt, output)
    else:
        assert build(own_kleinstadt, output)["lor 2006"] == 39


@pytest.mark.parametrize("suffix", [".shp", ".shx", ".dbf"])
@pytest.mark.parametrize("share", [0.0, 0.02, 0.3, 0.9])
def test_a_truncated_file_is_refused(own_kleinstadt: Kleinstadt, output: Path, suffix: str, share: float) -> None:
    path = (own_kleinstadt.inbox / AREAS).with_suffix(suffix)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    assert fault(own_kleinstadt, output).startswith(AREAS)


@pytest.mark.parametrize("content", [b"", b"only text", b"PK\x03\x04" + bytes(500), b"\xff" * 500])
def test_a_file_of_another_kind_is_refused(own_kleinstadt: Kleinstadt, output: Path, content: bytes) -> None:
    (own_kleinstadt.inbox / AREAS).write_bytes(content)
    message = fault(own_kleinstadt, output)
    assert message.startswith(f"{AREAS}: die Datei ist keine lesbare Geometriedatei")


def test_a_table_without_geometry_is_refused(own_kleinstadt: Kleinstadt, output: Path) -> None:
    (own_kleinstadt.inbox / "geo" / "areas.csv").write_text(f"{KEY},PLANUNGSRA\n01010101,A\n", encoding="utf-8")
    declared_otherwise(
        own_kleinstadt,
        lambda content: content["editions"][0]["layers"]["planungsraum"].update(file="geo/areas.csv"),
    )
    assert fault(own_kleinstadt, output) == "geo/areas.csv: die Datei enthält keine Flächen."


def test_a_region_in_degrees_is_refused(kleinstadt: Kleinstadt, output: Path) -> None:
    declared = declarations.load(kleinstadt.project, town.REGION)
    region = declared.region.model_copy(update={"crs": "EPSG:4326"})
    with pytest.raises(GeographyError, match="misst in Grad"):
        geography.build(region, list(declared.geographies.values()), [kleinstadt.inbox], output)


def test_areas_are_made_once(own_kleinstadt: Kleinstadt, output: Path) -> None:
    counted = build(own_kleinstadt, output)
    made = (output / "area.parquet").stat().st_mtime_ns
    assert build(own_kleinstadt, output) == counted
    assert (output / "area.parquet").stat().st_mtime_ns == made
    edited(own_kleinstadt, AREAS, with_attribute("01010102", PLANUNGSRA="Umbenannt"))
    build(own_kleinstadt, output)
    assert "Umbenannt" in set(table(output)["name"])


# ---------------------------------------------------------------- formats and declared repairs


def layer_of(own: Kleinstadt, **fields: Any) -> None:
    declared_otherwise(own, lambda content: content["editions"][0]["layers"]["planungsraum"].update(fields))


@pytest.mark.parametrize("suffix", ["gpkg", "geojson", "parquet"])
def test_every_format_gives_the_same_areas(
    own_kleinstadt: Kleinstadt, output: Path, tmp_path: Path, suffix: str
) -> None:
    build(own_kleinstadt, tmp_path / "shapefile")
    shapes = gpd.read_file(own_kleinstadt.inbox / AREAS)
    path = own_kleinstadt.inbox / "geo" / f"areas.{suffix}"
    if suffix == "parquet":
        rows = pd.DataFrame(shapes.drop(columns="geometry")).assign(shape=shapely.to_wkb(shapes.geometry.to_numpy()))
        column = {"encoding": "WKB", "geometry_types": [], "crs": json.loads(shapes.crs.to_json())}
        about = {"version": "1.1.0", "primary_column": "shape", "columns": {"shape": column}}
        duckdb.sql(f"copy rows to '{path}' (format parquet, kv_metadata {{geo: {literal(json.dumps(about))}}})")
        assert len(rows)
    else:
        shapes.to_file(path)
    layer_of(own_kleinstadt, file=f"geo/areas.{suffix}")
    build(own_kleinstadt, output)
    assert table(output).equals(table(tmp_path / "shapefile"))


def test_a_parquet_file_without_geometry_is_refused(own_kleinstadt: Kleinstadt, output: Path) -> None:
    duckdb.sql(f"copy (select 1 as a) to '{own_kleinstadt.inbox}/geo/areas.parquet'")
    layer_of(own_kleinstadt, file="geo/areas.parquet")
    assert "die Parquet-Datei nennt keine Geometrie" in fault(own_kleinstadt, output)


def test_geojson_in_metres_is_refused_with_the_crs_that_fits(own_kleinstadt: Kleinstadt, output: Path) -> None:
    shapes = gpd.read_file(own_kleinstadt.inbox / AREAS).set_crs(None, allow_override=True)
    (own_kleinstadt.inbox / "geo" / "areas.geojson").write_text(shapes.to_json(), encoding="utf-8")
    layer_of(own_kleinstadt, file="geo/areas.geojson")
    message = fault(own_kleinstadt, output)
    assert "Es passt EPSG:25833" in message or "Es passen EPSG:25833" in message
    assert "unter „crs“" in message


def test_a_ring_that_crosses_itself_is_mended_where_declared(own_kleinstadt: Kleinstadt, output: Path) -> None:
    """A spike outwards and back leaves the same area, and a file that needs no mending is told."""

    def spiked(shape: shapely.Polygon) -> shapely.Polygon:
        west, south, east, north = shape.bounds
        return shapely.Polygon(
            [(west, south), (east, south), (east, north), (west, north), (west, south), (east, south)]
        )

    edited(own_kleinstadt, AREAS, with_outline("01010102", spiked))
    if gpd.read_file(own_kleinstadt.inbox / AREAS).geometry.is_valid.all():
        pytest.skip("the format mended it itself")
    assert "mend: true" in fault(own_kleinstadt, output)
    repair = {"where": {KEY: "01010102"}, "mend": True, "reason": "the ring doubles back"}

    def with_repair(content: dict[str, Any]) -> None:
        content["editions"][0]["layers"]["planungsraum"]["repairs"].append(repair)

    declared_otherwise(own_kleinstadt, with_repair)
    build(own_kleinstadt, output)
    town.write_shapefile(
        gpd.read_file(own_kleinstadt.inbox / AREAS).assign(geometry=lambda x: x.make_valid()),
        own_kleinstadt.inbox / AREAS,
    )
    with pytest.raises(GeographyError, match="die gültig ist"):
        build(own_kleinstadt, output)


def test_parts_of_an_area_are_put_together_where_declared(own_kleinstadt: Kleinstadt, output: Path) -> None:
    def halved(areas: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
        chosen = areas[areas[KEY] == "01010102"]
        west, south, east, north = chosen.total_bounds
        halves = [
            shapely.box(west, south, (west + east) / 2, north),
            shapely.box((west + east) / 2, south, east, north),
        ]
        parts = pd.concat([chosen.set_geometry([half], crs=areas.crs) for half in halves])
        return pd.concat([areas[areas[KEY] != "01010102"], parts])

    edited(own_kleinstadt, AREAS, halved)
    assert "doppelte Schlüssel: 01010102" in fault(own_kleinstadt, output)
    layer_of(own_kleinstadt, parts="union")
    build(own_kleinstadt, output)
    areas = table(output).query("edition == '2006'").set_index("area")
    assert areas.loc["01010102", "area_km2"] == pytest.approx(1)


def test_garbled_names_are_refused_until_their_encoding_is_declared(own_kleinstadt: Kleinstadt, output: Path) -> None:
    path = own_kleinstadt.inbox / AREAS
    areas = gpd.read_file(path)
    for part in path.parent.glob(f"{path.stem}.*"):
        part.unlink()
    areas.to_file(path, encoding="utf-8")
    path.with_suffix(".cpg").write_text("cp1252")
    message = fault(own_kleinstadt, output)
    assert "unlesbare Zeichen im Namen bei 0101" in message
    assert "„encoding“" in message
    layer_of(own_kleinstadt, encoding="utf-8")
    build(own_kleinstadt, output)


# ---------------------------------------------------------------- faults of the declaration


def test_a_lifetime_of_an_unknown_area_is_named(own_kleinstadt: Kleinstadt, output: Path) -> None:
    declared_otherwise(
        own_kleinstadt,
        lambda content: content["editions"][0]["areas"].update({"01019999": {"valid_from": "2019-01-01"}}),
    )
    message = fault(own_kleinstadt, output)
    assert "lor" in message
    assert "2006" in message
    assert "01019999" in message


def test_the_finest_level_cannot_be_dissolved(own_kleinstadt: Kleinstadt, output: Path) -> None:
    declared_otherwise(
        own_kleinstadt,
        lambda content: content["editions"][0]["layers"]["planungsraum"].update(outline="dissolve"),
    )
    assert "die Ebene planungsraum ist die feinste" in fault(own_kleinstadt, output)


# ---------------------------------------------------------------- levels of names alone


def stacked(top: dict[str, Any]) -> Callable[[dict[str, Any]], None]:
    """Three levels above the files that have names and no file: city, county, state."""

    def change(content: dict[str, Any]) -> None:
        levels = content["levels"]
        levels[-1]["parent"] = {"prefix": 2}
        levels.append({"id": "kreis", "name": "Kreis", "plural": "Kreise", "key": r"\d{2}", **top})
        levels.append({"id": "land", "name": "Land", "plural": "Länder", "key": "L"})
        for edition in content["editions"]:
            edition["layers"]["kreis"] = {"outline": "dissolve", "names": {town.MUNICIPALITY[:2]: "Kreis"}}
            edition["layers"]["land"] = {"outline": "dissolve", "names": {"L": "Land"}}

    return change


def test_levels_of_names_alone_keep_their_parents_however_many_stack(own_kleinstadt: Kleinstadt, output: Path) -> None:
    declared_otherwise(own_kleinstadt, stacked({"parent": {"constant": "L"}}))
    build(own_kleinstadt, output)
    areas = table(output).query("edition == '2021'").set_index("level")
    assert areas.loc["stadt", ["area", "parent"]].tolist() == [town.MUNICIPALITY, town.MUNICIPALITY[:2]]
    assert areas.loc["kreis", ["area", "parent"]].tolist() == [town.MUNICIPALITY[:2], "L"]
    assert areas.loc["land", "area_km2"] == areas.loc["stadt", "area_km2"] == 24
    chain = table(output, "area_ancestor").query("edition == '2021' and level == 'bezirk'")
    assert set(chain["ancestor_level"]) == {"bezirk", "stadt", "kreis", "land"}


@pytest.mark.parametrize(
    ("parent", "words"), [({"attribute": "x"}, "declare prefix or constant"), ({"within": True}, "are dissolved from")]
)
def test_names_alone_have_no_attributes_and_no_outlines_to_find_a_parent_by(
    own_kleinstadt: Kleinstadt, parent: dict[str, Any], words: str
) -> None:
    declared_otherwise(own_kleinstadt, stacked({"parent": parent}))
    with pytest.raises(declarations.DeclarationError, match=words):
        declarations.load(own_kleinstadt.project, town.REGION)


@pytest.mark.parametrize(
    ("edition", "life", "words"),
    [
        ({"valid_from": "2021-01-01"}, {}, "valid_from 2021-01-01 is after valid_to 2020-12-31"),
        ({}, {"valid_from": "2019-01-01", "valid_to": "2018-12-31"}, "is after valid_to 2018-12-31"),
        ({}, {"valid_from": "2021-01-01"}, f"{town.NEW_AREA} exists on no day of the edition"),
        ({}, {"valid_to": "2000-12-31"}, f"{town.NEW_AREA} exists on no day of the edition"),
    ],
)
def test_what_exists_on_no_day_is_a_wrong_declaration(
    own_kleinstadt: Kleinstadt, edition: dict[str, str], life: dict[str, str], words: str
) -> None:
    def change(content: dict[str, Any]) -> None:
        content["editions"][0].update(edition)
        if life:
            content["editions"][0]["areas"] = {town.NEW_AREA: life}

    declared_otherwise(own_kleinstadt, change)
    with pytest.raises(declarations.DeclarationError, match=words):
        declarations.load(own_kleinstadt.project, town.REGION)


def test_an_area_that_ends_within_an_edition_says_so(own_kleinstadt: Kleinstadt, output: Path) -> None:
    lives = {town.NEW_AREA: {"valid_from": "2019-01-01", "valid_to": "2019-12-31"}}
    declared_otherwise(own_kleinstadt, lambda content: content["editions"][0].update(areas=lives))
    build(own_kleinstadt, output)
    areas = table(output).query("edition == '2006'").set_index("area")
    columns = ["valid_from", "valid_to", "exists_from", "exists_to"]
    assert areas.loc[town.NEW_AREA, columns].astype(str).str[:10].tolist() == ["2019-01-01", "2019-12-31"] * 2
    assert areas.drop(town.NEW_AREA)[["exists_from", "exists_to"]].isna().all(axis=None)


@pytest.mark.parametrize(
    "ring", [[[13.4, 52.5], [13.5, 52.5], [13.5, 52.6], [13.4, 52.6]], [[13.4, 52.5], [13.5, 52.5]]]
)
def test_an_unreadable_outline_is_named_not_the_whole_file(
    own_kleinstadt: Kleinstadt, output: Path, ring: list[list[float]]
) -> None:
    shapes = json.loads(gpd.read_file(own_kleinstadt.inbox / AREAS).to_crs("EPSG:4326").to_json())
    shapes["features"][4]["geometry"] = {"type": "Polygon", "coordinates": [ring]}
    (own_kleinstadt.inbox / "geo" / "areas.geojson").write_text(json.dumps(shapes), encoding="utf-8")
    layer_of(own_kleinstadt, file="geo/areas.geojson")
    message = fault(own_kleinstadt, output)
    assert message.startswith("geo/areas.geojson: nicht lesbar ist die Geometrie von 01010202 (5. Fläche der Datei)")
    assert "jeder Ring braucht mindestens vier Punkte" in message
