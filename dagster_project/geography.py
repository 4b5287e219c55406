"""Geometry intake: official area files become one checked table of areas per geography.

Reads  the files that sources/<region>/geographies/*.yml name (beside that file or in the inbox).
Writes geography/area.parquet and geography/area_ancestor.parquet.

Nothing is repaired but what is declared, and a declared repair that finds nothing to repair fails:
then the publisher has mended the file and the declaration must go.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from pyproj.exceptions import CRSError

from dagster_project.declarations import Edition, Geography, Layer, Level, Parent, Region, Repair, unallocated
from dagster_project.tables import write_frame

COORDINATE_DIGITS = 2  # centimetres
NO_KEY = "(ohne Schlüssel)"
GEOJSON = (".geojson", ".json")
GEOJSON_CRS = "EPSG:4326"
TYPES = {
    **dict.fromkeys(("valid_from", "valid_to", "exists_from", "exists_to"), "date"),
    **dict.fromkeys(("area_type", "area_type_name"), "varchar"),
}


class GeographyError(Exception):
    """A geometry file that cannot be used as declared; the message is for the person who supplied it (German)."""


@dataclass(frozen=True)
class MissingFile:
    """An official file that is declared and not there."""

    path: str
    title: str
    origin: str


def missing_files(geographies: list[Geography], folders: list[Path]) -> list[MissingFile]:
    """The declared geometry files that lie in none of the folders."""
    return [
        MissingFile(file, geography.title, geography.origin)
        for geography in geographies
        for file in sorted({x.file for edition in geography.editions for x in edition.layers.values() if x.file})
        if not any((folder / file).is_file() for folder in folders)
    ]


def build(region: Region, geographies: list[Geography], folders: list[Path], output: Path) -> dict[str, int]:
    """All areas of all geographies in the region's CRS; returns the number of areas per geography and edition.

    `area.parquet`: one row per geography, edition, level and area, with parent, municipality, validity,
    area in km² and outline as WKT; `exists_from` and `exists_to` only where declared for that very area: a source
    may well speak of an edition before its first day.
    `area_ancestor.parquet`: every area with itself and each area above it.
    `street_range.parquet`: which house numbers of which street lie in which area of the finest level.
    Where there is a street register, every municipality has an area `unallocated` on each level below it: it takes
    what no address places, so that totals reconcile.
    Raises `GeographyError` in German, naming file and key.
    """
    frames = [
        _edition_areas(region, geography, edition, folders)
        for geography in geographies
        for edition in geography.editions
    ]
    areas = pd.concat(frames, ignore_index=True)
    ancestors = _ancestors(areas)
    areas = _with_municipality(areas, ancestors, region.municipality_level)
    write_frame(areas, output / "area.parquet", TYPES)
    write_frame(ancestors, output / "area_ancestor.parquet")
    registers = [_street_ranges(geography, areas, folders) for geography in geographies if geography.street_register]
    if registers:
        write_frame(pd.concat(registers, ignore_index=True), output / "street_range.parquet")
    return {
        f"{geography} {edition}": len(rows) for (geography, edition), rows in areas.groupby(["geography", "edition"])
    }


def _edition_areas(region: Region, geography: Geography, edition: Edition, folders: list[Path]) -> pd.DataFrame:
    """Areas of all levels of one edition, from fine to coarse, nested and checked."""
    levels: list[gpd.GeoDataFrame] = []
    for level in geography.levels:
        layer = edition.layers[level.id]
        finer = levels[-1] if levels else None
        frame = _layer_areas(region, geography, level, layer, finer, folders)
        _check_keys(frame, level, layer)
        _check_overlaps(frame, edition, layer)
        if finer is not None:
            if geography.levels[len(levels) - 1].parent == Parent(within=True):
                finer["parent"] = _located(finer, frame, layer)
            _check_nesting(finer, frame, edition, level, layer)
        levels.append(frame)
    tables = [_as_table(frame, geography, edition, rank) for rank, frame in enumerate(levels)]
    if geography.street_register:
        tables += _unallocated_areas(region, geography, edition, tables)
    areas = pd.concat(tables)
    unknown = set(edition.areas) - set(areas["area"])
    if unknown:
        raise GeographyError(
            f"Gliederung {geography.id}, Gebietsstand {edition.id}: unter „areas“ sind Schlüssel erklärt, "
            f"die es in den Dateien nicht gibt: {', '.join(sorted(unknown))}."
        )
    return areas


def _layer_areas(
    region: Region,
    geography: Geography,
    level: Level,
    layer: Layer,
    finer: gpd.GeoDataFrame | None,
    folders: list[Path],
) -> gpd.GeoDataFrame:
    """One level as a frame with key, name, parent and geometry in the region's CRS."""
    if layer.file is None:
        rows = pd.DataFrame(
            {"area": list(layer.names), "name": list(layer.names.values()), "area_type": None, "parent": None}
        )
    else:
        source = _read(region, layer, folders)
        for repair in layer.repairs:
            source = _repaired(source, repair, layer)
        rows = _attributes(source, level, layer)
        _check_types(rows, geography, layer)
    if layer.outline == "dissolve":
        if finer is None:
            raise GeographyError(
                f"Gliederung {geography.id}: die Ebene {level.id} ist die feinste und kann nicht „dissolve“ sein."
            )
        outlines = finer.dissolve(by="parent")["geometry"]
        lacking = sorted(set(rows["area"]) - set(outlines.index))
        if lacking:
            raise GeographyError(f"Ebene {level.id}: zu {', '.join(lacking)} gehört kein Gebiet der feineren Ebene.")
        return gpd.GeoDataFrame(rows, geometry=rows["area"].map(outlines).to_numpy(), crs=region.crs)
    return gpd.GeoDataFrame(rows, geometry=source.geometry.to_numpy(), crs=source.crs)


def _read(region: Region, layer: Layer, folders: list[Path]) -> gpd.GeoDataFrame:
    """A geometry file in the region's CRS, with valid polygons only."""
    assert layer.file is not None
    path = next((folder / layer.file for folder in folders if (folder / layer.file).is_file()), None)
    if path is None:
        raise GeographyError(f"Die Datei {layer.file} fehlt. Gesucht wurde in: {', '.join(map(str, folders))}.")
    try:
        frame = gpd.read_file(path)
    except Exception as error:  # the reader raises many kinds; a clerk needs one clear sentence
        raise GeographyError(f"{layer.file}: die Datei ist keine lesbare Geometriedatei ({error}).") from error
    if not isinstance(frame, gpd.GeoDataFrame) or frame.empty:
        raise GeographyError(f"{layer.file}: die Datei enthält keine Flächen.")
    frame = _projected(frame, region, layer)
    for attribute in (layer.key, layer.name, layer.type):
        if attribute is not None and attribute not in frame.columns:
            found = ", ".join(str(column) for column in frame.columns if column != "geometry")
            raise GeographyError(f"{layer.file}: das Merkmal „{attribute}“ fehlt. Vorhanden sind: {found}.")
    empty = frame[frame.geometry.isna() | frame.geometry.is_empty]
    if len(empty):
        raise GeographyError(f"{layer.file}: ohne Geometrie sind: {_keys(empty, layer)}.")
    other = frame[~frame.geometry.geom_type.isin(["Polygon", "MultiPolygon"])]
    if len(other):
        raise GeographyError(f"{layer.file}: keine Flächen sind: {_keys(other, layer)}.")
    invalid = frame[~frame.geometry.is_valid]
    if len(invalid):
        why = shapely.is_valid_reason(invalid.geometry.iloc[0])
        raise GeographyError(f"{layer.file}: ungültige Flächen bei {_keys(invalid, layer)} ({why}).")
    frame["geometry"] = shapely.force_2d(frame.geometry.to_numpy())
    return frame


def _projected(frame: gpd.GeoDataFrame, region: Region, layer: Layer) -> gpd.GeoDataFrame:
    """The frame in the region's CRS; a declared CRS counts where the file states none."""
    assert layer.file is not None
    # a GeoJSON file without the member is read as if it stated degrees
    states_none = frame.crs is None or (Path(layer.file).suffix in GEOJSON and frame.crs == GEOJSON_CRS)
    try:
        if layer.crs is not None and states_none:
            frame = frame.set_crs(layer.crs, allow_override=True)
        elif layer.crs is not None and frame.crs != layer.crs:
            raise GeographyError(
                f"{layer.file}: die Datei nennt das Koordinatensystem {frame.crs.name}, im Gliederungs-YAML steht "
                f"unter „crs“ {layer.crs}. Bitte dort entfernen oder die Datei berichtigen."
            )
        if frame.crs is None:
            raise GeographyError(
                f"{layer.file}: das Koordinatensystem fehlt. Bitte in der Datei angeben oder im Gliederungs-YAML "
                f"unter „crs“ erklären (hier vermutlich {region.crs})."
            )
        projected = frame.to_crs(region.crs)
    except CRSError as error:
        raise GeographyError(f"{layer.file}: das Koordinatensystem {layer.crs} ist unbekannt ({error}).") from error
    if np.isinf(projected.total_bounds).any():
        raise GeographyError(
            f"{layer.file}: die Koordinaten passen nicht zum Koordinatensystem {frame.crs.name}. Vermutlich ist es in "
            f"der Datei falsch angegeben oder fehlt; erklären lässt es sich im Gliederungs-YAML unter „crs“."
        )
    return projected


def _repaired(frame: gpd.GeoDataFrame, repair: Repair, layer: Layer) -> gpd.GeoDataFrame:
    condition = " und ".join(f"{name} = {value}" for name, value in repair.where.items())
    lacking = [name for name in [*repair.where, *repair.set] if name not in frame.columns]
    if lacking:
        raise GeographyError(f"{layer.file}: die erklärte Reparatur nennt das Merkmal {lacking[0]}, das es nicht gibt.")
    found = pd.Series(True, index=frame.index)
    for name, value in repair.where.items():
        found &= frame[name] == value
    if found.sum() != repair.rows:
        raise GeographyError(
            f"{layer.file}: die erklärte Reparatur ({condition}) trifft {found.sum()} statt {repair.rows} Flächen. "
            "Der Herausgeber hat die Datei vermutlich berichtigt: Reparatur im Gliederungs-YAML prüfen und entfernen."
        )
    repaired = frame.copy()
    for name, value in repair.set.items():
        repaired.loc[found, name] = value
    return repaired


def _attributes(source: gpd.GeoDataFrame, level: Level, layer: Layer) -> pd.DataFrame:
    key = source[layer.key].astype(str)
    area = key.str[-layer.key_last :] if layer.key_last else key
    rows = pd.DataFrame(
        {
            "area": area.fillna(NO_KEY),
            "name": source[layer.name],
            "area_type": source[layer.type].astype(str) if layer.type else None,
        }
    )
    if level.parent is None:
        return rows.assign(parent=None)
    if level.parent.prefix is not None:
        return rows.assign(parent=rows["area"].str[: level.parent.prefix])
    if level.parent.constant is not None:
        return rows.assign(parent=level.parent.constant)
    if level.parent.within:
        return rows.assign(parent=None)
    if level.parent.attribute not in source.columns:
        raise GeographyError(
            f"{layer.file}: das Merkmal „{level.parent.attribute}“ fehlt (Schlüssel des Elterngebiets)."
        )
    return rows.assign(parent=source[level.parent.attribute].astype(str))


def _check_types(rows: pd.DataFrame, geography: Geography, layer: Layer) -> None:
    unknown = rows[rows["area_type"].notna() & ~rows["area_type"].isin(list(geography.area_types))]
    if len(unknown):
        raise GeographyError(
            f"{layer.file}: unbekannte Gebietstypen ({_listed(sorted(set(unknown['area_type'])))}) bei "
            f"{_listed(unknown['area'])}. Erklärt sind: {_listed(geography.area_types)}."
        )


def _check_keys(frame: gpd.GeoDataFrame, level: Level, layer: Layer) -> None:
    where = layer.file or level.id
    wrong = frame[~frame["area"].map(lambda key: bool(re.fullmatch(level.key, key)))]
    if len(wrong):
        raise GeographyError(
            f"{where}: Schlüssel passen nicht zum Muster {level.key} der Ebene {level.id}: {_listed(wrong['area'])}."
        )
    nameless = frame[frame["name"].isna()]
    if len(nameless):
        raise GeographyError(f"{where}: ohne Namen sind: {_listed(nameless['area'])}.")
    twice = frame[frame["area"].duplicated(keep=False)]
    if len(twice):
        named = ", ".join(f"{key} ({name})" for key, name in zip(twice["area"], twice["name"], strict=True))
        raise GeographyError(f"{where}: doppelte Schlüssel: {named}. Im Gliederungs-YAML eine Reparatur erklären.")


def _check_overlaps(frame: gpd.GeoDataFrame, edition: Edition, layer: Layer) -> None:
    """Areas of one level must not overlap each other beyond the declared tolerance."""
    outlines = frame.geometry.to_numpy()
    first, second = shapely.STRtree(outlines).query(outlines, predicate="intersects")
    pairs = first < second
    common = shapely.area(shapely.intersection(outlines[first[pairs]], outlines[second[pairs]]))
    for index in (common > edition.overlap_tolerance_m2).nonzero()[0]:
        one, other = frame["area"].iloc[first[pairs][index]], frame["area"].iloc[second[pairs][index]]
        raise GeographyError(f"{layer.file}: die Flächen {one} und {other} überlappen sich um {common[index]:.1f} m².")


def _check_nesting(
    finer: gpd.GeoDataFrame, coarser: gpd.GeoDataFrame, edition: Edition, level: Level, layer: Layer
) -> None:
    """Every finer area lies inside its parent, and the finer areas leave no gap in any coarser one."""
    outlines = coarser.set_index("area")["geometry"]
    orphans = finer[~finer["parent"].isin(outlines.index)]
    if len(orphans):
        raise GeographyError(
            f"{layer.file or level.id}: das Elterngebiet fehlt auf der Ebene {level.id} für {_listed(orphans['area'])}."
        )
    childless = sorted(set(outlines.index) - set(finer["parent"]))
    if childless:
        raise GeographyError(f"{layer.file or level.id}: kein Gebiet der feineren Ebene liegt in {_listed(childless)}.")
    parents = finer["parent"].map(outlines).to_numpy()
    outside = shapely.area(shapely.difference(finer.geometry.to_numpy(), parents))
    worst = outside.argmax()
    if outside[worst] > edition.nesting_tolerance_m2:
        raise GeographyError(
            f"{layer.file or level.id}: {finer['area'].iloc[worst]} ragt {outside[worst]:.1f} m² aus seinem "
            f"Elterngebiet {finer['parent'].iloc[worst]} heraus (erlaubt: {edition.nesting_tolerance_m2} m²)."
        )
    filled = finer.dissolve(by="parent")["geometry"].reindex(outlines.index)
    gaps = shapely.area(shapely.difference(outlines.to_numpy(), filled.to_numpy()))
    widest = gaps.argmax()
    if gaps[widest] > edition.nesting_tolerance_m2:
        raise GeographyError(
            f"{layer.file or level.id}: in {outlines.index[widest]} bleiben {gaps[widest]:.1f} m² ohne Gebiet der "
            f"feineren Ebene (erlaubt: {edition.nesting_tolerance_m2} m²). Fehlt dort ein Gebiet?"
        )


def _as_table(frame: gpd.GeoDataFrame, geography: Geography, edition: Edition, rank: int) -> pd.DataFrame:
    level = geography.levels[rank]
    lives = [edition.areas.get(key) for key in frame["area"]]
    return pd.DataFrame(
        {
            "geography": geography.id,
            "edition": edition.id,
            "level": level.id,
            "level_name": level.name,
            "level_plural": level.plural,
            "level_rank": rank,
            "is_published": level.published,
            "is_unallocated": False,
            "area": frame["area"].to_numpy(),
            "name": frame["name"].to_numpy(),
            "area_type": frame["area_type"].to_numpy(),
            "area_type_name": frame["area_type"].map(geography.area_types).to_numpy(),
            "parent": frame["parent"].to_numpy(),
            "parent_level": geography.levels[rank + 1].id if level.parent else None,
            "valid_from": [life.valid_from if life and life.valid_from else edition.valid_from for life in lives],
            "valid_to": [life.valid_to if life and life.valid_to else edition.valid_to for life in lives],
            "exists_from": [life.valid_from if life else None for life in lives],
            "exists_to": [life.valid_to if life else None for life in lives],
            "area_km2": (frame.geometry.area / 1e6).round(6).to_numpy(),
            "geometry": shapely.to_wkt(frame.geometry.to_numpy(), rounding_precision=COORDINATE_DIGITS),
        }
    ).sort_values("area")


def _located(finer: gpd.GeoDataFrame, coarser: gpd.GeoDataFrame, layer: Layer) -> pd.Series:
    """For every finer area the coarser one that holds a point inside it."""
    points = shapely.point_on_surface(finer.geometry.to_numpy())
    inside, outside = shapely.STRtree(coarser.geometry.to_numpy()).query(points, predicate="intersects")
    parents = pd.Series(coarser["area"].to_numpy()[outside], index=finer.index[inside])
    parents = parents[~parents.index.duplicated()].reindex(finer.index)
    if parents.isna().any():
        raise GeographyError(f"{layer.file}: in keinem Gebiet liegen {_listed(finer['area'][parents.isna()])}.")
    return parents


def _unallocated_areas(
    region: Region, geography: Geography, edition: Edition, tables: list[pd.DataFrame]
) -> list[pd.DataFrame]:
    """For each municipality and level below it the area of what no address places; it has no outline."""
    names = {municipality.id: municipality.name for municipality in region.municipalities}
    below = geography.level_rank(region.municipality_level)
    found = []
    for rank, table in enumerate(tables[:below]):
        last = rank == below - 1
        rows = pd.DataFrame(
            {
                **{
                    name: table[name].iloc[0]
                    for name in ("geography", "edition", "level", "level_name", "level_plural")
                },
                "level_rank": rank,
                "is_published": bool(table["is_published"].iloc[0]),
                "is_unallocated": True,
                "area": [unallocated(key) for key in names],
                "name": [f"{name}, nicht zuordenbar" for name in names.values()],
                "area_type": None,
                "area_type_name": None,
                "parent": [key if last else unallocated(key) for key in names],
                "parent_level": geography.levels[rank + 1].id,
                "valid_from": edition.valid_from,
                "valid_to": edition.valid_to,
                "exists_from": None,
                "exists_to": None,
                "area_km2": None,
                "geometry": None,
            }
        )
        found.append(rows)
    return found


def _street_ranges(geography: Geography, areas: pd.DataFrame, folders: list[Path]) -> pd.DataFrame:
    """The street register as declared: ags, street_key, number_from, suffix_from, number_to, suffix_to, side, area."""
    register = geography.street_register
    assert register is not None
    path = next((folder / register.file for folder in folders if (folder / register.file).is_file()), None)
    if path is None:
        raise GeographyError(f"Das Straßenverzeichnis {register.file} fehlt. Gesucht in: {_listed(map(str, folders))}.")
    raw = pd.read_csv(path, sep=register.delimiter, dtype=str, keep_default_na=False)
    lacking = sorted(set(register.columns.values()) - set(raw.columns))
    if lacking:
        raise GeographyError(
            f"{register.file}: die Spalten {', '.join(lacking)} fehlen. Vorhanden: {_listed(raw.columns)}."
        )
    ranges = raw[list(register.columns.values())].set_axis(list(register.columns), axis=1)
    sides = {written: side for side, written in register.sides.items()}
    unknown = set(ranges["side"]) - set(sides)
    if unknown:
        raise GeographyError(f"{register.file}: unbekannte Angaben der Straßenseite: {_listed(sorted(unknown))}.")
    ranges["side"] = ranges["side"].map(sides)
    for name in ("number_from", "number_to"):
        ranges[name] = pd.to_numeric(ranges[name], errors="coerce").astype("Int64")
        if ranges[name].isna().any():
            row = ranges.index[ranges[name].isna()][0] + 2
            raise GeographyError(f"{register.file}, Zeile {row}: {register.columns[name]} ist keine Hausnummer.")
    for name in ("suffix_from", "suffix_to"):
        ranges[name] = ranges[name].str.lower()
    finest = set(areas.loc[(areas["geography"] == geography.id) & (areas["level_rank"] == 0), "area"])
    astray = sorted(set(ranges["area"]) - finest)
    if astray:
        raise GeographyError(
            f"{register.file}: diese Gebiete gibt es auf der Ebene {geography.levels[0].id} nicht: {_listed(astray)}."
        )
    return ranges.assign(geography=geography.id)


def _ancestors(areas: pd.DataFrame) -> pd.DataFrame:
    """Every area with itself and all areas above it."""
    identity = ["geography", "edition", "level", "level_rank", "area"]
    step = areas.assign(ancestor=areas["area"], ancestor_level=areas["level"], ancestor_rank=areas["level_rank"])
    step = step[[*identity, "ancestor", "ancestor_level", "ancestor_rank"]]
    above = areas[["geography", "edition", "level", "area", "parent", "parent_level"]].dropna(subset=["parent"])
    above = above.rename(columns={"level": "ancestor_level", "area": "ancestor"})
    found = [step]
    while len(step):
        step = step.merge(above, on=["geography", "edition", "ancestor_level", "ancestor"])
        step = step.assign(
            ancestor=step["parent"],
            ancestor_level=step["parent_level"],
            ancestor_rank=step["ancestor_rank"] + 1,
        )[[*identity, "ancestor", "ancestor_level", "ancestor_rank"]]
        found.append(step)
    return pd.concat([frame for frame in found if len(frame)], ignore_index=True)


def _with_municipality(areas: pd.DataFrame, ancestors: pd.DataFrame, level: str) -> pd.DataFrame:
    """The municipality an area lies in: its ancestor on the region's municipality level."""
    identity = ["geography", "edition", "level", "area"]
    municipality = ancestors.loc[ancestors["ancestor_level"] == level, [*identity, "ancestor"]]
    return areas.merge(municipality.rename(columns={"ancestor": "municipality"}), on=identity, how="left")


def _keys(frame: gpd.GeoDataFrame, layer: Layer) -> str:
    return _listed(frame[layer.key].astype(str).fillna(NO_KEY))


def _listed(keys: Iterable[str], at_most: int = 5) -> str:
    listed = list(keys)
    more = f" und {len(listed) - at_most} weitere" if len(listed) > at_most else ""
    return ", ".join(listed[:at_most]) + more
