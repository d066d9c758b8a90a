"""A learned turn of query vectors towards how broker documents speak. Passage vectors stay as the embedder gives them.

Fitted by `python -m evals.training.fit_retrieval`; it belongs to one embedder and is left out with any other.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np


@dataclass(frozen=True, slots=True)
class Adapter:
    """q' = normalise(q + q·matrix + shift). `matrix` (d, d), `shift` (d,); `embedder` is the name it was fitted on."""

    embedder: str
    matrix: np.ndarray
    shift: np.ndarray

    def apply(self, vectors: np.ndarray) -> np.ndarray:
        """Turned unit vectors, shape and dtype kept (n, d)."""
        turned = vectors + vectors @ self.matrix + self.shift
        return np.asarray(turned / np.linalg.norm(turned, axis=1, keepdims=True), dtype=np.float32)


def load_adapter(path: Path, embedder: str) -> Adapter | None:
    """The committed adapter if it belongs to this embedder, else None."""
    if not path.exists():
        return None
    with np.load(path) as data:
        if str(data["embedder"]) != embedder:
            return None
        return Adapter(embedder, data["matrix"].astype(np.float32), data["shift"].astype(np.float32))


def save_adapter(adapter: Adapter, path: Path) -> None:
    """Write an adapter in half precision."""
    matrix, shift = adapter.matrix.astype(np.float16), adapter.shift.astype(np.float16)
    np.savez_compressed(path, embedder=np.array(adapter.embedder), matrix=matrix, shift=shift)
