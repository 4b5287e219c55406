"""What tests use that pip does not install: how it is found, and which package brings it.

Reads  the machine: programs, libraries, fonts, folders, and `CI`.
Writes nothing.

A test that needs something calls `needed`. Where it is missing the test is skipped, the end of the run says so once
for each thing, and with `CI=true` it fails.
"""

from __future__ import annotations

import ctypes.util
import os
import re
import shutil
import subprocess
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[1]
OPEN_DATA = CHECKOUT.parent / "shared" / "data"
POSTGRES = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))
SAID = re.compile(r"needs (\w+): ")


@dataclass(frozen=True)
class Capability:
    """Something a machine has or has not; `remedy` says how to get it."""

    title: str
    remedy: str
    is_there: Callable[[], bool]


def berlin_folder() -> Path:
    """The folder of Berlin's open data."""
    return Path(os.environ.get("SOZIALRAUM_BERLIN", OPEN_DATA / "berlin"))


def chromium() -> str | None:
    """The browser's path."""
    return shutil.which("chromium") or shutil.which("chromium-browser")


def _program(*names: str) -> Callable[[], bool]:
    return lambda: all(shutil.which(name) is not None for name in names)


def _pango() -> bool:
    """Whether WeasyPrint can be loaded, which is when it looks for Pango's libraries."""
    from dagster_project.reports import paged

    return paged.possible()


def _font() -> bool:
    told = shutil.which("fc-list")
    if told is None:
        return ctypes.util.find_library("fontconfig") is not None and any(Path("/usr/share/fonts").rglob("*.[to]tf"))
    return bool(subprocess.run([told, ":", "family"], capture_output=True, text=True).stdout.strip())


def _server() -> bool:
    return bool(POSTGRES) and (os.geteuid() != 0 or shutil.which("runuser") is not None)


def _postgis() -> bool:
    if not POSTGRES:
        return False
    version = POSTGRES[-1].parent.name
    return Path(f"/usr/share/postgresql/{version}/extension/postgis.control").is_file()


def _odbc() -> bool:
    return shutil.which("isql") is not None and any(Path("/usr/lib").glob("*/odbc/psqlodbcw.so"))


VERSION = POSTGRES[-1].parent.name if POSTGRES else "15"
CAPABILITIES = {
    "chromium": Capability("Chromium", "apt-get install chromium", lambda: chromium() is not None),
    "pango": Capability("Pango", "apt-get install libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0", _pango),
    "font": Capability("a font", "apt-get install fonts-liberation", _font),
    "minisign": Capability("minisign", "apt-get install minisign", _program("minisign")),
    "age": Capability("age", "apt-get install age", _program("age")),
    "libreoffice": Capability("LibreOffice", "apt-get install libreoffice-calc", _program("soffice")),
    "postgresql": Capability("PostgreSQL", "apt-get install postgresql", _server),
    "postgis": Capability("PostGIS", f"apt-get install postgresql-{VERSION}-postgis-3", _postgis),
    "odbc": Capability("ODBC", "apt-get install unixodbc odbc-postgresql", _odbc),
    "gdal": Capability("GDAL's programs", "apt-get install gdal-bin", _program("ogrinfo")),
    "berlin": Capability(
        "Berlin's open data", "set SOZIALRAUM_BERLIN to its folder", lambda: (berlin_folder() / "ewr").is_dir()
    ),
    "open_data": Capability(
        "open outlines of Münster and Leipzig",
        "put them beside the checkout",
        lambda: (OPEN_DATA / "muenster").is_dir(),
    ),
    "registry": Capability("a package registry", "give pip a network and an index", lambda: True),
}


@cache
def has(name: str) -> bool:
    return CAPABILITIES[name].is_there()


def needed(*names: str) -> None:
    """Skips the test where one of these is missing, and fails it in CI."""
    for name in names:
        if not has(name):
            missing(name)


def missing(name: str, why: str = "") -> None:
    """Skips, or in CI fails, a test that found out by itself that something is missing."""
    capability = CAPABILITIES[name]
    reason = f"needs {name}: {capability.title} is not here ({capability.remedy}){why and f': {why}'}"
    if os.environ.get("CI") == "true":
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


def summary(reasons: Iterable[str]) -> list[str]:
    """One line for each thing that tests missed, with how many tests and the remedy."""
    counted = Counter(found[1] for reason in reasons if (found := SAID.search(reason)) and found[1] in CAPABILITIES)
    return [
        f"{CAPABILITIES[name].title}: {count} test{'s' if count > 1 else ''} not run. {CAPABILITIES[name].remedy}"
        for name, count in sorted(counted.items())
    ]
