"""Figures of a period: volume, outcomes, handoff, findings, what went unanswered, latency, satisfaction."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from sqlalchemy import func, select

from assistant.compliance.index import LATENCY_STEP
from assistant.compliance.tables import daily
from knowledge.records.database import Database


@dataclass(frozen=True, slots=True)
class Figures:
    """Counts of turns unless said otherwise. Rates 0..1, None without a base. Latencies in ms, within 10%."""

    turns: int
    by_day: Mapping[str, int]
    by_channel: Mapping[str, int]
    outcomes: Mapping[str, int]
    intents: Mapping[str, int]
    writers: Mapping[str, int]
    handoff_rate: float | None
    findings: Mapping[str, int]
    actions: Mapping[str, int]
    unanswered: int
    unanswered_rate: float | None
    latency_p50: int | None
    latency_p95: int | None
    up: int
    down: int
    satisfaction: float | None
    staff_replies: int


def figures(database: Database, since: date, until: date, channel: str | None = None) -> Figures:
    """The figures of the days `since` to `until`, inclusive."""
    total = func.sum(daily.c.count)
    query = select(daily.c.day, daily.c.channel, daily.c.measure, daily.c.value, total).where(
        daily.c.day.between(since.isoformat(), until.isoformat())
    )
    if channel is not None:
        query = query.where(daily.c.channel == channel)
    by: dict[str, Counter[str]] = defaultdict(Counter)
    days: Counter[str] = Counter()
    channels: Counter[str] = Counter()
    with database.reading() as connection:
        grouped = query.group_by(daily.c.day, daily.c.channel, daily.c.measure, daily.c.value)
        for day, where, measure, value, count in connection.execute(grouped):
            by[measure][value] += int(count)
            if measure == "outcome":
                days[day] += int(count)
                channels[where] += int(count)
    turns = by["outcome"].total()
    up, down = by["feedback"]["up"], by["feedback"]["down"]
    unanswered = by["unanswered"].total()
    return Figures(
        turns=turns,
        by_day=dict(sorted(days.items())),
        by_channel=dict(channels.most_common()),
        outcomes=dict(by["outcome"].most_common()),
        intents=dict(by["intent"].most_common()),
        writers=dict(by["writer"].most_common()),
        handoff_rate=_rate(by["outcome"]["handoff"], turns),
        findings=dict(by["finding"].most_common()),
        actions=dict(by["action"].most_common()),
        unanswered=unanswered,
        unanswered_rate=_rate(unanswered, turns),
        latency_p50=_percentile(by["latency"], 0.5),
        latency_p95=_percentile(by["latency"], 0.95),
        up=up,
        down=down,
        satisfaction=_rate(up, up + down),
        staff_replies=by["event"]["staff_reply"] + by["event"]["outbound"],
    )


def _rate(part: int, whole: int) -> float | None:
    return round(part / whole, 4) if whole else None


def _percentile(buckets: Mapping[str, int], share: float) -> int | None:
    """The upper edge of the bucket where `share` of all is reached."""
    total = sum(buckets.values())
    if not total:
        return None
    seen = 0
    for bucket in sorted(buckets, key=int):
        seen += buckets[bucket]
        if seen >= share * total:
            return round(LATENCY_STEP ** int(bucket))
    return None
