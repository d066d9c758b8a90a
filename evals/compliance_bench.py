"""Times what the compliance desk asks, over synthetic turns in SQLite or PostgreSQL: search, open, review, recall,
figures; and how long proving the log takes.

`python -m evals.compliance_bench --turns 1000000 --work DIR [--database URL] [--json]`
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import date, timedelta
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

from sqlalchemy import insert, select, text

from assistant.compliance import index
from assistant.compliance.evidence import conversation
from assistant.compliance.overview import figures
from assistant.compliance.recall import customers_of, recall
from assistant.compliance.review import Reviews
from assistant.compliance.search import Filters, search
from assistant.compliance.tables import turns
from assistant.ledger.form import START, canonical, extend, now
from assistant.ledger.keys import Keys
from assistant.ledger.mark import Mark
from assistant.ledger.tables import log_turns
from assistant.log import Log, entry_of
from evals.bench import percentiles
from evals.synthetic import CODES, rows
from evals.workbench import STARTER
from knowledge.reading import Unreadable, cut, read
from knowledge.records.database import Database
from knowledge.records.materials import Materials

CHUNK = 5000
ASKED = 60
LAST_DAY = date(2026, 11, 22)
WORDS = (
    "创业板",
    "手续费",
    "基金赎回",
    "风险测评",
    "开户",
    "印花税",
    "可转债 申购",
    "港股通 额度",
    "身份证 过期",
    "融资融券",
)


def sentences() -> list[str]:
    """Sentences of the starter materials."""
    found: list[str] = []
    for path in sorted(STARTER.rglob("*.md")):
        try:
            source = read(path)
        except Unreadable:
            continue
        for passage in cut(source, revision=""):
            found += [piece.strip() + "。" for piece in passage.text.split("。") if 8 < len(piece.strip()) < 120]
    return sorted(set(found))


def load(database: Database, work: Path, count: int, said: Sequence[str], every: int = 1) -> None:
    """Write synthetic turns into log and search tables, with a signed head for each `every` turns, as served ones
    have."""
    keys = Keys(work / "keys" / "log.key")
    made: Iterator[dict[str, Any]] = rows(count, list(said))
    running, done = START, 0
    while chunk := list(islice(made, CHUNK)):
        with database.writing() as connection:
            connection.execute(insert(log_turns), chunk)
            index.take_in(connection, [entry_of(row) for row in chunk])
        heads: list[str] = []
        for place, row in enumerate(chunk, start=1):
            running = extend(running, row["hash"])
            if place % every == 0 or place == len(chunk):
                first = row["number"] - (place - 1) % every
                head = {"first": first, "number": row["number"], "digest": running, "at": row["recorded_at"]}
                heads.append(canonical(keys.signed(head)) + "\n")
        with (work / "heads.log").open("a") as file:
            file.writelines(heads)
        done += len(chunk)
        print(f"\r{done}/{count}", end="", file=sys.stderr)
    print(file=sys.stderr)
    Mark(work / "keys" / "log.mark", keys).write({"number": done, "digest": running, "at": now()})
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("ANALYZE"))


def measure(database: Database, log: Log, materials: Materials) -> dict[str, Any]:
    """{stage: percentiles in ms}."""
    drawn = random.Random(3)
    with database.reading() as connection:
        newest = connection.execute(select(turns.c.number).order_by(turns.c.number.desc()).limit(1)).scalar() or 0
        chosen = drawn.sample(range(1, newest + 1), min(200, newest))
        some = connection.execute(select(turns).where(turns.c.number.in_(chosen))).all()
    people = [row.customer for row in some if row.customer]
    searches = [_filters(drawn, people) for _ in range(ASKED)]
    reviews = Reviews(database, log)
    asked: dict[str, list[Callable[[], Any]]] = {
        "search": [partial(search, database, one) for one in searches],
        "open": [partial(conversation, database, log, materials, {}, row.conversation) for row in some[:ASKED]],
        "review": [partial(reviews.queue, skip=n * 50) for n in range(20)],
        "ageing": [reviews.ageing] * 10,
        "recall": [
            partial(recall, database, f"doc-{document:05d}", str(version))
            for document in (0, 1, 2, 5, 20, 100, 399)
            for version in (1, 2, 3)
        ],
        "recall_customers": [partial(customers_of, database, f"doc-{n:05d}", "1") for n in (0, 1, 5, 50, 399)],
        "overview": [
            partial(figures, database, LAST_DAY - timedelta(days=days), LAST_DAY) for days in (1, 7, 30, 90, 366) * 4
        ],
    }
    return {stage: percentiles([_ms(call) for call in calls]) for stage, calls in asked.items()}


def prove(log: Log) -> dict[str, Any]:
    """Seconds for a check of everything, then for one that relies on the checkpoint the first left."""
    full = _ms(lambda: log.prove(full=True)) / 1000
    again = _ms(log.prove) / 1000
    proof = log.prove()
    return {"turns": proof.turns, "broken": len(proof.broken), "full_s": round(full, 1), "again_s": round(again, 1)}


def main(arguments: Sequence[str] | None = None) -> int:
    """Make the turns when they are not there yet, then measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--turns", type=int, default=100_000)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--database", default=None, help="a PostgreSQL address; SQLite in the folder without it")
    parser.add_argument("--every", type=int, default=1, help="turns a commit")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(arguments)
    options.work.mkdir(parents=True, exist_ok=True)
    database = Database(options.database or f"sqlite:///{options.work / 'heshi.db'}")
    log = Log(database, options.work / "heads.log", options.work / "keys" / "log.key")
    begun = time.perf_counter()
    if not log.entries(0, 1):
        load(database, options.work, options.turns, sentences(), options.every)
    found = {"load_s": round(time.perf_counter() - begun), **measure(database, log, Materials(database))}
    found["prove"] = prove(log)
    print(json.dumps(found, ensure_ascii=False, indent=None if options.json else 1))
    return 0


def _filters(drawn: random.Random, people: Sequence[str]) -> Filters:
    """A search as compliance asks: words, or filters, or both."""
    kind = drawn.randrange(8)
    words = drawn.choice(WORDS)
    since = LAST_DAY - timedelta(days=drawn.choice((7, 30, 180, 365)))
    return [
        Filters(text=words),
        Filters(text=words, since=since, until=LAST_DAY),
        Filters(customer=drawn.choice(people) if people else None),
        Filters(document=f"doc-{drawn.randrange(400):05d}", version="2"),
        Filters(finding=drawn.choice(CODES), channel="web"),
        Filters(text=words, outcome="handoff", channel="wecom_kf"),
        Filters(product=f"P{drawn.randrange(2000):06d}", since=since),
        Filters(outcome="refuse", unanswered=True, since=since),
    ][kind]


def _ms(call: Callable[[], Any]) -> float:
    begun = time.perf_counter()
    call()
    return (time.perf_counter() - begun) * 1000


if __name__ == "__main__":
    sys.exit(main())
