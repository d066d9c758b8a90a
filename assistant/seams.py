"""What a turn is built of: its seams as protocols, and what the assistant would say before the last checks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, runtime_checkable

from assistant.log import Log
from assistant.replies import Replies
from assistant.settings import FlowSettings
from assistant.turn import Asked, Draft, Finding, Intent, Message, Outcome, Product, Routing, Suitability
from assistant.watch import Watch
from guardrails.products import ProductIndex
from guardrails.screening import Screen
from knowledge.retrieval.search import Found, Hit, Search


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


class Speech(Protocol):
    """An answer as it is being written: pieces of raw text, and how to make a draft of all the raw text so far."""

    @property
    def deltas(self) -> Iterator[str]: ...

    @property
    def read(self) -> Callable[[str], Draft]: ...

    @property
    def prompt_hash(self) -> str: ...

    @property
    def sent(self) -> Sequence[tuple[str, str]]: ...


@runtime_checkable
class StreamingWriter(Writer, Protocol):
    """A language model whose answer can be heard while it is written."""

    def speech(self, question: str, history: Sequence[Message], hits: Sequence[Hit]) -> Speech | None: ...


@dataclass(frozen=True, slots=True)
class Parts:
    """The seams of a turn, built once by app.py. `release` "sentence" leaves the writing to the gate."""

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
    release: Literal["whole", "sentence"] = "whole"


@dataclass(frozen=True, slots=True)
class Proposal:
    """What the assistant would say, before the last checks, and all that shaped it. `found`: what it may be written
    from."""

    outcome: Outcome
    intent: Intent
    draft: Draft
    suggestions: tuple[str, ...] = ()
    products: tuple[Product, ...] = ()
    decisions: Mapping[str, Suitability] = field(default_factory=dict)
    filled: tuple[str, ...] = ()
    fallback: Draft | None = None
    found: tuple[Found, ...] = ()
    trace: Mapping[str, Any] = field(default_factory=dict)


class Gate(Protocol):
    """The last checks of a turn: what leaves, screened, and what was found in what was withheld."""

    def __call__(
        self, proposal: Proposal, asked: Asked, parts_of_turn: Parts, facts: Mapping[str, Any], watch: Watch, /
    ) -> tuple[Proposal, tuple[Finding, ...]]: ...
