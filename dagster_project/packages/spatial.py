"""Areas as GeoPackage and GeoParquet, with the region's coordinates and a row per area.

Reads  the table `area` of the connection it is given (outlines as WKT).
Writes the files it is told; the same areas are the same bytes.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import geopandas as gpd
import pyogrio
import pyproj
import shapely

from dagster_project.tables import literal

COLUMNS = "edition, level, area, name, area_type_name, parent_level, parent, municipality, population, area_km2"
HAS_OUTLINE = "geometry is not null and not is_unallocated"


def bounds(connection: duckdb.DuckDBPyConnection, crs: str) -> tuple[float, float, float, float] | None:
    """West, south, east and north of all areas in degrees (CRS84); none where no area has an outline."""
    found = connection.execute(f"select geometry from area where {HAS_OUTLINE}").fetchall()
    if not found:
        return None
    box = shapely.total_bounds(shapely.from_wkt([row[0] for row in found]))
    west, south, east, north = pyproj.Transformer.from_crs(crs, "OGC:CRS84", always_xy=True).transform_bounds(*box)
    return west, south, east, north


def write_geopackage(connection: duckdb.DuckDBPyConnection, crs: str, path: Path, now: datetime) -> None:
    """One layer `gebiete`."""
    frame = connection.execute(f"select {COLUMNS}, geometry from area where {HAS_OUTLINE} order by all").df()
    outlines = shapely.from_wkt(frame.pop("geometry").to_numpy())
    areas = gpd.GeoDataFrame(frame, geometry=gpd.GeoSeries(outlines, crs=crs), crs=crs)
    pyogrio.set_gdal_config_options({"OGR_CURRENT_DATE": now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")})
    try:
        pyogrio.write_dataframe(areas, path, layer="gebiete", driver="GPKG")
    finally:
        pyogrio.set_gdal_config_options({"OGR_CURRENT_DATE": None})


def write_geoparquet(connection: duckdb.DuckDBPyConnection, crs: str, path: Path) -> None:
    """GeoParquet 1.1.0, outlines as WKB."""
    frame = connection.execute(f"select {COLUMNS}, geometry from area where {HAS_OUTLINE} order by all").df()
    outlines = shapely.from_wkt(frame["geometry"].to_numpy())
    frame["geometry"] = shapely.to_wkb(outlines)
    described = {
        "version": "1.1.0",
        "primary_column": "geometry",
        "columns": {
            "geometry": {
                "encoding": "WKB",
                "geometry_types": sorted({outline.geom_type for outline in outlines}),
                "crs": pyproj.CRS.from_user_input(crs).to_json_dict(),
                "bbox": [float(number) for number in shapely.total_bounds(outlines)],
            }
        },
    }
    connection.register("outlined", frame)
    connection.execute(
        f"copy (select {COLUMNS}, cast(geometry as blob) as geometry from outlined) to {literal(path)} "
        f"(format parquet, compression zstd, kv_metadata {{geo: {literal(json.dumps(described))}}})"
    )
    connection.unregister("outlined")
