"""A past turn rebuilt from the log and the records."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from typing import Any, cast

from assistant import flow
from assistant.customers import customer_from
from assistant.log import Log, new_id
from assistant.record import plain
from assistant.seams import Parts
from assistant.turn import Asked, Message
from knowledge.records.materials import Materials


class Unheard:
    """Takes the place of the log of turns: an answer for comparison is no turn and leaves nothing."""

    def append(self, conversation: str, event: str, body: Mapping[str, Any], **more: Any) -> str:
        """An id, as if it had been logged."""
        del conversation, event, body
        return str(more.get("turn") or new_id())


def again(turn: str, log: Log, parts: Parts, materials: Materials, today: date) -> dict[str, Any] | None:
    """What the same question would get on `today`, beside what it got then; None for what is no turn. The question is
    the masked one, and the customer is as the records knew them then."""
    entry = log.entry(turn)
    if entry is None or entry.event != "turn":
        return None
    body = entry.body
    history = tuple(Message(one["role"], one["content"]) for one in body.get("history", ()))
    customer = customer_from(body.get("customer"))
    asked = Asked(body["question"], "replay", today, new_id(), history=history, customer=customer)
    quiet = replace(parts, log=cast(Log, Unheard()), release="whole")
    reply = flow.answer(asked, quiet, materials.all_facts(), live=True)
    was = body["reply"]
    cited = sorted({f"{one.document}@{one.version}" for one in reply.citations})
    before = sorted({f"{one['document']}@{one['version']}" for one in was["citations"]})
    return {
        "today": today.isoformat(), "outcome": reply.outcome, "intent": reply.intent, "text": reply.text,
        "same_text": reply.text == was["text"], "same_outcome": reply.outcome == was["outcome"],
        "documents": cited, "documents_then": before,
    }  # fmt: skip


def replay(turn: str, log: Log, materials: Materials, versions: Mapping[str, str]) -> dict[str, Any] | None:
    """All of one turn as of its time, or None when it is unknown.

    `passages` are read from the very revisions named by hash then; `whole` says that each is still there and holds the
    words that were quoted. `changed` names what would answer otherwise today.
    """
    entry = log.entry(turn)
    if entry is None:
        return None
    body = entry.body
    quotes = {citation["passage"]: citation["quote"] for citation in body.get("reply", {}).get("citations", ())}
    passages = []
    for used in body.get("evidence", ()):
        passage = materials.passage(used["passage"], used["revision"])
        quote = quotes.get(used["passage"], "")
        passages.append(
            {
                **used,
                "version": passage.version if passage else None,
                "title": passage.title if passage else None,
                "text": passage.text if passage else None,
                "quoted": bool(passage) and quote in (passage.text if passage else ""),
            }
        )
    then = body.get("versions", {})
    return {
        "turn": entry.id,
        "conversation": entry.conversation,
        "at": entry.recorded_at,
        "event": entry.event,
        **plain(body),
        "passages": passages,
        "whole": all(passage["quoted"] for passage in passages),
        "changed": {name: [old, versions.get(name)] for name, old in then.items() if versions.get(name) != old},
    }
