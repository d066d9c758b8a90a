"""Backup and restore of an installation on SQLite: database, signed heads and keys in one file."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import tarfile
import tempfile
import zlib
from contextlib import closing
from pathlib import Path

from assistant.ledger.form import now
from assistant.ledger.heads import Heads
from assistant.ledger.keys import Keys
from assistant.ledger.mark import Mark
from knowledge.records.database import Database

DATABASE = "heshi.db"
HEADS = "heads.log"
KEYS = "keys"
KEY = "log.key"
OF_THE_RUNNING_LOG = ("mark", "checkpoint", "lock", "next")


class BadArchive(Exception):
    """The file is not a backup, or there is no room for it; the message says what to do."""


def write(file: Path, database: Database, heads: Path, keys: Path) -> int:
    """Write a consistent copy and return the number of log rows in it. The copy's heads end with its last row.

    The database is copied first; heads written meanwhile are cut off, so that verify-log accepts the pair as it is.
    """
    if not database.url.startswith("sqlite:///"):
        raise BadArchive("backup copies SQLite installations; use the database server's own backup for others")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        while True:
            key = _signing_key(keys)
            count, newest = _copy_database(database, folder / DATABASE)
            (folder / HEADS).write_bytes(_heads_until(heads, newest))
            _copy_keys(keys, folder / KEYS)
            if _signing_key(keys) == key:
                break  # else the key was rotated meanwhile: database and keys would not fit
        _mark(folder, newest)
        partial = file.with_name(file.name + ".partial")
        with tarfile.open(partial, "w:gz", compresslevel=6) as archive:
            for part in (DATABASE, HEADS, KEYS):
                archive.add(folder / part, part)
        os.chmod(partial, 0o600)
        partial.replace(file)
    return count


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


def _copy_database(database: Database, copy: Path) -> tuple[int, int]:
    """(rows of the log, number of the newest) in a consistent copy; writers go on meanwhile."""
    copy.unlink(missing_ok=True)
    source, target = sqlite3.connect(database.url.removeprefix("sqlite:///")), sqlite3.connect(copy)
    with closing(source), closing(target):
        source.backup(target)
        count, newest = target.execute("SELECT count(*), coalesce(max(number), 0) FROM log_turns").fetchone()
    return int(count), int(newest)


def _signing_key(keys: Path) -> bytes | None:
    file = keys / KEY
    return file.read_bytes() if file.exists() else None


def _copy_keys(keys: Path, into: Path) -> None:
    """The keys without what speaks of the running log only: its mark, checkpoint, lock, a key not yet in use."""
    into.mkdir(exist_ok=True)
    left_out = shutil.ignore_patterns(*(f"{KEY.removesuffix('.key')}.{name}" for name in OF_THE_RUNNING_LOG), ".*")
    if keys.exists():
        shutil.copytree(keys, into, ignore=left_out, dirs_exist_ok=True)


def _mark(folder: Path, newest: int) -> None:
    """The mark of the copy names the copy's newest event."""
    key_file = folder / KEYS / KEY
    if not newest or not key_file.exists():
        return
    keys = Keys(key_file)
    digest = Heads(folder / HEADS, keys).digest_at(newest)
    Mark(key_file.with_suffix(".mark"), keys).write({"number": newest, "digest": digest or "", "at": now()})


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
