"""Reads a file: bytes to metadata and visible blocks. The only place that knows which format is read by what."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from knowledge.reading import markers
from knowledge.reading.characters import decode
from knowledge.reading.markdown import markdown_blocks
from knowledge.reading.markup import html_blocks
from knowledge.reading.metadata import metadata, read_sidecar, split_front_matter
from knowledge.reading.plain import text_blocks
from knowledge.reading.source import Block, Heading, Metadata, Source, Unreadable
from knowledge.reading.structure import Raw, structured
from knowledge.reading.visible import visible

SUFFIXES = (".md", ".markdown", ".html", ".htm", ".pdf", ".docx", ".xlsx", ".txt")
_OLD = {
    ".doc": "Word 文档（.docx）",
    ".xls": "Excel 工作簿（.xlsx）",
    ".wps": "Word 文档（.docx）",
    ".et": "Excel 工作簿（.xlsx）",
}
_PICTURES = {".png", ".jpg", ".jpeg", ".gif", ".bmp", ".tif", ".tiff", ".webp"}
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
Hidden = list[tuple[str, str]]


def read(path: Path, *, max_bytes: int = 20_000_000) -> Source:
    """The document in `path` with its sidecar. Raises Unreadable, and nothing else, when it cannot be used."""
    path = Path(path)
    try:
        return _read(path, max_bytes)
    except Unreadable:
        raise
    except (RecursionError, MemoryError):
        raise Unreadable("文件结构过于复杂，无法读取；请另存一份内容简单的文件") from None
    except OSError as error:
        raise Unreadable(
            f"文件打不开（{error.strerror or type(error).__name__}）；请检查文件是否存在、是否有读取权限"
        ) from None
    except Exception as error:
        raise Unreadable(f"文件已损坏，无法读取（{type(error).__name__}）；请用原软件打开后另存一份") from error


def _read(path: Path, max_bytes: int) -> Source:
    suffix = path.suffix.lower()
    if suffix in _OLD:
        raise Unreadable(f"不支持旧格式 {suffix}；请另存为{_OLD[suffix]}")
    if suffix in _PICTURES:
        raise Unreadable("不支持图片；请提供带文字的文档，或把图中文字录入文档")
    if suffix not in SUFFIXES:
        raise Unreadable(f"不支持的文件类型 {suffix or '（无扩展名）'}；可用：md、html、pdf、docx、xlsx、txt")
    if not path.is_file():
        raise Unreadable("文件不存在或不是普通文件；请检查路径")
    size = path.stat().st_size
    if size == 0:
        raise Unreadable("文件是空的；请检查是否导出完整")
    if size > max_bytes:
        raise Unreadable(f"文件过大（{size / 1e6:.1f} MB，上限 {max_bytes / 1e6:.1f} MB）；请拆分后再导入")
    raw = path.read_bytes()
    front, blocks, hidden = _FORMATS[suffix](raw)
    given = _merged(front, read_sidecar(path))
    shown, removed = visible(blocks, hidden)
    final = structured(shown)
    if not any(True for block in final if not isinstance(block, Heading) or block.text):
        gone = "，可见文字都被判定为隐藏内容或指令" if removed else ""
        raise Unreadable(f"文件里没有可用的文字{gone}；请检查内容，扫描件请先做文字识别")
    named = "" if suffix == ".xlsx" else _first_heading(final)
    meta = metadata(given, stem=path.stem, heading=named)
    return Source(meta, final, tuple(removed), content_hash(meta, final))


def content_hash(meta: Metadata, blocks: Sequence[Block]) -> str:
    """Hex sha256 over the visible blocks and the metadata; the same content gives the same hash in every run."""
    content = [[type(block).__name__, asdict(block)] for block in blocks]
    text = json.dumps([asdict(meta), content], ensure_ascii=False, sort_keys=True, default=str)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _merged(front: dict[str, Any], beside: dict[str, Any]) -> dict[str, Any]:
    """Front matter with the sidecar's keys over it; the product mapping key by key too."""
    merged = {**front, **beside}
    one, other = front.get("product"), beside.get("product")
    if isinstance(one, dict) and isinstance(other, dict):
        merged["product"] = {**one, **other}
    return merged


def _first_heading(blocks: Sequence[Block]) -> str:
    """Text of the first heading among the first few blocks that is no numbered section, or ""."""
    for block in blocks[:6]:
        if isinstance(block, Heading) and block.text and len(block.text) <= 80 and not markers.ordered(block.text):
            return re.sub(r"\s+", " ", block.text)
    return ""


def _markdown(raw: bytes) -> tuple[dict[str, Any], list[Raw], Hidden]:
    front, body = split_front_matter(decode(_texty(raw)))
    blocks, hidden = markdown_blocks(body)
    return front, blocks, hidden


def _html(raw: bytes) -> tuple[dict[str, Any], list[Raw], Hidden]:
    front, body = split_front_matter(decode(_texty(raw), declared=True))
    blocks, hidden = html_blocks(body)
    return front, blocks, hidden


def _text(raw: bytes) -> tuple[dict[str, Any], list[Raw], Hidden]:
    front, body = split_front_matter(decode(_texty(raw)))
    return front, text_blocks(body), []


def _pdf(raw: bytes) -> tuple[dict[str, Any], list[Raw], Hidden]:
    from knowledge.reading.pdf import pdf_blocks

    if b"%PDF-" not in raw[:1024]:
        raise Unreadable("文件扩展名是 pdf，但内容不是 PDF；请检查文件或改正扩展名")
    return ({}, *pdf_blocks(raw))


def _docx(raw: bytes) -> tuple[dict[str, Any], list[Raw], Hidden]:
    from knowledge.reading.word import word_blocks

    return ({}, *word_blocks(_office(raw, "docx", "Word 文档")))


def _xlsx(raw: bytes) -> tuple[dict[str, Any], list[Raw], Hidden]:
    from knowledge.reading.sheet import sheet_blocks

    return ({}, *sheet_blocks(_office(raw, "xlsx", "Excel 工作簿")))


def _texty(raw: bytes) -> bytes:
    """`raw` unless it is a known binary format under a text file's name."""
    for magic, name in ((b"%PDF-", "pdf"), (b"PK\x03\x04", "docx 或 xlsx"), (_OLE, "doc 或 xls"), (b"\x89PNG", "png")):
        if raw.startswith(magic):
            raise Unreadable(f"文件扩展名与内容不符（内容像是 {name} 文件）；请改正扩展名后重新导入")
    return raw


def _office(raw: bytes, suffix: str, name: str) -> bytes:
    """`raw` when it is a sound office package of bounded size."""
    if raw.startswith(_OLE):
        raise Unreadable(f"文件已加密或是旧格式，无法读取；请取消密码保护，并另存为{name}（.{suffix}）")
    if not raw.startswith(b"PK"):
        raise Unreadable(f"文件扩展名是 {suffix}，但内容不是{name}；请检查文件或改正扩展名")
    return raw


_FORMATS: dict[str, Callable[[bytes], tuple[dict[str, Any], list[Raw], Hidden]]] = {
    ".md": _markdown,
    ".markdown": _markdown,
    ".html": _html,
    ".htm": _html,
    ".txt": _text,
    ".pdf": _pdf,
    ".docx": _docx,
    ".xlsx": _xlsx,
}
