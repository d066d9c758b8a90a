"""Which products a text speaks of: names, codes and aliases of the records, found in one pass.

The longest name wins where names overlap; a code counts only between digit boundaries; book-title marks, spaces and
script variants do not hide a name.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import ahocorasick

from assistant.turn import Product
from guardrails.normalise import Normalised, normalise
from guardrails.phrases import Place

_MIN_NAME = 3
NAMED = "\ue800"  # one sign for the name of a product; classes of packs and of data/pushing.yaml list it


@dataclass(frozen=True, slots=True)
class Mention:
    """One place where a text names a product; `span` is half-open in the original, `place` in the normalised text."""

    product: Product
    span: tuple[int, int]
    place: tuple[int, int]


def _wordings(product: Product) -> Iterator[str]:
    """Every wording that names the product, normalised. Names shorter than three characters never count."""
    for wording in (product.name, *product.aliases):
        plain = normalise(wording).text.strip().replace(" ", "")
        if len(plain) >= _MIN_NAME or (len(plain) >= 2 and not plain.isascii()):
            yield plain
    if product.code.strip():
        yield product.code.strip().lower()


class ProductIndex:
    """All known products, searchable by what people call them. Built once, read by many threads."""

    def __init__(self, products: Iterable[Product]) -> None:
        by_wording: dict[str, list[Product]] = {}
        for product in products:
            for wording in _wordings(product):
                known = by_wording.setdefault(wording, [])
                if all(k.code != product.code for k in known):
                    known.append(product)
        self._automaton = ahocorasick.Automaton()
        for wording, named in by_wording.items():
            self._automaton.add_word(wording, (len(wording), tuple(named)))
        self._size = len(by_wording)
        if self._size:
            self._automaton.make_automaton()

    def mentions(self, text: Normalised) -> list[Mention]:
        """Mentions in reading order, longest first where they overlap. A wording shared by several gives each."""
        if not self._size:
            return []
        hits: list[tuple[int, int, tuple[Product, ...]]] = []
        for last, (length, named) in self._automaton.iter(text.text):
            start, end = last - length + 1, last + 1
            if _bounded(text.text, start, end):
                hits.append((start, end, named))
        hits.sort(key=lambda h: (h[0] - h[1], h[0]))
        taken: list[tuple[int, int, tuple[Product, ...]]] = []
        for start, end, named in hits:
            if all(end <= s or start >= e for s, e, _ in taken):
                taken.append((start, end, named))
        return [Mention(p, text.span(s, e), (s, e)) for s, e, named in sorted(taken, key=lambda t: t[0]) for p in named]

    def find(self, text: str) -> list[tuple[Product, tuple[int, int]]]:
        """Products named in `text` with half-open spans of the original text, in reading order."""
        return [(m.product, m.span) for m in self.mentions(normalise(text))]


def named_once(
    reading: Normalised, mentions: Sequence[Mention], places: Collection[Place]
) -> tuple[Normalised, list[Mention]]:
    """`reading` with the names at `places` (disjoint) each as the one sign NAMED, and the mentions placed in it."""
    if not places:
        return reading, list(mentions)
    out: list[str] = []
    starts: list[int] = []
    ends: list[int] = []
    moved = list(range(len(reading.text) + 1))
    at = 0
    for left, right in [*sorted(places), (len(reading.text), len(reading.text))]:
        for i in range(at, left):
            moved[i] = len(out) + i - at
        out += reading.text[at:left]
        starts += reading.starts[at:left]
        ends += reading.ends[at:left]
        for i in range(left, right):
            moved[i] = len(out)
        if left < right:
            span = reading.span(left, right)
            out.append(NAMED)
            starts.append(span[0])
            ends.append(span[1])
        at = right
    moved[len(reading.text)] = len(out)
    new = Normalised(reading.original, "".join(out), starts, ends)
    return new, [replace(m, place=(moved[m.place[0]], moved[m.place[1] - 1] + 1)) for m in mentions]


def _bounded(text: str, start: int, end: int) -> bool:
    """Figures and Latin letters at the edge of a wording must not go on outside it."""
    left = text[start - 1] if start else ""
    right = text[end] if end < len(text) else ""
    joins_left = left.isascii() and left.isalnum() and text[start].isascii()
    joins_right = right.isascii() and right.isalnum() and text[end - 1].isascii()
    decimal = text[start].isdigit() and left == "." and text[max(0, start - 2) : start - 1].isdigit()
    decimal_right = text[end - 1].isdigit() and right == "." and text[end + 1 : end + 2].isdigit()
    return not (joins_left or joins_right or decimal or decimal_right)
