"""Reading a page: front matter, named queries, and Markdown compiled to the text of a Jinja template.

Reads one ``.md`` file; writes nothing. The author's ``{{ … }}`` pass through Markdown unevaluated, so a value from
the data meets HTML escaping only and never Markdown or Jinja.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from markdown_it import MarkdownIt
from markdown_it.rules_block import StateBlock
from markdown_it.rules_inline import StateInline
from markdown_it.token import Token
from markupsafe import Markup

from dagster_project import strict_yaml
from dagster_project.reports.errors import PageError
from dagster_project.reports.queries import Query

PARAMETER = re.compile(r"\[(\w+)\]")
_TEMPLATE = r"\{\{(?:(?!\}\}).)*\}\}|\{%(?:(?!%\}).)*%\}|\{#(?:(?!#\}).)*#\}"
_INLINE_TEMPLATE = re.compile(_TEMPLATE, re.DOTALL)
_BLOCK_TEMPLATE = re.compile(rf"(?:{_TEMPLATE})(?:[ \t]*(?:{_TEMPLATE}))*[ \t]*(?=\n|$)", re.DOTALL)
_MARKER = re.compile(r"\{#L(\d+)#\}")


@dataclass(frozen=True)
class Page:
    """One ``.md`` file; ``source`` is its path below the folder of pages.

    ``body`` is the text of a Jinja template, ``lines`` tells for each of its lines the line of the file, ``links``
    are the author's links to other ``.md`` files with their lines.
    """

    source: str
    title: str
    navigation: int | None
    empty: Mapping[str, str]
    queries: Mapping[str, Query]
    body: str
    lines: Sequence[int]
    links: Sequence[tuple[str, int]]

    @property
    def parameters(self) -> tuple[str, ...]:
        """The names in square brackets in the file's path."""
        return tuple(PARAMETER.findall(self.source))

    @property
    def first_query(self) -> Query:
        """The query that lists the pages, if the page has parameters."""
        return next(iter(self.queries.values()))


def read_page(path: Path, source: str, reserved: Collection[str]) -> Page:
    """Parse front matter, queries and Markdown; raises PageError with the line in the file.

    ``reserved`` are names that no query may have.
    """
    text = path.read_text(encoding="utf-8").replace("\r\n", "\n")
    matter = re.match(r"---\n(.*?\n)---\n", text, re.DOTALL)
    if not matter:
        raise PageError("the page must begin with front matter between two lines '---'", source, 1)
    head = _read_front_matter(matter[1], source)
    # Blank lines in its place keep every later line number true.
    tokens = _PAGE_MARKDOWN.parse("\n" * matter[0].count("\n") + text[matter.end() :])
    queries = _read_queries(tokens, source, reserved)
    links = _prepare_tokens(tokens)
    kept = [token for token in tokens if not _is_query(token)]
    body = _PAGE_MARKDOWN.renderer.render(kept, _PAGE_MARKDOWN.options, {})
    unknown = sorted(set(head["empty"]) - set(queries))
    if unknown:
        raise PageError(f"empty: names no query of this page: {', '.join(unknown)}", source, 1)
    if PARAMETER.search(source) and not queries:
        raise PageError("a page with a [parameter] needs a query that lists the parameter's values", source, 1)
    return Page(source, head["title"], head["nav"], head["empty"], queries, body, _source_lines(body), links)


def render_markdown(text: str | None) -> Markup:
    """Markdown that comes from data: no HTML, no images (they would be third-party requests)."""
    return Markup(_DATA_MARKDOWN.render(text or ""))  # noqa: S704 - rendered without HTML


# -- front matter and queries


def _read_front_matter(text: str, source: str) -> dict[str, Any]:
    try:
        head = strict_yaml.load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        raise PageError(
            f"front matter: {getattr(error, 'problem', error)}", source, mark.line + 2 if mark else 1
        ) from None
    allowed = {"title": str, "nav": int, "empty": dict}
    if not isinstance(head, dict) or not isinstance(head.get("title"), str):
        raise PageError("front matter needs a title", source, 1)
    for key, value in head.items():
        if key not in allowed:
            raise PageError(f'front matter: unknown key "{key}"; allowed: {", ".join(allowed)}', source, 1)
        if not isinstance(value, allowed[key]):
            raise PageError(f'front matter: "{key}" must be {allowed[key].__name__}', source, 1)
    empty = head.get("empty", {})
    if not all(isinstance(name, str) and isinstance(words, str) for name, words in empty.items()):
        raise PageError("front matter: empty: must map query names to texts", source, 1)
    return {"title": head["title"], "nav": head.get("nav"), "empty": empty}


def _is_query(token: Token) -> bool:
    return token.type == "fence" and token.info.split()[:1] == ["sql"]


def _read_queries(tokens: Iterable[Token], source: str, reserved: Collection[str]) -> dict[str, Query]:
    queries: dict[str, Query] = {}
    for token in filter(_is_query, tokens):
        line = (token.map or [0])[0] + 1
        words = token.info.split()
        if len(words) != 2 or not re.fullmatch(r"[a-z][a-z0-9_]*", words[1]):
            raise PageError("a query needs one name: ```sql name (a–z, 0–9, _)", source, line)
        name = words[1]
        if name in queries:
            raise PageError("there are two queries of this name", source, line, name)
        if name in reserved:
            raise PageError("this name is taken by a component; choose another", source, line, name)
        queries[name] = Query(name, line, token.content.strip().rstrip(";"))
    return queries


# -- Markdown with templates in it


def _template_inline(state: StateInline, silent: bool) -> bool:
    match = _INLINE_TEMPLATE.match(state.src, state.pos)
    if not match:
        return False
    if not silent:
        token = state.push("template", "", 0)
        token.content = match[0]
    state.pos = match.end()
    return True


def _template_block(state: StateBlock, start_line: int, end_line: int, silent: bool) -> bool:
    if state.is_code_block(start_line):
        return False
    begin = state.bMarks[start_line] + state.tShift[start_line]
    match = _BLOCK_TEMPLATE.match(state.src, begin, state.eMarks[end_line - 1])
    if not match:
        return False
    if silent:
        return True
    state.line = start_line + match[0].count("\n") + 1
    token = state.push("template", "", 0)
    token.content = match[0] + "\n"
    token.map = [start_line, state.line]
    token.meta = {"line": start_line + 1}
    return True


def _render_template(_: Any, tokens: Sequence[Token], index: int, *__: Any) -> str:
    return f"{{#L{tokens[index].meta['line']}#}}{tokens[index].content}"


def _page_markdown() -> MarkdownIt:
    markdown = MarkdownIt("commonmark", {"html": False}).enable("table").disable("image")
    markdown.inline.ruler.before("escape", "template", _template_inline)
    ends = ["paragraph", "reference", "blockquote", "list"]
    markdown.block.ruler.before("fence", "template", _template_block, {"alt": ends})
    markdown.add_render_rule("template", _render_template)
    return markdown


_PAGE_MARKDOWN = _page_markdown()
_DATA_MARKDOWN = MarkdownIt("commonmark", {"html": False}).disable("image")


def _prepare_tokens(tokens: Iterable[Token]) -> list[tuple[str, int]]:
    """Give every template its line, turn links to ``.md`` into ``.html``; return those and their lines."""
    links = []
    for token in tokens:
        line = (token.map or [0])[0] + 1
        for child in token.children or []:
            if child.type == "template":
                child.meta = {"line": line}
            href = str(child.attrs.get("href", ""))
            if child.type == "link_open" and re.fullmatch(r"[^:#?]+\.md", href):
                links.append((href, line))
                child.attrs["href"] = href[: -len(".md")] + ".html"
            line += child.content.count("\n") + (child.type in ("softbreak", "hardbreak"))
    return links


def _source_lines(body: str) -> list[int]:
    lines, current = [], 0
    for text in body.split("\n"):
        markers = _MARKER.findall(text)
        current = int(markers[-1]) if markers else current + 1
        lines.append(current)
    return lines
