"""A contract in forms that other tools read: Frictionless Table Schema, Open Data Contract Standard.

Reads and writes nothing.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from dagster_project.declarations import Column, Contract, FileLayout, Region

OLDEST = 120  # years; as landing reads a date of birth
# whoever may see it: identifiers and addresses end at landing
CLASSIFICATIONS = {"identifier": "restricted", "address": "restricted", "attribute": "confidential"}


@dataclass(frozen=True)
class Days:
    """The days a delivery speaks of: a period column carries the one, ages are completed on the other."""

    reference_date: date
    last_day: date


def table_schema(contract: Contract, layout: FileLayout, days: Days | None = None) -> dict[str, Any]:
    """One layout of a contract as a Frictionless Table Schema (version 2).

    A field is named as the sender names it: the first alias, or our name; `names` lists all that are taken. With
    `days` a period column and dates of birth get their bounds. Left out is what a Table Schema cannot say:
    lost leading zeros, skipped rows, symbols that count only beside others, lists of areas, streets, municipalities,
    numbers whose sign may part thousands. A date that may be partly known is a text to it.
    """
    overriding = {column.name: column for column in layout.columns}
    columns = [overriding.get(column.name, column) for column in contract.columns]
    refuses = (layout.other_columns or contract.other_columns) == "refuse"
    listed = [column for column in columns if refuses or column.role != "ignore"]
    optional = any(column.role == "ignore" or not column.required for column in listed)
    match = {(True, True): "superset", (True, False): "equal", (False, True): "partial", (False, False): "subset"}
    fields = [_field(column, contract, layout, days) for column in listed]
    keys = [field["name"] for field, column in zip(fields, listed, strict=True) if column.role == "key"]
    return {
        "$schema": "https://datapackage.org/profiles/2.0/tableschema.json",
        "fields": fields,
        "fieldsMatch": match[refuses, optional],
        "missingValues": [""],
        **({"primaryKey": keys} if keys else {}),
    }


def _field(column: Column, contract: Contract, layout: FileLayout, days: Days | None) -> dict[str, Any]:
    field: dict[str, Any] = {"name": (column.aliases or [column.name])[0], "type": "string"}
    if column.description:
        field["description"] = column.description
    field["names"] = [column.name, *column.aliases]
    field["role"] = column.role
    constraints: dict[str, Any] = {}
    if column.role == "key":
        constraints = {"required": True}
    elif column.role == "identifier":
        constraints = {"unique": True}
    elif column.role == "address":
        constraints = _address_constraints(column)
    elif column.role == "period":
        constraints = {"required": True}
        if days and column.format:
            constraints["enum"] = [days.reference_date.strftime(column.format)]
    elif column.role in ("value", "attribute"):
        described, constraints = _described(column, contract, layout, days)
        field |= described
    return {**field, "constraints": constraints} if constraints else field


def _described(
    column: Column, contract: Contract, layout: FileLayout, days: Days | None
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Type and constraints of a column that holds facts."""
    field: dict[str, Any] = {}
    constraints: dict[str, Any] = {}
    symbols = _symbols(column, contract, layout)
    if column.role == "value" and symbols:
        field = {"missingValues": list(symbols), "symbols": symbols}
    elif column.role == "value" or not column.may_be_empty:
        constraints["required"] = True
    if column.type in ("integer", "number"):
        field["type"] = column.type
        if column.type == "number":
            field["decimalChar"] = layout.decimal or contract.decimal
        for name, bound in (("minimum", column.minimum), ("maximum", column.maximum)):
            if bound is not None:
                constraints[name] = int(bound) if bound == int(bound) else bound
    elif column.type == "code":
        field["codes"] = column.codes
        if column.other_codes:
            constraints["pattern"] = f"({'|'.join([*map(re.escape, column.codes), column.other_codes])})"
        else:
            constraints["enum"] = list(column.codes)
    elif column.partly_known is not None:
        field |= {"date_format": column.format, "partly_known": column.partly_known.model_dump()}
    elif column.type != "text":
        field |= {"type": "date", "format": column.format}
        if column.type != "date" and days and column.format:
            born_after = _years_before(days.last_day, OLDEST + 1)
            constraints["minimum"] = (born_after + timedelta(days=1)).strftime(column.format)
            constraints["maximum"] = days.last_day.strftime(column.format)
    return field, constraints


def _symbols(column: Column, contract: Contract, layout: FileLayout) -> dict[str, str]:
    """Texts a value column may carry instead of a number, and what they mean."""
    return {
        symbol.symbol: symbol.means
        for symbol in [*contract.symbols, *layout.symbols]
        if (symbol.columns is None or column.name in symbol.columns) and not symbol.when_all
    }


def _address_constraints(column: Column) -> dict[str, Any]:
    """A record without municipality is refused; one without a known street is kept."""
    if column.part == "ags":
        return {"required": True}
    if column.pattern and "ags" in re.compile(column.pattern).groupindex:
        constraints: dict[str, Any] = {"required": True}
        if column.pattern.startswith("^") and column.pattern.endswith("$"):
            constraints["pattern"] = re.sub(r"\?P<\w+>", "", column.pattern[1:-1])
        return constraints
    return {}


def _years_before(day: date, years: int) -> date:
    try:
        return day.replace(year=day.year - years)
    except ValueError:  # 29 February
        return day.replace(year=day.year - years, day=28)


def resource(contract: Contract, layout: FileLayout) -> dict[str, Any]:
    """One layout as a resource of a Data Package (version 2), without the file's own path, size and hash."""
    encoding = layout.encoding or contract.encoding
    return {
        "name": contract.id,
        "title": contract.title,
        "format": "csv",
        "mediatype": "text/csv",
        "encoding": {"cp1252": "windows-1252", "latin-1": "iso-8859-1"}.get(encoding, encoding),
        "dialect": {"delimiter": layout.delimiter or contract.delimiter},
        "schema": table_schema(contract, layout),
    }


# ---------------------------------------------------------------- as an Open Data Contract


def open_data_contract(contract: Contract, region: Region) -> dict[str, Any]:
    """The contract in the Open Data Contract Standard, version 3.1.0; each layout is one object of its schema."""
    return {
        "apiVersion": "v3.1.0",
        "kind": "DataContract",
        "id": f"{region.id}.{contract.id}",
        "name": contract.title,
        "version": _version(contract),
        "status": "active",
        "domain": "Kommunalstatistik",
        "dataProduct": region.name,
        "description": {"purpose": contract.purpose, "usage": contract.description, "limitations": contract.licence},
        "authoritativeDefinitions": [],
        "schema": [_object(contract, layout) for layout in contract.files],
        "team": {"name": contract.owner},
        "slaProperties": _service_levels(contract),
        "customProperties": [
            {"property": "legalBasis", "value": contract.legal_basis},
            {"property": "origin", "value": contract.origin},
            {"property": "publication", "value": contract.publication},
            {"property": "rejectedRowsAtMost", "value": contract.rejected_rows_at_most},
        ],
    }


def _version(contract: Contract) -> str:
    """Another contract is another version: nobody has to remember to raise a number."""
    return f"1.0.0+{hashlib.sha256(contract.model_dump_json().encode()).hexdigest()[:12]}"


def _service_levels(contract: Contract) -> list[dict[str, Any]]:
    levels: list[dict[str, Any]] = [{"property": "frequency", "value": contract.cadence}]
    if contract.due is not None:
        levels.append({"property": "latency", "value": contract.due.days_after, "unit": "d"})
    if contract.retention_days is not None:
        levels.append({"property": "retention", "value": contract.retention_days, "unit": "d"})
    return levels


def _object(contract: Contract, layout: FileLayout) -> dict[str, Any]:
    schema = table_schema(contract, layout)
    return {
        "name": contract.id,
        "physicalName": layout.name,
        "physicalType": "file",
        "logicalType": "object",
        "description": contract.description,
        "properties": [_property(field) for field in schema["fields"]],
    }


def _property(field: dict[str, Any]) -> dict[str, Any]:
    constraints = field.get("constraints", {})
    options = {name: constraints[name] for name in ("minimum", "maximum", "pattern") if name in constraints}
    if "format" in field:
        options["format"] = field["format"]
    described: dict[str, Any] = {
        "name": field["names"][0],
        "physicalName": field["name"],
        "logicalType": field["type"],
        "physicalType": "text",
        "required": constraints.get("required", False),
        "unique": constraints.get("unique", False),
        "classification": CLASSIFICATIONS.get(field["role"], "internal"),
        "description": field.get("description", ""),
    }
    if "enum" in constraints:
        described["quality"] = [
            {
                "type": "library",
                "metric": "invalidValues",
                "arguments": {"validValues": constraints["enum"]},
                "mustBe": 0,
            }
        ]
    return {**described, "logicalTypeOptions": options} if options else described
