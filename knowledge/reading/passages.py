"""Cuts a source into passages: small, whole, each one fact, never in the middle of a sentence."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from assistant.turn import Form, Passage
from knowledge.reading.labels import marked, unit_of
from knowledge.reading.markers import ordered
from knowledge.reading.sentences import clauses, pieces, tokens
from knowledge.reading.source import Block, Faq, Heading, ListBlock, Pairs, Paragraph, Source, TableBlock

MERGE_TOKENS = 120
TEXT_TOKENS = 220
LIST_TOKENS = 250
ROW_TOKENS = 300
_STYLED = 10


@dataclass(frozen=True, slots=True)
class Piece:
    """A passage before it gets its number and the document's particulars."""

    form: Form
    text: str
    heading: tuple[str, ...] = ()
    question: str = ""
    table: str = ""
    columns: tuple[tuple[str, str], ...] = ()


def cut(source: Source, *, revision: str) -> list[Passage]:
    """Passages of `source` in document order; ids are `document@version#position-hash of the content`."""
    meta = source.meta
    return [
        Passage(
            id=f"{meta.id}@{meta.version}#{place:03d}-{_hash(piece)}",
            document=meta.id,
            version=meta.version,
            revision=revision,
            title=meta.title,
            kind=meta.kind,
            audience=meta.audience,
            form=piece.form,
            text=piece.text,
            position=place,
            heading=piece.heading,
            question=piece.question,
            table=piece.table,
            columns=piece.columns,
            tokens=tokens(" ".join(x for x in (piece.question, piece.text) if x)),
            effective_from=meta.effective_from,
            effective_to=meta.effective_to,
            product=meta.product,
            aliases=meta.aliases,
        )
        for place, piece in enumerate(_pieces(source.blocks, meta.title))
    ]


def _hash(piece: Piece) -> str:
    parts = (piece.form, "/".join(piece.heading), piece.question, piece.table, piece.text)
    return hashlib.sha256("\x1f".join(parts).encode()).hexdigest()[:8]


def _pieces(blocks: Sequence[Block], title: str) -> Iterator[Piece]:
    """Pieces in order; a table that neither caption nor heading names takes the document's title."""
    for piece in _untitled(blocks, title):
        yield replace(piece, table=title) if piece.form == "row" and not piece.table else piece


def _untitled(blocks: Sequence[Block], title: str) -> Iterator[Piece]:
    path: list[tuple[int, str, str]] = []
    waiting: list[Paragraph] = []
    bare: list[str] = []
    for block in blocks:
        if isinstance(block, Paragraph) and not bare:
            waiting.append(block)
            continue
        heading = tuple(text for *_, text in path if text and not _same(text, title))
        yield from _paragraphs(waiting, heading)
        waiting = []
        if isinstance(block, Heading):
            if bare and not _below(block, path):
                yield Piece("text", bare[-1], tuple(h for h in heading if h != bare[-1]))
            path = _path(path, block)
            bare = [block.text] if block.text and not _same(block.text, title) else []
            continue
        bare = []
        if isinstance(block, Paragraph):
            waiting.append(block)
        else:
            yield from _block(block, heading)
    heading = tuple(text for *_, text in path if text and not _same(text, title))
    yield from _paragraphs(waiting, heading)
    if bare:
        yield Piece("text", bare[-1], tuple(h for h in heading if h != bare[-1]))


def _same(one: str, other: str) -> bool:
    return "".join(one.split()) == "".join(other.split())


def _path(path: list[tuple[int, str, str]], one: Heading) -> list[tuple[int, str, str]]:
    """The headings above what follows `one`. Recognised styles nest in order of appearance, below real headings."""
    if one.style:
        styles = [style for _, style, _ in path]
        kept = path[: styles.index(one.style)] if one.style in styles else path
        return [*kept, (_STYLED, one.style, one.text)]
    return [*(entry for entry in path if not entry[1] and entry[0] < one.level), (one.level, "", one.text)]


def _below(block: Heading, path: list[tuple[int, str, str]]) -> bool:
    """Whether `block` is a heading under the last one of `path`, so that this one is not lost."""
    return bool(path) and path[-1] in _path(path, block)[:-1]


def _block(block: Block, heading: tuple[str, ...]) -> Iterator[Piece]:
    if isinstance(block, ListBlock):
        form: Form = "steps" if block.ordered else "list"
        for text in list_texts(block):
            yield Piece(form, text, heading)
    elif isinstance(block, Pairs):
        yield from _pair_pieces(block, heading)
    elif isinstance(block, TableBlock):
        yield from _row_pieces(block, heading)
    elif isinstance(block, Faq):
        yield from _faq_pieces(block, heading)


def _paragraphs(waiting: Sequence[Paragraph], heading: tuple[str, ...]) -> Iterator[Piece]:
    """Neighbouring short paragraphs together up to MERGE_TOKENS, a long one cut at sentence ends."""
    batch: list[str] = []
    size = 0
    for paragraph in waiting:
        count = tokens(paragraph.text)
        alone = _clause(paragraph.text) or (batch and _clause(batch[-1]))
        if batch and (alone or size + count > MERGE_TOKENS):
            yield Piece("text", "\n".join(batch), heading)
            batch, size = [], 0
        if count > TEXT_TOKENS:
            for text in split_text(paragraph.text, TEXT_TOKENS):
                yield Piece("text", text, heading)
        else:
            batch.append(paragraph.text)
            size += count
    if batch:
        yield Piece("text", "\n".join(batch), heading)


def _clause(text: str) -> bool:
    """Whether a paragraph is an article or a numbered clause (第三条, 2.3.1), which stands alone."""
    mark = ordered(text)
    return mark is not None and mark.style in ("article", "decimal")


def split_text(text: str, limit: int) -> list[str]:
    """`text` in parts of at most `limit` tokens, cut at sentence ends (a longer sentence at semicolons, commas)."""
    units: list[str] = []
    for sentence in pieces(text):
        units += _within(sentence, limit)
    parts: list[str] = []
    size = 0
    for unit in units:
        count = tokens(unit)
        if parts and size + count <= limit:
            parts[-1] += unit
            size += count
        else:
            parts.append(unit)
            size = count
    if len(parts) > 1 and tokens(parts[-1]) * 6 < limit:
        parts[-2:] = ["".join(parts[-2:])]
    return [part.strip() for part in parts if part.strip()]


def _within(sentence: str, limit: int) -> list[str]:
    """`sentence`, or its clauses when it is twice too long for a passage."""
    if tokens(sentence) <= 2 * limit:
        return [sentence]
    found: list[str] = []
    for clause in clauses(sentence):
        if tokens(clause) > 2 * limit and len(clause) < len(sentence):
            found += _within(clause, limit)
        elif tokens(clause) > 2 * limit:
            found += [clause[i : i + limit] for i in range(0, len(clause), limit)]
        else:
            found.append(clause)
    return found


def list_texts(block: ListBlock, limit: int = LIST_TOKENS) -> list[str]:
    """The list as text, introduction first; a longer one in parts between items, each with the introduction."""
    groups: list[list[str]] = []
    for item, line in zip(block.items, _lines(block), strict=True):
        if item.depth == 0 or not groups:
            groups.append([line])
        else:
            groups[-1].append(line)
    intro = block.intro
    if tokens(intro) > limit // 2:
        parts = split_text(intro, TEXT_TOKENS)
        last = parts[-1] if tokens(parts[-1]) < limit // 2 else parts[-1].split("\n")[-1]
        return [intro, *list_texts(replace(block, intro=last if tokens(last) < limit // 2 else ""), limit)]
    first = tokens(intro)
    texts: list[list[str]] = []
    size = 0
    for group in (part for whole in groups for part in _small(whole, limit)):
        count = tokens("\n".join(group))
        if not texts or size + count > limit:
            texts.append([intro] if intro else [])
            size = first
        texts[-1] += group
        size += count
    return ["\n".join(lines) for lines in texts]


def _small(group: list[str], limit: int) -> list[list[str]]:
    """An item with what stands below it; a very long one with its parts apart, its first line before each."""
    if tokens("\n".join(group)) <= limit * 3 // 2 or len(group) == 1:
        return [group]
    head, *rest = group
    found: list[list[str]] = [[head]]
    for line in rest:
        if tokens("\n".join([*found[-1], line])) > limit:
            found.append([head, line] if tokens(head) < limit // 2 else [line])
        else:
            found[-1].append(line)
    return found


def _lines(block: ListBlock) -> Iterator[str]:
    """One line for each item: indented by depth, "- " or its number before it."""
    counts: dict[int, int] = {}
    for item in block.items:
        for deeper in [d for d in counts if d > item.depth]:
            del counts[deeper]
        counts[item.depth] = item.number if item.number is not None else counts.get(item.depth, 0) + 1
        numbered = block.ordered if item.depth == 0 else item.number is not None
        sign = f"{counts[item.depth]}. " if numbered else "- "
        yield "  " * item.depth + sign + item.text.replace("\n", " ")


def _pair_pieces(block: Pairs, heading: tuple[str, ...]) -> Iterator[Piece]:
    table = _table_name(block.caption, heading)
    for key, value in block.pairs:
        if not (key or value):
            continue
        note = _marked_notes(f"{key} {value}", block.notes)
        for part in split_text(value, ROW_TOKENS) or [""]:
            text = f"{key}：{part}" if key and part else key or part
            yield Piece("row", text + note, heading, table=table, columns=((key, part),))
    yield from _note_pieces(block, heading)


def _row_pieces(block: TableBlock, heading: tuple[str, ...]) -> Iterator[Piece]:
    table = _table_name(block.caption, heading)
    for row in block.rows:
        pairs = [(name, cell) for name, cell in zip(block.columns, row, strict=True) if cell]
        note = _marked_notes(" ".join(row), block.notes)
        for part in _row_parts(pairs):
            yield Piece("row", row_text(part) + note, heading, table=table, columns=tuple(part))
    yield from _note_pieces(block, heading)


def row_text(pairs: Sequence[tuple[str, str]]) -> str:
    """A row in words: "column：cell；column：cell"; a cell without a column name stands alone."""
    return "；".join(f"{name}：{cell.rstrip('；')}" if name else cell.rstrip("；") for name, cell in pairs)


def _table_name(caption: str, heading: tuple[str, ...]) -> str:
    """What a table is called: its caption, and the heading above it when the caption is missing or only a unit."""
    last = heading[-1] if heading else ""
    return f"{last} {caption}".strip() if unit_of(caption) and len(caption) < 12 else caption or last


def _row_parts(pairs: list[tuple[str, str]]) -> Iterator[list[tuple[str, str]]]:
    """`pairs` whole, or for a very long row in parts that each begin with the cell that names the row."""
    if not pairs:
        return
    if tokens(row_text(pairs)) <= ROW_TOKENS:
        yield pairs
        return
    first = pairs[0]
    if tokens(row_text([first])) > ROW_TOKENS // 3:
        first, rest = ("", ""), pairs
    else:
        rest = pairs[1:]
    lead = [first] if first[1] else []
    part = list(lead)
    for name, cell in rest:
        for text in split_text(cell, ROW_TOKENS):
            if len(part) > len(lead) and tokens(row_text([*part, (name, text)])) > ROW_TOKENS:
                yield part
                part = list(lead)
            part.append((name, text))
    if len(part) > len(lead):
        yield part


def _marked_notes(text: str, notes: Sequence[str]) -> str:
    """Remarks below the table that a mark in `text` points to, each on a line of its own."""
    return "".join(f"\n{note}" for note in marked(text, notes))


def _note_pieces(block: Pairs | TableBlock, heading: tuple[str, ...]) -> Iterator[Piece]:
    table = _table_name(block.caption, heading)
    rows = block.pairs if isinstance(block, Pairs) else block.rows
    taken = "".join(_marked_notes(" ".join(row), block.notes) for row in rows)
    for note in block.notes:
        if f"\n{note}" in taken:
            continue
        for part in split_text(note, TEXT_TOKENS):
            yield Piece("text", part, heading, table=table)


def _faq_pieces(block: Faq, heading: tuple[str, ...]) -> Iterator[Piece]:
    """The answer under its question: as one passage when short, else in parts; rows of tables one by one."""
    texts: list[str] = []

    def flush() -> Iterator[Piece]:
        for text in _packed(texts, LIST_TOKENS):
            yield Piece("faq", text, heading, question=block.question)
        texts.clear()

    for part in block.answer:
        if isinstance(part, Paragraph):
            texts += split_text(part.text, TEXT_TOKENS) if tokens(part.text) > TEXT_TOKENS else [part.text]
        elif isinstance(part, ListBlock):
            texts += list_texts(part)
        else:
            yield from flush()
            inner = _pair_pieces(part, heading) if isinstance(part, Pairs) else _row_pieces(part, heading)
            for piece in inner:
                yield replace(piece, heading=(*heading, block.question))
    yield from flush()


def _packed(texts: Sequence[str], limit: int) -> list[str]:
    """Neighbouring `texts` joined by line breaks as long as they stay within `limit` tokens."""
    found: list[str] = []
    for text in texts:
        if found and tokens(found[-1]) + tokens(text) <= limit:
            found[-1] += f"\n{text}"
        else:
            found.append(text)
    return found
