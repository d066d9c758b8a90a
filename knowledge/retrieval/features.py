"""The evidence for one passage answering one question, as numbers. The order of NAMES is the order of the columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from assistant.turn import Passage
from knowledge.library import head_text
from knowledge.retrieval.query import ASKS, Query, gives
from knowledge.retrieval.tiers import fit
from knowledge.retrieval.words import Words, bigrams, overlap, plain, syllables

NAMES = (
    "cosine", "cosine_gap", "cosine_rank", "bm25", "bm25_share", "bm25_rank",
    "cover_body", "cover_head", "cover_all", "cover_best_missing", "cover_concepts", "cover_doc",
    "pairs_question", "pairs_head", "pairs_body", "sounds_head", "sounds_all",
    "title_seen", "title_gap", "title_asked", "subject_seen",
    "tier", "asks_given", "asks_missing", "ask_how_steps", "ask_list_list", "ask_number_row",
    "form_text", "form_list", "form_steps", "form_faq", "form_row", "length",
    "kind_product", "kind_service", "kind_education", "units", "rewritten",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Seen:
    """The parts of a passage that features read, cut once."""

    body: frozenset[str]
    head: frozenset[str]
    title: frozenset[str]
    title_pairs: frozenset[str]
    head_pairs: frozenset[str]
    body_pairs: frozenset[str]
    question_pairs: frozenset[str]
    head_sounds: frozenset[str]
    body_sounds: frozenset[str]
    gives: frozenset[str]
    subject: frozenset[str]


def look(passage: Passage, words: Words) -> Seen:
    """Cut a passage for comparison."""
    head = head_text(passage)
    body = f"{passage.text}\n{passage.table}"
    names = "\n".join(passage.product.aliases) if passage.product is not None else ""
    title = f"{passage.title}\n{passage.product.name if passage.product else ''}\n{names}"
    subject = f"{passage.question}\n{passage.heading[-1] if passage.heading else ''}\n{_row_name(passage)}"
    return Seen(
        body=frozenset(words.terms(body)),
        head=frozenset(words.terms(head)),
        title=frozenset(words.terms(title)),
        title_pairs=bigrams(passage.title),
        head_pairs=bigrams(head),
        body_pairs=bigrams(body),
        question_pairs=bigrams(passage.question or (passage.heading[-1] if passage.heading else "")),
        head_sounds=frozenset(syllables(plain(head))),
        body_sounds=frozenset(syllables(plain(passage.text[:300]))),
        gives=gives(plain(body)),
        subject=frozenset(words.terms(subject)),
    )


def matrix(
    query: Query,
    passages: Mapping[int, Passage],
    seen: Mapping[int, Seen],
    cosine: Mapping[int, float],
    bm25: Mapping[int, float],
    rewritten: bool,
) -> np.ndarray:
    """Features of all candidates, shape (n, len(NAMES)), float32, in the order of `passages`."""
    keys = list(passages)
    cosines = np.array([cosine.get(key, 0.0) for key in keys])
    scores = np.array([bm25.get(key, 0.0) for key in keys])
    titles = np.array([_covered(query, seen[key].title) for key in keys])
    documents: dict[str, set[str]] = {}
    for key in keys:
        documents.setdefault(passages[key].document, set()).update(seen[key].body | seen[key].head)
    rows = [_row(query, passages[key], seen[key], documents[passages[key].document], rewritten) for key in keys]
    shared = np.array(rows, dtype=np.float32)
    top, best, title_top = cosines.max(initial=0), scores.max(initial=0), titles.max(initial=0)
    total = sum(query.weights) or 1.0
    ranked = [
        cosines, cosines - top, _ranks(cosines), scores / (8 * total), scores / (best or 1), _ranks(scores),
    ]  # fmt: skip
    out = np.empty((len(keys), len(NAMES)), dtype=np.float32)
    out[:, :6] = np.stack(ranked, axis=1)
    out[:, 6:17] = shared[:, :11]
    out[:, 17] = titles
    out[:, 18] = titles - title_top
    out[:, 19:] = shared[:, 11:]
    return out


def _row(query: Query, passage: Passage, seen: Seen, document: set[str], rewritten: bool) -> list[float]:
    both = seen.body | seen.head
    missing = [w for unit, w in zip(query.units, query.weights, strict=True) if not unit.terms & both]
    concepts = [(unit, w) for unit, w in zip(query.units, query.weights, strict=True) if unit.concept]
    title_pairs = len(seen.title_pairs & query.pairs) / (len(seen.title_pairs) or 1)
    asked = query.asks
    given = asked & seen.gives
    numbers = {"money", "rate", "time", "count", "grade"} & asked
    return [
        _covered(query, seen.body),
        _covered(query, seen.head),
        _covered(query, both),
        max(missing, default=0.0),
        _share(concepts, both),
        _covered(query, document),
        overlap(query.pairs, seen.question_pairs),
        len(query.pairs & seen.head_pairs) / (len(query.pairs) or 1),
        len(query.pairs & seen.body_pairs) / (len(query.pairs) or 1),
        len(query.sounds & seen.head_sounds) / (len(query.sounds) or 1),
        len(query.sounds & (seen.head_sounds | seen.body_sounds)) / (len(query.sounds) or 1),
        title_pairs,
        _covered(query, seen.subject),
        float(fit(query.quantities, passage.text)) if query.quantities else 0.0,
        len(given) / (len(asked) or 1),
        float(len(asked - seen.gives)),
        float("how" in asked and passage.form == "steps"),
        float("list" in asked and passage.form in ("list", "steps")),
        float(bool(numbers) and passage.form == "row"),
        float(passage.form == "text"),
        float(passage.form == "list"),
        float(passage.form == "steps"),
        float(passage.form == "faq"),
        float(passage.form == "row"),
        min(len(passage.text), 600) / 600,
        float(passage.kind == "product"),
        float(passage.kind == "service"),
        float(passage.kind == "education"),
        min(len(query.units), 12) / 12,
        float(rewritten),
    ]


def _covered(query: Query, terms: frozenset[str] | set[str]) -> float:
    return _share(list(zip(query.units, query.weights, strict=True)), terms)


def _share(units: Sequence[tuple[object, float]], terms: frozenset[str] | set[str]) -> float:
    total = sum(w for _, w in units)
    if not total:
        return 0.0
    return sum(w for unit, w in units if unit.terms & terms) / total  # type: ignore[attr-defined]


def _ranks(values: np.ndarray) -> np.ndarray:
    order = np.empty(len(values))
    order[np.argsort(-values, kind="stable")] = np.arange(len(values))
    return 1.0 / (1.0 + order)


def _row_name(passage: Passage) -> str:
    return " ".join(name for name, _ in passage.columns) + " " + " ".join(cell for _, cell in passage.columns[:1])


assert set(ASKS) >= {"money", "rate", "time", "count", "grade"}
