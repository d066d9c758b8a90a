"""Text as search terms."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from knowledge.retrieval import words as words_module
from knowledge.retrieval.words import Words, bigrams, names_of, overlap, plain, syllables

SYNONYMS = Path(words_module.__file__).with_name("synonyms.yaml")
CHINESE = st.text(
    st.sampled_from("科创板权限開戶門檻傭金風險測評基金乾著髮麵雲后里，。？！ＡＢ１２％①㎡\u200b\u3000 ab12"),
    max_size=30,
)


@pytest.fixture(scope="module")
def words() -> Words:
    return Words()


@given(st.one_of(st.text(max_size=40), CHINESE))
@example("e\u200b\u0301")
def test_plain_is_idempotent(text: str) -> None:
    """Folding folded text changes nothing: places found in it stay valid."""
    once = plain(text)
    assert plain(once) == once


@given(st.text(max_size=60))
def test_spans_and_units_never_raise(text: str) -> None:
    """Whatever a customer types, cutting gives places inside the folded text, in order."""
    words = WORDS
    folded = plain(text)
    ends = [0]
    for start, end, _ in words.spans(text):
        assert 0 <= start < end <= len(folded)
        ends.append(end)
    assert ends == sorted(ends)
    assert all(unit.terms for unit in words.units(text))


WORDS = Words()


def groups() -> list[list[str]]:
    """The concepts of the trade as the data file lists them."""
    return [group for group in yaml.safe_load(SYNONYMS.read_text(encoding="utf-8"))["concepts"] if len(group) > 1]


@pytest.mark.parametrize(
    ("one", "other"),
    [("開戶門檻", "开户门槛"), ("ＥＴＦ", "etf"), ("科\u200b创板", "科创板"), ("１００％", "100%")],
)
def test_variants_fold_to_one(one: str, other: str) -> None:
    """Traditional script, full width, case and invisible characters do not hide a word."""
    assert plain(one) == plain(other)


def test_line_ends_stay() -> None:
    """Folding keeps the lines of a list."""
    assert plain("一\n二") == "一\n二"


@pytest.mark.parametrize(("typo", "meant"), [("封险测凭", "风险测评"), ("开户门坎", "开户门槛"), ("逆回沟", "逆回购")])
def test_typos_by_sound_share_syllables(typo: str, meant: str) -> None:
    """Words typed by sound share their syllable pairs with the word meant."""
    assert syllables(typo) == syllables(meant)


def test_concept_members_share_a_term(words: Words) -> None:
    """The wordings of one concept of the trade meet in one term; those of two do not."""
    first, second = groups()[:2]
    shared = [{term for term in words.terms(member) if term.startswith("#")} for member in first[:2]]
    assert shared[0] & shared[1]
    assert not shared[0] & set(words.terms(second[0]))


def test_concept_does_not_cut_a_number(words: Words) -> None:
    """A concept that is a number is not found inside a longer number."""
    assert not {u.text for u in words.units("资产168800元") if u.concept} & {"688"}


def test_stop_words_are_no_terms(words: Words) -> None:
    """Words without content never become search terms."""
    assert not set(words.terms("请问一下怎么办理呢")) & words.stop


def test_names_become_words() -> None:
    """A product name given at start is cut as one word."""
    assert "稳禾月享" in Words(["稳禾月享"]).terms("稳禾月享的费率")


def test_overlap_bounds() -> None:
    """Dice overlap is 1 for the same text, 0 for nothing shared or nothing there."""
    assert overlap(bigrams("科创板"), bigrams("科创板")) == 1.0
    assert overlap(bigrams("科创板"), bigrams("逆回购")) == 0.0
    assert overlap(bigrams(""), bigrams("")) == 0.0


def test_names_of_keeps_what_can_be_a_word() -> None:
    """Single characters, sentences and signs are no names."""
    assert names_of(["天", "稳健短债", "——", "字" * 21]) == ["稳健短债"]
