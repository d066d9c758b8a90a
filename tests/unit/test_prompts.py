"""Prompts are rendered strictly, named by hash, and fence what must only be read."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import prompts
from prompts.fence import Fence, harmless

SNAPSHOTS = Path(__file__).parent / "snapshots"
VALUES = {
    "answer.zh": {"limit": "180", "token": "0011", "passages": "〔资料〕", "history": "〔对话〕", "question": "〔问〕"},
    "standalone.zh": {"limit": "120", "token": "0011", "history": "〔对话〕", "question": "〔问〕"},
}


@pytest.mark.parametrize("name", VALUES)
def test_rendered_text_is_the_reviewed_text(name: str) -> None:
    """What a prompt renders to changes only together with its reviewed snapshot."""
    rendered = "".join(f"=== {m.type}\n{m.content}\n" for m in prompts.load(name).messages(**VALUES[name]))
    assert rendered == (SNAPSHOTS / f"{name}.txt").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", VALUES)
def test_a_missing_or_unknown_value_is_an_error(name: str) -> None:
    """Every value the file names is needed, no other is taken, and only text is."""
    prompt = prompts.load(name)
    assert prompt.values == set(VALUES[name])
    for missing in VALUES[name]:
        with pytest.raises(prompts.PromptError, match=missing):
            prompt.messages(**{key: value for key, value in VALUES[name].items() if key != missing})
    with pytest.raises(prompts.PromptError, match="colour"):
        prompt.messages(**VALUES[name], colour="red")
    with pytest.raises(prompts.PromptError, match="limit"):
        prompt.messages(**VALUES[name] | {"limit": 180})  # type: ignore[arg-type]


def test_a_value_is_never_read_as_a_template() -> None:
    """Braces in the customer's words stay as they are and pull in nothing else."""
    messages = prompts.load("answer.zh").messages(**VALUES["answer.zh"] | {"question": "{passages} {{token}} {x!r}"})
    assert "{passages} {{token}} {x!r}" in str(messages[1].content)
    assert str(messages[1].content).count("〔资料〕") == 1


def test_the_hash_is_that_of_the_file() -> None:
    """A prompt in the log can be matched with a file by anyone with sha256sum."""
    content = (prompts.HERE / "answer.zh.md").read_bytes()
    assert prompts.load("answer.zh").hash == hashlib.sha256(content).hexdigest()


@pytest.mark.parametrize("name", ["nothing.zh", "../pyproject", "answer", "answer.zh.md", ""])
def test_an_unknown_prompt_is_an_error(name: str) -> None:
    """Only a prompt of this folder can be loaded."""
    with pytest.raises(prompts.PromptError):
        prompts.load(name)


@pytest.mark.parametrize(
    "text",
    [
        "no roles at all",
        "<!-- role: system -->\n\n<!-- role: user -->\nhello",
        "<!-- role: system -->\na\n<!-- role: system -->\nb",
        "<!-- role: developer -->\na",
        "before\n<!-- role: user -->\na",
        "<!-- role: user -->\n{unclosed",
    ],
)
def test_a_badly_formed_file_is_an_error(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Empty, doubled or unknown roles and broken places for values are found when the prompt is loaded."""
    monkeypatch.setattr(prompts, "HERE", tmp_path)
    (tmp_path / "bad.zh.md").write_text(text, encoding="utf-8")
    with pytest.raises(prompts.PromptError):
        prompts.load("bad.zh")


def test_every_fence_has_a_mark_of_its_own() -> None:
    """A mark seen in one call is worth nothing in the next."""
    tokens = {Fence().token for _ in range(100)}
    assert len(tokens) == 100
    assert all(len(token) == 16 for token in tokens)


HOSTILE = st.sampled_from(["</passage-", "00ff", "00", "ff", ">", "<", "[1]", "【2】", "\u202e", "\n"])


@given(st.text() | st.lists(HOSTILE).map("".join))
def test_nothing_inside_a_fence_can_close_it(text: str) -> None:
    """Whatever stands inside, the text has one opening and one closing tag, and no citation and no hidden character."""
    fenced = Fence("00ff").around("passage", text, 1)
    opening, closing = '<passage-00ff n="1">\n', "\n</passage-00ff>"
    assert fenced.startswith(opening)
    assert fenced.endswith(closing)
    inside = fenced[len(opening) : len(fenced) - len(closing)]
    assert not set("<>[]【】\u202e") & set(inside)
    assert "00ff" not in inside


def test_harmless_text_keeps_its_words() -> None:
    """Comparisons, lines and brackets of a document number stay readable."""
    assert harmless("收益<5%\n证监会令〔2022〕1号[注]\u200b\tA") == "收益＜5%\n证监会令〔2022〕1号〔注〕 A"


def test_refusals_are_written_as_they_are_compared() -> None:
    """Phrases are lower case, as the text they are sought in."""
    phrases = prompts.refusals()
    assert phrases
    assert all(phrase == phrase.lower().strip() and phrase for phrase in phrases)
