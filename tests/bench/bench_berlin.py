"""Benchmark: the whole Berlin job and its parts beside a hand-written DuckDB script, in one run, as ratios.

Reads Berlin's open data (first argument, or ../shared/data/berlin beside the checkout; skipped where there is none).
Writes into a temporary folder only; prints a table.
Usage: python tests/bench/bench_berlin.py [DATA_DIR]
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

from measuring import BENCH, ROOT, measure, run_command, steps


def main(arguments: list[str]) -> int:
    berlin = Path(arguments[0] if arguments else ROOT.parent / "shared" / "data" / "berlin").resolve()
    if not (berlin / "ewr").is_dir():
        print(f"Berlin: skipped. {berlin} is no folder with Berlin's ewr/, mss/ and geo/; name one as argument.")
        return 2 if arguments else 0
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "SOZIALRAUM_DATA": folder}
        job = run_command("berlin", "--inbox", str(berlin))
        whole = measure(job, environment)
        again = measure(job, environment)
        plain = measure([str(BENCH / "plain_duckdb.py"), str(berlin), f"{folder}/plain.parquet"], environment)
        parts = steps(Path(folder) / ".dagster")
    print(f"{'Berlin, whole process':<34}{'seconds':>9}{'ratio to plain DuckDB':>24}{'peak MiB':>10}")
    for name, one in (("job, first run", whole), ("job, nothing new", again), ("plain DuckDB script", plain)):
        print(f"{name:<34}{one.wall:>9.2f}{one.wall / plain.wall:>24.1f}{one.peak:>10.0f}")
    print(f"\n{'step of the first run':<34}{'seconds':>9}{'ratio to plain DuckDB':>24}")
    for name, seconds in sorted(parts.items(), key=lambda item: -item[1]):
        print(f"{name:<34}{seconds:>9.2f}{seconds / plain.wall:>24.1f}")
    outside = whole.wall - sum(parts.values())
    print(f"{'start, imports, event log':<34}{outside:>9.2f}{outside / plain.wall:>24.1f}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
