"""What residents said: one published result of a participation, as its organiser words it.

Reads and writes nothing; declared in `sources/<region>/participation/<id>.yml`.
"""

from __future__ import annotations

from datetime import date
from typing import Annotated

from pydantic import Field

from dagster_project.declarations.base import Declared, Identifier, ReadableText

Text = Annotated[ReadableText, Field(min_length=1)]
WebAddress = Annotated[str, Field(pattern=r"^https://[^\s<>()\[\]\\\"']+$")]


class Participation(Declared):
    """One result for one area of one edition. It is shown word for word: published texts only, nobody by name."""

    id: Identifier
    title: Text
    form: Text = Field(description="how residents took part, as “Stadtteilwerkstatt”")
    held_on: date
    organiser: Text
    edition: str = Field(description="edition of the reporting geography whose area it is")
    level: Identifier
    area: str = Field(description="key of the area")
    summary: Text = Field(description="what came out, in Markdown")
    link: WebAddress | None = Field(default=None, description="the published report")
    contact: Text | None = Field(default=None, description="the office that answers questions")
