"""Amounts, spans of time and the tiers that hold them."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knowledge.retrieval.tiers import Quantity, fit, quantities, tiers

WAN = 10_000


@pytest.mark.parametrize(
    ("text", "dimension", "value"),
    [
        ("我买150万", "money", 1_500_000),
        ("三千块钱", "money", 3000),
        ("20w够吗", "money", 200_000),
        ("1,000元", "money", 1000),
        ("一百二十万元", "money", 1_200_000),
        ("持有半年", "days", 182.5),
        ("3个月", "days", 90),
        ("一年半", "days", 547.5),
        ("两周", "days", 14),
        ("200股", "shares", 200),
    ],
)
def test_quantities_are_read(text: str, dimension: str, value: float) -> None:
    """Amounts in digits, in Chinese and in everyday words have one value."""
    assert [(q.dimension, q.value) for q in quantities(text)] == [(dimension, value)]


@pytest.mark.parametrize("text", ["2026年11月22日", "手续费多少", "年满18岁", "科创板688开头"])
def test_dates_ages_and_codes_are_no_quantities(text: str) -> None:
    """A calendar date, an age, a bare number or the word 手续费 is no amount."""
    assert [q for q in quantities(text) if q.dimension in ("days", "money")] == []


@pytest.mark.parametrize(
    ("tier", "inside", "outside"),
    [
        ("100万元≤M＜500万元", ["150万", "100万"], ["99万", "500万"]),
        ("M＜100万元", ["50万"], ["100万"]),
        ("M≥500万元", ["500万", "1000万"], ["499万"]),
        ("不足7天", ["3天"], ["7天", "10天"]),
        ("7日（含）至30日（不含）", ["7天", "20天"], ["6天", "30天"]),
        ("100万元（含）以上、500万元以下", ["100万", "300万"], ["50万", "600万"]),
        ("满一年", ["两年", "一年"], ["3个月"]),
        ("30-90天", ["60天", "30天"], ["10天", "100天"]),
        ("超过365天", ["400天"], ["365天"]),
    ],
)
def test_tiers_as_documents_write_them(tier: str, inside: list[str], outside: list[str]) -> None:
    """Each way a document writes a tier holds what it should and excludes the rest."""
    for text in inside:
        assert fit(quantities(text), tier) == 1, text
    for text in outside:
        assert fit(quantities(text), tier) == -1, text


bounds = st.integers(1, 900)


@given(bounds, bounds, st.integers(0, 1000))
def test_fit_agrees_with_arithmetic_for_money(one: int, other: int, asked: int) -> None:
    """「low万元≤M＜high万元」 holds an amount exactly when arithmetic says so."""
    low, high = sorted((one, other + one))
    if low == high or asked == 0:
        return
    text = f"{low}万元≤M＜{high}万元"
    assert fit(quantities(f"{asked}万元"), text) == (1 if low <= asked < high else -1)


@given(bounds, bounds, st.integers(1, 2000))
def test_fit_agrees_with_arithmetic_for_days(one: int, more: int, asked: int) -> None:
    """「a天（含）至b天（不含）」 holds a span exactly when arithmetic says so."""
    text = f"{one}天（含）至{one + more}天（不含）"
    assert fit(quantities(f"{asked}天"), text) == (1 if one <= asked < one + more else -1)


@given(bounds, st.integers(1, 2000))
def test_half_open_neighbours_leave_no_gap_and_no_overlap(bound: int, asked: int) -> None:
    """Of 「不足n天」 and 「n天（含）以上」 exactly one holds any span."""
    held = [fit(quantities(f"{asked}天"), text) for text in (f"不足{bound}天", f"{bound}天（含）以上")]
    assert sorted(held) == [-1, 1]


@given(st.text(max_size=60), st.text(max_size=60))
def test_fit_never_raises_and_stays_in_range(question: str, text: str) -> None:
    """Whatever the texts, the verdict is −1, 0 or 1, and no tier is upside down."""
    assert fit(quantities(question), text) in (-1, 0, 1)
    assert all(isinstance(tier.low, int | float) and not math.isnan(tier.high) for tier in tiers(text))


def test_other_dimension_gives_no_opinion() -> None:
    """A tier of money says nothing about days."""
    assert fit(quantities("持有5天"), "M≥500万元") == 0
    assert fit((Quantity("days", 5, 0, 0, False),), "没有数字的一句话") == 0
