"""Leaves of the blocks only what a reader sees and may be told: no invisible characters, no sentences for a model."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from knowledge.reading.characters import clean, revealed
from knowledge.reading.grid import Grid
from knowledge.reading.instructions import without_instructions
from knowledge.reading.source import Faq, Heading, ListBlock, Pairs, Paragraph, Removed, TableBlock
from knowledge.reading.structure import Raw

MAX_REMOVED = 200
EXCERPT = 40
_MASKED = re.compile(r"\d{4,}|[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+")
_HOW = {
    "comment": "批注或注释",
    "style": "页面样式隐藏的文字",
    "struck": "已删除（划线）的文字",
    "template": "模板",
    "noscript": "仅在无脚本时显示的文字",
    "textarea": "输入框",
    "dialog": "未打开的对话框",
}


def visible(blocks: Sequence[Raw], hidden: Sequence[tuple[str, str]]) -> tuple[list[Raw], list[Removed]]:
    """(`blocks` fit to be read, what was taken out). `hidden`: texts the format's reader left out, with how."""
    removed = [Removed("hidden", _HOW.get(how, how), excerpt(text)) for how, text in hidden if text.strip()]
    cleaner = _Cleaner(removed)
    found: list[Raw] = []
    for block in blocks:
        kept = cleaner.block(block)
        if kept is not None and not isinstance(kept, TableBlock):
            found.append(kept)
    return found, removed[:MAX_REMOVED]


def excerpt(text: str) -> str:
    """A short part of `text` with numbers and addresses masked."""
    text = _MASKED.sub("***", " ".join(clean(text)[0].split()))
    return text if len(text) <= EXCERPT else text[:EXCERPT] + "…"


class _Cleaner:
    """Cleans one document's texts in order; remembers whether the text before held an instruction."""

    def __init__(self, removed: list[Removed]) -> None:
        self.removed = removed
        self.near = False
        self.place = 0

    def text(self, text: str) -> str:
        """`text` without invisible characters and instructions."""
        self.place += 1
        where = f"第 {self.place} 段"
        shown, hidden = clean(text)
        if hidden:
            self.removed.append(Removed("characters", where, excerpt(revealed(hidden))))
        kept, taken = without_instructions(shown, near=self.near)
        self.removed += [Removed("instruction", where, excerpt(one)) for one in taken]
        self.near = bool(taken) and not kept.strip()
        return kept.strip("\n")

    def block(self, block: Raw | TableBlock) -> Raw | TableBlock | None:
        """`block` cleaned; None when nothing is left of it."""
        if isinstance(block, (Heading, Paragraph)):
            text = self.text(block.text)
            return replace(block, text=text) if text else None
        if isinstance(block, ListBlock):
            intro = self.text(block.intro) if block.intro else ""
            items = tuple(replace(item, text=self.text(item.text)) for item in block.items)
            items = tuple(item for item in items if item.text)
            return replace(block, intro=intro, items=items) if items else Paragraph(intro) if intro else None
        if isinstance(block, Pairs):
            pairs = tuple((self.text(key), self.text(value)) for key, value in block.pairs)
            return replace(block, pairs=tuple(p for p in pairs if any(p)))
        if isinstance(block, Grid):
            return block.map(self.text)
        if isinstance(block, TableBlock):
            rows = tuple(tuple(self.text(cell) for cell in row) for row in block.rows)
            notes = tuple(note for note in map(self.text, block.notes) if note)
            return TableBlock(tuple(map(self.text, block.columns)), rows, self.text(block.caption), notes)
        question = self.text(block.question)
        answer = [self.block(one) for one in block.answer]
        kept = tuple(one for one in answer if isinstance(one, (Paragraph, ListBlock, Pairs, TableBlock)))
        if question and kept:
            return Faq(question, kept)
        return Paragraph(question) if question else kept[0] if kept else None
