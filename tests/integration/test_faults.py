"""Faults inside every check, in both release modes, in the real turn: what was not checked never leaves."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from assistant.answer.llm import ModelWriter
from assistant.answer.trouble import EndpointError
from assistant.assistant import Assistant
from assistant.log import NotLogged, new_id
from assistant.turn import Asked, Customer, Reply
from guardrails.screening import Screen
from tests.branch import Branch

ROOT = Path(__file__).parents[2]
TODAY = date(2026, 11, 22)
QUESTION = "科创板开通条件是什么"
CHECKS = ("_read", "_claims", "_meanings", "_labelled", "_foreign", "_privacy", "_suitability", "_grounding")
PASSAGE = re.compile(r'<passage-[0-9a-f]+ n="1">\n[^\n]*\n(.*?)\n</passage', re.DOTALL)
SENTENCE = re.compile(r"[^。；！？\n]{8,}")
PROMISE = "，保证稳赚不赔"


class Scripted:
    """Speaks as `script` says of the sentences of the first passage, letter by letter; remembers what it said."""

    def __init__(self, script: Callable[[Sequence[str]], str], breaks: EndpointError | None = None) -> None:
        self.script, self.breaks, self.said = script, breaks, ""

    def stream(self, messages: Sequence[Any], most_tokens: int) -> Iterator[str]:
        self.said = self._text(messages)
        yield from self.said
        if self.breaks is not None:
            raise self.breaks

    def complete(self, messages: Sequence[Any], most_tokens: int) -> str:
        self.said = self._text(messages)
        return self.said

    def close(self) -> None:
        pass

    def _text(self, messages: Sequence[Any]) -> str:
        found = PASSAGE.search(messages[-1].content)
        assert found, messages[-1].content
        return self.script([part.strip("- ") for part in SENTENCE.findall(found[1])])


def both(sentences: Sequence[str]) -> str:
    return f"{sentences[0]}[1]。{sentences[1]}[1]。"


def promising(sentences: Sequence[str]) -> str:
    return f"{sentences[0]}[1]。{sentences[1]}{PROMISE}[1]。{sentences[0]}[1]。"


@pytest.fixture
def speaking(branch: Branch) -> Iterator[Callable[[Scripted], Assistant]]:
    """Makes the assistant of the branch with a model that speaks a script."""
    writers = []

    def make(endpoint: Scripted) -> Assistant:
        writer = ModelWriter("http://127.0.0.1:9/v1", "", "scripted", 5)
        writer._endpoint.close()
        writer._endpoint = endpoint  # type: ignore[assignment]
        writers.append(writer)
        return branch.with_parts(writer=writer)

    yield make
    for writer in writers:
        writer.close()


def take(assistant: Assistant, mode: str, text: str = QUESTION, **more: Any) -> tuple[Reply, list[str]]:
    """One turn in a release mode: the reply and the sentences that left before it."""
    left: list[str] = []
    asked = Asked(text, "test", TODAY, new_id(), **more)
    reply = assistant.answer(asked, left.append) if mode == "sentence" else assistant.answer(asked)
    assert reply.body.startswith("".join(left))
    return reply, left


def entry(assistant: Assistant, reply: Reply) -> Any:
    found = assistant.parts.log.entry(reply.turn)
    assert found is not None
    return found


def test_sentences_leave_one_by_one_each_logged_before(branch: Branch, speaking: Any) -> None:
    """Each sentence has its row before it leaves; the turn's row is like any turn's; notices close the reply."""
    endpoint = Scripted(both)
    assistant = speaking(endpoint)
    rows: list[list[str]] = []
    asked = Asked(QUESTION, "test", TODAY, new_id())

    def emit(sentence: str) -> None:
        events = assistant.parts.log.conversation(asked.conversation)
        assert events[-1].body["text"] == sentence
        rows.append([event.event for event in events])

    reply = assistant.answer(asked, emit)
    assert rows == [["sentence"], ["sentence", "sentence"]]
    logged = entry(assistant, reply)
    assert [one.event for one in assistant.parts.log.conversation(reply.conversation)] == ["sentence"] * 2 + ["turn"]
    assert logged.body["writer"] == "llm:scripted"
    assert logged.body["trace"]["model"]["said"] == endpoint.said
    assert logged.body["trace"]["model"]["failure"] is None
    assert len(logged.body["trace"]["sentences"]) == 2
    assert reply.citations
    assert reply.text.startswith(reply.body)
    assert reply.text.endswith(reply.notices[-1])
    assert "AI" in reply.notices[-1] or "人工智能" in reply.notices[-1]
    assert assistant.parts.log.verify()[1] == []
    shown = assistant.turns(reply.conversation)
    assert [turn.reply for turn in shown] == [reply]


def test_a_forbidden_sentence_is_replaced_and_kept_in_the_log(branch: Branch, speaking: Any) -> None:
    """What was said before it stays; it and all that follows do not leave; an approved text stands in their place."""
    endpoint = Scripted(promising)
    assistant = speaking(endpoint)
    reply, left = take(assistant, "sentence")
    assert len(left) == 1
    assert PROMISE not in reply.text
    assert reply.body.startswith(left[0] + "\n")
    assert "没有通过核对" in reply.body
    assert reply.outcome == "refuse"
    trace = entry(assistant, reply).body["trace"]
    assert PROMISE in trace["withheld"][0]
    assert any(finding.check == "guaranteed_return" and finding.on == "draft" for finding in reply.findings)


def test_a_forbidden_first_sentence_gives_way_to_approved_sentences(branch: Branch, speaking: Any) -> None:
    """Nothing left yet: the answer is composed of the materials, as in whole mode."""
    assistant = speaking(Scripted(lambda sentences: f"{sentences[0]}{PROMISE}[1]。"))
    reply, left = take(assistant, "sentence")
    assert left == []
    assert reply.outcome == "answer"
    assert PROMISE not in reply.text
    assert entry(assistant, reply).body["writer"] == "extractive"


@pytest.mark.parametrize("trouble", ["timeout", "truncated", "connection"])
def test_a_model_that_breaks_off_leaves_whole_sentences(branch: Branch, speaking: Any, trouble: Any) -> None:
    """Sentences that were whole stay, the half one is withheld, and the customer is told that it stops there."""
    script = lambda sentences: f"{sentences[0]}[1]。{sentences[1][:6]}"  # noqa: E731
    assistant = speaking(Scripted(script, EndpointError(trouble)))
    reply, left = take(assistant, "sentence")
    assert len(left) == 1
    assert "没有通过核对" in reply.body
    assert entry(assistant, reply).body["trace"]["model"]["failure"] == trouble


def test_an_answer_that_needs_a_written_warning_is_released_as_a_whole(branch: Branch, speaking: Any) -> None:
    """A warning is read with the facts: where a product may not fit this customer, no sentence leaves before it."""
    customer = Customer(risk_class="C1", assessed_on=date(2026, 10, 1))
    assistant = speaking(Scripted(both))
    reply, left = take(assistant, "sentence", "云杉稳健短债申购费率是多少？", customer=customer)
    assert left == []
    assert reply.outcome == "answer"
    assert "不匹配" in reply.notices[0]


def fault(kind: str) -> Callable[..., Any]:
    """A check that goes wrong in some way."""

    def raising(*_: object, **__: object) -> Any:
        raise RuntimeError("broken")

    def exiting(*_: object, **__: object) -> Any:
        raise SystemExit(1)

    def hanging(*_: object, **__: object) -> Any:
        time.sleep(30)

    return {"raises": raising, "exits": exiting, "hangs": hanging}[kind]


@pytest.mark.parametrize("kind", ["raises", "exits", "hangs"])
@pytest.mark.parametrize("check", [*CHECKS, "disclosures"])
@pytest.mark.parametrize("mode", ["whole", "sentence"])
def test_a_fault_inside_any_check_releases_nothing(
    branch: Branch, speaking: Any, monkeypatch: pytest.MonkeyPatch, mode: str, check: str, kind: str
) -> None:
    """Whichever check raises, ends its thread or hangs, nothing of any draft leaves and a person takes over in time."""
    endpoint = Scripted(both)
    assistant = speaking(endpoint)
    monkeypatch.setattr(branch.installation.screen, "limit_s", 0.2)
    if check == "disclosures":
        monkeypatch.setattr("guardrails.notices.disclosures_missing", fault(kind))
    else:
        monkeypatch.setattr(Screen, check, fault(kind))
    begun = time.monotonic()
    reply, left = take(assistant, mode)
    assert time.monotonic() - begun < 15
    assert left == []
    assert reply.outcome == "handoff"
    assert reply.citations == ()
    assert any(finding.check == "check_failed" for finding in reply.findings)
    assert endpoint.said
    drafts = endpoint.said.replace("[1]", "").split("。")
    assert not any(part in reply.text for part in drafts if len(part) > 6)


@pytest.mark.parametrize("kind", ["raises", "exits", "hangs"])
@pytest.mark.parametrize("check", [check for check in CHECKS if check != "_read"])
def test_a_fault_in_a_later_sentence_stops_there(
    branch: Branch, speaking: Any, monkeypatch: pytest.MonkeyPatch, check: str, kind: str
) -> None:
    """The first sentence left; the second, whose check goes wrong, does not; a person takes over in the same reply."""
    endpoint = Scripted(both)
    assistant = speaking(endpoint)
    screen = branch.installation.screen
    sound, broken = getattr(Screen, check), fault(kind)
    calls: list[str] = []

    def second(self: Screen, request: Any) -> Any:
        said = endpoint.said.replace("[1]", "")
        calls.append(request.text)
        later = said.split("。")[1]
        return broken() if later and later in request.text else sound(self, request)

    if kind == "hangs":
        monkeypatch.setattr(screen, "limit_s", 3.0)
    monkeypatch.setattr(Screen, check, second)
    reply, left = take(assistant, "sentence")
    later = endpoint.said.replace("[1]", "").split("。")[1]
    assert calls
    assert later not in "".join(left)
    assert later not in reply.text
    assert reply.outcome == "handoff"
    assert len(left) == 1
    assert reply.body.startswith(left[0])
    assert entry(assistant, reply).body["trace"]["withheld"]


def test_an_input_check_that_hangs_hands_over(branch: Branch, monkeypatch: pytest.MonkeyPatch) -> None:
    """A message that could not be checked in time is not answered."""
    monkeypatch.setattr(branch.installation.screen, "limit_s", 0.2)
    monkeypatch.setattr("guardrails.screening.input_findings", fault("hangs"))
    assert branch.ask(QUESTION).outcome == "handoff"


def test_a_slow_check_is_late_even_if_it_ends(branch: Branch, monkeypatch: pytest.MonkeyPatch) -> None:
    """A check that comes back after its time has failed, whatever it says."""
    monkeypatch.setattr(branch.installation.screen, "limit_s", 0.05)

    def slow(self: Screen, request: Any) -> list[Any]:
        time.sleep(0.06)
        return []

    monkeypatch.setattr(Screen, "_foreign", slow)
    assert branch.ask(QUESTION).outcome == "handoff"


@pytest.mark.parametrize("row", [1, 2, 3])
def test_no_row_no_sentence(branch: Branch, speaking: Any, monkeypatch: pytest.MonkeyPatch, row: int) -> None:
    """When the log fails at the first sentence, the second or the turn, nothing after it leaves and the turn fails."""
    assistant = speaking(Scripted(both))
    log, append = assistant.parts.log, assistant.parts.log.append
    tries: list[str] = []

    def failing(conversation: str, event: str, *rest: Any, **more: Any) -> str:
        tries.append(event)
        if len(tries) >= row:
            raise NotLogged("disk full")
        return append(conversation, event, *rest, **more)

    monkeypatch.setattr(log, "append", failing)
    left: list[str] = []
    with pytest.raises(NotLogged):
        assistant.answer(Asked(QUESTION, "test", TODAY, new_id()), left.append)
    assert len(left) == row - 1


KILLED = """
import os, signal, sys
from pathlib import Path
from app import Installation
from assistant.commands import main
from guardrails.screening import Screen
setattr(Screen, {check!r}, lambda *a, **k: os.kill(os.getpid(), signal.SIGKILL))
sys.exit(main(["--data", {folder!r}, "ask", {question!r}, "--today", "2026-11-22"], Installation))
"""


@pytest.mark.parametrize("check", ["_read", "_claims", "_grounding"])
def test_a_process_killed_inside_a_check_says_nothing(own: Branch, check: str) -> None:
    """Killed while it checks, the process has printed nothing of a reply, and the log is whole without the turn."""
    before = own.installation.log.verify()[0]
    code = KILLED.format(check=check, folder=str(own.folder), question=QUESTION)
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=dict(os.environ), capture_output=True, timeout=240, check=False
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert done.stdout == b""
    count, broken = own.installation.log.verify()
    assert (count, broken) == (before, [])
