"""The `sozialraum` command.

Exit codes: 0 done; 1 a gate closed, the old release stays; 2 wrong declaration, input or usage; 3 our own error.
Heavy libraries are imported inside the commands that need them, so that `check` answers at once.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import re
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dagster_project import cli_decisions, cli_door, cli_postgres, cli_sender, declarations
from dagster_project.cli_outcome import DONE, GATE_CLOSED, OUR_ERROR, WRONG_INPUT, print_json
from dagster_project.declarations import DeclarationError, Declarations
from dagster_project.declarations.public_schema import load_public_schema
from dagster_project.settings import FolderError, RegionData, dagster_home, exclusive, project, region_data

if TYPE_CHECKING:
    from dagster_project.deliveries import Receipt

QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}  # our own log speaks to the screen
INPUT_ERRORS = ("GeographyError", "DeclarationError", "NotProtectable", "Contradiction", "KeyMistake")

log = logging.getLogger("sozialraum")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    options = _parser().parse_args(arguments)
    logging.basicConfig(format="%(message)s", level=logging.WARNING)
    log.setLevel(logging.INFO)
    try:
        code: int = options.command(options)
        return code
    except DeclarationError as error:
        for mistake in error.mistakes:
            print(mistake, file=sys.stderr)
        return WRONG_INPUT
    except FolderError as error:
        print(error, file=sys.stderr)
        return WRONG_INPUT


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="sozialraum", description="Small-area social monitoring for municipalities.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def add(name: str, function: Any, text: str, region: str = "REGION", reads: bool = True) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=text, description=text)
        command.set_defaults(command=function)
        if region:
            command.add_argument("region", nargs="?" if region.startswith("[") else None, metavar=region.strip("[]"))
        if reads:
            command.add_argument("--json", action="store_true", help="print JSON")
        return command

    add("check", _check, "Validate every declaration and all cross-references, without data.", "[REGION]")
    run = add("run", _run, "Run the whole job of a region.", reads=False)
    run.add_argument("--inbox", type=Path, help="folder with the deliveries, instead of the region's own inbox")
    demo = add("demo", _demo, "Write the deliveries of a simulated region and run its whole job.", reads=False)
    demo.add_argument("--dirt", metavar="all|none|NAME,NAME", help="faults in the deliveries; else as declared")
    demo.add_argument("--size", type=float, default=1.0, help="multiplies the residents")
    add("dev", _dev, "Open Dagster's user interface on all regions.", "", reads=False).add_argument(
        "--inbox", type=Path
    )
    add("status", _status, "Deliveries, findings and the release in force.")
    add("releases", _releases, "All releases of a region.")
    restore = add("restore", _restore, "Put an earlier release in force again.", reads=False)
    restore.add_argument("release", metavar="ID")
    restore.add_argument(
        "--show-again-because",
        metavar="REASON",
        default="",
        help="why values that a later release withholds may return",
    )
    add("diff", _diff, "What changed between two releases.").add_argument("release", nargs=2, metavar="ID")
    pages = add("reports", _reports, "Render the pages of the release in force; only what changed anew.", reads=False)
    pages.add_argument("output", type=Path, nargs="?", help="folder of the site; else the region's own")
    pages.add_argument("--serve", action="store_true", help="for authors: show the site here and rebuild it on save")
    pages.add_argument("--port", type=int, default=8000, help="where --serve listens, on this computer only")
    cli_decisions.add_commands(add)
    cli_sender.add_commands(add)
    cli_door.add_commands(add)
    forget = add("forget", _forget, "Delete original files that are past their retention.")
    forget.add_argument("--today", type=date.fromisoformat, default=None, metavar="DATE")
    forget.add_argument("--dry-run", action="store_true", help="only say what would be deleted")
    packages = add("packages", _packages, "Pack for each recipient what it is entitled to of the release in force.")
    packages.add_argument("--key", type=Path, metavar="FILE", help="the secret minisign key to sign with")
    add("transmissions", _transmissions, "What went to whom, why and when.")
    cli_postgres.add_commands(add)
    add("doctor", _doctor, "Versions, folders and files this installation uses.", "")
    return parser


# ---------------------------------------------------------------- check


def _check(options: argparse.Namespace) -> int:
    started = time.perf_counter()
    root = project()
    checked = [options.region] if options.region else declarations.regions(root)
    mistakes: list[declarations.Mistake] = []
    try:
        load_public_schema(root)
    except DeclarationError as error:
        mistakes += error.mistakes
    counts: dict[str, dict[str, int]] = {}
    for region in checked:
        try:
            declared = declarations.load(root, region)
            counts[region] = {
                "contracts": len(declared.contracts),
                "geographies": len(declared.geographies),
                "indicators": len(declared.indicators),
                "suites": len(declared.suites),
            }
        except DeclarationError as error:
            mistakes += [mistake for mistake in error.mistakes if mistake not in mistakes]
    seconds = round(time.perf_counter() - started, 3)
    if options.json:
        print_json({"regions": counts, "mistakes": [asdict(mistake) for mistake in mistakes], "seconds": seconds})
    else:
        for mistake in mistakes:
            print(mistake, file=sys.stderr)
        for region, counted in counts.items():
            print(f"{region}: " + ", ".join(f"{count} {name}" for name, count in counted.items()))
        print(f"{len(mistakes)} mistakes, {seconds} s")
    return WRONG_INPUT if mistakes else DONE


# ---------------------------------------------------------------- run


def _demo(options: argparse.Namespace) -> int:
    """Deliveries that are there already stay: what somebody added or changed by hand is not lost."""
    from sources.simulator.dirt import chosen
    from sources.simulator.run import simulate
    from sources.simulator.spec import read_region

    specifications = {path.stem: path for path in (project().sources / "simulator").glob("*.yml")}
    simulated = sorted(set(specifications) & set(declarations.regions(project())))
    if options.region not in simulated:
        print(f"{options.region!r} is no simulated region; there are: {', '.join(simulated)}", file=sys.stderr)
        return WRONG_INPUT
    data = region_data(options.region)
    if data.inbox.exists():
        log.info("Die Lieferungen in %s bleiben, wie sie sind.", data.inbox)
        return _execute(declarations.load(project(), options.region), data)
    specification = specifications[options.region]
    try:
        dirt = read_region(specification).demo_dirt if options.dirt is None else chosen(options.dirt)
        log.info("Simulation: %s wird erfunden.", options.region)
        simulate(specification, data.root, size=options.size, dirt=dirt, progress=lambda text: log.info("  %s", text))
    except ValueError as error:
        print(error, file=sys.stderr)
        return WRONG_INPUT
    return _execute(declarations.load(project(), options.region), data)


def _run(options: argparse.Namespace) -> int:
    root = project()
    declared = declarations.load(root, options.region)
    data = region_data(options.region, options.inbox)
    missing = _missing(declared, data)
    if missing:
        print("\n".join(missing), file=sys.stderr)
        return WRONG_INPUT
    return _execute(declared, data)


def _missing(declared: Declarations, data: RegionData) -> list[str]:
    """Which official files are wanted and where they go, in German; empty when there is enough to begin."""
    from dagster_project import geography, landing
    from dagster_project.definitions import geometry_folders

    folders = geometry_folders(project(), declared, data)
    wanted: dict[str, list[str]] = {}
    for item in geography.missing_files(list(declared.geographies.values()), folders):
        wanted.setdefault(f"{item.title}. Bezug: {item.origin}", []).append(item.path)
    for contract in landing.missing_sources(declared.region, list(declared.contracts.values()), data):
        names = [f"{contract.folder}/{_readable(layout.name)}" for layout in contract.files]
        wanted[f"{contract.title}. Bezug: {contract.origin}"] = names
    if not wanted:
        return []
    heading = f"Für die Region {declared.region.name} fehlen amtliche Dateien. Bitte ablegen unter {data.inbox}:"
    return [
        heading,
        *(line for text, names in wanted.items() for line in ("", text, *(f"  {name}" for name in names))),
    ]


def _readable(pattern: str) -> str:
    """A file name pattern as a person would write it: named groups in angle brackets, a star for anything."""
    named = re.sub(r"\(\?P<(\w+)>[^)]*\)", r"<\1>", pattern)
    return named.replace(".*", "*").replace("\\", "")


def _execute(declared: Declarations, data: RegionData) -> int:
    import dagster as dg

    started = time.perf_counter()
    from dagster_project.definitions import region_definitions

    prepare_dagster()
    definitions = region_definitions(project(), declared.region.id, data.inbox)
    with dg.DagsterInstance.get() as instance:
        job = definitions.resolve_job_def(declared.region.id)
        result = job.execute_in_process(run_config=QUIET, instance=instance, raise_on_error=False)
    code = _outcome(result, data)
    standing = f"{data.current}/site/index.html" if (data.current / "site").exists() else "noch keine"
    log.info("Seiten: %s", standing)
    marts = data.current / "marts.duckdb"
    log.info("Marts:  %s", marts if marts.exists() else "noch keine")
    log.info("Fertig nach %.0f s (Ausgang %s)", time.perf_counter() - started, code)
    return code


def prepare_dagster() -> None:
    """Give Dagster its home, without telemetry."""
    home = dagster_home()
    home.mkdir(parents=True, exist_ok=True)
    home.chmod(0o700)  # its logs may quote what was delivered
    configuration = home / "dagster.yaml"
    if not configuration.is_file():
        configuration.write_text("telemetry:\n  enabled: false\nnux:\n  enabled: false\n", encoding="utf-8")
    os.environ["DAGSTER_HOME"] = str(home)
    os.environ["DAGSTER_DISABLE_TELEMETRY"] = "1"


def _dev(options: argparse.Namespace) -> int:
    """Dagster's web server and daemon, in this process's place."""
    if options.inbox:
        os.environ["SOZIALRAUM_INBOX"] = str(options.inbox.resolve())
    prepare_dagster()
    dagster = Path(sys.executable).with_name("dagster")
    os.execv(dagster, [str(dagster), "dev", "-m", "dagster_project.code_location"])  # noqa: S606  (our own interpreter's dagster, fixed arguments)


def _outcome(result: Any, data: RegionData) -> int:
    """The exit code of a run, and what a person must know about it on the screen."""
    from dagster_project import gate

    failures = [
        event.event_specific_data.error for event in result.all_events if event.event_type_value == "STEP_FAILURE"
    ]
    for error in failures:
        cause = error.cause or error
        if cause.cls_name == "DagsterAssetCheckFailedError":  # a gate inside a step; its findings are on the screen
            continue
        if cause.cls_name == "GateClosed":
            log.error("Gate 2: %s", _text(cause))
            return GATE_CLOSED
        log.error("%s", _text(cause))
        return WRONG_INPUT if cause.cls_name in INPUT_ERRORS else OUR_ERROR
    if not result.success:
        log.error("Ein Gate ist geschlossen: die bisherige Veröffentlichung bleibt in Kraft.")
        return GATE_CLOSED
    rejected = [item for item in gate.load_findings(data) if item["name"] == "verdict" and not item["success"]]
    return GATE_CLOSED if rejected else DONE


def _text(error: Any) -> str:
    """An exception's own words, without Dagster's prefix of its class."""
    return str(error.message).strip().split(": ", 1)[-1]


# ---------------------------------------------------------------- with those who deliver


def _forget(options: argparse.Namespace) -> int:
    from dagster_project import landing, retention
    from dagster_project.packages import recipients

    declared = declarations.load(project(), options.region)
    data = region_data(options.region)
    with exclusive(data):
        originals = [
            retention.Original(
                path=path,
                source=contract.id,
                municipality=receipt.municipality,
                period=receipt.period,
                delivery=receipt.delivery,
                sha256=receipt.sha256,
                landed_at=date.fromisoformat(receipt.landed_at[:10]),
                retention_days=contract.retention_days,
            )
            for contract in declared.contracts.values()
            if contract.retention_days is not None
            for path, receipt in landing.originals(declared.region, contract, data)
        ]
        try:
            forgotten = retention.forget(data, originals, options.today or date.today(), options.dry_run)
        except OSError as error:
            print(f"Nicht gelöscht: {error}", file=sys.stderr)
            return WRONG_INPUT
    if declared.sharing is not None and not options.dry_run:
        kept = declared.sharing.transmissions_kept_days
        recipients.forget(data.packages, kept, options.today or date.today())
    if options.json:
        print_json({"dry_run": options.dry_run, "forgotten": forgotten})
        return DONE
    done = "würden gelöscht" if options.dry_run else "gelöscht"
    for entry in forgotten:
        print(f"{entry['what']}: {entry['why']}")
    print(f"{len(forgotten)} von {len(originals)} Originaldateien {done}.")
    return DONE


# ---------------------------------------------------------------- share


def _packages(options: argparse.Namespace) -> int:
    from dagster_project.packages import KeyMistake, recipients

    declared, data = declarations.load(project(), options.region), region_data(options.region)
    standing = recipients.release_in_force(data.current)
    if declared.sharing is None or standing is None:
        missing = f"sources/{options.region}/recipients.yml" if declared.sharing is None else "eine Veröffentlichung"
        print(f"Für Pakete fehlt {missing}.", file=sys.stderr)
        return WRONG_INPUT
    try:
        with exclusive(data):
            made = recipients.build(declared, *standing, data.packages, datetime.now(UTC), options.key)
    except KeyMistake as error:
        print(error, file=sys.stderr)
        return WRONG_INPUT
    if options.json:
        print_json([asdict(item) for item in made])
        return DONE
    for item in made:
        print(
            f"{item.recipient}: {data.packages / item.recipient / item.package}, {item.rows['value']} Werte "
            f"({item.added} neu, {item.changed} geändert, {item.removed} entfallen)"
        )
    print(f"{len(made)} Pakete; wer diesen Stand schon hat, bekommt keines.")
    return DONE


def _transmissions(options: argparse.Namespace) -> int:
    from dagster_project.packages import recipients

    found = recipients.ledger(region_data(options.region).packages)
    if options.json:
        print_json([asdict(item) for item in found])
    else:
        for item in found:
            print(f"{item.at}  {item.recipient}  {item.release}  {', '.join(item.purposes)}  sha256 {item.sha256[:16]}")
    return DONE


# ---------------------------------------------------------------- look


def _status(options: argparse.Namespace) -> int:
    from dagster_project import gate, release
    from dagster_project.deliveries import load_receipts

    declared = declarations.load(project(), options.region)
    data = region_data(options.region)
    standing = release.current(data)
    judged = gate.load_findings(data) if (data.judged / "finding.parquet").is_file() else []
    open_findings = [finding for finding in judged if not finding["success"]]
    sources = {}
    landed: list[Receipt] = []
    for source in declared.contracts:
        receipts = load_receipts(data, source).values()
        landed += receipts
        sources[source] = {
            "deliveries": len(receipts),
            "latest_period": max((receipt.period for receipt in receipts), default=None),
            "rejected": sum(receipt.verdict == "rejected" for receipt in receipts),
        }
    decisions = cli_decisions.open_decisions(landed)
    report = {"region": options.region, "release": standing.id if standing else None, "sources": sources,
              "findings": open_findings, **decisions}  # fmt: skip
    if options.json:
        print_json(report)
        return DONE
    print(f"Region {declared.region.name}: Veröffentlichung {report['release'] or 'noch keine'}")
    for source, state in sources.items():
        if not state["deliveries"]:
            print(f"  {source}: noch keine Lieferung")
            continue
        print(
            f"  {source}: {state['deliveries']} Lieferungen bis {state['latest_period']}, {state['rejected']} abgelehnt"
        )
    for line in cli_decisions.open_decisions_text(options.region, decisions):
        print(line)
    for finding in open_findings:
        print(f"  {finding['severity']} {finding['subject']} {finding['name']}: {finding['message']}")
    return DONE


def _releases(options: argparse.Namespace) -> int:
    from dagster_project import release

    found = release.releases(region_data(options.region))
    if options.json:
        print_json([{name: item[name] for name in ("id", "created_at", "in_force", "tables")} for item in found])
    else:
        for item in found:
            print(f"{'*' if item['in_force'] else ' '} {item['id']}  {item['created_at']}  {item['pages']} Seiten")
    return DONE


def _restore(options: argparse.Namespace) -> int:
    from dagster_project import release

    try:
        restored = release.restore(region_data(options.region), options.release, options.show_again_because)
    except release.ReleaseError as error:
        print(error, file=sys.stderr)
        return WRONG_INPUT
    print(f"In Kraft: {restored.id}")
    return DONE


def _diff(options: argparse.Namespace) -> int:
    from dagster_project import release

    try:
        difference = release.compare(region_data(options.region), *options.release)
    except release.ReleaseError as error:
        print(error, file=sys.stderr)
        return WRONG_INPUT
    if options.json:
        print_json(difference)
    else:
        for part, change in difference.items():
            print(f"{part}: {json.dumps(change, ensure_ascii=False)}")
    return DONE


def _reports(options: argparse.Namespace) -> int:
    from dagster_project import release, reports

    data = region_data(options.region)
    if release.current(data) is None:
        print(f"{options.region}: es gibt noch keine Veröffentlichung", file=sys.stderr)
        return WRONG_INPUT
    output = options.output or data.root / "site"
    marts, pages = data.current / "marts.duckdb", project().reports
    try:
        if options.serve:
            with reports.serve(marts.resolve, pages, output, cache=data.charts, port=options.port) as (address, wait):
                print(f"Vorschau: {address} (Ende mit Strg+C)", flush=True)
                wait()
        report = reports.render_site(marts.resolve(), pages, output, cache=data.charts, update=True)
    except KeyboardInterrupt:
        return DONE
    except (reports.PageError, FileExistsError, OSError) as error:
        print(error, file=sys.stderr)
        return WRONG_INPUT
    print(f"{report.rendered} von {sum(report.pages.values())} Seiten neu in {output}")
    return DONE


def _doctor(options: argparse.Namespace) -> int:
    import platform
    from importlib.metadata import version

    names = (
        "duckdb",
        "dbt-core",
        "dbt-duckdb",
        "dagster",
        "great-expectations",
        "pandas",
        "geopandas",
        "jinja2",
    )
    root = project()
    report = {
        "python": platform.python_version(),
        "versions": {name: version(name) for name in names},
        "project": str(root.root),
        "regions": {region: str(region_data(region).root) for region in declarations.regions(root)},
        "inbox": {region: str(region_data(region).inbox) for region in declarations.regions(root)},
        "cpu_count": os.cpu_count(),
    }
    if options.json:
        print_json(report)
    else:
        for name, value in report.items():
            print(f"{name}: {value}")
    return DONE


if __name__ == "__main__":
    sys.exit(main())
