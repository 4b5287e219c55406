"""Which line of a file a row stands on, and which row of a spreadsheet it is.

Reads  one text file in UTF-8, and `parsed` and `broken` of the connection it is given.
Writes `line` and `line_shift(record, row, shift)` into it, and the lines of `broken`.

A row begins on a line; a cell with a line end in quotation marks makes it longer. A record is what a spreadsheet shows
as one row: the header is the first, an empty line counts. The parser numbers records.
"""

from __future__ import annotations

import csv
from pathlib import Path

import duckdb


def number_lines(connection: duckdb.DuckDBPyConnection, path: Path, lines: int, delimiter: str) -> None:
    """`line`: the parsed rows with the number of the line they begin on, of the `lines` in the file.

    A row's record is its place among the parsed ones, the header, and the broken and empty records before it.
    `line_shift` holds one row wherever lines and records part further.
    """
    counted = connection.execute("select (select count(*) from parsed), (select count(*) from broken)").fetchone()
    assert counted is not None
    empty, shifts = ([], []) if 1 + sum(counted) == lines else _walked(path, delimiter, 1 + sum(counted), lines)
    no_shifts(connection)
    if shifts:
        connection.executemany("insert into line_shift values (?, ?, ?)", shifts)
        connection.execute(
            """
            update broken set row = broken.row + coalesce(
                (select max(shift) from line_shift where line_shift.record <= broken.row), 0
            )
            """
        )
    if not empty and not counted[1] and not shifts:
        connection.execute("create temp view line as select rowid + 2 as row, * from parsed")
        return
    connection.execute("create temp table empty_record (record bigint)")
    connection.execute("insert into empty_record select unnest($records::bigint[])", {"records": empty})
    connection.execute(
        """
        create temp table line as
        with passed_over as (
            select record, row_number() over (order by record) as number
            from (
                select broken.row - coalesce(line_shift.shift, 0) as record
                from broken asof left join line_shift on broken.row >= line_shift.row
                union
                select record from empty_record
            )
        ),
        gap as (
            select record - number as after, max(number) as number from passed_over group by record - number
        ),
        placed as (
            select rowid + 1 as position, * from parsed
        ),
        numbered as (
            select placed.position + 1 + coalesce(gap.number, 0) as record, placed.* exclude (position)
            from placed
            asof left join gap on placed.position >= gap.after
        )
        select numbered.record + coalesce(line_shift.shift, 0) as row, numbered.* exclude (record)
        from numbered
        asof left join line_shift on numbered.record >= line_shift.record
        """
    )


def no_shifts(connection: duckdb.DuckDBPyConnection) -> None:
    """`line_shift` of a file whose lines and records are the same, where there is none yet."""
    connection.execute("create temp table if not exists line_shift (record bigint, row bigint, shift bigint)")


def with_records(rows: str) -> str:
    """SQL: a relation with the column `row`, and beside it the `record` that the row is in a spreadsheet."""
    return (
        f"(select {rows}.*, {rows}.row - coalesce(line_shift.shift, 0) as record "
        f"from {rows} asof left join line_shift on {rows}.row >= line_shift.row)"
    )


def place(row: int, record: int | None) -> str:
    """Where a row stands: its line, and its row in a spreadsheet where cells with line ends part the two."""
    return str(row) if record in (None, row) else f"{row} (Datensatz {record}, wie eine Tabellenkalkulation zählt)"


def _walked(path: Path, delimiter: str, rows: int, lines: int) -> tuple[list[int], list[tuple[int, int, int]]]:
    """Records that hold nothing – the parser passes over them in silence – and where lines and records part.

    `rows` are the parsed records with the header.
    """
    empty, has_open_cells = [], False
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            if line in (b"\n", b"\r\n"):
                empty.append(number)
            has_open_cells = has_open_cells or line.count(b'"') % 2 == 1
    if not has_open_cells and lines > 1:  # else its lines end in the way of old Macs
        return empty, []
    found = _records(path, delimiter)
    return found[:2] if found is not None and found[2] == rows else (empty, [])


def _records(path: Path, delimiter: str) -> tuple[list[int], list[tuple[int, int, int]], int] | None:
    """Empty records, where lines and records part, and how many records are not empty; None for cells too long."""
    empty: list[int] = []
    shifts: list[tuple[int, int, int]] = []
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file, delimiter=delimiter)
        begins, record = 1, 0
        try:
            for record, cells in enumerate(reader, start=1):
                if not cells:
                    empty.append(record)
                if reader.line_num > begins:
                    shifts.append((record + 1, reader.line_num + 1, reader.line_num - record))
                begins = reader.line_num + 1
        except csv.Error:
            return None
    return empty, shifts, record - len(empty)
