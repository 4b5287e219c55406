"""What earlier releases told of numbers that have not changed since: an attacker keeps every one of them.

Reads  ledger/*.parquet. Writes nothing. Knows nothing of how numbers came to be hidden.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from dagster_project.disclosure_audit.published import AREA, Published
from dagster_project.tables import read_frame

Floats = npt.NDArray[np.float64]

MEASURE = ["measure", "day", "years"]
REPLACED = ["shown", "spread"]


def entries(ledger: Path) -> list[pd.DataFrame]:
    """What each release showed, oldest first: area, measure, day, years, true number, and what stood in its place (in
    none of those from before numbers could be replaced)."""
    files = sorted(ledger.glob("*.parquet"), key=lambda path: path.stat().st_mtime_ns)
    frames = [read_frame(path) for path in files]
    return [
        frame.reindex(columns=frame.columns.union(REPLACED, sort=False)).assign(
            day=pd.to_datetime(frame["reference_date"]).dt.date, number=frame["value"].astype(float)
        )
        for frame in frames
    ]


def printed_before(ledger: Path) -> pd.DataFrame:
    """Every true number earlier releases printed, as the latest of them had it: area, measure, day, years, number."""
    frames = entries(ledger)
    if not frames:
        return pd.DataFrame(columns=[*AREA, *MEASURE, "number"])
    every = pd.concat(frames, ignore_index=True)
    every = every[every["is_printed"].to_numpy(bool)]
    return every[[*AREA, *MEASURE, "number"]].drop_duplicates([*AREA, *MEASURE], keep="last")


def remember(published: Published, true: Floats, ledger: Path) -> None:
    """Note in `published` what releases told of today's numbers (`true`): the numbers, or between which they lie."""
    node = {key: index for index, key in enumerate(published.areas[AREA].itertuples(index=False, name=None))}
    place = {measure: index for index, measure in enumerate(published.measures)}
    for frame in entries(ledger):
        rows = np.array([node.get(key, -1) for key in frame[AREA].itertuples(index=False, name=None)], dtype=int)
        columns = np.array([place.get(key, -1) for key in frame[MEASURE].itertuples(index=False, name=None)], dtype=int)
        same = (rows >= 0) & (columns >= 0)
        same[same] = true[rows[same], columns[same]] == frame["number"].to_numpy()[same]
        exact = same & frame["is_printed"].to_numpy(bool)
        published.printed[rows[exact], columns[exact]] = frame["number"].to_numpy()[exact]
        instead = same & frame["shown"].notna().to_numpy()
        at = rows[instead], columns[instead]
        shown, spread = (frame.loc[instead, name].to_numpy(float) for name in REPLACED)
        published.least[at] = np.fmax(published.least[at], np.maximum(shown - spread, np.minimum(shown, 1)))
        published.most[at] = np.fmin(published.most[at], shown + spread)
