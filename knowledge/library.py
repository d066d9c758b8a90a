"""What can be searched on a day: views over the records, with their derived indexes.

A view is the set of passages that answer on one day for one audience. The live view (today, public) has its own Chroma
collection; any other view searches the collection of all approved passages and keeps what belongs to it.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np

from assistant.turn import Audience, Passage, Product
from knowledge.embedding import Embedder
from knowledge.index.keywords import Entry, Keywords
from knowledge.index.vectors import Vectors
from knowledge.records.materials import Materials, Revision, embedded_text, searchable
from knowledge.retrieval.words import Words, plain, syllables

VIEWS_KEPT = 4
EMBED_BATCH = 64
Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class View:
    """Everything searchable on `today` for `audience`, at one generation of the records."""

    today: date
    audience: Audience
    generation: int
    collection: str
    keys: frozenset[int]
    keywords: Keywords
    products: tuple[Product, ...]
    revisions: Mapping[str, Revision]


class Library:
    """Opens views, keeps them fresh, and embeds what has no vector yet."""

    def __init__(self, materials: Materials, embedder: Embedder, vectors: Vectors, words: Words) -> None:
        self.materials = materials
        self.embedder = embedder
        self.words = words
        self._vectors = vectors
        self._lock = threading.RLock()
        self._views: OrderedDict[tuple[date, Audience], View] = OrderedDict()
        self._live_day: date | None = None
        self._entries: dict[int, Entry] = {}

    def view(self, today: date, audience: Audience = "public", *, live: bool = False) -> View:
        """The view for a day. `live` says that `today` is the real day, whose collection is kept exact."""
        with self._lock:
            generation = self.materials.generation()
            view = self._views.get((today, audience))
            if view is None or view.generation != generation or (live and view.collection != self._name("live")):
                view = self._open(today, audience, generation, live and audience == "public")
                self._views[(today, audience)] = view
            self._views.move_to_end((today, audience))
            while len(self._views) > VIEWS_KEPT:
                self._views.popitem(last=False)
            return view

    def known_products(self) -> tuple[Product, ...]:
        """Every product any current revision describes, approved or not: what a text may name."""
        found = (revision.product for revision in self.materials.all_revisions())
        return tuple({product.code: product for product in found if product is not None}.values())

    def nearest(self, view: View, vector: np.ndarray, count: int) -> list[tuple[int, float]]:
        """Passages of the view by cosine as (key, cosine), best first."""
        fetch = count if view.collection == self._name("live") else count * 4
        found = self._vectors.search(view.collection, vector, fetch)
        kept = [(key, cosine) for key, cosine in found if key in view.keys]
        return kept[:count]

    def cosines(self, passages: Mapping[int, Passage], vector: np.ndarray) -> dict[int, float]:
        """Cosine of the query vector to each of these passages."""
        digests = {key: vector_hash for key, vector_hash in self._hashes(passages)}
        stored = self.materials.vectors(self.embedder.name, list(digests.values()))
        return {key: float(stored[digest] @ vector) for key, digest in digests.items() if digest in stored}

    def embed_missing(self, progress: Progress | None = None) -> int:
        """Embed every approved passage that has no vector of this embedder; stores as it goes, so it can resume."""
        rows = self.materials.passage_keys(revision.id for revision in self.materials.approved_revisions())
        known = self.materials.vectors(self.embedder.name, [digest for *_, digest in rows])
        missing = {digest: key for key, _, digest in rows if digest not in known}
        items = list(missing.items())
        for start in range(0, len(items), EMBED_BATCH):
            part = items[start : start + EMBED_BATCH]
            loaded = self.materials.load([key for _, key in part])
            wanted = [(digest, loaded[key]) for digest, key in part if key in loaded]
            matrix = self.embedder.passages([embedded_text(passage) for _, passage in wanted])
            self.materials.put_vectors(
                self.embedder.name, zip((digest for digest, _ in wanted), matrix, strict=True)
            )
            if progress is not None:
                progress(min(start + EMBED_BATCH, len(items)), len(items))
        return len(items)

    def reindex(self, progress: Progress | None = None) -> int:
        """Drop every derived collection and build them again from the records; the number of passages."""
        with self._lock:
            self._vectors.drop()
            self._views.clear()
            self._entries.clear()
            self.embed_missing(progress)
            rows = self._rows(self.materials.approved_revisions())
            self._sync("archive", rows)
            return len(rows)

    def _open(self, today: date, audience: Audience, generation: int, live: bool) -> View:
        self.embed_missing()
        approved = self.materials.approved_revisions()
        found = [
            revision
            for revision in searchable(approved, today)
            if revision.slot is None and (audience == "staff" or revision.audience == "public")
        ]
        rows = self._rows(found)
        if live:
            collection = self._sync("live", rows)
        else:
            collection = self._sync("archive", self._rows(approved))
        self._vectors.drop(keep=[self._name("live"), self._name("archive")])
        keys = frozenset(key for key, _ in rows)
        return View(
            today=today,
            audience=audience,
            generation=generation,
            collection=collection,
            keys=keys,
            keywords=Keywords(self._load_entries(sorted(keys))),
            products=tuple(revision.product for revision in found if revision.product is not None),
            revisions={revision.document: revision for revision in found},
        )

    def _rows(self, revisions: Sequence[Revision]) -> list[tuple[int, str]]:
        return [(key, digest) for key, _, digest in self.materials.passage_keys(r.id for r in revisions)]

    def _name(self, purpose: str) -> str:
        return f"{purpose}-{abs(_stable(self.embedder.name)):x}"

    def _sync(self, purpose: str, rows: Sequence[tuple[int, str]]) -> str:
        digests = dict(rows)

        def fetch(keys: Sequence[int]) -> dict[int, np.ndarray]:
            stored = self.materials.vectors(self.embedder.name, [digests[key] for key in keys])
            return {key: stored[digests[key]] for key in keys if digests[key] in stored}

        name = self._name(purpose)
        self._vectors.sync(name, sorted(digests), fetch)
        return name

    def _hashes(self, passages: Mapping[int, Passage]) -> list[tuple[int, str]]:
        from hashlib import sha256

        return [(key, sha256(embedded_text(passage).encode()).hexdigest()) for key, passage in passages.items()]

    def _load_entries(self, keys: Sequence[int]) -> list[Entry]:
        missing = [key for key in keys if key not in self._entries]
        for start in range(0, len(missing), 500):
            for key, passage in self.materials.load(missing[start : start + 500]).items():
                self._entries[key] = self._entry(key, passage)
        return [self._entries[key] for key in keys if key in self._entries]

    def _entry(self, key: int, passage: Passage) -> Entry:
        head = head_text(passage)
        return Entry(
            key=key,
            body=self.words.terms(f"{passage.text}\n{passage.table}"),
            head=self.words.terms(head),
            sound=syllables(plain(head)),
        )


def head_text(passage: Passage) -> str:
    """What a passage is about: title, headings, question, table, other names, product."""
    product = passage.product
    names = (product.name, product.code, *product.aliases) if product is not None else ()
    parts = (passage.title, *passage.heading, passage.question, passage.table, *passage.aliases, *names)
    return "\n".join(part for part in parts if part)


def _stable(name: str) -> int:
    from hashlib import sha256

    return int(sha256(name.encode()).hexdigest()[:10], 16)
