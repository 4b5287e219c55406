"""Every value of a release that its caller may see, as JSON or CSV, page by page; and what the indicators mean.

Reads  a release through a visit; writes nothing. No CSV cell can become a formula.
"""

from __future__ import annotations

import csv
import io
import re
from typing import Any

from dagster_project.door.parameters import MOST_VALUES, ValuesAsked
from dagster_project.door.visit import Visit
from dagster_project.tables import STARTS_A_FORMULA

COLUMNS = (
    "geography", "edition", "level", "area", "municipality", "period", "reference_date", "indicator", "breakdown",
    "value", "class", "status", "reason", "numerator", "denominator", "ci_low", "ci_high", "conversion_class",
)  # fmt: skip
FILTERS = ("indicator", "area", "level", "period")


def values(visit: Visit, asked: ValuesAsked) -> tuple[int, list[dict[str, Any]]]:
    """How many rows there are, and those of this page in the order of their keys. Raises `HTTPException`."""
    visit.check_release(asked)
    condition = visit.condition
    chosen = [(name, getattr(asked, name)) for name in FILTERS if getattr(asked, name)]
    where = "".join(f" and v.{name} in (select unnest(?))" for name, _ in chosen)
    parameters = [*condition.parameters, *(wanted for _, wanted in chosen)]
    found = (
        "from mart_indicator_value as v inner join "
        f"(select geography, edition, level, area from mart_area where {condition.sql}) as a "
        f"using (geography, edition, level, area) where true{where}"
    )
    matched = visit.standing.rows(f"select count(*) {found}", parameters)[0][0]
    rows = visit.standing.rows(
        f"select {', '.join(f'v.{name}' for name in COLUMNS)} {found} "
        "order by geography, edition, level, area, indicator, period, breakdown limit ? offset ?",
        [*parameters, min(asked.limit, MOST_VALUES), asked.offset],
    )
    return matched, [{**dict(zip(COLUMNS, row, strict=True)), "reference_date": str(row[6])} for row in rows]


def answer(visit: Visit, asked: ValuesAsked) -> dict[str, Any]:
    """A page of values with how many there are and where it goes on."""
    matched, rows = values(visit, asked)
    return {
        "release": visit.standing.id,
        "numberMatched": matched,
        "numberReturned": len(rows),
        "values": rows,
        "links": [link.model_dump() for link in visit.page_links(asked, matched, len(rows), "values")],
    }


def answer_csv(visit: Visit, asked: ValuesAsked) -> tuple[str, dict[str, str]]:
    """A page of values as CSV (`,`, decimal point, UTF-8), and the headers that say how many there are."""
    matched, rows = values(visit, asked)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows([[_cell(row[name]) for name in COLUMNS] for row in rows])
    links = visit.page_links(asked, matched, len(rows), "values", kind="text/csv")
    told = {"OGC-NumberMatched": str(matched), "Link": ", ".join(f'<{link.href}>; rel="{link.rel}"' for link in links)}
    return text.getvalue(), told


def _cell(value: Any) -> Any:
    return f"'{value}" if isinstance(value, str) and re.match(STARTS_A_FORMULA, value) else value


def indicators(visit: Visit) -> dict[str, Any]:
    """The indicators with what they mean: a release has no secret ones."""
    columns = ("indicator", "name", "unit_label", "decimals", "direction", "definition")
    rows = visit.standing.rows(f"select {', '.join(columns)} from mart_indicator order by sort_order, indicator", [])
    return {"release": visit.standing.id, "indicators": [dict(zip(columns, row, strict=True)) for row in rows]}
