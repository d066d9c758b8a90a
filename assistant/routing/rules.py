"""rules.yaml as values: concepts, patterns, gravity, thresholds, ellipsis. Data decides, code only reads it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from assistant.routing.model import INTENTS
from assistant.turn import Intent


@dataclass(frozen=True, slots=True)
class Rule:
    """A precise pattern for one intent. `unless` names the readings that look alike and are something else.

    A rule with `whole` must match all of the message; one that `settles` leaves no say to the model.
    """

    id: str
    intent: Intent
    pattern: re.Pattern[str]
    unless: re.Pattern[str] | None
    whole: bool
    settles: bool
    confidence: float
    reason: str

    def quote(self, text: str) -> str | None:
        """Return the words of normalised `text` this rule matches, or None."""
        match = self.pattern.fullmatch(text) if self.whole else self.pattern.search(text)
        if match is None or (self.unless is not None and self.unless.search(text)):
            return None
        return match.group().strip()


@dataclass(frozen=True, slots=True)
class FollowUp:
    """When a short message leans on the one before it."""

    longest: int
    pattern: re.Pattern[str]
    complete: re.Pattern[str]
    accepted: re.Pattern[str]
    offered: re.Pattern[str]
    inherits: frozenset[Intent]


@dataclass(frozen=True, slots=True)
class Rules:
    """Everything rules.yaml says. `gravity` lists intents, gravest first; thresholds are probabilities."""

    version: str
    concepts: Mapping[str, re.Pattern[str]]
    rules: tuple[Rule, ...]
    names: Mapping[Intent, str]
    gravity: tuple[Intent, ...]
    whole_threshold: Mapping[Intent, float]
    clause_threshold: Mapping[Intent, float]
    clause_break: re.Pattern[str]
    clause_least: int
    clause_most: int
    cautious: Mapping[Intent, float]
    reader_share: float
    reader_temperature: float
    ellipsis: FollowUp

    def rank(self, intent: Intent) -> int:
        """Return the place of `intent` in the order of gravity; 0 is gravest."""
        return self.gravity.index(intent)


def read_rules(path: Path) -> Rules:
    """Read rules.yaml. Raises ValueError or KeyError when an intent is unknown, missing or a pattern is broken."""
    data = yaml.safe_load(path.read_text(encoding="utf-8"))
    terms = {name: _alternatives(items) for name, items in data["terms"].items()}
    gravity = tuple(_intent(name) for name in data["gravity"])
    if sorted(gravity) != sorted(INTENTS):
        raise ValueError("gravity must list every intent once")
    return Rules(
        version=str(data["version"]),
        concepts={name: _compile(items, terms) for name, items in data["concepts"].items()},
        rules=tuple(_rule(item, terms) for item in data["rules"]),
        names={_intent(name): str(label) for name, label in data["names"].items()},
        gravity=gravity,
        whole_threshold=_thresholds(data["thresholds"]["whole"]),
        clause_threshold=_thresholds(data["thresholds"]["clause"]),
        clause_break=re.compile(data["clauses"]["break"]),
        clause_least=int(data["clauses"]["least"]),
        clause_most=int(data["clauses"]["most"]),
        cautious=_thresholds(data["thresholds"]["cautious"]),
        reader_share=float(data["reader"]["share"]),
        reader_temperature=float(data["reader"]["temperature"]),
        ellipsis=_ellipsis(data["ellipsis"], terms),
    )


def _intent(name: str) -> Intent:
    if name not in INTENTS:
        raise ValueError(f"unknown intent {name!r}")
    return name


def _thresholds(data: Mapping[str, float]) -> dict[Intent, float]:
    return {_intent(name): float(value) for name, value in data.items()}


def _alternatives(items: Sequence[str]) -> str:
    return "(?:" + "|".join(items) + ")"


def _compile(items: Sequence[str], terms: Mapping[str, str]) -> re.Pattern[str]:
    joined = "|".join(items)
    for name, alternatives in terms.items():
        joined = joined.replace("{" + name + "}", alternatives)
    return re.compile(joined)


def _rule(item: Mapping[str, Any], terms: Mapping[str, str]) -> Rule:
    return Rule(
        id=item["id"],
        intent=_intent(item["intent"]),
        pattern=_compile(item["any"], terms),
        unless=_compile(item["unless"], terms) if item.get("unless") else None,
        whole=bool(item.get("whole", False)),
        settles=bool(item.get("settles", False)),
        confidence=float(item["confidence"]),
        reason=item["reason"],
    )


def _ellipsis(data: Mapping[str, Any], terms: Mapping[str, str]) -> FollowUp:
    return FollowUp(
        longest=int(data["longest"]),
        pattern=_compile(data["pattern"], terms),
        complete=_compile(data["complete"], terms),
        accepted=_compile(data["accepted"], terms),
        offered=_compile(data["offered"], terms),
        inherits=frozenset(_intent(name) for name in data["inherits"]),
    )
