"""A model of dbt run by itself: its SQL rendered as plain Jinja, what it reads taken from tables of a connection.

Reads dbt/models and dbt/macros; writes nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

import duckdb
import jinja2

DBT = Path(__file__).parents[1] / "dbt"


def environment() -> jinja2.Environment:
    return jinja2.Environment(autoescape=False)  # noqa: S701 - SQL, not HTML


@cache
def macros() -> jinja2.environment.TemplateModule:
    """All macros, to be called by name with SQL expressions."""
    files = sorted((DBT / "macros").glob("*.sql"))
    return environment().from_string("\n".join(file.read_text(encoding="utf-8") for file in files)).module


def rendered(model: str, named: Callable[[str, str], str] = lambda _, name: name) -> str:
    """The SQL of a model; ``named`` says what a table is called, by its kind (ref, or a source's name) and name."""
    known = environment()
    known.globals.update(ref=lambda name: named("ref", name), source=named)
    (path,) = (DBT / "models").rglob(f"{model}.sql")
    files = [*sorted((DBT / "macros").glob("*.sql")), path]  # in one template, as macros call each other
    return known.from_string("\n".join(file.read_text(encoding="utf-8") for file in files)).render()


def run(connection: duckdb.DuckDBPyConnection, model: str) -> duckdb.DuckDBPyRelation:
    """The rows of a model whose inputs are tables of the same names."""
    return connection.sql(rendered(model))
