"""One burst of a conversation: answered by the assistant, or passed to who is in charge. Read `serve` top to bottom."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any, Protocol

from assistant.channels.wecom import bot, events, kf, member
from assistant.channels.wecom.bot import Streams
from assistant.channels.wecom.delivery import ASSISTANT
from assistant.channels.wecom.desk import Desk
from assistant.channels.wecom.gate import PRODUCT_OFF, Gate
from assistant.channels.wecom.kf import KfCarrier, Session
from assistant.channels.wecom.messages import EVENT, Burst, Conversation, Messages
from assistant.channels.wecom.outbox import Outbox, Planned
from assistant.channels.wecom.parsing import word
from assistant.channels.wecom.settings import WecomSettings
from assistant.channels.wecom.splitting import fit, split
from assistant.log import Log
from assistant.record import plain
from assistant.turn import Asked, Customer, Reply
from knowledge.records.database import Database

WELCOME, TEXT_ONLY, BYE, MORE = "wecom_welcome", "wecom_text_only", "wecom_ended", "wecom_more"
FAILED = "check_failed"
CLOSED, CHANGED = 3, (1, 2, 4)
APP_PARTS = 5


class Answers(Protocol):
    """The conversation behind every channel."""

    def answer(self, asked: Asked) -> Reply:
        """The whole turn, logged; the same key in a conversation gives the same reply again."""
        ...


@dataclass(frozen=True, slots=True)
class Seams:
    """What answering is built of."""

    assistant: Answers
    gate: Gate
    desk: Desk
    log: Log
    database: Database
    messages: Messages
    outbox: Outbox
    session: Session
    carrier: KfCarrier
    streams: Streams
    settings: WecomSettings
    clock: Callable[[], float]


class Answering:
    """Turns bursts into planned messages. The caller holds the lease of the conversation."""

    def __init__(self, seams: Seams) -> None:
        self._seams = seams

    def serve(self, conversation: Conversation) -> bool:
        """Deal with the next burst; False when there is none. Raises when the log or WeCom cannot be reached: the burst
        stays as it was and is dealt with later, in the same form."""
        seams = self._seams
        burst = seams.messages.take(conversation.id)
        if burst is None:
            return False
        if burst.messages[0].kind.startswith(EVENT):
            self._event(conversation, burst)
            return True
        if seams.desk.in_charge(conversation.id):
            self._pass_on(conversation, burst, "desk")
            return True
        if conversation.channel == kf.CHANNEL and not seams.session.ours(conversation):
            self._pass_on(conversation, burst, "archive")
            return True
        if conversation.channel == kf.CHANNEL and seams.carrier.parts_left(conversation) <= 0:
            self._hold(conversation, burst)
            return True
        self._answer(conversation, burst)
        return True

    def _answer(self, conversation: Conversation, burst: Burst) -> None:
        seams = self._seams
        customer = seams.gate.customer(conversation.customer) if conversation.channel == kf.CHANNEL else None
        if not burst.text:
            self._say_fixed(conversation, burst, TEXT_ONLY)
            return
        asked = Asked(
            text=burst.text,
            channel=conversation.channel,
            today=seams.gate.today(),
            conversation=conversation.id,
            customer=customer,
            key=burst.id,
        )
        reply = seams.assistant.answer(asked)
        if reply.outcome == "handoff":
            seams.desk.handoff(conversation.id, reply)
        detail: dict[str, Any] = {"citations": plain([asdict(one) for one in reply.citations])}
        if (reply.intent == "product" or reply.products) and seams.gate.products_off(conversation.channel):
            said = seams.gate.fixed(PRODUCT_OFF, conversation.channel, customer)
            reply = replace(reply, **_spoken(said)) if said else replace(reply, text="", body="", notices=())
            detail = {"slot": PRODUCT_OFF, "instead_of": reply.turn}
        self._plan(conversation, burst, reply, detail, customer)

    def _plan(
        self, conversation: Conversation, burst: Burst, reply: Reply, detail: dict[str, Any], customer: Customer | None
    ) -> None:
        """Put the reply into the outbox, in as many messages as may be sent, and close the burst, at once."""
        pieces = self._pieces(conversation, reply, customer)
        code = self._seams.streams.id_of(burst.messages[-1].msgid) if conversation.channel == bot.CHANNEL else ""
        planned = [
            Planned(
                text=piece, speaker=ASSISTANT, turn=reply.turn or None, burst=burst.id, part=number,
                parts=len(pieces), code=code, detail=detail,
            )
            for number, piece in enumerate(pieces, start=1)
        ]  # fmt: skip
        if not planned:
            reason = "budget" if reply.text else "nothing_to_say"
            self._seams.log.append(conversation.id, events.WITHHELD, {"reason": reason, "turn": reply.turn})
        planned += self._afterwards(conversation, burst, reply, len(pieces))
        with self._seams.database.writing() as connection:
            self._seams.outbox.plan(connection, conversation.id, planned)
            if pieces:
                self._seams.messages.answered(connection, burst)
            else:
                self._seams.messages.finish(connection, burst.id)

    def _afterwards(self, conversation: Conversation, burst: Burst, reply: Reply, used: int) -> list[Planned]:
        """What follows an answer to a customer: that a picture or voice among the texts was not read, and the move into
        WeCom's own queue where the firm answers there."""
        if conversation.channel != kf.CHANNEL:
            return []
        found: list[Planned] = []
        mixed = bool(burst.text) and any(one.kind != "text" for one in burst.messages)
        if mixed and self._seams.carrier.parts_left(conversation) > used:
            said = self._seams.gate.fixed(TEXT_ONLY, conversation.channel, None)
            found += [] if said is None else [Planned(said.text, kf.SYSTEM, detail={"slot": TEXT_ONLY})]
        if reply.outcome == "handoff" and self._seams.settings.handoff == "wecom":
            found.append(Planned("", kf.SYSTEM, kind="trans", turn=reply.turn))
        return found

    def _pieces(self, conversation: Conversation, reply: Reply, customer: Customer | None) -> tuple[str, ...]:
        """The reply cut for its channel, within the budget of the moment. What does not fit gives way to a notice that
        there is more; sources and notices always stay; the shortened text is screened again."""
        most, limit = self._room(conversation)
        if not reply.text or most <= 0:
            return ()
        whole = split(reply.text, limit)
        if len(whole) <= most:
            return whole
        more = self._seams.gate.fixed(MORE, conversation.channel, customer)
        if more is not None:
            tail = reply.text.removeprefix(reply.body).strip()
            shortened = fit(reply.body, tail, most, limit, more.body)
            if self._seams.gate.passes("\n".join(shortened), customer):
                return shortened
        instead = self._seams.gate.fixed(FAILED, conversation.channel, customer)
        self._seams.desk.handoff(conversation.id, reply)
        return split(instead.text, limit)[:most] if instead is not None else ()

    def _room(self, conversation: Conversation) -> tuple[int, int]:
        """How many messages may be sent now, of how many bytes."""
        settings = self._seams.settings
        if conversation.channel == bot.CHANNEL:
            return 1, settings.stream_bytes
        if conversation.channel == member.CHANNEL:
            return APP_PARTS, settings.text_bytes
        return self._seams.carrier.parts_left(conversation), settings.text_bytes

    def _say_fixed(self, conversation: Conversation, burst: Burst, slot: str) -> None:
        """Answer a burst with a fixed text; when none may be said a person is asked to look."""
        said = self._seams.gate.fixed(slot, conversation.channel, None)
        kinds = sorted({one.kind for one in burst.messages})
        inbound = {"channel": conversation.channel, "kinds": kinds, "messages": [one.msgid for one in burst.messages]}
        if self._seams.log.entry(burst.id) is None:
            self._seams.log.append(conversation.id, events.INBOUND, inbound | {"text": ""}, turn=burst.id)
        reply = said or Reply(burst.id, conversation.id, "handoff", "human", "", "")
        if said is None:
            self._seams.desk.handoff(conversation.id, reply)
        self._plan(conversation, burst, replace(reply, turn=burst.id), {"slot": slot}, None)

    def _hold(self, conversation: Conversation, burst: Burst) -> None:
        """Nothing may be said before the customer writes again: the desk is told, which has a reserve; what they wrote
        is answered together with what they write next."""
        for one in burst.messages:
            self._seams.desk.wrote(conversation.id, one.msgid, self._seams.gate.masked(one.text))
        with self._seams.database.writing() as connection:
            self._seams.messages.hold(connection, burst)

    def _pass_on(self, conversation: Conversation, burst: Burst, to: str) -> None:
        """A person is in charge: log what came in, tell the desk, say nothing."""
        seams = self._seams
        for one in burst.messages:
            text = seams.gate.masked(one.text)
            entry = f"{burst.id}-{one.number}"
            if seams.log.entry(entry) is None:
                body = {"channel": conversation.channel, "to": to, "kind": one.kind, "message": one.msgid}
                raw = {"text": one.text}
                seams.log.append(conversation.id, events.INBOUND, body | {"text": text}, turn=entry, raw=raw)
            if to == "desk":
                seams.desk.wrote(conversation.id, one.msgid, text)
        with seams.database.writing() as connection:
            seams.messages.finish(connection, burst.id)

    def _event(self, conversation: Conversation, burst: Burst) -> None:
        """An event: a welcome, an end, a message that failed, what a person said in WeCom's client."""
        one = burst.messages[0]
        name, carried = one.kind.removeprefix(EVENT), json.loads(one.text) if one.text.startswith("{") else {}
        planned: list[Planned] = []
        if name == "enter_session" and (code := word(carried, "welcome_code")):
            planned = self._on_event(conversation, WELCOME, code, one.sent_at + kf.WELCOME_S)
        elif name == "session_status_change":
            planned = self._session_changed(conversation, carried, one.sent_at)
        elif name == "msg_send_fail":
            self._failed(conversation, carried)
        elif name == "servicer_said":
            self._pass_on(conversation, burst, "servicer")
        with self._seams.database.writing() as connection:
            self._seams.outbox.plan(connection, conversation.id, planned)
            self._seams.messages.finish(connection, burst.id)

    def _session_changed(self, conversation: Conversation, carried: dict[str, Any], at: float) -> list[Planned]:
        change = int(word(carried, "change_type") or 0)
        if change in CHANGED:
            self._seams.messages.set_state(conversation.id, kf.SERVED)
        if change != CLOSED:
            return []
        self._seams.messages.set_state(conversation.id, kf.ENDED)
        code = word(carried, "msg_code")
        return self._on_event(conversation, BYE, code, at + kf.END_S) if code else []

    def _failed(self, conversation: Conversation, carried: dict[str, Any]) -> None:
        """WeCom took a message and could not show it: the record says so."""
        one = self._seams.outbox.find(word(carried, "fail_msgid"))
        if one is None or one.status == "failed":
            return
        reason = f"fail_type_{word(carried, 'fail_type') or 'unknown'}"
        self._seams.log.append(conversation.id, events.UNDELIVERED, {"outbound": one.id, "reason": reason})
        self._seams.outbox.close(one, "failed", reason)

    def _on_event(self, conversation: Conversation, slot: str, code: str, expires_at: float) -> list[Planned]:
        """A fixed text sent with a single-use code."""
        said = self._seams.gate.fixed(slot, conversation.channel, None)
        if said is None:
            return []
        text = split(said.text, self._seams.settings.text_bytes)[0]
        detail = {"slot": slot}
        return [Planned(text, kf.SYSTEM, kind="event", code=code, expires_at=expires_at, detail=detail)]


def _spoken(said: Reply) -> dict[str, Any]:
    return {
        "text": said.text, "body": said.body, "notices": said.notices, "citations": (), "outcome": said.outcome,
    }  # fmt: skip
