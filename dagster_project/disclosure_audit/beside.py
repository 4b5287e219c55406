"""What stands beside hidden numbers: rows of any mart that still tell something of a suppressed row of the cube.

Reads  the marts of a release (a folder of Parquet files) and declared indicators. Writes nothing.
"""

from __future__ import annotations

from pathlib import Path

import duckdb

from dagster_project.declarations import Declarations, Indicator
from dagster_project.disclosure_audit.published import CELL
from dagster_project.tables import connect, parquet_rows

# what must be gone from a row beside a number that is hidden, in whatever mart the row stands
TELLING = (
    "value",
    "class",
    "numerator",
    "denominator",
    "ci_low",
    "ci_high",
    "difference",
    "significance",
    "input",
    "z",
)


def beside_hidden(declared: Declarations, marts: Path) -> list[dict[str, str]]:
    """Rows of any mart that still tell something of a suppressed row of the cube, by its keys."""
    found: list[dict[str, str]] = []
    with connect() as connection:
        tables = {path.stem: path for path in sorted(marts.glob("*.parquet"))}
        for name, path in tables.items():
            connection.execute(f"create view {name} as select * from {parquet_rows(path)}")
        connection.execute(
            f"create temp view hidden as select {', '.join(CELL)} from mart_indicator_value where status = 'suppressed'"
        )
        for name in tables:
            columns = {row[0] for row in connection.execute(f"describe {name}").fetchall()}
            telling = [column for column in TELLING if column in columns]
            keys = ["component" if key == "indicator" and "component" in columns else key for key in CELL]
            if telling and set(keys) <= columns:
                on = " and ".join(f"mart.{key} = hidden.{cell}" for key, cell in zip(keys, CELL, strict=True))
                found += _keys(
                    connection,
                    f"select distinct '{name}' as mart, {', '.join(f'hidden.{cell}' for cell in CELL)} "
                    f"from {name} as mart inner join hidden on {on} "
                    f"where coalesce({', '.join(f'mart.{column}::varchar' for column in telling)}) is not null",
                )
        if "mart_comparison" in tables:
            found += _keys(
                connection,
                f"select distinct 'mart_comparison' as mart, {', '.join(f'hidden.{cell}' for cell in CELL)} "
                "from mart_comparison as mart inner join hidden using (geography, edition, period, indicator) "
                "where mart.basis = 'own' and mart.comparator_area = hidden.area and mart.comparator_value is not null",
            )
        for indicator in declared.reported_indicators.values():
            if indicator.change is not None:
                found += _keys(connection, _changes_of_hidden(indicator))
    return found


def _changes_of_hidden(indicator: Indicator) -> str:
    """A change that is printed although one of the two values it is the difference of is hidden."""
    assert indicator.change is not None
    return f"""
        select distinct 'mart_indicator_value' as mart, {", ".join(f"shown.{cell}" for cell in CELL)}
        from mart_indicator_value as shown
        inner join mart_indicator_value as base
            on base.indicator = '{indicator.change.indicator}' and base.status = 'suppressed'
            and shown.geography = base.geography and shown.edition = base.edition and shown.level = base.level
            and shown.area = base.area
            and base.reference_date in (
                shown.reference_date, (shown.reference_date - to_years({indicator.change.years}))::date
            )
        where shown.indicator = '{indicator.id}' and shown.value is not null
    """


def _keys(connection: duckdb.DuckDBPyConnection, query: str) -> list[dict[str, str]]:
    return [
        {name: str(value) for name, value in row.items()} for row in connection.execute(query).df().to_dict("records")
    ]
