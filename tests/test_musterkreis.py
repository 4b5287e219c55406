"""The made-up county end to end: every published count equals a truth the pipeline never sees.

Writes simulated deliveries into a temporary folder.
"""

from __future__ import annotations

from pathlib import Path

import duckdb
import numpy as np
import pytest
from scipy import stats

from dagster_project import cli, declarations
from dagster_project.settings import Project, RegionData, region_data
from sources.simulator.run import simulate

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[1]
REGION = "musterkreis"
SECRETS = ("LFDNR", "STRSCHL", "strassenschluessel", "hausnummer", "geburtsdatum", "Gartenweg")


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory) -> RegionData:
    """A small county without dirt, from its departments' files to a release."""
    folder = tmp_path_factory.mktemp("county")
    simulate(ROOT / "sources" / "simulator" / f"{REGION}.yml", folder / REGION, size=0.1, dirt=())
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SOZIALRAUM_DATA", str(folder))
        patch.delenv("SOZIALRAUM_INBOX", raising=False)
        assert cli.main(["run", REGION]) == cli.DONE
        return region_data(REGION)


@pytest.fixture
def marts(released: RegionData) -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect()
    for mart in ("indicator_value", "indicator", "area", "delivery", "comparison", "trend"):
        connection.execute(f"create view mart_{mart} as from '{released.current}/parquet/mart_{mart}.parquet'")
    connection.execute(f"create view truth as from '{released.root}/truth/counts.parquet'")
    return connection


def sides() -> list[tuple[str, str, str]]:
    """Indicator, numerator or denominator, and the measure that stands there, where one year makes one value."""
    declared = declarations.load(Project(ROOT), REGION)
    return [
        (indicator.id, side, measure)
        for indicator in declared.indicators.values()
        if indicator.kind in ("count", "share", "rate") and indicator.pooled_years == 1
        for side, measure in (("numerator", indicator.numerator), ("denominator", indicator.denominator))
        if measure is not None and measure != "households_with_children"
    ]


@pytest.mark.parametrize(("indicator", "side", "measure"), sides())
def test_every_count_equals_the_truth(
    marts: duckdb.DuckDBPyConnection, indicator: str, side: str, measure: str
) -> None:
    # day care is counted on 1 March and compared with the residents of the 31 December before
    different = marts.execute(
        f"""
        select ours.area, ours.period, ours.{side}, truth.value
        from mart_indicator_value as ours
        inner join truth
            on ours.edition = truth.edition and ours.level = truth.level and ours.area = truth.area
            and truth.measure = $measure
            and truth.period = case
                when exists (select 1 from truth as own where own.measure = $measure and own.period = ours.period)
                    then ours.period
                else cast(ours.reference_date as varchar)
            end
        where ours.indicator = $indicator and ours.{side} != truth.value
        """,
        {"indicator": indicator, "measure": measure},
    ).fetchall()
    assert different == []


def test_clean_deliveries_are_accepted_and_placed_whole(marts: duckdb.DuckDBPyConnection) -> None:
    assert marts.execute("select distinct verdict, rows_quarantined from mart_delivery").fetchall() == [("accepted", 0)]
    unallocated = marts.execute(
        "select sum(value) from mart_indicator_value inner join mart_area using (geography, edition, level, area) "
        "where is_unallocated and indicator = 'population'"
    ).fetchone()
    assert unallocated == (0,)


def test_every_cell_has_a_value_or_a_reason(marts: duckdb.DuckDBPyConnection) -> None:
    found = marts.execute(
        "select count(*) from mart_indicator_value where (value is null) and reason is null and status != 'suppressed'"
    ).fetchone()
    assert found == (0,)


def test_comparisons_are_formed_from_what_is_shown(marts: duckdb.DuckDBPyConnection) -> None:
    values = marts.sql("from mart_indicator_value inner join mart_indicator using (indicator)").df()
    values = values[(values["level"] == "wohnplatz") & values["kind"].isin(["share", "rate"]) & values["value"].notna()]
    areas = marts.sql("select edition, level, area, area_type from mart_area where not is_unallocated").df()
    typed = values.merge(areas, on=["edition", "level", "area"])
    groups = typed.groupby(["edition", "period", "indicator", "area_type"])
    pooled = groups["numerator"].sum() / groups["denominator"].sum()
    ours = marts.sql("from mart_comparison where level = 'wohnplatz' and basis = 'pooled'").df()
    factors = {name: item.factor for name, item in declarations.load(Project(ROOT), REGION).indicators.items()}
    wanted = ours.set_index(["edition", "period", "indicator", "comparator_area"])["comparator_value"]
    expected = pooled.reindex(wanted.index).to_numpy() * wanted.index.get_level_values("indicator").map(factors)
    assert len(wanted) > 1000
    assert wanted.to_numpy() == pytest.approx(expected.to_numpy(), abs=1e-8, nan_ok=True)

    compared = marts.sql(
        "select ours.*, value, ci_low, ci_high from mart_comparison as ours inner join mart_indicator_value "
        "using (geography, edition, level, area, period, indicator) where significance is not null"
    ).df()
    above = compared["ci_low"] > compared["comparator_value"]
    below = compared["ci_high"] < compared["comparator_value"]
    assert (compared["significance"] == np.select([above, below], ["above", "below"], "similar")).all()
    assert set(compared["comparator"]) == {"municipality", "region", "type"}


def test_a_trend_is_what_the_test_of_mann_and_kendall_proves(marts: duckdb.DuckDBPyConnection) -> None:
    trends = marts.sql("from mart_trend where reason is null").df()
    assert set(trends["direction"]) == {"rising", "falling", "steady"}
    assert trends["periods"].min() >= 5
    series = marts.sql(
        "from mart_indicator_value where value is not null and status != 'unreliable' order by reference_date"
    ).df()
    series = dict(list(series.groupby(["edition", "level", "area", "indicator"])))
    checked = 0
    for row in trends.sample(300, random_state=1).itertuples():
        values = series[(row.edition, row.level, row.area, row.indicator)]["value"].tail(row.periods).to_numpy()
        if len(set(values)) < len(values):
            continue
        tau, p = stats.kendalltau(np.arange(len(values)), values, method="exact")
        expected = "steady" if p >= 0.05 else "rising" if tau > 0 else "falling"
        assert row.direction == expected, (row, values, p)
        checked += 1
    assert checked > 200


def test_there_is_no_trend_across_a_break(marts: duckdb.DuckDBPyConnection) -> None:
    breaks = marts.sql(
        "select min(cast(substr(period_from, 1, 4) as integer)) from mart_trend where indicator = 'sgb2_rate'"
    ).fetchone()
    assert breaks == (2022,)
    reasons = marts.sql("select distinct reason from mart_trend where indicator = 'sgb2_rate'").fetchall()
    assert {row[0] for row in reasons} <= {"break_in_series", "too_few_periods"}


def test_support_levels_are_not_published(marts: duckdb.DuckDBPyConnection) -> None:
    levels = {row[0] for row in marts.execute("select distinct level from mart_indicator_value").fetchall()}
    assert levels == {"wohnplatz", "gemeinde", "kreis"}


def test_identifiers_and_addresses_never_leave_the_inbox(released: RegionData) -> None:
    """Every file the pipeline wrote, read whole; Parquet is decoded, for compression would hide a text."""
    persons = {
        row[0]
        for row in duckdb.sql(
            f"select LFDNR from read_csv('{released.inbox}/05399004/einwohner/*.csv', all_varchar = true) limit 2000"
        ).fetchall()
    }
    for path in sorted(released.root.rglob("*")):
        inside = path.relative_to(released.root).parts[0]
        if not path.is_file() or inside in ("inbox", "truth", "geo", "dbt_target") or path.suffix == ".duckdb":
            continue
        if path.suffix == ".parquet":
            columns = {row[0] for row in duckdb.sql(f"describe from '{path}'").fetchall()}
            assert not columns & set(SECRETS)
            if inside == "raw":
                texts = duckdb.sql(f"select distinct columns(*)::varchar from '{path}' limit 100000").fetchall()
                assert not persons & {text for row in texts for text in row}
        elif inside in ("receipts", "judged"):
            text = path.read_text(encoding="utf-8")
            assert not any(person in text for person in persons)
