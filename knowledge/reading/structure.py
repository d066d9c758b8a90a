"""From lines and blocks as a format gives them to headings, lists, facts, questions and tables as they are meant."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from knowledge.reading import markers
from knowledge.reading.grid import Grid
from knowledge.reading.labels import is_note, unit_of
from knowledge.reading.numbering import Run, run_at
from knowledge.reading.sections import faq, joined, sectioned
from knowledge.reading.source import Block, Faq, Heading, Item, ListBlock, Pairs, Paragraph, TableBlock
from knowledge.reading.tables import table_blocks

Raw = Heading | Paragraph | ListBlock | Pairs | Grid | Faq
MAX_DEPTH = 8


@dataclass(frozen=True, slots=True)
class Line:
    """One line of running text. `gap`: a paragraph begins with it."""

    text: str
    bold: bool = False
    gap: bool = True


Element = Line | Block


def structured(raw: Sequence[Raw]) -> tuple[Block, ...]:
    """Blocks as they are meant, from blocks as a format's reader gives them, in order."""
    elements: list[Element] = []
    unit = ""
    for one in raw:
        if isinstance(one, Grid):
            lead = elements[-1] if elements and isinstance(elements[-1], Line) else None
            if lead is not None and _names_table(lead.text):
                elements.pop()
                one = replace(one, caption=" ".join(x for x in (lead.text, one.caption) if x))
            elements += table_blocks(one, unit=unit)
        elif isinstance(one, Paragraph):
            lines = [line for line in one.text.split("\n") if line.strip()]
            elements += [Line(text.strip(), one.bold, place == 0) for place, text in enumerate(lines)]
        else:
            elements.append(one)
        unit = unit_of(one.text) if isinstance(one, Paragraph) and len(one.text) < 30 else ""
    return tuple(joined(sectioned(_arranged(elements))))


def _names_table(text: str) -> bool:
    """Whether a line right above a table is its caption."""
    return len(text) <= 40 and bool(
        re.match(r"(?:附?表|Table)\s*[\d一二三四五六七八九十]", text)
        or re.search(r"(?:表|一览|明细|清单)(?:[（(][^）)]*[）)])?$", text)
        or (unit_of(text) and not re.search("[。；]", text))
    )


def _arranged(elements: Sequence[Element], depth: int = 0) -> list[Block]:
    """Blocks of `elements`: markers, runs of numbers, facts, questions and headings among the lines recognised."""
    found: list[Block] = []
    place = 0
    while place < len(elements):
        one = elements[place]
        if not isinstance(one, Line):
            found.append(one)
            place += 1
            continue
        blocks, place = _line_blocks(elements, place, one, depth, found)
        found += blocks
    return found


def _line_blocks(
    elements: Sequence[Element], place: int, line: Line, depth: int, before: list[Block]
) -> tuple[list[Block], int]:
    """(blocks that begin with the line at `place`, the place after them)."""
    asked = markers.question(line.text)
    if asked and depth < MAX_DEPTH and _is_faq(elements, place, asked):
        return _marked_question(elements, place, asked, depth)
    mark = markers.ordered(line.text)
    if mark is not None:
        run = run_at(elements, place)
        if run is not None and depth < MAX_DEPTH:
            return _run_blocks(elements, run, depth)
        single = _lone_number(elements, place, line, mark)
        if single:
            return [single], place + 1
    elif markers.bullet(line.text) is not None:
        return _bullets(elements, place)
    if mark is None:
        facts, end = _facts(elements, place)
        if facts:
            return [Pairs(facts)], end
        if _is_title(elements, place, line, first=not before and depth == 0):
            return [Heading(6, line.text, "bold" if line.bold else "plain")], place + 1
    if depth < MAX_DEPTH and line.gap and markers.asks(line.text) and _answered(elements, place, line):
        end = _end_of_answer(elements, place)
        answer = _arranged(elements[place + 1 : end], depth + 1)
        return faq(line.text, answer), end
    return _paragraph(elements, place, line)


def _is_faq(elements: Sequence[Element], place: int, asked: str) -> bool:
    """Whether a question marker is followed by an answer, not a label that happens to look like one."""
    if markers.asks(asked) or "？" in asked or "?" in asked:
        return True
    after = elements[place + 1] if place + 1 < len(elements) else None
    return isinstance(after, Line) and markers.answer(after.text) is not None


def _marked_question(elements: Sequence[Element], place: int, asked: str, depth: int) -> tuple[list[Block], int]:
    """问：… 答：… from `place` on, up to the next marked question, heading or title."""
    inline = re.match(r"(.+?[？?])\s*(?=(?:答|答案|A|回答|解答)\s*\d{0,2}\s*[：:])(.+)", asked)
    body: list[Element] = []
    if inline:
        asked = inline[1]
        body.append(Line(inline[2]))
    elif not markers.asks(asked):
        cut = re.match(r"([^？?]{2,80}[？?])\s*(\S.+)", asked)
        if cut:
            asked = cut[1]
            body.append(Line(cut[2]))
    end = place + 1
    while end < len(elements) and not _ends_answer(elements, end):
        body.append(elements[end])
        end += 1
    lines: list[Element] = []
    for one in body:
        reply = markers.answer(one.text) if isinstance(one, Line) else None
        if isinstance(one, Line) and reply is not None:
            if reply:
                lines.append(replace(one, text=reply, gap=True))
        else:
            lines.append(one)
    return faq(asked, _arranged(lines, depth + 1)), end


def _ends_answer(elements: Sequence[Element], place: int) -> bool:
    """Whether the element at `place` ends the answer to a marked question."""
    one = elements[place]
    if not isinstance(one, Line):
        return isinstance(one, (Heading, Faq))
    if markers.question(one.text) and _is_faq(elements, place, markers.question(one.text) or ""):
        return True
    mark = markers.ordered(one.text)
    if mark and one.gap and _opens_section(mark):
        return True
    if mark and markers.asks(mark.text):
        after = elements[place + 1] if place + 1 < len(elements) else None
        return isinstance(after, Line) and markers.answer(after.text) is not None
    return one.bold and one.gap and markers.short_title(one.text) and markers.bullet(one.text) is None and mark is None


def _opens_section(mark: markers.Marker) -> bool:
    """Whether a numbered line begins a section or an article, not an item."""
    return mark.style == "article" or (mark.style in ("chapter", "section", "cjk") and markers.short_title(mark.text))


def _run_blocks(elements: Sequence[Element], run: Run, depth: int) -> tuple[list[Block], int]:
    """Blocks of a run of numbered lines: questions, sections, articles or a list."""
    if run.kind == "list":
        items: list[Item] = []
        for number, head, body in run.parts:
            items.append(Item(head, 0, number))
            for one in body:
                items += _within_item(one)
        return [ListBlock(_levelled(items), True)], run.end
    found: list[Block] = []
    for _, head, body in run.parts:
        blocks = _arranged(body, depth + 1)
        if run.kind == "faq":
            found += faq(head, _without_answer_mark(blocks, body, depth))
        elif run.kind == "article":
            found += _article(head, blocks)
        else:
            title = bool(blocks) and len(head) <= 40 and not markers.closed(head) and not markers.fact(head)
            found += [Heading(6, head, run.style)] if title else [Heading(6, "", run.style), Paragraph(head)]
            found += blocks
    return found, run.end


def _without_answer_mark(blocks: list[Block], body: Sequence[Element], depth: int) -> list[Block]:
    """The answer's blocks, made anew without 答： when its first line has it."""
    first = body[0] if body else None
    reply = markers.answer(first.text) if isinstance(first, Line) else None
    if isinstance(first, Line) and reply is not None:
        rest = list(body[1:])
        return _arranged([replace(first, text=reply), *rest] if reply else rest, depth + 1)
    return blocks


def _article(head: str, blocks: list[Block]) -> list[Block]:
    """One numbered article: its text with its further paragraphs, or as introduction of the list it holds."""
    text = head
    rest = list(blocks)
    while rest and isinstance(rest[0], Paragraph):
        first = rest.pop(0)
        text += f"\n{first.text}" if isinstance(first, Paragraph) else ""
    if (
        rest
        and isinstance(rest[0], ListBlock)
        and not rest[0].intro
        and (markers.open_ended(text) or text[-1] not in "。！")
    ):
        return [replace(rest[0], intro=text), *rest[1:]]
    return [Heading(6, text, "article"), *rest] if rest and markers.short_title(text, 40) else [Paragraph(text), *rest]


def _within_item(one: Element) -> list[Item]:
    """What stands below a numbered line, as items one level deeper (depth −1: continues the text of the last item)."""
    if isinstance(one, Line):
        text = markers.bullet(one.text)
        mark = markers.ordered(one.text)
        if text is not None:
            return [Item(text, 1)]
        if mark is not None:
            return [Item(mark.text, 1, mark.number)]
        return [Item(one.text, -1)]
    if isinstance(one, ListBlock):
        intro = [Item(one.intro, -1)] if one.intro else []
        return intro + [replace(item, depth=item.depth + 1) for item in one.items]
    if isinstance(one, Pairs):
        return [Item(f"{key}：{value}", 1) for key, value in one.pairs]
    if isinstance(one, Paragraph):
        return [Item(one.text, -1)]
    return []


def _levelled(items: list[Item]) -> tuple[Item, ...]:
    """`items` with those that continue another joined to it."""
    found: list[Item] = []
    for item in items:
        if item.depth < 0 and found:
            last = found[-1]
            between = "" if re.search(r"[。！？；：，、]$", last.text) else " "
            found[-1] = replace(last, text=f"{last.text}{between}{item.text}")
        else:
            found.append(replace(item, depth=max(0, item.depth)))
    return tuple(found)


def _lone_number(elements: Sequence[Element], place: int, line: Line, mark: markers.Marker) -> Heading | None:
    """A single numbered line as a heading: short, unfinished, with something below it."""
    after = elements[place + 1] if place + 1 < len(elements) else None
    if after is None or isinstance(after, Heading) or mark.style in ("circled", "step", "numq", "alpha"):
        return None
    if markers.short_title(mark.text, 30) or (line.bold and len(mark.text) <= 40 and not markers.closed(mark.text)):
        return Heading(6, line.text, mark.style)
    return None


def _bullets(elements: Sequence[Element], place: int) -> tuple[list[Block], int]:
    """The bulleted lines from `place` on as one list, with the lines that continue an item."""
    items: list[Item] = []
    signs: list[str] = []
    while place < len(elements):
        one = elements[place]
        if not isinstance(one, Line):
            break
        text = markers.bullet(one.text)
        if text is None:
            unfinished = bool(items) and not markers.closed(items[-1].text) and len(items[-1].text) >= 20
            if one.gap or not unfinished or markers.ordered(one.text) or markers.fact(one.text):
                break
            items[-1] = replace(items[-1], text=f"{items[-1].text} {one.text}")
        else:
            sign = one.text[0]
            if sign in signs:
                signs = signs[: signs.index(sign) + 1]
            else:
                signs.append(sign)
            items.append(Item(text, len(signs) - 1))
        place += 1
    return [ListBlock(tuple(items))], place


def _facts(elements: Sequence[Element], place: int) -> tuple[tuple[tuple[str, str], ...], int]:
    """A run of lines that are label and value: at least two of a known kind, or three of any."""
    pairs: list[tuple[str, str]] = []
    end = place
    while end < len(elements):
        one = elements[end]
        pair = markers.fact(one.text) if isinstance(one, Line) else None
        if not isinstance(one, Line) or pair is None or is_note(one.text) or len(pair[1]) > 200:
            break
        if markers.ordered(one.text) or markers.bullet(one.text) is not None or pair[1].endswith(("：", ":")):
            break
        pairs.append(pair)
        end += 1
    known = sum(markers.is_fact_label(key) for key, _ in pairs)
    if (len(pairs) >= 2 and known * 2 >= len(pairs) and known >= 2) or (len(pairs) >= 3 and known):
        return tuple(pairs), end
    return (), place


def _is_title(elements: Sequence[Element], place: int, line: Line, *, first: bool) -> bool:
    """Whether an unmarked line is a heading: short, set off, with longer matter below it."""
    after = elements[place + 1] if place + 1 < len(elements) else None
    if after is None or isinstance(after, Heading) or not (line.gap or line.bold):
        return False
    bracketed = re.fullmatch(r"[【\[〖][^】\]〗]{2,30}[】\]〗]", line.text)
    if bracketed:
        return True
    if line.bold and not markers.closed(line.text) and len(line.text) <= 40:
        return not isinstance(after, Line) or not after.bold or first
    if line.bold and line.text.endswith(("：", ":")) and len(line.text) <= 20 and isinstance(after, Line):
        return not after.bold and len(after.text) > 30
    if not markers.short_title(line.text):
        return False
    if isinstance(after, Line):
        numbered = markers.ordered(after.text) or markers.bullet(after.text) is not None
        longer = len(after.text) > len(line.text) + 6 and (markers.closed(after.text) or len(after.text) > 40)
        return (
            bool(numbered or longer or markers.question(after.text) or (markers.fact(after.text) and after.gap))
            or first
        )
    return isinstance(after, (Pairs, TableBlock, ListBlock, Faq))


def _answered(elements: Sequence[Element], place: int, line: Line) -> bool:
    """Whether content that is no question itself follows a question that stands alone."""
    after = elements[place + 1] if place + 1 < len(elements) else None
    if after is None or isinstance(after, (Heading, Faq)):
        return False
    return not isinstance(after, Line) or not markers.asks(after.text)


def _end_of_answer(elements: Sequence[Element], place: int) -> int:
    """Where the answer to the unmarked question at `place` ends: at a heading, a title or another question."""
    end = place + 1
    while end < len(elements):
        one = elements[end]
        if isinstance(one, (Heading, Faq)):
            break
        if isinstance(one, Line) and end > place + 1:
            if (one.gap and markers.asks(one.text)) or markers.question(one.text):
                break
            mark = markers.ordered(one.text)
            if mark and _opens_section(mark):
                break
            if mark is None and markers.bullet(one.text) is None and _is_title(elements, end, one, first=False):
                break
        end += 1
    return end


def _paragraph(elements: Sequence[Element], place: int, line: Line) -> tuple[list[Block], int]:
    """The line at `place` with the plain lines of its paragraph."""
    texts = [line.text]
    end = place + 1
    while end < len(elements):
        one = elements[end]
        if not isinstance(one, Line) or one.gap or markers.ordered(one.text) or markers.bullet(one.text) is not None:
            break
        if markers.question(one.text) or markers.fact(one.text) or markers.asks(one.text):
            break
        texts.append(one.text)
        end += 1
    return [Paragraph("\n".join(texts), line.bold)], end
