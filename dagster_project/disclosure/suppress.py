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

import highspy
import numpy as np
import numpy.typing as npt
from scipy import sparse

from dagster_project.disclosure import trees
from dagster_project.disclosure.system import Grid, System

Integers = npt.NDArray[np.int64]
Booleans = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]

UNSEEN_RADIUS = 6  # the same among cells nobody sees anyway
RADII = (3, 5, 64)  # steps from cell to equation to cell: a nearby solution is a cheap one
TOGETHER = 8  # tables looked for that prove many cells at once
FREE = 1e-6  # price of cells that are hidden anyway
TOLERANCE = 1e-6


@dataclass
class Protection:
    """`hidden` over all cells; `unmet` the same once per attacker: cells whose margin cannot be kept against it."""

    hidden: Booleans
    unmet: list[Booleans]


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
        unmet.append(_solve_bound_cells(system, _Search(own, hidden, low, high, tables)))
    return Protection(hidden, unmet)


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
    """What an attacker knows, what is hidden, between which values tables were found so far, and all tables."""

    known: Booleans
    hidden: Booleans
    low: Integers
    high: Integers
    tables: list[_Table]

    def note(self, system: System, cells: Integers, moved: Integers) -> None:
        """Keep a table in parts that do not touch: each of them is an alternative table of its own."""
        cells, moved = cells[moved != 0], moved[moved != 0]
        part = system.by_cell[:, cells].tocoo()
        _, row = np.unique(part.row, return_inverse=True)
        size = len(cells)
        graph = sparse.coo_array((np.ones(len(row)), (part.col, row + size)), shape=(size + len(row), size + len(row)))
        _, label = sparse.csgraph.connected_components(graph, directed=False)
        for number in np.unique(label[:size]):
            inside = label[:size] == number
            table = _Table(cells[inside], moved[inside])
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


def _solve_bound_cells(system: System, search: _Search) -> Booleans:
    """Hide what the remaining cells need, one linear programme for each direction no table covers yet."""
    unmet = np.zeros(len(search.hidden), bool)
    for direction in (1, -1):
        _prove_together(system, search, direction)
    unproved = np.flatnonzero(_unproved(system, search, 1, -1))
    if not len(unproved):
        return unmet
    neighbours = _Neighbours(system)
    order = np.lexsort((unproved, -system.cost[unproved]))  # dearest first: what they hide serves the others
    for cell in unproved[order]:
        for direction, need in ((1, int(system.rise[cell])), (-1, int(system.fall[cell]))):
            end = search.high[cell] if direction == 1 else search.low[cell]
            reached = direction * (end - system.value[cell])
            if reached < need and not _move(system, neighbours, int(cell), direction * need, search):
                unmet[cell] = True
    return unmet


def _unproved(system: System, search: _Search, *directions: int) -> Booleans:
    """Cells nobody sees whose margin upwards (1) or downwards (-1) no table found so far covers."""
    found = np.zeros(len(search.hidden), bool)
    if 1 in directions:
        found |= search.high - system.value < system.rise
    if -1 in directions:
        found |= system.value - search.low < system.fall
    unseen: Booleans = found & (search.hidden | ~system.printable) & ~search.known & ~system.known
    return unseen


def _prove_together(system: System, search: _Search, direction: int) -> None:
    """Look for tables in which as many cells as possible keep their margin at once, without hiding any more."""
    movable = (search.hidden | ~system.printable) & ~search.known & ~system.known
    need = system.rise if direction == 1 else system.fall
    for _ in range(TOGETHER):
        wanted = _unproved(system, search, direction)
        if not wanted.any():
            return
        cells, equations = _components(system.matrix, movable, wanted)
        aim = wanted[cells]
        up = (system.upper - system.value)[cells].astype(float)
        down = (system.value - system.lower)[cells].astype(float)
        reach = up if direction == 1 else down
        reach[aim] = np.minimum(reach[aim], need[cells][aim])
        model = _model(system.matrix[equations][:, cells], -down, up, np.where(aim, -float(direction), 0.0))
        moved = _solution(model)
        if moved is None or np.abs(moved - moved.round()).max() > TOLERANCE:
            return
        search.note(system, cells, moved.round().astype(np.int64))
        if _unproved(system, search, direction).sum() == wanted.sum():
            return


def _components(matrix: sparse.csr_array, movable: Booleans, wanted: Booleans) -> tuple[Integers, Integers]:
    """Movable cells and equations that hang together with wanted cells."""
    entries = matrix.tocoo()
    inside = movable[entries.col]
    row, cell = entries.row[inside], entries.col[inside]
    rows, cells = matrix.shape
    graph = sparse.coo_array((np.ones(len(row)), (row, cell + rows)), shape=(rows + cells, rows + cells))
    _, label = sparse.csgraph.connected_components(graph, directed=False)
    here = np.isin(label, np.unique(label[rows:][wanted]))
    return np.flatnonzero(here[rows:] & movable), np.flatnonzero(here[:rows])


def _model(matrix: sparse.csr_array, low: Floats, high: Floats, price: Floats) -> highspy.HighsLp:
    """Minimise price @ x where matrix @ x = 0 and x lies between its bounds."""
    columns = sparse.csc_array(matrix)
    model = highspy.HighsLp()
    model.num_row_, model.num_col_ = columns.shape
    model.col_cost_, model.col_lower_, model.col_upper_ = price, low, high
    model.row_lower_ = model.row_upper_ = np.zeros(columns.shape[0])
    model.a_matrix_.format_ = highspy.MatrixFormat.kColwise
    model.a_matrix_.start_, model.a_matrix_.index_ = columns.indptr, columns.indices
    model.a_matrix_.value_ = columns.data
    return model


class _Neighbours:
    """Which cells and equations lie near a cell."""

    def __init__(self, system: System) -> None:
        self.rows = system.matrix
        self.columns = system.by_cell

    def around(self, cell: int, radius: int, movable: Booleans) -> tuple[Integers, Integers]:
        """Cells that may move and all equations they stand in, within some steps."""
        cells = frontier = np.array([cell])
        for _ in range(radius):
            equations = np.unique(_indices(self.columns, frontier))
            reached = np.unique(_indices(self.rows, equations))
            reached = reached[movable[reached]]
            frontier = np.setdiff1d(reached, cells, assume_unique=True)
            if not len(frontier):
                break
            cells = np.union1d(cells, frontier)
        return cells, np.unique(_indices(self.columns, cells))


def _indices(compressed: sparse.csr_array, lines: Integers) -> Integers:
    """Column numbers of the entries in some rows of a compressed matrix (or the other way round)."""
    starts, ends = compressed.indptr[lines], compressed.indptr[lines + 1]
    return np.concatenate([compressed.indices[start:end] for start, end in zip(starts, ends, strict=True)] or [lines])


def _move(system: System, neighbours: _Neighbours, cell: int, amount: int, search: _Search) -> bool:
    """Find an alternative table that moves the cell by `amount`, and note it.

    First among cells nobody sees; then the cheapest that hides more.
    """
    free = ~(system.known | search.known)
    tries = [(UNSEEN_RADIUS, free & (search.hidden | ~system.printable)), *((radius, free) for radius in RADII)]
    size = 0
    for radius, movable in tries:
        cells, equations = neighbours.around(cell, radius, movable)
        if movable is free and len(cells) == size:
            return False
        size = len(cells) if movable is free else 0
        moved = _cheapest_move(system, cells, equations, cell, amount, search.hidden)
        if moved is not None:
            search.hidden[cells[(moved != 0) & system.printable[cells]]] = True
            search.note(system, cells, moved)
            return True
    return False


def _cheapest_move(
    system: System, cells: Integers, equations: Integers, cell: int, amount: int, hidden: Booleans
) -> Integers | None:
    """Whole-numbered changes of `cells` that keep all equations and move `cell` by `amount`; None where none do."""
    up = (system.upper - system.value)[cells].astype(float)
    down = (system.value - system.lower)[cells].astype(float)
    here = int(np.searchsorted(cells, cell))
    fixed_up, fixed_down = (amount, 0) if amount > 0 else (0, -amount)
    price = np.where(hidden[cells] | ~system.printable[cells], FREE, system.cost[cells])
    lower, upper = np.zeros(2 * len(cells)), np.concatenate([up, down])
    lower[here], upper[here] = fixed_up, fixed_up
    lower[here + len(cells)], upper[here + len(cells)] = fixed_down, fixed_down
    if fixed_up > up[here] or fixed_down > down[here]:
        return None
    rows = system.matrix[equations][:, cells]
    model = _model(sparse.hstack([rows, -rows], format="csr"), lower, upper, np.concatenate([price, price]))
    found = _solution(model)
    if found is None:
        return None
    moved = found[: len(cells)] - found[len(cells) :]
    if np.abs(moved - moved.round()).max() > TOLERANCE:
        model.integrality_ = [highspy.HighsVarType.kInteger] * (2 * len(cells))
        found = _solution(model)
        if found is None:
            return None
        moved = found[: len(cells)] - found[len(cells) :]
    return moved.round().astype(np.int64)


def _solution(model: highspy.HighsLp) -> Floats | None:
    solver = highspy.Highs()
    solver.setOptionValue("output_flag", False)
    solver.setOptionValue("threads", 1)
    solver.passModel(model)
    solver.run()
    if solver.getModelStatus() != highspy.HighsModelStatus.kOptimal:
        return None
    return np.array(solver.getSolution().col_value)
