# ruff: noqa: E501 — one recogniser a line
"""Numbers with their units, brought to one form: 0.15% = 万分之十五 = 1.5‰, 1万元 = 10,000元, T+2 = 第二个交易日.

A quantity carries `keys`: canonical forms, any one of which in the evidence supports it. Units are part of the key;
nothing is converted that is not the same by definition (30 days are not a month, working days not calendar days).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from guardrails.normalise import Normalised

QuantityKind = Literal[
    "date", "time", "settlement", "rate", "money", "duration", "code", "grade", "count", "discount", "number",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Quantity:
    """One stated quantity; `place` is half-open in the normalised text it was read from."""

    kind: QuantityKind
    keys: frozenset[str]
    place: tuple[int, int]


_CN_DIGIT = {c: i for i, c in enumerate("零一二三四五六七八九")} | {"两": 2, "〇": 0}
_CN_SCALE = {"十": 10, "百": 100, "千": 1000}
_SCALE = {"万": Decimal(10_000), "亿": Decimal(100_000_000), "万亿": Decimal(10**12)}
_SCALE |= {"十万": Decimal(100_000), "百万": Decimal(10**6), "千万": Decimal(10**7), "百亿": Decimal(10**10)}
_A = r"\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?"
_C = r"[零一二两三四五六七八九十百千]+(?:点[零一二三四五六七八九]+)?"
_N = rf"(?:{_A}|{_C})"
_S = r"(?:万亿|百万|千万|十万|百亿|万|亿)?"
_TO = r"\s*(?:-|–|—|~|至|到|~)\s*"
_STRUCTURE = "条件|方式|步骤|方面|问题|办法|途径|渠道|要点|部分|阶段|环节|类型|选项|原因|情形|情况|层面|入口|建议|话题|种类|方法|因素|特点|角度|词|字|方向|维度"


def chinese_number(text: str) -> Decimal:
    """The value of 三百五十, 十五, 二点五, 一三八 (spelt digits), or Arabic figures with separators."""
    if text[0].isdigit():
        return Decimal(text.replace(",", ""))
    whole, _, fraction = text.partition("点")
    total, digit = 0, 0
    if not any(c in _CN_SCALE for c in whole):
        total = int("".join(str(_CN_DIGIT[c]) for c in whole))
    else:
        for char in whole:
            if char in _CN_SCALE:
                total, digit = total + (digit or 1) * _CN_SCALE[char], 0
            else:
                digit = _CN_DIGIT[char]
        total += digit
    tail = "".join(str(_CN_DIGIT[c]) for c in fraction)
    return Decimal(f"{total}.{tail}") if tail else Decimal(total)


def _text(value: Decimal) -> str:
    plain = format(value.normalize(), "f")
    return plain.rstrip("0").rstrip(".") if "." in plain else plain


def _scaled(number: str, scale: str) -> Decimal:
    return chinese_number(number) * _SCALE.get(scale, Decimal(1))


Found = tuple[QuantityKind, frozenset[str]]


def _dates(m: re.Match[str]) -> Found | None:
    year, month, day = m["y"], m["m"], m["d"]
    if (month and not 1 <= int(month) <= 12) or (day and not 1 <= int(day) <= 31):
        return None
    parts = [f"{int(p)}" for p in (year, month, day) if p]
    shape = "".join(k for k, p in (("y", year), ("m", month), ("d", day)) if p)
    return "date", frozenset((f"date:{shape}:{'-'.join(parts)}",))


def _times(m: re.Match[str]) -> Found | None:
    hour = int(chinese_number(m["h"]))
    minute = 30 if m["half"] else int(m["min"] or 0)
    if m["part"] in ("下午", "晚上", "晚", "傍晚", "中午") and hour < 12 and not (m["part"] == "中午" and hour > 10):
        hour += 12
    return ("time", frozenset((f"time:{hour}:{minute:02d}",))) if hour <= 24 and minute < 60 else None


def _settlements(m: re.Match[str]) -> Found:
    if m["n"]:
        return "settlement", frozenset((f"settlement:{m['n']}",))
    value = _text(chinese_number(m["k"])) if m["k"] else "1"
    return "settlement", frozenset((f"settlement:{value}",))


_PER = {"%": 100, "‰": 1000, "‱": 10000, "bp": 10000, "bps": 10000, "个基点": 10000, "基点": 10000}
_PER |= {"个百分点": 100, "百分点": 100, "百分之": 100, "千分之": 1000, "万分之": 10000, "万": 10000}


def _rates(m: re.Match[str]) -> Found:
    value = chinese_number(m["n"]) / _PER[m["u"]]
    return "rate", frozenset((f"rate:{_text(value)}",))


def _tenths(m: re.Match[str]) -> Found:
    return "rate", frozenset((f"rate:{_text(chinese_number(m['n']) / 10)}",))


_CURRENCY = {
    "元": "cny",
    "块": "cny",
    "块钱": "cny",
    "圆": "cny",
    "美元": "usd",
    "港元": "hkd",
    "港币": "hkd",
    "欧元": "eur",
}


def _monies(m: re.Match[str]) -> Found:
    value = _text(_scaled(m["n"], m["s"]))
    currency = _CURRENCY.get(m["u"] or "", "usd" if m["p"] == "$" else "cny")
    return "money", frozenset((f"{currency}:{value}", f"value:{value}"))


def _durations(m: re.Match[str]) -> Found | None:
    number, unit = m["n"], m["u"]
    value = Decimal("0.5") if number == "半" else chinese_number(number)
    if m["h"] or m["t"]:
        value += Decimal("0.5")
    if unit == "年" and value > 200:
        return None
    months = {"年": 12, "月": 1, "季度": 3, "季": 3}
    days = {"天": 1, "日": 1, "自然日": 1, "日历日": 1, "周": 7, "星期": 7, "礼拜": 7}
    minutes = {"小时": 60, "钟头": 60, "分钟": 1}
    if unit in months:
        key = f"months:{_text(value * months[unit])}"
    elif unit in days:
        key = f"days:{_text(value * days[unit])}"
    elif unit in minutes:
        key = f"minutes:{_text(value * minutes[unit])}"
    else:
        key = f"{unit}:{_text(value)}"
    return "duration", frozenset((key,))


def _codes(m: re.Match[str]) -> Found:
    return "code", frozenset((f"code:{re.sub(r'[^0-9a-z]', '', m[0])}",))


def _grades(m: re.Match[str]) -> Found:
    return "grade", frozenset((f"grade:{m[0]}",))


def _counts(m: re.Match[str]) -> Found | None:
    number, unit = m["n"], m["u"]
    spelt = not number[0].isdigit()
    if spelt and not m["s"] and (number == "一" or (len(number) == 1 and unit in "种类点项步级")):
        return None
    if re.match(_STRUCTURE, m.string[m.end() :]):
        return None
    value = _text(_scaled(number, m["s"]))
    kind: QuantityKind = "discount" if unit == "折" else "count"
    return kind, frozenset((f"{unit}:{value}", f"value:{value}"))


def _bare(m: re.Match[str]) -> Found:
    value = _text(_scaled(m["n"] or m["n2"], (m["s"] if m["n"] else m["s2"]) or ""))
    return "number", frozenset((f"value:{value}",))


_UNIT = "股|份|手|倍|次|人|户|只|条|位|名|点|级|档|项|岁|折|页|笔|张|克|吨|家|个|步|题|分|种|类|亩|套|支|期|轮|门|字节|楼|层|台|日均|周岁|元面值"
_READERS: tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], Found | None]], ...] = (
    (re.compile(r"(?<!\d)(?P<y>(?:19|20)\d{2})\s?(?:年|-|/|\.)\s?(?P<m>\d{1,2})\s?(?:月|-|/|\.)\s?(?P<d>\d{1,2})(?!\d)\s?[日号]?"), _dates),
    (re.compile(r"(?<!\d)(?P<y>(?:19|20)\d{2})\s?(?:年\s?(?P<m>\d{1,2})\s?月|年|财年)(?P<d>)(?!期)"), _dates),
    (re.compile(r"(?P<y>)(?<!\d)(?P<m>\d{1,2})\s?月\s?(?P<d>\d{1,2})\s?[日号]"), _dates),
    (re.compile(r"(?P<part>上午|下午|晚上|中午|晚|早上|凌晨|傍晚)?\s?(?<![\d.])(?P<h>\d{1,2}):(?P<min>\d{2})(?P<half>)(?!\d)"), _times),
    (re.compile(rf"(?P<part>上午|下午|晚上|中午|晚|早上|凌晨|傍晚)\s?(?P<h>\d{{1,2}}|{_C})[点时](?:(?P<half>半)|(?P<min>\d{{1,2}})分?)?"), _times),
    (re.compile(rf"(?P<part>)(?<![\d.])(?P<h>\d{{1,2}}|{_C})(?:点|时)(?:(?P<half>半)|(?P<min>\d{{1,2}})分|整|(?=[前后至到—-]))"), _times),
    (re.compile(rf"(?<![a-z])t\s?\+\s?(?P<n>\d+)(?!\d)(?:\s?个?(?:交易日|工作日|日))?|第(?P<k>{_N})个?(?:交易日|工作日|开放日)|(?:次一|次|下一个?)(?:交易日|工作日)"), _settlements),
    (re.compile(rf"(?P<n>{_A})\s?(?P<u>%|‰|‱|bps|bp|个基点|基点|个百分点|百分点)"), _rates),
    (re.compile(rf"(?P<u>百分之|千分之|万分之)(?P<n>{_N})"), _rates),
    (re.compile(r"(?<=[率为费金收用按])(?P<u>万)(?P<n>\d+(?:\.\d+)?|[一二三四五六七八九](?:点[一二三四五六七八九])?)(?![\d万元])"), _rates),
    (re.compile(rf"(?P<n>{_N})成(?![为立交功员熟本长])"), _tenths),
    (re.compile(rf"(?P<p>[¥$])?\s?(?P<n>{_N})\s?(?P<s>{_S})\s?(?P<u>元|块钱|块|圆|美元|港元|港币|欧元)(?![素老件])"), _monies),
    (re.compile(rf"(?P<p>[¥$])\s?(?P<n>{_A})\s?(?P<s>{_S})(?P<u>)"), _monies),
    (re.compile(rf"(?<![\d.])(?P<n>{_N}|半)\s?(?P<h>个?半)?\s?个?\s?(?P<u>交易日|工作日|自然日|日历日|开放日|季度|小时|钟头|分钟|星期|礼拜|年|月|周|天|日|季|秒)(?P<t>半)?(?!元)"), _durations),
    (re.compile(r"(?<![\d.\-])(?:400[\-\s]?\d{3}[\-\s]?\d{4}|95\d{3,4}|12\d{3}|96110|(?:0\d{2,3}-)\d{7,8}|1[3-9]\d{9}|\d{6})(?![\d.%,]|\s?[万亿元股份手])"), _codes),
    (re.compile(r"(?<![a-z0-9])[rc][1-5](?![0-9a-z])"), _grades),
    (re.compile(r"(?<![a-z0-9])[a-z]{1,4}\d{4,10}[a-z]?(?![a-z0-9])"), _codes),
    (re.compile(rf"(?<![\d.])(?P<n>{_N})\s?(?P<s>{_S})\s?(?P<u>{_UNIT})"), _counts),
    (re.compile(rf"(?<![\d.a-z])(?P<n>{_A})\s?(?P<s>{_S})(?![\d])|(?<![\d.])(?P<n2>{_C})(?P<s2>万亿|百万|千万|十万|亿)"), _bare),
)  # fmt: skip


_RANGE = re.compile(
    rf"(?<![\d.:\-])(?P<a>{_A}){_TO}(?={_N}\s?{_S}\s?(?P<u>%|‰|元|万元|亿元|年|个月|个交易日|个工作日|天|日|周|股|份|倍|分钟|小时))"
)
_MARKER = re.compile(
    r"(?m)^\s*(?:\d{1,2}[.、．)](?!\d)|[(]\d{1,2}[)])|[(]\d{1,2}[)](?=[\u4e00-\u9fff])|第[一二三四五六七八九十\d]{1,3}[步种类点项章节,、]|"
    r"步骤[一二三四五六七八九十\d]|方式[一二三四五六七八九十\d]|[图表]\s?\d+|\[\d{1,3}\]|十分(?![之钟])|(?<![金率费])万一|千万别|千万不|三方存管|第三方|两融|双十|一万个"
)


def quantities(reading: Normalised) -> list[Quantity]:
    """All quantities of a text read with `normalise.plain`, in reading order. List markers and [1] are none."""
    text = reading.text
    used = bytearray(len(text))
    for m in _MARKER.finditer(text):
        used[m.start() : m.end()] = b"\1" * (m.end() - m.start())
    for i, char in enumerate(text):
        source = reading.original[reading.starts[i]]
        if char.isdigit() and not source.isdecimal() and not "\uff10" <= source <= "\uff19":
            used[i] = 1
    found = [*_ranges(text, used)]
    for pattern, read in _READERS:
        for m in pattern.finditer(text):
            start, end = m.span()
            if start == end or any(used[start:end]):
                continue
            result = read(m)
            if result is not None:
                used[start:end] = b"\1" * (end - start)
                start += len(m[0]) - len(m[0].lstrip())
                found.append(Quantity(result[0], result[1], (start, start + len(m[0].strip()))))
    return sorted(found, key=lambda q: q.place)


def _ranges(text: str, used: bytearray) -> Iterator[Quantity]:
    """The first number of "1-2%", "10至20个交易日" takes the unit of the second."""
    for m in _RANGE.finditer(text):
        if any(used[m.start("a") : m.end("a")]):
            continue
        borrowed = m["a"] + m["u"]
        for pattern, read in _READERS:
            full = pattern.fullmatch(borrowed)
            result = read(full) if full else None
            if result is not None:
                yield Quantity(result[0], result[1], m.span("a"))
                used[m.start("a") : m.end("a")] = b"\1" * (m.end("a") - m.start("a"))
                break
