"""Reading one delivered file: its rows under the names of its contract, in one scan. Parsing is DuckDB's.

Reads  one text file.
Writes `line`, `broken` and `line_shift` (see `line_numbers`) into the connection it is given.
"""

from __future__ import annotations

import codecs
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

import duckdb

from dagster_project.breaches import Breach, Correction, Unreadable
from dagster_project.damaged_text import SUSPECT, damage
from dagster_project.declarations import Column
from dagster_project.header import column_names
from dagster_project.layout import Layout, lacks_zeros
from dagster_project.line_numbers import number_lines
from dagster_project.tables import CONFIDENTIAL, exactly, identifier, literal

ENCODING_NAMES = {"utf-8": "UTF-8", "cp1252": "Windows-1252", "latin-1": "ISO-8859-1"}
CHUNK = 1 << 20
TRANSCODED = ".utf8"  # how the name of a copy ends that is gone afterwards
LINE_ENDS = "chr(10) || chr(13)"
BROKEN_TEXT = 200  # characters of a broken row that are kept
# SQL: what is said of a text in `damaged`
DAMAGED = (
    "'Die Zeichen sind beschädigt: ' || cause || '. Bitte die Datei in der vereinbarten Kodierung neu exportieren.'"
)

# from the name of a relation with the columns of a layout as text to a query over it: what `line` is to hold
Facts = Callable[[str], str]


def read_lines(
    connection: duckdb.DuckDBPyConnection, path: Path, layout: Layout, workspace: Path, facts: Facts
) -> None:
    """Fill `line` (one row per row of the file: its number and its `facts`) and `broken` (rows of another width).

    Raises `Unreadable` where the file as a whole cannot be taken.
    """
    _refuse_other_kinds(path)
    with _as_utf8(path, layout.encoding, workspace) as text:
        _read_lines(connection, text, layout, column_names(text.path, layout), facts)
    refuse_no_rows(connection)


def texts(layout: Layout) -> Facts:
    """The facts of a file whose cells are wanted as they stand, without space around them."""
    columns = ", ".join(f"trim({identifier(c.name)}) as {identifier(c.name)}" for c in layout.read_columns)
    return lambda relation: f"select {columns} from {relation}"


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
    """The file itself where it is UTF-8 as most write it, else a transcoded copy that is gone afterwards.

    A byte order mark outweighs the contract: whoever writes one writes UTF-8.
    """
    with path.open("rb") as file:
        has_mark = file.read(len(codecs.BOM_UTF8)) == codecs.BOM_UTF8
    if has_mark:
        encoding = "utf-8"
    if encoding == "utf-8":
        lines, is_composed = _looked_through(_decoded(path, encoding))
        if is_composed:
            yield _Text(path, lines)
            return
    copy = workspace / f".{path.name}{TRANSCODED}"
    copy.touch(mode=CONFIDENTIAL)
    try:
        with copy.open("w", encoding="utf-8", newline="") as target:
            lines, _ = _looked_through(_written(_composed(_decoded(path, encoding)), target))
        yield _Text(copy, lines)
    finally:
        copy.unlink(missing_ok=True)


def _written(pieces: Iterator[str], target: TextIO) -> Iterator[str]:
    for piece in pieces:
        target.write(piece)
        yield piece


def _composed(pieces: Iterator[str]) -> Iterator[str]:
    """The text with every letter and its accent as one sign; cut between words, where no accent can be parted off."""
    rest = ""
    for piece in pieces:
        text = rest + piece
        cut = max(map(text.rfind, "\n\r;, \t"))
        rest = text[cut:] if cut > 0 else text
        yield unicodedata.normalize("NFC", text[: len(text) - len(rest)])
    yield unicodedata.normalize("NFC", rest)


def _looked_through(pieces: Iterator[str]) -> tuple[int, bool]:
    """How many lines a text has, and whether every letter and its accent are one sign in it."""
    ends, last, is_composed = 0, "\n", True
    for piece in pieces:
        if not piece:
            continue
        ends += piece.count("\n")
        last = piece[-1]
        is_composed = is_composed and unicodedata.is_normalized("NFC", piece) and not unicodedata.combining(piece[0])
    return ends + (last != "\n"), is_composed


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
    _keep_broken(connection, layout, text.path)
    number_lines(connection, text.path, text.lines, layout.delimiter)


def _keep_broken(connection: duckdb.DuckDBPyConnection, layout: Layout, path: Path) -> None:
    """Rows of another width in `broken`. Raises `Unreadable` where one of them swallows the rows after it."""
    broken_text = f"left(min(trim(csv_line, {LINE_ENDS})), {BROKEN_TEXT})" if layout.of_role("key") else "null"
    connection.execute(
        f"""
        create temp table broken as
        select line as row, {broken_text} as text, min(byte_position) as starts_at,
            bool_or(
                error_type not in ('MISSING COLUMNS', 'TOO MANY COLUMNS')
                and regexp_matches(trim(csv_line, {LINE_ENDS}), '[\\r\\n]')
            ) as swallows_rows
        from reject_errors
        group by line
        """
    )
    swallowing = connection.execute("select arg_min(starts_at, row) from broken where swallows_rows").fetchone()
    if swallowing and swallowing[0] is not None:
        with path.open("rb") as file:
            line = file.read(swallowing[0]).count(b"\n") + 1
        raise Unreadable(
            Breach(
                "open_quotation",
                f"In Zeile {line} beginnt ein Anführungszeichen, das nicht in derselben Zelle "
                "endet; die folgenden Zeilen lassen sich nicht lesen. Bitte die Zelle berichtigen.",
            )
        )


def note_damaged(connection: duckdb.DuckDBPyConnection, written: str) -> None:
    """`damaged(text, cause)`: those of the texts – a query with the column `text` – that are damaged, and why."""
    suspects = connection.execute(
        f"select distinct text from ({written}) where regexp_matches(text, {literal(SUSPECT)})"
    ).fetchall()
    found = [(text, cause) for (text,) in suspects if (cause := damage(text))]
    connection.execute("create temp table damaged (text varchar, cause varchar)")
    if found:
        connection.executemany("insert into damaged values (?, ?)", found)
