"""The site in a real browser: keyboard, sorting, search, download, print, accessibility.

Drives the Chromium of the operating system, opened from a folder and without network, as a reader without a server
would. Skipped where there is no Chromium; with CI=true its absence is an error.
"""

from __future__ import annotations

import csv
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest
from capabilities import chromium, needed
from report_marts import EVIL, FORMULA, REPORTS, write_marts

from dagster_project.reports import format_number, render_site

FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip
PAPER = 687  # px: an A4 page less its margins
PAGE_TYPES = (
    "index.html", "gebiete.html", "indikatoren.html", "berichte.html", "gebiet/viertel/101.html",
    "gebiet/stadt/05.html", "indikator/anteil.html", "indikator/lage.html", "gemeindeprofil/05.html",
    "basisbericht.html",
    "faktencheck-kinderarmut.html", "lieferstatus.html", "datenqualitaet.html", "quellen.html", "methoden.html",
    "glossar.html", "lesehilfe.html", "suche.html?q=neustadt",
)  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def _a_browser() -> None:
    needed("chromium")


@pytest.fixture(scope="module")
def marts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_marts(tmp_path_factory.mktemp("marts") / "marts.duckdb")


@pytest.fixture(scope="module")
def site(marts: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The real pages, and one more with the components that none of them uses."""
    folder = tmp_path_factory.mktemp("reports") / "reports"
    shutil.copytree(REPORTS, folder)
    (folder / "pages" / "bausteine.md").write_text(PARTS, encoding="utf-8")
    output = tmp_path_factory.mktemp("out") / "site"
    render_site(marts, folder, output)
    return output


PARTS = """---
title: Bausteine
---

```sql rows
select a.name, a.level, a.area, 10.0 as value, 'published' as status, 1 as decimals, '%' as unit_label
from mart_area as a where a.edition = '2006' and a.level = 'viertel' order by german_order(a.name)
```

```sql everything
select level, name from mart_area where edition = '2006' order by area
```

{{ table(everything, [column("name", "Name"), column("level", "Ebene")], caption="Alles") }}

{% call tabs() %}
{% call tab("Balken") %}
{{ bar_chart(rows, "Balken") }}
{% endcall %}
{% call tab("Text") %}
Der zweite Teil.
{% endcall %}
{% endcall %}

{% call details("Mehr dazu") %}
Aufgeklappt.
{% endcall %}

{% call alert(kind="warning") %}
Vorsicht mit **kleinen** Zahlen.
{% endcall %}
"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    needed("chromium")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium(), args=FLAGS)
        yield started
        started.close()


@pytest.fixture(scope="module")
def context(browser: Any) -> Iterator[Any]:
    made = browser.new_context(accept_downloads=True, locale="de-DE", offline=True)
    yield made
    made.close()


@pytest.fixture
def tab(context: Any) -> Iterator[Any]:
    """An empty tab that must not complain and must not ask for anything from elsewhere."""
    page = context.new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda request: complaints.append(request.url) if request.url.startswith("http") else None)
    yield page
    page.close()
    assert complaints == []


def address(site: Path, page: str) -> str:
    return (site / page.split("?")[0]).as_uri() + ("?" + page.split("?")[1] if "?" in page else "")


# -- every page type


@pytest.mark.parametrize("page", [*PAGE_TYPES, "bausteine.html"])
def test_axe_finds_nothing(page: str, site: Path, tab: Any) -> None:
    from axe_playwright_python.sync_playwright import Axe

    tab.set_viewport_size({"width": 1280, "height": 900})
    tab.goto(address(site, page))
    for width in (1280, 360):
        tab.set_viewport_size({"width": width, "height": 900})
        rules = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"]
        found = Axe().run(tab, options={"runOnly": rules, "preload": False})
        told = [
            (item["id"], item["help"], [node["html"][:160] for node in item["nodes"]][:3])
            for item in found.response["violations"]
        ]
        assert told == [], f"{page} at {width} px"


@pytest.mark.parametrize("width", [360, 800, 1280])
def test_nothing_is_wider_than_the_screen_and_nothing_jumps(width: int, site: Path, tab: Any) -> None:
    tab.set_viewport_size({"width": width, "height": 800})
    tab.add_init_script(
        "window.moved = 0; new PerformanceObserver((list) => { for (const entry of list.getEntries()) "
        "window.moved += entry.value; }).observe({type: 'layout-shift', buffered: true});"
    )
    for page in PAGE_TYPES:
        tab.goto(address(site, page))
        wider = tab.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert wider <= 0, page
        assert tab.evaluate("window.moved") < 0.02, page
        tab.evaluate("document.querySelectorAll('details').forEach((part) => { part.open = true; })")
        cut = "[...document.querySelectorAll('.scroll')].filter((e) => e.scrollWidth > e.clientWidth + 1)"
        assert tab.evaluate(f"{cut}.filter((e) => !e.closest('.heat')).map((e) => e.textContent.slice(0, 80))") == [], (
            page
        )


@pytest.mark.parametrize("width", [360, 1280])
def test_nothing_jumps_where_the_scripts_come_late(width: int, site: Path, tab: Any) -> None:
    def late(route: Any) -> None:
        tab.wait_for_timeout(300)
        route.continue_()

    tab.route("**/site.js", late)
    tab.set_viewport_size({"width": width, "height": 800})
    tab.add_init_script(
        "window.moved = 0; new PerformanceObserver((list) => { for (const entry of list.getEntries()) "
        "window.moved += entry.value; }).observe({type: 'layout-shift', buffered: true});"
    )
    for page in ("gemeindeprofil/05.html", "bausteine.html"):
        tab.goto(address(site, page))
        tab.wait_for_selector(".tools button")
        tab.wait_for_timeout(100)
        assert tab.evaluate("window.moved") < 0.02, page


def test_every_page_of_the_reports_is_among_the_page_types() -> None:
    root = REPORTS / "pages"
    for page in root.rglob("*.md"):
        form = re.sub(r"\\\[\w+\\\]", "[^/]+", re.escape(page.relative_to(root).with_suffix(".html").as_posix()))
        assert any(re.fullmatch(form, shown.split("?")[0]) for shown in PAGE_TYPES), page


def test_labels_of_charts_can_be_read_on_a_telephone(site: Path, tab: Any) -> None:
    tab.set_viewport_size({"width": 360, "height": 800})
    for page in ("gebiet/viertel/101.html", "indikator/anteil.html", "faktencheck-kinderarmut.html"):
        tab.goto(address(site, page))
        sizes = tab.evaluate(
            "[...document.querySelectorAll('.drawing svg text')].filter((text) => text.textContent).map((text) => "
            "parseFloat(getComputedStyle(text).fontSize) * Math.hypot(text.getScreenCTM().a, text.getScreenCTM().b))"
        )
        assert sizes or page.startswith("faktencheck"), page
        assert all(size >= 9 for size in sizes), (page, min(sizes))


def test_a_traffic_light_stands_beside_its_word(site: Path, tab: Any) -> None:
    for width in (360, 1280):
        tab.set_viewport_size({"width": width, "height": 800})
        tab.goto(address(site, "datenqualitaet.html"))
        apart = tab.evaluate(
            "[...document.querySelectorAll('.signed')].map((both) => { const range = document.createRange(); "
            "range.selectNode(both.lastChild); const light = both.firstChild.getBoundingClientRect(), "
            "word = range.getBoundingClientRect(); return word.left - light.right; })"
        )
        assert apart, width
        assert all(0 <= space < 20 for space in apart), (width, apart)


def test_pages_are_readable_without_javascript(site: Path, browser: Any) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(address(site, "gebiet/viertel/101.html"))
    assert page.locator("table.profile tbody tr:not(.group)").count() == 3
    assert page.locator("text=10,3\u00a0%").first.is_visible()
    assert page.locator(".drawing svg").first.is_visible()
    page.goto(address(site, "bausteine.html"))
    assert page.locator("text=Der zweite Teil.").is_visible()
    context.close()


# -- finding things


@pytest.mark.parametrize("width", [360, 1280])
def test_three_clicks_from_the_start_to_a_figure(width: int, site: Path, tab: Any) -> None:
    tab.set_viewport_size({"width": width, "height": 800})
    tab.goto(address(site, "index.html"))
    tab.click("nav.main >> text=Gebiete")
    tab.click(".tree summary >> text=Nord")
    tab.click(".tree >> text=Äußere Neustadt")
    assert tab.locator("h1").inner_text() == "Äußere Neustadt"
    assert tab.locator("#anteil").inner_text().startswith("Ältere")


@pytest.mark.parametrize(
    ("asked", "first"),
    [
        ("neustadt", "gebiet/viertel/101.html"),
        ("aussere neu", "gebiet/viertel/101.html"),
        ("Äußere Neustadt", "gebiet/viertel/101.html"),
        ("oehringer", "gebiet/viertel/201.html"),
        ("lage-index", "indikator/lage.html"),
        ("neustadt älteren", "gebiet/viertel/101.html#anteil"),
        ("anteil altstadt", "gebiet/viertel/202.html#anteil"),
    ],
)
def test_the_search_finds_areas_topics_and_both(asked: str, first: str, site: Path, tab: Any) -> None:
    tab.goto(address(site, "index.html"))
    tab.fill("#suchfeld", asked)
    tab.press("#suchfeld", "Enter")
    tab.wait_for_selector(".results li")
    link = tab.locator(".results a").first
    assert link.get_attribute("href") == first
    link.click()
    assert tab.url == address(site, first.split("#")[0]) + ("#" + first.split("#")[1] if "#" in first else "")
    if "#" in first:
        assert tab.locator("#anteil").is_visible()


def test_the_search_works_on_a_telephone(site: Path, tab: Any) -> None:
    tab.set_viewport_size({"width": 360, "height": 700})
    tab.goto(address(site, "gebiet/viertel/202.html"))
    tab.fill("#suchfeld", "neustadt älteren")
    tab.click("form.search button")
    tab.locator(".results a").first.click()
    assert tab.url == address(site, "gebiet/viertel/101.html") + "#anteil"
    assert tab.locator("#anteil").is_visible()


def test_a_search_without_result_says_so(site: Path, tab: Any) -> None:
    tab.goto(address(site, "suche.html?q=" + "xyzzy"))
    tab.wait_for_selector("text=Kein Treffer")
    tab.fill("#suchfeld", "<img src=x onerror=alert(1)>")
    tab.wait_for_selector("text=Kein Treffer")


def test_a_hostile_name_is_only_a_name(site: Path, tab: Any) -> None:
    tab.goto(address(site, "suche.html?q=script"))
    tab.wait_for_selector(".results li")
    assert tab.locator(".results a").first.inner_text() == EVIL
    assert tab.evaluate("document.querySelectorAll('.results script').length") == 0


# -- tables


def first_column(tab: Any, table: Any) -> list[str]:
    return [text.strip() for text in table.locator("tbody tr:visible th[scope=row]").all_inner_texts()]


def test_a_table_is_sorted_searched_and_saved_as_it_is_shown(site: Path, tab: Any, tmp_path: Path, marts: Path) -> None:
    tab.goto(address(site, "indikator/anteil.html"))
    tab.click("figure.map details.values summary")
    table = tab.locator("figure.map table[data-file]")
    assert table.count() == 0  # six rows need no tools
    tab.goto(address(site, "gemeindeprofil/05.html"))
    heat = tab.locator("figure.heat").first
    table = heat.locator("table[data-file]")
    before = first_column(tab, table)
    heads = table.locator("thead button.sort")
    heads.nth(0).click()
    up = first_column(tab, table)
    heads.nth(0).click()
    down = first_column(tab, table)
    assert up == down[::-1]
    assert sorted(up) == sorted(before)
    assert up.index("Altstadt") < up.index("Äußere Neustadt") < up.index("Öhringer Straße") < up.index("Übersee")
    assert table.locator("th[aria-sort=descending]").count() == 1
    heat.locator(".tools input").fill("straße")
    assert set(first_column(tab, table)) == {"Öhringer Straße"}
    heat.locator(".tools input").fill("")
    with tab.expect_download() as download:
        heat.locator(".tools button").click()
    saved = tmp_path / "saved.csv"
    download.value.save_as(saved)
    rows = list(csv.reader(saved.read_text(encoding="utf-8-sig").splitlines(), delimiter=";"))
    assert [row[0] for row in rows[1:]] == down
    with duckdb.connect(str(marts), read_only=True) as connection:
        values = dict(
            connection.execute(
                "select a.name, v.value from mart_indicator_value as v inner join mart_area as a "
                "using (geography, edition, level, area) where v.edition = '2006' and v.level = 'viertel' "
                "and v.period = '2018' and v.indicator = 'anteil'"
            ).fetchall()
        )
    column = next(place for place, head in enumerate(rows[0]) if head.startswith("Ältere"))
    shown = {row[0]: row[column] for row in rows[1:]}
    assert len(shown) == len(values) == 6
    for name, value in values.items():
        if value is None:
            assert not re.search(r"\d", shown[name])
        else:
            assert shown[name].rstrip("°*") == format_number(value, 1)


def test_saved_texts_are_no_formulas(site: Path, tab: Any, tmp_path: Path) -> None:
    tab.goto(address(site, "bausteine.html"))
    assert tab.locator(f"td:text-is('{FORMULA}'), th:text-is('{FORMULA}')").count() == 1
    with tab.expect_download() as download:
        tab.click(".tools button")
    download.value.save_as(tmp_path / "saved.csv")
    files = [*site.rglob("*.csv"), tmp_path / "saved.csv"]
    assert len(files) > 9
    texts = {file: file.read_text(encoding="utf-8-sig") for file in files}
    assert not [file for file, text in texts.items() if re.search(r'(?m)(?:^|;)"?(?:[=+@\t\r]|-(?!\d))', text)]
    assert f"'{FORMULA}" in texts[tmp_path / "saved.csv"]


# -- keyboard and pointer


def test_the_keyboard_reaches_skip_link_search_navigation_and_charts(site: Path, tab: Any) -> None:
    tab.goto(address(site, "gebiet/viertel/101.html"))
    seen = []
    for _ in range(40):
        tab.keyboard.press("Tab")
        seen.append(tab.evaluate("document.activeElement.outerHTML.slice(0, 120)"))
    assert 'class="skip"' in seen[0]
    for wanted in ('id="suchfeld"', "Indikatoren", "<summary>", 'class="scroll"'):
        assert any(wanted in element for element in seen), wanted
    tab.goto(address(site, "gebiet/viertel/101.html"))
    tab.keyboard.press("Tab")
    tab.keyboard.press("Enter")
    assert tab.evaluate("document.activeElement.id") == "hauptteil"


def test_tabs_follow_the_arrow_keys(site: Path, tab: Any) -> None:
    tab.goto(address(site, "bausteine.html"))
    assert not tab.locator("text=Der zweite Teil.").is_visible()
    tab.focus("[role=tab] >> nth=0")
    tab.keyboard.press("ArrowRight")
    assert tab.locator("text=Der zweite Teil.").is_visible()
    assert tab.evaluate("document.activeElement.textContent") == "Text"


def test_a_chart_answers_the_pointer_and_keeps_its_place(site: Path, tab: Any) -> None:
    tab.set_viewport_size({"width": 900, "height": 900})
    tab.goto(address(site, "gebiet/viertel/101.html"))
    drawing = tab.locator("figure.chart .drawing").first
    drawing.scroll_into_view_if_needed()
    before = drawing.locator("svg").bounding_box()
    drawing.hover()
    tab.wait_for_selector(".drawing .vega-embed svg")
    after = drawing.locator("svg").bounding_box()
    assert all(abs(before[key] - after[key]) < 2 for key in before)
    point = drawing.locator("svg path[aria-label], svg .mark-symbol path").last
    point.hover(force=True)
    tab.wait_for_selector("#vg-tooltip-element.visible")
    assert re.search(r"\d{4}: [\d.]+\u00a0Personen", tab.locator("#vg-tooltip-element").inner_text())


# -- print


def pages_of(pdf: bytes) -> int:
    return len(re.findall(rb"/Type\s*/Page[^s]", pdf))


def test_a_profile_is_printed_on_two_pages_at_most(site: Path, tab: Any) -> None:
    tab.goto(address(site, "gebiet/viertel/101.html"))
    assert 1 <= pages_of(tab.pdf(prefer_css_page_size=True)) <= 2
    tab.set_viewport_size({"width": PAPER, "height": 1000})
    tab.emulate_media(media="print")
    assert tab.evaluate("document.documentElement.scrollWidth") <= PAPER  # else all of it is printed smaller
    tab.emulate_media(media="screen")
    tab.goto(address(site, "faktencheck-kinderarmut.html"))
    assert pages_of(tab.pdf(prefer_css_page_size=True)) <= 2
