"""Keys of an office: it signs with minisign (Ed25519) and reads what was encrypted to it with age (X25519).

Reads  key files.
Writes key files; the secret ones for their owner alone. All cryptography is the libraries'.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

import minisign
import pyrage

from dagster_project.packages.archive import Refused
from dagster_project.tables import CONFIDENTIAL


class KeyMistake(Exception):
    """A key of our own that is missing or no key; the message is German, for whoever runs the command."""


def create(folder: Path) -> list[Path]:
    """A new pair to sign with and a new pair to decrypt with; never over files that are there.

    Raises `KeyMistake`.
    """
    pair, identity = minisign.KeyPair.generate(), pyrage.x25519.Identity.generate()
    contents = {
        "minisign.key": bytes(pair.secret_key),
        "minisign.pub": bytes(pair.public_key),
        "age.key": f"{identity}\n".encode(),
        "age.pub": f"{identity.to_public()}\n".encode(),
    }
    folder.mkdir(parents=True, exist_ok=True)
    for name in contents:
        if (folder / name).exists():
            raise KeyMistake(f"{folder / name} gibt es schon; ein Schlüssel wird nie überschrieben.")
    for name, content in contents.items():
        mode = CONFIDENTIAL if name.endswith(".key") else 0o644
        with os.fdopen(os.open(folder / name, os.O_CREAT | os.O_EXCL | os.O_WRONLY, mode), "wb") as file:
            file.write(content)
    return [folder / name for name in contents]


def sign(content: bytes, key: Path, comment: str) -> bytes:
    """The text of a `.minisig` file; `comment` is signed too. Raises `KeyMistake`."""
    try:
        secret = minisign.SecretKey.from_file(key)
        if secret.is_encrypted():
            secret.decrypt(os.environ.get("SOZIALRAUM_KEY_PASSWORD", ""))
        return bytes(secret.sign(content, trusted_comment=comment))
    except (OSError, ValueError, minisign.Error) as error:
        raise KeyMistake(f"Mit dem Schlüssel {key} lässt sich nicht unterschreiben: {error}") from error


def verify(content: bytes, signature: bytes, public_keys: Iterable[str]) -> None:
    """Raises `Refused` unless the owner of one of these public keys signed the content."""
    for public_key in public_keys:
        try:
            minisign.PublicKey.from_base64(public_key).verify(content, minisign.Signature.from_bytes(signature))
            return
        except (ValueError, minisign.Error):
            continue
    raise Refused(
        "package_wrong_signer",
        "Die Unterschrift des Pakets ist nicht die, die für diese Stelle hinterlegt ist. Bitte mit dem eigenen "
        "Schlüssel packen; ist der Schlüssel neu, der Statistikstelle den öffentlichen Teil melden.",
    )


def encrypt(source: Path, target: Path, recipients: list[str]) -> None:
    """Encrypt a file to public keys (`age1…`). Raises `KeyMistake`."""
    try:
        keys = [pyrage.x25519.Recipient.from_str(text.strip()) for text in recipients]
    except pyrage.RecipientError as error:
        raise KeyMistake(f"Das ist kein öffentlicher age-Schlüssel: {error}") from error
    pyrage.encrypt_file(str(source), str(target), keys)


def decrypt(source: Path, target: Path, key: Path) -> None:
    """Decrypt a file with a key of our own.

    Raises `Refused` for what was not encrypted to it, and `KeyMistake` where the key is none.
    """
    try:
        lines = [line.strip() for line in key.read_text(encoding="utf-8").splitlines()]
        identities = [pyrage.x25519.Identity.from_str(line) for line in lines if line and not line.startswith("#")]
    except (OSError, UnicodeDecodeError, pyrage.IdentityError) as error:
        raise KeyMistake(f"{key} ist kein age-Schlüssel.") from error
    target.touch(mode=CONFIDENTIAL)
    try:
        pyrage.decrypt_file(str(source), str(target), identities)
    except pyrage.DecryptError as error:
        raise Refused(
            "package_not_for_us",
            "Das Paket ist nicht für diese Stelle verschlüsselt oder beschädigt. Bitte mit dem öffentlichen Schlüssel "
            "der Statistikstelle verschlüsseln.",
        ) from error
