"""A conversation as compliance sees it: every event in order, with all that shaped it and its place in the proof."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select

from assistant.compliance.tables import items, turns, verdicts
from assistant.ledger import personal
from assistant.ledger.tables import log_holds, log_turns
from assistant.log import Log
from assistant.replay import replay
from knowledge.records.database import Database
from knowledge.records.materials import Materials

MOST = 500


@dataclass(frozen=True, slots=True)
class Evidence:
    """One event with its evidence. `replay` is set for turns; `reviews` holds every verdict, oldest first."""

    number: int
    id: str
    event: str
    at: str
    sequence: int
    hash: str
    previous: str
    body: Mapping[str, Any]
    replay: Mapping[str, Any] | None
    review: Mapping[str, Any] | None
    reviews: tuple[Mapping[str, Any], ...]


@dataclass(frozen=True, slots=True)
class Conversation:
    """All events of one conversation, and the holds on it."""

    id: str
    customer: str | None
    events: tuple[Evidence, ...]
    holds: tuple[Mapping[str, Any], ...]


def conversation(
    database: Database, log: Log, materials: Materials, versions: Mapping[str, str], conversation: str
) -> Conversation | None:
    """The whole conversation; None when there is none."""
    query = select(log_turns).where(log_turns.c.conversation == conversation).order_by(log_turns.c.sequence).limit(MOST)
    with database.reading() as connection:
        rows = connection.execute(query).all()
        if not rows:
            return None
        ids = [row.id for row in rows]
        queued = {
            row.turn: dict(row._mapping) for row in connection.execute(select(items).where(items.c.turn.in_(ids)))
        }
        decided: dict[str, list[Mapping[str, Any]]] = {}
        for row in connection.execute(select(verdicts).where(verdicts.c.turn.in_(ids)).order_by(verdicts.c.decided_at)):
            decided.setdefault(row.turn, []).append(dict(row._mapping))
        customers = connection.execute(
            select(turns.c.customer).where(turns.c.conversation == conversation, turns.c.customer.is_not(None))
        )
        customer = next(customers.scalars(), None)
        targets = [conversation, *([customer] if customer else [])]
        holds = connection.execute(
            select(log_holds).where(log_holds.c.target.in_(targets), log_holds.c.released_at.is_(None))
        ).all()
    events = []
    for row in rows:
        entry = log.entry(row.id)
        assert entry is not None
        found = replay(row.id, log, materials, versions) if row.event == "turn" else None
        events.append(
            Evidence(row.number, row.id, row.event, row.recorded_at, row.sequence, row.hash, row.previous, entry.body,
                     found, queued.get(row.id), tuple(decided.get(row.id, ())))
        )  # fmt: skip
    return Conversation(conversation, customer, tuple(events), tuple(dict(hold._mapping) for hold in holds))


def raw_texts(
    database: Database, log: Log, turn: str, *, by: str, purpose: str, statutory: bool = False
) -> dict[str, str]:
    """The raw texts of an event, opened for a stated purpose, which is logged first. Raises Restricted, ValueError."""
    if not purpose.strip():
        raise ValueError("请写明调阅原文的目的")
    with database.reading() as connection:
        personal.open_texts(connection, log.vault, turn, statutory=statutory)
    log.append("privacy", "personal_opened", {"turn": turn, "by": by, "purpose": purpose, "statutory": statutory})
    with database.reading() as connection:
        return personal.open_texts(connection, log.vault, turn, statutory=statutory)
