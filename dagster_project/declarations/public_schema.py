"""The public schema: the marts as a star that others build on, with the life of every column.

Reads  dbt/public_schema.yml. Writes nothing.

A column begins in a version, may be deprecated in a later one and removed in one after that; a mart never changes its
key and a column never its type, they get new names instead. So the schema of every version can be told from the one
file, and a fingerprint of each keeps it: whoever changes the schema must add a version.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from typing import Any, Literal

from pydantic import Field, model_validator

from dagster_project.declarations.base import DeclarationError, Declared, Identifier, Mistake
from dagster_project.declarations.yaml_files import read_file
from dagster_project.settings import Project

FILE = "public_schema.yml"
DIGITS = 12
AREA_KEY = ("geography", "edition", "level", "area")

Kind = Literal["text", "integer", "bigint", "double", "boolean", "date", "timestamp", "outline"]
Readers = Literal["values", "comparisons", "areas", "whole_region", "everyone"]


class PublicColumn(Declared):
    """A column and its life."""

    type: Kind
    since: int = Field(default=1, ge=1)
    deprecated: int | None = Field(default=None, description="version since which it must not be used any more")
    instead: str | None = Field(default=None, description="what to use instead")
    removed: int | None = Field(default=None, description="version since which it is no more")

    @model_validator(mode="after")
    def is_deprecated_before_it_goes(self) -> PublicColumn:
        if self.removed is not None and (self.deprecated is None or self.deprecated >= self.removed):
            raise ValueError("a column is deprecated at least one version before it is removed")
        if self.deprecated is not None and self.deprecated <= self.since:
            raise ValueError("a column is deprecated in a version after the one it began in")
        if (self.deprecated is None) != (self.instead is None):
            raise ValueError("deprecated and instead belong together: say what to use instead")
        return self

    def exists_in(self, version: int) -> bool:
        return self.since <= version and (self.removed is None or version < self.removed)


class Reference(Declared):
    """Columns that hold the key of a row of another mart."""

    mart: Identifier
    columns: list[Identifier] = Field(min_length=1)


class PublicMart(Declared):
    """A table of the star. A column is written as its type alone while it is neither new nor deprecated."""

    kind: Literal["fact", "dimension"]
    key: list[Identifier] = Field(min_length=1)
    nullable_key: bool = Field(default=False, description="the key may hold nulls: it is unique, but no primary key")
    refers: list[Reference] = Field(default_factory=list)
    readers: Readers = Field(
        description="values, comparisons, areas (either): rows of the areas a recipient is entitled to; whole_region: "
        "who may see every area; everyone: who is entitled to anything"
    )
    columns: dict[Identifier, PublicColumn]

    @model_validator(mode="before")
    @classmethod
    def types_alone(cls, content: Any) -> Any:
        if isinstance(content, dict) and isinstance(content.get("columns"), dict):
            columns = {
                name: {"type": column} if isinstance(column, str) else column
                for name, column in content["columns"].items()
            }
            return {**content, "columns": columns}
        return content

    @model_validator(mode="after")
    def names_its_own_columns(self) -> PublicMart:
        lasting = {name for name, column in self.columns.items() if column.deprecated is None}
        for where, names in [("key", self.key), *((f"refers to {item.mart}", item.columns) for item in self.refers)]:
            unknown = sorted(set(names) - lasting)
            if unknown:
                raise ValueError(f"{where}: {', '.join(unknown)} is no lasting column of this mart")
        if self.readers in ("values", "comparisons", "areas") and not set(AREA_KEY) <= set(self.columns):
            raise ValueError(f"readers: {self.readers} needs the columns {', '.join(AREA_KEY)}")
        return self

    def columns_of(self, version: int) -> dict[str, PublicColumn]:
        return {name: column for name, column in self.columns.items() if column.exists_in(version)}


class PublicSchema(Declared):
    """All marts of the star, and the fingerprint of every version of them."""

    id: Identifier
    versions: dict[int, str] = Field(min_length=1)
    marts: dict[Identifier, PublicMart]

    @model_validator(mode="after")
    def holds_together(self) -> PublicSchema:
        if sorted(self.versions) != list(range(1, len(self.versions) + 1)):
            raise ValueError(f"versions: must be numbered 1, 2, 3 …; found {', '.join(map(str, self.versions))}")
        for name, mart in self.marts.items():
            for reference in mart.refers:
                target = self.marts.get(reference.mart)
                if target is None or len(target.key) != len(reference.columns):
                    wanted = f"a key of {len(reference.columns)} columns"
                    raise ValueError(f"marts.{name}.refers: {reference.mart} is no mart with {wanted}")
            lives = [version for column in mart.columns.values() for version in _versions(column)]
            if max(lives) > self.version:
                raise ValueError(f"marts.{name}: version {max(lives)} is not listed under versions: add it there")
        for version, fingerprint in self.versions.items():
            found = self.fingerprint(version)
            if found != fingerprint:
                raise ValueError(
                    f"versions.{version}: the schema of version {version} is {found}, not {fingerprint}. A version "
                    "that was published does not change: add the next one, and say in which version columns begin, "
                    "are deprecated or removed"
                )
        _ordered(self.marts)
        return self

    @property
    def version(self) -> int:
        """The version in force."""
        return max(self.versions)

    @property
    def current(self) -> dict[str, PublicMart]:
        """The marts of the version in force, with its columns alone, each after those it refers to."""
        found = {
            name: mart.model_copy(update={"columns": columns})
            for name, mart in self.marts.items()
            if (columns := mart.columns_of(self.version))
        }
        return {name: found[name] for name in _ordered(found)}

    def fingerprint(self, version: int) -> str:
        """Of names, keys, types and deprecations in a version."""
        schema = {
            name: {
                "key": mart.key,
                "columns": [
                    [column, item.type, item.deprecated is not None and item.deprecated <= version]
                    for column, item in mart.columns_of(version).items()
                ],
            }
            for name, mart in self.marts.items()
            if mart.columns_of(version)
        }
        return hashlib.sha256(json.dumps(schema, sort_keys=True).encode()).hexdigest()[:DIGITS]

    def changes(self, version: int) -> list[str]:
        """What a version changed, one line for each column; nothing for the first."""
        words = [("since", "added"), ("deprecated", "deprecated"), ("removed", "removed")]
        return [
            f"{name}.{column} {word}"
            for name, mart in self.marts.items()
            for column, item in mart.columns.items()
            for life, word in words
            if version > 1 and getattr(item, life) == version
        ]

    def comment(self, mart: str, column: str, text: str) -> str:
        """A column's description, with the warning where it is deprecated."""
        item = self.marts[mart].columns.get(column) if mart in self.marts else None
        if item is None or item.deprecated is None or item.deprecated > self.version:
            return text
        return f"Deprecated since version {item.deprecated}, use {item.instead}. {text}"


def load_public_schema(project: Project) -> PublicSchema:
    """The declared star. Raises `DeclarationError`."""
    mistakes: list[Mistake] = []
    schema = read_file(project.dbt / FILE, PublicSchema, project, mistakes, identity="public_schema")
    if schema is None:
        raise DeclarationError(mistakes)
    return schema


def _versions(column: PublicColumn) -> Iterable[int]:
    return (version for version in (column.since, column.deprecated, column.removed) if version is not None)


def _ordered(marts: dict[str, PublicMart]) -> list[str]:
    """Names of the marts, each after those it refers to; in alphabetical order where that leaves a choice."""
    found: list[str] = []
    waiting = sorted(marts)
    while waiting:
        ready = [
            name
            for name in waiting
            if all(reference.mart in (name, *found) for reference in marts[name].refers if reference.mart in marts)
        ]
        if not ready:
            raise ValueError(f"marts: {', '.join(waiting)} refer to each other in a circle")
        found += ready
        waiting = [name for name in waiting if name not in ready]
    return found
