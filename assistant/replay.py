"""A past turn rebuilt from the log and the records."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from assistant.log import Log
from assistant.record import plain
from knowledge.records.materials import Materials


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
