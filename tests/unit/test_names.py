"""Which documents a question names."""

from __future__ import annotations

import pytest

from knowledge.index.names import Names, codes_in, pieces

DOCUMENTS = [
    ("short", ("云杉稳健短债", "稳健短债"), ("009912",)),
    ("mixed", ("云杉远景成长混合",), ("009913",)),
    ("qdii", ("云杉环球科技QDII",), ()),
]


@pytest.fixture(scope="module")
def names() -> Names:
    return Names(DOCUMENTS)


@pytest.mark.parametrize(
    ("question", "document"),
    [("稳健短债费率多少", "short"), ("那个qdii呢", "qdii"), ("009913风险等级", "mixed"), ("远景成长怎么样", "mixed")],
)
def test_short_names_and_codes_find_their_document(names: Names, question: str, document: str) -> None:
    """A shortened name, a Latin word or a code names its document most strongly."""
    found = names.find(question)
    assert max(found, key=lambda one: found[one].score) == document


def test_share_is_whole_for_a_whole_name(names: Names) -> None:
    """A name written out in full is covered in full."""
    assert names.find("请问云杉稳健短债")["short"].share == pytest.approx(1.0)


def test_code_inside_a_longer_number_is_no_code(names: Names) -> None:
    """Six digits of a longer number name nothing."""
    assert "short" not in names.find("订单10099120")


def test_unrelated_question_names_nothing(names: Names) -> None:
    """A question without a piece of any name finds no document."""
    assert names.find("怎么改密码") == {}


def test_rare_gives_only_pieces_of_that_document(names: Names) -> None:
    """The pieces taken out of a question are those that name the document."""
    assert set(names.rare("稳健短债和远景成长", "short")) == {"稳健", "健短", "短债"}


def test_codes_in_needs_digits() -> None:
    """Six-letter words are no codes; traded codes are."""
    assert codes_in("代码009912，见abcdef与SXC001") == {"009912", "sxc001"}


def test_pieces_of_mixed_text() -> None:
    """Chinese runs give character pairs, Latin words and numbers stand whole."""
    assert pieces("沪深300ETF") == ["300", "etf", "沪深"]
