"""Settings of the desk: data of `desk.yaml`, and the firm's opening hours as its facts say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from assistant.log import SHANGHAI

LOOK_AHEAD_DAYS = 60


@lru_cache(maxsize=1)
def rules() -> Mapping[str, Any]:
    """The data file, read once."""
    loaded: Mapping[str, Any] = yaml.safe_load(Path(__file__).with_name("desk.yaml").read_text("utf-8"))
    return loaded


@dataclass(frozen=True, slots=True)
class Hours:
    """When people are at the desks. `days` are ISO weekdays, 1 is Monday; `holidays` are closed days besides."""

    days: frozenset[int]
    opens: time
    closes: time
    holidays: frozenset[date]
    words: str

    def working(self, day: date) -> bool:
        """Whether anybody works on a day."""
        return day.isoweekday() in self.days and day not in self.holidays

    def open_at(self, moment: datetime) -> bool:
        """Whether the desks are open; the closing minute itself is closed."""
        local = moment.astimezone(SHANGHAI)
        return self.working(local.date()) and self.opens <= local.time() < self.closes

    def next_opening(self, moment: datetime) -> datetime | None:
        """When the desks open next; None when no working day is in sight."""
        local = moment.astimezone(SHANGHAI)
        for ahead in range(LOOK_AHEAD_DAYS):
            day = local.date() + timedelta(days=ahead)
            opening = datetime.combine(day, self.opens, SHANGHAI)
            if self.working(day) and opening > local:
                return opening
        return None

    def after(self, day: date, working_days: int) -> date:
        """The day that many working days later."""
        left = working_days
        for _ in range(366 * 2):
            if left <= 0:
                break
            day += timedelta(days=1)
            left -= self.working(day)
        return day


def hours(facts: Mapping[str, Any]) -> Hours:
    """The opening hours of a firm. A fact that cannot be read gives way to the default."""
    given = rules()
    opens, closes = _clock(facts.get("opens"), given["opens"]), _clock(facts.get("closes"), given["closes"])
    days = frozenset(_numbers(facts.get("working_days")) or given["working_days"])
    words = str(facts.get("hours") or f"{opens:%H:%M}–{closes:%H:%M}")
    return Hours(days, opens, closes, frozenset(_days(facts.get("holidays"))), words)


def quiet(facts: Mapping[str, Any], moment: datetime) -> datetime | None:
    """When the quiet hours around `moment` end; None when it is not quiet. They may run over midnight."""
    given = facts.get("quiet_hours") or rules()["quiet_hours"]
    default = rules()["quiet_hours"]
    begins, ends = _clock(given[0], default[0]), _clock(given[1], default[1])
    local = moment.astimezone(SHANGHAI)
    now = local.time()
    inside = begins <= now < ends if begins <= ends else now >= begins or now < ends
    if not inside:
        return None
    day = local.date() + timedelta(days=1 if now >= ends else 0)
    return datetime.combine(day, ends, SHANGHAI)


def number(facts: Mapping[str, Any], name: str) -> int:
    """A setting that a fact of the firm may overrule."""
    value = facts.get(name)
    return value if isinstance(value, int) and value > 0 else int(rules()[name])


def _clock(value: Any, default: str) -> time:
    try:
        return time.fromisoformat(str(value))
    except ValueError:
        return time.fromisoformat(default)


def _numbers(value: Any) -> list[int]:
    return [day for day in value if isinstance(day, int) and 1 <= day <= 7] if isinstance(value, list) else []


def _days(value: Any) -> list[date]:
    found = []
    for day in value if isinstance(value, list) else ():
        try:
            found.append(date.fromisoformat(str(day)))
        except ValueError:
            continue
    return found
