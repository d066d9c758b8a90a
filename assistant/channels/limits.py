"""Rate limits: token buckets in memory, bounded in number, the least recently used forgotten first."""

from __future__ import annotations

import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable


class Buckets:
    """One token bucket a name: `per_minute` tokens flow in, at most `burst` are kept, at most `entries` names known."""

    def __init__(
        self, per_minute: float, burst: int, entries: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._rate = per_minute / 60
        self._burst = float(burst)
        self._entries = entries
        self._clock = clock
        self._known: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self._lock = threading.Lock()

    def take(self, name: str, cost: float = 1.0) -> int:
        """Take `cost` tokens. 0 when they were there, else the whole seconds until they will be."""
        now = self._clock()
        with self._lock:
            tokens, since = self._known.pop(name, (self._burst, now))
            tokens = min(self._burst, tokens + (now - since) * self._rate)
            allowed = tokens >= cost
            self._known[name] = (tokens - cost if allowed else tokens, now)
            while len(self._known) > self._entries:
                self._known.popitem(last=False)
        return 0 if allowed else max(1, math.ceil((cost - tokens) / self._rate))

    def __len__(self) -> int:
        return len(self._known)
