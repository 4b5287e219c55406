"""Reading one delivered file under its contract: typed rows and every breach, all of it in DuckDB.

Reads  one text file, and the areas it may speak of (a table `expected_area` in the connection it is given).
Writes two tables into that connection: `accepted` (one row per area and value column) and `breach`.
"""

from __future__ import annotations

import codecs
import csv
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import duckdb

from dagster_project.declarations import Column, Contract, FileLayout, Symbol
from dagster_project.tables import CONFIDENTIAL, identifier, literal

ENCODING_NAMES = {"utf-8": "UTF-8", "cp1252": "Windows-1252", "latin-1": "ISO-8859-1"}
CHUNK = 1 << 20
LINE_ENDS = "chr(10) || chr(13)"
BROKEN_TEXT = 200  # characters of a broken row that are kept


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
class Counts:
    """How many rows of a file were read, broke the contract, and were skipped as no data."""

    read: int
    quarantined: int
    skipped: int


class Layout:
    """A contract as one layout of its file sees it: the layout's own words override the contract's."""

    def __init__(self, contract: Contract, file: FileLayout) -> None:
        overriding = {column.name: column for column in file.columns}
        self.contract = contract
        self.columns = [overriding.get(column.name, column) for column in contract.columns]
        self.read_columns = [column for column in self.columns if column.role != "ignore"]
        self.values = [column for column in self.columns if column.role == "value"]
        self.key = next(column for column in self.columns if column.role == "key")
        self.delimiter = file.delimiter or contract.delimiter
        self.encoding = file.encoding or contract.encoding
        self.decimal = file.decimal or contract.decimal
        self.symbols: list[Symbol] = [*file.symbols, *contract.symbols]

    def column(self, header: str) -> Column | None:
        return next((column for column in self.columns if header.strip().casefold() in column.names), None)


def read_file(
    connection: duckdb.DuckDBPyConnection,
    path: Path,
    layout: Layout,
    period_text: str | None,
    workspace: Path,
) -> Counts:
    """Fill the tables `accepted` and `breach` from a file.

    `expected_area(area)` must exist in the connection; `period_text` is what a period column must carry.
    Raises `Unreadable` where the file as a whole cannot be taken.
    """
    _refuse_other_kinds(path)
    with _as_utf8(path, layout.encoding, workspace) as text:
        _read_lines(connection, text, layout, _header(text, layout))
    skipped = _skip_rows(connection, layout)
    _refuse_no_rows(connection)
    _place(connection, layout)
    _type_cells(connection, layout)
    _find_breaches(connection, layout, period_text)
    _accept(connection)
    counted = connection.execute(
        "select (select count(*) from placed) + (select count(*) from broken), (select count(distinct row) from breach)"
    ).fetchone()
    assert counted is not None
    return Counts(read=counted[0], quarantined=counted[1], skipped=skipped)


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


@contextmanager
def _as_utf8(path: Path, encoding: str, workspace: Path) -> Iterator[Path]:
    """The file itself where it is UTF-8, else a transcoded copy that is gone afterwards.

    A byte order mark outweighs the contract: whoever writes one writes UTF-8.
    """
    with path.open("rb") as file:
        has_mark = file.read(len(codecs.BOM_UTF8)) == codecs.BOM_UTF8
    if encoding == "utf-8" or has_mark:
        for _ in _decoded(path, "utf-8"):
            pass
        yield path
        return
    copy = workspace / f".{path.name}.utf8"
    copy.touch(mode=CONFIDENTIAL)
    try:
        with copy.open("w", encoding="utf-8", newline="") as target:
            target.writelines(_decoded(path, encoding))
        yield copy
    finally:
        copy.unlink(missing_ok=True)


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
        raise Unreadable(
            Breach(
                "wrong_header",
                f"Die erste Zeile nennt keine Spalte des Vertrags („{_start(';'.join(header))}“). "
                f"Erwartet wird eine Kopfzeile mit {_start(', '.join(column.name for column in layout.read_columns))}, "
                f"Trennzeichen „{layout.delimiter}“.",
            )
        )
    unknown = [name for name, column in zip(header, found, strict=True) if column is None]
    present = [column.name for column in found if column is not None]
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
    if layout.contract.other_columns == "refuse" and not breaches:
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


def _read_lines(connection: duckdb.DuckDBPyConnection, path: Path, layout: Layout, names: list[str]) -> None:
    """The file's rows as text in `line`; rows of another width go to `broken`."""
    columns = ", ".join(f"{literal(name or f'left_behind_{i}')}: 'varchar'" for i, name in enumerate(names))
    create_parsed = f"""
        create temp table parsed as
        select row_number() over () as position, columns(name -> not starts_with(name, 'left_behind_'))
        from read_csv(
            {literal(path)}, columns = {{{columns}}}, delim = {literal(layout.delimiter)}, quote = '"', escape = '"',
            header = true, auto_detect = false, all_varchar = true, store_rejects = true, rejects_limit = 0,
            null_padding = false
        )
    """
    try:
        connection.execute(create_parsed)
    except duckdb.InvalidInputException as error:
        raise Unreadable(
            Breach(
                "mixed_line_ends",
                "Die Datei mischt verschiedene Zeilenenden und lässt sich nicht in Zeilen teilen. "
                "Bitte den Export wiederholen.",
            )
        ) from error
    connection.execute(
        f"""
        create temp table broken as
        select line as row, left(min(trim(csv_line, {LINE_ENDS})), {BROKEN_TEXT}) as text,
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
    connection.execute("create temp table blank (row bigint)")
    connection.execute("insert into blank select unnest($rows::bigint[])", {"rows": _blank_lines(path)})
    texts = ", ".join(
        f"trim(coalesce({identifier(column.name)}, '')) as {identifier(column.name)}"
        if column.name in names
        else f"'' as {identifier(column.name)}"
        for column in layout.read_columns
    )
    # the line in the file: the header, the rows before, and the broken and blank lines before
    connection.execute(
        f"""
        create temp table line as
        with passed_over as (
            select row, row_number() over (order by row) as number
            from (select row from broken union select row from blank)
        )
        select
            position + 1 + (select count(*) from passed_over where row - number <= position) as row,
            {texts}
        from parsed
        """
    )


def _blank_lines(path: Path) -> list[int]:
    """Numbers of the lines that hold nothing: the reader passes over them in silence."""
    with path.open("rb") as file:
        return [number for number, line in enumerate(file, start=1) if line in (b"\n", b"\r\n")]


def _refuse_no_rows(connection: duckdb.DuckDBPyConnection) -> None:
    found = connection.execute("select (select count(*) from line) + (select count(*) from broken)").fetchone()
    if found == (0,):
        raise Unreadable(
            Breach("no_rows", "Die Datei enthält keine Datenzeilen. Bitte den Export prüfen und erneut liefern.")
        )


def _skip_rows(connection: duckdb.DuckDBPyConnection, layout: Layout) -> int:
    """Take the declared rows that are no data out of `line`; more of them than declared is a breach of the file."""
    skipped = 0
    key = identifier(layout.key.name)
    for rule in layout.contract.skip_rows:
        meets = f"regexp_full_match({key}, {literal(rule.key)})"
        found = connection.execute(f"select count(*), min(row) from line where {meets}").fetchone()
        assert found is not None
        if found[0] > rule.at_most:
            raise Unreadable(
                Breach(
                    "too_many_skipped_rows",
                    f"{found[0]} Zeilen (ab Zeile {found[1]}) sind keine Datenzeilen "
                    f"({rule.reason}); erwartet: höchstens {rule.at_most}.",
                    layout.key.name,
                )
            )
        connection.execute(f"delete from line where {meets}")
        skipped += found[0]
    return skipped


def _place(connection: duckdb.DuckDBPyConnection, layout: Layout) -> None:
    """Give every row its area key, with lost leading zeros restored where the contract says so."""
    key = identifier(layout.key.name)
    # lpad also cuts: a key that is too long must stay wrong
    short = f"regexp_full_match({key}, '[0-9]+') and length({key}) < {layout.key.pad}"
    area = f"case when {short} then lpad({key}, {layout.key.pad}, '0') else {key} end"
    connection.execute(
        f"create temp table placed as select {area if layout.key.pad else key} as area, line.* from line"
    )


def _type_cells(connection: duckdb.DuckDBPyConnection, layout: Layout) -> None:
    """One row per area and value column in `cell`: its text, what a symbol makes of it, and the number it holds."""
    flags = [
        f"{' and '.join(f'{identifier(name)} = {literal(symbol.symbol)}' for name in symbol.when_all)} as flag_{i}"
        for i, symbol in enumerate(layout.symbols)
        if symbol.when_all
    ]
    dimensions = layout.contract.dimensions
    connection.execute(
        "create temp table value_column (column_name varchar, type varchar, minimum double, maximum double"
        + "".join(f", {name} {kind}" for name, kind in dimensions.items())
        + ")"
    )
    # one statement: row by row takes longer than reading the file
    place = f"({', '.join('?' * (4 + len(dimensions)))})"
    connection.execute(
        f"insert into value_column values {', '.join([place] * len(layout.values))}",
        [
            value
            for column in layout.values
            for value in (
                *(column.name, column.type, column.minimum, column.maximum),
                *(column.dimensions.get(name) for name in dimensions),
            )
        ],
    )
    meaning = " ".join(
        f"when {_symbol_condition(symbol, i)} then '{symbol.means}'" for i, symbol in enumerate(layout.symbols)
    )
    number = r"-?([0-9]{1,15}([.][0-9]*)?|[.][0-9]+)".replace("[.]", f"[{layout.decimal}]")
    connection.execute(
        f"""
        create temp table cell as
        with long_form as (
            unpivot (select {", ".join(["placed.*", *flags])} from placed)
            on {", ".join(identifier(column.name) for column in layout.values)}
            into name column_name value text
        ),
        interpreted as (
            select *, {f"case {meaning} else 'number' end" if meaning else "'number'"} as meaning
            from long_form
        )
        select
            interpreted.row, interpreted.area, interpreted.text, interpreted.meaning, value_column.*,
            case
                when meaning = 'zero' then 0.0
                when meaning = 'number' and regexp_full_match(text, {literal(number)})
                    then cast(replace(text, {literal(layout.decimal)}, '.') as double)
            end as value
        from interpreted
        inner join value_column using (column_name)
        """
    )


def _symbol_condition(symbol: Symbol, number: int) -> str:
    conditions = [f"text = {literal(symbol.symbol)}"]
    if symbol.columns:
        conditions.append(f"column_name in ({', '.join(literal(name) for name in symbol.columns)})")
    if symbol.when_all:
        conditions.append(f"flag_{number}")
    return " and ".join(conditions)


def _find_breaches(connection: duckdb.DuckDBPyConnection, layout: Layout, period_text: str | None) -> None:
    """Every row that breaks the contract, with column, value, rule and a reason that says how to mend it."""
    key = literal(layout.key.name)
    period = next((column for column in layout.columns if column.role == "period"), None)
    wrong_period = (
        f"""
        union all
        select row, {literal(period.name)}, {identifier(period.name)}, 'wrong_period',
            'In der Spalte steht nicht der Zeitraum {period_text}, den der Dateiname nennt.'
        from placed where {identifier(period.name)} != {literal(period_text or "")}
        """
        if period
        else ""
    )
    connection.execute(
        f"""
        create temp table breach as
        select cast(row as bigint) as row, cast(null as varchar) as column_name, text as value, 'broken_row' as rule,
            'Die Zeile hat nicht so viele Spalten wie die Kopfzeile. Ist die Datei abgeschnitten?' as reason
        from broken

        union all
        select row, {key}, area, 'unknown_area',
            'Dieses Gebiet gibt es im Gebietsstand der Lieferung zum Stichtag nicht. Bitte den Schlüssel prüfen.'
        from placed anti join expected_area using (area)

        union all
        select row, {key}, area, 'duplicate_key', 'Dieses Gebiet steht mehrfach in der Datei. Bitte nur einmal liefern.'
        from placed qualify count(*) over (partition by area) > 1
        {wrong_period}

        union all
        select row, column_name, text,
            case when text = '' then 'empty' else 'not_a_number' end,
            case when text = ''
                then 'Der Wert fehlt. Bitte die Zahl oder ein im Vertrag erklärtes Zeichen eintragen.'
                else 'Das ist weder eine Zahl (Dezimalzeichen „{layout.decimal}“) noch ein Zeichen des Vertrags.'
            end
        from cell where meaning = 'number' and value is null

        union all
        select row, column_name, text, 'not_an_integer', 'Hier wird eine ganze Zahl erwartet.'
        from cell where type = 'integer' and value != trunc(value)

        union all
        select row, column_name, text, 'out_of_range',
            'Der Wert liegt außerhalb des erlaubten Bereichs ('
            || concat_ws(', ', 'mindestens ' || {_printed("minimum")}, 'höchstens ' || {_printed("maximum")}) || ').'
        from cell where value < minimum or value > maximum
        """
    )


def _printed(number: str) -> str:
    """SQL for a number as a German reader expects it."""
    return f"replace(printf('%g', {number}), '.', ',')"


def _accept(connection: duckdb.DuckDBPyConnection) -> None:
    """The cells of all rows without any breach; a value stands only where the status is `reported`."""
    connection.execute(
        """
        create temp table accepted as
        select
            * exclude (text, meaning, value, type, minimum, maximum),
            value,
            case when value is not null then 'reported' else meaning end as status
        from cell anti join breach using (row)
        """
    )
