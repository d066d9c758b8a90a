"""Sends what is in the outbox, in order: checked once more, logged, marked, sent, and the outcome kept.

A crash at any point repeats at most the call itself, under the same id, which WeCom takes once. What became impossible
is withheld with its reason, together with the rest of the same answer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from assistant.channels.wecom import events
from assistant.channels.wecom.desk import Desk
from assistant.channels.wecom.errors import Uncertain, Unreachable, WecomError
from assistant.channels.wecom.gate import Gate
from assistant.channels.wecom.messages import Conversation, Messages
from assistant.channels.wecom.outbox import Outbox, Outgoing
from assistant.log import Log
from assistant.turn import Citation
from knowledge.records.database import Database

SLOW_S = 60.0
RETRY_S = 1.0
MOST_RETRY_S = 300.0
ASSISTANT = "assistant"
CURABLE = ("token", "settings", "permission")  # not the message's fault: it waits until the cause is mended
CUSTOMERS = "wecom-kf"  # a customer is in the log as their conversation only


@dataclass(frozen=True, slots=True)
class Ready:
    """It may be sent now."""


@dataclass(frozen=True, slots=True)
class Wait:
    """It may be sent at a time."""

    until: float


@dataclass(frozen=True, slots=True)
class Withhold:
    """It may not be sent any more; `reason` is a closed word."""

    reason: str


Leave = Ready | Wait | Withhold


class Carrier(Protocol):
    """How one channel sends: 微信客服, the self-built app, 智能机器人."""

    def may_send(self, conversation: Conversation, one: Outgoing) -> Leave: ...

    def send(self, conversation: Conversation, one: Outgoing) -> None:
        """Raises WecomError, Unreachable or Uncertain. Sending the same id again must not show it twice."""
        ...

    def refused(self, conversation: Conversation, one: Outgoing, error: WecomError) -> Leave:
        """What to do after WeCom refused it: Ready means try once more at once."""
        ...


class Delivery:
    """Empties outboxes. The caller holds the lease of the conversation."""

    def __init__(
        self,
        database: Database,
        outbox: Outbox,
        messages: Messages,
        log: Log,
        desk: Desk,
        gate: Gate,
        carriers: Mapping[str, Carrier],
        clock: Callable[[], float],
    ) -> None:
        self._database = database
        self._outbox = outbox
        self._messages = messages
        self._log = log
        self._desk = desk
        self._gate = gate
        self._carriers = carriers
        self._clock = clock

    def deliver(self, conversation: Conversation) -> None:
        """Send what is due, in order. Raises NotLogged when the log takes nothing: then nothing leaves."""
        while (one := self._outbox.next(conversation.id)) is not None:
            now = self._messages.conversation(conversation.id) or conversation
            if one.due_at > self._clock() or not self._one(now, one):
                return

    def _one(self, conversation: Conversation, one: Outgoing) -> bool:
        """Whether the next message may be looked at."""
        carrier = self._carriers[conversation.channel]
        match self._may_leave(conversation, one, carrier):
            case Withhold(reason):
                self._hold(conversation, one, reason)
                return True
            case Wait(until):
                self._outbox.put_off(one, until, left=False)
                return False
        self._write_down(conversation, one)
        self._outbox.sending(one)
        return self._send(conversation, one, carrier, again=True)

    def _may_leave(self, conversation: Conversation, one: Outgoing, carrier: Carrier) -> Leave:
        if one.planned.expires_at is not None and one.planned.expires_at <= self._clock():
            return Withhold("expired")
        if one.planned.speaker == ASSISTANT and self._desk.in_charge(conversation.id):
            return Withhold("person_in_charge")
        if one.status == "sending":
            return Ready()  # it may have left already: the same id settles it
        if one.planned.speaker == ASSISTANT and not self._gate.holds(_citations(one.planned.detail)):
            return Withhold("source_withdrawn")
        return carrier.may_send(conversation, one)

    def _send(self, conversation: Conversation, one: Outgoing, carrier: Carrier, *, again: bool) -> bool:
        try:
            carrier.send(conversation, one)
        except WecomError as error:
            return self._refused(conversation, one, carrier, error, again=again)
        except Unreachable:
            self._outbox.put_off(one, self._backoff(one), left=one.attempts > 0)
            return False
        except Uncertain:
            self._outbox.put_off(one, self._backoff(one), left=True)
            return False
        self._finish(one)
        return True

    def _refused(
        self, conversation: Conversation, one: Outgoing, carrier: Carrier, error: WecomError, *, again: bool
    ) -> bool:
        if error.action == "duplicate" or (one.attempts and error.action in ("refused", "late")):
            self._finish(one)  # an earlier try, whose answer was lost, had left
            return True
        if error.action in ("slow", "again"):
            self._outbox.put_off(one, self._clock() + SLOW_S, left=one.attempts > 0)
            return False
        if error.action in CURABLE:
            self._outbox.put_off(one, self._backoff(one), left=one.attempts > 0)
            return False
        match carrier.refused(conversation, one, error):
            case Ready() if again:
                return self._send(conversation, one, carrier, again=False)
            case Wait(until):
                self._outbox.put_off(one, until, left=one.attempts > 0)
                return False
            case Withhold(reason):
                self._hold(conversation, one, reason, code=error.code)
            case _:
                self._hold(conversation, one, error.action, code=error.code)
        return True

    def _write_down(self, conversation: Conversation, one: Outgoing) -> None:
        """The log has it before it leaves; after a crash it has it already."""
        if self._log.entry(one.id) is not None:
            return
        planned = one.planned
        if planned.kind == "trans":
            self._log.append(conversation.id, events.STATE, {"to": "queue", "turn": planned.turn}, turn=one.id)
            return
        body: dict[str, Any] = {
            "channel": conversation.channel,
            "account": conversation.account,
            "to": None if conversation.channel == CUSTOMERS else conversation.customer,
            "speaker": planned.speaker,
            "staff": planned.staff,
            "kind": planned.kind,
            "turn": planned.turn,
            "part": [planned.part, planned.parts],
            "text": planned.text,
            **planned.detail,
        }
        self._log.append(conversation.id, events.OUTBOUND, body, turn=one.id)

    def _finish(self, one: Outgoing) -> None:
        with self._database.writing() as connection:
            self._outbox.sent(one, connection)
            if one.planned.burst is not None and one.planned.part == one.planned.parts:
                self._messages.finish(connection, one.planned.burst)

    def _hold(self, conversation: Conversation, one: Outgoing, reason: str, code: int | None = None) -> None:
        """Keep a message and the rest of its answer back, with the reason in the log. An answer whose source was
        withdrawn before any of it left is given anew."""
        written = self._log.entry(one.id) is not None
        with self._database.writing() as connection:
            parts = [one, *self._outbox.rest(connection, one)]
            for part in parts:
                self._outbox.close(part, "withheld", reason, connection=connection)
            if (burst := one.planned.burst) is not None:
                if reason == "source_withdrawn" and one.planned.part == 1:
                    self._messages.reopen(connection, burst)
                    self._messages.wake(connection, conversation.id, self._clock())
                else:
                    self._messages.finish(connection, burst)
        text = "\n".join(part.planned.text for part in parts)
        body = {"reason": reason, "errcode": code, "turn": one.planned.turn, "speaker": one.planned.speaker}
        event = events.UNDELIVERED if written else events.WITHHELD
        self._log.append(conversation.id, event, body | {"outbound": one.id, "text": self._gate.masked(text)})

    def _backoff(self, one: Outgoing) -> float:
        """Wait as long again as half the time it waited so far."""
        now = self._clock()
        return now + min(MOST_RETRY_S, max(RETRY_S, (now - one.created_at) / 2))


def _citations(detail: Mapping[str, Any]) -> list[Citation]:
    """The sources an answer named, as far as checking them again needs."""
    return [
        Citation(one["document"], one["version"], one.get("title", ""), None, one.get("passage", ""), "")
        for one in detail.get("citations", ())
    ]
