"""What a model wrote is read strictly: every sentence cites, every citation and number holds, or nothing is used."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assistant.answer import cited
from assistant.turn import Draft, Passage, Product

STAR = Passage(
    id="p1",
    document="edu-star",
    version="1",
    revision="r1",
    title="科创板权限开通",
    kind="education",
    audience="public",
    form="text",
    text="个人投资者开通科创板交易权限，申请前20个交易日账户资产日均不低于人民币50万元。参与证券交易须满24个月。"
    "权限开通后可以买卖科创板股票和存托凭证，也可以参与科创板新股申购，申购须按市值配售的规定办理。"
    "投资者应当签署科创板投资风险揭示书，可以在手机应用的业务办理页面在线签署。未满足条件的，可以通过科创板基金间接参与。",
)
HOURS = replace(
    STAR, id="p2", document="edu-hours", title="交易时间", form="row", text="时段：开盘集合竞价；时间：9:15至9:25",
    columns=(("时段", "开盘集合竞价"), ("时间", "9:15至9:25")),
)  # fmt: skip
LIST = replace(STAR, id="p3", document="svc", title="所需材料", form="list", text="开户需要：\n- 身份证\n- 银行卡")
GIVEN = (STAR, HOURS, LIST)


def read(raw: str, **changed: Any) -> Draft:
    settings: dict[str, Any] = {"asked": "科创板怎么开通？", "token": "f00d", "limit": 180, "refusals": ("无法回答",)}
    return cited.read(raw, changed.pop("passages", GIVEN), **settings | changed)


def fault(raw: str, **changed: Any) -> str:
    with pytest.raises(cited.AnswerError) as rejected:
        read(raw, **changed)
    return rejected.value.fault


def test_a_cited_answer_becomes_a_draft() -> None:
    """Marks leave the body, keep their places, and name citations in the order they were used."""
    draft = read("开盘集合竞价时间为9:15至9:25[2]。科创板须日均资产不低于50万元，交易满24个月[1][2]。")
    assert draft.body == "开盘集合竞价时间为9:15至9:25。科创板须日均资产不低于50万元，交易满24个月。"
    assert [citation.passage for citation in draft.citations] == ["p2", "p1"]
    first, second = draft.body.index("。"), len(draft.body) - 1
    assert draft.marks == ((first, 0), (second, 1), (second, 0))
    assert draft.evidence == (HOURS, STAR)
    assert draft.citations[1].document == "edu-star"


@pytest.mark.parametrize(
    "raw",
    [
        "科创板日均资产不低于50万元。[1]",
        "科创板日均资产不低于50万元 [1]。",
        "科创板日均资产不低于50万元[1]",
        "科创板日均资产不低于50万元。 [1]\n",
        "<think>客户问科创板…[9]</think>\n科创板日均资产不低于**50万元**[1]。",
    ],
)
def test_a_mark_may_stand_before_or_after_the_full_stop(raw: str) -> None:
    """Both habits are read, with or without a space, Markdown or a thought spoken first."""
    draft = read(raw)
    assert draft.body.rstrip("。") == "科创板日均资产不低于50万元"
    assert len(draft.citations) == len(draft.marks) == 1


def test_several_marks_in_one_pair_of_brackets_are_several_citations() -> None:
    """[1, 2] means [1][2]; the same twice means once."""
    draft = read("科创板须日均50万元，集合竞价9:15开始[1, 2][1]。")
    assert [index for _, index in draft.marks] == [0, 1]


def test_a_lead_in_belongs_to_its_list() -> None:
    """A line that ends in a colon needs no mark of its own; its items do. Numbers of items are not facts."""
    draft = read("开户需要准备：\n1. 本人的身份证[3]\n2. 本人的银行卡[3]")
    assert draft.body == "开户需要准备：\n1. 本人的身份证\n2. 本人的银行卡"
    assert draft.citations[0].quote == LIST.text
    assert fault("开户需要准备：\n1. 本人的身份证\n2. 本人的银行卡[3]") == "uncited"


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("科创板日均资产不低于50万元。", "uncited"),
        ("科创板日均资产不低于50万元[1]。需要交易满24个月。", "uncited"),
        ("科创板日均资产不低于50万元。参与证券交易满24个月[1]。", "uncited"),
        ("The assets are 500 thousand. Trading is 24 months.[1]", "wrong_language"),
        ("科创板日均资产不低于50万元[4]。", "citation_range"),
        ("科创板日均资产不低于50万元[0]。", "citation_range"),
        ("科创板日均资产不低于50万元[1][17]。", "citation_range"),
        ("科创板日均资产不低于50万元[1]【2】。", "citation_form"),
        ("科创板日均资产不低于50万元[1-2]。", "citation_form"),
        ("科创板日均资产不低于50万元[n][1]。", "citation_form"),
        ("科创板日均资产不低于50万元[资料1][1]。", "citation_form"),
        ("[1]科创板日均资产不低于50万元。", "uncited"),
        ("科创板日均资产不低于50万元。\n[1]参与证券交易满24个月[1]。", "uncited"),
        ("[1]", "citation_form"),
        ("NOT_FOUND", "not_found"),
        ("not found。", "not_found"),
        ("科创板日均资产不低于50万元[1]。NOT_FOUND", "not_found"),
        ("抱歉，我无法回答科创板的问题[1]。", "refused"),
        ("科创板日均资产不低于100万元[1]。", "unsupported_number"),
        ("科创板日均资产不低于50万元[2]。", "unsupported_number"),
        ("集合竞价时间为9:15至9:35[2]。", "unsupported_number"),
        ("今年大盘行情火爆，半导体板块值得重点关注[1]。", "unsupported"),
        ("科创板资产50万元[1]，</passage-f00d>。", "leaked"),
        ("科创板资产50万元，标记f00d[1]。", "leaked"),
        ("科创板资产50万元[1]。<|im_end|>", "leaked"),
        ("<think>科创板资产50万元[1]。", "leaked"),
        ("科创板资产不低于50万元[1]。" * 2, "repetition"),
        ("科创板资产科创板资产科创板资产科创板资产[1]。", "repetition"),
        ("嗯" * 30 + "[1]", "repetition"),
    ],
)
def test_what_does_not_hold_is_rejected_by_name(raw: str, expected: str) -> None:
    """Each way an answer can fail has its own name for the log."""
    assert fault(raw) == expected


def test_an_answer_may_be_as_long_as_the_prompt_says() -> None:
    """The limit counts a Chinese character or a foreign word as one, marks aside."""
    raw = "科创板日均资产不低于50万元[1]。"
    assert read(raw, limit=13).body
    assert fault(raw, limit=12) == "too_long"


def test_an_answer_in_english_is_read_like_one_in_chinese() -> None:
    """Full stops end sentences, decimals do not, and the Chinese source is still quoted word for word."""
    asked = "What do I need for the STAR market?"
    draft = read("You need 50万元 a day on average over 20 days.[1] Trading experience is 24 months [1].", asked=asked)
    assert len(draft.marks) == 2
    assert draft.citations[0].quote in STAR.text
    assert "24" in draft.citations[0].quote
    assert fault("You need 50 over 20 days. Trading experience is 24 months [1].", asked=asked) == "uncited"


def test_the_quote_is_the_sentence_that_was_used() -> None:
    """A long passage is quoted where the answer rests on it, word for word, not from its beginning."""
    draft = read("须签署科创板投资风险揭示书，可在手机应用在线签署[1]。")
    assert draft.citations[0].quote == "投资者应当签署科创板投资风险揭示书，可以在手机应用的业务办理页面在线签署。"


def test_numbers_are_compared_as_written_plainly() -> None:
    """Full width, thousands commas, closing zeros and a leading zero of the hour do not matter; a code's zeros do."""
    assert cited.numbers("１,000.50元 09:30 0.10% 000123") == {"1000.5", "9", "30", "0.1", "000123"}


def test_names_around_a_passage_count_as_said_by_it() -> None:
    """The product's code and the title support a sentence as the text itself does."""
    sheet = replace(STAR, id="p9", product=Product(code="018201", name="稳进一年"), title="稳进一年产品要素")
    assert read("稳进一年（018201）日均资产不低于50万元[1]。", passages=(sheet,)).evidence == (sheet,)


WORDS = st.sampled_from(
    [
        "科创板",
        "资产不低于",
        "50万元",
        "24个月",
        "集合竞价",
        "。",
        "[1]",
        "[2]",
        "[3]",
        "[4]",
        "[",
        "]",
        "：",
        "\n",
        "a. ",
    ]
)


@given(st.lists(WORDS, max_size=14).map("".join) | st.text(max_size=60))
def test_whatever_is_written_only_sound_drafts_come_out(raw: str) -> None:
    """Any text is either rejected or gives verbatim quotes, marks inside the body, and no mark left in it."""
    try:
        draft = read(raw)
    except cited.AnswerError:
        return
    texts = {passage.id: passage.text for passage in draft.evidence}
    assert draft.citations
    assert all(citation.quote and citation.quote in texts[citation.passage] for citation in draft.citations)
    assert all(0 < offset <= len(draft.body) and 0 <= index < len(draft.citations) for offset, index in draft.marks)
    assert {index for _, index in draft.marks} == set(range(len(draft.citations)))
    assert "[" not in draft.body
