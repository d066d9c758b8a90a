"""Recall of material: who was told what on the strength of a document version, and a correction for each of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import Connection, distinct, func, insert, select, update

from assistant.compliance.search import Hit, hits_of
from assistant.compliance.tables import notices, sources
from assistant.ledger.form import now
from assistant.log import Log, new_id
from assistant.turn import Finding
from knowledge.records.database import Database

PAGE = 50
NoticeStatus = Literal["queued", "sent", "failed", "withdrawn"]


class NotSayable(Exception):
    """A correction notice that does not pass the screening; `findings` say why. None was queued."""

    def __init__(self, findings: Sequence[Finding]) -> None:
        super().__init__("；".join(finding.reason for finding in findings))
        self.findings = tuple(findings)


@dataclass(frozen=True, slots=True)
class Reach:
    """How far a document version went on one channel. `customers` counts known ones; `replies` all, `quoted` those that
    named it."""

    channel: str
    replies: int
    quoted: int
    conversations: int
    customers: int


@dataclass(frozen=True, slots=True)
class Recall:
    """Every reply that relied on a document version: totals by channel, and a page, newest first."""

    document: str
    version: str
    reach: tuple[Reach, ...]
    hits: tuple[Hit, ...]
    after: int | None


def recall(
    database: Database, document: str, version: str, *, customer: str | None = None, channel: str | None = None,
    before: int | None = None, size: int = PAGE,
) -> Recall:  # fmt: skip
    """The replies that relied on a version. `customer` is the pseudonym."""
    ours = [sources.c.document == document, sources.c.version == version]
    totals = select(
        sources.c.channel,
        func.count(),
        func.sum(func.cast(sources.c.quoted, sources.c.number.type)),
        func.count(distinct(sources.c.conversation)),
        func.count(distinct(sources.c.customer)),
    )
    narrowed = [
        *ours,
        *([sources.c.customer == customer] if customer else []),
        *([sources.c.channel == channel] if channel else []),
        *([sources.c.number < before] if before is not None else []),
    ]
    with database.reading() as connection:
        reach = connection.execute(totals.where(*ours).group_by(sources.c.channel).order_by(func.count().desc())).all()
        page = select(sources.c.number).where(*narrowed).order_by(sources.c.number.desc()).limit(size + 1)
        numbers = list(connection.execute(page).scalars())
        hits = hits_of(connection, numbers[:size])
    return Recall(
        document, version, tuple(Reach(row[0], row[1], int(row[2] or 0), row[3], row[4]) for row in reach), hits,
        numbers[size - 1] if len(numbers) > size else None,
    )  # fmt: skip


def customers_of(database: Database, document: str, version: str) -> list[Mapping[str, Any]]:
    """Every known customer a version reached: pseudonym, channel, number of replies, the latest one."""
    query = select(
        sources.c.customer, sources.c.channel, func.count().label("replies"), func.max(sources.c.number).label("latest")
    ).where(sources.c.document == document, sources.c.version == version, sources.c.customer.is_not(None))
    with database.reading() as connection:
        rows = connection.execute(query.group_by(sources.c.customer, sources.c.channel).order_by(sources.c.customer))
        return [dict(row._mapping) for row in rows]


class Corrections:
    """The queue of correction notices. `screen` gives what is not allowed in a text said on the firm's initiative."""

    def __init__(self, database: Database, log: Log, screen: Callable[[str], Sequence[Finding]]) -> None:
        self._database = database
        self._log = log
        self._screen = screen

    def queue(self, document: str, version: str, text: str, *, by: str, reason: str) -> tuple[str, int]:
        """Queue a notice for every conversation the version reached: (id of the recall, how many). Raises NotSayable,
        ValueError."""
        if not text.strip() or not reason.strip():
            raise ValueError("请写明更正内容和召回原因")
        if found := tuple(self._screen(text)):
            raise NotSayable(found)
        query = select(sources.c.conversation, sources.c.channel, sources.c.customer).where(
            sources.c.document == document, sources.c.version == version
        )
        with self._database.reading() as connection:
            reached = {row.conversation: row for row in connection.execute(query)}
        recall_id, moment = new_id(), now()
        rows = [
            {"id": new_id(), "recall": recall_id, "document": document, "version": version,
             "conversation": row.conversation, "customer": row.customer, "channel": row.channel, "text": text.strip(),
             "status": "queued", "queued_by": by, "queued_at": moment}
            for row in reached.values()
        ]  # fmt: skip

        def act(connection: Connection) -> None:
            if rows:
                connection.execute(insert(notices), rows)

        body = {"recall": recall_id, "document": document, "version": version, "text": text.strip(), "reason": reason,
                "by": by, "conversations": len(rows)}  # fmt: skip
        self._log.append("recall", "recall_queued", body, act=act)
        return recall_id, len(rows)

    def waiting(self, channel: str | None = None, limit: int = 100) -> list[Mapping[str, Any]]:
        """Notices to deliver, oldest first."""
        query = select(notices).where(notices.c.status == "queued")
        if channel is not None:
            query = query.where(notices.c.channel == channel)
        with self._database.reading() as connection:
            rows = connection.execute(query.order_by(notices.c.queued_at, notices.c.id).limit(limit))
            return [dict(row._mapping) for row in rows]

    def settle(self, notice: str, status: NoticeStatus) -> bool:
        """Say what became of a notice; the sending is logged by its channel. False when it was settled before."""
        change = update(notices).where(notices.c.id == notice, notices.c.status == "queued").values(status=status)
        with self._database.writing() as connection:
            return bool(connection.execute(change).rowcount)
