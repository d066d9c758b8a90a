"""Markdown to blocks, through its HTML: raw HTML inside is read as HTML, hidden parts included."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token

from knowledge.reading.markup import html_blocks
from knowledge.reading.source import Unreadable
from knowledge.reading.structure import Raw

_HIDDEN_REFERENCE = re.compile(
    r"^[ ]{0,3}\[(?://|#|comment|_)\]:\s*(?:#|<>|<#>)?\s*[\"'(]?(.*?)[\"')]?\s*$", re.MULTILINE | re.IGNORECASE
)


class _Renderer(RendererHTML):
    """Marks soft line breaks, which lines of Chinese question-and-answer texts rely on."""

    def softbreak(self, tokens: Sequence[Token], idx: int, options: Any, env: Any) -> str:
        return "<br data-soft>"

    def image(self, tokens: Sequence[Token], idx: int, options: Any, env: Any) -> str:
        return ""


def markdown_blocks(text: str) -> tuple[list[Raw], list[tuple[str, str]]]:
    """(blocks, hidden texts as (how, text)) of Markdown without its front matter."""
    hidden = [("comment", found[1]) for found in _HIDDEN_REFERENCE.finditer(text) if found[1].strip()]
    parser = MarkdownIt("commonmark", {"html": True, "maxNesting": 100_000}, renderer_cls=_Renderer)
    parser.enable(["table", "strikethrough"])
    parser.disable("code")
    try:
        html = parser.render(_emphasis(_table_gaps(text)))
    except RecursionError:
        raise Unreadable("Markdown 嵌套层数过多，无法读取；请减少引用和列表的层级") from None
    blocks, inside = html_blocks(html)
    return blocks, hidden + inside


def _emphasis(text: str) -> str:
    """`text` with bold and struck marks as tags: beside Chinese punctuation Markdown would leave them as stars."""
    found: list[str] = []
    fenced = False
    for line in text.split("\n"):
        if re.match(r"\s*(?:```|~~~)", line):
            fenced = not fenced
        if not fenced and "`" not in line:
            line = re.sub(r"(?<!\\)\*\*(?=[^\s*])([^*\n]+?)(?<=[^\s*])\*\*", r"<strong>\1</strong>", line)
            line = re.sub(r"(?<![~\\])~~(?=[^\s~])([^~\n]+?)~~", r"<del>\1</del>", line)
        found.append(line)
    return "\n".join(found)


def _table_gaps(text: str) -> str:
    """`text` with a blank line before a table that directly follows a paragraph, so that it is one; lists likewise."""
    lines = text.split("\n")
    found: list[str] = []
    fenced = False
    for place, line in enumerate(lines):
        if re.match(r"\s*(?:```|~~~)", line):
            fenced = not fenced
        below = lines[place + 1] if place + 1 < len(lines) else ""
        above = found[-1] if found else ""
        ruled = "|" in below and "-" in below and set(below.strip()) <= set("|:- \t")
        begins = ruled and "|" in line and bool(above.strip()) and not above.lstrip().startswith("|")
        in_table = above.strip().startswith("|") and above.rstrip().endswith("|")
        ends = in_table and bool(line.strip()) and not line.lstrip().startswith("|")
        if not fenced and (begins or ends):
            found.append("")
        found.append(line)
    return "\n".join(found)
