"""What equations over whole numbers of people prove: the least and the most each of them can be.

Rows are first followed one by one (`propagated`), what is then known leaves its rows, and what is left falls into parts
that share nothing (`Part`). In each part integer programmes (HiGHS) find the ends. Every table that was found is kept:
it proves for all its counts what is possible, so that few programmes are needed.

Reads and writes nothing.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import highspy
import numpy as np
import numpy.typing as npt
from scipy import sparse

Floats = npt.NDArray[np.float64]
MOST = 1e7  # more than any count here, sums of years of age included
IDLE_ROUNDS, FEWEST_TOGETHER = 4, 3
SECONDS = 20.0  # for one programme; what is not decided by then counts as not proved

OPTIONS = {
    "output_flag": False,
    "log_to_console": False,
    "threads": 1,
    "random_seed": 0,
    "mip_feasibility_tolerance": 1e-7,
}
EXACTLY = {"mip_rel_gap": 0.0, "mip_abs_gap": 0.5, "time_limit": SECONDS}
ROUGHLY = {"mip_rel_gap": 0.3, "mip_abs_gap": 0.5, "time_limit": 1.0}


class Contradiction(Exception):
    """No table of whole numbers fits what is printed."""


class Interval(NamedTuple):
    """Between what a count can be proved to lie."""

    low: float
    high: float


@dataclass
class System:
    """Unknown counts by name, and rows: sums of them that lie between two numbers."""

    names: dict[Hashable, int] = field(default_factory=dict)
    low: list[float] = field(default_factory=list)
    high: list[float] = field(default_factory=list)
    rows: list[tuple[dict[int, float], float, float]] = field(default_factory=list)

    def unknown(self, name: Hashable) -> int:
        """The place of a count, which is new the first time."""
        if name not in self.names:
            self.names[name] = len(self.names)
            self.low.append(0.0)
            self.high.append(np.inf)
        return self.names[name]

    def bound(self, name: Hashable, low: float, high: float) -> None:
        """A count lies between two numbers."""
        place = self.unknown(name)
        self.low[place] = max(self.low[place], low)
        self.high[place] = min(self.high[place], high)

    def total(self, whole: Hashable, parts: Iterable[Hashable]) -> None:
        """A count is the sum of others."""
        self.row({whole: 1.0} | dict.fromkeys(parts, -1.0), 0.0, 0.0)

    def row(self, terms: Mapping[Hashable, float], low: float, high: float) -> None:
        """A sum of counts lies between two numbers."""
        self.rows.append(({self.unknown(name): factor for name, factor in terms.items()}, low, high))

    def solved(self, tables: Iterable[Mapping[Hashable, float]] = ()) -> Solved:
        """What follows from all rows; `tables` are known to fit and only save time."""
        matrix = _matrix(self.rows, len(self.names))
        row_low = np.array([row[1] for row in self.rows])
        row_high = np.array([row[2] for row in self.rows])
        low, high = propagated(matrix, row_low, row_high, np.array(self.low), np.array(self.high))
        solved = Solved(self.names, low, high)
        solved.split(matrix, row_low, row_high)
        for table in tables:
            solved.learn(np.array([table.get(name, np.nan) for name in self.names]))
        return solved


@dataclass
class Solved:
    """What is known of every count, and the parts that are still open."""

    names: dict[Hashable, int]
    low: Floats
    high: Floats
    part_of: npt.NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    parts: list[Part] = field(default_factory=list)

    def split(self, matrix: sparse.csr_array, row_low: Floats, row_high: Floats) -> None:
        """Take out what is known and find what hangs together."""
        known = self.low == self.high
        fixed = matrix @ np.where(known, self.low, 0.0)
        still = matrix @ sparse.diags_array(np.where(known, 0.0, 1.0))
        still = sparse.csr_array(still)
        still.eliminate_zeros()
        rows = np.flatnonzero(np.diff(still.indptr))
        still, row_low, row_high = still[rows], (row_low - fixed)[rows], (row_high - fixed)[rows]
        links = sparse.csr_array(abs(still.T) @ abs(still))
        _, labels = sparse.csgraph.connected_components(links, directed=False)
        labels = np.where(known, -1, labels)
        _, self.part_of = np.unique(labels, return_inverse=True)
        if known.any():
            self.part_of = self.part_of - 1
        row_part = self.part_of[still.indices[still.indptr[:-1]]] if len(rows) else np.zeros(0, np.int64)
        row_order, column_order = np.argsort(row_part, kind="stable"), np.argsort(self.part_of, kind="stable")
        count = int(self.part_of.max(initial=-1)) + 1
        row_ends = np.searchsorted(row_part[row_order], np.arange(count + 1))
        column_ends = np.searchsorted(self.part_of[column_order], np.arange(count + 1))
        for part in range(count):
            own = row_order[row_ends[part] : row_ends[part + 1]]
            columns = column_order[column_ends[part] : column_ends[part + 1]]
            block = sparse.csr_array(still[own][:, columns])
            self.parts.append(Part(columns, block, row_low[own], row_high[own], self.low[columns], self.high[columns]))

    def learn(self, table: Floats) -> None:
        """Keep a whole table that is known to fit."""
        for part in self.parts:
            own = table[part.columns]
            if not np.isnan(own).any():
                part.keep(own)

    def interval(self, terms: Mapping[Hashable, float], enough: Interval | None = None) -> Interval:
        """The least and the most a sum of counts can be; an end that reaches `enough` is not looked at further."""
        shift, by_part = 0.0, {}
        for name, factor in terms.items():
            place = self.names[name]
            if self.part_of[place] < 0:
                shift += factor * self.low[place]
            else:
                by_part.setdefault(self.part_of[place], {})[place] = factor
        if len(by_part) != 1:
            enough = None
        found = [
            self.parts[part].interval(
                own, None if enough is None else Interval(enough.low - shift, enough.high - shift)
            )
            for part, own in by_part.items()
        ]
        return Interval(shift + sum(ends.low for ends in found), shift + sum(ends.high for ends in found))

    def explore(self, wanted: Iterable[tuple[Mapping[Hashable, float], Interval]]) -> None:
        """Find tables that show many sums' ends at once, before each is asked for its own."""
        by_part: dict[int, list[tuple[Floats, Interval]]] = {}
        for terms, enough in wanted:
            places = {self.names[name]: factor for name, factor in terms.items()}
            shift = sum(factor * self.low[place] for place, factor in places.items() if self.part_of[place] < 0)
            own = {place: factor for place, factor in places.items() if self.part_of[place] >= 0}
            parts = {int(self.part_of[place]) for place in own}
            if len(parts) == 1:
                part = parts.pop()
                ends = Interval(enough.low - shift, enough.high - shift)
                by_part.setdefault(part, []).append((self.parts[part].cost(own), ends))
        for part, ends_of_part in by_part.items():
            self.parts[part].explore(ends_of_part)

    def check(self) -> None:
        """Raise `Contradiction` where no table fits at all."""
        for part in self.parts:
            if not part.tables:
                part.solve(np.zeros(len(part.columns)))


@dataclass
class Part:
    """Unknown counts that hang together, and the tables found to fit them."""

    columns: npt.NDArray[np.int64]
    matrix: sparse.csr_array
    row_low: Floats
    row_high: Floats
    low: Floats
    high: Floats
    tables: list[Floats] = field(default_factory=list)
    model: highspy.Highs | None = None

    def keep(self, table: Floats) -> None:
        fits = ((table >= self.low) & (table <= self.high)).all()
        sums = self.matrix @ table
        if fits and ((sums >= self.row_low - 1e-6) & (sums <= self.row_high + 1e-6)).all():
            self.tables.append(table)

    def interval(self, terms: Mapping[int, float], enough: Interval | None) -> Interval:
        cost = self.cost(terms)
        seen = self.seen(cost)
        is_low = enough is not None and seen.low <= enough.low
        low = seen.low if is_low else self.least(cost)
        seen = self.seen(cost)
        is_high = enough is not None and seen.high >= enough.high
        return Interval(low, seen.high if is_high else -self.least(-cost))

    def least(self, cost: Floats) -> float:
        """The least a sum can be, by a programme that remembers no other: what is proved must be true."""
        self.model = None
        return min(self.solve(cost), self.seen(cost).low)

    def cost(self, terms: Mapping[int, float]) -> Floats:
        """A sum of some counts, as factors of all counts of the part."""
        cost = np.zeros(len(self.columns))
        cost[np.searchsorted(self.columns, list(terms))] = list(terms.values())
        return cost

    def seen(self, cost: Floats) -> Interval:
        """Between what a sum lies in the tables that were found."""
        places = np.flatnonzero(cost)
        sums = [float(table[places] @ cost[places]) for table in self.tables]
        return Interval(min(sums, default=np.inf), max(sums, default=-np.inf))

    def explore(self, wanted: list[tuple[Floats, Interval]]) -> None:
        """Look for tables in which many sums reach an end at once, as long as each shows something new."""
        random, idle = np.random.default_rng(0), 0
        while idle < IDLE_ROUNDS:
            open_ends = [
                sign * cost for cost, enough in wanted for sign, missing in self._missing(cost, enough) if missing
            ]
            if len(open_ends) < FEWEST_TOGETHER:
                return
            weights = random.integers(0, 3, len(open_ends))
            weights[random.integers(len(open_ends))] = 1
            self.solve(np.sum([w * cost for w, cost in zip(weights, open_ends, strict=True) if w], axis=0), ROUGHLY)
            left = sum(missing for cost, enough in wanted for _, missing in self._missing(cost, enough))
            idle = 0 if left < len(open_ends) else idle + 1

    def _missing(self, cost: Floats, enough: Interval) -> tuple[tuple[float, bool], tuple[float, bool]]:
        seen = self.seen(cost)
        return (1.0, seen.low > enough.low), (-1.0, seen.high < enough.high)

    def solve(self, cost: Floats, how: Mapping[str, float] = EXACTLY) -> float:
        """The least a sum of the part's counts can be in whole numbers."""
        model = self.model = self.model or self._model()
        for option, value in how.items():
            model.setOptionValue(option, value)
        size = len(self.columns)
        model.changeColsCost(size, np.arange(size, dtype=np.int32), cost)
        model.run()
        status = model.getModelStatus()
        if status in (highspy.HighsModelStatus.kInfeasible, highspy.HighsModelStatus.kUnboundedOrInfeasible):
            raise Contradiction(f"{size} counts, {len(self.row_low)} rows")
        solution = np.round(np.array(model.getSolution().col_value))
        if len(solution) == size:
            self.keep(solution)
        if status == highspy.HighsModelStatus.kOptimal:
            return float(np.round(solution @ cost, 6))
        return float(np.ceil(model.getInfo().mip_dual_bound - 1e-6))

    def _model(self) -> highspy.Highs:
        model = highspy.Highs()
        for option, value in OPTIONS.items():
            model.setOptionValue(option, value)
        problem = highspy.HighsLp()
        problem.num_col_, problem.num_row_ = len(self.columns), len(self.row_low)
        problem.col_cost_ = np.zeros(len(self.columns))
        problem.col_lower_, problem.col_upper_ = self.low, np.minimum(self.high, MOST)
        problem.row_lower_, problem.row_upper_ = self.row_low, self.row_high
        by_column = sparse.csc_array(self.matrix)
        problem.a_matrix_.start_, problem.a_matrix_.index_ = by_column.indptr, by_column.indices
        problem.a_matrix_.value_ = by_column.data
        problem.integrality_ = [highspy.HighsVarType.kInteger] * len(self.columns)
        model.passModel(problem)
        return model


def propagated(
    matrix: sparse.csr_array, row_low: Floats, row_high: Floats, low: Floats, high: Floats
) -> tuple[Floats, Floats]:
    """Bounds of whole numbers, tightened by one row after the other until nothing changes."""
    entry_row = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
    column, factor = matrix.indices, matrix.data
    for _ in range(200):
        least = np.where(factor > 0, factor * low[column], factor * high[column])
        most = np.where(factor > 0, factor * high[column], factor * low[column])
        above = row_high[entry_row] - _others(least, entry_row, matrix.shape[0])
        below = row_low[entry_row] - _others(most, entry_row, matrix.shape[0])
        ends = np.where(factor > 0, above, below) / factor, np.where(factor > 0, below, above) / factor
        new_high, new_low = high.copy(), low.copy()
        np.minimum.at(new_high, column, np.floor(ends[0] + 1e-6))
        np.maximum.at(new_low, column, np.ceil(ends[1] - 1e-6))
        if (new_low > new_high).any():
            raise Contradiction(f"count {int(np.flatnonzero(new_low > new_high)[0])}")
        if (new_low == low).all() and (new_high == high).all():
            break
        low, high = new_low, new_high
    return low, high


def _others(ends: Floats, entry_row: npt.NDArray[np.int64], rows: int) -> Floats:
    """The sum of a row's other entries; endless where one of them is."""
    endless = np.isinf(ends)
    finite = np.where(endless, 0.0, ends)
    sums = np.bincount(entry_row, finite, rows)[entry_row] - finite
    others = np.bincount(entry_row, endless, rows)[entry_row] - endless
    sign = np.sign(np.bincount(entry_row, np.where(endless, ends, 0.0) > 0, rows) - 0.5)[entry_row]
    return np.where(others > 0, sign * np.inf, sums)


def _matrix(rows: list[tuple[dict[int, float], float, float]], width: int) -> sparse.csr_array:
    starts = np.cumsum([0] + [len(row[0]) for row in rows])
    columns = np.array([place for row in rows for place in row[0]], dtype=np.int64)
    factors = np.array([factor for row in rows for factor in row[0].values()], dtype=float)
    return sparse.csr_array((factors, columns, starts), shape=(len(rows), width))
