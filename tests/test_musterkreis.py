"""The made-up county end to end: every published count equals a truth the pipeline never sees.

Writes simulated deliveries into a temporary folder.
"""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import asdict, replace
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pytest
from attacker import audience, declared, judge
from bench import plain_county
from scipy import stats
from simulated import (
    BESIDE_TRUTH,
    demo,
    hidden_counts,
    project_for_the_public,
    shown_in_small_areas,
    sides,
    views,
)

from dagster_project import cli, declarations, deliveries, disclosure, gate, landing
from dagster_project.declarations.disclosure import Recipients
from dagster_project.disclosure import ledger
from dagster_project.settings import Project, RegionData
from dagster_project.tables import read_frame, write_frame

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[1]
REGION = "musterkreis"
SECRETS = ("LFDNR", "STRSCHL", "strassenschluessel", "hausnummer", "geburtsdatum", "Gartenweg")


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory) -> RegionData:
    """A small county without dirt, from its departments' files to a release."""
    return demo(REGION, tmp_path_factory.mktemp("county"), cli.DONE, "--size", "0.06", "--dirt", "none")


@pytest.fixture(scope="module")
def soiled(tmp_path_factory: pytest.TempPathFactory) -> RegionData:
    """A smaller one with every kind of dirt: some deliveries are rejected, the release is made without them."""
    project = project_for_the_public(REGION, tmp_path_factory.mktemp("project"))
    folder = tmp_path_factory.mktemp("soiled")
    return demo(REGION, folder, cli.GATE_CLOSED, "--size", "0.03", "--dirt", "all", project=project)


@pytest.fixture
def marts(released: RegionData) -> duckdb.DuckDBPyConnection:
    return views(released)


@pytest.mark.parametrize(("indicator", "side", "measure"), sides(REGION))
def test_every_count_equals_the_truth(
    marts: duckdb.DuckDBPyConnection, indicator: str, side: str, measure: str
) -> None:
    parameters = {"indicator": indicator, "measure": measure}
    found = marts.execute(BESIDE_TRUTH.format(side=side), parameters).df()
    assert len(found.dropna(subset="ours"))
    assert found[found["ours"].notna() & ~found["is_converted"] & (found["ours"] != found["truth"])].empty


def test_every_number_equals_the_hand_written_script(
    released: RegionData, marts: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    """27 indicators on three levels over six years; of the agency's older figures those by municipality.

    What is hidden is held against the truth by `test_every_hidden_count_equals_the_truth`.
    """
    plain_county.main(released.root, tmp_path / "plain.parquet")
    marts.execute(f"create view plain as from '{tmp_path / 'plain.parquet'}'")
    compared, indicators, different = marts.execute(
        """
        select
            count(*),
            count(distinct plain.indicator),
            count(*) filter (
                ours.area is null
                or ours.status != 'suppressed' and (
                    plain.numerator is distinct from ours.numerator
                    or plain.denominator is distinct from ours.denominator
                    or (plain.value is null) != (ours.value is null)
                    or abs(plain.value - ours.value) > 1e-8
                )
            )
        from plain
        left join mart_indicator_value as ours
            on ours.edition = '2022'
            and plain.level = ours.level
            and plain.area = ours.area
            and plain.period = ours.period
            and plain.reference_date = ours.reference_date
            and plain.indicator = ours.indicator
        """
    ).fetchone() or (0, 0, 1)
    declared = declarations.load(Project(ROOT), REGION).reported_indicators
    assert set(plain_county.RATIOS) <= set(declared)
    assert indicators == len(plain_county.RATIOS) + 2 >= 27
    assert compared > 13_000
    assert different == 0


def test_every_hidden_count_equals_the_truth(released: RegionData) -> None:
    """What the pages do not show was counted no worse: the confidential counts behind them."""
    compared, different = hidden_counts(released)
    assert compared > 200
    assert different == 0


def test_an_area_with_few_people_shows_nothing_but_how_many_they_are(released: RegionData) -> None:
    hidden, shown = shown_in_small_areas(released, REGION)
    assert hidden > 100
    assert shown == {"population", "population_change"}


def test_no_audience_can_find_out_what_is_hidden(released: RegionData, soiled: RegionData) -> None:
    """The public, and each municipality with its own numbers: nothing is exposed, clean or soiled."""
    for data, audiences in ((released, 1 + 8), (soiled, 1)):
        report = duckdb.sql(f"from '{data.current}/parquet/mart_disclosure_audit.parquet'").df()
        assert len(report) == audiences
        assert report["exposed"].sum() == 0
        assert (report["narrowest_interval"].dropna() > 3 - 1e-6).all()  # of a linear program
        assert (report["hidden"] > 0).all()


@pytest.fixture(scope="module")
def proved_by_the_public(released: RegionData) -> list[judge.Finding]:
    """What an attacker, written from what is printed alone, proves of each count that must not be known."""
    return audience.findings(declared.read(ROOT, REGION), released.root)


def test_an_attacker_proves_no_count_and_no_remainder(proved_by_the_public: list[judge.Finding]) -> None:
    assert len(proved_by_the_public) > 1000
    assert judge.broken(proved_by_the_public) == []


def test_a_municipality_with_its_own_numbers_proves_none_either(released: RegionData) -> None:
    found = audience.findings(declared.read(ROOT, REGION), released.root, "05399020")
    assert len(found) > 1000
    assert judge.broken(found) == []


def test_an_attacker_proves_no_part_of_a_sum(proved_by_the_public: list[judge.Finding]) -> None:
    assert [str(finding) for finding in proved_by_the_public if finding.verdict] == []


# ---------------------------------------------------------------- with dirt


def test_what_was_shown_on_another_edition_hides_more_on_this_one(released: RegionData, tmp_path: Path) -> None:
    """A release of old on the boundaries before the reform: whoever kept it can subtract."""
    data = RegionData(tmp_path / REGION, tmp_path)
    for name in ("core", "geography"):
        shutil.copytree(released.root / name, data.root / name)
    declared = declarations.load(Project(ROOT), REGION)
    public = Recipients(municipalities="know_the_public_ones")
    rule = declared.region.disclosure.model_copy(update={"released_before": "accept", "recipients": public})
    declared = replace(declared, region=declared.region.model_copy(update={"disclosure": rule}))
    disclosure.protect(declared, data)
    alone = hidden_of("population_80_plus", data)
    atoms = read_frame(data.core / "core_disclosure_atom.parquet")
    people = atoms[atoms["measure"] == "population_80_plus"].groupby(
        ["geography", "edition", "area", "reference_date", "measure"], as_index=False
    )["value"].sum()  # fmt: skip
    shown = people[(people["value"] == 0) | (people["value"] >= rule.numerator)]
    entry = shown.assign(level="wohnplatz", years=1, is_given=True, is_printed=True, shown=None, spread=None)
    write_frame(entry[list(ledger.TYPES)], data.ledger / "old.parquet", ledger.TYPES)
    disclosure.protect(declared, data)
    assert hidden_of("population_80_plus", data) > alone


def hidden_of(measure: str, data: RegionData) -> int:
    counts = read_frame(data.protection / "count.parquet", "measure, is_hidden")
    return int(counts.loc[counts["measure"] == measure, "is_hidden"].sum())


def listed_rows(data: RegionData) -> pd.DataFrame:
    """What the receipts of the deliveries in force list: sender, source, period, row, and whether it is left out."""
    receipts = duckdb.sql(f"from read_json('{data.receipts}/*/*.json', union_by_name = true, filename = true)").df()
    judged = duckdb.sql(f"select delivery from '{data.judged}/delivery.parquet' where in_force").df()
    in_force = receipts.merge(judged, on="delivery")[["delivery", "source", "municipality", "period", "file_name"]]
    rows = duckdb.sql(
        f"select distinct delivery, row, is_quarantined from read_parquet('{data.quarantine}/*/*.parquet')"
    ).df()
    return rows.merge(in_force, on="delivery")


def test_the_receipts_list_every_soiled_row_and_no_other(soiled: RegionData) -> None:
    """Rows of files in force that the simulator soiled so that they cannot be counted in their place."""
    soil = duckdb.sql(
        f"""
        select parse_filename(path) as file_name, count(distinct line) as number
        from '{soiled.root}/truth/dirt.parquet'
        where line > 0 and dirt not in ('corrected_second_version', 'unknown_birth_days')
        group by file_name
        """
    ).df()
    listed = listed_rows(soiled).groupby("file_name").size()
    assert len(listed) >= 6
    assert listed.to_dict() == soil.set_index("file_name")["number"].to_dict()
    for path in sorted(soiled.receipts.glob("*/*.json")):
        receipt = json.loads(path.read_text(encoding="utf-8"))
        page = path.with_suffix(".html").read_text(encoding="utf-8")
        assert receipt["rows_read"] == receipt["rows_accepted"] + receipt["rows_quarantined"]
        listed_here = receipt["rows_unallocated"] if not receipt["level"] else 0
        assert page.count("<tr") >= listed_here or receipt["verdict"] == "rejected"


@pytest.mark.parametrize(("indicator", "side", "measure"), sides(REGION))
def test_every_difference_from_the_truth_is_explained_by_a_row_of_a_receipt(
    soiled: RegionData, indicator: str, side: str, measure: str
) -> None:
    found = views(soiled).execute(BESIDE_TRUTH.format(side=side), {"indicator": indicator, "measure": measure}).df()
    missing = found[found["ours"].isna()]
    assert missing.loc[missing["status"] != "suppressed", "reason"].notna().all()
    # of the finest level: every row moves one count in its area, and one more where it came from no area at all
    finest = found[(found["level"] == "wohnplatz") & found["ours"].notna() & ~found["is_converted"]]
    finest = finest.assign(off=(finest["ours"] - finest["truth"]).abs())
    listed = listed_rows(soiled)
    listed = listed[listed["source"].isin(sources_of(measure))]
    weight = 121 if measure == "age_sum" else 1
    for (municipality, period), off in finest.groupby(["municipality", "period"])["off"].sum().items():
        day = str(finest.loc[finest["period"] == period, "reference_date"].iloc[0])[:10]
        explaining = listed[listed["period"].isin([period, day]) & listed["municipality"].isin([municipality, "kreis"])]
        assert off <= weight * len(explaining), (municipality, period)


def sources_of(measure: str) -> set[str]:
    """The sources whose observation model yields a measure."""
    folder = ROOT / "dbt" / "models" / "observations"
    return {
        path.stem.removeprefix("obs_")
        for path in folder.glob("obs_*.yml")
        if re.search(rf"\b{measure}\b", path.read_text(encoding="utf-8"))
    }


def test_a_late_or_rejected_delivery_leaves_its_municipality_missing_and_no_other(soiled: RegionData) -> None:
    values = (
        views(soiled)
        .sql(
            "select municipality, period, count(value) as shown from mart_indicator_value "
            "where indicator = 'population' and level = 'wohnplatz' group by municipality, period"
        )
        .df()
    )
    lacking = values[values["shown"] == 0][["municipality", "period"]].to_numpy().tolist()
    assert sorted(lacking) == [["05399004", "2020-12-31"], ["05399032", "2024-12-31"]]


def test_columns_that_changed_places_are_noticed(released: RegionData, tmp_path: Path) -> None:
    """No identity breaks, for the header is right and only the numbers below are not: the mix of households tells."""
    data = RegionData(tmp_path / REGION, tmp_path / "inbox")
    sender = Path("05399004") / "haushalte"
    shutil.copytree(released.geography, data.geography)
    shutil.copytree(released.inbox / sender, data.inbox / sender)
    swapped = data.inbox / sender / "Haushalte_2022-12-31.csv"
    header, _, rows = swapped.read_text(encoding="utf-8").partition("\n")
    names = header.split(";")
    one, two = names.index("HH_1kind"), names.index("HH_2kind")
    cells = [row.split(";") for row in rows.splitlines()]
    for row in cells:
        row[one], row[two] = row[two], row[one]
    swapped.write_text("\n".join([header, *(";".join(row) for row in cells), ""]), encoding="utf-8")

    declared = declarations.load(Project(ROOT), REGION)
    only = replace(declared, contracts={"haushalte": declared.contracts["haushalte"]})
    landing.land(declared.region, only.contracts["haushalte"], data)
    receipts = [asdict(receipt) for receipt in deliveries.load_receipts(data, "haushalte").values()]
    findings = {item.name: item for item in gate.judge_deliveries(only, data, {"haushalte": receipts})}
    assert findings["breakdowns_make_all"].success
    found = {(key["period"], key["part"]) for key in findings["mix_changes_little"].failing_keys}
    assert found == {
        (day, part)
        for day in ("2022-12-31", "2023-12-31")
        for part in ("households_children_1", "households_children_2")
    }


# ---------------------------------------------------------------- without


def test_figures_of_other_boundaries_come_onto_the_reporting_edition(marts: duckdb.DuckDBPyConnection) -> None:
    """Polling districts, and the employment agency's years on the older areas: exact above, close below, flagged."""
    found = marts.sql(
        """
        select ours.indicator, ours.period, ours.level, ours.area, ours.conversion_class, ours.status,
            ours.numerator, parts.value as true_numerator, ours.denominator, wholes.value as true_denominator
        from mart_indicator_value as ours
        inner join (
            values ('turnout_federal', 'voters', 'eligible_voters'), ('sgb2_rate', 'sgb2_persons', null),
                ('unemployment_share', 'unemployed', null)
        ) as about (indicator, part, whole) on ours.indicator = about.indicator
        inner join truth as parts on ours.edition = parts.edition and ours.level = parts.level
            and ours.area = parts.area and ours.period = parts.period and about.part = parts.measure
        left join truth as wholes on ours.edition = wholes.edition and ours.level = wholes.level
            and ours.area = wholes.area and ours.period = wholes.period and about.whole = wholes.measure
        where ours.conversion_class is not null
        """
    ).df()
    assert set(found["period"]) == {"2019-12-31", "2020-12-31", "2021-12-31", "2021-09-26"}
    above = found[found["level"] != "wohnplatz"]
    assert (above["numerator"] - above["true_numerator"]).abs().max() < 1e-5
    assert set(above["conversion_class"]) == {"A"}
    exact = found[(found["conversion_class"] == "A") & found["numerator"].notna()]
    assert (exact["numerator"] - exact["true_numerator"]).abs().max() < 1e-5
    turnout = found[(found["indicator"] == "turnout_federal") & (found["level"] == "wohnplatz")]
    estimated = turnout[turnout["status"] == "estimated"]
    assert len(estimated) > 40
    for side in ("numerator", "denominator"):
        misplaced = (estimated[side] - estimated[f"true_{side}"]).abs().sum() / 2
        assert misplaced / estimated[f"true_{side}"].sum() < 0.02
    assert set(found.loc[found["status"] == "estimated", "conversion_class"]) <= {"B", "C"}
    assert found.loc[found["conversion_class"] == "D", "numerator"].isna().all()


def test_day_care_by_site_and_transitions_by_catchment_come_onto_the_areas(released: RegionData) -> None:
    """Sites lie at an address and are exact; catchments are carried over, each municipality's children kept."""
    with duckdb.connect(str(released.warehouse), read_only=True) as warehouse:
        warehouse.execute(f"create temp view truth as from '{released.root}/truth/counts.parquet'")
        sites = warehouse.sql(
            """
            select count(*), count(*) filter (where ours.value != truth.value)
            from core_count as ours
            inner join truth using (edition, level, area, measure, period)
            where measure in ('kita_site_under_3', 'kita_site_3_plus')
            """
        ).fetchone()
        assert sites is not None
        assert sites[0] >= 2 * 6 * (81 + 8 + 1)
        assert sites[1] == 0
        kept = warehouse.sql(
            """
            with total as (
                select area.municipality, ours.period, ours.edition, ours.level, ours.measure, sum(ours.value) as value
                from core_count as ours
                inner join read_parquet($areas) as area using (geography, edition, level, area)
                where ours.measure in ('school_transitions', 'school_transitions_grammar_school')
                    and ours.level in ('schulbezirk', 'wohnplatz')
                group by all
            )
            select delivered.value as delivered, carried.value as carried
            from total as delivered
            inner join total as carried using (municipality, period, measure)
            where delivered.level = 'schulbezirk' and carried.level = 'wohnplatz'
            """,
            params={"areas": str(released.geography / "area.parquet")},
        ).df()
        classes = warehouse.sql(
            "select distinct conversion_class from core_count "
            "where measure = 'school_transitions' and level = 'wohnplatz'"
        ).fetchall()
    assert len(kept) == 8 * 6 * 2
    assert (kept["delivered"] - kept["carried"]).abs().max() < 1e-5  # each is rounded to six decimals
    assert len(classes) > 1
    assert all(conversion_class in "ABCD" for (conversion_class,) in classes)


def test_the_error_of_what_was_carried_over_is_told_and_true(marts: duckdb.DuckDBPyConnection) -> None:
    told = marts.sql(
        """
        select ours.*, truth.value as truth
        from mart_conversion as ours
        inner join truth on ours.edition = truth.edition and ours.level = truth.level and ours.area = truth.area
            and ours.period = truth.period and truth.measure = 'eligible_voters'
        where ours.indicator = 'turnout_federal' and ours.part = 'denominator'
        """
    ).df()
    assert len(told) > 80
    assert (told["coverage"] - 1).abs().max() < 1e-9
    bounded = told.dropna(subset="lower_bound")
    assert len(bounded) > 60
    assert (bounded["lower_bound"] <= bounded["truth"] + 1e-6).all()
    assert (bounded["truth"] <= bounded["upper_bound"] + 1e-6).all()
    findings = marts.sql("select finding, sum(number) as number from mart_crosswalk group by finding").df()
    numbers = findings.set_index("finding")["number"]
    assert numbers["sources_without_target"] == 0
    assert numbers["sources_split"] > 0
    assert {"round_trip_error", "slivers", "source_points_outside", "target_points_moved_inside"} <= set(numbers.index)


def test_both_editions_are_one_series(marts: duckdb.DuckDBPyConnection) -> None:
    editions = marts.sql("select distinct edition from mart_indicator_value").fetchall()
    assert editions == [("2022",)]
    periods = marts.sql(
        "select distinct period from mart_indicator_value where indicator = 'employment_share'"
    ).fetchall()
    assert len(periods) == 6


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


def test_the_county_reports_28_indicators_on_every_area_in_every_year(marts: duckdb.DuckDBPyConnection) -> None:
    """A row for each of 81 areas in 6 years, with a value or the reason for none: that there was no election, say."""
    declared = declarations.load(Project(ROOT), REGION)
    assert len(declared.reported_indicators) == 28
    assert {item.theme for item in declared.reported_indicators.values()} >= {
        "demografie", "integration", "haushalte", "armut", "arbeit", "jugendhilfe", "bildung", "gesundheit", "wohnen",
        "teilhabe",
    }  # fmt: skip
    rows = marts.execute(
        "select indicator, count(distinct (area, year(reference_date))), count(*) from mart_indicator_value "
        "inner join mart_area using (geography, edition, level, area) "
        "where level = 'wohnplatz' and edition = '2022' and not is_unallocated group by indicator"
    ).fetchall()
    assert {name: (cells, number) for name, cells, number in rows} == dict.fromkeys(
        declared.reported_indicators, (81 * 6, 81 * 6)
    )


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

    assert set(ours["significance"].dropna()) == {"above", "below", "similar"}


def test_an_area_differs_from_the_rest_of_its_whole_as_exact_tests_say(marts: duckdb.DuckDBPyConnection) -> None:
    """Fisher's exact test of area and rest, and the procedure of Benjamini and Hochberg, over all shares."""
    rows = marts.sql(
        """
        select ours.*, v.status, v.numerator as x, v.denominator as n, w.numerator as whole_x, w.denominator as whole_n
        from mart_comparison as ours
        inner join mart_indicator as i on ours.indicator = i.indicator and i.kind = 'share'
        inner join mart_indicator_value as v
            on ours.edition = v.edition and ours.level = v.level and ours.area = v.area and ours.period = v.period
            and ours.indicator = v.indicator
        inner join mart_indicator_value as w
            on ours.edition = w.edition and ours.comparator_area = w.area and ours.period = w.period
            and ours.indicator = w.indicator
        where ours.basis = 'own' and v.value is not null and w.value is not null
        """
    ).df()
    unreliable = rows["status"] == "unreliable"
    assert rows.loc[unreliable, "significance"].isna().all()
    rows = rows[~unreliable & (rows["status"] == "published") & (rows["n"] < rows["whole_n"])]
    of_part = stats.hypergeom(rows["whole_n"], rows["whole_x"], rows["n"])
    rows["p"] = np.minimum(1, 2 * np.minimum(of_part.sf(rows["x"] - 1), of_part.cdf(rows["x"])))
    family = rows.groupby(["edition", "level", "period", "indicator", "comparator"])
    rows["q"] = family["p"].transform(lambda p: stats.false_discovery_control(p))
    where = np.where(rows["x"] / rows["n"] > rows["whole_x"] / rows["whole_n"], "above", "below")
    expected = np.where(rows["q"] <= 0.05, where, "similar")
    differing = rows[rows["significance"] != expected]
    assert len(rows) > 3000
    assert len(differing) < 0.005 * len(rows)
    assert differing["q"].between(0.03, 0.08).all()


def test_a_trend_is_reliable_values_of_five_years(marts: duckdb.DuckDBPyConnection) -> None:
    trends = marts.sql("from mart_trend").df()
    given = trends[trends["reason"].isna()]
    assert set(given["direction"]) == {"rising", "falling", "steady"}
    assert given["periods"].min() >= 5
    assert set(trends.loc[trends["reason"] == "no_interval", "indicator"]) == {"mean_age"}
    moving = given[given["direction"] != "steady"]
    assert (np.sign(moving["change"]) == moving["direction"].map({"rising": 1, "falling": -1})).mean() > 0.9


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
