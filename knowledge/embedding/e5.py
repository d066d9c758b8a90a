"""multilingual-e5-small on onnxruntime: the embedding that needs nothing but the installed packages."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from knowledge.embedding import Vectors, e5_weights, runtime, unit
from knowledge.embedding.e5_tokens import Tokens

GRAPH_VERSION = 1  # raise it with every change that changes vectors: it is part of names and file names
FILE_VERSION = 2  # raise it with every change of e5_graph that does not
MIDDLE_TOKENS = 128
_MIDDLES_KEPT = 192
QUERY, PASSAGE = "query: ", "passage: "
_BATCH_TOKENS = 1024
_BATCH_TEXTS = 32
_PASSAGE_WINDOWS = 4
_CHARACTERS_PER_TOKEN = 8

Middle = NDArray[np.float16]  # (tokens, hidden), begin mark included


@dataclass(frozen=True, slots=True)
class _Window:
    """Up to 510 tokens of the text number `text`, begin and end mark included in `ids`; `first`: it begins the text."""

    text: int
    ids: tuple[int, ...]
    first: bool


class E5:
    """An `Embedder` of 384 dimensions, Chinese, English and some hundred languages; thread-safe.

    `cache` is a folder for derived files, shared by all installations of a machine (22 MB, written at first use);
    `threads` is how many cores one call may use. Texts get the prefixes the model was trained with. A query counts up
    to 512 tokens; a passage up to four windows of 512, whose means are averaged by their number of tokens; what lies
    beyond is not seen. A text's vector does not depend on the texts beside it. Raises `EmbeddingError`.
    """

    def __init__(self, cache: Path, *, threads: int = 2, weights: Path | None = None) -> None:
        self._weights = e5_weights.read(weights or e5_weights.packaged())
        self._tokens = Tokens(self._weights.vocabulary)
        shape, vectors = self._weights.shape, self._weights.vectors
        self._places = vectors["emb.pos"].reshape(shape.positions, shape.hidden) + vectors["emb.type"][: shape.hidden]
        self._window = shape.positions - 2
        digest = self._weights.digest[:12]
        self._name = f"multilingual-e5-small-q4@{digest}.{GRAPH_VERSION}"
        self._threads = threads
        self._lock = threading.Lock()
        self._middles: dict[str, Middle] = {}
        path = cache / f"e5-small-{digest}-{GRAPH_VERSION}.{FILE_VERSION}.model"
        self._model = runtime.Model(path, self._write, threads)

    @property
    def name(self) -> str:
        return self._name

    @property
    def dimensions(self) -> int:
        return self._weights.shape.hidden

    def queries(self, texts: Sequence[str]) -> Vectors:
        return self.embed(QUERY, texts)

    def passages(self, texts: Sequence[str]) -> Vectors:
        return self.embed(PASSAGE, texts)

    def middle(self, texts: Sequence[str], *, prefix: str) -> list[Middle]:
        """The states of each text's first tokens after two thirds of the layers; of texts just embedded, for nothing.
        `prefix` is QUERY or PASSAGE."""
        with self._lock:
            found = {text: self._middles[prefix + text] for text in texts if prefix + text in self._middles}
        for text in dict.fromkeys(texts):
            if text not in found:
                _, (found[text],) = self._read(prefix, [text], windows=1)
        return [found[text] for text in texts]

    def lowest(self, text: str, tokens: int) -> NDArray[np.float32]:
        """What enters the first layer for the text as it stands, cut to so many tokens: (1, tokens, hidden)."""
        vocabulary = self._weights.vocabulary
        ids = self._tokens.ids(text[: tokens * _CHARACTERS_PER_TOKEN])[: tokens - 2]
        index = np.array([[vocabulary.bos, *ids, vocabulary.eos]], dtype=np.int64)
        found: NDArray[np.float32] = self._weights.matrices["emb.word"].rows(index) + self._places[: index.shape[1]]
        return found

    def count(self, text: str) -> int:
        """How many tokens the text itself takes, without prefix and marks."""
        return len(self._tokens.ids(text))

    def ids(self, text: str) -> list[int]:
        """Token ids of the text as it stands, begin and end mark included, not cut."""
        vocabulary = self._weights.vocabulary
        return [vocabulary.bos, *self._tokens.ids(text), vocabulary.eos]

    def _write(self) -> bytes:
        from knowledge.embedding import e5_graph  # imports onnx, which only writing needs

        return e5_graph.write(self._weights)

    def embed(self, prefix: str, texts: Sequence[str]) -> Vectors:
        """Vectors of texts under a prefix, QUERY or PASSAGE; their middle states are kept for a while."""
        if not len(texts):
            return np.zeros((0, self.dimensions), dtype=np.float32)
        vectors, middles = self._read(prefix, texts, windows=_PASSAGE_WINDOWS if prefix == PASSAGE else 1)
        with self._lock:
            self._middles |= {prefix + text: middle for text, middle in zip(texts, middles, strict=True)}
            while len(self._middles) > _MIDDLES_KEPT:
                self._middles.pop(next(iter(self._middles)))
        return vectors

    def _read(self, prefix: str, texts: Sequence[str], windows: int) -> tuple[Vectors, list[Middle]]:
        """Vectors and middle states of some texts."""
        sums = np.zeros((len(texts), self.dimensions), dtype=np.float64)
        middles: dict[int, Middle] = {}
        cut = [window for number, text in enumerate(texts) for window in self._cut(number, prefix + text, windows)]
        batches = [[window] for window in cut] if len(cut) <= self._threads else list(_batches(cut))
        outputs = self._model.run_all(["middle", "hidden"], [self._inputs(batch) for batch in batches])
        for batch, (middle, hidden) in zip(batches, outputs, strict=True):
            for row, window in enumerate(batch):
                size = len(window.ids)
                sums[window.text] += max(size - 2, 1) * hidden[row, :size].mean(axis=0)
                if window.first:
                    middles[window.text] = middle[row, : min(size, MIDDLE_TOKENS)].astype(np.float16)
        return unit(sums), [middles[number] for number in range(len(texts))]

    def _cut(self, number: int, text: str, windows: int) -> Iterator[_Window]:
        vocabulary, size = self._weights.vocabulary, self._window
        ids = self._tokens.ids(text[: windows * size * _CHARACTERS_PER_TOKEN])[: windows * size]
        for start in range(0, max(len(ids), 1), size):
            yield _Window(number, (vocabulary.bos, *ids[start : start + size], vocabulary.eos), first=start == 0)

    def _inputs(self, batch: Sequence[_Window]) -> runtime.Inputs:
        lengths = np.array([len(window.ids) for window in batch], dtype=np.int32)
        longest = int(lengths.max())
        ids = np.zeros((len(batch), longest), dtype=np.int64)
        ids[np.arange(longest) < lengths[:, None]] = [index for window in batch for index in window.ids]
        return {"x": self._weights.matrices["emb.word"].rows(ids) + self._places[:longest], "lengths": lengths}


def _batches(windows: list[_Window]) -> Iterator[list[_Window]]:
    """Windows of like length together, so that little is spent on padding; a batch holds a bounded number of tokens."""
    batch: list[_Window] = []
    for window in sorted(windows, key=lambda window: -len(window.ids)):
        longest = len(batch[0].ids) if batch else len(window.ids)
        if batch and ((len(batch) + 1) * longest > _BATCH_TOKENS or len(batch) == _BATCH_TEXTS):
            yield batch
            batch, longest = [], len(window.ids)
        batch.append(window)
    if batch:
        yield batch
