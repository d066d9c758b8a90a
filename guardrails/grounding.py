"""Is every statement of an answer borne out by its passages (DESIGN invariant 3)?

Two questions are asked. Of every number with its unit, date, code, deadline and product name: does it stand in a
passage, in any equal notation, about the same product and the same thing? Of every sentence: are enough of its content
words in the passages? The first keeps figures right, the second keeps invented prose out.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import rjieba
import yaml

from assistant.turn import Finding, Passage
from guardrails.normalise import DATA, Normalised, plain
from guardrails.phrases import Place
from guardrails.products import Mention, ProductIndex
from guardrails.quantities import Quantity, quantities

CLAUSE = "本公司生成内容溯源要求：数字、日期、费率、代码与产品名称须见于所引用的审核材料 [M]"
PASSAGES_KEPT = 4096
_SENTENCE = re.compile(r"[。!?;；！？\n]+[”」』)]?")
_JOINED = re.compile(r"[\s》《\"”“）)(（a-z\d]{0,12}(?:和|与|、|及|以及|跟|,|vs)?[\s》《\"”“(（]{0,3}")
_WORD = re.compile(r"[\u4e00-\u9fffa-z]{2,}")


_COLUMN_UNIT = re.compile(r"[（(]\s*(?:单位[:：]?\s*)?([^（）()\d]{1,6})\s*[）)]$")
_BARE_NUMBER = re.compile(r"\d[\d,]*(?:\.\d+)?")


@dataclass(frozen=True, slots=True)
class _Settings:
    least_support: float
    least_words: int
    stopwords: frozenset[str]
    service: re.Pattern[str]
    free: re.Pattern[str]
    subjects: tuple[re.Pattern[str], ...]
    synonyms: Mapping[str, tuple[str, ...]]


@lru_cache(maxsize=1)
def settings() -> _Settings:
    """Thresholds and word lists of data/grounding.yaml."""
    raw: dict[str, Any] = yaml.safe_load((DATA / "grounding.yaml").read_text(encoding="utf-8"))

    def listed(words: Iterable[str]) -> re.Pattern[str]:
        return re.compile("|".join(re.escape(w) for w in sorted(words, key=len, reverse=True)))

    return _Settings(
        raw["least_support"],
        raw["least_words"],
        frozenset(raw["stopwords"]),
        re.compile("|".join(raw["service"])),
        listed(raw["free"]), tuple(listed(s) for s in raw["subjects"]),
        {w: tuple(o for o in group if o != w) for group in raw["synonyms"] for w in group},
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Fact:
    """What one quantity of a passage supports: its keys, said of `products` (codes, or none) and things."""

    keys: frozenset[str]
    products: frozenset[str]
    subjects: frozenset[int]


@dataclass(frozen=True, slots=True)
class _Evidence:
    """What passages can bear out: facts, codes of the products they speak of, words, and the text itself."""

    facts: tuple[_Fact, ...]
    products: frozenset[str]
    words: frozenset[str]
    text: str


def _passage_text(passage: Passage | str) -> str:
    """All of a passage that can bear a statement out: its path, question, table head and text."""
    if isinstance(passage, str):
        return passage
    cells = "\n".join(form for column, cell in passage.columns for form in _cell_forms(column, cell))
    head = "\n".join(h for h in (passage.title, *passage.heading, passage.table, passage.question) if h)
    return f"{head}\n{passage.text}\n{cells}"


def _cell_forms(column: str, cell: str) -> Iterator[str]:
    """The ways a table cell may be told: alone, after its column, with the unit its column names (费率（%）|0.6)."""
    yield cell
    yield f"{column}：{cell}"
    yield f"{column}{cell}"
    unit = _COLUMN_UNIT.search(column)
    if unit and _BARE_NUMBER.fullmatch(cell.strip()):
        yield f"{column[: unit.start()]}{cell.strip()}{unit[1]}"


def _record(passage: Passage | str) -> list[str]:
    """Facts of the passage's record: product code and grade, effective dates."""
    if isinstance(passage, str):
        return []
    p = passage.product
    told = [p.code, p.name, p.risk or "", p.term or "", p.min_amount or "", *p.aliases] if p else []
    return [*(t for t in told if t), *(d.isoformat() for d in (passage.effective_from, passage.effective_to) if d)]


def _spans(text: str) -> list[Place]:
    ends = [m.end() for m in _SENTENCE.finditer(text)]
    return [(s, e) for s, e in zip([0, *ends], [*ends, len(text)], strict=True) if text[s:e].strip()]


def _subjects(text: str) -> frozenset[int]:
    return frozenset(i for i, pattern in enumerate(settings().subjects) if pattern.search(text))


def _about(
    place: Place, sentence: Place, text: str, mentions: Sequence[Mention], last: frozenset[str]
) -> frozenset[str]:
    """Codes of the products a quantity is said of: nearest before it in the sentence, or first after, or `last`.

    Products named side by side ("A和B分别为…") all count.
    """
    inside = [m for m in mentions if sentence[0] <= m.place[0] and m.place[1] <= sentence[1]]
    before = [m for m in inside if m.place[1] <= place[0]]
    if not before:
        return frozenset(m.product.code for m in inside[:1]) or last
    codes = {before[-1].product.code}
    for left, right in zip(reversed(before[:-1]), reversed(before), strict=False):
        between = text[left.place[1] : right.place[0]]
        if left.place == right.place or _JOINED.fullmatch(between):
            codes.add(left.product.code)
        else:
            break
    return frozenset(codes)


@lru_cache(maxsize=PASSAGES_KEPT)
def _evidence(passage: Passage | str, index: ProductIndex) -> _Evidence:
    """One passage as evidence; the same passage comes with many answers and is read once."""
    facts, named, text = _facts(passage, index)
    return _Evidence(tuple(facts), named, frozenset(rjieba.cut_for_search(text)), text)


def _facts(passage: Passage | str, index: ProductIndex) -> tuple[list[_Fact], frozenset[str], str]:
    reading = plain(_passage_text(passage))
    text = reading.text
    mentions = index.mentions(reading)
    own = frozenset((passage.product.code,)) if isinstance(passage, Passage) and passage.product else frozenset()
    named = frozenset(m.product.code for m in mentions) | own
    subjects = _subjects(text)
    read = quantities(reading)
    facts: list[_Fact] = []
    last = own
    for sentence in _spans(text):
        for q in (q for q in read if sentence[0] <= q.place[0] and q.place[1] <= sentence[1]):
            things = _near_subjects(text, q.place, sentence) or subjects
            facts.append(_Fact(_with_value(q), _about(q.place, sentence, text, mentions, last), things))
        here = [m for m in mentions if sentence[0] <= m.place[0] < sentence[1]]
        last = frozenset((here[-1].product.code,)) if here and not own else last
    for told in _record(passage):
        for q in quantities(plain(told)):
            facts.append(_Fact(_with_value(q), own, frozenset(range(len(settings().subjects)))))
    if settings().free.search(text):
        zero = frozenset(("cny:0", "rate:0", "value:0"))
        facts.append(_Fact(zero, named if len(named) == 1 else frozenset(), subjects))
    return facts, named, text + "\n" + "\n".join(_record(passage)).lower()


def _with_value(quantity: Quantity) -> frozenset[str]:
    """Dates also support their parts: a full date supports month and day, year and month."""
    keys = set(quantity.keys)
    for key in quantity.keys:
        if key.startswith("date:ymd:"):
            y, m, d = key[9:].split("-")
            keys |= {f"date:md:{m}-{d}", f"date:ym:{y}-{m}", f"date:y:{y}"}
        elif key.startswith("date:ym:"):
            keys.add(f"date:y:{key[8:].split('-')[0]}")
    return frozenset(keys)


def gather(passages: Sequence[Passage | str], index: ProductIndex) -> _Evidence:
    """What the passages can bear out."""
    read = [_evidence(passage, index) for passage in passages]
    return _Evidence(
        tuple(f for e in read for f in e.facts),
        frozenset(code for e in read for code in e.products),
        frozenset(word for e in read for word in e.words),
        "\n".join(e.text for e in read),
    )


def _supported(quantity: Quantity, about: frozenset[str], subjects: frozenset[int], evidence: _Evidence) -> str | None:
    """None when the quantity is borne out, else what is wrong."""
    keys = quantity.keys
    strict = {k for k in keys if not k.startswith("value:")} or set(keys)
    same = [f for f in evidence.facts if f.keys & strict]
    if not same:
        return "没有出处"
    if about and len(evidence.products) > 1:
        same = [f for f in same if f.products & about or (not f.products and not evidence.products & about)]
        if not same:
            return "出自另一产品的材料"
    if subjects and not any(f.subjects & subjects for f in same):
        return "出处所说的不是同一事项"
    return None


def _allowed_spans(text: str, allowed: Collection[str]) -> list[Place]:
    spans: list[Place] = []
    for value in allowed:
        told = plain(value).text.strip()
        at = text.find(told) if told else -1
        while at >= 0:
            spans.append((at, at + len(told)))
            at = text.find(told, at + 1)
    return spans


def _number_findings(
    reading: Normalised,
    evidence: _Evidence,
    read: Sequence[Quantity],
    allowed: Collection[str],
    mentions: list[Mention],
) -> list[Finding]:
    text = reading.text
    free = _allowed_spans(text, allowed)
    keys = frozenset(k for a in allowed for q in quantities(plain(a)) for k in q.keys)
    found: list[Finding] = []
    last: frozenset[str] = frozenset()
    for sentence in _spans(text):
        for q in (q for q in read if sentence[0] <= q.place[0] and q.place[1] <= sentence[1]):
            inside_name = any(m.place[0] <= q.place[0] and q.place[1] <= m.place[1] for m in mentions)
            if inside_name or q.keys & keys or any(s <= q.place[0] and q.place[1] <= e for s, e in free):
                continue
            about = _about(q.place, sentence, text, mentions, last)
            wrong = _supported(q, about, _near_subjects(text, q.place, sentence), evidence)
            if wrong:
                shown = text[slice(*q.place)].strip()
                found.append(_finding(f"「{shown}」{wrong}", reading.span(*q.place)))
        here = [m for m in mentions if sentence[0] <= m.place[0] < sentence[1]]
        last = frozenset((here[-1].product.code,)) if here else last
    return found


def _near_subjects(text: str, place: Place, sentence: Place) -> frozenset[int]:
    """The thing named last before a quantity in its sentence (for at most 24 characters), if any."""
    window = text[max(sentence[0], place[0] - 24) : place[0]]
    best = (-1, -1)
    for i, pattern in enumerate(settings().subjects):
        for m in pattern.finditer(window):
            best = max(best, (m.end(), i))
    return frozenset((best[1],)) if best[0] >= 0 else frozenset()


def _finding(reason: str, span: tuple[int, int]) -> Finding:
    return Finding("ungrounded", "block", reason, CLAUSE, span)


def _name_findings(
    reading: Normalised, evidence: _Evidence, mentions: list[Mention], allowed: Collection[str]
) -> list[Finding]:
    said = " ".join(plain(a).text for a in allowed)
    found: list[Finding] = []
    by_place: dict[Place, list[Mention]] = {}
    for m in mentions:
        by_place.setdefault(m.place, []).append(m)
    for place, named in by_place.items():
        word = reading.text[slice(*place)]
        if word in said or any(m.product.code in evidence.products for m in named):
            continue
        found.append(_finding(f"所引材料没有提到「{word}」", named[0].span))
    return found


def support(sentence: str, evidence_words: frozenset[str], evidence_text: str) -> tuple[float, int]:
    """(share of content characters of `sentence` held by the evidence, number of its content words)."""
    stop = settings().stopwords
    words = [w for w in rjieba.cut(sentence) if _WORD.fullmatch(w) and w not in stop]
    total = held = 0.0
    for word in words:
        total += len(word)
        if any(w in evidence_words or w in evidence_text for w in (word, *settings().synonyms.get(word, ()))):
            held += len(word)
        elif len(word) > 2:
            pairs = [word[i : i + 2] for i in range(len(word) - 1)]
            held += len(word) * sum(p in evidence_text for p in pairs) / len(pairs)
        elif any(c in evidence_text for c in word):
            held += 0.5 * sum(c in evidence_text for c in word)
    return (held / total if total else 1.0), len(words)


def _sentence_findings(
    reading: Normalised,
    evidence: _Evidence,
    read: Sequence[Quantity],
    allowed: Collection[str],
    mentions: list[Mention],
) -> list[Finding]:
    limits = settings()
    more = " ".join(plain(a).text for a in allowed)
    words = evidence.words | frozenset(rjieba.cut_for_search(more)) if more else evidence.words
    text = evidence.text + "\n" + more
    checked = sorted([m.place for m in mentions] + [q.place for q in read])
    found: list[Finding] = []
    for start, end in _spans(reading.text):
        sentence = reading.text[start:end].strip()
        if limits.service.search(sentence) and len(sentence) < 60:
            continue
        bare = _without(reading.text, (start, end), checked)
        share, count = support(bare, words, text)
        if count >= limits.least_words and share < limits.least_support:
            left = start + len(reading.text[start:end]) - len(reading.text[start:end].lstrip())
            span = reading.span(left, left + len(sentence))
            found.append(_finding(f"这句话在所引材料中缺少依据（支持度 {share:.2f}）", span))
    return found


def _without(text: str, sentence: Place, places: Sequence[Place]) -> str:
    """The sentence without product names and quantities: they are checked on their own."""
    out, at = [], sentence[0]
    for start, end in places:
        if at <= start and end <= sentence[1]:
            out.append(text[at:start])
            at = end
    return " ".join([*out, text[at : sentence[1]]])


def unsupported(
    text: str,
    passages: Sequence[Passage | str],
    *,
    allowed: Collection[str] = (),
    products: ProductIndex | None = None,
) -> list[Finding]:
    """Statements of `text` that `passages` do not bear out, ordered by place; each is an `ungrounded` finding.

    `allowed`: values of the records (ticket, queue position, hotline, registration number) that count as evidence.
    `products`: all known products; without it only those of the passages are known. No passages: nothing is supported.
    """
    index = products or ProductIndex(p.product for p in passages if isinstance(p, Passage) and p.product)
    reading = plain(text)
    mentions = index.mentions(reading)
    evidence = gather(passages, index)
    read = quantities(reading)
    found = [
        *_number_findings(reading, evidence, read, allowed, mentions),
        *_name_findings(reading, evidence, mentions, allowed),
    ]
    stated = [f.span for f in found]
    for finding in _sentence_findings(reading, evidence, read, allowed, mentions):
        if not any(finding.span[0] <= s and e <= finding.span[1] for s, e in stated):
            found.append(finding)
    return sorted(found, key=lambda f: f.span)
