"""What a declaration may not leave unsaid: changes in a series, totals that do not add up, supply at a site.

Reads  loaded declarations. Writes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from dagster_project.declarations.base import Mistake
from dagster_project.declarations.contracts import Contract
from dagster_project.declarations.indicators import AgeBound, Composition, Indicator
from dagster_project.declarations.references import Declarations


def unsaid(declared: Declarations) -> list[Mistake]:
    """Every such mistake of a region's declarations."""
    return [
        *_unknown_bounds(declared),
        *_unmarked_changes(declared),
        *_contract_mistakes(declared),
        *_supply_mistakes(declared),
    ]


# ---------------------------------------------------------------- series


def _unknown_bounds(declared: Declarations) -> Iterator[Mistake]:
    for indicator in declared.indicators.values():
        for measure in _measures(indicator):
            for bound in sorted(set(declared.bounds_of.get(measure, ())) - set(declared.bounds)):
                why = f"{measure} is counted by the bound {bound}, which is not declared: add dbt/bounds/{bound}.yml"
                yield Mistake(f"dbt/indicators/{indicator.id}.yml", "denominator", why)


def _unmarked_changes(declared: Declarations) -> list[Mistake]:
    return [
        Mistake(
            f"dbt/indicators/{indicator.id}.yml",
            "breaks",
            f"{what}: declare a break in {year} or, where values stay comparable, the reason under comparable",
        )
        for indicator in declared.indicators.values()
        for year, what in dict.fromkeys(_changes(declared, indicator))
        if indicator.periods.holds(year)
        and year not in {item.year for item in indicator.breaks}
        and not any(item.holds_in(year) for item in indicator.comparable)
    ]


def _changes(declared: Declarations, indicator: Indicator) -> Iterator[tuple[int, str]]:
    """Years from which on an indicator is made otherwise, and of what."""
    if indicator.index:
        yield from _compositions(indicator.index.compositions)
    for part in sorted(indicator.parts & set(declared.indicators)):
        for item in declared.indicators[part].breaks:
            yield item.year, f"{part}, of which it is made, has a break in {item.year}"
    measures = _measures(indicator)
    for measure in measures:
        for bound in declared.bounds_of.get(measure, ()):
            if bound in declared.bounds:
                yield from _spans(measure, declared.bounds[bound])
    for contract in declared.contracts.values():
        for change in contract.changes:
            for measure in sorted(set(change.measures) & set(measures)):
                yield change.year, f"{contract.id} counts {measure} otherwise from {change.year} on ({change.what})"


def _measures(indicator: Indicator) -> list[str]:
    reported = indicator.reported.measure if indicator.reported else None
    minimum = indicator.index.minimum_population if indicator.index else None
    found = (indicator.numerator, indicator.denominator, reported, minimum.measure if minimum else None)
    return [measure for measure in found if measure is not None]


def _compositions(compositions: list[Composition]) -> Iterator[tuple[int, str]]:
    for earlier, later in pairwise(sorted(compositions, key=lambda item: item.periods.from_year or 0)):
        same = (earlier.precision, earlier.components) == (later.precision, later.components)
        if not same and later.periods.from_year is not None:
            yield later.periods.from_year, f"its composition changes in {later.periods.from_year}"


def _spans(measure: str, bound: AgeBound) -> Iterator[tuple[int, str]]:
    for earlier, later in pairwise(sorted(bound.spans, key=lambda item: item.from_year or 0)):
        if (earlier.years, earlier.months) != (later.years, later.months) and later.from_year is not None:
            yield later.from_year, f"the bound {bound.id} of {measure} changes in {later.from_year}"


# ---------------------------------------------------------------- sources


def _contract_mistakes(declared: Declarations) -> Iterator[Mistake]:
    for contract in declared.contracts.values():
        file = f"sources/{declared.region.id}/contracts/{contract.id}.yml"
        known = {name for name, sources in declared.sources_of.items() if contract.id in sources}
        entries = [("changes", item.measures) for item in contract.changes]
        entries += [("remainders", item.measures) for item in contract.remainders]
        for key, measures in entries:
            for measure in sorted(set(measures) - known):
                listed = ", ".join(sorted(known)) or "none"
                yield Mistake(file, key, f"{measure!r} is no measure of this source; its measures: {listed}")
        yield from _remainder_mistakes(declared, contract, file)


def _remainder_mistakes(declared: Declarations, contract: Contract, file: str) -> Iterator[Mistake]:
    geography = declared.geographies.get(contract.geography)
    if not contract.remainders or geography is None:
        return
    levels = [level.id for level in geography.levels]
    for item in contract.remainders:
        if item.level not in levels[:-1]:
            why = f"{item.level!r} is no level below another; such levels: {', '.join(levels[:-1]) or 'none'}"
            yield Mistake(file, "remainders.level", why)
    if contract.publication != "already_public":
        why = (
            "the disclosure control of a protected source must know where everybody is: have those who are placed "
            "nowhere delivered as unallocated, or remove this"
        )
        yield Mistake(file, "remainders", why)


# ---------------------------------------------------------------- supply at a site


def _supply_mistakes(declared: Declarations) -> Iterator[Mistake]:
    region = declared.region
    geography = declared.geographies.get(region.geography)
    if region.supply_level is not None and geography is not None:
        levels = [level.id for level in geography.levels if level.published]
        if region.supply_level not in levels:
            why = f"{region.supply_level!r} is not declared; published levels: {', '.join(levels)}"
            yield Mistake(f"sources/{region.id}/region.yml", "supply_level", why)
    for indicator in declared.reported_indicators.values():
        if not declared.is_supply(indicator):
            continue
        file = f"dbt/indicators/{indicator.id}.yml"
        if indicator.kind != "rate":
            yield Mistake(file, "kind", "what stands at a site is no part of the residents: make it a rate")
        if indicator.interval_method != "none":
            why = "places at a site are counted and not drawn by chance: declare numerator_is: amount"
            yield Mistake(file, "numerator_is", why)
        if indicator.direction != "neutral":
            why = "an area without a site is not badly supplied where the next one is near: declare neutral"
            yield Mistake(file, "direction", why)
        for other in declared.reported_indicators.values():
            if other.index and indicator.id in other.parts:
                why = f"{indicator.id} is supply at a site, which has no value on the finest level: remove it"
                yield Mistake(f"dbt/indicators/{other.id}.yml", "index.compositions", why)
