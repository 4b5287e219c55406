"""Two editions of the same people in one system: what an earlier release showed on the other one is known for ever.

Reads and writes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dagster_project.disclosure import editions, rules, suppress, system
from dagster_project.disclosure.cells import Sheet
from dagster_project.disclosure.columns import Column
from dagster_project.disclosure_audit.intervals import feasible

DAY = date(2020, 12, 31)
THRESHOLD = 3
BLOCKS, AREAS = 48, 8
OLDER, NEWER = "2010", "2020"


@dataclass
class Town:
    """Blocks with people, and the area of each in both editions."""

    people: np.ndarray
    area: dict[str, np.ndarray]

    def areas(self, edition: str) -> pd.DataFrame:
        names = [f"{edition}-{number}" for number in range(AREAS)]
        fine = pd.DataFrame({"level": "fine", "area": names, "parent_level": "town", "parent": "all", "level_rank": 0})
        town = pd.DataFrame({"level": "town", "area": ["all"], "parent_level": None, "parent": None, "level_rank": 1})
        frame = pd.concat([fine, town], ignore_index=True)
        return frame.assign(geography="g", edition=edition, municipality="m", is_unallocated=False)

    def sheet(self, edition: str) -> Sheet:
        value = np.bincount(self.area[edition], self.people, AREAS).astype(np.int64)
        value = np.append(value, value.sum())[:, None]
        yes, no = np.ones(value.shape, bool), np.zeros(value.shape, bool)
        parent = np.array([AREAS] * AREAS + [-1])
        columns = [Column("people", DAY)]
        frame = self.areas(edition)
        return Sheet("g", edition, frame, parent, columns, value, yes, no, no[0], yes, [], rests=no[0])

    def atoms(self) -> pd.DataFrame:
        frame = pd.DataFrame({"older": self.area[OLDER], "newer": self.area[NEWER], "value": self.people})
        frame = frame.groupby(["older", "newer"], as_index=False)["value"].sum()
        return pd.DataFrame(
            {
                "geography": "g",
                "edition": OLDER,
                "area": [f"{OLDER}-{number}" for number in frame["older"]],
                "reporting_area": [f"{NEWER}-{number}" for number in frame["newer"]],
                "day": DAY,
                "measure": "people",
                "value": frame["value"],
            }
        )


def town_of(seed: int) -> Town:
    """A few blocks of each area go to the next one."""
    random = np.random.default_rng(seed)
    people = random.poisson(random.choice([0.3, 1.0, 6.0], BLOCKS))
    older = np.arange(BLOCKS) % AREAS
    newer = older.copy()
    moved = random.choice(BLOCKS, int(random.integers(1, 8)), replace=False)
    newer[moved] = (newer[moved] + 1) % AREAS
    return Town(people, {OLDER: older, NEWER: newer})


def released(sheet: Sheet, others: list[editions.OtherEdition]) -> tuple[system.System, np.ndarray, np.ndarray]:
    """The system, which cells are hidden, and which cells could not be protected."""
    cells = editions.linked([sheet], others)
    margin = rules.small(sheet.value, THRESHOLD)
    cells.of(0, cells.hidden)[:], cells.of(0, cells.rise)[:] = margin.sensitive, margin.rise
    cells.of(0, cells.fall)[:] = margin.fall
    for number, other in enumerate(others):
        cells.of(1 + 2 * number, cells.known)[:] = other.known
        for grid, own in enumerate(other.margins(np.array([THRESHOLD])), start=1 + 2 * number):
            cells.of(grid, cells.rise)[:], cells.of(grid, cells.fall)[:] = own.rise, own.fall
    found = suppress.protect(cells)
    return cells, found.hidden, found.unmet[0]


def entries(sheet: Sheet, hidden: np.ndarray) -> pd.DataFrame:
    """The ledger after a release."""
    return sheet.areas[["geography", "edition", "level", "area"]].assign(
        day=DAY, measure="people", years=1, value=sheet.value[:, 0], is_printed=~hidden[: len(sheet.areas)]
    )


def exposed(cells: system.System, printed: np.ndarray) -> np.ndarray:
    """By the audit's own intervals: small cells, of whatever grid, of which zero or the threshold is impossible."""
    sensitive = (cells.value > 0) & (cells.value < THRESHOLD)
    size = len(cells.value)
    known = feasible(
        cells.matrix, np.zeros(cells.matrix.shape[0]), np.where(printed, cells.value, np.nan), np.zeros(size),
        np.full(size, np.inf), sensitive & ~printed,
    )  # fmt: skip
    return sensitive & ~printed & ((known.low > 0) | (known.high < THRESHOLD))


def second_release(town: Town) -> tuple[Sheet, list[editions.OtherEdition]]:
    before = town.sheet(OLDER)
    _, hidden, unmet = released(before, [])
    assert not unmet.any()
    sheet = town.sheet(NEWER)
    areas = pd.concat([town.areas(OLDER), town.areas(NEWER)])
    return sheet, editions.of_sheet(sheet, entries(before, hidden), town.atoms(), areas)


@settings(max_examples=80, deadline=None)
@given(st.integers(0, 10**6))
def test_a_second_edition_exposes_neither_what_was_hidden_nor_who_lives_between(seed: int) -> None:
    """What cannot be protected any more, because the past told it, is named; all else keeps zero and the threshold."""
    sheet, others = second_release(town_of(seed))
    cells, hidden, unmet = released(sheet, others)
    printed = (cells.printable & ~hidden) | cells.known
    assert not (exposed(cells, printed) & ~unmet).any()


def test_without_the_other_edition_strips_become_known() -> None:
    """How often: each release is perfectly protected alone, and together they tell."""
    told = 0
    for seed in range(40):
        sheet, others = second_release(town_of(seed))
        _, alone, _ = released(sheet, [])
        cells, hidden, unmet = released(sheet, others)
        printed = cells.known.copy()
        printed[: len(alone)] |= ~alone
        told += int(exposed(cells, printed).sum())
        assert not unmet.any()
        assert hidden[: len(alone)].sum() >= alone.sum()
    assert told > 20


def test_a_number_that_was_corrected_since_is_not_known() -> None:
    town = town_of(1)
    sheet, others = second_release(town)
    corrected = Town(town.people.copy(), town.area)
    corrected.people[0] += 5
    before = town.sheet(OLDER)
    areas = pd.concat([town.areas(OLDER), town.areas(NEWER)])
    history = entries(before, np.zeros(len(before.areas), bool))
    (other,) = editions.of_sheet(corrected.sheet(NEWER), history, corrected.atoms(), areas)
    assert not other.known[[0, AREAS]].any()
    assert other.known[1:AREAS].all()
    assert sheet.value.sum() > 0
    assert others


def test_cells_of_another_edition_are_named_for_the_operator() -> None:
    sheet, (other,) = second_release(town_of(3))
    assert other.name(editions.OTHER, 0) == f"fine {OLDER}-0 ({OLDER})"
    if not other.atoms:
        pytest.fail("the example needs an atom")
    assert other.name(editions.ATOM, 0).startswith(f"Teil von fine {OLDER}-")
    assert sheet.edition in other.name(editions.ATOM, 0)
