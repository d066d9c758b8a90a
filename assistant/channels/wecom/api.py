"""WeCom's HTTP API. Every branch is by errcode; secrets and tokens travel in requests only, never in an error."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import httpx

from assistant.channels.wecom.errors import Uncertain, Unreachable, WecomError
from assistant.channels.wecom.settings import WecomSettings
from assistant.channels.wecom.tokens import Tokens

RETRIES = 3
BACKOFF_S = 0.3


class Api:
    """Calls as one of our apps, "kf" or "app". Thread-safe."""

    def __init__(
        self, settings: WecomSettings, client: httpx.Client, tokens: Tokens, sleep: Callable[[float], None]
    ) -> None:
        self._settings = settings
        self._client = client
        self._tokens = tokens
        self._sleep = sleep

    def call(self, app: str, path: str, body: Mapping[str, Any] | None = None, **query: str) -> Mapping[str, Any]:
        """One call of /cgi-bin/PATH; POST when there is a body. A dead token is replaced and the call made once more;
        "system busy" is tried again three times. Raises WecomError, Unreachable, Uncertain."""
        refreshed, busy = False, 0
        while True:
            token = self._tokens.get(app, self._fetch_token)
            try:
                return self._once(path, body, {**query, "access_token": token.value})
            except WecomError as error:
                if error.action == "token" and not refreshed:
                    refreshed = True
                    self._tokens.dead(app, token)
                elif error.code == -1 and busy < RETRIES:
                    busy += 1
                    self._sleep(BACKOFF_S * 2**busy)
                else:
                    raise

    def prove_secret(self, app: str) -> None:
        """Ask for a token with the secret, whatever token is known already. Raises as `call` does."""
        self._fetch_token(app)

    def ticket(self, kind: str) -> str:
        """The JS ticket of the self-built app: "corp" or "agent"."""
        return self._tokens.get(f"app:{kind}", self._fetch_ticket).value

    def reply_url(self, url: str, body: Mapping[str, Any]) -> None:
        """Answer at the single-use address of a 智能机器人 message. Raises as `call` does."""
        if not url.startswith(("https://", self._settings.api_url.rstrip("/") + "/")):
            raise WecomError(40029, "response_url")
        self._answer("response_url", lambda: self._client.post(url, json=dict(body)))

    def _fetch_token(self, app: str) -> tuple[str, float]:
        query = {"corpid": self._settings.corp_id, "corpsecret": self._settings.secret(app)}
        for busy in range(RETRIES + 1):
            try:
                found = self._once("gettoken", None, query)
                return str(found["access_token"]), float(found["expires_in"])
            except WecomError as error:
                if error.code != -1 or busy == RETRIES:
                    raise
            self._sleep(BACKOFF_S * 2**busy)
        raise Unreachable("gettoken")

    def _fetch_ticket(self, name: str) -> tuple[str, float]:
        if name == "app:agent":
            found = self.call("app", "ticket/get", type="agent_config")
        else:
            found = self.call("app", "get_jsapi_ticket")
        return str(found["ticket"]), float(found["expires_in"])

    def _once(self, path: str, body: Mapping[str, Any] | None, query: Mapping[str, str]) -> Mapping[str, Any]:
        url = f"{self._settings.api_url.rstrip('/')}/cgi-bin/{path}"
        if body is None:
            return self._answer(path, lambda: self._client.get(url, params=dict(query)))
        return self._answer(path, lambda: self._client.post(url, params=dict(query), json=dict(body)))

    def _answer(self, path: str, send: Callable[[], httpx.Response]) -> Mapping[str, Any]:
        try:
            response = send()
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            raise Unreachable(f"{path}: {type(error).__name__}") from None
        except httpx.HTTPError as error:
            raise Uncertain(f"{path}: {type(error).__name__}") from None
        try:
            found = response.json()
            code = int(found.get("errcode", 0))
        except (ValueError, AttributeError, TypeError):
            raise Uncertain(f"{path}: HTTP {response.status_code} without a readable answer") from None
        if code:
            raise WecomError(code, path)
        if response.status_code >= 400:
            raise Uncertain(f"{path}: HTTP {response.status_code}")
        answer: Mapping[str, Any] = found
        return answer
