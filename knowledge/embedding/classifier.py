"""Text classifiers tuned from layers of the installed model, on onnxruntime.

One that was tuned from the upper layers goes on from the states that embedding a message left, and costs a millisecond
or two; one that was tuned from the lowest layers stands alone and is as cheap. Trained by evals/training, committed
beside the module they serve.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from knowledge.embedding import EmbeddingError, e5_weights, runtime, tuned
from knowledge.embedding.e5 import QUERY
from knowledge.embedding.pair import Trunk

GRAPH_VERSION = 1  # raise it with every change of classifier_graph or tuned_graph that changes scores
TOKENS = 96
KEPT = 20_000


class Source(Trunk, Protocol):
    """The installed model: states of its lower layers, or what enters the first."""

    def lowest(self, text: str, tokens: int) -> NDArray[np.float32]: ...


class TextClassifier:
    """Scores a text for every label of a closed list; thread-safe. Raises `EmbeddingError`.

    `cache` is the folder for derived files; `trained` a file written by evals/training. A text counts 96 tokens. Scores
    do not depend on other texts and are kept between calls.
    """

    def __init__(self, source: Source, cache: Path, trained: Path, *, threads: int = 2) -> None:
        self._source = source
        self._tuned = tuned.read(trained)
        if "labels" not in self._tuned.vectors:
            raise EmbeddingError(f"{trained.name} 不是文本分类模型")
        self.labels = tuple(str(label) for label in self._tuned.vectors["labels"])
        self._lowest = tuned.layers_of(self._tuned)[0] == 0
        digest = f"{self._tuned.digest[:12]}-{GRAPH_VERSION}"
        self.name = f"{trained.stem}@{digest}"
        self._kept: dict[str, NDArray[np.float32]] = {}
        self._model = runtime.Model(cache / f"classifier-{digest}.model", self._write, threads)

    def scores(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Logits in the order of `labels`, float32 (len(texts), len(labels))."""
        kept = self._kept
        if len(kept) > KEPT:
            kept = self._kept = {}  # another thread may still read the old one
        fresh = [text for text in dict.fromkeys(texts) if text not in kept]
        found = self._model.run_all(["logits"], [self._inputs(text) for text in fresh])
        kept |= {text: logits[0] for text, (logits,) in zip(fresh, found, strict=True)}
        return np.array([kept[text] for text in texts], dtype=np.float32).reshape(-1, len(self.labels))

    def _inputs(self, text: str) -> runtime.Inputs:
        if self._lowest:
            states = self._source.lowest(text, TOKENS)
        else:
            states = self._source.middle([text], prefix=QUERY)[0][None, :TOKENS].astype(np.float32)
        return {"states": states, "lengths": np.array([states.shape[1]], dtype=np.int32)}

    def _write(self) -> bytes:
        from knowledge.embedding import classifier_graph  # imports onnx, which only writing needs

        return classifier_graph.write(e5_weights.read(e5_weights.packaged()), self._tuned)
