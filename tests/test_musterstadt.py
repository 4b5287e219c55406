"""The made-up town of four levels end to end: the county's indicator files, and the same truth on every level.

Writes simulated deliveries into a temporary folder.
"""

from __future__ import annotations

import pytest
from simulated import BESIDE_TRUTH, demo, hidden_counts, sides, views

from dagster_project import cli
from dagster_project.settings import RegionData

pytestmark = pytest.mark.slow

REGION = "musterstadt"


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory) -> RegionData:
    return demo(REGION, tmp_path_factory.mktemp("town"), cli.DONE, "--size", "0.3", "--dirt", "none")


def test_every_count_equals_the_truth(released: RegionData) -> None:
    marts, levels, compared = views(released), set(), 0
    for indicator, side, measure in sides(REGION):
        found = marts.execute(BESIDE_TRUTH.format(side=side), {"indicator": indicator, "measure": measure}).df()
        exact = found[found["ours"].notna() & ~found["is_converted"]]
        assert exact[exact["ours"] != exact["truth"]].empty, (indicator, side)
        levels |= set(exact["level"])
        compared += len(exact)
    assert levels == {"sozialraum", "statistischer_bezirk", "stadtbereich", "stadtgebiet"}
    assert compared > 10_000


def test_every_hidden_count_equals_the_truth(released: RegionData) -> None:
    compared, different = hidden_counts(released)
    assert compared > 200
    assert different == 0


def test_nobody_can_find_out_what_is_hidden(released: RegionData) -> None:
    audits = views(released).sql(f"from '{released.current}/parquet/mart_disclosure_audit.parquet'").df()
    assert len(audits)
    assert audits["exposed"].sum() == 0
