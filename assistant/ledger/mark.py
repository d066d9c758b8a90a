"""The mark: a signed note, apart from database and heads, of the newest event whose reply may have left.

It is durable before a reply is released. So an event above it was never released, and one at or below it that is gone
was taken away, even when its head was taken away with it. Two slots are written in turn, so that a torn write leaves
the other; then the older one is wiped, so that nobody finds an older mark to put back.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from assistant.ledger.files import sync_folder
from assistant.ledger.form import canonical
from assistant.ledger.keys import Keys, signed_by

SLOT = 512


class Mark:
    """The file of the mark. Reading and writing want the lock over processes held."""

    def __init__(self, path: Path, keys: Keys) -> None:
        self.path = path
        self._keys = keys
        self._kept: tuple[bytes, dict[str, Any] | None, int] = (b"", None, 0)

    def read(self) -> dict[str, Any] | None:
        """The newest valid slot: {"number", "digest", "at", …}; None when there is none."""
        return self._slots()[1]

    def write(self, value: Mapping[str, Any]) -> None:
        """Make the mark durable. Raises OSError."""
        free = self._slots()[2]
        signed = self._keys.signed(value)
        content = canonical(signed).encode().ljust(SLOT)
        if len(content) > SLOT:
            raise ValueError("a mark must fit its slot")
        fresh = not self.path.exists()
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            os.pwrite(descriptor, content, free * SLOT)
            os.fsync(descriptor)
            os.pwrite(descriptor, b" " * SLOT, (1 - free) * SLOT)
        finally:
            os.close(descriptor)
        if fresh:
            sync_folder(self.path.parent)
        raw = self.path.read_bytes()
        self._kept = (raw, signed, 1 - free)

    def _slots(self) -> tuple[bytes, dict[str, Any] | None, int]:
        """(content, newest valid value, slot to write next)."""
        try:
            raw = self.path.read_bytes()
        except FileNotFoundError:
            return b"", None, 0
        if raw == self._kept[0]:
            return self._kept
        keys = list(self._keys.known().values())
        best: tuple[dict[str, Any], int] | None = None
        for slot in (0, 1):
            value = _parsed(raw[slot * SLOT : (slot + 1) * SLOT])
            if value is None or not any(signed_by(value, key) for key in keys):
                continue
            if best is None or value["number"] >= best[0]["number"]:
                best = (value, slot)
        self._kept = (raw, None, 0) if best is None else (raw, best[0], 1 - best[1])
        return self._kept


def _parsed(raw: bytes) -> dict[str, Any] | None:
    try:
        value = json.loads(raw)
    except ValueError:
        return None
    return value if isinstance(value, dict) and isinstance(value.get("number"), int) else None
