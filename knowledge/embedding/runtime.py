"""Opens a model on onnxruntime from the cache of derived files, written there when it is missing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import onnxruntime
from numpy.typing import NDArray

from knowledge.embedding import EmbeddingError, sealed

Inputs = Mapping[str, NDArray[Any]]


class Model:
    """A model that takes one core a call, and up to `threads` calls at once: for short texts that is faster than to
    split one call over several cores. Thread-safe. Raises `EmbeddingError` when it cannot be opened."""

    def __init__(self, path: Path, write: Callable[[], bytes], threads: int) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.enable_cpu_mem_arena = False  # memory of a long batch is given back
        model = sealed.load_or_store(path, write)
        try:
            self._session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        except Exception as error:
            raise EmbeddingError(f"无法加载模型 {path.name}：{error}") from error
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix=path.stem)

    def run(self, outputs: Sequence[str], inputs: Inputs) -> list[NDArray[Any]]:
        """The named outputs of one call."""
        found: list[NDArray[Any]] = self._session.run(list(outputs), dict(inputs))
        return found

    def run_all(self, outputs: Sequence[str], inputs: Sequence[Inputs]) -> list[list[NDArray[Any]]]:
        """The named outputs of several calls, in their order."""
        if len(inputs) < 2:
            return [self.run(outputs, one) for one in inputs]
        return list(self._pool.map(lambda one: self.run(outputs, one), inputs))
