"""Geometry intake: an official file becomes a checked frame of areas in the region's CRS.

Reads  the files that sources/<region>/geographies/*.yml name (beside that file or in the inbox).
Writes nothing.

Nothing is repaired but what is declared, and a declared repair that finds nothing to repair fails:
then the publisher has mended the file and the declaration must go.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import geopandas as gpd
import pandas as pd
import shapely
from pyproj import CRS

from dagster_project.damaged_text import damage
from dagster_project.declarations import Geography, Layer, Region, Repair
from dagster_project.geography.coordinates import DEGREES, projected
from dagster_project.geography.faults import GeographyError, listed
from dagster_project.tables import composed, connect, literal, parquet_rows

NO_KEY = "(ohne Schlüssel)"
GEOPARQUET = (".parquet", ".geoparquet")


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
    frame = projected(read_outlines(layer, folders), region, layer, lambda rows: _keys(rows, layer))
    _refuse_damaged(frame, layer)
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


def read_outlines(layer: Layer, folders: list[Path]) -> gpd.GeoDataFrame:
    """The features of a geometry file as they are written; all have the declared attributes and are polygons."""
    frame = _read_features(layer, folders)
    for attribute in (*layer.key_attributes, layer.name, layer.type):
        if attribute is not None and attribute not in frame.columns:
            found = ", ".join(str(column) for column in frame.columns if column != "geometry")
            raise GeographyError(
                f"{layer.file}: das Merkmal „{attribute}“ fehlt. Vorhanden sind: {found}. Bitte im Gliederungs-YAML "
                "unter „key“, „name“ oder „type“ das richtige nennen."
            )
    empty = frame[frame.geometry.isna() | frame.geometry.is_empty]
    if len(empty):
        raise GeographyError(
            f"{layer.file}: ohne Geometrie sind: {_features(empty, layer)}. Bitte ihre Flächen ergänzen oder sie "
            "löschen."
        )
    other = frame[~frame.geometry.geom_type.isin(["Polygon", "MultiPolygon"])]
    if len(other):
        kinds = ", ".join(sorted(set(other.geometry.geom_type)))
        raise GeographyError(
            f"{layer.file}: keine Flächen sind: {_features(other, layer)} ({kinds}). Gebraucht werden Polygone."
        )
    return frame


def _read_features(layer: Layer, folders: list[Path]) -> gpd.GeoDataFrame:
    assert layer.file is not None
    path = find_file(layer.file, folders)
    try:
        frame = _read_any(path, layer)
    except UnicodeDecodeError as error:
        raise GeographyError(
            f"{layer.file}: die Merkmale sind nicht in der Kodierung {layer.encoding or error.encoding} geschrieben. "
            "Bitte im Gliederungs-YAML unter „encoding“ die richtige erklären (utf-8, cp1252 oder latin-1)."
        ) from error
    except Exception as error:  # the readers raise many kinds; a clerk needs one clear sentence
        _name_unreadable(path, layer, error)
        raise GeographyError(
            f"{layer.file}: die Datei ist keine lesbare Geometriedatei ({error}). Bitte neu vom Herausgeber holen; "
            "gelesen werden GeoPackage, GeoJSON, Shapefile und GeoParquet."
        ) from error
    if not isinstance(frame, gpd.GeoDataFrame) or frame.empty:
        raise GeographyError(f"{layer.file}: die Datei enthält keine Flächen.")
    return _composed(frame)


def _read_any(path: Path, layer: Layer, on_invalid: Literal["raise", "ignore"] = "raise") -> gpd.GeoDataFrame:
    if path.suffix in GEOPARQUET:
        return _read_geoparquet(path, on_invalid)
    return gpd.read_file(path, encoding=layer.encoding, on_invalid=on_invalid)


def _name_unreadable(path: Path, layer: Layer, error: Exception) -> None:
    """Raises `GeographyError` with the features that made the whole file unreadable, where it is single ones."""
    try:
        frame = _read_any(path, layer, on_invalid="ignore")
    except Exception:  # no single feature to name: the caller tells the first error
        return
    unreadable = frame[frame.geometry.isna()]
    if len(unreadable) and all(name in frame.columns for name in layer.key_attributes):
        raise GeographyError(
            f"{layer.file}: nicht lesbar ist die Geometrie von {_features(unreadable, layer)} ({error}). Bitte diese "
            "Flächen berichtigen: jeder Ring braucht mindestens vier Punkte, und der letzte ist der erste."
        ) from error


def _read_geoparquet(path: Path, on_invalid: Literal["raise", "ignore"]) -> gpd.GeoDataFrame:
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
    shapes = shapely.from_wkb(
        [None if shape is None else bytes(shape) for shape in rows[column]], on_invalid=on_invalid
    )
    # the format says: no word about the coordinate system means degrees, null means that nobody knows
    crs = about["columns"][column].get("crs", DEGREES)
    crs = CRS.from_json_dict(crs) if isinstance(crs, dict) else crs
    return gpd.GeoDataFrame(rows.drop(columns=column), geometry=shapes, crs=crs)


def _composed(frame: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    """The frame with every letter and its accent as one sign, in the names of attributes and in their texts."""
    texts = [name for name in frame.columns if pd.api.types.is_string_dtype(frame[name].dtype)]
    changed = {name: frame[name].map(lambda text: composed(text) if isinstance(text, str) else text) for name in texts}
    return frame.assign(**changed).rename(columns={name: composed(str(name)) for name in texts})


def _refuse_damaged(frame: gpd.GeoDataFrame, layer: Layer) -> None:
    """Names and keys that were read in the wrong encoding, or have lost letters."""
    for attribute in dict.fromkeys((*layer.key_attributes, layer.name, layer.type)):
        if attribute is None:
            continue
        causes = frame[attribute].dropna().astype(str).map(damage).dropna()
        if len(causes):
            where = "Namen" if attribute == layer.name else f"Merkmal „{attribute}“"
            example = frame[attribute].loc[causes.index[0]]
            raise GeographyError(
                f"{layer.file}: unlesbare Zeichen im {where} bei "
                f"{_keys(frame.loc[causes.index], layer)} („{example}“): {causes.iloc[0]}. Bitte im Gliederungs-YAML "
                "unter „encoding“ die Kodierung der Merkmale erklären (utf-8, cp1252 oder latin-1) oder die Datei "
                "neu beziehen."
            )


def _whole(frame: gpd.GeoDataFrame, layer: Layer) -> gpd.GeoDataFrame:
    """One feature per key: the union of its parts, with the attributes of the first."""
    keys = layer_keys(frame, layer).to_numpy()
    outlines = frame.geometry.groupby(keys, sort=False).agg(lambda parts: shapely.union_all(parts.to_numpy()))
    first = frame[~pd.Series(keys, index=frame.index).duplicated()]
    return first.set_geometry(gpd.GeoSeries(outlines.to_numpy(), index=first.index, crs=frame.crs))


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


def _features(frame: gpd.GeoDataFrame, layer: Layer) -> str:
    """Key and place in the file of each feature; a feature without a key has at least its place."""
    keys = layer_keys(frame, layer)
    return listed(f"{key} ({place + 1}. Fläche der Datei)" for place, key in keys.items())


def layer_keys(frame: gpd.GeoDataFrame, layer: Layer) -> pd.Series:
    """The key of every feature, made up of all attributes that hold a part of it."""
    parts = [frame[attribute].astype(str) for attribute in layer.key_attributes]
    whole = parts[0].str.cat(parts[1:]) if len(parts) > 1 else parts[0]
    return whole.fillna(NO_KEY)


def missing_files(geographies: list[Geography], folders: list[Path]) -> list[MissingFile]:
    """The declared geometry files that lie in none of the folders."""
    return [
        MissingFile(file, geography.title, geography.origin)
        for geography in geographies
        for file in sorted({x.file for edition in geography.editions for x in edition.layers.values() if x.file})
        if not any((folder / file).is_file() for folder in folders)
    ]
