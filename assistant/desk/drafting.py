"""What the assistant would say in a person's place: a draft with its sources, never released from here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from assistant import flow, record
from assistant.answer import suggest
from assistant.answer.extractive import compose
from assistant.desk.summary import PERSON
from assistant.log import Entry
from assistant.question import readings
from assistant.seams import Parts, Proposal
from assistant.turn import Asked, Citation, Customer, Draft, Message, Passage
from assistant.watch import Watch

HISTORY = 6


@dataclass(frozen=True, slots=True)
class Drafted:
    """A draft and what it rests on; `body` is "" when the materials do not answer, and `why` says so. `nearest` are
    questions they do answer."""

    question: str
    body: str
    citations: tuple[Citation, ...]
    marks: tuple[tuple[int, int], ...]
    passages: tuple[str, ...]
    writer: str
    why: str
    nearest: tuple[str, ...]
    ms: float
    trace: dict[str, Any]


class Drafting:
    """Drafts by the same search and the same writer that answer customers."""

    def __init__(self, parts: Parts, today: Callable[[], date]) -> None:
        self._parts = parts
        self._today = today

    def draft(self, question: str, history: Sequence[Message], customer: Customer | None) -> Drafted:
        """The draft of an answer to `question`. Raises what a step raises; nothing was released then."""
        parts, today, watch = self._parts, self._today(), Watch()
        asked = Asked(question, "desk", today, history=tuple(history[-HISTORY:]), customer=customer)
        with watch("retrieve"):
            view = parts.search.library.view(today, live=True)
            means = readings(asked.text, asked.history, parts.search.library.words)
            results = flow.retrieve(asked, means, parts, view)
        good = tuple(one for one in results if one.answerable >= parts.settings.answerable)
        trace = record.found(results)
        if not good:
            nearest = suggest.nearest(results)
            return Drafted(question, "", (), (), (), "", "not_found", nearest, watch.ms()["total"], trace)
        with watch("draft"):
            composed = compose(good, parts.search.library.materials, parts.search.library.words)
            proposal = Proposal("answer", "education", composed, found=good, trace=trace)
            proposal = flow.written(flow.about(proposal, composed, asked), asked, parts)
        nearest = proposal.suggestions
        return _drafted(question, proposal.draft, nearest, watch, dict(proposal.trace))

    def sources(self, words: str, limit: int = 8) -> list[Passage]:
        """The passages nearest to what a person looks for, best first; each may be quoted today."""
        parts = self._parts
        view = parts.search.library.view(self._today(), live=True)
        found = parts.search.find((words,), view)
        return [hit.passage for hit in found.hits[:limit]]


def question_of(entries: Sequence[Entry]) -> str:
    """What a draft answers: the messages since a person or the assistant last said something of substance, or the last
    one that was more than asking for a person."""
    said = [one for one in entries if one.event in ("turn", "inbound", "outbound")]
    since: list[str] = []
    for entry in reversed(said):
        if entry.event == "outbound":
            break
        text = _words(entry)
        asks = entry.event != "turn" or _substance(entry)
        if text and asks:
            since.append(text)
        if entry.event == "turn" and _substance(entry):
            break
    if since:
        return "\n".join(reversed(since[:3]))
    return next((_words(one) for one in reversed(said) if one.event != "outbound" and _words(one)), "")


def history_of(entries: Sequence[Entry]) -> list[Message]:
    """The conversation so far as context."""
    found: list[Message] = []
    for entry in entries:
        if entry.event == "outbound":
            found.append(Message("assistant", str(entry.body.get("text") or "")))
            continue
        if entry.event not in ("turn", "inbound"):
            continue
        found.append(Message("user", _words(entry)))
        body = (entry.body.get("reply") or {}).get("body")
        found += [Message("assistant", body)] if body else []
    return found


def _substance(entry: Entry) -> bool:
    return entry.body["reply"]["intent"] not in PERSON


def _words(entry: Entry) -> str:
    return str(entry.body.get("question") or entry.body.get("text") or "")


def _drafted(question: str, draft: Draft, nearest: tuple[str, ...], watch: Watch, trace: dict[str, Any]) -> Drafted:
    return Drafted(
        question=question,
        body=draft.body,
        citations=draft.citations,
        marks=draft.marks,
        passages=tuple(dict.fromkeys(one.id for one in draft.evidence)),
        writer=draft.writer,
        why="",
        nearest=nearest,
        ms=watch.ms()["total"],
        trace=trace,
    )
