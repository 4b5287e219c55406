"""All pages of a folder over one release, compiled once; each is filled in when asked for.

Reads   the release's ``marts.duckdb`` (tables ``mart_*`` only) and the folder of pages
        (``pages/**/*.md``, ``partials/*.md``, ``templates/*.html.j2``, ``words.yml``, ``marts.yml``).
Writes  nothing: ``build`` puts what comes out of here on disk.
"""

from __future__ import annotations

import hashlib
import posixpath
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from html import unescape
from pathlib import Path
from typing import Any

import jinja2
import jinja2.meta
from jinja2.sandbox import ImmutableSandboxedEnvironment
from markupsafe import Markup

from dagster_project.reports import outline, paged
from dagster_project.reports.components import Components
from dagster_project.reports.errors import PageError
from dagster_project.reports.kit import breakable
from dagster_project.reports.pages import PARAMETER, Page, read_page, render_markdown
from dagster_project.reports.queries import Database, Query, Result, Row, read_expected, resolve
from dagster_project.reports.series import Break, Breaks
from dagster_project.reports.shapes import Shapes
from dagster_project.reports.vega import Charts
from dagster_project.reports.wording import (
    as_text,
    format_day,
    format_number,
    format_period,
    listing,
    read_words,
    safe_file_name,
)

_GIVEN_NAMES = ("params", "region")
_ALWAYS_READ = ("mart_area", "mart_region", "mart_indicator_break")  # by maps, every page's frame, every time line


@dataclass(frozen=True)
class Rendered:
    """One page: its address below the site's top, its HTML, files beside it, and its entry for the search."""

    path: str
    html: str
    files: Mapping[str, bytes]
    entry: tuple[str, str, str] | None


@dataclass(frozen=True)
class _Compiled:
    """A page ready to render: its resolved queries, the names of those its texts use, its templates."""

    page: Page
    queries: Mapping[str, Query]
    used: tuple[str, ...]
    texts: Mapping[str, jinja2.Template]
    body: jinja2.Template


class Site:
    """The pages and what they share; see components.Surroundings for what it offers them.

    ``cache`` is a folder that keeps drawn charts from one build to the next. Raises PageError for anything wrong in a
    page or in the words file.
    """

    def __init__(self, folder: Path, marts: Path, cache: Path | None = None) -> None:
        self.folder = folder
        self._database = Database(marts, read_expected(folder / "marts.yml"))
        self.charts = Charts(cache)
        self.words = read_words(folder / "words.yml")
        strict: dict[str, Any] = {
            "undefined": jinja2.StrictUndefined,
            "trim_blocks": True,
            "lstrip_blocks": True,
        }
        loader = jinja2.FileSystemLoader(folder / "templates")
        self._templates = jinja2.Environment(loader=loader, autoescape=True, auto_reload=False, **strict)
        self._templates.filters.update(number=format_number, breakable=breakable)
        self._texts = ImmutableSandboxedEnvironment(autoescape=True, finalize=_finalize, **strict)
        self._texts.filters.update(
            number=format_number,
            day=format_day,
            period=format_period,
            keys=self.words.keys,
            markdown=render_markdown,
            word=lambda code, group: self.words.word(group, code),
            listing=lambda rows, column: listing([as_text(row[column]) for row in rows]),
        )
        self._results: dict[tuple[str, str], Result] = {}
        self._pages = {page.page.source: page for page in self._read_pages()}
        self._paged = any(page.page.head["pdf"] for page in self._pages.values()) and paged.possible()
        self._check_links()
        self._region = self._database.select("mart_region", "select * from mart_region").only("mart_region")
        self._variants = {source: self._list_variants(page) for source, page in self._pages.items()}
        # in the order of their parameters, in which large results are read best
        self._files = {
            source: [variants[key] for key in sorted(variants)] for source, variants in self._variants.items()
        }
        self._check_outputs()

    def close(self) -> None:
        """Let go of the marts."""
        self._database.close()

    @property
    def sources(self) -> tuple[str, ...]:
        """The page sources in their order."""
        return tuple(self._pages)

    def count(self, source: str) -> int:
        """How many files a page source becomes."""
        return len(self._files[source])

    def page(self, source: str) -> Page:
        """The page of this source."""
        return self._pages[source].page

    def becomes_pdf(self, source: str) -> bool:
        """Whether this page wants to be a PDF too, and can be one here."""
        return bool(self._paged and self.page(source).head["pdf"])

    def paths(self, source: str) -> list[str]:
        """The addresses of a page source's files, in the order of ``render``'s numbers."""
        return [path for path, _ in self._files[source]]

    @cached_property
    def _shared_digest(self) -> str:
        """What every page depends on: navigation and the addresses that links lead to."""
        addresses = sorted(path for source in self._pages for path in self.paths(source))
        return hashlib.sha256(repr([addresses, self._menu()]).encode()).hexdigest()

    @cached_property
    def _mart_digests(self) -> dict[str, str]:
        return {}

    def digest(self, source: str) -> str:
        """A hash of the page, of all marts it reads and of what it shares with the others."""
        compiled = self._pages[source]
        marts = sorted({*_ALWAYS_READ, *(mart for query in compiled.queries.values() for mart in query.marts)})
        for mart in marts:
            if mart not in self._mart_digests:
                self._mart_digests[mart] = self._database.digest(mart)
        page = compiled.page
        parts = [page.head, page.body, [query.sql for query in page.queries.values()], self._shared_digest, self._paged]
        return hashlib.sha256(repr([parts, [self._mart_digests[mart] for mart in marts]]).encode()).hexdigest()

    # -- for the components

    @cached_property
    def shapes(self) -> Shapes:
        """Geometry of the reporting edition, read at the first map."""
        return Shapes(
            self._database.select(
                "mart_area",
                "select a.level, a.level_rank, a.area, coalesce(a.name, a.area) as name, a.geometry "
                "from mart_area as a inner join mart_region as r "
                "on a.geography = r.geography and a.edition = r.reporting_edition and not a.is_unallocated "
                "order by a.level_rank, a.area",
            )
        )

    @cached_property
    def breaks(self) -> Breaks:
        """The declared breaks in the series of each indicator: no page can forget them."""
        rows = self._database.select(
            "mart_indicator_break", "select indicator, year, reason from mart_indicator_break order by indicator, year"
        )
        found: dict[str, list[Break]] = {}
        for row in rows:
            found.setdefault(row["indicator"], []).append(Break(row["year"], str(row["reason"])))
        return found

    def fill(self, template: str, context: Mapping[str, Any]) -> Markup:
        """The template of this name, filled in."""
        text = self._templates.get_template(f"{template}.html.j2").render(context)
        return Markup(text)  # noqa: S704 - the template has escaped it

    def href(self, target: str, row: Row, root: str) -> str | None:
        """Relative address of the file made from ``target`` for this row; None if a parameter is null."""
        if target not in self._pages:
            raise PageError(f'link to "{target}", but there is no such page')
        values = tuple(row[name] for name in self._pages[target].page.parameters)
        if any(value is None for value in values):
            return None
        if values not in self._variants[target]:
            raise PageError(f'link to "{target}", but there is no page for {", ".join(map(str, values))}')
        return root + self._variants[target][values][0]

    # -- preparing

    def _read_pages(self) -> list[_Compiled]:
        root = self.folder / "pages"
        reserved = (*Components.names(), *_GIVEN_NAMES)
        pages = []
        for path in sorted(root.rglob("*.md")):
            page = read_page(path, path.relative_to(root).as_posix(), reserved, self.folder / "partials")
            pages.append(self._compile(page))
        if not pages:
            raise PageError("there are no pages", page=str(root))
        return pages

    def _compile(self, page: Page) -> _Compiled:
        """Resolve queries, compile title and body, and refuse names nobody defines and queries nobody uses."""
        try:
            queries = resolve(page.queries, self._database)
        except PageError as error:
            raise PageError(error.message, *page.place(error.line), error.query) from None
        texts, names = {}, set()
        for key in ("title", "kicker", "search"):
            texts[key], found = self._compile_text(page, str(page.head[key] or ""), lambda _: (page.source, 1))
            names |= found
        body, in_body = self._compile_text(page, page.body, lambda line: page.place(page.lines[line - 1]))
        used = tuple(name for name in queries if name in names | in_body)
        chained = {name for query in queries.values() for name in query.reads}
        listing_query = page.first_query.name if page.parameters else None
        for query in queries.values():
            partial = page.place(query.line)[0] != page.source  # a partial may offer more than this page needs
            if query.name not in {*used, *chained, listing_query} and not partial:
                raise PageError("the query is never used", *page.place(query.line), query.name)
        if listing_query and queries[listing_query].bound:
            message = "the first query lists the pages and takes no $parameter"
            raise PageError(message, *page.place(page.first_query.line), listing_query)
        return _Compiled(page, queries, used, texts, body)

    def _compile_text(
        self, page: Page, text: str, place: Callable[[int], tuple[str, int | None]]
    ) -> tuple[jinja2.Template, set[str]]:
        """A template and the names it takes from outside."""
        given = {*page.queries, *Components.names(), "region", *(["params"] if page.parameters else [])}
        try:
            tree = self._texts.parse(text, page.source)
            code = self._texts.compile(text, page.source, page.source)
        except jinja2.TemplateSyntaxError as error:
            raise PageError(error.message or "syntax error", *place(error.lineno)) from None
        names = jinja2.meta.find_undeclared_variables(tree) - set(self._texts.globals)
        for node in tree.find_all(jinja2.nodes.Name):
            if node.name in names - given:
                message = f'unknown name "{node.name}"; queries: {", ".join(page.queries)}'
                raise PageError(message, *place(node.lineno))
        template = self._texts.template_class.from_code(self._texts, code, self._texts.make_globals(None))
        return template, names

    def _check_links(self) -> None:
        for source, compiled in self._pages.items():
            for href, line in compiled.page.links:
                target = posixpath.normpath(posixpath.join(posixpath.dirname(source), href))
                if target not in self._pages:
                    raise PageError(f'link to "{href}", but there is no such page', *compiled.page.place(line))

    def _list_variants(self, compiled: _Compiled) -> dict[tuple[Any, ...], tuple[str, Row | None]]:
        """Parameter values → (output path, row of the first query)."""
        page = compiled.page
        if not page.parameters:
            return {(): (page.source[: -len(".md")] + ".html", None)}
        query = page.first_query
        variants: dict[tuple[Any, ...], tuple[str, Row | None]] = {}
        result = self._run(compiled, query.name, None, set())
        try:
            result.require(page.parameters)
            for row in result:
                values = tuple(row[name] for name in page.parameters)
                if any(value is None or value == "" for value in values):
                    raise PageError(f"a [parameter] is empty: {values}")
                if values in variants:
                    raise PageError(f"two rows for the same page: {', '.join(map(str, values))}")
                variants[values] = (_output_path(page, row), row)
        except PageError as error:
            raise error.at(*page.place(query.line), query.name) from None
        return variants

    def _check_outputs(self) -> None:
        """No two pages may fall on one file, not even on a file system that ignores case."""
        seen: dict[str, str] = {}
        for source, variants in self._variants.items():
            for path, _ in variants.values():
                if path.casefold() in seen:
                    other = seen[path.casefold()]
                    raise PageError(f'"{path}" would be written twice, also by "{other}"', source)
                seen[path.casefold()] = source

    # -- rendering

    def render(self, source: str, number: int) -> Rendered:
        """The ``number``-th file of a page source."""
        compiled = self._pages[source]
        path, row = self._files[source][number]
        page = compiled.page
        root = "../" * path.count("/")
        components = Components(self, root, path)
        context: dict[str, Any] = {name: getattr(components, name) for name in Components.names()}
        context |= {"region": self._region, "params": row}
        kept: set[str] = set()
        context |= {name: self._run(compiled, name, row, kept) for name in compiled.used}
        said = {
            key: _fill_text(page, template, context, lambda _: (page.source, 1)).strip()
            for key, template in compiled.texts.items()
        }
        content = _fill_text(page, compiled.body, context, lambda line: page.place(page.lines[line - 1]))
        frame = {
            **said,
            "content": outline.finish(content),
            "root": root,
            "region": self._region.as_dict(),
            "navigation": self._navigation(page, root),
            "pdf": paged.name_of(posixpath.basename(path)) if self.becomes_pdf(source) else "",
        }
        html = self.fill(page.head["layout"] or "layout", frame)
        entry = (unescape(said["title"]), unescape(said["search"]), path) if said["search"] else None
        return Rendered(path, str(html), components.files, entry)

    def _run(self, compiled: _Compiled, name: str, row: Row | None, kept: set[str]) -> Result:
        """The query's rows for this page; a query without parameters runs once for all pages of a source.

        ``kept`` are the chained queries whose rows this page has in tables already.
        """
        page, query = compiled.page, compiled.queries[name]
        if (page.source, name) in self._results:
            return self._results[page.source, name]
        try:
            available = row.as_dict() if row is not None else {}
            unknown = sorted(query.bound - set(available))
            if unknown:
                known = ", ".join(f"${name}" for name in available) or "none on this page"
                raise PageError(f"unknown parameter ${unknown[0]}; there are: {known}")
            for other in (compiled.queries[step] for step in query.kept if step not in kept):
                self._database.keep(other.name, other.sql, {parameter: available[parameter] for parameter in other.own})
                kept.add(other.name)
            bound = {parameter: available[parameter] for parameter in query.own}
            if row is not None and not query.bound:
                result = self._database.store(name, query.sql, page.empty.get(name))
            else:
                result = self._database.select(name, query.sql, bound, page.empty.get(name))
            if not result and result.empty is None:
                raise PageError("the query has no rows, and the page declares no text for that (empty:)")
        except PageError as error:
            raise error.at(*page.place(query.line), name) from None
        if not query.bound:
            self._results[page.source, name] = result
        return result

    def _menu(self) -> list[tuple[int | None, str, str, str | None]]:
        """Place, source, title and section of the pages that the frame of every page links to."""
        pages = [compiled.page for compiled in self._pages.values() if not compiled.page.parameters]
        return sorted(
            ((page.head["nav"], page.source, page.head["menu"] or page.title, page.head["section"]) for page in pages),
            key=lambda entry: (entry[0] is None, entry[0] or 0, entry[1]),
        )

    def _navigation(self, current: Page, root: str) -> list[dict[str, Any]]:
        return [
            {
                "href": root + self._variants[source][()][0],
                "title": title,
                "main": place is not None,
                "section": section,
                "current": source == current.source,
            }
            for place, source, title, section in self._menu()
        ]


def _output_path(page: Page, row: Row) -> str:
    path = PARAMETER.sub(lambda match: safe_file_name(str(row[match[1]])), page.source)
    return path[: -len(".md")] + ".html"


def _fill_text(
    page: Page,
    template: jinja2.Template,
    context: Mapping[str, Any],
    place: Callable[[int], tuple[str, int | None]],
) -> Markup:
    """Render a page's own text; whatever goes wrong becomes a PageError with the line of the page."""
    try:
        return Markup(template.render(context))  # noqa: S704 - the template has escaped it
    except Exception as error:
        frames = traceback.extract_tb(error.__traceback__)
        lines = [frame.lineno for frame in frames if frame.filename == page.source and frame.lineno]
        where = place(lines[-1]) if lines else (page.source, None)
        if isinstance(error, PageError):
            raise error.at(*where) from None
        raise PageError(f"{type(error).__name__}: {error}", *where) from error


def _finalize(value: Any) -> Any:
    """How a bare ``{{ value }}`` reads in a page's text."""
    if isinstance(value, (Markup, jinja2.Undefined)):
        return value
    return "" if value is None else as_text(value)
