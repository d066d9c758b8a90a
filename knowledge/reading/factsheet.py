"""Fact sheets set as tables: one, two or three pairs of label and value a row, maybe with a group before them."""

from __future__ import annotations

from collections.abc import Sequence

from knowledge.reading.grid import Cell, distinct, one_line
from knowledge.reading.labels import is_label, named

Rows = tuple[tuple[Cell, ...], ...]


def form(rows: Rows, *, sure: bool = False) -> tuple[tuple[str, str], ...]:
    """Label and value pairs if the grid is a fact sheet of one, two or three pairs a row; else ().

    `sure`: its header says so, so the labels need not be known ones.
    """
    pairs: list[tuple[str, str]] = []
    labels = facts = 0
    widest = 0
    groups = _group_column(rows)
    for row in rows:
        cells = distinct(row)
        group = ""
        if groups and len(cells) == 3 and cells[0].origin in groups:
            group, cells = cells[0].text, cells[1:]
        cells = _filled_pairs(row, cells)
        if len(cells) % 2 or not cells:
            return ()
        widest = max(widest, len(cells))
        for key, value in zip(cells[::2], cells[1::2], strict=True):
            if not is_label(key.text, 30) or key.text == value.text:
                return ()
            labels += 1
            facts += named("fact", key.text) or key.text.rstrip().endswith(("：", ":"))
            name = one_line(key.text).rstrip("：: ")
            pairs.append((f"{one_line(group)} {name}" if group else name, one_line(value.text)))
    keys = {key for key, _ in pairs}
    if sure:
        return tuple(pairs)
    if widest == 2 and len(rows[0]) == 2:
        enough = len(keys) * 10 >= len(pairs) * 8 and (facts * 3 >= labels or facts >= 3)
        return tuple(pairs) if enough else ()
    return tuple(pairs) if facts * 3 >= labels * 2 and len(keys) * 10 >= len(pairs) * 8 else ()


def _filled_pairs(row: Sequence[Cell], cells: list[Cell]) -> list[Cell]:
    """`cells`, or the places of `row` pairwise when a label has an empty value beside it."""
    if len(cells) % 2 == 0:
        return cells
    if len(row) % 2 == 0 and len({c.origin for c in row if c.text}) == len([c for c in row if c.text]):
        found = []
        for key, value in zip(row[::2], row[1::2], strict=True):
            if key.text:
                found += [key, value]
            elif value.text:
                return cells
        return found
    return cells


def _group_column(rows: Rows) -> set[int]:
    """Origins of first cells that are merged over several rows (they group the facts beside them)."""
    seen: dict[int, int] = {}
    for row in rows:
        if row[0].text and row[0].origin >= 0:
            seen[row[0].origin] = seen.get(row[0].origin, 0) + 1
    return {origin for origin, count in seen.items() if count > 1}
