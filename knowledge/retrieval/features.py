"""The evidence for one passage answering one question, as numbers. The order of NAMES is the order of the columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from assistant.turn import Passage
from knowledge.index.names import Named
from knowledge.library import head_text
from knowledge.records.materials import body_text, embedded_text, text_hash
from knowledge.retrieval.query import ASKS, Query, gives
from knowledge.retrieval.tiers import fit
from knowledge.retrieval.words import Unit, Words, bigrams, overlap, plain, syllables

NAMES = (
    "cosine", "cosine_gap", "cosine_rank", "bm25", "bm25_share", "bm25_rank",
    "cover_body", "cover_head", "cover_all", "cover_best_missing", "cover_concepts", "cover_doc",
    "pairs_question", "pairs_head", "pairs_body", "sounds_head", "sounds_all",
    "title_seen", "title_gap", "title_asked", "subject_seen",
    "rest_cosine", "rest_gap", "rest_rank", "rest_gap_in_document", "rest_rank_in_document",
    "named_score", "named_gap", "named_share", "named_top", "bm25_rank_in_document",
    "tier", "asks_given", "asks_missing", "ask_how_steps", "ask_list_list", "ask_number_row",
    "form_text", "form_list", "form_steps", "form_faq", "form_row", "length",
    "kind_product", "kind_service", "kind_education", "units", "rewritten",
    "noun_missing", "nouns_missing", "attribute_missing", "topic_missing", "number_missing",
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
    vector_hash: str
    body_hash: str


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the searches say of the candidates: cosines (n,) in their order, BM25 by key, named documents."""

    cosine: np.ndarray
    rest_cosine: np.ndarray
    bm25: Mapping[int, float]
    named: Mapping[str, Named]


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
        vector_hash=text_hash(embedded_text(passage)),
        body_hash=text_hash(body_text(passage)),
    )


def matrix(
    query: Query, passages: Mapping[int, Passage], seen: Mapping[int, Seen], evidence: Evidence, rewritten: bool
) -> np.ndarray:
    """Features of all candidates, shape (n, len(NAMES)), float32, in the order of `passages`."""
    keys = list(passages)
    documents: dict[str, set[str]] = {}
    places: dict[str, list[int]] = {}
    for place, key in enumerate(keys):
        documents.setdefault(passages[key].document, set()).update(seen[key].body | seen[key].head)
        places.setdefault(passages[key].document, []).append(place)
    cosine, rest = evidence.cosine, evidence.rest_cosine
    bm25 = np.array([evidence.bm25.get(key, 0.0) for key in keys])
    titles = np.array([_covered(query, seen[key].title) for key in keys])
    named = np.array([_named(evidence, passages[key].document) for key in keys])
    rows = np.array(
        [_row(query, passages[key], seen[key], documents[passages[key].document], rewritten) for key in keys]
    )
    total = sum(query.weights) or 1.0
    within = list(places.values())
    columns = [
        cosine, cosine - cosine.max(), _ranks(cosine),
        bm25 / (8 * total), bm25 / (bm25.max() or 1), _ranks(bm25),
        *rows.T[:11],
        titles, titles - titles.max(),
        *rows.T[11:13],
        rest, rest - rest.max(), _ranks(rest), _gap_within(rest, within), _ranks_within(rest, within),
        named[:, 0] / 10, (named[:, 0] - named[:, 0].max()) / 10, named[:, 1],
        (named[:, 0] >= named[:, 0].max()) & (named[:, 0] > 0), _ranks_within(bm25, within),
        *rows.T[13:],
    ]  # fmt: skip
    return np.stack(columns, axis=1).astype(np.float32)


def _named(evidence: Evidence, document: str) -> tuple[float, float]:
    found = evidence.named.get(document)
    return (found.score, found.share) if found is not None else (0.0, 0.0)


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
        *missing_by_sort(query, both, passage.text),
    ]


def missing_by_sort(query: Query, terms: frozenset[str] | set[str], text: str) -> list[float]:
    """What a text does not mention: heaviest noun, share of nouns, heaviest attribute and topic, share of numbers.

    A number asked about is not missing when a tier of the text holds it.
    """
    pairs = list(zip(query.units, query.weights, strict=True))
    lost = [(unit, weight) for unit, weight in pairs if not unit.terms & terms]

    def heaviest(*sorts: str) -> float:
        return max((weight for unit, weight in lost if unit.sort in sorts), default=0.0)

    nouns = sum(weight for unit, weight in pairs if unit.sort in ("noun", "topic"))
    gone = sum(weight for unit, weight in lost if unit.sort in ("noun", "topic"))
    numbers = [unit for unit, _ in pairs if unit.sort == "number"]
    absent = [unit for unit, _ in lost if unit.sort == "number"]
    fits = bool(query.quantities) and fit(query.quantities, text) == 1
    return [
        heaviest("noun"),
        gone / nouns if nouns else 0.0,
        heaviest("attribute"),
        heaviest("topic"),
        0.0 if fits or not numbers else len(absent) / len(numbers),
    ]


def _covered(query: Query, terms: frozenset[str] | set[str]) -> float:
    return _share(list(zip(query.units, query.weights, strict=True)), terms)


def _share(units: Sequence[tuple[Unit, float]], terms: frozenset[str] | set[str]) -> float:
    total = sum(w for _, w in units)
    if not total:
        return 0.0
    return sum(w for unit, w in units if unit.terms & terms) / total


def _ranks(values: np.ndarray) -> np.ndarray:
    order = np.empty(len(values))
    order[np.argsort(-values, kind="stable")] = np.arange(len(values))
    return 1.0 / (1.0 + order)


def _ranks_within(values: np.ndarray, within: Sequence[Sequence[int]]) -> np.ndarray:
    out = np.empty(len(values))
    for places in within:
        out[places] = _ranks(values[places])
    return out


def _gap_within(values: np.ndarray, within: Sequence[Sequence[int]]) -> np.ndarray:
    out = np.empty(len(values))
    for places in within:
        out[places] = values[places] - values[places].max()
    return out


def _row_name(passage: Passage) -> str:
    return " ".join(name for name, _ in passage.columns) + " " + " ".join(cell for _, cell in passage.columns[:1])


assert set(ASKS) >= {"money", "rate", "time", "count", "grade"}
