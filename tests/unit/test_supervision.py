"""Checks under supervision: raised, dead and late ones are named, and nobody waits for them for ever."""

from __future__ import annotations

import threading
import time

from guardrails.supervision import Failure, supervised


def raising() -> list[str]:
    raise RuntimeError("broken")


def exiting() -> list[str]:
    raise SystemExit


def test_results_come_in_order_and_failures_in_their_place() -> None:
    """One that raises or exits is a failure; those after it are still run."""
    found = supervised([lambda: ["a"], raising, exiting, lambda: ["b"]], 5)
    assert [found[0], found[3]] == [["a"], ["b"]]
    assert [one.why for one in found[1:3] if isinstance(one, Failure)] == ["raised", "raised"]


def test_a_hanging_step_is_left_behind_in_time() -> None:
    """It is late, what follows was not run, and the caller has both within the limit."""
    ran = threading.Event()

    def hang() -> list[str]:
        time.sleep(10)
        return []

    def after() -> list[str]:
        ran.set()
        return []

    begun = time.monotonic()
    found = supervised([lambda: ["a"], hang, after], 0.1)
    assert time.monotonic() - begun < 3
    assert found[0] == ["a"]
    assert [one.why for one in found[1:] if isinstance(one, Failure)] == ["late", "not_run"]
    assert not ran.is_set()


def test_a_slow_step_is_late_although_it_ended() -> None:
    """The limit is each step's own: two steps within it take longer together."""

    def slow() -> list[str]:
        time.sleep(1.2)
        return ["late"]

    def quick() -> list[str]:
        time.sleep(0.55)
        return ["in time"]

    found = supervised([quick, quick, slow], 1.0)
    assert found[:2] == [["in time"], ["in time"]]
    assert found[2] == Failure("late")


def test_hung_threads_do_not_block_later_runs() -> None:
    """Each run finds a free thread, however many hang; runs nest."""
    release = threading.Event()

    def hang() -> list[str]:
        release.wait(20)
        return []

    for _ in range(5):
        assert supervised([hang], 0.02)[0] == Failure("late")
    assert supervised([lambda: supervised([lambda: "inner"], 5)], 5) == [["inner"]]
    release.set()
