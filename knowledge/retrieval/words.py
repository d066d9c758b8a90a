"""Text as search terms: one script, one width, cut words, concepts of the trade, and syllables for typos by sound."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Literal

import ahocorasick
import opencc
import rjieba
import yaml
from pypinyin import lazy_pinyin

NOUNS = ("n", "eng", "vn", "l", "j", "i")
HERE = Path(__file__).parent
WORD = re.compile(r"[0-9a-z\u4e00-\u9fff]")
HAN = re.compile(r"[\u4e00-\u9fff]+")
LATIN_OR_NUMBER = re.compile(r"[0-9a-z][0-9a-z.+%-]*")


Sort = Literal["attribute", "topic", "noun", "number", "word"]


@dataclass(frozen=True, slots=True)
class Unit:
    """One thing a question asks with. Any of `terms` found in a text covers it.

    `sort`: attribute (what is asked of a subject) or topic, both concepts of the trade; else noun, number or word.
    """

    text: str
    terms: frozenset[str]
    sort: Sort

    @property
    def concept(self) -> bool:
        """Whether it is a concept of the trade."""
        return self.sort in ("attribute", "topic")


@lru_cache(maxsize=1)
def _converter() -> opencc.OpenCC:
    return opencc.OpenCC("t2s")


@lru_cache(maxsize=65536)
def plain(text: str) -> str:
    """Lower-case simplified script in half width, without invisible characters; line ends stay."""
    visible = "".join(char for char in text if unicodedata.category(char) != "Cf")
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", visible).lower())
    return str(_converter().convert(folded))


@lru_cache(maxsize=65536)
def syllables(text: str) -> tuple[str, ...]:
    """Pairs of neighbouring syllables without tones, of the Chinese characters only: 封险 and 风险 are the same."""
    pairs: list[str] = []
    for run in HAN.findall(text):
        sounds = [_fold_sound(sound) for sound in lazy_pinyin(run)]
        pairs += [f"{first}_{second}" for first, second in pairwise(sounds)]
    return tuple(pairs)


def _fold_sound(sound: str) -> str:
    """Fold the sounds that speakers and input methods confuse: zh/z, ch/c, sh/s, ng/n, l/n."""
    for wide, narrow in (("zh", "z"), ("ch", "c"), ("sh", "s")):
        if sound.startswith(wide):
            sound = narrow + sound[2:]
    return sound[:-1] if sound.endswith(("ang", "eng", "ing")) else sound


class Words:
    """Cuts text into search terms. Built once from the data files and the names found in the materials."""

    def __init__(self, names: Iterable[str] = ()) -> None:
        data = yaml.safe_load((HERE / "synonyms.yaml").read_text(encoding="utf-8"))
        stop = yaml.safe_load((HERE / "stopwords.yaml").read_text(encoding="utf-8"))
        self.stop = frozenset(plain(str(word)) for word in stop["words"])
        self._cutter = rjieba.Jieba()
        self._concepts = ahocorasick.Automaton()
        members: dict[str, list[int]] = {}
        for number, group in enumerate(data["concepts"]):
            for member in group:
                members.setdefault(plain(str(member)), []).append(number)
        for member, numbers in members.items():
            self._concepts.add_word(member, (member, tuple(f"#{number}" for number in numbers)))
            if len(member) > 1 and HAN.fullmatch(member) and len(member) <= 6:
                self._cutter.add_word(member, 20000, "n")
        self._concepts.make_automaton()
        numbers_of = {plain(str(group[0])): f"#{number}" for number, group in enumerate(data["concepts"])}
        self.attributes = frozenset(numbers_of[plain(str(name))] for name in data["attributes"])
        for name in names:
            self._cutter.add_word(plain(name), 20000, "nz")
        self._terms = lru_cache(maxsize=20000)(self._cut_terms)

    def terms(self, text: str) -> tuple[str, ...]:
        """All search terms of a text, with repetition: words, and `#n` for each concept of the trade."""
        return self._terms(text)

    def units(self, text: str) -> tuple[Unit, ...]:
        """What a question asks with, stop words left out; words inside a found concept belong to that concept."""
        folded = plain(text)
        found: list[Unit] = []
        covered = [False] * len(folded)
        for start, end, member, numbers in self._longest(folded):
            words = {word for word in self._cutter.cut(member) if word not in self.stop}
            sort: Sort = "attribute" if self.attributes & set(numbers) else "topic"
            found.append(Unit(member, frozenset(numbers) | ({member} if len(words) == 1 else set()), sort))
            covered[start:end] = [True] * (end - start)
        rest = "".join(" " if taken else char for char, taken in zip(folded, covered, strict=True))
        for word, tag in self._cutter.tag(rest):
            if WORD.search(word) and word not in self.stop:
                found.append(Unit(word, frozenset({word}), _sort(word, tag)))
        return tuple(found)

    def spans(self, text: str) -> tuple[tuple[int, int, bool], ...]:
        """(start, end, is attribute) of each concept and word in `plain(text)`, stop words left out, in order."""
        folded = plain(text)
        found = [(start, end, bool(self.attributes & set(numbers))) for start, end, _, numbers in self._longest(folded)]
        taken = [False] * len(folded)
        for start, end, _ in found:
            taken[start:end] = [True] * (end - start)
        position = 0
        for word in self._cutter.cut("".join(" " if used else char for char, used in zip(folded, taken, strict=True))):
            start, position = position, position + len(word)
            if WORD.search(word) and word not in self.stop:
                found.append((start, position, False))
        return tuple(sorted(found))

    def _longest(self, folded: str) -> list[tuple[int, int, str, tuple[str, ...]]]:
        spans = []
        for last, (member, numbers) in self._concepts.iter(folded):
            start, end = last - len(member) + 1, last + 1
            if not _cuts_token(folded, start, end):
                spans.append((start, end, member, numbers))
        spans.sort(key=lambda span: (span[0] - span[1], span[0]))
        taken: list[tuple[int, int, str, tuple[str, ...]]] = []
        for span in spans:
            if all(span[1] <= other[0] or span[0] >= other[1] for other in taken):
                taken.append(span)
        return sorted(taken)

    def _cut_terms(self, text: str) -> tuple[str, ...]:
        folded = plain(text)
        words = [word for word in self._cutter.cut_for_search(folded) if WORD.search(word) and word not in self.stop]
        concepts = [number for *_, numbers in self._longest(folded) for number in numbers]
        return (*words, *concepts)


def _sort(word: str, tag: str) -> Sort:
    """The sort of a plain word by its part of speech."""
    if any(char.isdigit() for char in word) or tag.startswith("m"):
        return "number"
    return "noun" if tag.startswith(NOUNS) and (len(word) > 1 or word.isascii()) else "word"


def _cuts_token(text: str, start: int, end: int) -> bool:
    """Whether a span begins or ends inside a Latin word or a number: 688 is not a concept inside 168800."""

    def glued(left: int, right: int) -> bool:
        if left < 0 or right >= len(text):
            return False
        return _ascii_word(text[left]) and _ascii_word(text[right])

    return glued(start - 1, start) or glued(end - 1, end)


def _ascii_word(char: str) -> bool:
    return char.isascii() and char.isalnum()


def bigrams(text: str) -> frozenset[str]:
    """Character pairs of a text without white space and punctuation."""
    kept = "".join(char for char in plain(text) if WORD.match(char))
    return frozenset(kept[i : i + 2] for i in range(len(kept) - 1))


def overlap(asked: frozenset[str], given: frozenset[str]) -> float:
    """Dice overlap of two sets, 0..1."""
    if not asked or not given:
        return 0.0
    return 2 * len(asked & given) / (len(asked) + len(given))


def names_of(values: Sequence[str]) -> list[str]:
    """Names fit to become words of their own: two to twenty characters with a letter in them."""
    return [value for value in values if 2 <= len(value) <= 20 and WORD.search(plain(value))]
