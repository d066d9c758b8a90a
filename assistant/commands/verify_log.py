"""Prove the log whole: every row, link and signed head; exit status 1 when something is broken."""

from __future__ import annotations

import json
from argparse import ArgumentParser, Namespace
from dataclasses import asdict
from typing import Any


def add(parser: ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="the result as JSON")


def run(options: Namespace, installation: Any) -> int:
    turns, broken = installation.log.verify()
    result = {"ok": not broken, "turns": turns, "broken": [asdict(one) for one in broken]}
    if options.json:
        print(json.dumps(result, ensure_ascii=False))
    else:
        print(f"{'完整' if result['ok'] else '已破坏'}：{turns} 条")
        for one in broken:
            print(f"  {one.where}：{one.what}")
    return 0 if result["ok"] else 1
