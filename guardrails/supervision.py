"""Checks run one after the other, each with a time limit: one that raises, dies or is late is named, never passed over.

They run in a thread kept for it. When a check hangs the thread is left behind and another takes its place, so that the
caller can hand over in time. A check that holds the interpreter itself (a runaway regular expression) cannot be left
behind; it counts as late when it ends, and nothing was released meanwhile.
"""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Any, Generic, Literal, TypeVar, cast

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a step gave nothing. `error` is what it raised, if it did."""

    why: Literal["raised", "late", "not_run"]
    error: BaseException | None = None


class _Run(Generic[Value]):
    """One run of steps: results in order, and when the step it is at began (monotonic seconds)."""

    def __init__(self, steps: Sequence[Callable[[], Value]], limit: float) -> None:
        self.steps, self.limit = steps, limit
        self.results: list[Value | Failure] = []
        self.since = time.monotonic()
        self.ended: SimpleQueue[bool] = SimpleQueue()

    def work(self) -> None:
        """Every step, in the worker's thread."""
        for step in self.steps:
            self.since = begun = time.monotonic()
            try:
                result: Value | Failure = step()
            except BaseException as error:  # noqa: BLE001 - an exit asked for inside a check is a failed check too
                result = Failure("raised", error)
            self.results.append(Failure("late") if time.monotonic() - begun > self.limit else result)
        self.ended.put(True)

    def wait(self) -> bool:
        """Whether the run ended, every step in its time."""
        while True:
            try:
                return self.ended.get(timeout=max(0.0, self.since + self.limit - time.monotonic()) + 0.001)
            except Empty:
                done = len(self.results)
                if time.monotonic() - self.since > self.limit and done == len(self.results):
                    return False


class _Worker:
    """A thread that takes runs one after the other."""

    def __init__(self) -> None:
        self.runs: SimpleQueue[_Run[Any] | None] = SimpleQueue()
        threading.Thread(target=self._loop, name="checks", daemon=True).start()

    def _loop(self) -> None:
        while (run := self.runs.get()) is not None:
            run.work()


_idle: deque[_Worker] = deque()
os.register_at_fork(after_in_child=_idle.clear)  # threads stay with the parent


def supervised(steps: Sequence[Callable[[], Value]], limit: float) -> list[Value | Failure]:
    """The result of each step or its failure, as many as there are steps. `limit`: seconds for each step.

    A step that is late ends the run: those after it were not run. One that raises, whatever it raises, does not.
    """
    run = _Run(steps, limit)
    try:
        worker = _idle.pop()
    except IndexError:
        worker = _Worker()
    worker.runs.put(run)
    if run.wait():
        _idle.append(worker)
        return run.results
    worker.runs.put(None)
    results = [*run.results[: len(steps) - 1], cast(Value | Failure, Failure("late"))]
    return results + [Failure("not_run") for _ in steps[len(results) :]]
