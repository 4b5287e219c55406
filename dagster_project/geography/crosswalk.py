"""Crosswalks: the weights by which figures of any geography or edition come onto the reporting edition.

Reads  geography/{area,area_ancestor}.parquet, support/{need,mass}.parquet (written by dbt: which crosswalks the
       observations in force need, and how many live on each support area), and the point files of region.yml.
Writes crosswalk/weight.parquet    what dbt applies: a weight per source area, target area, universe and day
       crosswalk/finding.parquet   what is to be known about each crosswalk, one number a row
       crosswalk/stored/           labels of points, overlays and weight tables: what is there is not computed again

Only what is needed is computed. Weights are formed on the finest published level of the reporting edition (or, for
another edition of the same geography, on the level the figures were delivered on) and summed up to those above.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from dagster_project.declarations import Geography, Region
from dagster_project.declarations.support import AREA, TRUTH
from dagster_project.geography import error, weights
from dagster_project.geography.ground import Ground, Held
from dagster_project.geography.layers import Atlas, Layer
from dagster_project.geography.weights import Masses
from dagster_project.tables import read_frame, write_frame

NEED_TYPES = {
    "source_geography": "varchar", "source_edition": "varchar", "source_level": "varchar",
    "universe": "varchar", "reference_date": "date",
}  # fmt: skip
WEIGHT_TYPES = {
    **NEED_TYPES,
    "source_area": "varchar", "geography": "varchar", "edition": "varchar", "level": "varchar", "area": "varchar",
    "level_rank": "integer", "base_rank": "integer", "weight": "double", "is_whole": "boolean", "basis": "varchar",
    "source_mass": "double", "overdispersion": "double", "share_of_target": "double", "coverage": "double",
}  # fmt: skip
FINDING_TYPES = {**NEED_TYPES, "finding": "varchar", "basis": "varchar", "number": "double"}

Positions = npt.NDArray[np.int64]


def build(
    region: Region, geography: Geography, folders: list[Path], areas: Path, needs: Path, output: Path
) -> dict[str, int]:
    """The weights for every need; returns how many tables were computed, reused, and how many weights there are.

    `geography` is the one the region reports on; `areas`, `needs` and `output` are the folders geography/, support/
    and crosswalk/. Raises `GeographyError` in German.
    """
    ground = Ground(region, geography, folders, Atlas(areas), needs / "mass.parquet", output / "stored")
    crosswalks = [_Crosswalk(ground, *need) for need in _needs(ground, needs / "need.parquet")]
    overdispersion = _overdispersion(ground, crosswalks)
    tables = [crosswalk.rows(overdispersion) for crosswalk in crosswalks]
    findings = [crosswalk.findings(overdispersion) for crosswalk in crosswalks]
    _write(tables, WEIGHT_TYPES, output / "weight.parquet")
    _write(findings, FINDING_TYPES, output / "finding.parquet")
    return {"computed": len(ground.computed), "reused": len(ground.reused), "weights": sum(map(len, tables))}


def _write(tables: list[pd.DataFrame], types: dict[str, str], path: Path) -> None:
    rows = pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=list(types))
    write_frame(rows[list(types)], path, types)


def _needs(ground: Ground, path: Path) -> Iterator[tuple[Layer, str, str]]:
    """Source layer, universe and reference date of every crosswalk the observations ask for."""
    rows = read_frame(path)
    for row in rows.sort_values(list(rows.columns)).itertuples():
        yield ground.atlas.layer(row.geography, row.edition, row.level), row.universe, str(row.reference_date)[:10]


def _overdispersion(ground: Ground, crosswalks: list[_Crosswalk]) -> dict[str, dict[str, float]]:
    """How unevenly people of one kind live, by universe and basis: fitted over all source layers, each on its last day.

    On support areas it is fitted with the first basis of the common ladder that has them, and holds for all of them. A
    universe that no truth is declared for has none on support areas, where its own figures tell it.
    """
    support = ground.region.support
    areas = next((name for name in support.ladder if support.bases[name].level is not None), None)
    fitted_with = {name: areas if basis.level is not None else name for name, basis in support.bases.items()}
    latest = {crosswalk.source.digest: crosswalk for crosswalk in sorted(crosswalks, key=lambda item: item.day)}
    wanted = {basis for basis in fitted_with.values() if basis is not None} | {AREA}
    found = [crosswalk.moments(basis) for crosswalk in latest.values() for basis in sorted(wanted)]
    rows = pd.concat(found) if found else error.moments(Masses(AREA, error.NO_PAIRS.assign(mass=0.0)), [], False)
    summed = rows.groupby(["basis", "truth"], as_index=False)[["numerator", "denominator"]].sum()
    fits: dict[str, dict[str, float]] = {}
    for universe in {crosswalk.universe for crosswalk in crosswalks}:
        truths = [f"{TRUTH}{name}" for name in support.truths.get(universe, [])]
        own = {basis: error.overdispersion(rows[rows["truth"].isin(truths)]) for basis, rows in summed.groupby("basis")}
        land = error.overdispersion(summed[summed["basis"] == AREA])
        fits[universe] = {AREA: land if land >= 0 else error.UNKNOWN_OF_AREA}
        for name, basis in fitted_with.items():
            fit = own.get(basis or "", np.nan)
            tells_itself = support.bases[name].level is not None and not truths
            fits[universe][name] = fit if fit >= 0 else np.nan if tells_itself else error.UNKNOWN
    return fits


class _Crosswalk:
    """From one source layer onto the reporting edition, for one universe and day."""

    def __init__(self, ground: Ground, source: Layer, universe: str, day: str) -> None:
        self.ground, self.source, self.universe, self.day = ground, source, universe, day
        self.levels = self._levels()
        self.target = ground.target(self.levels[0][1])
        self.absent = source.absent(day)
        self.ladder = {name: ground.held(name, day) for name in ground.region.support.ladder_of(universe)}

    def _levels(self) -> list[tuple[int, str]]:
        """Rank and id of the levels the figures come onto: their own or the finest published one, and those above."""
        geography, source = self.ground.geography, self.source
        ids = [level.id for level in geography.levels]
        own = ids.index(source.level) if source.geography == geography.id and source.level in ids else 0
        return [(rank, level.id) for rank, level in enumerate(geography.levels) if level.published and rank >= own]

    def rows(self, overdispersion: dict[str, dict[str, float]]) -> pd.DataFrame:
        """The weights onto each level, as rows of `WEIGHT_TYPES`."""
        rows = self.ground.stored("weights", self._depends_on(), self._weights)
        return rows.assign(
            **self._named(),
            geography=self.target.geography,
            edition=self.target.edition,
            base_rank=self.levels[0][0],
            overdispersion=rows["basis"].map(overdispersion[self.universe]),
        )

    def findings(self, overdispersion: dict[str, dict[str, float]]) -> pd.DataFrame:
        """What is to be known about this crosswalk, as rows of `FINDING_TYPES`."""
        rows = self.ground.stored("findings", self._depends_on(), self._findings)
        bases = rows.loc[rows["finding"] == "sources_on_basis", "basis"]
        fitted = pd.DataFrame(
            {"finding": "overdispersion", "basis": bases, "number": bases.map(overdispersion[self.universe])}
        )
        return pd.concat([rows, fitted.dropna()]).assign(**self._named())

    def _depends_on(self) -> list[str]:
        parts = [self.source.digest, self.target.digest, repr(self.levels), repr(self.absent.tolist())]
        return parts + [f"{name} {held.digest}" for name, held in self.ladder.items()]

    def _findings(self) -> pd.DataFrame:
        """One number a row; `basis` where it is about one rung of the ladder."""
        rungs = [*self._masses(), self._land()]
        weighted = weights.choose(rungs, error.NO_PAIRS)
        slivers, square_metres = self.ground.slivers(self.source, self.target) if not self._by_key() else (0, 0.0)
        rows: list[tuple[str, str | None, float]] = [
            ("sources", None, len(self.source.keys) - len(self.absent)),
            ("sources_without_target", None, len(self.source.keys) - len(self.absent) - weighted["source"].nunique()),
            ("sources_split", None, int((weighted.groupby("source").size() > 1).sum())),
            ("targets_without_source", None, len(self.target.keys) - weighted["target"].nunique()),
            ("slivers", None, slivers),
            ("square_metres_of_slivers", None, square_metres),
            ("round_trip_error", None, weights.round_trip_error(rungs)),
        ]
        on_basis = weighted.drop_duplicates("source")["basis"].value_counts().sort_index()
        rows += [("sources_on_basis", str(basis), int(number)) for basis, number in on_basis.items()]
        for name, held in self.ladder.items():
            for where, layer in (("source", self.source), ("target", self.target)):
                if held.points is not None:
                    doubtful = self.ground.doubtful_points(held.points, layer)
                    rows += [(f"{where}_{word}", name, number) for word, number in doubtful.items()]
        return pd.DataFrame(rows, columns=["finding", "basis", "number"]).astype({"number": "float64"})

    def moments(self, basis: str) -> pd.DataFrame:
        """How far this crosswalk's weights of one basis miss what is known."""
        ground = self.ground
        held = next(iter(self.ladder.values()), None) if basis == AREA else ground.held(basis, self.day)
        if held is None:
            return error.moments(self._land(), [], is_universe=False)
        truths = [held] if basis == AREA else ground.truths(basis, self.day)
        parts = [self.source.digest, self.target.digest, basis, held.digest, *(truth.digest for truth in truths)]

        def compute() -> pd.DataFrame:
            masses = self._land() if basis == AREA else self._mass(held)
            is_universe = basis != AREA and held.points is None
            return error.moments(masses, [self._mass(truth) for truth in truths], is_universe)

        return ground.stored("moments", parts, compute)

    # ---------------------------------------------------------------- weights

    def _weights(self) -> pd.DataFrame:
        rungs = [*self._masses(), self._land()]
        base = weights.choose(rungs, self._touching())
        counted = {rung.basis for name, rung in zip(self.ladder, rungs, strict=False) if not self.ladder[name].points}
        found = []
        for rank, level in self.levels:
            layer = self.ground.target(level)
            above = self._above(level)
            shares, covered = weights.coverage([rung.lifted(above) for rung in rungs], len(layer.keys))
            rows = weights.coarser(base, above).merge(shares, on=weights.PAIR, how="left")
            found.append(
                pd.DataFrame(
                    {
                        "source_area": self.source.keys[rows["source"]],
                        "level": level,
                        "level_rank": rank,
                        "area": layer.keys[rows["target"]],
                        "weight": rows["weight"],
                        "is_whole": rows["is_whole"],
                        "basis": rows["basis"],
                        "source_mass": rows["source_mass"].where(rows["basis"].isin(counted)),
                        "share_of_target": rows["share"].fillna(0.0),
                        "coverage": covered.reindex(rows["target"]).to_numpy(),
                    }
                )
            )
            # a target that no source touches is there as well, without any source
            alone = np.setdiff1d(np.arange(len(layer.keys)), rows["target"])
            nobody = {"source_area": None, "weight": 0.0, "is_whole": False, "share_of_target": 0.0, "coverage": 0.0}
            found.append(pd.DataFrame({"level": level, "level_rank": rank, "area": layer.keys[alone]}).assign(**nobody))
        return pd.concat(found, ignore_index=True)

    def _above(self, level: str) -> Positions:
        """For each target area the position of the one above it on a level, or its own."""
        if level == self.target.level:
            return np.arange(len(self.target.keys))
        return self.ground.atlas.ancestors(self.target, level)

    def _masses(self) -> list[Masses]:
        return [self._mass(held) for held in self.ladder.values()]

    def _mass(self, held: Held) -> Masses:
        return self._existing(self.ground.masses(held, self.source, self.target))

    def _land(self) -> Masses:
        """Plain area, the last rung of every ladder."""
        return self._existing(Masses(AREA, self.ground.pieces(self.source, self.target)))

    def _touching(self) -> pd.DataFrame:
        pairs = self.ground.touching(self.source, self.target)
        return pairs[~pairs["source"].isin(self.absent)]

    def _existing(self, masses: Masses) -> Masses:
        """What lies in a source area that does not exist on the day lies in none: its people were counted elsewhere."""
        if not len(self.absent):
            return masses
        pairs = masses.pairs.assign(source=masses.pairs["source"].where(~masses.pairs["source"].isin(self.absent), -1))
        return Masses(masses.basis, pairs.groupby(weights.PAIR)["mass"].sum().reset_index())

    def _by_key(self) -> bool:
        return self.source.geography == self.target.geography and bool(self.ground.geography.street_register)

    def _named(self) -> dict[str, str]:
        source = self.source
        return dict(
            zip(NEED_TYPES, (source.geography, source.edition, source.level, self.universe, self.day), strict=True)
        )
