"""The gate for streams: what a model writes is released sentence by sentence, each checked with all text before it.

Read `gated` top to bottom. A sentence is logged before it leaves; one with a finding never leaves, not in part; a check
that raises or is late stops and hands over; what was not released is replaced by an approved text and kept in the log.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from assistant import flow, record
from assistant.answer.cited import ENDING, MARK, AnswerError
from assistant.answer.trouble import EndpointError
from assistant.release import sayable, screened, with_notices
from assistant.seams import Parts, Proposal, Speech, StreamingWriter
from assistant.turn import Asked, Draft, Finding, Outcome, Routing
from assistant.watch import Watch

LONGEST = 400
_LOOKAHEAD = 512  # more than the closing marks of a sentence can take
_CUT = re.compile(
    r"""(?:
        (?: [。！？；…]{1,16} | [!?;]{1,16}(?=\s) | (?<=[A-Za-z)"'])\.(?=\s) )
        [”’」』》）)"']{0,8}
        (?: [ \t]{0,8}\[[^\[\]\n]{0,40}\] ){0,8}
        (?: [ \t]{0,8}\n{1,8} )?
    ) | \n{1,8}""",
    re.VERBOSE,
)
_UNSURE = re.compile(r"[ \t]{0,8}(?:\[[^\[\]\n]{0,40})?")
_WHOLE = re.compile(rf"(?:{ENDING.pattern})(?:{MARK.pattern})*\s*\Z|\.(?:{MARK.pattern})*\s*\Z")
_OPEN = re.compile(r"[：:]\s*\Z")

Emit = Callable[[str], None]


class TooLong(Exception):
    """A sentence that does not end where sentences end; none of it may leave."""


class Shifted(Exception):
    """What was released already would read otherwise with the text that followed."""


@dataclass(frozen=True, slots=True)
class Judged:
    """The text so far as it would be released, and what is not allowed in it."""

    body: str
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True, slots=True)
class Ending:
    """How a stream ended. `said` is all that was cut off from it so far; what `released` lacks was withheld for
    `findings` or for `error`; neither when all of it was released."""

    released: str
    said: str
    findings: tuple[Finding, ...] = ()
    error: Exception | None = None

    @property
    def whole(self) -> bool:
        """Whether everything that was said was released."""
        return not self.findings and self.error is None


def gated(
    deltas: Iterable[str],
    judge: Callable[[str], Judged | None],
    log: Callable[[str], None],
    emit: Emit,
    longest: int = LONGEST,
) -> Ending:
    """Release what `deltas` say. `judge` reads all text up to the end of a sentence, or says None to wait for more."""
    released = said = ""
    try:
        for said in cuts(deltas, longest):
            judged = judge(said)
            if judged is None:
                continue
            if judged.findings:
                return Ending(released, said, judged.findings)
            if not judged.body.startswith(released):
                raise Shifted
            if sentence := judged.body[len(released) :]:
                log(sentence)
                released = judged.body
                emit(sentence)
    except Exception as error:  # noqa: BLE001 - whatever breaks, nothing more leaves
        return Ending(released, said, error=error)
    return Ending(released, said)


def cuts(deltas: Iterable[str], longest: int = LONGEST) -> Iterator[str]:
    """All text so far at the end of each sentence, and once more at the end of all; the same however the text is split.

    A sentence ends at 。！？；… or a line end, at . ! ? ; before white space, each with the closing quotes and citation
    marks that follow. It is cut off only when what follows cannot belong to it. Raises TooLong for more than `longest`
    characters without an end.
    """
    text, start = "", 0
    for delta in deltas:
        text += delta
        while (end := _certain(text, start)) is not None:
            if end - start > longest:
                raise TooLong
            yield text[:end]
            start = end
        if len(text) - start > longest + _LOOKAHEAD:
            raise TooLong
    if len(text) - start > longest:
        raise TooLong
    if text[start:].strip():
        yield text


def _certain(text: str, start: int) -> int | None:
    """Where the sentence from `start` ends, if no text to come can move that."""
    found = _CUT.search(text, start)
    if found is None or found.end() == len(text) or _UNSURE.fullmatch(text, found.end()):
        return None
    return found.end()


@dataclass(frozen=True, slots=True)
class Gate:
    """The gate of one turn, in the place of `flow.checked`. `emit` gets each sentence of the body as it is released."""

    turn: str
    conversation: str
    emit: Emit

    def __call__(
        self, proposal: Proposal, asked: Asked, parts_of_turn: Parts, facts: Mapping[str, Any], watch: Watch, /
    ) -> tuple[Proposal, tuple[Finding, ...]]:
        """What was released, and what was found in what was not. What no model writes is released as a whole."""
        if not proposal.found:
            return flow.checked(proposal, asked, parts_of_turn, facts, watch)
        speech = None if _warned(proposal, asked) else _speech(proposal, asked, parts_of_turn)
        if speech is None:
            with watch("draft"):
                proposal = flow.written(proposal, asked, parts_of_turn)
            return flow.checked(proposal, asked, parts_of_turn, facts, watch)
        return self._spoken(speech, proposal, asked, parts_of_turn, facts, watch)

    def _spoken(
        self,
        speech: Speech,
        proposal: Proposal,
        asked: Asked,
        parts_of_turn: Parts,
        facts: Mapping[str, Any],
        watch: Watch,
    ) -> tuple[Proposal, tuple[Finding, ...]]:
        heard: list[str] = []
        rows: list[str] = []
        passed = [proposal]

        def deltas() -> Iterator[str]:
            for delta in speech.deltas:
                heard.append(delta)
                yield delta

        def judge(said: str) -> Judged | None:
            if said != "".join(heard) and (not _WHOLE.search(said) or _OPEN.search(said)):
                return None
            with watch("screen"):
                candidate = with_notices(flow.about(proposal, speech.read(said), asked))
                found = screened(candidate, asked, parts_of_turn)
            if not found:
                passed.append(candidate)
            return Judged(candidate.draft.body, found)

        def log(sentence: str) -> None:
            body = {
                "turn": self.turn,
                "number": len(rows) + 1,
                "text": sentence,
                "versions": dict(parts_of_turn.versions),
            }
            rows.append(parts_of_turn.log.append(self.conversation, "sentence", body))

        with watch("stream"):
            ending = gated(deltas(), judge, log, self.emit)
        trace = {
            **proposal.trace,
            "model": _told(speech, heard, ending),
            "sentences": rows,
            **({} if ending.whole else {"withheld": [ending.said]}),
        }
        findings = tuple(replace(finding, on="draft") for finding in ending.findings)
        if ending.error is not None and _broken(ending):
            findings = (*findings, flow.check_failed(ending.error))
        if ending.whole and ending.released:
            return replace(passed[-1], suggestions=_buttons(passed[-1], asked, parts_of_turn), trace=trace), ()
        if not ending.released and not _broken(ending):
            instead, more = flow.checked(proposal, asked, parts_of_turn, facts, watch)
            return replace(instead, trace={**instead.trace, **trace}), (*findings, *more)
        released = next((one for one in passed[1:] if one.draft.body == ending.released), proposal)
        return self._stopped(replace(released, trace=trace), ending, asked, parts_of_turn, facts), findings

    def _stopped(
        self, released: Proposal, ending: Ending, asked: Asked, parts_of_turn: Parts, facts: Mapping[str, Any]
    ) -> Proposal:
        """What was released with an approved text in the place of the rest. A check that failed hands over; if even the
        approved text cannot be screened after what was released, the last resort follows it."""
        failed = _broken(ending)
        if failed and not ending.released:
            error = ending.error or RuntimeError("what was written could not be screened")
            handed = flow.failed(asked, parts_of_turn, facts, error, released.intent)
            return replace(handed, trace={**released.trace, **handed.trace})
        outcome: Outcome = "handoff" if failed else "refuse"
        routing = Routing(released.intent, 1.0, "检查未能完成" if failed else "后面的内容未通过审查")
        try:
            slot = "check_failed" if failed else "stopped"
            rest = flow.fixed(slot, outcome, routing, asked, parts_of_turn, facts, "")
            proposal = with_notices(_joined(released, rest))
            if not screened(proposal, asked, parts_of_turn):
                return proposal
            why = "the approved text does not pass the screening"
        except Exception as error:  # noqa: BLE001 - what stopped the stream may break this too
            why = f"{type(error).__name__}: {error}"
        rest = Proposal("handoff", released.intent, parts_of_turn.last_resort)
        proposal = with_notices(_joined(released, rest))
        return replace(proposal, trace={**proposal.trace, "error": why})


def _speech(proposal: Proposal, asked: Asked, parts_of_turn: Parts) -> Speech | None:
    """The model speaking, or None when no model can be heard or it has nothing to speak from."""
    if not isinstance(parts_of_turn.writer, StreamingWriter):
        return None
    hits = [hit for one in proposal.found for hit in one.hits[:5]]
    return parts_of_turn.writer.speech(asked.text, asked.history, hits)


def _warned(proposal: Proposal, asked: Asked) -> bool:
    """Whether the answer may need a written warning for this customer: that is read with the facts, not after them."""
    drawn_on = tuple(hit.passage for one in proposal.found for hit in one.hits[:5])
    decisions = flow.about(proposal, replace(proposal.draft, evidence=drawn_on), asked).decisions
    return any(one.decision != "suitable" for one in decisions.values())


def _buttons(released: Proposal, asked: Asked, parts_of_turn: Parts) -> tuple[str, ...]:
    """The buttons under what was released; none when they cannot be screened, for the reply itself has left."""
    try:
        return sayable(released.suggestions, asked, parts_of_turn)
    except Exception:  # noqa: BLE001 - a button is never worth the reply
        return ()


def _joined(released: Proposal, rest: Proposal) -> Proposal:
    """One reply of what was released and what takes the place of the rest."""
    draft = released.draft
    body = f"{draft.body}\n{rest.draft.body}"
    evidence = (*draft.evidence, *rest.draft.evidence)
    joined: Draft = replace(draft, body=body, evidence=evidence)
    return replace(
        released, outcome=rest.outcome, draft=joined, suggestions=rest.suggestions, filled=rest.filled, fallback=None
    )


def _broken(ending: Ending) -> bool:
    """Whether a check failed, and not the model."""
    if any(finding.check == "check_failed" for finding in ending.findings):
        return True
    return ending.error is not None and not isinstance(ending.error, AnswerError | EndpointError | TooLong | Shifted)


def _told(speech: Speech, heard: list[str], ending: Ending) -> dict[str, Any]:
    """What the log keeps of the model's answer."""
    error = ending.error
    failure, detail = (type(error).__name__, "") if error is not None else (None, "")
    if isinstance(error, AnswerError):
        failure, detail = error.fault, error.detail
    elif isinstance(error, EndpointError):
        failure, detail = error.trouble, error.detail
    return record.model(speech.prompt_hash, speech.sent, "".join(heard), failure, detail)
