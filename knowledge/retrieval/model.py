"""Small trained models as data: gradient-boosted trees and logistic units, evaluated with numpy.

The weights are written by `python -m evals.training.fit_retrieval` and committed beside this module.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np


@dataclass(frozen=True, slots=True)
class Trees:
    """A boosted ensemble: each tree as flat arrays; a node with feature -1 is a leaf. Output is a probability."""

    names: tuple[str, ...]
    base: float
    feature: np.ndarray  # (trees, nodes) int32
    threshold: np.ndarray  # (trees, nodes) float32; go left when value <= threshold
    left: np.ndarray  # (trees, nodes) int32
    right: np.ndarray  # (trees, nodes) int32
    value: np.ndarray  # (trees, nodes) float32
    depth: int

    def probabilities(self, rows: np.ndarray) -> np.ndarray:
        """P(positive) of each row; `rows` has shape (n, len(names)), the result (n,)."""
        trees = np.arange(self.feature.shape[0])
        node = np.zeros((len(rows), len(trees)), dtype=np.int32)
        for _ in range(self.depth):
            feature = self.feature[trees, node]
            leaf = feature < 0
            value = np.take_along_axis(rows, np.maximum(feature, 0), axis=1)
            step = np.where(value <= self.threshold[trees, node], self.left[trees, node], self.right[trees, node])
            node = np.where(leaf, node, step)
        score = self.base + self.value[trees, node].sum(axis=1)
        return np.asarray(1 / (1 + np.exp(-score)), dtype=np.float32)


def load_trees(path: Path, names: tuple[str, ...]) -> Trees:
    """Read committed trees; ValueError when they were trained on other features."""
    data = json.loads(path.read_text(encoding="utf-8"))
    if tuple(data["names"]) != names:
        raise ValueError(f"{path.name} was trained on other features; run `make train-retrieval`")
    width = max(len(tree["feature"]) for tree in data["trees"])

    def packed(field: str, kind: type) -> np.ndarray:
        out: np.ndarray = np.zeros((len(data["trees"]), width), dtype=kind)
        for row, tree in enumerate(data["trees"]):
            out[row, : len(tree[field])] = tree[field]
        return out

    return Trees(
        names=names,
        base=float(data["base"]),
        feature=packed("feature", np.int32),
        threshold=packed("threshold", np.float32),
        left=packed("left", np.int32),
        right=packed("right", np.int32),
        value=packed("value", np.float32),
        depth=int(data["depth"]),
    )
