"""Declarations: the real ones load, and every mistake is named with file, key and what would be right.

Reads the checkout's declarations; writes changed copies of the made-up town's into a temporary folder.
"""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from kleinstadt import CHECKOUT, REGION, Kleinstadt
from pydantic import ValidationError

from dagster_project import declarations
from dagster_project.declarations import Contract, DeclarationError, Mistake
from dagster_project.settings import Project

REGION_FILE = f"sources/{REGION}/region.yml"
GEOGRAPHY = f"sources/{REGION}/geographies/lor.yml"
REGISTER = f"sources/{REGION}/contracts/ewr.yml"
MONITORING = f"sources/{REGION}/contracts/mss_shares.yml"
SHARE = "dbt/indicators/share.yml"
INDEX = "dbt/indicators/index.yml"
SUITE = "expectations/suite.yml"
PARTICIPATION = f"sources/{REGION}/participation/treff.yml"

Change = Callable[[dict[str, Any]], None]

TEXTS = {
    "name": "Anteil",
    "short_name": "Anteil",
    "theme": "demografie",
    "theme_name": "Demografie",
    "unit": "percent",
    "unit_label": "%",
    "decimals": 1,
    "direction": "neutral",
    "sort_order": 1,
    "definition": "…",
    "formula": "…",
    "limits": "…",
    "source_note": "…",
    "responsible": "Statistikstelle",
}
OWN_FILES: dict[str, dict[str, Any]] = {
    SHARE: {**TEXTS, "kind": "share", "numerator": "population_65_plus", "denominator": "population"},
    INDEX: {
        **TEXTS,
        "kind": "index",
        "index": {
            "minimum_population": {"measure": "population", "value": 300},
            "compositions": [{"components": [{"indicator": "share"}]}],
            "classes": [{"name": "hoch", "below": 0}, {"name": "niedrig"}],
        },
    },
    PARTICIPATION: {
        "title": "Ein Treff",
        "form": "Versammlung",
        "held_on": date(2024, 5, 4),
        "organiser": "Amt",
        "edition": "2006",
        "level": "planungsraum",
        "area": "01010101",
        "summary": "Er fehlt.",
    },
    SUITE: {
        "gate": 1,
        "source": "ewr",
        "checks": [
            {
                "name": "rows",
                "frame": "select 1 as area",
                "keys": ["area"],
                "expect": {"type": "expect_table_row_count_to_be_between", "min_value": 1},
                "severity": "critical",
                "responsible": "Statistikstelle",
                "why": "…",
            }
        ],
    },
}


@pytest.fixture
def project(own_kleinstadt: Kleinstadt) -> Project:
    """The made-up town with its own indicators and expectations instead of the checkout's."""
    root = own_kleinstadt.project.root
    (root / "dbt").unlink()
    shutil.rmtree(root / "expectations")
    shutil.copytree(CHECKOUT / "dbt" / "models" / "observations", root / "dbt" / "models" / "observations")
    for file, content in OWN_FILES.items():
        write(root / file, content)
    return own_kleinstadt.project


def write(path: Path, content: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(content, allow_unicode=True, sort_keys=False), encoding="utf-8")


def changed(project: Project, file: str, change: Change) -> None:
    path = project.root / file
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    change(content)
    write(path, content)


def appended(project: Project, file: str, text: str) -> None:
    with (project.root / file).open("a", encoding="utf-8") as target:
        target.write(text)


def mistakes(project: Project, region: str = REGION) -> list[Mistake]:
    with pytest.raises(DeclarationError) as caught:
        declarations.load(project, region)
    assert all(str(mistake) in str(caught.value) for mistake in caught.value.mistakes)
    return caught.value.mistakes


def column(which: str, **fields: Any) -> Change:
    """Change one column of a contract."""

    def change(content: dict[str, Any]) -> None:
        next(item for item in content["columns"] if item["name"] == which).update(fields)

    return change


# ---------------------------------------------------------------- what is right


def test_the_declarations_of_every_region_load() -> None:
    project = Project(CHECKOUT)
    regions = declarations.regions(project)
    assert regions
    for region in regions:
        declared = declarations.load(project, region)
        assert declared.region.id == region
        assert declared.contracts
        assert declared.indicators
        assert declared.geography.edition(declared.region.reporting_edition)


def test_the_made_up_town_loads(kleinstadt: Kleinstadt) -> None:
    declared = declarations.load(kleinstadt.project, REGION)
    assert list(declared.contracts) == ["ewr", "mss_shares"]
    assert declared.region.id == REGION
    assert [edition.id for edition in declared.geography.editions] == ["2006", "2021"]


def test_loading_takes_less_than_two_seconds() -> None:
    started = time.perf_counter()
    declarations.load(Project(CHECKOUT), "berlin")
    assert time.perf_counter() - started < 2


def test_declarations_do_not_change_after_loading(project: Project) -> None:
    declared = declarations.load(project, REGION)
    with pytest.raises(ValueError, match="frozen"):
        declared.region.name = "Großstadt"  # type: ignore[misc]


def test_suites_apply_to_their_gate_and_source(project: Project) -> None:
    write(project.root / "expectations" / "every.yml", {**OWN_FILES[SUITE], "source": None})
    write(project.root / "expectations" / "marts.yml", {**OWN_FILES[SUITE], "source": None, "gate": 2})
    declared = declarations.load(project, REGION)
    assert [suite.id for suite in declared.suites_for(1, "ewr")] == ["every", "suite"]
    assert [suite.id for suite in declared.suites_for(1, "mss_shares")] == ["every"]
    assert [suite.id for suite in declared.suites_for(2)] == ["marts"]


# ---------------------------------------------------------------- what is wrong in one file

IN_ONE_FILE: list[tuple[str, Change, str, list[str]]] = [
    # unknown, missing and mistyped keys
    (
        REGION_FILE,
        lambda c: c.update(nmae="x"),
        "nmae",
        ["no such key", "allowed here", "licence_note", "name"],
    ),
    (REGION_FILE, lambda c: c.pop("crs"), "crs", ["missing", "add it"]),
    (REGION_FILE, lambda c: c.update(crs="25833"), "crs", ["25833", "EPSG"]),
    (REGION_FILE, lambda c: c.update(name=["a"]), "name", ["['a']", "string"]),
    (REGION_FILE, lambda c: c.update(municipalities=[]), "municipalities", ["at least 1"]),
    (REGION_FILE, lambda c: c.update({7: "x"}), "7", []),
    (GEOGRAPHY, lambda c: c["levels"][0].update(key="["), "levels.0.key", ["not a regular expression"]),
    (
        GEOGRAPHY,
        lambda c: c["levels"][0].update(parent={}),
        "levels.0.parent",
        ["prefix, constant, attribute"],
    ),
    (
        GEOGRAPHY,
        lambda c: c["levels"][0].update(parent={"prefix": 2, "constant": "x"}),
        "levels.0.parent",
        ["exactly one"],
    ),
    (GEOGRAPHY, lambda c: c["levels"][0].pop("parent"), "", ["level planungsraum", "parent is missing"]),
    (GEOGRAPHY, lambda c: c["levels"][-1].update(parent={"prefix": 2}), "", ["level stadt", "no parent"]),
    (GEOGRAPHY, lambda c: c["editions"][0]["layers"].pop("bezirk"), "", ["edition 2006", "layers", "bezirk"]),
    (
        GEOGRAPHY,
        lambda c: c["editions"][0]["layers"]["bezirk"].pop("key"),
        "editions.0.layers.bezirk",
        ["needs key and name"],
    ),
    (
        GEOGRAPHY,
        lambda c: c["editions"][0]["layers"]["bezirk"].pop("file"),
        "editions.0.layers.bezirk",
        ["file"],
    ),
    (
        GEOGRAPHY,
        lambda c: c["editions"][0]["layers"]["bezirk"].update(datei="x"),
        "editions.0.layers.bezirk.datei",
        ["no such key", "file", "repairs"],
    ),
    (
        GEOGRAPHY,
        lambda c: c["editions"][1].update(valid_from="gestern"),
        "editions.1.valid_from",
        ["gestern", "date"],
    ),
    # contracts
    (REGISTER, lambda c: c.update(cadence="jährlich"), "cadence", ["'jährlich' is not allowed", "'yearly'"]),
    (REGISTER, lambda c: c.update(publication="geheim"), "publication", ["'already_public' or 'protected'"]),
    (REGISTER, lambda c: c.update(encoding="ansi"), "encoding", ["'utf-8', 'cp1252' or 'latin-1'"]),
    (REGISTER, lambda c: c.update(delimiter="||"), "delimiter", ["'||'", "at most 1"]),
    (
        REGISTER,
        lambda c: c.update(rejected_rows_at_most=5),
        "rejected_rows_at_most",
        ["less than or equal to 1"],
    ),
    (
        REGISTER,
        lambda c: c["files"][0].update(name="EWR(?P<year"),
        "files.0.name",
        ["not a regular expression"],
    ),
    (REGISTER, lambda c: c["files"][0].update(encoding="ansi"), "files.0.encoding", ["'utf-8'"]),
    (REGISTER, lambda c: c["files"][0].update(decimal="'"), "files.0.decimal", ["',' or '.'"]),
    (REGISTER, lambda c: c["files"][0].update(columns=[{"name": "e_x"}]), "", ["only override", "e_x"]),
    (REGISTER, lambda c: c["skip_rows"][0].update(key="("), "skip_rows.0.key", ["not a regular expression"]),
    (REGISTER, column("zeit", rolle="key"), "columns.1.rolle", ["no such key", "aliases", "role"]),
    (REGISTER, column("zeit", role="stichtag"), "columns.1.role", ["'key', 'period', 'value'"]),
    (REGISTER, column("zeit", name="Zeit"), "columns.1.name", ["Zeit"]),
    (REGISTER, column("zeit", name="row"), "columns.1.name", ["row", "aliases"]),
    (REGISTER, column("zeit", role="key"), "", ["exactly one column has role: key"]),
    (REGISTER, column("raumid", role="ignore"), "", ["exactly one column has role: key"]),
    (REGISTER, column("e_em", aliases=["E_E"]), "", ["e_e is declared twice"]),
    (
        REGISTER,
        lambda c: c.update(columns=[x for x in c["columns"] if x["name"] in ("raumid", "zeit")]),
        "",
        ["at least one column has role: value"],
    ),
    (
        MONITORING,
        lambda c: c["symbols"][0].update(means="nichts"),
        "symbols.0.means",
        ["'zero'", "'not_applicable'"],
    ),
    (
        MONITORING,
        lambda c: c["symbols"][0].update(columns=["s9"]),
        "",
        ["s9 is no value column", "allowed", "s1"],
    ),
    (MONITORING, lambda c: c["symbols"][0].update(when_all=["id"]), "", ["id is no value column"]),
    (MONITORING, lambda c: c["reference_date"].update(day="31.12."), "reference_date.day", ["31.12."]),
    # indicators
    (SHARE, lambda c: c.update(kind="quote"), "kind", ["'quote' is not allowed", "'share'"]),
    (
        SHARE,
        lambda c: c.pop("denominator"),
        "",
        ["kind share needs denominator, numerator", "found numerator"],
    ),
    (SHARE, lambda c: c.update(numerator_is="events"), "", ["for rates", "kind share"]),
    (SHARE, lambda c: c.update(kind="rate"), "", ["a rate needs numerator_is"]),
    (SHARE, lambda c: c.update(kind="rate", numerator_is="teil"), "numerator_is", ["'teil'", "'part_of_denominator'"]),
    (
        SHARE,
        lambda c: c.update(kind="rate", numerator_is="part_of_denominator"),
        "",
        ["kind share", "exceeds_whole_because"],
    ),
    (
        SHARE,
        lambda c: c.update(kind="rate", numerator_is="events", exceeds_whole_because="Fälle, nicht Personen."),
        "",
        ["parts of a whole", "events"],
    ),
    (SHARE, lambda c: c.update(decimals=9), "decimals", ["less than or equal to 6"]),
    (INDEX, lambda c: c["index"].update(classes=[{"name": "a"}, {"name": "b"}]), "index", ["below or up_to"]),
    (
        INDEX,
        lambda c: c["index"].update(classes=[{"name": "a", "below": 2}, {"name": "b", "below": 1}, {"name": "c"}]),
        "index",
        ["ascend"],
    ),
    (INDEX, lambda c: c["index"]["classes"][0].update(up_to=1), "index", ["not both"]),
    (
        INDEX,
        lambda c: c["index"].update(excluded_areas=[{"area": "1", "grund": "x"}]),
        "index.excluded_areas.0.grund",
        ["no such key", "allowed here: area, periods, reason"],
    ),
    # participation
    (PARTICIPATION, lambda c: c.pop("organiser"), "organiser", ["is missing"]),
    (PARTICIPATION, lambda c: c.update(title=""), "title", ["at least 1"]),
    (PARTICIPATION, lambda c: c.update(held_on="im Mai"), "held_on", ["date"]),
    (PARTICIPATION, lambda c: c.update(link="http://muster.example"), "link", ["https"]),
    (PARTICIPATION, lambda c: c.update(link="https://muster.example/)[x](javascript:x"), "link", ["pattern"]),
    # expectations
    (SUITE, lambda c: c.update(gate=3), "gate", ["3 is not allowed", "1 or 2"]),
    (
        SUITE,
        lambda c: c["checks"][0].update(severity="schlimm"),
        "checks.0.severity",
        ["'critical' or 'warning'"],
    ),
    (SUITE, lambda c: c["checks"][0].update(expect={}), "checks.0.expect", ["type is missing"]),
    (SUITE, lambda c: c["checks"][0].update(keys=[]), "checks.0.keys", ["at least 1"]),
]


@pytest.mark.parametrize(("file", "change", "key", "words"), IN_ONE_FILE)
def test_a_mistake_is_named_with_file_and_key(
    project: Project, file: str, change: Change, key: str, words: list[str]
) -> None:
    changed(project, file, change)
    found = [mistake for mistake in mistakes(project) if mistake.key == key]
    assert [mistake.file for mistake in found] == [file] * len(found)
    assert found, "the key is not named"
    assert any(all(word in mistake.problem for word in words) for mistake in found), found


@pytest.mark.parametrize(
    ("text", "key", "words"),
    [
        ("name: Großstadt\n", "line", ["'name' stands here a second time"]),
        ("? [a, b]\n: c\n", "line", ["cannot be a key", "quotation marks"]),
        ("x: {{year}}\n", "line", ["cannot be a key", "quotation marks"]),
        ("x: [1, 2\n", "line", ["']'"]),
        ("x: a: b\n", "line", ["mapping values are not allowed"]),
        ("\tx: 1\n", "line", ["tab character"]),
        ("x: *y\n", "line", ["undefined alias"]),
        ("valid_from: 2021-02-30\n", "", ["date", "day"]),
    ],
)
def test_text_that_is_no_proper_yaml_is_named_with_its_line(
    project: Project, text: str, key: str, words: list[str]
) -> None:
    appended(project, REGION_FILE, text)
    [mistake] = mistakes(project)
    assert mistake.file == REGION_FILE
    assert mistake.key.startswith(key)
    assert bool(mistake.key) == bool(key)
    assert all(word in mistake.problem for word in words), mistake


def test_a_key_written_twice_inside_a_list_is_found(project: Project) -> None:
    path = project.root / REGISTER
    path.write_text(path.read_text(encoding="utf-8").replace("{name: e_em, ", "{name: e_em, name: e_em, "))
    [mistake] = mistakes(project)
    assert (mistake.file, mistake.key[:4]) == (REGISTER, "line")
    assert "'name' stands here a second time" in mistake.problem


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("name: Größe".encode("cp1252"), "not UTF-8"),
        (b"", "keys and values"),
        (b"- a\n- b\n", "keys and values"),
        (b"only text", "keys and values"),
    ],
)
def test_a_file_that_holds_no_declaration_is_named(project: Project, content: bytes, words: str) -> None:
    (project.root / REGISTER).write_bytes(content)
    [mistake] = mistakes(project)
    assert (mistake.file, mistake.key) == (REGISTER, "")
    assert words in mistake.problem


@pytest.mark.parametrize("file", [REGION_FILE, GEOGRAPHY, REGISTER, SHARE, SUITE, PARTICIPATION])
def test_an_id_must_be_the_name_of_the_file(project: Project, file: str) -> None:
    changed(project, file, lambda content: content.update(id="something_else"))
    [mistake] = mistakes(project)
    own_name = REGION if file == REGION_FILE else Path(file).stem
    assert (mistake.file, mistake.key) == (file, "id")
    assert f"must be '{own_name}'" in mistake.problem


def test_an_unknown_region_is_answered_with_the_known_ones(project: Project) -> None:
    [mistake] = mistakes(project, "atlantis")
    assert mistake.file == "sources/atlantis/region.yml"
    assert "no such region" in mistake.problem
    assert REGION in mistake.problem


# ---------------------------------------------------------------- what is wrong between files

BETWEEN_FILES: list[tuple[str, Change, str, list[str]]] = [
    (REGION_FILE, lambda c: c.update(geography="kreis"), "geography", ["'kreis' is not declared", "lor"]),
    (
        REGION_FILE,
        lambda c: c.update(reporting_edition="1999"),
        "reporting_edition",
        ["'1999'", "2006, 2021"],
    ),
    (REGION_FILE, lambda c: c.update(municipality_level="land"), "municipality_level", ["'land'", "stadt"]),
    (REGION_FILE, lambda c: c.update(population="leute"), "population", ["'leute'", "population"]),
    (REGION_FILE, lambda c: c.update(indicators=["share", "x"]), "indicators", ["'x'", "index, share"]),
    (REGION_FILE, lambda c: c.update(indicators=["share"] * 2), "indicators", ["'share'", "second time"]),
    (REGION_FILE, lambda c: c.update(indicators=["index"]), "indicators", ["'index' is made from 'share'"]),
    (REGISTER, lambda c: c.update(geography="kreis"), "geography", ["'kreis'", "lor"]),
    (REGISTER, lambda c: c["files"][0].update(edition="1999"), "files.0.edition", ["'1999'", "2006, 2021"]),
    (REGISTER, lambda c: c["files"][0].update(level="block"), "files.0.level", ["'block'", "planungsraum"]),
    (REGISTER, lambda c: c["files"][0].update(period="{jahr}-12-31"), "files.0.period", ["{jahr}", "year"]),
    (SHARE, lambda c: c.update(numerator="kinder"), "numerator", ["'kinder'", "population_65_plus"]),
    (SHARE, lambda c: c.update(denominator="kinder"), "denominator", ["'kinder'", "population"]),
    (SHARE, lambda c: c.update(kind="rate", numerator_is="events"), "numerator_is", ["always a part", "kind share"]),
    (SHARE, lambda c: c.update(denominator="population_18_to_64"), "numerator_is", ["not overlap", "other_group"]),
    (
        INDEX,
        lambda c: c["index"]["minimum_population"].update(measure="x"),
        "index.minimum_population.measure",
        ["'x'", "population"],
    ),
    (
        INDEX,
        lambda c: c["index"]["compositions"][0].update(components=[{"indicator": "x"}]),
        "index.compositions.0",
        ["'x'", "share"],
    ),
    (PARTICIPATION, lambda c: c.update(edition="1999"), "edition", ["'1999'", "2006, 2021"]),
    (PARTICIPATION, lambda c: c.update(level="block"), "level", ["'block'", "planungsraum"]),
    (SUITE, lambda c: c.update(source="x"), "source", ["'x'", "ewr", "mss_shares"]),
    (SUITE, lambda c: c.update(gate=2), "source", ["gate 2", "remove it"]),
    (SUITE, lambda c: c.update(checks=c["checks"] * 2), "checks.rows", ["second time"]),
]


@pytest.mark.parametrize(("file", "change", "key", "words"), BETWEEN_FILES)
def test_a_reference_to_nothing_is_named(
    project: Project, file: str, change: Change, key: str, words: list[str]
) -> None:
    changed(project, file, change)
    [mistake] = mistakes(project)
    assert (mistake.file, mistake.key) == (file, key)
    assert all(word in mistake.problem for word in words), mistake


@pytest.mark.parametrize(
    ("fields", "key"),
    [
        ({"kind": "change", "change": {"indicator": "x", "years": 5}}, "change.indicator"),
        (
            {
                "kind": "reported_share",
                "reported": {"measure": "x", "decimals": 5},
                "denominator": "population",
            },
            "reported.measure",
        ),
    ],
)
def test_a_reference_of_another_kind_of_indicator_is_named(project: Project, fields: dict[str, Any], key: str) -> None:
    write(project.root / "dbt/indicators/other.yml", {**TEXTS, **fields})
    [mistake] = mistakes(project)
    assert (mistake.file, mistake.key) == ("dbt/indicators/other.yml", key)
    assert "'x' is not declared; declared: " in mistake.problem


def test_a_source_that_no_model_reads_is_named(project: Project) -> None:
    shutil.copy(project.root / REGISTER, project.root / f"sources/{REGION}/contracts/other.yml")
    [mistake] = mistakes(project)
    assert mistake.file == f"sources/{REGION}/contracts/other.yml"
    assert "dbt/models/observations/obs_other.sql is missing" in mistake.problem


# ---------------------------------------------------------------- all at once


def test_all_mistakes_in_all_files_come_at_once(project: Project) -> None:
    changed(project, REGION_FILE, lambda content: content.update(nmae="x", crs="?"))
    changed(project, REGISTER, column("zeit", rolle="key"))
    appended(project, MONITORING, "title: again\n")
    changed(project, SHARE, lambda content: content.pop("kind"))
    (project.root / SUITE).write_bytes(b"\xff")
    assert [mistake.file for mistake in mistakes(project)] == [
        REGION_FILE,
        REGION_FILE,
        REGISTER,
        MONITORING,
        SHARE,
        SUITE,
    ]


def test_all_references_to_nothing_come_at_once(project: Project) -> None:
    changed(project, REGION_FILE, lambda content: content.update(reporting_edition="1", population="x"))
    changed(project, REGISTER, lambda content: content["files"][0].update(edition="1", level="x"))
    changed(project, SHARE, lambda content: content.update(numerator="x", denominator="x"))
    changed(project, SUITE, lambda content: content.update(source="x"))
    files = [mistake.file for mistake in mistakes(project)]
    assert files == [REGION_FILE] * 2 + [REGISTER] * 2 + [SHARE] * 2 + [SUITE]


PIECES = [
    "name",
    "crs",
    "id",
    "?",
    ": ",
    "- ",
    "\n",
    "  ",
    "[",
    "]",
    "{",
    "}",
    "&a ",
    "*a",
    "<<",
    "'",
    '"',
    "|",
    "!!int ",
    "2021-02-30",
    "~",
    "0x",
    "1:2:3",
    "\x00",
    "\ufeff",
    "ü",
    "#",
    "%",
    "---\n",
    "!!bool ",
]


@given(st.lists(st.sampled_from(PIECES), max_size=12).map("".join))
@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_text_ends_in_another_error(project: Project, text: str) -> None:
    (project.root / REGION_FILE).write_text(text, encoding="utf-8")
    assert all(mistake.file and mistake.problem for mistake in mistakes(project))


LAYOUT = {"name": "u18_(?P<year>\\d{4})", "period": "{year}", "edition": "1", "level": "bezirk"}


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"files": [{**LAYOUT, "dimensions": {"age": "{year}"}}]}, "dimension age is taken as it stands"),
        ({"files": [LAYOUT, {**LAYOUT, "dimensions": {"age": "x"}}]}, "is declared twice"),
        (
            {
                "files": [{**LAYOUT, "dimensions": {"age": "u18"}}, {**LAYOUT, "name": "all", "dimensions": {}}],
                "columns": [
                    {"name": "key", "role": "key", "type": "text"},
                    {"name": "persons"},
                    {"name": "total", "dimensions": {"age": "all"}},
                ],
            },
            "files.0 and files.1 differ in their dimensions, but both hold total age=all",
        ),
        (
            {
                "shape": "records",
                "files": [{"name": "x", "period": "2020", "dimensions": {"age": "u18"}}],
                "columns": [{"name": "ags", "role": "address", "part": "ags", "type": "text"}],
            },
            "records have no dimensions",
        ),
        ({"known_bad": [{"sha256": "abc", "reason": "x"}]}, "known_bad"),
    ],
)
def test_files_that_would_silently_replace_each_other_are_refused(
    kleinstadt: Kleinstadt, changes: dict[str, object], problem: str
) -> None:
    contract = declarations.load(kleinstadt.project, REGION).contracts["ewr"]
    with pytest.raises(ValidationError, match=re.escape(problem)):
        Contract.model_validate({**contract.model_dump(), **changes})
