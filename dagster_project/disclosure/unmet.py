"""Numbers that cannot be kept secret any more: what the operator is told of them, and what a region accepts.

Reads  the grids of a system and what could not be protected in it.
Writes protection/accepted.parquet: numbers that can be found out although they are sensitive, and that the region
       accepts with `released_before: accept`. Confidential, for the audit and the ledger.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from dagster_project.disclosure import editions
from dagster_project.disclosure.cells import REST, Sheet
from dagster_project.disclosure.columns import Column, true_name
from dagster_project.disclosure.editions import OtherEdition
from dagster_project.disclosure.suppress import Protection
from dagster_project.disclosure.system import System
from dagster_project.tables import write_frame

Booleans = npt.NDArray[np.bool_]

NAMED = 20
TYPES = dict.fromkeys(("geography", "edition", "level", "area", "measure", "where"), "varchar")


class NotProtectable(Exception):
    """Numbers that cannot be protected as declared; the message is for the operator alone (German)."""


@dataclass(frozen=True)
class Unmet:
    """One number that can be found out: its place, the measures it is one of or is formed of, and what follows."""

    geography: str
    edition: str
    level: str
    area: str
    measures: tuple[str, ...]
    where: str


def unmet(
    found: list[Sheet], others: list[OtherEdition], system: System, protection: Protection, exposed: Booleans
) -> list[Unmet]:
    """The numbers among some cells that must be hidden and can be learnt."""
    numbers: list[Unmet] = []
    for index, sheet in enumerate(found):
        cannot_fall = system.of(index, protection.cannot_fall)
        for node, place in np.argwhere(system.of(index, exposed)):
            numbers.append(_of_sheet(sheet, int(node), int(place), bool(cannot_fall[node, place])))
    for number, other in enumerate(others):
        for grid in (editions.OTHER, editions.ATOM):
            for node, place in np.argwhere(system.of(len(found) + 2 * number + grid - 1, exposed)):
                numbers.append(_of_edition(other, grid, int(node), other.sheet.columns[other.places[place]]))
    return numbers


def _of_sheet(sheet: Sheet, node: int, place: int, cannot_fall: bool) -> Unmet:
    area = sheet.areas.iloc[node]
    column = sheet.columns[place]
    measures: tuple[str, ...] = (true_name(column.measure),)
    text = _text(column)
    if column.measure.startswith(REST):
        (of,) = (relation.columns[:-1] for relation in sheet.relations if relation.columns[-1] == place)
        whole, *parts = (sheet.columns[index] for index in of)
        measures = tuple(dict.fromkeys(true_name(one.measure) for one in (whole, *parts)))
        text = f"{_text(whole)} ohne {', '.join(true_name(part.measure) for part in parts)}"
    follows = "dass sie größer als 0 ist" if cannot_fall else "dass sie klein ist"
    where = f"{text} {area['level']} {area['area']} (sie ist {sheet.value[node, place]}; es folgt, {follows})"
    return Unmet(sheet.geography, sheet.edition, area["level"], area["area"], measures, where)


def _of_edition(other: OtherEdition, grid: int, node: int, column: Column) -> Unmet:
    area = other.areas.loc[node if grid == editions.OTHER else other.atoms[node][0]]
    where = f"{_text(column)} {other.name(grid, node)}"
    return Unmet(other.sheet.geography, other.edition, area["level"], area["area"], (column.measure,), where)


def _text(column: Column) -> str:
    name = true_name(column.measure)
    years = f" (Summe aus {column.years} Jahren)" if column.years > 1 else ""
    then = ", wie früher veröffentlicht," if name != column.measure else ""
    return f"{name} {column.day:%d.%m.%Y}{years}{then}"


def message(numbers: list[Unmet]) -> str:
    """What is told, what follows and what can be done, in German."""
    listed = "; ".join(number.where for number in numbers[:NAMED])
    return (
        f"{len(numbers)} Zahlen lassen sich nicht mehr geheim halten, weil frühere Veröffentlichungen oder allgemein "
        f"Bekanntes sie verraten: {listed}{' …' if len(numbers) > NAMED else ''}."
    )


WAYS_OUT = (
    "Nichts wird veröffentlicht, die bisherige Veröffentlichung bleibt. Auswege: 1. die Lieferung zurücknehmen, die "
    "das auslöst, dann gilt die vorige weiter; 2. die Indikatoren, die diese Zahlen zeigen, in region.yml unter "
    "indicators weglassen; 3. ist es zu verantworten, dass man diese Zahlen ausrechnen kann: in region.yml unter "
    "disclosure released_before: accept eintragen, dann wird veröffentlicht und vermerkt, welche es sind."
)


def write_accepted(numbers: list[Unmet], output: Path) -> None:
    """Write the numbers a region accepts, one row per measure; an empty table where there are none."""
    rows = [
        (number.geography, number.edition, number.level, number.area, measure, number.where)
        for number in numbers
        for measure in number.measures
    ]
    write_frame(pd.DataFrame(rows, columns=list(TYPES)), output / "accepted.parquet", TYPES)
