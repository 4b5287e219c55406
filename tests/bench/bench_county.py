"""Benchmark: the whole job of the simulated county beside a hand-written DuckDB script, at growing sizes, in one run.

Reads nothing. Writes simulated deliveries and both results into a temporary folder only; prints a table.
Usage: python tests/bench/bench_county.py [SIZE …]   (default 1 3 10; 30 takes long and 6 GB on disk)

Each line is a whole process: imports, reading, checking, building, releasing and rendering for the job; the numbers
alone for the script. `one more` is the job again after one municipality corrected one year's register.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path

from measuring import BENCH, ROOT, Measured, measure, run_command, steps

REGION = "musterkreis"
SIZES = (1.0, 3.0, 10.0)
GIGABYTES = 0.25  # on disk for each size, at most
CORRECTED = "05399020/einwohner/bestand_20241231.csv"


def main(arguments: list[str]) -> int:
    sizes = [float(argument) for argument in arguments] or list(SIZES)
    print(f"{'County':<16}{'residents':>10}{'seconds':>9}{'ratio':>7}{'processor s':>13}{'ratio':>7}{'peak MiB':>10}")
    for size in sizes:
        with tempfile.TemporaryDirectory() as folder:
            free = shutil.disk_usage(folder).free / 1e9
            if free < 1 + GIGABYTES * size:
                print(f"size {size:g}: skipped, {free:.0f} GB free are too few")
                continue
            _one_size(size, Path(folder))
    return 0


def _one_size(size: float, folder: Path) -> None:
    county = folder / REGION
    environment = {**os.environ, "SOZIALRAUM_DATA": str(folder)}
    specification = ROOT / "sources" / "simulator" / f"{REGION}.yml"
    simulator = ["-m", "sources.simulator", str(specification), str(county)]
    measure([*simulator, "--dirt", "none", "--size", str(size)], environment)
    job = measure(run_command(REGION), environment)
    plain = measure([str(BENCH / "plain_county.py"), str(county), str(folder / "plain.parquet")], environment)
    residents = f"{286_600 * size:,.0f}"
    _print(f"size {size:g}: job", residents, job, plain)
    _print("  script", residents, plain, plain)
    before = _landed(county)
    _correct(county / "inbox" / CORRECTED)
    again = measure(run_command(REGION), environment)
    _print("  one more", residents, again, plain)
    landed = _landed(county) - before
    seconds = sum(value for name, value in steps(folder / ".dagster", run=-1).items() if "__landed__" in name)
    print(f"  of it {seconds:.1f} s landing: {len(landed)} of {len(before) + len(landed)} deliveries read", flush=True)


def _print(name: str, residents: str, one: Measured, plain: Measured) -> None:
    print(
        f"{name:<16}{residents:>10}{one.wall:>9.1f}{one.wall / plain.wall:>7.2f}"
        f"{one.processor:>13.1f}{one.processor / plain.processor:>7.2f}{one.peak:>10.0f}",
        flush=True,
    )


def _correct(path: Path) -> None:
    """A second version beside the first, without its last row."""
    rows = path.read_bytes().splitlines(keepends=True)
    path.with_name(f"{path.stem}_v2{path.suffix}").write_bytes(b"".join(rows[:-1]))


def _landed(county: Path) -> set[tuple[str, int]]:
    """Every landed file and when it was written: one that is landed anew counts as another."""
    return {(str(path), path.stat().st_mtime_ns) for path in (county / "raw").glob("*/[!_]*.parquet")}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
