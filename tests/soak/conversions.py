"""Whether intervals of figures that were carried over from other boundaries hold the truth, by class and kind.

Counts of simulated people, whose block is known, are summed up to areas of other boundaries and carried over by the
project's weights and the very model. Reads dbt/ and sources/simulator; writes a temporary folder.
`python tests/soak/conversions.py` prints the table of the documentation; tests run the same at a small size.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import duckdb
import pandas as pd

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parents[2])]
from mart_sql import macros, rendered  # noqa: E402  (behind the path of the tests)

from dagster_project.geography import error, weights  # noqa: E402  (behind the path of the tests)
from dagster_project.geography.weights import Masses  # noqa: E402  (behind the path of the tests)

NOTHING = pd.DataFrame({"source": [], "target": []}, dtype="int64")
# measure, the people it is counted among, and whether truths of known split are declared for these
KINDS = {
    "sgb2_persons": ("population_under_retirement_age", False),
    "sgb2_under_15": ("population_under_15", False),
    "employed": ("population_working_age", False),
    "unemployed": ("population_working_age", False),
    "sgb2_households": ("households", False),
    "voters": ("eligible_voters", True),
}
TRUTHS = ["population_foreign", "population_65_plus", "housing_benefit_persons", "basic_security_outside"]
TABLES = """
    create table core_foreign_count as select distinct 's' as geography, 'e' as edition, 'l' as level,
        source as area, '2020' as period, date '2020-12-31' as reference_date, 'd' as source, 'm' as measure,
        'u' as universe, sum(counted) over (partition by source) as value, 'reported' as status from blocks;
    create table crosswalk_weight as select 's' as source_geography, 'e' as source_edition, 'l' as source_level,
        'u' as universe, date '2020-12-31' as reference_date, 't' as geography, 'f' as edition, 'low' as level,
        0 as level_rank, 0 as base_rank, 'r' as basis, 1.0 as coverage, 1.0 as share_of_target, * from found;
    create table geography_area as
        select 't' as geography, 'f' as edition, 'high' as level, 'h' as area, 1 as level_rank, 'h' as municipality
        union all select distinct 's', 'e', 'l', source, 0, municipality from blocks;
    create table catalogue_region as
        select 't' as geography, 'f' as reporting_edition, 'high' as municipality_level;
"""


def _named(kind: str, name: str) -> str:
    return name if kind == "ref" else f"{kind}_{name}"


def carried_over(blocks: pd.DataFrame, overdispersion: float | None) -> pd.DataFrame:
    """Target areas with converted and true numbers, class and interval of the share, of those that are split.

    `blocks`: source, target, municipality, people (the weights and the denominator), counted. Without `overdispersion`
    the figures tell it themselves.
    """
    source, sources = pd.factorize(blocks["source"])
    target, targets = pd.factorize(blocks["target"])
    found = weights.choose([Masses.of("r", source, target, blocks["people"].to_numpy(dtype=float))], NOTHING)
    found = found.assign(source_area=sources[found["source"]], area=targets[found["target"]])
    found = found[["source_area", "area", "weight", "is_whole", "source_mass"]]
    connection = duckdb.connect()
    connection.register("blocks", blocks)
    rho = "null" if overdispersion is None else str(overdispersion)
    connection.register("weighted", found)
    connection.execute(f"create view found as select *, cast({rho} as double) as overdispersion from weighted")
    connection.execute(
        TABLES.replace(
            "* from found", "* replace (if(isnan(overdispersion), null, overdispersion) as overdispersion) from found"
        )
    )
    parts = ("numerator / design_effect", "denominator / design_effect")
    low, high = (macros().interval_bound("'wilson'", *parts, "1.0", sign) for sign in "-+")
    return connection.execute(f"""
        select conversion_class, standard_error, numerator, denominator, truth, {low} as low, {high} as high from (
            select area, value as numerator, conversion_class, standard_error, design_effect
            from ({rendered("core_conversion", _named)}) where conversion_class > 'A'
        ) inner join (
            select target as area, sum(people) * 1.0 as denominator, sum(counted) * 1.0 as truth
            from blocks group by target
        ) using (area) where denominator > 0 order by area
        """).df()


def fitted(blocks: pd.DataFrame, truths: list[str]) -> float:
    """The overdispersion that measures of known split have on these boundaries, as crosswalks fit it."""
    source, target = pd.factorize(blocks["source"])[0], pd.factorize(blocks["target"])[0]
    masses = [Masses.of(name, source, target, blocks[name].to_numpy(dtype=float)) for name in ["population", *truths]]
    return error.overdispersion(error.moments(masses[0], masses[1:], is_universe=True))


def summary(rows: pd.DataFrame) -> pd.Series:
    """How many there are and are shown, and how many of the shown intervals hold the truth."""
    shown = rows[rows["conversion_class"] != "D"]
    share = shown["truth"] / shown["denominator"]
    inside = share.between(shown["low"] - 1e-9, shown["high"] + 1e-9)
    by_model = (shown["numerator"] - shown["truth"]).abs() <= 1.96 * shown["standard_error"]
    narrow = [macros().wilson_bound("numerator", "denominator", "1.0", sign) for sign in "-+"]
    bounds = duckdb.sql(f"select {narrow[0]} as low, {narrow[1]} as high from shown").df() if len(shown) else shown
    before = (share.to_numpy() >= bounds["low"].to_numpy()) & (share.to_numpy() <= bounds["high"].to_numpy())
    return pd.Series(
        {
            "values": len(rows), "shown": len(shown), "interval_holds": inside.mean(),
            "without_error": pd.Series(before).mean(),
            "standard_error_holds": by_model.mean(), "width": 100 * (shown["high"] - shown["low"]).median(),
        }
    )  # fmt: skip


def world(region: str, seed: int, size: float, folder: Path) -> pd.DataFrame:
    """A simulated region by block and day: every measure, and the areas of both editions and the polling district."""
    from sources.simulator.run import read_layouts, read_region, simulate
    from sources.simulator.territory import build_territory

    specification = Path(__file__).parents[2] / "sources" / "simulator" / f"{region}.yml"
    simulate(specification, folder, seed=seed, size=size, dirt=[])
    territory = build_territory(read_region(specification), read_layouts().streets, seed)
    places = pd.DataFrame({"district": territory.polling_district.astype(str)}, index=territory.block_keys)
    for areas in territory.editions:
        places[f"edition {areas.edition}"] = [areas.keys[position] for position in areas.of_block]
        places["municipality"] = areas.municipality[areas.of_block].astype(str)
    counts = duckdb.sql(f"from '{folder}/truth/blocks.parquet'").df()
    table = counts.pivot(index=["period", "block"], columns="measure", values="value").fillna(0).reset_index()
    return table.merge(places, left_on="block", right_index=True)


def of_world(table: pd.DataFrame) -> pd.DataFrame:
    """Onto the newest edition: from the one before, and what is counted by polling districts from these."""
    editions = sorted(column for column in table.columns if column.startswith("edition "))
    found = []
    for kind, (universe, has_truths) in KINDS.items():
        source = "district" if kind == "voters" else editions[-2] if len(editions) > 1 else None
        for day, rows in table[table[universe] > 0].groupby("period") if source else []:
            named = {source: "source", editions[-1]: "target"}
            blocks = rows.rename(columns=named).assign(people=rows[universe], counted=rows[kind])
            rho = fitted(_nearest(table, day).rename(columns=named), TRUTHS) if has_truths else None
            blocks = blocks[["source", "target", "municipality", "people", "counted"]]
            found.append(carried_over(blocks, rho).assign(kind=kind))
    return pd.concat(found)


def _nearest(table: pd.DataFrame, day: str) -> pd.DataFrame:
    """The residents of the day nearest to another on which they are counted."""
    counted = table[table["population"] > 0]
    lag = (pd.to_datetime(counted["period"]) - pd.to_datetime(day)).abs()
    return counted[lag == lag.min()]


def main() -> None:
    seeds, size = (int(sys.argv[1]), float(sys.argv[2])) if len(sys.argv) > 2 else (10, 1.0)
    found = []
    for seed in range(1, seeds + 1):
        for region in ("musterkreis", "musterstadt"):
            with tempfile.TemporaryDirectory() as folder:
                found.append(of_world(world(region, seed, size, Path(folder))))
    rows = pd.concat(found)
    print(rows.groupby("kind").apply(summary, include_groups=False).round(3).to_string())
    print(rows.groupby(["kind", "conversion_class"]).apply(summary, include_groups=False).round(3).to_string())


if __name__ == "__main__":
    main()
