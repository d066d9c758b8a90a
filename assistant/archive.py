"""Backup and restore of an installation on SQLite: database, signed heads and keys in one file."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import tarfile
import tempfile
import zlib
from pathlib import Path

from knowledge.records.database import Database

DATABASE = "heshi.db"
HEADS = "heads.log"
KEYS = "keys"


class BadArchive(Exception):
    """The file is not a backup, or there is no room for it; the message says what to do."""


def write(file: Path, database: Database, heads: Path, keys: Path) -> int:
    """Write a consistent copy and return the number of log rows in it. The copy's heads end with its last row.

    The database is copied first; heads written meanwhile are cut off, so that verify-log accepts the pair as it is.
    """
    if not database.url.startswith("sqlite:///"):
        raise BadArchive("backup copies SQLite installations; use the database server's own backup for others")
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / DATABASE
        source = sqlite3.connect(database.url.removeprefix("sqlite:///"))
        target = sqlite3.connect(copy)
        with target:
            source.backup(target)
        count = target.execute("SELECT count(*) FROM log_turns").fetchone()[0]
        source.close()
        target.close()
        kept = Path(folder) / HEADS
        kept.write_bytes(_heads_until(heads, count))
        partial = file.with_name(file.name + ".partial")
        with tarfile.open(partial, "w:gz") as archive:
            archive.add(copy, DATABASE)
            archive.add(kept, HEADS)
            if keys.exists():
                archive.add(keys, KEYS)
        os.chmod(partial, 0o600)
        partial.replace(file)
    return int(count)


def read(file: Path, folder: Path, heads: Path) -> None:
    """Unpack a backup into `folder`, which must hold no database yet; whole or not at all. Raises BadArchive."""
    if (folder / DATABASE).exists() or heads.exists():
        raise BadArchive(f"{folder} 里已有数据；请换一个空文件夹（--data DIR）")
    existing = next(place for place in (folder, *folder.absolute().parents) if place.is_dir())
    try:
        with tempfile.TemporaryDirectory(dir=existing, prefix=".restore-") as unpacked:
            _unpack(file, Path(unpacked))
            _put(Path(unpacked), folder, heads)
    except (OSError, EOFError, zlib.error, tarfile.TarError) as error:
        raise BadArchive(f"{file} 无法读取：{error}") from None


def _unpack(file: Path, into: Path) -> None:
    with tarfile.open(file, "r:gz") as archive:
        names = archive.getnames()
        if not {DATABASE, HEADS} <= set(names) or {name.split("/")[0] for name in names} - {DATABASE, HEADS, KEYS}:
            raise BadArchive(f"{file} 不是备份文件")
        archive.extractall(into, filter="data")


def _put(unpacked: Path, folder: Path, heads: Path) -> None:
    """Move the parts to their places, the database last: until it is there, nothing was restored."""
    folder.mkdir(parents=True, exist_ok=True)
    heads.parent.mkdir(parents=True, exist_ok=True)
    if (unpacked / KEYS).exists():
        shutil.copytree(unpacked / KEYS, folder / KEYS, dirs_exist_ok=True)
    shutil.move(unpacked / HEADS, heads)  # heads may be kept on another disk
    (unpacked / DATABASE).replace(folder / DATABASE)


def _heads_until(heads: Path, count: int) -> bytes:
    """The head lines up to row `count`."""
    if not heads.exists():
        return b""
    kept = []
    for line in heads.read_bytes().splitlines(keepends=True):
        try:
            if json.loads(line)["number"] <= count:
                kept.append(line)
        except (ValueError, KeyError):
            kept.append(line)
    return b"".join(kept)
