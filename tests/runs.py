"""Runs of the `sozialraum` command on the made-up town: in this process, or in processes that can be killed.

Reads  requests from standard input, one JSON object per line, when started as a program (see `Spawner`).
Writes whatever the command writes below the folders it is given.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import io
import json
import logging
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import yaml
from kleinstadt import CHECKOUT, REGION, Kleinstadt

from dagster_project.settings import RegionData

KEY_COLUMNS = 7  # the register's columns before its counts

# put on PYTHONPATH, Python runs it before anything else: it notes every host a process asks for
SITECUSTOMIZE = """
import os
import socket

def _note(host):
    with open(os.environ["HOSTS_ASKED"], "a") as file:
        print(host, file=file)

def _getaddrinfo(host, *arguments, _inner=socket.getaddrinfo, **named):
    _note(host)
    return _inner(host, *arguments, **named)

def _connect(self, address, _inner=socket.socket.connect):
    if self.family != socket.AF_UNIX:
        _note(address[0])
    return _inner(self, address)

socket.getaddrinfo = _getaddrinfo
socket.socket.connect = _connect
"""


@dataclass(frozen=True)
class Outcome:
    """How a run ended: exit code (negative: the signal that killed it) and all it wrote on the screen."""

    code: int
    text: str


@dataclass(frozen=True)
class Place:
    """The made-up town's project with a data folder: all a run of the command touches."""

    town: Kleinstadt
    root: Path

    @property
    def data(self) -> RegionData:
        return RegionData(root=self.root / REGION, inbox=self.town.inbox)

    @property
    def dagster_configuration(self) -> Path:
        return self.root / ".dagster" / "dagster.yaml"

    @property
    def environment(self) -> dict[str, str]:
        return {
            "SOZIALRAUM_PROJECT": str(self.town.project.root),
            "SOZIALRAUM_DATA": str(self.root),
            "SOZIALRAUM_INBOX": str(self.town.inbox),
        }

    def copy(self, folder: Path) -> Place:
        """The same place with everything in it, in another (new) folder."""
        town = self.town.copy(folder)
        shutil.copytree(self.root, folder / "data", symlinks=True)
        return Place(town, folder / "data")

    def run(self, *arguments: str) -> Outcome:
        """The command in this process; without arguments, the whole job."""
        with self.chosen(), _screen() as screen:
            code = command(*(arguments or ("run", REGION)))
        return Outcome(code, screen.getvalue())

    def materialize(self, *assets: str) -> Any:
        """Only some assets of the job, as a person may select them in Dagster; returns Dagster's result."""
        import dagster as dg

        with self.chosen():
            job = self.definitions().resolve_job_def(REGION)
            return job.execute_in_process(
                asset_selection=[dg.AssetKey([REGION, *asset.split("/")]) for asset in assets],
                instance=dg.DagsterInstance.ephemeral(),
                run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
                raise_on_error=False,
            )

    def definitions(self) -> Any:
        """What Dagster knows about the town."""
        from dagster_project.definitions import region_definitions

        with self.chosen():
            return region_definitions(self.town.project, REGION)

    def protect(self, region: dict[str, object] | None = None, **disclosure: object) -> None:
        """The town's register is no longer public, and its region declares a rule (and what else differs)."""
        contract = self.town.contracts / "ewr.yml"
        text = contract.read_text(encoding="utf-8")
        contract.write_text(text.replace("publication: already_public", "publication: protected"), encoding="utf-8")
        path = self.town.project.sources / REGION / "region.yml"
        content = yaml.safe_load(path.read_text(encoding="utf-8")) | (region or {}) | {"disclosure": disclosure}
        path.write_text(yaml.safe_dump(content, allow_unicode=True), encoding="utf-8")

    @contextlib.contextmanager
    def chosen(self) -> Iterator[None]:
        """The environment names this place; afterwards it is as before, whatever a run wrote into it."""
        before = dict(os.environ)
        os.environ.update(self.environment)
        try:
            yield
        finally:
            os.environ.clear()
            os.environ.update(before)

    def in_force(self) -> tuple[str, dict[str, str]]:
        """The release in force and the hash of each of its files: equal only if nothing at all has changed."""
        path = self.data.current.resolve(strict=True)
        return path.name, hashes(path)


def hashes(folder: Path) -> dict[str, str]:
    """Name and hash of every file below a folder."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def leftovers(data: RegionData) -> list[str]:
    """What a run must not leave behind: candidates, half links and temporary files."""
    hidden = [path for path in data.root.rglob(".*") if path.name != ".lock"]
    return sorted(str(path.relative_to(data.root)) for path in hidden)


def command(*arguments: str) -> int:
    """The command line, as the installed script calls it."""
    from dagster_project import cli

    return cli.main(list(arguments))


def edit_register(town: Kleinstadt, year: int, change: Callable[[pd.DataFrame], pd.DataFrame]) -> None:
    """Change the register's delivery of a year (one without quotation marks) as a table of texts."""
    path = town.register(year)
    frame = pd.read_csv(path, sep=";", dtype=str, keep_default_na=False)
    change(frame).to_csv(path, sep=";", index=False, lineterminator="\r\n")


def doubled(frame: pd.DataFrame, area: str | None = None) -> pd.DataFrame:
    """The register with all counts (of one area) twice as high: its sums still add up."""
    found = frame.copy()
    rows = frame["RAUMID"] == area if area else frame["RAUMID"] != ""
    counts = frame.columns[KEY_COLUMNS:]
    found.loc[rows, counts] = frame.loc[rows, counts].map(lambda text: str(2 * int(text)))
    return found


@contextlib.contextmanager
def _screen() -> Iterator[io.StringIO]:
    screen = io.StringIO()
    handler = logging.StreamHandler(screen)
    logger = logging.getLogger("sozialraum")
    logger.addHandler(handler)
    try:
        with contextlib.redirect_stdout(screen), contextlib.redirect_stderr(screen):
            yield screen
    finally:
        logger.removeHandler(handler)


# ---------------------------------------------------------------- processes of their own


class Spawner:
    """A process that has imported everything once and forks a child for each call; all hosts asked for are noted.

    Importing takes longer than a run: so many runs can be killed in the time of a few.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "sitecustomize.py").write_text(SITECUSTOMIZE, encoding="utf-8")
        self._hosts = folder / "hosts.txt"
        self._hosts.touch()
        path = os.pathsep.join((str(folder), str(CHECKOUT), str(Path(__file__).parent)))
        self._process = subprocess.Popen(
            [sys.executable, __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": path, "HOSTS_ASKED": str(self._hosts)},
            cwd=folder,
            text=True,
        )

    def run(self, place: Place, dies: tuple[str, int] | None = None) -> Outcome:
        """The whole job in a process of its own."""
        return self.call("runs:command", ["run", REGION], place.environment, dies)

    def call(
        self,
        function: str,
        arguments: Sequence[str] = (),
        environment: dict[str, str] | None = None,
        dies: tuple[str, int] | None = None,
    ) -> Outcome:
        """Call `module:function` in a child; `dies` names a function before whose nth call it is killed by -9."""
        request = {"function": function, "arguments": list(arguments), "environment": environment or {}, "dies": dies}
        assert self._process.stdin
        assert self._process.stdout
        print(json.dumps(request), file=self._process.stdin, flush=True)
        code = int(self._process.stdout.readline())
        return Outcome(code, (self.folder / "screen.txt").read_text(encoding="utf-8"))

    def hosts(self) -> set[str]:
        """Every host this process or a child has asked for so far."""
        return set(self._hosts.read_text().split())

    def close(self) -> None:
        assert self._process.stdin
        self._process.stdin.close()
        self._process.wait(timeout=60)


def _serve() -> None:
    """Answer each request with the exit code of the child that carried it out."""
    for module in ("dagster_project.definitions", "dbt.cli.main", "great_expectations", "pytest"):
        importlib.import_module(module)
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            _carry_out(**json.loads(line))
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


def _carry_out(function: str, arguments: list[str], environment: dict[str, str], dies: tuple[str, int] | None) -> None:
    """In the child: call the function, end the process with what it returns."""
    screen = os.open("screen.txt", os.O_CREAT | os.O_WRONLY | os.O_TRUNC)
    os.dup2(screen, 1)
    os.dup2(screen, 2)
    code = 3
    try:
        os.environ.update(environment)
        if dies:
            _kill_at(*dies)
        module, _, name = function.partition(":")
        code = getattr(importlib.import_module(module), name)(*arguments) or 0
    except BaseException:
        logging.exception("child")
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code if isinstance(code, int) else 0)


def _kill_at(place: str, call: int) -> None:
    """Kill this process as `kill -9` does, before the nth call of `module:attribute`."""
    module, _, path = place.partition(":")
    *owners, name = path.split(".")
    owner: Any = importlib.import_module(module)
    for part in owners:
        owner = getattr(owner, part)
    inner, calls = getattr(owner, name), 0

    def counted(*arguments: Any, **named: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == call:
            os.kill(os.getpid(), signal.SIGKILL)
        return inner(*arguments, **named)

    setattr(owner, name, counted)


if __name__ == "__main__":
    _serve()
