"""The values of the staff desk, and what it asks of the parts around it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from assistant.turn import Passage, Speaker

Role = Literal["staff", "adviser", "editor", "approver", "compliance", "admin"]
Status = Literal["waiting", "held", "ended"]
EndReason = Literal["solved", "handed_back", "no_answer", "passed_on", "other", "erased"]
SERVING: frozenset[str] = frozenset({"staff", "adviser"})


@dataclass(frozen=True, slots=True)
class Member:
    """A person of the firm, as the login knows them. `number` is the 工号, `licence` the 执业编号 of an adviser."""

    id: str
    name: str
    role: str
    number: str = ""
    licence: str = ""

    @property
    def speaker(self) -> Speaker:
        """How the screening takes what they say: only who is registered speaks as an adviser."""
        return "adviser" if self.role == "adviser" and self.licence else "staff"


@dataclass(frozen=True, slots=True)
class Ticket:
    """One conversation that people look after, from the hand-over to its end. `newest` is the customer's last message;
    `waiting_since` when the customer began to wait for a person's word."""

    id: str
    conversation: str
    channel: str
    customer: str | None
    profile: Mapping[str, Any] | None
    turn: str
    intent: str
    reason: str
    urgency: int
    senior: bool
    status: Status
    owner: str | None
    newest: str
    preview: str
    unread: int
    in_hours: bool
    opened_at: float
    waiting_since: float | None
    claimed_at: float | None
    first_reply_at: float | None
    ended_at: float | None
    ended_by: str | None
    end_reason: str | None
    rating: int | None
    rating_words: str | None
    rated_at: float | None


class Lost(Exception):
    """The state a change wanted was gone: somebody else was first."""


class NotYours(Exception):
    """The conversation is not in this person's hands. `owner` has it, or nobody."""

    def __init__(self, owner: str | None) -> None:
        super().__init__(owner or "nobody")
        self.owner = owner


class Unknown(LookupError):
    """There is no such conversation, complaint, script or message at the desk."""


class Carrier(Protocol):
    """A channel that brings what a person says to its customers and keeps its own record of it. It screens and logs
    what it sends once more, in its own way."""

    def deliver(
        self,
        conversation: str,
        text: str,
        *,
        member: Member,
        override: str | None,
        passages: Sequence[Passage],
    ) -> str | None:
        """Send; None when the message is on its way, else why it is not."""
        ...
