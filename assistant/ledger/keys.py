"""The signing keys of the log: one current Ed25519 key, and the public halves of all that came before it.

A new key is announced in a head signed by the key before it, so that a verifier follows the chain from the first key to
the current one. Private keys never leave DIR/keys; public ones stay there for good as `NAME.ID.pub`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from assistant.ledger.files import replace, write_new
from assistant.ledger.form import canonical


class Keys:
    """Signs and checks small JSON objects. Notices when another process rotated the key."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self._seen: tuple[int, int] | None = None
        self._private: Ed25519PrivateKey | None = None

    @property
    def id(self) -> str:
        """The name of the current key: 16 hexadecimal digits of its public half's SHA-256."""
        return key_id(self._current().public_key())

    @property
    def public(self) -> Ed25519PublicKey:
        return self._current().public_key()

    def known(self) -> dict[str, Ed25519PublicKey]:
        """Every public key kept here, by name."""
        found = {self.id: self.public}
        for path in sorted(self.file.parent.glob(f"{self.file.stem}.*.pub")):
            key = public_key(path.read_text().strip())
            found[key_id(key)] = key
        return found

    def signed(self, value: Mapping[str, Any]) -> dict[str, Any]:
        """The value with the name of the key and the signature over all of it."""
        whole = {**value, "key": self.id}
        return {**whole, "signature": self._current().sign(canonical(whole).encode()).hex()}

    def prepare(self) -> tuple[Path, str]:
        """A next key, not yet in use: its file and its public half in hexadecimal digits."""
        key, waiting = Ed25519PrivateKey.generate(), self.waiting
        replace(waiting, _hex(key))
        return waiting, public_hex(key.public_key())

    def prepared(self) -> str | None:
        """The public half of the prepared key."""
        try:
            key = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(self.waiting.read_text()))
        except (FileNotFoundError, ValueError):
            return None
        return public_hex(key.public_key())

    def adopt(self) -> None:
        """Make the prepared key the current one; the old public half stays."""
        self._keep_public(self.public)
        following = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(self.waiting.read_text()))
        self._keep_public(following.public_key())
        self.waiting.replace(self.file)
        self._seen = None

    @property
    def waiting(self) -> Path:
        """Where a prepared key waits for its announcement."""
        return self.file.with_suffix(".next")

    def _current(self) -> Ed25519PrivateKey:
        if not self.file.exists() and self._private is None:
            self._make()
        try:
            state = self.file.stat()
        except FileNotFoundError:
            if self._private is None:
                raise
            return self._private
        seen = (state.st_ino, state.st_mtime_ns)
        if self._private is None or seen != self._seen:
            self._private = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(self.file.read_text()))
            self._seen = seen
        return self._private

    def _make(self) -> None:
        key = Ed25519PrivateKey.generate()
        if write_new(self.file, _hex(key)):
            self._keep_public(key.public_key())

    def _keep_public(self, key: Ed25519PublicKey) -> None:
        write_new(self.file.with_name(f"{self.file.stem}.{key_id(key)}.pub"), public_hex(key).encode())


def key_id(key: Ed25519PublicKey) -> str:
    """The name of a public key."""
    return hashlib.sha256(key.public_bytes(Encoding.Raw, PublicFormat.Raw)).hexdigest()[:16]


def public_hex(key: Ed25519PublicKey) -> str:
    return key.public_bytes(Encoding.Raw, PublicFormat.Raw).hex()


def public_key(text: str) -> Ed25519PublicKey:
    """The key that `public_hex` wrote."""
    return Ed25519PublicKey.from_public_bytes(bytes.fromhex(text))


def signed_by(value: Mapping[str, Any], key: Ed25519PublicKey) -> bool:
    """Whether `value` carries a signature of `key` over all its other members."""
    rest = {name: item for name, item in value.items() if name != "signature"}
    try:
        key.verify(bytes.fromhex(value["signature"]), canonical(rest).encode())
    except (InvalidSignature, ValueError, KeyError, TypeError):
        return False
    return True


def _hex(key: Ed25519PrivateKey) -> bytes:
    return key.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption()).hex().encode()
