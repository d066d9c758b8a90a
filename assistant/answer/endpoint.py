"""One call to an OpenAI-compatible chat endpoint (Qwen, DeepSeek, vLLM, llama.cpp …), bounded in every direction."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from threading import Thread
from urllib.parse import urlsplit

import httpx
import openai
from langchain_core.messages import AIMessage, BaseMessage
from langchain_openai import ChatOpenAI
from langsmith import tracing_context
from pydantic import SecretStr

from assistant.answer.trouble import EndpointError, Trouble

MOST_BYTES = 256 * 1024
GRACE = 2.0
_BROKEN_OFF: Mapping[str, Trouble] = {"length": "truncated", "content_filter": "refused"}


@dataclass(frozen=True, slots=True)
class Limits:
    """`timeout` seconds for a call with its retries and its wait for a free place; at most `concurrency` at once."""

    timeout: float = 20.0
    concurrency: int = 4
    retries: int = 1


class Endpoint:
    """Asks one model; thread-safe. A call that runs out of time is cancelled, and its connection closed.

    Calls run on one event loop in a thread of its own. Nothing is traced to third parties, whatever the environment
    says. Raises ValueError if the address or the model name cannot be right.
    """

    def __init__(self, base_url: str, api_key: str, model: str, limits: Limits) -> None:
        address = urlsplit(base_url)
        if address.scheme not in ("http", "https") or not address.hostname:
            raise ValueError(f"模型服务地址不对：{base_url!r}，应形如 http://主机:端口/v1")
        if not model or limits.timeout <= 0 or limits.concurrency < 1:
            raise ValueError("模型名不能为空，时限与并发数必须为正")
        self.model, self._limits = model, limits
        self._http = httpx.AsyncClient(transport=_Capped(), timeout=limits.timeout)

        def client(*, streaming: bool) -> ChatOpenAI:
            return ChatOpenAI(
                base_url=base_url,
                api_key=SecretStr(api_key or "none"),
                model=model,
                temperature=0,
                timeout=limits.timeout,
                max_retries=limits.retries,
                use_responses_api=False,
                disable_streaming=not streaming,
                stream_usage=False,
                openai_proxy="",
                cache=False,
                http_async_client=self._http,
            )

        self._client, self._streaming = client(streaming=False), client(streaming=True)
        self._places = asyncio.Semaphore(limits.concurrency)
        self._loop = asyncio.new_event_loop()
        self._thread = Thread(target=self._loop.run_forever, name="model-endpoint", daemon=True)
        self._thread.start()

    def complete(self, messages: Sequence[BaseMessage], most_tokens: int) -> str:
        """The text of the completion, not blank. Raises EndpointError on anything else."""
        waiting = asyncio.run_coroutine_threadsafe(self._timed(list(messages), most_tokens), self._loop)
        try:
            return waiting.result(self._limits.timeout + GRACE)
        except TimeoutError:
            waiting.cancel()
            raise EndpointError("timeout", "event loop") from None

    def stream(self, messages: Sequence[BaseMessage], most_tokens: int) -> Iterator[str]:
        """The text of the completion as it comes, in pieces of any size. Raises EndpointError where it breaks off, also
        after pieces were given; closing the iterator ends the call."""
        pieces: SimpleQueue[str | EndpointError | None] = SimpleQueue()
        speaking = self._spoken(list(messages), most_tokens, pieces.put)
        asked = asyncio.run_coroutine_threadsafe(speaking, self._loop)
        until = time.monotonic() + self._limits.timeout + GRACE
        try:
            while True:
                piece = pieces.get(timeout=max(0.0, until - time.monotonic()))
                if piece is None:
                    return
                if isinstance(piece, EndpointError):
                    raise piece
                yield piece
        except Empty:
            raise EndpointError("timeout", "event loop") from None
        finally:
            asked.cancel()

    def close(self) -> None:
        """Close connections and end the thread; idempotent. No call may follow."""
        if self._loop.is_closed():
            return
        asyncio.run_coroutine_threadsafe(self._http.aclose(), self._loop).result(GRACE)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(GRACE)
        self._loop.close()

    async def _spoken(
        self, messages: list[BaseMessage], most_tokens: int, give: Callable[[str | EndpointError | None], None]
    ) -> None:
        """Give the text piece by piece, then None, or the error that ended it."""
        begun, said, reason = False, False, ""
        try:
            async with asyncio.timeout(self._limits.timeout), self._places:
                begun = True
                with tracing_context(enabled=False):
                    async for chunk in self._streaming.astream(messages, extra_body={"max_tokens": most_tokens}):
                        text = _piece(chunk)
                        reason = str(chunk.response_metadata.get("finish_reason") or reason)
                        said = said or bool(text.strip())
                        if text:
                            give(text)
            if reason in _BROKEN_OFF:
                raise EndpointError(_BROKEN_OFF[reason])
            if not said:
                raise EndpointError("empty", reason)
            give(None)
        except TimeoutError:
            give(EndpointError("timeout" if begun else "busy"))
        except EndpointError as error:
            give(error)
        except Exception as error:  # noqa: BLE001 - whatever a server answers, the caller gets one kind of error
            give(_named(error))

    async def _timed(self, messages: list[BaseMessage], most_tokens: int) -> str:
        begun = False

        async def ask() -> BaseMessage:
            nonlocal begun
            async with self._places:
                begun = True
                with tracing_context(enabled=False):
                    return await self._client.ainvoke(messages, extra_body={"max_tokens": most_tokens})

        try:
            return _text(await asyncio.wait_for(ask(), self._limits.timeout))
        except TimeoutError:
            raise EndpointError("timeout" if begun else "busy") from None
        except EndpointError:
            raise
        except Exception as error:  # whatever a server answers, the caller gets one kind of error
            raise _named(error) from error


class _Capped(httpx.AsyncHTTPTransport):
    """Stops reading an answer after MOST_BYTES."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        request.headers["Accept-Encoding"] = "identity"
        response = await super().handle_async_request(request)
        assert isinstance(response.stream, httpx.AsyncByteStream)
        response.stream = _CappedStream(response.stream)
        return response


class _CappedStream(httpx.AsyncByteStream):
    def __init__(self, stream: httpx.AsyncByteStream) -> None:
        self._stream = stream

    async def __aiter__(self) -> AsyncIterator[bytes]:
        size = 0
        async for chunk in self._stream:
            size += len(chunk)
            if size > MOST_BYTES:
                raise EndpointError("oversized", f"more than {MOST_BYTES} bytes")
            yield chunk

    async def aclose(self) -> None:
        await self._stream.aclose()


def _piece(chunk: BaseMessage) -> str:
    """The text of one piece of an answer."""
    content = chunk.content
    if not isinstance(content, str) or getattr(chunk, "tool_call_chunks", None):
        raise EndpointError("protocol", "not plain text", str(content))
    if chunk.additional_kwargs.get("refusal"):
        raise EndpointError("refused", "refusal")
    return content


def _text(message: BaseMessage) -> str:
    """The text of a completed answer."""
    content = message.content
    if not isinstance(message, AIMessage) or not isinstance(content, str) or message.tool_calls:
        raise EndpointError("protocol", "not a plain text message", str(content))
    reason = message.response_metadata.get("finish_reason")
    if message.additional_kwargs.get("refusal") or reason == "content_filter":
        raise EndpointError("refused", str(reason), content)
    if reason == "length":
        raise EndpointError("truncated", "", content)
    if not content.strip():
        raise EndpointError("empty", str(reason))
    return content


def _named(error: Exception) -> EndpointError:
    """What went wrong, in the words of `Trouble`."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, EndpointError):
            return cause
        cause = cause.__cause__
    if isinstance(error, openai.APITimeoutError):
        return EndpointError("timeout", "request")
    if isinstance(error, openai.APIStatusError):
        return EndpointError("status", str(error.status_code))
    if isinstance(error, openai.APIConnectionError) and not isinstance(error.__cause__, json.JSONDecodeError):
        return EndpointError("connection", type(error.__cause__ or error).__name__)
    return EndpointError("protocol", type(error).__name__)
