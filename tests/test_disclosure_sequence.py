"""Releases one after another through the disclosure stage: overlapping windows of years, nested ages, corrections.

Writes into pytest's temporary folders. Many more of them, of simulated regions: tests/soak/releases.py.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from release_sequence import World, corrected, release, write_marts
from small_county import AGES, POOLED, chosen, county

from dagster_project import declarations, disclosure, disclosure_audit
from dagster_project.settings import Project, RegionData
from dagster_project.tables import read_frame

ROOT = Path(__file__).resolve().parents[1]
YEARS = range(2019, 2023)


@pytest.fixture(scope="module")
def declared() -> declarations.Declarations:
    """The demo county's declarations, of which two municipalities and a few indicators are taken."""
    every = declarations.load(Project(ROOT), "musterkreis")
    few = every.region.model_copy(update={"municipalities": every.region.municipalities[:2]})
    return chosen(replace(every, region=few), *POOLED, *AGES)


def for_the_public(declared: declarations.Declarations, **disclosure: object) -> declarations.Declarations:
    """Municipalities know no more than everybody; and what else differs in the rule."""
    rule = declared.region.disclosure
    recipients = rule.recipients.model_copy(update={"municipalities": "know_the_public_ones"})
    changed = rule.model_copy(update={"recipients": recipients, **disclosure})
    return replace(declared, region=declared.region.model_copy(update={"disclosure": changed}))


def with_counts(world: World, measure: str, area: str, counts: dict[int, int]) -> World:
    """The world in which an area has these counts of a measure by year; the areas that hold it follow."""
    for year, count in counts.items():
        cells = world.cells
        here = (cells["measure"] == measure) & (cells["area"] == area)
        here &= pd.to_datetime(cells["reference_date"]).dt.year == year
        world = corrected(world, [measure], date(year, 12, 31), area, count - int(cells.loc[here, "value"].iloc[0]))
    return world


def printed(folder: Path, area: str, indicator: str) -> dict[int, float]:
    """What the last release shows of an area: numerators by year."""
    cube = read_frame(folder / "marts" / "mart_indicator_value.parquet")
    own = cube[(cube["area"] == area) & (cube["indicator"] == indicator) & cube["numerator"].notna()]
    return dict(zip(pd.to_datetime(own["reference_date"]).dt.year, own["numerator"], strict=True))


def test_single_years_do_not_follow_from_windows_that_overlap(
    declared: declarations.Declarations, tmp_path: Path
) -> None:
    """Six in three years, then four, none and none: printed, they say that the first year had two."""
    world = county(declared, 1, range(2019, 2025), per_area=40)
    area = str(world.areas["area"].iloc[0])
    counts = {2019: 2, 2020: 4, 2021: 0, 2022: 0, 2023: 0, 2024: 0}
    world = with_counts(
        with_counts(world, "examined_obesity", area, counts), "examined", area, dict.fromkeys(counts, 30)
    )
    for measure in ("examined_language_abnormal", "examined_checks_complete", "examined_booklet"):
        world = with_counts(world, measure, area, dict.fromkeys(counts, 10))
    told = printed_windows(declared, world, tmp_path / "told")
    assert told == {2021: 6, 2022: 4, 2023: 0, 2024: 0}
    outcome = release(for_the_public(declared), world, tmp_path / "released", "one")
    assert not outcome.exposed
    assert set(printed(tmp_path / "released", area, "share_obesity")) < {2021, 2022, 2023, 2024}


def printed_windows(declared: declarations.Declarations, world: World, folder: Path) -> dict[int, float]:
    """A release whose protection is taken away again: the audit, which shares no code with it, says what it tells."""
    public = for_the_public(declared)
    release(public, world, folder, "unprotected")
    data = RegionData(root=folder, inbox=folder)
    (data.ledger / "unprotected.parquet").unlink()
    gone = read_frame(data.protection / "cell.parquet")
    area = str(world.areas["area"].iloc[0])
    kept = gone[(gone["area"] != area) | (gone["indicator"] != "share_obesity")]
    kept.to_parquet(data.protection / "cell.parquet")
    write_marts(public, world, data)
    report = disclosure_audit.audit(public, data.marts, data)
    assert any(f"{area}, examined_obesity am 31.12.2019: zwischen 2 und 2" in found.where for found in report.exposed)
    return printed(folder, area, "share_obesity")


def test_the_next_year_can_be_released_whatever_it_brings(declared: declarations.Declarations, tmp_path: Path) -> None:
    """Three, four and four in windows of three years would prove that the next one is above zero."""
    public = for_the_public(declared)
    world = county(declared, 2, range(2019, 2025), per_area=40)
    area = str(world.areas["area"].iloc[0])
    counts = {2019: 0, 2020: 1, 2021: 2, 2022: 1, 2023: 1, 2024: 0}  # windows of 3, 4, 4, and then 2
    world = with_counts(world, "examined_obesity", area, counts)
    for year in (2023, 2024):
        outcome = release(public, world.until(year), tmp_path, str(year))
        assert not outcome.exposed


def test_every_year_goes_out_by_itself_and_so_does_a_correction(
    declared: declarations.Declarations, tmp_path: Path
) -> None:
    """For the public and for both municipalities."""
    random = np.random.default_rng(3)
    world = county(declared, 3, YEARS)
    areas = world.areas.loc[world.areas["level_rank"] == 1, "area"].tolist()
    for year in YEARS[-2:]:
        outcome = release(declared, world.until(year), tmp_path, str(year))
        assert not outcome.exposed, year
        if year == YEARS[-2]:
            world = corrected(world, ["examined", "examined_obesity"], date(year - 1, 12, 31), random.choice(areas), 1)
            outcome = release(declared, world.until(year), tmp_path, "corrected")
            assert not outcome.exposed


def test_ages_between_two_printed_ones_are_numbers_too(declared: declarations.Declarations, tmp_path: Path) -> None:
    """Under 18 less under 15: two people of 15 to 17 years, although nobody prints them."""
    public = for_the_public(chosen(declared, "share_under_18", "youth_ratio_20_64", "population"))
    world = county(declared, 4, range(2023, 2024), per_area=60)
    area = str(world.areas["area"].iloc[0])
    world = with_counts(world, "population_under_18", area, {2023: 30})
    world = with_counts(world, "population_under_20", area, {2023: 32})
    world = with_counts(world, "population_20_to_64", area, {2023: 100})
    world = with_counts(world, "population_18_to_64", area, {2023: 102})
    world = with_counts(world, "population_65_plus", area, {2023: 40})
    world = with_counts(world, "population", area, {2023: 172})
    assert not release(public, world, tmp_path, "2023").exposed
    shown = [printed(tmp_path, area, name) for name in ("share_under_18", "youth_ratio_20_64")]
    assert not all(shown)


def test_what_nature_leaves_no_way_for_is_named_and_each_way_out_works(
    declared: declarations.Declarations, tmp_path: Path
) -> None:
    """A correction says of a window that was printed that one of its years had more than all of them."""
    public = for_the_public(declared, numerator=3)
    strict = for_the_public(declared, numerator=8)
    world = county(declared, 5, range(2021, 2024), per_area=40)
    release(public, world, tmp_path, "before")  # the threshold was lower then
    with pytest.raises(disclosure.NotProtectable) as raised:
        release(strict, world, tmp_path, "after")
    message = str(raised.value)
    assert all(word in message for word in ("examined_", "es folgt, dass sie", "indicators", "released_before: accept"))
    accepting = for_the_public(declared, numerator=8, released_before="accept")
    assert not release(accepting, world, tmp_path, "after").exposed
    assert len(read_frame(tmp_path / "ledger" / "accepted" / "after.parquet"))
    without = chosen(strict, "population")
    assert not release(without, world, tmp_path, "without").exposed
