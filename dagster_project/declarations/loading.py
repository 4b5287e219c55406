"""Loading: all declarations of a region, validated and cross-checked.

Reads  sources/<region>/region.yml, recipients.yml, geographies/*.yml, contracts/*.yml, participation/*.yml,
       dbt/indicators/*.yml, dbt/bounds/*.yml, expectations/*.yml, dbt/models/observations/*.yml.
Writes nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

import yaml

from dagster_project import strict_yaml
from dagster_project.declarations.base import DeclarationError, Mistake
from dagster_project.declarations.continuity import unsaid
from dagster_project.declarations.contracts import Contract
from dagster_project.declarations.disclosure import MeasureRelation, parsed_relation
from dagster_project.declarations.indicators import AgeBound, Indicator
from dagster_project.declarations.participation import Participation
from dagster_project.declarations.references import Declarations, unresolved
from dagster_project.declarations.sharing import Sharing
from dagster_project.declarations.suites import Suite
from dagster_project.declarations.support import RESIDENTS
from dagster_project.declarations.territory import Geography, Region
from dagster_project.declarations.yaml_files import read_file, read_folder
from dagster_project.settings import Project


def regions(project: Project) -> list[str]:
    """Ids of all regions that are declared, in alphabetical order."""
    return sorted(path.parent.name for path in project.sources.glob("*/region.yml"))


def load(project: Project, region: str) -> Declarations:
    """All declarations of one region.

    Raises `DeclarationError` with every mistake found in any file or between files.
    """
    folder = project.sources / region
    if not (folder / "region.yml").is_file():
        known = ", ".join(regions(project)) or "none"
        raise DeclarationError(
            [Mistake(f"sources/{region}/region.yml", "", f"there is no such region; declared: {known}")]
        )
    mistakes: list[Mistake] = []
    declared_region = read_file(folder / "region.yml", Region, project, mistakes, identity=region)
    geographies = read_folder(folder / "geographies", Geography, project, mistakes)
    contracts = read_folder(folder / "contracts", Contract, project, mistakes)
    indicators = read_folder(project.indicators, Indicator, project, mistakes)
    bounds = read_folder(project.bounds, AgeBound, project, mistakes)
    suites = read_folder(project.expectations, Suite, project, mistakes)
    participation = read_folder(folder / "participation", Participation, project, mistakes)
    shared = folder / "recipients.yml"
    sharing = read_file(shared, Sharing, project, mistakes, identity="recipients") if shared.is_file() else None
    if mistakes or declared_region is None:
        raise DeclarationError(mistakes)
    yields = measures_by_source(project, contracts)
    declarations = Declarations(
        declared_region,
        geographies,
        contracts,
        indicators,
        bounds,
        suites,
        universes(project, contracts),
        {
            measure: tuple(source for source, found in yields.items() if measure in found)
            for measure in sorted(set().union(*yields.values()))
        },
        relations(project, contracts),
        value_sums(project, contracts),
        sharing,
        participation,
        bounds_of(project),
    )
    mistakes = unresolved(project, declarations) or unsaid(declarations)
    if mistakes:
        raise DeclarationError(mistakes)
    return declarations


def measures(project: Project) -> set[str]:
    """Every measure an observation model yields. Raises `DeclarationError` where a file names none."""
    return set(universes(project))


def universes(project: Project, sources: Collection[str] | None = None) -> dict[str, str]:
    """Every measure an observation model yields, and the universe it counts: who might have been counted.

    The measures are the accepted values of the model's column `measure`; `meta.universes` of that column lists those
    that count others than residents. What the models of other sources than these (default: all) say is known, but
    decides nothing. Raises `DeclarationError` where a file of these sources lists no measure, or a wrong one.
    """
    found: dict[str, str] = {}
    own: dict[str, str] = {}
    for file, source, models in _observation_models(project):
        is_own = sources is None or source in sources
        columns = _measure_columns(models)
        values = _measures(file, columns) if is_own else _accepted(columns)
        (own if is_own else found).update(dict.fromkeys(values, RESIDENTS))
        for column in columns:
            for universe, counted in column.get("config", {}).get("meta", {}).get("universes", {}).items():
                unknown = sorted(set(counted) - set(values))
                if unknown and is_own:
                    problem = f"{', '.join(unknown)} is no measure of this model"
                    raise DeclarationError([Mistake(file, f"measure.universes.{universe}", problem)])
                (own if is_own else found).update(dict.fromkeys(counted, universe))
    return {**found, **own}


def measures_by_source(project: Project, sources: Collection[str]) -> dict[str, set[str]]:
    """The measures each of these sources yields. Raises `DeclarationError` where a file names none."""
    return {
        source: set(_measures(file, _measure_columns(models)))
        for file, source, models in _observation_models(project)
        if source in sources
    }


def relations(project: Project, sources: Collection[str]) -> tuple[MeasureRelation, ...]:
    """How measures add up, as the observation models of these sources declare it under config.meta.relations.

    Raises `DeclarationError` where one cannot be read.
    """
    found: dict[MeasureRelation, None] = {}
    for file, source, models in _observation_models(project):
        for model in models if source in sources else ():
            for text in model.get("config", {}).get("meta", {}).get("relations", []):
                try:
                    found[parsed_relation(text)] = None
                except ValueError as error:
                    raise DeclarationError([Mistake(file, "config.meta.relations", str(error))]) from error
    return tuple(found)


def value_sums(project: Project, sources: Collection[str]) -> dict[str, str]:
    """Measures that add up values (years, euros), and the measure that counts whom they belong to.

    The observation models of these sources declare them under config.meta.value_sums. Raises `DeclarationError` where
    one of the two is no measure of the model.
    """
    found: dict[str, str] = {}
    for file, source, models in _observation_models(project):
        if source not in sources:
            continue
        known = set(_measures(file, _measure_columns(models)))
        for model in models:
            declared = model.get("config", {}).get("meta", {}).get("value_sums", {})
            for name in sorted({*declared, *declared.values()} - known):
                raise DeclarationError([Mistake(file, "config.meta.value_sums", f"{name} is no measure of this model")])
            found |= declared
    return found


def bounds_of(project: Project) -> dict[str, tuple[str, ...]]:
    """The age bounds that measures are counted by, as the observation models declare under config.meta.age_bounds.

    Raises `DeclarationError` where one is no measure of the model.
    """
    found: dict[str, tuple[str, ...]] = {}
    for file, _, models in _observation_models(project):
        known = set(_measures(file, _measure_columns(models)))
        for model in models:
            declared = model.get("config", {}).get("meta", {}).get("age_bounds", {})
            for bound, measures in declared.items():
                unknown = sorted(set(measures) - known)
                if unknown:
                    why = f"{', '.join(unknown)} is no measure of this model"
                    raise DeclarationError([Mistake(file, f"config.meta.age_bounds.{bound}", why)])
                for measure in measures:
                    found[measure] = (*found.get(measure, ()), bound)
    return found


def _observation_models(project: Project) -> Iterator[tuple[str, str, list[dict[str, Any]]]]:
    """File, source and models of every documented observation model."""
    for path in sorted((project.dbt / "models" / "observations").glob("obs_*.yml")):
        file = str(path.relative_to(project.root)) if path.is_relative_to(project.root) else str(path)
        try:
            content = strict_yaml.load(path.read_text(encoding="utf-8"))
        except (OSError, ValueError, yaml.YAMLError) as error:
            raise DeclarationError([Mistake(file, "", f"the file cannot be read: {error}")]) from error
        if not isinstance(content, dict):
            raise DeclarationError([Mistake(file, "", "the file must hold keys and values")])
        yield file, path.stem.removeprefix("obs_"), content.get("models", [])


def _measure_columns(models: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [column for model in models for column in model.get("columns", []) if column.get("name") == "measure"]


def _measures(file: str, columns: list[dict[str, Any]]) -> list[str]:
    values = _accepted(columns)
    if not values:
        raise DeclarationError([Mistake(file, "measure", "list the measures as accepted_values of this column")])
    return values


def _accepted(columns: list[dict[str, Any]]) -> list[str]:
    return [
        value
        for column in columns
        for test in column.get("data_tests", [])
        if isinstance(test, dict) and "accepted_values" in test
        for value in test["accepted_values"]["arguments"]["values"]
    ]
