"""Documents, versions and passages: what is written, and what is searchable on a day."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import lru_cache
from typing import Any, cast

import numpy as np
from sqlalchemy import Connection, Row, and_, func, insert, select, update

from assistant.turn import Passage, Product
from knowledge.reading import Metadata
from knowledge.records.database import Database
from knowledge.records.tables import facts, passages, revisions, vectors

GENERATION = "generation"
SHORT_TOKENS = 120
PASSAGES_KEPT = 20_000
Key = int  # primary key of a stored passage


@dataclass(frozen=True, slots=True)
class Revision:
    """One hashed state of one document version, as recorded."""

    id: int
    document: str
    version: str
    hash: str
    title: str
    kind: str
    status: str
    approved: bool
    audience: str
    slot: str | None
    effective_from: date | None
    effective_to: date | None
    source: str | None
    clause: str | None
    certainty: str | None
    aliases: tuple[str, ...]
    product: Product | None
    file: str | None

    def effective(self, today: date) -> bool:
        """Whether its dates include `today`; both bounds are inclusive."""
        begun = self.effective_from is None or self.effective_from <= today
        return begun and (self.effective_to is None or today <= self.effective_to)


@dataclass(frozen=True, slots=True)
class PassageKey:
    """A stored passage: primary key, hash of its embedded text, hash of its text without title."""

    key: Key
    vector_hash: str
    body_hash: str


class Materials:
    """The store of materials. Every write bumps the generation, which tells each process to refresh its indexes."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self._kept: dict[Key, Passage] = {}

    # --- writing -----------------------------------------------------------------------------------------------

    def record(self, meta: Metadata, cut: Sequence[Passage], digest: str, *, file: str, by: str) -> bool:
        """Record one read document as the current revision of its version; False when nothing changed."""
        with self.database.writing() as connection:
            current = _current(connection, meta.id, meta.version)
            if current is not None and current.hash == digest:
                return False
            now = datetime.now(UTC)
            if current is not None:
                connection.execute(update(revisions).where(revisions.c.id == current.id).values(superseded_at=now))
            row = _revision_values(meta) | {"hash": digest, "file": file, "recorded_at": now, "recorded_by": by}
            made = connection.execute(insert(revisions).values(**row)).inserted_primary_key
            assert made is not None
            key = int(made[0])
            if cut:
                connection.execute(insert(passages), [_passage_values(key, passage) for passage in cut])
            _bump(connection)
            return True

    def current_hash(self, document: str, version: str) -> str | None:
        """The hash of the current revision of a document version, if there is one."""
        with self.database.reading() as connection:
            current = _current(connection, document, version)
            return current.hash if current is not None else None

    def set_facts(self, values: Mapping[str, Any]) -> None:
        """Set facts of the firm (name, hotline, hours, links …) or of the installation by name."""
        with self.database.writing() as connection:
            for name, value in values.items():
                _put_fact(connection, name, value)
            _bump(connection)

    def put_vectors(self, embedder: str, rows: Iterable[tuple[str, np.ndarray]]) -> None:
        """Keep vectors by the hash of the text they stand for; already known ones are left alone."""
        self.put_codes(embedder, ((digest, vector.astype(np.float16).tobytes()) for digest, vector in rows))

    def put_codes(self, model: str, rows: Iterable[tuple[str, bytes]]) -> None:
        """Keep what a model makes of a text, by the text's hash; already known ones are left alone."""
        values = [{"embedder": model, "hash": digest, "vector": code} for digest, code in rows]
        with self.database.writing() as connection:
            known = _known(connection, model, [str(value["hash"]) for value in values])
            fresh = {str(value["hash"]): value for value in values if value["hash"] not in known}
            if fresh:
                connection.execute(insert(vectors), list(fresh.values()))

    # --- reading -----------------------------------------------------------------------------------------------

    def generation(self) -> int:
        """A number that grows with every write."""
        return int(self.fact(GENERATION, 0))

    def fact(self, name: str, default: Any = None) -> Any:
        with self.database.reading() as connection:
            row = connection.execute(select(facts.c.value).where(facts.c.name == name)).first()
        return default if row is None else row[0]

    def all_facts(self) -> dict[str, Any]:
        with self.database.reading() as connection:
            return {row.name: row.value for row in connection.execute(select(facts))}

    def approved_revisions(self) -> list[Revision]:
        """Every current revision that carries a valid approval, whatever its dates."""
        query = select(revisions).where(revisions.c.approved, revisions.c.superseded_at.is_(None))
        with self.database.reading() as connection:
            return [_revision(row) for row in connection.execute(query.order_by(revisions.c.id))]

    def all_revisions(self) -> list[Revision]:
        """Every current revision, drafts and retired ones too."""
        query = select(revisions).where(revisions.c.superseded_at.is_(None)).order_by(revisions.c.id)
        with self.database.reading() as connection:
            return [_revision(row) for row in connection.execute(query)]

    def passage_keys(self, revision_ids: Iterable[int]) -> list[PassageKey]:
        """The keys and text hashes of the passages of these revisions."""
        wanted = set(revision_ids)
        columns = (passages.c.revision, passages.c.key, passages.c.vector_hash, passages.c.body_hash)
        with self.database.reading() as connection:
            rows = connection.execute(select(*columns).order_by(passages.c.key))
            return [PassageKey(row[1], row[2], row[3]) for row in rows if row[0] in wanted]

    def known_vectors(self, embedder: str) -> set[str]:
        """The text hashes that have a vector of this embedder."""
        with self.database.reading() as connection:
            return set(connection.execute(select(vectors.c.hash).where(vectors.c.embedder == embedder)).scalars())

    def load(self, keys: Sequence[Key]) -> dict[Key, Passage]:
        """Passages by key, with the metadata of their revision; superseded or unapproved ones are left out.

        A passage never changes under its key, so its text is kept between calls; whether it still counts is asked anew.
        """
        query = select(passages.c.key).join(revisions, passages.c.revision == revisions.c.id)
        still = query.where(passages.c.key.in_(keys), revisions.c.approved, revisions.c.superseded_at.is_(None))
        with self.database.reading() as connection:
            wanted = list(connection.execute(still).scalars())
        kept = self._kept
        missing = [key for key in wanted if key not in kept]
        if missing:
            if len(kept) + len(missing) > PASSAGES_KEPT:
                kept = self._kept = {}  # another thread may still read the old one
            kept.update(self._load(passages.c.key.in_(missing)))
        return {key: kept[key] for key in wanted if key in kept}

    def passage(self, passage_id: str, revision_hash: str | None = None) -> Passage | None:
        """One passage by its public id, of any revision (a given one, else the newest)."""
        condition = passages.c.id == passage_id
        if revision_hash is not None:
            condition = and_(condition, revisions.c.hash == revision_hash)
        found = self._load(condition)
        return found[max(found)] if found else None

    def was_approved(self, revision_hash: str) -> bool:
        """Whether a revision carried a valid approval when it was recorded, superseded by now or not."""
        query = select(func.count()).where(revisions.c.hash == revision_hash, revisions.c.approved)
        with self.database.reading() as connection:
            return bool(connection.execute(query).scalar())

    def neighbours(self, key: Key, before: int, after: int) -> dict[Key, Passage]:
        """The passages around `key` in its document revision, in order, itself included."""
        with self.database.reading() as connection:
            where = select(passages.c.revision, passages.c.position).where(passages.c.key == key)
            revision, position = connection.execute(where).one()
        near = passages.c.position.between(position - before, position + after)
        return dict(sorted(self._load(and_(passages.c.revision == revision, near)).items()))

    def vectors(self, embedder: str, hashes: Sequence[str]) -> dict[str, np.ndarray]:
        """Stored vectors (float32) by text hash; missing ones are left out."""
        stored = self.codes(embedder, hashes)
        return {digest: np.frombuffer(blob, dtype=np.float16).astype(np.float32) for digest, blob in stored.items()}

    def codes(self, model: str, hashes: Sequence[str]) -> dict[str, bytes]:
        """What a model made of texts, by text hash; missing ones are left out."""
        found: dict[str, bytes] = {}
        with self.database.reading() as connection:
            for start in range(0, len(hashes), 500):
                part = list(hashes[start : start + 500])
                query = select(vectors.c.hash, vectors.c.vector).where(
                    vectors.c.embedder == model, vectors.c.hash.in_(part)
                )
                found.update((row.hash, row.vector) for row in connection.execute(query))
        return found

    def _load(self, *conditions: Any) -> dict[Key, Passage]:
        query = select(passages, revisions).join(revisions, passages.c.revision == revisions.c.id).where(*conditions)
        with self.database.reading() as connection:
            return {row.key: _passage(row) for row in connection.execute(query)}


def searchable(found: Iterable[Revision], today: date) -> list[Revision]:
    """The revisions that answer on `today`: approved, effective, and of two versions the later effective_from."""
    best: dict[str, Revision] = {}
    for revision in found:
        if not (revision.approved and revision.effective(today)):
            continue
        rival = best.get(revision.document)
        if rival is None or _rank(revision) >= _rank(rival):
            best[revision.document] = revision
    return sorted(best.values(), key=lambda revision: revision.id)


def embedded_text(passage: Passage) -> str:
    """The text whose vector stands for a passage: title and headings give a short passage its subject."""
    path = " > ".join((passage.title, *passage.heading))
    return "\n".join(part for part in (path, passage.table, passage.question, passage.text) if part)


def body_text(passage: Passage) -> str:
    """The text of a passage without its document's title: what it says, rather than whose it is. A long passage
    speaks for itself, so its embedded text serves."""
    if passage.tokens > SHORT_TOKENS:
        return embedded_text(passage)
    near = passage.heading[-1:] if not passage.question else ()
    return "\n".join(part for part in (*near, passage.table, passage.question, passage.text) if part)


def text_hash(text: str) -> str:
    """The hash under which the vector of a text is kept."""
    return hashlib.sha256(text.encode()).hexdigest()


def _rank(revision: Revision) -> tuple[date, int]:
    return revision.effective_from or date.min, revision.id


def _current(connection: Connection, document: str, version: str) -> Any:
    query = select(revisions.c.id, revisions.c.hash).where(
        revisions.c.document == document, revisions.c.version == version, revisions.c.superseded_at.is_(None)
    )
    return connection.execute(query).first()


def _known(connection: Connection, embedder: str, hashes: Sequence[str]) -> set[str]:
    query = select(vectors.c.hash).where(vectors.c.embedder == embedder, vectors.c.hash.in_(hashes))
    return set(connection.execute(query).scalars())


def _bump(connection: Connection) -> None:
    current = connection.execute(select(facts.c.value).where(facts.c.name == GENERATION)).scalar() or 0
    _put_fact(connection, GENERATION, int(current) + 1)


def _put_fact(connection: Connection, name: str, value: Any) -> None:
    known = connection.execute(select(func.count()).where(facts.c.name == name)).scalar()
    if known:
        connection.execute(update(facts).where(facts.c.name == name).values(value=value))
    else:
        connection.execute(insert(facts).values(name=name, value=value))


def _revision_values(meta: Metadata) -> dict[str, Any]:
    return {
        "document": meta.id,
        "version": meta.version,
        "title": meta.title,
        "kind": meta.kind,
        "status": meta.status,
        "approved": meta.approved,
        "audience": meta.audience,
        "slot": meta.slot,
        "author": meta.author,
        "approved_by": meta.approved_by,
        "approved_on": meta.approved_on,
        "effective_from": meta.effective_from,
        "effective_to": meta.effective_to,
        "source": meta.source,
        "clause": meta.clause,
        "certainty": meta.certainty,
        "aliases": list(meta.aliases),
        "product": product_json(meta.product),
    }


def _passage_values(revision: int, passage: Passage) -> dict[str, Any]:
    return {
        "revision": revision,
        "id": passage.id,
        "position": passage.position,
        "form": passage.form,
        "heading": list(passage.heading),
        "question": passage.question,
        "text": passage.text,
        "table_name": passage.table,
        "columns": [list(pair) for pair in passage.columns],
        "tokens": passage.tokens,
        "vector_hash": text_hash(embedded_text(passage)),
        "body_hash": text_hash(body_text(passage)),
    }


def product_json(product: Product | None) -> dict[str, Any] | None:
    """A product as JSON, keys as in the document metadata."""
    if product is None:
        return None
    return {name: getattr(product, name) for name in Product.__slots__} | {"aliases": list(product.aliases)}


@lru_cache(maxsize=4096)
def _product_from(text: str) -> Product:
    values = json.loads(text)
    return Product(**(values | {"aliases": tuple(values.get("aliases") or ())}))


def product_from_json(values: Mapping[str, Any] | None) -> Product | None:
    """The product that `product_json` wrote."""
    return None if values is None else _product_from(json.dumps(values, ensure_ascii=False, sort_keys=True))


def _revision(row: Row[Any]) -> Revision:
    return Revision(
        id=row.id,
        document=row.document,
        version=row.version,
        hash=row.hash,
        title=row.title,
        kind=row.kind,
        status=row.status,
        approved=row.approved,
        audience=row.audience,
        slot=row.slot,
        effective_from=row.effective_from,
        effective_to=row.effective_to,
        source=row.source,
        clause=row.clause,
        certainty=row.certainty,
        aliases=tuple(row.aliases),
        product=product_from_json(row.product),
        file=row.file,
    )


def _passage(row: Row[Any]) -> Passage:
    values = row._mapping
    return Passage(
        id=values[passages.c.id],
        document=values["document"],
        version=values["version"],
        revision=values["hash"],
        title=values["title"],
        kind=cast(Any, values["kind"]),
        audience=cast(Any, values["audience"]),
        form=cast(Any, values["form"]),
        text=values["text"],
        position=values["position"],
        heading=tuple(values["heading"]),
        question=values["question"],
        table=values["table_name"],
        columns=tuple((name, cell) for name, cell in values["columns"]),
        tokens=values["tokens"],
        effective_from=values["effective_from"],
        effective_to=values["effective_to"],
        product=product_from_json(values["product"]),
        aliases=tuple(values["aliases"]),
    )
