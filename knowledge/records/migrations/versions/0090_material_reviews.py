"""Approval of materials by another person: uploads, requests for approval, and triggers that hold the rule in SQL."""

import sqlalchemy as sa
from alembic import op

revision = "0090"
down_revision = "0080"

SAME_PERSON = "lower(trim(NEW.author)) = lower(trim(NEW.approved_by))"
BY_DESK = (
    "NEW.recorded_by LIKE 'desk:%' AND NOT EXISTS (SELECT 1 FROM material_reviews "
    "WHERE approved_revision = NEW.hash AND status = 'approved')"
)


def upgrade() -> None:
    op.create_table(
        "material_uploads",
        sa.Column("hash", sa.String(64), primary_key=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("content", sa.LargeBinary, nullable=False),
        sa.Column("uploaded_by", sa.String(100), nullable=False),
        sa.Column("uploaded_at", sa.String(40), nullable=False),
    )
    op.create_table(
        "material_reviews",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("document", sa.String(200), nullable=False),
        sa.Column("version", sa.String(100), nullable=False),
        sa.Column("revision", sa.String(64), nullable=False),
        sa.Column("uploaded_by", sa.String(100), nullable=False),
        sa.Column("submitted_by", sa.String(100), nullable=False),
        sa.Column("submitted_at", sa.String(40), nullable=False),
        sa.Column("note", sa.Text, nullable=False),
        sa.Column("status", sa.String(12), nullable=False),
        sa.Column("decided_by", sa.String(100)),
        sa.Column("decided_at", sa.String(40)),
        sa.Column("reason", sa.Text),
        sa.Column("approved_revision", sa.String(64)),
        sa.CheckConstraint(
            "decided_by IS NULL OR (decided_by <> submitted_by AND decided_by <> uploaded_by)", name="another_person"
        ),
        sa.CheckConstraint("status <> 'approved' OR decided_by IS NOT NULL", name="approved_by_somebody"),
    )
    waiting = sa.text("status = 'waiting'")
    op.create_index(
        "material_reviews_one_waiting", "material_reviews", ["document", "version"], unique=True,
        sqlite_where=waiting, postgresql_where=waiting,
    )  # fmt: skip
    op.create_index("material_reviews_status", "material_reviews", ["status", "submitted_at"])
    op.create_index("material_reviews_approved", "material_reviews", ["approved_revision"])
    wrong = f"NEW.approved AND (({SAME_PERSON}) OR ({BY_DESK}))"
    message = "approved material needs an approver who is not its author, and one who was asked"
    if op.get_bind().dialect.name == "sqlite":
        for act in ("INSERT", "UPDATE"):
            op.execute(
                f"CREATE TRIGGER revisions_other_eyes_{act.lower()} BEFORE {act} ON revisions WHEN {wrong} "
                f"BEGIN SELECT RAISE(ABORT, '{message}'); END"
            )
        return
    op.execute(
        "CREATE FUNCTION revisions_other_eyes() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        f"IF {wrong} THEN RAISE EXCEPTION '{message}'; END IF; RETURN NEW; END $$"
    )
    op.execute(
        "CREATE TRIGGER revisions_other_eyes BEFORE INSERT OR UPDATE ON revisions "
        "FOR EACH ROW EXECUTE FUNCTION revisions_other_eyes()"
    )
