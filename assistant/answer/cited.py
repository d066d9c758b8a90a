"""Reading what a model wrote: sentences with their citations, kept only if every one of them holds.

Rejected is whatever does not cite, cites what it was not given, says a number its source does not say, shares hardly a
word with its source, goes round in circles, refuses, runs too long or shows the workings of the prompt.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from assistant.answer.extractive import cite
from assistant.turn import Draft, Passage
from knowledge.retrieval.words import bigrams

Fault = Literal[
    "leaked", "not_found", "refused", "repetition", "too_long", "wrong_language", "uncited", "citation_range",
    "citation_form", "unsupported_number", "unsupported",
]  # fmt: skip

THOUGHT = re.compile(r"\A\s*<think>.*?</think>", re.DOTALL)
MARKUP = re.compile(r"\*\*|__|^#{1,6}[ \t]+|`+", re.MULTILINE)
BULLET = re.compile(r"^[ \t]*[*•·][ \t]+", re.MULTILINE)
TEMPLATE = re.compile(r"</?[a-z_]+(?:-[0-9a-f]+)?[^<>\n]{0,20}>|<\||\|>|</?think|\[/?INST\]", re.IGNORECASE)
NOT_FOUND = re.compile(r"not[_ ]found", re.IGNORECASE)
MARK = re.compile(r"[ \t]*\[[ \t]*(\d{1,4}(?:[ \t]*[,，、][ \t]*\d{1,4})*)[ \t]*\]")
OTHER_MARK = re.compile(r"\[[^\]\n]{0,30}\]?|[【［〔]\s*(?:资料|来源)?\s*\d{1,3}\s*[】］〕]")
ENDING = re.compile(r"[。！？!?…]+[”’」』）)\"']*|\.(?=\s|$)|\n")
NUMBERED = re.compile(r"^[ \t]*\d{1,2}[.)、．](?!\d)[ \t]*", re.MULTILINE)
WORD = re.compile(r"[\u3400-\u9fff]|[^\W_\u3400-\u9fff]+(?:[.,%'’-][^\W_\u3400-\u9fff]+)*")
HAN = re.compile(r"[\u3400-\u9fff]")
NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
PIECE = re.compile(r"[^。！？!?；;\n]*[。！？!?；;\n]+|[^。！？!?；;\n]+$")
LOOP = re.compile(r"(.{4,60}?)\1{2,}|(\S)\2{9,}", re.DOTALL)
QUOTE_LIMIT = 230
LEAST_SHARED = 0.2
SHORT = 6


class AnswerError(Exception):
    """What was written may not be used: the fault, and the words at fault for the log."""

    def __init__(self, fault: Fault, detail: str = "") -> None:
        super().__init__(f"{fault} {detail}".strip())
        self.fault: Fault = fault
        self.detail = detail[:200]


@dataclass(frozen=True, slots=True)
class Sentence:
    """One sentence of the body and the numbers of the passages it cites, from 1."""

    text: str
    cites: tuple[int, ...]


def read(
    raw: str, passages: Sequence[Passage], *, asked: str, token: str, limit: int, refusals: Sequence[str]
) -> Draft:
    """The draft in `raw`, whose citations number `passages` from 1. Raises AnswerError unless all of it holds.

    `asked` is the question, `token` the mark of the fences, `limit` the most words (a Chinese character is one word).
    """
    text = cleaned(raw)
    _refuse(text, token, refusals)
    if loops(text):
        raise AnswerError("repetition")
    body, marks = lifted(text, len(passages))
    words = len(WORD.findall(body))
    if words == 0:
        raise AnswerError("citation_form", "no words")
    if words > limit:
        raise AnswerError("too_long", f"{words}")
    if len(HAN.findall(asked)) > 1 and not HAN.search(body):
        raise AnswerError("wrong_language")
    sentences = cited_sentences(body, marks)
    for sentence in sentences:
        check_support(sentence, [passages[number - 1] for number in sentence.cites])
    order = list(dict.fromkeys(number for _, number in marks))
    citations = tuple(
        cite(passages[number - 1], quote(passages[number - 1], [s.text for s in sentences if number in s.cites]))
        for number in order
    )
    return Draft(
        body=body,
        citations=citations,
        marks=tuple((offset, order.index(number)) for offset, number in marks),
        evidence=tuple(passages[number - 1] for number in order),
    )


def cleaned(raw: str) -> str:
    """Plain text: without a thought spoken first, Markdown, hidden characters and needless white space."""
    text = THOUGHT.sub("", raw).replace("\r\n", "\n").replace("\t", " ")
    text = "".join(char for char in text if char == "\n" or unicodedata.category(char)[0] != "C")
    text = BULLET.sub("- ", MARKUP.sub("", text))
    return re.sub(r" *\n\s*", "\n", text).strip()


def loops(text: str) -> bool:
    """Whether a text goes round in circles: a phrase three times running, or the same sentence again."""
    if LOOP.search(text):
        return True
    said = Counter(re.sub(r"\W", "", MARK.sub("", piece)) for piece in ENDING.split(text))
    return any(times > 1 and len(piece) > SHORT for piece, times in said.items())


def lifted(text: str, count: int) -> tuple[str, tuple[tuple[int, int], ...]]:
    """The text without its citation marks, and where they stood: (offset, passage number).

    Raises AnswerError if one is out of 1..count, or if anything is left that looks like a mark.
    """
    body, last = "", 0
    marks: dict[tuple[int, int], None] = {}
    for match in MARK.finditer(text):
        body += text[last : match.start()]
        last = match.end()
        for number in map(int, re.findall(r"\d+", match[1])):
            if not 1 <= number <= count:
                raise AnswerError("citation_range", match[0])
            marks[(len(body), number)] = None
    body += text[last:]
    if left := OTHER_MARK.search(body):
        raise AnswerError("citation_form", left[0])
    return body, tuple(marks)


def cited_sentences(body: str, marks: Sequence[tuple[int, int]]) -> tuple[Sentence, ...]:
    """The sentences with what each cites; a line that ends in a colon belongs to what follows.

    Raises AnswerError if a sentence cites nothing or a mark belongs to no sentence.
    """
    found: list[Sentence] = []
    placed = 0
    for start, end in spans(body, {offset for offset, _ in marks}):
        cites = [number for offset, number in marks if start < offset <= end]
        placed += len(cites)
        if not cites:
            raise AnswerError("uncited", body[start:end])
        found.append(Sentence(body[start:end], tuple(dict.fromkeys(cites))))
    if not found or placed != len(marks):
        raise AnswerError("citation_form", body[:40])
    return tuple(found)


def spans(body: str, after_marks: set[int]) -> Iterator[tuple[int, int]]:
    """(start, end) of each sentence with words in it. `after_marks` are offsets where a full stop surely ends one."""
    numbering = [match.span() for match in NUMBERED.finditer(body)]
    start = 0
    ends = [match.span() for match in ENDING.finditer(body)]
    ends += [(offset - 1, offset) for offset in after_marks if body[offset - 1 : offset] == "."]
    for begin, end in [*sorted(set(ends)), (len(body), len(body))]:
        if any(left <= begin < right for left, right in numbering):
            continue
        newline = body[begin:end] == "\n"
        if newline and body[start:begin].rstrip().endswith(("：", ":")):
            continue
        stop = begin if newline else end
        if WORD.search(body[start:stop]):
            yield start, stop
            start = end
        elif newline:
            start = end


def check_support(sentence: Sentence, passages: Sequence[Passage]) -> None:
    """Raises AnswerError if a number of the sentence is not in what it cites, or if they hardly share a word.

    Shared words are compared in Chinese only: an English sentence about a Chinese passage shares none.
    """
    given = "\n".join(spoken(passage) for passage in passages)
    said = NUMBERED.sub("", sentence.text)
    if unknown := numbers(said) - numbers(given):
        raise AnswerError("unsupported_number", "、".join(sorted(unknown)))
    pairs = bigrams(said)
    if len(HAN.findall(said)) > SHORT and len(pairs & bigrams(given)) < LEAST_SHARED * len(pairs):
        raise AnswerError("unsupported", sentence.text)


def numbers(text: str) -> frozenset[str]:
    """The numbers of a text as they would be written plainly: 1,000.50 → 1000.5, ０9 → 9; codes keep their zeros."""
    return frozenset(_number(match) for match in NUMBER.findall(unicodedata.normalize("NFKC", text)))


def spoken(passage: Passage) -> str:
    """All that a passage says with the words around it: title, headings, question, table, product, text."""
    product = passage.product
    named = (product.name, product.code, *product.aliases) if product is not None else ()
    columns = [part for pair in passage.columns for part in pair]
    parts = (passage.title, *passage.heading, passage.question, passage.table, *named, *columns, passage.text)
    return "\n".join(parts)


def quote(passage: Passage, sentences: Sequence[str]) -> str:
    """The verbatim piece of the passage that the sentences rest on: whole sentences, one run, at most QUOTE_LIMIT."""
    if passage.form == "row" or len(passage.text) <= QUOTE_LIMIT // 2:
        return passage.text.strip()
    pieces = [match.span() for match in PIECE.finditer(passage.text) if match[0].strip()]
    if not pieces:
        return passage.text.strip()
    shares = [[_share(said, passage.text[start:end]) for start, end in pieces] for said in sentences]
    best = sorted({max(range(len(pieces)), key=lambda i: (row[i], -i)) for row in shares})
    run = passage.text[pieces[best[0]][0] : pieces[best[-1]][1]].strip()
    if len(run) <= QUOTE_LIMIT:
        return run
    start, end = pieces[max(best, key=lambda i: (max(row[i] for row in shares), -i))]
    return passage.text[start:end].strip()


def _share(said: str, piece: str) -> float:
    """How much of what was said stands in the piece: word pairs 0..1, and 0.3 for each shared number."""
    pairs = bigrams(said)
    return len(pairs & bigrams(piece)) / (len(pairs) or 1) + 0.3 * len(numbers(said) & numbers(piece))


def _refuse(text: str, token: str, refusals: Sequence[str]) -> None:
    folded = unicodedata.normalize("NFKC", text).lower().replace("’", "'")
    if token in folded or (found := TEMPLATE.search(text)):
        raise AnswerError("leaked", "" if token in folded else found[0] if found else "")
    if NOT_FOUND.search(folded):
        raise AnswerError("not_found")
    for phrase in refusals:
        if phrase in folded:
            raise AnswerError("refused", phrase)


def _number(digits: str) -> str:
    plain = re.sub(r",(?=\d{3}(?!\d))", "", digits)
    if plain.count(".") == 1 and "," not in plain:
        plain = plain.rstrip("0").rstrip(".")
    return plain[1:] if len(plain) == 2 and plain[0] == "0" else plain
