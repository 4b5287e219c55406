"""Rounding and the cell-key method from a declaration to the bytes of a release, on the made-up town.

Writes into pytest's temporary folders.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import kleinstadt as town
import leaks
import numpy as np
import pandas as pd
import pytest
from runs import Place
from test_disclosure_release import change_counts, scaled

from dagster_project import cli, declarations, disclosure, disclosure_audit
from dagster_project.tables import connect, read_frame

pytestmark = pytest.mark.slow

BASE, MOST, VARIANCE = 1000, 50, 30.0
RULES: dict[str, dict[str, object]] = {
    "rounding": {"rounding": {"base": BASE}},
    "cell_key": {"cell_key": {"largest_move": MOST, "variance": VARIANCE, "never_up_to": 2}},
}
THRESHOLDS = {"rounding": 900, "cell_key": MOST}
KEYS = ["edition", "level", "area", "reference_date", "measure"]
OTHER_AREA = "01010101"


def town_with(kleinstadt: town.Kleinstadt, folder: Path, method: str) -> Place:
    """Large counts, so that a true one stands nowhere by chance."""
    place = Place(kleinstadt.copy(folder), folder / "data")
    (place.town.contracts / "mss_shares.yml").unlink()
    least = THRESHOLDS[method]
    place.protect(numerator=least, remainder=least, denominator=least, sources={"ewr": RULES[method]})
    change_counts(place, scaled)
    return place


@pytest.fixture(scope="module", params=list(RULES))
def released(
    request: pytest.FixtureRequest, kleinstadt: town.Kleinstadt, tmp_path_factory: pytest.TempPathFactory
) -> tuple[str, Place]:
    place = town_with(kleinstadt, tmp_path_factory.mktemp(request.param), request.param)
    outcome = place.run()
    assert outcome.code == cli.DONE, outcome.text
    return request.param, place


def counts(place: Place) -> pd.DataFrame:
    found = read_frame(place.data.protection / "count.parquet")
    return found[found["shown"].notna()]


def mart(place: Place, name: str) -> pd.DataFrame:
    return read_frame(place.data.current / "parquet" / f"mart_{name}.parquet")


def loaded(place: Place) -> declarations.Declarations:
    with place.chosen():
        return declarations.load(place.town.project, town.REGION)


def test_every_number_stands_near_the_true_one_and_none_is_the_true_one_by_rule(released: tuple[str, Place]) -> None:
    method, place = released
    found = counts(place)
    moved = (found["shown"] - found["value"]).to_numpy(float)
    assert len(found) > 1000
    assert np.abs(moved).max() <= {"rounding": BASE - 1, "cell_key": MOST}[method]
    assert abs(moved.mean()) < np.abs(moved).max() / 20
    assert (found.loc[found["value"] == 0, "shown"] == 0).all()
    if method == "rounding":
        assert (found["shown"] % BASE == 0).all()
    else:
        assert found["shown"].between(1, 2).sum() == 0
        assert np.std(moved) == pytest.approx(np.sqrt(VARIANCE), rel=0.1)


def test_all_that_is_shown_is_formed_of_the_numbers_that_are_shown(released: tuple[str, Place]) -> None:
    """Counts, shares, ratios, the residents of the areas and their change: none needs a true number."""
    _, place = released
    shown = counts(place).set_index(KEYS)["shown"]
    cube, areas = mart(place, "indicator_value"), mart(place, "area")
    declared = loaded(place)
    checked = 0
    for name, rows in cube[cube["numerator"].notna()].groupby("indicator"):
        indicator = declared.indicators[str(name)]
        for side, measure in (("numerator", indicator.numerator), ("denominator", indicator.denominator)):
            if measure:
                keys = pd.MultiIndex.from_frame(rows.assign(measure=measure)[KEYS])
                assert (shown.loc[keys].to_numpy() == rows[side].to_numpy()).all(), (name, side)
                checked += len(rows)
        if indicator.denominator:
            value = indicator.factor * rows["numerator"] / rows["denominator"]
            assert rows["value"].to_numpy() == pytest.approx(value.to_numpy(), abs=1e-8)
    assert checked > 3000
    latest = areas[areas["population"].notna()].assign(
        measure="population", reference_date=lambda frame: frame["population_reference_date"]
    )
    assert (shown.loc[pd.MultiIndex.from_frame(latest[KEYS])].to_numpy() == latest["population"].to_numpy()).all()


def test_areas_add_up_where_they_are_rounded_and_not_where_they_are_noisy(released: tuple[str, Place]) -> None:
    method, place = released
    population = mart(place, "indicator_value").query("indicator == 'population'")
    totals = population.groupby(["reference_date", "level"])["value"].sum().unstack()
    differences = totals.sub(totals["stadt"], axis=0).abs().to_numpy()
    assert (differences.max() == 0) == (method == "rounding")


def test_it_stands_beside_the_numbers(released: tuple[str, Place]) -> None:
    method, place = released
    indicators = mart(place, "indicator")
    assert set(indicators["replacement"]) == {method}
    note = indicators["replacement_note"].iloc[0]
    site = place.data.current / "site"
    for page in ("indikator/population", f"gebiet/planungsraum/{OTHER_AREA}", f"gemeindeprofil/{town.MUNICIPALITY}"):
        assert note in (site / f"{page}.html").read_text(encoding="utf-8"), page
    assert note in (site / "basisbericht.html").read_text(encoding="utf-8")
    (rule,) = mart(place, "disclosure_audit")["rule"]
    assert {"rounding": f"Vielfache von {BASE} gerundet", "cell_key": "Cell-Key-Methode"}[method] in rule
    assert str(MOST) not in note


def test_no_true_number_stands_in_any_byte_of_the_release(released: tuple[str, Place]) -> None:
    _, place = released
    found = counts(place)
    true = found.loc[found["value"] != found["shown"], "value"].astype(int)
    cube = mart(place, "indicator_value")
    printed = pd.concat([cube["numerator"], cube["denominator"], cube["value"]]).dropna()
    wanted = leaks.spellings(true, {str(int(value)) for value in printed if float(value).is_integer()})
    wanted = {text for text in wanted if text.count(".") != 1}  # 175.667 may be a place in a drawing
    assert len(wanted) > 500
    assert not list(leaks.found(place.data.current.resolve(), wanted))


def test_the_audit_asks_whether_a_small_number_can_be_proved_small(released: tuple[str, Place], tmp_path: Path) -> None:
    """The same marts under a threshold these numbers were not made for."""
    method, place = released
    declared = loaded(place)
    marts = tmp_path / "marts"
    shutil.copytree(place.data.current / "parquet", marts)
    assert not disclosure_audit.audit(declared, marts, place.data).exposed
    small = counts(place).query("value > 0")["value"].min()
    reach = {"rounding": BASE, "cell_key": MOST}[method]
    region = declared.region
    strict = region.disclosure.model_copy(update={"numerator": int(small) + 2 * reach + 1})
    object.__setattr__(declared, "region", region.model_copy(update={"disclosure": strict}))
    exposed = disclosure_audit.audit(declared, marts, place.data).exposed
    assert exposed
    assert all(item.audience == "public" for item in exposed)


def test_a_corrected_count_moves_what_it_corrects_and_little_else(released: tuple[str, Place], tmp_path: Path) -> None:
    """Whatever stood for a number stays, so that two releases tell no more than one."""
    method, place = released
    place = place.copy(tmp_path / "corrected")
    before = counts(place)
    path = place.data.core / "core_disclosure_cell.parquet"
    with connect() as connection:
        cells = connection.execute(f"from read_parquet('{path}')").df()
        above = {OTHER_AREA, OTHER_AREA[:4], OTHER_AREA[:6], OTHER_AREA[:2], town.MUNICIPALITY}
        corrected = cells["area"].isin(above) & cells["measure"].isin(["population", "population_18_to_64"])
        corrected &= cells["reference_date"] == cells["reference_date"].max()
        assert corrected.sum() == 2 * len(above)
        cells.loc[corrected, "value"] += 1
        connection.register("cells", cells)
        connection.execute(f"copy (from cells) to '{path}' (format parquet)")
    disclosure.protect(loaded(place), place.data)
    both = before.merge(counts(place), on=[*KEYS, "years"])
    same = both[both["value_x"] == both["value_y"]]
    assert len(both) - len(same) == 2 * len(above)
    moved = same[same["shown_x"] != same["shown_y"]]
    assert len(moved) <= {"rounding": 2, "cell_key": 0}[method]
    (entry,) = [read_frame(file) for file in place.data.ledger.glob("*.parquet")]
    assert not entry["is_printed"].any()
    assert entry["shown"].notna().sum() > 1000


def test_noise_cannot_be_drawn_a_second_time(released: tuple[str, Place], tmp_path: Path) -> None:
    method, place = released
    secret = place.data.ledger / "cell_key.secret"
    assert secret.stat().st_mode & 0o077 == 0
    place = place.copy(tmp_path / "lost")
    before = place.in_force()
    (place.data.ledger / "cell_key.secret").unlink()
    declared = loaded(place)
    with pytest.raises(disclosure.NotProtectable, match=r"cell_key\.secret fehlt"):
        disclosure.protect(declared, place.data)
    assert place.in_force() == before
    for entry in place.data.ledger.glob("*.parquet"):
        entry.unlink()
    disclosure.protect(declared, place.data)
    drawn = counts(place)
    again = counts(released[1]).merge(drawn, on=[*KEYS, "years"])
    assert (again["shown_x"] != again["shown_y"]).any() == (method == "cell_key")


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ({"rounding": {"base": 3}}, "rounding.base must be above the threshold 3"),
        ({"cell_key": {"largest_move": 2, "variance": 1.0}}, "largest_move must be 3 at least"),
        ({"cell_key": {"largest_move": 3, "variance": 50.0}}, "no noise up to 3 has mean 0 and variance 50"),
        ({"rounding": {"base": 5}, "cell_key": {"largest_move": 3, "variance": 1.0}}, "exclude each other"),
        ({"rounding": {"base": 5}, "zeros": "always_printed"}, "zeros is about hidden counts"),
        ({"method": "rounding"}, "method"),
    ],
)
def test_a_rule_that_protects_nothing_is_refused(own_kleinstadt: town.Kleinstadt, rule: object, said: str) -> None:
    place = Place(own_kleinstadt, own_kleinstadt.project.root.parent / "data")
    (place.town.contracts / "mss_shares.yml").unlink()
    place.protect(sources={"ewr": rule})
    outcome = place.run("check")
    assert outcome.code == cli.WRONG_INPUT
    assert said in outcome.text
    assert "region.yml" in outcome.text


def test_delivered_shares_of_replaced_counts_are_refused(own_kleinstadt: town.Kleinstadt) -> None:
    """The share and the numerator behind it would give the true denominator away."""
    place = Place(own_kleinstadt, own_kleinstadt.project.root.parent / "data")
    place.protect(sources={"ewr": {"rounding": {"base": 5}}, "mss_shares": {"rounding": {"base": 5}}})
    mistakes = json.loads(place.run("check", "--json").text)["mistakes"]
    texts = [str(item) for item in mistakes]
    assert any("mss_s1 is a delivered share" in text for text in texts)
    assert any("disclosure.sources.mss_shares" in text and "already public" in text for text in texts)
