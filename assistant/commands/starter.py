"""Load the starter materials and the facts of the fictional firm 合适证券, once; `make run` does so at first start."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import Any

from assistant.commands.firm import load_facts
from assistant.commands.ingest import load, words

MATERIALS = Path(__file__).parents[2] / "knowledge" / "materials"


def add(parser: ArgumentParser) -> None:
    parser.add_argument("--again", action="store_true", help="load them again, changed files become new revisions")


def run(options: Namespace, installation: Any) -> int:
    if installation.materials.fact("starter") and not options.again:
        return 0
    load_facts(MATERIALS / "firm.yaml", installation)
    report = load([MATERIALS], installation)
    print(words(report))
    if not report.failed:
        installation.materials.set_facts({"starter": True})
    return 1 if report.failed else 0
