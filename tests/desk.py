"""A staff desk over an installation, with a clock that tests turn, and people at it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from uuid import uuid4

from assistant.assistant import Assistant
from assistant.desk.desk import Desk
from assistant.desk.values import Member
from assistant.desk.work import SendResult, Words, Work
from assistant.log import SHANGHAI
from assistant.turn import Asked, Customer, Reply
from tests.branch import TODAY, Branch

OPEN = datetime(2026, 11, 23, 10, 0, tzinfo=SHANGHAI)  # a Monday
CLOSED = datetime(2026, 11, 22, 22, 0, tzinfo=SHANGHAI)  # a Sunday night
WANG = Member("wang", "王芳", "staff", "wang")
LI = Member("li", "李强", "staff", "li")
ZHAO = Member("zhao", "赵敏", "adviser", "zhao", "S0010620010001")


@dataclass
class Clock:
    """Seconds since the epoch, as tests set them."""

    at: float = field(default_factory=OPEN.timestamp)

    def __call__(self) -> float:
        return self.at

    def set(self, moment: datetime) -> None:
        self.at = moment.timestamp()

    def pass_(self, seconds: float) -> None:
        self.at += seconds


@dataclass
class Counter:
    """A desk with its assistant: customers ask, people serve."""

    branch: Branch
    clock: Clock = field(default_factory=Clock)

    def __post_init__(self) -> None:
        self.open()

    def open(self) -> None:
        """A new process over the same records."""
        installation = self.branch.installation
        self.desk = Desk(installation.parts, installation.materials, installation.database, self.clock)
        self.work = Work(self.desk)
        self.assistant = Assistant(installation.parts, installation.materials, desk=self.desk)

    def ask(self, text: str, conversation: str, *, key: str | None = None, customer: Customer | None = None) -> Reply:
        return self.assistant.answer(Asked(text, "web", TODAY, conversation, customer=customer, key=key))

    def hand_over(self, conversation: str, text: str = "转人工", customer: Customer | None = None) -> None:
        assert self.ask(text, conversation, customer=customer).outcome == "handoff"

    def claimed(self, conversation: str, member: Member = WANG, text: str = "转人工") -> None:
        """A conversation in somebody's hands."""
        self.hand_over(conversation, text)
        self.desk.presence.seen(member)
        self.work.claim(conversation, member)

    def say(self, conversation: str, text: str, member: Member = WANG, **more: object) -> SendResult:
        """Send a text that answers the newest message, unless told otherwise."""
        values: dict[str, object] = {"key": str(uuid4()), "answering": self.work.ticket(conversation).newest}
        return self.work.send(conversation, member, Words(text, **(values | more)))  # type: ignore[arg-type]

    def shown(self, conversation: str, after: int = 0) -> list[str]:
        """What the customer's page gets."""
        return [one.body["text"] for one in self.desk.messages(conversation, after)]
