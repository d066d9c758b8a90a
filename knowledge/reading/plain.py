"""Plain text to blocks: paragraphs by blank lines, wrapped lines joined, underlined headings, drawn tables."""

from __future__ import annotations

import re
import unicodedata

from knowledge.reading import markers
from knowledge.reading.characters import join_lines
from knowledge.reading.grid import Builder
from knowledge.reading.source import Heading, Paragraph
from knowledge.reading.structure import Raw

_RULE = re.compile(r"[=\-_*~—─━·.#]{4,}")
_INDENT = re.compile("^(?:[\u3000]{1,4}|[ ]{2,}|\t)")


def text_blocks(text: str) -> list[Raw]:
    """Blocks of plain text."""
    lines = re.sub(r"[ \t\u3000]{9,}", " " * 8, text).split("\n")
    blocks: list[Raw] = []
    group: list[str] = []
    place = 0
    while place < len(lines):
        line = lines[place].rstrip()
        below = lines[place + 1].strip() if place + 1 < len(lines) else ""
        rows = _drawn_table(lines, place)
        if rows:
            blocks += _paragraphs(group)
            group = []
            builder = Builder()
            for r, row in enumerate(rows):
                for c, cell in enumerate(row):
                    builder.place(r, c, cell)
            blocks.append(builder.grid())
            place += _table_height(lines, place)
            continue
        title = line.strip()
        underlined = re.fullmatch(r"=={2,}|-{3,}|—{3,}", below) and not group and markers.short_title(title, 40)
        if underlined:
            blocks.append(Heading(1 if below[0] == "=" else 2, title))
            place += 2
            continue
        if not title or _RULE.fullmatch(title):
            blocks += _paragraphs(group)
            group = []
        else:
            marked = re.match(r"#{1,6}\s+(?=\S)", title)
            if marked:
                blocks += _paragraphs(group)
                group = []
                blocks.append(Heading(marked[0].count("#"), title[marked.end() :].strip("# ")))
            else:
                group.append(line)
        place += 1
    return blocks + _paragraphs(group)


def _paragraphs(lines: list[str]) -> list[Raw]:
    """Paragraphs of lines that stand together: indentation begins one, a full line goes on in the next."""
    found: list[Raw] = []
    current: list[str] = []
    width = _wrapped_at(lines)
    last = ""
    for line in lines:
        text = line.strip()
        fresh = (bool(_INDENT.match(line)) and not _INDENT.match(last or line)) or line.startswith("\u3000")
        full = width and _columns(last) >= width - 5 and not re.search(r"[。！？!?；;：:]$", last)
        if current and full and not fresh and not _begins(text) and not _alike(text, last.strip()):
            current[-1] = join_lines(current[-1], text)
        elif current and fresh:
            found.append(Paragraph("\n".join(current)))
            current = [text]
        else:
            current.append(text)
        last = line.rstrip()
    if current:
        found.append(Paragraph("\n".join(current)))
    return found


def _alike(one: str, other: str) -> bool:
    """Whether two lines are entries of one kind: they begin alike, or hold the same number of columns set by spaces."""
    return one[:2] == other[:2] or one.count(" ") == other.count(" ") >= 2


def _begins(line: str) -> bool:
    """Whether `line` begins something of its own."""
    marked = markers.ordered(line) or markers.bullet(line) is not None or markers.question(line) or markers.fact(line)
    return bool(marked) or markers.answer(line) is not None


def _wrapped_at(lines: list[str]) -> int:
    """Display width at which these lines are wrapped; 0 when they are whole paragraphs."""
    widths = sorted((_columns(line) for line in lines), reverse=True)
    if len(widths) < 2 or not 36 <= widths[0] <= 130:
        return 0
    near = sum(width >= widths[0] - 5 for width in widths)
    return widths[0] if near >= 2 or (widths[0] >= 64 and len(widths) == 2) else 0


def _columns(line: str) -> int:
    return sum(2 if unicodedata.east_asian_width(c) in "WFA" else 1 for c in line.rstrip())


def _table_height(lines: list[str], place: int) -> int:
    """Number of lines from `place` on that are divided the same way."""
    height = 0
    while place + height < len(lines) and _split(lines[place + height]) is not None:
        height += 1
    return height


def _drawn_table(lines: list[str], place: int) -> list[list[str]]:
    """Rows of a table drawn with bars, set with tabs or aligned with spaces from `place` on; [] when there is none."""
    rows = [_split(line) or [] for line in lines[place : place + _table_height(lines, place)]]
    rows = [row for row in rows if row]
    widths = {len(row) for row in rows}
    if len(rows) < 2 or max(widths) < 2 or len(widths) > 2:
        return []
    spaced = not re.search(r"[|│┃\t]", lines[place])
    if spaced and (len(widths) > 1 or any(len(cell) > 30 for row in rows for cell in row)):
        return []
    return rows


def _split(line: str) -> list[str] | None:
    """Cells of a line of a drawn table; [] for a rule; None when it is none."""
    text = line.strip()
    if len(text) >= 5 and re.fullmatch(r"[-+=|:\s┌┐└┘├┤┬┴┼─━┏┓┗┛┣┫┳┻╋│┃]+", text) and re.search(r"[+┌└├┼┏┗┣|]", text):
        return []
    if text.count("|") >= 2 or text.count("│") >= 2 or text.count("┃") >= 2:
        return [cell.strip() for cell in re.split(r"[|│┃]", text.strip("|│┃"))]
    if "\t" in text:
        return [cell.strip() for cell in re.split(r"\t+", text)]
    cells = re.split(r"[ \u3000]{2,}", text)
    if len(cells) > 1 and not _begins(text) and not re.search(r"[。；]$", text):
        return [cell.strip() for cell in cells]
    return None
