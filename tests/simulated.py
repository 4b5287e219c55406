"""Simulated regions in tests: their whole job, and their marts beside the truth that the pipeline never reads."""

from __future__ import annotations

import shutil
from pathlib import Path

import duckdb
import pytest
import yaml

from dagster_project import cli, declarations
from dagster_project.settings import Project, RegionData, region_data

ROOT = Path(__file__).resolve().parents[1]


def demo(region: str, folder: Path, expected: int, *options: str, project: Path = ROOT) -> RegionData:
    """The whole job of a simulated region in a folder; `expected` is its exit code."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SOZIALRAUM_PROJECT", str(project))
        patch.setenv("SOZIALRAUM_DATA", str(folder))
        patch.delenv("SOZIALRAUM_INBOX", raising=False)
        assert cli.main(["demo", region, *options]) == expected
        return region_data(region)


def project_for_the_public(region: str, folder: Path) -> Path:
    """The checkout, but for a region whose municipalities know no more than the public: protected and audited once."""
    for name in ("dbt", "expectations", "reports"):
        (folder / name).symlink_to(ROOT / name)
    shutil.copytree(ROOT / "sources", folder / "sources")
    path = folder / "sources" / region / "region.yml"
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    content["disclosure"]["recipients"] = {"municipalities": "know_the_public_ones"}
    path.write_text(yaml.safe_dump(content, allow_unicode=True), encoding="utf-8")
    return folder


def views(data: RegionData) -> duckdb.DuckDBPyConnection:
    """A release's marts beside the truth."""
    connection = duckdb.connect()
    for mart in ("indicator_value", "indicator", "area", "delivery", "comparison", "trend", "conversion", "crosswalk"):
        connection.execute(f"create view mart_{mart} as from '{data.current}/parquet/mart_{mart}.parquet'")
    connection.execute(f"create view truth as from '{data.root}/truth/counts.parquet'")
    return connection


def shown_in_small_areas(data: RegionData, region: str) -> tuple[int, set[str]]:
    """How many values are hidden where fewer people live than is declared, and which indicators are shown there.

    Without those that were carried over from other boundaries, which have a protection of their own.
    """
    few = declarations.load(Project(ROOT), region).region.disclosure.minimum_population
    query = """
        with people as (
            select v.*
            from mart_indicator_value as v
            inner join mart_area as a
                on v.geography = a.geography and v.edition = a.edition and v.level = a.level and v.area = a.area
            where v.indicator = 'population' and v.breakdown = 'total' and v.value < ? and not a.is_unallocated
        )

        select
            count(*) filter (where v.status = 'suppressed'),
            list(distinct v.indicator) filter (where v.value is not null)
        from mart_indicator_value as v
        inner join people as p
            on v.geography = p.geography and v.edition = p.edition and v.level = p.level and v.area = p.area
            and v.reference_date = p.reference_date
        where v.conversion_class is null
        """
    hidden, shown = views(data).execute(query, [few]).fetchall()[0]
    return hidden, set(shown)


def sides(region: str) -> list[tuple[str, str, str]]:
    """Indicator, numerator or denominator, and the measure that stands there, where one year makes one value."""
    declared = declarations.load(Project(ROOT), region)
    return [
        (indicator.id, side, measure)
        for indicator in declared.reported_indicators.values()
        if indicator.kind in ("count", "share", "rate") and indicator.pooled_years == 1
        for side, measure in (("numerator", indicator.numerator), ("denominator", indicator.denominator))
        if measure is not None and measure != "households_with_children"
    ]


# a count beside its truth: day care is counted on 1 March and compared with the residents of the 31 December before; a
# figure of other boundaries is here only where it could be carried over exactly
BESIDE_TRUTH = """
    select
        ours.edition, ours.level, ours.area, ours.municipality, ours.period, ours.reference_date,
        ours.{side} as ours, truth.value as truth, ours.reason, ours.status,
        ours.status = 'estimated' or coalesce(ours.conversion_class, 'A') != 'A' as is_converted
    from mart_indicator_value as ours
    inner join truth
        on ours.edition = truth.edition and ours.level = truth.level and ours.area = truth.area
        and truth.measure = regexp_replace($measure, '_(federal|local|european)$', '')
        and truth.period = case
            when exists (select 1 from truth as own where own.measure = truth.measure and own.period = ours.period)
                then ours.period
            else cast(ours.reference_date as varchar)
        end
    where ours.indicator = $indicator and coalesce(ours.conversion_class, 'A') = 'A'
"""


def hidden_counts(data: RegionData) -> tuple[int, int]:
    """How many counts that are hidden, and on which nobody had to estimate, stand in the truth; how many differ."""
    found = duckdb.sql(
        f"""
        select count(*), sum(case when counted.value != truth.value then 1 else 0 end)
        from '{data.protection}/count.parquet' as counted
        inner join '{data.root}/truth/counts.parquet' as truth
            on counted.edition = truth.edition and counted.level = truth.level and counted.area = truth.area
            and counted.measure = truth.measure and cast(counted.reference_date as varchar) = truth.period
        where counted.years = 1 and counted.is_hidden and counted.is_given
            and counted.measure != 'households_with_children'
        """
    ).fetchone()
    assert found is not None
    return int(found[0]), int(found[1] or 0)
