"""Real-world dirt on finished deliveries, each kind with a name and switched on by it.

Rewrites files below `inbox/` (UTF-8 as the writer left them), gives every file the encoding of its layout,
moves late ones to `later/` and writes `truth/dirt.parquet`: one row per touched line or, for dirt on a whole
file, per file and column. The region specification says which deliveries each kind falls on. Which rows it
takes does not depend on the other kinds being on or off, and no row takes two kinds.
"""

from __future__ import annotations

import shutil
import zlib
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO, get_args

import duckdb
import numpy as np
import pandas as pd

from sources.simulator.population import Array
from sources.simulator.spec import Dirt, DirtName, Layout, Layouts, Region
from sources.simulator.truth import write_parquet
from sources.simulator.writing import Delivery, csv_options, joined, pattern, sql, transcode

NAMES: tuple[str, ...] = get_args(DirtName)
UNKNOWN_STREET = "99990"
UNKNOWN_STREET_NAME = "Unbekannter Weg"
BEYOND_ANY_HOUSE = 900
IMPOSSIBLE_DAYS = (("31", "02", "1980"), ("17", "05", "2091"), ("01", "01", "1850"), ("00", "00", "0000"))
NEVER_SYMBOLS = ("period", "area")

Cells = dict[str, str]  # field: text in the file


def chosen(text: str) -> tuple[str, ...]:
    """The kinds of dirt that `all`, `none` or a list of names separated by commas means."""
    return {"all": NAMES, "none": ()}.get(text, tuple(text.split(",")))


@dataclass(frozen=True)
class Touch:
    """`line` counts from 1 in the clean file, header included; it is 0 where the whole file is meant."""

    dirt: str
    path: str
    line: int
    column: str | None
    before: str | None
    after: str | None
    rows: int = 1


# ---------------------------------------------------------------- dirt on single rows
# Each takes the cells of a row, the layout, the row's rank among the touched ones and the region, and returns
# the cells that change.


def impossible_birth_dates(cells: Cells, layout: Layout, rank: int, region: Region) -> Cells:
    """Days that do not exist, lie ahead or lie too far back."""
    day, month, year = IMPOSSIBLE_DAYS[rank % len(IMPOSSIBLE_DAYS)]
    text = layout.format.date.replace("%d", day).replace("%m", month).replace("%Y", year)
    return {"birth_date": text}


def unknown_birth_days(cells: Cells, layout: Layout, rank: int, region: Region) -> Cells:
    """Days nobody knows, written as zeros; ages in months at the end of a month are the same on every day of it."""
    day = layout.format.date.replace("%Y", "####").replace("%m", "##").index("%d")
    return {"birth_date": f"{cells['birth_date'][:day]}00{cells['birth_date'][day + 2 :]}"}


def unknown_street(cells: Cells, layout: Layout, rank: int, region: Region) -> Cells:
    """A street key that the street register does not know."""
    prefix = cells["street_key"][:8] if layout.format.street_key == "with_ags" else ""
    return {"street_key": prefix + UNKNOWN_STREET, "street": UNKNOWN_STREET_NAME}


def address_off_register(cells: Cells, layout: Layout, rank: int, region: Region) -> Cells:
    """A house number beyond the end of the street."""
    if "house" in cells:
        digits = cells["house"].rstrip("abc")
        return {"house": f"{int(digits) + BEYOND_ANY_HOUSE}{cells['house'][len(digits) :]}"}
    return {"house_number": str(int(cells["house_number"]) + BEYOND_ANY_HOUSE)}


def wrong_municipality(cells: Cells, layout: Layout, rank: int, region: Region) -> Cells:
    """The key of another municipality of the region."""
    others = [item.ags for item in region.municipalities if item.ags != cells["ags"]]
    return {"ags": others[rank % len(others)]}


ROW_DIRT: dict[str, Callable[[Cells, Layout, int, Region], Cells]] = {
    "impossible_birth_dates": impossible_birth_dates,
    "unknown_birth_days": unknown_birth_days,
    "unknown_street": unknown_street,
    "address_off_register": address_off_register,
    "wrong_municipality": wrong_municipality,
}
LINE_DIRT = (*ROW_DIRT, "duplicate_persons", "corrected_second_version")


# ---------------------------------------------------------------- dirt on whole columns
# Each takes the declaration and the layout and returns {field: SQL over its text, `cell`}.


def lost_leading_zeros(declared: Dirt, layout: Layout) -> dict[str, str]:
    """Keys as a spreadsheet leaves them."""
    return dict.fromkeys(declared.fields, "ltrim(cell, '0')")


def decimal_comma(declared: Dirt, layout: Layout) -> dict[str, str]:
    """Numbers with a comma where the layout has a point."""
    return dict.fromkeys(declared.fields, "replace(cell, '.', ',')")


def changed_code_list(declared: Dirt, layout: Layout) -> dict[str, str]:
    """The same facts under new codes."""
    return dict.fromkeys(declared.fields, _recoded(declared.codes))


def symbols(declared: Dirt, layout: Layout) -> dict[str, str]:
    """Other signs for a withheld number or for zero."""
    fields = declared.fields or [field for field in layout.columns.values() if field not in NEVER_SYMBOLS]
    return dict.fromkeys(fields, _recoded(declared.codes))


def revised_history(declared: Dirt, layout: Layout) -> dict[str, str]:
    """Too small numbers at first; the revision is the clean file."""
    rounded = f"cast(floor(try_cast(cell as double) * {declared.keep} + 0.5) as bigint)"
    return dict.fromkeys(declared.fields, f"coalesce({rounded}::varchar, cell)")


COLUMN_DIRT: dict[str, Callable[[Dirt, Layout], dict[str, str]]] = {
    "lost_leading_zeros": lost_leading_zeros,
    "decimal_comma": decimal_comma,
    "changed_code_list": changed_code_list,
    "symbols": symbols,
    "revised_history": revised_history,
}


def _recoded(codes: dict[str, str]) -> str:
    whens = " ".join(f"when {_text(old)} then {_text(new) if new else 'null'}" for old, new in codes.items())
    return f"case cell {whens} else cell end"


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


# ---------------------------------------------------------------- dirt on whole files


def footer(path: Path, declared: Dirt, delivery: Delivery) -> Touch:
    """Notes below the table."""
    notes = (
        "Zeichenerklärung: * Zahlenwert ist geheim zu halten\n"
        f"Erstellt für den Stichtag {delivery.period}; Änderungen vorbehalten\n"
    )
    with path.open("ab") as file:
        file.write(notes.encode())
    return Touch("footer", delivery.path.as_posix(), 0, None, None, notes, 2)


def truncated(path: Path, declared: Dirt, delivery: Delivery) -> Touch:
    """The file ends in the middle of a line."""
    starts = _line_starts(path)
    kept = int(declared.keep * delivery.rows) + _head_lines(delivery.layout)
    end = int((starts[kept] + starts[kept + 1]) // 2)
    with path.open("r+b") as file:
        file.truncate(end)
    return Touch("truncated", delivery.path.as_posix(), 0, None, None, None, len(starts) - 1 - kept)


FILE_DIRT: dict[str, Callable[[Path, Dirt, Delivery], Touch]] = {"footer": footer, "truncated": truncated}
ENCODING_DIRT = {"cp1252": "cp1252", "bom": "utf-8-sig"}
SECOND_VERSION = {"corrected_second_version": "_v2", "revised_history": "_revidiert"}


# ---------------------------------------------------------------- soiling


def check(region: Region, layouts: Layouts) -> None:
    """Raises `ValueError` where a declared dirt names a source, field or number of fields that cannot be."""
    for declared in region.dirt:
        software = next((item.software for item in region.municipalities if item.ags == declared.sender), None)
        layout = layouts.departments.get(declared.source) or layouts.software.get(software or "", {}).get(
            declared.source
        )
        if layout is None:
            raise ValueError(f"dirt {declared.name}: {declared.sender} delivers no {declared.source}")
        needed = list(declared.fields)
        needed += {"unknown_street": ["street_key"], "wrong_municipality": ["ags"]}.get(declared.name, [])
        unknown = sorted(set(needed) - set(layout.columns.values()))
        if unknown:
            raise ValueError(f"dirt {declared.name}: {declared.source} has no field {', '.join(unknown)}")
        if declared.name == "column_swap" and len(declared.fields) != 2:
            raise ValueError("dirt column_swap: declare exactly two fields")


def soil(
    region: Region,
    output: Path,
    deliveries: list[Delivery],
    names: Collection[str],
    con: duckdb.DuckDBPyConnection,
    seed: int,
) -> list[Delivery]:
    """Soil, encode and date all deliveries; returns them with second versions added and late ones moved."""
    touches: list[Touch] = []
    result: list[Delivery] = []
    for delivery in deliveries:
        declared = [
            item
            for item in region.dirt
            if item.sender == delivery.sender and item.source == delivery.source and delivery.period in item.periods
        ]
        result += _soiled(region, output, delivery, declared, names, con, seed, touches)
    columns = ["dirt", "path", "line", "column", "before", "after", "rows"]
    table = pd.DataFrame([[getattr(touch, name) for name in columns] for touch in touches], columns=columns)
    table = table.astype(
        {
            "dirt": "str",
            "path": "str",
            "line": "int64",
            "column": "str",
            "before": "str",
            "after": "str",
            "rows": "int64",
        }
    )
    write_parquet(con, table, output / "truth" / "dirt.parquet", 'path, dirt, line, "column"')
    return result


def _soiled(
    region: Region,
    output: Path,
    delivery: Delivery,
    declared: list[Dirt],
    names: Collection[str],
    con: duckdb.DuckDBPyConnection,
    seed: int,
    touches: list[Touch],
) -> list[Delivery]:
    path = output / delivery.path
    rng = np.random.default_rng([seed, 21, zlib.crc32(delivery.path.as_posix().encode())])
    chosen = _chosen_rows([item for item in declared if item.name in LINE_DIRT], delivery.rows, rng)
    active = [item for item in declared if item.name in names]
    versions = [
        _second_version(output, delivery, SECOND_VERSION[item.name]) for item in active if item.name in SECOND_VERSION
    ]
    lines = [item for item in active if item.name in LINE_DIRT]
    if lines:
        touches += _soil_lines(region, path, delivery, [(item, chosen[id(item)]) for item in lines])
    for item in sorted(active, key=lambda item: item.name in FILE_DIRT):
        if item.name in COLUMN_DIRT:
            touches += _soil_columns(path, delivery, item.name, COLUMN_DIRT[item.name](item, delivery.layout), con)
        elif item.name == "column_swap":
            first, second = item.fields
            touches += _soil_columns(path, delivery, item.name, {first: f"@{second}", second: f"@{first}"}, con)
        elif item.name in FILE_DIRT:
            touches.append(FILE_DIRT[item.name](path, item, delivery))
    encoding = next(
        (ENCODING_DIRT[item.name] for item in active if item.name in ENCODING_DIRT),
        delivery.layout.format.encoding,
    )
    transcode(path, encoding)
    whole = [item.name for item in active if item.name in (*ENCODING_DIRT, "late_delivery", *SECOND_VERSION)]
    touches += [Touch(name, delivery.path.as_posix(), 0, None, None, None, delivery.rows) for name in whole]
    if "late_delivery" in whole:
        delivery = _late(output, delivery)
    return [delivery, *versions]


def _chosen_rows(declared: list[Dirt], rows: int, rng: np.random.Generator) -> dict[int, Array]:
    """Rows for each dirt, none twice; drawn for all that are declared so that switches do not shift them."""
    counts = [min(max(1, round(item.rate * rows)), rows // 4) for item in declared]
    drawn = rng.choice(rows, sum(counts), replace=False) if counts and rows else np.zeros(0, dtype=np.int64)
    parts = np.split(drawn, np.cumsum(counts)[:-1]) if counts else []
    return {id(item): np.sort(part) for item, part in zip(declared, parts, strict=True)}


def _second_version(output: Path, delivery: Delivery, mark: str) -> Delivery:
    """The clean file beside the soiled one, as the sender's later version."""
    path = delivery.path.with_name(f"{delivery.path.stem}{mark}{delivery.path.suffix}")
    shutil.copyfile(output / delivery.path, output / path)
    transcode(output / path, delivery.layout.format.encoding)
    return replace(delivery, path=path)


def _late(output: Path, delivery: Delivery) -> Delivery:
    """Not in the inbox yet: the same path below `later/`."""
    path = Path("later", *delivery.path.parts[1:])
    (output / path).parent.mkdir(parents=True, exist_ok=True)
    shutil.move(output / delivery.path, output / path)
    return replace(delivery, path=path)


# ---------------------------------------------------------------- lines


def _head_lines(layout: Layout) -> int:
    return len(layout.preamble) + layout.header


def _line_starts(path: Path) -> Array:
    """Byte positions where lines start, and the end of the file."""
    content = np.memmap(path, dtype=np.uint8, mode="r")
    step = 1 << 24
    ends = [np.flatnonzero(content[at : at + step] == 10) + at for at in range(0, len(content), step)]
    return np.concatenate([[0], np.concatenate(ends) + 1])


def _soil_lines(region: Region, path: Path, delivery: Delivery, chosen: list[tuple[Dirt, Array]]) -> list[Touch]:
    starts = _line_starts(path)
    head = _head_lines(delivery.layout)
    touches: list[Touch] = []
    edits: dict[int, list[str]] = {}
    with path.open("rb") as file:
        for declared, rows in chosen:
            for rank, row in enumerate(rows.tolist()):
                line = head + row
                file.seek(int(starts[line]))
                text = file.read(int(starts[line + 1] - starts[line])).decode().rstrip("\n")
                edits[line], touched = _edited(region, declared.name, text, delivery, rank, line + 1)
                touches += touched
    _replace_lines(path, starts, edits)
    return touches


def _edited(
    region: Region, name: str, text: str, delivery: Delivery, rank: int, line: int
) -> tuple[list[str], list[Touch]]:
    """The lines that stand in place of a line, and what was done to it."""
    layout, path = delivery.layout, delivery.path.as_posix()
    if name == "duplicate_persons":
        return [text, text], [Touch(name, path, line, None, text, text)]
    if name == "corrected_second_version":
        return [], [Touch(name, path, line, None, text, None)]
    mark = '"' if layout.format.quote else ""
    values = [value.removeprefix(mark).removesuffix(mark) for value in text.split(layout.format.delimiter)]
    cells = dict(zip(layout.columns.values(), values, strict=True))
    changes = {field: value for field, value in ROW_DIRT[name](cells, layout, rank, region).items() if field in cells}
    touched = [
        Touch(name, path, line, layout.column_of(field), cells[field], value) for field, value in changes.items()
    ]
    changed = {**cells, **changes}.values()
    if not layout.format.quote:
        return [joined(changed, layout)], touched
    return [layout.format.delimiter.join(f'"{value}"' if value else "" for value in changed)], touched


def _replace_lines(path: Path, starts: Array, edits: dict[int, list[str]]) -> None:
    target = path.with_name(path.name + ".tmp")
    with path.open("rb") as source, target.open("wb") as result:
        for line in sorted(edits):
            _copy(source, result, int(starts[line]) - source.tell())
            result.write("".join(text + "\n" for text in edits[line]).encode())
            source.seek(int(starts[line + 1]))
        shutil.copyfileobj(source, result)
    target.replace(path)


def _copy(source: BinaryIO, result: BinaryIO, length: int) -> None:
    """Copy `length` bytes from one open file to another."""
    while length > 0:
        part = source.read(min(length, 1 << 22))
        result.write(part)
        length -= len(part)


# ---------------------------------------------------------------- columns


def _soil_columns(
    path: Path, delivery: Delivery, name: str, changes: dict[str, str], con: duckdb.DuckDBPyConnection
) -> list[Touch]:
    """Rewrite columns by SQL; `cell` is the field's own cell, `@field` another field's."""
    layout = delivery.layout
    position = {field: f"c{i}" for i, field in enumerate(layout.columns.values())}
    head = _head_lines(layout)
    names = ", ".join(f"'{column}': 'varchar'" for column in position.values())
    con.execute(
        f"create or replace temp table soiled as select * from read_csv('{pattern(path)}', header = false, "
        f"hive_partitioning = false, skip = {head}, "
        f"delim = '{layout.format.delimiter}', quote = '\"', columns = {{{names}}}, auto_detect = false)"
    )
    expressions, touches = [], []
    for field, column in position.items():
        change = changes.get(field)
        if change is None:
            expressions.append(column)
            continue
        changed = position[change[1:]] if change.startswith("@") else change.replace("cell", column)
        expressions.append(f"{changed} as {column}")
        counted = con.execute(f"select count(*) from soiled where {changed} is distinct from {column}").fetchone()
        rows = int(counted[0]) if counted else 0
        touches.append(Touch(name, delivery.path.as_posix(), 0, layout.column_of(field), None, None, rows))
    part = path.with_name(path.name + ".tmp")
    con.execute(f"copy (select {', '.join(expressions)} from soiled) to '{sql(part)}' ({csv_options(layout)})")
    con.execute("drop table soiled")
    with path.open("rb") as source:
        first = b"".join(source.readline() for _ in range(head))
    with path.open("wb") as result, part.open("rb") as rows_file:
        result.write(first)
        shutil.copyfileobj(rows_file, result)
    part.unlink()
    return touches
