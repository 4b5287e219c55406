"""Geometry intake: an official file becomes a checked frame of areas in the region's CRS.

Reads  the files that sources/<region>/geographies/*.yml name (beside that file or in the inbox).
Writes nothing.

Nothing is repaired but what is declared, and a declared repair that finds nothing to repair fails:
then the publisher has mended the file and the declaration must go.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from pyproj.exceptions import CRSError

from dagster_project.declarations import Geography, Layer, Region, Repair

NO_KEY = "(ohne Schlüssel)"
GEOJSON = (".geojson", ".json")
GEOJSON_CRS = "EPSG:4326"


class GeographyError(Exception):
    """A geometry file that cannot be used as declared; the message is for the person who supplied it (German)."""


@dataclass(frozen=True)
class MissingFile:
    """An official file that is declared and not there."""

    path: str
    title: str
    origin: str


def find_file(file: str, folders: list[Path]) -> Path:
    """The file in the first folder that has it. Raises `GeographyError`."""
    path = next((folder / file for folder in folders if (folder / file).is_file()), None)
    if path is None:
        raise GeographyError(f"Die Datei {file} fehlt. Gesucht wurde in: {', '.join(map(str, folders))}.")
    return path


def read_layer(region: Region, layer: Layer, folders: list[Path]) -> gpd.GeoDataFrame:
    """A geometry file in the region's CRS, with valid polygons only."""
    assert layer.file is not None
    path = find_file(layer.file, folders)
    try:
        frame = gpd.read_file(path)
    except Exception as error:  # the reader raises many kinds; a clerk needs one clear sentence
        raise GeographyError(f"{layer.file}: die Datei ist keine lesbare Geometriedatei ({error}).") from error
    if not isinstance(frame, gpd.GeoDataFrame) or frame.empty:
        raise GeographyError(f"{layer.file}: die Datei enthält keine Flächen.")
    frame = _projected(frame, region, layer)
    for attribute in (*layer.key_attributes, layer.name, layer.type):
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


def repaired(frame: gpd.GeoDataFrame, repair: Repair, layer: Layer) -> gpd.GeoDataFrame:
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


def _keys(frame: gpd.GeoDataFrame, layer: Layer) -> str:
    return listed(layer_keys(frame, layer))


def layer_keys(frame: gpd.GeoDataFrame, layer: Layer) -> pd.Series:
    """The key of every feature, made up of all attributes that hold a part of it."""
    parts = [frame[attribute].astype(str) for attribute in layer.key_attributes]
    whole = parts[0].str.cat(parts[1:]) if len(parts) > 1 else parts[0]
    return whole.fillna(NO_KEY)


def listed(keys: Iterable[str], at_most: int = 5) -> str:
    listed = list(keys)
    more = f" und {len(listed) - at_most} weitere" if len(listed) > at_most else ""
    return ", ".join(listed[:at_most]) + more


def missing_files(geographies: list[Geography], folders: list[Path]) -> list[MissingFile]:
    """The declared geometry files that lie in none of the folders."""
    return [
        MissingFile(file, geography.title, geography.origin)
        for geography in geographies
        for file in sorted({x.file for edition in geography.editions for x in edition.layers.values() if x.file})
        if not any((folder / file).is_file() for folder in folders)
    ]
