"""What a person at the desk does with a conversation: take it, read it, draft, check, answer, pass it on, end it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime
from typing import Any, Literal

from sqlalchemy import insert, select, update

from assistant import flow
from assistant.answer.extractive import cite
from assistant.desk import card, saying, settings
from assistant.desk.card import Card, Customers
from assistant.desk.complaints import Complaint
from assistant.desk.desk import Desk
from assistant.desk.drafting import Drafted, Drafting, history_of, question_of
from assistant.desk.events import WITHHELD
from assistant.desk.outbox import Outgoing, Stale
from assistant.desk.saying import Said, Saying, shown
from assistant.desk.summary import summary
from assistant.desk.tables import checks, drafts, notes
from assistant.desk.timeline import Item, timeline
from assistant.desk.values import Member, NotYours, Ticket, Unknown
from assistant.log import SHANGHAI, Entry, new_id
from assistant.record import plain
from assistant.turn import Asked, Customer, Initiative, Passage

SendStatus = Literal["sent", "blocked", "needs_reason", "unfilled", "stale", "failed"]


@dataclass(frozen=True, slots=True)
class Kept:
    """A draft as the desk keeps it. `state`: open, sent, edited or discarded; `stale` says that the customer wrote
    since; `findings` are what the screening says of it as it is."""

    id: str
    answering: str
    drafted: Mapping[str, Any]
    state: str
    at: float
    stale: bool
    findings: Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class View:
    """A whole conversation for whoever serves it. `earlier` are the customer's other tickets, newest first."""

    ticket: Ticket
    owner: Member | None
    items: tuple[Item, ...]
    summary: Mapping[str, Any]
    card: Card
    draft: Kept | None
    complaints: tuple[Complaint, ...]
    earlier: tuple[Ticket, ...]


@dataclass(frozen=True, slots=True)
class Words:
    """What a person wants to say. `key` makes it leave once; `answering` is the customer's last message they saw;
    `sources` are passages it rests on; `override` is why a "revise" finding does not hold."""

    text: str
    key: str
    answering: str
    draft: str | None = None
    sources: Sequence[str] = ()
    override: str | None = None
    initiative: Initiative = "customer"


@dataclass(frozen=True, slots=True)
class SendResult:
    """What became of it; `said` holds the findings and notices."""

    status: SendStatus
    said: Said | None = None
    message: Outgoing | None = None
    newest: str = ""


class Work:
    """The desk in the hands of one person after the other. Methods raise Unknown for what is not at the desk, NotYours
    for what somebody else has, and NotLogged."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.saying = Saying(desk.parts, desk.materials, self.today)
        self.drafting = Drafting(desk.parts, self.today)
        self.customers = Customers(desk.database)

    def today(self) -> date:
        return datetime.fromtimestamp(self.desk.clock(), SHANGHAI).date()

    # --- reading ---------------------------------------------------------------------------------------------------

    def view(self, conversation: str, member: Member) -> View:
        """A conversation with all that helps to serve it."""
        ticket = self.ticket(conversation)
        if ticket.owner == member.id and ticket.unread:
            self.desk.tickets.read(ticket.id, member.id)
            self.desk.hub.tell("staff", conversation)
        entries = self.desk.log.conversation(conversation)
        earlier = [] if ticket.customer is None else self.desk.tickets.of_customer(ticket.customer)
        return View(
            ticket=ticket,
            owner=self.desk.presence.known().get(ticket.owner or ""),
            items=timeline(entries, self.desk.outbox.of_conversation(conversation), self._notes(conversation)),
            summary=summary(entries),
            card=self.card(ticket),
            draft=self._latest_draft(ticket, member),
            complaints=tuple(self.desk.complaints.of_conversation(conversation)),
            earlier=tuple(one for one in earlier if one.id != ticket.id),
        )

    def ticket(self, conversation: str) -> Ticket:
        """The ticket of a conversation, open or the last one."""
        ticket = self.desk.tickets.latest(conversation)
        if ticket is None:
            raise Unknown(conversation)
        return ticket

    def card(self, ticket: Ticket) -> Card:
        """The customer of a ticket as of now."""
        customer, record = self.customers.find(ticket.customer, ticket.profile)
        return card.card(customer, record, self.today())

    def entries(self, conversation: str) -> list[Entry]:
        return self.desk.log.conversation(conversation)

    # --- who has it ------------------------------------------------------------------------------------------------

    def claim(self, conversation: str, member: Member) -> Ticket:
        """Take a waiting conversation. Raises NotYours when somebody else has it; taking one's own again is nothing."""
        ticket = self.ticket(conversation)
        if ticket.status == "held" and ticket.owner == member.id:
            return ticket
        act = self.desk.tickets.claiming(ticket.id, member.id)
        if not self.desk.done(ticket, "claimed", member, act):
            raise NotYours(self.ticket(conversation).owner)
        return self.ticket(conversation)

    def requeue(self, conversation: str, member: Member, reason: str = "") -> Ticket:
        """Put a conversation back into the queue."""
        ticket = self._mine(conversation, member)
        return self._changed(
            ticket, "requeued", member, self.desk.tickets.unclaiming(ticket.id, member.id), reason=reason
        )

    def transfer(self, conversation: str, member: Member, to: str, reason: str) -> Ticket:
        """Pass a conversation on to a colleague who is on duty."""
        ticket = self._mine(conversation, member)
        colleague = next((one for one in self.desk.presence.on_duty() if one.id == to and to != member.id), None)
        if colleague is None:
            raise Unknown(to)
        act = self.desk.tickets.passing(ticket.id, member.id, to)
        return self._changed(ticket, "transferred", member, act, to=to, to_name=colleague.name, reason=reason)

    def end(self, conversation: str, member: Member, reason: str, words: str = "") -> Ticket:
        """End a conversation; the assistant answers again."""
        ticket = self._mine(conversation, member)
        act = self.desk.tickets.ending(ticket.id, member.id, reason, member.id)
        self.desk.runs.drop(conversation)
        return self._changed(ticket, "ended", member, act, reason=reason, text=self._masked(words))

    def note(self, conversation: str, member: Member, text: str) -> str:
        """Leave a note for colleagues, which no customer sees."""
        ticket, note, masked = self.ticket(conversation), new_id(), self._masked(text)
        row = {"id": note, "conversation": conversation, "author": member.id, "author_name": member.name,
               "text": masked, "at": self.desk.clock()}  # fmt: skip
        self.desk.done(
            ticket,
            "note",
            member,
            lambda connection: _run(connection.execute(insert(notes).values(**row))),
            text=masked,
        )
        return note

    # --- drafts ----------------------------------------------------------------------------------------------------

    def draft(self, conversation: str, member: Member, question: str = "") -> Kept:
        """What the assistant would answer to what the customer said last, or to `question`; never shown to them."""
        ticket, entries = self.ticket(conversation), self.entries(conversation)
        customer = self.customers.find(ticket.customer, ticket.profile)[0]
        asked = question or question_of(entries)
        drafted = self.drafting.draft(asked, history_of(entries), customer)
        findings = self._findings(drafted, member, customer)
        row = {
            "id": new_id(), "conversation": conversation, "ticket": ticket.id, "author": member.id,
            "answering": ticket.newest, "body": drafted.body, "state": "open", "at": self.desk.clock(),
            "detail": plain(asdict(drafted)) | {"findings": findings},
        }  # fmt: skip
        with self.desk.database.writing() as connection:
            connection.execute(insert(drafts).values(**row))
        return _kept(row, ticket.newest)

    def discard(self, draft: str) -> None:
        """A draft is of no use."""
        this = (drafts.c.id == draft) & (drafts.c.state == "open")
        with self.desk.database.writing() as connection:
            connection.execute(update(drafts).where(this).values(state="discarded"))

    def find(self, words: str) -> list[Passage]:
        """Passages of approved material to rest an answer on."""
        return [one for one in self.drafting.sources(words) if one.product is None or one.product.access == "public"]

    # --- saying ----------------------------------------------------------------------------------------------------

    def screen(
        self,
        conversation: str,
        member: Member,
        text: str,
        sources: Sequence[str],
        *,
        draft: str | None = None,
        initiative: Initiative = "customer",
    ) -> Said:
        """What the screening says of a text as it stands; nothing is sent or kept."""
        ticket = self.ticket(conversation)
        return self._said(ticket, member, text, self._passages(conversation, draft, sources), initiative)

    def send(self, conversation: str, member: Member, words: Words) -> SendResult:
        """Screen a text again, log it, make it ready for the customer. Raises NotYours."""
        known = self.desk.outbox.known(conversation, words.key)
        if known is not None:
            return SendResult("failed" if known.status == "failed" else "sent", message=known)
        ticket = self._mine(conversation, member)
        text, rules = words.text.strip(), settings.rules()
        passages = self._passages(conversation, words.draft, words.sources)
        said = self._said(ticket, member, text, passages, words.initiative)
        if not said.may_leave(words.override, rules["least_reason"]):
            return self._withheld(ticket, member, words, said)
        draft = self._draft(conversation, words.draft)
        body = self._body(ticket, member, words, said, passages, draft)
        try:
            message = self.desk.outbox.send(
                conversation, member.id, words.key, words.answering, body, draft["id"] if draft else None
            )
        except Stale as stale:
            return SendResult("stale", said, newest=stale.newest)
        self._count(ticket, member, "override" if said.findings else "passed", said)
        self.desk.changed(conversation)
        return SendResult("failed" if message.status == "failed" else "sent", said, message)

    # --- parts -----------------------------------------------------------------------------------------------------

    def _mine(self, conversation: str, member: Member) -> Ticket:
        ticket = self.ticket(conversation)
        if ticket.status != "held" or ticket.owner != member.id:
            raise NotYours(ticket.owner)
        return ticket

    def _changed(self, ticket: Ticket, what: str, member: Member, act: Any, **more: Any) -> Ticket:
        if not self.desk.done(ticket, what, member, act, **more):
            raise NotYours(self.ticket(ticket.conversation).owner)
        return self.ticket(ticket.conversation)

    def _said(
        self, ticket: Ticket, member: Member, text: str, passages: Sequence[Passage], initiative: Initiative
    ) -> Said:
        customer, _ = self.customers.find(ticket.customer, ticket.profile)
        return self.saying.said(
            text, member, customer, passages, initiative=initiative, allowed=self._evidence(ticket, customer)
        )

    def _evidence(self, ticket: Ticket, customer: Customer | None) -> tuple[str, ...]:
        """Values of the records that may be said without a source: complaint numbers, the end of the assessment."""
        found = [one.number for one in self.desk.complaints.of_conversation(ticket.conversation)]
        until = card.assessment(customer, self.today())[0] if customer else None
        if until is not None:
            found += [until.isoformat(), f"{until.year}年{until.month}月{until.day}日"]
        return tuple(found)

    def _passages(self, conversation: str, draft: str | None, sources: Sequence[str]) -> tuple[Passage, ...]:
        known = self._draft(conversation, draft)
        own = known["detail"]["passages"] if known else ()
        return self.saying.sources((*own, *sources))

    def _findings(self, drafted: Drafted, member: Member, customer: Customer | None) -> list[dict[str, Any]]:
        if not drafted.body:
            return []
        said = self.saying.said(drafted.body, member, customer, self.saying.sources(drafted.passages))
        return shown(said.findings)

    def _body(
        self,
        ticket: Ticket,
        member: Member,
        words: Words,
        said: Said,
        passages: Sequence[Passage],
        draft: Mapping[str, Any] | None,
    ) -> dict[str, Any]:
        """All the log keeps of a message."""
        own = set(words.sources)
        inserted = [cite(one, one.text) for one in passages if one.id in own and one.audience == "public"]
        drafted = draft["detail"]["citations"] if draft else []
        quoted = {one["passage"]: one for one in [*drafted, *plain([asdict(one) for one in inserted])]}
        body = draft["body"] if draft else None
        return {
            "channel": ticket.channel,
            "ticket": ticket.id,
            "speaker": member.speaker,
            "staff": member.id,
            "member": asdict(member),
            "name": member.name,
            "role": member.role,
            "licence": member.licence if member.speaker == "adviser" else "",
            "intent": "advice" if said.advice else ticket.intent,
            "initiative": words.initiative,
            "answering": words.answering,
            "text": said.text,
            "notices": list(said.notices),
            "citations": list(quoted.values()),
            "evidence": [
                {"passage": one.id, "revision": one.revision, "document": one.document} for one in passages
            ],
            "findings": shown(said.findings),
            "override": (words.override or "").strip() or None if said.findings else None,
            "draft": {
                "id": draft["id"] if draft else None,
                "body": body,
                "acceptance": saying.acceptance(body, said.text),
                "difference": saying.difference(body, said.text) if body is not None else [],
            },
            "versions": dict(self.desk.parts.versions),
        }  # fmt: skip

    def _withheld(self, ticket: Ticket, member: Member, words: Words, said: Said) -> SendResult:
        if said.unfilled:
            return SendResult("unfilled", said)
        status: SendStatus = "needs_reason" if said.action == "revise" else "blocked"
        body = {
            "ticket": ticket.id, "speaker": member.speaker, "staff": member.id, "name": member.name,
            "reason": "findings", "text": self._masked(said.text), "findings": shown(said.findings),
            "initiative": words.initiative,
        }  # fmt: skip
        self.desk.log.append(ticket.conversation, WITHHELD, body)
        self._count(ticket, member, "blocked" if status == "blocked" else "revise", said)
        self.desk.changed(ticket.conversation)
        return SendResult(status, said)

    def _count(self, ticket: Ticket, member: Member, outcome: str, said: Said) -> None:
        row = {
            "id": new_id(), "conversation": ticket.conversation, "member": member.id, "outcome": outcome,
            "codes": sorted({one.check for one in said.findings}), "at": self.desk.clock(),
        }  # fmt: skip
        with self.desk.database.writing() as connection:
            connection.execute(insert(checks).values(**row))

    def _draft(self, conversation: str, draft: str | None) -> Mapping[str, Any] | None:
        if draft is None:
            return None
        query = select(drafts).where(drafts.c.id == draft, drafts.c.conversation == conversation)
        with self.desk.database.reading() as connection:
            row = connection.execute(query).first()
        if row is None:
            raise Unknown(draft)
        return dict(row._mapping)

    def _latest_draft(self, ticket: Ticket, member: Member) -> Kept | None:
        query = select(drafts).where(drafts.c.ticket == ticket.id, drafts.c.author == member.id)
        with self.desk.database.reading() as connection:
            row = connection.execute(query.order_by(drafts.c.at.desc()).limit(1)).first()
        return None if row is None or row.state != "open" else _kept(dict(row._mapping), ticket.newest)

    def _notes(self, conversation: str) -> list[Mapping[str, Any]]:
        query = select(notes).where(notes.c.conversation == conversation).order_by(notes.c.at)
        with self.desk.database.reading() as connection:
            return [dict(row._mapping) for row in connection.execute(query)]

    def _masked(self, text: str) -> str:
        return flow.masked(Asked(text, "desk", self.today()), self.desk.materials.all_facts()).text


def _kept(row: Mapping[str, Any], newest: str) -> Kept:
    return Kept(
        row["id"], row["answering"], row["detail"], row["state"], row["at"], row["answering"] != newest,
        row["detail"].get("findings", ()),
    )  # fmt: skip


def _run(_: object) -> None:
    """An act returns nothing."""
