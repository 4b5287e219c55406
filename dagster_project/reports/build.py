"""A site on disk: pages rendered by several processes, only those that changed, put in place in one step.

Reads   the release's ``marts.duckdb``, the folder of pages, and an earlier build's ``.build.json``.
Writes  the finished site below the output folder, all of it or nothing: pages, their files, ``static/`` with the
        search index and the charts' script, PDFs, and where asked ``.build.json``.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dagster_project.reports import paged, search, vega
from dagster_project.reports.errors import PageError
from dagster_project.reports.site import Site

STATE = ".build.json"
_PAGES_PER_PROCESS = 150  # fewer are not worth the start of another process
Task = tuple[str, int]


@dataclass(frozen=True)
class SiteReport:
    """What was built: the folder, the number of files per page source, how many of them anew, bytes of those."""

    output: Path
    pages: Mapping[str, int]
    rendered: int
    bytes_written: int


def render_site(
    marts: Path,
    pages: Path,
    output: Path,
    *,
    cache: Path | None = None,
    update: bool = False,
    workers: int | None = None,
) -> SiteReport:
    """Render every page of the folder ``pages`` from the file ``marts`` into ``output``.

    ``output`` must not exist or be an empty folder, or with ``update`` a site built that way before, whose unchanged
    pages are kept; else FileExistsError. It is put in place in one step at the end, so an error leaves it as it was.
    ``cache`` keeps drawn charts for the next build, ``workers`` is the number of processes. Raises PageError for
    anything wrong in a page, in the data it shows or in the words file, and FileNotFoundError if ``marts`` or
    ``pages`` is missing.
    """
    if not marts.is_file():
        raise FileNotFoundError(f"no marts at {marts}")
    if not (pages / "pages").is_dir():
        raise FileNotFoundError(f"no folder 'pages' in {pages}")
    before = _read_state(output) if update else {}
    if output.exists() and any(output.iterdir()) and not before:
        raise FileExistsError(f"{output} is not empty and no site built for updates")
    output.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=".site-", dir=output.parent))
    try:
        report, state = _build(marts, pages, scratch, output, before if update else None, cache, workers)
        if update:
            (scratch / STATE).write_text(json.dumps(state, ensure_ascii=False), encoding="utf-8")
        scratch.chmod(0o755)
        _swap(scratch, output)
    except BaseException:
        shutil.rmtree(scratch, ignore_errors=True)
        raise
    return report


def _build(
    marts: Path,
    pages: Path,
    scratch: Path,
    output: Path,
    before: Mapping[str, Any] | None,
    cache: Path | None,
    workers: int | None,
) -> tuple[SiteReport, dict[str, Any]]:
    site = Site(pages, marts, cache)
    try:
        engine = _engine_digest(pages)
        kept = before["sources"] if before and before["engine"] == engine else {}
        sources: dict[str, dict[str, Any]] = {}
        todo: list[Task] = []
        for source in site.sources:
            digest = "" if before is None else site.digest(source)
            earlier = kept.get(source, {})
            if earlier and earlier["digest"] == digest and _keep(output, scratch, earlier["files"]):
                sources[source] = earlier
            else:
                sources[source] = {"digest": digest, "files": [], "entries": []}
                todo += [(source, number) for number in range(site.count(source))]
        for source, files, entries in _render_all(site, todo, (pages, marts, scratch, cache), workers):
            sources[source]["files"] += files
            sources[source]["entries"] += entries
        for entry in sources.values():  # in the order of their addresses, whoever rendered them
            entry["files"].sort()
            entry["entries"].sort(key=lambda found: found[2])
        _write_shared(site, pages, scratch, sources)
        site.charts.forget_unused(everything_drawn=len(todo) == sum(map(site.count, site.sources)))
        counts = {source: site.count(source) for source in site.sources}
    finally:
        site.close()
    written = sum(path.stat().st_size for path in scratch.rglob("*") if path.is_file())
    return SiteReport(output, counts, len(todo), written), {"engine": engine, "sources": sources}


# ---------------------------------------------------------------- rendering


def render_tasks(site: Site, tasks: Iterable[Task], folder: Path) -> list[tuple[str, list[str], list[Any]]]:
    """Render and write these pages; returns for each its source, its files and its search entry.

    A PDF is among the files and written later.
    """
    done = []
    for source, number in tasks:
        page = site.render(source, number)
        files = {page.path: page.html.encode(), **page.files}
        for name, content in files.items():
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
        papers = [paged.name_of(page.path)] if site.becomes_pdf(source) else []
        done.append((source, [*files, *papers], [page.entry] if page.entry else []))
    return done


def _render_all(
    site: Site, todo: Sequence[Task], places: tuple[Path, Path, Path, Path | None], workers: int | None
) -> list[tuple[str, list[str], list[Any]]]:
    """Share the pages between this process and others; the same pages come out, whoever renders them.

    Pages that become a PDF are rendered first: setting one takes as long as many pages, in a process of its own.
    """
    folder, marts, scratch, cache = places
    wanted = workers or min(os.cpu_count() or 1, 8)
    set_too = [task for task in todo if site.becomes_pdf(task[0])]
    others = [task for task in todo if task not in set_too]
    count = max(1, min(wanted, len(others) // _PAGES_PER_PROCESS)) if workers is None else max(1, wanted)
    helpers: list[subprocess.Popen[bytes]] = []
    answers = []
    try:
        for share in range(1, count):
            answers.append(scratch / f".answer-{share}.json")
            order = {
                "pages": str(folder), "marts": str(marts), "scratch": str(scratch), "answer": str(answers[-1]),
                "cache": str(cache) if cache else None, "tasks": others[share::count],
            }  # fmt: skip
            helpers.append(_start("-m", "dagster_project.reports.worker", json.dumps(order)))
        done = render_tasks(site, set_too, scratch)
        papers = [(scratch / name, scratch / paged.name_of(name)) for _, (name, *_), _ in done]
        style = site.folder / "static"
        setters = [_start("-P", paged.__file__, *map(str, (*paper, style))) for paper in papers if wanted > 1]
        helpers += setters
        done += render_tasks(site, others[0::count], scratch)
        for helper, answer in zip(helpers, answers, strict=False):
            done += _answer(answer, helper.wait())
        if any(setter.wait() for setter in setters):
            raise RuntimeError("a process that sets a PDF ended with an error")
        for paper in papers if not setters else ():
            paged.write_pdf(*paper, style)
    except BaseException:
        for helper in helpers:
            helper.kill()
        raise
    finally:
        for helper in helpers:
            helper.wait()
    return done


def _start(*arguments: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, *arguments], stdout=subprocess.DEVNULL)  # noqa: S603 - our own modules


def _answer(file: Path, code: int) -> list[tuple[str, list[str], list[Any]]]:
    if code or not file.is_file():
        raise RuntimeError(f"a process that renders pages ended with {code}")
    answer = json.loads(file.read_text(encoding="utf-8"))
    file.unlink()
    if "error" in answer:
        raise PageError(**answer["error"])
    return [(source, files, entries) for source, files, entries in answer["done"]]


# ---------------------------------------------------------------- shared files and earlier builds


def _write_shared(site: Site, pages: Path, scratch: Path, sources: Mapping[str, Mapping[str, Any]]) -> None:
    static = pages / "static"
    for file in sorted(path for path in static.rglob("*") if path.is_file()):
        target = scratch / "static" / file.relative_to(static)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(file.read_bytes())
    entries = {source: state["entries"] for source, state in sources.items()}
    anchors = {source: site.page(source).head["anchors_on"] for source in sources}
    (scratch / "static").mkdir(exist_ok=True)
    (scratch / "static" / "search-index.js").write_text(search.index(entries, anchors), encoding="utf-8")
    (scratch / "static" / "vega.js").write_text(vega.browser_script(site.charts.folder), encoding="utf-8")


def _engine_digest(pages: Path) -> str:
    """What every page depends on beside its text and the marts: this package, templates, words."""
    hashed = hashlib.sha256()
    files = [*Path(__file__).parent.glob("*.py"), *(pages / "templates").rglob("*"), *pages.glob("*.yml")]
    for path in sorted(path for path in files if path.is_file()):
        hashed.update(path.name.encode() + hashlib.sha256(path.read_bytes()).digest())
    return hashed.hexdigest()


def _read_state(output: Path) -> dict[str, Any]:
    file = output / STATE
    if not file.is_file():
        return {}
    state: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return state


def _keep(output: Path, scratch: Path, files: Sequence[str]) -> bool:
    """Take over the files of an earlier build; False if one is gone."""
    if not all((output / name).is_file() for name in files):
        return False
    for name in files:
        (scratch / name).parent.mkdir(parents=True, exist_ok=True)
        os.link(output / name, scratch / name)
    return True


def _swap(scratch: Path, output: Path) -> None:
    if not output.exists():
        scratch.replace(output)
        return
    if not any(output.iterdir()):
        output.rmdir()
        scratch.replace(output)
        return
    old = output.with_name(f".{output.name}-{os.getpid()}")
    output.replace(old)
    scratch.replace(output)
    shutil.rmtree(old)
