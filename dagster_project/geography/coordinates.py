"""Coordinates: in which system a file's numbers are, and whether they lie where the region can lie.

Reads and writes nothing.

A wrong coordinate system or exchanged axes give outlines that look right and lie, or measure, wrong. So coordinates
outside the region's Land are refused, and the message names the reading under which they would lie inside.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import numpy.typing as npt
import shapely
from pyproj import Transformer
from pyproj.exceptions import CRSError, ProjError

from dagster_project.declarations import Layer, Region
from dagster_project.geography.faults import GeographyError, listed

Floats = npt.NDArray[np.float64]
Bounds = npt.NDArray[np.float64]  # one row for each feature: west, south, east, north
Extent = tuple[float, float, float, float]

GEOJSON = (".geojson", ".json")
DEGREES = "EPSG:4326"
EQUAL_AREA = "EPSG:3035"
USUAL_CRS = (
    "EPSG:25832", "EPSG:25833", "EPSG:4647", "EPSG:5650", "EPSG:31466", "EPSG:31467", "EPSG:31468", "EPSG:31469",
    "EPSG:3035", DEGREES, "EPSG:3857",
)  # fmt: skip
# asked only where none of the usual fits: they lie within 200 m of these, or beside Germany
RARE_CRS = ("EPSG:25831", "EPSG:23032", "EPSG:23033", "EPSG:3068", "EPSG:2398", "EPSG:2399")
GERMANY: Extent = (5.8, 47.2, 15.1, 55.1)
# outer bounds of each Land, by the first two digits of a municipality key
LAENDER: dict[str, tuple[str, Extent]] = {
    "01": ("Schleswig-Holstein", (7.8, 53.3, 11.4, 55.1)),
    "02": ("Hamburg", (8.4, 53.3, 10.4, 54.0)),
    "03": ("Niedersachsen", (6.3, 51.2, 11.7, 54.0)),
    "04": ("Bremen", (8.4, 53.0, 9.0, 53.7)),
    "05": ("Nordrhein-Westfalen", (5.8, 50.3, 9.5, 52.6)),
    "06": ("Hessen", (7.7, 49.3, 10.3, 51.7)),
    "07": ("Rheinland-Pfalz", (6.1, 48.9, 8.6, 51.0)),
    "08": ("Baden-Württemberg", (7.5, 47.5, 10.5, 49.8)),
    "09": ("Bayern", (8.9, 47.2, 13.9, 50.6)),
    "10": ("Saarland", (6.3, 49.1, 7.5, 49.7)),
    "11": ("Berlin", (13.0, 52.3, 13.8, 52.7)),
    "12": ("Brandenburg", (11.2, 51.3, 14.8, 53.6)),
    "13": ("Mecklenburg-Vorpommern", (10.5, 53.1, 14.5, 54.7)),
    "14": ("Sachsen", (11.8, 50.1, 15.1, 51.7)),
    "15": ("Sachsen-Anhalt", (10.5, 50.9, 13.2, 53.1)),
    "16": ("Thüringen", (9.8, 50.2, 12.7, 51.7)),
}
MARGIN = 0.3  # degrees: other geographies may reach beyond the Land's border


@dataclass(frozen=True)
class CoordinateReading:
    """A way to read the numbers of a file."""

    crs: str
    swapped: bool

    def __str__(self) -> str:
        return f"{self.crs} mit vertauschten Achsen (Hochwert vor Rechtswert)" if self.swapped else self.crs


# ---------------------------------------------------------------- where the region can lie


def extent(region: Region) -> tuple[str, Extent]:
    """What it is called and west, south, east, north in degrees: as declared, else the Länder of its municipalities."""
    if region.extent is not None:
        return "dem Bereich, der in der region.yml unter „extent“ erklärt ist", region.extent
    known = {item.id[:2] for item in region.municipalities}
    if not known <= set(LAENDER):
        return "Deutschland", _wider(GERMANY)
    names = " und ".join(LAENDER[land][0] for land in sorted(known))
    west, south, east, north = (
        choose(LAENDER[land][1][side] for land in known) for side, choose in enumerate((min, min, max, max))
    )
    return names, _wider((west, south, east, north))


def _wider(box: Extent) -> Extent:
    west, south, east, north = box
    return west - MARGIN, south - MARGIN, east + MARGIN, north + MARGIN


def outside(bounds: Bounds, crs: Any, box: Extent) -> npt.NDArray[np.bool_]:
    """Which features do not lie wholly inside a box in degrees."""
    west, south, east, north = _in_degrees(bounds, crs).T
    # what cannot be transformed is no number, and lies nowhere
    inside: npt.NDArray[np.bool_] = (west >= box[0]) & (south >= box[1]) & (east <= box[2]) & (north <= box[3])
    return ~inside


def _in_degrees(bounds: Bounds, crs: Any) -> Bounds:
    west, south, east, north = bounds.T
    corners = np.stack([west, west, east, east]), np.stack([south, north, south, north])
    x, y = Transformer.from_crs(crs, DEGREES, always_xy=True).transform(*corners)
    x, y = (np.where(np.isfinite(part), part, np.nan) for part in (x, y))
    return np.stack([x.min(axis=0), y.min(axis=0), x.max(axis=0), y.max(axis=0)], axis=1)


def readings(
    bounds: Bounds, region: Region, is_right: Callable[[CoordinateReading], bool] = lambda reading: True
) -> list[CoordinateReading]:
    """The readings under which all features lie where the region can, and that are right."""
    return next((found for names in (USUAL_CRS, RARE_CRS) if (found := _readings(names, bounds, region, is_right))), [])


def _readings(
    names: tuple[str, ...], bounds: Bounds, region: Region, is_right: Callable[[CoordinateReading], bool]
) -> list[CoordinateReading]:
    _, box = extent(region)
    found = []
    for swapped in (False, True):
        read = bounds[:, [1, 0, 3, 2]] if swapped else bounds
        for name in dict.fromkeys((region.crs, *names)):
            reading = CoordinateReading(name, swapped)
            try:
                fits = not outside(read, name, box).any() and is_right(reading)
            except ProjError:
                fits = False
            if fits:
                found.append(reading)
    return found


def told(found: list[CoordinateReading]) -> str:
    """The readings that fit, as a part of a message."""
    if not found:
        return "Keines der üblichen Koordinatensysteme passt, auch nicht mit vertauschten Achsen"
    return f"Es {'passen' if len(found) > 1 else 'passt'} {listed(map(str, found), at_most=3)}"


# ---------------------------------------------------------------- layers


def projected(frame: gpd.GeoDataFrame, region: Region, layer: Layer, keys: Callable[[Any], str]) -> gpd.GeoDataFrame:
    """A layer in the region's CRS. Raises `GeographyError` where it does not lie where the region can.

    A declared CRS counts where the file states none, or the wrong one that is declared. `keys` names features.
    """
    assert layer.file is not None
    frame = _with_axes(frame, layer)
    try:
        frame = _with_crs(frame, region, layer)
    except CRSError as error:
        raise GeographyError(
            f"{layer.file}: das Koordinatensystem {layer.crs}, im Gliederungs-YAML unter „crs“ erklärt, ist "
            f"unbekannt ({error})."
        ) from error
    place, box = extent(region)
    bounds = frame.geometry.bounds.to_numpy()
    astray = outside(bounds, frame.crs, box) & ~np.isnan(bounds).any(axis=1)
    if astray.all():
        raise GeographyError(
            f"{layer.file}: die Koordinaten passen nicht zum Koordinatensystem {frame.crs.name} ({_told_by(layer)}): "
            f"die Flächen lägen nicht in {place}. {_written(bounds)} "
            f"{told(readings(_as_in_file(bounds, layer), region))}."
            f" {_remedy()}"
        )
    if astray.any():
        raise GeographyError(
            f"{layer.file}: {astray.sum()} von {len(frame)} Flächen lägen mit dem Koordinatensystem {frame.crs.name} "
            f"nicht in {place}: {keys(frame[astray])}. {_written(bounds[astray])} Bitte diese Flächen berichtigen."
        )
    return frame.to_crs(region.crs)


def _with_axes(frame: gpd.GeoDataFrame, layer: Layer) -> gpd.GeoDataFrame:
    if layer.axis_order == "east_north":
        return frame
    flat = shapely.force_2d(frame.geometry.to_numpy())
    return frame.set_geometry(gpd.GeoSeries(_swapped(flat), index=frame.index, crs=frame.crs))


def _swapped(outlines: Any) -> Any:
    return shapely.transform(outlines, lambda points: points[:, ::-1])


def _with_crs(frame: gpd.GeoDataFrame, region: Region, layer: Layer) -> gpd.GeoDataFrame:
    assert layer.file is not None
    # a GeoJSON file without the member is read as if it stated degrees
    states_none = frame.crs is None or (Path(layer.file).suffix in GEOJSON and frame.crs == DEGREES)
    if layer.wrong_crs is not None:
        if frame.crs is None or frame.crs != layer.wrong_crs:
            stated = "keines" if frame.crs is None else frame.crs.name
            raise GeographyError(
                f"{layer.file}: im Gliederungs-YAML steht unter „wrong_crs“, dass die Datei fälschlich "
                f"{layer.wrong_crs} "
                f"nennt; sie nennt {stated}. Der Herausgeber hat die Datei vermutlich berichtigt: „wrong_crs“ und "
                "„crs“ "
                "prüfen und entfernen."
            )
        return frame.set_crs(layer.crs, allow_override=True)
    if layer.crs is not None and states_none:
        return frame.set_crs(layer.crs, allow_override=True)
    if layer.crs is not None and frame.crs != layer.crs:
        raise GeographyError(
            f"{layer.file}: die Datei nennt das Koordinatensystem {frame.crs.name}, im Gliederungs-YAML steht "
            f"unter „crs“ {layer.crs}. Bitte dort entfernen oder die Datei berichtigen; nennt sie ein falsches, dieses "
            "unter „wrong_crs“ erklären."
        )
    if frame.crs is None:
        raise GeographyError(
            f"{layer.file}: das Koordinatensystem fehlt. Bitte in der Datei angeben oder im Gliederungs-YAML unter "
            f"„crs“ erklären. {told(readings(frame.geometry.bounds.dropna().to_numpy(), region))}."
        )
    return frame


def _told_by(layer: Layer) -> str:
    if layer.crs is None:
        return "von der Datei genannt, oder bei GeoJSON ohne Angabe gültig"
    return "im Gliederungs-YAML unter „crs“ erklärt"


def _written(bounds: Bounds) -> str:
    west, south, east, north = np.nanmin(bounds[:, :2], axis=0).tolist() + np.nanmax(bounds[:, 2:], axis=0).tolist()
    return (
        f"Geschrieben sind Rechtswerte von {west:.10g} bis {east:.10g} und Hochwerte von {south:.10g} bis {north:.10g}."
    )


def _as_in_file(bounds: Bounds, layer: Layer) -> Bounds:
    return bounds[:, [1, 0, 3, 2]] if layer.axis_order == "north_east" else bounds


def _remedy() -> str:
    return (
        "Bitte die Datei berichtigen oder im Gliederungs-YAML erklären: das richtige unter „crs“ (nennt die Datei ein "
        "falsches, dieses unter „wrong_crs“), vertauschte Achsen mit „axis_order: north_east“."
    )


# ---------------------------------------------------------------- square kilometres


def square_kilometres(outlines: Any, crs: str) -> Floats:
    """The true area of outlines, whatever the scale of their coordinate system."""
    transformer = Transformer.from_crs(crs, EQUAL_AREA, always_xy=True)
    return np.asarray(shapely.area(shapely.transform(outlines, transformer.transform, interleaved=False)) / 1e6)
