"""A contract as one layout of its file sees it, and the SQL that reads a cell as it says.

Reads and writes nothing.
"""

from __future__ import annotations

from dagster_project.declarations import Column, Contract, FileLayout, Symbol
from dagster_project.tables import literal


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

    def column(self, header: str) -> Column | None:
        return next((column for column in self.columns if header.strip().casefold() in column.names), None)

    def number(self, text: str, three_decimals: str) -> str:
        """SQL: the number in a text, null where there is none; `three_decimals` is a condition in SQL."""
        written = r"-?([0-9]{1,15}([.][0-9]*)?|[.][0-9]+)".replace("[.]", f"[{self.decimal}]")
        return (
            f"case when regexp_full_match({text}, {literal(written)}) "
            f"and ({three_decimals} or not {self.maybe_thousands(text)}) "
            f"then cast(replace({text}, {literal(self.decimal)}, '.') as double) end"
        )

    def maybe_thousands(self, text: str) -> str:
        """SQL: a number whose sign may part thousands as well as decimals."""
        return f"regexp_full_match({text}, {literal(f'-?[0-9]*[{self.decimal}][0-9]{{3}}')})"

    def maybe_thousands_reason(self, column_type: str) -> str:
        """Both readings of such a number, and how to write the one that is meant."""
        sign = self.decimal
        readings = f"Drei Ziffern hinter „{sign}“ lassen zwei Lesarten zu: „2{sign}000“ kann 2 oder 2000 heißen. "
        if column_type == "integer":
            return readings + "Bitte die ganze Zahl ohne Trennzeichen schreiben (2 oder 2000)."
        return (
            readings
            + "Bitte ohne Tausendertrennzeichen liefern. Sind drei Nachkommastellen gemeint, ist das im Vertrag "
            "an der Spalte mit „three_decimals: true“ zu erklären."
        )


def lacks_zeros(text: str, digits: int) -> str:
    """SQL: a key that lost its leading zeros. One that is too long must stay wrong: padding also cuts."""
    return f"(regexp_full_match({text}, '[0-9]+') and length({text}) < {digits})"


def padded(text: str, digits: int | None) -> str:
    """SQL: a key with its leading zeros restored where the contract says how many digits it has."""
    if not digits:
        return text
    return f"case when {lacks_zeros(text, digits)} then lpad({text}, {digits}, '0') else {text} end"
