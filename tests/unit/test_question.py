"""A message as a standalone question."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assistant.question import is_elliptical, parts, readings, subject
from assistant.turn import Message
from knowledge.retrieval.words import Words

WORDS = Words()
TALK = st.text(
    st.one_of(
        st.characters(exclude_categories=["Cs"]), st.sampled_from("那它这个呢？科创板费率开通条件，A类c的吗不是")
    ),
    max_size=40,
)


def user(*said: str) -> list[Message]:
    return [Message("user", one) for one in said]


@given(TALK, st.lists(st.tuples(st.sampled_from(["user", "assistant"]), TALK), max_size=5))
def test_readings_never_raise_and_begin_with_the_text(text: str, earlier: list[tuple[str, str]]) -> None:
    """Whatever was said before, the first reading is the message as it stands, and no reading comes twice."""
    history = [Message(role, said) for role, said in earlier]  # type: ignore[arg-type]
    found = readings(text, history, WORDS)
    assert found.texts[0] == text
    assert len(set(found.texts)) == len(found.texts)


@given(TALK)
def test_without_history_there_is_one_reading(text: str) -> None:
    """With nothing said before, a message means what it says."""
    assert readings(text, [], WORDS).texts == (text,)


@given(TALK)
def test_assistant_words_are_no_subject(text: str) -> None:
    """Only what the customer said can supply a subject."""
    assert readings(text, [Message("assistant", "科创板权限开通条件")], WORDS).texts == (text,)


@pytest.mark.parametrize(
    ("before", "text", "expected"),
    [
        ("创业板开通条件是什么？", "那科创板呢？", ("科创板", "开通条件")),
        ("稳健短债的申购费率是多少？", "它的风险等级呢", ("稳健短债", "风险等级")),
        ("银证转账几点可以办？", "限额多少", ("银证转账", "限额")),
        ("创业板开通条件是什么？", "不是，我问的是北交所", ("北交所", "开通条件")),
    ],
)
def test_follow_up_takes_its_subject_from_before(before: str, text: str, expected: tuple[str, ...]) -> None:
    """An elliptical follow-up has a reading with the subject or the question of the turn before."""
    found = readings(text, user(before), WORDS)
    assert found.elliptical
    assert any(all(word in reading for word in expected) for reading in found.texts[1:]), found.texts


def test_follow_up_of_a_follow_up() -> None:
    """The subject is carried through several turns."""
    found = readings("那费率呢？", user("稳健短债风险等级是多少？", "起购金额呢？"), WORDS)
    assert any("稳健短债" in reading and "费率" in reading for reading in found.texts), found.texts


@pytest.mark.parametrize("text", ["科创板权限开通需要满足什么条件？", "怎么下载上个月的对账单"])
def test_whole_question_is_not_elliptical(text: str) -> None:
    """A question with a subject of its own does not lean on what was before."""
    assert not is_elliptical(text, WORDS)


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("科创板开通条件是什么？银证转账几点能办？", 2),
        ("怎么下载对账单，另外佣金怎么收", 2),
        ("科创板开通条件是什么？", 1),
        ("？？？", 0),
    ],
)
def test_parts(text: str, count: int) -> None:
    """A message that asks several things is taken apart."""
    assert len(parts(text)) == count


def test_subject_leaves_out_what_was_asked() -> None:
    """The subject of a question is what it speaks of."""
    assert "稳健短债" in subject("稳健短债的申购费率是多少", WORDS)
    assert "费率" not in subject("稳健短债的申购费率是多少", WORDS)
