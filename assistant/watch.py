"""Milliseconds spent in the stages of a turn."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager


class Watch:
    """Adds up wall time by stage; `ms()` includes the total since it was made."""

    def __init__(self) -> None:
        self._begun = time.perf_counter()
        self._spent: dict[str, float] = {}

    @contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        begun = time.perf_counter()
        try:
            yield
        finally:
            self._spent[stage] = self._spent.get(stage, 0.0) + time.perf_counter() - begun

    def ms(self) -> dict[str, float]:
        """{stage: milliseconds}, with "total"."""
        spent = {**self._spent, "total": time.perf_counter() - self._begun}
        return {stage: round(seconds * 1000, 2) for stage, seconds in spent.items()}
