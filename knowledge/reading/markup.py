"""HTML to blocks: what a reader of the page sees, in order. Hidden parts are reported, never read."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import takewhile

from bs4 import BeautifulSoup
from bs4.element import CData, Comment, Declaration, Doctype, NavigableString, PageElement, ProcessingInstruction, Tag

from knowledge.reading import markers
from knowledge.reading.characters import join_lines
from knowledge.reading.grid import MAX_CELLS, TOO_LARGE, Builder
from knowledge.reading.source import Faq, Heading, Item, ListBlock, Pairs, Paragraph, TableBlock, Unreadable
from knowledge.reading.structure import Raw, structured
from knowledge.reading.style import Look, Sheet, look_of, style_sheet

MAX_DEPTH = 160
MAX_NODES = 400_000
SOFT = "\v"
_UNREAD = {
    "script", "style", "head", "noscript", "template", "iframe", "object", "embed", "svg", "canvas", "audio", "video",
    "select", "input", "textarea", "meta", "link", "map", "progress", "meter", "datalist", "area", "dialog", "math",
}  # fmt: skip
_FRAME = {"nav", "footer"}
_FRAME_ROLES = {"navigation", "contentinfo", "search", "menu", "menubar", "toolbar", "banner"}
_BLOCKS = {
    "address", "article", "aside", "blockquote", "body", "center", "div", "fieldset", "figcaption", "figure", "form",
    "header", "html", "legend", "main", "p", "section", "summary", "tbody", "thead", "tfoot", "td", "th", "tr", "li",
    "dd", "dt", "hgroup", "caption", "search", "details", "option", "label", "button",
}  # fmt: skip
_STRUCK = {"del", "s", "strike"}
_RAISED = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")
_CJK_BREAK = re.compile(r"(?<=[\u3000-\u9fff\uff00-\uffef])[ \t]*\n[ \t]*(?=[\u3000-\u9fff\uff00-\uffef])")


def html_blocks(text: str) -> tuple[list[Raw], list[tuple[str, str]]]:
    """(blocks of the page, hidden texts as (how, text)). Raises Unreadable when it is nested or large beyond reason."""
    if len(re.findall(r"<t[dh]\b", text, re.I)) > MAX_CELLS:
        raise Unreadable(TOO_LARGE)
    try:
        soup = BeautifulSoup(text, "lxml")
        root = soup.body or soup
        walker = _Walker(style_sheet(soup))
        walker.measure(root)
        look = look_of(soup.html, Look(), walker.sheet) if isinstance(soup.html, Tag) else Look()
        walker.visit(_main(root), look_of(root, look, walker.sheet), 0)
        walker.flush()
    except RecursionError:
        raise Unreadable("网页嵌套层数过多，无法读取；请把正文另存为简单的网页或 Word 文档") from None
    for comment in soup.find_all(string=lambda s: isinstance(s, Comment)):
        walker.hide("comment", str(comment))
    return walker.blocks, walker.hidden


def _main(root: Tag) -> Tag:
    """The page's main part when it says which, and that part holds most of the text."""
    whole = len(root.get_text())
    for found in (root.find("main"), root.select_one("[role=main]"), root.find("article")):
        if isinstance(found, Tag) and len(found.get_text()) * 2 > whole and len(root.find_all(found.name)) == 1:
            return found
    return root


@dataclass(slots=True)
class _Walker:
    sheet: Sheet
    blocks: list[Raw] = field(default_factory=list)
    hidden: list[tuple[str, str]] = field(default_factory=list)
    buffer: list[tuple[str, bool]] = field(default_factory=list)

    def measure(self, root: Tag) -> None:
        """Refuses pages that are nested or large beyond reason."""
        count = 0
        stack: list[tuple[Tag, int]] = [(root, 0)]
        while stack:
            tag, depth = stack.pop()
            count += 1
            if depth > MAX_DEPTH:
                raise Unreadable("网页嵌套层数过多，无法读取；请把正文另存为简单的网页或 Word 文档")
            if count > MAX_NODES:
                raise Unreadable("网页元素过多，无法读取；请拆成几个文件后重新导入")
            stack += [(child, depth + 1) for child in tag.children if isinstance(child, Tag)]

    def hide(self, how: str, text: str) -> None:
        text = " ".join(text.split())
        if text:
            self.hidden.append((how, text))

    def flush(self) -> None:
        """Ends the paragraph collected so far."""
        text = "".join(t for t, _ in self.buffer)
        text = soften(re.sub(r"[ \t]*\n[ \t]*", "\n", re.sub(r"[ \t]+", " ", text)).strip())
        bold = bool(text) and all(b for t, b in self.buffer if t.strip())
        lead = "".join(t for t, _ in takewhile(lambda part: part[1] or not part[0].strip(), self.buffer)).strip()
        if lead and not bold and markers.asks(markers.question(lead) or lead) and text.startswith(lead):
            self.blocks.append(Paragraph(lead, True))
            text = text[len(lead) :].strip()
        if text:
            self.blocks.append(Paragraph(text, bold))
        self.buffer.clear()

    def visit(self, tag: Tag, look: Look, depth: int) -> None:
        """Reads what is in `tag`, whose look is `look`."""
        for child in tag.children:
            self.child(child, look, depth)

    def child(self, child: PageElement, look: Look, depth: int) -> None:
        if isinstance(child, NavigableString):
            if isinstance(child, (Comment, Declaration, Doctype, ProcessingInstruction)) and not isinstance(
                child, CData
            ):
                return
            self.text(str(child), look)
        elif isinstance(child, Tag):
            self.tag(child, look_of(child, look, self.sheet), depth + 1)

    def text(self, text: str, look: Look) -> None:
        if not look.visible:
            self.hide("style", text)
            return
        text = re.sub(r"[ \t\r\n\f]+", " ", _CJK_BREAK.sub("", text.replace("\r", "")))
        self.buffer.append((text, look.bold))

    def tag(self, tag: Tag, look: Look, depth: int) -> None:
        name = tag.name.lower()
        if name in _UNREAD or name in _FRAME or str(tag.get("role")).lower() in _FRAME_ROLES or _is_menu(tag):
            if name in ("template", "noscript", "textarea", "dialog"):
                self.hide(name, tag.get_text(" "))
            return
        if look.unseen:
            self.hide("style", tag.get_text(" "))
            return
        if name in _STRUCK:
            self.hide("struck", tag.get_text(" "))
        elif name == "br":
            self.buffer.append((SOFT if tag.has_attr("data-soft") else "\n", True))
        elif re.fullmatch("h[1-6]", name) or (tag.get("role") == "heading" and name not in ("table", "ul", "ol")):
            self.heading(tag, look, depth)
        elif name in ("ul", "ol", "menu", "dir"):
            self.listing(tag, look, depth)
        elif name == "table":
            self.table(tag, look, depth)
        elif name == "dl":
            self.definitions(tag, look, depth)
        elif name == "details":
            self.details(tag, look, depth)
        elif name in ("pre", "listing", "xmp"):
            self.flush()
            if look.visible:
                self.blocks.append(Paragraph(tag.get_text().strip("\n")))
        elif name == "hr":
            self.flush()
        elif name == "sup":
            raised = self.inner(tag, look, depth).translate(_RAISED)
            self.buffer.append((raised, look.bold))
        elif name == "button":
            label = self.inner(tag, look, depth)
            self.flush()
            if markers.asks_as_heading(label) or len(label) > 8:
                self.blocks.append(Paragraph(label, True))
        elif name in _BLOCKS:
            self.flush()
            self.visit(tag, look, depth)
            self.flush()
        else:
            self.visit(tag, look, depth)

    def inside(self, children: Iterable[PageElement], look: Look, depth: int) -> list[Raw]:
        """Blocks of `children` read apart from what is around them."""
        inner = _Walker(self.sheet, hidden=self.hidden)
        for child in children:
            inner.child(child, look, depth)
        inner.flush()
        return inner.blocks

    def inner(self, tag: Tag, look: Look, depth: int) -> str:
        """Visible text of `tag`, blocks as lines."""
        return plain(self.inside(tag.children, look, depth))

    def heading(self, tag: Tag, look: Look, depth: int) -> None:
        self.flush()
        text = " ".join(self.inner(tag, replace(look, bold=True), depth).split("\n"))
        level = int(tag.name[1]) if re.fullmatch("h[1-6]", tag.name) else 3
        if text:
            self.blocks.append(Heading(level, text))

    def listing(self, tag: Tag, look: Look, depth: int) -> None:
        self.flush()
        if tag.find(["h1", "h2", "h3", "h4", "h5", "h6", "table", "details", "dl"]):
            for child in tag.find_all(recursive=False):
                self.flush()
                self.tag(child, look_of(child, look, self.sheet), depth)
                self.flush()
            return
        items = tuple(self.items(tag, look, depth, 0))
        if items:
            self.blocks.append(ListBlock(items, tag.name == "ol"))

    def items(self, tag: Tag, look: Look, depth: int, level: int) -> list[Item]:
        """Items of a list and of the lists in it."""
        found: list[Item] = []
        number = _integer(tag.get("start"), 1)
        for child in tag.find_all(recursive=False):
            mine = look_of(child, look, self.sheet)
            if mine.unseen:
                self.hide("style", child.get_text(" "))
                continue
            if child.name in ("ul", "ol"):
                found += self.items(child, mine, depth + 1, level + 1)
                continue
            if child.name != "li":
                continue
            number = _integer(child.get("value"), number)
            lists = [c for c in child.find_all(["ul", "ol"]) if c.find_parent("li") is child]
            own = _without(child, lists) if lists else child.children
            text = plain(self.inside(own, mine, depth + 1))
            if text:
                found.append(Item(text, level, number if tag.name == "ol" else None))
                number += 1
            for inner in lists:
                deeper = look_of(inner, mine, self.sheet)
                if deeper.unseen:
                    self.hide("style", inner.get_text(" "))
                else:
                    found += self.items(inner, deeper, depth + 2, level + 1)
        return found

    def table(self, tag: Tag, look: Look, depth: int) -> None:
        self.flush()
        rows = [r for r in tag.find_all("tr") if r.find_parent("table") is tag]
        widest = max((len(r.find_all(["td", "th"], recursive=False)) for r in rows), default=0)
        if tag.find("table") or tag.get("role") == "presentation" or widest <= 1:
            for row in rows:
                for cell in row.find_all(["td", "th"], recursive=False):
                    seen = look_of(cell, look_of(row, look, self.sheet), self.sheet)
                    self.flush()
                    if seen.unseen:
                        self.hide("style", cell.get_text(" "))
                    else:
                        self.visit(cell, seen, depth + 2)
                    self.flush()
            return
        caption = tag.find("caption", recursive=False)
        named = self.inner(caption, look_of(caption, look, self.sheet), depth) if isinstance(caption, Tag) else ""
        self.blocks.append(self.cells(rows, look, depth).grid(named))

    def cells(self, rows: Sequence[Tag], look: Look, depth: int) -> Builder:
        """The table's visible cells by place."""
        builder = Builder()
        line = 0
        for row in rows:
            group = row.parent
            outer = look_of(group, look, self.sheet) if isinstance(group, Tag) and group.name != "table" else look
            mine = look_of(row, outer, self.sheet)
            if mine.unseen or not mine.shown:
                self.hide("style", row.get_text(" "))
                continue
            column = 0
            for cell in row.find_all(["td", "th"], recursive=False):
                seen = look_of(cell, mine, self.sheet)
                column = builder.free(line, column)
                text = ""
                if seen.unseen:
                    self.hide("style", cell.get_text(" "))
                else:
                    text = self.inner(cell, seen, depth + 2)
                head = cell.name == "th" or (isinstance(group, Tag) and group.name == "thead")
                across = min(_integer(cell.get("colspan"), 1), 200)
                left = len(rows) - line
                builder.place(
                    line,
                    column,
                    text,
                    down=min(_integer(cell.get("rowspan"), 1) or left, left),
                    across=across,
                    header=head,
                )
                column += across
            line += 1
        return builder

    def definitions(self, tag: Tag, look: Look, depth: int) -> None:
        """dt and dd: a question with its answer, or a term with what it is."""
        self.flush()
        parts = [c for c in tag.find_all(["dt", "dd"]) if c.find_parent("dl") is tag]
        term, looks = "", look
        body: list[Raw] = []

        def put() -> None:
            if term:
                self.blocks += _defined(term, body)
            else:
                self.blocks.extend(body)

        for part in parts:
            looks = look_of(part, look, self.sheet)
            if looks.unseen:
                self.hide("style", part.get_text(" "))
            elif part.name == "dt":
                put()
                term, body = self.inner(part, looks, depth + 1), []
            else:
                body += self.inside(part.children, looks, depth + 1)
        put()

    def details(self, tag: Tag, look: Look, depth: int) -> None:
        self.flush()
        summary = tag.find("summary", recursive=False)
        asked = (
            " ".join(self.inner(summary, look_of(summary, look, self.sheet), depth).split("\n"))
            if isinstance(summary, Tag)
            else ""
        )
        body = self.inside((c for c in tag.children if c is not summary), look, depth)
        self.blocks += _defined(asked, body) if asked else body


def _defined(term: str, body: list[Raw]) -> list[Raw]:
    """A term or question with the blocks below it."""
    asked = markers.question(term) or term
    if body and markers.asks_as_heading(asked):
        inner = structured(body)
        if all(not isinstance(one, (Heading, Faq)) for one in inner):
            first = inner[0]
            reply = markers.answer(first.text) if isinstance(first, Paragraph) else None
            if isinstance(first, Paragraph) and reply:
                inner = (replace(first, text=reply), *inner[1:])
            return [Faq(asked, inner)]  # type: ignore[arg-type]
    if len(body) == 1 and isinstance(body[0], Paragraph) and len(term) <= 30 and "\n" not in body[0].text:
        return [Pairs(((term.rstrip("：:"), body[0].text),))]
    return [Heading(6, term, "term"), *body]


def plain(blocks: Sequence[Raw | TableBlock]) -> str:
    """Blocks as lines of text (for a cell or an item)."""
    lines: list[str] = []
    for block in blocks:
        if isinstance(block, (Paragraph, Heading)):
            lines.append(block.text)
        elif isinstance(block, ListBlock):
            lines += [f"{item.number}. {item.text}" if item.number else item.text for item in block.items]
        elif isinstance(block, Pairs):
            lines += [f"{key}：{value}" for key, value in block.pairs]
        elif isinstance(block, Faq):
            lines += [block.question, plain(block.answer)]
        elif hasattr(block, "rows"):
            lines += ["；".join(getattr(c, "text", str(c)) for c in row) for row in block.rows]
    return "\n".join(line for line in lines if line)


def soften(text: str) -> str:
    """Soft breaks (wrapped source lines) kept only where the next line begins something of its own."""
    if SOFT not in text:
        return text
    lines = [line.strip() for line in text.split(SOFT)]
    joined = lines[0]
    for line in lines[1:]:
        last = joined.rsplit("\n", 1)[-1]
        own = _begins(line) or markers.asks(last) or markers.fact(last) is not None
        own = own or (len(last) < 24 and not last.endswith(("，", ",", "、")))
        joined = f"{joined}\n{line}" if own else join_lines(joined, line)
    return joined


def _begins(line: str) -> bool:
    """Whether a line begins something of its own."""
    marked = (markers.ordered, markers.question, markers.bullet, markers.answer, markers.fact)
    return any(read(line) is not None for read in marked)


def _is_menu(tag: Tag) -> bool:
    """Whether a block is a menu: named like one and hardly anything but links in it."""
    if tag.name not in ("div", "ul", "ol", "section", "header", "aside", "p"):
        return False
    names = " ".join([*(tag.get("class") or []), str(tag.get("id") or "")]).lower()
    if not re.search(r"nav|menu|breadcrumb|crumb|footer|sidebar|copyright|share|pager|pagination|toolbar", names):
        return False
    text = len("".join(tag.get_text().split()))
    links = sum(len("".join(a.get_text().split())) for a in tag.find_all("a"))
    return links * 10 >= text * 7


def _without(tag: Tag, lists: Sequence[Tag]) -> Iterable[PageElement]:
    """Children of `tag`; lists deeper in it are left out by reading a copy without them."""
    direct = [c for c in tag.children if not any(c is one for one in lists)]
    return [c for c in direct if not (isinstance(c, Tag) and any(one is d for one in lists for d in c.descendants))]


def _integer(value: object, other: int) -> int:
    found = re.match(r"\s*(\d{1,5})", str(value or ""))
    return int(found[1]) if found else other
