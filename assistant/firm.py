"""Facts of the firm as the records hold them, in the words the channels use."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

OWN = frozenset({"generation", "shipped_replies", "switch", "starter"})


def for_channels(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Facts by the channels' names; what the program keeps for itself is left out."""
    model = facts.get("model") or {}
    shown = {name: value for name, value in facts.items() if name not in OWN}
    renamed = {
        "name": facts.get("firm"),
        "name_en": facts.get("firm_en"),
        "ai_model_name": model.get("name") if isinstance(model, Mapping) else None,
        "ai_filing": model.get("filing") if isinstance(model, Mapping) else None,
        "retention": _lines(facts.get("retention_zh")),
        "retention_en": _lines(facts.get("retention_en")),
        "start_groups": [_group(group) for group in facts.get("start_groups") or ()],
    }
    return shown | {name: value for name, value in renamed.items() if value}


def _lines(value: Any) -> str | None:
    return "\n".join(str(line) for line in value) if isinstance(value, list) else value


def _group(group: Mapping[str, Any]) -> dict[str, Any]:
    english = list(group.get("questions_en") or ())
    questions = [
        {"zh": question, "en": english[index] if index < len(english) else question}
        for index, question in enumerate(group.get("questions") or ())
    ]
    return {"title": group.get("title"), "title_en": group.get("title_en"), "questions": questions}
