"""Streams over HTTP in release mode `sentence`: what leaves early is the beginning of the reply, and nothing else."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest
from starlette.testclient import TestClient

from assistant.channels.http import build
from assistant.channels.settings import HttpSettings
from assistant.turn import Asked, Reply
from tests.e2e.fake_assistant import FakeAssistant

SETTINGS = HttpSettings(secret=b"s" * 32, release="sentence")
EVENTS = {"Accept": "text/event-stream"}
EARLY = 2


class Speaking(FakeAssistant):
    """Releases the first sentences early; `then` runs before the rest."""

    then: Callable[[], None] = staticmethod(lambda: None)

    def answer(self, asked: Asked, emit: Callable[[str], None] | None = None) -> Reply:
        reply = super().answer(asked)
        sentences = [part + "。" for part in reply.body.split("。")]
        for sentence in sentences[:EARLY] if emit else []:
            assert emit is not None
            emit(sentence)
        self.then()
        return reply


def events(text: str) -> list[tuple[str, Any]]:
    found = []
    for block in text.strip().split("\n\n"):
        lines = dict(line.split(": ", 1) for line in block.split("\n") if not line.startswith(":"))
        if lines:
            found.append((lines.get("event", ""), lines["data"]))
    return found


def deltas(found: list[tuple[str, Any]]) -> str:
    return "".join(json.loads(data)["text"] for name, data in found if name == "delta")


@pytest.fixture
def fake() -> Speaking:
    return Speaking()


def test_early_sentences_and_the_rest_are_the_body(fake: Speaking) -> None:
    """Every sentence comes once, and joined they are the body of the reply that closes the stream."""
    with TestClient(build(fake, SETTINGS)) as client:
        found = events(client.post("/v1/chat", json={"message": "怎么开通"}, headers=EVENTS).text)
    assert [name for name, _ in found[:2]] == ["status", "delta"]
    assert found[-1][0] == "done"
    assert deltas(found) == json.loads(found[-1][1])["body"]


def test_sentences_leave_before_the_reply_is_whole(fake: Speaking) -> None:
    """The reply is held back until a client has read the first sentence: it did come early."""
    read = threading.Event()
    fake.then = lambda: None if read.wait(10) else pytest.fail("nothing came early")
    app = build(fake, SETTINGS)
    seen: list[str] = []

    async def receive() -> dict[str, Any]:
        body = json.dumps({"message": "怎么开通"}).encode()
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        text = message.get("body", b"").decode()
        seen.append(text)
        if "event: delta" in text:
            read.set()

    headers = [(b"content-type", b"application/json"), (b"accept", b"text/event-stream")]
    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "POST", "path": "/v1/chat",
        "raw_path": b"/v1/chat", "query_string": b"", "headers": headers, "client": ("127.0.0.1", 1),
        "server": ("test", 80), "scheme": "http", "root_path": "",
    }  # fmt: skip

    asyncio.run(asyncio.wait_for(app(scope, _once(receive), send), 20))
    assert read.is_set()
    assert "event: done" in "".join(seen)


def _once(receive: Callable[[], Any]) -> Callable[[], Any]:

    given = False

    async def received() -> Any:
        nonlocal given
        if given:
            await asyncio.sleep(60)
        given = True
        return await receive()

    return received


def test_a_turn_that_fails_after_early_sentences_ends_in_an_error(fake: Speaking) -> None:
    """What left stays; no reply closes the stream, and the client is told."""

    def broken() -> None:
        raise RuntimeError("secret")

    fake.then = broken
    with TestClient(build(fake, SETTINGS)) as client:
        found = events(client.post("/v1/chat", json={"message": "怎么开通"}, headers=EVENTS).text)
    assert [name for name, _ in found] == ["status", *["delta"] * EARLY, "error"]
    assert "secret" not in found[-1][1]


def test_a_retried_message_gets_the_same_body_once(fake: Speaking) -> None:
    """The same key again gives the same turn, each sentence once."""
    key = str(uuid4())
    with TestClient(build(fake, SETTINGS)) as client:
        both = [
            events(client.post("/v1/chat", json={"message": "怎么开通", "key": key}, headers=EVENTS).text)
            for _ in range(2)
        ]
    bodies = [json.loads(found[-1][1]) for found in both]
    assert bodies[0]["turn"] == bodies[1]["turn"]
    assert [deltas(found) for found in both] == [body["body"] for body in bodies]


def test_openai_chunks_joined_are_the_text(fake: Speaking) -> None:
    """One id for all chunks; content joined is the text with its notices; usage comes last when wanted."""
    body = {"messages": [{"role": "user", "content": "怎么开通"}], "stream": True}
    with TestClient(build(fake, SETTINGS)) as client:
        whole = client.post("/v1/chat/completions", json={**body, "stream": False}).json()
        text = client.post("/v1/chat/completions", json={**body, "stream_options": {"include_usage": True}}).text
    chunks = [data for _, data in events(text)]
    assert chunks[-1] == "[DONE]"
    read = [json.loads(chunk) for chunk in chunks[:-1]]
    assert len({chunk["id"] for chunk in read}) == 1
    content = "".join(choice["delta"].get("content", "") for chunk in read for choice in chunk["choices"])
    assert content == whole["choices"][0]["message"]["content"]
    assert read[-1]["usage"] == whole["usage"]
    assert read[-2]["heshi"]["notices"]


def test_openai_stream_that_fails_early_or_late(fake: Speaking) -> None:
    """Before a word has left, a failure is an answer of its own; afterwards an error in a stream without end."""
    body = {"messages": [{"role": "user", "content": "怎么开通"}], "stream": True}

    def broken() -> None:
        raise RuntimeError("secret")

    fake.then = broken
    with TestClient(build(fake, SETTINGS)) as client:
        late = client.post("/v1/chat/completions", json=body).text
        fake.failing["answer"] = RuntimeError("secret")
        early = client.post("/v1/chat/completions", json=body)
    assert early.status_code == 503
    assert "[DONE]" not in late
    assert json.loads(events(late)[-1][1])["error"]["code"] == "unavailable"
    assert "secret" not in late


def test_whole_mode_asks_for_no_early_sentences(fake: Speaking) -> None:
    """The default release mode never lets a sentence out before the reply is whole."""
    fake.then = lambda: None
    with TestClient(build(fake, replace(SETTINGS, release="whole"))) as client:
        found = events(client.post("/v1/chat", json={"message": "怎么开通"}, headers=EVENTS).text)
    assert deltas(found) == json.loads(found[-1][1])["body"]
