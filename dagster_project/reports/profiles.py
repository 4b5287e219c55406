"""Components for the profile of one area: the spine, and the matrix of status and dynamics.

Reads results of queries, renders templates; writes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from markupsafe import Markup

from dagster_project.reports import maps, series, sparks, spine
from dagster_project.reports.errors import PageError
from dagster_project.reports.kit import ARROWS, Column, Kit, breakable
from dagster_project.reports.queries import Result, Row
from dagster_project.reports.wording import format_number, format_period

_spreads: dict[tuple[float, ...], spine.Spread] = {}


class ProfileComponents(Kit):
    """Components that put one area beside the others."""

    def spine(
        self,
        result: Result,
        spreads: Result,
        name: str,
        compared: Sequence[tuple[str, str]] = (),
        courses: Result | None = None,
        link: str | None = None,
    ) -> Markup:
        """One row per indicator: value, comparisons, place among the areas of the level, group, trend, age.

        Columns: theme_name, indicator, name, direction, period, reference_date, value, status (+ see map), ci_low,
        ci_high, significance, trend, is_old, supply, residents. ``compared`` lists (prefix, heading) of values to
        compare with, the first stands in the middle; ``spreads``: indicator, values (a list); ``courses``: indicator,
        period, reference_date, value, one row for each period in their order. An area whose value is hidden has no
        mark and no group, one whose value is unreliable a mark alone.
        """
        if not result:
            return self._empty(result)
        result.require(["theme_name", "indicator", "name", "direction", "period", "reference_date", "value", "status"])
        spreads.require(["indicator", "values"])
        lists = {row["indicator"]: row["values"] for row in spreads}
        lines: dict[str, list[sparks.Moment]] = {}
        for row in courses or ():
            moment = sparks.Moment(row["period"], row["reference_date"], row["value"])
            lines.setdefault(row["indicator"], []).append(moment)
        shown = [pair for pair in compared if any(row[f"{pair[0]}status"] for row in result)]
        groups: list[tuple[str, list[dict[str, Any]]]] = []
        for row in result:
            if not groups or groups[-1][0] != row["theme_name"]:
                groups.append((row["theme_name"], []))
            drawn = self._spine_row(row, lists.get(row["indicator"]), name, shown, link, result.name)
            breaks = self._site.breaks.get(row["indicator"], ())
            groups[-1][1].append({**drawn, "spark": sparks.draw(lines.get(row["indicator"], []), breaks)})
        context = {
            "groups": groups, "name": name, "heading": breakable(name), "compared": [label for _, label in shown],
            "colours": maps.palette(5),
            "tones": sorted({row["tone"] for _, rows in groups for row in rows}),
            "arrows": [
                (arrow, self._site.words.word("trend", trend))
                for trend, arrow in ARROWS.items()
                if any(row["arrow"] == arrow for _, rows in groups for row in rows)
            ],
            "middles": _middles([row["spine"] for _, rows in groups for row in rows if row["spine"]], shown),
            "drawn": any(row["spine"] for _, rows in groups for row in rows),
        }  # fmt: skip
        return self._site.fill("spine", context)

    def matrix(self, result: Result, here: Result, title: str, across: str, up: str) -> Markup:
        """Status against dynamics: the number of areas in each field, and one area's path through the years.

        Columns of both: status_class, dynamic_class, status_rank, dynamic_rank, period, areas (how many share the
        field in the period); ``here`` has the rows of the area and the columns status_indicator, dynamic_indicator.
        ``across`` and ``up`` name the axes. The path begins with the last break in either series; what was before
        stands apart.
        """
        if not result or not here:
            return self._empty(result if not result else here)
        result.require(["status_class", "dynamic_class", "status_rank", "dynamic_rank", "period", "areas"])
        rows = sorted({(row["status_rank"], row["status_class"]) for row in result})
        columns = sorted({(row["dynamic_rank"], row["dynamic_class"]) for row in result})
        latest = max(row["period"] for row in result)
        counts = {(r["status_class"], r["dynamic_class"]): r["areas"] for r in result if r["period"] == latest}
        here.require(["status_indicator", "dynamic_indicator"])
        indicators = {row[name] for row in here for name in ("status_indicator", "dynamic_indicator")}
        declared = {item for indicator in indicators for item in self._site.breaks.get(indicator, ())}
        breaks = series.passed([row["period"] for row in here], sorted(declared, key=lambda item: item.year))
        path: dict[tuple[str, str], list[str]] = {}
        before: dict[tuple[str, str], list[str]] = {}
        for row in sorted(here, key=lambda row: str(row["period"])):
            is_before = series.is_broken(row["period"], latest, breaks)
            years = (before if is_before else path).setdefault((row["status_class"], row["dynamic_class"]), [])
            years.append(format_period(row["period"]))
        context = {
            "title": title, "across": across, "up": up, "latest": format_period(latest),
            "breaks": [(item.year, item.reason) for item in breaks],
            "columns": [name for _, name in columns],
            "rows": [
                (
                    status,
                    [
                        (counts.get((status, name), 0), path.get((status, name), []), before.get((status, name), []))
                        for _, name in columns
                    ],
                )
                for _, status in rows
            ],
        }  # fmt: skip
        return self._site.fill("matrix", context)

    # -- inside

    def _spine_row(
        self, row: Row, values: Any, name: str, compared: Sequence[tuple[str, str]], link: str | None, query: str
    ) -> dict[str, Any]:
        measure = self._measure(Column("value", "Wert", "measure"), row, query)
        others = [
            self._measure(Column(f"{prefix}value", "Wert", "measure", unit=False, prefix=prefix), row, query)
            for prefix, _ in compared
        ]
        tone = spine.tone(row["direction"], row.get("significance"))
        spread = _read_spread(values)
        drawn = group = None
        said = f"{name}: {measure.full}"
        if spread is not None and len(values) > 1:
            middle = others[0].value if others else None
            drawn = spine.draw(spread, middle, measure.value, row.get("ci_low"), row.get("ci_high"))
            group = None if measure.value is None or measure.status == "unreliable" else spread.group(measure.value)
            low, high = (format_number(number, row.get("decimals")) for number in (spread.low, spread.high))
            said += f"; alle Gebiete der Ebene: {low} bis {high}"
        trend = row.get("trend")
        if trend and trend not in ARROWS:
            raise PageError(f'unknown trend "{trend}"; known: {", ".join(ARROWS)}', query=query)
        return {
            "indicator": row["indicator"], "label": row["name"], "measure": measure, "others": others, "tone": tone,
            "tone_words": self._site.words.word("tone", tone), "spine": drawn, "said": said, "group": group,
            "href": self._site.href(link, row, self._root) if link else None,
            "period": format_period(row["period"]), "day": row["reference_date"], "is_old": row.get("is_old"),
            "arrow": ARROWS.get(trend) if trend else None,
            "trend_words": self._site.words.word("trend", trend) if trend else "",
            "conversion": row.get("conversion_class"), "beside": _supply(row),
        }  # fmt: skip


def _supply(row: Row) -> str:
    """What stands at a site and how many residents it is for, where no rate is formed of the two."""
    supply, residents = row.get("supply"), row.get("residents")
    if row["value"] is not None or supply is None or residents is None:
        return ""
    return f"Angebot {format_number(supply, 0)}, Menschen {format_number(residents, 0)}"


def _middles(drawn: Sequence[Any], compared: Sequence[tuple[str, str]]) -> list[tuple[str, bool]]:
    """What the upright lines mean and whether they are dotted, of those that occur."""
    middles = []
    if any(picture["compared"] for picture in drawn):
        middles.append((compared[0][1], False))
    if not all(picture["compared"] for picture in drawn):
        middles.append(("Median der Gebiete, wo es keinen Gesamtwert gibt", True))
    return middles


def _read_spread(values: Any) -> spine.Spread | None:
    """The spread of a level's values; the same list serves every area of the level."""
    if not values:
        return None
    key = tuple(values)
    if key not in _spreads:
        _spreads[key] = spine.read_spread(key)
    return _spreads[key]
