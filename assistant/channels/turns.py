"""Running turns off the event loop: once for each key, bounded in number and time, finished even if the client left."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
import re
import time
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from fastapi import Request

from assistant.channels.edge import report
from assistant.channels.limits import Buckets
from assistant.channels.metrics import Metrics
from assistant.channels.problems import ProblemError
from assistant.channels.seam import Assistant
from assistant.channels.settings import HttpSettings
from assistant.turn import Asked, Reply

READ_COST = 0.2
SENTENCE_END = re.compile(r"[。！？；!?;…]+[”』」）)\"']*\n*|\n+")
Value = TypeVar("Value")


class Turns:
    """The assistant as coroutines use it, with the limits of the HTTP channel."""

    def __init__(self, assistant: Assistant, settings: HttpSettings, metrics: Metrics) -> None:
        self.assistant = assistant
        self.settings = settings
        self.metrics = metrics
        self._pool: ThreadPoolExecutor | None = None
        self._running: dict[tuple[str, str], asyncio.Task[Reply]] = {}
        self._waiting: set[asyncio.Task[Reply]] = set()
        entries = settings.limit_entries
        self._addresses = Buckets(settings.address_per_minute, settings.address_burst, entries)
        self._conversations = Buckets(settings.conversation_per_minute, settings.conversation_burst, entries)

    async def call(self, function: Callable[..., Value], *arguments: object) -> Value:
        """Run a blocking call of the assistant in the pool."""
        if self._pool is None:
            self._pool = ThreadPoolExecutor(self.settings.threads, thread_name_prefix="turn")
        return await asyncio.get_running_loop().run_in_executor(self._pool, function, *arguments)

    def limit_address(self, request: Request, cost: float = 1.0) -> None:
        """Raise ProblemError when the caller's address asks too often."""
        self._limit(self._addresses, "address", self.settings.address(request), cost)

    def limit_conversation(self, conversation: str) -> None:
        """Raise ProblemError when a conversation goes too fast."""
        self._limit(self._conversations, "conversation", conversation, 1.0)

    def opened_by(self, key: str) -> str:
        """The id of the conversation that the message `key` opens: unguessable without our secret."""
        return hmac.new(self.settings.secret, f"conversation {key}".encode(), hashlib.sha256).hexdigest()[:32]

    async def reply(self, asked: Asked, emit: Callable[[str], None] | None = None) -> Reply:
        """The reply, whole and logged. A message that is being answered already is waited for, not asked again.
        Raises ProblemError on any failure, on a full house and on time out; the turn itself is never abandoned."""
        task = self._task(asked, emit)
        done, _ = await asyncio.wait((task,), timeout=self.settings.timeout_s)
        if not done:
            self.metrics.failure(asked.channel, "timeout")
            raise await self._unavailable("unavailable")
        if task.exception() is not None:
            raise await self._unavailable("unavailable")
        return task.result()

    async def pieces(self, asked: Asked) -> AsyncIterator[str | Reply]:
        """The sentences of the body as they are released, then the reply, whole and logged; only the reply when it is
        released as a whole. Raises ProblemError like `reply`."""
        if self.settings.release == "whole":
            yield await self.reply(asked)
            return
        loop = asyncio.get_running_loop()
        heard: asyncio.Queue[str | None] = asyncio.Queue()

        def emit(sentence: str) -> None:
            with contextlib.suppress(RuntimeError):  # the loop is gone: nobody listens any more
                loop.call_soon_threadsafe(heard.put_nowait, sentence)

        ended = asyncio.ensure_future(self.reply(asked, emit))
        ended.add_done_callback(lambda _: heard.put_nowait(None))
        try:
            while (sentence := await heard.get()) is not None:
                yield sentence
            yield ended.result()
        finally:
            ended.cancel()

    async def admit(self, channel: str) -> None:
        """Raise ProblemError when too many turns are waiting already."""
        if len(self._waiting) >= self.settings.max_waiting:
            self.metrics.failure(channel, "busy")
            raise await self._unavailable("busy")

    def hotline(self) -> str:
        """The firm's number, or "" when it has none or cannot be asked."""
        try:
            return str(self.assistant.firm().get("hotline") or "")
        except Exception as error:  # noqa: BLE001 - a failure is being answered already
            report(error, "firm")
            return ""

    def close(self) -> None:
        """Let running turns finish and end the threads."""
        if self._pool is not None:
            self._pool.shutdown(wait=True)
            self._pool = None

    def _task(self, asked: Asked, emit: Callable[[str], None] | None) -> asyncio.Task[Reply]:
        once = (asked.conversation, asked.key) if asked.conversation and asked.key else None
        loop = asyncio.get_running_loop()
        known = self._running.get(once) if once else None
        if known is not None and known.get_loop() is loop:
            return known
        since = time.monotonic()
        task = loop.create_task(self.call(self.assistant.answer, *((asked, emit) if emit else (asked,))))
        self._waiting.add(task)
        self.metrics.running.inc()
        if once:
            self._running[once] = task

        def finished(done: asyncio.Task[Reply]) -> None:
            self._waiting.discard(done)
            self.metrics.running.dec()
            if once and self._running.get(once) is done:
                del self._running[once]
            self._count(asked.channel, done, time.monotonic() - since)

        task.add_done_callback(finished)
        return task

    def _count(self, channel: str, done: asyncio.Task[Reply], seconds: float) -> None:
        """Count a turn that ended, whether or not anybody still waits for it."""
        if done.cancelled():
            return
        error = done.exception()
        if error is None:
            self.metrics.turn(channel, done.result(), seconds)
        else:
            report(error, "turn")
            self.metrics.failure(channel, "error")

    def _limit(self, buckets: Buckets, limit: str, name: str, cost: float) -> None:
        seconds = buckets.take(name, cost)
        if seconds:
            self.metrics.limited(limit)
            raise ProblemError("too_many_requests", retry_after=seconds)

    async def _unavailable(self, code: str) -> ProblemError:
        loop = asyncio.get_running_loop()
        return ProblemError(code, retry_after=5, hotline=await loop.run_in_executor(None, self.hotline))


def sentences(text: str) -> Iterator[str]:
    """`text` cut after each sentence or line; the pieces joined are `text` again."""
    start = 0
    for found in SENTENCE_END.finditer(text):
        yield text[start : found.end()]
        start = found.end()
    if start < len(text):
        yield text[start:]
