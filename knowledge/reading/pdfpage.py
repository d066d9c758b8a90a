"""One PDF page as a reader sees it: invisible, transparent, faint, tiny and off-page text left out."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pdfminer.converter import PDFPageAggregator
from pdfminer.layout import LTChar, LTRect
from pdfminer.pdfcolor import PDFColorSpace
from pdfminer.pdffont import PDFFont, PDFUnicodeNotDefined
from pdfminer.pdfinterp import PDFGraphicState, PDFPageInterpreter, PDFResourceManager
from pdfminer.pdftypes import dict_value, resolve1
from pdfminer.psparser import PSLiteral

from knowledge.reading.style import Colour, contrast

MIN_SIZE = 3.0
MIN_CONTRAST = 36
MAX_GLYPHS = 60_000
_BOLD = re.compile(r"bold|heavy|black|demi|simhei|heiti|sthei|fzhei|黑体|-bd\b|w[6-9]\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Glyph:
    """A character in sight; coordinates in points from the top left of the page."""

    text: str
    x0: float
    top: float
    x1: float
    bottom: float
    size: float
    bold: bool


class TooMuch(Exception):
    """The page holds more than any sane page."""


class Canvas(PDFPageAggregator):
    """Collects glyphs in sight and, apart, the texts out of sight; paths and pictures stay in the page's layout."""

    def __init__(self, resources: PDFResourceManager, number: int, off: frozenset[int]) -> None:
        super().__init__(resources, pageno=number, laparams=None)
        self.off = off
        self.glyphs: list[Glyph] = []
        self.hidden: list[tuple[str, str]] = []
        self.pictures: list[tuple[float, float, float, float]] = []
        self.fills: list[tuple[float, float, float, float, Colour | None]] = []
        self.mode = 0
        self.layers: list[bool] = []
        self.bold_names: dict[str, bool] = {}

    def begin_tag(self, tag: PSLiteral, props: Any = None) -> None:
        self.layers.append(tag.name == "OC" and _reference(props) in self.off)

    def end_tag(self) -> None:
        if self.layers:
            self.layers.pop()

    def render_string(self, textstate: Any, seq: Any, ncs: PDFColorSpace, graphicstate: PDFGraphicState) -> None:
        self.mode = textstate.render
        super().render_string(textstate, seq, ncs, graphicstate)

    def render_char(
        self,
        matrix: Any,
        font: PDFFont,
        fontsize: float,
        scaling: float,
        rise: float,
        cid: int,
        ncs: PDFColorSpace,
        graphicstate: PDFGraphicState,
    ) -> float:
        try:
            text = font.to_unichr(cid)
        except PDFUnicodeNotDefined:
            text = "\ufffd"
        item = LTChar(
            matrix, font, fontsize, scaling, rise, text, font.char_width(cid), font.char_disp(cid), ncs, graphicstate
        )
        if len(self.glyphs) > MAX_GLYPHS:
            raise TooMuch
        why = self._unseen(item, matrix, graphicstate, ncs)
        if why:
            self._hide(why, text)
        else:
            _, _, c, d, _, _ = item.matrix
            name = font.fontname or ""
            if name not in self.bold_names:
                self.bold_names[name] = bool(_BOLD.search(str(name)))
            size = item.size if item.size > 0.01 else (abs(c) + abs(d)) * fontsize
            self.glyphs.append(
                Glyph(
                    text,
                    item.x0,
                    self.height - item.y1,
                    item.x1,
                    self.height - item.y0,
                    size,
                    self.bold_names[name] or self.mode == 2,
                )
            )
        return float(item.adv)

    def begin_page(self, page: Any, ctm: Any) -> None:
        super().begin_page(page, ctm)
        box = self.cur_item.bbox
        self.width, self.height = box[2], box[3]

    def render_image(self, name: str, stream: Any) -> None:
        super().render_image(name, stream)
        box = self.cur_item.bbox
        self.pictures.append(box)
        self.fills.append((*box, None))

    def paint_path(self, gstate: Any, stroke: bool, fill: bool, evenodd: bool, path: Sequence[Any]) -> None:
        before = len(self.cur_item._objs)
        super().paint_path(gstate, stroke, fill, evenodd, path)
        for item in self.cur_item._objs[before:]:
            self._bullet(item, filled=fill)
        if not fill or getattr(gstate, "alpha", 1.0) < 0.9:
            return
        for item in self.cur_item._objs[before:]:
            box = item.bbox
            if box[2] - box[0] > 6 and box[3] - box[1] > 3:
                known = isinstance(item, LTRect)
                self.fills.append((*box, ink(gstate.ncolor, gstate.ncs) if known else None))

    def _bullet(self, item: Any, *, filled: bool) -> None:
        """A small drawn dot, circle or square is the bullet of a list item, as browsers print it."""
        x0, y0, x1, y1 = item.bbox
        wide, high = x1 - x0, y1 - y0
        if not (1.8 <= wide <= 6.5 and 1.8 <= high <= 6.5 and 0.75 <= wide / high <= 1.33):
            return
        sign = "▪" if isinstance(item, LTRect) else "•" if filled else "◦"
        middle = self.height - (y0 + y1) / 2
        self.glyphs.append(Glyph(sign, x0, middle - 4.5, x1, middle + 4.5, 9.0, False))

    def _unseen(self, item: LTChar, matrix: Any, state: PDFGraphicState, space: PDFColorSpace) -> str:
        """Why a glyph is out of sight; "" when it is in sight."""
        if self.mode in (3, 7):
            return "不可见的文字"
        if any(self.layers):
            return "关闭的图层"
        a, b, *_ = matrix
        if min(abs(item.size), abs(item.y1 - item.y0)) < MIN_SIZE and item.get_text().strip():
            return "极小的文字"
        if abs(b) > 0.15 * abs(a) and abs(a) > 0.15 * abs(b):
            return "斜向水印"
        x, y = (item.x0 + item.x1) / 2, (item.y0 + item.y1) / 2
        if not (-1 <= x <= self.width + 1 and -1 <= y <= self.height + 1):
            return "页面之外的文字"
        if getattr(state, "alpha", 1.0) < 0.06:
            return "透明的文字"
        colour = ink(state.ncolor, space)
        if colour is None:
            return ""
        back: Colour | None = (255, 255, 255)
        for x0, y0, x1, y1, fill in reversed(self.fills):
            if x0 <= x <= x1 and y0 <= y <= y1:
                back = fill
                break
        if back is not None and contrast(colour, back) < MIN_CONTRAST and item.get_text().strip():
            return "与背景同色的文字"
        return ""

    def _hide(self, why: str, text: str) -> None:
        if self.hidden and self.hidden[-1][0] == why:
            if len(self.hidden[-1][1]) < 400:
                self.hidden[-1] = (why, self.hidden[-1][1] + text)
        else:
            self.hidden.append((why, text))


class Interpreter(PDFPageInterpreter):
    """Also follows the opacity that graphics states set, which text drawn with them inherits."""

    def do_BDC(self, tag: Any, props: Any) -> None:  # noqa: N802 - the operator's name
        if isinstance(props, PSLiteral):
            props = dict_value(self.resources.get("Properties") or {}).get(props.name)
        if isinstance(tag, PSLiteral):
            self.device.begin_tag(tag, props)

    def do_gs(self, name: Any) -> None:
        states = dict_value(self.resources.get("ExtGState") or {})
        given = resolve1(states.get(getattr(name, "name", name)))
        if isinstance(given, dict) and "ca" in given:
            alpha = resolve1(given["ca"])
            if isinstance(alpha, (int, float)):
                self.graphicstate = _with_alpha(self.graphicstate, float(alpha))


class _State(PDFGraphicState):
    alpha: float = 1.0

    def copy(self) -> PDFGraphicState:
        return _with_alpha(super().copy(), self.alpha)


def _with_alpha(state: PDFGraphicState, alpha: float) -> PDFGraphicState:
    """A copy of `state` with opacity `alpha`, which its copies keep."""
    made = _State()
    plain = PDFGraphicState.copy(state)
    made.__dict__.update(plain.__dict__)
    made.alpha = alpha
    return made


def ink(colour: Any, space: Any) -> Colour | None:
    """Channels 0..255 of a PDF colour; None for patterns and what cannot be told."""
    if isinstance(colour, (int, float)):
        colour = (colour,)
    if not isinstance(colour, (tuple, list)) or not all(isinstance(c, (int, float)) for c in colour):
        return None
    values = [min(1.0, max(0.0, float(c))) for c in colour]
    name = str(getattr(space, "name", ""))
    if len(values) == 1:
        if name in ("Separation", "DeviceN"):
            values = [1 - values[0]]
        elif name in ("Indexed", "Pattern"):
            return None
        grey = int(values[0] * 255)
        return (grey, grey, grey)
    if len(values) == 3:
        if name == "Lab":
            return None
        return (int(values[0] * 255), int(values[1] * 255), int(values[2] * 255))
    if len(values) == 4:
        c, m, y, k = values
        return (int(255 * (1 - c) * (1 - k)), int(255 * (1 - m) * (1 - k)), int(255 * (1 - y) * (1 - k)))
    return None


def layers_off(catalog: Any) -> frozenset[int]:
    """Object numbers of the optional layers that are switched off."""
    try:
        properties = dict_value(resolve1(catalog.get("OCProperties")) or {})
        default = dict_value(resolve1(properties.get("D")) or {})
        return frozenset(_reference(one) for one in resolve1(default.get("OFF")) or [])
    except Exception:  # noqa: BLE001 - a broken optional part of the file
        return frozenset()


def _reference(one: Any) -> int:
    return int(getattr(one, "objid", -1))
