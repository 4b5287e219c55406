"""Packages: files that travel between offices, with what they are, hashes of all of it, and who sent them.

`archive` reads and writes a ZIP file that may be hostile, `keys` signs and encrypts, `delivery` packs a department's
file for the statistics office and opens it there; `recipients` packs parts of a release for those entitled to them,
with `tables_for_people` and `spatial`.
"""

from pathlib import Path

from dagster_project.packages.archive import Refused, sha256
from dagster_project.packages.delivery import WORKSPACE, Opened, Sender, inner_name, is_package, opened, pack
from dagster_project.packages.keys import KeyMistake
from dagster_project.packages.keys import create as create_keys

# what decides how a package opens
CODE = [Path(__file__).with_name(f"{name}.py") for name in ("archive", "delivery", "keys")]

__all__ = [
    "CODE",
    "WORKSPACE",
    "KeyMistake",
    "Opened",
    "Refused",
    "Sender",
    "create_keys",
    "inner_name",
    "is_package",
    "opened",
    "pack",
    "sha256",
]
