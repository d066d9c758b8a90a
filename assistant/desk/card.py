"""The customer at a glance: what the broker's records say, and what follows from it for suitability."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal

from sqlalchemy import select

from assistant.customers import BadInput, customer_from
from assistant.desk.settings import rules
from assistant.turn import Customer
from guardrails.suitability import SuitabilitySettings, add_months
from knowledge.records.database import Database
from knowledge.records.tables import customers

Validity = Literal["valid", "expiring", "expired", "none"]
EXPIRING_DAYS = 30
CLASSES: Mapping[str, int] = {"C1": 1, "C2": 2, "C3": 3, "C4": 4, "C5": 5}


@dataclass(frozen=True, slots=True)
class Card:
    """A customer as the desk shows them. `fits` is the highest grade they may be told of of the firm's own accord, ""
    when that cannot be said; `assessment_until` is the last day the assessment counts."""

    id: str | None
    known: bool
    name: str
    tags: tuple[str, ...]
    risk_class: str | None
    lowest: bool
    professional: bool
    qualified: bool
    horizon: str | None
    types: tuple[str, ...]
    age: int | None
    senior: bool
    minor: bool
    validity: Validity
    assessment_until: date | None
    fits: str


class Customers:
    """The broker's records of customers."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def record(self, customer: str) -> Mapping[str, Any] | None:
        """A customer's profile as recorded, with what only the desk shows (name, tags)."""
        with self._database.reading() as connection:
            found = connection.execute(select(customers.c.profile).where(customers.c.id == customer)).scalar()
        return None if found is None else {**found, "id": customer}

    def find(
        self, customer: str | None, profile: Mapping[str, Any] | None
    ) -> tuple[Customer | None, Mapping[str, Any]]:
        """The customer as of now: from the records if they have one, else as the channel knew them; with the record.
        None for somebody nobody knows."""
        record = (self.record(customer) if customer else None) or profile
        if record is None:
            return None, {}
        try:
            return customer_from(record), record
        except BadInput:
            return None, record


def card(customer: Customer | None, record: Mapping[str, Any], today: date) -> Card:
    """The card of a customer on a day."""
    name = str(record.get("name") or "")
    tags = tuple(str(tag) for tag in record.get("tags") or () if isinstance(tag, str | int))
    if customer is None:
        return Card(None, False, name, tags, None, False, False, False, None, (), None, False, False, "none", None, "")
    age = None if customer.birth_date is None else _age(customer.birth_date, today)
    until, validity = assessment(customer, today)
    minor = age is not None and age < SuitabilitySettings().adult_age
    return Card(
        id=customer.id,
        known=True,
        name=name,
        tags=tags,
        risk_class=customer.risk_class,
        lowest=customer.lowest,
        professional=customer.professional,
        qualified=customer.qualified,
        horizon=customer.horizon,
        types=customer.types,
        age=age,
        senior=age is not None and age >= rules()["senior_age"],
        minor=minor,
        validity=validity,
        assessment_until=until,
        fits=_fits(customer, validity, minor),
    )


def assessment(customer: Customer, today: date) -> tuple[date | None, Validity]:
    """The last day a customer's assessment counts, and how it stands."""
    until = customer.valid_until
    if until is None and customer.assessed_on is not None:
        until = add_months(customer.assessed_on, SuitabilitySettings().validity_months)
    if customer.risk_class is None or until is None:
        return until, "none"
    if until < today:
        return until, "expired"
    return until, "expiring" if (until - today).days <= EXPIRING_DAYS else "valid"


def facts_of(found: Card, *, closed: bool, waiting: bool) -> dict[str, bool | None]:
    """What conditions of scripts ask about; None where the records do not say."""
    expired = found.validity == "expired" if found.known else None
    return {
        "no_valid_assessment": found.validity in ("none", "expired") if found.known else None,
        "assessment_expired": expired,
        "assessment_expiring": found.validity == "expiring" if found.known else None,
        "assessment_valid": found.validity in ("valid", "expiring") if found.known else None,
        "lowest": found.lowest if found.known else None,
        "minor": None if found.age is None else found.minor,
        "lowest_or_minor": (found.lowest or found.minor) if found.known else None,
        "senior": None if found.age is None else found.senior,
        "closed": closed,
        "waiting": waiting,
    }


def senior(profile: Mapping[str, Any] | None, today: date) -> bool:
    """Whether a profile is that of a senior."""
    try:
        customer = customer_from(profile)
    except BadInput:
        return False
    if customer is None or customer.birth_date is None:
        return False
    return _age(customer.birth_date, today) >= int(rules()["senior_age"])


def _fits(customer: Customer, validity: Validity, minor: bool) -> str:
    if minor or validity in ("none", "expired") or customer.risk_class is None:
        return ""
    return "R1" if customer.lowest else f"R{CLASSES[customer.risk_class]}"


def _age(born: date, today: date) -> int:
    return today.year - born.year - ((today.month, today.day) < (born.month, born.day))
