"""The areas of one level of one edition, as the crosswalk needs them, out of the checked table of areas.

Reads  geography/area.parquet and geography/area_ancestor.parquet.
Writes nothing.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import shapely

from dagster_project.tables import connect, parquet_rows

Outlines = npt.NDArray[np.object_]
Texts = npt.NDArray[np.object_]


@dataclass(frozen=True)
class Layer:
    """Areas with an outline, in the order of their keys; `digest` changes with any key, outline or municipality."""

    geography: str
    edition: str
    level: str
    keys: Texts
    municipality: Texts
    outlines: Outlines
    exists_from: Texts
    exists_to: Texts
    digest: str

    def absent(self, day: str) -> npt.NDArray[np.int64]:
        """Positions of the areas that came into being after a day (ISO 8601) or had ceased before."""
        early, late = self.exists_from > day, (self.exists_to != "") & (self.exists_to < day)
        return np.flatnonzero(early | late)

    def positions(self, keys: pd.Series) -> npt.NDArray[np.int64]:
        """Where each key stands; -1 for one that is not there."""
        return np.asarray(pd.Index(self.keys).get_indexer(pd.Index(keys)), dtype=np.int64)


class Atlas:
    """All areas of a region, layer by layer."""

    def __init__(self, folder: Path) -> None:
        self._areas = folder / "area.parquet"
        self._ancestors = folder / "area_ancestor.parquet"
        self._layers: dict[tuple[str, str, str], Layer] = {}
        self._above: dict[tuple[str, str, str, str], npt.NDArray[np.int64]] = {}

    def layer(self, geography: str, edition: str, level: str) -> Layer:
        """The areas of a level that have an outline."""
        name = (geography, edition, level)
        if name not in self._layers:
            rows = self._rows(
                f"""
                select
                    area, coalesce(municipality, '') as municipality, geometry,
                    coalesce(cast(exists_from as varchar), '') as exists_from,
                    coalesce(cast(exists_to as varchar), '') as exists_to
                from {parquet_rows(self._areas)}
                where geography = $1 and edition = $2 and level = $3 and geometry is not null
                order by area
                """,
                name,
            )
            digest = hashlib.sha256("\n".join(rows.agg("|".join, axis=1)).encode()).hexdigest()
            self._layers[name] = Layer(
                *name,
                keys=rows["area"].to_numpy(dtype=object),
                municipality=rows["municipality"].to_numpy(dtype=object),
                outlines=shapely.from_wkt(rows["geometry"].to_numpy(dtype=object)),
                exists_from=rows["exists_from"].to_numpy(dtype=object),
                exists_to=rows["exists_to"].to_numpy(dtype=object),
                digest=digest,
            )
        return self._layers[name]

    def ancestors(self, lower: Layer, level: str) -> npt.NDArray[np.int64]:
        """For each area of a layer the position of the one above it on another level of the same edition, or -1."""
        name = (lower.geography, lower.edition, lower.level, level)
        if name not in self._above:
            self._above[name] = self._positions_above(lower, level)
        return self._above[name]

    def _positions_above(self, lower: Layer, level: str) -> npt.NDArray[np.int64]:
        rows = self._rows(
            f"""
            select area, ancestor from {parquet_rows(self._ancestors)}
            where geography = $1 and edition = $2 and level = $3 and ancestor_level = $4
            """,
            (lower.geography, lower.edition, lower.level, level),
        )
        above = pd.Series(rows["ancestor"].to_numpy(), index=rows["area"].to_numpy()).reindex(lower.keys)
        return self.layer(lower.geography, lower.edition, level).positions(above)

    @staticmethod
    def _rows(query: str, parameters: tuple[str, ...]) -> pd.DataFrame:
        with connect() as connection:
            return connection.execute(query, list(parameters)).df()
