"""What goes over the wire in the assistant's own API. OpenAPI is made from these."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from assistant.channels.seam import StoredTurn
from assistant.turn import Grade, Intent, Outcome, Reply, Source

Text = Annotated[str, Field(pattern=r"\S")]


class Incoming(BaseModel):
    """A request body: types are taken at their word, unknown fields are ignored."""

    model_config = ConfigDict(strict=True)


class ChatRequest(Incoming):
    """One customer message. Without `conversation` a new one starts; `key` is a random UUID the client makes for the
    message, so that sending it again gets the same reply and no second turn."""

    message: Text
    conversation: Annotated[str, Field(min_length=1, max_length=128)] | None = None
    key: Annotated[UUID, Field(strict=False)] | None = None


class FeedbackRequest(Incoming):
    """What the customer thought of one turn."""

    turn: Annotated[str, Field(min_length=1, max_length=128)]
    verdict: Literal["up", "down"]
    reason: Annotated[str, Field(max_length=500)] = ""


class Cited(BaseModel):
    """A source: `quote` is verbatim text of the passage."""

    document: str
    version: str
    title: str
    effective_from: date | None
    passage: str
    quote: str


class NamedProduct(BaseModel):
    """A product the reply speaks of, with its formal grade."""

    code: str
    name: str
    risk: Grade | None


class ChatReply(BaseModel):
    """One reply. `text` is all of it in plain text; `body` is without the notices. `marks` are [offset in `body` in
    code points, index in `citations`]. `ms` are stage timings in milliseconds."""

    conversation: str
    turn: str
    outcome: Outcome
    intent: Intent
    text: str
    body: str
    notices: list[str]
    citations: list[Cited]
    marks: list[tuple[int, int]]
    suggestions: list[str]
    products: list[NamedProduct]
    ms: dict[str, float]


class Delta(BaseModel):
    """One event of a stream: the next piece of `body`."""

    text: str


class Exchange(BaseModel):
    """One turn of a stored conversation; personal data in `question` is masked."""

    question: str
    reply: ChatReply
    at: str


class Conversation(BaseModel):
    """A stored conversation, oldest turn first."""

    conversation: str
    turns: list[Exchange]


class FeedbackReceipt(BaseModel):
    """Feedback was logged."""

    turn: str
    recorded: Literal[True] = True


class SourcePassage(BaseModel):
    """The approved passage a citation opens. `current` tells whether it is still in force."""

    passage: str
    document: str
    version: str
    title: str
    heading: list[str]
    text: str
    effective_from: date | None
    effective_to: date | None
    source: str | None
    current: bool


class Health(BaseModel):
    """The process is up."""

    status: Literal["ok"] = "ok"


class Readiness(BaseModel):
    """Whether every part is ready, and whether the switch to people is on."""

    ready: bool
    checks: dict[str, bool]
    switch_on: bool


def chat_reply(reply: Reply) -> ChatReply:
    """A reply as customers' clients see it; findings are the firm's own business and stay inside."""
    return ChatReply(
        conversation=reply.conversation,
        turn=reply.turn,
        outcome=reply.outcome,
        intent=reply.intent,
        text=reply.text,
        body=reply.body,
        notices=list(reply.notices),
        citations=[
            Cited(
                document=cited.document,
                version=cited.version,
                title=cited.title,
                effective_from=cited.effective_from,
                passage=cited.passage,
                quote=cited.quote,
            )
            for cited in reply.citations
        ],
        marks=list(reply.marks),
        suggestions=list(reply.suggestions),
        products=[NamedProduct(code=one.code, name=one.name, risk=one.risk) for one in reply.products],
        ms=dict(reply.ms),
    )


def exchange(stored: StoredTurn) -> Exchange:
    """A stored turn for the wire."""
    return Exchange(question=stored.question, reply=chat_reply(stored.reply), at=stored.at)


def source_passage(source: Source) -> SourcePassage:
    """A source for the wire."""
    return SourcePassage(
        passage=source.passage,
        document=source.document,
        version=source.version,
        title=source.title,
        heading=list(source.heading),
        text=source.text,
        effective_from=source.effective_from,
        effective_to=source.effective_to,
        source=source.source,
        current=source.current,
    )
