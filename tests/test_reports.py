"""Tests of dagster_project/reports: a tiny release, the real pages, and small pages written on the spot."""

from __future__ import annotations

import re
import shutil
import zlib
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pytest
from capabilities import needed
from report_marts import EVIL, INDICATORS, INJECTION, REPORT_LINK, REPORTS, STATUSES, TABLES, Page, write_marts

from dagster_project.reports import PageError, charts, format_number, format_period, render_site, safe_file_name
from dagster_project.reports.kit import breakable
from dagster_project.reports.maps import colour, palette, quantile_breaks
from dagster_project.reports.measures import Measure
from dagster_project.reports.pages import render_markdown
from dagster_project.reports.wording import keep_together, listing, read_words


@pytest.fixture(scope="session")
def marts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_marts(tmp_path_factory.mktemp("marts") / "marts.duckdb")


@pytest.fixture(scope="session")
def site(marts: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("out") / "site"
    render_site(marts, REPORTS, output)
    return output


@pytest.fixture
def small(marts: Path, tmp_path: Path) -> Any:
    """Render one or more pages given as text with the real templates; returns the output folder."""

    def render(files: dict[str, str] | str, database: Path = marts) -> Path:
        pages = tmp_path / "reports"
        for name in ("templates", "static", "words.yml"):
            target = pages / name
            target.parent.mkdir(exist_ok=True)
            if not target.exists():
                target.symlink_to(REPORTS / name)
        for name, text in ({"index.md": files} if isinstance(files, str) else files).items():
            (pages / "pages" / name).parent.mkdir(parents=True, exist_ok=True)
            (pages / "pages" / name).write_text(text, encoding="utf-8")
        render_site(database, pages, tmp_path / "site")
        return tmp_path / "site"

    return render


def page(body: str, head: str = "title: Seite") -> str:
    return f"---\n{head}\n---\n{body}"


def query(sql: str, name: str = "rows") -> str:
    return f"```sql {name}\n{sql}\n```\n"


# -- the real pages


def test_every_page_is_whole_and_every_link_resolves(site: Path) -> None:
    files = sorted(site.rglob("*.html"))
    assert len(files) == 13 + 1 + 3 + 9
    for file in files:
        parsed = Page(file)
        assert parsed.open == [], file
        anchors = {attributes["id"] for _, attributes in parsed.tags if "id" in attributes}
        assert len(anchors) == sum("id" in attributes for _, attributes in parsed.tags), file
        for href in parsed.links:
            if href.startswith("#"):
                assert href[1:] in anchors, f"{file} → {href}"
            target = file.parent / href.split("#")[0] if not href.startswith("#") else file
            if href == REPORT_LINK:
                continue
            assert ":" not in href, f"{file} leaves the site: {href}"
            assert target.resolve().is_file(), f"{file} → {href}"
            assert target.resolve().is_relative_to(site.resolve())


def test_only_the_reporting_edition_is_shown(site: Path) -> None:
    assert not [file for file in site.rglob("*.html") if "987.65" in file.read_text(encoding="utf-8")]


def test_data_is_escaped_everywhere(site: Path) -> None:
    escaped = "&lt;script&gt;alert(1)&lt;/script&gt;"
    texts = {str(file.relative_to(site)): file.read_text(encoding="utf-8") for file in site.rglob("*.html")}
    pages = "".join(texts.values())
    scripts = "".join(re.findall(r"<script[^>]*>(.*?)</script>", pages, re.DOTALL))
    assert "<" not in scripts
    assert "<" not in (site / "static" / "search-index.js").read_text(encoding="utf-8")
    assert not [name for name, text in texts.items() if EVIL in text or "<i" + "mg" in text]
    for name in (
        "gebiet/viertel/102.html",
        "gebiete.html",
        "quellen.html",
        "datenqualitaet.html",
        "gemeindeprofil/05.html",
        "indikator/anteil.html",
    ):
        assert escaped in texts[name], name
    assert "&lt;b&gt;Fett" in texts["indikator/anteil.html"]
    assert "<img" not in texts["indikator/anteil.html"]


def test_no_id_occurs_twice_even_with_the_same_chart_twice(small: Any) -> None:
    rows = query(
        "select 'anteil' as indicator, year as period, make_date(year::int, 12, 31) as reference_date, 1.5 as value, "
        "'published' as status, 1.0 as ci_low, 2.0 as ci_high from (values ('2019'), ('2020')) as v (year)"
    )
    text = (small(page(rows + "{{ line_chart(rows, 'A') }}\n\n{{ line_chart(rows, 'B') }}")) / "index.html").read_text()
    ids = re.findall(r' id="([^"]+)"', text)
    assert len(ids) == len(set(ids))
    assert "bild1-0" in ids
    assert "bild2-0" in ids


def test_a_name_cannot_end_the_script_of_a_chart(small: Any) -> None:
    rows = query(f"select '{EVIL}' as name, 1.0 as value, 'published' as status")
    text = (small(page(rows + "{{ bar_chart(rows, 'Balken') }}")) / "index.html").read_text(encoding="utf-8")
    scripts = "".join(re.findall(r"<script[^>]*>(.*?)</script>", text, re.DOTALL))
    assert "alert(1)" in scripts  # the chart's own data, where the sign before it is spelled out
    assert "<" not in scripts
    assert EVIL not in text


def test_an_area_key_with_sql_and_path_in_it_is_only_a_key(site: Path) -> None:
    file = site / "gebiet" / "viertel" / f"{safe_file_name(INJECTION)}.html"
    text = Page(file).text
    assert "Zoo & Garten" in text
    assert INJECTION in text
    assert "Öhringer" not in text
    assert "49" not in re.findall(r"\d+", text)


def test_same_marts_same_bytes(site: Path, marts: Path, tmp_path: Path) -> None:
    render_site(marts, REPORTS, tmp_path / "again")
    first = {file.relative_to(site): file.read_bytes() for file in site.rglob("*") if file.is_file()}
    again = tmp_path / "again"
    assert first == {file.relative_to(again): file.read_bytes() for file in again.rglob("*") if file.is_file()}


def test_what_residents_said_stands_on_the_page_of_their_area(site: Path) -> None:
    text = (site / "gebiet" / "viertel" / "101.html").read_text(encoding="utf-8")
    order = ["Wo Kinder spielen", "Streifzug, 04.05.2018", "<li>ein Bolzplatz</li>", "Frühere Ergebnisse", "Ein Laden"]
    assert [text.index(words) for words in order] == sorted(text.index(words) for words in order)
    assert f'<a href="{REPORT_LINK.replace("&", "&amp;")}">Zum Bericht</a>' in text
    assert text.count("Zum Bericht") == 1
    assert 'href="javascript' not in text
    others = [file for file in site.rglob("*.html") if "Was Bewohnerinnen" in file.read_text(encoding="utf-8")]
    assert others == [site / "gebiet" / "viertel" / "101.html"]


def test_numbers_on_an_area_page_equal_the_mart(site: Path, marts: Path) -> None:
    connection = duckdb.connect(str(marts), read_only=True)
    decimals = {row[0]: row[8] for row in INDICATORS}
    rows = connection.execute(
        "select level, area, indicator, value, class from mart_indicator_value "
        "where edition = '2006' and period = '2018' and value is not null"
    ).fetchall()
    connection.close()
    assert len(rows) > 15
    for level, area, indicator, value, group in rows:
        text = Page(site / "gebiet" / level / f"{safe_file_name(area)}.html").text
        number = format_number(value, decimals[indicator])
        assert (f"{group} ({number}" if group else number) in text, (level, area, indicator)


def test_numbers_on_an_indicator_page_equal_the_mart(site: Path) -> None:
    text = Page(site / "indikator" / "anteil.html").text
    for number in (
        "10,3\u00a0%",
        "11,3\u00a0%",
        "13,3\u00a0%",
        "13,1\u00a0%",
        "14,3\u00a0%",
        "11,0 bis 16,5",
    ):
        assert number in text, number


def test_each_status_is_said_in_words(site: Path) -> None:
    text = (site / "indikator" / "anteil.html").read_text(encoding="utf-8")
    for words in (
        "geschätzt",
        "eingeschränkt belastbar",
        "nicht ausgewiesen: unter der Mindesteinwohnerzahl",
        "liegt nicht vor: nicht geliefert",
        "nicht anwendbar: Bezugsgröße ist null",
    ):
        assert words in text, words
    for status in STATUSES[1:]:
        assert re.search(rf'<rect[^>]*fill="url\(#karte1-l-{status}\)"', text), status
        assert f'id="karte1-{status}"' in text


def test_names_are_in_german_order(site: Path) -> None:
    text = Page(site / "gebiet" / "bezirk" / "2.html").text
    parts = text[text.index("Viertel in diesem Gebiet") :]
    assert parts.index("Altstadt") < parts.index("Öhringer") < parts.index("Übersee")


def test_charts_have_a_name_and_a_table(site: Path) -> None:
    for file in site.rglob("*.html"):
        for tag, attributes in Page(file).tags:
            if tag == "svg" and "aria-hidden" not in attributes:
                assert attributes["role"] in ("img", "group")
                assert len(attributes["aria-label"] or "") > 10
    text = (site / "indikator" / "anteil.html").read_text(encoding="utf-8")
    assert text.count("<figure") == text.count('<details class="values">') == 4


def test_quality_page_names_finding_and_keys(site: Path) -> None:
    text = Page(site / "datenqualitaet.html").text
    for words in (
        "kritisch",
        "Prüfung der Lieferungen",
        "Jeder Schlüssel ist bekannt.",
        "k9 … und 2 weitere",
    ):
        assert words in text


def test_a_period_names_the_day_its_numbers_speak_of(site: Path) -> None:
    assert "2018 (Stichtag 30.06.2018)" in Page(site / "index.html").text
    area = (site / "gebiet" / "viertel" / "101.html").read_text(encoding="utf-8")
    assert "2018 <small>Stichtag 30.06.2018</small>" in area


def test_the_classes_of_an_index_stand_in_the_order_of_their_values(site: Path) -> None:
    text = Page(site / "indikator" / "lage.html").text
    assert "günstig (hell) bis ungünstig (dunkel)" in text
    legend = [text.index("hoch: \u22121,25 bis \u22120,25"), text.index("niedrig: 0,25 bis 1,25")]
    assert legend == sorted(legend)
    assert "Viertel je Klasse" in text


def test_levels_without_an_indicator_are_said_in_one_sentence(site: Path) -> None:
    index = Page(site / "indikator" / "lage.html").text
    assert "Diesen Indikator gibt es nur für: Viertel." in index
    assert "insgesamt" not in index
    assert "Diesen Indikator gibt es nur für" not in Page(site / "indikator" / "anteil.html").text
    district = Page(site / "gebiet" / "bezirk" / "1.html").text
    assert "Auf der Ebene Bezirk nicht berechnet: Menschen und Lage." in district
    assert "nicht berechnet" not in Page(site / "gebiet" / "viertel" / "101.html").text


def test_an_area_is_compared_with_the_region_but_the_region_not_with_itself(site: Path) -> None:
    area = Page(site / "gebiet" / "viertel" / "101.html").text
    assert "13,1" in area
    assert "kein Gesamtwert" in Page(site / "indikatoren.html").text
    whole = (site / "gebiet" / "stadt" / "05.html").read_text(encoding="utf-8")
    assert whole.count(">13,1\u00a0%<") == 1


def test_intervals_are_shown_only_where_there_are_some(site: Path) -> None:
    assert "Unsicherheit" in Page(site / "indikator" / "anteil.html").text
    assert "Unsicherheit" not in Page(site / "indikator" / "menschen.html").text


def test_sources_speak_german_and_fold_their_deliveries(site: Path) -> None:
    page = (site / "quellen.html").read_text(encoding="utf-8")
    assert "jährlich" in page
    assert "<summary>Alle Lieferungen (1)</summary>" in page
    assert "31.12.2018" in page


def test_the_document_is_also_a_pdf_with_bookmarks_and_tags(site: Path) -> None:
    needed("pango")
    html = (site / "basisbericht.html").read_text(encoding="utf-8")
    assert 'href="basisbericht.pdf"' in html
    pdf = (site / "basisbericht.pdf").read_bytes()
    parts = [
        zlib.decompress(part) for part in re.findall(rb"FlateDecode.*?stream\r?\n(.*?)\r?\nendstream", pdf, re.DOTALL)
    ]
    objects = b" ".join(parts)
    bookmarks = len(re.findall(rb"/Title ?[(<]", objects))
    chapters = len(re.findall(r"<h[23] id=", html))
    assert b"/Outlines" in objects
    assert bookmarks >= chapters > 10
    assert b"/StructTreeRoot" in objects
    assert b"/Lang" in objects
    pages = len(re.findall(rb"/Type ?/Page\b", objects))
    assert pages > 6
    assert str(site).encode() not in pdf + objects
    assert b"file:" not in objects


# -- the engine


def test_chained_queries_and_bound_parameters(small: Any) -> None:
    output = small(
        {
            "[area].md": page(
                query("select area, name from mart_area where edition = '2006' and level = 'viertel'", "areas")
                + query(
                    "select * from mart_indicator_value where edition = '2006' and period = '2018'",
                    "all_values",
                )
                + query("select * from ${all_values} as v where area = $area and indicator = 'menschen'", "own")
                + "{{ params.name }}: {{ value(own, 'value', 'number') }}\n",
                'title: "{{ params.name }}"',
            )
        }
    )
    assert len(list(output.glob("*.html"))) == 6
    assert "1.234" in (output / "101.html").read_text(encoding="utf-8")
    assert "250" in (output / f"{safe_file_name(INJECTION)}.html").read_text(encoding="utf-8")


def test_chained_queries_with_parameters_are_each_pages_own(small: Any) -> None:
    """Their rows lie in tables while a page is rendered; no page may see those of the one before."""
    output = small(
        {
            "[area].md": page(
                query("select area, name from mart_area where edition = '2006' and level = 'viertel'", "areas")
                + query("select * from mart_area as a where a.edition = '2006' and a.area = $area", "own")
                + query("select o.area, n.name from ${own} as o inner join ${areas} as n on o.area = n.area", "named")
                + query("select count(*) as n, min(area) as area from ${named} as x where name = $name", "counted")
                + "{{ own[0].area }}|{{ counted[0].n }}|{{ counted[0].area }}\n",
                'title: "T"',
            )
        }
    )
    texts = [file.read_text(encoding="utf-8") for file in output.glob("*.html")]
    said = [re.findall(r"<p>(.*)\|1\|(.*)</p>", text) for text in texts]
    assert len(said) == 6
    assert all(len(found) == 1 and found[0][0] == found[0][1] for found in said)
    assert len({found[0][0] for found in said}) == 6


def test_areas_the_query_leaves_out_are_drawn_without_a_value(small: Any) -> None:
    rows = query(
        "select level, area, name, 5.0 as value, 'published' as status from mart_area "
        "where edition = '2006' and level = 'viertel' and area < '201'"
    )
    text = (small(page(rows + "{{ map(rows, 'Karte') }}")) / "index.html").read_text(encoding="utf-8")
    assert "Öhringer Straße: ohne Angabe" in text
    assert "ohne Angabe <small>(4)</small>" in text
    assert "2 von 2 Gebieten haben einen Wert" in text


def test_rows_are_picked_by_several_columns(small: Any) -> None:
    rows = query("select level, area, name from mart_area where edition = '2006' order by area")
    picked = "{% for row in rows.where(level='bezirk', area='2') %}\n\n{{ row.name }}!\n\n{% endfor %}\n"
    assert "=cmd()!" in (small(page(rows + picked)) / "index.html").read_text(encoding="utf-8")


FAILURES = {
    "nothing picked": (
        page(query("select area from mart_area") + "{{ rows.where(area='nix') | length }}"),
        r'line 7, query "rows": no rows left by the filter',
    ),
    "picked by an unknown column": (
        page(query("select area from mart_area") + "{{ rows.where(name='x') | length }}"),
        r'line 7, query "rows": unknown column "name"; there are: area',
    ),
    "syntax": (page(query("selec 1") + "{{ rows }}"), r'index\.md, line 4, query "rows": .*syntax error'),
    "unknown table": (
        page(query("select * from mart_nix") + "{{ rows }}"),
        r'line 4, query "rows": .*mart_nix',
    ),
    "foreign table": (
        page(query("select * from information_schema.tables") + "{{ rows }}"),
        r'line 4, query "rows": a query may read mart_\* only, not "information_schema.tables"',
    ),
    "hidden in a subquery": (
        page(query("select * from mart_area where area in (select column_name from duckdb_columns())") + "{{ rows }}"),
        r'mart_\* only, not "duckdb_columns"',
    ),
    "a file": (page(query("select * from '/etc/passwd'") + "{{ rows }}"), r"mart_\* only"),
    "reading a file": (
        page(query("select * from read_csv('/etc/passwd')") + "{{ rows }}"),
        r'not "read_csv"',
    ),
    "not a select": (page(query("drop table mart_area") + "{{ rows }}"), "exactly one SELECT"),
    "two statements": (page(query("select 1; select 2") + "{{ rows }}"), "exactly one SELECT"),
    "missing reference": (
        page(query("select * from ${nix}") + "{{ rows }}"),
        r'line 4, query "rows": \$\{nix\} names no query of this page; there are: rows',
    ),
    "circle": (
        page(query("select * from ${b}", "a") + query("select * from ${a}", "b") + "{{ a }}"),
        r'line 4, query "a": queries refer to each other in a circle: a → b → a',
    ),
    "empty": (
        page(query("select area from mart_area where false") + "\n{{ rows }}"),
        r'index\.md, line 4, query "rows": the query has no rows, and the page declares no text',
    ),
    "a value of many rows": (
        page(query("select area from mart_area") + "\nText\nText {{ value(rows, 'name') }}\n"),
        r'index\.md, line 9, query "rows": value\(\) needs exactly one row',
    ),
    "unknown column in a table": (
        page(query("select area from mart_area") + "\n{{ table(rows, [\n  column('name', 'Name'),\n]) }}\n"),
        r'index\.md, line 8, query "rows": unknown column "name"; there are: area',
    ),
    "unknown column in a loop": (
        page(query("select area from mart_area") + "{% for row in rows %}\n\n{{ row.nix }}\n\n{% endfor %}\n"),
        r'index\.md, line 9, query "rows": unknown column "nix"; there are: area',
    ),
    "unknown area in a map": (
        page(
            query("select 'viertel' as level, '999' as area, 'n' as name, 1.0 as value, 'published' as status")
            + "{{ map(rows, 'Karte') }}"
        ),
        r'line 7, query "rows": unknown area key "999" on level "viertel"',
    ),
    "a value that should be hidden": (
        page(query("select 'n' as name, 7.0 as value, 'suppressed' as status") + "{{ bar_chart(rows, 'B') }}"),
        'status "suppressed" contradicts the value',
    ),
    "unknown reason": (
        page(
            query("select 'n' as name, null::double as value, 'missing' as status, 'lost' as reason")
            + "{{ table(rows, [column('value', 'Wert', 'measure')]) }}"
        ),
        'no words for reason "lost"',
    ),
    "unknown name": (page("Text\n\n{{ nix }}"), r'index\.md, line 6: unknown name "nix"'),
    "template syntax": (page("Text\n\n{% if %}"), r"index\.md, line 6: "),
    "python error": (page("\n\n{{ figures() }}"), r"index\.md, line 6: TypeError"),
    "unsafe attribute": (page("{{ figures.__globals__ }}"), r"index\.md, line 4: SecurityError"),
    "unused query": (page(query("select 1 as x")), r'line 4, query "rows": the query is never used'),
    "nameless query": (page("```sql\nselect 1\n```\n"), r"line 4: a query needs one name"),
    "double name": (page(query("select 1 as x") * 2 + "{{ rows }}"), r"line 7.*two queries of this name"),
    "component name": (page(query("select 1 as x", "table")), "taken by a component"),
    "dead link": (page("Text\n\n[hin](fort.md)"), r'index\.md, line 6: link to "fort\.md"'),
    "dead row link": (
        page(query("select 1 as x") + "{{ link('g/[x].md', rows[0], 'T') }}"),
        r'line 7: link to "g/\[x\]\.md", but there is no such page',
    ),
    "parameter without page": (page(query("select $x as x") + "{{ rows }}"), r"unknown parameter \$x"),
    "unknown key": (page("Text", "title: T\nicon: 3"), 'unknown key "icon"; allowed: title, kicker, menu, nav'),
    "double key": (
        page("Text", "title: T\ntitle: U"),
        "line 3: front matter: the key 'title' stands here a second time",
    ),
    "no title": (page("Text", "nav: 1"), "front matter needs a title"),
    "no front matter": ("Text", "must begin with front matter"),
    "text for no query": (page("Text", "title: T\nempty: {nix: Nichts}"), "names no query of this page: nix"),
}


@pytest.mark.parametrize("case", FAILURES)
def test_a_wrong_page_stops_everything(case: str, small: Any, tmp_path: Path) -> None:
    text, message = FAILURES[case]
    with pytest.raises(PageError, match=message):
        small(text)
    assert not (tmp_path / "site").exists()
    assert {path.name for path in tmp_path.iterdir()} == {"reports"}


def test_two_rows_for_one_page(small: Any) -> None:
    text = page(query("select 'a' as x from mart_area") + "{{ params.x }}")
    with pytest.raises(PageError, match=r'\[x\]\.md, line 4, query "rows": two rows for the same page: a'):
        small({"[x].md": text})


def test_two_pages_on_one_file(small: Any) -> None:
    text = page(query("select x from (values ('Ab'), ('aB')) as v (x)") + "{{ params.x }}")
    with pytest.raises(PageError, match="would be written twice"):
        small({"[x].md": text})


def test_declared_text_stands_in_for_an_empty_result(small: Any) -> None:
    text = page(
        query("select area from mart_area where false") + "{{ table(rows, [column('area', 'Gebiet')]) }}",
        "title: T\nempty: {rows: Nichts <da>.}",
    )
    assert '<p class="empty">Nichts &lt;da&gt;.</p>' in (small(text) / "index.html").read_text(encoding="utf-8")


def test_a_missing_mart_is_no_page_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        render_site(tmp_path / "none.duckdb", REPORTS, tmp_path / "site")


def test_an_output_in_use_is_left_alone(marts: Path, tmp_path: Path) -> None:
    (tmp_path / "keep.txt").write_text("x")
    with pytest.raises(FileExistsError):
        render_site(marts, REPORTS, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["keep.txt"]


def test_an_empty_release_still_renders(tmp_path: Path) -> None:
    path = tmp_path / "marts.duckdb"
    connection = duckdb.connect(str(path))
    for table, columns in TABLES.items():
        connection.execute(f"create table {table} ({columns})")
    connection.execute("insert into mart_region values ('r', 'Leer', 'EPSG:25832', 'g', '1', 'l', null, null)")
    connection.close()
    render_site(path, REPORTS, tmp_path / "site")
    assert "Es sind noch keine Indikatoren beschrieben." in (tmp_path / "site" / "indikatoren.html").read_text("utf-8")


# -- small functions


@pytest.mark.parametrize(
    ("value", "decimals", "text"),
    [
        (1234567.0, 0, "1.234.567"),
        (0.125, 2, "0,13"),
        (2.675, 2, "2,68"),
        (-0.04, 1, "0,0"),
        (-3.25, 1, "\u22123,3"),
        (12, 0, "12"),
        (0.5, None, "0,5"),
    ],
)
def test_format_number(value: float, decimals: int | None, text: str) -> None:
    assert format_number(value, decimals) == text


def test_format_number_refuses_what_is_none() -> None:
    with pytest.raises(PageError):
        format_number(float("nan"), 1)


@pytest.mark.parametrize(
    ("period", "text"),
    [
        ("2019", "2019"),
        ("2018-12-31", "31.12.2018"),
        ("2024-Q4", "4. Quartal 2024"),
        ("2024-H1", "1. Halbjahr 2024"),
        ("2024-03", "März 2024"),
        ("2019/2021", "2019 bis 2021"),
    ],
)
def test_format_period(period: str, text: str) -> None:
    assert format_period(period) == text


@pytest.mark.parametrize("value", ["../../etc/passwd", "/", "..", ".", "", "a/b", "a\\b", "con:", "\x00", "ä" * 400])
def test_safe_file_name_stays_in_its_folder(value: str) -> None:
    name = safe_file_name(value)
    assert re.fullmatch(r"[A-Za-z0-9_-]{1,100}", name)
    assert name != safe_file_name(value + "!")


def test_safe_file_name_keeps_a_plain_key() -> None:
    assert safe_file_name("01011101") == "01011101"


def test_quantile_breaks_keep_equal_values_together() -> None:
    assert quantile_breaks([0.0] * 8 + [1.0, 2.0]) == [0.0]
    assert quantile_breaks([5.0] * 4) == []
    assert quantile_breaks([float(number) for number in range(1, 11)]) == [2.0, 4.0, 6.0, 8.0]


def test_a_period_says_its_day_only_where_it_is_another() -> None:
    assert format_period("2013", date(2012, 12, 31)) == "2013 (Stichtag 31.12.2012)"
    assert format_period("2025-03-01", date(2024, 12, 31)) == "01.03.2025 (bezogen auf den 31.12.2024)"
    assert format_period("2018/2020", date(2020, 12, 31)) == "2018 bis 2020 (Stichtag 31.12.2020)"
    for period in ("2020-12-31", "2020", "2020-Q4", "2020-12"):
        assert "(" not in format_period(period, date(2020, 12, 31))


def test_a_profile_explains_the_signs_it_shows(site: Path) -> None:
    area = Page(site / "gebiet" / "viertel" / "101.html").text
    assert "Verlauf: steigt gesichert" in area
    assert "Verlauf: sinkt gesichert" not in area


def test_what_stands_beside_a_bar_fits_there() -> None:
    measures = [
        Measure(None, "missing", None, "liegt nicht vor: aus anderen Grenzen nicht zuverlässig umzurechnen", ""),
        Measure(12.5, "unreliable", None, "12,5 %", "eingeschränkt belastbar"),
    ]
    rows = charts.bars(["Ost", "West"], measures)["data"]["values"]
    assert [row["text"] for row in rows] == ["liegt nicht vor", "12,5 %*"]
    assert rows[1]["full"] == "West: 12,5 % (eingeschränkt belastbar)"


def test_the_whole_region_is_no_mark_among_counts(site: Path) -> None:
    assert "Die Linie zeigt" not in Page(site / "indikator" / "menschen.html").text
    assert "Die Linie zeigt Musterstadt" in Page(site / "indikator" / "anteil.html").text


def test_lines_break_nowhere_between_a_number_and_what_belongs_to_it() -> None:
    kept = keep_together("Hilfen (§ 28 SGB VIII) am 1. März, 5 % von 20 × 100; im 4. Kapitel 3 Jahre")
    assert kept.replace("\u00a0", "_") == "Hilfen (§_28 SGB_VIII) am 1._März, 5_% von 20 ×_100; im 4._Kapitel 3 Jahre"
    assert render_markdown("am 31. Dezember <b>") == "<p>am 31.\u00a0Dezember &lt;b&gt;</p>\n"


def test_names_may_break_after_a_slash_and_are_escaped_all_the_same() -> None:
    assert breakable("Altstadt") == "Altstadt"
    assert breakable("</th>_<script>") == "&lt;/<wbr>th&gt;_<wbr>&lt;script&gt;"


def test_names_with_commas_are_listed_with_semicolons() -> None:
    assert listing(["a"]) == "a"
    assert listing(["a", "b", "c"]) == "a, b und c"
    assert listing(["a", "b, c"]) == "a; b, c"


def test_keys_are_said_in_words() -> None:
    words = read_words(REPORTS / "words.yml")
    assert words.keys('[{"period": "2019-12-31", "area": "01"}]') == "Gebiet 01: 31.12.2019"
    assert words.keys('[{"period": "2019-12-31"}]') == "Zeitraum 31.12.2019"
    twice = '[{"level": "l", "period": "2019"}, {"level": "l", "period": "2020"}, {"level": "m", "period": "2019"}]'
    named = words.keys(twice, [{"kind": "level", "code": "l", "name": "Wohnplätze"}])
    assert named == "Ebene Wohnplätze: 2019, 2020;\nEbene m: 2019"
    assert words.keys('[{"einheit": 3}, ["a", 1]]') == "einheit 3;\na, 1"
    assert words.keys(None) == ""


def test_a_status_with_several_reasons_has_one_entry_in_the_legend() -> None:
    hidden = [Measure(None, "missing", None, f"liegt nicht vor: {reason}", "") for reason in ("kurz", "lang", "lang")]
    entries = colour(hidden).legend
    assert [(entry.label, entry.count) for entry in entries] == [("liegt nicht vor: kurz (1), lang (2)", None)]


def test_palette_gets_darker() -> None:
    for groups in (1, 2, 5, 12):
        shades = [sum(int(colour[place : place + 2], 16) for place in (1, 3, 5)) for colour in palette(groups)]
        assert len(shades) == groups
        assert shades == sorted(set(shades), reverse=True)


def test_markdown_from_data_is_harmless() -> None:
    html = render_markdown('<i onclick="x">a</i> [k](javascript:alert(1)) ![b](http://example.org/b.png)')
    assert "<i" not in html
    assert "<img" not in html
    assert 'href="javascript' not in html


def test_days_in_the_state_of_deliveries_have_no_clock(site: Path) -> None:
    assert "Uhr" not in (site / "lieferstatus.html").read_text(encoding="utf-8")


def test_a_delivery_that_follows_and_is_late_is_told(marts: Path, tmp_path: Path) -> None:
    late = tmp_path / "marts.duckdb"
    shutil.copy(marts, late)
    with duckdb.connect(str(late)) as connection:
        connection.execute("alter table mart_source add column due_days integer")
        connection.execute("update mart_source set due_days = 60")
        connection.execute("update mart_delivery set landed_at = '2020-03-02 10:00:00'")
    render_site(late, REPORTS, tmp_path / "site")
    text = (tmp_path / "site" / "lieferstatus.html").read_text(encoding="utf-8")
    assert "29.02.2020" in text
    assert '<span class="light overdue" aria-hidden="true"></span>überfällig</span>' in text
