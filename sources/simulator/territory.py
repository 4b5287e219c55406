"""The land: blocks, areas of every edition, streets with numbered sides, addresses, districts.

Pure function of a region specification and a seed; reads and writes no file. Blocks are the cells of a
Voronoi diagram; the cells' edges are the streets, so that the two sides of a street may lie in different
blocks and areas.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
import shapely

from sources.simulator.spec import Edition, Region, StreetWords

Integers = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

SUFFIXES = ("", "a", "b", "c")
SIDES = ("u", "g", "beide")
HOST_BLOCKS = 30  # so that an enclave finds room inside
BEYOND = 1.45  # seeds are drawn this much farther out than the region, so that its rim has finite cells


@dataclass(frozen=True)
class Areas:
    """The areas of one edition; `of_block` gives each block's position in `keys`."""

    edition: str
    keys: list[str]
    names: list[str]
    municipality: Integers
    of_block: Integers


@dataclass(frozen=True)
class Streets:
    """Streets in order of municipality; the key (5 digits) is unique within a municipality."""

    keys: list[str]
    names: list[str]
    municipality: Integers


@dataclass(frozen=True)
class Addresses:
    """Addresses in order of municipality; `weight` is the expected number of residents, x and y metres."""

    street: Integers
    number: Integers
    suffix: Integers
    block: Integers
    municipality: Integers
    x: Floats
    y: Floats
    weight: Floats

    def __len__(self) -> int:
        return len(self.street)


@dataclass(frozen=True)
class Territory:
    """All of the land; `poverty` and `family` are smooth fields over the blocks with mean 0 and standard
    deviation 1.
    """

    blocks: npt.NDArray[np.object_]
    block_keys: list[str]
    block_municipality: Integers
    poverty: Floats
    family: Floats
    editions: list[Areas]
    streets: Streets
    ranges: pd.DataFrame
    addresses: Addresses
    polling_district: Integers
    postal_district: Integers
    school: Integers

    @property
    def block_count(self) -> int:
        return len(self.blocks)


def build_territory(region: Region, words: StreetWords, seed: int) -> Territory:
    """The land of a region, the same for the same seed whatever the size of its population."""
    rng = np.random.default_rng([seed, 1])
    blocks, leaf, centroids = _blocks(region, rng)
    municipality_of_leaf = np.repeat(
        np.arange(len(region.municipalities)), [len(item.areas) for item in region.municipalities]
    )
    leaf = _displaced(region, leaf, blocks, centroids)
    order = np.lexsort((centroids[:, 0], centroids[:, 1].round(-3), leaf))
    blocks, leaf, centroids = blocks[order], leaf[order], centroids[order]
    block_municipality = municipality_of_leaf[leaf]
    poverty = _smooth_field(centroids, region.history.poverty_length_km * 1000, rng)
    residents = _expected_residents(region, leaf, block_municipality, rng)
    editions = [_areas(region, edition, leaf, centroids, municipality_of_leaf) for edition in region.editions]
    streets, ranges, addresses = _streets(region, words, blocks, centroids, block_municipality, residents, rng)
    grains = region.territory
    return Territory(
        blocks=blocks,
        block_keys=_block_keys(region, block_municipality),
        block_municipality=block_municipality,
        poverty=poverty,
        family=_smooth_field(
            centroids, 0.7 * region.history.poverty_length_km * 1000, np.random.default_rng([seed, 2])
        ),
        editions=editions,
        streets=streets,
        ranges=ranges,
        addresses=addresses,
        polling_district=_districts(
            centroids, block_municipality, residents, grains.residents_per_polling_district, rng
        ),
        postal_district=_districts(centroids, block_municipality, residents, grains.residents_per_postal_district, rng),
        school=_districts(centroids, block_municipality, residents, grains.residents_per_school, rng),
    )


# ---------------------------------------------------------------- blocks and areas


def _outline(region: Region, rng: np.random.Generator) -> shapely.Polygon:
    angle = np.linspace(0, 2 * np.pi, 120, endpoint=False)
    radius = np.ones_like(angle)
    for wave in range(2, 6):
        radius += rng.uniform(0.03, 0.13) * np.cos(wave * angle + rng.uniform(0, 2 * np.pi))
    raw = shapely.Polygon(np.column_stack([radius * np.cos(angle), radius * np.sin(angle)]))
    scale = np.sqrt(region.territory.area_km2 * 1e6 / raw.area)
    x, y = region.territory.centre
    placed: shapely.Polygon = shapely.transform(raw, lambda points: points * scale + np.array([x, y]))
    return placed


def _uniform_points(shape: shapely.Polygon, number: int, rng: np.random.Generator) -> Floats:
    west, south, east, north = shape.bounds
    points = rng.uniform([west, south], [east, north], (number * 3, 2))
    inside: Floats = points[shapely.contains_xy(shape, points[:, 0], points[:, 1])]
    return inside[:number]


def _cluster(points: Floats, number: int, rng: np.random.Generator, rounds: int = 25) -> Integers:
    """k-means labels of the points; every cluster is non-empty as long as there are enough points."""
    centres = points[rng.choice(len(points), number, replace=False)]
    labels = np.zeros(len(points), dtype=np.int64)
    for _ in range(rounds):
        labels = _nearest(points, centres)
        counts = np.bincount(labels, minlength=number)
        sums = np.column_stack([np.bincount(labels, points[:, axis], number) for axis in (0, 1)])
        filled = counts > 0
        centres[filled] = sums[filled] / counts[filled, None]
    return labels


def _nearest(points: Floats, centres: Floats) -> Integers:
    distance = (points**2).sum(1)[:, None] - 2 * points @ centres.T + (centres**2).sum(1)[None, :]
    nearest: Integers = distance.argmin(axis=1)
    return nearest


def _partition(points: Floats, leaves: Sequence[tuple[str, ...]], rng: np.random.Generator) -> Integers:
    """A leaf (an area of the tree) for every point: cluster by the first part of the paths, then within each
    cluster.
    """
    if len(leaves) == 1:
        return np.zeros(len(points), dtype=np.int64)
    heads = list(dict.fromkeys(path[0] for path in leaves))
    groups = [[i for i, path in enumerate(leaves) if path[0] == head] for head in heads]
    shifted = points - points.mean(axis=0)
    labels = _cluster(shifted, len(heads), rng) if len(heads) > 1 else np.zeros(len(points), dtype=np.int64)
    by_size = np.argsort(-np.bincount(labels, minlength=len(heads)), kind="stable")
    by_leaves = sorted(range(len(heads)), key=lambda i: -len(groups[i]))
    result = np.zeros(len(points), dtype=np.int64)
    for cluster, group in zip(by_size, by_leaves, strict=True):
        inside = labels == cluster
        within = _partition(points[inside], [leaves[i][1:] for i in groups[group]], rng)
        result[inside] = np.array(groups[group])[within]
    return result


def _placed_leaves(region: Region) -> list[int]:
    """Positions of the areas that get a territory of their own; enclaves take theirs from another area."""
    enclaves = {item.area for item in region.territory.enclaves}
    return [i for i, key in enumerate(region.areas) if key not in enclaves]


def _blocks(region: Region, rng: np.random.Generator) -> tuple[npt.NDArray[np.object_], Integers, Floats]:
    """Block polygons, the area each is in and the centroids."""
    outline = _outline(region, rng)
    placed = _placed_leaves(region)
    lengths = [level.key_length for level in reversed(region.levels) if level.key_length is not None]
    ags_of = {key: item.ags for item in region.municipalities for key in item.areas}
    paths = [(ags_of[key], *(key[:n] for n in lengths)) for key in (region.areas[i] for i in placed)]
    points = _uniform_points(outline, 16000, rng)
    labels = _partition(points, paths, rng)
    centres = np.column_stack([np.bincount(labels, points[:, i]) for i in (0, 1)]) / np.bincount(labels)[:, None]
    seeds = _seeds(region, placed, points, labels, centres, rng)
    inner = len(seeds)
    west, south, east, north = outline.bounds
    middle, half = (
        np.array([(west + east) / 2, (south + north) / 2]),
        np.array([east - west, north - south]) / 2,
    )
    around = rng.uniform(middle - BEYOND * half, middle + BEYOND * half, (900, 2))
    around = around[~shapely.contains_xy(outline, around[:, 0], around[:, 1])]
    for _ in range(2):
        cells = _voronoi(np.vstack([seeds, around]))
        seeds = shapely.get_coordinates(shapely.centroid(cells[:inner]))
    cells = _voronoi(np.vstack([seeds, around]))[:inner]
    leaf = np.array(placed)[_nearest(seeds - middle, centres - middle)]
    return cells, leaf, shapely.get_coordinates(shapely.centroid(cells))


def _voronoi(seeds: Floats) -> npt.NDArray[np.object_]:
    """Cells in the order of the seeds, corners on whole centimetres so that neighbours share them exactly."""
    diagram = shapely.voronoi_polygons(shapely.MultiPoint(seeds), ordered=True)
    cells: npt.NDArray[np.object_] = shapely.transform(shapely.get_parts(diagram), lambda corners: corners.round(2))
    return cells


def _seeds(
    region: Region,
    placed: list[int],
    points: Floats,
    labels: Integers,
    centres: Floats,
    rng: np.random.Generator,
) -> Floats:
    """Block seeds: dense round each area's centre, sparse towards its rim."""
    extent = np.bincount(labels) / len(points) * region.territory.area_km2 * 1e6
    municipality = np.repeat(np.arange(len(region.municipalities)), [len(m.areas) for m in region.municipalities])[
        placed
    ]
    residents = np.array([m.residents / len(m.areas) for m in region.municipalities])[municipality]
    share = residents**0.8 / (residents**0.8).sum()
    thin = np.array([region.areas[i] in region.thin for i in placed])
    hosts = {item.within for item in region.territory.enclaves}
    least = np.array([HOST_BLOCKS if region.areas[i] in hosts else 8 for i in placed])
    number = np.where(thin, 6, np.maximum(least, (share * region.territory.blocks).round())).astype(int)
    seeds = []
    for i, count in enumerate(number):
        own = points[labels == i]
        scattered = own[rng.integers(0, len(own), max(3, count // 4))] + rng.normal(0, 60, (max(3, count // 4), 2))
        core = centres[i] + rng.normal(0, 0.3 * np.sqrt(extent[i] / np.pi), (count - len(scattered), 2))
        seeds += [core, scattered]
    return np.vstack(seeds)


def _displaced(region: Region, leaf: Integers, blocks: npt.NDArray[np.object_], centroids: Floats) -> Integers:
    """Enclaves in the middle of their host; second parts of scattered areas far from their first part.

    Raises `ValueError` where a host has no block away from its rim.
    """
    leaf = leaf.copy()
    position = {key: i for i, key in enumerate(region.areas)}
    for enclave in region.territory.enclaves:
        host = np.flatnonzero(leaf == position[enclave.within])
        row, neighbour = shapely.STRtree(blocks).query(blocks[host], predicate="intersects")
        inner = np.bincount(row[leaf[neighbour] != position[enclave.within]], minlength=len(host)) == 0
        if not inner.any():
            raise ValueError(f"enclave {enclave.area}: {enclave.within} has no inner block; take another area or seed")
        host = host[inner]
        heart = centroids[host].mean(axis=0)
        near = host[np.argsort(((centroids[host] - heart) ** 2).sum(1), kind="stable")]
        leaf[near[: enclave.blocks]] = position[enclave.area]
    for scattered in region.territory.scattered:
        host = np.flatnonzero(leaf == position[scattered.within])
        own = centroids[leaf == position[scattered.area]]
        distance = np.array([np.min(((own - centroids[block]) ** 2).sum(1)) for block in host])
        far = centroids[host[distance.argmax()]]
        near = host[np.argsort(((centroids[host] - far) ** 2).sum(1), kind="stable")]
        leaf[near[: scattered.blocks]] = position[scattered.area]
    return leaf


def _areas(
    region: Region, edition: Edition, leaf: Integers, centroids: Floats, municipality_of_leaf: Integers
) -> Areas:
    """The areas of an edition: the last one's, with this edition's splits and swaps."""
    keys, names = region.areas, [name for item in region.municipalities for name in item.areas.values()]
    keys, names, municipality, of_block = [*keys], [*names], [*municipality_of_leaf], leaf.copy()
    for swap in edition.swaps:
        own = np.flatnonzero(of_block == keys.index(swap.area))
        other = centroids[of_block == keys.index(swap.neighbour)]
        distance = np.array([np.min(((other - centroids[block]) ** 2).sum(1)) for block in own])
        of_block[own[np.argsort(distance, kind="stable")][: swap.blocks]] = keys.index(swap.neighbour)
    for split in edition.splits:
        own = np.flatnonzero(of_block == keys.index(split.area))
        keys.append(split.key)
        names.append(split.name)
        municipality.append(municipality[keys.index(split.area)])
        along = centroids[own] @ np.array([0.6, 0.8])
        of_block[own[np.argsort(along, kind="stable")][: len(own) // 2]] = len(keys) - 1
    return Areas(edition.id, keys, names, np.array(municipality), of_block)


def _block_keys(region: Region, block_municipality: Integers) -> list[str]:
    """Eight digits: municipality's last three, then the running number."""
    counts: dict[int, int] = {}
    keys = []
    for municipality in block_municipality.tolist():
        counts[municipality] = counts.get(municipality, 0) + 1
        keys.append(f"{region.municipalities[municipality].ags[-3:]}{counts[municipality]:05d}")
    return keys


def _smooth_field(points: Floats, length: float, rng: np.random.Generator) -> Floats:
    """A Gaussian random field with the given correlation length in metres, standardised over the points."""
    waves = rng.normal(0, 1 / length, (60, 2))
    phases = rng.uniform(0, 2 * np.pi, 60)
    values = np.cos((points - points.mean(axis=0)) @ waves.T + phases).sum(axis=1) + rng.normal(0, 2.2, len(points))
    standardised: Floats = (values - values.mean()) / values.std()
    return standardised


def _expected_residents(
    region: Region, leaf: Integers, block_municipality: Integers, rng: np.random.Generator
) -> Floats:
    """Expected residents per block; one block in fourteen is uninhabited (park, works, wood)."""
    share = rng.lognormal(0, 0.55, len(region.areas))
    thin = np.array([key in region.thin for key in region.areas])
    within = rng.lognormal(0, 0.6, len(leaf)) * (rng.uniform(0, 1, len(leaf)) > 1 / 14)
    first = np.unique(leaf, return_index=True)[1]
    within[first] = np.maximum(within[first], 0.3)
    residents = np.zeros(len(leaf))
    for number, municipality in enumerate(region.municipalities):
        here = block_municipality == number
        thin_here = here & thin[leaf]
        weight = np.where(here & ~thin_here, share[leaf] * within, 0)
        thin_total = region.territory.thin_residents * len(set(leaf[thin_here].tolist()))
        residents += weight / weight.sum() * (municipality.residents - thin_total)
    for area in np.flatnonzero(thin):
        inside = leaf == area
        residents[inside] = within[inside] / within[inside].sum() * region.territory.thin_residents
    return residents


def _districts(
    centroids: Floats,
    block_municipality: Integers,
    residents: Floats,
    per_district: float,
    rng: np.random.Generator,
) -> Integers:
    """Compact groups of blocks within each municipality, numbered through the region; independent of the
    areas.
    """
    result = np.zeros(len(centroids), dtype=np.int64)
    offset = 0
    for municipality in np.unique(block_municipality):
        here = np.flatnonzero(block_municipality == municipality)
        inhabited = here[residents[here] > 0]
        number = min(max(1, round(residents[here].sum() / per_district)), len(inhabited) // 2)
        chance = residents[inhabited] / residents[inhabited].sum()
        starts = centroids[rng.choice(inhabited, number, replace=False, p=chance)]
        middle = starts.mean(axis=0)
        labels = _nearest(centroids[here] - middle, starts - middle)
        result[here] = offset + np.unique(labels, return_inverse=True)[1]
        offset = int(result[here].max()) + 1
    return result


# ---------------------------------------------------------------- streets


@dataclass
class _Sections:
    """Edges between cells: end points, the block to the left and to the right (-1 for none), metres long."""

    start: Integers
    end: Integers
    left: Integers
    right: Integers
    corner: Floats

    @property
    def vector(self) -> Floats:
        return self.corner[self.end] - self.corner[self.start]


def _edges(blocks: npt.NDArray[np.object_], centroids: Floats) -> _Sections:
    """Every edge of the tessellation once, with the blocks on its two sides."""
    rings = shapely.get_exterior_ring(blocks)
    coordinates, ring = shapely.get_coordinates(rings, return_index=True)
    same = ring[1:] == ring[:-1]
    corner, vertex = np.unique(coordinates.round(2), axis=0, return_inverse=True)
    vertex = vertex.ravel()
    first, second, block = vertex[:-1][same], vertex[1:][same], ring[:-1][same]
    real = first != second
    first, second, block = first[real], second[real], block[real]
    low, high = np.minimum(first, second), np.maximum(first, second)
    pair, edge = np.unique(np.column_stack([low, high]), axis=0, return_inverse=True)
    edge = edge.ravel()
    along = corner[pair[edge, 1]] - corner[pair[edge, 0]]
    towards = centroids[block] - corner[pair[edge, 0]]
    is_left = along[:, 0] * towards[:, 1] - along[:, 1] * towards[:, 0] > 0
    left, right = np.full(len(pair), -1), np.full(len(pair), -1)
    left[edge[is_left]] = block[is_left]
    right[edge[~is_left]] = block[~is_left]
    return _Sections(pair[:, 0], pair[:, 1], left, right, corner)


def _chains(sections: _Sections, municipality: Integers, longest: int) -> list[list[tuple[int, bool]]]:
    """Streets as runs of (section, forward): at each corner the straightest two sections of a municipality go
    on.
    """
    ends: dict[tuple[int, int], list[tuple[int, int]]] = {}
    for number, (start, end, owner) in enumerate(
        zip(sections.start.tolist(), sections.end.tolist(), municipality.tolist(), strict=True)
    ):
        if owner >= 0:
            ends.setdefault((owner, start), []).append((number, 0))
            ends.setdefault((owner, end), []).append((number, 1))
    direction = sections.vector / np.maximum(np.linalg.norm(sections.vector, axis=1), 1e-9)[:, None]
    following: dict[tuple[int, int], tuple[int, int]] = {}
    for meeting in ends.values():
        best, straightest = None, -0.55
        for i, (one, at_one) in enumerate(meeting):
            for other, at_other in meeting[i + 1 :]:
                leaving = direction[one] * (1 if at_one == 0 else -1)
                entering = direction[other] * (1 if at_other == 0 else -1)
                cosine = float(leaving @ entering)
                if cosine < straightest:
                    best, straightest = ((one, at_one), (other, at_other)), cosine
        if best is not None:
            following[best[0]], following[best[1]] = best[1], best[0]
    return _walked(len(sections.start), municipality, following, longest)


def _walked(
    number: int, municipality: Integers, following: dict[tuple[int, int], tuple[int, int]], longest: int
) -> list[list[tuple[int, bool]]]:
    used = np.zeros(number, dtype=bool)
    chains = []
    for begin in range(number):
        if used[begin] or municipality[begin] < 0:
            continue
        section, entered_at = begin, 0
        seen = {begin}
        while (section, entered_at) in following:
            before, at = following[(section, entered_at)]
            if before in seen or used[before]:
                break
            section, entered_at = before, 1 - at
            seen.add(section)
        chain: list[tuple[int, bool]] = []
        while not used[section] and len(chain) < longest:
            used[section] = True
            chain.append((section, entered_at == 0))
            if (section, 1 - entered_at) not in following:
                break
            section, entered_at = following[(section, 1 - entered_at)]
        chains.append(chain)
    return chains


def _houses(
    region: Region,
    sections: _Sections,
    owner: Integers,
    block_municipality: Integers,
    residents: Floats,
    rng: np.random.Generator,
) -> tuple[Integers, Integers, Integers]:
    """Houses on the left and the right of every section and on the inner street of every block."""
    blocks = len(residents)
    houses = np.where(residents > 0, np.maximum(1, (residents / region.territory.residents_per_address).round()), 0)
    length = np.minimum(np.linalg.norm(sections.vector, axis=1), 400)
    side_block = np.concatenate([sections.left, sections.right])
    side_owner = np.concatenate([owner, owner])
    usable = side_block >= 0
    usable[usable] = block_municipality[side_block[usable]] == side_owner[usable]
    usable &= np.concatenate([length, length]) > 25
    frontage = np.where(usable, np.concatenate([length, length]), 0)
    total = np.bincount(side_block[usable], frontage[usable], blocks)
    inner_share = np.where(total == 0, 1.0, np.where(houses > 14, 0.3, 0.0))
    inner = (houses * inner_share).round()
    exact = np.zeros(len(side_block))
    exact[usable] = (houses - inner)[side_block[usable]] * frontage[usable] / total[side_block[usable]]
    on_side = np.floor(exact + rng.uniform(0, 1, len(exact))).astype(np.int64)
    built = np.bincount(side_block[usable], on_side[usable], blocks) + inner
    inner[(houses > 0) & (built == 0)] = 1
    half = len(sections.left)
    return on_side[:half], on_side[half:], inner.astype(np.int64)


def _streets(
    region: Region,
    words: StreetWords,
    blocks: npt.NDArray[np.object_],
    centroids: Floats,
    block_municipality: Integers,
    residents: Floats,
    rng: np.random.Generator,
) -> tuple[Streets, pd.DataFrame, Addresses]:
    """Named and numbered streets, the register's ranges, and every address with its place and weight."""
    sections = _edges(blocks, centroids)
    owner = np.where(
        sections.left >= 0,
        block_municipality[sections.left],
        np.where(sections.right >= 0, block_municipality[sections.right], -1),
    )
    left, right, inner = _houses(region, sections, owner, block_municipality, residents, rng)
    owner = np.where(left + right > 0, owner, -1)
    runs = [_run_along(chain, sections, left, right, rng) for chain in _chains(sections, owner, longest=9)]
    municipality = [int(owner[chain[0].section]) for chain in runs]
    for block in np.flatnonzero(inner).tolist():
        runs.append([_Run(-1, block, 2, int(inner[block]), True, 1 + np.arange(inner[block]))])
        municipality.append(int(block_municipality[block]))
    order = np.argsort(municipality, kind="stable")
    streets = _named(region, words, np.array(municipality)[order], rng)
    rows = [(number, run) for number, position in enumerate(order.tolist()) for run in runs[position]]
    ranges, addresses = _numbered(rows, sections, centroids, block_municipality, residents, streets, rng)
    return streets, ranges, addresses


@dataclass
class _Run:
    """Houses on one side of one section (or on the inner street of a block), with their numbers."""

    section: int
    block: int
    side: int
    count: int
    forward: bool
    numbers: Integers


def _run_along(
    chain: list[tuple[int, bool]],
    sections: _Sections,
    left: Integers,
    right: Integers,
    rng: np.random.Generator,
) -> list[_Run]:
    """Odd numbers on the left, even ones on the right, some left out, rising along the street."""
    following = [1, 2]
    runs = []
    for section, forward in chain:
        sides = [(left, sections.left), (right, sections.right)]
        for parity, (count, block) in enumerate(sides if forward else sides[::-1]):
            houses = int(count[section])
            if houses:
                gaps = 2 * (rng.uniform(0, 1, houses) < 0.08)
                numbers = following[parity] + 2 * np.arange(houses) + gaps.cumsum()
                following[parity] = int(numbers[-1]) + 2
                runs.append(_Run(section, int(block[section]), parity, houses, forward, numbers))
    return runs


def _named(region: Region, words: StreetWords, municipality: Integers, rng: np.random.Generator) -> Streets:
    """Names unique within a municipality; keys in steps of ten, with leading zeros."""
    combinations = [stem + ending for ending in words.endings for stem in words.stems if stem.lower() != ending]
    keys, names = [], []
    for number in range(len(region.municipalities)):
        count = int((municipality == number).sum())
        chosen = list(combinations)
        rng.shuffle(chosen)
        while len(chosen) < count:
            chosen += [f"Neue {name[0].upper()}{name[1:]}" for name in chosen]
        names += chosen[:count]
        keys += [f"{10 * (i + 1):05d}" for i in range(count)]
    return Streets(keys, names, municipality)


def _numbered(
    rows: list[tuple[int, _Run]],
    sections: _Sections,
    centroids: Floats,
    block_municipality: Integers,
    residents: Floats,
    streets: Streets,
    rng: np.random.Generator,
) -> tuple[pd.DataFrame, Addresses]:
    runs = [run for _, run in rows]
    count = np.array([run.count for run in runs])
    run_of = np.repeat(np.arange(len(runs)), count)
    number = np.concatenate([run.numbers for run in runs])
    suffix = np.zeros(len(number), dtype=np.int64)
    number, suffix, run_of = _with_suffixes(number, suffix, run_of, rng)
    street_of_run = np.array([street for street, _ in rows])
    block_of_run = np.array([run.block for run in runs])
    side_of_run = np.array([run.side for run in runs])
    ranges = pd.DataFrame(
        {
            "street": street_of_run,
            "from_number": [int(run.numbers[0]) for run in runs],
            "from_suffix": 0,
            "to_number": [int(run.numbers[-1]) for run in runs],
            "to_suffix": -1,
            "side": side_of_run,
            "block": block_of_run,
        }
    )
    ranges, run_of = _shared_numbers(ranges, number, suffix, run_of, rng)
    block = block_of_run[run_of]
    x, y = _places(runs, run_of, sections, centroids, block, rng)
    weight = rng.lognormal(0, 0.7, len(number))
    weight *= residents[block] / np.bincount(block, weight, len(residents))[block]
    addresses = Addresses(street_of_run[run_of], number, suffix, block, block_municipality[block], x, y, weight)
    return ranges, addresses


def _with_suffixes(
    number: Integers, suffix: Integers, run_of: Integers, rng: np.random.Generator
) -> tuple[Integers, Integers, Integers]:
    """Some houses have a neighbour with the same number and a letter."""
    extra = np.flatnonzero(rng.uniform(0, 1, len(number)) < 0.07)
    more = extra[rng.uniform(0, 1, len(extra)) < 0.3]
    number = np.concatenate([number, number[extra], number[more]])
    suffix = np.concatenate([suffix, np.ones(len(extra), np.int64), np.full(len(more), 2)])
    run_of = np.concatenate([run_of, run_of[extra], run_of[more]])
    order = np.lexsort((suffix, number, run_of))
    return number[order], suffix[order], run_of[order]


def _shared_numbers(
    ranges: pd.DataFrame, number: Integers, suffix: Integers, run_of: Integers, rng: np.random.Generator
) -> tuple[pd.DataFrame, Integers]:
    """Where a side goes on in the next block, its first house there sometimes is the last number's `b`.

    The register row then ends with suffix `a` and the next begins with `b`; an empty end suffix includes all
    letters.
    """
    street, side = ranges["street"], ranges["side"]
    alternating = (street.shift(-2) == street) & (side.shift(-2) == side) & (side.shift(-1) == 1 - side)
    candidates = np.flatnonzero(alternating.to_numpy())
    last_with_b = {
        int(run_of[i]): i for i in np.flatnonzero(suffix == 2) if number[i] == ranges["to_number"].iat[run_of[i]]
    }
    run_of = run_of.copy()
    for run in candidates.tolist():
        if run in last_with_b and rng.uniform() < 0.8:
            following = run + 2
            run_of[last_with_b[run]] = following
            ranges.loc[run, "to_suffix"] = 1
            ranges.loc[following, "from_number"] = ranges.loc[run, "to_number"]
            ranges.loc[following, "from_suffix"] = 2
    return ranges, run_of


def _places(
    runs: list[_Run],
    run_of: Integers,
    sections: _Sections,
    centroids: Floats,
    block: Integers,
    rng: np.random.Generator,
) -> tuple[Floats, Floats]:
    """Coordinates: along the section, a little inside the block; inner streets lead from the centroid
    outwards.
    """
    section = np.array([run.section for run in runs])[run_of]
    forward = np.array([run.forward for run in runs])[run_of]
    first = np.flatnonzero(np.r_[True, run_of[1:] != run_of[:-1]])
    houses = np.diff(np.r_[first, len(run_of)])
    rank = np.arange(len(run_of)) - np.repeat(first, houses)
    along = 0.08 + 0.84 * (rank + 0.5) / np.repeat(houses, houses)
    along = np.where(forward, along, 1 - along)
    start = sections.corner[sections.start[section]]
    on_street = start + sections.vector[section] * along[:, None]
    on_street[section < 0] = centroids[block[section < 0]]
    inwards = centroids[block] - on_street
    distance = np.maximum(np.linalg.norm(inwards, axis=1), 1e-9)
    step = np.minimum(14.0, 0.25 * distance) / distance
    place = on_street + inwards * step[:, None]
    inner = section < 0
    angle = rng.uniform(0, 2 * np.pi, len(run_of))
    reach = rng.uniform(1, 6, len(run_of))
    place[inner] = centroids[block[inner]] + (reach[:, None] * np.column_stack([np.cos(angle), np.sin(angle)]))[inner]
    return place[:, 0].round(3), place[:, 1].round(3)
