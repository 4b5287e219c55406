"""Leaks planted beside the cube: comparisons and trends of hidden values, withdrawals, hashes of deliveries.

Writes into pytest's temporary folders.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import pandas as pd
from attacker import beside_the_cube


def test_comparisons_and_trends_tell_only_of_what_is_shown(tmp_path: Path) -> None:
    keys = {"geography": "g", "edition": "2022", "level": "ort", "indicator": "foreign"}
    values = pd.DataFrame([keys | {"area": "A1", "period": str(year), "value": float(year), "status": "published"}
                           for year in (2022, 2023)])  # fmt: skip
    hidden = pd.DataFrame([keys | {"area": "A2", "period": "2023", "value": None, "status": "suppressed"}])
    row = keys | {"period": "2023", "comparator": "municipality", "comparator_area": "A1", "basis": "own"}
    good = row | {"area": "A1", "comparator_value": 2023.0, "difference": 0.0, "significance": None}
    trend = keys | {"area": "A1", "period_from": "2022", "period_to": "2023", "periods": 2, "change": 1.0}
    tables = {"indicator_value": pd.concat([values, hidden]), "comparison": pd.DataFrame([good]),
              "trend": pd.DataFrame([trend]), "news": pd.DataFrame([{"indicator": "foreign", "period": "2023",
              "withdrawn": 0}])}  # fmt: skip
    write(tmp_path, tables)
    assert beside_the_cube.comparisons_of_hidden_values(tmp_path) == []
    assert beside_the_cube.trends_over_hidden_values(tmp_path) == []
    assert beside_the_cube.withdrawals_announced(tmp_path) == []
    tables["comparison"] = pd.DataFrame([good | {"area": "A2", "difference": 4.0}, good | {"comparator_value": 7.0}])
    tables["news"]["withdrawn"] = 1
    write(tmp_path, tables)
    assert [row[0] for row in beside_the_cube.comparisons_of_hidden_values(tmp_path)] == ["A1", "A2"]
    for wrong in ({"periods": 3}, {"change": 2.0}, {"area": "A2"}):
        write(tmp_path, {"trend": pd.DataFrame([trend | wrong])})
        assert len(beside_the_cube.trends_over_hidden_values(tmp_path)) == 1, wrong
    assert beside_the_cube.withdrawals_announced(tmp_path) == [("foreign", "2023")]


def write(folder: Path, tables: dict[str, pd.DataFrame]) -> None:
    (folder / "parquet").mkdir(exist_ok=True)
    for name, table in tables.items():
        path = folder / "parquet" / f"mart_{name}.parquet"
        table.to_parquet(path)


def test_a_hash_that_stands_in_a_release_confirms_a_guess(tmp_path: Path) -> None:
    delivery, release = tmp_path / "asylblg.csv", tmp_path / "release"
    release.mkdir()
    delivery.write_text("gebiet;personen\nA1;2\n", encoding="utf-8")
    (release / "manifest.json").write_text('{"sha256": "of something else"}', encoding="utf-8")
    assert beside_the_cube.hashes_of([delivery], release) == []
    digest = hashlib.sha256(delivery.read_bytes()).hexdigest()
    (release / "manifest.json").write_text(f'{{"sha256": "{digest}"}}', encoding="utf-8")
    assert beside_the_cube.hashes_of([delivery], release) == ["asylblg.csv"]
