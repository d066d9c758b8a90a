"""Words for search: text cut into words once, when it is logged; filters as words of their own, so that one index
answers any combination of text and filters."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from typing import Literal

import rjieba

Filter = Literal[
    "event", "channel", "outcome", "intent", "customer", "staff", "product", "document", "version", "finding"
]
LETTERS: dict[Filter, str] = {
    "event": "e", "channel": "c", "outcome": "o", "intent": "i", "customer": "u", "staff": "s", "product": "p",
    "document": "d", "version": "v", "finding": "f",
}  # fmt: skip
PIECES = re.compile(r"[0-9a-z]+|[\u3400-\u9fff]+")
LONGEST_TEXT = 20_000


def words(text: str) -> set[str]:
    """The words of a text, short words within long ones too."""
    lowered = text[:LONGEST_TEXT].lower()
    return {piece for word in rjieba.cut_for_search(lowered) for piece in PIECES.findall(word)}


def filter_word(name: Filter, value: str) -> str:
    """The word that stands for a filter's value; no text can hold it by chance."""
    return f"x{LETTERS[name]}{hashlib.sha256(value.encode()).hexdigest()[:14]}"


def version_of(document: str, version: str) -> str:
    """The value of the filter "version"."""
    return f"{document}\x00{version}"


def sqlite_query(wanted: Iterable[str]) -> str:
    """All of these words, as FTS5 reads it."""
    return " AND ".join(f'"{word}"' for word in sorted(wanted))


def server_query(wanted: Iterable[str]) -> str:
    """All of these words, as a tsquery."""
    return " & ".join(f"'{word}'" for word in sorted(wanted))
