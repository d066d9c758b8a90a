"""What a turn is built of: its seams as protocols, and what the assistant would say before the last checks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from assistant.log import Log
from assistant.replies import Replies
from assistant.settings import FlowSettings
from assistant.turn import Draft, Intent, Message, Outcome, Product, Routing, Suitability
from guardrails.products import ProductIndex
from guardrails.screening import Screen
from knowledge.retrieval.search import Hit, Search


class Router(Protocol):
    """Says what a message wants."""

    def route(self, text: str, history: Sequence[Message] = ()) -> Routing: ...


class Attempt(Protocol):
    """What came of asking a language model: a draft, or why there is none; with what it was sent and what it said."""

    @property
    def draft(self) -> Draft | None: ...

    @property
    def failure(self) -> str | None: ...

    @property
    def prompt_hash(self) -> str: ...

    @property
    def raw(self) -> str: ...

    @property
    def detail(self) -> str: ...

    @property
    def sent(self) -> Sequence[tuple[str, str]]: ...


class Writer(Protocol):
    """A language model that drafts from fenced passages and rewrites a follow-up into a standalone question."""

    def attempt(self, question: str, history: Sequence[Message], hits: Sequence[Hit]) -> Attempt: ...

    def standalone(self, question: str, history: Sequence[Message]) -> str | None: ...


@dataclass(frozen=True, slots=True)
class Parts:
    """The seams of a turn, built once by app.py."""

    router: Router
    search: Search
    screen: Screen
    replies: Replies
    log: Log
    settings: FlowSettings
    versions: Mapping[str, str]
    known_products: Callable[[], ProductIndex]
    last_resort: Draft
    writer: Writer | None = None


@dataclass(frozen=True, slots=True)
class Proposal:
    """What the assistant would say, before the last checks, and all that shaped it."""

    outcome: Outcome
    intent: Intent
    draft: Draft
    suggestions: tuple[str, ...] = ()
    products: tuple[Product, ...] = ()
    decisions: Mapping[str, Suitability] = field(default_factory=dict)
    filled: tuple[str, ...] = ()
    fallback: Draft | None = None
    trace: Mapping[str, Any] = field(default_factory=dict)
