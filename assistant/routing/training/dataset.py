"""Labelled messages: reading, checking, and the variations the training adds."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from assistant.routing.model import INTENTS
from assistant.turn import Intent, Message

FOLDER: Final = Path(__file__).parent
SERVED: Final = ("education", "product", "account", "personal", "advice", "smalltalk")
GRAVE: Final = ("distress", "fraud", "human", "complaint", "illegal", "attack", "advice", "personal")
_OPENINGS: Final = (
    "请问",
    "你好，",
    "您好，",
    "麻烦问下，",
    "想问一下，",
    "那个，",
    "咨询一下，",
    "请教下，",
    "哎，",
    "老师，",
    "hi，",
    "客服，",
)
_ENDINGS: Final = ("？", "??", "！", "。", "，谢谢", "，急", "😂", "🙏", "，在线等", "呀", "啊", "，麻烦了", "...", "")
_JOINS: Final = ("。", "，", "？", "！", "？另外", "。还有，", "，顺便", " ", "\n", "。对了，", "；")


@dataclass(frozen=True, slots=True)
class Labelled:
    """One labelled message. `tags` name theme and border; `history` is oldest first."""

    text: str
    intent: Intent
    history: tuple[Message, ...] = ()
    tags: tuple[str, ...] = ()


def read_messages(path: Path) -> list[Labelled]:
    """Read a JSONL file of labelled messages. Raises ValueError with the line number when a row is wrong."""
    rows = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        row = json.loads(line)
        if row.get("intent") not in INTENTS or not row.get("text", "").strip():
            raise ValueError(f"{path.name}:{number}: needs a text and a known intent")
        history = tuple(Message(m["role"], m["content"]) for m in row.get("history", ()))
        rows.append(Labelled(row["text"], row["intent"], history, tuple(row.get("tags", ()))))
    return rows


def vary(rows: Sequence[Labelled], seed: int) -> list[Labelled]:
    """Return each message once more with another opening and ending; meaning and label stay."""
    chance = random.Random(seed)
    varied = []
    for row in rows:
        if row.intent == "smalltalk" or row.history:
            continue
        opening = chance.choice(_OPENINGS) if chance.random() < 0.6 else ""
        varied.append(
            Labelled(opening + row.text.rstrip("？?。！!") + chance.choice(_ENDINGS), row.intent, (), ("varied",))
        )
    return varied


def compound(rows: Sequence[Labelled], gravity: Sequence[Intent], count: int, seed: int) -> list[Labelled]:
    """Return `count` messages joined of two, labelled with the graver intent of both."""
    chance = random.Random(seed)
    short = [row for row in rows if len(row.text) <= 40 and not row.history]
    by_intent: Mapping[str, list[Labelled]] = {i: [r for r in short if r.intent == i] for i in INTENTS}
    joined = []
    for _ in range(count):
        grave = chance.choice(by_intent[chance.choice(GRAVE)])
        light = chance.choice(by_intent[chance.choice(SERVED)])
        parts = [grave.text, light.text]
        chance.shuffle(parts)
        intent = min(grave.intent, light.intent, key=gravity.index)
        joined.append(Labelled(chance.choice(_JOINS).join(parts), intent, (), ("compound",)))
    return joined
