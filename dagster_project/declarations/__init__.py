"""What people declare: region, geographies, contracts, indicators and expectation suites.

Reads  the YAML files under sources/, dbt/indicators/ and expectations/. Writes nothing.
`load` validates every file and every cross-reference and raises one `DeclarationError` that lists all mistakes
with file, key, allowed values and the fix.
"""

from dagster_project.declarations.base import DeclarationError, Mistake
from dagster_project.declarations.contracts import (
    Column,
    Contract,
    FileLayout,
    ReferenceDate,
    SkipRows,
    Symbol,
)
from dagster_project.declarations.indicators import Index, Indicator, Years
from dagster_project.declarations.loading import load, measures, regions
from dagster_project.declarations.references import Declarations
from dagster_project.declarations.suites import Check, Suite
from dagster_project.declarations.support import Basis, PointFile, Points, Support
from dagster_project.declarations.territory import (
    UNALLOCATED,
    Edition,
    Geography,
    Layer,
    Level,
    Municipality,
    Parent,
    Region,
    Repair,
    unallocated,
)

__all__ = [
    "UNALLOCATED",
    "Basis",
    "Check",
    "Column",
    "Contract",
    "DeclarationError",
    "Declarations",
    "Edition",
    "FileLayout",
    "Geography",
    "Index",
    "Indicator",
    "Layer",
    "Level",
    "Mistake",
    "Municipality",
    "Parent",
    "PointFile",
    "Points",
    "ReferenceDate",
    "Region",
    "Repair",
    "SkipRows",
    "Suite",
    "Support",
    "Symbol",
    "Years",
    "load",
    "measures",
    "regions",
    "unallocated",
]
