"""The ledger of complaints: number, deadlines, owner, steps, answer, satisfaction; every step in the log as well."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Literal

from sqlalchemy import Connection, Row, insert, select, update

from assistant.desk.events import COMPLAINT
from assistant.desk.settings import hours, number
from assistant.desk.tables import complaint_steps, complaints
from assistant.desk.values import Lost, Member, Unknown
from assistant.log import SHANGHAI, Act, Log, NotLogged, new_id
from knowledge.records.database import Database

What = Literal["opened", "contacted", "investigated", "note", "owner", "answered", "closed", "reopened"]
ANYBODY = Member("", "系统", "system")
LONGEST_SUBJECT = 200


class Refused(Exception):
    """A step that the state of a complaint does not allow. `why` is a word the channels explain."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


@dataclass(frozen=True, slots=True)
class Step:
    """What was done about a complaint, when and by whom."""

    at: float
    author: str
    author_name: str
    what: str
    text: str


@dataclass(frozen=True, slots=True)
class Complaint:
    """One complaint. `contact_by` and `due_on` are the last days for the first contact and for the answer; `overdue`
    says which of them has passed without it."""

    number: str
    conversation: str
    customer: str | None
    subject: str
    status: str
    owner: str | None
    opened_at: float
    contact_by: date
    due_on: date
    answer: str
    answered_at: float | None
    closed_at: float | None
    satisfaction: int | None
    steps: tuple[Step, ...]

    def overdue(self, today: date) -> Literal["", "contact", "answer"]:
        if self.status in ("answered", "closed"):
            return ""
        if today > self.due_on:
            return "answer"
        contacted = any(one.what in ("contacted", "answered") for one in self.steps)
        return "contact" if today > self.contact_by and not contacted else ""


class Complaints:
    """Reads and writes the ledger; a step and its record come to be together."""

    def __init__(
        self, database: Database, log: Log, facts: Callable[[], Mapping[str, Any]], clock: Callable[[], float]
    ) -> None:
        self._database = database
        self._log = log
        self._facts = facts
        self._clock = clock

    def open(
        self, number_: str, conversation: str, customer: str | None, subject: str, by: Member, turn: str | None = None
    ) -> Complaint:
        """Enter a complaint under a number; the one already there when the number is known."""
        known = self._row(number_)
        if known is not None:
            return self.one(number_)
        facts, now = self._facts(), self._clock()
        today = datetime.fromtimestamp(now, SHANGHAI).date()
        calendar = hours(facts)
        row = {
            "number": number_, "conversation": conversation, "customer": customer, "turn": turn,
            "subject": subject[:LONGEST_SUBJECT], "status": "open", "opened_at": now, "answer": "",
            "contact_by": calendar.after(today, number(facts, "complaint_contact_days")).isoformat(),
            "due_on": calendar.after(today, number(facts, "complaint_days")).isoformat(),
        }  # fmt: skip

        def act(connection: Connection) -> None:
            if (
                connection.execute(select(complaints.c.number).where(complaints.c.number == number_)).first()
                is not None
            ):
                raise Lost
            connection.execute(insert(complaints).values(**row))
            connection.execute(insert(complaint_steps).values(**_step(number_, now, by, "opened", subject)))

        self._record(conversation, number_, "opened", subject, by, {}, act)
        return self.one(number_)

    def take(self, number_: str, what: What, text: str, by: Member, *, owner: str | None = None) -> Complaint:
        """Add a step. Raises Unknown, and Refused for a step that does not follow."""
        known = self.one(number_)
        if known.status == "closed" and what != "reopened":
            raise Refused("complaint_closed")
        if what == "closed" and known.status != "answered":
            raise Refused("complaint_unanswered")
        if what == "answered" and not text.strip():
            raise Refused("complaint_no_answer")
        now = self._clock()
        values: dict[str, Any] = {}
        if what == "owner":
            values = {"owner": owner}
        if what == "answered":
            values = {"status": "answered", "answer": text, "answered_at": now}
        if what == "closed":
            values = {"status": "closed", "closed_at": now}
        if what == "reopened":
            values = {"status": "open", "closed_at": None}
        return self._apply(known, what, text, by, values, now)

    def satisfied(self, number_: str, rating: int, text: str, by: Member) -> Complaint:
        """What the customer thought of the answer (1 to 5), which closes the complaint."""
        known = self.one(number_)
        if known.status not in ("answered", "closed"):
            raise Refused("complaint_unanswered")
        now = self._clock()
        values = {"satisfaction": rating, "status": "closed", "closed_at": known.closed_at or now}
        return self._apply(known, "closed", text, by, values, now)

    def one(self, number_: str) -> Complaint:
        """Raises Unknown."""
        row = self._row(number_)
        if row is None:
            raise Unknown(number_)
        return self._complaint(row)

    def ledger(self, limit: int = 500) -> list[Complaint]:
        """The ledger: those still open by their deadline, then those done, the newest first."""
        undone = complaints.c.status == "open"
        query = select(complaints).order_by(undone.desc(), complaints.c.due_on, complaints.c.opened_at.desc())
        with self._database.reading() as connection:
            rows = list(connection.execute(query.limit(limit)))
        return [self._complaint(row) for row in rows]

    def of_conversation(self, conversation: str) -> list[Complaint]:
        query = select(complaints).where(complaints.c.conversation == conversation)
        with self._database.reading() as connection:
            rows = list(connection.execute(query.order_by(complaints.c.opened_at.desc())))
        return [self._complaint(row) for row in rows]

    def _apply(
        self,
        known: Complaint,
        what: str,
        text: str,
        by: Member,
        values: Mapping[str, Any],
        now: float,
    ) -> Complaint:
        def act(connection: Connection) -> None:
            this = (complaints.c.number == known.number) & (complaints.c.status == known.status)
            if not connection.execute(
                update(complaints).where(this).values(**{"status": known.status, **values})
            ).rowcount:
                raise Lost
            connection.execute(insert(complaint_steps).values(**_step(known.number, now, by, what, text)))

        if not self._record(known.conversation, known.number, what, text, by, values, act):
            raise Refused("complaint_moved_on")
        return self.one(known.number)

    def _record(
        self,
        conversation: str,
        number_: str,
        what: str,
        text: str,
        by: Member,
        values: Mapping[str, Any],
        act: Act,
    ) -> bool:
        """Log a step and take it, in one; False when somebody else was first."""
        body = {"complaint": number_, "what": what, "text": text, "by": by.id, "name": by.name, "values": dict(values)}
        try:
            self._log.append(conversation, COMPLAINT, body, act=act)
        except NotLogged as error:
            if isinstance(error.__cause__, Lost):
                return False
            raise
        return True

    def _row(self, number_: str) -> Row[Any] | None:
        with self._database.reading() as connection:
            return connection.execute(select(complaints).where(complaints.c.number == number_)).first()

    def _complaint(self, row: Row[Any]) -> Complaint:
        query = select(complaint_steps).where(complaint_steps.c.complaint == row.number).order_by(complaint_steps.c.at)
        with self._database.reading() as connection:
            steps = tuple(
                Step(one.at, one.author, one.author_name, one.what, one.text) for one in connection.execute(query)
            )
        return Complaint(
            row.number, row.conversation, row.customer, row.subject, row.status, row.owner, row.opened_at,
            date.fromisoformat(row.contact_by), date.fromisoformat(row.due_on), row.answer, row.answered_at,
            row.closed_at, row.satisfaction, steps,
        )  # fmt: skip


def _step(number_: str, at: float, by: Member, what: str, text: str) -> dict[str, Any]:
    return {
        "id": new_id(), "complaint": number_, "at": at, "author": by.id, "author_name": by.name, "what": what,
        "text": text,
    }  # fmt: skip
