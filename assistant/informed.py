"""The router on top of the embedding that retrieval needs anyway: a message is embedded once, its reader goes on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from assistant.routing import Router
from assistant.turn import Message, Routing
from knowledge.library import Library


@dataclass(frozen=True, slots=True)
class InformedRouter:
    """Routes messages; what embedding a message computes is shared with retrieval."""

    router: Router
    library: Library

    def route(self, text: str, history: Sequence[Message] = ()) -> Routing:
        """Exactly one intent of a message, with confidence and reason."""
        self.library.query_vectors([text])
        return self.router.route(text, history)
