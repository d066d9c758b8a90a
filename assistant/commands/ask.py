"""Answer customers' questions: the whole turn, logged like any other (channel "cli")."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from typing import Any

from assistant.commands import batch
from assistant.commands.batch import Row, choice, text_of, today_of
from assistant.customers import BadInput, customer_from
from assistant.log import new_id
from assistant.turn import Asked, Message, Reply

FIELDS = ("outcome", "intent", "text", "citations", "findings", "suggestions", "turn", "ms")


def add(parser: ArgumentParser) -> None:
    batch.add_input(parser, "the question")
    parser.add_argument("--customer", metavar="JSON", help="the customer's profile as JSON")


def run(options: Namespace, installation: Any) -> int:
    import json

    assistant = installation.assistant
    try:
        profile = json.loads(options.customer) if options.customer else None
    except json.JSONDecodeError as error:
        raise batch.UsageError(f"--customer is not JSON: {error}") from None

    def one(row: Row) -> dict[str, Any]:
        asked = Asked(
            text=text_of(row, "question"),
            channel="cli",
            today=today_of(row, options),
            conversation=new_id(),
            history=history_of(row),
            customer=customer_from(row.get("customer")),
        )
        return shape(assistant.answer(asked))

    return batch.run(options, one, lambda text: {"question": text, "customer": profile}, show)


def history_of(row: Row) -> tuple[Message, ...]:
    """Earlier messages a client supplies. Raises BadInput."""
    given = row.get("history") or []
    if not isinstance(given, list):
        raise BadInput("history must be a list of {role, content}")
    messages = []
    for item in given[-20:]:
        if not isinstance(item, dict) or not isinstance(item.get("content"), str):
            raise BadInput("history must be a list of {role, content}")
        messages.append(Message(choice(item, "role", ("user", "assistant"), "user"), item["content"][:4000]))
    return tuple(messages)


def shape(reply: Reply) -> dict[str, Any]:
    """The contract's fields of a reply."""
    from assistant.record import reply_json

    whole = reply_json(reply)
    whole["findings"] = [finding for finding in whole["findings"] if finding["action"] != "allow"]
    return {name: whole[name] for name in FIELDS}


def show(result: dict[str, Any]) -> str:
    """The reply for a person at a terminal."""
    lines = [result["text"]]
    if result["suggestions"]:
        lines.append("［" + "］［".join(result["suggestions"]) + "］")
    return "\n".join(lines)
