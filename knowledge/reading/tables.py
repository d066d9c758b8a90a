"""From a grid of cells to what it says: rows under columns, label and value pairs, or questions with answers."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

from knowledge.reading.factsheet import Rows, form
from knowledge.reading.grid import Cell, Grid, distinct, one_line, trimmed
from knowledge.reading.labels import is_label, is_note, is_number, is_value, marked, named, unit_of
from knowledge.reading.source import Block, Faq, Heading, Pairs, Paragraph, TableBlock

MAX_HEADER_ROWS = 4
MAX_FILLED = 20


def table_blocks(grid: Grid, *, unit: str = "") -> list[Block]:
    """What `grid` says. `unit`: set by a line right above it ("单位：元")."""
    grid = trimmed(grid)
    if not grid.rows:
        return [Paragraph(text) for text in (grid.caption, *grid.notes) if text]
    caption, rows, notes = _frame(grid)
    unit = unit_of(caption) or next((u for u in map(unit_of, notes) if u), "") or unit
    if not rows:
        return [Paragraph(text) for text in (caption, *notes) if text]
    if max(len(row) for row in rows) == 1:
        return [Paragraph(text) for text in (caption, *(row[0].text for row in rows), *notes) if text]
    found: list[Block] = []
    header: Rows = ()
    sections = _sections(rows)
    if len(sections) > 1 and not sections[0][0] and _heads_all(sections[0][1]):
        header = sections.pop(0)[1]
    for title, part in sections:
        if not part:
            found.append(Paragraph(title))
            continue
        name = " ".join(x for x in (caption, title) if x)
        blocks, header = _part(part, header, name, unit)
        found += blocks
    return _with_notes(found, notes)


def _part(rows: Rows, header: Rows, caption: str, unit: str) -> tuple[list[Block], Rows]:
    """(blocks of one section, its header); a section without a header of its own goes on under the last one."""
    if len(rows) > 1 and _repeated_generic([cell.text for cell in rows[0]]):
        pairs = form(rows[1:], sure=True)
        if pairs:
            return [Pairs(pairs, caption)], ()
    depth = _header_depth(rows)
    if depth == 0 and header and len(header[0]) == len(rows[0]):
        return _headed(header, rows, caption, unit), header
    if depth == 0:
        pairs = form(rows)
        if pairs:
            return [Pairs(pairs, caption)], ()
        return [*_headless(rows, caption)], ()
    head, body = rows[:depth], rows[depth:]
    if not body:
        pairs = form(rows)
        return ([Pairs(pairs, caption)] if pairs else [*_headless(rows, caption)]), ()
    if depth == 1 and _is_fact_row(head[0], body):
        pairs = form(rows) or ()
        if pairs:
            return [Pairs(pairs, caption)], ()
    return _headed(head, body, caption, unit), head


def _heads_all(rows: Rows) -> bool:
    """Whether the rows above the first section of a table are nothing but its header."""
    return len(rows) <= MAX_HEADER_ROWS and all(_can_head(distinct(row), len(row)) for row in rows)


def _frame(grid: Grid) -> tuple[str, Rows, tuple[str, ...]]:
    """(caption, inner rows, notes): full-width rows on top join the caption, remarks at the bottom the notes."""
    rows = list(grid.rows)
    captions, notes = [grid.caption], list(grid.notes)
    above: list[str] = []
    while len(rows) > 1 and _full_width(rows[0], rows):
        text = one_line(distinct(rows.pop(0))[0].text)
        if is_note(text) and not unit_of(text):
            above.append(text)
        else:
            captions.append(text)
    below: list[str] = []
    while len(rows) > 1 and _full_width(rows[-1], rows):
        text = one_line(distinct(rows[-1])[0].text)
        if not (is_note(text) or below or len(text) > 40 or text[-1] in "。；"):
            break
        below.insert(0, text)
        rows.pop()
    inner = trimmed(Grid(tuple(rows))).rows
    return " ".join(c for c in captions if c), inner, tuple(above + below + notes)


def _full_width(row: Sequence[Cell], rows: Sequence[Sequence[Cell]]) -> bool:
    """Whether `row` is one text over the whole width (merged, or alone in its row where others fill several)."""
    cells = distinct(row)
    if len(cells) != 1 or len(row) < 2:
        return False
    if cells[0].origin >= 0 and sum(c.origin == cells[0].origin for c in row) == len(row):
        return not any(other is not row and cells[0].origin in {c.origin for c in other} for other in rows)
    alone = bool(row[0].text) and sum(c.origin == cells[0].origin for c in row) == 1
    return (
        alone
        and max(len(distinct(r)) for r in rows) > 2
        and not any(other is not row and row[0].origin == other[0].origin for other in rows)
    )


def _sections(rows: Rows) -> list[tuple[str, Rows]]:
    """(title, rows) of the parts that full-width rows in the middle divide a table into."""
    parts: list[tuple[str, list[tuple[Cell, ...]]]] = [("", [])]
    for row in rows:
        if _full_width(row, rows):
            parts.append((one_line(distinct(row)[0].text), []))
        else:
            parts[-1][1].append(row)
    return [(title, tuple(part)) for title, part in parts if title or part]


def _header_depth(rows: Rows) -> int:
    """Number of header rows at the top; 0 when the first row already holds content."""
    first = rows[0]
    cells = distinct(first)
    marked = 0
    while marked < len(rows) and all(c.header for c in distinct(rows[marked])):
        marked += 1
    if 0 < marked < len(rows) and marked <= MAX_HEADER_ROWS and _can_head(cells, len(first)):
        return max(marked, _spanned(rows))
    if len(rows) < 2 or not _can_head(cells, len(first)):
        return 0
    if len(first) == 2:
        return int(_heads_two(rows))
    if _repeated_generic([c.text for c in first]):
        return 1
    if form(rows):
        return 0
    if any(len(c.text) > 24 for c in cells):
        return 0
    return _spanned(rows)


def _heads_two(rows: Rows) -> bool:
    """Whether the first row of a table of two columns is its header, not its first fact."""
    key, value = rows[0][0].text, rows[0][1].text
    others = [row[0].text for row in rows[1:] if row[0].text]
    if re.search(r"\d", key + value) is None and len(others) > 1 and len(value) <= 12:
        tiers = sum(bool(re.search(r"\d", other)) for other in others)
        kinds = sum(key in other and key != other for other in others)
        if tiers * 2 > len(others) or kinds * 2 > len(others):
            return True
    if not (named("generic_key", key) or named("row_names", key) or named("question", key)) or _fact_sheet(rows):
        return False
    if named("generic_value", value) or named("column_names", value) or named("answer", value):
        return True
    facts = sum(named("fact", other) for other in others)
    return len(value) <= 6 and facts * 2 < len(others)


def _repeated_generic(texts: Sequence[str]) -> bool:
    """Whether a row reads 项目 | 内容 | 项目 | 内容."""
    pairs = list(zip(texts[::2], texts[1::2], strict=False))
    return len(texts) in (4, 6) and all(named("generic_key", k) and named("generic_value", v) for k, v in pairs)


def _can_head(cells: Sequence[Cell], width: int) -> bool:
    """Whether these cells may be a header: labels, nearly all places filled, no values, no two alike."""
    texts = [c.text for c in cells]
    if not texts or any(not is_label(t, 40) for t in texts):
        return False
    if any(t.rstrip().endswith(("：", ":")) for t in texts):
        return False
    return len(texts) * 2 >= width or len({c.origin for c in cells}) > 1


def _spanned(rows: Rows) -> int:
    """Rows the header needs so that no merged cell of its first row is cut, and what stands under wide heads counts."""
    depth = 1
    while depth < min(MAX_HEADER_ROWS, len(rows) - 1):
        row, below = rows[depth - 1], rows[depth]
        down = any(a.origin == b.origin >= 0 for a, b in zip(row, below, strict=True) if a.text)
        wide = any(a.origin == b.origin >= 0 and a.text for a, b in pairwise(row))
        labels = [c.text for c in distinct(below)]
        if not (wide and labels and all(is_label(t) for t in labels) and (down or _under_wide(row, below))):
            break
        depth += 1
    return depth


def _under_wide(row: Sequence[Cell], below: Sequence[Cell]) -> bool:
    """Whether the cells under wide heads differ among themselves, as column heads do; elsewhere none or all."""
    width = len(row)
    origins = [cell.origin for cell in row]
    wide = [c for c in range(width) if row[c].text and origins.count(origins[c]) > 1]
    under = [below[c].text for c in wide]
    if not all(under) or len(set(under)) != len(under):
        return False
    others = [c for c in range(width) if c not in wide]
    return all(not below[c].text for c in others) or all(below[c].text for c in others)


def _fact_sheet(rows: Rows) -> bool:
    """Whether two columns are label and fact from the very first row on."""
    keys = [row[0].text for row in rows]
    value = rows[0][1].text
    if named("generic_value", value) or not named("fact", keys[0]) or named("generic_key", keys[0]):
        return False
    if named("column_names", value) and not rows[0][1].header and len(value) <= 4:
        return False
    facts = sum(named("fact", key) for key in keys)
    return facts * 2 > len(keys) and not named("column_names", value)


def _is_fact_row(head: Sequence[Cell], body: Rows) -> bool:
    """Whether a row marked as header (the format demands one) is in truth the first fact of a fact sheet."""
    if len(head) == 2:
        return _fact_sheet((tuple(head), *body))
    return False


def _headed(head: Rows, body: Rows, caption: str, unit: str) -> list[Block]:
    """Rows under their header; tables set side by side under heads of their own one after the other."""
    groups = _side_by_side(head)
    if groups:
        found: list[Block] = []
        for columns_of in groups:
            inner = trimmed(Grid(tuple(tuple(row[c] for c in columns_of) for row in body))).rows
            below = tuple(tuple(row[c] for c in columns_of) for row in head[1:])
            name = " ".join(x for x in (caption, one_line(head[0][columns_of[0]].text)) if x)
            if inner and len(inner[0]) == len(columns_of):
                found += _headed(below, inner, name, unit)
            else:
                return _under(head, body, caption, unit)
        return found
    return _under(head, body, caption, unit)


def _side_by_side(head: Rows) -> list[list[int]]:
    """Columns of each of several tables set side by side: wide heads cover all, each with a column of names."""
    if len(head) < 2:
        return []
    groups: list[list[int]] = []
    for c, cell in enumerate(head[0]):
        if not cell.text:
            return []
        if groups and cell.origin == head[0][groups[-1][0]].origin:
            groups[-1].append(c)
        else:
            groups.append([c])
    lead = [head[1][group[0]].text for group in groups]
    named_rows = all(named("row_names", text) for text in lead) and len(set(lead)) == len(lead)
    return groups if len(groups) > 1 and all(len(g) > 1 for g in groups) and named_rows else []


def _under(head: Rows, body: Rows, caption: str, unit: str) -> list[Block]:
    columns = [_flat([row[c].text for row in head]) for c in range(len(head[0]))]
    rows = [tuple(one_line(cell.text) for cell in row) for row in body]
    rows = [_once(row, source) for row, source in zip(rows, body, strict=True)]
    rows = [row for row in rows if [*row] != columns]
    if not rows:
        return [Paragraph(" ".join(c for c in columns if c))]
    asked = _asked(columns, rows)
    if asked:
        return [Heading(6, caption, "caption"), *asked] if caption else asked
    if len(columns) == 2 and named("generic_key", columns[0]) and named("generic_value", columns[1]):
        pairs = tuple((k.rstrip("：: "), v) for k, v in rows if k or v)
        return [Pairs(pairs, caption)]
    if _transposed(columns, rows):
        columns = ["", *columns[1:]]
    columns = _with_unit(columns, rows, unit)
    return [TableBlock(tuple(columns), tuple(rows), caption)]


def _transposed(columns: Sequence[str], rows: Sequence[tuple[str, ...]]) -> bool:
    """Whether the products stand in columns: the first column, under 产品名称, holds labels of facts itself."""
    if len(columns) < 3 or not named("identity", columns[0]):
        return False
    facts = sum(named("fact", row[0]) and not re.search(r"\d", row[0]) for row in rows)
    others = sum(named("fact", name) or named("column_names", name) for name in columns[1:])
    return facts * 10 >= len(rows) * 6 and others * 2 < len(columns) - 1


def _headless(rows: Rows, caption: str) -> list[Block]:
    texts = [_once(tuple(one_line(c.text) for c in row), row) for row in rows]
    asked = _asked([""] * len(rows[0]), texts)
    if asked:
        return [Heading(6, caption, "caption"), *asked] if caption else asked
    if len(rows[0]) == 2 and all(is_label(k, 30) and v for k, v in texts):
        return [Pairs(tuple((k.rstrip("：: "), v) for k, v in texts), caption)]
    return [TableBlock(("",) * len(rows[0]), tuple(texts), caption)]


def _once(texts: tuple[str, ...], row: Sequence[Cell]) -> tuple[str, ...]:
    """`texts` with a long cell merged to the right only at its first place; short ones fill every place."""
    return tuple(
        "" if c and len(text) > MAX_FILLED and row[c].origin >= 0 and row[c].origin == row[c - 1].origin else text
        for c, text in enumerate(texts)
    )


def _flat(parts: Sequence[str]) -> str:
    """One column name from its header rows, a merged one once."""
    names: list[str] = []
    for part in map(one_line, parts):
        if part and part not in names:
            names.append(part)
    return "·".join(names)


def _with_unit(columns: list[str], rows: Sequence[tuple[str, ...]], unit: str) -> list[str]:
    """Column names; those over bare numbers get the unit that stands above the table."""
    if not unit:
        return columns
    named_columns = []
    for c, name in enumerate(columns):
        cells = [row[c] for row in rows if row[c] and row[c] not in "-—–/"]
        bare = bool(cells) and all(is_number(cell) for cell in cells)
        own = "（" in name or "(" in name or unit in name or named("no_unit", name)
        named_columns.append(f"{name}（{unit}）" if bare and name and not own else name)
    return named_columns


def _asked(columns: Sequence[str], rows: Sequence[tuple[str, ...]]) -> list[Block]:
    """Questions with answers when one column holds questions and another answers; else []."""
    asks = [c for c, name in enumerate(columns) if named("question", name)]
    answers = [c for c, name in enumerate(columns) if named("answer", name)]
    if not any(columns):
        width = len(columns)
        asks = [c for c in range(width) if all(row[c].rstrip().endswith(("？", "?")) for row in rows)]
        answers = [asks[0] + 1] if asks and asks[0] + 1 < width else []
    elif asks and not answers:
        answers = [c for c in range(asks[0] + 1, len(columns)) if named("generic_value", columns[c])][:1]
    if not asks or not answers:
        return []
    found: list[Block] = []
    for row in rows:
        question, reply = row[asks[0]], row[answers[0]]
        rest = [
            Paragraph(f"{columns[c]}：{text}" if columns[c] else text)
            for c, text in enumerate(row)
            if text and c not in (asks[0], answers[0]) and not named("serial", columns[c]) and not is_value(text)
        ]
        if question and reply:
            found.append(Faq(question, (Paragraph(reply), *rest)))
        else:
            found += [Paragraph(text) for text in (question, reply) if text]
    return found


def _with_notes(blocks: list[Block], notes: tuple[str, ...]) -> list[Block]:
    """`blocks` with the remarks below the table: each with those its rows mark, the last with all that are left."""
    if not notes:
        return blocks
    places = [at for at, block in enumerate(blocks) if isinstance(block, (TableBlock, Pairs))]
    left = notes
    for at in places:
        block = blocks[at]
        if not isinstance(block, (TableBlock, Pairs)):
            continue
        own = marked(" ".join(" ".join(row) for row in _texts(block)), notes)
        left = tuple(note for note in left if note not in own)
        blocks[at] = replace(block, notes=block.notes + own)
    if not places:
        return [*blocks, *(Paragraph(note) for note in left)]
    last = blocks[places[-1]]
    if isinstance(last, (TableBlock, Pairs)):
        blocks[places[-1]] = replace(last, notes=last.notes + left)
    return blocks


def _texts(block: TableBlock | Pairs) -> tuple[tuple[str, ...], ...]:
    return block.pairs if isinstance(block, Pairs) else block.rows
