"""The model writer heard while it writes, against a real HTTP server on the loopback interface."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np
import pytest

from assistant.answer.cited import AnswerError
from assistant.answer.llm import ModelWriter, Speech
from assistant.answer.trouble import EndpointError
from assistant.seams import StreamingWriter
from assistant.turn import Passage
from knowledge.retrieval.search import Hit

STAR = Passage(
    id="p1", document="edu-star", version="1", revision="r1", title="科创板权限", kind="education", audience="public",
    form="text", text="个人投资者开通科创板，申请前20个交易日日均资产不低于50万元，且参与证券交易24个月以上。",
)  # fmt: skip
HIT = Hit(0, STAR, 0.9, np.zeros(1))
SAID = ["科创板须日均资产", "不低于50", "万元[1]。"]


@dataclass
class Server:
    """Streams `pieces`, then `finish`; waits `pause` seconds between them."""

    url: str = ""
    pieces: list[Any] = field(default_factory=lambda: list(SAID))
    finish: str | None = "stop"
    pause: float = 0.0
    status: int = 200
    requests: list[dict[str, Any]] = field(default_factory=list)
    gone: threading.Event = field(default_factory=threading.Event)


def chunk(delta: dict[str, Any], finish: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    made = {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}
    return f"data: {json.dumps(made)}\n\n".encode()


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    state = Server()
    monkeypatch.setattr("openai._base_client.INITIAL_RETRY_DELAY", 0.0)
    monkeypatch.setattr("openai._base_client.MAX_RETRY_DELAY", 0.0)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            state.requests.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(state.status)
            self.send_header("Content-Type", "text/event-stream")
            self.end_headers()
            try:
                for piece in state.pieces:
                    self.wfile.write(piece if isinstance(piece, bytes) else chunk({"content": piece}))
                    self.wfile.flush()
                    time.sleep(state.pause)
                if state.finish:
                    self.wfile.write(chunk({}, state.finish) + b"data: [DONE]\n\n")
            except OSError:
                state.gone.set()

        def log_message(self, *_: object) -> None:
            pass

    running = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=running.serve_forever, daemon=True)
    thread.start()
    state.url = f"http://127.0.0.1:{running.server_port}/v1"
    yield state
    running.shutdown()
    running.server_close()


@pytest.fixture
def writer(server: Server) -> Iterator[ModelWriter]:
    made = ModelWriter(server.url, "key", "m", 3.0)
    yield made
    made.close()


def heard(writer: ModelWriter) -> Speech:
    speech = writer.speech("科创板怎么开通？", (), [HIT])
    assert speech is not None
    return speech


def test_what_is_streamed_is_heard_piece_by_piece_and_read_strictly(writer: ModelWriter, server: Server) -> None:
    """The pieces joined are a draft with its citation; the request asked for a bounded stream."""
    speech = heard(writer)
    pieces = list(speech.deltas)
    assert pieces == SAID
    draft = speech.read("".join(pieces))
    assert draft.body == "科创板须日均资产不低于50万元。"
    assert draft.citations[0].passage == "p1"
    assert draft.writer == "llm:m"
    assert server.requests[0]["stream"] is True
    assert server.requests[0]["max_tokens"] > 0
    assert speech.sent[0][0] == "system"
    assert isinstance(writer, StreamingWriter)


def test_a_sentence_its_passage_does_not_bear_out_is_refused(writer: ModelWriter) -> None:
    """Reading what was said so far raises where one sentence does not hold."""
    with pytest.raises(AnswerError):
        heard(writer).read("科创板须日均资产不低于80万元[1]。")


@pytest.mark.parametrize(
    ("changed", "trouble"),
    [
        ({"finish": "length"}, "truncated"),
        ({"finish": "content_filter"}, "refused"),
        ({"pieces": []}, "empty"),
        ({"status": 500, "pieces": []}, "status"),
        ({"pieces": [*SAID, b"data: {broken\n\n"]}, "protocol"),
        ({"pieces": ["好" * 2000] * 200}, "oversized"),
        ({"pieces": ["好"] * 100, "pause": 0.2}, "timeout"),
    ],
)
def test_a_stream_that_breaks_off_says_why(
    writer: ModelWriter, server: Server, changed: dict[str, Any], trouble: str
) -> None:
    """Every way to break off has a name, and comes within the time limit."""
    for name, value in changed.items():
        setattr(server, name, value)
    begun = time.monotonic()
    with pytest.raises(EndpointError) as broken:
        list(heard(writer).deltas)
    assert broken.value.trouble == trouble
    assert time.monotonic() - begun < 8


def test_leaving_a_stream_ends_the_call(writer: ModelWriter, server: Server) -> None:
    """When the gate stops, the model is not listened to any further."""
    server.pieces, server.pause = ["好"] * 500, 0.02
    deltas = heard(writer).deltas
    assert next(deltas) == "好"
    deltas.close()  # type: ignore[attr-defined]
    assert server.gone.wait(8)


def test_nothing_to_speak_from(writer: ModelWriter) -> None:
    """Without a passage the model is not asked."""
    assert writer.speech("科创板怎么开通？", (), []) is None
