"""What a person is about to say, screened by the checks that screen the assistant, with the notices it needs."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

from assistant import flow
from assistant.desk.settings import rules
from assistant.desk.values import Member
from assistant.record import plain
from assistant.seams import Parts
from assistant.turn import STRICTNESS, Action, Customer, Finding, Initiative, Intent, Passage, Speaker
from guardrails import notices
from guardrails.screening import strictest
from knowledge.records.materials import Materials, searchable

ADVICE = "stock_tip"
BLANK = re.compile(r"\{[^{}\n]{1,20}\}")


@dataclass(frozen=True, slots=True)
class Said:
    """A text as it would leave. `text` is the person's words, `whole` with the notices after them; `advice` says that
    only a registered adviser may say it; `unfilled` are blanks of a script nobody filled in."""

    text: str
    notices: tuple[str, ...]
    action: Action
    findings: tuple[Finding, ...]
    advice: bool
    unfilled: tuple[str, ...]

    @property
    def whole(self) -> str:
        return "\n".join((self.text, *self.notices))

    def may_leave(self, override: str | None, least: int) -> bool:
        """Whether it may be delivered: "revise" yields to a stated reason, nothing stricter does."""
        if self.unfilled:
            return False
        if STRICTNESS[self.action] > STRICTNESS["revise"]:
            return False
        return self.action == "allow" or len((override or "").strip()) >= least


class Saying:
    """Screens for the desk. `passages` are the approved texts a message rests on; they are read again at each call."""

    def __init__(self, parts: Parts, materials: Materials, today: Callable[[], date]) -> None:
        self._parts = parts
        self._materials = materials
        self._today = today
        self._live: tuple[int, date, frozenset[str], tuple[Passage, ...]] | None = None

    def said(
        self,
        text: str,
        member: Member,
        customer: Customer | None,
        passages: Sequence[Passage],
        *,
        initiative: Initiative = "customer",
        allowed: Sequence[str] = (),
    ) -> Said:
        """The verdict on a text, the notices it needs, and whether it is advice."""
        parts, today = self._parts, self._today()
        known, phrases = parts.known_products(), self._read()[1]
        values = (*flow.contacts(self._materials.all_facts()), *_own(member), *allowed)

        def verdict(speaker: Speaker) -> tuple[Finding, ...]:
            found = parts.screen.screen(
                text, speaker=speaker, customer=customer, passages=(*passages, *phrases), initiative=initiative,
                today=today, known_products=known, allowed=values,
            )  # fmt: skip
            return tuple(one for one in found.findings if one.action != "allow")

        findings = verdict(member.speaker)
        advice = member.speaker == "adviser" and any(one.check == ADVICE for one in verdict("staff"))
        products = tuple({product.code: product for product, _ in known.find(text)}.values())
        decided = parts.screen.decisions(products, customer, initiative, today) if customer else []
        decisions = {product.code: decision for product, decision in decided}
        intent: Intent = "advice" if advice else "product" if products else "human"
        needed = notices.required(intent, products, decisions, speaker=member.speaker, body=text)
        missing = tuple(one.text for one in needed if one.text not in text)
        blanks = tuple(dict.fromkeys(BLANK.findall(text)))
        return Said(text, missing, strictest(findings), findings, advice, blanks)

    def sources(self, ids: Sequence[str]) -> tuple[Passage, ...]:
        """The passages of these ids that may be rested on today: approved, effective, for the public, or a script that
        staff may say. Others are left out."""
        live = self._read()[0]
        found = (self._materials.passage(one) for one in dict.fromkeys(ids))
        return tuple(
            one
            for one in found
            if one is not None and one.revision in live and (one.audience == "public" or one.kind == "script")
        )

    def _read(self) -> tuple[frozenset[str], tuple[Passage, ...]]:
        """The revisions that count today, and the service talk people may always use; read when materials change."""
        generation, today = self._materials.generation(), self._today()
        if self._live is None or self._live[:2] != (generation, today):
            found = searchable(self._materials.approved_revisions(), today)
            talk = [one.id for one in found if one.kind == "script" and rules()["phrases"] in one.aliases]
            keys = [row.key for row in self._materials.passage_keys(talk)] if talk else []
            phrases = tuple(self._materials.load(keys).values())
            self._live = (generation, today, frozenset(one.hash for one in found), phrases)
        return self._live[2], self._live[3]


def shown(findings: Sequence[Finding]) -> list[dict[str, Any]]:
    """Findings as JSON."""
    found: list[dict[str, Any]] = plain([asdict(one) for one in findings])
    return found


def difference(draft: str, sent: str) -> list[tuple[str, str]]:
    """What became of a draft: pieces that stayed ("="), were taken out ("-") or put in ("+")."""
    found: list[tuple[str, str]] = []
    for kind, a, b, c, d in difflib.SequenceMatcher(None, draft, sent, autojunk=False).get_opcodes():
        if kind == "equal":
            found.append(("=", draft[a:b]))
            continue
        found += [("-", draft[a:b])] if b > a else []
        found += [("+", sent[c:d])] if d > c else []
    return found


def acceptance(draft: str | None, sent: str) -> str:
    """Whether a draft was sent as it was ("as_is"), changed ("edited"), or there was none ("none")."""
    if draft is None:
        return "none"
    return "as_is" if draft.strip() == sent.strip() else "edited"


def _own(member: Member) -> tuple[str, ...]:
    """What a person may say of themselves without a source."""
    return tuple(one for one in (member.name, member.number, member.licence) if one)
