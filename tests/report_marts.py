"""A tiny release for the tests of the pages: a made-up town whose names and keys attack the pages.

Writes one DuckDB file with the tables that pages read.
"""

from __future__ import annotations

from datetime import date
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import duckdb

REPORTS = Path(__file__).parents[1] / "reports"
FORMULA = "=cmd()"
EVIL = "<script>alert(1)</script>"
INJECTION = "x' or 1=1; drop table mart_area; --/../../etc/{{ 7*7 }}"

TABLES = {
    "mart_indicator_value": (
        "geography text, edition text, level text, area text, municipality text, period text, reference_date date, "
        "indicator text, breakdown text, value double, class text, status text, reason text, numerator double, "
        "denominator double, ci_low double, ci_high double, conversion_class text"
    ),
    "mart_indicator": (
        "indicator text, name text, short_name text, kind text, theme text, theme_name text, unit text, "
        "unit_label text, decimals int, direction text, definition text, formula text, limits text, "
        "source_note text, responsible text, sort_order int, replacement text, replacement_note text, "
        "latest_reference_date date, is_supply boolean"
    ),
    "mart_area": (
        "geography text, edition text, level text, level_name text, level_plural text, level_rank int, area text, "
        "name text, parent text, parent_level text, municipality text, population double, "
        "population_reference_date date, valid_from date, valid_to date, area_km2 double, geometry text, "
        "is_unallocated boolean"
    ),
    "mart_region": (
        "region text, name text, crs text, geography text, reporting_edition text, finest_level text, "
        "licence_note text, latest_reference_date date"
    ),
    "mart_source": (
        "source text, title text, owner text, description text, licence text, legal_basis text, purpose text, "
        "cadence text, geography text"
    ),
    "mart_delivery": (
        "delivery text, source text, municipality text, period text, reference_date date, edition text, level text, "
        "version int, file_name text, sha256 text, landed_at timestamp, rows_read bigint, rows_accepted bigint, "
        "rows_quarantined bigint, verdict text, in_force boolean, supersedes text"
    ),
    "mart_check": (
        "gate text, suite text, name text, subject text, severity text, responsible text, why text, "
        "success boolean, failing bigint, failing_keys text, message text"
    ),
    "mart_disclosure_audit": (
        "audience text, numbers bigint, hidden bigint, narrowest_interval double, exposed bigint, rule text, "
        "seconds double"
    ),
    "mart_comparison": (
        "geography text, edition text, level text, area text, period text, reference_date date, indicator text, "
        "comparator text, comparator_area text, basis text, comparator_value double, difference double, "
        "significance text, reason text"
    ),
    "mart_trend": (
        "geography text, edition text, level text, area text, indicator text, period_from text, period_to text, "
        "periods bigint, change double, direction text, reason text"
    ),
    "mart_news": "indicator text, period text, kind text, added bigint, changed bigint, withdrawn bigint",
    "mart_indicator_break": "indicator text, year int, reason text",
    "mart_participation": (
        "participation text, geography text, edition text, level text, area text, area_name text, held_on date, "
        "form text, title text, summary text, organiser text, link text, contact text"
    ),
    "mart_index_component": (
        "geography text, edition text, level text, area text, period text, reference_date date, indicator text, "
        "component text, input double, weight double, z double, mean double, standard_deviation double"
    ),
}

REPORT_LINK = "https://muster.example/bericht?a=1&b=2"
QUARTERS = [  # area, name, parent, population
    ("101", "Äußere Neustadt", "1", 1234.0),
    ("102", EVIL, "1", 2345.0),
    (INJECTION, "Zoo & Garten", "1", 250.0),
    ("201", "Öhringer Straße", "2", 3456.0),
    ("202", "Altstadt", "2", 4567.0),
    ("203", "Übersee", "2", 100.0),
]
STATUSES = ["published", "estimated", "suppressed", "unreliable", "missing", "not_applicable"]
REASONS = {
    "suppressed": "below_minimum_population",
    "missing": "not_delivered",
    "not_applicable": "denominator_zero",
}


def square(left: int, bottom: int, size: int = 1000) -> str:
    right, top = left + size, bottom + size
    return f"POLYGON (({left} {bottom}, {right} {bottom}, {right} {top}, {left} {top}, {left} {bottom}))"


def area_rows() -> list[tuple[Any, ...]]:
    rows = []
    for edition in ("2021", "2006"):
        head, tail = ("räume", edition), (date(2018, 12, 31), date(2001, 1, 1), None)
        for place, (area, name, parent, people) in enumerate(QUARTERS):
            shape = square(1000 * (place % 3), 1000 * (place // 3))
            names = ("viertel", "Viertel", "Viertel", 0)
            rows.append((*head, *names, area, name, parent, "bezirk", "05", people, *tail, 1.0, shape))
        for number, bottom in (("1", 0), ("2", 1000)):
            shape = f"POLYGON ((0 {bottom}, 3000 {bottom}, 3000 {bottom + 1000}, 0 {bottom + 1000}, 0 {bottom}))"
            names = ("bezirk", "Bezirk", "Bezirke", 1)
            name = {"1": "Nord", "2": FORMULA}[number]
            rows.append((*head, *names, number, name, "05", "stadt", "05", 5000.0, *tail, 3.0, shape))
        whole = "POLYGON ((0 0, 3000 0, 3000 2000, 0 2000, 0 0))"
        names = ("stadt", "Stadt", "Städte", 2)
        rows.append((*head, *names, "05", "Musterstadt", None, None, "05", 11952.0, *tail, 6.0, whole))
    return rows


def value_rows() -> list[tuple[Any, ...]]:
    rows: list[tuple[Any, ...]] = []

    def add(level: str, area: str, year: int, indicator: str, value: float | None, **other: Any) -> None:
        status = other.get("status", "published")
        rows.append(
            (
                *("räume", other.get("edition", "2006"), level, area, "05", str(year), date(year, 6, 30)),
                *(indicator, "total", value, other.get("group"), status, REASONS.get(status)),
                *(None, None, other.get("low"), other.get("high"), None),
            )
        )

    for year in (2016, 2017, 2018):
        for place, (area, _, _, people) in enumerate(QUARTERS):
            add("viertel", area, year, "menschen", people + year - 2018)
            status = STATUSES[place]
            shown = status in ("published", "estimated", "unreliable")
            add("viertel", area, year, "anteil", 10.25 + place + year - 2018 if shown else None, status=status)
            z = (place - 2.5) / 2
            add("viertel", area, year, "lage", z, group="hoch" if z < 0 else "niedrig")
        for number in ("1", "2"):
            add("bezirk", number, year, "anteil", 12.345 + int(number), low=11.0, high=16.5)
        gap = year == 2017
        add("stadt", "05", year, "anteil", None if gap else 13.05, status="missing" if gap else "published")
        add("stadt", "05", year, "menschen", 11952.0)
    add("viertel", "101", 2018, "menschen", 987654.0, edition="2021")
    return rows


def comparison_rows() -> list[tuple[Any, ...]]:
    """The quarters' share beside that of the whole town; the two that are shown differ, or may not."""
    rows: list[tuple[Any, ...]] = []
    for area, value, significance in (("101", 10.25, "below"), ("102", 11.25, "similar")):
        keys = ("räume", "2006", "viertel", area, "2018", date(2018, 6, 30), "anteil")
        rows.append((*keys, "region", "05", "own", 13.05, value - 13.05, significance, None))
    return rows


INDICATORS = [
    (
        *(
            "menschen",
            "Einwohnerinnen und Einwohner",
            "Menschen",
            "count",
            "b",
            "Bevölkerung",
            "persons",
            "Personen",
            0,
        ),
        *("neutral", "Alle mit **Hauptwohnsitz**.", None, None, "Register", "Statistikstelle", 1),
    ),
    (
        *("anteil", "Anteil der Älteren", "Ältere", "share", "b", "Bevölkerung", "percent", "%", 1, "burden"),
        *(
            "<b>Fett</b> ![x](http://example.org/x.png)",
            "`a / b`",
            "Klein.",
            "Register",
            "Statistikstelle",
            2,
        ),
    ),
    (
        *("lage", "Lage-Index", "Lage", "index", "s", "Soziale Lage", "index", None, 2, "burden"),
        *("Summe der z-Werte.", None, None, None, None, 3),
    ),
]


def participation_rows() -> list[tuple[Any, ...]]:
    """Three results for one area, one of them on the older edition for another; the texts try to be more than texts."""
    here = ("räume", "2006", "viertel", "101", "Äußere Neustadt")
    return [
        ("spiele", *here, date(2018, 5, 4), "Streifzug", "Wo Kinder spielen", f"- ein Bolzplatz\n- {EVIL}", "Jugendamt",
         REPORT_LINK, "amt@muster.example"),
        ("markt", *here, date(2017, 5, 4), EVIL, EVIL, "[weg](javascript:alert(1))", EVIL, None, EVIL),
        ("laden", *here, date(2016, 5, 4), "Versammlung", "Ein Laden", "Er fehlt.", "Verein", None, None),
        ("alt", "räume", "2021", "viertel", "202", "Altstadt", date(2018, 5, 4), "Fest", "987.65", "–", "Amt", None,
         None),
    ]  # fmt: skip


def write_marts(path: Path) -> Path:
    connection = duckdb.connect(str(path))
    for table, columns in TABLES.items():
        connection.execute(f"create table {table} ({columns})")

    def insert(table: str, rows: list[tuple[Any, ...]]) -> None:
        marks = ", ".join("?" for _ in rows[0])
        connection.executemany(f"insert into {table} values ({marks})", rows)

    insert("mart_area", [(*row, False) for row in area_rows()])
    insert("mart_indicator_value", value_rows())
    insert("mart_indicator", [(*indicator, None, None, date(2018, 6, 30), False) for indicator in INDICATORS])
    region = ("muster", "Musterstadt", "EPSG:25832", "räume", "2006", "viertel", "© Stadt", date(2018, 6, 30))
    insert("mart_region", [region])
    insert("mart_source", [("register", EVIL, "Amt", "Text", "dl-de", None, "Planung", "yearly", "räume")])
    delivery = (
        "d1",
        "register",
        "05",
        "2018-12-31",
        date(2018, 12, 31),
        "2006",
        "viertel",
        1,
        "ewr.csv",
        "ab" * 32,
    )
    insert("mart_delivery", [(*delivery, "2019-01-02 10:00:00", 6, 5, 1, "partly", True, None)])
    keys = '["' + '", "'.join(f"k{number}" for number in range(12)) + '"]'
    insert(
        "mart_check",
        [
            (
                "1",
                "s",
                "a",
                "register 2018",
                "critical",
                "Amt",
                "Jeder Schlüssel ist bekannt.",
                False,
                12,
                keys,
                EVIL,
            ),
            ("2", "p", "b", "anteil", "warning", "Amt", "Kein Wert über 100.", True, 0, "[]", "in Ordnung"),
        ],
    )
    insert("mart_comparison", comparison_rows())
    trend = ("räume", "2006", "viertel", "101", "menschen", "2016", "2018", 3, 2.0, "rising", None)
    insert("mart_trend", [trend])
    insert("mart_indicator_break", [("menschen", 2018, "Zensus 2018")])
    insert("mart_participation", participation_rows())
    component = (
        "räume",
        "2006",
        "viertel",
        "101",
        "2018",
        date(2018, 6, 30),
        "lage",
        "anteil",
        1.0,
        0.5,
        0.1,
        1.0,
    )
    insert("mart_index_component", [(*component, 2.0)])
    connection.close()
    return path


class Page(HTMLParser):
    """What tests need of a page: visible text, links, and whether tags are balanced."""

    VOID = ("meta", "link", "path", "rect", "circle", "line", "polyline", "br", "wbr", "input")

    def __init__(self, file: Path) -> None:
        super().__init__()
        self.text, self.links, self.tags, self.open = "", [], [], []
        self.feed(file.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        links = [value or "" for key, value in attrs if key in ("href", "src")]
        # A link the reader may follow is no request; anything else with an address would be one.
        self.links += [link for link in links if tag != "a" or not link.startswith("http")]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "script" not in self.open[-1:]:
            self.text += data
