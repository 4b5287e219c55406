"""The independent audit: whether anybody can learn from a release what must not be known.

Reads  the marts of a release, public declarations, geography/area.parquet, protection/accepted.parquet (numbers the
       region lets be found out, with `released_before: accept`), ledger/*.parquet (what earlier releases
       told), which counts were carried over from other boundaries (core/core_disclosure_conversion.parquet), and
       protection/count.parquet, core/core_disclosure_cell.parquet and core/core_largest_contribution.parquet: the true
       counts and who contributes most to sums, only to tell which intervals matter and what recipients know.
Writes mart_disclosure_audit.parquet beside the marts: per audience how many numbers there are and are hidden, and how
       narrow the narrowest interval is. Never which cells were sensitive.

It computes, as an attacker would who knows all rules, the feasible interval of every number that is not printed, and
judges it (see `judging`).
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from dagster_project.declarations import Declarations
from dagster_project.declarations.disclosure import Disclosure, Rounding
from dagster_project.disclosure_audit import editions
from dagster_project.disclosure_audit.beside import beside_hidden
from dagster_project.disclosure_audit.equations import today
from dagster_project.disclosure_audit.intervals import Memory
from dagster_project.disclosure_audit.judging import Truth, declared_rule, thresholds
from dagster_project.disclosure_audit.judging import exposed as exposed_to
from dagster_project.disclosure_audit.memory import MEASURE, printed_before, remember
from dagster_project.disclosure_audit.published import AREA, Published, collect
from dagster_project.settings import RegionData
from dagster_project.tables import read_frame, write_frame

Integers = npt.NDArray[np.int64]
Booleans = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]

PUBLIC = "public"
MART = "mart_disclosure_audit"
TYPES = {
    "audience": "varchar", "numbers": "bigint", "hidden": "bigint", "narrowest_interval": "double",
    "exposed": "bigint", "rule": "varchar", "seconds": "double",
}  # fmt: skip
DESCRIPTION = (
    "What each audience could find out about hidden numbers; one row per audience. It never says why any is hidden."
)
COLUMNS = {
    "audience": "public, or the municipality that also knows its own numbers (or two that pool theirs).",
    "numbers": "Counts behind the cube that are printed or hidden.",
    "hidden": "Counts that are hidden.",
    "narrowest_interval": "Width of the narrowest feasible interval of a hidden count; null where none is hidden.",
    "exposed": "Counts that could be found out; a release has none for the public.",
    "rule": "The public rule: thresholds, and whether zeros may be hidden; or why nothing is.",
    "seconds": "How long the audit took.",
}


@dataclass(frozen=True)
class Exposed:
    """One number that can be found out: by whom, and where it stands. For the operator alone."""

    audience: str
    where: str


@dataclass(frozen=True)
class Report:
    """Rows of the mart, and what must not go out."""

    rows: pd.DataFrame
    exposed: list[Exposed]


def audit(declared: Declarations, marts: Path, data: RegionData) -> Report:
    """Audit the marts for the public and for every recipient, and write the report beside them."""
    rule = declared.region.disclosure
    if rule.off_because:
        rows = [_row(PUBLIC, 0, 0, None, 0, f"ausgeschaltet: {rule.off_because}", 0.0)]
        return _written(rows, [], marts)
    if declared.all_public:
        rows = [_row(PUBLIC, 0, 0, None, 0, "alle Quellen veröffentlichen ihre Zahlen selbst", 0.0)]
        return _written(rows, [], marts)
    started = time.perf_counter()
    true = read_frame(data.protection / "count.parquet")
    conversions = read_frame(data.core / "core_disclosure_conversion.parquet")
    geography = read_frame(data.geography / "area.parquet")
    published = collect(declared, marts, geography, true, conversions)
    truth = _truth(published, true, read_frame(data.core / "core_disclosure_cell.parquet"))
    remember(published, truth.value, data.ledger)
    accepted = _accepted(declared, published, data)
    exposed = [Exposed(PUBLIC, ", ".join(found.values())) for found in beside_hidden(declared, marts)]
    exposed += [
        Exposed(PUBLIC, where) for where in _between_editions(declared, published, geography, conversions, data)
    ]
    rows = []
    memory: Memory = {}
    largest = read_frame(data.core / "core_largest_contribution.parquet")
    measured = declared_rule(declared, published, truth, largest)
    for audience, knows in _audiences(declared, published):
        found, narrowest = exposed_to(published, truth, measured, knows, memory, accepted)
        exposed += [Exposed(audience, where) for where in found]
        numbers = published.withheld | ~np.isnan(published.printed) | ~np.isnan(published.least)
        number_exposed = sum(item.audience == audience for item in exposed)
        now = time.perf_counter()
        rows.append(
            _row(
                audience, int(numbers.sum()), int(published.withheld.sum()), narrowest, number_exposed,
                _rule(declared), round(now - started, 2),
            )
        )  # fmt: skip
        started = now
    return _written(rows, exposed, marts)


def _written(rows: list[dict[str, object]], exposed: list[Exposed], marts: Path) -> Report:
    frame = pd.DataFrame(rows, columns=list(TYPES))
    write_frame(frame, marts / f"{MART}.parquet", TYPES)
    return Report(frame, exposed)


def _row(
    audience: str, numbers: int, hidden: int, narrowest: float | None, exposed: int, rule: str, seconds: float
) -> dict[str, object]:
    return {
        "audience": audience, "numbers": numbers, "hidden": hidden, "narrowest_interval": narrowest,
        "exposed": exposed, "rule": rule, "seconds": seconds,
    }  # fmt: skip


def _rule(declared: Declarations) -> str:
    """The public rule in German, with what differs for single sources."""
    rule = declared.region.disclosure
    texts = [_smallest(rule.numerator, rule.remainder, rule.denominator, rule.zeros)]
    texts += [f"{declared.contracts[source].title}: {_rule_of(rule, source)}" for source in rule.sources]
    if rule.minimum_population:
        texts.append(f"Gebiete mit weniger als {rule.minimum_population} Einwohnern zeigen nur deren Zahl")
    return "verborgen wird, was kleiner ist als: " + "; ".join(texts)


def _rule_of(rule: Disclosure, source: str) -> str:
    replacement = rule.replacement_of(source)
    if isinstance(replacement, Rounding):
        return f"Zahlen auf Vielfache von {replacement.base} gerundet"
    if replacement is not None:
        return "Zahlen leicht verändert (Cell-Key-Methode)"
    smallest = _smallest(
        rule.numerator_of(source), rule.remainder_of(source), rule.denominator_of(source), rule.zeros_of(source)
    )
    dominance = rule.sources[source].dominance
    return f"{smallest}; Summen, von denen sich ein einzelner Beitrag ablesen ließe" if dominance else smallest


def _smallest(numerator: int, remainder: int, denominator: int, zeros: str) -> str:
    hidden = "Nullen können verborgen sein" if zeros == "may_be_hidden" else "Nullen sind nie verborgen"
    return f"Zähler {numerator}, Rest {remainder}, Nenner {denominator}; {hidden}"


# ---------------------------------------------------------------- who knows what


def _truth(published: Published, counts: pd.DataFrame, delivered: pd.DataFrame) -> Truth:
    """True counts, areas by measures, and where a source keeps its own number back.

    `counts` are those behind the cube, `delivered` those of single days; what is a part of sums follows from them.
    """
    value = np.full(published.printed.shape, np.nan)
    kept_back = np.zeros(value.shape, bool)
    given = counts["is_given"].to_numpy(bool)
    single = _places(published, delivered.assign(years=1))
    _fill(value, single, delivered["value"].to_numpy(float), delivered["value"].notna().to_numpy())
    behind = _places(published, counts)
    _fill(value, behind, counts["value"].to_numpy(float), given)
    _fill(kept_back, behind, np.ones(len(counts), bool), ~given & counts["is_sensitive"].to_numpy(bool))
    for item in published.remainders:
        value[:, item.rest] = np.nan
    _solve(published, value)
    for item in published.remainders:
        value[:, item.rest] = value[:, item.whole] - value[:, list(item.parts)].sum(axis=1)
    return Truth(value, kept_back)


def _places(published: Published, counts: pd.DataFrame) -> tuple[Integers, Integers]:
    """Row and column of counts in what is published; -1 where there is none."""
    node = {key: index for index, key in enumerate(published.areas[AREA].itertuples(index=False, name=None))}
    place = {measure: index for index, measure in enumerate(published.measures)}
    day = pd.to_datetime(counts["reference_date"]).dt.date
    rows = [node.get(key, -1) for key in counts[AREA].itertuples(index=False, name=None)]
    columns = [place.get(key, -1) for key in zip(counts["measure"], day, counts["years"], strict=True)]
    return np.array(rows, dtype=int), np.array(columns, dtype=int)


def _fill(matrix: npt.NDArray[Any], at: tuple[Integers, Integers], content: npt.NDArray[Any], which: Booleans) -> None:
    here = which & (at[0] >= 0) & (at[1] >= 0)
    matrix[at[0][here], at[1][here]] = content[here]


def _solve(published: Published, value: Floats) -> None:
    """Fill in what nobody delivers but follows from what is: a part of sums where all others of an equation are known,
    at every area."""
    place = {measure: index for index, measure in enumerate(published.measures)}
    open_columns = set(np.flatnonzero(np.isnan(value).all(axis=0)).tolist())
    progress = True
    while open_columns and progress:
        progress = False
        for equation in published.equations:
            columns = {place[measure]: sign for measure, sign in equation.items()}
            unknown = open_columns & columns.keys()
            if len(unknown) == 1 and not unknown & {item.rest for item in published.remainders}:
                (column,) = unknown
                others = sum(sign * value[:, other] for other, sign in columns.items() if other != column)
                value[:, column] = -others / columns[column]
                open_columns -= unknown
                progress = True


def _audiences(declared: Declarations, published: Published) -> list[tuple[str, Booleans]]:
    """Each audience with the areas whose numbers it knows itself."""
    nobody = np.zeros(len(published.areas), bool)
    recipients = declared.region.disclosure.recipients
    names = {item.id: item.name for item in declared.region.municipalities}
    found = [(PUBLIC, nobody)]
    if recipients.municipalities == "know_the_public_ones" or len(names) < 2:
        return found
    own = {key: (published.areas["municipality"] == key).to_numpy() for key in names}
    found += [(names[key], own[key]) for key in names]
    if recipients.together == 2:
        keys = list(names)
        found += [
            (f"{names[one]} + {names[other]}", own[one] | own[other])
            for number, one in enumerate(keys)
            for other in keys[number + 1 :]
        ]
    return found


def _accepted(declared: Declarations, published: Published, data: RegionData) -> Booleans | None:
    """Numbers that can be found out since earlier releases, and that the region declares to accept."""
    if declared.region.disclosure.released_before == "refuse":
        return None
    rows = read_frame(data.protection / "accepted.parquet")
    names = [{today(name)} for name, _, _ in published.measures]
    for item in published.remainders:
        names[item.rest] = {today(published.measures[place][0]) for place in (item.whole, *item.parts)}
    node = {key: index for index, key in enumerate(published.areas[AREA].itertuples(index=False, name=None))}
    found = np.zeros(published.printed.shape, bool)
    for key, own in rows.groupby(AREA):
        if key in node:
            measures = set(own["measure"])
            found[node[key]] = [bool(name & measures) for name in names]
    return found


def _between_editions(
    declared: Declarations, published: Published, geography: pd.DataFrame, conversions: pd.DataFrame, data: RegionData
) -> list[str]:
    """What these marts and earlier releases tell together of people between two editions."""
    node, place = np.nonzero(~np.isnan(published.printed))
    measures = pd.DataFrame(published.measures, columns=MEASURE)
    now = pd.concat(
        [
            published.areas.loc[node, AREA].reset_index(drop=True),
            measures.loc[place].reset_index(drop=True),
            pd.DataFrame({"number": published.printed[node, place]}),
        ],
        axis=1,
    )
    every = pd.concat([now, printed_before(data.ledger)], ignore_index=True)
    every = every.drop_duplicates([*AREA, *MEASURE])
    carried = conversions.assign(day=pd.to_datetime(conversions["reference_date"]).dt.date)
    keys = [*AREA, "measure", "day"]
    own = every.merge(carried[keys].drop_duplicates().assign(is_carried=True), on=keys, how="left")
    return editions.strips(own[own["is_carried"].isna()], geography, thresholds(declared))
