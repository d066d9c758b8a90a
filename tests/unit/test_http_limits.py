"""Token buckets."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from assistant.channels.limits import Buckets


class Clock:
    """A clock that is moved by hand, in seconds."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_tokens_come_back_with_time() -> None:
    """A spent bucket says how long to wait, and after that time gives again."""
    clock = Clock()
    buckets = Buckets(6, 2, 100, clock)
    assert [buckets.take("a"), buckets.take("a"), buckets.take("a")] == [0, 0, 10]
    clock.now = 10
    assert buckets.take("a") == 0
    assert buckets.take("a") == 10
    assert buckets.take("b") == 0


@given(st.lists(st.tuples(st.text(max_size=3), st.floats(0, 5))), st.integers(1, 5))
def test_memory_and_rate_are_bounded(calls: list[tuple[str, float]], entries: int) -> None:
    """However it is called, at most `entries` names are known."""
    clock = Clock()
    buckets = Buckets(60, 3, entries, clock)
    for name, later in calls:
        clock.now += later
        buckets.take(name)
        assert len(buckets) <= entries
