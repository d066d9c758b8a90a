"""The form of what is hashed and signed: canonical JSON, SHA-256 with an algorithm tag, running digests."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

ALGORITHM = "sha256-v1"
START = f"{ALGORITHM}:{'0' * 64}"
SHANGHAI = ZoneInfo("Asia/Shanghai")
FIELDS = ("number", "id", "conversation", "sequence", "event", "recorded_at", "body", "previous")


def canonical(value: Any) -> str:
    """Canonical JSON: sorted keys, no white space, UTF-8."""
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def row_hash(values: Mapping[str, Any]) -> str:
    """The hash that stands for a row: algorithm tag and SHA-256 over its other columns as canonical JSON."""
    return f"{ALGORITHM}:{hashlib.sha256(canonical({name: values[name] for name in FIELDS}).encode()).hexdigest()}"


def extend(running: str, digest: str) -> str:
    """The running digest after one more row hash."""
    return f"{ALGORITHM}:{hashlib.sha256(f'{running}{digest}'.encode()).hexdigest()}"


def now() -> str:
    """The moment in Asia/Shanghai, ISO with milliseconds."""
    return datetime.now(SHANGHAI).isoformat(timespec="milliseconds")
