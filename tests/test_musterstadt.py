"""The made-up town of four levels end to end: the county's indicator files, and the same truth on every level.

Writes simulated deliveries into a temporary folder.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from simulated import BESIDE_TRUTH, demo, hidden_counts, shown_in_small_areas, sides, views

from dagster_project import cli, declarations, disclosure_audit
from dagster_project.settings import RegionData, project
from dagster_project.tables import connect, read_frame

pytestmark = pytest.mark.slow

REGION = "musterstadt"
AREA = ["geography", "edition", "level", "area"]


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory) -> RegionData:
    return demo(REGION, tmp_path_factory.mktemp("town"), cli.DONE, "--size", "0.3", "--dirt", "none")


def test_every_count_equals_the_truth(released: RegionData) -> None:
    marts, levels, compared = views(released), set(), 0
    for indicator, side, measure in sides(REGION):
        found = marts.execute(BESIDE_TRUTH.format(side=side), {"indicator": indicator, "measure": measure}).df()
        exact = found[found["ours"].notna() & ~found["is_converted"]]
        assert exact[exact["ours"] != exact["truth"]].empty, (indicator, side)
        levels |= set(exact["level"])
        compared += len(exact)
    assert levels == {"sozialraum", "statistischer_bezirk", "stadtbereich", "stadtgebiet"}
    assert compared > 10_000


def test_every_hidden_count_equals_the_truth(released: RegionData) -> None:
    compared, different = hidden_counts(released)
    assert compared > 200
    assert different == 0


def test_an_area_with_few_people_shows_nothing_but_how_many_they_are(released: RegionData) -> None:
    hidden, shown = shown_in_small_areas(released, REGION)
    assert hidden > 100
    assert shown == {"population", "population_change"}


def test_in_an_area_with_few_people_every_count_is_hidden_and_what_is_summed_over_years(released: RegionData) -> None:
    few = declarations.load(project(), REGION).region.disclosure.minimum_population
    areas = views(released).sql(f"select {', '.join(AREA)} from mart_area where not is_unallocated").df()
    counts = read_frame(released.protection / "count.parquet").query("is_given").merge(areas, on=AREA)
    people = counts[(counts["measure"] == "population") & (counts["years"] == 1) & (counts["value"] < few)]
    there = counts[counts["measure"] != "population"].merge(people[[*AREA, "reference_date"]])
    assert len(there[there["years"] > 1]) > 10
    assert there["is_hidden"].all()


def test_nobody_can_find_out_what_is_hidden(released: RegionData) -> None:
    audits = views(released).sql(f"from '{released.current}/parquet/mart_disclosure_audit.parquet'").df()
    assert len(audits)
    assert audits["exposed"].sum() == 0


def test_no_sum_of_euros_or_years_gives_a_contributor_away(released: RegionData) -> None:
    """Neither a sum of fewer than three, nor one of which a household holds most."""
    counts = read_frame(released.protection / "count.parquet").set_index([*AREA, "reference_date", "measure"])
    two = read_frame(released.core / "core_largest_contribution.parquet").set_index(
        [*AREA, "reference_date", "measure"]
    )
    assert set(two.index.get_level_values("measure")) == {"housing_benefit_amount"}
    seen = 0
    for total, contributors in (("age_sum", "population"), ("housing_benefit_amount", "housing_benefit_households")):
        sums = counts.xs(total, level="measure").query("is_given and value > 0")
        people = counts.xs(contributors, level="measure")["value"].reindex(sums.index)
        assert sums.loc[people < 3, "is_hidden"].all()
        seen += int((people < 3).sum())
    largest = two.xs("housing_benefit_amount", level="measure").reindex(sums.index)
    held = largest["largest"] / sums["value"]
    rest = (sums["value"] - largest["largest"] - largest["second_largest"]) / largest["largest"]
    dominated = (held > 0.85) | (rest < 0.1)
    assert seen > 50
    assert sums.loc[dominated, "is_hidden"].all()


def test_the_audit_sees_a_sum_that_gives_a_household_away(released: RegionData, tmp_path: Path) -> None:
    marts = tmp_path / "marts"
    shutil.copytree(released.current / "parquet", marts)
    declared = declarations.load(project(), REGION)
    counts = read_frame(released.protection / "count.parquet")
    people = counts[counts["measure"] == "housing_benefit_households"].query("0 < value < 3 and is_given")
    cell = people[people["level"] == "sozialraum"].iloc[0]
    amount = counts[
        (counts["measure"] == "housing_benefit_amount")
        & (counts["area"] == cell["area"])
        & (counts["level"] == cell["level"])
        & (counts["reference_date"] == cell["reference_date"])
    ]["value"].iloc[0]
    path = marts / "mart_indicator_value.parquet"
    with connect() as connection:
        rows = connection.execute(f"from read_parquet('{path}')").df()
        at = (
            (rows["indicator"] == "mean_housing_benefit")
            & (rows["area"] == cell["area"])
            & (rows["level"] == cell["level"])
            & (rows["reference_date"] == cell["reference_date"])
        )
        assert rows.loc[at, "status"].tolist() == ["suppressed"]
        rows.loc[at, "numerator"] = float(amount)
        connection.register("rows", rows)
        connection.execute(f"copy (from rows) to '{path}' (format parquet)")
    exposed = [item.where for item in disclosure_audit.audit(declared, marts, released).exposed]
    assert any("housing_benefit_amount" in where and str(cell["area"]) in where for where in exposed)
