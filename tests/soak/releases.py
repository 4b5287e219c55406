"""Many simulated regions, released year by year with a correction in between: does every release go out by itself?

For both simulated regions, several seeds and sizes: the deliveries are invented, the job builds the counts, and the
disclosure stage alone releases them from the first year to the last (protection, audit, ledger), for all audiences. A
release that is refused, or of which anybody could find something out, is a failure.
Writes into temporary folders only; prints a line per world. Fails where a release does.
Usage: python tests/soak/releases.py [--worlds N] [--first N]
"""

from __future__ import annotations

import argparse
import itertools
import os
import sys
import tempfile
import time
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from release_sequence import World, corrected, read_world, release

from dagster_project import declarations, disclosure
from dagster_project.settings import Project, region_data

ROOT = Path(__file__).resolve().parents[2]
REGIONS = ("musterkreis", "musterstadt")
SIZES = (0.1, 0.2, 0.5, 1.0)
SEEDS = range(1, 6)


def build(region: str, seed: int, size: float) -> World:
    """Invent the deliveries and build the counts: the job up to the disclosure stage."""
    import dagster as dg

    from dagster_project.definitions import DISCLOSURE_READS, region_definitions
    from sources.simulator.run import simulate
    from sources.simulator.spec import read_region

    data = region_data(region)
    specification = ROOT / "sources" / "simulator" / f"{region}.yml"
    simulate(specification, data.root, seed=seed, size=size, dirt=read_region(specification).demo_dirt)
    definitions = region_definitions(Project(ROOT), region)
    reads = dg.AssetSelection.assets(*(dg.AssetKey([region, model]) for model in DISCLOSURE_READS))
    wanted = sorted(reads.upstream().resolve(definitions.resolve_asset_graph()))
    job = definitions.resolve_job_def(region)
    result = job.execute_in_process(
        asset_selection=wanted,
        instance=dg.DagsterInstance.ephemeral(),
        run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
    )
    assert result.success
    return read_world(data)


def with_correction(world: World, declared: declarations.Declarations, year: int, seed: int) -> World:
    """One more examined child with obesity, two years ago, in some area."""
    random = np.random.default_rng(seed)
    cells = world.cells
    here = (cells["measure"] == "examined_obesity") & (pd.to_datetime(cells["reference_date"]).dt.year == year - 2)
    here &= cells["level"] == declared.geography.levels[1].id
    here &= (cells["edition"] == declared.region.reporting_edition) & cells["value"].notna()
    areas = sorted(set(cells.loc[here, "area"]))
    area = str(random.choice(areas))
    return corrected(world, ["examined", "examined_obesity"], date(year - 2, 12, 31), area, 1)


def released(declared: declarations.Declarations, world: World, folder: Path, seed: int) -> tuple[list[str], str]:
    """All releases of a world: what went wrong, and how many numbers the last one hides of how many."""
    wrong, last = [], ""
    correction = world.years[-2]
    for year in world.years:
        steps = [(str(year), world.until(year))]
        if year == correction:
            world = with_correction(world, declared, year, seed)
            steps.append((f"{year} corrected", world.until(year)))
        for name, part in steps:
            try:
                outcome = release(declared, part, folder, name)
            except (disclosure.NotProtectable, disclosure.Contradiction) as error:
                wrong.append(f"{name}: {error}")
                continue
            wrong += [f"{name}: {found.audience}: {found.where}" for found in outcome.exposed]
            last = f"{outcome.hidden:>6} of {outcome.counts} hidden, {outcome.sensitive} sensitive"
    return wrong, last


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--worlds", type=int, default=40)
    parser.add_argument("--first", type=int, default=0)
    options = parser.parse_args()
    bad = 0
    worlds = list(itertools.product(SIZES, SEEDS, REGIONS))[options.first :][: options.worlds]
    for size, seed, region in worlds:
        started = time.process_time()
        with tempfile.TemporaryDirectory() as folder:
            os.environ["SOZIALRAUM_DATA"], os.environ["SOZIALRAUM_PROJECT"] = folder, str(ROOT)
            world = build(region, seed, size)
            declared = declarations.load(Project(ROOT), region)
            wrong, last = released(declared, world, Path(folder) / "sequence", seed)
        bad += bool(wrong)
        seconds = time.process_time() - started
        print(f"{region:<12} seed {seed} size {size:<4} {last}, {len(wrong)} wrong, {seconds:.0f} s", flush=True)
        print("".join(f"    {text[:600]}\n" for text in wrong[:10]), end="", flush=True)
    print(f"{len(worlds)} worlds, {bad} with a release that did not go out by itself")
    return int(bad > 0)


if __name__ == "__main__":
    sys.exit(main())
