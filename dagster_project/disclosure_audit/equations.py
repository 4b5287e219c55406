"""How printed numbers hang together: public equations between measures of one area.

Reads  public declarations: what indicators are made of, how measures add up. Writes nothing.

Windows of years that overlap, and counts that lie in each other, tell of what they share and of what they do not: these
parts are numbers like others. The last years of the newest window will stand in the next one too.
"""

from __future__ import annotations

from datetime import date

from dagster_project.declarations import Declarations, Indicator

Measure = tuple[str, date, int]  # measure, reference date, years summed up
Equation = dict[Measure, int]
REST, SHARE_REST = "?", "?~"


def today(name: str) -> str:
    """A measure's name; one that holds the numbers of an earlier release says so behind an @ (see `memory`)."""
    return name.partition("@")[0] if not name.startswith(REST) else name


def sides(indicator: Indicator) -> list[tuple[str, str]]:
    """The measures an indicator prints, each with the column where it stands."""
    numerator = indicator.reported.measure if indicator.reported else indicator.numerator
    if indicator.kind not in ("count", "share", "rate", "reported_share") or numerator is None:
        return []
    return [(numerator, "numerator")] + ([(indicator.denominator, "denominator")] if indicator.denominator else [])


def sums_of_years(measures: list[Measure]) -> list[Equation]:
    """Every window as the sum of its years, and so the years that are left of the newest one when the next begins."""
    windows = [measure for measure in measures if measure[2] > 1]
    newest = {
        (name, years): max(day for other, day, span in windows if (other, span) == (name, years))
        for name, _, years in windows
    }
    tails = [(name, day, years) for (name, longest), day in newest.items() for years in range(2, longest)]
    found: list[Equation] = []
    for name, day, years in dict.fromkeys((*windows, *tails)):
        leap = (day.month, day.day) == (2, 29)
        window = [day.replace(year=day.year - back, day=28 if leap and back else day.day) for back in range(years)]
        found.append({(name, day, years): -1, **{(name, each, 1): 1 for each in window}})
    return found


def parts_of_sums(measures: list[Measure]) -> list[Measure]:
    """Years and tails of windows that are not printed themselves."""
    of_years = dict.fromkeys(measure for equation in sums_of_years(measures) for measure in equation)
    return [measure for measure in of_years if measure not in measures]


def relations(declared: Declarations, measures: list[Measure]) -> list[Equation]:
    """Each equation sums to zero; a name beginning with `REST` is a remainder nobody prints."""
    parts = parts_of_sums(measures)
    found = sums_of_years(measures)
    spans = {(day, years) for _, day, years in (*measures, *parts)}
    shares = [
        (indicator.denominator, sides(indicator)[0][0])
        for indicator in declared.reported_indicators.values()
        if indicator.kind in ("share", "reported_share") and indicator.denominator
    ]
    named = [(relation.whole, relation.parts, relation.exact, REST) for relation in declared.relations]
    named += [(whole, (part,), False, SHARE_REST) for whole, part in dict.fromkeys(shares)]
    asked = {*measures, *parts}
    for whole, inner, exact, rest in dict.fromkeys(named):
        for day, years in sorted(spans):
            equation = {(whole, day, years): -1, **{(part, day, years): 1 for part in inner}}
            if not exact:
                equation[f"{rest}{whole} - {' - '.join(inner)}", day, years] = 1
            if any(measure in asked for measure in equation):
                found.append(equation)
    return _telling(found, asked)


def _telling(equations: list[Equation], measures: set[Measure]) -> list[Equation]:
    """Without equations that bind no two printed measures, directly or over others.

    A part that nobody prints and no other equation speaks of belongs to the remainder.
    """
    kept = equations
    while True:
        uses: Equation = {}
        for equation in kept:
            for measure in equation:
                uses[measure] = uses.get(measure, 0) + 1
        smaller = []
        for equation in kept:
            telling = [m for m in equation if m in measures or uses[m] > 1]
            if len(telling) > 1:
                smaller.append(_with_one_remainder(equation, telling))
        if smaller == kept:
            return kept
        kept = smaller


def _with_one_remainder(equation: Equation, telling: list[Measure]) -> Equation:
    gone = [measure for measure in equation if measure not in telling]
    if not gone:
        return equation
    if any(equation[measure] == -1 for measure in gone):  # a whole that nobody prints binds its parts to nothing
        return equation
    rest = next((measure for measure in gone if measure[0].startswith(REST)), None)
    _, day, years = gone[0]
    name = rest or (f"{REST}{' - '.join(measure[0] for measure in telling)}", day, years)
    return {**{measure: equation[measure] for measure in telling}, name: 1}
