"""Overlay: which pieces the areas of two geographies or editions have in common.

Reads and writes nothing.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import shapely

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Outlines = npt.NDArray[np.object_]

SLIVER_M2 = 1.0
PARTS_OF_WORK = 16
SLIVER_METRES = 0.5  # a piece narrower than that is two drawings of one border


@dataclass(frozen=True)
class Pieces:
    """Positions of source and target, the square metres they share, and which of them are slivers."""

    source: Integers
    target: Integers
    square_metres: Floats
    is_sliver: npt.NDArray[np.bool_]


def overlay(sources: Outlines, targets: Outlines) -> Pieces:
    """All pieces that the areas share; a sliver is below 1 m², or narrower than 0.5 m (area by perimeter)."""
    source, target = _meeting(sources, targets)
    square_metres, metres = np.zeros(len(source)), np.zeros(len(source))

    def cut(part: slice) -> None:
        pieces = shapely.intersection(sources[source[part]], targets[target[part]])
        square_metres[part], metres[part] = shapely.area(pieces), shapely.length(pieces)

    # GEOS lets other threads run while it cuts
    bounds = np.linspace(0, len(source), PARTS_OF_WORK + 1).astype(int)
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        list(threads.map(cut, (slice(*pair) for pair in pairwise(bounds))))
    sliver = (square_metres < SLIVER_M2) | (square_metres < SLIVER_METRES * metres)
    shared = square_metres > 0
    return Pieces(source[shared], target[shared], square_metres[shared], sliver[shared])


def _meeting(sources: Outlines, targets: Outlines) -> tuple[Integers, Integers]:
    """Pairs whose boxes meet, in order of source and target."""
    source, target = shapely.STRtree(targets).query(sources, predicate="intersects")
    order = np.lexsort((target, source))
    return source[order], target[order]
