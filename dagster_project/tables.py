"""Parquet and JSON files that stages hand to each other, written whole or not at all.

Reads and writes the paths it is given; knows no stage.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import unicodedata
from functools import cache
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd

from dagster_project.settings import memory_limit

CONFIDENTIAL = 0o600
SECRET_BYTES = 32
# what a spreadsheet takes for the start of a formula or of a command
STARTS_A_FORMULA = r"^[=+@\t\r\n-]"


def composed(text: str) -> str:
    """A text with every letter and its accent as one sign: systems that write them apart mean the same text."""
    return unicodedata.normalize("NFC", text)


def connect(spill: Path | None = None, threads: int | None = None) -> duckdb.DuckDBPyConnection:
    """A database in memory within the limit; what does not fit goes to the folder `spill` and no other.

    Without one, what does not fit is an error: nothing may spill into a folder others read. `threads`: of one query;
    default all there are.
    """
    config: dict[str, Any] = {"memory_limit": memory_limit(), "temp_directory": "" if spill is None else str(spill)}
    return duckdb.connect(config=config if threads is None else {**config, "threads": threads})


def open_for_reading(path: Path) -> duckdb.DuckDBPyConnection:
    """A database file that queries can read, and nothing else: no other file, no extension, no setting, no spilling."""
    return duckdb.connect(
        str(path),
        read_only=True,
        config={
            "memory_limit": memory_limit(),
            "max_temp_directory_size": "0B",
            "threads": 2,
            "enable_external_access": False,
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
            "python_enable_replacements": False,
            "lock_configuration": True,
        },
    )


def literal(text: str | Path) -> str:
    """A text as an SQL literal."""
    return "'" + str(text).replace("'", "''") + "'"


def exactly(path: Path) -> str:
    """A path for DuckDB's readers, which take `*`, `?` and `[` for patterns: each of them stands for itself."""
    return re.sub(r"[*?[]", r"[\g<0>]", str(path))


def parquet_rows(path: Path, pattern: str = "") -> str:
    """SQL for the rows of a Parquet file, or of all files in a folder whose names fit a pattern.

    Whatever the path is called: a folder such as `year=2024` adds no column.
    """
    files = f"{exactly(path)}/{pattern}" if pattern else exactly(path)
    return f"read_parquet({literal(files)}, hive_partitioning = false)"


def identifier(name: str) -> str:
    """A name as a quoted SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def comments(database: Path) -> dict[tuple[str, str | None], str]:
    """The comments of a DuckDB file's tables (column None) and columns, where they have one."""
    with connect() as connection:
        connection.execute(f"attach {literal(database)} as described (read_only)")
        rows = connection.execute(
            "select table_name, null, comment from duckdb_tables() where database_name = 'described' union all "
            "select table_name, column_name, comment from duckdb_columns() where database_name = 'described'"
        ).fetchall()
    return {(table, column): text for table, column, text in rows if text}


def write_query(connection: duckdb.DuckDBPyConnection, query: str, path: Path) -> None:
    """Write the rows of a query to a Parquet file that appears complete or not at all, readable by its owner alone."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        os.close(os.open(temporary, os.O_CREAT | os.O_WRONLY, CONFIDENTIAL))
        connection.execute(f"copy ({query}) to {literal(temporary)} (format parquet, compression zstd)")
        temporary.chmod(CONFIDENTIAL)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_frame(frame: pd.DataFrame, path: Path, types: dict[str, str] | None = None) -> None:
    """Write a frame to a Parquet file; `types` fixes the SQL types of columns an empty frame cannot tell."""
    columns = ", ".join(
        f"cast({identifier(name)} as {types[name]}) as {identifier(name)}"
        if types and name in types
        else identifier(name)
        for name in frame.columns
    )
    with _frames() as connection:
        connection.register("frame", frame)
        write_query(connection, f"select {columns} from frame", path)


def read_frame(path: Path, columns: str = "*") -> pd.DataFrame:
    """The rows of a Parquet file as a frame; a file that dbt writes without rows holds one of nothing but nulls."""
    with _frames() as connection:
        return connection.execute(f"select {columns} from {parquet_rows(path)}").df().dropna(how="all")


def _frames() -> duckdb.DuckDBPyConnection:
    """A connection for one small file: a database of its own for each would take longer than the file."""
    return _database(os.getpid(), memory_limit()).cursor()


@cache
def _database(process: int, limit: str) -> duckdb.DuckDBPyConnection:
    """The one of this process: one that was forked from another opens its own."""
    database = connect()
    database.execute("set enable_external_file_cache = false")  # what is confidential does not stay
    return database


def write_json(content: Any, path: Path) -> None:
    """Write a JSON file that appears complete or not at all, readable by its owner alone."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with os.fdopen(os.open(temporary, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, CONFIDENTIAL), "w") as file:
            json.dump(content, file, ensure_ascii=False, indent=2, sort_keys=True, default=str)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def region_secret(path: Path) -> bytes:
    """A secret that is drawn the first time it is asked for, and readable by its owner alone."""
    if not path.is_file():
        write_json(secrets.token_hex(SECRET_BYTES), path)  # whole or not at all
    return bytes.fromhex(read_json(path))


def read_json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))
