"""What a region specification and the layouts declare.

Reads `<region>.yml` and the package's own `layouts.yml`; writes nothing. Unknown keys are errors, as
everywhere in the project.
"""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Annotated, Literal, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, model_validator

DirtName = Literal[
    "cp1252",
    "bom",
    "decimal_comma",
    "lost_leading_zeros",
    "footer",
    "duplicate_persons",
    "impossible_birth_dates",
    "unknown_birth_days",
    "unknown_street",
    "address_off_register",
    "wrong_municipality",
    "late_delivery",
    "truncated",
    "corrected_second_version",
    "revised_history",
    "changed_code_list",
    "column_swap",
    "symbols",
]
YearlyRate = dict[int, float]
Share = Annotated[float, Field(ge=0, le=1)]


class Declared(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


AnyDeclared = TypeVar("AnyDeclared", bound=Declared)


class Enclave(Declared):
    """An area that lies wholly inside another one and takes some of its blocks."""

    area: str
    within: str
    blocks: int = Field(gt=0)


class Scattered(Declared):
    """An area with a second part: some blocks inside another area."""

    area: str
    within: str
    blocks: int = Field(gt=0)


class Territory(Declared):
    """Size and grain of the settlement; lengths in metres of EPSG:25832, areas in km²."""

    centre: tuple[float, float]
    area_km2: float = Field(gt=0)
    blocks: int = Field(gt=0)
    residents_per_address: float = Field(gt=0)
    residents_per_polling_district: float = Field(gt=0)
    residents_per_postal_district: float = Field(gt=0)
    residents_per_school: float = Field(gt=0)
    residents_per_kita: float = Field(gt=0)
    residents_per_shelter: float = Field(gt=0)
    thin_residents: float = Field(gt=0, description="residents of each thinly populated area")
    enclaves: list[Enclave] = []
    scattered: list[Scattered] = []


class Level(Declared):
    """One level from fine to coarse: the keys' first characters, the municipalities, or one constant key."""

    id: str
    key_length: int | None = None
    municipality: bool = False
    key: str | None = None
    name: str | None = None
    names: dict[str, str] = {}

    @model_validator(mode="after")
    def one_kind(self) -> Level:
        if (self.key_length is not None) + self.municipality + (self.key is not None) != 1:
            raise ValueError("declare exactly one of: key_length, municipality, key")
        return self


class Split(Declared):
    """In this edition a part of the area was an area of its own."""

    area: str
    key: str
    name: str


class Swap(Declared):
    """In this edition some blocks of the area belonged to its neighbour."""

    area: str
    neighbour: str
    blocks: int = Field(gt=0)


class Edition(Declared):
    """A state of the areas; the last edition is the one the municipalities' area lists describe."""

    id: str
    valid_from: date
    valid_to: date | None = None
    splits: list[Split] = []
    swaps: list[Swap] = []


class History(Declared):
    """Rates of the years; persons per person and year unless the name says otherwise."""

    first_year: int
    last_year: int
    growth: YearlyRate
    foreign_share: Share
    foreign_arrivals: Share
    refugee_arrivals: YearlyRate
    sgb2_rate: YearlyRate
    wohngeld_rate: YearlyRate
    unemployment_sgb3_rate: YearlyRate
    school_entry_coverage: YearlyRate
    retirement_age_months: dict[int, int]
    poverty_length_km: float = Field(gt=0)
    poverty_contrast: float = Field(ge=0, le=0.9)
    grid_state_of: int

    @property
    def years(self) -> list[int]:
        return list(range(self.first_year, self.last_year + 1))

    @model_validator(mode="after")
    def every_year_has_rates(self) -> History:
        for name in ("growth", "refugee_arrivals", "school_entry_coverage"):
            self._complete(name, self.years)
        for name in ("sgb2_rate", "wohngeld_rate", "unemployment_sgb3_rate", "retirement_age_months"):
            self._complete(name, [self.first_year - 1, *self.years])
        return self

    def _complete(self, name: str, years: list[int]) -> None:
        missing = [year for year in years if year not in getattr(self, name)]
        if missing:
            raise ValueError(f"{name}: no value for {', '.join(map(str, missing))}")


class Election(Declared):
    id: str
    title: str
    date: date
    minimum_age: int
    union_citizens: bool
    turnout: Share
    postal: Share


class Municipality(Declared):
    ags: Annotated[str, Field(pattern=r"^\d{8}$")]
    name: str
    postal_code: str
    residents: int = Field(gt=0)
    software: str
    areas: dict[str, str]


class Dirt(Declared):
    """One kind of dirt on the deliveries of one sender, source and list of periods."""

    name: DirtName
    sender: str
    source: str
    periods: list[str]
    rate: Share = 0.005
    keep: Share = 1.0
    fields: list[str] = []
    codes: dict[str, str] = {}


class Region(Declared):
    id: str
    title: str
    sender: str = Field(description="inbox folder of the departments that serve the whole region")
    federal_state_prefix: Annotated[str, Field(pattern=r"^DE[A-Z]{2}$")]
    territory: Territory
    levels: list[Level] = Field(min_length=2)
    editions: list[Edition] = Field(min_length=1)
    history: History
    elections: list[Election]
    suppress_below: int = Field(description="the employment agency hides smaller numbers than this, but not 0")
    municipalities: list[Municipality] = Field(min_length=1)
    thin: list[str] = []
    dirt: list[Dirt] = []
    demo_dirt: list[DirtName] = Field(default=[], description="what a first look shows: faults no delivery fails on")

    @property
    def areas(self) -> list[str]:
        return [key for municipality in self.municipalities for key in municipality.areas]

    @model_validator(mode="after")
    def areas_are_known(self) -> Region:
        known = set(self.areas)
        if len(known) != len(self.areas):
            raise ValueError("municipalities: an area key stands twice")
        used = [*self.thin]
        placed: list[Enclave | Scattered] = [*self.territory.enclaves, *self.territory.scattered]
        used += [key for item in placed for key in (item.area, item.within)]
        for edition in self.editions:
            used += [item.area for item in edition.splits]
            used += [key for item in edition.swaps for key in (item.area, item.neighbour)]
        unknown = sorted(set(used) - known)
        if unknown:
            raise ValueError(f"no such area: {', '.join(unknown)}")
        if self.editions[-1].splits or self.editions[-1].swaps:
            raise ValueError("editions: the last one is described by the area lists and has no splits or swaps")
        return self

    def edition_of(self, day: date) -> Edition:
        return next(item for item in self.editions if item.valid_to is None or day <= item.valid_to)


class Format(Declared):
    """How a file is written."""

    delimiter: str
    encoding: Literal["utf-8", "utf-8-sig", "cp1252"]
    quote: bool = False
    date: str = "%Y-%m-%d"
    decimal: Literal[".", ","] = "."
    street_key: Literal["padded", "plain", "with_ags"] = "padded"
    codes: dict[str, dict[str, str]] = {}


class Layout(Declared):
    """One kind of file: name pattern, columns (name in the file: field) and format."""

    file: str
    columns: dict[str, str]
    format: Format
    sender: Literal["municipality", "region"] = "municipality"
    folder: str | None = None
    header: bool = True
    preamble: list[str] = []

    def column_of(self, field: str) -> str:
        return next(column for column, name in self.columns.items() if name == field)


class Nationality(Declared):
    key: str
    iso: str
    union: bool
    share: float
    refugee: float
    refugee_since: int | None = Field(default=None, description="first year; these refugees get SGB II from then on")


class StreetWords(Declared):
    stems: list[str]
    endings: list[str]


class Layouts(Declared):
    """`layouts.yml`: nationalities, street words, the register software and the other departments."""

    nationalities: list[Nationality]
    streets: StreetWords
    software: dict[str, dict[str, Layout]]
    departments: dict[str, Layout]


def read_region(path: Path) -> Region:
    """The region specification; raises `ValueError` (pydantic's own) that names every wrong key."""
    return _validated(Region, yaml.safe_load(path.read_text(encoding="utf-8")), path)


def read_layouts(path: Path | None = None) -> Layouts:
    """The package's layouts, each register layout with the format of its software."""
    path = path or Path(__file__).with_name("layouts.yml")
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    content.pop("_iso", None)
    for software in content["software"].values():
        shared = software.pop("format")
        for layout in software.values():
            layout["format"] = shared
    return _validated(Layouts, content, path)


def _validated(model: type[AnyDeclared], content: object, path: Path) -> AnyDeclared:
    try:
        return model.model_validate(content)
    except ValueError as error:
        raise ValueError(f"{path.name}: {error}") from error
