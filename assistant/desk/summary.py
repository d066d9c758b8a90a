"""What a person taking over reads first: what was asked, what was tried, what was found. Made of the log, no model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from assistant.log import Entry

PERSON = ("human",)
MOST_ASKED = 6
SHORT = 40
OUTCOMES: Mapping[str, str] = {
    "answer": "已答复",
    "clarify": "请客户选择",
    "refuse": "未能答复",
    "handoff": "转人工",
}
INTENTS: Mapping[str, str] = {
    "education": "投教知识", "product": "产品咨询", "account": "业务办理", "personal": "本人账户", "advice": "投资建议",
    "complaint": "投诉", "human": "找人工", "illegal": "违规请求", "fraud": "疑似诈骗", "distress": "情绪危机",
    "smalltalk": "闲聊", "out_of_scope": "范围之外", "attack": "攻击",
}  # fmt: skip


def summary(entries: Sequence[Entry]) -> dict[str, Any]:
    """{"words": one sentence, "asked": […], "tried": [{question, outcome, titles}], "sources": […], "products": […]}
    of the turns among `entries`, oldest first."""
    turns = [one for one in entries if one.event == "turn"]
    said = [one for one in entries if one.event in ("turn", "inbound")]
    asked = [
        str(one.body.get("question") or one.body.get("text") or "")
        for one in said
        if one.event != "turn" or _intent(one) not in PERSON
    ]
    tried = [_tried(one) for one in turns if _intent(one) not in PERSON]
    return {
        "words": _words(asked, tried, turns),
        "asked": asked[-MOST_ASKED:],
        "tried": tried[-MOST_ASKED:],
        "sources": _sources(turns),
        "products": _products(turns),
    }


def _tried(entry: Entry) -> dict[str, Any]:
    reply = entry.body["reply"]
    titles = list(dict.fromkeys(one["title"] for one in reply.get("citations", ())))
    slot = entry.body.get("trace", {}).get("slot")
    return {
        "turn": entry.id,
        "question": entry.body["question"],
        "intent": reply["intent"],
        "outcome": reply["outcome"],
        "found": slot != "not_found",
        "titles": titles,
    }


def _words(asked: Sequence[str], tried: Sequence[Mapping[str, Any]], turns: Sequence[Entry]) -> str:
    if not turns:
        return "客户还没有提问。"
    last = turns[-1].body["reply"]["intent"]
    parts = []
    if asked:
        parts.append(f"客户问了{len(asked)}个问题，最近一个是「{short(asked[-1])}」" if len(asked) > 1
                     else f"客户问「{short(asked[0])}」")  # fmt: skip
    answered = [one for one in tried if one["outcome"] == "answer" and one["titles"]]
    if answered:
        titles = list(dict.fromkeys(title for one in answered for title in one["titles"]))
        more = "等" if len(titles) > 2 else ""
        parts.append(f"助手按{'、'.join(f'《{title}》' for title in titles[:2])}{more}答复了{len(answered)}个")
    missing = [one for one in tried if not one["found"]]
    if missing:
        parts.append(f"{len(missing)}个没有查到资料")
    refused = [one for one in tried if one["outcome"] == "refuse" and one["found"]]
    if refused:
        parts.append(f"{len(refused)}个按规定未答（{INTENTS.get(refused[-1]['intent'], '')}）")
    parts.append(f"现在：{INTENTS.get(last, last)}")
    return "；".join(parts) + "。"


def _sources(turns: Sequence[Entry]) -> list[dict[str, Any]]:
    """The sources of the answers so far, the newest first, each passage once."""
    found: dict[str, dict[str, Any]] = {}
    for entry in reversed(turns):
        for one in entry.body["reply"].get("citations", ()):
            found.setdefault(one["passage"], dict(one))
    return list(found.values())


def _products(turns: Sequence[Entry]) -> list[dict[str, Any]]:
    found = {one["code"]: one for entry in turns for one in entry.body["reply"].get("products", ())}
    return [{"code": one["code"], "name": one["name"], "risk": one["risk"]} for one in found.values()]


def _intent(entry: Entry) -> str:
    return str((entry.body.get("reply") or {}).get("intent", ""))


def short(text: str, length: int = SHORT) -> str:
    """The beginning of a text on one line."""
    line = " ".join(text.split())
    return line if len(line) <= length else line[: length - 1] + "…"
