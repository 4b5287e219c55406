"""Dagster's side: the graph, its checks, its sensor and schedule, and that no selection gets around the gates.

Reads tests/snapshots/asset_graph.txt; with `SOZIALRAUM_SNAPSHOTS=write` it is written anew. Otherwise writes into
pytest's temporary folders only.
"""

from __future__ import annotations

import importlib
import os
import shutil
import sys
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
import pytest
import yaml
from kleinstadt import CHECKOUT, REGION
from runs import Outcome, Place, Spawner, leftovers

SNAPSHOT = Path(__file__).parent / "snapshots" / "asset_graph.txt"


@pytest.fixture(scope="module")
def definitions(first_run: Place) -> dg.Definitions:
    return first_run.definitions()


@pytest.fixture(scope="module")
def protected_models(definitions: dg.Definitions) -> list[str]:
    """All that is built behind the protection: what may be shown, and the marts made from it."""
    graph = definitions.resolve_asset_graph()
    protection = dg.AssetKey([REGION, "protection"])
    behind = dg.AssetSelection.assets(protection).downstream().resolve(graph) - {protection}
    marts = {node.key for node in graph.asset_nodes if node.group_name == "marts"}
    return sorted(key.path[-1] for key in (behind | marts) - {dg.AssetKey([REGION, "release"])})


# ---------------------------------------------------------------- the graph


def test_every_check_is_about_an_asset_that_exists(definitions: dg.Definitions) -> None:
    graph = definitions.resolve_asset_graph()
    assert graph.asset_check_keys
    assert {key.asset_key for key in graph.asset_check_keys} <= set(graph.materializable_asset_keys)


def test_both_gates_are_checks_of_which_the_critical_ones_block(definitions: dg.Definitions) -> None:
    graph = definitions.resolve_asset_graph()
    checks = {key: graph.get(key) for key in graph.asset_check_keys}
    suite = yaml.safe_load((CHECKOUT / "expectations" / "publication.yml").read_text(encoding="utf-8"))
    severity = {check["name"]: check["severity"] for check in suite["checks"]}
    blocking = {key.name: check.blocking for key, check in checks.items() if key.name in severity}
    assert blocking == {name: severity[name] == "critical" for name in blocking}
    assert set(blocking.values()) == {True, False}
    places = {"/".join(key.asset_key.path) for key in checks}
    assert f"{REGION}/judged" in places
    assert f"{REGION}/mart_indicator_value" in places


def test_the_asset_graph_is_as_it_was(definitions: dg.Definitions) -> None:
    graph = definitions.resolve_asset_graph()
    lines = []
    for key in sorted(graph.get_all_asset_keys()):
        parents = ", ".join("/".join(parent.path[1:]) for parent in sorted(graph.get(key).parent_keys))
        lines.append(f"{'/'.join(key.path[1:])} <- {parents}".removesuffix(" <- "))
    text = "\n".join(lines) + "\n"
    if os.environ.get("SOZIALRAUM_SNAPSHOTS") == "write":
        SNAPSHOT.parent.mkdir(exist_ok=True)
        SNAPSHOT.write_text(text, encoding="utf-8")
    assert text == SNAPSHOT.read_text(encoding="utf-8"), "meant so? SOZIALRAUM_SNAPSHOTS=write keeps it"


def test_the_release_stands_behind_every_mart_and_every_source_before_the_gate(
    definitions: dg.Definitions, protected_models: list[str]
) -> None:
    graph = definitions.resolve_asset_graph()
    behind = {key.path[-1] for key in graph.get(dg.AssetKey([REGION, "release"])).parent_keys}
    assert behind == {name for name in protected_models if name.startswith("mart_")}
    landed = {key for key in graph.get_all_asset_keys() if key.path[1] == "landed"}
    assert graph.get(dg.AssetKey([REGION, "judged"])).parent_keys == landed


def test_the_code_location_holds_every_region(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    regions = place.town.project.sources
    shutil.copytree(regions / REGION, regions / "nachbarstadt")
    for name, value in place.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delitem(sys.modules, "dagster_project.code_location", raising=False)
    defs = importlib.import_module("dagster_project.code_location").defs
    dg.Definitions.validate_loadable(defs)
    repository = defs.get_repository_def()
    assert {REGION, "nachbarstadt"} <= set(repository.job_names)
    assert {key.path[0] for key in defs.resolve_asset_graph().get_all_asset_keys()} == {REGION, "nachbarstadt"}


# ---------------------------------------------------------------- what starts the job


def test_a_schedule_starts_the_job_every_day(definitions: dg.Definitions) -> None:
    (schedule,) = definitions.get_repository_def().schedule_defs
    assert (schedule.job_name, schedule.cron_schedule) == (REGION, "0 5 * * *")


def test_the_sensor_starts_the_job_for_new_and_changed_files_only(place: Place) -> None:
    (sensor,) = place.definitions().get_repository_def().sensor_defs

    def tick(cursor: str | None) -> tuple[int, str | None]:
        with dg.DagsterInstance.ephemeral() as instance:
            found: Any = sensor.evaluate_tick(dg.build_sensor_context(instance=instance, cursor=cursor))
        assert found.skip_message or found.run_requests
        return len(found.run_requests or []), found.cursor

    started, cursor = tick(None)
    assert (started, sensor.job_name) == (1, REGION)
    assert tick(cursor)[0] == 0
    (place.town.inbox / "ewr" / "EWR202112E_Matrix.csv").write_text("ZEIT;RAUMID\r\n", encoding="utf-8")
    started, cursor = tick(cursor)
    assert started == 1
    assert tick(cursor)[0] == 0
    place.town.register(2020).touch()
    assert tick(cursor)[0] == 1
    shutil.rmtree(place.town.inbox)
    assert tick(cursor)[0] == 0


# ---------------------------------------------------------------- no way around the gates


def materialized(result: Any) -> set[str]:
    return {event.asset_key.path[-1] for event in result.get_asset_materialization_events()}


def failure(result: Any) -> str:
    """Class and message of the one exception that ended a step."""
    (error,) = [
        event.event_specific_data.error for event in result.all_events if event.event_type_value == "STEP_FAILURE"
    ]
    cause = error.cause or error
    return f"{cause.cls_name}: {cause.message}"


def test_marts_on_spoiled_data_get_no_release(place: Place, protected_models: list[str]) -> None:
    before = place.in_force()
    with duckdb.connect(str(place.data.warehouse)) as connection:
        connection.execute(
            "update core_count set value = 10 * value where measure = 'population_65_plus' and level = 'stadt'"
        )
    both = place.materialize(*protected_models, "release")
    assert not both.success
    assert "mart_indicator_value" in materialized(both)
    assert "release" not in materialized(both)
    failed = {item.check_name for item in both.get_asset_check_evaluations() if not item.passed}
    assert "shares_are_between_0_and_100" in failed
    assert place.in_force() == before

    alone = place.materialize("release")
    assert "GateClosed" in failure(alone)
    assert "Ein Anteil liegt zwischen 0 und 100 %." in failure(alone)
    assert place.in_force() == before
    assert not leftovers(place.data)


def test_a_release_of_spoiled_marts_is_refused(place: Place) -> None:
    before = place.in_force()
    path = place.data.marts / "mart_indicator_value.parquet"
    spoiled = path.with_suffix(".spoiled")
    duckdb.sql(
        f"copy (select * replace (case when value is null then 0 else value end as value) from '{path}') "
        f"to '{spoiled}' (format parquet)"
    )
    spoiled.replace(path)
    result = place.materialize("release")
    assert "GateClosed" in failure(result)
    assert "value_only_where_status_allows" in failure(result)
    assert place.in_force() == before
    assert not leftovers(place.data)


def test_a_release_of_some_marts_is_refused(place: Place, protected_models: list[str]) -> None:
    before = place.in_force()
    assert place.materialize("mart_region").success
    result = place.materialize("release")
    assert "TransformError" in failure(result)
    assert "run the whole job" in failure(result)
    assert place.in_force() == before
    assert place.materialize(*protected_models, "release").success
    assert place.in_force() == before


# ---------------------------------------------------------------- no word to anyone


def test_the_job_asks_for_no_host(second_run: tuple[Place, Outcome], spawner: Spawner) -> None:
    assert second_run[1].code == 0, second_run[1].text
    assert spawner.hosts() <= {"localhost", "127.0.0.1", "::1"}


def test_the_notes_of_hosts_are_taken(spawner: Spawner) -> None:
    """Else the test before would prove nothing."""
    before = spawner.hosts()
    spawner.call("socket:getaddrinfo", ["localhost", "1"])
    assert spawner.hosts() == before | {"localhost"}
