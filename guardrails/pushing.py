"""Language that pushes a product on somebody, or says that it fits them: patterns and words of data/pushing.yaml."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

import yaml

from guardrails.normalise import DATA, Normalised
from guardrails.phrases import Lexicon, Place, Scan, matches

Kind = Literal["push", "match", "describe"]


@lru_cache(maxsize=1)
def wording() -> dict[str, Any]:
    """data/pushing.yaml as read."""
    raw: dict[str, Any] = yaml.safe_load((DATA / "pushing.yaml").read_text(encoding="utf-8"))
    return raw


@dataclass(frozen=True, slots=True)
class Told:
    """What one text says of products; places are half-open in the text it was read from, sorted."""

    places: Mapping[Kind, list[Place]]
    scan: Scan
    refusing: int

    def refuses(self, sentence: Place) -> bool:
        """Whether a sentence declines to speak of a product."""
        return self.scan.has(self.refusing, *sentence)


class Pushing:
    """The compiled patterns. Built once; `read` is safe to call from many threads."""

    def __init__(self) -> None:
        raw = wording()
        self._lexicon = Lexicon(raw["classes"], raw["compounds"])
        self._patterns = {k: [self._lexicon.pattern(p) for p in raw[k]] for k in ("push", "match", "describe")}
        self._deny = self._lexicon.words(raw["deny"])
        self._refuse = self._lexicon.words(raw["refuse"])
        self._lexicon.freeze()

    def read(self, reading: Normalised) -> Told:
        """Every place that pushes, matches or describes; what is denied in its clause neither pushes nor matches."""
        scan = self._lexicon.scan(reading)
        return Told({k: self._places(scan, k) for k in ("push", "match", "describe")}, scan, self._refuse)

    def _places(self, scan: Scan, kind: Kind) -> list[Place]:
        places: list[Place] = []
        for pattern in self._patterns[kind]:
            for parts in matches(pattern, scan):
                start, end = parts[0][0], parts[-1][1]
                left = max(scan.text.rfind(c, 0, start) for c in "。;!?\n,:") + 1
                if kind == "describe" or not scan.has(self._deny, left, end):
                    places.append((start, end))
        return sorted(places)
