"""Models in the sentence-transformers format (bge, Qwen3-Embedding, gte …) on this machine: extra `local-models`."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from knowledge.embedding import EmbeddingError, Vectors, unit


class SentenceModel:
    """An `Embedder` over a model folder or hub name; thread-safe, one call at a time.

    An empty prefix leaves it to the prompts the model itself declares. The name holds a hash of parameters, modules and
    prefixes, so another checkpoint under the same folder is noticed. Raises `EmbeddingError` when the extra is not
    installed or the model cannot be loaded.
    """

    def __init__(
        self, name_or_folder: str | Path, query_prefix: str = "", passage_prefix: str = "", *, batch: int = 32
    ) -> None:
        self._model = _load("SentenceTransformer", name_or_folder)
        self._query_prefix, self._passage_prefix, self._batch = query_prefix or None, passage_prefix or None, batch
        self._name = f"{_label(name_or_folder)}@{_fingerprint(self._model, query_prefix, passage_prefix)}"
        self._lock = Lock()
        self._dimensions = int(self._encode(self._model.encode_query, ["维度"], self._query_prefix).shape[1])

    @property
    def name(self) -> str:
        return self._name

    @property
    def dimensions(self) -> int:
        return self._dimensions

    def queries(self, texts: Sequence[str]) -> Vectors:
        return self._rows(self._model.encode_query, texts, self._query_prefix)

    def passages(self, texts: Sequence[str]) -> Vectors:
        return self._rows(self._model.encode_document, texts, self._passage_prefix)

    def _rows(self, encode: Any, texts: Sequence[str], prefix: str | None) -> Vectors:
        if not texts:
            return np.zeros((0, self.dimensions), dtype=np.float32)
        return self._encode(encode, list(texts), prefix)

    def _encode(self, encode: Any, texts: list[str], prefix: str | None) -> Vectors:
        with self._lock:  # fast tokenizers are not safe to share while they set padding
            rows = encode(texts, prompt=prefix, batch_size=self._batch, show_progress_bar=False, convert_to_numpy=True)
        return unit(rows)


class CrossEncoderReranker:
    """Scores how well each text answers the query, with a cross-encoder from a folder or hub name; thread-safe."""

    def __init__(self, name_or_folder: str | Path, *, batch: int = 16) -> None:
        self._model = _load("CrossEncoder", name_or_folder)
        if self._model.num_labels != 1:
            raise EmbeddingError(f"{_label(name_or_folder)} 有 {self._model.num_labels} 个输出，不是重排模型")
        self._name = f"{_label(name_or_folder)}@{_fingerprint(self._model)}"
        self._batch = batch
        self._lock = Lock()

    @property
    def name(self) -> str:
        return self._name

    def scores(self, query: str, texts: Sequence[str]) -> NDArray[np.float32]:
        """One number per text in the order given, float32 (len(texts),); higher fits better."""
        if not texts:
            return np.zeros(0, dtype=np.float32)
        pairs = [(query, text) for text in texts]
        with self._lock:
            scores = self._model.predict(pairs, batch_size=self._batch, show_progress_bar=False)
        return np.asarray(scores, dtype=np.float32).reshape(len(texts))


def _load(kind: str, name_or_folder: str | Path) -> Any:
    """A sentence-transformers object of the class `kind`, on the CPU unless torch finds better."""
    try:
        library = import_module("sentence_transformers")
    except ImportError as error:
        raise EmbeddingError("本地模型需要可选依赖 local-models：pip install 'heshi[local-models]'") from error
    try:
        return getattr(library, kind)(str(name_or_folder))
    except Exception as error:
        raise EmbeddingError(f"无法加载模型 {name_or_folder}：{error}") from error


def _label(name_or_folder: str | Path) -> str:
    path = Path(name_or_folder)
    return path.resolve().name if path.is_dir() else str(name_or_folder)


def _fingerprint(model: Any, *settings: str) -> str:
    """Twelve hex digits over the parameters, the modules' configuration and the settings."""
    torch = import_module("torch")
    digest = hashlib.sha256(repr((str(model), getattr(model, "prompts", None), settings)).encode())
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy())
    return digest.hexdigest()[:12]
