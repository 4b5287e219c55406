"""How the residents live: benefits, work, help, care, school, health and votes at the end of a year.

Pure functions of a population, the poverty of its blocks, the declared rates and a random generator; no
files. One inclination per household (its block's poverty, lasting and passing luck, its make-up) drives all
of it, so that the measures are correlated with each other, in space and from year to year.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from statistics import NormalDist

import numpy as np

from sources.simulator.population import (
    ASYLUM,
    DIRECT,
    HEAD,
    Array,
    Place,
    Population,
    completed_months,
    completed_years,
    day_number,
    household_features,
)
from sources.simulator.spec import Election, Nationality

HELP_KINDS = ("", "28", "27", "29", "30", "31", "32", "33", "34", "35")
HELP_SHARES = (0.40, 0.05, 0.02, 0.12, 0.22, 0.04, 0.06, 0.08, 0.01)
COUNSELLING = 1
SCHOOL_FORMS = ("GY", "GE", "RS", "HS", "SK", "FO")
CARE_KINDS = ("Kita", "Tagespflege")
LANGUAGE_CODES = ("unauffällig", "grenzwertig", "auffällig")
PARTIES = 6
UNABLE_TO_WORK = 0.984  # of the persons' luck; those above do not work
DESTITUTE = 0.995


@dataclass
class Status:
    """Per person unless the name says households; ages in completed years on the last day of the year."""

    day: int
    age: Array
    inclination: Array
    features: dict[str, Array]
    under_retirement_age: Array
    sgb2: Array
    sgb2_households: Array
    asylum_benefits: Array
    unemployed_sgb2: Array
    unemployed_sgb3: Array
    unemployed_long_term: Array
    employed: Array
    basic_security: Array
    subsistence: Array
    housing_benefit_households: Array


def status_of(population: Population, poverty: Array, place: Place, year: int, rng: np.random.Generator) -> Status:
    """Status on 31 December of `year`; `poverty` is per household. Ages the households' passing luck and the
    help cases.
    """
    persons, households, history = population.persons, population.households, place.history
    entitled = np.array([item.refugee > 0 for item in place.nationalities])
    day = day_number(year, 12, 31)
    age = population.age(day)
    features = household_features(population, day)
    households.shock = 0.8 * households.shock + 0.6 * rng.normal(0, 1, len(households))
    inclination = _inclination(population, features, poverty, history.poverty_contrast)
    young = completed_months(persons.birth, day) < history.retirement_age_months[year]
    of_age = young & (age >= 15)
    employable_households = np.bincount(persons.household[of_age], minlength=len(households)) > 0
    asylum_households = (households.refugee == ASYLUM) & (households.since >= year - 1)
    sgb2_households = _sgb2_households(population, inclination, history.sgb2_rate[year], year, rng)
    sgb2_households &= employable_households & ~asylum_households & ~households.communal
    sgb2 = sgb2_households[persons.household] & young
    asylum = asylum_households[persons.household] & entitled[persons.nationality]
    luck = (persons.trait + 0.06 * rng.normal(0, 1, len(persons))) % 1.0
    without_work = sgb2 & (age >= 18) & (luck < 0.44)
    loss = history.unemployment_sgb3_rate[year] * np.exp(0.25 * inclination[persons.household])
    insured = ~sgb2 & ~asylum & young & (age >= 18) & (luck < loss * 1.55)
    long_term = (persons.trait * 13.7) % 1.0
    employed = ~without_work & ~insured & _works(age, sgb2, asylum, luck)
    status = Status(
        day=day,
        age=age,
        inclination=inclination[persons.household],
        features=features,
        under_retirement_age=young,
        sgb2=sgb2,
        sgb2_households=sgb2_households,
        asylum_benefits=asylum,
        unemployed_sgb2=without_work,
        unemployed_sgb3=insured,
        unemployed_long_term=(without_work & (long_term < 0.43)) | (insured & (long_term < 0.10)),
        employed=employed,
        basic_security=_basic_security(
            population, age, young, sgb2 | asylum, employed, inclination[persons.household], luck
        ),
        subsistence=young & ~sgb2 & ~asylum & ~employed & (luck > DESTITUTE),
        housing_benefit_households=_housing_benefit(
            population, inclination, sgb2_households, asylum_households, history.wohngeld_rate[year], rng
        ),
    )
    status.subsistence &= ~status.basic_security
    _help_cases(population, status, year, rng)
    return status


def _inclination(population: Population, has: dict[str, Array], poverty: Array, contrast: float) -> Array:
    households, persons = population.households, population.persons
    foreign = np.zeros(len(households), dtype=bool)
    heads = persons.role == HEAD
    foreign[persons.household[heads]] = persons.nationality[heads] > 0
    single_parent = ~has["couple"] & (has["minors"] > 0)
    luck = 0.8 * households.latent + 0.6 * households.shock
    result: Array = contrast * poverty + np.sqrt(1 - contrast**2) * luck
    result += 0.7 * single_parent + 0.5 * foreign - 0.3 * has["couple"] + 0.15 * (has["head_age"] < 28)
    return result


def _sgb2_households(
    population: Population, inclination: Array, rate: float, year: int, rng: np.random.Generator
) -> Array:
    households = population.households
    threshold = 0.04 + 1.13 * NormalDist().inv_cdf(1 - rate)
    years_here = year - households.since
    settled_chance = np.where(households.refugee == DIRECT, 0.85 * 0.86**years_here, 0.6 * 0.88**years_here)
    refugees = (households.refugee > 0) & (rng.uniform(0, 1, len(households)) < settled_chance)
    result: Array = (inclination > threshold) | refugees
    return result


def _works(age: Array, sgb2: Array, asylum: Array, luck: Array) -> Array:
    share = np.select(
        [age < 15, age < 18, age < 25, age < 60, age < 65, age < 67], [0.0, 0.13, 0.60, 0.76, 0.56, 0.14], 0.0
    )
    share = np.where(sgb2, 0.3 * share, np.where(asylum, 0.1 * share, share))
    result: Array = ((luck * 7.3) % 1.0 < share) & (luck <= UNABLE_TO_WORK)
    return result


def _basic_security(
    population: Population,
    age: Array,
    young: Array,
    other: Array,
    employed: Array,
    inclination: Array,
    luck: Array,
) -> Array:
    """Chapter 4: the old with too little, and some who can never work."""
    foreign = population.persons.nationality > 0
    old = ~young & (inclination + 0.6 * foreign > 2.0)
    disabled = young & (age >= 18) & ~employed & (luck > UNABLE_TO_WORK) & (luck <= DESTITUTE)
    result: Array = (old | disabled) & ~other
    return result


def _housing_benefit(
    population: Population,
    inclination: Array,
    sgb2: Array,
    asylum: Array,
    rate: float,
    rng: np.random.Generator,
) -> Array:
    chance = np.minimum(0.5, 1.15 * rate * np.exp(0.7 * inclination - 0.25))
    result: Array = (rng.uniform(0, 1, len(inclination)) < chance) & ~sgb2 & ~asylum & ~population.households.communal
    return result


def _help_cases(population: Population, status: Status, year: int, rng: np.random.Generator) -> None:
    """Cases go on, end or begin; one that has ended stays on the person until the end of the year."""
    persons = population.persons
    begin, end = day_number(year, 1, 1), day_number(year, 12, 31)
    number = len(persons)
    over = persons.help_end > 0
    persons.help_kind[over] = 0
    persons.help_begin[over] = 0
    persons.help_end[over] = 0
    running = persons.help_kind > 0
    ending = running & (rng.uniform(0, 1, number) < np.where(status.age >= 19, 0.9, 0.52))
    persons.help_end[ending] = (begin + rng.integers(0, 365, number))[ending]
    chance = np.where(status.age < 2, 0.010, np.where(status.age < 12, 0.018, 0.020)) * np.exp(
        0.8 * status.inclination - 0.35
    )
    new = ~running & (status.age < 19) & (rng.uniform(0, 1, number) < chance)
    persons.help_kind[new] = (1 + rng.choice(len(HELP_SHARES), number, p=HELP_SHARES))[new]
    earliest = np.maximum(begin, persons.moved_in)
    started = earliest + (rng.uniform(0, 1, number) * (end - earliest)).astype(np.int64)
    persons.help_begin[new] = started[new]
    short = new & (rng.uniform(0, 1, number) < 0.18)
    ended = started + (rng.uniform(0, 1, number) * (end - started)).astype(np.int64)
    persons.help_end[short] = ended[short]


# ---------------------------------------------------------------- children


@dataclass
class Care:
    """Children in day care on 1 March after the year; `rows` are positions in the persons."""

    day: int
    rows: Array
    age: Array
    kind: Array
    hours: Array


def care_of(population: Population, status: Status, year: int, rng: np.random.Generator) -> Care:
    day = day_number(year + 1, 3, 1)
    months = completed_months(population.persons.birth, day)
    age = months // 12
    share = np.select(
        [months < 6, age < 1, age < 2, age < 3, age < 6, months < 79],
        [0.0, 0.04, 0.36, 0.66, 0.94, 0.96],
        0.0,
    )
    share = share - np.where((age >= 1) & (age < 6), 0.07, 0) * np.clip(status.inclination, -1.5, 2.5)
    rows = np.flatnonzero(rng.uniform(0, 1, len(share)) < np.clip(share, 0, 0.985))
    minder = (age[rows] < 3) & (rng.uniform(0, 1, len(rows)) < 0.22)
    return Care(day, rows, age[rows], minder.astype(np.int8), rng.choice([25, 35, 45], len(rows), p=[0.15, 0.4, 0.45]))


@dataclass
class Transitions:
    rows: Array
    school_form: Array


def transitions_of(status: Status, rng: np.random.Generator) -> Transitions:
    """Children who leave the primary school in the summer of the year: those who turned ten in it."""
    rows = np.flatnonzero(status.age == 10)
    draw = rng.uniform(0, 1, len(rows))
    grammar = _logistic(-0.25 - 0.8 * status.inclination[rows])
    rest = np.searchsorted([0.46, 0.80, 0.86, 0.94], rng.uniform(0, 1, len(rows))) + 1
    return Transitions(rows, np.where(draw < grammar, 0, rest))


@dataclass
class Examinations:
    """Findings of the school entry examination; `language` is a position in LANGUAGE_CODES."""

    rows: Array
    day: Array
    height: Array
    weight: Array
    language: Array
    obesity: Array
    booklet: Array
    check_8: Array
    check_9: Array
    measles: Array


def examinations_of(
    population: Population, status: Status, coverage: float, year: int, rng: np.random.Generator
) -> Examinations:
    """Children who turn six in the year, as far as the health office got round to them."""
    rows = np.flatnonzero((status.age == 6) & (rng.uniform(0, 1, len(status.age)) < coverage))
    number, burden = len(rows), status.inclination[rows]
    foreign = population.persons.migration[rows] > 0
    day = day_number(year, 1, 7) + rng.integers(0, 160, number)
    obesity = rng.uniform(0, 1, number) < _logistic(-3.3 + 0.5 * burden)
    height = rng.normal(118.5, 5.0, number).round(1)
    weight = (height / 100) ** 2 * np.where(obesity, rng.normal(20.8, 0.9, number), rng.normal(15.4, 1.1, number))
    abnormal = rng.uniform(0, 1, number) < _logistic(-1.9 + 0.55 * burden + 0.9 * foreign)
    borderline = rng.uniform(0, 1, number) < 0.14
    booklet = rng.uniform(0, 1, number) < _logistic(2.7 - 0.5 * burden - 0.5 * foreign)
    return Examinations(
        rows,
        day,
        height,
        weight.round(1),
        np.where(abnormal, 2, np.where(borderline, 1, 0)),
        obesity,
        booklet,
        booklet & (rng.uniform(0, 1, number) < _logistic(3.2 - 0.4 * burden)),
        booklet & (rng.uniform(0, 1, number) < _logistic(3.0 - 0.4 * burden)),
        rng.uniform(0, 1, number) < 0.93,
    )


# ---------------------------------------------------------------- votes


@dataclass
class Votes:
    """Who may vote and how; `party` counts from 0 and is -1 for an invalid ballot."""

    rows: Array
    with_ballot_paper: Array
    votes_at_urn: Array
    votes_by_post: Array
    party: Array


def votes_of(
    population: Population,
    status: Status,
    election: Election,
    nationalities: list[Nationality],
    rng: np.random.Generator,
) -> Votes:
    """The residents at the end of the election's year stand for those on its day."""
    persons = population.persons
    day = day_number(election.date.year, election.date.month, election.date.day)
    citizen = np.array([item.key == "000" or (item.union and election.union_citizens) for item in nationalities])
    able = citizen[persons.nationality] & (completed_years(persons.birth, day) >= election.minimum_age)
    rows = np.flatnonzero(able)
    burden, age = status.inclination[rows], status.age[rows]
    level = np.log(election.turnout / (1 - election.turnout))
    goes = rng.uniform(0, 1, len(rows)) < _logistic(level + 0.12 - 0.6 * burden + 0.012 * (age - 52))
    paper = goes & (rng.uniform(0, 1, len(rows)) < election.postal * 1.02)
    at_urn = goes & (~paper | (rng.uniform(0, 1, len(rows)) < 0.01))
    by_post = goes & ~at_urn
    late = ~goes & (rng.uniform(0, 1, len(rows)) < 0.01)
    leaning = rng.normal(0, 1, len(rows)) + 0.5 * burden
    party = np.searchsorted([-1.0, -0.35, 0.2, 0.7, 1.3], leaning)
    party = np.where(rng.uniform(0, 1, len(rows)) < 0.009, -1, party)
    return Votes(rows, paper | late, at_urn, by_post, party)


def _logistic(value: Array) -> Array:
    result: Array = 1 / (1 + np.exp(-value))
    return result


def as_date(day: int) -> date:
    return date.fromordinal(date(1970, 1, 1).toordinal() + day)
