"""JSONL in, JSONL out: one result per row in the same order, ids passed through, a bad row never stops the rest."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterator, Mapping
from datetime import date, datetime
from pathlib import Path
from typing import Any

from assistant.customers import BadInput
from assistant.log import SHANGHAI
from assistant.record import plain

Row = Mapping[str, Any]


class UsageError(Exception):
    """The call's words are off; exit status 2."""


def add_input(parser: ArgumentParser, text: str) -> None:
    """The arguments every per-row command shares."""
    parser.add_argument("text", nargs="?", metavar="TEXT", help=text)
    parser.add_argument("--batch", type=Path, metavar="IN.jsonl", help="one JSON object per line; - reads stdin")
    parser.add_argument("--json", action="store_true", help="JSON for a single call")
    parser.add_argument("--today", type=day, default=None, metavar="DATE", help="answer as of this day (YYYY-MM-DD)")


def run(options: Namespace, one: Callable[[Row], Any], single: Callable[[str], Row], show: Callable[[Any], str]) -> int:
    """Run a single call or a batch; the exit status (1 when a row was bad)."""
    if (options.text is None) == (options.batch is None):
        raise UsageError("give either TEXT or --batch IN.jsonl")
    if options.text is not None:
        try:
            result = plain(one(single(options.text)))
        except BadInput as error:
            print(f"{error}", file=sys.stderr)
            return 1
        print(json.dumps(result, ensure_ascii=False) if options.json else show(result))
        return 0
    bad = 0
    for row_id, row in _rows(options.batch):
        try:
            if isinstance(row, BadInput):
                raise row
            result = {"id": row_id} | plain(one(row))
        except BadInput as error:
            bad += 1
            result = {"id": row_id, "error": str(error)}
        except Exception as error:  # noqa: BLE001 - one row's failure is that row's result
            bad += 1
            result = {"id": row_id, "error": f"{type(error).__name__}: {error}"}
        sys.stdout.write(json.dumps(result, ensure_ascii=False) + "\n")
        sys.stdout.flush()
    return 1 if bad else 0


def _rows(path: Path) -> Iterator[tuple[Any, Row | BadInput]]:
    try:
        stream = sys.stdin.buffer if str(path) == "-" else path.open("rb")
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from None
    with stream:
        for number, raw in enumerate(stream, start=1):
            if not raw.strip():
                continue
            try:
                row = json.loads(raw.decode("utf-8-sig"))
                json.dumps(row, ensure_ascii=False).encode()  # a lone surrogate is no text in UTF-8
            except (ValueError, RecursionError) as error:
                yield None, BadInput(f"line {number} is not JSON in UTF-8: {error}")
                continue
            if not isinstance(row, dict):
                yield None, BadInput(f"line {number} is not a JSON object")
                continue
            yield row.get("id"), row


def text_of(row: Row, name: str, *, most: int = 20_000) -> str:
    """A required, non-empty string field. Raises BadInput."""
    value = row.get(name)
    if not isinstance(value, str) or not value.strip():
        raise BadInput(f"{name} must be a non-empty string")
    if len(value) > most:
        raise BadInput(f"{name} is longer than {most} characters")
    return value


def choice(row: Row, name: str, allowed: tuple[str, ...], default: str) -> Any:
    """A field with closed values. Raises BadInput."""
    value = row.get(name)
    if value is None:
        return default
    if value not in allowed:
        raise BadInput(f"{name} must be one of {', '.join(allowed)}")
    return value


def today_of(row: Row, options: Namespace) -> date:
    """The row's day, else --today, else today in Asia/Shanghai. Raises BadInput."""
    value = row.get("today")
    if value is None:
        return options.today or datetime.now(SHANGHAI).date()
    try:
        return date.fromisoformat(str(value))
    except ValueError:
        raise BadInput(f"today must be an ISO date, not {value!r}") from None


def day(text: str) -> date:
    """argparse type of a date."""
    return date.fromisoformat(text)
