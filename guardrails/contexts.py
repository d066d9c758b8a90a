"""When words that would be a violation are none: denied, warned of, quoted, asked, taught, or written in a law.

All words come from the policy pack (section `contexts`); this module knows only how far each kind reaches.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from guardrails.phrases import Lexicon, Place, Scan

_CLAUSE_END = re.compile(r"[,:，：—]")
_ITEM = re.compile(r"\s*(?:[(（]?[一二三四五六七八九十\d]{1,3}[)）.、．]|[-•·*])")
_ARTICLE = re.compile(r"第[零一二三四五六七八九十百千\d]+条")
_OPEN, _CLOSE = '“「『《"‘', '”」』》"’'

ALL = ("negation", "rejection", "warning", "quotation", "question", "education", "statute")


@dataclass(frozen=True, slots=True)
class Contexts:
    """Symbols of the context words, see `contexts` of a pack for what each list holds."""

    near: int
    far: int
    clause: int
    pseudo: int
    stop: int
    own: int
    rejection: int
    warning: int
    meeting: int
    alarm: int
    quoted: int
    asked: int
    asked_end: int
    lure: int
    taught: int
    formal: int
    person: int
    prohibition: int
    near_reach: int
    rejection_reach: int


def compile_contexts(raw: Mapping[str, Sequence[str] | int], lexicon: Lexicon) -> Contexts:
    """Contexts from the pack's data; a missing list is an empty one, an unknown key an error."""
    reach = {k: int(str(raw.get(k, d))) for k, d in (("near_reach", 2), ("rejection_reach", 24))}
    names = [f for f in Contexts.__dataclass_fields__ if f not in reach]
    unknown = set(raw) - set(names) - set(reach)
    if unknown:
        raise ValueError(f"unknown context lists: {sorted(unknown)}")
    symbols: dict[str, int] = {}
    for name in names:
        words = raw.get(name, ())
        assert not isinstance(words, int)
        symbols[name] = lexicon.words([f"{w}" for w in words] or [f"\u0001{name}"])
    return Contexts(**symbols, **reach)


def excuse(contexts: Contexts, scan: Scan, place: Place, kinds: Sequence[str] = ALL) -> str | None:
    """The name of the context that makes the words at `place` lawful, or None."""
    index = scan.sentence_of(place[0])
    sentence = scan.sentences[index]
    for kind in kinds:
        if _CHECKS[kind](contexts, scan, place, sentence, index):
            return kind
    return None


def denied_inside(contexts: Contexts, scan: Scan, parts: Sequence[Place]) -> bool:
    """A negator stands in a gap between the parts of a match: 我们|不会|代您|操作."""
    for (_, left), (right, _) in pairwise(parts):
        for symbol in (contexts.far, contexts.clause, contexts.near) if right > left else ():
            if _real(contexts, scan, scan.within(symbol, left, right), max(0, left - 4), right + 6):
                return True
    return False


def _clear(scan: Scan, symbol: int, start: int, end: int) -> bool:
    return not scan.has(symbol, start, end)


def _real(contexts: Contexts, scan: Scan, hits: Sequence[Place], left: int, right: int) -> list[Place]:
    """Negators that are not part of a longer word that only looks like one (不但, 不用担心)."""
    pseudo = scan.within(contexts.pseudo, left, right)
    return [h for h in hits if not any(p[0] <= h[0] and h[1] <= p[1] for p in pseudo)]


def _negated(contexts: Contexts, scan: Scan, place: Place, sentence: Place, _: int) -> bool:
    start = place[0]
    for _, e in _real(contexts, scan, scan.within(contexts.far, sentence[0], start), *sentence):
        if _clear(scan, contexts.stop, e, start) and _clear(scan, contexts.own, e, start):
            return True
    for _, e in _real(contexts, scan, scan.within(contexts.clause, sentence[0], start), *sentence):
        if not _CLAUSE_END.search(scan.text, e, start) and _clear(scan, contexts.stop, e, start):
            return True
    near = scan.within(contexts.near, max(sentence[0], start - contexts.near_reach - 4), start)
    return any(
        start - e <= contexts.near_reach and not _CLAUSE_END.search(scan.text, e, start)
        for _, e in _real(contexts, scan, near, *sentence)
    )


def _rejected(contexts: Contexts, scan: Scan, place: Place, sentence: Place, _: int) -> bool:
    reach = min(sentence[1], place[1] + contexts.rejection_reach)
    hits = scan.within(contexts.rejection, place[1], reach)
    return any(_clear(scan, contexts.own, place[1], s) and _clear(scan, contexts.stop, place[1], s) for s, _ in hits)


def _warned(contexts: Contexts, scan: Scan, place: Place, sentence: Place, index: int) -> bool:
    before = scan.within(contexts.warning, sentence[0], place[0])
    if any(_clear(scan, contexts.own, e, place[0]) and _clear(scan, contexts.stop, e, place[0]) for _, e in before):
        return True
    met = scan.within(contexts.meeting, sentence[0], place[0])
    if any(_clear(scan, contexts.own, e, place[0]) for _, e in met) and scan.has(contexts.alarm, *sentence):
        return True
    intro = _intro(scan, index)
    return intro is not None and (scan.has(contexts.prohibition, *intro) or scan.has(contexts.warning, *intro))


def _intro(scan: Scan, index: int) -> Place | None:
    """The sentence that introduces the list the sentence `index` is an item of."""
    start, end = scan.sentences[index]
    text = scan.text
    at = index
    while at > 0 and (_ITEM.match(text, *scan.sentences[at]) or not text[slice(*scan.sentences[at])].strip()):
        at -= 1
    if at == index:
        colon = max(text.rfind(":", start, end), -1)
        return (start, colon + 1) if colon > start and _ITEM.match(text, colon + 1, end) else None
    intro = scan.sentences[at]
    body = text[slice(*intro)].rstrip()
    return intro if body.endswith((":", "：")) or "下列" in body or "以下" in body or ":" in body else None


def _quoted(contexts: Contexts, scan: Scan, place: Place, sentence: Place, _: int) -> bool:
    """Inside quotation marks, and the sentence speaks about the words rather than with them."""
    before = scan.text[sentence[0] : place[0]]
    after = scan.text[place[1] : sentence[1]]
    opened = max(before.rfind(c) for c in _OPEN)
    if opened < 0 or any(c in before[opened + 1 :] for c in _CLOSE) or not any(c in after for c in _CLOSE):
        return False
    outside = (sentence[0], sentence[0] + opened), (place[1], sentence[1])
    words = (contexts.quoted, contexts.warning, contexts.rejection, contexts.far, contexts.clause, contexts.asked)
    return any(scan.has(w, *o) for w in words for o in outside)


def _asked(contexts: Contexts, scan: Scan, place: Place, sentence: Place, _: int) -> bool:
    """A question, unless it lures (想不想, 难道, 还等什么)."""
    if scan.has(contexts.lure, *sentence):
        return False
    asked = scan.within(contexts.asked, sentence[0], place[0])
    if any(_clear(scan, contexts.stop, e, place[0]) for _, e in asked):
        return True
    tail = scan.text[place[1] : sentence[1]]
    head = re.split(r"[,，。]", tail)[0]
    return scan.has(contexts.asked_end, place[1], place[1] + len(head)) or (head.endswith("?") and len(head) < 12)


def _taught(contexts: Contexts, scan: Scan, place: Place, sentence: Place, _: int) -> bool:
    return scan.has(contexts.taught, *sentence) and _clear(scan, contexts.own, *sentence)


def _statute(contexts: Contexts, scan: Scan, place: Place, sentence: Place, index: int) -> bool:
    """Formal text of a law or rule: its markers, and nobody is spoken to."""
    if not _clear(scan, contexts.person, *sentence):
        return False
    if scan.has(contexts.formal, *sentence):
        return True
    return index > 0 and bool(_ARTICLE.search(scan.text, 0, sentence[1])) and bool(_ITEM.match(scan.text, *sentence))


_CHECKS = {
    "negation": _negated,
    "rejection": _rejected,
    "warning": _warned,
    "quotation": _quoted,
    "question": _asked,
    "education": _taught,
    "statute": _statute,
}
