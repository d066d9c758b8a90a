"""Vectors from any endpoint that speaks the OpenAI embeddings protocol (vLLM, TEI, Xinference, Ollama, DashScope …)."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from threading import Lock
from urllib.parse import urlsplit

import numpy as np
import openai
from numpy.typing import NDArray
from openai.types import Embedding

from knowledge.embedding import EmbeddingError, Vectors, unit

_BLANK = "."  # many servers refuse an empty string


class EndpointEmbedder:
    """An `Embedder` over HTTP; thread-safe. Raises `EmbeddingError` with the cause, never with the key.

    Texts are sent as strings, `batch` at a time, cut to `characters`; lost connections, time-outs (`timeout` seconds a
    request), 429 and 5xx are tried `retries` times more with growing pauses. `size` asks the server for shortened
    vectors where the model can do so. `version` is for the operator: what the server runs under a name cannot be seen
    from here, so raise it when the model behind the name changes, and stored vectors are rebuilt.
    """

    def __init__(
        self,
        base_url: str,
        api_key: str,
        model: str,
        *,
        query_prefix: str = "",
        passage_prefix: str = "",
        size: int | None = None,
        version: str = "",
        batch: int = 32,
        characters: int = 8000,
        timeout: float = 30.0,
        retries: int = 3,
    ) -> None:
        address = urlsplit(base_url)
        if address.scheme not in ("http", "https") or not address.hostname:
            raise EmbeddingError(f"向量服务地址不对：{base_url!r}，应形如 http://主机:端口/v1")
        if not model:
            raise EmbeddingError("未指定向量服务的模型名")
        self._client = openai.OpenAI(base_url=base_url, api_key=api_key or "none", timeout=timeout, max_retries=retries)
        self._where = f"{address.hostname}{f':{address.port}' if address.port else ''}{address.path.rstrip('/')}"
        self._model, self._size, self._batch, self._characters = model, size, batch, characters
        self._prefixes = {"query": query_prefix, "passage": passage_prefix}
        digest = hashlib.sha256(repr((query_prefix, passage_prefix, size, characters)).encode()).hexdigest()[:8]
        self._name = f"{model}@{self._where}#{digest}{f'.{version}' if version else ''}"
        self._dimensions: int | None = None
        self._lock = Lock()

    @property
    def name(self) -> str:
        return self._name

    @property
    def dimensions(self) -> int:
        """As the server's first answer had it; asks with a short text if there was none yet."""
        return self._dimensions if self._dimensions is not None else int(self.queries(["维度"]).shape[1])

    def queries(self, texts: Sequence[str]) -> Vectors:
        return self._embed("query", texts)

    def passages(self, texts: Sequence[str]) -> Vectors:
        return self._embed("passage", texts)

    def _embed(self, kind: str, texts: Sequence[str]) -> Vectors:
        if not texts:
            return np.zeros((0, self.dimensions), dtype=np.float32)
        prepared = [(self._prefixes[kind] + text)[: self._characters] for text in texts]
        sendable = [text if text.strip() else _BLANK for text in prepared]
        parts = [self._ask(sendable[start : start + self._batch]) for start in range(0, len(sendable), self._batch)]
        return np.concatenate(parts)

    def _ask(self, texts: list[str]) -> Vectors:
        size = openai.omit if self._size is None else self._size
        try:
            response = self._client.embeddings.create(
                model=self._model, input=texts, encoding_format="float", dimensions=size
            )
            rows = np.array([item.embedding for item in _ordered(response.data)], dtype=np.float32)
        except openai.APITimeoutError as error:
            raise EmbeddingError(f"向量服务 {self._where} 超时") from error
        except openai.APIConnectionError as error:
            raise EmbeddingError(f"连不上向量服务 {self._where}：{error.__cause__ or error}") from error
        except openai.APIStatusError as error:
            raise EmbeddingError(_refusal(self._where, self._model, error)) from error
        except (openai.OpenAIError, AttributeError, TypeError, ValueError) as error:
            raise EmbeddingError(f"向量服务 {self._where} 的应答不合协议：{error}") from error
        return self._checked(rows, len(texts))

    def _checked(self, rows: NDArray[np.float32], count: int) -> Vectors:
        """The rows as unit vectors, once their number and dimension are what they must be."""
        if rows.ndim != 2 or len(rows) != count:
            raise EmbeddingError(f"向量服务 {self._where} 应返回 {count} 个等长向量，实得 {rows.shape}")
        with self._lock:
            if self._dimensions is None:
                self._dimensions = rows.shape[1]
        if rows.shape[1] != self._dimensions:
            raise EmbeddingError(f"向量服务 {self._where} 的维度由 {self._dimensions} 变为 {rows.shape[1]}，需重建索引")
        return unit(rows)


def _ordered(items: list[Embedding]) -> list[Embedding]:
    """By index; servers that number all items 0, or none, have them in the order asked."""
    places = {item.index: item for item in items}
    return [places[n] for n in range(len(items))] if set(places) == set(range(len(items))) else items


def _refusal(where: str, model: str, error: openai.APIStatusError) -> str:
    status = error.status_code
    if status in (401, 403):
        return f"向量服务 {where} 拒绝了密钥（{status}）"
    if status == 404:
        return f"向量服务 {where} 没有这个地址或模型 {model}（404）"
    reason = error.body.get("message") if isinstance(error.body, dict) else error.body
    return f"向量服务 {where} 返回 {status}：{str(reason or '')[:300]}"
