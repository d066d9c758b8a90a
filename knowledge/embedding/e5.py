"""multilingual-e5-small on onnxruntime: the embedding that needs nothing but the installed packages."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from knowledge.embedding import EmbeddingError, Vectors, e5_weights, sealed, unit
from knowledge.embedding.e5_tokens import Tokens

GRAPH_VERSION = 1  # raise it with every change of e5_graph, e5_tokens or pooling: it is part of names and file names
_BATCH_TOKENS = 1024
_BATCH_TEXTS = 32
_PASSAGE_WINDOWS = 4
_CHARACTERS_PER_TOKEN = 8


@dataclass(frozen=True, slots=True)
class _Window:
    """Up to 510 tokens of the text number `text`, begin and end mark included in `ids`."""

    text: int
    ids: tuple[int, ...]


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
        self._session = self._open(cache / f"e5-small-{digest}-{GRAPH_VERSION}.model", threads)

    @property
    def name(self) -> str:
        return self._name

    @property
    def dimensions(self) -> int:
        return self._weights.shape.hidden

    def queries(self, texts: Sequence[str]) -> Vectors:
        return self._embed("query: ", texts, windows=1)

    def passages(self, texts: Sequence[str]) -> Vectors:
        return self._embed("passage: ", texts, windows=_PASSAGE_WINDOWS)

    def count(self, text: str) -> int:
        """How many tokens the text itself takes, without prefix and marks."""
        return len(self._tokens.ids(text))

    def ids(self, text: str) -> list[int]:
        """Token ids of the text as it stands, begin and end mark included, not cut."""
        vocabulary = self._weights.vocabulary
        return [vocabulary.bos, *self._tokens.ids(text), vocabulary.eos]

    def _open(self, path: Path, threads: int) -> onnxruntime.InferenceSession:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        options.enable_cpu_mem_arena = False  # memory of a long batch is given back
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # idle threads leave the cores alone
        model = sealed.load_or_store(path, self._write)
        try:
            return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        except Exception as error:
            raise EmbeddingError(f"无法加载向量模型 {path.name}：{error}") from error

    def _write(self) -> bytes:
        from knowledge.embedding import e5_graph  # imports onnx, which only writing needs

        return e5_graph.write(self._weights)

    def _embed(self, prefix: str, texts: Sequence[str], windows: int) -> Vectors:
        sums = np.zeros((len(texts), self.dimensions), dtype=np.float64)
        cut = [window for number, text in enumerate(texts) for window in self._cut(number, prefix + text, windows)]
        for batch in _batches(cut):
            for window, mean in zip(batch, self._run(batch), strict=True):
                sums[window.text] += max(len(window.ids) - 2, 1) * mean
        return unit(sums) if len(texts) else np.zeros((0, self.dimensions), dtype=np.float32)

    def _cut(self, number: int, text: str, windows: int) -> Iterator[_Window]:
        vocabulary, size = self._weights.vocabulary, self._window
        ids = self._tokens.ids(text[: windows * size * _CHARACTERS_PER_TOKEN])[: windows * size]
        for start in range(0, max(len(ids), 1), size):
            yield _Window(number, (vocabulary.bos, *ids[start : start + size], vocabulary.eos))

    def _run(self, batch: Sequence[_Window]) -> NDArray[np.float32]:
        """Mean of the hidden states over the real tokens of each window: (len(batch), hidden)."""
        lengths = np.array([len(window.ids) for window in batch], dtype=np.int32)
        longest = int(lengths.max())
        real = np.arange(longest) < lengths[:, None]
        ids = np.zeros((len(batch), longest), dtype=np.int64)
        ids[real] = [index for window in batch for index in window.ids]
        x = self._weights.matrices["emb.word"].rows(ids) + self._places[:longest]
        (hidden,) = self._session.run(["hidden"], {"x": x, "lengths": lengths})
        means: NDArray[np.float32] = np.einsum("blh,bl->bh", hidden, real.astype(np.float32)) / lengths[:, None]
        return means


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
