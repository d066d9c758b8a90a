"""Keyword search in tantivy, in memory, over pre-cut words. Derived from the records at start and on every change."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

import tantivy

FIELDS = {"body": 1.0, "head": 1.6, "sound": 0.35}


@dataclass(frozen=True, slots=True)
class Entry:
    """What is indexed of one passage: terms of its text, of its title, headings and question, and its syllables."""

    key: int
    document: str
    codes: frozenset[str]
    body: tuple[str, ...]
    head: tuple[str, ...]
    sound: tuple[str, ...]


class Keywords:
    """An immutable index over the passages of one generation."""

    def __init__(self, entries: Iterable[Entry]) -> None:
        builder = tantivy.SchemaBuilder()
        builder.add_integer_field("key", stored=True, indexed=True)
        for field in FIELDS:
            builder.add_text_field(field, tokenizer_name="whitespace", index_option="freq")
        self._schema = builder.build()
        self._index = tantivy.Index(self._schema)
        self.frequency: Counter[str] = Counter()
        self.size = 0
        writer = self._index.writer(heap_size=30_000_000, num_threads=1)
        for entry in entries:
            document = tantivy.Document()
            document.add_integer("key", entry.key)
            for field in FIELDS:
                document.add_text(field, " ".join(getattr(entry, field)))
            writer.add_document(document)
            self.frequency.update({*entry.body, *entry.head})
            self.size += 1
        writer.commit()
        writer.wait_merging_threads()
        self._index.reload()
        self._searcher = self._index.searcher()

    def search(self, terms: Iterable[str], sounds: Iterable[str], count: int) -> list[tuple[int, float]]:
        """Passages by BM25 over all fields as (key, score), best first."""
        wanted: dict[str, set[str]] = {"body": set(terms), "sound": set(sounds)}
        wanted["head"] = wanted["body"]
        parts = [
            (tantivy.Occur.Should, tantivy.Query.boost_query(self._term(field, term), boost))
            for field, boost in FIELDS.items()
            for term in sorted(wanted[field])
        ]
        if not parts:
            return []
        found = self._searcher.search(tantivy.Query.boolean_query(parts), count)
        return [(self._searcher.doc(address)["key"][0], score) for score, address in found.hits]

    def _term(self, field: str, term: str) -> tantivy.Query:
        return tantivy.Query.term_query(self._schema, field, term, index_option="freq")
