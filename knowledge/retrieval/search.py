"""Search: candidates by vector and by keyword, one learned order, and a learned decision whether they answer."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import numpy as np

from assistant.turn import Passage
from knowledge.index.names import Named
from knowledge.library import Library, View
from knowledge.retrieval import answerable, features
from knowledge.retrieval.adapter import Adapter, load_adapter
from knowledge.retrieval.model import Trees, load_trees
from knowledge.retrieval.query import Query, prepare
from knowledge.retrieval.second import FAR_BEHIND, Second, load_second
from knowledge.retrieval.words import plain

HERE = Path(__file__).parent
FETCHED = 24
LOOKED_AT_TWICE = 4
NAMED_WELL = 4.0
NAMED_DOCUMENTS = 2
NAMED_PASSAGES = 60
CONTEXT_MARGIN = 0.1
SEEN_KEPT = 20_000


class Reranker(Protocol):
    """A cross-encoder: one relevance score per text."""

    def scores(self, query: str, texts: Sequence[str]) -> np.ndarray: ...


@dataclass(frozen=True, slots=True)
class Hit:
    """A passage with the probability that it holds the answer, and the evidence it rests on (features.NAMES)."""

    key: int
    passage: Passage
    probability: float
    evidence: np.ndarray
    variant: int = 0


@dataclass(frozen=True, slots=True)
class Found:
    """The best reading of a question, its hits best first, and the probability that they answer it."""

    query: Query
    hits: tuple[Hit, ...]
    answerable: float


@dataclass(frozen=True, slots=True)
class Models:
    """The trained order and the trained decision."""

    ranker: Trees
    judge: Trees
    second: Second
    adapter: Adapter | None

    @classmethod
    def load(cls, embedder: str) -> Models:
        """The committed models. ValueError when they were trained on other features."""
        ranker = load_trees(HERE / "ranker.json", features.NAMES)
        judge = load_trees(HERE / "answerable.json", answerable.NAMES)
        second = load_second(HERE / "second.json")
        return cls(ranker, judge, second, load_adapter(HERE / "adapter.npz", embedder))


class Search:
    """Finds passages in a view. Thread-safe. Without models (only while training them) it yields candidates alone."""

    def __init__(
        self,
        library: Library,
        models: Models | None,
        reranker: Reranker | None = None,
    ) -> None:
        self.library = library
        self._models = models
        self.adapter = models.adapter if models is not None else None
        self._reranker = reranker
        self._seen: OrderedDict[int, features.Seen] = OrderedDict()

    def find(self, readings: Sequence[str], view: View, *, elliptical: bool = False) -> Found:
        """Search every reading of the question (the plain one first) and keep the one that answers best.

        A reading that adds context must be clearly better than the plain question, unless that one is `elliptical`.
        Only the best two readings are looked at twice.
        """
        wanted = readings[1:] if elliptical and len(readings) > 1 else readings
        first = [self._look(text, view, rewritten=text != readings[0]) for text in wanted]
        ranked = sorted(first, key=lambda one: -_standing(one, readings[0], elliptical))
        looked = [self._look_again(one) for one in ranked[:2]]
        return max(looked, key=lambda one: _standing(one, readings[0], elliptical))

    def _look(self, text: str, view: View, *, rewritten: bool) -> Found:
        query, passages, evidence = self.candidates(text, view, rewritten=rewritten)
        if not passages:
            return Found(query, (), 0.0)
        assert self._models is not None, "searching needs the trained models"
        probabilities = self._models.ranker.probabilities(evidence)
        if self._reranker is not None:
            probabilities = _fused(probabilities, self._reranker.scores(text, [p.text for p in passages.values()]))
        order = np.argsort(-probabilities, kind="stable")
        keys = list(passages)
        hits = tuple(Hit(keys[i], passages[keys[i]], float(probabilities[i]), evidence[i]) for i in order)
        row = answerable.row(query, hits, {hit.key: self.look(hit.key, hit.passage) for hit in hits[:8]})
        return Found(query, hits, float(self._models.judge.probabilities(row.reshape(1, -1))[0]))

    def _look_again(self, found: Found) -> Found:
        """The result with its best passages read together with the question, when there is a model for that."""
        if self.library.pairs is None or self._models is None or not found.hits:
            return found
        top, rest = found.hits[:LOOKED_AT_TWICE], found.hits[LOOKED_AT_TWICE:]
        codes = self.library.codes([hit.passage for hit in top])
        pair = self.library.pairs.scores(found.query.text, codes)
        joined = self._models.second.probabilities(np.array([hit.probability for hit in top]), pair)
        order = np.argsort(-joined, kind="stable")
        answers = self._models.second.answerable(found.answerable, pair[order], joined[order])
        again = [replace(top[i], probability=float(joined[i])) for i in order]
        behind = [replace(hit, probability=hit.probability * FAR_BEHIND) for hit in rest]
        return Found(found.query, (*again, *behind), answers)

    def candidates(
        self, text: str, view: View, *, rewritten: bool = False
    ) -> tuple[Query, dict[int, Passage], np.ndarray]:
        """The candidate passages of one question with their features, shape (n, len(features.NAMES))."""
        library = self.library
        named = view.names.find(text)
        rest = residual(text, named, view)
        vector, rest_vector = self.embed([text, rest])
        query = prepare(text, library.words, view.keywords, vector)
        near = dict(library.nearest(view, vector, FETCHED))
        terms = {term for unit in query.units for term in unit.terms} | set(library.words.terms(text))
        by_word = dict(view.keywords.search(terms, query.sounds, FETCHED))
        keys = near.keys() | by_word.keys() | _passages_named(named, view)
        loaded = library.materials.load(list(keys))
        passages = {key: loaded[key] for key in sorted(loaded)}
        if not passages:
            return query, {}, np.zeros((0, len(features.NAMES)), dtype=np.float32)
        seen = {key: self.look(key, passage) for key, passage in passages.items()}
        cosine = library.cosines([seen[key].vector_hash for key in passages], vector)
        rest_cosine = library.cosines([seen[key].body_hash for key in passages], rest_vector)
        evidence = features.Evidence(cosine, rest_cosine, by_word, named)
        return query, passages, features.matrix(query, passages, seen, evidence, rewritten)

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        """Query vectors, turned by the adapter when there is one, shape (n, d)."""
        vectors = self.library.query_vectors(texts)
        return vectors if self.adapter is None else self.adapter.apply(vectors)

    def look(self, key: int, passage: Passage) -> features.Seen:
        """The cut parts of a passage, kept between questions: passages never change under their key."""
        seen = self._seen.get(key)
        if seen is None:
            seen = features.look(passage, self.library.words)
            self._seen[key] = seen
            while len(self._seen) > SEEN_KEPT:
                self._seen.popitem(last=False)
        return seen


def _standing(found: Found, plain_text: str, elliptical: bool) -> float:
    """How well a reading stands: its answerability, less a margin for context that was added to a whole question."""
    return found.answerable - (CONTEXT_MARGIN if found.query.text != plain_text and not elliptical else 0.0)


def residual(text: str, named: Mapping[str, Named], view: View) -> str:
    """The question without the name of the document it names best: what is asked, rather than of whom."""
    if not named:
        return text
    best = max(named, key=lambda document: named[document].score)
    if named[best].score < NAMED_WELL:
        return text
    folded = plain(text)
    taken = [False] * len(folded)
    for piece in view.names.rare(text, best):
        start = folded.find(piece)
        while start >= 0:
            taken[start : start + len(piece)] = [True] * len(piece)
            start = folded.find(piece, start + 1)
    kept = "".join(" " if used else char for char, used in zip(folded, taken, strict=True)).strip()
    return kept if len(kept) >= 3 else text


def _passages_named(named: Mapping[str, Named], view: View) -> set[int]:
    """All passages of the documents that the question names best."""
    order = sorted(named, key=lambda document: -named[document].score)[:NAMED_DOCUMENTS]
    chosen = [document for document in order if named[document].score >= NAMED_WELL]
    return {key for document in chosen for key in view.passages_of[document][:NAMED_PASSAGES]}


def _fused(probabilities: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Mean of the learned probability and the cross-encoder's, whose scores are logits."""
    return np.asarray((probabilities + 1 / (1 + np.exp(-scores))) / 2, dtype=np.float32)
