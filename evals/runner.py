"""Runs suites, compares with the committed baseline, and says what got worse.

A suite gives rates and counts. Dangerous counts (a trap that leaked) may never grow; a rate may not fall by more than
its 95% interval allows.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
BASELINE = HERE / "baseline.json"
Z = 1.96


@dataclass(frozen=True, slots=True)
class Rate:
    """`hits` of `total`; dangerous: hits are errors and none more than before is allowed."""

    name: str
    hits: int
    total: int
    dangerous: bool = False

    @property
    def value(self) -> float:
        return self.hits / self.total if self.total else 0.0

    def interval(self) -> tuple[float, float]:
        """Wilson's 95% interval."""
        if not self.total:
            return 0.0, 1.0
        n, p = self.total, self.value
        centre, spread = p + Z**2 / (2 * n), Z * math.sqrt(p * (1 - p) / n + Z**2 / (4 * n**2))
        return (centre - spread) / (1 + Z**2 / n), (centre + spread) / (1 + Z**2 / n)


@dataclass(frozen=True, slots=True)
class Failure:
    """One case that went wrong, readable by itself."""

    case: str
    what: str
    asked: str
    expected: str
    got: str


@dataclass(frozen=True, slots=True)
class Result:
    """What one suite measured."""

    suite: str
    rates: tuple[Rate, ...]
    failures: tuple[Failure, ...] = ()
    notes: Mapping[str, Any] = field(default_factory=dict)


Suite = Callable[[Path], Result]


def worse(results: Sequence[Result], baseline: Mapping[str, Any]) -> list[str]:
    """What got worse than the baseline, in words; empty when nothing did."""
    found = []
    for result in results:
        known = baseline.get(result.suite, {})
        for rate in result.rates:
            before = known.get(rate.name)
            if before is None:
                continue
            if rate.dangerous and rate.hits > before["hits"]:
                found.append(f"{result.suite}: {rate.name} {before['hits']} → {rate.hits} (dangerous)")
            old = Rate(rate.name, before["hits"], before["total"])
            if not rate.dangerous and rate.interval()[1] < old.value and rate.value < old.interval()[0]:
                found.append(f"{result.suite}: {rate.name} {old.value:.3f} → {rate.value:.3f}")
    return found


def table(results: Sequence[Result]) -> str:
    """All rates with their intervals, one line each."""
    lines = [f"{'suite':<22}{'measure':<30}{'value':>8}  {'95%':<16}{'n':>6}"]
    for result in results:
        for rate in result.rates:
            low, high = rate.interval()
            shown = f"{rate.hits}" if rate.dangerous else f"{rate.value:.3f}"
            span = "" if rate.dangerous else f"{low:.3f}–{high:.3f}"
            lines.append(f"{result.suite:<22}{rate.name:<30}{shown:>8}  {span:<16}{rate.total:>6}")
    return "\n".join(lines)


def as_baseline(results: Sequence[Result], before: Mapping[str, Any]) -> dict[str, Any]:
    """The baseline with these results in place of what it held of their suites."""
    fresh = {
        result.suite: {rate.name: {"hits": rate.hits, "total": rate.total} for rate in result.rates}
        for result in results
    }
    return dict(sorted((dict(before) | fresh).items()))


def read_baseline() -> dict[str, Any]:
    """The committed baseline; empty when there is none yet."""
    return json.loads(BASELINE.read_text(encoding="utf-8")) if BASELINE.exists() else {}


def failures_json(results: Sequence[Result]) -> str:
    """Every failure as JSONL."""
    rows = [{"suite": result.suite, **asdict(failure)} for result in results for failure in result.failures]
    return "\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
