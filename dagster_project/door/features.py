"""OGC API – Features, part 1: a collection for each level, a feature for each area, its values as properties.

Reads  a release through a visit; writes nothing. Outlines are GeoJSON in longitude and latitude.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import shapely
from starlette.exceptions import HTTPException

from dagster_project.door.answers import (
    CRS84,
    Collection,
    Collections,
    Conformance,
    Extent,
    Landing,
    Link,
    Spatial,
    Temporal,
)
from dagster_project.door.parameters import FIRST_DAY, LAST_DAY, MOST_FEATURES, ItemsAsked
from dagster_project.door.standing import Area, Level
from dagster_project.door.visit import Visit

GEOJSON = "application/geo+json"
OPENAPI = "application/vnd.oai.openapi+json;version=3.1"
CONFORMS_TO = [f"http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/{name}" for name in ("core", "geojson")]


def landing(visit: Visit) -> Landing:
    return Landing(
        title=f"{visit.standing.region}: Sozialraummonitoring",
        description=visit.standing.licence,
        release=visit.standing.id,
        links=[
            visit.link("self", "Diese Seite", ""),
            visit.link("service-desc", "Beschreibung der Schnittstelle", "api", kind=OPENAPI),
            visit.link("conformance", "Erfüllte Konformitätsklassen", "conformance"),
            visit.link("data", "Ebenen mit ihren Gebieten", "collections"),
            visit.link("related", "Werte der Indikatoren", "values"),
            visit.link("related", "Indikatoren", "indicators"),
        ],
    )


def conformance() -> Conformance:
    return Conformance(conformsTo=CONFORMS_TO)


def collections(visit: Visit) -> Collections:
    found = [collection(visit, level.id) for level in visit.standing.levels if visit.sees_level(level.id)]
    return Collections(collections=found, links=[visit.link("self", "Diese Seite", "collections")])


def collection(visit: Visit, level_id: str) -> Collection:
    """Raises `HTTPException` 404 for a level that is not there, or not for this caller."""
    level = _level(visit, level_id)
    areas = _areas(visit, level_id)
    boxes = list(zip(*(area.shape.bounds for area in areas), strict=True))
    box = [min(boxes[0]), min(boxes[1]), max(boxes[2]), max(boxes[3])] if boxes else [-180.0, -90.0, 180.0, 90.0]
    starts = [area.valid_from for area in areas if area.valid_from is not None]
    ends = [area.valid_to for area in areas]
    first = f"{min(starts)}T00:00:00Z" if starts else None
    last = None if None in ends or not ends else f"{max(day for day in ends if day is not None)}T23:59:59Z"
    return Collection(
        id=level.id,
        title=level.plural,
        description=f"{level.plural} mit den Werten der Indikatoren, Gebietsstand {visit.standing.edition}",
        itemType="feature",
        crs=[CRS84],
        extent=Extent(spatial=Spatial(bbox=[box], crs=CRS84), temporal=Temporal(interval=[[first, last]])),
        links=[
            visit.link("self", level.plural, "collections", level.id),
            visit.link("items", f"{level.plural} als GeoJSON", "collections", level.id, "items", kind=GEOJSON),
        ],
    )


def items(visit: Visit, level_id: str, asked: ItemsAsked) -> dict[str, Any]:
    """The features of one page. Raises `HTTPException`."""
    _level(visit, level_id)
    visit.check_release(asked)
    chosen = [area for area in _areas(visit, level_id) if fits(area, asked)]
    page = chosen[asked.offset : asked.offset + min(asked.limit, MOST_FEATURES)]
    links = visit.page_links(asked, len(chosen), len(page), "collections", level_id, "items", kind=GEOJSON)
    return {
        "type": "FeatureCollection",
        "features": _features(visit, page, asked.period),
        "links": _plain([*links, visit.link("collection", "Diese Ebene", "collections", level_id)]),
        "timeStamp": datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        "numberMatched": len(chosen),
        "numberReturned": len(page),
    }


def item(visit: Visit, level_id: str, key: str, period: str | None) -> dict[str, Any]:
    """One feature. Raises `HTTPException` 404."""
    _level(visit, level_id)
    found = [area for area in _areas(visit, level_id) if area.key == key]
    if not found:
        raise HTTPException(404, "Dieses Gebiet gibt es hier nicht.")
    links = [
        visit.link("self", "Dieses Gebiet", "collections", level_id, "items", key, kind=GEOJSON),
        visit.link("collection", "Seine Ebene", "collections", level_id),
    ]
    return {**_features(visit, found, period)[0], "links": _plain(links)}


def _level(visit: Visit, level_id: str) -> Level:
    """A level this caller may not see is answered like one that is not there."""
    for level in visit.standing.levels:
        if level.id == level_id and visit.sees_level(level_id):
            return level
    raise HTTPException(404, "Diese Ebene gibt es hier nicht.")


def _areas(visit: Visit, level_id: str) -> list[Area]:
    return [area for area in visit.standing.areas if area.level == level_id and visit.may_see(area)]


def fits(area: Area, asked: ItemsAsked) -> bool:
    named = (
        (asked.area, area.key),
        (asked.name, area.properties["name"]),
        (asked.municipality, area.municipality),
        (asked.parent, area.properties["parent"]),
    )
    if any(wanted is not None and wanted != found for wanted, found in named):
        return False
    if asked.days is not None:
        first, last = asked.days
        if str(area.valid_to or LAST_DAY) < first or str(area.valid_from or FIRST_DAY) > last:
            return False
    return asked.box is None or any(area.shape.intersects(part) for part in _parts(asked.box))


def _parts(box: tuple[float, float, float, float]) -> list[shapely.Geometry]:
    """A box as geometry, or two where it lies across the date line; one without width or height is a line or point."""
    west, south, east, north = box
    spans = [(west, east)] if west <= east else [(west, 180.0), (-180.0, east)]
    return [shapely.MultiPoint([(first, south), (last, north)]).envelope for first, last in spans]


def _features(visit: Visit, areas: list[Area], period: str | None) -> list[dict[str, Any]]:
    values = _values(visit, areas, period)
    head = {"edition": visit.standing.edition}
    return [
        {
            "type": "Feature",
            "id": area.key,
            "geometry": area.outline,
            "properties": {
                "area": area.key,
                "level": area.level,
                **head,
                "municipality": area.municipality,
                **area.properties,
                **values.get(area.key, {}),
            },
        }
        for area in areas
    ]


def _values(visit: Visit, areas: list[Area], period: str | None) -> dict[str, dict[str, Any]]:
    """Properties of each area: every indicator with value, status and period; the latest where none is named."""
    if not areas:
        return {}
    standing = visit.standing
    rows = standing.rows(
        """
        select area, indicator, value, status, period from mart_indicator_value
        where geography = ? and edition = ? and level = ? and area in (select unnest(?)) and breakdown = 'total'
            and case when ? is null then reason is distinct from 'no_event' else period = ? end
        qualify row_number() over (partition by area, indicator order by reference_date desc, period desc) = 1
        order by area, indicator
        """,
        [standing.geography, standing.edition, areas[0].level, [area.key for area in areas], period, period],
    )
    found: dict[str, dict[str, Any]] = {}
    for area, indicator, value, status, of_period in rows:
        properties = {indicator: value, f"{indicator}_status": status, f"{indicator}_period": of_period}
        found.setdefault(area, {}).update(properties)
    return found


def _plain(links: list[Link]) -> list[dict[str, Any]]:
    return [link.model_dump() for link in links]
