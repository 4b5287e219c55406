"""What the tests share: the made-up town, Berlin's open data where it is at hand, and a clean environment.

Reads what `capabilities` reads. Writes into pytest's temporary folders.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import kleinstadt as town
import pytest
from capabilities import berlin_folder, needed, summary
from postgres_server import Server, running
from runs import Outcome, Place, Spawner

from dagster_project import declarations, geography
from dagster_project.settings import Project, RegionData

# Dagster's log on disk takes a fifth of the time of a run
LOG_IN_MEMORY = """
telemetry: {enabled: false}
event_log_storage: {module: dagster._core.storage.event_log, class: InMemoryEventLogStorage}
"""


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What was missing on this machine is said once, with the package that brings it."""
    reports = [report for kind in ("skipped", "failed", "error") for report in terminalreporter.stats.get(kind, [])]
    lines = summary(str(report.longrepr) for report in reports)
    if lines:
        terminalreporter.section("not on this machine")
        for line in lines:
            terminalreporter.write_line(line)


@pytest.fixture(autouse=True)
def _own_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test sees or touches the data of whoever runs it."""
    monkeypatch.setenv("SOZIALRAUM_DATA", str(tmp_path / "data"))
    for name in ("SOZIALRAUM_PROJECT", "SOZIALRAUM_INBOX", "SOZIALRAUM_AGE_KEY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="session")
def kleinstadt(tmp_path_factory: pytest.TempPathFactory) -> town.Kleinstadt:
    """The made-up town, built once; a test that changes its files takes `own_kleinstadt`."""
    return town.build(tmp_path_factory.mktemp("kleinstadt"))


@pytest.fixture
def own_kleinstadt(kleinstadt: town.Kleinstadt, tmp_path: Path) -> town.Kleinstadt:
    """A copy of the made-up town that the test may change."""
    return kleinstadt.copy(tmp_path / "kleinstadt")


@pytest.fixture
def data(tmp_path: Path, own_kleinstadt: town.Kleinstadt) -> RegionData:
    """An empty data folder for `own_kleinstadt`."""
    return RegionData(root=tmp_path / "data" / town.REGION, inbox=own_kleinstadt.inbox)


@pytest.fixture(scope="session")
def first_run(kleinstadt: town.Kleinstadt, tmp_path_factory: pytest.TempPathFactory) -> Place:
    """The made-up town after its first whole run; a test that runs anything on it takes `place`."""
    place = Place(kleinstadt, tmp_path_factory.mktemp("first_run"))
    place.dagster_configuration.parent.mkdir()
    place.dagster_configuration.write_text(LOG_IN_MEMORY, encoding="utf-8")
    outcome = place.run()
    assert outcome.code == 0, outcome.text
    return place


@pytest.fixture
def place(first_run: Place, tmp_path: Path) -> Place:
    """A copy of the made-up town after its first run, which the test may change."""
    return first_run.copy(tmp_path / "place")


@pytest.fixture(scope="session")
def spawner(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Spawner]:
    """A process that forks runs which may be killed."""
    spawner = Spawner(tmp_path_factory.mktemp("spawner"))
    yield spawner
    spawner.close()


@pytest.fixture(scope="session")
def second_run(first_run: Place, spawner: Spawner, tmp_path_factory: pytest.TempPathFactory) -> tuple[Place, Outcome]:
    """A second whole run on a copy, by the command in a process of its own with its own settings; and how it ended."""
    place = first_run.copy(tmp_path_factory.mktemp("second_run") / "place")
    place.dagster_configuration.unlink()
    return place, spawner.run(place)


@pytest.fixture(scope="session")
def berlin_data() -> Path:
    """Berlin's open data (geo/, ewr/, mss/, …); its tests are skipped without it, but not in CI."""
    needed("berlin")
    return berlin_folder()


@pytest.fixture(scope="session")
def berlin(berlin_data: Path, tmp_path_factory: pytest.TempPathFactory) -> RegionData:
    """A data folder for Berlin with its areas built and nothing landed; its inbox is the open data."""
    declared = declarations.load(Project(town.CHECKOUT), "berlin")
    data = RegionData(root=tmp_path_factory.mktemp("berlin"), inbox=berlin_data)
    geography.build(declared.region, list(declared.geographies.values()), [berlin_data], data.geography)
    return data


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    """A database server with an empty database for BI."""
    with running() as server:
        yield server
