"""Screening over HTTP: the same verdict as the command line's, for the broker's other systems."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

import pytest
from starlette.testclient import TestClient

from assistant.channels.http import build
from assistant.channels.settings import HttpSettings
from assistant.screening import LONGEST, Screener
from assistant.turn import Product
from guardrails.products import ProductIndex
from tests.e2e.fake_assistant import FakeAssistant

TODAY = date(2026, 11, 22)
FUND = Product("001234", "云杉成长混合", risk="R5")


class Screening(FakeAssistant):
    """Screens for real."""

    def __init__(self, screener: Screener) -> None:
        super().__init__()
        self.screener = screener

    def screen(self, row: Any, today: date) -> dict[str, Any]:
        return self.screener.row(row, today)


@pytest.fixture(scope="module")
def screener(shared_parts: dict[str, Any]) -> Screener:
    return Screener.over(shared_parts["screen"], ProductIndex([FUND]), [FUND])


@pytest.fixture
def client(screener: Screener) -> TestClient:
    return TestClient(build(Screening(screener), HttpSettings(today=lambda: TODAY)))


ROWS: list[dict[str, Any]] = [
    {"text": "这款产品保本保息，您放心买。"},
    {"id": "7", "text": "基金不是存款，本金可能发生亏损。", "passages": ["基金不是存款，本金可能发生亏损。"]},
    {"text": "管理费为1.2%。", "passages": [], "speaker": "staff"},
    {"text": "推荐您买云杉成长混合。", "customer": {"risk_class": "C1", "assessed_on": "2026-05-01"}},
    {"text": "介绍一下001234。", "products": ["001234", {"code": "9", "risk": "R4"}], "initiative": "firm"},
    {"text": "您好，滚。", "today": "2026-10-01"},
]  # fmt: skip


@pytest.mark.parametrize("row", ROWS)
def test_verdict_is_the_commands(client: TestClient, screener: Screener, row: dict[str, Any]) -> None:
    """Action, findings with clause and span, and what was not checked are those of the shared function."""
    answer = client.post("/v1/screen", json=row)
    assert answer.status_code == 200, answer.text
    expected = screener.row(row, date.fromisoformat(row.get("today", TODAY.isoformat())))
    assert answer.json() == {"id": row.get("id")} | json.loads(json.dumps(expected))


def test_a_promise_is_blocked_with_place_and_clause(client: TestClient) -> None:
    """What another system is about to send is stopped, and the reason can be shown."""
    text = "这款产品保本保息，您放心买。"
    found = client.post("/v1/screen", json={"text": text}).json()
    assert found["action"] == "block"
    first = found["findings"][0]
    assert first["check"] == "guaranteed_return"
    assert "保本" in text[slice(*first["span"])]
    assert "证券法" in first["clause"]
    assert found["not_checked"] == ["ungrounded"]


def test_nobody_becomes_an_adviser_by_saying_so(client: TestClient) -> None:
    """The role comes from a login; a request that claims it is refused, not screened more mildly."""
    refused = client.post("/v1/screen", json={"text": "可以买入600519。", "speaker": "adviser"})
    assert refused.status_code == 403
    assert refused.headers["content-type"] == "application/problem+json"
    assert refused.json()["code"] == "role_required"
    assert "staff" in refused.json()["detail"]
    assert client.post("/v1/screen", json={"text": "可以买入600519。", "speaker": "staff"}).json()["action"] == "block"


@pytest.mark.parametrize(
    "row",
    [
        {}, {"text": " "}, {"text": "好" * (LONGEST + 1)}, {"text": "好", "speaker": "boss"},
        {"text": "好", "passages": "x"},
        {"text": "好", "customer": {"risk_class": "C9"}}, {"text": "好", "customer": {"assessed_on": 5}},
        {"text": "好", "customer": {"assessed_on": "2026-13-01"}}, {"text": "好", "products": [1]},
        {"text": "好", "today": "tomorrow"}, {"text": "好", "customer": {"lowest": "yes"}},
    ],
)  # fmt: skip
def test_bad_rows_are_refused(client: TestClient, row: dict[str, Any]) -> None:
    """Each says which field to look at."""
    refused = client.post("/v1/screen", json=row)
    assert refused.status_code == 422
    assert refused.json()["code"] == "invalid"


@pytest.mark.parametrize("field", ["skip", "checks", "policy", "meaning", "limit_s", "allowed"])
def test_no_field_switches_a_check_off(client: TestClient, field: str) -> None:
    """Fields that are not of the contract change nothing."""
    text = "这款产品保本保息，您放心买。"
    plain = client.post("/v1/screen", json={"text": text}).json()
    for value in (True, [], ["guaranteed_return", "保本保息"], 0):
        assert client.post("/v1/screen", json={"text": text, field: value}).json() == plain


def test_callers_are_limited(screener: Screener) -> None:
    """An address that asks too often is told when to come back."""
    settings = HttpSettings(address_per_minute=1, address_burst=2, today=lambda: TODAY)
    client = TestClient(build(Screening(screener), settings))
    statuses = [client.post("/v1/screen", json={"text": "好"}).status_code for _ in range(3)]
    assert statuses == [200, 200, 429]
