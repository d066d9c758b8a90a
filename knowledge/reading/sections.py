"""What belongs together among blocks: questions with answers, introductions with lists, remarks with tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from knowledge.reading import markers
from knowledge.reading.labels import is_note
from knowledge.reading.source import Block, Faq, Heading, Item, ListBlock, Pairs, Paragraph, TableBlock


def faq(asked: str, answer: Sequence[Block]) -> list[Block]:
    """A question with its answer; what cannot belong to an answer follows it."""
    inner: list[Paragraph | ListBlock | Pairs | TableBlock] = []
    rest: list[Block] = []
    for place, block in enumerate(answer):
        if isinstance(block, (Heading, Faq)):
            rest = list(answer[place:])
            break
        inner.append(block)
    if not inner:
        return [Paragraph(asked), *rest]
    return [Faq(asked, tuple(joined(inner))), *rest]  # type: ignore[arg-type]


def sectioned(blocks: Sequence[Block]) -> list[Block]:
    """`blocks` with headings that ask turned into questions, when plain matter follows them."""
    found: list[Block] = []
    place = 0
    while place < len(blocks):
        one = blocks[place]
        if not isinstance(one, Heading):
            found.append(one)
            place += 1
            continue
        mark = markers.ordered(one.text)
        asked = markers.question(one.text) or (mark.text if mark else one.text)
        end = place + 1
        while end < len(blocks) and not isinstance(blocks[end], (Heading, Faq)):
            end += 1
        below = blocks[end] if end < len(blocks) else None
        deeper = (isinstance(below, Heading) and _deeper(one, below)) or (isinstance(below, Faq) and end == place + 1)
        if markers.asks_as_heading(asked) and end > place + 1 and not deeper:
            body = [_bare_answer(b) if i == 0 else b for i, b in enumerate(blocks[place + 1 : end])]
            found += [Heading(one.level, "", one.style), *faq(asked, body)]
            place = end
        else:
            found.append(one)
            place += 1
    return found


def _bare_answer(block: Block) -> Block:
    """`block` without 答： at its beginning."""
    reply = markers.answer(block.text) if isinstance(block, Paragraph) else None
    return replace(block, text=reply) if isinstance(block, Paragraph) and reply else block


def _deeper(one: Heading, below: Heading) -> bool:
    if one.style or below.style:
        return one.style != below.style and bool(below.style)
    return below.level > one.level


def joined(blocks: Sequence[Block]) -> list[Block]:
    """`blocks` with lines that announce a list as its introduction, remarks joined to their table, facts to lists."""
    found: list[Block] = []
    for block in blocks:
        last = found[-1] if found else None
        if isinstance(block, ListBlock):
            if not block.intro and isinstance(last, Paragraph) and markers.open_ended(last.text):
                found.pop()
                block = replace(block, intro=last.text)
            found += _as_questions(block) or [_as_facts(block)]
        elif isinstance(block, Paragraph) and isinstance(last, (TableBlock, Pairs)) and is_note(block.text):
            found[-1] = replace(last, notes=(*last.notes, block.text))
        else:
            found.append(block)
    return found


def _as_facts(block: ListBlock) -> Block:
    """A flat bulleted list whose every item is a short known fact, as facts."""
    pairs = [markers.fact(item.text) for item in block.items]
    if block.ordered or len(pairs) < 3 or any(item.depth for item in block.items):
        return block
    known = [p for p in pairs if p and markers.is_fact_label(p[0]) and len(p[1]) <= 60]
    if len(known) * 5 < len(pairs) * 4 or not all(pairs):
        return block
    return Pairs(tuple(p for p in pairs if p), block.intro)


def _as_questions(block: ListBlock) -> list[Block]:
    """A list whose every outer item is a question with its answer, as questions; else []."""
    groups: list[list[Item]] = []
    for item in block.items:
        if item.depth == 0 or not groups:
            groups.append([])
        groups[-1].append(item)
    found: list[Block] = [Paragraph(block.intro)] if block.intro else []
    for head, *deeper in groups:
        first, _, rest = head.text.partition("\n")
        asked = markers.question(first) or first
        inline = markers.asked_inline(asked)
        if inline:
            asked, rest = inline[0], f"{inline[1]}\n{rest}".strip()
        if not markers.asks(asked) or not (rest or deeper):
            return []
        reply = markers.answer(rest) or rest
        below = (
            [ListBlock(tuple(replace(i, depth=i.depth - 1) for i in deeper), deeper[0].number is not None)]
            if deeper
            else []
        )
        found += faq(asked, [*([Paragraph(reply)] if reply else []), *below])
    return found
