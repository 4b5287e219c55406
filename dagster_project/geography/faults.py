"""What a file of the geography that cannot be used as declared ends in.

Reads and writes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable


class GeographyError(Exception):
    """A file that cannot be used as declared; the message is for the person who supplied it (German)."""


def listed(keys: Iterable[str], at_most: int = 5) -> str:
    listed = list(keys)
    more = f" und {len(listed) - at_most} weitere" if len(listed) > at_most else ""
    return ", ".join(listed[:at_most]) + more


def german_number(value: float, decimals: int = 2) -> str:
    """A number for a message: decimal comma, thousands apart."""
    return f"{value:,.{decimals}f}".replace(",", " ").replace(".", ",").replace(" ", ".")
