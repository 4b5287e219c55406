"""Alternative tables by linear programmes: other numbers that fit everything that is printed.

Reads and writes nothing: a system and the cells that may differ in, differences out.

A cell that nobody sees and that stands in one equation only is no column of a programme but room of that equation.
All programmes start from the true table, where nothing moves: that is a feasible basis of the dual, and few steps
lead on from it (presolve costs more than it saves).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy import sparse

from dagster_project.disclosure.system import UNBOUNDED, System
from dagster_project.solver import INFINITY, Program, solution

Integers = npt.NDArray[np.int64]
Booleans = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]

FREE = 1e-6  # price of cells that are hidden anyway
TOLERANCE = 1e-6


@dataclass(frozen=True)
class Scope:
    """Cells that may move, sorted, and all equations they stand in."""

    cells: Integers
    equations: Integers


class Neighbours:
    """Which cells and equations lie near a cell."""

    def __init__(self, system: System) -> None:
        self._rows = system.matrix
        self._columns = system.by_cell
        self._reached = np.zeros(system.matrix.shape[1], bool)

    def around(self, cell: int, radius: int, movable: Booleans) -> Scope:
        """Cells that may move within some steps from cell to equation to cell."""
        frontier = np.array([cell])
        found = [frontier]
        self._reached[cell] = True
        for _ in range(radius):
            equations = np.unique(_indices(self._columns, frontier))
            near = _indices(self._rows, equations)
            frontier = np.unique(near[movable[near] & ~self._reached[near]])
            if not len(frontier):
                break
            self._reached[frontier] = True
            found.append(frontier)
        cells = np.sort(np.concatenate(found))
        self._reached[cells] = False
        return Scope(cells, np.unique(_indices(self._columns, cells)))


def _indices(compressed: sparse.csr_array | sparse.csc_array, lines: Integers) -> Integers:
    """Column numbers of the entries in some rows of a compressed matrix (or the other way round)."""
    starts = compressed.indptr[lines]
    lengths = compressed.indptr[lines + 1] - starts
    before = np.cumsum(lengths) - lengths
    found: Integers = compressed.indices[np.repeat(starts - before, lengths) + np.arange(lengths.sum())]
    return found


def components(system: System, movable: Booleans, wanted: Booleans) -> Scope:
    """Movable cells and equations that hang together with wanted cells."""
    entries = system.matrix.tocoo()
    inside = movable[entries.col]
    row, cell = entries.row[inside], entries.col[inside]
    rows, cells = system.matrix.shape
    graph = sparse.coo_array((np.ones(len(row)), (row, cell + rows)), shape=(rows + cells, rows + cells))
    _, label = sparse.csgraph.connected_components(graph, directed=False)
    here = np.zeros(rows + cells, bool)
    here[label[rows:][wanted]] = True
    here = here[label]
    return Scope(np.flatnonzero(here[rows:] & movable), np.flatnonzero(here[:rows]))


def parts(system: System, cells: Integers, moved: Integers) -> list[tuple[Integers, Integers]]:
    """A table in parts that do not touch: each of them is an alternative table of its own."""
    cells, moved = cells[moved != 0], moved[moved != 0]
    label = _labels(system, cells)
    return [(cells[label == number], moved[label == number]) for number in np.unique(label)]


def _labels(system: System, cells: Integers) -> Integers:
    """Which cells hang together over equations."""
    part = system.by_cell[:, cells].tocoo()
    _, row = np.unique(part.row, return_inverse=True)
    size = len(cells)
    graph = sparse.coo_array((np.ones(len(row)), (part.col, row + size)), shape=(size + len(row), size + len(row)))
    found: Integers = sparse.csgraph.connected_components(graph, directed=False)[1][:size]
    return found


# ---------------------------------------------------------------- programmes


def _loosened(system: System, scope: Scope) -> Scope:
    """Without cells that cannot move because one of their equations holds no other cell, again and again."""
    entries = (system.matrix[scope.equations][:, scope.cells] != 0).astype(float)
    by_cell = entries.T.tocsr()
    free = np.ones(len(scope.cells))
    while True:
        stuck = (by_cell @ (entries @ free == 1).astype(float) > 0) & (free > 0)
        if not stuck.any():
            break
        free[stuck] = 0
    return Scope(scope.cells[free > 0], scope.equations[entries @ free > 0])


@dataclass(frozen=True)
class _Equations:
    """The equations of a scope over its `inner` cells; each `outer` cell is the room of one of them."""

    matrix: sparse.csr_array
    room: tuple[Floats, Floats]
    inner: Integers
    outer: Integers
    outer_row: Integers
    outer_sign: Floats

    def all_moves(self, moved: Integers) -> tuple[Integers, Integers]:
        """Cells and their moves, those of the outer cells included."""
        open_ = -(self.matrix @ moved)[self.outer_row] * self.outer_sign
        return np.concatenate([self.inner, self.outer]), np.concatenate([moved, open_.astype(np.int64)])


def _reach(system: System, cells: Integers) -> tuple[Floats, Floats]:
    """How far cells may rise and fall."""
    up = (system.upper - system.value)[cells].astype(float)
    return np.where(up >= UNBOUNDED / 2, INFINITY, up), (system.value - system.lower)[cells].astype(float)


def _equations(system: System, scope: Scope, may_be_room: Booleans) -> _Equations:
    """`may_be_room` says for each cell of the scope whether it needs no column of its own."""
    columns = system.by_cell
    single = may_be_room & system.single[scope.cells]
    candidates = scope.cells[single]
    place = columns.indptr[candidates]
    row, first = np.unique(np.searchsorted(scope.equations, columns.indices[place]), return_index=True)
    outer, sign = candidates[first], columns.data[place[first]]
    inner = np.setdiff1d(scope.cells, outer, assume_unique=True)
    up, down = _reach(system, outer)
    low, high = np.zeros(len(scope.equations)), np.zeros(len(scope.equations))
    low[row], high[row] = -np.where(sign > 0, up, down), np.where(sign > 0, down, up)
    return _Equations(system.matrix[scope.equations][:, inner], (low, high), inner, outer, row, sign)


def cheapest_move(
    system: System, scope: Scope, cell: int, amount: int, unseen: Booleans
) -> tuple[Integers, Integers] | None:
    """Cells and whole-numbered moves that keep all equations and move `cell` by `amount`; None where there are none.

    Cells that are `unseen` anyway cost next to nothing, others what hiding them costs.
    """
    scope = _loosened(system, scope)
    if cell not in scope.cells:
        return None
    equations = _equations(system, scope, unseen[scope.cells] & (scope.cells != cell))
    inner = equations.inner
    up, down = _reach(system, inner)
    here = int(np.searchsorted(inner, cell))
    risen, fallen = max(amount, 0), max(-amount, 0)
    if risen > up[here] or fallen > down[here]:
        return None
    lower, upper = np.zeros(2 * len(inner)), np.concatenate([up, down])
    lower[here] = upper[here] = risen
    lower[here + len(inner)] = upper[here + len(inner)] = fallen
    price = np.where(unseen[inner], FREE, system.cost[inner])
    both = sparse.hstack([equations.matrix, -equations.matrix], format="csc")
    program = Program(both, equations.room, (lower, upper), np.concatenate([price, price]))
    found = _whole(program, mip_rel_gap=0.05)
    if found is None:
        return None
    return equations.all_moves(_difference(found))


def move_together(
    system: System, movable: Booleans, wanted: Booleans, need: Integers, direction: int
) -> list[tuple[Integers, Integers]]:
    """Tables among movable cells in which as many wanted cells as possible move by what they need, as parts that do
    not touch."""
    scope = _loosened(system, components(system, movable, wanted))
    equations = _equations(system, scope, ~wanted[scope.cells])
    inner = equations.inner
    aim = wanted[inner]
    up, down = _reach(system, inner)
    reach = up if direction == 1 else down
    reach[aim] = np.minimum(reach[aim], need[inner][aim])
    gain = np.where(aim, float(direction), 0.0)
    program = Program(
        sparse.hstack([equations.matrix, -equations.matrix], format="csc"),
        equations.room,
        (np.zeros(2 * len(inner)), np.concatenate([up, down])),
        np.concatenate([FREE - gain, FREE + gain]),
    )
    found = _whole(program, mip_rel_gap=0.5)  # half as good a table will do
    if found is None:
        return []
    return parts(system, *equations.all_moves(_difference(found)))


def _whole(program: Program, **options: float) -> Floats | None:
    """A solution in whole numbers. Where the programme's own is none, one is near: first among what moves in it."""
    found = solution(program, presolve="off")
    if found is None or np.abs(found - found.round()).max(initial=0) <= TOLERANCE:
        return found
    low, high = program.columns
    program = replace(program, whole=np.ones(len(found), bool))
    near = solution(replace(program, columns=(low, np.where(found < TOLERANCE, low, high))), **options)
    return solution(program, **options) if near is None else near


def _difference(both: Floats) -> Integers:
    """Moves from their upward and downward halves."""
    up, down = np.split(both.round().astype(np.int64), 2)
    return up - down
