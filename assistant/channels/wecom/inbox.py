"""Callbacks made durable before they are acknowledged, many in one commit; worked on afterwards.

A callback goes to the database. When the database is locked or slow it goes to a journal beside it, which is read back
later; both are on disk before the acknowledgement. The same key is kept once.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Row, delete, func, insert, select, update
from sqlalchemy.exc import SQLAlchemyError

from assistant.channels.wecom.tables import callbacks
from assistant.channels.wecom.vault import Vault
from knowledge.records.database import Database

BATCH = 500
PATIENCE_MS = 300
CLOSE = None


@dataclass(frozen=True, slots=True)
class Callback:
    """One decrypted callback. `key` is what makes a retry the same; `account` the open_kfid, agent or robot."""

    key: str
    channel: str
    account: str
    body: str
    received_at: float


@dataclass(frozen=True, slots=True)
class Waiting:
    """A callback to be worked on: its row, and how often that was tried."""

    number: int
    callback: Callback
    attempts: int


class Inbox:
    """The table of callbacks and the journal beside it."""

    def __init__(self, database: Database, vault: Vault, folder: Path, clock: Callable[[], float]) -> None:
        self._database = database
        self._vault = vault
        self._folder = folder
        self._clock = clock

    def keep(self, given: Sequence[Callback]) -> None:
        """Make callbacks durable, in the database or in the journal. Raises OSError when neither takes them."""
        rows = [asdict(one) | {"body": self._vault.seal(one.body)} for one in given]
        try:
            with self._writing_soon() as connection:
                self._insert(connection, rows)
        except SQLAlchemyError:
            self._journal(rows)

    def recover(self) -> int:
        """Move what journals hold into the database; how many callbacks there were."""
        count = 0
        for file in sorted(self._folder.glob("*.journal")):
            with file.open("r+") as opened, _locked(opened.fileno()):
                rows = [row for line in opened if (row := _row(line)) is not None]
                with self._database.writing() as connection:
                    self._insert(connection, rows)
                opened.truncate(0)
                count += len(rows)
        return count

    def journalled(self) -> bool:
        """Whether a journal holds something."""
        return any(file.stat().st_size for file in self._folder.glob("*.journal"))

    def due(self) -> list[tuple[str, str]]:
        """The (channel, account) pairs with callbacks to work on, longest waiting first."""
        query = (
            select(callbacks.c.channel, callbacks.c.account)
            .where(callbacks.c.status == "new", callbacks.c.due_at <= self._clock())
            .group_by(callbacks.c.channel, callbacks.c.account)
            .order_by(func.min(callbacks.c.number))
        )
        with self._database.reading() as connection:
            return [(row.channel, row.account) for row in connection.execute(query)]

    def waiting(self, channel: str, account: str) -> list[Waiting]:
        """The callbacks of an account that wait, oldest first, at most a batch."""
        query = select(callbacks).where(
            callbacks.c.status == "new", callbacks.c.channel == channel, callbacks.c.account == account
        )
        with self._database.reading() as connection:
            rows = connection.execute(query.order_by(callbacks.c.number).limit(BATCH)).all()
        return [Waiting(row.number, self._opened(row), row.attempts) for row in rows]

    def done(self, connection: Connection, numbers: Sequence[int]) -> None:
        """These were worked on; their words are wiped, their keys stay so that a replay is known."""
        for start in range(0, len(numbers), BATCH):
            part = callbacks.c.number.in_(numbers[start : start + BATCH])
            connection.execute(update(callbacks).where(part).values(status="done", body=""))

    def later(self, numbers: Sequence[int], attempts: int, seconds: float) -> None:
        """Work on these again after `seconds`."""
        with self._database.writing() as connection:
            these = callbacks.c.number.in_(numbers)
            values = {"attempts": attempts, "due_at": self._clock() + seconds}
            connection.execute(update(callbacks).where(these).values(**values))

    def prune(self, before: float) -> None:
        """Forget keys of callbacks received before a time; older ones are refused as stale anyway."""
        with self._database.writing() as connection:
            old = (callbacks.c.status == "done") & (callbacks.c.received_at < before)
            connection.execute(delete(callbacks).where(old))

    def _opened(self, row: Row[Any]) -> Callback:
        return Callback(row.key, row.channel, row.account, self._vault.open(row.body), row.received_at)

    def _insert(self, connection: Connection, rows: Sequence[dict[str, Any]]) -> None:
        fresh = {row["key"]: row for row in rows}
        keys = list(fresh)
        known: set[str] = set()
        for start in range(0, len(keys), BATCH):
            query = select(callbacks.c.key).where(callbacks.c.key.in_(keys[start : start + BATCH]))
            known |= set(connection.execute(query).scalars())
        new = [
            row | {"status": "new", "attempts": 0, "due_at": row["received_at"]}
            for key, row in fresh.items()
            if key not in known
        ]
        if new:
            connection.execute(insert(callbacks), new)

    @contextlib.contextmanager
    def _writing_soon(self) -> Iterator[Connection]:
        """A write transaction that gives up early instead of waiting behind a long one."""
        sqlite = self._database.engine.dialect.name == "sqlite"
        with self._database.engine.connect().execution_options(writing=True) as connection:
            if sqlite:
                raw: Any = connection.connection.dbapi_connection
                raw.execute(f"PRAGMA busy_timeout={PATIENCE_MS}")
            try:
                with connection.begin():
                    if not sqlite:
                        connection.exec_driver_sql(f"SET LOCAL lock_timeout = {PATIENCE_MS}")
                    yield connection
            finally:
                if sqlite:
                    raw.execute("PRAGMA busy_timeout=30000")

    def _journal(self, rows: Sequence[dict[str, Any]]) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        lines = "".join(json.dumps(row) + "\n" for row in rows).encode()
        descriptor = os.open(self._folder / "callbacks.journal", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            with _locked(descriptor):
                if os.write(descriptor, lines) != len(lines):
                    raise OSError("the journal could not be written whole")
                os.fsync(descriptor)
        finally:
            os.close(descriptor)


class Intake:
    """One thread that makes callbacks durable in groups, so that a hundred wait for one commit."""

    def __init__(self, inbox: Inbox, arrived: Callable[[], None]) -> None:
        self._inbox = inbox
        self._arrived = arrived
        self._queue: queue.SimpleQueue[tuple[Callback, Future[None]] | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        self._thread = threading.Thread(target=self._run, name="wecom-intake", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Keep what was given and end the thread."""
        self._queue.put(CLOSE)
        if self._thread is not None:
            self._thread.join()

    def give(self, callback: Callback) -> Future[None]:
        """A future that is done once the callback is on disk."""
        kept: Future[None] = Future()
        self._queue.put((callback, kept))
        return kept

    def _run(self) -> None:
        while (first := self._queue.get()) is not CLOSE:
            batch = [first]
            closing = False
            while len(batch) < BATCH:
                try:
                    one = self._queue.get_nowait()
                except queue.Empty:
                    break
                if one is CLOSE:
                    closing = True
                    break
                batch.append(one)
            self._keep(batch)
            if closing:
                return

    def _keep(self, batch: Sequence[tuple[Callback, Future[None]]]) -> None:
        try:
            self._inbox.keep([callback for callback, _ in batch])
        except Exception as error:  # noqa: BLE001 - every one who waits is told
            for _, kept in batch:
                kept.set_exception(error)
            return
        for _, kept in batch:
            if not kept.cancelled():
                kept.set_result(None)
        self._arrived()


@contextlib.contextmanager
def _locked(descriptor: int) -> Iterator[None]:
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    try:
        yield
    finally:
        fcntl.flock(descriptor, fcntl.LOCK_UN)


def _row(line: str) -> dict[str, Any] | None:
    """A journal line; a torn last line was never acknowledged."""
    try:
        row: dict[str, Any] = json.loads(line)
    except ValueError:
        return None
    return row
