"""Accounts and sessions. A session is kept as the hash of its token; times are seconds since the epoch."""

from __future__ import annotations

from sqlalchemy import JSON, Boolean, Column, Float, Index, Integer, MetaData, String, Table, Text

metadata = MetaData()

accounts = Table(
    "people_accounts",
    metadata,
    Column("login", String(64), primary_key=True),
    Column("name", String(100), nullable=False),
    Column("roles", JSON, nullable=False),
    Column("registration", String(40)),
    Column("subject", String(200), unique=True),
    Column("password", Text),
    Column("epoch", Integer, nullable=False),
    Column("failures", Integer, nullable=False),
    Column("locked_until", Float),
    Column("disabled", Boolean, nullable=False),
    Column("created_at", String(40), nullable=False),
)
sessions = Table(
    "people_sessions",
    metadata,
    Column("digest", String(64), primary_key=True),
    Column("login", String(64), nullable=False),
    Column("epoch", Integer, nullable=False),
    Column("begun_at", Float, nullable=False),
    Column("seen_at", Float, nullable=False),
    Index("people_sessions_login", "login"),
)
