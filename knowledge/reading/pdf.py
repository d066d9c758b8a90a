"""PDF to blocks: tables and running text of the pages, joined over page breaks, without what repeats on every page."""

from __future__ import annotations

import io
import logging
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

import pdfplumber
from pdfminer.pdfdocument import PDFPasswordIncorrect
from pdfplumber.page import Page
from pdfplumber.utils.exceptions import PdfminerException

from knowledge.reading import markers
from knowledge.reading.characters import join_lines
from knowledge.reading.grid import Builder, Cell, Grid
from knowledge.reading.pdflines import TextLine, borderless, flows, reading_order, text_lines
from knowledge.reading.pdfpage import Canvas, Glyph, Interpreter, TooMuch, layers_off
from knowledge.reading.source import Heading, Paragraph, Unreadable
from knowledge.reading.structure import Raw

MAX_PAGES = 600
MAX_EDGES = 6_000
_PAGE_NUMBER = re.compile(
    r"[-—–·|\s]*(?:第\s*)?(?:\d{1,4}|[一二三四五六七八九十]{1,3}|[ivxIVX]{1,5})\s*(?:页|[/／]\s*(?:共\s*)?\d{1,4}\s*页?)?(?:[,，\s]*共\s*\d{1,4}\s*页)?[-—–·|\s]*"
    r"|Page\s+\d+(?:\s*(?:of|/)\s*\d+)?",
    re.IGNORECASE,
)
_PRINTED = re.compile(r"(?:file|https?)://\S+.*|\d{1,4}/\d{1,2}/\d{1,4}[,，]?\s+\d{1,2}:\d{2}.*")


@dataclass(slots=True)
class _PageText:
    """Lines and tables of one page; tables with the top and bottom edge they fill."""

    width: float
    height: float
    lines: list[TextLine] = field(default_factory=list)
    tables: list[tuple[float, float, Grid]] = field(default_factory=list)


def pdf_blocks(raw: bytes) -> tuple[list[Raw], list[tuple[str, str]]]:
    """(blocks of all pages, hidden texts as (how, text)). Raises Unreadable: encrypted, broken, scanned, too large."""
    logging.getLogger("pdfminer").setLevel(logging.ERROR)
    try:
        document = pdfplumber.open(io.BytesIO(raw))
    except PDFPasswordIncorrect:
        raise Unreadable("PDF 已加密，无法读取；请取消打开密码后重新导入") from None
    except PdfminerException as error:
        if error.args and isinstance(error.args[0], PDFPasswordIncorrect):
            raise Unreadable("PDF 已加密，无法读取；请取消打开密码后重新导入") from None
        raise Unreadable("PDF 已损坏，无法读取；请重新导出一份") from None
    with document:
        if len(document.pages) > MAX_PAGES:
            raise Unreadable(f"PDF 页数过多（{len(document.pages)} 页，上限 {MAX_PAGES} 页）；请拆分后再导入")
        off = layers_off(document.doc.catalog)
        hidden: list[tuple[str, str]] = []
        pages: list[_PageText] = []
        pictures = undefined = total = 0
        for page in document.pages:
            canvas = _draw(page, off)
            hidden += canvas.hidden
            pictures += len(canvas.pictures)
            total += len(canvas.glyphs)
            undefined += sum(g.text == "\ufffd" for g in canvas.glyphs)
            pages.append(_read_page(page, canvas.glyphs))
            page.close()
    if not total:
        scanned = (
            "是扫描件，没有可读取的文字；请先做文字识别（OCR），或提供原文档"
            if pictures
            else "里没有可读取的文字；请检查是否导出完整"
        )
        raise Unreadable(f"PDF {scanned}")
    if undefined * 5 > total:
        raise Unreadable("PDF 的字体没有文字编码，读出来是乱码；请用原文档重新导出，或提供 Word 文档")
    _without_repeats(pages)
    return _assembled(pages), hidden


def _draw(page: Page, off: frozenset[int]) -> Canvas:
    """The page drawn on a canvas; its lines and rectangles stay on the page for finding tables."""
    canvas = Canvas(page.pdf.rsrcmgr, page.page_number, off)
    try:
        Interpreter(page.pdf.rsrcmgr, canvas).process_page(page.page_obj)
    except TooMuch:
        raise Unreadable(f"PDF 第 {page.page_number} 页文字过多，疑似异常文件；请重新导出") from None
    page._layout = canvas.get_result()
    return canvas


def _read_page(page: Page, glyphs: Sequence[Glyph]) -> _PageText:
    read = _PageText(float(page.width), float(page.height))
    rest = list(glyphs)
    edges = len(page.rects) + len(page.lines) + len(page.curves)
    if 2 <= edges <= MAX_EDGES:
        for table in page.find_tables({"snap_tolerance": 3, "join_tolerance": 3, "intersection_tolerance": 4}):
            x0, top, x1, bottom = table.bbox
            if len({round(c[0]) for c in table.cells}) < 2 or len(table.cells) < 3:
                continue
            inside = [
                g
                for g in rest
                if x0 - 1 <= (g.x0 + g.x1) / 2 <= x1 + 1 and top - 1 <= (g.top + g.bottom) / 2 <= bottom + 1
            ]
            grid, left = _lattice(table.cells, inside)
            if grid is None:
                continue
            taken = set(map(id, inside)) - set(map(id, left))
            rest = [g for g in rest if id(g) not in taken]
            read.tables.append((top, bottom, grid))
    read.lines = text_lines(rest, read.width)
    return read


def _lattice(
    cells: Sequence[tuple[float, float, float, float]], glyphs: Sequence[Glyph]
) -> tuple[Grid | None, list[Glyph]]:
    """(table of ruled cells with their text, glyphs that stand in none of them); None for a mere frame of text."""
    xs, ys = _edges([x for c in cells for x in (c[0], c[2])]), _edges([y for c in cells for y in (c[1], c[3])])
    buckets: list[list[Glyph]] = [[] for _ in cells]
    left: list[Glyph] = []
    for glyph in glyphs:
        x, y = (glyph.x0 + glyph.x1) / 2, (glyph.top + glyph.bottom) / 2
        for at, (x0, top, x1, bottom) in enumerate(cells):
            if x0 <= x <= x1 and top <= y <= bottom:
                buckets[at].append(glyph)
                break
        else:
            left.append(glyph)
    filled = sum(any(g.text.strip() for g in bucket) for bucket in buckets)
    if filled < 3:
        return None, list(glyphs)
    builder = Builder()
    heads = _bold_tops(cells, buckets)
    for (x0, top, x1, bottom), bucket in zip(cells, buckets, strict=True):
        column, row = _nearest(xs, x0), _nearest(ys, top)
        across, down = _nearest(xs, x1) - column, _nearest(ys, bottom) - row
        builder.place(row, column, _cell_text(bucket, x1), down=down, across=across, header=round(top) in heads)
    return builder.grid(), left


def _bold_tops(cells: Sequence[tuple[float, float, float, float]], buckets: Sequence[Sequence[Glyph]]) -> set[int]:
    """Top edges of rows set in bold all over, when other rows are not."""
    rows: dict[int, list[bool]] = {}
    for cell, bucket in zip(cells, buckets, strict=True):
        own = [g for g in bucket if g.text.strip()]
        if own:
            rows.setdefault(round(cell[1]), []).append(sum(g.bold for g in own) * 10 >= len(own) * 9)
    bold = {top for top, marks in rows.items() if all(marks) and len(marks) > 1}
    return bold if len(bold) < len(rows) else set()


def _cell_text(glyphs: Sequence[Glyph], right: float) -> str:
    """Text of a cell: wrapped lines joined, lines with a marker of their own kept apart."""
    lines = text_lines(glyphs)
    text = ""
    last: TextLine | None = None
    for line in lines:
        own = markers.ordered(line.text) or markers.bullet(line.text) is not None
        short = last is not None and last.x1 < right - 3.2 * last.size and markers.closed(last.text)
        text = f"{text}\n{line.text}" if text and (own or short) else join_lines(text, line.text)
        last = line
    return text


def _edges(values: Sequence[float]) -> list[float]:
    found: list[float] = []
    for one in sorted(values):
        if not found or one - found[-1] > 2.5:
            found.append(one)
    return found


def _nearest(edges: Sequence[float], at: float) -> int:
    return min(range(len(edges)), key=lambda i: abs(edges[i] - at))


def _without_repeats(pages: list[_PageText]) -> None:
    """Takes page numbers and the lines that head or foot most pages out."""
    seen: Counter[str] = Counter()
    for page in pages:
        seen.update({_pattern(line) for line in page.lines if _margin(line, page, 0.12)})
    most = max(2, (len(pages) * 3 + 4) // 5)
    for page in pages:
        kept = []
        for line in page.lines:
            repeated = _margin(line, page, 0.12) and len(pages) > 1 and seen[_pattern(line)] >= most
            numbered = _margin(line, page, 0.1) and _PAGE_NUMBER.fullmatch(line.text)
            printed = _margin(line, page, 0.05) and _PRINTED.fullmatch(line.text)
            if not (repeated or numbered or printed):
                kept.append(line)
        page.lines = kept


def _pattern(line: TextLine) -> str:
    place = "top" if line.top < 200 else "bottom"
    return f"{place} {re.sub(r'[0-9]+', '#', line.text)}"


def _margin(line: TextLine, page: _PageText, share: float) -> bool:
    return line.bottom < page.height * share or line.top > page.height * (1 - share)


def _assembled(pages: Sequence[_PageText]) -> list[Raw]:
    lines = [line for page in pages for line in page.lines]
    body = _body_size(lines)
    sizes = sorted({round(line.size) for line in lines if line.size > body * 1.13}, reverse=True)[:5]
    all_bold = sum(len(line.text) for line in lines if line.bold) * 2 > sum(len(line.text) for line in lines)
    found: list[Raw] = []
    for page in pages:
        inner = _page_blocks(page, body, sizes, all_bold)
        if found and inner:
            _over_break(found, inner)
        found += inner
    return found


def _body_size(lines: Sequence[TextLine]) -> float:
    sizes: Counter[float] = Counter()
    for line in lines:
        sizes[line.size] += len(line.text)
    return sizes.most_common(1)[0][0] if sizes else 10.0


def _page_blocks(page: _PageText, body: float, sizes: Sequence[int], all_bold: bool) -> list[Raw]:
    """Blocks of a page in reading order."""
    found: list[Raw] = []
    start = 0.0
    for top, _, grid in [*sorted(page.tables, key=lambda t: t[0]), (page.height + 1e6, 0.0, None)]:
        part = [line for line in page.lines if start <= line.top < top]
        found += _text_blocks(part, page, body, sizes, all_bold)
        if grid is not None:
            found.append(grid)
        start = top
    return found


def _text_blocks(
    lines: Sequence[TextLine], page: _PageText, body: float, sizes: Sequence[int], all_bold: bool
) -> list[Raw]:
    found: list[Raw] = []
    right = max((line.x1 for line in page.lines if line.size < body * 1.13), default=page.width * 0.9)
    for group, edge in reading_order(lines, page.width):
        pitch = _pitch(group, body)
        run: list[TextLine] = []
        column: list[Raw] = []
        edge = max(edge, right) if edge > page.width * 0.55 else edge
        for one in [*borderless(group), None]:
            if isinstance(one, TextLine):
                run.append(one)
                continue
            for flow in flows(run, edge, pitch):
                level = _level(flow.lines[0].size, flow.text, sizes)
                bold = all(line.bold for line in flow.lines) and not all_bold
                column.append(Heading(level, flow.text) if level else Paragraph(flow.text, bold))
            run = []
            if one is not None:
                column.append(one)
        if found and column and group[0].gutter is not None:
            _over_break(found, column)
        found += column
    return found


def _pitch(lines: Sequence[TextLine], body: float) -> float:
    """Usual distance of neighbouring lines of body text."""
    gaps = sorted(
        b.top - a.top for a, b in pairwise(lines) if abs(a.size - b.size) < 1 and 0.5 * body < b.top - a.top < 3 * body
    )
    return gaps[len(gaps) // 3] if gaps else 1.5 * body


def _level(size: float, text: str, sizes: Sequence[int]) -> int:
    """Heading level by size; 0 for body text."""
    if round(size) not in sizes or len(text) > 60 or re.search(r"[。；;，,]$", text) or markers.fact(text):
        return 0
    return sizes.index(round(size)) + 1


def _over_break(before: list[Raw], after: list[Raw]) -> None:
    """Joins a table or a paragraph that goes on after a page break; changes both lists."""
    last, first = before[-1], after[0]
    if (
        isinstance(last, Grid)
        and isinstance(first, Grid)
        and last.rows
        and first.rows
        and len(last.rows[0]) == len(first.rows[0])
    ):
        before[-1] = _continued(last, first)
        after.pop(0)
    elif isinstance(last, Paragraph) and isinstance(first, Paragraph) and last.bold == first.bold:
        fresh = markers.ordered(first.text) or markers.bullet(first.text) is not None or markers.question(first.text)
        if (
            len(last.text) > 15
            and not re.search(r"[。！？!?；;：:]$", last.text)
            and not fresh
            and not markers.fact(first.text)
        ):
            before[-1] = replace(last, text=join_lines(last.text, first.text))
            after.pop(0)


def _continued(last: Grid, first: Grid) -> Grid:
    """Two parts of a table as one: a repeated header dropped, a row that the break cut mended."""
    rows = list(first.rows)
    while rows and [c.text for c in rows[0]] in ([c.text for c in row] for row in last.rows[:3]):
        rows.pop(0)
    offset = 1 + max((c.origin for row in last.rows for c in row), default=0)
    moved = [tuple(Cell(c.text, c.header, c.origin + offset if c.origin >= 0 else -1) for c in row) for row in rows]
    whole = list(last.rows)
    if moved and not moved[0][0].text and whole:
        filled = [c for c in moved[0] if c.text]
        above = whole[-1]
        if len(filled) <= max(1, len(above) // 2) and any(
            a.text and not markers.closed(a.text) for a, c in zip(above, moved[0], strict=True) if c.text
        ):
            whole[-1] = tuple(
                replace(a, text=join_lines(a.text, c.text), origin=-1) if c.text else a
                for a, c in zip(above, moved[0], strict=True)
            )
            moved.pop(0)
        else:
            group = above[0]
            for at, row in enumerate(moved):
                if row[0].text:
                    break
                moved[at] = (group, *row[1:])
    return Grid(tuple(whole + moved), last.caption, last.notes + first.notes)
