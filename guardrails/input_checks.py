"""What a customer's message may carry besides a question: hidden characters, commands to the assistant, coded text.

Findings are `unsafe_input` on "input". Their action is "allow" (for the record: the text is fenced anyway), except a
clear command to the assistant, plain or coded, which blocks.
"""

from __future__ import annotations

import base64
import binascii
import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import yaml

from assistant.turn import Action, Finding
from guardrails.normalise import DATA, hidden_spans, plain

CLAUSE = "网络安全法 第23条；生成式人工智能服务管理暂行办法 第9条（输入防护，本公司要求） [M]"
_BASE64 = re.compile(r"(?<![A-Za-z0-9+/=_-])[A-Za-z0-9+/_-]{20,}={0,2}(?![A-Za-z0-9+/=_-])")
_HEX = re.compile(r"(?<![0-9a-fA-F])(?:(?:0x|\\x|%)?[0-9a-fA-F]{2}[\s,]?){12,}(?![0-9a-fA-F])")
_ESCAPES = re.compile(r"(?:\\u[0-9a-fA-F]{4}|&#x?[0-9a-fA-F]{2,6};){4,}")
_LATIN = re.compile(r"(?:[A-Za-z]{2,}[\s,.]+){3,}[A-Za-z]{2,}")


@dataclass(frozen=True, slots=True)
class _Rules:
    longest: int
    instructions: re.Pattern[str]
    suspicious: re.Pattern[str]
    pinyin: frozenset[str]
    least_pinyin: int


@lru_cache(maxsize=1)
def _rules() -> _Rules:
    raw: dict[str, Any] = yaml.safe_load((DATA / "input.yaml").read_text(encoding="utf-8"))
    joined = ("|".join(f"(?:{p})" for p in raw[key]) for key in ("instructions", "suspicious"))
    instructions, suspicious = (re.compile(p) for p in joined)
    return _Rules(raw["longest"], instructions, suspicious, frozenset(raw["encoded_pinyin"]), raw["least_pinyin"])


def _finding(reason: str, span: tuple[int, int], action: Action = "allow") -> Finding:
    return Finding("unsafe_input", action, reason, CLAUSE, span, "input")


def input_findings(text: str) -> list[Finding]:
    """Findings about a customer's message, ordered by place."""
    rules = _rules()
    found = [_finding("含有不可见字符", span) for span in hidden_spans(text)]
    if len(text) > rules.longest:
        found.append(_finding(f"超过 {rules.longest} 字", (rules.longest, len(text))))
    reading = plain(text)
    commands = [m.span() for m in rules.instructions.finditer(reading.text)]
    found += [_finding("指令注入：试图改变助手的规则或身份", reading.span(*p), "block") for p in commands]
    for m in rules.suspicious.finditer(reading.text):
        if not any(s < m.end() and m.start() < e for s, e in commands):
            found.append(_finding("疑似指令或代码片段", reading.span(*m.span())))
    for span, decoded in decoded_parts(text):
        action: Action = "block" if rules.instructions.search(plain(decoded).text) else "allow"
        found.append(_finding("含有编码内容", span, action))
    found += _pinyin(text, rules)
    return sorted(found, key=lambda f: f.span)


def decoded_parts(text: str) -> Iterator[tuple[tuple[int, int], str]]:
    """(span, readable text) of every coded part: base64, hex, escapes, ROT13."""
    for m in _BASE64.finditer(text):
        decoded = _from_base64(m[0])
        if decoded:
            yield m.span(), decoded
    for m in _HEX.finditer(text):
        decoded = _readable(bytes.fromhex(re.sub(r"0x|\\x|%|[\s,]", "", m[0])))
        if decoded:
            yield m.span(), decoded
    for m in _ESCAPES.finditer(text):
        numbers = re.findall(r"\\u([0-9a-fA-F]{4})|&#x([0-9a-fA-F]+);|&#(\d+);", m[0])
        yield m.span(), "".join(chr(int(u or x, 16) if u or x else int(d)) for u, x, d in numbers)
    for m in _LATIN.finditer(text):
        turned = codecs.encode(m[0], "rot13")
        if _rules().instructions.search(turned.lower()):
            yield m.span(), turned


def _from_base64(code: str) -> str:
    padded = code.rstrip("=").replace("-", "+").replace("_", "/")
    try:
        return _readable(base64.b64decode(padded + "=" * (-len(padded) % 4), validate=True))
    except (binascii.Error, ValueError):
        return ""


def _readable(content: bytes) -> str:
    """UTF-8 text of mostly letters, or ""."""
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        return ""
    letters = sum(c.isalnum() or c.isspace() for c in text)
    return text if len(text) >= 6 and letters >= 0.8 * len(text) and text.isprintable() else ""


def _pinyin(text: str, rules: _Rules) -> list[Finding]:
    """Romanised Chinese that says what may not be asked."""
    words = list(re.finditer(r"[a-z]{4,}", text.lower()))
    hits = [(m, sum(p in m[0] for p in rules.pinyin)) for m in words]
    count = sum(n for _, n in hits)
    told = [m for m, n in hits if n]
    return [_finding("含有拼音改写内容", (told[0].start(), told[-1].end()))] if count >= rules.least_pinyin else []
