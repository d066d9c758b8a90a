"""Everything a WeCom channel says passes here: fixed texts and staff replies are screened like the assistant's own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Protocol

from sqlalchemy import select

from assistant import flow
from assistant.assistant import Assistant
from assistant.channels.wecom.tables import customers as known_customers
from assistant.customers import BadInput, customer_from
from assistant.release import compose_reply, screened, with_notices
from assistant.turn import Asked, Citation, Customer, Finding, Intent, Outcome, Passage, Reply, Routing, Speaker
from assistant.watch import Watch
from guardrails import notices
from knowledge.records.database import Database
from knowledge.records.materials import searchable
from knowledge.records.tables import customers as profiles

PRODUCT_OFF = "product_off"


@dataclass(frozen=True, slots=True)
class StaffText:
    """What a person wants to say and what is found in it. `text` is what would leave, required notices included."""

    text: str
    findings: tuple[Finding, ...]


class Gate(Protocol):
    """What the channels need of the conversation behind them, besides answering."""

    def today(self) -> date: ...

    def fixed(self, slot: str, channel: str, customer: Customer | None) -> Reply | None:
        """An approved fixed text with its notices; None when there is none or it does not pass the screening."""
        ...

    def staff(
        self, text: str, speaker: Speaker, customer: Customer | None, passages: Sequence[Passage]
    ) -> StaffText: ...

    def passes(self, text: str, customer: Customer | None) -> bool:
        """Whether a shortened answer, whose sentences were grounded before, still says nothing forbidden."""
        ...

    def holds(self, citations: Sequence[Citation]) -> bool:
        """Whether every source of an answer still answers today."""
        ...

    def masked(self, text: str) -> str:
        """The text without personal data, as it may be logged."""
        ...

    def products_off(self, channel: str) -> bool:
        """Whether compliance switched product answers off on a channel."""
        ...

    def customer(self, external_userid: str) -> Customer | None:
        """Whom the broker's records know behind a WeCom id."""
        ...


class Screened:
    """The gate over the assistant's own parts: same screen, same notices, same records."""

    def __init__(self, assistant: Assistant, database: Database, today: Callable[[], date]) -> None:
        self._assistant = assistant
        self._parts = assistant.parts
        self._materials = assistant.materials
        self._database = database
        self._today = today
        self._live: tuple[int, date, frozenset[str]] | None = None

    def today(self) -> date:
        return self._today()

    def fixed(self, slot: str, channel: str, customer: Customer | None) -> Reply | None:
        intent: Intent = "product" if slot == PRODUCT_OFF else "smalltalk"
        outcome: Outcome = "refuse" if slot == PRODUCT_OFF else "answer"
        asked = Asked("", channel, self._today(), customer=customer)
        routing = Routing(intent, 1.0, f"固定文本 {slot}")
        try:
            proposal = flow.fixed(slot, outcome, routing, asked, self._parts, self._materials.all_facts(), "")
            proposal = with_notices(proposal)
            if screened(proposal, asked, self._parts):
                return None
        except Exception:  # noqa: BLE001 - a text that cannot be read or screened is not said
            return None
        return compose_reply(proposal, asked, "", "", (), Watch())

    def staff(self, text: str, speaker: Speaker, customer: Customer | None, passages: Sequence[Passage]) -> StaffText:
        known = self._parts.known_products()
        verdict = self._parts.screen.screen(
            text,
            speaker=speaker,
            customer=customer,
            passages=tuple(passages),
            initiative="customer",
            today=self._today(),
            known_products=known,
            allowed=flow.contacts(self._materials.all_facts()),
        )
        products = tuple({product.code: product for product, _ in known.find(text)}.values())
        decided = self._parts.screen.decisions(products, customer, "customer", self._today()) if customer else ()
        decisions = {product.code: decision for product, decision in decided}
        intent: Intent = "product" if products else "human"
        needed = notices.required(intent, products, decisions, speaker=speaker, body=text)
        missing = [notice.text for notice in needed if notice.text not in text]
        whole = "\n".join((text, *missing))
        return StaffText(whole, tuple(found for found in verdict.findings if found.action != "allow"))

    def passes(self, text: str, customer: Customer | None) -> bool:
        verdict = self._parts.screen.screen(
            text, customer=customer, today=self._today(), known_products=self._parts.known_products(),
            allowed=flow.contacts(self._materials.all_facts()),
        )  # fmt: skip
        return verdict.action == "allow"

    def holds(self, citations: Sequence[Citation]) -> bool:
        if not citations:
            return True
        live = self._live_versions()
        return all(f"{citation.document}\x00{citation.version}" in live for citation in citations)

    def masked(self, text: str) -> str:
        return flow.masked(Asked(text, "wecom", self._today()), self._materials.all_facts()).text

    def products_off(self, channel: str) -> bool:
        return channel in (self._materials.fact(PRODUCT_OFF) or ())

    def customer(self, external_userid: str) -> Customer | None:
        query = (
            select(profiles.c.id, profiles.c.profile)
            .join(known_customers, known_customers.c.customer == profiles.c.id)
            .where(known_customers.c.external_userid == external_userid)
        )
        with self._database.reading() as connection:
            row = connection.execute(query).first()
        if row is None:
            return None
        profile: Mapping[str, Any] = row.profile
        try:
            return customer_from({**profile, "id": row.id})
        except BadInput:
            return None

    def _live_versions(self) -> frozenset[str]:
        """The document versions that answer today, read again whenever the records changed."""
        generation, today = self._materials.generation(), self._today()
        if self._live is None or self._live[:2] != (generation, today):
            found = searchable(self._materials.approved_revisions(), today)
            self._live = (generation, today, frozenset(f"{one.document}\x00{one.version}" for one in found))
        return self._live[2]
