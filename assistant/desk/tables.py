"""The tables of the staff desk: its working state. What was said and done stands in the log; these rows follow from it
or lead to it, and hold masked text only. Times are seconds since the epoch, days ISO dates.
"""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Float,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

metadata = MetaData()
OPEN = text("status IN ('waiting', 'held')")

tickets = Table(
    "desk_tickets",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("conversation", String(64), nullable=False),
    Column("channel", String(20), nullable=False),
    Column("customer", String(100)),
    Column("profile", JSON),
    Column("turn", String(64), nullable=False, unique=True),
    Column("intent", String(20), nullable=False),
    Column("reason", Text, nullable=False),
    Column("urgency", Integer, nullable=False),
    Column("senior", Boolean, nullable=False),
    Column("status", String(10), nullable=False),
    Column("owner", String(100)),
    Column("newest", String(64), nullable=False),
    Column("preview", Text, nullable=False),
    Column("unread", Integer, nullable=False),
    Column("in_hours", Boolean, nullable=False),
    Column("opened_at", Float, nullable=False),
    Column("waiting_since", Float),
    Column("claimed_at", Float),
    Column("first_reply_at", Float),
    Column("ended_at", Float),
    Column("ended_by", String(100)),
    Column("end_reason", String(20)),
    Column("rating", Integer),
    Column("rating_words", Text),
    Column("rated_at", Float),
    Index("desk_tickets_one_open", "conversation", unique=True, sqlite_where=OPEN, postgresql_where=OPEN),
    Index("desk_tickets_queue", "status", "opened_at"),
    Index("desk_tickets_conversation", "conversation", "opened_at"),
    Index("desk_tickets_customer", "customer"),
)

messages = Table(
    "desk_messages",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("conversation", String(64), nullable=False),
    Column("ticket", String(32), nullable=False),
    Column("key", String(64), nullable=False),
    Column("sequence", Integer, nullable=False),
    Column("status", String(10), nullable=False),
    Column("author", String(100), nullable=False),
    Column("body", JSON, nullable=False),
    Column("draft", String(32)),
    Column("ready_at", Float, nullable=False),
    Column("delivered_at", Float),
    UniqueConstraint("conversation", "key"),
    UniqueConstraint("conversation", "sequence"),
    Index("desk_messages_status", "status"),
    Index("desk_messages_ready", "ready_at"),
)

notes = Table(
    "desk_notes",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("conversation", String(64), nullable=False),
    Column("author", String(100), nullable=False),
    Column("author_name", Text, nullable=False),
    Column("text", Text, nullable=False),
    Column("at", Float, nullable=False),
    Index("desk_notes_conversation", "conversation"),
)

drafts = Table(
    "desk_drafts",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("conversation", String(64), nullable=False),
    Column("ticket", String(32), nullable=False),
    Column("author", String(100), nullable=False),
    Column("answering", String(64), nullable=False),
    Column("body", Text, nullable=False),
    Column("detail", JSON, nullable=False),
    Column("state", String(10), nullable=False),
    Column("at", Float, nullable=False),
    Index("desk_drafts_conversation", "conversation", "at"),
    Index("desk_drafts_at", "at"),
)

checks = Table(
    "desk_checks",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("conversation", String(64), nullable=False),
    Column("member", String(100), nullable=False),
    Column("outcome", String(12), nullable=False),
    Column("codes", JSON, nullable=False),
    Column("at", Float, nullable=False),
    Index("desk_checks_at", "at"),
)

presence = Table(
    "desk_presence",
    metadata,
    Column("member", String(100), primary_key=True),
    Column("name", Text, nullable=False),
    Column("role", String(20), nullable=False),
    Column("number", String(40), nullable=False),
    Column("licence", String(40), nullable=False),
    Column("away", Boolean, nullable=False),
    Column("until", Float, nullable=False),
)

complaints = Table(
    "desk_complaints",
    metadata,
    Column("number", String(32), primary_key=True),
    Column("conversation", String(64), nullable=False),
    Column("customer", String(100)),
    Column("turn", String(64), unique=True),
    Column("subject", Text, nullable=False),
    Column("status", String(10), nullable=False),
    Column("owner", String(100)),
    Column("opened_at", Float, nullable=False),
    Column("contact_by", String(10), nullable=False),
    Column("due_on", String(10), nullable=False),
    Column("answer", Text, nullable=False),
    Column("answered_at", Float),
    Column("closed_at", Float),
    Column("satisfaction", Integer),
    Index("desk_complaints_status", "status", "due_on"),
    Index("desk_complaints_conversation", "conversation"),
)

complaint_steps = Table(
    "desk_complaint_steps",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("complaint", String(32), nullable=False),
    Column("at", Float, nullable=False),
    Column("author", String(100), nullable=False),
    Column("author_name", Text, nullable=False),
    Column("what", String(20), nullable=False),
    Column("text", Text, nullable=False),
    Index("desk_complaint_steps_complaint", "complaint", "at"),
)

script_runs = Table(
    "desk_script_runs",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("conversation", String(64), nullable=False),
    Column("ticket", String(32), nullable=False),
    Column("script", String(200), nullable=False),
    Column("version", String(100), nullable=False),
    Column("revision", String(64), nullable=False),
    Column("member", String(100), nullable=False),
    Column("status", String(10), nullable=False),
    Column("steps", JSON, nullable=False),
    Column("started_at", Float, nullable=False),
    Column("ended_at", Float),
    Index("desk_script_runs_conversation", "conversation", "started_at"),
    Index("desk_script_runs_at", "started_at"),
)
