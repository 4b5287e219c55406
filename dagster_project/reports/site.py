"""All pages of a folder over one release, compiled once and written as plain HTML.

Reads   the release's ``marts.duckdb`` (tables ``mart_*`` only) and the folder of pages
        (``pages/**/*.md``, ``templates/*.html.j2``, ``static/*``, ``words.yml``).
Writes  the finished site below the output folder, all of it or nothing.
"""

from __future__ import annotations

import posixpath
import shutil
import tempfile
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import jinja2
import jinja2.meta
from jinja2.sandbox import ImmutableSandboxedEnvironment
from markupsafe import Markup

from dagster_project.reports.components import Components
from dagster_project.reports.errors import PageError
from dagster_project.reports.pages import PARAMETER, Page, read_page, render_markdown
from dagster_project.reports.queries import Database, Query, Result, Row, resolve
from dagster_project.reports.shapes import Shapes
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


@dataclass(frozen=True)
class SiteReport:
    """What was rendered: the folder, the number of files per page source, and the size in bytes."""

    output: Path
    pages: Mapping[str, int]
    bytes_written: int


def render_site(marts: Path, pages: Path, output: Path) -> SiteReport:
    """Render every page of the folder ``pages`` from the file ``marts`` into ``output``.

    ``output`` must not exist or be an empty folder (else FileExistsError); it is put in place in one step at
    the end, so an error leaves it as it was.  Raises PageError for anything wrong in a page, in the data it
    shows or in the words file, and FileNotFoundError if ``marts`` or ``pages`` is missing.
    """
    if not marts.is_file():
        raise FileNotFoundError(f"no marts at {marts}")
    if not (pages / "pages").is_dir():
        raise FileNotFoundError(f"no folder 'pages' in {pages}")
    if output.exists() and any(output.iterdir()):
        raise FileExistsError(f"{output} is not empty")
    output.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=".site-", dir=output.parent))
    try:
        with Database(marts) as database:
            site = _Site(pages, database)
            written = site.write(scratch)
        scratch.chmod(0o755)
        if output.exists():
            output.rmdir()
        scratch.replace(output)
    except BaseException:
        shutil.rmtree(scratch, ignore_errors=True)
        raise
    return SiteReport(output, site.counts, written)


@dataclass(frozen=True)
class _Compiled:
    """A page ready to render: its resolved queries, the names of those its text uses, its two templates."""

    page: Page
    queries: Mapping[str, Query]
    used: tuple[str, ...]
    title: jinja2.Template
    body: jinja2.Template


class _Site:
    """The pages and what they share; see components.Surroundings for what it offers them."""

    def __init__(self, folder: Path, database: Database) -> None:
        self._folder = folder
        self._database = database
        self.words = read_words(folder / "words.yml")
        strict: dict[str, Any] = {
            "undefined": jinja2.StrictUndefined,
            "trim_blocks": True,
            "lstrip_blocks": True,
        }
        loader = jinja2.FileSystemLoader(folder / "templates")
        self._templates = jinja2.Environment(loader=loader, autoescape=True, auto_reload=False, **strict)
        self._templates.filters["number"] = format_number
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
        self._check_links()
        self._region = self._database.select("mart_region", "select * from mart_region").only("mart_region")
        self._variants = {source: self._list_variants(page) for source, page in self._pages.items()}
        self._check_outputs()

    @property
    def counts(self) -> dict[str, int]:
        """Files per page source."""
        return {source: len(variants) for source, variants in self._variants.items()}

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
        root = self._folder / "pages"
        reserved = (*Components.names(), *_GIVEN_NAMES)
        pages = []
        for path in sorted(root.rglob("*.md")):
            page = read_page(path, path.relative_to(root).as_posix(), reserved)
            pages.append(self._compile(page))
        if not pages:
            raise PageError("there are no pages", page=str(root))
        return pages

    def _compile(self, page: Page) -> _Compiled:
        """Resolve queries, compile title and body, and refuse names nobody defines and queries nobody uses."""
        try:
            queries = resolve(page.queries, self._database)
        except PageError as error:
            raise error.at(page.source) from None
        title, in_title = self._compile_text(page, page.title, lambda _: 1)
        body, in_body = self._compile_text(page, page.body, lambda line: page.lines[line - 1])
        used = tuple(name for name in queries if name in in_title | in_body)
        chained = {name for query in queries.values() for name in query.reads}
        listing_query = page.first_query.name if page.parameters else None
        for query in queries.values():
            if query.name not in {*used, *chained, listing_query}:
                raise PageError("the query is never used", page.source, query.line, query.name)
        if listing_query and queries[listing_query].bound:
            raise PageError(
                "the first query lists the pages and takes no $parameter",
                page.source,
                page.first_query.line,
                listing_query,
            )
        return _Compiled(page, queries, used, title, body)

    def _compile_text(self, page: Page, text: str, line_of: Callable[[int], int]) -> tuple[jinja2.Template, set[str]]:
        """A template and the names it takes from outside."""
        given = {*page.queries, *Components.names(), "region", *(["params"] if page.parameters else [])}
        try:
            tree = self._texts.parse(text, page.source)
            code = self._texts.compile(text, page.source, page.source)
        except jinja2.TemplateSyntaxError as error:
            raise PageError(error.message or "syntax error", page.source, line_of(error.lineno)) from None
        names = jinja2.meta.find_undeclared_variables(tree) - set(self._texts.globals)
        for node in tree.find_all(jinja2.nodes.Name):
            if node.name in names - given:
                message = f'unknown name "{node.name}"; queries: {", ".join(page.queries)}'
                raise PageError(message, page.source, line_of(node.lineno))
        template = self._texts.template_class.from_code(self._texts, code, self._texts.make_globals(None))
        return template, names

    def _check_links(self) -> None:
        for source, compiled in self._pages.items():
            for href, line in compiled.page.links:
                target = posixpath.normpath(posixpath.join(posixpath.dirname(source), href))
                if target not in self._pages:
                    raise PageError(f'link to "{href}", but there is no such page', source, line)

    def _list_variants(self, compiled: _Compiled) -> dict[tuple[Any, ...], tuple[str, Row | None]]:
        """Parameter values → (output path, row of the first query)."""
        page = compiled.page
        if not page.parameters:
            return {(): (page.source[: -len(".md")] + ".html", None)}
        query = page.first_query
        variants: dict[tuple[Any, ...], tuple[str, Row | None]] = {}
        result = self._run(compiled, query.name, None)
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
            raise error.at(page.source, query.line, query.name) from None
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

    def write(self, folder: Path) -> int:
        """Write all pages and static files into ``folder``; returns the number of bytes."""
        written = 0
        for source, compiled in self._pages.items():
            for path, row in self._variants[source].values():
                target = folder / path
                target.parent.mkdir(parents=True, exist_ok=True)
                written += target.write_bytes(self._render(compiled, path, row).encode())
        static = self._folder / "static"
        for file in sorted(path for path in static.rglob("*") if path.is_file()):
            target = folder / "static" / file.relative_to(static)
            target.parent.mkdir(parents=True, exist_ok=True)
            written += target.write_bytes(file.read_bytes())
        return written

    def _render(self, compiled: _Compiled, path: str, row: Row | None) -> str:
        page = compiled.page
        root = "../" * path.count("/")
        components = Components(self, root)
        context: dict[str, Any] = {name: getattr(components, name) for name in Components.names()}
        context |= {"region": self._region, "params": row}
        context |= {name: self._run(compiled, name, row) for name in compiled.used}
        layout = {
            "title": _fill_text(page, compiled.title, context, lambda _: 1),
            "content": _fill_text(page, compiled.body, context, lambda line: page.lines[line - 1]),
            "root": root,
            "region": self._region.as_dict(),
            "navigation": self._navigation(page, root),
        }
        return self.fill("layout", layout)

    def _run(self, compiled: _Compiled, name: str, row: Row | None) -> Result:
        """The query's rows for this page; a query without parameters runs once for all pages of a source."""
        page, query = compiled.page, compiled.queries[name]
        if (page.source, name) in self._results:
            return self._results[page.source, name]
        try:
            available = row.as_dict() if row is not None else {}
            unknown = sorted(query.bound - set(available))
            if unknown:
                known = ", ".join(f"${name}" for name in available) or "none on this page"
                raise PageError(f"unknown parameter ${unknown[0]}; there are: {known}")
            bound = {parameter: available[parameter] for parameter in query.bound}
            result = self._database.select(name, query.sql, bound, page.empty.get(name))
            if not result and result.empty is None:
                raise PageError("the query has no rows, and the page declares no text for that (empty:)")
        except PageError as error:
            raise error.at(page.source, query.line, name) from None
        if not query.bound:
            self._results[page.source, name] = result
        return result

    def _navigation(self, current: Page, root: str) -> list[dict[str, Any]]:
        pages = [compiled.page for compiled in self._pages.values() if not compiled.page.parameters]
        listed = sorted((page.navigation, page.source, page.title) for page in pages if page.navigation is not None)
        return [
            {
                "href": root + self._variants[source][()][0],
                "title": title,
                "current": source == current.source,
            }
            for _, source, title in listed
        ]


def _output_path(page: Page, row: Row) -> str:
    path = PARAMETER.sub(lambda match: safe_file_name(str(row[match[1]])), page.source)
    return path[: -len(".md")] + ".html"


def _fill_text(
    page: Page, template: jinja2.Template, context: Mapping[str, Any], line_of: Callable[[int], int]
) -> Markup:
    """Render a page's own text; whatever goes wrong becomes a PageError with the line of the page."""
    try:
        return Markup(template.render(context))  # noqa: S704 - the template has escaped it
    except Exception as error:
        frames = traceback.extract_tb(error.__traceback__)
        lines = [frame.lineno for frame in frames if frame.filename == page.source and frame.lineno]
        line = line_of(lines[-1]) if lines else None
        if isinstance(error, PageError):
            raise error.at(page.source, line) from None
        raise PageError(f"{type(error).__name__}: {error}", page.source, line) from error


def _finalize(value: Any) -> Any:
    """How a bare ``{{ value }}`` reads in a page's text."""
    if isinstance(value, (Markup, jinja2.Undefined)):
        return value
    return "" if value is None else as_text(value)
