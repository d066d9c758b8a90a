"""The assistant's own API: a turn as JSON or as a stream of events, stored conversations, feedback, sources."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request, Response
from sse_starlette import EventSourceResponse, ServerSentEvent

from assistant.channels import problems, shapes
from assistant.channels.problems import ProblemError, documented
from assistant.channels.turns import READ_COST, Turns, sentences
from assistant.turn import Asked

Id = Annotated[str, Path(min_length=1, max_length=128)]
COMMON = ("bad_request", "slow_body", "body_too_large", "invalid", "too_many_requests", "unavailable", "busy")
READ = ("invalid", "too_many_requests", "unavailable")
EVENTS = {
    "description": "The reply. As text/event-stream: `status` {stage}, then `delta` {text} for each sentence of "
    "`body`, then `done` with the whole reply; or `error` with a Problem. A sentence comes only after it was screened, "
    "with all text before it, and logged; as the installation is set, only after the whole reply was.",
    "content": {"text/event-stream": {"schema": problems.event_schema("status", "delta", "done", "error")}},
}


def routes(turns: Turns) -> APIRouter:
    """The routes under /v1 that speak of conversations."""
    router = APIRouter(prefix="/v1", tags=["chat"])

    @router.post(
        "/chat",
        response_model=shapes.ChatReply,
        responses={200: EVENTS, **documented(*COMMON, "empty_message", "message_too_long", "unknown_conversation")},
    )
    async def chat(asking: shapes.ChatRequest, request: Request) -> Any:
        """Answer one message."""
        asked = await _asked(turns, asking, request)
        if "text/event-stream" in request.headers.get("accept", ""):
            return EventSourceResponse(_events(turns, asked), ping=15, sep="\n")
        return shapes.chat_reply(await turns.reply(asked))

    @router.get("/conversations/{conversation}", responses=documented("unknown_conversation", *READ))
    async def conversation(conversation: Id, request: Request) -> shapes.Conversation:
        """What was said so far, for a page that was reloaded."""
        turns.limit_address(request, READ_COST)
        stored = await turns.call(turns.assistant.turns, conversation)
        if not stored:
            raise ProblemError("unknown_conversation")
        return shapes.Conversation(conversation=conversation, turns=[shapes.exchange(turn) for turn in stored])

    @router.delete(
        "/conversations/{conversation}", status_code=204, responses=documented("unknown_conversation", *READ)
    )
    async def erase(conversation: Id, request: Request) -> Response:
        """The customer wants the conversation gone: it is no longer shown nor used; the wish is logged."""
        turns.limit_address(request, READ_COST)
        if not await turns.call(turns.assistant.erase, conversation):
            raise ProblemError("unknown_conversation")
        turns.metrics.erased()
        return Response(status_code=204)

    @router.post("/feedback", responses=documented(*COMMON, "unknown_turn"))
    async def feedback(given: shapes.FeedbackRequest, request: Request) -> shapes.FeedbackReceipt:
        """Say whether a reply helped, and why not."""
        turns.limit_address(request, READ_COST)
        if not await turns.call(turns.assistant.feedback, given.turn, given.verdict, given.reason):
            raise ProblemError("unknown_turn")
        turns.metrics.feedback(given.verdict)
        return shapes.FeedbackReceipt(turn=given.turn)

    @router.get("/sources/{passage:path}", responses=documented("unknown_source", *READ))
    async def source(
        passage: Annotated[str, Path(min_length=1, max_length=256)],
        request: Request,
        revision: Annotated[str | None, Query(max_length=128)] = None,
    ) -> shapes.SourcePassage:
        """The approved passage that a citation names."""
        turns.limit_address(request, READ_COST)
        found = await turns.call(turns.assistant.source, passage, revision)
        if found is None:
            raise ProblemError("unknown_source")
        return shapes.source_passage(found)

    return router


async def _asked(turns: Turns, asking: shapes.ChatRequest, request: Request) -> Asked:
    """The message as the conversation takes it. Raises ProblemError for what is refused before a turn begins."""
    settings = turns.settings
    if len(asking.message) > settings.max_chars:
        raise ProblemError("message_too_long", max_chars=settings.max_chars)
    turns.limit_address(request)
    await turns.admit("web")
    key = None if asking.key is None else str(asking.key)
    known = asking.conversation
    if known is not None:
        turns.limit_conversation(known)
        if not await turns.call(turns.assistant.turns, known):
            raise ProblemError("unknown_conversation")
    return Asked(
        text=asking.message,
        channel="web",
        today=settings.today(),
        conversation=known or (turns.opened_by(key) if key else None),
        customer=settings.identify(request),
        key=key,
    )


async def _events(turns: Turns, asked: Asked) -> AsyncIterator[ServerSentEvent]:
    """The events of one turn. Nothing of the reply is sent before it was released: as a whole, or sentence by sentence
    while a model writes it."""
    yield _event("status", '{"stage":"searching"}')
    sent = ""
    try:
        async for piece in turns.pieces(asked):
            if isinstance(piece, str):
                yield _event("delta", shapes.Delta(text=piece).model_dump_json())
                sent += piece
                continue
            for rest in sentences(piece.body.removeprefix(sent)):
                yield _event("delta", shapes.Delta(text=rest).model_dump_json())
            yield _event("done", shapes.chat_reply(piece).model_dump_json())
    except ProblemError as raised:
        yield _event("error", problems.problem(raised).model_dump_json(exclude_none=True))


def _event(name: str, data: str) -> ServerSentEvent:
    return ServerSentEvent(data=data, event=name, sep="\n")
