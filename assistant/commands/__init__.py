"""The command line: `python app.py [--data DIR] COMMAND`. Each command is one module with `add` and `run`."""

from __future__ import annotations

import argparse
import io
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from assistant.commands.batch import UsageError
from assistant.settings import Settings

COMMANDS = (
    "serve", "ingest", "starter", "reindex", "ask", "route", "screen", "suit", "verify-log", "replay", "eval", "bench",
    "backup", "restore", "firm", "switch", "policy", "wecom", "account",
    "keys",
)  # fmt: skip


def main(arguments: Sequence[str], installation: type[Any]) -> int:
    """Parse, build the installation of the data folder, run; the exit status."""
    parser = argparse.ArgumentParser(prog="app.py", description="合适 Heshi：以经审核资料作答的服务助手")
    parser.add_argument("--data", type=Path, default=None, help="folder of the installation's records (HESHI_DATA)")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name in COMMANDS:
        module = import_module(f"assistant.commands.{name.replace('-', '_')}")
        module.add(commands.add_parser(name, help=str(module.__doc__).splitlines()[0], description=module.__doc__))
    options = parser.parse_args(arguments)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8")
    settings = Settings() if options.data is None else Settings(data=options.data)
    module = import_module(f"assistant.commands.{options.command.replace('-', '_')}")
    try:
        return int(module.run(options, installation(settings)))
    except UsageError as error:
        print(f"app.py {options.command}: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("已中断；已完成的部分已保存，再次运行会接着做。", file=sys.stderr)
        return 130
