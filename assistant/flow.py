"""One turn, from a message to a released reply. Read `answer` top to bottom.

Nothing is released that was not screened as a whole and made durable in the log. A step that raises hands over to a
person; if even that cannot be logged, nothing leaves and the channel says so.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from assistant import record
from assistant.answer import suggest
from assistant.answer.extractive import compose
from assistant.log import new_id
from assistant.phrases import asks_quote, is_thanks
from assistant.question import Readings, parts, readings
from assistant.release import compose_reply, sayable, screened, with_notices
from assistant.seams import Gate, Parts, Proposal
from assistant.settings import FlowSettings
from assistant.turn import (
    Asked,
    Customer,
    Draft,
    Finding,
    Intent,
    Message,
    Outcome,
    Product,
    Reply,
    Routing,
    Suitability,
)
from assistant.watch import Watch
from guardrails import personal_data, suitability
from knowledge.library import View
from knowledge.retrieval.search import Found, Hit

FIXED: Mapping[Intent, tuple[str, Outcome]] = {
    "advice": ("refuse_advice", "refuse"),
    "illegal": ("refuse_illegal", "refuse"),
    "attack": ("refuse_attack", "refuse"),
    "out_of_scope": ("refuse_scope", "refuse"),
    "complaint": ("complaint", "handoff"),
    "human": ("human", "handoff"),
    "fraud": ("fraud", "handoff"),
    "distress": ("distress", "handoff"),
}
LONG_NUMBER = re.compile(r"(?<!\d)\d{12,}(?!\d)")
SECRET_NUMBER = re.compile(r"((?:密码|口令|验证码|校验码|动态码)[^\d\n]{0,6})(\d{4,10})(?!\d)")
LETTERS = str.maketrans("0123456789", "GHJKLMNPQR")
CARE_FIRST: frozenset[Intent] = frozenset({"distress", "fraud", "human", "complaint"})
YIELDING: frozenset[Intent] = frozenset({"advice", "out_of_scope", "smalltalk", "illegal", "attack"})


def answer(
    asked: Asked, parts: Parts, facts: Mapping[str, Any], *, live: bool, gate: Gate | None = None, turn: str = ""
) -> Reply:
    """The whole turn. `facts` are the firm's; `live` says that `asked.today` is the real day. A `gate` has what a model
    writes checked and released sentence by sentence. Raises NotLogged."""
    watch = Watch()
    turn, conversation = turn or new_id(), asked.conversation or new_id()
    given, asked = asked.text, masked(asked, facts)
    found: tuple[Finding, ...] = ()
    try:
        proposal, found = propose(asked, given, parts, facts, turn, watch, live=live)
        proposal, withheld = (gate or checked)(proposal, asked, parts, facts, watch)
    except Exception as error:  # noqa: BLE001 - whatever a step raises, a person takes over
        proposal, withheld = failed(asked, parts, facts, error), ()
        found = (*found, check_failed(error))
    reply = compose_reply(proposal, asked, turn, conversation, (*found, *withheld), watch)
    parts.log.append(conversation, "turn", record.turn(asked, reply, proposal, parts.versions, watch), turn=turn)
    return reply


def masked(asked: Asked, facts: Mapping[str, Any]) -> Asked:
    """The message and its history with personal data masked; nothing later ever sees the raw text."""
    allowed = contacts(facts)
    history = tuple(Message(m.role, _masked_text(m.content, allowed)) for m in asked.history)
    return replace(asked, text=_masked_text(asked.text, allowed), history=history)


def _masked_text(text: str, allowed: Sequence[str]) -> str:
    """Personal data, and what no recogniser confirms but nobody should keep: long numbers, passwords, codes."""
    text = personal_data.mask(text, allowed=allowed)
    text = LONG_NUMBER.sub(lambda match: "*" * len(match[0]), text)
    return SECRET_NUMBER.sub(lambda match: match[1] + "*" * len(match[2]), text)


def propose(
    asked: Asked, given: str, parts: Parts, facts: Mapping[str, Any], turn: str, watch: Watch, *, live: bool
) -> tuple[Proposal, tuple[Finding, ...]]:
    """What to say: input checks (on the text as `given`, so that spans point into it), intent, fixed path or retrieval,
    draft."""
    if facts.get("switch") == "on":
        return fixed("switch", "handoff", Routing("human", 1.0, "总开关已打开"), asked, parts, facts, turn), ()
    with watch("input"):
        verdict = parts.screen.screen_input(given)
    with watch("route"):
        routing = parts.router.route(asked.text, asked.history)
    if routing.intent in CARE_FIRST and routing.confidence >= parts.settings.sure_care:
        slot, outcome = FIXED[routing.intent]
        return fixed(slot, outcome, routing, asked, parts, facts, turn), verdict.findings
    if verdict.action == "block":
        routing = Routing("attack", 1.0, "输入检查拦截")
        return fixed("refuse_attack", "refuse", routing, asked, parts, facts, turn), verdict.findings
    if verdict.action == "handoff":
        routing = replace(routing, reason="输入检查未能完成")
        return fixed("check_failed", "handoff", routing, asked, parts, facts, turn), verdict.findings
    with watch("retrieve"):
        view = parts.search.library.view(asked.today, live=live)
        means = readings(asked.text, asked.history, parts.search.library.words)
        results = retrieve(asked, means, parts, view)
    return choose(asked, routing, results, view, parts, facts, turn, watch), verdict.findings


def choose(
    asked: Asked,
    routing: Routing,
    results: tuple[Found, ...],
    view: View,
    parts: Parts,
    facts: Mapping[str, Any],
    turn: str,
    watch: Watch,
) -> Proposal:
    """Fixed text or an answer from the materials, by intent and by how well the materials answer."""
    limits = parts.settings
    best = max((found.answerable for found in results), default=0.0)
    yields = best >= limits.sure_answer and unsure(routing, limits)
    if asks_quote(asked.text) and routing.intent in ("product", "education", "advice", "out_of_scope"):
        return fixed("quote", "answer", replace(routing, intent="product"), asked, parts, facts, turn)
    if routing.intent in FIXED and not yields:
        slot, outcome = FIXED[routing.intent]
        return fixed(slot, outcome, routing, asked, parts, facts, turn)
    if routing.intent == "smalltalk" and not yields:
        return fixed("thanks" if is_thanks(asked.text) else "smalltalk", "answer", routing, asked, parts, facts, turn)
    threshold = limits.sure_answer if routing.intent == "personal" else limits.answerable
    good = tuple(found for found in results if found.answerable >= threshold)
    if good and _refused_product(good[0], asked):
        return fixed("refuse_product", "refuse", routing, asked, parts, facts, turn)
    good = tuple(allowed for found in good if (allowed := _allowed(found, asked)).hits)
    if not good:
        slot, outcome = ("personal", "answer") if routing.intent == "personal" else ("not_found", "refuse")
        proposal = fixed(slot, outcome, routing, asked, parts, facts, turn)
        nearest = suggest.nearest(results) if slot == "not_found" else ()
        return replace(
            proposal,
            suggestions=(*nearest, *proposal.suggestions)[:3],
            trace={**proposal.trace, **record.found(results)},
        )
    intent = routing.intent if routing.intent not in YIELDING | CARE_FIRST else "education"
    with watch("draft"):
        composed = compose(good, parts.search.library.materials, parts.search.library.words)
        trace = {"routing": record.routing(routing), **record.found(results)}
        proposal = about(Proposal("answer", intent, composed, found=good, trace=trace), composed, asked)
        return proposal if parts.release == "sentence" else written(proposal, asked, parts)


def unsure(routing: Routing, limits: FlowSettings) -> bool:
    """Whether an intent with a fixed path is doubtful enough to give way to a question the materials answer well."""
    if routing.intent in CARE_FIRST:
        return routing.confidence < limits.sure_care
    return routing.intent in YIELDING and routing.confidence < limits.sure_intent


def retrieve(asked: Asked, means: Readings, parts_of_turn: Parts, view: View) -> tuple[Found, ...]:
    """What the materials hold for the message: one result, or one for each question of a double message."""
    search, limits = parts_of_turn.search, parts_of_turn.settings
    texts = means.texts
    if means.elliptical and parts_of_turn.writer is not None:
        rewritten = parts_of_turn.writer.standalone(asked.text, asked.history)
        texts = (*texts, rewritten) if rewritten else texts
    whole = search.find(texts, view, elliptical=means.elliptical)
    asked_parts = parts(asked.text)
    if len(asked_parts) < 2:
        return (whole,)
    split = [search.find(_with_subject(part, asked_parts[0]), view) for part in asked_parts[: limits.most_parts]]
    answered = [found for found in split if found.answerable >= limits.answerable]
    passages = {found.hits[0].passage.id for found in answered}
    return tuple(answered) if len(passages) > 1 else (whole,)


def about(proposal: Proposal, draft: Draft, asked: Asked) -> Proposal:
    """The proposal with `draft` and what follows from it: products, suitability, suggestions, what to fall back on."""
    products = _products(draft)
    return replace(
        proposal,
        draft=draft,
        fallback=proposal.draft if draft is not proposal.draft else None,
        suggestions=suggest.follow_ups(proposal.found, draft),
        products=products,
        decisions=_decisions(asked, products),
    )


def written(proposal: Proposal, asked: Asked, parts_of_turn: Parts) -> Proposal:
    """The proposal with a draft by the language model when there is one and it kept to the rules, else as composed;
    with what the log keeps of the attempt."""
    if parts_of_turn.writer is None:
        return proposal
    hits = [hit for one in proposal.found for hit in one.hits[:5]]
    attempt = parts_of_turn.writer.attempt(asked.text, asked.history, hits)
    told = record.model(attempt.prompt_hash, attempt.sent, attempt.raw, attempt.failure, attempt.detail)
    proposal = replace(proposal, trace={**proposal.trace, "model": told})
    return about(proposal, attempt.draft, asked) if attempt.draft is not None else proposal


def checked(
    proposal: Proposal, asked: Asked, parts_of_turn: Parts, facts: Mapping[str, Any], watch: Watch
) -> tuple[Proposal, tuple[Finding, ...]]:
    """The proposal with its notices, if the whole text passes; else the composed answer, if that does; else a fixed
    text. Also what was found in each draft that was withheld."""
    withheld: tuple[Finding, ...] = ()
    drafts = [proposal.draft, *([proposal.fallback] if proposal.fallback is not None else [])]
    kept: list[str] = []
    for draft in drafts:
        candidate = with_notices(replace(proposal, draft=draft))
        with watch("screen"):
            found = screened(candidate, asked, parts_of_turn)
        if not found:
            shown = sayable(candidate.suggestions, asked, parts_of_turn)
            trace = {**proposal.trace, **({"withheld": kept} if kept else {})}
            return replace(candidate, suggestions=shown, trace=trace), withheld
        withheld += tuple(replace(finding, on="draft") for finding in found)
        kept.append(draft.body)
    raised = any(finding.check == "check_failed" for finding in withheld)
    if raised or proposal.draft.writer == "fixed":
        error = RuntimeError("draft could not be screened" if raised else "fixed text does not pass the screening")
        instead = failed(asked, parts_of_turn, facts, error, proposal.intent)
    else:
        routing = Routing(proposal.intent, 1.0, "草稿未通过审查")
        instead = with_notices(fixed("not_found", "refuse", routing, asked, parts_of_turn, facts, ""))
        if screened(instead, asked, parts_of_turn):
            error = RuntimeError("fixed text does not pass the screening")
            instead = failed(asked, parts_of_turn, facts, error, proposal.intent)
    return replace(instead, trace={**proposal.trace, **instead.trace, "withheld": kept}), withheld


def fixed(
    slot: str,
    outcome: Outcome,
    routing: Routing,
    asked: Asked,
    parts_of_turn: Parts,
    facts: Mapping[str, Any],
    turn: str,
) -> Proposal:
    """An approved fixed text, filled from the records."""
    values = {name: str(value) for name, value in facts.items() if isinstance(value, str | int)}
    text = parts_of_turn.replies.fixed(slot, asked.today, values | ({"ticket": ticket(turn)} if turn else {}))
    trace = {"routing": record.routing(routing), "slot": slot}
    return Proposal(outcome, routing.intent, text.draft, text.suggestions, filled=text.filled, trace=trace)


def failed(
    asked: Asked, parts_of_turn: Parts, facts: Mapping[str, Any], error: Exception, intent: Intent = "human"
) -> Proposal:
    """A person takes over because a step raised: by the approved text if that can be read and passes the screening,
    else by the last resort, which was screened at start."""
    routing = Routing(intent, 1.0, f"{type(error).__name__}")
    try:
        proposal = with_notices(fixed("check_failed", "handoff", routing, asked, parts_of_turn, facts, ""))
        passes = not screened(proposal, asked, parts_of_turn)
    except Exception:  # noqa: BLE001 - what broke the turn may break this too
        passes = False
    if not passes:
        trace = {"routing": record.routing(routing), "slot": "last_resort"}
        proposal = with_notices(Proposal("handoff", routing.intent, parts_of_turn.last_resort, trace=trace))
    return replace(proposal, trace={**proposal.trace, "error": f"{type(error).__name__}: {error}"})


def contacts(facts: Mapping[str, Any]) -> tuple[str, ...]:
    """The firm's own numbers, which are never masked."""
    return tuple(str(value) for value in (*facts.get("allowed_contacts", ()), facts.get("hotline")) if value)


def ticket(turn: str) -> str:
    """What a customer quotes for a complaint: letters only, so that it never looks like a phone or an account."""
    return f"TS-{turn[:10].upper().translate(LETTERS)}"


def _with_subject(part: str, first: str) -> tuple[str, ...]:
    return (part,) if part == first else (part, f"{first} {part}")


def _products(draft: Draft) -> tuple[Product, ...]:
    found = {passage.product.code: passage.product for passage in draft.evidence if passage.product is not None}
    return tuple(found.values())


def _decide(customer: Customer | None, product: Product, asked: Asked) -> Suitability:
    return suitability.decide(customer, product, initiative="customer", today=asked.today)


def _decisions(asked: Asked, products: Sequence[Product]) -> dict[str, Suitability]:
    """The decision for each product; none for a customer we do not know: of an unknown one nothing can be said."""
    if asked.customer is None:
        return {}
    return {product.code: _decide(asked.customer, product, asked) for product in products}


def _refused_product(found: Found, asked: Asked) -> bool:
    product = found.hits[0].passage.product
    return product is not None and _decide(asked.customer, product, asked).decision == "forbidden"


def _allowed(found: Found, asked: Asked) -> Found:
    """The result without passages of products this customer may not be told about."""

    def may(hit: Hit) -> bool:
        product = hit.passage.product
        return product is None or _decide(asked.customer, product, asked).decision != "forbidden"

    return replace(found, hits=tuple(hit for hit in found.hits if may(hit)))


def check_failed(error: Exception) -> Finding:
    return Finding("check_failed", "handoff", f"{type(error).__name__}", "内部流程：检查失败即转人工", (0, 0), "draft")
