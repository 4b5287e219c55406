"""Programs that others come with: older DuckDB, psql, ODBC, SQLAlchemy, GDAL; and readers of the file while it changes.

Reads  small made-up releases. Writes temporary folders and a throw-away server. Older DuckDB comes from the registry.
"""

from __future__ import annotations

import csv
import json
import os
import shutil
import subprocess
import sys
import time
import warnings
from collections import Counter
from pathlib import Path

import bi_release
import duckdb
import pytest
import sqlalchemy
from bi_release import NOW, declared
from capabilities import missing, needed
from hammer import TABLES, VALUES, numbers
from postgres_server import Server

from dagster_project import release
from dagster_project.declarations.public_schema import load_public_schema
from dagster_project.postgres import publish
from dagster_project.release import Description
from dagster_project.settings import Project, RegionData

STAR = load_public_schema(Project(bi_release.ROOT))
SCHEMA = "sozialraum_programme"
HAMMER = Path(__file__).with_name("hammer.py")
OLDEST_DUCKDB = "1.0.0"  # what release.STORAGE_VERSION promises


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return bi_release.write_release(tmp_path_factory.mktemp("bi") / "release", 1)


@pytest.fixture(scope="module")
def reader(postgres: Server, folder: Path) -> str:
    """A connection string for a login of the Kreis."""
    publish(declared("programme"), STAR, folder, postgres.publisher, NOW)
    return postgres.conninfo(postgres.login("programm", f"{SCHEMA}_kreis"))


def values(folder: Path) -> list[tuple[str, str, float | None]]:
    with duckdb.connect(str(folder / "marts.duckdb"), read_only=True) as marts:
        return marts.execute("select area, period, value from mart_indicator_value order by all").fetchall()


def run(*command: str, **environment: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **environment})
    assert done.returncode == 0, done.stderr + done.stdout
    return done.stdout


def tool(name: str, capability: str) -> str:
    """The path of a program; skips where it is not installed, but not in CI."""
    needed(capability)
    path = shutil.which(name)
    assert path is not None
    return path


# ---------------------------------------------------------------- the file


def publish_file(data: RegionData, folder: Path) -> None:
    """Make marts a release by the same step that a run takes."""
    shutil.rmtree(data.marts, ignore_errors=True)
    shutil.copytree(folder / "parquet", data.marts)
    for path in data.marts.glob("*.parquet"):
        if path.stem in ("mart_check", "mart_news"):  # the release step writes these
            path.unlink()
    described = {}
    for path in data.marts.glob("*.parquet"):
        columns = duckdb.sql(f"describe from '{path}'").fetchall()
        described[path.stem] = Description("A mart's text.", {name: f"Text of {name}." for name, *_ in columns})
    release.publish(
        data, inputs={"folder": folder.name}, descriptions=described, audit=lambda parquet: [],
        render=lambda marts, site: site.mkdir(),
    )  # fmt: skip


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> RegionData:
    """A data folder with three releases; the third is in force."""
    root = tmp_path_factory.mktemp("file")
    data = RegionData(root / "data", root / "inbox")
    for number in (1, 2, 3):
        publish_file(data, bi_release.write_release(root / str(number), number))
    return data


def test_an_older_duckdb_reads_the_file(data: RegionData, tmp_path: Path) -> None:
    """All rows and comments, with the oldest client that the storage version promises."""
    place = tmp_path / "older"
    pip = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--disable-pip-version-check", "--retries", "1"]
    got = subprocess.run([*pip, "--target", str(place), f"duckdb=={OLDEST_DUCKDB}"], capture_output=True, text=True)
    if got.returncode != 0:
        missing("registry", got.stderr[-200:])
    code = """if True:
        import duckdb, json, sys
        marts = duckdb.connect(sys.argv[1], read_only=True)
        tables = marts.execute("select table_name, comment from duckdb_tables() order by 1").fetchall()
        columns = "select table_name, column_name, comment from duckdb_columns() where not internal order by all"
        rows = {name: sorted(map(repr, marts.execute(f"from {name}").fetchall())) for name, _ in tables}
        print(json.dumps([duckdb.__version__, tables, rows, marts.execute(columns).fetchall()]))
    """
    marts = str(data.current / "marts.duckdb")
    older = json.loads(run(sys.executable, "-c", code, marts, PYTHONPATH=str(place)))
    newer = json.loads(run(sys.executable, "-c", code, marts))
    assert older[0] == OLDEST_DUCKDB
    assert older[1:] == newer[1:]
    assert len(older[2]["mart_indicator_value"]) > 40
    assert all(comment for *_, comment in [*older[1], *older[3]])


def test_four_readers_of_the_file_see_twenty_releases_swapped_and_never_two_at_once(data: RegionData) -> None:
    marts = str(data.current / "marts.duckdb")
    readers = [
        subprocess.Popen(
            [sys.executable, HAMMER, "file", way, marts, ""], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for way in ("statement", "statement", "session", "session")
    ]
    assert all(reader.stdout and reader.stdout.readline() == "reading\n" for reader in readers)
    known = [item["id"] for item in release.releases(data)]
    for number in range(20):
        release.restore(data, known[number % 3])
        time.sleep(0.1)
    seen = [json.loads(reader.communicate(timeout=30)[0]) for reader in readers]
    assert [(item["errors"], item["mixed"]) for item in seen] == [([], [])] * 4
    assert all(len(item["releases"]) >= 2 for item in seen), seen
    assert sum(item["reads"] for item in seen) >= 20


# ---------------------------------------------------------------- PostgreSQL


def test_psql(reader: str, folder: Path) -> None:
    text = run(tool("psql", "postgresql"), "-X", "--csv", "-t", "-d", reader, "-c",
               f"select area, period, value from {SCHEMA}.indicator_table")  # fmt: skip
    found = [(area, period, float(value) if value else None) for area, period, value in csv.reader(text.splitlines())]
    assert Counter(found) == Counter(values(folder))
    described = run("psql", "-X", "-d", reader, "-c", f"\\d+ {SCHEMA}.mart_area")
    assert "geometry(MultiPolygon,25832)" in described
    assert "Name of the area" in described


def test_odbc(reader: str, postgres: Server, folder: Path, tmp_path: Path) -> None:
    """The way Excel and Power BI come in: a data source, its tables, its columns, a query."""
    isql = tool("isql", "odbc")
    source = (
        f"[sozialraum]\nDriver=PostgreSQL Unicode\nServername={postgres.folder}\nPort=5432\nDatabase=sozialraum\n"
        "Username=programm\nReadOnly=1\n"
    )
    (tmp_path / "odbc.ini").write_text(source, encoding="utf-8")

    def asked(question: str) -> list[str]:
        done = subprocess.run(
            [isql, "sozialraum", "-b", "-d|", "-v"], input=question, capture_output=True, text=True,
            env={**os.environ, "ODBCINI": str(tmp_path / "odbc.ini")},
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout.splitlines()

    rows = [line.split("|") for line in asked(f"select area, period, value from {SCHEMA}.indicator_table")]
    found = [(area, period, float(value) if value else None) for area, period, value in rows]
    assert Counter(found) == Counter(values(folder))
    listed = {tuple(line.split("|")[1:4]) for line in asked("help")}
    assert {(SCHEMA, "mart_indicator_value", "TABLE"), (SCHEMA, "indicator_table", "VIEW")} <= listed
    names = asked(f"select area_name, indicator_name from {SCHEMA}.indicator_table where area = '201'")
    assert "Öhringer Straße|Einwohnerinnen und Einwohner" in names


def test_sqlalchemy_finds_keys_relations_types_and_comments(reader: str, postgres: Server, folder: Path) -> None:
    engine = sqlalchemy.create_engine(
        sqlalchemy.URL.create(
            "postgresql+psycopg", "programm", database="sozialraum", query={"host": str(postgres.folder)}
        )
    )
    inspected = sqlalchemy.inspect(engine)
    assert set(inspected.get_table_names(SCHEMA)) == {*STAR.current, "release"}
    assert set(inspected.get_view_names(SCHEMA)) == {"indicator_table", "indicator_map"}
    for name, mart in STAR.current.items():
        key = inspected.get_pk_constraint(name, SCHEMA)["constrained_columns"]
        unique = [item["column_names"] for item in inspected.get_unique_constraints(name, SCHEMA)]
        assert mart.key == key or [mart.key] == unique, name
        relations = {
            (tuple(item["constrained_columns"]), item["referred_table"], tuple(item["referred_columns"]))
            for item in inspected.get_foreign_keys(name, SCHEMA)
        }
        wanted = {(tuple(item.columns), item.mart, tuple(STAR.marts[item.mart].key)) for item in mart.refers}
        assert relations == wanted, name
    assert inspected.get_table_comment("mart_area", SCHEMA)["text"] == "Areas of a made-up town."
    with engine.connect() as connection, warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Did not recognize type 'geometry'")  # GeoAlchemy would know it
        table = sqlalchemy.Table("mart_indicator_value", sqlalchemy.MetaData(), schema=SCHEMA, autoload_with=connection)
        assert isinstance(table.c.value.type, sqlalchemy.Double)
        assert isinstance(table.c.reference_date.type, sqlalchemy.Date)
        rows = connection.execute(sqlalchemy.select(table.c.area, table.c.period, table.c.value)).fetchall()
        assert Counter(map(tuple, rows)) == Counter(values(folder))
    engine.dispose()


def test_sqlalchemy_reads_the_file(data: RegionData) -> None:
    engine = sqlalchemy.create_engine(f"duckdb:///{data.current / 'marts.duckdb'}", connect_args={"read_only": True})
    inspected = sqlalchemy.inspect(engine)
    assert "mart_indicator_value" in inspected.get_table_names()
    columns = {column["name"]: column for column in inspected.get_columns("mart_indicator_value")}
    assert {"area", "value", "status"} <= set(columns)
    with engine.connect() as connection:
        found = numbers(connection.execute(sqlalchemy.text(VALUES.format(""))))
        assert len(found) == 1
        assert [numbers(connection.execute(sqlalchemy.text(query.format("")))) for query in TABLES] == [found] * 3
    engine.dispose()


def test_gdal_sees_layers_with_outlines(postgres: Server, reader: str) -> None:
    """The way QGIS comes in: layers, their coordinate reference system, their features."""
    ogrinfo = tool("ogrinfo", "gdal")
    listed = run(ogrinfo, "-so", f"PG:{reader} schemas={SCHEMA}")
    assert "mart_area (Multi Polygon)" in listed
    assert "indicator_map (Multi Polygon)" in listed
    layer = run(ogrinfo, "-so", f"PG:{reader} schemas={SCHEMA}", "indicator_map", "-where", "value is not null")
    assert 'ID["EPSG",25832]' in layer
    assert "Extent: (0.000000, 0.000000) - (3000.000000, 2000.000000)" in layer
    with postgres.connect() as superuser:
        counted = superuser.execute(f"select count(value) from {SCHEMA}.mart_indicator_value").fetchone()
    assert counted is not None
    assert f"Feature Count: {counted[0]}" in layer
