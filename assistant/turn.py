"""The values that travel through one turn. They import nothing of ours; every part of the product speaks in them.

Dates are `datetime.date` in Asia/Shanghai; bounds are inclusive. Spans are half-open `[start, end)` in code points
of the text they were found in.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Literal

Intent = Literal[
    "education", "product", "account", "personal", "advice", "complaint", "human", "illegal", "fraud", "distress",
    "smalltalk", "out_of_scope", "attack",
]  # fmt: skip
Outcome = Literal["answer", "clarify", "refuse", "handoff"]
Action = Literal["allow", "revise", "handoff", "block"]
Code = Literal[
    "guaranteed_return", "performance_forecast", "stock_tip", "exaggeration", "urgency", "inside_info", "evasion",
    "unsuitable_push", "off_channel", "inducement", "disparagement", "pii_leak", "rude", "ungrounded",
    "missing_disclosure", "unsafe_input", "check_failed",
]  # fmt: skip
Speaker = Literal["assistant", "staff", "adviser"]
Initiative = Literal["customer", "firm"]
Place = Literal["input", "draft", "reply"]
Kind = Literal["education", "product", "service", "notice", "script"]
Status = Literal["draft", "in_review", "approved", "retired"]
Audience = Literal["public", "staff"]
Access = Literal["public", "qualified"]
RiskClass = Literal["C1", "C2", "C3", "C4", "C5"]
Grade = Literal["R1", "R2", "R3", "R4", "R5"]
Horizon = Literal["short", "medium", "long"]
Decision = Literal["suitable", "unsuitable_warn", "forbidden", "assess_first"]
Reason = Literal[
    "no_access", "minor", "lowest_class", "not_assessed", "assessment_expired", "product_unrated", "above_class",
    "term_mismatch", "type_mismatch", "firm_initiative",
]  # fmt: skip
Form = Literal["text", "list", "steps", "faq", "row"]

STRICTNESS: Mapping[Action, int] = {"allow": 0, "revise": 1, "handoff": 2, "block": 3}


@dataclass(frozen=True, slots=True)
class Product:
    """A financial product as its approved sheet describes it. `term` is the document's own free text."""

    code: str
    name: str = ""
    aliases: tuple[str, ...] = ()
    type: str | None = None
    risk: Grade | None = None
    term: str | None = None
    min_amount: str | None = None
    access: Access = "public"


@dataclass(frozen=True, slots=True)
class Customer:
    """What the broker's records say of one customer; never taken from the customer's words."""

    id: str | None = None
    risk_class: RiskClass | None = None
    lowest: bool = False
    professional: bool = False
    assessed_on: date | None = None
    valid_until: date | None = None
    birth_date: date | None = None
    horizon: Horizon | None = None
    types: tuple[str, ...] = ()
    qualified: bool = False


@dataclass(frozen=True, slots=True)
class Message:
    """One earlier message of the conversation: context, untrusted, never evidence."""

    role: Literal["user", "assistant"]
    content: str


@dataclass(frozen=True, slots=True)
class Passage:
    """One retrievable piece of one revision of a document version.

    `text` is verbatim document text (visible text only) and what a citation may quote. `heading` is the path of
    headings above it, outermost first, without the document title. By `form`:
    text   a paragraph (or a few short ones);
    list   introduction line and its items, one a line, each item starting with "- ";
    steps  introduction line and numbered items, one a line, each starting with "1. ", "2. " …;
    faq    `question` holds the question as written, `text` the answer;
    row    one table row as "column：cell；column：cell"; `columns` holds the pairs in order, `table` names the table.
    """

    id: str
    document: str
    version: str
    revision: str
    title: str
    kind: Kind
    audience: Audience
    form: Form
    text: str
    position: int = 0
    heading: tuple[str, ...] = ()
    question: str = ""
    table: str = ""
    columns: tuple[tuple[str, str], ...] = ()
    tokens: int = 0
    effective_from: date | None = None
    effective_to: date | None = None
    product: Product | None = None
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Citation:
    """A source of an answer. `quote` is verbatim text of the passage `passage`."""

    document: str
    version: str
    title: str
    effective_from: date | None
    passage: str
    quote: str


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is not allowed, where it stands, and the clause that says so."""

    check: Code
    action: Action
    reason: str
    clause: str
    span: tuple[int, int]
    on: Place = "reply"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What screening decided about one whole text: `action` is the strictest of the findings, or allow."""

    action: Action
    findings: tuple[Finding, ...] = ()
    not_checked: tuple[Code, ...] = ()


@dataclass(frozen=True, slots=True)
class Suitability:
    """The decision for one customer and one product, with every reason that applies and the clauses they rest on."""

    decision: Decision
    reasons: tuple[Reason, ...] = ()
    clauses: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Routing:
    """What a message wants: exactly one intent, how sure (0..1), and why in words for staff."""

    intent: Intent
    confidence: float
    reason: str


@dataclass(frozen=True, slots=True)
class Draft:
    """An answer before screening. `marks` places citation numbers: (offset in `body`, index in `citations`)."""

    body: str
    citations: tuple[Citation, ...] = ()
    marks: tuple[tuple[int, int], ...] = ()
    evidence: tuple[Passage, ...] = ()
    writer: str = "extractive"
    notices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Reply:
    """What left, or would leave: `text` is all the customer sees in plain text, notices included."""

    turn: str
    conversation: str
    outcome: Outcome
    intent: Intent
    text: str
    body: str
    notices: tuple[str, ...] = ()
    citations: tuple[Citation, ...] = ()
    marks: tuple[tuple[int, int], ...] = ()
    findings: tuple[Finding, ...] = ()
    suggestions: tuple[str, ...] = ()
    products: tuple[Product, ...] = ()
    ms: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Asked:
    """One customer message as a channel hands it over. `conversation` None starts a new one.

    `history` is what a client of the command line or of the OpenAI-compatible interface supplies; a channel that keeps
    its own conversations leaves it empty, and the log supplies it. `key` makes a retried message answer once.
    """

    text: str
    channel: str
    today: date
    conversation: str | None = None
    history: tuple[Message, ...] = ()
    customer: Customer | None = None
    key: str | None = None


@dataclass(frozen=True, slots=True)
class Source:
    """What a citation opens: the approved passage as the customer may read it, and its document's particulars."""

    passage: str
    document: str
    version: str
    title: str
    heading: tuple[str, ...]
    text: str
    effective_from: date | None
    effective_to: date | None
    source: str | None
    current: bool
