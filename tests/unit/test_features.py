"""The evidence for a passage answering a question, and the small trained models that read it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from assistant.turn import Passage
from knowledge.index.keywords import Entry, Keywords
from knowledge.index.names import Named
from knowledge.retrieval import answerable, features
from knowledge.retrieval.adapter import Adapter, load_adapter, save_adapter
from knowledge.retrieval.model import load_trees
from knowledge.retrieval.query import prepare
from knowledge.retrieval.search import Hit, Models
from knowledge.retrieval.words import Words

WORDS = Words()
FEE = Passage(
    "a#1", "a", "1", "r", "稳健短债", "product", "public", "row", "申购金额：100万元≤M＜500万元；申购费率：0.20%",
    columns=(("申购金额", "100万元≤M＜500万元"), ("申购费率", "0.20%")), table="申购费率",
)  # fmt: skip
STEPS = Passage("b#1", "b", "1", "r", "对账单下载", "service", "public", "steps", "1. 进入我的\n2. 点击下载", tokens=9)
PASSAGES = {1: FEE, 2: STEPS}
SEEN = {key: features.look(passage, WORDS) for key, passage in PASSAGES.items()}
KEYWORDS = Keywords(
    Entry(key, passage.document, frozenset(), WORDS.terms(passage.text), WORDS.terms(passage.title), ())
    for key, passage in PASSAGES.items()
)


def table(question: str, rewritten: bool = False) -> np.ndarray:
    query = prepare(question, WORDS, KEYWORDS, np.zeros(3, dtype=np.float32))
    evidence = features.Evidence(np.array([0.9, 0.8]), np.array([0.7, 0.9]), {1: 5.0}, {"a": Named(5.0, 1.0)})
    return features.matrix(query, PASSAGES, SEEN, evidence, rewritten)


def column(rows: np.ndarray, name: str) -> list[float]:
    return [float(value) for value in rows[:, features.NAMES.index(name)]]


def test_one_row_per_candidate_in_the_order_of_names() -> None:
    """The matrix has a row for each candidate, a column for each name, and no holes."""
    rows = table("稳健短债买150万申购费率多少")
    assert rows.shape == (2, len(features.NAMES))
    assert np.isfinite(rows).all()
    assert column(rows, "cosine") == pytest.approx([0.9, 0.8])
    assert column(rows, "cosine_rank") == [1.0, 0.5]


def test_tier_form_and_kind_stand_in_their_columns() -> None:
    """The tier that holds the amount, the form and the kind are seen."""
    rows = table("稳健短债买150万申购费率多少")
    assert column(rows, "tier") == [1.0, 0.0]
    assert column(table("买600万费率"), "tier")[0] == -1.0
    assert (column(rows, "form_row"), column(rows, "form_steps")) == ([1.0, 0.0], [0.0, 1.0])
    assert (column(rows, "kind_product"), column(rows, "kind_service")) == ([1.0, 0.0], [0.0, 1.0])


def test_named_document_leads() -> None:
    """The document a question names leads in the columns of names."""
    rows = table("稳健短债费率")
    assert column(rows, "named_top") == [1.0, 0.0]
    assert column(rows, "named_gap")[1] < 0


def test_rewritten_reading_is_marked() -> None:
    """A reading that took its subject from the history is marked as such."""
    assert column(table("费率", rewritten=True), "rewritten") == [1.0, 1.0]


def test_answerable_row_has_a_value_for_each_name() -> None:
    """The evidence of a whole result has a finite value for each name, also with a single hit."""
    rows = table("对账单怎么下载")
    query = prepare("对账单怎么下载", WORDS, KEYWORDS, np.zeros(3, dtype=np.float32))
    hits = [Hit(key, PASSAGES[key], 0.5, rows[index]) for index, key in enumerate(PASSAGES)]
    for some in (hits, hits[:1]):
        row = answerable.row(query, some, SEEN)
        assert row.shape == (len(answerable.NAMES),)
        assert np.isfinite(row).all()


def test_committed_models_fit_the_code() -> None:
    """The committed weights were trained on the features the code computes, and give probabilities."""
    models = Models.load("an embedder nobody has")
    assert models.adapter is None
    for trees in (models.ranker, models.judge):
        given = trees.probabilities(np.zeros((3, len(trees.names)), dtype=np.float32))
        assert given.shape == (3,)
        assert ((given >= 0) & (given <= 1)).all()


def test_models_of_other_features_are_refused(tmp_path: Path) -> None:
    """Weights trained on other features fail at load, not in an answer."""
    file = tmp_path / "trees.json"
    file.write_text(json.dumps({"names": ["other"], "base": 0, "depth": 1, "trees": []}))
    with pytest.raises(ValueError, match="other features"):
        load_trees(file, ("cosine",))


def test_adapter_belongs_to_one_embedder(tmp_path: Path) -> None:
    """An adapter turns vectors to length 1 and is left out with another embedder."""
    adapter = Adapter("mine", np.eye(3, dtype=np.float32), np.ones(3, dtype=np.float32))
    save_adapter(adapter, tmp_path / "adapter.npz")
    loaded = load_adapter(tmp_path / "adapter.npz", "mine")
    assert loaded is not None
    turned = loaded.apply(np.array([[1.0, 0.0, 0.0]], dtype=np.float32))
    assert np.linalg.norm(turned, axis=1) == pytest.approx([1.0])
    assert load_adapter(tmp_path / "adapter.npz", "yours") is None
    assert load_adapter(tmp_path / "nowhere.npz", "mine") is None


def test_look_reads_the_parts_of_a_passage() -> None:
    """Title, question and row name are cut apart from the body."""
    seen = features.look(replace(STEPS, question="怎么下载对账单？"), WORDS)
    assert set(WORDS.terms("对账单")) <= seen.title
    assert set(WORDS.terms("下载")) <= seen.subject
