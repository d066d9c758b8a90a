"""The tables of the records: materials, their revisions and passages, vectors, firm facts and customers.

A revision is one hashed state of one document version. Revisions are never edited; a changed file becomes a new
revision that supersedes the one before. What is searchable on a day follows from these rows alone.
"""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Date,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

metadata = MetaData()

revisions = Table(
    "revisions",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("document", String(200), nullable=False),
    Column("version", String(100), nullable=False),
    Column("hash", String(64), nullable=False),
    Column("title", Text, nullable=False),
    Column("kind", String(20), nullable=False),
    Column("status", String(20), nullable=False),
    Column("approved", Boolean, nullable=False),
    Column("audience", String(20), nullable=False),
    Column("slot", String(100)),
    Column("author", Text),
    Column("approved_by", Text),
    Column("approved_on", Date),
    Column("effective_from", Date),
    Column("effective_to", Date),
    Column("source", Text),
    Column("clause", Text),
    Column("certainty", String(20)),
    Column("aliases", JSON, nullable=False),
    Column("product", JSON),
    Column("file", Text),
    Column("recorded_at", DateTime(timezone=True), nullable=False),
    Column("recorded_by", Text, nullable=False),
    Column("superseded_at", DateTime(timezone=True)),
    Index("revisions_current", "document", "version", "superseded_at"),
    Index("revisions_searchable", "approved", "superseded_at"),
)

passages = Table(
    "passages",
    metadata,
    Column("key", Integer, primary_key=True, autoincrement=True),
    Column("revision", Integer, ForeignKey("revisions.id"), nullable=False),
    Column("id", String(300), nullable=False),
    Column("position", Integer, nullable=False),
    Column("form", String(10), nullable=False),
    Column("heading", JSON, nullable=False),
    Column("question", Text, nullable=False),
    Column("text", Text, nullable=False),
    Column("table_name", Text, nullable=False),
    Column("columns", JSON, nullable=False),
    Column("tokens", Integer, nullable=False),
    Column("vector_hash", String(64), nullable=False),
    Column("body_hash", String(64), nullable=False),
    UniqueConstraint("revision", "id"),
    Index("passages_id", "id"),
)

vectors = Table(
    "vectors",
    metadata,
    Column("embedder", String(200), primary_key=True),
    Column("hash", String(64), primary_key=True),
    Column("vector", LargeBinary, nullable=False),
)

facts = Table(
    "facts",
    metadata,
    Column("name", String(100), primary_key=True),
    Column("value", JSON, nullable=False),
)

customers = Table(
    "customers",
    metadata,
    Column("id", String(100), primary_key=True),
    Column("profile", JSON, nullable=False),
    Column("recorded_at", DateTime(timezone=True), nullable=False),
)
