"""The commands of those who deliver: check a file, pack it, print its contract, create keys.

They need no data folder. Heavy libraries are imported inside the commands.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from dagster_project import declarations
from dagster_project.cli_outcome import DONE, GATE_CLOSED, WRONG_INPUT, print_json
from dagster_project.settings import project

if TYPE_CHECKING:
    from dagster_project.sender import SenderCheck


def add_commands(add: Callable[..., argparse.ArgumentParser]) -> None:
    """`add(name, function, text, region, reads)` makes a command of the whole command line."""
    check = add("check-delivery", _check_delivery, "Check a file against its contract, before it is sent.", "")
    pack = add("pack-delivery", _pack_delivery, "Check a file and pack it, signed and encrypted on request.", "")
    for command in (check, pack):
        command.add_argument("file", type=Path)
        command.add_argument("--contract", type=Path, required=True, metavar="FILE", help="the contract's YAML file")
        command.add_argument("--region", help="a declared region or its folder; else the folder above the contract's")
        command.add_argument(
            "--sender", help="who delivers; else as the file lies in an inbox, or the only municipality"
        )
        command.add_argument("--areas", type=Path, metavar="FILE", help="CSV or Parquet with the areas of a table")
        command.add_argument("--streets", type=Path, metavar="FILE", help="the street register for addresses")
    pack.add_argument("--output", type=Path, metavar="DIR", help="folder of the package; else that of the file")
    pack.add_argument("--key", type=Path, metavar="FILE", help="the secret minisign key to sign with")
    pack.add_argument("--encrypt-to", action="append", metavar="KEY", help="a public age key, or a file with it")
    add("keys", _keys, "Create keys to sign and to decrypt packages with.", "", reads=False).add_argument(
        "folder", type=Path
    )
    contract = add("contract", _contract, "Print a contract in a form that other tools read.", "", reads=False)
    contract.add_argument("contract", metavar="ID")
    contract.add_argument("--region", required=True)
    contract.add_argument("--format", choices=["table-schema", "odcs"], default="table-schema")
    contract.add_argument("--file", type=Path, help="name of a delivery: its layout and reference date, not the first")


def _check_delivery(options: argparse.Namespace) -> int:
    from dagster_project import packages, sender, sharing

    try:
        checked = _checked(options)
    except (sender.WrongUse, packages.KeyMistake) as error:
        print(error, file=sys.stderr)
        return WRONG_INPUT
    if options.json:
        print_json(sharing.check_as_json(checked.receipt, checked.faults, checked.unchecked))
    else:
        print(sharing.check_text(checked.receipt, checked.faults, checked.unchecked, checked.contract))
    return GATE_CLOSED if checked.verdict == "rejected" else DONE


def _checked(options: argparse.Namespace) -> SenderCheck:
    """The check of a file at its sender. Raises what that raises."""
    from dagster_project import sender

    return sender.check_delivery(
        options.file,
        options.contract,
        region_folder=_region_folder(options),
        sender=options.sender,
        areas=options.areas,
        streets=options.streets,
    )


def _region_folder(options: argparse.Namespace) -> Path | None:
    if not options.region:
        return None
    return Path(options.region) if Path(options.region).is_dir() else project().sources / options.region


def _pack_delivery(options: argparse.Namespace) -> int:
    """A file that would be rejected is not packed: its sender learns now what the office would say later."""
    from dagster_project import contract_forms, packages, sender, sharing

    try:
        checked = _checked(options)
        deliverer = sender.deliverer(options.file, options.contract, _region_folder(options), options.sender)
        report = sharing.check_as_json(checked.receipt, checked.faults, checked.unchecked)
        print(sharing.check_text(checked.receipt, checked.faults, checked.unchecked, checked.contract), file=sys.stderr)
        if checked.verdict == "rejected":
            return GATE_CLOSED
        package = packages.pack(
            options.file,
            packages.Sender(checked.contract.id, deliverer, checked.period),
            contract_forms.resource(checked.contract, checked.layout),
            report,
            output=options.output,
            key=options.key,
            recipients=[_text_of(key) for key in options.encrypt_to or []],
        )
    except (sender.WrongUse, packages.KeyMistake) as error:
        print(error, file=sys.stderr)
        return WRONG_INPUT
    if options.json:
        print_json({"package": package, "check": report})
    else:
        print(f"Gepackt: {package}")
    return DONE


def _text_of(key: str) -> str:
    """A key as it was given, or the content of the file that holds it."""
    return Path(key).read_text(encoding="utf-8") if Path(key).is_file() else key


def _keys(options: argparse.Namespace) -> int:
    from dagster_project import packages

    try:
        created = packages.create_keys(options.folder)
    except packages.KeyMistake as error:
        print(error, file=sys.stderr)
        return WRONG_INPUT
    for path in created:
        print(path)
    print("Die Dateien .key bleiben hier und werden nie weitergegeben; die Dateien .pub bekommt die Statistikstelle.")
    return DONE


def _contract(options: argparse.Namespace) -> int:
    from dagster_project import contract_forms, deliveries, periods

    declared = declarations.load(project(), options.region)
    contract = declared.contracts.get(options.contract)
    if contract is None:
        print(f"There is no contract {options.contract}; declared: {', '.join(declared.contracts)}", file=sys.stderr)
        return WRONG_INPUT
    if options.format == "odcs":
        print_json(contract_forms.open_data_contract(contract, declared.region))
        return DONE
    if options.file is None:
        print_json(contract_forms.table_schema(contract, contract.files[0]))
        return DONE
    arrival = deliveries.claimed(options.file, "", contract)
    if arrival is None:
        names = "\n".join(f"  {layout.name}" for layout in contract.files)
        print(f"{options.file.name} is no name of {contract.id}; its names:\n{names}", file=sys.stderr)
        return WRONG_INPUT
    days = contract_forms.Days(arrival.reference_date, periods.last_day(arrival.period))
    print_json(contract_forms.table_schema(contract, arrival.layout, days))
    return DONE
