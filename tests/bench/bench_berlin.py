"""Benchmark: the whole Berlin job and its parts beside a hand-written DuckDB script, in one run, as ratios.

Reads Berlin's open data (first argument). Writes into a temporary folder only; prints a table.
Usage: python tests/bench/bench.py DATA_DIR
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
COMMAND = [sys.executable, "-m", "dagster_project.cli", "run", "berlin"]


def timed(command: list[str], environment: dict[str, str]) -> float:
    """Wall seconds of a whole process. Raises `CalledProcessError` where it fails."""
    started = time.perf_counter()
    subprocess.run(command, env=environment, check=True, capture_output=True, cwd=HERE.parents[1])
    return time.perf_counter() - started


def steps(home: Path) -> dict[str, float]:
    """Seconds of each step of the first recorded run, from Dagster's own event log."""
    os.environ["DAGSTER_HOME"] = str(home)
    import dagster as dg

    with dg.DagsterInstance.get() as instance:
        first = min(instance.get_run_records(), key=lambda record: record.create_timestamp)
        recorded = instance.get_run_step_stats(first.dagster_run.run_id)
    return {step.step_key: step.end_time - step.start_time for step in recorded if step.start_time and step.end_time}


def main(arguments: list[str]) -> int:
    if len(arguments) != 1 or not (Path(arguments[0]) / "ewr").is_dir():
        print("usage: bench.py DATA_DIR (a folder with Berlin's ewr/, mss/ and geo/)", file=sys.stderr)
        return 2
    berlin = Path(arguments[0]).resolve()
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "SOZIALRAUM_DATA": folder}
        job = [*COMMAND, "--inbox", str(berlin)]
        whole = timed(job, environment)
        again = timed(job, environment)
        plain = timed(
            [sys.executable, str(HERE / "plain_duckdb.py"), str(berlin), f"{folder}/plain.parquet"],
            environment,
        )
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
        parts = steps(Path(folder) / ".dagster")
    print(f"{'whole process':<34}{'seconds':>9}{'ratio to plain DuckDB':>24}")
    for name, seconds in (
        ("job, first run", whole),
        ("job, nothing new", again),
        ("plain DuckDB script", plain),
    ):
        print(f"{name:<34}{seconds:>9.2f}{seconds / plain:>24.1f}")
    print(f"\n{'step of the first run':<34}{'seconds':>9}{'ratio to plain DuckDB':>24}")
    for name, seconds in sorted(parts.items(), key=lambda item: -item[1]):
        print(f"{name:<34}{seconds:>9.2f}{seconds / plain:>24.1f}")
    outside = whole - sum(parts.values())
    print(f"{'start, imports, event log':<34}{outside:>9.2f}{outside / plain:>24.1f}")
    print(f"\npeak memory of the largest process: {peak:.0f} MiB")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
