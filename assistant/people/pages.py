"""Login and logout, what a session may know of itself, and the dependencies desks guard their routes with."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import FileResponse, HTMLResponse, RedirectResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from pydantic import BaseModel, Field

from assistant.channels.page import LANGUAGES
from assistant.channels.page import _version as static_version
from assistant.channels.problems import ProblemError
from assistant.channels.settings import peer_address
from assistant.people.access import COOKIE, COOKIE_HTTPS, SAFE, same_origin, session_token
from assistant.people.accounts import People, csrf_token
from assistant.people.values import ROLE_NAMES, BadAccount, Person, Refused, Role

HERE = Path(__file__).parent
TEMPLATES = HERE / "templates"
FORM_COOKIE = "heshi_form"
LONGEST_FORM = 8192


@dataclass(frozen=True, slots=True)
class Desk:
    """A desk somebody may be offered after login."""

    title: str
    address: str
    roles: frozenset[Role]


class NewPassword(BaseModel):
    """The present password and the one wanted."""

    old: str = Field(max_length=200)
    new: str = Field(max_length=200)


def require(*roles: Role) -> Callable[[Request], Person]:
    """A FastAPI dependency: the person, if the session has one of `roles` (any session when none is named); a request
    that changes something must also come from our own page. The table of access holds besides, not instead."""

    def person(request: Request) -> Person:
        found = getattr(request.state, "person", None)
        if not isinstance(found, Person):
            raise ProblemError("login_required")
        if roles and not found.may(*roles):
            raise ProblemError("not_allowed")
        if request.method not in SAFE and not same_origin(request.scope):
            raise ProblemError("forged")
        return found

    return person


async def form_of(request: Request) -> dict[str, str]:
    """The fields of a submitted form whose csrf token is that of the session. Raises ProblemError."""
    fields = await _fields(request)
    token = session_token(request.scope)
    if token is None or not hmac.compare_digest(fields.get("csrf", ""), csrf_token(token)):
        raise ProblemError("forged")
    return fields


def routes(people: People, desks: Sequence[Desk] = ()) -> APIRouter:
    """The routes of login, logout, and of who one is."""
    router = APIRouter(include_in_schema=False)
    pages = Environment(loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined)

    def login_page(request: Request, status: int, language: str, message: str, login: str, back: str) -> HTMLResponse:
        cookie = request.cookies.get(FORM_COOKIE) or secrets.token_urlsafe(24)
        context = _context(language) | {
            "message": message, "login": login, "next": back, "form": _form_token(cookie), "language": language,
        }  # fmt: skip
        response = HTMLResponse(pages.get_template("login.html").render(context), status)
        _set_cookie(response, request, FORM_COOKIE, cookie, "/login")
        return response

    @router.get("/login")
    async def show(request: Request, lang: str = "zh", next: str = "") -> Response:  # noqa: A002 - name of the query
        language = lang if lang in LANGUAGES else "zh"
        message = strings()[language]["left"] if "left" in request.query_params else ""
        return login_page(request, 200, language, message, "", _own(next))

    @router.post("/login")
    async def enter(request: Request) -> Response:
        fields = await _fields(request)
        language = fields.get("lang", "zh") if fields.get("lang") in LANGUAGES else "zh"
        words, back, login = strings()[language], _own(fields.get("next", "")), fields.get("login", "")
        cookie = request.cookies.get(FORM_COOKIE, "")
        if not cookie or not hmac.compare_digest(fields.get("form", ""), _form_token(cookie)):
            return login_page(request, 403, language, words["forged"], login, back)
        try:
            password = fields.get("password", "")
            token, _ = await asyncio.to_thread(people.enter, login, password, peer_address(request))
        except Refused as refused:
            slow = refused.reason == "slow"
            page = login_page(request, 429 if slow else 401, language, words["slow" if slow else "wrong"], login, back)
            if slow and refused.retry_after:
                page.headers["Retry-After"] = str(refused.retry_after)
            return page
        response = RedirectResponse(back or "/desk", 303)
        _set_cookie(response, request, _cookie_name(request), token, "/")
        return response

    @router.get("/login/login.css")
    async def style() -> Response:
        return FileResponse(TEMPLATES / "login.css", media_type="text/css", headers={"Cache-Control": "no-cache"})

    @router.post("/logout")
    async def leave(request: Request) -> Response:
        await form_of(request)
        await asyncio.to_thread(people.leave, session_token(request.scope))
        response = RedirectResponse("/login?left=1", 303)
        response.delete_cookie(_cookie_name(request), path="/")
        return response

    @router.get("/desk")
    async def home(request: Request, person: Person = Depends(require())) -> Response:
        mine = [desk for desk in desks if person.roles & desk.roles]
        if len(mine) == 1:
            return RedirectResponse(mine[0].address, 303)
        words = strings()["zh"]
        roles = "、".join(ROLE_NAMES[role] for role in ROLE_NAMES if role in person.roles)
        who = words["who"].format(name=person.name, roles=roles)
        context = _context("zh") | {"who": who, "desks": mine, "csrf": csrf_token(session_token(request.scope) or "")}
        return HTMLResponse(pages.get_template("home.html").render(context))

    @router.get("/v1/me")
    async def me(request: Request, person: Person = Depends(require())) -> dict[str, Any]:
        """Who is logged in, and the token a form must carry."""
        return {
            "login": person.login, "name": person.name, "roles": sorted(person.roles),
            "registration": person.registration, "csrf": csrf_token(session_token(request.scope) or ""),
        }  # fmt: skip

    @router.post("/v1/me/password")
    async def password(given: NewPassword, request: Request, person: Person = Depends(require())) -> Response:
        """Change one's own password. Every session of the account ends; log in anew."""
        address = peer_address(request)
        try:
            await asyncio.to_thread(people.change_password, person.login, given.old, given.new, address)
        except Refused as refused:
            raise ProblemError("not_allowed", retry_after=refused.retry_after) from None
        except BadAccount as error:
            raise ProblemError("invalid", where=str(error)) from None
        return Response(status_code=204)

    return router


@lru_cache(maxsize=1)
def strings() -> Mapping[str, Mapping[str, str]]:
    """The pages' words by language."""
    loaded: Mapping[str, Mapping[str, str]] = json.loads((HERE / "strings.json").read_text("utf-8"))
    return loaded


def _context(language: str) -> dict[str, Any]:
    return {"say": strings()[language], "html_lang": LANGUAGES[language], "base": f"static/{static_version()}"}


def _own(address: str) -> str:
    """The address if it is one of ours; a login never sends anybody elsewhere."""
    fine = address.startswith("/") and not address.startswith(("//", "/\\")) and "\\" not in address
    return address if fine and address.isprintable() and len(address) <= 500 else ""


async def _fields(request: Request) -> dict[str, str]:
    body = await request.body()
    if len(body) > LONGEST_FORM:
        raise ProblemError("body_too_large", max_body=LONGEST_FORM)
    try:
        found = parse_qs(body.decode(), keep_blank_values=True, max_num_fields=50)
    except ValueError:
        raise ProblemError("bad_request") from None
    return {name: values[0] for name, values in found.items()}


def _form_token(cookie: str) -> str:
    return hashlib.sha256(b"login form" + cookie.encode()).hexdigest()


def _cookie_name(request: Request) -> str:
    return COOKIE_HTTPS if request.url.scheme == "https" else COOKIE


def _set_cookie(response: Response, request: Request, name: str, value: str, path: str) -> None:
    secure = request.url.scheme == "https"
    response.set_cookie(name, value, path=path, secure=secure, httponly=True, samesite="strict")
