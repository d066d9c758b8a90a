"""Screen texts that somebody is about to send: what is not allowed, where, and by which clause."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from typing import Any

from assistant.commands import batch
from assistant.commands.batch import Row, today_of
from assistant.screening import Screener


def add(parser: ArgumentParser) -> None:
    batch.add_input(parser, "the text to screen")


def run(options: Namespace, installation: Any) -> int:
    products = installation.library.known_products()
    screener = Screener.over(installation.screen, installation.known_products(), products)

    def one(row: Row) -> dict[str, Any]:
        return screener.row(row, today_of(row, options))

    return batch.run(options, one, lambda text: {"text": text}, show)


def show(result: dict[str, Any]) -> str:
    """The verdict for a person at a terminal."""
    lines = [result["action"]]
    lines += [f"  {f['check']} {f['span']} {f['reason']}（{f['clause']}）" for f in result["findings"]]
    return "\n".join(lines)
