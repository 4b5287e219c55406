"""Releases on different boundaries: the finest areas of both are cut into the strips they share.

People lie in a strip, and a strip lies in one area of each edition, so that the areas of all editions stand in one
system: what one edition adds up, the other subtracts. The strips are cut from the outlines that are printed with
the areas. Reads and writes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import pandas as pd
import shapely

from attacker.knowledge import Area, Areas
from attacker.released import Release

SMALLEST = 5_000.0  # square metres; where two outlines overlap by less nobody lives in between
STRIP = "strip"


def named(area: Area, edition: str) -> Area:
    """An area of one of several editions."""
    return f"{area[0]} {edition}", area[1]


def strip(pair: Iterable[Area]) -> Area:
    """What finest areas of the editions have in common."""
    return STRIP, " and ".join(area[1] for area in pair)


def joint(releases: Sequence[Release], pairs: Iterable[tuple[Area, ...]]) -> Areas:
    """The areas of all editions above the strips; `pairs` holds a finest area of each edition."""
    editions = {release.edition: Areas.of(release) for release in releases}
    children: dict[Area, list[Area]] = {}
    municipality: dict[Area, str | None] = {}
    unallocated: set[Area] = set()
    for edition, areas in editions.items():
        for parent, below in areas.children.items():
            children[named(parent, edition)] = [named(area, edition) for area in below]
        municipality |= {named(area, edition): of for area, of in areas.municipality.items()}
        unallocated |= {named(area, edition) for area in areas.unallocated}
    leaves = []
    for pair in pairs:
        own = strip(pair)
        leaves.append(own)
        names = [named(area, edition) for area, edition in zip(pair, editions, strict=True)]
        municipality[own] = municipality[names[0]]
        if names[0] in unallocated:
            unallocated.add(own)
        for name in names:
            children.setdefault(name, []).append(own)
    return Areas(children, leaves, municipality, unallocated)


def drawn(outlines: pd.DataFrame, releases: Sequence[Release]) -> list[tuple[Area, ...]]:
    """The strips of two editions, from the outlines of their finest areas (`edition`, `level`, `area`, `geometry`)."""
    older, newer = (_finest(outlines, release) for release in _one_of_each(releases))
    tree = shapely.STRtree(list(newer.values()))
    names, found = list(newer), []
    for area, shape in older.items():
        for place in tree.query(shape):
            other = names[place]
            if shapely.area(shapely.intersection(shape, newer[other])) > SMALLEST:
                found.append((area, other))
    nowhere = sorted(Areas.of(releases[0]).unallocated)
    return [*found, *((area, area) for area in nowhere)]


def _one_of_each(releases: Sequence[Release]) -> list[Release]:
    return list({release.edition: release for release in reversed(releases)}.values())[::-1]


def _finest(outlines: pd.DataFrame, release: Release) -> dict[Area, shapely.Geometry]:
    areas = Areas.of(release)
    own = outlines[(outlines["edition"] == release.edition) & outlines["geometry"].notna()]
    shapes = {(row.level, row.area): shapely.from_wkt(row.geometry) for row in own.itertuples()}
    return {area: shapes[area] for area in areas.leaves if area not in areas.unallocated}


def people(
    blocks: Mapping[tuple[str, str, str], int], pair_of: Mapping[str, tuple[Area, ...]]
) -> dict[tuple[Area, str, str], int]:
    """The truth of each strip, from that of the blocks in it (block, day, measure)."""
    found: dict[tuple[Area, str, str], int] = {}
    for (block, day, measure), value in blocks.items():
        key = strip(pair_of[block]), day, measure
        found[key] = found.get(key, 0) + value
    return found
