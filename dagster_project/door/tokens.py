"""Tokens: who shows one is the recipient it was issued to.

Reads and writes one JSON file, for its owner alone: a recipient, a day and the SHA-256 of each token. The tokens
       themselves are told once and kept nowhere; 256 random bits need no slower hash.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from datetime import date
from pathlib import Path
from typing import Any

from dagster_project.settings import PRIVATE
from dagster_project.tables import read_json, write_json


class TokenMistake(Exception):
    """A file of tokens that others may read; the message is German, for whoever runs the door."""


def issue(path: Path, recipient: str, today: date) -> str:
    """A new token for a recipient; earlier ones stay valid until they are revoked. Raises `TokenMistake`."""
    token = secrets.token_urlsafe(32)
    entry = {"recipient": recipient, "issued": today.isoformat(), "sha256": _digest(token)}
    write_json([*_entries(path), entry], path)
    return token


def revoke(path: Path, recipient: str) -> int:
    """All tokens of a recipient are void at once; returns how many there were. Raises `TokenMistake`."""
    entries = _entries(path)
    kept = [entry for entry in entries if entry["recipient"] != recipient]
    if len(kept) < len(entries):
        write_json(kept, path)
    return len(entries) - len(kept)


def recipient_of(path: Path, token: str) -> str | None:
    """Whose token this is; none for one that was never issued or was revoked. Raises `TokenMistake`.

    Every entry is compared, each in constant time: how long it takes tells nothing.
    """
    digest, found = _digest(token), None
    for entry in _entries(path):
        if hmac.compare_digest(digest, entry["sha256"]):
            found = str(entry["recipient"])
    return found


def _entries(path: Path) -> list[dict[str, Any]]:
    if not path.is_file():
        return []
    if path.stat().st_mode & PRIVATE:
        raise TokenMistake(f"{path} dürfen auch andere lesen; bitte die Rechte auf 0600 setzen (chmod 600).")
    entries: list[dict[str, Any]] = read_json(path)
    return entries


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).hexdigest()
