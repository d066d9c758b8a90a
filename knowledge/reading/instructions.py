"""Takes sentences aimed at an AI model out of visible text. What they look like stands in instructions.yaml."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import yaml

from knowledge.reading.characters import close_gaps
from knowledge.reading.sentences import pieces

DATA = Path(__file__).with_name("instructions.yaml")
MAX_SENTENCE = 2000


@dataclass(frozen=True, slots=True)
class Signals:
    """The compiled data: `markers` always count; `signals` are (weight, any of these patterns)."""

    threshold: float
    near: float
    markers: tuple[re.Pattern[str], ...]
    signals: tuple[tuple[float, re.Pattern[str]], ...]
    traditional: dict[int, str]


@lru_cache(maxsize=1)
def signals() -> Signals:
    """The signals of the data file, compiled once."""
    data = yaml.safe_load(DATA.read_text("utf-8"))
    return Signals(
        threshold=float(data["threshold"]),
        near=float(data["near"]),
        markers=tuple(re.compile(p, re.IGNORECASE | re.MULTILINE) for p in data["markers"]),
        signals=tuple(
            (float(s["weight"]), re.compile("|".join(f"(?:{p})" for p in s["patterns"]), re.IGNORECASE | re.MULTILINE))
            for s in data["signals"]
        ),
        traditional=str.maketrans(data["traditional"]),
    )


def aimed_at_model(sentence: str, *, near: bool = False) -> bool:
    """Whether `sentence` is an instruction to a model. `near`: the sentence before it was one."""
    rules = signals()
    text = _normal(sentence)
    if len(text) < 4:
        return False
    if any(p.search(text) for p in rules.markers):
        return True
    found = [weight for weight, pattern in rules.signals if pattern.search(text)]
    if not any(weight > 0 for weight in found):
        return False
    return sum(found) + (rules.near if near else 0.0) >= rules.threshold - 1e-9


def without_instructions(text: str, *, near: bool = False) -> tuple[str, tuple[str, ...]]:
    """(`text` without sentences aimed at a model, those sentences). Line breaks of what stays are kept.

    `near`: text right before this one had such a sentence.
    """
    if not suspicious(text) and not near:
        return text, ()
    kept: list[str] = []
    taken: list[str] = []
    for line in text.split("\n"):
        rules = signals()
        if any(p.search(_normal(line)) for p in rules.markers):
            taken.append(line)
            near = True
            continue
        parts: list[str] = []
        for sentence in pieces(line):
            near = aimed_at_model(sentence, near=near)
            (taken if near else parts).append(sentence)
        if parts or not line:
            kept.append("".join(parts).strip())
    return ("\n".join(kept), tuple(taken)) if taken else (text, ())


_HINT = re.compile(
    r"忽略|无视|無視|忘记|忘記|忘掉|抛弃|丢弃|遵守|绕过|覆盖|推翻|指令|指示|提示|设定|你|您|扮演|假装|模拟|回答|回复|答复|告诉|告知|"
    r"模型|助手|机器人|人工智能|\bai|[<\[#]|ignore|disregard|forget|override|bypass|you|instruction|prompt|assistant|system|"
    r"answer|reply|respond|tell|pretend|无论|不论|不管",
    re.IGNORECASE,
)


def suspicious(text: str) -> bool:
    """Cheap first look: whether any word of the signals can be in `text` at all."""
    return bool(_HINT.search(text)) or (not text.isascii() and bool(_HINT.search(_normal(text))))


def _normal(text: str) -> str:
    text = unicodedata.normalize("NFKC", text[:MAX_SENTENCE]).lower()
    return close_gaps(re.sub(r"[ \t]+", " ", text)).strip().translate(signals().traditional)
