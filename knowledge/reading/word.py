"""Word documents to blocks: headings by style, lists by numbering, tables in place, no hidden or deleted text."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import takewhile

from lxml import etree  # type: ignore[import-untyped]

from knowledge.reading import markers
from knowledge.reading.grid import Builder
from knowledge.reading.markup import plain
from knowledge.reading.package import Package, open_package
from knowledge.reading.source import Heading, Item, ListBlock, Paragraph, Unreadable
from knowledge.reading.structure import Raw
from knowledge.reading.style import colour, contrast
from knowledge.reading.wordstyles import MC, Font, Numbering, Styles, W, flag, value

MAX_DEPTH = 40
MIN_HALF_POINTS = 6
_RAISED = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")
_THROUGH = {
    f"{W}{n}" for n in ("ins", "moveTo", "hyperlink", "smartTag", "fldSimple", "customXml", "dir", "bdo", "sdtContent")
}
_GONE = {f"{W}del", f"{W}moveFrom"}
_SYMBOLS = {
    "f06c": "•",
    "f0b7": "•",
    "f0d8": "➢",
    "f0fc": "✓",
    "f0a7": "▪",
    "f075": "◆",
    "f06e": "■",
    "f0fe": "☑",
    "f0a8": "☐",
}


def word_blocks(raw: bytes) -> tuple[list[Raw], list[tuple[str, str]]]:
    """(blocks of the body, hidden texts as (how, text)). Raises Unreadable when the package is unsound."""
    package = open_package(raw)
    main = package.main_part("word/document.xml")
    root = package.xml(main)
    body = None if root is None else root.find(f"{W}body")
    if body is None:
        raise Unreadable("文件里没有 Word 正文；请用 Word 打开后另存为 .docx")
    parts = dict(package.related(main).values())
    styles = Styles.of(_part(package, parts, "styles"))
    reader = _Reader(styles, Numbering.of(_part(package, parts, "numbering")))
    blocks = reader.blocks(body, (255, 255, 255), 0)
    blocks += _notes(package, parts, reader)
    comments = _part(package, parts, "comments")
    for comment in [] if comments is None else comments.iter(f"{W}comment"):
        reader.hide("comment", "".join(comment.itertext()))
    return blocks, reader.hidden


def _part(package: Package, parts: dict[str, str], kind: str) -> etree._Element | None:
    return package.xml(parts[kind]) if kind in parts else None


def _notes(package: Package, parts: dict[str, str], reader: _Reader) -> list[Raw]:
    """Footnotes and endnotes that the text refers to, as paragraphs at the end."""
    found: list[Raw] = []
    for kind, name in (("footnotes", "footnote"), ("endnotes", "endnote")):
        root = _part(package, parts, kind)
        for note in [] if root is None else root.iter(f"{W}{name}"):
            number = reader.noted.get((name, note.get(f"{W}id", "")))
            text = plain(reader.blocks(note, (255, 255, 255), 1)) if number else ""
            if text:
                found.append(Paragraph(f"[{number}] {text}"))
    return found


@dataclass(slots=True)
class _Entry:
    """A paragraph before lists are put together: list place (num id, level) when it is a list item."""

    block: Raw
    number: tuple[str, int] | None = None
    marker: str = ""
    bulleted: bool = False


@dataclass(slots=True)
class _Reader:
    styles: Styles
    numbering: Numbering
    hidden: list[tuple[str, str]] = field(default_factory=list)
    noted: dict[tuple[str, str], int] = field(default_factory=dict)

    def hide(self, how: str, text: str) -> None:
        text = " ".join(text.split())
        if text:
            self.hidden.append((how, text))

    def blocks(self, parent: etree._Element, back: tuple[int, int, int] | None, depth: int) -> list[Raw]:
        """Blocks of a body, cell, text box or note."""
        if depth > MAX_DEPTH:
            raise Unreadable("Word 文档嵌套层数过多，无法读取；请把内容复制到新的文档后另存")
        return _listed(list(self.entries(parent, back, depth)))

    def entries(self, parent: etree._Element, back: tuple[int, int, int] | None, depth: int) -> Iterator[_Entry]:
        for child in parent:
            if child.tag == f"{W}p":
                yield from self.paragraph(child, back, depth)
            elif child.tag == f"{W}tbl":
                yield from self.table(child, back, depth)
            elif child.tag == f"{W}sdt":
                gallery = child.find(f".//{W}docPartGallery")
                if gallery is None or "Table of Contents" not in value(gallery):
                    content = child.find(f"{W}sdtContent")
                    if content is not None:
                        yield from self.entries(content, back, depth + 1)
            elif child.tag in _THROUGH:
                yield from self.entries(child, back, depth + 1)
            elif child.tag in _GONE:
                self.hide("struck", "".join(child.itertext()))

    def paragraph(self, one: etree._Element, back: tuple[int, int, int] | None, depth: int) -> Iterator[_Entry]:
        properties = one.find(f"{W}pPr")
        style = self.styles.of_paragraph(properties)
        if style.contents:
            return
        shade = None if properties is None else properties.find(f"{W}shd")
        runs = _Runs(self, style.font, _shade(shade, back), depth)
        runs.read(one)
        text = "".join(t for t, _ in runs.texts).strip()
        bold = bool(text) and all(b for t, b in runs.texts if t.strip())
        number = self.numbering.place(properties, style)
        if text:
            label = self.numbering.label(number) if number else ""
            if style.level is not None:
                yield _Entry(Heading(style.level + 1, " ".join(f"{label}{text}".split("\n"))))
            else:
                bulleted = bool(number) and self.numbering.bulleted(number)
                lead = "".join(t for t, _ in takewhile(lambda part: part[1] or not part[0].strip(), runs.texts)).strip()
                if lead and not bold and markers.asks(markers.question(lead) or lead) and text.startswith(lead):
                    yield _Entry(Paragraph(lead, True), number, label, bulleted)
                    text, number = text[len(lead) :].strip(), None
                yield _Entry(Paragraph(text, bold), number, label, bulleted)
        for inner in runs.boxes:
            for block in inner:
                yield _Entry(block)

    def table(self, one: etree._Element, back: tuple[int, int, int] | None, depth: int) -> Iterator[_Entry]:
        rows = [r for r in _through(one, f"{W}tr") if not self.deleted(r)]
        cells = [list(_through(row, f"{W}tc")) for row in rows]
        if max(map(len, cells), default=0) <= 1 and len(rows) <= 2:
            for row in cells:
                for cell in row:
                    yield from self.entries(cell, _cell_shade(cell, back), depth + 1)
            return
        builder = Builder()
        starts: dict[int, tuple[int, int, str, int, bool]] = {}
        for line, (row, inside) in enumerate(zip(rows, cells, strict=True)):
            column = _integer(row.find(f"{W}trPr/{W}gridBefore"), 0)
            marked = flag(row.find(f"{W}trPr/{W}tblHeader"))
            read = [self.blocks(cell, _cell_shade(cell, back), depth + 1) for cell in inside]
            bold = len(inside) > 1 and all(_bold(blocks) for blocks in read)
            for cell, blocks in zip(inside, read, strict=True):
                across = _integer(cell.find(f"{W}tcPr/{W}gridSpan"), 1)
                merge = cell.find(f"{W}tcPr/{W}vMerge")
                if merge is not None and value(merge) != "restart" and column in starts:
                    top, wide, text, _, head = starts[column]
                    starts[column] = (top, wide, text, line - top + 1, head)
                else:
                    _finish(builder, starts, column)
                    starts[column] = (line, across, plain(blocks), 1, marked or bold)
                column += across
        for column in list(starts):
            _finish(builder, starts, column)
        yield _Entry(builder.grid())

    def deleted(self, row: etree._Element) -> bool:
        """Whether a row is deleted in tracked changes or hidden."""
        properties = row.find(f"{W}trPr")
        if properties is not None and (properties.find(f"{W}del") is not None or flag(properties.find(f"{W}hidden"))):
            self.hide("struck", "".join(row.itertext()))
            return True
        return False


@dataclass(slots=True)
class _Runs:
    """Collects the visible text of one paragraph; text boxes in it are read apart."""

    reader: _Reader
    font: Font
    back: tuple[int, int, int] | None
    depth: int
    texts: list[tuple[str, bool]] = field(default_factory=list)
    boxes: list[list[Raw]] = field(default_factory=list)

    def read(self, parent: etree._Element) -> None:
        for child in parent:
            if child.tag == f"{W}r":
                self.run(child)
            elif child.tag in _THROUGH:
                self.read(child)
            elif child.tag == f"{W}sdt":
                content = child.find(f"{W}sdtContent")
                if content is not None:
                    self.read(content)
            elif child.tag in _GONE:
                self.reader.hide("struck", "".join(child.itertext()))
            elif isinstance(child.tag, str) and child.tag.endswith("}oMath"):
                self.texts.append(("".join(child.itertext()), False))
            elif child.tag == f"{MC}AlternateContent":
                self.choice(child)

    def choice(self, one: etree._Element) -> None:
        chosen = one.find(f"{MC}Choice")
        for child in chosen if chosen is not None else []:
            self.drawing(child) if child.tag != f"{W}r" else self.run(child)

    def run(self, run: etree._Element) -> None:
        font = self.reader.styles.of_run(run.find(f"{W}rPr"), self.font)
        text = "".join(self.parts(run))
        if not text:
            return
        back = font.back or self.back
        faint = back is not None and font.ink is not None and contrast(font.ink, back) < 36
        if font.vanish or faint or (font.size is not None and font.size < MIN_HALF_POINTS):
            self.reader.hide("隐藏或与背景同色的文字", text)
        elif font.struck:
            self.reader.hide("struck", text)
        else:
            self.texts.append((text.translate(_RAISED) if font.raised else text, font.bold))

    def parts(self, run: etree._Element) -> Iterator[str]:
        for child in run:
            name = child.tag.removeprefix(W) if isinstance(child.tag, str) else ""
            if name == "t":
                yield child.text or ""
            elif name == "tab":
                yield " "
            elif name in ("br", "cr"):
                yield "" if child.get(f"{W}type") in ("page", "column") else "\n"
            elif name == "noBreakHyphen":
                yield "-"
            elif name == "sym":
                yield _SYMBOLS.get((child.get(f"{W}char") or "").lower(), "")
            elif name in ("footnoteReference", "endnoteReference"):
                key = (name.removesuffix("Reference"), child.get(f"{W}id", ""))
                yield f"[{self.reader.noted.setdefault(key, len(self.reader.noted) + 1)}]"
            elif name == "ruby":
                yield "".join(t.text or "" for t in child.iterfind(f"{W}rubyBase//{W}t"))
            elif name in ("drawing", "pict", "object"):
                self.drawing(child)
            elif child.tag == f"{MC}AlternateContent":
                self.choice(child)

    def drawing(self, one: etree._Element) -> None:
        """Text boxes of a drawing; a hidden drawing is reported."""
        unseen = any(e.get("hidden") in ("1", "true") for e in one.iter("{*}docPr")) or any(
            re.search(r"visibility:\s*hidden|display:\s*none", e.get("style", ""))
            for e in one.iter("{*}shape", "{*}rect")
        )
        for box in one.iter(f"{W}txbxContent"):
            if unseen:
                self.reader.hide("隐藏的文本框", "".join(box.itertext()))
            elif box.iterancestors(f"{MC}Fallback") is None or not any(
                True for _ in box.iterancestors(f"{MC}Fallback")
            ):
                self.boxes.append(self.reader.blocks(box, None, self.depth + 1))


def _listed(entries: Sequence[_Entry]) -> list[Raw]:
    """Blocks of `entries`: items that stand together become a list, numbers that sections carry stay in the text."""
    textual = _interrupted(entries)
    found: list[Raw] = []
    items: list[Item] = []
    ordered = False

    def put() -> None:
        nonlocal items
        if items:
            found.append(ListBlock(tuple(items), ordered))
            items = []

    for entry in entries:
        block = entry.block
        if entry.number is None or not isinstance(block, Paragraph):
            put()
            found.append(block)
        elif not entry.bulleted and (entry.number[0] in textual or _sectional(entry.marker)):
            put()
            found.append(replace(block, text=f"{entry.marker}{block.text}"))
        else:
            level = entry.number[1]
            if level == 0 and items and ordered == entry.bulleted:
                put()
            if not items:
                ordered = not entry.bulleted
                base = level
            number = None if entry.bulleted else _last_number(entry.marker)
            items.append(Item(block.text, max(0, level - base), number))
    put()
    return found


def _sectional(marker: str) -> bool:
    """Whether a number is written the way sections are (一、 第一条)."""
    mark = markers.ordered(f"{marker}甲")
    return mark is not None and mark.style in ("cjk", "chapter", "section", "article")


def _interrupted(entries: Sequence[_Entry]) -> set[str]:
    """Numberings between whose items other matter stands, and those with a single item."""
    places: dict[str, list[int]] = {}
    for place, entry in enumerate(entries):
        if entry.number and not entry.bulleted:
            places.setdefault(entry.number[0], []).append(place)
    found = set()
    for key, at in places.items():
        between = any(entries[p].number is None for p in range(at[0], at[-1]))
        alone = len(at) == 1 and (at[0] + 1 == len(entries) or entries[at[0] + 1].number is None)
        if between or alone:
            found.add(key)
    return found


def _last_number(marker: str) -> int | None:
    mark = markers.ordered(f"{marker}甲")
    return mark.number if mark else None


def _bold(blocks: Iterable[Raw]) -> bool:
    paragraphs = [b for b in blocks if isinstance(b, Paragraph)]
    return bool(paragraphs) and all(p.bold for p in paragraphs)


def _finish(builder: Builder, starts: dict[int, tuple[int, int, str, int, bool]], column: int) -> None:
    if column in starts:
        top, across, text, down, head = starts.pop(column)
        builder.place(top, column, text, down=down, across=across, header=head)


def _through(parent: etree._Element, tag: str) -> Iterator[etree._Element]:
    """Children with `tag`, also those inside content controls and insertions."""
    for child in parent:
        if child.tag == tag:
            yield child
        elif child.tag == f"{W}sdt" or child.tag in _THROUGH:
            yield from _through(child, tag)


def _cell_shade(cell: etree._Element, back: tuple[int, int, int] | None) -> tuple[int, int, int] | None:
    return _shade(cell.find(f"{W}tcPr/{W}shd"), back)


def _shade(shade: etree._Element | None, back: tuple[int, int, int] | None) -> tuple[int, int, int] | None:
    if shade is None or shade.get(f"{W}fill") in (None, "auto", "clear"):
        return back
    if shade.get(f"{W}themeFill") and not shade.get(f"{W}fill"):
        return None
    return colour(f"#{shade.get(f'{W}fill')}")


def _integer(one: etree._Element | None, other: int) -> int:
    found = value(one) if one is not None else ""
    return int(found) if found.isdigit() and int(found) < 500 else other
