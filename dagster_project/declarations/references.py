"""Cross-references: every name one declaration uses must be declared by another.

Reads  loaded declarations and which files exist. Writes nothing.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass, field

from dagster_project.declarations.base import Mistake
from dagster_project.declarations.contracts import Contract
from dagster_project.declarations.disclosure import CellKey, Dominance, MeasureRelation, Rounding
from dagster_project.declarations.indicators import AgeBound, Indicator
from dagster_project.declarations.participation import Participation
from dagster_project.declarations.sharing import EVERY_MUNICIPALITY, Sharing
from dagster_project.declarations.suites import Suite
from dagster_project.declarations.territory import Geography, Region
from dagster_project.declarations.yaml_files import read_file
from dagster_project.settings import Project


@dataclass(frozen=True)
class Declarations:
    """All that is declared for one region, cross-checked.

    `universes` by measure; `sources_of` names the region's sources of each measure, `relations` how they add up;
    `value_sums` are measures of years or euros, with the measure that counts whose they are.
    """

    region: Region
    geographies: dict[str, Geography]
    contracts: dict[str, Contract]
    indicators: dict[str, Indicator]
    bounds: dict[str, AgeBound]
    suites: dict[str, Suite]
    universes: dict[str, str]
    sources_of: dict[str, tuple[str, ...]] = field(default_factory=dict)
    relations: tuple[MeasureRelation, ...] = ()
    value_sums: dict[str, str] = field(default_factory=dict)
    sharing: Sharing | None = None
    participation: dict[str, Participation] = field(default_factory=dict)
    bounds_of: dict[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def all_public(self) -> bool:
        """Whether every source publishes its numbers itself, so that there is nothing to hide."""
        return all(contract.publication == "already_public" for contract in self.contracts.values())

    def replacement_of(self, measure: str | None) -> Rounding | CellKey | None:
        """How other numbers come to be shown in place of a measure's true ones; None where the true ones are."""
        found = (self.region.disclosure.replacement_of(name) for name in self.sources_of.get(measure or "", ()))
        return next((rule for rule in found if rule), None)

    @property
    def judged_by_dominance(self) -> dict[str, Dominance]:
        """Sources whose sums of values are hidden where one contributor could be read off them."""
        rules = self.region.disclosure.sources
        return {name: rule.dominance for name, rule in rules.items() if name in self.contracts and rule.dominance}

    @property
    def reported_indicators(self) -> dict[str, Indicator]:
        """The indicators the region chose to report, else all; what its sources do not allow has no values."""
        chosen = self.indicators if self.region.indicators is None else self.region.indicators
        return {name: self.indicators[name] for name in chosen if name in self.indicators}

    def is_supply(self, indicator: Indicator) -> bool:
        """Whether it relates what stands at a site to who lives around it: fit only where the two belong together."""

        def abouts(measure: str | None) -> set[str]:
            return {self.contracts[name].about for name in self.sources_of.get(measure or "", ())}

        return "site" in abouts(indicator.numerator) and "residence" in abouts(indicator.denominator)

    @property
    def geography(self) -> Geography:
        """The geography the region reports on."""
        return self.geographies[self.region.geography]

    def suites_for(self, gate: int, source: str | None = None) -> list[Suite]:
        """The suites of a gate; at gate 1 those of the source, of its shape, and of all sources."""
        shape = self.contracts[source].shape if source else None
        return [
            suite
            for suite in self.suites.values()
            if suite.gate == gate and suite.source in (None, source) and suite.shape in (None, shape)
        ]


def unresolved(project: Project, declared: Declarations) -> list[Mistake]:
    """Every reference that leads nowhere."""
    return [
        *_region_references(declared),
        *_support_references(declared),
        *_disclosure_references(declared),
        *_value_sum_references(project, declared),
        *_contract_references(project, declared),
        *_indicator_references(declared),
        *_contradictions_of_numerators(declared),
        *_suite_references(project, declared),
        *_sharing_references(declared),
        *_participation_references(declared),
    ]


def _reference(file: str, key: str, value: str, known: Collection[str]) -> list[Mistake]:
    if value in known:
        return []
    return [Mistake(file, key, f"{value!r} is not declared; declared: {', '.join(sorted(known)) or 'none'}")]


def _region_references(declared: Declarations) -> list[Mistake]:
    region = declared.region
    file = f"sources/{region.id}/region.yml"
    mistakes = _reference(file, "geography", region.geography, declared.geographies)
    if mistakes:
        return mistakes
    geography = declared.geography
    mistakes += _reference(file, "reporting_edition", region.reporting_edition, [e.id for e in geography.editions])
    mistakes += _reference(file, "municipality_level", region.municipality_level, [x.id for x in geography.levels])
    mistakes += _reference(file, "population", region.population, declared.universes)
    for source in region.disclosure.sources:
        mistakes += _reference(file, f"disclosure.sources.{source}", source, declared.contracts)
    return mistakes + _chosen_indicators(declared, file)


def _support_references(declared: Declarations) -> list[Mistake]:
    region = declared.region
    file = f"sources/{region.id}/region.yml"
    mistakes: list[Mistake] = []
    if region.geography not in declared.geographies:
        return mistakes
    finest = declared.geography.levels[0]
    for name, basis in region.support.bases.items():
        if basis.level is not None:
            mistakes += _reference(file, f"support.bases.{name}.level", basis.level, [finest.id])
            for measure in basis.sum:
                mistakes += _reference(file, f"support.bases.{name}.sum", measure, declared.universes)
    weights = {name for points in region.support.points.values() for file in points.files for name in file.weights}
    for universe, truths in region.support.truths.items():
        mistakes += _reference(file, f"support.truths.{universe}", universe, set(declared.universes.values()))
        for truth in truths:
            mistakes += _reference(file, f"support.truths.{universe}", truth, {*declared.universes, *weights})
    for universe in region.support.universes:
        mistakes += _reference(file, f"support.universes.{universe}", universe, set(declared.universes.values()))
    return mistakes


def _disclosure_references(declared: Declarations) -> list[Mistake]:
    """Where other numbers are shown in place of true ones, no figure of the true ones may stand beside them."""
    region = declared.region
    file = f"sources/{region.id}/region.yml"
    mistakes: list[Mistake] = []
    for source, rule in region.disclosure.sources.items():
        contract = declared.contracts.get(source)
        if contract is None or rule.replacement is None:
            continue
        key = f"disclosure.sources.{source}"
        if rule.cell_key:
            mistakes += _impossible_noise(rule.cell_key, file, key)
        if contract.publication == "already_public":
            mistakes.append(Mistake(file, key, "its numbers are already public: rounding or cell_key hides nothing"))
        if contract.geography != region.geography:
            why = f"figures of {contract.geography} are carried over, which rounding and cell_key are not for"
            mistakes.append(Mistake(file, key, f"{why}: remove them, small counts are then hidden"))
        for edition in sorted({layout.edition or region.reporting_edition for layout in contract.files}):
            if edition == region.reporting_edition:
                continue
            why = f"files of the edition {edition} are carried over, which rounding and cell_key are not for"
            mistakes.append(Mistake(file, key, f"{why}: remove them, small counts are then hidden"))
        for measure, sources in declared.sources_of.items():
            others = [name for name in sources if region.disclosure.replacement_of(name) != rule.replacement]
            if source in sources and others:
                why = f"{measure} also comes from {', '.join(others)}"
                mistakes.append(Mistake(file, key, f"{why}: declare the same rounding or cell_key for all of them"))
    for indicator in declared.reported_indicators.values():
        delivered = indicator.reported and declared.sources_of.get(indicator.reported.measure)
        if delivered and declared.replacement_of(indicator.denominator):
            why = f"{indicator.id} is a delivered share, which would give its denominator away"
            mistakes.append(Mistake(file, "disclosure.sources", f"{why}: remove rounding or cell_key of its source"))
    return mistakes


def _value_sum_references(project: Project, declared: Declarations) -> list[Mistake]:
    """A sum of values is judged by who contributes to it: how many, and where declared how much the largest do."""
    mistakes: list[Mistake] = []
    for indicator in declared.reported_indicators.values():
        contributors = declared.value_sums.get(indicator.numerator or "")
        if contributors and indicator.denominator != contributors:
            why = f"{indicator.numerator} adds up values of {contributors}, so it must be divided by them"
            mistakes.append(Mistake(f"dbt/indicators/{indicator.id}.yml", "denominator", why))
        if contributors and indicator.pooled_years > 1:
            why = "values of several years are not added up: nobody could tell who contributes most to them"
            mistakes.append(Mistake(f"dbt/indicators/{indicator.id}.yml", "pooled_years", why))
    file = f"sources/{declared.region.id}/region.yml"
    for source in declared.judged_by_dominance:
        key = f"disclosure.sources.{source}.dominance"
        model = project.dbt / "models" / "observations" / f"obs_{source}_contribution.sql"
        if not any(source in declared.sources_of.get(measure, ()) for measure in declared.value_sums):
            mistakes.append(Mistake(file, key, "this source adds up no values (config.meta.value_sums): remove it"))
        elif not model.is_file() or declared.contracts[source].shape != "records":
            why = f"it needs single contributions: records, and dbt/models/observations/{model.name}"
            mistakes.append(Mistake(file, key, why))
    return mistakes


def _impossible_noise(rule: CellKey, file: str, key: str) -> list[Mistake]:
    from dagster_project.disclosure.cellkey import perturbation_table  # heavy, and rarely declared

    try:
        perturbation_table(rule.largest_move, rule.variance, rule.never_up_to)
    except ValueError as error:
        return [Mistake(file, f"{key}.cell_key", f"{error}: choose another variance or never_up_to")]
    return []


def _sharing_references(declared: Declarations) -> list[Mistake]:
    """Entitlements speak of municipalities and published levels that there are."""
    if declared.sharing is None:
        return []
    file = f"sources/{declared.region.id}/recipients.yml"
    municipalities = [EVERY_MUNICIPALITY, *(item.id for item in declared.region.municipalities)]
    geography = declared.geographies.get(declared.region.geography)
    levels = [level.id for level in geography.levels if level.published] if geography else []
    return [
        mistake
        for number, item in enumerate(declared.sharing.entitlements, start=1)
        for key, value, known in (("municipality", item.municipality, municipalities), ("level", item.level, levels))
        for mistake in _reference(file, f"entitlements.{number}.{key}", value, known)
    ]


def _participation_references(declared: Declarations) -> list[Mistake]:
    """Results speak of an edition and a published level of the reporting geography; gate 2 looks the area up."""
    geography = declared.geographies.get(declared.region.geography)
    if geography is None:
        return []
    editions = [edition.id for edition in geography.editions]
    levels = [level.id for level in geography.levels if level.published]
    return [
        mistake
        for item in declared.participation.values()
        for key, value, known in (("edition", item.edition, editions), ("level", item.level, levels))
        for mistake in _reference(f"sources/{declared.region.id}/participation/{item.id}.yml", key, value, known)
    ]


def _chosen_indicators(declared: Declarations, file: str) -> list[Mistake]:
    """What a region reports exists, and so does in its choice whatever an index or a change is made of."""
    chosen = declared.region.indicators
    if chosen is None:
        return []
    mistakes = [x for name in chosen for x in _reference(file, "indicators", name, declared.indicators)]
    for name in sorted({name for name in chosen if chosen.count(name) > 1}):
        mistakes.append(Mistake(file, "indicators", f"{name!r} stands here a second time: remove one"))
    for name in chosen:
        for part in declared.indicators[name].parts if name in declared.indicators else []:
            if part not in chosen:
                mistakes.append(Mistake(file, "indicators", f"{name!r} is made from {part!r}: add it"))
    return mistakes


def _contract_references(project: Project, declared: Declarations) -> list[Mistake]:
    mistakes: list[Mistake] = []
    for contract in declared.contracts.values():
        file = f"sources/{declared.region.id}/contracts/{contract.id}.yml"
        if not (project.dbt / "models" / "observations" / f"obs_{contract.id}.sql").is_file():
            mistakes.append(
                Mistake(
                    file,
                    "id",
                    f"dbt/models/observations/obs_{contract.id}.sql is missing: no one reads this source",
                )
            )
        mistakes += _columns_of_other_regions(project, declared.region.id, contract, file)
        missing = _reference(file, "geography", contract.geography, declared.geographies)
        mistakes += missing
        if missing:
            continue
        geography = declared.geographies[contract.geography]
        if contract.shape == "records" and geography.street_register is None:
            mistakes.append(
                Mistake(
                    file,
                    "shape",
                    f"records need a street_register in sources/{declared.region.id}/geographies/{geography.id}.yml",
                )
            )
        for number, layout in enumerate(contract.files):
            place = f"files.{number}"
            if layout.edition is not None and layout.level is not None:
                mistakes += _reference(file, f"{place}.edition", layout.edition, [e.id for e in geography.editions])
                mistakes += _reference(file, f"{place}.level", layout.level, [x.id for x in geography.levels])
            groups = set(re.compile(layout.name).groupindex)
            for group in sorted(set(re.findall(r"{(\w+)}", layout.period)) - groups):
                mistakes.append(
                    Mistake(
                        file,
                        f"{place}.period",
                        f"{{{group}}} is no named group of the file name; "
                        f"named groups: {', '.join(sorted(groups)) or 'none'}",
                    )
                )
    return mistakes


def _columns_of_other_regions(project: Project, region: str, contract: Contract, file: str) -> list[Mistake]:
    """Columns that the observation model reads, which another region's contract of this id has and this one has not."""
    model = project.dbt / "models" / "observations" / f"obs_{contract.id}.sql"
    mistakes: list[Mistake] = []
    for path in sorted(project.sources.glob(f"*/contracts/{contract.id}.yml")) if model.is_file() else ():
        other = path.parents[1].name
        theirs = read_file(path, Contract, project, [], identity=contract.id) if other != region else None
        if theirs is None or theirs == contract:
            continue
        foreign = set(theirs.landed_columns) - set(contract.landed_columns)
        for name in sorted(foreign & _names_read(model.read_text(encoding="utf-8"))):
            why = f"dbt/models/observations/{model.name} reads {name!r}, which the contract of {other} has, not this"
            mistakes.append(Mistake(file, "columns", f"{why}: declare it, or give the contract an id of its own"))
    return mistakes


def _names_read(sql: str) -> set[str]:
    """The names in a model, without those in comments and texts and those that it gives itself."""
    return set(re.findall(r"\w+", re.sub(r"--.*|\{#.*?#\}|'[^']*'|\bas\s+\w+", " ", sql)))


def _indicator_references(declared: Declarations) -> list[Mistake]:
    mistakes: list[Mistake] = []
    for indicator in declared.indicators.values():
        file = f"dbt/indicators/{indicator.id}.yml"
        minimum = indicator.index.minimum_population if indicator.index else None
        used = {
            "numerator": indicator.numerator,
            "denominator": indicator.denominator,
            "reported.measure": indicator.reported.measure if indicator.reported else None,
            "index.minimum_population.measure": minimum.measure if minimum else None,
        }
        for key, measure in used.items():
            if measure is not None:
                mistakes += _reference(file, key, measure, declared.universes)
        if indicator.change:
            mistakes += _reference(file, "change.indicator", indicator.change.indicator, declared.indicators)
        if indicator.index:
            for number, composition in enumerate(indicator.index.compositions):
                for component in composition.components:
                    mistakes += _reference(
                        file, f"index.compositions.{number}", component.indicator, declared.indicators
                    )
    return mistakes


def _contradictions_of_numerators(declared: Declarations) -> list[Mistake]:
    """What a numerator is to its denominator must agree with how the sources say that measures add up."""
    mistakes: list[Mistake] = []
    for indicator in declared.indicators.values():
        numerator, denominator = indicator.numerator, indicator.denominator
        if numerator is None or denominator is None:
            continue
        part = indicator.kind == "share" or indicator.numerator_is == "part_of_denominator"
        apart = any({numerator, denominator} <= set(relation.parts) for relation in declared.relations)
        problem = None
        if numerator in declared.value_sums:
            if indicator.numerator_is != "amount":
                problem = f"{numerator} adds up values: declare kind rate and numerator_is amount"
        elif numerator in _parts_of(declared, denominator):
            if indicator.kind != "share":
                problem = f"{numerator} is always a part of {denominator}: declare kind share"
        elif apart and part:
            problem = f"{numerator} and {denominator} do not overlap: declare kind rate and numerator_is other_group"
        elif not apart and indicator.numerator_is == "other_group" and denominator in _parts_of(declared, numerator):
            problem = f"{denominator} is a part of {numerator}, so the two overlap: exchange them"
        if problem:
            mistakes.append(Mistake(f"dbt/indicators/{indicator.id}.yml", "numerator_is", problem))
    return mistakes


def _parts_of(declared: Declarations, whole: str) -> set[str]:
    """Every measure that is a part of another, or a part of one of its parts."""
    found: set[str] = set()
    open_wholes = [whole]
    for measure in open_wholes:  # grows while it is read
        parts = {part for relation in declared.relations if relation.whole == measure for part in relation.parts}
        open_wholes += sorted(parts - found)
        found |= parts
    return found


def _suite_references(project: Project, declared: Declarations) -> list[Mistake]:
    """A suite may be about a source of another region, but not about none at all."""
    known = {path.stem for path in project.sources.glob("*/contracts/*.yml")}
    mistakes: list[Mistake] = []
    for suite in declared.suites.values():
        file = f"expectations/{suite.id}.yml"
        if suite.source is not None:
            mistakes += _reference(file, "source", suite.source, known)
        if suite.gate == 2 and suite.source is not None:
            mistakes.append(Mistake(file, "source", "gate 2 judges the marts, not a source: remove it"))
        names = [check.name for check in suite.checks]
        for name in sorted({name for name in names if names.count(name) > 1}):
            mistakes.append(Mistake(file, f"checks.{name}", "this name stands here a second time: rename one"))
    return mistakes
