"""What a request may ask: every parameter with its form; one that is not declared is an error.

Reads and writes nothing.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

NUMBER = r"-?\d{1,12}(\.\d{1,20})?([eE][+-]?\d{1,2})?"
BOX = rf"^{NUMBER}(,{NUMBER}){{3}}((,{NUMBER}){{2}})?$"
DAY = r"\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])"
INSTANT = rf"{DAY}([Tt]\d\d:\d\d:\d\d(\.\d{{1,9}})?([Zz]|[+-]\d\d:\d\d))?"
TIMES = rf"^({INSTANT}|({INSTANT}|\.\.)?/({INSTANT}|\.\.)?)$"
MOST_FEATURES, MOST_VALUES = 1000, 10_000
FIRST_DAY, LAST_DAY = "0000-00-00", "9999-99-99"

Key = Annotated[str, Field(max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$")]


class Asked(BaseModel):
    """Base of all requests: unknown parameters are errors."""

    model_config = ConfigDict(extra="forbid")


class Page(Asked):
    """A part of an answer; a `limit` above what is given at once is no error: less is given, and where it goes on."""

    limit: int = Field(100, ge=1, le=2**31 - 1, description="so many at most, and never more than the door gives")
    offset: int = Field(0, ge=0, le=2**31 - 1, description="so many are left out first")
    release: Key | None = Field(
        None, description="the release that earlier pages came from: the answer is an error where another is in force"
    )


class ItemsAsked(Page):
    """Features of a collection, by place, day and property."""

    bbox: str | None = Field(
        None, pattern=BOX, description="west,south,east,north in degrees (CRS84), or six numbers with heights"
    )
    datetime: str | None = Field(
        None, pattern=TIMES, description="a day or moment the area existed, or an interval (RFC 3339, .. is open)"
    )
    period: Key | None = Field(None, description="values of this period; else the latest of each indicator")
    area: Key | None = Field(None, description="key of the area")
    name: Key | None = Field(None, description="name of the area")
    municipality: Key | None = Field(None, description="key of the municipality")
    parent: Key | None = Field(None, description="key of the area one level up")

    @field_validator("bbox")
    @classmethod
    def runs_from_south_to_north(cls, value: str | None) -> str | None:
        """West may be greater than east, across the date line; south and bottom are never above north and top."""
        if value is not None:
            numbers = [float(part) for part in value.split(",")]
            half = len(numbers) // 2
            if any(low > high for low, high in zip(numbers[1:half], numbers[half + 1 :], strict=True)):
                raise ValueError("south is above north")
        return value

    @property
    def box(self) -> tuple[float, float, float, float] | None:
        """West, south, east, north."""
        if self.bbox is None:
            return None
        numbers = [float(part) for part in self.bbox.split(",")]
        west, south = numbers[:2]
        east, north = numbers[len(numbers) // 2 :][:2]
        return west, south, east, north

    @property
    def days(self) -> tuple[str, str] | None:
        """First and last day as ISO texts, which compare like days."""
        if self.datetime is None:
            return None
        first, slash, last = self.datetime.partition("/")
        first = first[:10] if first not in ("", "..") else FIRST_DAY
        if not slash:
            return first, first
        return first, last[:10] if last not in ("", "..") else LAST_DAY


class ItemAsked(Asked):
    """One feature."""

    period: Key | None = Field(None, description="values of this period; else the latest of each indicator")


class ValuesAsked(Page):
    """Rows of `mart_indicator_value`; a parameter that stands several times allows each of its values."""

    indicator: list[Key] = Field(default_factory=list, max_length=50)
    area: list[Key] = Field(default_factory=list, max_length=50)
    level: list[Key] = Field(default_factory=list, max_length=50)
    period: list[Key] = Field(default_factory=list, max_length=50)
    f: Literal["json", "csv"] = Field("json", description="form of the answer")
