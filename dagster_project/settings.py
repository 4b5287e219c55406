"""Where everything lies: the project's folders and a region's data folder.

Reads the environment (`SOZIALRAUM_DATA`, `SOZIALRAUM_PROJECT`, `SOZIALRAUM_INBOX`, `SOZIALRAUM_AGE_KEY`,
`SOZIALRAUM_MEMORY`); writes only lock files.
"""

from __future__ import annotations

import fcntl
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

PRIVATE = 0o077  # bits that group and others do not get
MEMORY = "4GB"


def memory_limit(default: str = MEMORY) -> str:
    """What one database may take, in DuckDB's words: `SOZIALRAUM_MEMORY`, for dbt's too, else the default."""
    return os.environ.get("SOZIALRAUM_MEMORY", default)


class FolderError(Exception):
    """A data folder that cannot be used; the message is German."""


@dataclass(frozen=True)
class Project:
    """The folders of a checkout: what people declare and what the code reads from it."""

    root: Path

    @property
    def sources(self) -> Path:
        return self.root / "sources"

    @property
    def indicators(self) -> Path:
        return self.root / "dbt" / "indicators"

    @property
    def bounds(self) -> Path:
        return self.root / "dbt" / "bounds"

    @property
    def expectations(self) -> Path:
        return self.root / "expectations"

    @property
    def dbt(self) -> Path:
        return self.root / "dbt"

    @property
    def reports(self) -> Path:
        return self.root / "reports"


@dataclass(frozen=True)
class RegionData:
    """The data folder of one region; one folder per stage, each written by exactly one of them."""

    root: Path
    inbox: Path

    @property
    def catalogue(self) -> Path:
        """Declarations as Parquet (written by `catalogue`)."""
        return self.root / "catalogue"

    @property
    def geography(self) -> Path:
        """Areas and their ancestors as Parquet (written by `geography`)."""
        return self.root / "geography"

    @property
    def age_key(self) -> Path | None:
        """The key that decrypts packages sent to this office: the file that `SOZIALRAUM_AGE_KEY` names."""
        named = os.environ.get("SOZIALRAUM_AGE_KEY")
        return Path(named) if named else None

    @property
    def raw(self) -> Path:
        """Landed rows, one Parquet file per delivery (written by `landing`)."""
        return self.root / "raw"

    @property
    def receipts(self) -> Path:
        """One JSON record per delivery (written by `landing`)."""
        return self.root / "receipts"

    @property
    def quarantine(self) -> Path:
        """Rows that break their contract (written by `landing`)."""
        return self.root / "quarantine"

    @property
    def decisions(self) -> Path:
        """What was decided about single deliveries (written by `decisions`)."""
        return self.root / "decisions"

    @property
    def spill(self) -> Path:
        """What does not fit into memory while rows are read; not there otherwise."""
        return self.root / ".spill"

    @property
    def judged(self) -> Path:
        """Which deliveries are in force, and every finding of gate 1 (written by `gate`)."""
        return self.root / "judged"

    @property
    def support(self) -> Path:
        """Which crosswalks are needed, and how many live on each support area (written by dbt)."""
        return self.root / "support"

    @property
    def crosswalk(self) -> Path:
        """Weights that carry figures over from one geography to another (written by `geography.crosswalk`)."""
        return self.root / "crosswalk"

    @property
    def core(self) -> Path:
        """True counts as Parquet for the disclosure control; confidential (written by dbt)."""
        return self.root / "core"

    @property
    def internal(self) -> Path:
        """What the Statistikstelle alone sees: confidential."""
        return self.root / "internal"

    @property
    def protection(self) -> Path:
        """Cells that must not be shown, and the true counts behind them (written by `disclosure`)."""
        return self.root / "protection"

    @property
    def ledger(self) -> Path:
        """Every number that was ever released; confidential (written with each release)."""
        return self.root / "ledger"

    @property
    def secret(self) -> Path:
        """What keys the public ids of deliveries; confidential (written by `landing`, once)."""
        return self.root / "delivery.secret"

    @property
    def restored(self) -> Path:
        """Which releases were put back in force, when and why (written by `release`)."""
        return self.root / "restored.json"

    @property
    def warehouse(self) -> Path:
        """The DuckDB file that only dbt opens."""
        return self.root / "warehouse.duckdb"

    @property
    def marts(self) -> Path:
        """The candidate marts as Parquet (written by dbt)."""
        return self.root / "marts"

    @property
    def dbt_project(self) -> Path:
        """The checkout's dbt project, linked, with the staging models in it (written by `transform`)."""
        return self.root / "dbt"

    @property
    def dbt_target(self) -> Path:
        return self.root / "dbt_target"

    @property
    def charts(self) -> Path:
        """Charts drawn before, by the hash of what they show (written by `reports`); may be deleted at any time."""
        return self.root / "charts"

    @property
    def packages(self) -> Path:
        """What was packed for recipients, and the ledger of it (written by `packages.recipients`)."""
        return self.root / "packages"

    @property
    def tokens(self) -> Path:
        """Hashes of the tokens that open the HTTP door; secret (written by `door.tokens`)."""
        return self.root / "tokens.json"

    @property
    def releases(self) -> Path:
        return self.root / "releases"

    @property
    def current(self) -> Path:
        """The link to the release in force."""
        return self.root / "current"


def project() -> Project:
    """The checkout this package was installed from, or `SOZIALRAUM_PROJECT`."""
    return Project(Path(os.environ.get("SOZIALRAUM_PROJECT", Path(__file__).parents[1])).resolve())


def region_data(region: str, inbox: Path | None = None) -> RegionData:
    """The data folder of a region; `inbox` (or `SOZIALRAUM_INBOX`) replaces its own inbox folder."""
    root = Path(os.environ.get("SOZIALRAUM_DATA", project().root / "data")).resolve() / region
    if sign := re.search(r"\?|%[0-9A-Fa-f]{2}", str(root)):
        raise FolderError(
            f"Der Datenordner {root} hat „{sign[0]}“ im Namen: Dort lässt sich keine Datenbank anlegen. Bitte den "
            "Ordner umbenennen oder mit SOZIALRAUM_DATA einen anderen nennen."
        )
    chosen = inbox or os.environ.get("SOZIALRAUM_INBOX")
    return RegionData(root=root, inbox=Path(chosen).resolve() if chosen else root / "inbox")


def dagster_home() -> Path:
    """Where Dagster keeps its run history, beside the regions' data."""
    return Path(os.environ.get("SOZIALRAUM_DATA", project().root / "data")).resolve() / ".dagster"


@contextmanager
def exclusive(data: RegionData) -> Iterator[None]:
    """One step at a time in a region's folder; the lock dies with its process.

    What a step creates is its owner's alone, whatever library creates it; a release opens itself when it is sealed.
    """
    data.root.mkdir(parents=True, exist_ok=True)
    with (data.root / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        before = os.umask(PRIVATE)
        try:
            yield
        finally:
            os.umask(before)
