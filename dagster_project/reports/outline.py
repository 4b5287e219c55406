"""Headings of a finished page: an address for each, and the list of contents where a page asks for one.

Reads and writes nothing.
"""

from __future__ import annotations

import re
from html import unescape

from markupsafe import Markup

from dagster_project.reports.wording import ascii_name

MAIN = "hauptteil"  # the id that the frame gives the page's main part
CONTENTS = Markup("<!--contents-->")
_HEADING = re.compile(r"<h([23])>(.*?)</h\1>", re.DOTALL)
_TAG = re.compile(r"<[^>]+>")


def finish(content: str) -> Markup:
    """Give every heading of the second and third level an id, and put the contents in the place of CONTENTS."""
    seen = {MAIN}
    headings: list[tuple[int, str, str]] = []

    def number(match: re.Match[str]) -> str:
        text = unescape(_TAG.sub("", match[2])).strip()
        name = base = ascii_name(text).lower() or "abschnitt"
        count = 1
        while name in seen:
            count += 1
            name = f"{base}-{count}"
        seen.add(name)
        headings.append((int(match[1]), name, text))
        return f'<h{match[1]} id="{name}">{match[2]}</h{match[1]}>'

    numbered = _HEADING.sub(number, content)
    if CONTENTS in numbered:
        numbered = numbered.replace(CONTENTS, _contents(headings))
    return Markup(numbered)  # noqa: S704 - every text in it was escaped when it was put there


def _contents(headings: list[tuple[int, str, str]]) -> str:
    items: list[str] = []
    for place, (level, name, text) in enumerate(headings):
        following = headings[place + 1][0] if place + 1 < len(headings) else 2
        items.append(str(Markup('<li><a href="#{}">{}</a>').format(name, text)))
        if level == 2:
            items.append("<ol>" if following == 3 else "</li>")
        else:
            items.append("</li>" if following == 3 else "</li></ol></li>")
    return f'<nav class="contents" aria-label="Inhalt"><ol>{"".join(items)}</ol></nav>'
