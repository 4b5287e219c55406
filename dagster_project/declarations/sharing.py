"""Who gets which part of a release: recipients, and the one table of what they are entitled to.

Reads and writes nothing; declared in `sources/<region>/recipients.yml`.
"""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal

from pydantic import Field, model_validator

from dagster_project.declarations.base import Declared, Identifier, unique

EVERY_MUNICIPALITY = "*"
Address = Annotated[str, Field(pattern=r"^https?://[^\s<>\"{}|\\^`]+$")]
Theme = Literal[
    "AGRI", "ECON", "EDUC", "ENER", "ENVI", "GOVE", "HEAL", "INTR", "JUST", "OP_DATPRO", "REGI", "SOCI", "TECH", "TRAN"
]


class Catalogue(Declared):
    """What a catalogue by DCAT-AP.de says that no other declaration tells."""

    publisher: str = Field(description="office that decided on the publication")
    publisher_type: Literal["LocalAuthority", "RegionalAuthority", "NationalAuthority"] = "LocalAuthority"
    contact: Annotated[str, Field(pattern=r"^(mailto:\S+@\S+|https?://\S+)$")] = Field(
        description="mailto: address or a contact form"
    )
    contributor: Annotated[str, Field(pattern=r"^http://dcat-ap\.de/def/contributors/\w+$")] | None = Field(
        default=None, description="the id GovData gave to who delivers to it"
    )
    licence: Annotated[str, Field(pattern=r"^http://dcat-ap\.de/def/licenses/[\w./-]+$")]
    address: Address = Field(description="where packages are obtained: <address>/<recipient>/<release>.zip")
    territory: Annotated[str, Field(pattern=r"^(state|governmentDistrict|district|municipality)Key/\d+$")] = Field(
        description="the region in the lists of political geocoding"
    )
    themes: list[Theme] = Field(default=["SOCI"], min_length=1)
    keywords: list[str] = Field(default_factory=list)


class Recipient(Declared):
    """An office, or everybody; packages are encrypted to its age keys where it has any."""

    id: Identifier
    name: str
    everybody: bool = Field(default=False, description="who comes to the HTTP door without a token gets what it gets")
    encrypt_to: list[str] = Field(default_factory=list, description="public age keys")


class Entitlement(Declared):
    """One row of the table: what a recipient gets of which areas, what for and for how long."""

    recipient: Identifier
    product: Literal["values", "comparisons"]
    municipality: str = Field(description=f"key of a municipality, or {EVERY_MUNICIPALITY} for the whole region")
    level: Identifier
    purpose: str
    valid_from: date
    valid_to: date | None = None

    @model_validator(mode="after")
    def ends_after_it_begins(self) -> Entitlement:
        if self.valid_to is not None and self.valid_to < self.valid_from:
            raise ValueError("valid_to lies before valid_from")
        return self

    def holds_on(self, day: date) -> bool:
        return self.valid_from <= day and (self.valid_to is None or day <= self.valid_to)


class Sharing(Declared):
    """All recipients of a region."""

    id: Identifier
    transmissions_kept_days: int = Field(gt=0, description="how long the ledger of transmissions is kept")
    catalogue: Catalogue
    recipients: list[Recipient] = Field(min_length=1)
    entitlements: list[Entitlement] = Field(default_factory=list)

    @model_validator(mode="after")
    def recipients_are_declared_once(self) -> Sharing:
        unique("recipients", [recipient.id for recipient in self.recipients])
        unique("everybody", ["everybody" for recipient in self.recipients if recipient.everybody])
        known = {recipient.id for recipient in self.recipients}
        for entitlement in self.entitlements:
            if entitlement.recipient not in known:
                raise ValueError(
                    f"entitlements: {entitlement.recipient!r} is no recipient; declared: {', '.join(sorted(known))}"
                )
        return self

    @property
    def everybody(self) -> str | None:
        """The recipient whose entitlements hold for everybody; none where the door is closed without a token."""
        return next((item.id for item in self.recipients if item.everybody), None)

    def of(self, recipient: str, day: date) -> list[Entitlement]:
        """What a recipient is entitled to on a day."""
        return [item for item in self.entitlements if item.recipient == recipient and item.holds_on(day)]
