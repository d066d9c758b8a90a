"""Answers written by a language model from fenced passages; whatever it writes is read strictly or not used at all.

Nothing is released from here: a draft is still screened as a whole by the flow, and what is streamed goes through the
gate. Every failure has a name, so that the log can say why the model was not used.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from langchain_core.messages import BaseMessage

import prompts
from assistant.answer import cited
from assistant.answer.endpoint import Endpoint, Limits
from assistant.answer.trouble import EndpointError, Trouble
from assistant.turn import Draft, Message, Passage
from knowledge.retrieval.search import Hit
from prompts.fence import Fence

Failure = Trouble | cited.Fault | Literal["no_passages", "no_history", "rewrite_form", "rewrite_invents"]

ANSWER_LIMIT = 180
QUESTION_LIMIT = 120
ANSWER_TOKENS = 400
QUESTION_TOKENS = 160
PASSAGES_LIMIT = 8
PASSAGES_CHARACTERS = 6000
PASSAGE_CHARACTERS = 1500
ASKED_CHARACTERS = 1000
HISTORY_LIMIT = 6
HISTORY_CHARACTERS = 400
LEAST_KNOWN = 0.75
ROLE_NAMES = {"user": "客户", "assistant": "助手"}
CODE = re.compile(r"[a-z0-9.]*\d[a-z0-9.]*|[零〇一二三四五六七八九十百千万亿两]{2,}", re.IGNORECASE)
UPPERCASE = re.compile(r"(?<![A-Za-z])[A-Z][A-Z0-9]+(?![A-Za-z])")
LETTER = re.compile(r"[^\W_]")


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try at an answer: the draft, or why there is none.

    `raw` is exactly what came back, `sent` exactly what the model saw as (role, text), `prompt_hash` the SHA-256 of the
    prompt file; `detail` names the words or the status at fault.
    """

    draft: Draft | None
    failure: Failure | None
    prompt_hash: str
    raw: str
    detail: str = ""
    sent: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Rewrite:
    """One try at a standalone question: its text, or why there is none. The other fields are those of `Attempt`."""

    text: str | None
    failure: Failure | None
    prompt_hash: str
    raw: str
    detail: str = ""
    sent: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Speech:
    """An answer as it is being written. `deltas` are pieces of raw text, and end in an EndpointError where the model
    breaks off. `read` makes a draft of all the raw text so far, which ends with a whole sentence; it raises AnswerError
    where one does not hold. The other fields are those of `Attempt`."""

    deltas: Iterator[str]
    read: Callable[[str], Draft]
    prompt_hash: str
    sent: tuple[tuple[str, str], ...]


class ModelWriter:
    """A `Writer` that asks an OpenAI-compatible endpoint; thread-safe.

    `timeout` (seconds) bounds a whole call with retries and the wait for a free place; at most `concurrency` calls run
    at once; `answer_tokens` bounds an answer, the thoughts of a reasoning model included. Raises ValueError if the
    address or the model name cannot be right; after that it never raises.
    """

    def __init__(
        self,
        base_url: str,
        api_key: str,
        model: str,
        timeout: float = 20.0,
        *,
        concurrency: int = 4,
        retries: int = 1,
        answer_tokens: int = ANSWER_TOKENS,
    ) -> None:
        self.name = f"llm:{model}"
        self._answer_tokens = answer_tokens
        self._endpoint = Endpoint(base_url, api_key, model, Limits(timeout, concurrency, retries))
        self._answer, self._standalone = prompts.load("answer.zh"), prompts.load("standalone.zh")
        self._refusals = prompts.refusals()

    def draft(self, question: str, history: Sequence[Message], hits: Sequence[Hit]) -> Draft | None:
        """The answer to `question` from the passages of `hits`, or None; `attempt` says why."""
        return self.attempt(question, history, hits).draft

    def attempt(self, question: str, history: Sequence[Message], hits: Sequence[Hit]) -> Attempt:
        """The answer with how it came about. History helps to understand the question and is never evidence."""
        asking = self._asking(question, history, hits)
        if asking is None:
            return Attempt(None, "no_passages", self._answer.hash, "")
        messages, read = asking
        tried = Attempt(None, None, self._answer.hash, "", sent=_sent(messages))
        try:
            tried = replace(tried, raw=self._endpoint.complete(messages, self._answer_tokens))
            draft = read(tried.raw)
        except EndpointError as error:
            return replace(tried, failure=error.trouble, detail=error.detail, raw=error.raw)
        except cited.AnswerError as rejected:
            return replace(tried, failure=rejected.fault, detail=rejected.detail)
        return replace(tried, draft=draft)

    def speech(self, question: str, history: Sequence[Message], hits: Sequence[Hit]) -> Speech | None:
        """The answer piece by piece, or None when no passage can bear one out."""
        asking = self._asking(question, history, hits)
        if asking is None:
            return None
        messages, read = asking
        deltas = self._endpoint.stream(messages, self._answer_tokens)
        return Speech(deltas, read, self._answer.hash, _sent(messages))

    def _asking(
        self, question: str, history: Sequence[Message], hits: Sequence[Hit]
    ) -> tuple[list[BaseMessage], Callable[[str], Draft]] | None:
        """What the model is sent, and how its answer is read; None without passages."""
        passages = _chosen(hits)
        if not passages:
            return None
        fence = Fence()
        messages = self._answer.messages(
            limit=str(ANSWER_LIMIT),
            token=fence.token,
            passages="\n".join(fence.around("passage", _shown(p), n) for n, p in enumerate(passages, 1)),
            history=_fenced_history(history, fence),
            question=fence.around("question", question[:ASKED_CHARACTERS]),
        )

        def read(raw: str) -> Draft:
            draft = cited.read(
                raw, passages, asked=question, token=fence.token, limit=ANSWER_LIMIT, refusals=self._refusals
            )
            return replace(draft, writer=self.name)

        return messages, read

    def standalone(self, question: str, history: Sequence[Message]) -> str | None:
        """`question` so that it can be understood without the history, or None; `rewrite` says why."""
        return self.rewrite(question, history).text

    def rewrite(self, question: str, history: Sequence[Message]) -> Rewrite:
        """The standalone question with how it came about. Without a history there is nothing to rewrite."""
        recent = _recent(history)
        if not recent:
            return Rewrite(None, "no_history", self._standalone.hash, "")
        fence = Fence()
        asked = question[:ASKED_CHARACTERS]
        messages = self._standalone.messages(
            limit=str(QUESTION_LIMIT),
            token=fence.token,
            history=_fenced_history(history, fence),
            question=fence.around("question", asked),
        )
        tried = Rewrite(None, None, self._standalone.hash, "", sent=_sent(messages))
        try:
            tried = replace(tried, raw=self._endpoint.complete(messages, QUESTION_TOKENS))
        except EndpointError as error:
            return replace(tried, failure=error.trouble, detail=error.detail, raw=error.raw)
        text = cited.cleaned(tried.raw).strip("\"'“”「」 ")
        failure, detail = _rewrite_fault(text, "\n".join((asked, *(said for _, said in recent))), fence.token)
        return replace(tried, text=None if failure else text, failure=failure, detail=detail)

    def close(self) -> None:
        """Close the connections; no call may follow."""
        self._endpoint.close()


def _chosen(hits: Sequence[Hit]) -> list[Passage]:
    """The passages in their order, each once, as many as fit."""
    chosen: dict[str, Passage] = {}
    size = 0
    for hit in hits:
        passage = hit.passage
        if passage.id in chosen or not passage.text.strip():
            continue
        size += min(len(passage.text), PASSAGE_CHARACTERS)
        if len(chosen) >= PASSAGES_LIMIT or (chosen and size > PASSAGES_CHARACTERS):
            break
        chosen[passage.id] = passage
    return list(chosen.values())


def _shown(passage: Passage) -> str:
    """A passage as the model reads it: where it stands, then what it says."""
    place = " > ".join(part for part in (f"《{passage.title}》", *passage.heading, passage.table) if part)
    question = [f"问：{passage.question}"] if passage.question else []
    return "\n".join((place, *question, passage.text[:PASSAGE_CHARACTERS]))


def _recent(history: Sequence[Message]) -> list[tuple[str, str]]:
    """The last messages with something in them, oldest first, each cut to length."""
    said: list[tuple[str, str]] = [(message.role, message.content.strip()) for message in history]
    return [(role, text[:HISTORY_CHARACTERS]) for role, text in said if text][-HISTORY_LIMIT:]


def _fenced_history(history: Sequence[Message], fence: Fence) -> str:
    recent = _recent(history)
    if not recent:
        return "（无）"
    return "\n".join(fence.around("earlier", f"{ROLE_NAMES[role]}：{text}") for role, text in recent)


def _sent(messages: Sequence[BaseMessage]) -> tuple[tuple[str, str], ...]:
    return tuple(("user" if message.type == "human" else message.type, str(message.content)) for message in messages)


def _rewrite_fault(text: str, known: str, token: str) -> tuple[Failure | None, str]:
    """Why a rewritten question may not be used: its form, or that it says what the conversation does not."""
    if not LETTER.search(text) or "\n" in text or len(text) > QUESTION_LIMIT or cited.loops(text):
        return "rewrite_form", f"{len(text)}"
    if token in text or cited.TEMPLATE.search(text):
        return "leaked", ""
    if cited.NOT_FOUND.search(text):
        return "not_found", ""
    said, known = (unicodedata.normalize("NFKC", part) for part in (text, known))
    codes = {code.strip(".").lower() for code in CODE.findall(known)}
    invented = [code for code in CODE.findall(said) if code.strip(".").lower() not in codes]
    invented += [word for word in UPPERCASE.findall(said) if word.lower() not in known.lower()]
    letters = LETTER.findall(said.lower())
    have = set(known.lower())
    if invented or sum(letter in have for letter in letters) < LEAST_KNOWN * len(letters):
        return "rewrite_invents", "、".join(invented)
    return None, ""
