"""The append-only log of turns: hash-linked rows in the database, signed heads in a file outside it.

A turn is released only after its row is committed, its head is on disk and the mark says so. Each row carries the hash
of the row before it in its conversation; each head signs a running digest over all row hashes so far, so that an edit,
a cut in the middle or at the tail, a removed conversation, a reordering or a rolled-back database shows. Appends that
wait together share one commit and one head. Personal text is in the log only masked, with a commitment to the raw text,
which stands encrypted in a table of its own; a customer's id is in the log only as a pseudonym.

What nobody can see from these files alone: somebody who puts back older copies of database, heads and mark together, or
who holds the signing key. Keep the heads on another machine, or copy them there, to see that too.
"""

from __future__ import annotations

import json
import logging
import os
import secrets
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from sqlalchemy import Connection, Row, func, insert, select, text

from assistant.ledger import personal
from assistant.ledger.files import locked
from assistant.ledger.form import ALGORITHM, SHANGHAI, START, canonical, extend, now, row_hash
from assistant.ledger.heads import Break, Heads
from assistant.ledger.keys import Keys, public_hex
from assistant.ledger.mark import Mark
from assistant.ledger.tables import log_turns
from assistant.ledger.vault import Vault
from assistant.ledger.verify import Proof, prove
from knowledge.records.database import Database

__all__ = ["ALGORITHM", "SHANGHAI", "START", "Break", "Entry", "Log", "NotLogged", "Proof", "canonical", "log_turns",
           "new_id", "row_hash"]  # fmt: skip

MOST_TOGETHER = 200
SERVER_LOCK = 7_264_001
logger = logging.getLogger(__name__)
Act = Callable[[Connection], None]


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


class Index(Protocol):
    """Tables derived from the log, filled in the same transaction. They can always be built again."""

    def fill(self, connection: Connection, entries: Sequence[Entry]) -> None: ...


@dataclass(slots=True)
class _Waiting:
    """An append that waits for its commit."""

    conversation: str
    event: str
    body: Mapping[str, Any]
    turn: str
    raw: Mapping[str, str]
    act: Act | None
    done: bool = False
    error: BaseException | None = None
    text: str = field(init=False)
    kept: personal.Kept = field(init=False)


class Log:
    """Appends and reads turns. One instance per process; processes take turns through a lock file in DIR/keys."""

    def __init__(
        self, database: Database, heads: Path, key_file: Path, vault: Vault | None = None, index: Index | None = None
    ) -> None:
        self._database = database
        self.vault = vault or Vault(key_file.parent)
        self.index = index
        self._keys = Keys(key_file)
        self._heads = Heads(heads, self._keys)
        self._mark = Mark(key_file.with_suffix(".mark"), self._keys)
        self._checkpoint = key_file.with_suffix(".checkpoint")
        self._lock_file = key_file.with_suffix(".lock")
        self._turn = threading.Condition()
        self._busy = False
        self._queue: deque[_Waiting] = deque()

    def append(
        self,
        conversation: str,
        event: str,
        body: Mapping[str, Any],
        *,
        turn: str | None = None,
        raw: Mapping[str, str] | None = None,
        act: Act | None = None,
    ) -> str:
        """Make one event durable and return its id. Raises NotLogged when row or head did not reach the disk.

        `raw`: by member of `body`, the text as it was before masking; where it differs it is kept encrypted. `act` is
        done in the same transaction: it and its record come to be together or not at all.
        """
        waiting = _Waiting(conversation, event, body, turn or new_id(), raw or {}, act)
        try:
            waiting.kept = personal.keep(self.vault, waiting.turn, conversation, event, body, waiting.raw)
            waiting.text = canonical(waiting.kept.body)
            self._queue.append(waiting)
            while self._must_lead(waiting):
                try:
                    self._together()
                finally:
                    self._done_here()
            if waiting.error is not None:
                raise waiting.error
        except Exception as error:
            raise NotLogged(f"{type(error).__name__}: {error}") from error
        return waiting.turn

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

    def entries(self, after: int = 0, limit: int = 1000) -> list[Entry]:
        """Events in the order they were logged, from the one after number `after`."""
        query = select(log_turns).where(log_turns.c.number > after).order_by(log_turns.c.number).limit(limit)
        with self._database.reading() as connection:
            return [_entry(row) for row in connection.execute(query)]

    def verify(self) -> tuple[int, list[Break]]:
        """Check every row, link and head: (number of events, breaks found)."""
        proof = self.prove()
        return proof.turns, list(proof.broken)

    def prove(self, *, full: bool = False) -> Proof:
        """Check every row, link, head and the mark. A signed checkpoint of an earlier check saves most of the work, and
        no row goes unread; `full` does without it."""
        return prove(self._database, self._heads, self._mark, self._keys, self._checkpoint, self._settled, full=full)

    def rotate_key(self, by: str) -> str:
        """Sign with a new key from the next event on. The announcement is an event, its head signed by the old key."""
        old = self._keys.id
        with self._alone_here(), locked(self._lock_file):
            self._recover()
            _, public = self._keys.prepare()
            body = {"by": by, "from": old, "to": public}
            waiting = _Waiting("log", "key_rotated", body, new_id(), {}, None)
            waiting.kept = personal.keep(self.vault, waiting.turn, "log", waiting.event, body, {})
            waiting.text = canonical(body)
            self._commit([waiting], {"next": public})
            self._keys.adopt()
        return self._keys.id

    @property
    def signing_key(self) -> str:
        """The name of the key that signs heads now."""
        return self._keys.id

    def public_keys(self) -> dict[str, str]:
        """Every public key by its name, in hexadecimal digits: what an outsider needs to check heads."""
        return {name: public_hex(key) for name, key in self._keys.known().items()}

    def head_of(self, number: int) -> dict[str, Any] | None:
        """The signed head of the commit that holds an event."""
        return self._heads.covering(number)

    def head_lines(self) -> Iterator[bytes]:
        """The signed heads as they stand in the file."""
        return self._heads.lines()

    @contextmanager
    def frozen(self) -> Iterator[dict[str, Any] | None]:
        """Nobody appends meanwhile; the mark as it stands."""
        with self._alone_here(), locked(self._lock_file):
            yield self._mark.read()

    def _must_lead(self, waiting: _Waiting) -> bool:
        """Wait until somebody committed this append (False), or nobody is committing and it falls to this thread."""
        with self._turn:
            while self._busy and not waiting.done:
                self._turn.wait()
            if waiting.done:
                return False
            self._busy = True
            return True

    def _done_here(self) -> None:
        with self._turn:
            self._busy = False
            self._turn.notify_all()

    @contextmanager
    def _alone_here(self) -> Iterator[None]:
        """No other thread of this process commits meanwhile."""
        with self._turn:
            while self._busy:
                self._turn.wait()
            self._busy = True
        try:
            yield
        finally:
            self._done_here()

    def _together(self) -> None:
        """Commit what waits. When several fail together each is tried alone: one may have spoilt it for all."""
        batch = [self._queue.popleft() for _ in range(min(len(self._queue), MOST_TOGETHER))]
        try:
            try:
                self._locked_commit(batch)
            except Exception as error:  # noqa: BLE001 - raised where the append waits
                if len(batch) == 1:
                    batch[0].error = error
                else:
                    logger.warning("%d appends failed together: %s", len(batch), type(error).__name__)
                    for one in batch:
                        self._alone(one)
        except BaseException as error:
            for one in batch:
                one.error = one.error or RuntimeError(type(error).__name__)
            raise
        finally:
            for one in batch:
                one.done = True

    def _alone(self, one: _Waiting) -> None:
        try:
            self._locked_commit([one])
        except Exception as error:  # noqa: BLE001 - raised where the append waits
            one.error = error

    def _locked_commit(self, batch: Sequence[_Waiting]) -> None:
        with locked(self._lock_file):
            self._recover()
            self._commit(batch, {})

    def _commit(self, batch: Sequence[_Waiting], more: Mapping[str, Any]) -> None:
        with self._database.writing() as connection:
            if connection.dialect.name == "postgresql":
                connection.execute(text(f"SELECT pg_advisory_xact_lock({SERVER_LOCK})"))
            start, running = self._start(connection)
            self._mend_mark(start)
            rows = [self._insert(connection, number, one) for number, one in enumerate(batch, start=start + 1)]
            for row in rows:
                running = extend(running, row["hash"])
            self._fill(connection, [entry_of(row) for row in rows])
            head = self._write_head(start + 1, start + len(rows), running, more)
        self._mark.write(head)

    def _start(self, connection: Connection) -> tuple[int, str]:
        """The number of the newest event, and the digest up to it. Numbers never go back behind the mark: what was
        taken away leaves a gap for good. When the mark itself is gone, one number is left out."""
        rows = int(connection.execute(select(func.max(log_turns.c.number))).scalar() or 0)
        last, mark = self._heads.last(), self._mark.read()
        if mark is None:
            lost = last is not None and "key" in last
            start = max(rows, last["number"]) + 1 if lost and last is not None else rows
        else:
            start = max(rows, mark["number"])
            if start == mark["number"]:
                return start, mark["digest"]
        if last is not None and last["number"] == start:
            return start, last["digest"]
        return start, self._heads.digest_at(rows) or (last or {"digest": START})["digest"]

    def _mend_mark(self, start: int) -> None:
        """A crash came between a commit and its mark: those rows are there, with their head, so the mark follows."""
        last, mark = self._heads.last(), self._mark.read()
        if mark is not None and last is not None and mark["number"] < start == last["number"]:
            self._mark.write({"number": start, "digest": last["digest"], "at": now()})

    def _insert(self, connection: Connection, number: int, one: _Waiting) -> dict[str, Any]:
        last = connection.execute(
            select(log_turns.c.sequence, log_turns.c.hash)
            .where(log_turns.c.conversation == one.conversation)
            .order_by(log_turns.c.sequence.desc())
            .limit(1)
        ).first()
        values = {
            "number": number,
            "id": one.turn,
            "conversation": one.conversation,
            "sequence": 1 if last is None else last.sequence + 1,
            "event": one.event,
            "recorded_at": now(),
            "body": one.text,
            "previous": START if last is None else last.hash,
        }
        values["hash"] = row_hash(values)
        connection.execute(insert(log_turns).values(**values))
        personal.write(connection, one.kept, str(values["recorded_at"]))
        if one.act is not None:
            one.act(connection)
        return values

    def _fill(self, connection: Connection, entries: Sequence[Entry]) -> None:
        """Fill the derived tables. They never keep a turn from being logged: what is missing is filled in later."""
        if self.index is None:
            return
        try:
            with connection.begin_nested():
                self.index.fill(connection, entries)
        except Exception as error:  # noqa: BLE001 - the log comes first; `catch_up` of the index mends it
            logger.error("derived tables not filled from event %d: %s", entries[0].number, type(error).__name__)

    def _write_head(self, first: int, number: int, digest: str, more: Mapping[str, Any]) -> dict[str, Any]:
        """Append the signed head. It is written inside the transaction: a head without rows is an interrupted append, a
        row without a head never leaves."""
        head = {"first": first, "number": number, "digest": digest, "at": now()}
        self._heads.append({**head, **more})
        return {"number": number, "digest": digest, "at": head["at"]}

    def _recover(self) -> None:
        """Finish a rotation that a crash interrupted: the prepared key counts once a head announced it."""
        waiting = self._keys.waiting
        if not waiting.exists():
            return
        last = self._heads.last()
        if last is not None and last.get("next") == self._keys.prepared() and last["number"] <= self._newest():
            self._keys.adopt()
        else:
            os.unlink(waiting)

    def _newest(self) -> int:
        with self._database.reading() as connection:
            return int(connection.execute(select(func.max(log_turns.c.number))).scalar() or 0)

    @contextmanager
    def _settled(self) -> Iterator[None]:
        """Both ends are read while nobody appends."""
        with self._alone_here(), locked(self._lock_file):
            self._recover()
            yield


def new_id() -> str:
    """An unguessable id of 128 bits."""
    return secrets.token_hex(16)


def _entry(row: Row[Any]) -> Entry:
    return entry_of(dict(row._mapping))


def entry_of(row: Mapping[str, Any]) -> Entry:
    """The event that a row holds."""
    return Entry(
        row["number"], row["id"], row["conversation"], row["sequence"], row["event"], row["recorded_at"],
        json.loads(row["body"]),
    )  # fmt: skip
