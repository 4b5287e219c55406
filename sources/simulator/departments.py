"""What each department delivers about the residents, year by year, and the truth beside it.

Builds frames of fields from a population and hands them to the writer (which writes `inbox/`) and counts the
same cases for `truth/`. The frames and the counts come from the same masks; the layouts decide what a frame's
fields look like.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np
import pandas as pd

from sources.simulator import living
from sources.simulator.population import (
    ARRIVAL,
    BIRTH,
    DEATH,
    DEPARTURE,
    EVENT_CODES,
    HOUSEHOLD_MEASURES,
    MARITAL_CODES,
    MIGRATION_CODES,
    RELOCATION,
    SEX_CODES,
    Array,
    Events,
    Households,
    Persons,
    Place,
    Population,
    completed_months,
    completed_years,
    day_number,
)
from sources.simulator.spec import Election, Layout, Layouts, Region
from sources.simulator.territory import Territory
from sources.simulator.truth import Truth
from sources.simulator.writing import AddressColumns, Writer, constant, days, texts

CHAPTERS = ("3", "4")
YES_NO = ("nein", "ja")
BENEFITS = ("Grundleistungen", "Analogleistungen")
EMPLOYMENT_MEASURES = (
    "employed",
    "unemployed",
    "unemployed_sgb2",
    "unemployed_sgb3",
    "unemployed_long_term",
    "sgb2_households",
    "sgb2_households_with_children",
    "sgb2_persons",
    "sgb2_under_15",
    "sgb2_employable",
)
AGE_BANDS: dict[str, tuple[int, int]] = {
    "population": (0, 200),
    "population_under_3": (0, 2),
    "population_3_to_5": (3, 5),
    "population_under_6": (0, 5),
    "population_under_15": (0, 14),
    "population_under_18": (0, 17),
    "population_under_20": (0, 19),
    "population_under_21": (0, 20),
    "population_15_to_64": (15, 64),
    "population_18_to_64": (18, 64),
    "population_20_to_64": (20, 64),
    "population_65_plus": (65, 200),
    "population_80_plus": (80, 200),
}


@dataclass
class Sites:
    """Day care sites: their addresses, and for every address the nearest site of the municipality."""

    address: Array
    municipality: Array
    nearest: Array

    @classmethod
    def spread(cls, region: Region, territory: Territory, seed: int) -> Sites:
        addresses = territory.addresses
        chosen: list[Array] = []
        nearest = np.zeros(len(addresses), dtype=np.int64)
        for number, municipality in enumerate(region.municipalities):
            own = np.flatnonzero(addresses.municipality == number)
            rng = np.random.default_rng([seed, 5, number])
            count = max(2, round(municipality.residents / region.territory.residents_per_kita))
            sites = rng.choice(own, count, replace=False, p=addresses.weight[own] / addresses.weight[own].sum())
            distance = np.hypot(
                addresses.x[own][:, None] - addresses.x[sites][None, :],
                addresses.y[own][:, None] - addresses.y[sites][None, :],
            )
            nearest[own] = sum(map(len, chosen)) + distance.argmin(axis=1)
            chosen.append(sites)
        address = np.concatenate(chosen)
        return cls(address, addresses.municipality[address], nearest)

    @property
    def keys(self) -> list[str]:
        return [f"K{number + 1:04d}" for number in range(len(self.address))]


@dataclass
class Secondary:
    """Persons with a secondary residence here: in the register, but no residents; listed from `since` up to
    `until`.
    """

    persons: Persons
    address: Array
    since: Array
    until: Array


class Departments:
    """Delivers everything about the residents; totals by area follow at the end (`totals.py`)."""

    def __init__(
        self, region: Region, layouts: Layouts, territory: Territory, writer: Writer, truth: Truth, seed: int
    ) -> None:
        self.region = region
        self.layouts = layouts
        self.territory = territory
        self.writer = writer
        self.truth = truth
        self.columns = AddressColumns(territory, [item.ags for item in region.municipalities])
        self.sites = Sites.spread(region, territory, seed)
        self.nationality_keys = [item.key for item in layouts.nationalities]
        self.children_at_sites: dict[str, Array] = {}
        self.leaving_schools: dict[str, Array] = {}
        self.ballots: dict[str, dict[str, Array]] = {}
        self.grid = np.zeros((2, len(territory.addresses)), dtype=np.int64)

    # ------------------------------------------------ what happens to whom

    def deliver_year(
        self,
        municipality: int,
        population: Population,
        status: living.Status,
        secondary: Secondary,
        year: int,
        rng: np.random.Generator,
    ) -> None:
        """All deliveries about the end of a year and about the year itself, but for the register's events."""
        place = _Case(self, municipality, population, status, year)
        self._register(place, secondary)
        self._households(place)
        self._employment(place)
        self._help_cases(place)
        self._day_care(place, rng)
        self._transitions(place, rng)
        self._examinations(place, rng)
        self._social_assistance(place)
        self._asylum_benefits(place)
        self._housing_benefit(place)
        for election in self.region.elections:
            if election.date.year == year:
                self._votes(place, election, rng)
        if year == self.region.history.grid_state_of:
            self.grid[0] += np.bincount(place.address, minlength=len(self.territory.addresses))
            self.grid[1] += np.bincount(place.address[status.age >= 65], minlength=len(self.territory.addresses))

    def deliver_events(self, municipality: int, events: Events, year: int) -> None:
        """The register's events of a year."""
        order = np.lexsort((events.person, events.day))
        events = events.take(order)
        layout = self._register_layout(municipality, "bewegungen")
        number = len(events)
        frame = {
            "person_id": events.person,
            "event": texts(events.kind, EVENT_CODES),
            "event_date": days(events.day),
            "birth_date": days(events.birth),
            "sex": texts(events.sex, SEX_CODES),
            "nationality": texts(events.nationality, self.nationality_keys),
            **self.columns.fields(events.old_address, layout, "old_"),
            **self.columns.fields(events.new_address, layout, "new_"),
        }
        ags = self.region.municipalities[municipality].ags
        self.writer.append(ags, "bewegungen", str(year), layout, pd.DataFrame(frame, index=range(number)))
        self._count_events(events, year)

    def _count_events(self, events: Events, year: int) -> None:
        period, block = str(year), self.territory.addresses.block
        child = completed_years(events.birth, day_number(year, 12, 31)) < 6
        for measure, kind, address in (
            ("births", BIRTH, events.new_address),
            ("deaths", DEATH, events.old_address),
            ("arrivals", ARRIVAL, events.new_address),
            ("departures", DEPARTURE, events.old_address),
            ("relocations_in", RELOCATION, events.new_address),
            ("relocations_out", RELOCATION, events.old_address),
        ):
            chosen = events.kind == kind
            self.truth.add(period, measure, block[address[chosen]])
            if kind in (ARRIVAL, DEPARTURE, RELOCATION):
                self.truth.add(period, f"{measure}_under_6", block[address[chosen & child]])
        moved = events.kind == RELOCATION
        self.truth.add_moves(period, block[events.old_address[moved]], block[events.new_address[moved]])

    # ------------------------------------------------ the municipalities' registers

    def _register_layout(self, municipality: int, source: str) -> Layout:
        return self.layouts.software[self.region.municipalities[municipality].software][source]

    def _register(self, case: _Case, secondary: Secondary) -> None:
        layout = self._register_layout(case.municipality, "einwohner")
        here = (secondary.since <= case.year) & (secondary.until > case.year)
        for persons, address, residence in (
            (case.persons, case.address, "H"),
            (secondary.persons.take(here), secondary.address[here], "N"),
        ):
            frame = {
                "person_id": persons.id,
                "birth_date": days(persons.birth),
                "sex": texts(persons.sex, SEX_CODES),
                "nationality": texts(persons.nationality, self.nationality_keys),
                "migration": texts(persons.migration, MIGRATION_CODES),
                "marital": texts(persons.marital, MARITAL_CODES),
                "residence": texts(np.full(len(persons), "HN".index(residence)), ("H", "N")),
                "moved_in": days(persons.moved_in),
                **self.columns.fields(address, layout),
            }
            self.writer.append(case.ags, "einwohner", case.date, layout, pd.DataFrame(frame))
        for measure, mask in self._population_measures(case).items():
            case.count(case.date, measure, mask)
        self.truth.add(case.date, "age_sum", case.block, case.status.age)

    def _population_measures(self, case: _Case) -> dict[str, Array]:
        persons, age = case.persons, case.status.age
        union = np.array([item.union for item in self.layouts.nationalities])
        return {
            **{measure: (age >= youngest) & (age <= oldest) for measure, (youngest, oldest) in AGE_BANDS.items()},
            "population_under_retirement_age": case.status.under_retirement_age,
            "population_working_age": case.status.under_retirement_age & (age >= 15),
            "population_female": persons.sex == 1,
            "population_foreign": persons.nationality > 0,
            "population_non_eu": ~union[persons.nationality],
            "population_migration": persons.migration > 0,
        }

    def _households(self, case: _Case) -> None:
        """Per address, as HHGen would count; communal accommodation is left out."""
        households: Households = case.population.households
        counted = ~households.communal
        values = {
            measure: np.bincount(
                households.address[counted & rule(case.status.features)],
                minlength=len(self.territory.addresses),
            )
            for measure, rule in HOUSEHOLD_MEASURES.items()
        }
        rows = np.flatnonzero(values["households"])
        layout = self.layouts.departments["haushalte"]
        frame = {measure: counts[rows] for measure, counts in values.items()} | self.columns.fields(rows, layout)
        self.writer.append(case.ags, "haushalte", case.date, layout, pd.DataFrame(frame))
        for measure, counts in values.items():
            self.truth.add(case.date, measure, self.territory.addresses.block[rows], counts[rows])

    # ------------------------------------------------ employment agency (its files are written by totals.py)

    def _employment(self, case: _Case) -> None:
        status, features = case.status, case.status.features
        for measure, mask in {
            "employed": status.employed,
            "unemployed": status.unemployed_sgb2 | status.unemployed_sgb3,
            "unemployed_sgb2": status.unemployed_sgb2,
            "unemployed_sgb3": status.unemployed_sgb3,
            "unemployed_long_term": status.unemployed_long_term,
            "sgb2_persons": status.sgb2,
            "sgb2_under_15": status.sgb2 & (status.age < 15),
            "sgb2_employable": status.sgb2 & (status.age >= 15),
        }.items():
            case.count(case.date, measure, mask)
        block = self.territory.addresses.block[case.population.households.address]
        self.truth.add(case.date, "sgb2_households", block[status.sgb2_households])
        self.truth.add(
            case.date,
            "sgb2_households_with_children",
            block[status.sgb2_households & (features["minors"] > 0)],
        )

    # ------------------------------------------------ departments with one row per case

    def _help_cases(self, case: _Case) -> None:
        persons = case.persons
        mask = persons.help_kind > 0
        rows = np.flatnonzero(mask)
        begin = persons.help_begin[rows]
        begin_year = days(begin).astype("datetime64[Y]").astype(np.int64) + 1970
        case.deliver(
            "hilfen_zur_erziehung",
            str(case.year),
            rows,
            {
                "case_id": persons.id[rows] * 100 + begin_year % 100,
                "help_kind": texts(persons.help_kind[rows] - 1, [f"§ {kind}" for kind in living.HELP_KINDS[1:]]),
                "begin_date": days(begin),
                "end_date": days(persons.help_end[rows], persons.help_end[rows] == 0),
            },
        )
        period = str(case.year)
        case.count(period, "help_cases", mask)
        case.count(period, "help_cases_without_counselling", mask & (persons.help_kind != living.COUNSELLING))
        case.count(
            period,
            "help_cases_without_counselling_under_21",
            mask & (persons.help_kind != living.COUNSELLING) & (case.status.age < 21),
        )

    def _day_care(self, case: _Case, rng: np.random.Generator) -> None:
        care = living.care_of(case.population, case.status, case.year, rng)
        period = living.as_date(care.day).isoformat()
        own = np.flatnonzero(self.sites.municipality == case.municipality)
        nearest = self.sites.nearest[case.address[care.rows]]
        site = np.where(rng.uniform(0, 1, len(care.rows)) < 0.62, nearest, rng.choice(own, len(care.rows)))
        minded = care.kind == 1
        case.deliver(
            "kita_kinder",
            period,
            care.rows,
            {
                "care_kind": texts(care.kind, living.CARE_KINDS),
                "site": texts(site, self.sites.keys, minded),
                "hours": care.hours,
            },
        )
        block = case.block[care.rows]
        self.truth.add(period, "care_under_3", block[care.age < 3])
        self.truth.add(period, "care_3_to_5", block[(care.age >= 3) & (care.age < 6)])
        counts = self.children_at_sites.setdefault(period, np.zeros((2, len(self.sites.address)), dtype=np.int64))
        for row, chosen in enumerate((care.age < 3, care.age >= 3)):
            counts[row] += np.bincount(site[chosen & ~minded], minlength=len(self.sites.address))

    def _transitions(self, case: _Case, rng: np.random.Generator) -> None:
        leaving = living.transitions_of(case.status, rng)
        schools = [f"GS{number + 1:03d}" for number in range(int(self.territory.school.max()) + 1)]
        own = np.unique(self.territory.school[self.territory.block_municipality == case.municipality])
        school = self.territory.school[case.block[leaving.rows]]
        school = np.where(rng.uniform(0, 1, len(school)) < 0.88, school, rng.choice(own, len(school)))
        period = str(case.year)
        counts = self.leaving_schools.setdefault(period, np.zeros((2, len(schools)), dtype=np.int64))
        counts[0] += np.bincount(school, minlength=len(schools))
        counts[1] += np.bincount(school[leaving.school_form == 0], minlength=len(schools))
        case.deliver(
            "schuluebergaenge",
            period,
            leaving.rows,
            {
                "school_year": constant(f"{case.year}/{(case.year + 1) % 100:02d}", len(school)),
                "school": texts(school, schools),
                "school_form": texts(leaving.school_form, living.SCHOOL_FORMS),
            },
        )
        self.truth.add(period, "transitions", case.block[leaving.rows])
        self.truth.add(period, "transitions_grammar_school", case.block[leaving.rows[leaving.school_form == 0]])

    def _examinations(self, case: _Case, rng: np.random.Generator) -> None:
        coverage = self.region.history.school_entry_coverage[case.year]
        found = living.examinations_of(case.population, case.status, coverage, case.year, rng)
        no_booklet = ~found.booklet
        period = str(case.year)
        case.deliver(
            "schuleingangsuntersuchung",
            period,
            found.rows,
            {
                "exam_date": days(found.day),
                "height_cm": found.height,
                "weight_kg": found.weight,
                "language": texts(found.language, living.LANGUAGE_CODES),
                "obesity": texts(found.obesity.astype(np.int8), YES_NO),
                "booklet": texts(found.booklet.astype(np.int8), YES_NO),
                "check_8": texts(found.check_8.astype(np.int8), YES_NO, no_booklet),
                "check_9": texts(found.check_9.astype(np.int8), YES_NO, no_booklet),
                "measles": texts(found.measles.astype(np.int8), YES_NO, no_booklet),
            },
        )
        block = case.block[found.rows]
        self.truth.add(period, "examined", block)
        self.truth.add(period, "examined_language_abnormal", block[found.language == 2])
        self.truth.add(period, "examined_obesity", block[found.obesity])
        self.truth.add(period, "examined_booklet", block[found.booklet])
        self.truth.add(period, "examined_checks_complete", block[found.check_8 & found.check_9])

    def _social_assistance(self, case: _Case) -> None:
        status = case.status
        chapter_4, chapter_3 = status.basic_security, status.subsistence
        rows = np.flatnonzero(chapter_4 | chapter_3)
        inside = case.population.households.communal[case.persons.household]
        case.deliver(
            "sgb_xii",
            case.date,
            rows,
            {
                "chapter": texts(chapter_4[rows].astype(np.int8), CHAPTERS),
                "in_institution": texts(inside[rows].astype(np.int8), YES_NO),
            },
        )
        case.count(case.date, "subsistence_outside", chapter_3 & ~inside)
        case.count(case.date, "basic_security_outside", chapter_4 & ~inside)
        case.count(case.date, "basic_security_outside_65_plus", chapter_4 & ~inside & (status.age >= 65))

    def _asylum_benefits(self, case: _Case) -> None:
        rows = np.flatnonzero(case.status.asylum_benefits)
        long_here = case.population.households.since[case.persons.household[rows]] < case.year
        case.deliver("asylblg", case.date, rows, {"benefit": texts(long_here.astype(np.int8), BENEFITS)})
        case.count(case.date, "asylum_benefits", case.status.asylum_benefits)

    def _housing_benefit(self, case: _Case) -> None:
        households = case.population.households
        rows = np.flatnonzero(case.status.housing_benefit_households)
        size = case.status.features["size"][rows]
        layout = self.layouts.departments["wohngeld"]
        wide = (households.latent[rows] * 1000) % 9
        frame = {
            "household_id": households.id[rows],
            "persons": size,
            "floor_area": (28 + 16 * size + wide).astype(float).round(1),
            "amount": (90 + 70 * size + 11 * wide).astype(float).round(2),
            **self.columns.fields(households.address[rows], layout),
        }
        self.writer.append(self.region.sender, "wohngeld", case.date, layout, pd.DataFrame(frame))
        block = self.territory.addresses.block[households.address[rows]]
        self.truth.add(case.date, "housing_benefit_households", block)
        self.truth.add(case.date, "housing_benefit_persons", block, size)
        self.truth.add(case.date, "housing_benefit_amount", block, np.floor(frame["amount"] + 0.5))

    # ------------------------------------------------ elections

    def _votes(self, case: _Case, election: Election, rng: np.random.Generator) -> None:
        """Votes by polling district; those by post are counted in postal districts without electorate."""
        votes = living.votes_of(case.population, case.status, election, self.layouts.nationalities, rng)
        district = self.territory.polling_district[case.block[votes.rows]]
        postal = self.territory.postal_district[case.block[votes.rows]]
        polling_districts = int(self.territory.polling_district.max()) + 1
        postal_districts = int(self.territory.postal_district.max()) + 1
        counts = {
            "a1": np.bincount(district[~votes.with_ballot_paper], minlength=polling_districts),
            "a2": np.bincount(district[votes.with_ballot_paper], minlength=polling_districts),
            "b": np.bincount(district[votes.votes_at_urn], minlength=polling_districts),
            "b1": np.bincount(district[votes.votes_at_urn & votes.with_ballot_paper], minlength=polling_districts),
            "by_post": np.bincount(district[votes.votes_by_post], minlength=polling_districts),
            "postal_b": np.bincount(postal[votes.votes_by_post], minlength=postal_districts),
        }
        for party in range(-1, living.PARTIES):
            mine = votes.party == party
            counts[f"party_{party}"] = np.bincount(district[mine & votes.votes_at_urn], minlength=polling_districts)
            counts[f"postal_party_{party}"] = np.bincount(
                postal[mine & votes.votes_by_post], minlength=postal_districts
            )
        known = self.ballots.setdefault(election.id, {})
        for name, values in counts.items():
            known[name] = known.get(name, 0) + values
        period = election.date.isoformat()
        block = case.block[votes.rows]
        self.truth.add(period, "eligible_voters", block)
        self.truth.add(period, "voters", block[votes.votes_at_urn | votes.votes_by_post])


class _Case:
    """The residents of one municipality at the end of one year, seen by the departments."""

    def __init__(
        self,
        departments: Departments,
        municipality: int,
        population: Population,
        status: living.Status,
        year: int,
    ) -> None:
        self.departments = departments
        self.municipality = municipality
        self.ags = departments.region.municipalities[municipality].ags
        self.population = population
        self.persons = population.persons
        self.status = status
        self.year = year
        self.date = date(year, 12, 31).isoformat()
        self.address = population.address()
        self.block: Array = departments.territory.addresses.block[self.address]

    def count(self, period: str, measure: str, mask: Array) -> None:
        self.departments.truth.add(period, measure, self.block[mask])

    def deliver(self, source: str, period: str, rows: Array, further: dict[str, object]) -> None:
        """A row per chosen person with address, id, birth date, sex and nationality beside the department's
        own fields.
        """
        departments, persons = self.departments, self.persons
        layout = departments.layouts.departments[source]
        frame = {
            "person_id": persons.id[rows],
            "birth_date": days(persons.birth[rows]),
            "sex": texts(persons.sex[rows], SEX_CODES),
            "nationality": texts(persons.nationality[rows], departments.nationality_keys),
            **departments.columns.fields(self.address[rows], layout),
            **further,
        }
        departments.writer.append(departments.region.sender, source, period, layout, pd.DataFrame(frame))


def secondary_residents(
    place: Place, persons: Persons, first_id: int, years: list[int], rng: np.random.Generator
) -> Secondary:
    """People who have their main residence elsewhere: about 1.6 per 100 residents at any time, some coming
    and going.
    """
    number = round(0.025 * len(persons))
    chosen = persons.take(rng.integers(0, len(persons), number))
    chosen = chosen.take(completed_months(chosen.birth, day_number(years[0], 12, 31)) >= 18 * 12)
    number = len(chosen)
    chosen.id = first_id + np.arange(number)
    since = rng.integers(years[0] - 4, years[-1] + 1, number)
    arrival = np.maximum(
        chosen.birth,
        day_number(years[0] - 4, 1, 1) + 365 * (since - years[0] + 4) + rng.integers(0, 365, number),
    )
    chosen.moved_in = arrival
    return Secondary(
        chosen,
        place.choose(rng.normal(0, 1, number), np.zeros(number), rng),
        since,
        since + rng.integers(2, 9, number),
    )
