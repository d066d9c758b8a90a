"""Search over everything that was said: text and any combination of filters, newest first, page by page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal

from sqlalchemy import Connection, Row, Select, Text, bindparam, column, func, select, table, text

from assistant.compliance.tables import findings, turns
from assistant.compliance.words import Filter, filter_word, server_query, sqlite_query, version_of, words
from assistant.ledger.tables import log_turns
from assistant.log import entry_of
from knowledge.records.database import Database

PAGE = 50
COUNTED = 1000
SNIPPET = 120
SINGLE: tuple[Filter, ...] = (
    "event",
    "channel",
    "outcome",
    "intent",
    "customer",
    "staff",
    "product",
    "document",
    "finding",
)


@dataclass(frozen=True, slots=True)
class Filters:
    """What to look for; all that is given must hold. `customer` is the pseudonym, `version` wants `document` too.
    `since` and `until` are days, inclusive."""

    text: str = ""
    customer: str | None = None
    product: str | None = None
    document: str | None = None
    version: str | None = None
    finding: str | None = None
    staff: str | None = None
    channel: str | None = None
    outcome: str | None = None
    intent: str | None = None
    event: str | None = None
    feedback: Literal["up", "down"] | None = None
    unanswered: bool | None = None
    since: date | None = None
    until: date | None = None


@dataclass(frozen=True, slots=True)
class Hit:
    """One event found."""

    number: int
    turn: str
    conversation: str
    event: str
    at: str
    channel: str
    outcome: str
    intent: str
    customer: str | None
    staff: str | None
    feedback: str | None
    weight: int
    findings: tuple[str, ...]
    question: str
    said: str


@dataclass(frozen=True, slots=True)
class Page:
    """Hits, newest first. `after` continues: the number to ask for events before. `count` stops at 1000 (`more`)."""

    hits: tuple[Hit, ...]
    after: int | None
    count: int | None
    more: bool = False


def search(database: Database, filters: Filters, *, before: int | None = None, size: int = PAGE) -> Page:
    """One page. The number of hits is counted with the first page only."""
    with database.reading() as connection:
        query = _query(connection, filters)
        if query is None:
            return Page((), None, 0)
        number = query.selected_columns[0]
        narrowed = query if before is None else query.where(number < before)
        numbers = list(connection.execute(narrowed.order_by(number.desc()).limit(size + 1)).scalars())
        count = None
        if before is None:
            limited = query.limit(COUNTED + 1).subquery()
            count = int(connection.execute(select(func.count()).select_from(limited)).scalar() or 0)
        hits = _hits(connection, numbers[:size])
    after = numbers[size - 1] if len(numbers) > size else None
    return Page(hits, after, None if count is None else min(count, COUNTED), (count or 0) > COUNTED)


def numbers_of(connection: Connection, filters: Filters, most: int) -> list[int]:
    """The numbers of the newest `most` events that fit, oldest first."""
    query = _query(connection, filters)
    if query is None:
        return []
    number = query.selected_columns[0]
    return sorted(connection.execute(query.order_by(number.desc()).limit(most)).scalars())


def hits_of(connection: Connection, numbers: Sequence[int]) -> tuple[Hit, ...]:
    """Events by number, in the order given."""
    return _hits(connection, numbers)


def wanted_words(filters: Filters) -> set[str]:
    """The words an event must hold to fit: those of the text, and those that stand for filters."""
    found = words(filters.text)
    for name in SINGLE:
        if value := getattr(filters, name):
            found.add(filter_word(name, value))
    if filters.version and filters.document:
        found.add(filter_word("version", version_of(filters.document, filters.version)))
    return found


def _query(connection: Connection, filters: Filters) -> Select[Any] | None:
    """Numbers of the events that fit, in no order yet. None when nothing can fit."""
    wanted = wanted_words(filters)
    if filters.text.strip() and not words(filters.text):
        return None
    span = _numbers_between(connection, filters.since, filters.until)
    if span is None:
        return None
    columns = []
    if filters.feedback is not None:
        columns.append(turns.c.feedback == filters.feedback)
    if filters.unanswered is not None:
        columns.append(turns.c.unanswered == filters.unanswered)
    if filters.since is not None:
        columns.append(turns.c.day >= filters.since.isoformat())
    if filters.until is not None:
        columns.append(turns.c.day <= filters.until.isoformat())
    if not wanted:
        query = select(turns.c.number).where(*columns)
        return query if span == (None, None) else query.where(turns.c.number.between(*span))
    number, query = _by_words(connection, wanted)
    if span != (None, None):
        query = query.where(number.between(*span))
    if columns:
        query = query.join(turns, turns.c.number == number).where(*columns)
    return query


def _by_words(connection: Connection, wanted: set[str]) -> tuple[Any, Select[Any]]:
    if connection.dialect.name == "sqlite":
        index = table("search_words", column("rowid"), column("search_words"))
        number = index.c.rowid
        match = text("search_words MATCH :wanted").bindparams(bindparam("wanted", sqlite_query(wanted)))
        return number, select(number).select_from(index).where(match)
    index = table("search_words", column("number"), column("words"))
    match = text("search_words.words @@ CAST(:wanted AS tsquery)")
    bound = match.bindparams(bindparam("wanted", server_query(wanted), type_=Text))
    return index.c.number, select(index.c.number).select_from(index).where(bound)


def _numbers_between(
    connection: Connection, since: date | None, until: date | None
) -> tuple[int | None, int | None] | None:
    """The numbers days begin and end with, since events are logged in the order of time; None when there are none."""
    if since is None and until is None:
        return (None, None)
    days = select(turns.c.number)
    low = high = None
    if since is not None:
        low = connection.execute(_edge(days.where(turns.c.day >= since.isoformat()), newest=False)).scalar()
    if until is not None:
        high = connection.execute(_edge(days.where(turns.c.day <= until.isoformat()), newest=True)).scalar()
    if (since is not None and low is None) or (until is not None and high is None):
        return None
    return (low or 0, high or 2**31 - 1)


def _edge(query: Select[Any], *, newest: bool) -> Select[Any]:
    order = (turns.c.day.desc(), turns.c.number.desc()) if newest else (turns.c.day, turns.c.number)
    return query.order_by(*order).limit(1)


def _hits(connection: Connection, numbers: Sequence[int]) -> tuple[Hit, ...]:
    if not numbers:
        return ()
    rows = connection.execute(select(turns).where(turns.c.number.in_(numbers))).all()
    bodies = {
        row.number: row for row in connection.execute(select(log_turns).where(log_turns.c.number.in_(numbers))).all()
    }
    codes: dict[int, list[str]] = {}
    for row in connection.execute(select(findings).where(findings.c.number.in_(numbers))):
        codes.setdefault(row.number, []).append(row.code)
    known = {row.number: row for row in rows}
    return tuple(_hit(known[n], bodies[n], codes.get(n, [])) for n in numbers if n in known and n in bodies)


def _hit(row: Row[Any], logged: Row[Any], codes: Sequence[str]) -> Hit:
    body: Mapping[str, Any] = entry_of(dict(logged._mapping)).body
    reply = body.get("reply") or {}
    said = reply.get("body") or body.get("text") or ""
    return Hit(
        row.number, row.turn, row.conversation, row.event, row.at, row.channel, row.outcome, row.intent, row.customer,
        row.staff, row.feedback, row.weight, tuple(sorted(codes)), str(body.get("question", ""))[:SNIPPET],
        str(said)[:SNIPPET],
    )  # fmt: skip
