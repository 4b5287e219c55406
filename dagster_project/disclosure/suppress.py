"""Complementary suppression: the cells to hide so that every sensitive cell keeps its margin.

Reads and writes nothing: a system in, hidden cells out.

First every column's tree is solved as if all other columns were printed (see `trees`). What moves in its own tree alone
is proved by that. For a cell whose column is bound to others, a linear programme (HiGHS) looks for an alternative
table in which the cell takes the value it must be able to take, at the least cost of cells not hidden yet; those it
uses are hidden too. Every solution is a witness for all cells it moves. Nothing here knows of a cell why it is
hidden; the order of cells, not chance, breaks ties.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from dagster_project.disclosure import trees
from dagster_project.disclosure.moves import FREE, Neighbours, cheapest_move, move_together, parts
from dagster_project.disclosure.system import Grid, System

Integers = npt.NDArray[np.int64]
Booleans = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]

UNSEEN_RADIUS = 6  # the same among cells nobody sees anyway
RADII = (3, 5, 64)  # steps from cell to equation to cell: a nearby solution is a cheap one
WORTHWHILE = 15  # cells proved at once for which another table is looked for


@dataclass
class Protection:
    """`hidden` over all cells; `unmet` the same once per attacker: cells whose margin cannot be kept against it;
    `cannot_fall` cells whose margin below is not kept against somebody."""

    hidden: Booleans
    unmet: list[Booleans]
    cannot_fall: Booleans


def protect(system: System, attackers: Sequence[Booleans] = ()) -> Protection:
    """The cells to hide from the public and from attackers who know some cells themselves.

    `attackers` holds one array over all cells for each: what it knows. Against each of them the margins of all other
    cells are kept. The first entry of `unmet` is the public's.
    """
    hidden = system.hidden.copy()
    for index, grid in enumerate(system.grids):
        _solve_trees(system, index, grid, hidden)
    unmet = []
    tables: list[_Table] = []
    for own in (np.zeros(len(hidden), bool), *attackers):
        low, high = _witnessed_by_trees(system, hidden, own)
        for table in tables:
            if not own[table.cells].any():
                table.widen(system.value, low, high)
        unmet.append(_solve_bound_cells(system, _Search(own, hidden, low, high, tables, _fall_to(system, own))))
    cannot_fall: Booleans = np.any([fall for _, fall in unmet], axis=0)
    return Protection(hidden, [rise | fall for rise, fall in unmet], cannot_fall)


def _fall_to(system: System, own: Booleans) -> Integers:
    """How far each cell must be able to fall for one who knows some areas: what lies in these areas stays in it."""
    if not own.any():
        return system.fall
    told = np.zeros(len(own), np.int64)
    for index, grid in enumerate(system.grids):
        value, mine, part = (system.of(index, flat) for flat in (system.value, own, told))
        for child, above in enumerate(grid.parent.tolist()):  # finer areas stand first
            if above >= 0:
                part[above] += np.where(mine[child], value[child], part[child])
    fall: Integers = np.minimum(system.fall, np.maximum(system.value - told, 0))
    return fall


@dataclass(frozen=True)
class _Table:
    """An alternative table: which cells differ from the true one, and by how much."""

    cells: Integers
    moved: Integers

    def widen(self, value: Integers, low: Integers, high: Integers) -> None:
        """Note that the cells can take these values."""
        np.minimum.at(low, self.cells, value[self.cells] + self.moved)
        np.maximum.at(high, self.cells, value[self.cells] + self.moved)


@dataclass
class _Search:
    """What an attacker knows, what is hidden, between which values tables were found so far, all tables, and how far
    each cell must be able to fall: not below what the attacker has of it itself."""

    known: Booleans
    hidden: Booleans
    low: Integers
    high: Integers
    tables: list[_Table]
    fall: Integers

    def note(self, system: System, found: list[tuple[Integers, Integers]]) -> None:
        """Keep tables, each of which moves cells that hang together."""
        for cells, moved in found:
            table = _Table(cells, moved)
            table.widen(system.value, self.low, self.high)
            self.tables.append(table)


# ---------------------------------------------------------------- trees


def _bounds(system: System, index: int, grid: Grid) -> tuple[Integers, Integers]:
    """How far each cell of a grid may fall and rise while all other columns stay as they are: rests follow."""
    lower, upper = system.of(index, system.lower).copy(), system.of(index, system.upper).copy()
    for relation in grid.relations:
        rest = [column for column in relation.columns if grid.rests[column]]
        for column, coefficient in zip(relation.columns, relation.coefficients, strict=True):
            if rest and column not in rest:
                room = grid.value[:, rest].sum(axis=1)
                if coefficient > 0:
                    upper[:, column] = np.minimum(upper[:, column], grid.value[:, column] + room)
                else:
                    lower[:, column] = np.maximum(lower[:, column], grid.value[:, column] - room)
    return lower, upper


def _forest(system: System, index: int, grid: Grid, columns: Integers, hidden: Booleans) -> trees.Forest:
    """Trees of some columns; `hidden` are that grid's cells an attacker does not see, whatever else is hidden."""

    def part(flat: npt.NDArray[Any]) -> npt.NDArray[Any]:
        return system.of(index, flat)[:, columns]

    lower, upper = _bounds(system, index, grid)
    value, must = part(system.value), hidden[:, columns]
    return trees.Forest(
        parent=grid.parent,
        value=value,
        lower=np.minimum(lower[:, columns], value),
        upper=np.maximum(upper[:, columns], value),
        rise=part(system.rise),
        fall=part(system.fall),
        cost=np.where(must, FREE, part(system.cost)),
        must=must,
        known=part(system.known) & ~must,
    )


def _unseen(system: System, index: int, hidden: Booleans) -> Booleans:
    """What is hidden, and what is never printed."""
    unseen: Booleans = system.of(index, hidden | ~(system.printable | system.known))
    return unseen


def _solve_trees(system: System, index: int, grid: Grid, hidden: Booleans) -> None:
    """Hide within each column. Cells that need more than their column allows alone are left to the programmes."""
    own = system.of(index, hidden)
    columns = np.flatnonzero(grid.summed & own.any(axis=0))
    if not len(columns):
        return
    forest = _forest(system, index, grid, columns, _unseen(system, index, hidden))
    forest = replace(
        forest,
        lower=np.minimum(forest.lower, forest.value - forest.fall),
        upper=np.maximum(forest.upper, forest.value + forest.rise),
    )
    found, solved = trees.hide(forest)
    chosen = columns[solved]
    own[:, chosen] |= found[:, solved] & system.of(index, system.printable)[:, chosen]


def _witnessed_by_trees(system: System, hidden: Booleans, known: Booleans) -> tuple[Integers, Integers]:
    """Lowest and highest value of each cell in tables that differ from the true one in a single column."""
    low, high = system.value.copy(), system.value.copy()
    for index, grid in enumerate(system.grids):
        columns = np.flatnonzero(grid.loose & grid.summed)
        if len(columns):
            own = _unseen(system, index, hidden) & ~system.of(index, known)
            rise, fall = trees.slack(_forest(system, index, grid, columns, own), own[:, columns])
            system.of(index, high)[:, columns] += rise
            system.of(index, low)[:, columns] -= fall
    return low, high


# ---------------------------------------------------------------- bound cells


def _solve_bound_cells(system: System, search: _Search) -> tuple[Booleans, Booleans]:
    """Hide what the remaining cells need, one linear programme for each direction no table covers yet. Returns the
    cells that cannot rise, and those that cannot fall, as they must."""
    unmet = np.zeros(len(search.hidden), bool), np.zeros(len(search.hidden), bool)
    _prove_together(system, search)
    unproved = np.flatnonzero(_unproved(system, search, 1, -1))
    if not len(unproved):
        return unmet
    neighbours = Neighbours(system)
    order = np.lexsort((unproved, -system.cost[unproved]))  # dearest first: what they hide serves the others
    for cell in unproved[order]:
        for direction, need in ((1, int(system.rise[cell])), (-1, int(search.fall[cell]))):
            end = search.high[cell] if direction == 1 else search.low[cell]
            reached = direction * (end - system.value[cell])
            if reached < need and not _move(system, neighbours, int(cell), direction * need, search):
                unmet[direction == -1][cell] = True
    return unmet


def _unproved(system: System, search: _Search, *directions: int) -> Booleans:
    """Cells nobody sees whose margin upwards (1) or downwards (-1) no table found so far covers."""
    found = np.zeros(len(search.hidden), bool)
    if 1 in directions:
        found |= search.high - system.value < system.rise
    if -1 in directions:
        found |= system.value - search.low < search.fall
    unseen: Booleans = found & (search.hidden | ~system.printable) & ~search.known & ~system.known
    return unseen


def _prove_together(system: System, search: _Search) -> None:
    """Look for tables in which as many cells as possible keep their margin at once, without hiding any more."""
    movable = (search.hidden | ~system.printable) & ~search.known & ~system.known
    for direction, need in ((1, system.rise), (-1, search.fall)):
        wanted = _unproved(system, search, direction)
        while wanted.any():
            search.note(system, move_together(system, movable, wanted, need, direction))
            left = wanted.sum()
            wanted = _unproved(system, search, direction)
            if left - wanted.sum() < WORTHWHILE:
                break


def _move(system: System, neighbours: Neighbours, cell: int, amount: int, search: _Search) -> bool:
    """Find an alternative table that moves the cell by `amount`, and note it.

    First among cells nobody sees; then the cheapest that hides more.
    """
    free = ~(system.known | search.known)
    unseen = search.hidden | ~system.printable
    tries = [(UNSEEN_RADIUS, free & unseen), *((radius, free) for radius in RADII)]
    size = 0
    for radius, movable in tries:
        scope = neighbours.around(cell, radius, movable)
        if movable is free and len(scope.cells) == size:
            return False
        size = len(scope.cells) if movable is free else 0
        found = cheapest_move(system, scope, cell, amount, unseen)
        if found is not None:
            cells, moved = found
            search.hidden[cells[(moved != 0) & system.printable[cells]]] = True
            search.note(system, parts(system, cells, moved))
            return True
    return False
