"""Decide whether a product may be offered to a customer, with every reason and clause."""

from __future__ import annotations

import json
from argparse import ArgumentParser, Namespace
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from assistant.commands import batch
from assistant.commands.batch import Row, choice, today_of
from assistant.customers import BadInput, customer_from, product_from
from assistant.turn import Product
from guardrails.suitability import decide


def add(parser: ArgumentParser) -> None:
    batch.add_input(parser, 'JSON: {"customer":{…},"product":{…},"initiative":"customer|firm"}')


def run(options: Namespace, installation: Any) -> int:
    def one(row: Row) -> dict[str, Any]:
        return asdict(
            decide(
                customer_from(row.get("customer")),
                _product(row, installation),
                initiative=choice(row, "initiative", ("customer", "firm"), "customer"),
                today=today_of(row, options),
            )
        )

    return batch.run(options, one, _single, lambda r: f"{r['decision']} {'、'.join(r['reasons'])}")


def _product(row: Row, installation: Any) -> Product:
    given = row.get("product")
    if isinstance(given, Mapping):
        return product_from(given)
    if isinstance(given, str):
        known: dict[str, Product] = {product.code: product for product in installation.library.known_products()}
        if given in known:
            return known[given]
        raise BadInput(f"no product with code {given} in the records")
    raise BadInput("product must be an object or the code of a recorded product")


def _single(text: str) -> Row:
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        raise batch.UsageError(f"TEXT is not JSON: {error}") from None
    if not isinstance(value, dict):
        raise batch.UsageError("TEXT must be a JSON object")
    return value
