"""Nobody reaches what their role may not: every route the application serves, for every role and for nobody."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from argon2 import PasswordHasher
from fastapi import APIRouter, Depends, FastAPI
from starlette.routing import Mount, Route
from starlette.testclient import TestClient

from assistant.channels.http import build
from assistant.channels.settings import HttpSettings
from assistant.channels.staff_page import ACCESS, OFFERED, StaffChannel
from assistant.people.access import COOKIE, COOKIE_HTTPS, FILE, load
from assistant.people.accounts import CONVERSATION, People
from assistant.people.pages import require
from assistant.people.settings import PeopleSettings
from assistant.people.values import ACCOUNT_ROLES, Person
from tests.branch import Branch
from tests.e2e.fake_assistant import FakeAssistant

EVERYBODY = frozenset({"nobody", *ACCOUNT_ROLES})
KNOWN = frozenset(ACCOUNT_ROLES)
SERVICE = frozenset({"staff", "adviser"})
TABLES = (FILE, ACCESS)

# Every route with who may reach it. A route that is served and not written down here fails the first test.
ROUTES: dict[tuple[str, str], frozenset[str]] = {
    ("GET", "/"): EVERYBODY,
    ("GET", "/static/{path:path}"): EVERYBODY,
    ("GET", "/openapi.json"): EVERYBODY,
    ("GET", "/healthz"): EVERYBODY,
    ("GET", "/readyz"): EVERYBODY,
    ("GET", "/metrics"): EVERYBODY,
    ("POST", "/v1/chat"): EVERYBODY,
    ("POST", "/v1/chat/completions"): EVERYBODY,
    ("GET", "/v1/models"): EVERYBODY,
    ("GET", "/v1/models/{model}"): EVERYBODY,
    ("GET", "/v1/conversations/{conversation}"): EVERYBODY,
    ("DELETE", "/v1/conversations/{conversation}"): EVERYBODY,
    ("POST", "/v1/feedback"): EVERYBODY,
    ("GET", "/v1/sources/{passage:path}"): EVERYBODY,
    ("POST", "/v1/screen"): EVERYBODY,
    ("GET", "/login"): EVERYBODY,
    ("POST", "/login"): EVERYBODY,
    ("GET", "/login/login.css"): EVERYBODY,
    ("POST", "/logout"): KNOWN,
    ("GET", "/v1/me"): KNOWN,
    ("POST", "/v1/me/password"): KNOWN,
    ("GET", "/desk"): KNOWN,
    # the staff desk
    ("GET", "/staff"): SERVICE,
    ("GET", "/staff/static/{version}/{name}"): SERVICE,
    ("GET", "/v1/staff/me"): SERVICE,
    ("POST", "/v1/staff/me"): SERVICE,
    ("GET", "/v1/staff/inbox"): SERVICE,
    ("GET", "/v1/staff/events"): SERVICE,
    ("GET", "/v1/staff/figures"): SERVICE,
    ("GET", "/v1/staff/sources"): SERVICE,
    ("GET", "/v1/staff/scripts"): SERVICE,
    ("GET", "/v1/staff/scripts/{script}"): SERVICE,
    ("GET", "/v1/staff/customers/{customer}"): SERVICE,
    ("GET", "/v1/staff/complaints"): SERVICE,
    ("POST", "/v1/staff/complaints"): SERVICE,
    ("GET", "/v1/staff/complaints/{number}"): SERVICE,
    ("POST", "/v1/staff/complaints/{number}"): SERVICE,
    ("POST", "/v1/staff/outreach"): SERVICE,
    ("DELETE", "/v1/staff/drafts/{draft}"): SERVICE,
    ("GET", "/v1/staff/conversations/{conversation}"): SERVICE,
    ("GET", "/v1/staff/conversations/{conversation}/card"): SERVICE,
    ("POST", "/v1/staff/conversations/{conversation}/claim"): SERVICE,
    ("POST", "/v1/staff/conversations/{conversation}/draft"): SERVICE,
    ("POST", "/v1/staff/conversations/{conversation}/end"): SERVICE,
    ("POST", "/v1/staff/conversations/{conversation}/notes"): SERVICE,
    ("POST", "/v1/staff/conversations/{conversation}/screen"): SERVICE,
    ("POST", "/v1/staff/conversations/{conversation}/script"): SERVICE,
    ("POST", "/v1/staff/conversations/{conversation}/send"): SERVICE,
    ("POST", "/v1/staff/conversations/{conversation}/transfer"): SERVICE,
    # a customer's own conversation with a person, by its unguessable id
    ("GET", "/v1/conversations/{conversation}/desk"): EVERYBODY,
    ("GET", "/v1/conversations/{conversation}/live"): EVERYBODY,
    ("POST", "/v1/conversations/{conversation}/messages"): EVERYBODY,
    ("POST", "/v1/conversations/{conversation}/rating"): EVERYBODY,
}
STREAMS = {("GET", "/v1/staff/events"), ("GET", "/v1/conversations/{conversation}/live")}

PASSWORD = "correct horse battery"


class Site:
    """The application with one account for each role, and sessions of them."""

    def __init__(self, folder: Path, parts: Mapping[str, Any]) -> None:
        installation = Branch(folder, parts).installation
        self.log = installation.log
        fast = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)
        settings = PeopleSettings(logins_burst=10_000)
        self.people = People(installation.database, self.log, settings, hasher=fast)
        for role in ACCOUNT_ROLES:
            registration = "S0010620010001" if role == "adviser" else None
            self.people.add(role, role, [role], by="test", password=PASSWORD, registration=registration)
        limits = HttpSettings(
            address_per_minute=1e9, address_burst=10**9, conversation_per_minute=1e9, conversation_burst=10**9
        )
        staff = StaffChannel(installation.desk, FakeAssistant(), limits)
        self.app = build(FakeAssistant(), limits, (staff,), self.people, (OFFERED,), TABLES)
        self.tokens = {role: self.people.enter(role, PASSWORD, role)[0] for role in ACCOUNT_ROLES}

    def client(self, role: str = "nobody", *, base: str = "http://desk.test") -> TestClient:
        client = TestClient(self.app, base_url=base, follow_redirects=False, raise_server_exceptions=False)
        if role in self.tokens:
            client.cookies.set(COOKIE_HTTPS if base.startswith("https") else COOKIE, self.tokens[role])
        return client


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, shared_parts: dict[str, Any]) -> Site:
    return Site(tmp_path_factory.mktemp("site"), shared_parts)


@pytest.fixture
def own_site(tmp_path: Path, shared_parts: dict[str, Any]) -> Site:
    return Site(tmp_path, shared_parts)


def served(app: FastAPI) -> set[tuple[str, str]]:
    """Every method and address template the application serves."""
    found: set[tuple[str, str]] = set()
    for route in walk(app.router.routes):
        if isinstance(route, Mount):
            found.add(("GET", f"{route.path}/{{path:path}}"))
        elif isinstance(route, Route):
            found |= {(method, route.path) for method in route.methods or () if method != "HEAD"}
        else:
            raise AssertionError(f"a kind of route nobody thought of: {route!r}")
    return found


def walk(routes: Any) -> Iterator[Any]:
    """The routes themselves, those of included routers too."""
    for route in routes:
        inner = getattr(route, "original_router", None)
        if isinstance(route, Route | Mount) or inner is None:
            yield route
        else:
            yield from walk(inner.routes)


def address(template: str) -> str:
    return (
        template.replace("{path:path}", "tokens.css").replace("{passage:path}", "p").replace("{", "").replace("}", "")
    )


def test_every_route_is_written_down(site: Site) -> None:
    """A new route fails this test until somebody says here and in the table of access who may reach it."""
    assert served(site.app) == set(ROUTES)
    access = load(TABLES)
    for method, template in served(site.app):
        assert access.rule(method, address(template)) is not None, (method, template)


def test_the_table_names_nothing_that_is_not_served(site: Site) -> None:
    """An entry without a route is a door left open for the future; WeCom's routes exist only where WeCom is set up."""
    for rule in load(TABLES).rules:
        fitting = [(m, t) for m, t in served(site.app) if rule.fits(m, address(t))]
        assert fitting or rule.path.startswith("/wecom/"), rule.path


@pytest.mark.parametrize("role", sorted(EVERYBODY))
@pytest.mark.parametrize(("method", "template"), sorted(ROUTES))
def test_who_reaches_what(site: Site, method: str, template: str, role: str) -> None:
    """Who is not named gets 401 without a login and 403 with one; who is named gets neither for being who they are."""
    if (method, template) in STREAMS and role in ROUTES[method, template]:
        rule = load(TABLES).rule(method, address(template))
        person = None if role == "nobody" else site.people.person(site.tokens[role])
        assert rule is not None
        assert rule.lets(person)
        return
    headers = {"sec-fetch-site": "same-origin"}
    answer = site.client(role).request(method, address(template), headers=headers, json={})
    code = answer.json().get("code") if "problem+json" in answer.headers.get("content-type", "") else None
    if role in ROUTES[method, template]:
        assert code not in ("login_required", "not_allowed"), answer.text
    elif role == "nobody":
        assert (answer.status_code, code) == (401, "login_required")
    else:
        assert (answer.status_code, code) == (403, "not_allowed")


def test_a_route_nobody_wrote_down_is_closed(own_site: Site) -> None:
    """Deny by default: what is served without an entry is refused, whoever asks; what is not served is not found."""
    site, router = own_site, APIRouter()

    @router.get("/new")
    async def new() -> str:
        return "secret"

    site.app.include_router(router)
    for role in sorted(EVERYBODY):
        answer = site.client(role).get("/new")
        assert (answer.status_code, "secret" in answer.text) == (403, False)
    assert site.client().get("/nowhere").status_code == 404
    assert site.client().put("/v1/chat").status_code == 405


def test_a_dependency_guards_a_route_on_its_own(own_site: Site, tmp_path: Path) -> None:
    """`require` refuses by role too, where the table of access lets somebody pass."""
    table = tmp_path / "access.yaml"
    table.write_text(json.dumps({"routes": [{"path": "/x", "methods": ["GET"], "roles": "any"}]}))
    site = own_site
    app = build(FakeAssistant(), HttpSettings(), people=site.people, access=[table])
    router = APIRouter()

    @router.get("/x")
    async def only(person: Person = Depends(require("compliance"))) -> str:
        return person.login

    app.include_router(router)
    site.app = app
    assert site.client("compliance").get("/x").json() == "compliance"
    assert site.client("admin").get("/x").status_code == 403


# --- sessions over HTTP --------------------------------------------------------------------------------------------


def form(client: TestClient, **more: str) -> dict[str, str]:
    """The fields of a fresh login form."""
    text = client.get("/login").text
    token = text.split('name="form" value="')[1].split('"')[0]
    return {"form": token, "login": "staff", "password": PASSWORD, "next": "", "lang": "zh", **more}


def test_login_and_logout_in_a_browser(site: Site) -> None:
    """A person logs in by the form, is known, logs out with the session's token, and is known no more."""
    client = site.client()
    entered = client.post("/login", data=form(client))
    assert (entered.status_code, entered.headers["location"]) == (303, "/desk")
    cookie = next(value for value in entered.headers.get_list("set-cookie") if COOKIE in value).lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert "secure" not in cookie
    me = client.get("/v1/me").json()
    assert (me["login"], me["roles"]) == ("staff", ["staff"])
    same = {"sec-fetch-site": "same-origin"}
    assert client.post("/logout", data={"csrf": "no"}, headers=same).status_code == 403
    assert client.post("/logout", data={"csrf": me["csrf"]}, headers=same).status_code == 303
    assert client.get("/v1/me").status_code == 401
    events = [entry.event for entry in site.log.conversation(CONVERSATION)[-2:]]
    assert events == ["login", "logout"]


def test_over_https_the_cookie_is_secure(site: Site) -> None:
    """With https the cookie is host-bound and secure, and one set without https does not count."""
    client = site.client(base="https://desk.test")
    entered = client.post("/login", data=form(client))
    cookie = next(value for value in entered.headers.get_list("set-cookie") if COOKIE_HTTPS in value).lower()
    assert "secure" in cookie
    assert client.get("/v1/me").status_code == 200
    plain = site.client(base="https://desk.test")
    plain.cookies.set(COOKIE, site.tokens["admin"])
    assert plain.get("/v1/me").status_code == 401


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"sec-fetch-site": "same-origin"}, 204), ({"sec-fetch-site": "cross-site"}, 403),
        ({"sec-fetch-site": "same-site"}, 403), ({"origin": "http://desk.test"}, 204),
        ({"origin": "http://evil.test"}, 403), ({"origin": "null"}, 403), ({}, 403), ({"x-csrf-token": "t"}, 204),
    ],
)  # fmt: skip
def test_another_site_changes_nothing(own_site: Site, headers: dict[str, str], status: int) -> None:
    """A request that changes something must come from our own page, or carry a header no other site can set."""
    site = own_site
    body = {"old": PASSWORD, "new": "another fine secret"}
    assert site.client("staff").post("/v1/me/password", json=body, headers=headers).status_code == status


def test_login_form_of_another_browser_is_refused(site: Site) -> None:
    """A login form sent without its own cookie logs nobody in."""
    fields = form(site.client())
    assert site.client().post("/login", data=fields).status_code == 403


@pytest.mark.parametrize("where", ["//evil.test", "https://evil.test", "/\\evil.test", "javascript:x", "/desk\n"])
def test_login_never_sends_anybody_elsewhere(site: Site, where: str) -> None:
    """The address to go on to is one of ours or the desks."""
    client = site.client()
    assert client.post("/login", data=form(client, next=where)).headers["location"] == "/desk"


def test_login_goes_on_to_where_one_wanted(site: Site) -> None:
    """A page that wanted a login is shown after it."""
    client = site.client()
    sent = client.get("/desk?x=1", headers={"accept": "text/html"})
    assert (sent.status_code, sent.headers["location"]) == (303, "/login?next=%2Fdesk%3Fx%3D1")
    assert client.post("/login", data=form(client, next="/desk?x=1")).headers["location"] == "/desk?x=1"


def test_wrong_password_says_so_and_keeps_the_name(site: Site) -> None:
    """A wrong password gives the form again, in the language chosen, with what was typed escaped."""
    client = site.client()
    answer = client.post("/login", data=form(client, login='"><script>', password="wrong one"))
    assert answer.status_code == 401
    assert "账号或密码不正确" in answer.text
    assert "<script>" not in answer.text
    english = client.post("/login", data=form(client, password="wrong one", lang="en"))
    assert "Login or password is not right" in english.text


def test_pages_load_nothing_inline(site: Site) -> None:
    """Login and desks work under a policy without inline scripts and styles, and are never kept by caches."""
    for page in (site.client().get("/login"), site.client("admin").get("/desk")):
        assert page.status_code == 200
        assert "style=" not in page.text
        assert "<script" not in page.text
        assert "frame-ancestors" in page.headers["content-security-policy"]
        assert page.headers["cache-control"] == "no-store"
