"""Train the routing models: `python -m assistant.routing.training.train`.

Reads the labelled messages, fits a linear support vector machine on hashed features (scikit-learn, development only),
calibrates it on predictions for folds it has not seen, writes int8 weights and prints what they are worth. The same
data, rules and scikit-learn give the same weights.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.sparse import csr_matrix
from sklearn.model_selection import StratifiedKFold
from sklearn.svm import LinearSVC

from assistant.routing.features import SPACE, vectorise
from assistant.routing.model import INTENTS, LinearModel, softmax
from assistant.routing.router import FOLDER, WEIGHTS, readable
from assistant.routing.rules import Rules, read_rules
from assistant.routing.training.dataset import Labelled, compound, read_messages, vary
from assistant.routing.training.report import print_report

SEED: Final = 20261122
FOLDS: Final = 5
STRENGTH: Final = 0.4
COMPOUNDS: Final = 900
VARIED_WEIGHT: Final = 0.3
COMPOUND_WEIGHT: Final = 0.5


def matrix(rows: Sequence[Labelled], rules: Rules) -> csr_matrix:
    """Return the hashed features of `rows`, sparse float32 [rows, SPACE]."""
    vectors = [vectorise(readable(row.text), rules.concepts) for row in rows]
    starts = np.cumsum([0, *(len(columns) for columns, _ in vectors)])
    columns = np.concatenate([columns for columns, _ in vectors])
    values = np.concatenate([values for _, values in vectors])
    return csr_matrix((values, columns, starts), shape=(len(rows), SPACE))


def with_variations(rows: Sequence[Labelled], rules: Rules) -> tuple[list[Labelled], np.ndarray]:
    """Return `rows` with variations and compounds added, and the weight of each, float [all]."""
    varied = vary(rows, SEED)
    joined = compound(rows, rules.gravity, COMPOUNDS * len(rows) // 5000, SEED)
    weights = [np.ones(len(rows)), np.full(len(varied), VARIED_WEIGHT), np.full(len(joined), COMPOUND_WEIGHT)]
    return [*rows, *varied, *joined], np.concatenate(weights)


def fit(rows: Sequence[Labelled], rules: Rules) -> LinearModel:
    """Return a model of temperature 1."""
    everything, weights = with_variations(rows, rules)
    labels = [INTENTS.index(row.intent) for row in everything]
    machine = LinearSVC(C=STRENGTH, random_state=SEED).fit(matrix(everything, rules), labels, sample_weight=weights)
    coefficients, bias = machine.coef_.T, machine.intercept_
    scale = np.maximum(np.abs(coefficients).max(axis=0), 1e-9) / 127
    small = np.clip(np.rint(coefficients / scale), -127, 127).astype(np.int8)
    return LinearModel(small, scale.astype(np.float32), bias.astype(np.float32), 1.0)


def calibrated(model: LinearModel, temperature: float) -> LinearModel:
    """Return `model` with its temperature."""
    return LinearModel(model.weights, model.scale, model.bias, temperature)


def temperature_of(scores: np.ndarray, gold: np.ndarray) -> float:
    """Return the temperature that makes softmax(scores / t) most probable for `gold`; scores [rows, intents]."""

    def loss(t: float) -> float:
        return float(-np.log(softmax(scores / t)[np.arange(len(gold)), gold] + 1e-12).mean())

    return float(minimize_scalar(loss, bounds=(0.05, 5.0), method="bounded").x)


def cross_validate(rows: Sequence[Labelled], rules: Rules) -> float:
    """Report on every message as unseen by the linear model; return its temperature."""
    gold = np.asarray([INTENTS.index(row.intent) for row in rows])
    scores = np.zeros((len(rows), len(INTENTS)))
    for train, test in StratifiedKFold(FOLDS, shuffle=True, random_state=SEED).split(gold, gold):
        model = fit([rows[i] for i in train], rules)
        for i in test:
            scores[i] = model.scores(vectorise(readable(rows[i].text), rules.concepts))
    found = [INTENTS[int(i)] for i in scores.argmax(axis=1)]
    print_report(f"{FOLDS}-fold cross-validation, linear model alone", rows, found)
    return temperature_of(scores, gold)


def main(arguments: Sequence[str] | None = None) -> int:
    """Train, report and write. Returns the exit code."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    here = Path(__file__).parent
    options.add_argument("--messages", type=Path, nargs="+", default=sorted(here.glob("*.jsonl")))
    options.add_argument("--output", type=Path, default=FOLDER)
    options.add_argument(
        "--quick", action="store_true", help="no cross-validation; keeps the temperature of the last run"
    )
    options.add_argument("--cases", type=Path, action="append", default=[], help="also report on these labelled cases")
    options.add_argument("--errors", action="store_true", help="print every wrong message")
    chosen = options.parse_args(arguments)
    rules = read_rules(FOLDER / "rules.yaml")
    rows = [row for path in chosen.messages for row in read_messages(path)]
    target = chosen.output / WEIGHTS
    heat = LinearModel.read(target).temperature if chosen.quick else cross_validate(rows, rules)
    model = calibrated(fit(rows, rules), heat)
    model.write(target)
    print(f"\nwrote {target.name}: {target.stat().st_size / 1e6:.2f} MB, temperature {model.temperature:.3f}")
    for path in chosen.cases:
        cases = read_messages(path)
        found = [model.probabilities(vectorise(readable(case.text), rules.concepts)) for case in cases]
        routed = [INTENTS[int(p.argmax())] for p in found]
        print_report(f"{path.name}, linear model alone", cases, routed, errors=chosen.errors)
    return 0


if __name__ == "__main__":
    sys.exit(main())
