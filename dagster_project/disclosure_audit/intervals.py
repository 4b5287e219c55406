"""What an attacker can know: the feasible interval of every number that is not printed.

Reads and writes nothing: equations in, intervals out. Knows nothing of how numbers came to be hidden.

Intervals are propagated through all equations until nothing changes. Where the graph of equations and unknown
cells has no cycle that is exact. In a component with cycles the propagated intervals are only an outer bound; there two
linear programmes per cell (HiGHS) find the ends, unless tables already found prove that the cell is wide enough.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse

from dagster_project.solver import INFINITY, OPTIMAL, UNBOUNDED, Program, Solver

Integers = npt.NDArray[np.int64]
Booleans = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]

ROUNDS = 500  # of propagation; on cycles it may creep for ever, and any round's bounds are valid
TOLERANCE = 1e-7
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
) -> Knowledge:
    """Intervals of all cells that satisfy `matrix` @ cells = `right`.

    `printed` holds published numbers and NaN elsewhere; `lower` and `upper` bound the others. Only `wanted` cells
    get linear programmes. With `enough` (a low and a high end per cell) the search for an end stops where a table
    reaches it. `whole` says that all cells are whole numbers. Contradictory equations set `impossible`.
    """
    unknown = np.isnan(printed)
    low = np.where(unknown, lower, printed)
    high = np.where(unknown, upper, printed)
    constant = right - matrix @ np.where(unknown, 0.0, printed)
    columns = np.flatnonzero(unknown)
    part = matrix[:, columns].tocoo()
    used = np.unique(part.row)
    dead = np.setdiff1d(np.arange(matrix.shape[0]), used)
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
            _ends(component, reduced, constant[used], columns, knowledge, wanted, enough)
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


def _ends(
    component: tuple[Integers, Integers],
    matrix: sparse.csr_array,
    right: Floats,
    columns: Integers,
    knowledge: Knowledge,
    wanted: Booleans,
    enough: tuple[Floats, Floats] | None,
) -> None:
    """Exact ends of the wanted cells of a component; for the others the propagated bounds stay."""
    rows, inner = component
    cells = columns[inner]
    low, high = knowledge.low[cells], knowledge.high[cells]
    closed = np.setdiff1d(matrix[rows].indices, inner)
    fixed = np.zeros(matrix.shape[1])
    fixed[closed] = knowledge.low[columns[closed]]
    constant = right[rows] - matrix[rows] @ fixed
    bounds = (low, np.where(high >= FAR, INFINITY, high))
    program = Program(matrix[rows][:, inner], (constant, constant), bounds, np.zeros(len(cells)))
    solver = Solver(program, presolve="off")
    seen_low, seen_high = np.full(len(cells), np.inf), np.full(len(cells), -np.inf)
    ask = np.flatnonzero(wanted[cells])
    exact = np.ones(len(cells), bool)
    if enough is not None:
        goals = (np.maximum(enough[0][cells], low), np.minimum(enough[1][cells], high))
        for sense, seen, goal in ((1, seen_low, goals[0]), (-1, seen_high, goals[1])):
            _reach_together(solver, sense, ask, goal, seen, (seen_low, seen_high), knowledge)
    for cell in ask:
        for sense, seen, outer in ((1, seen_low, low), (-1, seen_high, high)):
            if abs(seen[cell] - outer[cell]) <= TOLERANCE:
                continue
            if enough is not None:
                goal = enough[0 if sense == 1 else 1][cells[cell]]
                if sense * (seen[cell] - goal) <= TOLERANCE:
                    exact[cell] = False
                    continue
            table = _extreme(solver, int(cell), sense)
            knowledge.programmes += 1
            if table is None:
                knowledge.impossible = True
                return
            np.minimum(seen_low, table, out=seen_low)
            np.maximum(seen_high, table, out=seen_high)
    knowledge.low[cells[ask]] = seen_low[ask]
    knowledge.high[cells[ask]] = seen_high[ask]
    knowledge.exact[cells] = exact


def _reach_together(
    solver: Solver,
    sense: int,
    ask: Integers,
    goal: Floats,
    seen: Floats,
    both: tuple[Floats, Floats],
    knowledge: Knowledge,
) -> None:
    """Look for tables in which many cells reach their goal at once: few programmes prove what is wide enough."""
    for _ in range(TOGETHER):
        pending = ask[sense * (seen[ask] - goal[ask]) > TOLERANCE]
        if len(pending) < 2:
            return
        places = pending.astype(np.int32)
        model = solver.getLp()
        low, high = np.array(model.col_lower_)[pending], np.array(model.col_upper_)[pending]
        solver.changeColsCost(len(places), places, np.full(len(places), float(sense)))
        inner = (np.maximum(low, goal[pending]), high) if sense == 1 else (low, np.minimum(high, goal[pending]))
        solver.changeColsBounds(len(places), places, *inner)
        solver.run()
        solved = solver.getModelStatus() == OPTIMAL
        table = solver.values()
        solver.changeColsCost(len(places), places, np.zeros(len(places)))
        solver.changeColsBounds(len(places), places, low, high)
        knowledge.programmes += 1
        if not solved:
            return
        before = (sense * (seen[pending] - goal[pending]) > TOLERANCE).sum()
        np.minimum(both[0], table, out=both[0])
        np.maximum(both[1], table, out=both[1])
        if (sense * (seen[pending] - goal[pending]) > TOLERANCE).sum() == before:
            return


def _extreme(solver: Solver, cell: int, sense: int) -> Floats | None:
    """The table in which a cell is least (1) or most (-1); None where no table exists. Starts from the last one."""
    solver.changeColCost(cell, float(sense))
    solver.run()
    if solver.getModelStatus() not in (
        OPTIMAL,
        UNBOUNDED,
    ):  # a warm start can lose its way: once more from the beginning
        solver.clearSolver()
        solver.setOptionValue("presolve", "on")
        solver.run()
        solver.setOptionValue("presolve", "off")
    status = solver.getModelStatus()
    table = solver.values()
    solver.changeColCost(cell, 0.0)
    if status == UNBOUNDED:
        table[cell] = -sense * FAR
        return table
    return table if status == OPTIMAL else None
