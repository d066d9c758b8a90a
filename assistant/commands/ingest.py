"""Read files and folders of materials into the records and index what is approved."""

from __future__ import annotations

import getpass
import json
import sys
import time
from argparse import ArgumentParser, Namespace
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

from assistant.commands.progress import Bar
from assistant.log import SHANGHAI
from knowledge.ingestion import Report, ingest


def add(parser: ArgumentParser) -> None:
    parser.add_argument("paths", nargs="+", type=Path, metavar="PATH")
    parser.add_argument("--json", action="store_true", help="the report as JSON on stdout")


def run(options: Namespace, installation: Any) -> int:
    report = load(options.paths, installation)
    print(json.dumps(asdict(report), ensure_ascii=False) if options.json else words(report))
    return 1 if report.failed else 0


def load(paths: list[Path], installation: Any) -> Report:
    """Read, record, embed and index; the import is an attested act of whoever runs it, logged."""
    begun = time.perf_counter()
    who = _who()
    with Bar("读取资料") as bar:
        report = ingest(paths, installation.materials, by=who, progress=bar)
    with Bar("建立索引") as bar:
        installation.library.embed_missing(bar)
    installation.library.view(datetime.now(SHANGHAI).date(), live=True)
    report.seconds = round(time.perf_counter() - begun, 2)
    summary = {"documents": report.documents, "unchanged": report.unchanged, "failed": report.failed}
    installation.log.append("materials", "ingest", {"by": who, "paths": [str(path) for path in paths], **summary})
    return report


def words(report: Report) -> str:
    """The report for a person."""
    lines = [
        f"文档 {report.documents}，段落 {report.passages}，未变 {report.unchanged}，"
        f"失败 {len(report.failed)}，用时 {report.seconds} 秒"
    ]
    lines += [f"失败：{item['file']}：{item['reason']}" for item in report.failed]
    lines += [f"未生效（批准信息不全）：{item['file']}：{item['reason']}" for item in report.not_approved]
    lines += [f"已剔除：{item['file']}：{item['what']} {item['where']}" for item in report.removed]
    lines += [f"文件已不在（未撤下）：{file}" for file in report.vanished]
    return "\n".join(lines)


def _who() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        print("无法确定当前系统用户，导入记录为 unknown", file=sys.stderr)
        return "unknown"
