"""The staff desk over HTTP: for its own pages, for the sidebar and for other desks. Roles come from the login."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from datetime import date, datetime, timedelta
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Depends, Path, Query
from sse_starlette import EventSourceResponse, ServerSentEvent

from assistant.channels import problems
from assistant.channels import staff_shapes as shapes
from assistant.channels.problems import ProblemError, documented
from assistant.desk.card import card
from assistant.desk.complaints import Complaint, Refused
from assistant.desk.desk import Desk
from assistant.desk.figures import figures
from assistant.desk.live import STAFF
from assistant.desk.outreach import reach
from assistant.desk.settings import rules
from assistant.desk.values import Member, NotYours, Unknown
from assistant.desk.walking import Walking
from assistant.desk.work import View, Words, Work
from assistant.flow import ticket as ticket_number
from assistant.log import SHANGHAI, NotLogged, new_id
from assistant.people.pages import require
from assistant.people.values import Person

THREADS = 8
TYPING_THREADS = 2
BEAT_S = 15.0
WHOLE_S = 60.0
GATHER_S = 0.1
MOST_UNREAD = 64
EARLIEST, LATEST = date(2000, 1, 1), date(2100, 1, 1)
Id = Annotated[str, Path(min_length=1, max_length=128)]
READ = ("invalid", "login_required", "not_allowed", "unavailable")
FOUND = (*READ, "not_found")
WRITE = (*FOUND, "bad_request", "slow_body", "body_too_large", "forged")
OWN = (*WRITE, "in_other_hands")
Value = TypeVar("Value")


def member_of(found: Annotated[Person, Depends(require("staff", "adviser"))]) -> Member:
    """The person at the desk, as the login knows them."""
    role = "adviser" if "adviser" in found.roles else "staff"
    return Member(found.login, found.name, role, found.login, found.registration or "")


Me = Annotated[Member, Depends(member_of)]


class StaffDesk:
    """The desk as coroutines use it."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.work = Work(desk)
        self.walking = Walking(self.work)
        self._pools: dict[str, ThreadPoolExecutor] = {}
        self.feed = Feed(self)

    async def call(self, function: Callable[..., Value], *arguments: Any, **named: Any) -> Value:
        """Run a blocking call of the desk in its pool. Its refusals become problems."""
        return await self._run("desk", THREADS, lambda: function(*arguments, **named))

    async def at_once(self, function: Callable[..., Value], *arguments: Any, **named: Any) -> Value:
        """The same for what somebody waits for at every letter: it never queues behind other work."""
        return await self._run("typed", TYPING_THREADS, lambda: function(*arguments, **named))

    async def _run(self, pool: str, threads: int, work: Callable[[], Value]) -> Value:
        if pool not in self._pools:
            self._pools[pool] = ThreadPoolExecutor(threads, thread_name_prefix=pool)
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pools[pool], work)
        except Unknown:
            raise ProblemError("not_found") from None
        except NotYours as error:
            names = {one.id: one.name for one in self.desk.presence.known().values()}
            raise ProblemError("in_other_hands", owner=names.get(error.owner or "", error.owner or "—")) from None
        except Refused as error:
            raise ProblemError("complaint_state", why=error.why) from None
        except NotLogged:
            raise ProblemError("unavailable", retry_after=5) from None

    def close(self) -> None:
        for pool in self._pools.values():
            pool.shutdown(wait=True)
        self._pools.clear()

    def names(self) -> dict[str, str]:
        return {one.id: one.name for one in self.desk.presence.known().values()}

    def inbox(self) -> shapes.Inbox:
        names = self.names()
        rows = [shapes.row(one, names) for one in self.desk.tickets.inbox()]
        on_duty = [shapes.person(one) for one in self.desk.presence.on_duty()]
        return shapes.Inbox(rows=rows, on_duty=on_duty, now=self.desk.clock())

    def view(self, conversation: str, member: Member) -> shapes.ConversationView:
        found: View = self.work.view(conversation, member)
        shown = self.script(conversation, member)
        return shapes.view(found, shown, self.work.today(), self.names())

    def row(self, conversation: str) -> shapes.Row:
        return shapes.row(self.work.ticket(conversation), self.names())

    def script(self, conversation: str, member: Member) -> shapes.ScriptShown | None:
        """The script that fits a conversation."""
        ticket, entries = self.work.ticket(conversation), self.work.entries(conversation)
        found = self.walking.of(ticket, entries)
        if found is None:
            return None
        facts, values = self.walking.facts(ticket), self.walking.values(ticket, member, entries)
        return shapes.script(found[0], found[1], facts, values)

    def complaint(self, found: Complaint) -> shapes.ComplaintShown:
        return shapes.complaint(found, self.work.today(), self.names())


def routes(staff: StaffDesk) -> APIRouter:
    """The routes under /v1/staff."""
    router = APIRouter(prefix="/v1/staff", tags=["staff"])
    _about(router, staff)
    _serving(router, staff)
    _saying(router, staff)
    _ledger(router, staff)
    return router


def _about(router: APIRouter, staff: StaffDesk) -> None:
    """Who one is, what there is to do, how well it goes."""

    @router.get("/me", responses=documented(*READ))
    async def me(member: Me) -> shapes.Me:
        """Who is logged in; says that they are at the desk."""
        return _me(member, await staff.call(staff.desk.presence.seen, member))

    @router.post("/me", responses=documented(*WRITE))
    async def away(given: shapes.Away, member: Me) -> shapes.Me:
        """Take new conversations, or not for now."""
        chosen = await staff.call(staff.desk.presence.seen, member, given.away)
        staff.desk.hub.tell(STAFF)
        return _me(member, chosen)

    @router.get("/inbox", responses=documented(*READ))
    async def inbox(member: Me) -> shapes.Inbox:
        """Every open conversation and the latest that ended."""
        del member
        return await staff.call(staff.inbox)

    @router.get(
        "/events",
        response_class=EventSourceResponse,
        responses={
            200: {
                "description": "`inbox` with an Inbox at the start and when who is on duty may have changed; `rows` "
                "with the Rows that changed.",
                "content": {"text/event-stream": {"schema": problems.event_schema("inbox", "rows")}},
            },
            **documented(*READ),
        },
    )
    async def events(member: Me) -> Any:
        """What changes, as it changes. Being connected is being at the desk."""
        return EventSourceResponse(staff.feed.events(member), ping=15, sep="\n")

    @router.get("/figures", responses=documented(*READ))
    async def shown(
        member: Me,
        since: Annotated[date | None, Query(alias="from")] = None,
        until: Annotated[date | None, Query(alias="to")] = None,
    ) -> dict[str, Any]:
        """Quality figures from one day to another, both inclusive; the last 30 days unless told."""
        del member
        last = until or staff.work.today()
        first, last = sorted(
            min(max(day, EARLIEST), LATEST) for day in (since or max(last, EARLIEST) - timedelta(days=29), last)
        )
        begin, end = _midnight(first), _midnight(last + timedelta(days=1))
        today = staff.work.today()
        found = await staff.call(figures, staff.desk, begin, end, lambda: staff.walking.scripts.all(today))
        return {"from": first.isoformat(), "to": last.isoformat(), **found}

    @router.get("/scripts", responses=documented(*READ))
    async def scripts(member: Me) -> list[shapes.ScriptName]:
        """The approved scripts in force."""
        del member
        found = await staff.call(staff.walking.scripts.all, staff.work.today())
        return [
            shapes.ScriptName(script=one.document, version=one.version, title=one.title, steps=len(one.steps))
            for one in found
        ]

    @router.get("/scripts/{script}", responses=documented(*FOUND))
    async def script(script: Id, member: Me) -> shapes.ScriptShown:
        """One script as approved."""
        del member
        found = await staff.call(staff.walking.scripts.one, script, staff.work.today())
        return shapes.script(found, None, {}, {})

    @router.get("/customers/{customer}", responses=documented(*FOUND))
    async def customer(customer: Id, member: Me) -> shapes.CustomerCard:
        """The card of a customer of the records."""
        del member
        return await staff.call(_card, staff, customer)

    @router.get("/sources", responses=documented(*READ))
    async def sources(member: Me, words: Annotated[str, Query(min_length=1, max_length=200)]) -> shapes.Found:
        """Approved passages nearest to some words, to rest an answer on."""
        del member
        found = await staff.call(staff.work.find, words)
        return shapes.Found(sources=[shapes.source(one) for one in found])


def _serving(router: APIRouter, staff: StaffDesk) -> None:
    """One conversation: who has it, and what is known."""

    @router.get("/conversations/{conversation}", responses=documented(*FOUND))
    async def view(conversation: Id, member: Me) -> shapes.ConversationView:
        """A conversation with all that helps to serve it."""
        return await staff.call(staff.view, conversation, member)

    @router.get("/conversations/{conversation}/card", responses=documented(*FOUND))
    async def at_a_glance(conversation: Id, member: Me) -> shapes.CustomerCard:
        """The customer of a conversation at a glance."""
        return (await staff.call(staff.view, conversation, member)).card

    @router.post("/conversations/{conversation}/claim", responses=documented(*OWN))
    async def claim(conversation: Id, member: Me) -> shapes.Row:
        """Take a waiting conversation; the assistant is mute from now on."""
        await staff.call(staff.desk.presence.seen, member)
        await staff.call(staff.work.claim, conversation, member)
        return await staff.call(staff.row, conversation)

    @router.post("/conversations/{conversation}/transfer", responses=documented(*OWN))
    async def transfer(conversation: Id, given: shapes.Transfer, member: Me) -> shapes.Row:
        """Pass a conversation to a colleague on duty, or back into the queue."""
        if given.to is None:
            await staff.call(staff.work.requeue, conversation, member, given.reason)
        else:
            await staff.call(staff.work.transfer, conversation, member, given.to, given.reason)
        return await staff.call(staff.row, conversation)

    @router.post("/conversations/{conversation}/end", responses=documented(*OWN))
    async def end(conversation: Id, given: shapes.Ending, member: Me) -> shapes.Row:
        """End a conversation or hand it back; the assistant answers again."""
        await staff.call(staff.work.end, conversation, member, given.reason, given.words)
        return await staff.call(staff.row, conversation)

    @router.post("/conversations/{conversation}/notes", status_code=204, responses=documented(*WRITE))
    async def note(conversation: Id, given: shapes.NoteGiven, member: Me) -> None:
        """Leave a note for colleagues; no customer sees it."""
        await staff.call(staff.work.note, conversation, member, given.text)

    @router.post("/conversations/{conversation}/script", responses=documented(*WRITE))
    async def step(conversation: Id, given: shapes.StepTaken, member: Me) -> shapes.ScriptShown | None:
        """Begin a script, or note that a step was taken or left out."""
        await staff.call(staff.walking.take, conversation, member, given.script, given.step, given.how)
        return await staff.call(staff.script, conversation, member)


def _saying(router: APIRouter, staff: StaffDesk) -> None:
    """Drafts, screening, sending."""

    @router.post("/conversations/{conversation}/draft", responses=documented(*WRITE))
    async def draft(conversation: Id, given: shapes.DraftWanted, member: Me) -> shapes.DraftShown:
        """What the assistant would answer. Nothing is sent."""
        return shapes.draft(await staff.call(staff.work.draft, conversation, member, given.question.strip()))

    @router.delete("/drafts/{draft}", status_code=204, responses=documented(*FOUND, "forged"))
    async def discard(draft: Id, member: Me) -> None:
        """A draft is of no use."""
        del member
        await staff.call(staff.work.discard, draft)

    @router.post("/conversations/{conversation}/screen", responses=documented(*WRITE))
    async def screen(conversation: Id, given: shapes.Typed, member: Me) -> shapes.Verdict:
        """What the screening says of a text as it stands. Nothing is sent or kept."""
        said = await staff.at_once(
            staff.work.screen, conversation, member, given.text, given.sources, draft=given.draft,
            initiative=given.initiative,
        )  # fmt: skip
        return shapes.verdict(said)

    @router.post("/conversations/{conversation}/send", responses=documented(*OWN))
    async def send(conversation: Id, given: shapes.Sending, member: Me) -> shapes.SendAnswer:
        """Screen a text by the gate of every reply, log it, and deliver it. What was done is in `status`."""
        words = Words(
            given.text, str(given.key), given.answering, given.draft, given.sources, given.override, given.initiative
        )
        return shapes.sending(await staff.call(staff.work.send, conversation, member, words))

    @router.post("/outreach", responses=documented(*OWN))
    async def outreach(given: shapes.Outreach, member: Me) -> shapes.OutreachAnswer:
        """Write to a customer first: only what suits them, and never in the quiet hours."""
        found = await staff.call(reach, staff.work, given.customer, given.text, str(given.key), member, given.override)
        return shapes.OutreachAnswer(
            status=found.status,
            conversation=found.conversation,
            until=None if found.until is None else found.until.isoformat(timespec="minutes"),
            result=None if found.result is None else shapes.sending(found.result),
        )


def _ledger(router: APIRouter, staff: StaffDesk) -> None:
    """Complaints."""

    @router.get("/complaints", responses=documented(*READ))
    async def complaints(member: Me) -> shapes.Ledger:
        """The ledger, what is still open by its deadline first."""
        del member
        found = await staff.call(staff.desk.complaints.ledger)
        return shapes.Ledger(complaints=[staff.complaint(one) for one in found])

    @router.post("/complaints", responses=documented(*WRITE))
    async def opened(given: shapes.ComplaintOpened, member: Me) -> shapes.ComplaintShown:
        """Take down a complaint from a conversation."""
        ticket = await staff.call(staff.work.ticket, given.conversation)
        number = ticket_number(new_id())
        subject = given.subject
        made = await staff.call(
            staff.desk.complaints.open, number, ticket.conversation, ticket.customer, subject, member
        )
        staff.desk.changed(ticket.conversation)
        return staff.complaint(made)

    @router.get("/complaints/{number}", responses=documented(*FOUND))
    async def complaint(number: Id, member: Me) -> shapes.ComplaintShown:
        """One complaint with its steps."""
        del member
        return staff.complaint(await staff.call(staff.desk.complaints.one, number))

    @router.post("/complaints/{number}", responses=documented(*WRITE, "complaint_state"))
    async def step(number: Id, given: shapes.ComplaintTaken, member: Me) -> shapes.ComplaintShown:
        """Add a step: contact, finding, owner, answer, end."""
        ledger = staff.desk.complaints
        if given.what == "closed" and given.satisfaction is not None:
            made = await staff.call(ledger.satisfied, number, given.satisfaction, given.text, member)
        else:
            owner = given.owner or member.id
            made = await staff.call(ledger.take, number, given.what, given.text, member, owner=owner)
        staff.desk.changed(made.conversation)
        return staff.complaint(made)


class Feed:
    """What changes at the desk, read once and given to every page that is connected."""

    def __init__(self, staff: StaffDesk) -> None:
        self._staff = staff
        self._pages: set[asyncio.Queue[ServerSentEvent]] = set()
        self._task: asyncio.Task[None] | None = None

    async def events(self, member: Member) -> AsyncIterator[ServerSentEvent]:
        """The events of one page: the whole inbox, then what changes."""
        staff, queue = self._staff, asyncio.Queue[ServerSentEvent](MOST_UNREAD)
        self._pages.add(queue)
        try:
            if self._task is None or self._task.done():
                self._task = asyncio.create_task(self._run())
            await staff.call(staff.desk.presence.seen, member)
            staff.desk.hub.tell(STAFF)
            yield _event("inbox", (await staff.call(staff.inbox)).model_dump_json())
            beat = time.monotonic()
            while True:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(BEAT_S):
                        yield await queue.get()
                if time.monotonic() - beat >= BEAT_S:
                    await staff.call(staff.desk.presence.seen, member)
                    beat = time.monotonic()
        finally:
            self._pages.discard(queue)

    async def _run(self) -> None:
        """Until the last page is gone."""
        staff, whole = self._staff, time.monotonic()
        with staff.desk.hub.listening(STAFF) as changes:
            while self._pages:
                changed = await _gathered(changes)
                if conversations := sorted(one for one in changed if one):
                    self._give(_event("rows", await staff.call(_rows, staff, conversations)))
                if "" in changed or time.monotonic() - whole >= WHOLE_S:
                    self._give(_event("inbox", (await staff.call(staff.inbox)).model_dump_json()))
                    whole = time.monotonic()

    def _give(self, event: ServerSentEvent) -> None:
        for queue in self._pages:
            if queue.full():
                queue.get_nowait()  # the page is not reading; the whole inbox comes again
            queue.put_nowait(event)


async def _gathered(changes: asyncio.Queue[str]) -> set[str]:
    """What changed, a moment's changes together; empty when nothing did for a while."""
    found: set[str] = set()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(BEAT_S):
            found.add(await changes.get())
    if found:
        await asyncio.sleep(GATHER_S)
        while not changes.empty():
            found.add(changes.get_nowait())
    return found


def _rows(staff: StaffDesk, conversations: list[str]) -> str:
    names = staff.names()
    found = (staff.desk.tickets.latest(one) for one in conversations)
    return f"[{','.join(shapes.row(one, names).model_dump_json() for one in found if one is not None)}]"


def _card(staff: StaffDesk, customer: str) -> shapes.CustomerCard:
    known, record = staff.work.customers.find(customer, None)
    if not record:
        raise Unknown(customer)
    return shapes.CustomerCard(**asdict(card(known, record, staff.work.today())))


def _me(member: Member, away: bool) -> shapes.Me:
    return shapes.Me(
        person=shapes.person(member), away=away, longest_message=shapes.LONGEST,
        least_reason=rules()["least_reason"], end_reasons=list(rules()["end_reasons"]),
    )  # fmt: skip


def _midnight(day: date) -> float:
    return datetime(day.year, day.month, day.day, tzinfo=SHANGHAI).timestamp()


def _event(name: str, data: str) -> ServerSentEvent:
    return ServerSentEvent(data=data, event=name, sep="\n")
