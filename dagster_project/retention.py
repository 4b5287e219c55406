"""Retention: original files that were landed leave the inbox when their contract says so, and a log keeps account.

Reads  the files in the inbox that it is given, with their receipts.
Writes forgotten.jsonl in the region's data folder, one line per deleted file; it is only ever appended to.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import IO, Any

from dagster_project.settings import RegionData
from dagster_project.tables import CONFIDENTIAL


@dataclass(frozen=True)
class Original:
    """A file in the inbox that was landed as it lies there; `landed_at` is the day it came, `sha256` its content."""

    path: Path
    source: str
    municipality: str
    period: str
    delivery: str
    sha256: str
    landed_at: date
    retention_days: int

    @property
    def kept_until(self) -> date:
        """The last day the file may stay."""
        return self.landed_at + timedelta(days=self.retention_days)


def forget(data: RegionData, originals: Sequence[Original], today: date, dry_run: bool = False) -> list[dict[str, Any]]:
    """Delete the originals that are past their retention, in the order given, and log each one.

    Returns what was deleted (or would be) as it is logged: what, when, why, sha256, source, municipality, period,
    delivery. The log is opened first, so that nothing goes unrecorded. Raises `OSError` at the first file that cannot
    be deleted; those before it are deleted and logged.
    """
    due = [original for original in originals if original.kept_until < today]
    if dry_run or not due:
        return [_entry(data, original) for original in due]
    forgotten = []
    with _log(data) as log:
        for original in due:
            if _sha256(original.path) != original.sha256:  # replaced meanwhile: not what was landed
                continue
            entry = _entry(data, original)
            original.path.unlink()
            log.write(json.dumps(entry, ensure_ascii=False) + "\n")
            log.flush()
            os.fsync(log.fileno())
            forgotten.append(entry)
    return forgotten


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _log(data: RegionData) -> IO[str]:
    data.root.mkdir(parents=True, exist_ok=True)
    path = data.root / "forgotten.jsonl"
    return os.fdopen(os.open(path, os.O_CREAT | os.O_WRONLY | os.O_APPEND, CONFIDENTIAL), "a", encoding="utf-8")


def _entry(data: RegionData, original: Original) -> dict[str, Any]:
    return {
        "what": original.path.relative_to(data.inbox).as_posix(),
        "when": datetime.now(UTC).replace(tzinfo=None).isoformat(timespec="seconds"),
        "why": (
            f"eingelesen am {original.landed_at:%d.%m.%Y}, Aufbewahrung {original.retention_days} Tage, "
            f"aufzubewahren bis {original.kept_until:%d.%m.%Y}"
        ),
        "sha256": original.sha256,
        "source": original.source,
        "municipality": original.municipality,
        "period": original.period,
        "delivery": original.delivery,
    }
