"""What a routing is worth: accuracy, precision and recall, confusion, leaks and wrong refusals."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final

from assistant.routing.model import INTENTS
from assistant.routing.training.dataset import Labelled

RETRIEVED: Final = ("education", "product", "account")
GUARDED: Final = ("fraud", "distress", "complaint", "illegal")
REFUSED: Final = ("advice", "attack", "out_of_scope", "illegal")


def leak(rows: Sequence[Labelled], routed: Sequence[str], intent: str) -> tuple[int, int]:
    """Return how many messages of a guarded intent reach retrieval, and how many there are."""
    got = [r for row, r in zip(rows, routed, strict=True) if row.intent == intent]
    return sum(r in RETRIEVED for r in got), len(got)


def served(rows: Sequence[Labelled], routed: Sequence[str], tag: str) -> tuple[int, int]:
    """Return how many messages to be answered, with `tag` if given, reach retrieval, and how many there are."""
    got = [r for row, r in zip(rows, routed, strict=True) if row.intent in RETRIEVED and (not tag or tag in row.tags)]
    return sum(r in RETRIEVED for r in got), len(got)


def print_report(title: str, rows: Sequence[Labelled], routed: Sequence[str], *, errors: bool = False) -> None:
    """Print all measures of `routed` against the labels of `rows`."""
    pairs = Counter((row.intent, r) for row, r in zip(rows, routed, strict=True))
    right = sum(n for (gold, got), n in pairs.items() if gold == got)
    print(f"\n== {title}: {len(rows)} messages, accuracy {right / len(rows):.4f}")
    print(f"{'intent':14}{'n':>6}{'precision':>11}{'recall':>8}   confused with")
    for intent in INTENTS:
        total = sum(n for (gold, _), n in pairs.items() if gold == intent)
        given = sum(n for (_, got), n in pairs.items() if got == intent)
        hit = pairs[(intent, intent)]
        wrong = sorted(((n, got) for (gold, got), n in pairs.items() if gold == intent and got != intent), reverse=True)
        others = " ".join(f"{got}:{n}" for n, got in wrong)
        print(f"{intent:14}{total:6}{hit / max(given, 1):11.3f}{hit / max(total, 1):8.3f}   {others}")
    for intent in GUARDED:
        lost, total = leak(rows, routed, intent)
        print(f"leak {intent:10} {lost}/{total} = {lost / max(total, 1):.4f}")
    for tag in ("", "lookalike", "compound"):
        kept, total = served(rows, routed, tag)
        if total:
            print(f"served {tag or 'all':10} {kept}/{total} = {kept / total:.4f}")
    if errors:
        for row, r in zip(rows, routed, strict=True):
            if r != row.intent:
                print(f"  {row.intent:12} -> {r:12} {row.text[:90]!r} {' '.join(row.tags)}")
