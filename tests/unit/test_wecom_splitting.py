"""Long answers become messages WeCom does not cut."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assistant.channels.wecom.splitting import fit, size, split

WHITE = re.compile(r"\s+")
TAIL = "来源：《指引》\n本回复由人工智能生成，仅供参考。"


def bare(text: str) -> str:
    return WHITE.sub("", text)


@given(st.text(st.sampled_from("开户需要身份证，。！；\n: aé€😀")), st.integers(8, 80))
def test_pieces_say_everything_within_the_limit(text: str, limit: int) -> None:
    """Whatever the text and the limit, no piece is too long, none is empty, and nothing is lost or turned around."""
    pieces = split(text, limit)
    assert all(piece.strip() and size(piece) <= limit for piece in pieces)
    assert bare("".join(pieces)) == bare(text)


def test_cut_stands_at_the_end_of_a_sentence() -> None:
    """A text of many sentences is cut between them."""
    text = "".join(f"第{n}条，申购和赎回的时间以公告为准。" for n in range(1, 80))
    pieces = split(text, 2048)
    assert len(pieces) == 3
    assert all(piece.endswith("。") for piece in pieces)


def test_long_sentence_is_cut_after_a_clause() -> None:
    """A sentence longer than a message is cut after a comma, never inside a word."""
    text = "，".join(["这是一个很长的分句"] * 20)
    pieces = split(text, 120)
    assert all(piece.endswith(("，", "分句")) for piece in pieces)


def test_what_does_not_fit_gives_way_to_a_notice() -> None:
    """With too few messages left, whole sentences at the end go, the notice that there is more and the tail stay."""
    body = "".join(f"第{n}条，申购和赎回的时间以公告为准。" for n in range(1, 200))
    pieces = fit(body, TAIL, 2, 2048, "（内容较长）")
    assert len(pieces) == 2
    assert all(size(piece) <= 2048 for piece in pieces)
    assert pieces[-1].endswith(f"（内容较长）\n{TAIL}")
    assert pieces[0].startswith("第1条")
    kept = "".join(pieces).split("（内容较长）")[0].strip()
    assert kept.endswith("。")


def test_what_fits_is_left_alone() -> None:
    """A short answer is one message, as it was screened."""
    assert fit("请带身份证。", TAIL, 3, 2048, "（内容较长）") == (f"请带身份证。\n{TAIL}",)


@pytest.mark.parametrize("parts", [1, 2, 3])
def test_tail_survives_any_budget(parts: int) -> None:
    """Label and sources are in the last message whatever the budget."""
    pieces = fit("很长的一句话没有停顿" * 900, TAIL, parts, 2048, "（内容较长）")
    assert len(pieces) <= parts
    assert pieces[-1].endswith(TAIL)
