"""What can go wrong at WeCom's API, told apart by errcode."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml


class WecomError(Exception):
    """WeCom refused a call. `action` says what follows from it; nothing of the request is in the message."""

    def __init__(self, code: int, path: str) -> None:
        known = codes().get(code, {})
        super().__init__(f"{path}: errcode {code}（{known.get('zh', '未登记的错误码')}）")
        self.code = code
        self.path = path
        self.action: str = known.get("action", "refused")
        self.fix: str = known.get("fix", "")


class Unreachable(Exception):
    """The call certainly did nothing: no connection, or the API asked to come back later."""


class Uncertain(Exception):
    """Nobody knows whether the call did its work: it went out, and no readable answer came back."""


@lru_cache(maxsize=1)
def codes() -> Mapping[int, Mapping[str, Any]]:
    """The registered errcodes."""
    loaded: dict[int, Mapping[str, Any]] = yaml.safe_load(Path(__file__).with_name("errcodes.yaml").read_text("utf-8"))[
        "codes"
    ]
    return loaded
