"""The rows of records – persons, cases, households – placed at the door: on the area their address lies in.

Reads  `line` and `broken` (from `reading`, with the facts of records), `street_range` and `municipality` of the
       connection it is given.
Writes `accepted` (one row per record with its attributes) and `breach` into it.

Identifiers and addresses end here: neither holds any. A date of birth becomes completed years. A breach names
the row and the column, and the value only where it is a code or a number. A record whose address is unknown is kept
and counted for its municipality, without an area.

A file is typed while it is scanned, an address is looked up once however many records name it, and the reasons are
sought only among the rows that the scan found suspect: most files have none.
"""

from __future__ import annotations

import re
from datetime import date
from functools import reduce

import duckdb

from dagster_project.breaches import Correction, Counts
from dagster_project.damaged_text import SUSPECT
from dagster_project.declarations import UNALLOCATED, Column
from dagster_project.declarations.contracts import ADDRESS_PARTS
from dagster_project.layout import Layout, padded
from dagster_project.partly_known import completed_date, known_date
from dagster_project.reading import DAMAGED, Facts, count_restored, note_damaged
from dagster_project.record_breaches import (
    WITH_DATE,
    attribute_breaches,
    beyond_bounds,
    has_bounds,
    is_untyped,
    takes_any_text,
)
from dagster_project.tables import identifier, literal

OLDEST = 120  # years; nobody in a register is older
AFTER_ALL_LETTERS = "~"
PARTLY = "partly_known_"


def record_facts(layout: Layout, day: date) -> Facts:
    """Addresses as they stand, identifiers, attributes as their contract types them, and in `untyped` the texts of a
    row's attributes where one of them cannot be typed.

    Ages are completed on `day`, the last of the period.
    """
    attributes = layout.of_role("attribute")
    cells = [identifier(column.name) for column in [*layout.of_role("address"), *attributes]]
    plain = [column for role in ("identifier", "period") for column in layout.of_role(role)]
    trimmed = [f"{_trimmed(column)} as {identifier(column.name)}" for column in plain]
    # columns of their own, or the engine would read every date three times
    dated = [(number, column) for number, column in enumerate(attributes) if column.type in WITH_DATE]
    known = [f"{known_date(column)} as known_{number}" for number, column in dated]
    dates = [_date_columns(number, completed_date(column, day)) for number, column in dated]
    typed = [
        f"{_typed(column, f'date_{number}', layout, day)} as typed_{number}" for number, column in enumerate(attributes)
    ]
    cannot = [is_untyped(f"typed_{i}", _trimmed(column), column) for i, column in enumerate(attributes)]
    # a damaged text is typed like any other: whether it is one, is seen later
    cannot += [
        f"regexp_matches({_trimmed(column)}, {literal(SUSPECT)})" for column in attributes if takes_any_text(column)
    ]
    untyped = f"case when {' or '.join(cannot)} then [{', '.join(map(_trimmed, attributes))}] end"
    taken = [
        *(identifier(column.name) for column in layout.of_role("address")),
        *(identifier(column.name) for column in plain),
        *(f"typed_{number} as {identifier(column.name)}" for number, column in enumerate(attributes)),
        *(f"{_is_partly(number)}" for number, column in dated if column.partly_known),
        f"{untyped if attributes else 'null::varchar[]'} as untyped",
    ]
    levels = [[*cells, *trimmed], ["*", *known], ["*", *dates], ["*", *typed], taken]

    def facts(relation: str) -> str:
        return reduce(lambda inner, level: f"select {', '.join(level)} from ({inner})", levels, f"from {relation}")

    return facts


def _date_columns(number: int, completed: str | None) -> str:
    """The date a cell counts as, and whether a part of it is unknown; of the nth attribute."""
    if completed is None:
        return f"known_{number} as date_{number}"
    return (
        f"coalesce(known_{number}, {completed}) as date_{number}, "
        f"known_{number} is null and date_{number} is not null as partly_{number}"
    )


def _is_partly(number: int) -> str:
    return f"partly_{number} and typed_{number} is not null as {PARTLY}{number}"


def accept_records(
    connection: duckdb.DuckDBPyConnection, layout: Layout, sender: str, period_text: str | None
) -> Counts:
    """Place and check records; `sender` is the municipality that delivered, or the region's own office.

    `street_range(ags, street_key, number_from, suffix_from, number_to, suffix_to, side, area)` and
    `municipality(ags)` must exist in the connection.
    """
    _place_addresses(connection, layout, sender)
    _note_damaged(connection, layout)
    _find_breaches(connection, layout, period_text)
    _accept(connection, layout)
    counted = connection.execute(
        """
        with barred as (select distinct row from breach where is_quarantined)
        select
            (select count(*) from line) + (select count(*) from broken),
            (select count(*) from barred),
            (select count(distinct row) from breach anti join barred using (row))
        """
    ).fetchone()
    assert counted is not None
    keys = [column for column in layout.of_role("address") if column.part is not None]
    corrections = [*count_restored(connection, keys, "address", "records"), *_count_partly_known(connection, layout)]
    return Counts(read=counted[0], quarantined=counted[1], unallocated=counted[2], corrections=tuple(corrections))


def _count_partly_known(connection: duckdb.DuckDBPyConnection, layout: Layout) -> list[Correction]:
    """How many dates of each column were completed as its contract says."""
    columns = [(number, column) for number, column in enumerate(layout.of_role("attribute")) if column.partly_known]
    if not columns:
        return []
    wanted = ", ".join(f"count(*) filter (where {PARTLY}{number})" for number, _ in columns)
    counted = connection.execute(f"select {wanted} from line").fetchone()
    assert counted is not None
    return [
        Correction(column.name, "partly_known_date", number)
        for (_, column), number in zip(columns, counted, strict=True)
        if number
    ]


def _note_damaged(connection: duckdb.DuckDBPyConnection, layout: Layout) -> None:
    """The damaged texts among those that need a look: of attributes, and of addresses that nobody knows."""
    places = [
        f"select trim({identifier(column.name)}) as text from address where problem is not null or not is_known"
        for column in layout.of_role("address")
    ]
    suspects = "select unnest(untyped) as text from line where untyped is not null"
    note_damaged(connection, " union all ".join([suspects, *places]))


def _address(layout: Layout) -> str:
    """The columns of an address as they stand in the file."""
    return ", ".join(identifier(column.name) for column in layout.of_role("address"))


def _place_addresses(connection: duckdb.DuckDBPyConnection, layout: Layout, sender: str) -> None:
    """Every address in the file once in `address`, with its municipality and area; `problem` says why there is none."""
    parts = {"ags": literal(sender)}
    for column in layout.of_role("address"):
        text = f"trim({identifier(column.name)})"
        if column.part is not None:
            parts[column.part] = padded(text, column.pad)
            continue
        assert column.pattern is not None
        for part, group in re.compile(column.pattern).groupindex.items():
            parts[part] = f"regexp_extract({text}, {literal(column.pattern)}, {group})"
    wanted = [f"{parts.get(part, literal(''))} as part_{part}" for part in ADDRESS_PARTS]
    connection.execute(
        f"""
        create temp table address as
        with written as (
            select {_address(layout)}, count(*) as records from line group by {_address(layout)}
        ),
        split as (
            select row_number() over () as address, *, {", ".join(wanted)} from written
        ),
        numbered as (
            select
                *, lower(trim(part_house_suffix)) as letter,
                -- a cast alone would read 12.7 as 13
                case when regexp_full_match(part_house_number, '[0-9]{{1,9}}') then cast(part_house_number as integer)
                end as whole_number
            from split
        ),
        hit as (
            select numbered.address, min(street_range.area) as area
            from numbered
            inner join street_range
                on numbered.part_ags = street_range.ags
                and numbered.part_street_key = street_range.street_key
                and street_range.side in ('both', case when whole_number % 2 = 1 then 'odd' else 'even' end)
                and (whole_number, letter) >= (street_range.number_from, street_range.suffix_from)
                and (whole_number, letter)
                    <= (street_range.number_to, coalesce(nullif(street_range.suffix_to, ''), '{AFTER_ALL_LETTERS}'))
            group by numbered.address
        ),
        street as (select distinct ags, street_key from street_range)
        select
            {", ".join(f"numbered.{identifier(column.name)}" for column in layout.of_role("address"))},
            numbered.records,
            part_ags as placed_municipality,
            coalesce(hit.area, part_ags || {literal(UNALLOCATED)}) as placed_area,
            part_ags in (select ags from municipality) as is_known,
            {literal(sender)} in (select ags from municipality) and part_ags != {literal(sender)} as is_of_another,
            case
                when hit.area is not null then null
                when street.street_key is null then 'unknown_street'
                else 'unknown_house_number'
            end as problem
        from numbered
        left join hit on numbered.address = hit.address
        left join street on numbered.part_ags = street.ags and numbered.part_street_key = street.street_key
        """
    )


def _trimmed(column: Column) -> str:
    return f"trim({identifier(column.name)})"


def _typed(column: Column, as_date: str, layout: Layout, day: date) -> str:
    """A cell as its contract types it, null where it cannot be; `as_date` is the column that holds it as a date.

    Most cells are written as agreed: space around them is looked for, and patterns are tried, only in the others.
    """
    cell, text = identifier(column.name), _trimmed(column)
    if column.type == "code":
        cases = " ".join(f"when {literal(code)} then {literal(meaning)}" for code, meaning in column.codes.items())
        other = ""
        if column.other_codes and column.otherwise:
            is_other = f"regexp_full_match({text}, {literal(column.other_codes)})"
            other = f"else case when {is_other} then {literal(column.otherwise)} end"
        return f"coalesce(case {cell} {cases} end, case {text} {cases} {other} end)"
    if column.type == "date":
        return as_date
    if column.type in ("age", "age_in_months"):
        too_old = f"cast(date '{day}' - interval '{OLDEST + 1} years' as date)"
        part = "year" if column.type == "age" else "month"
        age = f"cast(date_sub('{part}', {as_date}, date '{day}') as integer)"
        return f"case when {as_date} <= date '{day}' and {as_date} > {too_old} then {age} end"
    if column.type == "text":
        return f"nullif({text}, '')"
    number = layout.number(text, "true" if column.three_decimals else "false")
    if column.type == "number":
        return f"case when ({number}) = 0 then 0.0 else {number} end"
    plain = f"try_cast({cell} as integer)"
    general = f"case when ({number}) = trunc({number}) then try_cast({number} as integer) end"
    return f"case when cast({plain} as varchar) = {cell} then {plain} else {general} end"


def _find_breaches(connection: duckdb.DuckDBPyConnection, layout: Layout, period_text: str | None) -> None:
    """Every breach with row, column, rule and reason; `is_quarantined` is false where the record is kept."""
    connection.execute(
        """
        create temp table breach
            (row bigint, column_name varchar, value varchar, rule varchar, reason varchar, is_quarantined boolean)
        """
    )
    named, place = literal(layout.of_role("address")[0].name), _address(layout)
    found = [
        """
        select row, null, null, 'broken_row',
            'Die Zeile hat nicht so viele Spalten wie die Kopfzeile. Ist die Datei abgeschnitten?', true
        from broken
        """,
        f"""
        select row, {named}, null, 'wrong_municipality',
            'Der Gemeindeschlüssel ist nicht der der liefernden Stelle.', true
        from line
        inner join (from address where not is_known or is_of_another) using ({place})
        """,
        f"""
        select row, {named}, null, problem,
            case problem
                when 'unknown_street' then 'Diesen Straßenschlüssel kennt das Straßenverzeichnis der Gemeinde nicht. '
                    || 'Der Datensatz zählt für die Gemeinde, aber für kein Gebiet.'
                else 'Diese Hausnummer kennt das Straßenverzeichnis nicht. '
                    || 'Der Datensatz zählt für die Gemeinde, aber für kein Gebiet.'
            end, false
        from line
        inner join (from address where problem is not null and is_known) using ({place})
        """,
    ]
    for column in layout.of_role("address"):
        found.append(
            f"""
            select row, {literal(column.name)}, null, 'damaged_text', {DAMAGED}, true
            from line
            inner join (from address where problem is not null or not is_known) using ({place})
            inner join damaged on trim({identifier(column.name)}) = damaged.text
            """
        )
    for column in layout.of_role("identifier"):
        found.append(
            f"""
            select row, {literal(column.name)}, null, 'duplicate_record',
                'Dieser Datensatz steht schon weiter oben in der Datei. Gezählt wird der erste.', true
            from line
            semi join (
                select {identifier(column.name)} from line where {identifier(column.name)} != ''
                group by {identifier(column.name)} having count(*) > 1
            ) as repeated using ({identifier(column.name)})
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
    connection.execute("insert into breach " + " union all ".join(found))
    attributes = layout.of_role("attribute")
    beyond = [beyond_bounds(column) for column in attributes if has_bounds(column)]
    connection.execute(f"create temp table suspect as from line where {' or '.join(['untyped is not null', *beyond])}")
    if attributes and connection.execute("select count(*) from suspect").fetchone() != (0,):
        connection.execute("insert into breach " + " union all ".join(attribute_breaches(layout)))


def _accept(connection: duckdb.DuckDBPyConnection, layout: Layout) -> None:
    """The attributes of every record without a breach that bars it, with municipality and area."""
    attributes = "".join(f", line.{identifier(column.name)}" for column in layout.of_role("attribute"))
    connection.execute(
        f"""
        create temp view accepted as
        select line.row, address.placed_municipality as municipality, address.placed_area as area{attributes}
        from line
        inner join address using ({_address(layout)})
        anti join (select row from breach where is_quarantined) as barred using (row)
        """
    )
