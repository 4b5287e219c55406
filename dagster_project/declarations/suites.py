"""Expectation suites: the checks of the two gates, as declared.

Reads and writes nothing.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, field_validator

from dagster_project.declarations.base import Declared, Identifier


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
    """The checks of one gate; at gate 1 for one source, for all of one shape, or for all."""

    id: Identifier
    gate: Literal[1, 2]
    source: Identifier | None = None
    shape: Literal["table", "records"] | None = None
    checks: list[Check] = Field(min_length=1)
