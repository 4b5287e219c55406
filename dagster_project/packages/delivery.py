"""A delivery as a package: a department's file as it is, what it is, how it was checked, and who sent it.

Reads  at the sender one file and its check; at the statistics office one package.
Writes at the sender `<file>.zip` (or `.zip.age`) with the file, `datapackage.json` (Data Package 2.0), `check.json`,
       `SHA256SUMS` and its signature; at the office the file, into a folder that is gone afterwards.

The name of a package is that of its file with `.zip`, so that a contract claims both alike, and a package that is
refused has a receipt like any file.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from dagster_project.packages import archive, keys
from dagster_project.packages.archive import SIGNATURE, SUMS, Refused

WORKSPACE = ".package"  # how the name of a folder begins that is gone afterwards
PACKED, ENCRYPTED = ".zip", ".zip.age"
DESCRIPTION, CHECK = "datapackage.json", "check.json"
MOST_DESCRIBED = 1 << 20  # bytes
CLOCKS_DIFFER = timedelta(hours=1)
WORDS = {"contract": "dem Vertrag", "sender": "der Stelle", "period": "dem Zeitraum"}
PROFILE = "https://datapackage.org/profiles/2.0/datapackage.json"


@dataclass(frozen=True)
class Sender:
    """What a package must be: of this contract, sender and period, and signed with one of the sender's keys if any."""

    contract: str
    municipality: str
    period: str
    public_keys: tuple[str, ...] = ()


@dataclass(frozen=True)
class Opened:
    """The file of a delivery, and when its package was made; empty for a plain file."""

    path: Path
    packed_at: str = ""


def is_package(path: Path) -> bool:
    return path.name.endswith((PACKED, ENCRYPTED))


def inner_name(path: Path) -> str:
    """The name of the file a package holds; a plain file's own."""
    return path.name.removesuffix(".age").removesuffix(PACKED) if is_package(path) else path.name


def pack(
    file: Path,
    sender: Sender,
    description: Mapping[str, Any],
    check: Mapping[str, Any],
    *,
    output: Path | None = None,
    key: Path | None = None,
    recipients: list[str] | None = None,
    now: datetime | None = None,
) -> Path:
    """Pack a file beside itself, or into the folder `output`; returns the package.

    `description` is the file's resource in words of the Data Package, `check` the verdict of the sender's own check.
    `key` is a secret minisign key, `recipients` public age keys. Raises `keys.KeyMistake`.
    """
    packed_at = (now or datetime.now(UTC)).replace(tzinfo=None).isoformat(timespec="seconds") + "Z"
    described = {
        "$schema": PROFILE,
        "name": "-".join(part for part in (sender.contract, sender.municipality, sender.period) if part).lower(),
        "created": packed_at,
        "resources": [
            {**description, "path": file.name, "bytes": file.stat().st_size, "hash": f"sha256:{archive.sha256(file)}"}
        ],
        "sozialraum": {"contract": sender.contract, "sender": sender.municipality, "period": sender.period},
    }
    files: dict[str, Path | bytes] = {file.name: file, DESCRIPTION: _json(described), CHECK: _json(check)}
    files[SUMS] = sums = archive.sums(files)
    if key is not None:
        files[SIGNATURE] = keys.sign(sums, key, f"{described['name']} {packed_at}")
    folder = output or file.parent
    package = folder / f"{file.name}{ENCRYPTED if recipients else PACKED}"
    with tempfile.TemporaryDirectory(dir=folder, prefix=".pack") as workspace:
        plain = Path(workspace) / "package.zip"
        archive.write(plain, files)
        plain.chmod(0o600)
        if recipients:
            encrypted = Path(workspace) / "package.zip.age"
            keys.encrypt(plain, encrypted, recipients)
            plain = encrypted
        plain.replace(package)
    return package


@contextmanager
def opened(
    path: Path, sender: Sender, workspace: Path, key: Path | None = None, packed_after: str = ""
) -> Iterator[Opened]:
    """The file of a delivery, plain or packed; what was unpacked is gone afterwards.

    `workspace` is a folder for it, `key` the office's own age key, `packed_after` when the last package about the same
    was made: an older one sent again is refused. Raises `Refused` in German for a package that is not
    what it must be, and `keys.KeyMistake` where it is encrypted and there is no key.
    """
    if not is_package(path):
        yield Opened(path)
        return
    with tempfile.TemporaryDirectory(dir=workspace, prefix=WORKSPACE) as folder:
        plain = path
        if path.name.endswith(ENCRYPTED):
            if key is None:
                raise keys.KeyMistake(
                    f"{path.name} ist verschlüsselt; der Schlüssel dieser Stelle ist nicht eingerichtet "
                    "(SOZIALRAUM_AGE_KEY nennt seine Datei)."
                )
            plain = Path(folder) / "package.zip"
            keys.decrypt(path, plain, key)
        members = Path(folder) / "members"
        members.mkdir(mode=0o700)
        files = archive.unpack(plain, members)
        packed_at = _believed(path, files, sender)
        _refuse_replay(packed_at, packed_after)
        yield Opened(files[inner_name(path)], packed_at)


def _believed(path: Path, files: Mapping[str, Path], sender: Sender) -> str:
    """When the package was made, if it says of itself what it must; raises `Refused` if not."""
    if sender.public_keys:
        if SIGNATURE not in files:
            raise Refused(
                "package_unsigned",
                "Das Paket ist nicht unterschrieben. Für diese Stelle ist ein Schlüssel hinterlegt; bitte mit ihm "
                "packen.",
            )
        keys.verify(files[SUMS].read_bytes(), files[SIGNATURE].read_bytes(), sender.public_keys)
    name = inner_name(path)
    extra = set(files) - {name, DESCRIPTION, CHECK, SUMS, SIGNATURE}
    if name not in files or DESCRIPTION not in files or extra:
        raise Refused(
            "package_other_files",
            f"In diesem Paket werden {name} und {DESCRIPTION} erwartet und keine weiteren Dateien. Ein Paket heißt wie "
            "seine Datei, mit .zip.",
        )
    described = _description(files[DESCRIPTION])
    said = described.get("sozialraum")
    said = said if isinstance(said, dict) else {}
    expected = {"contract": sender.contract, "sender": sender.municipality, "period": sender.period}
    for what, text in expected.items():
        if said.get(what) != text:
            raise Refused(
                f"package_other_{what}",
                f"Das Paket gehört zu {WORDS[what]} „{str(said.get(what))[:80]}“, erwartet wird „{text}“.",
            )
    return str(described.get("created", ""))


def _refuse_replay(packed_at: str, packed_after: str) -> None:
    moment = datetime.fromisoformat(packed_at)
    if packed_after and moment < datetime.fromisoformat(packed_after):
        raise Refused(
            "package_replayed",
            f"Das Paket wurde am {packed_at} gepackt, angenommen ist schon eines vom {packed_after}: ein älterer "
            "Stand. Soll er doch gelten, bitte neu packen.",
        )
    if moment > datetime.now(UTC) + CLOCKS_DIFFER:
        raise Refused("package_future", f"Das Paket ist auf die Zukunft datiert ({packed_at}). Bitte die Uhr prüfen.")


def _description(path: Path) -> dict[str, Any]:
    try:
        if path.stat().st_size > MOST_DESCRIBED:
            raise ValueError
        found = json.loads(path.read_bytes())
        if not isinstance(found, dict) or not isinstance(found.get("created"), str):
            raise ValueError
        if datetime.fromisoformat(found["created"]).tzinfo is None:
            raise ValueError
    except (ValueError, RecursionError) as error:
        raise Refused("package_description", f"{DESCRIPTION} im Paket ist nicht lesbar.") from error
    return found


def _json(content: Mapping[str, Any]) -> bytes:
    return (json.dumps(content, ensure_ascii=False, indent=2, sort_keys=True, default=str) + "\n").encode()
