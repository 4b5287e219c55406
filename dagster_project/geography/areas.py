"""Areas of all levels of a geography: nested, without gaps and overlaps, with everything above them.

Reads  checked frames from `intake`.
Writes nothing.
"""

from __future__ import annotations

import re
from pathlib import Path

import geopandas as gpd
import pandas as pd
import shapely

from dagster_project.declarations import Edition, Geography, Layer, Level, Parent, Region, unallocated
from dagster_project.geography.intake import GeographyError, layer_keys, listed, read_layer

COORDINATE_DIGITS = 2  # centimetres


def edition_areas(region: Region, geography: Geography, edition: Edition, folders: list[Path]) -> pd.DataFrame:
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
        source = read_layer(region, layer, folders)
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


def _attributes(source: gpd.GeoDataFrame, level: Level, layer: Layer) -> pd.DataFrame:
    key = layer_keys(source, layer)
    area = key.str[-layer.key_last :] if layer.key_last else key
    rows = pd.DataFrame(
        {"area": area, "name": source[layer.name], "area_type": source[layer.type].astype(str) if layer.type else None}
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
            f"{layer.file}: unbekannte Gebietstypen ({listed(sorted(set(unknown['area_type'])))}) bei "
            f"{listed(unknown['area'])}. Erklärt sind: {listed(geography.area_types)}."
        )


def _check_keys(frame: gpd.GeoDataFrame, level: Level, layer: Layer) -> None:
    where = layer.file or level.id
    wrong = frame[~frame["area"].map(lambda key: bool(re.fullmatch(level.key, key)))]
    if len(wrong):
        raise GeographyError(
            f"{where}: Schlüssel passen nicht zum Muster {level.key} der Ebene {level.id}: {listed(wrong['area'])}."
        )
    nameless = frame[frame["name"].isna()]
    if len(nameless):
        raise GeographyError(f"{where}: ohne Namen sind: {listed(nameless['area'])}.")
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
            f"{layer.file or level.id}: das Elterngebiet fehlt auf der Ebene {level.id} für {listed(orphans['area'])}."
        )
    childless = sorted(set(outlines.index) - set(finer["parent"]))
    if childless:
        raise GeographyError(f"{layer.file or level.id}: kein Gebiet der feineren Ebene liegt in {listed(childless)}.")
    if layer.outline == "dissolve":
        return  # the union of its parts fits them
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
        raise GeographyError(f"{layer.file}: in keinem Gebiet liegen {listed(finer['area'][parents.isna()])}.")
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


def area_ancestors(areas: pd.DataFrame) -> pd.DataFrame:
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


def with_municipality(areas: pd.DataFrame, ancestors: pd.DataFrame, level: str) -> pd.DataFrame:
    """The municipality an area lies in: its ancestor on the region's municipality level."""
    identity = ["geography", "edition", "level", "area"]
    municipality = ancestors.loc[ancestors["ancestor_level"] == level, [*identity, "ancestor"]]
    return areas.merge(municipality.rename(columns={"ancestor": "municipality"}), on=identity, how="left")
