"""Controlled rounding: numbers rounded so that they still add up.

Reads and writes nothing: arrays in, arrays out.

Every number goes to one of the two multiples of the base beside it, a multiple stays as it is, and all equations hold
again; among all ways the one whose deviations are least (Cox 1987; Salazar 2005). On trees and two-way tables the
linear programme has whole-numbered corners; elsewhere HiGHS searches for them, and where there is none numbers may
move further.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
from scipy import sparse

from dagster_project.solver import INFINITY, Program, solution

Integers = npt.NDArray[np.int64]

FURTHEST = 4  # multiples of the base a number may move away from the nearest below
WHOLE = 1e-6


class NotRoundable(Exception):
    """No multiples near the numbers satisfy the equations."""


def controlled(matrix: sparse.csr_array, value: Integers, base: int) -> Integers:
    """Multiples of `base` near `value` with `matrix` @ result = 0. Raises `NotRoundable`."""
    below = value // base
    for reach in range(1, FURTHEST + 1):
        result = _rounded(matrix, value, below, base, reach)
        if result is not None:
            return result
    raise NotRoundable(f"no multiples of {base} near these numbers add up")


def _rounded(matrix: sparse.csr_array, value: Integers, below: Integers, base: int, reach: int) -> Integers | None:
    """Steps z between 1 - reach and reach above `below`; a multiple stays (reach 1). Minimises all deviations."""
    size = len(value)
    exact = value % base == 0
    low = np.where(exact, 1 - reach, np.maximum(1 - reach, -below)).astype(float)
    high = np.where(exact, reach - 1, reach).astype(float)
    low = np.maximum(low, -below)
    # the deviation |base z - remainder| is at least both its sides: one more column each
    rest = (value - base * below).astype(float)
    eye = sparse.eye_array(size, format="csr")
    rows = sparse.vstack(
        [
            sparse.hstack([base * matrix, sparse.csr_array((matrix.shape[0], size))]),
            sparse.hstack([base * eye, -eye]),
            sparse.hstack([-base * eye, -eye]),
        ],
        format="csc",
    )
    right = np.concatenate([-(matrix @ (base * below)), rest, -rest])
    free = np.full(2 * size, -INFINITY)
    program = Program(
        rows,
        (np.concatenate([right[: matrix.shape[0]], free]), right),
        (np.concatenate([low, np.zeros(size)]), np.concatenate([high, np.full(size, INFINITY)])),
        np.concatenate([np.zeros(size), np.ones(size)]),
    )
    steps = solution(program)
    if steps is not None and np.abs(steps[:size] - steps[:size].round()).max(initial=0) > WHOLE:
        steps = solution(replace(program, whole=np.arange(2 * size) < size))
    return None if steps is None else (base * (below + steps[:size].round())).astype(np.int64)
