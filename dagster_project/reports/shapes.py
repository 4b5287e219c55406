"""Outlines of areas as SVG path data, simplified once per level and without gaps between neighbours.

Reads rows of mart_area (level, rank, area, name, WKT); writes nothing. Lengths in the WKT are metres, those in the
paths are units of the view box.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
import shapely

from dagster_project.reports.errors import PageError
from dagster_project.reports.queries import Row

MAP_UNITS = 2000
LOCATOR_TOLERANCE = 8.0
_MARGIN = 10
_MOST_OUTLINES = 150  # more would not be told apart on a map as small as a stamp


class Shapes:
    """The geometry of one edition. Rows need: level, level_rank, area, name, geometry (WKT or null)."""

    def __init__(self, rows: Iterable[Row]) -> None:
        self._names: dict[str, dict[str, str]] = {}
        self._wkt: dict[str, dict[str, str]] = {}
        sizes: Counter[tuple[int, str]] = Counter()
        for row in rows:
            level, area = row["level"], row["area"]
            self._names.setdefault(level, {})[area] = row["name"]
            if row["geometry"]:
                self._wkt.setdefault(level, {})[area] = row["geometry"]
                sizes[row["level_rank"], level] += 1
        several = [key for key, count in sizes.items() if 1 < count <= _MOST_OUTLINES]
        self.outline_level = max(several or sizes or [(0, "")])[1]
        self._paths: dict[tuple[str, float], dict[str, str]] = {}
        self._places: dict[str, dict[str, tuple[int, int]]] = {}

    def names(self, level: str) -> Mapping[str, str]:
        """Area → name, of every area of the level, with or without geometry."""
        return self._names.get(level, {})

    @property
    def view_box(self) -> str:
        """The SVG viewBox with a small margin."""
        _, _, _, width, height = self._frame
        return f"{-_MARGIN} {-_MARGIN} {width + 2 * _MARGIN} {height + 2 * _MARGIN}"

    def part(self, level: str, areas: Sequence[str]) -> str:
        """The SVG viewBox around these areas; the whole one if none of them has geometry."""
        boxes = [box for area in areas if (box := self._box(level, area))]
        if not boxes:
            return self.view_box
        west, north = min(box[0] for box in boxes), min(box[1] for box in boxes)
        east, south = max(box[2] for box in boxes), max(box[3] for box in boxes)
        margin = max(_MARGIN, 0.05 * max(east - west, south - north))
        corner = f"{west - margin:.0f} {north - margin:.0f}"
        return f"{corner} {east - west + 2 * margin:.0f} {south - north + 2 * margin:.0f}"

    def paths(self, level: str, tolerance: float) -> Mapping[str, str]:
        """Area → path data in view-box units; areas without geometry are left out."""
        if level not in self._wkt:
            return {}
        if (level, tolerance) not in self._paths:
            keys, shapes = self._geometry[level]
            left, top, scale, _, _ = self._frame
            simple = shapely.coverage_simplify(shapes, tolerance / scale)
            placed = shapely.transform(simple, lambda xy: np.rint((xy - (left, top)) * (scale, -scale)))
            self._paths[(level, tolerance)] = dict(zip(keys, map(_path_data, placed), strict=True))
        return self._paths[(level, tolerance)]

    def places(self, level: str) -> Mapping[str, tuple[int, int]]:
        """Area → a point within it in view-box units, its middle where that lies inside."""
        if level not in self._wkt:
            return {}
        if level not in self._places:
            keys, shapes = self._geometry[level]
            left, top, scale, _, _ = self._frame
            middles = shapely.centroid(shapes)
            outside = ~shapely.contains(shapes, middles)
            middles[outside] = shapely.point_on_surface(shapes[outside])
            xy = np.rint((shapely.get_coordinates(middles) - (left, top)) * (scale, -scale)).astype(int).tolist()
            self._places[level] = {key: (x, y) for key, (x, y) in zip(keys, xy, strict=True)}
        return self._places[level]

    def size(self, level: str, areas: Collection[str]) -> float:
        """How much of the map these areas cover, in square units of the view box."""
        if level not in self._wkt:
            return 0.0
        keys, shapes = self._geometry[level]
        chosen = np.isin(keys, list(areas))
        return float(shapely.area(shapes[chosen]).sum() * self._frame[2] ** 2)

    def centre(self, level: str, area: str) -> tuple[int, int, int] | None:
        """Middle and half size of an area in view-box units, or None without geometry."""
        box = self._box(level, area)
        if box is None:
            return None
        west, north, east, south = box
        return round((west + east) / 2), round((north + south) / 2), math.ceil(max(east - west, south - north) / 2)

    def _box(self, level: str, area: str) -> tuple[float, float, float, float] | None:
        """West, north, east and south of an area in view-box units."""
        if area not in self._wkt.get(level, {}):
            return None
        left, top, scale, _, _ = self._frame
        west, south, east, north = self._bounds[level][area]
        return (west - left) * scale, (top - north) * scale, (east - left) * scale, (top - south) * scale

    @cached_property
    def _bounds(self) -> dict[str, dict[str, Any]]:
        return {
            level: dict(zip(keys, shapely.bounds(shapes).tolist(), strict=True))
            for level, (keys, shapes) in self._geometry.items()
        }

    @cached_property
    def _geometry(self) -> dict[str, tuple[list[str], Any]]:
        geometry = {}
        for level, areas in self._wkt.items():
            shapes = shapely.from_wkt(list(areas.values()))
            broken = ~shapely.is_valid(shapes)
            shapes[broken] = shapely.make_valid(shapes[broken], method="structure")
            if not np.isin(shapely.get_type_id(shapes), (3, 6)).all():
                raise PageError(f'mart_area: a geometry of level "{level}" is not a polygon')
            geometry[level] = (list(areas), shapes)
        return geometry

    @cached_property
    def _frame(self) -> tuple[float, float, float, int, int]:
        """Left, top, units per metre, width and height of the view box."""
        bounds = shapely.total_bounds(np.concatenate([shapes for _, shapes in self._geometry.values()]))
        left, bottom, right, top = (float(bound) for bound in bounds)
        scale = MAP_UNITS / max(right - left, top - bottom)
        return left, top, scale, math.ceil((right - left) * scale), math.ceil((top - bottom) * scale)


def _path_data(shape: Any) -> str:
    parts = []
    for polygon in shapely.get_parts(shape):
        for ring in (polygon.exterior, *polygon.interiors):
            points = [(int(x), int(y)) for x, y in ring.coords]
            steps = [(bx - ax, by - ay) for (ax, ay), (bx, by) in pairwise(points)]
            drawn = [step for step in steps if step != (0, 0)][:-1]
            if len(drawn) > 1:
                moves = "".join(f"{x}{y:+d}" if x < 0 else f" {x}{y:+d}" for x, y in drawn)
                parts.append(f"M{points[0][0]} {points[0][1]}l{moves.strip()}z")
    return "".join(parts)
