"""One text somebody else is about to send, screened: what the command line and the HTTP interface share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

from assistant.customers import BadInput, customer_from, product_from
from assistant.turn import Product
from guardrails.products import ProductIndex
from guardrails.screening import Screen

LONGEST = 20_000
SPEAKERS = ("assistant", "staff", "adviser")
INITIATIVES = ("customer", "firm")


@dataclass(frozen=True, slots=True)
class Screener:
    """The checks with the products of the records, by which those named by code are known."""

    screen: Screen
    known: ProductIndex
    by_code: Mapping[str, Product]

    @classmethod
    def over(cls, screen: Screen, known: ProductIndex, products: Sequence[Product]) -> Screener:
        """A screener over the products of the records."""
        return cls(screen, known, {product.code: product for product in products})

    def row(self, row: Mapping[str, Any], today: date) -> dict[str, Any]:
        """{"action","findings","not_checked"} for {"text","speaker","customer","products","passages","initiative"}.
        Raises BadInput, which names the field."""
        verdict = self.screen.screen(
            _text(row),
            speaker=_choice(row, "speaker", SPEAKERS),
            customer=customer_from(row.get("customer")),
            products=self._products(row),
            passages=_passages(row),
            initiative=_choice(row, "initiative", INITIATIVES),
            today=today,
            known_products=self.known,
        )
        return {
            "action": verdict.action,
            "findings": [asdict(finding) for finding in verdict.findings if finding.action != "allow"],
            "not_checked": list(verdict.not_checked),
        }

    def _products(self, row: Mapping[str, Any]) -> list[Product]:
        """Products given by code (looked up in the records) or as objects."""
        given = row.get("products") or []
        if not isinstance(given, list) or not all(isinstance(item, str | Mapping) for item in given):
            raise BadInput("products must be a list of codes or product objects")
        return [
            self.by_code.get(item) or Product(code=item) if isinstance(item, str) else product_from(item)
            for item in given
        ]


def _passages(row: Mapping[str, Any]) -> list[str] | None:
    """The evidence given with a text; null when none was given."""
    given = row.get("passages")
    if given is None:
        return None
    if not isinstance(given, list) or not all(isinstance(item, str) for item in given):
        raise BadInput("passages must be a list of texts or null")
    return list(given)


def _text(row: Mapping[str, Any]) -> str:
    value = row.get("text")
    if not isinstance(value, str) or not value.strip():
        raise BadInput("text must be a non-empty string")
    if len(value) > LONGEST:
        raise BadInput(f"text is longer than {LONGEST} characters")
    return value


def _choice(row: Mapping[str, Any], name: str, allowed: tuple[str, ...]) -> Any:
    value = row.get(name)
    if value is None:
        return allowed[0]
    if value not in allowed:
        raise BadInput(f"{name} must be one of {', '.join(allowed)}")
    return value
