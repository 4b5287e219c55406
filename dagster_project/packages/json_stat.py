"""Values as JSON-stat 2.0: a collection with one cube for each edition and level, statuses beside the values.

Reads  the tables `value`, `area` and `indicator` of the connection it is given; writes nothing.
"""

from __future__ import annotations

from typing import Any

import duckdb

from dagster_project.packages.selection import Parcel

VERSION = "2.0"
# dimensions, in the order of the cells
LABELS = {"indicator": "Indikator", "area": "Gebiet", "period": "Zeitraum", "breakdown": "Merkmal"}
# observation statuses of SDMX (CL_OBS_STATUS 2.3)
STATUSES = {
    "published": ("A", "veröffentlicht"),
    "estimated": ("E", "geschätzt"),
    "unreliable": ("U", "eingeschränkt belastbar"),
    "suppressed": ("Q", "nicht ausgewiesen (Geheimhaltung)"),
    "missing": ("O", "liegt nicht vor"),
    "not_applicable": ("M", "nicht anwendbar"),
}


def describe(connection: duckdb.DuckDBPyConnection, parcel: Parcel) -> dict[str, Any]:
    """The collection; a cell that the release does not know has neither value nor status."""
    cubes = connection.execute(
        """
        select v.geography, v.edition, v.level, any_value(a.level_name)
        from value as v inner join area as a using (geography, edition, level, area)
        group by v.geography, v.edition, v.level order by min(a.level_rank), v.edition
        """
    ).fetchall()
    return {
        "version": VERSION,
        "class": "collection",
        "label": parcel.title,
        "updated": parcel.made_at,
        "link": {"item": [_cube(connection, parcel, *cube) for cube in cubes]},
    }


def _cube(
    connection: duckdb.DuckDBPyConnection, parcel: Parcel, geography: str, edition: str, level: str, level_name: str
) -> dict[str, Any]:
    rows = connection.execute(
        "select indicator, area, period, breakdown, value, status, area_name from value "
        "where (geography, edition, level) = (?, ?, ?) order by area, period, breakdown",
        [geography, edition, level],
    ).fetchall()
    known = connection.execute("select indicator, name, unit_label, decimals from indicator").fetchall()
    reported = {row[0] for row in rows}
    indicators = [row for row in known if row[0] in reported]
    categories = {
        "indicator": {name: text for name, text, *_ in indicators},
        "area": {row[1]: row[6] for row in rows},
        "period": {name: name for name in sorted({row[2] for row in rows})},
        "breakdown": {name: name for name in sorted({row[3] for row in rows})},
    }
    size = [len(labels) for labels in categories.values()]
    values, statuses = _cells(rows, categories)
    dimension: dict[str, Any] = {
        name: {"label": LABELS[name], "category": {"index": list(labels), "label": labels}}
        for name, labels in categories.items()
    }
    dimension["indicator"]["category"]["unit"] = {
        name: {"label": unit or "", "decimals": decimals} for name, _, unit, decimals in indicators
    }
    return {
        "version": VERSION,
        "class": "dataset",
        "label": f"{parcel.region.name}, {level_name}, Gebietsstand {edition}",
        "source": parcel.region.licence_note,
        "updated": parcel.made_at,
        "id": list(LABELS),
        "size": size,
        "role": {"time": ["period"], "geo": ["area"], "metric": ["indicator"]},
        "dimension": dimension,
        "value": values,
        "status": statuses,
        "extension": {
            "geography": geography,
            "edition": edition,
            "level": level,
            "status": {"label": dict(STATUSES.values())},
        },
    }


def _cells(
    rows: list[tuple[Any, ...]], categories: dict[str, dict[str, str]]
) -> tuple[dict[str, float], dict[str, str]]:
    """Values and statuses by their place in the cube, in which the last dimension changes first."""
    places = [{name: place for place, name in enumerate(labels)} for labels in categories.values()]
    values, statuses = {}, {}
    for row in rows:
        cell = 0
        for names, name in zip(places, row, strict=False):
            cell = cell * len(names) + names[name]
        statuses[str(cell)] = STATUSES[row[5]][0]
        if row[4] is not None:
            values[str(cell)] = row[4]
    return values, statuses
