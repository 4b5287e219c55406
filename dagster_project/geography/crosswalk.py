"""Crosswalks: the weights by which figures of any geography or edition come onto the reporting edition.

Reads  geography/{area,area_ancestor}.parquet, support/{need,mass}.parquet (written by dbt: which crosswalks the
       observations in force need, and how many live on each support area), and the point files of region.yml.
Writes crosswalk/weight.parquet      what dbt applies: a weight per source area, target area, universe and day
       crosswalk/stored/*.parquet    labels of points, overlays and weight tables, each named by the hash of all it
                                     depends on; what is there is not computed again

Only what is needed is computed. Weights are formed on the finest published level of the reporting edition (or, for
another edition of the same geography, on the level the figures were delivered on) and summed up to those above.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd

from dagster_project.declarations import Geography, Region
from dagster_project.declarations.support import AREA
from dagster_project.geography import error, overlay, support, weights
from dagster_project.geography.intake import find_file
from dagster_project.geography.layers import Atlas, Layer
from dagster_project.geography.weights import Masses
from dagster_project.tables import literal, write_frame

WEIGHT_TYPES = {
    "source_geography": "varchar", "source_edition": "varchar", "source_level": "varchar", "source_area": "varchar",
    "universe": "varchar", "reference_date": "date",
    "geography": "varchar", "edition": "varchar", "level": "varchar", "area": "varchar", "base_rank": "integer",
    "weight": "double", "is_whole": "boolean", "basis": "varchar", "overdispersion": "double",
    "share_of_target": "double", "coverage": "double",
}  # fmt: skip
CODE = "".join(
    hashlib.sha256(Path(str(module.__file__)).read_bytes()).hexdigest() for module in (support, overlay, weights, error)
)


def build(
    region: Region, geography: Geography, folders: list[Path], areas: Path, needs: Path, output: Path
) -> dict[str, int]:
    """The weights for every need; returns how many tables were computed, reused, and rows written.

    `geography` is the one the region reports on; `areas`, `needs` and `output` are the folders geography/, support/
    and crosswalk/. Raises `GeographyError` in German.
    """
    desk = _Desk(region, geography, folders, Atlas(areas), needs, output / "stored")
    tables = [desk.crosswalk(*need) for need in desk.needs()]
    rows = pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=list(WEIGHT_TYPES))
    write_frame(rows[list(WEIGHT_TYPES)], output / "weight.parquet", WEIGHT_TYPES)
    return {"computed": desk.computed, "reused": desk.reused, "weights": len(rows)}


class _Desk:
    """What the crosswalks of one region share: layers, points, labels, overlays, and the store of tables."""

    def __init__(
        self, region: Region, geography: Geography, folders: list[Path], atlas: Atlas, needs: Path, store: Path
    ) -> None:
        self.region, self.geography, self.folders = region, geography, folders
        self.atlas, self.folder, self.store = atlas, needs, store
        self.computed = self.reused = 0
        self._points: dict[str, tuple[pd.DataFrame, str]] = {}

    # ---------------------------------------------------------------- what is needed, on which levels

    def needs(self) -> list[tuple[Layer, str, str]]:
        """Source layer, universe and reference date of every crosswalk the observations ask for."""
        rows = _read(self.folder / "need.parquet")
        return [
            (self.atlas.layer(row.geography, row.edition, row.level), row.universe, str(row.reference_date)[:10])
            for row in rows.sort_values(list(rows.columns)).itertuples()
        ]

    def _levels(self, source: Layer) -> list[tuple[int, str]]:
        """Rank and id of the levels figures of a source come onto: its own or the finest published one, and above."""
        ids = [level.id for level in self.geography.levels]
        own = ids.index(source.level) if source.geography == self.geography.id and source.level in ids else 0
        return [(rank, level.id) for rank, level in enumerate(self.geography.levels) if level.published and rank >= own]

    def _target(self, level: str) -> Layer:
        return self.atlas.layer(self.geography.id, self.region.reporting_edition, level)

    # ---------------------------------------------------------------- one crosswalk

    def crosswalk(self, source: Layer, universe: str, day: str) -> pd.DataFrame:
        """Weights from a source layer onto each level, as rows of `WEIGHT_TYPES`."""
        levels = self._levels(source)
        target = self._target(levels[0][1])
        ladder = {name: self._support(name, day) for name in self.region.support.ladder_of(universe)}
        parts = [source.digest, target.digest, repr(levels), *(f"{name} {held[1]}" for name, held in ladder.items())]
        rows = self._stored("weights", parts, lambda: self._weights(source, target, levels, ladder))
        names = {"source_geography": source.geography, "source_edition": source.edition, "source_level": source.level}
        reporting = {"geography": self.geography.id, "edition": self.region.reporting_edition}
        return rows.assign(**names, **reporting, universe=universe, reference_date=day, base_rank=levels[0][0])

    def _weights(
        self, source: Layer, target: Layer, levels: list[tuple[int, str]], ladder: dict[str, tuple[pd.DataFrame, str]]
    ) -> pd.DataFrame:
        masses = [self._masses(name, held, source, target) for name, held in ladder.items()]
        touching = self._touching(source, target)
        ground = Masses(AREA, self._within_municipality(source, target, self._pieces(source, target)))
        base = weights.choose([*masses, ground], touching)
        found = []
        for _, level in levels:
            above = self.atlas.ancestors(target, level) if level != target.level else np.arange(len(target.keys))
            layer = self._target(level)
            lifted = weights.coarser(base, above)
            shares, covered = weights.coverage(
                [Masses(rung.basis, _lifted(rung.pairs, above)) for rung in (*masses, ground)], len(layer.keys)
            )
            lifted = lifted.merge(shares, on=["source", "target"], how="left")
            found.append(
                pd.DataFrame(
                    {
                        "source_area": source.keys[lifted["source"]],
                        "level": level,
                        "area": layer.keys[lifted["target"]],
                        "weight": lifted["weight"],
                        "is_whole": lifted["is_whole"],
                        "basis": lifted["basis"],
                        "overdispersion": lifted["basis"].map(error.overdispersion),
                        "share_of_target": lifted["share"].fillna(0.0),
                        "coverage": covered.reindex(lifted["target"]).to_numpy(),
                    }
                )
            )
        return pd.concat(found, ignore_index=True)

    # ---------------------------------------------------------------- support: who lives where

    def _support(self, basis: str, day: str) -> tuple[pd.DataFrame, str]:
        """The masses of a basis on the day nearest to the one asked for, and a hash of them.

        Of points with their position (`point`), of areas with their key (`area`); both with `mass`.
        """
        declared = self.region.support.bases[basis]
        if declared.points is not None:
            points, digest = self._point_set(declared.points)
            mass = sum((points[name] * factor for name, factor in declared.sum.items()), start=0 * points["x"])
            mass = mass if declared.sum else points[support.COUNT]
            return pd.DataFrame({"point": range(len(points)), "mass": mass.clip(lower=0)}), f"{digest} {declared!r}"
        held = self._area_masses[self._area_masses["basis"] == basis]
        days = pd.to_datetime(held["reference_date"])
        distance = (days - pd.Timestamp(day)).abs()
        nearest = held[days == days[distance.idxmin()]] if len(held) else held
        return nearest[["area", "mass"]], _digest(nearest)

    @cached_property
    def _area_masses(self) -> pd.DataFrame:
        rows = _read(self.folder / "mass.parquet")
        return rows.sort_values(["basis", "reference_date", "area"], ignore_index=True)

    def _point_set(self, name: str) -> tuple[pd.DataFrame, str]:
        if name not in self._points:
            declared = self.region.support.points[name]
            paths = [find_file(file.file, self.folders) for file in declared.files]
            contents = [hashlib.sha256(path.read_bytes()).hexdigest() for path in paths]
            points = support.read_points(declared, self.region.crs, self.folders)
            self._points[name] = points, _hash([*contents, declared.model_dump_json(), self.region.crs])
        return self._points[name]

    def _masses(self, name: str, held: tuple[pd.DataFrame, str], source: Layer, target: Layer) -> Masses:
        declared, mass = self.region.support.bases[name], held[0]
        if declared.points is not None:
            points, digest = self._point_set(declared.points)
            within = self.region.support.points[declared.points].within_metres
            one, other = (self._labels(points, digest, layer, within)["area"] for layer in (source, target))
            found = Masses.of(name, one.to_numpy(), other.to_numpy(), mass["mass"])
        else:
            assert declared.level is not None
            ground = self._target(declared.level)
            position = ground.positions(mass["area"])
            known = position >= 0
            one, other = (self._area_labels(ground, layer)[position[known]] for layer in (source, target))
            found = Masses.of(name, one, other, mass["mass"].to_numpy()[known])
        return Masses(name, self._within_municipality(source, target, found.pairs))

    # ---------------------------------------------------------------- who lies where

    def _labels(self, points: pd.DataFrame, digest: str, layer: Layer, within: float) -> pd.DataFrame:
        def compute() -> pd.DataFrame:
            found = support.label(points["x"].to_numpy(), points["y"].to_numpy(), layer.outlines, within)
            return pd.DataFrame({"area": found.area, "how": found.how})

        return self._stored("labels", [digest, layer.digest, str(within)], compute)

    def _area_labels(self, ground: Layer, layer: Layer) -> Any:
        """The area of a layer that each support area lies in: by key where the same geography knows it, else by
        a point inside it.
        """
        if layer.geography == ground.geography:
            own = self.atlas.layer(layer.geography, layer.edition, ground.level)
            position = own.positions(pd.Series(ground.keys))
            if (position >= 0).all():
                return self.atlas.ancestors(own, layer.level)[position]
        x, y = support.inner_points(ground.outlines)
        return support.label(x, y, layer.outlines).area

    def _touching(self, source: Layer, target: Layer) -> pd.DataFrame:
        """All pairs with ground in common: exactly known where both editions are groups of the same support areas."""
        for name in self.region.support.bases.values():
            if name.level is not None and source.geography == self.geography.id:
                ground = self._target(name.level)
                pairs = pd.DataFrame(
                    {
                        "source": self._area_labels(ground, source),
                        "target": self._area_labels(ground, target),
                    }
                ).drop_duplicates()
                return pairs[(pairs["source"] >= 0) & (pairs["target"] >= 0)]
        return self._within_municipality(source, target, self._pieces(source, target))

    def _pieces(self, source: Layer, target: Layer) -> pd.DataFrame:
        def compute() -> pd.DataFrame:
            found = overlay.overlay(source.outlines, target.outlines)
            return pd.DataFrame({"source": found.source, "target": found.target, "mass": found.square_metres})

        return self._stored("overlay", [source.digest, target.digest], compute)

    def _within_municipality(self, source: Layer, target: Layer, pairs: pd.DataFrame) -> pd.DataFrame:
        """Pairs of one municipality: what a municipality's own areas hold stays in it, so that its total is kept.

        Editions of one geography are free of this: a municipality's own border may have moved.
        """
        if source.geography == target.geography:
            return pairs
        known = pairs[(pairs["source"] >= 0) & (pairs["target"] >= 0)]
        one, other = source.municipality[known["source"]], target.municipality[known["target"]]
        foreign = known.index[(one != other) & (one != "") & (other != "")]
        return pairs.drop(foreign)

    # ---------------------------------------------------------------- the store

    def _stored(self, kind: str, parts: list[str], compute: Callable[[], pd.DataFrame]) -> pd.DataFrame:
        """A table by the hash of all it depends on: read where it is stored, else computed and stored."""
        path = self.store / f"{kind}-{_hash([kind, CODE, *parts])}.parquet"
        if path.is_file():
            self.reused += 1
        else:
            self.computed += 1
            write_frame(compute(), path)
        return _read(path)


def _lifted(pairs: pd.DataFrame, above: Any) -> pd.DataFrame:
    """Pairs with the target on a level above, -1 staying outside."""
    target = pairs["target"].to_numpy()
    lifted = pairs.assign(target=np.where(target >= 0, above[target], -1))
    return lifted.groupby(["source", "target"], as_index=False, sort=True)["mass"].sum()


def _read(path: Path) -> pd.DataFrame:
    with duckdb.connect() as connection:
        return connection.execute(f"from read_parquet({literal(path)})").df()


def _digest(frame: pd.DataFrame) -> str:
    return hashlib.sha256(frame.to_csv(index=False).encode()).hexdigest()


def _hash(parts: list[str]) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:20]
