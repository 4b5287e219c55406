"""What every declaration has in common.

Reads and writes nothing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from dagster_project.damaged_text import refused

Identifier = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
# what people read on pages: no text that was damaged on its way
ReadableText = Annotated[str, AfterValidator(refused)]
Scalar = str | int | float
Delimiter = Annotated[str, Field(min_length=1, max_length=1)]
Encoding = Literal["utf-8", "cp1252", "latin-1"]
DecimalSign = Literal[",", "."]


class Declared(BaseModel):
    """Base of all declarations: unknown keys are errors, values never change after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def compiled(pattern: str) -> str:
    """The pattern itself. Raises `ValueError` where it is no regular expression."""
    try:
        re.compile(pattern)
    except re.error as error:
        raise ValueError(f"not a regular expression: {error}") from error
    return pattern


def unique(what: str, names: list[str]) -> None:
    """Raises `ValueError` where a name stands twice."""
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"{what}: {', '.join(twice)} is declared twice: names and aliases must be unique")


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
