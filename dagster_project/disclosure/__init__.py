"""Disclosure control: no published number gives a person away.

`stage` reads tables and writes which cells are hidden; the other modules are mathematics on arrays.
"""

from dagster_project.disclosure.cells import Contradiction
from dagster_project.disclosure.ledger import record
from dagster_project.disclosure.stage import Protected, protect
from dagster_project.disclosure.unmet import NotProtectable

__all__ = ["Contradiction", "NotProtectable", "Protected", "protect", "record"]
