"""Whether all outlines of a region fit together, and measure what is officially true.

Reads  the outlines that are already in the table of areas; a file again where a message needs to say what would fit.
Writes nothing.

A wrong coordinate system may still lie inside the Land. It is found by what else is known: the official area of a
municipality, the other editions and geographies of the region, the levels above and below.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import geopandas as gpd
import numpy as np
import numpy.typing as npt
import pandas as pd
import shapely
from pyproj import Transformer

from dagster_project.declarations import Edition, Geography, Layer, Region
from dagster_project.geography.coordinates import EQUAL_AREA, CoordinateReading, readings, square_kilometres, told
from dagster_project.geography.faults import GeographyError, german_number
from dagster_project.geography.intake import read_outlines

DISTORTION_PERCENT = 2.0
SAME_SIZE_METRES = 10.0
SHIFTED_METRES = 30.0
INSIDE = 0.9


@dataclass(frozen=True)
class _Drawn:
    """The outlines of one level of an edition, and the layer whose file they come from."""

    geography: Geography
    edition: Edition
    layer: Layer
    areas: pd.DataFrame
    outline: shapely.Geometry

    @property
    def title(self) -> str:
        return f"Gliederung {self.geography.id}, Gebietsstand {self.edition.id} ({self.layer.file})"


def check_location(region: Region, geographies: list[Geography], areas: pd.DataFrame, folders: list[Path]) -> None:
    """Raises `GeographyError` where areas do not measure what they should, or editions lie beside each other."""
    drawn = list(_drawn(geographies, areas, None))
    _check_scale(region, drawn)
    for one in _drawn(geographies, areas, region.municipality_level):
        _check_areas(region, one, folders)
    reported = [
        one for one in drawn if (one.geography.id, one.edition.id) == (region.geography, region.reporting_edition)
    ]
    for reference in reported:
        for one in drawn:
            if one is not reference:
                _check_common_ground(region, one, reference, folders)


def check_levels_meet(
    region: Region,
    finer: gpd.GeoDataFrame,
    coarser: gpd.GeoDataFrame,
    layers: tuple[Layer, Layer],
    folders: list[Path],
) -> None:
    """Raises `GeographyError` where most areas of a level lie in none of the level above, both from files."""
    if any(layer.outline != "file" for layer in layers):
        return
    points = shapely.point_on_surface(finer.geometry.to_numpy())
    inside, _ = shapely.STRtree(coarser.geometry.to_numpy()).query(points, predicate="intersects")
    lost = len(finer) - len(np.unique(inside))
    if lost > len(finer) / 2:
        below, here = (shapely.union_all(frame.geometry.to_numpy()) for frame in (finer, coarser))
        raise GeographyError(
            f"{layers[1].file}: von {len(finer)} Flächen der feineren Ebene ({layers[0].file}) liegen {lost} in keiner "
            "Fläche dieser Ebene; die Dateien liegen nicht am selben Ort. "
            f"{what_fits(region, (layers[0], here), (layers[1], below), folders)}"
        )


def _drawn(geographies: list[Geography], areas: pd.DataFrame, level: str | None) -> Iterator[_Drawn]:
    """Every edition on a level, where it has that, or on its coarsest; of outlines only."""
    for geography in geographies:
        ids = [item.id for item in geography.levels]
        rank = len(ids) - 1 if level is None else ids.index(level) if level in ids else -1
        if rank < 0:
            continue
        for edition in geography.editions:
            rows = areas[
                (areas["geography"] == geography.id)
                & (areas["edition"] == edition.id)
                & (areas["level_rank"] == rank)
                & areas["geometry"].notna()
            ]
            outlines = shapely.from_wkt(rows["geometry"].to_numpy(dtype=object))
            layers = [edition.layers[name] for name in ids[: rank + 1]]
            layer = next(layer for layer in reversed(layers) if layer.outline == "file")
            rows = rows[["area", "name"]].assign(outline=outlines)
            yield _Drawn(geography, edition, layer, rows, shapely.union_all(outlines))


def _check_scale(region: Region, drawn: list[_Drawn]) -> None:
    """A coordinate system that distorts areas makes every area and density of the region wrong."""
    for one in drawn:
        plain = one.outline.area / 1e6
        (true,) = square_kilometres(np.array([one.outline]), region.crs)
        if abs(plain - true) > DISTORTION_PERCENT / 100 * true:
            raise GeographyError(
                f"region.yml: im Koordinatensystem {region.crs} misst das Gebiet {german_number(plain)} km² statt "
                f"{german_number(true)} km². Bitte unter „crs“ eines erklären, das Flächen hier nicht verzerrt, etwa "
                "EPSG:25832 oder EPSG:25833."
            )


def _check_areas(region: Region, one: _Drawn, folders: list[Path]) -> None:
    """Every municipality has the area that is declared for it."""
    declared = {item.id: item.area_km2 for item in region.municipalities if item.area_km2 is not None}
    rows = one.areas[one.areas["area"].isin(list(declared))]
    allowed = one.edition.area_tolerance_percent
    measured = square_kilometres(rows["outline"].to_numpy(dtype=object), region.crs)
    for key, name, square_km in zip(rows["area"], rows["name"], measured, strict=True):
        official = declared[key]
        percent = 100 * (square_km / official - 1)
        if abs(percent) <= allowed:
            continue

        def is_right(reading: CoordinateReading, square_km: float = square_km, official: float = official) -> bool:
            ratio = _total(one.layer, folders, reading) / square_kilometres(np.array([one.outline]), region.crs)[0]
            return bool(abs(square_km * ratio / official - 1) <= allowed / 100)

        raise GeographyError(
            f"{one.layer.file}: {key} ({name}) misst {german_number(square_km)} km², in der region.yml sind unter "
            f"„area_km2“ {german_number(official)} km² erklärt ({german_number(percent, 1)} %, erlaubt sind "
            f"{german_number(allowed, 1)} %). Fehlt ein Teil, steht eines doppelt, oder ist das Koordinatensystem "
            "falsch? "
            f"{told(readings(_bounds(one.layer, folders), region, is_right))}. Stimmt die Datei: „area_km2“ "
            "berichtigen "
            "oder beim "
            f"Gebietsstand {one.edition.id} „area_tolerance_percent: {int(abs(percent)) + 1}“ erklären."
        )


def _check_common_ground(region: Region, one: _Drawn, reference: _Drawn, folders: list[Path]) -> None:
    """Another edition or geography of the region lies where the one lies that the region reports on."""
    smaller = min(one.outline.area, reference.outline.area)
    percent = 100 * shapely.intersection(one.outline, reference.outline).area / smaller
    demanded = one.edition.common_ground_percent
    if percent < demanded:
        raise GeographyError(
            f"{one.title} und {reference.title} liegen nicht am selben Ort: sie haben nur "
            f"{german_number(percent, 1)} % der "
            f"kleineren Fläche gemeinsam (verlangt sind {german_number(demanded, 1)} %). "
            f"{what_fits(region, (one.layer, reference.outline), (reference.layer, one.outline), folders)} Müssen "
            "sie sich "
            f"nicht decken, beim Gebietsstand {one.edition.id} „common_ground_percent: {int(percent)}“ erklären."
        )
    east, north = _shift(one.outline, reference.outline)
    if demanded > 0 and max(abs(east), abs(north)) > SHIFTED_METRES:
        raise GeographyError(
            f"{one.title} ist gegen {reference.title} verschoben, bei gleicher Größe um {german_number(east, 0)} m "
            "nach "
            f"Osten und {german_number(north, 0)} m nach Norden. Vermutlich wurde eine der Dateien ohne Wechsel des "
            "geodätischen Datums umgerechnet; bitte neu vom Herausgeber holen. Ist es so hinzunehmen, beim "
            f"Gebietsstand {one.edition.id} „common_ground_percent: 0“ erklären."
        )


def _shift(one: shapely.Geometry, other: shapely.Geometry) -> tuple[float, float]:
    """Metres east and north by which one outline lies beside another of the same size; 0 where their sizes differ."""
    west, south, east, north = (a - b for a, b in zip(one.bounds, other.bounds, strict=True))
    if max(abs(west - east), abs(south - north)) > SAME_SIZE_METRES:
        return 0.0, 0.0
    return (west + east) / 2, (south + north) / 2


# ---------------------------------------------------------------- what would fit


def what_fits(
    region: Region, one: tuple[Layer, shapely.Geometry], other: tuple[Layer, shapely.Geometry], folders: list[Path]
) -> str:
    """For two layers that lie apart, each with the place of the other: the reading that brings them together."""
    found = []
    for layer, place in (one, other):
        fits = readings(_bounds(layer, folders), region, partial(_lies_on, region, layer, place, folders))
        if fits:
            found.append(f"{told(fits)} für {layer.file}")
    hint = " oder ".join(found) if found else "Keines der üblichen Koordinatensysteme bringt sie zusammen"
    return f"{hint}. Bitte die Datei berichtigen oder „crs“, „wrong_crs“ und „axis_order“ der Ebene prüfen."


def _bounds(layer: Layer, folders: list[Path]) -> npt.NDArray[np.float64]:
    found: npt.NDArray[np.float64] = read_outlines(layer, folders).geometry.bounds.to_numpy()
    return found


def _total(layer: Layer, folders: list[Path], reading: CoordinateReading) -> float:
    """The square kilometres of all outlines of a file under a reading."""
    outlines = shapely.force_2d(read_outlines(layer, folders).geometry.to_numpy())
    if reading.swapped:
        outlines = shapely.transform(outlines, lambda points: points[:, ::-1])
    transformer = Transformer.from_crs(reading.crs, EQUAL_AREA, always_xy=True)
    return float(shapely.area(shapely.transform(outlines, transformer.transform, interleaved=False)).sum() / 1e6)


def _lies_on(
    region: Region, layer: Layer, place: shapely.Geometry, folders: list[Path], reading: CoordinateReading
) -> bool:
    """Whether most features of a file lie in a place under a reading."""
    centres = shapely.centroid(read_outlines(layer, folders).geometry.to_numpy())
    x, y = shapely.get_x(centres), shapely.get_y(centres)
    if reading.swapped:
        x, y = y, x
    x, y = Transformer.from_crs(reading.crs, region.crs, always_xy=True).transform(x, y)
    return bool(shapely.intersects_xy(place, x, y).mean() >= INSIDE)
