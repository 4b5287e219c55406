"""Models and macros without dbt: their SQL with plain table names, for a database that a test fills itself.

Reads dbt/macros and dbt/models. Writes nothing.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import jinja2

DBT = Path(__file__).parents[1] / "dbt"


@cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(autoescape=False)  # noqa: S701  (SQL, not HTML)
    environment.globals["ref"] = lambda name: name
    environment.globals["source"] = lambda group, name: f"{group}_{name}"
    environment.globals["config"] = lambda **_: ""
    environment.globals["env_var"] = lambda name: name
    return environment


def _macros() -> str:
    return "\n".join(path.read_text(encoding="utf-8") for path in sorted((DBT / "macros").glob("*.sql")))


@cache
def macros() -> jinja2.environment.TemplateModule:
    """All macros, to be called by name with SQL expressions."""
    return _environment().from_string(_macros()).module


@cache
def model(name: str) -> str:
    """The query of a model; what it reads by `ref` keeps its name, a source is called group_name."""
    (path,) = DBT.glob(f"models/*/{name}.sql")
    return _environment().from_string(_macros() + path.read_text(encoding="utf-8")).render()
