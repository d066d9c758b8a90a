"""How far a script was walked in a conversation: the working state behind completion and drop-out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import Row, insert, select, update

from assistant.desk.scripts import Script
from assistant.desk.tables import script_runs
from assistant.desk.values import Unknown
from assistant.log import new_id
from knowledge.records.database import Database

Done = Literal["done", "skipped"]


@dataclass(frozen=True, slots=True)
class Run:
    """One walk through a script. `steps`: [number, how, time]; `status`: running, completed or dropped."""

    id: str
    conversation: str
    ticket: str
    script: str
    version: str
    revision: str
    member: str
    status: str
    steps: Sequence[Sequence[Any]]
    started_at: float
    ended_at: float | None

    @property
    def numbers(self) -> list[int]:
        return [int(one[0]) for one in self.steps]


class Runs:
    """The table of walks."""

    def __init__(self, database: Database, clock: Callable[[], float]) -> None:
        self._database = database
        self._clock = clock

    def current(self, conversation: str) -> Run | None:
        """The walk that is under way in a conversation."""
        query = select(script_runs).where(script_runs.c.conversation == conversation, script_runs.c.status == "running")
        with self._database.reading() as connection:
            row = connection.execute(query.order_by(script_runs.c.started_at.desc()).limit(1)).first()
        return None if row is None else _run(row)

    def start(self, conversation: str, ticket: str, script: Script, member: str) -> Run:
        """Begin a script; another one under way is dropped."""
        self.drop(conversation)
        row = {
            "id": new_id(), "conversation": conversation, "ticket": ticket, "script": script.document,
            "version": script.version, "revision": script.revision, "member": member, "status": "running", "steps": [],
            "started_at": self._clock(),
        }  # fmt: skip
        with self._database.writing() as connection:
            connection.execute(insert(script_runs).values(**row))
        return self._one(str(row["id"]))

    def step(self, run: Run, number: int, how: Done, last: bool) -> Run:
        """A step was taken or left out; with the last one the script is completed."""
        with self._database.writing() as connection:
            known = connection.execute(select(script_runs).where(script_runs.c.id == run.id)).first()
            if known is None:
                raise Unknown(run.id)
            steps = [one for one in known.steps if one[0] != number] + [[number, how, self._clock()]]
            values: dict[str, Any] = {"steps": sorted(steps)}
            if last:
                values |= {"status": "completed", "ended_at": self._clock()}
            connection.execute(update(script_runs).where(script_runs.c.id == run.id).values(**values))
        return self._one(run.id)

    def drop(self, conversation: str) -> None:
        """The conversation ended, or another script began."""
        this = (script_runs.c.conversation == conversation) & (script_runs.c.status == "running")
        with self._database.writing() as connection:
            connection.execute(update(script_runs).where(this).values(status="dropped", ended_at=self._clock()))

    def between(self, since: float, until: float) -> list[Run]:
        """Walks begun in a period."""
        query = select(script_runs).where(script_runs.c.started_at >= since, script_runs.c.started_at < until)
        with self._database.reading() as connection:
            return [_run(row) for row in connection.execute(query)]

    def _one(self, run: str) -> Run:
        with self._database.reading() as connection:
            return _run(connection.execute(select(script_runs).where(script_runs.c.id == run)).one())


def _run(row: Row[Any]) -> Run:
    return Run(
        row.id, row.conversation, row.ticket, row.script, row.version, row.revision, row.member, row.status, row.steps,
        row.started_at, row.ended_at,
    )  # fmt: skip
