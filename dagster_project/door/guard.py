"""Before and behind every answer: methods, lengths, who asks, how often, and headers.

Reads  the file of tokens; writes nothing.
"""

from __future__ import annotations

import json
import logging
import math
from datetime import date
from http import HTTPStatus
from pathlib import Path

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dagster_project.declarations.sharing import Entitlement, Sharing
from dagster_project.door.limits import Limits, caller_of
from dagster_project.door.tokens import TokenMistake, recipient_of

log = logging.getLogger("sozialraum")
METHODS = ("GET", "HEAD")
LONGEST = 4096  # bytes of path and query
HEADERS = {
    "Cache-Control": "private, no-cache",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "Vary": "Authorization, Accept",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
WORDS = {
    HTTPStatus.METHOD_NOT_ALLOWED: "Hier kann nur gelesen werden (GET, HEAD).",
    HTTPStatus.REQUEST_URI_TOO_LONG: f"Die Anfrage ist länger als {LONGEST} Zeichen.",
    HTTPStatus.UNAUTHORIZED: "Hierfür ist ein gültiges Token nötig (Authorization: Bearer …).",
    HTTPStatus.TOO_MANY_REQUESTS: "Zu viele Anfragen; bitte warten.",
}


class Guard:
    """Lets a request through to `inner` with `scope["entitlements"]`, what its caller may see today."""

    def __init__(self, inner: ASGIApp, sharing: Sharing, tokens: Path, limits: Limits) -> None:
        self._inner, self._sharing, self._tokens, self._limits = inner, sharing, tokens, limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._inner(scope, receive, send)
            return
        if scope["type"] != "http":  # no web sockets
            return
        send = _with_headers(send)
        if scope["method"] not in METHODS:
            await _refuse(send, HTTPStatus.METHOD_NOT_ALLOWED, {"Allow": ", ".join(METHODS)})
            return
        if len(scope["raw_path"] or b"") + len(scope["query_string"]) > LONGEST:
            await _refuse(send, HTTPStatus.REQUEST_URI_TOO_LONG)
            return
        recipient, caller = self._who(scope)
        wait = self._limits.seconds_to_wait(caller)
        if wait > 0:
            await _refuse(send, HTTPStatus.TOO_MANY_REQUESTS, {"Retry-After": str(math.ceil(wait))})
        elif recipient is None:
            await _refuse(send, HTTPStatus.UNAUTHORIZED, {"WWW-Authenticate": "Bearer"})
        else:
            entitlements = self._values(recipient)
            # HEAD is answered like GET; the server leaves out the body
            await self._inner({**scope, "method": "GET", "entitlements": entitlements}, receive, send)

    def _who(self, scope: Scope) -> tuple[str | None, str]:
        """The recipient, none where it may not come in; and whose requests are counted.

        A token that is none is not everybody's: who shows one wants to be somebody.
        """
        address = caller_of(scope["client"][0] if scope.get("client") else "")
        shown = Headers(scope=scope).get("authorization")
        if shown is None:
            return self._sharing.everybody, address
        kind, _, token = shown.partition(" ")
        recipient = self._recipient(token.strip()) if kind.lower() == "bearer" else None
        known = {item.id for item in self._sharing.recipients}
        return (recipient, f"recipient {recipient}") if recipient in known else (None, address)

    def _recipient(self, token: str) -> str | None:
        try:
            return recipient_of(self._tokens, token)
        except TokenMistake as mistake:  # closed until the operator mends it
            log.error(mistake)
            return None

    def _values(self, recipient: str) -> list[Entitlement]:
        return [item for item in self._sharing.of(recipient, date.today()) if item.product == "values"]


def _with_headers(send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, text in HEADERS.items():
                headers[name] = text
        await send(message)

    return sending


async def _refuse(send: Send, status: HTTPStatus, headers: dict[str, str] | None = None) -> None:
    body = json.dumps({"code": status.phrase, "description": WORDS[status]}, ensure_ascii=False).encode()
    described = {"Content-Type": "application/json", "Content-Length": str(len(body)), **(headers or {})}
    raw = [(name.lower().encode(), text.encode()) for name, text in described.items()]
    await send({"type": "http.response.start", "status": int(status), "headers": raw})
    await send({"type": "http.response.body", "body": body})
