"""Customers as the broker's records know them: a profile from JSON, checked."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError, field_validator

from assistant.turn import Customer, Horizon, Product, RiskClass


class BadInput(ValueError):
    """Input that cannot be used; the message says which field and what to do."""


class CustomerIn(BaseModel):
    """A customer profile as JSON. Unknown fields are ignored."""

    model_config = ConfigDict(extra="ignore", coerce_numbers_to_str=True)

    id: str | None = None
    risk_class: RiskClass | None = None
    lowest: bool = False
    professional: bool = False
    assessed_on: date | None = None
    valid_until: date | None = None
    birth_date: date | None = None
    horizon: Horizon | None = None
    types: list[str] = []
    qualified: bool = False

    @field_validator("types", mode="before")
    @classmethod
    def none_is_empty(cls, value: Any) -> Any:
        return [] if value is None else value

    @field_validator("lowest", "professional", "qualified", mode="before")
    @classmethod
    def none_is_false(cls, value: Any) -> Any:
        return False if value is None else value


class ProductIn(BaseModel):
    """A product as JSON: all a suitability decision reads."""

    model_config = ConfigDict(extra="ignore", coerce_numbers_to_str=True)

    code: str = ""
    name: str = ""
    aliases: list[str] = []
    type: str | None = None
    risk: Literal["R1", "R2", "R3", "R4", "R5"] | None = None
    term: str | None = None
    min_amount: str | None = None
    access: Literal["public", "qualified"] = "public"

    @field_validator("access", mode="before")
    @classmethod
    def none_is_public(cls, value: Any) -> Any:
        return "public" if value is None else value


def customer_from(values: Mapping[str, Any] | None) -> Customer | None:
    """A customer from JSON; None stays unknown. Raises BadInput."""
    if values is None:
        return None
    data = _checked(CustomerIn, values, "customer")
    fields = {name: getattr(data, name) for name in CustomerIn.model_fields}
    return Customer(**(fields | {"types": tuple(fields["types"])}))


def product_from(values: Mapping[str, Any]) -> Product:
    """A product from JSON. Raises BadInput."""
    data = _checked(ProductIn, values, "product")
    fields = {name: getattr(data, name) for name in ProductIn.model_fields}
    return Product(**(fields | {"aliases": tuple(fields["aliases"])}))


def _checked(model: Any, values: Any, what: str) -> Any:
    if not isinstance(values, Mapping):
        raise BadInput(f"{what} must be an object or null")
    try:
        return model.model_validate(dict(values))
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise BadInput(f"{what}.{place}: {first['msg']}") from None
