"""The assistant as channels see it: turns, conversations, sources, feedback."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Literal

from assistant import flow, record
from assistant.channels.seam import StoredTurn
from assistant.firm import for_channels
from assistant.log import SHANGHAI, Entry
from assistant.seams import Parts
from assistant.turn import Asked, Message, Passage, Reply, Source
from knowledge.records.materials import Materials, searchable

MEMORY_TURNS = 6
MEMORY_HOURS = 24
STRIPES = 64


class Assistant:
    """Takes turns one after the other within a conversation, many conversations at once."""

    def __init__(self, parts: Parts, materials: Materials, now: Callable[[], datetime] | None = None) -> None:
        self.parts = parts
        self.materials = materials
        self._now = now or (lambda: datetime.now(SHANGHAI))
        self._stripes = [threading.Lock() for _ in range(STRIPES)]

    def answer(self, asked: Asked) -> Reply:
        """One whole turn, logged. A key seen before in the conversation gives the reply it got then."""
        if asked.conversation is None:
            return self._take(asked)
        with self._stripes[hash(asked.conversation) % STRIPES]:
            entries = self._visible(asked.conversation)
            for entry in entries:
                if asked.key and entry.body.get("key") == asked.key and self._same(asked, entry):
                    return record.reply_from(entry.body["reply"])
            history = asked.history or self._memory(entries)
            return self._take(replace(asked, history=history))

    def turns(self, conversation: str) -> list[StoredTurn]:
        """The turns a customer may see again."""
        return [
            StoredTurn(entry.body["question"], record.reply_from(entry.body["reply"]), entry.recorded_at)
            for entry in self._visible(conversation)
        ]

    def source(self, passage_id: str, revision: str | None = None) -> Source | None:
        """The approved public passage behind a citation, and whether its version still answers today."""
        passage = self.materials.passage(passage_id, revision)
        if passage is None or passage.audience != "public" or not self.materials.was_approved(passage.revision):
            return None
        now = searchable(self.materials.approved_revisions(), self._now().date())
        current = {one.document: one for one in now}.get(passage.document)
        approved = [one for one in self.materials.approved_revisions() if one.hash == passage.revision]
        if not approved and revision is None:
            return None
        return Source(
            passage=passage.id,
            document=passage.document,
            version=passage.version,
            title=passage.title,
            heading=passage.heading,
            text=passage.text,
            effective_from=passage.effective_from,
            effective_to=passage.effective_to,
            source=approved[0].source if approved else None,
            current=current is not None and current.hash == passage.revision,
        )

    def feedback(self, turn: str, verdict: Literal["up", "down"], reason: str) -> bool:
        """Log what a customer thought of a reply; False when there is no such turn."""
        entry = self.parts.log.entry(turn)
        if entry is None or entry.event != "turn":
            return False
        masked = flow.masked(Asked(reason, "feedback", self._now().date()), self.firm()).text
        self.parts.log.append(entry.conversation, "feedback", {"turn": turn, "verdict": verdict, "reason": masked})
        return True

    def erase(self, conversation: str) -> bool:
        """Hide a conversation from its customer and from memory; the record the law requires stays, sealed."""
        if not self._visible(conversation):
            return False
        self.parts.log.append(conversation, "erased", {"by": "customer"})
        return True

    def firm(self) -> Mapping[str, Any]:
        """Facts of the firm as data; nothing here is built in."""
        return for_channels(self.materials.all_facts())

    def switch_on(self) -> bool:
        """Whether every channel hands over to people at once."""
        return bool(self.materials.fact("switch") == "on")

    def ready(self) -> Mapping[str, bool]:
        """Which parts can serve."""
        checks: dict[str, Callable[[], object]] = {
            "records": self.materials.generation,
            "index": lambda: self.parts.search.library.view(self._now().date(), live=True),
            "log": lambda: self.parts.log.entry("-"),
        }
        return {name: _works(check) for name, check in checks.items()}

    def _take(self, asked: Asked) -> Reply:
        live = asked.today == self._now().date()
        return flow.answer(asked, self.parts, self.materials.all_facts(), live=live)

    def _same(self, asked: Asked, entry: Entry) -> bool:
        """Whether a retried key comes with the message it came with before; another message is another turn."""
        masked = flow.masked(asked, self.materials.all_facts())
        return bool(entry.body["question"] == masked.text)

    def _visible(self, conversation: str) -> list[Entry]:
        entries = self.parts.log.conversation(conversation)
        erased = [index for index, entry in enumerate(entries) if entry.event == "erased"]
        return [entry for entry in entries[erased[-1] + 1 if erased else 0 :] if entry.event == "turn"]

    def _memory(self, entries: list[Entry]) -> tuple[Message, ...]:
        """The latest turns as context; older than a day is forgotten."""
        limit = self._now() - timedelta(hours=MEMORY_HOURS)
        messages: list[Message] = []
        for entry in entries[-MEMORY_TURNS:]:
            if datetime.fromisoformat(entry.recorded_at) >= limit:
                messages.append(Message("user", entry.body["question"]))
                messages.append(Message("assistant", entry.body["reply"]["body"]))
        return tuple(messages)


def _for_qualified_only(passage: Passage) -> bool:
    """Sheets of products for qualified investors are not opened by an address alone."""
    return passage.product is not None and passage.product.access == "qualified"


def _works(check: Callable[[], object]) -> bool:
    try:
        check()
    except Exception:  # noqa: BLE001 - readiness reports, it never raises
        return False
    return True
