"""dbt: from accepted deliveries to the candidate marts. dbt alone opens the warehouse file.

Reads  raw/, catalogue/, geography/, crosswalk/, judged/, protection/ of a region, and its contracts.
Writes dbt/ (links to the checkout's dbt project, and in models_made/ one view per contract, made from the contract),
       internal/indicator_value.parquet where it is declared (confidential),
       warehouse.duckdb, support/*.parquet (what a crosswalk needs) and marts/*.parquet.

Beside the observations, the warehouse and the marts stands a note of what they were built from; it is there only while
they are whole.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from dagster_project.declarations import Contract, Declarations
from dagster_project.settings import Project, RegionData
from dagster_project.tables import connect, parquet_rows, read_json, write_json, write_query

if TYPE_CHECKING:
    from dbt.contracts.graph.manifest import Manifest

# a test runs as soon as everything it reads is built
TESTS_THAT_CAN_RUN = ("--exclude-resource-type", "unit_test", "--indirect-selection", "buildable")
OBSERVED_NOTE = "observed.built.json"
WAREHOUSE_NOTE = "warehouse.built.json"
MARTS_NOTE = "marts.built.json"

_last_parsed: dict[str, Any] = {}


class TransformError(Exception):
    """A dbt model or test that failed: our mistake, or a declaration that does not fit the data."""


@dataclass(frozen=True)
class NodeResult:
    """What became of one dbt node."""

    unique_id: str
    name: str
    resource_type: str
    status: str
    message: str | None
    seconds: float


def assemble(project: Project, data: RegionData, contracts: dict[str, Contract]) -> None:
    """The dbt project of a region: links to the checkout's, and the staging models as files of its own.

    Every region has its own, with staging of its own contracts alone: another region's contract of the same id may have
    other columns. Observation models of sources the region does not have are disabled (see `config` in each).
    Files and links change only if they must.
    """
    staging = data.dbt_project / "models_made" / "staging"
    staging.mkdir(parents=True, exist_ok=True)
    _link_all(project.dbt, data.dbt_project)
    files = {f"stg_{contract.id}.sql": _staging_sql(contract) for contract in contracts.values()}
    files["staging.yml"] = yaml.safe_dump(_staging_docs(contracts), allow_unicode=True, sort_keys=False, width=120)
    for path in staging.iterdir():
        if path.name not in files:
            path.unlink()
    for name, text in files.items():
        path = staging / name
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")


def _link_all(source: Path, folder: Path) -> None:
    """Links in `folder` to everything in `source`, and to nothing else."""
    targets = {path.name: path.resolve() for path in source.iterdir()}
    for link in folder.iterdir():
        if link.is_symlink() and link.readlink() != targets.get(link.name):
            link.unlink()
    for name, target in targets.items():
        if not (folder / name).is_symlink():
            (folder / name).symlink_to(target)


def build_observations(
    project: Project,
    data: RegionData,
    declared: Declarations,
    models: Sequence[str],
    inputs: dict[str, Any] | None,
) -> list[NodeResult]:
    """Build and test the models a crosswalk needs; `inputs` is what a complete build depends on, None for a partial."""
    for note in (OBSERVED_NOTE, WAREHOUSE_NOTE):
        _note(data, note).unlink(missing_ok=True)
    results = _build(project, data, declared, models)
    _drop_rows_of_nothing(data.support)
    if inputs is not None:
        write_json(inputs, _note(data, OBSERVED_NOTE))
    return results


def build_warehouse(
    project: Project,
    data: RegionData,
    declared: Declarations,
    models: Sequence[str],
    crosswalk: str | None,
) -> list[NodeResult]:
    """Build and test the other models before the marts; they count as whole only on whole observations.

    `crosswalk` is the hash of the weights a complete build applies, None for a partial build.
    """
    _note(data, WAREHOUSE_NOTE).unlink(missing_ok=True)
    results = _build(project, data, declared, models)
    if crosswalk is not None and _note(data, OBSERVED_NOTE).is_file():
        write_json({**read_json(_note(data, OBSERVED_NOTE)), "crosswalk": crosswalk}, _note(data, WAREHOUSE_NOTE))
    return results


def build_marts(
    project: Project, data: RegionData, declared: Declarations, models: Sequence[str], complete: bool
) -> list[NodeResult]:
    """Build and test marts; they count as whole only if all of them were built on a whole warehouse."""
    _note(data, MARTS_NOTE).unlink(missing_ok=True)
    results = _build(project, data, declared, models)
    _drop_rows_of_nothing(data.marts)
    if complete and _note(data, WAREHOUSE_NOTE).is_file():
        write_json(read_json(_note(data, WAREHOUSE_NOTE)), _note(data, MARTS_NOTE))
    return results


def marts_inputs(data: RegionData) -> dict[str, Any]:
    """What the marts were built from. Raises `TransformError` where they are not whole."""
    if not _note(data, MARTS_NOTE).is_file():
        raise TransformError("the marts are not complete: run the whole job")
    inputs: dict[str, Any] = read_json(_note(data, MARTS_NOTE))
    return inputs


def _drop_rows_of_nothing(folder: Path) -> None:
    """dbt's external tables hold one row of nulls where there are none: empty files must be empty."""
    with connect() as connection:
        for path in sorted(folder.glob("*.parquet")):
            relation = connection.sql(f"from {parquet_rows(path)}")
            rows = relation.limit(2).fetchall()
            if len(rows) == 1 and not any(value is not None for value in rows[0]):
                write_query(connection, f"from {parquet_rows(path)} limit 0", path)


def _build(project: Project, data: RegionData, declared: Declarations, models: Sequence[str]) -> list[NodeResult]:
    return run_dbt(
        project,
        data,
        declared,
        ["build", "--quiet", *TESTS_THAT_CAN_RUN, "--select", *models],
    )


def _note(data: RegionData, name: str) -> Path:
    return data.root / name


def run_dbt(project: Project, data: RegionData, declared: Declarations, arguments: Sequence[str]) -> list[NodeResult]:
    """Run a dbt command in this process. Raises `TransformError` where a model or test fails."""
    from dbt.cli.main import dbtRunner  # heavy: 4 s

    parsed = _parsed(project, data, declared)
    with contextlib.chdir(data.root):
        result = dbtRunner(manifest=parsed).invoke(["--no-write-json", *arguments, *_flags(project, data, declared)])
    if result.exception is not None:
        raise TransformError(str(result.exception))
    results = [
        NodeResult(
            unique_id=item.node.unique_id,
            name=item.node.name,
            resource_type=str(item.node.resource_type),
            status=str(item.status),
            message=item.message,
            seconds=item.execution_time,
        )
        for item in getattr(result.result, "results", [])
    ]
    failed = [item for item in results if item.status in ("error", "fail", "runtime error")]
    if failed:
        raise TransformError("\n".join(f"{item.unique_id}: {item.message}" for item in failed))
    if not result.success:
        raise TransformError(f"dbt {' '.join(arguments)} failed without naming a node")
    return results


def manifest(project: Project, data: RegionData, declared: Declarations) -> dict[str, Any]:
    """dbt's own description of all models and their columns; parsed anew only if a declaration or model changed."""
    assemble(project, data, declared.contracts)
    path = data.dbt_target / "manifest.json"
    if not path.is_file() or _parsed_from(data) != _fingerprint(project, declared):
        _parsed(project, data, declared)
        write_json(_fingerprint(project, declared), data.dbt_target / "parsed_from.json")
    parsed: dict[str, Any] = read_json(path)
    return parsed


def _parsed(project: Project, data: RegionData, declared: Declarations) -> Manifest:
    """What dbt made of the project as it stands, parsed once in a process and not once for each command."""
    from dbt.cli.main import dbtRunner

    standing = (data.root, _fingerprint(project, declared))
    if _last_parsed.get("of") != standing:
        with contextlib.chdir(data.root):
            result = dbtRunner().invoke(["parse", "--quiet", *_flags(project, data, declared)])
        if result.exception is not None or not result.success:
            raise TransformError(f"dbt cannot read its project: {result.exception}")
        _last_parsed.update(of=standing, manifest=result.result)
    found: Manifest = _last_parsed["manifest"]
    return found


def _flags(project: Project, data: RegionData, declared: Declarations) -> list[str]:
    data.dbt_target.mkdir(parents=True, exist_ok=True)
    for folder in (data.marts, data.support, data.core, data.internal):
        folder.mkdir(parents=True, exist_ok=True)
    # dbt is run in the data folder: names with quotes, braces or patterns in them never reach its SQL and templates
    os.environ["SOZIALRAUM_REGION_DATA"] = "."
    os.environ["DBT_SEND_ANONYMOUS_USAGE_STATS"] = "false"
    return [
        "--project-dir", str(data.dbt_project),
        "--profiles-dir", str(data.dbt_project),
        "--target-path", str(data.dbt_target),
        "--log-path", str(data.dbt_target / "logs"),
        "--vars", yaml.safe_dump(_variables(declared), default_flow_style=True),
    ]  # fmt: skip


def _variables(declared: Declarations) -> dict[str, Any]:
    return {
        "sources": sorted(declared.contracts),
        "contributions": sorted(declared.judged_by_dominance),
        "internal": declared.region.disclosure.recipients.statistical_office == "true_values",
    }


def _fingerprint(project: Project, declared: Declarations) -> dict[str, Any]:
    """Names, sizes and times of everything dbt parses."""
    files = [
        path for pattern in ("models/**/*", "macros/**/*", "tests/**/*", "*.yml") for path in project.dbt.glob(pattern)
    ]
    known = {
        str(path.relative_to(project.dbt)): [path.stat().st_mtime_ns, path.stat().st_size]
        for path in sorted(files)
        if path.is_file()
    }
    return {
        "files": known,
        **_variables(declared),
        "contracts": {name: contract.model_dump_json() for name, contract in declared.contracts.items()},
    }


def _parsed_from(data: RegionData) -> Any:
    path = data.dbt_target / "parsed_from.json"
    return read_json(path) if path.is_file() else None


def _staging_sql(contract: Contract) -> str:
    columns = ",\n    ".join(f"delivered.{name}" for name in contract.landed_columns)
    return f"""-- made from the contract {contract.id}: the rows of the deliveries in force, as they were landed
with delivered as (

    select * from {{{{ source('raw', '{contract.id}') }}}}

),

in_force as (

    select delivery from {{{{ source('judged', 'delivery') }}}}
    where in_force

)

select
    {columns}
from delivered
inner join in_force on delivered.delivery = in_force.delivery
"""


def _staging_docs(contracts: dict[str, Contract]) -> dict[str, Any]:
    return {
        "sources": [
            {
                "name": "raw",
                "description": "Landed rows, one Parquet file per delivery.",
                "config": {"external_location": "{{ env_var('SOZIALRAUM_REGION_DATA') }}/raw/{name}/*.parquet"},
                "tables": [{"name": contract.id, "description": contract.title} for contract in contracts.values()],
            }
        ],
        "models": [
            {
                "name": f"stg_{contract.id}",
                "description": f"{contract.title}. {contract.description}",
                "columns": [{"name": name} for name in contract.landed_columns],
            }
            for contract in contracts.values()
        ],
    }
