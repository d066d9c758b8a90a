"""Who a customer is, for the channels: the host app's signed token, and the profile the broker's records hold."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from fastapi import Request
from sqlalchemy import select

from assistant.channels.problems import ProblemError
from assistant.customers import BadInput, customer_from
from assistant.people.tokens import BadToken, CustomerTokens
from assistant.turn import Customer
from knowledge.records.database import Database
from knowledge.records.tables import customers

HEADER = "x-customer-token"


def identify(tokens: CustomerTokens, database: Database) -> Callable[[Request], Customer | None]:
    """What HttpSettings.identify wants. No token: nobody is known. A token that proves nothing is refused, so that an
    expired one is renewed rather than answered as a stranger. A known id without a profile: a customer not assessed."""

    def customer(request: Request) -> Customer | None:
        token = request.headers.get(HEADER)
        if token is None or not tokens.keys:
            return None
        try:
            return known_customer(tokens.customer(token), database)
        except BadToken:
            raise ProblemError("customer_token") from None

    return customer


def known_customer(customer: str, database: Database) -> Customer:
    """The customer as the records know them."""
    with database.reading() as connection:
        profile = connection.execute(select(customers.c.profile).where(customers.c.id == customer)).scalar()
    values: Mapping[str, Any] = profile or {}
    try:
        found = customer_from({**values, "id": customer})
    except BadInput:
        found = None
    return found or Customer(id=customer)
