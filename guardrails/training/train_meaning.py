"""Trains the meaning classifier: `python -m guardrails.training.train_meaning`. Needs scikit-learn (dev only).

One logistic model per code and one for "any violation" over guardrails/training/sentences*.jsonl and the examples of
the default policy pack, with sentences of approved materials (documents.jsonl) as lawful ones.
Thresholds come from out-of-fold predictions: the lowest that keeps the share of lawful
sentences stopped within ALLOWED_FALSE, and for what is quoted from documents within ALLOWED_FALSE_DOCUMENT.
Files that end in heldout are only reported on, never trained or tuned on.
"""

from __future__ import annotations

import json
import os
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy.sparse import csr_matrix  # type: ignore[import-untyped,unused-ignore]
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold

from guardrails.meaning import ANY, BITS, THRESHOLDS, WEIGHTS, Meaning, digest, features, marked
from guardrails.normalise import normalise
from guardrails.policy import POLICIES, Policy, load

HERE = Path(__file__).parent
SEED = 20261122
STRENGTH = 80.0
FOLDS = 5
ALLOWED_FALSE = {ANY: 0.04}
ALLOWED_FALSE_CODE = 0.002
ALLOWED_FALSE_DOCUMENT = {ANY: 0.001}
ALLOWED_FALSE_DOCUMENT_CODE = 0.0004
LEAST = 0.6
SMALLEST = 2e-2

Row = tuple[str, tuple[str, ...]]


def read(path: Path) -> list[Row]:
    """Rows of a sentence file: text and the codes it breaks (none: lawful)."""
    told = (json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip())
    return [(row["text"], tuple(row["codes"])) for row in told]


def examples(policy: Policy) -> list[Row]:
    """The examples of the pack's rules."""
    hit = [(text, (str(rule.code),)) for rule in policy.rules for text in rule.must_hit]
    return hit + [(text, ()) for rule in policy.rules for text in rule.must_not]


def matrix(texts: Sequence[str], policy: Policy) -> Any:
    """Sparse rows (texts × 2^BITS), each of length one."""
    columns: list[int] = []
    values: list[float] = []
    starts = [0]
    for text in texts:
        scan = policy.scan(normalise(text))
        found = sorted({f for sentence in scan.sentences for f in features(scan, sentence, policy)})
        columns += found
        values += [1.0 / np.sqrt(max(len(found), 1))] * len(found)
        starts.append(len(columns))
    return csr_matrix((values, columns, starts), shape=(len(texts), 1 << BITS), dtype=np.float64)


def model() -> LogisticRegression:
    """The classifier of one code."""
    return LogisticRegression(C=STRENGTH, class_weight="balanced", solver="liblinear", random_state=SEED)


def out_of_fold(x: Any, y: np.ndarray, strata: np.ndarray) -> np.ndarray:
    """Probabilities for each row from models that did not see it."""
    result = np.zeros(len(y))
    for train, test in StratifiedKFold(FOLDS, shuffle=True, random_state=SEED).split(x, strata):
        result[test] = model().fit(x[train], y[train]).predict_proba(x[test])[:, 1]
    return result


def threshold(lawful: np.ndarray, allowed: float) -> float:
    """The lowest probability that stops at most `allowed` of the lawful sentences; never below LEAST."""
    ordered = np.sort(lawful)[::-1]
    return round(float(max(LEAST, ordered[int(allowed * len(ordered))] + 1e-4)), 4)


def _marked(text: str, policy: Policy) -> bool:
    scan = policy.scan(normalise(text))
    return any(marked(scan, sentence, policy) for sentence in scan.sentences)


def main() -> None:
    """Trains, writes meaning.npz and meaning.json, and prints both rates per code on the held-out file."""
    random.seed(SEED)
    policy = load(POLICIES / "cn-securities.yaml")
    labelled = [path for path in sorted(HERE.glob("sentences*.jsonl")) if not path.stem.endswith("heldout")]
    rows = [row for path in labelled for row in read(path)] + examples(policy)
    documents = set(read(HERE / "documents.jsonl"))
    rows = list(dict.fromkeys(rows + sorted(documents)))
    printed = np.array([row in documents for row in rows])
    x = matrix([text for text, _ in rows], policy)
    first = np.array([codes[0] if codes else "" for _, codes in rows])
    names = [*sorted({c for _, codes in rows for c in codes}), ANY]
    careful = np.array([_marked(text, policy) for text, _ in rows])
    weights, biases = [], []
    limits: dict[str, float] = {}
    surer: dict[str, float] = {}
    surest: dict[str, float] = {}
    for name in names:
        y = np.array([bool(codes) if name == ANY else name in codes for _, codes in rows])
        guess = out_of_fold(x, y, first)
        allowed = ALLOWED_FALSE.get(name, ALLOWED_FALSE_CODE)
        stiff = threshold(guess[printed], ALLOWED_FALSE_DOCUMENT.get(name, ALLOWED_FALSE_DOCUMENT_CODE))
        spoken = (first == "") & ~printed
        limits[name] = threshold(guess[spoken & ~careful], allowed)
        surer[name] = max(threshold(guess[spoken & careful], allowed), limits[name])
        surest[name] = max(stiff, surer[name])
        caught = float((guess[y] >= np.where(careful, surer[name], limits[name])[y]).mean())
        told = f"threshold {limits[name]:.3f} quoted {surest[name]:.3f} caught out of fold {caught:.3f}"
        print(f"{name:22} rows {int(y.sum()):5} {told}")
        fitted = model().fit(x, y)
        weights.append(fitted.coef_[0])
        biases.append(fitted.intercept_[0])
    write(names, np.array(weights), np.array(biases), (limits, surer, surest), policy)
    report(policy)


def write(
    names: list[str], weights: np.ndarray, biases: np.ndarray, limits: tuple[dict[str, float], ...], policy: Policy
) -> None:
    """Stores the weights sparse in half precision, and what they were made from."""
    row, column = np.nonzero(np.abs(weights) > SMALLEST)
    stored = WEIGHTS.with_suffix(".new.npz")
    value = weights[row, column].astype(np.float16)
    np.savez_compressed(
        stored, row=row.astype(np.uint8), column=column.astype(np.uint32), value=value, bias=biases.astype(np.float32)
    )
    told: dict[str, Any] = {"codes": names, "thresholds": limits[0], "marked_thresholds": limits[1]}
    told |= {"quoted_thresholds": limits[2], "bits": BITS}
    told |= {"policy": policy.id, "policy_version": policy.version, "weights": digest(stored.read_bytes())}
    limited = THRESHOLDS.with_suffix(".new.json")
    limited.write_text(json.dumps(told, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    os.replace(stored, WEIGHTS)
    os.replace(limited, THRESHOLDS)


def report(policy: Policy) -> None:
    """Both rates of the classifier alone on the held-out sentences."""
    meaning = Meaning.load()
    counts: dict[str, list[int]] = {}
    for text, codes in read(HERE / "sentences_heldout.jsonl"):
        found = meaning.judge(policy.scan(normalise(text)), policy)
        tally = counts.setdefault(codes[0] if codes else "lawful", [0, 0])
        tally[0] += bool(found)
        tally[1] += 1
    for name, (stopped, total) in sorted(counts.items()):
        print(f"{name:22} stopped {stopped}/{total} = {stopped / total:.3f}")


if __name__ == "__main__":
    main()
