"""The assistant's own API over a conversation in memory."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from typing import Any
from uuid import uuid4

import pytest
from starlette.testclient import TestClient

from assistant.channels.http import build
from assistant.channels.settings import HttpSettings, shanghai_today
from assistant.channels.turns import sentences
from assistant.turn import Customer
from tests.e2e.fake_assistant import FIRM, FakeAssistant

SETTINGS = HttpSettings(secret=b"s" * 32, today=lambda: date(2026, 11, 22))
EVENTS = {"Accept": "text/event-stream"}


@pytest.fixture
def fake() -> FakeAssistant:
    return FakeAssistant()


@pytest.fixture
def client(fake: FakeAssistant) -> Iterator[TestClient]:
    with TestClient(build(fake, SETTINGS)) as client:
        yield client


def events(text: str) -> list[tuple[str, Any]]:
    """The events of a stream as (name, data)."""
    found = []
    for block in text.strip().split("\n\n"):
        lines = dict(line.split(": ", 1) for line in block.split("\n") if not line.startswith(":"))
        if lines:
            found.append((lines["event"], json.loads(lines["data"])))
    return found


def ask(client: TestClient, message: str = "创业板开通条件是什么", **more: Any) -> dict[str, Any]:
    response = client.post("/v1/chat", json={"message": message, **more})
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    return answer


def test_answer_carries_sources_marks_and_no_findings(client: TestClient, fake: FakeAssistant) -> None:
    """A JSON answer has everything a client shows and nothing of the firm's own findings."""
    answer = ask(client)
    assert answer["outcome"] == "answer"
    assert answer["intent"] == "education"
    assert answer["citations"][0] == {
        "document": "edu-chinext",
        "version": "2026.1",
        "title": "创业板交易权限开通指引",
        "effective_from": "2026-07-06",
        "passage": "edu-chinext#2",
        "quote": "资产日均不低于人民币10万元",
    }
    offset, index = answer["marks"][0]
    assert answer["body"][:offset].endswith("10万元")
    assert index == 0
    assert "findings" not in answer
    assert "内部" not in json.dumps(answer, ensure_ascii=False)
    asked = fake.asked[0]
    assert (asked.channel, asked.today, asked.customer) == ("web", date(2026, 11, 22), None)


def test_identity_comes_from_the_channel_never_from_the_body(fake: FakeAssistant) -> None:
    """A customer in the body is ignored; the identity seam alone says who asks."""
    settings = replace(SETTINGS, identify=lambda request: Customer(id=request.headers.get("x-session")))
    with TestClient(build(fake, settings)) as client:
        body = {"message": "费率", "customer": {"id": "evil", "risk_class": "C5"}}
        client.post("/v1/chat", json=body, headers={"x-session": "known"})
    assert fake.asked[0].customer == Customer(id="known")


def test_stream_sends_nothing_of_the_reply_before_it_was_released(client: TestClient, fake: FakeAssistant) -> None:
    """Events come as status, sentences of the body, the whole reply."""
    response = client.post("/v1/chat", json={"message": "怎么开通"}, headers=EVENTS)
    assert response.headers["content-type"].startswith("text/event-stream")
    found = events(response.text)
    assert found[0] == ("status", {"stage": "searching"})
    assert [name for name, _ in found[1:-1]] == ["delta"] * (len(found) - 2)
    assert len(found) > 4
    name, done = found[-1]
    assert name == "done"
    assert "".join(data["text"] for _, data in found[1:-1]) == done["body"]


def test_stream_that_fails_ends_in_an_error_event_without_any_delta(client: TestClient, fake: FakeAssistant) -> None:
    """When the turn raises, a stream carries a problem and no word of a reply."""
    fake.failing["answer"] = RuntimeError("密码 secret-token")
    found = events(client.post("/v1/chat", json={"message": "税"}, headers=EVENTS).text)
    assert [name for name, _ in found] == ["status", "error"]
    assert found[1][1]["code"] == "unavailable"
    assert FIRM["hotline"] in found[1][1]["detail"]


@pytest.mark.parametrize("text", ["", "一句。两句！\n\n- 三", "没有句号", "“好。”他说。\n", "a;b\n1. c"])
def test_sentences_joined_are_the_text(text: str) -> None:
    """Cutting loses and adds nothing."""
    assert "".join(sentences(text)) == text


def test_retried_first_message_finds_its_conversation_and_is_not_doubled(
    client: TestClient, fake: FakeAssistant
) -> None:
    """The same key without a conversation gives the same turn of the same conversation."""
    key = str(uuid4())
    first, again = ask(client, key=key), ask(client, key=key)
    assert first == again
    assert len(fake.asked) == 1
    assert ask(client, key=str(uuid4()))["conversation"] != first["conversation"]


def test_a_key_opens_another_conversation_under_another_secret() -> None:
    """Nobody who knows the key of a message can compute the conversation it opened."""
    key = str(uuid4())
    opened = set()
    for secret in (b"a" * 32, b"b" * 32):
        with TestClient(build(FakeAssistant(), replace(SETTINGS, secret=secret))) as client:
            opened.add(ask(client, key=key)["conversation"])
    assert len(opened) == 2


def test_conversation_is_shown_again_masked_and_erased(client: TestClient) -> None:
    """Turns come back in order with the masked question; after erasing there is nothing and asking is refused."""
    first = ask(client, "我的手机13800138000，怎么开通")
    ask(client, "税", conversation=first["conversation"])
    path = f"/v1/conversations/{first['conversation']}"
    shown = client.get(path).json()
    assert [turn["question"] for turn in shown["turns"]] == ["我的手机138****8000，怎么开通", "税"]
    assert shown["turns"][0]["reply"] == first
    assert client.delete(path).status_code == 204
    for response in (
        client.get(path),
        client.delete(path),
        client.post("/v1/chat", json={"message": "税", "conversation": first["conversation"]}),
    ):
        assert response.status_code == 404
        assert response.json()["code"] == "unknown_conversation"


def test_a_client_cannot_choose_its_conversation_id(client: TestClient, fake: FakeAssistant) -> None:
    """An id the server did not make is unknown."""
    response = client.post("/v1/chat", json={"message": "税", "conversation": "mine"})
    assert response.status_code == 404
    assert not fake.asked


def test_feedback_is_handed_on_and_unknown_turns_are_refused(client: TestClient, fake: FakeAssistant) -> None:
    """A verdict with its reason reaches the log's seam."""
    turn = ask(client)["turn"]
    body = {"turn": turn, "verdict": "down", "reason": "没有回答问题"}
    assert client.post("/v1/feedback", json=body).json() == {"turn": turn, "recorded": True}
    assert fake.given == [(turn, "down", "没有回答问题")]
    assert client.post("/v1/feedback", json=body | {"turn": "x"}).json()["code"] == "unknown_turn"
    assert client.post("/v1/feedback", json=body | {"verdict": "meh"}).status_code == 422


def test_source_with_a_slash_and_a_hash_in_its_id(client: TestClient) -> None:
    """Any passage id can be opened, percent-encoded."""
    assert client.get("/v1/sources/svc-chinext/%E5%8A%9E%E7%90%86%201").json()["heading"] == ["线上办理"]
    assert client.get("/v1/sources/edu-chinext%232").json()["current"] is True
    assert client.get("/v1/sources/none").json()["code"] == "unknown_source"


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b'{"message": ""}', 422, "empty_message"),
        ('{"message": " \\n　"}'.encode(), 422, "empty_message"),
        (json.dumps({"message": "长" * 2001}).encode(), 422, "message_too_long"),
        (b'{"message": 5}', 422, "invalid"),
        (b"{}", 422, "invalid"),
        (b"[]", 422, "invalid"),
        (b"", 422, "invalid"),
        (b'{"message": "a', 400, "bad_request"),
        (b'{"message": "\xff\xfe"}', 400, "bad_request"),
        (b'{"message": "\\ud800"}', 400, "bad_request"),
        (b"[" * 30_000, 400, "bad_request"),
        (b'{"message": "a", "key": "1"}', 422, "invalid"),
        (b'{"message": "' + b"a" * 100_000 + b'"}', 413, "body_too_large"),
    ],
)
def test_bad_input_is_a_clear_problem(
    client: TestClient, fake: FakeAssistant, body: bytes, status: int, code: str
) -> None:
    """Each kind of bad input is refused in both languages before a turn begins."""
    response = client.post("/v1/chat", content=body, headers={"Content-Type": "application/json"})
    assert (response.status_code, response.json()["code"]) == (status, code), response.text
    assert response.headers["content-type"] == "application/problem+json"
    assert " / " in response.json()["title"]
    assert " / " in response.json()["detail"]
    assert not fake.asked


def test_body_without_a_length_is_counted_while_it_arrives(client: TestClient) -> None:
    """A chunked body over the limit is cut off."""

    def chunks() -> Iterator[bytes]:
        yield b'{"message": "'
        for _ in range(20):
            yield b"a" * 10_000

    response = client.post("/v1/chat", content=chunks(), headers={"Content-Type": "application/json"})
    assert response.status_code == 413


def test_unknown_address_and_method_are_problems(client: TestClient) -> None:
    """Even what the router refuses is a problem."""
    assert client.get("/nothing").json()["code"] == "not_found"
    response = client.get("/v1/chat")
    assert response.json()["code"] == "method_not_allowed"
    assert "POST" in response.headers["allow"]


@pytest.mark.parametrize("method", ["answer", "turns", "firm"])
def test_failure_is_kind_and_tells_nothing_of_its_cause(
    client: TestClient, fake: FakeAssistant, caplog: pytest.LogCaptureFixture, method: str
) -> None:
    """Whatever raises, the client reads 503 with a way on, and neither it nor the server's log shows the message."""
    conversation = ask(client)["conversation"]
    fake.failing = {method: RuntimeError("身份证 secret"), "answer": RuntimeError("身份证 secret")}
    response = client.post("/v1/chat", json={"message": "税", "conversation": conversation})
    assert response.status_code == 503
    assert response.headers["retry-after"] == "5"
    assert "secret" not in response.text + caplog.text
    assert "Traceback" not in response.text
    assert ("hotline" in response.json()) == (method != "firm")
    assert "RuntimeError" in caplog.text


def test_conversation_and_address_have_their_own_limits(fake: FakeAssistant) -> None:
    """Too fast in one conversation, or from one address, is 429 with the time to wait."""
    settings = replace(SETTINGS, conversation_burst=2, conversation_per_minute=6, address_burst=5)
    with TestClient(build(fake, settings)) as client:
        conversation = ask(client)["conversation"]
        codes = [client.post("/v1/chat", json={"message": "税", "conversation": conversation}) for _ in range(3)]
        assert [response.status_code for response in codes] == [200, 200, 429]
        assert 1 <= int(codes[2].headers["retry-after"]) <= 10
        assert codes[2].json()["retry_after"] == int(codes[2].headers["retry-after"])
        ask(client)
        assert client.post("/v1/chat", json={"message": "税"}).status_code == 429


def test_full_house_is_busy_not_endless(fake: FakeAssistant) -> None:
    """Beyond the bound on waiting turns nothing is queued."""
    with TestClient(build(fake, replace(SETTINGS, max_waiting=0))) as client:
        assert client.post("/v1/chat", json={"message": "税"}).json()["code"] == "busy"


def test_late_turn_is_not_lost(fake: FakeAssistant) -> None:
    """A turn that takes too long is 503 now; asked again with its key the same turn is the answer."""
    fake.delay = 0.3
    key = str(uuid4())
    with TestClient(build(fake, replace(SETTINGS, timeout_s=0.05))) as client:
        assert client.post("/v1/chat", json={"message": "税", "key": key}).status_code == 503
    with TestClient(build(fake, SETTINGS)) as client:
        ask(client, "税", key=key)
    assert len(fake.asked) == 1


def test_every_response_has_security_headers(client: TestClient) -> None:
    """Pages, answers and refusals alike load nothing from elsewhere and set no cookie."""
    for response in (client.get("/"), client.get("/healthz"), client.get("/nothing"), client.post("/v1/chat")):
        policy = response.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'self'" in policy
        assert "unsafe" not in policy
        assert response.headers["x-content-type-options"] == "nosniff"
        assert response.headers["referrer-policy"] == "no-referrer"
        assert "set-cookie" not in response.headers


def test_who_may_embed_the_page_is_a_setting(fake: FakeAssistant) -> None:
    """The broker's app is named in the policy, and the older header does not contradict it."""
    with TestClient(build(fake, replace(SETTINGS, frame_ancestors=("https://m.example.com",)))) as client:
        response = client.get("/")
    assert "frame-ancestors https://m.example.com" in response.headers["content-security-policy"]
    assert "x-frame-options" not in response.headers


def test_health_readiness_and_metrics(client: TestClient, fake: FakeAssistant) -> None:
    """Readiness names the part that is not ready; metrics count turns and hold no id."""
    assert client.get("/healthz").json() == {"status": "ok"}
    assert client.get("/readyz").status_code == 200
    fake.parts["index"] = False
    response = client.get("/readyz")
    assert response.status_code == 503
    assert response.json()["checks"]["index"] is False
    fake.failing["ready"] = RuntimeError()
    assert client.get("/readyz").status_code == 503
    answer = ask(client)
    text = client.get("/metrics").text
    assert 'heshi_turns_total{channel="web",intent="education",outcome="answer"} 1.0' in text
    assert "heshi_turn_seconds_bucket" in text
    assert answer["conversation"] not in text
    assert answer["turn"] not in text


def test_today_is_a_date_in_shanghai() -> None:
    """The default clock gives the broker's date."""
    assert abs((shanghai_today() - date.today()).days) <= 1
