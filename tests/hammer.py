"""A reader that asks without pause until its standard input is closed, and tells whether it ever saw two releases.

Reads  a PostgreSQL database or `marts.duckdb`; arguments: door, way of reading, where, schema. Writes one JSON line.
All values, people and the licence note of a release are the same number (`bi_release.write_release`).
"""

from __future__ import annotations

import json
import select
import sys
import time
from collections.abc import Iterator
from typing import Any

VALUES = (
    "select min(v.value), max(v.value), min(a.population), max(a.population), min(r.licence_note), max(r.licence_note) "
    "from {0}mart_indicator_value as v inner join {0}mart_area as a using (geography, edition, level, area) "
    "cross join {0}mart_region as r where v.value is not null"
)
TABLES = ("select value from {0}mart_indicator_value where value is not null", "select population from {0}mart_area",
          "select licence_note from {0}mart_region")  # fmt: skip


def numbers(rows: Any) -> set[float]:
    return {float(number) for row in rows for number in row}


def of_postgres(way: str, conninfo: str, schema: str) -> Iterator[set[float]]:
    """The numbers seen by one statement, by the statements of one transaction, or by a cursor that lingers."""
    import psycopg

    with psycopg.connect(conninfo, autocommit=True) as connection:
        while True:
            if way == "statement":
                yield numbers(connection.execute(VALUES.format(f"{schema}.")).fetchall())
                continue
            with connection.transaction():
                found: set[float] = set()
                for query in TABLES:
                    if way == "cursor":
                        with connection.cursor("slow") as cursor:
                            cursor.itersize = 10
                            found |= numbers(cursor.execute(query.format(f"{schema}.")))
                    else:
                        found |= numbers(connection.execute(query.format(f"{schema}.")).fetchall())
                    time.sleep(0.02)
            yield found


def of_file(way: str, path: str, schema: str) -> Iterator[set[float]]:
    """The numbers of a file that is opened anew each time, or looked at table by table in one session."""
    import duckdb

    while True:
        with duckdb.connect(path, read_only=True, config={"threads": 1}) as connection:
            if way == "statement":
                yield numbers(connection.execute(VALUES.format("")).fetchall())
            else:
                found = set()
                for query in TABLES:
                    found |= numbers(connection.execute(query.format("")).fetchall())
                    time.sleep(0.02)
                yield found


def main(door: str, way: str, where: str, schema: str) -> None:
    reading = {"postgres": of_postgres, "file": of_file}[door](way, where, schema)
    reads, errors, mixed, releases = 0, [], [], set()
    while not select.select([sys.stdin], [], [], 0)[0]:
        try:
            found = next(reading)
        except Exception as error:
            errors.append(repr(error))
            break
        if reads == 0:
            print("reading", flush=True)
        time.sleep(0.02)  # the publisher shares the machine
        reads += 1
        releases |= found
        if len(found) != 1:
            mixed.append(sorted(found))
    print(json.dumps({"reads": reads, "errors": errors, "mixed": mixed, "releases": sorted(releases)}))


if __name__ == "__main__":
    main(*sys.argv[1:])
