"""The queue: hand-overs as tickets, who has which, in what order they are served. One open ticket a conversation."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, and_, func, insert, or_, select, update

from assistant.desk.settings import rules
from assistant.desk.tables import presence, tickets
from assistant.desk.values import Lost, Member, Ticket, Unknown
from assistant.log import Act
from knowledge.records.database import Database

OPEN = ("waiting", "held")
RECENT_ENDED = 100
FIELDS = tuple(one.name for one in fields(Ticket))


class Tickets:
    """Reads and writes tickets. A change that two people could make at once is one guarded
    UPDATE, done in the transaction that logs it: what is logged happened, and what happened is logged."""

    def __init__(self, database: Database, clock: Callable[[], float]) -> None:
        self._database = database
        self._clock = clock

    # --- a conversation comes to the desk --------------------------------------------------------------------------

    def opening(self, values: Mapping[str, Any], ticket: str) -> Act:
        """Make a ticket for a conversation without an open one. Lost when there is one, or the turn had one."""
        row = dict(values) | {"id": ticket, "status": "waiting", "unread": 1}

        def act(connection: Connection) -> None:
            told = connection.execute(select(tickets.c.id).where(tickets.c.turn == values["turn"])).first()
            if told is not None or self._open_row(connection, str(values["conversation"])) is not None:
                raise Lost
            now = self._clock()
            connection.execute(insert(tickets).values(**row, opened_at=now, waiting_since=now))

        return act

    def again(self, values: Mapping[str, Any]) -> bool:
        """Another hand-over of a conversation that is open already can only make it more urgent; told twice of the
        same turn it does nothing. False when there is no such ticket."""
        with self._database.writing() as connection:
            if connection.execute(select(tickets.c.id).where(tickets.c.turn == values["turn"])).first() is not None:
                return True
            known = self._open_row(connection, str(values["conversation"]))
            if known is None:
                return False
            if known.newest == values["newest"]:
                return True
            changed: dict[str, Any] = {"newest": values["newest"], "preview": values["preview"]}
            if values["urgency"] > known.urgency:
                changed |= {name: values[name] for name in ("urgency", "intent", "reason")}
            if known.customer is None and values["customer"] is not None:
                changed |= {name: values[name] for name in ("customer", "profile", "senior")}
            changed |= {"unread": known.unread + 1}
            connection.execute(update(tickets).where(tickets.c.id == known.id).values(**changed))
            return True

    def heard(self, conversation: str, message: str, preview: str, urgency: int = 0, intent: str = "") -> bool:
        """The customer wrote: remember what is newest and since when they wait. False without an open ticket."""
        with self._database.writing() as connection:
            known = self._open_row(connection, conversation)
            if known is None:
                return False
            if known.newest == message:
                return True
            changed: dict[str, Any] = {"newest": message, "preview": preview, "unread": known.unread + 1}
            if known.waiting_since is None:
                changed["waiting_since"] = self._clock()
            if urgency > known.urgency:
                changed |= {"urgency": urgency, "intent": intent}
            connection.execute(update(tickets).where(tickets.c.id == known.id).values(**changed))
            return True

    # --- who has it: changes for the transaction that logs them ----------------------------------------------------

    def claiming(self, ticket: str, member: str) -> Act:
        """Take a waiting ticket; of several who try at once exactly one is not Lost."""
        values = {"status": "held", "owner": member, "claimed_at": self._clock(), "unread": 0}
        return _change(ticket, tickets.c.status == "waiting", values)

    def unclaiming(self, ticket: str, member: str) -> Act:
        """Give a ticket back to the queue."""
        return _change(ticket, _mine(member), {"status": "waiting", "owner": None, "claimed_at": None})

    def passing(self, ticket: str, member: str, to: str) -> Act:
        """Pass a ticket on to a colleague."""
        return _change(ticket, _mine(member), {"owner": to, "claimed_at": self._clock(), "unread": 1})

    def ending(self, ticket: str, by: str, reason: str, owner: str | None = None) -> Act:
        """End a ticket; with `owner` only while that person has it."""
        which = _mine(owner) if owner is not None else tickets.c.status.in_(OPEN)
        values = {"status": "ended", "ended_at": self._clock(), "ended_by": by, "end_reason": reason}
        return _change(ticket, which, values | {"waiting_since": None})

    def rating(self, ticket: str, conversation: str, rating: int, words: str) -> Act:
        """What the customer thought; once, and only of a ticket in which a person answered."""
        which = and_(
            tickets.c.conversation == conversation, tickets.c.rating.is_(None), tickets.c.first_reply_at.is_not(None)
        )
        return _change(ticket, which, {"rating": rating, "rating_words": words, "rated_at": self._clock()})

    def replied(self, connection: Connection, ticket: str, at: float) -> None:
        """A person's message is ready for the customer: nobody waits any more."""
        this = tickets.c.id == ticket
        connection.execute(update(tickets).where(this).values(waiting_since=None, unread=0))
        first = and_(this, tickets.c.first_reply_at.is_(None))
        connection.execute(update(tickets).where(first).values(first_reply_at=at))

    def read(self, ticket: str, member: str) -> None:
        """Whoever has the ticket looked at it."""
        seen = and_(tickets.c.id == ticket, tickets.c.owner == member, tickets.c.unread > 0)
        with self._database.writing() as connection:
            connection.execute(update(tickets).where(seen).values(unread=0))

    def abandoned(self, lost_after_s: float) -> list[Ticket]:
        """Tickets held by somebody who has not been at the desk for so long."""
        limit = self._clock() - lost_after_s
        gone = or_(presence.c.until.is_(None), presence.c.until < limit)
        query = (
            select(tickets)
            .outerjoin(presence, presence.c.member == tickets.c.owner)
            .where(tickets.c.status == "held", gone, tickets.c.claimed_at < limit)
        )
        with self._database.reading() as connection:
            return [_ticket(row) for row in connection.execute(query)]

    # --- reading ---------------------------------------------------------------------------------------------------

    def current(self, conversation: str) -> Ticket | None:
        """The open ticket of a conversation."""
        with self._database.reading() as connection:
            row = self._open_row(connection, conversation)
        return None if row is None else _ticket(row)

    def latest(self, conversation: str) -> Ticket | None:
        """The newest ticket of a conversation, open or ended."""
        query = select(tickets).where(tickets.c.conversation == conversation)
        with self._database.reading() as connection:
            newest = query.order_by(tickets.c.ended_at.is_not(None), tickets.c.opened_at.desc(), tickets.c.id)
            row = connection.execute(newest.limit(1)).first()
        return None if row is None else _ticket(row)

    def by_id(self, ticket: str) -> Ticket:
        """Raises Unknown."""
        with self._database.reading() as connection:
            return self._by_id(connection, ticket)

    def inbox(self) -> list[Ticket]:
        """All open tickets, the most pressing first, and the latest that ended."""
        first = select(tickets).where(tickets.c.status.in_(OPEN)).order_by(*ORDER)
        last = select(tickets).where(tickets.c.status == "ended").order_by(tickets.c.ended_at.desc())
        with self._database.reading() as connection:
            rows = [*connection.execute(first), *connection.execute(last.limit(RECENT_ENDED))]
        return [_ticket(row) for row in rows]

    def of_customer(self, customer: str, limit: int = 20) -> list[Ticket]:
        """A customer's tickets, newest first."""
        query = select(tickets).where(tickets.c.customer == customer).order_by(tickets.c.opened_at.desc())
        with self._database.reading() as connection:
            return [_ticket(row) for row in connection.execute(query.limit(limit))]

    def between(self, since: float, until: float) -> list[Ticket]:
        """Tickets opened in a period."""
        query = select(tickets).where(tickets.c.opened_at >= since, tickets.c.opened_at < until)
        with self._database.reading() as connection:
            return [_ticket(row) for row in connection.execute(query.order_by(tickets.c.opened_at))]

    def waiting(self) -> int:
        """How many wait to be taken."""
        with self._database.reading() as connection:
            query = select(func.count()).select_from(tickets).where(tickets.c.status == "waiting")
            return int(connection.execute(query).scalar() or 0)

    def ahead(self, ticket: Ticket) -> int:
        """How many waiting tickets are served before this one."""
        earlier = or_(
            tickets.c.urgency > ticket.urgency,
            and_(tickets.c.urgency == ticket.urgency, tickets.c.opened_at < ticket.opened_at),
        )
        query = select(func.count()).select_from(tickets).where(tickets.c.status == "waiting", earlier)
        with self._database.reading() as connection:
            return int(connection.execute(query).scalar() or 0)

    def handling_s(self) -> float:
        """How long people take for a conversation, on average of the latest."""
        spent = tickets.c.ended_at - tickets.c.claimed_at
        query = select(spent).where(tickets.c.ended_at.is_not(None), tickets.c.claimed_at.is_not(None))
        latest = query.order_by(tickets.c.ended_at.desc()).limit(rules()["handling_sample"])
        with self._database.reading() as connection:
            found = [float(one) for one in connection.execute(latest).scalars()]
        return sum(found) / len(found) if found else rules()["handling_minutes"] * 60.0

    def _open_row(self, connection: Connection, conversation: str) -> Row[Any] | None:
        query = select(tickets).where(tickets.c.conversation == conversation, tickets.c.status.in_(OPEN))
        return connection.execute(query).first()

    def _by_id(self, connection: Connection, ticket: str) -> Ticket:
        row = connection.execute(select(tickets).where(tickets.c.id == ticket)).first()
        if row is None:
            raise Unknown(ticket)
        return _ticket(row)


ORDER = (tickets.c.urgency.desc(), tickets.c.opened_at)


class Presence:
    """Who is at the desks right now, as their pages say by staying connected."""

    def __init__(self, database: Database, clock: Callable[[], float]) -> None:
        self._database = database
        self._clock = clock

    def seen(self, member: Member, away: bool | None = None) -> bool:
        """Somebody is there; `away` says whether they take new conversations, None leaves that. Whether they are."""
        until = self._clock() + rules()["on_duty_s"]
        values: dict[str, Any] = {
            "name": member.name, "role": member.role, "number": member.number, "licence": member.licence,
            "until": until,
        }  # fmt: skip
        with self._database.writing() as connection:
            this = presence.c.member == member.id
            known = connection.execute(select(presence.c.away).where(this)).scalar()
            chosen = bool(known) if away is None else away
            if known is None:
                connection.execute(insert(presence).values(member=member.id, away=chosen, **values))
            else:
                connection.execute(update(presence).where(this).values(away=chosen, **values))
        return chosen

    def gone(self, member: str) -> None:
        """Somebody closed their page."""
        with self._database.writing() as connection:
            connection.execute(update(presence).where(presence.c.member == member).values(until=self._clock()))

    def on_duty(self) -> list[Member]:
        """Who takes conversations now."""
        return self._members(presence.c.until >= self._clock(), presence.c.away.is_(False))

    def known(self) -> dict[str, Member]:
        """Everybody who was ever at a desk, by id."""
        return {one.id: one for one in self._members()}

    def _members(self, *which: Any) -> list[Member]:
        with self._database.reading() as connection:
            rows = connection.execute(select(presence).where(*which).order_by(presence.c.name))
            return [Member(row.member, row.name, row.role, row.number, row.licence) for row in rows]


def _mine(member: str) -> ColumnElement[bool]:
    return and_(tickets.c.status == "held", tickets.c.owner == member)


def _change(ticket: str, which: ColumnElement[bool], values: Mapping[str, Any]) -> Act:
    def act(connection: Connection) -> None:
        done = connection.execute(update(tickets).where(tickets.c.id == ticket, which).values(**values))
        if not done.rowcount:
            raise Lost

    return act


def _ticket(row: Row[Any]) -> Ticket:
    return Ticket(**{name: getattr(row, name) for name in FIELDS})
