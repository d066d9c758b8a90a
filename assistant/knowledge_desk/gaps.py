"""What customers asked and the materials did not hold, grouped by what it is about: the list of what to write next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from pathlib import Path

import yaml
from sqlalchemy import select

from assistant.compliance.tables import turns
from assistant.compliance.words import words
from assistant.log import Log
from knowledge import retrieval
from knowledge.records.database import Database

STOPWORDS = Path(retrieval.__file__ or "").with_name("stopwords.yaml")
READ = 2000
ALIKE = 0.4
SHORTEST_WORD = 2
EXAMPLES = 5


@dataclass(frozen=True, slots=True)
class Gap:
    """Questions of one kind that found no answer. `topic`: the words most of them share; `turns` leads to them."""

    topic: str
    count: int
    latest: str
    examples: tuple[str, ...]
    turns: tuple[str, ...]


def gaps(database: Database, log: Log, since: date, until: date, *, most: int = 50) -> list[Gap]:
    """Gaps of the days `since` to `until`, the most frequent first; at most the newest 2,000 questions are read."""
    query = select(turns.c.turn).where(
        turns.c.unanswered, turns.c.day.between(since.isoformat(), until.isoformat()), turns.c.event == "turn"
    )
    with database.reading() as connection:
        ids = list(connection.execute(query.order_by(turns.c.number.desc()).limit(READ)).scalars())
    entries = [entry for one in ids if (entry := log.entry(one)) is not None]
    asked = [(entry.id, str(entry.body.get("question", "")), entry.recorded_at) for entry in entries]
    groups = _grouped([frozenset(_content(question)) for _, question, _ in asked])
    found = [_gap([asked[place] for place in group]) for group in groups]
    return sorted(found, key=lambda gap: (-gap.count, gap.topic))[:most]


def _grouped(contents: Sequence[frozenset[str]]) -> list[list[int]]:
    """Places of questions that share most words, greedily: each joins the group whose first it is most like."""
    groups: list[list[int]] = []
    by_word: dict[str, set[int]] = {}
    for place, content in enumerate(contents):
        near = {group for word in content for group in by_word.get(word, ())}
        scored = [(len(content & contents[groups[g][0]]) / len(content | contents[groups[g][0]]), -g) for g in near]
        score, negative = max(scored, default=(0.0, 0))
        if score >= ALIKE:
            groups[-negative].append(place)
            continue
        for word in content:
            by_word.setdefault(word, set()).add(len(groups))
        groups.append([place])
    return groups


def _gap(asked: Sequence[tuple[str, str, str]]) -> Gap:
    counts: dict[str, int] = {}
    for _, question, _ in asked:
        for word in _content(question):
            counts[word] = counts.get(word, 0) + 1
    first = asked[0][1]
    shared = [word for word, count in counts.items() if count * 2 > len(asked) and word in first.lower()]
    longest = [word for word in shared if not any(word != other and word in other for other in shared)]
    topic = " ".join(sorted(longest, key=first.lower().index)[:4]) or first[:20]
    examples = tuple(dict.fromkeys(question for _, question, _ in asked))[:EXAMPLES]
    return Gap(topic, len(asked), asked[0][2], examples, tuple(turn for turn, _, _ in asked))


def _content(question: str) -> set[str]:
    """Words of two characters and more that carry a topic; a question without any stands for itself."""
    return {word for word in words(question) - _stop() if len(word) >= SHORTEST_WORD} or {question}


@lru_cache(maxsize=1)
def _stop() -> frozenset[str]:
    loaded = yaml.safe_load(STOPWORDS.read_text("utf-8"))["words"]
    return frozenset(str(word) for word in loaded)
