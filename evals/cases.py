"""Cases as JSONL: what is asked of which materials, and what a right answer holds."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

from assistant.turn import Message

HERE = Path(__file__).parent
CASES = HERE / "cases"
QUESTIONS = HERE / "training" / "questions"
TRAPS = "trap"


@dataclass(frozen=True, slots=True)
class Case:
    """One question with what is expected. `facts`: every group must be met by one of its spellings; `passages`: ids of
    those that answer, known only of questions written for training."""

    id: str
    question: str
    history: tuple[Message, ...]
    customer: Mapping[str, Any] | None
    today: date
    tags: frozenset[str]
    outcome: str
    documents: frozenset[str]
    facts: tuple[tuple[str, ...], ...]
    absent: tuple[str, ...]
    passages: frozenset[str] = frozenset()

    @property
    def answerable(self) -> bool:
        return self.outcome == "answer"

    @property
    def trap(self) -> bool:
        return any(tag.startswith(TRAPS) for tag in self.tags)


def answer_cases(name: str) -> list[Case]:
    """The cases of evals/cases/answers_NAME*.jsonl."""
    return [_case(row) for path in sorted(CASES.glob(f"answers_{name}*.jsonl")) for row in rows(path)]


def training_questions(name: str) -> list[Case]:
    """The questions of evals/training/questions/NAME.jsonl: each with the passages that answer it, or none."""
    path = QUESTIONS / f"{name}.jsonl"
    return [_question(f"{name}-t{number}", row) for number, row in enumerate(rows(path))] if path.exists() else []


def rows(path: Path) -> Iterator[dict[str, Any]]:
    """The JSON objects of a JSONL file."""
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.strip():
            yield json.loads(line)


def flat(text: str) -> str:
    """Text for comparing facts: NFKC, lower case, no white space, no thousands separators."""
    return re.sub(r"[\s,，]", "", unicodedata.normalize("NFKC", text).lower())


def met(facts: Sequence[Sequence[str]], text: str) -> int:
    """How many of the fact groups a text meets."""
    folded = flat(text)
    return sum(any(flat(spelling) in folded for spelling in group) for group in facts)


def _question(name: str, row: Mapping[str, Any]) -> Case:
    passages = frozenset(row["answers"])
    expect = {"outcome": "answer" if passages else "refuse", "documents": {one.split("@")[0] for one in passages}}
    return replace(_case({**row, "id": name, "expect": expect}), passages=passages)


def _case(row: Mapping[str, Any]) -> Case:
    expect = row["expect"]
    return Case(
        id=row["id"],
        question=row["question"],
        history=tuple(Message(m["role"], m["content"]) for m in row.get("history") or ()),
        customer=row.get("customer"),
        today=date.fromisoformat(row.get("today") or "2026-11-22"),
        tags=frozenset(row.get("tags") or ()),
        outcome=expect["outcome"],
        documents=frozenset(expect.get("documents") or ()),
        facts=tuple(tuple(group) for group in expect.get("facts") or ()),
        absent=tuple(expect.get("absent") or ()),
    )
