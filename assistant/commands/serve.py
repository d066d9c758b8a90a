"""Serve the API and the pages."""

from __future__ import annotations

import secrets
import sys
from argparse import ArgumentParser, Namespace
from datetime import datetime
from pathlib import Path
from typing import Any

from assistant.commands.batch import UsageError
from assistant.log import SHANGHAI


def add(parser: ArgumentParser) -> None:
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--workers", type=int, default=1, help="the embedded stores serve one process")


def run(options: Namespace, installation: Any) -> int:
    import uvicorn

    from assistant.channels import http
    from assistant.channels.settings import HttpSettings

    if options.workers != 1:
        raise UsageError("the embedded stores serve one process: use --workers 1, or server stores behind several")
    assistant = installation.assistant
    installation.library.view(datetime.now(SHANGHAI).date(), live=True)
    app = http.build(assistant, HttpSettings(secret=_secret(installation.folder / "keys" / "http.key")))
    print(f"合适 Heshi: http://{options.host}:{options.port}", file=sys.stderr)
    uvicorn.run(app, host=options.host, port=options.port, log_level="warning", access_log=False)
    return 0


def _secret(path: Path) -> bytes:
    """The secret conversation ids are derived from, made at first start and kept over restarts."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)
        path.write_bytes(secrets.token_bytes(32))
    return path.read_bytes()
