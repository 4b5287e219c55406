"""Deliveries as files: one file per sender, source and period, in the layout of its department.

Writes `<output>/inbox/<sender>/<source>/<file>` by appending, so that a population may pass through piece by
piece. All files are UTF-8 until `transcode` gives each the encoding of its layout.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd

from sources.simulator.spec import Layout
from sources.simulator.territory import SUFFIXES, Streets, Territory

DECIMALS = {
    "height_cm": 1,
    "weight_kg": 1,
    "floor_area": 1,
    "amount": 2,
    "east": 3,
    "north": 3,
    "share_65_plus": 2,
}
CHUNK = 1 << 22
PENDING_ROWS = 20_000


@dataclass
class Delivery:
    """A file in the inbox; `path` is relative to the output folder, `pending` what is not yet in the file."""

    sender: str
    source: str
    period: str
    path: Path
    layout: Layout
    rows: int = 0
    pending: list[pd.DataFrame] = field(default_factory=list)


class Writer:
    """Appends frames of fields to deliveries and remembers what was delivered; `flush` when all is said."""

    def __init__(self, output: Path, con: duckdb.DuckDBPyConnection) -> None:
        self.output = output
        self.con = con
        self.deliveries: dict[Path, Delivery] = {}
        self._part = output / "part.tmp"

    def append(self, sender: str, source: str, period: str, layout: Layout, frame: pd.DataFrame, **names: str) -> None:
        """Take in the layout's columns of the frame, whose columns are fields; text is categorical, days are
        datetime64.
        """
        file = layout.file.format(period=period, compact=period.replace("-", ""), year=period[:4], **names)
        path = Path("inbox") / sender / (layout.folder or source) / file
        delivery = self.deliveries.get(path)
        if delivery is None:
            delivery = self.deliveries[path] = Delivery(sender, source, period, path, layout)
            (self.output / path).parent.mkdir(parents=True, exist_ok=True)
            (self.output / path).write_bytes(_head(layout))
        delivery.rows += len(frame)
        delivery.pending.append(frame[list(layout.columns.values())])
        if sum(map(len, delivery.pending)) > PENDING_ROWS:
            self._write(delivery)

    def flush(self) -> None:
        """Write whatever is pending."""
        for delivery in self.deliveries.values():
            if delivery.pending:
                self._write(delivery)

    def _write(self, delivery: Delivery) -> None:
        layout = delivery.layout
        frame = pd.concat(delivery.pending, ignore_index=True)
        delivery.pending.clear()
        for name in layout.format.codes:
            if name in frame:
                frame[name] = frame[name].cat.rename_categories(layout.format.codes[name])
        expressions = [f"{_expression(frame[name], layout)} as {name}" for name in frame]
        self.con.register("delivered", frame)
        self.con.execute(
            f"copy (select {', '.join(expressions)} from delivered) to '{sql(self._part)}' ({csv_options(layout)})"
        )
        self.con.unregister("delivered")
        with (self.output / delivery.path).open("ab") as target, self._part.open("rb") as part:
            shutil.copyfileobj(part, target, CHUNK)
        self._part.unlink()


def sql(path: Path) -> str:
    return str(path).replace("'", "''")


def pattern(path: Path) -> str:
    """The same for a reader, which takes `*`, `?` and `[` for patterns: each of them stands for itself."""
    return re.sub(r"[*?[]", r"[\g<0>]", sql(path))


def csv_options(layout: Layout) -> str:
    quote = ", force_quote *" if layout.format.quote else ""
    return f"format csv, header false, delimiter '{layout.format.delimiter}'{quote}"


def _head(layout: Layout) -> bytes:
    lines = list(layout.preamble)
    if layout.header:
        lines.append(joined(layout.columns, layout))
    return "".join(line + "\n" for line in lines).encode()


def joined(values: Iterable[str], layout: Layout) -> str:
    """One line of values; no value ever holds a delimiter or a quote."""
    mark = '"' if layout.format.quote else ""
    return layout.format.delimiter.join(f"{mark}{value}{mark}" for value in values)


def _expression(column: pd.Series, layout: Layout) -> str:
    """SQL for the text of a column in the file."""
    name = str(column.name)
    if isinstance(column.dtype, pd.CategoricalDtype):
        return f"nullif({name}::varchar, '')"
    if column.dtype.kind == "M":
        return f"strftime({name}::date, '{layout.format.date}')"
    if column.dtype.kind == "f":
        text = f"printf('%.{DECIMALS[name]}f', {name})"
        return f"replace({text}, '.', ',')" if layout.format.decimal == "," else text
    return name


def transcode(path: Path, encoding: str) -> None:
    """Rewrite a UTF-8 file in another encoding, piece by piece."""
    if encoding == "utf-8":
        return
    target = path.with_name(path.name + ".tmp")
    with (
        path.open(encoding="utf-8", newline="") as source,
        target.open("w", encoding=encoding, newline="") as result,
    ):
        shutil.copyfileobj(source, result, CHUNK)
    target.replace(path)


# ---------------------------------------------------------------- columns


def texts(codes: np.ndarray, categories: Sequence[str], missing: np.ndarray | None = None) -> pd.Categorical:
    """Positions in a list of distinct texts as text; empty where `missing`."""
    positions = codes if missing is None else np.where(missing, -1, codes)
    return pd.Categorical.from_codes(positions, dtype=_categories(tuple(categories)))


@cache
def _categories(values: tuple[str, ...]) -> pd.CategoricalDtype:
    return pd.CategoricalDtype(list(values))


def constant(value: str, number: int) -> pd.Categorical:
    return texts(np.zeros(number, dtype=np.int64), [value])


def days(values: np.ndarray, missing: np.ndarray | None = None) -> np.ndarray:
    """Day numbers as dates of the kind pandas understands."""
    dates = values.astype("datetime64[D]").astype("datetime64[s]")
    if missing is not None:
        dates[missing] = np.datetime64("NaT")
    return dates


@dataclass(frozen=True)
class _Texts:
    """Texts of the streets with repetitions removed, as categoricals want them."""

    categories: tuple[str, ...]
    code: np.ndarray

    @classmethod
    def of(cls, values: list[str]) -> _Texts:
        categories, code = np.unique(np.array(values, dtype=object), return_inverse=True)
        return cls(tuple(str(item) for item in categories), code)

    def at(self, rows: np.ndarray, missing: np.ndarray | None = None) -> pd.Categorical:
        return texts(self.code[rows], self.categories, missing)


class AddressColumns:
    """Address fields of persons or cases, in the way of writing a layout asks for."""

    def __init__(self, territory: Territory, ags: list[str]) -> None:
        streets: Streets = territory.streets
        self.addresses = territory.addresses
        self.ags = ags
        self.names = _Texts.of(streets.names)
        with_ags = [ags[m] + key for m, key in zip(streets.municipality.tolist(), streets.keys, strict=True)]
        self.keys = {
            "padded": _Texts.of(streets.keys),
            "plain": _Texts.of([key.lstrip("0") for key in streets.keys]),
            "with_ags": _Texts.of(with_ags),
        }
        houses, self.house = np.unique(
            np.column_stack([self.addresses.number, self.addresses.suffix]), axis=0, return_inverse=True
        )
        self.house = self.house.ravel()
        self.houses = tuple(f"{number}{SUFFIXES[suffix]}" for number, suffix in houses.tolist())

    def fields(self, address: np.ndarray, layout: Layout, prefix: str = "") -> dict[str, object]:
        """Fields `ags, street_key, street, house_number, house_suffix, house`; empty for address -1."""
        missing = address < 0
        rows = np.where(missing, 0, address)
        street = self.addresses.street[rows]
        return {
            f"{prefix}ags": texts(self.addresses.municipality[rows], self.ags, missing),
            f"{prefix}street_key": self.keys[layout.format.street_key].at(street, missing),
            f"{prefix}street": self.names.at(street, missing),
            f"{prefix}house_number": pd.arrays.IntegerArray(self.addresses.number[rows].astype(np.int64), missing),
            f"{prefix}house_suffix": texts(self.addresses.suffix[rows], SUFFIXES, missing),
            f"{prefix}house": texts(self.house[rows], self.houses, missing),
        }
