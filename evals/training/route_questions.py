"""Lend the questions of the answer cases to the router's training, labelled by the kind of their source.

`python -m evals.training.route_questions` writes assistant/routing/training/questions.jsonl. The held-out corpus
stays out.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from evals.cases import answer_cases, training_questions
from evals.workbench import HERE, materials_of
from knowledge.reading import Unreadable, read

LENT = ("lanjiang", "beichen", "starter", "qinghe")
INTENT_OF = {"product": "product", "education": "education", "service": "account", "notice": "account"}
TARGET = HERE.parent / "assistant" / "routing" / "training" / "questions.jsonl"


def kinds(folder: Path) -> dict[str, str]:
    """The kind of each document below a folder, by id."""
    found: dict[str, str] = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not path.name.endswith((".meta.yaml", ".yaml")):
            try:
                meta = read(path).meta
            except Unreadable:
                continue
            found[meta.id] = "product" if meta.product is not None else meta.kind
    return found


def main() -> None:
    lines = []
    for corpus in LENT:
        known = kinds(materials_of(corpus))
        for case in (*answer_cases(corpus), *training_questions(corpus)[::2]):
            labels = {INTENT_OF.get(known.get(document, ""), "") for document in case.documents} - {""}
            if case.answerable and len(labels) == 1:
                history = [asdict(message) for message in case.history]
                row = {"text": case.question, "intent": labels.pop(), "history": history, "tags": ["lent", corpus]}
                lines.append(json.dumps(row, ensure_ascii=False))
    TARGET.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(f"{len(lines)} questions lent")


if __name__ == "__main__":
    main()
