"""What styles.xml and numbering.xml of a Word document say: heading levels, fonts, list numbers as shown."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace

from lxml import etree  # type: ignore[import-untyped]

from knowledge.reading.style import Colour, colour

W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
MC = "{http://schemas.openxmlformats.org/markup-compatibility/2006}"
_CN = "零一二三四五六七八九十"
_HEADING = re.compile(r"(?:heading|标题)\s*([1-9])", re.IGNORECASE)
_TITLES = {"title", "标题", "文档标题", "书名"}
_HIGHLIGHT = {
    "black": (0, 0, 0),
    "darkBlue": (0, 0, 128),
    "darkRed": (128, 0, 0),
    "darkGreen": (0, 128, 0),
    "blue": (0, 0, 255),
    "red": (255, 0, 0),
}


def value(one: etree._Element) -> str:
    """The val attribute."""
    return one.get(f"{W}val") or ""


def flag(one: etree._Element | None) -> bool:
    """Whether an on/off property is on."""
    return one is not None and value(one).lower() not in ("0", "false", "off", "none")


@dataclass(frozen=True, slots=True)
class Font:
    """Run properties that decide whether and how text is seen; size in half points."""

    bold: bool = False
    vanish: bool = False
    struck: bool = False
    raised: bool = False
    ink: Colour | None = (0, 0, 0)
    back: Colour | None = None
    size: int | None = None


@dataclass(frozen=True, slots=True)
class ParagraphStyle:
    """Resolved paragraph style: outline level 0.. of a heading, font, list place, whether a contents line."""

    level: int | None = None
    font: Font = Font()
    number: tuple[str, int] | None = None
    contents: bool = False


@dataclass(slots=True)
class Styles:
    """Styles by id, resolved on demand."""

    elements: dict[str, etree._Element] = field(default_factory=dict)
    default: str = ""
    resolved: dict[str, ParagraphStyle] = field(default_factory=dict)

    @classmethod
    def of(cls, root: etree._Element | None) -> Styles:
        found = cls()
        for one in [] if root is None else root.iter(f"{W}style"):
            key = one.get(f"{W}styleId") or ""
            found.elements[key] = one
            if one.get(f"{W}type") == "paragraph" and one.get(f"{W}default") in ("1", "true"):
                found.default = key
        return found

    def of_paragraph(self, properties: etree._Element | None) -> ParagraphStyle:
        """Style of a paragraph, its own outline level included."""
        named = None if properties is None else properties.find(f"{W}pStyle")
        style = self.style(value(named) if named is not None else self.default)
        outline = None if properties is None else properties.find(f"{W}outlineLvl")
        if outline is not None and value(outline).isdigit():
            level = int(value(outline))
            style = replace(style, level=level if level < 9 else None)
        return style

    def style(self, key: str, depth: int = 0) -> ParagraphStyle:
        if key in self.resolved:
            return self.resolved[key]
        one = self.elements.get(key)
        if one is None or depth > 20:
            return ParagraphStyle()
        based = one.find(f"{W}basedOn")
        style = self.style(value(based), depth + 1) if based is not None else ParagraphStyle()
        name_element = one.find(f"{W}name")
        name = value(name_element).strip().lower() if name_element is not None else ""
        heading = _HEADING.fullmatch(name)
        level = int(heading[1]) - 1 if heading else 0 if name in _TITLES else style.level
        outline = one.find(f"{W}pPr/{W}outlineLvl")
        if outline is not None and value(outline).isdigit():
            level = int(value(outline)) if int(value(outline)) < 9 else None
        number = _number(one.find(f"{W}pPr/{W}numPr"), style.number)
        style = ParagraphStyle(
            level=level,
            font=self.of_run(one.find(f"{W}rPr"), style.font),
            number=number,
            contents=style.contents or bool(re.match(r"(?:toc|目录)\s*\d", name)),
        )
        self.resolved[key] = style
        return style

    def of_run(self, properties: etree._Element | None, font: Font, depth: int = 0) -> Font:
        """`font` with run properties over it."""
        if properties is None:
            return font
        named = properties.find(f"{W}rStyle")
        if named is not None and depth < 10:
            own = self.elements.get(value(named))
            if own is not None and own.get(f"{W}type") == "character":
                font = self.of_run(own.find(f"{W}rPr"), font, depth + 1)
        changes: dict[str, object] = {}
        for one in properties:
            name = one.tag.removeprefix(W) if isinstance(one.tag, str) else ""
            if name == "b":
                changes["bold"] = flag(one)
            elif name in ("vanish", "specVanish"):
                changes["vanish"] = flag(one)
            elif name in ("strike", "dstrike"):
                changes["struck"] = flag(one) or bool(changes.get("struck"))
            elif name == "vertAlign":
                changes["raised"] = value(one) == "superscript"
            elif name == "sz" and value(one).isdigit():
                changes["size"] = int(value(one))
            elif name == "color":
                changes["ink"] = _ink(one)
            elif name == "highlight" and value(one) != "none":
                changes["back"] = _HIGHLIGHT.get(value(one), (255, 255, 0))
            elif name == "shd" and one.get(f"{W}fill") not in (None, "auto"):
                changes["back"] = colour(f"#{one.get(f'{W}fill')}")
        return replace(font, **changes) if changes else font  # type: ignore[arg-type]


def _ink(one: etree._Element) -> Colour | None:
    if value(one) in ("auto", ""):
        theme = one.get(f"{W}themeColor", "")
        return (255, 255, 255) if theme in ("background1", "light1") else (0, 0, 0)
    return colour(f"#{value(one)}")


def _number(one: etree._Element | None, other: tuple[str, int] | None) -> tuple[str, int] | None:
    if one is None:
        return other
    key, level = one.find(f"{W}numId"), one.find(f"{W}ilvl")
    depth = int(value(level)) if level is not None and value(level).isdigit() else other[1] if other else 0
    if key is not None:
        return None if value(key) == "0" else (value(key), min(depth, 8))
    return (other[0], min(depth, 8)) if other else None


@dataclass(frozen=True, slots=True)
class _Level:
    form: str = "decimal"
    text: str = "%1."
    start: int = 1


@dataclass(slots=True)
class Numbering:
    """Numbering definitions with running counters."""

    levels: dict[str, dict[int, _Level]] = field(default_factory=dict)
    shared: dict[str, str] = field(default_factory=dict)
    counters: dict[tuple[str, int], int] = field(default_factory=dict)

    @classmethod
    def of(cls, root: etree._Element | None) -> Numbering:
        found = cls()
        if root is None:
            return found
        abstract = {one.get(f"{W}abstractNumId", ""): _levels(one) for one in root.iter(f"{W}abstractNum")}
        for one in root.iter(f"{W}num"):
            key, target = one.get(f"{W}numId", ""), one.find(f"{W}abstractNumId")
            base = value(target) if target is not None else ""
            restarts = {
                int(o.get(f"{W}ilvl", "0"))
                for o in one.iter(f"{W}lvlOverride")
                if o.find(f"{W}startOverride") is not None
            }
            found.levels[key] = abstract.get(base, {})
            found.shared[key] = key if restarts else f"a{base}"
        return found

    def place(self, properties: etree._Element | None, style: ParagraphStyle) -> tuple[str, int] | None:
        """(numbering id, level) of a paragraph in a list."""
        own = None if properties is None else properties.find(f"{W}numPr")
        found = _number(own, style.number)
        if found is None or self.level(found).form == "none":
            return None
        return found

    def level(self, place: tuple[str, int]) -> _Level:
        return self.levels.get(place[0], {}).get(place[1], _Level())

    def bulleted(self, place: tuple[str, int] | None) -> bool:
        return place is not None and self.level(place).form == "bullet"

    def label(self, place: tuple[str, int]) -> str:
        """The number as shown before the text, counting on; "" for a bullet."""
        level = self.level(place)
        if level.form == "bullet":
            return ""
        group, depth = self.shared.get(place[0], place[0]), place[1]
        self.counters[group, depth] = self.counters.get((group, depth), level.start - 1) + 1
        for deeper in [key for key in self.counters if key[0] == group and key[1] > depth]:
            del self.counters[deeper]

        def number(found: re.Match[str]) -> str:
            at = int(found[1]) - 1
            other = self.level((place[0], at))
            count = self.counters.get((group, at), other.start)
            return _written(count, "decimal" if at < depth else other.form)

        shown = re.sub(r"%([1-9])", number, level.text)
        return shown if not shown or shown[-1] in "、．）)：" else f"{shown} "


def _levels(one: etree._Element) -> dict[int, _Level]:
    found: dict[int, _Level] = {}
    for level in one.iter(f"{W}lvl"):
        form, text, start = (level.find(f"{W}{name}") for name in ("numFmt", "lvlText", "start"))
        at = level.get(f"{W}ilvl", "0")
        found[int(at) if at.isdigit() else 0] = _Level(
            value(form) if form is not None else "decimal",
            value(text) if text is not None else "%1.",
            int(value(start)) if start is not None and value(start).isdigit() else 1,
        )
    return found


def _written(number: int, form: str) -> str:
    """`number` in a numbering format."""
    if form.startswith(("chinese", "japaneseCounting", "ideographTraditional", "taiwanese", "ideographDigital")):
        return _chinese(number)
    if form == "decimalEnclosedCircle" or form.startswith("decimalEnclosedCircle"):
        return chr(0x245F + number) if number <= 20 else str(number)
    if form == "lowerLetter":
        return chr(96 + (number - 1) % 26 + 1)
    if form == "upperLetter":
        return chr(64 + (number - 1) % 26 + 1)
    return str(number)


def _chinese(number: int) -> str:
    if number <= 10:
        return _CN[number]
    tens, ones = divmod(number, 10)
    if tens >= 10:
        return str(number)
    return ("" if tens == 1 else _CN[tens]) + "十" + (_CN[ones] if ones else "")
