"""What people declare: region, geographies, contracts, indicators and expectation suites.

Reads  sources/<region>/region.yml, sources/<region>/geographies/*.yml, sources/<region>/contracts/*.yml,
       dbt/indicators/*.yml, expectations/*.yml.
Writes nothing. `load` validates every file and every cross-reference and raises one `DeclarationError`
that lists all mistakes with file, key, allowed values and the fix.
"""

from __future__ import annotations

import re
from collections.abc import Hashable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from dagster_project.settings import Project

Identifier = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
Scalar = str | int | float
Delimiter = Annotated[str, Field(min_length=1, max_length=1)]
Encoding = Literal["utf-8", "cp1252", "latin-1"]
DecimalSign = Literal[",", "."]


class Declared(BaseModel):
    """Base of all declarations: unknown keys are errors, values never change after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True)


AnyDeclared = TypeVar("AnyDeclared", bound=Declared)


# ---------------------------------------------------------------- geography


class Parent(Declared):
    """How an area finds its parent one level up; exactly one of the three."""

    prefix: int | None = None
    constant: str | None = None
    attribute: str | None = None

    @model_validator(mode="after")
    def exactly_one(self) -> Parent:
        if sum(value is not None for value in (self.prefix, self.constant, self.attribute)) != 1:
            raise ValueError("declare exactly one of: prefix, constant, attribute")
        return self


class Level(Declared):
    """One level of a geography; the list in the geography runs from fine to coarse."""

    id: Identifier
    name: str
    plural: str
    key: str = Field(description="regular expression every key of this level matches")
    parent: Parent | None = None

    @field_validator("key")
    @classmethod
    def key_is_a_pattern(cls, value: str) -> str:
        return _compiled(value)


class Repair(Declared):
    """A correction of a publisher's file, guarded: it must find exactly `rows` features, else it fails loudly."""

    where: dict[str, Scalar]
    set: dict[str, Scalar]
    rows: int = 1
    reason: str


class Layer(Declared):
    """Where one level of one edition comes from: a file, or the union of the level below."""

    file: str | None = None
    crs: str | None = Field(default=None, description="only where the file states none")
    key: str | None = Field(default=None, description="attribute that holds the key")
    key_last: int | None = Field(default=None, description="take only the last n characters of that attribute")
    name: str | None = Field(default=None, description="attribute that holds the name")
    outline: Literal["file", "dissolve"] = "file"
    names: dict[str, str] = Field(default_factory=dict, description="key and name of areas that have no file")
    repairs: list[Repair] = Field(default_factory=list)

    @model_validator(mode="after")
    def file_or_names(self) -> Layer:
        if self.file is None and not self.names:
            raise ValueError("declare either file (with key and name) or names (key: name)")
        if self.file is not None and (self.key is None or self.name is None):
            raise ValueError("a layer with a file needs key and name, the attributes that hold them")
        if self.file is None and self.outline == "file":
            raise ValueError("a layer without a file needs outline: dissolve")
        return self


class Lifetime(Declared):
    """When a single area of an edition came into being or ceased, if not with the edition."""

    valid_from: date | None = None
    valid_to: date | None = None


class Edition(Declared):
    """One state of the boundaries."""

    id: Annotated[str, Field(pattern=r"^[0-9A-Za-z_-]+$")]
    title: str
    valid_from: date
    valid_to: date | None = None
    overlap_tolerance_m2: float = 1.0
    nesting_tolerance_m2: float = 1.0
    layers: dict[str, Layer]
    areas: dict[str, Lifetime] = Field(default_factory=dict)


class Geography(Declared):
    """A division of the territory into areas on nested levels."""

    id: Identifier
    title: str
    publisher: str
    licence: str
    origin: str = Field(description="where the official files are obtained")
    levels: list[Level] = Field(min_length=1)
    editions: list[Edition] = Field(min_length=1)

    def level_rank(self, level: str) -> int:
        return [item.id for item in self.levels].index(level)

    def edition(self, edition: str) -> Edition:
        return next(item for item in self.editions if item.id == edition)

    @model_validator(mode="after")
    def levels_and_layers_agree(self) -> Geography:
        ids = [level.id for level in self.levels]
        for edition in self.editions:
            if set(edition.layers) != set(ids):
                raise ValueError(
                    f"edition {edition.id}: layers must be exactly the levels {', '.join(ids)}; "
                    f"found {', '.join(edition.layers)}"
                )
        for level in self.levels[:-1]:
            if level.parent is None:
                raise ValueError(f"level {level.id}: parent is missing (only the coarsest level has none)")
        if self.levels[-1].parent is not None:
            raise ValueError(f"level {self.levels[-1].id}: the coarsest level has no parent")
        return self


# ---------------------------------------------------------------- contracts


class Symbol(Declared):
    """What a text in a value column means when it is not a plain number.

    `when_all` narrows it: the symbol only counts where all those columns of the row carry it.
    """

    symbol: str
    means: Literal["zero", "missing", "suppressed", "not_applicable"]
    columns: list[str] | None = None
    when_all: list[str] | None = None


class SkipRows(Declared):
    """Rows that are no data (footers, notes): the pattern meets the whole key column; at most `at_most` of them."""

    key: str
    at_most: int = 1
    reason: str

    @field_validator("key")
    @classmethod
    def key_is_a_pattern(cls, value: str) -> str:
        return _compiled(value)


RESERVED_COLUMNS = ("area", "position", "row")


class Column(Declared):
    """One column of a delivery, under the name the product uses; `aliases` are other names senders use.

    Names are compared without regard to case.
    """

    name: Identifier
    aliases: list[str] = Field(default_factory=list)
    role: Literal["key", "period", "value", "ignore"] = "value"
    type: Literal["text", "integer", "number"] = "integer"
    required: bool = True
    pad: int | None = Field(default=None, description="restore lost leading zeros up to this many digits")
    format: str | None = Field(default=None, description="strftime format a period column carries")
    minimum: float | None = None
    maximum: float | None = None
    dimensions: dict[Identifier, Scalar] = Field(default_factory=dict)
    description: str = ""

    @field_validator("name")
    @classmethod
    def name_is_free(cls, value: str) -> str:
        if value in RESERVED_COLUMNS:
            raise ValueError(f"{', '.join(RESERVED_COLUMNS)} name columns of every landed row: choose another, "
                             "the sender's own may stand under aliases")
        return value

    @property
    def names(self) -> list[str]:
        return [name.casefold() for name in (self.name, *self.aliases)]


class FileLayout(Declared):
    """File names of one layout of a delivery and what they tell; other fields override the contract's."""

    name: str = Field(description="regular expression over the whole file name, with named groups")
    period: str = Field(description="ISO 8601 period, with {groups} of the file name")
    edition: str = Field(description="edition of the geography the areas are in")
    level: str
    delimiter: Delimiter | None = None
    encoding: Encoding | None = None
    decimal: DecimalSign | None = None
    columns: list[Column] = Field(default_factory=list, description="columns that differ in this layout")
    symbols: list[Symbol] = Field(default_factory=list, description="further symbols of this layout")

    @field_validator("name")
    @classmethod
    def name_is_a_pattern(cls, value: str) -> str:
        return _compiled(value)


class ReferenceDate(Declared):
    """The day the numbers of a period speak of, where it is not the last day of the period."""

    years: int = 0
    day: Annotated[str, Field(pattern=r"^\d{2}-\d{2}$")] = "12-31"


class Contract(Declared):
    """What a department delivers and what must hold for it."""

    id: Identifier
    title: str
    description: str
    owner: str
    origin: str
    licence: str
    legal_basis: str
    purpose: str
    cadence: Literal["yearly", "half_yearly", "quarterly", "monthly", "every_two_years", "event"]
    publication: Literal["already_public", "protected"]
    folder: str
    geography: Identifier
    delimiter: Delimiter = ";"
    encoding: Encoding = "utf-8"
    decimal: DecimalSign = ","
    reference_date: ReferenceDate | None = None
    other_columns: Literal["refuse", "ignore"] = "refuse"
    rejected_rows_at_most: float = Field(default=0.0, ge=0, le=1, description="share of rows")
    files: list[FileLayout] = Field(min_length=1)
    skip_rows: list[SkipRows] = Field(default_factory=list)
    symbols: list[Symbol] = Field(default_factory=list)
    columns: list[Column] = Field(min_length=1)

    @model_validator(mode="after")
    def columns_are_consistent(self) -> Contract:
        _unique("columns", [name for column in self.columns for name in column.names])
        if sum(column.role == "key" for column in self.columns) != 1:
            raise ValueError("columns: exactly one column has role: key")
        value_columns = {column.name for column in self.columns if column.role == "value"}
        if not value_columns:
            raise ValueError("columns: at least one column has role: value")
        declared = {column.name for column in self.columns}
        for layout in self.files:
            for symbol in [*self.symbols, *layout.symbols]:
                unknown = {*(symbol.columns or []), *(symbol.when_all or [])} - value_columns
                if unknown:
                    raise ValueError(
                        f"symbols: {', '.join(sorted(unknown))} is no value column; "
                        f"allowed: {', '.join(sorted(value_columns))}"
                    )
            unknown = {column.name for column in layout.columns} - declared
            if unknown:
                raise ValueError(f"files: columns may only override declared columns, not {', '.join(unknown)}")
        return self

    @property
    def key(self) -> Column:
        return next(column for column in self.columns if column.role == "key")

    @property
    def dimensions(self) -> dict[str, str]:
        """Names of the dimensions of all columns and their SQL types."""
        found: dict[str, str] = {}
        for column in self.columns:
            for name, value in column.dimensions.items():
                found[name] = "integer" if isinstance(value, int) else "varchar"
        return found

    @property
    def landed_columns(self) -> dict[str, str]:
        """Names and SQL types of a landed row: where and when, which column, its dimensions, value and status."""
        texts = ("delivery", "source", "municipality", "geography", "edition", "level", "period")
        return {
            **dict.fromkeys(texts, "varchar"),
            "reference_date": "date",
            "row": "bigint",
            "area": "varchar",
            "column_name": "varchar",
            **self.dimensions,
            "value": "double",
            "status": "varchar",
        }


# ---------------------------------------------------------------- indicators


class Years(Declared):
    """A span of period years; open where a bound is left out."""

    from_year: int | None = None
    to_year: int | None = None


class Reported(Declared):
    """A measure that the source delivers as a finished figure, with the precision it is printed in."""

    measure: Identifier
    decimals: int


class Component(Declared):
    indicator: Identifier
    weight: float = 1.0


class Composition(Declared):
    """What an index is made of in a span of periods.

    `precision: counts` forms the inputs anew from numerator and denominator where both are known;
    `as_reported` takes them with the digits the source prints.
    """

    periods: Years = Years()
    precision: Literal["counts", "as_reported"] = "as_reported"
    components: list[Component] = Field(min_length=1)


class IndexClass(Declared):
    """A class of an index; `below` is an open, `up_to` a closed upper bound; the last class has none."""

    name: str
    below: float | None = None
    up_to: float | None = None


class Exclusion(Declared):
    area: str
    periods: Years = Years()
    reason: str


class MinimumPopulation(Declared):
    measure: Identifier
    value: int


class Index(Declared):
    """Standardise (population standard deviation, unweighted over the valid areas), sum, standardise, classify."""

    minimum_population: MinimumPopulation | None = None
    excluded_areas: list[Exclusion] = Field(default_factory=list)
    compositions: list[Composition] = Field(min_length=1)
    classes: list[IndexClass] = Field(min_length=2)

    @model_validator(mode="after")
    def classes_ascend(self) -> Index:
        bounds = [item.below if item.below is not None else item.up_to for item in self.classes]
        if bounds[-1] is not None or None in bounds[:-1]:
            raise ValueError("classes: every class but the last needs below or up_to")
        if any(item.below is not None and item.up_to is not None for item in self.classes):
            raise ValueError("classes: declare either below or up_to, not both")
        inner = [bound for bound in bounds if bound is not None]
        if inner != sorted(inner):
            raise ValueError("classes: the bounds must ascend")
        return self


class Change(Declared):
    """The difference of an indicator to itself some years before."""

    indicator: Identifier
    years: int = Field(gt=0)
    relative: bool = False


class Indicator(Declared):
    """One row of the catalogue; `kind` says which fields it needs."""

    id: Identifier
    name: str
    short_name: str
    kind: Literal["count", "share", "rate", "reported_share", "reported_change", "change", "index"]
    theme: Identifier
    theme_name: str
    unit: Literal["persons", "percent", "percentage_points", "per_100", "per_1000", "standard_deviations"]
    unit_label: str
    decimals: int = Field(ge=0, le=6)
    direction: Literal["burden", "favourable", "neutral"]
    sort_order: int
    periods: Years = Years()
    definition: str
    formula: str
    limits: str
    source_note: str
    responsible: str
    numerator: Identifier | None = None
    denominator: Identifier | None = None
    factor: float = 100.0
    reported: Reported | None = None
    change: Change | None = None
    index: Index | None = None

    @model_validator(mode="after")
    def fields_fit_the_kind(self) -> Indicator:
        needed = {
            "count": {"numerator"},
            "share": {"numerator", "denominator"},
            "rate": {"numerator", "denominator"},
            "reported_share": {"reported", "denominator"},
            "reported_change": {"reported", "change"},
            "change": {"change"},
            "index": {"index"},
        }[self.kind]
        optional = {"numerator", "denominator", "reported", "change", "index"}
        given = {name for name in optional if getattr(self, name) is not None}
        if given != needed:
            raise ValueError(
                f"kind {self.kind} needs {', '.join(sorted(needed))}; found {', '.join(sorted(given)) or 'none'}"
            )
        return self


# ---------------------------------------------------------------- expectations


class Check(Declared):
    """One judgement over the data: a frame of rows and what is expected of it."""

    name: Identifier
    frame: str = Field(description="SQL that yields the rows to judge")
    keys: list[str] = Field(min_length=1, description="columns that name a row; they must hold nothing personal")
    expect: dict[str, Any] = Field(description="a Great Expectations expectation: type and its arguments")
    severity: Literal["critical", "warning"]
    responsible: str
    why: str
    may_be_empty: bool = Field(default=False, description="whether a frame without rows is in order")

    @field_validator("expect")
    @classmethod
    def expectation_has_a_type(cls, value: dict[str, Any]) -> dict[str, Any]:
        if not str(value.get("type", "")).startswith("expect_"):
            raise ValueError("expect: type is missing, e.g. type: expect_column_values_to_not_be_null")
        return value


class Suite(Declared):
    """The checks of one gate; at gate 1 for one source, or for all where `source` is left out."""

    id: Identifier
    gate: Literal[1, 2]
    source: Identifier | None = None
    checks: list[Check] = Field(min_length=1)


# ---------------------------------------------------------------- region


class Municipality(Declared):
    id: str = Field(description="official municipality key, text with leading zeros")
    name: str


class Region(Declared):
    """A town or county with everything the product needs to know about it."""

    id: Identifier
    name: str
    crs: Annotated[str, Field(pattern=r"^EPSG:\d+$")]
    geography: Identifier
    reporting_edition: str
    municipality_level: Identifier
    municipalities: list[Municipality] = Field(min_length=1)
    population: Identifier = Field(description="measure shown as an area's population")
    licence_note: str


@dataclass(frozen=True)
class Declarations:
    """All that is declared for one region, cross-checked."""

    region: Region
    geographies: dict[str, Geography]
    contracts: dict[str, Contract]
    indicators: dict[str, Indicator]
    suites: dict[str, Suite]

    @property
    def geography(self) -> Geography:
        """The geography the region reports on."""
        return self.geographies[self.region.geography]

    def suites_for(self, gate: int, source: str | None = None) -> list[Suite]:
        """The suites of a gate; at gate 1 those of the source and those of all sources."""
        return [
            suite for suite in self.suites.values() if suite.gate == gate and suite.source in (None, source)
        ]


@dataclass(frozen=True)
class Mistake:
    """One thing that is wrong in a declaration."""

    file: str
    key: str
    problem: str

    def __str__(self) -> str:
        return f"{self.file}: {self.key}: {self.problem}" if self.key else f"{self.file}: {self.problem}"


class DeclarationError(Exception):
    """Declarations that cannot be used; `mistakes` lists every one of them."""

    def __init__(self, mistakes: list[Mistake]) -> None:
        self.mistakes = mistakes
        super().__init__("\n".join(str(mistake) for mistake in mistakes))


# ---------------------------------------------------------------- loading


def regions(project: Project) -> list[str]:
    """Ids of all regions that are declared, in alphabetical order."""
    return sorted(path.parent.name for path in project.sources.glob("*/region.yml"))


def load(project: Project, region: str) -> Declarations:
    """All declarations of one region.

    Raises `DeclarationError` with every mistake found in any file or between files.
    """
    folder = project.sources / region
    if not (folder / "region.yml").is_file():
        known = ", ".join(regions(project)) or "none"
        raise DeclarationError(
            [Mistake(f"sources/{region}/region.yml", "", f"there is no such region; declared: {known}")]
        )
    mistakes: list[Mistake] = []
    declared_region = _read(folder / "region.yml", Region, project, mistakes, identity=region)
    geographies = _read_all(folder / "geographies", Geography, project, mistakes)
    contracts = _read_all(folder / "contracts", Contract, project, mistakes)
    indicators = _read_all(project.indicators, Indicator, project, mistakes)
    suites = _read_all(project.expectations, Suite, project, mistakes)
    if mistakes or declared_region is None:
        raise DeclarationError(mistakes)
    declarations = Declarations(declared_region, geographies, contracts, indicators, suites)
    mistakes = [
        *_region_references(project, declarations),
        *_contract_references(project, declarations),
        *_indicator_references(project, declarations),
        *_suite_references(project, declarations),
    ]
    if mistakes:
        raise DeclarationError(mistakes)
    return declarations


def measures(project: Project) -> set[str]:
    """Every measure an observation model yields, as the accepted values of its column `measure` say."""
    found: set[str] = set()
    for path in sorted((project.dbt / "models" / "observations").glob("obs_*.yml")):
        for model in yaml.load(path.read_text(encoding="utf-8"), Loader=_StrictLoader)["models"]:
            for column in model.get("columns", []):
                if column["name"] == "measure":
                    for test in column["data_tests"]:
                        found.update(test["accepted_values"]["arguments"]["values"])
    return found


def all_contracts(project: Project) -> dict[str, Contract]:
    """The contracts of all regions by id; where regions share an id, the first region's stands for it.

    Raises `DeclarationError`.
    """
    mistakes: list[Mistake] = []
    found: dict[str, Contract] = {}
    for folder in sorted(project.sources.glob("*/contracts")):
        found = {**_read_all(folder, Contract, project, mistakes), **found}
    if mistakes:
        raise DeclarationError(mistakes)
    return found


class _StrictLoader(yaml.CSafeLoader):
    """A YAML loader that refuses a key written twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[Any] = set()
        for key_node, _ in node.value:
            if key_node.tag == "tag:yaml.org,2002:merge":
                continue
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, Hashable):
                raise yaml.constructor.ConstructorError(
                    None, None, "a list or mapping cannot be a key: put a text with braces or brackets in quotation marks",
                    key_node.start_mark,
                )
            if key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key!r} stands here a second time: keep one of the two", key_node.start_mark
                )
            seen.add(key)
        return super().construct_mapping(node, deep)


def _read_all(
    folder: Path, model: type[AnyDeclared], project: Project, mistakes: list[Mistake]
) -> dict[str, AnyDeclared]:
    found: dict[str, AnyDeclared] = {}
    for path in sorted(folder.glob("*.yml")):
        item = _read(path, model, project, mistakes, identity=path.stem)
        if item is not None:
            found[path.stem] = item
    return found


def _read(
    path: Path, model: type[AnyDeclared], project: Project, mistakes: list[Mistake], identity: str
) -> AnyDeclared | None:
    """One file as one declaration; its id is the file's (or folder's) name and need not be repeated."""
    file = str(path.relative_to(project.root)) if path.is_relative_to(project.root) else str(path)
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), Loader=_StrictLoader)
    except UnicodeDecodeError:
        mistakes.append(Mistake(file, "", "the file is not UTF-8: save it again as UTF-8"))
        return None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f"line {mark.line + 1}" if mark else ""
        mistakes.append(Mistake(file, place, str(getattr(error, "problem", None) or error)))
        return None
    except (ValueError, LookupError) as error:  # a value that is not what it looks like, e.g. the date 2021-02-30
        mistakes.append(Mistake(file, "", f"a value or date cannot be: {error}"))
        return None
    if not isinstance(content, dict):
        mistakes.append(Mistake(file, "", "the file must hold keys and values"))
        return None
    if content.setdefault("id", identity) != identity:
        mistakes.append(Mistake(file, "id", f"must be {identity!r}, the file's own name, or be left out"))
        return None
    try:
        return model.model_validate(content)
    except ValidationError as error:
        mistakes.extend(_mistake(file, model, item) for item in error.errors())
        return None


def _mistake(file: str, model: type[Declared], error: Any) -> Mistake:
    key = ".".join(str(part) for part in error["loc"])
    kind, found = error["type"], error.get("input")
    if kind == "extra_forbidden":
        allowed = ", ".join(sorted(_fields_at(model, error["loc"][:-1])))
        return Mistake(file, key, f"there is no such key; allowed here: {allowed}. Remove it or mend its name")
    if kind == "missing":
        return Mistake(file, key, "this key is missing: add it")
    if kind == "literal_error":
        return Mistake(file, key, f"{found!r} is not allowed; allowed: {error['ctx']['expected']}")
    message = error["msg"].removeprefix("Value error, ")
    return Mistake(file, key, message if isinstance(found, dict) else f"{found!r}: {message}")


def _fields_at(model: Any, location: tuple[Any, ...]) -> set[str]:
    """The keys allowed at a place inside a model; list positions and free keys do not lead deeper."""
    for part in location:
        if part in model.model_fields:
            model = _inner_model(model.model_fields[part].annotation) or model
    return set(model.model_fields)


def _inner_model(annotation: Any) -> Any:
    if isinstance(annotation, type) and not getattr(annotation, "__args__", None):
        return annotation
    for argument in getattr(annotation, "__args__", ()):
        found = _inner_model(argument)
        if isinstance(found, type) and issubclass(found, BaseModel):
            return found
    return None


def _compiled(pattern: str) -> str:
    try:
        re.compile(pattern)
    except re.error as error:
        raise ValueError(f"not a regular expression: {error}") from error
    return pattern


def _unique(what: str, names: list[str]) -> None:
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"{what}: {', '.join(twice)} is declared twice: names and aliases must be unique")


# ---------------------------------------------------------------- cross-references


def _reference(file: str, key: str, value: str, known: list[str] | set[str] | dict[str, Any]) -> list[Mistake]:
    if value in known:
        return []
    return [Mistake(file, key, f"{value!r} is not declared; declared: {', '.join(sorted(known)) or 'none'}")]


def _region_references(project: Project, declared: Declarations) -> list[Mistake]:
    region = declared.region
    file = f"sources/{region.id}/region.yml"
    mistakes = _reference(file, "geography", region.geography, declared.geographies)
    if mistakes:
        return mistakes
    geography = declared.geography
    mistakes += _reference(file, "reporting_edition", region.reporting_edition, [e.id for e in geography.editions])
    mistakes += _reference(file, "municipality_level", region.municipality_level, [x.id for x in geography.levels])
    mistakes += _reference(file, "population", region.population, measures(project))
    return mistakes


def _contract_references(project: Project, declared: Declarations) -> list[Mistake]:
    mistakes: list[Mistake] = []
    for contract in declared.contracts.values():
        file = f"sources/{declared.region.id}/contracts/{contract.id}.yml"
        if not (project.dbt / "models" / "observations" / f"obs_{contract.id}.sql").is_file():
            mistakes.append(
                Mistake(file, "id", f"dbt/models/observations/obs_{contract.id}.sql is missing: no one reads this source")
            )
        missing = _reference(file, "geography", contract.geography, declared.geographies)
        mistakes += missing
        if missing:
            continue
        geography = declared.geographies[contract.geography]
        for number, layout in enumerate(contract.files):
            place = f"files.{number}"
            mistakes += _reference(file, f"{place}.edition", layout.edition, [e.id for e in geography.editions])
            mistakes += _reference(file, f"{place}.level", layout.level, [x.id for x in geography.levels])
            groups = set(re.compile(layout.name).groupindex)
            for group in sorted(set(re.findall(r"{(\w+)}", layout.period)) - groups):
                mistakes.append(
                    Mistake(file, f"{place}.period", f"{{{group}}} is no named group of the file name; "
                            f"named groups: {', '.join(sorted(groups)) or 'none'}")
                )
    return mistakes


def _indicator_references(project: Project, declared: Declarations) -> list[Mistake]:
    mistakes: list[Mistake] = []
    known_measures = measures(project)
    for indicator in declared.indicators.values():
        file = f"dbt/indicators/{indicator.id}.yml"
        minimum = indicator.index.minimum_population if indicator.index else None
        used = {
            "numerator": indicator.numerator,
            "denominator": indicator.denominator,
            "reported.measure": indicator.reported.measure if indicator.reported else None,
            "index.minimum_population.measure": minimum.measure if minimum else None,
        }
        for key, measure in used.items():
            if measure is not None:
                mistakes += _reference(file, key, measure, known_measures)
        if indicator.change:
            mistakes += _reference(file, "change.indicator", indicator.change.indicator, declared.indicators)
        if indicator.index:
            for number, composition in enumerate(indicator.index.compositions):
                for component in composition.components:
                    mistakes += _reference(
                        file, f"index.compositions.{number}", component.indicator, declared.indicators
                    )
    return mistakes


def _suite_references(project: Project, declared: Declarations) -> list[Mistake]:
    """A suite may be about a source of another region, but not about none at all."""
    known = {path.stem for path in project.sources.glob("*/contracts/*.yml")}
    mistakes: list[Mistake] = []
    for suite in declared.suites.values():
        file = f"expectations/{suite.id}.yml"
        if suite.source is not None:
            mistakes += _reference(file, "source", suite.source, known)
        if suite.gate == 2 and suite.source is not None:
            mistakes.append(Mistake(file, "source", "gate 2 judges the marts, not a source: remove it"))
        names = [check.name for check in suite.checks]
        for name in sorted({name for name in names if names.count(name) > 1}):
            mistakes.append(Mistake(file, f"checks.{name}", "this name stands here a second time: rename one"))
    return mistakes
