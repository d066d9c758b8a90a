"""WeCom: `check` tests credentials, callback addresses and permissions and says in plain words what is missing."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser, Namespace
from dataclasses import asdict
from pathlib import Path
from typing import Any

from assistant.commands.batch import UsageError

MARKS = {"ok": "✓", "off": "－", "missing": "✗", "failed": "✗"}


def add(parser: ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    checking = actions.add_parser("check", help="test what is set up and say what is missing")
    checking.add_argument("--json", action="store_true", help='{"ok", "checks": [{"what", "state", "advice"}]}')
    linking = actions.add_parser("link", help="say which customers of the records are behind WeCom ids")
    linking.add_argument("file", type=Path, metavar="FILE.csv", help="columns: external_userid, customer")


def run(options: Namespace, installation: Any) -> int:
    if options.action == "link":
        return _link(options.file, installation)
    import httpx

    from assistant.channels.wecom import check
    from assistant.channels.wecom.settings import BadSettings, load, readable_by_others, settings_file

    try:
        settings = load(installation.folder)
        file = settings_file(installation.folder)
    except BadSettings as error:
        raise UsageError(str(error)) from None
    with httpx.Client(timeout=settings.timeout_s) as client:
        found = list(check.check(settings, _api(settings, client, installation), client))
    if file is not None and readable_by_others(file):
        found.append(check.Finding(f"设置文件 {file}", "failed", "其他用户可以读到其中的密钥：chmod 600"))
    bad = [one for one in found if one.state in ("missing", "failed")]
    if options.json:
        print(json.dumps({"ok": not bad, "checks": [asdict(one) for one in found]}, ensure_ascii=False))
        return 1 if bad else 0
    for one in found:
        print(f"{MARKS[one.state]} {one.what}" + (f"：{one.advice}" if one.advice else ""))
    return 1 if bad else 0


def _api(settings: Any, client: Any, installation: Any) -> Any:
    """The API with the installation's own tokens."""
    import time

    from assistant.channels.wecom.api import Api
    from assistant.channels.wecom.leases import Leases
    from assistant.channels.wecom.tokens import Tokens
    from assistant.channels.wecom.vault import Vault

    vault = Vault(installation.folder / "keys" / "wecom.key")
    database = installation.database
    tokens = Tokens(database, vault, Leases(database, time.time), time.time, time.sleep)
    return Api(settings, client, tokens, time.sleep)


def _link(file: Path, installation: Any) -> int:
    from assistant.channels.wecom.customers import BadLinks, link
    from assistant.channels.wecom.events import LINKED

    try:
        count = link(file, installation.database)
    except BadLinks as error:
        print(f"未导入：{error}", file=sys.stderr)
        return 1
    installation.log.append("wecom", LINKED, {"count": count})
    print(f"已关联 {count} 位客户")
    return 0
