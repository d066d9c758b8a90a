"""Violations no list holds: a small linear classifier over character n-grams and the policy's word classes.

One logistic model per finding code, sentence by sentence, trained by guardrails/training/train_meaning.py and used here
with numpy alone. Weights and thresholds lie in meaning.npz and meaning.json beside this module; the second names the
SHA-256 of the first, so that one half of an old model is never used with one half of a new one.
"""

from __future__ import annotations

import hashlib
import io
import json
import math
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, cast
from zlib import crc32

import rjieba

from assistant.turn import Code
from guardrails.phrases import Place, Scan
from guardrails.products import NAMED

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from guardrails.policy import Policy

WEIGHTS = Path(__file__).parent / "meaning.npz"
THRESHOLDS = Path(__file__).parent / "meaning.json"
BITS = 17
ANY = "any"
_DIGITS = re.compile(r"\d+(?:\.\d+)?")
_LEAST_CHARACTERS = 6
_LEAST_CODE = 0.06  # a sentence of no likely code at all is none, whatever ANY says


class ModelError(ValueError):
    """Model files that may not be used together."""


def digest(content: bytes) -> str:
    """What the thresholds call the weights they were fitted with."""
    return hashlib.sha256(content).hexdigest()


def _bucket(feature: str) -> int:
    return crc32(feature.encode()) & ((1 << BITS) - 1)


def features(scan: Scan, sentence: Place, policy: Policy) -> list[int]:
    """Buckets of the features of one sentence, each once.

    Character 1–3-grams and pairs of characters up to four apart (figures folded to "0"), words and pairs of words, word
    classes of the policy and pairs of classes in order, marks for negation, warning, question.
    """
    text = _DIGITS.sub("0", scan.text[slice(*sentence)].strip()).replace(NAMED, "该产品")
    n = len(text)
    found = {f"{k}:{text[i : i + k]}" for k in (1, 2, 3) for i in range(n - k + 1)}
    found |= {f"s:{text[i]}_{text[j]}" for i in range(n) for j in range(i + 2, min(i + 5, n))}
    words = rjieba.cut(text)
    found |= {f"w:{w}" for w in words} | {f"w2:{a}|{b}" for a, b in pairwise(words)}
    return [_bucket(f) for f in found | set(_classes(scan, sentence, policy))]


def _classes(scan: Scan, sentence: Place, policy: Policy) -> Iterator[str]:
    present: list[tuple[int, str]] = []
    known = scan.hits.symbols
    for name, symbol in policy.class_symbols.items():
        hits = () if symbol not in known else scan.within(symbol, *sentence)
        if hits:
            present.append((hits[0][0], name))
            yield f"c:{name}"
    present.sort()
    for i, (_, left) in enumerate(present):
        for _, right in present[i + 1 :]:
            yield f"p:{left}>{right}"
    words = policy.context_words
    marks = {"neg": words.far, "not": words.clause, "warn": words.warning, "ask": words.asked, "own": words.own}
    marks |= {"alarm": words.alarm, "met": words.meeting, "reject": words.rejection, "lure": words.lure}
    for mark, symbol in marks.items():
        if scan.has(symbol, *sentence):
            yield f"m:{mark}"


def marked(scan: Scan, sentence: Place, policy: Policy) -> bool:
    """Whether a sentence denies, warns or forbids and does not praise its own offer: it needs surer proof."""
    words = policy.context_words
    if scan.has(words.own, *sentence) or scan.has(words.lure, *sentence):
        return False
    return any(scan.has(s, *sentence) for s in (words.far, words.clause, words.warning, words.rejection))


@dataclass(frozen=True, slots=True)
class Meaning:
    """Weights (buckets × codes), biases and thresholds of a trained classifier."""

    codes: tuple[str, ...]
    weights: NDArray[np.float32]
    biases: NDArray[np.float32]
    thresholds: Mapping[str, float]
    marked_thresholds: Mapping[str, float]
    quoted_thresholds: Mapping[str, float]

    @classmethod
    def load(cls, weights: Path = WEIGHTS, thresholds: Path = THRESHOLDS) -> Meaning:
        """Reads a trained model. Raises FileNotFoundError when it was not trained yet, ModelError when the two files do
        not belong together."""
        import numpy as np

        told = json.loads(thresholds.read_text(encoding="utf-8"))
        content = weights.read_bytes()
        if told.get("weights") != digest(content):
            raise ModelError(f"{weights.name} 与 {thresholds.name} 不是同一次训练的结果：请重新训练，或成对恢复")
        with np.load(io.BytesIO(content)) as stored:
            matrix = np.zeros((1 << BITS, len(told["codes"])), dtype=np.float32)
            matrix[stored["column"], stored["row"]] = stored["value"].astype(np.float32)
            biases = stored["bias"].astype(np.float32)
        return cls(
            tuple(told["codes"]),
            matrix,
            biases,
            told["thresholds"],
            told["marked_thresholds"],
            told.get("quoted_thresholds", told["marked_thresholds"]),
        )

    def probabilities(self, scan: Scan, sentence: Place, policy: Policy) -> Mapping[str, float]:
        """Code (and ANY) → probability (0..1) that the sentence breaks it."""
        found = features(scan, sentence, policy)
        scale = 1.0 / math.sqrt(max(len(found), 1))
        scores = (self.weights[found].sum(axis=0) * scale + self.biases).tolist()
        return {c: 1.0 / (1.0 + math.exp(-s)) for c, s in zip(self.codes, scores, strict=True)}

    def judge(self, scan: Scan, policy: Policy, quoted: Collection[Place] = ()) -> list[tuple[Code, Place, float]]:
        """Sentences above a threshold: (code, half-open place in the normalised text, probability).

        Sentences of `quoted` (places) stand word for word in approved material and need the surest proof. A sentence
        that is surely some violation but of no code for sure is given its likeliest code.
        """
        found: list[tuple[Code, Place, float]] = []
        for start, end in scan.sentences:
            body = scan.text[start:end]
            if sum("\u4e00" <= c <= "\u9fff" for c in body) < _LEAST_CHARACTERS:
                continue
            place = (start + len(body) - len(body.lstrip()), start + len(body.rstrip()))
            told = self.probabilities(scan, (start, end), policy)
            limits = self.marked_thresholds if marked(scan, (start, end), policy) else self.thresholds
            limits = self.quoted_thresholds if (start, end) in quoted else limits
            codes = [c for c in self.codes if c != ANY]
            over = [c for c in codes if told[c] >= limits[c]]
            if not over and told[ANY] >= limits[ANY]:
                over = [c for c in [max(codes, key=lambda c: told[c])] if told[c] >= _LEAST_CODE]
            if over and not policy.excused(scan, place, ("statute",)):
                found += [(cast(Code, c), place, max(told[c], told[ANY])) for c in over]
        return found
