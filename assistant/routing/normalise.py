"""One spelling for one meaning: script, width, invisible characters, split characters, encodings, sounds.

Routing reads the same request whether it comes in traditional script, full width, with zero-width characters between,
with spaces between the characters, in base64 or in pinyin. Nothing here is shown to a customer.
"""

from __future__ import annotations

import base64
import binascii
import re
import unicodedata
from functools import lru_cache
from typing import Final

import opencc
from pypinyin import pinyin_dict

MAX_LENGTH: Final = 1200
"""Longer messages are read at both ends (code points): the ends carry the request, and time stays bounded."""

_SPLIT: Final = re.compile(r"(?<![\u4e00-\u9fff])(?:[\u4e00-\u9fff][ \t.·•、*/\\|_+~^-]{1,3}){3,}[\u4e00-\u9fff]")
_SPLIT_LATIN: Final = re.compile(r"(?<![a-z])(?:[a-z][ .·*_-]){4,}[a-z](?![a-z])")
_SEPARATOR: Final = re.compile(r"[ \t.·•、*/\\|_+~^-]+")
_BASE64: Final = re.compile(r"(?<![A-Za-z0-9+/_-])[A-Za-z0-9+/_-]{16,}={0,2}(?![A-Za-z0-9+/=])")
_HEX: Final = re.compile(r"(?<![0-9A-Za-z])(?:[0-9a-fA-F]{2}[ ]?){10,}(?![0-9A-Za-z])")
_REPEATED: Final = re.compile(r"([^\w\s])\1+")
_LONG_RUN: Final = re.compile(r"(.)\1{3,}")
_SPACES: Final = re.compile(r"[ \t\u3000]+")
_CONFUSABLE: Final = str.maketrans("аеорсухіѕԁɡһοαεικρυ", "aeopcyxisdghoaeikpu")
_TONES: Final = str.maketrans("āáǎàēéěèōóǒòīíǐìūúǔùüǖǘǚǜńňǹḿ", "aaaaeeeeooooiiiiuuuuvvvvvnnnm")


@lru_cache(maxsize=1)
def _to_simplified() -> opencc.OpenCC:
    return opencc.OpenCC("t2s")


def normalise(text: str) -> str:
    """Return `text` in simplified script, half width, lower case, without hidden or separating characters."""
    if len(text) > MAX_LENGTH:
        text = text[: MAX_LENGTH // 2] + "\n" + text[-MAX_LENGTH // 2 :]
    text = unicodedata.normalize("NFKC", text)
    text = "".join(c for c in text if c in "\n\t" or unicodedata.category(c) not in ("Cf", "Cc", "Mn", "Co", "Cs"))
    text = str(_to_simplified().convert(text)).lower().translate(_CONFUSABLE)
    text = _SPLIT.sub(lambda m: _SEPARATOR.sub("", m.group()), text)
    text = _SPLIT_LATIN.sub(lambda m: _SEPARATOR.sub("", m.group()), text)
    text = _LONG_RUN.sub(r"\1\1\1", _REPEATED.sub(r"\1", text))
    return _SPACES.sub(" ", text).strip()


def decoded(text: str) -> str:
    """Return what base64 or hexadecimal runs in `text` say, joined by spaces; empty when nothing readable is hidden."""
    found = [_from_base64(m.group()) for m in _BASE64.finditer(text)] + [
        _from_hex(m.group()) for m in _HEX.finditer(text)
    ]
    return " ".join(part for part in found if part)


def _from_base64(run: str) -> str:
    body = run.rstrip("=").replace("-", "+").replace("_", "/")
    try:
        raw = base64.b64decode(body + "=" * (-len(body) % 4), validate=True)
    except (binascii.Error, ValueError):
        return ""
    return _readable(raw)


def _from_hex(run: str) -> str:
    try:
        return _readable(bytes.fromhex(run.replace(" ", "")))
    except ValueError:
        return ""


def _readable(raw: bytes) -> str:
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        return ""
    words = sum(c.isalpha() or c == " " for c in text)
    return text if text.isprintable() and words >= 0.8 * len(text) and (" " in text or not text.isascii()) else ""


@lru_cache(maxsize=8192)
def syllable(char: str) -> str:
    """Return the toneless first reading of one Chinese character, or an empty string for anything else."""
    reading = pinyin_dict.pinyin_dict.get(ord(char), "")
    return str(reading).split(",")[0].translate(_TONES)


@lru_cache(maxsize=1)
def _syllables() -> frozenset[str]:
    common = (syllable(chr(code)) for code in range(0x4E00, 0x9FA6))
    return frozenset(s for s in common if s.isascii() and s.isalpha() and (len(s) > 1 or s in "aeo"))


@lru_cache(maxsize=4096)
def split_pinyin(word: str) -> tuple[str, ...]:
    """Return the syllables of a Latin word that is pinyin without spaces; empty when it is not."""
    best: list[tuple[str, ...] | None] = [None] * (len(word) + 1)
    best[0] = ()
    for end in range(1, len(word) + 1):
        for start in range(max(0, end - 6), end):
            head = best[start]
            if head is None or word[start:end] not in _syllables():
                continue
            option = (*head, word[start:end])
            current = best[end]
            if current is None or len(option) < len(current):
                best[end] = option
    return best[-1] or ()
