"""Does a passage answer a question? A small model that reads both together, on onnxruntime.

Question and passage each run through the lower layers of multilingual-e5-small on their own; the upper layers, trained
on our own questions (evals/training/fit_pair.py, committed beside this module as pair.npz), read them together. So a
passage's lower part is computed once, when it is embedded, and kept as a short code; a question costs a third of what a
whole cross-encoder would.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from knowledge.embedding import EmbeddingError, e5_weights, runtime, tuned
from knowledge.embedding.e5 import PASSAGE, QUERY, Middle

GRAPH_VERSION = 2  # raise it with every change of pair_graph or e5_graph that changes scores or codes
TRAINED = Path(__file__).with_name("pair.npz")
QUESTION_TOKENS = 50
PASSAGE_TOKENS = 112
QUERY_MARKS = 4  # begin mark and the tokens of "query:" before the text itself
PASSAGE_MARKS = 3

Scores = NDArray[np.float32]


class Trunk(Protocol):
    """The lower layers: states of each text's first tokens, (tokens, hidden)."""

    @property
    def name(self) -> str: ...

    def middle(self, texts: Sequence[str], *, prefix: str) -> list[Middle]: ...


def packed(states: NDArray[np.floating]) -> bytes:
    """Reduced states (tokens, d) as one byte a number, with a scale for each token."""
    scales = np.maximum(np.abs(states).max(axis=1), 1e-6).astype(np.float16)
    levels = np.clip(np.rint(states / (scales.astype(np.float32) / 127)[:, None]), -127, 127).astype(np.int8)
    return bytes(scales.tobytes() + levels.tobytes())


def unpacked(code: bytes, width: int) -> NDArray[np.float32]:
    """The states (tokens, width) that `packed` wrote."""
    tokens = len(code) // (width + 2)
    scales = np.frombuffer(code, dtype=np.float16, count=tokens).astype(np.float32) / np.float32(127)
    levels = np.frombuffer(code, dtype=np.int8, offset=2 * tokens).reshape(tokens, width)
    states: NDArray[np.float32] = levels.astype(np.float32) * scales[:, None]
    return states


def own(length: int, marks: int) -> tuple[int, int]:
    """Where the text itself stands among `length` states, `marks` before and one after; one without words is all."""
    return (marks, length - 1) if length > marks + 1 else (0, length)


class PairScorer:
    """Says how well each of several passages answers a question; thread-safe.

    `cache` is the folder for derived files (some 8 MB, written at first use); `threads` is how many cores one call may
    use. A score does not depend on the passages beside it. Raises `EmbeddingError`.
    """

    def __init__(self, trunk: Trunk, cache: Path, *, threads: int = 2, trained: Path = TRAINED) -> None:
        self._trunk = trunk
        self._tuned = tuned.read(trained)
        if "code.down" not in self._tuned.vectors:
            raise EmbeddingError(f"{trained.name} 不是问答匹配模型")
        self._down = self._tuned.vectors["code.down"]
        self._mean = self._tuned.vectors["code.mean"]
        digest = f"{self._tuned.digest[:12]}-{GRAPH_VERSION}"
        self._name = f"pair@{digest}/{trunk.name}"
        self._model = runtime.Model(cache / f"pair-{digest}.model", self._write, threads)

    @property
    def name(self) -> str:
        """Model and content: codes and scores of another name are not comparable."""
        return self._name

    def codes(self, texts: Sequence[str]) -> list[bytes]:
        """What is kept of each passage, given as its embedded text."""
        states = self._trunk.middle(texts, prefix=PASSAGE)
        return [packed((one[:PASSAGE_TOKENS].astype(np.float32) - self._mean) @ self._down) for one in states]

    def scores(self, question: str, codes: Sequence[bytes]) -> Scores:
        """One logit per passage, in the order given, float32 (len(codes),); higher answers better."""
        (asked,) = self._trunk.middle([question], prefix=QUERY)
        asked_states = asked[None, :QUESTION_TOKENS].astype(np.float32)
        given = []
        for code in codes:
            told = unpacked(code, self._down.shape[1])[None]
            parts = shares(asked_states.shape[1], told.shape[1])
            given.append({"asked_states": asked_states, "told_code": told, **parts})
        return np.array([logits[0] for (logits,) in self._model.run_all(["logits"], given)], dtype=np.float32)

    def _write(self) -> bytes:
        from knowledge.embedding import pair_graph  # imports onnx, which only writing needs

        return pair_graph.write(e5_weights.read(e5_weights.packaged()), self._tuned)


def shares(asked: int, told: int) -> dict[str, NDArray[np.generic]]:
    """The graph's other inputs for one pair of so many states: `asked` and `told`, float32 (1, 1, length), the share of
    each state in the question and in the passage, and `lengths`."""
    length = asked + told
    parts = np.zeros((2, 1, 1, length), dtype=np.float32)
    for part, start, size, marks in ((parts[0], 0, asked, QUERY_MARKS), (parts[1], asked, told, PASSAGE_MARKS)):
        low, high = own(size, marks)
        part[0, 0, start + low : start + high] = 1.0 / (high - low)
    return {"asked": parts[0], "told": parts[1], "lengths": np.array([length], dtype=np.int32)}
