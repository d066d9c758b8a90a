"""What a customer's page asks about people: where one stands, what they say, a message left for them, a rating."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import BaseModel, Field
from sse_starlette import EventSourceResponse, ServerSentEvent

from assistant.channels import problems
from assistant.channels.limits import Buckets
from assistant.channels.problems import ProblemError, documented
from assistant.channels.seam import Assistant
from assistant.channels.settings import HttpSettings
from assistant.channels.shapes import Cited, Incoming, Text
from assistant.channels.staff import StaffDesk
from assistant.channels.staff_shapes import Whole
from assistant.desk.desk import Standing
from assistant.desk.live import customer
from assistant.desk.outbox import Outgoing
from assistant.turn import Asked

LOOK_S = 20.0
READ_COST = 0.2
Id = Annotated[str, Path(min_length=1, max_length=128)]
READ = ("invalid", "too_many_requests", "unavailable", "unknown_conversation")
WRITE = (*READ, "bad_request", "slow_body", "body_too_large")


class ServedBy(BaseModel):
    """The person who serves a customer; `licence` (执业编号) of a registered adviser."""

    name: str
    number: str
    role: Literal["staff", "adviser"]
    licence: str


class StandingShown(BaseModel):
    """Where a customer stands. `ahead`: people served before; `minutes`: expected waiting, null when nobody can say;
    `opens_at`: when people are there next, null while they are."""

    state: Literal["none", "waiting", "person", "ended"]
    ticket: str | None
    ahead: int
    minutes: int | None
    open: bool
    on_duty: bool
    hours: str
    opens_at: str | None
    person: ServedBy | None
    can_rate: bool
    rating: int | None
    complaint: str | None
    due_on: str | None


class PersonMessage(BaseModel):
    """What a person said. `sequence` counts a conversation's messages; `at` is seconds since the epoch."""

    id: str
    sequence: int
    at: float
    text: str
    notices: list[str]
    citations: list[Cited]
    person: ServedBy


class DeskState(BaseModel):
    """Where a customer stands, and what people said so far, oldest first."""

    standing: StandingShown
    messages: list[PersonMessage]


class Left(Incoming):
    """A message left for a person. `key` keeps it once."""

    message: Text
    key: Annotated[UUID, Field(strict=False)]


class LeftReceipt(BaseModel):
    """The message is kept."""

    turn: str


class Rating(Incoming):
    """What the customer thought, 1 (bad) to 5 (good)."""

    ticket: Annotated[str, Field(min_length=1, max_length=64)]
    rating: Annotated[int, Field(ge=1, le=5), Whole]
    words: Annotated[str, Field(max_length=500)] = ""


def routes(staff: StaffDesk, assistant: Assistant, settings: HttpSettings) -> APIRouter:
    """The routes beside a customer's conversation. Its id is the secret that opens them, as for the conversation."""
    router = APIRouter(prefix="/v1/conversations", tags=["chat"])
    buckets = Buckets(settings.address_per_minute, settings.address_burst, settings.limit_entries)
    desk = staff.desk

    def limit(request: Request, cost: float = 1.0) -> None:
        seconds = buckets.take(settings.address(request), cost)
        if seconds:
            raise ProblemError("too_many_requests", retry_after=seconds)

    def state(conversation: str, after: int) -> DeskState:
        standing = desk.standing(conversation)
        if standing.state == "none":
            raise ProblemError("unknown_conversation")
        return DeskState(
            standing=_standing(standing), messages=[_message(m) for m in desk.messages(conversation, after)]
        )

    @router.get("/{conversation}/desk", responses=documented(*READ))
    async def look(conversation: Id, request: Request, after: Annotated[int, Query(ge=0, le=2**31)] = 0) -> DeskState:
        """Where the customer stands, and what people said after message `after`."""
        limit(request, READ_COST)
        return await staff.call(state, conversation, after)

    @router.get(
        "/{conversation}/live",
        response_class=EventSourceResponse,
        responses={
            200: {
                "description": "`standing` whenever it changes, `message` for each thing a person says; the event's id "
                "is its sequence.",
                "content": {"text/event-stream": {"schema": problems.event_schema("standing", "message")}},
            },
            **documented(*READ),
        },
    )
    async def live(conversation: Id, request: Request, after: Annotated[int, Query(ge=0, le=2**31)] = 0) -> Any:
        """The same as it happens. `Last-Event-ID` of a connection that broke goes before `after`."""
        limit(request, READ_COST)
        last = request.headers.get("last-event-id", "")
        begun = int(last) if last.isdigit() and len(last) < 10 else after
        await staff.call(state, conversation, 2**31)
        return EventSourceResponse(_live(staff, conversation, begun), ping=15, sep="\n")

    @router.post("/{conversation}/messages", responses=documented(*WRITE, "message_too_long", "nobody_to_leave"))
    async def leave(conversation: Id, given: Left, request: Request) -> LeftReceipt:
        """Leave a message for the person who has the conversation or will take it."""
        limit(request)
        if len(given.message) > settings.max_chars:
            raise ProblemError("message_too_long", max_chars=settings.max_chars)
        asked = Asked(
            given.message, "web", settings.today(), conversation, customer=settings.identify(request),
            key=str(given.key),
        )  # fmt: skip
        reply = await staff.call(assistant.leave, asked)
        if reply is None:
            raise ProblemError("nobody_to_leave")
        return LeftReceipt(turn=reply.turn)

    @router.post("/{conversation}/rating", status_code=204, responses=documented(*WRITE, "nothing_to_rate"))
    async def rate(conversation: Id, given: Rating, request: Request) -> Response:
        """Say how it was to be served by a person; once."""
        limit(request)
        if not await staff.call(desk.rate, conversation, given.ticket, given.rating, given.words):
            raise ProblemError("nothing_to_rate")
        return Response(status_code=204)

    return router


async def _live(staff: StaffDesk, conversation: str, after: int) -> AsyncIterator[ServerSentEvent]:
    """The events of one customer's page."""
    desk, shown = staff.desk, ""
    with desk.hub.listening(customer(conversation)) as changes:
        while True:
            for said in await staff.call(desk.messages, conversation, after):
                after = said.sequence
                data = _message(said).model_dump_json()
                yield ServerSentEvent(data=data, event="message", id=str(after), sep="\n")
            standing = _standing(await staff.call(desk.standing, conversation)).model_dump_json()
            if standing != shown:
                shown = standing
                yield ServerSentEvent(data=standing, event="standing", sep="\n")
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_S):
                    await changes.get()
            while not changes.empty():
                changes.get_nowait()


def _standing(found: Standing) -> StandingShown:
    own = {name: getattr(found, name) for name in StandingShown.model_fields}
    person = found.person
    shown = None if person is None else ServedBy(
        name=person.name, number=person.number, role="adviser" if person.speaker == "adviser" else "staff",
        licence=person.licence,
    )  # fmt: skip
    return StandingShown(**own | {"person": shown})


def _message(said: Outgoing) -> PersonMessage:
    body = said.body
    person = ServedBy(
        name=body["name"], number=body["member"]["number"],
        role="adviser" if body["speaker"] == "adviser" else "staff", licence=body["licence"],
    )  # fmt: skip
    return PersonMessage(
        id=said.id, sequence=said.sequence, at=said.ready_at, text=body["text"], notices=list(body["notices"]),
        citations=[Cited(**one) for one in body["citations"]], person=person,
    )  # fmt: skip
