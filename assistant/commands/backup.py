"""Write one file with records, log, heads and keys, while the assistant runs."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import Any

from assistant.archive import BadArchive, write


def add(parser: ArgumentParser) -> None:
    parser.add_argument("file", type=Path, metavar="FILE")


def run(options: Namespace, installation: Any) -> int:
    try:
        turns = write(options.file, installation.database, installation.heads, installation.folder / "keys")
    except (BadArchive, OSError) as error:
        print(f"未备份：{error}", file=sys.stderr)
        return 1
    print(f"已备份 {turns} 条记录到 {options.file}")
    return 0
