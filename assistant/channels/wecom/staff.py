"""What people of the firm say to a customer of 微信客服 from our desk: screened, logged, sent like everything else."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

from assistant.channels.wecom import events, kf
from assistant.channels.wecom.delivery import Delivery
from assistant.channels.wecom.gate import Gate
from assistant.channels.wecom.kf import KfCarrier
from assistant.channels.wecom.leases import Leases
from assistant.channels.wecom.messages import Conversation, Messages
from assistant.channels.wecom.outbox import Outbox, Planned
from assistant.channels.wecom.settings import WecomSettings
from assistant.channels.wecom.splitting import split
from assistant.log import Log
from assistant.record import plain
from assistant.turn import STRICTNESS, Finding, Passage, Speaker
from knowledge.records.database import Database

LEASE_S = 60
WAIT_S = 10.0
POLL_S = 0.05


class NotSent(Exception):
    """A staff message that did not leave. `reason`: unknown_customer, empty, findings, moved_on, late, budget,
    busy."""

    def __init__(self, reason: str, findings: tuple[Finding, ...] = ()) -> None:
        super().__init__(reason)
        self.reason = reason
        self.findings = findings


@dataclass(frozen=True, slots=True)
class Delivered:
    """What became of a staff message: the ids of its parts, and for each "sent", "waiting", "sending" (not known yet),
    "withheld" or "failed" with the reason."""

    text: str
    parts: tuple[str, ...]
    statuses: tuple[tuple[str, str | None], ...]


class Staff:
    """The public way out for the staff desk."""

    def __init__(
        self,
        database: Database,
        messages: Messages,
        outbox: Outbox,
        delivery: Delivery,
        carrier: KfCarrier,
        leases: Leases,
        gate: Gate,
        log: Log,
        settings: WecomSettings,
        clock: Callable[[], float],
        sleep: Callable[[float], None],
    ) -> None:
        self._database = database
        self._messages = messages
        self._outbox = outbox
        self._delivery = delivery
        self._carrier = carrier
        self._leases = leases
        self._gate = gate
        self._log = log
        self._settings = settings
        self._clock = clock
        self._sleep = sleep

    def send(
        self,
        customer: str,
        text: str,
        *,
        staff: str,
        speaker: Speaker = "staff",
        account: str | None = None,
        answering: str | None = None,
        override: str | None = None,
        passages: Sequence[Passage] = (),
    ) -> Delivered:
        """Send `text` to the customer with this external_userid.

        `speaker` is the role from the login. `answering` is the id of the customer's last message that the writer saw:
        a message written since then stops a draft that is no answer to it. `override` is the reason given for sending
        in spite of "revise" findings; "handoff" and "block" have none. Raises NotSent, whose text the log keeps, and
        NotLogged.
        """
        conversation = self._messages.of_customer(customer, kf.CHANNEL, account)
        if conversation is None:
            raise NotSent("unknown_customer")
        if not text.strip():
            raise NotSent("empty")
        said = self._gate.staff(text.strip(), speaker, self._gate.customer(customer), passages)
        if held_back(said.findings, override):
            raise self._withhold(conversation, staff, said.text, "findings", said.findings)
        detail = {"override": override, "findings": plain([asdict(one) for one in said.findings])}
        with self._lease(conversation):
            return self._plan(conversation, said.text, staff, speaker, answering, detail)

    def _plan(
        self,
        conversation: Conversation,
        text: str,
        staff: str,
        speaker: Speaker,
        answering: str | None,
        detail: dict[str, object],
    ) -> Delivered:
        current = self._messages.conversation(conversation.id) or conversation
        if answering is not None and self._messages.newest(current.id) != answering:
            raise self._withhold(current, staff, text, "moved_on")
        if self._clock() - current.last_customer_at >= self._settings.window_s:
            raise self._withhold(current, staff, text, "late")
        pieces = split(text, self._settings.text_bytes)
        if len(pieces) > self._carrier.parts_left(current) + self._settings.reserve:
            raise self._withhold(current, staff, text, "budget")
        planned = [
            Planned(piece, speaker, part=number, parts=len(pieces), staff=staff, detail=detail)
            for number, piece in enumerate(pieces, start=1)
        ]
        with self._database.writing() as connection:
            ids = self._outbox.plan(connection, current.id, planned)
            self._messages.wake(connection, current.id, self._clock())
        self._delivery.deliver(current)
        found = self._outbox.statuses(ids)
        return Delivered(text, tuple(ids), tuple(found[one] for one in ids))

    def _lease(self, conversation: Conversation) -> _Held:
        return _Held(self._leases, f"conversation:{conversation.id}", self._sleep)

    def _withhold(
        self, conversation: Conversation, staff: str, text: str, reason: str, findings: tuple[Finding, ...] = ()
    ) -> NotSent:
        """Log what was not sent, in full, and why."""
        body = {
            "speaker": "staff",
            "staff": staff,
            "reason": reason,
            "text": self._gate.masked(text),
            "findings": plain([asdict(one) for one in findings]),
        }
        self._log.append(conversation.id, events.WITHHELD, body, raw={"text": text})
        return NotSent(reason, findings)


def held_back(findings: Sequence[Finding], override: str | None) -> bool:
    """Whether findings keep a person's text from leaving: "revise" yields to a stated reason, nothing else does."""
    strictest = max((STRICTNESS[found.action] for found in findings), default=0)
    return strictest > STRICTNESS["revise"] or (strictest > 0 and not (override or "").strip())


class _Held:
    """The lease of a conversation, waited for: while the assistant is sending, a person's message comes after it."""

    def __init__(self, leases: Leases, name: str, sleep: Callable[[float], None]) -> None:
        self._leases = leases
        self._name = name
        self._sleep = sleep
        self._holder: str | None = None

    def __enter__(self) -> None:
        waited = 0.0
        while (holder := self._leases.take(self._name, LEASE_S)) is None:
            if waited >= WAIT_S:
                raise NotSent("busy")
            self._sleep(POLL_S)
            waited += POLL_S
        self._holder = holder

    def __exit__(self, *_: object) -> None:
        if self._holder is not None:
            self._leases.give(self._name, self._holder)
