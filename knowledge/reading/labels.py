"""The words of labels.yaml as predicates over cells and short lines."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Literal

import yaml

DATA = Path(__file__).with_name("labels.yaml")
Word = Literal[
    "generic_key", "generic_value", "row_names", "column_names", "identity", "fact", "question", "answer", "serial",
    "note", "unit", "no_unit",
]  # fmt: skip
_NUMBER = re.compile(
    r"[-+±≥≤<>~约]?\s*[¥￥$]?\s*\d[\d,，.]*\s*(?:[%％‰]|bps?|BP|元|万元|亿元|天|日|年|个?月|股|份|手|次|笔|户|点)?"
    r"(?:/[年月日天份股笔次]|（含）|\(含\)|起)?"
)
_MARK = re.compile(r"注\s*[\d①-⑳]{1,2}|[①-⑳]|[*＊※]{1,3}|\[\d{1,2}\]|〔\d{1,2}〕|[¹²³⁴⁵⁶⁷⁸⁹]")
_DATE = re.compile(r"\d{4}\s*[-/.年]\s*\d{1,2}\s*(?:[-/.月]\s*\d{1,2}\s*日?)?|\d{1,2}:\d{2}(?::\d{2})?")


@lru_cache(maxsize=1)
def _patterns() -> dict[str, re.Pattern[str]]:
    data = yaml.safe_load(DATA.read_text("utf-8"))
    return {key: re.compile(value, re.DOTALL) for key, value in data.items() if key != "version"}


def named(word: Word, text: str) -> bool:
    """Whether the whole of `text` (spaces and a closing colon aside) is such a word."""
    return bool(_patterns()[word].fullmatch(_bare(text)))


def is_note(text: str) -> bool:
    """Whether `text` is a remark under a table (注：…, * …, 数据来源：…)."""
    return bool(_patterns()["note"].fullmatch(text.strip()))


def marked(text: str, notes: Sequence[str]) -> tuple[str, ...]:
    """The remarks that a mark in `text` (*, ①, 注1, [1], ¹) points to."""
    marks = {re.sub(r"\s", "", mark) for mark in _MARK.findall(text)}
    leads = [re.compile(rf"[（(\[]?(?:注\s*)?{re.escape(mark)}(?![*＊※\d])") for mark in marks]
    return tuple(note for note in notes if any(lead.match(note) for lead in leads))


def unit_of(text: str) -> str:
    """The unit that a caption or line such as "单位：万元" sets, or ""."""
    found = _patterns()["unit"].match(text.strip())
    return found[1] if found else ""


def is_value(text: str) -> bool:
    """Whether `text` is a number, an amount, a rate, a date or a time, so no label (a year alone may be one)."""
    text = text.strip()
    if re.fullmatch(r"(?:19|20)\d{2}年?", text):
        return False
    return bool(_NUMBER.fullmatch(text) or _DATE.fullmatch(text))


def is_number(text: str) -> bool:
    """Whether `text` is a bare number without any unit."""
    return bool(re.fullmatch(r"[-+]?\d[\d,，]*(?:\.\d+)?", text.strip()))


def is_label(text: str, longest: int = 20) -> bool:
    """Whether `text` can name something: short, no sentence, no value."""
    bare = _bare(text)
    return 0 < len(bare) <= longest and not re.search(r"[。！？!?；;]", bare) and not is_value(bare)


def _bare(text: str) -> str:
    return re.sub(r"\s+", "", text).rstrip("：:")
