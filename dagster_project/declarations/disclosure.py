"""Disclosure control, as declared: what is too small to be shown, and to whom.

Reads and writes nothing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from dagster_project.declarations.base import Declared, Identifier

Threshold = Annotated[int, Field(ge=1, le=1_000_000)]
TERM = re.compile(r"[a-z][a-z0-9_]*")


REFUSED = {
    "method: rounding": "rounded numbers are not yet formed before rates, changes, indices and the ledger; "
    "leave method out: small counts are then hidden",
    "method: cell_key": "the noise of a cell comes from the keys of its records, and deliveries of tables have none; "
    "leave method out: small counts are then hidden",
    "base": "it belongs to rounding, which is not applied",
    "dominance": "sums of values are published without their largest contributors, so nobody can judge them; "
    "keep such a source out of the region, or raise its denominator's threshold",
}


class SourceRule(Declared):
    """What differs for one source; what is left out is as the region declares it."""

    numerator: Threshold | None = None
    remainder: Threshold | None = None
    denominator: Threshold | None = None
    zeros: Literal["may_be_hidden", "always_printed"] | None = None
    method: Literal["suppression"] = "suppression"

    @model_validator(mode="before")
    @classmethod
    def only_what_has_an_effect(cls, content: Any) -> Any:
        """A rule nobody applies would be a promise nobody keeps."""
        for key, why in REFUSED.items():
            name, _, value = key.partition(": ")
            if isinstance(content, dict) and name in content and value in ("", content[name]):
                raise ValueError(f"{key} is not applied, so it must not be declared: {why}")
        return content


class Recipients(Declared):
    """Who knows more than the public. A municipality knows its own numbers; `together` of them may pool theirs."""

    municipalities: Literal["know_their_own_numbers", "know_the_public_ones"] = "know_their_own_numbers"
    together: Literal[1, 2] = 1


class Disclosure(Declared):
    """The rule of a region; on unless a reason to switch it off is declared, which every run logs.

    A count above zero and below its threshold is sensitive: a numerator, a remainder (denominator less numerator) or a
    denominator. Areas with fewer residents than `minimum_population` show no other count.
    """

    numerator: Threshold = 3
    remainder: Threshold = 3
    denominator: Threshold = 3
    minimum_population: int = Field(default=0, ge=0)
    zeros: Literal["may_be_hidden", "always_printed"] = Field(
        default="may_be_hidden", description="whether an attacker knows that no hidden number is zero"
    )
    sources: dict[Identifier, SourceRule] = Field(default_factory=dict)
    recipients: Recipients = Recipients()
    released_before: Literal["refuse", "accept"] = Field(
        default="refuse", description="what to do where an earlier release already shows what must be hidden now"
    )
    off_because: str | None = Field(default=None, min_length=20, description="why nothing needs to be hidden")

    def numerator_of(self, source: str) -> int:
        return self.sources.get(source, SourceRule()).numerator or self.numerator

    def remainder_of(self, source: str) -> int:
        return self.sources.get(source, SourceRule()).remainder or self.remainder

    def denominator_of(self, source: str) -> int:
        return self.sources.get(source, SourceRule()).denominator or self.denominator

    def zeros_of(self, source: str) -> str:
        return self.sources.get(source, SourceRule()).zeros or self.zeros


@dataclass(frozen=True)
class MeasureRelation:
    """A measure is the sum of others that do not overlap; a name that is no measure is a part nobody publishes.

    Where not `exact` there is a further part without a name.
    """

    whole: str
    parts: tuple[str, ...]
    exact: bool


def parsed_relation(text: str) -> MeasureRelation:
    """`whole = part + part` or `whole >= part + part`. Raises `ValueError` where it is neither."""
    match = re.fullmatch(r"\s*(\w+)\s*(>=|=)\s*(.+?)\s*", text)
    parts = tuple(part.strip() for part in match.group(3).split("+")) if match else ()
    names = (match.group(1), *parts) if match else ()
    if not match or not all(TERM.fullmatch(name) for name in names) or len(set(names)) < len(names):
        raise ValueError(f"{text!r}: write 'whole = part + part' or 'whole >= part + part', each name once")
    return MeasureRelation(match.group(1), parts, match.group(2) == "=")
