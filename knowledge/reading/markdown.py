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

_HIDDEN_REFERENCE = re.compile(r"^[ ]{0,3}\[(?://|#|comment|_)\]:\s*(?:#|<>|<#>)?\s*[\"'(]?(.*?)[\"')]?\s*$", re.M | re.I)


class _Renderer(RendererHTML):
    """Marks soft line breaks, which lines of Chinese question-and-answer texts rely on."""

    def softbreak(self, tokens: Sequence[Token], idx: int, options: Any, env: Any) -> str:
        return "<br data-soft>"

    def image(self, tokens: Sequence[Token], idx: int, options: Any, env: Any) -> str:
        return ""


def markdown_blocks(text: str) -> tuple[list[Raw], list[tuple[str, str]]]:
    """(blocks, hidden texts as (how, text)) of Markdown without its front matter."""
    hidden = [("comment", found[1]) for found in _HIDDEN_REFERENCE.finditer(text) if found[1].strip()]
    parser = MarkdownIt("commonmark", {"html": True, "maxNesting": 60}, renderer_cls=_Renderer)
    parser.enable(["table", "strikethrough"])
    parser.disable("code")
    try:
        html = parser.render(_table_gaps(text))
    except RecursionError:
        raise Unreadable("Markdown 嵌套层数过多，无法读取；请减少引用和列表的层级") from None
    blocks, inside = html_blocks(html)
    return blocks, hidden + inside


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
        delimiter = re.fullmatch(r"\s*\|?\s*:?-{1,}:?\s*(?:\|\s*:?-{1,}:?\s*)*\|?\s*", below) and "|" in below
        if not fenced and delimiter and "|" in line and above.strip() and not above.lstrip().startswith("|"):
            found.append("")
        elif (
            not fenced
            and above.lstrip().startswith("|")
            and above.rstrip().endswith("|")
            and line.strip()
            and not line.lstrip().startswith("|")
        ):
            found.append("")
        found.append(line)
    return "\n".join(found)
