"""What we want to say: kept before it is tried, logged before it leaves, sent in order, each message once."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from sqlalchemy import Connection, Row, func, insert, select, update

from assistant.channels.wecom.tables import outbox
from assistant.channels.wecom.vault import Vault
from assistant.log import new_id
from knowledge.records.database import Database

Kind = Literal["message", "event", "trans"]
Status = Literal["waiting", "sending", "sent", "withheld", "failed"]
OPEN: tuple[Status, ...] = ("waiting", "sending")


@dataclass(frozen=True, slots=True)
class Planned:
    """One message to be sent, an answer to an event (`code` is its single-use code), or a move into WeCom's own queue
    (trans). For 智能机器人 `code` is the stream. `detail` is what the log keeps besides: citations, slot."""

    text: str
    speaker: str
    kind: Kind = "message"
    turn: str | None = None
    burst: str | None = None
    part: int = 1
    parts: int = 1
    staff: str | None = None
    code: str = ""
    expires_at: float | None = None
    detail: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One message of the outbox. `id` is also the id WeCom knows it by, so that it cannot go out twice."""

    number: int
    id: str
    conversation: str
    status: Status
    attempts: int
    due_at: float
    created_at: float
    planned: Planned


class Outbox:
    """The table of what leaves."""

    def __init__(self, database: Database, vault: Vault, clock: Callable[[], float]) -> None:
        self._database = database
        self._vault = vault
        self._clock = clock

    def plan(self, connection: Connection, conversation: str, planned: Sequence[Planned]) -> list[str]:
        """Put messages at the end of a conversation's outbox; their ids."""
        ids = []
        for one in planned:
            ids.append(new_id())
            connection.execute(insert(outbox).values(**self._values(ids[-1], conversation, one)))
        return ids

    def next(self, conversation: str) -> Outgoing | None:
        """The first message of a conversation that did not leave yet."""
        query = select(outbox).where(outbox.c.conversation == conversation, outbox.c.status.in_(OPEN))
        with self._database.reading() as connection:
            row = connection.execute(query.order_by(outbox.c.number).limit(1)).first()
        return None if row is None else self._outgoing(row)

    def find(self, outgoing: str) -> Outgoing | None:
        """One message by its id."""
        with self._database.reading() as connection:
            row = connection.execute(select(outbox).where(outbox.c.id == outgoing)).first()
        return None if row is None else self._outgoing(row)

    def sending(self, one: Outgoing) -> None:
        """It is being tried now: from here on it counts as possibly sent."""
        self._set(one, status="sending", attempts=one.attempts + 1, sent_at=self._clock())

    def sent(self, one: Outgoing, connection: Connection | None = None) -> None:
        """It left."""
        self._set(one, connection, status="sent", reason=None, code="", text="")

    def put_off(self, one: Outgoing, due_at: float, *, left: bool) -> None:
        """Try again at `due_at`; `left` says that it may have left already."""
        undone: dict[str, Any] = {} if left else {"status": "waiting", "attempts": one.attempts, "sent_at": None}
        self._set(one, due_at=due_at, **undone)

    def close(self, one: Outgoing, status: Status, reason: str, *, connection: Connection | None = None) -> None:
        """It will not leave; what belongs to the same answer and did not leave yet stays behind with it."""
        self._set(one, connection, status=status, reason=reason, sent_at=None, code="", text="")

    def rest(self, connection: Connection, one: Outgoing) -> list[Outgoing]:
        """The later parts of the same answer that did not leave."""
        if one.planned.turn is None:
            return []
        query = select(outbox).where(
            outbox.c.conversation == one.conversation,
            outbox.c.turn == one.planned.turn,
            outbox.c.number > one.number,
            outbox.c.status.in_(OPEN),
        )
        return [self._outgoing(row) for row in connection.execute(query)]

    def sent_times(self, conversation: str, since: float) -> list[float]:
        """When messages left for a conversation since a time, newest first."""
        query = select(outbox.c.sent_at).where(outbox.c.conversation == conversation, outbox.c.sent_at > since)
        with self._database.reading() as connection:
            return [float(at) for at in connection.execute(query.order_by(outbox.c.sent_at.desc())).scalars()]

    def count_since(self, conversation: str, since: float) -> int:
        """How many messages count against the customer's last message."""
        query = select(func.count()).where(
            outbox.c.conversation == conversation, outbox.c.kind == "message", outbox.c.sent_at >= since
        )
        with self._database.reading() as connection:
            return int(connection.execute(query).scalar() or 0)

    def statuses(self, ids: Sequence[str]) -> dict[str, tuple[str, str | None]]:
        """{id: (status, reason)}."""
        query = select(outbox.c.id, outbox.c.status, outbox.c.reason).where(outbox.c.id.in_(ids))
        with self._database.reading() as connection:
            return {row.id: (row.status, row.reason) for row in connection.execute(query)}

    def _set(self, one: Outgoing, connection: Connection | None = None, **values: Any) -> None:
        changed = update(outbox).where(outbox.c.id == one.id).values(**values)
        if connection is not None:
            connection.execute(changed)
            return
        with self._database.writing() as own:
            own.execute(changed)

    def _values(self, own_id: str, conversation: str, one: Planned) -> dict[str, Any]:
        now = self._clock()
        return {
            "id": own_id, "conversation": conversation, "kind": one.kind, "code": self._vault.seal(one.code),
            "expires_at": one.expires_at, "turn": one.turn, "burst": one.burst, "part": one.part, "parts": one.parts,
            "speaker": one.speaker, "staff": one.staff, "text": self._vault.seal(one.text),
            "detail": json.dumps(dict(one.detail), ensure_ascii=False), "status": "waiting", "attempts": 0,
            "created_at": now, "due_at": now,
        }  # fmt: skip

    def _outgoing(self, row: Row[Any]) -> Outgoing:
        planned = Planned(
            self._vault.open(row.text), row.speaker, row.kind, row.turn, row.burst, row.part, row.parts, row.staff,
            self._vault.open(row.code), row.expires_at, json.loads(row.detail),
        )  # fmt: skip
        return Outgoing(
            row.number, row.id, row.conversation, row.status, row.attempts, row.due_at, row.created_at, planned
        )
