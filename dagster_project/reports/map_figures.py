"""Maps: areas filled by groups or classes, or circles for counts; each has its values as a table.

Reads results of queries, renders templates; writes nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from markupsafe import Markup

from dagster_project.reports import maps, symbols
from dagster_project.reports.errors import PageError
from dagster_project.reports.figures import FigureComponents
from dagster_project.reports.kit import Column
from dagster_project.reports.measures import Measure
from dagster_project.reports.queries import Result
from dagster_project.reports.shapes import LOCATOR_TOLERANCE, MAP_UNITS


class MapComponents(FigureComponents):
    """Components that show rows on a map."""

    def map(
        self,
        result: Result,
        title: str,
        link: str | None = None,
        small: bool = False,
        zoom: bool = False,
        among: Result | None = None,
    ) -> Markup:
        """A map of one level: five groups of equal size, the classes of an index, or circles for counts.

        Columns: level, area, name, value, status; optional kind, unit, reason, class, decimals, unit_label. Counts are
        known by their kind, or where that is not asked for by their unit. Areas of the level that the query leaves out
        are drawn white. ``small`` draws simpler outlines, areas of one colour as one shape without links and names of
        their own, for pages with several maps; ``zoom`` shows only the part of the map with the query's areas, grouped
        as they are ``among`` all rows of that other query; circles have the scale that suits both.
        Raises PageError for an area the reporting edition does not have, for mixed levels or a repeated area.
        """
        if not result:
            return self._empty(result)
        result.require(["level", "area", "name", "value", "status"])
        level = result[0]["level"]
        self._check_areas(result, level)
        names = self._site.shapes.names(level)
        paths = self._site.shapes.paths(level, maps.SMALL_TOLERANCE if small else maps.TOLERANCE)
        asked = {row["area"] for row in result}
        measures = self._measures(result)
        view_box = self._site.shapes.part(level, sorted(asked)) if zoom else self._site.shapes.view_box
        if symbols.counts(result[0].get("kind"), result[0].get("unit"), [measure.value for measure in measures]):
            drawn = self._symbols(result, measures, view_box, None if zoom else among)
        else:
            drawn = self._colours(result, measures, among)
        shapes = [
            {
                "path": paths[row["area"]],
                "fill": fill,
                "text": f"{row['name']}: {measure.full}",
                "href": self._site.href(link, row, self._root) if link else None,
                "overlay": measure.status if measure.status in drawn["overlaid"] else None,
            }
            for row, measure, fill in zip(result, measures, drawn["fills"], strict=True)
            if row["area"] in paths
        ]
        if not shapes:
            return self._note("Zu diesen Gebieten liegen keine Grenzen vor; eine Karte ist nicht möglich.")
        for mark in drawn["symbols"]:
            row = result[mark["row"]]
            mark["text"] = "" if small else f"{row['name']}: {measures[mark['row']].full}"
            mark["href"] = self._site.href(link, row, self._root) if link and not small else None
        elsewhere = len(among or ()) > len(result)  # the others are another part's, not without a value
        fills = {entry.fill for entry in drawn["legend"]}
        drawing = {
            "view_box": view_box,
            **drawn,
            "shapes": _merged(shapes) if small else shapes,
            "others": [(path, names[area]) for area, path in paths.items() if area not in asked],
            "hatchings": sorted(fill for fill in fills if not fill.startswith(("#", "symbol-"))),
            "left_out": "andere Gebiete" if elsewhere else "ohne Angabe",
            "elsewhere": elsewhere,
            "undrawn": len(measures) - len(asked & set(paths)),
            "small": small,
            "linked": bool(link) and not small,
        }
        return self._figure("map", result, title, Column("name", "Gebiet", link=link), drawn["description"], drawing)

    def locator(self, result: Result, title: str) -> Markup:
        """Where the query's only area lies in the coarsest level's outlines. Columns: level, area."""
        if not result:
            return self._empty(result)
        row, shapes = result.only("locator()"), self._site.shapes
        self._check_areas(result, row["level"])
        centre = shapes.centre(row["level"], row["area"])
        if centre is None:
            return self._note("Zu diesem Gebiet liegen keine Grenzen vor; eine Lagekarte ist nicht möglich.")
        x, y, half = centre
        context = {
            "title": title,
            "outlines": list(shapes.paths(shapes.outline_level, LOCATOR_TOLERANCE).values()),
            "area": shapes.paths(row["level"], LOCATOR_TOLERANCE)[row["area"]],
            "ring": (x, y, half + 40) if half < MAP_UNITS / 20 else None,
            "view_box": shapes.view_box,
        }
        return self._site.fill("locator", context)

    # -- inside

    def _colours(self, result: Result, measures: Sequence[Measure], among: Result | None) -> dict[str, Any]:
        """Fills, legend and words of a map whose areas are filled by their values."""
        peers = [measure.value for measure in self._measures(among)] if among else []
        breaks = maps.quantile_breaks([value for value in peers if value is not None]) if any(peers) else None
        found = maps.colour(measures, result[0].get("decimals"), result[0].get("unit_label"), breaks)
        return {"fills": found.fills, "legend": found.legend, "description": found.description, "symbols": [],
                "key": None, "overlaid": ("estimated", "unreliable")}  # fmt: skip

    def _symbols(
        self, result: Result, measures: Sequence[Measure], view_box: str, among: Result | None
    ) -> dict[str, Any]:
        """Fills, circles, key, legend and words of a map of counts; ``among`` are counts drawn to the same scale."""
        level, shapes = result[0]["level"], self._site.shapes
        places = shapes.places(level)
        at = [places.get(row["area"]) for row in result]
        values = [m.value for m, place in zip(measures, at, strict=True) if m.value is not None and place is not None]
        view = symbols.view(view_box)
        ground = shapes.size(level, {row["area"] for row in result})
        peers = [measure.value for measure in self._measures(among) if measure.value is not None] if among else []
        shorter_side = min(view["width"], view["height"])
        scale = min(symbols.factor(numbers, ground, shorter_side) for numbers in (values, peers or values))
        unit = view["width"] / symbols.KEY_WIDTH
        decimals, unit_label = result[0].get("decimals"), result[0].get("unit_label")
        key = symbols.key(max([*values, *peers], default=0.0), scale, unit, decimals)
        height = view["height"] + key["height"] * unit
        return {
            "fills": symbols.ground_fills(measures),
            "symbols": [{"row": row, **asdict(mark)} for row, mark in symbols.symbols(measures, at, scale)],
            "key": {**key, "x": view["x"], "y": round(view["y"] + view["height"], 1), "unit": round(unit, 4)},
            "view_box": f"{view['x']:g} {view['y']:g} {view['width']:g} {height:.0f}",
            "legend": symbols.legend(measures, unit_label),
            "description": symbols.description(measures, decimals, unit_label),
            "square": round(11 * unit, 1),
            "overlaid": (),
        }  # fmt: skip

    def _check_areas(self, result: Result, level: str) -> None:
        known: Collection[str] = self._site.shapes.names(level)
        seen: set[str] = set()
        for row in result:
            if row["level"] != level:
                raise PageError(
                    f'a map shows one level, the query has "{level}" and "{row["level"]}"', query=result.name
                )
            if row["area"] not in known:
                raise PageError(f'unknown area key "{row["area"]}" on level "{level}"', query=result.name)
            if row["area"] in seen:
                raise PageError(f'area "{row["area"]}" occurs twice in the map', query=result.name)
            seen.add(row["area"])


def _merged(shapes: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """One shape for all areas of one colour and hatching."""
    paths: dict[tuple[str, str | None], list[str]] = {}
    for shape in shapes:
        paths.setdefault((shape["fill"], shape["overlay"]), []).append(shape["path"])
    return [
        {"path": "".join(parts), "fill": fill, "overlay": overlay, "text": "", "href": None}
        for (fill, overlay), parts in paths.items()
    ]
