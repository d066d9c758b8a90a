"""Long texts into messages of limited bytes, cut where a sentence ends."""

from __future__ import annotations

import re

from assistant.channels.turns import sentences

CLAUSE = re.compile(r"(?<=[，、,：: ])")


def size(text: str) -> int:
    """Bytes in UTF-8, which is how WeCom counts."""
    return len(text.encode())


def split(text: str, limit: int) -> tuple[str, ...]:
    """Pieces of at most `limit` bytes that together say all of `text`: cut after sentences or lines, a sentence longer
    than a piece after a clause, and only what has no clause between two characters."""
    pieces: list[str] = []
    current = ""
    for unit in _units(text, limit):
        if current and size((current + unit).rstrip()) > limit:
            pieces.append(current)
            current = ""
        current += unit
    pieces.append(current)
    return tuple(stripped for piece in pieces if (stripped := piece.strip()))


def fit(body: str, tail: str, parts: int, limit: int, more: str) -> tuple[str, ...]:
    """At most `parts` pieces. When all does not fit, whole sentences at the end of `body` give way to `more`; `tail`
    (sources and notices) always stays, last."""
    whole = split("\n".join(part for part in (body, tail) if part), limit)
    if len(whole) <= parts:
        return whole
    kept = list(sentences(body))
    while kept:
        kept.pop()
        shortened = "".join(kept).rstrip()
        pieces = split("\n".join(part for part in (shortened, more, tail) if part), limit)
        if len(pieces) <= parts:
            return pieces
    return split("\n".join(part for part in (more, tail) if part), limit)[:parts]


def _units(text: str, limit: int) -> list[str]:
    """Sentences; those over `limit` bytes in clauses, and those in runs of characters."""
    units: list[str] = []
    for sentence in sentences(text):
        if size(sentence.rstrip()) <= limit:
            units.append(sentence)
            continue
        for clause in CLAUSE.split(sentence):
            units += [clause] if size(clause) <= limit else _runs(clause, limit)
    return units


def _runs(text: str, limit: int) -> list[str]:
    runs: list[str] = []
    current, used = "", 0
    for character in text:
        width = size(character)
        if used + width > limit:
            runs.append(current)
            current, used = "", 0
        current += character
        used += width
    return [*runs, current]
