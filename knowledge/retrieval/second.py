"""The second look: a model that reads question and passage together corrects the order and the decision.

Two logistic units join its scores with what the first look found. Their weights are fitted by
`python -m evals.training.fit_retrieval` on a corpus the pair model never saw, and committed as second.json.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

ORDER = ("bias", "first_look", "pair")
DECISION = ("bias", "first_look", "best_pair", "first_pair", "second_pair", "best_order")
FAR_BEHIND = 0.3


@dataclass(frozen=True, slots=True)
class Second:
    """Weights of the two units, in the order of ORDER and DECISION."""

    order: np.ndarray
    decision: np.ndarray

    def probabilities(self, first: np.ndarray, pair: np.ndarray) -> np.ndarray:
        """P(answers) of each passage looked at twice, shape (n,)."""
        return _sigmoid(order_rows(first, pair) @ self.order)

    def answerable(self, judged: float, pair: np.ndarray, joined: np.ndarray) -> float:
        """P(the result answers the question); `pair` and `joined` best first by `joined`."""
        return float(_sigmoid(decision_row(judged, pair, joined) @ self.decision))


def order_rows(first: np.ndarray, pair: np.ndarray) -> np.ndarray:
    """Rows of ORDER, shape (n, 3)."""
    return np.stack([np.ones(len(first)), _logit(first), pair], axis=1)


def decision_row(judged: float, pair: np.ndarray, joined: np.ndarray) -> np.ndarray:
    """A row of DECISION, shape (6,)."""
    second = float(pair[1]) if len(pair) > 1 else float(pair[0])
    values = [1.0, float(_logit(np.array([judged]))[0]), float(pair.max()), float(pair[0]), second]
    return np.array([*values, float(_logit(joined)[0])])


def load_second(path: Path) -> Second:
    """The committed weights. ValueError when they were fitted for other inputs."""
    data = json.loads(path.read_text(encoding="utf-8"))
    if tuple(data["order"]) != ORDER or tuple(data["decision"]) != DECISION:
        raise ValueError(f"{path.name} was fitted for other inputs; run `make train-retrieval`")
    return Second(np.array(list(data["order"].values())), np.array(list(data["decision"].values())))


def _sigmoid(values: np.ndarray) -> np.ndarray:
    return np.asarray(1 / (1 + np.exp(-values)))


def _logit(values: np.ndarray) -> np.ndarray:
    clipped = np.clip(values, 1e-4, 1 - 1e-4)
    return np.asarray(np.log(clipped / (1 - clipped)))
