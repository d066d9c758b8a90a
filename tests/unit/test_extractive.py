"""The composed answer: approved words only, quoted verbatim."""

from __future__ import annotations

from dataclasses import replace
from typing import cast

import numpy as np
from hypothesis import assume, given
from hypothesis import strategies as st

from assistant.answer.extractive import compose
from assistant.turn import Form, Passage, Product
from knowledge.index.keywords import Keywords
from knowledge.records.materials import Materials
from knowledge.retrieval.features import NAMES
from knowledge.retrieval.query import prepare
from knowledge.retrieval.search import Found, Hit
from knowledge.retrieval.words import Words, plain

WORDS = Words()
EMPTY = Keywords([])
SENTENCE = st.text(
    st.sampled_from("科创板开通条件资产日均万元费率 0123456789%，。；！？\n-Aa"), min_size=1, max_size=120
)
TEXT = st.lists(SENTENCE, min_size=1, max_size=8).map("".join)


class Neighbours:
    """Stands for the records: the table that a row stands in."""

    def __init__(self, rows: dict[int, Passage] | None = None) -> None:
        self.rows = rows or {}

    def neighbours(self, key: int, before: int, after: int) -> dict[int, Passage]:
        return self.rows


def passage(text: str, form: str = "text", document: str = "d", number: int = 1) -> Passage:
    return Passage(f"{document}#{number}", document, "1", "r", "开通条件", "service", "public", cast(Form, form), text)


def found(question: str, *passages: Passage, probabilities: tuple[float, ...] = (0.9, 0.85, 0.8, 0.3)) -> Found:
    query = prepare(question, WORDS, EMPTY, np.zeros(3, dtype=np.float32))
    none = np.zeros(len(NAMES), dtype=np.float32)
    hits = tuple(Hit(key, one, probabilities[key], none) for key, one in enumerate(passages))
    return Found(query, hits, 0.9)


def records(**rows: Passage) -> Materials:
    return cast(Materials, Neighbours(dict(enumerate(rows.values()))))


@given(TEXT, st.sampled_from(["text", "list", "steps", "faq"]), st.text(max_size=20))
def test_quote_is_verbatim_for_any_passage(text: str, form: str, question: str) -> None:
    """Whatever the passage and the question, the quote is a piece of the passage and the body is not empty."""
    assume(text.strip())
    draft = compose([found(question, passage(text, form))], records(), WORDS)
    assert len(draft.citations) == 1
    assert draft.citations[0].quote
    assert draft.citations[0].quote in text
    assert draft.body.strip()


@given(st.lists(TEXT.filter(str.strip), min_size=2, max_size=4), st.text(max_size=20))
def test_every_mark_points_to_a_citation_with_evidence(texts: list[str], question: str) -> None:
    """Marks lie inside the body, point to a citation, and each citation's passage is among the evidence."""
    several = [passage(text, number=number) for number, text in enumerate(texts)]
    draft = compose([found(question, *several)], records(), WORDS)
    held = {one.id: one for one in draft.evidence}
    for place, index in draft.marks:
        assert 0 < place <= len(draft.body)
        assert draft.citations[index].quote in held[draft.citations[index].passage].text
    assert [place for place, _ in draft.marks] == sorted(place for place, _ in draft.marks)


def test_long_text_is_cut_at_whole_sentences_around_the_answer() -> None:
    """Of a long passage the sentences that answer are said, whole and in their order."""
    filler = "本节说明业务的背景情况以及历史沿革。" * 12
    draft = compose([found("单日限额是多少", passage(f"{filler}转出的单日限额为300万元。{filler}"))], records(), WORDS)
    assert "单日限额为300万元。" in draft.body
    assert len(draft.body) <= 240
    assert draft.body.endswith("。")


def test_list_is_said_whole() -> None:
    """A list of conditions is never cut when it fits: half the conditions would be a wrong answer."""
    text = "须同时满足：\n- 资产50万元\n- 经验24个月\n- 签署揭示书"
    assert compose([found("条件", passage(text, "list"))], records(), WORDS).body == text


def test_row_is_said_in_words_and_quoted_as_it_stands() -> None:
    """A table row is said with its column names; the quote is the row."""
    row = replace(
        passage("方向：转出；单日限额：300万元", "row"),
        columns=(("方向", "转出"), ("单日限额", "300万元")),
        table="限额",
    )
    draft = compose([found("转出单日限额", row)], records(only=row), WORDS)
    assert "转出" in draft.body
    assert "300万元" in draft.body
    assert draft.citations[0].quote == row.text


def test_row_of_the_tier_that_was_asked() -> None:
    """Of a table of tiers only the row is said that holds the amount asked about."""
    rows = [
        replace(
            passage(f"申购金额：{tier}；申购费率：{rate}", "row", number=number),
            columns=(("申购金额", tier), ("申购费率", rate)),
            table="申购费率",
        )
        for number, (tier, rate) in enumerate([("M＜100万元", "0.40%"), ("100万元≤M＜500万元", "0.20%")])
    ]
    draft = compose([found("买150万申购费率多少", rows[1])], records(one=rows[0], other=rows[1]), WORDS)
    assert "0.20%" in draft.body
    assert "0.40%" not in draft.body


def test_other_products_sheet_is_no_support() -> None:
    """What stands in another product's sheet never joins an answer, however probable."""
    product = Product("1", "稳健短债")
    first = replace(passage("赎回费为0.10%。", document="a"), product=product)
    other = replace(passage("管理费每年1.20%，另计。", document="b"), product=replace(product, code="2", name="远景"))
    draft = compose([found("赎回费", first, other)], records(), WORDS)
    assert "1.20%" not in draft.body
    assert "稳健短债" in draft.body


def test_same_passage_for_two_questions_is_said_once() -> None:
    """Two questions answered by one passage cite it once."""
    one = found("条件", passage("资产不低于50万元。"))
    draft = compose([one, one], records(), WORDS)
    assert len(draft.citations) == 1
    assert draft.body.count("50万元") == 1


@given(TEXT.filter(str.strip))
def test_body_says_nothing_that_is_not_there(text: str) -> None:
    """Every line of a composed text stands in its passage."""
    draft = compose([found("条件", passage(text))], records(), WORDS)
    assert all(plain(line) in plain(text) for line in draft.body.splitlines())
