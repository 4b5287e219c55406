"""The index of the search: what each page is called and where it is, as a script that also works without a server.

Reads and writes nothing. Browsers refuse to fetch data beside a page that was opened from a folder, so indexes that
are fetched (as Pagefind's) need a server; a script does not.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any


def index(entries: Mapping[str, Sequence[Sequence[str]]], anchors: Mapping[str, str | None]) -> str:
    """JavaScript that sets ``window.sozialraum.index``.

    ``entries`` are (title, context, address) by page source. ``anchors`` names for a source of topics the source
    of places whose pages hold an anchor for each topic: the search then offers the topic in the place.
    """
    sources = [source for source, found in entries.items() if found]
    content = [
        {
            "on": sources.index(anchors[source] or "") if anchors.get(source) in sources else None,
            "entries": [list(entry) for entry in entries[source]],
        }
        for source in sources
    ]
    return f"(window.sozialraum = window.sozialraum || {{}}).index = {script_json(content)};\n"


def script_json(content: Any) -> str:
    """JSON that can stand inside a script element: no ``<``, no line separators."""
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"), sort_keys=False)
    for sign in "<>&\u2028\u2029":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return text
