"""Derived files in a cache: written once, whole or not at all, and checked when read.

A sealed file is the SHA-256 of its content followed by the content. A file cut short or altered is noticed and written
anew; processes that start at the same time each write their own temporary file, and the last rename wins.
"""

from __future__ import annotations

import hashlib
import logging
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

_log = logging.getLogger(__name__)
_SEAL = hashlib.sha256().digest_size


def load(path: Path) -> bytes | None:
    """The content, or None when the file is missing, unreadable or not what was sealed."""
    try:
        data = path.read_bytes()
    except OSError:
        return None
    content = data[_SEAL:]
    if hashlib.sha256(content).digest() != data[:_SEAL]:
        _log.warning("缓存文件 %s 已损坏，将重新生成", path.name)
        return None
    return content


def store(path: Path, content: bytes) -> None:
    """Writes the sealed content beside `path` and renames it into place. Raises `OSError`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(hashlib.sha256(content).digest())
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(name, 0o644)
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def load_or_store(path: Path, make: Callable[[], bytes]) -> bytes:
    """The cached content, made and stored if need be; a cache that cannot be written costs time, not the answer."""
    content = load(path)
    if content is None:
        content = make()
        try:
            store(path, content)
        except OSError as error:
            _log.warning("无法写入缓存 %s（%s），下次启动将重新生成", path, error)
    return content
