"""Text files of the geography: a declared table of texts, and the line of each of its rows.

Reads  street registers and files of support points; writes nothing.
"""

from __future__ import annotations

import csv
import io
import lzma
import unicodedata
import zipfile
import zlib
from pathlib import Path
from typing import Any

import pandas as pd
from pandas.io.common import get_handle

from dagster_project.geography.faults import GeographyError

ENCODINGS = ("utf-8", "cp1252", "latin-1")
BYTE_ORDER_MARKS = (b"\xff\xfe", b"\xfe\xff")


def read_text_table(path: Path, file: str, delimiter: str, encoding: str, key: str, **options: Any) -> pd.DataFrame:
    """All cells as texts, blank lines left out.

    `options` go to pandas; `file` and `key` name the file and the declared encoding in messages. Raises
    `GeographyError` in German.
    """
    text = decoded(_content(path, file), file, encoding, key)
    try:
        frame = pd.read_csv(io.StringIO(text), sep=delimiter, dtype=str, keep_default_na=False, **options)
    except (ValueError, pd.errors.ParserError) as error:
        raise GeographyError(
            f"{file}: die Datei ist keine lesbare Tabelle mit dem Trennzeichen „{delimiter}“ ({error})."
        ) from error
    return frame


def lines_of_rows(
    path: Path, delimiter: str, encoding: str, comment: str | None = None, header: bool = True
) -> list[int]:
    """The line of the file each row begins in; a quoted cell may hold line ends."""
    text = _content(path, path.name).decode("utf-8-sig" if encoding == "utf-8" else encoding)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    found, before = [], 0
    for cells in reader:
        if cells and not (comment and cells[0].startswith(comment)):
            found.append(before + 1)
        before = reader.line_num
    return found[1:] if header else found


def _content(path: Path, file: str) -> bytes:
    """What a file holds, unpacked where its name says that it is compressed."""
    try:
        with get_handle(path, "rb", compression="infer", is_text=False) as opened:
            return bytes(opened.handle.read())
    except (ValueError, OSError, EOFError, zipfile.BadZipFile, zlib.error, lzma.LZMAError) as error:
        raise GeographyError(f"{file}: die Datei ist nicht lesbar ({error}). Bitte neu holen.") from error


def decoded(content: bytes, file: str, encoding: str, key: str) -> str:
    """A file's text in its declared encoding. Raises `GeographyError` naming line, sign and what fits."""
    if content.startswith(BYTE_ORDER_MARKS):
        raise GeographyError(
            f"{file}: die Datei ist in UTF-16 geschrieben, erklärt ist unter „{key}“ {encoding}. Bitte als UTF-8 "
            "speichern."
        )
    try:
        text = content.decode("utf-8-sig" if encoding == "utf-8" else encoding)
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        fits = [name for name in ENCODINGS if name != encoding and _can_be(content, name)]
        raise GeographyError(
            f"{file}, Zeile {line}: das Byte 0x{content[error.start]:02x} gibt es in der Kodierung {encoding} so "
            "nicht. "
            f"Bitte so speichern oder die richtige erklären, vermutlich „{key}: {fits[0]}“."
        ) from error
    return unicodedata.normalize("NFC", text)


def _can_be(content: bytes, encoding: str) -> bool:
    try:
        content.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True
