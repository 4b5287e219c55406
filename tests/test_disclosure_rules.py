"""Rules of a region from the declaration to the release: thresholds by source, smallest population, zeros, recipients.

Writes into pytest's temporary folders.
"""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import kleinstadt as town
import pandas as pd
import pytest
import yaml
from runs import Place

from dagster_project import cli, declarations, disclosure, disclosure_audit
from dagster_project.tables import read_frame

pytestmark = pytest.mark.slow

NUMERATOR, REMAINDER, DENOMINATOR, FEW = 25, 40, 60, 500


def declare(place: Place, **disclosure: object) -> None:
    """Each Bezirksregion is a municipality that knows its own numbers."""
    names = sorted({area[:6] for area in place.town.truth.areas[town.OLDER]["planungsraum"]})
    municipalities = [{"id": name, "name": f"Gemeinde {name}"} for name in names]
    place.protect(
        {"municipality_level": "bezirksregion", "municipalities": municipalities, "region_sender": "stadt"},
        **disclosure,
    )


@pytest.fixture(scope="module")
def released(kleinstadt: town.Kleinstadt, tmp_path_factory: pytest.TempPathFactory) -> Place:
    folder = tmp_path_factory.mktemp("rules")
    place = Place(kleinstadt.copy(folder), folder / "data")
    (place.town.contracts / "mss_shares.yml").unlink()
    (place.town.inbox / "stadt").mkdir()
    (place.town.inbox / "ewr").rename(place.town.inbox / "stadt" / "ewr")
    declare(
        place,
        minimum_population=FEW,
        sources={
            "ewr": {
                "numerator": NUMERATOR, "remainder": REMAINDER, "denominator": DENOMINATOR, "zeros": "always_printed",
            }
        },
        recipients={"together": 2, "statistical_office": "true_values"},
    )  # fmt: skip
    outcome = place.run()
    assert outcome.code == cli.DONE, outcome.text
    return place


def counts(place: Place) -> pd.DataFrame:
    return read_frame(place.data.protection / "count.parquet").assign(
        day=lambda frame: pd.to_datetime(frame["reference_date"])
    )


def cube(place: Place) -> pd.DataFrame:
    return read_frame(place.data.current / "parquet" / "mart_indicator_value.parquet")


def test_the_thresholds_of_a_source_hold(released: Place) -> None:
    """No numerator, remainder or denominator below its threshold is printed, and some above the region's are not."""
    shown = cube(released)
    assert len(shown[shown["numerator"] > 0]) > 1000
    declared = load(released)
    shares = [name for name, indicator in declared.reported_indicators.items() if indicator.kind == "share"]
    numerators = shown.loc[shown["numerator"] > 0, "numerator"]
    assert numerators.min() >= NUMERATOR
    assert shown.loc[shown["denominator"] > 0, "denominator"].min() >= DENOMINATOR
    rest = (shown["denominator"] - shown["numerator"])[shown["indicator"].isin(shares)]
    assert rest[rest > 0].min() >= REMAINDER
    hidden = counts(released).query("is_hidden")
    assert (hidden["value"] > 3).any()


def test_areas_with_few_residents_show_their_residents_alone(released: Place) -> None:
    shown = cube(released)
    small = shown[shown["area"].isin(town.SMALL_AREAS) & (shown["edition"] == town.OLDER)]
    printed = small[small["numerator"] > 0]
    assert set(printed["indicator"]) <= {"population"}
    assert len(small) > len(printed)


def test_zeros_are_never_hidden_where_they_are_always_printed(released: Place) -> None:
    every = counts(released)
    assert not (every["is_hidden"] & (every["value"] == 0)).any()


def test_every_pair_of_municipalities_was_audited(released: Place) -> None:
    """Eight municipalities, and each two of them together: nobody finds out a foreign number."""
    report = read_frame(released.data.current / "parquet" / f"{disclosure_audit.MART}.parquet")
    names = [item.name for item in load(released).region.municipalities]
    pairs = [f"{one} + {other}" for one, other in combinations(names, 2)]
    assert set(report["audience"]) == {"public", *names, *pairs}
    assert len(pairs) == 28
    assert report["exposed"].sum() == 0
    assert f"Zähler {NUMERATOR}, Rest {REMAINDER}, Nenner {DENOMINATOR}; Nullen sind nie" in report["rule"].iloc[0]
    assert f"weniger als {FEW} Einwohnern" in report["rule"].iloc[0]


def test_the_statistikstelle_sees_what_is_hidden_and_no_release_does(released: Place) -> None:
    path = released.data.internal / "indicator_value.parquet"
    assert path.stat().st_mode & 0o077 == 0
    internal = read_frame(path)
    keys = ["geography", "edition", "level", "area", "period", "indicator"]
    both = internal.merge(cube(released), on=keys, suffixes=("", "_shown"))
    assert both["is_hidden"].sum() > 100
    assert (both["is_hidden"] == (both["status_shown"] == "suppressed")).all()
    assert both.loc[both["is_hidden"] & both["numerator"].notna(), "value"].notna().all()
    shown = both[~both["is_hidden"] & both["numerator_shown"].notna()]
    assert (shown["numerator"] == shown["numerator_shown"]).all()
    assert not list((released.data.current.resolve()).rglob("*internal*"))


def load(place: Place) -> declarations.Declarations:
    with place.chosen():
        return declarations.load(place.town.project, town.REGION)


def test_the_audit_sees_counts_of_an_area_with_few_residents(released: Place, tmp_path: Path) -> None:
    """The same marts under a rule with a larger smallest population: what they print is too much."""
    copy = released.copy(tmp_path / "stricter")
    path = copy.town.project.sources / town.REGION / "region.yml"
    region = yaml.safe_load(path.read_text(encoding="utf-8"))
    region["disclosure"]["minimum_population"] = 4000
    region["disclosure"]["recipients"] = {"municipalities": "know_the_public_ones"}
    path.write_text(yaml.safe_dump(region, allow_unicode=True), encoding="utf-8")
    marts = tmp_path / "marts"
    marts.mkdir()
    for file in (released.data.current / "parquet").glob("*.parquet"):
        (marts / file.name).write_bytes(file.read_bytes())
    exposed = disclosure_audit.audit(load(copy), marts, copy.data).exposed
    assert exposed
    assert all(item.audience == "public" for item in exposed)
    region["disclosure"]["minimum_population"] = FEW
    path.write_text(yaml.safe_dump(region, allow_unicode=True), encoding="utf-8")
    assert not disclosure_audit.audit(load(copy), marts, copy.data).exposed


def test_a_lower_threshold_hides_less(released: Place, tmp_path: Path) -> None:
    """The protection alone, from the same counts, with one source's rule after the other."""
    hidden = []
    for numerator in (3, NUMERATOR):
        copy = released.copy(tmp_path / str(numerator))
        for entry in copy.data.ledger.glob("*.parquet"):
            entry.unlink()
        declare(copy, sources={"ewr": {"numerator": numerator}})
        hidden.append(disclosure.protect(load(copy), copy.data).hidden_counts)
    assert hidden[0] < hidden[1]


# ---------------------------------------------------------------- wrong input


def changed(place: Place, area: str, **columns: str) -> Path:
    """Other counts of an area in the newest delivery."""
    path = place.town.inbox / "stadt" / "ewr" / place.town.register(max(town.YEARS)).name
    frame = pd.read_csv(path, sep=";", dtype=str, keep_default_na=False)
    row = frame["RAUMID"].str.zfill(8) == area
    assert row.any()
    for name, value in columns.items():
        frame.loc[row, name] = value
    frame.to_csv(path, sep=";", index=False)
    return path


def test_a_negative_count_is_named_and_nothing_is_lost(released: Place, tmp_path: Path) -> None:
    """Gate 1 keeps the delivery out; the last good one stays in force, and so does the release."""
    place = released.copy(tmp_path / "negative")
    before = place.in_force()
    changed(place, "01010101", E_E="-5")
    outcome = place.run()
    assert outcome.code == cli.GATE_CLOSED
    assert "Zeile 2, Spalte e_e, Wert „-5“" in outcome.text
    assert place.in_force() == before


def test_parts_above_their_whole_are_named_and_nothing_is_released(released: Place, tmp_path: Path) -> None:
    """Where no check of the source looks at its sums, the protection refuses to calculate with them."""
    place = released.copy(tmp_path / "contradiction")
    before = place.in_force()
    (place.town.project.expectations / "ewr.yml").unlink()
    changed(place, "01010101", E_E="100")
    outcome = place.run()
    assert outcome.code == cli.WRONG_INPUT
    assert "planungsraum 01010101 am 31.12.2020: population 100" in outcome.text
    assert "Bitte berichtigen lassen." in outcome.text
    assert place.in_force() == before
