"""Verdicts become cases: what people decided about real replies is what the next version is measured by."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import select

from assistant.compliance.tables import items, verdicts
from assistant.log import Log
from knowledge.records.database import Database


def cases(database: Database, log: Log) -> Iterator[dict[str, Any]]:
    """One case for each settled turn, in the form of evals/cases: the masked question as it was asked, with its day and
    customer, and what must come of it. Of a violation the very words that were wrong must not be said again; of a turn
    found fine the outcome must stay."""
    settled = select(items.c.turn).where(items.c.status == "done").order_by(items.c.number)
    with database.reading() as connection:
        turns = list(connection.execute(settled).scalars())
    for turn in turns:
        query = select(verdicts).where(verdicts.c.turn == turn).order_by(verdicts.c.decided_at, verdicts.c.id)
        with database.reading() as connection:
            last = connection.execute(query).all()[-1]
        entry = log.entry(turn)
        if entry is None or entry.event != "turn":
            continue
        body, violation = entry.body, last.verdict == "violation"
        yield {
            "id": f"verdict-{turn[:12]}",
            "question": body["question"],
            "history": body.get("history", []),
            "customer": body.get("customer"),
            "today": body.get("today"),
            "tags": ["verdict", last.verdict, *last.codes],
            "expect": {
                "outcome": "any" if violation else body["reply"]["outcome"],
                "documents": [],
                "facts": [],
                "absent": [body["reply"]["body"]] if violation else [],
            },
        }
