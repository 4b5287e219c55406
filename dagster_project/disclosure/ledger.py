"""The ledger: every number that was ever released, so that a later release cannot expose what an earlier one hid.

Reads  ledger/<release>.parquet, protection/{count,part,accepted}.parquet and the cube of a release.
Writes ledger/accepted/<release>.parquet where a region accepts that numbers can be found out: which (see `unmet`), and
       ledger/<release>.parquet: every count behind the cube when it was released, and every part of a sum, with its
       true value, whether that was printed, or which number was shown in its place. Confidential.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from dagster_project.declarations import Declarations
from dagster_project.disclosure.cells import Sheet
from dagster_project.tables import read_frame, write_frame

Integers = npt.NDArray[np.int64]
Booleans = npt.NDArray[np.bool_]

KEYS = ["geography", "edition", "level", "area", "reference_date", "measure", "years"]


TYPES = {
    **dict.fromkeys(("geography", "edition", "level", "area"), "varchar"),
    "reference_date": "date", "measure": "varchar", "years": "integer", "value": "bigint",
    "is_given": "boolean", "is_printed": "boolean", "shown": "bigint", "spread": "bigint",
}  # fmt: skip


@dataclass(frozen=True)
class Past:
    """A release's cells of a sheet: the true value then, whether there was one and whether it was printed; and which
    number was shown in its place (-1: none)."""

    value: Integers
    known: Booleans
    printed: Booleans
    shown: Integers


def record(declared: Declarations, counts: Path, cube: Path, entry: Path) -> int:
    """Enter a release: every count behind it, and whether its cube prints it. Returns the number of printed ones."""
    table = pd.concat([read_frame(counts), read_frame(counts.with_name("part.parquet"))], ignore_index=True)
    rows = read_frame(cube)
    printed = [pd.DataFrame(columns=KEYS)]
    for name, own in rows.groupby("indicator", sort=True):
        indicator = declared.indicators[str(name)]
        numerator = indicator.reported.measure if indicator.reported else indicator.numerator
        for side, measure in (("numerator", numerator), ("denominator", indicator.denominator)):
            if measure is not None:
                shown = own.loc[own[side].notna(), KEYS[:5]]
                printed.append(shown.assign(measure=measure, years=indicator.pooled_years))
    keys = pd.concat([frame for frame in printed if len(frame)] or printed).drop_duplicates()
    entered = table.merge(keys.assign(is_printed=True), on=KEYS, how="left")
    is_shown = entered["is_printed"].notna() & ~entered["is_hidden"]
    entered["is_printed"] = is_shown & entered["shown"].isna()
    entered.loc[~is_shown, ["shown", "spread"]] = None
    write_frame(entered[list(TYPES)], entry, TYPES)
    accepted = read_frame(counts.with_name("accepted.parquet"))
    if len(accepted):
        write_frame(accepted, entry.parent / "accepted" / entry.name, dict.fromkeys(accepted.columns, "varchar"))
    return int(entered["is_printed"].sum())


def read(folder: Path) -> pd.DataFrame:
    """All entries of all releases, oldest first; `order` numbers the releases."""
    files = sorted(folder.glob("*.parquet"), key=lambda path: path.stat().st_mtime_ns)
    frames = [_dated(read_frame(path)).assign(order=order) for order, path in enumerate(files)]
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=[*TYPES, "day", "order"])


def _dated(entries: pd.DataFrame) -> pd.DataFrame:
    """An entry with its days; one from before numbers could be replaced has columns for that too."""
    every = entries.reindex(columns=list(TYPES))
    return every.assign(day=pd.to_datetime(every["reference_date"]).dt.date)


def of_sheet(sheet: Sheet, history: pd.DataFrame) -> list[Past]:
    """What each release, oldest first, says of the cells of a sheet."""
    nodes = {(row.level, row.area): row.Index for row in sheet.areas[["level", "area"]].itertuples()}
    places = {(column.measure, column.day, column.years): place for place, column in enumerate(sheet.columns)}
    own = history[(history["geography"] == sheet.geography) & (history["edition"] == sheet.edition)]
    node = np.array([nodes.get(key, -1) for key in zip(own["level"], own["area"], strict=True)], dtype=int)
    place = np.array(
        [places.get(key, -1) for key in zip(own["measure"], own["day"], own["years"], strict=True)], dtype=int
    )
    here = (node >= 0) & (place >= 0)
    found = []
    for _, release in own[here].assign(node=node[here], place=place[here]).groupby("order", sort=True):
        at = (release["node"].to_numpy(), release["place"].to_numpy())
        shape = sheet.value.shape
        past = Past(np.full(shape, -1), np.zeros(shape, bool), np.zeros(shape, bool), np.full(shape, -1))
        past.value[at] = release["value"].to_numpy()
        past.known[at] = release["is_given"].to_numpy(bool)
        past.printed[at] = release["is_printed"].to_numpy(bool)
        past.shown[at] = release["shown"].fillna(-1).to_numpy(float).astype(int)
        found.append(past)
    return found
