"""Sparklines: a series as small as a word, broken where a value is missing.

Reads numbers, writes nothing. Coordinates are units of the view box.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

WIDTH, HEIGHT, _EDGE = 66, 20, 3


def draw(values: Sequence[float | None]) -> dict[str, Any] | None:
    """Lines, lone points and the last value's point; None with fewer than two values."""
    known = [value for value in values if value is not None]
    if len(known) < 2:
        return None
    low, high = min(known), max(known)
    across = (WIDTH - 2 * _EDGE) / (len(values) - 1)
    points = [
        None
        if value is None
        else (
            round(_EDGE + place * across, 1),
            round(
                HEIGHT / 2 if high == low else HEIGHT - _EDGE - (HEIGHT - 2 * _EDGE) * (value - low) / (high - low), 1
            ),
        )
        for place, value in enumerate(values)
    ]
    stretches: list[list[tuple[float, float]]] = [[]]
    for point in points:
        if point is None:
            stretches.append([])
        else:
            stretches[-1].append(point)
    return {
        "width": WIDTH,
        "height": HEIGHT,
        "lines": [" ".join(f"{x:g},{y:g}" for x, y in part) for part in stretches if len(part) > 1],
        "lone": [part[0] for part in stretches if len(part) == 1],
        "last": points[-1],
    }
