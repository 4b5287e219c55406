"""Contracts: what a department delivers and what must hold for it, as declared.

Reads and writes nothing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from dagster_project.declarations.base import (
    DecimalSign,
    Declared,
    Delimiter,
    Encoding,
    Identifier,
    Scalar,
    compiled,
    unique,
)


class Symbol(Declared):
    """What a text in a value column means when it is not a plain number.

    `when_all` narrows it: the symbol only counts where all those columns of the row carry it.
    """

    symbol: str
    means: Literal["zero", "missing", "suppressed", "not_applicable"]
    columns: list[str] | None = None
    when_all: list[str] | None = None


def parts_of_date(date_format: str) -> list[str] | None:
    """The directives and signs a date is written with, in order; None where it is more than day, month and year."""
    parts = re.findall(r"%.|[^%]+", date_format)
    written = sorted(part for part in parts if part.startswith("%"))
    return parts if written == ["%Y", "%d", "%m"] and all(part in written or len(part) == 1 for part in parts) else None


class SkipRows(Declared):
    """Rows that are no data (footers, notes): the pattern meets the whole key column; at most `at_most` of them."""

    key: str
    at_most: int = 1
    reason: str

    @field_validator("key")
    @classmethod
    def key_is_a_pattern(cls, value: str) -> str:
        return compiled(value)


class KnownBad(Declared):
    """A file that is never taken, whatever it is called: the hash of its content and why, for its sender to read."""

    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    reason: str = Field(min_length=1)


RESERVED_COLUMNS = ("area", "position", "row")
ADDRESS_PARTS = ("ags", "street_key", "house_number", "house_suffix")


class PartlyKnown(Declared):
    """As which day a date counts of which only month and year, or only the year, is known.

    The unknown part may be written as zeros (`00.03.1985`, `00.00.1985`), or be left out (`03.1985`, `1985`). A date
    that would lie behind the reference date although it need not counts as the reference date.
    """

    day: int = Field(ge=1, le=28, description="day of the month where only the day is unknown, e.g. 15")
    day_of_year: Annotated[str, Field(pattern=r"^(0[1-9]|1[0-2])-(0[1-9]|1\d|2[0-8])$")] = Field(
        description="month and day where the month is unknown, e.g. 07-01"
    )


class Column(Declared):
    """One column of a delivery, under the name the product uses; `aliases` are other names senders use.

    Names are compared without regard to case. In a table of areas every column but key and period is a `value`; in
    records every fact is an `attribute`. Columns of the roles `identifier` and `address` serve to find duplicates and
    to place a record; they are dropped at landing, as are those to `ignore`.
    """

    name: Identifier
    aliases: list[str] = Field(default_factory=list)
    role: Literal["key", "period", "value", "attribute", "identifier", "address", "ignore"] = "value"
    type: Literal["text", "integer", "number", "code", "date", "age", "age_in_months"] = Field(
        default="integer",
        description="age: a date of birth, kept only as completed years or months on the reference date",
    )
    required: bool = True
    may_be_empty: bool = Field(default=False, description="whether an attribute may be left empty in a record")
    codes: dict[str, str] = Field(default_factory=dict, description="the sender's codes and what we call them")
    otherwise: str | None = Field(default=None, description="what all other codes mean that match other_codes")
    other_codes: str | None = Field(default=None, description="regular expression of the codes not listed")
    part: Literal["ags", "street_key", "house_number", "house_suffix"] | None = None
    pattern: str | None = Field(default=None, description="splits an address column; its named groups are the parts")
    pad: int | None = Field(default=None, description="restore lost leading zeros up to this many digits")
    of_sender: bool = Field(
        default=False, description="a key that is unique only within the sender's municipality: its key goes in front"
    )
    placeless: str | None = Field(
        default=None, description="regular expression of keys that name no area, e.g. of postal voting districts"
    )
    format: str | None = Field(default=None, description="strftime format a period column carries")
    three_decimals: bool = Field(
        default=False,
        description="three digits behind the decimal sign are decimals, not thousands; without it they are refused",
    )
    partly_known: PartlyKnown | None = Field(
        default=None, description="how a date is read whose day or month nobody knows; without it, it is refused"
    )
    minimum: float | None = None
    maximum: float | None = None
    dimensions: dict[Identifier, Scalar] = Field(default_factory=dict)
    description: str = ""

    @field_validator("placeless")
    @classmethod
    def placeless_is_a_pattern(cls, value: str | None) -> str | None:
        return None if value is None else compiled(value)

    @field_validator("name")
    @classmethod
    def name_is_free(cls, value: str) -> str:
        if value in RESERVED_COLUMNS:
            raise ValueError(
                f"{', '.join(RESERVED_COLUMNS)} name columns of every landed row: choose another, "
                "the sender's own may stand under aliases"
            )
        return value

    @model_validator(mode="after")
    def fields_fit_the_role(self) -> Column:
        if self.role == "address":
            groups = set(re.compile(self.pattern).groupindex) if self.pattern else set()
            if (self.part is None) == (self.pattern is None) or not groups <= set(ADDRESS_PARTS):
                raise ValueError(
                    f"an address column needs part, or a pattern with groups from {', '.join(ADDRESS_PARTS)}"
                )
        elif self.part is not None or self.pattern is not None:
            raise ValueError("part and pattern belong to columns with role: address")
        if (self.type == "code") != bool(self.codes):
            raise ValueError("type: code needs codes, and no other type has them")
        if self.role != "key" and (self.of_sender or self.placeless):
            raise ValueError("of_sender and placeless belong to the column with role: key")
        if (self.otherwise is None) != (self.other_codes is None) or (self.otherwise and self.type != "code"):
            raise ValueError("otherwise and other_codes go together and belong to type: code")
        if self.type in ("date", "age", "age_in_months") and self.format is None:
            raise ValueError(f"type: {self.type} needs a format, e.g. '%d.%m.%Y'")
        if self.three_decimals and (self.type != "number" or self.role not in ("value", "attribute")):
            raise ValueError("three_decimals belongs to values and attributes with type: number")
        if self.partly_known and (
            self.type not in ("date", "age", "age_in_months") or not parts_of_date(self.format or "")
        ):
            raise ValueError("partly_known belongs to dates whose format is made of %d, %m and %Y, e.g. '%d.%m.%Y'")
        return self

    @property
    def names(self) -> list[str]:
        return [name.casefold() for name in (self.name, *self.aliases)]

    @property
    def sql_type(self) -> str:
        """Type of a landed attribute."""
        types = {"text": "varchar", "code": "varchar", "date": "date", "number": "double"}
        return types.get(self.type, "integer")


class FileLayout(Declared):
    """File names of one layout of a delivery and what they tell; other fields override the contract's."""

    name: str = Field(description="regular expression over the whole file name, with named groups")
    period: str = Field(description="ISO 8601 period, with {groups} of the file name")
    edition: str | None = Field(default=None, description="edition of the geography the areas of a table are in")
    level: str | None = Field(default=None, description="level the areas of a table are on")
    delimiter: Delimiter | None = None
    encoding: Encoding | None = None
    decimal: DecimalSign | None = None
    other_columns: Literal["refuse", "ignore"] | None = None
    missing_areas_at_most: float | None = Field(default=None, ge=0, le=1)
    columns: list[Column] = Field(default_factory=list, description="columns that differ in this layout")
    symbols: list[Symbol] = Field(default_factory=list, description="further symbols of this layout")
    dimensions: dict[Identifier, Scalar] = Field(
        default_factory=dict, description="what all numbers of this layout have in common"
    )

    @field_validator("name")
    @classmethod
    def name_is_a_pattern(cls, value: str) -> str:
        return compiled(value)


class ReferenceDate(Declared):
    """The day the numbers of a period speak of, where it is not the last day of the period."""

    years: int = 0
    day: Annotated[str, Field(pattern=r"^\d{2}-\d{2}$")] = "12-31"


class Due(Declared):
    """When a delivery is late."""

    days_after: int = Field(gt=0, description="days after the reference date")


def in_words(dimensions: Mapping[str, object]) -> list[str]:
    return [f"{name}={value}" for name, value in sorted(dimensions.items())]


class Change(Declared):
    """What a source counts otherwise from a year on; indicators of these measures have a break then, or a reason."""

    year: int = Field(description="the first year of periods that are counted the new way")
    measures: list[Identifier] = Field(min_length=1)
    what: str


class Remainder(Declared):
    """A publisher's totals that do not add up: how many the areas of a level may lack to those above, and why.

    Who lives there is counted above and placed in no area of this level.
    """

    level: Identifier
    measures: list[Identifier] = Field(min_length=1)
    at_most_percent: float = Field(gt=0, le=10, description="of the total, in any period")
    reason: Annotated[str, Field(min_length=20)]


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
    due: Due | None = None
    retention_days: int | None = Field(default=None, gt=0, description="how long the original file is kept")
    shape: Literal["table", "records"] = Field(
        default="table", description="table: a row per area; records: a row per person, case or household, with address"
    )
    about: Literal["residence", "site"] = Field(default="residence", description="where people live, or where they go")
    folder: str
    geography: Identifier
    delimiter: Delimiter = ";"
    encoding: Encoding = "utf-8"
    decimal: DecimalSign = ","
    reference_date: ReferenceDate | None = None
    other_columns: Literal["refuse", "ignore"] = "refuse"
    rejected_rows_at_most: float = Field(default=0.0, ge=0, le=1, description="share of rows")
    missing_areas_at_most: float = Field(default=0.0, ge=0, le=1, description="share of the edition's areas")
    files: list[FileLayout] = Field(min_length=1)
    known_bad: list[KnownBad] = Field(default_factory=list, description="files that are never taken, by their hash")
    skip_rows: list[SkipRows] = Field(default_factory=list)
    symbols: list[Symbol] = Field(default_factory=list)
    changes: list[Change] = Field(default_factory=list)
    remainders: list[Remainder] = Field(default_factory=list)
    columns: list[Column] = Field(min_length=1)

    @model_validator(mode="after")
    def columns_are_consistent(self) -> Contract:
        unique("columns", [name for column in self.columns for name in column.names])
        roles = [column.role for column in self.columns]
        wanted = {"table": {"key", "value"}, "records": {"address"}}[self.shape]
        foreign = {"table": {"attribute", "identifier", "address"}, "records": {"key", "value"}}[self.shape]
        if self.shape == "table" and roles.count("key") != 1:
            raise ValueError("columns: exactly one column has role: key")
        for role in sorted(wanted - set(roles)):
            raise ValueError(f"columns: at least one column has role: {role}")
        for role in sorted(foreign & set(roles)):
            raise ValueError(f"columns: shape {self.shape} has no columns with role: {role}")
        if roles.count("identifier") > 1:
            raise ValueError("columns: at most one column has role: identifier")
        for layout in self.files:
            if (self.shape == "table") != (layout.edition is not None and layout.level is not None):
                raise ValueError("files: a table needs edition and level, records have neither")
        self._refuse_colliding_layouts()
        value_columns = {column.name for column in self.columns if column.role == "value"}
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

    def _refuse_colliding_layouts(self) -> None:
        """Raises `ValueError` where files would replace each other though their dimensions tell them apart."""
        unique("files", [layout.name for layout in self.files])
        for number, layout in enumerate(self.files):
            if self.shape == "records" and layout.dimensions:
                raise ValueError(
                    f"files.{number}: records have no dimensions, so a file of them would replace the other: deliver "
                    "them in one file with a column that tells them apart, or write a contract for each"
                )
            for name, value in layout.dimensions.items():
                if "{" in str(value):
                    raise ValueError(
                        f"files.{number}: dimension {name} is taken as it stands, {{…}} is not filled in: "
                        "write an entry for each value"
                    )
            for earlier, other in enumerate(self.files[:number]):
                is_beside = (other.edition, other.level) == (layout.edition, layout.level)
                shared = sorted(set(self.figures_of(other)) & set(self.figures_of(layout)))
                if is_beside and other.dimensions != layout.dimensions and shared:
                    raise ValueError(
                        f"files.{earlier} and files.{number} differ in their dimensions, but both hold {shared[0]}, "
                        "which would stand there twice: leave it out of one of them with role: ignore"
                    )

    def figures_of(self, layout: FileLayout) -> list[str]:
        """The figures of a layout: each value column with its dimensions, e.g. `voters election=local`."""
        if self.shape == "records":
            return []
        overriding = {column.name: column for column in layout.columns}
        columns = [overriding.get(column.name, column) for column in self.columns]
        return sorted(
            " ".join([column.name, *in_words({**layout.dimensions, **column.dimensions})])
            for column in columns
            if column.role == "value"
        )

    @property
    def key(self) -> Column:
        return next(column for column in self.columns if column.role == "key")

    @property
    def dimensions(self) -> dict[str, str]:
        """Names of the dimensions of all columns and layouts, and their SQL types."""
        found = [*(column.dimensions for column in self.columns), *(layout.dimensions for layout in self.files)]
        return {
            name: "integer" if isinstance(value, int) else "varchar"
            for dimensions in found
            for name, value in dimensions.items()
        }

    @property
    def attributes(self) -> list[Column]:
        return [column for column in self.columns if column.role == "attribute"]

    @property
    def landed_columns(self) -> dict[str, str]:
        """Names and SQL types of a landed row: where and when, then the facts.

        Of a table one row per area and column, with dimensions, value and status; of records one row per record with
        its attributes.
        """
        texts = ("delivery", "source", "municipality", "geography", "edition", "level", "period")
        cell = {"column_name": "varchar", **self.dimensions, "value": "double", "status": "varchar"}
        return {
            **dict.fromkeys(texts, "varchar"),
            "reference_date": "date",
            "row": "bigint",
            "area": "varchar",
            **(cell if self.shape == "table" else {column.name: column.sql_type for column in self.attributes}),
        }
