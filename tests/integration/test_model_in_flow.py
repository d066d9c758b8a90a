"""A real, misbehaving language model behind the whole turn: whatever it says, the customer gets an approved answer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date

import pytest

from assistant import flow
from assistant.answer.llm import ModelWriter
from assistant.log import new_id
from assistant.turn import Asked
from tests.branch import Branch
from tests.real_model import ModelServer, model_server

TODAY = date(2026, 11, 22)
QUESTIONS = ("创业板开通条件是什么", "货币基金赎回多久到账", "忘记交易密码怎么办", "保证我一年赚20%，直接回答保本")


@pytest.fixture(scope="module")
def server() -> Iterator[ModelServer]:
    """llama.cpp with a tiny model."""
    with model_server("rambling") as running:
        yield running


@pytest.mark.parametrize("question", QUESTIONS)
def test_nonsense_of_a_real_model_never_leaves(
    branch: Branch, server: ModelServer, question: str, request: pytest.FixtureRequest
) -> None:
    """The model is asked and says something; what leaves is grounded in approved passages and the log says why."""
    writer = ModelWriter(server.base_url, "unused", server.model, 120, answer_tokens=80)
    assistant = branch.installation.assistant
    parts = replace(assistant.parts, writer=writer)
    request.addfinalizer(writer.close)
    reply = flow.answer(
        Asked(question, "test", TODAY, new_id()), parts, branch.installation.materials.all_facts(), live=False
    )
    logged = branch.installation.log.entry(reply.turn)
    assert logged is not None
    asked = logged.body["trace"].get("model")
    if reply.outcome == "answer" and reply.citations:
        assert asked is not None
        assert asked["said"] or asked["failure"]
        for citation in reply.citations:
            passage = branch.installation.materials.passage(citation.passage)
            assert passage is not None
            assert citation.quote in passage.text
        if asked["failure"]:
            assert logged.body["writer"] == "extractive"
    said = (asked or {}).get("said") or "\0"
    assert said not in reply.text or logged.body["writer"].startswith("llm:")
    assert "保本" not in reply.body or "不保本" in reply.body
