"""Document metadata from YAML front matter and from a sidecar file. Every scalar is read as a string."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any, TypeVar, cast, get_args

import yaml

from assistant.turn import Access, Audience, Grade, Kind, Product, Status
from knowledge.reading.characters import clean, decode
from knowledge.reading.source import Metadata, Unreadable

MAX_METADATA_BYTES = 65_536
_FENCE = re.compile(r"\A\s*---[ \t]*\n(.*?\n)??(---|\.\.\.)[ \t]*(?:\n|\Z)", re.DOTALL)
_KEY_LINE = re.compile(r"^[A-Za-z_]+[ \t]*[:：]", re.MULTILINE)
_WIDE_COLON = re.compile(r"^[ \t]*([A-Za-z_]+)[ \t]*：", re.MULTILINE)
_DAY = re.compile(r"(\d{4})\s*(?:[-/.]|年)\s*(\d{1,2})\s*(?:[-/.]|月)\s*(\d{1,2})\s*日?")
_MOMENT = re.compile(r"[T ]\d{2}:?\d{2}")
_NOTHING = {"", "~", "null", "none", "n/a"}
_SHANGHAI = timezone(timedelta(hours=8))

T = TypeVar("T", bound=str)


def split_front_matter(text: str) -> tuple[dict[str, Any], str]:
    """(front matter, body) of `text`; no front matter gives ({}, text). Raises Unreadable naming what is wrong."""
    text = text.lstrip("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    if not re.match(r"\s*---[ \t]*\n", text):
        return {}, text
    found = _FENCE.match(text)
    if not found:
        if _KEY_LINE.match(text.split("---", 1)[1].lstrip()):
            raise Unreadable("文首元数据没有结束标记；请在元数据最后另起一行写上 ---")
        return {}, text
    inner = found[1] or ""
    if inner.strip() and not _KEY_LINE.search(inner):
        return {}, text
    return parse_mapping(inner, "文首元数据"), text[found.end() :]


def read_sidecar(path: Path) -> dict[str, Any]:
    """Metadata beside `path` (NAME.meta.yaml or NAME.ext.meta.yaml, also .yml); {} when there is none."""
    for name in (path.name, path.stem):
        for ending in (".meta.yaml", ".meta.yml"):
            beside = path.with_name(name + ending)
            if not beside.is_file():
                continue
            if beside.stat().st_size > MAX_METADATA_BYTES:
                raise Unreadable(f"元数据文件 {beside.name} 过大；请只保留元数据，正文放在材料文件里")
            text = decode(beside.read_bytes()).lstrip("\ufeff").replace("\r\n", "\n")
            inner = _FENCE.match(text)
            return parse_mapping(inner[1] or "" if inner else text, f"元数据文件 {beside.name}")
    return {}


def parse_mapping(text: str, where: str) -> dict[str, Any]:
    """YAML mapping of strings, lists and mappings. Raises Unreadable naming line or field; no anchors, no tags."""
    if len(text) > MAX_METADATA_BYTES:
        raise Unreadable(f"{where}过大；请只保留元数据，正文放在后面")
    wide = _WIDE_COLON.search(text)
    try:
        value = yaml.load(text, Loader=_Strings)  # noqa: S506 - makes nothing but strings, lists and dicts
    except _Refused as error:
        raise Unreadable(f"{where}{error}") from None
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        line = f"第 {mark.line + 1} 行" if mark is not None else ""
        hint = f"（字段 {wide[1]} 后面用了中文冒号，请改为英文冒号加空格）" if wide else ""
        raise Unreadable(f"{where}{line}不是有效的 YAML{hint}；请检查缩进、冒号和引号") from None
    if value is None or value == "":
        return {}
    if not isinstance(value, dict):
        hint = f"：字段 {wide[1]} 后面用了中文冒号" if wide else ""
        raise Unreadable(f"{where}应为“字段: 值”的形式{hint}；请改为英文冒号加空格")
    return value


def metadata(given: Mapping[str, Any], *, stem: str, heading: str) -> Metadata:
    """`given` (front matter under sidecar) checked, with defaults from the file's stem and first heading.

    Raises Unreadable naming the field, its value and what is allowed.
    """
    product = _product(given.get("product"))
    kind = _choice(given, "kind", cast("tuple[Kind, ...]", get_args(Kind)), "product" if product else "education")
    meta = Metadata(
        id=_text(given, "id") or stem,
        title=_text(given, "title") or heading or stem,
        kind=kind,
        version=_text(given, "version") or "1",
        status=_choice(given, "status", cast("tuple[Status, ...]", get_args(Status)), "draft"),
        author=_text(given, "author"),
        approved_by=_text(given, "approved_by"),
        approved_on=_day(given, "approved_on"),
        effective_from=_day(given, "effective_from"),
        effective_to=_day(given, "effective_to"),
        audience=_choice(given, "audience", cast("tuple[Audience, ...]", get_args(Audience)), "public"),
        source=_text(given, "source"),
        clause=_text(given, "clause"),
        certainty=_text(given, "certainty"),
        aliases=_names(given, "aliases"),
        product=product,
        slot=_text(given, "slot"),
    )
    if meta.effective_from and meta.effective_to and meta.effective_from > meta.effective_to:
        raise Unreadable(
            f"元数据 effective_from（{meta.effective_from}）晚于 effective_to（{meta.effective_to}）；"
            "请更正生效与失效日期"
        )
    return meta


def _product(value: object) -> Product | None:
    """Product mapping as a value; None when nothing is given. Raises Unreadable naming the field."""
    if value is None or (isinstance(value, str) and value.strip().lower() in _NOTHING):
        return None
    if not isinstance(value, dict):
        raise Unreadable(f"元数据 product 的值“{_short(value)}”应为 code、name、risk 等字段组成的映射；请逐行填写")
    code, name = _text(value, "code", "product."), _text(value, "name", "product.")
    if not code and not name:
        raise Unreadable("元数据 product 缺少 product.code；请填写产品代码")
    grade = _text(value, "risk", "product.")
    return Product(
        code=code or "",
        name=name or "",
        aliases=_names(value, "aliases", "product."),
        type=_text(value, "type", "product."),
        risk=_choice(value, "risk", cast("tuple[Grade, ...]", get_args(Grade)), None, "product.") if grade else None,
        term=_text(value, "term", "product."),
        min_amount=_text(value, "min_amount", "product."),
        access=_choice(value, "access", cast("tuple[Access, ...]", get_args(Access)), "public", "product."),
    )


def _text(given: Mapping[str, Any], key: str, prefix: str = "") -> str | None:
    value = given.get(key)
    if isinstance(value, (dict, list)):
        raise Unreadable(f"元数据 {prefix}{key} 应为一个值，不能是列表或映射；请改为单个文字")
    if value is None:
        return None
    text = " ".join(clean(str(value))[0].split())
    return None if text.lower() in _NOTHING else text


def _choice(given: Mapping[str, Any], key: str, allowed: tuple[T, ...], default: Any, prefix: str = "") -> Any:
    """The allowed value that `given[key]` names, letter case aside; `default` when nothing is given."""
    value = _text(given, key, prefix)
    if value is None:
        return default
    for one in allowed:
        if one.casefold() == value.replace("-", "_").casefold():
            return one
    raise Unreadable(f"元数据 {prefix}{key} 的值“{_short(value)}”无效，可用：{'、'.join(allowed)}；请更正")


def _names(given: Mapping[str, Any], key: str, prefix: str = "") -> tuple[str, ...]:
    value = given.get(key)
    if isinstance(value, list):
        if any(isinstance(one, (dict, list)) for one in value):
            raise Unreadable(f"元数据 {prefix}{key} 应为名称列表；请每行一个名称")
        parts = [str(one) for one in value]
    else:
        parts = re.split(r"[,，、;；\n]", _text(given, key, prefix) or "")
    names = (" ".join(clean(part)[0].split()) for part in parts)
    return tuple(dict.fromkeys(name for name in names if name.lower() not in _NOTHING))


def _day(given: Mapping[str, Any], key: str) -> date | None:
    """A date such as 2026-01-05, 2026/1/5, 2026年1月5日 or a moment (as its day in Shanghai)."""
    value = _text(given, key)
    if value is None:
        return None
    try:
        if _MOMENT.search(value):
            moment = datetime.fromisoformat(value)
            return (moment.astimezone(_SHANGHAI) if moment.tzinfo else moment).date()
        if re.fullmatch(r"\d{8}", value):
            return date.fromisoformat(value)
        found = _DAY.fullmatch(value)
        if found:
            return date(int(found[1]), int(found[2]), int(found[3]))
    except ValueError:
        pass
    raise Unreadable(f"元数据 {key} 的值“{_short(value)}”不是有效日期；请写成 2026-01-05 这样的形式")


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= 40 else text[:40] + "…"


class _Refused(Exception):
    """Something YAML allows and metadata does not."""


class _Strings(yaml.BaseLoader):
    """Makes strings, lists and dicts only; refuses anchors, deep nesting and repeated keys."""

    _depth = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.events.AliasEvent):
            raise _Refused("使用了引用（*）；请直接写出内容")
        self._depth += 1
        if self._depth > 12:
            raise _Refused("嵌套过深；请改为简单的字段")
        node = super().compose_node(parent, index)
        self._depth -= 1
        return node

    def construct_mapping(self, node: Any, deep: bool = False) -> Any:
        seen: set[str] = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise _Refused("的字段名应为文字；请更正")
            if key.value in seen:
                raise _Refused(f"字段 {key.value} 重复；请只保留一个")
            seen.add(key.value)
        return super().construct_mapping(node, deep=deep)
