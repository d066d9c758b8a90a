"""Wordings the flow itself must know, from phrases.yaml."""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path

import yaml

from knowledge.retrieval.words import plain

FILE = Path(__file__).parent / "phrases.yaml"


def asks_quote(text: str) -> bool:
    """Whether a message asks for a price or net value of the moment, not for where or when it is shown."""
    folded, patterns = plain(text), _patterns()
    wanted = patterns["quote.moment"].search(folded) and patterns["quote.thing"].search(folded)
    return bool(wanted) and not patterns["quote.not"].search(folded)


def is_thanks(text: str) -> bool:
    """Whether small talk is thanks or goodbye."""
    return bool(_patterns()["thanks"].search(plain(text)))


@lru_cache(maxsize=1)
def _patterns() -> dict[str, re.Pattern[str]]:
    data = yaml.safe_load(FILE.read_text(encoding="utf-8"))
    quote = {f"quote.{name}": re.compile(pattern) for name, pattern in data["quote"].items()}
    return quote | {"thanks": re.compile(data["thanks"])}
