"""Settings of the HTTP channel."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Literal
from zoneinfo import ZoneInfo

from fastapi import Request

from assistant.turn import Customer

SHANGHAI = ZoneInfo("Asia/Shanghai")


def shanghai_today() -> date:
    """Today's date in Asia/Shanghai."""
    return datetime.now(SHANGHAI).date()


def anonymous(request: Request) -> Customer | None:
    """The default identity seam: nobody is known."""
    return None


def peer_address(request: Request) -> str:
    """The address limits count by: the peer's, as the server was told to trust it; an IPv6 address by its /64."""
    host = request.client.host if request.client else "unknown"
    return ":".join(host.split(":")[:4]) if ":" in host else host


@dataclass(frozen=True, slots=True)
class HttpSettings:
    """Limits count tokens a minute; a burst is how many may be spent at once. Sizes in bytes, times in seconds.

    `secret` derives the id of a conversation from the key of its first message: kept over restarts, a first message
    retried after a restart still finds its conversation. `identify` reads the customer from the channel (a session of
    the broker's app, say), never from the body. `frame_ancestors` are CSP sources that may embed the page. `release`
    "sentence" streams what a model writes as each sentence is released.
    """

    max_chars: int = 2000
    max_body: int = 65_536
    max_history: int = 20
    conversation_per_minute: float = 20
    conversation_burst: int = 10
    address_per_minute: float = 120
    address_burst: int = 60
    limit_entries: int = 20_000
    timeout_s: float = 60
    body_timeout_s: float = 20
    threads: int = 8
    max_waiting: int = 128
    frame_ancestors: tuple[str, ...] = ("'self'",)
    secret: bytes = field(default_factory=lambda: secrets.token_bytes(32), repr=False)
    identify: Callable[[Request], Customer | None] = anonymous
    address: Callable[[Request], str] = peer_address
    today: Callable[[], date] = shanghai_today
    release: Literal["whole", "sentence"] = "whole"
