"""The one place where HiGHS is opened: silent, on one thread.

Reads and writes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import highspy
import numpy as np
import numpy.typing as npt
from scipy import sparse

Floats = npt.NDArray[np.float64]
Booleans = npt.NDArray[np.bool_]

INFINITY = highspy.kHighsInf
OPTIMAL, UNBOUNDED = highspy.HighsModelStatus.kOptimal, highspy.HighsModelStatus.kUnbounded
COLUMN_BY_COLUMN, MINIMISE = 1, 1


@dataclass(frozen=True)
class Program:
    """Minimise price @ x where matrix @ x lies between `rows` (low, high) and x between `columns`; x is whole where
    `whole` says so."""

    matrix: sparse.sparray
    rows: tuple[Floats, Floats]
    columns: tuple[Floats, Floats]
    price: Floats
    whole: Booleans | None = None


class Solver(highspy.Highs):
    """HiGHS without a word on the screen: enabling callbacks, which nobody needs, would write its banner."""

    def __init__(self, program: Program, **options: Any) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        for name, value in {"output_flag": False, "threads": 1, **options}.items():
            self.setOptionValue(name, value)
        matrix = sparse.csc_array(program.matrix)
        size, equations = matrix.shape[1], matrix.shape[0]
        whole = np.zeros(size, np.int32) if program.whole is None else program.whole.astype(np.int32)
        # one array after another is much faster than to fill a model's fields
        status = self.passModel(
            size, equations, matrix.nnz, COLUMN_BY_COLUMN, MINIMISE, 0.0, program.price, *program.columns,
            *program.rows, matrix.indptr, matrix.indices, matrix.data, whole,
        )  # fmt: skip
        if status == highspy.HighsStatus.kError:
            raise ValueError("HiGHS refuses the programme")

    def enableCallbacks(self) -> None:  # noqa: N802 (HiGHS' name)
        """None are needed."""

    def values(self) -> Floats:
        """x as the last run left it."""
        return np.array(self.getSolution().col_value)


def solution(program: Program, **options: Any) -> Floats | None:
    """The optimal x, None where there is none."""
    solver = Solver(program, **options)
    solver.run()
    return solver.values() if solver.getModelStatus() == OPTIMAL else None
