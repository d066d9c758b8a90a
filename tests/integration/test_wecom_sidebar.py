"""The page beside a chat: only for members; the customer at a glance, drafts, checks, sending logged first."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from assistant.turn import Customer
from tests.wecom_kit import LABEL, Kit
from tests.wecom_server import AGENT, CORP

HOME = "/wecom/sidebar"


@pytest.fixture
def kit(tmp_path: Path) -> Iterator[Kit]:
    made = Kit(tmp_path)
    made.gate.customers["wm1"] = Customer(
        "k1", risk_class="C3", birth_date=date(1950, 5, 1), valid_until=date(2026, 1, 1), horizon="short"
    )
    made.say("wm1", "开户要带什么")
    made.drain()
    yield made
    made.close()


def enter(kit: Kit, member: str = "zhang") -> Any:
    """Go to WeCom and come back with a code."""
    away = kit.http.get(HOME, follow_redirects=False)
    assert away.status_code == 302
    query = {name: values[0] for name, values in parse_qs(urlsplit(away.headers["location"]).query).items()}
    assert (query["appid"], query["scope"], query["agentid"]) == (CORP, "snsapi_base", str(AGENT))
    assert query["redirect_uri"] == f"https://heshi.example{HOME}/enter"
    return kit.http.get(f"{HOME}/enter", params={"code": member, "state": query["state"]}, follow_redirects=False)


@pytest.fixture
def inside(kit: Kit) -> Kit:
    assert enter(kit, "member-zhang").headers["location"] == HOME
    return kit


def test_member_comes_in_by_oauth(kit: Kit) -> None:
    """WeCom says who it is; then the page opens, small, with nothing but our own files and WeCom's script."""
    assert enter(kit, "member-zhang").status_code == 302
    page = kit.http.get(HOME)
    assert page.status_code == 200
    assert "script-src 'self' https://res.wx.qq.com" in page.headers["content-security-policy"]
    assert "unsafe" not in page.headers["content-security-policy"]
    files = [kit.http.get(f"{HOME}/static/{name}") for name in ("sidebar.js", "sidebar.css")]
    assert [one.status_code for one in files] == [200, 200]
    assert len(page.content) + sum(len(one.content) for one in files) < 20_000
    script = files[0].text
    assert script.index("agentConfig({") < script.index("invoke('getContext')")
    assert "single_chat_tools" in script
    assert "single_kf_tools" in script
    assert kit.http.get(f"{HOME}/static/../sidebar.py").status_code == 404
    assert kit.http.get(f"{HOME}/static/other.js").status_code == 404


def test_cookie_is_kept_from_scripts_and_other_sites(kit: Kit) -> None:
    """The session is HttpOnly, Secure, SameSite, and for this page only."""
    cookie = enter(kit, "member-zhang").headers["set-cookie"]
    for mark in ("HttpOnly", "Secure", "SameSite=lax", f"Path={HOME}"):
        assert mark in cookie


@pytest.mark.parametrize("code", ["outsider", "member-"])
def test_outsiders_stay_outside(kit: Kit, code: str) -> None:
    """A code that names no member opens nothing."""
    assert enter(kit, code).status_code == 404
    assert kit.http.get(f"{HOME}/card", params={"customer": "wm1"}).status_code == 404


def test_state_must_be_the_visitors_own(kit: Kit) -> None:
    """A code that comes with another state, or none, is not taken."""
    kit.http.get(HOME, follow_redirects=False)
    for state in ("", "0" * 32):
        answer = kit.http.get(f"{HOME}/enter", params={"code": "member-zhang", "state": state}, follow_redirects=False)
        assert answer.status_code == 404


@pytest.mark.parametrize("cookie", ["", "x", "e30=.0", "eyJ1c2VyaWQiOiAiYSIsICJ1bnRpbCI6IDllOTl9.0123"])
def test_nothing_is_given_without_a_session(kit: Kit, cookie: str) -> None:
    """Every route but the way in refuses strangers and forged cookies."""
    headers = {"Cookie": f"wecom_member={cookie}"}
    body = {"customer": "wm1", "text": "您好"}
    assert kit.http.get(f"{HOME}/card", params={"customer": "wm1"}, headers=headers).status_code == 404
    assert kit.http.get(f"{HOME}/config", params={"url": "x"}, headers=headers).status_code == 404
    for path in ("draft", "screen", "release"):
        assert kit.http.post(f"{HOME}/{path}", json=body, headers=headers).status_code == 404


def test_session_runs_out(inside: Kit) -> None:
    """After a working day a member is asked again."""
    assert inside.http.get(f"{HOME}/card", params={"customer": "wm1"}).status_code == 200
    inside.clock.now += 9 * 3600
    assert inside.http.get(f"{HOME}/card", params={"customer": "wm1"}).status_code == 404


def test_signatures_are_for_our_page_only(inside: Kit) -> None:
    """agentConfig and config are signed with their tickets, for the address of this page and no other."""
    url = f"https://heshi.example{HOME}?from=chat"
    given = inside.http.get(f"{HOME}/config", params={"url": f"{url}#top"}).json()
    for kind, name in (("agent", "agent_config"), ("corp", "config")):
        joined = f"jsapi_ticket={kind}-ticket&noncestr={given['nonceStr']}&timestamp={given['timestamp']}&url={url}"
        assert given[name] == hashlib.sha1(joined.encode()).hexdigest()
    assert (given["corp"], given["agent"]) == (CORP, AGENT)
    for other in ("https://evil.example/wecom/sidebar", f"https://heshi.example{HOME}evil"):
        assert inside.http.get(f"{HOME}/config", params={"url": other}).status_code == 422


def test_card_shows_the_customer_at_a_glance(inside: Kit) -> None:
    """Class, age flag, expiry and the latest turns; the birth date itself stays inside; a stranger's card is empty."""
    card = inside.http.get(f"{HOME}/card", params={"customer": "wm1"}).json()
    assert card["customer"]["risk_class"] == "C3"
    assert card["customer"]["birth_date"] is None
    assert (card["senior"], card["minor"], card["expired"]) == (True, False, True)
    assert card["turns"][0]["question"] == "开户要带什么"
    assert card["answering"]
    stranger = inside.http.get(f"{HOME}/card", params={"customer": "wm9"}).json()
    assert (stranger["customer"], stranger["turns"], stranger["answering"]) == (None, [], None)


def test_draft_is_a_turn_of_its_own_and_reaches_nobody(inside: Kit) -> None:
    """A draft comes with its sources, is logged, and the customer sees nothing of it."""
    draft = inside.http.post(f"{HOME}/draft", json={"customer": "wm1", "text": "销户怎么办"}).json()
    assert draft["text"] == "答：销户怎么办"
    assert draft["sources"][0]["title"] == "开户指引"
    asked = inside.answers.asked[-1]
    assert (asked.channel, asked.customer) == ("wecom-sidebar", inside.gate.customers["wm1"])
    assert inside.world.texts("wm1") == [f"答：开户要带什么\n{LABEL}"]


def test_text_is_screened_and_logged_before_the_page_may_send_it(inside: Kit) -> None:
    """A blocked text is not given back; a good one is, and stands in the log with who sent it."""
    blocked = {"customer": "wm1", "text": "这款稳赚不赔"}
    assert inside.http.post(f"{HOME}/screen", json=blocked).json()["findings"][0]["clause"]
    refused = inside.http.post(f"{HOME}/release", json=blocked)
    assert (refused.status_code, refused.json()["reason"]) == (409, "findings")
    assert inside.events("withheld")[0]["text"] == "这款稳赚不赔"
    given = inside.http.post(f"{HOME}/release", json={"customer": "wm1", "text": "请带身份证。"})
    assert given.json()["text"] == "请带身份证。"
    last = inside.events("outbound")[-1]
    assert (last["staff"], last["text"], last["kind"]) == ("zhang", "请带身份证。", "sidebar")
    assert inside.http.post(f"{HOME}/release", json={"customer": "wm1", "text": ""}).status_code == 422


def test_draft_that_was_overtaken_is_not_given_back(inside: Kit) -> None:
    """The customer wrote again since the draft was made: it must be read first."""
    draft = inside.http.post(f"{HOME}/draft", json={"customer": "wm1", "text": "开户"}).json()
    inside.clock.now += 5
    inside.say("wm1", "算了")
    inside.drain()
    body = {"customer": "wm1", "text": draft["text"], "answering": draft["answering"]}
    answer = inside.http.post(f"{HOME}/release", json=body)
    assert (answer.status_code, answer.json()["reason"]) == (409, "moved_on")
