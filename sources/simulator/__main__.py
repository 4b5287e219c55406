"""`python -m sources.simulator REGION_SPEC.yml OUT_DIR`: writes a region's deliveries, shapes and truth below
OUT_DIR.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from sources.simulator.dirt import NAMES, chosen
from sources.simulator.run import simulate


def main(arguments: list[str] | None = None) -> int:
    """Exit code 0 when written, 2 for wrong usage or a wrong specification."""
    parser = argparse.ArgumentParser(
        prog="python -m sources.simulator", description="Write simulated department deliveries."
    )
    parser.add_argument("region", type=Path, metavar="REGION_SPEC.yml")
    parser.add_argument("output", type=Path, metavar="OUT_DIR")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--size", type=float, default=1.0, help="multiplies the residents")
    parser.add_argument("--dirt", default="all", metavar="all|none|NAME,NAME", help=f"names: {', '.join(NAMES)}")
    given = parser.parse_args(arguments)
    try:
        deliveries = simulate(given.region, given.output, given.seed, given.size, chosen(given.dirt), progress=_say)
    except (ValueError, OSError) as error:
        print(error, file=sys.stderr)
        return 2
    _say(f"{len(deliveries)} files, {sum(item.rows for item in deliveries)} rows in {given.output}")
    return 0


def _say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
