"""Does a passage answer a question? A small cross-encoder that reads both at once, on onnxruntime.

Its lower layers are those of multilingual-e5-small as installed; the upper ones and the head were trained on our own
questions (evals/training/fit_pair.py) and are committed beside this module as pair.npz.
"""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from assistant.turn import Passage
from knowledge.embedding import EmbeddingError, e5_weights, sealed
from knowledge.embedding.e5_tokens import Tokens

GRAPH_VERSION = 1  # raise it with every change of pair_graph, e5_graph, e5_tokens or of how a pair is encoded
TRAINED = Path(__file__).with_name("pair.npz")
QUESTION_TOKENS = 48
TEXT_TOKENS = 96
_CHARACTERS_PER_TOKEN = 8

Scores = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Encoded:
    """A pair as token ids: begin, question, end, end, text, end. `asked` and `told` are the bounds of the two parts."""

    ids: tuple[int, ...]
    asked: tuple[int, int]
    told: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Levels:
    """A matrix of 8-bit weights in blocks of 32, one scale each: weight = (level - 128) * scale."""

    packed: NDArray[np.uint8]  # (rows, blocks, 32)
    scales: NDArray[np.float16]  # (rows, blocks)

    def levels(self) -> NDArray[np.uint8]:
        return self.packed


@dataclass(frozen=True, slots=True)
class Trained:
    """What pair.npz holds: matrices and vectors by name as in the installed model, and the head's by name."""

    digest: str
    matrices: Mapping[str, Levels]
    vectors: Mapping[str, NDArray[np.float32]]


def read(path: Path) -> Trained:
    """The trained weights. Raises `EmbeddingError` when the file is missing or not one of ours."""
    try:
        content = path.read_bytes()
        with np.load(io.BytesIO(content), allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise EmbeddingError(f"无法读取问答匹配模型 {path.name}：{error}") from error
    packed = [name.removesuffix(".levels") for name in arrays if name.endswith(".levels")]
    if not packed:
        raise EmbeddingError(f"问答匹配模型 {path.name} 不含权重")
    matrices = {name: Levels(arrays.pop(f"{name}.levels"), arrays.pop(f"{name}.scales")) for name in packed}
    return Trained(hashlib.sha256(content).hexdigest(), matrices, arrays)


def pair_text(passage: Passage) -> str:
    """What the model reads of a passage: whose it is, the last heading, then what it says."""
    near = passage.heading[-1:] if passage.heading[-1:] != (passage.title,) else ()
    parts = (" > ".join((passage.title, *near)), passage.table, passage.question, passage.text)
    return "\n".join(part for part in parts if part and part not in near)


def encode(tokens: Tokens, vocabulary: e5_weights.Vocabulary, question: str, text: str) -> Encoded:
    """Both parts cut to their length and joined; a part without tokens is its end mark."""
    bos, eos = vocabulary.bos, vocabulary.eos
    prefix = tokens.ids("query:")
    first = tokens.ids(f"query: {question[: QUESTION_TOKENS * _CHARACTERS_PER_TOKEN]}")
    first = first[: QUESTION_TOKENS + len(prefix)]
    second = tokens.ids(text[: TEXT_TOKENS * _CHARACTERS_PER_TOKEN])[:TEXT_TOKENS]
    ids = (bos, *first, eos, eos, *second, eos)
    start, end = min(len(prefix), len(first)) + 1, len(first) + 1
    asked = (start, end) if start < end else (end, end + 1)
    told = (end + 2, len(ids) - 1) if second else (end + 1, end + 2)
    return Encoded(ids, asked, told)


def inputs(batch: Sequence[Encoded], weights: e5_weights.Weights) -> dict[str, NDArray[np.generic]]:
    """The graph's inputs: `x` (n, length, hidden), `lengths` (n,), the parts' shares `asked`, `told` (n, 1, length)."""
    lengths = np.array([len(pair.ids) for pair in batch], dtype=np.int32)
    longest = int(lengths.max())
    ids = np.zeros((len(batch), longest), dtype=np.int64)
    asked, told = np.zeros((2, len(batch), 1, longest), dtype=np.float32)
    for row, pair in enumerate(batch):
        ids[row, : len(pair.ids)] = pair.ids
        for shares, (start, end) in ((asked, pair.asked), (told, pair.told)):
            shares[row, 0, start:end] = 1.0 / (end - start)
    shape = weights.shape
    places = weights.vectors["emb.pos"].reshape(shape.positions, shape.hidden)[:longest]
    x = weights.matrices["emb.word"].rows(ids) + (places + weights.vectors["emb.type"][: shape.hidden])
    return {"x": x, "lengths": lengths, "asked": asked, "told": told}


class PairScorer:
    """Says how well each of several texts answers a question; thread-safe.

    `cache` is the folder for derived files (some 22 MB, written at first use); `threads` is how many cores one call
    may use. `installed` shares the weights and tokens of an embedder already loaded. A question counts 48 tokens, a
    text 96. A score does not depend on the texts beside it. Raises `EmbeddingError`.
    """

    def __init__(
        self,
        cache: Path,
        *,
        threads: int = 2,
        trained: Path = TRAINED,
        installed: tuple[e5_weights.Weights, Tokens] | None = None,
    ) -> None:
        if installed is None:
            weights = e5_weights.read(e5_weights.packaged())
            installed = weights, Tokens(weights.vocabulary)
        self._weights, self._tokens = installed
        self._trained = read(trained)
        digest = f"{self._weights.digest[:12]}-{self._trained.digest[:12]}"
        self._name = f"pair-e5-small@{digest}.{GRAPH_VERSION}"
        self._session = self._open(cache / f"pair-{digest}-{GRAPH_VERSION}.model", threads)

    @property
    def name(self) -> str:
        """Model and content: scores of another name are not comparable."""
        return self._name

    def scores(self, question: str, texts: Sequence[str]) -> Scores:
        """One logit per text, in the order given, float32 (len(texts),); higher answers better."""
        found = np.zeros(len(texts), dtype=np.float32)
        for number, text in enumerate(texts):
            pair = encode(self._tokens, self._weights.vocabulary, question, text)
            (found[number : number + 1],) = self._session.run(["logits"], inputs([pair], self._weights))
        return found

    def _open(self, path: Path, threads: int) -> onnxruntime.InferenceSession:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        options.enable_cpu_mem_arena = False  # memory of a long batch is given back
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # idle threads leave the cores alone
        model = sealed.load_or_store(path, self._write)
        try:
            return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        except Exception as error:
            raise EmbeddingError(f"无法加载问答匹配模型 {path.name}：{error}") from error

    def _write(self) -> bytes:
        from knowledge.embedding import pair_graph  # imports onnx, which only writing needs

        return pair_graph.write(self._weights, self._trained)
