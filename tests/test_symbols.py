"""Counts on a map: circles in proportion, a key of their sizes, and each state told apart."""

from __future__ import annotations

import math
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from report_marts import REPORTS, Page, write_marts

from dagster_project.reports import render_site, symbols
from dagster_project.reports.measures import Measure

COUNTS = """---
title: Karte
empty: {}
---

```sql rows
select
    a.level, a.area, a.name, n.value, n.status, n.reason, 'count' as kind, 0 as decimals, 'Menschen' as unit_label
from mart_area as a
inner join (values
    ('101', 400.0, 'published', null), ('102', 100.0, 'estimated', null), ('201', 25.0, 'unreliable', null),
    ('202', 0.0, 'published', null), ('203', null, 'suppressed', 'below_minimum_population')
) as n (area, value, status, reason) on a.area = n.area
where a.edition = '2006' and a.level = 'viertel'
order by a.area
```

```sql half
select r.* replace (r.value / 2 as value) from ${rows} as r
```

{{ map(rows, "Menschen", link="index.md") }}

{{ map(rows, "Klein", small=true) }}

{{ map(half, "Halb", small=true, among=rows) }}
"""


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("symbols")
    marts = write_marts(folder / "marts.duckdb")
    reports = folder / "reports"
    (reports / "pages").mkdir(parents=True)
    for name in ("templates", "static", "words.yml", "marts.yml", "partials"):
        (reports / name).symlink_to(REPORTS / name)
    (reports / "pages" / "index.md").write_text(COUNTS, encoding="utf-8")
    render_site(marts, reports, folder / "site", workers=1)
    return folder / "site" / "index.html"


def test_the_area_of_a_circle_is_in_proportion_to_the_number(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    radii = {name: float(r) for r, name in re.findall(r'r="([\d.]+)"[^>]*><title>[^<]*: (\d+)\b', text)}
    assert radii["400"] / radii["100"] == pytest.approx(2, rel=0.02)
    assert radii["400"] / radii["25"] == pytest.approx(4, rel=0.02)


def test_each_state_is_told_apart_by_shape_and_words(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    whole = text[text.index("<figure") : text.index("</figure>")]
    assert len(re.findall(r"<circle[^>]*stroke-dasharray[^>]*><title>", whole)) == 1  # unreliable
    assert len(re.findall(r'<circle[^>]*fill="#a7d3ac"[^>]*><title>', whole)) == 1  # estimated
    assert len(re.findall(r"<rect[^>]*><title>[^<]*: 0", whole)) == 1  # zero is a square, no circle
    assert 'fill="url(#karte1-suppressed)"' in whole
    said = Page(page).text
    told = ("Fläche des Kreises: Anzahl (Menschen) (3)", "null (1)", "nicht ausgewiesen: unter der", "geschätzt (1)")
    for words in (*told, "Je größer die Fläche eines Kreises"):
        assert words in re.sub(r"\s+", " ", said)
    assert not set(re.findall(r'fill="(#\w+)"', whole)) & {"#f7eaba", "#1b2b69"}  # no area is filled by its number
    assert whole.count("<a href=") >= 2 * 5 - 1  # area and circle lead to the same page, and the table does


def test_a_small_map_has_no_links_and_no_names_of_its_own(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    small = text.split("<figure")[2]
    assert "<a href" not in small.partition("<ul")[0]
    assert "<circle" in small


def test_maps_that_are_compared_have_one_scale(page: Path) -> None:
    small, half = page.read_text(encoding="utf-8").split("<figure")[2:4]
    keys = [re.search(r'<g class="sizes".*?</g>', figure, re.DOTALL) for figure in (small, half)]
    assert keys[0]
    assert keys[1]
    assert keys[0][0] == keys[1][0]


@pytest.mark.parametrize(
    ("kind", "unit", "values", "expected"),
    [
        ("count", None, [1.0, None], True),
        ("count", "persons", [1.0], True),
        (None, "households", [1.0], True),
        ("share", "percent", [1.0], False),
        (None, None, [1.0], False),
        ("count", "persons", [-1.0, 2.0], False),  # a balance is no count: it has no circle
    ],
)
def test_what_is_counted_is_known_by_kind_or_unit(
    kind: str | None, unit: str | None, values: list[float | None], expected: bool
) -> None:
    assert symbols.counts(kind, unit, values) is expected


@given(st.lists(st.integers(0, 10**7).map(float), min_size=1, max_size=600), st.floats(1e4, 4e6), st.floats(100, 2000))
def test_circles_leave_most_of_the_map_free(values: list[float], ground: float, side: float) -> None:
    scale = symbols.factor(values, ground, side)
    assert math.pi * scale**2 * sum(values) <= symbols.COVERED * ground * (1 + 1e-6)
    assert scale * math.sqrt(max(values)) <= symbols.LARGEST * side * (1 + 1e-6)


@given(st.floats(1, 1e8))
def test_the_key_has_round_numbers_that_occur(most: float) -> None:
    found = symbols.key_values(most)
    assert 1 <= len(found) <= 3
    assert found == sorted(found, reverse=True)
    assert found[0] <= most * (1 + 1e-9)
    assert found[0] > most / 2.6


def test_the_largest_is_drawn_first() -> None:
    measures = [Measure(value, "published", None, str(value), "") for value in (1.0, 9.0, 4.0)]
    drawn = symbols.symbols(measures, [(0, 0), (1, 1), None], 2.0)
    assert [(row, mark.radius) for row, mark in drawn] == [(1, 6.0), (0, 2.0)]
