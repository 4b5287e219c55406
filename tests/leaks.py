"""Numbers that must not be known, looked for in every byte of a release: pages, pictures, tables, the database.

Reads a release folder. Writes nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import duckdb

FEWEST_DIGITS = 5  # shorter ones stand somewhere by chance
NUMBER = re.compile(r"(?<![\w.,-])(\d[\d.\u00a0\u202f ]*\d)(?![\w])")


def spellings(numbers: Iterable[int], printed: set[str]) -> set[str]:
    """Numbers as they are and written the German way, but for those that are printed for something else."""
    texts = {str(number) for number in numbers}
    texts |= {f"{int(text):,}".replace(",", mark) for text in texts for mark in (".", " ", "\u00a0", "\u202f")}
    return {text for text in texts if text.replace(".", "") not in printed and len(text) >= FEWEST_DIGITS}


def found(release: Path, wanted: set[str]) -> Iterator[tuple[Path, str]]:
    """Files of a release that hold one of the wanted spellings."""
    files = [path for path in sorted(release.rglob("*")) if path.is_file()]
    assert {path.suffix for path in files} >= {".html", ".csv", ".json", ".parquet", ".duckdb"}
    for path in files:
        for text in _texts(path):
            for number in {match.group(1) for match in NUMBER.finditer(text)} & wanted:
                yield path, number


def _texts(path: Path) -> list[str]:
    if path.suffix == ".parquet":
        rows = duckdb.sql(f"from read_parquet('{path}')").fetchall()
        return ["\n".join(" ".join(str(value) for value in row) for row in rows)]
    if path.suffix == ".duckdb":
        with duckdb.connect(str(path), read_only=True) as connection:
            tables = [row[0] for row in connection.execute("select table_name from duckdb_tables()").fetchall()]
            return [str(connection.execute(f"from {table}").fetchall()) for table in tables if table != "mart_area"]
    return [path.read_bytes().decode("utf-8", errors="replace")] if "geometry" not in path.name else []
