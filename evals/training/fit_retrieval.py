"""Fit the order of passages and the decision whether they answer, on our own questions.

`python -m evals.training.fit_retrieval [--corpora a,b] [--work DIR]` reads evals/cases/answers_*.jsonl of the named
corpora, writes knowledge/retrieval/ranker.json and answerable.json, and prints cross-validated figures. Seeded.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.ensemble import GradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from assistant.question import readings
from assistant.settings import Settings
from assistant.turn import Passage
from evals.cases import Case, answer_cases, met, training_questions
from evals.training.fit_adapter import Drawn, fit
from evals.workbench import installation
from knowledge.embedding.e5 import E5
from knowledge.embedding.pair import PairScorer
from knowledge.library import head_text
from knowledge.records.materials import embedded_text, text_hash
from knowledge.retrieval import answerable, features
from knowledge.retrieval.adapter import Adapter, save_adapter
from knowledge.retrieval.query import Query
from knowledge.retrieval.search import HERE as MODELS
from knowledge.retrieval.search import LOOKED_AT_TWICE, Hit, Search
from knowledge.retrieval.second import DECISION, ORDER, Second, decision_row, order_rows

TRAINED_ON = ("lanjiang", "beichen", "starter", "qinghe")
UNSEEN_BY_PAIR = "beichen"
SHARES = {"starter": 3, "lanjiang": 2}  # one question in so many, so that no corpus outweighs the others
NEGATIVES = 10
FOLDS = 4
TODAY = date(2026, 11, 22)
SEED = 20261122


@dataclass(frozen=True, slots=True)
class Sample:
    """One reading of one case with its candidates: `rows` (n, features), `labels` (n,) in 0..1."""

    case: Case
    query: Query
    keys: tuple[int, ...]
    passages: dict[int, Passage]
    seen: dict[int, features.Seen]
    rows: np.ndarray
    labels: np.ndarray


@dataclass(frozen=True, slots=True)
class Reading:
    """One text that a turn would search for a case."""

    case: Case
    text: str
    rewritten: bool
    fold: int


def readings_of(corpus: str, search: Search) -> list[Reading]:
    """The readings of all cases of a corpus; a case is in one fold only."""
    found = []
    share = SHARES.get(corpus, 1)
    cases = [case for case in answer_cases(corpus) if not case.answerable or hash_of(case.id) // FOLDS % share == 0]
    cases += [case for case in training_questions(corpus) if hash_of(case.id) // FOLDS % share == 0]
    for case in cases:
        means = readings(case.question, case.history, search.library.words)
        chosen = means.texts[1:] if means.elliptical else means.texts[:1]
        found += [Reading(case, text, means.elliptical, hash_of(case.id) % FOLDS) for text in chosen]
    return found


def drawn(found: Sequence[Reading], search: Search) -> Drawn:
    """What the adapter learns from: answerable readings and the passages of today's view."""
    view = search.library.view(TODAY)
    passages: dict[int, Passage] = {}
    keys = sorted(view.keys)
    for start in range(0, len(keys), 500):
        passages |= search.library.materials.load(keys[start : start + 500])
    hashes = [text_hash(embedded_text(passage)) for passage in passages.values()]
    stored = search.library.materials.vectors(search.library.embedder.name, hashes)
    labels = [label(one.case, passages) for one in found]
    kept = [i for i, values in enumerate(labels) if values.max(initial=0) > 0.3]
    answers = np.stack([labels[i] / labels[i].sum() for i in kept])
    questions = search.library.embedder.queries([found[i].text for i in kept])
    return Drawn(questions, np.stack([stored[digest] for digest in hashes]), answers)


def collect(corpora: Sequence[str], work: Path) -> tuple[list[Sample], list[int], Adapter]:
    """Samples whose adapter never saw their case, their folds, and the adapter fitted on everything."""
    searches = {corpus: installation(corpus, work).bare_search for corpus in corpora}
    texts = {corpus: readings_of(corpus, search) for corpus, search in searches.items()}
    name = next(iter(searches.values())).library.embedder.name
    samples: list[Sample] = []
    folds: list[int] = []
    for fold in range(FOLDS):
        others = [drawn([r for r in texts[c] if r.fold != fold], searches[c]) for c in corpora]
        adapter = fit(others, name)
        for corpus, search in searches.items():
            search.adapter = adapter
            for one in (r for r in texts[corpus] if r.fold == fold):
                samples += _sample(one, search)
                folds += [fold] * (len(samples) - len(folds))
            search.adapter = None
        print(f"fold {fold + 1}/{FOLDS} collected", flush=True)
    return samples, folds, fit([drawn(texts[c], searches[c]) for c in corpora], name)


def _sample(one: Reading, search: Search) -> list[Sample]:
    view = search.library.view(one.case.today)
    query, passages, rows = search.candidates(one.text, view, rewritten=one.rewritten)
    if not passages:
        return []
    seen = {key: search.look(key, passage) for key, passage in passages.items()}
    return [Sample(one.case, query, tuple(passages), passages, seen, rows, label(one.case, passages))]


def label(case: Case, passages: dict[int, Passage]) -> np.ndarray:
    """1 for a passage that holds every fact asked for, the share it holds when none holds all, else 0; where the case
    names the passages that answer, 1 for these."""
    if case.passages:
        return np.array([float(passage.id in case.passages) for passage in passages.values()])
    shares = []
    for passage in passages.values():
        right = case.answerable and passage.document in case.documents
        text = f"{head_text(passage)}\n{passage.table}\n{passage.text}"
        shares.append(met(case.facts, text) / len(case.facts) if right and case.facts else 0.0)
    values = np.array(shares)
    if values.max(initial=0) >= 1:
        return (values >= 1).astype(float)
    return values


def fit_ranker(samples: Sequence[Sample]) -> GradientBoostingClassifier:
    """Boosted trees on (question, passage) pairs, positives weighted up."""
    kept = [_contested(sample) for sample in samples]
    rows = np.concatenate([sample.rows[places] for sample, places in zip(samples, kept, strict=True)])
    labels = np.concatenate([sample.labels[places] for sample, places in zip(samples, kept, strict=True)])
    positive = (labels > 0.3).astype(int)
    weights = np.where(positive == 1, 0.5 + labels, 0.35)
    model = GradientBoostingClassifier(
        n_estimators=160, max_depth=4, learning_rate=0.08, subsample=0.6, min_samples_leaf=15,
        max_features=0.5, random_state=SEED,
    )  # fmt: skip
    model.fit(rows, positive, sample_weight=weights)
    return model


def _contested(sample: Sample) -> np.ndarray:
    """The places of the positives, of the negatives nearest to the question, and of as many others drawn at random.

    The ones at random matter: trained on near negatives alone, the order trusts anything that lies far away.
    """
    by_cosine = np.argsort(-sample.rows[:, 0], kind="stable")
    negatives = np.array([i for i in by_cosine if sample.labels[i] <= 0.3], dtype=int)
    drawn_at_random = np.random.default_rng(hash_of(sample.case.id)).permutation(negatives[NEGATIVES:])[:NEGATIVES]
    return np.concatenate([np.flatnonzero(sample.labels > 0.3), negatives[:NEGATIVES], drawn_at_random])


def fit_judge(rows: np.ndarray, labels: np.ndarray) -> GradientBoostingClassifier:
    """Boosted trees on whole results: do they answer?"""
    model = GradientBoostingClassifier(
        n_estimators=90, max_depth=3, learning_rate=0.06, subsample=0.6, min_samples_leaf=12,
        max_features=0.5, random_state=SEED,
    )  # fmt: skip
    model.fit(rows, labels)
    return model


def judged(sample: Sample, probabilities: np.ndarray) -> tuple[np.ndarray, float]:
    """The evidence row of a ranked sample, and 1.0 when its best three hold an answer to an answerable question."""
    order = np.argsort(-probabilities, kind="stable")
    hits = tuple(
        Hit(sample.keys[i], sample.passages[sample.keys[i]], float(probabilities[i]), sample.rows[i]) for i in order
    )
    top = sample.labels[order[:3]].max(initial=0)
    return answerable.row(sample.query, hits, sample.seen), float(top > 0.3)


def cross_validate(samples: Sequence[Sample], folds: Sequence[int]) -> list[np.ndarray]:
    """Out-of-fold probabilities per sample."""
    out: list[np.ndarray] = [np.empty(0)] * len(samples)
    for fold in range(FOLDS):
        model = fit_ranker([sample for sample, f in zip(samples, folds, strict=True) if f != fold])
        for i, sample in enumerate(samples):
            if folds[i] == fold:
                out[i] = model.predict_proba(sample.rows)[:, 1]
    return out


def hash_of(text: str) -> int:
    """A stable group number of a case id."""
    return int(hashlib.sha256(text.encode()).hexdigest()[:12], 16)


def figures(samples: Sequence[Sample], probabilities: Sequence[np.ndarray]) -> dict[str, float]:
    """Share of answerable cases whose first, or first three, passages hold the answer."""
    first, three, document, reachable = [], [], [], []
    for sample, p in zip(samples, probabilities, strict=True):
        if not sample.case.answerable:
            continue
        order = np.argsort(-p, kind="stable")
        best = sample.labels.max(initial=0)
        reachable.append(best > 0.3)
        first.append(best > 0.3 and sample.labels[order[0]] >= best)
        three.append(best > 0.3 and sample.labels[order[:3]].max() >= best)
        document.append(sample.passages[sample.keys[order[0]]].document in sample.case.documents)
    return {
        "cases": len(first), "reachable": float(np.mean(reachable)), "first": float(np.mean(first)),
        "first_three": float(np.mean(three)), "document_first": float(np.mean(document)),
    }  # fmt: skip


def fit_second(samples: Sequence[Sample], first: Sequence[np.ndarray], judged: np.ndarray) -> Second:
    """Join the pair model's scores with the first look, on a corpus the pair model never saw; prints what it gains."""
    pairs = PairScorer(E5(Settings().cache), Settings().cache)
    codes: dict[str, bytes] = {}
    tops, rows, labels = [], [], []
    for sample, p in zip(samples, first, strict=True):
        order = np.argsort(-p, kind="stable")[:LOOKED_AT_TWICE]
        texts = [embedded_text(sample.passages[sample.keys[i]]) for i in order]
        codes |= {text: pairs.codes([text])[0] for text in texts if text not in codes}
        pair = pairs.scores(sample.query.text, [codes[text] for text in texts])
        tops.append((p[order], pair, sample.labels[order]))
        rows.append(order_rows(p[order], pair))
        labels.append(sample.labels[order] > 0.3)
    unit = LogisticRegression(C=3.0, fit_intercept=False, max_iter=1000)
    order_weights = unit.fit(np.concatenate(rows), np.concatenate(labels)).coef_[0]
    decisions, answers, right = [], [], []
    for (p, pair, label), judge in zip(tops, judged, strict=True):
        joined = 1 / (1 + np.exp(-(order_rows(p, pair) @ order_weights)))
        best = np.argsort(-joined, kind="stable")
        decisions.append(decision_row(float(judge), pair[best], joined[best]))
        answers.append(float(label.max(initial=0) > 0.3))
        right.append(label[best[0]] >= max(label.max(initial=0), 0.3))
    table, wanted = np.stack(decisions), np.array([sample.case.answerable for sample in samples])
    result = np.array(answers)
    out = np.zeros(len(samples))
    groups = np.array([hash_of(sample.case.id) % FOLDS for sample in samples])
    for fold in range(FOLDS):
        model = LogisticRegression(C=1.0, fit_intercept=False, max_iter=1000)
        model.fit(table[groups != fold], result[groups != fold])
        out[groups == fold] = model.predict_proba(table[groups == fold])[:, 1]
    print("second look: first passage right", round(float(np.mean(np.array(right)[wanted])), 4), end="; ")
    print("AUC of the question", round(float(roc_auc_score(wanted, out)), 4))
    show_thresholds(out, result, wanted)
    final = LogisticRegression(C=1.0, fit_intercept=False, max_iter=1000).fit(table, result)
    return Second(order_weights, final.coef_[0])


def show_thresholds(out: np.ndarray, labels: np.ndarray, wanted: np.ndarray) -> None:
    """Print what each threshold would answer and refuse."""
    for threshold in (0.3, 0.4, 0.5, 0.6, 0.7, 0.8):
        kept, refused = np.mean(out[labels == 1] >= threshold), np.mean(out[~wanted] < threshold)
        print(f"  at {threshold}: answered when right {kept:.3f}, unanswerable refused {refused:.3f}")


def save_second(second: Second, path: Path) -> None:
    """Write the two units as the JSON that knowledge.retrieval.second reads."""
    order = {name: round(float(w), 5) for name, w in zip(ORDER, second.order, strict=True)}
    decision = {name: round(float(w), 5) for name, w in zip(DECISION, second.decision, strict=True)}
    path.write_text(json.dumps({"order": order, "decision": decision}, indent=1) + "\n", encoding="utf-8")


def export(model: GradientBoostingClassifier, names: Sequence[str], path: Path) -> None:
    """Write a fitted ensemble as the JSON that knowledge.retrieval.model reads."""
    trees = []
    depth = 0
    for (tree,) in model.estimators_:
        nodes = tree.tree_
        depth = max(depth, int(nodes.max_depth))
        trees.append(
            {
                "feature": [int(f) if f >= 0 else -1 for f in nodes.feature],
                "threshold": [round(float(t), 6) for t in nodes.threshold],
                "left": [max(int(n), 0) for n in nodes.children_left],
                "right": [max(int(n), 0) for n in nodes.children_right],
                "value": [round(float(v[0][0]) * model.learning_rate, 6) for v in nodes.value],
            }
        )
    prior = float(model.init_.class_prior_[1])
    data: dict[str, Any] = {"names": list(names), "base": float(np.log(prior / (1 - prior))), "depth": depth}
    path.write_text(json.dumps(data | {"trees": trees}, separators=(",", ":")) + "\n", encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--corpora", default=",".join(TRAINED_ON))
    parser.add_argument("--work", type=Path, default=Path("data/evals"))
    parser.add_argument("--dry", action="store_true", help="print figures, write nothing")
    options = parser.parse_args()
    samples, fold_of, adapter = collect(options.corpora.split(","), options.work)
    fit_all(samples, fold_of, adapter, options.corpora.split(","), write=not options.dry)


def fit_all(
    samples: Sequence[Sample], fold_of: Sequence[int], adapter: Adapter, corpora: Sequence[str], *, write: bool
) -> None:
    """Fit and judge every part on collected samples, print what each does on cases it never saw, write the models."""
    folds = np.array(fold_of)
    probabilities = cross_validate(samples, fold_of)
    for corpus in corpora:
        chosen = [i for i, sample in enumerate(samples) if sample.case.id.startswith(corpus)]
        if chosen:
            print(corpus, figures([samples[i] for i in chosen], [probabilities[i] for i in chosen]))
    pairs = [judged(sample, p) for sample, p in zip(samples, probabilities, strict=True)]
    rows, labels = np.stack([row for row, _ in pairs]), np.array([y for _, y in pairs])
    out = np.zeros(len(samples))
    for fold in range(FOLDS):
        out[folds == fold] = fit_judge(rows[folds != fold], labels[folds != fold]).predict_proba(rows[folds == fold])[
            :, 1
        ]
    wanted = np.array([sample.case.answerable for sample in samples])
    print("answerable: AUC", round(float(roc_auc_score(wanted, out)), 4), "of the question;", end=" ")
    print(round(float(roc_auc_score(labels, out)), 4), "of the result")
    show_thresholds(out, labels, wanted)
    chosen = [i for i, sample in enumerate(samples) if sample.case.id.startswith(UNSEEN_BY_PAIR)]
    second = fit_second([samples[i] for i in chosen], [probabilities[i] for i in chosen], out[chosen])
    if write:
        save_second(second, MODELS / "second.json")
        save_adapter(adapter, MODELS / "adapter.npz")
        export(fit_ranker(samples), features.NAMES, MODELS / "ranker.json")
        export(fit_judge(rows, labels), answerable.NAMES, MODELS / "answerable.json")


if __name__ == "__main__":
    main()
