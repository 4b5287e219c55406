"""Controlled rounding: numbers rounded so that they still add up.

Reads and writes nothing: arrays in, arrays out.

Every number goes to one of the two multiples of the base beside it, a multiple stays as it is, and all equations hold
again; among all ways the one whose deviations are least (Cox 1987; Salazar 2005). On trees and two-way tables there is
always one, and the linear programme has whole-numbered corners; elsewhere HiGHS searches for it.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
from scipy import sparse

from dagster_project.solver import INFINITY, Program, solution

Integers = npt.NDArray[np.int64]

WHOLE = 1e-6


class NotRoundable(Exception):
    """No multiples beside the numbers satisfy the equations."""


def controlled(matrix: sparse.csr_array, value: Integers, base: int, stays: Integers | None = None) -> Integers:
    """Multiples of `base` beside `value` with `matrix` @ result = 0. Raises `NotRoundable`.

    `stays` are multiples that are kept where they are beside the number and all of them fit together (-1: none).
    """
    below = value // base
    low, high = below, below + (value % base > 0)
    if stays is not None:
        kept = (stays == base * low) | (stays == base * high)
        steps = np.where(kept, stays // base, 0)
        result = _rounded(matrix, value, base, np.where(kept, steps, low), np.where(kept, steps, high))
        if result is not None:
            return result
    result = _rounded(matrix, value, base, low, high)
    if result is None:
        raise NotRoundable(f"no multiples of {base} beside these numbers add up")
    return result


def _rounded(matrix: sparse.csr_array, value: Integers, base: int, low: Integers, high: Integers) -> Integers | None:
    """Multiples between `low` and `high` times the base, with the least sum of deviations from `value`."""
    size = len(value)
    below = value // base
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
        (
            np.concatenate([(low - below).astype(float), np.zeros(size)]),
            np.concatenate([(high - below).astype(float), np.full(size, INFINITY)]),
        ),
        np.concatenate([np.zeros(size), np.ones(size)]),
    )
    steps = solution(program)
    if steps is not None and np.abs(steps[:size] - steps[:size].round()).max(initial=0) > WHOLE:
        steps = solution(replace(program, whole=np.arange(2 * size) < size))
    return None if steps is None else (base * (below + steps[:size].round())).astype(np.int64)
