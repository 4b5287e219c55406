"""The rows of records – persons, cases, households – placed at the door: on the area their address lies in.

Reads  the tables `line` and `broken` (from `reading`), `street_range` and `municipality` of the connection it is given.
Writes `accepted` (one row per record with its attributes) and `breach` into it.

Identifiers and addresses end here: neither table holds any. A date of birth becomes completed years. A breach names
the row and the column, and the value only where it is a code or a number. A record whose address is unknown is kept
and counted for its municipality, without an area.
"""

from __future__ import annotations

import re
from datetime import date

import duckdb

from dagster_project.declarations import UNALLOCATED, Column
from dagster_project.declarations.contracts import ADDRESS_PARTS
from dagster_project.reading import Counts, Layout
from dagster_project.tables import identifier, literal

OLDEST = 120  # years; nobody in a register is older
AFTER_ALL_LETTERS = "~"
# a cell is quoted only where it looks like a code: it may stand in the wrong column and be a person's
QUOTED_FROM_ROWS = 3
QUOTED_UP_TO_TEXTS = 20


def accept_records(
    connection: duckdb.DuckDBPyConnection, layout: Layout, sender: str, day: date, period_text: str | None
) -> Counts:
    """Place, type and check records; `sender` is the municipality that delivered, or the region's own office;
    ages are completed on `day`, the last of the period.

    `street_range(ags, street_key, number_from, suffix_from, number_to, suffix_to, side, area)` and
    `municipality(ags)` must exist in the connection.
    """
    _split_addresses(connection, layout, sender)
    _place(connection)
    _type_attributes(connection, layout, day)
    _find_breaches(connection, layout, sender, day, period_text)
    _accept(connection, layout)
    counted = connection.execute(
        f"""
        select
            (select count(*) from line) + (select count(*) from broken),
            (select count(distinct row) from breach where is_quarantined),
            (select count(*) from accepted where area = municipality || {literal(UNALLOCATED)})
        """
    ).fetchone()
    assert counted is not None
    return Counts(read=counted[0], quarantined=counted[1], unallocated=counted[2])


def _split_addresses(connection: duckdb.DuckDBPyConnection, layout: Layout, sender: str) -> None:
    """The parts of every row's address in `address`, from columns of their own or from patterns."""
    parts = {"ags": literal(sender)}
    for column in layout.of_role("address"):
        text = identifier(column.name)
        if column.part is not None:
            parts[column.part] = _padded(text, column.pad)
            continue
        assert column.pattern is not None
        for part, group in re.compile(column.pattern).groupindex.items():
            parts[part] = f"regexp_extract({text}, {literal(column.pattern)}, {group})"
    wanted = [f"{parts.get(part, literal(''))} as {part}" for part in ADDRESS_PARTS]
    connection.execute(
        f"""
        create temp table address as
        with split as (select row, {", ".join(wanted)} from line)
        select
            row, ags, street_key, try_cast(house_number as integer) as house_number, lower(trim(house_suffix)) as suffix
        from split
        """
    )


def _padded(text: str, digits: int | None) -> str:
    if digits is None:
        return text
    short = f"regexp_full_match({text}, '[0-9]+') and length({text}) < {digits}"
    return f"case when {short} then lpad({text}, {digits}, '0') else {text} end"


def _place(connection: duckdb.DuckDBPyConnection) -> None:
    """The area of every address in `placed`; `problem` says why there is none."""
    connection.execute(
        f"""
        create temp table placed as
        with hit as (
            select address.row, min(street_range.area) as area
            from address
            inner join street_range
                on address.ags = street_range.ags
                and address.street_key = street_range.street_key
                and street_range.side in ('both', case when house_number % 2 = 1 then 'odd' else 'even' end)
                and (house_number, suffix) >= (street_range.number_from, street_range.suffix_from)
                and (house_number, suffix)
                    <= (street_range.number_to, coalesce(nullif(street_range.suffix_to, ''), '{AFTER_ALL_LETTERS}'))
            group by address.row
        ),
        street as (select distinct ags, street_key from street_range)
        select
            address.row,
            address.ags as municipality,
            coalesce(hit.area, address.ags || {literal(UNALLOCATED)}) as area,
            case
                when hit.area is not null then null
                when street.street_key is null then 'unknown_street'
                else 'unknown_house_number'
            end as problem
        from address
        left join hit on address.row = hit.row
        left join street on address.ags = street.ags and address.street_key = street.street_key
        """
    )


def _type_attributes(connection: duckdb.DuckDBPyConnection, layout: Layout, day: date) -> None:
    """Every attribute as its contract types it in `typed`; what cannot be typed is null."""
    columns = ", ".join(
        f"{_typed(column, layout, day)} as {identifier(column.name)}" for column in layout.of_role("attribute")
    )
    connection.execute(f"create temp table typed as select row, {columns or 'null as nothing'} from line")


def _typed(column: Column, layout: Layout, day: date) -> str:
    text = identifier(column.name)
    if column.type == "code":
        cases = " ".join(f"when {literal(code)} then {literal(meaning)}" for code, meaning in column.codes.items())
        if column.other_codes and column.otherwise:
            other = f"regexp_full_match({text}, {literal(column.other_codes)})"
            return f"case {text} {cases} else case when {other} then {literal(column.otherwise)} end end"
        return f"case {text} {cases} end"
    if column.type == "date":
        return f"cast(try_strptime({text}, {literal(column.format or '')}) as date)"
    if column.type in ("age", "age_in_months"):
        born = f"cast(try_strptime({text}, {literal(column.format or '')}) as date)"
        years = f"date_sub('year', {born}, date '{day}')"
        age = years if column.type == "age" else f"date_sub('month', {born}, date '{day}')"
        return f"case when {born} <= date '{day}' and {years} <= {OLDEST} then cast({age} as integer) end"
    if column.type == "text":
        return f"nullif({text}, '')"
    number = (
        f"case when regexp_full_match({text}, {literal(layout.number)}) "
        f"then cast(replace({text}, {literal(layout.decimal)}, '.') as double) end"
    )
    if column.type == "number":
        return number
    return f"case when ({number}) = trunc({number}) then try_cast({number} as integer) end"


NOT_TYPED = {
    "code": ("unknown_code", "Diesen Schlüssel kennt der Vertrag nicht. Bitte berichtigen oder im Vertrag ergänzen."),
    "date": ("no_date", "Das ist kein Datum im vereinbarten Format."),
    "age": (
        "no_birth_date",
        "Das Geburtsdatum gibt es nicht, es liegt nach dem Stichtag oder mehr als 120 Jahre zurück.",
    ),
    "age_in_months": (
        "no_birth_date",
        "Das Geburtsdatum gibt es nicht, es liegt nach dem Stichtag oder mehr als 120 Jahre zurück.",
    ),
    "integer": ("not_an_integer", "Hier wird eine ganze Zahl erwartet."),
    "number": ("not_a_number", "Hier wird eine Zahl erwartet."),
    "text": ("empty", "Der Wert fehlt. Bitte ergänzen."),
}


def _find_breaches(
    connection: duckdb.DuckDBPyConnection, layout: Layout, sender: str, day: date, period_text: str | None
) -> None:
    """Every breach with row, column, rule and reason; `is_quarantined` is false where the record is kept."""
    connection.execute(
        """
        create temp table breach
            (row bigint, column_name varchar, value varchar, rule varchar, reason varchar, is_quarantined boolean)
        """
    )
    address = layout.of_role("address")[0].name
    found = [
        """
        select row, null, null, 'broken_row',
            'Die Zeile hat nicht so viele Spalten wie die Kopfzeile. Ist die Datei abgeschnitten?', true
        from broken
        """,
        f"""
        select row, {literal(address)}, null, 'wrong_municipality',
            'Der Gemeindeschlüssel ist nicht der der liefernden Stelle.', true
        from placed
        where municipality not in (select ags from municipality)
            or ({literal(sender)} in (select ags from municipality) and municipality != {literal(sender)})
        """,
        f"""
        select row, {literal(address)}, null, problem,
            case problem
                when 'unknown_street' then 'Diesen Straßenschlüssel kennt das Straßenverzeichnis der Gemeinde nicht. '
                    || 'Der Datensatz zählt für die Gemeinde, aber für kein Gebiet.'
                else 'Diese Hausnummer kennt das Straßenverzeichnis nicht. '
                    || 'Der Datensatz zählt für die Gemeinde, aber für kein Gebiet.'
            end, false
        from placed where problem is not null and municipality in (select ags from municipality)
        """,
    ]
    for column in layout.of_role("identifier"):
        found.append(
            f"""
            select row, {literal(column.name)}, null, 'duplicate_record',
                'Dieser Datensatz steht schon weiter oben in der Datei. Gezählt wird der erste.', true
            from line where {identifier(column.name)} != ''
            qualify row_number() over (partition by {identifier(column.name)} order by row) > 1
            """
        )
    for column in layout.of_role("period"):
        found.append(
            f"""
            select row, {literal(column.name)}, null, 'wrong_period',
                'In der Spalte steht nicht der Zeitraum {period_text}, den der Dateiname nennt.', true
            from line where {identifier(column.name)} != {literal(period_text or "")}
            """
        )
    found += [_untyped(column) for column in layout.of_role("attribute")]
    found += [_out_of_range(column) for column in layout.of_role("attribute") if _has_bounds(column)]
    connection.execute("insert into breach " + " union all ".join(found))


def _untyped(column: Column) -> str:
    """Rows whose attribute is empty though it must not be, or is not what the contract says."""
    text, name = identifier(column.name), literal(column.name)
    rule, reason = NOT_TYPED[column.type]
    shown = (
        f"case when text in (select text from faulty group by text having count(*) >= {QUOTED_FROM_ROWS}) "
        f"and (select count(distinct text) from faulty) <= {QUOTED_UP_TO_TEXTS} then text end"
    )
    empty = "false" if column.may_be_empty else f"line.{text} = ''"
    return f"""
        (
            with faulty as (
                select line.row, line.{text} as text
                from line inner join typed using (row)
                where typed.{text} is null and ({empty} or line.{text} != '')
            )
            select row, {name}, {shown if column.type in ("code", "integer", "number") else "null"},
                case when text = '' then 'empty' else {literal(rule)} end,
                case when text = '' then {literal(NOT_TYPED["text"][1])} else {literal(reason)} end, true
            from faulty
        )
    """


def _has_bounds(column: Column) -> bool:
    return column.type in ("integer", "number") and (column.minimum is not None or column.maximum is not None)


def _out_of_range(column: Column) -> str:
    """Rows whose number lies beyond the bounds of its contract."""
    value = f"typed.{identifier(column.name)}"
    beyond = [f"{value} < {column.minimum}"] if column.minimum is not None else []
    beyond += [f"{value} > {column.maximum}"] if column.maximum is not None else []
    bounds = [f"mindestens {column.minimum:g}"] if column.minimum is not None else []
    bounds += [f"höchstens {column.maximum:g}"] if column.maximum is not None else []
    printed = ", ".join(bounds).replace(".", ",")
    reason = f"Der Wert liegt außerhalb des erlaubten Bereichs ({printed})."
    return f"""
        select row, {literal(column.name)}, null, 'out_of_range', {literal(reason)}, true
        from typed where {" or ".join(beyond)}
    """


def _accept(connection: duckdb.DuckDBPyConnection, layout: Layout) -> None:
    """The attributes of every record without a breach that bars it, with municipality and area."""
    attributes = "".join(f", typed.{identifier(column.name)}" for column in layout.of_role("attribute"))
    connection.execute(
        f"""
        create temp table accepted as
        select placed.row, placed.municipality, placed.area{attributes}
        from placed
        inner join typed using (row)
        anti join (select row from breach where is_quarantined) as barred using (row)
        """
    )
