"""Complementary suppression: the cells to hide so that every sensitive cell keeps its margin.

Reads and writes nothing: a system in, hidden cells out.

First every column's tree is solved as if all other columns were printed (see `trees`). What moves in its own tree alone
is proved by that. For a cell whose column is bound to others, a linear programme (HiGHS) looks for an alternative
table in which the cell takes the value it must be able to take, at the least cost of cells not hidden yet; those it
uses are hidden too. Every solution is a witness for all cells it moves. Nothing here knows of a cell why it is
hidden; the order of cells, not chance, breaks ties.
"""

from __future__ import annotations

from dataclasses import dataclass
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

RADII = (2, 4, 64)  # steps from cell to equation to cell: a nearby solution is a cheap one
FREE = 1e-6  # price of cells that are hidden anyway
TOLERANCE = 1e-6


@dataclass
class Protection:
    """`hidden` and `unmet` over all cells: what to hide, and cells whose margin cannot be kept."""

    hidden: Booleans
    unmet: Booleans


def protect(system: System) -> Protection:
    """The cells to hide. Cells whose margin cannot be kept, because too much is known, are named in `unmet`."""
    hidden = system.hidden.copy()
    for index, grid in enumerate(system.grids):
        _solve_trees(system, index, grid, hidden)
    low, high = _witnessed_by_trees(system, hidden)
    unmet = _solve_bound_cells(system, hidden, low, high)
    return Protection(hidden, unmet)


# ---------------------------------------------------------------- trees


def _forest(system: System, index: int, grid: Grid, columns: Integers, must: Booleans) -> trees.Forest:
    def part(flat: npt.NDArray[Any]) -> npt.NDArray[Any]:
        return system.of(index, flat)[:, columns]

    value = part(system.value)
    return trees.Forest(
        parent=grid.parent,
        value=value,
        lower=np.minimum(part(system.lower), value),
        upper=np.maximum(part(system.upper), value),
        rise=part(system.rise),
        fall=part(system.fall),
        cost=np.where(must, FREE, part(system.cost)),
        must=must,
        known=part(system.known | ~system.printable) & ~must,
    )


def _solve_trees(system: System, index: int, grid: Grid, hidden: Booleans) -> None:
    columns = np.flatnonzero(~grid.rests & grid.printable.any(axis=0))
    own = system.of(index, hidden)
    columns = columns[own[:, columns].any(axis=0)]
    if len(columns):
        forest = _forest(system, index, grid, columns, own[:, columns])
        own[:, columns], _ = trees.hide(forest)


def _witnessed_by_trees(system: System, hidden: Booleans) -> tuple[Integers, Integers]:
    """Lowest and highest value of each cell in tables that differ from the true one in a single column."""
    low, high = system.value.copy(), system.value.copy()
    for index, grid in enumerate(system.grids):
        columns = np.flatnonzero(grid.loose & grid.printable.any(axis=0))
        if len(columns):
            own = system.of(index, hidden)[:, columns]
            rise, fall = trees.slack(_forest(system, index, grid, columns, own), own)
            system.of(index, high)[:, columns] += rise
            system.of(index, low)[:, columns] -= fall
    return low, high


# ---------------------------------------------------------------- bound cells


def _solve_bound_cells(system: System, hidden: Booleans, low: Integers, high: Integers) -> Booleans:
    """Hide what the remaining cells need, one linear programme for each direction no witness covers yet."""
    unmet = np.zeros(len(hidden), bool)
    unproved = np.flatnonzero(
        (hidden | ~system.printable) & ((high - system.value < system.rise) | (system.value - low < system.fall))
    )
    if not len(unproved):
        return unmet
    neighbours = _Neighbours(system)
    order = np.lexsort((unproved, -system.cost[unproved]))  # dearest first: what they hide serves the others
    for cell in unproved[order]:
        for direction, need in ((1, int(system.rise[cell])), (-1, int(system.fall[cell]))):
            reached = high[cell] - system.value[cell] if direction == 1 else system.value[cell] - low[cell]
            if reached < need and not _move(system, neighbours, int(cell), direction * need, hidden, low, high):
                unmet[cell] = True
    return unmet


class _Neighbours:
    """Which cells and equations lie near a cell."""

    def __init__(self, system: System) -> None:
        self.rows = system.matrix.tocsr()
        self.columns = system.matrix.tocsc()
        self.fixed = system.known

    def around(self, cell: int, radius: int) -> tuple[Integers, Integers]:
        """Cells that may move and all equations they stand in, within some steps."""
        cells = frontier = np.array([cell])
        for _ in range(radius):
            equations = np.unique(_indices(self.columns, frontier))
            reached = np.unique(_indices(self.rows, equations))
            reached = reached[~self.fixed[reached]]
            frontier = np.setdiff1d(reached, cells, assume_unique=True)
            if not len(frontier):
                break
            cells = np.union1d(cells, frontier)
        return cells, np.unique(_indices(self.columns, cells))


def _indices(compressed: sparse.csr_array, lines: Integers) -> Integers:
    """Column numbers of the entries in some rows of a compressed matrix (or the other way round)."""
    starts, ends = compressed.indptr[lines], compressed.indptr[lines + 1]
    return np.concatenate([compressed.indices[start:end] for start, end in zip(starts, ends, strict=True)] or [lines])


def _move(
    system: System,
    neighbours: _Neighbours,
    cell: int,
    amount: int,
    hidden: Booleans,
    low: Integers,
    high: Integers,
) -> bool:
    """Find the cheapest alternative table that moves the cell by `amount`, hide what it uses, and note it."""
    size = 0
    for radius in RADII:
        cells, equations = neighbours.around(cell, radius)
        if len(cells) == size:
            return False
        size = len(cells)
        moved = _cheapest_move(system, cells, equations, cell, amount, hidden)
        if moved is not None:
            table = system.value[cells] + moved
            np.minimum.at(low, cells, table)
            np.maximum.at(high, cells, table)
            hidden[cells[(moved != 0) & system.printable[cells]]] = True
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
    rows = system.matrix[equations][:, cells]
    model = highspy.HighsLp()
    model.num_col_, model.num_row_ = 2 * len(cells), len(equations)
    model.col_cost_ = np.concatenate([price, price])
    lower, upper = np.zeros(2 * len(cells)), np.concatenate([up, down])
    lower[here], upper[here] = fixed_up, fixed_up
    lower[here + len(cells)], upper[here + len(cells)] = fixed_down, fixed_down
    if fixed_up > up[here] or fixed_down > down[here]:
        return None
    model.col_lower_, model.col_upper_ = lower, upper
    model.row_lower_ = model.row_upper_ = np.zeros(len(equations))
    both = sparse.hstack([rows, -rows], format="csc")
    model.a_matrix_.format_ = highspy.MatrixFormat.kColwise
    model.a_matrix_.start_, model.a_matrix_.index_, model.a_matrix_.value_ = both.indptr, both.indices, both.data
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
    solver.silent()
    solver.setOptionValue("threads", 1)
    solver.passModel(model)
    solver.run()
    if solver.getModelStatus() != highspy.HighsModelStatus.kOptimal:
        return None
    return np.array(solver.getSolution().col_value)
