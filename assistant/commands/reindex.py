"""Rebuild every derived index from the records; interrupted, it goes on where it stopped."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from datetime import datetime
from typing import Any

from assistant.commands.progress import Bar
from assistant.log import SHANGHAI


def add(parser: ArgumentParser) -> None:
    del parser


def run(options: Namespace, installation: Any) -> int:
    del options
    with Bar("建立索引") as bar:
        count = installation.library.reindex(bar)
    installation.library.view(datetime.now(SHANGHAI).date(), live=True)
    print(f"已重建索引：{count} 个段落")
    return 0
