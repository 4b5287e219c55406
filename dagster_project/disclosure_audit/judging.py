"""What must not be known of a number, and whether somebody can know it.

Reads and writes nothing. Knows nothing of how numbers came to be hidden.

Of a sensitive count both the least value the zero policy allows and its threshold must stay possible, clipped at its
whole where that is printed; of a count in an area with too few residents, as much less and more as the threshold. A
sum of values of too few must be able to be nothing, and twice as much; one of which a contributor could be read off, as
much less and more as its rule asks. A sensitive number that is printed is exposed as well.

Where other numbers are shown in place of true ones (rounding, cell key) anybody may see that a count is not zero; but
of a small one nobody may prove that it is smaller than its threshold.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from dagster_project.declarations import Declarations
from dagster_project.disclosure_audit.equations import Measure, today
from dagster_project.disclosure_audit.intervals import Knowledge, Memory, feasible
from dagster_project.disclosure_audit.published import AREA, Published

Booleans = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]

NEAR = 1e-6


@dataclass(frozen=True)
class Truth:
    """Areas by measures: `value` is NaN where nobody delivered any, `kept_back` where its source hides it."""

    value: Floats
    kept_back: Booleans


@dataclass(frozen=True)
class Rule:
    """By measure: the smallest count that may be shown (`threshold`, 0: all may) and the least value of a hidden one
    (`floor`), and whether other numbers are shown in place of true ones (`replaced`). By number: by how much it must be
    able to differ each way (`each_way`), in areas with too few residents and where values are added up."""

    threshold: Floats
    floor: Floats
    replaced: Booleans
    each_way: Floats


def thresholds(declared: Declarations) -> dict[str, int]:
    """The smallest count that may be shown of every measure of a source that is not public."""
    rule = declared.region.disclosure
    found: dict[str, int] = {}
    for indicator in declared.reported_indicators.values():
        numerator = indicator.reported.measure if indicator.reported else indicator.numerator
        for measure, least in ((numerator, rule.numerator_of), (indicator.denominator, rule.denominator_of)):
            sources = declared.sources_of.get(measure or "", ())
            if (
                measure
                and measure not in declared.value_sums
                and any(declared.contracts[source].publication != "already_public" for source in sources)
            ):
                found[measure] = max(found.get(measure, 0), *(least(source) for source in sources))
    return found


def declared_rule(declared: Declarations, published: Published, truth: Truth, largest: pd.DataFrame) -> Rule:
    """The rule of a region for what is published. `largest`: the two largest contributions to sums of values."""
    rule = declared.region.disclosure
    smallest = thresholds(declared)
    part_of = {item.rest: published.measures[item.parts[0]][0] for item in published.remainders}
    threshold, floor = np.zeros(len(published.measures)), np.zeros(len(published.measures))
    each_way = np.zeros(truth.value.shape)
    placed = ~published.areas["is_unallocated"].to_numpy(bool)
    replaced = np.array([declared.replacement_of(name) is not None for name, _, _ in published.measures], bool)
    for item in published.remainders:
        replaced[item.rest] = replaced[[item.whole, *item.parts]].any()
    for place, (full_name, day, _) in enumerate(published.measures):
        name = today(full_name)
        sources = _sources(declared, today(part_of.get(place, name)))
        if not sources or all(declared.contracts[source].publication == "already_public" for source in sources):
            continue
        if place in part_of:
            threshold[place] = max(rule.remainder_of(source) for source in sources)
            continue
        of_part = max(rule.numerator_of(source) for source in sources)
        threshold[place] = smallest.get(name, 0 if name in declared.sources_of else of_part)
        floor[place] = float(all(rule.zeros_of(source) == "always_printed" for source in sources))
        residents = (declared.region.population, day, 1)  # of that day, also for what is summed over years
        if name != declared.region.population and residents in published.measures:
            number = truth.value[:, published.measures.index(residents)]
            few = placed & (number < rule.minimum_population) & (truth.value[:, place] > 0)
            each_way[few, place] = rule.numerator
        if name in declared.value_sums and not replaced[place] and place not in published.inner:
            needed = _needed_by_sum(declared, published, truth, place, largest)
            each_way[:, place] = np.maximum(each_way[:, place], needed)
    return Rule(threshold, floor, replaced, each_way)


def _sources(declared: Declarations, name: str) -> list[str]:
    """Whose count a measure is; a part that nobody publishes is of those whose counts it is added up with."""
    if name in declared.sources_of:
        return list(declared.sources_of[name])
    together = [
        other
        for relation in declared.relations
        if name in (relation.whole, *relation.parts)
        for other in (relation.whole, *relation.parts)
    ]
    return [source for other in together for source in declared.sources_of.get(other, ())]


def _needed_by_sum(
    declared: Declarations, published: Published, truth: Truth, place: int, largest: pd.DataFrame
) -> Floats:
    """By how much a sum of values must be able to differ: as much as it is where few contribute, else as the rule says
    that is declared for its largest contributors."""
    rule = declared.region.disclosure
    name, day, years = published.measures[place]
    value = np.nan_to_num(truth.value[:, place])
    contributors = truth.value[:, published.measures.index((declared.value_sums[name], day, years))]
    sources = declared.sources_of[name]
    least = max(max(rule.numerator_of(source), rule.denominator_of(source)) for source in sources)
    needed = np.where((contributors > 0) & (contributors < least), value, 0.0)
    own = largest[(largest["measure"] == name) & (pd.to_datetime(largest["reference_date"]).dt.date == day)]
    two = published.areas[AREA].merge(own, on=AREA, how="left")[["largest", "second_largest"]].fillna(0).to_numpy(float)
    for source in set(sources) & set(declared.judged_by_dominance):
        dominance = declared.judged_by_dominance[source]
        if dominance.percent is not None:
            needed = np.maximum(
                needed, two[:, : dominance.contributors].sum(axis=1) / (dominance.percent / 100) - value
            )
        if dominance.prior is not None:
            needed = np.maximum(needed, dominance.prior / 100 * two[:, 0] - (value - two.sum(axis=1)))
    return np.floor(needed + NEAR)


def exposed(
    published: Published,
    truth: Truth,
    rule: Rule,
    knows: Booleans,
    memory: Memory,
    accepted: Booleans | None = None,
) -> tuple[list[str], float | None]:
    """Where an audience can find out what it must not, and the width of the narrowest interval.

    `knows` marks the areas whose numbers it has itself, `accepted` numbers that the region lets be found out.
    """
    printed = published.printed.copy()
    # of what no address places rates are never shown: whoever guesses that nobody is there is assumed to guess right
    nowhere = published.areas["is_unallocated"].to_numpy(bool)[:, None] & np.isnan(printed)
    told = ~np.isnan(published.least)
    own = knows[:, None] | (nowhere & (truth.value == 0) & ~told)
    printed = np.where(own & np.isnan(printed), truth.value, printed)
    shown = published.withheld | nowhere | ~np.isnan(published.printed) | told
    for item in published.remainders:
        shown[:, item.rest] = shown[:, [item.whole, *item.parts]].any(axis=1)
    shown[:, published.inner] |= ~np.isnan(truth.value[:, published.inner])
    counts = shown & ((rule.threshold > 0)[None, :] | (rule.each_way > 0)) & ~own
    # the interval of a number that is large or zero holds that very number: it cannot prove that it is small
    known_small = (truth.value > 0) & (truth.value < rule.threshold[None, :])
    sensitive = counts & (known_small | truth.kept_back)
    moving = counts & (rule.each_way > 0)
    unsure = counts & published.withheld & np.isnan(truth.value) & ~truth.kept_back
    if accepted is not None:
        sensitive, moving, unsure = (which & ~accepted for which in (sensitive, moving, unsure))
    wanted = sensitive | moving | unsure
    if not wanted.any():
        return [], None
    need = _needed(published, truth, rule, printed, sensitive, moving)
    need = (np.maximum(need[0], _own_part(published.areas, truth.value, knows)), need[1])
    hidden = published.withheld & np.isnan(printed) & ~(truth.value == 0)
    known = feasible(
        published.matrix,
        np.zeros(published.matrix.shape[0]),
        printed.ravel(),
        np.where(told, published.least, np.where(hidden, rule.floor[None, :], 0.0)).ravel(),
        np.where(told, published.most, np.inf).ravel(),
        wanted.ravel(),
        (need[0].ravel(), need[1].ravel()),
        memory=memory,
    )
    if known.impossible:
        return ["die veröffentlichten Zahlen widersprechen sich"], None
    found, widths = _judged(published, known, need, sensitive | moving, unsure)
    # how near a replaced number may be guessed is not asked for
    widths = np.where(rule.replaced[None, :], np.nan, widths)
    return found, None if np.isnan(widths).all() else float(np.nanmin(widths))


def _needed(
    published: Published, truth: Truth, rule: Rule, printed: Floats, sensitive: Booleans, moving: Booleans
) -> tuple[Floats, Floats]:
    """Between which values each number must stay possible."""
    low = np.broadcast_to(rule.floor[None, :], printed.shape).copy()
    high = np.broadcast_to(rule.threshold[None, :], printed.shape).copy()
    value = np.nan_to_num(truth.value)
    low[:, rule.replaced] = value[:, rule.replaced]
    less, more = value - rule.each_way, value + rule.each_way
    low[moving] = np.where(sensitive, np.minimum(low, less), less)[moving]
    high[moving] = np.where(sensitive, np.maximum(high, more), more)[moving]
    low = np.maximum(low, rule.floor[None, :])
    for item in published.remainders:
        whole = np.where(np.isnan(printed[:, item.whole]), np.inf, printed[:, item.whole])
        for place in (item.rest, *item.parts):
            high[:, place] = np.minimum(high[:, place], whole)
    return low, high


def _own_part(areas: pd.DataFrame, value: Floats, knows: Booleans) -> Floats:
    """What an audience has itself of the number of a larger area: it knows that the whole is no less."""
    part = np.zeros(value.shape)
    if not knows.any():
        return part
    node = {key: index for index, key in enumerate(areas[AREA].itertuples(index=False, name=None))}
    for child in np.argsort(areas["level_rank"].to_numpy(), kind="stable").tolist():
        row = areas.iloc[child]
        above = node.get((row["geography"], row["edition"], row["parent_level"], row["parent"]), -1)
        if above >= 0:
            part[above] += np.nan_to_num(value[child]) if knows[child] else part[child]
    return part


def _judged(
    published: Published, known: Knowledge, need: tuple[Floats, Floats], sensitive: Booleans, unsure: Booleans
) -> tuple[list[str], Floats]:
    """A sensitive number must be able to take both ends; of one nobody delivered must not follow that it is small.
    Returns what is exposed, and the widths of the intervals that matter (NaN elsewhere)."""
    low, high = (ends.reshape(sensitive.shape) for ends in (known.low, known.high))
    wide = high >= need[1] - NEAR
    bad = (sensitive & ~(wide & (low <= need[0] + NEAR))) | (unsure & (high > NEAR) & ~wide)
    found = [
        f"{published.areas.at[node, 'level']} {published.areas.at[node, 'area']}, {_text(published.measures[place])}: "
        f"zwischen {low[node, place]:.0f} und {high[node, place]:.0f}"
        for node, place in np.argwhere(bad)
    ]
    # where a printed whole leaves no room there is nothing to know: none of none, or a wrong guess about the unplaced
    return found, np.where(sensitive & (need[1] > need[0]), high - low, np.nan)


def _text(measure: Measure) -> str:
    name, day, years = measure
    return f"{name} am {day:%d.%m.%Y}{f' (Summe aus {years} Jahren)' if years > 1 else ''}"
