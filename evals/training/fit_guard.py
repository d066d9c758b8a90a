"""Train the reader behind the screening's meaning check: `python -m evals.training.fit_guard [--report FILE …]`.

Reads guardrails/training/sentences*.jsonl (a text and the codes it breaks; files named …heldout… are left out) and
documents.jsonl (sentences of approved materials, lawful), tunes the lowest layers and a head, writes
guardrails/meaning.npz and meaning.json. A text is judged by its units (guardrails.units); what one of them breaks, the
text breaks. Seeded. Needs torch (optional dependency local-models).
"""

from __future__ import annotations

import argparse
import hashlib
import json
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from evals.training.layers import Head, Layers, torch_or_exit
from guardrails.normalise import normalise
from guardrails.phrases import sentences
from guardrails.units import LABELS, units
from knowledge.embedding.classifier import TOKENS
from knowledge.embedding.e5 import E5

GUARD = Path(__file__).parents[2] / "guardrails"
SEED = 20261122
LAYERS = 4
UNITS = 128
BATCH = 40
DROPOUT = 0.1
DOCUMENTS = 0.35
SMOOTHING = 0.02
EPOCHS = 5
ROWS_BACK = 8  # one in so many is held back
DOCUMENTS_BACK = 4
LAWFUL_STOPPED = 0.02
DOCUMENTS_STOPPED = 0.001
DOUBTED_WRONGLY = 0.005
LEAST_STOP, MOST_DOUBTED, NAMED = 0.3, 0.05, 0.5
ANY = len(LABELS) - 1  # the last label

Row = tuple[str, tuple[str, ...]]


def rows_of(path: Path) -> list[Row]:
    """Text and codes."""
    told = (json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip())
    return [(row["text"], tuple(row.get("codes", ()))) for row in told]


def wanted(rows: Sequence[Row]) -> np.ndarray:
    """(rows, labels), 1 where broken."""
    out = np.zeros((len(rows), len(LABELS)), dtype=np.float32)
    for i, (_, codes) in enumerate(rows):
        for code in codes:
            out[i, LABELS.index(code)] = out[i, ANY] = 1
    return out


@lru_cache(maxsize=20_000)
def pieces(text: str) -> tuple[str, ...]:
    """What the units of a text are judged by."""
    plain = normalise(text).text
    return tuple(unit.text for unit in units(plain, sentences(plain))) or (text,)


class Fit:
    """Tunes the lowest layers."""

    def __init__(self, torch: Any, trunk: E5, layers: int) -> None:
        self.torch, self.trunk = torch, trunk
        self.layers = Layers(torch, Head.fresh(trunk.dimensions, UNITS, len(LABELS), SEED), range(layers))

    def logits(self, texts: Sequence[str], dropout: float = 0.0) -> Any:
        """(len(texts), labels): of each label the highest among the units."""
        cut = [pieces(text) for text in texts]
        owner = [i for i, parts in enumerate(cut) for _ in parts]
        states = [self.trunk.lowest(part, TOKENS)[0] for parts in cut for part in parts]
        single = Head.logits(self.layers, states, dropout)
        index = self.torch.tensor(owner)[:, None].expand(-1, single.shape[1])
        low = self.torch.full((len(texts), single.shape[1]), -1e4)
        return low.scatter_reduce(0, index, single, "amax")

    def train(self, rows: Sequence[Row], documents: Sequence[Row], epochs: int) -> None:
        """Every epoch shows every labelled text and a share of the sentences of materials."""
        torch = self.torch
        rng = np.random.default_rng(SEED)
        some = int(len(documents) * DOCUMENTS)
        steps = epochs * -(-(len(rows) + some) // BATCH)
        optimizer, schedule = self.layers.optimizer(steps)
        for epoch in range(epochs):
            shown = [*rows, *(documents[i] for i in rng.permutation(len(documents))[:some])]
            order = sorted(range(len(shown)), key=lambda i: len(shown[i][0]) + rng.normal() * 10)
            batches = [order[start : start + BATCH] for start in range(0, len(order), BATCH)]
            rng.shuffle(batches)
            losses = []
            for batch in batches:
                part = [shown[i] for i in batch]
                gold = torch.tensor(wanted(part) * (1 - SMOOTHING) + SMOOTHING / 4)
                logits = self.logits([text for text, _ in part], DROPOUT)
                each = torch.nn.functional.binary_cross_entropy_with_logits(logits, gold, reduction="none")
                loss = each[:, ANY].mean() + 0.5 * each.sum(1).mean()
                self.layers.step(loss, optimizer, schedule)
                losses.append(loss.item())
            print(f"epoch {epoch + 1}: loss {np.mean(losses):.4f}", flush=True)

    def probabilities(self, texts: Sequence[str]) -> np.ndarray:
        """(len(texts), labels)."""
        found = []
        with self.torch.no_grad():
            for start in range(0, len(texts), 32):
                found.append(self.torch.sigmoid(self.logits(texts[start : start + 32])).numpy())
        return np.concatenate(found)


def held_back(rows: Sequence[Row], one_in: int) -> tuple[list[Row], list[Row]]:
    """Rows to train on and rows to set the limits with, told apart by their text."""
    back = [int(hashlib.sha256(text.encode()).hexdigest()[:8], 16) % one_in == 0 for text, _ in rows]
    return [r for r, b in zip(rows, back, strict=True) if not b], [r for r, b in zip(rows, back, strict=True) if b]


def limits_of(rows: Sequence[Row], found: np.ndarray, documents: np.ndarray) -> dict[str, float]:
    """The limits of guardrails.meaning: as low as the allowed share of lawful texts stopped permits."""
    bad = wanted(rows)[:, ANY] > 0
    stop = max(LEAST_STOP, float(np.quantile(found[~bad, ANY], 1 - LAWFUL_STOPPED)))
    quoted = max(stop, float(np.quantile(documents[:, ANY], 1 - DOCUMENTS_STOPPED)))
    doubted = min(MOST_DOUBTED, float(np.quantile(found[bad, ANY], DOUBTED_WRONGLY)))
    values = {"stop": stop, "quoted": quoted, "named": NAMED, "doubted": doubted}
    return {name: round(value, 4) for name, value in values.items()}


def report(name: str, rows: Sequence[Row], found: np.ndarray, limit: float) -> None:
    """What the limit catches and stops, by code."""
    gold = wanted(rows)
    bad, over = gold[:, ANY] > 0, found[:, ANY] >= limit
    print(
        f"{name}: caught {over[bad].mean():.3f} of {bad.sum()}, stopped {over[~bad].mean():.3f} of {(~bad).sum()} lawful"
    )
    for i, code in enumerate(LABELS[:-1]):
        mask = gold[:, i] > 0
        if mask.any():
            print(f"  {code:22} missed {int((~over[mask]).sum())} of {int(mask.sum())}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--report", type=Path, action="append", default=[])
    parser.add_argument("--layers", type=int, default=LAYERS)
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    parser.add_argument("--out", type=Path, default=GUARD / "meaning.npz")
    parser.add_argument("--work", type=Path, default=Path("data/evals/cache"))
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch = torch_or_exit()
    torch.manual_seed(SEED)
    torch.set_num_threads(options.threads)
    files = [path for path in sorted((GUARD / "training").glob("sentences*.jsonl")) if "heldout" not in path.name]
    rows, limiting = held_back([row for path in files for row in rows_of(path)], ROWS_BACK)
    documents, quoted = held_back(rows_of(GUARD / "training" / "documents.jsonl"), DOCUMENTS_BACK)
    fit = Fit(torch, E5(options.work), options.layers)
    fit.train(rows, documents, options.epochs)
    fit.layers.save(options.out, LABELS)
    found = fit.probabilities([text for text, _ in limiting])
    limits = limits_of(limiting, found, fit.probabilities([text for text, _ in quoted]))
    told = {"weights": hashlib.sha256(options.out.read_bytes()).hexdigest(), "limits": limits}
    options.out.with_suffix(".json").write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
    print(limits)
    report("held back to set the limits", limiting, found, limits["stop"])
    for path in options.report:
        cases = rows_of(path)
        report(path.name, cases, fit.probabilities([text for text, _ in cases]), limits["stop"])


if __name__ == "__main__":
    main()
