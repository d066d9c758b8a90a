"""The last steps before a reply leaves: its notices, the screening of all it says, the reply itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from assistant.seams import Parts, Proposal
from assistant.turn import Asked, Draft, Finding, Reply
from assistant.watch import Watch
from guardrails import notices


def with_notices(proposal: Proposal) -> Proposal:
    """The proposal with the disclosures its kind, products and customer require."""
    body = proposal.draft.body
    needed = notices.required(proposal.intent, proposal.products, proposal.decisions, body=body)
    return replace(proposal, draft=replace(proposal.draft, notices=tuple(notice.text for notice in needed)))


def screened(proposal: Proposal, asked: Asked, parts_of_turn: Parts) -> tuple[Finding, ...]:
    """What is not allowed in what would leave: its body by every check, and its disclosures."""
    draft = proposal.draft
    sources = sources_line(draft)
    verdict = parts_of_turn.screen.screen(
        "\n".join(part for part in (draft.body, sources) if part),
        speaker="assistant",
        customer=asked.customer,
        products=proposal.products,
        passages=(*draft.evidence, *([sources] if sources else [])),  # the titles of the citations bear themselves out
        initiative="customer",
        today=asked.today,
        known_products=parts_of_turn.known_products(),
        allowed=proposal.filled,
    )
    whole = "\n".join((draft.body, *draft.notices))
    missing = parts_of_turn.screen.disclosures(whole, proposal.intent, proposal.products, proposal.decisions)
    return (*(f for f in verdict.findings if f.action != "allow"), *missing)


def compose_reply(
    proposal: Proposal, asked: Asked, turn: str, conversation: str, findings: tuple[Finding, ...], watch: Watch
) -> Reply:
    """The reply as it leaves: body, sources, notices."""
    draft = proposal.draft
    return Reply(
        turn=turn,
        conversation=conversation,
        outcome=proposal.outcome,
        intent=proposal.intent,
        text="\n".join(part for part in (draft.body, sources_line(draft), *draft.notices) if part),
        body=draft.body,
        notices=draft.notices,
        citations=draft.citations if draft.writer != "fixed" else (),
        marks=draft.marks,
        findings=findings,
        suggestions=proposal.suggestions,
        products=proposal.products,
        ms=watch.ms(),
    )


def sources_line(draft: Draft) -> str:
    """The titles an answer rests on, as its last line; a fixed text names none."""
    titles = tuple(dict.fromkeys(citation.title for citation in draft.citations)) if draft.writer != "fixed" else ()
    return "来源：" + "".join(f"《{title}》" for title in titles) if titles else ""


def sayable(suggestions: Sequence[str], asked: Asked, parts_of_turn: Parts) -> tuple[str, ...]:
    """The buttons whose words pass the screening."""

    def passes(text: str) -> bool:
        verdict = parts_of_turn.screen.screen(
            text, customer=asked.customer, today=asked.today, known_products=parts_of_turn.known_products()
        )
        return verdict.action == "allow"

    return tuple(text for text in suggestions if passes(text))
