"""The true counts: what a perfect pipeline would find.

Collects counts per block while the simulator runs and writes `truth/counts.parquet` (every measure on every
level of every edition) and `truth/blocks.parquet` (the same by block). The pipeline never reads them.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd

from sources.simulator.population import Array
from sources.simulator.spec import Region
from sources.simulator.territory import Areas, Territory


def level_keys(region: Region, areas: Areas) -> dict[str, list[str]]:
    """Per level the key of the unit every area of the edition lies in."""
    found: dict[str, list[str]] = {}
    for level in region.levels:
        if level.municipality:
            found[level.id] = [region.municipalities[i].ags for i in areas.municipality.tolist()]
        elif level.key is not None:
            found[level.id] = [level.key] * len(areas.keys)
        else:
            found[level.id] = [key[: level.key_length] for key in areas.keys]
    return found


class Truth:
    """True counts per period, measure and block, and moves across the borders of units."""

    def __init__(self, region: Region, territory: Territory) -> None:
        self.region = region
        self.territory = territory
        self.counts: dict[tuple[str, str], Array] = {}
        self.crossings: dict[tuple[str, str, str, str], Array] = {}
        self._units = {
            (areas.edition, level): np.unique(keys, return_inverse=True)
            for areas in territory.editions
            for level, keys in level_keys(region, areas).items()
        }

    def add(self, period: str, measure: str, blocks: Array, weights: Array | None = None) -> None:
        """Count the blocks of the cases (each once, or as often as `weights` says)."""
        counted = np.bincount(blocks, weights, self.territory.block_count).astype(np.int64)
        self.counts[period, measure] = self.counts.get((period, measure), 0) + counted

    def add_moves(self, period: str, old: Array, new: Array) -> None:
        """Count moves whose old and new block lie in different units of a level."""
        for areas in self.territory.editions:
            for level in (item.id for item in self.region.levels):
                units, unit_of_area = self._units[areas.edition, level]
                unit = unit_of_area[areas.of_block]
                crossing = unit[old] != unit[new]
                for measure, end in (
                    ("relocations_in_from_other_area", new),
                    ("relocations_out_to_other_area", old),
                ):
                    key = (areas.edition, level, period, measure)
                    counted = np.bincount(unit[end[crossing]], minlength=len(units))
                    self.crossings[key] = self.crossings.get(key, 0) + counted

    def by_area(self, edition: str, period: str, measure: str, level: str | None = None) -> dict[str, int]:
        """One measure of a period by the unit of a level (the finest one by default)."""
        areas = next(item for item in self.territory.editions if item.edition == edition)
        units, unit_of_area = self._units[edition, level or self.region.levels[0].id]
        counts = self.counts.get((period, measure), np.zeros(self.territory.block_count, dtype=np.int64))
        sums = np.bincount(unit_of_area[areas.of_block], counts, len(units)).astype(np.int64)
        return dict(zip(units.tolist(), sums.tolist(), strict=True))

    def write(self, folder: Path, con: duckdb.DuckDBPyConnection, hidden_below: int, hidden: list[str]) -> None:
        """`hidden` measures are delivered by area and municipality with numbers below `hidden_below` (but not
        0) withheld.
        """
        folder.mkdir(parents=True, exist_ok=True)
        table = pd.concat(self._rolled_up(), ignore_index=True)
        table = table[["edition", "level", "area", "period", "measure", "value"]]
        delivered = [level.id for rank, level in enumerate(self.region.levels) if rank == 0 or level.municipality]
        table["hidden_at_source"] = (
            table["measure"].isin(hidden)
            & table["level"].isin(delivered)
            & table["value"].between(1, hidden_below - 1)
            & (table["edition"] == table["period"].map(self._edition_in_force))
        )
        blocks = _long(self.counts, "block", self.territory.block_keys)
        blocks = blocks.loc[blocks["value"] != 0, ["block", "period", "measure", "value"]]
        write_parquet(con, table, folder / "counts.parquet", "edition, level, area, measure, period")
        write_parquet(con, blocks, folder / "blocks.parquet", "block, measure, period")

    def _edition_in_force(self, period: str) -> str:
        return self.region.edition_of(date.fromisoformat(period if len(period) == 10 else f"{period}-12-31")).id

    def _rolled_up(self) -> Iterator[pd.DataFrame]:
        """Sums by unit, and moves across the units' borders."""
        for (edition, level), (units, unit_of_area) in self._units.items():
            areas = next(item for item in self.territory.editions if item.edition == edition)
            unit = unit_of_area[areas.of_block]
            counts = {
                key: np.bincount(unit, values, len(units)).astype(np.int64) for key, values in self.counts.items()
            }
            counts |= {key[2:]: values for key, values in self.crossings.items() if key[:2] == (edition, level)}
            yield _long(counts, "area", units.tolist()).assign(edition=edition, level=level)


def _long(counts: dict[tuple[str, str], Array], unit: str, keys: list[str]) -> pd.DataFrame:
    """One row per period, measure and unit."""
    names = pd.DataFrame(list(counts), columns=["period", "measure"])
    table = names.loc[np.repeat(names.index, len(keys))].reset_index(drop=True)
    return table.assign(
        **{
            unit: np.tile(np.array(keys, dtype=object), len(names)),
            "value": np.concatenate(list(counts.values())),
        }
    )


def write_parquet(con: duckdb.DuckDBPyConnection, table: pd.DataFrame, path: Path, order: str) -> None:
    """The table in a fixed order; the same rows give the same bytes."""
    con.register("truth_table", table)
    target = str(path).replace("'", "''")
    con.execute(f"copy (select * from truth_table order by {order}) to '{target}' (format parquet, compression zstd)")
    con.unregister("truth_table")
