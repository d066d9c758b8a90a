"""A message as hashed features: characters, words, sounds and concepts.

Every view is a bag of strings, each view is scaled to the same length, and all are hashed into one space of `SPACE`
columns. Concepts (rules.yaml) are named groups of expressions; pairs of concepts let a linear model see "my" with
"arrival" apart from "how long" with "arrival".
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable, Iterator, Mapping
from itertools import combinations
from typing import Final

import numpy as np
import rjieba

from assistant.routing.normalise import split_pinyin, syllable

SPACE: Final = 1 << 17
VIEWS: Final[Mapping[str, float]] = {"c": 1.0, "w": 1.0, "p": 0.6, "k": 1.1}
TELLING_ABSENCE: Final = ("securities", "app_use", "asking")
"""Concepts whose absence says something too: a message without any word of the trade is seldom ours to answer."""
_TOKEN: Final = re.compile(r"[a-z]+(?:'[a-z]+)?|\d+(?:\.\d+)?|[\u4e00-\u9fff]|[^\s\w]|\w")
_HAN: Final = re.compile(r"[\u4e00-\u9fff]")

Concepts = Mapping[str, re.Pattern[str]]
Vector = tuple[np.ndarray, np.ndarray]
"""Column indices (int64, unique) and values (float32), same length."""


def tokens(text: str) -> list[str]:
    """Split normalised `text` into single Chinese characters, Latin words, numbers (their shape) and signs."""
    return [_shape(token) for token in _TOKEN.findall(text)]


def _shape(token: str) -> str:
    if token[0].isdigit():
        return "#" * min(len(token.split(".")[0]), 7)
    return token


def _grams(items: list[str], low: int, high: int) -> Iterator[str]:
    for size in range(low, high + 1):
        for start in range(len(items) - size + 1):
            yield "\x1f".join(items[start : start + size])


def _characters(text: str) -> Iterator[str]:
    return _grams(["^", *tokens(text), "$"], 1, 4)


def _words(text: str) -> Iterator[str]:
    words = [_shape(w) for w in rjieba.cut(text) if not w.isspace()]
    yield from _grams(["^", *words, "$"], 1, 2)
    yield from ("\x1f".join(("s", words[i], words[i + 2])) for i in range(len(words) - 2))


def _sounds(text: str) -> Iterator[str]:
    sounds: list[str] = []
    for token in tokens(text):
        if _HAN.match(token):
            sounds.append(syllable(token))
        elif token.isascii() and token.isalpha() and len(token) > 1:
            sounds.extend(split_pinyin(token))
    return _grams(sounds, 2, 3)


def concepts_in(text: str, concepts: Concepts) -> list[str]:
    """Return the names of the concepts that occur in normalised `text`, sorted."""
    return sorted(name for name, pattern in concepts.items() if pattern.search(text))


def _concepts(text: str, concepts: Concepts) -> Iterator[str]:
    found = concepts_in(text, concepts)
    found += [f"no {name}" for name in TELLING_ABSENCE if name in concepts and name not in found]
    length = len(tokens(text))
    found.append(
        "length" + str(0 if length < 4 else 1 if length < 9 else 2 if length < 20 else 3 if length < 45 else 4)
    )
    yield from found
    yield from ("\x1f".join(pair) for pair in combinations(found, 2))


def strings(text: str, concepts: Concepts) -> dict[str, list[str]]:
    """Return the distinct features of normalised `text` by view: c characters, w words, p sounds, k concepts."""
    views: dict[str, Iterable[str]] = {
        "c": _characters(text), "w": _words(text), "p": _sounds(text), "k": _concepts(text, concepts),
    }  # fmt: skip
    return {view: list(dict.fromkeys(items)) for view, items in views.items()}


def column(view: str, feature: str) -> int:
    """Return the column of one feature; stable across processes and machines."""
    return zlib.crc32(f"{view}:{feature}".encode()) & (SPACE - 1)


def vectorise(text: str, concepts: Concepts) -> Vector:
    """Return the hashed features of normalised `text`; features that share a column add up."""
    columns: list[int] = []
    values: list[float] = []
    for view, items in strings(text, concepts).items():
        if items:
            columns.extend(column(view, item) for item in items)
            values.extend([VIEWS[view] / len(items) ** 0.5] * len(items))
    unique, inverse = np.unique(np.asarray(columns, dtype=np.int64), return_inverse=True)
    return unique, np.bincount(inverse, weights=values).astype(np.float32)
