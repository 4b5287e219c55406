"""What goes back to those who deliver: receipts, and the words for every rule.

Reads  receipts/<source>/*.json, quarantine/<source>/*.parquet and reports/templates/receipt.html.j2.
Writes receipts/<source>/<delivery>.html, and into the receipt's JSON its faults by rule.

A receipt names rows, columns and rules; values only where the quarantine holds them, which of records are codes and
numbers, never identifiers or addresses.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import Any

import jinja2

from dagster_project.declarations import Contract
from dagster_project.deliveries import HELD, UNUSED, WITHDRAWN
from dagster_project.line_numbers import place
from dagster_project.settings import RegionData, project
from dagster_project.tables import CONFIDENTIAL, connect, parquet_rows, read_json, write_json

Receipt = Mapping[str, Any]

VERDICTS = {
    "accepted": "angenommen",
    "partly": "teilweise angenommen",
    "rejected": "abgelehnt",
    "held": "noch nicht angenommen: Sie wartet auf eine Entscheidung",
    "withdrawn": "zurückgezogen",
}
SHOWN_VALUE = 200  # characters
SHOWN_ROWS = 20  # of one rule, on the screen


@dataclass(frozen=True)
class Advice:
    """A rule in the words of its reader, and how to mend what breaks it."""

    title: str
    fix: str


ADVICE = {
    # the file as a whole
    "empty_file": Advice("Leere Datei", "Den Export wiederholen und die Datei vor dem Senden öffnen."),
    "no_rows": Advice("Keine Datenzeilen", "Zeitraum und Filter des Exports prüfen und erneut exportieren."),
    "no_text_file": Advice("Keine CSV-Datei", "Im Programm „Speichern unter“ das Format CSV wählen."),
    "wrong_encoding": Advice("Andere Zeichenkodierung", "Beim Export die vereinbarte Zeichenkodierung einstellen."),
    "wrong_header": Advice(
        "Kopfzeile nicht erkannt", "Die Spaltennamen als erste Zeile mitliefern, mit dem vereinbarten Trennzeichen."
    ),
    "missing_column": Advice(
        "Spalte fehlt", "Die Spalte im Export wieder aufnehmen oder ihren neuen Namen der Statistikstelle melden."
    ),
    "repeated_column": Advice("Spalte doppelt", "Die Spalte nur einmal exportieren."),
    "unknown_column": Advice(
        "Unbekannte Spalte", "Die Spalte im Export weglassen oder der Statistikstelle melden, was sie enthält."
    ),
    "mixed_line_ends": Advice("Verschiedene Zeilenenden", "Die Datei neu exportieren, nicht von Hand zusammenfügen."),
    "open_quotation": Advice(
        "Offenes Anführungszeichen", "Das einzelne Anführungszeichen in der genannten Zelle im Fachverfahren entfernen."
    ),
    "damaged_text": Advice(
        "Beschädigte Zeichen",
        "Die Datei neu exportieren und dabei die vereinbarte Zeichenkodierung wählen; sie nicht mit einem anderen "
        "Programm öffnen und wieder speichern.",
    ),
    "too_many_skipped_rows": Advice(
        "Zu viele Zeilen ohne Daten", "Anmerkungen und Summen unter oder zwischen den Daten entfernen."
    ),
    "repeated_content": Advice(
        "Inhalt einer anderen Lieferung",
        "Prüfen, welche der beiden Dateien richtig benannt ist, und es der Statistikstelle melden; die andere neu "
        "exportieren und liefern.",
    ),
    "fewer_figures": Advice(
        "Weniger Angaben als bisher",
        "Die fehlenden Spalten mitliefern oder der Statistikstelle melden, dass sie entfallen.",
    ),
    "withdrawn_content": Advice("Zurückgezogener Inhalt", "Die richtige Datei neu exportieren und liefern."),
    "known_bad": Advice("Als falsch bekannte Datei", "Die richtige Datei neu exportieren und liefern."),
    # its package
    **dict.fromkeys(
        (
            "package_unreadable",
            "package_path",
            "package_link",
            "package_method",
            "package_repeated_name",
            "package_too_big",
            "package_no_sums",
            "package_wrong_hash",
            "package_other_files",
            "package_description",
            "package_future",
        ),
        Advice("Paket nicht angenommen", "Die Datei mit „sozialraum pack-delivery“ neu packen und erneut liefern."),
    ),
    **dict.fromkeys(
        ("package_unsigned", "package_wrong_signer"),
        Advice("Unterschrift des Pakets", "Mit dem Schlüssel der eigenen Stelle packen, der hier hinterlegt ist."),
    ),
    **dict.fromkeys(
        ("package_other_contract", "package_other_sender", "package_other_period"),
        Advice("Paket einer anderen Lieferung", "Das Paket im Ordner der Stelle ablegen, zu der es gehört."),
    ),
    "package_replayed": Advice("Älteres Paket", "Den neuesten Stand packen und liefern."),
    "package_not_for_us": Advice(
        "Nicht für diese Stelle verschlüsselt", "Mit dem öffentlichen Schlüssel der Statistikstelle verschlüsseln."
    ),
    # its rows
    "broken_row": Advice(
        "Zeile unvollständig oder überzählig",
        "Anmerkungen unter der Tabelle entfernen; bricht die Datei hier ab, den Export wiederholen.",
    ),
    "unknown_area": Advice(
        "Unbekanntes Gebiet",
        "Den Schlüssel mit dem Gebietsverzeichnis des Stichtags vergleichen, auch führende Nullen.",
    ),
    "duplicate_key": Advice("Gebiet mehrfach", "Jedes Gebiet in genau einer Zeile liefern."),
    "duplicate_record": Advice("Datensatz mehrfach", "Den doppelten Datensatz aus dem Export nehmen."),
    "wrong_period": Advice(
        "Anderer Zeitraum", "Den Zeitraum im Dateinamen und in der Spalte in Übereinstimmung bringen."
    ),
    "empty": Advice("Wert fehlt", "Den Wert nachtragen oder das vereinbarte Zeichen für „unbekannt“ eintragen."),
    "not_a_number": Advice(
        "Keine Zahl", "Eine Zahl ohne Tausenderpunkt und Einheit oder ein vereinbartes Zeichen liefern."
    ),
    "maybe_thousands": Advice(
        "Zahl mit zwei Lesarten",
        "Zahlen ohne Tausendertrennzeichen liefern, ganze Zahlen ohne Nachkommastellen; liefert das Fachverfahren "
        "wirklich drei Nachkommastellen, der Statistikstelle Bescheid geben.",
    ),
    "not_an_integer": Advice("Keine ganze Zahl", "Eine ganze Zahl ohne Tausenderpunkt und Einheit liefern."),
    "out_of_range": Advice(
        "Wert außerhalb des Bereichs", "Den Wert prüfen; ist er richtig, die Statistikstelle ansprechen."
    ),
    "wrong_municipality": Advice(
        "Andere Gemeinde", "Den Gemeindeschlüssel berichtigen oder den Datensatz aus dem Export nehmen."
    ),
    "unknown_code": Advice(
        "Unbekannter Schlüssel", "Den Schlüssel berichtigen; ist er neu, der Statistikstelle seine Bedeutung melden."
    ),
    "no_date": Advice("Kein Datum", "Das Datum im vereinbarten Format liefern."),
    "no_birth_date": Advice("Unmögliches Geburtsdatum", "Das Geburtsdatum im Fachverfahren prüfen und berichtigen."),
    "partly_known_date": Advice(
        "Teilweise unbekanntes Datum",
        "Das Datum nicht erfinden: der Statistikstelle melden, dass es solche Daten gibt; sie erklärt im Vertrag "
        "(„partly_known“), als welcher Tag sie zählen. Danach die Datei unverändert noch einmal liefern.",
    ),
    "unknown_street": Advice(
        "Unbekannte Straße", "Den Straßenschlüssel prüfen; ist die Straße neu, der Statistikstelle melden."
    ),
    "unknown_house_number": Advice(
        "Unbekannte Hausnummer", "Die Hausnummer prüfen; ist sie neu, der Statistikstelle melden."
    ),
}
CORRECTIONS = {
    "leading_zeros_restored": "wurden in der Spalte {} führende Nullen ergänzt.",
    "partly_known_date": "war in der Spalte {} der Tag oder der Monat unbekannt; dafür gilt der Tag, den der "
    "Vertrag nennt.",
}
ADDRESS = "Anschrift"
ADDRESS_RULES = ("unknown_street", "unknown_house_number")
OTHER_RULE = Advice("Verstoß gegen den Vertrag", "Die genannten Zeilen prüfen und berichtigen.")


@dataclass(frozen=True)
class Fault:
    """A breach as the quarantine holds it; `row` and `record` are None where the file as a whole is meant."""

    row: int | None
    column: str | None
    value: str | None
    rule: str
    reason: str
    is_quarantined: bool
    record: int | None = None

    @property
    def place(self) -> str:
        """The line of its row, and where cells with line ends part the two, the row of a spreadsheet."""
        return "" if self.row is None else place(self.row, self.record)


@dataclass(frozen=True)
class FaultGroup:
    """All faults of one rule in one column, in the order of their rows."""

    faults: list[Fault]

    @property
    def first(self) -> Fault:
        return self.faults[0]

    @property
    def advice(self) -> Advice:
        return ADVICE.get(self.first.rule, OTHER_RULE)

    @property
    def has_values(self) -> bool:
        return any(fault.value for fault in self.faults)

    @property
    def title(self) -> str:
        column = self.first.column
        if column is None:
            return self.advice.title
        return f"{self.advice.title}, {column if column == ADDRESS else f'Spalte {column}'}"

    @property
    def extent(self) -> str:
        """How many rows; nothing where the file as a whole is meant."""
        if self.first.row is None:
            return ""
        return f": {_german_count(len(self.faults))} {'Zeile' if len(self.faults) == 1 else 'Zeilen'}"


# ---------------------------------------------------------------- receipts


def write_receipts(
    data: RegionData,
    source: str,
    contract: Contract | None = None,
    municipalities: Mapping[str, str] | None = None,
) -> list[Path]:
    """A page beside every receipt of a source; returns all pages, and rewrites only what has changed.

    `contract` and `municipalities` (key: name) give the page the names people know.
    """
    receipts = {receipt["delivery"]: receipt for receipt in map(read_json, _receipt_files(data, source))}
    # what waits or was withdrawn takes nobody's place
    later: dict[str, Receipt] = {
        receipt["supersedes"]: receipt
        for receipt in receipts.values()
        if receipt["supersedes"] is not None and _verdict(receipt) not in ("held", "withdrawn")
    }
    template = _template()
    pages = []
    for receipt in receipts.values():
        faults = load_faults(data, receipt)
        rules = summary_by_rule(faults)
        path = data.receipts / source / f"{receipt['delivery']}.json"
        if receipt.get("rules") != rules:
            receipt["rules"] = rules
            write_json(receipt, path)
        page = path.with_suffix(".html")
        shown = _shown(receipt, in_sender_words(faults, contract, receipt["file_name"]), contract, receipts, later)
        sender = receipt["municipality"]
        named = f"{municipalities[sender]} ({sender})" if municipalities and sender in municipalities else sender
        _write_text(template.render(shown, title=contract.title if contract else source, sender=named), page)
        pages.append(page)
    return pages


def load_faults(data: RegionData, receipt: Receipt) -> list[Fault]:
    """Every breach of a delivery, from its quarantine."""
    path = data.quarantine / receipt["source"] / f"{receipt['delivery']}.parquet"
    if not path.is_file():
        return []
    with connect() as connection:
        found = connection.execute(
            f"""
            select row, column_name, value, rule, reason, is_quarantined, record from {parquet_rows(path)}
            order by row, column_name, rule
            """
        )
        return [Fault(*row) for row in found.fetchall()]


def summary_by_rule(faults: Iterable[Fault]) -> list[dict[str, Any]]:
    """How many faults there are of each rule and column: quarantined ones first, by their first row."""
    return [
        {
            "rule": group.first.rule,
            "column": group.first.column,
            "count": len(group.faults),
            "first_row": group.first.row,
            "is_quarantined": group.first.is_quarantined,
            "reason": group.first.reason,
            "fix": group.advice.fix,
        }
        for group in grouped(faults)
    ]


def grouped(faults: Iterable[Fault]) -> list[FaultGroup]:
    """Faults by whether they bar the row, rule and column: barring ones first, then by their first row.

    The unknown address of a row that is barred anyway is left out, so that the unallocated rows add up to their count.
    """
    listed = list(faults)
    barred = {fault.row for fault in listed if fault.is_quarantined}
    counted = [fault for fault in listed if fault.is_quarantined or fault.row not in barred]

    def kind(fault: Fault) -> tuple[bool, str, str]:
        return (not fault.is_quarantined, fault.rule, fault.column or "")

    ordered = sorted(counted, key=lambda fault: (kind(fault), fault.row or 0, fault.value or "", fault.reason))
    groups = [FaultGroup(list(items)) for _, items in groupby(ordered, key=kind)]
    return sorted(groups, key=lambda group: (not group.first.is_quarantined, group.first.row or 0, kind(group.first)))


def in_sender_words(faults: Iterable[Fault], contract: Contract | None, file_name: str) -> list[Fault]:
    """The faults with columns as the sender of this file may call them, not as we do."""
    if contract is None:
        return list(faults)
    words = _words(contract, file_name)
    return [
        replace(fault, column=ADDRESS if fault.rule in ADDRESS_RULES else words.get(fault.column, fault.column))
        if fault.column
        else fault
        for fault in faults
    ]


def _words(contract: Contract | None, file_name: str) -> dict[str, str]:
    """Our names of columns, and what the sender of this file may call them."""
    if contract is None:
        return {}
    layout = next((layout for layout in contract.files if re.fullmatch(layout.name, file_name)), None)
    columns = [*contract.columns, *(layout.columns if layout else [])]
    return {
        column.name: f"{' / '.join(column.aliases)} ({column.name})" if column.aliases else column.name
        for column in columns
    }


def in_words(receipt: Receipt, contract: Contract | None) -> list[str]:
    """What was mended in a delivery without asking, a German sentence each."""
    words = _words(contract, receipt["file_name"])
    return [
        f"In {_german_count(mended['rows'])} {'Zeile' if mended['rows'] == 1 else 'Zeilen'} "
        + CORRECTIONS[mended["rule"]].format(words.get(mended["column"], mended["column"]))
        for mended in receipt.get("corrections", [])
    ]


def _receipt_files(data: RegionData, source: str) -> list[Path]:
    return sorted((data.receipts / source).glob("*.json"))


def _shown(
    receipt: Receipt,
    faults: Sequence[Fault],
    contract: Contract | None,
    receipts: Mapping[str, Receipt],
    later: Mapping[str, Receipt],
) -> dict[str, Any]:
    """What the page shows of one delivery and of the versions before and after it."""
    groups = grouped(faults)
    earlier, successor = receipts.get(receipt["supersedes"] or ""), later.get(receipt["delivery"])
    return {
        "receipt": receipt,
        "period": _german_period(receipt["period"]),
        "verdict": VERDICTS[_verdict(receipt)],
        "verdict_class": _verdict(receipt),
        "barred": [group for group in groups if group.first.is_quarantined],
        "unallocated": [group for group in groups if not group.first.is_quarantined],
        "earlier": earlier,
        "later": successor,
        "rows_taken": rows_taken(receipt),
        "to_do": what_to_do(receipt, earlier, successor),
        "corrections": in_words(receipt, contract),
    }


def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(project().reports / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(count=_german_count, day=_german_day, shown=lambda text: text[:SHOWN_VALUE])
    return environment.get_template("receipt.html.j2")


def _write_text(text: str, path: Path) -> None:
    """Write a page that appears complete or not at all, readable by its owner alone; nothing where it stands so."""
    if path.is_file() and path.read_text(encoding="utf-8") == text:
        return
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        descriptor = os.open(temporary, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, CONFIDENTIAL)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


# ---------------------------------------------------------------- what the sender reads


def rows_taken(receipt: Receipt) -> int:
    """Rows that count: those without a breach, unless the delivery is rejected as a whole."""
    return 0 if _verdict(receipt) in UNUSED else int(receipt["rows_accepted"])


def _verdict(receipt: Receipt) -> str:
    """The verdict of landing, unless the delivery was withdrawn since."""
    return WITHDRAWN if receipt.get("withdrawn_because") else str(receipt["verdict"])


def what_to_do(receipt: Receipt, earlier: Receipt | None = None, later: Receipt | None = None) -> list[str]:
    """What the sender should do now, in German sentences; `earlier` and `later` are versions of the same."""
    if later is not None:
        return [
            f"Zu dieser Lieferung ist eine neuere Fassung eingegangen: {later['file_name']} (Version "
            f"{later['version']}). Maßgeblich ist deren Quittung; zu dieser ist nichts mehr zu tun."
        ]
    steps = []
    if because := receipt.get("withdrawn_because"):
        return [
            f"Diese Lieferung wurde zurückgezogen und wird nicht verwendet: {because}",
            "Bitte liefern Sie die richtige Datei; was vorher galt, gilt bis dahin wieder.",
        ]
    if receipt["verdict"] == HELD:
        return [
            *receipt["reasons"],
            "Bitte klären Sie mit der Statistikstelle, was gelten soll. Bis dahin wird keine Zeile übernommen.",
        ]
    if because := receipt.get("taken_because"):
        steps.append(f"Die Statistikstelle hat entschieden, diese Lieferung zu verwenden: {because}")
    if receipt["verdict"] == "rejected":
        steps.append(
            "Keine Zeile dieser Datei wurde übernommen. Bitte beheben Sie die genannten Fehler im Fachverfahren."
        )
    elif receipt["verdict"] == "partly":
        steps.append(
            "Die übrigen Zeilen sind übernommen; die genannten fehlen in der Statistik. Bitte berichtigen Sie diese "
            "im Fachverfahren."
        )
    if receipt["verdict"] != "accepted":
        steps += [
            "Prüfen Sie die neue Datei vor dem Senden mit „sozialraum check-delivery“.",
            "Liefern Sie danach die vollständige Datei noch einmal, nicht nur die berichtigten Zeilen; "
            "sie ersetzt diese.",
        ]
    if receipt["verdict"] == "rejected" and earlier is not None:
        steps.append(
            f"Bis dahin bleibt es bei der früheren Lieferung ({earlier['file_name']}), soweit sie angenommen ist."
        )
    # rows of a table that name no area do so by contract
    if receipt["rows_unallocated"] and not receipt["level"]:
        steps.append(
            "Bitte prüfen Sie die Anschriften der nicht zuordenbaren Zeilen. Neue Straßen und Hausnummern melden Sie "
            "der Statistikstelle; mit der nächsten Lieferung zählen die Datensätze dann im richtigen Gebiet."
        )
    return steps or [
        "Es ist nichts zu tun. Vielen Dank für die Lieferung.",
        "Ob die Zahlen vollständig sind und zu früheren Lieferungen passen, wird danach geprüft; fällt dabei etwas "
        "auf, meldet sich die Statistikstelle.",
    ]


def check_text(receipt: Receipt, faults: Iterable[Fault], unchecked: Sequence[str], contract: Contract) -> str:
    """The result of a check as German text for the screen."""
    counts = [
        ("gelesen", receipt["rows_read"]),
        ("ohne Verstoß", receipt["rows_accepted"]),
        ("mit Verstoß", receipt["rows_quarantined"]),
        ("übergangen (keine Daten)", receipt["rows_skipped"]),
        ("keinem Gebiet zuordenbar", receipt["rows_unallocated"]),
    ]
    lines = [
        f"{receipt['file_name']}: {VERDICTS[receipt['verdict']]}",
        f"{contract.title}, Zeitraum {_german_period(receipt['period'])}",
        "Zeilen: " + ", ".join(f"{name} {_german_count(number)}" for name, number in counts if number is not None),
    ]
    for group in grouped(in_sender_words(faults, contract, receipt["file_name"])):
        lines += ["", *_group_text(group)]
    if mended := in_words(receipt, contract):
        lines += ["", "Von uns berichtigt:", *(f"  {sentence}" for sentence in mended)]
    if unchecked:
        lines += ["", "Nicht geprüft:", *(f"  {text}" for text in unchecked)]
    return "\n".join([*lines, "", "Was jetzt zu tun ist:", *(f"  {step}" for step in what_to_do(receipt))])


def _group_text(group: FaultGroup) -> list[str]:
    kept = "" if group.first.is_quarantined else " (zählen für die Gemeinde, aber für kein Gebiet)"
    lines = [f"{group.title}{group.extent}{kept}", f"  {group.first.reason}", f"  So beheben: {group.advice.fix}"]
    rows = [
        fault.place + (f" („{fault.value[:60]}“)" if fault.value else "")
        for fault in group.faults
        if fault.row is not None
    ]
    if rows:
        more = len(rows) - SHOWN_ROWS
        tail = f" und {_german_count(more)} weitere (alle mit --json)" if more > 0 else ""
        lines.append(f"  Zeilen: {', '.join(rows[:SHOWN_ROWS])}{tail}")
    return lines


def check_as_json(receipt: Receipt, faults: Iterable[Fault], unchecked: Sequence[str]) -> dict[str, Any]:
    """The result of a check for programs: the receipt's fields, faults by rule and every fault with its fix."""
    listed = list(faults)
    return {
        **receipt,
        "unchecked": list(unchecked),
        "rules": summary_by_rule(listed),
        "faults": [{**asdict(fault), "fix": ADVICE.get(fault.rule, OTHER_RULE).fix} for fault in listed],
    }


def _german_count(number: int) -> str:
    return f"{number:,}".replace(",", ".")


def _german_day(text: str) -> str:
    """An ISO date, or date and time of day in UTC, as a German reader writes it."""
    day = f"{text[8:10]}.{text[5:7]}.{text[:4]}"
    return f"{day}, {text[11:16]} Uhr (UTC)" if "T" in text else day


def _german_period(period: str) -> str:
    if match := re.fullmatch(r"(\d{4})-Q([1-4])", period):
        return f"{match[2]}. Quartal {match[1]}"
    if match := re.fullmatch(r"(\d{4})-(\d{2})", period):
        return f"{match[2]}/{match[1]}"
    return period if len(period) == len("2024") else _german_day(period)
