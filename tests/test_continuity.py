"""What `check` lets nobody leave unsaid: breaks, directions, remainders, supply at a site.

Reads  the checkout's declarations; changes them in memory.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from dagster_project import catalogue, declarations
from dagster_project.declarations import Declarations, Indicator
from dagster_project.declarations.continuity import unsaid
from dagster_project.declarations.contracts import Change, Remainder
from dagster_project.declarations.indicators import Composition
from dagster_project.settings import Project

ROOT = Path(__file__).resolve().parents[1]
UNDISPUTED_AT_ALL = {
    "share_80_plus", "share_65_plus", "old_age_ratio", "old_age_ratio_20_64", "share_older_living_alone",
    "share_single_parents", "share_housing_benefit", "child_welfare_rate", "kita_places_rate", "share_foreign",
    "share_migration_background", "population_change", "mean_age", "asylum_benefit_rate",
}  # fmt: skip


@pytest.fixture(scope="module")
def berlin() -> Declarations:
    return declarations.load(Project(ROOT), "berlin")


@pytest.fixture(scope="module")
def county() -> Declarations:
    return declarations.load(Project(ROOT), "musterkreis")


@pytest.fixture(scope="module")
def town() -> Declarations:
    return declarations.load(Project(ROOT), "musterstadt")


def with_indicator(declared: Declarations, name: str, **changed: Any) -> Declarations:
    indicator = declared.indicators[name].model_copy(update=changed)
    return replace(declared, indicators={**declared.indicators, name: indicator})


def with_contract(declared: Declarations, name: str, **changed: Any) -> Declarations:
    contract = declared.contracts[name].model_copy(update=changed)
    return replace(declared, contracts={**declared.contracts, name: contract})


def told(declared: Declarations) -> list[str]:
    return [str(mistake) for mistake in unsaid(declared)]


@pytest.mark.parametrize("region", ["berlin", "musterkreis", "musterstadt"])
def test_everything_is_said_of_the_real_declarations(region: str) -> None:
    assert told(declarations.load(Project(ROOT), region)) == []


# ---------------------------------------------------------------- breaks


def test_unemployment_in_berlin_breaks_where_the_source_counts_otherwise(berlin: Declarations) -> None:
    for name in ("mss_s1", "mss_d1", "mss_status", "mss_dynamik"):
        assert [item.year for item in berlin.indicators[name].breaks] == [2019], name


def test_a_source_that_counts_otherwise_needs_a_break_in_every_indicator_made_of_it(berlin: Declarations) -> None:
    found = told(with_indicator(berlin, "mss_s1", breaks=[]))
    assert [text for text in found if text.startswith("dbt/indicators/mss_s1.yml: breaks: mss_shares counts mss_s1")]
    assert "declare a break in 2019" in found[0]
    assert "comparable" in found[0]


@pytest.mark.parametrize(("name", "word"), [("mss_status", "composition"), ("mss_d1", "mss_s1, of which it is made")])
def test_what_is_made_of_a_broken_series_breaks_too(berlin: Declarations, name: str, word: str) -> None:
    assert any(word in text for text in told(with_indicator(berlin, name, breaks=[])))


def test_a_bound_that_moves_is_a_break_or_has_a_reason(berlin: Declarations) -> None:
    found = told(with_indicator(berlin, "sgb2_rate", comparable=[]))
    assert len(found) >= 15
    assert all("the bound retirement_age of population_under_retirement_age changes in" in text for text in found)


@pytest.mark.parametrize("changed", [{"weight": 2.0}, {"indicator": "mss_s3"}])
def test_weights_are_part_of_a_composition(berlin: Declarations, changed: dict[str, Any]) -> None:
    index = berlin.indicators["mss_status"].index
    assert index is not None
    last = index.compositions[-1]
    components = [last.components[0].model_copy(update=changed), *last.components[1:]]
    later = Composition.model_validate(
        {"periods": {"from_year": 2023}, "components": [x.model_dump() for x in components]}
    )
    ended = last.model_copy(update={"periods": last.periods.model_copy(update={"to_year": 2022})})
    longer = index.model_copy(update={"compositions": [*index.compositions[:-1], ended, later]})
    found = told(with_indicator(berlin, "mss_status", index=longer))
    assert [text for text in found if "composition changes in 2023" in text]


# ---------------------------------------------------------------- directions


def test_age_origin_households_and_the_use_of_help_are_no_burden(county: Declarations) -> None:
    for name in UNDISPUTED_AT_ALL:
        assert county.indicators[name].direction == "neutral", name


def test_a_verdict_needs_a_reason(county: Declarations) -> None:
    content = county.indicators["share_80_plus"].model_dump() | {"direction": "burden", "direction_reason": None}
    with pytest.raises(ValidationError, match="direction: burden needs direction_reason"):
        Indicator.model_validate(content)


# ---------------------------------------------------------------- remainders


def remainder(**changed: Any) -> Remainder:
    reason = "Wer keine Anschrift hat, zählt nur in der Stadt."
    given = {"level": "planungsraum", "measures": ["population"], "at_most_percent": 0.5, "reason": reason}
    return Remainder.model_validate({**given, **changed})


def test_a_remainder_comes_into_the_catalogue(berlin: Declarations, tmp_path: Path) -> None:
    declared = with_contract(berlin, "ewr", remainders=[remainder()])
    assert told(declared) == []
    assert catalogue.build(declared, tmp_path)["remainder"] == 1


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"measures": ["mss_s1"]}, "'mss_s1' is no measure of this source"),
        ({"level": "stadt"}, "no level below another"),
    ],
)
def test_a_remainder_of_nothing_is_refused(berlin: Declarations, changed: dict[str, Any], words: str) -> None:
    (found,) = told(with_contract(berlin, "ewr", remainders=[remainder(**changed)]))
    assert found.startswith("sources/berlin/contracts/ewr.yml: remainders")
    assert words in found


def test_no_remainder_where_disclosure_control_must_know_where_everybody_is(county: Declarations) -> None:
    item = remainder(level="wohnplatz", measures=["sgb2_persons"])
    (found,) = told(with_contract(county, "arbeitsagentur", remainders=[item]))
    assert "unallocated" in found


def test_a_change_of_an_unknown_measure_is_refused(berlin: Declarations) -> None:
    change = Change(year=2020, measures=["mss_s9"], what="anders")
    (found,) = told(with_contract(berlin, "mss_shares", changes=[change]))
    assert "'mss_s9' is no measure of this source" in found


# ---------------------------------------------------------------- supply at a site


def test_places_at_a_site_are_supply_and_shares_within_schools_are_not(town: Declarations) -> None:
    supply = {name for name, item in town.reported_indicators.items() if town.is_supply(item)}
    assert supply == {"kita_places_rate"}
    assert catalogue._region(town)["supply_level"] == town.region.municipality_level


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"numerator_is": "events"}, "numerator_is: places at a site are counted"),
        ({"direction": "favourable"}, "direction: an area without a site is not badly supplied"),
        ({"kind": "share"}, "kind: what stands at a site is no part of the residents"),
    ],
)
def test_supply_has_no_interval_and_no_verdict(town: Declarations, changed: dict[str, Any], words: str) -> None:
    found = told(with_indicator(town, "kita_places_rate", **changed))
    assert [text for text in found if words in text]


def test_supply_level_is_a_published_level(town: Declarations) -> None:
    region = town.region.model_copy(update={"supply_level": "block"})
    (found,) = told(replace(town, region=region))
    assert "supply_level: 'block' is not declared" in found
