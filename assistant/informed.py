"""The router with the query embedding that retrieval needs anyway; with a foreign embedder it routes by words alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from assistant.routing import Router
from assistant.turn import Message, Routing
from knowledge.library import Library

KNOWN_EMBEDDER = "multilingual-e5-small"


@dataclass(frozen=True, slots=True)
class InformedRouter:
    """Routes messages; the vector of a message is computed once and shared with retrieval."""

    router: Router
    library: Library

    def route(self, text: str, history: Sequence[Message] = ()) -> Routing:
        """Exactly one intent of a message, with confidence and reason."""
        known = self.library.embedder.name.startswith(KNOWN_EMBEDDER)
        vector = self.library.query_vectors([text])[0] if known else None
        return self.router.route(text, history, vector)
