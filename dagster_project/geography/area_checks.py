"""Checks of the areas of one level, and of a level with the one above it.

Reads and writes nothing.
"""

from __future__ import annotations

import re

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from dagster_project.declarations import Edition, Geography, Layer, Level
from dagster_project.geography.faults import GeographyError, german_number, listed


def check_types(rows: pd.DataFrame, geography: Geography, layer: Layer) -> None:
    unknown = rows[rows["area_type"].notna() & ~rows["area_type"].isin(list(geography.area_types))]
    if len(unknown):
        raise GeographyError(
            f"{layer.file}: unbekannte Gebietstypen ({listed(sorted(set(unknown['area_type'])))}) bei "
            f"{listed(unknown['area'])}. Unter „area_types“ erklärt sind: {listed(geography.area_types)}."
        )


def check_keys(frame: gpd.GeoDataFrame, level: Level, layer: Layer) -> None:
    where = layer.file or level.id
    wrong = frame[~frame["area"].map(lambda key: bool(re.fullmatch(level.key, key)))]
    if len(wrong):
        raise GeographyError(
            f"{where}: Schlüssel passen nicht zum Muster {level.key} der Ebene {level.id}: {_named(wrong)}. Bitte die "
            "Datei oder im Gliederungs-YAML „key“ berichtigen."
        )
    nameless = frame[frame["name"].isna()]
    if len(nameless):
        raise GeographyError(
            f"{where}: ohne Namen sind: {_named(nameless)}. Bitte das Merkmal „{layer.name}“ füllen oder unter "
            "„name“ ein "
            "anderes nennen."
        )
    twice = frame[frame["area"].duplicated(keep=False)]
    if len(twice):
        named = ", ".join(f"{key} ({name})" for key, name in zip(twice["area"], twice["name"], strict=True))
        raise GeographyError(f"{where}: doppelte Schlüssel: {named}. Im Gliederungs-YAML eine Reparatur erklären.")


def check_overlaps(frame: gpd.GeoDataFrame, edition: Edition, layer: Layer) -> None:
    """Areas of one level must not overlap each other beyond the declared tolerance."""
    outlines = frame.geometry.to_numpy()
    first, second = shapely.STRtree(outlines).query(outlines, predicate="intersects")
    pairs = first < second
    common = shapely.area(shapely.intersection(outlines[first[pairs]], outlines[second[pairs]]))
    too_much = np.flatnonzero(common > edition.overlap_tolerance_m2)
    if not len(too_much):
        return
    widest = too_much[common[too_much].argmax()]
    one, other = (
        f"{row['area']} ({german_number(row.geometry.area, 1)} m²)"
        for _, row in frame.iloc[[first[pairs][widest], second[pairs][widest]]].iterrows()
    )
    more = f" {len(too_much) - 1} weitere Paare überlappen sich weniger." if len(too_much) > 1 else ""
    raise GeographyError(
        f"{layer.file}: die Flächen {one} und {other} überlappen sich um {german_number(common[widest], 1)} m²."
        f"{more} {_tolerated('overlap_tolerance_m2', edition, common[widest])}"
    )


def _tolerated(key: str, edition: Edition, square_metres: float) -> str:
    """How a difference may be tolerated, for a message."""
    return (
        f"Erlaubt: {german_number(getattr(edition, key), 1)} m². Bitte die Datei berichtigen oder, wenn es so "
        "hinzunehmen "
        f"ist, im Gliederungs-YAML beim Gebietsstand {edition.id} erklären: „{key}: {int(square_metres) + 1}“."
    )


def check_nesting(
    finer: gpd.GeoDataFrame, coarser: gpd.GeoDataFrame, edition: Edition, layers: tuple[Layer, Layer], level: Level
) -> None:
    """Every finer area lies inside its parent, and the finer areas leave no gap in any coarser one."""
    below, layer = layers
    where = layer.file or f"Gebietsstand {edition.id}, Ebene {level.id}"
    outlines = coarser.set_index("area")["geometry"]
    orphans = finer[~finer["parent"].isin(outlines.index)]
    if len(orphans):
        raise GeographyError(
            f"{where}: das Elterngebiet fehlt auf der Ebene {level.id} für {_parented(orphans)}. Vorhanden sind: "
            f"{listed(outlines.index)}."
        )
    childless = sorted(set(outlines.index) - set(finer["parent"]))
    if childless:
        raise GeographyError(
            f"{where}: kein Gebiet der feineren Ebene ({below.file or 'aus „names“'}) liegt in "
            f"{listed(childless)}. Bitte "
            "sie ergänzen oder dieses Gebiet entfernen."
        )
    if layer.outline == "dissolve":
        return  # the union of its parts fits them
    parents = finer["parent"].map(outlines).to_numpy()
    outside = shapely.area(shapely.difference(finer.geometry.to_numpy(), parents))
    worst = outside.argmax()
    if outside[worst] > edition.nesting_tolerance_m2:
        raise GeographyError(
            f"{where}: {finer['area'].iloc[worst]} ({below.file}) ragt {german_number(outside[worst], 1)} m² aus "
            "seinem "
            f"Elterngebiet {finer['parent'].iloc[worst]} heraus. "
            f"{_tolerated('nesting_tolerance_m2', edition, outside[worst])}"
        )
    filled = finer.dissolve(by="parent")["geometry"].reindex(outlines.index)
    gaps = shapely.area(shapely.difference(outlines.to_numpy(), filled.to_numpy()))
    widest = gaps.argmax()
    if gaps[widest] > edition.nesting_tolerance_m2:
        raise GeographyError(
            f"{where}: in {outlines.index[widest]} bleiben {german_number(gaps[widest], 1)} m² ohne Gebiet der "
            "feineren "
            f"Ebene ({below.file}). Fehlt dort ein Gebiet? "
            f"{_tolerated('nesting_tolerance_m2', edition, gaps[widest])}"
        )


def _named(rows: pd.DataFrame) -> str:
    """Key and name of each row, and its place in the file, for a message."""
    found = zip(rows.index, rows["area"], rows["name"], strict=True)
    return listed(f"{key} ({name}, {place + 1}. Fläche der Datei)" for place, key, name in found)


def _parented(rows: pd.DataFrame) -> str:
    return listed(f"{area} (Elterngebiet {parent})" for area, parent in zip(rows["area"], rows["parent"], strict=True))
