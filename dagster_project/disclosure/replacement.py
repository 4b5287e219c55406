"""Numbers that are shown in place of true ones, where a source declares rounding or the cell-key method.

Reads  sheets, what earlier releases showed, and ledger/cell_key.secret of a region.
Writes ledger/cell_key.secret, once: the noise of a region. Whoever knows it can take the noise away.

Rates, changes, indices and everything else are formed of these numbers. Rounded numbers add up over the areas; over
measures that hang together as well where there are such multiples. Noisy ones do not add up.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy import sparse

from dagster_project.declarations import Declarations
from dagster_project.declarations.disclosure import CellKey, Rounding
from dagster_project.disclosure import cellkey, rounding
from dagster_project.disclosure.cells import Sheet
from dagster_project.disclosure.columns import Column, Use
from dagster_project.disclosure.ledger import Past
from dagster_project.disclosure.system import Grid, Relation, build
from dagster_project.tables import region_secret

Integers = npt.NDArray[np.int64]
Booleans = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]

KEY_BITS = 53  # of a key in [0, 1): as many as a double holds


class SecretLost(Exception):
    """The noise of earlier releases cannot be drawn again; the message is for the operator (German)."""


@dataclass(frozen=True)
class Replaced:
    """Nodes by columns: the numbers as they are shown, and which columns show others than the true ones.

    `spread` is how far a shown number may stand from the true one, by column (0: it is the true one).
    """

    value: Integers
    spread: Integers

    @property
    def columns(self) -> Booleans:
        found: Booleans = self.spread > 0
        return found


def replaced(declared: Declarations, sheet: Sheet, past: list[Past], ledger: Path) -> Replaced:
    """What a sheet shows. Raises `SecretLost`."""
    rules = {
        place: rule
        for place, column in enumerate(sheet.columns)
        if not sheet.rests[place] and (rule := declared.replacement_of(column.measure)) is not None
    }
    shown = sheet.value.copy()
    spread = np.zeros(len(sheet.columns), np.int64)
    if not rules:
        return Replaced(shown, spread)
    single = {place: rule for place, rule in rules.items() if sheet.columns[place].years == 1}
    secret = _secret(ledger, any((release.shown[:, list(single)] >= 0).any() for release in past))
    _round(sheet, past, {place: rule for place, rule in single.items() if isinstance(rule, Rounding)}, shown)
    for place, rule in single.items():
        if isinstance(rule, CellKey):
            shown[:, place] = _noisy(sheet, place, rule, secret)
    for place, rule in rules.items():
        years = sheet.columns[place].years
        spread[place] = rule.spread * years
        if years > 1:
            shown[:, place] = shown[:, _years(sheet, place)].sum(axis=1)
    return Replaced(shown, spread)


def unfit(sheet: Sheet, use: Use, shown: Replaced) -> Booleans:
    """Areas where a row cannot be formed of the shown numbers: a part above its whole, or a whole of which nothing is
    left."""
    places = [sheet.place(column) for column in use.columns]
    if len(places) < 2 or not shown.columns[places].any():
        return np.zeros(len(sheet.areas), bool)
    part, whole = (shown.value[:, place] for place in places[:2])
    found: Booleans = (whole <= 0) & (sheet.value[:, places[1]] > 0)
    return found if use.whole is None else found | (part > whole)


def _years(sheet: Sheet, place: int) -> list[int]:
    """The single years of a column that is their sum."""
    measure = sheet.columns[place].measure
    (years,) = (
        relation.columns[1:]
        for relation in sheet.relations
        if relation.columns[0] == place and all(sheet.columns[part].measure == measure for part in relation.columns[1:])
    )
    return list(years)


# ---------------------------------------------------------------- rounding


def _round(sheet: Sheet, past: list[Past], rules: dict[int, Rounding], shown: Integers) -> None:
    """Round columns in place, together where relations bind them, so that these hold as well if they can."""
    for base in sorted({rule.base for rule in rules.values()}):
        own = [place for place, rule in rules.items() if rule.base == base]
        for group, relations in _bound(sheet, own):
            try:
                shown[:, group] = _rounded(sheet, past, group, relations, base)
            except rounding.NotRoundable:
                for place in group:
                    shown[:, [place]] = _rounded(sheet, past, [place], [], base)


def _bound(sheet: Sheet, places: list[int]) -> list[tuple[list[int], list[Relation]]]:
    """Columns that relations bind to each other, and these relations; others stand alone."""
    allowed = set(places) | set(np.flatnonzero(sheet.rests).tolist())
    inside = [relation for relation in sheet.relations if set(relation.columns) <= allowed]
    members = np.array(places)
    pairs = [(relation.columns[0], other) for relation in inside for other in relation.columns if other in places]
    size = len(sheet.columns)
    links = sparse.coo_array((np.ones(len(pairs)), np.array(pairs, int).reshape(-1, 2).T), shape=(size, size))
    _, label = sparse.csgraph.connected_components(links, directed=False)
    return [
        (
            members[label[members] == number].tolist(),
            [relation for relation in inside if label[relation.columns[0]] == number],
        )
        for number in np.unique(label[members])
    ]


def _rounded(sheet: Sheet, past: list[Past], group: list[int], relations: list[Relation], base: int) -> Integers:
    """Multiples of the base for a group of columns; what a release showed of the same number stays if it can."""
    rests = sorted({place for relation in relations for place in relation.columns if sheet.rests[place]})
    columns = [*group, *rests]
    number = {place: index for index, place in enumerate(columns)}
    own = [
        Relation(tuple(number[place] for place in relation.columns), relation.coefficients, relation.holds)
        for relation in relations
    ]
    value = sheet.value[:, columns]
    grid = Grid(sheet.parent, value, np.ones(value.shape, bool), sheet.rests[columns], own)
    result = rounding.controlled(build([grid]).matrix, value.ravel(), base, _shown_before(past, columns, value).ravel())
    return result.reshape(value.shape)[:, : len(group)]


def _shown_before(past: list[Past], columns: list[int], value: Integers) -> Integers:
    """What the latest release showed of numbers that have not changed, -1 elsewhere."""
    found = np.full(value.shape, -1)
    for release in past:
        known = [(index, place) for index, place in enumerate(columns) if place < release.value.shape[1]]
        for index, place in known:
            same = (release.value[:, place] == value[:, index]) & (release.shown[:, place] >= 0)
            found[same, index] = release.shown[same, place]
    return found


# ---------------------------------------------------------------- the cell-key method


def _noisy(sheet: Sheet, place: int, rule: CellKey, secret: bytes) -> Integers:
    """A column with its noise.

    The keys of a finest area's people follow from the secret, the area, the measure, the day and how many they are:
    the same people in the same areas move by the same number in every release.
    """
    column, value = sheet.columns[place], sheet.value[:, place]
    finest = np.setdiff1d(np.arange(len(value)), sheet.parent)
    names = sheet.areas["area"].to_numpy(object)
    keys = np.array([_key(secret, sheet.geography, names[node], column, int(value[node])) for node in finest])
    above = [(finest, keys)]
    while len(above[-1][0]):
        node, own = sheet.parent[above[-1][0]], above[-1][1]
        above.append((node[node >= 0], own[node >= 0]))
    nodes, carried = (np.concatenate(part) for part in zip(*above, strict=True))
    table = cellkey.perturbation_table(rule.largest_move, rule.variance, rule.never_up_to)
    return table.perturbed(value, cellkey.cell_keys(carried, nodes, len(value)))


def _key(secret: bytes, geography: str, area: str, column: Column, count: int) -> float:
    """The sum of the keys of the people of a finest area, in [0, 1); nobody has none."""
    if count == 0:
        return 0.0
    text = "\0".join([geography, area, column.measure, column.day.isoformat(), str(count)])
    drawn = hashlib.blake2b(text.encode(), key=secret, digest_size=8).digest()
    return (int.from_bytes(drawn) >> (64 - KEY_BITS)) / 2.0**KEY_BITS


def _secret(ledger: Path, was_used: bool) -> bytes:
    """The secret of a region, drawn when its first numbers are replaced."""
    path = ledger / "cell_key.secret"
    if not path.is_file() and was_used:
        raise SecretLost(
            f"{path.name} fehlt: mit neuem Zufall stünden zwei verschiedene Zahlen für dieselbe, und ihr Mittel "
            "verriete die wahre. Bitte die Datei aus der Sicherung zurückholen; nichts wird veröffentlicht."
        )
    return region_secret(path)
