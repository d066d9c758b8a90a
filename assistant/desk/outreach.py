"""Messages on the firm's own initiative: only to customers we may reach, outside quiet hours, and only what passes the
screening for the firm's initiative."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import Connection

from assistant.desk import card, settings
from assistant.desk.outbox import Stale
from assistant.desk.values import Member, NotYours, Unknown
from assistant.desk.work import SendResult, Words, Work
from assistant.log import SHANGHAI, new_id
from assistant.record import plain

INTENT = "outreach"


@dataclass(frozen=True, slots=True)
class Reached:
    """What became of a proactive message. `until`: when the quiet hours end."""

    status: Literal["sent", "quiet_hours", "no_consent", "busy", "refused"]
    conversation: str = ""
    result: SendResult | None = None
    until: datetime | None = None


def reach(work: Work, customer: str, text: str, key: str, member: Member, override: str | None = None) -> Reached:
    """Write to a customer first. The conversation is then in this person's hands, so that what the customer answers
    finds somebody. Raises Unknown for a customer who never talked with us."""
    desk = work.desk
    earlier = desk.tickets.of_customer(customer, 1)
    known, record = work.customers.find(customer, None)
    if known is None or not earlier:
        raise Unknown(customer)
    last = earlier[0]
    done = desk.outbox.known(last.conversation, key)
    if done is not None:
        return Reached("sent", last.conversation, SendResult("sent", message=done))
    if record.get("contact") is False:
        return Reached("no_consent")
    quiet = settings.quiet(desk.materials.all_facts(), datetime.fromtimestamp(desk.clock(), SHANGHAI))
    if quiet is not None:
        return Reached("quiet_hours", until=quiet)
    current = desk.tickets.current(last.conversation)
    if current is not None and current.owner != member.id:
        return Reached("busy")
    said = work.saying.said(text.strip(), member, known, (), initiative="firm")
    if not said.may_leave(override, settings.rules()["least_reason"]):
        status: Any = "unfilled" if said.unfilled else "needs_reason" if said.action == "revise" else "blocked"
        return Reached("refused", last.conversation, SendResult(status, said))
    if current is None:
        _begin(work, last.conversation, last.channel, customer, member)
    ticket = work.ticket(last.conversation)
    words = Words(text, key, ticket.newest, override=override, initiative="firm")
    try:
        result = work.send(last.conversation, member, words)
    except (NotYours, Stale):
        return Reached("busy")
    return Reached("sent" if result.status == "sent" else "refused", last.conversation, result)


def _begin(work: Work, conversation: str, channel: str, customer: str, member: Member) -> None:
    """A ticket that is in this person's hands from the start."""
    desk, ticket, message = work.desk, new_id(), new_id()
    known, _ = work.customers.find(customer, None)
    profile = None if known is None else plain(asdict(known))
    values = {
        "conversation": conversation, "channel": channel, "customer": customer, "profile": profile, "turn": message,
        "intent": INTENT, "reason": "", "urgency": 0, "senior": card.senior(profile, work.today()), "newest": message,
        "preview": "", "in_hours": True,
    }  # fmt: skip
    opening, claiming = desk.tickets.opening(values, ticket), desk.tickets.claiming(ticket, member.id)

    def act(connection: Connection) -> None:
        opening(connection)
        claiming(connection)

    body = {"what": "reached_out", "ticket": ticket, "by": member.id, "name": member.name}
    desk.append(conversation, body, act)
