"""Drafts, requests for approval and decisions in SQL. Each function works in the caller's transaction, so that an act
and its record come to be together. The tables hold the rule that nobody approves their own work."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Column, Connection, LargeBinary, MetaData, Row, String, Table, Text, insert, select, update

from assistant.turn import Passage
from knowledge.reading import Metadata
from knowledge.records.materials import (
    _bump,
    _current,
    _passage_values,
    _revision_values,
    product_from_json,
)
from knowledge.records.tables import passages, revisions

metadata = MetaData()
uploads = Table(
    "material_uploads",
    metadata,
    Column("hash", String(64), primary_key=True),
    Column("name", Text, nullable=False),
    Column("content", LargeBinary, nullable=False),
    Column("uploaded_by", String(100), nullable=False),
    Column("uploaded_at", String(40), nullable=False),
)
reviews = Table(
    "material_reviews",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("document", String(200), nullable=False),
    Column("version", String(100), nullable=False),
    Column("revision", String(64), nullable=False),
    Column("uploaded_by", String(100), nullable=False),
    Column("submitted_by", String(100), nullable=False),
    Column("submitted_at", String(40), nullable=False),
    Column("note", Text, nullable=False),
    Column("status", String(12), nullable=False),
    Column("decided_by", String(100)),
    Column("decided_at", String(40)),
    Column("reason", Text),
    Column("approved_revision", String(64)),
)
DESK = "desk:"


def current(connection: Connection, document: str, version: str) -> Row[Any] | None:
    """The current revision of a document version, all its columns."""
    query = select(revisions).where(
        revisions.c.document == document, revisions.c.version == version, revisions.c.superseded_at.is_(None)
    )
    return connection.execute(query).first()


def metadata_of(row: Row[Any]) -> Metadata:
    """What a stored revision says of itself."""
    values = row._mapping
    return Metadata(
        id=values["document"], title=values["title"], kind=values["kind"], version=values["version"],
        status=values["status"], author=values["author"], approved_by=values["approved_by"],
        approved_on=values["approved_on"], effective_from=values["effective_from"],
        effective_to=values["effective_to"], audience=values["audience"], source=values["source"],
        clause=values["clause"], certainty=values["certainty"], aliases=tuple(values["aliases"]),
        product=product_from_json(values["product"]), slot=values["slot"],
    )  # fmt: skip


def record(
    connection: Connection, meta: Metadata, cut: Sequence[Passage], digest: str, *, file: str | None, by: str
) -> None:
    """Record a revision as the current one of its version. `by` is the login of whoever did it at the desk."""
    now = datetime.now(UTC)
    known = _current(connection, meta.id, meta.version)
    if known is not None:
        connection.execute(update(revisions).where(revisions.c.id == known.id).values(superseded_at=now))
    row = _revision_values(meta) | {"hash": digest, "file": file, "recorded_at": now, "recorded_by": f"{DESK}{by}"}
    made = connection.execute(insert(revisions).values(**row)).inserted_primary_key
    assert made is not None
    if cut:
        values = [_passage_values(int(made[0]), replace(passage, revision=digest)) for passage in cut]
        connection.execute(insert(passages), values)
    _bump(connection)


def keep_upload(connection: Connection, digest: str, name: str, content: bytes, by: str, at: str) -> None:
    """Keep an uploaded file as it came, once."""
    if connection.execute(select(uploads.c.hash).where(uploads.c.hash == digest)).first() is None:
        values = {"hash": digest, "name": name, "content": content, "uploaded_by": by, "uploaded_at": at}
        connection.execute(insert(uploads).values(**values))


def waiting(connection: Connection, document: str, version: str) -> Row[Any] | None:
    """The open request for approval of a version."""
    query = select(reviews).where(
        reviews.c.document == document, reviews.c.version == version, reviews.c.status == "waiting"
    )
    return connection.execute(query).first()


def ask(connection: Connection, values: dict[str, Any]) -> None:
    """Open a request for approval."""
    connection.execute(insert(reviews).values(**values, status="waiting"))


def decide(connection: Connection, request: str, **values: Any) -> bool:
    """Close a request; False when it was closed before."""
    this = (reviews.c.id == request) & (reviews.c.status == "waiting")
    return bool(connection.execute(update(reviews).where(this).values(**values)).rowcount)
