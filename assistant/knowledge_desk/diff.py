"""Two versions of a document side by side: passages paired, words that changed, numbers that changed."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Literal

from assistant.turn import Passage

Kind = Literal["same", "changed", "added", "removed"]
Span = tuple[int, int]
NUMBER = re.compile(r"\d[\d,]*(?:\.\d+)?\s*(?:%|‰|[亿万千百]?元|[个日天月年股份手倍点])?")
PIECE = re.compile(r"\d[\d,]*(?:\.\d+)?|[a-zA-Z]+|.", re.DOTALL)
ALIKE = 0.5


@dataclass(frozen=True, slots=True)
class Pair:
    """One row of the comparison. Spans are half-open, in code points of `old` and `new`; `numbers` are the changed
    ones, old and new."""

    kind: Kind
    heading: str
    old: str
    new: str
    old_spans: tuple[Span, ...] = ()
    new_spans: tuple[Span, ...] = ()
    numbers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Comparison:
    """All rows in the order of the new version, what was removed where it stood."""

    pairs: tuple[Pair, ...]

    @property
    def changes(self) -> int:
        return sum(pair.kind != "same" for pair in self.pairs)


def compare(old: Sequence[Passage], new: Sequence[Passage]) -> Comparison:
    """The passages of two versions, paired."""
    before, after = [_shown(one) for one in old], [_shown(one) for one in new]
    pairs: list[Pair] = []
    for tag, a, b, c, d in SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        if tag == "equal":
            pairs += [Pair("same", _heading(one), _shown(one), _shown(one)) for one in new[c:d]]
        else:
            pairs += _replaced(old[a:b], new[c:d])
    return Comparison(tuple(pairs))


def _replaced(old: Sequence[Passage], new: Sequence[Passage]) -> list[Pair]:
    """Each new passage with the old one it is most like; the rest was added or removed."""
    left, pairs = list(old), []
    for one in new:
        text = _shown(one)
        scored = [
            (SequenceMatcher(None, _shown(other), text, autojunk=False).ratio(), n) for n, other in enumerate(left)
        ]
        score, place = max(scored, default=(0.0, 0))
        if score < ALIKE:
            pairs.append(Pair("added", _heading(one), "", text))
            continue
        pairs += [Pair("removed", _heading(gone), _shown(gone), "") for gone in left[:place]]
        pairs.append(_changed(_heading(one), _shown(left[place]), text))
        left = left[place + 1 :]
    return pairs + [Pair("removed", _heading(gone), _shown(gone), "") for gone in left]


def _changed(heading: str, old: str, new: str) -> Pair:
    was, now = PIECE.findall(old), PIECE.findall(new)
    old_spans: list[Span] = []
    new_spans: list[Span] = []
    for tag, a, b, c, d in SequenceMatcher(None, was, now, autojunk=False).get_opcodes():
        if tag == "equal":
            continue
        if b > a:
            old_spans.append((len("".join(was[:a])), len("".join(was[:b]))))
        if d > c:
            new_spans.append((len("".join(now[:c])), len("".join(now[:d]))))
    gone, come = _numbers(old), _numbers(new)
    changes = SequenceMatcher(None, gone, come, autojunk=False).get_opcodes()
    numbers = tuple(("、".join(gone[a:b]), "、".join(come[c:d])) for tag, a, b, c, d in changes if tag != "equal")
    return Pair("changed", heading, old, new, tuple(old_spans), tuple(new_spans), numbers)


def _numbers(text: str) -> list[str]:
    return [found.group().strip() for found in NUMBER.finditer(text)]


def _shown(passage: Passage) -> str:
    return "\n".join(part for part in (passage.table, passage.question, passage.text) if part)


def _heading(passage: Passage) -> str:
    return " › ".join(passage.heading)
