"""The default answer: composed of approved sentences, so that it reads like an answer and invents nothing.

Every word of the body stands in a cited passage, its title, its headings or its table's column names.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from assistant.turn import Citation, Draft, Passage
from knowledge.library import head_text
from knowledge.records.materials import Materials
from knowledge.retrieval.features import NAMES as EVIDENCE
from knowledge.retrieval.query import Query, gives
from knowledge.retrieval.search import Found, Hit
from knowledge.retrieval.tiers import fit
from knowledge.retrieval.words import Words, bigrams, overlap, plain

SENTENCE = re.compile(r"[^。！？!?；;\n]*[。！？!?；;\n]+|[^。！？!?；;\n]+$")
GENERIC = re.compile(
    r"^(?:项目|事项|要素|内容|名称|类别|种类|序号|编号|栏目|要点|指标|条目|说明|分类|类型|品种|业务|业务类型|业务名称|标准|规则|规定|答案|结果|数值|说明内容|no\.?|item)$"
)
MARKED = re.compile(r"\s*(?:-|\d{1,2}[.、])\s")
YES_OR_NO = re.compile(r"(?:不|没|无|能|可以|可|会|是|否|有|要|需|行|还在|对|得)")
SUBJECTLESS = re.compile(r"^(?:其|该|此|上述|前述|这|它|但|不过|同时|此外|另外|如|若|其中|因此)")
NUMERIC = re.compile(r"[0-9０-９<>＜＞≤≥]")
BARE_NUMBER = re.compile(r"[0-9][0-9,]*(?:\.[0-9]+)?")
UNIT_IN_NAME = re.compile(
    r"[（(]\s*(?:单位[:：]?\s*)?(%|‰|元/[^（）()]{1,4}|(?:万|亿)?元|[天日年月股份手张次笔]|个月|交易日|工作日)\s*[）)]$"
)
EMPTY = frozenset({"-", "—", "——", "/", "－", "--"})
NAMED_SHARE = EVIDENCE.index("named_share")
LOOKED_AT = 10
EXTRAS = 2
REST_FLOOR = 0.06
OTHER_FLOOR = 0.05
NAMED_TOO = 0.45
ROW_NAMED = 0.5
REPEATED = 0.62
ASKED_ALIKE = 0.4
BARE_ANSWER = 24
TEXT_LIMIT = 230
LIST_LIMIT = 520
BODY_LIMIT = 620
ROWS_LIMIT = 10
SUPPORT = 0.45
FLOOR = 0.30


@dataclass(frozen=True, slots=True)
class Block:
    """One piece of an answer: what is said, the passage it comes from, and the verbatim words it rests on."""

    said: str
    passage: Passage
    quote: str


def compose(found: Sequence[Found], materials: Materials, words: Words) -> Draft:
    """One answer to each question found (usually one), sources marked; at least one hit is required."""
    blocks: list[Block] = []
    for one in found:
        for block in _blocks(one, materials, words):
            if all(block.passage.id != other.passage.id for other in blocks):
                blocks.append(block)
    return assemble(blocks)


def assemble(blocks: Sequence[Block]) -> Draft:
    """Join blocks into a draft with one citation per passage and a mark at the end of each block."""
    body, marks = "", []
    citations: dict[str, Citation] = {}
    for block in blocks:
        if block.passage.id not in citations:
            citations[block.passage.id] = cite(block.passage, block.quote)
        body += ("\n" if body else "") + block.said
        marks.append((len(body), list(citations).index(block.passage.id)))
    evidence = tuple({block.passage.id: block.passage for block in blocks}.values())
    return Draft(body=body, citations=tuple(citations.values()), marks=tuple(marks), evidence=evidence)


def cite(passage: Passage, quote: str) -> Citation:
    """The source of words taken verbatim from a passage."""
    return Citation(
        document=passage.document,
        version=passage.version,
        title=passage.title,
        effective_from=passage.effective_from,
        passage=passage.id,
        quote=quote,
    )


def _blocks(found: Found, materials: Materials, words: Words) -> list[Block]:
    chosen = _chosen(found, materials, words)
    shared = _subject(chosen)
    blocks: list[Block] = []
    size = 0
    for index, passage in enumerate(chosen):
        block = _say(passage, found.query, words, alone=len(chosen) == 1, first=index == 0)
        if blocks and size + len(block.said) > BODY_LIMIT:
            break
        if index == 0 and shared and plain(shared) not in plain(block.said):
            block = Block(
                f"{shared}\n{block.said}" if len(chosen) > 1 or MARKED.match(block.said) else f"{shared}{block.said}",
                block.passage,
                block.quote,
            )
        blocks.append(block)
        size += len(block.said)
    return blocks


def _chosen(found: Found, materials: Materials, words: Words) -> list[Passage]:
    """The best passage, the rows that belong with it, what supports it nearly as well, and what answers the rest of
    the question or the other product it names."""
    first, query = found.hits[0], found.query
    chosen = [first.passage]
    if first.passage.form == "row":
        chosen = _rows(first, query, materials, words)
    extra = 0
    for hit in found.hits[1:LOOKED_AT]:
        if extra >= EXTRAS or any(hit.passage.id == passage.id for passage in chosen):
            continue
        close = hit.probability >= max(FLOOR, SUPPORT * first.probability) and _belongs(hit, first)
        other = hit.probability >= OTHER_FLOOR and _other_named(hit, chosen, found.hits)
        rest = hit.probability >= REST_FLOOR and hit.passage.document == first.passage.document
        if (close or other or (rest and _adds(hit.passage, chosen, query, words))) and not _repeats(
            hit.passage, chosen
        ):
            chosen.append(hit.passage)
            extra += 1
    return chosen


def _belongs(hit: Hit, first: Hit) -> bool:
    """Support comes from the same document, or from another that is as probable and not another product's sheet."""
    if hit.passage.document == first.passage.document:
        return True
    other_product = hit.passage.product is not None or first.passage.product is not None
    return not other_product and hit.probability >= 0.8 * first.probability


def _same_topic(passage: Passage, first: Passage, query: Query, words: Words) -> bool:
    """Whether a passage is about every topic of the question that the best passage is about."""
    topics = [unit for unit in query.units if unit.sort == "topic" and unit.terms & _about(first, words)]
    return all(unit.terms & _about(passage, words) for unit in topics)


def _about(passage: Passage, words: Words) -> set[str]:
    return set(words.terms(f"{head_text(passage)}\n{passage.text}"))


def _other_named(hit: Hit, chosen: Sequence[Passage], hits: Sequence[Hit]) -> bool:
    """Whether a hit is the best one of another document that the question names as well: a comparison."""
    document = hit.passage.document
    if any(passage.document == document for passage in chosen) or hit.evidence[NAMED_SHARE] < NAMED_TOO:
        return False
    return next(other for other in hits if other.passage.document == document) is hit


def _adds(passage: Passage, chosen: Sequence[Passage], query: Query, words: Words) -> bool:
    """Whether a passage says something about a thing asked for that the chosen ones do not mention."""
    said = {term for other in chosen for term in words.terms(f"{other.question}\n{other.text}")}
    here = set(words.terms(f"{passage.question}\n{passage.text}"))
    return any(
        unit.concept and unit.terms & here and not unit.terms & said and unit.terms & words.attributes
        for unit in query.units
    )


def _rows(first: Hit, query: Query, materials: Materials, words: Words) -> list[Passage]:
    """The rows of the table that the question asks about: those it names, or all tiers when it names none."""
    around = materials.neighbours(first.key, ROWS_LIMIT, ROWS_LIMIT)
    table = [
        passage
        for passage in around.values()
        if passage.form == "row"
        and passage.table == first.passage.table
        and passage.heading == first.passage.heading
        and _columns(passage) == _columns(first.passage)
    ]
    asked = {row.id: _asked_of(row, query, words) for row in table}
    best = sum(asked[first.passage.id].values())
    kept = [row for row in table if sum(asked[row.id].values()) >= best]
    if len(kept) > ROWS_LIMIT or len(table) > 2 * ROWS_LIMIT:
        kept = [first.passage]
    if query.quantities:
        kept = [row for row in kept if fit(query.quantities, row.text) == 1] or kept
    if all(row.id != first.passage.id for row in kept):
        kept = [first.passage]
    covered = {text for row in kept for text in asked[row.id]}
    kept += [
        row
        for row in table
        if row not in kept and asked[row.id].keys() - covered and sum(asked[row.id].values()) >= ROW_NAMED
    ]
    return sorted(kept, key=lambda row: row.position)[:ROWS_LIMIT]


def _columns(passage: Passage) -> tuple[str, ...]:
    return tuple(name for name, _ in passage.columns)


def _asked_of(row: Passage, query: Query, words: Words) -> dict[str, float]:
    """The units of the question that stand in the cells of a row (its column names aside), with their weights.

    What names the document is left out, and so are bare numbers: 300 in a fund's name is no tier, and tiers have fit().
    """
    cells = set(words.terms(" ".join(cell for _, cell in row.columns) if len(row.columns) > 1 else row.text))
    product = row.product.name if row.product is not None else ""
    named = set(words.terms(f"{row.title}\n{product}"))
    pairs = zip(query.units, query.weights, strict=True)
    return {
        unit.text: weight
        for unit, weight in pairs
        if unit.terms & cells and not unit.terms & named and not unit.text.isdigit()
    }


def _repeats(passage: Passage, chosen: Sequence[Passage]) -> bool:
    """Whether most of a passage stands in a chosen one already, in nearly the same words."""
    pairs = bigrams(passage.text)
    return any(
        len(pairs & bigrams(other.text)) > REPEATED * min(len(pairs), len(bigrams(other.text))) for other in chosen
    )


def _subject(chosen: Sequence[Passage]) -> str:
    """What the answer is about, said first when all of it is about one product."""
    products = {passage.product.name for passage in chosen if passage.product is not None}
    if len(products) == 1 and all(passage.product is not None for passage in chosen):
        name = products.pop()
        return f"{name}："
    return ""


def _say(passage: Passage, query: Query, words: Words, *, alone: bool, first: bool) -> Block:
    if passage.form == "row":
        return Block(_say_row(passage, alone=alone), passage, passage.text)
    if passage.form in ("list", "steps"):
        said = _shorten_list(passage.text, query, words)
        return Block(said, passage, _verbatim(said, passage.text))
    said = _shorten(passage.text, query, words)
    asked = passage.question if passage.form == "faq" and (not first or _needs_question(said, passage, query)) else ""
    return Block(f"{asked}{said}" if asked.endswith(("？", "?")) or not asked else f"{asked}：{said}", passage, said)


def _needs_question(said: str, passage: Passage, query: Query) -> bool:
    """Whether an answer is only understood with the question it was written for: a yes or no, a few words, or an answer
    to something asked differently."""
    if len(said) < BARE_ANSWER or YES_OR_NO.match(said):
        return True
    return overlap(query.pairs, bigrams(passage.question)) < ASKED_ALIKE


def _say_row(passage: Passage, *, alone: bool) -> str:
    """A table row in words: its first cell names it, the others follow with their column and unit."""
    pairs = [(name, cell) for name, cell in passage.columns if cell and cell not in EMPTY]
    if not pairs:
        return passage.text
    if len(pairs) == 1:
        said = f"{pairs[0][0]}：{pairs[0][1]}" if pairs[0][0] else pairs[0][1]
    else:
        lead = (
            _say_cell(*pairs[0])
            if NUMERIC.match(pairs[0][1]) and not GENERIC.match(plain(pairs[0][0]))
            else pairs[0][1]
        )
        said = f"{lead}：" + "；".join(_say_cell(name, cell) for name, cell in pairs[1:])
    return said if alone else f"- {said}"


def _say_cell(name: str, cell: str) -> str:
    """A cell with its column; a unit in the column's name goes with the number: 费率（%）|0.6 → 费率0.6%."""
    if not name or GENERIC.match(plain(name)):
        return cell
    unit = UNIT_IN_NAME.search(name)
    if unit and BARE_NUMBER.fullmatch(cell):
        return f"{name[: unit.start()]}{cell}{unit[1]}"
    return f"{name}{cell}" if NUMERIC.match(cell) else f"{name}：{cell}"


def _sentences(text: str) -> list[str]:
    """The sentences of a text; joined they are the text again, so that a run of them is verbatim."""
    return [match[0] for match in SENTENCE.finditer(text)]


def _score(sentence: str, query: Query, words: Words) -> float:
    """How well one sentence answers: the units it holds, the kind of fact it gives, the tier it fits."""
    terms = set(words.terms(sentence))
    total = sum(query.weights) or 1.0
    held = sum(weight for unit, weight in zip(query.units, query.weights, strict=True) if unit.terms & terms) / total
    given = len(query.asks & gives(plain(sentence))) / (len(query.asks) or 1)
    return held + 0.4 * given + 0.5 * fit(query.quantities, sentence)


def _shorten(text: str, query: Query, words: Words) -> str:
    """A run of whole sentences around the one that answers best, at most TEXT_LIMIT characters."""
    if len(text) <= TEXT_LIMIT:
        return text.strip()
    sentences = _sentences(text)
    scores = [_score(sentence, query, words) for sentence in sentences]
    low = high = max(range(len(sentences)), key=lambda i: scores[i])
    size = len(sentences[low])
    if low > 0 and SUBJECTLESS.match(sentences[low].strip()) and size + len(sentences[low - 1]) <= TEXT_LIMIT:
        low -= 1
        size += len(sentences[low])
    while True:
        options = [i for i in (low - 1, high + 1) if 0 <= i < len(sentences)]
        options = [i for i in options if size + len(sentences[i]) <= TEXT_LIMIT]
        if not options:
            return "".join(sentences[low : high + 1]).strip()
        best = max(options, key=lambda i: (scores[i], i > high))
        size += len(sentences[best])
        low, high = min(low, best), max(high, best)


def _shorten_list(text: str, query: Query, words: Words) -> str:
    """The introduction and its items; when they are too long, the items that answer, in their order."""
    if len(text) <= LIST_LIMIT:
        return text.strip()
    lines = text.strip().split("\n")
    scores: Mapping[int, float] = {i: _score(line, query, words) for i, line in enumerate(lines)}
    kept, size = {0}, len(lines[0])
    for i in sorted(range(1, len(lines)), key=lambda i: -scores[i]):
        if size + len(lines[i]) <= LIST_LIMIT:
            kept.add(i)
            size += len(lines[i]) + 1
    return "\n".join(lines[i] for i in sorted(kept))


def _verbatim(said: str, text: str) -> str:
    """The words of `said` as one verbatim piece of `text`: all of it, or its first line when lines were left out."""
    return said if said in text else said.split("\n")[0]
