"""The signed heads of the log, one line a commit, in a file outside the database.

A head names the first and the last event of its commit and signs the running digest over all row hashes up to the last.
It is on disk before its rows are committed: a head without rows is an append that was interrupted, and the next commit
takes its numbers. A head that takes the numbers of one that is known to have been committed is a break.
"""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from assistant.ledger.form import START, canonical
from assistant.ledger.keys import Keys, key_id, public_key, signed_by

NEAR = 4096
NOT_OURS = "not a head this installation signed"


@dataclass(frozen=True, slots=True)
class Break:
    """A place where the log does not hold together."""

    where: str
    what: str


@dataclass(frozen=True, slots=True)
class Head:
    """One head that stands: events `first` to `number`, and the running digest at `number`."""

    first: int
    number: int
    digest: str
    signer: Ed25519PublicKey | None = None


@dataclass(slots=True)
class Walk:
    """What reading the heads in their order found so far."""

    established: int = 0
    newest: Head | None = None
    signer: Ed25519PublicKey | None = None
    heads: list[Head] = field(default_factory=list)
    broken: list[Break] = field(default_factory=list)
    torn: bool = False


class Heads:
    """The file of heads. Appending and `last` want the lock over processes held."""

    def __init__(self, path: Path, keys: Keys) -> None:
        self.path = path
        self._keys = keys

    def append(self, head: Mapping[str, Any]) -> None:
        """Sign a head and force it to disk. Raises OSError."""
        line = canonical(self._keys.signed(head)).encode() + b"\n"
        self.path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            if os.write(descriptor, line) != len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def last(self) -> dict[str, Any] | None:
        """The newest head; a torn last line is cut off."""
        line = _last_line(self.path)
        return None if line is None else _parsed(line)

    def digest_at(self, number: int) -> str | None:
        """The running digest at an event, as the newest head that ends there says."""
        if number == 0:
            return START
        found = None
        for line in self.lines():
            head = _parsed(line)
            if head is not None and head.get("number") == number:
                found = str(head["digest"])
        return found

    def covering(self, number: int) -> dict[str, Any] | None:
        """The head whose commit holds an event, found by halving the file; of several the one that stands."""
        if not self.path.exists():
            return None
        with self.path.open("rb") as file:
            low, high = 0, file.seek(0, os.SEEK_END)
            while low < high:  # the first line that ends at `number` or later begins at `low`, or after it
                middle = (low + high) // 2
                head = _parsed(_line_at(file, middle))
                if head is not None and head["number"] < number:
                    low = file.tell()
                else:
                    high = middle
            file.seek(max(0, low - NEAR))
            if low > NEAR:
                file.readline()
            found = None
            for line in file:
                head = _parsed(line)
                if head is None:
                    continue
                first = head.get("first", head["number"])
                if first > number + NEAR:
                    break
                if first <= number <= head["number"] and not head.get("committed"):
                    found = head
                elif found is not None and first > number:
                    break
            return found

    def lines(self) -> Iterator[bytes]:
        """The lines of the file, oldest first; none when there is no file."""
        if not self.path.exists():
            return
        with self.path.open("rb") as file:
            yield from file

    def walk(self, content: bytes, walk: Walk, *, place: int = 0) -> Walk:
        """Check signatures, keys and numbers of the lines in `content`, going on from `walk`."""
        known = self._keys.known()
        lines = content.split(b"\n")
        walk.torn = bool(lines.pop())
        for number, line in enumerate(lines, start=place + 1):
            self._step(line, f"heads line {number}", walk, known)
        return walk

    def _step(self, line: bytes, where: str, walk: Walk, known: Mapping[str, Ed25519PublicKey]) -> None:
        head = _parsed(line)
        if head is None or (signer := self._signer(head, where, walk, known)) is None:
            walk.broken.append(Break(where, NOT_OURS))
            return
        number = head["number"]
        first = head.get("first", number)
        walk.signer = signer
        if head.get("committed"):
            walk.established = max(walk.established, number)
            return
        if first <= walk.established:
            walk.broken.append(Break(where, f"event {first} was there before and was replaced"))
        while walk.heads and walk.heads[-1].number >= first:
            walk.heads.pop()
        before = walk.heads[-1] if walk.heads else walk.newest
        due = 1 if before is None else before.number + 1
        if first != due:
            walk.broken.append(Break(where, f"heads before event {first} are missing"))
        walk.established = max(walk.established, first - 1)
        walk.heads.append(Head(first, number, head["digest"], signer))
        if "next" in head:
            walk.signer = public_key(head["next"])

    def _signer(
        self, head: Mapping[str, Any], where: str, walk: Walk, known: Mapping[str, Ed25519PublicKey]
    ) -> Ed25519PublicKey | None:
        """The key that signed a head: the one due, or another of ours, which is a break. None when none of ours did."""
        named = head.get("key")
        if named is None:  # a head of the first format, which had one key and did not name it
            return next((key for key in known.values() if signed_by(head, key)), None)
        due = walk.signer
        for replaced in reversed(walk.heads):  # what an interrupted head announced does not count
            if replaced.number < head.get("first", head["number"]):
                break
            due = replaced.signer
        if due is not None and key_id(due) == named:
            return due if signed_by(head, due) else None
        signer = known.get(named)
        if signer is None or not signed_by(head, signer):
            return None
        if due is not None:
            walk.broken.append(Break(where, f"key {named} took over without being announced by the key before it"))
        return signer


def _parsed(line: bytes) -> dict[str, Any] | None:
    try:
        head = json.loads(line)
        number, first = head["number"], head.get("first", head["number"])
        sound = isinstance(number, int) and isinstance(first, int) and 1 <= first <= number
        return head if sound and isinstance(head["digest"], str) else None
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def _line_at(file: BinaryIO, offset: int) -> bytes:
    """The line that an offset lies in, and the file placed after it."""
    back = max(0, offset - NEAR)
    file.seek(back)
    before = file.read(offset - back)
    file.seek(back + before.rfind(b"\n") + 1)
    return file.readline()


def _last_line(path: Path) -> bytes | None:
    """The last complete line of a file, read from its end; a torn last line is cut off."""
    if not path.exists():
        return None
    with path.open("rb+") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - 8192))
        tail = file.read()
        if tail and not tail.endswith(b"\n"):
            torn = len(tail) - (tail.rfind(b"\n") + 1)
            file.truncate(size - torn)
            tail = tail[: len(tail) - torn]
    lines = tail.splitlines()
    return lines[-1] if lines else None
