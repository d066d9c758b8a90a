"""Export with proof: every record carries its row hash and the signed heads around it, so that whoever holds the public
keys can check that it stood in the log, word for word and at its place, without our database."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from typing import Any, Literal

from sqlalchemy import select

from assistant.compliance.search import Filters, numbers_of
from assistant.ledger import personal
from assistant.ledger.form import ALGORITHM, START, extend, now, row_hash
from assistant.ledger.keys import public_key, signed_by
from assistant.ledger.tables import log_turns
from assistant.log import Log
from assistant.people.values import Person
from assistant.record import plain
from knowledge.records.database import Database

MOST = 10_000
KIND = "heshi-export"
COLUMNS = ("number", "id", "conversation", "sequence", "event", "recorded_at", "channel", "outcome", "intent",
           "question", "reply", "citations", "findings", "aigc", "raw", "body", "previous", "hash",
           "proof")  # fmt: skip
Form = Literal["jsonl", "csv"]
Mode = Literal["redacted", "full"]


class NotAllowed(Exception):
    """The person's roles do not allow this export."""


def export(
    database: Database, log: Log, filters: Filters, *, form: Form, mode: Mode, person: Person, purpose: str,
    firm: Mapping[str, Any], most: int = MOST,
) -> Iterator[str]:  # fmt: skip
    """The newest `most` events that fit, oldest first, as lines. "redacted" holds what the log holds, personal data
    masked; "full" adds raw texts that are not restricted, for compliance only. The export is logged before anything
    is given. Raises NotAllowed, ValueError at the first line."""
    if not person.may("compliance"):
        raise NotAllowed("导出须由合规人员进行")
    if not purpose.strip():
        raise ValueError("请写明导出目的")
    with database.reading() as connection:
        numbers = numbers_of(connection, filters, most)
    wanted = {name: value for name, value in plain(asdict(filters)).items() if value not in (None, "")}
    about = {
        "by": person.login,
        "purpose": purpose,
        "filters": wanted,
        "mode": mode,
        "form": form,
        "rows": len(numbers),
    }
    log.append("exports", "exported", about)
    manifest = {
        "kind": KIND, "version": 1, "at": now(), "algorithm": ALGORITHM, "public_keys": log.public_keys(), **about,
        "contains": "原文" if mode == "full" else "已脱敏文本；原文未导出",
    }  # fmt: skip
    records = _records(database, log, numbers, mode, firm)
    return _jsonl(manifest, records) if form == "jsonl" else _csv(manifest, records)


def check(lines: Iterable[str], public_keys: Mapping[str, str] | None = None) -> list[str]:
    """What does not hold in an export of the form "jsonl"; empty when all of it is proved. `public_keys` are those the
    reader trusts; without them the export's own are taken."""
    rows = iter(lines)
    manifest = json.loads(next(rows))
    keys = {name: public_key(text) for name, text in (public_keys or manifest["public_keys"]).items()}
    problems = []
    for line in rows:
        record = json.loads(line)
        if reason := _disproved(record, keys):
            problems.append(f"{record.get('id')}：{reason}")
    return problems


def _disproved(record: Mapping[str, Any], keys: Mapping[str, Any]) -> str | None:
    proof = record["proof"]
    if row_hash(record) != record["hash"]:
        return "内容与哈希不符"
    running = START if proof["before"] is None else str(proof["before"]["digest"])
    for digest in proof["hashes"]:
        running = extend(running, digest)
    if running != proof["head"]["digest"] or record["hash"] not in proof["hashes"]:
        return "哈希不在签名头所证明的位置"
    for head in (proof["before"], proof["head"]):
        if head is not None and not any(signed_by(head, key) for key in keys.values()):
            return "签名头不是由所信任的密钥签署"
    place = proof["head"].get("first", proof["head"]["number"]) + proof["hashes"].index(record["hash"])
    return None if place == record["number"] else "序号与证明不符"


def _records(
    database: Database, log: Log, numbers: list[int], mode: Mode, firm: Mapping[str, Any]
) -> Iterator[dict[str, Any]]:
    for start in range(0, len(numbers), 200):
        query = select(log_turns).where(log_turns.c.number.in_(numbers[start : start + 200]))
        with database.reading() as connection:
            rows = connection.execute(query.order_by(log_turns.c.number)).all()
            for row in rows:
                record: dict[str, Any] = dict(row._mapping)
                record["proof"] = _proof(connection, log, row.number)
                if row.event == "turn":
                    record["aigc"] = aigc(row.id, firm)
                if mode == "full":
                    record["raw"] = _raw(connection, log, row.id)
                yield record


def _proof(connection: Any, log: Log, number: int) -> dict[str, Any] | None:
    """The signed head of the event's commit, the one before, and the row hashes between."""
    head = log.head_of(number)
    if head is None:
        return None
    first = head.get("first", head["number"])
    query = select(log_turns.c.hash).where(log_turns.c.number.between(first, head["number"]))
    hashes = list(connection.execute(query.order_by(log_turns.c.number)).scalars())
    return {"before": log.head_of(first - 1) if first > 1 else None, "hashes": hashes, "head": head}


def aigc(turn: str, firm: Mapping[str, Any]) -> dict[str, str]:
    """The implicit label of generated text (GB 45438-2025): who produced it and under which number."""
    producer = str(firm.get("name") or "")
    return {
        "Label": "1", "ContentProducer": producer, "ProduceID": turn, "ReservedCode1": "",
        "ContentPropagator": producer, "PropagateID": turn, "ReservedCode2": "",
    }  # fmt: skip


def _raw(connection: Any, log: Log, turn: str) -> dict[str, str]:
    try:
        return personal.open_texts(connection, log.vault, turn)
    except personal.Restricted:
        return {"restricted": "已限制处理"}


def _jsonl(manifest: Mapping[str, Any], records: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    yield json.dumps(manifest, ensure_ascii=False) + "\n"
    for record in records:
        yield json.dumps(record, ensure_ascii=False) + "\n"


def _csv(manifest: Mapping[str, Any], records: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """With a byte order mark, so that spreadsheets read Chinese; the manifest is the first row's remark."""
    yield "\ufeff" + _line(["# " + json.dumps(manifest, ensure_ascii=False)]) + _line(COLUMNS)
    for record in records:
        body = json.loads(record["body"])
        reply = body.get("reply") or {}
        shown = {
            **record, "channel": body.get("channel", ""), "outcome": reply.get("outcome", ""),
            "intent": reply.get("intent", ""), "question": body.get("question", ""),
            "reply": reply.get("text") or body.get("text", ""), "citations": reply.get("citations", []),
            "findings": reply.get("findings", []),
        }  # fmt: skip
        yield _line([_cell(shown.get(name)) for name in COLUMNS])


def _cell(value: Any) -> str:
    """A cell's text; what a spreadsheet would run as a formula is quoted."""
    if value is None:
        return ""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text


def _line(cells: Iterable[str]) -> str:
    buffer = io.StringIO()
    csv.writer(buffer).writerow(list(cells))
    return buffer.getvalue()
