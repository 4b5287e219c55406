"""What interrupts a series: in every drawing, in the words beside it and in the trend of the marts."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import mart_sql
import pytest

from dagster_project.reports import charts, panels, series, sparks
from dagster_project.reports.figures import _describe_lines
from dagster_project.reports.measures import Measure
from dagster_project.reports.series import Break

REFORM = [Break(2022, "Reform")]
Row = tuple[str, str, float | None]  # period, day, value

YEARLY: list[Row] = [(str(year), f"{year}-12-31", float(year)) for year in range(2018, 2026)]
HIDDEN: list[Row] = [(period, day, None if period == "2019" else value) for period, day, value in YEARLY]
NOT_THERE: list[Row] = [row for row in YEARLY if row[0] != "2019"]
ENDS_HIDDEN: list[Row] = [(period, day, None if period == "2025" else value) for period, day, value in YEARLY]
# places in day care on 1 March by the children of the day before the year began
NEXT_YEAR: list[Row] = [(f"{year}-03-01", f"{year - 1}-12-31", float(year)) for year in range(2018, 2026)]
ELECTIONS: list[Row] = [("2017-09-24", "2017-09-24", 1.0), ("2021-09-26", "2021-09-26", 2.0)]
EDITIONS: list[Row] = [("2013", "2012-12-31", 1.0), ("2015", "2014-12-31", 2.0), ("2019", "2018-12-31", 3.0)]
ONE_MORE: list[Row] = sorted([*YEARLY, ("2020-06-30", "2020-06-30", 5.0)], key=lambda row: row[1])

CASES: list[tuple[list[Row], list[Break], list[int]]] = [  # rows, breaks, sizes of the unbroken stretches
    (YEARLY, [], [8]),
    (YEARLY, REFORM, [4, 4]),
    (YEARLY, [*REFORM, Break(2030, "später")], [4, 4]),
    (HIDDEN, [], [1, 6]),
    (NOT_THERE, [], [1, 6]),
    (ENDS_HIDDEN, [], [7]),
    (NEXT_YEAR, REFORM, [4, 4]),
    (ELECTIONS, [], [2]),
    (EDITIONS, [], [2, 1]),
    (EDITIONS, [Break(2019, "Zusammensetzung")], [2, 1]),
    (ONE_MORE, [], [9]),
]


def moments(rows: list[Row]) -> list[sparks.Moment]:
    return [sparks.Moment(period, date.fromisoformat(day), value) for period, day, value in rows]


def points(rows: list[Row]) -> list[charts.Point]:
    return [
        charts.Point(m.period, m.day, Measure(m.value, "missing" if m.value is None else "published", None, "n", ""))
        for m in moments(rows)
    ]


@pytest.mark.parametrize(("rows", "breaks", "sizes"), CASES)
def test_every_drawing_is_interrupted_alike(rows: list[Row], breaks: list[Break], sizes: list[int]) -> None:
    assert [len(stretch) for stretch in series.stretches(moments(rows), breaks)] == sizes
    longer = [size for size in sizes if size > 1]
    spark = sparks.draw(moments(rows), breaks)
    assert spark is not None
    assert [len(line.split()) for line in spark["lines"]] == longer
    panel = panels.draw(points(rows), breaks, panels.axis([1.0, 2025.0]))
    assert [len(line.split()) for line in panel["lines"]] == longer
    chart = charts.line(points(rows), breaks)["data"]["values"]
    assert [sum(row["part"] == part for row in chart) for part in sorted({row["part"] for row in chart})] == sizes
    assert _describe_lines(points(rows), breaks).count("unterbrochen") == len(sizes) - 1


def test_a_break_is_drawn_between_the_periods_it_lies_between() -> None:
    """By the year of the period, even where the day of the denominator lies in the year before."""
    (place,) = charts.break_places(points(NEXT_YEAR), REFORM)
    assert charts.days(date(2021, 12, 31)) > place[1] > charts.days(date(2020, 12, 31))


# -- the trend in the marts

SERIES = "geography, edition, level, area"


@pytest.fixture
def connection() -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect()
    connection.execute(
        """
        create table protected_indicator_value (geography text, edition text, level text, area text, period text,
            reference_date date, indicator text, value double, status text, numerator double, denominator double,
            ci_low double, ci_high double, conversion_class text);
        create table indicator (indicator text, kind text, interval text, pooled_years int, factor double);
        create table indicator_break (indicator text, year int);
        create table area (geography text, edition text, level text, area text, parent_level text, area_type text,
            is_unallocated boolean);
        create table area_ancestor (geography text, edition text, level text, area text, ancestor_level text,
            ancestor text);
        create table region as select 'gemeinde' as municipality_level, 0.05 as false_discovery_rate;
        insert into indicator values ('quote', 'share', 'wilson', 1, 100);
        insert into area values ('g', 'e', 'kreis', '0', null, null, false),
            ('g', 'e', 'ort', '1', 'kreis', 't', false), ('g', 'e', 'ort', '2', 'kreis', 't', false);
        insert into area_ancestor values ('g', 'e', 'ort', '1', 'kreis', '0'), ('g', 'e', 'ort', '2', 'kreis', '0');
        """
    )
    return connection


def add(connection: duckdb.DuckDBPyConnection, area: str, row: Row, status: str = "", **other: Any) -> None:
    period, day, value = row
    said = status or ("missing" if value is None else "published")
    low, high = other.get("interval", (None, None) if value is None else (value - 0.5, value + 0.5))
    people = 100 if area != "0" else 1000  # of all
    connection.execute(
        "insert into protected_indicator_value values ('g', 'e', ?, ?, ?, ?, 'quote', ?, ?, ?, ?, ?, ?, null)",
        [
            other.get("level", "ort"), area, period, day, value, said,
            None if value is None else value * people / 100, people, low, high,
        ],
    )  # fmt: skip


@pytest.mark.parametrize(("rows", "breaks", "sizes"), CASES)
def test_a_trend_goes_as_far_back_as_the_last_line(
    connection: duckdb.DuckDBPyConnection, rows: list[Row], breaks: list[Break], sizes: list[int]
) -> None:
    for row in rows:
        add(connection, "1", row)
    for item in breaks:
        if item.year <= 2025:
            connection.execute("insert into indicator_break values ('quote', ?)", [item.year])
    ((first, last, periods, direction),) = (
        mart_sql.run(connection, "mart_trend").project("period_from, period_to, periods, direction").fetchall()
    )
    drawn = [rows[place][0] for place in series.stretches(moments(rows), breaks)[-1]]
    assert (first, last, periods) == (drawn[0], drawn[-1], sizes[-1])
    assert (direction is None) == (periods < 5)


def test_a_trend_ends_with_the_last_reliable_value(connection: duckdb.DuckDBPyConnection) -> None:
    for row in YEARLY:
        add(connection, "1", row, "unreliable" if row[0] == "2025" else "")
    found = mart_sql.run(connection, "mart_trend").project("period_to, direction").fetchall()
    assert found == [("2024", "rising")]  # pages say nothing of 2025: they ask for a trend that ends with their value


# -- verdicts


@pytest.mark.parametrize(
    ("own", "whole", "significance", "reason"),
    [
        ("published", "published", "above", None),
        ("estimated", "published", None, "estimated_value"),
        ("published", "estimated", None, "estimated_comparator"),
        ("unreliable", "published", None, "unreliable_value"),
        ("published", "unreliable", None, "unreliable_comparator"),
        ("suppressed", "published", None, "no_value"),
        ("published", "missing", None, "no_comparator_value"),
    ],
)
def test_an_unreliable_or_estimated_value_has_no_verdict(
    connection: duckdb.DuckDBPyConnection, own: str, whole: str, significance: str | None, reason: str | None
) -> None:
    hidden = ("suppressed", "missing")
    add(connection, "1", ("2024", "2024-12-31", None if own in hidden else 20.0), own, interval=(15.0, 25.0))
    add(connection, "0", ("2024", "2024-12-31", None if whole in hidden else 10.0), whole, level="kreis")
    rows = mart_sql.run(connection, "mart_comparison").filter("comparator = 'region'")
    assert rows.project("significance, reason").fetchall() == [(significance, reason)]


def test_no_page_draws_a_series_by_itself() -> None:
    """Lines of a series come from charts, panels and sparks, and these ask series.py."""
    folder = Path(series.__file__).parent
    asking = {
        path.stem
        for path in folder.glob("*.py")
        if re.search(r"reports import .*\bseries\b", path.read_text("utf-8"), re.M)
    }
    assert asking == {"charts", "figures", "profiles", "sparks"}
    drawing = {
        path.stem for path in folder.parents[1].glob("reports/templates/*") if "polyline" in path.read_text("utf-8")
    }
    assert drawing == {"multiples.html", "spark.html"}
