"""The tables derived from the log, filled in the transaction that logs. Whatever is missing is filled in afterwards, in
order, so that figures count everything once; and all of it can be built again from the log."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Connection, Table, delete, insert, select, text, update
from sqlalchemy.dialects import postgresql, sqlite

from assistant.compliance.reading import Read, read, rules, sampled
from assistant.compliance.tables import daily, findings, items, products, progress, sources, turns
from assistant.ledger.form import now
from assistant.ledger.tables import log_turns
from assistant.log import Entry, entry_of
from knowledge.records.database import Database

CATCH_UP_AT_ONCE = 50
BATCH = 500
LATENCY_STEP = 1.1
Counts = Counter[tuple[str, str, str, str]]


class SearchIndex:
    """What Log calls for every commit."""

    def fill(self, connection: Connection, entries: Sequence[Entry]) -> None:
        """Take in new events. When earlier ones are missing, a few are taken in first; with many, all wait."""
        if not entries:
            return
        known = int(connection.execute(select(progress.c.number)).scalar() or 0)
        first = entries[0].number
        if known + 1 != first:
            missing = _entries(connection, known, first, CATCH_UP_AT_ONCE + 1)
            if len(missing) > CATCH_UP_AT_ONCE:
                return
            entries = [*missing, *entries]
        take_in(connection, entries)


def catch_up(database: Database) -> int:
    """Take in every event that is missing; how many."""
    count = 0
    while True:
        with database.writing() as connection:
            _server_lock(connection)
            known = int(connection.execute(select(progress.c.number)).scalar() or 0)
            missing = _entries(connection, known, None, BATCH)
            if missing:
                take_in(connection, missing)
        count += len(missing)
        if len(missing) < BATCH:
            return count


def rebuild(database: Database) -> int:
    """Drop what is derived and take everything in again; reviews and their verdicts stay. How many events."""
    with database.writing() as connection:
        for table in (turns, sources, products, findings, daily):
            connection.execute(delete(table))
        if connection.dialect.name == "sqlite":
            connection.exec_driver_sql("INSERT INTO search_words(search_words) VALUES ('delete-all')")
        else:
            connection.exec_driver_sql("TRUNCATE search_words")
        connection.execute(update(progress).values(number=0))
    return catch_up(database)


def take_in(connection: Connection, entries: Sequence[Entry]) -> None:
    """Fill every table from events that follow on what is there."""
    found = [one for entry in entries if (one := read(entry)) is not None]
    rows = [_row(one) for one in found]
    if rows:
        connection.execute(insert(turns), rows)
        _words(connection, found)
        _put(connection, sources, (row for one in found for row in _source_rows(one)))
        _put(connection, products, ({"product": p, "number": one.entry.number} for one in found for p in one.products))
        _put(
            connection,
            findings,
            ({"code": code, "action": act, "number": one.entry.number} for one in found for code, act in one.findings),
        )
        _queue(connection, found)
    counts: Counts = Counter()
    for one in found:
        _count(counts, one)
    for entry in entries:
        if entry.event == "feedback":
            _feedback(connection, entry, counts)
    _add(connection, counts)
    connection.execute(update(progress).values(number=entries[-1].number))


def latency_bucket(ms: int) -> int:
    """The bucket of a latency; each is a tenth wider than the one before, so that percentiles are within 10%."""
    bucket, edge = 0, 1.0
    while edge < ms:
        edge *= LATENCY_STEP
        bucket += 1
    return bucket


def _entries(connection: Connection, after: int, before: int | None, limit: int) -> list[Entry]:
    query = select(log_turns).where(log_turns.c.number > after).order_by(log_turns.c.number).limit(limit)
    if before is not None:
        query = query.where(log_turns.c.number < before)
    return [entry_of(dict(row._mapping)) for row in connection.execute(query)]


def _row(one: Read) -> dict[str, Any]:
    entry = one.entry
    return {
        "number": entry.number, "turn": entry.id, "conversation": entry.conversation, "event": entry.event,
        "at": entry.recorded_at, "day": one.day, "channel": one.channel, "outcome": one.outcome, "intent": one.intent,
        "customer": one.customer, "staff": one.staff, "writer": one.writer, "latency": one.latency,
        "weight": one.weight, "unanswered": one.unanswered,
    }  # fmt: skip


def _source_rows(one: Read) -> list[dict[str, Any]]:
    return [
        {"document": source.document, "version": source.version, "number": one.entry.number, "channel": one.channel,
         "customer": one.customer, "conversation": one.entry.conversation, "quoted": source.quoted}
        for source in one.sources
    ]  # fmt: skip


def _words(connection: Connection, found: Sequence[Read]) -> None:
    """Sorted, so that the same event always leaves the same row."""
    if connection.dialect.name == "sqlite":
        rows = [{"number": one.entry.number, "words": " ".join(sorted(one.words()))} for one in found]
        connection.execute(text("INSERT INTO search_words(rowid, words) VALUES (:number, :words)"), rows)
    else:
        lists = [{"number": one.entry.number, "words": sorted(one.words())} for one in found]
        connection.execute(text("INSERT INTO search_words VALUES (:number, array_to_tsvector(:words))"), lists)


def _put(connection: Connection, table: Table, rows: Iterable[dict[str, Any]]) -> None:
    values = list(rows)
    if values:
        connection.execute(insert(table), values)


def _queue(connection: Connection, found: Sequence[Read]) -> None:
    """Queue for review what is risky, and what the sample draws."""
    chosen = [
        {"turn": one.entry.id, "number": one.entry.number, "conversation": one.entry.conversation,
         "queued_at": one.entry.recorded_at, "weight": one.weight, "status": "open",
         "why": "risk" if one.weight >= rules()["threshold"] else "sample"}
        for one in found
        if one.weight >= rules()["threshold"] or sampled(one.entry.id)
    ]  # fmt: skip
    if chosen:
        connection.execute(_insert(connection, items).on_conflict_do_nothing(), chosen)


def _feedback(connection: Connection, entry: Entry, counts: Counts) -> None:
    """What a customer thought of a turn; a bad word may put it on the queue."""
    verdict, turn = str(entry.body.get("verdict")), str(entry.body.get("turn"))
    row = connection.execute(select(turns).where(turns.c.turn == turn)).first()
    if row is None or verdict not in ("up", "down"):
        return
    weight = row.weight + rules()["feedback"].get(verdict, 0)
    connection.execute(update(turns).where(turns.c.number == row.number).values(feedback=verdict, weight=weight))
    counts[entry.recorded_at[:10], row.channel, "feedback", verdict] += 1
    connection.execute(update(items).where(items.c.turn == turn, items.c.status == "open").values(weight=weight))
    if weight >= rules()["threshold"]:
        values = {"turn": turn, "number": row.number, "conversation": row.conversation, "queued_at": now(),
                  "why": "risk", "weight": weight, "status": "open"}  # fmt: skip
        connection.execute(_insert(connection, items).on_conflict_do_nothing(), [values])


def _count(counts: Counts, one: Read) -> None:
    """What the overview adds up, a day and channel each."""
    here = (one.day, one.channel)
    counts[*here, "event", one.entry.event] += 1
    if one.entry.event != "turn":
        return
    counts[*here, "outcome", one.outcome] += 1
    counts[*here, "intent", one.intent] += 1
    counts[*here, "writer", one.writer] += 1
    if one.unanswered:
        counts[*here, "unanswered", one.intent] += 1
    if one.latency is not None:
        counts[*here, "latency", str(latency_bucket(one.latency))] += 1
    for code, action in one.findings:
        counts[*here, "finding", code] += 1
        counts[*here, "action", action] += 1


def _add(connection: Connection, counts: Counts) -> None:
    if not counts:
        return
    rows = [
        {"day": day, "channel": channel, "measure": measure, "value": value, "count": count}
        for (day, channel, measure, value), count in sorted(counts.items())
    ]
    statement = _insert(connection, daily)
    keys = [daily.c.day, daily.c.channel, daily.c.measure, daily.c.value]
    more = {"count": daily.c.count + statement.excluded["count"]}
    connection.execute(statement.on_conflict_do_update(index_elements=keys, set_=more), rows)


def _insert(connection: Connection, table: Table) -> Any:
    """An insert of the dialect at hand, which knows ON CONFLICT."""
    return sqlite.insert(table) if connection.dialect.name == "sqlite" else postgresql.insert(table)


def _server_lock(connection: Connection) -> None:
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(7264001)"))
