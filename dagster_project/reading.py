"""Reading one delivered file: its rows under the names of its contract, in one scan. Parsing is DuckDB's.

Reads  one text file.
Writes `line` and `broken` into the connection it is given.
"""

from __future__ import annotations

import codecs
import csv
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

import duckdb

from dagster_project.declarations import Column, Contract, FileLayout, Symbol
from dagster_project.tables import CONFIDENTIAL, exactly, identifier, literal

ENCODING_NAMES = {"utf-8": "UTF-8", "cp1252": "Windows-1252", "latin-1": "ISO-8859-1"}
CHUNK = 1 << 20
TRANSCODED = ".utf8"  # how the name of a copy ends that is gone afterwards
LINE_ENDS = "chr(10) || chr(13)"
BROKEN_TEXT = 200  # characters of a broken row that are kept

# from the name of a relation with the columns of a layout as text to a query over it: what `line` is to hold
Facts = Callable[[str], str]


@dataclass(frozen=True)
class Breach:
    """A breach of the contract by the file as a whole."""

    rule: str
    reason: str
    column: str | None = None


class Unreadable(Exception):
    """A file that cannot be taken row by row; the reasons are German."""

    def __init__(self, *breaches: Breach) -> None:
        self.breaches = breaches
        super().__init__("; ".join(breach.reason for breach in breaches))


@dataclass(frozen=True)
class Correction:
    """What was mended in a column without asking, and in how many rows."""

    column: str
    rule: str
    rows: int


@dataclass(frozen=True)
class Counts:
    """How many rows of a file were read, broke the contract, were skipped as no data, or had no known address; and
    what was corrected in them."""

    read: int = 0
    quarantined: int = 0
    skipped: int = 0
    unallocated: int = 0
    corrections: tuple[Correction, ...] = ()


class Layout:
    """A contract as one layout of its file sees it: the layout's own words override the contract's."""

    def __init__(self, contract: Contract, file: FileLayout) -> None:
        overriding = {column.name: column for column in file.columns}
        self.contract = contract
        self.columns = [overriding.get(column.name, column) for column in contract.columns]
        self.read_columns = [column for column in self.columns if column.role != "ignore"]
        self.values = self.of_role("value")
        self.delimiter = file.delimiter or contract.delimiter
        self.encoding = file.encoding or contract.encoding
        self.decimal = file.decimal or contract.decimal
        self.other_columns = file.other_columns or contract.other_columns
        self.dimensions = file.dimensions
        self.symbols: list[Symbol] = [*file.symbols, *contract.symbols]

    def of_role(self, role: str) -> list[Column]:
        return [column for column in self.columns if column.role == role]

    @property
    def key(self) -> Column:
        return self.of_role("key")[0]

    @property
    def number(self) -> str:
        """Regular expression of a number as the contract writes it."""
        return r"-?([0-9]{1,15}([.][0-9]*)?|[.][0-9]+)".replace("[.]", f"[{self.decimal}]")

    def column(self, header: str) -> Column | None:
        return next((column for column in self.columns if header.strip().casefold() in column.names), None)


def read_lines(
    connection: duckdb.DuckDBPyConnection, path: Path, layout: Layout, workspace: Path, facts: Facts
) -> None:
    """Fill `line` (one row per row of the file: its number and its `facts`) and `broken` (rows of another width).

    Raises `Unreadable` where the file as a whole cannot be taken.
    """
    _refuse_other_kinds(path)
    with _as_utf8(path, layout.encoding, workspace) as text:
        _read_lines(connection, text, layout, _header(text.path, layout), facts)
    refuse_no_rows(connection)


def texts(layout: Layout) -> Facts:
    """The facts of a file whose cells are wanted as they stand, without space around them."""
    columns = ", ".join(f"trim({identifier(c.name)}) as {identifier(c.name)}" for c in layout.read_columns)
    return lambda relation: f"select {columns} from {relation}"


def lacks_zeros(text: str, digits: int) -> str:
    """SQL: a key that lost its leading zeros. One that is too long must stay wrong: padding also cuts."""
    return f"(regexp_full_match({text}, '[0-9]+') and length({text}) < {digits})"


def padded(text: str, digits: int | None) -> str:
    """SQL: a key with its leading zeros restored where the contract says how many digits it has."""
    if not digits:
        return text
    return f"case when {lacks_zeros(text, digits)} then lpad({text}, {digits}, '0') else {text} end"


def count_restored(
    connection: duckdb.DuckDBPyConnection, columns: list[Column], rows: str, weight: str
) -> list[Correction]:
    """How often the keys of padded columns get zeros back; `weight`: rows of the file that one of `rows` stands for."""
    keys = [column for column in columns if column.pad]
    if not keys:
        return []
    lacking = [
        f"coalesce(sum({weight}) filter (where {lacks_zeros(f'trim({identifier(key.name)})', key.pad or 0)}), 0)"
        for key in keys
    ]
    counted = connection.execute(f"select {', '.join(lacking)} from {rows}").fetchone()
    assert counted is not None
    return [
        Correction(key.name, "leading_zeros_restored", int(number))
        for key, number in zip(keys, counted, strict=True)
        if number
    ]


def refuse_no_rows(connection: duckdb.DuckDBPyConnection, rows: str = "line") -> None:
    """Raises `Unreadable` where nothing is left to land."""
    found = connection.execute(f"select (select count(*) from {rows}) + (select count(*) from broken)").fetchone()
    if found == (0,):
        raise Unreadable(
            Breach("no_rows", "Die Datei enthält keine Datenzeilen. Bitte den Export prüfen und erneut liefern.")
        )


# ---------------------------------------------------------------- the file as a whole


def _refuse_other_kinds(path: Path) -> None:
    with path.open("rb") as file:
        start = file.read(4096)
    if not start.strip(b"\xef\xbb\xbf \r\n\t"):
        raise Unreadable(Breach("empty_file", "Die Datei ist leer. Bitte den Export wiederholen und erneut liefern."))
    if start.startswith(b"PK\x03\x04"):
        kind = "eine Excel- oder ZIP-Datei"
    elif b"\x00" in start:
        kind = "eine Binärdatei"
    else:
        return
    raise Unreadable(
        Breach("no_text_file", f"Die Datei heißt wie eine CSV-Datei, ist aber {kind}. Bitte als CSV speichern.")
    )


@dataclass(frozen=True)
class _Text:
    """A file in UTF-8, and how many lines it has: those that end and what stands after the last end."""

    path: Path
    lines: int


@contextmanager
def _as_utf8(path: Path, encoding: str, workspace: Path) -> Iterator[_Text]:
    """The file itself where it is UTF-8, else a transcoded copy that is gone afterwards.

    A byte order mark outweighs the contract: whoever writes one writes UTF-8.
    """
    with path.open("rb") as file:
        has_mark = file.read(len(codecs.BOM_UTF8)) == codecs.BOM_UTF8
    if encoding == "utf-8" or has_mark:
        yield _Text(path, _lines_of(_decoded(path, "utf-8")))
        return
    copy = workspace / f".{path.name}{TRANSCODED}"
    copy.touch(mode=CONFIDENTIAL)
    try:
        with copy.open("w", encoding="utf-8", newline="") as target:
            lines = _lines_of(_written(_decoded(path, encoding), target))
        yield _Text(copy, lines)
    finally:
        copy.unlink(missing_ok=True)


def _written(pieces: Iterator[str], target: TextIO) -> Iterator[str]:
    for piece in pieces:
        target.write(piece)
        yield piece


def _lines_of(pieces: Iterator[str]) -> int:
    ends, last = 0, "\n"
    for piece in pieces:
        ends += piece.count("\n")
        last = piece[-1:] or last
    return ends + (last != "\n")


def _decoded(path: Path, encoding: str) -> Iterator[str]:
    """The file's text in pieces. Raises `Unreadable` at the first byte that is not of the encoding."""
    decoder = codecs.getincrementaldecoder(encoding)()
    line = 1
    try:
        with path.open("rb") as source:
            while chunk := source.read(CHUNK):
                text = decoder.decode(chunk)
                line += text.count("\n")
                yield text
            decoder.decode(b"", final=True)
    except UnicodeDecodeError as error:
        line += error.object[: error.start].count(b"\n")
        name, byte = ENCODING_NAMES[encoding], error.object[error.start]
        raise Unreadable(
            Breach(
                "wrong_encoding",
                f"Die Datei ist nicht in {name} gespeichert (Zeile {line}, Byte 0x{byte:02X}). "
                f"Bitte als {name} speichern und erneut liefern.",
            )
        ) from error


def _header(path: Path, layout: Layout) -> list[str]:
    """Names of the file's columns as the contract calls them ('' for columns to be left behind)."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        try:
            header = next(csv.reader(file, delimiter=layout.delimiter))
        except csv.Error:  # an open quotation mark makes the whole file one cell
            header = []
    found = [layout.column(name) for name in header]
    if not any(found):
        # of records the first line may be a person's
        quoted = f" („{_start(';'.join(header))}“)" if layout.contract.shape == "table" else ""
        raise Unreadable(
            Breach(
                "wrong_header",
                f"Die erste Zeile nennt keine Spalte des Vertrags{quoted}. "
                f"Erwartet wird eine Kopfzeile mit {_start(', '.join(column.name for column in layout.read_columns))}, "
                f"Trennzeichen „{layout.delimiter}“.",
            )
        )
    unknown = [name for name, column in zip(header, found, strict=True) if column is None]
    present = [column.name for column in found if column is not None and column.role != "ignore"]
    breaches = [
        Breach(
            "missing_column",
            f"Die Spalte {' oder '.join([column.name, *column.aliases])} fehlt. In der Kopfzeile unbekannt: "
            f"{_start(', '.join(unknown)) or 'keine'}. Erwartetes Trennzeichen: „{layout.delimiter}“.",
            column.name,
        )
        for column in layout.read_columns
        if column.required and column.name not in present
    ]
    breaches += [
        Breach("repeated_column", f"Die Spalte {name} steht mehrfach in der Kopfzeile.", name)
        for name in sorted({name for name in present if present.count(name) > 1})
    ]
    if layout.other_columns == "refuse" and not breaches:
        breaches = [
            Breach(
                "unknown_column",
                f"Die {number}. Spalte „{_start(name)}“ steht nicht im Vertrag. Bitte weglassen oder "
                "im Vertrag mit „role: ignore“ erklären.",
                name,
            )
            for number, (name, column) in enumerate(zip(header, found, strict=True), start=1)
            if column is None
        ]
    if breaches:
        raise Unreadable(*breaches)
    return [column.name if column and column.role != "ignore" else "" for column in found]


def _start(text: str) -> str:
    """A text that fits into a sentence."""
    return text if len(text) <= 120 else f"{text[:120]} …"


# ---------------------------------------------------------------- its rows


def _read_lines(
    connection: duckdb.DuckDBPyConnection, text: _Text, layout: Layout, names: list[str], facts: Facts
) -> None:
    """The facts of the file's rows in `line`; rows of another width go to `broken`, of records without their text."""
    columns = ", ".join(f"{literal(name or f'left_behind_{i}')}: 'varchar'" for i, name in enumerate(names))
    cells = ", ".join(
        f"coalesce({identifier(column.name)}, '') as {identifier(column.name)}"
        if column.name in names
        else f"'' as {identifier(column.name)}"
        for column in layout.read_columns
    )
    reader = f"""
        read_csv(
            {literal(exactly(text.path))}, hive_partitioning = false, columns = {{{columns}}},
            delim = {literal(layout.delimiter)}, quote = '"',
            escape = '"', header = true, auto_detect = false, all_varchar = true, store_rejects = true,
            rejects_limit = 0, null_padding = false
        )
    """
    try:
        connection.execute(f"create temp table parsed as {facts(f'(select {cells} from {reader})')}")
    except duckdb.InvalidInputException as error:
        raise Unreadable(
            Breach(
                "mixed_line_ends",
                "Die Datei mischt verschiedene Zeilenenden und lässt sich nicht in Zeilen teilen. "
                "Bitte den Export wiederholen.",
            )
        ) from error
    _keep_broken(connection, layout)
    _number_lines(connection, text)


def _keep_broken(connection: duckdb.DuckDBPyConnection, layout: Layout) -> None:
    """Rows of another width in `broken`. Raises `Unreadable` where one of them swallows the rows after it."""
    broken_text = f"left(min(trim(csv_line, {LINE_ENDS})), {BROKEN_TEXT})" if layout.of_role("key") else "null"
    connection.execute(
        f"""
        create temp table broken as
        select line as row, {broken_text} as text,
            bool_or(
                error_type not in ('MISSING COLUMNS', 'TOO MANY COLUMNS')
                and regexp_matches(trim(csv_line, {LINE_ENDS}), '[\\r\\n]')
            ) as swallows_rows
        from reject_errors
        group by line
        """
    )
    swallowing = connection.execute("select min(row) from broken where swallows_rows").fetchone()
    if swallowing and swallowing[0] is not None:
        raise Unreadable(
            Breach(
                "open_quotation",
                f"In Zeile {swallowing[0]} beginnt ein Anführungszeichen, das nicht in derselben Zelle "
                "endet; die folgenden Zeilen lassen sich nicht lesen. Bitte die Zelle berichtigen.",
            )
        )


def _number_lines(connection: duckdb.DuckDBPyConnection, text: _Text) -> None:
    """`line`: the parsed rows with the number of their line in the file.

    A row's number is its place among the parsed ones, the header, and the broken and blank lines before it.
    """
    counted = connection.execute("select (select count(*) from parsed), (select count(*) from broken)").fetchone()
    assert counted is not None
    blank = [] if 1 + sum(counted) == text.lines else _blank_lines(text.path)
    if not blank and not counted[1]:
        connection.execute("create temp view line as select rowid + 2 as row, * from parsed")
        return
    connection.execute("create temp table blank (row bigint)")
    connection.execute("insert into blank select unnest($rows::bigint[])", {"rows": blank})
    connection.execute(
        """
        create temp table line as
        with passed_over as (
            select row, row_number() over (order by row) as number
            from (select row from broken union select row from blank)
        ),
        gap as (
            select row - number as after, max(number) as number from passed_over group by row - number
        ),
        placed as (
            select rowid + 1 as position, * from parsed
        )
        select placed.position + 1 + coalesce(gap.number, 0) as row, placed.* exclude (position)
        from placed
        asof left join gap on placed.position >= gap.after
        """
    )


def _blank_lines(path: Path) -> list[int]:
    """Numbers of the lines that hold nothing: the reader passes over them in silence."""
    with path.open("rb") as file:
        return [number for number, line in enumerate(file, start=1) if line in (b"\n", b"\r\n")]
