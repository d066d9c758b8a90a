"""The phrase engine: every word of a policy pack found in one pass, patterns of words with gaps tried on the hits.

A *symbol* is a set of words (a class of the pack, or alternatives written in a pattern), or a regular expression for
what is not a word: numbers, prices, codes. A pattern is a sequence of symbols with limited gaps inside one sentence:

    "保证|确保 ~6 收益|RETURN"     at most six characters between
    "!NAME"  NAME must not stand in the sentence      "&NAME"  NAME must stand somewhere in the sentence

Capitals name classes of the pack; everything else is literal, but NUMBER inside a word stands for a number and _ for
a space. Without ~n the gap is at most DEFAULT_GAP.

Compounds are longer words that a word of a pattern may be part of by chance (准 in 标准, 分 in 部分): inside them the
shorter word does not count.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass

import ahocorasick

from guardrails.normalise import Normalised, normalise, sound

DEFAULT_GAP = 2
_COMPOUND = -1
SENTENCE_END = re.compile(r"[。!?;\n]+[”’」』》)\"]?|…+")
_COUNT = re.compile(r"\d+(?:\.\d+)?|[零一二两三四五六七八九十百千万半几]+")
_CLASS_NAME = re.compile(r"[A-Z][A-Z_0-9]*")

Place = tuple[int, int]


class PatternError(ValueError):
    """A pattern or class of a pack that cannot be read."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """`parts`: (symbol, largest gap before it); `absent`/`present`: symbols tested on the whole sentence; `needs`: the
    symbols without which it cannot match."""

    parts: tuple[tuple[int, int], ...]
    absent: tuple[int, ...] = ()
    present: tuple[int, ...] = ()
    needs: frozenset[int] = frozenset()

    def __post_init__(self) -> None:
        object.__setattr__(self, "needs", frozenset((*(symbol for symbol, _ in self.parts), *self.present)))


class Hits:
    """Places of symbols, put together only for the symbols somebody asks for."""

    def __init__(self, found: Mapping[int, list[Place]], symbols_of: Sequence[tuple[int, ...]]) -> None:
        self._found = found
        self._words: dict[int, list[int]] = {}
        words = self._words
        for word in found:
            for symbol in symbols_of[word]:
                if symbol in words:
                    words[symbol].append(word)
                else:
                    words[symbol] = [word]
        self._places: dict[int, tuple[list[Place], list[int]]] = {}

    @property
    def symbols(self) -> Set[int]:
        """Symbols that stand in the text."""
        return self._words.keys()

    def __contains__(self, symbol: int) -> bool:
        return symbol in self._words

    def get(self, symbol: int) -> tuple[list[Place], list[int]]:
        """(places sorted by start, their starts); both empty when the symbol does not stand in the text."""
        cached = self._places.get(symbol)
        if cached is None:
            places = sorted({p for word in self._words.get(symbol, ()) for p in self._found[word]})
            cached = self._places[symbol] = (places, [p[0] for p in places])
        return cached


@dataclass(frozen=True, slots=True)
class Scan:
    """One text with all its hits. `sentences` are half-open and cover the text."""

    reading: Normalised
    sentences: list[Place]
    hits: Hits

    @property
    def text(self) -> str:
        """The normalised text all places refer to."""
        return self.reading.text

    def sentence_of(self, at: int) -> int:
        """Index of the sentence that holds position `at`."""
        return max(0, bisect_right(self.sentences, (at, len(self.text) + 1)) - 1)

    def within(self, symbol: int, start: int, end: int) -> list[Place]:
        """Hits of `symbol` that lie wholly in [start, end)."""
        if symbol not in self.hits:
            return []
        places, starts = self.hits.get(symbol)
        return [h for h in places[bisect_left(starts, start) : bisect_left(starts, end)] if h[1] <= end]

    def has(self, symbol: int, start: int, end: int) -> bool:
        """Whether `symbol` stands in [start, end)."""
        return symbol in self.hits and bool(self.within(symbol, start, end))


class Lexicon:
    """Collects symbols, then finds them. `freeze` must be called once before `scan`."""

    def __init__(self, classes: Mapping[str, Sequence[str]], compounds: Sequence[str] = ()) -> None:
        self._classes = classes
        self._compounds = frozenset(normalise(c).text for c in compounds)
        self._units: dict[str, set[int]] = {}
        self._sounds: set[str] = set()
        self._known: dict[tuple[str, bool], int] = {}
        self._automaton = ahocorasick.Automaton()
        self._heard = ahocorasick.Automaton()
        self._symbols_of: list[tuple[int, ...]] = []
        self._regexes: list[tuple[int, re.Pattern[str]]] = []
        self._counted: dict[str, list[tuple[int, str, str]]] = {}
        self._lengths: list[int] = []
        self._longest = max((len(compound) for compound in self._compounds), default=0)

    def symbol(self, spec: str, *, by_sound: bool = False) -> int:
        """The symbol for "word|CLASS|word"; `re:` introduces a regular expression (the whole spec)."""
        key = (spec, by_sound)
        if key in self._known:
            return self._known[key]
        number = self._known[key] = len(self._known)
        for word in [spec] if spec.startswith("re:") else spec.split("|"):
            self._add(number, word, by_sound)
        return number

    def words(self, words: Iterable[str], *, by_sound: bool = False) -> int:
        """The symbol for a list of words, class names or `re:` expressions."""
        listed = tuple(words)
        key = ("\x00".join(listed), by_sound)
        if key in self._known:
            return self._known[key]
        number = self._known[key] = len(self._known)
        for word in listed:
            self._add(number, word, by_sound)
        return number

    def _add(self, number: int, word: str, by_sound: bool) -> None:
        if _CLASS_NAME.fullmatch(word):
            if word not in self._classes:
                raise PatternError(f"unknown class {word}")
            for member in self._classes[word]:
                self._add(number, member, by_sound)
            return
        written = word if word.startswith("re:") or "NUMBER" in word else normalise(word.replace("_", " ")).text
        if not written:
            raise PatternError(f"empty word in {word!r}")
        self._units.setdefault(written, set()).add(number)
        if by_sound and len(written) >= 4 and all("\u4e00" <= c <= "\u9fff" for c in written):
            self._sounds.add(written)

    def pattern(self, text: str) -> Pattern:
        """Reads one pattern (see the module's docstring)."""
        parts: list[tuple[int, int]] = []
        absent: list[int] = []
        present: list[int] = []
        gap = DEFAULT_GAP
        for token in text.split():
            if token.startswith("~"):
                gap = int(token[1:])
            elif token.startswith("!"):
                absent.append(self.symbol(token[1:]))
            elif token.startswith("&"):
                present.append(self.symbol(token[1:]))
            else:
                parts.append((self.symbol(token), gap))
                gap = DEFAULT_GAP
        if not parts:
            raise PatternError(f"pattern without words: {text!r}")
        return Pattern(tuple(parts), tuple(absent), tuple(present))

    def freeze(self) -> None:
        """Builds the automata; no symbol can be added afterwards."""
        for unit, symbols in self._units.items():
            number = len(self._symbols_of)
            self._symbols_of.append(tuple(sorted(symbols)))
            if unit.startswith("re:"):
                self._regexes.append((number, re.compile(unit[3:])))
            elif "NUMBER" in unit:
                before, _, after = unit.partition("NUMBER")
                tail = normalise(after).text
                self._counted.setdefault(tail, []).append((number, normalise(before).text, tail))
            else:
                told = (len(unit), number, unit in self._compounds, unit[0].isascii(), unit[0] == "不")
                self._automaton.add_word(unit, told)
            if unit in self._sounds:
                self._heard.add_word(sound(unit), (unit, number))
        for compound in self._compounds - set(self._units):
            self._automaton.add_word(compound, (len(compound), _COMPOUND, True, False, False))
        self._lengths = sorted({len(tail) for tail in self._counted})
        self._automaton.make_automaton()
        if self._sounds:
            self._heard.make_automaton()

    def scan(self, reading: Normalised) -> Scan:
        """All hits of all symbols in a normalised text."""
        text = reading.text
        found: dict[int, list[Place]] = {}
        compounds: dict[int, int] = {}
        words: list[tuple[int, Place]] = []
        for last, (length, unit, compound, latin, negative) in self._automaton.iter(text):
            place = (last - length + 1, last + 1)
            if compound:
                compounds[place[0]] = max(place[1], compounds.get(place[0], 0))
            if unit == _COMPOUND or (latin and not _bounded(text, *place)) or (negative and _doubled(text, place[0])):
                continue
            words.append((unit, place))
        inside = bytearray(len(text))
        for s, e in compounds.items():
            inside[s:e] = b"\1" * (e - s)
        for unit, place in words:
            if inside[place[0]] and _within_longer(place, compounds, self._longest):
                continue
            if unit in found:
                found[unit].append(place)
            else:
                found[unit] = [place]
        if self._sounds:
            self._hear(text, found)
        for unit, regex in self._regexes:
            places = [m.span() for m in regex.finditer(text) if m.end() > m.start()]
            if places:
                found[unit] = places
        self._count(text, found)
        return Scan(reading, sentences(text), Hits(found, self._symbols_of))

    def _count(self, text: str, found: dict[int, list[Place]]) -> None:
        """Words with a number inside (NUMBER个): every number once, then what stands around it."""
        for m in _COUNT.finditer(text):
            told = [text[m.end() : m.end() + n] for n in self._lengths]
            for unit, before, after in (c for t in told for c in self._counted.get(t, ())):
                if text.endswith(before, 0, m.start()):
                    found.setdefault(unit, []).append((m.start() - len(before), m.end() + len(after)))

    def _hear(self, text: str, found: dict[int, list[Place]]) -> None:
        """Terms written with other characters of the same sound: at least a quarter of them in place."""
        for last, (word, unit) in self._heard.iter(sound(text)):
            start = last - len(word) + 1
            written = text[start : last + 1]
            if written != word and sum(a == b for a, b in zip(written, word, strict=True)) * 4 >= len(word):
                found.setdefault(unit, []).append((start, last + 1))


def _within_longer(place: Place, longer: Mapping[int, int], longest: int) -> bool:
    """Whether `place` is part of a longer one; `longer`: start → furthest end, none over `longest` characters."""
    start, end = place
    nearby = range(max(0, end - longest), start + 1)
    return any((e := longer.get(s, 0)) >= end and e - s > end - start for s in nearby)


def _doubled(text: str, start: int) -> bool:
    """The second half of a question of the form 会不会: 不会 in it denies nothing and states nothing."""
    return text[start] == "不" and 0 < start < len(text) - 1 and text[start - 1] == text[start + 1]


def _bounded(text: str, start: int, end: int) -> bool:
    """Latin words count only as whole words."""
    if not text[start].isalnum():
        return True
    left = start and text[start - 1].isascii() and text[start - 1].isalpha()
    right = end < len(text) and text[end].isascii() and text[end].isalpha() and text[end - 1].isascii()
    return not (left or right)


def sentences(text: str) -> list[Place]:
    """Half-open spans of the sentences of a normalised text; together they cover it."""
    spans: list[Place] = []
    start = 0
    for m in SENTENCE_END.finditer(text):
        spans.append((start, m.end()))
        start = m.end()
    if start < len(text) or not spans:
        spans.append((start, len(text)))
    return spans


def matches(pattern: Pattern, scan: Scan) -> list[tuple[Place, ...]]:
    """Where `pattern` stands: for each match the places of its parts, all inside one sentence."""
    if not pattern.needs <= scan.hits.symbols:
        return []
    found: list[tuple[Place, ...]] = []
    for start, end in scan.hits.get(pattern.parts[0][0])[0]:
        left, right = scan.sentences[scan.sentence_of(start)]
        rest = _follow(pattern.parts, 1, end, right, scan)
        if rest is None or any(scan.has(s, left, right) for s in pattern.absent):
            continue
        if all(scan.has(s, left, right) for s in pattern.present):
            found.append(((start, end), *rest))
    return found


def _follow(parts: Sequence[tuple[int, int]], i: int, at: int, limit: int, scan: Scan) -> tuple[Place, ...] | None:
    """Places of the parts from the i-th on after position `at`, the nearest first; None when they do not follow."""
    if i == len(parts):
        return ()
    symbol, gap = parts[i]
    places, starts = scan.hits.get(symbol)
    for start, end in places[bisect_left(starts, at) :]:
        if start - at > gap or start >= limit:
            break
        if end > limit:
            continue
        rest = _follow(parts, i + 1, end, limit, scan)
        if rest is not None:
            return ((start, end), *rest)
    return None
