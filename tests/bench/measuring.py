"""What the benchmarks share: a whole process measured, and the steps of a recorded run.

Reads and writes nothing of its own.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BENCH = ROOT / "tests" / "bench"


@dataclass(frozen=True)
class Measured:
    """A whole process: wall and processor seconds, and the most memory it held in MiB."""

    wall: float
    processor: float
    peak: float


def measure(command: list[str], environment: dict[str, str], expected: int = 0) -> Measured:
    """Run a Python module or script to its end. Raises `RuntimeError` with its words where it ends otherwise."""
    with tempfile.TemporaryFile() as words:
        started = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, *command], env=environment, cwd=ROOT, stdout=words, stderr=subprocess.STDOUT
        )
        _, status, used = os.wait4(process.pid, 0)
        wall = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != expected:
            words.seek(0)
            raise RuntimeError(f"{command}: {words.read().decode(errors='replace')[-4000:]}")
    return Measured(wall, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)


def run_command(region: str, *options: str) -> list[str]:
    """The whole job of a region as a command of this Python."""
    return ["-m", "dagster_project.cli", "run", region, *options]


def steps(home: Path, run: int = 0) -> dict[str, float]:
    """Seconds of each step of the nth recorded run, from Dagster's own event log."""
    os.environ["DAGSTER_HOME"] = str(home)
    import dagster as dg

    with dg.DagsterInstance.get() as instance:
        records = sorted(instance.get_run_records(), key=lambda record: record.create_timestamp)
        recorded = instance.get_run_step_stats(records[run].dagster_run.run_id)
    return {step.step_key: step.end_time - step.start_time for step in recorded if step.start_time and step.end_time}
