"""A question made ready for search: its units with weights, its sounds, its quantities, and what it asks for."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

import numpy as np

from knowledge.index.keywords import Keywords
from knowledge.retrieval.tiers import Quantity, quantities
from knowledge.retrieval.words import Unit, Words, bigrams, plain, syllables

ASKS: dict[str, re.Pattern[str]] = {
    "money": re.compile(
        r"多少钱|多少资金|几多钱|费|佣金|税|起购|起投|门槛|额|价|贵|便宜|扣|成本|最低买|最少买|资产要求"
    ),
    "rate": re.compile(r"率|百分之|几个点|比例|多少税|费|佣金|利息|收益|千分之|万分之|折"),
    "time": re.compile(
        r"多久|多长|几天|几时|什么时候|何时|几点|时间|到账|期限|到期|有效期|日期|哪天|周末|when|how long|多快|期"
    ),
    "count": re.compile(r"几个|几次|多少股|几手|一手|多少只|多少份|数量|几家|几张|几年|几个月|岁"),
    "how": re.compile(r"怎么|如何|怎样|咋|步骤|流程|操作|在哪|哪里|哪儿|入口|点哪|how"),
    "what": re.compile(r"什么是|是什么|啥是|是啥|什么意思|区别|指的是|定义|what"),
    "yesno": re.compile(r"吗|么[？?]?$|是不是|能不能|可不可以|可以不|会不会|有没有|行不行|能否|是否|要不要|嘛[？?]?$"),
    "list": re.compile(r"哪些|条件|要求|材料|资料|带什么|准备什么|包括|包含|有什么|几种|种类"),
    "grade": re.compile(r"风险等级|风险级别|r几|几级|风险大|风险高|危险|风险评级"),
}
GIVES: dict[str, re.Pattern[str]] = {
    "money": re.compile(r"\d[\d,.]*\s*(?:万|亿)?\s*元|港元|美元|免费|不收|免收|收取"),
    "rate": re.compile(r"\d[\d.]*\s*[%‰]|(?:百|千|万)分之|折"),
    "time": re.compile(
        r"\d+\s*(?:个)?(?:工作日|交易日|自然日|日|天|月|年|小时|分钟|周)|t\+\d|\d{1,2}:\d{2}|次日|当日|实时|永久|长期"
    ),
    "count": re.compile(r"\d+\s*(?:个|次|股|手|只|份|家|张|年|岁)|一次|两次"),
    "how": re.compile(r"点击|进入|选择|登录|提交|步骤|打开|携带|办理|「|→|>|路径"),
    "what": re.compile(r"是指|指的是|是一种|是由|称为|即|区别|不同"),
    "yesno": re.compile(r"可以|不可以|不能|能|需要|不需要|无需|不支持|支持|不得|必须|允许|不允许|会|不会|是|否"),
    "list": re.compile(r"\n-|\n\d|；|、|条件|以下"),
    "grade": re.compile(r"r[1-5]|风险等级"),
}


@dataclass(frozen=True, slots=True)
class Query:
    """One standalone question. `weights` (same order as `units`) are inverse document frequencies in the view."""

    text: str
    units: tuple[Unit, ...]
    weights: tuple[float, ...]
    pairs: frozenset[str]
    sounds: frozenset[str]
    quantities: tuple[Quantity, ...]
    asks: frozenset[str]
    vector: np.ndarray


def prepare(text: str, words: Words, keywords: Keywords, vector: np.ndarray) -> Query:
    """The query for a standalone question; `vector` is its embedding, shape (d,)."""
    units = words.units(text)
    folded = plain(text)
    return Query(
        text=text,
        units=units,
        weights=tuple(weight(unit, keywords) for unit in units),
        pairs=bigrams(text),
        sounds=frozenset(syllables(folded)),
        quantities=quantities(text),
        asks=frozenset(name for name, pattern in ASKS.items() if pattern.search(folded)),
        vector=vector,
    )


def weight(unit: Unit, keywords: Keywords) -> float:
    """Inverse document frequency of a unit, 0..1; a word no material holds weighs as much as the rarest."""
    seen = max((keywords.frequency[term] for term in unit.terms), default=0)
    return math.log(1 + (keywords.size + 1) / (seen + 1)) / math.log(2 + keywords.size)


def gives(folded: str) -> frozenset[str]:
    """The kinds of fact a text offers, by the same names as `Query.asks`."""
    return frozenset(name for name, pattern in GIVES.items() if pattern.search(folded))
