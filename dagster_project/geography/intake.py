"""Geometry intake: an official file becomes a checked frame of areas in the region's CRS.

Reads  the files that sources/<region>/geographies/*.yml name (beside that file or in the inbox).
Writes nothing.

Nothing is repaired but what is declared, and a declared repair that finds nothing to repair fails:
then the publisher has mended the file and the declaration must go.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from pyproj import CRS
from pyproj.exceptions import CRSError

from dagster_project.declarations import Geography, Layer, Region, Repair
from dagster_project.tables import connect, literal, parquet_rows

NO_KEY = "(ohne Schlüssel)"
GEOJSON = (".geojson", ".json")
GEOJSON_CRS = "EPSG:4326"
GEOPARQUET = (".parquet", ".geoparquet")
GERMANY = (5.5, 47.0, 15.5, 55.5)
USUAL_CRS = (
    "EPSG:25832", "EPSG:25833", "EPSG:4647", "EPSG:5650", "EPSG:31466", "EPSG:31467", "EPSG:31468", "EPSG:31469",
    "EPSG:3035", "EPSG:3857",
)  # fmt: skip
# UTF-8 read as Windows-1252, and the sign that stands for what could not be read
GARBLED = "Ã[\u0080-\u00bf€-™]|Ã\u009f|ÃŸ|\ufffd"


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
        frame = _read_geoparquet(path) if path.suffix in GEOPARQUET else gpd.read_file(path, encoding=layer.encoding)
    except Exception as error:  # the readers raise many kinds; a clerk needs one clear sentence
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
    _refuse_garbled(frame, layer)
    frame["geometry"] = shapely.force_2d(frame.geometry.to_numpy())
    for repair in layer.repairs:
        frame = repaired(frame, repair, layer)
    invalid = frame[~frame.geometry.is_valid]
    if len(invalid):
        why = shapely.is_valid_reason(invalid.geometry.iloc[0])
        raise GeographyError(
            f"{layer.file}: ungültige Flächen bei {_keys(invalid, layer)} ({why}). Bitte die Datei berichtigen oder im "
            "Gliederungs-YAML unter „repairs“ eine Reparatur mit „mend: true“ erklären."
        )
    return _whole(frame, layer) if layer.parts else frame


def _read_geoparquet(path: Path) -> gpd.GeoDataFrame:
    """A GeoParquet file of any version with WKB geometry. Raises where it is none."""
    with connect() as connection:
        described = connection.execute(
            f"select decode(value) from parquet_kv_metadata({literal(path)}) where decode(key) = 'geo'"
        ).fetchone()
        if described is None:
            raise ValueError("die Parquet-Datei nennt keine Geometrie")
        about = json.loads(described[0])
        column = about["primary_column"]
        rows = connection.execute(f"from {parquet_rows(path)}").df()
    shapes = shapely.from_wkb([None if shape is None else bytes(shape) for shape in rows[column]])
    # the format says: no word about the coordinate system means degrees, null means that nobody knows
    crs = about["columns"][column].get("crs", GEOJSON_CRS)
    crs = CRS.from_json_dict(crs) if isinstance(crs, dict) else crs
    return gpd.GeoDataFrame(rows.drop(columns=column), geometry=shapes, crs=crs)


def _refuse_garbled(frame: gpd.GeoDataFrame, layer: Layer) -> None:
    """Umlauts read in the wrong encoding, told by what UTF-8 looks like in another, or by the sign of what was lost."""
    if layer.name is None:
        return
    garbled = frame[frame[layer.name].astype(str).str.contains(GARBLED, regex=True)]
    if len(garbled):
        example = garbled[layer.name].iloc[0]
        raise GeographyError(
            f"{layer.file}: unlesbare Zeichen im Namen bei {_keys(garbled, layer)} („{example}“). Bitte im "
            "Gliederungs-YAML unter „encoding“ die Kodierung der Merkmale erklären (utf-8, cp1252 oder latin-1)."
        )


def _whole(frame: gpd.GeoDataFrame, layer: Layer) -> gpd.GeoDataFrame:
    """One feature per key: the union of its parts, with the attributes of the first."""
    keys = layer_keys(frame, layer).to_numpy()
    outlines = frame.geometry.groupby(keys, sort=False).agg(lambda parts: shapely.union_all(parts.to_numpy()))
    first = frame[~pd.Series(keys, index=frame.index).duplicated()]
    return first.set_geometry(gpd.GeoSeries(outlines.to_numpy(), index=first.index, crs=frame.crs))


def _projected(frame: gpd.GeoDataFrame, region: Region, layer: Layer) -> gpd.GeoDataFrame:
    """The frame in the region's CRS; a declared CRS counts where the file states none."""
    assert layer.file is not None
    # a GeoJSON file without the member is read as if it stated degrees
    states_none = frame.crs is None or (Path(layer.file).suffix in GEOJSON and frame.crs == GEOJSON_CRS)
    try:
        if layer.crs is None and states_none and frame.crs is not None and not _are_degrees(frame.total_bounds):
            raise GeographyError(
                f"{layer.file}: die Koordinaten passen nicht zum Koordinatensystem {frame.crs.name}, das ohne Angabe "
                f"gilt. Bitte im Gliederungs-YAML unter „crs“ erklären: {_fitting(frame, region)}."
            )
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
                f"unter „crs“ erklären: {_fitting(frame, region)}."
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


def _are_degrees(bounds: Sequence[float]) -> bool:
    west, south, east, north = bounds
    return -180 <= west <= east <= 180 and -90 <= south <= north <= 90


def _fitting(frame: gpd.GeoDataFrame, region: Region) -> str:
    """The coordinate systems in which the coordinates lie in Germany, the region's own first, for a message."""
    found = []
    for name in dict.fromkeys((region.crs, *USUAL_CRS)):
        bounds = frame.set_crs(name, allow_override=True).to_crs(GEOJSON_CRS).total_bounds
        if shapely.box(*GERMANY).contains(shapely.box(*bounds)):
            found.append(name)
    return f"es passt {found[0]}" if found else "keines der üblichen passt, bitte beim Herausgeber erfragen"


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
    if repair.mend:
        if repaired.geometry[found].is_valid.any():
            raise GeographyError(
                f"{layer.file}: die erklärte Reparatur ({condition}) trifft eine Fläche, die gültig ist. Der "
                "Herausgeber hat die Datei vermutlich berichtigt: Reparatur im Gliederungs-YAML prüfen und entfernen."
            )
        mended = shapely.make_valid(repaired.geometry[found].to_numpy(), method="structure", keep_collapsed=False)
        repaired.loc[found, "geometry"] = mended
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
