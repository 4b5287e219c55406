"""People in households: the first population of a municipality and one year of its life.

Pure functions of a territory, rates and a random generator; no file is read or written. All arrays are
columns over persons or households; nothing loops over persons. Dates are days since 1970-01-01.

A year keeps the balance exactly: population at its end = population at its begin + births - deaths + arrivals
- departures. A person has at most one event a year.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, fields, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from sources.simulator.spec import History, Nationality
from sources.simulator.territory import Addresses

Array = npt.NDArray[Any]

HEAD, PARTNER, CHILD = 0, 1, 2
NO_REFUGEE, ASYLUM, DIRECT = 0, 1, 2
SEX_CODES = ("m", "w")
MARITAL_CODES = ("LD", "VH", "VW", "GS")
MIGRATION_CODES = ("0", "1", "2")
EVENT_CODES = ("G", "S", "Z", "F", "U")
BIRTH, DEATH, ARRIVAL, DEPARTURE, RELOCATION = range(5)
MAIN_LIFE = 365.25
SORTING = 0.55  # how strongly poor and well-off households choose different addresses
SETTLING = 0.5  # the same for families and old people
FOREIGN_CHOICE = 0.9  # households from abroad find flats where poor households do


@dataclass
class _Table:
    """A set of equally long columns."""

    def take(self, rows: Array) -> Any:
        return replace(self, **{item.name: getattr(self, item.name)[rows] for item in fields(self)})

    def __len__(self) -> int:
        return len(getattr(self, fields(self)[0].name))


def stacked(first: Any, *others: Any) -> Any:
    """The tables one below the other."""
    tables = (first, *others)
    return replace(
        first,
        **{item.name: np.concatenate([getattr(table, item.name) for table in tables]) for item in fields(first)},
    )


@dataclass
class Persons(_Table):
    """`household` is the row in `Households`; `trait` is a lasting random number in [0, 1)."""

    id: Array
    household: Array
    birth: Array
    sex: Array
    nationality: Array
    migration: Array
    marital: Array
    role: Array
    moved_in: Array
    trait: Array
    help_kind: Array
    help_begin: Array
    help_end: Array


@dataclass
class Households(_Table):
    """`latent` is the lasting, `shock` the passing inclination to poverty (standard normal, high is poor)."""

    id: Array
    address: Array
    latent: Array
    shock: Array
    communal: Array
    refugee: Array
    since: Array


@dataclass
class Events(_Table):
    """What the register notes in a year; addresses are -1 where there is none."""

    kind: Array
    person: Array
    day: Array
    birth: Array
    sex: Array
    nationality: Array
    old_address: Array
    new_address: Array


@dataclass
class Population:
    """The residents of (a slice of) one municipality."""

    persons: Persons
    households: Households
    next_id: int

    def address(self) -> Array:
        """Address of every person."""
        result: Array = self.households.address[self.persons.household]
        return result

    def age(self, day: int) -> Array:
        return completed_years(self.persons.birth, day)

    def compact(self) -> None:
        """Drop households nobody lives in any more."""
        kept, position = np.unique(self.persons.household, return_inverse=True)
        self.households = self.households.take(kept)
        self.persons.household = position.astype(np.int64)


@dataclass(frozen=True)
class Place:
    """A municipality as its residents see it: where one can live, and who comes."""

    address: Array
    weight: Array
    poverty: Array
    family: Array
    shelters: Array
    care_homes: Array
    nationalities: list[Nationality]
    history: History
    cumulated: Array = field(init=False)

    def __post_init__(self) -> None:
        """Cumulated weights of the addresses for well-off and poor (rows), old and families (columns)."""
        appeal = [
            [
                np.cumsum(self.weight * np.exp(poor * SORTING * self.poverty + young * SETTLING * self.family))
                for young in (-1, 1)
            ]
            for poor in (-1, 1)
        ]
        cumulated = np.array(appeal)
        object.__setattr__(self, "cumulated", cumulated / cumulated[:, :, -1:])

    def choose(self, latent: Array, leaning: Array, rng: np.random.Generator) -> Array:
        """An address for every household: poor ones (high `latent`) tend to poor blocks, those leaning to
        families (1) or old people (-1) to the blocks of their like; others (0) take either."""
        number = len(latent)
        poor = (latent + rng.normal(0, 1, number) > 0).astype(np.int64)
        young = (leaning + rng.normal(0, 0.5, number) > 0).astype(np.int64)
        draw = rng.uniform(0, 1, number)
        position = np.zeros(number, dtype=np.int64)
        for group in ((0, 0), (0, 1), (1, 0), (1, 1)):
            chosen = (poor == group[0]) & (young == group[1])
            position[chosen] = np.searchsorted(self.cumulated[group], draw[chosen])
        result: Array = self.address[np.minimum(position, len(self.address) - 1)]
        return result


def place_of(
    addresses: Addresses,
    poverty: Array,
    family: Array,
    municipality: int,
    residents: int,
    per_shelter: float,
    nationalities: list[Nationality],
    history: History,
    rng: np.random.Generator,
) -> Place:
    """The municipality's addresses with the poverty of their blocks; shelters and care homes are among the
    largest houses.
    """
    own = np.flatnonzero(addresses.municipality == municipality)
    number = max(1, round(residents / per_shelter))
    large = own[np.argsort(-addresses.weight[own], kind="stable")][: max(60, 6 * number)]
    homes = rng.choice(large, min(2 * number, len(large)), replace=False)
    return Place(
        own,
        addresses.weight[own],
        poverty[addresses.block[own]],
        family[addresses.block[own]],
        homes[:number],
        homes[-number:],
        nationalities,
        history,
    )


def day_number(year: int, month: int, day: int) -> int:
    return int(np.datetime64(f"{year:04d}-{month:02d}-{day:02d}", "D").astype(np.int64))


def completed_years(birth: Array, day: int) -> Array:
    """Age in completed years on a day; who is born on 29 February turns older on 1 March in other years."""
    return completed_months(birth, day) // 12


def completed_months(birth: Array, day: int) -> Array:
    """Age in completed months on a day."""
    births = birth.astype("datetime64[D]")
    month = births.astype("datetime64[M]")
    day_of_month = (births - month).astype(np.int64)
    today = np.datetime64(day, "D")
    this_month = today.astype("datetime64[M]")
    months = (this_month - month).astype(np.int64)
    result: Array = months - (day_of_month > (today - this_month).astype(np.int64))
    return result


# ---------------------------------------------------------------- households that come


# kind, share at first, share among arrivals, youngest and oldest head, leaning to families (1) or old (-1)
KINDS: tuple[tuple[str, float, float, int, int, int], ...] = (
    ("single", 0.125, 0.46, 19, 34, 0),
    ("single", 0.135, 0.20, 35, 64, 0),
    ("single", 0.155, 0.03, 65, 93, -1),
    ("couple", 0.150, 0.11, 28, 66, 0),
    ("couple", 0.175, 0.03, 60, 89, -1),
    ("couple_with_children", 0.155, 0.13, 27, 50, 1),
    ("single_parent", 0.043, 0.04, 22, 50, 1),
    ("couple_with_adult_children", 0.062, 0.00, 47, 66, 1),
)
PERSONS_PER_HOUSEHOLD = 1.97
PERSONS_PER_ARRIVING_HOUSEHOLD = 1.62


def first_population(place: Place, persons: float, first_id: int, year: int, rng: np.random.Generator) -> Population:
    """A population at the end of `year`, long settled."""
    number = max(2, round(persons / PERSONS_PER_HOUSEHOLD))
    shares = np.array([kind[1] for kind in KINDS])
    kind = rng.choice(len(KINDS), number, p=shares / shares.sum())
    latent = rng.normal(0, 1, number)
    old = np.array([item[3] for item in KINDS])[kind] >= 60
    foreign_chance = place.history.foreign_share * np.exp(0.3 * latent - 0.045) * np.where(old, 0.55, 1.2)
    foreign = rng.uniform(0, 1, number) < foreign_chance
    nationality = np.where(foreign, _nationalities(place, number, False, year, rng), 0)
    households = _households(place, kind, latent, foreign, first_id, year, rng)
    today = day_number(year, 12, 31)
    people = _members(kind, nationality, today, first_id + number, rng)
    settled = (rng.exponential(9, len(people)) * MAIN_LIFE).astype(np.int64)
    people.moved_in = np.maximum(people.birth, today - settled)
    return Population(people, households, first_id + number + len(people))


def _arrivals(place: Place, persons: float, year: int, first_id: int, rng: np.random.Generator) -> Population:
    """Households that come from outside in a year, some of them refugees."""
    number = max(0, round(persons / PERSONS_PER_ARRIVING_HOUSEHOLD))
    shares = np.array([kind[2] for kind in KINDS])
    kind = rng.choice(len(KINDS), number, p=shares / shares.sum())
    chance = rng.uniform(0, 1, number)
    refugee_share = place.history.refugee_arrivals[year]
    refugee = chance < refugee_share
    foreign = refugee | (chance < refugee_share + place.history.foreign_arrivals * (1 - refugee_share))
    latent = rng.normal(0.15, 1, number) + 0.9 * refugee
    nationality = np.where(
        refugee,
        _nationalities(place, number, True, year, rng),
        _nationalities(place, number, False, year, rng),
    )
    nationality = np.where(foreign, nationality, 0)
    households = _households(place, kind, latent, foreign, first_id, year, rng)
    direct = np.array([item.refugee_since is not None for item in place.nationalities])[nationality]
    households.refugee = np.where(refugee, np.where(direct, DIRECT, ASYLUM), NO_REFUGEE).astype(np.int8)
    sheltered = (households.refugee == ASYLUM) & (rng.uniform(0, 1, number) < 0.6)
    households.address = np.where(sheltered, rng.choice(place.shelters, number), households.address)
    households.communal = sheltered
    people = _members(kind, nationality, day_number(year, 12, 31), first_id + number, rng)
    people.moved_in = _days_of(year, number, rng)[people.household]
    people.birth = np.minimum(people.birth, people.moved_in)
    return Population(people, households, first_id + number + len(people))


def _households(
    place: Place,
    kind: Array,
    latent: Array,
    foreign: Array,
    first_id: int,
    year: int,
    rng: np.random.Generator,
) -> Households:
    number = len(latent)
    leaning = np.array([item[5] for item in KINDS])[kind]
    return Households(
        id=first_id + np.arange(number),
        address=place.choose(latent + FOREIGN_CHOICE * foreign, leaning, rng),
        latent=latent,
        shock=rng.normal(0, 1, number),
        communal=np.zeros(number, dtype=bool),
        refugee=np.zeros(number, dtype=np.int8),
        since=np.full(number, year, dtype=np.int16),
    )


def _nationalities(place: Place, number: int, refugees: bool, year: int, rng: np.random.Generator) -> Array:
    """Positions in the list of nationalities, never the first one (German)."""
    weights = np.array(
        [
            (item.refugee if item.refugee_since is None or year >= item.refugee_since else 0)
            if refugees
            else item.share
            for item in place.nationalities
        ]
    )
    return rng.choice(len(weights), number, p=weights / weights.sum())


def _members(kind: Array, nationality: Array, today: int, first_id: int, rng: np.random.Generator) -> Persons:
    """Heads, partners and children of new households; `household` counts from 0."""
    number = len(kind)
    names = np.array([item[0] for item in KINDS])[kind]
    youngest = np.array([item[3] for item in KINDS])[kind]
    oldest = np.array([item[4] for item in KINDS])[kind]
    head_age = youngest + rng.uniform(0, 1, number) ** 1.15 * (oldest - youngest + 1)
    rows = np.arange(number)
    paired = np.char.startswith(names, "couple") if number else np.zeros(0, dtype=bool)
    adult_children = names == "couple_with_adult_children"
    has_children = (names == "couple_with_children") | (names == "single_parent") | adult_children
    children = np.where(has_children, 1 + rng.choice(4, number, p=[0.45, 0.39, 0.12, 0.04]), 0)
    children = np.where(adult_children, np.minimum(children, 2), children)
    child_rows = np.repeat(rows, children)
    youngest_child = np.where(adult_children, 16.0, 0.0)[child_rows]
    oldest_child = np.where(adult_children, 27.0, np.clip(head_age - 19, 1, 17.9))[child_rows]
    child_age = youngest_child + rng.uniform(0, 1, len(child_rows)) ** 0.85 * (oldest_child - youngest_child)
    partner_rows = rows[paired]
    partner_age = np.maximum(18.5, head_age[paired] + rng.normal(-1.5, 3.5, len(partner_rows)))
    household = np.concatenate([rows, partner_rows, child_rows])
    age = np.concatenate([head_age, partner_age, child_age])
    head_sex = (rng.uniform(0, 1, number) < np.where(names == "single_parent", 0.85, 0.5)).astype(np.int8)
    sex = np.concatenate([head_sex, 1 - head_sex[paired], rng.integers(0, 2, len(child_rows))]).astype(np.int8)
    role = np.repeat([HEAD, PARTNER, CHILD], [number, len(partner_rows), len(child_rows)]).astype(np.int8)
    married = paired & (rng.uniform(0, 1, number) < 0.78)
    alone = np.where(head_age > 68, 2, np.where(rng.uniform(0, 1, number) < 0.3, 3, 0))
    adult_marital = np.where(married, 1, np.where(paired, 0, np.where(head_age > 34, alone, 0)))
    marital = np.where(role == CHILD, 0, adult_marital[household]).astype(np.int8)
    person_nationality = nationality[household]
    german = person_nationality == 0
    born_german = (role == CHILD) & ~german & (rng.uniform(0, 1, len(role)) < 0.3)
    person_nationality = np.where(born_german, 0, person_nationality)
    with_background = german & (rng.uniform(0, 1, number) < 0.13)[household]
    migration = np.where(person_nationality > 0, 2, np.where(born_german | with_background, 1, 0)).astype(np.int8)
    birth = (today - (age * MAIN_LIFE).astype(np.int64) - rng.integers(0, 3, len(age))).astype(np.int64)
    return _new_persons(first_id, household, birth, sex, person_nationality, migration, marital, role, birth, rng)


def _new_persons(
    first_id: int,
    household: Array,
    birth: Array,
    sex: Array,
    nationality: Array,
    migration: Array,
    marital: Array,
    role: Array,
    moved_in: Array,
    rng: np.random.Generator,
) -> Persons:
    number = len(birth)
    return Persons(
        id=first_id + np.arange(number),
        household=household.astype(np.int64),
        birth=birth,
        sex=sex.astype(np.int8),
        nationality=nationality.astype(np.int16),
        migration=migration.astype(np.int8),
        marital=marital.astype(np.int8),
        role=role.astype(np.int8),
        moved_in=moved_in.astype(np.int64),
        trait=rng.uniform(0, 1, number),
        help_kind=np.zeros(number, dtype=np.int8),
        help_begin=np.zeros(number, dtype=np.int64),
        help_end=np.zeros(number, dtype=np.int64),
    )


# ---------------------------------------------------------------- a year


class Year:
    """One year of a population; `live` runs it and returns the register's events."""

    def __init__(self, population: Population, place: Place, year: int, rng: np.random.Generator) -> None:
        self.population = population
        self.place = place
        self.year = year
        self.rng = rng
        self.begin = len(population.persons)
        self.events: list[Events] = []
        self.moved: Array = np.zeros(0, dtype=np.int64)

    def live(self) -> Events:
        self._deaths()
        self._orphaned_leave()
        self._children_leave_home()
        self._couples_part()
        self._singles_pair()
        self._old_people_move_to_care_homes()
        self._households_move()
        self._orphaned_leave()
        self._naturalisations()
        self._births()
        self._arrivals()
        self.population.compact()
        return stacked(*self.events) if len(self.events) > 1 else self.events[0]

    # ------------------------------------------------ helpers

    def _chance(self, probability: Array) -> Array:
        result: Array = self.rng.uniform(0, 1, len(probability)) < probability
        return result

    def _age(self) -> Array:
        return self.population.age(day_number(self.year, 12, 31))

    def _unmoved(self) -> Array:
        return ~np.isin(self.population.persons.id, self.moved)

    def _note(self, kind: int, persons: Persons, day: Array, old: Array, new: Array) -> None:
        codes = np.full(len(persons), kind, dtype=np.int8)
        self.events.append(
            Events(
                codes,
                persons.id,
                day,
                persons.birth,
                persons.sex,
                persons.nationality,
                old.astype(np.int64),
                new.astype(np.int64),
            )
        )

    def _leave(self, gone: Array, kind: int, day: Array | None = None) -> None:
        """Persons die or depart."""
        persons = self.population.persons.take(gone)
        days = day[gone] if day is not None else _days_of(self.year, len(persons), self.rng)
        self._note(kind, persons, days, self.population.address()[gone], np.full(len(persons), -1))
        self.population.persons = self.population.persons.take(~gone)

    def _relocate(self, who: Array, old: Array, day: Array) -> None:
        """Persons whose household has just changed (or whose household's address has) are noted with their
        new address.
        """
        persons = self.population.persons
        persons.moved_in[who] = np.maximum(day, persons.birth[who])
        self._note(RELOCATION, persons.take(who), day, old, self.population.address()[who])
        self.moved = np.concatenate([self.moved, persons.id[who]])

    def _found_households(self, who: Array, communal: bool = False) -> None:
        """Each of these persons becomes the head of a household of one, inheriting inclinations."""
        persons, households = self.population.persons, self.population.households
        if not who.any():
            return
        old = self.population.address()[who]
        parent = households.take(persons.household[who])
        number = len(parent)
        parent.id = self.population.next_id + np.arange(number)
        parent.latent = 0.6 * parent.latent + 0.8 * self.rng.normal(0, 1, number)
        parent.shock = self.rng.normal(0, 1, number)
        parent.communal = np.full(number, communal)
        anywhere = self.place.choose(parent.latent, np.zeros(number), self.rng)
        parent.address = self.rng.choice(self.place.care_homes, number) if communal else anywhere
        persons.household[who] = len(households) + np.arange(number)
        persons.role[who] = HEAD
        self.population.households = stacked(households, parent)
        self.population.next_id += number
        self._relocate(who, old, _days_of(self.year, number, self.rng))

    def _household_sums(self, mask: Array) -> Array:
        return np.bincount(self.population.persons.household[mask], minlength=len(self.population.households))

    def _head_age(self) -> Array:
        """Age of the head of every household, -1 for households without persons."""
        persons = self.population.persons
        heads = persons.role == HEAD
        result = np.full(len(self.population.households), -1)
        result[persons.household[heads]] = self._age()[heads]
        return result

    # ------------------------------------------------ what happens

    def _deaths(self) -> None:
        persons, age = self.population.persons, self._age()
        probability = np.minimum(
            0.5, 0.0000155 * np.exp(0.0985 * age) * np.where(persons.sex == 0, 1.35, 0.85) + 0.0001
        )
        dead = self._chance(probability)
        partner_lost = self._household_sums(dead & (persons.role != CHILD)) > 0
        self._leave(dead, DEATH)
        widowed = partner_lost[self.population.persons.household] & (self.population.persons.role != CHILD)
        widowed &= self.population.persons.marital == 1
        self.population.persons.marital[widowed] = 2

    def _orphaned_leave(self) -> None:
        """Partners and grown-up children become heads where there is none; children left alone depart."""
        persons = self.population.persons
        headless = self._household_sums(persons.role == HEAD) == 0
        partner = (persons.role == PARTNER) & headless[persons.household]
        persons.role[partner] = HEAD
        headless = self._household_sums(persons.role == HEAD) == 0
        grown = np.flatnonzero((self._age() >= 18) & headless[persons.household])
        persons.role[grown[np.unique(persons.household[grown], return_index=True)[1]]] = HEAD
        headless = self._household_sums(persons.role == HEAD) == 0
        alone = headless[persons.household]
        settled = alone & self._unmoved()
        if settled.any():
            self._leave(settled, DEPARTURE)
            alone = alone[~settled]
        self.population.persons.role[alone] = HEAD

    def _children_leave_home(self) -> None:
        persons, age = self.population.persons, self._age()
        able = (persons.role == CHILD) & (age >= 18) & self._unmoved()
        leaving = able & self._chance(np.where(age < 21, 0.13, np.where(age < 30, 0.26, 0.10)))
        away = leaving & self._chance(np.full(len(persons), 0.52))
        near = leaving & ~away
        self._found_households(near)
        self._leave(away, DEPARTURE)

    def _couples_part(self) -> None:
        persons, age = self.population.persons, self._age()
        parting = (persons.role == PARTNER) & (age < 62) & self._unmoved() & self._chance(np.full(len(persons), 0.016))
        involved = (
            (self._household_sums(parting) > 0)[persons.household] & (persons.role != CHILD) & (persons.marital == 1)
        )
        persons.marital[involved] = 3
        away = parting & self._chance(np.full(len(persons), 0.3))
        near = parting & ~away
        self._found_households(near)
        self._leave(away, DEPARTURE)

    def _singles_pair(self) -> None:
        """Single men move in with single women or single mothers of about their age."""
        persons, age = self.population.persons, self._age()
        size = self._household_sums(np.ones(len(persons), dtype=bool))
        couples = self._household_sums(persons.role == PARTNER) > 0
        free = (persons.role == HEAD) & ~couples[persons.household] & (age >= 20) & (age < 66)
        free &= self._unmoved() & ~self.population.households.communal[persons.household]
        men = np.flatnonzero(
            free & (persons.sex == 0) & (size[persons.household] == 1) & self._chance(np.full(len(age), 0.09))
        )
        women = np.flatnonzero(free & (persons.sex == 1) & self._chance(np.full(len(age), 0.085)))
        pairs = min(len(men), len(women))
        if pairs == 0:
            return
        men = self.rng.permutation(men)[:pairs]
        women = self.rng.permutation(women)[:pairs]
        men = men[np.argsort(persons.birth[men], kind="stable")]
        women = women[np.argsort(persons.birth[women], kind="stable")]
        old = self.population.address()[men]
        persons.household[men] = persons.household[women]
        persons.role[men] = PARTNER
        married = self._chance(np.full(pairs, 0.4))
        persons.marital[men[married]] = 1
        persons.marital[women[married]] = 1
        self._relocate(men, old, _days_of(self.year, pairs, self.rng))
        self.moved = np.concatenate([self.moved, persons.id[women]])

    def _old_people_move_to_care_homes(self) -> None:
        persons, age = self.population.persons, self._age()
        alone = (self._household_sums(np.ones(len(persons), dtype=bool)) == 1)[persons.household]
        able = alone & (age >= 80) & self._unmoved() & ~self.population.households.communal[persons.household]
        self._found_households(able & self._chance(np.full(len(persons), 0.035)), communal=True)

    def _households_move(self) -> None:
        """Whole households move within the municipality or leave it; those with a mover this year stay."""
        households, persons = self.population.households, self.population.persons
        head_age = self._head_age()
        settled = self._household_sums(~self._unmoved()) == 0
        able = settled & (head_age >= 0)
        restless = np.select(
            [head_age < 26, head_age < 36, head_age < 50, head_age < 66], [0.155, 0.115, 0.055, 0.022], 0.012
        )
        restless = np.where(households.refugee == ASYLUM, 0.16, restless) * np.exp(0.15 * households.latent)
        draw = self.rng.uniform(0, 1, len(households))
        leaving = able & (draw < 0.62 * restless)
        moving = able & ~leaving & (draw < 1.25 * restless)
        day = _days_of(self.year, len(households), self.rng)
        movers = moving[persons.household]
        old = self.population.address()[movers]
        foreign = self._household_sums((persons.role == HEAD) & (persons.nationality > 0)) > 0
        children = self._household_sums(persons.role == CHILD) > 0
        leaning = np.where(children, 1, np.where(head_age >= 65, -1, 0))
        chosen = self.place.choose(households.latent + FOREIGN_CHOICE * foreign, leaning, self.rng)
        households.address = np.where(moving, chosen, households.address)
        households.communal = households.communal & ~moving
        self._relocate(movers, old, day[persons.household[movers]])
        self._leave(leaving[persons.household], DEPARTURE, day[persons.household])

    def _naturalisations(self) -> None:
        persons = self.population.persons
        now_german = (persons.nationality > 0) & self._chance(np.full(len(persons), 0.016))
        persons.nationality[now_german] = 0
        persons.migration[now_german] = 1

    def _births(self) -> None:
        population, persons, age = self.population, self.population.persons, self._age()
        fertile = (persons.sex == 1) & (age >= 17) & (age <= 45)
        with_partner = (self._household_sums(persons.role == PARTNER) > 0)[persons.household] & (persons.role != CHILD)
        curve = 0.126 * np.exp(-(((age - 31.5) / 6.3) ** 2)) * np.where(with_partner, 1.42, 0.3)
        mothers = np.flatnonzero(fertile & self._chance(curve * np.where(persons.nationality > 0, 1.25, 1.0)))
        number = len(mothers)
        birth = np.minimum(_days_of(self.year, number, self.rng), day_number(self.year, 12, 31))
        foreign = persons.nationality[mothers] > 0
        german = ~foreign | self._chance(np.full(number, 0.45))
        migration = np.where(~german, 2, np.where(foreign | (persons.migration[mothers] == 1), 1, 0))
        babies = _new_persons(
            population.next_id,
            persons.household[mothers],
            birth,
            self._chance(np.full(number, 0.487)),
            np.where(german, 0, persons.nationality[mothers]),
            migration,
            np.zeros(number),
            np.full(number, CHILD),
            birth,
            self.rng,
        )
        population.next_id += number
        population.persons = stacked(persons, babies)
        new = population.households.address[babies.household]
        self._note(BIRTH, babies, birth, np.full(number, -1), new)

    def _arrivals(self) -> None:
        """As many come as the declared growth asks for."""
        wanted = self.begin * (1 + self.place.history.growth[self.year]) - len(self.population.persons)
        coming = _arrivals(self.place, max(wanted, 0.0), self.year, self.population.next_id, self.rng)
        coming.persons.household += len(self.population.households)
        self.population.next_id = coming.next_id
        self.population.households = stacked(self.population.households, coming.households)
        self.population.persons = stacked(self.population.persons, coming.persons)
        new = self.population.households.address[coming.persons.household]
        self._note(ARRIVAL, coming.persons, coming.persons.moved_in, np.full(len(coming.persons), -1), new)


def _days_of(year: int, number: int, rng: np.random.Generator) -> Array:
    return day_number(year, 1, 1) + rng.integers(0, 365, number)


# ---------------------------------------------------------------- households as HHGen sees them

HouseholdMeasure = Callable[[dict[str, Array]], Array]


def household_features(population: Population, day: int) -> dict[str, Array]:
    """Per household: size, minors (under 18 on the day), adults, whether a couple, age of the head."""
    persons, number = population.persons, len(population.households)
    age = population.age(day)
    minors = np.bincount(persons.household[age < 18], minlength=number)
    heads = persons.role == HEAD
    head_age = np.zeros(number, dtype=np.int64)
    head_age[persons.household[heads]] = age[heads]
    couple = np.bincount(persons.household[persons.role == PARTNER], minlength=number) > 0
    size = np.bincount(persons.household, minlength=number)
    adults = size - minors
    return {"size": size, "minors": minors, "adults": adults, "couple": couple, "head_age": head_age}


def _single_parent(has: dict[str, Array]) -> Array:
    result: Array = ~has["couple"] & (has["adults"] == 1) & (has["minors"] > 0)
    return result


def _childless_couple(has: dict[str, Array]) -> Array:
    result: Array = has["couple"] & (has["size"] == 2) & (has["minors"] == 0)
    return result


def _couple_with_children(has: dict[str, Array]) -> Array:
    result: Array = has["couple"] & (has["minors"] > 0) & (has["adults"] == 2)
    return result


def _other(has: dict[str, Array]) -> Array:
    classified = _single_parent(has) | _childless_couple(has) | _couple_with_children(has)
    result: Array = (has["size"] > 1) & ~classified
    return result


def _single(has: dict[str, Array], youngest: int, oldest: int) -> Array:
    result: Array = (has["size"] == 1) & (has["head_age"] >= youngest) & (has["head_age"] <= oldest)
    return result


HOUSEHOLD_MEASURES: dict[str, HouseholdMeasure] = {
    "households": lambda has: has["size"] > 0,
    "households_size_1": lambda has: has["size"] == 1,
    "households_size_2": lambda has: has["size"] == 2,
    "households_size_3": lambda has: has["size"] == 3,
    "households_size_4": lambda has: has["size"] == 4,
    "households_size_5_plus": lambda has: has["size"] >= 5,
    "households_children_0": lambda has: has["minors"] == 0,
    "households_children_1": lambda has: has["minors"] == 1,
    "households_children_2": lambda has: has["minors"] == 2,
    "households_children_3_plus": lambda has: has["minors"] >= 3,
    "households_single_parent": _single_parent,
    "households_couple_without_children": _childless_couple,
    "households_couple_with_children": _couple_with_children,
    "households_other": _other,
    "households_other_adult_children": lambda has: _other(has) & (has["minors"] == 0),
    "households_single_under_35": lambda has: _single(has, 0, 34),
    "households_single_35_to_64": lambda has: _single(has, 35, 64),
    "households_single_65_plus": lambda has: _single(has, 65, 200),
}
