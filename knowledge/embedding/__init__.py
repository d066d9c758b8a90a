"""Text to vectors. One seam, `Embedder`; the adapters stand beside it and are imported only by who builds them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.float32]


class EmbeddingError(RuntimeError):
    """A text could not be embedded: model files missing or unreadable, endpoint out of reach or answering nonsense."""


class Embedder(Protocol):
    """Turns texts into unit vectors. Implementations are safe to call from several threads at once.

    `name` identifies model and content: vectors stored under another name are not comparable and must be rebuilt.
    Both methods return float32 of shape (len(texts), dimensions), rows of length 1, in the order given; no texts give
    shape (0, dimensions). An empty text is embedded like any other. Raises `EmbeddingError`.
    """

    @property
    def name(self) -> str: ...

    @property
    def dimensions(self) -> int: ...

    def queries(self, texts: Sequence[str]) -> Vectors: ...

    def passages(self, texts: Sequence[str]) -> Vectors: ...


class PairModel(Protocol):
    """Says how well each of several passages answers a question. Implementations are safe to call from several threads.

    A passage, given as its embedded text, is read once into a code; codes and scores of another `name` are not
    comparable. `scores` gives one logit per code, float32 (len(codes),). Raises `EmbeddingError`.
    """

    @property
    def name(self) -> str: ...

    def codes(self, texts: Sequence[str]) -> list[bytes]: ...

    def scores(self, question: str, codes: Sequence[bytes]) -> NDArray[np.float32]: ...


def unit(vectors: NDArray[np.floating]) -> Vectors:
    """Rows scaled to length 1, float32, shape kept (n, d). A zero or non-finite row raises `EmbeddingError`."""
    rows = np.asarray(vectors, dtype=np.float32)
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    if not np.all(np.isfinite(lengths)) or np.any(lengths < 1e-9):
        raise EmbeddingError("向量为零或含非法数值：模型未给出可用的向量")
    scaled: Vectors = (rows / lengths).astype(np.float32, copy=False)
    return scaled
