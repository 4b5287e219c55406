"""Numbers that were corrected since a release: what an attacker knows who keeps it beside the new one.

Reads and writes nothing: adds columns and relations to a sheet.

At worst an attacker knows which numbers a correction left alone. So a corrected column stands in the sheet once more as
the release had it; where nothing changed it is today's, and it hangs together with the others as today's does: sums of
years hold some years as they were and others as they are.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from dagster_project.disclosure.cells import REST, Sheet
from dagster_project.disclosure.columns import Column
from dagster_project.disclosure.ledger import Past
from dagster_project.disclosure.system import Relation

Integers = npt.NDArray[np.int64]
Booleans = npt.NDArray[np.bool_]


@dataclass
class _Version:
    """A column as one or more releases had it."""

    place: int
    value: Integers
    printed: Booleans


@dataclass
class _Added:
    """What was added to a sheet so far: versions by today's column, and relations between which columns."""

    versions: dict[int, list[_Version]] = field(default_factory=dict)
    relations: set[tuple[int, ...]] = field(default_factory=set)


def add_versions(sheet: Sheet, past: list[Past]) -> None:
    """Add what releases had of columns that were corrected since, and how it hangs together."""
    today, added, inner = list(sheet.relations), _Added(), sheet.inner
    for number, release in enumerate(past):
        width = release.value.shape[1]
        both = release.known & sheet.given[:, :width]
        changed = (both & (release.value != sheet.value[:, :width])).any(axis=0)
        wanted = changed & ~sheet.public[:width] & (release.printed.any(axis=0) | inner[:width])
        then = {}
        for place in np.flatnonzero(wanted).tolist():
            value = np.where(release.known[:, place], release.value[:, place], sheet.value[:, place])
            if _sums(sheet.parent, value):
                then[place] = _version(sheet, added, place, number, value, release)
        for relation in today:
            _bind(sheet, added, relation, then)
    sheet.versions += [(one.place, one.printed) for versions in added.versions.values() for one in versions]


def _version(sheet: Sheet, added: _Added, place: int, number: int, value: Integers, release: Past) -> int:
    """The column that holds what a release had: several releases with the same numbers share one."""
    printed, known = release.printed[:, place], release.known[:, place]
    for one in added.versions.setdefault(place, []):
        if (one.value == value).all():
            one.printed |= printed
            return one.place
    column = sheet.columns[place]
    same = known & (value == sheet.value[:, place])
    at = _append(sheet, Column(f"{column.measure}@{number}", column.day, column.years), value, known, is_rest=False)
    sheet.relations.append(Relation((place, at), (-1, 1), same))
    added.versions[place].append(_Version(at, value, printed.copy()))
    return at


def _bind(sheet: Sheet, added: _Added, relation: Relation, then: dict[int, int]) -> None:
    """A relation as a release had it, at the areas where one of its columns was another then."""
    is_open = bool(sheet.rests[relation.columns[-1]])
    named = relation.columns[:-1] if is_open else relation.columns
    columns = tuple(then.get(place, place) for place in named)
    if columns == named or columns in added.relations:
        return
    added.relations.add(columns)
    total = sheet.value[:, list(columns)] @ np.array(relation.coefficients[: len(columns)])
    holds = (sheet.value[:, list(columns)] != sheet.value[:, list(named)]).any(axis=1)
    holds &= (total <= 0) if is_open else (total == 0)
    if relation.holds is not None:
        holds &= relation.holds
    if not holds.any():
        return
    if is_open:
        rest = np.where(holds, -total, 0)
        name = Column(f"{REST}{len(sheet.columns)}", sheet.columns[named[0]].day)
        columns = (*columns, _append(sheet, name, rest, np.zeros(len(rest), bool), is_rest=True))
    sheet.relations.append(Relation(columns, relation.coefficients, holds))


def _append(sheet: Sheet, column: Column, value: Integers, given: Booleans, is_rest: bool) -> int:
    nothing = np.zeros((len(value), 1), bool)
    sheet.columns.append(column)
    sheet.value = np.hstack([sheet.value, value[:, None]])
    sheet.given = np.hstack([sheet.given, given[:, None]])
    sheet.absent, sheet.printable = (np.hstack([matrix, nothing]) for matrix in (sheet.absent, sheet.printable))
    sheet.public = np.append(sheet.public, False)
    sheet.rests = np.append(sheet.rests, is_rest)
    return len(sheet.columns) - 1


def _sums(parent: Integers, value: Integers) -> bool:
    total = np.zeros(len(value), np.int64)
    child = parent >= 0
    np.add.at(total, parent[child], value[child])
    inner = np.unique(parent[child])
    return bool((total[inner] == value[inner]).all())
