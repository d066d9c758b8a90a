"""What a logged event means to compliance: channel, outcome, sources, findings, risk; and whether it is reviewed."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from assistant.compliance.words import filter_word, version_of, words
from assistant.log import Entry

FILE = Path(__file__).with_name("review.yaml")
SPOKEN = ("turn", "staff_reply", "outbound", "staff_withheld", "withheld", "customer_message", "inbound")
UNANSWERED = ("not_found",)


@dataclass(frozen=True, slots=True)
class Source:
    """A document version a reply rested on; `quoted` when the customer saw it named."""

    document: str
    version: str
    quoted: bool


@dataclass(frozen=True, slots=True)
class Read:
    """One event as the search tables hold it."""

    entry: Entry
    text: str
    channel: str
    outcome: str
    intent: str
    customer: str | None
    staff: str | None
    writer: str
    latency: int | None
    unanswered: bool
    sources: tuple[Source, ...]
    products: tuple[str, ...]
    findings: tuple[tuple[str, str], ...]
    weight: int

    @property
    def day(self) -> str:
        return self.entry.recorded_at[:10]

    def words(self) -> set[str]:
        """Everything it is found by."""
        single = {
            "event": self.entry.event, "channel": self.channel, "outcome": self.outcome, "intent": self.intent,
            "customer": self.customer, "staff": self.staff,
        }  # fmt: skip
        found = words(self.text) | {filter_word(name, value) for name, value in single.items() if value}  # type: ignore[arg-type]
        found |= {filter_word("product", product) for product in self.products}
        found |= {filter_word("finding", code) for code, _ in self.findings}
        for source in self.sources:
            found.add(filter_word("document", source.document))
            found.add(filter_word("version", version_of(source.document, source.version)))
        return found


@lru_cache(maxsize=1)
def rules() -> Mapping[str, Any]:
    """The weights, the threshold and the sample, as the data file states them."""
    loaded: Mapping[str, Any] = yaml.safe_load(FILE.read_text("utf-8"))
    return loaded


def read(entry: Entry) -> Read | None:
    """What an event means; None for one that nobody said anything in."""
    if entry.event not in SPOKEN:
        return None
    body = entry.body
    reply = body.get("reply") if isinstance(body.get("reply"), Mapping) else {}
    assert isinstance(reply, Mapping)
    findings = _findings(reply.get("findings") or body.get("findings") or ())
    staff = body.get("staff") or body.get("member") or body.get("author")
    customer = body.get("customer")
    return Read(
        entry=entry,
        text="\n".join(str(part) for part in (body.get("question"), reply.get("text"), body.get("text")) if part),
        channel=str(body.get("channel") or "desk"),
        outcome=str(reply.get("outcome") or entry.event),
        intent=str(reply.get("intent") or body.get("intent") or ""),
        customer=customer.get("id") if isinstance(customer, Mapping) else customer,
        staff=str(staff) if staff else None,
        writer=str(body.get("writer") or body.get("speaker") or ("staff" if staff else "")),
        latency=_latency(body),
        unanswered=_trace(body).get("slot") in UNANSWERED,
        sources=_sources(body, reply),
        products=tuple(dict.fromkeys(str(one["code"]) for one in reply.get("products") or () if one.get("code"))),
        findings=findings,
        weight=_weight(entry, body, reply, findings, bool(staff)),
    )


def sampled(turn: str) -> bool:
    """Whether the random sample draws a turn; the same for everybody who draws with the same seed and rate."""
    drawn = int.from_bytes(hashlib.sha256(f"{rules()['sample_seed']}:{turn}".encode()).digest()[:8])
    return drawn < float(rules()["sample_rate"]) * 2**64


def _findings(given: Sequence[Mapping[str, Any]]) -> tuple[tuple[str, str], ...]:
    found: dict[str, str] = {}
    order = ("allow", "revise", "handoff", "block")
    for one in given:
        code, action = str(one.get("check")), str(one.get("action", "revise"))
        if action in order and order.index(action) >= order.index(found.get(code, "allow")):
            found[code] = action
    return tuple(found.items())


def _sources(body: Mapping[str, Any], reply: Mapping[str, Any]) -> tuple[Source, ...]:
    """What was quoted, and what else the answer rested on, as far as its version is known."""
    found: dict[tuple[str, str], bool] = {}
    for one in body.get("evidence") or ():
        if one.get("version"):
            found[str(one["document"]), str(one["version"])] = False
    for one in reply.get("citations") or body.get("citations") or ():
        found[str(one["document"]), str(one["version"])] = True
    return tuple(Source(document, version, quoted) for (document, version), quoted in found.items())


def _latency(body: Mapping[str, Any]) -> int | None:
    total = (body.get("ms") or {}).get("total")
    return None if total is None else round(float(total))


def _trace(body: Mapping[str, Any]) -> Mapping[str, Any]:
    trace = body.get("trace")
    return trace if isinstance(trace, Mapping) else {}


def _weight(
    entry: Entry,
    body: Mapping[str, Any],
    reply: Mapping[str, Any],
    findings: Sequence[tuple[str, str]],
    staff: bool,
) -> int:
    """The risk of an event by the weights of the data file."""
    known = rules()
    total = sum(known["findings"].get(code, 0) + known["actions"].get(action, 0) for code, action in findings)
    total += known["intents"].get(reply.get("intent"), 0) + known["outcomes"].get(reply.get("outcome"), 0)
    total += known["writers"].get(body.get("writer"), 0) + (known["staff"] if staff else 0)
    grades = [known["grades"].get(one.get("risk"), 0) for one in reply.get("products") or ()]
    decisions = body.get("decisions") or {}
    decided = [known["decisions"].get(one.get("decision"), 0) for one in decisions.values()]
    return int(total + max(grades, default=0) + max(decided, default=0))
