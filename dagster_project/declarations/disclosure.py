"""Disclosure control, as declared: what is too small to be shown, and to whom.

Reads and writes nothing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field, model_validator

from dagster_project.declarations.base import Declared, Identifier

Threshold = Annotated[int, Field(ge=1, le=1_000_000)]
TERM = re.compile(r"[a-z][a-z0-9_]*")


class Rounding(Declared):
    """Counts are shown as multiples of a base, so that areas still add up to theirs (controlled rounding)."""

    base: int = Field(ge=2, le=1000)

    @property
    def name(self) -> str:
        return "rounding"

    @property
    def spread(self) -> int:
        """How far a number may stand from the true one."""
        return self.base - 1

    @property
    def note(self) -> str:
        """What a reader must know, in German."""
        return (
            f"Zum Schutz Einzelner aus Zahlen gebildet, die auf Vielfache von {self.base} gerundet sind: Zahlen "
            "verschiedener Merkmale ergänzen sich nicht immer genau, und wo wenig gezählt wurde, ist der Wert ungenau."
        )


class CellKey(Declared):
    """Counts are shown with a small fixed noise (cell-key method); zero stays zero."""

    largest_move: int = Field(ge=1, le=50)
    variance: float = Field(gt=0)
    never_up_to: int = Field(default=0, ge=0, le=20, description="no positive number up to this one is ever shown")

    @property
    def name(self) -> str:
        return "cell_key"

    @property
    def spread(self) -> int:
        """How far a number may stand from the true one."""
        return self.largest_move

    @property
    def note(self) -> str:
        """What a reader must know, in German; how far numbers move is not told."""
        return (
            "Zum Schutz Einzelner aus leicht veränderten Zahlen gebildet (Cell-Key-Methode): Die Summe der Gebiete "
            "weicht von der Zahl des Ganzen ab, und wo wenig gezählt wurde, ist der Wert ungenau."
        )


class Dominance(Declared):
    """When a sum of values gives away what one contributor adds to it: the (n, k) rule, the p % rule, or both."""

    contributors: Literal[1, 2] | None = Field(default=None, description="n: so many largest contributors")
    percent: float | None = Field(default=None, gt=0, lt=100, description="k: may hold at most so much of the sum")
    prior: float | None = Field(default=None, gt=0, le=100, description="p: nobody may guess another closer than that")

    @model_validator(mode="after")
    def at_least_one_rule(self) -> Dominance:
        if (self.contributors is None) != (self.percent is None):
            raise ValueError("contributors and percent belong together: add the missing one")
        if self.contributors is None and self.prior is None:
            raise ValueError("declare contributors with percent, or prior, or all of them")
        return self


class SourceRule(Declared):
    """What differs for one source; what is left out is as the region declares it.

    With `rounding` or `cell_key` no count of the source is hidden: other numbers are shown in its place, and nobody can
    prove of a small one that it is smaller than its threshold.
    """

    numerator: Threshold | None = None
    remainder: Threshold | None = None
    denominator: Threshold | None = None
    zeros: Literal["may_be_hidden", "always_printed"] | None = None
    rounding: Rounding | None = None
    cell_key: CellKey | None = None
    dominance: Dominance | None = None

    @property
    def replacement(self) -> Rounding | CellKey | None:
        """How other numbers come to be shown in place of the true ones."""
        return self.rounding or self.cell_key

    @model_validator(mode="after")
    def one_method(self) -> SourceRule:
        if self.rounding and self.cell_key:
            raise ValueError("rounding and cell_key exclude each other: keep one")
        if self.replacement and self.zeros:
            raise ValueError("zeros is about hidden counts, and with rounding or cell_key none is hidden: remove it")
        if self.replacement and self.dominance:
            raise ValueError("dominance hides sums of values, which rounding and cell_key do not protect: keep one")
        return self


class Recipients(Declared):
    """Who knows more than the public. A municipality knows its own numbers; `together` of them may pool theirs."""

    municipalities: Literal["know_their_own_numbers", "know_the_public_ones"] = "know_their_own_numbers"
    together: Literal[1, 2] = 1
    statistical_office: Literal["released_values", "true_values"] = Field(
        default="released_values", description="whether a run also writes hidden values, for the Statistikstelle alone"
    )


class Disclosure(Declared):
    """The rule of a region; on unless a reason to switch it off is declared, which every run logs.

    A count above zero and below its threshold is sensitive: a numerator, a remainder (denominator less numerator) or a
    denominator. Areas with fewer residents than `minimum_population` show no other count of a day on which residents
    are counted, nor what is summed over the years until then.
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

    @model_validator(mode="after")
    def numbers_in_place_of_true_ones_protect(self) -> Disclosure:
        """Whoever sees the number that stands for a small one must not be able to rule out its threshold."""
        for source, rule in self.sources.items():
            least = max(self.numerator_of(source), self.remainder_of(source), self.denominator_of(source))
            if rule.rounding and rule.rounding.base <= least:
                raise ValueError(f"sources.{source}.rounding.base must be above the threshold {least}")
            if rule.cell_key and rule.cell_key.largest_move < least:
                raise ValueError(f"sources.{source}.cell_key.largest_move must be {least} at least, the threshold")
        return self

    def numerator_of(self, source: str) -> int:
        return self.sources.get(source, SourceRule()).numerator or self.numerator

    def remainder_of(self, source: str) -> int:
        return self.sources.get(source, SourceRule()).remainder or self.remainder

    def denominator_of(self, source: str) -> int:
        return self.sources.get(source, SourceRule()).denominator or self.denominator

    def zeros_of(self, source: str) -> str:
        return self.sources.get(source, SourceRule()).zeros or self.zeros

    def replacement_of(self, source: str) -> Rounding | CellKey | None:
        return self.sources.get(source, SourceRule()).replacement


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
