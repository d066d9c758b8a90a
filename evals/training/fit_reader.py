"""Train the intent reader (assistant/routing/reader.npz): `python -m evals.training.fit_reader [--report FILE …]`.

Reads the labelled messages of assistant/routing/training, tunes the upper layers and a head, writes reader.npz. Seeded.
Needs torch (optional dependency local-models).
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from assistant.routing.model import INTENTS
from assistant.routing.router import FOLDER
from assistant.routing.rules import read_rules
from assistant.routing.training.dataset import Labelled, compound, read_messages
from assistant.routing.training.report import print_report
from evals.training.layers import Head, Layers, states, torch_or_exit
from knowledge.embedding.classifier import TOKENS
from knowledge.embedding.e5 import E5, QUERY

SEED = 20261122
UNITS = 128
BATCH = 48
DROPOUT = 0.1
SMOOTHING = 0.05
COMPOUNDS = 900
EPOCHS = 3
TRAINED = FOLDER / "reader.npz"
MESSAGES = tuple(sorted((FOLDER / "training").glob("*.jsonl")))


class Fit:
    """Tunes the layers on messages."""

    def __init__(self, torch: Any, seen: dict[str, np.ndarray]) -> None:
        self.torch, self.seen = torch, seen
        hidden = next(iter(seen.values())).shape[1]
        self.layers = Layers(torch, Head.fresh(hidden, UNITS, len(INTENTS), SEED))

    def logits(self, texts: Sequence[str], dropout: float = 0.0) -> Any:
        """(len(texts), intents)."""
        return Head.logits(self.layers, [self.seen[text] for text in texts], dropout)

    def train(self, rows: Sequence[Labelled], epochs: int) -> None:
        """Every epoch shows every message once."""
        torch = self.torch
        rng = np.random.default_rng(SEED)
        texts, gold = [row.text for row in rows], [INTENTS.index(row.intent) for row in rows]
        steps = epochs * -(-len(rows) // BATCH)
        optimizer, schedule = self.layers.optimizer(steps)
        for epoch in range(epochs):
            order = sorted(range(len(rows)), key=lambda i: len(self.seen[texts[i]]) + rng.normal() * 3)
            batches = [order[start : start + BATCH] for start in range(0, len(order), BATCH)]
            rng.shuffle(batches)
            losses = []
            for batch in batches:
                logits = self.logits([texts[i] for i in batch], DROPOUT)
                wanted = torch.tensor([gold[i] for i in batch])
                loss = torch.nn.functional.cross_entropy(logits, wanted, label_smoothing=SMOOTHING)
                self.layers.step(loss, optimizer, schedule)
                losses.append(loss.item())
            print(f"epoch {epoch + 1}: loss {np.mean(losses):.4f}", flush=True)

    def intents(self, rows: Sequence[Labelled]) -> list[str]:
        """The most probable intent of each message on its own."""
        found: list[str] = []
        with self.torch.no_grad():
            for start in range(0, len(rows), 32):
                logits = self.logits([row.text for row in rows[start : start + 32]])
                found += [INTENTS[int(i)] for i in logits.argmax(1)]
        return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--report", type=Path, action="append", default=[])
    parser.add_argument("--work", type=Path, default=Path("data/evals/cache"))
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    parser.add_argument("--out", type=Path, default=TRAINED)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch = torch_or_exit()
    torch.manual_seed(SEED)
    torch.set_num_threads(options.threads)
    rows = [row for path in MESSAGES for row in read_messages(path)]
    rows += compound(rows, read_rules(FOLDER / "rules.yaml").gravity, COMPOUNDS, SEED)
    reported = {path: read_messages(path) for path in options.report}
    texts = {row.text for many in (rows, *reported.values()) for row in many}
    fit = Fit(torch, states(E5(options.work), texts, QUERY, TOKENS))
    fit.train(rows, options.epochs)
    fit.layers.save(options.out, INTENTS)
    for path, cases in reported.items():
        print_report(path.name, cases, fit.intents(cases))


if __name__ == "__main__":
    main()
