"""A conversation in memory that answers with every kind of reply the page and the API have to carry."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from secrets import token_hex
from typing import Any, Literal

import yaml

from assistant.channels.seam import StoredTurn
from assistant.turn import Asked, Citation, Finding, Product, Reply, Source

DATA: Mapping[str, Any] = yaml.safe_load(Path(__file__).with_name("replies.yaml").read_text("utf-8"))
FIRM: Mapping[str, Any] = DATA["firm"]
PASSAGES: Mapping[str, Mapping[str, Any]] = DATA["passages"]
EFFECTIVE = date(2026, 7, 6)
PRODUCTS = (
    Product("HS0004", "合适成长混合", risk="R4", type="fund"),
    Product("HS0001", "合适稳健一年持有", risk="R2", type="fund"),
)
FINDING = Finding("exaggeration", "revise", "内部原因", "内部条款", (0, 1), "draft")


def cite(name: str) -> Citation:
    """A citation of one of the passages."""
    source = DATA["sources"][name]
    passage = PASSAGES[source["passage"]]
    assert source["quote"] in passage["text"]
    return Citation(passage["document"], "2026.1", passage["title"], EFFECTIVE, source["passage"], source["quote"])


def reply_to(asked: Asked, turn: str, conversation: str) -> Reply:
    """The reply to a message, chosen by a word in it. It carries a finding, which no client may see."""
    found = next(one for one in DATA["replies"] if any(word in asked.text for word in one["when"]))
    body = found["body"]
    if "repeat" in found:
        body = "".join(f"第{n}条：{body}" for n in range(1, found["repeat"] + 1))
        body += "".join(f"\n- 第{n}项材料：本人有效身份证件原件及复印件" for n in range(1, 9))
    marks = tuple((body.index(words) + len(words), index) for words, index in found.get("marks", ()))
    marks += tuple((place, index) for place, index in found.get("odd_marks", ()))
    notices = tuple(DATA["notices"][name] for name in found.get("notices", ()))
    return Reply(
        turn=turn,
        conversation=conversation,
        outcome=found.get("outcome", "answer"),
        intent=found.get("intent", "education"),
        text="\n".join((body, *notices)),
        body=body,
        notices=notices,
        citations=tuple(cite(name) for name in found.get("sources", ())),
        marks=marks,
        findings=(FINDING,),
        suggestions=tuple(found.get("suggestions", ())),
        products=PRODUCTS if found.get("products") else (),
        ms={"total": 12.5},
    )


class FakeAssistant:
    """`delay` seconds pass before a reply. Failures of `failing` are raised by the methods they name."""

    def __init__(self, facts: Mapping[str, Any] = FIRM, delay: float = 0.0) -> None:
        self.facts = facts
        self.delay = delay
        self.failing: dict[str, Exception] = {}
        self.asked: list[Asked] = []
        self.given: list[tuple[str, str, str]] = []
        self.parts = {"records": True, "index": True, "log": True}
        self._stored: dict[str, list[tuple[str | None, StoredTurn]]] = {}
        self._lock = threading.Lock()

    def answer(self, asked: Asked) -> Reply:
        self._maybe_fail("answer")
        time.sleep(self.delay)
        with self._lock:
            conversation = asked.conversation or token_hex(16)
            turns = self._stored.setdefault(conversation, [])
            for key, stored in turns:
                if asked.key and key == asked.key:
                    return stored.reply
            self.asked.append(asked)
            reply = reply_to(asked, token_hex(16), conversation)
            question = asked.text.replace("13800138000", "138****8000")
            turns.append((asked.key, StoredTurn(question, reply, "2026-11-22T10:00:00.000+08:00")))
            return reply

    def turns(self, conversation: str) -> list[StoredTurn]:
        self._maybe_fail("turns")
        return [stored for _, stored in self._stored.get(conversation, [])]

    def source(self, passage_id: str, revision: str | None = None) -> Source | None:
        if passage_id not in PASSAGES:
            return None
        found = PASSAGES[passage_id]
        return Source(
            passage=passage_id,
            document=found["document"],
            version="2026.1",
            title=found["title"],
            heading=tuple(found["heading"]),
            text=found["text"],
            effective_from=EFFECTIVE,
            effective_to=None,
            source="合适证券业务规程",
            current=found.get("current", True),
        )

    def feedback(self, turn: str, verdict: Literal["up", "down"], reason: str) -> bool:
        known = any(stored.reply.turn == turn for turns in self._stored.values() for _, stored in turns)
        if known:
            self.given.append((turn, verdict, reason))
        return known

    def erase(self, conversation: str) -> bool:
        return self._stored.pop(conversation, None) is not None

    def firm(self) -> Mapping[str, Any]:
        self._maybe_fail("firm")
        return self.facts

    def screen(self, row: Mapping[str, Any], today: date) -> dict[str, Any]:
        self._maybe_fail("screen")
        span = (0, len(row["text"]))
        finding = {"check": "rude", "action": "block", "reason": "原因", "clause": "条款", "span": span, "on": "reply"}
        found = [finding] if "滚" in row["text"] else []
        return {"action": "block" if found else "allow", "findings": found, "not_checked": ["ungrounded"]}

    def ready(self) -> Mapping[str, bool]:
        self._maybe_fail("ready")
        return self.parts

    def switch_on(self) -> bool:
        return False

    def _maybe_fail(self, method: str) -> None:
        if method in self.failing:
            raise self.failing[method]
