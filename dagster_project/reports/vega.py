"""Vega-Lite charts drawn at build time, and the script that makes them answer the pointer in a browser.

Reads and writes the cache folder (drawn charts by the hash of their specification); nothing else.
The library is imported at the first chart: it takes a second to start and 150 MB.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import tempfile
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache, lru_cache
from importlib.metadata import version
from pathlib import Path
from types import ModuleType
from typing import Any

from markupsafe import Markup

VEGA_LITE = "6.4"
_REMEMBERED = 200  # drawings in memory: a page repeats its own, hardly those of others
_TIDIED = 2  # counts changes of _tidy, whose results the cache holds
INK, SOFT, LINE, ACCENT, COMPARED = "#1c2730", "#55616b", "#dde2e5", "#0f5c73", "#8a949c"
FONT = "Arial, 'Liberation Sans', Helvetica, sans-serif"  # one width everywhere: labels are measured at build time
CONFIG: dict[str, Any] = {
    "background": None,
    "font": FONT,
    "aria": False,
    "view": {"stroke": None},
    "axis": {
        "labelColor": SOFT, "labelFontSize": 12, "titleColor": SOFT, "titleFontSize": 12, "titleFontWeight": "normal",
        "gridColor": LINE, "domainColor": COMPARED, "tickColor": COMPARED, "labelPadding": 5, "titlePadding": 8,
        "labelLimit": 0, "titleLimit": 0,  # with a limit every text is measured twice
    },
    "header": {"labelColor": INK, "labelFontSize": 12.5, "labelFontWeight": 600, "title": None, "labelPadding": 6},
    "legend": {"labelColor": INK, "labelFontSize": 12, "titleColor": SOFT, "titleFontSize": 12, "symbolSize": 90},
    "text": {"color": INK, "fontSize": 12.5},
}  # fmt: skip
_NOISE = re.compile(r' (?:role|aria-roledescription|aria-label|aria-hidden|pointer-events|class)="[^"]*"| opacity="1"')
_EMPTY_PATHS = re.compile(r'<path d="M0,0h0v0h0Z"/>|<path d="" display="none"/>|<path display="none" d=""/>')
_ROOT = re.compile(r'<svg [^>]*? width="([\d.]+)" height="([\d.]+)" viewBox="([^"]*)">')
_CLIP = re.compile(r"\bclip\d+\b")
_TAG = re.compile(r"<[^>]+>")
_NUMBER = re.compile(r"-?\d+\.\d{3,}")


class Charts:
    """Specifications in, SVG out; each specification is drawn once per cache."""

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder
        self._used: set[str] = set()
        self._drawn: OrderedDict[str, str] = OrderedDict()
        if folder:
            folder.mkdir(parents=True, exist_ok=True)

    def svg(self, spec: dict[str, Any], name: str, number: int = 1) -> Markup:
        """The chart as inline SVG that scales with its place and carries ``name`` for those who cannot see it.

        ``number`` counts the figures of a page, for ids that occur once on it.
        """
        whole = {"config": CONFIG, **spec}
        text = json.dumps(whole, ensure_ascii=False, sort_keys=True)
        key = hashlib.sha256(f"{_library()} {_TIDIED} {text}".encode()).hexdigest()
        self._used.add(key)
        if key not in self._drawn:
            self._drawn[key] = self._load(key) or self._draw(key, whole)
            if len(self._drawn) > _REMEMBERED:
                self._drawn.popitem(last=False)
        # number and name are put in here, escaped: they are no part of what is drawn
        drawn = (
            self._drawn[key].replace("bild{number}-", f"bild{number}-").replace("{name}", str(Markup.escape(name)), 1)
        )
        return Markup(drawn)  # noqa: S704

    def forget_unused(self, *, everything_drawn: bool) -> None:
        """After a build that drew every chart in this process alone: drop what no page shows any more."""
        limit = 20_000
        if self.folder and everything_drawn:
            files = sorted(self.folder.glob("*.svg"), key=lambda path: path.stat().st_mtime)
            for path in files[: max(0, len(files) - limit)]:
                if path.stem not in self._used:
                    path.unlink(missing_ok=True)

    def _load(self, key: str) -> str | None:
        file = self.folder / f"{key}.svg" if self.folder else None
        return file.read_text(encoding="utf-8") if file and file.is_file() else None

    def _draw(self, key: str, spec: dict[str, Any]) -> str:
        rows: list[Any] = []
        form = json.dumps(_take_rows(spec, rows), ensure_ascii=False, sort_keys=True)
        vega = _compiled(form)
        data = [{**part, "values": rows[int(place)]} if place else part for place, part in vega["data"]]
        whole = json.dumps({**vega, "data": data})  # a text crosses over to the library faster than a dict
        svg = _converter().vega_to_svg(whole, format_locale="de-DE", time_format_locale="de-DE", allowed_base_urls=[])
        drawn = _tidy(svg)
        if self.folder:
            keep(self.folder / f"{key}.svg", drawn)
        return drawn


def browser_script(folder: Path | None) -> str:
    """vega-embed, Vega-Lite and Vega as one plain script that sets ``window.vegaEmbed``; ``folder`` is a cache."""
    file = folder / f"vega-{_library()}.js" if folder else None
    if file and file.is_file():
        return file.read_text(encoding="utf-8")
    if file:
        keep(file, _bundle())
    return _bundle()


@cache
def _bundle() -> str:
    bundle = _converter().javascript_bundle("window.vegaEmbed = vegaEmbed;", vl_version=VEGA_LITE)
    return f"(function () {{{bundle}}})();\n"


def keep(file: Path, text: str) -> None:
    """Write a file of the cache in one step: another process may be reading it."""
    scratch = file.with_name(f".{file.name}-{os.getpid()}")
    scratch.write_text(text, encoding="utf-8")
    scratch.replace(file)


@cache
def _library() -> str:
    return f"{version('vl-convert-python')}-{VEGA_LITE}"


@cache
def _converter() -> ModuleType:
    """The library, which measures texts by its own fonts alone.

    They have the widths of Arial. So a drawing is the same on every machine, and each text is measured six times
    faster than among the fonts of an ordinary desktop.
    """
    import vl_convert

    with _no_other_fonts():
        vl_convert.vegalite_to_svg({"mark": {"type": "text", "text": "x"}, "data": {"values": [{}]}})
    return vl_convert


@contextmanager
def _no_other_fonts() -> Iterator[None]:
    """Whoever looks for the system's fonts by fontconfig meanwhile finds an empty folder."""
    before = os.environ.get("FONTCONFIG_FILE")
    with tempfile.TemporaryDirectory() as name:
        file = Path(name) / "fonts.conf"
        file.write_text(f"<fontconfig><dir>{name}</dir></fontconfig>", encoding="utf-8")
        os.environ["FONTCONFIG_FILE"] = str(file)
        try:
            yield
        finally:
            if before is None:
                del os.environ["FONTCONFIG_FILE"]
            else:
                os.environ["FONTCONFIG_FILE"] = before


_ROWS = "rows_"


def _take_rows(part: Any, rows: list[Any]) -> Any:
    """The specification without its rows, which ``rows`` collects; their number is the name of the data."""
    if isinstance(part, list):
        return [_take_rows(item, rows) for item in part]
    if not isinstance(part, dict):
        return part
    kept = dict(part)
    if "values" in kept.get("data", ()):
        rows.append(kept["data"]["values"])
        kept["data"] = {"name": f"{_ROWS}{len(rows) - 1}"}
    return {key: _take_rows(value, rows) for key, value in kept.items()}


@lru_cache(maxsize=256)
def _compiled(form: str) -> dict[str, Any]:
    """What Vega-Lite makes of a specification without rows; charts that differ in their rows alone share it.

    ``data`` holds pairs: the number of the rows that belong there, or nothing, and the rest.
    """
    vega = _converter().vegalite_to_vega(form, vl_version=VEGA_LITE)
    named = [
        (part["name"].removeprefix(_ROWS) if part["name"].startswith(_ROWS) else "", part) for part in vega["data"]
    ]
    return {**vega, "data": named}


def _shorter(match: re.Match[str]) -> str:
    return f"{float(match[0]):.2f}".rstrip("0").rstrip(".")


def _tidy(svg: str) -> str:
    """Drop what only a Vega view needs, shorten numbers, let the drawing scale.

    Vega counts the ids of its clips on and on; named after the figure they are the same in every build and on no page
    twice.
    """
    clips = list(dict.fromkeys(_CLIP.findall(svg)))
    svg = _CLIP.sub(lambda match: f"bild{{number}}-{clips.index(match[0])}", svg)
    svg = _TAG.sub(lambda tag: _NUMBER.sub(_shorter, _NOISE.sub("", tag[0])), svg)
    svg = _EMPTY_PATHS.sub("", svg)
    return _ROOT.sub(r'<svg viewBox="\3" width="\1" height="\2" role="img" aria-label="{name}">', svg, count=1)
