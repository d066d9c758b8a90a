"""The assistant as channels see it: turns, conversations, sources, feedback."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any, Literal

from assistant import flow, record
from assistant.channels.seam import StoredTurn
from assistant.desk.events import INBOUND, OUTBOUND
from assistant.desk.seam import Charge, Nobody
from assistant.firm import for_channels
from assistant.gate import Emit, Gate
from assistant.log import SHANGHAI, Entry, new_id
from assistant.screening import Screener
from assistant.seams import Parts, StreamingWriter
from assistant.turn import Asked, Message, Passage, Reply, Source
from knowledge.records.materials import Materials, searchable

MEMORY_TURNS = 6
MEMORY_HOURS = 24
STRIPES = 64


class Assistant:
    """Takes turns one after the other within a conversation, many conversations at once."""

    def __init__(
        self,
        parts: Parts,
        materials: Materials,
        now: Callable[[], datetime] | None = None,
        desk: Charge | None = None,
    ) -> None:
        self.parts = parts
        self.materials = materials
        self.desk = desk or Nobody()
        self._now = now or (lambda: datetime.now(SHANGHAI))
        self._stripes = [threading.Lock() for _ in range(STRIPES)]

    def answer(self, asked: Asked, emit: Emit | None = None) -> Reply:
        """One whole turn, logged. A key seen before in the conversation gives the reply it got then. `emit` gets the
        sentences of the body that are released while a model is still writing."""
        if asked.conversation is None:
            return self._take(asked, emit)
        with self._stripes[hash(asked.conversation) % STRIPES]:
            entries = self._visible(asked.conversation)
            for entry in entries:
                if asked.key and entry.body.get("key") == asked.key and self._same(asked, entry):
                    return record.reply_from(entry.body["reply"])
            if self.desk.in_charge(asked.conversation):
                return self._left(asked)
            history = asked.history or self._memory(entries)
            return self._take(replace(asked, history=history), emit)

    def leave(self, asked: Asked) -> Reply | None:
        """Keep a message for the person who has the conversation or will take it; nothing is said to it. The same key
        keeps it once. None when nobody looks after the conversation."""
        conversation = asked.conversation or ""
        with self._stripes[hash(conversation) % STRIPES]:
            for entry in self._visible(conversation):
                if asked.key and entry.body.get("key") == asked.key and self._same(asked, entry):
                    return record.reply_from(entry.body["reply"])
            return self._left(asked) if self.desk.may_leave(conversation) else None

    def turns(self, conversation: str) -> list[StoredTurn]:
        """The turns a customer may see again."""
        return [
            StoredTurn(entry.body["question"], record.reply_from(entry.body["reply"]), entry.recorded_at)
            for entry in self._visible(conversation)
            if not _by_person(entry)
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
        self.desk.erased(conversation)
        return True

    def firm(self) -> Mapping[str, Any]:
        """Facts of the firm as data; nothing here is built in."""
        return for_channels(self.materials.all_facts())

    def switch_on(self) -> bool:
        """Whether every channel hands over to people at once."""
        return bool(self.materials.fact("switch") == "on")

    def screen(self, row: Mapping[str, Any], today: date) -> dict[str, Any]:
        """The verdict on a text of somebody else, as the `screen` command gives it. Raises BadInput."""
        products = self.parts.search.library.known_products()
        return Screener.over(self.parts.screen, self.parts.known_products(), products).row(row, today)

    def ready(self) -> Mapping[str, bool]:
        """Which parts can serve."""
        checks: dict[str, Callable[[], object]] = {
            "records": self.materials.generation,
            "index": lambda: self.parts.search.library.view(self._now().date(), live=True),
            "log": lambda: self.parts.log.entry("-"),
        }
        return {name: _works(check) for name, check in checks.items()}

    def _take(self, asked: Asked, emit: Emit | None = None) -> Reply:
        reply = self._turn(asked, emit)
        self.desk.turned(asked if asked.conversation else replace(asked, conversation=reply.conversation), reply)
        return reply

    def _turn(self, asked: Asked, emit: Emit | None) -> Reply:
        live, facts = asked.today == self._now().date(), {**self.materials.all_facts(), **self.desk.facts()}
        if emit is None or not isinstance(self.parts.writer, StreamingWriter):
            return flow.answer(asked, self.parts, facts, live=live)
        turn, conversation = new_id(), asked.conversation or new_id()
        gate = Gate(turn, conversation, emit)
        parts = replace(self.parts, release="sentence")
        return flow.answer(replace(asked, conversation=conversation), parts, facts, live=live, gate=gate, turn=turn)

    def _left(self, asked: Asked) -> Reply:
        """A message for a person, logged and passed on; the assistant is mute, so the reply holds no words."""
        turn, conversation = new_id(), asked.conversation or ""
        kept = flow.masked(asked, self.materials.all_facts())
        reply = Reply(turn, conversation, "handoff", "human", "", "")
        body = record.left(kept, reply)
        self.parts.log.append(conversation, INBOUND, body, turn=turn, raw={"question": asked.text})
        self.desk.wrote(conversation, turn, kept.text)
        return reply

    def _same(self, asked: Asked, entry: Entry) -> bool:
        """Whether a retried key comes with the message it came with before; another message is another turn."""
        masked = flow.masked(asked, self.materials.all_facts())
        return bool(entry.body["question"] == masked.text)

    def _visible(self, conversation: str) -> list[Entry]:
        entries = self.parts.log.conversation(conversation)
        erased = [index for index, entry in enumerate(entries) if entry.event == "erased"]
        return [entry for entry in entries[erased[-1] + 1 if erased else 0 :] if _said(entry)]

    def _memory(self, entries: list[Entry]) -> tuple[Message, ...]:
        """The latest turns as context; older than a day is forgotten."""
        limit = self._now() - timedelta(hours=MEMORY_HOURS)
        messages: list[Message] = []
        for entry in entries[-MEMORY_TURNS:]:
            if datetime.fromisoformat(entry.recorded_at) < limit:
                continue
            if entry.event == OUTBOUND:
                messages.append(Message("assistant", entry.body["text"]))
                continue
            messages.append(Message("user", entry.body["question"]))
            if entry.body["reply"]["body"]:
                messages.append(Message("assistant", entry.body["reply"]["body"]))
        return tuple(messages)


def _said(entry: Entry) -> bool:
    """Whether an event is a turn, a message left for a person, or a person's own words to the customer."""
    return entry.event == "turn" or (entry.event == INBOUND and "reply" in entry.body) or _by_person(entry)


def _by_person(entry: Entry) -> bool:
    return entry.event == OUTBOUND and "member" in entry.body


def _for_qualified_only(passage: Passage) -> bool:
    """Sheets of products for qualified investors are not opened by an address alone."""
    return passage.product is not None and passage.product.access == "qualified"


def _works(check: Callable[[], object]) -> bool:
    try:
        check()
    except Exception:  # noqa: BLE001 - readiness reports, it never raises
        return False
    return True
