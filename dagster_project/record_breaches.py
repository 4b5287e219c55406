"""What is wrong with the attributes of records: SQL that finds the rows and says why.

Reads and writes nothing. The queries read `suspect` (rows of `line` that need a look) and `damaged`.

A breach names the row and the column, and the value only where it is a code or a number.
"""

from __future__ import annotations

from dagster_project.declarations import Column
from dagster_project.layout import Layout
from dagster_project.partly_known import is_partly_known
from dagster_project.reading import DAMAGED
from dagster_project.tables import identifier, literal

WITH_DATE = ("date", "age", "age_in_months")
# a cell is quoted only where it looks like a code: it may stand in the wrong column and be a person's
QUOTED_FROM_ROWS = 3
QUOTED_UP_TO_TEXTS = 20


def attribute_breaches(layout: Layout) -> list[str]:
    """A query for every kind of breach that an attribute of a suspect row may be."""
    attributes = layout.of_role("attribute")
    found = [_untyped(column, number, layout) for number, column in enumerate(attributes, start=1)]
    return found + [_out_of_range(column) for column in attributes if has_bounds(column)]


def takes_any_text(column: Column) -> bool:
    """Whether a column takes texts that the contract does not list."""
    return column.type == "text" or column.other_codes is not None


def is_untyped(typed: str, text: str, column: Column) -> str:
    """A cell that is empty though it must not be, or not what its contract says."""
    return f"{typed} is null and {text} != ''" if column.may_be_empty else f"{typed} is null"


NO_BIRTH_DATE = (
    "no_birth_date",
    "Das Geburtsdatum gibt es nicht oder es ist ganz unbekannt, es liegt nach dem Stichtag oder mehr als 120 Jahre "
    "zurück.",
)
NOT_TYPED = {
    "code": ("unknown_code", "Diesen Schlüssel kennt der Vertrag nicht. Bitte berichtigen oder im Vertrag ergänzen."),
    "date": ("no_date", "Das ist kein Datum im vereinbarten Format."),
    "age": NO_BIRTH_DATE,
    "age_in_months": NO_BIRTH_DATE,
    "integer": ("not_an_integer", "Hier wird eine ganze Zahl erwartet."),
    "number": ("not_a_number", "Hier wird eine Zahl erwartet."),
    "text": ("empty", "Der Wert fehlt. Bitte ergänzen."),
}


def _untyped(column: Column, number: int, layout: Layout) -> str:
    """Rows whose attribute – the nth – is empty though it must not be, damaged, or not what the contract says."""
    typed, name = identifier(column.name), literal(column.name)
    reasons = [("text = ''", "empty", literal(NOT_TYPED["text"][1])), ("cause is not null", "damaged_text", DAMAGED)]
    if column.type in ("integer", "number"):
        told = literal(layout.maybe_thousands_reason(column.type))
        reasons.append((layout.maybe_thousands("text"), "maybe_thousands", told))
    if column.type in WITH_DATE:
        reasons.append((is_partly_known(column, "text"), *_partly_known_reason(column)))
    rule, reason = NOT_TYPED[column.type]
    rules = " ".join(f"when {met} then {literal(told)}" for met, told, _ in reasons)
    whys = " ".join(f"when {met} then {why}" for met, _, why in reasons)
    shown = (
        f"case when text in (select text from faulty group by text having count(*) >= {QUOTED_FROM_ROWS}) "
        f"and (select count(distinct text) from faulty) <= {QUOTED_UP_TO_TEXTS} then text end"
    )
    return f"""
        (
            with faulty as (
                select row, untyped[{number}] as text, cause
                from suspect left join damaged on untyped[{number}] = damaged.text
                where untyped is not null
                    and ({is_untyped(typed, f"untyped[{number}]", column)} or {_damaged_too(column)})
            )
            select row, {name}, {shown if column.type in ("code", "integer", "number") else "null"},
                case {rules} else {literal(rule)} end, case {whys} else {literal(reason)} end, true
            from faulty
        )
    """


def _damaged_too(column: Column) -> str:
    return "cause is not null" if takes_any_text(column) else "false"


def _partly_known_reason(column: Column) -> tuple[str, str]:
    """The rule and the reason for a date of which a part is unknown and that could not be completed."""
    if column.partly_known is not None:
        return NOT_TYPED[column.type][0], literal(NOT_TYPED[column.type][1])
    return "partly_known_date", literal(
        "Von diesem Datum sind nur Jahr oder Monat und Jahr bekannt. Als welcher Tag es zählt, ist im Vertrag an der "
        'Spalte unter „partly_known“ zu erklären, z. B. {day: 15, day_of_year: "07-01"}.'
    )


def has_bounds(column: Column) -> bool:
    return column.type in ("integer", "number") and (column.minimum is not None or column.maximum is not None)


def beyond_bounds(column: Column) -> str:
    """A number beyond the bounds of its contract."""
    value = identifier(column.name)
    bounds = [f"{value} < {column.minimum}"] if column.minimum is not None else []
    bounds += [f"{value} > {column.maximum}"] if column.maximum is not None else []
    return " or ".join(bounds)


def _out_of_range(column: Column) -> str:
    """Rows whose number lies beyond the bounds of its contract."""
    bounds = [f"mindestens {column.minimum:g}"] if column.minimum is not None else []
    bounds += [f"höchstens {column.maximum:g}"] if column.maximum is not None else []
    printed = ", ".join(bounds).replace(".", ",")
    reason = f"Der Wert liegt außerhalb des erlaubten Bereichs ({printed})."
    return f"""
        select row, {literal(column.name)}, null, 'out_of_range', {literal(reason)}, true
        from suspect where {beyond_bounds(column)}
    """
