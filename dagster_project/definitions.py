"""Dagster wiring: the assets, checks, job, sensor and schedule of every declared region.

Reads  the declarations and dbt's manifest; runs the stages. The graph reads like the flow:
catalogue, geography → landed sources → judged (gate 1) → observations → crosswalk → warehouse → protection →
protected models and marts (gate 2) → release.
"""

import hashlib
import logging
import re
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import dagster as dg

from dagster_project import (
    catalogue,
    declarations,
    disclosure,
    disclosure_audit,
    gate,
    geography,
    landing,
    release,
    reports,
    sharing,
    transform,
)
from dagster_project.declarations import Contract, Declarations
from dagster_project.declarations.public_schema import load_public_schema
from dagster_project.deliveries import load_receipts
from dagster_project.settings import Project, RegionData, exclusive, project, region_data

log = logging.getLogger("sozialraum")

PACKAGE = Path(__file__).parent
# layers that nothing else is made from
ENDS = ("marts", "internal")
# the models from which a crosswalk learns what is needed and who lives where
CROSSWALK_READS = ("core_conversion_need", "core_support_mass")
# the models from which the disclosure control learns the true counts
DISCLOSURE_READS = (
    "core_disclosure_cell",
    "core_disclosure_conversion",
    "core_disclosure_atom",
    "core_largest_contribution",
)


def region_definitions(root: Project, region: str, inbox: Path | None = None) -> dg.Definitions:
    """Everything Dagster knows about one region; `inbox` replaces its own inbox folder."""
    data = region_data(region, inbox)
    declared = declarations.load(root, region)
    wiring = _Wiring(root, declared, data)
    job = dg.define_asset_job(
        region, selection=dg.AssetSelection.key_prefixes(region), executor_def=dg.in_process_executor
    )
    return dg.Definitions(
        assets=wiring.assets(),
        asset_checks=[wiring.gate_2()],
        jobs=[job],
        sensors=[_inbox_sensor(data, job)],
        schedules=[dg.ScheduleDefinition(name=f"{region}_daily", job=job, cron_schedule="0 5 * * *")],
    )


class _Wiring:
    """The assets of one region: each body is one call of a stage."""

    def __init__(self, root: Project, declared: Declarations, data: RegionData) -> None:
        self.root, self.declared, self.data = root, declared, data
        self.region = declared.region.id
        self.municipalities = {item.id: item.name for item in declared.region.municipalities}
        self.manifest = transform.manifest(root, data, declared)
        ends = [node["name"] for node in self.manifest["nodes"].values() if node.get("fqn", ["", ""])[1] in ENDS]
        self.models = _models(self.manifest, [*ends, *CROSSWALK_READS, *DISCLOSURE_READS])
        self.marts = [name for name, node in self.models.items() if node["fqn"][1] == "marts"]
        self.protected = [name for name in self.models if name in self.marts or self._reads_protection(name)]
        self.observed = list(_models(self.manifest, CROSSWALK_READS))
        self.warehouse = [name for name in self.models if name not in (*self.protected, *self.observed)]

    def _reads_protection(self, model: str) -> bool:
        """Whether a model is built behind the protection: it reads it, or another one that does."""
        parents = [unique_id.split(".") for unique_id in self.models[model]["depends_on"]["nodes"]]
        return any(
            path[0] == "protection" if kind == "source" else path[0] in self.models and self._reads_protection(path[0])
            for kind, _, *path in parents
        )

    def key(self, *parts: str) -> dg.AssetKey:
        return dg.AssetKey([self.region, *parts])

    def assets(self) -> list[dg.AssetsDefinition]:
        return [
            self._catalogue(),
            self._geography(),
            *(self._landed(contract) for contract in self.declared.contracts.values()),
            self._judged(),
            self._observations(),
            self._crosswalk(),
            self._warehouse(),
            self._protection(),
            self._marts(),
            self._release(),
        ]

    # ---------------------------------------------------------------- declare and land

    def _catalogue(self) -> dg.AssetsDefinition:
        @dg.asset(key=self.key("catalogue"), group_name="declared", description="Declarations as tables.")
        def catalogue_tables() -> dg.MaterializeResult:
            with exclusive(self.data):
                rows = catalogue.build(self.declared, self.data.catalogue)
            log.info("Katalog: %s Indikatoren, %s Quellen", rows["indicator"], rows["source"])
            return dg.MaterializeResult(metadata=dict(rows))

        return catalogue_tables

    def _geography(self) -> dg.AssetsDefinition:
        @dg.asset(key=self.key("geography"), group_name="declared", description="Areas of every edition, checked.")
        def areas() -> dg.MaterializeResult:
            with exclusive(self.data):
                counted = geography.build(
                    self.declared.region,
                    list(self.declared.geographies.values()),
                    geometry_folders(self.root, self.declared, self.data),
                    self.data.geography,
                )
            log.info("Gebiete: %s", ", ".join(f"{name}: {count}" for name, count in counted.items()))
            return dg.MaterializeResult(metadata=dict(counted))

        return areas

    def _landed(self, contract: Contract) -> dg.AssetsDefinition:
        @dg.asset(
            key=self.key("landed", contract.id),
            deps=[self.key("geography")],
            group_name="landed",
            description=f"{contract.title}: {contract.description}",
        )
        def landed_source() -> dg.MaterializeResult:
            with exclusive(self.data):
                receipts = landing.land(self.declared.region, contract, self.data)
                sharing.write_receipts(self.data, contract.id, contract, self.municipalities)
            verdicts = {
                verdict: sum(r.verdict == verdict for r in receipts)
                for verdict in ("accepted", "partly", "rejected", "held")
            }
            verdicts["withdrawn"] = sum(bool(r.withdrawn_because) for r in receipts)
            log.info(
                "Quelle %s: %s Lieferungen, davon %s abgelehnt%s%s",
                contract.id, len(receipts), verdicts["rejected"],
                f", {verdicts['held']} warten auf eine Entscheidung" if verdicts["held"] else "",
                f", {verdicts['withdrawn']} zurückgezogen" if verdicts["withdrawn"] else "",
            )  # fmt: skip
            return dg.MaterializeResult(metadata={**verdicts, "rows": sum(r.rows_accepted for r in receipts)})

        return landed_source

    # ---------------------------------------------------------------- judge

    def _judged(self) -> dg.AssetsDefinition:
        key = self.key("judged")
        specs = [
            dg.AssetCheckSpec(name, asset=key, description=why, blocking=blocking)
            for name, why, blocking in self._checks_of_gate_1()
        ]

        @dg.asset(
            key=key,
            deps=[self.key("landed", source) for source in self.declared.contracts],
            check_specs=specs,
            group_name="judged",
            description="Gate 1: which deliveries are in force.",
        )
        def judged_deliveries() -> Iterator[dg.MaterializeResult | dg.AssetCheckResult]:
            receipts = {
                source: [asdict(receipt) for receipt in load_receipts(self.data, source).values()]
                for source in self.declared.contracts
            }
            with exclusive(self.data):
                findings = gate.judge_deliveries(self.declared, self.data, receipts)
            _report(findings)
            _report_unclaimed(self.declared, self.data)
            yield dg.MaterializeResult()
            for finding in findings:
                yield _check_result(finding, key, f"{finding.subject}__{finding.suite}__{finding.name}")

        return judged_deliveries

    def _checks_of_gate_1(self) -> list[tuple[str, str, bool]]:
        """Name, why, and whether a failed check may keep the job from going on."""
        found = [
            (f"{source}__contract__verdict", "Verdict of contract and checks.", True)
            for source in self.declared.contracts
        ]
        return found + [
            (f"{source}__{suite.id}__{check.name}", check.why, check.severity == "critical")
            for source in self.declared.contracts
            for suite in self.declared.suites_for(1, source)
            for check in suite.checks
        ]

    # ---------------------------------------------------------------- build and protect

    def _observations(self) -> dg.AssetsDefinition:
        @dg.multi_asset(name=f"{self.region}_observations", specs=self._specs(self.observed), can_subset=True)
        def observation_models(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult]:
            chosen = [key.path[-1] for key in context.selected_asset_keys]
            inputs = self._inputs() if set(chosen) == set(self.observed) else None
            with exclusive(self.data):
                results = transform.build_observations(self.root, self.data, self.declared, chosen, inputs)
            yield from self._materialized(results)

        return observation_models

    def _crosswalk(self) -> dg.AssetsDefinition:
        @dg.asset(
            key=self.key("crosswalk"),
            deps=[self.key("geography"), *(self.key(model) for model in CROSSWALK_READS)],
            group_name="core",
            description="Weights that carry figures of other boundaries over onto the reporting edition.",
        )
        def crosswalk_weights() -> dg.MaterializeResult:
            with exclusive(self.data):
                counted = geography.build_crosswalk(
                    self.declared.region,
                    self.declared.geography,
                    geometry_folders(self.root, self.declared, self.data),
                    areas=self.data.geography,
                    needs=self.data.support,
                    output=self.data.crosswalk,
                )
            log.info(
                "Umrechnung: %s Tabellen berechnet, %s wiederverwendet, %s Gewichte",
                counted["computed"], counted["reused"], counted["weights"],
            )  # fmt: skip
            return dg.MaterializeResult(metadata=dict(counted))

        return crosswalk_weights

    def _warehouse(self) -> dg.AssetsDefinition:
        @dg.multi_asset(name=f"{self.region}_warehouse", specs=self._specs(self.warehouse), can_subset=True)
        def warehouse_models(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult]:
            chosen = [key.path[-1] for key in context.selected_asset_keys]
            weights = release.files_digest(self.data.crosswalk.glob("*.parquet"), self.data.crosswalk)
            complete = set(chosen) == set(self.warehouse)
            with exclusive(self.data):
                results = transform.build_warehouse(
                    self.root, self.data, self.declared, chosen, weights if complete else None
                )
            yield from self._materialized(results)

        return warehouse_models

    def _protection(self) -> dg.AssetsDefinition:
        @dg.asset(
            key=self.key("protection"),
            deps=[self.key("geography"), *(self.key(model) for model in DISCLOSURE_READS)],
            group_name="protected",
            description="Disclosure control: cells that must not be shown.",
        )
        def protection() -> dg.MaterializeResult:
            with exclusive(self.data):
                found = disclosure.protect(self.declared, self.data)
            log.info("Geheimhaltung: %s von %s Zahlen verborgen", found.hidden_counts, found.counts)
            return dg.MaterializeResult(metadata={"hidden": found.hidden_rows})

        return protection

    def _marts(self) -> dg.AssetsDefinition:
        @dg.multi_asset(name=f"{self.region}_marts", specs=self._specs(self.protected), can_subset=True)
        def mart_models(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult]:
            chosen = [key.path[-1] for key in context.selected_asset_keys]
            with exclusive(self.data):
                results = transform.build_marts(
                    self.root, self.data, self.declared, chosen, complete=set(chosen) == set(self.protected)
                )
            yield from self._materialized(results)

        return mart_models

    def _specs(self, names: list[str]) -> list[dg.AssetSpec]:
        return [
            dg.AssetSpec(
                self.key(name),
                deps=sorted({self._dependency(parent) for parent in self.models[name]["depends_on"]["nodes"]}),
                group_name=self.models[name]["fqn"][1],
                description=self.models[name]["description"],
                kinds={"duckdb", "dbt"},
            )
            for name in names
        ]

    def _dependency(self, unique_id: str) -> dg.AssetKey:
        """The asset that makes what a dbt model reads: a model, a landed source, or a stage's folder of tables."""
        kind, _, *path = unique_id.split(".")
        if kind == "model":
            return self.key(path[0])
        return self.key("landed", path[1]) if path[0] == "raw" else self.key(path[0])

    def _materialized(self, results: list[transform.NodeResult]) -> Iterator[dg.MaterializeResult]:
        built = [result for result in results if result.resource_type == "model"]
        log.info("dbt: %s Modelle gebaut, %s Tests bestanden", len(built), len(results) - len(built))
        for result in built:
            yield dg.MaterializeResult(asset_key=self.key(result.name), metadata={"seconds": result.seconds})

    def _inputs(self) -> dict[str, Any]:
        """All a release depends on: deliveries in force, geometry, declarations and code, by their hashes."""
        return {
            "deliveries": gate.deliveries_in_force(self.data),
            "geography": release.files_digest(self.data.geography.glob("*.parquet"), self.data.geography),
            "declarations": release.digest(self.declared),
            "code": release.digest(
                [
                    release.files_digest(PACKAGE.rglob("*.py"), PACKAGE),
                    release.files_digest(_source_files(self.root.root), self.root.root),
                ]
            ),
        }

    # ---------------------------------------------------------------- judge again and release

    def gate_2(self) -> dg.AssetChecksDefinition:
        checks = [check for suite in self.declared.suites_for(2) for check in suite.checks]
        places = {check.name: self.key(_first_mart(check.frame)) for check in checks}

        @dg.multi_asset_check(
            name=f"{self.region}_gate_2",
            specs=[
                dg.AssetCheckSpec(
                    check.name,
                    asset=places[check.name],
                    description=check.why,
                    blocking=check.severity == "critical",
                )
                for check in checks
            ],
        )
        def marts_hold() -> Iterator[dg.AssetCheckResult]:
            with exclusive(self.data):
                findings = gate.judge_marts(self.declared, self.data.marts)
            _report(findings)
            for finding in findings:
                yield _check_result(finding, places[finding.name], finding.name)

        return marts_hold

    def _release(self) -> dg.AssetsDefinition:
        @dg.asset(
            key=self.key("release"),
            deps=[self.key(mart) for mart in self.marts],
            group_name="released",
            description="Write, audit, publish: the release in force.",
        )
        def published_release() -> dg.MaterializeResult:
            with exclusive(self.data):
                made = release.publish(
                    self.data,
                    inputs=transform.marts_inputs(self.data),
                    descriptions=self._descriptions(),
                    audit=self._audit,
                    render=lambda marts, site: reports.render_site(
                        marts, self.root.reports, site, cache=self.data.charts
                    ),
                )
            log.info("Veröffentlichung %s: %s", "neu" if made.created else "unverändert", made.id)
            return dg.MaterializeResult(metadata={"release": made.id, "created": made.created})

        return published_release

    def _enter_in_ledger(self, marts: Path) -> None:
        """Before anything is published: what was once shown is known for ever, whatever becomes of the release."""
        entry = self.data.ledger / f"{release.digest(transform.marts_inputs(self.data))}.parquet"
        if not entry.exists() and not self.declared.all_public:
            cube = marts / "mart_indicator_value.parquet"
            disclosure.record(self.declared, self.data.protection / "count.parquet", cube, entry)

    def _audit(self, marts: Path) -> list[dict[str, Any]]:
        """Gate 2 on the candidate's own files, beside what gate 1 found."""
        findings = [*gate.judge_marts(self.declared, marts), self._audit_disclosure(marts)]
        if any(finding.blocks for finding in findings):
            _report(findings)
            raise gate.GateClosed(findings)
        self._enter_in_ledger(marts)
        rows: list[dict[str, Any]] = gate.findings_frame(findings).to_dict("records")
        return gate.load_findings(self.data) + rows

    def _audit_disclosure(self, marts: Path) -> gate.Finding:
        """What an attacker could find out; the cells are named in the log for the operator alone."""
        report = disclosure_audit.audit(self.declared, marts, self.data)
        for row in report.rows.to_dict("records"):
            log.info(
                "Geheimhaltung geprüft für %s: %s Zahlen, %s verborgen, %s aufzudecken (%s s)",
                row["audience"], row["numbers"], row["hidden"], row["exposed"], row["seconds"],
            )  # fmt: skip
        return gate.disclosure_finding([f"{item.audience}: {item.where}" for item in report.exposed])

    def _descriptions(self) -> dict[str, release.Description]:
        star = load_public_schema(self.root)
        return {
            disclosure_audit.MART: release.Description(disclosure_audit.DESCRIPTION, disclosure_audit.COLUMNS),
            **{
                name: release.Description(
                    self.models[name]["description"],
                    {
                        column: star.comment(name, column, node["description"])
                        for column, node in self.models[name]["columns"].items()
                    },
                )
                for name in self.marts
            },
        }


def geometry_folders(root: Project, declared: Declarations, data: RegionData) -> list[Path]:
    """Where geometry files are looked for: beside their declaration, in the inbox, and beside the inbox."""
    return [root.sources / declared.region.id / "geographies", data.inbox, data.root]


def _models(manifest: dict[str, Any], names: Iterable[str]) -> dict[str, Any]:
    """The models of these names and all they are made from, by name."""
    nodes = {key: node for key, node in manifest["nodes"].items() if node["resource_type"] == "model"}
    wanted = [key for key, node in nodes.items() if node["name"] in set(names)]
    found: dict[str, Any] = {}
    while wanted:
        key = wanted.pop()
        if key in nodes and nodes[key]["name"] not in found:
            found[nodes[key]["name"]] = nodes[key]
            wanted += nodes[key]["depends_on"]["nodes"]
    return dict(sorted(found.items()))


def _first_mart(frame: str) -> str:
    found = re.search(r"mart_\w+", frame)
    if found is None:
        raise ValueError(f"a check of gate 2 must read a mart: {frame}")
    return found.group()


def _source_files(root: Path) -> Iterator[Path]:
    """Models and pages."""
    for pattern in ("dbt/models/**/*", "dbt/macros/**/*", "dbt/*.yml", "reports/**/*"):
        yield from (path for path in root.glob(pattern) if path.is_file())


def _report(findings: list[gate.Finding]) -> None:
    for finding in findings:
        if not finding.success:
            log.log(
                logging.ERROR if finding.blocks else logging.WARNING,
                "Gate %s, %s, %s: %s", finding.gate, finding.subject, finding.name, finding.message,
            )  # fmt: skip
            if finding.details:
                log.warning("  %s", finding.details.replace("\n", "\n  "))


def _report_unclaimed(declared: Declarations, data: RegionData) -> None:
    unread = landing.unclaimed(declared.region, list(declared.contracts.values()), data.inbox)
    if unread:
        named = ", ".join(path.name for path in unread[:3])
        log.info("Kein Vertrag beschreibt %s Dateien, sie bleiben ungelesen: %s …", len(unread), named)


def _check_result(finding: gate.Finding, key: dg.AssetKey, name: str) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        asset_key=key,
        check_name=name,
        passed=finding.success,
        severity=dg.AssetCheckSeverity.ERROR if finding.blocks else dg.AssetCheckSeverity.WARN,
        description=finding.message,
        metadata={"failing": finding.failing, "responsible": finding.responsible, "why": finding.why},
    )


def _inbox_sensor(data: RegionData, job: Any) -> dg.SensorDefinition:
    @dg.sensor(name=f"{data.root.name}_inbox", job=job, minimum_interval_seconds=60)
    def inbox_sensor(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        """Starts the job when a file in the inbox is new or has changed."""
        files = sorted(path for path in data.inbox.rglob("*") if path.is_file()) if data.inbox.is_dir() else []
        seen = "|".join(f"{path}:{path.stat().st_size}:{path.stat().st_mtime_ns}" for path in files)
        state = hashlib.sha256(seen.encode()).hexdigest()
        if not files or state == context.cursor:
            return dg.SkipReason("nothing new in the inbox")
        return dg.SensorResult(run_requests=[dg.RunRequest()], cursor=state)

    return inbox_sensor


def all_definitions() -> dg.Definitions:
    """The definitions of all regions."""
    root = project()
    return dg.Definitions.merge(*(region_definitions(root, region) for region in declarations.regions(root)))
