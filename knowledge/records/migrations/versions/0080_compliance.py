"""The compliance desk: tables derived from the log for search and figures, reviews, correction notices."""

import sqlalchemy as sa
from alembic import op

revision = "0080"
down_revision = "0070"


def upgrade() -> None:
    _search()
    _reviews()
    op.create_table(
        "recall_notices",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("recall", sa.String(64), nullable=False),
        sa.Column("document", sa.String(200), nullable=False),
        sa.Column("version", sa.String(100), nullable=False),
        sa.Column("conversation", sa.String(64), nullable=False),
        sa.Column("customer", sa.String(64)),
        sa.Column("channel", sa.String(40), nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("status", sa.String(12), nullable=False),
        sa.Column("queued_by", sa.String(100), nullable=False),
        sa.Column("queued_at", sa.String(40), nullable=False),
        sa.UniqueConstraint("recall", "conversation"),
    )
    op.create_index("recall_notices_open", "recall_notices", ["status", "channel"])


def _search() -> None:
    op.create_table(
        "search_turns",
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("turn", sa.String(64), nullable=False, unique=True),
        sa.Column("conversation", sa.String(64), nullable=False),
        sa.Column("event", sa.String(40), nullable=False),
        sa.Column("at", sa.String(40), nullable=False),
        sa.Column("day", sa.String(10), nullable=False),
        sa.Column("channel", sa.String(40), nullable=False),
        sa.Column("outcome", sa.String(20), nullable=False),
        sa.Column("intent", sa.String(20), nullable=False),
        sa.Column("customer", sa.String(64)),
        sa.Column("staff", sa.String(100)),
        sa.Column("writer", sa.String(40), nullable=False),
        sa.Column("latency", sa.Integer),
        sa.Column("weight", sa.Integer, nullable=False),
        sa.Column("unanswered", sa.Boolean, nullable=False),
        sa.Column("feedback", sa.String(4)),
    )
    for name, columns in (
        ("conversation", ["conversation", "number"]),
        ("day", ["day", "number"]),
        ("customer", ["customer", "number"]),
        ("staff", ["staff", "number"]),
        ("channel", ["channel", "number"]),
        ("outcome", ["outcome", "number"]),
        ("feedback", ["feedback", "number"]),
        ("unanswered", ["unanswered", "number"]),
    ):
        op.create_index(f"search_turns_{name}", "search_turns", columns)
    op.create_table(
        "search_sources",
        sa.Column("document", sa.String(200), primary_key=True),
        sa.Column("version", sa.String(100), primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("channel", sa.String(40), nullable=False),
        sa.Column("customer", sa.String(64)),
        sa.Column("conversation", sa.String(64), nullable=False),
        sa.Column("quoted", sa.Boolean, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "search_products",
        sa.Column("product", sa.String(100), primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "search_findings",
        sa.Column("code", sa.String(40), primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("action", sa.String(10), nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_index("search_findings_number", "search_findings", ["number"])
    op.create_table(
        "search_daily",
        sa.Column("day", sa.String(10), primary_key=True),
        sa.Column("channel", sa.String(40), primary_key=True),
        sa.Column("measure", sa.String(20), primary_key=True),
        sa.Column("value", sa.String(60), primary_key=True),
        sa.Column("count", sa.Integer, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table("search_progress", sa.Column("number", sa.Integer, nullable=False))
    op.execute("INSERT INTO search_progress VALUES (0)")
    if op.get_bind().dialect.name == "sqlite":
        op.execute("CREATE VIRTUAL TABLE search_words USING fts5(words, content='', columnsize=0, detail=none)")
    else:
        op.execute("CREATE TABLE search_words (number integer PRIMARY KEY, words tsvector NOT NULL)")
        op.execute("CREATE INDEX search_words_words ON search_words USING gin (words)")


def _reviews() -> None:
    op.create_table(
        "review_items",
        sa.Column("turn", sa.String(64), primary_key=True),
        sa.Column("number", sa.Integer, nullable=False, unique=True),
        sa.Column("conversation", sa.String(64), nullable=False),
        sa.Column("queued_at", sa.String(40), nullable=False),
        sa.Column("why", sa.String(10), nullable=False),
        sa.Column("weight", sa.Integer, nullable=False),
        sa.Column("status", sa.String(10), nullable=False),
        sa.Column("assignee", sa.String(100)),
        sa.Column("assigned_at", sa.String(40)),
    )
    op.create_index("review_items_queue", "review_items", ["status", "weight", "number"])
    op.create_index("review_items_assignee", "review_items", ["assignee", "status"])
    op.create_table(
        "review_verdicts",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("turn", sa.String(64), nullable=False),
        sa.Column("stage", sa.String(12), nullable=False),
        sa.Column("verdict", sa.String(12), nullable=False),
        sa.Column("codes", sa.JSON, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("decided_by", sa.String(100), nullable=False),
        sa.Column("decided_at", sa.String(40), nullable=False),
        sa.Column("corrects", sa.String(64)),
    )
    op.create_index("review_verdicts_turn", "review_verdicts", ["turn", "decided_at"])
    second = (
        "NEW.stage = 'second' AND EXISTS (SELECT 1 FROM review_verdicts "
        "WHERE turn = NEW.turn AND decided_by = NEW.decided_by)"
    )
    if op.get_bind().dialect.name == "sqlite":
        op.execute(
            f"CREATE TRIGGER review_second_pair BEFORE INSERT ON review_verdicts WHEN {second} "
            "BEGIN SELECT RAISE(ABORT, 'a second verdict needs another person'); END"
        )
        for act in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER review_no_{act.lower()} BEFORE {act} ON review_verdicts "
                "BEGIN SELECT RAISE(ABORT, 'verdicts are never changed; add a correction'); END"
            )
        return
    op.execute(
        "CREATE FUNCTION review_guard() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        "IF TG_OP <> 'INSERT' THEN RAISE EXCEPTION 'verdicts are never changed; add a correction'; END IF; "
        f"IF {second} THEN RAISE EXCEPTION 'a second verdict needs another person'; END IF; "
        "RETURN NEW; END $$"
    )
    op.execute(
        "CREATE TRIGGER review_guard BEFORE INSERT OR UPDATE OR DELETE ON review_verdicts "
        "FOR EACH ROW EXECUTE FUNCTION review_guard()"
    )
