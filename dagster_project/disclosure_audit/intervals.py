"""What an attacker can know: the feasible interval of every number that is not printed.

Reads and writes nothing: equations in, intervals out. Knows nothing of how numbers came to be hidden.

Intervals are propagated through all equations until nothing changes. Where the graph of equations and unknown
cells has no cycle that is exact. In a component with cycles the propagated intervals are only an outer bound; there two
linear programmes per cell (HiGHS) find the ends, unless tables already found prove that the cell is wide enough.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy import sparse

from dagster_project.solver import INFINITY, OPTIMAL, UNBOUNDED, Program, Solver, solution

Integers = npt.NDArray[np.int64]
Booleans = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]

ROUNDS = 500  # of propagation; on cycles it may creep for ever, and any round's bounds are valid
TOLERANCE = 1e-7
STEPS = 3  # from a cell that is no whole number, to look for a table of whole numbers
TOGETHER = 8  # programmes that look for many ends at once
FAR = 1e15  # stands for infinity where infinities must be added and subtracted


@dataclass
class Knowledge:
    """`low` and `high` of every cell (printed ones: the number itself), and which intervals are exact.

    Where `exact` is False the true interval is at least as wide as `low` to `high`: tables found so far already reach
    both ends that were asked for.
    """

    low: Floats
    high: Floats
    exact: Booleans
    programmes: int = 0
    impossible: bool = False


def feasible(
    matrix: sparse.csr_array,
    right: Floats,
    printed: Floats,
    lower: Floats,
    upper: Floats,
    wanted: Booleans,
    enough: tuple[Floats, Floats] | None = None,
    whole: bool = True,
    memory: Memory | None = None,
) -> Knowledge:
    """Intervals of all cells that satisfy `matrix` @ cells = `right`.

    `printed` holds published numbers and NaN elsewhere; `lower` and `upper` bound the others. Only `wanted` cells
    get linear programmes. With `enough` (a low and a high end per cell) the search for an end stops where a table
    reaches it. `whole` says that all cells are whole numbers: then so is every table that proves an end. A `memory`
    keeps what was found of components that come again, for another audience of the same equations. Contradictory
    equations set `impossible`.
    """
    memory = {} if memory is None else memory
    unknown = np.isnan(printed)
    low = np.where(unknown, lower, printed)
    high = np.where(unknown, upper, printed)
    constant = right - matrix @ np.where(unknown, 0.0, printed)
    columns = np.flatnonzero(unknown)
    part = matrix[:, columns].tocoo()
    is_used = np.zeros(matrix.shape[0], bool)
    is_used[part.row] = True
    used, dead = np.flatnonzero(is_used), ~is_used
    knowledge = Knowledge(low, high, np.ones(len(printed), bool))
    if (np.abs(constant[dead]) > 1e-6).any():
        knowledge.impossible = True
        return knowledge
    if not len(used):
        return knowledge
    reduced = sparse.csr_array(
        (part.data, (np.searchsorted(used, part.row), part.col)), shape=(len(used), len(columns))
    )
    inner_low, inner_high = low[columns], high[columns]
    _propagate(reduced, constant[used], inner_low, inner_high, whole)
    low[columns], high[columns] = inner_low, inner_high
    if (inner_low > inner_high + 1e-6).any():
        knowledge.impossible = True
        return knowledge
    asked = wanted[columns]
    for component in _cyclic_components(reduced, inner_low, inner_high):
        if asked[component[1]].any():
            _ends(component, reduced, constant[used], columns, knowledge, wanted, enough, whole, memory)
    return knowledge


# ---------------------------------------------------------------- propagation


def _propagate(matrix: sparse.csr_array, right: Floats, low: Floats, high: Floats, whole: bool) -> None:
    """Narrow `low` and `high` in place: each equation bounds each of its cells by what the others leave."""
    entries = matrix.tocoo()
    row, cell, weight = entries.row, entries.col, entries.data
    positive = weight > 0
    for _ in range(ROUNDS):
        least = np.where(positive, weight * low[cell], weight * high[cell])
        most = np.where(positive, weight * high[cell], weight * low[cell])
        least, most = np.clip(least, -FAR, FAR), np.clip(most, -FAR, FAR)
        open_below, open_above = least <= -FAR, most >= FAR
        sum_least = np.bincount(row, np.where(open_below, 0, least), len(right))
        sum_most = np.bincount(row, np.where(open_above, 0, most), len(right))
        count_below = np.bincount(row, open_below, len(right))
        count_above = np.bincount(row, open_above, len(right))
        others_least = np.where(
            count_below[row] - open_below > 0, -FAR, sum_least[row] - np.where(open_below, 0, least)
        )
        others_most = np.where(count_above[row] - open_above > 0, FAR, sum_most[row] - np.where(open_above, 0, most))
        ceiling, ground = right[row] - others_least, right[row] - others_most
        new_high = np.where(positive, ceiling, ground) / weight
        new_low = np.where(positive, ground, ceiling) / weight
        if whole:
            new_high, new_low = np.floor(new_high + TOLERANCE), np.ceil(new_low - TOLERANCE)
        before = low.sum() - np.minimum(high, FAR).sum()
        np.maximum.at(low, cell, new_low)
        np.minimum.at(high, cell, new_high)
        if (low > high + 1e-6).any() or low.sum() - np.minimum(high, FAR).sum() <= before + TOLERANCE:
            return


# ---------------------------------------------------------------- components with cycles


def _cyclic_components(matrix: sparse.csr_array, low: Floats, high: Floats) -> list[tuple[Integers, Integers]]:
    """Equations and open cells of every connected component that is no tree."""
    entries = matrix.tocoo()
    open_cells = (high - low)[entries.col] > TOLERANCE
    row, cell = entries.row[open_cells], entries.col[open_cells]
    rows, cells = matrix.shape
    graph = sparse.coo_array((np.ones(len(row)), (row, cell + rows)), shape=(rows + cells, rows + cells))
    number, label = sparse.csgraph.connected_components(graph, directed=False)
    size = np.bincount(label, minlength=number)
    edges = np.bincount(label[row], minlength=number)
    cyclic = np.flatnonzero(edges > size - 1)
    if not len(cyclic):
        return []
    order = np.argsort(label, kind="stable")
    bounds = np.searchsorted(label[order], np.arange(number + 1))
    found = []
    for component in cyclic:
        members = order[bounds[component] : bounds[component + 1]]
        found.append((members[members < rows], members[members >= rows] - rows))
    return found


@dataclass
class _Component:
    """Unknown cells that hang together, the equations between them, and the tables found so far: each cell was seen as
    little as `seen_low` and as much as `seen_high`."""

    program: Program
    whole: bool

    def __post_init__(self) -> None:
        size = len(self.program.price)
        self.solver = Solver(self.program)
        self.seen_low, self.seen_high = np.full(size, np.inf), np.full(size, -np.inf)
        self.programmes = 0

    def look(self, cells: Integers, sense: int, bounds: tuple[Floats, Floats] | None = None) -> bool:
        """Note a table in which the sum of some cells is least (1) or most (-1), while they lie within bounds; whether
        there is one."""
        places, price = cells.astype(np.int32), np.full(len(cells), float(sense))
        low, high = (end[cells] for end in self.program.columns)
        self.solver.changeColsCost(len(cells), places, price)
        if bounds is not None:
            self.solver.changeColsBounds(len(cells), places, *bounds)
        table = self._run(cells, sense, bounds)
        self.solver.changeColsCost(len(cells), places, np.zeros(len(cells)))
        if bounds is not None:
            self.solver.changeColsBounds(len(cells), places, low, high)
        if table is None:
            return False
        np.minimum(self.seen_low, table, out=self.seen_low)
        np.maximum(self.seen_high, table, out=self.seen_high)
        return True

    def _run(self, cells: Integers, sense: int, bounds: tuple[Floats, Floats] | None) -> Floats | None:
        self.programmes += 1
        self.solver.run()
        if self.solver.getModelStatus() not in (OPTIMAL, UNBOUNDED) and bounds is None:
            # a warm start can lose its way: once more from the beginning
            self.solver.clearSolver()
            self.solver.run()
        status = self.solver.getModelStatus()
        table = self.solver.values()
        if status == UNBOUNDED and len(cells) == 1:
            table[cells] = -sense * FAR
            return table
        if status != OPTIMAL:
            return None
        return self._made_whole(table, cells, sense, bounds) if self.whole else table

    def _made_whole(
        self, table: Floats, cells: Integers, sense: int, bounds: tuple[Floats, Floats] | None
    ) -> Floats | None:
        """People are whole: a table with halves proves nothing. Within bounds a table near it will do, and only a
        single cell is worth to look further for."""
        rounded = table.round()
        broken = np.abs(table - rounded) > 1e-6
        if not broken.any():
            return rounded
        low, high = (end.copy() for end in self.program.columns)
        price = np.zeros(len(table))
        price[cells] = sense
        program = replace(self.program, price=price, whole=np.ones(len(table), bool))
        if bounds is None:
            return self._solution(program)
        low[cells], high[cells] = bounds
        free = self._around(broken)
        near = replace(program, columns=(np.where(free, low, rounded), np.where(free, high, rounded)))
        found = self._solution(near, mip_rel_gap=0.5)
        if found is None and len(cells) == 1:
            found = self._solution(replace(program, columns=(low, high), price=0 * price))
        return found

    def _solution(self, program: Program, **options: float) -> Floats | None:
        self.programmes += 1
        found = solution(program, **options)
        return None if found is None else found.round()

    def _around(self, cells: Booleans) -> Booleans:
        """Cells and those they share an equation with, some times over."""
        links = self.program.matrix
        for _ in range(STEPS):
            cells = abs(links).T @ (abs(links) @ cells.astype(float)) > 0
        return cells


Memory = dict[bytes, tuple[Floats, Floats, Booleans]]


def _ends(
    component: tuple[Integers, Integers],
    matrix: sparse.csr_array,
    right: Floats,
    columns: Integers,
    knowledge: Knowledge,
    wanted: Booleans,
    enough: tuple[Floats, Floats] | None,
    whole: bool,
    memory: Memory,
) -> None:
    """Exact ends of the wanted cells of a component; for the others the propagated bounds stay."""
    rows, inner = component
    cells = columns[inner]
    low, high = knowledge.low[cells], knowledge.high[cells]
    own = matrix[rows]
    settled = knowledge.low[columns]
    settled[inner] = 0
    constant = right[rows] - own @ np.where(np.abs(settled) < FAR, settled, 0)
    key = b"".join(part.tobytes() for part in (cells, low, high, constant, wanted[cells]))
    if key not in memory:
        bounds = (low, np.where(high >= FAR, INFINITY, high))
        found = _Component(Program(own[:, inner], (constant, constant), bounds, np.zeros(len(cells))), whole)
        ends = None if enough is None else (enough[0][cells], enough[1][cells])
        exact = _search(found, np.flatnonzero(wanted[cells]), (low, high), ends)
        knowledge.programmes += found.programmes
        if exact is None:
            knowledge.impossible = True
            return
        memory[key] = (found.seen_low, found.seen_high, exact)
    seen_low, seen_high, knowledge.exact[cells] = memory[key]
    ask = np.flatnonzero(wanted[cells])
    knowledge.low[cells[ask]] = seen_low[ask]
    knowledge.high[cells[ask]] = seen_high[ask]


def _search(
    found: _Component, ask: Integers, outer: tuple[Floats, Floats], enough: tuple[Floats, Floats] | None
) -> Booleans | None:
    """Look for tables until the ends of all asked cells are seen, or enough of them. Returns whose ends are exact, None
    where there is no table at all."""
    exact = np.ones(len(outer[0]), bool)
    if enough is not None:
        for sense, goal in ((1, np.maximum(enough[0], outer[0])), (-1, np.minimum(enough[1], outer[1]))):
            _reach_together(found, sense, ask, goal)
    for cell in ask:
        for sense, end in ((1, 0), (-1, 1)):
            seen = (found.seen_low, found.seen_high)[end][cell]
            if abs(seen - outer[end][cell]) <= TOLERANCE:
                continue
            if enough is not None and sense * (seen - enough[end][cell]) <= TOLERANCE:
                exact[cell] = False
                continue
            one = np.array([cell])
            if enough is not None and _reaches(found, one, sense, enough[end][one]):
                exact[cell] = False
            elif not found.look(one, sense):
                return None
    return exact


def _reaches(found: _Component, cell: Integers, sense: int, goal: Floats) -> bool:
    """Whether there is a table in which a cell is as little (1) or as much (-1) as its goal."""
    low, high = (end[cell] for end in found.program.columns)
    if ((goal < low) | (goal > high)).any():
        return False
    return found.look(cell, sense, (low, goal) if sense == 1 else (goal, high))


def _reach_together(found: _Component, sense: int, ask: Integers, goal: Floats) -> None:
    """Look for tables in which many cells reach their goal at once: few programmes prove what is wide enough."""
    seen = found.seen_low if sense == 1 else found.seen_high
    low, high = found.program.columns
    pending = ask[sense * (seen[ask] - goal[ask]) > TOLERANCE]
    for _ in range(TOGETHER):
        if len(pending) < 2:
            return
        within = (np.maximum(low, goal), high) if sense == 1 else (low, np.minimum(high, goal))
        if not found.look(pending, sense, (within[0][pending], within[1][pending])):
            return
        before = len(pending)
        pending = pending[sense * (seen[pending] - goal[pending]) > TOLERANCE]
        if len(pending) == before:
            return
