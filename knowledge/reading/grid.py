"""Rectangular grids of cells with merged cells filled in: what every format's tables become first."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

from knowledge.reading.source import Unreadable

MAX_CELLS = 120_000
MAX_COLUMNS = 512
TOO_LARGE = f"表格过大（超过 {MAX_CELLS} 个单元格）；请拆成几个文件，或只保留客户需要的内容"


@dataclass(frozen=True, slots=True)
class Cell:
    """Text of one place. `header`: marked or set as a head. `origin`: number of the (merged) cell it belongs to."""

    text: str
    header: bool = False
    origin: int = -1


EMPTY = Cell("")


@dataclass(frozen=True, slots=True)
class Grid:
    """Rows of equal width; a merged cell stands in every place it covers, with one origin."""

    rows: tuple[tuple[Cell, ...], ...]
    caption: str = ""
    notes: tuple[str, ...] = ()

    def map(self, change: Callable[[str], str]) -> Grid:
        """This grid with `change` applied once to each distinct cell, the caption and the notes."""
        seen: dict[int, str] = {}
        rows = []
        for row in self.rows:
            cells = []
            for cell in row:
                if cell.origin < 0:
                    text = change(cell.text) if cell.text else ""
                else:
                    text = seen[cell.origin] if cell.origin in seen else change(cell.text)
                    seen[cell.origin] = text
                cells.append(replace(cell, text=text))
            rows.append(tuple(cells))
        notes = tuple(n for n in map(change, self.notes) if n)
        return Grid(tuple(rows), change(self.caption) if self.caption else "", notes)


@dataclass(slots=True)
class Builder:
    """Collects cells by place. Raises Unreadable when the table is beyond all reason."""

    cells: dict[tuple[int, int], Cell] = field(default_factory=dict)
    count: int = 0

    def place(self, row: int, column: int, text: str, *, down: int = 1, across: int = 1, header: bool = False) -> None:
        """Puts a cell at (row, column) that covers `down` rows and `across` columns."""
        down, across = max(1, down), max(1, min(across, MAX_COLUMNS - min(column, MAX_COLUMNS - 1)))
        if len(self.cells) + down * across > MAX_CELLS:
            raise Unreadable(TOO_LARGE)
        cell = Cell(text, header, self.count)
        self.count += 1
        for r in range(row, row + down):
            for c in range(column, column + across):
                self.cells.setdefault((r, c), cell)

    def free(self, row: int, column: int) -> int:
        """First column at or after `column` in `row` that nothing covers yet."""
        while (row, column) in self.cells:
            column += 1
        return column

    def grid(self, caption: str = "", notes: Iterable[str] = ()) -> Grid:
        """The grid collected so far, without empty rows and columns."""
        if not self.cells:
            return Grid((), caption, tuple(notes))
        height = max(r for r, _ in self.cells) + 1
        width = max(c for _, c in self.cells) + 1
        if height * width > 4 * MAX_CELLS:
            raise Unreadable(f"表格过大（{height} 行 × {width} 列）；请拆成几个文件，或只保留客户需要的内容")
        rows = [tuple(self.cells.get((r, c), EMPTY) for c in range(width)) for r in range(height)]
        return trimmed(Grid(tuple(rows), caption, tuple(notes)))


def trimmed(grid: Grid) -> Grid:
    """`grid` without rows and columns in which nothing of its own stands."""
    rows = [row for row in grid.rows if any(cell.text for cell in row)]
    if not rows:
        return replace(grid, rows=())
    width = max(map(len, rows))
    rows = [row + (EMPTY,) * (width - len(row)) for row in rows]
    keep = []
    before: tuple[int, ...] = ()
    for c in range(width):
        column = tuple(row[c].origin for row in rows)
        if any(row[c].text for row in rows) and not (c and -1 not in column and column == before):
            keep.append(c)
        before = column
    kept_rows: list[tuple[Cell, ...]] = []
    for row in rows:
        cells = tuple(row[c] for c in keep)
        same = kept_rows and all(a.origin == b.origin >= 0 for a, b in zip(cells, kept_rows[-1], strict=True))
        if not same:
            kept_rows.append(cells)
    return replace(grid, rows=tuple(kept_rows))


def distinct(row: Iterable[Cell]) -> list[Cell]:
    """The cells of `row`, a merged one once, empty ones left out."""
    found: list[Cell] = []
    for cell in row:
        if cell.text and not (found and cell.origin >= 0 and cell.origin == found[-1].origin):
            found.append(cell)
    return found


def one_line(text: str) -> str:
    """Cell text on one line: after punctuation or before an opening bracket lines join directly, else with a space."""
    lines = [line.strip() for line in text.split("\n") if line.strip()]
    joined = lines[0] if lines else ""
    for line in lines[1:]:
        tight = re.search(r"[，。；：、！？,;:（(]$", joined) or line[0] in "（(，。；：、）)%％"
        joined += line if tight else f" {line}"
    return joined
