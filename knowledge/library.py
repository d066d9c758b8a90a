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
from knowledge.embedding import Embedder, PairModel
from knowledge.index.keywords import Entry, Keywords
from knowledge.index.names import Names, codes_in
from knowledge.index.vectors import Vectors
from knowledge.records.materials import Materials, Revision, body_text, embedded_text, searchable, text_hash
from knowledge.retrieval.words import Words, plain, syllables

VIEWS_KEPT = 4
EMBED_BATCH = 64
VECTORS_KEPT = 60_000
QUERIES_KEPT = 256
CODES_KEPT = 4_000
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
    names: Names
    passages_of: Mapping[str, tuple[int, ...]]
    products: tuple[Product, ...]
    revisions: Mapping[str, Revision]


class Library:
    """Opens views, keeps them fresh, and embeds what has no vector yet."""

    def __init__(
        self,
        materials: Materials,
        embedder: Embedder,
        vectors: Vectors,
        words: Words,
        pairs: PairModel | None = None,
    ) -> None:
        self.materials = materials
        self.embedder = embedder
        self.pairs = pairs
        self.words = words
        self._vectors = vectors
        self._lock = threading.RLock()
        self._views: OrderedDict[tuple[date, Audience], View] = OrderedDict()
        self._entries: dict[int, Entry] = {}
        self._kept: dict[str, np.ndarray] = {}
        self._codes: dict[str, bytes] = {}
        self._asked: OrderedDict[str, np.ndarray] = OrderedDict()

    def view(self, today: date, audience: Audience = "public", *, live: bool = False) -> View:
        """The view for a day. `live` says that `today` is the real day, whose collection is kept exact."""
        with self._lock:
            generation = self.materials.generation()
            exact = live and audience == "public"
            view = self._views.get((today, audience))
            collection = self._name("live" if exact else "archive")
            if view is None or view.generation != generation or view.collection != collection:
                view = self._open(today, audience, generation, exact)
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

    def query_vectors(self, texts: Sequence[str]) -> np.ndarray:
        """Query embeddings, shape (n, d), float32; those of the latest texts are kept between calls."""
        with self._lock:
            found = {text: self._asked[text] for text in texts if text in self._asked}
        missing = [text for text in dict.fromkeys(texts) if text not in found]
        if missing:
            fresh = dict(zip(missing, self.embedder.queries(missing), strict=True))
            found |= fresh
            with self._lock:
                self._asked.update(fresh)
                while len(self._asked) > QUERIES_KEPT:
                    self._asked.popitem(last=False)
        return np.stack([found[text] for text in texts])

    def cosines(self, digests: Sequence[str], vector: np.ndarray) -> np.ndarray:
        """Cosine of a query vector to the stored vector of each text hash, shape (n,); 0 where there is none."""
        kept = self._kept
        if len(kept) > VECTORS_KEPT:
            kept = self._kept = {}  # another thread may still read the old one
        missing = [digest for digest in digests if digest not in kept]
        if missing:
            kept.update(self.materials.vectors(self.embedder.name, missing))
        empty = np.zeros_like(vector)
        rows = [kept.get(digest, empty) for digest in digests]
        return np.asarray(np.stack(rows) @ vector if rows else np.zeros(0, dtype=np.float32))

    def codes(self, passages: Sequence[Passage]) -> list[bytes]:
        """What the pair model keeps of each passage. One without a code yet is read now."""
        assert self.pairs is not None, "codes need the pair model"
        texts = {text_hash(text): text for text in map(embedded_text, passages)}
        kept = self._codes
        if len(kept) > CODES_KEPT:
            kept = self._codes = {}  # another thread may still read the old one
        missing = [digest for digest in texts if digest not in kept]
        if missing:
            found = self.materials.codes(self.pairs.name, missing)
            fresh = [digest for digest in missing if digest not in found]
            found |= zip(fresh, self.pairs.codes([texts[digest] for digest in fresh]), strict=True)
            kept.update(found)
        return [kept[digest] for digest in texts]

    def embed_missing(self, progress: Progress | None = None) -> int:
        """Embed every approved passage that has no vector of this embedder, and read it for the pair model; stores as
        it goes, so it can resume."""
        rows = self.materials.passage_keys(revision.id for revision in self._answering())
        wanted = {digest: row.key for row in rows for digest in (row.vector_hash, row.body_hash)}
        embedded = self.materials.known_vectors(self.embedder.name)
        read = self.materials.known_vectors(self.pairs.name) if self.pairs is not None else set()
        to_read = {row.vector_hash for row in rows} - read if self.pairs is not None else set()
        items = [(digest, key) for digest, key in wanted.items() if digest not in embedded or digest in to_read]
        for start in range(0, len(items), EMBED_BATCH):
            part = items[start : start + EMBED_BATCH]
            loaded = self.materials.load([key for _, key in part])
            texts = {text_hash(text): text for one in loaded.values() for text in (embedded_text(one), body_text(one))}
            digests = [digest for digest, _ in part if digest in texts]
            unknown = [digest for digest in digests if digest not in embedded]
            matrix = self.embedder.passages([texts[digest] for digest in unknown])
            self.materials.put_vectors(self.embedder.name, zip(unknown, matrix, strict=True))
            if self.pairs is not None:
                unread = [digest for digest in digests if digest in to_read]
                self.materials.put_codes(
                    self.pairs.name, zip(unread, self.pairs.codes([texts[d] for d in unread]), strict=True)
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
            rows = self._rows(self._answering())
            self._sync("archive", rows)
            return len(rows)

    def _open(self, today: date, audience: Audience, generation: int, live: bool) -> View:
        self.embed_missing()
        found = [
            revision
            for revision in searchable(self.materials.approved_revisions(), today)
            if revision.slot is None and (audience == "staff" or revision.audience == "public")
        ]
        rows = self._rows(found)
        collection = self._sync("live", rows) if live else self._sync("archive", self._rows(self._answering()))
        self._vectors.drop(keep=[self._name("live"), self._name("archive")])
        keys = frozenset(key for key, _ in rows)
        entries = self._load_entries(sorted(keys))
        return View(
            today=today,
            audience=audience,
            generation=generation,
            collection=collection,
            keys=keys,
            keywords=Keywords(entries),
            names=_names(found, entries),
            passages_of=_by_document(entries),
            products=tuple(revision.product for revision in found if revision.product is not None),
            revisions={revision.document: revision for revision in found},
        )

    def close(self) -> None:
        """Give the folder of the vectors free for another process."""
        self._vectors.close()

    def _answering(self) -> list[Revision]:
        """The approved revisions that are searched; fixed texts are read by their slot, never found."""
        return [revision for revision in self.materials.approved_revisions() if revision.slot is None]

    def _rows(self, revisions: Sequence[Revision]) -> list[tuple[int, str]]:
        return [(row.key, row.vector_hash) for row in self.materials.passage_keys(r.id for r in revisions)]

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
            document=passage.document,
            codes=codes_in(f"{passage.text}\n{head}"),
            body=self.words.terms(f"{passage.text}\n{passage.table}"),
            head=self.words.terms(head),
            sound=syllables(plain(head)),
        )


def _names(revisions: Sequence[Revision], entries: Sequence[Entry]) -> Names:
    codes: dict[str, set[str]] = {}
    for entry in entries:
        codes.setdefault(entry.document, set()).update(entry.codes)
    return Names((one.document, _called(one), codes.get(one.document, ())) for one in revisions)


def _called(revision: Revision) -> tuple[str, ...]:
    """Every name a document goes by."""
    product = revision.product
    names = (product.name, *product.aliases) if product is not None else ()
    return (revision.title, *revision.aliases, *names)


def _by_document(entries: Sequence[Entry]) -> dict[str, tuple[int, ...]]:
    found: dict[str, list[int]] = {}
    for entry in entries:
        found.setdefault(entry.document, []).append(entry.key)
    return {document: tuple(keys) for document, keys in found.items()}


def head_text(passage: Passage) -> str:
    """What a passage is about: title, headings, question, table, other names, product."""
    product = passage.product
    names = (product.name, product.code, *product.aliases) if product is not None else ()
    parts = (passage.title, *passage.heading, passage.question, passage.table, *passage.aliases, *names)
    return "\n".join(part for part in parts if part)


def _stable(name: str) -> int:
    from hashlib import sha256

    return int(sha256(name.encode()).hexdigest()[:10], 16)
