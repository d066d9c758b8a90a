"""Fit the query adapter: questions are drawn to the passages that answer them, away from the rest of their corpus."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from knowledge.retrieval.adapter import Adapter

TEMPERATURE = 0.03
WEIGHT_DECAY = 0.04
STEPS = 90
RATE = 2e-3


@dataclass(frozen=True, slots=True)
class Drawn:
    """Questions of one corpus: vectors (n, d), passage vectors (m, d), and the share of each passage in each answer."""

    questions: np.ndarray
    passages: np.ndarray
    answers: np.ndarray


def fit(corpora: Sequence[Drawn], embedder: str) -> Adapter:
    """Adam on the cross-entropy of the softmax over each corpus, with weight decay. Deterministic."""
    size = corpora[0].questions.shape[1]
    weights = {"matrix": np.zeros((size, size)), "shift": np.zeros(size)}
    first = {name: np.zeros_like(value) for name, value in weights.items()}
    second = {name: np.zeros_like(value) for name, value in weights.items()}
    total = sum(len(corpus.questions) for corpus in corpora)
    for step in range(1, STEPS + 1):
        slopes = {name: np.zeros_like(value) for name, value in weights.items()}
        for corpus in corpora:
            turn = _slope(corpus, weights) / total
            slopes["matrix"] += corpus.questions.T @ turn
            slopes["shift"] += turn.sum(axis=0)
        slopes["matrix"] += WEIGHT_DECAY * weights["matrix"]
        for name, slope in slopes.items():
            first[name] = 0.9 * first[name] + 0.1 * slope
            second[name] = 0.999 * second[name] + 0.001 * slope**2
            scaled = np.sqrt(second[name] / (1 - 0.999**step)) + 1e-8
            weights[name] -= RATE * first[name] / (1 - 0.9**step) / scaled
    return Adapter(embedder, weights["matrix"].astype(np.float32), weights["shift"].astype(np.float32))


def _slope(corpus: Drawn, weights: dict[str, np.ndarray]) -> np.ndarray:
    """Gradient of the summed loss by the turned, not yet normalised question vectors, shape (n, d)."""
    turned = corpus.questions + corpus.questions @ weights["matrix"] + weights["shift"]
    lengths = np.linalg.norm(turned, axis=1, keepdims=True)
    unit = turned / lengths
    logits = unit @ corpus.passages.T / TEMPERATURE
    logits -= logits.max(axis=1, keepdims=True)
    shares = np.exp(logits)
    shares /= shares.sum(axis=1, keepdims=True)
    by_unit = (shares - corpus.answers) @ corpus.passages / TEMPERATURE
    return np.asarray((by_unit - unit * (unit * by_unit).sum(axis=1, keepdims=True)) / lengths)
