"""Tries what the WeCom channels need and says in plain words what is missing and where it is found."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

import httpx

from assistant.channels.wecom.api import Api
from assistant.channels.wecom.errors import Uncertain, Unreachable, WecomError
from assistant.channels.wecom.session import PATH
from assistant.channels.wecom.settings import WecomSettings

ECHO_S = 1.0
CHANNELS = {"kf": "微信客服", "app": "自建应用", "bot": "智能机器人"}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was tried. `advice` says what to do when it is not ok."""

    what: str
    state: Literal["ok", "missing", "failed", "off"]
    advice: str = ""


def check(settings: WecomSettings, api: Api, client: httpx.Client) -> Iterator[Finding]:
    """Every check that can be made with what is set, channel by channel."""
    on = {"kf": settings.kf_on, "app": settings.app_on, "bot": settings.bot_on}
    if not any(on.values()):
        yield Finding("企业微信", "off", "没有配置任何渠道，设置方法见 docs/wecom.md")
        return
    if (on["kf"] or on["app"]) and not settings.corp_id:
        yield Finding("企业 ID", "missing", "设置 WECOM_CORP_ID：管理后台「我的企业 → 企业信息」最下方")
    yield _public(settings)
    for channel, is_on in on.items():
        if not is_on:
            yield Finding(CHANNELS[channel], "off", "未配置")
            continue
        if channel != "bot":
            yield _credentials(settings, api, channel)
            yield from _permissions(settings, api, channel)
        if settings.public_url:
            yield _reachable(settings, client, channel)


def _public(settings: WecomSettings) -> Finding:
    if not settings.public_url:
        return Finding("公网地址", "missing", "设置 WECOM_PUBLIC_URL 为企业微信能访问到本服务的 https 地址")
    if not settings.public_url.startswith("https://"):
        return Finding("公网地址", "failed", "WECOM_PUBLIC_URL 应以 https:// 开头，侧边栏只能在 https 下打开")
    return Finding("公网地址", "ok")


def _credentials(settings: WecomSettings, api: Api, channel: str) -> Finding:
    what = f"{CHANNELS[channel]}：Secret"
    if not settings.secret(channel):
        return Finding(what, "missing", f"设置 WECOM_{channel.upper()}_SECRET：{_where(channel)}")
    if channel == "app" and settings.app_agent_id is None:
        return Finding("自建应用：AgentId", "missing", "设置 WECOM_APP_AGENT_ID：应用详情页最上方")
    return _tried(what, lambda: _secret(api, channel))


def _permissions(settings: WecomSettings, api: Api, channel: str) -> Iterator[Finding]:
    if not settings.secret(channel):
        return
    if channel == "kf":
        yield _tried("微信客服：可管理的客服账号", lambda: _accounts(api))
        return
    agent = str(settings.app_agent_id)
    yield _tried("自建应用：应用信息", lambda: _call(api, "app", "agent/get", agentid=agent))
    yield _tried("自建应用：侧边栏签名", lambda: _ticket(api))


def _secret(api: Api, channel: str) -> str:
    api.prove_secret(channel)
    return ""


def _accounts(api: Api) -> str:
    found = api.call("kf", "kf/account/list", {"offset": 0, "limit": 100})
    accounts = found.get("account_list") or []
    if not accounts:
        return "没有可以管理的客服账号：在「微信客服 → API → 可调用接口的应用」中选择本应用并勾选客服账号"
    return ""


def _ticket(api: Api) -> str:
    api.ticket("agent")
    return ""


def _call(api: Api, channel: str, path: str, **query: str) -> str:
    api.call(channel, path, None, **query)
    return ""


def _tried(what: str, attempt: Callable[[], str]) -> Finding:
    try:
        advice = attempt()
    except WecomError as error:
        return Finding(what, "failed", f"{error}。{error.fix}".rstrip("。") + "。")
    except (Unreachable, Uncertain) as error:
        return Finding(what, "failed", f"连不上企业微信接口（{error}）：检查本机出网、代理和 WECOM_API_URL。")
    return Finding(what, "failed" if advice else "ok", advice)


def _reachable(settings: WecomSettings, client: httpx.Client, channel: str) -> Finding:
    """Our own address, asked as WeCom asks it when the callback is saved in the console."""
    what = f"{CHANNELS[channel]}：回调地址"
    address = f"{settings.public_url.rstrip('/')}/wecom/callback/{channel}"
    envelope, word = settings.envelope(channel), secrets.token_hex(8)
    sealed, at, nonce = envelope.encrypt(word), str(int(time.time())), secrets.token_hex(4)
    query = {
        "msg_signature": envelope.signature(at, nonce, sealed),
        "timestamp": at,
        "nonce": nonce,
        "echostr": sealed,
    }
    begun = time.monotonic()
    try:
        response = client.get(address, params=query)
    except httpx.HTTPError as error:
        return Finding(
            what, "failed", f"{address} 打不开（{type(error).__name__}）：确认 serve 在运行、域名和证书有效。"
        )
    if response.status_code != 200 or response.content != word.encode():
        return Finding(
            what,
            "failed",
            f"{address} 的应答不对（HTTP {response.status_code}）：确认转发到本服务，Token 与 AESKey 一致。",
        )
    if time.monotonic() - begun > ECHO_S:
        return Finding(what, "failed", f"{address} 应答超过 1 秒，企业微信会判为失败：检查网络和反向代理。")
    return Finding(what, "ok", f"在管理后台填写 {address}" + (f"；侧边栏页面 {PATH}" if channel == "app" else ""))


def _where(channel: str) -> str:
    if channel == "kf":
        return "管理后台「应用管理 → 微信客服」详情页的 Secret"
    return "管理后台「应用管理 → 自建 → 该应用」详情页的 Secret"
