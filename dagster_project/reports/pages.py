"""Reading a page: front matter, named queries, and Markdown compiled to the text of a Jinja template.

Reads one ``.md`` file and the partials it includes; writes nothing. The author's ``{{ … }}`` pass through Markdown
unevaluated, so a value from the data meets HTML escaping only and never Markdown or Jinja.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from markdown_it import MarkdownIt
from markdown_it.common.utils import escapeHtml
from markdown_it.rules_block import StateBlock
from markdown_it.rules_inline import StateInline
from markdown_it.token import Token
from markupsafe import Markup

from dagster_project import strict_yaml
from dagster_project.reports.errors import PageError
from dagster_project.reports.queries import Query
from dagster_project.reports.wording import keep_together

PARAMETER = re.compile(r"\[(\w+)\]")
_TEMPLATE = r"\{\{(?:(?!\}\}).)*\}\}|\{%(?:(?!%\}).)*%\}|\{#(?:(?!#\}).)*#\}"
_INLINE_TEMPLATE = re.compile(_TEMPLATE, re.DOTALL)
_BLOCK_TEMPLATE = re.compile(rf"(?:{_TEMPLATE})(?:[ \t]*(?:{_TEMPLATE}))*[ \t]*(?=\n|$)", re.DOTALL)
_MARKER = re.compile(r"\{#L(\d+)#\}")
_INCLUDE = re.compile(r'[ \t]*\{%-?\s*include\s+"([^"]+)"\s*-?%\}[ \t]*')
_FRONT_MATTER = re.compile(r"---\n(.*?\n)---\n", re.DOTALL)
_KEYS: dict[str, type] = {
    "title": str, "kicker": str, "menu": str, "nav": int, "section": str, "search": str, "layout": str, "pdf": bool,
    "anchors_on": str, "empty": dict,
}  # fmt: skip


@dataclass(frozen=True)
class Page:
    """One ``.md`` file; ``source`` is its path below the folder of pages.

    ``head`` is the front matter with every key of _KEYS. Lines count in the text with its partials put in:
    ``body`` is the text of a Jinja template, ``lines`` tells for each of its lines that line, ``origins`` for each
    such line the file and its line there, ``links`` are the author's links to other ``.md`` files.
    """

    source: str
    head: Mapping[str, Any]
    queries: Mapping[str, Query]
    body: str
    lines: Sequence[int]
    origins: Sequence[tuple[str, int]]
    links: Sequence[tuple[str, int]]

    @property
    def title(self) -> str:
        """The title, which may hold a template."""
        return str(self.head["title"])

    @property
    def empty(self) -> Mapping[str, str]:
        """Query → what to say where it has no rows."""
        empty: Mapping[str, str] = self.head["empty"]
        return empty

    def place(self, line: int | None) -> tuple[str, int | None]:
        """The file a line comes from, the page or a partial, and its line there."""
        return _place(self.origins, self.source, line)

    @property
    def parameters(self) -> tuple[str, ...]:
        """The names in square brackets in the file's path."""
        return tuple(PARAMETER.findall(self.source))

    @property
    def first_query(self) -> Query:
        """The query that lists the pages, if the page has parameters."""
        return next(iter(self.queries.values()))


def read_page(path: Path, source: str, reserved: Collection[str], partials: Path) -> Page:
    """Parse front matter, queries and Markdown; raises PageError with the line in the file.

    ``reserved`` are names that no query may have, ``partials`` the folder that includes are looked up in.
    """
    text = path.read_text(encoding="utf-8").replace("\r\n", "\n")
    matter = _FRONT_MATTER.match(text)
    if not matter:
        raise PageError("the page must begin with front matter between two lines '---'", source, 1)
    head = _read_front_matter(matter[1], source, _KEYS)
    # Blank lines in its place keep every later line number true.
    lines = ("\n" * matter[0].count("\n") + text[matter.end() :]).split("\n")
    expanded = list(_expand([(line, source, number) for number, line in enumerate(lines, 1)], partials, head["empty"]))
    origins = [(file, number) for _, file, number in expanded]
    try:
        tokens = _PAGE_MARKDOWN.parse("\n".join(line for line, _, _ in expanded))
        queries = _read_queries(tokens, source, reserved)
        links = _prepare_tokens(tokens)
        kept = [token for token in tokens if not _is_query(token)]
        body = _PAGE_MARKDOWN.renderer.render(kept, _PAGE_MARKDOWN.options, {})
        unknown = sorted(set(head["empty"]) - set(queries))
        if unknown:
            raise PageError(f"empty: names no query of this page: {', '.join(unknown)}", source, 1)
    except PageError as error:
        raise PageError(error.message, *_place(origins, source, error.line), error.query) from None
    if PARAMETER.search(source) and not queries:
        raise PageError("a page with a [parameter] needs a query that lists the parameter's values", source, 1)
    return Page(source, head, queries, body, _source_lines(body), origins, links)


def _place(origins: Sequence[tuple[str, int]], source: str, line: int | None) -> tuple[str, int | None]:
    return origins[line - 1] if line and line <= len(origins) else (source, line)


def _expand(
    lines: Iterable[tuple[str, str, int]], partials: Path, empty: dict[str, str], within: tuple[str, ...] = ()
) -> Iterator[tuple[str, str, int]]:
    """Put included files in the place of ``{% include "name.md" %}`` lines; their ``empty:`` joins the page's."""
    for text, source, number in lines:
        found = _INCLUDE.fullmatch(text)
        if not found:
            yield text, source, number
            continue
        name = found[1]
        file = partials / name
        if not re.fullmatch(r"[a-z0-9_-]+\.md", name) or not file.is_file():
            known = ", ".join(sorted(path.name for path in partials.glob("*.md"))) or "none"
            raise PageError(f'there is no partial "{name}"; there are: {known}', source, number)
        if name in within:
            circle = " → ".join((*within[within.index(name) :], name))
            raise PageError(f"partials include each other in a circle: {circle}", source, number)
        content = file.read_text(encoding="utf-8").replace("\r\n", "\n")
        origin = f"partials/{name}"
        if matter := _FRONT_MATTER.match(content):
            head = _read_front_matter(matter[1], origin, {"empty": dict})
            empty.update({query: said for query, said in head["empty"].items() if query not in empty})
            content = "\n" * matter[0].count("\n") + content[matter.end() :]
        inner = [(line, origin, place) for place, line in enumerate(content.rstrip("\n").split("\n"), 1)]
        yield from _expand(inner, partials, empty, (*within, name))


def render_markdown(text: str | None) -> Markup:
    """Markdown that comes from data: no HTML, no images (they would be third-party requests)."""
    return Markup(_DATA_MARKDOWN.render(text or ""))  # noqa: S704 - rendered without HTML


# -- front matter and queries


def _read_front_matter(text: str, source: str, allowed: Mapping[str, type]) -> dict[str, Any]:
    try:
        head = strict_yaml.load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        raise PageError(
            f"front matter: {getattr(error, 'problem', error)}", source, mark.line + 2 if mark else 1
        ) from None
    if not isinstance(head, dict) or ("title" in allowed and not isinstance(head.get("title"), str)):
        raise PageError("front matter needs a title", source, 1)
    for key, value in head.items():
        if key not in allowed:
            raise PageError(f'front matter: unknown key "{key}"; allowed: {", ".join(allowed)}', source, 1)
        if not isinstance(value, allowed[key]):
            raise PageError(f'front matter: "{key}" must be {allowed[key].__name__}', source, 1)
    empty = head.get("empty", {})
    if not all(isinstance(name, str) and isinstance(words, str) for name, words in empty.items()):
        raise PageError("front matter: empty: must map query names to texts", source, 1)
    return {**dict.fromkeys(allowed), **head, "empty": dict(empty)}


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


def _keep_together(_: Any, tokens: Sequence[Token], index: int, *__: Any) -> str:
    return escapeHtml(keep_together(tokens[index].content))


def _markdown() -> MarkdownIt:
    markdown = MarkdownIt("commonmark", {"html": False}).disable("image")
    markdown.add_render_rule("text", _keep_together)
    return markdown


def _page_markdown() -> MarkdownIt:
    markdown = _markdown().enable("table")
    markdown.inline.ruler.before("escape", "template", _template_inline)
    ends = ["paragraph", "reference", "blockquote", "list"]
    markdown.block.ruler.before("fence", "template", _template_block, {"alt": ends})
    markdown.add_render_rule("template", _render_template)
    return markdown


_PAGE_MARKDOWN = _page_markdown()
_DATA_MARKDOWN = _markdown()


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
