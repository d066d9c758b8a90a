"""A sample of the storm: duplicates, retries, reordering, dead tokens, lost answers and a kill -9 in the middle."""

from __future__ import annotations

from pathlib import Path

from tests.wecom_storm import storm


def test_every_message_is_answered_exactly_once_through_a_storm(tmp_path: Path) -> None:
    """Three hundred callbacks and more, one server killed: each message answered once, in order, within budget, logged,
    and the log proves itself."""
    found = storm(tmp_path, messages=230, customers=20)
    assert found.callbacks >= 300
    assert found.killed == 1
    assert found.token_calls > 1
    assert found.answered == dict.fromkeys(range(230), 1)
    assert found.out_of_order == 0
    assert found.most_between <= 3
    assert found.unlogged == 0
    assert found.broken == 0
    assert found.turns > 0
