"""Screen texts that somebody is about to send: what is not allowed, where, and by which clause."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from assistant.commands import batch
from assistant.commands.batch import Row, choice, text_of, today_of
from assistant.customers import BadInput, customer_from, product_from
from assistant.turn import Product


def add(parser: ArgumentParser) -> None:
    batch.add_input(parser, "the text to screen")


def run(options: Namespace, installation: Any) -> int:
    screen, known = installation.screen, installation.known_products()
    by_code = {product.code: product for product in installation.library.known_products()}

    def one(row: Row) -> dict[str, Any]:
        verdict = screen.screen(
            text_of(row, "text"),
            speaker=choice(row, "speaker", ("assistant", "staff", "adviser"), "assistant"),
            customer=customer_from(row.get("customer")),
            products=products_of(row, by_code),
            passages=passages_of(row),
            initiative=choice(row, "initiative", ("customer", "firm"), "customer"),
            today=today_of(row, options),
            known_products=known,
        )
        return {
            "action": verdict.action,
            "findings": [asdict(finding) for finding in verdict.findings if finding.action != "allow"],
            "not_checked": list(verdict.not_checked),
        }

    return batch.run(options, one, lambda text: {"text": text}, show)


def products_of(row: Row, by_code: Mapping[str, Product]) -> list[Product]:
    """Products given by code (looked up in the records) or as objects. Raises BadInput."""
    given = row.get("products") or []
    if not isinstance(given, list):
        raise BadInput("products must be a list of codes or product objects")
    found = []
    for item in given:
        if isinstance(item, Mapping):
            found.append(product_from(item))
        elif isinstance(item, str):
            found.append(by_code.get(item) or Product(code=item))
        else:
            raise BadInput("products must be a list of codes or product objects")
    return found


def passages_of(row: Row) -> list[str] | None:
    """The evidence given with a text; null when none was given. Raises BadInput."""
    given = row.get("passages")
    if given is None:
        return None
    if not isinstance(given, list) or not all(isinstance(item, str) for item in given):
        raise BadInput("passages must be a list of texts or null")
    return list(given)


def show(result: dict[str, Any]) -> str:
    """The verdict for a person at a terminal."""
    lines = [result["action"]]
    lines += [f"  {f['check']} {f['span']} {f['reason']}（{f['clause']}）" for f in result["findings"]]
    return "\n".join(lines)
