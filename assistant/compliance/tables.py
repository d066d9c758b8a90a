"""Tables derived from the log (search_…, built again at will) and the desk's own records (review_…, recall_…)."""

from __future__ import annotations

from sqlalchemy import JSON, Boolean, Column, Integer, MetaData, String, Table, Text

metadata = MetaData()

turns = Table(
    "search_turns",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("turn", String(64), nullable=False, unique=True),
    Column("conversation", String(64), nullable=False),
    Column("event", String(40), nullable=False),
    Column("at", String(40), nullable=False),
    Column("day", String(10), nullable=False),
    Column("channel", String(40), nullable=False),
    Column("outcome", String(20), nullable=False),
    Column("intent", String(20), nullable=False),
    Column("customer", String(64)),
    Column("staff", String(100)),
    Column("writer", String(40), nullable=False),
    Column("latency", Integer),
    Column("weight", Integer, nullable=False),
    Column("unanswered", Boolean, nullable=False),
    Column("feedback", String(4)),
)
sources = Table(
    "search_sources",
    metadata,
    Column("document", String(200), primary_key=True),
    Column("version", String(100), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("channel", String(40), nullable=False),
    Column("customer", String(64)),
    Column("conversation", String(64), nullable=False),
    Column("quoted", Boolean, nullable=False),
)
products = Table(
    "search_products",
    metadata,
    Column("product", String(100), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
)
findings = Table(
    "search_findings",
    metadata,
    Column("code", String(40), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("action", String(10), nullable=False),
)
daily = Table(
    "search_daily",
    metadata,
    Column("day", String(10), primary_key=True),
    Column("channel", String(40), primary_key=True),
    Column("measure", String(20), primary_key=True),
    Column("value", String(60), primary_key=True),
    Column("count", Integer, nullable=False),
)
progress = Table("search_progress", metadata, Column("number", Integer, nullable=False))
items = Table(
    "review_items",
    metadata,
    Column("turn", String(64), primary_key=True),
    Column("number", Integer, nullable=False, unique=True),
    Column("conversation", String(64), nullable=False),
    Column("queued_at", String(40), nullable=False),
    Column("why", String(10), nullable=False),
    Column("weight", Integer, nullable=False),
    Column("status", String(10), nullable=False),
    Column("assignee", String(100)),
    Column("assigned_at", String(40)),
)
verdicts = Table(
    "review_verdicts",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("turn", String(64), nullable=False),
    Column("stage", String(12), nullable=False),
    Column("verdict", String(12), nullable=False),
    Column("codes", JSON, nullable=False),
    Column("reason", Text, nullable=False),
    Column("decided_by", String(100), nullable=False),
    Column("decided_at", String(40), nullable=False),
    Column("corrects", String(64)),
)
notices = Table(
    "recall_notices",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("recall", String(64), nullable=False),
    Column("document", String(200), nullable=False),
    Column("version", String(100), nullable=False),
    Column("conversation", String(64), nullable=False),
    Column("customer", String(64)),
    Column("channel", String(40), nullable=False),
    Column("text", Text, nullable=False),
    Column("status", String(12), nullable=False),
    Column("queued_by", String(100), nullable=False),
    Column("queued_at", String(40), nullable=False),
)
