"""Rebuild a past turn as of its time: question, passages and versions, findings, what was withheld, what was sent."""

from __future__ import annotations

import json
from argparse import ArgumentParser, Namespace
from typing import Any

from assistant.replay import replay


def add(parser: ArgumentParser) -> None:
    parser.add_argument("turn", metavar="TURN_ID")


def run(options: Namespace, installation: Any) -> int:
    result = replay(options.turn, installation.log, installation.materials, installation.versions)
    if result is None:
        print(f"没有这一条记录：{options.turn}")
        return 1
    print(json.dumps(result, ensure_ascii=False, indent=2))
    return 0 if result["whole"] else 1
