"""Excel workbooks to blocks: every visible sheet as headings, lines and tables, cells as a reader sees them."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import openpyxl
from openpyxl.cell.cell import Cell as SheetCell
from openpyxl.utils import range_boundaries
from openpyxl.worksheet.worksheet import Worksheet

from knowledge.reading.grid import MAX_CELLS, MAX_COLUMNS, TOO_LARGE, Builder
from knowledge.reading.numberformat import shown
from knowledge.reading.package import Package, open_package
from knowledge.reading.source import Heading, Paragraph, Unreadable
from knowledge.reading.structure import Raw
from knowledge.reading.style import contrast

MAX_MERGED = 200_000
_DULL = re.compile(r"(?:Sheet|工作表|表)\s*\d*|Sheet\d+ ?\(\d+\)", re.IGNORECASE)


def sheet_blocks(raw: bytes) -> tuple[list[Raw], list[tuple[str, str]]]:
    """(blocks of all visible sheets, hidden texts as (how, text)). Raises Unreadable beyond the bounds."""
    _bounded(open_package(raw))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        book = openpyxl.load_workbook(io.BytesIO(raw), data_only=True, keep_links=False)
    blocks: list[Raw] = []
    hidden: list[tuple[str, str]] = []
    sheets = [one for one in book.worksheets if isinstance(one, Worksheet)]
    for sheet in sheets:
        reader = _Reader(sheet, hidden)
        if sheet.sheet_state != "visible":
            hidden.append(("隐藏工作表", f"{sheet.title} " + " ".join(str(c.value) for c in reader.first_cells())))
            continue
        inner = list(reader.blocks())
        if inner and not _DULL.fullmatch(sheet.title.strip()) and not _says(inner[0], sheet.title):
            blocks.append(Heading(1, sheet.title))
        blocks += inner
    return blocks, hidden


def _says(block: Raw, title: str) -> bool:
    return isinstance(block, (Heading, Paragraph)) and block.text.strip() == title.strip()


def _bounded(package: Package) -> None:
    """Refuses workbooks with too many cells or merged areas before they are loaded."""
    cells = merged = 0
    for name in package.names():
        if not re.match(r"/?xl/worksheets/[^/]+\.xml$", name):
            continue
        raw = package.bytes(name) or b""
        cells += len(re.findall(rb"<(?:\w+:)?v>|<(?:\w+:)?is>", raw))
        if raw.count(b"<c ") > 10 * MAX_CELLS:
            raise Unreadable(TOO_LARGE)
        for reference in re.findall(rb"mergeCell [^>]*ref=\"([A-Z0-9:]{1,24})\"", raw):
            left, top, right, bottom = range_boundaries(reference.decode())
            merged += ((right or 0) - (left or 0) + 1) * ((bottom or 0) - (top or 0) + 1)
    if cells > MAX_CELLS or merged > MAX_MERGED:
        raise Unreadable(TOO_LARGE)


@dataclass(slots=True)
class _Reader:
    sheet: Worksheet
    hidden: list[tuple[str, str]]
    spans: dict[tuple[int, int], tuple[int, int]] = field(default_factory=dict)
    covered: set[tuple[int, int]] = field(default_factory=set)

    def first_cells(self) -> list[SheetCell]:
        """The first few filled cells."""
        found = [c for row in self.sheet.iter_rows(max_row=20, max_col=10) for c in row if c.value is not None]
        return [c for c in found if isinstance(c, SheetCell)][:6]

    def blocks(self) -> Iterator[Raw]:
        """Blocks of the sheet: regions divided by empty rows; a region of one column is text."""
        rows, columns = self._seen_rows(), self._seen_columns()
        self._merges(rows, columns)
        texts: dict[tuple[int, int], tuple[str, bool]] = {}
        for (row, column), cell in sorted(self._filled().items()):
            if cell.comment is not None:
                self.hidden.append(("批注", str(cell.comment.text)))
            text = shown(cell.value, str(cell.number_format or "General"))
            if not text:
                if cell.number_format == ";;;":
                    self.hidden.append(("不显示的数字格式", str(cell.value)))
                continue
            if row not in rows or column not in columns:
                self.hidden.append(("隐藏的行或列", text))
            elif self._invisible(cell):
                self.hidden.append(("与背景同色或极小的文字", text))
            else:
                texts[row, column] = (text, bool(cell.font and cell.font.b))
        for region in self._regions(texts, rows):
            yield from self._region(region, texts, rows, columns)

    def _filled(self) -> dict[tuple[int, int], SheetCell]:
        cells = self.sheet._cells
        return {k: c for k, c in cells.items() if isinstance(c, SheetCell) and (c.value is not None or c.comment)}

    def _seen_rows(self) -> dict[int, int]:
        """Row numbers that hold something and are not hidden, each with its place."""
        hidden = {n for n, one in self.sheet.row_dimensions.items() if one.hidden or one.height == 0}
        used = sorted({r for r, _ in self._filled()} | {0})
        return (
            {row: place for place, row in enumerate(r for r in range(1, used[-1] + 1) if r not in hidden)}
            if (used[-1] <= 10 * MAX_CELLS)
            else {row: place for place, row in enumerate(r for r in used if r and r not in hidden)}
        )

    def _seen_columns(self) -> dict[int, int]:
        hidden: set[int] = set()
        for one in self.sheet.column_dimensions.values():
            if one.hidden or one.width == 0:
                hidden.update(range(one.min or 0, min(one.max or 0, 16_384) + 1))
        used = sorted({c for _, c in self._filled()})
        seen = [c for c in used if c not in hidden]
        if len(seen) > MAX_COLUMNS:
            raise Unreadable(f"工作表 {self.sheet.title} 的列过多（{len(seen)} 列）；请拆成几个工作表")
        return {column: place for place, column in enumerate(seen)}

    def _merges(self, rows: dict[int, int], columns: dict[int, int]) -> None:
        """Notes how many visible rows and columns each merged area covers."""
        for area in self.sheet.merged_cells.ranges:
            down = sum(1 for r in range(area.min_row, area.max_row + 1) if r in rows)
            across = sum(1 for c in range(area.min_col, area.max_col + 1) if c in columns)
            self.spans[area.min_row, area.min_col] = (max(1, down), max(1, across))
            self.covered |= {(r, area.min_col) for r in range(area.min_row, area.max_row + 1)}

    def _invisible(self, cell: SheetCell) -> bool:
        font = cell.font
        if font is None:
            return False
        if font.sz is not None and float(font.sz) < 3:
            return True
        ink = _rgb(font.color, (0, 0, 0))
        fill = cell.fill
        back = (255, 255, 255)
        if fill is not None and fill.fill_type:
            if fill.fill_type != "solid":
                return False
            found = _rgb(fill.fgColor, None)
            if found is None:
                return False
            back = found
        return ink is not None and contrast(ink, back) < 36

    def _regions(self, texts: dict[tuple[int, int], Any], rows: dict[int, int]) -> Iterator[list[int]]:
        """Groups of rows without an empty row between them."""
        used = {r for r, _ in texts}
        for (row, column), (down, _) in self.spans.items():
            if (row, column) in texts:
                used |= {r for r in range(row, row + down) if r in rows}
        group: list[int] = []
        for row in sorted(used):
            if group and rows[row] != rows[group[-1]] + 1:
                yield group
                group = []
            group.append(row)
        if group:
            yield group

    def _region(
        self,
        region: list[int],
        texts: dict[tuple[int, int], tuple[str, bool]],
        rows: dict[int, int],
        columns: dict[int, int],
    ) -> Iterator[Raw]:
        inside = [(place, text) for place, text in texts.items() if region[0] <= place[0] <= region[-1]]
        if len({column for (_, column), _ in inside}) == 1:
            for _, (text, bold) in inside:
                yield Paragraph(text, bold)
            return
        builder = Builder()
        heads = _bold_rows(inside)
        first = rows[region[0]]
        for (row, column), (text, _) in inside:
            down, across = self.spans.get((row, column), (1, 1))
            builder.place(
                rows[row] - first,
                columns[column],
                text,
                down=min(down, len(region)),
                across=across,
                header=row in heads,
            )
        yield builder.grid()


def _bold_rows(inside: list[tuple[tuple[int, int], tuple[str, bool]]]) -> set[int]:
    """Rows set in bold all over, when other rows are not."""
    rows: dict[int, list[bool]] = {}
    for (row, _), (_, bold) in inside:
        rows.setdefault(row, []).append(bold)
    heads = {row for row, marks in rows.items() if all(marks) and len(marks) > 1}
    return heads if len(heads) < len(rows) else set()


def _rgb(colour: Any, other: tuple[int, int, int] | None) -> tuple[int, int, int] | None:
    """A cell colour as channels; theme 0 is white and 1 black; `other` when it cannot be told."""
    if colour is None:
        return other
    if colour.type == "rgb" and isinstance(colour.rgb, str) and len(colour.rgb) == 8:
        if colour.rgb == "00000000":
            return (0, 0, 0)
        return (int(colour.rgb[2:4], 16), int(colour.rgb[4:6], 16), int(colour.rgb[6:8], 16))
    tint = float(colour.tint or 0)
    if colour.type == "theme" and colour.theme == 0 and tint > -0.05:
        return (255, 255, 255)
    if colour.type == "indexed":
        return {
            1: (255, 255, 255),
            9: (255, 255, 255),
            0: (0, 0, 0),
            8: (0, 0, 0),
            64: (0, 0, 0),
            65: (255, 255, 255),
        }.get(colour.indexed, other)
    return other if colour.type != "theme" else (0, 0, 0) if colour.theme == 1 else other
