"""How often a difference or a trend is called proven where there is none, and where there is one.

Made-up areas whose truth is known go through the very models that judge them. Reads dbt/; writes nothing.
`python tests/soak/verdicts.py` prints the tables of the documentation; tests run the same functions at a small size.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import duckdb
import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats

sys.path.insert(0, str(Path(__file__).parents[1]))
from mart_sql import macros, rendered

Floats = npt.NDArray[np.float64]
Z = 1.959963984540054
FIRST_YEAR = 2015


def _named(kind: str, name: str) -> str:
    return name if kind == "ref" else f"{kind}_{name}"


def judged(mart: str, values: pd.DataFrame, areas: pd.DataFrame, rate: float = 0.05) -> pd.DataFrame:
    """A mart of verdicts over `values` (level, area, year, indicator, numerator, denominator).

    `areas`: level, area, above (the municipality). All shares, all of one region, reliable by declaration.
    """
    connection = duckdb.connect()
    low, high = (macros().interval_bound("'wilson'", "numerator", "denominator", "100.0", sign) for sign in "-+")
    connection.register("given", values)
    connection.register("known", areas)
    connection.execute(f"""
        create table protected_indicator_value as select 'g' as geography, 'e' as edition, level, area,
            cast(year as varchar) as period, make_date(cast(year as integer), 12, 31) as reference_date, indicator,
            100.0 * numerator / denominator as value, 'published' as status,
            cast(null as varchar) as conversion_class, numerator, denominator,
            {low} as ci_low, {high} as ci_high from given;
        create table catalogue_indicator as select distinct indicator, 'share' as kind, 'wilson' as interval,
            100.0 as factor, 1 as pooled_years from given;
        create table catalogue_indicator_break (indicator varchar, year integer);
        create table catalogue_region as select 'town' as municipality_level, {rate} as false_discovery_rate;
        create table geography_area as select 'g' as geography, 'e' as edition, level, area, false as is_unallocated,
            cast(null as varchar) as area_type, case level when 'area' then 'town' when 'town' then 'county' end
            as parent_level from known;
        create table geography_area_ancestor as select 'g' as geography, 'e' as edition, level, area, level as
            ancestor_level, area as ancestor from known
            union all select 'g', 'e', level, area, 'town', above from known where level = 'area'
            union all select 'g', 'e', level, area, 'county', 'county' from known where level != 'county';
        """)
    return connection.execute(rendered(mart, _named)).df()


# ---------------------------------------------------------------- comparisons


@dataclass(frozen=True)
class County:
    """81 areas of 8 towns, and how many people live in each."""

    people: Floats
    town: npt.NDArray[np.int64]

    @classmethod
    def drawn(cls, rng: np.random.Generator, areas: int = 81, towns: int = 8) -> County:
        return cls(np.exp(rng.normal(6.8, 0.7, areas)).round(), np.arange(areas) % towns)

    def areas(self) -> pd.DataFrame:
        names = [f"a{number:03}" for number in range(len(self.people))]
        towns = [f"t{number}" for number in self.town]
        own = pd.DataFrame({"level": "area", "area": names, "above": towns})
        above = pd.DataFrame({"level": "town", "area": sorted(set(towns)), "above": "county"})
        return pd.concat([own, above, pd.DataFrame({"level": ["county"], "area": ["county"], "above": [None]})])

    def values(self, counts: Floats, indicator: str, year: int = FIRST_YEAR) -> pd.DataFrame:
        own = self.areas().query("level == 'area'").assign(numerator=counts, denominator=self.people)
        sums = ["numerator", "denominator"]
        towns = own.groupby("above", as_index=False)[sums].sum().rename(columns={"above": "area"}).assign(level="town")
        whole = own[sums].sum().to_frame().T.assign(level="county", area="county")
        rows = pd.concat([own, towns, whole])[["level", "area", *sums]]
        return rows.assign(indicator=indicator, year=year)


def comparisons_without_difference(rng: np.random.Generator, indicators: int) -> dict[str, float]:
    """Of one year of a county where all areas are alike: verdicts by the interval alone, and by the mart."""
    county = County.drawn(rng)
    shares = np.exp(rng.uniform(np.log(0.03), np.log(0.4), indicators))
    values = pd.concat(
        county.values(rng.binomial(county.people.astype(int), share).astype(float), f"i{number}")
        for number, share in enumerate(shares)
    )
    found = judged("mart_comparison", values, county.areas())
    area = values.merge(found, on=["level", "area", "indicator"])
    low, high = (100 * bound for bound in wilson(area["numerator"].to_numpy(), area["denominator"].to_numpy()))
    by_interval = (low > area["comparator_value"]) | (high < area["comparator_value"])
    families = found.assign(false=found["significance"].isin(["above", "below"]))
    return {
        "tests": len(found),
        "false_by_interval": int(by_interval.sum()),
        "false": int(families["false"].sum()),
        "families_with_false": families.groupby(["level", "indicator", "comparator"])["false"].any().mean(),
    }


def power_in_its_own_whole(rng: np.random.Generator, share: float, repeats: int) -> dict[str, float]:
    """How often an area is found that holds a part of its only town and lies a third above the rest of it."""
    county = County(np.array([1000 * share / (1 - share), 1000.0]).round(), np.array([0, 0]))
    rest, own = 0.12, 0.17
    drawn = rng.binomial(county.people.astype(int), [own, rest], (repeats, 2)).astype(float)
    values = pd.concat(county.values(counts, f"i{number}") for number, counts in enumerate(drawn))
    found = judged("mart_comparison", values, county.areas())
    found = found[(found["area"] == "a000") & (found["comparator"] == "municipality")]
    low, _ = wilson(drawn[:, 0], np.repeat(county.people[0], repeats))
    whole = drawn.sum(axis=1) / county.people.sum()
    return {"by_interval": float((low > whole).mean()), "by_rest": float((found["significance"] == "above").mean())}


def wilson(count: Floats, total: Floats) -> tuple[Floats, Floats]:
    middle = (count + Z * Z / 2) / (total + Z * Z)
    half = Z * np.sqrt(count * (total - count) / total + Z * Z / 4) / (total + Z * Z)
    return middle - half, middle + half


# ---------------------------------------------------------------- trends


@dataclass(frozen=True)
class Habits:
    """How closely a year depends on the one before, and the members of a household on each other."""

    persistence: float
    household: float


def years_of_the_same_people(
    rng: np.random.Generator, years: int, habits: Habits, trend: float = 0.0, areas: int = 60
) -> tuple[Floats, Floats]:
    """Counts and totals by area and year: people in households, each with a latent state that persists.

    One in twelve households is replaced each year. `trend` moves the threshold each year in every second area.
    """
    households = np.exp(rng.normal(5.6, 0.8, areas)).clip(30).astype(int)
    area = np.repeat(np.arange(areas), households)
    person = np.repeat(np.arange(len(area)), rng.choice([1, 2, 3, 4], len(area), p=[0.45, 0.3, 0.13, 0.12]))
    threshold = stats.norm.ppf(np.clip(np.exp(rng.normal(np.log(0.12), 0.5, areas)), 0.03, 0.5))
    moving = trend * (np.arange(areas) % 2)
    shared, own = rng.normal(size=len(area)), rng.normal(size=len(person))
    kept, new = habits.persistence, np.sqrt(1 - habits.persistence**2)
    counts = np.zeros((areas, years))
    for year in range(years):
        if year:
            shared = kept * shared + new * rng.normal(size=len(area))
            own = kept * own + new * rng.normal(size=len(person))
            moved = rng.random(len(area)) < 1 / 12
            shared[moved] = rng.normal(size=moved.sum())
            own[moved[person]] = rng.normal(size=moved[person].sum())
        state = np.sqrt(habits.household) * shared[person] + np.sqrt(1 - habits.household) * own
        has = state < (threshold + moving * year)[area[person]]
        counts[:, year] = np.bincount(area[person], weights=has, minlength=areas)
    people = np.bincount(area[person], minlength=areas).astype(float)
    return counts, np.repeat(people[:, None], years, axis=1)


def mann_kendall(values: Floats) -> npt.NDArray[np.bool_]:
    """Whether the test of Mann and Kendall finds a trend on the level of 5 %, as was published before."""
    years = values.shape[1]
    score = sum(np.sign(values[:, later] - values[:, earlier]) for later in range(years) for earlier in range(later))
    return (np.abs(score) - 1) / np.sqrt(years * (years - 1) * (2 * years + 5) / 18) > Z


def trends(rng: np.random.Generator, years: int, habits: Habits, repeats: int, trend: float = 0.0) -> dict[str, float]:
    """Shares of areas that are given a direction: those that stay by both tests, and those that move."""
    tables, kendall = [], []
    for number in range(repeats):
        counts, people = years_of_the_same_people(rng, years, habits, trend)
        kendall.append(mann_kendall(counts / people))
        tables.append(
            pd.DataFrame(
                {
                    "level": "area",
                    "area": np.repeat([f"a{place:03}" for place in range(len(counts))], years),
                    "year": np.tile(np.arange(FIRST_YEAR, FIRST_YEAR + years), len(counts)),
                    "indicator": f"i{number:03}",
                    "numerator": counts.ravel(),
                    "denominator": people.ravel(),
                }
            )
        )
    known = tables[0][["level", "area"]].drop_duplicates().assign(above="t0")
    found = judged("mart_trend", pd.concat(tables), known).sort_values(["indicator", "area"])
    given = found["direction"].isin(["rising", "falling"]).to_numpy().reshape(repeats, -1)
    still = np.arange(given.shape[1]) % 2 == 0 if trend else np.ones(given.shape[1], dtype=bool)
    return {
        "false_by_kendall": float(np.array(kendall)[:, still].mean()),
        "false": float(given[:, still].mean()),
        "families_with_false": float(given[:, still].any(axis=1).mean()),
        "found_by_kendall": float(np.array(kendall)[:, ~still].mean()) if trend else np.nan,
        "found": float(given[:, ~still].mean()) if trend else np.nan,
        "false_of_directions": float(given[:, still].sum() / max(given.sum(), 1)),
    }


def main() -> None:
    rng = np.random.default_rng(20)
    rows = [comparisons_without_difference(rng, 28) for _ in range(20)]
    print("A year without any difference\n", pd.DataFrame(rows).mean().round(3).to_string(), sep="")
    powers = {share: power_in_its_own_whole(rng, share, 1000) for share in (0.05, 0.15, 0.37, 0.6)}
    print("\nPower by share of the whole\n", pd.DataFrame(powers).T.round(2).to_string(), sep="")
    rows = [
        {"years": years, "persistence": persistence, "household": household, "trend": trend}
        | trends(rng, years, Habits(persistence, household), 20, trend)
        for trend in (0.0, 0.1)
        for years in (5, 6, 10)
        for persistence in (0.0, 0.8, 0.95, 0.99)
        for household in (0.0, 0.8)
    ]
    print("\nTrends\n", pd.DataFrame(rows).round(3).to_string(index=False), sep="")


if __name__ == "__main__":
    main()
