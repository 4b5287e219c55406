"""Gate 2 on marts made by hand: what closes it, what it tolerates, and what it says.

Reads  expectations/publication.yml of the checkout. Writes marts into pytest's temporary folders.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from dagster_project import declarations, gate
from dagster_project.declarations import Declarations
from dagster_project.gate import Finding
from dagster_project.settings import Project
from dagster_project.tables import write_frame

ROOT = Path(__file__).resolve().parents[1]
KEY = {"geography": "lor", "edition": "2021", "period": "2020-12-31", "reference_date": "2020-12-31"}
COUNT = {"indicator": "population", "kind": "count", "replacement": None, "factor": 100.0, "reported_decimals": None}
SHARE = {**COUNT, "indicator": "jobless", "kind": "reported_share", "reported_decimals": 1}
REMAINDER = ("geography", "edition", "period", "indicator", "level", "at_most_percent")
TYPES = {
    **dict.fromkeys(("reference_date", "valid_from", "valid_to"), "date"),
    **dict.fromkeys(("value", "numerator", "denominator", "factor", "at_most_percent"), "double"),
    "level_rank": "bigint", "reported_decimals": "integer", "is_unallocated": "boolean",
}  # fmt: skip


@pytest.fixture(scope="module")
def declared() -> Declarations:
    return declarations.load(Project(ROOT), "berlin")


def judged(declared: Declarations, folder: Path, name: str, **marts: list[dict[str, object]]) -> Finding:
    """What one check of the checkout says about marts of these rows."""
    for mart, rows in {"remainder": [], **marts}.items():
        columns = list(rows[0]) if rows else list(REMAINDER)
        types = {column: TYPES.get(column, "varchar") for column in columns}
        write_frame(pd.DataFrame(rows, columns=columns), folder / f"mart_{mart}.parquet", types)
    suite = declared.suites["publication"]
    only = suite.model_copy(update={"checks": [check for check in suite.checks if check.name == name]})
    (found,) = gate.judge_marts(replace(declared, suites={suite.id: only}), folder)
    assert not found.details, found.details
    return found


def area(level: str, rank: int, key: str, **changed: object) -> dict[str, object]:
    life = {"valid_from": "2001-01-01", "valid_to": None}
    return {**KEY, "level": level, "level_rank": rank, "area": key, "is_unallocated": False, **life, **changed}


def totals(declared: Declarations, folder: Path, parts: list[float], whole: float, **more: list[dict]) -> Finding:
    """The check of totals on areas of two levels, with these values."""
    rows = [("plr", 0, f"{index:08d}", value) for index, value in enumerate(parts)] + [("stadt", 1, "11", whole)]
    values = [
        {**KEY, "level": level, "area": key, "indicator": "population", "value": value} for level, _, key, value in rows
    ]
    areas = [area(level, rank, key) for level, rank, key, _ in rows]
    return judged(
        declared,
        folder,
        "totals_are_equal_on_every_level",
        indicator=[COUNT],
        area=areas,
        indicator_value=values,
        **more,
    )


# ---------------------------------------------------------------- totals


def test_figures_carried_over_at_the_size_of_berlin_keep_their_total(declared: Declarations, tmp_path: Path) -> None:
    """448 areas are carried over onto 542 and rounded to six decimals: nobody is lost by floating point."""
    rng = np.random.default_rng(2021)
    parts = rng.dirichlet(np.ones(542)) * 3_348_560
    carried = np.round(parts, 6).tolist()
    assert abs(sum(carried) - 3_348_560) > 1e-6
    assert totals(declared, tmp_path, carried, 3_348_560.0).message == "In Ordnung."


@pytest.mark.parametrize(("lacking", "size"), [(1.0, "1,0"), (0.1, "0,1")])
def test_a_lost_person_closes_the_gate_and_the_finding_says_how_many_are_lacking(
    declared: Declarations, tmp_path: Path, lacking: float, size: str
) -> None:
    found = totals(declared, tmp_path, [3_000_000.0, 348_560.0 - lacking], 3_348_560.0)
    assert (found.success, found.blocks, found.failing) == (False, True, 1)
    assert f"es fehlen {size} oder " in found.message
    assert "remainders im Vertrag der Quelle" in found.message


def test_few_people_in_many_areas_are_no_closed_gate_either(declared: Declarations, tmp_path: Path) -> None:
    parts = [round(1 / 3, 6)] * 900
    assert abs(sum(parts) - 300) > 1e-4
    assert totals(declared, tmp_path, parts, 300.0).success


def remainder(percent: float) -> list[dict[str, object]]:
    return [{**KEY, "indicator": "population", "level": "plr", "at_most_percent": percent}]


def test_a_declared_remainder_is_tolerated_and_told(declared: Declarations, tmp_path: Path) -> None:
    found = totals(declared, tmp_path, [600.0, 396.0], 1000.0, remainder=remainder(0.5))
    assert (found.success, found.blocks) == (True, False)
    assert "996,0 statt 1000,0, es fehlen 4,0 oder 0,4 %" in found.message
    assert "im Vertrag erklärt (remainders): bis 0,5 %" in found.message


@pytest.mark.parametrize(
    ("parts", "whole", "why"),
    [([600.0, 390.0], 1000.0, "more is lacking than declared"), ([600.0, 404.0], 1000.0, "the whole is less")],
)
def test_a_remainder_is_tolerated_only_up_to_its_size_and_below(
    declared: Declarations, tmp_path: Path, parts: list[float], whole: float, why: str
) -> None:
    assert totals(declared, tmp_path, parts, whole, remainder=remainder(0.5)).blocks, why


# ---------------------------------------------------------------- areas that ceased


@pytest.mark.parametrize(
    ("changed", "blocks"),
    [
        ({}, True),
        ({"valid_to": "2019-12-31"}, False),
        ({"valid_to": "2020-12-31"}, True),
        ({"valid_from": "2021-01-01"}, False),
    ],
)
def test_an_area_needs_a_row_only_while_it_exists(
    declared: Declarations, tmp_path: Path, changed: dict[str, str], blocks: bool
) -> None:
    values = [{**KEY, "level": "plr", "area": "1", "indicator": "population", "value": 5.0, "status": "published"}]
    areas = [area("plr", 0, "1"), area("plr", 0, "2", **changed)]
    found = judged(declared, tmp_path, "every_area_has_a_row", indicator=[COUNT], area=areas, indicator_value=values)
    assert (found.blocks, [key["area"] for key in found.failing_keys]) == (blocks, ["2"] * blocks)


# ---------------------------------------------------------------- printed shares


@pytest.mark.parametrize(("value", "blocks"), [(7.3, False), (7.4, True)])
def test_a_printed_share_may_differ_from_its_counts_by_what_its_decimals_leave_open(
    declared: Declarations, tmp_path: Path, value: float, blocks: bool
) -> None:
    row = {**KEY, "level": "plr", "area": "1", "indicator": "jobless", "value": value}
    values = [{**row, "numerator": 22.0, "denominator": 300.0}]
    found = judged(declared, tmp_path, "value_is_numerator_by_denominator", indicator=[SHARE], indicator_value=values)
    assert found.blocks == blocks
