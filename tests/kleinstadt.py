"""Kleinstadt: a made-up town with the layouts and dirt of a real statistical office, and the truth behind it.

Reads  sources/berlin/contracts of the checkout (the same contracts apply to the made-up town).
Writes, below the folder it is given:
       project/   a project root: links to dbt/, expectations/, reports/ and sources/kleinstadt/
       inbox/     geometry (shapefiles of two editions), population register by year, social monitoring tables

The town is a grid of squares: 2 Bezirke x 2 Prognoseräume x 2 Bezirksregionen x 3 Planungsräume, 1 km² each.
Counts are drawn first; every share in a delivery is printed from those integers with five decimals.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise, product
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
import yaml

from dagster_project.settings import Project

CHECKOUT = Path(__file__).resolve().parents[1]
REGION = "kleinstadt"
CONTRACTS = ("ewr", "mss_shares")

MUNICIPALITY = "99000000"
DISTRICTS = {"01": "Altstadt", "12": "Seeviertel"}
CRS = "EPSG:25833"
ORIGIN = (390_000.0, 5_820_000.0)
SQUARE = 1000.0

OLDER, NEWER = "2006", "2021"
WRONG_KEY, REPAIRED_KEY = "01010203", "12010203"  # the publisher gave both areas the first key
NEW_AREA, NEW_AREA_FROM = "12020203", 2019
SMALL_AREAS = {"01010103": 180, "12020103": 240}  # too few residents for the monitoring
SINGLE_ZERO = (
    2014,
    "01020102",
    "s1",
)  # reference year, area, share: nobody there is unemployed, others get transfers

YEARS = range(2009, 2021)
ROW_WITHOUT_KEY = {2009}
DECIMAL_COMMA = {2012, 2013, 2015}
LOST_ZEROS = {2014}
RENAMED_FROM = 2014
UNSORTED = {2017}

EDITIONS = (2013, 2015, 2019)  # of the monitoring; each speaks of 31 December of the year before
SHARES = ("s1", "s2", "s3", "s4")
DENOMINATORS = {"s1": "aged_15_64", "s2": "aged_15_64", "s3": "e_e", "s4": "under_15"}
LEVELS = {
    "planungsraum": 8,
    "bezirksregion": 6,
    "bezirk": 2,
}  # digits of a key, in the order of tables 2-1 to 2-3

AGES = (
    0, 1, 2, 3, 5, 6, 7, 8, 10, 12, 14, 15, 18, 21, 25, 27, 30, 35, 40, 45, 50, 55, 60, 63, 65, 67, 70, 75,
    80, 85, 90, 95, 110,
)  # fmt: skip
BANDS = {f"e_e{low:02d}_{high:02d}": (low, high) for low, high in pairwise(AGES)}
GROUPS = {
    "u1": (0, 1), "1u6": (1, 6), "6u15": (6, 15), "15u18": (15, 18), "18u25": (18, 25), "25u55": (25, 55),
    "55u65": (55, 65), "65u80": (65, 80), "80u110": (80, 110),
}  # fmt: skip


@dataclass(frozen=True)
class Truth:
    """What is true of the town, whatever a delivery prints.

    `residents`: one row per year and planning area; columns `year`, `area` and the register's value columns
    under the contract's names (persons). `cases`: one row per reference year (31 December) and planning area
    with the numerators `s1` to `s4` and their denominators `e_e`, `aged_15_64`, `under_15` (persons), also of
    areas that the monitoring leaves out. `areas`: edition -> level -> keys.
    """

    residents: pd.DataFrame
    cases: pd.DataFrame
    areas: dict[str, dict[str, list[str]]]

    def counts(self, reference_year: int, level: str) -> pd.DataFrame:
        """Numerators and denominators of a reference year, summed to a level; indexed by area."""
        cases = self.cases[self.cases["year"] == reference_year].drop(columns="year")
        return cases.groupby(cases["area"].str[: LEVELS[level]]).sum(numeric_only=True)

    def shares(self, edition: int, level: str) -> pd.DataFrame:
        """The unrounded shares `s1`-`s4` (percent) and changes `d1`-`d4` (points) of an edition, by area."""
        now, before = (self.counts(year, level) for year in (edition - 1, edition - 3))
        found = pd.DataFrame(index=now.index)
        for share, denominator in DENOMINATORS.items():
            found[share] = 100 * now[share] / now[denominator]
            found[f"d{share[1]}"] = found[share] - 100 * before[share] / before[denominator]
        return found


@dataclass(frozen=True)
class Kleinstadt:
    """A complete project with its inbox, and the truth behind the deliveries."""

    project: Project
    inbox: Path
    truth: Truth

    @property
    def contracts(self) -> Path:
        return self.project.sources / REGION / "contracts"

    @property
    def geography_file(self) -> Path:
        return self.project.sources / REGION / "geographies" / "lor.yml"

    def register(self, year: int) -> Path:
        """The population register's delivery of a year."""
        return self.inbox / "ewr" / f"EWR{year}12E_Matrix.csv"

    def monitoring(self, edition: int, level: str = "planungsraum") -> Path:
        """The monitoring's table of an edition and level."""
        table = list(LEVELS).index(level) + 1
        return self.inbox / "mss" / f"kleinstadt-social-urban-development-{edition}-00-2-{table}.csv"

    def copy(self, folder: Path) -> Kleinstadt:
        """The same town in another (new) folder, for a test that changes files."""
        root, inbox = folder / "project", folder / "inbox"
        shutil.copytree(self.project.root, root, symlinks=True)
        shutil.copytree(self.inbox, inbox)
        return replace(self, project=Project(root), inbox=inbox)


def build(folder: Path, seed: int = 1) -> Kleinstadt:
    """Write the whole town below `folder`, which must hold none yet; a seed gives the same files again."""
    inbox = folder / "inbox"
    town = Kleinstadt(Project(folder / "project"), inbox, _truth(np.random.default_rng(seed)))
    _write_project(town)
    _write_geometry(inbox / "geo")
    _write_deliveries(town, np.random.default_rng(seed))
    return town


# ---------------------------------------------------------------- the truth


def _truth(random: np.random.Generator) -> Truth:
    areas = {edition: _keys(_squares(edition)) for edition in (OLDER, NEWER)}
    residents = pd.DataFrame(_residents(areas[OLDER]["planungsraum"], random))
    return Truth(residents, _cases(residents, random), areas)


def _keys(squares: dict[str, shapely.Polygon]) -> dict[str, list[str]]:
    levels = {"planungsraum": 8, "bezirksregion": 6, "prognoseraum": 4, "bezirk": 2}
    keys = {level: sorted({key[:digits] for key in squares}) for level, digits in levels.items()}
    return {**keys, "stadt": [MUNICIPALITY]}


def _residents(areas: list[str], random: np.random.Generator) -> Iterator[dict[str, int | str]]:
    """Residents of every year and area by sex and age band, with the sums the register prints."""
    lows = np.array([low for low, _ in BANDS.values()])
    widths = np.array([high - low for low, high in BANDS.values()])
    for area in areas:
        size = SMALL_AREAS.get(area, int(random.integers(1500, 9000)))
        youth = random.uniform(-0.015, 0.015)
        weights = widths * np.exp(-(((lows - 38) / 38) ** 2)) * np.exp(-youth * lows)
        growth = random.uniform(-0.02, 0.03)
        for year in YEARS:
            if area == NEW_AREA and year < NEW_AREA_FROM:
                continue
            expected = size if area in SMALL_AREAS else round(size * (1 + growth) ** (year - YEARS[0]))
            bands = dict(zip(BANDS, random.multinomial(expected, weights / weights.sum()).tolist(), strict=True))
            men = int(random.binomial(expected, 0.49))
            groups = {
                f"e_e{name}": sum(bands[band] for band, (low, _) in BANDS.items() if first <= low < last)
                for name, (first, last) in GROUPS.items()
            }
            sums = {"e_e": expected, "e_em": men, "e_ew": expected - men}
            yield {"year": year, "area": area, **sums, **bands, **groups}


def _cases(residents: pd.DataFrame, random: np.random.Generator) -> pd.DataFrame:
    """Numerators of the monitoring's shares at its reference dates and two years before each."""
    years = sorted({edition - back for edition in EDITIONS for back in (1, 3)})
    burden = {area: random.beta(2, 4) for area in sorted(residents["area"].unique())}
    rows = []
    for row in residents[residents["year"].isin(years)].to_dict("records"):
        year, area = row["year"], row["area"]
        counts = {
            "e_e": row["e_e"],
            "aged_15_64": sum(row[f"e_e{name}"] for name in ("15u18", "18u25", "25u55", "55u65")),
            "under_15": sum(row[f"e_e{name}"] for name in ("u1", "1u6", "6u15")),
        }
        typical = {"s1": 0.20, "s2": 0.08, "s3": 0.30, "s4": 0.75}
        for share, factor in typical.items():
            rate = min(0.95, factor * burden[area] * random.uniform(0.8, 1.2) + 0.01)
            counts[share] = int(random.binomial(counts[DENOMINATORS[share]], rate))
        if (year, area) == SINGLE_ZERO[:2]:
            counts[SINGLE_ZERO[2]] = 0
        rows.append({"year": year, "area": area, **counts})
    return pd.DataFrame(rows)


# ---------------------------------------------------------------- what the town declares


def _write_project(town: Kleinstadt) -> None:
    root = town.project.root
    town.contracts.mkdir(parents=True)
    for name in ("dbt", "reports"):
        (root / name).symlink_to(CHECKOUT / name)
    (root / "expectations").mkdir()
    for suite in (CHECKOUT / "expectations").glob("*.yml"):
        if yaml.safe_load(suite.read_text(encoding="utf-8")).get("source") in (None, *CONTRACTS):
            (root / "expectations" / suite.name).symlink_to(suite)
    for contract in CONTRACTS:
        shutil.copy(CHECKOUT / "sources" / "berlin" / "contracts" / f"{contract}.yml", town.contracts)
    _write_yaml(_region(), town.project.sources / REGION / "region.yml")
    _write_yaml(_geography(), town.geography_file)


def _write_yaml(content: dict[str, object], path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(content, allow_unicode=True, sort_keys=False), encoding="utf-8")


def _region() -> dict[str, object]:
    return {
        "name": "Kleinstadt",
        "crs": CRS,
        "geography": "lor",
        "reporting_edition": OLDER,
        "municipality_level": "stadt",
        "municipalities": [{"id": MUNICIPALITY, "name": "Kleinstadt"}],
        "population": "population",
        "licence_note": "Erfundene Stadt, erfundene Zahlen.",
    }


def _geography() -> dict[str, object]:
    def level(level_id: str, name: str, plural: str, digits: int, **parent: object) -> dict[str, object]:
        return {"id": level_id, "name": name, "plural": plural, "key": rf"\d{{{digits}}}", **parent}

    def layer(folder: str, file: str, key: str, name: str) -> dict[str, object]:
        return {"file": f"geo/{folder}/{file}.shp", "key": key, "name": name}

    districts = {
        "file": "geo/districts/bezirksgrenzen.shp",
        "key": "Schluessel",
        "key_last": 2,
        "name": "Gemeinde_n",
        "outline": "dissolve",
    }
    town = {"outline": "dissolve", "names": {MUNICIPALITY: "Kleinstadt"}}
    repair = {
        "where": {"broker Dow": WRONG_KEY, "BEZIRKSNAM": DISTRICTS[REPAIRED_KEY[:2]]},
        "set": {"broker Dow": REPAIRED_KEY},
        "reason": "The publisher gave an area of the other district the key of its namesake.",
    }
    return {
        "title": "Lebensweltlich orientierte Räume (LOR) der Kleinstadt",
        "publisher": "Statistikstelle Kleinstadt",
        "licence": "CC0",
        "origin": "erfunden",
        "levels": [
            level("planungsraum", "Planungsraum", "Planungsräume", 8, parent={"prefix": 6}),
            level("bezirksregion", "Bezirksregion", "Bezirksregionen", 6, parent={"prefix": 4}),
            level("prognoseraum", "Prognoseraum", "Prognoseräume", 4, parent={"prefix": 2}),
            level("bezirk", "Bezirk", "Bezirke", 2, parent={"constant": MUNICIPALITY}),
            level("stadt", "Stadt", "Stadt", 8),
        ],
        "editions": [
            {
                "id": OLDER,
                "title": "LOR bis 31.12.2020",
                "valid_from": "2001-01-01",
                "valid_to": "2020-12-31",
                "layers": {
                    "planungsraum": {
                        **layer("lor_pre2021_PLR", "lor_planungsraeume", "broker Dow", "PLANUNGSRA"),
                        "repairs": [repair],
                    },
                    "bezirksregion": layer("lor_pre2021_BZR", "lor_bezirksregionen", "broker Dow", "BEZIRKSREG"),
                    "prognoseraum": layer("lor_pre2021_PGR", "lor_prognoseraeume", "broker Dow", "PROGNOSERA"),
                    "bezirk": districts,
                    "stadt": town,
                },
                "areas": {NEW_AREA: {"valid_from": f"{NEW_AREA_FROM}-01-01"}},
            },
            {
                "id": NEWER,
                "title": "LOR ab 01.01.2021",
                "valid_from": "2021-01-01",
                "layers": {
                    "planungsraum": layer("lor_post2021_PLR", "lor_planungsraeume_2021", "PLR_ID", "PLR_NAME"),
                    "bezirksregion": layer("lor_post2021_BZR", "lor_bezirksregionen_2021", "BZR_ID", "BZR_NAME"),
                    "prognoseraum": layer("lor_post2021_PGR", "lor_prognoseraeume_2021", "PGR_ID", "PGR_NAME"),
                    "bezirk": districts,
                    "stadt": town,
                },
            },
        ],
    }


# ---------------------------------------------------------------- geometry


def _squares(edition: str) -> dict[str, shapely.Polygon]:
    """Planning areas of an edition by true key.

    The newer edition numbers anew and, in each district, splits an area in the south and moves one border.
    """
    older, newer = [0.0, 1.0, 2.0, 3.0], [0.0, 0.5, 1.0, 2.0, 3.0]
    found = {}
    for column, district in enumerate(DISTRICTS):
        for row, (forecast, part) in enumerate(product((1, 2), (1, 2))):
            if edition == OLDER:
                region, borders = f"{district}{forecast:02d}{part:02d}", older
            else:
                region = f"{district}{forecast}0{part:02d}"
                borders = {0: newer, 3: [0.0, 1.0, 2.3, 3.0]}.get(row, older)
            for number, (left, right) in enumerate(pairwise(borders), start=1):
                found[f"{region}{number:02d}"] = shapely.box(
                    ORIGIN[0] + SQUARE * (3 * column + left),
                    ORIGIN[1] + SQUARE * row,
                    ORIGIN[0] + SQUARE * (3 * column + right),
                    ORIGIN[1] + SQUARE * (row + 1),
                )
    return found


def _write_geometry(folder: Path) -> None:
    older, newer = (
        gpd.GeoDataFrame({"key": list(squares)}, geometry=list(squares.values()), crs=CRS)
        for squares in (_squares(OLDER), _squares(NEWER))
    )
    published = older["key"].replace(REPAIRED_KEY, WRONG_KEY)
    _write_layer(older.assign(published=published), folder / "lor_pre2021_PLR/lor_planungsraeume.shp", "PLANUNGSRA")
    _write_layer(_union(older, 6), folder / "lor_pre2021_BZR/lor_bezirksregionen.shp", "BEZIRKSREG")
    _write_layer(_union(older, 4), folder / "lor_pre2021_PGR/lor_prognoseraeume.shp", "PROGNOSERA")
    _write_layer(newer, folder / "lor_post2021_PLR/lor_planungsraeume_2021.shp", "PLR_NAME", "PLR_ID")
    _write_layer(_union(newer, 6), folder / "lor_post2021_BZR/lor_bezirksregionen_2021.shp", "BZR_NAME", "BZR_ID")
    _write_layer(_union(newer, 4), folder / "lor_post2021_PGR/lor_prognoseraeume_2021.shp", "PGR_NAME", "PGR_ID")
    districts = _union(older, 2).to_crs("EPSG:4326")
    districts = districts.assign(Schluessel="990000" + districts["key"], Gemeinde_n=districts["key"].map(DISTRICTS))
    write_shapefile(districts.drop(columns="key"), folder / "districts/bezirksgrenzen.shp")


def _union(areas: gpd.GeoDataFrame, digits: int) -> gpd.GeoDataFrame:
    return areas.assign(key=areas["key"].str[:digits]).dissolve(by="key", as_index=False)


def _write_layer(areas: gpd.GeoDataFrame, path: Path, name: str, key: str = "broker Dow") -> None:
    """A layer with its publisher's attribute names; `published` holds keys that differ from the true ones."""
    written = gpd.GeoDataFrame(
        {
            "BEZIRKSNAM": areas["key"].str[:2].map(DISTRICTS),
            name: "Große Straße " + areas["key"],
            key: areas.get("published", areas["key"]),
        },
        geometry=areas.geometry,
        crs=areas.crs,
    )
    write_shapefile(written, path)


def write_shapefile(areas: gpd.GeoDataFrame, path: Path) -> None:
    """Write a shapefile in UTF-8; its folder is made where it is missing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    areas.to_file(path, encoding="UTF-8")


# ---------------------------------------------------------------- deliveries


def _write_deliveries(town: Kleinstadt, random: np.random.Generator) -> None:
    for folder in ("ewr", "mss"):
        (town.inbox / folder).mkdir(parents=True)
    for year in YEARS:
        town.register(year).write_bytes(register_text(town.truth, year, random).encode("utf-8"))
    for edition, level in product(EDITIONS, LEVELS):
        town.monitoring(edition, level).write_bytes(monitoring_text(town.truth, edition, level).encode("utf-8"))


def register_text(truth: Truth, year: int, random: np.random.Generator) -> str:
    """The register's delivery of a year as the statistical office writes it, with the dirt of that year."""
    values = [name for name in truth.residents.columns if name not in ("year", "area")]
    keys = ["ZEIT", "RAUMID", "BEZ", "PGR", "BZR", "PLR", "STADTRAUM"]
    shown = [name if year >= RENAMED_FROM else _name_before_renaming(name) for name in values]
    quoted = year in DECIMAL_COMMA
    rows = truth.residents[truth.residents["year"] == year].to_dict("records")
    if year in UNSORTED:
        random.shuffle(rows)
    lines = [[*keys, *(name.upper() for name in shown)]]
    if quoted:
        lines[0] = [f'"{name}"' for name in lines[0]]
    for row in rows:
        area = row["area"]
        texts = [f"{year}12", area, *(area[start : start + 2] for start in (0, 2, 4, 6)), "1"]
        if year in LOST_ZEROS:
            texts = [str(int(text)) for text in texts]
        if quoted:
            texts = [f'"{text}"' for text in texts]
        lines.append([*texts, *(f"{row[name]},00" if quoted else str(row[name]) for name in values)])
    if year in ROW_WITHOUT_KEY:
        lines.append([""] * (len(lines[0]) - 2) + [str(sum(row[name] for row in rows)) for name in values[-2:]])
    return "".join(";".join(line) + "\r\n" for line in lines)


def _name_before_renaming(name: str) -> str:
    return name.replace("e_e", "e_", 1) if name.removeprefix("e_e") in GROUPS else name


def monitoring_text(truth: Truth, edition: int, level: str) -> str:
    """A table of the monitoring: shares and changes with five decimals; areas left out carry 0 (or nothing).

    The edition of 2019 has no long-term unemployment and leaves the second small area empty.
    """
    titles = {
        "1": "percentage_unemployed",
        "2": "percentage_long_term_unemployed",
        "3": "percentage_transfer_payments_recipients",
        "4": "percentage_transfer_payments_recipients_below_15_years",
    }
    names = {
        "planungsraum": "planning_area_name",
        "bezirksregion": "district_region_name",
        "bezirk": "district_name",
    }
    columns = [f"{kind}{number}" for kind in "sd" for number in titles]
    lines = [["id", names[level], "inhabitants", *(f"{column}_{titles[column[1]]}" for column in columns)]]
    counts, shares = truth.counts(edition - 1, level), truth.shares(edition, level)
    for area in counts.index:
        printed = {column: _decimals(shares.loc[area, column]) for column in columns}
        if area in SMALL_AREAS:
            empty = edition == EDITIONS[-1] and area == max(SMALL_AREAS)
            printed = dict.fromkeys(columns, "" if empty else "0")
        if edition == EDITIONS[-1]:
            printed |= {"s2": "", "d2": ""}
        lines.append([area, f"Große Straße {area}", str(counts.loc[area, "e_e"]), *printed.values()])
    return "".join(",".join(line) + "\n" for line in lines)


def _decimals(value: float) -> str:
    text = f"{value:.5f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text
