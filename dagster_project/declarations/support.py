"""What figures of other boundaries are carried over by: support points, the weights on them, and the order of trust.

Reads and writes nothing.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from dagster_project.declarations.base import DecimalSign, Declared, Delimiter, Encoding, Identifier, unique

RESIDENTS: Identifier = "residents"
AREA: Identifier = "area"
COUNT: Identifier = "count"
TRUTH = "truth:"  # in front of a measure that is no weight, but whose true split is known


class PointFile(Declared):
    """A text file with a row per point: an address, a grid cell, an inhabited place.

    `weights` names the columns that hold how many live there; without any each point counts one. A number below
    `minimum` is a sign of the publisher (“not told”) and counts nothing. A point in several files is one point.
    """

    file: str
    delimiter: Delimiter = ";"
    encoding: Encoding = "utf-8"
    decimal: DecimalSign = "."
    columns: list[str] = Field(default_factory=list, description="names of the columns where the file has no header")
    comment: str | None = Field(default=None, description="how lines begin that are no rows")
    x: str
    y: str
    weights: dict[Identifier, str] = Field(default_factory=dict)
    minimum: float = 0.0
    three_decimals: bool = Field(
        default=False, description="three digits behind the decimal sign of a weight are decimals, not thousands"
    )


class Totals(Declared):
    """Totals of coarser cells, by the middle of each, that the points inside them are scaled to."""

    file: PointFile
    cell_metres: float = Field(gt=0)

    @model_validator(mode="after")
    def one_weight(self) -> Totals:
        if len(self.file.weights) != 1:
            raise ValueError("file: declare exactly one weight, the total")
        return self


class Points(Declared):
    """A set of support points in files of one coordinate system.

    A point that lies in no area of a geography belongs to the nearest one within `within_metres`, else to none.
    `inside_percent` of the points at least lie in areas of the region; less where the files cover more than the region.
    `cell_metres`: a point is the middle of a square cell, over which its weights are spread evenly.
    """

    title: str
    licence: str
    origin: str = Field(description="where the official files are obtained")
    crs: Annotated[str, Field(pattern=r"^EPSG:\d+$")]
    files: list[PointFile] = Field(min_length=1)
    within_metres: float = Field(default=0.0, ge=0)
    inside_percent: float = Field(default=50.0, ge=0, le=100)
    cell_metres: float | None = Field(default=None, gt=0)
    totals: Totals | None = None

    @property
    def all_files(self) -> list[PointFile]:
        return [*self.files, *([self.totals.file] if self.totals else [])]


class Basis(Declared):
    """One kind of weight: sums over points of a file, or over areas of the finest level by what records count there.

    `sum` names weights of the points (`count` is how many rows hold the point), or measures, and their factors; points
    without any count one each. `scaled`: the sums are scaled to the totals declared for the points.
    """

    points: Identifier | None = None
    level: Identifier | None = None
    sum: dict[Identifier, float] = Field(default_factory=dict)
    scaled: bool = False

    @model_validator(mode="after")
    def one_support(self) -> Basis:
        if (self.points is None) == (self.level is None):
            raise ValueError("declare either points (a set of points) or level (areas that records are placed on)")
        if self.level is not None and not self.sum:
            raise ValueError("a level needs sum: the measures whose counts are the weights")
        return self


class Support(Declared):
    """How a region carries figures over from one geography or edition to another.

    A ladder lists bases from the best to the last resort; a source area takes the first on which it has any weight at
    all, and its plain area where it has none. `universes` holds a ladder for each universe of which measures speak.
    `truths` are measures of records, or weights of points, whose true split is known and who live as unevenly as a
    universe does: its error is fitted on them. A universe without any takes the larger one that its own figures tell.
    """

    points: dict[Identifier, Points] = Field(default_factory=dict)
    bases: dict[Identifier, Basis] = Field(default_factory=dict)
    ladder: list[Identifier] = Field(default_factory=list, description="for every universe without one of its own")
    universes: dict[Identifier, list[Identifier]] = Field(default_factory=dict)
    truths: dict[Identifier, list[Identifier]] = Field(
        default_factory=dict, description="by universe: measures or weights that live as unevenly as it, split known"
    )

    @model_validator(mode="after")
    def names_are_declared(self) -> Support:
        if AREA in self.bases:
            raise ValueError(f"bases: {AREA} is the last rung of every ladder and not declared")
        for name, basis in self.bases.items():
            if basis.points is not None and basis.points not in self.points:
                raise ValueError(f"bases.{name}: {basis.points} is not declared under points")
            if basis.points is not None:
                known = {COUNT, *(weight for file in self.points[basis.points].files for weight in file.weights)}
                if basis.scaled and self.points[basis.points].totals is None:
                    raise ValueError(f"bases.{name}: scaled needs totals of the points {basis.points}")
                unknown = sorted(set(basis.sum) - known)
                if unknown:
                    raise ValueError(f"bases.{name}: the points have no weight {', '.join(unknown)}")
        for universe, ladder in {"": self.ladder, **self.universes}.items():
            unique("ladder", ladder)
            unknown = sorted(set(ladder) - set(self.bases))
            if unknown:
                raise ValueError(f"ladder {universe}: {', '.join(unknown)} is not declared under bases")
        return self

    @property
    def known_splits(self) -> list[Identifier]:
        """Every measure or weight whose true split is known, once."""
        return list(dict.fromkeys(name for names in self.truths.values() for name in names))

    def ladder_of(self, universe: str) -> list[Identifier]:
        """The bases of a universe from the best to the last resort; plain area, the very last, is not among them."""
        return self.universes.get(universe, self.ladder)
