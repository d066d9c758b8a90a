"""Run quality suites against the committed baseline; exit status 1 on a regression."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import Any

from assistant.commands.batch import UsageError


def add(parser: ArgumentParser) -> None:
    parser.add_argument("suites", nargs="*", metavar="SUITE", help="names or beginnings of names; all when none given")
    parser.add_argument("--report", type=Path, metavar="FILE.html", help="one page with every failure")
    parser.add_argument("--failures", type=Path, metavar="FILE.jsonl", help="every failure as JSONL")
    parser.add_argument("--accept", action="store_true", help="write what was measured as the new baseline")
    parser.add_argument("--work", type=Path, default=None, help="folder for the measured installations")


def run(options: Namespace, installation: Any) -> int:
    from evals import report, runner
    from evals.suites import suites

    known = suites()
    chosen = [name for name in known if not options.suites or any(name.startswith(one) for one in options.suites)]
    if not chosen:
        raise UsageError(f"no such suite; there are {', '.join(known)}")
    work = options.work or installation.folder / "evals"
    results = []
    for name in chosen:
        print(f"… {name}", file=sys.stderr, flush=True)
        results.append(known[name](work))
    print(runner.table(results))
    for result in results:
        if result.notes:
            print(f"{result.suite}: {json.dumps(result.notes)}")
    before = runner.read_baseline()
    lost = runner.worse(results, before)
    if options.failures:
        options.failures.write_text(runner.failures_json(results) + "\n", encoding="utf-8")
    if options.report:
        options.report.write_text(report.page(results, before), encoding="utf-8")
    if options.accept:
        text = json.dumps(runner.as_baseline(results, before), ensure_ascii=False, indent=1)
        runner.BASELINE.write_text(text + "\n", encoding="utf-8")
        return 0
    for line in lost:
        print(f"worse: {line}")
    return 1 if lost else 0
