"""The ground under crosswalks: which support lies where, which areas share ground, and a store for what took time.

Reads  support/mass.parquet (how many live on each support area, by basis and day) and the point files of region.yml.
Writes crosswalk/stored/<kind>-<hash>.parquet, named by the hash of all it depends on.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy.typing as npt
import pandas as pd

from dagster_project.declarations import Geography, Region
from dagster_project.declarations.support import COUNT, TRUTH
from dagster_project.geography import error, overlay, support, weights
from dagster_project.geography.intake import find_file
from dagster_project.geography.layers import Atlas, Layer
from dagster_project.geography.weights import PAIR, Masses
from dagster_project.tables import read_frame, write_frame

CODE = [Path(str(module.__file__)).read_bytes().hex() for module in (support, overlay, weights, error)]
HOW = {
    support.ON_BORDER: "points_on_border",
    support.IN_OVERLAP: "points_in_overlap",
    support.MOVED_INSIDE: "points_moved_inside",
    support.NOWHERE: "points_outside",
}


@dataclass(frozen=True)
class Held:
    """The masses of one basis on one day: of points by position, or of support areas by key; and a hash of them."""

    basis: str
    rows: pd.DataFrame
    digest: str
    points: str | None = None


class Ground:
    """What the crosswalks of one region stand on."""

    def __init__(
        self, region: Region, geography: Geography, folders: list[Path], atlas: Atlas, masses: Path, store: Path
    ) -> None:
        self.region, self.geography, self.atlas = region, geography, atlas
        self.computed: set[Path] = set()
        self.reused: set[Path] = set()
        self._folders, self._mass_file, self._store = folders, masses, store
        self._points: dict[str, tuple[pd.DataFrame, str]] = {}
        self._known: dict[Any, Any] = {}

    def target(self, level: str) -> Layer:
        """A level of the edition the region reports on."""
        return self.atlas.layer(self.geography.id, self.region.reporting_edition, level)

    # ---------------------------------------------------------------- who lives where

    def held(self, basis: str, day: str) -> Held:
        """The masses of a basis on the day nearest to the one asked for; of several truths as of any basis."""
        found: Held = self._once(("held", basis, day), lambda: self._held(basis, day))
        return found

    def _held(self, basis: str, day: str) -> Held:
        declared = self.region.support.bases.get(basis)
        if declared is not None and declared.points is not None:
            points, digest = self._point_set(declared.points)
            mass = sum((points[name] * factor for name, factor in declared.sum.items()), start=0 * points["x"])
            mass = mass.clip(lower=0) if declared.sum else points[COUNT]
            mass = support.scaled_to_totals(points, mass) if declared.scaled else mass
            return Held(basis, pd.DataFrame({"mass": mass}), f"{digest} {declared!r}", declared.points)
        counted = self._area_masses.get(basis, {})
        if not counted:
            return Held(basis, pd.DataFrame({"area": [], "mass": []}), "")
        return counted[min(counted, key=lambda known: (abs(known - pd.Timestamp(day)), known))]

    def truths(self, basis: str, day: str) -> list[Held]:
        """Masses on the same support as a basis whose true split is known."""
        declared, names = self.region.support.bases[basis], self.region.support.known_splits
        if declared.points is None:
            return [held for name in names if len((held := self.held(f"{TRUTH}{name}", day)).rows)]
        points, digest = self._point_set(declared.points)
        return [
            Held(f"{TRUTH}{name}", pd.DataFrame({"mass": points[name]}), f"{digest} {name}", declared.points)
            for name in names
            if name in points and declared.sum != {name: 1.0}
        ]

    def masses(self, held: Held, source: Layer, target: Layer) -> Masses:
        """How much of the mass lies in which source and which target."""
        found: Masses = self._once(
            ("masses", held.basis, held.digest, source.digest, target.digest),
            lambda: self._masses(held, source, target),
        )
        return found

    def _masses(self, held: Held, source: Layer, target: Layer) -> Masses:
        if held.points is not None:
            one, other = (self.point_labels(held.points, layer)["area"].to_numpy() for layer in (source, target))
            mass = held.rows["mass"].to_numpy()
        else:
            ground = self._support_layer()
            position = ground.positions(held.rows["area"])
            known = position >= 0
            one, other = (self._area_labels(ground, layer)[position[known]] for layer in (source, target))
            mass = held.rows["mass"].to_numpy()[known]
        found = Masses.of(held.basis, one, other, mass)
        return Masses(held.basis, _within_municipality(source, target, found.pairs))

    @cached_property
    def _area_masses(self) -> dict[str, dict[pd.Timestamp, Held]]:
        """What was counted on support areas, by basis and day."""
        rows = read_frame(self._mass_file).sort_values(["basis", "reference_date", "area"], ignore_index=True)
        counted: dict[str, dict[pd.Timestamp, Held]] = {}
        for (basis, day), found in rows.groupby(["basis", "reference_date"]):
            digest = hashlib.sha256(found.to_csv(index=False).encode()).hexdigest()
            counted.setdefault(basis, {})[pd.Timestamp(day)] = Held(basis, found[["area", "mass"]], digest)
        return counted

    def _support_layer(self) -> Layer:
        """Areas of the finest level, which records are placed on."""
        return self.target(self.geography.levels[0].id)

    def _point_set(self, name: str) -> tuple[pd.DataFrame, str]:
        if name not in self._points:
            declared = self.region.support.points[name]
            paths = [find_file(file.file, self._folders) for file in declared.all_files]
            contents = [hashlib.sha256(path.read_bytes()).hexdigest() for path in paths]
            points = support.read_points(declared, self.region.crs, self._folders)
            self._points[name] = points, _hash([*contents, declared.model_dump_json(), self.region.crs])
            layer = self.target(next(level.id for level in self.geography.levels if level.published))
            nowhere = self.point_labels(name, layer)["how"] == support.NOWHERE
            support.check_place(declared, 1 - float(nowhere.mean()), self.region, layer.outlines, self._folders)
        return self._points[name]

    # ---------------------------------------------------------------- which area it lies in

    def point_labels(self, name: str, layer: Layer) -> pd.DataFrame:
        """For each point of a set the position of its area, and how it came to it (see `support`)."""
        points, digest = self._point_set(name)
        within = self.region.support.points[name].within_metres

        def compute() -> pd.DataFrame:
            found = support.label(points["x"].to_numpy(), points["y"].to_numpy(), layer.outlines, within)
            return pd.DataFrame({"area": found.area, "how": found.how})

        return self.stored("labels", [digest, layer.digest, str(within)], compute)

    def doubtful_points(self, name: str, layer: Layer) -> dict[str, int]:
        """How many points of a set lie outside all areas, on a border, in an overlap, or were moved inside."""
        how = self.point_labels(name, layer)["how"].value_counts()
        return {word: int(how.get(code, 0)) for code, word in HOW.items()}

    def _area_labels(self, ground: Layer, layer: Layer) -> npt.NDArray[Any]:
        """The area each support area lies in: by key where the same geography knows it, else by a point inside it."""
        found: npt.NDArray[Any] = self._once(
            ("area_labels", ground.digest, layer.digest, layer.level), lambda: self._label_areas(ground, layer)
        )
        return found

    def _label_areas(self, ground: Layer, layer: Layer) -> npt.NDArray[Any]:
        if layer.geography == ground.geography:
            own = self.atlas.layer(layer.geography, layer.edition, ground.level)
            position = own.positions(pd.Series(ground.keys))
            if (position >= 0).all():
                return self.atlas.ancestors(own, layer.level)[position]
        x, y = support.inner_points(ground.outlines)
        return support.label(x, y, layer.outlines).area

    # ---------------------------------------------------------------- which areas share ground

    def touching(self, source: Layer, target: Layer) -> pd.DataFrame:
        """All pairs with ground in common; exact where both are groups of the same support areas, by key."""
        if source.geography == target.geography and self.geography.street_register:
            ground = self._support_layer()
            pairs = pd.DataFrame(
                {name: self._area_labels(ground, layer) for name, layer in zip(PAIR, (source, target), strict=True)}
            )
            return pairs[(pairs[PAIR] >= 0).all(axis=1)].drop_duplicates()
        return self.pieces(source, target)

    def pieces(self, source: Layer, target: Layer) -> pd.DataFrame:
        """The square metres (`mass`) that areas share, without slivers."""
        found = self._overlay(source, target)
        return _within_municipality(source, target, found[~found["is_sliver"]].drop(columns="is_sliver"))

    def slivers(self, source: Layer, target: Layer) -> tuple[int, float]:
        """How many slivers an overlay dropped, and their square metres."""
        found = self._overlay(source, target)
        return int(found["is_sliver"].sum()), float(found.loc[found["is_sliver"], "mass"].sum())

    def _overlay(self, source: Layer, target: Layer) -> pd.DataFrame:
        def compute() -> pd.DataFrame:
            found = overlay.overlay(source.outlines, target.outlines)
            columns = {"source": found.source, "target": found.target, "mass": found.square_metres}
            return pd.DataFrame({**columns, "is_sliver": found.is_sliver})

        return self.stored("overlay", [source.digest, target.digest], compute)

    # ---------------------------------------------------------------- the store

    def stored(self, kind: str, parts: list[str], compute: Callable[[], pd.DataFrame]) -> pd.DataFrame:
        """A table by the hash of all it depends on: read where it is stored, else computed and stored."""
        path = self._store / f"{kind}-{_hash([kind, *CODE, *parts])}.parquet"
        if not path.is_file():
            write_frame(compute(), path)
            self.computed.add(path)
        elif path not in self.computed:
            self.reused.add(path)
        found: pd.DataFrame = self._once(path, lambda: read_frame(path))
        return found

    def _once(self, name: Any, compute: Callable[[], Any]) -> Any:
        """What was asked for before in this run is there."""
        if name not in self._known:
            self._known[name] = compute()
        return self._known[name]


def _within_municipality(source: Layer, target: Layer, pairs: pd.DataFrame) -> pd.DataFrame:
    """Pairs of one municipality: what a municipality's own areas hold stays in it, so that its total is kept.

    Editions of one geography are free of this: a municipality's own border may have moved.
    """
    if source.geography == target.geography:
        return pairs
    known = pairs[(pairs["source"] >= 0) & (pairs["target"] >= 0)]
    one, other = source.municipality[known["source"]], target.municipality[known["target"]]
    return pairs.drop(known.index[(one != other) & (one != "") & (other != "")])


def _hash(parts: list[str]) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:20]
