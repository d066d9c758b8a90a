"""What the log keeps of a turn: all that shaped it, as JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import date
from typing import TYPE_CHECKING, Any

from assistant.turn import Asked, Citation, Finding, Product, Reply, Routing
from assistant.watch import Watch
from knowledge.retrieval.search import Found

if TYPE_CHECKING:
    from assistant.seams import Proposal

HITS_KEPT = 8


def turn(asked: Asked, reply: Reply, proposal: Proposal, versions: Mapping[str, str], watch: Watch) -> dict[str, Any]:
    """The body of a `turn` event. Personal data was masked before it came here."""
    return {
        "channel": asked.channel,
        "question": asked.text,
        "history": [asdict(message) for message in asked.history],
        "customer": None if asked.customer is None else plain(asdict(asked.customer)),
        "today": asked.today.isoformat(),
        "key": asked.key,
        "trace": dict(proposal.trace),
        "evidence": [
            {
                "passage": passage.id,
                "revision": passage.revision,
                "document": passage.document,
                "version": passage.version,
            }
            for passage in proposal.draft.evidence
        ],
        "writer": proposal.draft.writer,
        "decisions": {code: plain(asdict(decision)) for code, decision in proposal.decisions.items()},
        "reply": reply_json(reply),
        "versions": dict(versions),
        "ms": watch.ms(),
    }


def left(asked: Asked, reply: Reply) -> dict[str, Any]:
    """The body of an `inbound` event: a message kept for a person, which the assistant did not answer."""
    return {
        "channel": asked.channel,
        "question": asked.text,
        "customer": None if asked.customer is None else plain(asdict(asked.customer)),
        "today": asked.today.isoformat(),
        "key": asked.key,
        "reply": reply_json(reply),
    }


def routing(found: Routing) -> dict[str, Any]:
    return {"intent": found.intent, "confidence": round(found.confidence, 4), "reason": found.reason}


def found(results: Sequence[Found]) -> dict[str, Any]:
    """What retrieval found for each question: the reading that won and the best passages."""
    return {
        "retrieval": [
            {
                "reading": result.query.text,
                "answerable": round(result.answerable, 4),
                "hits": [
                    {"passage": hit.passage.id, "revision": hit.passage.revision, "p": round(hit.probability, 4)}
                    for hit in result.hits[:HITS_KEPT]
                ],
            }
            for result in results
        ]
    }


def model(
    prompt_hash: str, sent: Sequence[tuple[str, str]], said: str, failure: str | None, detail: str
) -> dict[str, Any]:
    """What a language model was sent and said, and why it was not used."""
    messages = [list(message) for message in sent]
    return {"prompt": prompt_hash, "sent": messages, "said": said, "failure": failure, "detail": detail}


def reply_json(reply: Reply) -> dict[str, Any]:
    """A reply as JSON, from which `reply_from` makes it again."""
    values: dict[str, Any] = plain(asdict(reply))
    return values


def reply_from(values: Mapping[str, Any]) -> Reply:
    """The reply that `reply_json` wrote."""
    fields = dict(values)
    fields["citations"] = tuple(
        Citation(**(c | {"effective_from": date.fromisoformat(c["effective_from"]) if c["effective_from"] else None}))
        for c in values["citations"]
    )
    fields["findings"] = tuple(Finding(**(f | {"span": tuple(f["span"])})) for f in values["findings"])
    fields["products"] = tuple(Product(**(p | {"aliases": tuple(p["aliases"])})) for p in values["products"])
    fields["marks"] = tuple((place, index) for place, index in values["marks"])
    fields["notices"], fields["suggestions"] = tuple(values["notices"]), tuple(values["suggestions"])
    return Reply(**fields)


def plain(value: Any) -> Any:
    """The value with dates as ISO text and tuples as lists."""
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value.isoformat() if isinstance(value, date) else value
