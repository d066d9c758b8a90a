"""What goes over the wire between the staff desk's pages, other desks, and the server. OpenAPI is made from these."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import date
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, BeforeValidator, Field, StringConstraints

from assistant.channels.screen import ScreenFinding
from assistant.channels.shapes import Incoming, SourcePassage
from assistant.desk.complaints import Complaint
from assistant.desk.outbox import Outgoing
from assistant.desk.runs import Run
from assistant.desk.saying import Said, shown
from assistant.desk.scripts import Applies, Script, Step, applies, filled, following
from assistant.desk.settings import rules
from assistant.desk.timeline import Item
from assistant.desk.values import Member, Ticket
from assistant.desk.work import Kept, SendResult, View
from assistant.turn import Action, Initiative, Passage

LONGEST = int(rules()["longest_message"])
Id = Annotated[str, StringConstraints(min_length=1, max_length=128)]
Words = Annotated[str, StringConstraints(max_length=LONGEST, pattern=r"\S")]
Short = Annotated[str, StringConstraints(max_length=500)]
Sources = Annotated[list[Annotated[str, StringConstraints(max_length=300)]], Field(max_length=20)]


def whole(value: object) -> object:
    """JSON does not tell 2.0 from 2."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


Whole = BeforeValidator(whole)
Key = Annotated[UUID, Field(strict=False)]


class Person(BaseModel):
    """Somebody at the desk. `licence` is the 执业编号 of a registered adviser."""

    id: str
    name: str
    role: str
    number: str
    licence: str


class Me(BaseModel):
    """Who is logged in, whether they take new conversations, and what the page needs to know."""

    person: Person
    away: bool
    longest_message: int
    least_reason: int
    end_reasons: list[str]


class Away(Incoming):
    """Whether one takes new conversations."""

    away: bool


class Row(BaseModel):
    """One conversation in the inbox. Times are seconds since the epoch; `waiting_since` null: nobody waits."""

    conversation: str
    ticket: str
    channel: str
    customer: str | None
    intent: str
    urgency: int
    senior: bool
    status: Literal["waiting", "held", "ended"]
    owner: str | None
    owner_name: str
    newest: str
    preview: str
    unread: int
    in_hours: bool
    opened_at: float
    waiting_since: float | None
    claimed_at: float | None
    ended_at: float | None
    end_reason: str | None
    rating: int | None


class Inbox(BaseModel):
    """Every open conversation, the most pressing first, then the latest that ended; who is on duty; the time."""

    rows: list[Row]
    on_duty: list[Person]
    now: float


class Line(BaseModel):
    """One line of a conversation; `detail` by `who`: sources and outcome, author and delivery, or what was done."""

    id: str
    who: Literal["customer", "assistant", "staff", "note", "event"]
    at: float
    text: str
    detail: dict[str, Any]


class CustomerCard(BaseModel):
    """The customer at a glance. `fits`: the highest grade the firm may bring up by itself, "" when none can be said."""

    id: str | None
    known: bool
    name: str
    tags: list[str]
    risk_class: str | None
    lowest: bool
    professional: bool
    qualified: bool
    horizon: str | None
    types: list[str]
    age: int | None
    senior: bool
    minor: bool
    validity: Literal["valid", "expiring", "expired", "none"]
    assessment_until: date | None
    fits: str


class DraftShown(BaseModel):
    """A draft. Without `body` the materials do not answer: `why` says so and `nearest` are questions they do answer."""

    id: str
    answering: str
    question: str
    body: str
    citations: list[dict[str, Any]]
    passages: list[str]
    writer: str
    why: str
    nearest: list[str]
    findings: list[ScreenFinding]
    stale: bool
    ms: float


class StepShown(BaseModel):
    """A step of a script for this customer; `say` with the variables that are known."""

    number: int
    title: str
    text: str
    condition: str
    applies: Applies
    say: str
    done: str
    passage: str


class ScriptShown(BaseModel):
    """A script fitted to a conversation. `next` is the step that comes next, null when none is left."""

    script: str
    version: str
    title: str
    when: str
    before: list[str]
    never: list[str]
    steps: list[StepShown]
    next: int | None
    running: bool


class ScriptName(BaseModel):
    """A script there is."""

    script: str
    version: str
    title: str
    steps: int


class ComplaintStep(BaseModel):
    """What was done about a complaint."""

    at: float
    author: str
    author_name: str
    what: str
    text: str


class ComplaintShown(BaseModel):
    """One complaint of the ledger; `overdue` names what is late: the first contact or the answer."""

    number: str
    conversation: str
    customer: str | None
    subject: str
    status: str
    owner: str | None
    owner_name: str
    opened_at: float
    contact_by: date
    due_on: date
    overdue: Literal["", "contact", "answer"]
    answer: str
    answered_at: float | None
    closed_at: float | None
    satisfaction: int | None
    steps: list[ComplaintStep]


class Ledger(BaseModel):
    """The complaints, those still open by their deadline first."""

    complaints: list[ComplaintShown]


class Summary(BaseModel):
    """What was asked, what was tried, what was found."""

    words: str
    asked: list[str]
    tried: list[dict[str, Any]]
    sources: list[dict[str, Any]]
    products: list[dict[str, Any]]


class ConversationView(BaseModel):
    """A whole conversation for whoever serves it."""

    row: Row
    reason: str
    lines: list[Line]
    summary: Summary
    card: CustomerCard
    draft: DraftShown | None
    script: ScriptShown | None
    complaints: list[ComplaintShown]
    earlier: list[Row]


class Transfer(Incoming):
    """To whom a conversation goes, null for the queue, and why."""

    to: Id | None = None
    reason: Short = ""


class Ending(Incoming):
    """How a conversation ends. `handed_back`: the assistant goes on."""

    reason: Literal["solved", "handed_back", "no_answer", "passed_on", "other"]
    words: Short = ""


class NoteGiven(Incoming):
    """A note for colleagues."""

    text: Words


class DraftWanted(Incoming):
    """A draft for what the customer said last, or for `question`."""

    question: Annotated[str, StringConstraints(max_length=LONGEST)] = ""


class Typed(Incoming):
    """A text as it stands, to be screened. `draft` and `sources` are what it rests on."""

    text: Words
    draft: Id | None = None
    sources: Sources = []
    initiative: Initiative = "customer"


class Sending(Typed):
    """A text to be sent. `key` makes it leave once; `answering` is the customer's last message the writer saw;
    `override` says why "revise" findings do not hold here; nothing overrides anything stricter."""

    key: Key
    answering: Id
    override: Short | None = None


class Verdict(BaseModel):
    """What the screening says. `notices` will follow the text; `advice`: only a registered adviser may say it;
    `unfilled` are blanks of a script."""

    action: Action
    findings: list[ScreenFinding]
    notices: list[str]
    advice: bool
    unfilled: list[str]


class SentMessage(BaseModel):
    """A message that left."""

    id: str
    sequence: int
    status: str
    at: float


class SendAnswer(BaseModel):
    """What became of a text. `stale`: the customer wrote since, `newest` is that message; `needs_reason`: change it or
    give a reason; `failed`: the channel did not take it."""

    status: Literal["sent", "blocked", "needs_reason", "unfilled", "stale", "failed"]
    verdict: Verdict | None
    message: SentMessage | None
    newest: str


class StepTaken(Incoming):
    """A step of a script was taken or left out. Without a number the script begins anew."""

    script: Id
    step: Annotated[int, Field(ge=1, le=99), Whole] | None = None
    how: Literal["done", "skipped"] = "done"


class ComplaintOpened(Incoming):
    """A complaint taken down by hand."""

    conversation: Id
    subject: Words


class ComplaintTaken(Incoming):
    """A step in the ledger. `owner` names somebody for what = owner, null for oneself; `satisfaction` closes it."""

    what: Literal["contacted", "investigated", "note", "owner", "answered", "closed", "reopened"]
    text: Annotated[str, StringConstraints(max_length=LONGEST)] = ""
    owner: Id | None = None
    satisfaction: Annotated[int, Field(ge=1, le=5), Whole] | None = None


class Outreach(Incoming):
    """A message on the firm's own initiative."""

    customer: Annotated[str, StringConstraints(min_length=1, max_length=100)]
    text: Words
    key: Key
    override: Short | None = None


class OutreachAnswer(BaseModel):
    """What became of it; `until`: when the quiet hours end."""

    status: Literal["sent", "quiet_hours", "no_consent", "busy", "refused"]
    conversation: str
    until: str | None
    result: SendAnswer | None


class Found(BaseModel):
    """Passages to rest an answer on."""

    sources: list[SourcePassage]


def person(member: Member) -> Person:
    return Person(**asdict(member))


def row(ticket: Ticket, names: Mapping[str, str]) -> Row:
    """A ticket in the inbox."""
    own = {name: getattr(ticket, name) for name in Row.model_fields if hasattr(ticket, name)}
    return Row(**own, ticket=ticket.id, owner_name=names.get(ticket.owner or "", ticket.owner or ""))


def line(item: Item) -> Line:
    return Line(id=item.id, who=item.who, at=item.at, text=item.text, detail=dict(item.detail))


def draft(kept: Kept) -> DraftShown:
    own = {name: kept.drafted[name] for name in DraftShown.model_fields if name in kept.drafted and name != "findings"}
    return DraftShown(id=kept.id, answering=kept.answering, stale=kept.stale, findings=_findings(kept.findings), **own)


def verdict(said: Said) -> Verdict:
    return Verdict(
        action=said.action, findings=_findings(shown(said.findings)), notices=list(said.notices), advice=said.advice,
        unfilled=list(said.unfilled),
    )  # fmt: skip


def sending(result: SendResult) -> SendAnswer:
    return SendAnswer(
        status=result.status,
        verdict=None if result.said is None else verdict(result.said),
        message=None if result.message is None else sent(result.message),
        newest=result.newest,
    )


def sent(message: Outgoing) -> SentMessage:
    return SentMessage(id=message.id, sequence=message.sequence, status=message.status, at=message.ready_at)


def complaint(found: Complaint, today: date, names: Mapping[str, str]) -> ComplaintShown:
    own = {name: getattr(found, name) for name in ComplaintShown.model_fields if hasattr(found, name)}
    own |= {"overdue": found.overdue(today), "steps": [ComplaintStep(**asdict(one)) for one in found.steps]}
    return ComplaintShown(**own, owner_name=names.get(found.owner or "", found.owner or ""))


def script(found: Script, run: Run | None, facts: Mapping[str, bool | None], values: Mapping[str, str]) -> ScriptShown:
    """A script with its variables filled and its steps held against the customer."""
    taken = {int(one[0]): str(one[1]) for one in run.steps} if run is not None else {}
    coming = following(found, list(taken), facts)
    steps = [_step(one, facts, values, taken.get(one.number, "")) for one in found.steps]
    return ScriptShown(
        script=found.document, version=found.version, title=found.title, when=found.when, before=list(found.before),
        never=list(found.never), steps=steps, next=None if coming is None else coming.number, running=run is not None,
    )  # fmt: skip


def view(found: View, shown_script: ScriptShown | None, today: date, names: Mapping[str, str]) -> ConversationView:
    return ConversationView(
        row=row(found.ticket, names),
        reason=found.ticket.reason,
        lines=[line(one) for one in found.items],
        summary=Summary(**found.summary),
        card=CustomerCard(**asdict(found.card)),
        draft=None if found.draft is None else draft(found.draft),
        script=shown_script,
        complaints=[complaint(one, today, names) for one in found.complaints],
        earlier=[row(one, names) for one in found.earlier],
    )


def source(passage: Passage) -> SourcePassage:
    return SourcePassage(
        passage=passage.id, document=passage.document, version=passage.version, title=passage.title,
        heading=list(passage.heading), text=passage.text, effective_from=passage.effective_from,
        effective_to=passage.effective_to, source=None, current=True,
    )  # fmt: skip


def _step(one: Step, facts: Mapping[str, bool | None], values: Mapping[str, str], done: str) -> StepShown:
    return StepShown(
        number=one.number, title=one.title, text=filled(one.text, values), condition=one.condition,
        applies=applies(one, facts), say=filled(one.say, values), done=done, passage=one.passage,
    )  # fmt: skip


def _findings(given: Sequence[Mapping[str, Any]]) -> list[ScreenFinding]:
    return [ScreenFinding(**one) for one in given]
