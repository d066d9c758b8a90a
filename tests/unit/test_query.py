"""A question made ready for search."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from knowledge.index.keywords import Entry, Keywords
from knowledge.retrieval.query import ASKS, gives, prepare, weight
from knowledge.retrieval.words import Words, plain

WORDS = Words()
TEXTS = ["科创板权限开通条件", "科创板每笔最少200股", "银证转账时间"]
KEYWORDS = Keywords(
    Entry(key, f"d{key}", frozenset(), WORDS.terms(text), (), ()) for key, text in enumerate(TEXTS, start=1)
)
VECTOR = np.zeros(4, dtype=np.float32)


@pytest.mark.parametrize(
    ("question", "kind"),
    [
        ("佣金多少钱", "money"), ("申购费率是多少", "rate"), ("多久到账", "time"), ("怎么开户", "how"),
        ("什么是ETF", "what"), ("可以撤单吗", "yesno"), ("要哪些材料", "list"), ("风险等级几级", "grade"),
    ],
)  # fmt: skip
def test_kind_of_fact_asked(question: str, kind: str) -> None:
    """What a question asks for is seen from its words."""
    assert kind in prepare(question, WORDS, KEYWORDS, VECTOR).asks


@pytest.mark.parametrize(
    ("text", "kind"),
    [("每笔1000元", "money"), ("0.40%", "rate"), ("t+1日确认", "time"), ("点击下载", "how"), ("不可以撤单", "yesno")],
)
def test_kind_of_fact_given(text: str, kind: str) -> None:
    """What a passage offers is named like what a question asks."""
    assert kind in gives(text)
    assert gives(text) <= set(ASKS)


def test_weights_fall_with_frequency() -> None:
    """A word of many passages weighs less than one of few; an unseen one weighs most."""
    by_word = {unit.text: weight(unit, KEYWORDS) for unit in WORDS.units("科创板 银证转账 蘑菇")}
    values = {name: value for name, value in by_word.items() if name in ("科创板", "银证转账", "蘑菇")}
    assert values["科创板"] < values["银证转账"] <= values["蘑菇"] <= 1.0 + 1e-9


@given(st.text(max_size=80))
def test_prepare_never_raises(text: str) -> None:
    """Any text is a query: as many weights as units, each between 0 and a little over 1."""
    query = prepare(text, WORDS, KEYWORDS, VECTOR)
    assert len(query.weights) == len(query.units)
    assert all(0 <= one <= 1.5 for one in query.weights)


def test_empty_index_still_weighs() -> None:
    """Before any material is loaded, a question has finite weights."""
    query = prepare("科创板条件", WORDS, Keywords([]), VECTOR)
    assert all(np.isfinite(query.weights))


def test_keyword_search_finds_by_word_and_sound() -> None:
    """BM25 finds the passage by its words; nothing is found for nothing."""
    assert KEYWORDS.search(WORDS.terms("银证转账"), (), 3)[0][0] == 3
    assert KEYWORDS.search((), (), 3) == []
    assert plain("银证") in KEYWORDS.frequency or "银证转账" in KEYWORDS.frequency
