"""Disclosure control from a declaration to the bytes of a release, on the made-up town with a protected register.

Writes into pytest's temporary folders.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import duckdb
import kleinstadt as town
import leaks
import pandas as pd
import pytest
from runs import Place

from dagster_project import cli, declarations, disclosure, disclosure_audit
from dagster_project.declarations.disclosure import parsed_relation
from dagster_project.disclosure.cells import sheets
from dagster_project.settings import RegionData
from dagster_project.tables import read_frame, write_frame

pytestmark = pytest.mark.slow

SCALE = 97  # makes counts of five digits: a hidden one stands nowhere by chance
THRESHOLD = 20_000
SMALL = "01010103"  # 180 residents before scaling


def change_counts(place: Place, change: Callable[[pd.DataFrame], pd.DataFrame], *years: int) -> None:
    for year in years or town.YEARS:
        path = place.town.register(year)
        text = path.read_bytes().decode("utf-8")
        lines = text.replace("\r\n", "\n").split("\n")
        header = lines[0].split(";")
        rows = [line.split(";") for line in lines[1:] if line]
        frame = change(pd.DataFrame(rows, columns=header))
        body = "\n".join(";".join(row) for row in frame.astype(str).to_numpy().tolist())
        path.write_text(";".join(header) + "\n" + body + "\n", encoding="utf-8")


def scaled(frame: pd.DataFrame) -> pd.DataFrame:
    """Every count many times larger."""
    counts = [name for name in frame.columns if name.strip('"').upper().startswith("E_")]
    for name in counts:
        frame[name] = [_times(value) for value in frame[name]]
    return frame


def _times(value: str) -> str:
    text = value.strip('"')
    if not re.fullmatch(r"\d+(,\d+)?", text):
        return value
    whole, comma, digits = text.partition(",")
    return value.replace(text, f"{int(whole) * SCALE}{comma}{digits}")


@pytest.fixture(scope="module")
def published(kleinstadt: town.Kleinstadt, tmp_path_factory: pytest.TempPathFactory) -> Place:
    """The town with large numbers and a threshold that hides some of them, after a whole run."""
    folder = tmp_path_factory.mktemp("protected")
    place = Place(kleinstadt.copy(folder), folder / "data")
    (place.town.contracts / "mss_shares.yml").unlink()
    place.protect(numerator=THRESHOLD, remainder=THRESHOLD, denominator=THRESHOLD)
    change_counts(place, scaled)
    outcome = place.run()
    assert outcome.code == cli.DONE, outcome.text
    return place


def hidden_counts(place: Place) -> pd.DataFrame:
    counts = read_frame(place.data.protection / "count.parquet")
    return counts[counts["is_hidden"] & (counts["value"] > 0)]


def test_no_hidden_number_stands_in_any_byte_of_the_release(published: Place) -> None:
    """HTML, SVG, JSON, CSV, Parquet and the database: every hidden count, as it is or written the German way."""
    hidden = hidden_counts(published)
    assert len(hidden) > 50
    assert hidden["value"].min() > 300
    wanted = leaks.spellings(hidden["value"].astype(int), shown_numbers(published))
    assert len(wanted) > 50
    assert not list(leaks.found(published.data.current.resolve(), wanted))


def shown_numbers(place: Place) -> set[str]:
    """Numbers that are printed for some other cell, so that finding them proves nothing."""
    cube = read_frame(place.data.current / "parquet" / "mart_indicator_value.parquet")
    values = pd.concat([cube["numerator"], cube["denominator"], cube["value"]]).dropna()
    return {str(int(value)) for value in values if float(value).is_integer()}


def test_rows_of_hidden_counts_are_empty_and_marked(published: Place) -> None:
    cube = read_frame(published.data.current / "parquet" / "mart_indicator_value.parquet")
    suppressed = cube[cube["status"] == "suppressed"]
    assert len(suppressed)
    assert set(suppressed["area"]) >= {SMALL}
    empty = ["value", "class", "numerator", "denominator", "ci_low", "ci_high", "reason", "conversion_class"]
    assert suppressed[empty].isna().all().all()
    areas = read_frame(published.data.current / "parquet" / "mart_area.parquet", "edition, area, population")
    assert areas.loc[(areas["area"] == SMALL) & (areas["edition"] == town.OLDER), "population"].isna().all()


def test_the_report_is_part_of_the_release_and_names_no_reason(published: Place) -> None:
    report = read_frame(published.data.current / "parquet" / f"{disclosure_audit.MART}.parquet")
    assert list(report["audience"]) == ["public"]
    assert report["exposed"].tolist() == [0]
    assert report["hidden"].iloc[0] > 50
    assert report["narrowest_interval"].iloc[0] >= THRESHOLD
    checks = read_frame(published.data.current / "parquet" / "mart_check.parquet")
    assert checks.loc[checks["suite"] == "disclosure", "success"].tolist() == [True]


def test_the_audit_finds_what_is_left_open(published: Place, tmp_path: Path) -> None:
    """Print one hidden number again in a copy of the marts: the gate must see it."""
    with published.chosen():
        declared = declarations.load(published.town.project, town.REGION)
    for path in (published.data.current / "parquet").glob("*.parquet"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    name = "mart_indicator_value.parquet"
    cell = hidden_counts(published).query("measure == 'population' and level == 'planungsraum'").iloc[0]
    day = str(cell["reference_date"])[:10]
    with duckdb.connect() as connection:
        connection.execute(
            f"copy (select * replace (case when area = '{cell['area']}' and reference_date = '{day}' "
            f"and indicator = 'population' then {cell['value']} else numerator end as numerator) "
            f"from read_parquet('{published.data.current}/parquet/{name}')) to '{tmp_path / name}' (format parquet)"
        )
    exposed = disclosure_audit.audit(declared, tmp_path, published.data).exposed
    assert exposed
    assert any(cell["area"] in item.where for item in exposed)


def test_every_released_number_is_in_the_ledger(published: Place) -> None:
    (entry,) = published.data.ledger.glob("*.parquet")
    assert entry.stat().st_mode & 0o077 == 0
    entries = read_frame(entry)
    assert entries["is_printed"].sum() > 1000
    assert not entries.merge(hidden_counts(published)).query("is_printed").size


def test_a_corrected_delivery_does_not_expose_what_an_old_release_hid(published: Place, tmp_path: Path) -> None:
    """One more resident moves in elsewhere: what was printed stays, what is sensitive stays hidden."""
    place = published.copy(tmp_path / "corrected")
    before = hidden_counts(place)
    year = max(town.YEARS)

    def grown(frame: pd.DataFrame) -> pd.DataFrame:
        row = frame.index[frame["RAUMID"].str.zfill(8) == "01010101"][0]
        for name in frame.columns:
            if name.upper() in ("E_E", "E_EM", "E_E35_40", "E_E25U55", "E_EE25U55"):
                frame.loc[row, name] = str(int(frame.loc[row, name]) + 1)
        return frame

    change_counts(place, grown, year)
    outcome = place.run()
    assert outcome.code == cli.DONE, outcome.text
    assert len(list(place.data.ledger.glob("*.parquet"))) == 2
    after = hidden_counts(place)
    keys = ["edition", "level", "area", "reference_date", "measure", "years"]
    kept = before[before["is_sensitive"]]
    assert len(kept.merge(after, on=keys)) == len(kept)
    assert len(before.merge(after, on=keys)) >= 0.99 * len(before)  # what only hid others may no longer be needed
    entries = [read_frame(path) for path in sorted(place.data.ledger.glob("*.parquet"))]
    changed = entries[0].merge(entries[1], on=keys)
    assert 0 < (changed["value_x"] != changed["value_y"]).sum() < 50


# ---------------------------------------------------------------- wrong input


AREAS = pd.DataFrame(
    {
        "geography": "g", "edition": "e", "level": ["fine", "fine", "all"], "level_rank": [0, 0, 1],
        "area": ["a", "b", "z"], "parent_level": ["all", "all", None], "parent": ["z", "z", None],
        "municipality": None, "is_unallocated": False,
    }
)  # fmt: skip


def counts(**measures: list[float | None]) -> pd.DataFrame:
    """Counts of areas a, b and their sum z on one day."""
    return pd.DataFrame(
        [
            {
                "geography": "g", "edition": "e", "level": level, "area": area, "period": "2020-12-31",
                "reference_date": pd.Timestamp("2020-12-31"), "measure": measure, "value": value,
            }
            for measure, values in measures.items()
            for (level, area), value in zip((("fine", "a"), ("fine", "b"), ("all", "z")), values, strict=True)
        ]
    )  # fmt: skip


NO_CONVERSIONS = counts(none=[1, 1, 2]).iloc[:0]


@pytest.fixture
def declared(kleinstadt: town.Kleinstadt, tmp_path: Path) -> declarations.Declarations:
    place = Place(kleinstadt.copy(tmp_path), tmp_path / "data")
    (place.town.contracts / "mss_shares.yml").unlink()
    place.protect()
    with place.chosen():
        return declarations.load(place.town.project, town.REGION)


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"population": [30, 40, 71]}, ["population am 31.12.2020", "all z hat 71", "Teile ist 70"]),
        ({"population": [30, 40, 70], "population_under_18": [31, 9, 40]}, ["fine a am 31.12.2020", "nie mehr als"]),
        (
            {
                "population": [30, 40, 70], "population_under_18": [10, 10, 20],
                "population_18_to_64": [10, 10, 20], "population_65_plus": [11, 20, 31],
            },
            ["fine a", "die Summe der Teile muss das Ganze sein"],
        ),
        ({"population": [-3, 40, 37]}, ["population", "-3", "nie negativ"]),
    ],
)  # fmt: skip
def test_counts_that_contradict_each_other_are_named(
    declared: declarations.Declarations, wrong: dict[str, list[float | None]], named: list[str]
) -> None:
    with pytest.raises(disclosure.Contradiction) as raised:
        sheets(declared, counts(**wrong), NO_CONVERSIONS, AREAS)
    assert all(word in str(raised.value) for word in named), str(raised.value)


def test_a_number_its_source_keeps_back_is_completed_and_sensitive(declared: declarations.Declarations) -> None:
    """The total gives it away: it is no use to hide it alone, and the sheet says so."""
    (sheet,) = sheets(declared, counts(population=[None, 40, 42]), NO_CONVERSIONS, AREAS)
    assert sheet.value[:, 0].tolist() == [2, 40, 42]
    assert sheet.given[:, 0].tolist() == [False, True, True]


def test_people_of_no_address_are_protected_like_others(declared: declarations.Declarations, tmp_path: Path) -> None:
    """Two people nobody could place: hidden, and so is an area, or the town's sum would tell them. No rate is shown of
    them, so their part of one needs nothing; but it must not follow from the areas either."""
    nowhere = {"area": "x", "is_unallocated": True}
    areas = pd.concat([AREAS, AREAS.iloc[[0]].assign(**nowhere)], ignore_index=True)
    areas = areas.assign(is_published=True, geometry=None)
    three = counts(population=[30, 40, 72], population_under_18=[10, 12, 23])
    extra = three[three["area"] == "a"].assign(area="x", value=[2, 1])
    data = RegionData(tmp_path / "data", tmp_path)
    text = dict.fromkeys(("geography", "edition", "level", "area", "period", "measure"), "varchar")
    cell = {**text, "reference_date": "date", "value": "double"}
    source = dict.fromkeys(("source_geography", "source_edition", "source_level", "source_area"), "varchar")
    write_frame(pd.concat([three, extra]), data.core / "core_disclosure_cell.parquet", cell)
    none = three.iloc[:0].assign(**dict.fromkeys(source))
    write_frame(none, data.core / "core_disclosure_conversion.parquet", {**cell, **source})
    none = three.iloc[:0].assign(largest=0, second_largest=0)
    atom = {**text, "reporting_area": "varchar", "reference_date": "date", "value": "double"}
    write_frame(none.assign(reporting_area=None), data.core / "core_disclosure_atom.parquet", atom)
    contribution = {**cell, "largest": "bigint", "second_largest": "bigint"}
    write_frame(none, data.core / "core_largest_contribution.parquet", contribution)
    kinds = {"level_rank": "bigint", "is_published": "boolean", "is_unallocated": "boolean"}
    types = {name: kinds.get(name, "varchar") for name in areas.columns}
    write_frame(areas, data.geography / "area.parquet", types)
    disclosure.protect(declared, data)
    found = read_frame(data.protection / "count.parquet")
    hidden = {measure: set(own.loc[own["is_hidden"], "area"]) for measure, own in found.groupby("measure")}
    assert "x" in hidden["population"]
    assert hidden["population"] & {"a", "b"}
    assert hidden["population_under_18"] & {"a", "b", "z"}


@pytest.mark.parametrize("text", ["a = a + b", "a == b", "a = ", "= b", "a > b", "A = b", "a = b + b"])
def test_a_relation_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="write 'whole = part"):
        parsed_relation(text)


def test_switching_off_needs_a_reason_and_is_logged(kleinstadt: town.Kleinstadt, tmp_path: Path) -> None:
    place = Place(kleinstadt.copy(tmp_path), tmp_path / "data")
    place.protect(off_because="kurz")
    assert "off_because" in place.run("check").text
    assert place.run("check").code == 2


def test_a_rule_for_a_source_that_does_not_exist_is_refused(kleinstadt: town.Kleinstadt, tmp_path: Path) -> None:
    place = Place(kleinstadt.copy(tmp_path), tmp_path / "data")
    place.protect(sources={"nobody": {"numerator": 10}})
    outcome = place.run("check", "--json")
    assert outcome.code == 2
    assert any("disclosure.sources.nobody" in str(item) for item in json.loads(outcome.text)["mistakes"])


def test_nothing_of_the_suppression_is_published() -> None:
    assert set(disclosure.__all__).isdisjoint(disclosure_audit.__all__)
