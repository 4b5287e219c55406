"""Geography: official area files become one checked table of areas per geography.

Reads  the files that sources/<region>/geographies/*.yml name (beside that file or in the inbox).
Writes geography/{area,area_ancestor,street_range}.parquet, and made_from.json beside them.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import pandas as pd
from pyproj import CRS

from dagster_project.declarations import Geography, Region
from dagster_project.geography.areas import area_ancestors, edition_areas, with_municipality
from dagster_project.geography.crosswalk import build as build_crosswalk
from dagster_project.geography.faults import GeographyError
from dagster_project.geography.intake import MissingFile, find_file, missing_files
from dagster_project.geography.location import check_location
from dagster_project.geography.streets import street_ranges
from dagster_project.tables import read_json, write_frame, write_json

__all__ = ["GeographyError", "MissingFile", "build", "build_crosswalk", "missing_files"]

NOTE = "made_from.json"
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
    Nothing is done where the same files, declarations and code have made what is there.
    Raises `GeographyError` in German, naming file and key.
    """
    if not CRS(region.crs).is_projected:
        raise GeographyError(
            f"region.yml: das Koordinatensystem {region.crs} misst in Grad. Flächen brauchen eines in Metern, "
            "etwa EPSG:25832."
        )
    made_from = _made_from(region, geographies, folders)
    note = output / NOTE
    if note.is_file() and (output / "area.parquet").is_file():
        known = read_json(note)
        if known["made_from"] == made_from:
            counted: dict[str, int] = known["areas"]
            return counted
    note.unlink(missing_ok=True)
    frames = [
        edition_areas(region, geography, edition, folders)
        for geography in geographies
        for edition in geography.editions
    ]
    areas = pd.concat(frames, ignore_index=True)
    check_location(region, geographies, areas, folders)
    ancestors = area_ancestors(areas)
    areas = with_municipality(areas, ancestors, region.municipality_level)
    write_frame(areas, output / "area.parquet", TYPES)
    write_frame(ancestors, output / "area_ancestor.parquet")
    registers = [street_ranges(geography, areas, folders) for geography in geographies if geography.street_register]
    if registers:
        write_frame(pd.concat(registers, ignore_index=True), output / "street_range.parquet")
    counted = {
        f"{geography} {edition}": len(rows) for (geography, edition), rows in areas.groupby(["geography", "edition"])
    }
    write_json({"made_from": made_from, "areas": counted}, note)
    return counted


def _made_from(region: Region, geographies: list[Geography], folders: list[Path]) -> str:
    """A hash of all that areas depend on: declarations, the files of every layer, the street registers, this code."""
    layers = [layer for geography in geographies for edition in geography.editions for layer in edition.layers.values()]
    registers = [geography.street_register.file for geography in geographies if geography.street_register]
    files = {*(layer.file for layer in layers if layer.file), *registers}
    found = [path for file in sorted(files) for path in _with_companions(find_file(file, folders))]
    code = sorted(Path(__file__).parent.glob("*.py"))
    digests = [hashlib.sha256(path.read_bytes()).hexdigest() for path in (*found, *code)]
    declared = [region.model_dump_json(), *(geography.model_dump_json() for geography in geographies)]
    return hashlib.sha256("\n".join([*declared, *digests]).encode()).hexdigest()


def _with_companions(path: Path) -> list[Path]:
    """A shapefile is several files of one name."""
    return sorted(path.parent.glob(f"{path.stem}.*")) if path.suffix == ".shp" else [path]
