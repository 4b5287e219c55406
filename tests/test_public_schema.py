"""The public schema: every release keeps to it, and nobody changes it without a version.

Reads  the declared star, a whole run of the made-up town. Writes temporary folders.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml
from kleinstadt import REGION
from runs import Place

from dagster_project import cli
from dagster_project.declarations import DeclarationError
from dagster_project.declarations.public_schema import PublicSchema, load_public_schema
from dagster_project.settings import Project

ROOT = Path(__file__).resolve().parents[1]
FILE = ROOT / "dbt" / "public_schema.yml"
TYPES = {
    "text": "VARCHAR", "outline": "VARCHAR", "integer": "INTEGER", "bigint": "BIGINT", "double": "DOUBLE",
    "boolean": "BOOLEAN", "date": "DATE", "timestamp": "TIMESTAMP",
}  # fmt: skip
COLUMNS = {"key": "text", "number": "double"}


def loaded(folder: Path, content: dict[str, Any]) -> PublicSchema:
    """A star of this content, with the fingerprints it must have; those given under versions stay."""
    (folder / "dbt").mkdir(exist_ok=True)
    path = folder / "dbt" / "public_schema.yml"
    while True:
        path.write_text(yaml.safe_dump(content), encoding="utf-8")
        try:
            return load_public_schema(Project(folder))
        except DeclarationError as error:
            found = re.search(r"the schema of version (\d+) is (\w+), not \?", str(error))
            if found is None:
                raise
            content["versions"][int(found[1])] = found[2]


def star(versions: dict[int, str], **columns: Any) -> dict[str, Any]:
    mart = {"kind": "fact", "key": ["key"], "readers": "everyone", "columns": {**COLUMNS, **columns}}
    return {"versions": versions, "marts": {"mart_x": mart}}


def test_a_release_holds_the_declared_marts_and_no_others(first_run: Place) -> None:
    """In the order, and of the types, declared: a mart that changes must be declared in a new version."""
    declared = load_public_schema(Project(ROOT)).current
    parquet = first_run.data.current / "parquet"
    assert {path.stem for path in parquet.glob("*.parquet")} == set(declared)
    for name, mart in declared.items():
        columns = duckdb.sql(f"describe from '{parquet / name}.parquet'").fetchall()
        found = [(column, kind) for column, kind, *_ in columns]
        assert found == [(column, TYPES[item.type]) for column, item in mart.columns.items()], name


def test_keys_and_relations_hold_in_a_release(first_run: Place) -> None:
    declared = load_public_schema(Project(ROOT)).current
    with duckdb.connect(str(first_run.data.current / "marts.duckdb"), read_only=True) as marts:
        for name, mart in declared.items():
            key = ", ".join(mart.key)
            assert marts.execute(f"select {key} from {name} group by all having count(*) > 1").fetchall() == [], name
            for reference in mart.refers:
                pairs = list(zip(reference.columns, declared[reference.mart].key, strict=True))
                lost = marts.execute(
                    f"select * from {name} as m where {' and '.join(f'm.{own} is not null' for own, _ in pairs)} and "
                    f"not exists (select 1 from {reference.mart} as t "
                    f"where {' and '.join(f'm.{own} = t.{other}' for own, other in pairs)})"
                ).fetchall()
                assert lost == [], (name, reference)


def test_the_star_is_described_with_its_comments(first_run: Place, capsys: pytest.CaptureFixture[str]) -> None:
    with first_run.chosen():
        assert cli.main(["public-schema", REGION]) == cli.DONE
    text = capsys.readouterr().out
    with duckdb.connect(str(first_run.data.current / "marts.duckdb"), read_only=True) as marts:
        comments = marts.execute("select comment from duckdb_columns() where comment is not null").fetchall()
    assert len(comments) > 100
    assert all(comment.replace("|", "/") in text for (comment,) in comments)
    assert "- geography, edition, level, area: a row of mart_area" in text


def test_a_column_lives_from_version_to_version(tmp_path: Path) -> None:
    versions = dict(loaded(tmp_path, star({1: "?"})).versions)
    new = {"type": "date", "since": 2}
    second = loaded(tmp_path, star({**versions, 2: "?"}, day=new))
    assert second.versions[1] == versions[1]
    assert second.changes(2) == ["mart_x.day added"]
    old = {"type": "double", "deprecated": 3, "instead": "day"}
    third = loaded(tmp_path, star({**second.versions, 3: "?"}, day=new, number=old))
    assert third.changes(3) == ["mart_x.number deprecated"]
    assert third.comment("mart_x", "number", "A number.") == "Deprecated since version 3, use day. A number."
    assert third.comment("mart_x", "day", "A day.") == "A day."
    fourth = loaded(tmp_path, star({**third.versions, 4: "?"}, day=new, number={**old, "removed": 4}))
    assert fourth.changes(4) == ["mart_x.number removed"]
    assert set(fourth.current["mart_x"].columns) == {"key", "day"}
    assert [fourth.changes(version) for version in (1, 2, 3)] == [[], second.changes(2), third.changes(3)]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"columns": {"key": "text"}}, "a column that is no more: the schema of version 1 is"),
        ({"columns": {**COLUMNS, "day": "date"}}, "the schema of version 1 is"),
        ({"columns": {"key": "text", "number": "bigint"}}, "the schema of version 1 is"),
        ({"key": ["number"]}, "the schema of version 1 is"),
        ({"columns": {**COLUMNS, "day": {"type": "date", "since": 2}}}, "version 2 is not listed under versions"),
        ({"columns": {**COLUMNS, "number": {"type": "double", "deprecated": 2}}}, "say what to use instead"),
        (
            {"columns": {**COLUMNS, "number": {"type": "double", "deprecated": 2, "instead": "x", "removed": 2}}},
            "at least one version before it is removed",
        ),
        ({"columns": {**COLUMNS, "number": {"type": "double", "removed": 2}}}, "at least one version before"),
        ({"columns": {**COLUMNS, "number": "float"}}, "'float' is not allowed"),
        ({"key": ["other"]}, "key: other is no lasting column"),
        ({"refers": [{"mart": "mart_y", "columns": ["key"]}]}, "mart_y is no mart with a key of 1 columns"),
        ({"refers": [{"mart": "mart_x", "columns": ["key", "number"]}]}, "mart_x is no mart with a key of 2 columns"),
        ({"readers": "values"}, "readers: values needs the columns geography"),
        ({"readers": "nobody"}, "'nobody' is not allowed"),
    ],
)
def test_a_change_without_a_version_or_against_the_rules_is_refused(
    tmp_path: Path, change: dict[str, Any], words: str
) -> None:
    versions = dict(loaded(tmp_path, star({1: "?"})).versions)
    content = star(versions)
    content["marts"]["mart_x"] |= change
    with pytest.raises(DeclarationError) as raised:
        loaded(tmp_path, content)
    assert words.split(": ")[-1] in str(raised.value)
    assert "dbt/public_schema.yml" in str(raised.value)


def test_marts_do_not_refer_to_each_other_in_a_circle(tmp_path: Path) -> None:
    content = star({1: "?"})
    one = content["marts"]["mart_x"]
    content["marts"] = {
        "mart_x": {**one, "refers": [{"mart": "mart_y", "columns": ["key"]}]},
        "mart_y": {**one, "refers": [{"mart": "mart_x", "columns": ["key"]}]},
    }
    with pytest.raises(DeclarationError, match="mart_x, mart_y refer to each other in a circle"):
        loaded(tmp_path, content)


def test_a_wrong_public_schema_fails_the_check_of_declarations(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("sources", "expectations", "reports"):
        (tmp_path / name).symlink_to(ROOT / name)
    (tmp_path / "dbt").mkdir()
    for path in (ROOT / "dbt").iterdir():
        (tmp_path / "dbt" / path.name).symlink_to(path)
    (tmp_path / "dbt" / FILE.name).unlink()
    changed = FILE.read_text(encoding="utf-8").replace("ci_low: double", "ci_low: text")
    (tmp_path / "dbt" / FILE.name).write_text(changed, encoding="utf-8")
    monkeypatch.setenv("SOZIALRAUM_PROJECT", str(tmp_path))
    assert cli.main(["check", "berlin"]) == cli.WRONG_INPUT
    assert "dbt/public_schema.yml: versions.1: the schema of version 1 is" in capsys.readouterr().err
