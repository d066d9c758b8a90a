"""Which documents a question names: titles, product names, aliases and codes, matched by pieces.

Customers shorten names (稳进一年, 300增强, 那个QDII). Each piece (character pair, Latin word or number) weighs by how
few documents carry it, so that a rare piece finds its document and a common one finds nothing.
"""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from knowledge.retrieval.words import HAN, plain

LATIN_OR_NUMBER = re.compile(r"[a-z]+|\d+")
CODE = re.compile(r"(?<![\d.])[0-9a-z]{6}(?![\d%.])")
CODE_WEIGHT = 3.0


@dataclass(frozen=True, slots=True)
class Named:
    """How strongly a question names one document. `score`: weight of shared pieces; `share`: of its best name, 0..1."""

    score: float
    share: float


class Names:
    """An immutable index over the names of the documents of one view."""

    def __init__(self, documents: Iterable[tuple[str, Iterable[str], Iterable[str]]]) -> None:
        """`documents`: (document, names, codes) each."""
        self._names: dict[str, list[frozenset[str]]] = {}
        for document, names, codes in documents:
            cut = [frozenset(pieces(name)) for name in names if name]
            self._names[document] = [*cut, *(frozenset({f"={plain(code)}"}) for code in codes)]
        self._by_piece: dict[str, set[str]] = defaultdict(set)
        for document, cut in self._names.items():
            for piece in frozenset().union(*cut):
                self._by_piece[piece].add(document)
        total = len(self._names) + 1
        self._weight = {piece: math.log(total / len(found)) for piece, found in self._by_piece.items()}

    def find(self, text: str) -> dict[str, Named]:
        """The documents that share a piece of a name with the text."""
        folded = plain(text)
        asked = set(pieces(folded)) | {f"={code}" for code in CODE.findall(folded)}
        scores: Counter[str] = Counter()
        for piece in asked & self._weight.keys():
            weight = self._weight[piece] * (CODE_WEIGHT if piece.startswith("=") else 1.0)
            for document in self._by_piece[piece]:
                scores[document] += weight  # type: ignore[assignment]
        return {document: Named(score, self._share(document, asked)) for document, score in scores.items()}

    def _share(self, document: str, asked: set[str]) -> float:
        best = 0.0
        for name in self._names[document]:
            total = sum(self._weight[piece] for piece in name)
            if total > 0:
                best = max(best, sum(self._weight[piece] for piece in name & asked) / total)
        return best

    def rare(self, text: str, document: str) -> list[str]:
        """The pieces of the text that name this document."""
        carried = frozenset().union(*self._names.get(document, [frozenset()]))
        return [piece for piece in pieces(plain(text)) if piece in carried and self._weight[piece] > 1.0]


def pieces(text: str) -> list[str]:
    """Character pairs of Chinese runs, whole Latin words and numbers."""
    folded = plain(text)
    found = LATIN_OR_NUMBER.findall(folded)
    for run in HAN.findall(folded):
        found += [run[i : i + 2] for i in range(len(run) - 1)]
    return found


def codes_in(text: str) -> frozenset[str]:
    """Six-character codes with at least four digits that a text states."""
    return frozenset(code for code in CODE.findall(plain(text)) if sum(char.isdigit() for char in code) >= 3)
