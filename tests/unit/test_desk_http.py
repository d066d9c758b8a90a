"""The staff desk over HTTP: roles, shapes, problems, and what a customer's page may ask."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date
from typing import Any
from uuid import uuid4

import pytest
import schemathesis
from fastapi import FastAPI
from hypothesis import HealthCheck, given, settings
from starlette.testclient import TestClient

from assistant.channels.http import build
from assistant.channels.settings import HttpSettings
from assistant.channels.staff_page import ACCESS, OFFERED, StaffChannel
from assistant.people.access import COOKIE, FILE
from assistant.people.values import Person
from tests.branch import Branch
from tests.desk import Counter

FREE = HttpSettings(address_per_minute=1e9, address_burst=10**9, conversation_per_minute=1e9, conversation_burst=10**9,
                    today=lambda: date(2026, 11, 22))  # fmt: skip
PEOPLE = {
    "wang": Person("wang", "王芳", frozenset({"staff"})),
    "zhao": Person("zhao", "赵敏", frozenset({"adviser"}), "S0010620010001"),
    "gu": Person("gu", "顾明川", frozenset({"compliance"})),
}
GREETING = "您好，我是王芳，已收到您的问题，马上为您核对。"


@dataclass
class Known:
    """People whose session token is their login."""

    def person(self, token: str | None) -> Person | None:
        return PEOPLE.get(token or "")


@pytest.fixture
def counter(own: Branch) -> Counter:
    return Counter(own)


@pytest.fixture
def app(counter: Counter) -> FastAPI:
    return served(counter)


def served(counter: Counter) -> FastAPI:
    channel = StaffChannel(counter.desk, counter.assistant, FREE)
    return build(counter.assistant, FREE, (channel,), Known(), (OFFERED,), (FILE, ACCESS))  # type: ignore[arg-type]


@pytest.fixture
def client(app: FastAPI) -> Iterator[TestClient]:
    with TestClient(app, headers={"x-csrf-token": "1"}) as client:
        yield client


def as_(client: TestClient, who: str) -> TestClient:
    client.cookies.set(COOKIE, who)
    return client


def routes_of(app: FastAPI) -> list[tuple[str, str]]:
    """Every documented (method, address) of the desk, blanks filled."""
    found = []
    for path, operations in app.openapi()["paths"].items():
        if path.startswith("/v1/staff"):
            for name in ("conversation", "draft", "number", "script", "customer"):
                path = path.replace(f"{{{name}}}", "x")
            found += [(method.upper(), path) for method in operations]
    return found


def test_nobody_reaches_the_desk_without_its_role(app: FastAPI, client: TestClient) -> None:
    """Every route refuses a stranger with 401 and compliance with 403; no route is left out."""
    routes = routes_of(app)
    assert len(routes) == 25
    for method, path in routes:
        assert client.request(method, path).status_code == 401, (method, path)
    as_(client, "gu")
    for method, path in routes:
        assert client.request(method, path).status_code == 403, (method, path)
    assert client.get("/staff", headers={"accept": "text/html"}).status_code == 403


def test_a_change_from_another_site_is_refused(client: TestClient) -> None:
    """A request that another site made in a colleague's browser changes nothing."""
    as_(client, "wang")
    refused = client.post("/v1/staff/me", json={"away": True}, headers={"sec-fetch-site": "cross-site"})
    assert refused.status_code == 403
    assert not client.get("/v1/staff/me").json()["away"]


def test_a_conversation_is_served_over_the_api(client: TestClient, counter: Counter) -> None:
    """Inbox, claim, draft, screen, send, end: what another desk or a sidebar needs."""
    as_(client, "wang")
    opened = client.post("/v1/chat", json={"message": "转人工"}).json()
    conversation = opened["conversation"]
    talk = f"/v1/staff/conversations/{conversation}"
    assert [one["conversation"] for one in client.get("/v1/staff/inbox").json()["rows"]] == [conversation]
    assert client.post(f"{talk}/claim").json()["owner"] == "wang"
    client.post("/v1/chat", json={"message": "科创板开通条件是什么", "conversation": conversation})
    draft = client.post(f"{talk}/draft", json={}).json()
    assert "50万元" in draft["body"]
    verdict = client.post(f"{talk}/screen", json={"text": "这款产品稳赚不赔"}).json()
    assert verdict["action"] == "block"
    assert verdict["findings"][0]["span"] == [0, 8]
    assert verdict["findings"][0]["clause"]
    newest = client.get(talk).json()["row"]["newest"]
    body = {"text": draft["body"], "draft": draft["id"], "answering": newest, "key": str(uuid4())}
    assert client.post(f"{talk}/send", json=body | {"text": "这款产品稳赚不赔"}).json()["status"] == "blocked"
    sent = client.post(f"{talk}/send", json=body).json()
    assert (sent["status"], sent["message"]["sequence"]) == ("sent", 1)
    assert client.post(f"{talk}/send", json=body).json()["message"]["id"] == sent["message"]["id"]
    state = client.get(f"/v1/conversations/{conversation}/desk").json()
    assert [one["text"] for one in state["messages"]] == [draft["body"]]
    assert state["standing"]["person"]["name"] == "王芳"
    assert client.get(f"{talk}/card").json()["known"] is False
    assert client.post(f"{talk}/end", json={"reason": "handed_back"}).json()["status"] == "ended"


def test_what_somebody_else_has_is_a_conflict_that_names_them(client: TestClient, counter: Counter) -> None:
    """409 with the colleague's name, for claiming and for speaking."""
    counter.claimed("c1")
    as_(client, "zhao")
    refused = client.post("/v1/staff/conversations/c1/claim")
    assert refused.status_code == 409
    assert "王芳" in refused.json()["detail"]
    body = {"text": GREETING, "answering": counter.work.ticket("c1").newest, "key": str(uuid4())}
    assert client.post("/v1/staff/conversations/c1/send", json=body).json()["code"] == "in_other_hands"


def test_roles_come_from_the_login_never_from_the_request(client: TestClient, counter: Counter) -> None:
    """A field that claims to be an adviser is ignored: the same text is blocked for staff."""
    counter.claimed("c1")
    as_(client, "wang")
    body = {"text": "我建议您买入这只股票。", "speaker": "adviser", "role": "adviser", "licence": "S1"}
    found = client.post("/v1/staff/conversations/c1/screen", json=body).json()
    assert (found["action"], found["advice"]) == ("block", False)
    as_(client, "zhao")
    assert client.post("/v1/staff/conversations/c1/screen", json=body).json()["advice"]


def test_a_customer_sees_people_and_nothing_of_the_desk(client: TestClient, counter: Counter) -> None:
    """Text, notices, sources and who says it; no findings, drafts, notes or other customers. A stranger's id is 404."""
    counter.claimed("c1")
    counter.work.note("c1", replace(_member(), id="wang"), "内部的话")
    counter.say("c1", GREETING)
    state = client.get("/v1/conversations/c1/desk").text
    assert "内部的话" not in state
    assert "findings" not in state
    assert "draft" not in state
    assert client.get("/v1/conversations/unknown/desk").status_code == 404


def _member() -> Any:
    from tests.desk import WANG

    return WANG


def test_a_message_is_left_and_a_rating_given_over_http(client: TestClient, counter: Counter) -> None:
    """While waiting a message may be left, once a key; a rating only after a person answered, once."""
    counter.hand_over("c1")
    left = {"message": "请下午联系我", "key": str(uuid4())}
    first = client.post("/v1/conversations/c1/messages", json=left).json()
    assert client.post("/v1/conversations/c1/messages", json=left).json() == first
    assert client.post("/v1/conversations/none/messages", json=left).json()["code"] == "nobody_to_leave"
    rating = {"ticket": counter.work.ticket("c1").id, "rating": 5}
    assert client.post("/v1/conversations/c1/rating", json=rating).status_code == 409
    counter.work.claim("c1", _member())
    counter.say("c1", GREETING)
    assert client.post("/v1/conversations/c1/rating", json=rating).status_code == 204
    assert client.post("/v1/conversations/c1/rating", json=rating).status_code == 409


def test_figures_name_the_conversations_behind_them(client: TestClient, counter: Counter) -> None:
    """First response, drafts, blocks by person and code; a period the wrong way
    round is turned."""
    counter.claimed("c1")
    draft = counter.work.draft("c1", _member(), "科创板开通条件是什么")
    counter.say("c1", "这款产品稳赚不赔")
    counter.clock.pass_(30)
    counter.say("c1", draft.drafted["body"], draft=draft.id)
    counter.work.end("c1", _member(), "solved")
    as_(client, "wang")
    found = client.get("/v1/staff/figures").json()
    assert (found["tickets"], found["first_response_s"]["p50"]) == (1, 30.0)
    assert found["drafts"] == {"sent": 1, "edited": 0, "discarded": 0, "open": 0}
    assert found["blocks"][0]["code"] == "guaranteed_return"
    assert found["blocks"][0]["conversations"] == ["c1"]
    turned = client.get("/v1/staff/figures?from=2026-02-01&to=2026-01-01").json()
    assert (turned["from"], turned["to"], turned["tickets"]) == ("2026-01-01", "2026-02-01", 0)


def test_the_ledger_over_http(client: TestClient, counter: Counter) -> None:
    """A complaint is taken down, owned, answered, closed; a step out of order is refused."""
    counter.claimed("c1")
    as_(client, "wang")
    made = client.post("/v1/staff/complaints", json={"conversation": "c1", "subject": "多收费用"}).json()
    address = f"/v1/staff/complaints/{made['number']}"
    assert client.post(address, json={"what": "closed"}).json()["code"] == "complaint_state"
    assert client.post(address, json={"what": "owner"}).json()["owner_name"] == "王芳"
    assert client.post(address, json={"what": "answered", "text": "已退还"}).json()["status"] == "answered"
    closed = client.post(address, json={"what": "closed", "satisfaction": 5, "text": ""}).json()
    assert (closed["status"], closed["satisfaction"]) == ("closed", 5)
    assert client.get("/v1/staff/complaints").json()["complaints"][0]["number"] == made["number"]


def test_pages_and_their_files(client: TestClient) -> None:
    """The page and every file it names are served to staff; nothing outside its folder is."""
    as_(client, "wang")
    page = client.get("/staff")
    assert page.status_code == 200
    base = page.text.split('href="')[1].split("/icon")[0]
    for name in ("main.js", "staff.css", "tokens.css", "dom.js", "blocks.js", "editor.js"):
        assert client.get(f"{base}/{name}").status_code == 200, name
    assert client.get(f"{base}/strings.json").status_code == 404
    assert client.get(f"{base}/..%2fstrings.json").status_code == 404


def test_the_desk_does_what_its_schema_says(counter: Counter) -> None:
    """Generated requests, valid and invalid, get documented statuses, media types and shapes on every route of the desk
    and of the customer's page beside it, streams apart."""
    counter.claimed("c1")
    schema = schemathesis.openapi.from_asgi("/openapi.json", served(counter))
    chosen = schema.include(path_regex=r"^/v1/(staff/|conversations/\{conversation\}/)").exclude(
        path_regex="events|live"
    )
    tried = 0
    for found in chosen.get_all_operations():
        _try(found.ok())
        tried += 1
    assert tried == 27


def _try(operation: Any) -> None:
    @settings(max_examples=10, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(case=operation.as_strategy())
    def run(case: schemathesis.Case[Any]) -> None:
        case.call_and_validate(headers={"x-csrf-token": "1", "cookie": f"{COOKIE}=wang"})

    run()
