"""Synthetic conversations for measuring the desks: drawn from the starter materials' own words, the same for a seed."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from assistant.ledger.form import ALGORITHM, SHANGHAI, START, canonical, now

CHANNELS = ("web", "web", "web", "wecom_kf", "wecom_kf", "app", "api")
INTENTS = ("education", "education", "product", "product", "account", "personal", "advice", "complaint", "smalltalk")
CODES = ("exaggeration", "ungrounded", "stock_tip", "guaranteed_return", "pii_leak", "missing_disclosure")
TURNS_EACH = 4


def rows(
    count: int, sentences: list[str], *, seed: int = 7, documents: int = 400, days: int = 365
) -> Iterator[dict[str, Any]]:
    """Rows of log_turns, linked and hashed like real ones: `count` turns in conversations of four, over `days` days."""
    drawn = random.Random(seed)
    begun = datetime(2025, 11, 22, 9, 0, tzinfo=SHANGHAI)
    step = timedelta(days=days) / max(count, 1)
    previous, conversation = START, ""
    for number in range(1, count + 1):
        sequence = (number - 1) % TURNS_EACH + 1
        if sequence == 1:
            previous, conversation = START, f"{drawn.getrandbits(128):032x}"
        turn = f"{drawn.getrandbits(128):032x}"
        at = (begun + step * number).isoformat(timespec="milliseconds")
        row: dict[str, Any] = {
            "number": number, "id": turn, "conversation": conversation, "sequence": sequence, "event": "turn",
            "recorded_at": at, "body": canonical(body(drawn, turn, conversation, sentences, documents)),
            "previous": previous,
        }  # fmt: skip
        row["hash"] = f"{ALGORITHM}:{hashlib.sha256(canonical(row).encode()).hexdigest()}"
        previous = str(row["hash"])
        yield row


def body(drawn: random.Random, turn: str, conversation: str, sentences: list[str], documents: int) -> dict[str, Any]:
    """The body of one turn. Documents and customers are drawn unevenly, as in life: a few are everywhere."""
    asked, said = drawn.choice(sentences), "".join(drawn.choices(sentences, k=3))
    outcome = drawn.choices(("answer", "refuse", "handoff", "clarify"), (78, 12, 8, 2))[0]
    answered = outcome == "answer"
    document = f"doc-{_uneven(drawn, documents):05d}"
    version = f"{drawn.randint(1, 3)}"
    cited = [{"document": document, "version": version, "title": f"资料{document}", "passage": f"{document}#1",
              "effective_from": None, "quote": said[:40]}] if answered else []  # fmt: skip
    coded = [{"check": code, "action": "revise", "reason": "", "clause": "", "span": [0, 1], "on": "draft"}
             for code in CODES if drawn.random() < 0.01]  # fmt: skip
    product = f"P{_uneven(drawn, 2000):06d}"
    products = [{"code": product, "name": product, "risk": f"R{drawn.randint(1, 5)}"}] if drawn.random() < 0.3 else []
    return {
        "channel": drawn.choice(CHANNELS),
        "question": asked[:60],
        "history": [],
        "customer": {"id": f"c-{_uneven(drawn, 100_000):032x}"} if drawn.random() < 0.7 else None,
        "today": now()[:10],
        "trace": {"slot": "not_found"} if outcome == "refuse" and drawn.random() < 0.6 else {},
        "evidence": [{"passage": f"{document}#1", "revision": "0" * 64, "document": document, "version": version}]
        if answered
        else [],
        "writer": "extractive" if answered else "fixed",
        "decisions": {},
        "reply": {"turn": turn, "conversation": conversation, "outcome": outcome, "intent": drawn.choice(INTENTS),
                  "text": said, "body": said, "citations": cited, "findings": coded, "products": products},
        "ms": {"total": round(drawn.lognormvariate(4.5, 0.6), 1)},
    }  # fmt: skip


def _uneven(drawn: random.Random, count: int) -> int:
    """0 … count-1, low numbers far more often."""
    return min(count - 1, int(count * drawn.random() ** 3))
