"""Deny by default: the table of access, and the layer that holds every request against it before any route sees it."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote, urlsplit

import yaml
from starlette.datastructures import Headers
from starlette.requests import cookie_parser
from starlette.responses import RedirectResponse
from starlette.routing import BaseRoute, Match, compile_path
from starlette.types import ASGIApp, Receive, Scope, Send

from assistant.channels import problems
from assistant.channels.problems import ProblemError
from assistant.people.values import ROLES, Person, Role

FILE = Path(__file__).with_name("access.yaml")
COOKIE = "heshi_session"
COOKIE_HTTPS = "__Host-heshi_session"
CSRF_HEADER = "x-csrf-token"
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


@dataclass(frozen=True, slots=True)
class Rule:
    """One entry of the table."""

    path: str
    methods: frozenset[str]
    roles: frozenset[Role] | Literal["public", "any"]
    pattern: re.Pattern[str]

    def fits(self, method: str, path: str) -> bool:
        return method in self.methods and self.pattern.fullmatch(path) is not None

    def lets(self, person: Person | None) -> bool:
        """Whether somebody may pass."""
        if self.roles == "public":
            return True
        if person is None:
            return False
        return self.roles == "any" or bool(person.roles & self.roles)


class Access:
    """The table. Other desks add entries for their own routes when they are mounted."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        self.rules = tuple(rules)

    def rule(self, method: str, path: str) -> Rule | None:
        """The entry that decides, if there is one."""
        return next((rule for rule in self.rules if rule.fits(method, path)), None)


def load(files: Iterable[Path] = (FILE,)) -> Access:
    """The entries of access files, in their order. Raises ValueError for a role or form that does not exist."""
    rules = []
    for file in files:
        for one in yaml.safe_load(file.read_text("utf-8"))["routes"]:
            roles = one["roles"]
            if roles not in ("public", "any"):
                unknown = set(roles) - set(ROLES)
                if unknown or isinstance(roles, str) or not roles:
                    raise ValueError(f"{file.name}: roles of {one['path']} must be public, any, or a list of {ROLES}")
                roles = frozenset(roles)
            pattern, _, _ = compile_path(one["path"])
            rules.append(Rule(one["path"], frozenset(one["methods"]), roles, pattern))
    return Access(rules)


class Guard:
    """ASGI middleware. `person` tells whose session a token is; `routes` are the application's own."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        access: Access,
        person: Callable[[str | None], Person | None],
        routes: Callable[[], Sequence[BaseRoute]],
    ) -> None:
        self._app = app
        self._access = access
        self._person = person
        self._routes = routes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 4403})
            return
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        rule = self._access.rule(scope["method"], scope["path"])
        try:
            await self._admit(rule, scope)
        except ProblemError as refused:
            await _refuse(refused, scope, receive, send)
            return
        await self._app(scope, receive, send)

    async def _admit(self, rule: Rule | None, scope: Scope) -> None:
        if rule is None:
            if any(route.matches(scope)[0] is Match.FULL for route in self._routes()):
                raise ProblemError("not_allowed")  # served, and nobody said to whom
            return  # not served: the application says so
        if rule.roles == "public":
            return
        person = await asyncio.to_thread(self._person, session_token(scope))
        if person is None:
            raise ProblemError("login_required")
        if not rule.lets(person):
            raise ProblemError("not_allowed")
        if scope["method"] not in SAFE and not same_origin(scope):
            raise ProblemError("forged")
        scope.setdefault("state", {})["person"] = person


def session_token(scope: Scope) -> str | None:
    """The token of the session cookie; over https only the cookie that https set counts."""
    cookies = cookie_parser(Headers(scope=scope).get("cookie", ""))
    return cookies.get(COOKIE_HTTPS if scope.get("scheme") == "https" else COOKIE)


def same_origin(scope: Scope) -> bool:
    """Whether the browser says that our own page asks, or a client carries the header no other site can set."""
    headers = Headers(scope=scope)
    site = headers.get("sec-fetch-site")
    if site is not None:
        return site in ("same-origin", "none")
    origin = headers.get("origin")
    if origin is not None:
        return urlsplit(origin).netloc == headers.get("host")
    return CSRF_HEADER in headers


async def _refuse(refused: ProblemError, scope: Scope, receive: Receive, send: Send) -> None:
    """A person in a browser is sent to the login; everything else gets the problem."""
    wants_page = scope["method"] == "GET" and "text/html" in Headers(scope=scope).get("accept", "")
    if refused.code == "login_required" and wants_page:
        query = scope.get("query_string", b"").decode("latin-1")
        back = scope["path"] + (f"?{query}" if query else "")
        response: Any = RedirectResponse(f"/login?next={quote(back, safe='')}", 303, {"Cache-Control": "no-store"})
    else:
        response = problems.respond(refused)
    await response(scope, receive, send)
