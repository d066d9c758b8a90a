"""Which parts of an HTML page a reader cannot see: style attributes, style sheets in the page, colours, sizes."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from bs4 import BeautifulSoup
from bs4.element import Tag
from soupsieve.util import SelectorSyntaxError

MAX_RULES = 400
MIN_PIXELS = 3.0
MIN_CONTRAST = 36
WATCHED = {
    "display", "visibility", "opacity", "font-size", "font", "color", "background", "background-color", "text-indent",
    "position", "left", "top", "right", "bottom", "clip", "clip-path", "width", "height", "max-height", "max-width",
    "overflow", "transform", "mso-hide", "font-weight", "margin-left", "margin-top", "filter", "background-image",
    "-webkit-text-fill-color", "content-visibility", "zoom",
}  # fmt: skip
_NAMED = {
    "white": (255, 255, 255), "black": (0, 0, 0), "red": (255, 0, 0), "snow": (255, 250, 250), "ivory": (255, 255, 240),
    "whitesmoke": (245, 245, 245), "ghostwhite": (248, 248, 255), "floralwhite": (255, 250, 240),
    "gray": (128, 128, 128),
    "grey": (128, 128, 128), "silver": (192, 192, 192), "blue": (0, 0, 255), "navy": (0, 0, 128), "green": (0, 128, 0),
    "yellow": (255, 255, 0), "lightgray": (211, 211, 211), "lightgrey": (211, 211, 211), "azure": (240, 255, 255),
    "mintcream": (245, 255, 250), "aliceblue": (240, 248, 255), "seashell": (255, 245, 238), "orange": (255, 165, 0),
    "gainsboro": (220, 220, 220), "darkblue": (0, 0, 139), "purple": (128, 0, 128), "maroon": (128, 0, 0),
    "teal": (0, 128, 128), "darkred": (139, 0, 0), "linen": (250, 240, 230), "beige": (245, 245, 220),
}  # fmt: skip
_SIZES = {
    "xx-small": 9.0,
    "x-small": 10.0,
    "small": 13.0,
    "medium": 16.0,
    "large": 18.0,
    "x-large": 24.0,
    "xx-large": 32.0,
}
_UNITS = {
    "px": 1.0,
    "pt": 4 / 3,
    "em": 16.0,
    "rem": 16.0,
    "mm": 3.78,
    "cm": 37.8,
    "in": 96.0,
    "vw": 12.0,
    "vh": 8.0,
    "ex": 8.0,
    "ch": 8.0,
    "pc": 16.0,
}
_LENGTH = re.compile(r"(-?\d*\.?\d+)\s*(px|pt|em|rem|mm|cm|in|vw|vh|ex|ch|pc|%)?")
Colour = tuple[int, int, int]
Sheet = Mapping[int, Mapping[str, str]]


@dataclass(frozen=True, slots=True)
class Look:
    """How text looks here. `back` None: unknown (a picture). `unseen`: hidden whatever stands deeper."""

    ink: Colour = (0, 0, 0)
    back: Colour | None = (255, 255, 255)
    size: float = 16.0
    shown: bool = True
    bold: bool = False
    unseen: bool = False

    @property
    def visible(self) -> bool:
        """Whether a reader can see text here."""
        if self.unseen or not self.shown or self.size < MIN_PIXELS:
            return False
        return self.back is None or contrast(self.ink, self.back) >= MIN_CONTRAST


def contrast(one: Colour, other: Colour) -> int:
    """Sum of the differences of the three channels, 0..765."""
    return sum(abs(a - b) for a, b in zip(one, other, strict=True))


def style_sheet(soup: BeautifulSoup) -> Sheet:
    """Watched properties that the page's own style sheets set, by id() of the element; later and stronger rules win."""
    won: dict[int, dict[str, tuple[tuple[bool, int, int], str]]] = {}
    order = 0
    for sheet in soup.find_all("style"):
        media = str(sheet.get("media") or "all").lower()
        if "print" in media and "screen" not in media:
            continue
        for selector, properties in _rules(sheet.get_text()):
            order += 1
            if order > MAX_RULES:
                break
            try:
                elements = soup.select(selector)
            except (SelectorSyntaxError, NotImplementedError, ValueError, RecursionError):
                continue
            strength = _strength(selector)
            for element in elements:
                mine = won.setdefault(id(element), {})
                for name, value in properties.items():
                    rank = ("!important" in value, strength, order)
                    if name not in mine or mine[name][0] <= rank:
                        mine[name] = (rank, value)
    return {key: {name: value for name, (_, value) in mine.items()} for key, mine in won.items()}


def look_of(tag: Tag, above: Look, sheet: Sheet) -> Look:
    """How text in `tag` looks, given how it looks around it."""
    given = dict(sheet.get(id(tag), {}))
    inline = declarations(str(tag.get("style") or ""))
    given.update({k: v for k, v in inline.items() if "!important" not in given.get(k, "") or "!important" in v})
    look = replace(above, bold=above.bold or tag.name in ("b", "strong", "th"))
    if tag.has_attr("hidden") or str(tag.get("aria-hidden")).lower() == "true":
        return replace(look, unseen=True)
    look = _attributes(tag, look)
    if not given:
        return look
    given = {name: value.replace("!important", "").strip().lower() for name, value in given.items()}
    if _unseen(given):
        look = replace(look, unseen=True)
    return _dressed(look, given)


def _attributes(tag: Tag, look: Look) -> Look:
    """Colours set by old attributes (font color, bgcolor)."""
    ink = colour(str(tag.get("color") or "").lower()) if tag.name == "font" else None
    if tag.name == "body" and tag.has_attr("text"):
        ink = colour(str(tag.get("text")).lower())
    back = colour(str(tag.get("bgcolor") or "").lower())
    if ink:
        look = replace(look, ink=ink)
    if back:
        look = replace(look, back=back)
    if tag.has_attr("background"):
        look = replace(look, back=None)
    return look


def _dressed(look: Look, given: Mapping[str, str]) -> Look:
    """`look` with colours, size, weight and visibility of `given`."""
    if "visibility" in given:
        look = replace(look, shown=given["visibility"] not in ("hidden", "collapse"))
    if "font-weight" in given:
        look = replace(look, bold=given["font-weight"] in ("bold", "bolder", "600", "700", "800", "900"))
    size = given.get("font-size")
    if size is None and "font" in given:
        found = re.search(r"(\d*\.?\d+(?:px|pt|em|rem|%))", given["font"])
        size = found[1] if found else None
    if size is not None:
        look = replace(look, size=_size(size, look.size))
    back = given.get("background-color") or given.get("background")
    if "url(" in (given.get("background", "") + given.get("background-image", "")) or "gradient" in str(given):
        look = replace(look, back=None)
    elif back:
        found_colour = colour(back)
        if found_colour:
            look = replace(look, back=found_colour)
    ink = given.get("-webkit-text-fill-color") or given.get("color")
    if ink:
        if ink == "transparent" or (re.fullmatch(r"rgba?\(.*[,/]\s*0(?:\.0\d*)?%?\s*\)", ink) and ink.count(",") != 2):
            return replace(look, unseen=True)
        found_colour = colour(ink)
        if found_colour:
            look = replace(look, ink=found_colour)
    return look


def _unseen(given: Mapping[str, str]) -> bool:
    """Whether these properties take an element out of sight, whatever it holds."""
    if given.get("display") == "none" or given.get("mso-hide") == "all" or given.get("content-visibility") == "hidden":
        return True
    opacity = given.get("opacity", "1").rstrip("%")
    if _number(opacity, 1.0) < 0.06 or re.search(r"opacity\(\s*0(?:\.0\d*)?%?\s*\)", given.get("filter", "")):
        return True
    if given.get("position") in ("absolute", "fixed") and any(
        _far(given.get(k)) for k in ("left", "top", "right", "bottom")
    ):
        return True
    if any(_far(given.get(name)) for name in ("text-indent", "margin-left", "margin-top")):
        return True
    if re.search(r"scale[xy]?\(\s*0(?:\.0\d*)?\s*[,)]|translate[xy]?\(\s*-\d{4,}", given.get("transform", "")):
        return True
    clip = given.get("clip", "").replace(" ", "").replace(",", "")
    if re.match(r"rect\((?:[01](?:px)?){4}\)", clip) or re.search(
        r"inset\((?:100|[5-9]\d)%|circle\(0", given.get("clip-path", "")
    ):
        return True
    small = any(
        name in given and _pixels(given[name], 99.0) <= 1 for name in ("width", "height", "max-height", "max-width")
    )
    return small and given.get("overflow", "") in ("hidden", "clip")


def _far(value: str | None) -> bool:
    return value is not None and _pixels(value, 0.0) <= -500


def colour(value: str) -> Colour | None:
    """The colour a CSS value names, None when it names none."""
    value = value.strip().lower()
    found = re.search(r"#([0-9a-f]{3,8})\b", value)
    if found:
        digits = found[1]
        if len(digits) in (3, 4):
            digits = "".join(c * 2 for c in digits)
        return (int(digits[0:2], 16), int(digits[2:4], 16), int(digits[4:6], 16)) if len(digits) >= 6 else None
    found = re.search(r"rgba?\(\s*(\d+)%?\s*[, ]\s*(\d+)%?\s*[, ]\s*(\d+)", value)
    if found:
        return (min(255, int(found[1])), min(255, int(found[2])), min(255, int(found[3])))
    found = re.search(r"hsla?\(\s*[\d.]+(?:deg)?\s*[, ]\s*[\d.]+%\s*[, ]\s*([\d.]+)%", value)
    if found:
        grey = min(255, int(float(found[1]) * 2.55))
        return (grey, grey, grey)
    for word in re.findall(r"[a-z]+", value):
        if word in _NAMED:
            return _NAMED[word]
    return None


def declarations(text: str) -> dict[str, str]:
    """Watched properties of a style attribute or a rule's body."""
    found: dict[str, str] = {}
    for part in text.split(";"):
        name, colon, value = part.partition(":")
        name = name.strip().lower()
        if colon and name in WATCHED:
            found[name] = value.strip().lower()
    return found


def _rules(text: str, depth: int = 0) -> Iterator[tuple[str, dict[str, str]]]:
    """(selector, watched properties) of every rule that can apply on a screen."""
    text = re.sub(r"/\*.*?\*/|<!--|-->", "", text, flags=re.DOTALL)
    place = 0
    while (opened := text.find("{", place)) >= 0:
        selector = text[place:opened].split(";")[-1].strip()
        level, end = 1, opened + 1
        while end < len(text) and level:
            level += {"{": 1, "}": -1}.get(text[end], 0)
            end += 1
        body = text[opened + 1 : end - 1]
        place = end
        if selector.startswith("@"):
            if re.match(r"@(?:media|supports|layer)", selector) and "print" not in selector and depth < 3:
                yield from _rules(body, depth + 1)
            continue
        properties = declarations(body)
        if (
            properties
            and selector
            and not re.search(r"::?(?:before|after|hover|focus|active|visited|checked|target)", selector)
        ):
            yield selector, properties


def _strength(selector: str) -> int:
    """Rough specificity of the strongest of the selectors in a list."""
    return max(
        100 * one.count("#")
        + 10 * (one.count(".") + one.count("[") + one.count(":"))
        + len(re.findall(r"(?:^|[\s>+~])[a-z]", one))
        for one in selector.lower().split(",")
    )


def _size(value: str, above: float) -> float:
    if value in _SIZES:
        return _SIZES[value]
    found = _LENGTH.match(value)
    if not found:
        return above
    amount = float(found[1])
    if found[2] in ("em", "%"):
        return amount * above / (100 if found[2] == "%" else 1)
    return amount * _UNITS.get(found[2] or "px", 1.0)


def _pixels(value: str, other: float) -> float:
    found = _LENGTH.match(value.strip())
    if not found:
        return other
    return float(found[1]) * (_UNITS.get(found[2] or "px", 1.0) if found[2] != "%" else 10.0)


def _number(value: str, other: float) -> float:
    try:
        return float(value) / (100 if float(value) > 1 else 1)
    except ValueError:
        return other
