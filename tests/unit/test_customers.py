"""Customers and products as JSON."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from assistant.customers import BadInput, customer_from, product_from
from assistant.turn import Customer


def test_whole_profile() -> None:
    """Every field of the contract is read with its type."""
    found = customer_from(
        {
            "id": 7, "risk_class": "C3", "lowest": False, "professional": True, "assessed_on": "2026-05-01",
            "valid_until": "2027-04-30", "birth_date": "1980-02-29", "horizon": "medium", "types": ["债券型基金"],
            "qualified": True, "note": "ignored",
        }
    )  # fmt: skip
    assert found == Customer(
        "7", "C3", False, True, date(2026, 5, 1), date(2027, 4, 30), date(1980, 2, 29), "medium", ("债券型基金",), True
    )


def test_null_stays_unknown() -> None:
    """No profile is no customer; an empty one is a customer of whom nothing is known."""
    assert customer_from(None) is None
    assert customer_from({}) == Customer()
    assert customer_from({"types": None, "lowest": None, "qualified": None, "horizon": None}) == Customer()


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"risk_class": "C9"}, "risk_class"), ({"birth_date": "1980-02-30"}, "birth_date"),
        ({"horizon": "forever"}, "horizon"), ({"types": "债券"}, "types"), ({"qualified": "maybe"}, "qualified"),
        ({"assessed_on": "昨天"}, "assessed_on"),
    ],
)  # fmt: skip
def test_bad_field_is_named(values: dict[str, Any], field: str) -> None:
    """A value that cannot be used is refused, and the message says which."""
    with pytest.raises(BadInput, match=field):
        customer_from(values)


@pytest.mark.parametrize("values", [[], "C3", 3])
def test_no_object_is_refused(values: Any) -> None:
    """A profile is an object or null."""
    with pytest.raises(BadInput, match="customer"):
        customer_from(values)


def test_product() -> None:
    """A product keeps the zeros of its code; no access named means public."""
    found = product_from({"code": "000123", "risk": "R2", "term": "90天", "access": None, "aliases": ["短债"]})
    assert (found.code, found.risk, found.term, found.access, found.aliases) == (
        "000123", "R2", "90天", "public", ("短债",),
    )  # fmt: skip


@pytest.mark.parametrize("values", [{"risk": "R9"}, {"access": "everybody"}, {"code": ["a"]}])
def test_bad_product_is_refused(values: dict[str, Any]) -> None:
    """A grade or an access that does not exist is refused."""
    with pytest.raises(BadInput, match="product"):
        product_from(values)
