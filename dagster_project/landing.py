"""Landing: a department's file becomes typed, placed rows, or a receipt that says why not.

Reads  inbox/[<municipality>/]<folder>/<file> and geography/area.parquet.
Writes raw/<source>/<delivery>.parquet          the rows that keep the contract: one per area and value column
       quarantine/<source>/<delivery>.parquet   every breach with file, row, column, value, rule and German reason
       receipts/<source>/<delivery>.json        counts, version and verdict

A delivery is a fact: its id is a keyed hash of what it is about and of the file's content. Landing the same file again
changes nothing; another file about the same thing is the next version and supersedes.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pandas as pd

from dagster_project import (
    area_rows,
    damaged_text,
    deliveries,
    header,
    line_numbers,
    packages,
    partly_known,
    reading,
    record_breaches,
    record_rows,
)
from dagster_project import (
    layout as layouts,
)
from dagster_project.area_rows import accept_area_rows
from dagster_project.breaches import Breach, Counts, Unreadable
from dagster_project.decisions import Decision, decided, known_bad, load_decisions
from dagster_project.declarations import Contract, Region
from dagster_project.declarations.contracts import in_words
from dagster_project.deliveries import (
    HELD,
    REJECTED,
    UNUSED,
    About,
    Arrival,
    Receipt,
    as_contracted,
    by_place,
    claimed,
    load_receipts,
    lost_figures,
    predecessors,
    same_subject,
)
from dagster_project.layout import Layout
from dagster_project.line_numbers import no_shifts, place, with_records
from dagster_project.periods import last_day
from dagster_project.reading import read_lines, texts
from dagster_project.record_rows import accept_records, record_facts
from dagster_project.settings import RegionData
from dagster_project.tables import composed, connect, literal, parquet_rows, region_secret, write_json, write_query

# another word in these may land a file differently
CODE = (
    deliveries, reading, layouts, header, line_numbers, damaged_text, partly_known, area_rows, record_rows,
    record_breaches,
)  # fmt: skip
WORKERS = os.cpu_count() or 1
# rules that keep a file for somebody to decide
HOLDING = ("repeated_content", "fewer_figures")


@dataclass(frozen=True)
class Opening:
    """What opens a file: the keys its sender signs with, when the last package was made, our own key to decrypt.

    `refusal` says of the hash of its content why it is not read, if so.
    """

    public_keys: tuple[str, ...] = ()
    packed_after: str = ""
    age_key: Path | None = None
    refusal: Callable[[str], Breach | None] = lambda content: None


@dataclass(frozen=True)
class CheckedFile:
    """What the check of one file found; `reasons` are German sentences, `packed_at` is when its package was made,
    `content_sha256` the hash of the file in it."""

    verdict: str
    counts: Counts
    reasons: list[str]
    packed_at: str = ""
    content_sha256: str = ""
    file_rules: tuple[str, ...] = ()


# ---------------------------------------------------------------- what lies in the inbox


def arrivals(region: Region, contract: Contract, inbox: Path) -> list[Arrival]:
    """Files in the inbox that belong to a contract, in order of what they are about.

    In a region of one municipality the municipality's folder may be left out.
    """
    found = [
        arrival
        for municipality, path in _files(region, contract.folder, inbox)
        if (arrival := claimed(path, municipality, contract))
    ]
    return sorted(found, key=lambda arrival: (arrival.about, arrival.path.name))


def unclaimed(region: Region, contracts: Sequence[Contract], inbox: Path) -> list[Path]:
    """Files in the sources' folders that no contract describes, or whose name tells no possible period."""
    folders = sorted({contract.folder for contract in contracts})
    return [
        path
        for folder in folders
        for municipality, path in _files(region, folder, inbox)
        if not any(claimed(path, municipality, contract) for contract in contracts if contract.folder == folder)
    ]


def missing_sources(region: Region, contracts: Sequence[Contract], data: RegionData) -> list[Contract]:
    """Contracts of which neither a file lies in the inbox nor a delivery was ever landed."""
    return [
        contract
        for contract in contracts
        if not arrivals(region, contract, data.inbox) and not any((data.receipts / contract.id).glob("*.json"))
    ]


def _files(region: Region, folder: str, inbox: Path) -> list[tuple[str, Path]]:
    """Municipality and path of every file that lies in a source's folder."""
    senders = [municipality.id for municipality in region.municipalities]
    if region.region_sender is not None:
        senders.append(region.region_sender)
    folders = {sender: _folder(inbox / sender, folder) for sender in senders}
    if len(region.municipalities) == 1 and _folder(inbox, folder).is_dir():
        folders = {region.municipalities[0].id: _folder(inbox, folder)}
    return [
        (municipality, path)
        for municipality, place in folders.items()
        for path in sorted(place.glob("*"))
        if path.is_file()
    ]


def _folder(parent: Path, name: str) -> Path:
    """A folder by its name, also where another system wrote the accents of its letters as signs of their own."""
    if (parent / name).is_dir() or name.isascii() or not parent.is_dir():
        return parent / name
    return next((path for path in parent.iterdir() if composed(path.name) == name), parent / name)


# ---------------------------------------------------------------- landing


def land(region: Region, contract: Contract, data: RegionData) -> list[Receipt]:
    """Land every file of a source that lies in the inbox; returns the receipts of all its deliveries ever.

    Files that were landed before under the same contract, code and areas are not touched again. A file put back
    in the place of a later one is the sender's last word: it becomes the next version. What was decided about a
    delivery stands in its receipt, and one that is held is looked at again.
    """
    stored = load_receipts(data, contract.id)
    decisions = load_decisions(data, contract.id)
    receipts = {
        name: decided(receipt, contract, decisions) for name, receipt in as_contracted(stored, contract).items()
    }
    _sweep(data.root)
    waiting = _waiting(region, contract, data, receipts, decisions)
    with _database(region, contract, data, len(waiting)) as database:
        _write_columns(database, contract, data)

        def land_one(arrival: Arrival, receipt: Receipt, packed_after: str = "") -> None:
            opening = Opening(
                region.public_keys_of(arrival.municipality),
                packed_after,
                data.age_key,
                lambda content: _refusal(replace(receipt, content_sha256=content), receipts),
            )
            landed = _landed(database, region, contract, arrival, receipt, opening, data)
            receipts[receipt.delivery] = stored[receipt.delivery] = landed

        # the verdict on these hangs on that of others
        contents = Counter(receipt.content for receipt in receipts.values())
        places = by_place(receipts.values())
        later = [item for item in waiting if _hangs_on_others(*item, contents, places)]
        with ThreadPoolExecutor(WORKERS) as workers:
            list(workers.map(lambda item: land_one(*item), (item for item in waiting if item not in later)))
        for arrival, receipt in sorted(later, key=lambda item: (item[1].place, item[1].version)):
            land_one(arrival, receipt, _last_packed(receipt, receipts))
    for name, receipt in receipts.items():
        receipts[name] = decided(receipt, contract, decisions)
        if receipts[name] != stored[name]:
            write_json(asdict(receipts[name]), _receipt_file(data, receipt))
    return sorted(receipts.values(), key=lambda receipt: (receipt.about, receipt.version))


def originals(region: Region, contract: Contract, data: RegionData) -> list[tuple[Path, Receipt]]:
    """The files in the inbox that were landed as they lie there, with their receipts, earlier versions first."""
    receipts = as_contracted(load_receipts(data, contract.id), contract)
    landed = _by_content(receipts.values())
    found = [
        (arrival.path, receipts[delivery])
        for arrival in arrivals(region, contract, data.inbox)
        if (delivery := _identified(contract, arrival, landed, region_secret(data.secret))[0]) in receipts
    ]
    return sorted(found, key=lambda original: (original[1].about, original[1].version, original[0].name))


def load_breaches(data: RegionData, receipt: Receipt) -> pd.DataFrame:
    """Every breach of a delivery: delivery, file_name, row, column_name, value, rule, reason."""
    path = data.quarantine / receipt.source / f"{receipt.delivery}.parquet"
    with connect() as connection:
        if not path.is_file():
            return connection.execute(f"select {_BREACH} from (select {_NO_BREACH}) limit 0").df()
        return connection.execute(f"from {parquet_rows(path)}").df()


def _waiting(
    region: Region,
    contract: Contract,
    data: RegionData,
    receipts: dict[str, Receipt],
    decisions: dict[str, Decision],
) -> list[tuple[Arrival, Receipt]]:
    """The files that must be read, each with the receipt that announces it in `receipts`."""
    fingerprint = _fingerprint(region, contract, data)
    landed, secret = _by_content(receipts.values()), region_secret(data.secret)
    arrived = [
        (arrival, *_identified(contract, arrival, landed, secret)) for arrival in arrivals(region, contract, data.inbox)
    ]
    lying = {delivery for _, delivery, _ in arrived}
    waiting = []
    for arrival, delivery, sha256 in arrived:
        announced = _announced(contract, arrival, delivery, sha256, receipts, fingerprint, lying)
        receipt = decided(announced, contract, decisions)
        known = receipts.get(delivery)
        is_new = known is None or (known.fingerprint, known.version) != (fingerprint, receipt.version)
        if is_new or (known is not None and _may_be_taken(known, receipts)):
            receipts[delivery] = receipt
            waiting.append((arrival, receipt))
    return waiting


def _may_be_taken(known: Receipt, receipts: dict[str, Receipt]) -> bool:
    """Whether a delivery was held and nothing holds it any more."""
    return known.verdict == HELD and not known.withdrawn_because and _refusal(known, receipts) is None


def _by_content(receipts: Iterable[Receipt]) -> dict[tuple[str, str], list[Receipt]]:
    """Receipts by what somebody sent, and who."""
    found: dict[tuple[str, str], list[Receipt]] = {}
    for receipt in receipts:
        found.setdefault((receipt.sha256, receipt.municipality), []).append(receipt)
    return found


def _identified(
    contract: Contract, arrival: Arrival, landed: dict[tuple[str, str], list[Receipt]], secret: bytes
) -> tuple[str, str]:
    """The delivery's id and the hash of the file's content.

    A file that was landed under its name keeps its id, whatever its contract says it is about by now. The id is
    public and keyed: whoever guesses what stands in a small file cannot make sure of it.
    """
    with arrival.path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    for receipt in landed.get((sha256, arrival.municipality), []):
        if receipt.about == arrival.about or receipt.file_name == arrival.path.name:
            return receipt.delivery, sha256
    plain = arrival.layout.model_copy(update={"dimensions": {}, "columns": []})
    is_plain = list(arrival.figures) == contract.figures_of(plain)
    about = arrival.place if is_plain else arrival.about
    return hmac.new(secret, "|".join((contract.id, *about, sha256)).encode(), "sha256").hexdigest()[:16], sha256


def _announced(
    contract: Contract,
    arrival: Arrival,
    delivery: str,
    sha256: str,
    receipts: dict[str, Receipt],
    fingerprint: str,
    lying: set[str],
) -> Receipt:
    """The receipt of a file before it is read: what it is about and which version; `lying`: ids in the inbox."""
    known = receipts.get(delivery)
    earlier = [receipt for receipt in receipts.values() if same_subject(receipt, arrival)]
    latest = max(earlier, key=lambda receipt: receipt.version, default=None)
    own = arrival.layout.missing_areas_at_most
    missing_areas_at_most = contract.missing_areas_at_most if own is None else own
    if known is not None and known.place == arrival.place and latest and latest.delivery in lying:
        return replace(
            known,
            fingerprint=fingerprint,
            file_name=composed(arrival.path.name),
            missing_areas_at_most=missing_areas_at_most,
        )
    before = max(
        (receipt for receipt in earlier if receipt.delivery != delivery), key=lambda item: item.version, default=None
    )
    return Receipt(
        delivery=delivery,
        source=contract.id,
        municipality=arrival.municipality,
        period=arrival.period,
        reference_date=arrival.reference_date.isoformat(),
        geography=contract.geography,
        edition=arrival.edition,
        level=arrival.level,
        version=latest.version + 1 if latest else 1,
        supersedes=before.delivery if before else None,
        file_name=composed(arrival.path.name),
        sha256=sha256,
        landed_at=datetime.now(UTC).replace(tzinfo=None).isoformat(timespec="seconds"),
        fingerprint=fingerprint,
        dimensions=" ".join(in_words(arrival.layout.dimensions)),
        figures=list(arrival.figures),
        missing_areas_at_most=missing_areas_at_most,
    )


def _sweep(workspace: Path) -> None:
    """Remove what a killed run left of files it had unpacked or transcoded: identifiers stay in the inbox."""
    for folder in workspace.glob(f"{packages.WORKSPACE}*"):
        shutil.rmtree(folder)
    for copy in workspace.glob(f".*{reading.TRANSCODED}"):
        copy.unlink()


def _fingerprint(region: Region, contract: Contract, data: RegionData) -> str:
    """Changes when the same file might land differently: with contract, senders' keys, code or areas."""
    senders = [item.id for item in region.municipalities] + [region.region_sender or ""]
    parts = [
        contract.model_dump_json().encode(),
        repr([region.public_keys_of(sender) for sender in senders]).encode(),
        Path(__file__).read_bytes(),
        *(Path(str(module.__file__)).read_bytes() for module in CODE),
        *(path.read_bytes() for path in packages.CODE),
        *(path.read_bytes() for path in sorted(data.geography.glob("*.parquet"))),
    ]
    return hashlib.sha256(b"".join(hashlib.sha256(part).digest() for part in parts)).hexdigest()[:16]


def _database(region: Region, contract: Contract, data: RegionData, files: int) -> duckdb.DuckDBPyConnection:
    """What all files of a source share. Files run side by side, one thread each: together they take less time so."""
    database = connect(spill=data.spill, threads=max(1, WORKERS // max(files, 1)))
    if contract.shape == "records" and files:
        keys = ", ".join(f"({literal(municipality.id)})" for municipality in region.municipalities)
        database.execute(
            f"""
            create table municipality as select * from (values {keys}) as known (ags);
            create table street_range as
            select * from {parquet_rows(data.geography / "street_range.parquet")}
            where geography = {literal(contract.geography)}
            """
        )
    return database


def _landed(
    database: duckdb.DuckDBPyConnection,
    region: Region,
    contract: Contract,
    arrival: Arrival,
    receipt: Receipt,
    opening: Opening,
    data: RegionData,
) -> Receipt:
    """Read, check and store one file; its receipt is written last, so that a killed run lands it again.

    What belongs to the file alone goes with its connection.
    """
    with database.cursor() as connection:

        def know_places() -> None:
            _know_areas(connection, region, contract, receipt, data)

        checked = check_file(connection, contract, arrival, data.root, know_places, opening)
        landed = _counted(receipt, checked)
        _write(connection, contract, landed, data)
    write_json(asdict(landed), _receipt_file(data, landed))
    return landed


def _receipt_file(data: RegionData, receipt: Receipt) -> Path:
    return data.receipts / receipt.source / f"{receipt.delivery}.json"


def check_file(
    connection: duckdb.DuckDBPyConnection,
    contract: Contract,
    arrival: Arrival,
    workspace: Path,
    know_places: Callable[[], None],
    opening: Opening,
) -> CheckedFile:
    """Read and judge one file, plain or packed, against its contract; needs no data folder, and stores nothing.

    `know_places` is called when the rows stand in `line` of the connection; it creates what they may speak
    of: `expected_area(area)` for a table, `street_range` and `municipality` for records (see `area_rows` and
    `record_rows`). Leaves the table `breach` in the connection, and `accepted` where the file could be read.
    `workspace` is a folder for a transcoded copy, which is gone afterwards.
    """
    layout = Layout(contract, arrival.layout)
    sender = packages.Sender(contract.id, arrival.municipality, arrival.period, opening.public_keys)
    try:
        facts = record_facts(layout, last_day(arrival.period)) if contract.shape == "records" else texts(layout)
        with packages.opened(arrival.path, sender, workspace, opening.age_key, opening.packed_after) as file:
            content = packages.sha256(file.path)
            if refusal := _declared_bad(contract, content) or opening.refusal(content):
                return replace(_unread(connection, [refusal]), packed_at=file.packed_at, content_sha256=content)
            read_lines(connection, file.path, layout, workspace, facts)
            know_places()
            counts = _accept(connection, layout, arrival)
    except packages.Refused as error:
        return _unread(connection, [Breach(error.rule, str(error))])
    except Unreadable as error:
        return _unread(connection, error.breaches)
    return replace(_judged(connection, contract, counts), packed_at=file.packed_at, content_sha256=content)


def _unread(connection: duckdb.DuckDBPyConnection, breaches: Sequence[Breach]) -> CheckedFile:
    """A file that was not taken row by row."""
    _store_breaches(connection, breaches)
    no_shifts(connection)
    rules = tuple(dict.fromkeys(breach.rule for breach in breaches))
    verdict = HELD if all(breach.rule in HOLDING for breach in breaches) else REJECTED
    return CheckedFile(verdict, Counts(), [breach.reason for breach in breaches], file_rules=rules)


def _accept(connection: duckdb.DuckDBPyConnection, layout: Layout, arrival: Arrival) -> Counts:
    period_text = _period_text(layout, arrival)
    if layout.contract.shape == "table":
        return accept_area_rows(connection, layout, arrival.municipality, period_text)
    return accept_records(connection, layout, arrival.municipality, period_text)


def _know_areas(
    connection: duckdb.DuckDBPyConnection, region: Region, contract: Contract, receipt: Receipt, data: RegionData
) -> None:
    """The areas of its edition and level that a table may speak of."""
    if contract.shape == "records":
        return
    connection.execute(
        f"""
        create temp table expected_area as
        select area
        from {parquet_rows(data.geography / "area.parquet")}
        where geography = $geography and edition = $edition and level = $level and not is_unallocated
            and $reference_date::date between coalesce(exists_from, $reference_date::date)
            and coalesce(exists_to, $reference_date::date)
            and (coalesce(municipality, '') in ('', $municipality) or $municipality = $region_sender)
        """,
        {
            **{name: getattr(receipt, name) for name in ("geography", "edition", "level", "reference_date")},
            "municipality": receipt.municipality,
            "region_sender": region.region_sender or "",
        },
    )


def _hangs_on_others(
    arrival: Arrival, receipt: Receipt, contents: Counter[str], places: dict[About, list[Receipt]]
) -> bool:
    """Whether a file can only be judged when others are: what is in a package is not known before it is opened."""
    return (
        packages.is_package(arrival.path)
        or contents[receipt.content] > 1
        or any(lost_figures(other.figures, receipt.figures) for other in predecessors(receipt, places[receipt.place]))
    )


def _declared_bad(contract: Contract, content: str) -> Breach | None:
    reason = known_bad(contract, content)
    return Breach("known_bad", f"Diese Datei wird nicht angenommen: {reason}") if reason else None


def _refusal(receipt: Receipt, receipts: dict[str, Receipt]) -> Breach | None:
    """Why a file is not read though it may be well-formed: withdrawn before, another one's content, fewer figures."""
    same = [item for item in receipts.values() if item.content == receipt.content and item.delivery != receipt.delivery]
    for other in same:
        if other.withdrawn_because and same_subject(other, receipt):
            return Breach(
                "withdrawn_content",
                f"Der Inhalt ist derselbe wie in {other.file_name}; diese Lieferung ist zurückgezogen: "
                f"{other.withdrawn_because}",
            )
    if receipt.taken_because or receipt.withdrawn_because:
        return None
    for other in same:
        if other.is_used and other.about != receipt.about and not other.taken_because:
            return Breach(
                "repeated_content",
                f"Der Inhalt ist derselbe wie in {other.file_name} für {other.subject}. Vermutlich liegt eine der "
                "beiden Dateien unter einem falschen Namen. Sie wird erst verwendet, wenn die Statistikstelle es "
                "entscheidet.",
            )
    for other in predecessors(receipt, receipts.values()):
        lost = lost_figures(other.figures, receipt.figures)
        if lost and other.is_used and other.version < receipt.version:
            return Breach(
                "fewer_figures",
                f"Die Datei würde {other.file_name} für {other.subject} ersetzen, enthält aber nicht, was dort steht: "
                f"{', '.join(lost[:5])}{' …' if len(lost) > 5 else ''}. Sie wird erst verwendet, wenn die "
                "Statistikstelle es entscheidet.",
            )
    return None


def _last_packed(receipt: Receipt, receipts: dict[str, Receipt]) -> str:
    """When the newest package about the same that was taken before was made."""
    before = [item for item in predecessors(receipt, receipts.values()) if item.version < receipt.version]
    return max((other.packed_at for other in before if other.verdict not in UNUSED), default="")


def _period_text(layout: Layout, arrival: Arrival) -> str | None:
    period = next((column for column in layout.columns if column.role == "period"), None)
    return arrival.reference_date.strftime(period.format) if period and period.format else arrival.period


def _judged(connection: duckdb.DuckDBPyConnection, contract: Contract, counts: Counts) -> CheckedFile:
    """The verdict on a file that could be read: accepted, partly, or rejected above the contract's tolerance."""
    is_rejected = counts.quarantined > contract.rejected_rows_at_most * counts.read
    reasons: list[str] = []
    if counts.quarantined:
        reasons = [
            f"{counts.quarantined} von {counts.read} Zeilen verletzen den Vertrag "
            f"(erlaubt: {contract.rejected_rows_at_most * 100:g} %).",
            *_examples(connection),
        ]
    verdict = REJECTED if is_rejected else "partly" if counts.quarantined else "accepted"
    return CheckedFile(verdict, counts, reasons)


def _counted(receipt: Receipt, checked: CheckedFile) -> Receipt:
    counts = checked.counts
    return replace(
        receipt,
        verdict=checked.verdict,
        packed_at=checked.packed_at,
        content_sha256="" if checked.content_sha256 == receipt.sha256 else checked.content_sha256,
        reasons=checked.reasons,
        rules=[],
        file_rules=list(checked.file_rules),
        rows_read=counts.read,
        rows_accepted=counts.read - counts.quarantined,
        rows_quarantined=counts.quarantined,
        rows_skipped=counts.skipped,
        rows_unallocated=counts.unallocated,
        corrections=[asdict(correction) for correction in counts.corrections],
    )


def _examples(connection: duckdb.DuckDBPyConnection) -> list[str]:
    """One sentence per rule and column, with the first row that breaks it; the quarantine holds them all."""
    found = connection.execute(
        f"""
        select min(row), min(record), column_name, arg_min(value, row), arg_min(reason, row), count(*)
        from {with_records("breach")} where is_quarantined group by rule, column_name order by 1, 3 limit 5
        """
    ).fetchall()
    return [
        f"Zeile {place(row, record)}"
        + (f", Spalte {column}" if column else "")
        + (f", Wert „{value[:60]}“" if value else "")
        + f": {reason}"
        + (f" (und {count - 1} weitere)" if count > 1 else "")
        for row, record, column, value, reason, count in found
    ]


# ---------------------------------------------------------------- storing

_BREACH = "delivery, file_name, row, record, column_name, value, rule, reason, is_quarantined"
_NO_BREACH = (
    "'' as delivery, '' as file_name, 0::bigint as row, 0::bigint as record, '' as column_name, '' as value, "
    "'' as rule, '' as reason, true as is_quarantined"
)


def _store_breaches(connection: duckdb.DuckDBPyConnection, breaches: Sequence[Breach]) -> None:
    connection.execute(
        """
        create or replace temp table breach
            (row bigint, column_name varchar, value varchar, rule varchar, reason varchar, is_quarantined boolean)
        """
    )
    connection.executemany(
        "insert into breach values (null, ?, null, ?, ?, true)",
        [[breach.column, breach.rule, breach.reason] for breach in breaches],
    )


def _write(connection: duckdb.DuckDBPyConnection, contract: Contract, receipt: Receipt, data: RegionData) -> None:
    """Store what a delivery brought; of a rejected one only its breaches."""
    raw = data.raw / receipt.source / f"{receipt.delivery}.parquet"
    quarantine = data.quarantine / receipt.source / f"{receipt.delivery}.parquet"
    raw.unlink(missing_ok=True)
    quarantine.unlink(missing_ok=True)
    if receipt.verdict not in UNUSED:
        # records are counted, not read: in which order they lie does not matter
        ordered = " order by row, column_name" if contract.shape == "table" else ""
        write_query(connection, f"select {_landed_columns(contract, receipt)} from accepted{ordered}", raw)
    if connection.execute("select count(*) from breach").fetchone() != (0,):
        named = f"{literal(receipt.delivery)} as delivery, {literal(receipt.file_name)} as file_name, *"
        write_query(
            connection,
            f"select {_BREACH} from (select {named} from {with_records('breach')}) order by row, column_name, rule",
            quarantine,
        )


def _landed_columns(contract: Contract, receipt: Receipt) -> str:
    """The columns of a landed row: what the receipt knows is the same for all, a record's municipality is its own."""
    known = asdict(receipt)
    if contract.shape == "records":
        del known["municipality"]
    return ", ".join(
        f"cast({literal(known[name])} as {kind}) as {name}" if name in known else name
        for name, kind in contract.landed_columns.items()
    )


def _write_columns(connection: duckdb.DuckDBPyConnection, contract: Contract, data: RegionData) -> None:
    """An empty file with the columns of a source's rows: readers of the folder know them before the first delivery."""
    path = data.raw / contract.id / "_columns.parquet"
    columns = ", ".join(f"cast(null as {kind}) as {name}" for name, kind in contract.landed_columns.items())
    wanted = connection.execute(f"select {columns} limit 0").description
    if path.is_file() and connection.execute(f"from {parquet_rows(path)}").description == wanted:
        return
    write_query(connection, f"select {columns} limit 0", path)
