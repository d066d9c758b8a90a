"""Record classes: how long raw personal text is kept, and what erasing does to it (个人信息保护法 art. 47)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import yaml

FILE = Path(__file__).with_name("retention.yaml")


@dataclass(frozen=True, slots=True)
class RecordClass:
    """One class of records. `on_erase`: what a customer's wish does before `keep_years` have passed."""

    name: str
    title: str
    keep_years: int
    on_erase: Literal["delete", "restrict"]
    basis: str
    when: Mapping[str, Any]

    def holds(self, event: str, body: Mapping[str, Any]) -> bool:
        """Whether a record belongs here."""
        intent = body.get("reply", {}).get("intent") if isinstance(body.get("reply"), Mapping) else body.get("intent")
        return (
            ("event" not in self.when or event in self.when["event"])
            and ("intent" not in self.when or intent in self.when["intent"])
            and all(body.get(name) for name in self.when.get("has", ()))
        )

    def ends(self, recorded_at: str) -> str:
        """The moment until which a record of `recorded_at` is kept, ISO."""
        moment = datetime.fromisoformat(recorded_at)
        try:
            return moment.replace(year=moment.year + self.keep_years).isoformat(timespec="milliseconds")
        except ValueError:  # 29 February
            return moment.replace(year=moment.year + self.keep_years, day=28).isoformat(timespec="milliseconds")


@lru_cache(maxsize=1)
def classes() -> Mapping[str, RecordClass]:
    """The classes of the data file by name, in their order."""
    loaded = yaml.safe_load(FILE.read_text("utf-8"))["classes"]
    return {
        name: RecordClass(name, one["title"], int(one["keep_years"]), one["on_erase"], one["basis"], one["when"])
        for name, one in loaded.items()
    }


def class_of(event: str, body: Mapping[str, Any]) -> str:
    """The name of the class a record belongs to."""
    return next(name for name, one in classes().items() if one.holds(event, body))
