"""Packages of deliveries: what was packed at the sender opens at the door, and whatever was tampered with does not.

Writes packages of the made-up town into temporary folders. Oracles: `sha256sum`, `minisign` and `age` where they are
installed, frictionless for the Data Package, the published JSON schema of the Open Data Contract Standard.
"""

from __future__ import annotations

import errno
import importlib.resources
import io
import json
import os
import shutil
import stat
import subprocess
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import frictionless
import jsonschema
import kleinstadt as town
import minisign
import pytest
from capabilities import needed
from kleinstadt import Kleinstadt

from dagster_project import cli, contract_forms, declarations, geography, landing, packages
from dagster_project.declarations import Declarations
from dagster_project.deliveries import Receipt
from dagster_project.packages import archive, keys
from dagster_project.settings import Project, RegionData

YEAR = 2011  # a year of the register without any dirt
NAME = f"EWR{YEAR}12E_Matrix.csv"
SENDER = town.MUNICIPALITY
NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Office:
    """A statistics office of the made-up town that knows its sender's key, and the sender's file."""

    declared: Declarations
    data: RegionData
    file: Path
    keys: Path

    @property
    def folder(self) -> Path:
        return self.data.inbox / self.declared.contracts["ewr"].folder

    def pack(self, now: datetime = NOW, **changes: object) -> Path:
        contract = self.declared.contracts["ewr"]
        options: dict[str, object] = {"key": self.keys / "minisign.key", "output": self.file.parent, **changes}
        sender = options.pop("sender", packages.Sender("ewr", SENDER, f"{YEAR}-12-31"))
        described = contract_forms.resource(contract, contract.files[0])
        return packages.pack(self.file, sender, described, {"verdict": "accepted"}, now=now, **options)  # type: ignore[arg-type]

    def put(self, package: Path | bytes, name: str = f"{NAME}.zip") -> Path:
        self.folder.mkdir(parents=True, exist_ok=True)
        target = self.folder / name
        target.write_bytes(package if isinstance(package, bytes) else package.read_bytes())
        return target

    def land(self) -> list[Receipt]:
        return landing.land(self.declared.region, self.declared.contracts["ewr"], self.data)

    def refused(self, package: Path | bytes) -> str:
        """The rule by which a package is refused; nothing of it stays but its receipt and the reason."""
        self.put(package)
        before = {path for path in self.data.root.parent.rglob("*") if path.is_file()}
        (receipt,) = self.land()
        assert receipt.verdict == "rejected"
        assert receipt.rows_read == 0
        assert all(reason.endswith((".", ").")) for reason in receipt.reasons)
        written = {path for path in self.data.root.parent.rglob("*") if path.is_file()} - before
        folders = {path.relative_to(self.data.root).parts[0] for path in written}
        assert folders <= {"raw", "receipts", "quarantine", ".lock", "delivery.secret"}
        assert [path.name for path in (self.data.raw / "ewr").iterdir()] == ["_columns.parquet"]
        (breach,) = landing.load_breaches(self.data, receipt).itertuples()
        return str(breach.rule)


@pytest.fixture(scope="module")
def town_areas(kleinstadt: Kleinstadt, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("areas")
    declared = declarations.load(kleinstadt.project, town.REGION)
    geography.build(declared.region, list(declared.geographies.values()), [kleinstadt.inbox], output)
    return output


@pytest.fixture
def office(kleinstadt: Kleinstadt, town_areas: Path, tmp_path: Path) -> Office:
    declared = declarations.load(kleinstadt.project, town.REGION)
    created = keys.create(tmp_path / "keys")
    public = (tmp_path / "keys" / "minisign.pub").read_text().splitlines()[1]
    municipalities = [declared.region.municipalities[0].model_copy(update={"public_keys": [public]})]
    declared = replace(declared, region=declared.region.model_copy(update={"municipalities": municipalities}))
    data = RegionData(root=tmp_path / "office" / town.REGION, inbox=tmp_path / "inbox")
    shutil.copytree(town_areas, data.geography)
    file = tmp_path / "sender" / NAME
    file.parent.mkdir()
    shutil.copy(kleinstadt.register(YEAR), file)
    assert all(path.exists() for path in created)
    return Office(declared, data, file, tmp_path / "keys")


# ---------------------------------------------------------------- the way it is meant


@pytest.mark.parametrize("encrypted", [False, True])
def test_a_package_lands_like_its_file(office: Office, monkeypatch: pytest.MonkeyPatch, encrypted: bool) -> None:
    office.put(office.file, NAME)
    (plain,) = office.land()
    (office.folder / NAME).unlink()
    if encrypted:
        monkeypatch.setenv("SOZIALRAUM_AGE_KEY", str(office.keys / "age.key"))
    recipients = [(office.keys / "age.pub").read_text()] if encrypted else None
    package = office.pack(recipients=recipients)
    assert (b"EWR" in package.read_bytes()) != encrypted
    office.put(package, package.name)
    receipts = office.land()
    packed = receipts[-1]
    assert packed.file_name == package.name
    assert (packed.verdict, packed.rows_read, packed.version) == ("accepted", plain.rows_read, 2)
    assert packed.packed_at == "2026-03-01T12:00:00Z"
    assert not list(office.data.root.glob(".package*"))
    office.put(package, package.name)
    assert office.land() == receipts


def test_what_a_killed_run_left_is_gone_after_the_next(office: Office) -> None:
    """Unpacked and transcoded files hold identifiers: they must not outlive the run that made them."""
    left = office.data.root / ".packagexyz" / "members" / "member_0"
    copy = office.data.root / f".{NAME}.utf8"
    left.parent.mkdir(parents=True)
    left.write_text("somebody", encoding="utf-8")
    copy.write_text("somebody", encoding="utf-8")
    office.put(office.pack())
    assert [receipt.verdict for receipt in office.land()] == ["accepted"]
    assert not left.parents[1].exists()
    assert not copy.exists()


def test_a_key_that_was_declared_later_opens_the_package(office: Office, tmp_path: Path) -> None:
    keys.create(tmp_path / "new")
    public = (tmp_path / "new" / "minisign.pub").read_text().splitlines()[1]
    assert office.refused(office.pack(key=tmp_path / "new" / "minisign.key")) == "package_wrong_signer"
    municipality = office.declared.region.municipalities[0]
    both = municipality.model_copy(update={"public_keys": [*municipality.public_keys, public]})
    region = office.declared.region.model_copy(update={"municipalities": [both]})
    (receipt,) = replace(office, declared=replace(office.declared, region=region)).land()
    assert (receipt.verdict, receipt.version) == ("accepted", 1)


def test_a_full_disk_is_not_the_senders_fault(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    office.put(office.pack())
    monkeypatch.setattr(archive, "_written", full)
    with pytest.raises(OSError, match="No space"):
        office.land()
    assert not list((office.data.receipts / "ewr").glob("*.json"))


def test_what_other_tools_say_of_a_package(office: Office, tmp_path: Path) -> None:
    """Whoever has the public key alone can check all of it, without this product."""
    folder = tmp_path / "elsewhere"
    with zipfile.ZipFile(office.pack()) as source:
        source.extractall(folder)
    subprocess.run(["sha256sum", "--check", "--strict", archive.SUMS], cwd=folder, check=True, capture_output=True)
    described = json.loads((folder / "datapackage.json").read_text())
    frictionless.Package.validate_descriptor(described)
    public = minisign.PublicKey.from_file(office.keys / "minisign.pub")
    public.verify_file(folder / archive.SUMS)


def test_minisign_verifies_a_package(office: Office, tmp_path: Path) -> None:
    needed("minisign")
    with zipfile.ZipFile(office.pack()) as source:
        source.extractall(tmp_path / "elsewhere")
    command = ["minisign", "-V", "-p", str(office.keys / "minisign.pub"), "-m", archive.SUMS]
    subprocess.run(command, cwd=tmp_path / "elsewhere", check=True, capture_output=True)


def test_age_decrypts_a_package(office: Office) -> None:
    needed("age")
    encrypted = office.pack(recipients=[(office.keys / "age.pub").read_text()])
    command = ["age", "--decrypt", "-i", str(office.keys / "age.key"), str(encrypted)]
    found = subprocess.run(command, check=True, capture_output=True).stdout
    assert zipfile.ZipFile(io.BytesIO(found)).testzip() is None


def test_the_same_file_packs_to_the_same_bytes(office: Office) -> None:
    first = office.pack().read_bytes()
    assert office.pack().read_bytes() == first
    assert office.pack(now=NOW + timedelta(days=1)).read_bytes() != first


def test_secret_keys_are_their_owners_alone_and_never_overwritten(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    for path in office.keys.iterdir():
        secret = path.suffix == ".key"
        assert stat.S_IMODE(path.stat().st_mode) == (0o600 if secret else 0o644)
    with pytest.raises(keys.KeyMistake, match="gibt es schon"):
        keys.create(office.keys)
    secret_key = (office.keys / "minisign.key").read_bytes()
    monkeypatch.setattr(Path, "exists", lambda _: False)  # as if they came between the look and the writing
    with pytest.raises(FileExistsError):
        keys.create(office.keys)
    assert (office.keys / "minisign.key").read_bytes() == secret_key


def test_a_clerk_packs_checks_and_sends(
    kleinstadt: Kleinstadt, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The commands, from keys to package; what would be rejected is not packed."""
    assert cli.main(["keys", str(tmp_path / "keys")]) == cli.DONE
    file = tmp_path / NAME
    shutil.copy(kleinstadt.register(YEAR), file)
    command = ["pack-delivery", str(file), "--contract", str(kleinstadt.contracts / "ewr.yml")]
    signed = [*command, "--key", str(tmp_path / "keys" / "minisign.key"), "--json"]
    capsys.readouterr()
    assert cli.main(signed) == cli.DONE
    told = json.loads(capsys.readouterr().out)
    assert told["check"]["verdict"] == "accepted"
    assert Path(told["package"]) == tmp_path / f"{NAME}.zip"
    encrypted = [*command, "--encrypt-to", str(tmp_path / "keys" / "age.pub")]
    assert cli.main(encrypted) == cli.DONE
    assert (tmp_path / f"{NAME}.zip.age").exists()
    assert cli.main([*command, "--encrypt-to", "age1nonsense"]) == cli.WRONG_INPUT
    assert cli.main([*command, "--key", str(tmp_path / "keys" / "age.key")]) == cli.WRONG_INPUT
    (tmp_path / f"{NAME}.zip").unlink()
    file.write_text("nothing", encoding="utf-8")
    assert cli.main(signed) == cli.GATE_CLOSED
    assert not (tmp_path / f"{NAME}.zip").exists()


# ---------------------------------------------------------------- the way it is not


def rebuilt(package: Path, change: Callable[[dict[str, bytes]], None], resum: bool = True) -> bytes:
    """A package whose files were changed; `resum` writes new check sums, as somebody without the key can."""
    with zipfile.ZipFile(package) as source:
        files = {name: source.read(name) for name in source.namelist()}
    change(files)
    if resum:
        files[archive.SUMS] = archive.sums(
            {name: text for name, text in files.items() if name not in (archive.SUMS, archive.SIGNATURE)}
        )
    return zipped([(zipfile.ZipInfo(name), content) for name, content in files.items()])


def zipped(members: list[tuple[zipfile.ZipInfo, bytes]]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as target:
        for member, content in members:
            target.writestr(member, content, zipfile.ZIP_DEFLATED)
    return stream.getvalue()


def changed_row(files: dict[str, bytes]) -> None:
    files[NAME] = files[NAME].replace(b"1", b"2", 1)


def test_a_row_that_was_changed_on_the_way(office: Office) -> None:
    assert office.refused(rebuilt(office.pack(), changed_row, resum=False)) == "package_wrong_hash"


def test_a_row_and_the_sums_that_were_changed_on_the_way(office: Office) -> None:
    assert office.refused(rebuilt(office.pack(), changed_row)) == "package_wrong_signer"


def test_another_signer(office: Office, tmp_path: Path) -> None:
    keys.create(tmp_path / "stranger")
    assert office.refused(office.pack(key=tmp_path / "stranger" / "minisign.key")) == "package_wrong_signer"


@pytest.mark.parametrize("signature", [b"", b"\xff\xfe", b"untrusted comment: x\nAAAA\n"])
def test_a_signature_that_is_none(office: Office, signature: bytes) -> None:
    def sign(files: dict[str, bytes]) -> None:
        files[archive.SIGNATURE] = signature

    assert office.refused(rebuilt(office.pack(), sign, resum=False)) == "package_wrong_signer"


def test_no_signature(office: Office) -> None:
    assert office.refused(office.pack(key=None)) == "package_unsigned"


def test_a_file_without_a_sum(office: Office) -> None:
    def add(files: dict[str, bytes]) -> None:
        files["more.txt"] = b"x"

    assert office.refused(rebuilt(office.pack(), add, resum=False)) == "package_wrong_hash"


def test_a_sum_without_its_file(office: Office) -> None:
    def drop(files: dict[str, bytes]) -> None:
        del files["check.json"]

    assert office.refused(rebuilt(office.pack(), drop, resum=False)) == "package_wrong_hash"


def test_no_sums_at_all(office: Office) -> None:
    def drop(files: dict[str, bytes]) -> None:
        del files[archive.SUMS]

    assert office.refused(rebuilt(office.pack(), drop, resum=False)) == "package_no_sums"


@pytest.mark.parametrize(
    ("sender", "rule"),
    [
        (packages.Sender("ewr", "99000001", f"{YEAR}-12-31"), "package_other_sender"),
        (packages.Sender("mss_shares", SENDER, f"{YEAR}-12-31"), "package_other_contract"),
        (packages.Sender("ewr", SENDER, "2012-12-31"), "package_other_period"),
    ],
)
def test_a_package_of_another_sender_contract_or_period(office: Office, sender: packages.Sender, rule: str) -> None:
    assert office.refused(office.pack(sender=sender)) == rule


def test_a_receipt_does_not_repeat_at_length_what_a_package_says(office: Office) -> None:
    office.put(office.pack(sender=packages.Sender("x" * 5000, SENDER, f"{YEAR}-12-31")))
    (receipt,) = office.land()
    assert len(receipt.reasons[0]) < 300


def test_clocks_may_differ_a_little(office: Office) -> None:
    office.put(office.pack(now=datetime.now(UTC) + timedelta(minutes=30)))
    assert [receipt.verdict for receipt in office.land()] == ["accepted"]


def test_what_was_packed_and_what_is_opened_is_its_owners_alone(office: Office, tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        package = office.pack()
        assert stat.S_IMODE(package.stat().st_mode) == 0o600
        sender = packages.Sender("ewr", SENDER, f"{YEAR}-12-31")
        with packages.opened(package, sender, tmp_path) as opened:
            for path in (opened.path, opened.path.parent, opened.path.parent.parent):
                assert not stat.S_IMODE(path.stat().st_mode) & 0o077
        encrypted = office.pack(recipients=[(office.keys / "age.pub").read_text()])
        keys.decrypt(encrypted, tmp_path / "plain.zip", office.keys / "age.key")
        assert stat.S_IMODE((tmp_path / "plain.zip").stat().st_mode) == 0o600
    finally:
        os.umask(before)


def test_an_older_package_sent_again(office: Office) -> None:
    office.put(office.pack(now=NOW))
    assert [receipt.verdict for receipt in office.land()] == ["accepted"]
    office.file.write_bytes(office.file.read_bytes().replace(b"\r\n", b"\n"))  # another content
    office.put(office.pack(now=NOW - timedelta(days=30)))
    first, second = office.land()
    assert (first.verdict, second.verdict) == ("accepted", "rejected")
    assert "älterer Stand" in second.reasons[0]
    office.put(office.pack(now=NOW + timedelta(days=1)))
    assert [receipt.verdict for receipt in office.land()] == ["accepted", "rejected", "accepted"]


def test_a_package_from_the_future(office: Office) -> None:
    assert office.refused(office.pack(now=datetime.now(UTC) + timedelta(days=2))) == "package_future"


def test_a_file_of_another_name(office: Office) -> None:
    other = office.file.with_name("EWR201212E_Matrix.csv")
    shutil.copy(office.file, other)
    package = replace(office, file=other).pack()
    assert office.refused(package) == "package_other_files"


def trusting(office: Office) -> Office:
    """The same office without any key of its sender: only what is in a package speaks for it."""
    known = office.declared.region.municipalities[0].model_copy(update={"public_keys": []})
    region = office.declared.region.model_copy(update={"municipalities": [known]})
    return replace(office, declared=replace(office.declared, region=region))


@pytest.mark.parametrize(
    ("name", "content"),
    [("more.txt", b"x"), (NAME, None), ("datapackage.json", None)],
    ids=["more", "file", "description"],
)
def test_other_files_than_there_must_be(office: Office, name: str, content: bytes | None) -> None:
    def change(files: dict[str, bytes]) -> None:
        del files[archive.SIGNATURE]
        files.pop(name, None)
        if content is not None:
            files[name] = content

    assert trusting(office).refused(rebuilt(office.pack(), change)) == "package_other_files"


STAMP = b'{"created": "2026-01-01T00:00:00Z", '


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        (b"no JSON", "package_description"),
        (b"[]", "package_description"),
        (b"[" * 100_000, "package_description"),
        (b'{"created": 5}', "package_description"),
        (b'{"created": "yesterday"}', "package_description"),
        (b'{"created": "2026-01-01T00:00:00"}', "package_description"),
        (STAMP + b'"x": "' + b"x" * (1 << 20) + b'"}', "package_description"),
        (STAMP + b'"sozialraum": ["ewr"]}', "package_other_contract"),
    ],
    ids=["text", "list", "deep", "number", "word", "no zone", "long", "no words"],
)
def test_a_description_nobody_can_read(office: Office, text: bytes, rule: str) -> None:
    def describe(files: dict[str, bytes]) -> None:
        files["datapackage.json"] = text
        del files[archive.SIGNATURE]

    assert trusting(office).refused(rebuilt(office.pack(), describe)) == rule


@pytest.mark.parametrize(
    "name",
    [
        "../../escaped.csv",
        "/etc/escaped.csv",
        "folder/escaped.csv",
        "..\\escaped.csv",
        "C:escaped.csv",
        "folder/",
        "..",
    ],
)
def test_a_name_that_leads_elsewhere(office: Office, name: str) -> None:
    member = zipfile.ZipInfo("x")
    member.filename = name
    assert office.refused(zipped([(member, b"")])) == "package_path"
    assert not list(office.data.root.parents[1].rglob("escaped*"))


def test_a_link(office: Office) -> None:
    member = zipfile.ZipInfo(NAME)
    member.external_attr = (stat.S_IFLNK | 0o777) << 16
    assert office.refused(zipped([(member, b"/etc/passwd")])) == "package_link"


def test_a_name_twice(office: Office) -> None:
    with pytest.warns(UserWarning, match="Duplicate"):
        package = zipped([(zipfile.ZipInfo(NAME), b"1"), (zipfile.ZipInfo(NAME), b"2")])
    assert office.refused(package) == "package_repeated_name"


def test_a_name_twice_for_computers_that_know_no_case(office: Office) -> None:
    members = [(zipfile.ZipInfo(name), b"1") for name in (NAME, NAME.lower())]
    assert office.refused(zipped(members)) == "package_repeated_name"


def test_a_file_with_a_password(office: Office) -> None:
    """The bit that says so, in both headers of the file."""
    package = bytearray(zipped([(zipfile.ZipInfo(NAME), b"1")]))
    package[6] |= archive.ENCRYPTED
    package[package.index(b"PK\x01\x02") + 8] |= archive.ENCRYPTED
    assert office.refused(bytes(package)) == "package_method"


def test_too_many_files(office: Office) -> None:
    members = [(zipfile.ZipInfo(f"{number}.txt"), b"") for number in range(archive.MOST_FILES + 1)]
    assert office.refused(zipped(members)) == "package_too_big"


def test_a_bomb_that_says_so(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not even begun."""
    monkeypatch.setattr(archive.unpack, "__defaults__", (1 << 20,))
    monkeypatch.setattr(archive, "_written", None)
    assert office.refused(zipped([(zipfile.ZipInfo(NAME), bytes(2 << 20))])) == "package_too_big"


def test_a_bomb_that_lies_about_its_size(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its directory promises ten bytes; what comes out is cut off at the limit, whatever was promised."""
    monkeypatch.setattr(archive.unpack, "__defaults__", (1 << 20,))
    package = bytearray(zipped([(zipfile.ZipInfo(NAME), bytes(2 << 20))]))
    real, small = (2 << 20).to_bytes(4, "little"), (10).to_bytes(4, "little")
    assert package.count(real) == 2
    assert office.refused(bytes(package.replace(real, small))) in ("package_too_big", "package_unreadable")


def test_a_stream_without_an_end_is_cut_off(tmp_path: Path) -> None:
    """Whatever a library that unpacks makes of an archive, no more than the limit is ever written."""

    class Endless:
        def open(self, _: zipfile.ZipInfo) -> Endless:
            return self

        def __enter__(self) -> Endless:
            return self

        def __exit__(self, *_: object) -> None:
            pass

        def read(self, size: int) -> bytes:
            assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= 1 << 20
            return bytes(size)

    with pytest.raises(archive.Refused) as raised:
        archive._written(Endless(), [zipfile.ZipInfo(NAME)], tmp_path, 1 << 20)  # type: ignore[arg-type]
    assert raised.value.rule == "package_too_big"


def test_what_is_unpacked_has_our_names_and_is_ours_alone(tmp_path: Path) -> None:
    """The second line: even a name that nobody judged leads nowhere, and a link that lies in wait is not followed."""
    (tmp_path / "package.zip").write_bytes(zipped([(zipfile.ZipInfo("../escaped.csv"), b"x")]))
    folder, victim = tmp_path / "members", tmp_path / "victim"
    folder.mkdir()
    with zipfile.ZipFile(tmp_path / "package.zip") as source:
        files = archive._written(source, source.infolist(), folder, 1 << 20)
        (path,) = files.values()
        assert path.parent == folder
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert not list(tmp_path.rglob("escaped*"))
        path.unlink()
        path.symlink_to(victim)
        with pytest.raises(FileExistsError):
            archive._written(source, source.infolist(), folder, 1 << 20)
    assert not victim.exists()


def test_an_unusual_method(office: Office) -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_LZMA) as target:
        target.writestr(NAME, b"x")
    assert office.refused(stream.getvalue()) == "package_method"


@pytest.mark.parametrize("content", [b"", b"no archive", b"PK\x03\x04 cut off"])
def test_no_archive(office: Office, content: bytes) -> None:
    assert office.refused(content) == "package_unreadable"


DIRECTORY, END = b"PK\x01\x02", b"PK\x05\x06"  # how the directory of an archive and its last record begin


@pytest.mark.parametrize(
    ("record", "patches"),
    [
        (NAME.encode(), {len(NAME): b"\x07"}),  # a kind of block there is not: zlib.error
        (DIRECTORY, {6: b"\x63"}),  # needs version 9.9: NotImplementedError, a RuntimeError
        (DIRECTORY, {8: b"\x00\x08", 46: b"\xff"}),  # a name that is not the UTF-8 it says: ValueError
        (DIRECTORY, {10: bytes(10) + b"\x88\x13\x00\x00" * 2}),  # stored, longer than the archive: EOFError
        (END, {16: b"\x00\x00\x00\x40"}),  # its directory lies before its beginning: OSError
        (END, {12: b"\x00\x00\x00\x40"}),  # its directory is longer than itself: BadZipFile
    ],
    ids=["block", "version", "name", "end", "place", "length"],
)
def test_a_broken_structure(office: Office, record: bytes, patches: dict[int, bytes]) -> None:
    """Each breaks the library in its own way, and to the sender all are one."""
    package = bytearray(zipped([(zipfile.ZipInfo(NAME), b"hello " * 200)]))
    start = package.index(record)
    for offset, changed in patches.items():
        package[start + offset : start + offset + len(changed)] = changed
    assert office.refused(bytes(package)) == "package_unreadable"


def test_a_package_that_was_cut_off(office: Office) -> None:
    whole = office.pack().read_bytes()
    assert office.refused(whole[: len(whole) // 2]) == "package_unreadable"


def test_a_package_encrypted_to_somebody_else(office: Office, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keys.create(tmp_path / "stranger")
    package = office.pack(recipients=[(tmp_path / "stranger" / "age.pub").read_text()])
    office.put(package, package.name)
    with pytest.raises(keys.KeyMistake, match="SOZIALRAUM_AGE_KEY"):
        office.land()
    monkeypatch.setenv("SOZIALRAUM_AGE_KEY", str(office.keys / "age.key"))
    (receipt,) = office.land()
    assert receipt.verdict == "rejected"
    assert "nicht für diese Stelle verschlüsselt" in receipt.reasons[0]


# ---------------------------------------------------------------- contracts


@pytest.mark.parametrize("region", ["berlin", "musterkreis", "musterstadt"])
def test_contracts_are_open_data_contracts(region: str) -> None:
    resource = importlib.resources.files("open_data_contract_standard") / "schema.json"
    schema = json.loads(resource.read_text(encoding="utf-8"))
    declared = declarations.load(Project(ROOT), region)
    for contract in declared.contracts.values():
        described = json.loads(json.dumps(contract_forms.open_data_contract(contract, declared.region)))
        jsonschema.Draft201909Validator(schema).validate(described)
        assert len(described["schema"]) == len(contract.files)
