"""A conversation as the desk reads it: who said what, when, on what grounds, and what was done about it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from assistant.desk.events import DESK, INBOUND, OUTBOUND, RATING, WITHHELD
from assistant.desk.outbox import Outgoing
from assistant.log import Entry

Who = Literal["customer", "assistant", "staff", "note", "event"]
SHOWN = ("turn", INBOUND, OUTBOUND, WITHHELD, DESK, RATING, "feedback")


@dataclass(frozen=True, slots=True)
class Item:
    """One line of a conversation. `id` is the log's, with a suffix where one event says two things. `detail` holds what
    only this kind has: citations and findings of the assistant, author and delivery of a person, what was done."""

    id: str
    who: Who
    at: float
    text: str
    detail: Mapping[str, Any] = field(default_factory=dict)


def timeline(
    entries: Sequence[Entry], sent: Mapping[str, Outgoing], notes: Sequence[Mapping[str, Any]]
) -> tuple[Item, ...]:
    """The items of a conversation, oldest first. What a customer had erased is left out."""
    erased = [index for index, entry in enumerate(entries) if entry.event == "erased"]
    items: list[Item] = []
    for entry in entries[erased[-1] + 1 if erased else 0 :]:
        if entry.event in SHOWN:
            items += _items(entry, sent)
    begun = items[0].at if items else 0.0
    items += [
        Item(one["id"], "note", one["at"], one["text"], {"name": one["author_name"]})
        for one in notes
        if one["at"] >= begun
    ]
    return tuple(sorted(items, key=lambda one: one.at))


def newest_of(entries: Sequence[Entry]) -> str:
    """The id of the customer's last message."""
    said = [one.id for one in entries if one.event in ("turn", INBOUND)]
    return said[-1] if said else ""


def _items(entry: Entry, sent: Mapping[str, Outgoing]) -> list[Item]:
    at, body = seconds(entry.recorded_at), entry.body
    if entry.event == "turn":
        return _turn(entry, at)
    if entry.event == INBOUND:
        return [Item(entry.id, "customer", at, str(body.get("question") or body.get("text") or ""))]
    if body.get("member") and entry.event in (OUTBOUND, DESK):
        return [_said(entry, at, sent.get(entry.id))]
    if entry.event == OUTBOUND:
        return []
    if entry.event == WITHHELD:
        if not body.get("findings"):
            return []
        codes = sorted({one["check"] for one in body["findings"]})
        told = {"what": "withheld", "name": body.get("name") or body.get("staff") or "", "codes": codes}
        return [Item(entry.id, "event", at, str(body.get("text", "")), told)]
    if entry.event == RATING:
        return [Item(entry.id, "event", at, body["words"], {"what": "rating", "rating": body["rating"]})]
    if entry.event == "feedback":
        what = {"what": "feedback", "verdict": body.get("verdict", "")}
        return [Item(entry.id, "event", at, str(body.get("reason", "")), what)]
    if body["what"] == "note":
        return []
    told = {name: body[name] for name in ("what", "name", "to_name", "reason", "step") if body.get(name)}
    return [Item(entry.id, "event", at, str(body.get("text", "")), told)]


def _turn(entry: Entry, at: float) -> list[Item]:
    reply = entry.body["reply"]
    detail = {
        "outcome": reply["outcome"], "intent": reply["intent"], "citations": list(reply.get("citations", ())),
        "notices": list(reply.get("notices", ())), "findings": len(reply.get("findings", ())),
    }  # fmt: skip
    return [
        Item(f"{entry.id}:q", "customer", at, entry.body["question"]),
        Item(entry.id, "assistant", at, reply["body"], detail),
    ]


def _said(entry: Entry, at: float, message: Outgoing | None) -> Item:
    body = entry.body
    detail = {
        "name": body["name"], "role": body["role"], "licence": body["licence"], "notices": list(body["notices"]),
        "citations": list(body["citations"]), "acceptance": body["draft"]["acceptance"],
        "difference": body["draft"]["difference"], "override": body["override"],
        "status": "unknown" if message is None else message.status,
        "delivered_at": None if message is None else message.delivered_at,
    }  # fmt: skip
    return Item(entry.id, "staff", at, body["text"], detail)


def seconds(moment: str) -> float:
    """An ISO time of the log as seconds since the epoch."""
    return datetime.fromisoformat(moment).timestamp()
