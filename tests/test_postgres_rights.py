"""Who sees what in PostgreSQL: logs in as each recipient, and tries to read what is another's or to write anything.

Reads  a small made-up release. Writes into a throw-away server.

An attack that guesses is made twice, with a right and with a wrong guess about a row of another: whatever the database
answers, rows, errors, plans, must be the same. As a superuser, whom no policy stops, the answers differ: so the attack
is one.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import bi_release
import duckdb
import psycopg
import pytest
from bi_release import NOW, declared, sharing
from postgres_server import Server

from dagster_project.declarations.public_schema import load_public_schema
from dagster_project.postgres import PostgresMistake, publish, rights
from dagster_project.settings import Project

STAR = load_public_schema(Project(bi_release.ROOT))
SCHEMA = "sozialraum_rechte"
TABLE = f"{SCHEMA}.mart_indicator_value"
SECRET_AREA, SECRET = "203", 777  # a quarter of the south, and its values
LOGINS = {
    "nora": ("nord",),
    "suse": ("sued",),
    "kreisler": ("kreis",),
    "alle_welt": ("alle",),
    "doppel": ("nord", "alle"),
}
SEES = {  # level and municipality of the values each may see
    "nora": {("viertel", "05"), ("stadt", "05")},
    "suse": {("viertel", "06")},
    "kreisler": {("viertel", "05"), ("viertel", "06"), ("bezirk", "05"), ("bezirk", "06"), ("stadt", "05")},
    "alle_welt": {("bezirk", "05"), ("bezirk", "06")},
    "doppel": {("viertel", "05"), ("stadt", "05"), ("bezirk", "05"), ("bezirk", "06")},
}  # fmt: skip
WHOLE_REGION = {"kreisler"}


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A release in which the values of one quarter of the south are an unusual number."""
    folder = bi_release.write_release(tmp_path_factory.mktemp("rights") / "release", 1)
    parquet = folder / "parquet" / "mart_indicator_value.parquet"
    hidden = (
        f"if(area = '{SECRET_AREA}', {SECRET}, value) as value, if(area = '{SECRET_AREA}', 'geheim', class) as class"
    )
    with duckdb.connect() as connection:
        connection.execute(f"create table rows as from '{parquet}'")
        connection.execute(f"copy (select * replace ({hidden}) from rows) to '{parquet}' (format parquet)")
    return folder


@pytest.fixture(scope="module")
def server(postgres: Server, release: Path) -> Server:
    """The release published, with a login for each recipient, and another region beside it."""
    publish(declared("rechte"), STAR, release, postgres.publisher, NOW)
    publish(declared("nachbar"), STAR, release, postgres.publisher, NOW)
    for login, recipients in LOGINS.items():
        postgres.login(login, *(f"{SCHEMA}_{recipient}" for recipient in recipients))
    return postgres


@pytest.fixture
def nora(server: Server) -> Iterator[psycopg.Connection]:
    with server.connect("nora") as connection:
        yield connection


# ---------------------------------------------------------------- what each sees


@pytest.mark.parametrize("login", LOGINS)
def test_each_sees_its_own_rows_and_no_others(server: Server, release: Path, login: str) -> None:
    with server.connect(login) as reader, duckdb.connect() as oracle:
        check_rows(reader, oracle, release, login)


def check_rows(reader: psycopg.Connection, oracle: duckdb.DuckDBPyConnection, release: Path, login: str) -> None:
    def both(table: str, columns: str, condition: str) -> tuple[list[Any], list[Any]]:
        path = release / "parquet" / f"{table}.parquet"
        area = f"left join '{release}/parquet/mart_area.parquet' as a using (geography, edition, level, area)"
        joined = area if "a." in condition else ""
        wanted = oracle.execute(f"select {columns} from '{path}' as m {joined} where {condition}").fetchall()
        return reader.execute(f"select {columns} from {SCHEMA}.{table} as m").fetchall(), wanted

    pairs = " or ".join(f"(a.level, a.municipality) = ('{level}', '{town}')" for level, town in SEES[login])
    compares = "a.level = 'viertel'" + ("" if login in WHOLE_REGION else " and a.municipality = '05'")
    conditions = {
        "mart_indicator_value": pairs,
        "mart_trend": pairs,
        "mart_index_component": pairs,
        "mart_area": pairs.replace("a.", "m."),
        "mart_comparison": compares if login in {"nora", "kreisler", "doppel"} else "false",
        "mart_indicator": "true",
        "mart_source": "true",
        "mart_check": str(login in WHOLE_REGION),
        "mart_delivery": str(login in WHOLE_REGION),
        "mart_disclosure_audit": str(login in WHOLE_REGION),
    }
    for table, condition in conditions.items():
        found, wanted = both(table, ", ".join(f"m.{column}" for column in STAR.marts[table].key), condition)
        assert sorted(found) == sorted(wanted), table
    values = reader.execute(f"select count(*) from {SCHEMA}.mart_indicator_value").fetchone()
    for view in ("indicator_table", "indicator_map"):
        assert reader.execute(f"select count(*) from {SCHEMA}.{view}").fetchone() == values


def test_what_has_run_out_is_withdrawn_and_what_is_new_is_given(server: Server, release: Path) -> None:
    """By the next publication, of the same release too."""
    shared = sharing(
        entitlements=[item.model_dump() for item in sharing().entitlements]
        + [{"recipient": "neu", "product": "values", "municipality": "*", "level": "stadt", "purpose": "Vergleich",
            "valid_from": "2026-01-01"}],
        recipients=[item.model_dump() for item in sharing().recipients] + [{"id": "neu", "name": "Neu"}],
    )  # fmt: skip
    query = f"select count(*) from {SCHEMA}.mart_indicator_value"
    with server.connect("suse") as suse, server.connect("nora") as nora, duckdb.connect() as oracle:
        assert suse.execute(query).fetchone() != (0,)
        publish(declared("rechte", shared), STAR, release, server.publisher, datetime(2026, 7, 1, tzinfo=NOW.tzinfo))
        assert suse.execute(query).fetchone() == (0,)
        assert suse.execute(f"select count(*) from {SCHEMA}.mart_indicator").fetchone() == (0,)
        check_rows(nora, oracle, release, "nora")  # policies survive the swap
        with server.connect(server.login("neuer", f"{SCHEMA}_neu")) as new:
            assert new.execute(f"select distinct level from {SCHEMA}.mart_indicator_value").fetchall() == [("stadt",)]
        publish(declared("rechte"), STAR, release, server.publisher, NOW)
        check_rows(suse, oracle, release, "suse")


def test_groups_cannot_log_in_and_without_a_group_nobody_connects(server: Server) -> None:
    with pytest.raises(psycopg.OperationalError, match="not permitted to log in"):
        server.connect(f"{SCHEMA}_nord")
    with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
        server.connect(server.login("niemand"))


# ---------------------------------------------------------------- guessing what is hidden

ROW = f"level = 'viertel' and area = '{SECRET_AREA}' and indicator = 'menschen'"
FAILS_IF_ASKED = "(select (1 / (count(*) - count(*)))::int::boolean from pg_class)"
# a right and a wrong guess about the row; `asked` asks of this row alone, and the cheap guess does so anyway, for the
# planner asks first what costs less
GUESSES = {
    "cheap": ("class is distinct from 'geheim'", "class is distinct from 'offen'"),
    "number": (f"value > {SECRET - 7}", f"value > {SECRET + 7}"),
    "null": ("value is not null", "value is null"),
    "text": ("class = 'geheim'", "class = 'offen'"),
    "like": ("class like 'geh%'", "class like 'off%'"),
    "sum": (f"value + 1 > {SECRET}", f"value + 1 > {SECRET + 7}"),
}
# what a reader may tell the planner, so that it asks in another order
SETTINGS = (
    {},
    {"enable_seqscan": "off", "enable_bitmapscan": "off"},
    {"enable_seqscan": "off", "enable_indexscan": "off"},
    {"enable_hashjoin": "off", "enable_mergejoin": "off"},
    {"enable_hashjoin": "off", "enable_nestloop": "off", "cpu_operator_cost": "0", "cpu_tuple_cost": "0"},
    {"plan_cache_mode": "force_generic_plan", "from_collapse_limit": "1", "join_collapse_limit": "1"},
    {"min_parallel_table_scan_size": "0", "parallel_setup_cost": "0", "parallel_tuple_cost": "0"},
)
QUERIES = {
    "rows": "select 1 from {table} where {row} and {guess}",
    "error of a subquery": "select 1 from {table} where {row} and ({asked} or {fails})",
    "error in a case": "select 1 from {table} where {row} and case when {asked} then true else {fails} end",
    "error of a cast": "select 1 from {table} where {row} and (case when {asked} then '1' else 'x' end)::int = 1",
    "error of a division": "select 1 from {table} where {row} and 1 / (case when {asked} then 1 else 0 end) = 1",
    "plan that ran": "explain (analyze, costs off, timing off, summary off) "
    "select 1 from {table} where {row} and ({asked} or (select relname = 'x' from pg_class limit 1))",
    "copy": "copy (select 1 from {table} where {row} and {guess}) to stdout",
    "xml": "select query_to_xml($$select 1 from {table} where {row} and {guess}$$, false, false, '')",
    "anonymous block": "do $$ begin perform 1 from {table} where {row} and {guess}; "
    "if found then raise exception 'found'; end if; end $$",
    "sample": "select 1 from {table} tablesample system (100) where {row} and {guess}",
    "join": "select count(*) from {table} as t inner join generate_series(1, 3) as g on {row} and {guess}",
    "lateral": "select g, f.* from generate_series(1, 2) as g left join lateral (select 1 from {table} where {row} and "
    "({asked} or {fails}) limit g) as f on true",
    "aggregate": "select count(*) filter (where {guess}), min(value) from {table} where {row}",
    "window": "select row_number() over () from {table} where {row} and {guess}",
    "prepared": "prepare attack as select 1 from {table} where {row} and {guess}; execute attack; deallocate attack",
}


@pytest.mark.parametrize(
    ("table", "query"),
    [
        pytest.param(table, query, id=f"{name} {table}")
        for table in ("mart_indicator_value", "indicator_table")
        for name, query in QUERIES.items()
        if (table, name) != ("indicator_table", "sample")  # a view has none
    ],
)
def test_a_guess_about_another_row_is_never_answered(
    server: Server, nora: psycopg.Connection, table: str, query: str
) -> None:
    def attack(connection: psycopg.Connection, name: str, guess: str) -> Any:
        asked = guess if name == "cheap" else f"(area <> '{SECRET_AREA}' or indicator <> 'menschen' or {guess})"
        parts = {"row": ROW, "guess": guess, "asked": asked, "fails": FAILS_IF_ASKED}
        return answer(connection, query.format(table=f"{SCHEMA}.{table}", **parts))

    with server.connect() as superuser:
        for name, (right, wrong) in GUESSES.items():
            # how many workers took part is chance
            for settings in SETTINGS[: -1 if query.startswith("explain") else None]:
                with nora.transaction(force_rollback=True):
                    for setting, value in settings.items():
                        nora.execute(f"set local {setting} = {value}")
                    with nora.transaction(force_rollback=True):
                        told = attack(nora, name, right)
                    assert told == attack(nora, name, wrong), (name, settings)
            assert attack(superuser, name, right) != attack(superuser, name, wrong), (
                f"{name}: the attack tells nobody anything"
            )


def answer(connection: psycopg.Connection, text: str) -> Any:
    """All a client learns from a statement; of a plan not the conditions, which repeat the guess."""
    try:
        if text.startswith("copy"):
            with connection.cursor() as cursor, cursor.copy(text) as copy:
                return [bytes(block) for block in copy]
        cursor = connection.execute(text)
        while cursor.description is None and cursor.nextset():
            pass
        rows = cursor.fetchall() if cursor.description else cursor.rowcount
    except psycopg.Error as error:
        return error.sqlstate, error.diag.message_primary
    if not text.startswith("explain"):
        return rows
    return [line for (line,) in rows if not line.strip().startswith(("Filter:", "Index Cond:", "One-Time Filter:"))]


def test_estimates_do_not_depend_on_what_is_hidden(server: Server, nora: psycopg.Connection) -> None:
    guesses = [f"value = {SECRET}", "value = 778", "class = 'geheim'", "class = 'offen'"]
    plans = [f"explain select 1 from {TABLE} where {ROW.split(' and ')[0]} and {guess}" for guess in guesses]

    def estimates(connection: psycopg.Connection) -> list[Any]:
        return [answer(connection, plan) for plan in plans]

    number, no_number, text, no_text = estimates(nora)
    assert number == no_number
    assert text == no_text
    with server.connect() as superuser, superuser.transaction(force_rollback=True):
        superuser.execute(f"alter table {TABLE} alter value set statistics 100, alter class set statistics 100")
        superuser.execute(f"analyze {TABLE}")
        superuser.execute(f"set local role {SCHEMA}_nord")
        number, no_number, text, no_text = estimates(superuser)
        assert number != no_number, "the attack tells nobody anything"
        assert text != no_text


def test_statistics_tell_nothing_but_keys(server: Server, nora: psycopg.Connection) -> None:
    assert nora.execute("select count(*) from pg_stats where schemaname = %s", [SCHEMA]).fetchone() == (0,)
    assert nora.execute("select count(*) from pg_stats_ext where schemaname = %s", [SCHEMA]).fetchone() == (0,)
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        nora.execute("select * from pg_statistic")
    with server.connect() as superuser:
        superuser.execute(f"analyze {SCHEMA}.mart_indicator_value, {SCHEMA}.mart_area, {SCHEMA}.mart_trend")
        known = superuser.execute("select tablename, attname from pg_stats where schemaname = %s", [SCHEMA]).fetchall()
    assert known
    for table, column in known:
        mart = STAR.marts.get(table)
        keys = {*mart.key, *(name for item in mart.refers for name in item.columns)} if mart else set()
        assert mart is None or column in keys, (table, column)
    for function in (
        f"st_estimatedextent('{SCHEMA}', 'mart_area', 'geometry')",
        f"_postgis_stats('{SCHEMA}.mart_area', 'geometry')",
        f"_postgis_index_extent('{SCHEMA}.mart_area', 'geometry')",
    ):
        assert answer(nora, f"select {function}") in ([(None,)], *postgis_refusals()), function


def postgis_refusals() -> list[tuple[str, str]]:
    return [("XX000", 'stats for "mart_area.geometry" do not exist')]


# ---------------------------------------------------------------- going round, or writing

FORBIDDEN = [
    # another's place
    f"set role {SCHEMA}_sued", "set role suse", "set role sozialraum_publisher", "set session authorization suse",
    "select * from sozialraum_nachbar.mart_indicator_value", "select * from sozialraum_nachbar.release",
    f"grant {SCHEMA}_sued to nora", "alter role nora bypassrls", f"alter table {TABLE} disable row level security",
    f"drop policy sued on {TABLE}", f"create policy mine on {TABLE} using (true)",
    # writing
    f"insert into {TABLE} default values", f"update {TABLE} set value = 0", f"delete from {TABLE}",
    f"truncate {TABLE}", f"update {SCHEMA}.release set release = 'x'",
    f"select * from {TABLE} for update", f"select * from {TABLE} for key share",
    f"lock table {TABLE} in exclusive mode", f"lock table {SCHEMA}.release in row share mode",
    f"comment on table {TABLE} is 'mine'",
    f"merge into {TABLE} as t using (select 1) as s on true when matched then delete",
    "create table public.mine (a int)", "create temporary table mine (a int)", f"create table {SCHEMA}.mine (a int)",
    "create schema mine", "create function pg_temp.f() returns int language sql as 'select 1'",
    "create view public.mine as select 1", "create sequence public.mine", "create extension dblink",
    "select lo_create(0)", "select lo_creat(-1)", "select lo_from_bytea(0, 'x')", "select lo_import('/etc/passwd')",
    # files and programs of the server
    f"copy {TABLE} to '/dev/null'", f"copy {TABLE} to program 'cat'", "select pg_read_file('/etc/passwd')",
    "select pg_ls_dir('/')", "select pg_reload_conf()",
    "create temporary view mine as select 1", "select * from pg_authid", "select * from pg_largeobject",
]  # fmt: skip


@pytest.mark.parametrize("statement", FORBIDDEN)
def test_nobody_goes_round_or_writes(nora: psycopg.Connection, statement: str) -> None:
    nora.execute("set default_transaction_read_only = off")
    with pytest.raises(psycopg.errors.InsufficientPrivilege), nora.transaction():
        nora.execute(statement)


def test_row_security_cannot_be_switched_off(nora: psycopg.Connection) -> None:
    nora.execute("set row_security = off")
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="would be affected by row-level security"):
        nora.execute(f"select * from {TABLE}")


def test_what_others_run_is_not_told(server: Server, nora: psycopg.Connection) -> None:
    with server.connect("suse") as suse:
        suse.execute(f"select max(value) from {TABLE}")
        told = nora.execute("select query from pg_stat_activity where usename = 'suse'").fetchall()
    assert told == [("<insufficient privilege>",)]


# ---------------------------------------------------------------- the proof before each publication

EXCESS = {
    "grant temporary on database sozialraum to public": "nora: temporary on the database",
    "grant create on database sozialraum to sozialraum_rechte_nord": "sozialraum_rechte_nord: create on the database",
    "grant create on schema public to public": "suse: create in schema public",
    f"grant insert on {TABLE} to nora": f"nora: writing to {TABLE}",
    f"grant update (value) on {TABLE} to public": f"alle_welt: writing to {TABLE}",
    "create sequence public.counter; grant usage on sequence public.counter to nora": "nora: using sequence counter",
    "grant execute on function lo_create(oid) to public": "nora: writing large objects with pg_catalog.lo_create",
    "alter role nora bypassrls": "nora: has the attribute bypassrls",
    "alter role sozialraum_rechte_nord login": "sozialraum_rechte_nord: has the attribute login",
    "grant pg_read_all_data to nora": "nora: is a member of pg_read_all_data",
    "grant sozialraum_publisher to nora": "nora: is a member of sozialraum_publisher",
    "grant sozialraum_rechte_sued to sozialraum_rechte_nord": "nord: is a member of sozialraum_rechte_sued",
    "create role between noinherit in role sozialraum_rechte_nord; create role new in role between; "
    "grant pg_write_all_data to new": "new: is a member of pg_write_all_data",
    f"alter table {SCHEMA}.mart_area disable row level security": "table mart_area: has no row-level security",
    f"create policy mine on {TABLE} for select using (true)": "policy mine on mart_indicator_value: asks for something",
    f"create function public.leak() returns bigint language sql security definer as 'select count(*) from {TABLE}'": (
        r"nora: running leak\(\) with the rights of its owner"
    ),
    f"alter view {SCHEMA}.indicator_map set (security_invoker = false)": "view indicator_map: asks with the rights of",
}


@pytest.mark.parametrize(("grant", "words"), EXCESS.items(), ids=list(EXCESS))
def test_nothing_is_published_where_readers_may_do_more(server: Server, grant: str, words: str) -> None:
    roles = rights.role_names(declared("rechte")).values()
    with server.connect() as connection:
        with connection.transaction(force_rollback=True):
            connection.execute(grant)
            with pytest.raises(PostgresMistake, match=words):
                rights.prove_reading_only(connection, SCHEMA, roles)
        rights.prove_reading_only(connection, SCHEMA, roles)


def test_the_proof_is_part_of_a_publication(server: Server, release: Path) -> None:
    with server.connect() as superuser:
        superuser.execute("grant temporary on database sozialraum to nora")
        before = superuser.execute(f"select published_at from {SCHEMA}.release").fetchone()
        with pytest.raises(PostgresMistake, match="nora: temporary on the database"):
            publish(declared("rechte"), STAR, release, server.publisher, NOW)
        assert superuser.execute(f"select published_at from {SCHEMA}.release").fetchone() == before
        superuser.execute("revoke temporary on database sozialraum from nora")
    publish(declared("rechte"), STAR, release, server.publisher, NOW)


def test_a_name_that_postgresql_would_cut_is_refused() -> None:
    shared = sharing(recipients=[{"id": "n" * 60, "name": "x"}], entitlements=[])
    with pytest.raises(PostgresMistake, match="more than 63 characters"):
        rights.role_names(declared("rechte", shared))
