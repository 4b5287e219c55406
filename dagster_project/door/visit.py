"""One request: who asks, the one release that answers, and how an answer is wrapped.

Reads and writes nothing.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from dagster_project import entitled
from dagster_project.declarations.sharing import EVERY_MUNICIPALITY, Entitlement
from dagster_project.door.answers import Link
from dagster_project.door.parameters import Page
from dagster_project.door.standing import Area, Standing

RELEASE_HEADER = "Sozialraum-Release"
JSON = "application/json"


@dataclass(frozen=True)
class Visit:
    """What all answers to one request have in common."""

    standing: Standing
    entitlements: list[Entitlement]
    address: str
    query: list[tuple[str, str]]
    tag: str

    @classmethod
    def begin(cls, request: Request, standing: Standing, address: str) -> Visit:
        """Raises `HTTPException` 304 where the caller has got this very answer."""
        entitlements: list[Entitlement] = request.scope["entitlements"]
        told = (standing.id, [item.model_dump_json() for item in entitlements], str(request.url))
        tag = f'"{hashlib.sha256(repr(told).encode()).hexdigest()[:32]}"'
        if tag in [part.strip() for part in request.headers.get("if-none-match", "").split(",")]:
            raise HTTPException(304, headers={"ETag": tag, RELEASE_HEADER: standing.id})
        query = list(request.query_params.multi_items())
        return cls(standing, entitlements, address or str(request.base_url).rstrip("/"), query, tag)

    @property
    def condition(self) -> entitled.Condition:
        """Which areas this caller may see, as SQL."""
        return entitled.areas(self.entitlements)

    def may_see(self, area: Area) -> bool:
        return any(
            item.level == area.level and item.municipality in (EVERY_MUNICIPALITY, area.municipality)
            for item in self.entitlements
        )

    def sees_level(self, level: str) -> bool:
        return any(item.level == level for item in self.entitlements)

    def link(
        self, rel: str, title: str, *path: str, kind: str = JSON, query: list[tuple[str, str]] | None = None
    ) -> Link:
        text = "/".join([self.address, *(quote(part, safe="") for part in path)])
        return Link(href=f"{text}?{urlencode(query)}" if query else text, rel=rel, type=kind, title=title)

    def page_links(self, page: Page, matched: int, given: int, *path: str, kind: str = JSON) -> list[Link]:
        """This page, and the next if there is one: from the same release, or not at all."""
        links = [self.link("self", "Diese Seite", *path, kind=kind, query=self.query)]
        if page.offset + given < matched:
            others = [(name, text) for name, text in self.query if name not in ("offset", "release")]
            query = [*others, ("offset", str(page.offset + given)), ("release", self.standing.id)]
            links.append(self.link("next", "Nächste Seite", *path, kind=kind, query=query))
        return links

    def check_release(self, page: Page) -> None:
        """Raises `HTTPException` 409 where pages would be mixed from two releases."""
        if page.release not in (None, self.standing.id):
            raise HTTPException(
                409, "Inzwischen ist eine andere Veröffentlichung in Kraft; bitte von der ersten Seite an neu lesen."
            )

    def answer(self, content: Any, form: type[Response] = JSONResponse) -> Response:
        """An answer that says which release it comes from."""
        return form(content, headers={"ETag": self.tag, RELEASE_HEADER: self.standing.id})
