"""WeCom: callbacks, cursors, leases, tokens, conversations, messages, outbox, streams, known customers."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0001"


def upgrade() -> None:
    op.create_table(
        "wecom_callbacks",
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("key", sa.String(64), nullable=False, unique=True),
        sa.Column("channel", sa.String(10), nullable=False),
        sa.Column("account", sa.String(100), nullable=False),
        sa.Column("received_at", sa.Float, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("status", sa.String(10), nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("due_at", sa.Float, nullable=False),
    )
    op.create_index("wecom_callbacks_due", "wecom_callbacks", ["status", "due_at"])
    op.create_table(
        "wecom_cursors",
        sa.Column("account", sa.String(100), primary_key=True),
        sa.Column("cursor", sa.Text, nullable=False),
        sa.Column("synced_at", sa.Float, nullable=False),
    )
    op.create_table(
        "wecom_leases",
        sa.Column("name", sa.String(200), primary_key=True),
        sa.Column("holder", sa.String(64), nullable=False),
        sa.Column("until", sa.Float, nullable=False),
    )
    op.create_table(
        "wecom_tokens",
        sa.Column("name", sa.String(40), primary_key=True),
        sa.Column("value", sa.Text, nullable=False),
        sa.Column("expires_at", sa.Float, nullable=False),
        sa.Column("generation", sa.Integer, nullable=False),
        sa.Column("dead", sa.Boolean, nullable=False),
    )
    op.create_table(
        "wecom_conversations",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("channel", sa.String(20), nullable=False),
        sa.Column("account", sa.String(100), nullable=False),
        sa.Column("customer", sa.String(200), nullable=False),
        sa.Column("state", sa.Integer),
        sa.Column("last_customer_at", sa.Float, nullable=False),
        sa.Column("due_at", sa.Float),
        sa.Column("failures", sa.Integer, nullable=False),
        sa.UniqueConstraint("channel", "account", "customer"),
    )
    op.create_index("wecom_conversations_due", "wecom_conversations", ["due_at"])
    op.create_index("wecom_conversations_customer", "wecom_conversations", ["customer"])
    op.create_table(
        "wecom_messages",
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("channel", sa.String(20), nullable=False),
        sa.Column("msgid", sa.String(200), nullable=False),
        sa.Column("conversation", sa.String(64), nullable=False),
        sa.Column("kind", sa.String(40), nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("sent_at", sa.Float, nullable=False),
        sa.Column("arrived_at", sa.Float, nullable=False),
        sa.Column("status", sa.String(10), nullable=False),
        sa.Column("burst", sa.String(64)),
        sa.UniqueConstraint("channel", "msgid"),
    )
    op.create_index("wecom_messages_open", "wecom_messages", ["conversation", "status"])
    op.create_index("wecom_messages_burst", "wecom_messages", ["burst"])
    op.create_table(
        "wecom_outbox",
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("id", sa.String(32), nullable=False, unique=True),
        sa.Column("conversation", sa.String(64), nullable=False),
        sa.Column("kind", sa.String(10), nullable=False),
        sa.Column("code", sa.Text, nullable=False),
        sa.Column("expires_at", sa.Float),
        sa.Column("turn", sa.String(64)),
        sa.Column("burst", sa.String(64)),
        sa.Column("part", sa.Integer, nullable=False),
        sa.Column("parts", sa.Integer, nullable=False),
        sa.Column("speaker", sa.String(20), nullable=False),
        sa.Column("staff", sa.String(100)),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
        sa.Column("status", sa.String(10), nullable=False),
        sa.Column("reason", sa.String(40)),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("created_at", sa.Float, nullable=False),
        sa.Column("due_at", sa.Float, nullable=False),
        sa.Column("sent_at", sa.Float),
    )
    op.create_index("wecom_outbox_open", "wecom_outbox", ["conversation", "status"])
    op.create_index("wecom_outbox_sent", "wecom_outbox", ["conversation", "sent_at"])
    op.create_table(
        "wecom_streams",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("conversation", sa.String(64), nullable=False),
        sa.Column("url", sa.Text, nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("finished", sa.Boolean, nullable=False),
        sa.Column("begun_at", sa.Float, nullable=False),
    )
    op.create_table(
        "wecom_customers",
        sa.Column("external_userid", sa.String(200), primary_key=True),
        sa.Column("customer", sa.String(100), nullable=False),
        sa.Column("recorded_at", sa.Float, nullable=False),
    )
