"""The gate for streams under random texts split at random: one verdict however a text is split, no hit released."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from typing import Any

from assistant.gate import Ending, Judged, gated
from guardrails.screening import Screen

JOINTS = ("", "", "", "\n", "\n\n", " ", "[1]", "[1][2]\n", "”", "）")
ENDS = ("。", "。", "！", "？", "；", "……", "\n", "", ". ", "! ")
MOST_SENTENCES = 6


@dataclass(frozen=True, slots=True)
class Material:
    """Sentences to make texts of: those a policy forbids and those it allows, without their ends."""

    forbidden: tuple[str, ...]
    allowed: tuple[str, ...]

    @classmethod
    def of(cls, screen: Screen) -> Material:
        """The examples of a policy's own rules."""
        rules = screen.policy.rules
        return cls(
            tuple(example.rstrip("。！？") for rule in rules for example in rule.must_hit),
            tuple(example.rstrip("。！？") for rule in rules for example in rule.must_not),
        )

    def text(self, rng: random.Random) -> str:
        """A text of a few sentences, about half of all texts with a forbidden one; some are broken in two by an end."""
        parts = []
        worst = 0.2 if rng.random() < 0.7 else 0.0
        for _ in range(rng.randint(1, MOST_SENTENCES)):
            sentence = rng.choice(self.forbidden if rng.random() < worst else self.allowed)
            if rng.random() < 0.1:
                at = rng.randint(0, len(sentence))
                sentence = sentence[:at] + rng.choice(ENDS) + sentence[at:]
            parts.append(sentence + rng.choice(ENDS) + rng.choice(JOINTS))
        return "".join(parts)


def split(text: str, rng: random.Random) -> Iterator[str]:
    """`text` in pieces of random size, now and then an empty one."""
    most = rng.choice((1, 2, 4, 16, 200))
    at = 0
    while at < len(text):
        size = rng.randint(0, most)
        yield text[at : at + size]
        at += size


def judging(screen: Screen, today: date) -> Callable[[str], Judged]:
    """Screening of all text so far; what was judged once is not judged again."""

    @lru_cache(maxsize=65536)
    def judge(said: str) -> Judged:
        return Judged(said, screen.screen(said, today=today).findings)

    return judge


def run(text: str, deltas: Iterator[str], judge: Callable[[str], Judged]) -> tuple[Ending, str, str]:
    """The ending of one stream, all it released joined, and all it logged joined."""
    left: list[str] = []
    logged: list[str] = []
    ending = gated(deltas, judge, logged.append, left.append)
    return ending, "".join(left), "".join(logged)


def measure(screen: Screen, today: date, splits: int, texts: int = 500, seed: int = 7) -> dict[str, Any]:
    """{"splits","texts","stopped","leaks","differing","unlogged","p50_ms","p95_ms"}: leaks, differing and unlogged must
    be 0. A leak is a released text that screening does not allow."""
    rng, judge, material = random.Random(seed), judging(screen, today), Material.of(screen)
    made = [material.text(rng) for _ in range(texts)]
    whole = {text: run(text, iter((text,)), judge) for text in made}
    found = {"leaks": 0, "differing": 0, "unlogged": 0}
    spent = []
    for number in range(splits):
        text = made[number % texts]
        deltas = list(split(text, rng))
        begun = time.perf_counter()
        ending, left, logged = run(text, iter(deltas), judge)
        spent.append((time.perf_counter() - begun) * 1000)
        found["leaks"] += bool(left) and bool(judge(left).findings)
        found["differing"] += _outcome(ending) != _outcome(whole[text][0]) or left != ending.released
        found["unlogged"] += logged != left
    spent.sort()
    stopped = sum(not one[0].whole for one in whole.values())
    timing = {"p50_ms": round(spent[len(spent) // 2], 3), "p95_ms": round(spent[int(len(spent) * 0.95)], 3)}
    return {"splits": splits, "texts": texts, "stopped": stopped, **found, **timing}


def _outcome(ending: Ending) -> tuple[str, str, object, object]:
    return ending.released, ending.said, ending.findings, type(ending.error)
