"""What must not be known of a number, and whether somebody can know it.

Reads and writes nothing. Knows nothing of how numbers came to be hidden.

Of a sensitive count both the least value the zero policy allows and its threshold must stay possible, clipped at its
whole where that is printed; of a count in an area with too few residents, as much less and more as the threshold. A
sensitive count that is printed is exposed as well.

Where other numbers are shown in place of true ones (rounding, cell key) anybody may see that a count is not zero; but
of a small one nobody may prove that it is smaller than its threshold.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dagster_project.declarations import Declarations
from dagster_project.disclosure_audit.intervals import Knowledge, Memory, feasible
from dagster_project.disclosure_audit.published import Published

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
    (`floor`), and whether other numbers are shown in place of true ones (`replaced`). `few` are counts of areas with
    too few residents, which must be able to differ by `each_way`."""

    threshold: Floats
    floor: Floats
    replaced: Booleans
    few: Booleans
    each_way: int


def thresholds(declared: Declarations) -> dict[str, int]:
    """The smallest count that may be shown of every measure of a source that is not public."""
    rule = declared.region.disclosure
    found: dict[str, int] = {}
    for indicator in declared.reported_indicators.values():
        numerator = indicator.reported.measure if indicator.reported else indicator.numerator
        for measure, least in ((numerator, rule.numerator_of), (indicator.denominator, rule.denominator_of)):
            sources = declared.sources_of.get(measure or "", ())
            if measure and any(declared.contracts[source].publication != "already_public" for source in sources):
                found[measure] = max(found.get(measure, 0), *(least(source) for source in sources))
    return found


def declared_rule(declared: Declarations, published: Published, truth: Truth) -> Rule:
    """The rule of a region for what is published."""
    rule = declared.region.disclosure
    smallest = thresholds(declared)
    part_of = {item.rest: published.measures[item.parts[0]][0] for item in published.remainders}
    threshold, floor = np.zeros(len(published.measures)), np.zeros(len(published.measures))
    few = np.zeros(truth.value.shape, bool)
    replaced = np.array([declared.replacement_of(name) is not None for name, _, _ in published.measures], bool)
    for item in published.remainders:
        replaced[item.rest] = replaced[[item.whole, *item.parts]].any()
    for place, (name, day, years) in enumerate(published.measures):
        sources = declared.sources_of.get(part_of.get(place, name), ())
        if not sources or all(declared.contracts[source].publication == "already_public" for source in sources):
            continue
        if place in part_of:
            threshold[place] = max(rule.remainder_of(source) for source in sources)
            continue
        threshold[place] = smallest.get(name, 0)
        floor[place] = float(all(rule.zeros_of(source) == "always_printed" for source in sources))
        residents = (declared.region.population, day, years)
        if name != declared.region.population and residents in published.measures:
            number = truth.value[:, published.measures.index(residents)]
            few[:, place] = (number < rule.minimum_population) & (truth.value[:, place] > 0)
    return Rule(threshold, floor, replaced, few, rule.numerator)


def exposed(
    published: Published, truth: Truth, rule: Rule, knows: Booleans, memory: Memory
) -> tuple[list[str], float | None]:
    """Where an audience can find out what it must not, and the width of the narrowest interval.

    `knows` marks the areas whose numbers it has itself.
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
    counts = shown & (rule.threshold > 0)[None, :] & ~own
    # the interval of a number that is large or zero holds that very number: it cannot prove that it is small
    known_small = (truth.value > 0) & (truth.value < rule.threshold[None, :])
    sensitive = counts & (known_small | truth.kept_back)
    few = counts & rule.few
    unsure = counts & published.withheld & np.isnan(truth.value) & ~truth.kept_back
    wanted = sensitive | few | unsure
    if not wanted.any():
        return [], None
    need = _needed(published, truth, rule, printed, sensitive, few)
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
    found, widths = _judged(published, known, need, sensitive | few, unsure)
    # how near a replaced number may be guessed is not asked for
    widths = np.where(rule.replaced[None, :], np.nan, widths)
    return found, None if np.isnan(widths).all() else float(np.nanmin(widths))


def _needed(
    published: Published, truth: Truth, rule: Rule, printed: Floats, sensitive: Booleans, few: Booleans
) -> tuple[Floats, Floats]:
    """Between which values each number must stay possible."""
    low = np.broadcast_to(rule.floor[None, :], printed.shape).copy()
    high = np.broadcast_to(rule.threshold[None, :], printed.shape).copy()
    value = np.nan_to_num(truth.value)
    low[:, rule.replaced] = value[:, rule.replaced]
    low[few] = np.where(sensitive, np.minimum(low, value - rule.each_way), value - rule.each_way)[few]
    high[few] = np.where(sensitive, np.maximum(high, value + rule.each_way), value + rule.each_way)[few]
    low = np.maximum(low, 0)
    for item in published.remainders:
        whole = np.where(np.isnan(printed[:, item.whole]), np.inf, printed[:, item.whole])
        for place in (item.rest, *item.parts):
            high[:, place] = np.minimum(high[:, place], whole)
    return low, high


def _judged(
    published: Published, known: Knowledge, need: tuple[Floats, Floats], sensitive: Booleans, unsure: Booleans
) -> tuple[list[str], Floats]:
    """A sensitive number must be able to take both ends; of one nobody delivered must not follow that it is small.
    Returns what is exposed, and the widths of the intervals that matter (NaN elsewhere)."""
    low, high = (ends.reshape(sensitive.shape) for ends in (known.low, known.high))
    wide = high >= need[1] - NEAR
    bad = (sensitive & ~(wide & (low <= need[0] + NEAR))) | (unsure & (high > NEAR) & ~wide)
    found = [
        f"{published.areas.at[node, 'level']} {published.areas.at[node, 'area']}, {name} am {day:%d.%m.%Y}: "
        f"zwischen {low[node, place]:.0f} und {high[node, place]:.0f}"
        for node, place in np.argwhere(bad)
        for name, day, _ in [published.measures[place]]
    ]
    # where a printed whole leaves no room there is nothing to know: none of none, or a wrong guess about the unplaced
    return found, np.where(sensitive & (need[1] > need[0]), high - low, np.nan)
