"""The audit beside brute force: every whole-numbered table that fits what is printed, one by one.

Reads and writes nothing.
"""

from __future__ import annotations

import itertools
from datetime import date

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from dagster_project.disclosure_audit.intervals import feasible
from dagster_project.disclosure_audit.judging import Rule, Truth, exposed
from dagster_project.disclosure_audit.published import Published, Remainder
from dagster_project.solver import Program, Solver, solution

LEAVES, THRESHOLD = 3, 3
NODES = LEAVES + 1
DAY = date(2020, 12, 31)

# how each measure is made of the innermost ones: a share with its rest and two sexes, or sums that overlap in a ring
SHARE = {"whole": (1, 1, 1), "part": (1, 1, 0), "women": (1, 0, 0), "men": (0, 1, 0), "?~rest": (0, 0, 1)}
RING = {"all": (1, 1, 1), "a": (1, 0, 0), "b": (0, 1, 0), "c": (0, 0, 1), "ab": (1, 1, 0), "bc": (0, 1, 1),
        "ac": (1, 0, 1)}  # fmt: skip
EQUATIONS = {
    "share": [{"whole": -1, "part": 1, "?~rest": 1}, {"part": -1, "women": 1, "men": 1}],
    "ring": [{"ab": -1, "a": 1, "b": 1}, {"bc": -1, "b": 1, "c": 1}, {"ac": -1, "a": 1, "c": 1},
             {"all": -1, "ab": 1, "c": 1}],
}  # fmt: skip
MEASURES = {"share": SHARE, "ring": RING}


def tables(total: int) -> np.ndarray:
    """Every way to spread a total over three innermost counts of three areas."""
    cuts = np.array(list(itertools.combinations(range(total + 3 * LEAVES - 1), 3 * LEAVES - 1)))
    edges = np.hstack([np.full((len(cuts), 1), -1), cuts, np.full((len(cuts), 1), total + 3 * LEAVES - 1)])
    return (np.diff(edges, axis=1) - 1).reshape(-1, LEAVES, 3)


def derived(kind: str, inner: np.ndarray) -> np.ndarray:
    """All measures of all areas, the whole region last."""
    weights = np.array(list(MEASURES[kind].values()))
    leaves = inner @ weights.T
    return np.concatenate([leaves, leaves.sum(axis=-2, keepdims=True)], axis=-2)


def published(kind: str, value: np.ndarray, hidden: np.ndarray) -> Published:
    names = list(MEASURES[kind])
    width = len(names)
    rows = []
    for place in range(width):
        row = np.zeros((NODES, width))
        row[:LEAVES, place], row[LEAVES, place] = 1, -1
        rows.append(row.ravel())
    for node, equation in itertools.product(range(NODES), EQUATIONS[kind]):
        row = np.zeros((NODES, width))
        for name, sign in equation.items():
            row[node, names.index(name)] = sign
        rows.append(row.ravel())
    areas = pd.DataFrame({"level": "area", "area": [str(node) for node in range(NODES)], "is_unallocated": False})
    rest = [place for place, name in enumerate(names) if name.startswith("?")]
    remainders = [Remainder(place, names.index("whole"), (names.index("part"),)) for place in rest]
    withheld = hidden.copy()
    withheld[:, rest] = False
    printed = np.where(hidden, np.nan, value.astype(float))
    printed[:, rest] = np.nan
    return Published(
        areas, [(name, DAY, 1) for name in names], printed, withheld, sparse.csr_array(np.array(rows)), remainders
    )


def by_brute_force(kind: str, value: np.ndarray, hidden: np.ndarray, zeros_printed: bool) -> set[tuple[int, int]]:
    """Sensitive cells that no table, or none beyond a bound, lets take zero (or one) and the threshold."""
    every = derived(kind, tables(int(value[LEAVES, 0])))
    unseen = hidden | np.array([name.startswith("?") for name in MEASURES[kind]])
    fits = (unseen | (every == value)).all(axis=(1, 2))
    floor = np.zeros(value.shape, int)
    if zeros_printed:
        floor[hidden & (value > 0) & ~np.array([name.startswith("?") for name in MEASURES[kind]])] = 1
        fits &= (every >= floor).all(axis=(1, 2))
    low, high = every[fits].min(axis=0), every[fits].max(axis=0)
    need = np.full(value.shape, THRESHOLD)
    if kind == "share":
        bound = np.where(hidden[:, 0], THRESHOLD, value[:, 0])
        need[:, [1, 4]] = np.minimum(need[:, [1, 4]], bound[:, None])
    zero = np.where(np.array([name.startswith("?") for name in MEASURES[kind]]), 0, int(zeros_printed))
    sensitive = (value > 0) & (value < THRESHOLD)
    return {tuple(cell) for cell in np.argwhere(sensitive & ((low > zero) | (high < need))).tolist()}


def by_audit(kind: str, value: np.ndarray, hidden: np.ndarray, zeros_printed: bool) -> set[tuple[int, int]]:
    width = len(MEASURES[kind])
    is_rest = np.array([name.startswith("?") for name in MEASURES[kind]])
    rule = Rule(
        np.full(width, float(THRESHOLD)), np.where(is_rest, 0.0, float(zeros_printed)), np.zeros(value.shape, bool), 0
    )
    truth = Truth(value.astype(float), np.zeros(value.shape, bool))
    found, _ = exposed(published(kind, value, hidden), truth, rule, np.zeros(NODES, bool), {})
    names = list(MEASURES[kind])
    return {(int(text.split()[1].rstrip(",")), names.index(text.split()[2])) for text in found}


@settings(max_examples=120, deadline=None)
@given(st.sampled_from(["share", "ring"]), st.integers(0, 10**6), st.booleans())
def test_the_audit_finds_exactly_what_brute_force_finds(kind: str, seed: int, zeros_printed: bool) -> None:
    random = np.random.default_rng(seed)
    inner = random.multinomial(int(random.integers(2, 8)), random.dirichlet(np.full(3 * LEAVES, 0.8))).reshape(-1, 3)
    value = derived(kind, inner)
    hidden = random.random(value.shape) < random.choice([0.3, 0.6, 0.9])
    hidden[LEAVES, 0] = False  # the sum of all is printed: every table is finite
    if zeros_printed:
        hidden &= value > 0
    expected = by_brute_force(kind, value, hidden, zeros_printed)
    assert by_audit(kind, value, hidden, zeros_printed) == expected


@pytest.mark.parametrize(("whole", "highest"), [(True, 1.0), (False, 3.0)])
def test_halves_prove_nothing(whole: bool, highest: float) -> None:
    """Six groups, no two of which hold more than one person together: halves would make three people, there is one."""
    pairs = list(itertools.combinations(range(6), 2))
    matrix = np.zeros((len(pairs) + 1, 6 + len(pairs) + 1))
    for row, pair in enumerate(pairs):
        matrix[row, [*pair, 6 + row]] = 1  # and who is in neither of them
    matrix[-1, :6], matrix[-1, -1] = 1, -1
    size = matrix.shape[1]
    wanted = np.arange(size) == size - 1
    known = feasible(
        sparse.csr_array(matrix), np.append(np.ones(len(pairs)), 0), np.full(size, np.nan), np.zeros(size),
        np.full(size, np.inf), wanted, (np.zeros(size), np.full(size, 3.0)), whole=whole,
    )  # fmt: skip
    assert known.high[-1] == pytest.approx(highest)


def test_the_solver_says_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    """HiGHS writes its banner past Python's own output."""
    program = Program(sparse.csr_array(np.eye(1)), (np.ones(1), np.ones(1)), (np.zeros(1), np.ones(1)), np.ones(1))
    Solver(program).run()
    assert solution(program) == pytest.approx([1.0])
    assert capfd.readouterr() == ("", "")


def test_a_programme_that_makes_no_sense_is_refused() -> None:
    wrong = Program(sparse.csr_array(np.eye(1)), (np.ones(1), np.ones(1)), (np.full(1, np.nan), np.ones(1)), np.ones(1))
    with pytest.raises(ValueError, match="refuses"):
        Solver(wrong)
