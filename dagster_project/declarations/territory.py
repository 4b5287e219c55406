"""The region, its geographies and their editions, as declared.

Reads and writes nothing.
"""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from dagster_project.declarations.base import (
    Declared,
    Delimiter,
    Encoding,
    Identifier,
    ReadableText,
    Scalar,
    compiled,
    unique,
)
from dagster_project.declarations.disclosure import Disclosure
from dagster_project.declarations.support import Support

UNALLOCATED = "-ohne"


class Parent(Declared):
    """How an area finds its parent one level up; exactly one of the four."""

    prefix: int | None = Field(default=None, description="the first n characters of its key")
    constant: str | None = Field(default=None, description="the same for all")
    attribute: str | None = Field(default=None, description="an attribute of its file")
    within: Literal[True] | None = Field(default=None, description="the area a point inside it lies in")

    @model_validator(mode="after")
    def exactly_one(self) -> Parent:
        if sum(value is not None for value in (self.prefix, self.constant, self.attribute, self.within)) != 1:
            raise ValueError("declare exactly one of: prefix, constant, attribute, within")
        return self


class Level(Declared):
    """One level of a geography; the list in the geography runs from fine to coarse."""

    id: Identifier
    name: ReadableText
    plural: str
    key: str = Field(description="regular expression every key of this level matches")
    parent: Parent | None = None
    published: bool = Field(default=True, description="false: only a support to count on, never shown")

    @field_validator("key")
    @classmethod
    def key_is_a_pattern(cls, value: str) -> str:
        return compiled(value)


class Repair(Declared):
    """A correction of a publisher's file, guarded: it must find exactly `rows` features, else it fails loudly.

    `set` gives attributes other values; `mend` makes rings valid that cross themselves.
    """

    where: dict[str, Scalar]
    set: dict[str, Scalar] = Field(default_factory=dict)
    mend: bool = False
    rows: int = 1
    reason: str

    @model_validator(mode="after")
    def does_something(self) -> Repair:
        if not self.set and not self.mend:
            raise ValueError("declare set (attributes and their right values) or mend: true")
        return self


class Layer(Declared):
    """Where one level of one edition comes from: a file, or the union of the level below."""

    file: str | None = None
    crs: str | None = Field(default=None, description="only where the file states none, or wrong_crs")
    wrong_crs: str | None = Field(
        default=None, description="what the file states by mistake; crs then names the right one"
    )
    axis_order: Literal["east_north", "north_east"] = Field(
        default="east_north", description="north_east: the file writes the northing, or the latitude, first"
    )
    encoding: Encoding | None = Field(
        default=None, description="of the attributes, where the file states none or a wrong one"
    )
    parts: Literal["union"] | None = Field(
        default=None, description="union: features of one key are parts of one area; else a key stands once"
    )
    key: str | list[str] | None = Field(
        default=None, description="attribute that holds the key, or several whose texts make it up in this order"
    )
    key_last: int | None = Field(default=None, description="take only the last n characters of that attribute")
    name: str | None = Field(default=None, description="attribute that holds the name")
    type: str | None = Field(default=None, description="attribute that holds the code of the area's type")
    outline: Literal["file", "dissolve"] = "file"
    names: dict[str, ReadableText] = Field(default_factory=dict, description="key and name of areas that have no file")
    repairs: list[Repair] = Field(default_factory=list)

    @property
    def key_attributes(self) -> list[str]:
        """The attributes that hold the key, in the order they make it up."""
        return [self.key] if isinstance(self.key, str) else self.key or []

    @model_validator(mode="after")
    def file_or_names(self) -> Layer:
        if self.file is None and not self.names:
            raise ValueError("declare either file (with key and name) or names (key: name)")
        if self.file is not None and (self.key is None or self.name is None):
            raise ValueError("a layer with a file needs key and name, the attributes that hold them")
        if self.file is None and self.outline == "file":
            raise ValueError("a layer without a file needs outline: dissolve")
        if self.wrong_crs is not None and self.crs is None:
            raise ValueError("wrong_crs needs crs, the right one")
        return self


class Lifetime(Declared):
    """When a single area of an edition came into being or ceased, if not with the edition."""

    valid_from: date | None = None
    valid_to: date | None = None

    @model_validator(mode="after")
    def in_order(self) -> Lifetime:
        _in_order(self.valid_from, self.valid_to)
        return self


class Edition(Declared):
    """One state of the boundaries.

    `area_tolerance_percent`: how far a municipality's area may be from its declared `area_km2`.
    `common_ground_percent`: this edition and the one the region reports on must share that much of the smaller of
    both; 0 where they need not meet.
    """

    id: Annotated[str, Field(pattern=r"^[0-9A-Za-z_-]+$")]
    title: ReadableText
    valid_from: date
    valid_to: date | None = None
    overlap_tolerance_m2: float = 1.0
    nesting_tolerance_m2: float = 1.0
    area_tolerance_percent: float = Field(default=2.0, gt=0)
    common_ground_percent: float = Field(default=90.0, ge=0, le=100)
    layers: dict[str, Layer]
    areas: dict[str, Lifetime] = Field(default_factory=dict)

    @model_validator(mode="after")
    def in_order(self) -> Edition:
        _in_order(self.valid_from, self.valid_to)
        for key, life in self.areas.items():
            try:
                _in_order(life.valid_from or self.valid_from, life.valid_to or self.valid_to)
                _in_order(self.valid_from, life.valid_to)
                _in_order(life.valid_from, self.valid_to)
            except ValueError as error:
                raise ValueError(f"areas: {key} exists on no day of the edition: {error}") from error
        return self


class StreetRegister(Declared):
    """The file that says which addresses lie in which area of the finest level; ranges by street and side.

    `columns` names its columns: ags, street_key, number_from, suffix_from, number_to, suffix_to, side, area.
    `sides` says how the file writes odd, even and both.
    """

    file: str
    delimiter: Delimiter = ";"
    encoding: Encoding = "utf-8"
    columns: dict[
        Literal["ags", "street_key", "number_from", "suffix_from", "number_to", "suffix_to", "side", "area"], str
    ] = Field(min_length=8)
    sides: dict[Literal["odd", "even", "both"], str] = Field(min_length=3)


class Geography(Declared):
    """A division of the territory into areas on nested levels."""

    id: Identifier
    title: ReadableText
    publisher: str
    licence: str
    origin: str = Field(description="where the official files are obtained")
    levels: list[Level] = Field(min_length=1)
    editions: list[Edition] = Field(min_length=1)
    area_types: dict[str, str] = Field(
        default_factory=dict, description="codes and names of types: areas of the same type are compared"
    )
    street_register: StreetRegister | None = None

    def level_rank(self, level: str) -> int:
        return [item.id for item in self.levels].index(level)

    def edition(self, edition: str) -> Edition:
        return next(item for item in self.editions if item.id == edition)

    @model_validator(mode="after")
    def levels_and_layers_agree(self) -> Geography:
        ids = [level.id for level in self.levels]
        unique("levels", ids)
        unique("editions", [edition.id for edition in self.editions])
        for edition in self.editions:
            if set(edition.layers) != set(ids):
                raise ValueError(
                    f"edition {edition.id}: layers must be exactly the levels {', '.join(ids)}; "
                    f"found {', '.join(edition.layers)}"
                )
            if not self.area_types and any(layer.type for layer in edition.layers.values()):
                raise ValueError(f"edition {edition.id}: a layer names a type; declare the codes under area_types")
        for level in self.levels[:-1]:
            if level.parent is None:
                raise ValueError(f"level {level.id}: parent is missing (only the coarsest level has none)")
        if self.levels[-1].parent is not None:
            raise ValueError(f"level {self.levels[-1].id}: the coarsest level has no parent")
        for edition in self.editions:
            _parents_can_be_found(self.levels, edition)
        return self


def _in_order(first: date | None, last: date | None) -> None:
    if first is not None and last is not None and first > last:
        raise ValueError(f"valid_from {first} is after valid_to {last}")


def _parents_can_be_found(levels: list[Level], edition: Edition) -> None:
    """Raises `ValueError` where an area's parent is looked for in what its layer, or the one above, does not have."""
    for rank, level in enumerate(levels[:-1]):
        layer, above = edition.layers[level.id], edition.layers[levels[rank + 1].id]
        assert level.parent is not None
        if level.parent.attribute is not None and layer.file is None:
            raise ValueError(
                f"edition {edition.id}: the layer {level.id} has names and no file, so no attribute "
                f"{level.parent.attribute} that tells the parent; declare prefix or constant"
            )
        if level.parent.within and above.outline == "dissolve":
            raise ValueError(
                f"edition {edition.id}: the outlines of {levels[rank + 1].id} are dissolved from {level.id}, so an "
                "area "
                f"cannot be found within them; declare prefix, constant or attribute as parent of {level.id}"
            )


def unallocated(municipality: str) -> str:
    """Key of the area that takes what no address of a municipality places."""
    return f"{municipality}{UNALLOCATED}"


PublicKey = Annotated[str, Field(pattern=r"^RW[A-Za-z0-9+/]{54}$")]


class Municipality(Declared):
    id: str = Field(description="official municipality key, text with leading zeros")
    name: ReadableText
    area_km2: float | None = Field(
        default=None, gt=0, description="official area; outlines that measure otherwise are refused"
    )
    public_keys: list[PublicKey] = Field(
        default_factory=list, description="minisign keys, one of which signs its packages; earlier ones stay for theirs"
    )


class Region(Declared):
    """A town or county with everything the product needs to know about it."""

    id: Identifier
    name: ReadableText
    crs: Annotated[str, Field(pattern=r"^EPSG:\d+$")]
    extent: tuple[float, float, float, float] | None = Field(
        default=None,
        description="west, south, east, north in degrees, which outlines must lie in; its Land where left out",
    )
    geography: Identifier
    reporting_edition: str
    municipality_level: Identifier
    municipalities: list[Municipality] = Field(min_length=1)
    region_sender: str | None = Field(default=None, description="inbox folder of the region's own offices")
    region_sender_public_keys: list[PublicKey] = Field(default_factory=list, description="of their packages")
    disclosure: Disclosure = Disclosure()
    population: Identifier = Field(description="measure shown as an area's population")
    supply_level: Identifier | None = Field(
        default=None,
        description="the finest level on which places at a site and the residents around it belong together; the level "
        "of municipalities where left out",
    )
    indicators: list[Identifier] | None = Field(
        default=None, min_length=1, description="what the region reports; all that its sources allow where left out"
    )
    support: Support = Support()
    false_discovery_rate: float = Field(
        default=0.05, gt=0, le=0.5, description="which share of the differences and trends called proven may be chance"
    )
    licence_note: str

    def public_keys_of(self, sender: str) -> tuple[str, ...]:
        """The keys one of which signs a sender's packages; none where none is declared."""
        keys = {item.id: item.public_keys for item in self.municipalities}
        return tuple(self.region_sender_public_keys if sender == self.region_sender else keys.get(sender, []))
