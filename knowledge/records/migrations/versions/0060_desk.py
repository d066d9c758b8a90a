"""The staff desk: tickets, messages, notes, drafts, checks, presence, complaints, script runs."""

import sqlalchemy as sa
from alembic import op

revision = "0060"
down_revision = "0020"


def upgrade() -> None:
    op.create_table(
        "desk_checks",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("conversation", sa.String(64), nullable=False),
        sa.Column("member", sa.String(100), nullable=False),
        sa.Column("outcome", sa.String(12), nullable=False),
        sa.Column("codes", sa.JSON, nullable=False),
        sa.Column("at", sa.Float, nullable=False),
    )
    op.create_index("desk_checks_at", "desk_checks", ["at"])
    op.create_table(
        "desk_complaint_steps",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("complaint", sa.String(32), nullable=False),
        sa.Column("at", sa.Float, nullable=False),
        sa.Column("author", sa.String(100), nullable=False),
        sa.Column("author_name", sa.Text, nullable=False),
        sa.Column("what", sa.String(20), nullable=False),
        sa.Column("text", sa.Text, nullable=False),
    )
    op.create_index("desk_complaint_steps_complaint", "desk_complaint_steps", ["complaint", "at"])
    op.create_table(
        "desk_complaints",
        sa.Column("number", sa.String(32), primary_key=True),
        sa.Column("conversation", sa.String(64), nullable=False),
        sa.Column("customer", sa.String(100)),
        sa.Column("turn", sa.String(64), unique=True),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("status", sa.String(10), nullable=False),
        sa.Column("owner", sa.String(100)),
        sa.Column("opened_at", sa.Float, nullable=False),
        sa.Column("contact_by", sa.String(10), nullable=False),
        sa.Column("due_on", sa.String(10), nullable=False),
        sa.Column("answer", sa.Text, nullable=False),
        sa.Column("answered_at", sa.Float),
        sa.Column("closed_at", sa.Float),
        sa.Column("satisfaction", sa.Integer),
    )
    op.create_index("desk_complaints_conversation", "desk_complaints", ["conversation"])
    op.create_index("desk_complaints_status", "desk_complaints", ["status", "due_on"])
    op.create_table(
        "desk_drafts",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("conversation", sa.String(64), nullable=False),
        sa.Column("ticket", sa.String(32), nullable=False),
        sa.Column("author", sa.String(100), nullable=False),
        sa.Column("answering", sa.String(64), nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("detail", sa.JSON, nullable=False),
        sa.Column("state", sa.String(10), nullable=False),
        sa.Column("at", sa.Float, nullable=False),
    )
    op.create_index("desk_drafts_at", "desk_drafts", ["at"])
    op.create_index("desk_drafts_conversation", "desk_drafts", ["conversation", "at"])
    op.create_table(
        "desk_messages",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("conversation", sa.String(64), nullable=False),
        sa.Column("ticket", sa.String(32), nullable=False),
        sa.Column("key", sa.String(64), nullable=False),
        sa.Column("sequence", sa.Integer, nullable=False),
        sa.Column("status", sa.String(10), nullable=False),
        sa.Column("author", sa.String(100), nullable=False),
        sa.Column("body", sa.JSON, nullable=False),
        sa.Column("draft", sa.String(32)),
        sa.Column("ready_at", sa.Float, nullable=False),
        sa.Column("delivered_at", sa.Float),
        sa.UniqueConstraint("conversation", "sequence"),
        sa.UniqueConstraint("conversation", "key"),
    )
    op.create_index("desk_messages_ready", "desk_messages", ["ready_at"])
    op.create_index("desk_messages_status", "desk_messages", ["status"])
    op.create_table(
        "desk_notes",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("conversation", sa.String(64), nullable=False),
        sa.Column("author", sa.String(100), nullable=False),
        sa.Column("author_name", sa.Text, nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("at", sa.Float, nullable=False),
    )
    op.create_index("desk_notes_conversation", "desk_notes", ["conversation"])
    op.create_table(
        "desk_presence",
        sa.Column("member", sa.String(100), primary_key=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("role", sa.String(20), nullable=False),
        sa.Column("number", sa.String(40), nullable=False),
        sa.Column("licence", sa.String(40), nullable=False),
        sa.Column("away", sa.Boolean, nullable=False),
        sa.Column("until", sa.Float, nullable=False),
    )
    op.create_table(
        "desk_script_runs",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("conversation", sa.String(64), nullable=False),
        sa.Column("ticket", sa.String(32), nullable=False),
        sa.Column("script", sa.String(200), nullable=False),
        sa.Column("version", sa.String(100), nullable=False),
        sa.Column("revision", sa.String(64), nullable=False),
        sa.Column("member", sa.String(100), nullable=False),
        sa.Column("status", sa.String(10), nullable=False),
        sa.Column("steps", sa.JSON, nullable=False),
        sa.Column("started_at", sa.Float, nullable=False),
        sa.Column("ended_at", sa.Float),
    )
    op.create_index("desk_script_runs_at", "desk_script_runs", ["started_at"])
    op.create_index("desk_script_runs_conversation", "desk_script_runs", ["conversation", "started_at"])
    op.create_table(
        "desk_tickets",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("conversation", sa.String(64), nullable=False),
        sa.Column("channel", sa.String(20), nullable=False),
        sa.Column("customer", sa.String(100)),
        sa.Column("profile", sa.JSON),
        sa.Column("turn", sa.String(64), nullable=False, unique=True),
        sa.Column("intent", sa.String(20), nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("urgency", sa.Integer, nullable=False),
        sa.Column("senior", sa.Boolean, nullable=False),
        sa.Column("status", sa.String(10), nullable=False),
        sa.Column("owner", sa.String(100)),
        sa.Column("newest", sa.String(64), nullable=False),
        sa.Column("preview", sa.Text, nullable=False),
        sa.Column("unread", sa.Integer, nullable=False),
        sa.Column("in_hours", sa.Boolean, nullable=False),
        sa.Column("opened_at", sa.Float, nullable=False),
        sa.Column("waiting_since", sa.Float),
        sa.Column("claimed_at", sa.Float),
        sa.Column("first_reply_at", sa.Float),
        sa.Column("ended_at", sa.Float),
        sa.Column("ended_by", sa.String(100)),
        sa.Column("end_reason", sa.String(20)),
        sa.Column("rating", sa.Integer),
        sa.Column("rating_words", sa.Text),
        sa.Column("rated_at", sa.Float),
    )
    op.create_index("desk_tickets_conversation", "desk_tickets", ["conversation", "opened_at"])
    op.create_index("desk_tickets_customer", "desk_tickets", ["customer"])
    one_open = sa.text("status IN ('waiting', 'held')")
    op.create_index(
        "desk_tickets_one_open",
        "desk_tickets",
        ["conversation"],
        unique=True,
        sqlite_where=one_open,
        postgresql_where=one_open,
    )
    op.create_index("desk_tickets_queue", "desk_tickets", ["status", "opened_at"])
