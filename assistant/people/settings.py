"""Settings of logins and sessions; times in seconds."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class CustomerTokenSettings(BaseSettings):
    """HESHI_CUSTOMER_KEYS: the host app's keys as JSON, or the path of a file with them; HESHI_CUSTOMER_AUDIENCE: what
    "aud" must name; HESHI_CUSTOMER_LONGEST: the longest life of a token in seconds."""

    model_config = SettingsConfigDict(env_prefix="HESHI_CUSTOMER_", extra="ignore", hide_input_in_errors=True)

    keys: str | None = Field(default=None, repr=False)
    audience: str = "heshi"
    longest: float = Field(default=3600, gt=0)


@dataclass(frozen=True, slots=True)
class PeopleSettings:
    """`failures` wrong passwords in a row lock an account for `lock_s`; a session ends after `idle_s` without a request
    and after `longest_s` in any case; an address may try `logins_per_minute` times a minute."""

    failures: int = 5
    lock_s: float = 900
    idle_s: float = 7200
    longest_s: float = 43_200
    logins_per_minute: float = 12
    logins_burst: int = 12
    shortest_password: int = 12
    touch_s: float = 60
