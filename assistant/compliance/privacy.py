"""Holds, erasure, retention, and a customer's own rights, each logged in the transaction that does it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from sqlalchemy import Connection, insert, select, update

from assistant.compliance.tables import turns
from assistant.ledger import personal
from assistant.ledger.form import now
from assistant.ledger.personal import Erased, Scope
from assistant.ledger.tables import log_erasures, log_holds
from assistant.log import Log, new_id
from knowledge.records.database import Database

CONVERSATION = "privacy"
MOST_OWN = 10_000


class Privacy:
    """What compliance and customers may do with raw personal text."""

    def __init__(self, database: Database, log: Log) -> None:
        self._database = database
        self._log = log

    def erase(self, scope: Scope, target: str, *, by: str) -> Erased:
        """A customer's wish to be forgotten. `target`: a conversation, or a customer's id or pseudonym. Conversations
        are hidden and forgotten as context; raw texts are deleted, restricted by law, or kept until a hold ends."""
        target = self._target(scope, target)
        request, result = new_id(), list[Erased]()

        def act(connection: Connection) -> None:
            result.append(personal.erase(connection, scope, target))
            done = result[-1].held == 0
            personal.ask_erasure(connection, request, scope, target, by, done)

        for conversation in self._conversations(scope, target):
            self._log.append(conversation, "erased", {"by": by, "request": request})
        body = {"request": request, "scope": scope, "target": target, "by": by}
        self._log.append(CONVERSATION, "personal_erased", body, act=act)
        return result[-1]

    def hold(self, scope: Scope, target: str, *, by: str, reason: str) -> str:
        """Keep everything of a conversation or customer, whatever else is asked. Returns the hold's id."""
        if not reason.strip():
            raise ValueError("请写明保全原因")
        target = self._target(scope, target)
        values = {"id": new_id(), "scope": scope, "target": target, "reason": reason.strip(), "placed_by": by,
                  "placed_at": now()}  # fmt: skip
        self._log.append(
            CONVERSATION,
            "hold_placed",
            values,
            act=lambda connection: _run(connection, insert(log_holds).values(values)),
        )
        return values["id"]

    def release(self, hold: str, *, by: str, reason: str) -> int:
        """End a hold, and do the erasures it delayed; how many of them are complete now."""
        if not reason.strip():
            raise ValueError("请写明解除原因")
        this = (log_holds.c.id == hold) & log_holds.c.released_at.is_(None)
        ending = update(log_holds).where(this).values(released_by=by, released_at=now())

        def act(connection: Connection) -> None:
            if connection.execute(ending).rowcount != 1:
                raise ValueError("没有这项保全，或已解除")

        self._log.append(CONVERSATION, "hold_released", {"hold": hold, "by": by, "reason": reason}, act=act)
        with self._database.reading() as connection:
            waiting = personal.open_erasures(connection)
        return sum(self._again(row.id, row.scope, row.target, by) for row in waiting)

    def holds(self) -> list[Mapping[str, Any]]:
        """Every hold in force."""
        with self._database.reading() as connection:
            return [dict(row._mapping) for row in personal.on_hold(connection)]

    def expire(self, *, by: str, moment: str | None = None) -> int:
        """Delete raw texts whose retention is over and that no hold keeps; how many."""
        counts: list[int] = []
        body = {"by": by, "until": moment or now()}
        self._log.append(
            CONVERSATION, "personal_expired", body,
            act=lambda connection: counts.append(personal.expire(connection, body["until"])),
        )  # fmt: skip
        return counts[-1]

    def own(self, customer: str) -> list[Mapping[str, Any]]:
        """What a customer may see and take along: every turn of theirs, masked as logged, newest last."""
        reference = self._log.vault.reference(customer)
        query = select(turns.c.turn).where(turns.c.customer == reference, turns.c.event == "turn")
        with self._database.reading() as connection:
            ids = list(connection.execute(query.order_by(turns.c.number.desc()).limit(MOST_OWN)).scalars())
        found = [entry for one in reversed(ids) if (entry := self._log.entry(one)) is not None]
        self._log.append(CONVERSATION, "own_data_given", {"customer": {"id": reference}, "turns": len(found)})
        return [
            {"at": entry.recorded_at, "channel": entry.body["channel"], "question": entry.body["question"],
             "reply": entry.body["reply"]["text"]}
            for entry in found
        ]  # fmt: skip

    def consent(self, customer: str, given: bool, *, by: Literal["customer", "staff"], purpose: str) -> None:
        """Note that a customer gave or withdrew consent."""
        body = {"customer": {"id": customer}, "given": given, "by": by, "purpose": purpose}
        self._log.append(CONVERSATION, "consent", body)

    def _again(self, request: str, scope: Scope, target: str, by: str) -> bool:
        results: list[Erased] = []

        def act(connection: Connection) -> None:
            results.append(personal.erase(connection, scope, target))
            if results[-1].held == 0:
                change = update(log_erasures).where(log_erasures.c.id == request).values(completed_at=now())
                connection.execute(change)

        body = {"request": request, "scope": scope, "target": target, "by": by, "after_hold": True}
        self._log.append(CONVERSATION, "personal_erased", body, act=act)
        return results[-1].held == 0

    def _target(self, scope: Scope, target: str) -> str:
        return self._log.vault.reference(target) if scope == "customer" else target

    def _conversations(self, scope: Scope, target: str) -> list[str]:
        if scope == "conversation":
            return [target] if self._log.conversation(target, limit=1) else []
        query = select(turns.c.conversation).where(turns.c.customer == target).distinct()
        with self._database.reading() as connection:
            return list(connection.execute(query).scalars())


def _run(connection: Connection, statement: Any) -> None:
    connection.execute(statement)
