"""Put a backup into an empty data folder."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import Any

from assistant.archive import BadArchive, read


def add(parser: ArgumentParser) -> None:
    parser.add_argument("file", type=Path, metavar="FILE")


def run(options: Namespace, installation: Any) -> int:
    try:
        read(options.file, installation.folder, installation.heads)
    except BadArchive as error:
        print(f"未恢复：{error}", file=sys.stderr)
        return 1
    turns, broken = installation.log.verify()
    print(f"已恢复 {turns} 条记录；日志{'完整' if not broken else '已破坏，请运行 verify-log'}")
    return 1 if broken else 0
