"""Fences around text that must only be read: documents, earlier messages, the customer's words.

The mark of a fence is random and made anew for every call, so no text can know it. Besides, nothing that could pass for
a tag, a role marker of a chat template, a citation or a hidden character survives inside.
"""

from __future__ import annotations

import re
import secrets
import unicodedata
from dataclasses import dataclass, field

TAG = re.compile(r"[a-z]+")
KEPT_CONTROLS = "\n"
HARMLESS = str.maketrans(
    {"<": "＜", ">": "＞", "[": "〔", "]": "〕", "【": "〔", "】": "〕", "［": "〔", "］": "〕", "\t": " "}
)


@dataclass(frozen=True, slots=True)
class Fence:
    """The fence of one call; `token` is 16 hexadecimal digits."""

    token: str = field(default_factory=lambda: secrets.token_hex(8))

    def around(self, tag: str, text: str, number: int | None = None) -> str:
        """`text`, made harmless, between an opening and a closing tag that carry the token."""
        if not TAG.fullmatch(tag):
            raise ValueError(f"tag {tag!r} is not lower-case Latin letters")
        attribute = "" if number is None else f' n="{number}"'
        inside = harmless(text).replace(self.token, "…")
        return f"<{tag}-{self.token}{attribute}>\n{inside}\n</{tag}-{self.token}>"


def harmless(text: str) -> str:
    """`text` without characters that delimit, cite or hide: angle and square brackets change shape, controls go."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n").translate(HARMLESS)
    return "".join(char for char in lines if char in KEPT_CONTROLS or unicodedata.category(char)[0] != "C").strip()
