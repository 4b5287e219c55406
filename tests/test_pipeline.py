"""The whole job on the made-up town: what is published equals the truth, and what is missing stays missing.

Reads and writes pytest's temporary folders only. Truth is added up here in pandas and numpy, apart from any SQL.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pytest
import yaml
from kleinstadt import (
    BANDS,
    DENOMINATORS,
    EDITIONS,
    MUNICIPALITY,
    NEW_AREA,
    NEW_AREA_FROM,
    NEWER,
    OLDER,
    REGION,
    SHARES,
    SINGLE_ZERO,
    SMALL_AREAS,
    YEARS,
    Kleinstadt,
)
from runs import Outcome, Place, edit_register, hashes, leftovers

from dagster_project import declarations, release, transform

DIGITS = {"planungsraum": 8, "bezirksregion": 6, "prognoseraum": 4, "bezirk": 2, "stadt": 0}
AGES = {  # indicator: ages of its numerator, ages of its denominator (from, to below)
    "population": ((0, 110), None),
    "share_under_18": ((0, 18), (0, 110)),
    "share_65_plus": ((65, 110), (0, 110)),
    "share_80_plus": ((80, 110), (0, 110)),
    "youth_ratio": ((0, 18), (18, 65)),
    "old_age_ratio": ((65, 110), (18, 65)),
}


@pytest.fixture(scope="module")
def cube(first_run: Place) -> pd.DataFrame:
    """The published cube of the older edition."""
    with duckdb.connect(str(first_run.data.current / "marts.duckdb"), read_only=True) as connection:
        frame = connection.execute("from mart_indicator_value").df()
    assert set(frame["edition"]) == {OLDER}
    return frame


def published(cube: pd.DataFrame, indicator: str, column: str) -> pd.Series:
    """A column of an indicator by level, area and period, where there is a value."""
    rows = cube[(cube["indicator"] == indicator) & cube["value"].notna()]
    return rows.set_index(["level", "area", "period"])[column].sort_index()


def on_every_level(counts: pd.DataFrame, column: str) -> pd.Series:
    """Counts of planning areas (columns `area`, `period`) added up to every level, by level, area and period."""
    added = {
        level: counts.groupby([counts["area"].str[:digits].replace("", MUNICIPALITY), "period"])[column].sum()
        for level, digits in DIGITS.items()
    }
    found = pd.concat(added, names=["level", "area", "period"])
    return found.astype(float).sort_index()


def persons(town: Kleinstadt, ages: tuple[int, int]) -> pd.Series:
    """Residents of an age span by level, area and period."""
    bands = [name for name, (low, high) in BANDS.items() if ages[0] <= low and high <= ages[1]]
    residents = town.truth.residents
    counts = residents[["area"]].assign(
        period=residents["year"].astype(str) + "-12-31", persons=residents[bands].sum(axis=1)
    )
    return on_every_level(counts, "persons")


def cases(town: Kleinstadt, column: str) -> pd.Series:
    """Numerators or denominators of the monitoring by level, area and edition, also of areas it leaves out."""
    found = town.truth.cases
    found = found[found["year"].isin([edition - 1 for edition in EDITIONS])]
    return on_every_level(found.assign(period=(found["year"] + 1).astype(str)), column)


# ---------------------------------------------------------------- counts and shares


@pytest.mark.parametrize("indicator", AGES)
def test_every_published_count_is_the_truth_on_every_level(
    cube: pd.DataFrame, kleinstadt: Kleinstadt, indicator: str
) -> None:
    for column, ages in zip(("numerator", "denominator"), AGES[indicator], strict=True):
        if ages:
            found, truth = published(cube, indicator, column), persons(kleinstadt, ages)
            pd.testing.assert_series_equal(found, truth, check_names=False)


@pytest.mark.parametrize("indicator", [name for name, (_, below) in AGES.items() if below])
def test_every_share_is_its_numerator_by_its_denominator(cube: pd.DataFrame, indicator: str) -> None:
    parts = [published(cube, indicator, column) for column in ("numerator", "denominator")]
    np.testing.assert_allclose(published(cube, indicator, "value"), 100 * parts[0] / parts[1], atol=1e-8)


@pytest.mark.parametrize("share", SHARES)
def test_numerators_are_recovered_exactly(cube: pd.DataFrame, kleinstadt: Kleinstadt, share: str) -> None:
    indicator = f"mss_{share}"
    for column, counted in (("numerator", share), ("denominator", DENOMINATORS[share])):
        truth = cases(kleinstadt, counted)
        left_out = truth.index.get_level_values("area").isin(SMALL_AREAS)
        if share == "s2":
            left_out |= truth.index.get_level_values("period") == str(EDITIONS[-1])
        found = published(cube, indicator, column)
        pd.testing.assert_series_equal(found, truth[~left_out], check_names=False)


@pytest.mark.parametrize("edition", EDITIONS)
def test_reported_figures_are_published_as_printed(cube: pd.DataFrame, kleinstadt: Kleinstadt, edition: int) -> None:
    truth = kleinstadt.truth.shares(edition, "planungsraum").drop(list(SMALL_AREAS)).round(5)
    for column in truth.columns:
        if edition == EDITIONS[-1] and column in ("s2", "d2"):
            continue
        found = published(cube, f"mss_{column}", "value").xs(("planungsraum", str(edition)), level=(0, 2))
        expected = truth[column].dropna()
        np.testing.assert_allclose(found.loc[expected.index], expected, atol=1e-8)


def test_a_change_is_the_difference_to_five_years_before(cube: pd.DataFrame, kleinstadt: Kleinstadt) -> None:
    residents = persons(kleinstadt, (0, 110)).unstack("period")
    before = residents.shift(5, axis="columns")
    truth = (100 * (residents - before) / before).stack().dropna().sort_index()
    np.testing.assert_allclose(published(cube, "population_change", "value"), truth, atol=1e-8)
    assert published(cube, "population_change", "value").index.equals(truth.index)


# ---------------------------------------------------------------- the index


def standardised(values: pd.DataFrame | pd.Series) -> Any:
    return (values - values.mean()) / values.std(ddof=0)


def status_class(z: float) -> str:
    return "hoch" if z < -1 else "mittel" if z <= 1 else "niedrig" if z <= 1.5 else "sehr niedrig"


def dynamic_class(z: float) -> str:
    return "positiv" if z < -1 else "stabil" if z <= 1 else "negativ"


@pytest.mark.parametrize("edition", EDITIONS)
@pytest.mark.parametrize(("indicator", "kind"), [("mss_status", "s"), ("mss_dynamik", "d")])
def test_the_index_is_what_numpy_makes_of_the_shares(
    cube: pd.DataFrame, kleinstadt: Kleinstadt, edition: int, indicator: str, kind: str
) -> None:
    shares = kleinstadt.truth.shares(edition, "planungsraum").drop(list(SMALL_AREAS))
    shares = shares[[f"{kind}{number}" for number in (1, 2, 3, 4)]].dropna()
    if edition > EDITIONS[0]:
        shares = shares.round(5)
    if edition == EDITIONS[-1]:
        shares = shares.drop(columns=f"{kind}2")
    truth = standardised(standardised(shares).sum(axis=1))
    found = published(cube, indicator, "value").xs(("planungsraum", str(edition)), level=(0, 2))
    assert list(found.index) == list(truth.index)
    np.testing.assert_allclose(found, truth, atol=1e-8)
    classes = published(cube, indicator, "class").xs(("planungsraum", str(edition)), level=(0, 2))
    assert list(classes) == [status_class(z) if indicator == "mss_status" else dynamic_class(z) for z in truth]


def test_an_index_stands_on_the_finest_level_only(cube: pd.DataFrame) -> None:
    assert set(published(cube, "mss_status", "value").index.get_level_values("level")) == {"planungsraum"}


# ---------------------------------------------------------------- missing stays missing


def test_areas_left_out_have_a_status_and_no_value(cube: pd.DataFrame) -> None:
    rows = cube[cube["area"].isin(SMALL_AREAS) & cube["indicator"].str.match("mss_[sd][134]$")]
    assert len(rows) == len(SMALL_AREAS) * len(EDITIONS) * 6
    assert set(rows["status"]) == {"missing"}
    assert rows[["value", "numerator", "ci_low", "ci_high"]].isna().all(axis=None)
    rows = cube[cube["area"].isin(SMALL_AREAS) & cube["indicator"].isin(["mss_status", "mss_dynamik"])]
    assert len(rows) == len(SMALL_AREAS) * len(EDITIONS) * 2
    assert set(rows["status"]) == {"not_applicable"}
    assert rows["value"].isna().all()


def test_every_zero_is_a_true_zero(cube: pd.DataFrame, kleinstadt: Kleinstadt) -> None:
    found = cube[(cube["value"] == 0) & cube["indicator"].str.match("mss_s[1-4]$")]
    truth = {
        (f"mss_{share}", area, period)
        for share in SHARES
        for (level, area, period), count in cases(kleinstadt, share).items()
        if count == 0 and area not in SMALL_AREAS
    }
    assert set(zip(found["indicator"], found["area"], found["period"], strict=True)) == truth
    year, area, share = SINGLE_ZERO
    assert (f"mss_{share}", area, str(year + 1)) in truth


def test_a_value_stands_exactly_where_the_status_says_so(cube: pd.DataFrame) -> None:
    assert (cube["value"].notna() == cube["status"].isin(["published", "estimated", "unreliable"])).all()


def test_no_number_is_a_negative_zero(first_run: Place) -> None:
    with duckdb.connect() as connection:
        for path in sorted((first_run.data.current / "parquet").glob("mart_*.parquet")):
            columns = connection.execute(f"describe from read_parquet('{path}')").fetchall()
            for name in (column[0] for column in columns if column[1] == "DOUBLE"):
                signs = f"select count(*) from read_parquet('{path}') where {name} = 0 and signbit({name})"
                assert connection.execute(signs).fetchone() == (0,), (path.stem, name)


def test_an_area_has_no_row_before_it_came_into_being(cube: pd.DataFrame) -> None:
    rows = cube[(cube["area"] == NEW_AREA) & (cube["indicator"] == "population")]
    assert sorted(rows["period"]) == [f"{year}-12-31" for year in YEARS if year >= NEW_AREA_FROM]


def test_the_repaired_area_is_where_it_belongs(first_run: Place) -> None:
    marts = first_run.data.current / "parquet" / "mart_area.parquet"
    found = duckdb.sql(f"select parent from '{marts}' where area = '12010203' and edition = '{OLDER}'").fetchall()
    assert found == [("120102",)]


# ---------------------------------------------------------------- what is handed over


def test_every_mart_and_column_is_described_and_old_readers_can_read_it(first_run: Place) -> None:
    with duckdb.connect(str(first_run.data.current / "marts.duckdb"), read_only=True) as connection:
        tables = connection.execute("select table_name, comment from duckdb_tables()").fetchall()
        columns = connection.execute(
            "select table_name, column_name, comment from duckdb_columns() where not internal"
        ).fetchall()
        storage = connection.execute(
            "select tags['storage_version'] from duckdb_databases() where not internal"
        ).fetchall()
    assert {"mart_indicator_value", "mart_indicator", "mart_area", "mart_source", "mart_delivery", "mart_check"} <= {
        table for table, _ in tables
    }
    assert not [table for table, comment in tables if not comment]
    assert not [(table, column) for table, column, comment in columns if not comment]
    assert [str(version).startswith("v1.0.0") for (version,) in storage] == [True]


def test_the_three_formats_hold_the_same_rows(first_run: Place) -> None:
    current = first_run.data.current
    with duckdb.connect() as connection:
        connection.execute(f"attach '{current / 'marts.duckdb'}' as marts (read_only)")
        tables = connection.execute(
            "select table_name from duckdb_tables() where database_name = 'marts' order by 1"
        ).fetchall()
        assert len(tables) == len(list((current / "csv").iterdir())) == len(list((current / "parquet").iterdir()))
        for (table,) in tables:
            described = connection.execute(f"describe marts.{table}").fetchall()
            types = ", ".join(f"'{row[0]}': '{row[1]}'" for row in described)
            csv = f"read_csv('{current / 'csv' / table}.csv', header = true, delim = ',', columns = {{{types}}})"
            parquet = f"'{current / 'parquet' / table}.parquet'"
            for other in (csv, parquet):
                for one, two in ((f"marts.{table}", other), (other, f"marts.{table}")):
                    differing = f"select count(*) from (from {one} except all from {two})"
                    assert connection.execute(differing).fetchone() == (0,), (table, other)


def test_no_file_of_a_release_names_a_folder_of_this_machine(first_run: Place) -> None:
    for path in first_run.data.current.resolve().rglob("*"):
        if path.is_file():
            assert str(first_run.root).encode() not in path.read_bytes(), path


def test_no_number_of_a_release_is_minus_zero(first_run: Place) -> None:
    for path in sorted((first_run.data.current / "parquet").glob("*.parquet")):
        for column, kind, *_ in duckdb.sql(f"describe from '{path}'").fetchall():
            if kind == "DOUBLE":
                found = duckdb.sql(f"select 1 from '{path}' where {column} = 0 and cast({column} as varchar) like '-%'")
                assert not found.fetchall(), (path.stem, column)


def test_all_unit_tests_of_the_models_pass(place: Place) -> None:
    declared = declarations.load(place.town.project, REGION)
    with place.chosen():
        results = transform.run_dbt(
            place.town.project, place.data, declared, ["test", "--quiet", "--select", "test_type:unit"]
        )
    assert results
    assert {result.status for result in results} == {"pass"}


# ---------------------------------------------------------------- again and again


def test_a_second_run_changes_nothing(first_run: Place, second_run: tuple[Place, Outcome]) -> None:
    place, outcome = second_run
    assert outcome.code == 0, outcome.text
    assert place.in_force() == first_run.in_force()

    def times(place: Place) -> dict[str, int]:
        return {
            str(path.relative_to(place.root)): path.stat().st_mtime_ns
            for folder in (place.data.releases, place.data.receipts)
            for path in folder.rglob("*")
            if path.is_file()
        }

    assert times(place) == times(first_run)
    assert not leftovers(place.data)


def test_a_corrected_delivery_makes_a_new_release_and_the_old_one_stays_readable(place: Place) -> None:
    old, before = place.in_force()
    with duckdb.connect(str(place.data.current / "marts.duckdb"), read_only=True) as reader:
        query = (
            "select value from mart_indicator_value "
            "where (area, period, indicator) = ('01010101', '2020-12-31', 'population')"
        )
        (counted,) = reader.execute(query).fetchone() or (None,)

        def one_more_woman(frame: pd.DataFrame) -> pd.DataFrame:
            rows = frame["RAUMID"] == "01010101"
            for column in ("E_E", "E_EW", "E_E30_35", "E_E25U55"):
                frame.loc[rows, column] = str(int(frame.loc[rows, column].item()) + 1)
            return frame

        edit_register(place.town, 2020, one_more_woman)
        outcome = place.run()
        assert outcome.code == 0, outcome.text
        assert reader.execute(query).fetchone() == (counted,)
    new, _ = place.in_force()
    assert new != old
    assert hashes(place.data.releases / old) == before
    assert [item["id"] for item in release.releases(place.data) if item["in_force"]] == [new]
    with duckdb.connect(str(place.data.current / "marts.duckdb"), read_only=True) as connection:
        assert connection.execute(query).fetchone() == (counted + 1,)
        deliveries = connection.execute(
            "select version, in_force, supersedes, delivery from mart_delivery "
            "where source = 'ewr' and period = '2020-12-31' order by version"
        ).fetchall()
    assert [row[:2] for row in deliveries] == [(1, False), (2, True)]
    assert deliveries[1][2] == deliveries[0][3]
    shown = json.loads(place.run("diff", REGION, old, new, "--json").text)
    assert (shown["cells"]["added"], shown["cells"]["removed"]) == (0, 0)
    # the area and those above it, in population, its change, four shares and ratios it is the whole or part of
    assert 0 < shown["cells"]["changed"] <= len(DIGITS) * len([*AGES, "population_change"])
    assert "deliveries" in shown["inputs"]
    assert place.run("restore", REGION, old).code == 0
    assert place.in_force() == (old, before)


# ---------------------------------------------------------------- what comes later is declared, not programmed

LATER = 2023


def test_another_reporting_edition_is_one_line_and_a_run(place: Place) -> None:
    """The register's whole history appears on the newer areas, flagged; the release on the older ones stays."""
    old, before = place.in_force()
    region = place.town.project.sources / REGION / "region.yml"
    region.write_text(region.read_text(encoding="utf-8").replace("'2006'", "'2021'"), encoding="utf-8")
    outcome = place.run()
    assert outcome.code == 0, outcome.text
    new, _ = place.in_force()
    assert new != old
    assert hashes(place.data.releases / old) == before

    def on(edition: str, folder: Path) -> pd.DataFrame:
        return duckdb.sql(
            f"from '{folder}/parquet/mart_indicator_value.parquet' "
            f"where indicator = 'population' and edition = '{edition}'"
        ).df()

    older, newer = on("2006", place.data.releases / old), on("2021", place.data.current)
    assert on("2006", place.data.current).empty
    assert set(newer["period"]) == set(older["period"])
    for level in ("bezirk", "stadt"):
        carried = newer[newer["level"] == level].groupby("period")["value"].sum()
        assert carried.to_numpy() == pytest.approx(older[older["level"] == level].groupby("period")["value"].sum())
    areas = newer[newer["level"] == "planungsraum"]
    assert len(areas) == 26 * areas["period"].nunique()
    # a square that was halved has no other weight than its ground: half of its people may live anywhere in it
    assert {"A", "D"} <= set(areas["conversion_class"].dropna())
    assert (areas["status"] == "estimated").eq(areas["conversion_class"].isin(["B", "C"])).all()
    assert areas.loc[areas["conversion_class"] == "D", "value"].isna().all()
    assert areas.loc[areas["conversion_class"] == "A", "value"].notna().all()


def test_an_edition_in_another_layout_and_geography_needs_nothing_but_declarations(place: Place) -> None:
    """Newer areas, semicolons, decimal commas, another encoding, other names, another sign for missing."""
    areas = place.town.truth.areas[NEWER]["planungsraum"]
    random = np.random.default_rng(LATER)
    shares = pd.DataFrame(random.uniform(1, 40, (len(areas), 6)).round(5), index=areas)
    shares.columns = ["s1", "s3", "s4", "d1", "d3", "d4"]
    left_out = areas[7]
    lines = ["Nummer;Gebietsname;Einwohner;Status1;Status3;Status4;Dynamik1;Dynamik3;Dynamik4"]
    for area, row in shares.iterrows():
        texts = ["-9999"] * 6 if area == left_out else [str(value).replace(".", ",") for value in row]
        lines.append(";".join([str(area), f"Weiße Höhe {area}", "250" if area == left_out else "4000", *texts]))
    delivered = place.town.inbox / "mss" / f"Tabelle_Indizes_MSS{LATER}.csv"
    delivered.write_bytes("\r\n".join([*lines, ""]).encode("cp1252"))
    declare_later_layout(place.town.contracts / "mss_shares.yml")
    own_dbt(place.town)

    outcome = place.run()
    assert outcome.code == 0, outcome.text
    with duckdb.connect(str(place.data.current / "marts.duckdb"), read_only=True) as connection:
        found = connection.execute(f"from mart_indicator_value where edition = '{NEWER}'").df()
    assert set(found["period"]) == {str(LATER)}
    finest = found[found["level"] == "planungsraum"]
    wide = finest.pivot(index="area", columns="indicator", values="value")
    assert set(wide.index) == set(areas)
    valid = shares.drop(left_out)
    for column in valid.columns:
        np.testing.assert_allclose(wide.loc[valid.index, f"mss_{column}"], valid[column], atol=1e-8)
    assert wide.loc[left_out].isna().all()
    for indicator, kind in (("mss_status", "s"), ("mss_dynamik", "d")):
        truth = standardised(standardised(valid[[f"{kind}{number}" for number in (1, 3, 4)]]).sum(axis=1))
        np.testing.assert_allclose(wide.loc[valid.index, indicator], truth, atol=1e-8)


def declare_later_layout(path: Path) -> None:
    contract = yaml.safe_load(path.read_text(encoding="utf-8"))
    columns = {column["name"]: column for column in contract["columns"]}
    aliases = {"id": "Nummer", "planning_area_name": "Gebietsname", "inhabitants": "Einwohner"}
    aliases |= {f"s{number}": f"Status{number}" for number in (1, 3, 4)}
    aliases |= {f"d{number}": f"Dynamik{number}" for number in (1, 3, 4)}
    contract["files"].append(
        {
            "name": r"Tabelle_Indizes_MSS(?P<year>\d{4})\.csv",
            "period": "{year}",
            "edition": NEWER,
            "level": "planungsraum",
            "delimiter": ";",
            "decimal": ",",
            "encoding": "cp1252",
            "symbols": [{"symbol": "-9999", "means": "missing"}],
            "columns": [{**columns[name], "aliases": [alias]} for name, alias in aliases.items()],
        }
    )
    path.write_text(yaml.safe_dump(contract, allow_unicode=True, sort_keys=False), encoding="utf-8")


def own_dbt(town: Kleinstadt) -> None:
    """A copy of the dbt project in place of the link: what is made from its contracts stays out of the checkout."""
    link = town.project.dbt
    target = link.resolve()
    link.unlink()
    shutil.copytree(target, link)
