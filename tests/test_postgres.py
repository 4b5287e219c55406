"""PostgreSQL for BI: a release is whole for every reader, whatever is published beside it, and nobody waits.

Reads  small made-up releases. Writes into a throw-away server.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import bi_release
import duckdb
import psycopg
import pytest
from bi_release import NOW, declared
from postgres_server import Server

from dagster_project import cli
from dagster_project.declarations.public_schema import PublicSchema, load_public_schema
from dagster_project.postgres import DSN, PostgresMistake, Published, loading, publish, structure
from dagster_project.settings import Project, region_data

STAR = load_public_schema(Project(bi_release.ROOT))
NEXT = STAR.version + 1
HAMMER = Path(__file__).with_name("hammer.py")
HAMMERED = ("mart_area", "mart_indicator", "mart_indicator_value", "mart_region")  # for speed: what the readers ask for


@pytest.fixture(scope="module")
def releases(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("releases")
    return [bi_release.write_release(folder / str(number), number) for number in (1, 2, 3)]


def published(server: Server, release: Path, region: str, star: PublicSchema = STAR) -> Published:
    return publish(declared(region), star, release, server.publisher, NOW)


def changed(**marts: dict[str, Any]) -> PublicSchema:
    """The star of the next version, with these columns added to marts or replaced in them."""
    content = STAR.model_dump(exclude_none=True)
    for mart, columns in marts.items():
        content["marts"][mart]["columns"] |= columns
    loose = PublicSchema.model_construct(**content)
    content["versions"][NEXT] = "0"
    draft = STAR.model_copy(
        update={
            "versions": content["versions"],
            "marts": {name: type(STAR.marts[name]).model_validate(mart) for name, mart in loose.marts.items()},
        }
    )
    content["versions"][NEXT] = draft.fingerprint(NEXT)
    return PublicSchema.model_validate(content)


def rewrite(parquet: Path, query: str) -> None:
    """Replace a mart by what a query on its `rows` says."""
    with duckdb.connect() as connection:
        connection.execute(f"create table rows as from '{parquet}'")
        connection.execute(f"copy ({query}) to '{parquet}' (format parquet)")


def test_every_row_arrives_with_keys_types_and_comments(postgres: Server, releases: list[Path]) -> None:
    done = published(postgres, releases[0], "stadt")
    assert done.schema == "sozialraum_stadt"
    with duckdb.connect(str(releases[0] / "marts.duckdb"), read_only=True) as marts, postgres.connect() as connection:
        for name in (name for (name,) in marts.execute("select table_name from duckdb_tables()").fetchall()):
            columns = [item[0] for item in marts.execute(f"describe {name}").fetchall() if item[0] != "geometry"]
            query = f"select {', '.join(columns)} from {{}}{name}"
            wanted = marts.execute(query.format("")).fetchall()
            found = connection.execute(query.format("sozialraum_stadt.")).fetchall()
            assert sorted(map(repr, found)) == sorted(map(repr, wanted)), name
            assert done.rows[name] == len(wanted)
        outlines = connection.execute(
            "select distinct st_srid(geometry), st_geometrytype(geometry), st_isvalid(geometry) "
            "from sozialraum_stadt.mart_area"
        ).fetchall()
        assert outlines == [(25832, "ST_MultiPolygon", True)]
        km2 = connection.execute(
            "select sum(st_area(geometry)) from sozialraum_stadt.mart_area where level = 'stadt'"
        ).fetchone()
        assert km2 == (2 * 6_000_000.0,)
        assert connection.execute(
            "select obj_description('sozialraum_stadt.mart_area'::regclass), "
            "col_description('sozialraum_stadt.mart_area'::regclass, 8)"
        ).fetchone() == ("Areas of a made-up town.", 'Name of the area: it\'s "so".')
        assert connection.execute("select release, public_schema_version from sozialraum_stadt.release").fetchall() == [
            ("release-1", STAR.version)
        ]


def test_four_readers_see_twenty_releases_swapped_and_never_two_at_once(postgres: Server, releases: list[Path]) -> None:
    small = STAR.model_copy(update={"marts": {name: STAR.marts[name] for name in HAMMERED}})
    published(postgres, releases[0], "hammer", small)
    login = postgres.login("hammer_reader", "sozialraum_hammer_kreis")
    readers = [
        subprocess.Popen(
            [sys.executable, HAMMER, "postgres", way, postgres.conninfo(login), "sozialraum_hammer"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )
        for way in ("statement", "statement", "transaction", "cursor")
    ]  # fmt: skip
    assert all(reader.stdout and reader.stdout.readline() == "reading\n" for reader in readers)
    for number in range(1, 21):
        published(postgres, releases[number % 3], "hammer", small)
    seen = [json.loads(reader.communicate(timeout=30)[0]) for reader in readers]
    assert [(item["errors"], item["mixed"]) for item in seen] == [([], [])] * 4
    assert all(len(item["releases"]) >= 2 for item in seen), seen
    assert sum(item["reads"] for item in seen) >= 20


def test_nobody_waits_for_anybody(postgres: Server, releases: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader in a transaction stops no publication, and one that is half done stops no reader."""
    published(postgres, releases[0], "waiting")
    login = postgres.login("waiting_reader", "sozialraum_waiting_kreis")
    query = "select min(population), max(population), count(*) from sozialraum_waiting.mart_area"
    inside: list[Any] = []

    def half_done(*arguments: Any) -> None:
        with postgres.connect(login) as late:
            late.execute("set lock_timeout = '1ms'")
            inside.append(late.execute(query).fetchone())
        original(*arguments)

    original = loading.write_comments
    monkeypatch.setattr(loading, "write_comments", half_done)
    with postgres.connect(login) as early, early.transaction():
        before = early.execute(query).fetchone()
        published(postgres, releases[1], "waiting")
        assert inside == [before] == [(1.0, 1.0, 18)]
        assert early.execute(query).fetchone() == before
        assert early.execute("select release from sozialraum_waiting.release").fetchone() == ("release-1",)
    with postgres.connect(login) as late:
        assert late.execute(query).fetchone() == (2.0, 2.0, 18)


def test_a_publication_that_fails_leaves_the_old_one(
    postgres: Server, releases: list[Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    published(postgres, releases[0], "failing")

    def shown() -> Any:
        with postgres.connect() as connection:
            return connection.execute(
                "select release, (select max(value) from sozialraum_failing.mart_indicator_value) "
                "from sozialraum_failing.release"
            ).fetchone()

    with monkeypatch.context() as patched:
        patched.setattr(loading, "write_comments", lambda *arguments: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            published(postgres, releases[1], "failing")
    assert shown() == ("release-1", 1.0)

    def server_ends_it(connection: psycopg.Connection, *arguments: Any) -> None:
        with postgres.connect() as superuser:
            superuser.execute("select pg_terminate_backend(%s)", [connection.info.backend_pid])
        original(connection, *arguments)

    original = loading.write_comments
    with monkeypatch.context() as patched:
        patched.setattr(loading, "write_comments", server_ends_it)
        with pytest.raises(psycopg.OperationalError, match="terminat"):
            published(postgres, releases[1], "failing")
    assert shown() == ("release-1", 1.0)
    broken = bi_release.write_release(tmp_path / "orphan", 4)
    rewrite(broken / "parquet" / "mart_indicator.parquet", "from rows where indicator != 'lage'")
    with pytest.raises(psycopg.errors.ForeignKeyViolation, match="lage"):
        published(postgres, broken, "failing")
    wrong = bi_release.write_release(tmp_path / "type", 5)
    rewrite(wrong / "parquet" / "mart_trend.parquet", "select * replace (change::text as change) from rows")
    with pytest.raises(PostgresMistake, match=r"mart_trend.change is VARCHAR in the release, declared is double"):
        published(postgres, wrong, "failing")
    assert shown() == ("release-1", 1.0)
    published(postgres, releases[2], "failing")
    assert shown() == ("release-3", 3.0)


# ---------------------------------------------------------------- a new version of the public schema


def test_a_new_version_adds_and_removes_columns_beside_its_readers(postgres: Server, releases: list[Path]) -> None:
    published(postgres, releases[0], "versions")
    login = postgres.login("versions_reader", "sozialraum_versions_kreis")
    second = changed(
        mart_trend={
            "strength": {"type": "double", "since": NEXT},
            "periods": {"type": "bigint", "deprecated": NEXT, "instead": "period_from and period_to"},
        }
    )
    assert second.changes(NEXT) == ["mart_trend.periods deprecated", "mart_trend.strength added"]
    assert published(postgres, releases[0], "versions", second).structure_changed
    assert not published(postgres, releases[0], "versions", second).structure_changed
    with postgres.connect(login) as reader:
        query = "select area, strength, periods from sozialraum_versions.mart_trend"
        assert reader.execute(query).fetchall() == [("101", None, 3)]
        assert published(postgres, releases[0], "versions").structure_changed  # and back again: the column is dropped
        with pytest.raises(psycopg.errors.UndefinedColumn):
            reader.execute(query)


def test_what_is_declared_no_more_goes(postgres: Server, releases: list[Path]) -> None:
    """Whole marts, and relations of those that stay."""
    published(postgres, releases[0], "smaller")
    mart = STAR.marts["mart_indicator_value"]
    fewer = {name: STAR.marts[name] for name in HAMMERED} | {
        "mart_indicator_value": mart.model_copy(update={"refers": mart.refers[:1]})
    }
    published(postgres, releases[1], "smaller", STAR.model_copy(update={"marts": fewer}))
    with postgres.connect() as connection:
        tables = connection.execute("select relname from pg_class where relkind = 'r' and relname != 'release' "
                                    "and relnamespace = 'sozialraum_smaller'::regnamespace").fetchall()  # fmt: skip
        relations = connection.execute("select conname from pg_constraint where contype = 'f' "
                                       "and connamespace = 'sozialraum_smaller'::regnamespace").fetchall()  # fmt: skip
        values = connection.execute("select max(value) from sozialraum_smaller.indicator_table").fetchone()
    assert {name for (name,) in tables} == set(HAMMERED)
    assert {name for (name,) in relations} == {
        "mart_area_geography_edition_parent_level_parent", "mart_indicator_value_geography_edition_level_area"
    }  # fmt: skip
    assert values == (2.0,)


def test_a_structure_waits_for_readers_and_makes_none_wait(
    postgres: Server, releases: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    published(postgres, releases[0], "locked")
    login = postgres.login("locked_reader", "sozialraum_locked_kreis")
    monkeypatch.setattr(structure, "TRIES", 3)
    pauses: list[float] = []

    def another_reads(seconds: float) -> None:
        pauses.append(seconds)
        with postgres.connect(login) as other:
            other.execute("set lock_timeout = '1ms'")
            assert other.execute("select count(*) from sozialraum_locked.mart_trend").fetchone() == (1,)

    monkeypatch.setattr(structure.time, "sleep", another_reads)
    second = changed(mart_trend={"strength": {"type": "double", "since": NEXT}})
    with postgres.connect(login) as reader, reader.transaction():
        reader.execute("select from sozialraum_locked.mart_trend")
        started = time.perf_counter()
        with pytest.raises(PostgresMistake, match="readers have held them for 3 tries"):
            published(postgres, releases[1], "locked", second)
        assert time.perf_counter() - started < 10
        assert len(pauses) == 2
        assert reader.execute("select release from sozialraum_locked.release").fetchone() == ("release-1",)
    assert published(postgres, releases[1], "locked", second).structure_changed


def test_a_column_never_changes_its_type(postgres: Server, releases: list[Path]) -> None:
    published(postgres, releases[0], "types")
    with postgres.connect() as connection:
        connection.execute("alter table sozialraum_types.mart_trend alter column change type numeric")
    with pytest.raises(PostgresMistake, match=r"mart_trend.change is numeric, declared is double precision"):
        published(postgres, releases[0], "types", changed(mart_trend={"strength": {"type": "double", "since": NEXT}}))


# ---------------------------------------------------------------- the command


def test_the_command_needs_to_know_the_database(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(DSN, raising=False)
    assert cli.main(["publish-postgres", "musterkreis"]) == cli.WRONG_INPUT
    text = capsys.readouterr().err
    assert DSN in text
    assert "eine Veröffentlichung" in text
    assert cli.main(["publish-postgres", "berlin"]) == cli.WRONG_INPUT
    assert "sources/berlin/recipients.yml" in capsys.readouterr().err


def test_the_command_publishes_the_release_in_force(
    postgres: Server, releases: list[Path], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    data = region_data("musterkreis")
    data.root.mkdir(parents=True)
    data.current.symlink_to(releases[0])
    monkeypatch.setenv(DSN, postgres.publisher)
    assert cli.main(["publish-postgres", "musterkreis", "--json"]) == cli.DONE
    told = json.loads(capsys.readouterr().out)
    assert (told["schema"], told["release"]) == ("sozialraum_musterkreis", "release-1")
    assert told["rows"]["mart_area"] == 18
    assert cli.main(["publish-postgres", "musterkreis"]) == cli.DONE
    assert "sozialraum_musterkreis: release-1" in capsys.readouterr().out
    with postgres.connect() as connection:
        connection.execute("alter role sozialraum_publisher nocreaterole")
        connection.execute(
            "drop owned by sozialraum_musterkreis_birkenrath; drop role sozialraum_musterkreis_birkenrath"
        )
        assert cli.main(["publish-postgres", "musterkreis"]) == cli.WRONG_INPUT
        assert "permission denied to create role" in capsys.readouterr().err
        connection.execute("alter role sozialraum_publisher createrole")
    monkeypatch.setenv(DSN, f"host={postgres.folder} port=1 user=nobody password=geheim123 dbname=sozialraum")
    assert cli.main(["publish-postgres", "musterkreis"]) == cli.WRONG_INPUT
    text = capsys.readouterr().err
    assert "PostgreSQL: " in text
    assert "geheim123" not in text
