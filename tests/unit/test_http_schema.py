"""OpenAPI says exactly what the API does."""

from __future__ import annotations

from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from starlette.testclient import TestClient

from assistant.channels.http import build
from assistant.channels.settings import HttpSettings
from tests.e2e.fake_assistant import FakeAssistant

OPEN = HttpSettings(address_per_minute=1e9, address_burst=10**9, conversation_per_minute=1e9, conversation_burst=10**9)
APP = build(FakeAssistant(), OPEN)
SCHEMA = schemathesis.openapi.from_asgi("/openapi.json", APP)


@SCHEMA.parametrize()
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
def test_api_does_what_its_schema_says(case: schemathesis.Case[Any]) -> None:
    """Generated requests, valid and invalid, get documented statuses, media types and shapes."""
    case.call_and_validate()


def test_every_refusal_is_documented_as_a_problem() -> None:
    """All documented 4xx and 503 answers, readiness apart, are application/problem+json."""
    with TestClient(APP) as client:
        paths = client.get("/openapi.json").json()["paths"]
    refusals = [
        (path, status, list(response["content"]))
        for path, operations in paths.items()
        for operation in operations.values()
        for status, response in operation["responses"].items()
        if status.startswith(("4", "5")) and path != "/readyz"
    ]
    assert len(refusals) > 20
    assert [found for found in refusals if found[2] != ["application/problem+json"]] == []


def test_schema_knows_the_limit_of_this_installation() -> None:
    """The longest message stands in the schema."""
    schema = build(FakeAssistant(), HttpSettings(max_chars=77)).openapi()
    assert schema["components"]["schemas"]["ChatRequest"]["properties"]["message"]["maxLength"] == 77


@pytest.mark.parametrize("path", ["/docs", "/redoc"])
def test_no_page_loads_from_elsewhere(path: str) -> None:
    """FastAPI's own documentation pages, which load from a CDN, are off."""
    with TestClient(APP) as client:
        assert client.get(path).status_code == 404
