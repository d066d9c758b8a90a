"""What every channel asks of the conversation behind it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal, Protocol

from assistant.turn import Asked, Reply, Source


@dataclass(frozen=True, slots=True)
class StoredTurn:
    """One turn as it may be shown again: the question with personal data masked, the reply, ISO time with zone."""

    question: str
    reply: Reply
    at: str


class Assistant(Protocol):
    """The conversation. Methods are synchronous and thread-safe; any may raise, and then nothing was released."""

    def answer(self, asked: Asked, emit: Callable[[str], None] | None = None, /) -> Reply:
        """The whole turn, logged before it returns. The same `key` in a conversation gives the same reply again, never
        a second turn. `conversation` may be an id without turns yet: the channel made it, so that a retried first
        message finds the conversation it opened. `emit` is called with each sentence of the body that may be shown
        before the whole reply is there: all of them together are the beginning of its body."""
        ...

    def leave(self, asked: Asked, /) -> Reply | None:
        """Keep a message for a person; the reply holds no words. None when nobody looks after the conversation."""
        ...

    def turns(self, conversation: str) -> list[StoredTurn]:
        """What may be shown again, oldest first; empty for an unknown or erased conversation."""
        ...

    def source(self, passage_id: str, revision: str | None = None) -> Source | None:
        """An approved public passage, or None."""
        ...

    def feedback(self, turn: str, verdict: Literal["up", "down"], reason: str) -> bool:
        """Log what the customer thought of a turn; False when the turn is unknown."""
        ...

    def erase(self, conversation: str) -> bool:
        """The customer's wish: no longer shown, no longer used as history; logged. False when unknown."""
        ...

    def firm(self) -> Mapping[str, Any]:
        """Firm facts, any of which may be missing: name, name_en, app_name, hotline, hours, website, complaint_line,
        start_groups [{title, questions}], ai_model_name, ai_filing, retention, privacy_url."""
        ...

    def screen(self, row: Mapping[str, Any], today: date, /) -> dict[str, Any]:
        """The verdict on a text of somebody else, as the `screen` command gives it. Raises BadInput."""
        ...

    def ready(self) -> Mapping[str, bool]:
        """Readiness of each part, e.g. records, index, log."""
        ...

    def switch_on(self) -> bool:
        """Whether the one switch that hands every turn to people is on."""
        ...
