"""The two files of the meaning classifier are used together or not at all."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from guardrails.meaning import THRESHOLDS, WEIGHTS, Meaning, ModelError


@pytest.fixture
def copied(tmp_path: Path) -> tuple[Path, Path]:
    return Path(shutil.copy(WEIGHTS, tmp_path)), Path(shutil.copy(THRESHOLDS, tmp_path))


def test_the_shipped_pair_belongs_together(copied: tuple[Path, Path]) -> None:
    """The committed thresholds name the committed weights."""
    assert Meaning.load(*copied).codes == Meaning.load().codes


@pytest.mark.parametrize("kind", ["other weights", "torn weights", "no name"])
def test_a_pair_that_does_not_belong_together_is_refused(copied: tuple[Path, Path], kind: str) -> None:
    """Thresholds of another training, half a file, or thresholds that name no weights: the error says what to do."""
    weights, thresholds = copied
    content = weights.read_bytes()
    if kind == "no name":
        told = json.loads(thresholds.read_text("utf-8"))
        del told["weights"]
        thresholds.write_text(json.dumps(told), "utf-8")
    else:
        weights.write_bytes(content + b"x" if kind == "other weights" else content[:1000])
    with pytest.raises(ModelError, match="重新训练"):
        Meaning.load(*copied)
