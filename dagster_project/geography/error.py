"""How far a converted figure may be off.

Reads and writes nothing.
"""

from __future__ import annotations

from dagster_project.declarations.support import AREA

OVERDISPERSION = 0.0035
OVERDISPERSION_OF_AREA = 0.05


def overdispersion(basis: str) -> float:
    """How unevenly people of one kind live within an area, by what weighted the pieces."""
    return OVERDISPERSION_OF_AREA if basis == AREA else OVERDISPERSION
