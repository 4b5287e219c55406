"""The catalogue: declarations as tables, so that SQL can join them.

Reads  loaded declarations.
Writes catalogue/<table>.parquet, one for each of `TABLES`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from dagster_project.declarations import Contract, Declarations, Indicator, Years
from dagster_project.declarations.support import TRUTH
from dagster_project.tables import write_frame

FIRST_YEAR, LAST_YEAR = 1, 9999

# columns of each table and their SQL types: an empty table must have them too
TABLES: dict[str, dict[str, str]] = {
    "region": {
        "region": "varchar", "name": "varchar", "crs": "varchar", "geography": "varchar",
        "reporting_edition": "varchar", "municipality_level": "varchar", "finest_level": "varchar",
        "population": "varchar", "supply_level": "varchar", "false_discovery_rate": "double", "licence_note": "varchar",
    },
    "source": {
        "source": "varchar", "title": "varchar", "owner": "varchar", "description": "varchar", "licence": "varchar",
        "origin": "varchar", "legal_basis": "varchar", "purpose": "varchar", "cadence": "varchar",
        "geography": "varchar", "publication": "varchar", "shape": "varchar",
        "due_days": "integer",
    },
    "municipality": {
        "municipality": "varchar", "name": "varchar", "region_sender": "varchar",
    },
    "indicator": {
        "indicator": "varchar", "name": "varchar", "short_name": "varchar", "kind": "varchar", "theme": "varchar",
        "theme_name": "varchar", "unit": "varchar", "unit_label": "varchar", "decimals": "integer",
        "direction": "varchar", "direction_reason": "varchar", "sort_order": "integer", "definition": "varchar",
        "formula": "varchar",
        "limits": "varchar", "replacement": "varchar", "replacement_note": "varchar",
        "source_note": "varchar", "responsible": "varchar", "year_from": "integer", "year_to": "integer",
        "numerator": "varchar", "denominator": "varchar", "factor": "double", "reported_measure": "varchar",
        "reported_decimals": "integer", "change_indicator": "varchar", "change_years": "integer",
        "minimum_denominator": "double", "minimum_numerator": "double", "pooled_years": "integer",
        "interval": "varchar", "widest_interval": "double", "narrow_interval": "double",
        "widest_relative_interval": "double", "change_relative": "boolean",
        "minimum_population_measure": "varchar", "minimum_population": "double", "is_of_events": "boolean",
        "is_supply": "boolean",
    },
    "measure": {"measure": "varchar", "universe": "varchar"},
    "basis_measure": {"basis": "varchar", "measure": "varchar", "factor": "double"},
    "age_bound": {"name": "varchar", "year_from": "integer", "year_to": "integer", "age_in_months": "integer"},
    "indicator_break": {"indicator": "varchar", "year": "integer", "reason": "varchar"},
    "remainder": {
        "source": "varchar", "geography": "varchar", "level": "varchar", "measure": "varchar",
        "at_most_percent": "double", "reason": "varchar",
    },
    "index_composition": {
        "indicator": "varchar", "year_from": "integer", "year_to": "integer", "from_counts": "boolean",
        "component": "varchar", "weight": "double",
    },
    "index_class": {
        "indicator": "varchar", "class_rank": "integer", "class": "varchar", "upper_bound": "double",
        "includes_bound": "boolean",
    },
    "index_exclusion": {
        "indicator": "varchar", "area": "varchar", "year_from": "integer", "year_to": "integer", "reason": "varchar",
    },
    "participation": {
        "participation": "varchar", "geography": "varchar", "edition": "varchar", "level": "varchar", "area": "varchar",
        "held_on": "date", "form": "varchar", "title": "varchar", "summary": "varchar", "organiser": "varchar",
        "link": "varchar", "contact": "varchar",
    },
}  # fmt: skip


def build(declared: Declarations, output: Path) -> dict[str, int]:
    """Write every table of the catalogue; returns the number of rows of each."""
    indexes = [indicator for indicator in declared.reported_indicators.values() if indicator.index]
    rows: dict[str, list[dict[str, Any]]] = {
        "region": [_region(declared)],
        "source": [
            {
                "source": contract.id,
                **contract.model_dump(include=set(TABLES["source"])),
                "due_days": contract.due.days_after if contract.due else None,
            }
            for contract in declared.contracts.values()
        ],
        "municipality": [
            {"municipality": item.id, "name": item.name, "region_sender": declared.region.region_sender}
            for item in declared.region.municipalities
        ],
        "indicator": [_indicator(declared, indicator) for indicator in declared.reported_indicators.values()],
        "measure": [{"measure": name, "universe": universe} for name, universe in declared.universes.items()],
        "basis_measure": [
            {"basis": name, "measure": measure, "factor": factor}
            for name, basis in declared.region.support.bases.items()
            if basis.level is not None
            for measure, factor in basis.sum.items()
        ]
        + [
            {"basis": f"{TRUTH}{truth}", "measure": truth, "factor": 1.0}
            for truth in declared.region.support.known_splits
        ],
        "age_bound": [
            {
                "name": bound.id,
                "year_from": span.from_year or FIRST_YEAR,
                "year_to": span.to_year or LAST_YEAR,
                "age_in_months": span.years * 12 + span.months,
            }
            for bound in declared.bounds.values()
            for span in bound.spans
        ],
        "indicator_break": [
            {"indicator": indicator.id, "year": item.year, "reason": item.reason}
            for indicator in declared.reported_indicators.values()
            for item in indicator.breaks
        ],
        "remainder": [row for contract in declared.contracts.values() for row in _remainders(contract)],
        "index_composition": [row for indicator in indexes for row in _compositions(indicator)],
        "index_class": [row for indicator in indexes for row in _classes(indicator)],
        "index_exclusion": [row for indicator in indexes for row in _exclusions(indicator)],
        "participation": [
            {"participation": item.id, "geography": declared.region.geography, **item.model_dump(exclude={"id"})}
            for item in declared.participation.values()
        ],
    }
    for table, types in TABLES.items():
        write_frame(pd.DataFrame(rows[table], columns=list(types)), output / f"{table}.parquet", types)
    return {table: len(found) for table, found in rows.items()}


def _region(declared: Declarations) -> dict[str, Any]:
    region = declared.region
    finest = next(level.id for level in declared.geography.levels if level.published)
    return {
        "region": region.id,
        "finest_level": finest,
        **region.model_dump(include=set(TABLES["region"]) - {"region"}),
        "supply_level": region.supply_level or region.municipality_level,
    }


def _indicator(declared: Declarations, indicator: Indicator) -> dict[str, Any]:
    sources = [declared.contracts[name] for name in declared.sources_of.get(indicator.numerator or "", ())]
    minimum = indicator.index.minimum_population if indicator.index else None
    return {
        "indicator": indicator.id,
        **indicator.model_dump(include=set(TABLES["indicator"]) - {"indicator"}),
        **_years(indicator.periods),
        **indicator.limits_of_reliability,
        "interval": indicator.interval_method,
        "limits": " ".join(filter(None, [indicator.limits, indicator.exceeds_whole_because])),
        "reported_measure": indicator.reported.measure if indicator.reported else None,
        "reported_decimals": indicator.reported.decimals if indicator.reported else None,
        "change_indicator": indicator.change.indicator if indicator.change else None,
        "change_years": indicator.change.years if indicator.change else None,
        "change_relative": indicator.change.relative if indicator.change else None,
        "minimum_population_measure": minimum.measure if minimum else None,
        "minimum_population": minimum.value if minimum else None,
        **_replacement(declared, indicator),
        "is_supply": declared.is_supply(indicator),
        "is_of_events": bool(sources) and all(contract.cadence == "event" for contract in sources),
    }


def _replacement(declared: Declarations, indicator: Indicator) -> dict[str, str | None]:
    """How numbers are formed of others than the true ones, and what must stand beside them, in German."""
    formed_of = [indicator]
    for item in formed_of:  # grows while it is read: a change may be part of an index
        formed_of += [declared.indicators[part] for part in sorted(item.parts)]
    measures = [name for item in formed_of for name in (item.numerator, item.denominator)]
    rules = [rule for name in measures if (rule := declared.replacement_of(name))]
    return {
        "replacement": min((rule.name for rule in rules), default=None),
        "replacement_note": " ".join(dict.fromkeys(rule.note for rule in rules)) or None,
    }


def _remainders(contract: Contract) -> list[dict[str, Any]]:
    return [
        {
            "source": contract.id,
            "geography": contract.geography,
            "measure": measure,
            **item.model_dump(include={"level", "at_most_percent", "reason"}),
        }
        for item in contract.remainders
        for measure in item.measures
    ]


def _compositions(indicator: Indicator) -> list[dict[str, Any]]:
    assert indicator.index is not None
    return [
        {
            "indicator": indicator.id,
            **_years(composition.periods),
            "from_counts": composition.precision == "counts",
            "component": component.indicator,
            "weight": component.weight,
        }
        for composition in indicator.index.compositions
        for component in composition.components
    ]


def _classes(indicator: Indicator) -> list[dict[str, Any]]:
    assert indicator.index is not None
    return [
        {
            "indicator": indicator.id,
            "class_rank": rank,
            "class": item.name,
            "upper_bound": item.below if item.below is not None else item.up_to,
            "includes_bound": item.up_to is not None,
        }
        for rank, item in enumerate(indicator.index.classes, start=1)
    ]


def _exclusions(indicator: Indicator) -> list[dict[str, Any]]:
    assert indicator.index is not None
    return [
        {"indicator": indicator.id, "area": item.area, **_years(item.periods), "reason": item.reason}
        for item in indicator.index.excluded_areas
    ]


def _years(years: Years) -> dict[str, int]:
    return {"year_from": years.from_year or FIRST_YEAR, "year_to": years.to_year or LAST_YEAR}
