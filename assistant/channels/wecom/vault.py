"""One key of the installation: seals what customers wrote until it is answered, access tokens, single-use codes; names
conversations so that nobody can guess them."""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import os
import secrets
from base64 import b64decode, b64encode
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

NONCE = 12


class Sealed(Exception):
    """A value that this key does not open."""


class Vault:
    """AES-256-GCM for columns, HMAC-SHA-256 for names. The key is made at first use, readable by its owner only."""

    def __init__(self, key_file: Path) -> None:
        key = _key(key_file)
        self._cipher = AESGCM(hashlib.sha256(b"columns" + key).digest())
        self._name_key = hashlib.sha256(b"names" + key).digest()

    def seal(self, text: str) -> str:
        """The text encrypted, in base64; an empty text stays empty."""
        if not text:
            return ""
        nonce = os.urandom(NONCE)
        return b64encode(nonce + self._cipher.encrypt(nonce, text.encode(), None)).decode()

    def open(self, sealed: str) -> str:
        """The text that `seal` took. Raises Sealed."""
        if not sealed:
            return ""
        try:
            raw = b64decode(sealed)
            return self._cipher.decrypt(raw[:NONCE], raw[NONCE:], None).decode()
        except (InvalidTag, ValueError):
            raise Sealed("sealed with another key; restore keys/wecom.key from the backup") from None

    def name(self, *parts: str) -> str:
        """32 hexadecimal digits that stand for `parts` and tell nothing of them."""
        joined = "\x00".join(parts)
        return hmac.new(self._name_key, joined.encode(), hashlib.sha256).hexdigest()[:32]


def _key(path: Path) -> bytes:
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_suffix(f".{os.getpid()}.{secrets.token_hex(4)}")
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            os.write(descriptor, secrets.token_hex(32).encode())
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        with contextlib.suppress(FileExistsError):
            os.link(temporary, path)
        temporary.unlink()
    return bytes.fromhex(path.read_text().strip())
