"""The gate for streams: sentence by sentence, each with all before it; nothing with a hit leaves, not in part."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assistant.answer.trouble import EndpointError
from assistant.gate import LONGEST, Ending, Judged, TooLong, cuts, gated
from assistant.turn import Finding
from evals import splits
from guardrails.screening import Screen

TODAY = date(2026, 11, 22)
LAWFUL = (
    "基金不是存款，本金可能发生亏损。",
    "主板股票涨跌幅限制为10%。",
    "转托管一般需要两个交易日；请以公告为准。\n",
    "好的！",
)
BANNED = (
    "这款产品保本保息，您放心买。",
    "亏了算我的，赚了全是您的。",
    "沪指年底前看到4000点。\n",
    "加我微信 wangzong88 细聊。",
)
JOINTS = ("", "\n", " ", "[1]", "[1][2]", "”", "…", "a. b ", "[", "。", "；")


@pytest.fixture(scope="module")
def judge(shared_parts: dict[str, Any]) -> Any:
    return splits.judging(shared_parts["screen"], TODAY)


def released(deltas: list[str], judge: Any) -> tuple[Ending, list[str], list[str]]:
    """The ending, what left and what was logged."""
    left: list[str] = []
    logged: list[str] = []
    return gated(deltas, judge, logged.append, left.append), left, logged


texts = st.lists(st.sampled_from(LAWFUL + BANNED + JOINTS), max_size=9).map("".join)


@st.composite
def split_texts(draw: st.DrawFn) -> tuple[str, list[str]]:
    """A text and one way to split it, empty pieces included."""
    text = draw(texts)
    at = sorted(draw(st.lists(st.integers(0, len(text)), max_size=12)))
    return text, [text[a:b] for a, b in zip([0, *at], [*at, len(text)], strict=True)]


@settings(max_examples=300, deadline=None)
@given(split_texts())
def test_any_split_gives_the_same_release_and_no_hit_leaves(judge: Any, made: tuple[str, list[str]]) -> None:
    """However a text comes in, the same sentences leave, all logged first, and screening allows them joined."""
    text, deltas = made
    whole, _, _ = released([text], judge)
    ending, left, logged = released(deltas, judge)
    assert (ending.released, ending.said, ending.findings) == (whole.released, whole.said, whole.findings)
    assert type(ending.error) is type(whole.error)
    assert left == logged
    assert "".join(left) == ending.released
    assert not ending.released or not judge(ending.released).findings
    assert text.startswith(ending.released)
    if ending.whole:
        assert not text.strip() or ending.released == text


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet="a1。！?.;；… \n\t”[]）", max_size=60), st.integers(1, 7))
def test_cuts_do_not_depend_on_the_pieces(text: str, size: int) -> None:
    """Every prefix that is cut off is the same whether the text comes at once or in small pieces."""
    pieces = [text[i : i + size] for i in range(0, len(text), size)]
    whole = list(cuts([text]))
    assert list(cuts(pieces)) == whole
    assert all(text.startswith(said) for said in whole)
    assert (whole[-1] == text) if text.strip() and whole else not text.strip()


@pytest.mark.parametrize("banned", BANNED)
def test_the_sentence_with_a_hit_does_not_leave_in_part(judge: Any, banned: str) -> None:
    """Letter by letter, only what was said before the forbidden sentence leaves, and what follows it never does."""
    text = LAWFUL[0] + banned + LAWFUL[1]
    ending, left, _ = released(list(text), judge)
    assert left == [LAWFUL[0]]
    assert ending.findings
    assert ending.said == LAWFUL[0] + banned.rstrip("\n") or ending.said == LAWFUL[0] + banned


def test_many_random_splits_leak_nothing(shared_parts: dict[str, Any]) -> None:
    """A sample of what the bench does a hundred thousand times."""
    screen: Screen = shared_parts["screen"]
    found = splits.measure(screen, TODAY, splits=3000, texts=60)
    assert (found["leaks"], found["differing"], found["unlogged"]) == (0, 0, 0)
    assert 0 < found["stopped"] < found["texts"]


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("一。二！三？四；五", ["一。", "二！", "三？", "四；", "五"]),
        ("甲\n\n乙\n丙", ["甲\n\n", "乙\n", "丙"]),
        ("他说“好。”然后走了。完", ["他说“好。”", "然后走了。", "完"]),
        ("免费。[1][2] 收费。 [3]\n完", ["免费。[1][2]", " 收费。 [3]\n", "完"]),
        ("Fees: 0.5% a year. They vary; see us! Bye", ["Fees: 0.5% a year.", " They vary;", " see us!", " Bye"]),
        ("1. 登录\n2. 确认", ["1. 登录\n", "2. 确认"]),
    ],
)  # fmt: skip
def test_sentences_end_where_readers_end_them(text: str, pieces: list[str]) -> None:
    """Chinese and English ends, line ends, closing quotes and citation marks; decimals and numbering are no ends."""
    found = list(cuts(list(text)))
    assert [b[len(a) :] for a, b in zip(["", *found], found, strict=False)] == pieces


@pytest.mark.parametrize("size", [1, 50, 10_000])
def test_a_sentence_without_an_end_never_leaves(size: int) -> None:
    """What does not end within the bound is stopped, not cut in the middle; what was whole before it left."""
    text = LAWFUL[0] + "哦" * (LONGEST + 600) + "。好。"
    left: list[str] = []
    ending = gated((text[i : i + size] for i in range(0, len(text), size)), Judged, lambda _: None, left.append)
    assert isinstance(ending.error, TooLong)
    assert left == [LAWFUL[0]]


def broken(pieces: list[str], error: BaseException) -> Iterator[str]:
    yield from pieces
    raise error


def test_a_stream_that_breaks_off_releases_whole_sentences_only() -> None:
    """The half sentence before a lost connection stays inside."""
    left: list[str] = []
    deltas = broken(["一句。半", "句"], EndpointError("connection"))
    ending = gated(deltas, Judged, lambda _: None, left.append)
    assert left == ["一句。"]
    assert isinstance(ending.error, EndpointError)


def test_a_sentence_that_cannot_be_logged_does_not_leave() -> None:
    """No log row, no sentence; and nothing after it."""
    left: list[str] = []
    logged: list[str] = []

    def log(sentence: str) -> None:
        if logged:
            raise OSError("disk full")
        logged.append(sentence)

    ending = gated(["一。二。三。"], Judged, log, left.append)
    assert left == ["一。"] == logged
    assert isinstance(ending.error, OSError)


def test_text_that_shifts_what_was_released_is_stopped() -> None:
    """A judge that reads the beginning otherwise later on releases nothing more."""
    left: list[str] = []
    ending = gated(
        ["一。二。三"], lambda said: Judged(said if len(said) < 4 else said[1:]), lambda _: None, left.append
    )
    assert left == ["一。"]
    assert not ending.whole


def test_judge_may_wait_for_more() -> None:
    """What cannot be judged yet is held back and leaves with what follows."""
    left: list[str] = []
    ending = gated(
        ["一；二。三；四。"], lambda said: Judged(said) if said.endswith("。") else None, lambda _: None, left.append
    )
    assert left == ["一；二。", "三；四。"]
    assert ending.whole


def test_findings_of_any_action_stop() -> None:
    """Even a finding that asks only for a revision stops the stream: nobody is there to revise."""
    finding = Finding("rude", "revise", "", "", (0, 1))
    left: list[str] = []
    ending = gated(
        ["一。二。"], lambda said: Judged(said, (finding,) if "二" in said else ()), lambda _: None, left.append
    )
    assert (left, ending.findings, ending.said) == (["一。"], (finding,), "一。二。")
