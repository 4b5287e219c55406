"""The attacker on both demo regions at full size, for the public and every municipality; it takes minutes.

Writes simulated deliveries into a temporary folder.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from attacker import audience, beside_the_cube, declared, judge, released
from simulated import demo

from dagster_project import cli

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("region", ["musterkreis", "musterstadt"])
def test_no_audience_proves_what_must_not_be_known(region: str, tmp_path: Path) -> None:
    data = demo(region, tmp_path, cli.DONE)
    rules = declared.read(ROOT, region)
    release = released.read(data.root / "current", rules)
    municipalities = sorted(set(release.areas["municipality"].dropna()))
    for municipality in (audience.PUBLIC, *(municipalities if len(municipalities) > 1 else [])):
        found = audience.findings(rules, data.root, municipality)
        print(municipality or "public", judge.counted(found).to_string(), sep="\n")
        assert len(found) > 500
        assert judge.broken(found) == []
    assert beside_the_cube.comparisons_of_hidden_values(data.root / "current") == []
    assert beside_the_cube.trends_over_hidden_values(data.root / "current") == []
