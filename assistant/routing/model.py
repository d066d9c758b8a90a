"""The trained linear model: int8 weights, one row a column of features.py, one column an intent."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final, cast, get_args

import numpy as np

from assistant.routing.features import SPACE, Vector
from assistant.turn import Intent

INTENTS: Final[tuple[Intent, ...]] = cast("tuple[Intent, ...]", get_args(Intent))


@dataclass(frozen=True, slots=True)
class LinearModel:
    """`weights` int8 [SPACE, intents], `scale` and `bias` float32 [intents], `temperature` > 0 (calibration)."""

    weights: np.ndarray
    scale: np.ndarray
    bias: np.ndarray
    temperature: float

    @classmethod
    def read(cls, path: Path) -> LinearModel:
        """Read weights written by `write`. Raises ValueError when they do not fit features and intents."""
        with np.load(path, allow_pickle=False) as file:
            if tuple(file["intents"]) != INTENTS or file["weights"].shape != (SPACE, len(INTENTS)):
                raise ValueError(f"{path} was trained for other features or intents; run the training again")
            weights, scale, bias = file["weights"], file["scale"], file["bias"]
            return cls(weights, scale, bias, float(file["temperature"]))

    def write(self, path: Path) -> None:
        """Write the weights, compressed; the same weights give the same bytes."""
        np.savez_compressed(
            path, weights=self.weights, scale=self.scale, bias=self.bias, temperature=np.float32(self.temperature),
            intents=np.asarray(INTENTS),
        )  # fmt: skip

    def scores(self, features: Vector) -> np.ndarray:
        """Return scores before calibration, float32 [intents]."""
        columns, values = features
        return np.asarray(values @ self.weights[columns].astype(np.float32) * self.scale + self.bias)

    def probabilities(self, features: Vector) -> np.ndarray:
        """Return calibrated probabilities, float32 [intents], summing to 1, in the order of `INTENTS`."""
        return softmax(self.scores(features) / self.temperature)

    def weight_of(self, column: int, intent: Intent) -> float:
        """Return how much one column speaks for `intent` compared with the average intent."""
        row = self.weights[column].astype(np.float32) * self.scale
        return float(row[INTENTS.index(intent)] - row.mean())


def softmax(scores: np.ndarray) -> np.ndarray:
    """Return exp(scores) normalised along the last axis."""
    shifted = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return np.asarray(shifted / shifted.sum(axis=-1, keepdims=True))
