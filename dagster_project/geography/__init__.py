"""Geography: official area files become one checked table of areas per geography.

Reads  the files that sources/<region>/geographies/*.yml name (beside that file or in the inbox).
Writes geography/{area,area_ancestor,street_range}.parquet.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from dagster_project.declarations import Geography, Region
from dagster_project.geography.areas import area_ancestors, edition_areas, with_municipality
from dagster_project.geography.crosswalk import build as build_crosswalk
from dagster_project.geography.intake import GeographyError, MissingFile, missing_files
from dagster_project.geography.streets import street_ranges
from dagster_project.tables import write_frame

__all__ = ["GeographyError", "MissingFile", "build", "build_crosswalk", "missing_files"]

TYPES = {
    **dict.fromkeys(("valid_from", "valid_to", "exists_from", "exists_to"), "date"),
    **dict.fromkeys(("area_type", "area_type_name"), "varchar"),
}


def build(region: Region, geographies: list[Geography], folders: list[Path], output: Path) -> dict[str, int]:
    """All areas of all geographies in the region's CRS; returns the number of areas per geography and edition.

    `area.parquet`: one row per geography, edition, level and area, with parent, municipality, validity,
    area in km² and outline as WKT; `exists_from` and `exists_to` only where declared for that very area: a source
    may well speak of an edition before its first day.
    `area_ancestor.parquet`: every area with itself and each area above it.
    `street_range.parquet`: which house numbers of which street lie in which area of the finest level.
    Where there is a street register, every municipality has an area `unallocated` on each level below it: it takes
    what no address places, so that totals reconcile.
    Raises `GeographyError` in German, naming file and key.
    """
    frames = [
        edition_areas(region, geography, edition, folders)
        for geography in geographies
        for edition in geography.editions
    ]
    areas = pd.concat(frames, ignore_index=True)
    ancestors = area_ancestors(areas)
    areas = with_municipality(areas, ancestors, region.municipality_level)
    write_frame(areas, output / "area.parquet", TYPES)
    write_frame(ancestors, output / "area_ancestor.parquet")
    registers = [street_ranges(geography, areas, folders) for geography in geographies if geography.street_register]
    if registers:
        write_frame(pd.concat(registers, ignore_index=True), output / "street_range.parquet")
    return {
        f"{geography} {edition}": len(rows) for (geography, edition), rows in areas.groupby(["geography", "edition"])
    }
