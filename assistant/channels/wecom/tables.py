"""The WeCom tables of the records. What customers wrote is sealed, and wiped once it is answered; the log keeps it."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Float, Index, Integer, MetaData, String, Table, Text, UniqueConstraint

metadata = MetaData()

callbacks = Table(
    "wecom_callbacks",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("key", String(64), nullable=False, unique=True),
    Column("channel", String(10), nullable=False),
    Column("account", String(100), nullable=False),
    Column("received_at", Float, nullable=False),
    Column("body", Text, nullable=False),
    Column("status", String(10), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("due_at", Float, nullable=False),
    Index("wecom_callbacks_due", "status", "due_at"),
)
cursors = Table(
    "wecom_cursors",
    metadata,
    Column("account", String(100), primary_key=True),
    Column("cursor", Text, nullable=False),
    Column("synced_at", Float, nullable=False),
)
leases = Table(
    "wecom_leases",
    metadata,
    Column("name", String(200), primary_key=True),
    Column("holder", String(64), nullable=False),
    Column("until", Float, nullable=False),
)
tokens = Table(
    "wecom_tokens",
    metadata,
    Column("name", String(40), primary_key=True),
    Column("value", Text, nullable=False),
    Column("expires_at", Float, nullable=False),
    Column("generation", Integer, nullable=False),
    Column("dead", Boolean, nullable=False),
)
conversations = Table(
    "wecom_conversations",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("channel", String(20), nullable=False),
    Column("account", String(100), nullable=False),
    Column("customer", String(200), nullable=False),
    Column("state", Integer),
    Column("last_customer_at", Float, nullable=False),
    Column("due_at", Float),
    Column("failures", Integer, nullable=False),
    UniqueConstraint("channel", "account", "customer"),
    Index("wecom_conversations_due", "due_at"),
    Index("wecom_conversations_customer", "customer"),
)
messages = Table(
    "wecom_messages",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("channel", String(20), nullable=False),
    Column("msgid", String(200), nullable=False),
    Column("conversation", String(64), nullable=False),
    Column("kind", String(40), nullable=False),
    Column("text", Text, nullable=False),
    Column("sent_at", Float, nullable=False),
    Column("arrived_at", Float, nullable=False),
    Column("status", String(10), nullable=False),
    Column("burst", String(64)),
    UniqueConstraint("channel", "msgid"),
    Index("wecom_messages_open", "conversation", "status"),
    Index("wecom_messages_burst", "burst"),
)
outbox = Table(
    "wecom_outbox",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("id", String(32), nullable=False, unique=True),
    Column("conversation", String(64), nullable=False),
    Column("kind", String(10), nullable=False),
    Column("code", Text, nullable=False),
    Column("expires_at", Float),
    Column("turn", String(64)),
    Column("burst", String(64)),
    Column("part", Integer, nullable=False),
    Column("parts", Integer, nullable=False),
    Column("speaker", String(20), nullable=False),
    Column("staff", String(100)),
    Column("text", Text, nullable=False),
    Column("detail", Text, nullable=False),
    Column("status", String(10), nullable=False),
    Column("reason", String(40)),
    Column("attempts", Integer, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("due_at", Float, nullable=False),
    Column("sent_at", Float),
    Index("wecom_outbox_open", "conversation", "status"),
    Index("wecom_outbox_sent", "conversation", "sent_at"),
)
streams = Table(
    "wecom_streams",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("conversation", String(64), nullable=False),
    Column("url", Text, nullable=False),
    Column("text", Text, nullable=False),
    Column("finished", Boolean, nullable=False),
    Column("begun_at", Float, nullable=False),
)
customers = Table(
    "wecom_customers",
    metadata,
    Column("external_userid", String(200), primary_key=True),
    Column("customer", String(100), nullable=False),
    Column("recorded_at", Float, nullable=False),
)
