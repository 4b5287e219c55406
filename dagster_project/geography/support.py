"""Support points: addresses, cells or blocks, and the area of any geography that each of them lies in.

Reads  the point files that region.yml names under `support` (beside the declarations or in the inbox).
Writes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import shapely
from pyproj import Transformer

from dagster_project.declarations import PointFile, Points, Region
from dagster_project.declarations.support import COUNT, Totals
from dagster_project.geography.coordinates import CoordinateReading, readings, told
from dagster_project.geography.faults import GeographyError, german_number
from dagster_project.geography.intake import find_file
from dagster_project.geography.text_file import lines_of_rows, read_text_table

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
POINTS_TRIED = 2000
FAR_AWAY = 1e12
MOST = 0.5


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
    merged = _merged(points, folders)
    merged[SCALE] = _scale(merged, points.totals, folders) if points.totals else 1.0
    if points.cell_metres:
        merged = _spread(merged, points.cell_metres)
    x, y = Transformer.from_crs(points.crs, crs, always_xy=True).transform(merged["x"], merged["y"])
    # what cannot be transformed lies nowhere
    return merged.assign(x=np.where(np.isfinite(x), x, FAR_AWAY), y=np.where(np.isfinite(y), y, FAR_AWAY))


def _merged(points: Points, folders: list[Path]) -> pd.DataFrame:
    frames = [_read_file(file, find_file(file.file, folders)) for file in points.files]
    return pd.concat(frames, ignore_index=True).groupby(["x", "y"], sort=True, as_index=False).sum()


def check_place(points: Points, share_inside: float, region: Region, outlines: Outlines, folders: list[Path]) -> None:
    """Raises `GeographyError` where fewer points lie in areas of the region than declared, naming what would fit."""
    if 100 * share_inside >= points.inside_percent:
        return
    merged = _merged(points, folders)
    sample = merged.iloc[:: max(1, len(merged) // POINTS_TRIED)][["x", "y"]].to_numpy(dtype=np.float64)
    place = shapely.union_all(outlines)
    west, south, east, north = place.bounds

    def lies_inside(reading: CoordinateReading) -> bool:
        written = sample[:, ::-1] if reading.swapped else sample
        x, y = Transformer.from_crs(reading.crs, region.crs, always_xy=True).transform(*written.T)
        near = (x >= west) & (x <= east) & (y >= south) & (y <= north)
        near[near] = shapely.intersects_xy(place, x[near], y[near])
        return bool(100 * near.mean() >= points.inside_percent)

    anywhere = np.empty((0, 4))  # points need not all lie in the Land
    files = ", ".join(file.file for file in points.files)
    most = int(100 * share_inside)
    wider = f" Reicht die Datei weit über die Region hinaus, „inside_percent: {most}“ erklären." if most else ""
    raise GeographyError(
        f"{files}: nur {german_number(100 * share_inside, 1)} % der Punkte („{points.title}“) liegen in Gebieten der "
        f"Region (verlangt sind {german_number(points.inside_percent, 1)} %), gelesen im Koordinatensystem "
        f"{points.crs}, das in der region.yml erklärt ist. {told(readings(anywhere, region, lies_inside))}. Bitte dort "
        f"„crs“ berichtigen oder die Spalten „x“ und „y“ tauschen.{wider}"
    )


def scaled_to_totals(points: pd.DataFrame, mass: pd.Series) -> pd.Series:
    """The masses scaled so that those of each coarser cell sum up to its total.

    Where no total is told (or nobody was counted inside) they are scaled like the middle cell of all.
    """
    inside = mass.groupby(points["cell"]).transform("sum")
    factor = (points[SCALE] / inside).where((points[SCALE] > 0) & (inside > 0))
    return mass * factor.fillna(factor.median())


def _scale(points: pd.DataFrame, totals: Totals, folders: list[Path]) -> Floats:
    """For each point the total of the coarser cell it lies in, 0 where none is told; the cell itself as `cell`."""
    coarse = _read_file(totals.file, find_file(totals.file.file, folders))
    (weight,) = totals.file.weights
    size = totals.cell_metres
    points["cell"], coarse["cell"] = (
        (frame["x"] // size).astype("int64") * 10**7 + (frame["y"] // size).astype("int64")
        for frame in (points, coarse)
    )
    total = points["cell"].map(coarse.groupby("cell")[weight].sum())
    unknown = float(total.isna().mean())
    if unknown > MOST:
        raise GeographyError(
            f"{totals.file.file}: für {german_number(100 * unknown, 1)} % der Punkte steht darin kein Wert der "
            "gröberen "
            f"Zelle. Beide Dateien brauchen dasselbe Koordinatensystem; bitte in der region.yml unter „totals“ Datei, "
            f"Spalten und „cell_metres“ ({german_number(size, 0)}) prüfen."
        )
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
    raw = read_text_table(path, file.file, file.delimiter, file.encoding, "encoding", comment=file.comment, **options)
    lacking = [name for name in wanted if name not in raw.columns]
    if lacking:
        raise GeographyError(
            f"{file.file}: die Spalten {', '.join(lacking)} fehlen. Vorhanden: {', '.join(raw)}. Bitte in der "
            "region.yml unter „support“ Spalten und „delimiter“ prüfen."
        )
    for column in file.weights.values():
        _refuse_maybe_thousands(raw, column, file, path)
    weights = {weight: _numbers(raw, column, file, path) for weight, column in file.weights.items()}
    places = {"x": _numbers(raw, file.x, file, path), "y": _numbers(raw, file.y, file, path)}
    counted = {weight: np.where(values >= file.minimum, values, 0.0) for weight, values in weights.items()}
    return pd.DataFrame({**places, COUNT: 1.0, **counted})


def _refuse_maybe_thousands(raw: pd.DataFrame, column: str, file: PointFile, path: Path) -> None:
    """A weight whose sign may part thousands as well as decimals is nobody's to guess."""
    unclear = raw[column].str.fullmatch(rf"\s*-?[0-9]*[{file.decimal}][0-9]{{3}}\s*")
    if not file.three_decimals and unclear.any():
        position = int(unclear.to_numpy().argmax())
        line = lines_of_rows(path, file.delimiter, file.encoding, file.comment, header=not file.columns)[position]
        raise GeographyError(
            f"{file.file}, Zeile {line}, Spalte {column}: „{raw[column].iloc[position]}“ lässt zwei Lesarten zu, "
            "Tausender und drei Nachkommastellen. Bitte ohne Tausendertrennzeichen liefern oder in der region.yml "
            "unter „three_decimals: true“ erklären, dass Nachkommastellen gemeint sind."
        )


def _numbers(raw: pd.DataFrame, column: str, file: PointFile, path: Path) -> Floats:
    texts = raw[column].str.replace(file.decimal, ".", regex=False) if file.decimal != "." else raw[column]
    numbers = pd.to_numeric(texts, errors="coerce")
    wrong = ~np.isfinite(numbers.to_numpy(dtype=np.float64))
    if wrong.any():
        position = int(wrong.argmax())
        line = lines_of_rows(path, file.delimiter, file.encoding, file.comment, header=not file.columns)[position]
        raise GeographyError(
            f"{file.file}, Zeile {line}, Spalte {column}: „{raw[column].iloc[position]}“ ist keine Zahl mit dem "
            f"Dezimalzeichen „{file.decimal}“ ({int(wrong.sum())} solche). Bitte die Datei berichtigen oder "
            "„decimal“ prüfen."
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
