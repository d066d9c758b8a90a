"""What people say to customers, on its way. Log row and message are one transaction: a message that is logged is ready
for delivery, one that is not was never sent, whatever crashes in between.

The customer's page reads ready messages by their sequence and keeps their ids, so that each is shown once. A channel of
its own (WeCom) is handed the message after the commit; what a crash leaves between is not sent a second time but marked
for a person to look at.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, func, insert, select, update

from assistant.desk.events import DESK, OUTBOUND
from assistant.desk.tables import drafts, messages, tickets
from assistant.desk.tickets import Tickets
from assistant.desk.values import NotYours
from assistant.log import Log, NotLogged, new_id
from knowledge.records.database import Database

WEB = "web"


class Stale(Exception):
    """The customer wrote after what this answers. `newest` is the id of their last message."""

    def __init__(self, newest: str) -> None:
        super().__init__(newest)
        self.newest = newest


class Sent(Exception):
    """A message with this key was sent before."""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One message of a person. `status`: sending (logged, a channel is bringing it), ready (the customer's page may
    show it, or the channel took it), failed. `sequence` counts a conversation's messages."""

    id: str
    conversation: str
    ticket: str
    key: str
    sequence: int
    status: str
    author: str
    body: Mapping[str, Any]
    draft: str | None
    ready_at: float
    delivered_at: float | None


class Outbox:
    """The rows of messages. `carry` brings one to a channel of its own; None when it is on its way, else why not."""

    def __init__(
        self,
        database: Database,
        log: Log,
        queue: Tickets,
        clock: Callable[[], float],
        carry: Callable[[Outgoing], str | None],
    ) -> None:
        self._database = database
        self._log = log
        self._queue = queue
        self._clock = clock
        self._carry = carry

    def known(self, conversation: str, key: str) -> Outgoing | None:
        """The message sent under a key before."""
        query = select(messages).where(messages.c.conversation == conversation, messages.c.key == key)
        with self._database.reading() as connection:
            row = connection.execute(query).first()
        return None if row is None else _outgoing(row)

    def send(
        self, conversation: str, member: str, key: str, answering: str, body: Mapping[str, Any], draft: str | None
    ) -> Outgoing:
        """Log a message and make it ready, if this person has the conversation and the customer wrote nothing since.
        A key used before gives the message it gave then. Raises NotYours, Stale, NotLogged; then nothing was sent."""
        message = new_id()

        def act(connection: Connection) -> None:
            this = messages.c.conversation == conversation
            if connection.execute(select(messages.c.id).where(this, messages.c.key == key)).first() is not None:
                raise Sent
            held = select(tickets).where(tickets.c.conversation == conversation, tickets.c.status == "held")
            ticket = connection.execute(held).first()
            if ticket is None or ticket.owner != member:
                raise NotYours(None if ticket is None else ticket.owner)
            if ticket.newest != answering:
                raise Stale(ticket.newest)
            self._keep(connection, message, ticket.id, conversation, member, key, body, draft)

        event = OUTBOUND if body["channel"] == WEB else DESK
        try:
            self._log.append(conversation, event, body, turn=message, act=act)
        except NotLogged as error:
            if isinstance(error.__cause__, Sent):
                found = self.known(conversation, key)
                assert found is not None
                return found
            if isinstance(error.__cause__, NotYours | Stale):
                raise error.__cause__ from None
            raise
        return self._brought(self.one(message))

    def recover(self) -> list[Outgoing]:
        """Mark what another channel may or may not have taken when a crash came: a person looks at it."""
        query = select(messages).where(messages.c.status == "sending")
        with self._database.reading() as connection:
            left = [row.id for row in connection.execute(query)]
        for message in left:
            self._set(message, status="failed")
        return [self.one(message) for message in left]

    def ready_after(self, conversation: str, after: int) -> list[Outgoing]:
        """What the customer's page has not shown yet, in order."""
        query = select(messages).where(
            messages.c.conversation == conversation, messages.c.status == "ready", messages.c.sequence > after
        )
        with self._database.reading() as connection:
            return [_outgoing(row) for row in connection.execute(query.order_by(messages.c.sequence))]

    def delivered(self, ids: Sequence[str]) -> None:
        """The customer's page was sent these."""
        with self._database.writing() as connection:
            these = messages.c.id.in_(ids) & messages.c.delivered_at.is_(None)
            connection.execute(update(messages).where(these).values(delivered_at=self._clock()))

    def hide(self, conversation: str) -> None:
        """The customer had the conversation erased: its messages are not shown again. The log keeps them."""
        with self._database.writing() as connection:
            these = (messages.c.conversation == conversation) & (messages.c.status == "ready")
            connection.execute(update(messages).where(these).values(status="hidden"))

    def of_conversation(self, conversation: str) -> dict[str, Outgoing]:
        """Every message of a conversation by id."""
        query = select(messages).where(messages.c.conversation == conversation)
        with self._database.reading() as connection:
            return {row.id: _outgoing(row) for row in connection.execute(query)}

    def between(self, since: float, until: float) -> list[Outgoing]:
        """The messages of a period."""
        query = select(messages).where(messages.c.ready_at >= since, messages.c.ready_at < until)
        with self._database.reading() as connection:
            return [_outgoing(row) for row in connection.execute(query)]

    def one(self, message: str) -> Outgoing:
        with self._database.reading() as connection:
            return _outgoing(connection.execute(select(messages).where(messages.c.id == message)).one())

    def _brought(self, message: Outgoing) -> Outgoing:
        """Hand a message to the channel that brings it; the web page fetches its own."""
        if message.status != "sending":
            return message
        trouble = self._carry(message)
        if trouble is None:
            self._set(message.id, status="ready", delivered_at=self._clock())
        else:
            self._set(message.id, status="failed")
        return self.one(message.id)

    def _keep(
        self,
        connection: Connection,
        message: str,
        ticket: str,
        conversation: str,
        member: str,
        key: str,
        body: Mapping[str, Any],
        draft: str | None,
    ) -> None:
        now = self._clock()
        this = messages.c.conversation == conversation
        last = connection.execute(select(func.max(messages.c.sequence)).where(this)).scalar() or 0
        connection.execute(
            insert(messages).values(
                id=message,
                conversation=conversation,
                ticket=ticket,
                key=key,
                sequence=int(last) + 1,
                status="ready" if body["channel"] == WEB else "sending",
                author=member,
                body=dict(body),
                draft=draft,
                ready_at=now,
            )
        )
        self._queue.replied(connection, ticket, now)
        if draft is not None:
            state = "sent" if body["draft"]["acceptance"] == "as_is" else "edited"
            connection.execute(update(drafts).where(drafts.c.id == draft).values(state=state))

    def _set(self, message: str, **values: Any) -> None:
        with self._database.writing() as connection:
            this = (messages.c.id == message) & (messages.c.status == "sending")
            connection.execute(update(messages).where(this).values(**values))


def _outgoing(row: Row[Any]) -> Outgoing:
    return Outgoing(
        row.id, row.conversation, row.ticket, row.key, row.sequence, row.status, row.author, row.body, row.draft,
        row.ready_at, row.delivered_at,
    )  # fmt: skip
