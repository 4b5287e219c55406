"""Disclosure control: which cells of the published cube must be hidden.

Reads  the declarations of sources.
Writes protection/cell.parquet: one row per hidden value.

Nothing is hidden yet, because nothing is let in that would need it: only sources that publish these very numbers
themselves pass. A protected source is refused before anything is built.
"""

from __future__ import annotations

import logging
from pathlib import Path

import pandas as pd

from dagster_project.declarations import Declarations
from dagster_project.tables import write_frame

log = logging.getLogger("sozialraum")

CELL_TYPES = dict.fromkeys(("geography", "edition", "level", "area", "period", "indicator"), "varchar")


class NotProtectable(Exception):
    """A source whose numbers may not go out without disclosure control."""


def protect(declared: Declarations, output: Path) -> int:
    """Write the hidden cells; returns their number. Raises `NotProtectable` for a source that is not public."""
    protected = sorted(c.id for c in declared.contracts.values() if c.publication != "already_public")
    if protected and declared.region.disclosure == "off_because_simulated":
        log.warning("Geheimhaltung ist für %s ausgeschaltet: die Daten sind simuliert.", declared.region.name)
    elif protected:
        raise NotProtectable(
            f"Die Quellen {', '.join(protected)} sind nicht als „already_public“ erklärt. Ihre Zahlen dürfen ohne "
            "Geheimhaltung nicht veröffentlicht werden, und die gibt es in dieser Fassung noch nicht."
        )
    write_frame(pd.DataFrame(columns=list(CELL_TYPES)), output / "cell.parquet", CELL_TYPES)
    return 0
