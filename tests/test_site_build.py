"""Tests of dagster_project/reports: partials, builds by several processes and of what changed, preview, drawings."""

from __future__ import annotations

import builtins
import json
import math
import os
import re
import shutil
import statistics
import subprocess
import sys
import time
import urllib.request
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from report_marts import REPORTS, Page, write_marts

from dagster_project.reports import (
    PageError,
    charts,
    format_number,
    paged,
    panels,
    queries,
    render_site,
    serve,
    sparks,
    spine,
)
from dagster_project.reports.measures import Measure
from dagster_project.reports.search import index, script_json
from dagster_project.reports.series import Break
from dagster_project.reports.tables import csv_text
from dagster_project.reports.vega import Charts


@pytest.fixture(scope="module")
def marts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_marts(tmp_path_factory.mktemp("marts") / "marts.duckdb")


@pytest.fixture(scope="module")
def real_site(marts: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The real pages but for the long document, which takes longest."""
    folder = tmp_path_factory.mktemp("real")
    shutil.copytree(REPORTS, folder / "reports", ignore=shutil.ignore_patterns("basisbericht.md", "berichte.md"))
    render_site(marts, folder / "reports", folder / "site", workers=1, cache=folder / "charts")
    return folder / "site"


@pytest.fixture
def pages(tmp_path: Path) -> Path:
    """A folder of pages with two small ones, the real templates and no PDF."""
    folder = tmp_path / "reports"
    for name in ("templates", "static", "words.yml", "marts.yml"):
        folder.mkdir(exist_ok=True)
        (folder / name).symlink_to(REPORTS / name)
    rows = '```sql rows\n{% include "areas.md" %}\n```\n'
    write(folder, "pages/index.md", "title: Start\nsearch: Anfang", rows + "{{ rows | length }} Gebiete\n")
    write(folder, "pages/[area].md", 'title: "{{ params.name }}"\nsearch: Gebiet', AREA_PAGE)
    (folder / "partials").mkdir()
    (folder / "partials" / "areas.md").write_text(
        "select area, name from mart_area where edition = '2006' and level = 'viertel' order by area\n", "utf-8"
    )
    return folder


AREA_PAGE = """```sql rows
{% include "areas.md" %}
```

```sql checks
select count(*) as count from mart_check
```

{{ params.name }}: {{ value(checks, "count", "number") }}
"""


def write(folder: Path, name: str, head: str, body: str) -> None:
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(f"---\n{head}\n---\n{body}", encoding="utf-8")


def content(site: Path) -> dict[str, bytes]:
    return {str(file.relative_to(site)): file.read_bytes() for file in site.rglob("*") if file.is_file()}


# -- partials


def test_a_partial_stands_in_for_its_line(marts: Path, pages: Path, tmp_path: Path) -> None:
    render_site(marts, pages, tmp_path / "site")
    assert "6 Gebiete" in (tmp_path / "site" / "index.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("partial", "message"),
    [
        ("select nix from mart_area\n", r'\[area\]\.md, line 5, query "rows": .*nix'),
        ('{% include "areas.md" %}\n', r"partials/areas\.md, line 1: partials include each other in a circle"),
        ('{% include "../pages/index.md" %}\n', r'partials/areas\.md, line 1: there is no partial "\.\./pages'),
    ],
)
def test_a_wrong_partial_is_named(partial: str, message: str, marts: Path, pages: Path, tmp_path: Path) -> None:
    (pages / "partials" / "areas.md").write_text(partial, encoding="utf-8")
    with pytest.raises(PageError, match=message):
        render_site(marts, pages, tmp_path / "site")


def test_an_error_in_a_partial_has_the_partials_line(marts: Path, pages: Path, tmp_path: Path) -> None:
    (pages / "partials" / "text.md").write_text("Text\n\n{{ nix }}\n", encoding="utf-8")
    write(pages, "pages/other.md", "title: T", 'Mehr\n\n{% include "text.md" %}\n')
    with pytest.raises(PageError, match=r'^partials/text\.md, line 3: unknown name "nix"'):
        render_site(marts, pages, tmp_path / "site")


# -- builds


def test_any_number_of_processes_writes_the_same_bytes(marts: Path, real_site: Path, tmp_path: Path) -> None:
    render_site(marts, real_site.parent / "reports", tmp_path / "site", workers=3)
    assert content(tmp_path / "site") == content(real_site)


def test_an_error_in_another_process_is_this_ones_error(marts: Path, pages: Path, tmp_path: Path) -> None:
    text = AREA_PAGE + "\n{% if params.area == '203' %}\n{{ rows.where(area='nix') | length }}\n{% endif %}\n"
    write(pages, "pages/[area].md", 'title: "{{ params.name }}"', text)
    for workers in (1, 2, 6):
        with pytest.raises(PageError, match=r'\[area\]\.md, line 15, query "rows": no rows left'):
            render_site(marts, pages, tmp_path / "site", workers=workers)
    assert not (tmp_path / "site").exists()


def test_only_what_changed_is_rendered(marts: Path, pages: Path, tmp_path: Path) -> None:
    own = tmp_path / "own.duckdb"
    shutil.copyfile(marts, own)
    site = tmp_path / "site"

    def build() -> int:
        return render_site(own, pages, site, update=True).rendered

    assert build() == 7
    first = content(site)
    assert build() == 0
    assert content(site) == first
    (pages / "pages" / "index.md").write_text((pages / "pages" / "index.md").read_text("utf-8") + "\nNeu.\n", "utf-8")
    assert build() == 1
    with duckdb.connect(str(own)) as connection:  # only the area pages read this mart
        connection.execute("delete from mart_check where gate = '2'")
    assert build() == 6
    with duckdb.connect(str(own)) as connection:
        connection.execute("delete from mart_area where area = '203' and edition = '2006'")
    assert build() == 6
    assert not (site / "203.html").exists()
    clean = tmp_path / "clean"
    render_site(own, pages, clean)
    assert {name: text for name, text in content(site).items() if name != ".build.json"} == content(clean)
    (site / "101.html").unlink()
    assert build() == 5


def test_a_failed_update_leaves_the_site_as_it_was(marts: Path, pages: Path, tmp_path: Path) -> None:
    site = tmp_path / "site"
    render_site(marts, pages, site, update=True)
    before = content(site)
    write(pages, "pages/index.md", "title: Start", "{{ nix }}\n")
    with pytest.raises(PageError):
        render_site(marts, pages, site, update=True)
    assert content(site) == before


def test_a_folder_of_something_else_is_not_updated(marts: Path, pages: Path, tmp_path: Path) -> None:
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "keep.txt").write_text("x")
    with pytest.raises(FileExistsError):
        render_site(marts, pages, tmp_path / "site", update=True)


def test_columns_that_an_older_release_lacks_are_null(marts: Path, pages: Path, tmp_path: Path) -> None:
    old = tmp_path / "old.duckdb"
    shutil.copyfile(marts, old)
    with duckdb.connect(str(old)) as connection:
        connection.execute("drop table mart_comparison")
    sql = "select (select count(*) from mart_comparison) as c, (select count(area_type) from mart_area) as t"
    write(pages, "pages/index.md", "title: T", f"```sql rows\n{sql}\n```\n{{{{ rows[0].c }}}}+{{{{ rows[0].t }}}}\n")
    render_site(old, pages, tmp_path / "site")
    assert "0+0" in (tmp_path / "site" / "index.html").read_text(encoding="utf-8")


def test_authors_see_what_they_save(marts: Path, pages: Path, tmp_path: Path) -> None:
    said: list[str] = []
    with serve(lambda: marts, pages, tmp_path / "site", pause=0.05, say=said.append) as (address, _):

        def shows(text: str) -> bool:
            for _ in range(200):
                with urllib.request.urlopen(address + "index.html") as answer:  # noqa: S310 - our own server
                    if text in answer.read().decode():
                        return True
                time.sleep(0.05)
            return False

        assert address.startswith("http://127.0.0.1:")
        assert shows("6 Gebiete")
        write(pages, "pages/index.md", "title: Start", "Ganz neu.\n")
        assert shows("Ganz neu.")
        write(pages, "pages/index.md", "title: Start", "{{ nix }} <b>\n")
        assert shows("unknown name &quot;nix&quot;")
        write(pages, "pages/index.md", "title: Start", "Geheilt.\n")
        assert shows("Geheilt.")
        with pytest.raises(urllib.error.HTTPError):
            urllib.request.urlopen(address + ".build.json")  # noqa: S310 - our own server
    assert said[0] == "7 von 7 Seiten neu"
    assert any("nix" in text for text in said)


# -- numbers


def test_every_number_of_every_profile_equals_the_mart(marts: Path, real_site: Path) -> None:
    """Reads the pages back: each indicator's row says the mart's value, comparison, interval ends and period."""
    with duckdb.connect(str(marts), read_only=True) as connection:
        rows = connection.execute(
            """
            select v.level, v.area, v.indicator, v.value, v.status, v.class, i.decimals, v.period
            from mart_indicator_value as v inner join mart_indicator as i using (indicator)
            where v.edition = '2006' and v.period = '2018'
            """
        ).fetchall()
        compared = connection.execute("select area, indicator, comparator_value from mart_comparison").fetchall()
    pages = {}
    for level, area, indicator, value, _, group, decimals, period in rows:
        file = next((real_site / "gebiet" / level).glob(f"{area if area.isalnum() else 'x-or'}*.html"))
        text = pages.setdefault(file, file.read_text(encoding="utf-8"))
        row = re.search(rf'<tr role="row" id="{indicator}">(.*?)</tr>', text, re.DOTALL)
        assert row is not None, (area, indicator)
        cells = re.findall(r"<td[^>]*>(.*?)</td>", row[1], re.DOTALL)
        if value is None:
            assert not re.search(r"\d", cells[0])
            assert "Gruppe" not in row[1].replace('data-label="Gruppe"', "")
        else:
            number = format_number(value, decimals)
            assert cells[0].startswith(f"{group} ({number})" if group else number)
        assert period in row[1]
    for area, indicator, value in compared:
        text = pages[real_site / "gebiet" / "viertel" / f"{area}.html"]
        row = re.search(rf'<tr role="row" id="{indicator}">(.*?)</tr>', text, re.DOTALL)
        assert row is not None
        assert re.findall(r"<td[^>]*>(.*?)</td>", row[1], re.DOTALL)[1] == format_number(value, 1)


def test_hidden_values_have_neither_mark_nor_group(real_site: Path) -> None:
    hidden = (real_site / "gebiet" / "viertel" / "202.html").read_text(encoding="utf-8")
    row = re.search(r'id="anteil">(.*?)</tr>', hidden, re.DOTALL)
    assert row is not None
    assert "liegt nicht vor" in row[1] or "nicht ausgewiesen" in row[1]
    assert 'class="fifths"' not in row[1]
    assert "<circle" not in row[1].split('data-label="Verlauf"')[0]


# -- drawings


values = st.lists(st.floats(-1e6, 1e6, allow_nan=False), min_size=2, max_size=60)


@given(values, st.floats(-1e6, 1e6))
@settings(max_examples=60, deadline=None)
def test_the_spine_keeps_order_and_stays_inside(numbers: list[float], middle: float) -> None:
    spread = spine.read_spread(numbers)
    ordered = sorted(numbers)
    # the oracle: quartiles of the standard library that are values of the data
    assert spread.median == statistics.median_low(numbers)
    assert spread.lower_quartile == ordered[math.ceil(len(ordered) / 4) - 1]
    places = []
    for number in ordered:
        drawn = spine.draw(spread, middle, number, None, None)
        assert 0 <= drawn["range"][0] <= drawn["range"][0] + drawn["range"][1] <= spine.WIDTH + 0.1
        places.append(drawn["value"])
    assert places == sorted(places)
    groups = [spread.group(number) for number in ordered]
    assert groups == sorted(groups)
    assert 1 <= min(groups) <= max(groups) <= spine.GROUPS


@pytest.mark.parametrize(
    ("direction", "significance", "tone"),
    [
        ("burden", "above", "unfavourable"),
        ("burden", "below", "favourable"),
        ("favourable", "above", "favourable"),
        ("favourable", "below", "unfavourable"),
        ("neutral", "above", "higher"),
        ("neutral", "below", "lower"),
        ("burden", "similar", "similar"),
        ("burden", None, "plain"),
        (None, "above", "higher"),
    ],
)
def test_a_difference_is_judged_only_where_there_is_a_direction(direction: Any, significance: Any, tone: str) -> None:
    assert spine.tone(direction, significance) == tone


@given(st.lists(st.none() | st.floats(-1e9, 1e9), max_size=20))
@settings(max_examples=60, deadline=None)
def test_sparklines_stay_inside(numbers: list[float | None]) -> None:
    moments = [sparks.Moment(str(2000 + place), date(2000 + place, 12, 31), v) for place, v in enumerate(numbers)]
    drawn = sparks.draw(moments, [Break(2004, "Zensus")])
    if drawn is None:
        assert sum(number is not None for number in numbers) < 2
        return
    for place in re.findall(r"(-?[\d.]+),(-?[\d.]+)", " ".join(drawn["lines"])):
        assert 0 <= float(place[0]) <= sparks.WIDTH
        assert 0 <= float(place[1]) <= sparks.HEIGHT


@given(values)
@settings(max_examples=60, deadline=None)
def test_bins_hold_every_value_once(numbers: list[float]) -> None:
    bins = charts.nice_bins(numbers)
    assert sum(count for _, _, count in bins) == len(numbers)
    assert bins[0][0] <= min(numbers) + 1e-6 * max(1, abs(min(numbers)))
    assert len(bins) <= 12


def points(*numbers: float | None) -> list[charts.Point]:
    status = ["published" if number is not None else "missing" for number in numbers]
    return [
        charts.Point(str(2015 + place), date(2015 + place, 12, 31), Measure(number, state, None, str(number), ""))
        for place, (number, state) in enumerate(zip(numbers, status, strict=True))
    ]


def test_a_line_is_open_where_a_value_is_missing_or_the_series_breaks() -> None:
    rows = charts.line(points(1.0, 2.0, None, 4.0, 5.0))["data"]["values"]
    assert [row["part"] for row in rows] == [0, 0, 1, 1]
    rows = charts.line(points(1.0, 2.0, 3.0, 4.0), [Break(2017, "Zensus")])["data"]["values"]
    assert [row["part"] for row in rows] == [0, 0, 1, 1]


def test_a_drawing_is_german_and_the_same_every_time(tmp_path: Path) -> None:
    spec = charts.line(points(1250.0, 3400.0, 5000.0))
    first = Charts(tmp_path / "cache").svg(spec, "Name <b>")
    assert "5.000" in first
    assert 'aria-label="Name &lt;b&gt;"' in first
    assert first == Charts(None).svg(spec, "Name <b>") == Charts(tmp_path / "cache").svg(spec, "Name <b>")
    assert "NaN" not in first
    assert "http" not in first.replace("http://www.w3.org", "")


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(-(10**9), 10**9).map(lambda number: number / 1000), min_size=1, max_size=8))
def test_panels_stay_inside_and_keep_their_order(numbers: list[float]) -> None:
    upward = panels.axis(numbers)
    slack = 1e-6 * (upward.high - upward.low)
    assert upward.low <= min(0.0, *numbers) + slack
    assert upward.high >= max(numbers) - slack
    assert 2 <= len(upward.marks) <= 5
    assert [mark for mark, _ in upward.marks] == sorted({mark for mark, _ in upward.marks})
    drawn = panels.draw(points(*numbers), [], upward)
    assert all(drawn["left"] <= x <= drawn["right"] for x, _, _ in drawn["points"])
    assert all(drawn["top"] <= y <= drawn["bottom"] for _, y, _ in drawn["points"])
    up = sorted(zip(numbers, (y for _, y, _ in drawn["points"]), strict=True))
    assert [y for _, y in up] == sorted((y for _, y in up), reverse=True)


def heights(text: str) -> dict[str, list[float]]:
    """Value → heights at which panels draw it."""
    found: dict[str, list[float]] = {}
    for y, value in re.findall(r'cy="([\d.]+)" r="3"[^>]*><title>\d+: ([\d,]+)', text):
        found.setdefault(value, []).append(float(y))
    return found


def test_small_multiples_have_one_upward_axis(marts: Path, pages: Path, tmp_path: Path) -> None:
    rows = (
        "```sql rows\nselect panel, panel as indicator, period, make_date(period::int, 12, 31) as reference_date, "
        "value::double as value, 'published' as status, unit as unit_label from (values ('A', '2019', 10, '%'), "
        "('A', '2020', 20, '%'), ('B', '2019', 10, '%'), ('B', '2020', 90, {unit})) "
        "as v (panel, period, value, unit)\n```\n"
    )
    write(pages, "pages/index.md", "title: T", rows.format(unit="'%'") + '{{ multiples(rows, "Verlauf") }}\n')
    render_site(marts, pages, tmp_path / "common", workers=1)
    text = (tmp_path / "common" / "index.html").read_text(encoding="utf-8")
    assert "mit derselben senkrechten Achse" in text
    drawn = heights(text)
    assert len(drawn["10"]) == 2
    assert len(set(drawn["10"])) == 1  # the same value at the same height, whatever else its panel shows
    assert drawn["90"][0] < drawn["20"][0] < drawn["10"][0]
    own = '{{ multiples(rows, "Verlauf", common=false) }}\n'
    write(pages, "pages/index.md", "title: T", rows.format(unit="'Personen'") + own)
    render_site(marts, pages, tmp_path / "own", workers=1)
    text = (tmp_path / "own" / "index.html").read_text(encoding="utf-8")
    assert "jede mit ihrer eigenen senkrechten Achse" in text
    assert len(set(heights(text)["10"])) == 2
    write(pages, "pages/index.md", "title: T", rows.format(unit="'Personen'") + '{{ multiples(rows, "Verlauf") }}\n')
    with pytest.raises(PageError, match=r'query "rows": one common axis for several units: %, Personen'):
        render_site(marts, pages, tmp_path / "none", workers=1)


def test_charts_need_no_fonts_of_the_system(tmp_path: Path) -> None:
    """Texts are measured by the library's own fonts, so that a drawing is the same on every machine."""
    code = (
        "import os, sys; from datetime import date; from dagster_project.reports import charts; "
        "from dagster_project.reports.measures import Measure; from dagster_project.reports.vega import Charts; "
        "points = [charts.Point(str(year), date(year, 1, 1), Measure(v, 'published', None, str(v), '')) "
        "for year, v in ((2019, 1000.0), (2020, 54321.0))]; print(Charts(None).svg(charts.line(points), 'N')); "
        "print(os.environ.get('FONTCONFIG_FILE'))"
    )
    empty = tmp_path / "fonts.conf"
    empty.write_text(f"<fontconfig><dir>{tmp_path}</dir></fontconfig>", encoding="utf-8")
    said = [
        subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True).stdout
        for environment in (dict(os.environ), {**os.environ, "FONTCONFIG_FILE": str(empty)})
    ]
    first, second = (text.strip().rsplit("\n", 1) for text in said)
    assert first[0] == second[0]
    assert first[1] == str(os.environ.get("FONTCONFIG_FILE"))  # others in the process see the system as it is
    assert second[1] == str(empty)


def test_years_without_an_event_are_no_gaps_and_no_rows(marts: Path, real_site: Path, tmp_path: Path) -> None:
    """Whatever is said of them in the marts, no page has a row, a gap or a word for each."""
    changed = tmp_path / "marts.duckdb"
    shutil.copyfile(marts, changed)
    with duckdb.connect(str(changed)) as connection:
        connection.execute(
            "insert into mart_indicator_value select v.* replace (year as period, make_date(year::int, 12, 31) as "
            "reference_date, null as value, 'not_applicable' as status, 'no_event' as reason, null as ci_low, "
            "null as ci_high) from mart_indicator_value as v, (values ('2014'), ('2015'), ('2021')) as y (year) "
            "where indicator = 'anteil' and period = '2018' and edition = '2006'"
        )
    folder = tmp_path / "reports"
    shutil.copytree(REPORTS, folder, ignore=shutil.ignore_patterns("basisbericht.md", "berichte.md", "datenq*"))
    for page in folder.rglob("*.md"):
        page.write_text(page.read_text("utf-8").replace("[Datenqualität](datenqualitaet.md)", "Datenqualität"), "utf-8")
    render_site(changed, folder, tmp_path / "site", workers=1)
    for name in ("indikator/anteil.html", "gebiet/viertel/101.html", "gemeindeprofil/05.html"):
        figures = [re.findall(r"<(?:figure|table)\b.*?</(?:figure|table)>", (site / name).read_text("utf-8"), re.DOTALL)
                   for site in (real_site, tmp_path / "site")]  # fmt: skip
        assert figures[0] == figures[1], name


def test_a_release_without_pango_has_pages_and_says_why_no_pdf(
    marts: Path, pages: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    write(pages, "pages/index.md", "title: Bericht\npdf: true", "Text.\n")
    paged.possible.cache_clear()
    monkeypatch.delitem(sys.modules, "weasyprint", raising=False)
    monkeypatch.setattr(builtins, "__import__", without_pango(builtins.__import__))
    try:
        render_site(marts, pages, tmp_path / "site")
    finally:
        paged.possible.cache_clear()
    assert (tmp_path / "site" / "index.html").is_file()
    assert not list((tmp_path / "site").rglob("*.pdf"))
    assert ".pdf" not in (tmp_path / "site" / "index.html").read_text(encoding="utf-8")
    assert "keine PDF" in caplog.text
    assert "libpango" in caplog.text


def without_pango(real: Any) -> Any:
    def load(name: str, *arguments: Any, **options: Any) -> Any:
        if name == "weasyprint":
            raise OSError("cannot load library 'libpango-1.0-0': no such file\nsecond line")
        return real(name, *arguments, **options)

    return load


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 4), st.sampled_from([None, "x", "ä", "1"])), min_size=1, max_size=30))
def test_a_stored_result_picks_what_a_held_one_picks(marts: Path, keys: list[tuple[int, str | None]]) -> None:
    """Whatever the order in which pages ask, and however few rows are read at once."""
    database = queries.Database(marts)
    values = ", ".join(f"({a}, {'null' if b is None else repr(b)}, {place})" for place, (a, b) in enumerate(keys))
    sql = f"select * from (values {values}) as v (a, b, place) order by place desc"
    held = database.store("rows", sql, "nothing")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(queries, "_LARGE", 3)
        stored = database.store("rows", sql, "nothing")
        assert isinstance(stored, queries.StoredResult) == (len(keys) > 3)
        for a, b in [*keys, (9, "x"), *keys[::-2]]:
            for asked in ({"a": a, "b": b}, {"b": b}, {"a": a}):
                assert [row.as_dict() for row in stored.where(**asked)] == [
                    row.as_dict() for row in held.where(**asked)
                ]
    database.close()


# -- search and downloads


def test_the_index_cannot_end_its_script() -> None:
    text = index(
        {"a/[x].md": [("</script><b>", "\u2028", "a.html")], "b.md": [("t", "c", "b.html")]}, {"b.md": "a/[x].md"}
    )
    assert "<" not in text
    assert "\u2028" not in text
    found = json.loads(text[text.index("[") : text.rindex("]") + 1])
    assert found[0]["entries"] == [["</script><b>", "\u2028", "a.html"]]
    assert found[1]["on"] == 0


@given(
    st.recursive(
        st.none() | st.booleans() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
    )
)
@settings(max_examples=60, deadline=None)
def test_json_in_a_script_reads_back(content: Any) -> None:
    text = script_json(content)
    assert "<" not in text
    assert json.loads(text) == content


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""),
        (1234.5, "1234,5"),
        (-3.0, "-3"),
        (True, "ja"),
        (date(2020, 12, 31), "2020-12-31"),
        ("=cmd()", "'=cmd()"),
        ("+1", "'+1"),
        ("@x", "'@x"),
        ("-x", "'-x"),
        ("Stadt", "Stadt"),
    ],
)
def test_csv_is_german_and_harmless(value: Any, text: str) -> None:
    assert csv_text(value) == text


def test_pages_weigh_little(real_site: Path) -> None:
    for file in (real_site / "gebiet").rglob("*.html"):
        assert file.stat().st_size < 300_000
        assert Page(file).open == []
