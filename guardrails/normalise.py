"""Reading a text the way a person would, with every character traced back to where it stood.

`normalise` folds width, script, case, hidden characters, noise inside words and characters taken apart. The result
keeps for each of its characters the half-open span of code points it came from in the original text, so that a finding
always points at what was really written.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from opencc import OpenCC

DATA = Path(__file__).parent / "data"
CJK = "\u4e00-\u9fff\u3400-\u4dbf"
_CLAUSE_MARKS = "，,。.;；、!！?？:：\n"
_SINGLES = re.compile(rf"(?<![{CJK}])(?:[{CJK}][{re.escape(_CLAUSE_MARKS)}]){{3,}}[{CJK}](?![{CJK}])")
_BRACKETED = re.compile(rf"(?<=[{CJK}])[(\[【{{<「]([{CJK}])[)\]】}}>」](?=[{CJK}])")


@dataclass(frozen=True, slots=True)
class Normalised:
    """`text` after folding; character i came from code points `starts[i]:ends[i]` of `original`."""

    original: str
    text: str
    starts: Sequence[int]
    ends: Sequence[int]

    def span(self, start: int, end: int) -> tuple[int, int]:
        """Half-open span in `original` for the half-open span in `text`; empty spans stay empty."""
        if start >= end:
            at = self.starts[start] if start < len(self.starts) else len(self.original)
            return at, at
        return self.starts[start], self.ends[end - 1]


@dataclass(frozen=True, slots=True)
class _Characters:
    dropped: frozenset[str]
    hidden: frozenset[str]
    fold: Mapping[str, str]
    noise: frozenset[str]
    split: Mapping[str, str]
    halves: frozenset[str]
    digits: Mapping[str, str]


@lru_cache(maxsize=1)
def characters() -> _Characters:
    """The folding tables of data/characters.yaml."""
    raw: dict[str, Any] = yaml.safe_load((DATA / "characters.yaml").read_text(encoding="utf-8"))
    hidden = frozenset(raw["hidden"])
    halves = frozenset(pair[0] for pair in raw["split"])
    return _Characters(
        hidden | frozenset(raw["marks"]), hidden, raw["fold"], frozenset(raw["noise"]), raw["split"], halves,
        raw["digits"],
    )  # fmt: skip


@lru_cache(maxsize=1)
def _converter() -> OpenCC:
    from opencc import OpenCC

    return OpenCC("t2s")


@lru_cache(maxsize=16384)
def _fold_char(char: str) -> str:
    """One character after width, case and hidden-character folding; "" when it is dropped."""
    table = characters()
    if char in table.dropped or "\U000e0000" <= char <= "\U000e0fff":
        return ""
    folded = table.fold.get(char, char)
    folded = unicodedata.normalize("NFKC", folded) if not folded.isascii() else folded
    folded = "".join(c for c in folded if not (unicodedata.combining(c) and not c.isalpha()))
    if folded == "\r":
        return "\n"
    if len(folded) == 1 and folded not in "\n " and unicodedata.category(folded)[0] == "Z":
        return " "
    return folded.lower()


class _Folded(dict[str, str]):
    """Character → what it folds to, worked out when first met; bounded."""

    def __missing__(self, char: str) -> str:
        folded = char.lower() if char.isascii() and char not in "\r\t" else _fold_char(char)
        if len(self) < 65536:
            self[char] = folded
        return folded


_folded = _Folded()


@lru_cache(maxsize=256)
def fold(text: str) -> Normalised:
    """Width, case, hidden characters and emoji digits folded; spaces and punctuation kept."""
    out = [_folded[char] for char in text]
    joined = "".join(out)
    if len(joined) == len(text) and "" not in out:
        return Normalised(text, joined, range(len(text)), range(1, len(text) + 1))
    starts = [i for i, folded in enumerate(out) for _ in folded]
    return Normalised(text, joined, starts, [i + 1 for i in starts])


def _simplified(text: str) -> str:
    """Traditional → simplified, phrase by phrase; character by character when lengths would differ."""
    converted: str = _converter().convert(text)
    if len(converted) == len(text):
        return converted
    return "".join(c if len(c) == 1 else t for t in text for c in [_converter().convert(t)])


def _is_han(char: str) -> bool:
    return "\u4e00" <= char <= "\u9fff" or "\u3400" <= char <= "\u4dbf"


class _Noise(dict[str, bool]):
    """Whether a character is noise inside a word, worked out when first met; bounded."""

    def __missing__(self, char: str) -> bool:
        noise = char in characters().noise
        noise = noise or (char > "\u2000" and unicodedata.category(char) in ("So", "Sk", "Cs", "Co"))
        if len(self) < 65536:
            self[char] = noise
        return noise


_noise = _Noise()


def _dropped(text: str) -> set[int]:
    """Indices of the characters that go: noise between two Chinese characters, brackets and marks inside words."""
    drop: set[int] = set()
    n = len(text)
    done = 0
    for i in [k for k, char in enumerate(text) if _noise[char]]:
        if i < done:
            continue
        done = i + 1
        while done < n and _noise[text[done]]:
            done += 1
        if i > 0 and done < n and _is_han(text[i - 1]) and _is_han(text[done]):
            drop.update(range(i, done))
    for m in _SINGLES.finditer(text):
        drop.update(k for k in range(m.start(), m.end()) if not _is_han(text[k]))
    for m in _BRACKETED.finditer(text):
        if m[1] not in characters().digits and m[1] not in "十百":
            drop.update((m.start(), m.end() - 1))
    return drop


def _joined(text: str, starts: Sequence[int], ends: Sequence[int]) -> tuple[str, list[int], list[int]]:
    """Characters taken apart (亻呆) put together again."""
    table = characters().split
    out: list[str] = []
    s: list[int] = []
    e: list[int] = []
    i = 0
    while i < len(text):
        whole = table.get(text[i : i + 2])
        step = 2 if whole else 1
        out.append(whole or text[i])
        s.append(starts[i])
        e.append(ends[i + step - 1])
        i += step
    return "".join(out), s, e


def normalise(text: str) -> Normalised:
    """Everything folded: what the phrase rules and the classifier read. Never longer than NFKC makes it."""
    folded = fold(text)
    chars = _simplified(folded.text)
    starts, ends = folded.starts, folded.ends
    if drop := _dropped(chars):
        kept = [k for k in range(len(chars)) if k not in drop]
        chars = "".join([chars[k] for k in kept])
        starts = [starts[k] for k in kept]
        ends = [ends[k] for k in kept]
    if not characters().halves.isdisjoint(chars) and any(pair in chars for pair in characters().split):
        chars, starts, ends = _joined(chars, starts, ends)
    return Normalised(text, chars, starts, ends)


def hidden_spans(text: str) -> list[tuple[int, int]]:
    """Spans of hidden characters in `text`, neighbours joined. Joiners inside emoji are not reported."""
    table = characters()
    spans: list[tuple[int, int]] = []
    for i, char in enumerate(text):
        if not (char in table.hidden or "\U000e0000" <= char <= "\U000e0fff"):
            continue
        if char == "\u200d" and i and unicodedata.category(text[i - 1]) in ("So", "Sk", "Mn"):
            continue
        if char == "\ufeff" and i == 0:
            continue
        if spans and spans[-1][1] == i:
            spans[-1] = (spans[-1][0], i + 1)
        else:
            spans.append((i, i + 1))
    return spans


@lru_cache(maxsize=1)
def _syllables() -> Mapping[int, str]:
    """Han code point → one private character per toneless first reading."""
    from pypinyin.constants import PINYIN_DICT
    from pypinyin.contrib.tone_convert import to_normal

    ids: dict[str, str] = {}
    table: dict[int, str] = {}
    for code, readings in PINYIN_DICT.items():
        if not 0x4E00 <= code <= 0x9FFF:
            continue
        plain = _blurred(to_normal(readings.split(",")[0]))
        table[code] = ids.setdefault(plain, chr(0xE000 + len(ids)))
    return table


def _blurred(syllable: str) -> str:
    """Sounds many speakers do not tell apart are one: zh/z, ch/c, sh/s, ing/in, eng/en."""
    for a, b in (("zh", "z"), ("ch", "c"), ("sh", "s")):
        if syllable.startswith(a):
            syllable = b + syllable[2:]
    return syllable[:-1] if syllable.endswith(("ing", "eng")) else syllable


def sound(text: str) -> str:
    """`text` with every Chinese character replaced by a private character for its syllable; same length."""
    return text.translate(_syllables())


def plain(text: str) -> Normalised:
    """Width, case, hidden characters and script folded; spaces and punctuation kept: what numbers are read from."""
    folded = fold(text)
    return Normalised(text, _simplified(folded.text), folded.starts, folded.ends)
