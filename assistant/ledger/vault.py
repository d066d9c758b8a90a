"""Encryption of raw personal text (AES-256-GCM) and pseudonyms of customers (HMAC-SHA-256), keys in DIR/keys.

The log holds masked text and, for each raw text, a salted commitment: SHA-256 over a random salt and the text. Salt and
text are sealed together in the database. Once they are erased, the commitment tells nothing, and the log stays whole.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import re
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from assistant.ledger.files import replace, write_new

COMMITMENT = "sha256-salted-v1"
NONCE = SALT = 16
REFERENCE = re.compile(r"c-[0-9a-f]{32}")


class Unopened(Exception):
    """A sealed text that no key of this installation opens; restore DIR/keys from the backup."""


class Vault:
    """Seals, opens and names. Keys are made at first use, readable by their owner only."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._ciphers: dict[str, AESGCM] = {}
        self._names: bytes | None = None

    def reference(self, customer: str) -> str:
        """What stands for a customer's id in the log: the same for the same id, and telling nothing of it."""
        if REFERENCE.fullmatch(customer):
            return customer
        if self._names is None:
            path = self._folder / "customers.key"
            if not path.exists():
                write_new(path, os.urandom(32).hex().encode())
            self._names = bytes.fromhex(path.read_text())
        return f"c-{hmac.new(self._names, customer.encode(), hashlib.sha256).hexdigest()[:32]}"

    def seal(self, text: str, binding: str) -> tuple[str, bytes, str]:
        """(key id, sealed text, commitment). `binding` names the place; elsewhere the sealed text does not open."""
        key, salt, nonce = self._current(), os.urandom(SALT), os.urandom(NONCE)
        sealed = nonce + self._cipher(key).encrypt(nonce, salt + text.encode(), binding.encode())
        return key, sealed, _commitment(salt + text.encode())

    def open(self, key: str, sealed: bytes, binding: str) -> tuple[str, str]:
        """(text, its commitment). Raises Unopened."""
        salted = self._opened(key, sealed, binding)
        return salted[SALT:].decode(), _commitment(salted)

    def again(self, key: str, sealed: bytes, binding: str) -> tuple[str, bytes]:
        """Salt and text as they are, sealed with the current key: (key id, sealed). Raises Unopened."""
        salted = self._opened(key, sealed, binding)
        current, nonce = self._current(), os.urandom(NONCE)
        return current, nonce + self._cipher(current).encrypt(nonce, salted, binding.encode())

    def rotate(self) -> str:
        """A new key for what is sealed from now on; the old ones stay for what they sealed. Its id."""
        key = os.urandom(32)
        name = hashlib.sha256(b"name" + key).hexdigest()[:16]
        write_new(self._path(name), key.hex().encode())
        replace(self._folder / "personal.current", name.encode())
        return name

    def retire(self, key: str) -> None:
        """Destroy a key: what it sealed can never be read again. The current one stays."""
        if key != self._current():
            self._ciphers.pop(key, None)
            self._path(key).unlink(missing_ok=True)

    @property
    def current(self) -> str:
        """The id of the key that seals now."""
        return self._current()

    def _opened(self, key: str, sealed: bytes, binding: str) -> bytes:
        try:
            return self._cipher(key).decrypt(sealed[:NONCE], sealed[NONCE:], binding.encode())
        except (InvalidTag, FileNotFoundError, ValueError):
            raise Unopened(f"no key {key} opens it; restore DIR/keys from the backup") from None

    def _current(self) -> str:
        pointer = self._folder / "personal.current"
        if not pointer.exists():
            return self._first()
        return pointer.read_text().strip()

    def _first(self) -> str:
        key = os.urandom(32)
        name = hashlib.sha256(b"name" + key).hexdigest()[:16]
        write_new(self._path(name), key.hex().encode())
        if not write_new(self._folder / "personal.current", name.encode()):
            self._path(name).unlink()
        return (self._folder / "personal.current").read_text().strip()

    def _path(self, key: str) -> Path:
        return self._folder / f"personal.{key}.key"

    def _cipher(self, key: str) -> AESGCM:
        if key not in self._ciphers:
            self._ciphers[key] = AESGCM(bytes.fromhex(self._path(key).read_text()))
        return self._ciphers[key]


def _commitment(salted: bytes) -> str:
    return f"{COMMITMENT}:{hashlib.sha256(salted).hexdigest()}"
