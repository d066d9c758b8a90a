"""Say what messages want: exactly one intent each, nothing answered, nothing logged."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from dataclasses import asdict
from typing import Any

from assistant.commands import batch
from assistant.commands.ask import history_of
from assistant.commands.batch import Row, text_of


def add(parser: ArgumentParser) -> None:
    batch.add_input(parser, "the message")


def run(options: Namespace, installation: Any) -> int:
    router = installation.router

    def one(row: Row) -> dict[str, Any]:
        found = asdict(router.route(text_of(row, "text"), history_of(row)))
        return found | {"confidence": round(found["confidence"], 4)}

    return batch.run(
        options, one, lambda text: {"text": text}, lambda r: f"{r['intent']} {r['confidence']:.2f} {r['reason']}"
    )
