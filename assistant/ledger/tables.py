"""The tables of the log. `log_turns` is only ever appended to; what stands beside it may be erased."""

from __future__ import annotations

from sqlalchemy import Column, Index, Integer, LargeBinary, MetaData, String, Table, Text

metadata = MetaData()

log_turns = Table(
    "log_turns",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("id", String(64), nullable=False, unique=True),
    Column("conversation", String(64), nullable=False),
    Column("sequence", Integer, nullable=False),
    Column("event", String(40), nullable=False),
    Column("recorded_at", String(40), nullable=False),
    Column("body", Text, nullable=False),
    Column("previous", String(80), nullable=False),
    Column("hash", String(80), nullable=False),
)
log_personal = Table(
    "log_personal",
    metadata,
    Column("turn", String(64), primary_key=True),
    Column("field", String(40), primary_key=True),
    Column("conversation", String(64), nullable=False),
    Column("customer", String(64)),
    Column("record_class", String(40), nullable=False),
    Column("recorded_at", String(40), nullable=False),
    Column("key", String(20), nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    Column("restricted_at", String(40)),
    Index("log_personal_conversation", "conversation"),
    Index("log_personal_customer", "customer"),
    Index("log_personal_age", "record_class", "recorded_at"),
)
log_customers = Table(
    "log_customers",
    metadata,
    Column("reference", String(64), primary_key=True),
    Column("recorded_at", String(40), nullable=False),
    Column("key", String(20), nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    Column("restricted_at", String(40)),
)
log_holds = Table(
    "log_holds",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("scope", String(20), nullable=False),
    Column("target", String(64), nullable=False),
    Column("reason", Text, nullable=False),
    Column("placed_by", String(100), nullable=False),
    Column("placed_at", String(40), nullable=False),
    Column("released_by", String(100)),
    Column("released_at", String(40)),
    Index("log_holds_target", "scope", "target"),
)
log_erasures = Table(
    "log_erasures",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("scope", String(20), nullable=False),
    Column("target", String(64), nullable=False),
    Column("requested_by", String(100), nullable=False),
    Column("requested_at", String(40), nullable=False),
    Column("completed_at", String(40)),
    Index("log_erasures_open", "completed_at"),
)
