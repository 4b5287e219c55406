"""The commands of the BI door: publish a release in PostgreSQL, describe the public schema.

Heavy libraries are imported inside the commands.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict
from datetime import UTC, datetime

from dagster_project import declarations
from dagster_project.cli_outcome import DONE, OUR_ERROR, WRONG_INPUT, print_json
from dagster_project.declarations.public_schema import PublicSchema, load_public_schema
from dagster_project.settings import project, region_data


def add_commands(add: Callable[..., argparse.ArgumentParser]) -> None:
    """`add(name, function, text, region, reads)` makes a command of the whole command line."""
    add("publish-postgres", _publish, "Bring the release in force into PostgreSQL, for those entitled to it.")
    add("public-schema", _public_schema, "Describe the marts that BI builds on: tables, keys, relations, changes.")


def _publish(options: argparse.Namespace) -> int:
    declared, data = declarations.load(project(), options.region), region_data(options.region)
    try:
        import psycopg

        from dagster_project import postgres
    except ImportError:
        print("Für PostgreSQL fehlt psycopg: pip install 'sozialraum[postgres]'", file=sys.stderr)
        return WRONG_INPUT
    conninfo = os.environ.get(postgres.DSN)
    missing = {
        f"sources/{options.region}/recipients.yml": declared.sharing is None,
        "eine Veröffentlichung": not (data.current / "manifest.json").is_file(),
        f"die Umgebungsvariable {postgres.DSN}, zum Beispiel service=sozialraum": conninfo is None,
    }
    if any(missing.values()):
        print(f"Es fehlt {' und '.join(name for name, lacks in missing.items() if lacks)}.", file=sys.stderr)
        return WRONG_INPUT
    assert conninfo is not None
    try:
        star, release = load_public_schema(project()), data.current.resolve()
        done = postgres.publish(declared, star, release, conninfo, datetime.now(UTC))
    except (postgres.PostgresMistake, psycopg.OperationalError, psycopg.errors.InsufficientPrivilege) as error:
        print(f"PostgreSQL: {error}", file=sys.stderr)
        return WRONG_INPUT
    except psycopg.Error as error:
        print(f"PostgreSQL nimmt die Veröffentlichung nicht an, die bisherige bleibt: {error}", file=sys.stderr)
        return OUR_ERROR
    if options.json:
        print_json(asdict(done))
    else:
        print(f"{done.schema}: {done.release}, {sum(done.rows.values())} Zeilen in {len(done.rows)} Tabellen, "
              f"{done.seconds:.1f} s")  # fmt: skip
    return DONE


def _public_schema(options: argparse.Namespace) -> int:
    from dagster_project.tables import comments

    declarations.load(project(), options.region)  # no such region is a mistake, no release yet is none
    star, marts = load_public_schema(project()), region_data(options.region).current / "marts.duckdb"
    texts = comments(marts.resolve()) if marts.is_file() else {}
    if options.json:
        print_json(star.model_dump())
    else:
        print("\n".join(_described(star, texts)))
    return DONE


def _described(star: PublicSchema, texts: dict[tuple[str, str | None], str]) -> Iterator[str]:
    """The star as Markdown; texts are those of the release in force, where there is one."""
    yield f"# Public schema, version {star.version}"
    for version in sorted(star.versions, reverse=True):
        yield from ("", f"Version {version}:", *(f"- {change}" for change in star.changes(version) or ["first one"]))
    for name, mart in star.current.items():
        yield from ("", f"## {name} ({mart.kind})", "", texts.get((name, None), ""), "")
        yield f"- key: {', '.join(mart.key)}"
        yield from (f"- {', '.join(item.columns)}: a row of {item.mart}" for item in mart.refers)
        yield from (f"- readers: {mart.readers}", "", "| column | type | |", "|---|---|---|")
        for column, item in mart.columns.items():
            yield f"| {column} | {item.type} | {texts.get((name, column), '').replace('|', '/')} |"
