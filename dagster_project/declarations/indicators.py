"""Indicators and indices, as declared.

Reads and writes nothing.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from dagster_project.declarations.base import Declared, Identifier


class Years(Declared):
    """A span of period years; open where a bound is left out."""

    from_year: int | None = None
    to_year: int | None = None

    def holds(self, year: int) -> bool:
        return (self.from_year or year) <= year <= (self.to_year or year)


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


class AgeSpan(Declared):
    from_year: int | None = None
    to_year: int | None = None
    years: int
    months: int = 0


class AgeBound(Declared):
    """An age that a law sets and changes over the years."""

    id: Identifier
    name: str
    source_note: str
    spans: list[AgeSpan] = Field(min_length=1)


class Break(Declared):
    """A break in the series: from this year on values are not comparable with earlier ones."""

    year: int
    reason: str


class Comparable(Declared):
    """Why values stay comparable although a declared composition, bound or source changes in these years."""

    periods: Years = Years()
    reason: Annotated[str, Field(min_length=20)]

    def holds_in(self, year: int) -> bool:
        return self.periods.holds(year)


class Reliability(Declared):
    """When a value is unreliable; widths of the 95 % interval are parts of the factor: 0.3 is 30 points.

    What is left out follows the presentation standards of the National Center for Health Statistics. For proportions
    (Series 2, Number 175, 2017): fewer than 30 in the denominator, nobody or everybody, a width of 30 points or more,
    or of more than 130 % of the value or of what it lacks to the whole, unless it is at most 5 points. For rates and
    counts (Series 2, Number 200, 2023): fewer than 10 events, a width of more than 160 % of the value.
    """

    minimum_numerator: int | None = Field(default=None, gt=0, description="of events: below it a value is unreliable")
    widest_interval: float | None = Field(default=None, gt=0)
    narrow_interval: float | None = Field(default=None, ge=0, description="never too wide up to this width")
    widest_relative_interval: float | None = Field(
        default=None, gt=0, description="width in relation to the value, of a part of a whole to the rest as well"
    )


class Indicator(Declared):
    """One row of the catalogue; `kind` says which fields it needs.

    `direction` is a verdict on areas, and `neutral` unless it is undisputed in the field that every high value means a
    need (burden) or none (favourable): `direction_reason` says why. The age, origin and households of residents and the
    use of help that is offered are none: they are neutral.

    Every change of composition, bounds or source in a year is one of `breaks`, or `comparable` says why it is none. No
    value is formed across a break.
    """

    id: Identifier
    name: str
    short_name: str
    kind: Literal["count", "share", "rate", "reported_share", "reported_change", "change", "index"]
    theme: Identifier
    theme_name: str
    unit: Literal[
        "persons",
        "households",
        "years",
        "euros",
        "percent",
        "percentage_points",
        "per_100",
        "per_1000",
        "per_10000",
        "standard_deviations",
    ]
    unit_label: str
    decimals: int = Field(ge=0, le=6)
    direction: Literal["burden", "favourable", "neutral"]
    direction_reason: Annotated[str, Field(min_length=20)] | None = Field(
        default=None, description="why nobody disputes the direction; may say of a neutral one why it is"
    )
    sort_order: int
    periods: Years = Years()
    minimum_denominator: int | None = Field(default=None, gt=0, description="below it a value is shown as unreliable")
    pooled_years: int = Field(default=1, ge=1, description="years summed up to one value, for rare events")
    numerator_is: Literal["part_of_denominator", "events", "other_group", "amount"] | None = Field(
        default=None,
        description="what the numerator of a rate is to its denominator, which decides the interval; of a share it is "
        "a part. part_of_denominator: Wilson; events, of which one may fall on somebody twice or on others: Byar; "
        "other_group, that does not overlap: Wilson of the share in both, as odds; amount (a sum of years, euros, "
        "places), which does not vary by chance like a count: none",
    )
    exceeds_whole_because: str | None = Field(
        default=None, min_length=20, description="why a rate of parts can be above the whole, in German"
    )
    reliability: Reliability = Reliability()
    breaks: list[Break] = Field(default_factory=list)
    comparable: list[Comparable] = Field(default_factory=list)
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

    @property
    def interval_method(self) -> str:
        """How its interval is computed: by what its numerator is to its denominator."""
        if self.kind in ("share", "reported_share"):
            return "wilson"
        methods = {"part_of_denominator": "wilson", "events": "byar", "other_group": "ratio"}
        return methods.get(self.numerator_is or "", "none")

    @property
    def limits_of_reliability(self) -> dict[str, float | None]:
        """When a value is unreliable, widths in the indicator's unit, where the declaration leaves it open."""
        is_share = self.interval_method == "wilson"
        declared = self.reliability
        widest = declared.widest_interval or (0.3 if is_share else None)
        narrow = declared.narrow_interval if declared.narrow_interval is not None else 0.05 if is_share else 0.0
        return {
            "minimum_denominator": self.minimum_denominator or (30 if is_share else None),
            "minimum_numerator": declared.minimum_numerator or (10 if self.interval_method == "byar" else None),
            "widest_interval": widest and widest * self.factor,
            "narrow_interval": narrow * self.factor,
            "widest_relative_interval": declared.widest_relative_interval or (1.3 if is_share else 1.6),
        }

    @property
    def parts(self) -> set[str]:
        """Ids of the indicators it is made from."""
        components = [item for x in self.index.compositions for item in x.components] if self.index else []
        return {item.indicator for item in components} | ({self.change.indicator} if self.change else set())

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

    @model_validator(mode="after")
    def a_verdict_has_a_reason(self) -> Indicator:
        if self.direction != "neutral" and self.direction_reason is None:
            raise ValueError(
                f"direction: {self.direction} needs direction_reason: why it is undisputed that every high value is "
                "(un)favourable; the age, origin and households of residents and the use of help are neutral"
            )
        return self

    @model_validator(mode="after")
    def a_rate_says_what_its_numerator_is(self) -> Indicator:
        if self.kind != "rate" and (self.numerator_is or self.exceeds_whole_because):
            raise ValueError(
                f"numerator_is and exceeds_whole_because are for rates, not for kind {self.kind}: remove them"
            )
        if self.kind == "rate" and self.numerator_is is None:
            raise ValueError("a rate needs numerator_is: part_of_denominator, events, other_group or amount")
        if self.numerator_is == "part_of_denominator" and self.exceeds_whole_because is None:
            raise ValueError(
                "a part that is never more than its whole is a share: declare kind share, or say in "
                "exceeds_whole_because why it can be more"
            )
        if self.exceeds_whole_because and self.numerator_is != "part_of_denominator":
            raise ValueError(f"exceeds_whole_because is about parts of a whole, not {self.numerator_is}: remove it")
        return self
