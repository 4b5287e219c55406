"""The forms of all answers, as the description at `/api` tells them.

Reads and writes nothing.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import JSONResponse

CRS84 = "http://www.opengis.net/def/crs/OGC/1.3/CRS84"


class GeoJson(JSONResponse):
    media_type = "application/geo+json"


class Form(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Problem(Form):
    """What is wrong with a request."""

    code: str
    description: str


class Link(Form):
    href: str
    rel: str
    type: str
    title: str


class Landing(Form):
    title: str
    description: str
    release: str
    links: list[Link]


class Conformance(Form):
    conformsTo: list[str]


class Spatial(Form):
    bbox: list[list[float]]
    crs: str


class Temporal(Form):
    interval: list[list[str | None]]


class Extent(Form):
    spatial: Spatial
    temporal: Temporal


class Collection(Form):
    id: str
    title: str
    description: str
    itemType: Literal["feature"]
    crs: list[str]
    extent: Extent
    links: list[Link]


class Collections(Form):
    collections: list[Collection]
    links: list[Link]


class Feature(Form):
    type: Literal["Feature"]
    id: str
    geometry: dict[str, Any]
    properties: dict[str, Any] = Field(
        description="the area, and of each indicator <indicator>, <indicator>_status and <indicator>_period"
    )
    links: list[Link] | None = None


class FeatureCollection(Form):
    type: Literal["FeatureCollection"]
    features: list[Feature]
    links: list[Link]
    timeStamp: str
    numberMatched: int
    numberReturned: int


class Indicator(Form):
    indicator: str
    name: str
    unit_label: str | None
    decimals: int | None
    direction: str | None
    definition: str | None


class Indicators(Form):
    release: str
    indicators: list[Indicator]


class Value(Form):
    geography: str
    edition: str
    level: str
    area: str
    municipality: str | None
    period: str
    reference_date: str
    indicator: str
    breakdown: str
    value: float | None
    group: str | None = Field(alias="class")
    status: str
    reason: str | None
    numerator: float | None
    denominator: float | None
    ci_low: float | None
    ci_high: float | None
    conversion_class: str | None


class Values(Form):
    release: str
    numberMatched: int
    numberReturned: int
    values: list[Value]
    links: list[Link]
