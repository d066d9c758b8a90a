"""Whether what was found answers the question: the evidence of the whole result, as numbers for a trained model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from knowledge.retrieval.features import NAMES as EVIDENCE
from knowledge.retrieval.features import Seen, missing_by_sort
from knowledge.retrieval.query import Query

if TYPE_CHECKING:
    from knowledge.retrieval.search import Hit

PER_HIT = (
    "cosine", "cover_body", "cover_head", "cover_all", "cover_best_missing", "cover_concepts", "cover_doc",
    "pairs_question", "pairs_head", "pairs_body", "sounds_all", "title_seen", "title_asked", "subject_seen", "tier",
    "asks_given", "asks_missing", "rest_cosine", "rest_gap", "named_score", "named_gap", "named_share",
    "noun_missing", "nouns_missing", "attribute_missing", "topic_missing", "number_missing", "rest_gap_in_document",
)  # fmt: skip
NAMES = (
    "first", "second", "third", "drop", "mass", "same_document",
    *(f"first_{name}" for name in PER_HIT),
    "cosine_spread", "best_cover", "best_title", "union_missing", "union_missing_share", "concepts_missing",
    "unseen_words", "unseen_nouns", "units", "rewritten",
    "union_noun", "union_nouns", "union_attribute", "union_topic", "union_number",
)  # fmt: skip
COLUMNS = [EVIDENCE.index(name) for name in PER_HIT]
TOP = 5


def row(query: Query, hits: Sequence[Hit], seen: Mapping[int, Seen]) -> np.ndarray:
    """The evidence, shape (len(NAMES),), float32; `hits` best first, `seen` holds at least the first TOP of them."""
    probabilities = [hit.probability for hit in hits[:TOP]] + [0.0] * TOP
    first = hits[0]
    same = [hit for hit in hits[:TOP] if hit.passage.document == first.passage.document]
    union: set[str] = set()
    for hit in same:
        union |= seen[hit.key].body | seen[hit.key].head
    missing = [
        (unit, weight) for unit, weight in zip(query.units, query.weights, strict=True) if not unit.terms & union
    ]
    table = np.stack([hit.evidence for hit in hits])
    total = sum(query.weights) or 1.0
    cosine = table[:, EVIDENCE.index("cosine")]
    values = [
        probabilities[0],
        probabilities[1],
        probabilities[2],
        probabilities[0] - probabilities[1],
        sum(probabilities),
        len(same) / TOP,
        *first.evidence[COLUMNS],
        float(cosine.max() - np.median(cosine)),
        float(table[:, EVIDENCE.index("cover_all")].max()),
        float(table[:, EVIDENCE.index("title_asked")].max()),
        max((weight for _, weight in missing), default=0.0),
        sum(weight for _, weight in missing) / total,
        max((weight for unit, weight in missing if unit.concept), default=0.0),
        sum(weight for weight in query.weights if weight > 0.98) / total,
        sum(w for unit, w in zip(query.units, query.weights, strict=True) if w > 0.98 and unit.sort == "noun") / total,
        min(len(query.units), 12) / 12,
        float(first.evidence[EVIDENCE.index("rewritten")]),
        *missing_by_sort(query, union, "\n".join(hit.passage.text for hit in same)),
    ]
    return np.array(values, dtype=np.float32)
