"""Who looks at the sidebar: a member of the firm, known by WeCom's OAuth, in a signed cookie."""

from __future__ import annotations

import hmac
import json
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from urllib.parse import urlencode

from fastapi import Request, Response

from assistant.channels.wecom.api import Api
from assistant.channels.wecom.errors import WecomError
from assistant.channels.wecom.parsing import word
from assistant.channels.wecom.settings import WecomSettings
from assistant.channels.wecom.vault import Vault

AUTHORIZE = "https://open.weixin.qq.com/connect/oauth2/authorize"
COOKIE, STATE = "wecom_member", "wecom_state"
PATH = "/wecom/sidebar"
STATE_S = 600


class Members:
    """Sends a visitor to WeCom and takes them back."""

    def __init__(self, settings: WecomSettings, api: Api, vault: Vault, clock: Callable[[], float]) -> None:
        self._settings = settings
        self._api = api
        self._vault = vault
        self._clock = clock

    def member(self, request: Request) -> str | None:
        """The userid of the member, or None when nobody is known or the session ran out."""
        payload, _, signature = request.cookies.get(COOKIE, "").partition(".")
        if not hmac.compare_digest(self._vault.name("member", payload).encode(), signature.encode()):
            return None
        found = json.loads(urlsafe_b64decode(payload))
        return str(found["userid"]) if found["until"] > self._clock() else None

    def address(self) -> tuple[str, str]:
        """Where WeCom says who it is, and the state that must come back."""
        state = secrets.token_hex(16)
        query = {
            "appid": self._settings.corp_id,
            "redirect_uri": f"{self._settings.public_url.rstrip('/')}{PATH}/enter",
            "response_type": "code",
            "scope": "snsapi_base",
            "state": state,
            "agentid": str(self._settings.app_agent_id),
        }
        return f"{AUTHORIZE}?{urlencode(query)}#wechat_redirect", state

    def enter(self, request: Request) -> str | None:
        """The member that WeCom's code stands for; None for outsiders and for a state that is not this visitor's."""
        given, kept = request.query_params.get("state", ""), request.cookies.get(STATE, "")
        code = request.query_params.get("code", "")
        if not given or not code or not hmac.compare_digest(given.encode(), kept.encode()):
            return None
        try:
            found = self._api.call("app", "auth/getuserinfo", code=code)
        except WecomError:
            return None
        return word(found, "userid") or word(found, "UserId") or None

    def remember(self, response: Response, member: str) -> None:
        """Open the session of a member."""
        values = {"userid": member, "until": self._clock() + self._settings.session_s}
        payload = urlsafe_b64encode(json.dumps(values).encode()).decode()
        signature = self._vault.name("member", payload)
        self._cookie(response, COOKIE, f"{payload}.{signature}", self._settings.session_s)
        response.delete_cookie(STATE, path=PATH)

    def expect(self, response: Response, state: str) -> None:
        """Remember the state of a visitor on the way to WeCom."""
        self._cookie(response, STATE, state, STATE_S)

    def _cookie(self, response: Response, name: str, value: str, seconds: float) -> None:
        secure = self._settings.public_url.startswith("https://")
        response.set_cookie(name, value, int(seconds), path=PATH, secure=secure, httponly=True, samesite="lax")
