"""What a message wants: one of thirteen intents, with confidence and a reason for staff.

`Router.load()` reads committed rules (rules.yaml) and weights (weights.npz, trained by
`python -m assistant.routing.training.train`); `route(text, history)` needs no network and no embedding.
"""

from assistant.routing.router import Router

__all__ = ["Router"]
