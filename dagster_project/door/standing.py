"""The release in force, held open: whoever asks gets one release and keeps it, whatever is put in force meanwhile.

Reads  `current` and the `marts.duckdb` it leads to; writes nothing.
"""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Any

import duckdb
import pyproj
import shapely
from shapely.geometry.polygon import orient

from dagster_project.tables import open_for_reading

DECIMALS = 7  # of a degree: a centimetre


class NoRelease(Exception):
    """There is nothing to answer from yet."""


@dataclass(frozen=True)
class Area:
    """An area with its outline as GeoJSON in longitude and latitude (CRS84), as RFC 7946 wants it."""

    level: str
    key: str
    municipality: str | None
    properties: dict[str, Any]
    valid_from: date | None
    valid_to: date | None
    shape: shapely.Geometry
    outline: dict[str, Any]


@dataclass(frozen=True)
class Level:
    id: str
    name: str
    plural: str


@dataclass
class Standing:
    """A release, opened once; each request works on a cursor of its own."""

    id: str
    database: duckdb.DuckDBPyConnection
    geography: str
    edition: str
    region: str
    licence: str
    crs: str
    _preparing: threading.Lock = field(default_factory=threading.Lock)

    def rows(self, query: str, parameters: list[Any]) -> list[tuple[Any, ...]]:
        """What a query finds; everything a caller said comes in as a bound parameter."""
        with self.database.cursor() as cursor:
            return cursor.execute(query, parameters).fetchall()

    @property
    def areas(self) -> list[Area]:
        """All areas of the reporting edition that have an outline, by level and key."""
        with self._preparing:
            return self._areas

    @cached_property
    def _areas(self) -> list[Area]:
        columns = ("name", "area_type_name", "parent_level", "parent", "population", "area_km2")
        found = self.rows(
            f"""
            select level, area, municipality, valid_from, valid_to, geometry, {", ".join(columns)} from mart_area
            where geography = ? and edition = ? and geometry is not null and not is_unallocated
            order by level_rank, area
            """,
            [self.geography, self.edition],
        )
        outlines = _in_degrees([row[5] for row in found], self.crs)
        shapely.prepare(outlines)
        return [
            Area(
                level=row[0],
                key=row[1],
                municipality=row[2],
                properties=dict(zip(columns, row[6:], strict=True)),
                valid_from=row[3],
                valid_to=row[4],
                shape=outline,
                outline=json.loads(shapely.to_geojson(outline)),
            )
            for row, outline in zip(found, outlines, strict=True)
        ]

    @cached_property
    def levels(self) -> list[Level]:
        return [
            Level(*row)
            for row in self.rows(
                "select level, any_value(level_name), any_value(level_plural) from mart_area "
                "where geography = ? and edition = ? group by level order by min(level_rank)",
                [self.geography, self.edition],
            )
        ]


class ReleaseInForce:
    """Follows `current`: a release that was put in force answers the next request."""

    def __init__(self, current: Path) -> None:
        self._current, self._lock = current, threading.Lock()
        self._path, self._standing = Path(), None  # type: Path, Standing | None

    def standing(self) -> Standing:
        """Raises `NoRelease`."""
        path = self._current.resolve()
        if not (path / "marts.duckdb").is_file():
            raise NoRelease
        with self._lock:
            if self._standing is None or path != self._path:
                # who still reads the one before holds a cursor of it: it closes with the last of them
                self._standing, self._path = _opened(path), path
            return self._standing


def _opened(path: Path) -> Standing:
    database = open_for_reading(path / "marts.duckdb")
    row = database.execute("select geography, reporting_edition, name, licence_note, crs from mart_region").fetchone()
    assert row is not None
    return Standing(path.name, database, *row)


def _in_degrees(texts: list[str], crs: str) -> list[shapely.Geometry]:
    """Outlines in longitude and latitude; outer rings run against the clock."""
    transformer = pyproj.Transformer.from_crs(crs, "OGC:CRS84", always_xy=True)
    moved = shapely.transform(shapely.from_wkt(texts), transformer.transform, interleaved=False)
    return [_oriented(outline) for outline in shapely.transform(moved, lambda points: points.round(DECIMALS))]


def _oriented(outline: shapely.Geometry) -> shapely.Geometry:
    if isinstance(outline, shapely.MultiPolygon):
        return shapely.MultiPolygon([orient(part) for part in outline.geoms])
    return orient(outline) if isinstance(outline, shapely.Polygon) else outline
