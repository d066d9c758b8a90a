"""The endpoint adapter against a real HTTP server on the loopback interface that can misbehave on demand."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np
import pytest

from knowledge.embedding import Embedder, EmbeddingError
from knowledge.embedding.endpoint import EndpointEmbedder


def vector(text: str) -> list[float]:
    """A stand-in for a model: different texts, different vectors, none of length 1."""
    return [3.0 + len(text), float(sum(map(ord, text)) % 97), 1.0]


@dataclass
class Server:
    """What was asked, and what to answer: `answers` are (status, body) taken in turn before normal answers."""

    url: str = ""
    requests: list[dict[str, Any]] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    answers: list[tuple[int, Any]] = field(default_factory=list)
    delay: threading.Event | None = None


def respond(server: Server, body: dict[str, Any]) -> tuple[int, Any]:
    """Like servers that take nothing but non-empty strings; the items come back in reverse order."""
    if server.answers:
        return server.answers.pop(0)
    texts = body["input"]
    if not all(isinstance(text, str) and text for text in texts):
        return 400, {"error": {"message": "input must be non-empty strings", "type": "invalid_request_error"}}
    data = [{"object": "embedding", "index": n, "embedding": vector(text)} for n, text in enumerate(texts)]
    return 200, {"object": "list", "model": body["model"], "data": data[::-1], "usage": {}}


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    state = Server()
    for variable in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(variable, raising=False)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            state.requests.append(body)
            state.keys.append(self.headers["Authorization"])
            if state.delay is not None:
                state.delay.wait(5)
            status, answer = respond(state, body) if self.path == "/v1/embeddings" else (404, {"error": "no route"})
            data = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    state.url = f"http://127.0.0.1:{http.server_port}/v1"
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield state
    if state.delay is not None:
        state.delay.set()
    http.shutdown()
    http.server_close()
    thread.join()


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retries follow at once."""
    monkeypatch.setattr("openai._base_client.INITIAL_RETRY_DELAY", 0.0)
    monkeypatch.setattr("openai._base_client.MAX_RETRY_DELAY", 0.0)


def embedder(server: Server, **settings: Any) -> EndpointEmbedder:
    return EndpointEmbedder(server.url, "sk-secret", "bge-m3", **settings)


def expected(texts: list[str]) -> np.ndarray:
    rows = np.array([vector(text) for text in texts])
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def test_unit_rows_in_the_order_given(server: Server) -> None:
    """Answers out of order are put back in order by index, scaled to length 1, and sent with key and model."""
    seam: Embedder = embedder(server)
    texts = ["科创板", "ETF 是什么", "港股通"]
    vectors = seam.passages(texts)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(vectors, expected(texts), atol=1e-6)
    assert server.keys == ["Bearer sk-secret"]
    assert server.requests[0]["model"] == "bge-m3"


def test_texts_go_in_batches_as_strings(server: Server) -> None:
    """Many texts are split into requests of the batch size; texts, not token numbers, are sent."""
    texts = [f"第{n}条" for n in range(7)]
    np.testing.assert_allclose(embedder(server, batch=3).passages(texts), expected(texts), atol=1e-6)
    assert [request["input"] for request in server.requests] == [texts[:3], texts[3:6], texts[6:]]


def test_dimension_is_discovered_once(server: Server) -> None:
    """The dimension is asked for when first wanted, and known from any answer afterwards."""
    seam = embedder(server)
    assert server.requests == []
    assert (seam.dimensions, seam.dimensions) == (3, 3)
    assert len(server.requests) == 1
    assert seam.queries([]).shape == (0, 3)
    assert len(server.requests) == 1


def test_prefixes_and_length_limit(server: Server) -> None:
    """Queries and passages get their own prefix; what is longer than the limit is cut."""
    seam = embedder(server, query_prefix="问：", passage_prefix="文：", characters=5)
    seam.queries(["佣金是多少"])
    seam.passages(["佣金"])
    assert [request["input"] for request in server.requests] == [["问：佣金是"], ["文：佣金"]]


def test_blank_texts_are_embedded_too(server: Server) -> None:
    """A server that refuses empty strings is not sent any."""
    assert embedder(server).queries(["", "  \n"]).shape == (2, 3)


def test_shortened_vectors_are_asked_for_only_on_demand(server: Server) -> None:
    """`dimensions` is part of the request only when a size is set; some servers refuse the field."""
    embedder(server).queries(["a"])
    embedder(server, size=3).queries(["a"])
    assert ["dimensions" in request for request in server.requests] == [False, True]


@pytest.mark.parametrize("status", [429, 500, 503])
def test_passing_trouble_is_retried(server: Server, status: int) -> None:
    """A busy or failing server is asked again."""
    server.answers = [(status, {"error": {"message": "busy"}})] * 2
    np.testing.assert_allclose(embedder(server, retries=2).queries(["佣金"]), expected(["佣金"]), atol=1e-6)
    assert len(server.requests) == 3


def test_lasting_trouble_is_an_error(server: Server) -> None:
    """When retries are used up the cause is told."""
    server.answers = [(503, {"error": {"message": "overloaded"}})] * 3
    with pytest.raises(EmbeddingError, match="503：overloaded"):
        embedder(server, retries=2).queries(["佣金"])


@pytest.mark.parametrize(("status", "words"), [(401, "密钥"), (403, "密钥"), (404, "bge-m3"), (400, "400：too long")])
def test_refusals_are_not_retried_and_keep_the_key(server: Server, status: int, words: str) -> None:
    """A wrong key, an unknown model or a bad request fails at once, in words, without the key."""
    server.answers = [(status, {"error": {"message": "too long"}})]
    with pytest.raises(EmbeddingError, match=words) as caught:
        embedder(server).queries(["佣金"])
    assert len(server.requests) == 1
    assert "sk-secret" not in str(caught.value)


@pytest.mark.parametrize(
    "answer",
    [
        {"object": "list", "data": [], "model": "m"},
        {"object": "list", "model": "m"},
        {"data": [{"index": 0, "embedding": [1.0, 2.0]}, {"index": 1, "embedding": [1.0]}]},
        {"data": [{"index": 0, "embedding": [1.0, 2.0]}]},
        {"data": [{"index": 0, "embedding": [0.0, 0.0]}, {"index": 1, "embedding": [1.0, 0.0]}]},
        {"data": [{"index": 0, "embedding": [float("nan"), 0.0]}, {"index": 1, "embedding": [1.0, 0.0]}]},
        {"data": [{"index": 0, "embedding": None}, {"index": 1, "embedding": None}]},
        {"data": [{"index": 0, "embedding": "AAAA"}, {"index": 1, "embedding": "AAAA"}]},
        {"error": "model not loaded"},
        ["not", "an", "object"],
        b"<html>gateway</html>",
        b"",
    ],
)
def test_nonsense_answers_are_errors(server: Server, answer: Any) -> None:
    """Missing, ragged, zero or non-numeric vectors, and answers of another kind, never become vectors."""
    server.answers = [(200, answer)] * 5
    with pytest.raises(EmbeddingError):
        embedder(server, retries=0).queries(["一", "二"])


def test_answers_without_index_keep_their_order(server: Server) -> None:
    """Some servers number every item 0 or not at all: then the order of the answer counts."""
    rows = [vector("一"), vector("二")]
    server.answers = [
        (200, {"data": [{"index": 0, "embedding": row} for row in rows]}),
        (200, {"data": [{"embedding": row} for row in rows]}),
    ]
    seam = embedder(server)
    np.testing.assert_allclose(seam.queries(["一", "二"]), expected(["一", "二"]), atol=1e-6)
    np.testing.assert_allclose(seam.queries(["一", "二"]), expected(["一", "二"]), atol=1e-6)


def test_a_changed_dimension_is_an_error(server: Server) -> None:
    """Another model behind the same name is noticed when its vectors have another size."""
    seam = embedder(server)
    seam.queries(["一"])
    server.answers = [(200, {"data": [{"index": 0, "embedding": [1.0, 2.0]}]})]
    with pytest.raises(EmbeddingError, match="由 3 变为 2"):
        seam.queries(["一"])


def test_a_slow_server_times_out(server: Server) -> None:
    """A server that does not answer in time is an error, not a wait without end."""
    server.delay = threading.Event()
    with pytest.raises(EmbeddingError, match="超时"):
        embedder(server, timeout=0.2, retries=0).queries(["一"])


def test_no_server_is_an_error() -> None:
    """A refused connection names the server."""
    with pytest.raises(EmbeddingError, match=r"127\.0\.0\.1:9"):
        EndpointEmbedder("http://127.0.0.1:9/v1", "k", "m", retries=0).queries(["一"])


@pytest.mark.parametrize(
    ("url", "model"), [("", "m"), ("localhost:8000", "m"), ("ftp://a/v1", "m"), ("http://a/v1", "")]
)
def test_bad_settings_are_refused_at_once(url: str, model: str) -> None:
    """An address that is none, or no model, is an error before any request."""
    with pytest.raises(EmbeddingError):
        EndpointEmbedder(url, "k", model)


def test_the_name_tells_everything_that_changes_vectors() -> None:
    """Model, server, prefixes, size, length limit and the operator's version are in the name; the key is not."""

    def name(url: str = "http://a:1/v1", model: str = "m", key: str = "k", **settings: Any) -> str:
        return EndpointEmbedder(url, key, model, **settings).name

    variants = {
        name(), name("http://b:1/v1"), name(model="n"), name(query_prefix="q"), name(passage_prefix="q"),
        name(size=8), name(version="2"), name(characters=100),
    }  # fmt: skip
    assert len(variants) == 8
    assert name() == name(key="another", batch=1, timeout=1.0, retries=0) == name("http://a:1/v1/")
