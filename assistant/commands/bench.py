"""Speed and memory of each stage, on a copy of the materials grown to a given number of passages."""

from __future__ import annotations

import json
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import Any


def add(parser: ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="{stage: {p50_ms, p95_ms, …}}")
    parser.add_argument("--passages", type=int, default=5000, help="how many passages the measured index holds")
    parser.add_argument("--turns", type=int, default=400, help="how many questions are asked")
    parser.add_argument("--work", type=Path, default=None, help="folder for the measured installation")


def run(options: Namespace, installation: Any) -> int:
    from evals import bench

    figures = bench.measure(options.work or installation.folder / "bench", options.passages, options.turns)
    if options.json:
        print(json.dumps(figures, ensure_ascii=False))
        return 0
    for stage, values in figures.items():
        print(f"{stage:<14}" + "  ".join(f"{name} {value}" for name, value in values.items()))
    return 0
