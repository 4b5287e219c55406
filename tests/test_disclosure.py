"""The mathematics of disclosure control: published cases with their published results, properties, and other tools.

Reads and writes nothing but scratch files of the independent optimum (`pytauargus`).
"""

from __future__ import annotations

import itertools
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import sparse
from scipy.optimize import linprog

from dagster_project.declarations.disclosure import Dominance
from dagster_project.disclosure import cellkey, rounding, rules, suppress, system, trees
from dagster_project.disclosure_audit.intervals import Knowledge, feasible

sys.path.insert(0, str(Path(__file__).parent / "bench"))
import peers
from generated import county

# ---------------------------------------------------------------- helpers


def two_way(table: list[list[int]]) -> system.System:
    """A table with row and column totals: rows under a total row, columns with a relation to their total."""
    inner = np.array(table)
    value = np.vstack([inner, inner.sum(axis=0)])
    value = np.hstack([value, value.sum(axis=1, keepdims=True)])
    rows, columns = value.shape
    grid = system.Grid(
        parent=np.array([rows - 1] * (rows - 1) + [-1]),
        value=value,
        printable=np.ones(value.shape, bool),
        rests=np.zeros(columns, bool),
        relations=[system.Relation(tuple(range(columns)), (*[1] * (columns - 1), -1))],
    )
    return system.build([grid])


def hide(cells: system.System, *places: tuple[int, int], rise: int = 0, fall: int = 0) -> None:
    for place in places:
        cells.of(0, cells.hidden)[place] = True
        cells.of(0, cells.rise)[place] = rise
        cells.of(0, cells.fall)[place] = fall


def attack(cells: system.System, hidden: np.ndarray, lower: float = 0) -> Knowledge:
    size = len(cells.value)
    printed = np.where(cells.printable & ~hidden, cells.value, np.nan)
    return feasible(
        cells.matrix,
        np.zeros(cells.matrix.shape[0]),
        printed,
        np.full(size, lower),
        np.where(cells.upper < system.UNBOUNDED, cells.upper, np.inf).astype(float),
        np.isnan(printed),
    )


def interval(cells: system.System, known: Knowledge, place: tuple[int, int]) -> tuple[float, float]:
    return float(cells.of(0, known.low)[place]), float(cells.of(0, known.high)[place])


def equations(*rows: dict[str, int]) -> tuple[sparse.csr_array, list[str]]:
    names = sorted({name for row in rows for name in row})
    matrix = np.zeros((len(rows), len(names)))
    for index, row in enumerate(rows):
        for name, coefficient in row.items():
            matrix[index, names.index(name)] = coefficient
    return sparse.csr_array(matrix), names


# ---------------------------------------------------------------- published cases


def test_geurts_table_of_the_handbook() -> None:
    """Handbook on Statistical Disclosure Control, example 3: intervals of four blanks between printed margins."""
    matrix, names = equations({"11": 1, "12": 1}, {"21": 1, "22": 1}, {"11": 1, "21": 1}, {"12": 1, "22": 1})
    size = len(names)
    known = feasible(
        matrix, np.array([7.0, 3, 6, 4]), np.full(size, np.nan), np.zeros(size), np.full(size, np.inf),
        np.ones(size, bool),
    )  # fmt: skip
    found = {name: (known.low[i], known.high[i]) for i, name in enumerate(names)}
    assert found == {"11": (3, 6), "12": (1, 4), "21": (0, 3), "22": (0, 3)}


W, X, Y, Z = range(4)
A, B, C, D = range(4)
RANK_ATTACK = [[30, 47, 64, 89], [90, 124, 5, 31], [92, 100, 59, 85], [800, 991, 651, 685]]
RANK_BLANKS = [(W, A), (W, B), (W, C), (X, A), (X, C), (Y, B), (Y, D), (Z, B), (Z, D)]


def test_two_blanks_per_line_are_not_enough() -> None:
    """sdcTable's case: no line has a single blank, and yet one cell is known exactly; any one more blank helps."""
    cells = two_way(RANK_ATTACK)
    hide(cells, *RANK_BLANKS)
    assert interval(cells, attack(cells, cells.hidden), (W, B)) == (47, 47)
    for extra, expected in (((X, D), (0, 78)), ((X, B), (0, 141))):
        more = cells.hidden.copy()
        cells.of(0, more)[extra] = True
        assert interval(cells, attack(cells, more), (W, B)) == expected


def test_one_more_blank_is_found() -> None:
    cells = two_way(RANK_ATTACK)
    hide(cells, *RANK_BLANKS)
    hide(cells, (W, B), rise=3, fall=3)
    found = suppress.protect(cells)
    assert not found.unmet[0].any()
    added = np.argwhere(cells.of(0, found.hidden & ~cells.hidden)).tolist()
    assert len(added) == 1
    assert tuple(added[0]) in {(W, D), (X, B), (X, D), (Y, A), (Y, C), (Z, A), (Z, C)}


def linked_tables() -> tuple[system.System, list[str]]:
    """sdcTable's linked tables: two counties, and big and small places across them."""
    names = [*"ABIJKLMN", "county_1", "county_2", "big", "small", "all"]
    value = np.array([2, 2, 8, 8, 3, 3, 3, 7, 20, 16, 6, 30, 36])
    parts = {"county_1": "ABIJ", "county_2": "KLMN", "big": "LM", "small": "ABIJKN"}
    links = [
        {**{names.index(part): 1.0 for part in inner}, names.index(whole): -1.0} for whole, inner in parts.items()
    ] + [
        {names.index(a): 1.0, names.index(b): 1.0, names.index("all"): -1.0}
        for a, b in (("county_1", "county_2"), ("big", "small"))
    ]
    grid = system.Grid(np.full(len(names), -1), value[:, None], np.ones((len(names), 1), bool), np.zeros(1, bool))
    return system.build([grid], links), names


def test_linked_tables_are_one_system() -> None:
    """Each table is safe alone; jointly K is known. The other small place of its county, N, closes the gap."""
    cells, names = linked_tables()
    for name in "ABKLM":
        cells.hidden[names.index(name)] = True
    k = names.index("K")
    known = attack(cells, cells.hidden)
    assert (known.low[k], known.high[k]) == (3, 3)
    cells.fall[k], cells.rise[k] = 3, 7
    found = suppress.protect(cells)
    assert [names[i] for i in np.flatnonzero(found.hidden & ~cells.hidden)] == ["N"]
    known = attack(cells, found.hidden)
    assert (known.low[k], known.high[k]) == (0, 10)


@pytest.mark.parametrize(("total", "lower", "expected"), [(0, 0, (0, 0)), (2, 0, (0, 2)), (2, 1, (1, 1))])
def test_zeros_and_ones(total: int, lower: int, expected: tuple[int, int]) -> None:
    """sdcTable UserSupport 194: two blanks of 0 are worthless, two of 1 are known once zeros are printed."""
    matrix, _ = equations({"x": 1, "y": 1})
    known = feasible(
        matrix, np.array([float(total)]), np.full(2, np.nan), np.full(2, float(lower)), np.full(2, np.inf),
        np.ones(2, bool),
    )  # fmt: skip
    assert (known.low[0], known.high[0]) == expected


def test_region_by_sex() -> None:
    """sdcTable's microdata1: with (A, female) sensitive, row C is the cheapest partner."""
    table = [[18, 2], [14, 19], [12, 10], [11, 14]]
    cells = two_way(table)
    hide(cells, (0, 1), rise=1, fall=2)
    cells.cost[:] = cells.value
    found = suppress.protect(cells)
    hidden = {tuple(place) for place in np.argwhere(cells.of(0, found.hidden)).tolist()}
    assert hidden == {(0, 0), (0, 1), (2, 0), (2, 1)}


def test_a_hidden_zero_of_ssbtools() -> None:
    """SSBtools' example1 of 2014, zeros and ones hidden: Portugal's young, and with them Iceland, not Spain."""
    cells = two_way([[5, 2, 0], [6, 3, 4]])  # young and old, in Spain, Iceland and Portugal
    hide(cells, (0, 2), rise=2, fall=0)
    cells.cost[:] = 1 + cells.value
    found = suppress.protect(cells)
    hidden = {tuple(place) for place in np.argwhere(cells.of(0, found.hidden)).tolist()}
    assert hidden == {(0, 1), (0, 2), (1, 1), (1, 2)}


def test_dominance_of_the_magnitude_example() -> None:
    """SSBtools' magnitude1 with the (1, 80) rule: who makes up more than 80 % of a cell."""
    contributions = {
        ("Agriculture", "Portugal"): (75.9, 24.5), ("Agriculture", "Spain"): (96.6, 43.2),
        ("Entertainment", "Iceland"): (16.8, 0), ("Entertainment", "Portugal"): (7.1, 2.3),
        ("Entertainment", "Spain"): (77.4, 16.4, 11.5), ("Governmental", "Portugal"): (21.6, 2.0),
        ("Governmental", "Spain"): (6.5, 2.7), ("Industry", "Iceland"): (9.6, 8.8, 1.9),
        ("Industry", "Portugal"): (25.7, 3.4), ("Industry", "Spain"): (8.4, 0),
    }  # fmt: skip
    tenths = np.array([(*parts, 0.0, 0.0)[:3] for parts in contributions.values()]) * 10
    total = tenths.sum(axis=1).round().astype(np.int64)
    margin = rules.dominated(total, tenths, Dominance(contributors=1, percent=80))
    found = {cell for cell, bad in zip(contributions, margin.sensitive, strict=True) if bad}
    assert found == {
        ("Entertainment", "Iceland"),
        ("Governmental", "Portugal"),
        ("Industry", "Portugal"),
        ("Industry", "Spain"),
    }
    # upper protection level of the Handbook: 100 / k x1 - X
    assert margin.rise[-1] == 21
    # with the total of Governmental, where one company makes up more than 80 % too, SSBtools hides nine cells
    table = np.zeros((4, 3), int)
    places = [
        (["Agriculture", "Entertainment", "Governmental", "Industry"].index(sector),
         ["Iceland", "Portugal", "Spain"].index(country))
        for sector, country in contributions
    ]  # fmt: skip
    for place, value in zip(places, total, strict=True):
        table[place] = value
    cells = two_way(table.tolist())
    for place, way, is_dominated in zip(places, margin.rise, margin.sensitive, strict=True):
        if is_dominated:
            hide(cells, place, rise=int(way), fall=int(way))
    hide(cells, (2, 3), rise=1, fall=1)
    found = suppress.protect(cells)
    assert not found.unmet[0].any()
    assert found.hidden.sum() == 9


def test_geographical_differencing() -> None:
    """Two divisions of the same people differ by a strip of two: the strip is known unless both are one system."""
    matrix, names = equations({"older": 1, "strip": -1, "newer": -1})
    printed = np.array([np.nan if name == "strip" else {"older": 41.0, "newer": 39.0}[name] for name in names])
    known = feasible(matrix, np.zeros(1), printed, np.zeros(3), np.full(3, np.inf), np.isnan(printed))
    strip = names.index("strip")
    assert (known.low[strip], known.high[strip]) == (2, 2)


def test_three_singletons_stay_hidden() -> None:
    """sdcTable UserSupport 135: three cells of one in two short rows. All keep zero and the threshold possible."""
    cells = two_way([[1, 1, 7, 1, 0], [1, 0, 0, 2, 8]])
    margin = rules.small(cells.value, 3)
    cells.hidden[:], cells.rise[:], cells.fall[:] = margin.sensitive, margin.rise, margin.fall
    found = suppress.protect(cells)
    assert not found.unmet[0].any()
    known = attack(cells, found.hidden)
    assert margin.sensitive.sum() == 7
    assert (known.low[margin.sensitive] == 0).all()
    assert (known.high[margin.sensitive] >= 3).all()


# ---------------------------------------------------------------- forests


def margins(value: np.ndarray, whole: np.ndarray, threshold: int) -> rules.Margin:
    both = rules.small(value, threshold).with_(rules.remainder(value, whole, threshold))
    return rules.clipped(both, value, np.zeros_like(value), whole)


def forest(parent: np.ndarray, value: np.ndarray, whole: np.ndarray, threshold: int) -> trees.Forest:
    margin = margins(value, whole, threshold)
    return trees.Forest(
        parent, value, np.zeros_like(value), whole, margin.rise, margin.fall, np.ones(value.shape), margin.sensitive,
        np.zeros(value.shape, bool),
    )  # fmt: skip


@st.composite
def forests(draw: st.DrawFn, most_leaves: int = 9) -> trees.Forest:
    seed = draw(st.integers(0, 10**6))
    leaves = draw(st.integers(2, most_leaves))
    random = np.random.default_rng(seed)
    lower, middle = int(random.integers(1, leaves + 1)), 1
    middle = int(random.integers(1, lower + 1))
    counts = (leaves, lower, middle, 1)
    starts = np.cumsum((0, *counts))
    parent = np.full(starts[-1], -1)
    for level in range(3):
        owner = np.concatenate(
            [np.arange(counts[level + 1]), random.integers(0, counts[level + 1], counts[level] - counts[level + 1])]
        )
        parent[starts[level] : starts[level + 1]] = starts[level + 1] + np.sort(owner)
    leaf = random.integers(0, 7, (leaves, 2))
    rest = random.integers(0, 9, (leaves, 2))
    value, remainder = (np.zeros((len(parent), 2), np.int64) for _ in range(2))
    value[:leaves], remainder[:leaves] = leaf, rest
    for node, above in enumerate(parent.tolist()):
        if above >= 0:
            value[above] += value[node]
            remainder[above] += remainder[node]
    return forest(parent, value, value + remainder, draw(st.sampled_from([3, 5])))


def tree_matrix(parent: np.ndarray) -> np.ndarray:
    matrix = np.zeros((len(set(parent[parent >= 0].tolist())), len(parent)))
    for row, equation in enumerate(peers.tree_equations(parent)):
        for cell, coefficient in equation:
            matrix[row, cell] = coefficient
    return matrix


@settings(max_examples=40, deadline=None)
@given(forests())
def test_slack_and_audit_equal_linear_programmes(problem: trees.Forest) -> None:
    """Sweeps over the tree, propagation and SciPy's solver agree on every hidden cell."""
    hidden, _ = trees.hide(problem)
    rise, fall = trees.slack(problem, hidden)
    matrix = tree_matrix(problem.parent)
    for tree in range(problem.value.shape[1]):
        value = problem.value[:, tree].astype(float)
        blank = hidden[:, tree]
        known = feasible(
            sparse.csr_array(matrix), np.zeros(len(matrix)), np.where(blank, np.nan, value), np.zeros(len(value)),
            problem.upper[:, tree].astype(float), blank,
        )  # fmt: skip
        assert np.array_equal(known.high[blank], (value + rise[:, tree])[blank])
        assert np.array_equal(known.low[blank], (value - fall[:, tree])[blank])
        bounds = [(0, problem.upper[i, tree]) if blank[i] else (value[i], value[i]) for i in range(len(value))]
        for cell in np.flatnonzero(blank)[:3]:
            for sign, end in ((1, known.low[cell]), (-1, known.high[cell])):
                aim = np.zeros(len(value))
                aim[cell] = sign
                solved = linprog(aim, A_eq=matrix, b_eq=np.zeros(len(matrix)), bounds=bounds)
                assert sign * solved.fun == pytest.approx(end, abs=1e-6)


@settings(max_examples=60, deadline=None)
@given(forests())
def test_every_margin_is_kept(problem: trees.Forest) -> None:
    hidden, feasible_trees = trees.hide(problem)
    rise, fall = trees.slack(problem, hidden)
    assert feasible_trees.all()
    assert (hidden | ~problem.must).all()
    assert ((rise >= problem.rise) & (fall >= problem.fall)).all()


@settings(max_examples=15, deadline=None)
@given(forests(most_leaves=6))
def test_no_smaller_set_of_cells_protects(problem: trees.Forest) -> None:
    """Against all subsets, one by one."""
    hidden, _ = trees.hide(problem)
    matrices = ("value", "lower", "upper", "rise", "fall", "cost", "must", "known")
    single = trees.Forest(problem.parent, *(getattr(problem, name)[:, [0]] for name in matrices))
    free = np.flatnonzero(~single.must[:, 0])
    fewest = next(
        size
        for size in range(len(free) + 1)
        if any(_keeps(single, chosen) for chosen in itertools.combinations(free.tolist(), size))
    )
    assert hidden[:, 0].sum() - single.must.sum() == fewest


def _keeps(problem: trees.Forest, chosen: tuple[int, ...]) -> bool:
    hidden = problem.must.copy()
    hidden[list(chosen), 0] = True
    rise, fall = trees.slack(problem, hidden)
    return bool(((rise >= problem.rise) & (fall >= problem.fall)).all())


@pytest.mark.parametrize("threshold", [3, 5, 10])
def test_as_few_cells_as_the_independent_optimum(threshold: int) -> None:
    """pytauargus' exact optimum on a generated county of 81 areas; its audit finds our margins kept as well."""
    generated = county(81, seed=threshold)
    problem = forest(generated.parent, generated.numerator, generated.bound, threshold)
    ours, _ = trees.hide(problem)
    theirs = peers.optimum_of_forest(problem)
    assert ours.sum() == theirs.sum()
    rise, fall = trees.slack(problem, ours)
    assert ((rise >= problem.rise) & (fall >= problem.fall)).all()
    for tree in np.flatnonzero(problem.must.any(axis=0))[:5]:
        shown = trees.Forest(
            problem.parent, problem.value, problem.lower, problem.upper, problem.rise, problem.fall, problem.cost, ours,
            problem.known,
        )  # fmt: skip
        for cell, (low, high) in peers.intervals(peers.tree_text(shown, int(tree))).items():
            assert low == pytest.approx(problem.value[cell, tree] - fall[cell, tree])
            assert high == pytest.approx(problem.value[cell, tree] + rise[cell, tree])


def test_the_same_cells_every_time() -> None:
    generated = county(81, seed=1)
    problem = forest(generated.parent, generated.numerator, generated.bound, 3)
    assert np.array_equal(trees.hide(problem)[0], trees.hide(problem)[0])


# ---------------------------------------------------------------- tables that are bound to each other


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.integers(3, 5), st.integers(2, 4))
def test_no_attack_on_a_two_way_table_succeeds(seed: int, rows: int, columns: int) -> None:
    """The audit, which knows only what is printed, finds the threshold and zero possible in every sensitive cell."""
    random = np.random.default_rng(seed)
    cells = two_way(random.poisson(random.choice([1.0, 4.0, 20.0], (rows, columns))).tolist())
    margin = rules.small(cells.value, 3)
    cells.hidden[:], cells.rise[:], cells.fall[:] = margin.sensitive, margin.rise, margin.fall
    found = suppress.protect(cells)
    assert not found.unmet[0].any()
    known = attack(cells, found.hidden)
    assert not known.impossible
    assert (known.low[margin.sensitive] <= 0).all()
    assert (known.high[margin.sensitive] >= 3).all()
    assert (known.low <= cells.value).all()
    assert (known.high >= cells.value).all()


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10**6), st.integers(3, 5))
def test_no_attack_by_one_who_knows_a_row_or_by_two_succeeds(seed: int, rows: int) -> None:
    """Every row knows its own numbers, and each two rows pool theirs: what is theirs they know, the rest stays open.

    A sum that holds numbers of theirs cannot fall below these, whatever is hidden.
    """
    random = np.random.default_rng(seed)
    cells = two_way(random.poisson(random.choice([1.0, 4.0, 20.0], (rows, 4))).tolist())
    margin = rules.small(cells.value, 3)
    cells.hidden[:], cells.rise[:], cells.fall[:] = margin.sensitive, margin.rise, margin.fall
    knows = []
    for size in (1, 2):
        for members in itertools.combinations(range(rows), size):
            own = np.zeros(len(cells.value), bool)
            cells.of(0, own)[list(members)] = True
            knows.append(own)
    found = suppress.protect(cells, knows)
    for own, unmet in zip(knows, found.unmet[1:], strict=True):
        known = attack(cells, found.hidden & ~own)
        safe = margin.sensitive & ~own & ~unmet
        theirs = np.zeros(len(own), np.int64)
        is_whole = cells.grids[0].parent < 0
        cells.of(0, theirs)[is_whole] = np.where(cells.of(0, own), cells.of(0, cells.value), 0).sum(axis=0)
        assert (known.low[safe] <= theirs[safe]).all()
        assert (known.high[safe] >= 3).all()
        # what is called exposed is so: a row is not hidden from those who know all other rows and the sum
        assert ((known.low > 0) | (known.high < 3))[unmet].all()


def test_what_cannot_be_protected_is_named() -> None:
    """A released total and all but one released part: nothing can hide the last part."""
    cells = two_way([[1, 5], [7, 9]])
    hide(cells, (0, 0), rise=2, fall=1)
    cells.known[:] = ~cells.hidden
    found = suppress.protect(cells)
    assert np.argwhere(cells.of(0, found.unmet[0])).tolist() == [[0, 0]]


def test_parts_that_do_not_add_up_are_found() -> None:
    cells = two_way([[1, 5], [7, 9]])
    cells.of(0, cells.value)[0, 0] += 1
    rows, difference = system.inconsistent(cells)
    assert len(rows) == 2
    assert set(difference.tolist()) == {1.0}


# ---------------------------------------------------------------- rounding and cell keys

# tau-ARGUS' example of a perturbation table (moves up to 7, variance 4, no count of 1 or 2): rows 1, 3, 6 and 10
PUBLISHED_ROWS = {
    1: {-1: 0.775078850966306, 2: 0.0873643732150699, 3: 0.0507561027140072, 4: 0.0323385880305859,
        5: 0.0225960604169355, 6: 0.0173150304125461, 7: 0.0145509942445495},
    3: {-3: 0.2514396179234, 0: 0.319582288813207, 1: 0.222383188160346, 2: 0.124028833888839, 3: 0.0554427577918675,
        4: 0.0198640787507339, 5: 0.00570418407267749, 6: 0.00131286510225821, 7: 0.000242185496671766},
    6: {-6: 0.00743519626950441, -3: 0.0921748581044173, -2: 0.143107106403066, -1: 0.181976069118658,
        0: 0.189527270634511, 1: 0.161671508187108, 2: 0.112953482596889, 3: 0.064635351293579, 4: 0.0302931862465775,
        5: 0.011628511845622, 6: 0.00365601272144729, 7: 0.000941446578620274},
    10: {-7: 0.000442322417578984, -3: 0.0648656439098926, 0: 0.199263054403837, 7: 0.000442322576283315},
}  # fmt: skip


@pytest.mark.parametrize("count", sorted(PUBLISHED_ROWS))
def test_the_perturbation_table_is_the_published_one(count: int) -> None:
    table = cellkey.perturbation_table(largest_move=7, variance=4, never_up_to=2)
    for move, probability in PUBLISHED_ROWS[count].items():
        assert table.probability[count, move + 7] == pytest.approx(probability, abs=1e-6)


@settings(max_examples=20, deadline=None)
@given(st.integers(3, 8), st.floats(0.8, 3.0), st.integers(0, 2))
def test_noise_has_no_bias_the_wanted_variance_and_keeps_zero(most: int, variance: float, never: int) -> None:
    try:
        table = cellkey.perturbation_table(most, variance, never)
    except ValueError:
        assume(False)
    assert table.probability.sum(axis=1) == pytest.approx(1)
    assert table.probability[1:] @ table.moves == pytest.approx(0, abs=1e-8)
    assert table.probability[1:] @ table.moves**2 == pytest.approx(variance, abs=1e-8)
    counts = np.arange(0, 30).repeat(50)
    noisy = table.perturbed(counts, np.tile(np.linspace(0, 0.999, 50), 30))
    assert (noisy[counts == 0] == 0).all()
    assert (noisy >= 0).all()
    assert not np.isin(noisy, np.arange(1, never + 1)).any()


def test_the_same_records_get_the_same_noise_in_every_table() -> None:
    random = np.random.default_rng(1)
    keys, area = random.random(500), random.integers(0, 5, 500)
    one = cellkey.cell_keys(keys, area, 5)
    order = random.permutation(500)
    assert cellkey.cell_keys(keys[order], area[order], 5) == pytest.approx(one)
    assert ((one >= 0) & (one < 1)).all()


def test_impossible_noise_is_refused() -> None:
    with pytest.raises(ValueError, match="no noise up to 2"):
        cellkey.perturbation_table(largest_move=2, variance=5)


# SmallCountRounding's example exPSD with totals
EXPSD = [[6, 0, 1, 3, 4], [1, 2, 3, 1, 2], [0, 1, 1, 0, 2]]


def test_the_published_table_is_rounded_and_adds_up() -> None:
    """Base 5; the published rounding of the totals, 28, 15, 8, 5 and 7, 5, 5, 5, 6, is off by 2 at most: so is ours."""
    cells = two_way(EXPSD)
    rounded = cells.of(0, rounding.controlled(cells.matrix, cells.value, 5))
    assert (rounded % 5 == 0).all()
    assert (rounded[:-1].sum(axis=0) == rounded[-1]).all()
    assert (rounded[:, :-1].sum(axis=1) == rounded[:, -1]).all()
    totals = np.concatenate([rounded[-1], rounded[:-1, -1]]) - np.concatenate(
        [cells.of(0, cells.value)[-1], cells.of(0, cells.value)[:-1, -1]]
    )
    assert np.abs(totals).max() <= 4
    assert (np.abs(rounded - cells.of(0, cells.value)) < 5).all()


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from([3, 5, 10]))
def test_rounding_keeps_sums_multiples_and_distance(seed: int, base: int) -> None:
    random = np.random.default_rng(seed)
    cells = two_way(random.poisson(6, (4, 3)).tolist())
    rounded = rounding.controlled(cells.matrix, cells.value, base)
    assert (cells.matrix @ rounded == 0).all()
    assert (rounded % base == 0).all()
    assert (np.abs(rounded - cells.value) < base).all()
    assert (rounded[cells.value % base == 0] == cells.value[cells.value % base == 0]).all()
