"""Proof that the log is whole: every row, link and head, the mark, and the chain of keys.

A check that found nothing leaves a signed checkpoint: a digest over all rows as they stood and over the heads. The
next check reads every row again but need not link them or check signatures up to there; what was changed shows as
another digest, and then everything is checked anew to say where.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from sqlalchemy import Row, func, select

from assistant.ledger.files import replace
from assistant.ledger.form import START, canonical, extend, now, row_hash
from assistant.ledger.heads import Break, Head, Heads, Walk
from assistant.ledger.keys import Keys, key_id, signed_by
from assistant.ledger.mark import Mark
from assistant.ledger.tables import log_turns
from knowledge.records.database import Database

AT_ONCE = 2000
Settled = Callable[[], AbstractContextManager[None]]


@dataclass(frozen=True, slots=True)
class Proof:
    """What a check found. `notes` are no breaks: an append that was interrupted and never released. `since` is the
    number up to which a checkpoint of an earlier check was relied on."""

    turns: int
    broken: tuple[Break, ...]
    notes: tuple[Break, ...] = ()
    since: int = 0


@dataclass(frozen=True, slots=True)
class Ends:
    """What is read while nobody appends."""

    newest: int
    content: bytes
    mark: Mapping[str, Any] | None


@dataclass(slots=True)
class Reading:
    """The state of reading rows in their order."""

    running: str = START
    count: int = 0
    number: int = 0
    last: dict[str, tuple[int, str]] = field(default_factory=dict)
    broken: list[Break] = field(default_factory=list)


def prove(
    database: Database, heads: Heads, mark: Mark, keys: Keys, checkpoint: Path, settled: Settled, *, full: bool
) -> Proof:
    """Check the log as it stands now."""
    with settled():
        with database.reading() as connection:
            newest = int(connection.execute(select(func.max(log_turns.c.number))).scalar() or 0)
        ends = Ends(newest, heads.path.read_bytes() if heads.path.exists() else b"", mark.read())
    known = None if full else _checkpoint(checkpoint, keys)
    if known is not None:
        proof = _check(database, heads, keys, ends, known, checkpoint)
        if proof is not None:
            return proof
    proof = _check(database, heads, keys, ends, None, checkpoint)
    assert proof is not None
    return proof


def _check(
    database: Database, heads: Heads, keys: Keys, ends: Ends, known: Mapping[str, Any] | None, file: Path
) -> Proof | None:
    """One check; None when the checkpoint does not fit what stands there."""
    walk, place = Walk(), 0
    if known is not None:
        size = known["heads_size"]
        if hashlib.sha256(ends.content[:size]).hexdigest() != known["heads"] or known["number"] > ends.newest:
            return None
        walk.established, place = known["number"], known["heads_lines"]
        walk.newest = Head(1, known["number"], known["digest"])
        walk.signer = keys.known().get(known["signer"])
        ends = Ends(ends.newest, ends.content[size:], ends.mark)
    heads.walk(ends.content, walk, place=place)
    reading, content = Reading(), hashlib.sha256()
    with database.reading() as connection:
        query = select(log_turns).where(log_turns.c.number <= ends.newest).order_by(log_turns.c.number)
        rows = connection.execution_options(yield_per=AT_ONCE).execute(query)
        if not _read(rows, reading, walk, known, content):
            return None
    broken = [*walk.broken, *reading.broken, *_chain_of_keys(walk, keys, ends.newest)]
    ended, notes = _ends(walk, ends, known is not None)
    broken += ended
    if not broken and not notes and walk.signer is not None and reading.count:
        _leave_checkpoint(file, keys, walk, reading, content.hexdigest(), heads.path, ends, known)
    return Proof(reading.count, tuple(broken), tuple(notes), known["number"] if known else 0)


def _read(
    rows: Iterable[Row[Any]], reading: Reading, walk: Walk, known: Mapping[str, Any] | None, content: Any
) -> bool:
    """Read rows in their order; False when those below the checkpoint are not the ones it stands for."""
    expected = iter(walk.heads)
    head = next(expected, None)
    until = known["number"] if known else 0
    for row in rows:
        content.update(_raw(row))
        reading.count += 1
        if row.number > until:
            _check_row(row, reading)
            reading.running = extend(reading.running, row.hash)
        reading.number = row.number
        reading.last[row.conversation] = (row.sequence, row.hash)
        while head is not None and head.number <= row.number:
            if head.number == row.number and head.digest != reading.running:
                reading.broken.append(Break(f"head {head.number}", "rows before this head were changed"))
                reading.running = head.digest
            elif head.number < row.number:
                reading.broken.append(Break(f"head {head.number}", "the event it ends with is missing"))
            head = next(expected, None)
        if known and row.number == until:
            if content.hexdigest() != known["content"] or reading.count != known["count"]:
                return False
            reading.running = known["digest"]
    return known is None or reading.number >= until


def _check_row(row: Row[Any], reading: Reading) -> None:
    where = f"turn {row.id}"
    sequence, previous = reading.last.get(row.conversation, (0, START))
    if row_hash(dict(row._mapping)) != row.hash:
        reading.broken.append(Break(where, "its content does not match its hash"))
    if row.number != reading.number + 1:
        due = reading.number + 1
        reading.broken.append(Break(where, f"numbered {row.number} where {due} was due: rows are missing"))
    if row.sequence != sequence + 1 or row.previous != previous:
        reading.broken.append(Break(where, "does not follow the turn before it in its conversation"))


def _ends(walk: Walk, ends: Ends, resumed: bool) -> tuple[list[Break], list[Break]]:
    """What database, heads and mark say of the newest event: (breaks, notes)."""
    broken, notes = [], []
    last = walk.heads[-1] if walk.heads else walk.newest
    marked = 0 if ends.mark is None else int(ends.mark["number"])
    signed = 0 if last is None else last.number
    if ends.mark is None and (resumed or b'"key":' in ends.content):
        broken.append(Break("mark", "the mark of the newest event is missing or not signed by this installation"))
    released = max(marked, last.first - 1 if last is not None else 0)
    if released > ends.newest:
        missing = released - ends.newest
        broken.append(Break("tail", f"{missing} events that were released are missing from the database"))
    elif signed > ends.newest:
        what = f"events {ends.newest + 1} to {signed} were never committed and never released: an interrupted append"
        notes.append(Break("tail", what))
    if marked > signed:
        broken.append(Break("heads", f"the heads of events {signed + 1} to {marked}, which were released, are missing"))
    elif ends.newest > signed:
        broken.append(Break("heads", "the newest events have no signed head"))
    if ends.mark is not None and last is not None and marked < last.first - 1:
        broken.append(Break("mark", "the mark is older than the heads: it was put back from an earlier copy"))
    digests = {head.number: head.digest for head in walk.heads[-2:]} | ({signed: last.digest} if last else {})
    if ends.mark is not None and digests.get(marked, ends.mark["digest"]) != ends.mark["digest"]:
        broken.append(Break("mark", "the mark and the heads name different events"))
    if walk.torn:
        notes.append(Break("heads", "the last line is torn: an append was interrupted while it was written"))
    return broken, notes


def _chain_of_keys(walk: Walk, keys: Keys, newest: int) -> list[Break]:
    """The last head, or the key it announced, must lead to the key that signs now. What an interrupted append announced
    does not count."""
    last = walk.heads[-1] if walk.heads else None
    signer = last.signer if last is not None and last.number > newest else walk.signer
    if signer is None or key_id(signer) == keys.id:
        return []
    return [Break("heads", f"the signing key {keys.id} was never announced by the key before it")]


def _raw(row: Row[Any]) -> bytes:
    """A row as it stands, unambiguous."""
    return "\x1f".join(map(str, row)).encode("utf-8", "surrogatepass") + b"\x1e"


def _checkpoint(file: Path, keys: Keys) -> Mapping[str, Any] | None:
    try:
        value = json.loads(file.read_bytes())
    except (OSError, ValueError):
        return None
    known: Iterable[Ed25519PublicKey] = keys.known().values()
    return value if isinstance(value, dict) and any(signed_by(value, key) for key in known) else None


def _leave_checkpoint(
    file: Path, keys: Keys, walk: Walk, reading: Reading, content: str, heads: Path, ends: Ends,
    known: Mapping[str, Any] | None,
) -> None:  # fmt: skip
    """Note a sound state. It only saves work, so a folder that cannot be written is no matter."""
    assert walk.signer is not None
    size = len(ends.content) + (known["heads_size"] if known else 0)
    lines = ends.content.count(b"\n") + (known["heads_lines"] if known else 0)
    with suppress(OSError), heads.open("rb") as opened:
        prefix = hashlib.sha256(opened.read(size)).hexdigest()
        value = {
            "number": reading.number, "count": reading.count, "digest": reading.running, "content": content,
            "heads": prefix, "heads_size": size, "heads_lines": lines, "signer": key_id(walk.signer), "at": now(),
        }  # fmt: skip
        replace(file, canonical(keys.signed(value)).encode())
