"""`wecom check` says in plain words what is missing and where it is found."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from assistant.channels.wecom.check import check
from assistant.commands import main
from tests.wecom_kit import Kit, wecom_settings
from tests.wecom_server import AES_KEY, SECRETS, TOKEN

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def kit(tmp_path: Path) -> Iterator[Kit]:
    made = Kit(tmp_path)
    yield made
    made.close()


class Installed:
    """As much of an installation as the command needs."""

    def __init__(self, kit: Kit) -> None:
        self.folder, self.database, self.log = kit.folder, kit.database, kit.log


@pytest.fixture
def run(kit: Kit, monkeypatch: pytest.MonkeyPatch) -> Run:
    """`python app.py wecom …` with settings in the environment."""

    def command(*arguments: str, **environment: str) -> tuple[int, str, str]:
        for name, value in environment.items():
            monkeypatch.setenv(f"WECOM_{name.upper()}", value)
        out, err = io.StringIO(), io.StringIO()
        with redirect_stdout(out), redirect_stderr(err):
            status = main(["wecom", *arguments], lambda settings: Installed(kit))  # type: ignore[arg-type, return-value]
        return status, out.getvalue(), err.getvalue()

    return command


def states(kit: Kit, **changed: Any) -> dict[str, tuple[str, str]]:
    found = check(wecom_settings(kit.server.url, **changed), kit.wecom.api, kit.http)  # type: ignore[arg-type]
    return {one.what: (one.state, one.advice) for one in found}


def test_everything_in_place_is_ok(kit: Kit) -> None:
    """Secrets, permissions and callback addresses of all channels are tried; the advice names the address to enter."""
    found = states(kit)
    assert {state for state, _ in found.values()} == {"ok"}
    assert "https://heshi.example/wecom/callback/kf" in found["微信客服：回调地址"][1]
    assert len(found) == 9


def test_nothing_set_up_is_no_failure(run: Run) -> None:
    """Without WeCom the command says how to begin."""
    status, out, _ = run("check")
    assert status == 0
    assert "docs/wecom.md" in out


def test_wrong_secret_names_the_place_to_look(kit: Kit, run: Run) -> None:
    """A wrong secret, an unreachable address: what is wrong, where it is found, and no secret in the words."""
    status, out, err = run(
        "check", corp_id="ww0123456789abcdef", api_url=kit.server.url, kf_secret="wrong-secret", kf_token=TOKEN,
        kf_aes_key=AES_KEY, public_url="http://127.0.0.1:9",
    )  # fmt: skip
    assert status == 1
    assert "✗ 微信客服：Secret：gettoken: errcode 40001（secret 不正确）。在管理后台" in out
    assert "打不开" in out
    assert "https://" in out
    for secret in ("wrong-secret", TOKEN, AES_KEY, *SECRETS.values()):
        assert secret not in out + err


def test_missing_values_are_named(kit: Kit) -> None:
    """What is not set is named with the setting and the place in the console."""
    found = states(kit, kf_secret="", public_url="", app_agent_id=None)
    assert found["微信客服：Secret"] == (
        "missing",
        "设置 WECOM_KF_SECRET：管理后台「应用管理 → 微信客服」详情页的 Secret",
    )
    assert found["公网地址"][0] == "missing"
    assert found["自建应用：AgentId"][0] == "missing"


def test_callback_that_answers_something_else_is_found(kit: Kit) -> None:
    """A proxy that answers in our place is noticed."""
    app = FastAPI()

    @app.get("/wecom/callback/{channel}")
    def other(channel: str) -> str:
        return channel

    with TestClient(app, base_url="https://heshi.example") as client:
        found = list(check(wecom_settings(kit.server.url), kit.wecom.api, client))  # type: ignore[arg-type]
    assert [one.state for one in found if "回调地址" in one.what] == ["failed"] * 3


def test_api_that_cannot_be_reached_is_said(kit: Kit, run: Run) -> None:
    """No network to WeCom is told apart from a wrong secret."""
    values = {
        "corp_id": "ww1",
        "api_url": "http://127.0.0.1:9",
        "kf_secret": "s",
        "kf_token": TOKEN,
        "kf_aes_key": AES_KEY,
    }
    status, out, _ = run("check", "--json", **values)
    found = {one["what"]: one for one in json.loads(out)["checks"]}
    assert status == 1
    assert "连不上" in found["微信客服：Secret"]["advice"]


def test_settings_that_cannot_be_read_are_a_usage_error(run: Run) -> None:
    """A malformed key is named, not shown."""
    status, _, err = run("check", kf_aes_key="short")
    assert status == 2
    assert "WECOM_KF_AES_KEY" in err
    assert "Traceback" not in err


def test_file_others_can_read_is_reported(kit: Kit, run: Run) -> None:
    """Secrets in a file with open permissions are a failure."""
    file = kit.folder / "wecom.yaml"
    file.write_text("corp_id: ww1\n")
    file.chmod(0o644)
    status, out, _ = run("check")
    assert (status, "chmod 600" in out) == (1, True)
    file.chmod(0o600)
    assert run("check")[0] == 0


def test_customers_are_linked_from_a_file(kit: Kit, run: Run, tmp_path: Path) -> None:
    """The broker says who is behind a WeCom id; a bad file changes nothing and names the line."""
    file = tmp_path / "links.csv"
    file.write_text("external_userid,customer\nwm1,k1\nwm2,k2\n", encoding="utf-8-sig")
    assert run("link", str(file))[1] == "已关联 2 位客户\n"
    assert kit.events("linked") == [{"count": 2}]
    for bad in ("a,b\n", "external_userid,customer\nwm1,\n", "external_userid,customer\nwm1,a\nwm1,b\n"):
        file.write_text(bad)
        status, _, err = run("link", str(file))
        assert (status, "未导入" in err) == (1, True)
    assert run("link", str(tmp_path / "none.csv"))[0] == 1
