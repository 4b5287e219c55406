"""The ledger: every number that was ever released, so that a later release cannot expose what an earlier one hid.

Reads  ledger/<release>.parquet, protection/count.parquet and the cube of a release.
Writes ledger/<release>.parquet: every count behind the cube when it was released, with its true value and whether it
       was printed. Confidential.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from dagster_project.disclosure.cells import Sheet
from dagster_project.tables import read_frame

Integers = npt.NDArray[np.int64]
Booleans = npt.NDArray[np.bool_]

KEYS = ["geography", "edition", "level", "area", "reference_date", "measure", "years"]


@dataclass(frozen=True)
class Past:
    """For every cell of a sheet: the last value released under its key, whether any release printed it with
    that value, and whether the last release hid it."""

    value: Integers
    printed: Booleans
    hidden_last: Booleans


def read(folder: Path) -> pd.DataFrame:
    """All entries of all releases, oldest first; `order` numbers the releases."""
    files = sorted(folder.glob("*.parquet"), key=lambda path: path.stat().st_mtime_ns)
    frames = [read_frame(path).assign(order=order) for order, path in enumerate(files)]
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=[*KEYS, "value", "is_printed"])


def of_sheet(sheet: Sheet, history: pd.DataFrame) -> Past:
    """What the ledger says of the cells of a sheet."""
    nodes = {(row.level, row.area): row.Index for row in sheet.areas[["level", "area"]].itertuples()}
    places = {(column.measure, column.day, column.years): place for place, column in enumerate(sheet.columns)}
    own = history[(history["geography"] == sheet.geography) & (history["edition"] == sheet.edition)]
    day = pd.to_datetime(own["reference_date"]).dt.date
    node = np.array([nodes.get(key, -1) for key in zip(own["level"], own["area"], strict=True)], dtype=int)
    place = np.array([places.get(key, -1) for key in zip(own["measure"], day, own["years"], strict=True)], dtype=int)
    here = (node >= 0) & (place >= 0)
    own, node, place = own[here], node[here], place[here]
    value = np.full(sheet.value.shape, -1)
    printed, hidden = np.zeros(sheet.value.shape, bool), np.zeros(sheet.value.shape, bool)
    for _, release in own.assign(node=node, place=place).groupby("order", sort=True):
        at = (release["node"].to_numpy(), release["place"].to_numpy())
        shown = release["is_printed"].to_numpy(bool)
        value[at] = np.where(shown | (value[at] < 0), release["value"].to_numpy(), value[at])
        printed[at] |= shown
        hidden[at] = ~shown
    return Past(value, printed, hidden)
