"""The audit beside brute force: every whole-numbered table that fits what is printed, one by one.

Writes into pytest's temporary folders.
"""

from __future__ import annotations

import itertools
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from dagster_project.disclosure import ledger
from dagster_project.disclosure_audit import editions
from dagster_project.disclosure_audit.intervals import feasible
from dagster_project.disclosure_audit.judging import Rule, Truth, exposed
from dagster_project.disclosure_audit.memory import entries, printed_before
from dagster_project.disclosure_audit.published import Published, Remainder
from dagster_project.solver import Program, Solver, solution
from dagster_project.tables import write_frame

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


def published(
    kind: str, value: np.ndarray, hidden: np.ndarray, told: tuple[np.ndarray, np.ndarray] | None = None
) -> Published:
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
    nothing = np.full(value.shape, np.nan)
    least, most = (nothing, nothing) if told is None else told
    return Published(
        areas, [(name, DAY, 1) for name in names], printed, least, most, withheld, sparse.csr_array(np.array(rows)),
        remainders,
    )  # fmt: skip


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
    floor = np.where(is_rest, 0.0, float(zeros_printed))
    rule = Rule(np.full(width, float(THRESHOLD)), floor, np.zeros(width, bool), np.zeros(value.shape))
    return judged(kind, published(kind, value, hidden), value, rule)


def judged(kind: str, seen: Published, value: np.ndarray, rule: Rule) -> set[tuple[int, int]]:
    truth = Truth(value.astype(float), np.zeros(value.shape, bool))
    found, _ = exposed(seen, truth, rule, np.zeros(NODES, bool), {})
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


@settings(max_examples=80, deadline=None)
@given(st.sampled_from(["share", "ring"]), st.integers(0, 10**6), st.integers(1, 4))
def test_numbers_in_place_of_true_ones_are_judged_like_brute_force_does(kind: str, seed: int, spread: int) -> None:
    """All but the first measure are shown with noise: nobody may prove of a small one that it is small."""
    random = np.random.default_rng(seed)
    inner = random.multinomial(int(random.integers(2, 8)), random.dirichlet(np.full(3 * LEAVES, 0.8))).reshape(-1, 3)
    value = derived(kind, inner)
    is_rest = np.array([name.startswith("?") for name in MEASURES[kind]])
    shown = np.maximum(value + random.integers(-spread, spread + 1, value.shape), 0) * (value > 0)
    least, most = np.maximum(shown - spread, np.minimum(shown, 1)).astype(float), (shown + spread).astype(float)
    exact = np.zeros(value.shape, bool)
    exact[:, 0] = True
    least[exact], most[exact] = np.nan, np.nan
    least[:, is_rest], most[:, is_rest] = np.nan, np.nan
    every = derived(kind, tables(int(value[LEAVES, 0])))
    told = ~np.isnan(least)
    fits = (~told | ((every >= least) & (every <= most))).all(axis=(1, 2))
    fits &= (~exact | (every == value)).all(axis=(1, 2))
    low, high = every[fits].min(axis=0), every[fits].max(axis=0)
    need = np.full(value.shape, THRESHOLD)
    if kind == "share":
        need[:, [1, 4]] = np.minimum(need[:, [1, 4]], value[:, [0]])
    sensitive = (value > 0) & (value < THRESHOLD)
    wrong = sensitive & ((high < need) | (exact & (low == high)))
    replaced = ~np.array([name == next(iter(MEASURES[kind])) for name in MEASURES[kind]])
    rule = Rule(np.full(value.shape[1], float(THRESHOLD)), np.zeros(value.shape[1]), replaced, np.zeros(value.shape))
    seen = published(kind, value, ~exact & ~is_rest, (least, most))
    seen.withheld[:] = False
    assert judged(kind, seen, value, rule) == {tuple(cell) for cell in np.argwhere(wrong).tolist()}


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


# ---------------------------------------------------------------- two editions of the same people


def square(left: float, right: float) -> str:
    return f"POLYGON (({left} 0, {right} 0, {right} 1, {left} 1, {left} 0))"


def two_editions() -> pd.DataFrame:
    """A border moves from 2 to 1.8, and a strip of west becomes part of east; or it is only drawn again."""
    shapes = {"2010": {"west": (0, 2), "east": (2, 4)}, "2015": {"west": (0, 1.9999), "east": (1.9999, 4)}}
    moved = {"2020": {"west": (0, 1.8), "east": (1.8, 4)}}
    rows = [
        ("g", edition, "fine", 0, area, "all", "town", square(*ends))
        for edition, areas in (shapes | moved).items()
        for area, ends in areas.items()
    ] + [("g", edition, "all", 1, "town", None, None, square(0, 4)) for edition in ("2010", "2015", "2020")]
    names = ["geography", "edition", "level", "level_rank", "area", "parent_level", "parent", "geometry"]
    return pd.DataFrame(rows, columns=names).assign(is_unallocated=False, is_published=True, municipality=None)


def numbers(edition: str, **areas: int) -> list[dict[str, object]]:
    return [
        {"geography": "g", "edition": edition, "level": "all" if area == "town" else "fine", "area": area,
         "measure": "people", "day": DAY, "years": 1, "number": float(number)}
        for area, number in areas.items()
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("newer", "after", "proved"),
    [
        ("2020", {"west": 39, "east": 61, "town": 100}, 1),  # two people live in the strip
        ("2020", {"west": 39}, 1),  # one number is enough
        ("2020", {"west": 20, "east": 80, "town": 100}, 0),  # many do
        ("2020", {"west": 41, "east": 59, "town": 100}, 0),  # nobody does, and there are two more: nothing to tell
        ("2020", {"town": 100}, 0),
        ("2015", {"west": 41, "east": 59, "town": 100}, 0),  # the border was drawn again, no more
    ],
)
def test_the_difference_of_two_editions_is_found(newer: str, after: dict[str, int], proved: int) -> None:
    """An earlier release printed the old areas; a strip of few people must not follow from the new ones."""
    printed = pd.DataFrame(numbers("2010", west=41, east=59, town=100) + numbers(newer, **after))
    found = editions.strips(printed, two_editions(), {"people": THRESHOLD})
    assert len(found) == proved
    assert all("Teil von fine west (2010), der in east (2020) liegt: zwischen 2 und 2" in text for text in found)


def test_numbers_that_any_release_printed_are_remembered(tmp_path: Path) -> None:
    entry = pd.DataFrame(numbers("2010", west=41, east=2)).rename(columns={"day": "reference_date", "number": "value"})
    types = {"geography": "varchar", "edition": "varchar", "level": "varchar", "area": "varchar",
             "reference_date": "date", "measure": "varchar", "years": "integer", "value": "bigint",
             "is_printed": "boolean"}  # fmt: skip
    write_frame(entry.assign(is_printed=entry["area"] == "west"), tmp_path / "first.parquet", types)
    assert printed_before(tmp_path)[["area", "number"]].to_numpy().tolist() == [["west", 41.0]]
    # written before numbers could be shown in place of others: both readers take it, and nothing was
    (read_back,) = entries(tmp_path)
    assert read_back["shown"].isna().all()
    assert ledger.read(tmp_path)["shown"].isna().all()


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
