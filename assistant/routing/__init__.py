"""What a message wants: one of thirteen intents, with confidence and a reason for staff.

`Router.load(reader)` reads committed rules (rules.yaml) and weights (weights.npz, trained by
`python -m assistant.routing.training.train`); the reader (reader.npz, trained by `python -m evals.training.fit_reader`)
is a seam that app.py fills.
"""

from assistant.routing.router import READER, Router

__all__ = ["READER", "Router"]
