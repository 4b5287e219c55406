"""Other editions of the same people: what earlier releases showed of them, and what their areas share with today's.

Reads  the ledger's entries and counts of atoms as frames. Writes nothing.

Where an earlier release showed a count on another edition, everybody can subtract: an area of today less an area of
then is a strip of people. So the other edition's areas, with what was shown of them, and the strips (atoms) stand in
the system as grids of their own, linked to today's cells; what was hidden then and small strips keep their margins.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from dagster_project.disclosure import rules
from dagster_project.disclosure.cells import Sheet
from dagster_project.disclosure.columns import Column, years_before
from dagster_project.disclosure.system import Grid, System, build

Integers = npt.NDArray[np.int64]
Booleans = npt.NDArray[np.bool_]
Link = dict[tuple[int, int, int], float]  # grid (0: the sheet, 1: the other edition, 2: atoms), node, column

SHEET, OTHER, ATOM = range(3)


@dataclass
class OtherEdition:
    """Areas of another edition and what they share with a sheet's, by the columns both know (`places` in the sheet).

    `value` and `known` are areas by columns: today's count of the people who lived there, and where a release printed
    exactly that. `atoms` are pairs of an area and a node of the sheet that both hold more; `atom_value` their counts.
    """

    sheet: Sheet
    edition: str
    areas: pd.DataFrame
    parent: Integers
    places: list[int]
    value: Integers
    known: Booleans
    atoms: list[tuple[int, int]]
    atom_value: Integers
    links: list[Link]

    def grids(self) -> tuple[Grid, Grid]:
        """The areas' grid and the atoms' grid."""
        return _grid(self.parent, self.value), _grid(np.full(len(self.atoms), -1), self.atom_value)

    def margins(self, thresholds: Integers) -> tuple[rules.Margin, rules.Margin]:
        """What small counts of areas that were not printed, and small atoms, must be able to do."""
        area = rules.small(self.value, np.where(self.known, 0, thresholds[None, :]))
        return area, rules.small(self.atom_value, thresholds[None, :])

    def name(self, grid: int, node: int) -> str:
        """A cell's place in German, for the operator."""
        area, into = (node, None) if grid == OTHER else self.atoms[node]
        text = f"{self.areas.at[area, 'level']} {self.areas.at[area, 'area']} ({self.edition})"
        if into is None:
            return text
        return f"Teil von {text}, der in {self.sheet.areas.at[into, 'area']} ({self.sheet.edition}) liegt"


def _grid(parent: Integers, value: Integers) -> Grid:
    return Grid(parent, value, np.zeros(value.shape, bool), np.zeros(value.shape[1], bool))


def of_sheet(sheet: Sheet, history: pd.DataFrame, atoms: pd.DataFrame, areas: pd.DataFrame) -> list[OtherEdition]:
    """The other editions on which earlier releases printed counts of a sheet.

    `history`: the ledger's entries; `atoms`: geography, edition, area, reporting_area, day, measure, value; `areas` are
    those of all editions.
    """
    found = []
    entries = history[(history["geography"] == sheet.geography) & (history["edition"] != sheet.edition)]
    entries = entries[entries["is_printed"].to_numpy(bool)]
    for edition, printed in entries.groupby("edition", sort=True):
        shared = atoms[(atoms["geography"] == sheet.geography) & (atoms["edition"] == edition)]
        own = areas[(areas["geography"] == sheet.geography) & (areas["edition"] == edition)]
        places = _shared_columns(sheet, printed, shared)
        if places and len(shared):
            found.append(_other_edition(sheet, str(edition), places, printed, shared, own))
    return found


def linked(found: list[Sheet], others: list[OtherEdition]) -> System:
    """Every sheet's grid, then for every other edition its areas and its atoms, linked to its sheet."""
    grids = [sheet.grid() for sheet in found]
    links = []
    for other in others:
        sheet = next(index for index, own in enumerate(found) if own is other.sheet)
        area, atom = other.grids()
        own = {SHEET: sheet, OTHER: len(grids), ATOM: len(grids) + 1}
        grids += [area, atom]
        starts = np.cumsum([0, *(grid.size for grid in grids)])
        for link in other.links:
            links.append(
                {
                    int(starts[own[kind]] + node * grids[own[kind]].value.shape[1])
                    + (other.places[column] if kind == SHEET else column): sign
                    for (kind, node, column), sign in link.items()
                }
            )
    return build(grids, links)


def _shared_columns(sheet: Sheet, printed: pd.DataFrame, atoms: pd.DataFrame) -> list[int]:
    """Columns a release printed on the other edition, and whose people are known by atom."""
    was = set(zip(printed["measure"], printed["day"], printed["years"], strict=True))
    counted = set(atoms["measure"])
    return [
        place
        for place, column in enumerate(sheet.columns)
        if (column.measure, column.day, column.years) in was and column.measure in counted
    ]


def _other_edition(
    sheet: Sheet, edition: str, places: list[int], printed: pd.DataFrame, atoms: pd.DataFrame, areas: pd.DataFrame
) -> OtherEdition:
    areas = areas.sort_values(["level_rank", "area"]).reset_index(drop=True)
    node = {(row.level, row.area): row.Index for row in areas[["level", "area"]].itertuples()}
    parent = np.array(
        [node.get((row.parent_level, row.parent), -1) for row in areas[["parent_level", "parent"]].itertuples()]
    )
    finest = areas["level"].iloc[0]
    today = {row.area: row.Index for row in sheet.areas[sheet.areas["level"] == finest][["area"]].itertuples()}
    pairs = sorted(
        {
            (node[finest, area], today[into])
            for area, into in zip(atoms["area"], atoms["reporting_area"], strict=True)
            if (finest, area) in node and into in today
        }
    )
    columns = [sheet.columns[place] for place in places]
    shared = _counts_of_pairs(pairs, columns, atoms, (finest, node, today))
    value = np.zeros((len(areas), len(places)), np.int64)
    np.add.at(value, [area for area, _ in pairs], shared)
    for child in range(len(areas)):  # finer levels stand first
        if parent[child] >= 0:
            value[parent[child]] += value[child]
    known = _printed_as_today(value, columns, printed, node)
    split, links = _links(sheet, places, pairs, shared)
    inner = [pairs[index] for index in split]
    return OtherEdition(sheet, edition, areas, parent, places, value, known, inner, shared[split], links)


def _counts_of_pairs(
    pairs: list[tuple[int, int]],
    columns: list[Column],
    atoms: pd.DataFrame,
    nodes: tuple[str, dict[tuple[str, str], int], dict[str, int]],
) -> Integers:
    """Pairs by columns; a column of several years is their sum."""
    finest, node, today = nodes
    number = {pair: index for index, pair in enumerate(pairs)}
    row = np.array(
        [
            number.get((node.get((finest, area), -1), today.get(into, -1)), -1)
            for area, into in zip(atoms["area"], atoms["reporting_area"], strict=True)
        ]
    )
    found = np.zeros((len(pairs), len(columns)), np.int64)
    for place, column in enumerate(columns):
        first = years_before(column.day, column.years)
        here = (atoms["measure"] == column.measure).to_numpy() & np.array(
            [first < day <= column.day for day in atoms["day"]]
        )
        here &= row >= 0
        np.add.at(found[:, place], row[here], atoms["value"].to_numpy(float)[here].astype(np.int64))
    return found


def _printed_as_today(
    value: Integers, columns: list[Column], printed: pd.DataFrame, node: dict[tuple[str, str], int]
) -> Booleans:
    """Cells of which a release printed today's number."""
    place = {(column.measure, column.day, column.years): index for index, column in enumerate(columns)}
    known = np.zeros(value.shape, bool)
    keys = zip(printed["level"], printed["area"], printed["measure"], printed["day"], printed["years"], strict=True)
    for (level, area, *measure), number in zip(keys, printed["value"], strict=True):
        at = (node.get((level, area), -1), place.get(tuple(measure), -1))
        if min(at) >= 0 and value[at] == number:
            known[at] = True
    return known


def _links(
    sheet: Sheet, places: list[int], pairs: list[tuple[int, int]], shared: Integers
) -> tuple[list[int], list[Link]]:
    """Which pairs are part of both their areas, and the equations between the grids.

    A pair that is the whole of an area is that area's cell. An equation that does not hold is none: what a sheet has
    instead of a missing count is made up.
    """
    wholes = [np.bincount([pair[side] for pair in pairs]) for side in range(2)]
    split = [index for index, (area, into) in enumerate(pairs) if wholes[0][area] > 1 and wholes[1][into] > 1]
    number = {index: place for place, index in enumerate(split)}
    members: dict[tuple[int, int], list[tuple[int, int]]] = {}
    for index, (area, into) in enumerate(pairs):
        if wholes[0][area] == 1 and wholes[1][into] == 1:
            members[OTHER, area] = [(SHEET, into)]
        elif wholes[0][area] == 1:
            members.setdefault((SHEET, into), []).append((OTHER, area))
        elif wholes[1][into] == 1:
            members.setdefault((OTHER, area), []).append((SHEET, into))
        else:
            for whole in ((OTHER, area), (SHEET, into)):
                members.setdefault(whole, []).append((ATOM, number[index]))
    value = {SHEET: sheet.value[:, places], OTHER: _of_areas(pairs, shared), ATOM: shared[split]}
    links: list[Link] = []
    for whole, parts in members.items():
        signed = [(*whole, -1.0), *((*part, 1.0) for part in parts)]
        total = sum(sign * value[grid][node] for grid, node, sign in signed)
        for column in np.flatnonzero(total == 0):
            links.append({(grid, node, int(column)): sign for grid, node, sign in signed})
    return split, links


def _of_areas(pairs: list[tuple[int, int]], shared: Integers) -> Integers:
    found = np.zeros((max(area for area, _ in pairs) + 1, shared.shape[1]), np.int64)
    np.add.at(found, [area for area, _ in pairs], shared)
    return found
