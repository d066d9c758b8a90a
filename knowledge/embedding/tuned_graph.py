"""The encoder layers of e5_graph with tuned weights, for models that read on from the middle states.

The layers run with one scale per row of weights and one per activation tensor: three times as fast as the blocks of
e5_graph, at a loss that ranking and classification do not notice. So one text, or one pair of texts, is run at a time,
lest a result depend on others. Weights keep to 7 bits, because processors without dot-product instructions saturate at
8.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from knowledge.embedding.e5_graph import MICROSOFT, Graph
from knowledge.embedding.e5_weights import Weights
from knowledge.embedding.tuned import Tuned, layers_of

_LEVELS = 63


class TunedGraph(Graph):
    """Products of int8 weights with activations quantised as they come."""

    def __init__(self, weights: Weights, tuned: Tuned) -> None:
        super().__init__(replace(weights, vectors={**weights.vectors, **tuned.vectors}))
        self.tuned = tuned

    def linear(self, x: str, out: str, *layers: str) -> str:
        """As in the parent, W requantised to one scale per row."""
        matrix = np.concatenate([self._matrix(f"{layer}.w") for layer in layers])
        scales = np.maximum(np.abs(matrix).max(axis=1), 1e-6) / _LEVELS
        levels = np.rint(matrix / scales[:, None]).astype(np.int8)
        inputs = [
            x,
            self.constant(f"{out}.levels", levels.T),
            self.constant(f"{out}.scales", scales.astype(np.float32)),
            self.constant(f"{out}.zero", np.zeros(len(scales), np.int8)),
            self.constant(f"{out}.bias", np.concatenate([self.weights.vectors[f"{layer}.b"] for layer in layers])),
        ]
        self.add("DynamicQuantizeMatMul", inputs, [out], domain=MICROSOFT)
        return out

    def tuned_layers(self, x: str) -> str:
        """`x` through all tuned layers; if they are the lowest, `x` holds embeddings."""
        numbers = layers_of(self.tuned)
        if numbers[0] == 0:
            x = self.normalise(x, "emb.ln", "embedded")
        for number in numbers:
            x = self.layer(x, f"l{number}")
        return x

    def dense(self, x: str, name: str) -> str:
        """x · W + b with float32 weights stored input-major."""
        vectors = self.tuned.vectors
        self.add("MatMul", [x, self.constant(f"{name}.w", vectors[f"{name}.w"])], [f"{name}.product"])
        self.add("Add", [f"{name}.product", self.constant(f"{name}.b", vectors[f"{name}.b"])], [f"{name}.sum"])
        return f"{name}.sum"

    def number(self, name: str, value: int) -> str:
        """An int64 constant of shape (1,)."""
        return self.constant(f"int.{name}", np.array([value], np.int64))

    def _matrix(self, name: str) -> NDArray[np.float32]:
        """Dequantised, (rows, columns)."""
        found = self.tuned.matrices.get(name) or self.weights.matrices[name]
        levels = found.levels().astype(np.float32) - 128.0
        matrix: NDArray[np.float32] = (levels * found.scales.astype(np.float32)[..., None]).reshape(len(levels), -1)
        return matrix
