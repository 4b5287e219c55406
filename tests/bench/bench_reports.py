"""Benchmark of the pages: profiles a second with their charts, memory, and growth from 500 to 5,000 areas.

Makes releases of made-up towns of three sizes in a temporary folder; prints a table. Every run is a process of its own
without any cache of charts. Pages a second are reckoned from processor time shared by 2 cores, so that a busy machine
tells the same; wall seconds stand beside. Fails where a promise is broken: 10 profile pages a second on 2 cores, 1 GiB
for both processes together, 300 kB a page, at most half as much time again per page with ten times the pages.
Usage: python tests/bench/bench_reports.py [AREAS ...]
"""

from __future__ import annotations

import math
import random
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from datetime import date
from pathlib import Path

import duckdb

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from report_marts import REPORTS, TABLES, square  # noqa: E402  (the tables that pages read)

SIZES = (500, 1000, 5000)
INDICATORS, YEARS = 30, range(2015, 2025)
PAGES_A_SECOND, MEMORY_MIB, PAGE_BYTES, GROWTH = 10, 1024, 300_000, 1.5


def write_town(path: Path, areas: int) -> None:
    """A release with so many areas of one level in one municipality, 30 indicators and ten years."""
    chance = random.Random(areas)  # noqa: S311 - figures to draw, no secrets
    keys = [f"{number:05d}" for number in range(areas)]
    across = math.ceil(math.sqrt(areas))
    tail = (date(2015, 1, 1), None, 1.0)
    head = ("g", "1")
    rows = [
        (*head, "quarter", "Quartier", "Quartiere", 0, key, f"Quartier {key}", "00", "town", "00", 3000.0,
         date(2024, 12, 31), *tail, square(1000 * (place % across), 1000 * (place // across)), False)
        for place, key in enumerate(keys)
    ]  # fmt: skip
    rows.append((*head, "town", "Stadt", "Städte", 1, "00", "Stadt", None, None, "00", 3000.0 * areas,
                 date(2024, 12, 31), *tail, square(0, 0, 1000 * across), False))  # fmt: skip
    names = [f"indicator_{number:02d}" for number in range(INDICATORS)]
    described = [
        (name, f"Indikator {place}", f"Indikator {place}", "count" if not place else "share", f"t{place // 5}",
         f"Thema {place // 5}", "persons" if not place else "percent", "Personen" if not place else "%",
         0 if not place else 1, "burden", "Text.", "a / b", "Grenzen.", "Quelle", "Amt", place)
        for place, name in enumerate(names)
    ]  # fmt: skip
    values = []
    for key in [*keys, "00"]:
        level = "town" if key == "00" else "quarter"
        for place, name in enumerate(names):
            base = 3000.0 if not place else chance.uniform(2, 40)
            for year in YEARS:
                value = max(0.0, base + chance.gauss(0, base / 20))
                values.append((*head, level, key, "00", str(year), date(year, 12, 31), name, "total", value, None,
                               "published", None, None, None, 0.9 * value, 1.1 * value, None))  # fmt: skip
    with duckdb.connect(str(path)) as connection:
        for table, columns in TABLES.items():
            connection.execute(f"create table {table} ({columns})")
        import pandas as pd

        for table, content in (("mart_area", rows), ("mart_indicator", described), ("mart_indicator_value", values)):
            columns = [column.split()[0] for column in TABLES[table].split(", ")]
            frame = pd.DataFrame(content, columns=columns[: len(content[0])])
            connection.execute(f"insert into {table} by name select * from frame")
            assert len(frame)
        connection.execute("insert into mart_region values ('r', 'Stadt', 'EPSG:25832', 'g', '1', 'quarter', null)")


def pages_of(folder: Path) -> Path:
    """The real profile page; what it links to is a title."""
    target = folder / "reports"
    shutil.copytree(REPORTS, target)
    for page in (target / "pages").rglob("*.md"):
        if page.name != "[area].md":
            page.unlink()
    query = "```sql rows\nselect indicator, name from mart_indicator\n```\n"
    (target / "pages" / "indikator" / "[indicator].md").write_text(f"---\ntitle: Indikator\n---\n{query}", "utf-8")
    return target


def resident(process: int) -> int:
    """Bytes in memory of a process and those it started."""
    try:
        own = int(Path(f"/proc/{process}/statm").read_text().split()[1]) * resource.getpagesize()
        children = Path(f"/proc/{process}/task/{process}/children").read_text().split()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return own + sum(resident(int(child)) for child in children)


def processor_seconds() -> float:
    """Of all processes that this one has waited for."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def timed(command: list[str]) -> tuple[float, float, float]:
    """Wall and processor seconds and the highest MiB of a process with those it started; `CalledProcessError`."""
    started, before, highest = time.perf_counter(), processor_seconds(), 0
    with subprocess.Popen(command) as process:
        while process.poll() is None:
            highest = max(highest, resident(process.pid))
            time.sleep(0.1)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    return time.perf_counter() - started, processor_seconds() - before, highest / 2**20


def main(arguments: list[str]) -> int:
    sizes = [int(text) for text in arguments] or list(SIZES)
    code = (
        "import sys; from pathlib import Path; from dagster_project.reports import render_site; "
        "marts, pages, output = map(Path, sys.argv[1:]); render_site(marts, pages, output, workers=2)"
    )
    print(f"{'areas':>7}{'wall s':>10}{'processor s':>13}{'pages/s':>9}{'s/page, x':>12}{'MiB':>8}{'kB':>6}")
    kept = []
    first = None
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        pages = pages_of(folder)
        for size in sizes:
            marts, output = folder / f"{size}.duckdb", folder / f"site-{size}"
            write_town(marts, size)
            wall, used, memory = timed([sys.executable, "-c", code, str(marts), str(pages), str(output)])
            files = list((output / "gebiet").rglob("*.html"))
            largest = max(file.stat().st_size for file in files)
            speed = len(files) / (used / 2)
            ratio = (used / len(files)) / first if first else 1.0
            first = first or used / len(files)
            numbers = f"{wall:>10.1f}{used:>13.1f}{speed:>9.1f}{ratio:>12.2f}{memory:>8.0f}{largest / 1000:>6.0f}"
            print(f"{size:>7}{numbers}", flush=True)
            kept += [speed >= PAGES_A_SECOND, largest < PAGE_BYTES, ratio <= GROWTH, memory < MEMORY_MIB]
            shutil.rmtree(output)
    return 0 if all(kept) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
