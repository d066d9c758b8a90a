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
    lines = text.split("\n")
    width = _wrapped_at(lines)
    blocks: list[Raw] = []
    group: list[str] = []
    place = 0
    while place < len(lines):
        line = lines[place].rstrip()
        below = lines[place + 1].strip() if place + 1 < len(lines) else ""
        rows = _drawn_table(lines, place)
        if rows:
            blocks += _paragraphs(group, width)
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
            blocks += _paragraphs(group, width)
            group = []
        else:
            marked = re.match(r"#{1,6}\s+(?=\S)", title)
            if marked:
                blocks += _paragraphs(group, width)
                group = []
                blocks.append(Heading(marked[0].count("#"), title[marked.end() :].strip("# ")))
            else:
                group.append(line)
        place += 1
    return blocks + _paragraphs(group, width)


def _paragraphs(lines: list[str], width: int) -> list[Raw]:
    """Paragraphs of lines that stand together: indentation begins one, a full line goes on in the next."""
    found: list[Raw] = []
    current = ""
    last = ""
    for line in lines:
        text = line.strip()
        fresh = bool(_INDENT.match(line)) and not _INDENT.match(last or line) or line.startswith("\u3000")
        if current and width and _columns(last) >= width * 0.86 and not markers.closed(last) and not _begins(text):
            current = current.rsplit("\n", 1)[0] + "\n" + join_lines(current.rsplit("\n", 1)[-1], text) if (
                "\n" in current
            ) else join_lines(current, text)
        elif current and width and _columns(last) >= width * 0.86 and not fresh and not _begins(text):
            current = join_lines(current, text)
        elif current and fresh:
            found.append(Paragraph(current))
            current = text
        else:
            current = f"{current}\n{text}" if current else text
        last = line
    if current:
        found.append(Paragraph(current))
    return found


def _begins(line: str) -> bool:
    """Whether `line` begins something of its own."""
    return bool(markers.ordered(line) or markers.bullet(line) is not None or markers.question(line) or markers.answer(line))


def _wrapped_at(lines: list[str]) -> int:
    """Display width at which the text is wrapped; 0 when its lines are whole paragraphs."""
    widths = sorted(_columns(line) for line in lines if line.strip())
    if len(widths) < 6:
        return 0
    longest = widths[-1]
    if not 40 <= longest <= 130:
        return 0
    full = [line for line in lines if _columns(line) >= longest * 0.86]
    open_lines = sum(not re.search(r"[。！？!?；;：:]$", line.strip()) for line in full)
    return longest if len(full) >= 3 and open_lines * 2 > len(full) else 0


def _columns(line: str) -> int:
    return sum(2 if unicodedata.east_asian_width(c) in "WFA" else 1 for c in line.rstrip())


def _table_height(lines: list[str], place: int) -> int:
    height = 0
    while place + height < len(lines) and _splits(lines[place + height]):
        height += 1
    return height


def _drawn_table(lines: list[str], place: int) -> list[list[str]]:
    """Rows of a table drawn with bars or set with tabs from `place` on; [] when there is none."""
    rows = [_cells(line) for line in lines[place : place + _table_height(lines, place)]]
    rows = [row for row in rows if row]
    widths = {len(row) for row in rows}
    return rows if len(rows) >= 2 and max(widths) >= 2 and len(widths) <= 2 else []


def _splits(line: str) -> bool:
    text = line.strip()
    return bool(text) and (
        text.count("|") >= 2 or text.count("│") >= 2 or text.count("┃") >= 2 or "\t" in text or bool(re.fullmatch(r"[-+=|:\s┌┐└┘├┤┬┴┼─━┏┓┗┛┣┫┳┻╋]{5,}", text) and re.search(r"[+┌├└┼┏┣┗|]", text))  # noqa: E501
    )


def _cells(line: str) -> list[str]:
    text = line.strip()
    if re.fullmatch(r"[-+=|:\s┌┐└┘├┤┬┴┼─━┏┓┗┛┣┫┳┻╋]+", text):
        return []
    if re.search(r"[|│┃]", text):
        return [cell.strip() for cell in re.split(r"[|│┃]", text.strip("|│┃"))]
    return [cell.strip() for cell in re.split(r"\t+", text)]
