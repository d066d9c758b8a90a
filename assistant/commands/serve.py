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
    from assistant.channels.staff_page import ACCESS, OFFERED, StaffChannel
    from assistant.channels.wecom.settings import BadSettings
    from assistant.compliance.index import catch_up
    from assistant.people.access import FILE
    from assistant.people.tokens import BadKeys

    if options.workers != 1:
        raise UsageError("the embedded stores serve one process: use --workers 1, or server stores behind several")
    assistant = installation.assistant
    installation.library.view(datetime.now(SHANGHAI).date(), live=True)
    secret = _secret(installation.folder / "keys" / "http.key")
    try:
        identify = installation.identify
    except BadKeys as error:
        raise UsageError(str(error)) from None
    settings = HttpSettings(secret=secret, release=installation.settings.release_mode, identify=identify)
    try:
        mounted = installation.mounted
    except BadSettings as error:
        raise UsageError(str(error)) from None
    if (first := installation.people.first_admin()) is not None:
        print(f"已建立管理员账号 {first[0]}，初始密码 {first[1]}（只显示这一次，登录地址 /login）", file=sys.stderr)
    catch_up(installation.database)
    staff = StaffChannel(installation.desk, assistant, settings)
    access = (FILE, ACCESS)
    app = http.build(assistant, settings, (*mounted, staff), installation.people, (OFFERED,), access)
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
