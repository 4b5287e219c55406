"""From tables to a system: which counts there are, how they hang together, and which indicator shows which of them.

Reads  counts and areas as frames, indicators and relations as declared. Writes nothing.

A column is a measure on a day, or its sum over the last years where an indicator pools them. Where a number was never
delivered, or its source keeps it back, some number must stand for it that fits the others: any that does will do.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date

import numpy as np
import numpy.typing as npt
import pandas as pd

from dagster_project.declarations import Declarations
from dagster_project.disclosure.columns import Column, NamedRelation, Raw, Use, named_relations, uses_of
from dagster_project.disclosure.system import Grid, Relation

Integers = npt.NDArray[np.int64]
Booleans = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]


class Contradiction(Exception):
    """Counts that contradict each other; the message is for the operator alone and names the cells (German)."""


@dataclass
class Sheet:
    """One edition: its areas, columns and what is known of each cell, nodes by columns.

    `versions` are columns as an earlier release had them, and where it printed them (see `ledger`).
    `given` cells have a number, `absent` ones no row at all; all others were not delivered or are kept back.
    """

    geography: str
    edition: str
    areas: pd.DataFrame
    parent: Integers
    columns: list[Column]
    value: Integers
    given: Booleans
    absent: Booleans
    public: Booleans
    printable: Booleans
    uses: list[Use]
    relations: list[Relation] = field(default_factory=list)
    rests: Booleans = field(default_factory=lambda: np.zeros(0, bool))
    versions: list[tuple[int, Booleans]] = field(default_factory=list)

    def place(self, column: Column) -> int:
        return self.columns.index(column)

    @property
    def inner(self) -> Booleans:
        """Columns nobody prints that are no remainders: parts of printed sums."""
        used = {column for use in self.uses for column in use.columns}
        found: Booleans = np.array([column not in used for column in self.columns], bool) & ~self.rests
        return found

    @property
    def certain(self) -> Booleans:
        """Parts with no row beside parts that have one, and places of no address where nobody is: nothing to tell, and
        so taken to be known to everybody."""
        beside = np.zeros(self.value.shape, bool)
        child = np.flatnonzero(self.parent >= 0)
        np.logical_or.at(beside, self.parent[child], ~self.absent[child])
        found = np.zeros(self.value.shape, bool)
        found[child] = self.absent[child] & beside[self.parent[child]]
        certain: Booleans = found | (self.unshown & (self.value == 0))
        return certain

    @property
    def unshown(self) -> Booleans:
        """Counts of what no address places, behind rates that are not shown of it."""
        used = {column for use in self.uses for column in use.columns}
        shown = np.array([column in used for column in self.columns], bool)
        unshown: Booleans = self.areas["is_unallocated"].to_numpy(bool)[:, None] & self.given & ~self.printable & shown
        return unshown

    def grid(self) -> Grid:
        return Grid(self.parent, self.value, self.printable, self.rests, self.relations, sums=~self.public)


def sheets(declared: Declarations, counts: pd.DataFrame, conversions: pd.DataFrame, areas: pd.DataFrame) -> list[Sheet]:
    """One sheet per edition. Raises `Contradiction` with every cell that does not fit the others.

    `counts`: geography, edition, level, area, period, reference_date, measure, value. `conversions`: the same keys of
    counts that were carried over from other boundaries; they are no cells of their own. `areas`: geography, edition,
    level, level_rank, area, parent_level, parent, municipality.
    """
    found, mistakes = [], []
    for (geography, edition), own in areas.groupby(["geography", "edition"], sort=True):
        counted, carried = (
            table[(table["geography"] == geography) & (table["edition"] == edition)] for table in (counts, conversions)
        )
        if len(counted):
            sheet, wrong = _sheet(declared, str(geography), str(edition), counted, carried, own)
            if sheet.columns:  # else no reported indicator is formed from these counts
                found.append(sheet)
            mistakes += wrong
    if mistakes:
        raise Contradiction("\n".join(mistakes))
    return found


def _sheet(
    declared: Declarations,
    geography: str,
    edition: str,
    counts: pd.DataFrame,
    carried: pd.DataFrame,
    areas: pd.DataFrame,
) -> tuple[Sheet, list[str]]:
    areas = areas.sort_values(["level_rank", "area"]).reset_index(drop=True)
    number = {(row.level, row.area): row.Index for row in areas[["level", "area"]].itertuples()}
    parent = np.array(
        [number.get((row.parent_level, row.parent), -1) for row in areas[["parent_level", "parent"]].itertuples()]
    )
    raw = Raw(counts, carried, number, len(areas))
    uses = [use for indicator in declared.reported_indicators.values() for use in uses_of(indicator, raw)]
    shown = dict.fromkeys(column for use in uses for column in use.columns)
    relations, hidden_columns = named_relations(declared, uses, shown, raw)
    columns = [*shown, *hidden_columns]
    matrices = [raw.column(column) for column in columns]
    nodes = len(areas)
    empty = (np.zeros(nodes), np.zeros(nodes, bool), np.zeros(nodes, bool))
    value: Floats = np.stack([matrix[0] for matrix in matrices or [empty]], axis=1)
    given: Booleans = np.stack([matrix[1] for matrix in matrices or [empty]], axis=1)
    absent: Booleans = np.stack([matrix[2] for matrix in matrices or [empty]], axis=1)
    public = np.array([_is_public(declared, column.measure) for column in columns], bool)
    whole = value.astype(np.int64)
    mistakes = _negative(areas, columns, value) + _complete(parent, whole, given, absent, public, areas, columns)
    printable = given & np.array([column in shown for column in columns], bool)
    counted = {column for use in uses if declared.indicators[use.indicator].kind == "count" for column in use.columns}
    # no rate is shown of what no address places, only counts are
    nowhere = areas["is_unallocated"].to_numpy(bool)[:, None]
    printable &= ~nowhere | np.array([column in counted for column in columns], bool)
    sheet = Sheet(geography, edition, areas, parent, columns, whole, given, absent, public, printable, uses)
    mistakes += _number_relations(sheet, relations)
    return sheet, mistakes


def _is_public(declared: Declarations, measure: str) -> bool:
    sources = declared.sources_of.get(measure, ())
    return bool(sources) and all(declared.contracts[name].publication == "already_public" for name in sources)


# ---------------------------------------------------------------- numbers that are missing


def _complete(
    parent: Integers,
    value: Integers,
    given: Booleans,
    absent: Booleans,
    public: Booleans,
    areas: pd.DataFrame,
    columns: list[Column],
) -> list[str]:
    """Fill in place what was not delivered, so that every area is the sum of its parts; says where that fails.

    A part with no row at all takes what is left over, but where no part has a row, nothing is known of them.
    """
    mistakes = []
    children: dict[int, list[int]] = {}
    for node, above in enumerate(parent.tolist()):
        if above >= 0:
            children.setdefault(above, []).append(node)
    inner = sorted(children)  # finer levels stand first
    for place in np.flatnonzero(~public):
        column, known, missing = value[:, place], given[:, place], ~given[:, place]
        if not known.any() or (not missing.any() and _sums_hold(parent, column, inner)):
            continue
        least = np.where(known, column, 0)
        for node in inner:
            if missing[node]:
                least[node] = least[children[node]].sum()
        column[missing] = least[missing]
        for node in reversed(inner):
            kids = children[node]
            left = column[node] - column[kids].sum()
            open_kids = [kid for kid in kids if missing[kid] and not absent[kid, place]] or [
                kid for kid in kids if absent[kid, place]
            ]
            if left < 0 or (left > 0 and not open_kids):
                if column[node] != 0 or known[node]:
                    mistakes.append(_names(areas, columns[place], node, column, kids))
                continue
            for index, kid in enumerate(open_kids):
                column[kid] += left // len(open_kids) + (index < left % len(open_kids))
    return mistakes


def _sums_hold(parent: Integers, column: Integers, inner: list[int]) -> bool:
    total = np.zeros(len(column), np.int64)
    child = parent >= 0
    np.add.at(total, parent[child], column[child])
    return bool((total[inner] == column[inner]).all())


def _negative(areas: pd.DataFrame, columns: list[Column], value: Floats) -> list[str]:
    found = []
    for node, place in np.argwhere(value < 0):
        area, column = areas.iloc[node], columns[place]
        found.append(
            f"{column.measure} am {column.day:%d.%m.%Y}: {area['level']} {area['area']} hat {value[node, place]:g}; "
            "eine Zählung ist nie negativ. Bitte berichtigen lassen."
        )
    return found


def _names(areas: pd.DataFrame, column: Column, node: int, values: Integers, kids: list[int]) -> str:
    area = areas.iloc[node]
    return (
        f"{column.measure} am {column.day:%d.%m.%Y}: {area['level']} {area['area']} hat {values[node]}, die Summe der "
        f"{len(kids)} Teile ist {values[kids].sum()}. Die Lieferungen widersprechen sich: bitte berichtigen lassen."
    )


# ---------------------------------------------------------------- relations in numbers


def _number_relations(sheet: Sheet, relations: list[NamedRelation]) -> list[str]:
    """Give parts nobody publishes their values and each relation its rest; returns what contradicts a relation."""
    mistakes: list[str] = []
    place = {column: index for index, column in enumerate(sheet.columns)}
    _solve_parts(sheet, relations, place)
    shares = {(use.whole.measure, use.columns[0].measure) for use in sheet.uses if use.whole is not None}
    # two sources need not agree on what no address places
    placed = ~sheet.areas["is_unallocated"].to_numpy(bool)
    rests: list[Integers] = []
    numbered: list[Relation] = []
    for whole, parts, exact in relations:
        places = [place[part] for part in parts]
        rest = sheet.value[:, place[whole]] - sheet.value[:, places].sum(axis=1)
        where = placed if (whole.measure, parts[0].measure) in shares and not exact else np.ones(len(rest), bool)
        certain = sheet.given[:, [place[whole], *places]].all(axis=1) & where
        wrong = certain & ((rest != 0) if exact else (rest < 0))
        mistakes += [_names_relation(sheet, whole, parts, int(node), exact) for node in np.flatnonzero(wrong)]
        holds = ((rest == 0) if exact else (rest >= 0)) & where
        if exact:
            numbered.append(Relation((place[whole], *places), (-1, *[1] * len(places)), holds))
        else:
            numbered.append(
                Relation(
                    (place[whole], *places, len(sheet.columns) + len(rests)), (-1, *[1] * (len(places) + 1)), holds
                )
            )
            rests.append(np.where(holds, rest, 0))
    if rests:
        _append(sheet, np.stack(rests, axis=1))
    sheet.rests = np.array([column.measure.startswith(REST) for column in sheet.columns], bool)
    sheet.relations = numbered
    return mistakes


REST = "rest "


def _append(sheet: Sheet, values: Integers) -> None:
    nodes, number = values.shape
    nothing = np.zeros((nodes, number), bool)
    sheet.value = np.hstack([sheet.value, values])
    sheet.given, sheet.absent, sheet.printable = (
        np.hstack([matrix, nothing]) for matrix in (sheet.given, sheet.absent, sheet.printable)
    )
    sheet.public = np.append(sheet.public, np.zeros(number, bool))
    sheet.columns += [Column(f"{REST}{index}", date.min) for index in range(number)]


def _solve_parts(sheet: Sheet, relations: list[NamedRelation], place: dict[Column, int]) -> None:
    """A part nobody delivers is what its relation leaves over."""
    unsolved = {column for column, index in place.items() if not sheet.given[:, index].any()}
    progress = True
    while unsolved and progress:
        progress = False
        for whole, parts, exact in relations:
            open_columns = unsolved & {whole, *parts}
            if not exact or len(open_columns) != 1:
                continue
            column = open_columns.pop()
            others = sum(sheet.value[:, place[part]] for part in parts if part != column)
            found = others if column == whole else sheet.value[:, place[whole]] - others
            sheet.value[:, place[column]] = np.maximum(found, 0)
            sheet.absent[:, place[column]] = False
            certain = [place[other] for other in (whole, *parts) if other != column]
            sheet.given[:, place[column]] = sheet.given[:, certain].all(axis=1)
            unsolved.discard(column)
            progress = True


def _names_relation(sheet: Sheet, whole: Column, parts: tuple[Column, ...], node: int, exact: bool) -> str:
    area = sheet.areas.iloc[node]
    values = {column: sheet.value[node, sheet.place(column)] for column in (whole, *parts)}
    listed = ", ".join(f"{column.measure} {value}" for column, value in values.items())
    rule = "die Summe der Teile muss das Ganze sein" if exact else "ein Teil ist nie mehr als das Ganze"
    return f"{area['level']} {area['area']} am {whole.day:%d.%m.%Y}: {listed}; {rule}. Bitte berichtigen lassen."
