"""Entitlements as a condition on areas: what a package and the door may select, by one rule.

Reads and writes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from dagster_project.declarations.sharing import EVERY_MUNICIPALITY, Entitlement


@dataclass(frozen=True)
class Condition:
    """SQL over `mart_area` and the values bound to its question marks."""

    sql: str
    parameters: list[str]


def areas(entitlements: Iterable[Entitlement]) -> Condition:
    """The areas that any of these entitlements names; none of them, no area."""
    parts, parameters = [], []
    for item in entitlements:
        if item.municipality == EVERY_MUNICIPALITY:
            parts.append("level = ?")
            parameters.append(item.level)
        else:
            parts.append("(level = ? and municipality = ?)")
            parameters += [item.level, item.municipality]
    return Condition(f"({' or '.join(parts) or 'false'})", parameters)
