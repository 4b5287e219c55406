"""Cells and equations: everything that is published, and everything that follows from it.

Reads and writes nothing: arrays in, arrays out.

A grid is one edition's areas (nodes of a tree) by columns (a measure in a period). Its equations are the tree of every
column and the relations between columns at every node: numerator + remainder = denominator, parts of a
breakdown, nested measures, years that are pooled. Links are equations between grids, such as atoms that two
editions share. Cells of all grids are numbered one after another, node by node.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

Integers = npt.NDArray[np.int64]
Booleans = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]

UNBOUNDED = np.int64(1) << 40


@dataclass(frozen=True)
class Relation:
    """Columns and coefficients that sum to zero at every node, or at those where it `holds`.

    Exactly one column is the whole (coefficient -1).
    """

    columns: tuple[int, ...]
    coefficients: tuple[int, ...]
    holds: Booleans | None = None


@dataclass
class Grid:
    """One edition: matrices are nodes by columns.

    `parent` is -1 at a root. `rests` says for each column whether it is a remainder that is never printed and stands in
    one relation only: it follows whatever the others do. `linked` columns stand in equations between grids. `sums`
    says for each column whether its areas are sums of their parts (else a publisher's own figures may differ).
    """

    parent: Integers
    value: Integers
    printable: Booleans
    rests: Booleans
    relations: list[Relation] = field(default_factory=list)
    linked: set[int] = field(default_factory=set)
    sums: Booleans | None = None

    @property
    def size(self) -> int:
        return int(self.value.size)

    @cached_property
    def loose(self) -> Booleans:
        """Columns that move without any other printable one: each of their relations has a rest."""
        found = ~self.rests
        found[list(self.linked)] = False
        for relation in self.relations:
            if not self.rests[list(relation.columns)].any():
                found[list(relation.columns)] = False
        return found

    @property
    def summed(self) -> Booleans:
        """Columns whose tree equations hold and do not follow from others."""
        return ~self.rests if self.sums is None else ~self.rests & self.sums

    def tree_entries(self) -> tuple[Integers, Integers, Integers, int]:
        """Row, cell, coefficient of every tree equation, and the number of equations; rests' follow from others."""
        nodes, columns = self.value.shape
        inner = np.unique(self.parent[self.parent >= 0])
        number = np.full(nodes, -1)
        number[inner] = np.arange(len(inner))
        kept = np.flatnonzero(self.summed)
        child = np.flatnonzero(self.parent >= 0)
        rows = np.concatenate([number[self.parent[child]], number[inner]])
        cells = np.concatenate([child, inner])
        signs = np.concatenate([np.ones(len(child), np.int64), -np.ones(len(inner), np.int64)])
        row = (rows[:, None] * len(kept) + np.arange(len(kept))).ravel()
        cell = (cells[:, None] * columns + kept).ravel()
        return row, cell, np.repeat(signs, len(kept)), len(inner) * len(kept)

    def relation_entries(self) -> tuple[Integers, Integers, Integers, int]:
        """Row, cell, coefficient of every relation at every node."""
        nodes, columns = self.value.shape
        rows, cells, signs = [], [], []
        for index, relation in enumerate(self.relations):
            where = np.arange(nodes) if relation.holds is None else np.flatnonzero(relation.holds)
            for column, coefficient in zip(relation.columns, relation.coefficients, strict=True):
                rows.append(index * nodes + where)
                cells.append(where * columns + column)
                signs.append(np.full(len(where), coefficient))
        if not rows:
            empty = np.zeros(0, np.int64)
            return empty, empty, empty, 0
        return np.concatenate(rows), np.concatenate(cells), np.concatenate(signs), len(self.relations) * nodes


@dataclass
class System:
    """All grids as one: flat arrays over all cells, and `matrix` @ value = 0.

    `lower` and `upper` are what everybody knows of a cell; `rise` and `fall` what must stay possible of it. `known`
    cells are printed whatever happens: already public, or released before. `hidden` cells are hidden whatever
    happens: sensitive, or hidden before.
    """

    grids: list[Grid]
    value: Integers
    lower: Integers
    upper: Integers
    printable: Booleans
    known: Booleans
    hidden: Booleans
    rise: Integers
    fall: Integers
    cost: Floats
    matrix: sparse.csr_array

    @cached_property
    def by_cell(self) -> sparse.csc_array:
        """The equations, column by column."""
        return self.matrix.tocsc()

    @cached_property
    def single(self) -> Booleans:
        """Cells that stand in one equation only, with coefficient 1 or -1."""
        columns = self.by_cell
        found: Booleans = np.diff(columns.indptr) == 1
        found[found] = np.abs(columns.data[columns.indptr[:-1][found]]) == 1
        return found

    @property
    def starts(self) -> list[int]:
        return [0, *np.cumsum([grid.size for grid in self.grids]).tolist()]

    def of(self, index: int, flat: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """The part of a flat array that belongs to a grid, as a view of nodes by columns."""
        start = self.starts[index]
        grid = self.grids[index]
        return flat[start : start + grid.size].reshape(grid.value.shape)


def build(grids: list[Grid], links: list[dict[int, float]] | None = None) -> System:
    """One system of all grids; `links` are further equations as cell number → coefficient.

    No cell is sensitive yet; costs are 1. Rest columns must hold their values already.
    """
    rows, cells, signs, start, offset = [], [], [], 0, 0
    _note_linked(grids, links or [])
    for grid in grids:
        for row, cell, sign, number in (grid.tree_entries(), grid.relation_entries()):
            rows.append(row + start)
            cells.append(cell + offset)
            signs.append(sign.astype(float))
            start += number
        offset += grid.size
    for link in links or []:
        rows.append(np.full(len(link), start))
        cells.append(np.array(list(link), dtype=np.int64))
        signs.append(np.array(list(link.values()), dtype=float))
        start += 1
    matrix = sparse.csr_array(
        (np.concatenate(signs), (np.concatenate(rows), np.concatenate(cells))), shape=(start, offset)
    )

    def flat(matrices: list[npt.NDArray[Any]]) -> npt.NDArray[Any]:
        return np.concatenate([item.ravel() for item in matrices])

    value = flat([grid.value for grid in grids]).astype(np.int64)
    return System(
        grids=grids,
        value=value,
        lower=np.zeros(offset, np.int64),
        upper=np.full(offset, UNBOUNDED),
        printable=flat([grid.printable for grid in grids]).astype(bool),
        known=np.zeros(offset, bool),
        hidden=np.zeros(offset, bool),
        rise=np.zeros(offset, np.int64),
        fall=np.zeros(offset, np.int64),
        cost=np.ones(offset),
        matrix=matrix,
    )


def _note_linked(grids: list[Grid], links: list[dict[int, float]]) -> None:
    ends = np.cumsum([grid.size for grid in grids])
    for cell in {cell for link in links for cell in link}:
        index = int(np.searchsorted(ends, cell, side="right"))
        start = int(ends[index]) - grids[index].size
        grids[index].linked.add((cell - start) % grids[index].value.shape[1])


def inconsistent(system: System) -> tuple[Integers, Floats]:
    """Equations that do not hold, and by how much: parts that do not add up."""
    difference = system.matrix @ system.value
    rows = np.flatnonzero(np.abs(difference) > 1e-6)
    return rows, difference[rows]
