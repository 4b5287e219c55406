"""Areas of all levels of a geography: nested, without gaps and overlaps, with everything above them.

Reads  checked frames from `intake`.
Writes nothing.
"""

from __future__ import annotations

from pathlib import Path

import geopandas as gpd
import pandas as pd
import shapely

from dagster_project.declarations import Edition, Geography, Layer, Level, Parent, Region, unallocated
from dagster_project.geography.area_checks import check_keys, check_nesting, check_overlaps, check_types
from dagster_project.geography.faults import GeographyError, listed
from dagster_project.geography.intake import layer_keys, read_layer
from dagster_project.geography.location import check_levels_meet

COORDINATE_DIGITS = 2  # centimetres


def edition_areas(region: Region, geography: Geography, edition: Edition, folders: list[Path]) -> pd.DataFrame:
    """Areas of all levels of one edition, from fine to coarse, nested and checked."""
    levels: list[gpd.GeoDataFrame] = []
    for level in geography.levels:
        layer = edition.layers[level.id]
        finer = levels[-1] if levels else None
        frame = _layer_areas(region, geography, level, layer, finer, folders)
        check_keys(frame, level, layer)
        check_overlaps(frame, edition, layer)
        if finer is not None:
            below = edition.layers[geography.levels[len(levels) - 1].id]
            check_levels_meet(region, finer, frame, (below, layer), folders)
            if geography.levels[len(levels) - 1].parent == Parent(within=True):
                finer["parent"] = _located(finer, frame, layer)
            check_nesting(finer, frame, edition, (below, layer), level)
        levels.append(frame)
    tables = [_as_table(frame, geography, edition, rank) for rank, frame in enumerate(levels)]
    if geography.street_register:
        tables += _unallocated_areas(region, geography, edition, tables)
    areas = pd.concat(tables)
    unknown = set(edition.areas) - set(areas["area"])
    if unknown:
        raise GeographyError(
            f"Gliederung {geography.id}, Gebietsstand {edition.id}: unter „areas“ sind Schlüssel erklärt, "
            f"die es in den Dateien nicht gibt: {', '.join(sorted(unknown))}. Bitte dort berichtigen oder entfernen."
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
        source = None
        rows = pd.DataFrame({"area": list(layer.names), "name": list(layer.names.values()), "area_type": None})
    else:
        source = read_layer(region, layer, folders)
        rows = _attributes(source, layer)
        check_types(rows, geography, layer)
    rows = rows.assign(parent=_parents(rows, source, level, layer))
    if layer.outline == "dissolve":
        if finer is None:
            raise GeographyError(
                f"Gliederung {geography.id}: die Ebene {level.id} ist die feinste und kann nicht „outline: dissolve“ "
                "haben. Bitte dort eine Datei nennen."
            )
        outlines = finer.dissolve(by="parent")["geometry"]
        lacking = sorted(set(rows["area"]) - set(outlines.index))
        if lacking:
            raise GeographyError(
                f"{layer.file or f'Gliederung {geography.id}, Ebene {level.id}'}: zu {listed(lacking)} gehört kein "
                "Gebiet "
                f"der feineren Ebene. Deren Elterngebiete sind: {listed(sorted(map(str, outlines.index))) or 'keine'}."
            )
        return gpd.GeoDataFrame(rows, geometry=rows["area"].map(outlines).to_numpy(), crs=region.crs)
    assert source is not None
    return gpd.GeoDataFrame(rows, geometry=source.geometry.to_numpy(), crs=source.crs)


def _attributes(source: gpd.GeoDataFrame, layer: Layer) -> pd.DataFrame:
    key = layer_keys(source, layer)
    area = key.str[-layer.key_last :] if layer.key_last else key
    return pd.DataFrame(
        {"area": area, "name": source[layer.name], "area_type": source[layer.type].astype(str) if layer.type else None}
    )


def _parents(rows: pd.DataFrame, source: gpd.GeoDataFrame | None, level: Level, layer: Layer) -> pd.Series | str | None:
    """The key of each area's parent as the level declares it; None where there is none, or it is yet to be located."""
    parent = level.parent
    if parent is None or parent.within:
        return None
    if parent.prefix is not None:
        return rows["area"].str[: parent.prefix]
    if parent.constant is not None:
        return parent.constant
    assert source is not None  # a layer of names alone has no attributes, which its declaration forbids
    if parent.attribute not in source.columns:
        raise GeographyError(
            f"{layer.file}: das Merkmal „{parent.attribute}“ fehlt (Schlüssel des Elterngebiets). Bitte im "
            f"Gliederungs-YAML unter „parent“ der Ebene {level.id} das richtige nennen."
        )
    return source[parent.attribute].astype(str)


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
        raise GeographyError(
            f"{layer.file}: in keinem Gebiet dieser Ebene liegen {listed(finer['area'][parents.isna()])} der feineren. "
            "Bitte die Flächen berichtigen."
        )
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
