# ruff: noqa: E501 — tables of cases
"""Numbers, products and prose of an answer stand in its passages, or fail."""

import pytest

from assistant.turn import Product
from guardrails.grounding import unsupported
from guardrails.normalise import plain
from guardrails.products import ProductIndex
from guardrails.quantities import quantities

MONEY = Product("000123", "安心货币A", aliases=("安心宝",))
BOND = Product("000124", "稳健债券A")
OTHER = Product("000125", "进取成长混合")
INDEX = ProductIndex([MONEY, BOND, OTHER])
PASSAGES = (
    "安心货币A（000123）管理费率为0.15%，托管费0.05%，1元起购，T+1日到账。客户可以在手机APP的理财页面申购和赎回。",
    "稳健债券A：管理费0.30%，申购金额100万元以下申购费0.60%，持有少于7天赎回费1.5%。风险等级R2。2026年7月6日起施行。",
)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("0.15%", "万分之十五"), ("0.15%", "1.5‰"), ("1万元", "10,000元"), ("1万元", "10000元"), ("T+2", "第二个交易日"),
        ("24个月", "两年"), ("2年", "24个月"), ("9:30", "上午9点半"), ("下午3点", "15:00"), ("百分之五", "5%"),
        ("2026年7月6日", "2026-07-06"), ("一周", "7天"), ("一百万元", "100万元"), ("15个基点", "0.15%"), ("半年", "6个月"),
    ],
)  # fmt: skip
def test_equal_notations(one: str, other: str) -> None:
    """The same quantity in another notation has a key in common."""
    (a,), (b,) = quantities(plain(one)), quantities(plain(other))
    assert a.keys & b.keys


@pytest.mark.parametrize(
    ("one", "other"), [("30天", "1个月"), ("2个工作日", "2天"), ("0.5%", "0.5元"), ("5年", "5个月"), ("T+1", "T+2")]
)
def test_different_units_differ(one: str, other: str) -> None:
    """What is not the same by definition has no key in common."""
    (a,), (b,) = quantities(plain(one)), quantities(plain(other))
    assert not a.keys & b.keys


@pytest.mark.parametrize(
    "text", ["1. 打开页面\n2. 点击按钮", "①第一 ②第二", "满足三个条件即可", "一般来说一样", "见来源[1]"]
)
def test_markers_are_no_facts(text: str) -> None:
    """List markers and words that look like numbers are none."""
    assert quantities(plain(text)) == []


@pytest.mark.parametrize(
    "text",
    [
        "安心货币A的管理费是万分之十五。", "安心宝1元起购，T+1到账。", "稳健债券A的管理费是千分之三。",
        "持有不满一周赎回，按1.5%收赎回费。", "您好，如需帮助可以转人工。", "安心货币A可以在手机APP理财页面赎回。",
        "自7月6日起施行。",
    ],
)  # fmt: skip
def test_supported(text: str) -> None:
    """Statements of the passages pass, in their own words too."""
    assert unsupported(text, PASSAGES, products=INDEX) == []


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("安心货币A的管理费是0.30%。", "0.30%"), ("稳健债券A的托管费是0.05%。", "0.05%"), ("申购费是0.15元。", "0.15元"),
        ("安心货币A的托管费是0.15%。", "0.15%"), ("进取成长混合也不错。", "进取成长混合"), ("T+3日到账。", "T+3日"),
        ("2026年7月8日起施行。", "2026年7月8日"),
    ],
)  # fmt: skip
def test_unsupported_is_pointed_at(text: str, shown: str) -> None:
    """A number of another product, thing or unit, and an unknown product, are found where they stand."""
    assert shown in [text[slice(*f.span)] for f in unsupported(text, PASSAGES, products=INDEX)]


def test_invented_prose_fails() -> None:
    """A sentence whose content is in no passage fails though it states no number."""
    text = "这款产品由资深经理管理，屡获金牛奖，规模行业领先。"
    assert [f.check for f in unsupported(text, PASSAGES, products=INDEX)] == ["ungrounded"]


def test_no_passages_support_nothing() -> None:
    """With an empty list every claim fails, a greeting does not."""
    assert unsupported("申购款项在确认日划出托管账户。", [])
    assert unsupported("您好，请问有什么可以帮您？", []) == []


def test_allowed_values_are_evidence() -> None:
    """Values of the records count: ticket, queue position, hotline."""
    text = "工单号20261122015，前面还有3位，热线95555。"
    assert unsupported(text, [], allowed=("20261122015", "3位", "95555")) == []
    assert unsupported(text, [], allowed=("95555",))


def test_names_codes_and_aliases_are_found() -> None:
    """The longest name wins, codes keep digit boundaries, script and book-title marks do not hide a name."""
    found = [(p.code, s) for p, s in INDEX.find("《安心貨幣A》、安心宝和000124，不是1000124")]
    assert found == [("000123", (1, 6)), ("000123", (8, 11)), ("000124", (12, 18))]
