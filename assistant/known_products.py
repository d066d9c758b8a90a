"""The products of the records as one searchable index, fresh after every change of the materials."""

from __future__ import annotations

from guardrails.products import ProductIndex
from knowledge.library import Library


class KnownProducts:
    """Builds the index once per generation of the records."""

    def __init__(self, library: Library) -> None:
        self._library = library
        self._built: tuple[int, ProductIndex] | None = None

    def index(self) -> ProductIndex:
        generation = self._library.materials.generation()
        if self._built is None or self._built[0] != generation:
            self._built = (generation, ProductIndex(self._library.known_products()))
        return self._built[1]
