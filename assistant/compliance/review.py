"""The review queue: what is risky first, a random sample besides; one person decides, another settles what is in doubt.

Nothing decided is ever changed: who thinks otherwise adds a correction, and the last word counts. Every step is an
event of the log, in the same transaction.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal, get_args

from sqlalchemy import Connection, Row, case, func, insert, select, update

from assistant.compliance.reading import rules
from assistant.compliance.search import Hit, hits_of
from assistant.compliance.tables import items, turns, verdicts
from assistant.ledger.form import SHANGHAI, now
from assistant.log import Log, NotLogged, new_id
from assistant.turn import Code
from knowledge.records.database import Database

Verdict = Literal["fine", "violation", "doubtful"]
Status = Literal["open", "assigned", "second", "done"]
Stage = Literal["first", "second", "correction"]
CODES: tuple[str, ...] = get_args(Code)
PAGE = 50


class BadReview(ValueError):
    """A step that cannot be taken; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Item:
    """One turn on the queue. `age_hours` counts from when it was queued; `overdue` by the limit of the data file."""

    turn: str
    number: int
    conversation: str
    why: str
    weight: int
    status: Status
    assignee: str | None
    queued_at: str
    age_hours: float
    overdue: bool
    hit: Hit | None


class Reviews:
    """The queue over the tables and the log."""

    def __init__(self, database: Database, log: Log) -> None:
        self._database = database
        self._log = log

    def queue(
        self, *, status: Status = "open", assignee: str | None = None, why: str | None = None, skip: int = 0
    ) -> tuple[Item, ...]:
        """A page of the queue: the heaviest first, of equal weight the oldest."""
        query = select(items).where(items.c.status == status)
        if assignee is not None:
            query = query.where(items.c.assignee == assignee)
        if why is not None:
            query = query.where(items.c.why == why)
        order = (items.c.weight.desc(), items.c.number)
        with self._database.reading() as connection:
            rows = connection.execute(query.order_by(*order).offset(skip).limit(PAGE)).all()
            hits = {hit.number: hit for hit in hits_of(connection, [row.number for row in rows])}
        return tuple(_item(row, hits.get(row.number)) for row in rows)

    def ageing(self) -> dict[str, int]:
        """How many wait, by how long: within a day, three days, a week, longer; and how many are overdue."""
        limit = rules()["overdue_hours"]
        older = {name: _hours_ago(hours) for name, hours in (("1", 24), ("3", 72), ("7", 168), ("overdue", limit))}
        waiting = items.c.status != "done"
        columns = [func.sum(case((items.c.queued_at < edge, 1), else_=0)) for edge in older.values()]
        with self._database.reading() as connection:
            total, day, three, week, overdue = (
                int(value or 0) for value in connection.execute(select(func.count(), *columns).where(waiting)).one()
            )
        return {"day": total - day, "three_days": day - three, "week": three - week, "longer": week, "overdue": overdue}

    def add(self, turn: str, *, by: str, reason: str) -> None:
        """Put a turn on the queue by hand. Raises BadReview."""
        with self._database.reading() as connection:
            row = connection.execute(select(turns).where(turns.c.turn == turn)).first()
        if row is None:
            raise BadReview("没有这一轮记录")
        if not reason.strip():
            raise BadReview("请写明加入审查的原因")
        values = {"turn": turn, "number": row.number, "conversation": row.conversation, "queued_at": now(),
                  "why": "manual", "weight": max(row.weight, rules()["threshold"]), "status": "open"}  # fmt: skip

        def act(connection: Connection) -> None:
            if self._row(connection, turn) is None:
                connection.execute(insert(items).values(**values))
            else:
                again = {"status": "open", "assignee": None, "queued_at": values["queued_at"], "why": "manual"}
                connection.execute(update(items).where(items.c.turn == turn).values(**again))

        self._log.append(row.conversation, "review_queued", {"turn": turn, "by": by, "reason": reason}, act=act)

    def assign(self, turns_given: Sequence[str], to: str, *, by: str) -> int:
        """Give turns that wait to somebody; how many were still there to give."""
        count = 0
        for turn in turns_given:
            row = self._known(turn)
            if row.status == "done" or (row.status == "second" and to in self._deciders(turn)):
                continue
            values = {"assignee": to, "assigned_at": now()}
            status = row.status if row.status == "second" else "assigned"

            def act(connection: Connection, turn: str = turn, status: str = status, values: Any = values) -> None:
                connection.execute(update(items).where(items.c.turn == turn).values(status=status, **values))

            body = {"turn": turn, "to": to, "by": by}
            self._log.append(row.conversation, "review_assigned", body, act=act)
            count += 1
        return count

    def decide(self, turn: str, verdict: Verdict, *, by: str, reason: str = "", codes: Sequence[str] = ()) -> Status:
        """Give a verdict. A first "violation" or "doubtful" goes to another person; what that person says settles it.
        Raises BadReview."""
        row = self._known(turn)
        if verdict not in get_args(Verdict):
            raise BadReview(f"结论须为 {'、'.join(get_args(Verdict))} 之一")
        if verdict != "fine" and not reason.strip():
            raise BadReview("认定违规或存疑时须写明理由")
        if unknown := set(codes) - set(CODES):
            raise BadReview(f"没有这样的问题代码：{'、'.join(sorted(unknown))}")
        if row.status == "done":
            raise BadReview("这一轮已有结论；如有不同意见请用更正")
        if row.assignee is not None and row.assignee != by:
            raise BadReview(f"这一轮已分给 {row.assignee}")
        stage: Stage = "second" if row.status == "second" else "first"
        if stage == "second" and by in self._deciders(turn):
            raise BadReview("复核须由另一人作出")
        if stage == "second" and verdict == "doubtful":
            raise BadReview("复核须得出结论：fine 或 violation")
        status: Status = "second" if stage == "first" and verdict != "fine" else "done"
        self._write(row, stage, verdict, by, reason, codes, status=status)
        return status

    def correct(self, turn: str, verdict: Verdict, *, by: str, reason: str, codes: Sequence[str] = ()) -> str:
        """Add a correction to a settled verdict: the former stays as it is. Returns its id. Raises BadReview."""
        row = self._known(turn)
        if row.status != "done":
            raise BadReview("尚无结论，无从更正")
        if not reason.strip():
            raise BadReview("更正须写明理由")
        if verdict not in ("fine", "violation"):
            raise BadReview("更正须得出结论：fine 或 violation")
        latest = self.verdicts(turn)[-1]
        return self._write(row, "correction", verdict, by, reason, codes, corrects=str(latest["id"]), status="done")

    def verdicts(self, turn: str) -> list[Mapping[str, Any]]:
        """Every verdict on a turn, oldest first; the last one counts."""
        query = select(verdicts).where(verdicts.c.turn == turn).order_by(verdicts.c.decided_at, verdicts.c.id)
        with self._database.reading() as connection:
            return [dict(row._mapping) for row in connection.execute(query)]

    def _write(
        self,
        row: Row[Any],
        stage: Stage,
        verdict: Verdict,
        by: str,
        reason: str,
        codes: Sequence[str],
        *,
        status: Status,
        corrects: str | None = None,
    ) -> str:
        values = {
            "id": new_id(), "turn": row.turn, "stage": stage, "verdict": verdict, "codes": list(codes),
            "reason": reason.strip(), "decided_by": by, "decided_at": now(), "corrects": corrects,
        }  # fmt: skip
        waits = {"status": status, "assignee": None, "assigned_at": None} if status == "second" else {"status": status}

        def act(connection: Connection) -> None:
            changed = connection.execute(
                update(items).where(items.c.turn == row.turn, items.c.status == row.status).values(**waits)
            )
            if changed.rowcount != 1:
                raise BadReview("这一轮刚被别人处理，请刷新")
            connection.execute(insert(verdicts).values(**values))

        body = {name: value for name, value in values.items() if name != "id"}
        try:
            self._log.append(row.conversation, "review", body, act=act)
        except NotLogged as error:
            if isinstance(error.__cause__, BadReview):
                raise error.__cause__ from None
            raise
        return str(values["id"])

    def _deciders(self, turn: str) -> set[str]:
        return {str(one["decided_by"]) for one in self.verdicts(turn)}

    def _known(self, turn: str) -> Row[Any]:
        with self._database.reading() as connection:
            row = self._row(connection, turn)
        if row is None:
            raise BadReview("这一轮不在审查队列里；可先手工加入")
        return row

    def _row(self, connection: Connection, turn: str) -> Row[Any] | None:
        return connection.execute(select(items).where(items.c.turn == turn)).first()


def _hours_ago(hours: float) -> str:
    return (datetime.now(SHANGHAI) - timedelta(hours=hours)).isoformat(timespec="milliseconds")


def _item(row: Row[Any], hit: Hit | None) -> Item:
    waited: timedelta = datetime.now(SHANGHAI) - datetime.fromisoformat(row.queued_at)
    hours = waited.total_seconds() / 3600
    overdue = row.status != "done" and hours > rules()["overdue_hours"]
    return Item(
        row.turn, row.number, row.conversation, row.why, row.weight, row.status, row.assignee, row.queued_at,
        round(hours, 1), overdue, hit,
    )  # fmt: skip
