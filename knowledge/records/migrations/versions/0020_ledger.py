"""What stands beside the log: raw personal text under encryption, whom a pseudonym means, legal holds, erasures."""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0010"


def upgrade() -> None:
    op.create_table(
        "log_personal",
        sa.Column("turn", sa.String(64), primary_key=True),
        sa.Column("field", sa.String(40), primary_key=True),
        sa.Column("conversation", sa.String(64), nullable=False),
        sa.Column("customer", sa.String(64)),
        sa.Column("record_class", sa.String(40), nullable=False),
        sa.Column("recorded_at", sa.String(40), nullable=False),
        sa.Column("key", sa.String(20), nullable=False),
        sa.Column("sealed", sa.LargeBinary, nullable=False),
        sa.Column("restricted_at", sa.String(40)),
    )
    op.create_index("log_personal_conversation", "log_personal", ["conversation"])
    op.create_index("log_personal_customer", "log_personal", ["customer"])
    op.create_index("log_personal_age", "log_personal", ["record_class", "recorded_at"])
    op.create_table(
        "log_customers",
        sa.Column("reference", sa.String(64), primary_key=True),
        sa.Column("recorded_at", sa.String(40), nullable=False),
        sa.Column("key", sa.String(20), nullable=False),
        sa.Column("sealed", sa.LargeBinary, nullable=False),
        sa.Column("restricted_at", sa.String(40)),
    )
    op.create_table(
        "log_holds",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("scope", sa.String(20), nullable=False),
        sa.Column("target", sa.String(64), nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("placed_by", sa.String(100), nullable=False),
        sa.Column("placed_at", sa.String(40), nullable=False),
        sa.Column("released_by", sa.String(100)),
        sa.Column("released_at", sa.String(40)),
    )
    op.create_index("log_holds_target", "log_holds", ["scope", "target"])
    op.create_table(
        "log_erasures",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("scope", sa.String(20), nullable=False),
        sa.Column("target", sa.String(64), nullable=False),
        sa.Column("requested_by", sa.String(100), nullable=False),
        sa.Column("requested_at", sa.String(40), nullable=False),
        sa.Column("completed_at", sa.String(40)),
    )
    op.create_index("log_erasures_open", "log_erasures", ["completed_at"])
