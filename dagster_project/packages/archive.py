"""A ZIP file of a few flat files, hostile until proven otherwise.

Reads  an archive.
Writes its files into one folder, for their owner alone; nothing is written outside it, and nothing before the whole
       directory of the archive was judged. And the other way: files into an archive, the same bytes for the same files.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import stat
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path

from dagster_project.tables import CONFIDENTIAL

SUMS = "SHA256SUMS"
SIGNATURE = "SHA256SUMS.minisig"
MOST_FILES = 12
MOST_BYTES = 4 << 30
PLAIN_NAME = re.compile(r"[^\x00-\x1f/\\:*?\"<>|]{1,200}")
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
ENCRYPTED = 0x1
# what the library raises for broken structures and streams, versions it does not know (RuntimeError), broken names
UNREADABLE = (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, ValueError)
CHUNK = 1 << 20
ALWAYS = (1980, 1, 1, 0, 0, 0)


class Refused(Exception):
    """A package that is not taken; `rule` names what it breaks, the message is German, for its sender."""

    def __init__(self, rule: str, reason: str) -> None:
        self.rule, self.reason = rule, reason
        super().__init__(reason)


def write(archive: Path, files: Mapping[str, Path | bytes]) -> None:
    """Write files under flat names, with `SHA256SUMS` over all of them but the signature."""
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as target:
        for name, content in files.items():
            member = zipfile.ZipInfo(name, ALWAYS)
            member.compress_type = zipfile.ZIP_DEFLATED
            member.external_attr = (stat.S_IFREG | CONFIDENTIAL) << 16
            if isinstance(content, bytes):
                target.writestr(member, content)
                continue
            member.file_size = content.stat().st_size
            with content.open("rb") as source, target.open(member, "w") as stream:
                while chunk := source.read(CHUNK):
                    stream.write(chunk)


def sums(files: Mapping[str, Path | bytes]) -> bytes:
    """The text of `SHA256SUMS`, as `sha256sum --check` reads it."""
    return "".join(f"{sha256(files[name])}  {name}\n" for name in sorted(files)).encode()


def unpack(archive: Path, folder: Path, most_bytes: int = MOST_BYTES) -> dict[str, Path]:
    """The files of an archive by name, written into `folder`; their hashes are those of `SHA256SUMS`.

    Raises `Refused` for what is no archive, names that lead elsewhere, links, files in files, too much of anything, and
    hashes that are wrong, missing or of files that are not there.
    """
    try:
        with zipfile.ZipFile(archive) as source:
            members = _judged(source.infolist(), most_bytes)
            files = _written(source, members, folder, most_bytes)
    except OSError as error:
        if error.errno != errno.EINVAL:  # a full disk is our trouble, a place before the start of the file the sender's
            raise
        raise _unreadable() from error
    except UNREADABLE as error:
        raise _unreadable() from error
    _compare(files)
    return files


def _unreadable() -> Refused:
    return Refused("package_unreadable", "Das Paket ist kein lesbares ZIP-Archiv. Bitte neu packen und erneut liefern.")


def _judged(members: list[zipfile.ZipInfo], most_bytes: int) -> list[zipfile.ZipInfo]:
    names = [member.filename for member in members]
    for member in members:
        kind = stat.S_IFMT(member.external_attr >> 16)
        if not PLAIN_NAME.fullmatch(member.filename) or member.filename in (".", ".."):
            raise Refused(
                "package_path",
                f"Das Paket enthält den Namen „{member.filename[:80]}“, der aus seinem Ordner hinausführt oder selbst "
                "einer ist. In einem Paket liegen nur Dateien.",
            )
        if kind not in (0, stat.S_IFREG):
            raise Refused("package_link", f"„{member.filename}“ ist keine Datei, sondern ein Verweis.")
        if member.flag_bits & ENCRYPTED or member.compress_type not in METHODS:
            raise Refused(
                "package_method",
                f"„{member.filename}“ ist mit einem Kennwort oder auf unübliche Art gepackt. Bitte mit "
                "„sozialraum pack-delivery“ packen.",
            )
    if len({name.casefold() for name in names}) < len(names):
        raise Refused("package_repeated_name", "Im Paket steht ein Name mehrfach.")
    if len(members) > MOST_FILES or sum(member.file_size for member in members) > most_bytes:
        raise _too_big(most_bytes)
    return members


def _written(source: zipfile.ZipFile, members: list[zipfile.ZipInfo], folder: Path, most_bytes: int) -> dict[str, Path]:
    """What is really in there counts, not what the archive says of itself."""
    files, left = {}, most_bytes
    for number, member in enumerate(members):
        path = folder / f"member_{number}"
        with (
            source.open(member) as stream,
            os.fdopen(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, CONFIDENTIAL), "wb") as target,
        ):
            while chunk := stream.read(min(CHUNK, left + 1)):
                left -= len(chunk)
                if left < 0:
                    raise _too_big(most_bytes)
                target.write(chunk)
        files[member.filename] = path
    return files


def _too_big(most_bytes: int) -> Refused:
    return Refused(
        "package_too_big",
        f"Das Paket ist entpackt zu groß (erlaubt: {MOST_FILES} Dateien, zusammen {most_bytes / 2**20:.0f} MiB).",
    )


def _compare(files: Mapping[str, Path]) -> None:
    """Raises `Refused` unless `SHA256SUMS` names every other file with the hash of its content."""
    if SUMS not in files:
        raise Refused("package_no_sums", f"Im Paket fehlt die Liste der Prüfsummen ({SUMS}).")
    lines = files[SUMS].read_bytes().decode("utf-8", "replace").splitlines()
    listed = {name: digest for digest, _, name in (line.partition("  ") for line in lines)}
    for name in sorted(set(files) - {SUMS, SIGNATURE} | set(listed)):
        if name not in listed or name not in files or sha256(files[name]) != listed[name]:
            raise Refused(
                "package_wrong_hash",
                f"Die Prüfsumme von „{name}“ stimmt nicht: Die Datei wurde nach dem Packen verändert, fehlt oder steht "
                "nicht in der Liste.",
            )


def sha256(content: Path | bytes) -> str:
    """The hash of a file or of bytes."""
    if isinstance(content, bytes):
        return hashlib.sha256(content).hexdigest()
    with content.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
