"""Layers of the installed model in torch, to be tuned; named as in the weight files, matrices output-major."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from knowledge.embedding import e5_weights, tuned
from knowledge.embedding.e5_graph import MIDDLE

LAYER_RATE = 2e-4
FRESH_RATE = 1e-3
WEIGHT_DECAY = 0.01


class Layers:
    """Some layers, by default those after the middle, and `fresh` values of whatever is trained on top of them."""

    def __init__(self, torch: Any, fresh: Mapping[str, np.ndarray], numbers: Sequence[int] = range(MIDDLE, 12)) -> None:
        self.torch = torch
        weights = e5_weights.read(e5_weights.packaged())
        self.shape = weights.shape
        self.names = [f"l{n}" for n in numbers]
        self.lowest = {part: torch.tensor(np.array(weights.vectors[f"emb.ln.{part}"])) for part in "wb"}
        mine = tuple(f"{name}." for name in self.names)
        values: dict[str, np.ndarray] = {k: np.array(v) for k, v in weights.vectors.items() if k.startswith(mine)}
        for name, matrix in weights.matrices.items():
            if name.startswith(mine):
                levels = matrix.levels().astype(np.float32) - 128
                values[name] = (levels * matrix.scales.astype(np.float32)[..., None]).reshape(len(levels), -1)
        self.layers = sorted(values)
        values |= {name: np.asarray(value, dtype=np.float32) for name, value in fresh.items()}
        self.values = {name: torch.tensor(value, requires_grad=True) for name, value in values.items()}

    def run(self, x: Any, real: Any, dropout: float) -> Any:
        """States (n, length, hidden), embeddings if the layers are the lowest, through all; `real` (n, length) bool."""
        if self.names[0] == "l0":
            norm = self.torch.nn.functional.layer_norm
            x = norm(x, x.shape[-1:], self.lowest["w"], self.lowest["b"], self.shape.epsilon)
        for name in self.names:
            x = self._layer(x, real, name, dropout)
        return x.float()

    def optimizer(self, steps: int) -> tuple[Any, Any]:
        """AdamW, slower for the layers than for what is fresh, and its schedule: a short rise, then down to nothing."""
        layers = [self.values[name] for name in self.layers]
        fresh = [value for name, value in self.values.items() if name not in set(self.layers)]
        parts = [{"params": layers, "lr": LAYER_RATE}, {"params": fresh, "lr": FRESH_RATE}]
        optimizer = self.torch.optim.AdamW(parts, weight_decay=WEIGHT_DECAY)
        return optimizer, self.torch.optim.lr_scheduler.LambdaLR(
            optimizer, lambda step: min((step + 1) / (0.06 * steps), max(0.02, (steps - step) / (0.94 * steps)))
        )

    def step(self, loss: Any, optimizer: Any, schedule: Any) -> None:
        """One step down."""
        optimizer.zero_grad()
        loss.backward()
        self.torch.nn.utils.clip_grad_norm_(list(self.values.values()), 1.0)
        optimizer.step()
        schedule.step()

    def save(self, path: Path, labels: Sequence[str] = ()) -> None:
        """Write the tuned weights, with the labels of a classifier."""
        values = {name: tensor.detach().numpy() for name, tensor in self.values.items()}
        tuned.write(values | ({"labels": np.array(labels)} if labels else {}), path)

    def _layer(self, x: Any, real: Any, name: str, dropout: float) -> Any:
        f, v = self.torch.nn.functional, self.values
        rows, length, hidden = x.shape

        def linear(y: Any, part: str) -> Any:
            return f.linear(y, v[f"{name}.{part}.w"], v[f"{name}.{part}.b"])

        def normal(y: Any, part: str) -> Any:
            return f.layer_norm(y, (hidden,), v[f"{name}.{part}.w"], v[f"{name}.{part}.b"], self.shape.epsilon)

        q, k, w = (linear(x, part).view(rows, length, self.shape.heads, -1).transpose(1, 2) for part in "qkv")
        mixed = f.scaled_dot_product_attention(q, k, w, attn_mask=real[:, None, None, :])
        mixed = linear(mixed.transpose(1, 2).reshape(rows, length, hidden), "ao")
        x = normal(x + f.dropout(mixed, dropout), "aln")
        return normal(x + f.dropout(linear(f.gelu(linear(x, "fi")), "fo"), dropout), "oln")


def padded(states: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """States of several texts as one array (n, length, hidden), and which of them are real (n, length), float32."""
    longest = max(map(len, states))
    x = np.zeros((len(states), longest, states[0].shape[1]), dtype=np.float32)
    real = np.zeros((len(states), longest), dtype=np.float32)
    for row, one in enumerate(states):
        x[row, : len(one)], real[row, : len(one)] = one, 1
    return x, real


class Head:
    """The head of a text classifier, as in classifier_graph."""

    @staticmethod
    def fresh(hidden: int, units: int, labels: int, seed: int) -> dict[str, np.ndarray]:
        """Values before training."""
        rng = np.random.default_rng(seed)
        return {
            "head.dense.w": rng.normal(size=(2 * hidden, units)) * 0.03, "head.dense.b": np.zeros(units),
            "head.out.w": rng.normal(size=(units, labels)) * 0.05, "head.out.b": np.zeros(labels),
        }  # fmt: skip

    @staticmethod
    def logits(layers: Layers, states: Sequence[np.ndarray], dropout: float) -> Any:
        """(len(states), labels)."""
        torch, v = layers.torch, layers.values
        x, real = padded(states)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            h = layers.run(torch.tensor(x), torch.tensor(real) > 0, dropout)
        shares = torch.tensor(real / real.sum(axis=1, keepdims=True))
        seen = torch.cat((h[:, 0], (h * shares[..., None]).sum(1)), -1)
        judged = torch.tanh(torch.nn.functional.dropout(seen, dropout) @ v["head.dense.w"] + v["head.dense.b"])
        return judged @ v["head.out.w"] + v["head.out.b"]


def states(trunk: Any, texts: set[str], prefix: str, tokens: int) -> dict[str, np.ndarray]:
    """The first states of every text after the lower layers, float16 (tokens, hidden)."""
    found: dict[str, np.ndarray] = {}
    order = sorted(texts, key=len)
    for start in range(0, len(order), 64):
        part = order[start : start + 64]
        trunk.embed(prefix, part)
        found |= {text: one[:tokens] for text, one in zip(part, trunk.middle(part, prefix=prefix), strict=True)}
    return found


def torch_or_exit() -> Any:
    """The library, or a message that says how to get it."""
    try:
        import torch
    except ImportError as error:
        raise SystemExit("训练需要可选依赖 local-models：pip install 'heshi[local-models]'") from error
    return torch
