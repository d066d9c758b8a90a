"""Amounts and spans of time: what a question states, which tier a table row or a sentence speaks of.

A tier is an interval over one dimension: money (yuan), days, or shares. 「100万≤M<500万」, 「7日（含）至30日」,
「500万元以上」, 「不足7天」, 「持有满一年」 are tiers; 「我买150万」 states a value.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Literal

from knowledge.retrieval.words import plain

Dimension = Literal["money", "days", "shares"]

DIGITS = {"零": 0, "〇": 0, "一": 1, "二": 2, "两": 2, "三": 3, "四": 4, "五": 5, "六": 6, "七": 7, "八": 8, "九": 9}
SCALES = {"十": 10, "百": 100, "千": 1000, "万": 10_000, "亿": 100_000_000}
NUMBER = r"(?:\d[\d,]*(?:\.\d+)?|[一二两三四五六七八九十百千半]+)"
SCALE = r"(?:百万|千万|万亿|十万|亿|万|千|w|k)?"
UNIT = (
    r"(?:元|块钱|块|人民币|个自然日|个交易日|自然日|个工作日|天|日|周|个星期|星期|个半月|个月|月|年|岁|股|"
    r"手(?!续)|份(?!额))?"
)
QUANTITY = re.compile(rf"(?P<number>{NUMBER})\s*(?P<scale>{SCALE})\s*(?P<unit>{UNIT})(?P<half>半)?")
RANGE = re.compile(
    r"(\d+(?:\.\d+)?)\s*(?:-|~|—|–|至|到)\s*(\d+(?:\.\d+)?)((?:万|亿)?(?:元|个自然日|自然日|个交易日|天|日|周|个月|年|股)|万|亿)"
)
CALENDAR = re.compile(r"(?:19|20)\d\d年(?:\d{1,2}月)?(?:\d{1,2}[日号])?|\d{1,2}月\d{1,2}[日号]|\d{4}-\d{1,2}-\d{1,2}")
DAYS = {"天": 1, "日": 1, "周": 7, "星期": 7, "月": 30, "年": 365}
BELOW = r"(?:以下|以内|之内|不足|不满|未满|少于|小于|低于|内)"
ABOVE = r"(?:以上|及以上|起|满|超过|大于|高于|不少于|不低于|至少|多于)"
BELOW_AFTER, BELOW_BEFORE = re.compile(rf"(?:不?含)?{BELOW}"), re.compile(rf"{BELOW}$")
ABOVE_AFTER, ABOVE_BEFORE = re.compile(rf"(?:不?含)?{ABOVE}"), re.compile(rf"{ABOVE}$")
JOINS = re.compile(r"(?:不?含)?(?:-|~|—|–|至|到|以上)?(?:不?含)?[,、;至到~-]*(?:不足|不满|小于)?")


@dataclass(frozen=True, slots=True)
class Quantity:
    """A value with its dimension and where it stands in the folded text."""

    dimension: Dimension
    value: float
    start: int
    end: int
    bare: bool


@dataclass(frozen=True, slots=True)
class Tier:
    """An interval of one dimension; `low` belongs to it by `low_in`, `high` by `high_in`."""

    dimension: Dimension
    low: float
    high: float
    low_in: bool = True
    high_in: bool = False

    def holds(self, value: float) -> bool:
        above = value > self.low or (self.low_in and value == self.low)
        below = value < self.high or (self.high_in and value == self.high)
        return above and below


@lru_cache(maxsize=8192)
def quantities(text: str) -> tuple[Quantity, ...]:
    """The amounts and durations stated in a text."""
    found = []
    folded = _folded(text)
    for match in QUANTITY.finditer(folded):
        value = _number(match["number"])
        if value is None:
            continue
        scale, unit = match["scale"], match["unit"]
        dimension = _dimension(unit, scale)
        if dimension is None:
            continue
        value *= {"w": 10_000, "k": 1000}.get(scale) or math.prod(SCALES[char] for char in scale)
        if dimension == "days":
            value = _days(value, unit, bool(match["half"]))
        found.append(Quantity(dimension, value, match.start(), match.end(), not unit))
    return tuple(found)


@lru_cache(maxsize=8192)
def tiers(text: str) -> tuple[Tier, ...]:
    """The tiers a text speaks of."""
    folded = _folded(text).replace("(含)", "含").replace("(不含)", "不含").replace(" ", "")
    return tuple(_chained(folded)) or tuple(_worded(folded))


def fit(asked: tuple[Quantity, ...], text: str) -> int:
    """1 when a tier of the text holds a quantity asked about, or the text states that very quantity; -1 when its tiers
    exclude it; else 0."""
    offered, stated = tiers(text), quantities(text)
    verdict = 0
    for quantity in asked:
        same = [tier for tier in offered if tier.dimension == quantity.dimension]
        if any(tier.holds(quantity.value) for tier in same):
            return 1
        if not same and any(one.dimension == quantity.dimension and one.value == quantity.value for one in stated):
            return 1
        verdict = -1 if same else verdict
    return verdict


def _folded(text: str) -> str:
    """Plain text without calendar dates, 「30-90天」 written out as 「30天至90天」."""
    return RANGE.sub(r"\1\3至\2\3", CALENDAR.sub(lambda match: "·" * len(match[0]), plain(text)))


def _number(text: str) -> float | None:
    if text[0].isdigit():
        return float(text.replace(",", ""))
    if text == "半":
        return 0.5
    total, section = 0.0, 0.0
    for char in text:
        if char in DIGITS:
            section = DIGITS[char]
        elif char in SCALES:
            total += (section or 1) * SCALES[char]
            section = 0
        else:
            return None
    return total + section


def _dimension(unit: str, scale: str) -> Dimension | None:
    if unit in ("元", "块钱", "块", "人民币") or (not unit and scale):
        return "money"
    if unit in ("股", "手", "份"):
        return "shares"
    if unit and any(name in unit for name in DAYS) and "岁" not in unit:
        return "days"
    return None


def _days(value: float, unit: str, half: bool) -> float:
    size = next(days for name, days in DAYS.items() if name in unit)
    return value * size + (size / 2 if half or "半月" in unit else 0)


def _chained(text: str) -> list[Tier]:
    """「100万≤M<500万」 and 「M≥500万」."""
    found = []
    pattern = re.compile(
        r"([^<>≤≥＜＞=]{0,14})(<=|>=|[<>≤≥])([^<>≤≥=;,。]{1,14})(?:(<=|>=|[<>≤≥])([^<>≤≥=;,。]{1,14}))?"
    )
    for left, first, middle, second, right in pattern.findall(text):
        low_side, mid_side, high_side = quantities(left), quantities(middle), quantities(right)
        if second and low_side and high_side:
            if first in ("<", "<=", "≤"):
                low, high, low_in, high_in = low_side[-1], high_side[0], first != "<", second != "<"
            else:
                low, high, low_in, high_in = high_side[0], low_side[-1], second != ">", first != ">"
            low_value = _same_scale(low, high)
            found.append(Tier(high.dimension, low_value, high.value, low_in, high_in))
        elif not second and mid_side:
            bound = mid_side[0]
            if first in (">", ">=", "≥"):
                found.append(Tier(bound.dimension, bound.value, math.inf, first != ">"))
            else:
                found.append(Tier(bound.dimension, 0, bound.value, True, first != "<"))
        elif not second and low_side:
            bound = low_side[-1]
            if first in ("<", "<=", "≤"):
                found.append(Tier(bound.dimension, bound.value, math.inf, first != "<"))
            else:
                found.append(Tier(bound.dimension, 0, bound.value, True, first != ">"))
    return found


def _worded(text: str) -> list[Tier]:
    """「100万元（含）以上、500万元以下」, 「7天至30天」, 「不足7日」, 「满一年」."""
    found: list[Tier] = []
    bounds = quantities(text)
    used: set[int] = set()
    for index, (bound, following) in enumerate(pairwise(bounds)):
        between = text[bound.end : following.start]
        rising = following.dimension == bound.dimension and following.value > bound.value
        if index not in used and between and rising and JOINS.fullmatch(between):
            tail = text[following.end : following.end + 6]
            closed = "不含" not in tail and "含" in tail
            found.append(Tier(bound.dimension, bound.value, following.value, "不含" not in between, closed))
            used |= {index, index + 1}
    for index, bound in enumerate(bounds):
        before, after = text[max(0, bound.start - 4) : bound.start], text[bound.end : bound.end + 6]
        if index in used:
            continue
        if BELOW_AFTER.match(after) or BELOW_BEFORE.search(before):
            found.append(Tier(bound.dimension, 0, bound.value, True, after.startswith("含")))
        elif ABOVE_AFTER.match(after) or ABOVE_BEFORE.search(before):
            reached = "不含" not in after and "超过" not in before
            found.append(Tier(bound.dimension, bound.value, math.inf, reached))
    return found


def _same_scale(low: Quantity, high: Quantity) -> float:
    """「100≤M<500万」: a bare lower number takes the scale of the upper one when it would be larger otherwise."""
    return low.value if low.value <= high.value else high.value
