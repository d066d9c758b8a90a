"""What can go wrong between us and a model."""

from __future__ import annotations

from typing import Literal

Trouble = Literal["busy", "timeout", "connection", "status", "protocol", "oversized", "refused", "truncated", "empty"]


class EndpointError(Exception):
    """No usable completion: why, in one word, and a detail for the log that never holds the key or any content."""

    def __init__(self, trouble: Trouble, detail: str = "", raw: str = "") -> None:
        super().__init__(f"{trouble} {detail}".strip())
        self.trouble: Trouble = trouble
        self.detail = detail
        self.raw = raw
