"""Settings of the WeCom channels, from the environment (WECOM_…) or from a file; secrets never show in a repr."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from assistant.channels.wecom.crypto import Envelope, key_of

PREFIX = "WECOM_"
FILE = "wecom.yaml"
KEYS = ("kf_aes_key", "app_aes_key", "bot_aes_key")


class BadSettings(Exception):
    """Settings that cannot be used; the message names the setting and what to do, never its value."""


class WecomSettings(BaseSettings):
    """What the WeCom console shows, and our limits. Sizes in bytes, times in seconds.

    `handoff` says where a customer who needs a person waits: at our own staff desk (the conversation stays in state 1,
    so that replies pass our screening) or in WeCom's own queue (state 2; there nothing is screened before it is sent).
    """

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="ignore", hide_input_in_errors=True)

    corp_id: str = ""
    api_url: str = "https://qyapi.weixin.qq.com"
    public_url: str = ""
    kf_secret: SecretStr = SecretStr("")
    kf_token: SecretStr = SecretStr("")
    kf_aes_key: SecretStr = SecretStr("")
    app_agent_id: int | None = None
    app_secret: SecretStr = SecretStr("")
    app_token: SecretStr = SecretStr("")
    app_aes_key: SecretStr = SecretStr("")
    bot_token: SecretStr = SecretStr("")
    bot_aes_key: SecretStr = SecretStr("")
    handoff: Literal["desk", "wecom"] = "desk"
    threads: int = Field(default=2, ge=1, le=16)
    patience_s: float = Field(default=0.7, gt=0)
    merge_s: float = Field(default=1.2, ge=0)
    merge_most_s: float = Field(default=5, ge=0)
    max_chars: int = 2000
    timeout_s: float = 10
    text_bytes: int = Field(default=2048, le=2048)
    stream_bytes: int = Field(default=20_480, le=20_480)
    window_s: float = 48 * 3600
    window_messages: int = Field(default=5, le=5)
    reserve: int = Field(default=2, ge=0, le=4)
    replay_fresh_s: float = 600
    stale_s: float = 3 * 24 * 3600
    stream_finish_s: float = Field(default=330, lt=360)
    member_per_minute: int = Field(default=30, le=30)
    member_per_hour: int = Field(default=1000, le=1000)
    session_s: float = 8 * 3600

    @field_validator(*KEYS)
    @classmethod
    def _well_formed(cls, value: SecretStr) -> SecretStr:
        if value.get_secret_value():
            key_of(value.get_secret_value())
        return value

    @property
    def kf_on(self) -> bool:
        """Whether 微信客服 is set up."""
        return bool(self.corp_id and self.kf_token.get_secret_value() and self.kf_aes_key.get_secret_value())

    @property
    def app_on(self) -> bool:
        """Whether the self-built app is set up."""
        return bool(self.corp_id and self.app_token.get_secret_value() and self.app_aes_key.get_secret_value())

    @property
    def bot_on(self) -> bool:
        """Whether 智能机器人 is set up."""
        return bool(self.bot_token.get_secret_value() and self.bot_aes_key.get_secret_value())

    @property
    def on(self) -> bool:
        """Whether any WeCom channel is set up."""
        return self.kf_on or self.app_on or self.bot_on

    def secret(self, app: str) -> str:
        """The corp secret of an API caller, "kf" or "app"."""
        return (self.kf_secret if app == "kf" else self.app_secret).get_secret_value()

    def envelope(self, channel: str) -> Envelope:
        """What opens the callbacks of "kf", "app" or "bot"."""
        token: SecretStr = getattr(self, f"{channel}_token")
        key: SecretStr = getattr(self, f"{channel}_aes_key")
        receiver = "" if channel == "bot" else self.corp_id
        return Envelope(token.get_secret_value(), key.get_secret_value(), receiver)


def load(folder: Path, environment: Mapping[str, str] | None = None) -> WecomSettings:
    """Settings of an installation: the environment, then the file named by WECOM_FILE, else wecom.yaml in `folder`.
    Raises BadSettings."""
    given = os.environ if environment is None else environment
    file = settings_file(folder, given)
    values = _read(file) if file is not None else {}
    for name in WecomSettings.model_fields:
        if (text := given.get(f"{PREFIX}{name.upper()}")) is not None:
            values[name] = text
    try:
        return WecomSettings(**values)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        name = "_".join(str(part) for part in first["loc"]).upper()
        raise BadSettings(f"{PREFIX}{name}: {first['msg']}") from None


def settings_file(folder: Path, environment: Mapping[str, str] | None = None) -> Path | None:
    """The settings file that is read, if there is one. Raises BadSettings when WECOM_FILE names none."""
    given = os.environ if environment is None else environment
    if named := given.get(f"{PREFIX}FILE"):
        if not Path(named).is_file():
            raise BadSettings(f"{PREFIX}FILE names {named}, which is not a file")
        return Path(named)
    usual = folder / FILE
    return usual if usual.is_file() else None


def readable_by_others(file: Path) -> bool:
    """Whether somebody else on this machine may read the secrets in a file."""
    return bool(file.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO))


def _read(file: Path) -> dict[str, Any]:
    try:
        values = yaml.safe_load(file.read_text("utf-8")) or {}
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise BadSettings(f"{file} cannot be read: {type(error).__name__}") from None
    if not isinstance(values, dict):
        raise BadSettings(f"{file} must hold names and values, one a line")
    unknown = sorted(str(name) for name in values if name not in WecomSettings.model_fields)
    if unknown:
        raise BadSettings(f"{file}: unknown settings {', '.join(unknown)}")
    return {str(name): value for name, value in values.items() if value is not None}
