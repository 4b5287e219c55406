"""Releases: whatever goes wrong at whatever moment, the old one stays in force and the next run is clean.

Reads and writes pytest's temporary folders only. The marts are small made-up ones; whole jobs are killed at the end.
"""

from __future__ import annotations

import json
import shutil
import signal
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest
from runs import Place, Spawner, edit_register, hashes, leftovers

from dagster_project import release
from dagster_project.release import Description, Release
from dagster_project.settings import RegionData

KEYS = ("geography", "edition", "level", "area", "period", "indicator", "breakdown")
COLUMNS = dict.fromkeys((*KEYS, "value", "class", "status"), "A description.")
DESCRIPTIONS = {"mart_indicator_value": Description("The cube.", COLUMNS)}
FINDING = {
    "gate": 2, "suite": "publication", "name": "small", "subject": "marts", "severity": "warning",
    "responsible": "Datenteam", "why": "Zahlen sind klein.", "success": False, "failing": 1,
    "failing_keys": '[{"area": "1"}]', "message": "Betroffen: 1.",
}  # fmt: skip


class Deliberate(Exception):
    """What the tests let go wrong."""


def write_marts(data: RegionData, values: list[float]) -> None:
    data.marts.mkdir(parents=True, exist_ok=True)
    rows = ", ".join(
        f"('g', 'e', 'l', '{area}', '2020', 'i', 'total', {value}, null, 'published')"
        for area, value in enumerate(values)
    )
    path = data.marts / "mart_indicator_value.parquet"
    duckdb.sql(
        f"""
        copy (select {", ".join(f"column{i} as {name}" for i, name in enumerate(COLUMNS))} from (values {rows})
            as cube ({", ".join(f"column{i}" for i in range(len(COLUMNS)))}))
        to '{path}' (format parquet)
        """
    )


def write_page(marts: Path, site: Path) -> None:
    site.mkdir()
    (site / "index.html").write_text(f"<p>{marts.stat().st_size} Bytes</p>", encoding="utf-8")


def publish(data: RegionData, version: int, **changed: Any) -> Release:
    write_marts(data, [1.5, 2.5, float(version)])
    arguments: dict[str, Any] = {
        "inputs": {"version": version}, "descriptions": DESCRIPTIONS, "audit": lambda parquet: [FINDING],
        "render": write_page,
    }  # fmt: skip
    return release.publish(data, **{**arguments, **changed})


def publish_in_child(root: str, version: str) -> int:
    """For the spawner: release version `version` of the small marts."""
    publish(RegionData(Path(root), Path(root) / "inbox"), int(version))
    return 0


@pytest.fixture
def data(tmp_path: Path) -> RegionData:
    """A data folder with version 1 in force."""
    data = RegionData(tmp_path / "region", tmp_path / "region" / "inbox")
    publish(data, 1)
    return data


def version_in_force(data: RegionData) -> int:
    with duckdb.connect(str(data.current / "marts.duckdb"), read_only=True) as connection:
        query = "select value::integer from mart_indicator_value order by area desc"
        found = connection.execute(query).fetchone()
    assert found
    manifest = json.loads((data.current / "manifest.json").read_text())
    assert manifest["inputs"] == {"version": found[0]}
    return int(found[0])


# ---------------------------------------------------------------- what a release holds


def test_a_release_holds_every_mart_in_three_formats_and_pages(data: RegionData) -> None:
    assert sorted(hashes(data.current)) == [
        "csv/mart_check.csv",
        "csv/mart_indicator_value.csv",
        "csv/mart_news.csv",
        "manifest.json",
        "marts.duckdb",
        "parquet/mart_check.parquet",
        "parquet/mart_indicator_value.parquet",
        "parquet/mart_news.parquet",
        "site/index.html",
    ]


def test_the_manifest_says_what_it_was_made_from_and_what_is_in_it(data: RegionData) -> None:
    standing = release.current(data)
    assert standing is not None
    manifest = standing.manifest
    assert manifest["id"] == standing.id == data.current.resolve().name
    assert manifest["inputs"] == {"version": 1}
    assert manifest["tables"] == {"mart_check": 1, "mart_indicator_value": 3, "mart_news": 0}
    (check,) = manifest["checks"]
    assert (check["name"], check["success"], check["failing"]) == ("small", False, 1)
    assert manifest["pages"] == 1
    stored = hashes(data.current)
    assert manifest["files"] == {
        name: stored[name] for name in stored if name != "manifest.json" and not name.startswith("site/")
    }


def test_what_the_gates_found_is_a_mart(data: RegionData) -> None:
    with duckdb.connect(str(data.current / "marts.duckdb"), read_only=True) as connection:
        found = connection.execute(f"select {', '.join(FINDING)} from mart_check").fetchall()
    assert found == [tuple({**FINDING, "gate": "2"}.values())]


def test_nothing_in_a_release_can_be_written(data: RegionData) -> None:
    for path in data.current.resolve().rglob("*"):
        assert stat.S_IMODE(path.stat().st_mode) == (0o444 if path.is_file() else 0o555), path


def test_a_mart_without_description_is_no_release(data: RegionData) -> None:
    columns = {**COLUMNS, "value": ""}
    with pytest.raises(release.ReleaseError, match=r"mart_indicator_value: describe .* value"):
        publish(data, 2, descriptions={"mart_indicator_value": Description("The cube.", columns)})
    with pytest.raises(release.ReleaseError, match="mart_indicator_value: describe"):
        publish(data, 2, descriptions={})
    assert version_in_force(data) == 1


def test_without_marts_there_is_no_release(data: RegionData) -> None:
    (data.marts / "mart_indicator_value.parquet").unlink()
    with pytest.raises(release.ReleaseError, match="no marts"):
        release.publish(data, inputs={}, descriptions={}, audit=lambda parquet: [], render=write_page)
    assert version_in_force(data) == 1


def test_what_is_audited_is_what_goes_out(data: RegionData) -> None:
    """Marts that change behind the audit's back do not get out."""

    def audit(parquet: Path) -> list[dict[str, Any]]:
        write_marts(data, [999.0])
        return []

    publish(data, 2, audit=audit)
    assert version_in_force(data) == 2


# ---------------------------------------------------------------- one after the other


def test_the_same_inputs_are_the_same_release(data: RegionData) -> None:
    before = {path: path.stat().st_mtime_ns for path in data.releases.rglob("*")}
    again = publish(data, 1)
    assert not again.created
    assert again.id == data.current.resolve().name
    assert {path: path.stat().st_mtime_ns for path in data.releases.rglob("*")} == before


def test_the_same_inputs_are_audited_again(data: RegionData) -> None:
    def audit(parquet: Path) -> list[dict[str, Any]]:
        raise Deliberate

    with pytest.raises(Deliberate):
        publish(data, 1, audit=audit)
    assert version_in_force(data) == 1


def test_other_inputs_are_a_new_release_and_the_old_one_stays(data: RegionData) -> None:
    old = data.current.resolve()
    before = hashes(old)
    made = publish(data, 2)
    assert made.created
    assert version_in_force(data) == 2
    assert hashes(old) == before
    assert [(item["inputs"]["version"], item["in_force"]) for item in release.releases(data)] == [
        (1, False),
        (2, True),
    ]


def test_inputs_of_an_earlier_release_put_it_in_force_again(data: RegionData) -> None:
    first = data.current.resolve()
    publish(data, 2)
    again = publish(data, 1)
    assert (again.id, again.created) == (first.name, False)
    assert data.current.resolve() == first


def test_restore_puts_an_earlier_release_in_force(data: RegionData) -> None:
    first = data.current.resolve().name
    publish(data, 2)
    assert release.restore(data, first).id == first
    assert version_in_force(data) == 1
    with pytest.raises(release.ReleaseError, match=f"no release 'nowhere'; there are: .*{first}"):
        release.restore(data, "nowhere")
    with pytest.raises(release.ReleaseError):
        release.restore(data, "../releases/" + first)


def test_a_release_that_shows_what_a_later_one_withholds_comes_back_only_with_a_reason(data: RegionData) -> None:
    """Also where the release in force does not know the value at all: what was ever withheld after it counts."""
    first = data.current.resolve().name
    cube = data.marts / "mart_indicator_value.parquet"
    arguments: dict[str, Any] = {"descriptions": DESCRIPTIONS, "audit": lambda parquet: [], "render": write_page}
    rows = f"(select * from read_parquet('{data.current}/parquet/{cube.name}'))"
    hidden = f"select * replace (null as value, 'suppressed' as status) from {rows} where area = '2'"
    duckdb.execute(f"copy (select * from {rows} where area <> '2' union all {hidden}) to '{cube}' (format parquet)")
    second = release.publish(data, inputs={"version": 2}, **arguments).id
    write_marts(data, [1.5, 2.5])
    third = release.publish(data, inputs={"version": 3}, **arguments).id

    with pytest.raises(release.ReleaseError, match=r"1 Werte.*i \(1\).*--show-again-because"):
        release.restore(data, first)
    assert data.current.resolve().name == third
    release.restore(data, second)
    release.restore(data, first, "Ratsbeschluss")
    assert data.current.resolve().name == first
    log = json.loads(data.restored.read_text())
    assert [(entry["release"], entry["instead_of"], entry["shown_again"], entry["because"]) for entry in log] == [
        (second, third, {}, ""),
        (first, second, {"i": 1}, "Ratsbeschluss"),
    ]
    assert stat.S_IMODE(data.restored.stat().st_mode) == 0o600


def news(data: RegionData) -> list[Any]:
    with duckdb.connect(str(data.current / "marts.duckdb"), read_only=True) as connection:
        return connection.execute("select * from mart_news order by all").fetchall()


def test_news_are_what_the_release_in_force_before_did_not_show(data: RegionData) -> None:
    assert news(data) == []  # everything would be new in a first one
    publish(data, 2)
    assert news(data) == [("i", "2020", "values", 0, 1, None)]
    cube = data.marts / "mart_indicator_value.parquet"

    rows = f"(select * from read_parquet('{data.current}/parquet/{cube.name}'))"
    duckdb.execute(
        f"""
        copy (
            select * replace (case when area = '0' then null else value end as value,
                case when area = '0' then 'suppressed' else status end as status) from {rows}
            union all select * replace ('2021' as period) from {rows}
            union all select * replace ('j' as indicator) from {rows} where area <> '2'
        ) to '{cube}' (format parquet)
        """
    )
    arguments: dict[str, Any] = {"descriptions": DESCRIPTIONS, "audit": lambda parquet: [], "render": write_page}
    release.publish(data, inputs={"version": 3}, **arguments)
    assert news(data) == [
        ("i", "2020", "values", 0, 1, None),  # that a value is no longer shown is not announced
        ("i", "2021", "period", 3, 0, None),
        ("j", "2020", "indicator", 2, 0, None),
    ]


def test_diff_counts_what_changed(data: RegionData) -> None:
    first = data.current.resolve().name
    write_marts(data, [1.5, 4.5, 2.0, 7.0])
    arguments: dict[str, Any] = {"descriptions": DESCRIPTIONS, "audit": lambda parquet: [], "render": write_page}
    second = release.publish(data, inputs={"version": 2}, **arguments).id
    assert release.compare(data, first, second) == {
        "inputs": ["version"],
        "rows": {"mart_check": [1, 0], "mart_indicator_value": [3, 4], "mart_news": [0, 1]},
        "cells": {"added": 1, "removed": 0, "changed": 2},
    }
    assert release.compare(data, second, first)["cells"] == {"added": 0, "removed": 1, "changed": 2}
    assert release.compare(data, first, first) == {
        "inputs": [],
        "rows": {},
        "cells": {"added": 0, "removed": 0, "changed": 0},
    }
    with pytest.raises(release.ReleaseError):
        release.compare(data, first, "nowhere")


# ---------------------------------------------------------------- readers


READER = """
import sys
import duckdb
connection = duckdb.connect(sys.argv[1], read_only=True)
for line in sys.stdin:
    query = "select value::integer from mart_indicator_value order by area desc"
    print(connection.execute(query).fetchone()[0], flush=True)
"""


def test_a_reader_of_the_old_file_is_not_disturbed_and_a_new_one_sees_the_new(data: RegionData) -> None:
    def reader() -> subprocess.Popen[str]:
        arguments = [sys.executable, "-c", READER, str(data.current / "marts.duckdb")]
        return subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def read(process: subprocess.Popen[str]) -> int:
        assert process.stdin
        assert process.stdout
        print(file=process.stdin, flush=True)
        return int(process.stdout.readline())

    with reader() as old:
        assert read(old) == 1
        publish(data, 2)
        assert read(old) == 1
        with reader() as new:
            assert (read(old), read(new)) == (1, 2)


# ---------------------------------------------------------------- what goes wrong


def fails(*arguments: Any, **named: Any) -> Any:
    raise Deliberate


def on_call(number: int, inner: Callable[..., Any]) -> Callable[..., Any]:
    """The function itself, failing when it is called for the nth time."""
    calls = 0

    def counted(*arguments: Any, **named: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == number:
            raise Deliberate
        return inner(*arguments, **named)

    return counted


def assert_clean_after_failure(data: RegionData) -> None:
    """The old release is in force as it was, nothing is left over, and the next run releases the new one."""
    assert version_in_force(data) == 1
    assert not leftovers(data)
    assert publish(data, 2).id == data.current.resolve().name
    assert version_in_force(data) == 2
    assert not leftovers(data)


@pytest.mark.parametrize("argument", ["audit", "render"])
def test_a_failing_audit_or_page_leaves_the_old_release_in_force(data: RegionData, argument: str) -> None:
    before = hashes(data.releases)
    with pytest.raises(Deliberate):
        publish(data, 2, **{argument: fails})
    assert hashes(data.releases) == before
    assert_clean_after_failure(data)


STEPS = [
    ("_sweep", 1), ("_copy_marts", 1), ("_write_tables", 1), ("_write_checks", 1), ("_comment", 1), ("_comment", 2),
    ("_manifest", 1), ("write_json", 1), ("_seal", 1), ("_sync", 1), ("_sync", 4), ("os.rename", 1), ("_sync", 5),
    ("_flip", 1), ("os.replace", 1),
]  # fmt: skip


@pytest.mark.parametrize(("step", "call"), STEPS, ids=lambda value: str(value))
def test_an_exception_at_any_step_leaves_the_old_release_in_force(
    data: RegionData, monkeypatch: pytest.MonkeyPatch, step: str, call: int
) -> None:
    before = hashes(data.current)
    with monkeypatch.context() as patch:
        *owner, name = step.split(".")
        place = getattr(release, owner[0]) if owner else release
        patch.setattr(place, name, on_call(call, getattr(place, name)))
        with pytest.raises(Deliberate):
            publish(data, 2)
    assert hashes(data.current) == before
    shutil.rmtree(data.marts)
    assert_clean_after_failure(data)


KILLED = [
    ("shutil:copyfile", 1), ("dagster_project.release:_write_tables", 1), ("dagster_project.release:_comment", 2),
    ("test_release:write_page", 1), ("dagster_project.release:_manifest", 1), ("pathlib:Path.chmod", 2),
    ("os:rename", 1), ("dagster_project.release:_flip", 1), ("os:replace", 2),
]  # fmt: skip


def test_a_process_killed_at_any_moment_leaves_the_old_release_in_force(
    data: RegionData, spawner: Spawner, tmp_path: Path
) -> None:
    in_force = data.current.resolve()
    before = hashes(in_force)
    for moment in KILLED:
        own = RegionData(tmp_path / moment[0].replace(":", "_") / "region", data.inbox)
        shutil.copytree(data.root, own.root, symlinks=True)
        killed = spawner.call("test_release:publish_in_child", [str(own.root), "2"], dies=moment)
        assert killed.code == -signal.SIGKILL, (moment, killed.text)
        assert own.current.readlink() == data.current.readlink(), moment
        assert hashes(own.current) == before, moment
        assert version_in_force(own) == 1
        publish(own, 2)
        assert version_in_force(own) == 2
        assert not leftovers(own), moment


def test_a_killed_process_leaves_something_to_sweep_up(data: RegionData, spawner: Spawner) -> None:
    """Else the test before would prove nothing."""
    spawner.call("test_release:publish_in_child", [str(data.root), "2"], dies=("os:rename", 1))
    assert any(name.startswith("releases/.candidate-") for name in leftovers(data))
    spawner.call("test_release:publish_in_child", [str(data.root), "2"], dies=("os:replace", 2))
    assert any(name.startswith(".current-") for name in leftovers(data))


# ---------------------------------------------------------------- the whole job, killed


MOMENTS = [  # landing, building the warehouse, building the marts
    ("dagster_project.landing:_write", 1),
    ("dbt.task.run:ModelRunner.execute", 6),
    ("dbt.task.run:ModelRunner.execute", 21),
]


def test_a_job_killed_at_any_moment_leaves_the_old_release_and_the_next_run_is_clean(
    place: Place, spawner: Spawner
) -> None:
    before = place.in_force()
    edit_register(place.town, 2020, lambda frame: frame.iloc[::-1])
    for moment in MOMENTS:
        killed = spawner.run(place, dies=moment)
        assert killed.code == -signal.SIGKILL, (moment, killed.text)
        assert place.in_force() == before, moment
    clean = place.run()
    assert clean.code == 0, clean.text
    assert place.in_force()[0] != before[0]
    assert not leftovers(place.data)
    assert hashes(place.data.releases / before[0]) == before[1]
    assert place.in_force()[1].keys() == before[1].keys()
