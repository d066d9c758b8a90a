"""Quality figures of a period: how soon people answer, how long it takes, what becomes of drafts and scripts, what the
screening stopped and for whom, what customers thought. Nothing here counts sales."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select

from assistant.desk.desk import Desk
from assistant.desk.runs import Run
from assistant.desk.scripts import Script
from assistant.desk.tables import checks, drafts
from assistant.desk.values import Ticket

MOST_NAMED = 100


@dataclass(frozen=True, slots=True)
class Spread:
    """Seconds: how many, the middle one, and the one that nine in ten do not exceed; None of none."""

    count: int
    p50: float | None
    p90: float | None


def figures(desk: Desk, since: float, until: float, scripts: Callable[[], Sequence[Script]]) -> dict[str, Any]:
    """All figures of a period as JSON. Each names the conversations behind it, at most 100."""
    opened = desk.tickets.between(since, until)
    sent = desk.outbox.between(since, until)
    runs = desk.runs.between(since, until)
    names = {one.id: one.name for one in desk.presence.known().values()}
    return {
        "tickets": len(opened),
        "by_intent": dict(Counter(one.intent for one in opened)),
        "by_end": dict(Counter(one.end_reason for one in opened if one.end_reason)),
        "out_of_hours": sum(not one.in_hours for one in opened),
        "first_response_s": _spread(opened, lambda one: _gap(one.opened_at, one.first_reply_at, one.in_hours)),
        "handling_s": _spread(opened, lambda one: _gap(one.claimed_at, one.ended_at, True)),
        "drafts": _drafts(desk, since, until),
        "messages": dict(Counter(one.body["draft"]["acceptance"] for one in sent)),
        "overrides": sum(bool(one.body["override"]) for one in sent),
        "blocks": _blocks(desk, since, until, names),
        "satisfaction": _satisfaction(opened),
        "scripts": [_script(one, runs) for one in scripts()],
        "complaints": _complaints(desk, since, until),
    }


def _spread(found: Sequence[Ticket], seconds: Callable[[Ticket], float | None]) -> dict[str, Any]:
    known = sorted((spent, one) for one in found if (spent := seconds(one)) is not None) if found else []
    values = [spent for spent, _ in known]
    spread = Spread(len(values), _at(values, 0.5), _at(values, 0.9))
    slowest = [one.conversation for _, one in reversed(known[-MOST_NAMED:])]
    return {"count": spread.count, "p50": spread.p50, "p90": spread.p90, "slowest": slowest}


def _gap(begun: float | None, ended: float | None, counts: bool) -> float | None:
    return ended - begun if counts and begun is not None and ended is not None else None


def _at(values: Sequence[float], part: float) -> float | None:
    return round(values[min(len(values) - 1, int(part * len(values)))], 1) if values else None


def _drafts(desk: Desk, since: float, until: float) -> dict[str, int]:
    """What became of drafts that had words: sent as they were, edited, discarded, or left lying."""
    query = select(drafts.c.state).where(drafts.c.at >= since, drafts.c.at < until, drafts.c.body != "")
    with desk.database.reading() as connection:
        counted = Counter(connection.execute(query).scalars())
    return {state: counted.get(state, 0) for state in ("sent", "edited", "discarded", "open")}


def _blocks(desk: Desk, since: float, until: float, names: dict[str, str]) -> list[dict[str, Any]]:
    """For each person and code: how many texts were stopped or sent with a reason, and in which conversations."""
    query = select(checks).where(checks.c.at >= since, checks.c.at < until, checks.c.outcome != "passed")
    found: dict[tuple[str, str], dict[str, Any]] = {}
    with desk.database.reading() as connection:
        for row in connection.execute(query.order_by(checks.c.at)):
            for code in row.codes:
                one = found.setdefault(
                    (row.member, code),
                    {"member": row.member, "name": names.get(row.member, row.member), "code": code, "blocked": 0,
                     "revise": 0, "override": 0, "conversations": []},
                )  # fmt: skip
                one[row.outcome] += 1
                if row.conversation not in one["conversations"] and len(one["conversations"]) < MOST_NAMED:
                    one["conversations"].append(row.conversation)
    return sorted(found.values(), key=lambda one: (one["name"], one["code"]))


def _satisfaction(found: Sequence[Ticket]) -> dict[str, Any]:
    rated = [one for one in found if one.rating is not None]
    low = [one.conversation for one in rated if (one.rating or 0) <= 2]
    mean = round(sum(one.rating or 0 for one in rated) / len(rated), 2) if rated else None
    return {"count": len(rated), "mean": mean, "by_rating": dict(Counter(str(one.rating) for one in rated)), "low": low}


def _script(script: Script, runs: Sequence[Run]) -> dict[str, Any]:
    """How often a script was begun and completed, and after which step it was dropped."""
    mine = [one for one in runs if one.script == script.document]
    dropped = Counter(max(one.numbers, default=0) for one in mine if one.status == "dropped")
    return {
        "script": script.document,
        "title": script.title,
        "begun": len(mine),
        "completed": sum(one.status == "completed" for one in mine),
        "running": sum(one.status == "running" for one in mine),
        "dropped_after": {str(step): count for step, count in sorted(dropped.items())},
    }


def _complaints(desk: Desk, since: float, until: float) -> dict[str, Any]:
    ledger = [one for one in desk.complaints.ledger() if since <= one.opened_at < until]
    rated = [one.satisfaction for one in ledger if one.satisfaction is not None]
    spent = sorted(one.answered_at - one.opened_at for one in ledger if one.answered_at is not None)
    return {
        "opened": len(ledger),
        "answered": sum(one.status in ("answered", "closed") for one in ledger),
        "closed": sum(one.status == "closed" for one in ledger),
        "answer_days_p50": None if not spent else round((_at(spent, 0.5) or 0) / 86_400, 1),
        "satisfaction": round(sum(rated) / len(rated), 2) if rated else None,
    }
