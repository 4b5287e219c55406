"""Disclosure control of a region: which cells of the published cube must be hidden.

Reads  core/core_{disclosure_cell,disclosure_conversion,disclosure_atom,largest_contribution}.parquet,
       geography/area.parquet, ledger/*.parquet, and what is declared.
Writes protection/cell.parquet (hidden rows of the cube), protection/shown_count.parquet (numbers in place of true ones,
       of which rates are formed) and protection/count.parquet (every count behind the cube with its true value,
       whether it is sensitive or hidden, and what is shown in its place: confidential, for the audit and the ledger),
       the same of parts of sums as protection/part.parquet, and protection/accepted.parquet (see `unmet`).

Where every source publishes these very numbers itself, nothing is hidden.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from dagster_project.declarations import Declarations
from dagster_project.disclosure import carried, editions, ledger, suppress, versions
from dagster_project.disclosure.cells import Sheet, sheets
from dagster_project.disclosure.columns import true_name, years_before
from dagster_project.disclosure.editions import OtherEdition
from dagster_project.disclosure.replacement import Replaced, SecretLost, replaced, unfit
from dagster_project.disclosure.sensitive import apply_rules, thresholds_of
from dagster_project.disclosure.system import System
from dagster_project.disclosure.unmet import WAYS_OUT, NotProtectable, Unmet, message, unmet, write_accepted
from dagster_project.settings import RegionData
from dagster_project.tables import read_frame, write_frame

log = logging.getLogger("sozialraum")

Booleans = npt.NDArray[np.bool_]

CELL_TYPES = dict.fromkeys(("geography", "edition", "level", "area", "period", "indicator"), "varchar")
COUNT_TYPES = {
    **dict.fromkeys(("geography", "edition", "level", "area"), "varchar"),
    "reference_date": "date", "measure": "varchar", "years": "integer", "value": "bigint",
    "is_sensitive": "boolean", "is_hidden": "boolean", "is_given": "boolean", "shown": "bigint", "spread": "bigint",
}  # fmt: skip
SHOWN_TYPES = {
    **dict.fromkeys(("geography", "edition", "level", "area"), "varchar"),
    "reference_date": "date", "measure": "varchar", "value": "bigint",
}  # fmt: skip
HIDDEN_BEFORE = 0.5  # part of the cost of a cell that the last release did not show either


@dataclass(frozen=True)
class Protected:
    """What was done: counts behind the cube, sensitive and hidden ones, and hidden rows of the cube."""

    counts: int
    hidden_counts: int
    hidden_rows: int


def protect(declared: Declarations, data: RegionData) -> Protected:
    """Write the hidden cells of a region. Raises `Contradiction` and `NotProtectable`; then nothing is written."""
    if declared.region.disclosure.off_because:
        log.warning(
            "Geheimhaltung ist für %s ausgeschaltet, weil: %s",
            declared.region.name,
            declared.region.disclosure.off_because,
        )
        return _nothing_hidden(data.protection)
    if declared.all_public:
        return _nothing_hidden(data.protection)
    counts = _with_day(read_frame(data.core / "core_disclosure_cell.parquet"))
    conversions = _with_day(read_frame(data.core / "core_disclosure_conversion.parquet"))
    largest = _with_day(read_frame(data.core / "core_largest_contribution.parquet"))
    areas = _counted(read_frame(data.geography / "area.parquet", "* exclude (geometry)"), counts)
    found = sheets(declared, counts, conversions, areas)
    history = ledger.read(data.ledger)
    pasts = [ledger.of_sheet(sheet, history) for sheet in found]
    shown = [_replaced(declared, sheet, past, data) for sheet, past in zip(found, pasts, strict=True)]
    for sheet, past, other in zip(found, pasts, shown, strict=True):
        sheet.printable[:, other.columns] = False  # what is printed is another number
        versions.add_versions(sheet, past)
    atoms = _with_day(read_frame(data.core / "core_disclosure_atom.parquet"))
    others = [other for sheet in found for other in editions.of_sheet(sheet, history, atoms, areas)]
    system = editions.linked(found, others)
    for index, (sheet, past, other) in enumerate(zip(found, pasts, shown, strict=True)):
        apply_rules(declared, sheet, _with_versions(other.columns, sheet), largest, system, index)
        _remember(sheet, system, index, past)
    for number, edition in enumerate(others):
        _apply_to_other_edition(declared, edition, system, len(found) + 2 * number)
    protection = suppress.protect(system, _attackers(declared, found, others, system))
    accepted = _accepted(declared, found, others, system, protection)
    tables, parts, rows = [], [NO_COUNTS], []
    for index, (sheet, other) in enumerate(zip(found, shown, strict=True)):
        hidden = system.of(index, protection.hidden)
        sensitive = system.of(index, system.hidden)
        tables.append(_counts(sheet, hidden, sensitive, other, _behind_the_cube(sheet, other)))
        parts.append(_counts(sheet, hidden, sensitive, other, _parts(sheet)))
        rows.append(_hidden_rows(sheet, hidden, other))
    rows += carried.hidden_rows(declared, conversions, tables)
    rows.append(_changes_of(declared, pd.concat(rows, ignore_index=True), pd.concat([counts, conversions])))
    every = pd.concat([NO_COUNTS, *tables], ignore_index=True)
    write_accepted(accepted, data.protection)
    write_frame(pd.concat(parts, ignore_index=True), data.protection / "part.parquet", COUNT_TYPES)
    return _write(every, _shown_counts(declared, counts, every), rows, data.protection)


def _with_versions(replaced: Booleans, sheet: Sheet) -> Booleans:
    """Columns of a sheet, of which the last are numbers as earlier releases had them: true ones."""
    return np.append(replaced, np.zeros(len(sheet.columns) - len(replaced), bool))


def _replaced(declared: Declarations, sheet: Sheet, past: list[ledger.Past], data: RegionData) -> Replaced:
    try:
        return replaced(declared, sheet, past, data.ledger)
    except SecretLost as error:
        raise NotProtectable(str(error)) from error


def _counted(areas: pd.DataFrame, counts: pd.DataFrame) -> pd.DataFrame:
    """Areas of the levels that are published, or have counts others are carried over from."""
    levels = ["geography", "edition", "level"]
    has = areas.merge(counts[levels].drop_duplicates().assign(has_counts=True), on=levels, how="left")
    return areas[areas["is_published"].to_numpy(bool) | has["has_counts"].notna().to_numpy()]


def _with_day(counts: pd.DataFrame) -> pd.DataFrame:
    return counts.assign(day=pd.to_datetime(counts["reference_date"]).dt.date)


# ---------------------------------------------------------------- what was released, and who knows more


def _remember(sheet: Sheet, system: System, index: int, past: list[ledger.Past]) -> None:
    """What was ever printed with today's number stays known; what the last release hid is cheap to hide again."""
    known, cost, value = (system.of(index, flat) for flat in (system.known, system.cost, system.value))
    for release in past:
        width = release.value.shape[1]
        known[:, :width] |= release.printed & (release.value == value[:, :width])
    if past:
        width = past[-1].value.shape[1]
        cost[:, :width] *= np.where(past[-1].known & ~past[-1].printed, HIDDEN_BEFORE, 1.0)
    for place, printed in sheet.versions:
        known[:, place] |= printed


def _apply_to_other_edition(declared: Declarations, other: OtherEdition, system: System, index: int) -> None:
    """What was printed on another edition is known; what was not, and small atoms, keep their margins."""
    system.of(index, system.known)[:] = other.known
    margins = other.margins(thresholds_of(declared, other.sheet, other.places))
    for place, margin in enumerate(margins, start=index):
        system.of(place, system.rise)[:] = margin.rise
        system.of(place, system.fall)[:] = margin.fall


def _attackers(
    declared: Declarations, found: list[Sheet], others: list[OtherEdition], system: System
) -> list[Booleans]:
    """What each municipality knows: all its own numbers; or each two of them, where they may pool theirs."""
    recipients = declared.region.disclosure.recipients
    names = [item.id for item in declared.region.municipalities]
    if recipients.municipalities == "know_the_public_ones" or len(names) < 2:
        return []
    single = []
    for name in names:
        own = np.zeros(len(system.value), bool)
        for index, sheet in enumerate(found):
            system.of(index, own)[_inside(sheet.areas, name)] = True
        for number, other in enumerate(others):
            inside = _inside(other.areas, name)
            index = len(found) + 2 * number
            system.of(index, own)[inside] = True
            system.of(index + 1, own)[[bool(inside[area]) for area, _ in other.atoms]] = True
        single.append(own)
    if recipients.together == 1:
        return single
    return single + [one | other for number, one in enumerate(single) for other in single[number + 1 :]]


def _inside(areas: pd.DataFrame, municipality: str) -> Booleans:
    found: Booleans = (areas["municipality"] == municipality).to_numpy(bool)
    return found


def _accepted(
    declared: Declarations,
    found: list[Sheet],
    others: list[OtherEdition],
    system: System,
    protection: suppress.Protection,
) -> list[Unmet]:
    """What somebody can learn and the region accepts. Raises `NotProtectable` where the public can, and it does not."""
    told = protection.unmet[0] | (system.hidden & system.known)
    public = unmet(found, others, system, protection, told)
    if declared.region.disclosure.released_before == "refuse":
        if public:
            raise NotProtectable(f"{message(public)} {WAYS_OUT}")
        return []
    if public:
        log.warning("%s Das ist in region.yml hingenommen (released_before: accept).", message(public))
    return unmet(found, others, system, protection, told | np.any(protection.unmet, axis=0))


# ---------------------------------------------------------------- output


ROW = [*CELL_TYPES, "day"]
NO_COUNTS, NO_SHOWN = pd.DataFrame(columns=list(COUNT_TYPES)), pd.DataFrame(columns=list(SHOWN_TYPES))


def _write(counts: pd.DataFrame, shown: pd.DataFrame, rows: list[pd.DataFrame], output: Path) -> Protected:
    kept = [frame for frame in rows if len(frame)]
    cells = pd.concat(kept, ignore_index=True) if kept else pd.DataFrame(columns=ROW)
    cells = cells[list(CELL_TYPES)].drop_duplicates().sort_values(list(CELL_TYPES))
    write_frame(counts, output / "count.parquet", COUNT_TYPES)
    write_frame(shown, output / "shown_count.parquet", SHOWN_TYPES)
    write_frame(cells, output / "cell.parquet", CELL_TYPES)
    return Protected(len(counts), int(counts["is_hidden"].sum()), len(cells))


def _nothing_hidden(output: Path) -> Protected:
    write_accepted([], output)
    write_frame(NO_COUNTS, output / "part.parquet", COUNT_TYPES)
    return _write(NO_COUNTS, NO_SHOWN, [], output)


def _shown_counts(declared: Declarations, counts: pd.DataFrame, table: pd.DataFrame) -> pd.DataFrame:
    """A number, or none, for every count whose true one is not shown: nothing of it may be left."""
    keys = [name for name in SHOWN_TYPES if name != "value"]
    measures = [name for name in sorted(set(counts["measure"])) if declared.replacement_of(name)]
    wanted = counts.loc[counts["measure"].isin(measures), keys].assign(
        reference_date=lambda frame: pd.to_datetime(frame["reference_date"])
    )
    shown = table[(table["years"] == 1) & table["shown"].notna()].assign(
        reference_date=lambda frame: pd.to_datetime(frame["reference_date"]), value=lambda frame: frame["shown"]
    )
    return wanted.merge(shown[list(SHOWN_TYPES)], on=keys, how="left")


def _hidden_rows(sheet: Sheet, hidden: Booleans, shown: Replaced) -> pd.DataFrame:
    """Rows of the cube that show a hidden count, or cannot be formed of the numbers that are shown."""
    frames = [pd.DataFrame(columns=ROW)]
    for use in sheet.uses:
        gone = hidden[:, [sheet.place(column) for column in use.columns]].any(axis=1) | unfit(sheet, use, shown)
        if gone.any():
            frames.append(
                sheet.areas.loc[gone, ["level", "area"]].assign(
                    geography=sheet.geography,
                    edition=sheet.edition,
                    period=use.period,
                    indicator=use.indicator,
                    day=use.day,
                )[ROW]
            )
    return pd.concat(frames[1:] or frames, ignore_index=True)


def _changes_of(declared: Declarations, rows: pd.DataFrame, counts: pd.DataFrame) -> pd.DataFrame:
    """Rows of indicators that are the change of another one, where one of its two values is hidden."""
    frames = [pd.DataFrame(columns=ROW)]
    for indicator in declared.reported_indicators.values():
        if indicator.change is None:
            continue
        base = declared.indicators[indicator.change.indicator]
        measure = base.reported.measure if base.reported else base.numerator
        later = counts.loc[counts["measure"] == measure, ["geography", "edition", "period", "day"]].drop_duplicates()
        gone = rows[rows["indicator"] == base.id].drop(columns=["period"]).rename(columns={"day": "hidden_day"})
        pairs = gone.merge(later, on=["geography", "edition"])
        back = [
            hidden in (day, years_before(day, indicator.change.years))
            for hidden, day in zip(pairs["hidden_day"], pairs["day"], strict=True)
        ]
        if any(back):
            frames.append(pairs[back].assign(indicator=indicator.id)[ROW])
    return pd.concat(frames[1:] or frames, ignore_index=True)


def _behind_the_cube(sheet: Sheet, shown: Replaced) -> list[int]:
    """Columns that indicators show, or that stand for them."""
    used = {column for use in sheet.uses for column in use.columns}
    width = len(shown.spread)
    return [
        place
        for place, column in enumerate(sheet.columns)
        if column in used or (place < width and shown.spread[place] and not sheet.rests[place])
    ]


def _parts(sheet: Sheet) -> list[int]:
    """Columns that stand for parts of sums, as they are today."""
    return [
        place
        for place in np.flatnonzero(sheet.inner).tolist()
        if true_name(sheet.columns[place].measure) == sheet.columns[place].measure
    ]


def _counts(sheet: Sheet, hidden: Booleans, sensitive: Booleans, shown: Replaced, places: list[int]) -> pd.DataFrame:
    """Counts with all that is known of them, one column of the sheet after the other."""
    columns = [sheet.columns[place] for place in places]
    nodes = len(sheet.areas)

    def down(matrix: npt.NDArray[Any]) -> npt.NDArray[Any]:
        return matrix[:, places].T.ravel()

    return pd.DataFrame(
        {
            "geography": sheet.geography,
            "edition": sheet.edition,
            "level": np.tile(sheet.areas["level"].to_numpy(object), len(places)),
            "area": np.tile(sheet.areas["area"].to_numpy(object), len(places)),
            "reference_date": np.repeat(np.array([column.day for column in columns], object), nodes),
            "measure": np.repeat(np.array([column.measure for column in columns], object), nodes),
            "years": np.repeat([column.years for column in columns], nodes),
            "value": down(sheet.value),
            "is_sensitive": down(sensitive),
            "is_hidden": down(hidden),
            "is_given": down(sheet.given),
            **_instead(sheet, shown, places),
        }
    )[list(COUNT_TYPES)]


def _instead(sheet: Sheet, shown: Replaced, places: list[int]) -> dict[str, npt.NDArray[Any]]:
    """What is shown in place of counts, and how far it may stand from them; nothing where the true ones are shown."""
    replaced = [place < len(shown.spread) and shown.spread[place] > 0 for place in places]
    value = np.full((len(sheet.areas), len(places)), np.nan)
    spread = value.copy()
    for index in np.flatnonzero(replaced):
        value[:, index] = np.where(sheet.given[:, places[index]], shown.value[:, places[index]], np.nan)
        spread[:, index] = shown.spread[places[index]]
    return {"shown": value.T.ravel(), "spread": np.where(np.isnan(value), np.nan, spread).T.ravel()}
