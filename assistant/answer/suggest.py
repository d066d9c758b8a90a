"""Buttons under a reply: nearest topics when nothing answers, related questions when something does."""

from __future__ import annotations

from collections.abc import Sequence

from assistant.turn import Draft, Passage
from knowledge.retrieval.search import Found
from knowledge.retrieval.words import bigrams, overlap

NEAREST = 2
LONGEST = 30


def nearest(results: Sequence[Found]) -> tuple[str, ...]:
    """The two nearest topics that do have approved material: a question as written there, else a title."""
    topics: dict[str, str] = {}
    for found in results:
        for hit in found.hits[:12]:
            if hit.passage.product is None or hit.passage.product.access == "public":
                topics.setdefault(hit.passage.document, topic(hit.passage))
    return tuple(dict.fromkeys(topics.values()))[:NEAREST]


def follow_ups(results: Sequence[Found], draft: Draft) -> tuple[str, ...]:
    """Related questions from the same documents that the answer did not already say."""
    used = {passage.id for passage in draft.evidence}
    documents = {passage.document for passage in draft.evidence}
    asked = [bigrams(found.query.text) for found in results]
    related = []
    for found in results:
        for hit in found.hits[:16]:
            question = hit.passage.question
            fresh = hit.passage.id not in used and hit.passage.document in documents
            if fresh and 4 <= len(question) <= LONGEST and all(overlap(bigrams(question), a) < 0.6 for a in asked):
                related.append(question)
    return tuple(dict.fromkeys(related))[:NEAREST]


def topic(passage: Passage) -> str:
    """What a passage is about, short enough for a button."""
    if passage.question and len(passage.question) <= LONGEST:
        return passage.question
    return passage.title[:LONGEST]
