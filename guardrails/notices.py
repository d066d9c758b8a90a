"""Which fixed notices a reply needs, and which of them are missing in what is about to leave."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from assistant.turn import Finding, Intent, Product, Speaker, Suitability
from guardrails.normalise import normalise

_FILE = Path(__file__).parent / "notices.yaml"


@dataclass(frozen=True, slots=True)
class Notice:
    """One notice: its id in notices.yaml, the text the customer reads, the clause it serves."""

    id: str
    text: str
    clause: str


@lru_cache(maxsize=1)
def _data() -> Mapping[str, Any]:
    raw: dict[str, Any] = yaml.safe_load(_FILE.read_text(encoding="utf-8"))
    return raw


def _notice(notice_id: str, **values: str) -> Notice:
    entry = _data()["notices"][notice_id]
    return Notice(notice_id, entry["text"].format(**values), entry["clause"])


def speaks_of_past(text: str) -> bool:
    """Whether `text` tells past performance."""
    plain = normalise(text).text
    return any(w in plain for w in _data()["past_performance_words"])


def required(
    intent: Intent,
    products: Sequence[Product] = (),
    decisions: Mapping[str, Suitability] | None = None,
    *,
    speaker: Speaker = "assistant",
    body: str = "",
) -> tuple[Notice, ...]:
    """The notices of a reply in the order they are read: suitability first, risk, past performance, the AI label last.

    `decisions`: product code → decision for this customer. A machine text always carries the label; a person's never.
    """
    found: list[Notice] = []
    decided = decisions or {}
    for product in products:
        result = decided.get(product.code)
        if result is not None and result.decision == "unsuitable_warn":
            words = _data()["unsuitable_reasons"]
            reasons = "、".join(words[r] for r in result.reasons if r in words)
            found.append(_notice("unsuitable", name=product.name or product.code, reasons=reasons))
    if any(d.decision == "assess_first" and d.reasons != ("product_unrated",) for d in decided.values()):
        found.append(_notice("assess_first"))
    grades = {f"risk_{p.risk.lower()}" if p.risk else "risk_unrated" for p in products}
    found += [_notice(g) for g in sorted(grades, reverse=True)]
    if not products:
        found += [_notice(n) for n in _data()["intents"].get(intent, ())]
    if speaks_of_past(body):
        found.append(_notice("past_performance"))
    if speaker == "assistant":
        found.append(_notice("ai_label"))
    return tuple(found)


def _bare(text: str) -> str:
    return re.sub(r"\W", "", normalise(text).text)


def disclosures_missing(
    reply_text_with_notices: str,
    intent: Intent,
    products: Sequence[Product] = (),
    decisions: Mapping[str, Suitability] | None = None,
    *,
    speaker: Speaker = "assistant",
) -> list[Finding]:
    """`missing_disclosure` findings (revise) for required notices the whole reply does not carry.

    A notice counts as present when its text stands in the reply, whatever the spacing and punctuation.
    """
    said = _bare(reply_text_with_notices)
    end = len(reply_text_with_notices)
    needed = required(intent, products, decisions, speaker=speaker, body=reply_text_with_notices)
    return [
        Finding("missing_disclosure", "revise", f"缺少提示：{n.text}", n.clause, (end, end))
        for n in needed
        if _bare(n.text) not in said
    ]
