"""Accounts of staff: account add | password | role | disable | enable LOGIN, account list."""

from __future__ import annotations

import getpass
import json
import sys
from argparse import ArgumentParser, Namespace
from typing import Any

from assistant.people.values import ACCOUNT_ROLES, BadAccount


def add(parser: ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    for name, text in (
        ("add", "make an account; its generated password is shown once"),
        ("password", "set a new generated password; it is shown once"),
        ("role", "give these roles instead of the present ones"),
        ("disable", "close an account"),
        ("enable", "open a closed account"),
        ("list", "every account"),
    ):
        action = actions.add_parser(name, help=text, description=text)
        action.add_argument("--json", action="store_true", help="the result as JSON")
        if name == "list":
            continue
        action.add_argument("login", metavar="LOGIN")
        if name in ("add", "role"):
            action.add_argument("--role", action="append", required=True, metavar="ROLE", choices=ACCOUNT_ROLES,
                                help=f"one of {', '.join(ACCOUNT_ROLES)}; may be repeated")  # fmt: skip
            action.add_argument("--registration", metavar="S0…", help="执业编号, required for an adviser")
        if name == "add":
            action.add_argument("--name", required=True, help="the person's name")
            action.add_argument("--subject", help="the person's lasting id at the single sign-on provider")
        if name in ("add", "password"):
            action.add_argument("--stdin", action="store_true", help="read the password from standard input")


def run(options: Namespace, installation: Any) -> int:
    try:
        result = _do(options, installation.people)
    except BadAccount as error:
        print(f"未完成：{error}", file=sys.stderr)
        return 1
    if options.json:
        print(json.dumps(result, ensure_ascii=False))
    elif isinstance(result, list):
        for one in result:
            marks = "".join(f"［{text}］" for name, text in (("disabled", "已停用"), ("locked", "已锁定")) if one[name])
            print(f"{one['login']}\t{one['name']}\t{'、'.join(one['roles'])}\t{one['registration'] or ''}{marks}")
    else:
        shown = f"，初始密码 {result['password']}（只显示这一次）" if result.get("password") else ""
        print(f"{result['login']}：已完成{shown}")
    return 0


def _do(options: Namespace, people: Any) -> Any:
    by = f"cli:{getpass.getuser()}"
    if options.action == "list":
        return people.all()
    given = sys.stdin.readline().rstrip("\n") if getattr(options, "stdin", False) else None
    login, password = options.login.strip().lower(), None
    match options.action:
        case "add":
            password = people.add(
                login, options.name, options.role, by=by, password=given, registration=options.registration,
                subject=options.subject,
            )  # fmt: skip
        case "password":
            password = people.set_password(login, by=by, password=given)
        case "role":
            people.set_roles(login, options.role, by=by, registration=options.registration)
        case _:
            people.disable(login, by=by, disabled=options.action == "disable")
    return {"login": login} | ({"password": password} if password is not None and given is None else {})
