"""Deliveries that are no list of cases: employment agency by area, day care sites, ballots, the census grid,
and the registers.

Writes into `inbox/` through the writer, the areas' shapes into `geo/`, and the true numbers of polling
districts and grid cells into `truth/`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from pathlib import Path

import geopandas
import numpy as np
import pandas as pd
import pyogrio
import pyproj
import shapely

from sources.simulator.departments import EMPLOYMENT_MEASURES, Departments
from sources.simulator.living import PARTIES
from sources.simulator.population import Array
from sources.simulator.spec import Election, Region
from sources.simulator.territory import SIDES, SUFFIXES, Areas, Territory
from sources.simulator.truth import level_keys, write_parquet
from sources.simulator.writing import constant, texts

GRID_METRES = 100
SETTLEMENT_TYPES = ("kern", "vorort", "land")
CRS = "EPSG:25832"
FILE_DATE = "2025-06-30T00:00:00.000Z"


def deliver_totals(departments: Departments, truth_folder: Path, seed: int) -> None:
    """Everything that can only be written when all residents have been seen."""
    for year in departments.region.history.years:
        _employment_agency(departments, year)
    for period, counts in departments.children_at_sites.items():
        _day_care_sites(departments, period, counts)
    for period, counts in departments.leaving_schools.items():
        _primary_schools(departments, period, counts)
    polling = [
        _ballots(departments, election)
        for election in departments.region.elections
        if election.id in departments.ballots
    ]
    write_parquet(
        departments.writer.con,
        pd.concat(polling),
        truth_folder / "polling_districts.parquet",
        "election, ags, district",
    )
    _census_grid(departments, truth_folder, seed)


def _employment_agency(departments: Departments, year: int) -> None:
    """By area of the edition in force and by municipality; small numbers are withheld as `*`."""
    region, truth = departments.region, departments.truth
    period = date(year, 12, 31).isoformat()
    edition = region.edition_of(date(year, 12, 31)).id
    municipality_level = next(level.id for level in region.levels if level.municipality)
    for source, level in (
        ("arbeitsagentur", region.levels[0].id),
        ("arbeitsagentur_gemeinden", municipality_level),
    ):
        values = {measure: truth.by_area(edition, period, measure, level) for measure in EMPLOYMENT_MEASURES}
        areas = sorted(values["employed"])
        frame = pd.DataFrame({"period": constant(period, len(areas)), "area": pd.Categorical(areas)})
        for measure, by_area in values.items():
            shown = ["*" if 0 < by_area[area] < region.suppress_below else str(by_area[area]) for area in areas]
            frame[measure] = pd.Categorical(shown)
        departments.writer.append(region.sender, source, period, departments.layouts.departments[source], frame)


def _day_care_sites(departments: Departments, period: str, counts: Array) -> None:
    sites, layout = departments.sites, departments.layouts.departments["kita_einrichtungen"]
    streets = departments.territory.streets.names
    address = departments.territory.addresses
    frame = {
        "site": pd.Categorical(sites.keys),
        "site_name": pd.Categorical([f"Kita {streets[street]}" for street in address.street[sites.address].tolist()]),
        "places": (np.ceil(counts.sum(axis=0) * 1.06 / 5) * 5).astype(np.int64),
        "kita_site_under_3": counts[0],
        "kita_site_3_plus": counts[1],
        **departments.columns.fields(sites.address, layout),
    }
    departments.writer.append(departments.region.sender, "kita_einrichtungen", period, layout, pd.DataFrame(frame))
    block = address.block[sites.address]
    departments.truth.add(period, "kita_site_under_3", block, counts[0])
    departments.truth.add(period, "kita_site_3_plus", block, counts[1])


def _primary_schools(departments: Departments, period: str, counts: Array) -> None:
    """How many left each primary school, and how many of them for a grammar school."""
    schools = [f"GS{number + 1:03d}" for number in range(counts.shape[1])]
    layout = departments.layouts.departments["schuluebergaenge_schulen"]
    frame = pd.DataFrame(
        {
            "school_year": constant(f"{period}/{(int(period) + 1) % 100:02d}", len(schools)),
            "school": pd.Categorical(schools),
            "school_transitions": counts[0],
            "school_transitions_grammar_school": counts[1],
        }
    )
    departments.writer.append(departments.region.sender, "schuluebergaenge_schulen", period, layout, frame)


# ---------------------------------------------------------------- elections


def district_keys(territory: Territory, postal: bool) -> list[str]:
    """Numbers of the polling districts (0011, 0012, …) or postal districts (9001, …), counted anew in every
    municipality.
    """
    of_block = territory.postal_district if postal else territory.polling_district
    municipality = territory.block_municipality[np.unique(of_block, return_index=True)[1]]
    first = {int(item): int(np.argmax(municipality == item)) for item in np.unique(municipality)}
    start = 9001 if postal else 11
    return [f"{start + number - first[int(item)]:04d}" for number, item in enumerate(municipality)]


def _ballots(departments: Departments, election: Election) -> pd.DataFrame:
    """One votemanager file per municipality; returns the truth by polling district, with votes by post."""
    territory, counts = departments.territory, departments.ballots[election.id]
    layout = departments.layouts.departments["wahlen"]
    districts = []
    for postal, prefix in ((False, ""), (True, "postal_")):
        of_block = territory.postal_district if postal else territory.polling_district
        municipality = territory.block_municipality[np.unique(of_block, return_index=True)[1]]
        number = len(municipality)
        nobody = np.zeros(number, dtype=np.int64)
        frame = pd.DataFrame(
            {
                "municipality": municipality,
                "district": district_keys(territory, postal),
                "a1": nobody if postal else counts["a1"],
                "a2": nobody if postal else counts["a2"],
                "a3": nobody,
                "b": counts["postal_b"] if postal else counts["b"],
                "b1": counts["postal_b"] if postal else counts["b1"],
                "c": counts[f"{prefix}party_-1"],
                "by_post": nobody if postal else counts["by_post"],
                "postal": postal,
            }
        )
        for party in range(PARTIES):
            frame[f"d{party + 1}"] = counts[f"{prefix}party_{party}"]
        districts.append(frame)
    table = pd.concat(districts, ignore_index=True)
    table["a"] = table["a1"] + table["a2"] + table["a3"]
    table["d"] = table["b"] - table["c"]
    table["reports_expected"] = 1
    table["reports_received"] = 1
    for number, declared in enumerate(departments.region.municipalities):
        own = table[table["municipality"] == number].reset_index(drop=True)
        kind = np.where(own["postal"], "Briefwahlbezirk", "Wahlbezirk")
        names = [f"{key} - {word}" for key, word in zip(own["district"], kind, strict=True)]
        own = own.assign(
            election_date=constant(election.date.strftime("%d.%m.%Y"), len(own)),
            election=constant(election.title, len(own)),
            ags=constant(declared.ags, len(own)),
            district=pd.Categorical(own["district"]),
            district_name=pd.Categorical(names),
        )
        departments.writer.append(
            declared.ags,
            "wahlen",
            election.date.isoformat(),
            layout,
            own,
            election=election.id,
            ags=declared.ags,
        )
    table["voters"] = table["b"] + table["by_post"]
    table["election"] = election.id
    table["ags"] = [departments.region.municipalities[i].ags for i in table["municipality"].tolist()]
    truth: pd.DataFrame = table[~table["postal"]][["election", "ags", "district", "a", "b", "voters"]]
    return truth


# ---------------------------------------------------------------- census grid


def _census_grid(departments: Departments, truth_folder: Path, seed: int) -> None:
    """Residents per 100 m cell with the disturbance a cell key would add; empty cells are absent, small
    shares dashed.
    """
    addresses = departments.territory.addresses
    into_grid = pyproj.Transformer.from_crs(CRS, "EPSG:3035", always_xy=True)
    x, y = into_grid.transform(addresses.x, addresses.y)
    corners = np.column_stack([np.floor(y / GRID_METRES), np.floor(x / GRID_METRES)]).astype(np.int64) * GRID_METRES
    cells, cell = np.unique(corners, axis=0, return_inverse=True)
    residents = np.bincount(cell.ravel(), departments.grid[0], len(cells)).astype(np.int64)
    old = np.bincount(cell.ravel(), departments.grid[1], len(cells)).astype(np.int64)
    rng = np.random.default_rng([seed, 7])
    noise = rng.choice([-2, -1, 0, 1, 2], (2, len(cells)), p=[0.08, 0.2, 0.44, 0.2, 0.08])
    shown = np.where(residents > 0, np.maximum(residents + noise[0], 0), 0)
    shown = np.where(shown < 3, np.where(rng.uniform(0, 1, len(cells)) < shown / 3, 3, 0), shown)
    shown_old = np.clip(np.where(old > 0, old + noise[1], 0), 0, shown)
    keys = np.array([f"CRS3035RES{GRID_METRES}mN{north}E{east}" for north, east in cells.tolist()])
    seen = shown > 0
    frame = pd.DataFrame(
        {
            "cell": pd.Categorical(keys[seen]),
            "x": cells[seen, 1] + GRID_METRES // 2,
            "y": cells[seen, 0] + GRID_METRES // 2,
            "residents": shown[seen],
        }
    )
    share = 100 * shown_old[seen] / shown[seen]
    secret = shown[seen] < 10
    frame["share_65_plus"] = pd.Categorical(
        ["–" if hidden else f"{value:.2f}".replace(".", ",") for hidden, value in zip(secret, share, strict=True)]
    )
    frame["remark"] = texts(np.where((shown[seen] < 25) & ~secret, 1, 0), ("", "KLAMMERN"))
    period = date(departments.region.history.grid_state_of, 12, 31).isoformat()
    for source in ("zensus_gitter", "zensus_gitter_ueber65"):
        layout = departments.layouts.departments[source]
        departments.writer.append(departments.region.sender, source, period, layout, frame)
    table = pd.DataFrame({"cell": keys, "residents": residents, "residents_65_plus": old})
    write_parquet(departments.writer.con, table, truth_folder / "grid.parquet", "cell")


# ---------------------------------------------------------------- registers of addresses and streets


def deliver_registers(departments: Departments) -> None:
    """House coordinates in the HK-DE 4.2 layout and one street register per edition."""
    _house_coordinates(departments)
    for number, edition in enumerate(departments.region.editions):
        areas = departments.territory.editions[number]
        _street_register(departments, areas, edition.valid_from)


def _house_coordinates(departments: Departments) -> None:
    region, territory = departments.region, departments.territory
    addresses, number = territory.addresses, len(territory.addresses)
    layout = departments.layouts.departments["hauskoordinaten"]
    ags = [item.ags for item in region.municipalities]
    frame = {
        "notice": constant("N", number),
        "object_id": pd.Categorical([f"{region.federal_state_prefix}{i + 1:012d}" for i in range(number)]),
        "quality": constant("A", number),
        "land": constant(ags[0][:2], number),
        "region_number": constant(ags[0][2], number),
        "county": constant(ags[0][3:5], number),
        "municipality_number": texts(addresses.municipality, [key[5:] for key in ags]),
        "locality": constant("0000", number),
        "east": 32_000_000 + addresses.x,
        "north": addresses.y,
        "postal_code": texts(addresses.municipality, [item.postal_code for item in region.municipalities]),
        "place": texts(addresses.municipality, [item.name for item in region.municipalities]),
        "supplement": constant("", number),
        "postal_locality": constant("", number),
        **departments.columns.fields(np.arange(number), layout),
    }
    period = date(region.history.last_year, 12, 31).isoformat()
    departments.writer.append(region.sender, "hauskoordinaten", period, layout, pd.DataFrame(frame))


def _street_register(departments: Departments, areas: Areas, valid_from: date) -> None:
    territory, ranges = departments.territory, departments.territory.ranges
    layout = departments.layouts.departments["strassenraster"]
    street, block = ranges["street"].to_numpy(), ranges["block"].to_numpy()
    keys = departments.columns.keys[layout.format.street_key]
    frame = pd.DataFrame(
        {
            "ags": texts(territory.streets.municipality[street], departments.columns.ags),
            "street_key": keys.at(street),
            "street": departments.columns.names.at(street),
            "from_number": ranges["from_number"],
            "from_suffix": texts(ranges["from_suffix"].to_numpy(), SUFFIXES),
            "to_number": ranges["to_number"],
            "to_suffix": texts(ranges["to_suffix"].to_numpy(), SUFFIXES),
            "side": texts(ranges["side"].to_numpy(), SIDES),
            "block": texts(block, territory.block_keys),
            "area": texts(areas.of_block[block], areas.keys),
            "valid_from": constant(valid_from.isoformat(), len(ranges)),
        }
    )
    departments.writer.append(
        departments.region.sender,
        "strassenraster",
        valid_from.isoformat(),
        layout,
        frame,
        edition=areas.edition,
    )


# ---------------------------------------------------------------- shapes


def write_shapes(region: Region, territory: Territory, folder: Path) -> None:
    """Units of every level and edition, blocks, polling districts and school catchments in EPSG:25832."""
    folder.mkdir(parents=True, exist_ok=True)
    pyogrio.set_gdal_config_options({"OGR_CURRENT_DATE": FILE_DATE})
    ags = [item.ags for item in region.municipalities]
    for areas in territory.editions:
        for rank, (level, of_area) in enumerate(level_keys(region, areas).items()):
            names = _names(region, areas, level, of_area)
            units, unit_of_area = np.unique(of_area, return_inverse=True)
            unit_keys: list[str] = units.tolist()
            shapes = _dissolved(territory, unit_of_area[areas.of_block], len(unit_keys))
            table: dict[str, Sequence[object]] = {"key": unit_keys, "name": [names[key] for key in unit_keys]}
            if rank == 0:
                owner = dict(zip(areas.keys, areas.municipality.tolist(), strict=True))
                table["municipality"] = [ags[owner[key]] for key in unit_keys]
                table["thin"] = [key in region.thin for key in unit_keys]
                table["type"] = _settlement_types(territory, unit_of_area[areas.of_block], shapes)
            _write(table, shapes, folder / f"{level}_{areas.edition}.gpkg")
            if next(item for item in region.levels if item.id == level).municipality:
                _write(table, shapes, folder / f"{level}.geojson")
    municipality = [ags[i] for i in territory.block_municipality.tolist()]
    _write({"key": territory.block_keys, "municipality": municipality}, territory.blocks, folder / "blocks.gpkg")
    schools = [f"GS{i + 1:03d}" for i in range(int(territory.school.max()) + 1)]
    for name, of_block, keys in (
        ("polling_districts", territory.polling_district, district_keys(territory, postal=False)),
        ("school_districts", territory.school, schools),
    ):
        owners = territory.block_municipality[np.unique(of_block, return_index=True)[1]].tolist()
        table = {"municipality": [ags[i] for i in owners], "key": keys}
        _write(table, _dissolved(territory, of_block, len(keys)), folder / f"{name}.geojson")


def _settlement_types(territory: Territory, unit_of_block: Array, shapes: Array) -> list[str]:
    """A third of the units each, by expected residents per area: centre, suburb, country."""
    residents = np.bincount(unit_of_block[territory.addresses.block], territory.addresses.weight, len(shapes))
    rank = np.argsort(np.argsort(-residents / shapely.area(shapes)))
    return [SETTLEMENT_TYPES[place * len(SETTLEMENT_TYPES) // len(shapes)] for place in rank.tolist()]


def _names(region: Region, areas: Areas, level: str, of_area: list[str]) -> dict[str, str]:
    declared = next(item for item in region.levels if item.id == level)
    if declared.municipality:
        return {item.ags: item.name for item in region.municipalities}
    if declared.key is not None:
        return {declared.key: declared.name or region.title}
    return declared.names or dict(zip(of_area, areas.names, strict=True))


def _dissolved(territory: Territory, unit: Array, number: int) -> Array:
    return np.array([shapely.union_all(territory.blocks[unit == i]) for i in range(number)], dtype=object)


def _write(table: dict[str, Sequence[object]], shapes: Array, path: Path) -> None:
    frame = geopandas.GeoDataFrame(table, geometry=shapely.normalize(shapes), crs=CRS)
    path.unlink(missing_ok=True)
    driver = "GPKG" if path.suffix == ".gpkg" else "GeoJSON"
    geometry = "MultiPolygon" if (shapely.get_type_id(shapes) == 6).any() else "Polygon"
    pyogrio.write_dataframe(
        frame,
        path,
        driver=driver,
        layer=path.stem,
        geometry_type=geometry,
        promote_to_multi=geometry == "MultiPolygon",
    )
