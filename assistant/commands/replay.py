"""Rebuild a past turn as of its time: question, passages and versions, findings, what was withheld, what was sent."""

from __future__ import annotations

import json
from argparse import ArgumentParser, Namespace
from datetime import datetime
from typing import Any

from assistant.log import SHANGHAI
from assistant.replay import again, replay


def add(parser: ArgumentParser) -> None:
    parser.add_argument("turn", metavar="TURN_ID")
    parser.add_argument("--again", action="store_true", help="also what the same question would get today")


def run(options: Namespace, installation: Any) -> int:
    result = replay(options.turn, installation.log, installation.materials, installation.versions)
    if result is None:
        print(f"没有这一条记录：{options.turn}")
        return 1
    if options.again:
        parts, materials = installation.assistant.parts, installation.materials
        result["again"] = again(options.turn, installation.log, parts, materials, datetime.now(SHANGHAI).date())
    print(json.dumps(result, ensure_ascii=False, indent=2))
    return 0 if result["whole"] else 1
