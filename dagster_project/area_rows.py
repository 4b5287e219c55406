"""The rows of a table of areas: one row per area in the file, one landed row per area and value column.

Reads  `line` and `broken` (from `reading`) and `expected_area(area)` of the connection it is given.
Writes `accepted`, `breach` and `damaged` into it.
"""

from __future__ import annotations

import duckdb

from dagster_project.breaches import Breach, Counts, Unreadable
from dagster_project.declarations import Column, Symbol, unallocated
from dagster_project.layout import Layout, padded
from dagster_project.reading import DAMAGED, count_restored, note_damaged, refuse_no_rows
from dagster_project.tables import identifier, literal


def accept_area_rows(
    connection: duckdb.DuckDBPyConnection, layout: Layout, sender: str, period_text: str | None
) -> Counts:
    """Type, place and check the rows of a table; `period_text` is what a period column must carry.

    Rows that name no area by declaration count for the municipality of their `sender`, each of them on its own.

    Raises `Unreadable` where too many rows are no data.
    """
    skipped = _skip_rows(connection, layout)
    refuse_no_rows(connection, "data_line")
    _place(connection, layout, sender)
    _type_cells(connection, layout)
    key = identifier(layout.key.name)
    note_damaged(
        connection,
        f"select {key} as text from placed union all select text from cell where meaning = 'number' and value is null",
    )
    _find_breaches(connection, layout, period_text)
    _accept(connection)
    counted = connection.execute(
        """
        select
            (select count(*) from placed) + (select count(*) from broken),
            (select count(distinct row) from breach),
            (select count(*) from placed anti join breach using (row) where is_placeless)
        """
    ).fetchone()
    assert counted is not None
    corrections = count_restored(connection, [layout.key], "data_line", "1")
    return Counts(counted[0], counted[1], skipped, unallocated=counted[2], corrections=tuple(corrections))


def _skip_rows(connection: duckdb.DuckDBPyConnection, layout: Layout) -> int:
    """All rows but the declared ones that are no data in `data_line`; more of them than declared are a breach."""
    skipped = 0
    key = identifier(layout.key.name)
    kept = "true"
    for rule in layout.contract.skip_rows:
        meets = f"{kept} and regexp_full_match({key}, {literal(rule.key)})"
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
        kept += f" and not regexp_full_match({key}, {literal(rule.key)})"
        skipped += found[0]
    connection.execute(f"create temp view data_line as select * from line where {kept}")
    return skipped


def _place(connection: duckdb.DuckDBPyConnection, layout: Layout, sender: str) -> None:
    """Give every row the key of its area; one that names no area by declaration has the municipality's key of none."""
    key = layout.key
    nowhere = f"regexp_full_match({identifier(key.name)}, {literal(key.placeless)})" if key.placeless else "false"
    connection.execute(
        f"""
        create temp table placed as
        select
            case when {nowhere} then {literal(unallocated(sender))} else {area_key(key, sender)} end as area,
            {nowhere} as is_placeless,
            data_line.*
        from data_line
        """
    )


def area_key(column: Column, sender: str) -> str:
    """SQL for the area a key names: lost leading zeros restored, the sender's own key in front where declared."""
    key = padded(identifier(column.name), column.pad)
    return f"{literal(sender)} || {key}" if column.of_sender else key


def _type_cells(connection: duckdb.DuckDBPyConnection, layout: Layout) -> None:
    """One row per area and value column in `cell`: its text, what a symbol makes of it, and the number it holds."""
    flags = [
        f"{' and '.join(f'{identifier(name)} = {literal(symbol.symbol)}' for name in symbol.when_all)} as flag_{i}"
        for i, symbol in enumerate(layout.symbols)
        if symbol.when_all
    ]
    dimensions = layout.contract.dimensions
    connection.execute(
        "create temp table value_column "
        "(column_name varchar, type varchar, three_decimals boolean, minimum double, maximum double"
        + "".join(f", {name} {kind}" for name, kind in dimensions.items())
        + ")"
    )
    # one statement: row by row takes longer than reading the file
    place = f"({', '.join('?' * (5 + len(dimensions)))})"
    connection.execute(
        f"insert into value_column values {', '.join([place] * len(layout.values))}",
        [
            value
            for column in layout.values
            for value in (
                *(column.name, column.type, column.three_decimals, column.minimum, column.maximum),
                *({**layout.dimensions, **column.dimensions}.get(name) for name in dimensions),
            )
        ],
    )
    meaning = " ".join(
        f"when {_symbol_condition(symbol, i)} then '{symbol.means}'" for i, symbol in enumerate(layout.symbols)
    )
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
        ),
        typed as (
            select
                interpreted.row, interpreted.area, interpreted.text, interpreted.meaning, value_column.*,
                case
                    when meaning = 'zero' then 0.0
                    when meaning = 'number' then {layout.number("text", "three_decimals")}
                end as number
            from interpreted
            inner join value_column using (column_name)
        )
        select * exclude (number), case when number = 0 then 0.0 else number end as value
        from typed
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
    key, key_text = literal(layout.key.name), identifier(layout.key.name)
    maybe_thousands = layout.maybe_thousands("text")
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
        select *, true as is_quarantined from (
        select cast(row as bigint) as row, cast(null as varchar) as column_name, text as value, 'broken_row' as rule,
            'Die Zeile hat nicht so viele Spalten wie die Kopfzeile. Ist die Datei abgeschnitten?' as reason
        from broken

        union all
        select row, {key}, area, 'unknown_area',
            'Dieses Gebiet gibt es im Gebietsstand der Lieferung zum Stichtag nicht. Bitte den Schlüssel prüfen.'
        from placed anti join expected_area using (area)
        where not is_placeless and {key_text} not in (select text from damaged)

        union all
        select row, {key}, text, 'damaged_text', {DAMAGED}
        from (select row, {key_text} as text from placed) inner join damaged using (text)

        union all
        select row, {key}, area, 'duplicate_key', 'Dieses Gebiet steht mehrfach in der Datei. Bitte nur einmal liefern.'
        from placed where not is_placeless qualify count(*) over (partition by area) > 1
        {wrong_period}

        union all
        select row, column_name, text,
            case
                when text = '' then 'empty'
                when {maybe_thousands} then 'maybe_thousands'
                when cause is not null then 'damaged_text'
                else 'not_a_number'
            end,
            case
                when text = ''
                    then 'Der Wert fehlt. Bitte die Zahl oder ein im Vertrag erklärtes Zeichen eintragen.'
                when {maybe_thousands} and type = 'integer' then {literal(layout.maybe_thousands_reason("integer"))}
                when {maybe_thousands} then {literal(layout.maybe_thousands_reason("number"))}
                when cause is not null then {DAMAGED}
                else 'Das ist weder eine Zahl (Dezimalzeichen „{layout.decimal}“) noch ein Zeichen des Vertrags.'
            end
        from cell left join damaged using (text) where meaning = 'number' and value is null

        union all
        select row, column_name, text, 'not_an_integer', 'Hier wird eine ganze Zahl erwartet.'
        from cell where type = 'integer' and value != trunc(value)

        union all
        select row, column_name, text, 'out_of_range',
            'Der Wert liegt außerhalb des erlaubten Bereichs ('
            || concat_ws(', ', 'mindestens ' || {_printed("minimum")}, 'höchstens ' || {_printed("maximum")}) || ').'
        from cell where value < minimum or value > maximum
        )
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
            * exclude (text, meaning, value, type, three_decimals, minimum, maximum),
            value,
            case when value is not null then 'reported' else meaning end as status
        from cell anti join breach using (row)
        """
    )
