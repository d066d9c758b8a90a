"""Glyphs of a PDF page to lines, lines to paragraphs and headings, aligned lines to tables without borders."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby

from knowledge.reading import markers
from knowledge.reading.characters import clean, join_lines
from knowledge.reading.grid import Builder, Grid
from knowledge.reading.pdfpage import Glyph

_RAISED = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")


@dataclass(frozen=True, slots=True)
class Segment:
    """Glyphs of one line that stand together; `bold` if nearly all are."""

    text: str
    x0: float
    top: float
    x1: float
    bottom: float
    size: float
    bold: bool


@dataclass(frozen=True, slots=True)
class TextLine:
    """One line of a page: its segments from left to right; `gutter`: x between the columns where it is set in two."""

    segments: tuple[Segment, ...]
    gutter: float | None = None

    @property
    def text(self) -> str:
        return " ".join(s.text for s in self.segments)

    @property
    def x0(self) -> float:
        return self.segments[0].x0

    @property
    def x1(self) -> float:
        return self.segments[-1].x1

    @property
    def top(self) -> float:
        return min(s.top for s in self.segments)

    @property
    def bottom(self) -> float:
        return max(s.bottom for s in self.segments)

    @property
    def size(self) -> float:
        return max(self.segments, key=lambda s: len(s.text)).size

    @property
    def bold(self) -> bool:
        return all(s.bold for s in self.segments)


def text_lines(glyphs: Sequence[Glyph], width: float = 0.0) -> list[TextLine]:
    """Lines of `glyphs` from top to bottom, each divided where wide gaps are.

    With the page's `width` also between two columns of running text, however narrow the gap between them.
    """
    rows: list[list[Glyph]] = []
    for glyph in sorted(glyphs, key=lambda g: (g.top + g.bottom) / 2):
        if not glyph.text.strip():
            continue
        middle = (glyph.top + glyph.bottom) / 2
        for row in rows[-3:][::-1]:
            first = max(row[:8], key=lambda g: g.size)
            if first.top + 0.15 * first.size < middle < first.bottom - 0.15 * first.size or (
                _inset(first, glyph) < (first.top + first.bottom) / 2 - glyph.top < glyph.size - _inset(first, glyph)
            ):
                row.append(glyph)
                break
        else:
            rows.append([glyph])
    spaces = sorted((g for g in glyphs if g.text and not g.text.strip()), key=lambda g: g.x0)
    drawn = ("•", "◦", "▪")
    rows = [row for row in rows if any(g.text not in drawn for g in row)]
    rows.sort(key=lambda row: min(g.top for g in row))
    gutters = _gutters(rows, width) if width else {}
    lines = [TextLine(tuple(_segments(row, spaces, gutters.get(at))), gutters.get(at)) for at, row in enumerate(rows)]
    return sorted((line for line in lines if line.segments), key=lambda line: line.top)


def _inset(first: Glyph, glyph: Glyph) -> float:
    """How far within a glyph the middle of its line's first must lie; a smaller, raised one may lie at the edge."""
    return (0.05 if first.size < 0.9 * glyph.size else 0.2) * glyph.size


def _gutters(rows: Sequence[list[Glyph]], width: float) -> dict[int, float]:
    """For rows set in two columns, the x between the columns: an empty band with running text on both sides."""
    best: dict[int, float] = {}
    for x in range(int(width * 0.38), int(width * 0.62), 3):
        found: dict[int, float] = {}
        run: list[int] = []
        for place in range(len(rows) + 1):
            row = rows[place] if place < len(rows) else None
            crossed = row is None or any(g.x0 < x + 2 and g.x1 > x - 2 for g in row)
            if crossed or (run and row is not None and _apart(row, rows[run[-1]])):
                if _two_columns([rows[m] for m in run], x):
                    found.update(dict.fromkeys(run, float(x)))
                run = []
            if not crossed:
                run.append(place)
        if len(found) > len(best):
            best = found
    return best


def _two_columns(rows: Sequence[Sequence[Glyph]], x: float) -> bool:
    """Whether text runs on both sides of `x`: several long rows each, beside one another, filling their column."""
    left = [side for row in rows if (side := [g for g in row if g.x1 <= x])]
    right = [side for row in rows if (side := [g for g in row if g.x0 >= x])]
    if min(len(left), len(right)) < 4:
        return False
    if sum(map(len, left)) < 10 * len(left) or sum(map(len, right)) < 8 * len(right):
        return False
    size = left[0][0].size
    tops = [[min(g.top for g in side) for side in half] for half in (left, right)]
    if min(max(t) for t in tops) - max(min(t) for t in tops) < 3 * size:
        return False
    ends = [max(g.x1 for g in side) for side in left]
    return sum(end > max(ends) - 2.5 * size for end in ends) * 5 >= 2 * len(ends)


def _apart(row: Sequence[Glyph], above: Sequence[Glyph]) -> bool:
    """Whether a row is set off from the one above it: another size, or a wide space between them."""
    size, other = max(g.size for g in row), max(g.size for g in above)
    distance = min(g.top for g in row) - min(g.top for g in above)
    return abs(size - other) > 0.1 * other or distance > 2.4 * other


def _segments(row: list[Glyph], spaces: Sequence[Glyph], gutter: float | None = None) -> list[Segment]:
    row.sort(key=lambda g: g.x0)
    size = max(g.size for g in row)
    top, bottom = min(g.top for g in row), max(g.bottom for g in row)
    middle = (top + bottom) / 2
    gaps = [g for g in spaces if g.top <= middle <= g.bottom] if len(spaces) < 4000 else []
    groups: list[list[tuple[Glyph, str]]] = []
    last: Glyph | None = None
    for glyph in row:
        if last is not None and glyph.text == last.text and abs(glyph.x0 - last.x0) < 0.2 * size:
            continue
        gap = glyph.x0 - last.x1 if last is not None else 0.0
        text = glyph.text.translate(_RAISED) if _is_raised(glyph, row, size) else glyph.text
        parted = gutter is not None and last is not None and last.x1 - 1 <= gutter <= glyph.x0 + 1
        wide = "\u2e80" <= glyph.text < "\uffef" and last is not None and "\u2e80" <= last.text < "\uffef"
        if last is None or parted or (gap > 1.6 * size and not _marker_only(groups[-1])):
            groups.append([(glyph, text)])
        elif gap > (0.6 if wide else 0.22) * size or any(
            last.x1 - 0.5 <= s.x0 <= glyph.x0 and s.x1 - s.x0 > 0.1 * size for s in gaps
        ):
            groups[-1] += [(last, " "), (glyph, text)]
        else:
            groups[-1].append((glyph, text))
        last = glyph
    found = []
    for group in groups:
        text = clean("".join(t for _, t in group))[0].replace("\ufffd", "")
        if text.strip():
            own = [g for g, t in group if t != " "]
            sizes = Counter(round(g.size * 2) / 2 for g in own)
            found.append(
                Segment(
                    " ".join(text.split()),
                    min(g.x0 for g in own),
                    min(g.top for g in own),
                    max(g.x1 for g in own),
                    max(g.bottom for g in own),
                    sizes.most_common(1)[0][0],
                    sum(g.bold for g in own) * 10 >= len(own) * 9,
                )
            )
    return found


def _is_raised(glyph: Glyph, row: Sequence[Glyph], size: float) -> bool:
    """Whether a small digit stands as a superscript."""
    if not glyph.text.isdigit() or glyph.size > 0.75 * size:
        return False
    base = max(row, key=lambda g: g.size)
    return glyph.bottom < base.bottom - 0.2 * base.size


def _marker_only(group: Sequence[tuple[Glyph, str]]) -> bool:
    """Whether a segment so far is only a list marker, whose text follows after a wide gap."""
    text = "".join(t for _, t in group).strip()
    return len(text) <= 4 and (markers.bullet(f"{text} 甲") is not None or markers.ordered(f"{text} 甲") is not None)


@dataclass(slots=True)
class Flow:
    """A paragraph being put together."""

    lines: list[TextLine] = field(default_factory=list)
    text: str = ""

    def add(self, line: TextLine) -> None:
        self.text = join_lines(self.text, line.text)
        self.lines.append(line)


def flows(lines: Sequence[TextLine], right: float, pitch: float) -> list[Flow]:
    """Paragraphs of lines in reading order; `right` is the edge of the column, `pitch` the usual distance of lines."""
    found: list[Flow] = []
    for line in lines:
        if found and _goes_on(found[-1], line, right, pitch):
            found[-1].add(line)
        else:
            flow = Flow()
            flow.add(line)
            found.append(flow)
    return found


def _goes_on(flow: Flow, line: TextLine, right: float, pitch: float) -> bool:
    """Whether `line` continues the paragraph."""
    last = flow.lines[-1]
    text = line.text
    if abs(last.size - line.size) > 0.15 * last.size or _begins(text):
        return False
    distance = line.top - last.top
    if distance > 1.45 * max(pitch, 1.15 * line.size) or distance < 0:
        return False
    if last.bold != line.bold and (last.bold or not markers.closed(flow.text)) and len(flow.lines) == 1 and last.bold:
        return False
    marked = _begins(flow.lines[0].text)
    if line.x0 - last.x0 > 1.3 * line.size and not marked:
        return len(flow.lines) == 1 and last.x1 > right - 1.5 * line.size and not markers.closed(last.text)
    word = re.match(r"[A-Za-z0-9.,%+\-/]+|.", text)
    width = (line.x1 - line.x0) * len(word[0] if word else "") / max(1, len(text))
    full = last.x1 + width + 0.6 * line.size > right
    if full:
        return True
    whole = right - min(flow.lines[0].x0, line.x0)
    return not re.search(r"[。！？!?；;：:]$", last.text) and last.x1 - last.x0 > 0.85 * whole


def _begins(text: str) -> bool:
    """Whether a line begins something of its own."""
    mark = markers.ordered(text)
    if mark is not None and mark.style in ("num", "alpha", "decimal") and re.match(r"\d+[.．]\d", text):
        return mark.style == "decimal"
    return bool(mark or markers.bullet(text) is not None or markers.question(text) or markers.answer(text) is not None)


def borderless(lines: Sequence[TextLine]) -> list[TextLine | Grid]:
    """`lines` with runs of aligned lines (three or more of several segments) made into tables."""
    found: list[TextLine | Grid] = []
    place = 0
    while place < len(lines):
        end = _aligned_until(lines, place)
        run = lines[place:end]
        if len([line for line in run if len(line.segments) > 1]) >= 3:
            found.append(_aligned_grid(run))
            place = end
        else:
            found.append(lines[place])
            place += 1
    return found


def _aligned_until(lines: Sequence[TextLine], place: int) -> int:
    """Place after the run of lines that share the columns of the line at `place`."""
    first = lines[place]
    if len(first.segments) < 2:
        return place + 1
    columns = [s.x0 for s in first.segments]
    end = place + 1
    while end < len(lines):
        line, last = lines[end], lines[end - 1]
        if line.top - last.bottom > 2.2 * last.size or abs(line.size - first.size) > 0.3 * first.size:
            break
        hits = [any(_same_column(s, first.segments[c], x) for c, x in enumerate(columns)) for s in line.segments]
        if not all(hits) or (_begins(line.text) and len(line.segments) == 1):
            break
        if (
            len(line.segments) == 1
            and line.x1 > columns[-1]
            and abs(line.x0 - columns[0]) < line.size
            and len(columns) > 1
        ):
            break
        end += 1
    while end > place + 1 and len(lines[end - 1].segments) == 1 and abs(lines[end - 1].x0 - columns[0]) < first.size:
        end -= 1
    return end


def _same_column(one: Segment, head: Segment, x: float) -> bool:
    """Whether a segment stands under a head: same left edge, same middle, or same right edge."""
    size = one.size
    middle = abs((one.x0 + one.x1) / 2 - (head.x0 + head.x1) / 2)
    return abs(one.x0 - x) < 1.2 * size or middle < 1.5 * size or abs(one.x1 - head.x1) < 1.2 * size


def _aligned_grid(lines: Sequence[TextLine]) -> Grid:
    heads = max(lines, key=lambda line: len(line.segments)).segments
    rows: list[list[str]] = []
    bold: list[bool] = []
    for line in lines:
        cells = [""] * len(heads)
        for s in line.segments:
            at = min(
                range(len(heads)),
                key=lambda c: min(abs(s.x0 - heads[c].x0), abs((s.x0 + s.x1 - heads[c].x0 - heads[c].x1) / 2)),
            )
            cells[at] = f"{cells[at]} {s.text}".strip()
        if rows and not cells[0] and len(line.segments) < len(heads):
            rows[-1] = [join_lines(a, b) for a, b in zip(rows[-1], cells, strict=True)]
        else:
            rows.append(cells)
            bold.append(line.bold)
    builder = Builder()
    heading = bold[0] and not all(bold)
    for r, row in enumerate(rows):
        for c, text in enumerate(row):
            if text:
                builder.place(r, c, text, header=heading and r == 0)
    return builder.grid()


def reading_order(lines: Sequence[TextLine], width: float) -> list[tuple[list[TextLine], float]]:
    """Groups of (lines, right edge): lines across the page, and where it is set in two, left before right column."""
    right = max((line.x1 for line in lines), default=width)
    groups: list[tuple[list[TextLine], float]] = []
    for gutter, part in groupby(lines, key=lambda line: line.gutter):
        run = list(part)
        if gutter is None:
            groups.append((run, right))
            continue
        for inside in (True, False):
            side = [
                replace(line, segments=mine)
                for line in run
                if (mine := tuple(s for s in line.segments if ((s.x0 + s.x1) / 2 < gutter) == inside))
            ]
            if side:
                groups.append((side, max(line.x1 for line in side)))
    return groups
