"""Disclosure control of a region: which cells of the published cube must be hidden.

Reads  core/core_disclosure_cell.parquet, geography/area.parquet, ledger/*.parquet, and what is declared.
Writes protection/cell.parquet (hidden rows of the cube) and protection/count.parquet (every count behind the cube with
       its true value, whether it is sensitive and whether it is hidden: confidential, for the audit and the ledger).

Where every source publishes these very numbers itself, nothing is hidden.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from dagster_project.declarations import Declarations, Indicator
from dagster_project.disclosure import ledger, rules, suppress
from dagster_project.disclosure.cells import Column, Sheet, Use, sheets
from dagster_project.disclosure.system import System, build
from dagster_project.tables import read_frame, write_frame

log = logging.getLogger("sozialraum")

Integers = npt.NDArray[np.int64]
Booleans = npt.NDArray[np.bool_]

CELL_TYPES = dict.fromkeys(("geography", "edition", "level", "area", "period", "indicator"), "varchar")
COUNT_TYPES = {
    **dict.fromkeys(("geography", "edition", "level", "area"), "varchar"),
    "reference_date": "date", "measure": "varchar", "years": "integer", "value": "bigint",
    "is_sensitive": "boolean", "is_hidden": "boolean", "is_given": "boolean",
}  # fmt: skip
LEVEL_WEIGHTS = (1.0, 2.5, 6.0, 12.0, 20.0)  # what hiding an area costs, finest level first
HIDDEN_BEFORE = 0.5  # part of the cost of a cell that the last release did not show either
NAMED = 20


class NotProtectable(Exception):
    """Numbers that cannot be protected as declared; the message is for the operator alone (German)."""


@dataclass(frozen=True)
class Protected:
    """What was done: counts behind the cube, sensitive and hidden ones, and hidden rows of the cube."""

    counts: int
    hidden_counts: int
    hidden_rows: int


def protect(declared: Declarations, core: Path, geography: Path, past: Path, output: Path) -> Protected:
    """Write the hidden cells. Raises `Contradiction` and `NotProtectable`; then nothing is written.

    `core`, `geography`, `past` (the ledger) and `output` are folders.
    """
    if declared.region.disclosure.off_because:
        log.warning(
            "Geheimhaltung ist für %s ausgeschaltet, weil: %s",
            declared.region.name,
            declared.region.disclosure.off_because,
        )
        return _write([], None, None, output)
    counts = read_frame(core / "core_disclosure_cell.parquet")
    areas = read_frame(geography / "area.parquet", "* exclude (geometry)")
    found = sheets(declared, counts, areas[areas["is_published"]])
    system = build([sheet.grid() for sheet in found])
    for index, sheet in enumerate(found):
        _apply_rules(declared, sheet, system, index)
    history = ledger.read(past)
    for index, sheet in enumerate(found):
        _remember(sheet, system, index, history)
    protection = suppress.protect(system, _attackers(declared, found, system))
    _refuse_unmet(declared, found, system, protection)
    return _write(found, system, protection.hidden, output, declared)


# ---------------------------------------------------------------- rules


def _apply_rules(declared: Declarations, sheet: Sheet, system: System, index: int) -> None:
    """Note for every cell of a sheet whether it is sensitive, what it needs, what hiding it costs and who knows it."""
    rule = declared.region.disclosure
    hidden, rise, fall = (system.of(index, flat) for flat in (system.hidden, system.rise, system.fall))
    lower, cost = system.of(index, system.lower), system.of(index, system.cost)
    value, printable = sheet.value, sheet.printable
    system.of(index, system.known)[:] = sheet.absent & ~printable | sheet.public
    thresholds = {place: _threshold(declared, sheet, place) for place in range(len(sheet.columns))}
    importance = np.zeros(len(sheet.columns))
    for use in sheet.uses:
        for column in use.columns:
            importance[sheet.place(column)] += 1
    for place, column in enumerate(sheet.columns):
        if sheet.public[place] or sheet.rests[place]:
            continue
        numerator, denominator = thresholds[place]
        always = _zeros_are_printed(declared, column)
        margin = rules.small(value[:, place], max(numerator, denominator), int(always))
        _note(hidden, rise, fall, place, margin, printable[:, place] | ~sheet.given[:, place] & ~sheet.absent[:, place])
        if always:
            system.of(index, system.known)[:, place] |= value[:, place] == 0
            lower[:, place] = np.minimum(1, value[:, place])
    for use in sheet.uses:
        if use.whole is not None and not sheet.public[sheet.place(use.columns[0])]:
            part, whole = sheet.place(use.columns[0]), sheet.place(use.whole)
            threshold = _remainder_threshold(declared, use.columns[0])
            margin = rules.remainder(value[:, part], value[:, whole], threshold)
            margin = rules.clipped(margin, value[:, part], np.zeros_like(value[:, part]), value[:, whole])
            _note(hidden, rise, fall, part, margin, printable[:, part])
    for relation in sheet.relations:
        part, last = relation.columns[1], relation.columns[-1]
        if sheet.rests[last] and not sheet.public[part] and not _is_share(sheet, relation.columns):
            margin = rules.small(value[:, last], _remainder_threshold(declared, sheet.columns[part]))
            rise[:, last] = np.maximum(rise[:, last], margin.rise)
            fall[:, last] = np.maximum(fall[:, last], margin.fall)
    _hide_small_areas(declared, sheet, hidden, rise, fall)
    levels = sheet.areas["level_rank"].to_numpy()
    weight = np.array(LEVEL_WEIGHTS)[np.minimum(levels - levels.min(), len(LEVEL_WEIGHTS) - 1)]
    cost[:] = weight[:, None] * np.maximum(importance, 1) * (1 + 0.02 * np.log1p(np.maximum(value, 0)))
    assert not (hidden & system.of(index, system.known)).any() or rule.zeros == "always_printed"


def _note(hidden: Booleans, rise: Integers, fall: Integers, place: int, margin: rules.Margin, where: Booleans) -> None:
    hidden[:, place] |= margin.sensitive & where
    rise[:, place] = np.maximum(rise[:, place], np.where(where, margin.rise, 0))
    fall[:, place] = np.maximum(fall[:, place], np.where(where, margin.fall, 0))


def _is_share(sheet: Sheet, columns: tuple[int, ...]) -> bool:
    """Whether a relation is that of a share, whose remainder is protected through its numerator."""
    pair = {sheet.columns[column] for column in columns[:2]}
    return any(use.whole is not None and pair == {use.columns[0], use.whole} for use in sheet.uses)


def _threshold(declared: Declarations, sheet: Sheet, place: int) -> tuple[int, int]:
    """Thresholds of a column as numerator and as denominator; 0 where it is none."""
    column = sheet.columns[place]
    sources = declared.sources_of.get(column.measure, ())
    rule = declared.region.disclosure
    is_numerator = any(use.columns[0] == column for use in sheet.uses)
    is_denominator = any(column in use.columns[1:] for use in sheet.uses)
    strict = is_numerator or not is_denominator
    return (
        max((rule.numerator_of(source) for source in sources), default=0) if strict else 0,
        max((rule.denominator_of(source) for source in sources), default=0) if is_denominator else 0,
    )


def _remainder_threshold(declared: Declarations, column: Column) -> int:
    rule = declared.region.disclosure
    return max((rule.remainder_of(source) for source in declared.sources_of.get(column.measure, ())), default=0)


def _zeros_are_printed(declared: Declarations, column: Column) -> bool:
    rule = declared.region.disclosure
    sources = declared.sources_of.get(column.measure, ())
    return bool(sources) and all(rule.zeros_of(source) == "always_printed" for source in sources)


def _hide_small_areas(declared: Declarations, sheet: Sheet, hidden: Booleans, rise: Integers, fall: Integers) -> None:
    """In areas with too few residents every count but the residents is hidden, by at least the threshold each way."""
    rule = declared.region.disclosure
    if not rule.minimum_population:
        return
    for place, column in enumerate(sheet.columns):
        if sheet.rests[place] or sheet.public[place] or column.measure == declared.region.population:
            continue
        residents = Column(declared.region.population, column.day, column.years)
        if residents not in sheet.columns:
            continue
        few = sheet.value[:, sheet.place(residents)] < rule.minimum_population
        few &= sheet.given[:, sheet.place(residents)] & sheet.printable[:, place] & (sheet.value[:, place] > 0)
        hidden[:, place] |= few
        rise[:, place] = np.maximum(rise[:, place], np.where(few, rule.numerator, 0))
        fall[:, place] = np.maximum(fall[:, place], np.where(few, np.minimum(rule.numerator, sheet.value[:, place]), 0))


# ---------------------------------------------------------------- what was released, and who knows more


def _remember(sheet: Sheet, system: System, index: int, history: pd.DataFrame) -> None:
    """What was ever printed with today's number stays known; what the last release hid is cheap to hide again."""
    if history.empty:
        return
    past = ledger.of_sheet(sheet, history)
    printed = past.printed & (past.value == sheet.value)
    system.of(index, system.known)[:] |= printed
    system.of(index, system.cost)[:] *= np.where(past.hidden_last, HIDDEN_BEFORE, 1.0)


def _attackers(declared: Declarations, found: list[Sheet], system: System) -> list[Booleans]:
    """What each municipality knows: all its own numbers; or each two of them, where they may pool theirs."""
    recipients = declared.region.disclosure.recipients
    names = [item.id for item in declared.region.municipalities]
    if recipients.municipalities == "know_the_public_ones" or len(names) < 2:
        return []
    single = []
    for name in names:
        own = np.zeros(len(system.value), bool)
        for index, sheet in enumerate(found):
            inside = (sheet.areas["municipality"] == name).to_numpy()
            system.of(index, own)[inside] = True
        single.append(own)
    if recipients.together == 1:
        return single
    return single + [one | other for number, one in enumerate(single) for other in single[number + 1 :]]


def _refuse_unmet(declared: Declarations, found: list[Sheet], system: System, protection: suppress.Protection) -> None:
    """Raises `NotProtectable` where the public can learn what must be hidden; names cells to the operator alone."""
    exposed = protection.unmet[0] | (system.hidden & system.known)
    if not exposed.any():
        return
    named = [text for index, sheet in enumerate(found) for text in _named(sheet, system.of(index, exposed))]
    text = (
        f"{len(named)} Zahlen lassen sich nicht mehr geheim halten, weil frühere Veröffentlichungen oder allgemein "
        f"Bekanntes sie verraten: {'; '.join(named[:NAMED])}{' …' if len(named) > NAMED else ''}."
    )
    if declared.region.disclosure.released_before == "accept":
        log.warning("%s Das ist in region.yml hingenommen (released_before: accept).", text)
        return
    raise NotProtectable(
        text + " Nichts wird veröffentlicht. Ist das zu verantworten, steht in region.yml: released_before: accept."
    )


def _named(sheet: Sheet, cells: Booleans) -> list[str]:
    found = []
    for node, place in np.argwhere(cells):
        area, column = sheet.areas.iloc[node], sheet.columns[place]
        found.append(f"{column.measure} {column.day:%d.%m.%Y} {area['level']} {area['area']}")
    return found


# ---------------------------------------------------------------- output


def _write(
    found: list[Sheet],
    system: System | None,
    hidden: Booleans | None,
    output: Path,
    declared: Declarations | None = None,
) -> Protected:
    rows, counts = [], []
    if system is not None and hidden is not None and declared is not None:
        for index, sheet in enumerate(found):
            own = system.of(index, hidden)
            rows.append(_hidden_rows(declared, sheet, own))
            counts.append(_counts(sheet, own, system.of(index, system.hidden)))
    cells = pd.concat(rows, ignore_index=True) if rows else pd.DataFrame(columns=list(CELL_TYPES))
    table = pd.concat(counts, ignore_index=True) if counts else pd.DataFrame(columns=list(COUNT_TYPES))
    write_frame(table, output / "count.parquet", COUNT_TYPES)
    write_frame(cells.sort_values(list(CELL_TYPES)), output / "cell.parquet", CELL_TYPES)
    return Protected(len(table), int(table["is_hidden"].sum()), len(cells))


def _hidden_rows(declared: Declarations, sheet: Sheet, hidden: Booleans) -> pd.DataFrame:
    """Rows of the cube that show a hidden count, or are formed from such a row."""
    by_use: dict[tuple[str, date], Booleans] = {}
    frames = []
    for use in sheet.uses:
        places = [sheet.place(column) for column in use.columns]
        by_use[use.indicator, use.day] = np.asarray(hidden[:, places].any(axis=1), bool)
        frames.append(_rows(sheet, use.indicator, use.period, by_use[use.indicator, use.day]))
    for indicator in declared.reported_indicators.values():
        for use in sheet.uses if indicator.change else ():
            if indicator.change and use.indicator == indicator.change.indicator:
                frames.append(_changed_rows(sheet, indicator, use, by_use))
    kept = [frame for frame in frames if len(frame)]
    return pd.concat(kept, ignore_index=True) if kept else pd.DataFrame(columns=list(CELL_TYPES))


def _changed_rows(
    sheet: Sheet, indicator: Indicator, use: Use, by_use: dict[tuple[str, date], Booleans]
) -> pd.DataFrame:
    assert indicator.change is not None
    before = use.day.year - indicator.change.years
    earlier = [by_use[key] for key in by_use if key[0] == use.indicator and key[1].year == before]
    gone: Booleans = np.any([by_use[use.indicator, use.day], *earlier], axis=0)
    return _rows(sheet, indicator.id, use.period, gone)


def _rows(sheet: Sheet, indicator: str, period: str, hidden: Booleans) -> pd.DataFrame:
    areas = sheet.areas.loc[hidden, ["level", "area"]]
    return areas.assign(geography=sheet.geography, edition=sheet.edition, period=period, indicator=indicator)[
        list(CELL_TYPES)
    ]


def _counts(sheet: Sheet, hidden: Booleans, sensitive: Booleans) -> pd.DataFrame:
    frames = []
    shown = {column for use in sheet.uses for column in use.columns}
    for place, column in enumerate(sheet.columns):
        if column not in shown:
            continue
        frames.append(
            sheet.areas[["level", "area"]].assign(
                geography=sheet.geography,
                edition=sheet.edition,
                reference_date=column.day,
                measure=column.measure,
                years=column.years,
                value=sheet.value[:, place],
                is_sensitive=sensitive[:, place],
                is_hidden=hidden[:, place],
                is_given=sheet.given[:, place],
            )[list(COUNT_TYPES)]
        )
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=list(COUNT_TYPES))
