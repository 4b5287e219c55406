"""The commands that decide about deliveries: withdraw one, bring it back, take one that landing held.

They read receipts and write decisions, receipts and the pages for senders; what follows from it the next run makes.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from dagster_project import declarations
from dagster_project.cli_outcome import DONE, WRONG_INPUT, print_json
from dagster_project.settings import exclusive, project, region_data

if TYPE_CHECKING:
    from dagster_project.decisions import Kind
    from dagster_project.deliveries import Receipt

DONE_SO = {
    "withdrawn": "Zurückgezogen",
    "brought_back": "Wieder gültig",
    "taken": "Angenommen",
}


def add_commands(add: Callable[..., argparse.ArgumentParser]) -> None:
    """`add(name, function, text, region, reads)` makes a command of the whole command line."""
    withdraw = add("withdraw", _withdraw, "Withdraw a delivery that is wrong; what was in force before applies again.")
    withdraw.add_argument("--undo", action="store_true", help="bring a withdrawn delivery back")
    accept = add("accept", _accept, "Take a delivery that is held for a decision.")
    for command in (withdraw, accept):
        command.add_argument("delivery", metavar="DELIVERY", help="id (or how it begins) or file name")
        command.add_argument("--reason", required=True, help="why, as its sender may read it")


def _withdraw(options: argparse.Namespace) -> int:
    return _decide(options, "brought_back" if options.undo else "withdrawn")


def _accept(options: argparse.Namespace) -> int:
    return _decide(options, "taken")


def _decide(options: argparse.Namespace, kind: Kind) -> int:
    from dagster_project import decisions, landing, sharing

    declared, data = declarations.load(project(), options.region), region_data(options.region)
    names = {item.id: item.name for item in declared.region.municipalities}
    try:
        with exclusive(data):
            _, receipt = decisions.decide(data, declared.contracts, options.delivery, kind, options.reason)
            contract = declared.contracts[receipt.source]
            sharing.write_receipts(data, receipt.source, contract, names)
            lying = [item.delivery for _, item in landing.originals(declared.region, contract, data)]
    except decisions.DecisionError as error:
        print(error, file=sys.stderr)
        return WRONG_INPUT
    if options.json:
        print_json({"decision": kind, **_in_short(receipt)})
        return DONE
    print(f"{DONE_SO[kind]}: {receipt.file_name} (Lieferung {receipt.delivery}), {receipt.source}.")
    if kind == "taken" and receipt.delivery not in lying:
        print("Die Datei liegt nicht mehr im Eingang: Bitte erneut ablegen, sie wird beim nächsten Lauf gelesen.")
    else:
        print(f"Das gilt mit dem nächsten Lauf: sozialraum run {options.region}")
    return DONE


# ---------------------------------------------------------------- for `sozialraum status`


def open_decisions(receipts: Iterable[Receipt]) -> dict[str, list[dict[str, Any]]]:
    """The deliveries that wait for a decision, and those that were withdrawn."""
    ordered = sorted(receipts, key=lambda receipt: (receipt.source, receipt.about, receipt.version))
    return {
        "held": [_in_short(item) for item in ordered if item.verdict == "held" and not item.withdrawn_because],
        "withdrawn": [_in_short(item) for item in ordered if item.withdrawn_because],
    }


def open_decisions_text(region: str, found: dict[str, list[dict[str, Any]]]) -> list[str]:
    """The same as lines for the screen."""
    lines = []
    for item in found["held"]:
        lines += [
            f"  zu entscheiden: {item['source']} {item['file_name']} (Lieferung {item['delivery']}): "
            f"{' '.join(item['reasons'])}",
            f"    annehmen:  sozialraum accept {region} {item['delivery']} --reason …",
            f"    verwerfen: sozialraum withdraw {region} {item['delivery']} --reason …",
        ]
    lines += [
        f"  zurückgezogen: {item['source']} {item['file_name']} (Lieferung {item['delivery']}): "
        f"{item['withdrawn_because']}"
        for item in found["withdrawn"]
    ]
    return lines


def _in_short(receipt: Receipt) -> dict[str, Any]:
    wanted = (
        "source", "delivery", "file_name", "municipality", "period", "dimensions", "version", "verdict", "reasons",
        "withdrawn_at", "withdrawn_because", "taken_because",
    )  # fmt: skip
    found = asdict(receipt)
    return {name: found[name] for name in wanted}
