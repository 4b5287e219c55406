"""Complementary suppression on trees of areas: what else must be hidden so that hidden numbers stay uncertain.

Reads and writes nothing: arrays in, arrays out.

A tree holds one measure: every inner node is the sum of its children, each node lies between public bounds. All trees
of a batch share one shape (the areas of an edition), so that a batch is a matrix of nodes by trees. The hidden cells of
a tree form a network in which a cell can rise by k exactly if k units can flow round through it: up inside it, and
outside it down over hidden siblings or up over a hidden parent. Hence a subtree matters to the rest only through four
numbers, how far it can rise and fall and how much rise and fall it needs from outside, none of which has to be counted
beyond the largest need. `hide` minimises the cost of the hidden cells by dynamic programming over the
Pareto-optimal values of these four numbers. It is exact as long as no front is longer than its limits `WIDTH` and
`OFFERS`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Integers = npt.NDArray[np.int64]
Booleans = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]

WIDTH = 24  # states kept while the children of a node are gathered
OFFERS = 7  # ways kept to hide a node
CHUNK = 1 << 22  # cells of the largest temporary array
RISE, FALL, LACK_RISE, LACK_FALL = range(4)


@dataclass(frozen=True)
class Forest:
    """A batch of trees of one shape; all matrices are nodes by trees.

    `parent` names the node above, -1 at the root. `value` is the true count, `lower` and `upper` what everybody knows
    of it. `rise` and `fall` say how far above and below its value a cell must stay possible (0 where it is no
    secret). `cost` is what hiding a cell costs, `must` marks cells that are hidden anyway and `known` those
    that cannot be hidden.
    """

    parent: Integers
    value: Integers
    lower: Integers
    upper: Integers
    rise: Integers
    fall: Integers
    cost: Floats
    must: Booleans
    known: Booleans


def slack(forest: Forest, hidden: Booleans) -> tuple[Integers, Integers]:
    """How far each cell can rise and fall when `hidden` cells are: exact, in two sweeps; 0 for printed cells."""
    parent = forest.parent
    room = [np.where(hidden, forest.upper - forest.value, 0), np.where(hidden, forest.value - forest.lower, 0)]
    order, heights = _by_height(parent)
    inside = [way.copy() for way in room]
    below = [np.zeros_like(way) for way in room]
    for nodes in heights:
        for way in (0, 1):
            if heights[0] is not nodes:
                inside[way][nodes] = np.minimum(room[way][nodes], below[way][nodes])
            upward = nodes[parent[nodes] >= 0]
            np.add.at(below[way], parent[upward], inside[way][upward])
    outside = [np.full_like(way, np.iinfo(np.int64).max // 4) for way in room]
    for nodes in reversed(order):
        above = parent[nodes]
        for way in (0, 1):
            through = np.where(hidden[above], np.minimum(room[way][above], outside[way][above]), 0)
            outside[way][nodes] = below[1 - way][above] - inside[1 - way][nodes] + through
    return np.minimum(inside[0], outside[0]), np.minimum(inside[1], outside[1])


def hide(forest: Forest) -> tuple[Booleans, Booleans]:
    """The cheapest hidden cells that leave every cell its `rise` and `fall`.

    Returns the hidden cells, nodes by trees, and which trees could be protected at all: in the others, only what must
    be is hidden.
    """
    most = int(max(forest.rise.max(initial=0), forest.fall.max(initial=0), 1))
    nodes, trees = forest.value.shape
    offers = _Offers(
        np.full((nodes, trees, OFFERS + 1), np.inf, np.float32), np.zeros((4, nodes, trees, OFFERS + 1), np.int16)
    )
    _, heights = _by_height(forest.parent)
    _offer_leaves(forest, offers, heights[0], most)
    gathered = []
    children = _children(forest.parent)
    for level in heights[1:]:
        counts = np.array([len(children[node]) for node in level])
        level = level[np.argsort(-counts, kind="stable")]
        size = max(1, CHUNK // (WIDTH * (OFFERS + 1) * trees))
        for start in range(0, len(level), size):
            gathered.append(_gather(forest, offers, level[start : start + size], children, most))
    return _choose(forest, offers, gathered)


# ---------------------------------------------------------------- shape


def _by_height(parent: Integers) -> tuple[list[Integers], list[Integers]]:
    """Nodes other than roots by depth, deepest first, and all nodes by height over the leaves, leaves first."""
    depth = np.zeros(len(parent), np.int64)
    height = np.zeros(len(parent), np.int64)
    above = parent.copy()
    while (above >= 0).any():
        depth += above >= 0
        above = np.where(above >= 0, parent[above], -1)
    for level in range(int(depth.max(initial=0)), 0, -1):
        nodes = np.flatnonzero(depth == level)
        np.maximum.at(height, parent[nodes], height[nodes] + 1)
    by_depth = [np.flatnonzero(depth == level) for level in range(int(depth.max(initial=0)), 0, -1)]
    return by_depth, [np.flatnonzero(height == level) for level in range(int(height.max(initial=0)) + 1)]


def _children(parent: Integers) -> list[list[int]]:
    children: list[list[int]] = [[] for _ in parent]
    for node, above in enumerate(parent.tolist()):
        if above >= 0:
            children[above].append(node)
    return children


# ---------------------------------------------------------------- dynamic programming


@dataclass
class _Offers:
    """What each node can be to its parent: printed (0) or hidden in one of several ways; infinite cost: not at all.

    `state` holds how far it rises and falls, and how much rise and fall it needs from outside.
    """

    cost: npt.NDArray[np.float32]
    state: npt.NDArray[np.int16]


@dataclass
class _Gathered:
    """How the offers of nodes of one height came about, to walk back: see `_choose`."""

    nodes: Integers
    kids: list[Integers]
    steps: list[npt.NDArray[np.int32]]
    printed_from: npt.NDArray[np.int32]
    hidden_from: npt.NDArray[np.int32]


def _offer_leaves(forest: Forest, offers: _Offers, leaves: Integers, most: int) -> None:
    offers.cost[leaves, :, 0] = np.where(forest.must[leaves], np.inf, 0)
    offers.cost[leaves, :, 1] = np.where(forest.known[leaves], np.inf, forest.cost[leaves])
    for field, amount in (
        (RISE, forest.upper[leaves] - forest.value[leaves]),
        (FALL, forest.value[leaves] - forest.lower[leaves]),
        (LACK_RISE, forest.rise[leaves]),
        (LACK_FALL, forest.fall[leaves]),
    ):
        offers.state[field, leaves, :, 1] = np.minimum(amount, most)


def _gather(forest: Forest, offers: _Offers, nodes: Integers, children: list[list[int]], most: int) -> _Gathered:
    """Combine the offers of the children of each node, one child after another, into offers of the node."""
    trees = forest.value.shape[1]
    cost = np.zeros((len(nodes), trees, 1), np.float32)
    state = np.zeros((4, len(nodes), trees, 1), np.int16)
    steps, kids = [], []
    counts = [len(children[node]) for node in nodes]
    for place in range(max(counts)):
        active = sum(count > place for count in counts)
        kid = np.array([children[node][place] for node in nodes[:active]])
        new_cost, new_state, origin = _merge(
            cost[:active], state[:, :active], offers.cost[kid], offers.state[:, kid], most
        )
        width = max(new_cost.shape[-1], cost.shape[-1])
        rest = cost[active:]
        cost = np.concatenate([_padded(new_cost, width, np.inf), _padded(rest, width, np.inf)], axis=0)
        state = np.concatenate([_padded(new_state, width, 0), _padded(state[:, active:], width, 0)], axis=1)
        steps.append(origin)
        kids.append(kid)
    return _close(forest, offers, nodes, cost, state, kids, steps, most)


def _merge(
    cost: Any, state: Any, kid_cost: Any, kid_state: Any, most: int
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int16], npt.NDArray[np.int32]]:
    """All pairs of a state so far and an offer of the next child, without those that others dominate."""
    used = _used(kid_cost)
    kid_cost, kid_state = kid_cost[..., :used], kid_state[..., :used]
    shape = (*cost.shape[:2], cost.shape[2] * used)

    def pairs(ours: Any, theirs: Any) -> Any:
        return np.broadcast_to(ours[..., :, None], (*ours.shape, used)), np.broadcast_to(
            theirs[..., None, :], (*theirs.shape[:-1], ours.shape[-1], used)
        )

    total = (cost[..., :, None] + kid_cost[..., None, :]).reshape(shape)
    combined = np.empty((4, *shape), np.int16)
    for reach, lack in ((RISE, LACK_FALL), (FALL, LACK_RISE)):
        ours, theirs = pairs(state[reach], kid_state[reach])
        combined[reach] = np.minimum(ours + theirs, most).reshape(shape)
        # siblings that rise let a child fall, and the other way round
        our_lack, their_lack = pairs(state[lack], kid_state[lack])
        combined[lack] = np.maximum(np.maximum(our_lack - theirs, their_lack - ours), 0).reshape(shape)
    return _front(total, combined, WIDTH)


def _front(total: Any, combined: Any, limit: int) -> tuple[Any, Any, Any]:
    """The states no other dominates, at most `limit`, cheapest first, and where each came from.

    States that need nothing from outside come before all others of the same place where the front is too long.
    """
    order = np.argsort(total, axis=-1, kind="stable")
    total = np.take_along_axis(total, order, -1)
    combined = np.take_along_axis(combined, order[None], -1)
    number = total.shape[-1]
    alive = np.isfinite(total)
    rise, fall, lack_rise, lack_fall = combined
    for better in range(number - 1):
        rest = slice(better + 1, None)
        one = (..., slice(better, better + 1))
        worse = (
            (rise[..., rest] <= rise[one])
            & (fall[..., rest] <= fall[one])
            & (lack_rise[..., rest] >= lack_rise[one])
            & (lack_fall[..., rest] >= lack_fall[one])
        )
        alive[..., rest] &= ~(worse & alive[one])
    kept = int(alive.sum(axis=-1).max(initial=1))
    rank = np.cumsum(alive, axis=-1)
    if kept > limit:
        closed = alive & (lack_rise == 0) & (lack_fall == 0)
        first_closed = closed & (np.cumsum(closed, axis=-1) == 1)
        rank = np.where(first_closed, 1, rank + (np.cumsum(first_closed, axis=-1) == 0))
        alive &= rank <= limit
        kept = limit
    pick = np.argsort(np.where(alive, np.arange(number), number), axis=-1, kind="stable")[..., : max(kept, 1)]
    chosen_cost = np.where(np.take_along_axis(alive, pick, -1), np.take_along_axis(total, pick, -1), np.inf)
    return (
        chosen_cost.astype(np.float32),
        np.take_along_axis(combined, pick[None], -1),
        np.take_along_axis(order, pick, -1).astype(np.int32),
    )


def _close(
    forest: Forest,
    offers: _Offers,
    nodes: Integers,
    cost: Any,
    state: Any,
    kids: list[Integers],
    steps: list[Any],
    most: int,
) -> _Gathered:
    """The offers of inner nodes: printed where nothing below needs more, hidden where their own needs are met below."""
    closed = (state[LACK_RISE] == 0) & (state[LACK_FALL] == 0)
    printed = np.where(closed & ~forest.must[nodes][..., None], cost, np.inf)
    printed_from = printed.argmin(axis=-1)
    offers.cost[nodes, :, 0] = np.take_along_axis(printed, printed_from[..., None], -1)[..., 0]

    up = (forest.upper[nodes] - forest.value[nodes])[..., None]
    down = (forest.value[nodes] - forest.lower[nodes])[..., None]
    rise, fall = forest.rise[nodes][..., None], forest.fall[nodes][..., None]
    possible = (
        (state[RISE] >= rise)
        & (state[FALL] >= fall)
        & (state[LACK_RISE] <= up)
        & (state[LACK_FALL] <= down)
        & ~forest.known[nodes][..., None]
    )
    hidden = np.where(possible, cost + forest.cost[nodes][..., None], np.inf).astype(np.float32)
    outward = np.stack(
        [
            np.minimum(state[RISE], np.minimum(up, most)),
            np.minimum(state[FALL], np.minimum(down, most)),
            np.maximum(state[LACK_RISE], np.minimum(rise, most)),
            np.maximum(state[LACK_FALL], np.minimum(fall, most)),
        ]
    ).astype(np.int16)
    hidden_cost, hidden_state, hidden_from = _front(hidden, outward, OFFERS)
    width = hidden_cost.shape[-1]
    offers.cost[nodes, :, 1 : width + 1] = hidden_cost
    offers.state[:, nodes, :, 1 : width + 1] = hidden_state
    return _Gathered(nodes, kids, steps, printed_from.astype(np.int32), hidden_from)


def _choose(forest: Forest, offers: _Offers, gathered: list[_Gathered]) -> tuple[Booleans, Booleans]:
    """Walk back from the roots: which offer of each node belongs to the cheapest whole."""
    nodes, trees = forest.value.shape
    roots = np.flatnonzero(forest.parent < 0)
    chosen = np.zeros((nodes, trees), np.int64)
    chosen[roots] = offers.cost[roots].argmin(axis=-1)
    feasible = np.isfinite(offers.cost[roots].min(axis=-1)).all(axis=0)
    for level in reversed(gathered):
        offer = chosen[level.nodes]
        from_hidden = np.take_along_axis(level.hidden_from, np.maximum(offer - 1, 0)[..., None], -1)[..., 0]
        at = np.where(offer == 0, level.printed_from, from_hidden)
        for kid, origin in zip(reversed(level.kids), reversed(level.steps), strict=True):
            active = len(kid)
            used = _used(offers.cost[kid])
            pair = np.take_along_axis(origin, at[:active, :, None].clip(0, origin.shape[-1] - 1), -1)[..., 0]
            chosen[kid] = pair % used
            at = np.concatenate([pair // used, at[active:]])
    hidden = np.where(feasible, (chosen > 0) | forest.must, forest.must)
    return hidden, feasible


def _used(cost: Any) -> int:
    """How many of the places for offers are filled anywhere."""
    filled = np.flatnonzero(np.isfinite(cost).any(axis=(0, 1)))
    return int(filled.max(initial=0)) + 1


def _padded(array: Any, width: int, fill: float) -> Any:
    missing = width - array.shape[-1]
    if missing == 0:
        return array
    return np.concatenate([array, np.full((*array.shape[:-1], missing), fill, array.dtype)], axis=-1)
