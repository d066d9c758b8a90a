"""The pieces of a text that are judged by their meaning: sentences, short ones and answers with what stands before."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from guardrails.phrases import Place

ANY = "any"
LABELS = (
    "guaranteed_return", "performance_forecast", "stock_tip", "exaggeration", "urgency", "inside_info", "evasion",
    "off_channel", "inducement", "disparagement", "pii_leak", "rude", ANY,
)  # fmt: skip
LONGEST = 90
SHORT = 8
_CLAUSE = re.compile(r"[，,、：:…—]")
_QUESTION = re.compile(r"[？?]\s*$|[吗么呢]\W*$")


@dataclass(frozen=True, slots=True)
class Unit:
    """The sentence it stands in, its own half-open place, and the words it is judged by: its own, led by the sentence
    before when it is short or answers a question."""

    sentence: Place
    place: Place
    text: str


def units(text: str, sentences: Sequence[Place]) -> list[Unit]:
    """The units of a normalised text cut into `sentences`, in order; together they hold every word."""
    found: list[Unit] = []
    before = ""
    for sentence in sentences:
        for start, end in _pieces(text, sentence):
            own = text[start:end].strip()
            if not own:
                continue
            leads = before and (len(own) < SHORT or _QUESTION.search(before))
            found.append(Unit(sentence, (start, end), f"{before} {own}" if leads else own))
            before = own[-LONGEST:]
    return found


def _pieces(text: str, sentence: Place) -> Iterator[Place]:
    """The sentence, cut where clauses end when it is too long to be read at once."""
    start, end = sentence
    while end - start > LONGEST:
        cuts = [match.end() for match in _CLAUSE.finditer(text, start, start + LONGEST)]
        cut = next((place for place in reversed(cuts) if place - start > LONGEST // 3), start + LONGEST)
        yield start, cut
        start = cut
    yield start, end
