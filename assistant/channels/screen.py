"""Screening for the broker's other systems: 话术, 海报 texts, staff messages. The verdict is the `screen` command's."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any

from fastapi import APIRouter, Request
from pydantic import BaseModel, BeforeValidator, Field, StringConstraints, WithJsonSchema

from assistant.channels.problems import ProblemError, documented
from assistant.channels.shapes import Incoming
from assistant.channels.turns import Turns
from assistant.customers import BadInput
from assistant.screening import LONGEST
from assistant.turn import Access, Action, Code, Grade, Horizon, Initiative, Place, RiskClass, Speaker

MOST_PRODUCTS = 50
MOST_TYPES = 50


def _day(value: object) -> object:
    """A date written in full, nothing that merely could be read as one."""
    if value is None or isinstance(value, date):
        return value
    if not isinstance(value, str) or len(value) != 10:
        raise ValueError("must be an ISO date")
    return date.fromisoformat(value)


Day = Annotated[date, BeforeValidator(_day), WithJsonSchema({"type": "string", "format": "date"})]
Short = Annotated[str, StringConstraints(max_length=200)]


class ScreenedCustomer(Incoming):
    """What the broker's records say of the customer the text is for."""

    id: Short | None = None
    risk_class: RiskClass | None = None
    lowest: bool = False
    professional: bool = False
    assessed_on: Day | None = None
    valid_until: Day | None = None
    birth_date: Day | None = None
    horizon: Horizon | None = None
    types: Annotated[list[Short], Field(max_length=MOST_TYPES)] = []
    qualified: bool = False


class ScreenedProduct(Incoming):
    """A product the text is about that the records may not know."""

    code: Short = ""
    name: Short = ""
    aliases: Annotated[list[Short], Field(max_length=MOST_TYPES)] = []
    type: Short | None = None
    risk: Grade | None = None
    term: Short | None = None
    min_amount: Short | None = None
    access: Access = "public"


class ScreenRequest(Incoming):
    """One text about to be sent. `products` are codes of the records or objects; those named in the text are found
    there. `passages` null leaves its grounds unchecked, [] says that it has none; the size of the body bounds them.
    Speaker `adviser` needs the role."""

    id: Short | None = None
    speaker: Speaker = "assistant"
    text: Annotated[str, Field(pattern=r"\S", max_length=LONGEST)]
    customer: ScreenedCustomer | None = None
    products: Annotated[list[Short | ScreenedProduct], Field(max_length=MOST_PRODUCTS)] = []
    passages: list[str] | None = None
    initiative: Initiative = "customer"
    today: Day | None = None


class ScreenFinding(BaseModel):
    """Something not allowed; `span` is half-open in code points of the text."""

    check: Code
    action: Action
    reason: str
    clause: str
    span: tuple[int, int]
    on: Place


class ScreenVerdict(BaseModel):
    """The strictest action, every finding, and what was not checked for want of passages."""

    id: str | None
    action: Action
    findings: list[ScreenFinding]
    not_checked: list[Code]


def routes(turns: Turns) -> APIRouter:
    """The route other systems of the broker call."""
    router = APIRouter(prefix="/v1", tags=["screening"])

    @router.post(
        "/screen",
        responses=documented(
            "bad_request", "slow_body", "body_too_large", "invalid", "too_many_requests", "unavailable", "role_required"
        ),
    )
    async def screen(asked: ScreenRequest, request: Request) -> ScreenVerdict:
        """Screen one text: what is not allowed in it, where, and by which clause. Nothing is sent or kept."""
        turns.limit_address(request)
        if asked.speaker == "adviser":
            raise ProblemError("role_required")
        row: dict[str, Any] = asked.model_dump(mode="json")
        try:
            found = await turns.call(turns.assistant.screen, row, asked.today or turns.settings.today())
        except BadInput as error:
            raise ProblemError("invalid", where=str(error)) from None
        return ScreenVerdict(id=asked.id, **found)

    return router
