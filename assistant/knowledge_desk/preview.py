"""Asking a draft before it is approved: the whole turn over the materials as they would be with it. Nothing of it
reaches a customer or the log of turns; that it was asked is logged."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any, cast

import numpy as np
from sqlalchemy import or_, select

from assistant import flow
from assistant.compliance.tables import sources
from assistant.known_products import KnownProducts
from assistant.log import Log, new_id
from assistant.people.values import Person
from assistant.replay import Unheard
from assistant.seams import Parts
from assistant.turn import Asked, Customer, Passage, Reply
from knowledge.library import Library
from knowledge.records.materials import Key, Materials, Revision
from knowledge.records.tables import passages, revisions
from knowledge.retrieval.search import Search

COMPARED = 20


@dataclass(frozen=True, slots=True)
class Difference:
    """A question customers asked, what they were told, and what they would be told with the draft."""

    question: str
    now: str
    then: str


class Preview:
    """One draft as if it were approved and effective. Build it once and ask it several times."""

    def __init__(self, parts: Parts, materials: Materials, document: str, version: str, *, by: Person) -> None:
        self._drafts = DraftMaterials(materials, document, version)
        live = parts.search.library
        library = Library(self._drafts, live.embedder, cast(Any, FlatVectors()), live.words, live.pairs)
        self._parts = replace(
            parts,
            search=Search(library, parts.search._models, parts.search._reranker),
            log=cast(Log, Unheard()),
            known_products=KnownProducts(library).index,
            release="whole",
        )
        self._materials = materials
        self._log = parts.log
        self._by = by
        self._document, self._version = document, version

    def ask(self, question: str, today: date, customer: Customer | None = None) -> Reply:
        """The reply customers would get."""
        reply = self._answer(question, today, customer)
        body = {"document": self._document, "version": self._version, "by": self._by.login, "question": question,
                "outcome": reply.outcome}  # fmt: skip
        self._log.append(f"preview:{self._by.login}"[:64], "material_previewed", body)
        return reply

    def differences(self, today: date) -> list[Difference]:
        """Of the latest questions that were answered from this document: those that would be answered otherwise."""
        query = select(sources.c.number).where(sources.c.document == self._document).order_by(sources.c.number.desc())
        with self._materials.database.reading() as connection:
            numbers = list(connection.execute(query.limit(COMPARED * 3)).scalars())
        asked: dict[str, str] = {}
        for number in numbers:
            for entry in self._log.entries(number - 1, 1):
                if entry.event == "turn" and len(asked) < COMPARED:
                    asked.setdefault(entry.body["question"], entry.body["reply"]["body"])
        then = ((question, said, self._answer(question, today, None).body) for question, said in asked.items())
        return [Difference(question, said, new) for question, said, new in then if said != new]

    def _answer(self, question: str, today: date, customer: Customer | None) -> Reply:
        asked = Asked(text=question, channel="preview", today=today, conversation=new_id(), customer=customer)
        return flow.answer(asked, self._parts, self._materials.all_facts(), live=True)


class DraftMaterials(Materials):
    """The materials with one draft in the place of the other versions of its document."""

    def __init__(self, materials: Materials, document: str, version: str) -> None:
        super().__init__(materials.database)
        found = [one for one in materials.all_revisions() if (one.document, one.version) == (document, version)]
        if not found:
            raise ValueError(f"没有文档 {document} 的版本 {version}")
        self._draft = replace(found[0], approved=True, status="approved", effective_from=None, effective_to=None)

    def approved_revisions(self) -> list[Revision]:
        kept = [one for one in super().approved_revisions() if one.document != self._draft.document]
        return [*kept, self._draft]

    def load(self, keys: Sequence[Key]) -> dict[Key, Passage]:
        current = or_(revisions.c.id == self._draft.id, revisions.c.approved & revisions.c.superseded_at.is_(None))
        return self._load(passages.c.key.in_(keys), current)


class FlatVectors:
    """Vectors in memory, compared one by one: enough for a preview, and nothing of it stays."""

    def __init__(self) -> None:
        self._kept: dict[str, dict[int, np.ndarray]] = {}

    def sync(
        self, name: str, wanted: Sequence[int], fetch: Callable[[Sequence[int]], Mapping[int, np.ndarray]]
    ) -> None:
        """Hold exactly the passages `wanted`."""
        known = self._kept.get(name, {})
        missing = [key for key in wanted if key not in known]
        self._kept[name] = {**known, **(fetch(missing) if missing else {})}
        self._kept[name] = {key: self._kept[name][key] for key in wanted if key in self._kept[name]}

    def search(self, name: str, vector: np.ndarray, count: int) -> list[tuple[int, float]]:
        """The nearest passages as (key, cosine), best first."""
        rows = self._kept.get(name, {})
        if not rows:
            return []
        keys = list(rows)
        cosines = np.stack([rows[key] for key in keys]) @ vector
        best = np.argsort(-cosines)[:count]
        return [(keys[place], float(cosines[place])) for place in best]

    def drop(self, keep: Iterable[str] = ()) -> None:
        """Forget collections not named in `keep`."""
        kept = set(keep)
        self._kept = {name: rows for name, rows in self._kept.items() if name in kept}

    def close(self) -> None:
        """Nothing to give back."""
