"""Show the keys of the log, or rotate them: `keys rotate` signs with a new key, `keys rotate-personal` seals anew."""

from __future__ import annotations

import getpass
import json
from argparse import ArgumentParser, Namespace
from typing import Any

from assistant.ledger import personal


def add(parser: ArgumentParser) -> None:
    parser.add_argument("action", nargs="?", choices=("list", "rotate", "rotate-personal"), default="list")
    parser.add_argument("--json", action="store_true", help="the result as JSON")


def run(options: Namespace, installation: Any) -> int:
    log = installation.log
    if options.action == "rotate":
        log.rotate_key(getpass.getuser())
    sealed = _rotate_personal(installation) if options.action == "rotate-personal" else None
    result = {"signing": log.signing_key, "public": log.public_keys(), "personal": log.vault.current}
    if options.json:
        print(json.dumps(result, ensure_ascii=False))
        return 0
    print(f"签名密钥 {result['signing']}，历来公钥 {len(result['public'])} 把；原文密钥 {result['personal']}")
    if sealed is not None:
        print(f"已用新密钥重新加密 {sealed} 段原文，旧密钥已销毁；旧备份中的原文只能用该备份内的密钥打开")
    return 0


def _rotate_personal(installation: Any) -> int:
    """New texts get a new key, old texts are sealed again, then the old key is destroyed. Any step may be repeated."""
    log, database = installation.log, installation.database
    old = log.vault.current
    new = log.vault.rotate()
    counts: list[int] = []
    log.append(
        "log",
        "personal_key_rotated",
        {"by": getpass.getuser(), "from": old, "to": new},
        act=lambda connection: counts.append(personal.reseal(connection, log.vault)),
    )
    with database.reading() as connection:
        if not personal.sealed_with(connection, old):
            log.vault.retire(old)
    return counts[-1]
