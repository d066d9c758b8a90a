"""Prove the log whole: every row, link and signed head; exit status 1 when something is broken."""

from __future__ import annotations

import json
from argparse import ArgumentParser, Namespace
from dataclasses import asdict
from typing import Any


def add(parser: ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="the result as JSON")
    parser.add_argument("--full", action="store_true", help="do without the signed checkpoint of an earlier check")


def run(options: Namespace, installation: Any) -> int:
    proof = installation.log.prove(full=options.full)
    result = {"ok": not proof.broken, "turns": proof.turns, "broken": [asdict(one) for one in proof.broken]}
    if proof.notes:  # an interrupted append: nothing was released, nothing is broken
        result["notes"] = [asdict(one) for one in proof.notes]
    if options.json:
        print(json.dumps(result, ensure_ascii=False))
    else:
        print(f"{'完整' if result['ok'] else '已破坏'}：{proof.turns} 条")
        for one in proof.broken:
            print(f"  {one.where}：{one.what}")
        for one in proof.notes:
            print(f"  说明（未破坏）{one.where}：{one.what}")
    return 0 if result["ok"] else 1
