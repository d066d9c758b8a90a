"""The append-only log of turns: hash-linked rows in the database, signed heads in a file outside it.

A turn is released only after its row is committed and its head is on disk. Each row carries the hash of the row before
it in its conversation; each head signs the number of rows so far and a running digest over all their hashes, so that an
edit, a cut in the middle or at the tail, a removed conversation, a reordering or a rolled-back database shows.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import secrets
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from sqlalchemy import Column, Connection, Integer, MetaData, Row, String, Table, Text, func, insert, select

from knowledge.records.database import Database

ALGORITHM = "sha256-v1"
START = f"{ALGORITHM}:{'0' * 64}"
SHANGHAI = ZoneInfo("Asia/Shanghai")

metadata = MetaData()
log_turns = Table(
    "log_turns",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("id", String(64), nullable=False, unique=True),
    Column("conversation", String(64), nullable=False),
    Column("sequence", Integer, nullable=False),
    Column("event", String(40), nullable=False),
    Column("recorded_at", String(40), nullable=False),
    Column("body", Text, nullable=False),
    Column("previous", String(80), nullable=False),
    Column("hash", String(80), nullable=False),
)


class NotLogged(Exception):
    """The row or its head could not be made durable; nothing may be released."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One logged event. `body` is canonical JSON's content."""

    number: int
    id: str
    conversation: str
    sequence: int
    event: str
    recorded_at: str
    body: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Break:
    """A place where the log does not hold together."""

    where: str
    what: str


class Log:
    """Appends and reads turns. One instance per process; processes take turns through the database's write lock."""

    def __init__(self, database: Database, heads: Path, key_file: Path) -> None:
        self._database = database
        self._heads = heads
        self._key = _key(key_file)
        self._lock = threading.Lock()

    def append(self, conversation: str, event: str, body: Mapping[str, Any], *, turn: str | None = None) -> str:
        """Make one event durable and return its id. Raises NotLogged when row or head did not reach the disk."""
        turn = turn or new_id()
        try:
            with self._lock:
                with self._database.writing() as connection:
                    digest, number = self._insert(connection, conversation, event, body, turn)
                    head = self._write_head(number, digest)
                self._confirm(head)
        except Exception as error:
            raise NotLogged(f"{type(error).__name__}: {error}") from error
        return turn

    def entry(self, turn: str) -> Entry | None:
        """One event by its id."""
        with self._database.reading() as connection:
            row = connection.execute(select(log_turns).where(log_turns.c.id == turn)).first()
        return None if row is None else _entry(row)

    def conversation(self, conversation: str, limit: int = 200) -> list[Entry]:
        """The latest events of one conversation in their order."""
        query = select(log_turns).where(log_turns.c.conversation == conversation)
        with self._database.reading() as connection:
            rows = connection.execute(query.order_by(log_turns.c.sequence.desc()).limit(limit)).all()
        return [_entry(row) for row in reversed(rows)]

    def verify(self) -> tuple[int, list[Break]]:
        """Check every row, link and head: (number of events, breaks found)."""
        broken: list[Break] = []
        with self._lock, self._database.writing() as connection:  # nobody appends while both ends are read
            heads = list(self._read_heads(broken))
            newest = int(connection.execute(select(func.max(log_turns.c.number))).scalar() or 0)
        with self._database.reading() as connection:
            running, count = START, 0
            last: dict[str, tuple[int, str]] = {}
            expected = iter(heads)
            head = next(expected, None)
            rows = select(log_turns).where(log_turns.c.number <= newest).order_by(log_turns.c.number)
            for row in connection.execute(rows):
                count += 1
                broken += _check_row(row, count, last)
                last[row.conversation] = (row.sequence, row.hash)
                running = _digest(running, row.hash)
                while head is not None and head["number"] == row.number:
                    if head["digest"] != running:
                        broken.append(Break(f"head {head['number']}", "rows before this head were changed"))
                        running = head["digest"]
                    head = next(expected, None)
        if heads and heads[-1]["number"] > count:
            missing = heads[-1]["number"] - count
            broken.append(Break("tail", f"{missing} events that a signed head names are missing from the database"))
        if count and (not heads or heads[-1]["number"] < count):
            broken.append(Break("heads", "the newest events have no signed head"))
        return count, broken

    def _insert(
        self, connection: Connection, conversation: str, event: str, body: Mapping[str, Any], turn: str
    ) -> tuple[str, int]:
        last = connection.execute(
            select(log_turns.c.sequence, log_turns.c.hash)
            .where(log_turns.c.conversation == conversation)
            .order_by(log_turns.c.sequence.desc())
            .limit(1)
        ).first()
        number = int(connection.execute(select(func.max(log_turns.c.number))).scalar() or 0) + 1
        values = {
            "number": number,
            "id": turn,
            "conversation": conversation,
            "sequence": 1 if last is None else last.sequence + 1,
            "event": event,
            "recorded_at": datetime.now(SHANGHAI).isoformat(timespec="milliseconds"),
            "body": canonical(body),
            "previous": START if last is None else last.hash,
        }
        values["hash"] = row_hash(values)
        connection.execute(insert(log_turns).values(**values))
        return str(values["hash"]), number

    def _write_head(self, number: int, digest: str) -> dict[str, Any]:
        """Append the signed head and force it to disk. It is written inside the transaction: a head without a row is
        noticed and mended at the next append, a row without a head never leaves."""
        running, last = self._last_head()
        if last >= number:
            running = self._rewind(number)
        at = datetime.now(SHANGHAI).isoformat()
        head: dict[str, Any] = {"number": number, "digest": _digest(running, digest), "at": at}
        self._append_head(head, durable=True)
        return head

    def _confirm(self, head: Mapping[str, Any]) -> None:
        """Say after the commit that the row of a head is there: taking it away later cannot pass for a crash. Row and
        head are durable already, so this line may be lost."""
        with contextlib.suppress(OSError):
            self._append_head({**head, "committed": True}, durable=False)

    def _append_head(self, head: Mapping[str, Any], *, durable: bool) -> None:
        line = canonical({**head, "signature": self._key.sign(canonical(head).encode()).hex()}).encode() + b"\n"
        self._heads.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self._heads, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            if os.write(descriptor, line) != len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            if durable:
                os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def _last_head(self) -> tuple[str, int]:
        line = _last_line(self._heads)
        if line is None:
            return START, 0
        head = json.loads(line)
        return head["digest"], head["number"]

    def _rewind(self, number: int) -> str:
        """A commit failed after its head was written: take the digest of the head before `number`."""
        digest = START
        for head in self._read_heads([]):
            if head["number"] < number:
                digest = head["digest"]
        return digest

    def _read_heads(self, broken: list[Break]) -> Iterator[dict[str, Any]]:
        """Signed heads in order; a head without a row (a crash before its commit) is left out when one with the same
        number replaced it. Heads that say a row was there and then number anew, or leave a number out, are breaks."""
        if not self._heads.exists():
            return
        kept: dict[int, dict[str, Any]] = {}
        committed = newest = 0
        for place, line in enumerate(self._heads.read_bytes().splitlines(), start=1):
            try:
                head = json.loads(line)
                signature = bytes.fromhex(head.pop("signature"))
                self._key.public_key().verify(signature, canonical(head).encode())
                number, confirmed = int(head["number"]), head.pop("committed", False)
            except (ValueError, KeyError, TypeError, AttributeError, InvalidSignature):
                broken.append(Break(f"heads line {place}", "not a head this installation signed"))
                continue
            if kept.get(number) != head:
                if number <= committed:
                    broken.append(Break(f"heads line {place}", f"event {number} was there before and was replaced"))
                if number > newest + 1:
                    broken.append(Break(f"heads line {place}", f"heads before event {number} are missing"))
            kept[number] = head
            newest = max(newest, number)
            committed = max(committed, number if confirmed else number - 1)
        yield from (kept[number] for number in sorted(kept))


def new_id() -> str:
    """An unguessable id of 128 bits."""
    return secrets.token_hex(16)


def canonical(value: Any) -> str:
    """Canonical JSON: sorted keys, no white space, UTF-8."""
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def row_hash(values: Mapping[str, Any]) -> str:
    """The hash that stands for a row: algorithm tag and SHA-256 over its other columns as canonical JSON."""
    fields = ("number", "id", "conversation", "sequence", "event", "recorded_at", "body", "previous")
    return f"{ALGORITHM}:{hashlib.sha256(canonical({name: values[name] for name in fields}).encode()).hexdigest()}"


def _digest(running: str, digest: str) -> str:
    return f"{ALGORITHM}:{hashlib.sha256(f'{running}{digest}'.encode()).hexdigest()}"


def _check_row(row: Row[Any], count: int, last: Mapping[str, tuple[int, str]]) -> list[Break]:
    where = f"turn {row.id}"
    sequence, previous = last.get(row.conversation, (0, START))
    broken = []
    if row_hash(dict(row._mapping)) != row.hash:
        broken.append(Break(where, "its content does not match its hash"))
    if row.number != count:
        broken.append(Break(where, f"numbered {row.number} where {count} was due: rows are missing"))
    if row.sequence != sequence + 1 or row.previous != previous:
        broken.append(Break(where, "does not follow the turn before it in its conversation"))
    return broken


def _entry(row: Row[Any]) -> Entry:
    return Entry(row.number, row.id, row.conversation, row.sequence, row.event, row.recorded_at, json.loads(row.body))


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


def _key(path: Path) -> Ed25519PrivateKey:
    """The signing key of the installation, made at first use and readable by its owner only."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        raw = Ed25519PrivateKey.generate().private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption())
        temporary = path.with_suffix(f".{os.getpid()}")
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        os.write(descriptor, raw.hex().encode())
        os.fsync(descriptor)
        os.close(descriptor)
        try:
            os.link(temporary, path)
        except FileExistsError:
            pass
        finally:
            temporary.unlink()
    return Ed25519PrivateKey.from_private_bytes(bytes.fromhex(path.read_text()))
