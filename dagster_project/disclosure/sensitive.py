"""Which cells of a sheet are sensitive, from the rules a region declares; and what hiding each of them costs.

Reads and writes nothing: fills arrays of a system.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from dagster_project.declarations import Declarations
from dagster_project.disclosure import rules
from dagster_project.disclosure.cells import Sheet
from dagster_project.disclosure.columns import Column, true_name
from dagster_project.disclosure.system import System

Integers = npt.NDArray[np.int64]
Booleans = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]

LEVEL_WEIGHTS = (1.0, 2.5, 6.0, 12.0, 20.0)  # what hiding an area costs, finest level first


def apply_rules(
    declared: Declarations, sheet: Sheet, replaced: Booleans, largest: pd.DataFrame, system: System, index: int
) -> None:
    """Note for every cell of a sheet whether it is sensitive, what it needs, what hiding it costs and who knows it.

    Of columns that show other numbers than the true ones (`replaced`) none needs to be hidden. `largest` holds the two
    largest contributions to sums of values (`largest`, `second_largest`) by area, day and measure.
    """
    rule = declared.region.disclosure
    hidden, rise, fall = (system.of(index, flat) for flat in (system.hidden, system.rise, system.fall))
    lower, cost = system.of(index, system.lower), system.of(index, system.cost)
    value, printable, unshown = sheet.value, sheet.printable, sheet.unshown
    system.of(index, system.known)[:] = sheet.certain | sheet.public
    thresholds = {place: _threshold(declared, sheet, place) for place in range(len(sheet.columns))}
    importance, inner = np.zeros(len(sheet.columns)), sheet.inner
    for use in sheet.uses:
        for column in use.columns:
            importance[sheet.place(column)] += 1
    for place, column in enumerate(sheet.columns):
        if sheet.public[place] or sheet.rests[place] or replaced[place]:
            continue
        always = _zeros_are_printed(declared, column)
        if column.measure not in declared.value_sums:
            margin = rules.small(value[:, place], max(thresholds[place]), int(always))
        elif not inner[place]:
            margin = _margin_of_sum(declared, sheet, place, largest, int(always))
        else:
            continue  # what is added up is as safe as who contributes
        if inner[place]:
            _need(rise, fall, place, margin, sheet.given[:, place])
        is_old = column.measure != true_name(column.measure)
        kept_back = ~sheet.given[:, place] & ~sheet.absent[:, place] & (not is_old)
        _note(hidden, rise, fall, place, margin, printable[:, place] | kept_back | unshown[:, place])
        if always and not inner[place]:
            system.of(index, system.known)[:, place] |= value[:, place] == 0
            lower[:, place] = np.minimum(1, value[:, place])
    for use in sheet.uses:
        if use.whole is not None and not sheet.public[sheet.place(use.columns[0])]:
            part, whole = sheet.place(use.columns[0]), sheet.place(use.whole)
            if replaced[part] or replaced[whole]:
                continue
            threshold = _remainder_threshold(declared, use.columns[0])
            margin = rules.remainder(value[:, part], value[:, whole], threshold)
            margin = rules.clipped(margin, value[:, part], np.zeros_like(value[:, part]), value[:, whole])
            _note(hidden, rise, fall, part, margin, printable[:, part])
    for relation in sheet.relations:
        part, last = relation.columns[1], relation.columns[-1]
        if replaced[list(relation.columns[:2])].any():
            continue
        if sheet.rests[last] and not sheet.public[part]:
            margin = rules.small(value[:, last], _remainder_threshold(declared, sheet.columns[part]))
            where = sheet.given[:, list(relation.columns[:-1])].all(axis=1)
            if relation.holds is not None:
                where &= relation.holds
            whole = relation.columns[0]
            # a whole that may be printed bounds its remainder
            most = np.where(hidden[:, whole], margin.rise, value[:, whole] - value[:, last])
            rise[:, last] = np.where(where, np.minimum(margin.rise, most), 0)
            fall[:, last] = np.where(where, margin.fall, 0)
    _hide_small_areas(declared, sheet, hidden, rise, fall)
    levels = sheet.areas["level_rank"].to_numpy()
    weight = np.array(LEVEL_WEIGHTS)[np.minimum(levels - levels.min(), len(LEVEL_WEIGHTS) - 1)]
    cost[:] = weight[:, None] * np.maximum(importance, 1) * (1 + 0.02 * np.log1p(np.maximum(value, 0)))
    assert not (hidden & system.of(index, system.known)).any() or rule.zeros == "always_printed"


def _note(hidden: Booleans, rise: Integers, fall: Integers, place: int, margin: rules.Margin, where: Booleans) -> None:
    hidden[:, place] |= margin.sensitive & where
    _need(rise, fall, place, margin, where)


def _need(rise: Integers, fall: Integers, place: int, margin: rules.Margin, where: Booleans) -> None:
    rise[:, place] = np.maximum(rise[:, place], np.where(where, margin.rise, 0))
    fall[:, place] = np.maximum(fall[:, place], np.where(where, margin.fall, 0))


def thresholds_of(declared: Declarations, sheet: Sheet, places: list[int]) -> Integers:
    """The smallest count that may be shown of each of these columns; 0 for sums of values."""
    return np.array(
        [
            0 if sheet.columns[place].measure in declared.value_sums else max(_threshold(declared, sheet, place))
            for place in places
        ],
        np.int64,
    )


def _threshold(declared: Declarations, sheet: Sheet, place: int) -> tuple[int, int]:
    """Thresholds of a column's measure as numerator and as denominator; 0 where it is none."""
    measure = true_name(sheet.columns[place].measure)
    sources = _sources(declared, measure)
    rule = declared.region.disclosure
    is_numerator = any(use.columns[0].measure == measure for use in sheet.uses)
    is_denominator = any(column.measure == measure for use in sheet.uses for column in use.columns[1:])
    strict = is_numerator or not is_denominator
    return (
        max((rule.numerator_of(source) for source in sources), default=0) if strict else 0,
        max((rule.denominator_of(source) for source in sources), default=0) if is_denominator else 0,
    )


def _sources(declared: Declarations, measure: str) -> list[str]:
    """The sources of a measure, or of the measures that a part nobody publishes adds up with."""
    if own := declared.sources_of.get(measure):
        return list(own)
    beside = [names for item in declared.relations if measure in (names := (item.whole, *item.parts))]
    return [source for names in beside for name in names for source in declared.sources_of.get(name, ())]


def _remainder_threshold(declared: Declarations, column: Column) -> int:
    rule = declared.region.disclosure
    sources = _sources(declared, true_name(column.measure))
    return max((rule.remainder_of(source) for source in sources), default=0)


def _zeros_are_printed(declared: Declarations, column: Column) -> bool:
    rule = declared.region.disclosure
    sources = _sources(declared, true_name(column.measure))
    return bool(sources) and all(rule.zeros_of(source) == "always_printed" for source in sources)


def _hide_small_areas(declared: Declarations, sheet: Sheet, hidden: Booleans, rise: Integers, fall: Integers) -> None:
    """In areas with too few residents every count but the residents is hidden.

    Those above zero stay open by at least the threshold each way. What no address places lies in no area: there the
    thresholds alone hold.
    """
    rule = declared.region.disclosure
    if not rule.minimum_population:
        return
    placed, inner = ~sheet.areas["is_unallocated"].to_numpy(bool), sheet.inner
    for place, column in enumerate(sheet.columns):
        if sheet.rests[place] or sheet.public[place] or column.measure == declared.region.population:
            continue
        residents = Column(declared.region.population, column.day)  # also for what is summed over years
        if residents not in sheet.columns:
            continue
        few = placed & (sheet.value[:, sheet.place(residents)] < rule.minimum_population)
        few &= sheet.given[:, sheet.place(residents)]
        few &= sheet.given[:, place] if inner[place] else sheet.printable[:, place]
        least = int(_zeros_are_printed(declared, column))  # where zeros are always printed, none of the hidden is one
        if not inner[place]:
            hidden[:, place] |= few & (sheet.value[:, place] >= least)
        few &= sheet.value[:, place] > 0
        rise[:, place] = np.maximum(rise[:, place], np.where(few, rule.numerator, 0))
        reach = np.minimum(rule.numerator, sheet.value[:, place] - least)
        fall[:, place] = np.maximum(fall[:, place], np.where(few, reach, 0))


# ---------------------------------------------------------------- sums of values


def _margin_of_sum(declared: Declarations, sheet: Sheet, place: int, largest: pd.DataFrame, floor: int) -> rules.Margin:
    """A sum of values is sensitive where few contribute to it, or one of them more than is declared."""
    column, value = sheet.columns[place], sheet.value[:, place]
    contributors = Column(declared.value_sums[column.measure], column.day, column.years)
    threshold = max(_threshold(declared, sheet, sheet.place(contributors)))
    margin = rules.few_contributors(value, sheet.value[:, sheet.place(contributors)], threshold, floor)
    for source, rule in declared.judged_by_dominance.items():
        if source in declared.sources_of[column.measure]:
            margin = margin.with_(rules.dominated(value, _largest(sheet, column, largest), rule))
    return margin


def _largest(sheet: Sheet, column: Column, largest: pd.DataFrame) -> Floats:
    """The two largest contributions of every area; nothing where nobody contributes."""
    own = largest[
        (largest["geography"] == sheet.geography)
        & (largest["edition"] == sheet.edition)
        & (largest["measure"] == column.measure)
        & (largest["day"] == column.day)
    ]
    found = sheet.areas[["level", "area"]].merge(own, on=["level", "area"], how="left")
    two: Floats = found[["largest", "second_largest"]].fillna(0).to_numpy(float)
    return two
