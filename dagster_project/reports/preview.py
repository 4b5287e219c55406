"""For authors: the site on this computer only, built anew whenever a page, a template or the release changes.

Reads the folder of pages and the release's ``marts.duckdb``; writes the site below the output folder.
"""

from __future__ import annotations

import html
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from dagster_project.reports.build import STATE, render_site
from dagster_project.reports.errors import PageError

_RELOAD = b"""<script>(function () { let known = null; setInterval(function () {
fetch("/.version").then((answer) => answer.text()).then((text) => {
if (known !== null && known !== text) location.reload(); known = text; }).catch(() => {}); }, 700); })();</script>"""


class _State:
    """What the server shows: a counter of builds, and the error of the last one."""

    def __init__(self) -> None:
        self.version = 0
        self.error: str | None = None


class _Handler(SimpleHTTPRequestHandler):
    """The built files; pages get a script that reloads them, and an error takes the place of all pages."""

    state: _State

    def __init__(self, *arguments: Any, state: _State, **options: Any) -> None:
        self.state = state
        super().__init__(*arguments, **options)

    def do_GET(self) -> None:
        """Answer one request."""
        file = Path(self.translate_path(self.path))
        if self.path == "/.version":
            self._send(str(self.state.version).encode(), "text/plain")
        elif file.name == STATE:
            self.send_error(404)
        elif self.state.error and file.suffix in ("", ".html"):
            text = f"<!doctype html><meta charset=utf-8><title>Fehler</title><pre>{html.escape(self.state.error)}</pre>"
            self._send(text.encode() + _RELOAD, "text/html")
        elif (page := file / "index.html" if file.is_dir() else file).suffix == ".html" and page.is_file():
            self._send(page.read_bytes() + _RELOAD, "text/html")
        else:
            super().do_GET()

    def log_message(self, *_: Any) -> None:
        """Authors read pages, not requests."""

    def _send(self, content: bytes, kind: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", f"{kind}; charset=utf-8")
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        self.wfile.write(content)


@contextmanager
def serve(
    marts: Callable[[], Path],
    pages: Path,
    output: Path,
    *,
    cache: Path | None = None,
    port: int = 0,
    pause: float = 0.5,
    say: Callable[[str], None] = print,
) -> Iterator[tuple[str, Callable[[], None]]]:
    """Build, serve on 127.0.0.1 and build again on every change, until the block ends.

    Yields the address and a function that waits for ever. ``marts`` names the file of the release in force, asked
    again each time; ``port`` 0 takes a free one; ``pause`` is the time between two looks, in seconds. A wrong page is
    said, shown in the browser, and mended by saving it again.
    """
    state, stop = _State(), threading.Event()
    seen: dict[str, float] = {}

    def build() -> None:
        try:
            report = render_site(marts(), pages, output, cache=cache, update=True)
            state.error = None
            say(f"{report.rendered} von {sum(report.pages.values())} Seiten neu")
        except (PageError, FileNotFoundError) as error:
            state.error = str(error)
            say(state.error)
        state.version += 1

    def watch() -> None:
        while not stop.wait(pause):
            found = _times(pages, marts())
            if found != seen:
                seen.clear()
                seen.update(found)
                build()

    seen.update(_times(pages, marts()))
    build()
    output.mkdir(parents=True, exist_ok=True)
    server = ThreadingHTTPServer(("127.0.0.1", port), partial(_Handler, directory=str(output), state=state))
    threads = [threading.Thread(target=work, daemon=True) for work in (server.serve_forever, watch)]
    for thread in threads:
        thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/", threads[1].join
    finally:
        stop.set()
        server.shutdown()
        server.server_close()
        threads[1].join()


def _times(pages: Path, marts: Path) -> dict[str, float]:
    """When each file was last saved."""
    files = [marts, *(path for path in pages.rglob("*") if path.is_file() and not path.name.startswith("."))]
    return {str(path): path.stat().st_mtime for path in files if path.exists()}
