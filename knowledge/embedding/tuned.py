"""Weights of models that were tuned from the upper layers of the installed one, as committed beside their modules."""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from knowledge.embedding import EmbeddingError


@dataclass(frozen=True, slots=True)
class Levels:
    """A matrix of 8-bit weights in blocks of 32, one scale each: weight = (level - 128) * scale."""

    packed: NDArray[np.uint8]  # (rows, blocks, 32)
    scales: NDArray[np.float16]  # (rows, blocks)

    def levels(self) -> NDArray[np.uint8]:
        return self.packed


@dataclass(frozen=True, slots=True)
class Tuned:
    """What such a file holds: matrices and vectors by name as in the installed model, and the new parts' by name."""

    digest: str
    matrices: Mapping[str, Levels]
    vectors: Mapping[str, NDArray[np.float32]]


def layers_of(tuned: Tuned) -> list[int]:
    """The numbers of the tuned layers, lowest first."""
    return sorted({int(name[1:].split(".")[0]) for name in tuned.matrices})


def read(path: Path) -> Tuned:
    """The tuned weights. Raises `EmbeddingError` when the file is missing or not one of ours."""
    try:
        content = path.read_bytes()
        with np.load(io.BytesIO(content), allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise EmbeddingError(f"无法读取模型 {path.name}：{error}") from error
    packed = [name.removesuffix(".levels") for name in arrays if name.endswith(".levels")]
    if not packed:
        raise EmbeddingError(f"模型 {path.name} 不含权重")
    matrices = {name: Levels(arrays.pop(f"{name}.levels"), arrays.pop(f"{name}.scales")) for name in packed}
    return Tuned(hashlib.sha256(content).hexdigest(), matrices, arrays)


def write(values: Mapping[str, NDArray[np.float32]], path: Path) -> None:
    """Matrices of the layers (named l…) as 8-bit blocks, the rest as float32; the same values give the same bytes."""
    out: dict[str, NDArray[np.generic]] = {}
    for name, value in sorted(values.items()):
        if value.ndim == 2 and name.startswith("l"):
            blocks = value.reshape(len(value), -1, 32)
            scales = np.maximum(np.abs(blocks).max(-1) / 127, 1e-6).astype(np.float16)
            levels = np.clip(np.rint(blocks / scales.astype(np.float32)[..., None]), -127, 127)
            out |= {f"{name}.levels": (levels + 128).astype(np.uint8), f"{name}.scales": scales}
        else:
            out[name] = value
    np.savez_compressed(path, allow_pickle=False, **out)
