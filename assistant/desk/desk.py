"""The desk as the assistant, the channels and the customer's page see it: who is in charge, who waits, what was left.

The assistant asks `in_charge` before it answers and is mute while a person has the conversation. Whatever brings a
conversation here is read from the log, so a crash between the reply and its ticket is mended by `recover`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import select

from assistant import flow
from assistant.desk import card, settings
from assistant.desk.complaints import ANYBODY, Complaints
from assistant.desk.events import DESK, RATING
from assistant.desk.live import STAFF, Hub, customer
from assistant.desk.outbox import Outbox, Outgoing
from assistant.desk.runs import Runs
from assistant.desk.summary import PERSON, short, summary
from assistant.desk.tickets import Presence, Tickets
from assistant.desk.timeline import seconds
from assistant.desk.values import Carrier, Lost, Member, Ticket
from assistant.ledger import personal
from assistant.log import SHANGHAI, Act, Entry, Log, NotLogged, log_turns, new_id
from assistant.record import plain
from assistant.seams import Parts
from assistant.turn import Asked, Reply
from knowledge.records.database import Database
from knowledge.records.materials import Materials

WEB = "web"
ROWS_RECOVERED = 5000
SWEEP_S = 15.0


@dataclass(frozen=True, slots=True)
class Standing:
    """What a customer's page says of a person: `state` none, waiting, person or ended. `ahead` are those served before;
    `minutes` is None when nobody is there to expect anything of."""

    state: str
    ticket: str | None = None
    ahead: int = 0
    minutes: int | None = None
    open: bool = False
    on_duty: bool = False
    hours: str = ""
    opens_at: str | None = None
    person: Member | None = None
    can_rate: bool = False
    rating: int | None = None
    complaint: str | None = None
    due_on: str | None = None


class Desk:
    """The desk of an installation. Built once; safe to call from many threads."""

    def __init__(self, parts: Parts, materials: Materials, database: Database, clock: Callable[[], float]) -> None:
        self.parts = parts
        self.materials = materials
        self.database = database
        self.clock = clock
        self.log: Log = parts.log
        self.hub = Hub()
        self.carriers: dict[str, Carrier] = {}
        self.tickets = Tickets(database, clock)
        self.presence = Presence(database, clock)
        self.outbox = Outbox(database, self.log, self.tickets, clock, self._carry)
        self.complaints = Complaints(database, self.log, materials.all_facts, clock)
        self.runs = Runs(database, clock)
        self._stopping = threading.Event()
        self._sweeper: threading.Thread | None = None

    # --- the server's life -----------------------------------------------------------------------------------------

    def start(self) -> None:
        """Finish what a crash left behind, then watch over what nobody looks after any more."""
        self.recover()
        self._stopping.clear()
        self._sweeper = threading.Thread(target=self._sweep, name="desk", daemon=True)
        self._sweeper.start()

    def stop(self) -> None:
        """End the watch."""
        self._stopping.set()
        if self._sweeper is not None:
            self._sweeper.join(5)

    def recover(self) -> None:
        """Make ready what was logged and not ready, and open the tickets that handed-over turns should have."""
        for message in self.outbox.recover():
            self.changed(message.conversation)
        query = select(log_turns).order_by(log_turns.c.number.desc()).limit(ROWS_RECOVERED)
        lost = query.where(log_turns.c.event == "turn", log_turns.c.body.like('%"outcome":"handoff"%'))
        with self.database.reading() as connection:
            ids = [row.id for row in connection.execute(lost)]
        for turn in reversed(ids):
            entry = self.log.entry(turn)
            if entry is not None and not self._covered(entry):
                self._open(entry, None)

    def sweep(self) -> None:
        """Give back to the queue what is held by somebody who left the desk; the assistant answers meanwhile."""
        for ticket in self.tickets.abandoned(settings.rules()["absent_s"]):
            if ticket.owner:
                self.done(ticket, "abandoned", ANYBODY, self.tickets.unclaiming(ticket.id, ticket.owner))

    # --- what the assistant and the channels ask -------------------------------------------------------------------

    def in_charge(self, conversation: str) -> bool:
        """Whether a person has the conversation."""
        ticket = self.tickets.current(conversation)
        return ticket is not None and ticket.status == "held"

    def may_leave(self, conversation: str) -> bool:
        """Whether messages may be left for a person: somebody has the conversation or it waits for one."""
        return self.tickets.current(conversation) is not None

    def facts(self) -> dict[str, Any]:
        """What fixed texts may say of the queue; nothing while nobody is there to be queued for."""
        open_now = settings.hours(self.materials.all_facts()).open_at(self._now())
        return {"position": self.tickets.waiting()} if open_now else {}

    def turned(self, asked: Asked, reply: Reply) -> None:
        """The assistant took a turn: a hand-over opens a ticket, another word in an open one is noticed."""
        if reply.outcome == "handoff":
            self.handoff(reply.conversation, reply, asked)
            return
        if self.tickets.heard(reply.conversation, reply.turn, short(asked.text, settings.rules()["preview"])):
            self.changed(reply.conversation)

    def handoff(self, conversation: str, reply: Reply, asked: Asked | None = None) -> None:
        """The assistant handed a conversation over. Told twice of the same turn it does nothing more."""
        entry = self.log.entry(reply.turn)
        if entry is not None and entry.conversation == conversation:
            self._open(entry, asked)

    def wrote(self, conversation: str, message: str, text: str) -> None:
        """The customer wrote to the person, or left a message. `message` is its id in the log; personal data in `text`
        is masked."""
        routing = self.parts.router.route(text)
        urgency = 0
        if routing.intent in ("distress", "fraud", "complaint") and routing.confidence >= self.parts.settings.sure_care:
            ticket = self.tickets.current(conversation)
            urgency = _urgency(routing.intent, ticket is not None and ticket.senior)
        self.tickets.heard(conversation, message, short(text, settings.rules()["preview"]), urgency, routing.intent)
        self.changed(conversation)

    def erased(self, conversation: str) -> None:
        """The customer had the conversation erased: nobody looks after it any more."""
        self.outbox.hide(conversation)
        ticket = self.tickets.current(conversation)
        if ticket is not None:
            ending = self.tickets.ending(ticket.id, "customer", "erased")
            self.done(ticket, "ended", ANYBODY, ending, reason="erased")

    # --- what the customer's page asks -----------------------------------------------------------------------------

    def standing(self, conversation: str) -> Standing:
        """How a conversation stands, in the customer's terms."""
        ticket = self.tickets.latest(conversation)
        if ticket is None:
            return Standing("none")
        hours, now = settings.hours(self.materials.all_facts()), self._now()
        opens = hours.next_opening(now)
        complaint = next(iter(self.complaints.of_conversation(conversation)), None)
        on_duty = self.presence.on_duty()
        open_now = hours.open_at(now)
        known = Standing(
            ticket.status, ticket.id, open=open_now, on_duty=bool(on_duty), hours=hours.words,
            opens_at=None if opens is None or open_now else opens.isoformat(timespec="minutes"), rating=ticket.rating,
            complaint=None if complaint is None else complaint.number,
            due_on=None if complaint is None else complaint.due_on.isoformat(),
        )  # fmt: skip
        if ticket.status == "waiting":
            ahead = self.tickets.ahead(ticket)
            minutes = None
            if on_duty and open_now:
                minutes = max(1, round((ahead + 1) * self.tickets.handling_s() / len(on_duty) / 60))
            return replace(known, ahead=ahead, minutes=minutes)
        person = self.presence.known().get(ticket.owner or "")
        if ticket.status == "held":
            return replace(known, state="person", person=person)
        can_rate = ticket.first_reply_at is not None and ticket.rating is None and ticket.end_reason != "erased"
        return replace(known, person=person, can_rate=can_rate)

    def messages(self, conversation: str, after: int) -> list[Outgoing]:
        """What people said that the page has not shown yet; taken as delivered."""
        found = self.outbox.ready_after(conversation, after)
        fresh = [one.id for one in found if one.delivered_at is None]
        if fresh:
            self.outbox.delivered(fresh)
            self.hub.tell(STAFF, conversation)
        return found

    def rate(self, conversation: str, ticket: str, rating: int, words: str) -> bool:
        """What the customer thought of being served; once a ticket. False when there is nothing to rate."""
        today = self._now().date()
        masked = flow.masked(Asked(words, WEB, today), self.materials.all_facts()).text
        body = {"ticket": ticket, "rating": rating, "words": masked}
        return self._append(conversation, RATING, body, self.tickets.rating(ticket, conversation, rating, masked))

    # --- shared with what people do --------------------------------------------------------------------------------

    def done(self, ticket: Ticket, what: str, by: Member, act: Act | None = None, **more: Any) -> bool:
        """Log what was done to a ticket, in one with the change itself, and tell whoever looks at it. False when
        somebody else was first: then nothing was done."""
        body = {"what": what, "ticket": ticket.id, "by": by.id, "name": by.name, **more}
        return self._append(ticket.conversation, DESK, plain(body), act)

    def append(self, conversation: str, body: Mapping[str, Any], act: Act) -> bool:
        """Log something done at the desk in one with the change itself; False when somebody else was first."""
        return self._append(conversation, DESK, body, act)

    def _append(self, conversation: str, event: str, body: Mapping[str, Any], act: Act | None) -> bool:
        try:
            self.log.append(conversation, event, body, act=act)
        except NotLogged as error:
            if isinstance(error.__cause__, Lost):
                return False
            raise
        self.changed(conversation)
        return True

    def changed(self, conversation: str) -> None:
        """Tell the pages that a conversation changed."""
        self.hub.tell(STAFF, conversation)
        self.hub.tell(customer(conversation))

    def reaches(self, channel: str) -> bool:
        """Whether people can answer on a channel."""
        return channel == WEB or channel in self.carriers

    def _open(self, entry: Entry, asked: Asked | None) -> None:
        body, reply = entry.body, entry.body["reply"]
        if not self.reaches(body["channel"]):
            return
        known = asked.customer if asked is not None else None
        profile = plain(asdict(known)) if known is not None else self._profile(body)
        senior = card.senior(profile, self._now().date())
        values = {
            "conversation": entry.conversation, "channel": body["channel"], "turn": entry.id, "newest": entry.id,
            "customer": (profile or {}).get("id"), "profile": profile,
            "intent": reply["intent"], "reason": str(body.get("trace", {}).get("routing", {}).get("reason", "")),
            "urgency": _urgency(reply["intent"], senior), "senior": senior,
            "preview": self._preview(entry),
            "in_hours": settings.hours(self.materials.all_facts()).open_at(self._now()),
        }  # fmt: skip
        if not self.tickets.again(values):
            ticket = new_id()
            told = {"what": "opened", "ticket": ticket, "by": "", "name": ANYBODY.name, "turn": entry.id}
            told |= {name: values[name] for name in ("intent", "urgency")}
            if not self._append(entry.conversation, DESK, told, self.tickets.opening(values, ticket)):
                self.tickets.again(values)
        if reply["intent"] == "complaint":
            number, subject = flow.ticket(entry.id), body["question"]
            self.complaints.open(number, entry.conversation, values["customer"], subject, ANYBODY, entry.id)
        self.changed(entry.conversation)

    def _preview(self, entry: Entry) -> str:
        """What it is about in a line: a mere wish for a person says less than the question before it."""
        text = str(entry.body["question"])
        if entry.body["reply"]["intent"] in PERSON:
            asked = summary(self.log.conversation(entry.conversation, 20))["asked"]
            text = asked[-1] if asked else text
        return short(text, settings.rules()["preview"])

    def _profile(self, body: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """The customer of a logged turn, whom the log knows by a pseudonym."""
        profile = body.get("customer")
        if not profile or not profile.get("id"):
            return None if not profile else dict(profile)
        try:
            with self.database.reading() as connection:
                known = personal.open_customer(connection, self.log.vault, profile["id"])
        except personal.Restricted:
            known = None
        return {**profile, "id": known}

    def _covered(self, entry: Entry) -> bool:
        """Whether a handed-over turn came to the desk: its conversation had or got a ticket at that time."""
        if not self.reaches(entry.body["channel"]):
            return True
        ticket = self.tickets.latest(entry.conversation)
        if ticket is None:
            return False
        at = seconds(entry.recorded_at)
        return ticket.turn == entry.id or ticket.ended_at is None or at <= ticket.ended_at

    def _carry(self, message: Outgoing) -> str | None:
        channel = str(message.body["channel"])
        if channel == WEB:
            return None
        carrier = self.carriers.get(channel)
        if carrier is None:
            return "channel_off"
        passages = tuple(
            one
            for used in message.body["evidence"]
            if (one := self.materials.passage(used["passage"], used["revision"]))
        )
        member = Member(**message.body["member"])
        return carrier.deliver(
            message.conversation, message.body["text"], member=member, override=message.body["override"],
            passages=passages,
        )  # fmt: skip

    def _sweep(self) -> None:
        while not self._stopping.wait(SWEEP_S):
            try:
                self.sweep()
            except Exception as error:  # noqa: BLE001 - the next round tries again
                _report(error)

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self.clock(), SHANGHAI)


def _urgency(intent: str, senior: bool) -> int:
    rules: Mapping[str, Any] = settings.rules()
    return int(rules["urgency"].get(intent, rules["urgency_default"])) + (rules["urgency_senior"] if senior else 0)


def _report(error: Exception) -> None:
    from assistant.channels.edge import report

    report(error, "desk")
