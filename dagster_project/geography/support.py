"""Support points: addresses, cells or blocks, and the area of any geography that each of them lies in.

Reads  the point files that region.yml names under `support` (beside the declarations or in the inbox).
Writes nothing.
"""

from __future__ import annotations

import lzma
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import shapely
from pyproj import Transformer

from dagster_project.declarations import PointFile, Points
from dagster_project.declarations.support import COUNT, Totals
from dagster_project.geography.intake import GeographyError, find_file

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64] | npt.NDArray[np.int32]
Outlines = npt.NDArray[np.object_]

OUTSIDE = -1
# how a point came to its area
INSIDE, ON_BORDER, IN_OVERLAP, MOVED_INSIDE, NOWHERE = range(5)
SCALE = "scale"
PARTS_OF_A_CELL = 5  # by side
POINTS_AT_ONCE = 1_000_000
CELLS_PER_SIDE = 256


@dataclass(frozen=True)
class Labels:
    """For each point the position of its area, or `OUTSIDE`, and how it came to it: `INSIDE` … `NOWHERE`.

    A point on a border or where areas overlap belongs to the first of them in the order given.
    """

    area: Integers
    how: npt.NDArray[np.int8]


# ---------------------------------------------------------------- files of points


def read_points(points: Points, crs: str, folders: list[Path]) -> pd.DataFrame:
    """The points of all files of a set in `crs`: x, y, count, every weight, and what scales them to declared totals.

    Points at the same place are one. Middles of cells become points spread evenly over the cell, which share its
    weights. Raises `GeographyError` in German, naming file, row and column.
    """
    frames = [_read_file(file, find_file(file.file, folders)) for file in points.files]
    merged = pd.concat(frames, ignore_index=True).groupby(["x", "y"], sort=True, as_index=False).sum()
    merged[SCALE] = _scale(merged, points.totals, folders) if points.totals else 1.0
    if points.cell_metres:
        merged = _spread(merged, points.cell_metres)
    x, y = Transformer.from_crs(points.crs, crs, always_xy=True).transform(merged["x"], merged["y"])
    if not np.isfinite(x).all():
        raise GeographyError(
            f"{points.files[0].file}: die Koordinaten passen nicht zum Koordinatensystem {points.crs}, das in der "
            "region.yml unter „crs“ erklärt ist."
        )
    return merged.assign(x=x, y=y)


def scaled_to_totals(points: pd.DataFrame, mass: pd.Series) -> pd.Series:
    """The masses scaled so that those of each coarser cell sum up to its total.

    Where no total is told (or nobody was counted inside) they are scaled like the middle cell of all.
    """
    inside = mass.groupby(points["cell"]).transform("sum")
    factor = (points[SCALE] / inside).where((points[SCALE] > 0) & (inside > 0))
    return mass * factor.fillna(factor.median())


def _scale(points: pd.DataFrame, totals: Totals, folders: list[Path]) -> Floats:
    """For each point the total of the coarser cell it lies in, 0 where none is told; the cell itself as `cell`."""
    told = _read_file(totals.file, find_file(totals.file.file, folders))
    (weight,) = totals.file.weights
    size = totals.cell_metres
    points["cell"], told["cell"] = (
        (frame["x"] // size).astype("int64") * 10**7 + (frame["y"] // size).astype("int64") for frame in (points, told)
    )
    total = points["cell"].map(told.groupby("cell")[weight].sum())
    return np.array(total.fillna(0.0), dtype=np.float64)


def _spread(points: pd.DataFrame, cell_metres: float) -> pd.DataFrame:
    """Every point as many, evenly over its cell; what is counted is shared among them."""
    parts = PARTS_OF_A_CELL**2
    offsets = ((np.arange(PARTS_OF_A_CELL) + 0.5) / PARTS_OF_A_CELL - 0.5) * cell_metres
    east, north = np.meshgrid(offsets, offsets)
    spread = points.loc[points.index.repeat(parts)].reset_index(drop=True)
    spread["x"] += np.tile(east.ravel(), len(points))
    spread["y"] += np.tile(north.ravel(), len(points))
    shared = [name for name in points if name not in ("x", "y", "cell", SCALE)]
    spread[shared] /= parts
    return spread


def _read_file(file: PointFile, path: Path) -> pd.DataFrame:
    """One file as x, y (as it writes them), count and weights."""
    wanted = [file.x, file.y, *file.weights.values()]
    options: dict[str, Any] = {"names": file.columns, "header": None} if file.columns else {}
    try:
        raw = pd.read_csv(
            path,
            sep=file.delimiter,
            encoding=file.encoding,
            comment=file.comment,
            dtype=str,
            usecols=lambda name: name in wanted,
            keep_default_na=False,
            **options,
        )
    except (ValueError, OSError, EOFError, zipfile.BadZipFile, zlib.error, lzma.LZMAError) as error:
        raise GeographyError(f"{file.file}: die Datei ist nicht lesbar ({error}).") from error
    lacking = [name for name in wanted if name not in raw.columns]
    if lacking:
        raise GeographyError(f"{file.file}: die Spalten {', '.join(lacking)} fehlen. Vorhanden: {', '.join(raw)}.")
    weights = {weight: _numbers(raw, column, file) for weight, column in file.weights.items()}
    places = {"x": _numbers(raw, file.x, file), "y": _numbers(raw, file.y, file)}
    told = {weight: np.where(values >= file.minimum, values, 0.0) for weight, values in weights.items()}
    return pd.DataFrame({**places, COUNT: 1.0, **told})


def _numbers(raw: pd.DataFrame, column: str, file: PointFile) -> Floats:
    texts = raw[column].str.replace(file.decimal, ".", regex=False) if file.decimal != "." else raw[column]
    numbers = pd.to_numeric(texts, errors="coerce")
    if numbers.isna().any():
        position = int(numbers.isna().to_numpy().argmax())
        raise GeographyError(
            f"{file.file}, Datenzeile {position + 1}, Spalte {column}: „{raw[column].iloc[position]}“ ist keine Zahl."
        )
    return np.asarray(numbers, dtype=np.float64)


# ---------------------------------------------------------------- which area a point lies in


def inner_points(outlines: Outlines) -> tuple[Floats, Floats]:
    """A point for each area that surely lies in it: its centre, or where that is outside, one on its surface."""
    centres = shapely.centroid(outlines)
    inside = shapely.intersects(outlines, centres)
    chosen = np.where(inside, centres, shapely.point_on_surface(outlines))
    return shapely.get_x(chosen), shapely.get_y(chosen)


def label(x: Floats, y: Floats, outlines: Outlines, within_metres: float = 0.0) -> Labels:
    """The area each point lies in; the number of points is bounded by memory for the answer alone.

    Where a whole cell of a coarse grid lies in one area no outline is asked. A point outside all areas belongs to the
    nearest within `within_metres`.
    """
    grid = _Grid(outlines)
    found = np.full(len(x), OUTSIDE, dtype=np.int32)
    how = np.full(len(x), INSIDE, dtype=np.int8)
    for start in range(0, len(x), POINTS_AT_ONCE):
        part = slice(start, start + POINTS_AT_ONCE)
        found[part], how[part] = grid.label(x[part], y[part])
    lost = np.flatnonzero(found == OUTSIDE)
    if within_metres > 0:
        west, south, east, north = shapely.total_bounds(outlines) + within_metres * np.array([-1, -1, 1, 1])
        lost = lost[(x[lost] >= west) & (x[lost] <= east) & (y[lost] >= south) & (y[lost] <= north)]
    if within_metres > 0 and len(lost):
        points, areas = shapely.STRtree(outlines).query_nearest(
            shapely.points(x[lost], y[lost]), max_distance=within_metres, all_matches=True
        )
        nearest = pd.Series(areas).groupby(points).min()
        moved = lost[nearest.index.to_numpy()]
        found[moved], how[moved] = nearest.to_numpy(), MOVED_INSIDE
    return Labels(found, how)


class _Grid:
    """A coarse grid over areas: for each cell the one area that holds all of it, and all that have a part in it."""

    def __init__(self, outlines: Outlines) -> None:
        self.outlines = outlines
        shapely.prepare(outlines)
        self.west, self.south, east, north = shapely.total_bounds(outlines)
        self.step = max(east - self.west, north - self.south) / CELLS_PER_SIDE or 1.0
        self.columns = int((east - self.west) / self.step) + 1
        self.rows = int((north - self.south) / self.step) + 1
        west = self.west + self.step * np.arange(self.columns)
        south = self.south + self.step * np.arange(self.rows)
        boxes = shapely.box(*np.meshgrid(west, south), *np.meshgrid(west + self.step, south + self.step)).ravel()
        area, cell = shapely.STRtree(boxes).query(outlines, predicate="intersects")
        shared = np.bincount(cell, minlength=len(boxes)) > 1
        # a cell that another area touches is not whole, whatever the first one covers
        whole = np.zeros(len(area), dtype=bool)
        alone = ~shared[cell]
        whole[alone] = shapely.covers(outlines[area[alone]], boxes[cell[alone]])
        self.whole = np.full(len(boxes), OUTSIDE, dtype=np.int64)
        self.whole[cell[whole]] = area[whole]
        self.parts = [(int(item), cell[(area == item) & ~whole]) for item in np.unique(area[~whole])]

    def label(self, x: Floats, y: Floats) -> tuple[Integers, npt.NDArray[np.int8]]:
        """The area of each point and how it came to it."""
        column = np.floor((x - self.west) / self.step)
        row = np.floor((y - self.south) / self.step)
        known = (column >= 0) & (column < self.columns) & (row >= 0) & (row < self.rows)
        cell = np.where(known, row * self.columns + column, 0).astype(np.int64)
        found = np.where(known, self.whole[cell], OUTSIDE)
        open_points = np.flatnonzero(known & (found == OUTSIDE))
        open_points = open_points[np.argsort(cell[open_points], kind="stable")]
        open_cells = cell[open_points]
        hits = np.zeros(len(open_points), dtype=np.int32)
        answer = np.full(len(open_points), OUTSIDE, dtype=np.int64)
        for area, cells in self.parts:
            asked = _spans(np.searchsorted(open_cells, cells), np.searchsorted(open_cells, cells, side="right"))
            if not len(asked):
                continue
            points = open_points[asked]
            inside = asked[shapely.intersects_xy(self.outlines[area], x[points], y[points])]
            first = inside[answer[inside] == OUTSIDE]
            answer[first] = area
            hits[inside] += 1
        found[open_points] = answer
        how = np.where(found == OUTSIDE, NOWHERE, INSIDE).astype(np.int8)
        doubtful = open_points[hits > 1]
        if len(doubtful):
            points = shapely.points(x[doubtful], y[doubtful])
            position, _ = shapely.STRtree(self.outlines).query(points, predicate="within")
            interior = np.bincount(position, minlength=len(doubtful))
            how[doubtful] = np.where(interior > 1, IN_OVERLAP, ON_BORDER)
        return found, how


def _spans(starts: Integers, ends: Integers) -> Integers:
    """All positions of several spans, one after the other."""
    lengths = ends - starts
    offsets = np.repeat(starts - np.concatenate(([0], np.cumsum(lengths)[:-1])), lengths)
    return np.asarray(np.arange(lengths.sum()) + offsets, dtype=np.int64)
