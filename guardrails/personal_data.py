"""Personal data in text: what it is and where it stands (个人信息保护法 art. 28; RULES D).

Recognised: identity card numbers of 15 and 18 digits (GB 11643 checksum), mobile phones, home landlines, bank cards
(Luhn, 16–19 digits), securities, capital and fund accounts, home addresses, e-mails, passports, travel permits, plates
and names after a cue. Digits may be full-width, spelt in Chinese, circled, or split by spaces, dashes or hidden
characters. Numbers of the firm (`allowed`), public hotlines and masked numbers are not personal data.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from typing import Any, Literal

import yaml

from guardrails.normalise import DATA, Normalised, characters, fold

DatumKind = Literal[
    "id_card", "phone", "landline", "bank_card", "securities_account", "capital_account", "fund_account", "address",
    "email", "passport", "permit", "plate", "name",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class PersonalDatum:
    """One piece of personal data; `span` is half-open in code points of the text it was found in."""

    kind: DatumKind
    span: tuple[int, int]


@lru_cache(maxsize=1)
def _words() -> dict[str, Any]:
    words: dict[str, Any] = yaml.safe_load((DATA / "personal_data.yaml").read_text(encoding="utf-8"))
    return words


@lru_cache(maxsize=32)
def _any(key: str) -> str:
    """The words under `key` as one regular-expression group, longest first."""
    return "(?:" + "|".join(re.escape(w.lower()) for w in sorted(_words()[key], key=len, reverse=True)) + ")"


_SEP = r"[\s\-.·—]{0,2}"
_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_PROVINCES = frozenset(re.findall("..", "1112131415212223313233343536374142434445465051525354616263646571818283"))
_ID = re.compile(rf"(?<![\da-z])\d(?:{_SEP}\d){{14}}(?:(?:{_SEP}\d){{2}}{_SEP}[\dx])?(?![\da-z])")
_PHONE = re.compile(
    rf"(?<![\d.a-z+])(?:\(?\+?(?:00)?86\)?{_SEP})?1{_SEP}[3-9](?:{_SEP}\d){{9}}(?![\d%]|\.\d|\s?(?:元|万|亿|股|份|手|点|美元|港元|港币))"
)
_CARD = re.compile(r"(?<![\da-z.])\d(?:[\s\-]{0,2}\d){15,18}(?![\da-z])")
_EMAIL = re.compile(
    r"[a-z0-9][a-z0-9._%+\-]*\s?(?:@|\(at\)|\[at\])\s?[a-z0-9][a-z0-9\-]*(?:\.[a-z0-9\-]+)*\.[a-z]{2,8}(?![a-z0-9])"
)
_SECURITIES = re.compile(r"(?<![a-z0-9])[abef][\s\-]?\d{9}(?![\da-z])")
_PLATE = re.compile(
    r"[京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼使][a-hj-np-z][·•.\s]?"
    r"(?:[df][a-hj-np-z0-9]\d{4}|\d{5}[df]|(?=[a-hj-np-z0-9]{0,4}\d)[a-hj-np-z0-9]{4}[a-hj-np-z0-9挂学警港澳])(?![a-z0-9])"
)
_LANDLINE = r"\(?0\d{2,3}\)?[\s\-]?\d{7,8}(?!\d)"
_AREA = r"(?:[\u4e00-\u9fff]{2,7}?(?:省|自治区|特别行政区|市|州|盟|区|县|旗|镇|乡|街道)\s?)"
_ROAD = (
    r"(?:[\u4e00-\u9fff0-9a-z]{1,12}?"
    r"(?:路|街|大道|巷|弄|胡同|道|里|村|屯|庄|湾|组|小区|花园|家园|公寓|新村|苑|府|城|庭|园|坊|社区)"
    r"(?:[一二三四五六七八九十东西南北中]段)?)"
)
_NUMBER = r"(?:[0-9a-z一二三四五六七八九十百甲乙丙]{1,6}(?:-[0-9]{1,5})?\s?)"
_UNIT = rf"(?:{_NUMBER}(?:号楼|号院|号|弄|栋|幢|座|单元|楼|层|室|房|户|组|门|支弄))"
_ADDRESS = re.compile(
    rf"{_AREA}{{0,4}}{_ROAD}{{1,3}}\s?{_UNIT}(?:[\s,，]?[\u4e00-\u9fff]{{0,8}}?{_UNIT}){{0,5}}(?:[\s]?\d{{2,5}}(?:-\d+)?(?!\d))?"
)
_HOUSE = re.compile(r"(?:室|房|户|单元|栋|幢|号楼)|\d-\d{2,}|\d{3,5}$")


def _digits_folded(text: str) -> str:
    """Chinese digits spelt one by one (seven or more in a row, mixed with figures or not) as figures; same length."""
    table = characters().digits
    pattern = "[0-9" + "".join(table) + "]"
    return _spelt(pattern).sub(lambda m: "".join(table.get(c, c) for c in m[0]), text)


@lru_cache(maxsize=1)
def _spelt(pattern: str) -> re.Pattern[str]:
    return re.compile(rf"{pattern}(?:[\s\-、,，.]?{pattern}){{6,}}")


def _plain(text: str) -> str:
    return re.sub(r"[^0-9a-z]", "", text)


def _checksum_ok(number: str) -> bool:
    total = sum(int(d) * w for d, w in zip(number[:17], _WEIGHTS, strict=True))
    return "10x98765432"[total % 11] == number[17]


def _birth_ok(digits: str) -> bool:
    try:
        born = date(int(digits[:4]), int(digits[4:6]), int(digits[6:8]))
    except ValueError:
        return False
    return 1880 <= born.year <= 2100


def _luhn_ok(number: str) -> bool:
    total = 0
    for i, d in enumerate(reversed(number)):
        n = int(d) * (2 if i % 2 else 1)
        total += n - 9 if n > 9 else n
    return total % 10 == 0


def _cue_before(text: str, at: int, key: str, reach: int = 14) -> bool:
    """A cue word ends at most `reach` characters before `at`, with no sentence end or other number between."""
    window = re.split(r"[。;；!！?？\n]", text[max(0, at - reach - 8) : at])[-1]
    return re.search(_any(key) + rf"[^\d]{{0,{reach}}}$", window) is not None


def _reference(text: str, at: int) -> bool:
    window = text[max(0, at - 12) : at]
    return re.search(_any("reference_cues") + r"[^\d,，。;；]{0,6}$", window) is not None


def _ids(text: str) -> Iterator[tuple[DatumKind, int, int]]:
    for m in _ID.finditer(text):
        number = _plain(m[0])
        cue = _cue_before(text, m.start(), "id_cues")
        if number[:2] not in _PROVINCES:
            continue
        if len(number) == 18:
            ok = _birth_ok(number[6:14]) and (cue or _checksum_ok(number))
        else:
            ok = _birth_ok("19" + number[6:12]) and (cue or not _reference(text, m.start()))
        if ok:
            yield "id_card", m.start(), m.end()


def _phones(text: str) -> Iterator[tuple[DatumKind, int, int]]:
    for m in _PHONE.finditer(text):
        if not _reference(text, m.start()) and not re.search(r"\d[.]\d{2}\s|\d\s\d\s?\.\s?\d", m[0]):
            yield "phone", m.start(), m.end()
    for m in re.finditer(_any("home_phone_cues") + r"[^\d]{0,6}?(" + _LANDLINE + r"|\d{7,8}(?!\d))", text):
        yield "landline", m.start(1), m.end(1)


def _cards(text: str) -> Iterator[tuple[DatumKind, int, int]]:
    for m in _CARD.finditer(text):
        number = _plain(m[0])
        cue = _cue_before(text, m.start(), "bank_cues")
        if cue or (_luhn_ok(number) and number[0] in "3456" and not _reference(text, m.start())):
            yield "bank_card", m.start(), m.end()
    for m in re.finditer(_any("bank_cues") + r"[^\d*。;；\n]{0,8}?(\d(?:[\s\-]?\d){11,20})(?![\d*])", text):
        yield "bank_card", m.start(1), m.end(1)


def _accounts(text: str) -> Iterator[tuple[DatumKind, int, int]]:
    for m in _SECURITIES.finditer(text):
        yield "securities_account", m.start(), m.end()
    shapes: tuple[tuple[DatumKind, str, str], ...] = (
        ("securities_account", "securities_cues", r"[a-z]?\d{9,12}"),
        ("fund_account", "fund_cues", r"[0-9a-z]{2,3}\d{8,12}"),
        ("capital_account", "capital_cues", r"\d{6,14}"),
    )
    for kind, cues, shape in shapes:
        for m in re.finditer(_any(cues) + rf"[^\da-z*。;；\n]{{0,8}}?({shape})(?![\da-z*])", text):
            yield kind, m.start(1), m.end(1)


def _documents(text: str) -> Iterator[tuple[DatumKind, int, int]]:
    for m in re.finditer(r"(?<![a-z0-9])(?:[egdsph]\d{8}|e[a-hj-np-z]\d{7}|1[45]\d{7})(?![a-z0-9])", text):
        if _cue_before(text, m.start(), "passport_cues"):
            yield "passport", m.start(), m.end()
    for m in re.finditer(r"(?<![a-z0-9])(?:c[a-z]?\d{7,8}|[hmw]\d{8,10}|\d{8})(?![a-z0-9])", text):
        if _cue_before(text, m.start(), "permit_cues"):
            yield "permit", m.start(), m.end()


def _plates(text: str) -> Iterator[tuple[DatumKind, int, int]]:
    for m in _PLATE.finditer(text):
        yield "plate", m.start(), m.end()


def _addresses(text: str) -> Iterator[tuple[DatumKind, int, int]]:
    for m in _ADDRESS.finditer(text):
        left = max(text.rfind(c, 0, m.start()) for c in "。;；!！?？\n") + 1
        right = min((i for c in "。;；!！?？\n" if (i := text.find(c, m.end())) >= 0), default=len(text))
        around = text[left:right]
        at_home = re.search(_any("home_words"), around) is not None
        area = re.search(r"(?:省|市|区|县|镇|乡)", m[0]) is not None
        if re.search(_any("organisation_words"), around) and not at_home:
            continue
        if not re.search(r"\d|[一二三四五六七八九十]", m[0]):
            continue
        if at_home or (area and _HOUSE.search(m[0])) or (area and re.search(r"\d号", m[0])):
            start = m.start()
            cue = re.match(rf".*?{_any('home_words')}[:：是为在]?\s?", m[0])
            yield "address", start + (cue.end() if cue else 0), m.end()


def _names(text: str) -> Iterator[tuple[DatumKind, int, int]]:
    words = _words()
    name = (
        "((?:" + "|".join(words["compound_surnames"]) + r")[\u4e00-\u9fff]{1,2}|"
        "[" + words["surnames"] + r"](?:[\u4e00-\u9fff]{1,2}|·[\u4e00-\u9fff]{1,8}))"
    )
    ends = r"(?=[\s,，。;；、!！?？:：()/|\-的先女]|身份|手机|电话|证件|账|住|\d|$)"
    for m in re.finditer(_any("name_cues") + r"\s?(?:[:：]|是|为|叫|\s)\s?" + name + ends, text):
        after = text[m.start(1) : m.end(1) + 6]
        if not any(w in after for w in words["not_a_person"]):
            yield "name", m.start(1), m.end(1)


def _emails(text: str) -> Iterator[tuple[DatumKind, int, int]]:
    for m in _EMAIL.finditer(text):
        yield "email", m.start(), m.end()


# Each with what a text must hold for it to find anything: most texts hold nothing of the kind and are done at once.
_LONG = re.compile(r"\d(?:[\s\-.·—]{0,2}\d){5}")
_RECOGNISERS: tuple[tuple[re.Pattern[str], Callable[[str], Iterator[tuple[DatumKind, int, int]]]], ...] = (
    (_LONG, _ids),
    (_LONG, _cards),
    (_LONG, _accounts),
    (_LONG, _phones),
    (re.compile("@|at"), _emails),
    (_LONG, _documents),
    (re.compile(r"\d"), _plates),
    (re.compile(rf"{_NUMBER}(?:[号弄栋幢座楼层室房户组门]|单元|支弄)"), _addresses),
    (re.compile(""), _names),
)


def _is_allowed(found: str, allowed: frozenset[str]) -> bool:
    number = _plain(found)
    if number in allowed or number.removeprefix("86") in allowed:
        return True
    return "@" in found and "@" + found.replace(" ", "").split("@", 1)[1] in allowed


def _original(folded: Normalised, start: int, end: int) -> tuple[int, int]:
    """The span in the original, with the invisible characters that follow it."""
    s, e = folded.span(start, end)
    while e < len(folded.original) and folded.original[e] in characters().dropped:
        e += 1
    return s, e


def find(text: str, *, allowed: Collection[str] = ()) -> list[PersonalDatum]:
    """Personal data in `text`, ordered by place, without overlaps (the earlier recogniser wins, then the longer).

    `allowed`: numbers and e-mails of the firm that may be told; "@domain" allows a whole mail domain.
    """
    folded = fold(text)
    reading = _digits_folded(folded.text)
    may = frozenset(_plain(a.lower()) if "@" not in a else a.lower() for a in allowed)
    may |= frozenset(_plain(a.lower()) for a in allowed) | frozenset(_words()["public_numbers"])
    taken: list[tuple[int, int, DatumKind]] = []
    needed = {pattern: pattern.search(reading) is not None for pattern in {needs for needs, _ in _RECOGNISERS}}
    for recogniser in (recogniser for needs, recogniser in _RECOGNISERS if needed[needs]):
        for kind, start, end in recogniser(reading):
            if _is_allowed(reading[start:end], may) or any(start < e and s < end for s, e, _ in taken):
                continue
            taken.append((start, end, kind))
    return [PersonalDatum(kind, _original(folded, s, e)) for s, e, kind in sorted(taken)]


def mask(text: str, *, allowed: Collection[str] = ()) -> str:
    """`text` with every piece of personal data replaced by 〔its kind〕. Idempotent."""
    labels: dict[str, str] = _words()["labels"]
    while found := find(text, allowed=allowed):
        for datum in reversed(found):
            start, end = datum.span
            text = f"{text[:start]}〔{labels[datum.kind]}〕{text[end:]}"
    return text


def labels() -> dict[str, str]:
    """Kind → its name in Chinese."""
    names: dict[str, str] = _words()["labels"]
    return names
