"""Overlay: which pieces the areas of two geographies or editions have in common.

Reads and writes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import shapely

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Outlines = npt.NDArray[np.object_]

SLIVER_M2 = 1.0
SLIVER_METRES = 0.5  # a piece narrower than that is two drawings of one border


@dataclass(frozen=True)
class Pieces:
    """Positions of source and target, and the square metres they share; `slivers` were dropped, with their area."""

    source: Integers
    target: Integers
    square_metres: Floats
    slivers: int
    sliver_square_metres: float


def overlay(sources: Outlines, targets: Outlines) -> Pieces:
    """All pieces that the areas share, without slivers: less than 1 m², or area by perimeter below 0.5 m."""
    source, target = _meeting(sources, targets)
    shapely.prepare(targets)
    square_metres, metres = np.empty(len(source)), np.empty(len(source))
    inside = shapely.covers(targets[target], sources[source])
    square_metres[inside] = shapely.area(sources[source[inside]])
    metres[inside] = shapely.length(sources[source[inside]])
    pieces = shapely.intersection(sources[source[~inside]], targets[target[~inside]])
    square_metres[~inside] = shapely.area(pieces)
    metres[~inside] = shapely.length(pieces)
    touching = square_metres == 0
    sliver = ~touching & ((square_metres < SLIVER_M2) | (square_metres < SLIVER_METRES * metres))
    kept = ~touching & ~sliver
    return Pieces(
        source[kept], target[kept], square_metres[kept], int(sliver.sum()), float(square_metres[sliver].sum())
    )


def _meeting(sources: Outlines, targets: Outlines) -> tuple[Integers, Integers]:
    """Pairs whose boxes meet, in order of source and target."""
    source, target = shapely.STRtree(targets).query(sources, predicate="intersects")
    order = np.lexsort((target, source))
    return source[order], target[order]
