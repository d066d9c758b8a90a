"""Customers' messages and conversations: kept once, in order, merged into bursts, taken by one worker at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, func, insert, or_, select, update

from assistant.channels.wecom.settings import WecomSettings
from assistant.channels.wecom.tables import conversations, cursors, messages, outbox
from assistant.channels.wecom.vault import Vault
from assistant.log import new_id
from knowledge.records.database import Database

EVENT = "event:"
BEFORE_START = 0.0
BUDGETED = "wecom-kf"
PATIENCE = (1, 3, 8)


@dataclass(frozen=True, slots=True)
class Incoming:
    """One message or event of a customer. `text` is what they wrote, or for an event what it carries as JSON."""

    channel: str
    account: str
    customer: str
    msgid: str
    kind: str
    text: str
    sent_at: float


@dataclass(frozen=True, slots=True)
class Conversation:
    """Where a customer or a member of staff talks with us. `state` is 微信客服's 0–4, None when not known yet."""

    id: str
    channel: str
    account: str
    customer: str
    state: int | None
    last_customer_at: float
    failures: int


@dataclass(frozen=True, slots=True)
class Taken:
    """One message of a burst."""

    number: int
    msgid: str
    kind: str
    text: str
    sent_at: float


@dataclass(frozen=True, slots=True)
class Burst:
    """Messages that are answered together. The id is the same again after a crash, so the answer is too."""

    id: str
    messages: tuple[Taken, ...]

    @property
    def text(self) -> str:
        """What was written, in order, one message a line."""
        return "\n".join(one.text for one in self.messages if one.kind == "text" and one.text.strip())


class Messages:
    """The tables of conversations, messages and cursors."""

    def __init__(self, database: Database, vault: Vault, settings: WecomSettings, clock: Callable[[], float]) -> None:
        self._database = database
        self._vault = vault
        self._settings = settings
        self._clock = clock

    def conversation_id(self, channel: str, account: str, customer: str) -> str:
        """The name of a conversation, which nobody can guess."""
        return self._vault.name("conversation", channel, account, customer)

    def add(self, connection: Connection, given: Iterable[Incoming], dropped: str | None = None) -> int:
        """Keep messages not seen before; how many were new. With `dropped` they are kept as not to be answered."""
        fresh = {(one.channel, one.msgid): one for one in reversed(list(given))}
        added = 0
        for one in reversed(list(fresh.values())):
            known = select(messages.c.number).where(messages.c.channel == one.channel, messages.c.msgid == one.msgid)
            if connection.execute(known).first() is not None:
                continue
            self._add(connection, one, dropped)
            added += 1
        return added

    def cursor(self, account: str) -> str:
        """How far an account was read; "" when never."""
        with self._database.reading() as connection:
            found = connection.execute(select(cursors.c.cursor).where(cursors.c.account == account)).scalar()
        return str(found or "")

    def set_cursor(self, connection: Connection, account: str, cursor: str) -> None:
        """Remember how far an account was read, in the same transaction as what was read."""
        values = {"cursor": cursor, "synced_at": self._clock()}
        changed = connection.execute(update(cursors).where(cursors.c.account == account).values(**values))
        if changed.rowcount == 0:
            connection.execute(insert(cursors).values(account=account, **values))

    def accounts(self) -> list[str]:
        """The 微信客服 accounts ever read."""
        with self._database.reading() as connection:
            return list(connection.execute(select(cursors.c.account)).scalars())

    def due(self, limit: int = 20) -> list[Conversation]:
        """Conversations with something to do now, longest waiting first."""
        query = select(conversations).where(conversations.c.due_at <= self._clock())
        with self._database.reading() as connection:
            rows = connection.execute(query.order_by(conversations.c.due_at).limit(limit)).all()
        return [_conversation(row) for row in rows]

    def conversation(self, conversation: str) -> Conversation | None:
        with self._database.reading() as connection:
            row = connection.execute(select(conversations).where(conversations.c.id == conversation)).first()
        return None if row is None else _conversation(row)

    def of_customer(self, customer: str, channel: str, account: str | None = None) -> Conversation | None:
        """The conversation of a customer in which they wrote last."""
        query = select(conversations).where(conversations.c.customer == customer, conversations.c.channel == channel)
        if account is not None:
            query = query.where(conversations.c.account == account)
        with self._database.reading() as connection:
            row = connection.execute(query.order_by(conversations.c.last_customer_at.desc()).limit(1)).first()
        return None if row is None else _conversation(row)

    def newest(self, conversation: str) -> str | None:
        """The id of the last message the customer wrote."""
        query = (
            select(messages.c.msgid)
            .where(messages.c.conversation == conversation, messages.c.kind.not_like(f"{EVENT}%"))
            .order_by(messages.c.sent_at.desc(), messages.c.number.desc())
        )
        with self._database.reading() as connection:
            found = connection.execute(query.limit(1)).scalar()
        return None if found is None else str(found)

    def take(self, conversation: str) -> Burst | None:
        """The next burst: one left over from a crash, else what is pending and complete. An event is one of its own."""
        with self._database.writing() as connection:
            rows = self._open(connection, conversation, "taken")
            if rows:
                return self._burst(rows[0].burst, [row for row in rows if row.burst == rows[0].burst])
            rows = self._first_burst(self._open(connection, conversation, "pending"))
            if not rows or self._ripe(connection, conversation, rows) > self._clock():
                return None
            if not rows[0].kind.startswith(EVENT):
                rows = self._open(connection, conversation, "held") + rows
            burst = new_id()
            self._set(connection, [row.number for row in rows], status="taken", burst=burst)
        return self._burst(burst, rows)

    def answered(self, connection: Connection, burst: Burst) -> None:
        """The answer to a burst is in the outbox."""
        self._set(connection, [one.number for one in burst.messages], status="answered")

    def finish(self, connection: Connection, burst: str) -> None:
        """Nothing more will be said to a burst; what was written is wiped, the log keeps it."""
        connection.execute(update(messages).where(messages.c.burst == burst).values(status="done", text=""))

    def hold(self, connection: Connection, burst: Burst) -> None:
        """Nothing may be said until the customer writes again: then these are answered with what they write."""
        self._set(connection, [one.number for one in burst.messages], status="held", burst=None)

    def reopen(self, connection: Connection, burst: str) -> None:
        """The answer to a burst may not leave any more: it is to be answered anew, under another id."""
        this = (messages.c.burst == burst) & (messages.c.status == "answered")
        connection.execute(update(messages).where(this).values(status="pending", burst=None))

    def recall(self, connection: Connection, channel: str, msgid: str) -> None:
        """The customer took a message back; when it was not taken up yet it is not answered."""
        this = (messages.c.channel == channel) & (messages.c.msgid == msgid) & (messages.c.status == "pending")
        connection.execute(update(messages).where(this).values(status="dropped", text=""))

    def set_state(self, conversation: str, state: int) -> None:
        """Remember the service state of a 微信客服 conversation."""
        with self._database.writing() as connection:
            connection.execute(update(conversations).where(conversations.c.id == conversation).values(state=state))

    def settle(self, conversation: str, *, failed: bool = False) -> None:
        """Decide when the conversation is looked at next: its pending burst, its unsent messages, or not at all.
        A failure puts it off, longer each time, at most five minutes."""
        with self._database.writing() as connection:
            this = conversations.c.id == conversation
            row = connection.execute(select(conversations).where(this)).one()
            failures = row.failures + 1 if failed else 0
            due = self._next(connection, conversation)
            if due is not None and failed:
                due = max(due, self._clock() + min(300.0, 0.5 * 2 ** min(failures, 10)))
            connection.execute(update(conversations).where(this).values(due_at=due, failures=failures))

    def wake(self, connection: Connection, conversation: str, at: float) -> None:
        """Have the conversation looked at no later than `at`."""
        later = conversations.c.due_at.is_(None) | (conversations.c.due_at > at)
        this = (conversations.c.id == conversation) & later
        connection.execute(update(conversations).where(this).values(due_at=at))

    def _next(self, connection: Connection, conversation: str) -> float | None:
        times = []
        if self._open(connection, conversation, "taken"):
            times.append(self._clock())
        if rows := self._first_burst(self._open(connection, conversation, "pending")):
            times.append(self._ripe(connection, conversation, rows))
        unsent = select(outbox.c.due_at).where(
            outbox.c.conversation == conversation, outbox.c.status.in_(("waiting", "sending"))
        )
        first = connection.execute(unsent.order_by(outbox.c.number).limit(1)).scalar()
        if first is not None:
            times.append(float(first))
        return min(times, default=None)

    def _ripe(self, connection: Connection, conversation: str, rows: Sequence[Row[Any]]) -> float:
        """When a burst is complete: a moment after its last message, not long after its first; an event at once. The
        more was said since the customer's last message, the longer: what is left of the budget must serve all of it."""
        if rows[0].kind.startswith(EVENT):
            return BEFORE_START
        first, last = min(row.arrived_at for row in rows), max(row.arrived_at for row in rows)
        patience = PATIENCE[min(self._said(connection, conversation), len(PATIENCE) - 1)]
        wait, most = self._settings.merge_s * patience, self._settings.merge_most_s * patience
        return float(min(last + wait, first + most))

    def lagging(self, conversation: str) -> bool:
        """Whether messages wait in a conversation in which something was said since the customer last wrote."""
        with self._database.reading() as connection:
            waiting = self._open(connection, conversation, "pending")
            return bool(waiting) and self._said(connection, conversation) > 0

    def _said(self, connection: Connection, conversation: str) -> int:
        """How many messages of 微信客服 were sent, or wait to be, since the customer's last message."""
        row = connection.execute(select(conversations).where(conversations.c.id == conversation)).first()
        if row is None or row.channel != BUDGETED:
            return 0
        counted = or_(outbox.c.sent_at >= row.last_customer_at, outbox.c.status.in_(("waiting", "sending")))
        query = select(func.count()).where(outbox.c.conversation == conversation, outbox.c.kind == "message", counted)
        return int(connection.execute(query).scalar() or 0)

    def _first_burst(self, rows: Sequence[Row[Any]]) -> list[Row[Any]]:
        if not rows:
            return []
        if rows[0].kind.startswith(EVENT):
            return [rows[0]]
        taken: list[Row[Any]] = []
        length = 0
        for row in rows:
            length += len(self._vault.open(row.text)) + 1
            if row.kind.startswith(EVENT) or (taken and length > self._settings.max_chars):
                break
            taken.append(row)
        return taken

    def _open(self, connection: Connection, conversation: str, status: str) -> list[Row[Any]]:
        query = select(messages).where(messages.c.conversation == conversation, messages.c.status == status)
        return list(connection.execute(query.order_by(messages.c.sent_at, messages.c.number)))

    def _add(self, connection: Connection, one: Incoming, dropped: str | None) -> None:
        conversation = self.conversation_id(one.channel, one.account, one.customer)
        now = self._clock()
        values = {
            "channel": one.channel, "msgid": one.msgid, "conversation": conversation, "kind": one.kind,
            "sent_at": one.sent_at, "arrived_at": now,
        }  # fmt: skip
        text, status = ("", "dropped") if dropped else (self._vault.seal(one.text), "pending")
        connection.execute(insert(messages).values(**values, text=text, status=status))
        spoke = one.sent_at if not one.kind.startswith(EVENT) else 0.0
        this = conversations.c.id == conversation
        known = connection.execute(select(conversations.c.last_customer_at).where(this)).scalar()
        if known is None:
            fields = {"id": conversation, "channel": one.channel, "account": one.account, "customer": one.customer}
            connection.execute(insert(conversations).values(**fields, last_customer_at=spoke, failures=0))
        elif spoke > known:
            connection.execute(update(conversations).where(this).values(last_customer_at=spoke))
        if dropped:
            return
        due = self._next(connection, conversation)
        connection.execute(update(conversations).where(this).values(due_at=due))

    def _set(self, connection: Connection, numbers: Sequence[int], **values: Any) -> None:
        connection.execute(update(messages).where(messages.c.number.in_(numbers)).values(**values))

    def _burst(self, burst: str, rows: Sequence[Row[Any]]) -> Burst:
        return Burst(
            burst,
            tuple(Taken(row.number, row.msgid, row.kind, self._vault.open(row.text), row.sent_at) for row in rows),
        )


def _conversation(row: Row[Any]) -> Conversation:
    return Conversation(row.id, row.channel, row.account, row.customer, row.state, row.last_customer_at, row.failures)
