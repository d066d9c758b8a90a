"""Telling pages that something changed, within this process. What changed is read from the records, so a notice that
is lost costs a moment, never a message."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager

STAFF = "staff"
MOST_WAITING = 256


class Hub:
    """Topics and who listens to them. `tell` may be called from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._listening: dict[str, set[tuple[asyncio.AbstractEventLoop, asyncio.Queue[str]]]] = {}

    def tell(self, topic: str, what: str = "") -> None:
        """Wake whoever listens to a topic with `what`."""
        with self._lock:
            listeners = list(self._listening.get(topic, ()))
        for loop, queue in listeners:
            with contextlib.suppress(RuntimeError):  # the loop is gone: nobody listens any more
                loop.call_soon_threadsafe(_put, queue, what)

    @contextmanager
    def listening(self, topic: str) -> Iterator[asyncio.Queue[str]]:
        """A queue of what is told on a topic while the block runs; the oldest give way when nobody reads."""
        queue: asyncio.Queue[str] = asyncio.Queue(MOST_WAITING)
        entry = (asyncio.get_running_loop(), queue)
        with self._lock:
            self._listening.setdefault(topic, set()).add(entry)
        try:
            yield queue
        finally:
            with self._lock:
                listeners = self._listening[topic]
                listeners.discard(entry)
                if not listeners:
                    del self._listening[topic]

    def count(self, topic: str) -> int:
        """How many listen to a topic."""
        with self._lock:
            return len(self._listening.get(topic, ()))


def customer(conversation: str) -> str:
    """The topic of one customer's page."""
    return f"customer:{conversation}"


def _put(queue: asyncio.Queue[str], what: str) -> None:
    if queue.full():
        queue.get_nowait()
    queue.put_nowait(what)
