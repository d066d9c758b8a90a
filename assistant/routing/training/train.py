"""Train the routing model: `python -m assistant.routing.training.train`.

Reads messages.jsonl, fits a multinomial logistic regression on hashed features (scikit-learn, development only),
calibrates it on predictions for folds it has not seen, writes ../weights.npz as int8 and prints what it is worth.
The same data, rules and scikit-learn give the same weights.
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
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold

from assistant.routing.features import SPACE, vectorise
from assistant.routing.model import INTENTS, LinearModel, softmax
from assistant.routing.router import FOLDER, Router, readable
from assistant.routing.rules import Rules, read_rules
from assistant.routing.training.dataset import Labelled, compound, read_messages, vary
from assistant.routing.training.report import print_report

SEED: Final = 20261122
FOLDS: Final = 5
STRENGTH: Final = 30.0
COMPOUNDS: Final = 900
VARIED_WEIGHT: Final = 0.4
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
    joined = compound(rows, rules.gravity, COMPOUNDS, SEED)
    weights = np.concatenate([np.ones(len(rows)), np.full(len(varied), VARIED_WEIGHT), np.full(len(joined), COMPOUND_WEIGHT)])
    return [*rows, *varied, *joined], weights


def fit(rows: Sequence[Labelled], rules: Rules) -> tuple[np.ndarray, np.ndarray]:
    """Return coefficients float64 [SPACE, intents] and bias [intents], columns in the order of `INTENTS`."""
    everything, weights = with_variations(rows, rules)
    model = LogisticRegression(C=STRENGTH, max_iter=400, tol=1e-3, random_state=SEED)
    model.fit(matrix(everything, rules), [INTENTS.index(row.intent) for row in everything], sample_weight=weights)
    return model.coef_.T, model.intercept_


def quantised(coefficients: np.ndarray, bias: np.ndarray, temperature: float) -> LinearModel:
    """Return the model with int8 weights, scaled by intent."""
    scale = np.maximum(np.abs(coefficients).max(axis=0), 1e-9) / 127
    weights = np.clip(np.rint(coefficients / scale), -127, 127).astype(np.int8)
    return LinearModel(weights, scale.astype(np.float32), bias.astype(np.float32), temperature)


def temperature_of(scores: np.ndarray, gold: np.ndarray) -> float:
    """Return the temperature that makes softmax(scores / t) most probable for `gold`; scores [rows, intents]."""

    def loss(t: float) -> float:
        return float(-np.log(softmax(scores / t)[np.arange(len(gold)), gold] + 1e-12).mean())

    return float(minimize_scalar(loss, bounds=(0.2, 5.0), method="bounded").x)


def cross_validated(rows: Sequence[Labelled], rules: Rules) -> tuple[np.ndarray, list[str]]:
    """Return scores for unseen rows, float [rows, intents], and the full routing's intent for each unseen row."""
    gold = np.asarray([INTENTS.index(row.intent) for row in rows])
    order = np.random.default_rng(SEED).permutation(len(rows))
    scores = np.zeros((len(rows), len(INTENTS)))
    routed = [""] * len(rows)
    for train, test in GroupKFold(FOLDS).split(order, gold, groups=np.argsort(order) % FOLDS):
        coefficients, bias = fit([rows[i] for i in train], rules)
        scores[test] = matrix([rows[i] for i in test], rules) @ coefficients + bias
        router = Router(rules, quantised(coefficients, bias, temperature_of(scores[test], gold[test])))
        for i in test:
            routed[i] = router.route(rows[i].text, rows[i].history).intent
    return scores, routed


def main(arguments: Sequence[str] | None = None) -> int:
    """Train, report and write. Returns the exit code."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    options.add_argument("--messages", type=Path, default=Path(__file__).parent / "messages.jsonl")
    options.add_argument("--output", type=Path, default=FOLDER / "weights.npz")
    options.add_argument("--quick", action="store_true", help="no cross-validation; keeps the temperature of the last run")
    options.add_argument("--cases", type=Path, action="append", default=[], help="also report on these labelled cases")
    options.add_argument("--errors", action="store_true", help="print every wrong message")
    chosen = options.parse_args(arguments)
    rules = read_rules(FOLDER / "rules.yaml")
    rows = read_messages(chosen.messages)
    if chosen.quick:
        temperature = LinearModel.read(chosen.output).temperature
    else:
        scores, routed = cross_validated(rows, rules)
        temperature = temperature_of(scores, np.asarray([INTENTS.index(row.intent) for row in rows]))
        print_report(f"{FOLDS}-fold cross-validation, messages.jsonl", rows, routed, errors=chosen.errors)
    model = quantised(*fit(rows, rules), temperature)
    model.write(chosen.output)
    print(f"\nwrote {chosen.output.name}: {chosen.output.stat().st_size / 1e6:.2f} MB, temperature {temperature:.3f}")
    router = Router(rules, model)
    for path in chosen.cases:
        cases = read_messages(path)
        print_report(path.name, cases, [router.route(c.text, c.history).intent for c in cases], errors=chosen.errors)
    return 0


if __name__ == "__main__":
    sys.exit(main())
