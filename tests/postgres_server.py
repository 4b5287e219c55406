"""A throw-away PostgreSQL server for tests: a Unix socket in a folder of its own, no network, gone at the end.

Reads  Debian's binaries. Writes a temporary folder outside pytest's, whose parents the server's account cannot enter.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
from capabilities import POSTGRES, needed

SETUP = Path(__file__).parents[1] / "dagster_project" / "postgres" / "setup.sql"
DATABASE = "sozialraum"
# for tests: what is lost in a crash of the machine is lost
FAST = "-c listen_addresses= -c fsync=off -c synchronous_commit=off -c full_page_writes=off -c jit=off"


@dataclass(frozen=True)
class Server:
    """A running server with the database that `setup.sql` made."""

    folder: Path

    def conninfo(self, user: str, database: str = DATABASE) -> str:
        return f"host={self.folder} user={user} dbname={database}"

    @property
    def publisher(self) -> str:
        return self.conninfo("sozialraum_publisher")

    def connect(self, user: str = "postgres") -> psycopg.Connection:
        """A session that commits each statement, and may write what its rights allow."""
        options = "-c default_transaction_read_only=off"
        return psycopg.connect(self.conninfo(user), autocommit=True, options=options)

    def login(self, name: str, *groups: str) -> str:
        """Make a login that is in these groups; returns its name."""
        with self.connect() as connection:
            connection.execute(f"create role {name} login")
            for group in groups:
                connection.execute(f"grant {group} to {name}")
        return name


@contextmanager
def running() -> Iterator[Server]:
    """Start a server; skips the test where PostgreSQL, PostGIS or its account is missing, but not in CI."""
    root = os.geteuid() == 0
    needed("postgresql", "postgis")
    account = ["runuser", "-u", "postgres", "--"] if root else []  # the server refuses to run as root
    folder = Path(tempfile.mkdtemp(prefix="sozialraum-postgres-"))
    if root:
        shutil.chown(folder, "postgres", "postgres")

    def command(program: str, *arguments: str) -> None:
        full = [*account, str(POSTGRES[-1] / program), "-D", str(folder / "data"), *arguments]
        done = subprocess.run(full, capture_output=True, text=True, cwd="/")
        assert done.returncode == 0, done.stderr + done.stdout

    try:
        command("initdb", "-U", "postgres", "-A", "trust", "--no-sync", "-E", "UTF8", "--locale=C.UTF-8")
        options = f"-c unix_socket_directories={folder} {FAST}"
        command("pg_ctl", "start", "-w", "-s", "-l", str(folder / "log"), "-o", options)
        try:
            server = Server(folder)
            with psycopg.connect(server.conninfo("postgres", "postgres"), autocommit=True) as connection:
                connection.execute(f"create database {DATABASE}")
            setup = ["psql", "-q", "-d", server.conninfo("postgres"), "-f", str(SETUP)]
            done = subprocess.run(setup, capture_output=True, text=True)
            assert done.returncode == 0, done.stderr
            yield server
        finally:
            command("pg_ctl", "stop", "-s", "-m", "immediate")
    finally:
        shutil.rmtree(folder)
